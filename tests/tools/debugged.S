/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest for the debugger's prompt: a multiboot program that goes round and round through what
 * breakpoints, watchpoints and catchpoints are for, ten times, and ends with isa-debug-exit (port
 * 0xf4), value 0x10: status 33. With `die` not 0 it makes a triple fault in the first round, with 2 a
 * double fault that it handles by ending. */
        .text
        .code32
        .balign 4
        .long   0x1badb002, 0, -0x1badb002
        .globl  _start, work, inner, copy, handle_ud, handle_30, loaded, again, finished, last_of_work
        .type   _start, @function
        .type   work, @function
        .type   inner, @function
        .type   copy, @function
        .type   handle_ud, @function
        .type   handle_30, @function
_start:
        lgdt    gdtr
        ljmp    $0x08, $loaded
loaded:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $stack_top, %esp
        movl    $tss, %eax
        movw    %ax, gdt + 0x18 + 2
        shrl    $16, %eax
        movb    %al, gdt + 0x18 + 4
        movl    $0x18, %eax
        ltr     %ax
        movl    $handle_ud, %eax
        movw    %ax, idt + 8 * 6
        shrl    $16, %eax
        movw    %ax, idt + 8 * 6 + 6
        movl    $handle_30, %eax
        movw    %ax, idt + 8 * 0x30
        shrl    $16, %eax
        movw    %ax, idt + 8 * 0x30 + 6
        lidt    idtr
        cmpl    $0, die
        jne     crash
        movl    $directory, %eax
        movl    %eax, %cr3
        movl    %cr4, %eax
        orl     $0x10, %eax             /* PSE */
        movl    %eax, %cr4
        movl    %cr0, %eax
        orl     $0x80010000, %eax       /* PG, WP */
        movl    %eax, %cr0
        movl    $10, %ebx
again:
        call    work
        decl    %ebx
        jnz     again
finished:
        movb    $0x10, %al
        outb    %al, $0xf4
        jmp     finished

work:
        pushl   %ebp
        movl    %esp, %ebp
        incl    counter
        movl    counter, %eax
        call    inner
        call    copy
        outb    %al, $0x80
        movl    $0x174, %ecx            /* SYSENTER_CS */
        xorl    %edx, %edx
        wrmsr
        ud2
        int     $0x30
last_of_work:
        popl    %ebp
        ret

inner:
        pushl   %ebp
        movl    %esp, %ebp
        addl    %eax, total
        leave
        ret

copy:
        pushl   %ebp
        movl    %esp, %ebp
        movl    $text, %esi
        movl    $copied, %edi
        movl    $14, %ecx
        rep movsb
        leave
        ret

handle_ud:
        addl    $2, (%esp)
        iret
handle_30:
        incl    interrupts
        iret

crash:
        call    inner
        cmpl    $2, die
        je      crash_twice
        lidt    no_idt
        int     $0x20

crash_twice:                            /* #GP, whose gate is not present */
        movl    $handle_df, %eax
        movw    %ax, idt + 8 * 8
        shrl    $16, %eax
        movw    %ax, idt + 8 * 8 + 6
        movb    $0x0e, idt + 8 * 13 + 5
        movl    $0x100, %eax
        movw    %ax, %ds
handle_df:
        jmp     finished

        .data
        .globl  counter, total, interrupts, die, text, copied, gdt, idt, directory, tss, pointer
        .type   counter, @object
        .size   counter, 4
        .balign 8
counter: .long  0
total:  .long   0
interrupts: .long 0
die:    .long   0
pointer: .long  counter
text:   .asciz  "Hello, Calque"
copied: .space  16
        .balign 8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x0000890000000067
        .quad   0x0000820000000007
gdtr:   .word   39
        .long   gdt
idtr:   .word   8 * 0x31 - 1
        .long   idt
no_idt: .word   0
        .long   0
        .balign 8
idt:    .rept   0x31
        .quad   0x00008e0000080000
        .endr
tss:    .space  104
        .balign 4096
directory:                              /* the first 4 MiB; the next not writable */
        .long   0x83, 0x400081
        .rept   1022
        .long   0
        .endr
stack:  .space  4096
stack_top:
