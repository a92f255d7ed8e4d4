/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The usual TLB miss: the tables are in RAM, accessed and dirty bits are set, the access is
 * permitted, and the page is RAM that needs no care. Everything else is refused, and mmu.c does it
 * by the same walk. Translated code calls this with the guest's vector registers in the host's:
 * built for general registers only, it calls nothing. */
#include "cpu/x86/mem.h"
#include "cpu/x86/paging.h"
#include "vm/machine.h"

static inline bool read_entry_in_ram(struct cpu *cpu, uint64_t phys, unsigned size, uint64_t *entry)
{
    uint64_t page = ram_page(cpu, phys);

    if (page == ARENA_NONE)
        return false;
    const void *p = cpu->v.m->arena.host + page + (phys & 0xfff);
    *entry = size == 8 ? __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE)
                       : __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
    return true;
}

static inline bool bits_are_set(const struct walk *w, bool store)
{
    for (unsigned n = 0; n < w->n; n++)
        if (!(w->entry[n] & PTE_A))
            return false;
    return !store || w->entry[w->n - 1] & PTE_D;
}

bool tlb_fill_quickly(struct cpu *cpu, uint64_t lin, bool store)
{
    struct access a = {.write = store, .user = cpu->cpl == 3};
    struct translation t;
    struct walk w;

    if (!(cpu->cr0 & CR0_PG) || cpu->watch || cpu->smm || ~a20_mask(cpu) ||
        (cpu->long_mode && !is_canonical(lin)))
        return false;
    if (walk_tables(cpu, lin, &w, read_entry_in_ram) != WALK_OK || !bits_are_set(&w, store) ||
        !walk_translation(cpu, &w, lin, &a, &t) || is_apic_page(cpu, t.phys))
        return false;
    if (unlikely(cpu->probes) && probes_watch_page(cpu->probes, store, lin, t.phys))
        return false;
    const struct arena *arena = &cpu->v.m->arena;
    uint64_t page = ram_page(cpu, t.phys);
    if (page == ARENA_NONE || (store && !arena_page_is_stored_to(arena, page)))
        return false;
    tlb_enter(cpu, store, current_class(cpu), lin, arena->host + page, &t);
    return true;
}
