/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_VEC_SSE4_H
#define CALQUE_CPU_X86_VEC_SSE4_H

#include <stdbool.h>

#include "cpu/x86/vec.h"

/* Packed integers and moves of SSSE3, SSE4.1 and SSE4.2 (SDM vol. 2, under each name). */

/* Lane by lane: `expr` of x (destination) and y (source). */
#define VEC_LANES(name, lane, expr)                                                                \
    static inline void vec_##name(union v128 *d, const union v128 *s)                              \
    {                                                                                              \
        for (unsigned k = 0; k < 16 / sizeof(d->lane[0]); k++) {                                   \
            __typeof__(d->lane[0]) x = d->lane[k], y = s->lane[k];                                 \
            (void)x;                                                                               \
            d->lane[k] = (__typeof__(x))(expr);                                                    \
        }                                                                                          \
    }
VEC_LANES(psignb, sb, y < 0 ? -x : y ? x : 0)
VEC_LANES(psignw, sw, y < 0 ? -x : y ? x : 0)
VEC_LANES(psignd, sd, y < 0 ? -(uint32_t)x : (uint32_t)(y ? x : 0))
VEC_LANES(pabsb, sb, y < 0 ? -y : y)
VEC_LANES(pabsw, sw, y < 0 ? -y : y)
VEC_LANES(pabsd, sd, y < 0 ? -(uint32_t)y : (uint32_t)y)
VEC_LANES(pmulhrsw, sw, ((x * y >> 14) + 1) >> 1)
VEC_LANES(pminsb, sb, x < y ? x : y)
VEC_LANES(pmaxsb, sb, x > y ? x : y)
VEC_LANES(pminuw, w, x < y ? x : y)
VEC_LANES(pmaxuw, w, x > y ? x : y)
VEC_LANES(pminsd, sd, x < y ? x : y)
VEC_LANES(pmaxsd, sd, x > y ? x : y)
VEC_LANES(pminud, d, x < y ? x : y)
VEC_LANES(pmaxud, d, x > y ? x : y)
VEC_LANES(pcmpeqq, q, -(uint64_t)(x == y))
VEC_LANES(pcmpgtq, sq, -(x > y))
VEC_LANES(pmulld, d, x *y)
VEC_LANES(pmuldq, sq, (int64_t)(int32_t)x *(int32_t)y)
#undef VEC_LANES

/* Two lanes become one: the destination's pairs, then the source's. a and b: the pair. */
#define VEC_HORIZONTAL(name, lane, expr)                                                           \
    static inline void vec_##name(union v128 *d, const union v128 *s)                              \
    {                                                                                              \
        const union v128 from[2] = {*d, *s};                                                       \
        const unsigned half = 8 / sizeof(d->lane[0]);                                              \
        for (unsigned k = 0; k < 2 * half; k++) {                                                  \
            __typeof__(d->lane[0]) a = from[k / half].lane[k % half * 2];                          \
            __typeof__(d->lane[0]) b = from[k / half].lane[k % half * 2 + 1];                      \
            d->lane[k] = (__typeof__(a))(expr);                                                    \
        }                                                                                          \
    }
VEC_HORIZONTAL(phaddw, w, a + b)
VEC_HORIZONTAL(phaddd, d, a + b)
VEC_HORIZONTAL(phaddsw, sw, vec_clamp(a + b, -32768, 32767))
VEC_HORIZONTAL(phsubw, w, a - b)
VEC_HORIZONTAL(phsubd, d, a - b)
VEC_HORIZONTAL(phsubsw, sw, vec_clamp(a - b, -32768, 32767))
#undef VEC_HORIZONTAL

static inline void vec_pshufb(union v128 *d, const union v128 *s)
{
    const union v128 a = *d;
    for (unsigned k = 0; k < 16; k++) {
        uint8_t c = s->b[k];
        d->b[k] = c & 0x80 ? 0 : a.b[c & 15];
    }
}
/* The destination's bytes are unsigned, the source's signed. */
static inline void vec_pmaddubsw(union v128 *d, const union v128 *s)
{
    for (unsigned k = 0; k < 8; k++) {
        int32_t low = d->b[2 * k] * s->sb[2 * k], high = d->b[2 * k + 1] * s->sb[2 * k + 1];
        d->sw[k] = (int16_t)vec_clamp(low + high, -32768, 32767);
    }
}
/* Destination above source, shifted right by imm bytes. */
static inline void vec_palignr(union v128 *d, const union v128 *s, unsigned imm)
{
    const union v128 low = *s, high = *d;
    for (unsigned k = 0; k < 16; k++) {
        unsigned from = k + (imm & 0xff);
        d->b[k] = from < 16 ? low.b[from] : from < 32 ? high.b[from - 16] : 0;
    }
}
static inline void vec_packusdw(union v128 *d, const union v128 *s)
{
    const union v128 a = *d, b = *s;
    for (unsigned k = 0; k < 4; k++) {
        d->w[k] = (uint16_t)vec_clamp(a.sd[k], 0, 65535);
        d->w[k + 4] = (uint16_t)vec_clamp(b.sd[k], 0, 65535);
    }
}

/* PMOVSX, PMOVZX: the source's low lanes, widened. */
#define VEC_WIDEN(name, to, from)                                                                  \
    static inline void vec_##name(union v128 *d, const union v128 *s)                              \
    {                                                                                              \
        const union v128 a = *s;                                                                   \
        for (unsigned k = 0; k < 16 / sizeof(d->to[0]); k++)                                       \
            d->to[k] = a.from[k];                                                                  \
    }
VEC_WIDEN(pmovsxbw, sw, sb)
VEC_WIDEN(pmovsxbd, sd, sb)
VEC_WIDEN(pmovsxbq, sq, sb)
VEC_WIDEN(pmovsxwd, sd, sw)
VEC_WIDEN(pmovsxwq, sq, sw)
VEC_WIDEN(pmovsxdq, sq, sd)
VEC_WIDEN(pmovzxbw, w, b)
VEC_WIDEN(pmovzxbd, d, b)
VEC_WIDEN(pmovzxbq, q, b)
VEC_WIDEN(pmovzxwd, d, w)
VEC_WIDEN(pmovzxwq, q, w)
VEC_WIDEN(pmovzxdq, q, d)
#undef VEC_WIDEN

/* Blends: a lane of the source where the mask, or the sign of the mask's lane, says so. */
#define VEC_BLEND(name, lane)                                                                      \
    static inline void vec_##name(union v128 *d, const union v128 *s, unsigned imm)                \
    {                                                                                              \
        for (unsigned k = 0; k < 16 / sizeof(d->lane[0]); k++)                                     \
            if (imm >> k & 1)                                                                      \
                d->lane[k] = s->lane[k];                                                           \
    }
VEC_BLEND(blendps, d)
VEC_BLEND(blendpd, q)
VEC_BLEND(pblendw, w)
#undef VEC_BLEND
#define VEC_BLENDV(name, lane, sign)                                                               \
    static inline void vec_##name(union v128 *d, const union v128 *s, const union v128 *mask)      \
    {                                                                                              \
        for (unsigned k = 0; k < 16 / sizeof(d->lane[0]); k++)                                     \
            if (mask->sign[k] < 0)                                                                 \
                d->lane[k] = s->lane[k];                                                           \
    }
VEC_BLENDV(pblendvb, b, sb)
VEC_BLENDV(blendvps, d, sd)
VEC_BLENDV(blendvpd, q, sq)
#undef VEC_BLENDV

/* The smallest word and its place. */
static inline void vec_phminposuw(union v128 *d, const union v128 *s)
{
    unsigned best = 0;
    for (unsigned k = 1; k < 8; k++)
        if (s->w[k] < s->w[best])
            best = k;
    *d = (union v128){.w = {s->w[best], (uint16_t)best}};
}
/* Sums of absolute differences of four bytes of the source, chosen by imm[1:0], with each of eight
 * places of the destination from imm[2] * 4 on. */
static inline void vec_mpsadbw(union v128 *d, const union v128 *s, unsigned imm)
{
    const union v128 a = *d, b = *s;
    const uint8_t *block = b.b + (imm & 3) * 4, *at = a.b + (imm >> 2 & 1) * 4;
    for (unsigned k = 0; k < 8; k++) {
        unsigned sum = 0;
        for (unsigned n = 0; n < 4; n++)
            sum += (unsigned)(at[k + n] > block[n] ? at[k + n] - block[n] : block[n] - at[k + n]);
        d->w[k] = (uint16_t)sum;
    }
}
/* INSERTPS: value is the source's lane (or memory), imm[5:4] its place, imm[3:0] what is cleared.
 */
static inline void vec_insertps(union v128 *d, uint32_t value, unsigned imm)
{
    d->d[imm >> 4 & 3] = value;
    for (unsigned k = 0; k < 4; k++)
        if (imm >> k & 1)
            d->d[k] = 0;
}
/* PTEST: ZF, the AND of the two is zero; CF, nothing of the source is outside the destination. */
static inline bool vec_ptest_zf(const union v128 *d, const union v128 *s)
{
    return !((d->q[0] & s->q[0]) | (d->q[1] & s->q[1]));
}
static inline bool vec_ptest_cf(const union v128 *d, const union v128 *s)
{
    return !((~d->q[0] & s->q[0]) | (~d->q[1] & s->q[1]));
}

#endif
