/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program with a mistake, an ELF file: names are copied into a field of 8 bytes, and one of them
 * has 9. The field behind it, `owner`, is written every round by who may do so and is looked at
 * much later: at `noticed` nothing is left of who else wrote it. Flat 32-bit code without paging;
 * port F4h ends it. */
    .text
    .code32
    .globl _start, round, take, copy_name, copy_byte, copied, elsewhere, check, noticed
    .type take, @function
    .type copy_name, @function
    .type elsewhere, @function
    .type check, @function
_start:
    cli
    cld
    mov $stack_top, %esp
    xor %ebx, %ebx
round:
    inc %ebx
    call take
    call copy_name
    call elsewhere
    call check
    jmp round

take:                           /* the one that may */
    lea 0x1000(%ebx), %eax
    mov %eax, owner
    ret

copy_name:
    mov $text, %esi
    mov $name, %edi
    mov %ebx, %ecx
    and $3, %ecx
    add $5, %ecx                /* 5 to 8 bytes */
    cmp $6, %ebx
    jne copy_byte
    add $2, %ecx                /* 9 */
copy_byte:
    mov (%esi), %al
    mov %al, (%edi)
copied:
    inc %esi
    inc %edi
    dec %ecx
    jnz copy_byte
    ret

elsewhere:                      /* much else, near by, too */
    mov $20000, %ecx
1:  mov owner, %eax
    add %eax, other
    incl owner + 4
    dec %ecx
    jnz 1b
    ret

check:
    mov owner, %eax
    sub $0x1000, %eax
    cmp %ebx, %eax
    jne noticed
    ret
noticed:
    mov $0x10, %al
    out %al, $0xf4
    hlt
    jmp noticed

    .data
    .globl record, name, owner, other
    .align 16
other:  .long 0
text:   .ascii "a name, too long"
    .align 16
record:
name:   .skip 8
owner:  .long 0
    .long 0
    .bss
    .align 16
    .skip 4096
stack_top:
