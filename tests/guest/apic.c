/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local APIC's registers and priorities (SDM vol. 3A 11.4 to 11.8): what may be written and
 * what a write does, LVT masks, every vector, PPR for each TPR, 14 classes inside one another, the
 * timer's modes and divisors, errors, LINT0. Run with -icount: the timer is compared with the TSC.
 */
#include "lib/ap.h"

enum { VERSION = 0x03, PPR = 0x0a, ISR = 0x10, TMR = 0x18, LVT_CMCI = 0x2f, LVT_TIMER = 0x32 };
enum { LVT_LINT0 = 0x35, INITIAL = 0x38, CURRENT = 0x39, DIVIDE = 0x3e, MASKED = 1 << 16 };
enum { PERIODIC = 1 << 17, DEADLINE = 2 << 17, MSR_DEADLINE = 0x6e0, EXTINT = 7 << 8 };
enum { SEND_VECTOR = 1 << 5, RECEIVE_VECTOR = 1 << 6, BAD_REGISTER = 1 << 7 };

static volatile unsigned hits[256], seen;
static uint8_t order[256];
static void (*inside)(unsigned vector);

static void on_interrupt(struct frame *f)
{
    hits[f->vector]++;
    if (seen < 256)
        order[seen++] = (uint8_t)f->vector;
    if (inside)
        inside((unsigned)f->vector);
    set(EOI, 0);
}

static void breathe(void)
{
    for (unsigned n = 0; n < 4; n++)
        __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
}

static bool bit_of(unsigned base, unsigned vector)
{
    return get(base + vector / 32) >> vector % 32 & 1;
}

/* What the ESR has gathered; clears it. */
static uint32_t errors(void)
{
    set(ESR, 0);
    uint32_t v = get(ESR);
    set(ESR, 0);
    return v;
}

/* ---- registers ---- */

static void registers(void)
{
    static const uint8_t fixed[] = {VERSION, PPR, ISR,     ISR + 3, TMR + 1,
                                    TMR + 7, IRR, IRR + 2, IRR + 7, CURRENT};
    static const uint8_t absent[] = {0x00, 0x01, 0x04, 0x07, 0x29, 0x2e, 0x3a, 0x3d, 0x3f};
    unsigned changed = 0, silent = 0;

    check("version: integrated, 7 entries of the LVT", get(VERSION) & 0xff00f0, 0x060010);
    errors();
    for (unsigned n = 0; n < sizeof fixed; n++) {
        uint32_t before = get(fixed[n]);
        set(fixed[n], ~before);
        changed += get(fixed[n]) != before;
    }
    check("registers that are read-only stay", changed, 0);
    check("a write to them is no error", errors(), 0);
    for (unsigned n = 0; n < sizeof absent; n++) {
        (void)get(absent[n]);
        silent += errors() != BAD_REGISTER;
        set(absent[n], 0);
        silent += errors() != BAD_REGISTER;
    }
    check("ESR: registers that are not there, read and written", silent, 0);
    set(TPR, 0xffffffff);
    check("TPR: 8 bits", get(TPR), 0xff);
    set(TPR, 0);
    set(DFR, 0);
    check("DFR: 4 bits", get(DFR), 0x0fffffff);
    set(DFR, ~0u);
    set(LDR, ~0u);
    check("LDR: 8 bits", get(LDR), 0xff000000);
    set(LDR, 0);
    set(DIVIDE, ~0u);
    check("divide configuration: bits 0, 1, 3", get(DIVIDE), 0xb);
    set(ICR_HIGH, ~0u);
    check("ICR: 8 bits of destination", get(ICR_HIGH), 0xff000000);
}

/* Writable bits of each entry, from CMCI and from the timer on. */
static void local_vectors(void)
{
    static const uint32_t bits[] = {0x107ff, 0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};
    uint32_t id[4], no_deadline;
    unsigned wrong = 0, open = 0, opened = 0;

    cpuid(1, id);
    no_deadline = id[2] >> 24 & 1 ? 0 : DEADLINE;
    for (unsigned n = 0; n < 7; n++) {
        unsigned reg = n ? LVT_TIMER + n - 1 : LVT_CMCI;
        uint32_t want = bits[n] & ~(reg == LVT_TIMER ? no_deadline : 0);
        set(reg, ~0u);
        wrong += (get(reg) & ~0x5000u) != want;
        set(reg, MASKED);
        wrong += get(reg) != MASKED;
        set(reg, 0xff);
    }
    check("LVT: the bits that each entry has", wrong, 0);
    set(SVR, 0xff);
    for (unsigned n = 0; n < 7; n++) {
        unsigned reg = n ? LVT_TIMER + n - 1 : LVT_CMCI;
        open += !(get(reg) & MASKED);
        set(reg, 0xff);
        opened += !(get(reg) & MASKED);
    }
    check("LVT: all masked when the APIC is switched off by software", open, 0);
    check("LVT: and stay so", opened, 0);
    set(SVR, 0x1ff);
    for (unsigned n = 0; n < 7; n++) {
        unsigned reg = n ? LVT_TIMER + n - 1 : LVT_CMCI;
        open += !(get(reg) & MASKED);
        set(reg, MASKED);
    }
    check("LVT: and when it is on again", open, 0);
}

static void off_by_software(void)
{
    unsigned before = hits[NMI];

    send(TO_SELF | 0x50, 0);
    set(SVR, 0xff);
    report(bit_of(IRR, 0x50), "switched off, it keeps what was requested");
    send(NMI_IPI, self());
    __asm__ volatile("nop\n\tnop");
    check("switched off, it takes NMIs", hits[NMI], before + 1);
    send(0x51, self());
    report(!bit_of(IRR, 0x51), "and no other interrupts");
    set(SVR, 0x1ff);
    breathe();
    check("switched on, it delivers", hits[0x50], 1);
    errors();
}

static bool has_apic(void)
{
    uint32_t id[4];

    cpuid(1, id);
    return id[3] >> 9 & 1;
}

/* IA32_APIC_BASE: off it is as a processor without one; on again it is as after a reset. */
static void off_and_on(void)
{
    uint64_t base = rdmsr(MSR_BASE);
    uint32_t version = get(VERSION);
    unsigned wrong = 0;

    set(TPR, 0x20);
    set(LDR, 0x01000000);
    set(INITIAL, 1000000000);
    wrmsr(MSR_BASE, base & ~(uint64_t)ENABLED);
    report(!has_apic(), "off: CPUID says so");
    report(lapic[VERSION * 4] != version, "off: its page is none");
    wrmsr(MSR_BASE, base);
    report(has_apic(), "on again: CPUID says so");
    check("on again: SVR", get(SVR), 0xff);
    check("on again: TPR", get(TPR), 0);
    check("on again: LDR", get(LDR), 0);
    check("on again: the timer's count", get(INITIAL) | get(CURRENT) | get(DIVIDE), 0);
    for (unsigned n = 0; n < 6; n++)
        wrong += get(LVT_TIMER + n) != MASKED;
    check("on again: the LVT is masked", wrong, 0);
    set(SVR, 0x1ff);
    wrmsr(MSR_BASE, (base & 0xfff) | 0xd0000000);
    check("moved: it is there", ((volatile uint32_t *)0xd0000000)[VERSION * 4], version);
    report(lapic[VERSION * 4] != version, "moved: and not where it was");
    wrmsr(MSR_BASE, base);
    check("moved back", get(VERSION), version);
}

/* ---- vectors and priorities ---- */

static bool usable(unsigned v)
{
    return v != 0x80; /* the runtime's */
}

static void every_vector(void)
{
    unsigned wrong = 0, last = 256, lost = 0;

    for (unsigned v = 0x20; v < 256; v++)
        if (usable(v))
            send(TO_SELF | v, 0);
    for (unsigned v = 0x20; v < 256; v++)
        lost += bit_of(IRR, v) != usable(v);
    check("every vector is requested", lost, 0);
    seen = 0;
    for (unsigned n = 0; n < 100; n++)
        breathe();
    check("every vector is taken", seen, 256 - 0x20 - 1);
    for (unsigned n = 0; n < seen; n++) {
        wrong += order[n] >= last;
        last = order[n];
    }
    check("the highest first", wrong, 0);
    for (unsigned n = 0; n < 8; n++)
        lost += get(IRR + n) | get(ISR + n);
    check("nothing is left", lost, 0);
}

static unsigned wrong_ppr;

static void compare_ppr(unsigned vector)
{
    for (unsigned tpr = 0; tpr < 256; tpr++) {
        unsigned class = vector & 0xf0, want = (tpr & 0xf0) > class ? tpr : class;
        set(TPR, tpr);
        uint32_t ppr = get(PPR);
        /* of equal classes the low bits may be either's */
        wrong_ppr += ppr != want && !((tpr & 0xf0) == class && ppr == tpr);
    }
    set(TPR, 0);
}

static void priorities(void)
{
    wrong_ppr = 0;
    compare_ppr(0);
    check("PPR for each TPR", wrong_ppr, 0);
    inside = compare_ppr;
    for (unsigned v = 0x20; v < 256; v += 0x11)
        if (usable(v)) {
            send(TO_SELF | v, 0);
            breathe();
        }
    inside = 0;
    check("PPR for each TPR, in service", wrong_ppr, 0);
}

static unsigned held, let_in;

static void not_above(unsigned vector)
{
    inside = 0;
    for (unsigned v = 0x20; v < 256; v += 0x10)
        if (usable(v) && (v & 0xf0) <= (vector & 0xf0)) {
            unsigned before = hits[v];
            send(TO_SELF | v, 0);
            breathe();
            held += hits[v] == before;
            let_in += hits[v] != before;
        }
}

/* For each TPR: a class comes through if and only if it is higher. */
static void thresholds(void)
{
    unsigned wrong = 0;

    for (unsigned tpr = 0; tpr < 256; tpr += 5)
        for (unsigned v = 0x21; v < 256; v += 0x10) {
            unsigned before = hits[v];
            set(TPR, tpr);
            send(TO_SELF | v, 0);
            breathe();
            wrong += hits[v] - before != ((v & 0xf0) > (tpr & 0xf0));
            set(TPR, 0);
            breathe();
            wrong += hits[v] - before != 1;
        }
    check("TPR: only higher classes", wrong, 0);
    inside = not_above;
    held = let_in = 0;
    send(TO_SELF | 0x78, 0);
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
    breathe();
    check("in service: classes up to its own wait", held, 6);
    check("none comes", let_in, 0);
}

static unsigned deepest, innermost_ppr, wrong_isr;

/* A handler in each class, the next higher one inside. */
static void nest(unsigned vector)
{
    if (vector < 0xf2) {
        send(TO_SELF | (vector + 0x10), 0);
        __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
    } else {
        innermost_ppr = get(PPR);
        for (unsigned v = 0x22; v < 256; v += 0x10)
            deepest += bit_of(ISR, v);
    }
    /* those inside have ended */
    wrong_isr += !bit_of(ISR, vector) || get(PPR) != (vector & 0xf0);
}

static void nesting(void)
{
    inside = nest;
    seen = 0;
    send(TO_SELF | 0x22, 0);
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
    inside = 0;
    check("14 classes inside one another", seen, 14);
    check("all in service", deepest, 14);
    check("PPR is the innermost's", innermost_ppr, 0xf0);
    check("each EOI ends the highest", wrong_isr, 0);
    check("PPR afterwards", get(PPR), 0);
    set(EOI, 0);
    check("an EOI for nothing", get(PPR), 0);
}

/* ---- the timer ---- */

static void wait_tsc(uint64_t cycles)
{
    uint64_t end = rdtsc() + cycles;

    while (rdtsc() < end)
        ;
}

/* Counts of the timer in a thousand TSC cycles, times the divisor. */
static uint32_t rate(unsigned code, unsigned divisor)
{
    set(DIVIDE, code);
    set(INITIAL, ~0u);
    uint32_t count = get(CURRENT);
    uint64_t tsc = rdtsc();
    wait_tsc(2000000);
    uint32_t counted = count - get(CURRENT), passed = (uint32_t)(rdtsc() - tsc);
    set(INITIAL, 0);
    return counted * divisor / (passed / 1000);
}

static void divisors(void)
{
    static const uint8_t codes[] = {0xb, 0, 1, 2, 3, 8, 9, 0xa};
    uint32_t one;
    unsigned wrong = 0;

    set(LVT_TIMER, MASKED);
    one = rate(0xb, 1);
    for (unsigned n = 0; n < 8; n++) {
        bool good = false; /* a host that stops the guest between two looks: again */
        for (unsigned k = 0; k < 5 && !good; k++) {
            uint32_t r = rate(codes[n], 1u << n);
            good = r > one * 9 / 10 && r < one * 11 / 10;
        }
        wrong += !good;
    }
    report(one > 0, "timer: it counts");
    check("timer: divisors 1 to 128", wrong, 0);
}

static void one_shot(void)
{
    hits[0x90] = 0;
    set(DIVIDE, 0xb);
    set(LVT_TIMER, 0x90);
    set(INITIAL, 20000);
    check("timer: the initial count reads back", get(INITIAL), 20000);
    report(get(CURRENT) <= 20000, "timer: counts down from it");
    for (unsigned n = 0; n < 1000 && !hits[0x90]; n++) {
        wait_tsc(100000);
        breathe();
    }
    check("timer: one shot", hits[0x90], 1);
    check("timer: it stays at 0", get(CURRENT), 0);
    wait_tsc(1000000);
    breathe();
    check("timer: one shot is one", hits[0x90], 1);
    set(INITIAL, 1000000000);
    set(INITIAL, 0);
    check("timer: a count of 0 stops it", get(CURRENT), 0);
    set(LVT_TIMER, MASKED | 0x90);
    set(INITIAL, 2000);
    wait_tsc(1000000);
    breathe();
    check("timer: masked it counts", get(CURRENT), 0);
    set(LVT_TIMER, 0x90);
    breathe();
    check("timer: and what was masked is lost", hits[0x90], 1);
}

/* KVM makes 200 us of a shorter period (its min_timer_period_us). */
static void periodic(void)
{
    unsigned above = 0;

    hits[0x91] = 0;
    set(LVT_TIMER, PERIODIC | 0x91);
    set(INITIAL, 300000);
    for (unsigned n = 0; n < 100000 && hits[0x91] < 5; n++) {
        above += get(CURRENT) > 300000;
        __asm__ volatile("sti\n\tnop\n\tcli" ::: "memory");
        wait_tsc(1000);
    }
    report(hits[0x91] >= 5, "timer: periodic");
    check("timer: never above its count", above, 0);
    set(LVT_TIMER, PERIODIC | MASKED | 0x91);
    set(INITIAL, 0);
    breathe();
}

static void deadline(void)
{
    uint32_t id[4];

    cpuid(1, id);
    if (!(id[2] >> 24 & 1)) {
        skip("TSC deadline: CPUID has none");
        return;
    }
    hits[0x92] = 0;
    wrmsr(MSR_DEADLINE, rdtsc() + 1000000000000);
    check("deadline: ignored in another mode", rdmsr(MSR_DEADLINE), 0);
    set(LVT_TIMER, DEADLINE | 0x92);
    set(INITIAL, 1000);
    check("deadline: no current count", get(CURRENT), 0);
    check("deadline: the initial count is not written", get(INITIAL), 0);
    wait_tsc(100000);
    breathe();
    check("deadline: none was set", hits[0x92], 0);
    uint64_t at = rdtsc() + 1000000000000;
    wrmsr(MSR_DEADLINE, at);
    check("deadline: reads back", rdmsr(MSR_DEADLINE), at);
    breathe();
    check("deadline: not yet", hits[0x92], 0);
    wrmsr(MSR_DEADLINE, rdtsc() - 1);
    for (unsigned n = 0; n < 1000000 && !hits[0x92]; n++)
        breathe();
    check("deadline: one that is over comes at once", hits[0x92], 1);
    check("deadline: then there is none", rdmsr(MSR_DEADLINE), 0);
    wrmsr(MSR_DEADLINE, rdtsc() + 20000000);
    wrmsr(MSR_DEADLINE, 0);
    wait_tsc(25000000);
    breathe();
    check("deadline: 0 disarms", hits[0x92], 1);
    wrmsr(MSR_DEADLINE, rdtsc() + 1000000000000);
    set(LVT_TIMER, 0x92);
    check("deadline: another mode disarms", rdmsr(MSR_DEADLINE), 0);
    set(LVT_TIMER, MASKED);
}

/* ---- errors ---- */

static void illegal_vectors(void)
{
    unsigned wrong = 0;

    errors();
    for (unsigned v = 0; v < 16; v++) {
        send(TO_SELF | v, 0);
        wrong += !(errors() & SEND_VECTOR);
        send(v, self());
        wrong += !(errors() & SEND_VECTOR);
        send(LOWEST | v, self());
        wrong += !(errors() & SEND_VECTOR);
        send(NMI_IPI | v, self() + 1);
        wrong += errors() != 0;
    }
    check("ESR: each illegal vector that is sent", wrong, 0);
    send(TO_SELF | 0x40, 0);
    check("ESR: none for another", errors(), 0);
    breathe();
    set(DIVIDE, 0xb);
    set(LVT_TIMER, 0x0f);
    set(INITIAL, 100);
    uint32_t error = 0;
    for (unsigned n = 0; n < 1000 && !error; n++) {
        wait_tsc(100000);
        error = errors();
    }
    check("ESR: an illegal vector of the LVT", error, RECEIVE_VECTOR);
    set(LVT_TIMER, MASKED);
    for (unsigned n = 0; n < 16; n++)
        wrong += bit_of(IRR, n);
    check("none is requested", wrong, 0);
}

static void error_interrupt(void)
{
    hits[0x93] = 0;
    set(LVT_ERROR, 0x93);
    send(TO_SELF | 3, 0);
    breathe();
    check("the error's interrupt", hits[0x93], 1);
    check("ESR reads what was latched by a write", get(ESR), 0);
    (void)get(0x3d);
    set(ESR, 0);
    check("two errors in one", get(ESR), SEND_VECTOR | BAD_REGISTER);
    breathe();
    set(ESR, 0);
    unsigned before = hits[0x93];
    set(LVT_ERROR, MASKED | 0x93);
    send(TO_SELF | 3, 0);
    breathe();
    check("masked: no interrupt", hits[0x93], before);
    check("masked: the ESR has it", errors(), SEND_VECTOR);
}

/* ---- LINT0: where the PIC's INTR arrives ---- */

static void on_pic(struct frame *f)
{
    hits[f->vector]++;
    pic_eoi((int)f->vector - 0x20);
}

/* Channel 0 rises once; waits until the PIC asks for it. */
static void pic_request(void)
{
    uint8_t irr;

    outb(0x43, 0x30);
    outb(0x40, 100);
    outb(0x40, 0);
    do {
        outb(0x20, 0x0a);
        irr = inb(0x20);
    } while (!(irr & 1));
}

static void lint0(void)
{
    uint32_t before = get(LVT_LINT0);
    unsigned asked = hits[0x20];

    handlers[0x20] = on_pic;
    pic_mask(0xfffe);
    set(LVT_LINT0, EXTINT | MASKED);
    pic_request();
    breathe();
    check("LINT0 masked: nothing of the PIC's", hits[0x20], asked);
    set(LVT_LINT0, EXTINT);
    breathe();
    check("LINT0 as ExtINT: the PIC's vector", hits[0x20], asked + 1);
    check("it is in no ISR", get(ISR + 1), 0);
    set(TPR, 0xff);
    pic_request();
    breathe();
    check("ExtINT does not look at the TPR", hits[0x20], asked + 2);
    set(TPR, 0);
    pic_mask(0xffff);
    set(LVT_LINT0, before);
    handlers[0x20] = on_interrupt;
}

void guest_main(void)
{
    for (unsigned v = 0x20; v < 256; v++)
        if (usable(v))
            handlers[v] = on_interrupt;
    handlers[NMI] = on_interrupt;
    set(SVR, 0x1ff);
    registers();
    local_vectors();
    off_by_software();
    off_and_on();
    every_vector();
    priorities();
    thresholds();
    nesting();
    divisors();
    one_shot();
    periodic();
    deadline();
    illegal_vectors();
    error_interrupt();
    lint0();
}

void ap_main(void)
{
}
