/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person does, on the screen: a multiboot program in text mode. The first line is "keys" and
 * the bytes that the keyboard sends, the second "mouse" and those of the mouse, in hexadecimal. The
 * release of Escape (81) ends it with isa-debug-exit (port 0xf4), value 0x10: status 33. */
#define SCREEN 0xb8000

        .text
        .code32
        .balign 4
        .long   0x1badb002, 0, -0x1badb002
        .globl  _start
_start:
        movl    $stack_top, %esp
        movb    $0x60, %al              /* no interrupts, both devices enabled, keys translated */
        call    command
        movb    $0x40, %al
        call    data
        movb    $0xd4, %al              /* to the mouse: report */
        call    command
        movb    $0xf4, %al
        call    data
        movl    $SCREEN, %edi
        movl    $keys, %esi
        call    print
        movl    %edi, key_at
        movl    $SCREEN + 160, %edi
        movl    $mouse, %esi
        call    print
        movl    %edi, mouse_at

next:   inb     $0x64, %al
        testb   $1, %al
        jz      next
        movb    %al, %ah
        inb     $0x60, %al
        testb   $0x20, %ah
        jnz     from_mouse
        cmpb    $0x81, %al
        je      debug_exit
        movl    key_at, %edi
        call    hex
        movl    %edi, key_at
        jmp     next
from_mouse:
        movl    mouse_at, %edi
        call    hex
        movl    %edi, mouse_at
        jmp     next

debug_exit:
        movw    $0xf4, %dx
        movb    $0x10, %al
        outb    %al, %dx
        jmp     .

command:
        call    ready
        outb    %al, $0x64
        ret
data:
        call    ready
        outb    %al, $0x60
        ret
ready:  movb    %al, %ah
0:      inb     $0x64, %al
        testb   $2, %al
        jnz     0b
        movb    %ah, %al
        ret

print:  lodsb
        testb   %al, %al
        jz      0f
        call    put
        jmp     print
0:      ret
put:    movb    $0x1f, %ah
        stosw
        ret
hex:    movb    %al, %cl
        movb    $' ', %al
        call    put
        movb    %cl, %al
        shrb    $4, %al
        call    digit
        movb    %cl, %al
        andb    $15, %al
digit:  addb    $'0', %al
        cmpb    $'9', %al
        jbe     put
        addb    $'a' - '9' - 1, %al
        jmp     put

        .data
keys:   .asciz  "keys"
mouse:  .asciz  "mouse"
        .bss
key_at: .skip   4
mouse_at: .skip 4
        .skip   4096
stack_top:
