/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mode switches (SDM vol. 3A 9.8, 9.9): protected to real mode, an interrupt through the IVT,
 * "unreal" limits, back; and to long mode, compatibility mode and back to protected mode. */
#include "lib/rt.h"

extern char real_start[], real_end[];
extern void go_real(void), go_long(void);
extern uint64_t boot_pml4[], boot_pdpt[], boot_pd[];

/* Results of the real-mode code, at 0x600. */
struct results {
    uint16_t started, int_ax, int_flags_inside, int_flags_after, wrap, unreal, de_ip, de_seen, cs,
        divide;
    uint32_t operand32;
};
#define RESULTS ((volatile struct results *)0x600)
volatile uint32_t long_results[6];
#define long_lo      long_results[0]
#define long_hi      long_results[1]
#define long_efer    long_results[2]
#define long_cs      long_results[3]
#define long_r8      long_results[4]
#define compat_value long_results[5]

__asm__(".text\n"
        "go_real:\n\tpush %ebx\n\tpush %ebp\n\tpush %esi\n\tpush %edi\n\tmov %esp, saved_esp\n\t"
        "lidt real_idtr\n\tljmp $0x40, $0x7000\n" /* SEL_CODE16, base 0 */
        "back32:\n\tmov $0x10, %eax\n\tmov %eax, %ds\n\tmov %eax, %es\n\tmov %eax, %ss\n\t"
        "mov saved_esp, %esp\n\tpop %edi\n\tpop %esi\n\tpop %ebp\n\tpop %ebx\n\tret\n"
        /* The rest is copied to 0x7000. */
        "real_start:\n.code16\n"
        "\tmov $0x48, %ax\n\tmov %ax, %ds\n\tmov %ax, %es\n\tmov %ax, %ss\n\tmov %ax, %fs\n"
        "\tmov $0x10, %ax\n\tmov %ax, %gs\n" /* 4 GiB limit for unreal mode */
        "\tmov %cr0, %eax\n\tand $0xfe, %al\n\tmov %eax, %cr0\n"
        "\tljmp $0x700, $(1f - real_start)\n1:"
        "\txor %ax, %ax\n\tmov %ax, %ds\n\tmov %ax, %es\n\tmov %ax, %ss\n\tmov $0x6000, %sp\n"
        "\tmovw $1, 0x600\n\tmov %cs, 0x610\n"
        /* IVT: vector 0x60 and #DE. */
        "\tmovw $(ivt60 - real_start), 0x180\n\tmovw $0x700, 0x182\n"
        "\tmovw $(ivt0 - real_start), 0\n\tmovw $0x700, 2\n"
        "\tsti\n\tstc\n\tmov $0x1111, %ax\n\tint $0x60\n\tmov %ax, 0x602\n"
        "\tpushf\n\tpopw 0x606\n\tcli\n"
        /* 16-bit wrap of SP: a push at SP = 2 writes offset 0 of the stack segment. */
        "\tmov $0x500, %ax\n\tmov %ax, %ss\n\tmov $2, %sp\n\tmov $0x4321, %ax\n\tpush %ax\n"
        "\tmov %sp, %bx\n\tmov 0x5000, %ax\n\tadd %bx, %ax\n\tmov %ax, 0x608\n"
        "\txor %ax, %ax\n\tmov %ax, %ss\n\tmov $0x6000, %sp\n"
        /* Beyond 64 KiB through GS, whose limit is still that of protected mode. */
        "\tmov $0x100000, %edi\n\taddr32 mov %gs:(%edi), %eax\n\tcmp $0x1badb002, %eax\n"
        "\tsete %al\n\txor %ah, %ah\n\tmov %ax, 0x60a\n"
        /* #DE in real mode pushes the IP of the instruction, no error code. */
        "\txor %cx, %cx\n\tmov $5, %ax\ndivide_here:\tdiv %cl\n"
        "\tmovw $(divide_here - real_start), 0x612\n"
        "\tmov $0x12345678, %eax\n\trol $16, %eax\n\tmov %eax, 0x614\n"
        "\tlgdtl real_gdtr - real_start + 0x7000\n"
        "\tmov %cr0, %eax\n\tor $1, %al\n\tmov %eax, %cr0\n\tljmpl $0x08, $back32\n"
        "ivt60:\tadd $1, %ax\n\tpushf\n\tpopw 0x604\n\tiret\n"
        "ivt0:\tpush %bp\n\tmov %sp, %bp\n\tmov 2(%bp), %ax\n\tmov %ax, 0x60c\n\tincw 0x60e\n"
        "\taddw $2, 2(%bp)\n\tpop %bp\n\tiret\n"
        "real_gdtr:\t.word 0x1ff\n\t.long gdt\n"
        "real_end:\n.code32\n"
        /* Long mode: the tables are ready; selector 0x60 is 64-bit code. */
        "go_long:\n\tpush %ebx\n\tpush %ebp\n\tpush %esi\n\tpush %edi\n\tmov %esp, saved_esp\n\t"
        "mov %cr4, %eax\n\tor $0x20, %eax\n\tmov %eax, %cr4\n\tmov $boot_pml4, %eax\n\tmov %eax, "
        "%cr3\n\t"
        "mov $0xc0000080, %ecx\n\trdmsr\n\tor $0x100, %eax\n\twrmsr\n\t"
        "mov $long_results, %ebx\n\tmov $2f, %esi\n\tmov %cr0, %eax\n\tor $0x80000000, %eax\n\tmov "
        "%eax, %cr0\n\t"
        /* compatibility mode until the jump */
        "rdmsr\n\tmov %eax, 8(%ebx)\n\t"
        "ljmp $0x60, $1f\n.code64\n1:\tmov $0x1122334455667788, %rax\n\tmov %eax, (%rbx)\n\t"
        "shr $32, %rax\n\tmov %eax, 4(%rbx)\n\tmov %cs, %eax\n\tmov %eax, 12(%rbx)\n\t"
        "mov $0x99, %r8d\n\tmov %r8d, 16(%rbx)\n\t"
        /* to compatibility mode: the byte 0x48 is DEC EAX there, REX.W here */
        "pushq $0x38\n\tpush %rsi\n\trex.W lret\n.code32\n2:\tmov $10, %eax\n\t.byte 0x48, 0x90\n\t"
        "mov %eax, 20(%ebx)\n\t"
        /* back to protected mode without paging */
        "mov %cr0, %eax\n\tand $0x7fffffff, %eax\n\tmov %eax, %cr0\n\t"
        "mov $0xc0000080, %ecx\n\trdmsr\n\tand $0xfffffeff, %eax\n\twrmsr\n\t"
        "mov %cr4, %eax\n\tand $0xdf, %al\n\tmov %eax, %cr4\n\tljmp $0x08, $back32\n"
        ".data\nreal_idtr:\t.word 0x3ff\n\t.long 0\nsaved_esp:\t.long 0\n.text\n");

static void real_mode(const char *turn)
{
    print(turn);
    memset((void *)0x600, 0, sizeof(struct results));
    memcpy((void *)0x7000, real_start, (size_t)(real_end - real_start));
    go_real();
    load_idt(sizeof idt - 1);
    volatile struct results *r = RESULTS;
    check("real mode reached", r->started, 1);
    check("real mode: CS", r->cs, 0x700);
    check("IVT: handler ran", r->int_ax, 0x1112);
    check("IVT: IF is clear inside", r->int_flags_inside & 0x200, 0);
    check("IVT: IRET restores IF and CF", r->int_flags_after & 0x201, 0x201);
    check("real mode: PUSH at SP 2", r->wrap, 0x4321);
    check("unreal mode: limit of GS stays", r->unreal, 1);
    check("IVT: #DE once", r->de_seen, 1);
    check("IVT: #DE pushes the IP of DIV", r->de_ip, r->divide);
    check("real mode: 32-bit operands", r->operand32, 0x56781234);
    check("back in protected mode", read_cr0() & 1, 1);
    TRY("ud2", ::: "memory");
    check_fault("exceptions work again", UD, 0);
}

void guest_main(void)
{
    real_mode("first turn\n");
    real_mode("second turn\n");

    boot_pml4[0] = (uint32_t)boot_pdpt | 7;
    for (uint32_t i = 0; i < 4; i++)
        boot_pdpt[i] = ((uint32_t)boot_pd + 4096 * i) | 7;
    for (uint64_t i = 0; i < 2048; i++)
        boot_pd[i] = i << 21 | 0x87;
    gdt[GDT_FREE] = 0x00af9b000000ffff;
    for (int i = 0; i < 3; i++) {
        compat_value = long_lo = long_hi = 0;
        go_long();
        check("EFER.LMA is set with paging", long_efer & 0x500, 0x500);
        check("64-bit mode: low half", long_lo, 0x55667788);
        check("64-bit mode: high half", long_hi, 0x11223344);
        check("64-bit mode: R8", long_r8, 0x99);
        check("64-bit mode: CS", long_cs, 0x60);
        check("compatibility mode: 48h is DEC EAX", compat_value, 9);
        check("EFER.LMA is clear again", rdmsr(0xc0000080) & 0x500, 0);
    }
    real_mode("after long mode\n");
}
