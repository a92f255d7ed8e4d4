/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What old programs have of their own: interrupt handlers, and a way into protected mode and back. */
    .code16
    .text
/* INT 09h of a resident program: it looks at the scan code and leaves it to the one before. */
    .globl hook_int09, old_int09, hooked_code
hook_int09:
    pushw %ax
    inb $0x60, %al
    movb %al, %cs:hooked_code
    popw %ax
    ljmpw *%cs:old_int09

/* INT 1Ch: counts, and types `typed` (a scan code) at the tick `type_at`. */
    .globl hook_tick, hooked_ticks, typed, type_at
hook_tick:
    pushw %ax
    incw %cs:hooked_ticks
    movw %cs:hooked_ticks, %ax
    cmpw %ax, %cs:type_at
    jne 1f
    movb $0xd2, %al
    outb %al, $0x64
    movb %cs:typed, %al
    outb %al, $0x60
1:  popw %ax
    iret

/* INT 08h, chained to: for timers of another rate. */
    .globl hook_int08, hooked_timer
hook_int08:
    pushw %ax
    incw %cs:hooked_timer
    movb $0x20, %al
    outb %al, $0x20
    popw %ax
    iret

    .globl hook_int4a, hooked_alarms
hook_int4a:
    incb %cs:hooked_alarms
    iret

/* void unreal(void): FS gets a limit of 4 GiB and keeps it in real mode. */
    .globl unreal
unreal:
    cli
    lgdtl gdtr
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    jmp 1f
1:  movw $0x10, %dx
    movw %dx, %fs
    andb $0xfe, %al
    movl %eax, %cr0
    jmp 1f
1:  xorw %dx, %dx
    movw %dx, %fs
    sti
    retl

/* u8 flat_read(u32 address), void flat_write(u32 address, u8 v): through FS's limit of 4 GiB. */
    .globl flat_read, flat_write
flat_read:
    xorw %dx, %dx
    movw %dx, %fs
    movb %fs:(%eax), %al
    retl
flat_write:
    xorw %cx, %cx
    movw %cx, %fs
    movb %dl, %fs:(%eax)
    retl

/* void protected_call(struct regs *r): a far call in protected mode, of 32 bits if pm_32, to pm_target;
 * with pm_data in DS and ES, and pm_stack, whose ESP's high half is garbage if it is of 16 bits. */
    .globl protected_call, pm_target, pm_32, pm_data, pm_stack
protected_call:
    pushal
    cli
    movl %eax, pm_regs
    movl %esp, pm_esp
    lgdtl gdtr
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpw $0x30, $1f
1:  movl pm_regs, %ebp
    movl %esp, %edx
    movw pm_stack, %ax
    cmpw $0x38, %ax             /* 16 bits */
    jne 2f
    orl $0x55550000, %edx
2:  cmpw $0x10, %ax             /* flat */
    jne 3f
    addl $0x10000, %edx
3:  movw %ax, %ss
    movl %edx, %esp
    movw $0x38, %ax
    movw %ax, %ds
    movl %ds:8(%ebp), %edi
    movl %ds:12(%ebp), %esi
    movl %ds:24(%ebp), %ebx
    movl %ds:28(%ebp), %edx
    movl %ds:32(%ebp), %ecx
    movl %ds:36(%ebp), %eax
    movw pm_data, %es
    movw %es, %bp
    movw %bp, %ds
    cmpb $0, %cs:pm_32
    jne 4f
    lcallw *%cs:pm_target
    jmp 5f
4:  lcalll *%cs:pm_target
5:  pushfw
    pushw %ax
    movw $0x38, %ax
    movw %ax, %ds
    movl pm_regs, %ebp
    popw %ds:36(%ebp)
    popw %ds:44(%ebp)
    movw $0x38, %ax
    movw %ax, %ss
    movl pm_esp, %esp
    movl %ebx, %ds:24(%ebp)
    movl %edx, %ds:28(%ebp)
    movl %ecx, %ds:32(%ebp)
    movl %cr0, %eax
    andb $0xfe, %al
    movl %eax, %cr0
    ljmpw $0x1000, $6f
6:  movw %cs, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    sti
    popal
    retl

/* For protected_call: a near call in 32 bits, flat segments, of pm_near. */
    .code32
    .globl pm_far_to_near, pm_near
pm_far_to_near:
    call *pm_near + 0x10000
    lretl
    .code16

/* u32 boot_again(const u8 *packet): INT 13h/AX=4C00h; see disk.c. */
    .globl boot_again
boot_again:
    pushal
    movl %esp, pm_esp
    movl %eax, %esi
    xorw %cx, %cx
    movw %cx, %fs
    movl $0x41474e21, %fs:0x500
    movw $1f, %fs:0x504
    movw %cs, %fs:0x506
    movw $0x4c00, %ax
    int $0x13
    movzwl %ax, %eax            /* it failed */
    jnc 2f
    orl $0x10000, %eax
    jmp 2f
1:  movzbl %dl, %eax            /* the boot sector runs */
    shll $24, %eax
2:  cli
    movw %cs, %cx
    movw %cx, %ds
    movw %cx, %es
    movw %cx, %ss
    movl pm_esp, %esp
    sti
    xorw %cx, %cx
    movw %cx, %fs
    movl $0, %fs:0x500
    movl %eax, pm_regs
    popal
    movl pm_regs, %eax
    retl

/* u32 to_protected(void): INT 15h/AH=89h with vectors 40h and 48h, and back. Returns 0 if segments,
 * flags and the interrupt controllers' masks are as they should be, else what is not. */
    .globl to_protected
to_protected:
    pushal
    pushw %ds
    pushw %es
    movl %esp, pm_esp
    inb $0x21, %al
    movb %al, masks
    inb $0xa1, %al
    movb %al, masks + 1
    movw $gdt89, %si
    movw $0x4048, %bx
    movw $0x8900, %ax
    stc
    int $0x15
    pushfw
    popw %cx
    movw $1, %dx
    testb $1, %cl               /* CF, or still in real mode */
    jnz 4f
    smsw %cx
    testb $1, %cl
    jz 4f
    incw %dx                    /* 2: a segment */
    movw %cs, %cx
    cmpw $0x30, %cx
    jne 3f
    movw %ds, %cx
    cmpw $0x18, %cx
    jne 3f
    movw %es, %cx
    cmpw $0x20, %cx
    jne 3f
    movw %ss, %cx
    cmpw $0x28, %cx
    jne 3f
    incw %dx                    /* 3: the bases of DS and ES, our data and 1 MiB with A20 on */
    cmpl $0x2eb6c0de, marker
    jne 3f
    cmpl $0x2eb6c0de, %es:(0)
    je 3f
    incw %dx                    /* 4: AH, IF, masks */
    testb %ah, %ah
    jnz 3f
    pushfw
    popw %cx
    testb $2, %ch
    jnz 3f
    inb $0x21, %al
    cmpb $0xff, %al
    jne 3f
    inb $0xa1, %al
    cmpb $0xff, %al
    jne 3f
    xorw %dx, %dx
3:  movl %cr0, %eax
    andb $0xfe, %al
    movl %eax, %cr0
    ljmpw $0x1000, $1f
1:  lidtl %cs:real_idt
    movw %cs, %cx
    movw %cx, %ss
    movw %cx, %ds
    movl pm_esp, %esp
    movw $0x0820, %ax           /* the controllers as they were */
    call pic
    movw $0x70a0, %ax
    call pic
    movb masks, %al
    outb %al, $0x21
    movb masks + 1, %al
    outb %al, $0xa1
4:  movzwl %dx, %eax
    movl %eax, %cs:pm_regs
    popw %es
    popw %ds
    sti
    popal
    movl pm_regs, %eax
    retl

/* AL the first port, AH the vector. */
pic:
    pushw %dx
    movzbw %al, %dx
    movb $0x11, %al
    outb %al, %dx
    incw %dx
    movb %ah, %al
    outb %al, %dx
    movb $4, %al
    cmpb $0x21, %dl
    je 1f
    movb $2, %al
1:  outb %al, %dx
    movb $1, %al
    outb %al, %dx
    popw %dx
    ret

    .data
    .balign 8
gdt89:                          /* as 89h wants them; 38h is the BIOS's */
    .quad 0
    .word 63
    .long 0x93010000 + gdt89
    .word 0
    .word 0
    .long 0x93000000
    .word 0
    .quad 0x000093010000ffff
    .quad 0x000093100000ffff
    .quad 0x000093010000ffff
    .quad 0x00009b010000ffff
    .quad 0
marker:     .long 0x2eb6c0de
real_idt:
    .word 0x3ff
    .long 0
masks:      .word 0
    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    /* 08: flat code of 32 bits */
    .quad 0x00cf93000000ffff    /* 10: flat data */
    .quad 0x00409b0f0000ffff    /* 18: F0000h, code of 32 bits, of 16 bits, data */
    .quad 0x00009b0f0000ffff
    .quad 0x0000930f0000ffff
    .quad 0x00009b010000ffff    /* 30: ours: code, data */
    .quad 0x000093010000ffff
    .quad 0x004093010000ffff    /* 40: ours, a stack of 32 bits */
gdt_end:
gdtr:
    .word gdt_end - gdt - 1
    .long gdt + 0x10000
pm_regs:    .long 0
pm_near:    .long 0
pm_esp:     .long 0
pm_target:  .long 0, 0
pm_32:      .byte 0
pm_data:    .word 0
pm_stack:   .word 0
old_int09:  .long 0
hooked_ticks: .word 0
type_at:    .word 0
hooked_timer: .word 0
hooked_code: .byte 0
hooked_alarms: .byte 0
typed:      .byte 0
