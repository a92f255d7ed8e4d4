/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The smallest guest that can be talked to: a multiboot program on the first serial port. It prints
 * "ready", sends every byte back with bit 5 flipped (letters change case, Ctrl-A becomes '!'), prints
 * "break" for a break and "button" for the power button, prints the same bytes on the first
 * parallel port, and obeys:
 *   .  ends with isa-debug-exit (port 0xf4), value 0x10: status 33
 *   ,  makes a triple fault      ;  resets the machine      :  powers it off
 */
#define COM1    0x3f8
#define LSR     (COM1 + 5)
#define LPT1    0x378
#define PM1_STS 0x600 /* and its enable and control registers after it */
#define PM1_CNT 0x604

        .text
        .code32
        .balign 4
        .long   0x1badb002, 0, -0x1badb002
        .globl  _start
_start:
        movl    $stack_top, %esp
        movl    $ready, %esi
        call    print
next:   movw    $LSR, %dx
        inb     %dx, %al
        testb   $0x10, %al
        jnz     got_break
        testb   $1, %al
        jnz     got_byte
        movw    $PM1_STS, %dx
        inw     %dx, %ax
        testw   $0x100, %ax
        jz      next
        movw    $0x100, %ax             /* write 1 to clear */
        outw    %ax, %dx
        movl    $button, %esi
        call    print
        jmp     next

got_break:
        movw    $COM1, %dx
        inb     %dx, %al
        movl    $break, %esi
        call    print
        jmp     next

got_byte:
        movw    $COM1, %dx
        inb     %dx, %al
        cmpb    $'.', %al
        je      debug_exit
        cmpb    $',', %al
        je      triple_fault
        cmpb    $';', %al
        je      reset
        cmpb    $':', %al
        je      power_off
        xorb    $0x20, %al
        movb    %al, %bl
        call    put
        movb    %bl, %al
        movw    $LPT1, %dx
        outb    %al, %dx
1:      movw    $LPT1 + 1, %dx
        inb     %dx, %al
        testb   $0x80, %al              /* busy; without a port it is not */
        jz      1b
        movw    $LPT1 + 2, %dx
        movb    $0x0d, %al              /* strobe */
        outb    %al, %dx
        movb    $0x0c, %al
        outb    %al, %dx
        jmp     next

debug_exit:
        movb    $0x10, %al
        outb    %al, $0xf4
        jmp     .
triple_fault:
        lidt    no_idt
        int3
reset:  movw    $0xcf9, %dx
        movb    $0x06, %al
        outb    %al, %dx
        jmp     .
power_off:
        movw    $PM1_CNT, %dx
        movw    $0x2000, %ax            /* SLP_EN, type 0 */
        outw    %ax, %dx
        jmp     .

/* AL to the port. */
put:    movb    %al, %bl
        movw    $LSR, %dx
1:      inb     %dx, %al
        testb   $0x20, %al
        jz      1b
        movb    %bl, %al
        movw    $COM1, %dx
        outb    %al, %dx
        ret

/* The text at ESI. */
print:  lodsb
        testb   %al, %al
        jz      1f
        call    put
        jmp     print
1:      ret

ready:  .asciz  "ready\r\n"
button: .asciz  "button\r\n"
break:  .asciz  "break\r\n"
        .balign 4
no_idt: .word   0
        .long   0

        .bss
        .balign 16
        .skip   4096
stack_top:
