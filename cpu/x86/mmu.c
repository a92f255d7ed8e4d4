/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Linear to physical: page walks (SDM vol. 3A chapter 4), the soft TLB, and every access that the
 * TLB does not answer: misses, page crossings, devices, pages with decoded code.
 *
 * A TLB entry exists only if a plain host access is right: the translation allows it, accessed and
 * dirty bits are set, and the page is memory (for stores: not code, dirty already). So the fast
 * path tests no attributes. */
#include "cpu/x86/mem.h"

#include "cpu/x86/debugreg.h"
#include "cpu/x86/store_watch.h"
#include "vm/machine.h"

#define PTE_P  (1ull << 0)
#define PTE_W  (1ull << 1)
#define PTE_U  (1ull << 2)
#define PTE_A  (1ull << 5)
#define PTE_D  (1ull << 6)
#define PTE_PS (1ull << 7)
#define PTE_G  (1ull << 8)
#define PTE_NX (1ull << 63)

#define PF_P     1u
#define PF_W     2u
#define PF_U     4u
#define PF_RSVD  8u
#define PF_FETCH 16u

static inline uint64_t phys_mask(const struct cpu *cpu)
{
    return (1ull << cpu->model.phys_bits) - 1;
}

/* A20M# is ignored in SMM (SDM vol. 3C, System Management Mode, "Entering SMM"). */
static inline uint64_t a20_mask(const struct cpu *cpu)
{
    return cpu->smm ? ~0ull : cpu->a20_mask;
}

/* The page at a physical address, as this processor sees it now. */
static struct page_view page_view(const struct cpu *cpu, uint64_t phys, bool fetch)
{
    const struct address_space *as = &cpu->v.m->mem;
    uint64_t page = phys & ~(uint64_t)(VM_PAGE_SIZE - 1);
    return unlikely(cpu->smm) ? address_space_hidden_page(as, page, fetch)
                              : address_space_page(as, page);
}

/* What an access is, for permission checks. */
struct access {
    bool write, fetch;
    bool user;     /* at CPL 3, and not implicit supervisor */
    bool quiet;    /* a debugger's: not logged */
    bool implicit; /* supervisor access of the processor's own: AC does not lift SMAP for it */
};

struct translation {
    uint64_t phys; /* of the byte */
    bool global, large;
    uint64_t page_mask; /* offset bits of the page; large ones only */
    bool dirty;         /* stores may be cached */
    bool user;          /* a user page */
    bool writable;      /* by this access class */
};

/* ---- page table entries ---- */

/* Entries are read and updated through the arena when they are in RAM; elsewhere through the bus,
 * and then never updated. */
static uint64_t *table_pointer(struct cpu *cpu, uint64_t phys, uint64_t *arena_offset)
{
    struct machine *m = cpu->v.m;
    struct page_view view = page_view(cpu, phys, false);
    if (view.read_at == ARENA_NONE || view.read_at != view.write_at)
        return NULL;
    *arena_offset = view.read_at + (phys & 0xfff);
    return (uint64_t *)(m->arena.host + *arena_offset);
}

static uint64_t read_entry(struct cpu *cpu, uint64_t phys, unsigned size)
{
    uint64_t at;
    phys &= a20_mask(cpu);
    void *p = table_pointer(cpu, phys, &at);
    if (p)
        return size == 8 ? __atomic_load_n((uint64_t *)p, __ATOMIC_ACQUIRE)
                         : __atomic_load_n((uint32_t *)p, __ATOMIC_ACQUIRE);
    return address_space_read(&cpu->v.m->mem, phys, size);
}

/* Sets bits with compare-exchange. False: the entry changed meanwhile, walk again. */
static bool update_entry(struct cpu *cpu, uint64_t phys, unsigned size, uint64_t old, uint64_t set)
{
    uint64_t at;
    if ((old & set) == set)
        return true;
    phys &= a20_mask(cpu);
    void *p = table_pointer(cpu, phys, &at);
    if (!p)
        return true;
    bool ok;
    if (size == 8) {
        ok = __atomic_compare_exchange_n((uint64_t *)p, &old, old | set, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE);
    } else {
        uint32_t old32 = (uint32_t)old;
        ok = __atomic_compare_exchange_n((uint32_t *)p, &old32, old32 | (uint32_t)set, false,
                                         __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    if (ok)
        arena_store_notify(&cpu->v.m->arena, at, size);
    return ok;
}

/* ---- the walk ---- */

struct walk {
    uint64_t entry[4], at[4]; /* from the top */
    unsigned n, size;
    uint64_t page_mask; /* offset bits of the page */
    bool large;
};

static int page_fault(struct cpu *cpu, uint64_t lin, const struct access *a, uint32_t code)
{
    bool nx = cpu->efer & EFER_NXE && cpu->cr4 & CR4_PAE;
    code |= (a->write ? PF_W : 0) | (a->user ? PF_U : 0);
    code |= a->fetch && (nx || cpu->cr4 & CR4_SMEP) ? PF_FETCH : 0;
    if (!a->quiet)
        log_line(&cpu->v.m->log, LOG_MMU, "page fault: linear %016llx error %02x rip %016llx",
                 (unsigned long long)lin, code, (unsigned long long)cpu->r[R_RIP]);
    raise_error(cpu, EXC_PF, code);
    cpu->exc.cr2 = lin;
    return OP_FAULT;
}

/* 4 MiB pages: bit 21, and of bits 13-20, address bits 32-39 with PSE-36, those that the processor
 * does not have (table 4-4). */
static uint32_t pse_reserved(const struct cpu *cpu)
{
    unsigned bits = model_has(&cpu->model, F_pse36) ? cpu->model.phys_bits : 32;
    bits = bits < 32 ? 32 : bits > 40 ? 40 : bits;
    return 0x3fe000u & ~((1u << (bits - 32 + 13)) - 1);
}

/* Reserved bits of an entry (SDM vol. 3A tables 4-9 ff.). */
static bool reserved_bits(const struct cpu *cpu, uint64_t e, unsigned size, bool large,
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

/* Follows the tables down. Returns 0, or OP_FAULT. */
static int walk_tables(struct cpu *cpu, uint64_t lin, const struct access *a, struct walk *w)
{
    bool pae = cpu->cr4 & CR4_PAE;
    unsigned level = cpu->long_mode ? 4 : 2, bits_per_level = pae ? 9 : 10;
    uint64_t table = cpu->cr3 & (cpu->long_mode ? phys_mask(cpu) & ~0xfffull : 0xfffff000u);
    w->size = pae ? 8 : 4;
    w->n = 0;
    if (pae && !cpu->long_mode) {
        uint64_t e = cpu->pdpte[lin >> 30 & 3];
        if (!(e & PTE_P))
            return page_fault(cpu, lin, a, 0);
        table = e & phys_mask(cpu) & ~0xfffull;
    }
    for (; level >= 1; level--) {
        unsigned shift = 12 + (level - 1) * bits_per_level;
        uint64_t index = lin >> shift & ((1u << bits_per_level) - 1);
        uint64_t at = table + index * w->size, e = read_entry(cpu, at, w->size);
        bool may_be_large = level == 2 ? pae || cpu->cr4 & CR4_PSE
                                       : level == 3 && model_has(&cpu->model, F_pdpe1gb);
        w->large = level > 1 && may_be_large && e & PTE_PS;
        w->page_mask = (1ull << shift) - 1;
        w->entry[w->n] = e;
        w->at[w->n++] = at;
        if (!(e & PTE_P))
            return page_fault(cpu, lin, a, 0);
        if (reserved_bits(cpu, e, w->size, w->large, w->page_mask) ||
            (level > 2 && e & PTE_PS && !w->large))
            return page_fault(cpu, lin, a, PF_P | PF_RSVD);
        if (w->large || level == 1)
            return 0;
        table = e & (pae ? phys_mask(cpu) & ~0xfffull : 0xfffff000u);
    }
    return 0;
}

/* SMAP (SDM vol. 3A 4.6.1): supervisor data accesses to user pages, unless EFLAGS.AC is set and
 * the access is explicit. */
static bool smap_blocks(const struct cpu *cpu, const struct access *a)
{
    return cpu->cr4 & CR4_SMAP && (a->implicit || !(cpu->eflags & EFLAGS_AC));
}

static bool permitted(const struct cpu *cpu, const struct access *a, bool user, bool writable,
                      bool nx)
{
    if (a->user && !user)
        return false;
    if (a->fetch)
        return !nx && !(!a->user && user && cpu->cr4 & CR4_SMEP);
    if (!a->user && user && smap_blocks(cpu, a))
        return false;
    return !a->write || writable || (!a->user && !(cpu->cr0 & CR0_WP));
}

static uint64_t frame_of(const struct cpu *cpu, const struct walk *w)
{
    uint64_t e = w->entry[w->n - 1];
    if (w->size == 4 && w->large) /* PSE-36: bits 13-20 are address bits 32-39 */
        return (e & 0xffc00000) | (e >> 13 & 0xff) << 32;
    return e & phys_mask(cpu) & ~0xfffull & ~w->page_mask;
}

static int translate_paged(struct cpu *cpu, uint64_t lin, const struct access *a,
                           struct translation *t)
{
    struct walk w;
    for (;;) {
        if (walk_tables(cpu, lin, a, &w))
            return OP_FAULT;
        bool user = true, writable = true, nx = false;
        for (unsigned n = 0; n < w.n; n++) {
            user &= !!(w.entry[n] & PTE_U);
            writable &= !!(w.entry[n] & PTE_W);
            nx |= w.size == 8 && w.entry[n] & PTE_NX;
        }
        if (!permitted(cpu, a, user, writable, nx))
            return page_fault(cpu, lin, a, PF_P);
        uint64_t last = w.entry[w.n - 1];
        bool ok = true;
        for (unsigned n = 0; n < w.n && ok; n++)
            ok = update_entry(cpu, w.at[n], w.size, w.entry[n],
                              PTE_A | (n == w.n - 1 && a->write ? PTE_D : 0));
        if (!ok)
            continue;
        t->phys = frame_of(cpu, &w) | (lin & w.page_mask);
        t->global = cpu->cr4 & CR4_PGE && last & PTE_G;
        t->large = w.large;
        t->page_mask = w.page_mask;
        t->dirty = a->write || last & PTE_D;
        t->user = user;
        t->writable = writable || (!a->user && !(cpu->cr0 & CR0_WP));
        return 0;
    }
}

/* Not canonical: #SS(0) for stack references, #GP(0) otherwise (SDM vol. 1 3.3.7.1). */
static int not_canonical(struct cpu *cpu)
{
    bool stack = cpu->insn && cpu->insn->flags & INSN_MEM && cpu->insn->seg == SEG_SS;
    return raise_error(cpu, stack ? EXC_SS : EXC_GP, 0);
}

static int translate(struct cpu *cpu, uint64_t lin, const struct access *a, struct translation *t)
{
    if (cpu->long_mode && !is_canonical(lin))
        return not_canonical(cpu);
    if (cpu->cr0 & CR0_PG) {
        if (translate_paged(cpu, lin, a, t))
            return OP_FAULT;
    } else {
        *t = (struct translation){.phys = lin, .dirty = true, .user = true, .writable = true};
    }
    t->phys &= a20_mask(cpu);
    return 0;
}

/* ---- TLB ---- */

/* An empty entry holds a page of another index, so no address matches it. */
static uint64_t empty_page(unsigned index)
{
    return (uint64_t)(index ^ 1) << VM_PAGE_SHIFT;
}

static void clear_entry(struct tlb_entry *table, unsigned index)
{
    table[index].page = empty_page(index);
    table[index].host = NULL;
}

static struct tlb_entry *tlb_table(struct cpu *cpu, unsigned n)
{
    return cpu->tlb[n / NUM_TLB_CLASSES][n % NUM_TLB_CLASSES];
}

/* Index of an entry in the fill log: table, slot. */
static uint16_t log_index(unsigned table, unsigned slot)
{
    return (uint16_t)(table << TLB_BITS | slot);
}

static void clear_all(struct cpu *cpu)
{
    for (unsigned n = 0; n < 2 * NUM_TLB_CLASSES; n++)
        for (unsigned k = 0; k < TLB_SIZE; k++)
            clear_entry(tlb_table(cpu, n), k);
}

static void clear_logged(struct cpu *cpu, struct tlb_log *log)
{
    if (log->n > TLB_LOG_SIZE)
        clear_all(cpu);
    else
        for (unsigned n = 0; n < log->n; n++)
            clear_entry(tlb_table(cpu, log->filled[n] >> TLB_BITS),
                        log->filled[n] & (TLB_SIZE - 1));
    log->n = 0;
}

static void forget_large_pages(struct cpu *cpu)
{
    for (unsigned n = 0; n < 2; n++) {
        cpu->large_pages[n].first = UINT64_MAX;
        cpu->large_pages[n].last = 0;
    }
}

static void note_large_page(struct cpu *cpu, uint64_t lin, const struct translation *t)
{
    uint64_t first = lin & ~t->page_mask, last = lin | t->page_mask;
    unsigned half = lin >> 63;
    if (!t->large)
        return;
    if (first < cpu->large_pages[half].first)
        cpu->large_pages[half].first = first;
    if (last > cpu->large_pages[half].last)
        cpu->large_pages[half].last = last;
}

void tlb_flush_all(struct cpu *cpu)
{
    clear_logged(cpu, &cpu->tlb_filled);
    clear_logged(cpu, &cpu->tlb_filled_global);
    forget_large_pages(cpu);
    itlb_flush(cpu);
}

void tlb_init(struct cpu *cpu)
{
    clear_all(cpu);
    for (unsigned k = 0; k < TLB_SIZE; k++)
        clear_entry(cpu->tlb_none, k);
    cpu->tlb_filled.n = cpu->tlb_filled_global.n = 0;
    forget_large_pages(cpu);
    itlb_flush(cpu);
}

void tlb_flush_nonglobal(struct cpu *cpu)
{
    clear_logged(cpu, &cpu->tlb_filled);
    for (unsigned n = 0; n < ITLB_SIZE; n++)
        if (!cpu->itlb[n].global)
            cpu->itlb[n].page = ~0ull;
    fetch_key_renew_nonglobal(cpu);
}

void tlb_flush_page(struct cpu *cpu, uint64_t lin)
{
    unsigned half = lin >> 63;
    if (lin >= cpu->large_pages[half].first && lin <= cpu->large_pages[half].last) {
        tlb_flush_all(cpu); /* other pieces of the same page may be cached */
        return;
    }
    unsigned slot = lin >> VM_PAGE_SHIFT & (TLB_SIZE - 1);
    for (unsigned n = 0; n < 2 * NUM_TLB_CLASSES; n++)
        if (tlb_table(cpu, n)[slot].page == (lin & ~0xfffull))
            clear_entry(tlb_table(cpu, n), slot);
    cpu->itlb[lin >> VM_PAGE_SHIFT & (ITLB_SIZE - 1)].page = ~0ull;
    fetch_key_renew_page(cpu, lin);
}

void tlb_drop_stores(struct cpu *cpu, uint64_t arena_page)
{
    const uint8_t *host = arena_page == ARENA_NONE ? NULL : cpu->v.m->arena.host + arena_page;
    for (unsigned n = 0; n < NUM_TLB_CLASSES; n++)
        for (unsigned k = 0; k < TLB_SIZE; k++)
            if (!host || cpu->tlb[1][n][k].host == host)
                clear_entry(cpu->tlb[1][n], k);
}

void tlb_drop_entry(struct cpu *cpu, struct tlb_entry *e)
{
    unsigned n = (unsigned)(e - cpu->tlb[0][0]);

    clear_entry(tlb_table(cpu, n / TLB_SIZE), n % TLB_SIZE);
}

static void log_fill(struct tlb_log *log, uint16_t index)
{
    if (log->n < TLB_LOG_SIZE)
        log->filled[log->n] = index;
    if (log->n <= TLB_LOG_SIZE)
        log->n++;
}

static void enter(struct cpu *cpu, bool store, unsigned class, uint64_t lin, uint64_t arena,
                  const struct translation *t)
{
    unsigned slot = lin >> VM_PAGE_SHIFT & (TLB_SIZE - 1);
    struct tlb_entry *e = &cpu->tlb[store][class][slot];
    e->page = lin & ~0xfffull;
    e->host = cpu->v.m->arena.host + arena;
    note_large_page(cpu, lin, t);
    if (unlikely(cpu->watch) && store)
        store_watch_entry(cpu->watch, cpu->v.m->arena.host, e, arena);
    log_fill(t->global ? &cpu->tlb_filled_global : &cpu->tlb_filled,
             log_index(store * NUM_TLB_CLASSES + class, slot));
}

/* The class of an explicit data access now. */
static unsigned current_class(const struct cpu *cpu)
{
    return cpu->cpl == 3                                    ? TLB_USER
           : cpu->cr4 & CR4_SMAP && cpu->eflags & EFLAGS_AC ? TLB_KERNEL_AC
                                                            : TLB_KERNEL;
}

/* ---- one page's part of an access ---- */

/* Where [lin, ...) within one page is: in the arena, or at a physical address on the bus. */
struct place {
    uint64_t phys, arena; /* arena: ARENA_NONE for the bus */
    uint64_t read_arena;  /* of a store: where a read of the same address would look */
};

static bool is_apic_page(const struct cpu *cpu, uint64_t phys)
{
    return (phys & ~0xfffull) == (cpu->apic.base_msr & phys_mask(cpu) & ~0xfffull) &&
           (cpu->apic.base_msr & 0xc00) == 0x800;
}

static int find_place(struct cpu *cpu, uint64_t lin, const struct access *a, struct place *p)
{
    struct translation t = {0};
    if (translate(cpu, lin, a, &t))
        return OP_FAULT;
    p->phys = t.phys;
    p->arena = p->read_arena = ARENA_NONE;
    if (is_apic_page(cpu, t.phys))
        return 0;
    struct machine *m = cpu->v.m;
    struct page_view view = page_view(cpu, t.phys, a->fetch);
    uint64_t page = a->write ? view.write_at : view.read_at;
    if (view.read_at != ARENA_NONE)
        p->read_arena = view.read_at + (t.phys & 0xfff);
    if (page == ARENA_NONE)
        return 0;
    p->arena = page + (t.phys & 0xfff);
    if (a->implicit)
        return 0;
    unsigned class = current_class(cpu);
    if (!a->write)
        enter(cpu, false, class, lin, page, &t);
    else if (view.read_at == page && arena_page_storable(&m->arena, page))
        enter(cpu, true, class, lin, page, &t);
    return 0;
}

static uint64_t ask_device(struct cpu *cpu, uint64_t phys, unsigned size)
{
    struct machine *m = cpu->v.m;
    uint64_t v;
    machine_lock(m);
    if (is_apic_page(cpu, phys)) /* 32-bit registers, 16 bytes apart */
        v = apic_read(cpu, phys & 0xffc) >> 8 * (phys & 3);
    else
        v = address_space_read(&m->mem, phys, size);
    machine_unlock(m);
    return v;
}

static void tell_device(struct cpu *cpu, uint64_t phys, uint64_t v, unsigned size)
{
    struct machine *m = cpu->v.m;
    machine_lock(m);
    if (is_apic_page(cpu, phys))
        apic_write(cpu, phys & 0xfff, (uint32_t)v);
    else
        address_space_write(&m->mem, phys, v, size);
    machine_unlock(m);
}

/* The same with everything watched. */
static uint64_t watched_device(struct cpu *cpu, uint64_t phys, uint64_t v, unsigned size,
                               bool write)
{
    uint64_t where = phys | (uint64_t)size << 56 | (write ? WATCH_WRITE : 0);
    int64_t budget = cpu->v.budget;
    if (store_watch_replays(cpu, where, &v))
        return v;
    if (write)
        tell_device(cpu, phys, v, size);
    else
        v = ask_device(cpu, phys, size);
    store_watch_accessed(cpu, where, v, budget);
    return v;
}

static uint64_t device_read(struct cpu *cpu, uint64_t phys, unsigned size)
{
    uint64_t v;
    if (cpu->insn)
        cpu_settle(cpu);
    if (unlikely(cpu->watch))
        v = watched_device(cpu, phys, 0, size, false);
    else
        v = ask_device(cpu, phys, size);
    if (cpu->insn)
        cpu_after_device(cpu);
    return v;
}

static void device_write(struct cpu *cpu, uint64_t phys, uint64_t v, unsigned size)
{
    if (cpu->insn)
        cpu_settle(cpu);
    if (unlikely(cpu->watch))
        watched_device(cpu, phys, v, size, true);
    else
        tell_device(cpu, phys, v, size);
    if (cpu->insn)
        cpu_after_device(cpu);
}

/* size bytes at one place; device units of at most 8 bytes, powers of two. */
static void place_read(struct cpu *cpu, const struct place *p, void *out, unsigned size)
{
    const uint8_t *host = cpu->v.m->arena.host;
    uint8_t *to = out;
    if (p->arena != ARENA_NONE) {
        switch (size) { /* one host access, so that other processors see no tearing */
        case 1:
            st_le8(to, ld_le8(host + p->arena));
            return;
        case 2:
            st_le16(to, ld_le16(host + p->arena));
            return;
        case 4:
            st_le32(to, ld_le32(host + p->arena));
            return;
        case 8:
            st_le64(to, ld_le64(host + p->arena));
            return;
        default:
            memcpy(to, host + p->arena, size);
            return;
        }
    }
    for (unsigned at = 0, n; at < size; at += n) {
        n = 1u << (31 - __builtin_clz(size - at < 8 ? size - at : 8));
        uint64_t v = device_read(cpu, p->phys + at, n);
        memcpy(to + at, &v, n);
    }
}

static void place_write(struct cpu *cpu, const struct place *p, const void *in, unsigned size)
{
    struct arena *arena = &cpu->v.m->arena;
    const uint8_t *from = in;
    if (p->arena != ARENA_NONE) {
        uint8_t *to = arena->host + p->arena;
        if (unlikely(cpu->watch))
            store_watch_write(cpu->watch, arena->host, p->arena, size);
        switch (size) {
        case 1:
            st_le8(to, ld_le8(from));
            break;
        case 2:
            st_le16(to, ld_le16(from));
            break;
        case 4:
            st_le32(to, ld_le32(from));
            break;
        case 8:
            st_le64(to, ld_le64(from));
            break;
        default:
            memcpy(to, from, size);
            break;
        }
        arena_store_notify(arena, p->arena, size);
        return;
    }
    for (unsigned at = 0, n; at < size; at += n) {
        uint64_t v = 0;
        n = 1u << (31 - __builtin_clz(size - at < 8 ? size - at : 8));
        memcpy(&v, from + at, n);
        device_write(cpu, p->phys + at, v, n);
    }
}

uint64_t phys_load(struct cpu *cpu, uint64_t phys, unsigned size)
{
    phys &= a20_mask(cpu);
    uint64_t v = 0, at = page_view(cpu, phys, false).read_at;
    struct place p = {.phys = phys, .arena = at == ARENA_NONE ? at : at + (phys & 0xfff)};
    place_read(cpu, &p, &v, size);
    return v;
}

void phys_store(struct cpu *cpu, uint64_t phys, unsigned size, uint64_t value)
{
    phys &= a20_mask(cpu);
    uint64_t at = page_view(cpu, phys, false).write_at;
    struct place p = {.phys = phys, .arena = at == ARENA_NONE ? at : at + (phys & 0xfff)};
    place_write(cpu, &p, &value, size);
}

/* ---- accesses of one or two pages ---- */

struct span {
    struct place part[2];
    unsigned first; /* bytes in part[0] */
};

/* Linear addresses are 32 bits wide outside 64-bit mode; the processor's own tables lie anywhere in
 * long mode. */
static uint64_t cut_linear(const struct cpu *cpu, uint64_t lin, const struct access *a)
{
    bool wide = a->implicit ? cpu->long_mode : cpu->code_mode == CODE64;
    return wide ? lin : (uint32_t)lin;
}

static uint64_t next_page(const struct cpu *cpu, uint64_t lin, const struct access *a)
{
    return cut_linear(cpu, (lin & ~0xfffull) + VM_PAGE_SIZE, a);
}

/* Translates all of an access before any byte moves. */
static int find_span(struct cpu *cpu, uint64_t lin, unsigned size, const struct access *a,
                     struct span *s)
{
    unsigned room = VM_PAGE_SIZE - (unsigned)(lin & (VM_PAGE_SIZE - 1));
    s->first = size < room ? size : room;
    lin = cut_linear(cpu, lin, a);
    /* segmentation comes before paging: the canonical check is of all bytes */
    if (s->first < size && cpu->long_mode && !is_canonical(next_page(cpu, lin, a)))
        return not_canonical(cpu);
    if (find_place(cpu, lin, a, &s->part[0]))
        return OP_FAULT;
    return s->first < size ? find_place(cpu, next_page(cpu, lin, a), a, &s->part[1]) : 0;
}

static void span_read(struct cpu *cpu, const struct span *s, void *out, unsigned size)
{
    place_read(cpu, &s->part[0], out, s->first);
    if (s->first < size)
        place_read(cpu, &s->part[1], (uint8_t *)out + s->first, size - s->first);
}

static void span_write(struct cpu *cpu, const struct span *s, const void *in, unsigned size)
{
    place_write(cpu, &s->part[0], in, s->first);
    if (s->first < size)
        place_write(cpu, &s->part[1], (const uint8_t *)in + s->first, size - s->first);
}

static struct access data_access(const struct cpu *cpu, bool write)
{
    return (struct access){.write = write, .user = cpu->cpl == 3};
}

/* #AC: CR0.AM, EFLAGS.AC, CPL 3 and an address that is not a multiple of what the data type needs:
 * its size, at most 16; 8 for 80-bit reals and decimals (SDM vol. 3A 6.15, interrupt 17, table
 * 6-7). Processors look at it before the page tables, but after the address's form. */
static int alignment(struct cpu *cpu, uint64_t lin, unsigned size)
{
    bool on = cpu->cpl == 3 && cpu->cr0 & CR0_AM && cpu->eflags & EFLAGS_AC;
    unsigned unit = size == 10 ? 8 : size == 32 ? 16 : size;
    if (!on || unit & (unit - 1) || !(lin & (unit - 1)))
        return 0;
    return cpu->code_mode == CODE64 && !is_canonical(lin) ? 0 : raise_error(cpu, EXC_AC, 0);
}

bool mem_fill(struct cpu *cpu, uint64_t lin, unsigned size, bool store)
{
    const struct tlb_entry *table = store ? cpu->tlb_store : cpu->tlb_load;
    struct access a = data_access(cpu, store);
    struct place p;
    a.quiet = true;
    if ((lin & (VM_PAGE_SIZE - 1)) + size > VM_PAGE_SIZE || table == cpu->tlb_none ||
        (cpu->code_mode == CODE64 && !is_canonical(lin)))
        return false;
    return !find_place(cpu, lin, &a, &p) && tlb_hit(table, lin, size);
}

int mem_load_slow(struct cpu *cpu, uint64_t lin, unsigned size, void *out)
{
    return alignment(cpu, lin, size) ? OP_FAULT : mem_load_unaligned(cpu, lin, size, out);
}

int mem_load_unaligned(struct cpu *cpu, uint64_t lin, unsigned size, void *out)
{
    struct access a = data_access(cpu, false);
    struct span s;
    if (find_span(cpu, lin, size, &a, &s))
        return OP_FAULT;
    span_read(cpu, &s, out, size);
    if (unlikely(cpu->bp_data))
        debug_note_data(cpu, cut_linear(cpu, lin, &a), size, false);
    return 0;
}

int mem_store_slow(struct cpu *cpu, uint64_t lin, unsigned size, const void *in)
{
    struct access a = data_access(cpu, true);
    struct span s;
    if (alignment(cpu, lin, size) || find_span(cpu, lin, size, &a, &s))
        return OP_FAULT;
    span_write(cpu, &s, in, size);
    if (unlikely(cpu->bp_data))
        debug_note_data(cpu, cut_linear(cpu, lin, &a), size, true);
    return 0;
}

int mem_probe_store_slow(struct cpu *cpu, uint64_t lin, unsigned size)
{
    struct access a = data_access(cpu, true);
    struct span s;
    return alignment(cpu, lin, size) || find_span(cpu, lin, size, &a, &s) ? OP_FAULT : 0;
}

void *mem_rmw_slow(struct cpu *cpu, uint64_t lin, unsigned size)
{
    struct access a = data_access(cpu, true);
    struct span s;
    if (alignment(cpu, lin, size) || find_span(cpu, lin, size, &a, &s))
        return NULL;
    for (unsigned n = 0; n < 2; n++)
        s.part[n].arena = s.part[n].read_arena;
    span_read(cpu, &s, cpu->rmw.buf, size);
    cpu->rmw.lin = lin;
    cpu->rmw.size = size;
    return cpu->rmw.buf;
}

/* The translation cannot have changed since mem_rmw_slow(): the walk again cannot fault. */
void mem_rmw_commit(struct cpu *cpu)
{
    mem_store_slow(cpu, cpu->rmw.lin, cpu->rmw.size, cpu->rmw.buf);
}

/* ---- the processor's own accesses ---- */

static struct access system_access(bool write)
{
    return (struct access){.write = write, .implicit = true};
}

int sys_load(struct cpu *cpu, uint64_t lin, unsigned size, uint64_t *out)
{
    struct access a = system_access(false);
    struct span s;
    *out = 0;
    if (find_span(cpu, lin, size, &a, &s))
        return OP_FAULT;
    span_read(cpu, &s, out, size);
    return 0;
}

int sys_store(struct cpu *cpu, uint64_t lin, unsigned size, uint64_t value)
{
    struct access a = system_access(true);
    struct span s;
    if (find_span(cpu, lin, size, &a, &s))
        return OP_FAULT;
    span_write(cpu, &s, &value, size);
    return 0;
}

int sys_probe_store(struct cpu *cpu, uint64_t lin, unsigned size)
{
    struct access a = system_access(true);
    struct span s;
    return find_span(cpu, lin, size, &a, &s);
}

/* ---- fetching ---- */

int mmu_fetch_page(struct cpu *cpu, uint64_t lin, uint64_t *arena_offset, bool *global)
{
    struct access a = {.fetch = true, .user = cpu->cpl == 3};
    struct translation t = {0};
    if (translate(cpu, lin, &a, &t))
        return OP_FAULT;
    note_large_page(cpu, lin, &t);
    *global = t.global;
    *arena_offset = page_view(cpu, t.phys, true).read_at;
    return 0;
}

/* *got < n when the second page cannot be fetched; OP_FAULT if the first cannot. */
int mem_fetch_bytes(struct cpu *cpu, uint64_t lin, uint8_t *buf, unsigned n, unsigned *got)
{
    struct access a = {.fetch = true, .user = cpu->cpl == 3, .implicit = true};
    *got = 0;
    while (*got < n) {
        struct span s;
        unsigned room = VM_PAGE_SIZE - (unsigned)(lin & (VM_PAGE_SIZE - 1));
        unsigned len = n - *got < room ? n - *got : room;
        if (find_span(cpu, lin, len, &a, &s))
            return *got ? 0 : OP_FAULT;
        span_read(cpu, &s, buf + *got, len);
        *got += len;
        lin = next_page(cpu, lin, &a);
    }
    return 0;
}

uint64_t mmu_debug_translate(struct cpu *cpu, uint64_t lin)
{
    struct pending_exception saved = cpu->exc;
    struct access a = {.quiet = true};
    struct walk w;
    uint64_t phys = lin;
    if (cpu->long_mode && !is_canonical(lin))
        return UINT64_MAX;
    if (cpu->cr0 & CR0_PG) {
        bool ok = walk_tables(cpu, lin, &a, &w) == 0;
        phys = ok ? frame_of(cpu, &w) | (lin & w.page_mask) : UINT64_MAX;
    }
    cpu->exc = saved;
    return phys == UINT64_MAX ? phys : phys & a20_mask(cpu);
}
