/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_PAGING_H
#define CALQUE_CPU_X86_PAGING_H

#include "cpu/x86/cpu.h"

/* Page tables (SDM vol. 3A chapter 4) and what they permit, for those who walk them: mmu.c, which
 * does everything, and tlb_fill.c, which does the usual quickly. */

#define PTE_P  (1ull << 0)
#define PTE_W  (1ull << 1)
#define PTE_U  (1ull << 2)
#define PTE_A  (1ull << 5)
#define PTE_D  (1ull << 6)
#define PTE_PS (1ull << 7)
#define PTE_G  (1ull << 8)
#define PTE_NX (1ull << 63)

static inline uint64_t phys_mask(const struct cpu *cpu)
{
    return (1ull << cpu->model.phys_bits) - 1;
}

/* A20M# is ignored in SMM (SDM vol. 3C, System Management Mode, "Entering SMM"). */
static inline uint64_t a20_mask(const struct cpu *cpu)
{
    return cpu->smm ? ~0ull : __atomic_load_n(&cpu->a20_mask, __ATOMIC_RELAXED);
}

/* What an access is, for permission checks. */
struct access {
    bool write, fetch;
    bool user;     /* at CPL 3, and not implicit supervisor */
    bool quiet;    /* a debugger's: not logged */
    bool implicit; /* supervisor access of the processor's own: AC does not lift SMAP for it */
};

struct translation {
    uint64_t phys;      /* of the byte */
    uint64_t page_mask; /* of a large page: the bits of the offset; else 0 */
    bool global;
    bool dirty;    /* stores may be cached */
    bool user;     /* a user page */
    bool writable; /* by this access class */
};

/* The class of an explicit data access now. */
static inline unsigned current_class(const struct cpu *cpu)
{
    return cpu->cpl == 3                                    ? TLB_USER
           : cpu->cr4 & CR4_SMAP && cpu->eflags & EFLAGS_AC ? TLB_KERNEL_AC
                                                            : TLB_KERNEL;
}

/* Where the page at phys is in the arena, if it is known to be plain RAM. */
static inline uint64_t ram_page(const struct cpu *cpu, uint64_t phys)
{
    for (unsigned n = 0; n < RAM_WINDOWS; n++) {
        const struct ram_window *r = &cpu->ram[n];

        if (phys >= r->start && phys <= r->last)
            return r->arena + (phys & ~0xfffull) - r->start;
    }
    return ARENA_NONE;
}

static inline bool is_apic_page(const struct cpu *cpu, uint64_t phys)
{
    return (phys & ~0xfffull) == (cpu->apic.base_msr & phys_mask(cpu) & ~0xfffull) &&
           (cpu->apic.base_msr & 0xc00) == 0x800;
}

/* ---- the walk ---- */

struct walk {
    uint64_t entry[4], at[4]; /* from the top */
    unsigned n, size;
    uint64_t page_mask; /* offset bits of the page */
    bool large;
};

enum walk_result { WALK_OK, WALK_NOT_PRESENT, WALK_RESERVED, WALK_UNREADABLE };

/* 4 MiB pages: bit 21, and of bits 13-20, address bits 32-39 with PSE-36, those that the processor
 * does not have (table 4-4). */
static inline uint32_t pse_reserved(const struct cpu *cpu)
{
    unsigned bits = model_has(&cpu->model, F_pse36) ? cpu->model.phys_bits : 32;
    bits = bits < 32 ? 32 : bits > 40 ? 40 : bits;
    return 0x3fe000u & ~((1u << (bits - 32 + 13)) - 1);
}

/* Reserved bits of an entry (SDM vol. 3A tables 4-9 ff.). */
static inline bool reserved_bits(const struct cpu *cpu, uint64_t e, unsigned size, bool large,
                                 uint64_t page_mask)
{
    if (size == 4)
        return large && e & pse_reserved(cpu);
    if (e & ((1ull << 52) - 1) & ~phys_mask(cpu))
        return true;
    if (!cpu->long_mode && e & 0x7ff0000000000000ull)
        return true;
    if (e & PTE_NX && !(cpu->efer & EFER_NXE))
        return true;
    return large && e & page_mask & ~0x1fffull;
}

/* Follows the tables down. read: an entry of `size` bytes at a physical address; false ends the
 * walk. Inlined, with its reader, into each walker. */
static inline __attribute__((always_inline)) enum walk_result
walk_tables(struct cpu *cpu, uint64_t lin, struct walk *w,
            bool (*read)(struct cpu *cpu, uint64_t phys, unsigned size, uint64_t *entry))
{
    bool pae = cpu->cr4 & CR4_PAE;
    unsigned level = cpu->long_mode ? 4 : 2, bits_per_level = pae ? 9 : 10;
    uint64_t table = cpu->cr3 & (cpu->long_mode ? phys_mask(cpu) & ~0xfffull : 0xfffff000u), e;

    w->size = pae ? 8 : 4;
    w->n = 0;
    if (pae && !cpu->long_mode) {
        e = cpu->pdpte[lin >> 30 & 3];
        if (!(e & PTE_P))
            return WALK_NOT_PRESENT;
        table = e & phys_mask(cpu) & ~0xfffull;
    }
    for (; level >= 1; level--) {
        unsigned shift = 12 + (level - 1) * bits_per_level;
        uint64_t index = lin >> shift & ((1u << bits_per_level) - 1);
        uint64_t at = table + index * w->size;
        bool may_be_large = level == 2 ? pae || cpu->cr4 & CR4_PSE
                                       : level == 3 && model_has(&cpu->model, F_pdpe1gb);

        if (!read(cpu, at, w->size, &e))
            return WALK_UNREADABLE;
        w->large = level > 1 && may_be_large && e & PTE_PS;
        w->page_mask = (1ull << shift) - 1;
        w->entry[w->n] = e;
        w->at[w->n++] = at;
        if (!(e & PTE_P))
            return WALK_NOT_PRESENT;
        if (reserved_bits(cpu, e, w->size, w->large, w->page_mask) ||
            (level > 2 && e & PTE_PS && !w->large))
            return WALK_RESERVED;
        if (w->large || level == 1)
            break;
        table = e & (pae ? phys_mask(cpu) & ~0xfffull : 0xfffff000u);
    }
    return WALK_OK;
}

static inline uint64_t frame_of(const struct cpu *cpu, const struct walk *w)
{
    uint64_t e = w->entry[w->n - 1];

    if (w->size == 4 && w->large) /* PSE-36: bits 13-20 are address bits 32-39 */
        return (e & 0xffc00000) | (e >> 13 & 0xff) << 32;
    return e & phys_mask(cpu) & ~0xfffull & ~w->page_mask;
}

/* ---- permissions ---- */

/* SMAP (SDM vol. 3A 4.6.1): supervisor data accesses to user pages, unless EFLAGS.AC is set and
 * the access is explicit. */
static inline bool smap_blocks(const struct cpu *cpu, const struct access *a)
{
    return cpu->cr4 & CR4_SMAP && (a->implicit || !(cpu->eflags & EFLAGS_AC));
}

static inline bool permitted(const struct cpu *cpu, const struct access *a, bool user,
                             bool writable, bool nx)
{
    if (a->user && !user)
        return false;
    if (a->fetch)
        return !nx && !(!a->user && user && cpu->cr4 & CR4_SMEP);
    if (!a->user && user && smap_blocks(cpu, a))
        return false;
    return !a->write || writable || (!a->user && !(cpu->cr0 & CR0_WP));
}

/* What a walk found for an access. False: not permitted. */
static inline bool walk_translation(const struct cpu *cpu, const struct walk *w, uint64_t lin,
                                    const struct access *a, struct translation *t)
{
    uint64_t all = ~0ull, any = 0, last = w->entry[w->n - 1];

    for (unsigned n = 0; n < w->n; n++) {
        all &= w->entry[n];
        any |= w->entry[n];
    }
    bool user = all & PTE_U, writable = all & PTE_W, nx = w->size == 8 && any & PTE_NX;
    if (!permitted(cpu, a, user, writable, nx))
        return false;
    *t = (struct translation){.phys = frame_of(cpu, w) | (lin & w->page_mask),
                              .global = cpu->cr4 & CR4_PGE && last & PTE_G,
                              .page_mask = w->large ? w->page_mask : 0,
                              .dirty = a->write || last & PTE_D,
                              .user = user,
                              .writable = writable || (!a->user && !(cpu->cr0 & CR0_WP))};
    return true;
}

/* ---- TLB entries ---- */

static inline struct tlb_entry *tlb_table(struct cpu *cpu, unsigned n)
{
    return cpu->tlb[n / NUM_TLB_CLASSES][n % NUM_TLB_CLASSES];
}

/* Index of an entry in the fill log: table, slot. */
static inline uint16_t tlb_log_index(unsigned table, unsigned slot)
{
    return (uint16_t)(table << TLB_BITS | slot);
}

static inline void tlb_log_fill(struct tlb_log *log, uint16_t index)
{
    if (log->n < TLB_LOG_SIZE)
        log->filled[log->n] = index;
    if (log->n <= TLB_LOG_SIZE)
        log->n++;
}

/* Pieces of large pages are in the TLB: those of pages up to 4 MiB are noted by the 4 MiB span that
 * they lie in, a bit by a hash, and so are those of 1 GiB pages. */
static inline bool large_span_noted(const uint64_t *spans, uint64_t number)
{
    number ^= number >> 10;
    return spans[number / 64 % TLB_SPAN_WORDS] >> number % 64 & 1;
}

static inline void note_large_page(struct cpu *cpu, uint64_t lin, const struct translation *t)
{
    struct tlb_spans *s = &cpu->tlb_spans[t->global];
    uint64_t number = t->page_mask >> 29 ? lin >> 30 : lin >> 22;

    number ^= number >> 10;
    (t->page_mask >> 29 ? s->huge : s->large)[number / 64 % TLB_SPAN_WORDS] |= 1ull << number % 64;
}

static inline struct tlb_entry *tlb_enter(struct cpu *cpu, bool store, unsigned class, uint64_t lin,
                                          uint8_t *host, const struct translation *t)
{
    unsigned slot = lin >> VM_PAGE_SHIFT & (TLB_SIZE - 1);
    struct tlb_entry *e = &cpu->tlb[store][class][slot];

    e->page = lin & ~0xfffull;
    e->host = host;
    if (t->page_mask)
        note_large_page(cpu, lin, t);
    tlb_log_fill(t->global ? &cpu->tlb_filled_global : &cpu->tlb_filled,
                 tlb_log_index(store * NUM_TLB_CLASSES + class, slot));
    return e;
}

#endif
