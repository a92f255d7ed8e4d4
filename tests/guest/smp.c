/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several processors (run with -smp 4): INIT and start-up IPIs, IPIs of every kind and destination,
 * IOAPIC routes, locked instructions, code that another processor changes, x2APIC mode. SDM vol. 3A
 * chapters 9 and 11. */
#include "lib/ap.h"

enum { MAX = 8, PATIENCE = 1000000 };
enum command { NOTHING, COUNT, RUN_CODE, SET_TPR, SET_LDR, SET_X2, TSC_PING };

static struct processor {
    volatile unsigned hits[256];
    volatile unsigned beat, command, starts;
    volatile uint64_t argument, result;
    uint8_t stack[8192] __attribute__((aligned(16)));
} cpu[MAX];
static unsigned ncpus;
static volatile uint32_t *const ioapic = (uint32_t *)0xfec00000;

static void on_interrupt(struct frame *f)
{
    cpu[self()].hits[f->vector]++;
    if (f->vector != NMI)
        set(EOI, 0);
}

static void locked_work(void);
static void sync_core(void)
{
    uint32_t out[4];
    cpuid(0, out);
}

/* Code that the bootstrap processor rewrites: mov $imm, %eax; ret. */
static uint8_t shared_code[64] __attribute__((aligned(64), section(".data.code")));
static unsigned run_shared_code(void)
{
    unsigned v;
    sync_core();
    __asm__ volatile("call *%1" : "=a"(v) : "r"((word)shared_code) : "memory");
    return v;
}

/* The processors in turn read a counter that must never have gone back. */
static volatile uint64_t tsc_last;
static volatile unsigned tsc_turn, tsc_backwards;
static void tsc_ping(unsigned me, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        while (tsc_turn != me)
            __asm__ volatile("pause");
        uint64_t now = rdtsc();
        tsc_backwards += now < tsc_last;
        tsc_last = now;
        tsc_turn = (me + 1) % ncpus;
    }
}

static void obey(unsigned me, struct processor *p)
{
    switch (p->command) {
    case COUNT:
        locked_work();
        break;
    case RUN_CODE:
        p->result = run_shared_code();
        break;
    case SET_TPR:
        set(TPR, (uint32_t)p->argument);
        break;
    case SET_LDR:
        set(DFR, (uint32_t)(p->argument >> 32));
        set(LDR, (uint32_t)p->argument);
        break;
    case SET_X2:
        wrmsr(MSR_BASE, rdmsr(MSR_BASE) | X2);
        break;
    case TSC_PING:
        tsc_ping(me, 100);
        break;
    default:
        return;
    }
    p->command = NOTHING;
}

void ap_main(void)
{
    load_idt(256 * (sizeof(word) == 8 ? 16 : 8) - 1);
    set(SVR, 0x1ff);
    unsigned me = self();
    struct processor *p = &cpu[me];
    p->result = rdmsr(MSR_BASE);
    p->starts++;
    ap_started++;
    for (;;) {
        __asm__ volatile("pause\n\tsti\n\tnop\n\tnop\n\tcli" ::: "memory");
        p->beat++;
        obey(me, p);
    }
}

static void breathe(void)
{
    __asm__ volatile("pause\n\tsti\n\tnop\n\tnop\n\tcli" ::: "memory");
}

static bool wait_for(volatile unsigned *v, unsigned want)
{
    for (unsigned i = 0; i < PATIENCE && *v != want; i++)
        breathe();
    return *v == want;
}

/* Time for something to happen that must not. */
static void linger(void)
{
    for (unsigned i = 0; i < 3000; i++)
        breathe();
}

/* Long enough for INIT to be over; nobody looks at the clock. */
static void start(unsigned n)
{
    unsigned before = ap_started;
    ap_stack = (word)(cpu[n].stack + sizeof(cpu[n].stack) - 16);
    send(INIT_IPI, n);
    linger();
    send(SIPI | TRAMPOLINE >> 12, n);
    if (!wait_for(&ap_started, before + 1)) {
        send(SIPI | TRAMPOLINE >> 12, n);
        wait_for(&ap_started, before + 1);
    }
}

/* ---- what is expected ---- */

static unsigned hit_mask(unsigned vector)
{
    unsigned mask = 0;
    for (unsigned n = 0; n < ncpus; n++)
        if (cpu[n].hits[vector])
            mask |= 1u << n;
    return mask;
}

static unsigned total_hits(unsigned vector)
{
    unsigned sum = 0;
    for (unsigned n = 0; n < ncpus; n++)
        sum += cpu[n].hits[vector];
    return sum;
}

static void clear_hits(unsigned vector)
{
    for (unsigned n = 0; n < ncpus; n++)
        cpu[n].hits[vector] = 0;
}

static unsigned count_bits(unsigned mask)
{
    unsigned n = 0;
    for (; mask; mask &= mask - 1)
        n++;
    return n;
}

/* An IPI that must reach exactly the processors of the mask, once each. */
static void expect(const char *name, uint32_t low, uint32_t dest, unsigned mask)
{
    unsigned vector = low & NMI_IPI ? NMI : low & 0xff;
    clear_hits(vector);
    send(low, dest);
    for (unsigned i = 0; i < PATIENCE && (hit_mask(vector) & mask) != mask; i++)
        breathe();
    linger();
    check(name, hit_mask(vector) | total_hits(vector) << 16, mask | count_bits(mask) << 16);
}

static bool command(unsigned n, enum command what, uint64_t argument)
{
    cpu[n].argument = argument;
    cpu[n].command = what;
    return wait_for(&cpu[n].command, NOTHING);
}

/* Everybody, this processor too. */
static void command_all(enum command what, const uint64_t *argument)
{
    for (unsigned n = 0; n < ncpus; n++)
        cpu[n].argument = argument ? argument[n] : 0;
    for (unsigned n = 0; n < ncpus; n++)
        cpu[n].command = what;
    obey(0, &cpu[0]);
    for (unsigned n = 1; n < ncpus; n++)
        wait_for(&cpu[n].command, NOTHING);
}

static void test_start(void)
{
    memcpy((void *)TRAMPOLINE, trampoline, (size_t)(trampoline_end - trampoline));
    report(rdmsr(MSR_BASE) & BSP, "the first processor is the bootstrap processor");
    for (unsigned n = 1; n < ncpus; n++)
        start(n);
    check("INIT and start-up IPI start every processor", ap_started, ncpus - 1);
    uint32_t leaf1[4];
    cpuid(1, leaf1);
    check("EDX is the signature after INIT", ap_signature, leaf1[0]);
    check("CR0 after INIT", ap_cr0, 0x60000010);
    check("CS is the vector of the start-up IPI", ap_cs, TRAMPOLINE >> 4);
    check("IA32_APIC_BASE of another processor has no BSP flag", cpu[1].result & (BSP | ENABLED),
          ENABLED);
    unsigned before = ap_started;
    send(SIPI | TRAMPOLINE >> 12, 1);
    linger();
    check("a start-up IPI to a running processor is ignored", ap_started, before);
}

static void test_init(void)
{
    unsigned starts = cpu[1].starts;
    send(INIT_IPI, 1);
    linger();
    unsigned beat = cpu[1].beat;
    linger();
    check("INIT stops a running processor", cpu[1].beat, beat);
    clear_hits(0x40);
    send(0x40, 1);
    linger();
    check("... which takes no interrupts then", total_hits(0x40), 0);
    start(1);
    check("... and starts again", cpu[1].starts, starts + 1);
    set(ICR_HIGH, 1u << 24);
    set(ICR, INIT_IPI | LEVEL); /* level de-assert */
    linger();
    beat = cpu[1].beat;
    for (unsigned i = 0; i < PATIENCE && cpu[1].beat == beat; i++)
        breathe();
    report(cpu[1].beat != beat, "INIT level de-assert stops nobody");
}

static void test_destinations(void)
{
    unsigned all = (1u << ncpus) - 1, others = all & ~1u;
    for (unsigned n = 0; n < ncpus; n++)
        expect("physical destination", 0x41, n, 1u << n);
    expect("nobody has this ID", 0x41, 0x55, 0);
    expect("physical broadcast", 0x42, 0xff, all);
    expect("shorthand self", 0x43 | TO_SELF, 0, 1);
    expect("shorthand all", 0x44 | TO_ALL, 0, all);
    expect("shorthand all but self", 0x45 | TO_OTHERS, 0, others);
    expect("NMI to one", NMI_IPI, 1, 2);
    expect("NMI to all but self", NMI_IPI | TO_OTHERS, 0, others);
    expect("NMI to this processor by its ID", NMI_IPI, 0, 1);

    uint64_t ldr[MAX];
    for (unsigned n = 0; n < ncpus; n++)
        ldr[n] = 0xffffffff00000000 | 1u << (24 + n);
    command_all(SET_LDR, ldr);
    expect("flat: one", 0x46 | LOGICAL, 2, 2);
    expect("flat: two", 0x47 | LOGICAL, 3, 3);
    expect("flat: none of these", 0x47 | LOGICAL, 0x80, 0);
    expect("flat: broadcast", 0x48 | LOGICAL, 0xff, all);
    for (unsigned n = 0; n < ncpus; n++)
        ldr[n] = 0x0fffffff00000000 | (uint64_t)(n / 2 << 4 | 1u << n % 2) << 24;
    command_all(SET_LDR, ldr);
    expect("cluster 0: both", 0x49 | LOGICAL, 0x03, 3);
    if (ncpus > 2)
        expect("cluster 1: its first", 0x4a | LOGICAL, 0x11, 4);
    expect("cluster 0: no such member", 0x4a | LOGICAL, 0x04, 0);
    expect("all clusters", 0x4b | LOGICAL, 0xff, all);
    for (unsigned n = 0; n < ncpus; n++)
        ldr[n] = 0xffffffff00000000 | 1u << (24 + n);
    command_all(SET_LDR, ldr);
}

static void test_priority(void)
{
    unsigned all = (1u << ncpus) - 1;
    command_all(SET_TPR, (const uint64_t[MAX]){0x50, 0x20, 0x50, 0x50, 0x50, 0x50, 0x50, 0x50});
    expect("lowest priority among all", 0x71 | LOWEST | LOGICAL, all, 2);
    command_all(SET_TPR, (const uint64_t[MAX]){0x10, 0x20, 0x50, 0x50, 0x50, 0x50, 0x50, 0x50});
    expect("lowest priority: this processor", 0x72 | LOWEST | LOGICAL, all, 1);
    command_all(SET_TPR, NULL);

    clear_hits(0x61);
    command(1, SET_TPR, 0x6f);
    send(0x61, 1);
    linger();
    check("TPR holds back its class", total_hits(0x61), 0);
    command(1, SET_TPR, 0x5f);
    wait_for(&cpu[1].hits[0x61], 1);
    check("... until it is lower", total_hits(0x61), 1);
    command(1, SET_TPR, 0);
}

/* Vectors below 16 are errors, and so is a register that does not exist (11.5.3). */
static void test_errors(void)
{
    handlers[5] = on_interrupt; /* for who sends it all the same */
    set(LVT_ERROR, 0x5e);
    set(ESR, 0);
    clear_hits(0x5e);
    send(5, 1);
    breathe();
    breathe();
    set(ESR, 0);
    check("ESR: illegal vector sent", get(ESR), 1 << 5);
    check("ESR: the error interrupt", cpu[0].hits[0x5e], 1);
    set(ESR, 0);
    check("ESR: clear again", get(ESR), 0);
    (void)lapic[0x3d * 4];
    set(ESR, 0);
    check("ESR: illegal register", get(ESR), 1 << 7);
    set(LVT_ERROR, 0x10000);
    set(ESR, 0);
}

/* ---- IOAPIC ---- */

static void route(unsigned pin, uint32_t low, uint32_t dest)
{
    ioapic[0] = 0x10 + 2 * pin;
    ioapic[4] = 0x10000;
    ioapic[0] = 0x11 + 2 * pin;
    ioapic[4] = dest << 24;
    ioapic[0] = 0x10 + 2 * pin;
    ioapic[4] = low;
}

static uint32_t route_low(unsigned pin)
{
    ioapic[0] = 0x10 + 2 * pin;
    return ioapic[4];
}

/* One edge of the PIT's counter 0, at pin 2. */
static void timer_edge(void)
{
    outb(0x43, 0x30);
    outb(0x40, 20);
    outb(0x40, 0);
}

static void expect_route(const char *name, uint32_t low, uint32_t dest, unsigned mask)
{
    unsigned vector = low & NMI_IPI ? NMI : low & 0xff;
    clear_hits(vector);
    route(2, low, dest);
    timer_edge();
    for (unsigned i = 0; i < PATIENCE / 10 && (hit_mask(vector) & mask) != mask; i++)
        breathe();
    linger();
    route(2, 0x10000, 0);
    check(name, hit_mask(vector), mask);
}

static volatile uint32_t seen_in_service;
static volatile unsigned rtc_hits, rtc_cpu;

/* The line stays high until register C is read: first time, EOI comes before that. */
static void on_rtc(struct frame *f)
{
    (void)f;
    rtc_cpu = self();
    seen_in_service = route_low(8);
    if (rtc_hits++ >= 1) {
        rtc_set(0x0b, (uint8_t)(rtc(0x0b) & ~0x40));
        rtc(0x0c);
    }
    set(EOI, 0);
}

static void test_ioapic(void)
{
    unsigned all = (1u << ncpus) - 1;
    expect_route("IOAPIC: physical", 0x51, 1, 2);
    expect_route("IOAPIC: physical broadcast", 0x52, 0xff, all);
    expect_route("IOAPIC: flat, two", 0x53 | LOGICAL, 3, 3);
    expect_route("IOAPIC: NMI", NMI_IPI, 1, 2);
    clear_hits(0x54);
    expect_route("IOAPIC: lowest priority", 0x54 | LOWEST | LOGICAL, 2, 2);
    check("... one of them", total_hits(0x54), 1);

    handlers[0x58] = on_rtc;
    rtc_set(0x0a, 0x26);
    rtc(0x0c);
    route(8, 0x58 | LEVEL, 1);
    rtc_set(0x0b, (uint8_t)(rtc(0x0b) | 0x40));
    wait_for(&rtc_hits, 2);
    linger();
    check("level: interrupts again after EOI while the line is high", rtc_hits, 2);
    check("level: at the processor it names", rtc_cpu, 1);
    check("level: Remote IRR in service", seen_in_service & 1 << 14, 1 << 14);
    check("level: Remote IRR is clear after EOI", route_low(8) & 1 << 14, 0);
    route(8, 0x10000, 0);
}

/* ---- memory ---- */

enum { ROUNDS = 5000 };
static volatile uint32_t by_inc, by_xadd, by_cmpxchg, by_lock, lock;
static volatile uint64_t by_cmpxchg8b;

static void locked_round(void)
{
    __asm__ volatile("lock incl %0" : "+m"(by_inc));
    uint32_t one = 1;
    __asm__ volatile("lock xaddl %1,%0" : "+m"(by_xadd), "+r"(one));
    uint32_t old = by_cmpxchg;
    while (!__atomic_compare_exchange_n(&by_cmpxchg, &old, old + 1, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
        ;
    uint32_t low = (uint32_t)by_cmpxchg8b, high = (uint32_t)(by_cmpxchg8b >> 32);
    bool done;
    do
        __asm__ volatile("lock cmpxchg8b %1\n\tsetz %0"
                         : "=qm"(done), "+m"(by_cmpxchg8b), "+a"(low), "+d"(high)
                         : "b"(low + 1), "c"(high + 1)
                         : "cc");
    while (!done);
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
        __asm__ volatile("pause");
    by_lock = by_lock + 1;
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

static void locked_work(void)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        locked_round();
}

static void test_locks(void)
{
    command_all(COUNT, NULL);
    check("LOCK INC by all", by_inc, ncpus * ROUNDS);
    check("LOCK XADD by all", by_xadd, ncpus * ROUNDS);
    check("LOCK CMPXCHG by all", by_cmpxchg, ncpus * ROUNDS);
    check("LOCK CMPXCHG8B by all", by_cmpxchg8b, ncpus * ROUNDS * 0x100000001ull);
    check("a counter under an XCHG lock", by_lock, ncpus * ROUNDS);
}

static void test_code(void)
{
    unsigned wrong = 0;
    shared_code[0] = 0xb8;
    shared_code[5] = 0xc3;
    for (uint32_t i = 1; i <= 200; i++) {
        memcpy(shared_code + 1, &i, 4);
        unsigned n = 1 + i % (ncpus - 1);
        command(n, RUN_CODE, 0);
        wrong += cpu[n].result != i;
        wrong += i % 3 == 0 && run_shared_code() != i;
    }
    check("code that another processor changed", wrong, 0);
}

static void test_tsc(void)
{
    command_all(TSC_PING, NULL);
    check("TSC never goes back from one processor to the next", tsc_backwards, 0);
}

/* ---- x2APIC ---- */

static void x2_fault(const char *name, unsigned reg, uint64_t v)
{
    TRY("wrmsr", : : "c"(0x800 + reg), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
    check_fault(name, GP, 0);
}

static void test_x2apic(void)
{
    uint32_t leaf1[4], v[2];
    unsigned all = (1u << ncpus) - 1;
    cpuid(1, leaf1);
    if (!(leaf1[2] & 1 << 21)) {
        skip("x2APIC");
        return;
    }
    command_all(SET_X2, NULL);
    check("x2APIC: ID", get(REG_ID), 0);
    check("x2APIC: LDR follows from the ID", get(LDR), 1);
    for (unsigned n = 0; n < ncpus; n++)
        expect("x2APIC: physical destination", 0x81, n, 1u << n);
    expect("x2APIC: 0xff is no broadcast", 0x82, 0xff, 0);
    expect("x2APIC: broadcast", 0x83, 0xffffffff, all);
    expect("x2APIC: logical", 0x84 | LOGICAL, 0x00000003, 3);
    expect("x2APIC: another cluster", 0x84 | LOGICAL, 0x00010001, 0);
    expect("x2APIC: all but self", 0x85 | TO_OTHERS, 0, all & ~1u);
    clear_hits(0x86);
    set(SELF_IPI, 0x86);
    breathe();
    check("x2APIC: self IPI", cpu[0].hits[0x86], 1);
    expect_route("x2APIC: IOAPIC, physical", 0x87, 1, 2);
    x2_fault("x2APIC: ID is read only", REG_ID, 1);
    x2_fault("x2APIC: LDR is read only", LDR, 1);
    x2_fault("x2APIC: there is no DFR", DFR, 0);
    x2_fault("x2APIC: EOI takes 0 only", EOI, 1);
    x2_fault("x2APIC: ESR takes 0 only", ESR, 1);
    x2_fault("x2APIC: reserved bit of the TPR", TPR, 0x100);
    x2_fault("x2APIC: reserved bit of the SVR", SVR, 0x100001ff);
    x2_fault("x2APIC: reserved bit of the ICR", ICR, 1u << 20);
    x2_fault("x2APIC: upper half of the ESR", ESR, 1ull << 32);
    x2_fault("x2APIC: upper half of the ICR has no register", ICR_HIGH, 0);
    TRY("rdmsr", : "=a"(v[0]), "=d"(v[1]) : "c"(0x800 + SELF_IPI));
    check_fault("x2APIC: self IPI is write only", GP, 0);
    TRY("wrmsr", : : "c"(MSR_BASE), "a"(0xfee00000 | BSP | ENABLED), "d"(0) : "memory");
    check_fault("x2APIC: no way back to xAPIC", GP, 0);
}

void guest_main(void)
{
    ncpus = count_processors();
    ncpus = ncpus > MAX ? MAX : ncpus;
    if (ncpus < 2) {
        report(false, "expected -smp 2 or more");
        return;
    }
    for (unsigned v = 0x40; v < 0xa0; v++)
        handlers[v] = on_interrupt;
    handlers[NMI] = on_interrupt;
    set(SVR, 0x1ff);
    test_start();
    test_destinations();
    test_priority();
    test_errors();
    test_ioapic();
    test_locks();
    test_code();
    test_tsc();
    test_init();
    test_x2apic();
}
