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

    .data
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
