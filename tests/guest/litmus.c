/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What processors see of each other's accesses (run with -smp 4): the order that SDM vol. 3A 8.2.3
 * promises, by the litmus tests that examples there and papers on x86-TSO use, and locked
 * instructions at any alignment (8.1.2). Outcomes are counted over many cells, a batch of them
 * between two barriers. */
#include "lib/ap.h"

enum { MAX = 4, CELLS = 512, BATCHES = 100, LOCKED_ROUNDS = 2000, SPLIT_ROUNDS = 100 };

static unsigned ncpus;
static struct processor {
    uint32_t seen[CELLS][2];
    uint8_t stack[8192] __attribute__((aligned(16)));
} cpu[MAX];
static struct cell {
    volatile uint32_t x, gap1[15], y, gap2[15], z, gap3[15];
} cells[CELLS] __attribute__((aligned(64)));

/* ---- together ---- */

static struct ap_barrier together;

static void barrier(void)
{
    ap_wait(&together, ncpus);
}

/* ---- litmus tests: what processor `me` does with a cell ---- */

static inline void fence(void)
{
    __asm__ volatile("mfence" ::: "memory");
}

static inline uint32_t exchange(volatile uint32_t *p, uint32_t v)
{
    __asm__ volatile("xchgl %0,%1" : "+r"(v), "+m"(*p)::"memory");
    return v;
}

static inline void locked_add(volatile uint32_t *p)
{
    __asm__ volatile("lock addl $0,%0" : "+m"(*p)::"memory", "cc");
}

/* Store buffering: both may miss the other's store, but not with something between. */
static void store_fence_load(unsigned me, struct cell *c, uint32_t *r)
{
    if (me == 0) {
        c->x = 1;
        fence();
        r[0] = c->y;
    } else if (me == 1) {
        c->y = 1;
        fence();
        r[0] = c->x;
    }
}

static void store_lock_load(unsigned me, struct cell *c, uint32_t *r)
{
    if (me == 0) {
        c->x = 1;
        locked_add(&c->gap1[0]);
        r[0] = c->y;
    } else if (me == 1) {
        c->y = 1;
        locked_add(&c->gap2[0]);
        r[0] = c->x;
    }
}

static void exchange_load(unsigned me, struct cell *c, uint32_t *r)
{
    if (me == 0) {
        exchange(&c->x, 1);
        r[0] = c->y;
    } else if (me == 1) {
        exchange(&c->y, 1);
        r[0] = c->x;
    }
}

static bool both_missed(unsigned k)
{
    return !cpu[0].seen[k][0] && !cpu[1].seen[k][0];
}

/* Load buffering: no load sees a store that comes after it in its own program's order. */
static void load_store(unsigned me, struct cell *c, uint32_t *r)
{
    if (me == 0) {
        r[0] = c->x;
        c->y = 1;
    } else if (me == 1) {
        r[0] = c->y;
        c->x = 1;
    }
}

static bool both_saw(unsigned k)
{
    return cpu[0].seen[k][0] && cpu[1].seen[k][0];
}

/* Message passing: who sees the flag sees the message. */
static void message(unsigned me, struct cell *c, uint32_t *r)
{
    if (me == 0) {
        c->x = 1;
        c->y = 1;
    } else if (me == 1) {
        r[0] = c->y;
        r[1] = c->x;
    }
}

static bool flag_without_message(unsigned k)
{
    return cpu[1].seen[k][0] && !cpu[1].seen[k][1];
}

/* 2+2W: stores to two places by two processors cannot each come first where the other's came last.
 */
static void two_stores(unsigned me, struct cell *c, uint32_t *r)
{
    (void)r;
    if (me == 0) {
        c->x = 1;
        c->y = 2;
    } else if (me == 1) {
        c->y = 1;
        c->x = 2;
    }
}

static bool first_stores_last(unsigned k)
{
    return cells[k].x == 1 && cells[k].y == 1;
}

/* IRIW: two who look agree on which of two others' stores came first. */
static void two_readers(unsigned me, struct cell *c, uint32_t *r)
{
    if (me == 0) {
        c->x = 1;
    } else if (me == 1) {
        c->y = 1;
    } else if (me == 2) {
        r[0] = c->x;
        r[1] = c->y;
    } else if (me == 3) {
        r[0] = c->y;
        r[1] = c->x;
    }
}

static bool disagree(unsigned k)
{
    return cpu[2].seen[k][0] && !cpu[2].seen[k][1] && cpu[3].seen[k][0] && !cpu[3].seen[k][1];
}

/* Causality: what made somebody store is seen by those who see that store. */
static void causality(unsigned me, struct cell *c, uint32_t *r)
{
    if (me == 0) {
        c->x = 1;
    } else if (me == 1) {
        if (c->x)
            c->y = 1;
    } else if (me == 2) {
        r[0] = c->y;
        r[1] = c->x;
    }
}

static bool effect_without_cause(unsigned k)
{
    return cpu[2].seen[k][0] && !cpu[2].seen[k][1];
}

/* RWC: who misses a store with MFENCE before is not overtaken by somebody's older view. */
static void read_write_causality(unsigned me, struct cell *c, uint32_t *r)
{
    if (me == 0) {
        c->x = 1;
    } else if (me == 1) {
        r[0] = c->x;
        r[1] = c->y;
    } else if (me == 2) {
        c->y = 1;
        fence();
        r[0] = c->x;
    }
}

static bool seen_then_missed(unsigned k)
{
    return cpu[1].seen[k][0] && !cpu[1].seen[k][1] && !cpu[2].seen[k][0];
}

/* ISA2: message passing by way of a third. */
static void message_by_third(unsigned me, struct cell *c, uint32_t *r)
{
    if (me == 0) {
        c->x = 1;
        c->y = 1;
    } else if (me == 1) {
        r[0] = c->y;
        c->z = 1;
    } else if (me == 2) {
        r[0] = c->z;
        r[1] = c->x;
    }
}

static bool third_without_message(unsigned k)
{
    return cpu[1].seen[k][0] && cpu[2].seen[k][0] && !cpu[2].seen[k][1];
}

/* S: a store after the flag was seen comes after the store before the flag. */
static void store_after_flag(unsigned me, struct cell *c, uint32_t *r)
{
    if (me == 0) {
        c->x = 2;
        c->y = 1;
    } else if (me == 1) {
        r[0] = c->y;
        c->x = 1;
    }
}

static bool older_store_last(unsigned k)
{
    return cpu[1].seen[k][0] && cells[k].x == 2;
}

/* R: whose store came last, with MFENCE behind it, sees what was stored before the other's. */
static void store_race(unsigned me, struct cell *c, uint32_t *r)
{
    if (me == 0) {
        c->x = 1;
        c->y = 1;
    } else if (me == 1) {
        c->y = 2;
        fence();
        r[0] = c->x;
    }
}

static bool last_and_missed(unsigned k)
{
    return cells[k].y == 2 && !cpu[1].seen[k][0];
}

static const struct litmus {
    const char *name;
    void (*run)(unsigned me, struct cell *c, uint32_t *r);
    bool (*forbidden)(unsigned k);
} litmus[] = {
    {"SB with MFENCE", store_fence_load, both_missed},
    {"SB with a locked instruction", store_lock_load, both_missed},
    {"SB by XCHG", exchange_load, both_missed},
    {"LB", load_store, both_saw},
    {"MP", message, flag_without_message},
    {"2+2W", two_stores, first_stores_last},
    {"IRIW", two_readers, disagree},
    {"WRC", causality, effect_without_cause},
    {"RWC with MFENCE", read_write_causality, seen_then_missed},
    {"ISA2", message_by_third, third_without_message},
    {"S", store_after_flag, older_store_last},
    {"R with MFENCE", store_race, last_and_missed},
};
enum { TESTS = sizeof(litmus) / sizeof(litmus[0]) };
static unsigned broken[TESTS];

static void batch(const struct litmus *l, unsigned me)
{
    for (unsigned k = 0; k < CELLS; k++)
        l->run(me, &cells[k], cpu[me].seen[k]);
}

static void run_litmus(unsigned n, unsigned me)
{
    for (unsigned b = 0; b < BATCHES; b++) {
        if (!me)
            for (unsigned k = 0; k < CELLS; k++)
                cells[k].x = cells[k].y = cells[k].z = 0;
        barrier();
        batch(&litmus[n], me);
        barrier();
        for (unsigned k = 0; !me && k < CELLS; k++)
            broken[n] += litmus[n].forbidden(k);
    }
}

/* ---- locked instructions ---- */

static uint8_t area[3 * 4096] __attribute__((aligned(4096)));
static unsigned wrong[MAX];

/* Each processor's part of what all do to the bytes at p, which come out as they were but for the
 * counts: a doubleword of sums, one of sums by CMPXCHG, a word of bits. */
static void locked_round(uint8_t *p, unsigned me)
{
    volatile uint32_t *sum = (uint32_t *)p, *swapped = (uint32_t *)(p + 4);
    volatile uint16_t *bits = (uint16_t *)(p + 8);
    uint32_t one = 1, old = *swapped, bit = me;
    uint8_t was, is, again;

    __asm__ volatile("lock incl %0" : "+m"(*sum)::"cc");
    __asm__ volatile("lock addl $2,%0" : "+m"(*sum)::"cc");
    __asm__ volatile("lock subl $1,%0" : "+m"(*sum)::"cc");
    __asm__ volatile("stc\n\tlock adcl $3,%0" : "+m"(*sum)::"cc");
    __asm__ volatile("stc\n\tlock sbbl $2,%0" : "+m"(*sum)::"cc");
    __asm__ volatile("lock decl %0" : "+m"(*sum)::"cc");
    __asm__ volatile("lock xaddl %1,%0" : "+m"(*sum), "+r"(one)::"cc");
    do
        __asm__ volatile("lock cmpxchgl %3,%1\n\tsetz %0"
                         : "=qm"(is), "+m"(*swapped), "+a"(old)
                         : "r"(old + 1)
                         : "cc");
    while (!is);
    __asm__ volatile("lock btsw %w2,%1\n\tsetc %0" : "=qm"(was), "+m"(*bits) : "r"(bit) : "cc");
    __asm__ volatile("lock btcw %w2,%1\n\tsetc %0" : "=qm"(is), "+m"(*bits) : "r"(bit) : "cc");
    __asm__ volatile("lock btrw %w2,%1\n\tsetc %0" : "=qm"(again), "+m"(*bits) : "r"(bit) : "cc");
    wrong[me] += was || !is || again;
    __asm__ volatile("lock orw %w1,%0" : "+m"(*bits) : "r"(1u << bit) : "cc");
    wrong[me] += !(*bits >> bit & 1);
    __asm__ volatile("lock xorw %w1,%0" : "+m"(*bits) : "r"(1u << bit) : "cc");
    wrong[me] += *bits >> bit & 1;
    __asm__ volatile("lock andw %w1,%0" : "+m"(*bits) : "r"(~(1u << bit)) : "cc");
}
enum { SUM_A_ROUND = 1 + 2 - 1 + 4 - 3 - 1 + 1 };

static void pair_round(uint8_t *p)
{
    uint32_t low = ((volatile uint32_t *)p)[0], high = ((volatile uint32_t *)p)[1];
    bool done;
    do
        __asm__ volatile("lock cmpxchg8b %1\n\tsetz %0"
                         : "=qm"(done), "+m"(*(uint64_t *)p), "+a"(low), "+d"(high)
                         : "b"(low + 1), "c"(high + 1)
                         : "cc");
    while (!done);
}

#ifdef __x86_64__
static void quad_round(uint8_t *p)
{
    uint64_t low = ((volatile uint64_t *)p)[0], high = ((volatile uint64_t *)p)[1];
    bool done;
    do
        __asm__ volatile("lock cmpxchg16b %1\n\tsetz %0"
                         : "=qm"(done), "+m"(*(unsigned __int128 *)p), "+a"(low), "+d"(high)
                         : "b"(low + 1), "c"(high + 1)
                         : "cc");
    while (!done);
}
#endif

static const struct place {
    const char *name;
    unsigned at, rounds;
} places[] = {
    {"aligned", 256, LOCKED_ROUNDS},
    {"unaligned within a line", 512 + 1, LOCKED_ROUNDS},
    {"across a line", 1024 + 62, SPLIT_ROUNDS},
    {"CMPXCHG across a line", 2048 + 58, SPLIT_ROUNDS},
    {"across a page", 4096 - 2, SPLIT_ROUNDS},
    {"CMPXCHG across a page", 2 * 4096 - 6, SPLIT_ROUNDS},
};
enum {
    PLACES = sizeof(places) / sizeof(places[0]),
    PAIRS = 3000,
    SPLIT_PAIRS = 3200 - 4,
    QUADS = 3328
};

static void run_locked(unsigned me)
{
    for (unsigned n = 0; n < PLACES; n++)
        for (unsigned k = 0; k < places[n].rounds; k++)
            locked_round(area + places[n].at, me);
    for (unsigned k = 0; k < LOCKED_ROUNDS; k++)
        pair_round(area + PAIRS);
    for (unsigned k = 0; k < SPLIT_ROUNDS; k++)
        pair_round(area + SPLIT_PAIRS);
#ifdef __x86_64__
    for (unsigned k = 0; k < LOCKED_ROUNDS; k++)
        quad_round(area + QUADS);
#endif
}

static void check_locked(void)
{
    for (unsigned n = 0; n < PLACES; n++) {
        const uint32_t *p = (const uint32_t *)(area + places[n].at);
        check(places[n].name, p[0], ncpus * places[n].rounds * SUM_A_ROUND);
        check("... CMPXCHG", p[1], ncpus * places[n].rounds);
        check("... bits of all", *(const uint16_t *)(p + 2), 0);
    }
    const uint32_t *pair = (const uint32_t *)(area + PAIRS);
    check("CMPXCHG8B", pair[0] == pair[1] ? pair[0] : ~0u, ncpus * LOCKED_ROUNDS);
    pair = (const uint32_t *)(area + SPLIT_PAIRS);
    check("CMPXCHG8B across a line", pair[0] == pair[1] ? pair[0] : ~0u, ncpus * SPLIT_ROUNDS);
#ifdef __x86_64__
    const uint64_t *quad = (const uint64_t *)(area + QUADS);
    check("CMPXCHG16B", quad[0] == quad[1] ? quad[0] : ~0u, ncpus * LOCKED_ROUNDS);
#endif
    for (unsigned n = 0; n < ncpus; n++)
        check("a processor's own bit is its own", wrong[n], 0);
}

/* ---- code that another processor writes ---- */

enum { CODE_ROUNDS = 2000 };
static uint8_t code[2][64] __attribute__((aligned(4096), section(".data.code")));
static volatile uint32_t published, wrong_code;

/* Written, then announced; read, then run: with what the manual asks for in between (8.1.3). */
static void run_code(unsigned me)
{
    for (uint32_t k = 1; k <= CODE_ROUNDS; k++) {
        uint8_t *to = code[k % 2];
        barrier();
        if (!me) {
            to[0] = 0xb8;
            to[5] = 0xc3;
            memcpy(to + 1, &k, 4);
            published = k;
        } else if (me == 1) {
            uint32_t v, out[4];
            while (published != k)
                __asm__ volatile("pause");
            cpuid(0, out);
            __asm__ volatile("call *%1" : "=a"(v) : "r"((word)to) : "memory");
            wrong_code += v != k;
        }
    }
}

/* Patched while others run it, an aligned doubleword at a time: they may see the old one until they
 * have seen that there is a new one. Decoding races with stores to bytes beside what is code. */
enum { PATCHES = 20000, PATCHED = 8 };
static uint8_t patched[PATCHED][64] __attribute__((aligned(4096), section(".data.code")));
static volatile uint32_t latest[PATCHED], old_code;

static void run_patched(unsigned me)
{
    if (!me) {
        for (uint32_t k = 1; k <= PATCHES; k++) {
            *(volatile uint32_t *)(patched[k % PATCHED] + 4) = k;
            latest[k % PATCHED] = k;
        }
        return;
    }
    for (unsigned n = me; latest[PATCHES % PATCHED] != PATCHES; n = (n + 1) % PATCHED) {
        uint32_t v, out[4], at_least = latest[n % PATCHED];
        cpuid(0, out);
        __asm__ volatile("call *%1" : "=a"(v) : "r"((word)patched[n % PATCHED] + 3) : "memory");
        old_code += v < at_least;
    }
}

static void make_patched(void)
{
    for (unsigned n = 0; n < PATCHED; n++) {
        patched[n][3] = 0xb8;
        patched[n][8] = 0xc3;
    }
}

/* ---- all of it ---- */

static void work(unsigned me)
{
    barrier();
    for (unsigned n = 0; n < TESTS; n++)
        run_litmus(n, me);
    barrier();
    run_locked(me);
    barrier();
    run_code(me);
    barrier();
    run_patched(me);
    barrier();
}

void ap_main(void)
{
    load_idt(256 * (sizeof(word) == 8 ? 16 : 8) - 1);
    set(SVR, 0x1ff);
    ap_started++;
    work(self());
    for (;;)
        __asm__ volatile("hlt");
}

static void start_all(void)
{
    ap_start_all(ncpus, cpu[0].stack + sizeof(cpu[0].stack), sizeof(cpu[0]));
}

void guest_main(void)
{
    ncpus = count_processors();
    if (ncpus != MAX) {
        report(false, "expected -smp 4");
        return;
    }
    set(SVR, 0x1ff);
    make_patched();
    start_all();
    work(0);
    for (unsigned n = 0; n < TESTS; n++)
        check(litmus[n].name, broken[n], 0);
    check_locked();
    check("code that another processor wrote", wrong_code, 0);
    check("code that another processor patches meanwhile", old_code, 0);
}
