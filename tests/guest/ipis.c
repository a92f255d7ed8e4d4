/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interprocessor interrupts under load, with as many processors as there are (-smp 2 to 255): fixed
 * to one, to all, lowest priority, NMI; processors that INIT takes away and a start-up IPI brings
 * back while the others go on. In x2APIC mode where there is one. SDM vol. 3A 9.4, 11.6, 11.12. */
#include "lib/ap.h"

enum { MAX = 255, RING = 0x40, ALL = 0x41, ANY = 0x42, RESTARTS = 10 };

static unsigned ncpus, rounds;
static bool wide;
static struct processor {
    volatile uint32_t beat, starts, ring, all, any, nmi;
    uint8_t stack[4096 - 64] __attribute__((aligned(16)));
} cpu[MAX] __attribute__((aligned(64)));
static volatile uint32_t go, finished, any_taken;

static void on_ipi(struct frame *f)
{
    struct processor *p = &cpu[self()];
    switch (f->vector) {
    case RING:
        p->ring++;
        break;
    case ALL:
        p->all++;
        break;
    case ANY:
        p->any++;
        __atomic_add_fetch(&any_taken, 1, __ATOMIC_SEQ_CST);
        break;
    default:
        p->nmi++;
        return;
    }
    set(EOI, 0);
}

static inline void breathe(void)
{
    __asm__ volatile("pause\n\tsti\n\tnop\n\tnop\n\tcli" ::: "memory");
}

static void wait_for(volatile uint32_t *v, uint32_t want)
{
    while (*v != want)
        breathe();
}

/* Each interrupts the next one, which must have taken it before it gets another. */
static void send_round_the_ring(unsigned me)
{
    unsigned next = (me + 1) % ncpus;
    for (uint32_t k = 1; k <= rounds; k++) {
        send(RING, next);
        wait_for(&cpu[next].ring, k);
    }
    for (uint32_t k = 1; k <= rounds / 4 + 1; k++) {
        send(NMI_IPI, next);
        wait_for(&cpu[next].nmi, k);
    }
    __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
}

static void set_up(void)
{
    if (wide)
        wrmsr(MSR_BASE, rdmsr(MSR_BASE) | X2);
    else
        set(LDR, 1u << (24 + self() % 8));
    set(SVR, 0x1ff);
}

void ap_main(void)
{
    load_idt(256 * (sizeof(word) == 8 ? 16 : 8) - 1);
    set_up();
    unsigned me = self();
    struct processor *p = &cpu[me];
    p->starts++;
    ap_started++;
    while (!go) {
        p->beat++;
        breathe();
    }
    if (p->starts == 1)
        send_round_the_ring(me);
    for (;;) {
        p->beat++;
        breathe();
    }
}

static void start(unsigned n)
{
    unsigned before = ap_started;
    ap_stack = (word)(cpu[n].stack + sizeof(cpu[n].stack) - 16);
    send(INIT_IPI, n);
    send(SIPI | TRAMPOLINE >> 12, n);
    wait_for(&ap_started, before + 1);
}

static void test_broadcasts(void)
{
    unsigned wrong = 0;
    for (uint32_t k = 1; k <= 10; k++) {
        send(ALL | TO_OTHERS, 0);
        for (unsigned n = 1; n < ncpus; n++)
            wait_for(&cpu[n].all, 2 * k - 1);
        wrong += cpu[0].all != k - 1;
        send(ALL | TO_ALL, 0);
        wait_for(&cpu[0].all, k);
        for (unsigned n = 1; n < ncpus; n++)
            wait_for(&cpu[n].all, 2 * k);
    }
    check("all but self, and all", wrong, 0);
    uint32_t nmis = cpu[1].nmi, own = cpu[0].nmi;
    for (uint32_t k = 1; k <= 5; k++) {
        send(NMI_IPI | TO_OTHERS, 0);
        for (unsigned n = 1; n < ncpus; n++)
            wait_for(&cpu[n].nmi, nmis + k);
    }
    check("NMI to all but self", cpu[0].nmi, own);
}

static void test_lowest(void)
{
    /* None that are absent: KVM may choose those (vector hashing), and the mode is model-specific
     * (SDM vol. 3A 11.6.2.4). */
    unsigned sum = 0, most = wide ? 16 : 8, dest = (1u << (ncpus < most ? ncpus : most)) - 1;
    for (uint32_t k = 1; k <= rounds; k++) {
        send(ANY | LOWEST | LOGICAL, dest);
        wait_for(&any_taken, k);
    }
    for (unsigned n = 0; n < ncpus; n++)
        sum += cpu[n].any;
    check("lowest priority: one takes it", sum, rounds);
}

/* The last one starts anew while it runs; the others go on. */
static void test_restart(void)
{
    unsigned last = ncpus - 1, starts = cpu[last].starts, stuck = 0;
    for (unsigned k = 0; k < RESTARTS; k++) {
        uint32_t beat = cpu[1].beat;
        start(last);
        uint32_t all = cpu[last].all;
        send(ALL, last);
        wait_for(&cpu[last].all, all + 1);
        if (last > 1)
            while (cpu[1].beat == beat)
                breathe();
        stuck += cpu[last].starts != starts + k + 1;
    }
    check("INIT and start-up IPI, again and again", stuck, 0);
}

void guest_main(void)
{
    uint32_t leaf[4];
    ncpus = count_processors();
    if (ncpus < 2) {
        report(false, "expected -smp 2 or more");
        return;
    }
    cpuid(1, leaf);
    wide = leaf[2] & 1 << 21;
    rounds = ncpus <= 8 ? 400 : 4;
    for (unsigned v = RING; v <= ANY; v++)
        handlers[v] = on_ipi;
    handlers[NMI] = on_ipi;
    set_up();
    memcpy((void *)TRAMPOLINE, trampoline, (size_t)(trampoline_end - trampoline));
    for (unsigned n = 1; n < ncpus; n++)
        start(n);
    check("every processor is started", ap_started, ncpus - 1);
    go = 1;
    send_round_the_ring(0);
    wait_for(&finished, ncpus);
    unsigned wrong = 0;
    for (unsigned n = 0; n < ncpus; n++)
        wrong += cpu[n].ring != rounds || cpu[n].nmi != rounds / 4 + 1 || cpu[n].starts > 1;
    check("as many interrupts and NMIs as were sent, to each", wrong, 0);
    test_broadcasts();
    test_lowest();
    test_restart();
}
