/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x2APIC mode (SDM vol. 3A 11.12): which MSRs there are, which of their bits may be written, the
 * changes between the modes, self-IPIs. Smp.c has destinations. */
#include "lib/ap.h"

enum { FIRST = 0x800, LAST = 0x8ff, VERSION = 0x03, PPR = 0x0a, ISR = 0x10 };
enum { LVT_CMCI = 0x2f, LVT_TIMER = 0x32, INITIAL = 0x38, CURRENT = 0x39, DIVIDE = 0x3e };
enum { MASKED = 1 << 16 };
#define NOBODY 0xdead0000ull /* neither an ID nor a cluster */

static volatile unsigned hits[256];

static void on_interrupt(struct frame *f)
{
    hits[f->vector]++;
    set(EOI, 0);
}

static void breathe(void)
{
    for (unsigned n = 0; n < 8; n++)
        __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
}

static bool reads(uint32_t msr)
{
    uint32_t lo, hi;

    TRY("rdmsr", : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
    return exc.vector == NONE;
}

static bool writes(uint32_t msr, uint64_t v)
{
    TRY("wrmsr", ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
    return exc.vector == NONE;
}

/* ---- table 11-6 ---- */

static bool readable(unsigned reg)
{
    switch (reg) {
    case REG_ID:
    case VERSION:
    case TPR:
    case PPR:
    case LDR:
    case SVR:
    case ESR:
    case LVT_CMCI:
    case ICR:
    case DIVIDE:
        return true;
    default:
        return (reg >= ISR && reg < ESR) || (reg >= LVT_TIMER && reg <= CURRENT);
    }
}

static bool has_deadline(void)
{
    uint32_t id[4];

    cpuid(1, id);
    return id[2] >> 24 & 1;
}

/* Bits that may be written; ~0 << 32: the register is read-only or not there. Delivery status and
 * Remote IRR are read-only where there are any. */
#define NEVER (~0ull << 32)
static uint64_t bits_of(unsigned reg)
{
    switch (reg) {
    case TPR:
    case SELF_IPI:
        return 0xff;
    case EOI:
    case ESR:
        return 0;
    case SVR:
        return 0x1ff;
    case LVT_CMCI:
    case LVT_TIMER + 1:
    case LVT_TIMER + 2:
        return 0x117ff;
    case LVT_TIMER:
        return has_deadline() ? 0x710ff : 0x310ff;
    case LVT_TIMER + 3:
    case LVT_TIMER + 4:
        return 0x1f7ff;
    case LVT_ERROR:
        return 0x110ff;
    case ICR:
        return 0xccfff;
    case INITIAL:
        return 0xffffffff;
    case DIVIDE:
        return 0xb;
    default:
        return NEVER;
    }
}

static void reading(void)
{
    unsigned wrong = 0;

    for (unsigned msr = FIRST; msr <= LAST; msr++)
        if (reads(msr) != readable(msr - FIRST)) {
            wrong++;
            print("  "), print_hex(msr), print("\n");
        }
    check("RDMSR: the registers that there are", wrong, 0);
    uint32_t lo = 0, hi = ~0u;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(FIRST + VERSION));
    check("RDMSR: the upper half is 0", hi, 0);
}

/* Each bit alone; an ICR's goes to nobody. The mask of an LVT entry is kept where it has one. */
static void writing(void)
{
    unsigned wrong = 0, upper = 0;

    for (unsigned reg = 0; reg <= LAST - FIRST; reg++) {
        uint64_t bits = bits_of(reg), high = reg == ICR ? NOBODY << 32 : 0;
        uint64_t masked =
            reg >= LVT_CMCI && bits != NEVER && bits & MASKED && reg != ICR ? MASKED : 0;
        for (unsigned n = 0; n < 32; n++) {
            bool may = bits != NEVER && bits >> n & 1;
            if (writes(FIRST + reg, high | 1ull << n | masked) != may) {
                wrong++;
                print("  "), print_hex(FIRST + reg), print(" bit "), print_hex(n), print("\n");
            }
        }
        for (unsigned n = 32; n < 64; n++)
            upper += writes(FIRST + reg, 1ull << n) != (reg == ICR);
        wrong += bits != NEVER && reg != SVR && !writes(FIRST + reg, high | masked);
        if (reg == SVR)
            set(SVR, 0x1ff);
    }
    check("WRMSR: the bits that may be set", wrong, 0);
    check("WRMSR: the upper half", upper, 0);
    breathe(); /* what was sent to ourselves */
    set(ESR, 0);
    set(ESR, 0);
}

static void values(void)
{
    unsigned wrong = 0;

    wrmsr(FIRST + ICR, NOBODY << 32 | 0x4c45);
    check("ICR reads back as one register", rdmsr(FIRST + ICR), NOBODY << 32 | 0x4c45);
    set(TPR, 0x35);
    check("TPR", get(TPR), 0x35);
#ifdef __x86_64__
    word cr8;
    __asm__ volatile("mov %%cr8, %0" : "=r"(cr8));
    check("CR8 is its class", cr8, 3);
    __asm__ volatile("mov %0, %%cr8" ::"r"(5ul));
    check("and back", get(TPR), 0x50);
#endif
    set(TPR, 0);
    for (unsigned v = 0x20; v < 256; v += 3) {
        unsigned before = hits[v];
        set(SELF_IPI, v);
        wrong += !(get(IRR + v / 32) >> v % 32 & 1);
        breathe();
        wrong += hits[v] != before + 1 + (v == 0x80);
    }
    check("self-IPIs of many vectors", wrong, 0);
    for (unsigned v = 0; v < 16; v++) {
        set(ESR, 0);
        set(SELF_IPI, v);
        set(ESR, 0);
        wrong += !(get(ESR) & 1 << 5);
        set(ESR, 0);
        wrong += get(ESR) != 0;
    }
    check("ESR: a self-IPI of an illegal vector is sent", wrong, 0);
}

/* ---- modes ---- */

enum { OFF, XAPIC, BAD, X2APIC }; /* bits 11 and 10 */
static const uint32_t bits_of_mode[] = {0, ENABLED, X2, ENABLED | X2};
static uint64_t base;

static uint64_t mode(unsigned n)
{
    return base | bits_of_mode[n];
}

/* From anywhere; by way of off. */
static void go(unsigned n)
{
    wrmsr(MSR_BASE, mode(OFF));
    if (n != OFF)
        wrmsr(MSR_BASE, mode(XAPIC));
    if (n == X2APIC)
        wrmsr(MSR_BASE, mode(X2APIC));
}

/* Figure 11-27. */
static void changes(void)
{
    static const uint8_t from[] = {OFF, XAPIC, X2APIC};
    /* to OFF, XAPIC, BAD, X2APIC */
    static const bool allowed[3][4] = {{1, 1, 0, 0}, {1, 1, 0, 1}, {1, 0, 0, 1}};
    unsigned wrong = 0, moved = 0;

    for (unsigned n = 0; n < 3; n++)
        for (unsigned to = 0; to < 4; to++) {
            go(from[n]);
            bool did = writes(MSR_BASE, mode(to));
            wrong += did != allowed[n][to];
            moved += rdmsr(MSR_BASE) != mode(did ? to : from[n]);
        }
    check("changes that are allowed", wrong, 0);
    check("one that is not changes nothing", moved, 0);
}

static void reserved(void)
{
    uint32_t id[4];
    unsigned wrong = 0;

    cpuid(0x80000008, id);
    go(XAPIC);
    for (unsigned n = 0; n < 64; n++) {
        bool may = n == 8 || (n >= 10 && n < (id[0] & 0xff));
        if (!may)
            wrong += writes(MSR_BASE, mode(XAPIC) ^ 1ull << n);
    }
    check("IA32_APIC_BASE: reserved bits", wrong, 0);
    for (unsigned n = 0; n < 3; n += 1) {
        go((const uint8_t[]){OFF, XAPIC, OFF}[n]);
        for (unsigned msr = FIRST; msr <= LAST; msr++)
            wrong += reads(msr) || writes(msr, 0);
    }
    check("there are none of the MSRs in the other modes", wrong, 0);
}

static void kept(void)
{
    go(XAPIC);
    set(SVR, 0x1f3);
    set(TPR, 0x42);
    set(LVT_ERROR, 0x99);
    set(LDR, 0xff000000);
    set(DIVIDE, 0xa);
    uint32_t version = get(VERSION);
    wrmsr(MSR_BASE, mode(X2APIC));
    check("from xAPIC: SVR stays", get(SVR), 0x1f3);
    check("from xAPIC: TPR stays", get(TPR), 0x42);
    check("from xAPIC: LVT stays", get(LVT_ERROR), 0x99);
    check("from xAPIC: the timer's divisor stays", get(DIVIDE), 0xa);
    check("from xAPIC: LDR follows from the ID", get(LDR),
          (self() >> 4) << 16 | 1u << (self() & 15));
    check("the same version", get(VERSION), version);
    report(lapic[VERSION * 4] != version, "its page is none");
    go(XAPIC);
    check("by way of off: SVR", get(SVR), 0xff);
    check("by way of off: TPR", get(TPR), 0);
    check("by way of off: LVT", get(LVT_ERROR), MASKED);
    check("by way of off: LDR", get(LDR), 0);
    check("by way of off: the page is back", lapic[VERSION * 4], version);
}

void guest_main(void)
{
    uint32_t id[4];

    cpuid(1, id);
    if (!(id[2] >> 21 & 1)) {
        skip("x2APIC: CPUID has none");
        report(true, "nothing to try");
        return;
    }
    for (unsigned v = 0x20; v < 256; v++)
        handlers[v] = on_interrupt;
    handlers[16] = on_interrupt;
    base = rdmsr(MSR_BASE) & ~(uint64_t)(ENABLED | X2);
    wrmsr(MSR_BASE, mode(X2APIC));
    set(SVR, 0x1ff);
    reading();
    writing();
    values();
    changes();
    reserved();
    kept();
}

void ap_main(void)
{
}
