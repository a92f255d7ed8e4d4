/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program with a past: the timer interrupts it, the bus master of the IDE controller stores the
 * first disk's first sector to `sector`, much happens, and the machine is switched off. Flat 32-bit
 * code without paging. Multiboot, for its command line: with "die" at the end there is a triple fault
 * instead, after which an AT is reset, and with "stay" it goes on for ever. */
    .text
    .code32
    .balign 4
    .long 0x1badb002, 0, -0x1badb002
    .globl _start, loaded, tick, tock, ticked, asked, had, look, looked, over, off, shut, stay
    .globl ticks, looks, sector, before, after
    .type _start, @function
    .type tick, @function
_start:
    lgdt gdtr
    ljmp $0x08, $loaded
loaded:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $stack_top, %esp
    mov 16(%ebx), %ebp          /* multiboot: the command line */
    mov $tick, %eax
    mov %ax, idt + 8 * 0x20
    shr $16, %eax
    mov %ax, idt + 8 * 0x20 + 6
    lidt idtr

    mov $0x11, %al              /* interrupt controllers: vectors 20h, 28h; the timer alone */
    out %al, $0x20
    out %al, $0xa0
    mov $0x20, %al
    out %al, $0x21
    mov $0x28, %al
    out %al, $0xa1
    mov $4, %al
    out %al, $0x21
    mov $2, %al
    out %al, $0xa1
    mov $1, %al
    out %al, $0x21
    out %al, $0xa1
    mov $0xfe, %al
    out %al, $0x21
    mov $0xff, %al
    out %al, $0xa1
    mov $0x34, %al              /* counter 0: 1000 pulses, 0.84 ms */
    out %al, $0x43
    mov $1000 & 0xff, %al
    out %al, $0x40
    mov $1000 >> 8, %al
    out %al, $0x40
    sti
    mov $20000, %ecx
    call look

    /* PIIX3's IDE, 00:01.1: its ports are on, the bus master is at C000h and may work */
    .macro config reg, value
    mov $0x80000000 + \reg, %eax
    mov $0xcf8, %dx
    out %eax, %dx
    mov $0xcfc, %dx
    mov $\value, %eax
    out %eax, %dx
    .endm
    config 0x940, 0x80008000
    config 0x920, 0xc001
    config 0x904, 5
    mov $0xc004, %dx
    mov $prd, %eax
    out %eax, %dx
    mov $0x1f6, %dx             /* LBA 0, one sector */
    mov $0xe0, %al
    out %al, %dx
    mov $0x1f2, %dx
    mov $1, %al
    out %al, %dx
    mov $0, %al
    inc %dx
    out %al, %dx
    inc %dx
    out %al, %dx
    inc %dx
    out %al, %dx
    mov $0x1f7, %dx
    mov $0xc8, %al              /* READ DMA */
    out %al, %dx
    mov $0xc000, %dx
    mov $9, %al
asked:
    out %al, %dx                /* to memory, go */
    mov $0xc002, %dx
1:  in %dx, %al
    test $4, %al
    jz 1b
had:
    mov $50000, %ecx
    call look
looked:
    mov $0x1d, %al              /* a look at what the command line ends with */
1:  cmpb $0, (%ebp)
    je over
    inc %ebp
    jmp 1b
over:
    cmpb $'e', -1(%ebp)
    je shut
    cmpb $'y', -1(%ebp)
    je stay
    config 0xb40, 0x601         /* power management at 600h, on; soft off */
    config 0xb80, 1
    mov $0x604, %dx
    mov $0x2000, %ax
off:
    out %ax, %dx
stay:
    call look
    jmp stay
shut:
    cli
    lidt no_idt
    ud2

look:                           /* ecx times */
    mov sector, %eax
    add %eax, looks
    loop look
    ret

tick:
    push %eax
    incl ticks
    mov $0x20, %al
    out %al, $0x20
tock:
    pop %eax
ticked:
    iret

    .data
    .balign 8
gdt:    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:   .word 23
        .long gdt
idtr:   .word 8 * 0x21 - 1
        .long idt
no_idt: .word 0
        .long 0
    .balign 8
idt:    .rept 0x21
        .quad 0x00008e0000080000
        .endr
    .balign 4
prd:    .long sector, 0x80000200
ticks:  .long 0
looks:  .long 0
    .balign 4096
before: .space 4096
sector: .space 512
after:  .space 4096 - 512
    .space 4096
stack_top:
