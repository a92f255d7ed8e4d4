/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest for tests/bench/condition: a loop of five instructions, 300 million rounds, and the end by
 * isa-debug-exit (port 0xf4). */
        .text
        .code32
        .balign 4
        .long   0x1badb002, 0, -0x1badb002
        .globl  _start, again, value
        .type   _start, @function
        .type   again, @function
_start:
        cli
        movl    $300000000, %ecx
        .balign 16
again:
        movl    value, %edx
        addl    %ecx, %edx
        movl    %edx, value
        decl    %ecx
        jnz     again
        movb    $0x10, %al
        outb    %al, $0xf4
1:      hlt
        jmp     1b

        .data
        .balign 64
value:  .long   0
