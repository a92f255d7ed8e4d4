/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Far returns and IRET within ring 0: what they refuse, and with which error code (SDM vol. 2B,
 * RET; vol. 2A, IRET; vol. 3A 6.14.3). */
#include "lib/rt.h"

enum {
    NOT_PRESENT = GDT_FREE * 8,
    CONFORMING0 = NOT_PRESENT + 8,
    CONFORMING3 = NOT_PRESENT + 16,
    SHORT = NOT_PRESENT + 24,
    STACK_NP = NOT_PRESENT + 32,
    LONG_BIG = NOT_PRESENT + 40,
};
word returns_sp, returns_back;
#define CODE_FLAGS (sizeof(word) == 8 ? 10u : 12u)
#define HERE       ((word)-1) /* return behind the instruction */

/* The stack pointer comes back whatever happens in between. */
#define AROUND(pushes, insn)                                                                       \
    "mov %%" R "sp, returns_sp\n\tmov" W " $991f, returns_back\n\t"                                \
    "cmp" W " $-1, %1\n\tjne 989f\n\tmov returns_back, %1\n989:\t" pushes "mov" W                  \
    " $990f, try_begin\n\tmov" W " $991f, exc_resume\n990:\t" insn "\n991:\tmov returns_sp, %%" R  \
    "sp\n\tmov" W " $0, exc_resume"

static void retf(word cs, word ip)
{
    exc.vector = NONE;
#ifdef __x86_64__
    __asm__ volatile(AROUND("push %0\n\tpush %1\n\t", "lretq")
                     : "+r"(cs), "+r"(ip)::"memory", "cc");
#else
    __asm__ volatile(AROUND("push %0\n\tpush %1\n\t", "lret") : "+r"(cs), "+r"(ip)::"memory", "cc");
#endif
}

static void iret(word cs, word ip, word ss)
{
    exc.vector = NONE;
#ifdef __x86_64__
    __asm__ volatile(
        AROUND("push %2\n\tpush returns_sp\n\tpushf\n\tpush %0\n\tpush %1\n\t", "iretq")
        : "+r"(cs), "+r"(ip)
        : "r"(ss)
        : "memory", "cc");
#else
    (void)ss;
    __asm__ volatile(AROUND("pushf\n\tpush %0\n\tpush %1\n\t", "iret")
                     : "+r"(cs), "+r"(ip)::"memory", "cc");
#endif
}

/* What both check of CS. */
static void code_segments(void)
{
    static const struct {
        const char *retf, *iret;
        word cs, ip;
        int vector;
        word error;
    } rows[] = {
        {"RETF", "IRET", SEL_CODE, HERE, NONE, 0},
        {"RETF: #GP: null CS", "IRET: #GP: null CS", 0, HERE, GP, 0},
        {"RETF: #GP: null CS with RPL", "IRET: #GP: null CS with RPL", 3, HERE, GP, 0},
        {"RETF: #GP: CS beyond the GDT", "IRET: #GP: CS beyond the GDT", 0x203, HERE, GP, 0x200},
        {"RETF: #GP: CS is data", "IRET: #GP: CS is data", SEL_DATA, HERE, GP, SEL_DATA},
        {"RETF: #GP: CS is a TSS", "IRET: #GP: CS is a TSS", SEL_TSS, HERE, GP, SEL_TSS},
        {"RETF: #GP: RPL 3 to DPL 0", "IRET: #GP: RPL 3 to DPL 0", SEL_CODE | 3, HERE, GP,
         SEL_CODE},
        {"RETF: #GP: RPL 0 to DPL 3", "IRET: #GP: RPL 0 to DPL 3", SEL_UCODE32 & ~3u, HERE, GP,
         SEL_UCODE32 & ~3u},
        {"RETF: #NP: CS not present", "IRET: #NP: CS not present", NOT_PRESENT, HERE, NP,
         NOT_PRESENT},
        {"RETF: conforming code of DPL 0", "IRET: conforming code of DPL 0", CONFORMING0, HERE,
         NONE, 0},
        {"RETF: #GP: conforming code of DPL 3", "IRET: #GP: conforming code of DPL 3", CONFORMING3,
         HERE, GP, CONFORMING3},
#ifdef __x86_64__
        {"RETF: #GP: non-canonical", "IRET: #GP: non-canonical", SEL_CODE, 0x800000000000, GP, 0},
        {"RETF: #GP: L and D", "IRET: #GP: L and D", LONG_BIG, HERE, GP, LONG_BIG},
#else
        {"RETF: #GP: beyond the limit", "IRET: #GP: beyond the limit", SHORT, HERE, GP, 0},
#endif
    };
    for (unsigned n = 0; n < sizeof rows / sizeof *rows; n++) {
        retf(rows[n].cs, rows[n].ip);
        check_fault(rows[n].retf, rows[n].vector, rows[n].error);
        iret(rows[n].cs, rows[n].ip, SEL_DATA);
        check_fault(rows[n].iret, rows[n].vector, rows[n].error);
    }
    __asm__ volatile(
#ifdef __x86_64__
        "push %0\n\tpush $1f\n\tlretq\n1:"
#else
        "push %0\n\tpush $1f\n\tlret\n1:"
#endif
        ::"r"((word)SEL_CODE)
        : "memory");
}

#ifdef __x86_64__
/* In 64-bit mode IRET always pops SS:RSP. */
static void stacks(void)
{
    word ss;

    iret(SEL_CODE, HERE, 0);
    __asm__ volatile("mov %%ss, %0" : "=r"(ss));
    check_fault("IRET: null SS in ring 0", NONE, 0);
    check("IRET: it is null", ss, 0);
    __asm__ volatile("mov %w0, %%ss" ::"r"(SEL_DATA));
    iret(SEL_CODE, HERE, 3);
    check_fault("IRET: #GP: null SS of RPL 3", GP, 0);
    iret(SEL_CODE, HERE, SEL_CODE);
    check_fault("IRET: #GP: SS is code", GP, SEL_CODE);
    iret(SEL_CODE, HERE, SEL_UDATA);
    check_fault("IRET: #GP: SS of DPL 3", GP, SEL_UDATA & ~3u);
    iret(SEL_CODE, HERE, STACK_NP);
    check_fault("IRET: #SS: SS not present", SS, STACK_NP);
    iret(SEL_CODE, HERE, 0x200);
    check_fault("IRET: #GP: SS beyond the GDT", GP, 0x200);
    iret(SEL_UCODE64, HERE, 3);
    check_fault("IRET: #GP: null SS for ring 3", GP, 0);
    iret(SEL_UCODE32, 0, 3);
    check_fault("IRET: #GP: null SS for compatibility mode", GP, 0);
}
#else
/* To ring 3 SS:ESP is popped, too; RET n drops bytes of both stacks. */
static void outer(word ss)
{
    word cs = SEL_UCODE32, ip = HERE;

    exc.vector = NONE;
    __asm__ volatile(AROUND("push %2\n\tpush returns_sp\n\tpush $0\n\tpush $0\n\tpush %0\n\t"
                            "push %1\n\t",
                            "lret $8")
                     : "+r"(cs), "+r"(ip)
                     : "r"(ss)
                     : "memory", "cc");
}

static void stacks(void)
{
    outer(0);
    check_fault("RETF: #GP: null SS for ring 3", GP, 0);
    outer(SEL_DATA);
    check_fault("RETF: #GP: SS of DPL 0 for ring 3", GP, SEL_DATA);
    outer(SEL_UDATA & ~3u);
    check_fault("RETF: #GP: SS of RPL 0 for ring 3", GP, SEL_UDATA & ~3u);
    outer(STACK_NP | 3);
    check_fault("RETF: #SS: SS not present", SS, STACK_NP);
    outer(0x203);
    check_fault("RETF: #GP: SS beyond the GDT", GP, 0x200);
}
#endif

void guest_main(void)
{
    gdt[NOT_PRESENT / 8] = descriptor(0, 0xfffff, 0x1b, CODE_FLAGS);
    gdt[CONFORMING0 / 8] = descriptor(0, 0xfffff, 0x9f, CODE_FLAGS);
    gdt[CONFORMING3 / 8] = descriptor(0, 0xfffff, 0xff, CODE_FLAGS);
    gdt[SHORT / 8] = descriptor(0, 0xff, 0x9b, 4);
    gdt[STACK_NP / 8] = descriptor(0, 0xfffff, sizeof(word) == 8 ? 0x13 : 0x73, 12);
    gdt[LONG_BIG / 8] = descriptor(0, 0xfffff, 0x9b, 14);
    code_segments();
    stacks();
}
