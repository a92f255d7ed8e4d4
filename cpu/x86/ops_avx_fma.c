/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FMA and F16C: operands, lanes, exceptions around fp_fma.h and fp_half.h. */
#include "cpu/x86/avx.h"
#include "cpu/x86/fp_fma.h"
#include "cpu/x86/fp_half.h"
#include "cpu/x86/vec_fp.h"

/* Which operand is which: the digits of the name are the operands a, b, c of a * b + c, counted
 * from the destination. */
enum fma_order { FMA_132, FMA_213, FMA_231 };

struct fma_operands {
    union v256 v[3]; /* a, b, c */
    union v256 old;  /* the destination */
};

static int fma_source(struct cpu *cpu, const struct insn *i, enum fma_order order, unsigned size,
                      struct fma_operands *o)
{
    static const uint8_t place[3][3] = {{0, 2, 1}, {1, 0, 2}, {1, 2, 0}};
    union v256 from[3];
    if (unlikely(avx_check(cpu) || avx_source(cpu, i, size, &from[2])))
        return OP_FAULT;
    from[0] = o->old = avx_get(cpu, i->reg);
    from[1] = avx_get(cpu, i->vreg);
    for (unsigned k = 0; k < 3; k++)
        o->v[k] = from[place[order][k]];
    return 0;
}

/* even, odd: signs of those lanes. size: bytes of memory; n: lanes that are computed. */
#define FMA(name, order, even, odd, size, n, bits, lane)                                           \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        struct fma_operands o;                                                                     \
        uint32_t flags = 0;                                                                        \
        if (unlikely(fma_source(cpu, i, order, size, &o)))                                         \
            return OP_FAULT;                                                                       \
        for (unsigned k = 0; k < n; k++)                                                           \
            flags |= fma##bits(cpu->mxcsr, k & 1 ? odd : even, o.v[0].lane[k], o.v[1].lane[k],     \
                               o.v[2].lane[k], &o.old.lane[k]);                                    \
        if (unlikely(sse_raise(cpu, flags)))                                                       \
            return OP_FAULT;                                                                       \
        if (n == 1)                                                                                \
            avx_set128(cpu, i->reg, &o.old.h[0]);                                                  \
        else                                                                                       \
            avx_set(cpu, i, i->reg, &o.old);                                                       \
        return OP_OK;                                                                              \
    }
#define FMA_PACKED(name, order, digits, even, odd)                                                 \
    FMA(name##digits##ps, order, even, odd, avx_size(i), avx_size(i) / 4, 32, d)                   \
    FMA(name##digits##pd, order, even, odd, avx_size(i), avx_size(i) / 8, 64, q)
#define FMA_SCALAR(name, order, digits, even, odd)                                                 \
    FMA(name##digits##ss, order, even, odd, 4, 1, 32, d)                                           \
    FMA(name##digits##sd, order, even, odd, 8, 1, 64, q)
#define EACH_ORDER(X, name, even, odd)                                                             \
    X(name, FMA_132, 132, even, odd)                                                               \
    X(name, FMA_213, 213, even, odd)                                                               \
    X(name, FMA_231, 231, even, odd)
#define BOTH(name, signs)                                                                          \
    EACH_ORDER(FMA_PACKED, name, signs, signs)                                                     \
    EACH_ORDER(FMA_SCALAR, name, signs, signs)
BOTH(fmadd, 0)
BOTH(fmsub, FMA_SUBTRACT)
BOTH(fnmadd, FMA_NEGATE_PRODUCT)
BOTH(fnmsub, FMA_NEGATE_PRODUCT | FMA_SUBTRACT)
EACH_ORDER(FMA_PACKED, fmaddsub, FMA_SUBTRACT, 0)
EACH_ORDER(FMA_PACKED, fmsubadd, 0, FMA_SUBTRACT)

/* ---- F16C: eight or four halves in 128 or 64 bits ---- */

int op_vcvtph2ps_x(struct cpu *cpu, const struct insn *i)
{
    union v256 s, v;
    uint32_t flags = 0;
    if (unlikely(avx_check(cpu) || avx_source(cpu, i, avx_size(i) / 2, &s)))
        return OP_FAULT;
    for (unsigned k = 0; k < avx_size(i) / 4; k++)
        flags |= half_to_single(s.h[0].w[k], &v.d[k]);
    if (unlikely(sse_raise(cpu, flags)))
        return OP_FAULT;
    avx_set(cpu, i, i->reg, &v);
    return OP_OK;
}
/* imm[2]: rounding as MXCSR says; else imm[1:0] is the mode. A fault of memory comes before the
 * exceptions. */
int op_vcvtps2ph_x(struct cpu *cpu, const struct insn *i)
{
    uint32_t mxcsr = cpu->mxcsr, flags = 0;
    unsigned size = avx_size(i) / 2;
    union v128 v = {0};
    uint64_t lin;
    if (unlikely(avx_check(cpu)))
        return OP_FAULT;
    const union v256 s = avx_get(cpu, i->reg);
    if (!(i->imm & 4))
        mxcsr = (mxcsr & ~0x6000u) | (uint32_t)(i->imm & 3) << 13;
    for (unsigned k = 0; k < avx_size(i) / 4; k++)
        flags |= single_to_half(mxcsr, s.d[k], &v.w[k]);
    if (i->flags & INSN_MEM &&
        unlikely(insn_linear(cpu, i, size, ACCESS_STORE, &lin) || lin_probe_store(cpu, lin, size)))
        return OP_FAULT;
    if (unlikely(sse_raise(cpu, flags)))
        return OP_FAULT;
    if (i->flags & INSN_MEM)
        return mem_store_bytes(cpu, i, size, &v);
    avx_set128(cpu, i->rm, &v);
    return OP_OK;
}
