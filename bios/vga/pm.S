/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VBE's protected-mode interface (VBE Core Functions 3.0, function 0Ah): a table and position
 * independent 32-bit code that a program copies, or calls where it is, near, with its own flat segments.
 * All registers but EAX are preserved. */
#define DISPI_BPP      3
#define DISPI_BANK     5
#define DISPI_VIRT     6
#define DISPI_X_OFFSET 8
#define DISPI_Y_OFFSET 9

    .code32
    .section .text.pm, "ax"
    .balign 4
    .globl pm_table, pm_end
pm_table:
    .word pm_window - pm_table, pm_start - pm_table, pm_palette - pm_table, pm_ports - pm_table
pm_ports:
    .word 0x1ce, 0x1cf, 0x1d0, 0x3c8, 0x3c9, 0x3da, 0xffff
    .word 0xffff                /* no memory */

/* AX from, or to, the adapter's register whose index is in CL. */
pm_get:
    movzbw %cl, %ax
    movw $0x1ce, %dx
    outw %ax, %dx
    incl %edx
    inw %dx, %ax
    ret
pm_put:
    pushl %eax
    movzbw %cl, %ax
    movw $0x1ce, %dx
    outw %ax, %dx
    incl %edx
    popl %eax
    outw %ax, %dx
    ret

/* Until a vertical retrace begins, if BL bit 7 is set. */
pm_retrace:
    testb $0x80, %bl
    jz 3f
    movw $0x3da, %dx
1:  inb %dx, %al
    testb $8, %al
    jnz 1b
2:  inb %dx, %al
    testb $8, %al
    jz 2b
3:  ret

/* 05h: BL = 0, window A; BH = 0 sets its position DX, 1 returns it there. */
pm_window:
    pushl %ecx
    movb $DISPI_BANK, %cl
    cmpw $0x0100, %bx
    je 1f
    testw %bx, %bx
    jnz 2f
    pushl %edx
    movl %edx, %eax
    call pm_put
    popl %edx
    jmp 3f
1:  call pm_get
    movzwl %ax, %edx
    jmp 3f
2:  popl %ecx
    movw $0x014f, %ax
    ret
3:  popl %ecx
    movw $0x004f, %ax
    ret

/* 07h: BL = 00h, 80h; DX:CX is the start as the CRTC has it: in units of 4 bytes, or with 4 bits of a
 * plane's bytes. */
pm_start:
    pushl %ebx
    pushl %ecx
    pushl %edx
    pushl %esi
    pushl %edi
    testb $0x7f, %bl
    jnz 3f
    shll $16, %edx
    movw %cx, %dx
    movl %edx, %esi
    call pm_retrace
    movb $DISPI_VIRT, %cl
    call pm_get
    movzwl %ax, %edi
    movb $DISPI_BPP, %cl
    call pm_get
    addw $7, %ax
    shrw $3, %ax
    movzwl %ax, %ebx            /* bytes of a pixel */
    movb $DISPI_BPP, %cl
    call pm_get
    cmpw $4, %ax
    je 1f
    imull %ebx, %edi
    shll $2, %esi
    jmp 2f
1:  shrl $3, %edi
2:  testl %edi, %edi
    jz 3f
    movl %eax, %ecx             /* bits of a pixel */
    movl %esi, %eax
    xorl %edx, %edx
    divl %edi
    movl %eax, %esi             /* y */
    movl %edx, %eax             /* x, in bytes */
    cmpw $4, %cx
    je 4f
    xorl %edx, %edx
    divl %ebx
    jmp 5f
4:  shll $3, %eax
5:  movb $DISPI_X_OFFSET, %cl
    call pm_put
    movl %esi, %eax
    movb $DISPI_Y_OFFSET, %cl
    call pm_put
    movw $0x004f, %ax
    jmp 6f
3:  movw $0x014f, %ax
6:  popl %edi
    popl %esi
    popl %edx
    popl %ecx
    popl %ebx
    ret

/* 09h: BL = 00h, 80h; CX entries from DX on, blue, green, red and a byte at ES:EDI each. */
pm_palette:
    pushl %ecx
    pushl %edx
    pushl %edi
    testb $0x7f, %bl
    jnz 3f
    movzwl %cx, %ecx
    pushl %edx
    call pm_retrace
    popl %eax
    movw $0x3c8, %dx
    outb %al, %dx
    incl %edx
    jecxz 2f
1:  movb %es:2(%edi), %al
    outb %al, %dx
    movb %es:1(%edi), %al
    outb %al, %dx
    movb %es:(%edi), %al
    outb %al, %dx
    addl $4, %edi
    loop 1b
2:  movw $0x004f, %ax
    jmp 4f
3:  movw $0x014f, %ax
4:  popl %edi
    popl %edx
    popl %ecx
    ret
pm_end:
