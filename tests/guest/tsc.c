/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time-stamp counter: writes, IA32_TSC_ADJUST, RDTSCP and IA32_TSC_AUX, CR4.TSD, the deadline
 * mode of the local APIC's timer (SDM vol. 3B 17.17; vol. 3A 11.5.4; vol. 2B RDTSC, RDTSCP). */
#include "lib/rt.h"

enum { TSC = 0x10, ADJUST = 0x3b, DEADLINE = 0x6e0, AUX = 0xc0000103 };
enum { LVT_TIMER = 0x320 / 4, INITIAL = 0x380 / 4, CURRENT = 0x390 / 4 };
enum { MASKED = 1 << 16, DEADLINE_MODE = 2 << 17, VECTOR = 0x45 };
#define FAR (1ull << 50) /* cycles: days */

static volatile uint32_t *const lapic = (uint32_t *)0xfee00000;
static volatile unsigned hits;
static volatile uint64_t hit_tsc;

static void on_timer(struct frame *f)
{
    (void)f;
    hit_tsc = rdtsc();
    hits++;
    lapic[0xb0 / 4] = 0;
}

static void breathe(void)
{
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
}

static bool feature(uint32_t leaf, unsigned reg, unsigned bit)
{
    uint32_t id[4];

    cpuid(leaf, id);
    return id[reg] >> bit & 1;
}

/* ---- writes ---- */

static void writes(void)
{
    uint64_t before = rdtsc();

    wrmsr(TSC, before + FAR);
    uint64_t after = rdtsc();
    report(after >= before + FAR && after < before + 2 * FAR, "WRMSR sets the counter");
    wrmsr(TSC, 5);
    after = rdtsc();
    report(after >= 5 && after < FAR, "backwards, too");
    report(rdmsr(TSC) >= after, "RDMSR reads it");
    wrmsr(TSC, ~0ull - 3);
    while (rdtsc() > FAR)
        ;
    report(true, "it wraps");
}

static void adjust(void)
{
    uint64_t low = rdtsc(), was = rdmsr(ADJUST);

    wrmsr(TSC, low + FAR);
    uint64_t by = rdmsr(ADJUST) - was; /* less by the time until the write */
    report(by <= FAR && by > FAR - FAR / 1024, "a write of the counter moves TSC_ADJUST as far");
    wrmsr(ADJUST, was);
    check("TSC_ADJUST reads back", rdmsr(ADJUST), was);
    uint64_t now = rdtsc();
    report(now >= low && now < low + FAR, "and moves the counter by the difference");
    wrmsr(ADJUST, was - FAR);
    report(rdtsc() - now > 0x8000000000000000, "backwards");
    wrmsr(ADJUST, 0);
    check("TSC_ADJUST of 0", rdmsr(ADJUST), 0);
    now = rdtsc();
    report(rdtsc() >= now, "and time goes on");
}

/* ---- RDTSCP, TSD ---- */

static uint32_t aux;

static uint64_t rdtscp(void)
{
    uint32_t lo = 0, hi = 0;

    TRY("rdtscp", : "=a"(lo), "=d"(hi), "=c"(aux) : : "memory");
    return lo | (uint64_t)hi << 32;
}

static void processor_id(void)
{
    uint64_t before = rdtsc(), at;

    wrmsr(AUX, 0x89abcdef);
    at = rdtscp();
    check("RDTSCP: TSC_AUX", aux, 0x89abcdef);
    report(at >= before && at <= rdtsc(), "RDTSCP: the counter");
#ifdef __x86_64__
    word a = ~0ul, d = ~0ul, c = ~0ul;
    __asm__ volatile("rdtscp" : "+a"(a), "+d"(d), "+c"(c));
    check("RDTSCP clears the upper halves", (a | d | c) >> 32, 0);
#endif
    TRY("wrmsr", ::"c"(AUX), "a"(0), "d"(1) : "memory");
    check_fault("#GP: upper half of TSC_AUX", GP, 0);
    if (feature(7, 2, 22)) {
        word v;
        __asm__ volatile(".byte 0xf3, 0x0f, 0xc7, 0xf8" : "=a"(v)); /* rdpid %eax */
        check("RDPID", v, 0x89abcdef);
    } else {
        skip("RDPID: CPUID has none");
    }
}

static void read_tsc(void)
{
    TRY("rdtsc", ::: "eax", "edx", "memory");
}

static void read_tscp(void)
{
    TRY("rdtscp", ::: "eax", "ecx", "edx", "memory");
}

static void time_stamp_disable(bool p)
{
    write_cr4(read_cr4() | 4);
    run_user(read_tsc);
    check_fault("#GP: RDTSC in ring 3 with CR4.TSD", GP, 0);
    if (p) {
        run_user(read_tscp);
        check_fault("#GP: RDTSCP in ring 3 with CR4.TSD", GP, 0);
    }
    read_tsc();
    check_fault("RDTSC in ring 0 with CR4.TSD", NONE, 0);
    write_cr4(read_cr4() & ~4ul);
    run_user(read_tsc);
    check_fault("RDTSC in ring 3", NONE, 0);
    if (p) {
        run_user(read_tscp);
        check_fault("RDTSCP in ring 3", NONE, 0);
    }
}

/* ---- deadline ---- */

/* False: it does not come. */
static bool wait_hits(unsigned n)
{
    for (unsigned k = 0; k < 5000000 && hits < n; k++)
        breathe();
    return hits >= n;
}

static void deadline_registers(void)
{
    lapic[LVT_TIMER] = MASKED | VECTOR;
    wrmsr(DEADLINE, FAR);
    check("TSC_DEADLINE is ignored in other modes", rdmsr(DEADLINE), 0);
    lapic[LVT_TIMER] = DEADLINE_MODE | VECTOR;
    check("LVT timer: deadline mode", lapic[LVT_TIMER] & 0x700ff, DEADLINE_MODE | VECTOR);
    lapic[INITIAL] = 1000;
    check("the current count is 0", lapic[CURRENT], 0);
    breathe();
    wrmsr(DEADLINE, rdtsc() + FAR);
    report(rdmsr(DEADLINE) != 0, "TSC_DEADLINE reads what is armed");
    lapic[LVT_TIMER] = VECTOR;
    lapic[LVT_TIMER] = DEADLINE_MODE | VECTOR;
    check("another mode disarms it", rdmsr(DEADLINE), 0);
    check("no interrupt so far", hits, 0);
}

static void deadlines(void)
{
    unsigned early = 0, armed = 0;

    for (unsigned n = 0; n < 20; n++) {
        uint64_t at = rdtsc() + 5000 * n;
        unsigned next = hits + 1;
        wrmsr(DEADLINE, at);
        wait_hits(next);
        early += hit_tsc < at;
        armed += rdmsr(DEADLINE) != 0;
    }
    check("deadlines: each interrupts once", hits, 20);
    check("none early", early, 0);
    check("TSC_DEADLINE is 0 behind each", armed, 0);
    wrmsr(DEADLINE, 1);
    report(wait_hits(21), "a deadline in the past");
    wrmsr(DEADLINE, rdtsc() + FAR);
    wrmsr(DEADLINE, 0);
    wrmsr(TSC, rdtsc() + 2 * FAR);
    breathe();
    check("0 disarms", hits, 21);
    wrmsr(DEADLINE, rdtsc() + FAR);
    wrmsr(TSC, rdtsc() + 2 * FAR);
    report(wait_hits(22), "the counter is set behind the deadline");
    unsigned before = hits;
    wrmsr(DEADLINE, rdtsc() + FAR);
    if (feature(7, 1, 1)) {
        wrmsr(ADJUST, rdmsr(ADJUST) + 2 * FAR);
        report(wait_hits(before + 1), "TSC_ADJUST moves it there");
    }
    wrmsr(DEADLINE, 0);
    lapic[LVT_TIMER] = MASKED;
}

void guest_main(void)
{
    bool p = feature(0x80000001, 3, 27);

    writes();
    if (feature(7, 1, 1))
        adjust();
    else
        skip("TSC_ADJUST: CPUID has none");
    if (p)
        processor_id();
    else
        skip("RDTSCP: CPUID has none");
    time_stamp_disable(p);
    handlers[VECTOR] = on_timer;
    lapic[0xf0 / 4] = 0x1ff;
    if (feature(1, 2, 24)) {
        deadline_registers();
        deadlines();
    } else {
        skip("deadlines: CPUID has none");
    }
}
