/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packed integer operations on MMX and XMM registers (SDM vol. 1 9.4, 11.4.2). One body per
 * instruction serves both register widths: n is the number of bytes, 8 or 16. */
#include "cpu/x86/x87.h"

static inline int32_t clamp(int32_t v, int32_t lo, int32_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}
#define SAT_SB(v) clamp(v, -128, 127)
#define SAT_UB(v) clamp(v, 0, 255)
#define SAT_SW(v) clamp(v, -32768, 32767)
#define SAT_UW(v) clamp(v, 0, 65535)

/* The two functions of an instruction around body(destination, source, bytes). */
#define DEFINE_MMX(name)                                                                           \
    int op_##name##_mmx_x(struct cpu *cpu, const struct insn *i)                                   \
    {                                                                                              \
        union v128 s, d = {0};                                                                     \
        if (unlikely(mmx_check(cpu) || mmx_source(cpu, i, &s)))                                    \
            return OP_FAULT;                                                                       \
        d.q[0] = cpu->fpr[i->reg & 7].mant;                                                        \
        body_##name(&d, &s, 8);                                                                    \
        mmx_set(cpu, i->reg, d.q[0]);                                                              \
        return OP_OK;                                                                              \
    }
#define DEFINE_XMM(name)                                                                           \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s, d;                                                                           \
        if (unlikely(sse_check(cpu) || vec_source(cpu, i, 16, &s)))                                \
            return OP_FAULT;                                                                       \
        d = vec_get(cpu, i->reg);                                                                  \
        body_##name(&d, &s, 16);                                                                   \
        vec_set(cpu, i->reg, &d);                                                                  \
        return OP_OK;                                                                              \
    }
/* Lane by lane: `expr` of x (destination) and y (source). */
#define LANES(name, lane, expr)                                                                    \
    static inline void body_##name(union v128 *d, const union v128 *s, unsigned n)                 \
    {                                                                                              \
        for (unsigned k = 0; k < n / sizeof(d->lane[0]); k++) {                                    \
            __typeof__(d->lane[0]) x = d->lane[k], y = s->lane[k];                                 \
            d->lane[k] = (__typeof__(x))(expr);                                                    \
        }                                                                                          \
    }                                                                                              \
    DEFINE_MMX(name) DEFINE_XMM(name)

LANES(paddb, b, x + y)
LANES(paddw, w, x + y)
LANES(paddd, d, x + y)
LANES(paddq, q, x + y)
LANES(psubb, b, x - y)
LANES(psubw, w, x - y)
LANES(psubd, d, x - y)
LANES(psubq, q, x - y)
LANES(paddsb, sb, SAT_SB(x + y))
LANES(paddsw, sw, SAT_SW(x + y))
LANES(paddusb, b, SAT_UB(x + y))
LANES(paddusw, w, SAT_UW(x + y))
LANES(psubsb, sb, SAT_SB(x - y))
LANES(psubsw, sw, SAT_SW(x - y))
LANES(psubusb, b, SAT_UB(x - y))
LANES(psubusw, w, SAT_UW(x - y))
LANES(pcmpeqb, b, -(x == y))
LANES(pcmpeqw, w, -(x == y))
LANES(pcmpeqd, d, -(x == y))
LANES(pcmpgtb, sb, -(x > y))
LANES(pcmpgtw, sw, -(x > y))
LANES(pcmpgtd, sd, -(x > y))
LANES(pminub, b, x < y ? x : y)
LANES(pmaxub, b, x > y ? x : y)
LANES(pminsw, sw, x < y ? x : y)
LANES(pmaxsw, sw, x > y ? x : y)
LANES(pavgb, b, (x + y + 1) >> 1)
LANES(pavgw, w, (x + y + 1) >> 1)
LANES(pmullw, sw, x *y)
LANES(pmulhw, sw, (x * y) >> 16)
LANES(pmulhuw, w, ((uint32_t)x * y) >> 16)
LANES(pmuludq, q, (uint64_t)(uint32_t)x *(uint32_t)y)
LANES(pand, q, x &y)
LANES(pandn, q, ~x &y)
LANES(por, q, x | y)
LANES(pxor, q, x ^ y)

static inline void body_pmaddwd(union v128 *d, const union v128 *s, unsigned n)
{
    for (unsigned k = 0; k < n / 4; k++)
        d->d[k] = (uint32_t)(d->sw[2 * k] * s->sw[2 * k]) +
                  (uint32_t)(d->sw[2 * k + 1] * s->sw[2 * k + 1]);
}
DEFINE_MMX(pmaddwd)
DEFINE_XMM(pmaddwd)

static inline void body_psadbw(union v128 *d, const union v128 *s, unsigned n)
{
    for (unsigned h = 0; h < n / 8; h++) {
        unsigned sum = 0;
        for (unsigned k = 8 * h; k < 8 * h + 8; k++)
            sum += (unsigned)(d->b[k] > s->b[k] ? d->b[k] - s->b[k] : s->b[k] - d->b[k]);
        d->q[h] = sum;
    }
}
DEFINE_MMX(psadbw)
DEFINE_XMM(psadbw)

/* PACK: the destination's lanes narrowed, then the source's. */
#define PACK(name, to, from, sat)                                                                  \
    static inline void body_##name(union v128 *d, const union v128 *s, unsigned n)                 \
    {                                                                                              \
        union v128 a = *d;                                                                         \
        unsigned half = n / sizeof(a.from[0]);                                                     \
        for (unsigned k = 0; k < half; k++) {                                                      \
            d->to[k] = (__typeof__(a.to[0]))sat(a.from[k]);                                        \
            d->to[k + half] = (__typeof__(a.to[0]))sat(s->from[k]);                                \
        }                                                                                          \
    }                                                                                              \
    DEFINE_MMX(name) DEFINE_XMM(name)
PACK(packsswb, sb, sw, SAT_SB)
PACK(packuswb, b, sw, SAT_UB)
PACK(packssdw, sw, sd, SAT_SW)

/* PUNPCK: lanes of the low (or high) halves, in turn. */
#define UNPACK_BODY(name, lane, high)                                                              \
    static inline void body_##name(union v128 *d, const union v128 *s, unsigned n)                 \
    {                                                                                              \
        union v128 a = *d;                                                                         \
        unsigned half = n / sizeof(a.lane[0]) / 2;                                                 \
        for (unsigned k = 0; k < half; k++) {                                                      \
            d->lane[2 * k] = a.lane[k + (high ? half : 0)];                                        \
            d->lane[2 * k + 1] = s->lane[k + (high ? half : 0)];                                   \
        }                                                                                          \
    }                                                                                              \
    DEFINE_XMM(name)
/* The low MMX forms read 32 bits of memory (SDM vol. 2B, PUNPCKLBW). */
#define UNPACK_LOW(name, lane)                                                                     \
    UNPACK_BODY(name, lane, 0)                                                                     \
    int op_##name##_mmx_x(struct cpu *cpu, const struct insn *i)                                   \
    {                                                                                              \
        union v128 s = {0}, d = {0};                                                               \
        if (unlikely(mmx_check(cpu)))                                                              \
            return OP_FAULT;                                                                       \
        if (!(i->flags & INSN_MEM))                                                                \
            s.q[0] = cpu->fpr[i->rm & 7].mant;                                                     \
        else if (unlikely(mem_load32(cpu, i, &s.d[0])))                                            \
            return OP_FAULT;                                                                       \
        d.q[0] = cpu->fpr[i->reg & 7].mant;                                                        \
        body_##name(&d, &s, 8);                                                                    \
        mmx_set(cpu, i->reg, d.q[0]);                                                              \
        return OP_OK;                                                                              \
    }
#define UNPACK_HIGH(name, lane) UNPACK_BODY(name, lane, 1) DEFINE_MMX(name)
UNPACK_LOW(punpcklbw, b)
UNPACK_LOW(punpcklwd, w)
UNPACK_LOW(punpckldq, d)
UNPACK_HIGH(punpckhbw, b)
UNPACK_HIGH(punpckhwd, w)
UNPACK_HIGH(punpckhdq, d)
UNPACK_BODY(punpcklqdq, q, 0)
UNPACK_BODY(punpckhqdq, q, 1)
UNPACK_BODY(unpcklps, d, 0)
UNPACK_BODY(unpckhps, d, 1)
UNPACK_BODY(unpcklpd, q, 0)
UNPACK_BODY(unpckhpd, q, 1)

/* The bitwise operations on packed floats are those on integers. */
#define BITWISE(name, expr)                                                                        \
    static inline void body_##name(union v128 *d, const union v128 *s, unsigned n)                 \
    {                                                                                              \
        for (unsigned k = 0; k < n / 8; k++) {                                                     \
            uint64_t x = d->q[k], y = s->q[k];                                                     \
            d->q[k] = (expr);                                                                      \
        }                                                                                          \
    }                                                                                              \
    DEFINE_XMM(name)
BITWISE(andps, x &y)
BITWISE(andpd, x &y)
BITWISE(andnps, ~x &y)
BITWISE(andnpd, ~x &y)
BITWISE(orps, x | y)
BITWISE(orpd, x | y)
BITWISE(xorps, x ^ y)
BITWISE(xorpd, x ^ y)

/* Shifts: the count is 64 bits of the source, or an immediate; counts beyond the width give zero,
 * or the sign. */
#define SHIFT(name, lane, logical, expr)                                                           \
    static inline void shift_##name(union v128 *d, uint64_t c, unsigned n)                         \
    {                                                                                              \
        unsigned width = 8 * sizeof(d->lane[0]);                                                   \
        bool out = c >= width;                                                                     \
        if (out)                                                                                   \
            c = width - 1;                                                                         \
        for (unsigned k = 0; k < n / sizeof(d->lane[0]); k++) {                                    \
            __typeof__(d->lane[0]) x = d->lane[k];                                                 \
            d->lane[k] = (__typeof__(x))(logical && out ? 0 : (expr));                             \
        }                                                                                          \
    }                                                                                              \
    static inline void body_##name(union v128 *d, const union v128 *s, unsigned n)                 \
    {                                                                                              \
        shift_##name(d, s->q[0], n);                                                               \
    }                                                                                              \
    DEFINE_MMX(name)                                                                               \
    DEFINE_XMM(name)                                                                               \
    int op_##name##_imm_mmx_x(struct cpu *cpu, const struct insn *i)                               \
    {                                                                                              \
        union v128 d = {0};                                                                        \
        if (unlikely(mmx_check(cpu)))                                                              \
            return OP_FAULT;                                                                       \
        d.q[0] = cpu->fpr[i->rm & 7].mant;                                                         \
        shift_##name(&d, i->imm & 0xff, 8);                                                        \
        mmx_set(cpu, i->rm, d.q[0]);                                                               \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##name##_imm_x(struct cpu *cpu, const struct insn *i)                                   \
    {                                                                                              \
        if (unlikely(sse_check(cpu)))                                                              \
            return OP_FAULT;                                                                       \
        union v128 d = vec_get(cpu, i->rm);                                                        \
        shift_##name(&d, i->imm & 0xff, 16);                                                       \
        vec_set(cpu, i->rm, &d);                                                                   \
        return OP_OK;                                                                              \
    }
SHIFT(psrlw, w, true, x >> c)
SHIFT(psrld, d, true, x >> c)
SHIFT(psrlq, q, true, x >> c)
SHIFT(psllw, w, true, (uint32_t)x << c)
SHIFT(pslld, d, true, x << c)
SHIFT(psllq, q, true, x << c)
SHIFT(psraw, sw, false, x >> c)
SHIFT(psrad, sd, false, x >> c)

/* PSRLDQ, PSLLDQ: whole bytes. */
static int shift_bytes(struct cpu *cpu, const struct insn *i, bool left)
{
    union v128 d, r = {0};
    unsigned c = i->imm & 0xff;
    if (unlikely(sse_check(cpu)))
        return OP_FAULT;
    d = vec_get(cpu, i->rm);
    if (c < 16)
        memcpy(r.b + (left ? c : 0), d.b + (left ? 0 : c), 16 - c);
    vec_set(cpu, i->rm, &r);
    return OP_OK;
}
int op_psrldq_x(struct cpu *cpu, const struct insn *i)
{
    return shift_bytes(cpu, i, false);
}
int op_pslldq_x(struct cpu *cpu, const struct insn *i)
{
    return shift_bytes(cpu, i, true);
}

/* Shuffles: `body` builds d from source s and destination a under control byte c. */
#define SHUFFLE(name, body)                                                                        \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s, a, d;                                                                        \
        unsigned c = i->imm & 0xff;                                                                \
        if (unlikely(sse_check(cpu) || vec_source(cpu, i, 16, &s)))                                \
            return OP_FAULT;                                                                       \
        a = vec_get(cpu, i->reg);                                                                  \
        d = s;                                                                                     \
        body;                                                                                      \
        (void)a;                                                                                   \
        vec_set(cpu, i->reg, &d);                                                                  \
        return OP_OK;                                                                              \
    }
#define FOUR(k) for (unsigned k = 0; k < 4; k++)
SHUFFLE(pshufd, FOUR(k) d.d[k] = s.d[c >> 2 * k & 3])
SHUFFLE(pshuflw, FOUR(k) d.w[k] = s.w[c >> 2 * k & 3])
SHUFFLE(pshufhw, FOUR(k) d.w[k + 4] = s.w[4 + (c >> 2 * k & 3)])
SHUFFLE(shufps, FOUR(k) d.d[k] = (k < 2 ? &a : &s)->d[c >> 2 * k & 3])
SHUFFLE(shufpd, (d.q[0] = a.q[c & 1], d.q[1] = s.q[c >> 1 & 1]))

int op_pshufw_x(struct cpu *cpu, const struct insn *i)
{
    union v128 s, d = {0};
    if (unlikely(mmx_check(cpu) || mmx_source(cpu, i, &s)))
        return OP_FAULT;
    FOUR(k) d.w[k] = s.w[i->imm >> 2 * k & 3];
    mmx_set(cpu, i->reg, d.q[0]);
    return OP_OK;
}
