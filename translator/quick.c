/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TLB misses that take little: C that is called with the guest's vector registers, and the general
 * ones that C preserves, in the host's. Built for general registers only; calls nothing but
 * tlb_fill_quickly(), which is built so too. */
#include "cpu/x86/mem.h"
#include "translator/internal.h"

static const struct site *site_of(const struct cpu *cpu)
{
    return (const struct site *)(const void *)cpu->jit.site;
}

/* The host address of a byte that may be loaded or stored to; NULL: not that simple. */
static inline uint8_t *byte_in_tlb(struct cpu *cpu, uint64_t lin, bool store)
{
    const struct tlb_entry *table = store ? cpu->tlb_store : cpu->tlb_load;
    uint8_t *p = tlb_hit(table, lin, 1);

    return p || !tlb_fill_quickly(cpu, lin, store) ? p : tlb_hit(table, lin, 1);
}

/* The same of the page's end that an access crosses, and of the next page's start. */
static bool both_pages(struct cpu *cpu, uint64_t lin, bool store, uint8_t *at[2])
{
    uint64_t next = (lin | (VM_PAGE_SIZE - 1)) + 1;

    at[0] = byte_in_tlb(cpu, lin, store);
    if (at[0]) /* filling one entry may have cost the other */
        at[1] = byte_in_tlb(cpu, cpu->code_mode == CODE64 ? next : (uint32_t)next, store);
    return at[0] && at[1];
}

/* A load from two pages: its bytes side by side in jit.bounce. */
static const uint8_t *load_across(struct cpu *cpu, uint64_t lin, unsigned size,
                                  const uint8_t *loaded)
{
    unsigned first = VM_PAGE_SIZE - (unsigned)(lin & (VM_PAGE_SIZE - 1));
    volatile uint8_t *to = cpu->jit.bounce; /* not to become a memcpy() */
    uint8_t *at[2];

    if (size > sizeof(cpu->jit.bounce) || !both_pages(cpu, lin, false, at))
        return NULL;
    for (unsigned n = 0; n < first; n++)
        to[n] = at[0][n];
    for (unsigned n = first; n < size; n++)
        to[n] = at[1][n - first];
    cpu->jit.t0 = (uint64_t)(uintptr_t)cpu->jit.bounce;
    return loaded;
}

/* The host address of bytes in a page that a debugger watches others of. */
static inline uint8_t *unwatched(const struct cpu *cpu, uint64_t lin, unsigned size, bool store)
{
    if (!cpu->probe.pages_known)
        return NULL;
    return probe_unwatched(cpu->probes, &cpu->probe, store ? cpu->tlb_store : cpu->tlb_load, store,
                           lin, size);
}

const uint8_t *quick_miss_load(struct cpu *cpu)
{
    const struct site *s = site_of(cpu);
    const uint8_t *again = cpu->jit.site + sizeof(*s);
    uint64_t lin = cpu->jit.t0;

    count_miss(cpu->jit.translator, s);
    if (lin & s->align)
        return NULL;
    if ((lin & (VM_PAGE_SIZE - 1)) + s->size > VM_PAGE_SIZE)
        return load_across(cpu, lin, s->size, again + SITE_LOADED);
    uint8_t *p = unwatched(cpu, lin, s->size, false);
    if (p) {
        cpu->jit.t0 = (uint64_t)(uintptr_t)p;
        return again + SITE_LOADED;
    }
    return tlb_fill_quickly(cpu, lin, false) ? again : NULL;
}

/* A register's value while t runs: those without a place of their own have taken others'. */
static uint64_t register_in(const struct cpu *cpu, const struct tblock *t, unsigned reg)
{
    for (unsigned n = 0; n < t->nswaps; n++)
        if (t->swap[n].guest == reg)
            return cpu->r[t->swap[n].taken];
    return cpu->r[reg];
}

/* What a MOV of `size` bytes to memory stores. False: it is something else. */
static bool moved_value(const struct cpu *cpu, const struct site *s, uint64_t *v)
{
    const struct tblock *t = &cpu->jit.translator->tblocks[s->tblock];
    const struct insn *i = &t->block->insns[s->insn];
    unsigned form = i->op - operations[OPN_mov].first_op;

    if (form / 4 == 2 && form % 4) /* from a register, not of 8 bits */
        *v = register_in(cpu, t, i->reg);
    else if (form / 4 == 4)
        *v = i->imm;
    else
        return false;
    return true;
}

/* A store to two pages, by a MOV. */
static const uint8_t *store_across(struct cpu *cpu, const struct site *s, uint64_t lin,
                                   const uint8_t *done)
{
    unsigned first = VM_PAGE_SIZE - (unsigned)(lin & (VM_PAGE_SIZE - 1));
    uint8_t *at[2];
    uint64_t v;

    if (!moved_value(cpu, s, &v) || !both_pages(cpu, lin, true, at))
        return NULL;
    for (unsigned n = 0; n < s->size; n++)
        *(volatile uint8_t *)(n < first ? &at[0][n] : &at[1][n - first]) = (uint8_t)(v >> 8 * n);
    return done;
}

/* All general registers are in struct cpu. */
const uint8_t *quick_miss_store(struct cpu *cpu)
{
    const struct site *s = site_of(cpu);
    uint64_t lin = cpu->jit.t0;

    count_miss(cpu->jit.translator, s);
    if (lin & s->align)
        return NULL;
    if ((lin & (VM_PAGE_SIZE - 1)) + s->size > VM_PAGE_SIZE)
        return store_across(cpu, s, lin, cpu->jit.site + sizeof(*s) + SITE_DONE_STORE);
    uint8_t *p = unwatched(cpu, lin, s->size, true);
    if (p) {
        cpu->jit.t0 = (uint64_t)(uintptr_t)p;
        return cpu->jit.site - SITE_BEFORE_STORE;
    }
    return tlb_fill_quickly(cpu, lin, true) ? cpu->jit.site + sizeof(*s) : NULL;
}
