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

static inline const uint8_t *page_in_tlb(struct cpu *cpu, uint64_t lin)
{
    const uint8_t *p = tlb_hit(cpu->tlb_load, lin, 1);

    return p || !tlb_fill_quickly(cpu, lin, false) ? p : tlb_hit(cpu->tlb_load, lin, 1);
}

/* A load from two pages: its bytes side by side in jit.bounce. */
static const uint8_t *load_across(struct cpu *cpu, uint64_t lin, unsigned size,
                                  const uint8_t *loaded)
{
    unsigned first = VM_PAGE_SIZE - (unsigned)(lin & (VM_PAGE_SIZE - 1));
    uint64_t next = lin + first;
    bool wide = cpu->code_mode == CODE64;
    const uint8_t *a = page_in_tlb(cpu, lin);
    const uint8_t *b = a ? page_in_tlb(cpu, wide ? next : (uint32_t)next) : NULL;
    volatile uint8_t *to = cpu->jit.bounce; /* not to become a memcpy() */

    if (!b || size > sizeof(cpu->jit.bounce))
        return NULL;
    for (unsigned n = 0; n < first; n++)
        to[n] = a[n];
    for (unsigned n = first; n < size; n++)
        to[n] = b[n - first];
    cpu->jit.t0 = (uint64_t)(uintptr_t)cpu->jit.bounce;
    return loaded;
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
    return tlb_fill_quickly(cpu, lin, false) ? again : NULL;
}

const uint8_t *quick_miss_store(struct cpu *cpu)
{
    const struct site *s = site_of(cpu);
    uint64_t lin = cpu->jit.t0;

    count_miss(cpu->jit.translator, s);
    if (lin & s->align || (lin & (VM_PAGE_SIZE - 1)) + s->size > VM_PAGE_SIZE)
        return NULL;
    return tlb_fill_quickly(cpu, lin, true) ? cpu->jit.site + sizeof(*s) : NULL;
}
