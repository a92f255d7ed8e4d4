/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiboot 1 entry, trap stubs and the way to ring 3 and back, for 32- and 64-bit programs. */

#define USER_VECTOR 0x80

    .section .multiboot, "a"
    .align 4
    .long 0x1badb002, 0, -0x1badb002

    .text
    .code32
    .globl _start
_start:
    cli
    cld
    lgdt boot_gdtr
    ljmp $0x38, $1f
1:  mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $stack_top, %esp
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $bss_start, %edi
    mov $bss_end, %ecx
    sub %edi, %ecx
    rep stosb
    push $0
    popf
    mov $0x33, %eax             /* PE, MP, ET, NE */
    mov %eax, %cr0
    mov $1, %eax
    cpuid
    bt $25, %edx                /* SSE? */
    jnc 4f
    mov $0x600, %eax            /* OSFXSR, OSXMMEXCPT */
    mov %eax, %cr4
4:  fninit
#ifdef __x86_64__
    /* Identity map of 4 GiB in 2 MiB pages, everything user and writable. */
    movl $boot_pdpt + 7, boot_pml4
    mov $boot_pd, %edi
    mov $0x87, %eax
2:  mov %eax, (%edi)
    movl $0, 4(%edi)
    add $8, %edi
    add $0x200000, %eax
    jnc 2b
    mov $boot_pdpt, %edi
    mov $boot_pd + 7, %eax
    mov $4, %ecx
3:  mov %eax, (%edi)
    add $0x1000, %eax
    add $8, %edi
    loop 3b
    mov %cr4, %eax
    or $0x20, %eax              /* PAE */
    mov %eax, %cr4
    mov $boot_pml4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx       /* EFER */
    rdmsr
    or $0x100, %eax             /* LME */
    wrmsr
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    ljmp $0x08, $4f
    .code64
4:  xor %ebp, %ebp
    call rt_main
#else
    ljmp $0x08, $4f
4:  xor %ebp, %ebp
    call rt_main
#endif
5:  cli
    hlt
    jmp 5b

/* One stub for each vector, 16 bytes apart; the processor pushes an error code for some. */
    .align 16
    .globl trap_stubs
trap_stubs:
    vector = 0
    .rept 256
    .align 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
    push $0
    .endif
#ifdef __x86_64__
    pushq $vector
#else
    pushl $vector
#endif
    jmp trap_common
    vector = vector + 1
    .endr

trap_common:
    cld
#ifdef __x86_64__
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, %rdi
    mov %rsp, %rbx
    and $-16, %rsp
    call trap
    mov %rbx, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq
#else
    push %eax
    push %ecx
    push %edx
    push %ebx
    push %ebp
    push %esi
    push %edi
    push %ds
    push %es
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %esp, %eax
    mov %esp, %ebx
    and $-16, %esp
    sub $12, %esp
    push %eax
    call trap
    mov %ebx, %esp
    pop %es
    pop %ds
    pop %edi
    pop %esi
    pop %ebp
    pop %ebx
    pop %edx
    pop %ecx
    pop %eax
    add $8, %esp
    iret
#endif

/* void run_user(void (*fn)(void)): calls fn in ring 3 and returns when it does. */
    .globl run_user, user_leave
run_user:
#ifdef __x86_64__
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    pushfq
    mov %rsp, user_saved_sp
    mov %rdi, %rax
    pushq $0x23
    pushq $user_stack_top
    pushq $2
    pushq $0x2b
    pushq $user_start
    iretq
user_leave:
    mov user_saved_sp, %rsp
    popfq
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
user_start:
    call *%rax
    int $USER_VECTOR
#else
    mov 4(%esp), %eax
    push %ebx
    push %ebp
    push %esi
    push %edi
    pushf
    mov %esp, user_saved_sp
    mov $0x23, %ecx
    mov %ecx, %ds
    mov %ecx, %es
    push %ecx
    push $user_stack_top
    push $2
    push $0x1b
    push $user_start
    iret
user_leave:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov user_saved_sp, %esp
    popf
    pop %edi
    pop %esi
    pop %ebp
    pop %ebx
    ret
user_start:
    call *%eax
    int $USER_VECTOR
#endif

    .data
    .align 8
boot_gdtr:
    .word 0x1ff
    .long gdt

    .bss
    .align 4096
    .globl boot_pml4, boot_pdpt, boot_pd
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd:   .skip 4 * 4096
    .skip 16384
stack_top:
    .skip 16384
    .globl user_stack_top
user_stack_top:
    .skip 16384
    .globl trap_stack_top
trap_stack_top:
    .skip 8192
    .globl ist_stack_top
ist_stack_top:
user_saved_sp: .skip 8
    .section .note.GNU-stack, "", @progbits
