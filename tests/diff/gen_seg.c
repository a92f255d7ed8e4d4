/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which segments a case has. */
#include "cpu/x86/segment.h"

#include "tests/diff/gen.h"

#define L(n) DIFF_LDT_SEL(n)

/* Entries of diff_ldt by what can be done with them. */
static const uint16_t any_data[] = {L(0), L(1), L(2), L(3),  L(4),  L(5),  L(6),  L(7),
                                    L(9), L(1), L(2), L(10), L(11), L(12), L(22), L(23)};
static const uint16_t small_data[] = {L(1), L(2), L(12), L(4), L(1), L(2), L(9), L(3)};
static const uint16_t any_stack[] = {L(0), L(1), L(2), L(3), L(4), L(5), L(9), L(12), L(23), L(11)};
static const uint16_t small_stack[] = {L(1), L(2), L(12), L(4), L(23), L(1)};
static const uint16_t code16[] = {L(13), L(13), L(14), L(13), L(17)};
static const uint16_t code32[] = {L(15), L(16), L(18), L(21), L(16)};

static uint16_t among(struct rng *r, const uint16_t *list, size_t size)
{
    return list[below(r, (unsigned)(size / sizeof(*list)))];
}

uint16_t random_selector(struct rng *r, bool ldt)
{
    unsigned k = below(r, 16);
    uint16_t sel;
    if (k < 7 && ldt)
        return L(below(r, DIFF_LDT_ENTRIES));
    if (k < 10 && ldt) /* the table's end too */
        return (uint16_t)(below(r, DIFF_LDT_ENTRIES + 3) << 3 | 4 | below(r, 4));
    if (k < 11)
        return (uint16_t)below(r, 4);
    if (k < 12)
        return DIFF_SS;
    do /* the last one tells the processor's number */
        sel = k < 15 ? (uint16_t)(below(r, DIFF_GDT_ENTRIES) << 3 | below(r, 4))
                     : (uint16_t)rng_next(r);
    while ((sel & ~3) == 0x78 || (!ldt && sel & 4));
    return sel;
}

uint16_t random_code_selector(struct rng *r, bool ldt)
{
    unsigned k = below(r, 16);
    if (k < 2 || !ldt)
        return k & 1 ? DIFF_CS : DIFF_CS32;
    if (k < 7)
        return among(r, code16, sizeof(code16));
    if (k < 12)
        return among(r, code32, sizeof(code32));
    return random_selector(r, ldt);
}

uint64_t selector_base(uint16_t sel)
{
    return desc_base(diff_descriptor(sel));
}

uint64_t selector_limit(uint16_t sel)
{
    return desc_limit(diff_descriptor(sel));
}

uint64_t segment_base_of(const struct diff_case *c, unsigned seg)
{
    if (seg >= SEG_NONE)
        return 0;
    if (c->mode == DIFF_64)
        return seg == SEG_FS ? DIFF_FSBASE : seg == SEG_GS ? DIFF_GSBASE : 0;
    return selector_base(c->in.sel[seg]);
}

/* Where the case's bytes go: most within a page that is read-only, some across two, some where
 * they can be stored to, some before the end. */
static uint64_t random_slot(struct rng *r)
{
    unsigned k = below(r, 64);
    if (k < 48)
        return DIFF_CODE + 0x100 + below(r, 0xd00);
    if (k < 53)
        return DIFF_CODE + 0x1000 - below(r, DIFF_SLOT);
    if (k < 60)
        return DIFF_CODE + DIFF_CODE_RX + below(r, 0x1000 - DIFF_SLOT);
    if (k < 62)
        return DIFF_CODE + DIFF_CODE_RX - below(r, DIFF_SLOT);
    return DIFF_CODE + DIFF_CODE_SIZE - 9 - below(r, 15);
}

static uint64_t slot_in(struct rng *r, uint16_t cs)
{
    uint64_t end = selector_base(cs) + selector_limit(cs) + 1;
    if (end - DIFF_CODE < DIFF_CODE_RX) /* its limit is near */
        return end - 9 - below(r, one_in(r, 2) ? 16 : DIFF_SLOT);
    uint64_t slot = random_slot(r);
    return slot < selector_base(cs) ? slot + 0x1000 : slot;
}

static uint16_t random_data(struct rng *r, bool small)
{
    if (one_in(r, 24))
        return 0;
    return small || one_in(r, 3) ? among(r, small_data, sizeof(small_data))
                                 : among(r, any_data, sizeof(any_data));
}

void random_segments(struct rng *r, bool ldt, struct diff_case *c)
{
    uint16_t *sel = c->in.sel;
    bool small = c->mode == DIFF_16 ? !one_in(r, 8) : one_in(r, 4);
    bool flat = !ldt || (c->mode == DIFF_32 && one_in(r, 2));
    for (unsigned n = SEG_ES; n <= SEG_GS; n++)
        sel[n] = c->mode == DIFF_64 ? 0 : flat ? DIFF_SS : random_data(r, small);
    if (c->mode != DIFF_64 && !flat)
        sel[SEG_SS] = small ? among(r, small_stack, sizeof(small_stack))
                            : among(r, any_stack, sizeof(any_stack));
    else
        sel[SEG_SS] = DIFF_SS;
    if (c->mode == DIFF_64)
        sel[SEG_CS] = DIFF_CS;
    else if (c->mode == DIFF_16)
        sel[SEG_CS] = among(r, code16, sizeof(code16));
    else
        sel[SEG_CS] = flat && one_in(r, 2) ? DIFF_CS32
                      : ldt                ? among(r, code32, sizeof(code32))
                                           : DIFF_CS32;
    c->base = c->mode == DIFF_64 ? 0 : selector_base(sel[SEG_CS]);
    c->slot = c->mode == DIFF_64 ? random_slot(r) : slot_in(r, sel[SEG_CS]);
}
