/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Process-context identifiers (SDM vol. 3A 4.10.1, 4.10.4; vol. 2A INVPCID; vol. 2B MOV to CR3,
 * CR4): when they may be turned on and off, CR3 with each PCID and with bit 63, the four types of
 * INVPCID and what they refuse, global pages, code in address spaces of the same addresses. */
#include "lib/rt.h"

enum { SPACES = 6 };
#define PCIDE (1ul << 17)
#define PGE   (1ul << 7)
#define KEEP  (1ul << 63)
#define BAD   0x0000800000000000ull

static uint8_t page[SPACES][4096] __attribute__((aligned(4096)));
static uint64_t roots[SPACES][512] __attribute__((aligned(4096)));
static uint64_t tables[SPACES][3][512] __attribute__((aligned(4096)));
static uint8_t user_page[4096] __attribute__((aligned(4096)));
extern uint64_t boot_pml4[], boot_pdpt[], boot_pd[];
static word boot_cr3;

static uint32_t window(void)
{
    return *(volatile uint32_t *)WINDOW;
}

/* Address space n maps the window to page n, which is data and code: MOV EAX, n; RET behind it. */
static void make_space(unsigned n)
{
    memcpy(roots[n], boot_pml4, 4096);
    memcpy(tables[n][0], boot_pdpt, 4096);
    memcpy(tables[n][1], boot_pd + 512 * (WINDOW >> 30), 4096);
    roots[n][0] = (word)tables[n][0] | 7;
    tables[n][0][WINDOW >> 30] = (word)tables[n][1] | 7;
    tables[n][1][WINDOW >> 21 & 511] = (word)tables[n][2] | 7;
    tables[n][2][0] = (word)page[n] | 7;
    *(uint32_t *)page[n] = n;
    page[n][16] = 0xb8;
    *(uint32_t *)(page[n] + 17) = n;
    page[n][21] = 0xc3;
}

static void map(unsigned space, unsigned to, unsigned flags)
{
    tables[space][2][0] = (word)page[to] | 7 | flags;
}

static void enter(unsigned space, word pcid, word keep)
{
    write_cr3((word)roots[space] | pcid | keep);
}

static void invpcid(uint64_t type, uint64_t pcid, uint64_t address)
{
    uint64_t d[2] = {pcid, address};

    TRY("invpcid %0, %1", ::"m"(d), "r"(type) : "memory");
}

static unsigned run(void)
{
    unsigned v;

    __asm__ volatile("call *%1" : "=a"(v) : "r"(WINDOW + 16) : "memory");
    return v;
}

/* ---- CR4.PCIDE ---- */

static void turning_on(void)
{
    unsigned wrong = 0;

    for (word low = 1; low < 0x1000; low <<= 1) {
        write_cr3(boot_cr3 | low);
        TRY("mov %0, %%cr4", ::"r"(read_cr4() | PCIDE) : "memory");
        wrong += exc.vector != GP || exc.f.error || read_cr4() & PCIDE;
    }
    check("#GP: CR4.PCIDE while bits of CR3 are set", wrong, 0);
    write_cr3(boot_cr3);
    TRY("mov %0, %%cr3", ::"r"(boot_cr3 | KEEP) : "memory");
    check_fault("#GP: bit 63 of CR3 without CR4.PCIDE", GP, 0);
    TRY("mov %0, %%cr4", ::"r"(read_cr4() | PCIDE) : "memory");
    check_fault("CR4.PCIDE", NONE, 0);
    for (word low = 0; low < 0x1000; low += 0x123) {
        TRY("mov %0, %%cr3", ::"r"(boot_cr3 | low | KEEP) : "memory");
        wrong += exc.vector != NONE || read_cr3() != (boot_cr3 | low);
    }
    check("CR3 takes any PCID, and reads without bit 63", wrong, 0);
    for (unsigned n = 52; n < 63; n++) {
        TRY("mov %0, %%cr3", ::"r"(boot_cr3 | 1ul << n) : "memory");
        wrong += exc.vector != GP || exc.f.error;
    }
    check("#GP: reserved bits of CR3", wrong, 0);
    TRY("mov %0, %%cr0", ::"r"(read_cr0() & ~(1ul << 31)) : "memory");
    check_fault("#GP: clearing CR0.PG", GP, 0);
    TRY("mov %0, %%cr4", ::"r"(read_cr4() & ~PCIDE) : "memory");
    check_fault("CR4.PCIDE is cleared with a PCID in CR3", NONE, 0);
    write_cr3(boot_cr3);
    write_cr4(read_cr4() | PCIDE);
}

/* ---- address spaces ---- */

static void apart(void)
{
    unsigned data = 0, code = 0, written = 0;

    for (unsigned n = 0; n < 200; n++) {
        unsigned space = n * 5 % SPACES;
        enter(space, space + 1, n >= SPACES ? KEEP : 0);
        data += window() != space;
        code += run() != space;
        ((volatile uint32_t *)WINDOW)[100] = n;
        written += ((uint32_t *)page[space])[100] != n;
    }
    check("data of each address space", data, 0);
    check("code of each address space", code, 0);
    check("stores into each address space", written, 0);
    /* The same PCID for another one, without bit 63. */
    data = 0;
    for (unsigned n = 0; n < 60; n++) {
        enter(n % SPACES, 7, 0);
        data += window() != n % SPACES || run() != n % SPACES;
    }
    check("one PCID, loaded without bit 63", data, 0);
}

/* Changes of the current address space are seen after INVLPG; of others after INVPCID, whatever has
 * been run meanwhile. */
static void types(void)
{
    unsigned wrong[4] = {0};

    for (unsigned n = 0; n < 40; n++)
        for (unsigned type = 0; type < 4; type++) {
            unsigned space = n % SPACES, from = (n + 1) % SPACES;
            for (unsigned k = 0; k < SPACES; k++) {
                map(k, k, 0);
                enter(k, k + 1, 0);
                window(), run();
            }
            enter(from, from + 1, KEEP);
            map(space, (space + 2) % SPACES, 0);
            invpcid(type, type < 2 ? space + 1 : 0, type ? 0 : WINDOW);
            wrong[type] += exc.vector != NONE;
            enter(space, space + 1, KEEP);
            wrong[type] += window() != (space + 2) % SPACES || run() != (space + 2) % SPACES;
            /* and of the one that is in use */
            map(space, space, 0);
            invpcid(type, type < 2 ? space + 1 : 0, type ? 0 : WINDOW);
            wrong[type] += window() != space || run() != space;
            map(space, (space + 1) % SPACES, 0);
            invlpg((void *)WINDOW);
            wrong[type] += window() != (space + 1) % SPACES;
            map(space, space, 0);
            invlpg((void *)WINDOW);
        }
    check("INVPCID of an address", wrong[0], 0);
    check("INVPCID of a PCID", wrong[1], 0);
    check("INVPCID of all with global pages", wrong[2], 0);
    check("INVPCID of all without them", wrong[3], 0);
}

/* Global translations are in every address space's; what ends them. */
static void global_pages(void)
{
    unsigned wrong = 0;

    write_cr4(read_cr4() | PGE);
    for (unsigned n = 0; n < 40; n++) {
        unsigned space = n % SPACES, to = (n + 1) % SPACES;
        enter(space, space + 1, 0);
        map(space, space, PTE_G);
        invlpg((void *)WINDOW);
        wrong += window() != space || run() != space;
        map(space, to, PTE_G);
        switch (n % 3) {
        case 0:
            invlpg((void *)WINDOW);
            break;
        case 1:
            invpcid(2, 0, 0);
            break;
        default:
            write_cr4(read_cr4() & ~PGE);
            write_cr4(read_cr4() | PGE);
        }
        wrong += window() != to || run() != to;
        map(space, space, 0);
        invlpg((void *)WINDOW);
    }
    check("global pages end by INVLPG, INVPCID type 2, CR4.PGE", wrong, 0);
    enter(0, 1, 0);
    map(0, 3, PTE_G);
    invlpg((void *)WINDOW);
    window();
    map(0, 4, PTE_G);
    write_cr4(read_cr4() & ~PCIDE);
    check("and by clearing CR4.PCIDE", window(), 4);
    write_cr3(boot_cr3);
    write_cr4((read_cr4() & ~PGE) | PCIDE);
}

/* ---- what INVPCID refuses ---- */

static void refused(void)
{
    static const uint64_t types[] = {4, 5, 8, 0xff, 1ull << 31, 1ull << 32, 1ull << 63};
    unsigned wrong = 0;

    for (unsigned n = 0; n < sizeof types / sizeof *types; n++) {
        invpcid(types[n], 0, 0);
        wrong += exc.vector != GP || exc.f.error;
    }
    check("#GP: types that there are not", wrong, 0);
    for (unsigned type = 0; type < 4; type++)
        for (unsigned bit = 12; bit < 64; bit++) {
            invpcid(type, 1ull << bit, 0);
            wrong += exc.vector != GP || exc.f.error;
        }
    check("#GP: reserved bits of the descriptor, of every type", wrong, 0);
    for (unsigned bit = 47; bit < 64; bit++) {
        invpcid(0, 1, 1ull << bit);
        wrong += exc.vector != GP || exc.f.error;
    }
    invpcid(0, 1, 0xffff800000000000);
    wrong += exc.vector != NONE;
    for (unsigned type = 1; type < 4; type++) {
        invpcid(type, 1, BAD);
        wrong += exc.vector != NONE;
    }
    check("#GP: an address that is not canonical, of type 0 only", wrong, 0);
    for (unsigned type = 0; type < 4; type++) {
        invpcid(type, 0xfff, 0);
        wrong += exc.vector != NONE;
    }
    check("any PCID", wrong, 0);
    write_cr3(boot_cr3);
    write_cr4(read_cr4() & ~PCIDE);
    for (unsigned type = 0; type < 4; type++) {
        invpcid(type, 1, 0);
        wrong += exc.vector != (type < 2 ? GP : NONE);
        invpcid(type, 0, 0);
        wrong += exc.vector != NONE;
    }
    check("#GP: a PCID without CR4.PCIDE, of types 0 and 1", wrong, 0);
    write_cr4(read_cr4() | PCIDE);
    TRY(".byte 0x66, 0x0f, 0x38, 0x82, 0xc8", ::: "memory");
    check_fault("#UD: INVPCID of a register", UD, 0);
    TRY(".byte 0xf0, 0x66, 0x0f, 0x38, 0x82, 0x08", ::"a"(page) : "memory");
    check_fault("#UD: LOCK INVPCID", UD, 0);
    map_window(8, page[0], 0);
    TRY("invpcid (%0), %1", ::"r"(WINDOW + 8 * 4096), "r"(2ul) : "memory");
    check_fault("#PF: its descriptor is absent", PF, 0);
    TRY("invpcid (%0), %1", ::"r"(BAD), "r"(2ul) : "memory");
    check_fault("#GP: its descriptor's address is not canonical", GP, 0);
}

static void in_ring_3(void)
{
    TRY("invpcid (%0), %1", ::"r"(user_page), "r"(2ul) : "memory");
}

void guest_main(void)
{
    uint32_t id[4], seven[4];

    cpuid(1, id);
    cpuid(7, seven);
    if (!(id[2] >> 17 & 1) || !(seven[1] >> 10 & 1)) {
        skip("PCIDs: CPUID has none");
        report(true, "nothing to try");
        return;
    }
    paging_on();
    boot_cr3 = read_cr3();
    for (unsigned n = 0; n < SPACES; n++)
        make_space(n);
    turning_on();
    apart();
    types();
    global_pages();
    refused();
    run_user(in_ring_3);
    check_fault("#GP: INVPCID in ring 3", GP, 0);
    write_cr3(boot_cr3);
    write_cr4(read_cr4() & ~PCIDE);
}
