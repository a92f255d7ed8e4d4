/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loops of one block: the flags are those of the last comparison wherever the loop is interrupted,
 * by a fault in any round or from outside. */
#include "lib/rt.h"

static uint8_t page[4096] __attribute__((aligned(4096)));

static word flags_of_test(word a, word b)
{
    word f;
    __asm__ volatile("test %2, %1\n\tpushf\n\tpop %0" : "=r"(f) : "r"(a), "r"(b) : "cc");
    return f & ARITH;
}

/* ---- faults ---- */

/* The first instruction of a round faults where the mapped page ends; `rounds` before it. */
static void fault_at_start(unsigned rounds)
{
    word p = WINDOW + 4096 - 4 * rounds, end = WINDOW + 8192, v = 0, before = flags_of_cmp(1, 2);

    TRY("cmp %4, %3\n771:\tmov (%0), %k1\n\tadd $4, %0\n\tcmp %2, %0\n\tjne 771b",
        : "+r"(p), "+r"(v)
        : "r"(end), "r"((word)1), "r"((word)2)
        : "memory", "cc");
    check("the fault is at the page's end", exc.cr2, WINDOW + 4096);
    check("the register is as the round before left it", p, WINDOW + 4096);
    check("flags of the last comparison, or those before", exc.f.flags & ARITH,
          rounds ? flags_of_cmp(p, end) : before);
}

/* A store behind another access; TEST is what ends rounds. */
static void fault_behind_test(unsigned rounds)
{
    word p = WINDOW + 4096 - 8 * rounds, q = (word)page, bits = 0x80000001u, n = 0;

    TRY("771:\tmov (%1), %%al\n\tmov %%al, (%0)\n\tlea 8(%0), %0\n\tlea 1(%2), %2\n\t"
        "test %3, %3\n\tjnz 771b",
        : "+r"(p), "+r"(q), "+r"(n)
        : "r"(bits)
        : "memory", "cc", "eax");
    check("TEST: the fault is at the page's end", exc.cr2, WINDOW + 4096);
    check("TEST: rounds made", n, rounds);
    if (rounds)
        check("TEST: flags of the last one", exc.f.flags & ARITH, flags_of_test(bits, bits));
}

/* The operand of the comparison changes before the access that faults. */
static void fault_behind_change(unsigned rounds)
{
    word p = WINDOW + 4096 - 4 * rounds, n = 0, end = 1000;

    TRY("771:\tlea 1(%1), %1\n\tmov (%0), %%eax\n\tlea 4(%0), %0\n\tcmp %2, %1\n\tjne 771b",
        : "+r"(p), "+r"(n)
        : "r"(end)
        : "memory", "cc", "eax");
    check("changed operand: the fault is at the page's end", exc.cr2, WINDOW + 4096);
    check("changed operand: count", n, rounds + 1);
    if (rounds)
        check("changed operand: flags of the last comparison", exc.f.flags & ARITH,
              flags_of_cmp(rounds, end));
}

/* ---- counts ---- */

static void ends_where_it_should(void)
{
    for (word end = 1; end < 40; end++) {
        word n = 0, sum = 0, f;
        __asm__ volatile(
            "771:\tadd $1, %0\n\tadd %0, %1\n\tcmp %3, %0\n\tjb 771b\n\tpushf\n\tpop %2"
            : "+r"(n), "+r"(sum), "=r"(f)
            : "r"(end)
            : "cc");
        if (n != end || sum != end * (end + 1) / 2 || (f & ARITH) != flags_of_cmp(end, end)) {
            check("a loop ends where it should", n, end);
            return;
        }
    }
    report(true, "a loop ends where it should");
}

/* ---- interrupts ---- */

extern char irq_loop[];
static volatile unsigned ticks, at_start, wrong;
#define TICKS 200

static void tick(struct frame *f)
{
    ticks++;
    if (f->ip == (word)irq_loop && f->cx) {
        at_start++;
        wrong += (f->flags & ARITH) != flags_of_cmp(f->cx, f->dx);
    }
    pic_eoi(0);
}

/* The count in ecx is compared with edx, which is never reached. */
static void interrupted(void)
{
    word n = 0;

    pic_init();
    handlers[0x20] = tick;
    outb(0x43, 0x34);
    outb(0x40, 0xe8); /* 1000 periods */
    outb(0x40, 0x03);
    pic_mask(0xfffe);
    __asm__ volatile("sti");
    while (ticks < TICKS) {
        word c = 0;
        __asm__ volatile("irq_loop:\tadd $1, %0\n\tlea 7(%1), %1\n\tlea -3(%1), %1\n\t"
                         "cmp %2, %0\n\tjne irq_loop"
                         : "+c"(c), "+r"(n)
                         : "d"((word)30000)
                         : "cc");
    }
    __asm__ volatile("cli");
    pic_mask(0xffff);
    check("interrupts at the start of a round: flags", wrong, 0);
    report(ticks >= TICKS, "interrupts came while the loop ran");
}

void guest_main(void)
{
    paging_on();
    map_window(0, page, PTE_P | PTE_W);
    map_window(1, page, 0);
    for (unsigned rounds = 0; rounds < 40; rounds = rounds * 3 / 2 + 1) {
        fault_at_start(rounds);
        fault_behind_test(rounds);
        fault_behind_change(rounds);
    }
    ends_where_it_should();
    interrupted();
}
