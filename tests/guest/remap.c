/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changes under running code, other than by its own stores: the translation of the page it is
 * on (SDM vol. 3A 4.10.4, 11.6), A20, and its bytes by what the processor itself writes: exception
 * frames, accessed flags of page tables and descriptors. And what a page walk must not touch. */
#include "lib/rt.h"

enum { HOT = 200, WP = 1 << 16 };
enum { LEVELS = sizeof(word) == 8 ? 4 : 2, INDEX_BITS = sizeof(word) == 8 ? 9 : 10 };

static uint8_t page[4][4096] __attribute__((aligned(4096)));
static word second[LEVELS][4096 / sizeof(word)] __attribute__((aligned(4096)));
static word *table; /* the window's page table */

static unsigned index_of(word va, unsigned level)
{
    return va >> (12 + INDEX_BITS * (level - 1)) & ((1u << INDEX_BITS) - 1);
}

static word *entry(unsigned n)
{
    return &table[index_of(WINDOW + 4096ul * n, 1)];
}

static void find_table(void)
{
    table = (word *)(read_cr3() & ~0xffful);
    for (unsigned level = LEVELS; level > 1; level--)
        table = (word *)(table[index_of(WINDOW, level)] & 0xfffff000);
}

/* A copy of all tables on the way to the window; returns its root. */
static word copy_tables(void)
{
    word *from = (word *)(read_cr3() & ~0xffful);
    for (unsigned level = LEVELS; level >= 1; level--) {
        word *to = second[level - 1];
        memcpy(to, from, 4096);
        if (level > 1) {
            unsigned i = index_of(WINDOW, level);
            from = (word *)(to[i] & 0xfffff000);
            to[i] = (to[i] & 0xfff) | (word)second[level - 2];
        }
    }
    return (word)second[LEVELS - 1];
}

static uint32_t call(const void *p, word a, word c, word d)
{
    word v;
    __asm__ volatile("call *%[p]"
                     : "=a"(v), "+c"(c), "+d"(d)
                     : [p] "D"(p), "a"(a), "S"(entry(0))
                     : R "bx", "memory", "cc");
    return (uint32_t)v;
}

/* The bytes, then MOV EAX, result; RET. */
static void put(uint8_t *p, const void *bytes, unsigned len, uint8_t result)
{
    const uint8_t end[] = {0xb8, result, 0, 0, 0, 0xc3};
    memcpy(p, bytes, len);
    memcpy(p + len, end, sizeof(end));
}

/* ---- the running page becomes another ---- */

static void by_cr3(void)
{
    static const uint8_t mov_cr3[] = {0x0f, 0x22, 0xd8}; /* from EAX */
    word first = read_cr3(), other;
    uint32_t wrong = 0;
    put(page[0] + 64, mov_cr3, sizeof(mov_cr3), 1);
    put(page[1] + 64, mov_cr3, sizeof(mov_cr3), 2);
    map_window(0, page[0], PTE_P | PTE_W);
    other = copy_tables();
    second[0][index_of(WINDOW, 1)] = (word)page[1] | PTE_P | PTE_W;
    for (unsigned i = 0; i < HOT; i++) {
        wrong += call((void *)(WINDOW + 64), other, 0, 0) != 2;
        wrong += call((void *)(WINDOW + 64), first, 0, 0) != 1;
    }
    check("MOV CR3 maps another page where it runs", wrong, 0);
}

static void by_invlpg(void)
{
    /* MOV [ESI], ECX; INVLPG [EDX] */
#ifdef __x86_64__
    static const uint8_t code[] = {0x48, 0x89, 0x0e, 0x0f, 0x01, 0x3a};
#else
    static const uint8_t code[] = {0x89, 0x0e, 0x0f, 0x01, 0x3a};
#endif
    uint32_t wrong = 0;
    put(page[0] + 64, code, sizeof(code), 1);
    put(page[1] + 64, code, sizeof(code), 2);
    map_window(0, page[0], PTE_P | PTE_W);
    for (unsigned i = 0; i < HOT; i++) {
        word to = (word)page[~i & 1] | PTE_P | PTE_W;
        wrong += call((void *)(WINDOW + 64), 0, to, WINDOW + 4000) != 2 - (i & 1);
    }
    check("INVLPG maps another page where it runs", wrong, 0);
}

static void by_cr0(void)
{
    word cr0 = read_cr0() & ~(word)WP;
    uint32_t faults = 0, bad = 0;
    map_window(1, page[2], PTE_P);
    for (unsigned i = 0; i < HOT; i++) {
        write_cr0(i & 1 ? cr0 | WP : cr0);
        TRY("mov" W " %0, %%cr0\n\tmov" W " %1, (%2)", ::"r"(i & 1 ? cr0 : cr0 | WP), "r"((word)i),
            "r"(WINDOW + 4096)
            : "memory");
        faults += exc.vector == PF && exc.f.error == 3;
        bad += *(volatile word *)page[2] != (i & 1 ? i : i ? i - 1 : 0);
    }
    write_cr0(cr0);
    check("CR0.WP counts for the next store", faults, HOT / 2);
    check("... without it read-only pages are written", bad, 0);
}

#ifndef __x86_64__
/* Without paging, as the tables may be on odd MiB themselves; nothing else is accessed while A20 is
 * masked. */
static void by_a20(void)
{
    /* The keyboard controller's output port: MOV AL, D1h; OUT 64h, AL; MOV AL, DDh; OUT 60h, AL;
     * MOV EBX, n; MOV AL, D1h; OUT 64h, AL; MOV AL, DFh; OUT 60h, AL; MOV EAX, EBX; RET */
    static const uint8_t code[] = {0xb0, 0xd1, 0xe6, 0x64, 0xb0, 0xdd, 0xe6, 0x60,
                                   0xbb, 1,    0,    0,    0,    0xb0, 0xd1, 0xe6,
                                   0x64, 0xb0, 0xdf, 0xe6, 0x60, 0x89, 0xd8, 0xc3};
    uint8_t *odd = (uint8_t *)0x700040, *even = (uint8_t *)0x600040;
    uint32_t wrong = 0, v;
    memcpy(odd, code, sizeof(code));
    memcpy(even, code, sizeof(code));
    for (unsigned i = 0; i < HOT; i++) {
        even[9] = (uint8_t)(2 + i / 16);
        __asm__ volatile("call *%1" : "=a"(v) : "r"(odd) : "ebx", "memory");
        wrong += v != 2 + i / 16;
    }
    check("A20 masked by the code before", wrong, 0);
}
#endif

/* ---- the processor writes to code ---- */

static unsigned interrupts;

static void count(struct frame *f)
{
    (void)f;
    interrupts++;
}

/* ADD EAX, EAX; RET, whose first byte is the highest of a frame: 0 makes it ADD AL, AL. */
static void by_frames(void)
{
    uint8_t *sp = page[0] + 512;
    uint32_t wrong = 0;
    handlers[0x30] = count;
    for (unsigned i = 0; i < HOT; i++) {
        sp[-1] = 0x01, sp[0] = 0xc0, sp[1] = 0xc3;
        wrong += call(sp - 1, 0x180, 0, 0) != 0x300;
        wrong += call(sp - 1, 0x180, 0, 0) != 0x300;
        __asm__ volatile("mov" W " %%" R "sp, %%" R "bx\n\tmov" W " %0, %%" R "sp\n\tint $0x30\n\t"
                         "mov" W " %%" R "bx, %%" R "sp" ::"r"(sp)
                         : R "bx", "memory");
        wrong += call(sp - 1, 0x180, 0, 0) != 0x100;
    }
    check("a frame is pushed over code", wrong, 0);
    check("... by an interrupt", interrupts, HOT);
}

/* A PTE that is ADD EAX, EAX; NOP; RET, and with the A flag AND EAX, EAX. What it maps is no RAM.
 */
static void by_walks(void)
{
    uint32_t wrong = 0;
    for (unsigned i = 0; i < HOT; i++) {
        *(volatile word *)entry(2) = 0xc390c003;
        invlpg((void *)(WINDOW + 8192));
        wrong += call(entry(2), 3, 0, 0) != 6;
        wrong += call(entry(2), 3, 0, 0) != 6;
        *(volatile uint32_t *)(WINDOW + 8192);
        wrong += call(entry(2), 3, 0, 0) != 3;
    }
    check("a page walk sets A in code", wrong, 0);
    map_window(2, 0, 0);
}

/* A descriptor whose access byte is XCHG EAX, EDX, and with its accessed flag XCHG EAX, EBX; then
 * NOP; RET. */
static void by_descriptors(void)
{
    uint32_t wrong = 0;
    uint16_t sel = GDT_FREE * 8;
    for (unsigned i = 0; i < HOT; i++) {
        uint32_t before, after;
        *(volatile uint64_t *)&gdt[GDT_FREE] = 0xc390920000001000;
        __asm__ volatile("mov $1, %%eax\n\tmov $2, %%edx\n\tmov $3, %%ebx\n\tcall *%[p]\n\t"
                         "mov %%eax, %%esi\n\tmov %%es, %%ecx\n\tmov %[sel], %%es\n\t"
                         "mov %%ecx, %%es\n\tmov $1, %%eax\n\tmov $2, %%edx\n\tmov $3, %%ebx\n\t"
                         "call *%[p]"
                         : "=&a"(after), "=&S"(before)
                         : [p] "D"((uint8_t *)&gdt[GDT_FREE] + 5), [sel] "m"(sel)
                         : R "bx", "ecx", "edx", "memory");
        wrong += before != 2 || after != 3;
    }
    check("loading a segment sets A in code", wrong, 0);
    gdt[GDT_FREE] = 0;
}

/* ---- what a walk touches ---- */

static void next_page(void)
{
    const word flags = PTE_P | PTE_W;
    uint32_t touched = 0, missed = 0;
    for (unsigned i = 0; i < HOT; i++) {
        word to = WINDOW + 4000, from = WINDOW + 8192 + 4000, n = 96;
        for (unsigned k = 0; k < 4; k++)
            map_window(k, page[k], flags);
        __asm__ volatile("cld\n\trep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
        missed += (*entry(0) & (PTE_A | PTE_D)) != (PTE_A | PTE_D);
        missed += (*entry(2) & (PTE_A | PTE_D)) != PTE_A;
        touched += ((*entry(1) | *entry(3)) & (PTE_A | PTE_D)) != 0;
    }
    check("REP MOVSB up to a page's end: flags of its pages", missed, 0);
    check("... and nothing of the next", touched, 0);
}

/* The window's table in the window. */
static void self_mapped(void)
{
    volatile word *seen = (word *)(WINDOW + 3 * 4096) + index_of(WINDOW, 1);
    uint32_t wrong = 0;
    map_window(3, table, PTE_P | PTE_W);
    *(uint32_t *)page[0] = 10, *(uint32_t *)page[1] = 11;
    for (unsigned i = 0; i < HOT; i++) {
        *seen = (word)page[i & 1] | PTE_P | PTE_W;
        invlpg((void *)WINDOW);
        wrong += *seen & PTE_A;
        wrong += *(volatile uint32_t *)WINDOW != 10 + (i & 1);
        wrong += (*seen & (PTE_A | PTE_D)) != PTE_A;
        *(volatile uint32_t *)(WINDOW + 8) = i;
        wrong += (*seen & (PTE_A | PTE_D)) != (PTE_A | PTE_D);
    }
    check("a page table that maps itself", wrong, 0);
}

/* ---- returns that no call before has announced ---- */

static __attribute__((noinline)) unsigned depth(unsigned n)
{
    unsigned v = n ? depth(n - 1) + 1 : 0;
    __asm__ volatile("" : "+r"(v)); /* no loop */
    return v;
}

static void deep(void)
{
    static uint8_t stack[1 << 20] __attribute__((aligned(16)));
    uint32_t wrong = 0;
    for (unsigned i = 0; i < 4; i++) {
        word v, n = 20000;
        __asm__ volatile("mov" W " %%" R "sp, %%" R "bx\n\tmov" W " %[sp], %%" R "sp\n\t"
                         "push %[n]\n\tcall *%[fn]\n\tmov" W " %%" R "bx, %%" R "sp"
                         : "=a"(v), [n] "+D"(n)
                         : [sp] "r"(stack + sizeof(stack)), [fn] "r"(depth)
                         : R "bx", "ecx", "edx", "esi", "memory", "cc");
        wrong += v != 20000;
    }
    check("20000 calls deep, and back", wrong, 0);
}

void guest_main(void)
{
#ifndef __x86_64__
    by_a20();
#endif
    paging_on();
    map_window(0, 0, 0);
    find_table();
    by_cr3();
    by_invlpg();
    by_cr0();
    by_frames();
    by_walks();
    by_descriptors();
    next_page();
    self_mapped();
    deep();
}
