/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Boot sector of the BIOS test suite: reads SECTORS sectors behind itself to 1000:0000, CHS with the
 * geometry of the BIOS parameter block or, where that is 0, of INT 13h/AH=08h, one at a time, so that it
 * starts from floppies and disks; then the entry of the suite and its way to software interrupts. */
    .code16
    .section .boot, "ax"
    .globl _start
_start:
    jmp 0f
    nop
    .org 0x18
spt:    .byte 0, 0              /* filled in for floppies of other sizes */
heads:  .byte 0, 0
    .org 0x40
0:  ljmp $0, $1f
1:  cli
    xorw %ax, %ax
    movw %ax, %ds
    cmpl $0x41474e21, 0x500     /* the suite is there: hooks.S */
    jne 0f
    ljmpw *0x504
0:  movw %ax, %ss
    movw $0x7c00, %sp
    sti
    cld
    movb %dl, drive
    cmpb $0, spt
    jne 1f
    movb $8, %ah
    int $0x13
    jc fail
    andb $0x3f, %cl
    movb %cl, spt
    movb %dh, heads
    incb heads
1:  movw $0x1000, %bx
    movw %bx, %es
    movw $1, %si                /* LBA */
2:  movw %si, %ax
    divb spt                    /* AH sector, AL track */
    movb %ah, %cl
    incb %cl
    xorb %ah, %ah
    divb heads                  /* AH head, AL cylinder */
    movb %al, %ch
    movb %ah, %dh
    movb drive, %dl
    xorw %bx, %bx
    movw $0x0201, %ax
    int $0x13
    jc fail
    movw %es, %ax
    addw $32, %ax
    movw %ax, %es
    incw %si
    cmpw $SECTORS, %si
    jbe 2b
    movb drive, %dl
    ljmp $0x1000, $0
fail:
    movw $text, %si
3:  lodsb
    testb %al, %al
    jz 4f
    movw $0x3f8, %dx
    outb %al, %dx
    jmp 3b
4:  hlt
    jmp 4b
text:
    .asciz "not ok 1 - the boot sector cannot read its disk\n"
drive:  .byte 0
    .org 446                    /* a partition that ends at 79/1/18: an emulated disk's geometry */
    .byte 0x80, 0, 2, 0, 1, 1, 18, 79
    .long 1, 2879
    .org 510
    .word 0xaa55

    .section .entry, "ax"
    movw %cs, %ax
    movw %ax, %ds
    movw %ax, %es
    cli
    movw %ax, %ss
    movl $0xfff0, %esp
    sti
    movzbl %dl, %eax
    calll suite
1:  hlt
    jmp 1b

    .text
/* void intr(u8 n, struct regs *r): registers in and out, as if by INT n. All of them are popped from
 * and pushed into the structure, which is in the stack's segment. */
    .globl intr
intr:
    pushal
    movzbl %al, %eax
    shll $2, %eax
    xorw %cx, %cx
    movw %cx, %fs
    movl %fs:(%eax), %eax
    movl %eax, target
    cli
    movl %esp, stack
    movl %edx, %esp
    addl $40, %edx
    movl %edx, registers_end
    popw %gs
    popw %fs
    popw %es
    popw %ds
    popal
    movl %cs:stack, %esp
    pushw $0x202                /* what IRET takes: IF set */
    pushw %cs
    pushw $1f
    ljmpw *%cs:target
1:  cli
    pushfw
    popw %cs:flags
    movl %cs:registers_end, %esp
    pushal
    pushw %ds
    pushw %es
    pushw %fs
    pushw %gs
    movw %cs, %ax
    movw %ax, %ds
    movw %ax, %es
    movl registers_end, %edx
    movw flags, %ax
    movw %ax, 4(%edx)
    movl stack, %esp
    sti
    popal
    retl

/* What INT 15h/AX=C207h installs: called far with status, X, Y, Z pushed in this order. */
    .globl mouse_handler
mouse_handler:
    pushw %bp
    movw %sp, %bp
    pushw %ax
    movw 12(%bp), %ax
    movw %ax, %cs:mouse_seen
    movw 10(%bp), %ax
    movw %ax, %cs:mouse_seen + 2
    movw 8(%bp), %ax
    movw %ax, %cs:mouse_seen + 4
    movw 6(%bp), %ax
    movw %ax, %cs:mouse_seen + 6
    incb %cs:mouse_calls
    popw %ax
    popw %bp
    lretw
    .data
target: .long 0
stack:  .long 0
registers_end: .long 0
flags:  .word 0
