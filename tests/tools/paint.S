/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A multiboot program that keeps the screen busy, for measurements of the display: scrolls a screen
 * full of text, or, with a + in the command line, fills 1024x768 pixels of 32 bits with one colour
 * after another; 100 times a second by the PIT, as often as it can with a ! there. */
#define SCREEN 0xb8000
#define PITCH  160
#define INDEX  0x1ce
#define PIXELS (1024 * 768)

        .text
        .code32
        .balign 4
        .long   0x1badb002, 0, -0x1badb002
        .globl  _start
_start:
        movl    $stack_top, %esp
        cld
        xorl    %ebp, %ebp              /* bit 0: fill, bit 1: no pauses */
        testb   $4, (%ebx)
        jz      1f
        movl    16(%ebx), %esi
0:      lodsb
        cmpb    $'+', %al
        jne     2f
        orl     $1, %ebp
2:      cmpb    $'!', %al
        jne     2f
        orl     $2, %ebp
2:      testb   %al, %al
        jnz     0b
1:      movb    $0x34, %al              /* counter 0: 100 Hz, rate generator */
        outb    %al, $0x43
        movw    $11932, %ax
        outb    %al, $0x40
        movb    %ah, %al
        outb    %al, $0x40
        testl   $1, %ebp
        jnz     graphics

/* ---- text ---- */
text:   movl    $SCREEN, %edi
        movl    $SCREEN + PITCH, %esi
        movl    $PITCH * 24 / 4, %ecx
        rep movsl
        movl    $80, %ecx
        movl    line, %eax
        incl    line
0:      movb    $7, %ah
        andb    $0x7f, %al
        orb     $0x20, %al
        stosw
        incb    %al
        loop    0b
        call    pause
        jmp     text

/* ---- pixels ---- */
graphics:
        xorl    %ebx, %ebx              /* the display's first address register, of bus 0 */
0:      movw    $0xcf8, %dx
        movl    $0x80000000, %eax
        orl     %ebx, %eax
        outl    %eax, %dx
        movw    $0xcfc, %dx
        inl     %dx, %eax
        cmpl    $0x11111234, %eax
        je      1f
        addl    $0x800, %ebx
        cmpl    $0x10000, %ebx
        jb      0b
        hlt
1:      movw    $0xcf8, %dx
        leal    0x80000010(%ebx), %eax
        outl    %eax, %dx
        movw    $0xcfc, %dx
        inl     %dx, %eax
        andl    $~15, %eax
        movl    %eax, %ebx
        movl    $mode, %esi             /* Bochs' display interface */
0:      movw    $INDEX, %dx
        lodsw
        outw    %ax, %dx
        incw    %dx
        lodsw
        outw    %ax, %dx
        cmpl    $mode_end, %esi
        jb      0b
        xorl    %eax, %eax
fill:   movl    %ebx, %edi
        movl    $PIXELS, %ecx
        rep stosl
        addl    $0x030507, %eax
        call    pause
        jmp     fill

/* Until counter 0 begins anew. Keeps EAX. */
pause:  testl   $2, %ebp
        jnz     2f
        pushl   %eax
        xorl    %edx, %edx
0:      xorb    %al, %al                /* latch */
        outb    %al, $0x43
        inb     $0x40, %al
        movb    %al, %cl
        inb     $0x40, %al
        movb    %al, %ch
        xchgl   %edx, %ecx
        cmpw    %cx, %dx                /* now above what it was */
        jbe     0b
        testw   %cx, %cx
        jz      0b
        popl    %eax
2:      ret

        .data
mode:   .word   4, 0, 1, 1024, 2, 768, 3, 32, 4, 0x41
mode_end:
line:   .long   0
        .bss
        .space  4096
stack_top:
