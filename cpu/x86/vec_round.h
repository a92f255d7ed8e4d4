/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_VEC_ROUND_H
#define CALQUE_CPU_X86_VEC_ROUND_H

#include <stdbool.h>

#include "cpu/x86/vec.h"

/* ROUNDPS, ROUNDPD, ROUNDSS, ROUNDSD (SDM vol. 2B, ROUNDPD): to an integer in the same format, in
 * integer arithmetic on every host.
 *
 * imm: [1:0] rounding mode, [2] take MXCSR's instead, [3] no precision exception. Each function
 * returns the exceptions that were met, in the bits of MXCSR: only invalid operation (a signalling
 * NaN) and precision can be. */

enum { ROUND_INVALID = 0x01, ROUND_PRECISION = 0x20 };
enum { ROUND_NEAREST, ROUND_DOWN, ROUND_UP, ROUND_TO_ZERO };

/* x: a number with `bits` of fraction and exponent bias `bias`. */
static inline uint64_t round_number(uint64_t x, unsigned bits, unsigned bias, unsigned mode,
                                    bool daz, uint32_t *flags)
{
    uint64_t sign_bit = (uint64_t)(bias + 1) << (bits + 1), one = 1ull << bits;
    uint64_t sign = x & sign_bit, magnitude = x ^ sign;
    unsigned e = (unsigned)(magnitude >> bits);
    bool away;
    if (e == 2 * bias + 1) {
        if (magnitude & (one - 1) && !(x & one >> 1)) {
            *flags |= ROUND_INVALID;
            x |= one >> 1;
        }
        return x;
    }
    if (!magnitude || (!e && daz))
        return sign;
    if (e >= bias + bits) /* an integer */
        return x;
    /* weight of the last place kept; below 1/2 all of it is fraction */
    unsigned shift = e < bias ? bits + 1 : bias + bits - e;
    uint64_t unit = 1ull << shift;
    uint64_t whole = e < bias ? 0 : magnitude & ~(unit - 1), rest = magnitude - whole;
    if (!rest)
        return x;
    *flags |= ROUND_PRECISION;
    uint64_t half = e < bias ? (uint64_t)(bias - 1) << bits : unit >> 1;
    /* of a number from 1 to 2 the last place is the one that is not written down */
    bool odd = e == bias || (e > bias && whole & unit);
    if (mode == ROUND_NEAREST)
        away = rest > half || (rest == half && odd);
    else
        away = mode == (sign ? ROUND_DOWN : ROUND_UP);
    if (e < bias)
        return sign | (away ? (uint64_t)bias << bits : 0);
    return sign | (away ? whole + unit : whole);
}

static inline unsigned round_mode(unsigned imm, uint32_t mxcsr)
{
    return imm & 4 ? mxcsr >> 13 & 3 : imm & 3;
}
/* n: how many lanes of the source are rounded; the others of the destination stay. */
#define VEC_ROUND(name, lane, n, bits, bias)                                                       \
    static inline uint32_t vec_##name(union v128 *d, const union v128 *s, unsigned imm,            \
                                      uint32_t mxcsr)                                              \
    {                                                                                              \
        uint32_t flags = 0;                                                                        \
        for (unsigned k = 0; k < n; k++)                                                           \
            d->lane[k] = (__typeof__(d->lane[0]))round_number(                                     \
                s->lane[k], bits, bias, round_mode(imm, mxcsr), mxcsr & 0x40, &flags);             \
        return imm & 8 ? flags & ~(uint32_t)ROUND_PRECISION : flags;                               \
    }
VEC_ROUND(roundps, d, 4, 23, 127)
VEC_ROUND(roundss, d, 1, 23, 127)
VEC_ROUND(roundpd, q, 2, 52, 1023)
VEC_ROUND(roundsd, q, 1, 52, 1023)
#undef VEC_ROUND

#endif
