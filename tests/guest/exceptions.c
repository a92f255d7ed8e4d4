/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every exception that software can provoke, with its error code and saved IP, in protected mode
 * without paging and in long mode (SDM vol. 3A 6.15, 6.13 for error codes). #PF is in paging.c,
 * #MF and #XM are in fpu.c. */
#include "lib/rt.h"

enum {
    FREE = GDT_FREE * 8,
    DATA_NP = FREE,
    DATA_DPL3CODE = FREE + 8,
    GATE = FREE + 16,
    RING1 = FREE + 32
};
static uint32_t cells[8] __attribute__((aligned(16)));

static void divide(void)
{
    TRY("divb %b1", ::"a"(5), "q"(0) : "memory");
    check_fault("#DE: DIV by zero", DE, 0);
    TRY("divb %b1", ::"a"(0x200), "q"(2) : "memory");
    check_fault("#DE: DIV quotient too large", DE, 0);
    TRY("idivl %1", ::"a"(0x80000000), "r"(-1), "d"(-1) : "memory");
    check_fault("#DE: IDIV of the least number by -1", DE, 0);
#ifndef __x86_64__
    TRY("aam $0", ::: "eax", "memory");
    check_fault("#DE: AAM 0", DE, 0);
#endif
}

static void debug_hit(struct frame *f)
{
    f->flags |= 0x10000;
}

/* A handler that sets RF returns to the instruction, which runs; the next time it is hit again. */
static void debug_resume(void)
{
    unsigned before = exc.count, runs = 0;

    handlers[DB] = debug_hit;
    __asm__ volatile("mov $3, %%ecx\n\tmov" W " $1f, %%" R "ax\n\tmov %%" R "ax, %%dr0\n"
                     "1:\tinc %0\n\tloop 1b"
                     : "+r"(runs)::R "ax", R "cx", "memory");
    handlers[DB] = 0;
    check("#DB: RF lets the instruction run", runs, 3);
    check("#DB: RF is for one instruction", exc.count - before, 3);
}

/* A hit by a load of SS is a trap after the next instruction (SDM vol. 3A 6.8.3). */
static void debug_stack(void)
{
    write_dr7(0x400);
    *(volatile uint32_t *)&cells[1] = SEL_DATA;
    write_dr7(0xf0702);
    TRY("mov %0, %%ss\n\tnop", ::"m"(cells[1]) : "memory");
    check_trap("#DB: data breakpoint hit by MOV SS waits", DB);
}

/* REP traps after the iteration that hits. */
static void debug_string(void)
{
    word count = 4, to = (word)cells;

    write_dr7(0xd0702);
    TRY("rep stosl", : "+c"(count), "+D"(to) : "a"(0) : "memory");
    check("#DB: REP STOS stops after the iteration", (unsigned)exc.vector, DB);
    check("#DB: REP STOS is at its start", exc.f.ip, try_begin);
    check("#DB: REP STOS has counted", exc.f.cx, 2);
}

static void debug(void)
{
    /* TF: the trap comes after the instruction that follows POPF. */
    TRY("pushf\n\tor" W " $0x100, (%%" R "sp)\n\tpopf\n\tnop", ::: "memory");
    check_trap("#DB: single step, after the instruction", DB);
    check("#DB: single step sets DR6.BS", exc.dr6 & 0xe00f, 0x4000);
    check("#DB: single step pushes TF", exc.f.flags & 0x100, 0x100);
    TRY("int1", ::: "memory");
    check_trap("#DB: INT1", DB);

    write_dr0((word)&cells[1]);
    write_dr7(0xd0002 | 0x700); /* DR0, global, write, 4 bytes */
    TRY("movl $1, %0", : "=m"(cells[1])::"memory");
    check_trap("#DB: data breakpoint is a trap", DB);
    check("#DB: data breakpoint sets DR6.B0", exc.dr6 & 0xe00f, 1);
    check("#DB: data breakpoint lets the write happen", cells[1], 1);
    TRY("movl %0, %%eax", ::"m"(cells[1]) : "eax", "memory");
    check_fault("#DB: write breakpoint ignores reads", NONE, 0);
    TRY("movw $7, %0", : "=m"(*(uint16_t *)((char *)cells + 7))::"memory");
    check_trap("#DB: data breakpoint hit by an overlapping write", DB);
    TRY("movl $1, %0", : "=m"(cells[2])::"memory");
    check_fault("#DB: data breakpoint is not hit next to it", NONE, 0);

    static char *target;
    __asm__ volatile("mov" W " $debug_target, %0" : "=m"(target));
    write_dr0((word)target);
    write_dr7(0x702); /* DR0, global, execute */
    TRY("debug_target: nop", ::: "memory");
    check_fault("#DB: instruction breakpoint is a fault", DB, 0);
    check("#DB: instruction breakpoint sets DR6.B0", exc.dr6 & 0xe00f, 1);
    check("#DB: instruction breakpoint leaves RF", exc.f.flags >> 16 & 1, 0); /* 17.3.1.1 */
    write_dr7(0x702);
    debug_resume();
    write_dr0((word)&cells[1]);
    write_dr7(0xf0702); /* DR0, global, read or write, 4 bytes */
    TRY("movl %0, %%eax", ::"m"(cells[1]) : "eax", "memory");
    check_trap("#DB: access breakpoint is hit by a read", DB);
    debug_stack();
    debug_string();
    write_dr7(0x400);
    write_cr4(read_cr4() | 8);
    write_dr0(0x80);
    write_dr7(0x20702); /* DR0, global, I/O, 1 byte */
    TRY("outb %%al, $0x80", ::"a"(0) : "memory");
    check_trap("#DB: I/O breakpoint is a trap", DB);
    check("#DB: I/O breakpoint sets DR6.B0", exc.dr6 & 0xe00f, 1);
    TRY("outb %%al, $0x81", ::"a"(0) : "memory");
    check_fault("#DB: I/O breakpoint is not hit by another port", NONE, 0);
    write_cr4(read_cr4() & ~8ul);
    write_dr7(0x2700); /* GD */
    TRY("mov %%dr0, %%" R "ax", ::: R "ax", "memory");
    check_fault("#DB: general detect", DB, 0);
    check("#DB: general detect sets DR6.BD", exc.dr6 & 0xe00f, 0x2000);
    check("#DB: general detect clears DR7.GD", read_dr7() & 0x2000, 0);
    write_dr7(0x400);
    word cr4 = read_cr4();
    write_cr4(cr4 | 8);
    TRY("mov %%dr4, %%" R "ax", ::: R "ax", "memory");
    check_fault("#UD: DR4 with CR4.DE", UD, 0);
    write_cr4(cr4);
}

static void software(void)
{
    TRY("int3", ::: "memory");
    check_trap("#BP: INT3", BP);
    TRY("int $3", ::: "memory");
    check_trap("#BP: INT 3", BP);
    TRY("int $4", ::: "memory");
    check_trap("#OF: INT 4", OF);
#ifndef __x86_64__
    TRY("mov $0x7fffffff, %%eax\n\tinc %%eax\n\tinto", ::: "eax", "memory");
    check_trap("#OF: INTO", OF);
    TRY("xor %%eax, %%eax\n\tinto", ::: "eax", "memory");
    check_fault("INTO without OF", NONE, 0);
    cells[0] = 10, cells[1] = 20;
    TRY("bound %0, %1", ::"r"(9), "m"(cells[0]) : "memory");
    check_fault("#BR: below", BR, 0);
    TRY("bound %0, %1", ::"r"(21), "m"(cells[0]) : "memory");
    check_fault("#BR: above", BR, 0);
    TRY("bound %0, %1", ::"r"(20), "m"(cells[0]) : "memory");
    check_fault("BOUND at the bound", NONE, 0);
#else
    TRY(".byte 0xce", ::: "memory");
    check_fault("#UD: INTO in 64-bit mode", UD, 0);
    TRY(".byte 0x06", ::: "memory");
    check_fault("#UD: PUSH ES in 64-bit mode", UD, 0);
    TRY(".byte 0x27", ::: "memory");
    check_fault("#UD: DAA in 64-bit mode", UD, 0);
    TRY(".byte 0x9a, 0, 0, 0, 0, 0, 0", ::: "memory");
    check_fault("#UD: direct far CALL in 64-bit mode", UD, 0);
#endif
}

static void undefined(void)
{
    TRY("ud2", ::: "memory");
    check_fault("#UD: UD2", UD, 0);
    check("#UD: other faults push RF", exc.f.flags >> 16 & 1, 1);
    TRY(".byte 0xf0, 0x90", ::: "memory");
    check_fault("#UD: LOCK NOP", UD, 0);
    TRY(".byte 0xf0, 0x01, 0xc0", ::: "memory");
    check_fault("#UD: LOCK with a register destination", UD, 0);
    TRY(".byte 0x8e, 0xc8", ::: "memory");
    check_fault("#UD: MOV to CS", UD, 0);
    TRY(".byte 0x0f, 0x20, 0xc8", ::: "memory");
    check_fault("#UD: MOV from CR1", UD, 0);
    TRY(".byte 0x0f, 0xff, 0xc0", ::: "memory");
    check_fault("#UD: UD0", UD, 0);
    TRY(".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66, 0x90", ::
            : "memory");
    check_fault("15-byte instruction", NONE, 0);
    TRY(".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66, 0x90", ::
            : "memory");
    check_fault("#GP: 16-byte instruction", GP, 0);
}

static void segment(void)
{
    gdt[DATA_NP / 8] = descriptor(0, 0xfffff, 0x13, 12);
    gdt[DATA_DPL3CODE / 8] = descriptor(0, 0xfffff, 0x99, 12); /* execute-only */
#define LOAD(seg, sel) TRY("mov %w0, %%" #seg, ::"r"(sel) : "memory")
    LOAD(es, DATA_NP);
    check_fault("#NP: ES not present", NP, DATA_NP);
    LOAD(ss, DATA_NP);
    check_fault("#SS: SS not present", SS, DATA_NP);
    LOAD(fs, DATA_NP | 3);
    check_fault("#GP: RPL above DPL comes before #NP", GP, DATA_NP);
    LOAD(es, DATA_DPL3CODE);
    check_fault("#GP: execute-only code in ES", GP, DATA_DPL3CODE);
    LOAD(es, 0x200);
    check_fault("#GP: selector beyond the GDT", GP, 0x200);
    LOAD(es, 0x203);
    check_fault("#GP: error code has no RPL", GP, 0x200);
    LOAD(es, 0x14);
    check_fault("#GP: LDT selector without an LDT", GP, 0x14);
    LOAD(es, SEL_TSS);
    check_fault("#GP: system descriptor in ES", GP, SEL_TSS);
    LOAD(ss, SEL_CODE);
    check_fault("#GP: code in SS", GP, SEL_CODE);
    LOAD(ss, SEL_UDATA);
    check_fault("#GP: SS of another DPL", GP, SEL_UDATA & ~3);
    LOAD(es, 0);
    check_fault("null selector in ES", NONE, 0);
    LOAD(es, SEL_DATA);
    TRY("ltr %w0", ::"r"(SEL_TSS) : "memory");
    check_fault("#GP: LTR of a busy TSS", GP, SEL_TSS);
    TRY("ltr %w0", ::"r"(SEL_DATA) : "memory");
    check_fault("#GP: LTR of a data segment", GP, SEL_DATA);
    TRY("lldt %w0", ::"r"(SEL_DATA) : "memory");
    check_fault("#GP: LLDT of a data segment", GP, SEL_DATA);
#ifdef __x86_64__
    LOAD(ss, 3);
    check_fault("#GP: null SS with RPL 3 at CPL 0", GP, 0);
    LOAD(ss, 0);
    check_fault("null SS at CPL 0 in 64-bit mode", NONE, 0);
    LOAD(ss, SEL_DATA);
    word bad = 0x8000000000000000;
    TRY("mov (%0), %%al", ::"r"(bad) : "al", "memory");
    check_fault("#GP: non-canonical address", GP, 0);
    __asm__ volatile("push %%rbp\n\tmov %0, %%rbp" ::"r"(bad) : "memory");
    TRY("mov (%%rbp), %%al", ::: "al", "memory");
    __asm__ volatile("pop %%rbp" ::: "memory");
    check_fault("#SS: non-canonical address through RBP", SS, 0);
    TRY("jmp *%0", ::"r"(bad) : "memory");
    check_fault("#GP: jump to a non-canonical address", GP, 0);
#else
    LOAD(ss, 0);
    check_fault("#GP: null SS", GP, 0);
    LOAD(es, 0);
    TRY("movb %%es:0, %%al", ::: "al", "memory");
    check_fault("#GP: access through a null ES", GP, 0);
    LOAD(es, SEL_DATA);
#endif
}

static void system_instructions(void)
{
    word cr0 = read_cr0();
    TRY("mov %0, %%cr0", ::"r"((cr0 | 1u << 29) & ~(1ul << 30)) : "memory");
    check_fault("#GP: CR0.NW without CD", GP, 0);
    write_cr0(cr0);
    TRY("rdmsr", ::"c"(0x12345678) : "eax", "edx", "memory");
    check_fault("#GP: RDMSR of an unknown MSR", GP, 0);
    TRY("wrmsr", ::"c"(0xc0000080), "a"(2), "d"(0x10000) : "memory");
    check_fault("#GP: reserved bit of EFER", GP, 0);
    TRY("movaps %0, %%xmm0", ::"m"(*(char *)(cells + 1)) : "memory");
    check_fault("#GP: misaligned MOVAPS", GP, 0);
    load_idt((0x80 + 1) * (sizeof(word) * 2) - 1);
    TRY("int $0x81", ::: "memory");
    check_fault("#GP: INT beyond the IDT", GP, 0x81 * 8 + 2);
    load_idt(sizeof idt - 1);
#ifdef __x86_64__
    TRY("mov %0, %%cr0", ::"r"(cr0 | 1ul << 32) : "memory");
    check_fault("#GP: upper half of CR0", GP, 0);
    TRY("wrmsr", ::"c"(0xc0000100), "a"(0), "d"(0x00800000) : "memory");
    check_fault("#GP: non-canonical FS base", GP, 0);
    TRY("pushf\n\torl $0x4000, (%%rsp)\n\tpopf\n\tiretq", ::: "memory");
    __asm__ volatile("pushf\n\tandl $~0x4000, (%%rsp)\n\tpopf" ::: "memory");
    report(exc.vector == GP && exc.f.error == 0, "#GP: IRET with NT in 64-bit mode");
#else
    /* NT makes IRET a task switch to the back link, which is not a TSS. */
    *(uint16_t *)tss = SEL_DATA;
    TRY("pushf\n\torl $0x4000, (%%esp)\n\tpopf\n\tiret", ::: "memory");
    __asm__ volatile("pushf\n\tandl $~0x4000, (%%esp)\n\tpopf" ::: "memory");
    check("#TS: IRET with NT and a bad back link", (unsigned)exc.vector, TS);
    check("#TS: its error code is the back link", exc.f.error, SEL_DATA);
    *(uint16_t *)tss = 0;
#endif
}

static void gates(void)
{
    set_gate(0x90, stub(0x90), 0x0e);
    TRY("int $0x90", ::: "memory");
    check_fault("#NP: INT through a gate not present", NP, 0x90 * 8 + 2);
    set_gate(0x90, stub(0x90), 0x85);
    TRY("int $0x90", ::: "memory");
#ifdef __x86_64__
    check_fault("#GP: INT through a task gate", GP, 0x90 * 8 + 2);
#else
    report(exc.vector == GP || exc.vector == TS || exc.vector == NP,
           "INT through a task gate to no TSS");
#endif
    set_gate(0x90, stub(0x90), 0x82);
    TRY("int $0x90", ::: "memory");
    check_fault("#GP: INT through an LDT descriptor", GP, 0x90 * 8 + 2);
    set_gate(0x90, stub(0x90), 0x8e);
    ((uint16_t *)(idt + 0x90 * sizeof(word) * 2))[1] = SEL_DATA;
    TRY("int $0x90", ::: "memory");
    check_fault("#GP: gate to a data segment", GP, SEL_DATA);
    ((uint16_t *)(idt + 0x90 * sizeof(word) * 2))[1] = 0;
    TRY("int $0x90", ::: "memory");
    check_fault("#GP: gate with a null selector", GP, 0);

    /* Exceptions whose own gate is bad: EXT is set, except for contributory pairs, which are #DF
     * (SDM vol. 3A table 6-5). */
    set_gate(UD, stub(UD), 0x0e);
    TRY("ud2", ::: "memory");
    set_gate(UD, stub(UD), 0x8e);
    check_fault("#NP: gate of #UD not present, EXT set", NP, UD * 8 + 2 + 1);
    set_gate(BP, stub(BP), 0x6e);
    TRY("int3", ::: "memory");
    set_gate(BP, stub(BP), 0xee);
    check_fault("#NP: gate of INT3 not present, EXT clear", NP, BP * 8 + 2);
    set_gate(DE, stub(DE), 0x0e);
    TRY("divb %b1", ::"a"(5), "q"(0) : "memory");
    set_gate(DE, stub(DE), 0x8e);
    check_fault("#DF: gate of #DE not present", DF, 0);
    set_gate(GP, stub(GP), 0x0e);
    TRY("mov %w0, %%es", ::"r"(0x200) : "memory");
    set_gate(GP, stub(GP), 0x8e);
    check_fault("#DF: gate of #GP not present", DF, 0);
    set_gate(NP, stub(NP), 0x0e);
    TRY("mov %w0, %%es", ::"r"(DATA_NP) : "memory");
    set_gate(NP, stub(NP), 0x8e);
    check_fault("#DF: gate of #NP not present", DF, 0);
#ifdef __x86_64__
    /* An IST stack: RSP is loaded from the TSS also without a change of privilege. */
    idt[DF * 16 + 4] = 1;
    set_gate(DE, stub(DE), 0x0e);
    TRY("divb %b1", ::"a"(5), "q"(0) : "memory");
    set_gate(DE, stub(DE), 0x8e);
    check_fault("#DF on an IST stack", DF, 0);
    set_gate(DF, stub(DF), 0x8e);
#endif
}

/* Ring 3. */
static int user_vectors[12];
static word user_errors[12];
static unsigned user_count;

static void user_note(void)
{
    user_vectors[user_count] = exc.vector;
    user_errors[user_count++] = exc.f.ip == try_begin ? exc.f.error : ~0ul;
}

static void user_privilege(void)
{
#define UTRY(text)                                                                                 \
    TRY(text, ::: R "ax", "memory");                                                               \
    user_note()
    UTRY("hlt");
    UTRY("cli");
    UTRY("inb $0x21, %%al");
    UTRY("mov %%cr0, %%" R "ax");
    UTRY("lidt 0x100000");
    UTRY("wbinvd");
    UTRY("int $0x40"); /* gate of DPL 0 */
    UTRY("mov $0x10, %%eax\n\tmov %%eax, %%es");
    UTRY("clts");
    UTRY("mov $0, %%eax\n\tmov %%eax, %%ss");
}

static void user_align(void)
{
    word *p = (word *)((char *)cells + 1);
    user_count = 0;
    __asm__ volatile("pushf\n\torl $0x40000, (%%" R "sp)\n\tpopf" ::: "memory");
    TRY("mov (%0), %%eax", ::"r"(p) : "eax", "memory");
    user_note();
    TRY("movw %%ax, 2(%0)", ::"r"(p) : "memory");
    user_note();
    TRY("movb %%al, (%0)", ::"r"(p) : "memory");
    user_note();
    TRY("movups (%0), %%xmm0", ::"r"(p) : "memory");
    user_note();
    __asm__ volatile("pushf\n\tandl $~0x40000, (%%" R "sp)\n\tpopf" ::: "memory");
    TRY("mov (%0), %%eax", ::"r"(p) : "eax", "memory");
    user_note();
}

static void ring3(void)
{
    static const char *const names[] = {"#GP: HLT in ring 3",
                                        "#GP: CLI in ring 3",
                                        "#GP: IN in ring 3",
                                        "#GP: MOV from CR0 in ring 3",
                                        "#GP: LIDT in ring 3",
                                        "#GP: WBINVD in ring 3",
                                        "#GP: INT through a gate of DPL 0",
                                        0,
                                        "#GP: CLTS in ring 3",
                                        0};
    user_count = 0;
    run_user(user_privilege);
    for (unsigned i = 0; i < user_count; i++)
        if (names[i]) {
            check(names[i], (unsigned)user_vectors[i], GP);
            check(names[i], user_errors[i], i == 6 ? 0x40 * 8 + 2 : 0);
        }
    check("#GP: data of DPL 0 in ring 3", (unsigned)user_vectors[7], GP);
    check("#GP: null SS in ring 3", (unsigned)user_vectors[9], GP);

    write_cr0(read_cr0() | 1 << 18);
    run_user(user_align);
    write_cr0(read_cr0() & ~(1ul << 18));
    check("#AC: misaligned doubleword", (unsigned)user_vectors[0], AC);
    check("#AC: its error code is 0", user_errors[0], 0);
    check("#AC: misaligned word", (unsigned)user_vectors[1], AC);
    check("no #AC for a byte", (uint64_t)user_vectors[2], (uint64_t)NONE);
    check("no #AC without EFLAGS.AC", (uint64_t)user_vectors[4], (uint64_t)NONE);
}

/* #TS: a call gate to ring 1 whose stack in the TSS is bad. */
static void user_call_gate(void)
{
    static const struct {
        uint32_t off;
        uint16_t sel;
    } __attribute__((packed)) far = {0, GATE | 3};
    TRY("lcall *%0", ::"m"(far) : "memory");
}

static void invalid_tss(void)
{
    word target = (word)stub(0);
    unsigned type = 0xec;
    gdt[GATE / 8] = (target & 0xffff) | (uint64_t)(RING1 | 0) << 16 | (uint64_t)type << 40 |
                    (uint64_t)(target >> 16 & 0xffff) << 48;
    gdt[GATE / 8 + 1] = 0;
    gdt[RING1 / 8] = descriptor(0, 0xfffff, 0xbb, sizeof(word) == 8 ? 10 : 12);
#ifdef __x86_64__
    /* The TSS ends before RSP1: #TS(TSS selector). */
    gdt[SEL_TSS / 8] = descriptor((uint32_t)(word)tss, 0x67, 0x89, 0);
    gdt[SEL_TSS / 8] = (gdt[SEL_TSS / 8] & ~0xffffull) | 0xb;
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
    run_user(user_call_gate);
    check_fault("#TS: TSS too short for RSP1", TS, SEL_TSS);
    gdt[SEL_TSS / 8] = descriptor((uint32_t)(word)tss, 0x67, 0x89, 0);
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
#else
    *(uint32_t *)(tss + 12) = 0x200000;
    *(uint32_t *)(tss + 16) = 0;
    run_user(user_call_gate);
    check_fault("#TS: null SS1", TS, 0);
    *(uint32_t *)(tss + 16) = SEL_DATA | 1;
    run_user(user_call_gate);
    check_fault("#TS: SS1 of the wrong DPL", TS, SEL_DATA);
    *(uint32_t *)(tss + 16) = 0x201;
    run_user(user_call_gate);
    check_fault("#TS: SS1 beyond the GDT", TS, 0x200);
#endif
}

void guest_main(void)
{
    divide();
    debug();
    software();
    undefined();
    segment();
    system_instructions();
    gates();
    ring3();
    invalid_tss();
}
