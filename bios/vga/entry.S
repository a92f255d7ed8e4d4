/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The option ROM's header, its PCI data structure (PCI Firmware Specification 3.0, 5.1), and the
 * way from INT 10h into C and back. */
    .code16
    .section .header, "a"
    .globl rom_start, rom_vectors
rom_start:
    .byte 0x55, 0xaa
    .byte ROM_BLOCKS            /* of 512 bytes; the image is filled up by mkrom */
    jmp init
    .org 0x18
    .word pcir
    .word 0
    .org 0x1e
    .asciz "IBM VGA compatible: Calque VGA BIOS\r\n"
    .balign 4
pcir:
    .ascii "PCIR"
    .word 0x1234, 0x1111        /* vendor, device */
    .word 0                     /* no vital product data */
    .word 0x18                  /* length */
    .byte 0                     /* revision */
    .byte 0, 0, 3               /* class: VGA */
    .word ROM_BLOCKS
    .word 1                     /* revision of the code */
    .byte 0                     /* code type: x86 */
    .byte 0x80                  /* the last image */
    .word 0

/* The save pointer table (what 0040:00A8 points to): far pointers, of which only the first, to the
 * parameter table, must be there. */
    .balign 4
    .globl save_pointers
save_pointers:
    .long video_params + 0xc0000000, 0, 0, 0, 0, 0, 0

    .text
/* Saves the caller's registers as struct regs (types.h) and sets up those of C: EAX points to the
 * structure. ESP's high half, which real mode ignores and C's addressing does not, is cleared. */
    .macro ENTER
    cld
    pushal
    pushw %ds
    pushw %es
    pushw %fs
    pushw %gs
    movw %ss, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %cs, %ax
    movw %ax, %gs
    movw $0x40, %ax
    movw %ax, %fs
    movl %esp, %ebp             /* C preserves EBP */
    movzwl %sp, %esp
    movl %esp, %eax
    .endm
    .macro LEAVE
    movl %ebp, %esp
    popw %gs
    popw %fs
    popw %es
    popw %ds
    popal
    .endm

/* Called by the BIOS with AX = bus, device and function. */
init:
    pushf
    cli
    ENTER
    calll vga_init
    LEAVE
    popf
    lret

    .globl int10
int10:
    ENTER
    testb $2, 45(%eax)          /* the caller's IF: on again */
    jz 1f
    sti
1:  calll int10_main
    cli
    LEAVE
    iret

/* VBE's window function, called far: as function 4F05h without the number in AX. */
    .globl vbe_window_far
vbe_window_far:
    pushf
    cli
    push %cs
    push $1f                    /* as if by INT: int10_main returns by LEAVE */
    movw $0x4f05, %ax
    ENTER
    calll int10_main
    LEAVE
    addw $4, %sp
    popf
    lret
1:

/* void far_copy(u16 dst_seg, u16 dst, u16 src_seg, u16 src, u16 n): the first three in EAX, EDX and
 * ECX, the rest on the stack. */
    .macro FAR_COPY
    pushl %esi
    pushl %edi
    pushw %ds
    pushw %es
    movw %dx, %di
    movw 16(%esp), %si
    movw 20(%esp), %dx
    movw %ax, %es
    movw %cx, %ds
    movw %dx, %cx
    .endm
    .macro FAR_COPY_END
    popw %es
    popw %ds
    popl %edi
    popl %esi
    retl
    .endm
    .globl far_copy, far_copy_back
far_copy:
    FAR_COPY
    rep movsb
    FAR_COPY_END
far_copy_back:                  /* from the last byte down */
    FAR_COPY
    addw %cx, %si
    addw %cx, %di
    decw %si
    decw %di
    std
    rep movsb
    cld
    FAR_COPY_END

/* void far_fill16(u16 seg, u16 off, u16 value, u16 words) */
    .globl far_fill16
far_fill16:
    pushl %edi
    pushw %es
    movw %dx, %di
    movw %ax, %es
    movw %cx, %ax
    movw 10(%esp), %cx
    rep stosw
    popw %es
    popl %edi
    retl

/* u32 phys_read32(u32 address): through a 4 GiB segment, for which real mode is left and entered
 * again; not from virtual-8086 mode. FS comes back as the BIOS data area's. */
    .globl phys_read32
phys_read32:
    pushl %ebx
    subw $8, %sp
    movw %sp, %bx
    movl %eax, %edx
    pushfl
    cli
    sgdtl %ss:(%bx)
    lgdtl %cs:flat_gdtr
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    jmp 1f
1:  movw $8, %cx
    movw %cx, %fs
    movl %fs:(%edx), %edx
    andb $0xfe, %al
    movl %eax, %cr0
    jmp 1f
1:  movw $0x40, %cx
    movw %cx, %fs
    lgdtl %ss:(%bx)
    popfl
    movl %edx, %eax
    addw $8, %sp
    popl %ebx
    retl
/* void flat_segments(void): likewise, DS and ES get a limit of 4 GiB, which they keep in real mode. */
    .globl flat_segments
flat_segments:
    pushl %ebx
    pushw %ds
    pushw %es
    subw $8, %sp
    movw %sp, %bx
    pushfl
    cli
    sgdtl %ss:(%bx)
    lgdtl %cs:flat_gdtr
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    jmp 1f
1:  movw $8, %dx
    movw %dx, %ds
    movw %dx, %es
    andb $0xfe, %al
    movl %eax, %cr0
    jmp 1f
1:  lgdtl %ss:(%bx)
    popfl
    addw $8, %sp
    popw %es
    popw %ds
    popl %ebx
    retl

/* void phys_copy(u32 to, u32 from, u32 dwords): upwards, after flat_segments(). */
    .globl phys_copy
phys_copy:
    pushl %esi
    pushl %edi
    pushw %ds
    pushw %es
    movl %eax, %edi
    movl %edx, %esi
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    addr32 rep movsl
    popw %es
    popw %ds
    popl %edi
    popl %esi
    retl

    .balign 8
flat_gdt:
    .quad 0, 0x00cf93000000ffff
flat_gdtr:
    .word 15
    .long flat_gdt + 0xc0000
