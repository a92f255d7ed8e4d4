/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_FLAGS_H
#define CALQUE_CPU_X86_FLAGS_H

#include "cpu/x86/cpu.h"

/* Lazy arithmetic flags: a result and a carry word, from which every flag is read when somebody
 * asks. No kinds: producers fold their meaning into the two words.
 *
 *   cc_res  sign-extended result: ZF = (cc_res == 0); SF = its sign, PF = parity of its low byte,
 *           each flipped by a correction in cc_aux
 *   cc_aux  bit 31 CF; bit 30 CF ^ OF; bit 3 AF; bits 8-15 PF correction (xored into the low
 *           byte before taking parity); bit 0 SF correction */
#define AUX_CF 31
#define AUX_PO 30
#define AUX_AF 3

static inline bool flag_cf(const struct cpu *c)
{
    return c->cc_aux >> AUX_CF;
}
static inline bool flag_of(const struct cpu *c)
{
    return (c->cc_aux ^ c->cc_aux << 1) >> 31;
}
static inline bool flag_zf(const struct cpu *c)
{
    return c->cc_res == 0;
}
static inline bool flag_sf(const struct cpu *c)
{
    return (c->cc_res < 0) ^ (c->cc_aux & 1);
}
static inline bool flag_pf(const struct cpu *c)
{
    return !__builtin_parity((c->cc_res ^ c->cc_aux >> 8) & 0xff);
}
static inline bool flag_af(const struct cpu *c)
{
    return c->cc_aux >> AUX_AF & 1;
}

/* cv: carry-out of every bit position; bits: operand width. */
static inline uint32_t aux_from_carries(uint64_t cv, unsigned width)
{
    return (uint32_t)((cv >> (width - 2)) << 30) | (uint32_t)(cv & 8);
}
static inline void flags_set_logic(struct cpu *c, int64_t res)
{
    c->cc_res = res;
    c->cc_aux = 0;
}
static inline uint64_t carries_add(uint64_t a, uint64_t b, uint64_t r)
{
    return (a & b) | ((a | b) & ~r);
}
static inline uint64_t carries_sub(uint64_t a, uint64_t b, uint64_t r)
{
    return (~a & b) | ((~a | b) & r);
}
static inline void flag_set_cf(struct cpu *c, bool cf)
{
    bool of = flag_of(c);
    c->cc_aux = (c->cc_aux & 0x3fffffff) | (cf ? 1u << AUX_CF : 0) | (cf != of ? 1u << AUX_PO : 0);
}
static inline void flag_set_of(struct cpu *c, bool of)
{
    c->cc_aux = (c->cc_aux & ~(1u << AUX_PO)) | (uint32_t)(flag_cf(c) ^ of) << AUX_PO;
}
/* Sets all six from EFLAGS bits of an image. */
static inline void flags_set_image(struct cpu *c, uint32_t f)
{
    bool zf = f & EFLAGS_ZF, sf = f & EFLAGS_SF, pf = f & EFLAGS_PF, cf = f & EFLAGS_CF;
    bool of = f & EFLAGS_OF;
    c->cc_res = zf ? 0 : 1 | (sf ? INT64_MIN : 0);
    /* parity of the low byte is even for 0 and odd for 1: correct it with one more bit */
    bool even = zf;
    c->cc_aux = (uint32_t)cf << AUX_CF | (uint32_t)(cf ^ of) << AUX_PO |
                (f & EFLAGS_AF ? 1u << AUX_AF : 0) | (even != pf ? 1u << 8 : 0) | (zf && sf);
}
/* The six flags as EFLAGS bits. */
static inline uint32_t flags_image(const struct cpu *c)
{
    return (flag_cf(c) ? EFLAGS_CF : 0) | (flag_pf(c) ? EFLAGS_PF : 0) |
           (flag_af(c) ? EFLAGS_AF : 0) | (flag_zf(c) ? EFLAGS_ZF : 0) |
           (flag_sf(c) ? EFLAGS_SF : 0) | (flag_of(c) ? EFLAGS_OF : 0);
}

#endif
