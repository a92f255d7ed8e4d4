/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The F segment's assembly: reset, the ways into 16-bit C and back, and between the two modes. */
#include "fixed.h"

#define CMOS_SHUTDOWN 0x0f
#define SEL_CODE32 0x08
#define SEL_DATA32 0x10
#define SEL_CODE16 0x18
#define SEL_DATA16 0x20

    .code16
    .section .bss
    .balign 4096
    .globl stack_bottom, stack_top
stack_bottom:
    .skip 4096
stack_end:
    .balign 4
tmp_esp:    .skip 4
tmp_func:   .skip 4
tmp_eax:    .skip 4
tmp_action: .skip 4
tmp_ss:     .skip 2
tmp_ds:     .skip 2
tmp_es:     .skip 2
tmp_ip:     .skip 2
tmp_cs:     .skip 2
tmp_flags:  .skip 2
far_target: .skip 4
    .globl boot_target
boot_target: .skip 4
apm_esp:    .skip 4

    .data
    .balign 4
stack_top:
    .long stack_end
    .globl posted
posted:
    .long 0

/* ---- reset ---- */

    .text
/* A CPU reset that is not the machine's (CMOS 0Fh) resumes a program; else POST. */
reset:
    cli
    cld
    movb $0x80 | CMOS_SHUTDOWN, %al
    outb %al, $0x70
    inb $0x71, %al
    movb %al, %bl
    cmpb $0xfe, %al             /* S3: for POST to say no */
    je 1f
    movb $0x80 | CMOS_SHUTDOWN, %al
    outb %al, $0x70
    xorb %al, %al
    outb %al, $0x71
1:  inb $0x92, %al              /* A20 on */
    orb $2, %al
    andb $0xfe, %al
    outb %al, $0x92
    cmpb $0x05, %bl
    je resume_eoi
    cmpb $0x0a, %bl
    je resume
    cmpb $0, %cs:posted         /* set in RAM only: no reset, or one that left PAM as it was */
    jne reboot
    lgdtl %cs:rom_gdtr
    movl %cr0, %eax
    andl $0x1fffffff, %eax      /* caches on */
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $SEL_CODE32, $in_rom + 0xffff0000
resume_eoi:
    movb $0x20, %al
    outb %al, $0xa0
    outb %al, $0x20
resume:
    call shadow_on
    xorw %ax, %ax
    movw %ax, %ds
    ljmpw *0x467

/* PAM0 to PAM6 of the host bridge (82441FX 59h, Q35's MCH 90h): C0000h-FFFFFh is RAM. Only
 * registers: there is no memory yet. The same for 16 and 32 bits. */
    .macro SHADOW_ON
    movl $0x80000000, %eax
    movw $0xcf8, %dx
    outl %eax, %dx
    movw $0xcfc, %dx
    inl %dx, %eax
    movl $0x80000059, %ebx
    cmpl $0x12378086, %eax
    je 1f
    movl $0x80000090, %ebx
    cmpl $0x29c08086, %eax
    jne 3f
1:  movb $0x30, %cl
2:  movl %ebx, %eax
    andb $0xfc, %al
    movw $0xcf8, %dx
    outl %eax, %dx
    movw %bx, %dx
    andw $3, %dx
    addw $0xcfc, %dx
    movb %cl, %al
    outb %al, %dx
    movb $0x33, %cl
    incl %ebx
    cmpb $0x60, %bl
    je 3f
    cmpb $0x97, %bl
    jne 2b
3:
    .endm

shadow_on:
    SHADOW_ON
    ret

/* The same code runs from the ROM below 4 GiB: PAM is switched, and the ROM's last 128 KiB copied to
 * where they appear. */
    .code32
in_rom:
    movw $SEL_DATA32, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw %ax, %fs
    movw %ax, %gs
    SHADOW_ON
    movl $0xfffe0000, %esi
    movl $0xe0000, %edi
    movl $0x8000, %ecx
    rep movsl
    lgdtl 0xf0000 + F_GDTR
    ljmpl $SEL_CODE32, $0xe0000

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    /* 32-bit code, flat */
    .quad 0x00cf93000000ffff    /* 32-bit data, flat */
    .quad 0x00009b0f0000ffff    /* 16-bit code, F0000h */
    .quad 0x008f93000000ffff    /* 16-bit data, flat: real mode keeps the limit of 4 GiB */
gdt_end:
rom_gdtr:
    .word gdt_end - gdt - 1
    .long gdt + 0xffff0000

/* ---- software and hardware interrupts: into C and back ---- */

/* On our own stack a struct regs, and above it the caller's ESP and SS (struct frame in rm.h). C gets
 * its address in EAX and returns an action. Interrupts are off, but for yield(). */
    .code16
    .macro HANDLER name, function
    .globl \name
\name:
    pushl $\function
    jmp common
    .endm

common:
    cli
    cld
    pushw %ds
    pushl %eax
    movw %cs, %ax
    movw %ax, %ds
    movl %esp, tmp_esp
    movw %ss, tmp_ss
    movw %es, tmp_es
    movw %ss, %ax
    movw %ax, %es
    cmpw $0xf000, %ax
    movzwl %sp, %eax
    je 1f                       /* on our stack already: go on there */
    pushw %ds
    popw %ss
    movl stack_top, %esp
    jmp 2f
1:  movl %eax, %esp
2:  pushw tmp_ss
    pushl tmp_esp
    pushw %es:14(%eax)
    pushw %es:12(%eax)
    pushw %es:10(%eax)
    pushl %es:6(%eax)
    popl tmp_func
    pushw %es:4(%eax)
    popw tmp_ds
    movl %es:(%eax), %eax
    pushal
    pushw tmp_ds
    pushw tmp_es
    pushw %fs
    pushw %gs
    movw %cs, %ax
    movw %ax, %es
    movw $0x40, %ax
    movw %ax, %fs
    movl %esp, %eax
    calll *tmp_func
    movl %eax, tmp_action
    popw %gs
    popw %fs
    popw tmp_es
    popw tmp_ds
    popal
    movl %eax, tmp_eax
    popw tmp_ip
    popw tmp_cs
    popw tmp_flags
    popl tmp_esp
    popw %ss
    movl tmp_esp, %esp
    pushw tmp_flags
    movzwl %sp, %eax
    popw %ss:16(%eax)           /* 14 from the stack pointer before */
    movl tmp_eax, %eax
    movw tmp_es, %es
    addw $4, %sp
    popw %ds
    cmpl $0, %cs:tmp_action
    jne act
    addw $4, %sp
    iret

/* Actions happen on the caller's stack, with its registers (enum action in rm.h); EAX is in tmp_eax as
 * long as interrupts are off. */
act:
    movl %cs:tmp_action, %eax
    decw %ax
    jz act_wait
    addw $4, %sp                /* the function is not needed any more */
    decw %ax
    jz act_tick
    decw %ax
    jz act_break
    decw %ax
    jz act_print
    decw %ax
    jz act_sysreq
    decw %ax
    jz act_sysreq_up
    decw %ax
    jz act_pause
    decw %ax
    jz act_alarm
    decw %ax
    jz act_idle
    decw %ax
    jz act_mouse
    decw %ax
    jz act_start
    jmp act_protect

/* Until the next interrupt; then the whole service again. */
act_wait:
    movl %cs:tmp_eax, %eax
    sti
    hlt
    cli
    jmp common

act_tick:
    movl %cs:tmp_eax, %eax
    pushal
    pushw %ds
    pushw %es
    int $0x1c
    cli
    movb $0x20, %al
    outb %al, $0x20
    popw %es
    popw %ds
    popal
    iret
act_break:
    movl %cs:tmp_eax, %eax
    int $0x1b
    iret
act_print:
    movl %cs:tmp_eax, %eax
    int $0x05
    iret
act_sysreq:
    movl %cs:tmp_eax, %eax
    pushw %ax
    movw $0x8500, %ax
    jmp 1f
act_sysreq_up:
    movl %cs:tmp_eax, %eax
    pushw %ax
    movw $0x8501, %ax
1:  sti
    int $0x15
    popw %ax
    iret

/* The Pause key: until the next one, which takes the bit away (kbd_scancode). */
act_pause:
    pushw %ds
    movw $0x40, %ax
    movw %ax, %ds
1:  sti
    hlt
    testb $0x08, 0x18
    jnz 1b
    popw %ds
    movl %cs:tmp_eax, %eax
    iret
act_alarm:
    movl %cs:tmp_eax, %eax
    sti
    int $0x4a
    iret
act_idle:
    movl %cs:tmp_eax, %eax
    sti
    hlt
    iret

/* The PS/2 mouse's handler, far, with status, X, Y and 0 (INT 15h/AX=C207h); then the end of
 * interrupt. */
act_mouse:
    movl %cs:tmp_eax, %eax
    pushal
    pushw %ds
    pushw %es
    pushw %fs
    pushw %gs
    pushw %cs:mouse_status
    pushw %cs:mouse_x
    pushw %cs:mouse_y
    pushw $0
    movl %cs:mouse_handler, %eax
    movl %eax, %cs:far_target
    sti
    lcallw *%cs:far_target
    cli
    addw $8, %sp
    popw %gs
    popw %fs
    popw %es
    popw %ds
    popal
    iret

/* A boot sector, with DL the drive and the stack of POST's start(). */
act_start:
    movl %cs:tmp_eax, %eax
    lss %cs:call16_stack, %esp
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    sti
    ljmpw *%cs:boot_target

/* To protected mode (INT 15h/AH=89h; IBM AT Technical Reference, BIOS listing) with the tables at
 * ES:SI: 08h GDT, 10h IDT, 18h DS, 20h ES, 28h SS, 30h the caller's CS, 38h ours, which int15.c has
 * filled in. AX and BP are lost; the caller's IP is gone on at with selector 30h and interrupts off. */
act_protect:
    lgdtw %es:8(%si)
    lidtw %es:16(%si)
    smsw %ax
    orb $1, %al
    lmsw %ax
    ljmpw $0x38, $1f
1:  movw $0x18, %ax
    movw %ax, %ds
    movw $0x20, %ax
    movw %ax, %es
    movw $0x28, %ax
    movw %ax, %ss
    popw %bp
    addw $4, %sp
    pushw $0x30
    pushw %bp
    xorw %ax, %ax
    lretw

/* void yield(void): a moment with interrupts on. Handlers may run and call us: below this. */
    .globl yield
yield:
    pushl stack_top
    movl %esp, stack_top
    pushal
    pushw %es
    pushw %gs
    sti
    nop
    nop
    cli
    popw %gs
    popw %es
    popal
    popl stack_top
    retl

    HANDLER int10_entry, int10
    HANDLER int11_entry, int11
    HANDLER int12_entry, int12
    HANDLER int13_entry, int13
    HANDLER int14_entry, int14
    HANDLER int15_entry, int15
    HANDLER int16_entry, int16
    HANDLER int17_entry, int17
    HANDLER int18_entry, int18
    HANDLER int19_entry, int19
    HANDLER int1a_entry, int1a
    HANDLER int40_entry, int40
    HANDLER int05_entry, int05
    HANDLER int08_entry, int08
    HANDLER kbd_entry, kbd_scancode
    HANDLER int0e_entry, int0e
    HANDLER int70_entry, int70
    HANDLER int74_entry, int74
    HANDLER irq_master, irq_unused_master
    HANDLER irq_slave, irq_unused_slave
    HANDLER pmm_handler, pmm

/* Far entry of the POST memory manager; the arguments are on the stack, the result in DX:AX. */
    .globl pmm_entry
pmm_entry:
    pushfw
    pushw %cs
    pushw $1f
    jmp pmm_handler
1:  lretw

/* Plug and Play BIOS services, real mode: none is supported (Plug and Play BIOS 1.0A, 4.4: 82h). Option
 * ROMs look for the installation structure to learn that we call their bootstrap vectors. */
    .globl pnp_entry
pnp_entry:
    movw $0x82, %ax
    lretw

/* IRQ 1: the scan code goes through INT 15h/AH=4Fh, which may change it or swallow it (CF clear). A
 * program that hooked INT 09h may have read it already: then port 60h still has it. But the interrupt of
 * a byte that our own services polled is none (mouse.c). */
int09_entry:
    pushw %ax
    inb $0x64, %al
    testb $0x20, %al            /* the mouse's */
    jnz 2f
    testb $0x01, %al
    jnz 3f
    cmpb $0, %cs:kbd_stale
    jne 2f
3:  movb $0xad, %al             /* the keyboard off meanwhile */
    outb %al, $0x64
    inb $0x60, %al
    movb $0x4f, %ah
    stc
    int $0x15
    cli
    pushw %ax
    movb $0xae, %al
    outb %al, $0x64
    movb $0x20, %al
    outb %al, $0x20
    popw %ax
    movb $0, %cs:kbd_stale
    jnc 1f
    pushfw
    pushw %cs
    call kbd_entry
1:  popw %ax
    iret
2:  movb $0, %cs:kbd_stale
    movb $0x20, %al
    outb %al, $0x20
    popw %ax
    iret

/* IRQ 13: the coprocessor's, as NMI (PC/AT). */
int75_entry:
    pushw %ax
    xorb %al, %al
    outb %al, $0xf0
    movb $0x20, %al
    outb %al, $0xa0
    outb %al, $0x20
    popw %ax
    int $0x02
    iret

/* IRQ 14 and 15: the disks are polled; the flag is for programs. */
int76_entry:
    pushw %ax
    pushw %ds
    movw $0x40, %ax
    movw %ax, %ds
    movb $0xff, 0x8e
    movb $0x20, %al
    outb %al, $0xa0
    outb %al, $0x20
    popw %ds
    popw %ax
    iret

/* ---- between the modes ---- */

/* u32 call32(u32 function, u32 argument): to post32's entry at E0000h + 8. Real mode is left and
 * entered again with the caller's GDTR, IDTR and A20; data segments keep a limit of 4 GiB, so that a
 * caller in "unreal" mode still has it. In virtual-8086 mode it cannot be done: -1. */
    .globl call32
call32:
    smsw %cx
    testb $1, %cl
    jz 1f
    movl $-1, %eax
    retl
1:  pushl %ebp
    pushl %ebx
    pushl %esi
    pushl %edi
    pushw %gs
    pushw %ss
    subw $16, %sp
    movzwl %sp, %ebp
    sgdtl (%ebp)
    sidtl 8(%ebp)
    movb %al, %cl
    inb $0x92, %al              /* A20 on: a program may have switched it off */
    movb %al, 14(%ebp)
    orb $2, %al
    andb $0xfe, %al
    outb %al, $0x92
    movb %cl, %al
    lgdtl F_GDTR
    movl %cr0, %ecx
    orb $1, %cl
    movl %ecx, %cr0
    ljmpl $SEL_CODE32, $0xf0000 + 2f
    .code32
2:  movw $SEL_DATA32, %cx
    movw %cx, %ds
    movw %cx, %es
    movw %cx, %fs
    movw %cx, %gs
    movw %cx, %ss
    movl stack32 + 0xf0000, %esp
    pushl %ebp
    movl $0xe0008, %ecx
    call *%ecx
    popl %ebp
    ljmpw $SEL_CODE16, $3f
    .code16
3:  call to_real
    movw %cs, %cx
    movw %cx, %ds
    movw %cx, %es
    movw %cx, %ss
    movl %ebp, %esp
    movw $0x40, %cx
    movw %cx, %fs
    lgdtl (%ebp)
    lidtl 8(%ebp)
    movb %al, %cl
    movb 14(%ebp), %al
    andb $0xfe, %al
    outb %al, $0x92
    movb %cl, %al
    addw $16, %sp
    popw %cx
    popw %gs
    popl %edi
    popl %esi
    popl %ebx
    popl %ebp
    retl

/* From 16-bit protected mode to real mode; keeps EAX, EBP. SS's limit must be 64 KiB for nobody. */
to_real:
    popw %bx
    movw $SEL_DATA16, %cx
    movw %cx, %ds
    movw %cx, %es
    movw %cx, %fs
    movw %cx, %gs
    movw %cx, %ss
    movl %cr0, %ecx
    andb $0xfe, %cl
    movl %ecx, %cr0
    ljmpw $0xf000, $1f
1:  jmpw *%bx

/* POST's call16, jumped to in 32-bit mode with EBX the address to go on at in the end: runs an
 * interrupt or a far call with the registers of call16_block, on the stack below 7C00h; of the flags,
 * IF. POST keeps its ESP in stack32. */
    .code32
call16_32:
    movl %ebx, call16_return + 0xf0000
    lidtl real_idtr + 0xf0000
    ljmpw $SEL_CODE16, $1f
    .code16
1:  movw $SEL_DATA16, %cx
    movw %cx, %ds
    movw %cx, %es
    movw %cx, %fs
    movw %cx, %gs
    movw %cx, %ss
    movl %cr0, %ecx
    andb $0xfe, %cl
    movl %ecx, %cr0
    ljmpw $0xf000, $1f
1:  movw %cs, %cx
    movw %cx, %ds
    movl call16_block + 48, %eax    /* the target is behind struct regs */
    movl %eax, far_target
    cmpl $0x100, %eax
    jae 2f
    movw %ax, %bx               /* a vector: what it points to */
    shlw $2, %bx
    xorw %cx, %cx
    movw %cx, %es
    movl %es:(%bx), %eax
    movl %eax, far_target
2:  lss call16_regs, %esp
    popw %gs
    popw %fs
    popw %es
    popw %ds
    popal
    lss %cs:call16_stack, %esp
    pushw $0x202                /* both IRET and RETF lead to call16_back */
    pushw %cs
    pushw $call16_back
    testb $2, %cs:call16_block + 45
    jz 3f
    sti                         /* a program is started with interrupts on */
3:  ljmpw *%cs:far_target
call16_back:
    cli
    cld
    pushfw
    popw %cs:call16_block + 44
    lss %cs:call16_regs_end, %esp
    pushal
    pushw %ds
    pushw %es
    pushw %fs
    pushw %gs
    movw %cs, %ax
    movw %ax, %ds
    lgdtl F_GDTR
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $SEL_CODE32, $0xf0000 + 1f
    .code32
1:  movw $SEL_DATA32, %cx
    movw %cx, %ds
    movw %cx, %es
    movw %cx, %fs
    movw %cx, %gs
    movw %cx, %ss
    jmp *call16_return + 0xf0000

    .data
    .balign 4
call16_return:  .long 0
call16_regs:
    .long call16_block
    .word 0xf000
call16_regs_end:
    .long call16_block + 40
    .word 0xf000
call16_stack:
    .long 0x7c00
    .word 0
real_idtr:
    .word 0x3ff
    .long 0

/* ---- BIOS32 and PCI in 32-bit mode: entered by a far call with flat segments, anywhere ---- */

    .code32
    .text
/* BIOS32 service directory (standard 0.4): EAX the service, BL 0. Only "$PCI". */
    .globl bios32_entry
bios32_entry:
    cmpl $0x49435024, %eax
    movb $0x80, %al
    jne 1f
    xorb %al, %al
    testb %bl, %bl
    movl $0xf0000, %ebx
    movl $0x10000, %ecx
    movl $pci32_entry, %edx
    jz 1f
    movb $0x81, %al
1:  lret
    .globl pci32_entry
pci32_entry:
    pushfl
    cld
    pushl %ds
    pushl %ss                   /* all that C knows is on the stack */
    popl %ds
    subl $6, %esp               /* IP, CS, FLAGS of struct regs */
    pushal
    subl $8, %esp               /* the segments */
    movl %esp, %eax
    call pcibios32
    addl $8, %esp
    btl $0, 36(%esp)            /* CF */
    popal
    leal 6(%esp), %esp
    popl %ds
    leal 4(%esp), %esp
    lret

/* APM's protected-mode entries (1.2, 4.3): the caller's selectors for 32-bit code, 16-bit code and data
 * follow each other. Idle is a HLT, if interrupts are on. */
    .macro APM_IN code_to_data
    pushfl
    cld
    pushl %ds
    pushl %es
    pushl %eax
    movl %cs, %eax
    addl $\code_to_data, %eax
    movl %eax, %ds
    movl %eax, %es
    popl apm_regs + 36
    movl %edi, apm_regs + 8
    movl %esi, apm_regs + 12
    movl %ebx, apm_regs + 24
    movl %edx, apm_regs + 28
    movl %ecx, apm_regs + 32
    movl $apm_regs, %eax
    .endm
/* EAX the action, which can only be idle; FLAGS the third on the stack at \stack. */
    .macro APM_OUT stack
    testl %eax, %eax
    jz 8f
    testb $2, 9(\stack)
    jz 8f
    hlt
8:  andl $-2, 8(\stack)         /* CF of the flags pushed above */
    movzwl apm_regs + 44, %eax
    andl $1, %eax
    orl %eax, 8(\stack)
    movl apm_regs + 24, %ebx
    movl apm_regs + 28, %edx
    movl apm_regs + 32, %ecx
    movl apm_regs + 36, %eax
    .endm

    .globl apm32_entry
apm32_entry:
    APM_IN 16
    call apm32
    APM_OUT %esp
    popl %es
    popl %ds
    popfl
    lret

/* The stack's segment may be one of 16 bits: then ESP's high half, which C's addressing takes, is
 * cleared meanwhile. */
    .code16
    .globl apm16_entry
apm16_entry:
    APM_IN 8
    pushl %ebp
    movl %esp, apm_esp
    movw %ss, %cx
    larl %ecx, %ecx
    testl $0x400000, %ecx
    jnz 1f
    movzwl %sp, %esp
1:  movl %esp, %ebp
    calll apm15
    addl $4, %ebp
    APM_OUT %ebp
    movl apm_esp, %esp
    popl %ebp
    popl %es
    popl %ds
    popfl
    lretw

/* ---- places of the PC/AT ---- */

    .code16
    .macro AT where, target
    .org \where - 0xe000
    jmp \target
    .endm
    .section .fixed, "ax"
    AT F_INT18, int18_entry
    AT F_INT70, int70_entry
    AT F_INT74, int74_entry
    AT F_INT75, int75_entry
    AT F_INT76, int76_entry
    AT F_IRQ_M, irq_master
    AT F_IRQ_S, irq_slave
    .org F_CALL16 - 0xe000
    .code32
    jmp call16_32
    .code16
    .org F_GDTR - 0xe000
    .word gdt_end - gdt - 1
    .long gdt + 0xf0000
    .org 0xe05b - 0xe000        /* POST of the PC: a jump here restarts */
    jmp reboot
    .org 0xe060 - 0xe000
    .asciz "Calque BIOS"
    .org F_NMI - 0xe000
    iret
    AT F_INT13, int13_entry
    AT F_INT19, int19_entry
    .org F_COM - 0xe000         /* divisors of the serial port's rates, 110 to 9600 */
    .word 1047, 768, 384, 192, 96, 48, 24, 12
    AT F_INT14, int14_entry
    AT F_INT16, int16_entry
    AT F_INT09, int09_entry
    AT F_INT40, int40_entry
    AT F_INT0E, int0e_entry
    .org F_DPT - 0xe000         /* 1.44 MB: step rate and unload, load and DMA, motor off, 512 bytes, */
    .globl dpt
dpt:                            /* sectors, gap, length, format gap, filler, settle, start */
    .byte 0xaf, 0x02, 0x25, 0x02, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08
    AT F_INT17, int17_entry
    AT F_INT10, int10_entry
    AT F_INT12, int12_entry
    AT F_INT11, int11_entry
    AT F_INT15, int15_entry
    .org F_FONT - 0xe000
    .globl font_8x8
font_8x8:
    .skip 1024                  /* filled by POST from the VGA BIOS */
    AT F_INT1A, int1a_entry
    AT F_INT08, int08_entry
    .org F_IRET - 0xe000
    iret
    AT F_INT05, int05_entry
    .org 0xfff0 - 0xe000
    ljmpw $0xf000, $reset
    .org 0xfff5 - 0xe000
    .ascii "01/01/99"           /* two digits, of which systems conclude whether to trust ACPI */
    .org 0xfffe - 0xe000
    .byte 0xfc                  /* PC/AT */
    .org 0xffff - 0xe000
    .byte 0

/* A program that jumps to FFFF:0 comes to `reset` in shadow RAM with the machine as it is: everything
 * is reset first. So it is when a reset did not reset PAM (QEMU's 82441FX): then twice. CF9h is the
 * PIIX's, FEh to 64h the PC/AT's. */
    .text
    .globl reboot
reboot:
    cli
    movl $0, %cs:posted
    movw $0xcf9, %dx
    movb $2, %al
    outb %al, %dx
    movb $6, %al
    outb %al, %dx
    movb $0xfe, %al
    outb %al, $0x64
1:  hlt
    jmp 1b
