/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A multiboot program that beeps: half a second each of 1000 Hz and 250 Hz with a quarter of silence
 * between, by counter 2 of the timer; then a quarter of about 500 Hz by port B alone. It ends with
 * isa-debug-exit (port 0xf4), value 0x10: status 33. Time is counter 0's. */
        .text
        .code32
        .balign 4
        .long   0x1badb002, 0, -0x1badb002
        .globl  _start
_start:
        movl    $stack_top, %esp
        movb    $0x34, %al              /* counter 0: 1000 Hz, rate generator */
        outb    %al, $0x43
        movw    $1193, %ax
        outb    %al, $0x40
        movb    %ah, %al
        outb    %al, $0x40
        movl    $250, %ebx
        call    wait
        movw    $1193, %cx
        call    tone
        movl    $500, %ebx
        call    wait
        call    quiet
        movl    $250, %ebx
        call    wait
        movw    $4773, %cx
        call    tone
        movl    $500, %ebx
        call    wait
        call    quiet
        movl    $250, %ebx
        call    wait
        movb    $0x90, %al              /* counter 2: mode 0, which leaves OUT high */
        outb    %al, $0x43
        movb    $1, %al
        outb    %al, $0x42
        movl    $250, %ebp
0:      inb     $0x61, %al
        orb     $1, %al
        xorb    $2, %al
        outb    %al, $0x61
        movl    $1, %ebx
        call    wait
        decl    %ebp
        jnz     0b
        call    quiet
        movw    $0xf4, %dx
        movb    $0x10, %al
        outb    %al, %dx
        jmp     .

/* Counter 2 divides by CX. */
tone:   movb    $0xb6, %al
        outb    %al, $0x43
        movb    %cl, %al
        outb    %al, $0x42
        movb    %ch, %al
        outb    %al, $0x42
        inb     $0x61, %al
        orb     $3, %al
        outb    %al, $0x61
        ret
quiet:  inb     $0x61, %al
        andb    $0xfc, %al
        outb    %al, $0x61
        ret

/* EBX periods of counter 0: each ends when it is above what it was. */
wait:   xorl    %edx, %edx
0:      movb    $0, %al
        outb    %al, $0x43
        inb     $0x40, %al
        movb    %al, %cl
        inb     $0x40, %al
        movb    %al, %ch
        xchgw   %dx, %cx
        cmpw    %cx, %dx
        jbe     0b
        decl    %ebx
        jns     0b                      /* the first is no whole one */
        ret

        .bss
        .space  1024
stack_top:
