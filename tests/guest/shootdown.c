/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translations that several processors use (run with -smp 2 or 4): a page is unmapped, made read
 * only, mapped to another frame, and after the others have executed INVLPG no store of theirs lands
 * where it must not; accessed and dirty bits beside locked instructions on the same entry. SDM vol.
 * 3A 4.8, 4.10.5, 8.1.2.1. */
#include "lib/ap.h"

enum { MAX = 4, ROUNDS = 200, BIT_ROUNDS = 3000, LINGER = 200 };
enum { SHOOT = 0x40 };

static unsigned ncpus;
static struct processor {
    volatile uint32_t stores, faults, wrong;
    uint8_t stack[8192] __attribute__((aligned(16)));
} cpu[MAX];
static volatile uint32_t acknowledged, stop, phase;
static uint8_t frames[2][4096] __attribute__((aligned(4096)));
static volatile uint32_t *const page = (uint32_t *)WINDOW;
static volatile word *pte; /* of page */
static word boot_cr3, boot_cr4;

/* ---- together ---- */

static volatile uint32_t *word_of(uint8_t *frame, unsigned n)
{
    return (volatile uint32_t *)(frame + 64 * n);
}

static inline void breathe(void)
{
    __asm__ volatile("pause\n\tsti\n\tnop\n\tnop\n\tcli" ::: "memory");
}

static void on_shoot(struct frame *f)
{
    (void)f;
    invlpg((void *)page);
    __atomic_add_fetch(&acknowledged, 1, __ATOMIC_SEQ_CST);
    set(EOI, 0);
}

/* Returns when all others have executed INVLPG. */
static void shoot_down(void)
{
    acknowledged = 0;
    send(SHOOT | TO_OTHERS, 0);
    invlpg((void *)page);
    while (acknowledged != ncpus - 1)
        __asm__ volatile("pause");
}

/* A store that may fault, and then does nothing. */
extern char may_fault[], may_fault_end[];
__attribute__((noinline)) static void store(volatile uint32_t *to, uint32_t v)
{
    __asm__ volatile(".globl may_fault, may_fault_end\n"
                     "may_fault: movl %1,(%0)\n"
                     "may_fault_end:" ::"r"(to),
                     "r"(v)
                     : "memory");
}

static void on_page_fault(struct frame *f)
{
    struct processor *p = &cpu[self()];
    p->faults++;
    p->wrong += f->ip != (word)may_fault;
    f->ip = (word)may_fault_end;
}

/* ---- the others ---- */

static void keep_storing(unsigned me)
{
    while (phase == 0) {
        store(word_of((uint8_t *)page, me), ++cpu[me].stores);
        breathe();
    }
}

/* Own bits of the entry, those that processors leave to software (9 to 11), stay as one left them.
 */
static void flip_own_bit(unsigned me)
{
    unsigned bit = 8 + me;
    uint8_t was;
    for (unsigned k = 0; k < BIT_ROUNDS; k++) {
        __asm__ volatile("lock bts" W " %2,%1\n\tsetc %0"
                         : "=qm"(was), "+m"(*pte)
                         : "r"((word)bit)
                         : "cc");
        cpu[me].wrong += was;
        invlpg((void *)page);
        store(word_of((uint8_t *)page, me), k);
        __asm__ volatile("lock btr" W " %2,%1\n\tsetc %0"
                         : "=qm"(was), "+m"(*pte)
                         : "r"((word)bit)
                         : "cc");
        cpu[me].wrong += !was;
        breathe();
    }
}

static void work(unsigned me)
{
    keep_storing(me);
    while (phase != 2)
        breathe();
    flip_own_bit(me);
    __atomic_add_fetch(&stop, 1, __ATOMIC_SEQ_CST);
}

void ap_main(void)
{
#ifndef __x86_64__
    write_cr4(boot_cr4);
    write_cr3(boot_cr3);
    write_cr0(read_cr0() | 0x80000000);
#endif
    write_cr0(read_cr0() | 1 << 16); /* WP */
    load_idt(256 * (sizeof(word) == 8 ? 16 : 8) - 1);
    set(SVR, 0x1ff);
    ap_started++;
    work(self());
    for (;;)
        breathe();
}

/* ---- the first ---- */

static void snapshot(uint8_t *frame, uint32_t out[MAX])
{
    for (unsigned n = 0; n < MAX; n++)
        out[n] = *word_of(frame, n);
}

static void linger(unsigned rounds)
{
    for (unsigned k = 0; k < rounds; k++)
        breathe();
}

/* The others store into frame again. */
static void wait_for_stores(uint8_t *frame)
{
    uint32_t before[MAX];
    snapshot(frame, before);
    for (unsigned n = 1; n < ncpus; n++)
        while (*word_of(frame, n) == before[n])
            breathe();
}

/* The entry becomes `now`; behind the shootdown the frame is left alone. */
static bool left_alone(uint8_t *frame, word now, unsigned delay)
{
    uint32_t before[MAX], after[MAX];
    *pte = now;
    linger(delay); /* whoever has not executed INVLPG may use the old one */
    shoot_down();
    snapshot(frame, before);
    linger(LINGER);
    snapshot(frame, after);
    return !memcmp(before, after, sizeof(before));
}

static void test_shootdown(void)
{
    unsigned unmapped = 0, read_only = 0, moved = 0, entry = 0;
    for (unsigned k = 0; k < ROUNDS; k++) {
        uint8_t *here = frames[k % 2], *there = frames[(k + 1) % 2];
        wait_for_stores(here);
        unmapped += !left_alone(here, 0, k % 7);
        entry += *pte != 0;
        *pte = (word)here | PTE_P | PTE_W;
        wait_for_stores(here);
        read_only += !left_alone(here, (word)here | PTE_P, k % 5);
        entry += *pte & PTE_D;
        *pte = (word)here | PTE_P | PTE_W;
        shoot_down();
        wait_for_stores(here);
        moved += !left_alone(here, (word)there | PTE_P | PTE_W, k % 3);
    }
    check("unmapped: no store behind the shootdown", unmapped, 0);
    check("read only: no store behind the shootdown", read_only, 0);
    check("another frame: no store behind the shootdown", moved, 0);
    check("no accessed or dirty bit that is not due", entry, 0);
}

/* Harvests the dirty bit as an operating system does: who has stored has set it before. */
static void test_harvest(void)
{
    unsigned lost = 0, late = 0, stored = 0;
    *pte = 0;
    for (unsigned k = 0; k < ROUNDS; k++) {
        uint32_t before[MAX], after[MAX];
        shoot_down();
        snapshot(frames[0], before);
        *pte = (word)frames[0] | PTE_P | PTE_W;
        if (k % 2)
            linger(k % 64);
        else
            wait_for_stores(frames[0]);
        word old = __atomic_exchange_n(pte, 0, __ATOMIC_SEQ_CST);
        shoot_down();
        snapshot(frames[0], after);
        bool changed = memcmp(before, after, sizeof(before));
        stored += changed;
        lost += changed && (old & (PTE_A | PTE_D)) != (PTE_A | PTE_D);
        late += *pte != 0;
    }
    check("stores and no dirty bit", lost, 0);
    check("an entry that was taken away is written", late, 0);
    report(stored >= ROUNDS / 2, "the others have stored");
}

static void test_bits(void)
{
    *pte = (word)frames[0] | PTE_P | PTE_W;
    shoot_down();
    phase = 2;
    word bit = 1 << 8; /* G, of no effect while CR4.PGE is 0 */
    unsigned wrong = 0;
    while (stop != ncpus - 1) {
        __asm__ volatile("lock btc" W " %1,%0" : "+m"(*pte) : "r"((word)8) : "cc");
        wrong += !(*pte & bit);
        __asm__ volatile("lock btr" W " %1,%0" : "+m"(*pte) : "r"((word)6) : "cc");
        __asm__ volatile("lock btc" W " %1,%0" : "+m"(*pte) : "r"((word)8) : "cc");
        wrong += *pte & bit ? 1 : 0;
        breathe();
    }
    check("the first processor's bit of an entry", wrong, 0);
    for (unsigned n = 1; n < ncpus; n++)
        check("another processor's bit of the same entry", cpu[n].wrong, 0);
    *pte = *pte & ~(word)PTE_D;
    invlpg((void *)page);
    store(page, 1);
    check("accessed and dirty afterwards", *pte & (PTE_A | PTE_D | PTE_P), PTE_A | PTE_D | PTE_P);
}

static void find_entry(void)
{
    map_window(0, frames[0], PTE_P | PTE_W);
    word *table = (word *)(read_cr3() & ~0xffful);
#ifdef __x86_64__
    for (unsigned shift = 39; shift >= 21; shift -= 9)
        table = (word *)(table[WINDOW >> shift & 511] & ~0xffful);
    pte = &table[0];
#else
    pte = (word *)(table[WINDOW >> 22] & ~0xffful);
#endif
}

void guest_main(void)
{
    ncpus = count_processors();
    ncpus = ncpus > MAX ? MAX : ncpus;
    if (ncpus < 2) {
        report(false, "expected -smp 2 or 4");
        return;
    }
    paging_on();
    find_entry();
    boot_cr3 = read_cr3();
    boot_cr4 = read_cr4();
    write_cr0(read_cr0() | 1 << 16);
    handlers[PF] = on_page_fault;
    handlers[SHOOT] = on_shoot;
    set(SVR, 0x1ff);
    ap_start_all(ncpus, cpu[0].stack + sizeof(cpu[0].stack), sizeof(cpu[0]));
    test_shootdown();
    test_harvest();
    *pte = (word)frames[0] | PTE_P | PTE_W;
    phase = 1;
    test_bits();
    report(cpu[1].faults > 0, "page faults were taken");
}
