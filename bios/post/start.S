/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The E segment: where reset code and call32 come in; call16. */
#include "fixed.h"
    .section .start, "ax"
    .code32
    jmp cold
    .balign 8
    /* call32: EAX the function, EDX its argument */
    pushl %ebx
    pushl %esi
    pushl %edi
    pushl %ebp
    call entry32
    popl %ebp
    popl %edi
    popl %esi
    popl %ebx
    ret

    .text
cold:
    movl $post_stack_end, %esp
    call post
1:  hlt
    jmp 1b

/* void call16_raw(void): what call16_block says, in real mode. call32 meanwhile goes on below us. */
    .globl call16_raw
call16_raw:
    pushl stack32
    pushl %ebx
    pushl %esi
    pushl %edi
    pushl %ebp
    movl %esp, stack32
    movl $1f, %ebx
    movl $0xf0000 + F_CALL16, %eax
    jmp *%eax
1:  movl stack32, %esp
    popl %ebp
    popl %edi
    popl %esi
    popl %ebx
    popl stack32
    ret

/* ---- application processors: real mode at 9000h, to ap_main on a stack of their own ---- */

    .globl ap_start, ap_end, ap_lock, ap_count
    .code16
ap_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl 0x9000 + ap_gdtr - ap_start
    movl %cr0, %eax
    andl $0x1fffffff, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $8, $ap_32
ap_gdtr:
    .word 0x27
    .long ap_gdt - ap_start + 0x9000
    .balign 8
ap_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0
    .quad 0
ap_end:
    .text
    .code32
ap_32:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
1:  lock btsl $0, ap_lock       /* one at a time: there is one stack */
    jc 1b
    movl $ap_stack_end, %esp
    call ap_main
    lock incl ap_count
    movl $0, ap_lock
2:  cli
    hlt
    jmp 2b

    .bss
    .balign 16
    .skip 6144
post_stack_end:
    .skip 512
ap_stack_end:
ap_lock: .skip 4
ap_count: .skip 4
