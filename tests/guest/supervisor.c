/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What protects a supervisor: SMEP, SMAP, canonical addresses, bases of FS and GS, types of memory
 * in MSRs (SDM vol. 3A 4.6, 12.11, 12.12; vol. 2D, WRFSBASE). Pcids.c has its address spaces. */
#include "lib/rt.h"

#define SMEP (1ul << 20)
#define SMAP (1ul << 21)
#define AC   (1ul << 18)
static uint8_t page[2][4096] __attribute__((aligned(4096)));
#ifdef __x86_64__
extern uint64_t boot_pd[];
#endif

/* The runtime maps everything for ring 3, too: leaves it only the window. */
static void supervisor_map(bool only)
{
    word keep = only ? ~4ul : ~0ul, add = only ? 0 : 4;
#ifdef __x86_64__
    for (unsigned n = 0; n < 2048; n++)
        if (n != WINDOW >> 21)
            boot_pd[n] = (boot_pd[n] & keep) | add;
#else
    uint32_t *pd = (uint32_t *)read_cr3();
    for (unsigned n = 0; n < 1024; n++)
        if (n != WINDOW >> 22)
            pd[n] = (pd[n] & keep) | add;
#endif
    write_cr3(read_cr3());
}

/* The page holds JMP *(R)BX. */
#define GO_THERE TRY("mov" W " $992f, %%" R "bx\n\tjmp *%0\n992:", ::"a"(WINDOW) : R "bx", "memory")

static void smep(void)
{
    page[0][0] = 0xff, page[0][1] = 0xe3;
    map_window(0, page[0], PTE_P | PTE_W | PTE_U);
    GO_THERE;
    check_fault("without SMEP: fetch of a user page", NONE, 0);
    write_cr4(read_cr4() | SMEP);
    GO_THERE;
    check("SMEP: fetch of a user page", (unsigned)exc.vector, PF);
    check("SMEP: error code: P and I", exc.f.error, 0x11);
    check("SMEP: CR2", exc.cr2, WINDOW);
    TRY("movb (%0), %%al", ::"r"(WINDOW) : "eax", "memory");
    check_fault("SMEP: reads are allowed", NONE, 0);
    map_window(0, page[0], 0);
    GO_THERE;
    check("SMEP: I is reported of absent pages, too", exc.f.error, 0x10);
    map_window(0, page[0], PTE_P | PTE_W);
    GO_THERE;
    check_fault("SMEP: fetch of a supervisor page", NONE, 0);
    write_cr4(read_cr4() & ~SMEP);
}

/* A segment load whose descriptor is in an LDT on a user page. */
static void implicit(void)
{
    gdt[GDT_FREE] = descriptor(WINDOW, 0xff, 0x82, 0);
    gdt[GDT_FREE + 1] = 0;
    ((uint64_t *)page[0])[1] = gdt[SEL_DATA / 8];
    __asm__ volatile("lldt %w0" ::"r"(GDT_FREE * 8));
    TRY("mov %w0, %%fs", ::"r"(0xc) : "memory");
    check("SMAP: load of a descriptor on a user page", (unsigned)exc.vector, PF);
    TRY("stac\n\tmov %w0, %%fs\n\tclac", ::"r"(0xc) : "memory");
    __asm__ volatile("clac" ::: "memory");
    check("SMAP: AC does not help it", (unsigned)exc.vector, PF);
    check("SMAP: its error code", exc.f.error, 1);
    check("SMAP: its CR2", exc.cr2, WINDOW + 8);
    __asm__ volatile("lldt %w0" ::"r"(0));
}

/* STAC and CLAC so often that an engine knows the way. */
static void smap_often(void)
{
    unsigned faults = 0, wrong = 0;

    for (uint8_t n = 0; n < 60; n++) {
        uint8_t got;
        __asm__ volatile("stac\n\tmovb %1, (%2)\n\tmovb (%2), %0\n\tclac"
                         : "=&q"(got)
                         : "q"(n), "r"(WINDOW)
                         : "memory");
        wrong += got != n;
        TRY("movb (%0), %%al", ::"r"(WINDOW) : "eax", "memory");
        faults += exc.vector == PF;
        TRY("stac\n\tclac\n\tmovb %%al, (%0)", ::"r"(WINDOW) : "eax", "memory");
        faults += exc.vector == PF;
    }
    check("STAC, again and again", wrong, 0);
    check("CLAC, again and again", faults, 120);
}

static void smap(void)
{
    map_window(0, page[0], PTE_P | PTE_W | PTE_U);
    write_cr4(read_cr4() | SMAP);
    TRY("movb (%0), %%al", ::"r"(WINDOW) : "eax", "memory");
    check_fault("SMAP: read of a user page", PF, 1);
    TRY("movb %%al, (%0)", ::"r"(WINDOW) : "memory");
    check_fault("SMAP: write of a user page", PF, 3);
    TRY("stac\n\tmovb %%al, (%0)\n\tclac", ::"r"(WINDOW) : "memory");
    check_fault("SMAP: STAC allows it", NONE, 0);
    TRY("movb %%al, (%0)", ::"r"(WINDOW) : "memory");
    check_fault("SMAP: CLAC forbids it again", PF, 3);
    map_window(0, page[0], PTE_P | PTE_W);
    TRY("movb %%al, (%0)", ::"r"(WINDOW) : "memory");
    check_fault("SMAP: supervisor pages", NONE, 0);
    map_window(0, page[0], PTE_P | PTE_W | PTE_U);
    smap_often();
    implicit();
    write_cr4(read_cr4() & ~SMAP);
    TRY("movb %%al, (%0)", ::"r"(WINDOW) : "memory");
    check_fault("without SMAP", NONE, 0);
}

/* ---- MSRs ---- */

static bool refused(uint32_t msr, uint64_t v)
{
    TRY("wrmsr", ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
    return exc.vector == GP && exc.f.error == 0;
}

static void memory_types(void)
{
    uint64_t pat = rdmsr(0x277), def = rdmsr(0x2ff), base = rdmsr(0x200);
    unsigned bad = 0;

    for (unsigned t = 0; t < 256; t++)
        bad += refused(0x277, t << 16) != (t == 2 || t == 3 || t > 7);
    check("PAT takes types 0, 1, 4-7", bad, 0);
    report(refused(0x277, 3ull << 56), "PAT: its last entry");
    wrmsr(0x277, 0x0706050400010607);
    check("PAT: what was written", rdmsr(0x277), 0x0706050400010607);
    wrmsr(0x277, pat);
    check("MTRR_CAP: 8 ranges, fixed, WC", rdmsr(0xfe) & 0x5ff, 0x508);
    report(refused(0xfe, 0), "#GP: MTRR_CAP is read-only");
    report(refused(0x2ff, (def & ~0xffull) | 2), "#GP: default type 2");
    report(refused(0x2ff, def | 1 << 8), "#GP: reserved bit of the default type");
    report(refused(0x200, 7), "#GP: a range of type 7");
    report(refused(0x200, 0x100), "#GP: reserved bit of a base");
    report(refused(0x201, 0x400), "#GP: reserved bit of a mask");
    report(refused(0x201, 1ull << 60), "#GP: address bit of a mask");
    report(!refused(0x201, 0xfff00800), "a mask");
    wrmsr(0x201, 0);
    wrmsr(0x200, base);
    report(refused(0x250, 0x0606060606060306), "#GP: a fixed range of type 3");
    report(!refused(0x250, rdmsr(0x250)), "a fixed range");
    report(refused(0x1b, 0x1234567800000000), "#GP: reserved address bits of APIC_BASE");
}

#ifdef __x86_64__

#define BAD 0x0000800000000000ull

static void canonical(void)
{
    static const struct {
        const char *name;
        uint32_t msr;
    } rows[] = {
        {"#GP: FS_BASE", 0xc0000100},        {"#GP: GS_BASE", 0xc0000101},
        {"#GP: KERNEL_GS_BASE", 0xc0000102}, {"#GP: LSTAR", 0xc0000082},
        {"#GP: CSTAR", 0xc0000083},          {"#GP: SYSENTER_ESP", 0x175},
        {"#GP: SYSENTER_EIP", 0x176},
    };

    for (unsigned n = 0; n < sizeof rows / sizeof *rows; n++)
        report(refused(rows[n].msr, BAD), rows[n].name);
    write_cr4(read_cr4() | 1 << 16);
    TRY("wrfsbase %0", ::"r"(BAD) : "memory");
    check_fault("#GP: WRFSBASE", GP, 0);
    TRY("wrgsbase %0", ::"r"(BAD) : "memory");
    check_fault("#GP: WRGSBASE", GP, 0);
    TRY("wrgsbase %k0", ::"r"(0xffffffff) : "memory");
    check_fault("WRGSBASE of 32 bits", NONE, 0);
    TRY("invlpg (%0)", ::"r"(BAD) : "memory");
    check_fault("INVLPG takes any address", NONE, 0);
    TRY("mov (%0), %%rax", ::"r"(BAD - 4) : "rax", "memory");
    check_fault("#GP: a quadword that ends behind the last address", GP, 0);
}

/* RDFSBASE and the others, again and again; what the base is for. */
static void bases(void)
{
    static word cells[70];
    unsigned wrong = 0, faults = 0;
    word gs = rdmsr(0xc0000101), cr4 = read_cr4();

    write_cr4(cr4 & ~(1ul << 16));
    TRY("rdfsbase %%rax", ::: "rax", "memory");
    check_fault("#UD: RDFSBASE without CR4.FSGSBASE", UD, 0);
    write_cr4(read_cr4() | 1 << 16);
    for (word n = 0; n < 60; n++) {
        word fs, low, through;
        cells[n] = n * 3;
        __asm__ volatile("wrfsbase %3\n\twrgsbase %4\n\trdfsbase %0\n\trdgsbase %k1\n\t"
                         "mov %%fs:0, %2"
                         : "=&r"(fs), "=&r"(low), "=&r"(through)
                         : "r"(&cells[n]), "r"(n << 32 | (n + 1)));
        wrong += fs != (word)&cells[n] || low != n + 1 || through != n * 3 ||
                 rdmsr(0xc0000100) != fs || rdmsr(0xc0000101) != (n << 32 | (n + 1));
        __asm__ volatile("wrfsbase %k0" ::"r"(n << 40 | n));
        wrong += rdmsr(0xc0000100) != n;
        TRY("wrfsbase %0", ::"r"(n << 50 | 1ul << 49) : "memory");
        faults += exc.vector == GP;
        wrong += rdmsr(0xc0000100) != n;
    }
    check("FS and GS bases", wrong, 0);
    check("#GP: WRFSBASE of what is not canonical", faults, 60);
    wrmsr(0xc0000100, 0);
    wrmsr(0xc0000101, gs);
    write_cr4(cr4 & ~(1ul << 16));
    TRY("wrgsbase %%rax", ::: "rax", "memory");
    check_fault("#UD: WRGSBASE without CR4.FSGSBASE", UD, 0);
    write_cr4(cr4);
}

static void sixty_four(void)
{
    uint32_t seven[4];

    canonical();
    cpuid(7, seven);
    if (seven[1] & 1)
        bases();
}
#else
/* 4 MiB pages above 4 GiB. */
static void sixty_four(void)
{
    uint32_t *pd = (uint32_t *)read_cr3(), id[4];
    unsigned at = (WINDOW >> 22) + 1, bits;

    cpuid(0x80000008, id);
    bits = id[0] & 0xff;
    pd[at] = 1u << (bits < 40 ? bits - 32 + 13 : 21) | 0x87;
    invlpg((void *)(at << 22));
    TRY("movb (%0), %%al", ::"r"(at << 22) : "eax", "memory");
    check("PSE-36: an address bit that is not there", exc.vector == PF ? exc.f.error & 8 : 0, 8);
    pd[at] = 1u << (bits < 40 ? bits - 33 + 13 : 20) | 0x87;
    invlpg((void *)(at << 22));
    TRY("movb (%0), %%al", ::"r"(at << 22) : "eax", "memory");
    check_fault("PSE-36: the highest that is there", NONE, 0);
    pd[at] = 1u << 13 | 0x87; /* physical 4 GiB, not 0 */
    invlpg((void *)(at << 22));
    report(memcmp((void *)(at << 22 | (uint32_t)gdt), gdt, 64) != 0, "PSE-36: another address");
}
#endif

void guest_main(void)
{
    uint32_t id[4];

    paging_on();
    cpuid(7, id);
    supervisor_map(true);
    if (id[1] >> 7 & 1)
        smep();
    else
        skip("SMEP: CPUID has none");
    if (id[1] >> 20 & 1)
        smap();
    else
        skip("SMAP: CPUID has none");
    supervisor_map(false);
    memory_types();
    sixty_four();
}
