/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Linear to physical: page walks (SDM vol. 3A chapter 4), the soft TLB, and every access that the
 * TLB does not answer: misses, page crossings, devices, pages with decoded code.
 *
 * A TLB entry exists only if a plain host access is right: the translation allows it, accessed and
 * dirty bits are set, and the page is memory (for stores: not code, dirty already). So the fast
 * path tests no attributes. */
#include "cpu/x86/mem.h"

#include <stdlib.h>

#include "cpu/x86/debugreg.h"
#include "cpu/x86/paging.h"
#include "cpu/x86/store_watch.h"
#include "vm/machine.h"

#define PF_P     1u
#define PF_W     2u
#define PF_U     4u
#define PF_RSVD  8u
#define PF_FETCH 16u

/* The page at a physical address, as this processor sees it now. */
static struct page_view page_view(const struct cpu *cpu, uint64_t phys, bool fetch)
{
    const struct address_space *as = &cpu->v.m->mem;
    uint64_t page = phys & ~(uint64_t)(VM_PAGE_SIZE - 1);
    return unlikely(cpu->smm) ? address_space_hidden_page(as, page, fetch)
                              : address_space_page(as, page);
}

/* ---- page table entries ---- */

/* Entries are read and updated through the arena when they are in RAM; elsewhere through the bus,
 * and then never updated. */
static uint64_t *table_pointer(struct cpu *cpu, uint64_t phys, uint64_t *arena_offset)
{
    uint64_t page = cpu->smm ? ARENA_NONE : ram_page(cpu, phys);
    if (page == ARENA_NONE) {
        struct page_view view = page_view(cpu, phys, false);
        if (view.read_at == ARENA_NONE || view.read_at != view.write_at)
            return NULL;
        page = view.read_at;
    }
    *arena_offset = page + (phys & 0xfff);
    return (uint64_t *)(cpu->v.m->arena.host + *arena_offset);
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
    if (unlikely(cpu->watch))
        store_watch_walk(cpu->watch, cpu->v.m->arena.host, at, size);
    arena_before_store(&cpu->v.m->arena, at, size);
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

static bool read_entry_fully(struct cpu *cpu, uint64_t phys, unsigned size, uint64_t *entry)
{
    *entry = read_entry(cpu, phys, size);
    return true;
}

static int translate_paged(struct cpu *cpu, uint64_t lin, const struct access *a,
                           struct translation *t)
{
    struct walk w;
    bool ok;
    do {
        enum walk_result r = walk_tables(cpu, lin, &w, read_entry_fully);
        if (r != WALK_OK)
            return page_fault(cpu, lin, a, r == WALK_RESERVED ? PF_P | PF_RSVD : 0);
        if (!walk_translation(cpu, &w, lin, a, t))
            return page_fault(cpu, lin, a, PF_P);
        ok = true;
        for (unsigned n = 0; n < w.n && ok; n++)
            ok = update_entry(cpu, w.at[n], w.size, w.entry[n],
                              PTE_A | (n == w.n - 1 && a->write ? PTE_D : 0));
    } while (!ok);
    return 0;
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

static void drop_stack_slots(struct cpu *cpu)
{
    if (unlikely(cpu->probe.pages_known))
        memset(cpu->probe.pages, 0, sizeof(cpu->probe.pages));
    cpu->probe.pages_known = false;
    for (unsigned n = 0; n < 2 * NUM_TLB_CLASSES; n++)
        cpu->stack_slot[n / NUM_TLB_CLASSES][n % NUM_TLB_CLASSES] = STACK_SLOT_EMPTY(cpu);
}

static void drop_code_stores(struct cpu *cpu)
{
    if (cpu->code_stores_filled)
        memset(cpu->code_stores, 0, sizeof(cpu->code_stores));
    cpu->code_stores_filled = false;
}

static void forget_spans(struct cpu *cpu, bool global)
{
    memset(&cpu->tlb_spans[global], 0, sizeof(cpu->tlb_spans[global]));
}

static void forget_probe_reads(struct cpu *cpu)
{
    if (unlikely(cpu->probe.reads_known))
        probe_reads_forget(cpu);
}

void tlb_flush_all(struct cpu *cpu)
{
    drop_code_stores(cpu);
    drop_stack_slots(cpu);
    forget_probe_reads(cpu);
    clear_logged(cpu, &cpu->tlb_filled);
    clear_logged(cpu, &cpu->tlb_filled_global);
    forget_spans(cpu, false);
    forget_spans(cpu, true);
    for (unsigned n = 0; n < RAM_WINDOWS; n++)
        cpu->ram[n] = (struct ram_window){.start = 1};
    itlb_flush(cpu);
}

void tlb_init(struct cpu *cpu)
{
    /* not canonical, and, lest a guest look for it, by chance */
    uint64_t r = (uint64_t)arc4random() << 32 | arc4random();
    cpu->stack_slot_empty = (r & 0x3ffffffffffff000) | 1ull << 62;
    clear_all(cpu);
    for (unsigned k = 0; k < TLB_SIZE; k++)
        clear_entry(cpu->tlb_none, k);
    cpu->tlb_filled.n = cpu->tlb_filled_global.n = 0;
    probe_reads_forget(cpu);
    tlb_flush_all(cpu);
}

void tlb_flush_nonglobal(struct cpu *cpu)
{
    drop_code_stores(cpu);
    drop_stack_slots(cpu);
    forget_probe_reads(cpu);
    clear_logged(cpu, &cpu->tlb_filled);
    forget_spans(cpu, false);
    for (unsigned n = 0; n < ITLB_SIZE; n++)
        if (!cpu->itlb[n].global)
            cpu->itlb[n].page = ~0ull;
    fetch_key_renew_nonglobal(cpu);
}

/* All pieces of pages in the 4 MiB around lin: they have consecutive slots. */
static void clear_span(struct cpu *cpu, uint64_t lin)
{
    unsigned first = lin >> VM_PAGE_SHIFT & (TLB_SIZE - 1) & ~1023u;
    for (unsigned n = 0; n < 2 * NUM_TLB_CLASSES; n++)
        for (unsigned k = first; k < first + 1024; k++)
            if (tlb_table(cpu, n)[k].page >> 22 == lin >> 22)
                clear_entry(tlb_table(cpu, n), k);
    itlb_flush(cpu);
}

void tlb_flush_page(struct cpu *cpu, uint64_t lin)
{
    drop_code_stores(cpu);
    drop_stack_slots(cpu);
    forget_probe_reads(cpu);
    /* other pieces of the same page may be cached */
    for (unsigned n = 0; n < 2; n++)
        if (large_span_noted(cpu->tlb_spans[n].huge, lin >> 30)) {
            tlb_flush_all(cpu);
            return;
        }
    if (large_span_noted(cpu->tlb_spans[0].large, lin >> 22) ||
        large_span_noted(cpu->tlb_spans[1].large, lin >> 22)) {
        clear_span(cpu, lin);
        return;
    }
    unsigned slot = lin >> VM_PAGE_SHIFT & (TLB_SIZE - 1);
    for (unsigned n = 0; n < 2 * NUM_TLB_CLASSES; n++)
        if (tlb_table(cpu, n)[slot].page == (lin & ~0xfffull))
            clear_entry(tlb_table(cpu, n), slot);
    cpu->itlb[lin >> VM_PAGE_SHIFT & (ITLB_SIZE - 1)].page = ~0ull;
    fetch_key_renew_page(cpu, lin);
}

/* Store entries that the log names: for the page at host, or all (NULL). */
static void drop_logged_stores(struct cpu *cpu, struct tlb_log *log, const uint8_t *host)
{
    unsigned kept = 0;
    for (unsigned n = 0; n < log->n; n++) {
        unsigned index = log->filled[n], table = index >> TLB_BITS, slot = index & (TLB_SIZE - 1);
        struct tlb_entry *e = &tlb_table(cpu, table)[slot];
        if (table >= NUM_TLB_CLASSES && (!host || e->host == host))
            clear_entry(tlb_table(cpu, table), slot);
        else
            log->filled[kept++] = log->filled[n];
    }
    log->n = kept;
}

void tlb_drop_stores(struct cpu *cpu, uint64_t arena_page)
{
    const uint8_t *host = arena_page == ARENA_NONE ? NULL : cpu->v.m->arena.host + arena_page;
    if (!host)
        drop_code_stores(cpu);
    drop_stack_slots(cpu);
    if (cpu->tlb_filled.n <= TLB_LOG_SIZE && cpu->tlb_filled_global.n <= TLB_LOG_SIZE) {
        drop_logged_stores(cpu, &cpu->tlb_filled, host);
        drop_logged_stores(cpu, &cpu->tlb_filled_global, host);
        return;
    }
    for (unsigned n = 0; n < NUM_TLB_CLASSES; n++)
        for (unsigned k = 0; k < TLB_SIZE; k++)
            if (!host || cpu->tlb[1][n][k].host == host)
                clear_entry(cpu->tlb[1][n], k);
}

void tlb_drop_entry(struct cpu *cpu, struct tlb_entry *e)
{
    unsigned n = (unsigned)(e - cpu->tlb[0][0]);

    drop_stack_slots(cpu);
    clear_entry(tlb_table(cpu, n / TLB_SIZE), n % TLB_SIZE);
}

static void enter(struct cpu *cpu, bool store, unsigned class, uint64_t lin, uint64_t arena,
                  const struct translation *t)
{
    uint8_t *host = cpu->v.m->arena.host;
    struct tlb_entry *e = tlb_enter(cpu, store, class, lin, host + arena, t);
    if (unlikely(cpu->watch) && (store || cpu->watch->walked))
        store_watch_entry(cpu->watch, host, e, arena);
}

/* A page with code, which gets no entry; while everything is watched stores go the long way. They
 * also do where another CPU may be about to decode what is stored to. */
static void enter_code_store(struct cpu *cpu, uint64_t lin, uint64_t arena)
{
    struct code_store *e = &cpu->code_stores[lin >> VM_PAGE_SHIFT & (CODE_STORES - 1)];
    const uint64_t *map = arena_code_page(&cpu->v.m->arena, arena);
    if (!map || cpu->watch || cpu->jit.lockstep || cpu->v.m->run.threads ||
        cpu->tlb_store == cpu->tlb_none)
        return;
    *e = (struct code_store){cpu->tlb_store, lin & ~0xfffull, cpu->v.m->arena.host + arena, map};
    cpu->code_stores_filled = true;
}

/* ---- one page's part of an access ---- */

/* Where [lin, ...) within one page is: in the arena, or at a physical address on the bus. */
struct place {
    uint64_t phys, arena; /* arena: ARENA_NONE for the bus */
    uint64_t read_arena;  /* of a store: where a read of the same address would look */
};

/* What a TLB entry says already. */
static bool place_in_tlb(const struct cpu *cpu, uint64_t lin, unsigned size, const struct access *a,
                         struct place *p)
{
    const struct tlb_entry *table = a->implicit ? cpu->tlb[a->write][TLB_KERNEL]
                                    : a->write  ? cpu->tlb_store
                                                : cpu->tlb_load;
    const uint8_t *host = a->fetch || cpu->watch ? NULL : tlb_hit(table, lin, 1);
    if (!host && unlikely(cpu->probe.pages_known) && !a->fetch && !cpu->watch)
        host = probe_unwatched(cpu->probes, &cpu->probe, table, a->write, lin, size);
    if (!host)
        return false;
    p->phys = 0;
    p->arena = p->read_arena = (uint64_t)(host - cpu->v.m->arena.host);
    return true;
}

/* Lets tlb_fill_quickly() know of the RAM around. */
static void note_ram(struct cpu *cpu, uint64_t phys)
{
    const struct mem_range *r = address_space_find(&cpu->v.m->mem, phys);
    struct ram_window *w = &cpu->ram[cpu->next_ram++ % RAM_WINDOWS];
    uint64_t first = (r->start + VM_PAGE_SIZE - 1) & ~(uint64_t)(VM_PAGE_SIZE - 1);
    w->start = first;
    w->last = ((r->last + 1) & ~(uint64_t)(VM_PAGE_SIZE - 1)) - 1;
    w->arena = r->region->read_at + r->offset + (first - r->start);
}

static bool ram_is_noted(const struct cpu *cpu, uint64_t phys)
{
    for (unsigned n = 0; n < RAM_WINDOWS; n++)
        if (phys >= cpu->ram[n].start && phys <= cpu->ram[n].last)
            return true;
    return false;
}

/* A page that gets no entry because of them. */
static void enter_watched(struct cpu *cpu, uint64_t lin, const struct access *a, uint64_t phys,
                          uint64_t arena)
{
    struct probe_page *e = &cpu->probe.pages[a->write][lin >> VM_PAGE_SHIFT & (PROBE_PAGES - 1)];
    if (a->implicit || cpu->tlb_store == cpu->tlb_none)
        return;
    *e = (struct probe_page){.table = a->write ? cpu->tlb_store : cpu->tlb_load,
                             .page = lin & ~0xfffull,
                             .phys = phys & ~0xfffull,
                             .host = cpu->v.m->arena.host + arena};
    cpu->probe.pages_known = true;
}

static void watched_place(struct cpu *cpu, uint64_t lin, unsigned size, const struct access *a,
                          uint64_t phys)
{
    if (!a->fetch && !a->quiet)
        probe_access(cpu, lin, phys, size, a->write ? PROBE_WRITE : PROBE_READ);
}

/* size: of the bytes within the page. */
static int find_place(struct cpu *cpu, uint64_t lin, unsigned size, const struct access *a,
                      struct place *p)
{
    struct translation t = {0};
    if (place_in_tlb(cpu, lin, size, a, p))
        return 0;
    if (translate(cpu, lin, a, &t))
        return OP_FAULT;
    p->phys = t.phys;
    p->arena = p->read_arena = ARENA_NONE;
    bool watched = unlikely(cpu->probes) && probes_watch_page(cpu->probes, a->write, lin, t.phys);
    if (watched)
        watched_place(cpu, lin, size, a, t.phys);
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
    if (view.read_at == view.write_at && !cpu->smm && !ram_is_noted(cpu, t.phys))
        note_ram(cpu, t.phys);
    if (a->fetch)
        return 0;
    unsigned class = a->implicit ? TLB_KERNEL : current_class(cpu);
    if (watched) {
        if (!a->write || (view.read_at == page && arena_page_storable(&m->arena, page)))
            enter_watched(cpu, lin, a, t.phys, page);
    } else if (!a->write)
        enter(cpu, false, class, lin, page, &t);
    else if (view.read_at == page && arena_page_storable(&m->arena, page))
        enter(cpu, true, class, lin, page, &t);
    else if (view.read_at == page)
        enter_code_store(cpu, lin, page);
    return 0;
}

static uint64_t ask_device(struct cpu *cpu, uint64_t phys, unsigned size)
{
    struct machine *m = cpu->v.m;
    uint64_t v;
    vcpu_lock_machine(&cpu->v);
    if (is_apic_page(cpu, phys)) /* 32-bit registers, 16 bytes apart */
        v = apic_read(cpu, phys & 0xffc) >> 8 * (phys & 3);
    else
        v = address_space_read(&m->mem, phys, size);
    vcpu_unlock_machine(&cpu->v);
    return v;
}

static void tell_device(struct cpu *cpu, uint64_t phys, uint64_t v, unsigned size)
{
    struct machine *m = cpu->v.m;
    vcpu_lock_machine(&cpu->v);
    if (is_apic_page(cpu, phys))
        apic_write(cpu, phys & 0xfff, (uint32_t)v);
    else
        address_space_write(&m->mem, phys, v, size);
    vcpu_unlock_machine(&cpu->v);
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
        arena_before_store(arena, p->arena, size);
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
    if (find_place(cpu, lin, s->first, a, &s->part[0]))
        return OP_FAULT;
    return s->first < size
               ? find_place(cpu, next_page(cpu, lin, a), size - s->first, a, &s->part[1])
               : 0;
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
    if (store && mem_code_store(cpu, lin, size) != ARENA_NONE)
        return false; /* known to have no entry */
    if ((lin & (VM_PAGE_SIZE - 1)) + size > VM_PAGE_SIZE || table == cpu->tlb_none ||
        (cpu->code_mode == CODE64 && !is_canonical(lin)))
        return false;
    return !find_place(cpu, lin, size, &a, &p) && tlb_hit(table, lin, size);
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

uint64_t mem_code_store(const struct cpu *cpu, uint64_t lin, unsigned size)
{
    const struct code_store *e = &cpu->code_stores[lin >> VM_PAGE_SHIFT & (CODE_STORES - 1)];
    if (e->table != cpu->tlb_store || lin - e->page > VM_PAGE_SIZE - size)
        return ARENA_NONE;
    return (uint64_t)(e->host - cpu->v.m->arena.host) + (lin - e->page);
}

int mem_store_slow(struct cpu *cpu, uint64_t lin, unsigned size, const void *in)
{
    struct access a = data_access(cpu, true);
    struct span s = {.part[0].arena = ARENA_NONE, .first = size};
    if (alignment(cpu, lin, size))
        return OP_FAULT;
    s.part[0].arena = mem_code_store(cpu, lin, size);
    if (s.part[0].arena == ARENA_NONE && find_span(cpu, lin, size, &a, &s))
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

/* 16 bytes, a multiple of 16: CMPXCHG16B of the host (CPUs have threads only where it has that). */
static bool swap_pair(void *to, const void *expected, const void *wanted)
{
#if defined(__x86_64__)
    const uint64_t *e = expected, *w = wanted;
    uint64_t low = e[0], high = e[1];
    bool same;
    __asm__ volatile("lock cmpxchg16b %0"
                     : "+m"(*(unsigned __int128 *)to), "+a"(low), "+d"(high), "=@ccz"(same)
                     : "b"(w[0]), "c"(w[1])
                     : "memory");
    return same;
#else
    (void)to, (void)expected, (void)wanted;
    return false;
#endif
}

/* With LOCK: in an exclusive section, but for devices (whoever has the machine lock may wait for
 * the section's end). What was found before it may be out of date. */
static int find_locked(struct cpu *cpu, uint64_t lin, unsigned size, const struct access *a,
                       struct span *s, unsigned nhits)
{
    if (s->part[0].arena == ARENA_NONE || s->part[1].arena == ARENA_NONE)
        return 0;
    machine_exclusive_begin(cpu->v.m);
    cpu->probe.nhits = nhits; /* they are found again */
    int r = find_span(cpu, lin, size, a, s);
    cpu->rmw.exclusive = !r && s->part[0].arena != ARENA_NONE && s->part[1].arena != ARENA_NONE;
    if (!cpu->rmw.exclusive)
        machine_exclusive_end(cpu->v.m);
    return r;
}

static void *begin_rmw(struct cpu *cpu, uint64_t lin, unsigned size, bool locked)
{
    struct access a = data_access(cpu, true);
    struct span s = {.part[1].arena = 0};
    unsigned nhits = cpu->probe.nhits;
    cpu->rmw.exclusive = false;
    if (alignment(cpu, lin, size) || find_span(cpu, lin, size, &a, &s) ||
        (locked && find_locked(cpu, lin, size, &a, &s, nhits)))
        return NULL;
    s.part[0].arena = s.part[0].read_arena;
    if (s.first < size)
        s.part[1].arena = s.part[1].read_arena;
    if (unlikely(cpu->probe.nhits))
        cpu->probe.hits[cpu->probe.nhits - 1].access |= PROBE_READ;
    span_read(cpu, &s, cpu->rmw.buf, size);
    cpu->rmw.target = NULL;
    cpu->rmw.lin = lin;
    cpu->rmw.size = size;
    return cpu->rmw.buf;
}

void *mem_rmw_slow(struct cpu *cpu, uint64_t lin, unsigned size)
{
    return begin_rmw(cpu, lin, size, false);
}

#define HOST_LINE 64 /* hosts may trap locked accesses that cross one */

static void copy_locked(struct cpu *cpu)
{
    memcpy(cpu->rmw.old, cpu->rmw.target, cpu->rmw.size);
    memcpy(cpu->rmw.buf, cpu->rmw.old, cpu->rmw.size);
}

void *mem_rmw_locked(struct cpu *cpu, uint64_t lin, unsigned size)
{
    uint8_t *p = tlb_hit(cpu->tlb_store, lin, size);
    if (!p && mem_fill(cpu, lin, size, true))
        p = tlb_hit(cpu->tlb_store, lin, size);
    if (!p || (lin & (HOST_LINE - 1)) + size > HOST_LINE)
        return begin_rmw(cpu, lin, size, true);
    cpu->rmw.target = p;
    cpu->rmw.size = size;
    cpu->rmw.exclusive = false;
    cpu->rmw.cc_res = cpu->cc_res;
    cpu->rmw.cc_aux = cpu->cc_aux;
    copy_locked(cpu);
    return cpu->rmw.buf;
}

#define SWAP(type)                                                                                 \
    __atomic_compare_exchange_n((type *)to, (type *)cpu->rmw.old, *(const type *)cpu->rmw.buf,     \
                                false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
static bool swap_locked(struct cpu *cpu)
{
    void *to = cpu->rmw.target;
    switch (cpu->rmw.size) {
    case 1:
        return SWAP(uint8_t);
    case 2:
        return SWAP(uint16_t);
    case 4:
        return SWAP(uint32_t);
    case 8:
        return SWAP(uint64_t);
    default:
        return swap_pair(to, cpu->rmw.old, cpu->rmw.buf);
    }
}
#undef SWAP

/* The translation cannot have changed since: the walk again cannot fault. */
bool mem_rmw_commit(struct cpu *cpu)
{
    if (cpu->rmw.target && !swap_locked(cpu)) {
        cpu->cc_res = cpu->rmw.cc_res;
        cpu->cc_aux = cpu->rmw.cc_aux;
        copy_locked(cpu);
        return false;
    }
    if (!cpu->rmw.target)
        mem_store_slow(cpu, cpu->rmw.lin, cpu->rmw.size, cpu->rmw.buf);
    if (cpu->rmw.exclusive)
        machine_exclusive_end(cpu->v.m);
    cpu->rmw.exclusive = false;
    return true;
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
    const void *p = tlb_hit(cpu->tlb[0][TLB_KERNEL], cut_linear(cpu, lin, &a), size);
    if (likely(p)) {
        memcpy(out, p, size);
        return 0;
    }
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

/* Others are not in guest code, or the byte is a device's. */
static int swap_byte_slowly(struct cpu *cpu, uint64_t lin, uint8_t *seen, uint8_t wanted)
{
    uint64_t v;
    uint8_t expected = *seen;
    if (sys_load(cpu, lin, 1, &v))
        return OP_FAULT;
    *seen = (uint8_t)v;
    return v == expected ? sys_store(cpu, lin, 1, wanted) : 0;
}

int sys_swap_byte(struct cpu *cpu, uint64_t lin, uint8_t *seen, uint8_t wanted)
{
    struct access a = system_access(true);
    struct span s;
    if (!cpu->has_thread || cpu->watch)
        return swap_byte_slowly(cpu, lin, seen, wanted);
    if (find_span(cpu, lin, 1, &a, &s))
        return OP_FAULT;
    uint8_t *p = tlb_hit(cpu->tlb[1][TLB_KERNEL], cut_linear(cpu, lin, &a), 1);
    if (p) {
        __atomic_compare_exchange_n(p, seen, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        return 0;
    }
    if (s.part[0].arena == ARENA_NONE) /* whoever has the machine lock may wait for a section */
        return swap_byte_slowly(cpu, lin, seen, wanted);
    machine_exclusive_begin(cpu->v.m);
    int r = swap_byte_slowly(cpu, lin, seen, wanted);
    machine_exclusive_end(cpu->v.m);
    return r;
}

/* ---- fetching ---- */

int mmu_fetch_page(struct cpu *cpu, uint64_t lin, uint64_t *arena_offset, bool *global)
{
    struct access a = {.fetch = true, .user = cpu->cpl == 3};
    struct translation t = {0};
    if (translate(cpu, lin, &a, &t))
        return OP_FAULT;
    if (t.page_mask)
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
    struct walk w;
    uint64_t phys = lin;
    if (cpu->long_mode && !is_canonical(lin))
        return UINT64_MAX;
    if (cpu->cr0 & CR0_PG) {
        if (walk_tables(cpu, lin, &w, read_entry_fully) != WALK_OK)
            return UINT64_MAX;
        phys = frame_of(cpu, &w) | (lin & w.page_mask);
    }
    return phys & a20_mask(cpu);
}
