/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_VEC_INT_H
#define CALQUE_CPU_X86_VEC_INT_H

#include <stdbool.h>
#include <string.h>

#include "cpu/x86/vec.h"

/* Packed integers of MMX, SSE and SSE2, bitwise operations and shuffles (SDM vol. 2, under each
 * name). The MMX forms use the low half. */

#define VEC_SB(v) vec_clamp(v, -128, 127)
#define VEC_UB(v) vec_clamp(v, 0, 255)
#define VEC_SW(v) vec_clamp(v, -32768, 32767)
#define VEC_UW(v) vec_clamp(v, 0, 65535)

/* Lane by lane: `expr` of x (destination) and y (source). */
#define VEC_LANES(name, lane, expr)                                                                \
    static inline void vec_##name(union v128 *d, const union v128 *s)                              \
    {                                                                                              \
        for (unsigned k = 0; k < 16 / sizeof(d->lane[0]); k++) {                                   \
            __typeof__(d->lane[0]) x = d->lane[k], y = s->lane[k];                                 \
            d->lane[k] = (__typeof__(x))(expr);                                                    \
        }                                                                                          \
    }
VEC_LANES(paddb, b, x + y)
VEC_LANES(paddw, w, x + y)
VEC_LANES(paddd, d, x + y)
VEC_LANES(paddq, q, x + y)
VEC_LANES(psubb, b, x - y)
VEC_LANES(psubw, w, x - y)
VEC_LANES(psubd, d, x - y)
VEC_LANES(psubq, q, x - y)
VEC_LANES(paddsb, sb, VEC_SB(x + y))
VEC_LANES(paddsw, sw, VEC_SW(x + y))
VEC_LANES(paddusb, b, VEC_UB(x + y))
VEC_LANES(paddusw, w, VEC_UW(x + y))
VEC_LANES(psubsb, sb, VEC_SB(x - y))
VEC_LANES(psubsw, sw, VEC_SW(x - y))
VEC_LANES(psubusb, b, VEC_UB(x - y))
VEC_LANES(psubusw, w, VEC_UW(x - y))
VEC_LANES(pcmpeqb, b, -(x == y))
VEC_LANES(pcmpeqw, w, -(x == y))
VEC_LANES(pcmpeqd, d, -(x == y))
VEC_LANES(pcmpgtb, sb, -(x > y))
VEC_LANES(pcmpgtw, sw, -(x > y))
VEC_LANES(pcmpgtd, sd, -(x > y))
VEC_LANES(pminub, b, x < y ? x : y)
VEC_LANES(pmaxub, b, x > y ? x : y)
VEC_LANES(pminsw, sw, x < y ? x : y)
VEC_LANES(pmaxsw, sw, x > y ? x : y)
VEC_LANES(pavgb, b, (x + y + 1) >> 1)
VEC_LANES(pavgw, w, (x + y + 1) >> 1)
VEC_LANES(pmullw, sw, x *y)
VEC_LANES(pmulhw, sw, (x * y) >> 16)
VEC_LANES(pmulhuw, w, ((uint32_t)x * y) >> 16)
VEC_LANES(pmuludq, q, (uint64_t)(uint32_t)x *(uint32_t)y)
VEC_LANES(pand, q, x &y)
VEC_LANES(pandn, q, ~x &y)
VEC_LANES(por, q, x | y)
VEC_LANES(pxor, q, x ^ y)
#undef VEC_LANES

static inline void vec_pmaddwd(union v128 *d, const union v128 *s)
{
    for (unsigned k = 0; k < 4; k++)
        d->d[k] = (uint32_t)(d->sw[2 * k] * s->sw[2 * k]) +
                  (uint32_t)(d->sw[2 * k + 1] * s->sw[2 * k + 1]);
}
static inline void vec_psadbw(union v128 *d, const union v128 *s)
{
    for (unsigned h = 0; h < 2; h++) {
        unsigned sum = 0;
        for (unsigned k = 8 * h; k < 8 * h + 8; k++)
            sum += (unsigned)(d->b[k] > s->b[k] ? d->b[k] - s->b[k] : s->b[k] - d->b[k]);
        d->q[h] = sum;
    }
}

/* PACK: the destination's lanes narrowed, then the source's. */
#define VEC_PACK(name, to, from, sat)                                                              \
    static inline void vec_##name(union v128 *d, const union v128 *s)                              \
    {                                                                                              \
        const union v128 a = *d, b = *s;                                                           \
        const unsigned half = 16 / sizeof(a.from[0]);                                              \
        for (unsigned k = 0; k < half; k++) {                                                      \
            d->to[k] = (__typeof__(a.to[0]))sat(a.from[k]);                                        \
            d->to[k + half] = (__typeof__(a.to[0]))sat(b.from[k]);                                 \
        }                                                                                          \
    }
VEC_PACK(packsswb, sb, sw, VEC_SB)
VEC_PACK(packuswb, b, sw, VEC_UB)
VEC_PACK(packssdw, sw, sd, VEC_SW)
#undef VEC_PACK

/* PUNPCK: lanes of the low (or high) halves, in turn. */
#define VEC_UNPACK(name, lane, high)                                                               \
    static inline void vec_##name(union v128 *d, const union v128 *s)                              \
    {                                                                                              \
        const union v128 a = *d, b = *s;                                                           \
        const unsigned half = 16 / sizeof(a.lane[0]) / 2, from = high ? half : 0;                  \
        for (unsigned k = 0; k < half; k++) {                                                      \
            d->lane[2 * k] = a.lane[k + from];                                                     \
            d->lane[2 * k + 1] = b.lane[k + from];                                                 \
        }                                                                                          \
    }
VEC_UNPACK(punpcklbw, b, 0)
VEC_UNPACK(punpcklwd, w, 0)
VEC_UNPACK(punpckldq, d, 0)
VEC_UNPACK(punpcklqdq, q, 0)
VEC_UNPACK(punpckhbw, b, 1)
VEC_UNPACK(punpckhwd, w, 1)
VEC_UNPACK(punpckhdq, d, 1)
VEC_UNPACK(punpckhqdq, q, 1)
#undef VEC_UNPACK

/* Shifts: the count is the low 64 bits of the source, or an immediate (_imm); counts beyond the
 * width give zero, or the sign. */
#define VEC_SHIFT(name, lane, logical, expr)                                                       \
    static inline void vec_##name##_imm(union v128 *d, uint64_t c)                                 \
    {                                                                                              \
        const unsigned width = 8 * sizeof(d->lane[0]);                                             \
        bool out = c >= width;                                                                     \
        if (out)                                                                                   \
            c = width - 1;                                                                         \
        for (unsigned k = 0; k < 16 / sizeof(d->lane[0]); k++) {                                   \
            __typeof__(d->lane[0]) x = d->lane[k];                                                 \
            d->lane[k] = (__typeof__(x))(logical && out ? 0 : (expr));                             \
        }                                                                                          \
    }                                                                                              \
    static inline void vec_##name(union v128 *d, const union v128 *s)                              \
    {                                                                                              \
        vec_##name##_imm(d, s->q[0]);                                                              \
    }
VEC_SHIFT(psrlw, w, true, x >> c)
VEC_SHIFT(psrld, d, true, x >> c)
VEC_SHIFT(psrlq, q, true, x >> c)
VEC_SHIFT(psllw, w, true, (uint32_t)x << c)
VEC_SHIFT(pslld, d, true, x << c)
VEC_SHIFT(psllq, q, true, x << c)
VEC_SHIFT(psraw, sw, false, x >> c)
VEC_SHIFT(psrad, sd, false, x >> c)
#undef VEC_SHIFT

/* Whole bytes. */
static inline void vec_psrldq(union v128 *d, uint64_t c)
{
    union v128 r = {0};
    if (c < 16)
        memcpy(r.b, d->b + c, 16 - c);
    *d = r;
}
static inline void vec_pslldq(union v128 *d, uint64_t c)
{
    union v128 r = {0};
    if (c < 16)
        memcpy(r.b + c, d->b, 16 - c);
    *d = r;
}

/* Shuffles: `expr` is lane k of the result, from the source s and the old destination a, for the
 * two bits c of the control byte that are the lane's; s where only some lanes move. */
#define VEC_SHUFFLE(name, lane, first, expr)                                                       \
    static inline void vec_##name(union v128 *d, const union v128 *src, unsigned imm)              \
    {                                                                                              \
        const union v128 a = *d, s = *src;                                                         \
        (void)a;                                                                                   \
        *d = s;                                                                                    \
        for (unsigned k = 0; k < 4; k++) {                                                         \
            unsigned c = imm >> 2 * k & 3;                                                         \
            d->lane[k + first] = (expr);                                                           \
        }                                                                                          \
    }
VEC_SHUFFLE(pshufd, d, 0, s.d[c])
VEC_SHUFFLE(pshuflw, w, 0, s.w[c])
VEC_SHUFFLE(pshufhw, w, 4, s.w[c + 4])
VEC_SHUFFLE(shufps, d, 0, k < 2 ? a.d[c] : s.d[c])
#undef VEC_SHUFFLE
static inline void vec_shufpd(union v128 *d, const union v128 *s, unsigned imm)
{
    *d = (union v128){.q = {d->q[imm & 1], s->q[imm >> 1 & 1]}};
}

/* The signs of the lanes: MOVMSKPS, MOVMSKPD, PMOVMSKB. */
#define VEC_MASK(name, lane, width)                                                                \
    static inline unsigned vec_##name(const union v128 *s)                                         \
    {                                                                                              \
        unsigned m = 0;                                                                            \
        for (unsigned k = 0; k < 128 / width; k++)                                                 \
            m |= (unsigned)(s->lane[k] >> (width - 1)) << k;                                       \
        return m;                                                                                  \
    }
VEC_MASK(movmskps, d, 32)
VEC_MASK(movmskpd, q, 64)
VEC_MASK(pmovmskb, b, 8)
#undef VEC_MASK

/* MOVDDUP, MOVSLDUP, MOVSHDUP. */
static inline void vec_movddup(union v128 *d, const union v128 *s)
{
    d->q[0] = d->q[1] = s->q[0];
}
static inline void vec_movsldup(union v128 *d, const union v128 *s)
{
    *d = (union v128){.d = {s->d[0], s->d[0], s->d[2], s->d[2]}};
}
static inline void vec_movshdup(union v128 *d, const union v128 *s)
{
    *d = (union v128){.d = {s->d[1], s->d[1], s->d[3], s->d[3]}};
}

#endif
