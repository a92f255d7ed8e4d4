/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every leaf of CPUID, as numbers: a named model says the same under each engine, before and after
 * what is read with it changes (CR4.OSXSAVE, XCR0). Whoever runs this compares. */
#include "lib/rt.h"

static void query(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "0"(leaf), "2"(sub));
}

static void print_leaf(uint32_t leaf, uint32_t sub)
{
    uint32_t out[4];

    query(leaf, sub, out);
    print("leaf ");
    print_hex(leaf);
    print(" ");
    print_hex(sub);
    print(":");
    for (unsigned n = 0; n < 4; n++) {
        print(" ");
        print_hex(out[n]);
    }
    print("\n");
}

/* And the one behind the last. */
static void print_range(uint32_t first)
{
    uint32_t out[4];

    query(first, 0, out);
    for (uint32_t leaf = first; leaf <= out[0] + 1 && leaf < first + 64; leaf++)
        for (uint32_t sub = 0; sub < 5; sub++)
            print_leaf(leaf, sub);
}

static void print_all(void)
{
    uint32_t out[4];

    print_range(0);
    query(1, 0, out);
    if (out[2] >> 31)
        for (uint32_t leaf = 0x40000000; leaf < 0x40000002; leaf++)
            print_leaf(leaf, 0);
    print_range(0x80000000);
}

void guest_main(void)
{
    uint32_t out[4];

    print_all();
    query(1, 0, out);
    if (out[2] >> 26 & 1) {
        write_cr4(read_cr4() | 1u << 18);
        query(0xd, 0, out);
        __asm__ volatile("xsetbv" ::"c"(0), "a"(out[0]), "d"(0));
        print_all();
        query(1, 0, out);
        report(out[2] >> 27 & 1, "OSXSAVE follows CR4");
    }
    query(0, 0, out);
    report(out[0] >= 1 && out[1], "leaf 0 names a maker");
}
