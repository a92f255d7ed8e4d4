/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocks that were joined at a jump that was not made: what is there when it is made, or when what
 * follows faults. Each piece of code runs often enough to be joined, without making its jumps
 * first. */
#include "lib/rt.h"

static uint8_t page[4096] __attribute__((aligned(4096)));

static word flags_of_dec(word a)
{
    word f;
    __asm__ volatile("xor %k0, %k0\n\tdec %1\n\tpushf\n\tpop %0" : "=&r"(f), "+r"(a) : : "cc");
    return f & ARITH;
}

/* ---- three jumps ---- */

static unsigned mistakes;

static void expect(word is, word should)
{
    mistakes += is != should;
}

static void three_jumps(word a, word b, word c)
{
    word path, f, n = 0, left = c;

    __asm__ volatile("mov $1, %k0\n\tcmp %5, %4\n\tje 1f\n\tlea 1(%2), %2\n\t"
                     "mov $2, %k0\n\tshl $3, %2\n\tcmp %3, %5\n\tjb 1f\n\tlea 1(%2), %2\n\t"
                     "mov $3, %k0\n\txor %k1, %k1\n\tdec %3\n\tjz 1f\n\tlea 1(%2), %2\n\t"
                     "mov $4, %k0\n\tcmp $7, %2\n1:\tpushf\n\tpop %1"
                     : "=&r"(path), "=&r"(f), "+&r"(n), "+&r"(left)
                     : "r"(a), "r"(b)
                     : "cc", "memory");
    word should = a == b ? 1 : b < c ? 2 : c == 1 ? 3 : 4;
    static const word counts[] = {0, 0, 8, 9, 10};
    expect(path, should);
    expect(n, counts[should]);
    expect(f & ARITH, should == 1   ? flags_of_cmp(a, b)
                      : should == 2 ? flags_of_cmp(b, c)
                      : should == 3 ? flags_of_dec(c)
                                    : flags_of_cmp(10, 7));
}

/* ---- registers that have no place of their own ---- */

#ifdef __x86_64__
static void many_registers(word a, word b)
{
    word sum, path;

    __asm__ volatile(
        "mov %2, %%r9\n\tmov %3, %%r10\n\tlea (%%r9,%%r10), %%r11\n\tmov $5, %%r15d\n\t"
        "add %%r9, %%r15\n\tmov $1, %k1\n\tcmp %%r10, %%r9\n\tje 1f\n\t"
        "imul %%r11, %%r15\n\tmov $2, %k1\n\tlea 3(%%r10), %%r10\n\t"
        "cmp %%r10, %%r9\n\tja 1f\n\tadd %%r15, %%r9\n\txor %%r11, %%r10\n\t"
        "mov $3, %k1\n1:\tlea (%%r9,%%r10), %0\n\tadd %%r11, %0\n\tadd %%r15, %0"
        : "=&r"(sum), "=&r"(path)
        : "r"(a), "r"(b)
        : "cc", "r9", "r10", "r11", "r15");
    word r9 = a, r10 = b, r11 = a + b, r15 = 5 + a, should = 1;
    if (a != b) {
        r15 *= r11;
        r10 += 3;
        should = 2;
        if (r9 <= r10) {
            r9 += r15;
            r10 ^= r11;
            should = 3;
        }
    }
    expect(path, should);
    expect(sum, r9 + r10 + r11 + r15);
}
#else
static void many_registers(word a, word b)
{
    (void)a;
    (void)b;
}
#endif

/* ---- a loop that may end in the middle ---- */

static void leaves_loop(word end, word wanted)
{
    word n = 0, sum = 0, f;

    __asm__ volatile("1:\tadd $1, %0\n\tcmp %4, %0\n\tje 2f\n\tadd %0, %1\n\tcmp %3, %0\n\tjb 1b\n"
                     "2:\tpushf\n\tpop %2"
                     : "+&r"(n), "+&r"(sum), "=&r"(f)
                     : "r"(end), "r"(wanted)
                     : "cc");
    word last = wanted <= end ? wanted : end, added = wanted <= end ? wanted - 1 : end;
    expect(n, last);
    expect(sum, added * (added + 1) / 2);
    expect(f & ARITH, wanted <= end ? flags_of_cmp(wanted, wanted) : flags_of_cmp(end, end));
}

/* ---- faults behind a jump ---- */

/* The access behind the jump is of the second page of the window when `bad`. */
static void faults_behind(word a, word b, bool bad)
{
    word p = WINDOW + (bad ? 4096 : 0), v = 0;

    TRY("lea 1(%0), %0\n\tcmp %3, %2\n\tje 771f\n\tlea 2(%0), %0\n\tmov (%1), %k0\n\tadd $1, "
        "%k0\n771:",
        : "+&r"(v)
        : "r"(p), "r"(a), "r"(b)
        : "cc", "memory");
    if (!bad) {
        expect(exc.vector, NONE);
        return;
    }
    expect(exc.vector, 14);
    expect(exc.cr2, p);
    expect(exc.f.flags & ARITH, flags_of_cmp(a, b));
}

#define ROUNDS 200

void guest_main(void)
{
    paging_on();
    map_window(0, page, PTE_P | PTE_W);
    map_window(1, page, 0);
    for (unsigned n = 0; n < ROUNDS; n++) {
        bool odd = n > 40;
        three_jumps(1, odd && n % 3 == 0 ? 1 : 9,
                    odd && n % 3 == 1   ? 11
                    : odd && n % 3 == 2 ? 1
                                        : 5);
    }
    check("three jumps: path, registers and flags", mistakes, 0);
    mistakes = 0;
    for (unsigned n = 0; n < ROUNDS; n++)
        many_registers(100 + n % 7, n < 60 ? 1000 : n % 3 ? 90 + n % 20 : 100 + n % 7);
    check("registers at an exit in the middle", mistakes, 0);
    mistakes = 0;
    for (unsigned n = 0; n < ROUNDS; n++)
        leaves_loop(20 + n % 5, n < 60 ? 1000 : 1 + n % 30);
    check("a loop left in the middle, and at its end", mistakes, 0);
    mistakes = 0;
    for (unsigned n = 0; n < ROUNDS; n++)
        faults_behind(n, n > 60 && n % 4 == 0 ? n : n + 1000, n > 60 && n % 4 == 1);
    check("faults behind a jump that was not made", mistakes, 0);
}
