/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel for debuggers' tests, an ELF file: round after round from protected to real mode (CS
 * with a base), to protected, to long mode, there to the upper half, and back. Another processor,
 * if there is one, counts in real mode. Each round counts in `rounds`; port F4h ends it after as
 * many as `limit` says. 32-bit code has frame pointers. */

#define CODE32 0x08
#define DATA32 0x10
#define CODE16 0x18
#define DATA16 0x20
#define CODE64 0x28
#define REAL   0x0800 /* segment of the real-mode code */

/* ---- 16 bits: linked at 8000H ---- */
    .section .real, "ax"
    .code16
    .globl real16, real_mode, real_call, real_back, real_function, other_cpu, other_loop
real16:                         /* 16-bit protected mode */
    mov $DATA16, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov %cr0, %eax
    and $0xfe, %al
    mov %eax, %cr0
    ljmp $REAL, $(real_mode - 0x8000)
real_mode:
    mov $REAL, %ax
    mov %ax, %ds
    mov $0x0700, %ax
    mov %ax, %ss
    mov $0x0ff0, %sp
real_call:
    call real_function
    incl (real_rounds - 0x8000)
real_back:
    lgdtl (gdtr - 0x8000)
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $CODE32, $protected
real_function:
    mov $0x1234, %ax
    mov $3, %cx
1:  loop 1b
    ret

    .org 0x1000                 /* 9000H: where the start-up IPI sends the other processor */
other_cpu:
    mov $0x0900, %ax
    mov %ax, %ds
other_loop:
    incl (other_count - 0x9000)
    pause
    jmp other_loop

    .align 4
    .globl real_rounds, other_count
real_rounds: .long 0
other_count: .long 0
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff    /* 08: 32-bit code */
    .quad 0x00cf92000000ffff    /* 10: data */
    .quad 0x00009a008000ffff    /* 18: 16-bit code at 8000H */
    .quad 0x00009200000000ff | 0xff00 /* 20: 16-bit data at 0 */
    .quad 0x00af9a000000ffff    /* 28: 64-bit code */
gdt_end:
gdtr: .word gdt_end - gdt - 1
    .long gdt

/* ---- 32 bits ---- */
    .text
    .code32
    .globl _start, protected, paging_on, compatibility, long_off, leave_long
_start:
    cli
    cld
    lgdt gdtr
    ljmp $CODE32, $1f
1:  mov $DATA32, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $stack_top, %esp
    call make_tables
    movl $0xc4500, 0xfee00300   /* INIT and start-up IPI to all others */
    mov $0x10000, %ecx
2:  loop 2b
    movl $0xc4609, 0xfee00300
round:
    ljmp $CODE16, $0            /* real16 */

protected:
    mov $DATA32, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $stack_top, %esp
    mov $1, %ebp                /* 0 would be the outermost frame */
    call caller
    mov %cr4, %eax
    or $0x20, %eax              /* PAE */
    mov %eax, %cr4
    mov $pml4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax             /* LME */
    wrmsr
    mov %cr0, %eax
    or $0x80000000, %eax
paging_on:
    mov %eax, %cr0
compatibility:
    ljmp $CODE64, $long_mode

leave_long:                     /* compatibility mode again */
    mov $DATA32, %eax
    mov %eax, %ss
    mov %cr0, %eax
    and $0x7fffffff, %eax
    mov %eax, %cr0
long_off:
    mov $0xc0000080, %ecx
    rdmsr
    and $0xfffffeff, %eax
    wrmsr
    mov %cr4, %eax
    and $0xffffffdf, %eax
    mov %eax, %cr4
    jmp round

    .globl caller, add_one
    .type caller, @function
    .type add_one, @function
caller:
    push %ebp
    mov %esp, %ebp
    push $7
    call add_one
    leave
    ret
add_one:
    push %ebp
    mov %esp, %ebp
    mov 8(%ebp), %eax
    inc %eax
    pop %ebp
    ret

/* 2 MiB at 0, and at -2 GiB once more; the APIC's page at its place is not needed with paging. */
make_tables:
    movl $pdpt + 3, pml4
    movl $pdpt + 3, pml4 + 511 * 8
    movl $pd + 3, pdpt
    movl $pd + 3, pdpt + 510 * 8
    movl $0x83, pd
    ret

/* ---- 64 bits ---- */
    .code64
    .globl long_mode, upper, work, after_work, finish
long_mode:
    mov $0x1122334455667788, %r8
    mov $upper, %rax
    jmp *%rax
    .section .upper, "ax"
upper:
    incq rounds
    mov rounds, %rdi
    call work
after_work:
    mov rounds, %rax
    cmp limit, %rax
    je finish
    ljmp *leave_pointer
finish:
    mov $0x10, %al
    out %al, $0xf4
    hlt
    jmp finish
work:
    lea 5(%rdi), %rax
    mov %rax, watched
    movq $0, scratch
    ret
    .globl leave_pointer, rounds, watched, limit, scratch
    .data
    .align 8
rounds:  .quad 0
watched: .quad 0
scratch: .quad 0
limit:   .quad -1
leave_pointer: .long leave_long
    .word CODE32
    .bss
    .align 4096
    .globl pml4
pml4: .skip 4096
pdpt: .skip 4096
pd:   .skip 4096
    .skip 4096
stack_top:
