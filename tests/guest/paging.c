/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paging corner cases (SDM vol. 3A chapter 4), in all three modes: the 32-bit program runs 32-bit
 * and PAE paging, the 64-bit program 4-level paging. The same checks run in each. */
#include "lib/rt.h"

/* How the mode's tables look: levels, index bits a level, entries of 8 bytes. */
static struct mode {
    const char *name;
    int levels, bits;
    bool wide;
} mode;

enum { TEST = 0xc0000000u }; /* the range the checks play with: 4 MiB from here */
#define BASE ((word)TEST)
#define RSVD (1ull << 51)
#define NX   (1ull << 63)
static uint64_t pool[16][512] __attribute__((aligned(4096)));
static unsigned pool_used;
static uint64_t *root;
static uint8_t pages[4][4096] __attribute__((aligned(4096)));

static uint64_t get(void *table, unsigned i)
{
    return mode.wide ? ((uint64_t *)table)[i] : ((uint32_t *)table)[i];
}

static void set(void *table, unsigned i, uint64_t v)
{
    if (mode.wide)
        ((uint64_t *)table)[i] = v;
    else
        ((uint32_t *)table)[i] = (uint32_t)v;
}

static unsigned index_of(word va, int level)
{
    return (unsigned)(va >> (12 + mode.bits * (level - 1))) & ((1u << mode.bits) - 1);
}

/* The table of `level` (1: page table) that maps va, made if missing. */
static void *table_of(word va, int level)
{
    void *t = root;
    for (int l = mode.levels; l > level; l--) {
        unsigned i = index_of(va, l);
        if (!(get(t, i) & PTE_P)) {
            uint64_t *n = pool[pool_used++];
            memset(n, 0, 4096);
            set(t, i, (word)n | (mode.levels == 3 && l == 3 ? 1 : 7));
        }
        t = (void *)(word)(get(t, i) & 0xfffff000);
    }
    return t;
}

static uint64_t entry(word va, int level)
{
    return get(table_of(va, level), index_of(va, level));
}

static void map(word va, int level, uint64_t e)
{
    set(table_of(va, level), index_of(va, level), e);
    write_cr3(read_cr3());
}

static void map_page(word va, void *page, uint64_t flags)
{
    map(va, 1, (word)page | flags);
}

static void build(void)
{
    pool_used = 0;
    root = pool[pool_used++];
    memset(root, 0, 4096);
    unsigned large = mode.wide ? 21 : 22;
    for (word va = 0; va < 0x1000000; va += 1ul << large)
        set(table_of(va, 2), index_of(va, 2), va | 0x87);
    table_of(BASE, 1);
}

/* ---- accesses, recorded in exc; in ring 0 or ring 3 ---- */
enum access { READ, WRITE, FETCH };
static enum access what;
static word where;

static void do_access(void)
{
    word a = where;
    if (what == READ)
        TRY("mov (%0), %%eax", ::"r"(a) : "eax", "memory");
    else if (what == WRITE)
        TRY("movl $0x12345678, (%0)", ::"r"(a) : "memory");
    else /* the page holds JMP *(R)BX */
        TRY("mov" W " $992f, %%" R "bx\n\tjmp *%0\n\t992:", ::"a"(a) : R "bx", "memory");
}

static char name_buffer[96];
static const char *name_of(const char *s)
{
    char *p = name_buffer;
    for (const char *q = mode.name; *q;)
        *p++ = *q++;
    *p++ = ':';
    *p++ = ' ';
    while (*s)
        *p++ = *s++;
    *p = 0;
    return name_buffer;
}

/* error: of the expected #PF, or NONE. */
static void expect(const char *name, bool user, enum access kind, word va, int error)
{
    what = kind;
    where = va;
    if (user)
        run_user(do_access);
    else
        do_access();
    word got = exc.vector == PF ? exc.f.error : exc.vector == NONE ? (word)NONE : 0x1000;
    check(name_of(name), got, (word)error);
    if (error != NONE && exc.vector == PF && exc.cr2 != va)
        check(name_of("CR2 of the check above"), exc.cr2, va);
}

/* ---- the checks ---- */
static void permissions(void)
{
    int id = mode.wide ? 16 : 0; /* I/D is reported with NXE only (here: where it exists) */
    enum { K = false, U = true };
    pages[0][0] = 0xff, pages[0][1] = 0xe3;
    map_page(BASE, pages[0], 0);
    expect("absent, read", K, READ, BASE, 0);
    expect("absent, write", K, WRITE, BASE, 2);
    expect("absent, fetch", K, FETCH, BASE, id);
    expect("absent, user read", U, READ, BASE, 4);
    expect("absent, user write", U, WRITE, BASE + 8, 6);
    expect("absent, user fetch", U, FETCH, BASE, 4 + id);

    map_page(BASE, pages[0], PTE_P | PTE_U);
    expect("read-only, read", U, READ, BASE, NONE);
    expect("read-only, user write", U, WRITE, BASE + 8, 7);
    expect("read-only, user fetch", U, FETCH, BASE, NONE);
    expect("read-only, supervisor write, WP=0", K, WRITE, BASE + 8, NONE);
    write_cr0(read_cr0() | 1 << 16);
    expect("read-only, supervisor write, WP=1", K, WRITE, BASE + 8, 3);
    write_cr0(read_cr0() & ~(1ul << 16));
    expect("read-only, supervisor write, WP=0 again", K, WRITE, BASE + 8, NONE);

    map_page(BASE, pages[0], PTE_P | PTE_W);
    expect("supervisor page, user read", U, READ, BASE, 5);
    expect("supervisor page, user write", U, WRITE, BASE, 7);
    expect("supervisor page, user fetch", U, FETCH, BASE, 5 + id);
    expect("supervisor page, write", K, WRITE, BASE + 8, NONE);
    expect("supervisor page, fetch", K, FETCH, BASE, NONE);

    /* The levels are combined. */
    map_page(BASE, pages[0], 7);
    uint64_t upper = entry(BASE, 2);
    map(BASE, 2, upper & ~2ull);
    expect("read-only by the directory, user write", U, WRITE, BASE + 8, 7);
    map(BASE, 2, upper & ~4ull);
    expect("supervisor by the directory, user read", U, READ, BASE, 5);
    map(BASE, 2, upper);
    expect("directory open again", U, WRITE, BASE + 8, NONE);
    map(BASE, 2, upper & ~1ull);
    expect("directory entry absent", K, WRITE, BASE + 8, 2);
    map(BASE, 2, upper);

    if (mode.wide) {
        map_page(BASE, pages[0], 7 | NX);
        expect("NX, read", U, READ, BASE, NONE);
        expect("NX, fetch", K, FETCH, BASE, 0x11);
        expect("NX, user fetch", U, FETCH, BASE, 0x15);
        map_page(BASE, pages[0], 7);
        map(BASE, 2, upper | NX);
        expect("NX by the directory, fetch", U, FETCH, BASE, 0x15);
        map(BASE, 2, upper);
        expect("NX gone, fetch", U, FETCH, BASE, NONE);
        map_page(BASE, pages[0], 7 | RSVD);
        expect("reserved bit, read", K, READ, BASE, 9);
        expect("reserved bit, user write", U, WRITE, BASE, 0xf);
        map_page(BASE, pages[0], 6 | RSVD);
        expect("reserved bit of an absent entry", K, READ, BASE, 0);
        map_page(BASE, pages[0], 7);
        map(BASE, 2, upper | RSVD);
        expect("reserved bit in the directory", K, READ, BASE, 9);
        map(BASE, 2, upper);
        uint64_t efer = rdmsr(0xc0000080);
        map_page(BASE, pages[0], 7 | NX);
        wrmsr(0xc0000080, efer & ~0x800ull);
        write_cr3(read_cr3());
        expect("bit 63 without NXE is reserved", K, READ, BASE, 9);
        map_page(BASE, pages[0], 0);
        expect("no I/D in the error code without NXE", K, FETCH, BASE, 0);
        wrmsr(0xc0000080, efer);
        write_cr3(read_cr3());
    }
}

static void accessed_dirty(void)
{
    uint64_t both = PTE_A | PTE_D;
    uint64_t upper = entry(BASE, 2);
    map_page(BASE, pages[0], 7);
    map(BASE, 2, upper & ~(uint64_t)PTE_A);
    expect("A: read", false, READ, BASE, NONE);
    check(name_of("read sets A, not D"), entry(BASE, 1) & both, PTE_A);
    check(name_of("read sets A in the directory"), entry(BASE, 2) & PTE_A, PTE_A);
    expect("D: write after read", false, WRITE, BASE, NONE);
    check(name_of("write after a read sets D"), entry(BASE, 1) & both, both);
    map_page(BASE, pages[0], 7);
    expect("D: first write", false, WRITE, BASE, NONE);
    check(name_of("first write sets A and D"), entry(BASE, 1) & both, both);
    map_page(BASE, pages[0], 5);
    expect("D: refused write", true, WRITE, BASE, 7);
    check(name_of("refused write sets no D"), entry(BASE, 1) & PTE_D, 0);
    map_page(BASE, pages[0], 7);
    pages[0][0] = 0xff, pages[0][1] = 0xe3;
    expect("A: fetch", false, FETCH, BASE, NONE);
    check(name_of("fetch sets A, not D"), entry(BASE, 1) & both, PTE_A);
    map_page(BASE, pages[0], 7);
    TRY("lock cmpxchgl %%ecx, (%0)", ::"r"(BASE), "a"(0x55), "c"(0) : "memory");
    check(name_of("failed CMPXCHG sets D"), entry(BASE, 1) & both, both);
}

static void crossing(void)
{
    word edge = BASE + 4096;
    uint32_t v;
    map_page(BASE, pages[0], 7);
    map_page(edge, pages[2], 7);
    memset(pages, 0, sizeof pages);
    __asm__ volatile("movl $0x44332211, (%0)" ::"r"(edge - 2) : "memory");
    check(name_of("crossing write, low part"), *(uint16_t *)(pages[0] + 4094), 0x2211);
    check(name_of("crossing write, high part"), *(uint16_t *)pages[2], 0x4433);
    check(name_of("crossing write leaves the neighbour in memory"), *(uint16_t *)pages[1], 0);
    __asm__ volatile("mov (%1), %0" : "=r"(v) : "r"(edge - 2) : "memory");
    check(name_of("crossing read"), v, 0x44332211);
    __asm__ volatile("lock addl $1, (%0)" ::"r"(edge - 2) : "memory");
    check(name_of("crossing locked add"), *(uint16_t *)(pages[0] + 4094), 0x2212);
    map_page(edge, pages[2], 0);
    what = WRITE;
    where = edge - 2;
    do_access();
    check(name_of("crossing into an absent page: error code"), exc.f.error, 2);
    check(name_of("crossing into an absent page: CR2"), exc.cr2, edge);
    check(name_of("crossing into an absent page: nothing written"), *(uint16_t *)(pages[0] + 4094),
          0x2212);
    map_page(edge, pages[2], 7);
    map_page(BASE, pages[0], 0);
    do_access();
    check(name_of("crossing from an absent page: CR2"), exc.cr2, edge - 2);
    map_page(BASE, pages[0], 7);
    map_page(edge, pages[2], 5);
    run_user(do_access);
    check(name_of("crossing into a read-only page: error code"), exc.f.error, 7);
    check(name_of("crossing into a read-only page: CR2"), exc.cr2, edge);
    /* An instruction that crosses: JMP *(R)BX with its second byte behind the edge. */
    pages[0][4095] = 0xff, pages[2][0] = 0xe3;
    expect("crossing fetch", false, FETCH, edge - 1, NONE);
    map_page(edge, pages[2], 0);
    what = FETCH;
    where = edge - 1;
    do_access();
    check(name_of("crossing fetch: IP is the instruction"), exc.f.ip, edge - 1);
    check(name_of("crossing fetch: CR2 is the absent page"), exc.cr2, edge);
}

static uint32_t read32(word va)
{
    return *(volatile uint32_t *)va;
}

static void translation_cache(void)
{
    void *pt = table_of(BASE, 1);
    unsigned i = index_of(BASE, 1);
    *(uint32_t *)pages[0] = 0xaaaa, *(uint32_t *)pages[1] = 0xbbbb;
    map_page(BASE, pages[0], 7);
    read32(BASE);
    set(pt, i, (word)pages[1] | 7);
    invlpg((void *)BASE);
    check(name_of("INVLPG"), read32(BASE), 0xbbbb);
    set(pt, i, (word)pages[0] | 7);
    invlpg((void *)(BASE + 4095));
    check(name_of("INVLPG by another address of the page"), read32(BASE), 0xaaaa);
    set(pt, i, (word)pages[1] | 7);
    write_cr3(read_cr3());
    check(name_of("CR3 write"), read32(BASE), 0xbbbb);
    set(pt, i, 0);
    invlpg((void *)BASE);
    expect("INVLPG of a page taken away", false, READ, BASE, 0);
    set(pt, i, (word)pages[0] | 7);
    check(name_of("an absent entry is not cached"), read32(BASE), 0xaaaa);

    write_cr4(read_cr4() | 0x80);
    set(pt, i, (word)pages[0] | 7 | PTE_G);
    invlpg((void *)BASE);
    read32(BASE);
    set(pt, i, (word)pages[1] | 7 | PTE_G);
    invlpg((void *)BASE);
    check(name_of("INVLPG of a global page"), read32(BASE), 0xbbbb);
    set(pt, i, (word)pages[0] | 7 | PTE_G);
    write_cr4(read_cr4() & ~0x80ul);
    check(name_of("clearing PGE drops global pages"), read32(BASE), 0xaaaa);
}

/* Code that returns a number, called so often that an engine may keep what it knows of the page. */
static uint32_t call_often(word va)
{
    uint32_t v = 0;
    for (unsigned n = 0; n < 40; n++)
        v = ((uint32_t(*)(void))va)();
    return v;
}

static void code_returning(uint8_t *page, uint32_t v)
{
    page[0] = 0xb8; /* mov $v, %eax; ret */
    memcpy(page + 1, &v, 4);
    page[5] = 0xc3;
}

/* The translations that fetches use go when those of data do. */
static void code_translations(void)
{
    void *pt = table_of(BASE, 1);
    unsigned i = index_of(BASE, 1), shift = mode.wide ? 21 : 22;
    word size = 1ul << shift, va = BASE + size, at = (word)pages[2] & (size - 1);
    code_returning(pages[0], 0xc0de0);
    code_returning(pages[1], 0xc0de1);
    code_returning(pages[2], 0xc0de2);
    map_page(BASE, pages[0], 7);
    check(name_of("code"), call_often(BASE), 0xc0de0);
    set(pt, i, (word)pages[1] | 7);
    write_cr3(read_cr3());
    check(name_of("code after CR3 write"), call_often(BASE), 0xc0de1);
    set(pt, i, (word)pages[0] | 7);
    invlpg((void *)(BASE + 5));
    check(name_of("code after INVLPG"), call_often(BASE), 0xc0de0);
    write_cr4(read_cr4() | 0x80);
    set(pt, i, (word)pages[1] | 7 | PTE_G);
    invlpg((void *)BASE);
    check(name_of("global code"), call_often(BASE), 0xc0de1);
    write_cr3(read_cr3());
    check(name_of("global code, unchanged, after CR3 write"), call_often(BASE), 0xc0de1);
    set(pt, i, (word)pages[0] | 7);
    invlpg((void *)BASE);
    check(name_of("global code after INVLPG"), call_often(BASE), 0xc0de0);
    set(pt, i, (word)pages[1] | 7);
    write_cr3(read_cr3());
    check(name_of("code that was global after CR3 write"), call_often(BASE), 0xc0de1);
    set(pt, i, (word)pages[1] | 7 | PTE_G);
    invlpg((void *)BASE);
    call_often(BASE);
    set(pt, i, (word)pages[0] | 7);
    write_cr4(read_cr4() & ~0x80ul);
    check(name_of("clearing PGE drops global code"), call_often(BASE), 0xc0de0);
    map(va, 2, ((word)pages[2] & ~(size - 1)) | 7 | PTE_PS);
    check(name_of("code in a large page"), call_often(va + at), 0xc0de2);
    static uint64_t split[512] __attribute__((aligned(4096)));
    memset(split, 0, sizeof split);
    set(split, index_of(va + at, 1), (word)pages[0] | 7);
    set(table_of(va, 2), index_of(va, 2), (word)split | 7);
    invlpg((void *)(va + (at ^ 0x1000))); /* another piece of it */
    check(name_of("code in a large page split"), call_often(va + at), 0xc0de0);
    map(va, 2, 0);
}

static void large_pages(void)
{
    unsigned shift = mode.wide ? 21 : 22;
    word size = 1ul << shift;
    word va = BASE + size;
    uint8_t *target = pages[3];
    word offset = (word)target & (size - 1), frame = (word)target & ~(size - 1);
    *(uint32_t *)target = 0x600dcafe;
    map(va, 2, frame | 7 | PTE_PS);
    check(name_of("large page, read"), read32(va + offset), 0x600dcafe);
    check(name_of("large page, read sets A, not D"), entry(va, 2) & 0x60, PTE_A);
    *(volatile uint32_t *)(va + offset + 4) = 0x1234;
    check(name_of("large page, write"), *(uint32_t *)(target + 4), 0x1234);
    check(name_of("large page, write sets D"), entry(va, 2) & 0x60, PTE_A | PTE_D);
    map(va, 2, frame | 5 | PTE_PS);
    expect("large page, read-only, user write", true, WRITE, va + offset, 7);
    map(va, 2, frame | 7 | PTE_PS | (mode.wide ? 1 << 13 : 1 << 21));
    expect("large page, reserved address bit", false, READ, va + offset, 9);
    /* Split into small pages and joined again. */
    map(va, 2, frame | 7 | PTE_PS);
    read32(va + offset);
    static uint64_t split[512] __attribute__((aligned(4096)));
    memset(split, 0, sizeof split);
    set(split, index_of(va + offset, 1), (word)pages[2] | 7);
    *(uint32_t *)pages[2] = 0x5eed;
    map(va, 2, (word)split | 7);
    check(name_of("large page split"), read32(va + offset), 0x5eed);
    map(va, 2, frame | 7 | PTE_PS);
    check(name_of("large page joined"), read32(va + offset), 0x600dcafe);
    map(va, 2, 0);
    uint32_t id[4];
    cpuid(0x80000001, id);
    if (mode.levels == 4 && id[3] >> 26 & 1) {
        word giant = BASE + (1ul << 30);
        map(giant, 3, 7 | PTE_PS);
        check(name_of("1 GiB page, read"), read32(giant + (word)target), 0x600dcafe);
        map(giant, 3, 7 | PTE_PS | 1 << 13);
        expect("1 GiB page, reserved address bit", false, READ, giant, 9);
        map(giant, 3, 0);
    } else if (mode.levels == 4) {
        skip("1 GiB pages: CPUID has none");
    }
}

/* Two address spaces that map BASE to different pages and share a global page. */
static void address_spaces(void)
{
    static uint64_t second_root[512] __attribute__((aligned(4096)));
    static uint64_t tables[3][512] __attribute__((aligned(4096)));
    word cr3 = read_cr3();
    memset(pages, 0, sizeof pages);
    *(uint32_t *)pages[0] = 1, *(uint32_t *)pages[1] = 2, *(uint32_t *)pages[2] = 3;
    map_page(BASE, pages[0], 7);
    map_page(BASE + 4096, pages[2], 7 | PTE_G);
    /* Copies of the tables on the way to BASE. */
    void *from = root, *to = second_root;
    for (int l = mode.levels; l >= 1; l--) {
        memcpy(to, from, 4096);
        if (l > 1) {
            unsigned i = index_of(BASE, l);
            set(to, i, (get(to, i) & 0xfff) | (word)tables[l - 2]);
            from = (void *)(word)(get(from, i) & 0xfffff000);
            to = tables[l - 2];
        }
    }
    set(tables[0], index_of(BASE, 1), (word)pages[1] | 7);
    write_cr4(read_cr4() | 0x80);
    bool ok = true, global = true;
    for (int n = 0; n < 100; n++) {
        write_cr3((word)second_root);
        ok &= read32(BASE) == 2;
        global &= read32(BASE + 4096) == 3;
        write_cr3(cr3);
        ok &= read32(BASE) == 1;
        global &= read32(BASE + 4096) == 3;
    }
    report(ok, name_of("CR3 switch between two address spaces"));
    report(global, name_of("global page in both"));
    write_cr4(read_cr4() & ~0x80ul);
}

static void run(struct mode m)
{
    mode = m;
    build();
    if (m.levels == 3)
        write_cr4(read_cr4() | 0x20);
    if (m.levels == 2)
        write_cr4(read_cr4() | 0x10);
    if (m.wide)
        wrmsr(0xc0000080, rdmsr(0xc0000080) | 0x800);
    write_cr3((word)root);
    write_cr0(read_cr0() | 0x80000000);
    permissions();
    accessed_dirty();
    crossing();
    translation_cache();
    code_translations();
    large_pages();
    address_spaces();
#ifndef __x86_64__
    write_cr0(read_cr0() & 0x7fffffff);
#endif
}

void guest_main(void)
{
#ifdef __x86_64__
    run((struct mode){"4-level", 4, 9, true});
#else
    run((struct mode){"32-bit", 2, 10, false});
    run((struct mode){"PAE", 3, 9, true});
#endif
}
