/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packed integers, bitwise operations, shuffles within 128 bits, AES, PCLMULQDQ and strings in
 * their VEX forms: the functions of vec_*.h on each half. What crosses the halves is in
 * ops_avx_permute.c. */
#include "cpu/x86/avx.h"
#include "cpu/x86/vec_crypto.h"
#include "cpu/x86/vec_int.h"
#include "cpu/x86/vec_sse4.h"
#include "cpu/x86/vec_string.h"

#define IMM ((unsigned)i->imm & 0xff)

/* call: with halves d (VEX.vvvv before it) and s, number h. */
#define VEX(name, call)                                                                            \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        union v256 from, to;                                                                       \
        if (unlikely(avx_check(cpu) || avx_source(cpu, i, avx_size(i), &from)))                    \
            return OP_FAULT;                                                                       \
        to = avx_get(cpu, i->vreg);                                                                \
        for (unsigned h = 0; h < avx_halves(i); h++) {                                             \
            union v128 *d = &to.h[h], *s = &from.h[h];                                             \
            call;                                                                                  \
        }                                                                                          \
        avx_set(cpu, i, i->reg, &to);                                                              \
        return OP_OK;                                                                              \
    }
#define BINARY(name) VEX(name, vec_##name(d, s))

BINARY(paddb)
BINARY(paddw)
BINARY(paddd)
BINARY(paddq)
BINARY(psubb)
BINARY(psubw)
BINARY(psubd)
BINARY(psubq)
BINARY(paddsb)
BINARY(paddsw)
BINARY(paddusb)
BINARY(paddusw)
BINARY(psubsb)
BINARY(psubsw)
BINARY(psubusb)
BINARY(psubusw)
BINARY(pcmpeqb)
BINARY(pcmpeqw)
BINARY(pcmpeqd)
BINARY(pcmpeqq)
BINARY(pcmpgtb)
BINARY(pcmpgtw)
BINARY(pcmpgtd)
BINARY(pcmpgtq)
BINARY(pminub)
BINARY(pminuw)
BINARY(pminud)
BINARY(pminsb)
BINARY(pminsw)
BINARY(pminsd)
BINARY(pmaxub)
BINARY(pmaxuw)
BINARY(pmaxud)
BINARY(pmaxsb)
BINARY(pmaxsw)
BINARY(pmaxsd)
BINARY(pavgb)
BINARY(pavgw)
BINARY(pmullw)
BINARY(pmulld)
BINARY(pmulhw)
BINARY(pmulhuw)
BINARY(pmulhrsw)
BINARY(pmuludq)
BINARY(pmuldq)
BINARY(pmaddwd)
BINARY(pmaddubsw)
BINARY(psadbw)
BINARY(phaddw)
BINARY(phaddd)
BINARY(phaddsw)
BINARY(phsubw)
BINARY(phsubd)
BINARY(phsubsw)
BINARY(psignb)
BINARY(psignw)
BINARY(psignd)
BINARY(pabsb)
BINARY(pabsw)
BINARY(pabsd)
BINARY(pand)
BINARY(pandn)
BINARY(por)
BINARY(pxor)
BINARY(packsswb)
BINARY(packuswb)
BINARY(packssdw)
BINARY(packusdw)
BINARY(punpcklbw)
BINARY(punpcklwd)
BINARY(punpckldq)
BINARY(punpcklqdq)
BINARY(punpckhbw)
BINARY(punpckhwd)
BINARY(punpckhdq)
BINARY(punpckhqdq)
BINARY(pshufb)
BINARY(phminposuw)
BINARY(aesimc)
BINARY(aesenc)
BINARY(aesenclast)
BINARY(aesdec)
BINARY(aesdeclast)
VEX(unpcklps, vec_punpckldq(d, s))
VEX(unpckhps, vec_punpckhdq(d, s))
VEX(unpcklpd, vec_punpcklqdq(d, s))
VEX(unpckhpd, vec_punpckhqdq(d, s))
VEX(andps, vec_pand(d, s))
VEX(andpd, vec_pand(d, s))
VEX(andnps, vec_pandn(d, s))
VEX(andnpd, vec_pandn(d, s))
VEX(orps, vec_por(d, s))
VEX(orpd, vec_por(d, s))
VEX(xorps, vec_pxor(d, s))
VEX(xorpd, vec_pxor(d, s))

/* With an immediate: of bits for each lane, the upper half has those above the lower half's. */
VEX(pshufd, vec_pshufd(d, s, IMM))
VEX(pshuflw, vec_pshuflw(d, s, IMM))
VEX(pshufhw, vec_pshufhw(d, s, IMM))
VEX(shufps, vec_shufps(d, s, IMM))
VEX(shufpd, vec_shufpd(d, s, IMM >> 2 * h))
VEX(palignr, vec_palignr(d, s, IMM))
VEX(blendps, vec_blendps(d, s, IMM >> 4 * h))
VEX(blendpd, vec_blendpd(d, s, IMM >> 2 * h))
VEX(pblendd, vec_blendps(d, s, IMM >> 4 * h))
VEX(pblendw, vec_pblendw(d, s, IMM))
VEX(mpsadbw, vec_mpsadbw(d, s, IMM >> 3 * h))
VEX(pclmulqdq, vec_pclmulqdq(d, s, IMM))
VEX(aeskeygenassist, vec_aeskeygenassist(d, s, IMM))

/* The mask register is in imm[7:4]. */
#define BLENDV(name)                                                                               \
    VEX(name, {                                                                                    \
        const union v256 mask = avx_get(cpu, IMM >> 4);                                            \
        vec_##name(d, s, &mask.h[h]);                                                              \
    })
BLENDV(pblendvb)
BLENDV(blendvps)
BLENDV(blendvpd)

/* ---- shifts ---- */

/* The count is 128 bits for both halves; or an immediate, and then VEX.vvvv is written. */
#define SHIFT_IMM(name, vec)                                                                       \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        if (unlikely(avx_check(cpu)))                                                              \
            return OP_FAULT;                                                                       \
        union v256 v = avx_get(cpu, i->rm);                                                        \
        for (unsigned h = 0; h < avx_halves(i); h++)                                               \
            vec(&v.h[h], IMM);                                                                     \
        avx_set(cpu, i, i->vreg, &v);                                                              \
        return OP_OK;                                                                              \
    }
#define SHIFT(name)                                                                                \
    SHIFT_IMM(name##_imm, vec_##name##_imm)                                                        \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        union v256 s, v;                                                                           \
        if (unlikely(avx_check(cpu) || avx_source(cpu, i, 16, &s)))                                \
            return OP_FAULT;                                                                       \
        v = avx_get(cpu, i->vreg);                                                                 \
        for (unsigned h = 0; h < avx_halves(i); h++)                                               \
            vec_##name(&v.h[h], &s.h[0]);                                                          \
        avx_set(cpu, i, i->reg, &v);                                                               \
        return OP_OK;                                                                              \
    }
SHIFT(psrlw)
SHIFT(psrld)
SHIFT(psrlq)
SHIFT(psllw)
SHIFT(pslld)
SHIFT(psllq)
SHIFT(psraw)
SHIFT(psrad)
SHIFT_IMM(psrldq, vec_psrldq)
SHIFT_IMM(pslldq, vec_pslldq)

/* A count for each lane. */
#define SHIFT_LANES(name, lane, n, expr)                                                           \
    VEX(                                                                                           \
        name, for (unsigned k = 0; k < n; k++) {                                                   \
            __typeof__(s->lane[0]) c = s->lane[k];                                                 \
            d->lane[k] = (__typeof__(c))(expr);                                                    \
        })
SHIFT_LANES(psrlvd, d, 4, c < 32 ? d->d[k] >> c : 0)
SHIFT_LANES(psrlvq, q, 2, c < 64 ? d->q[k] >> c : 0)
SHIFT_LANES(psllvd, d, 4, c < 32 ? d->d[k] << c : 0)
SHIFT_LANES(psllvq, q, 2, c < 64 ? d->q[k] << c : 0)
SHIFT_LANES(psravd, d, 4, d->sd[k] >> (c < 32 ? c : 31))

/* ---- widening: a half of the result takes `bytes` of the source ---- */
#define WIDEN(name, bytes)                                                                         \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        union v256 s, v;                                                                           \
        if (unlikely(avx_check(cpu) || avx_source(cpu, i, bytes * avx_halves(i), &s)))             \
            return OP_FAULT;                                                                       \
        for (unsigned h = 0; h < avx_halves(i); h++) {                                             \
            vec_##name(&v.h[h], &s.h[0]);                                                          \
            vec_psrldq(&s.h[0], bytes);                                                            \
        }                                                                                          \
        avx_set(cpu, i, i->reg, &v);                                                               \
        return OP_OK;                                                                              \
    }
WIDEN(pmovsxbw, 8)
WIDEN(pmovsxbd, 4)
WIDEN(pmovsxbq, 2)
WIDEN(pmovsxwd, 8)
WIDEN(pmovsxwq, 4)
WIDEN(pmovsxdq, 8)
WIDEN(pmovzxbw, 8)
WIDEN(pmovzxbd, 4)
WIDEN(pmovzxbq, 2)
WIDEN(pmovzxwd, 8)
WIDEN(pmovzxwq, 4)
WIDEN(pmovzxdq, 8)

/* ---- to flags and general registers ---- */

#define MASK(name, bits)                                                                           \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        unsigned m = 0;                                                                            \
        if (unlikely(avx_check(cpu)))                                                              \
            return OP_FAULT;                                                                       \
        const union v256 s = avx_get(cpu, i->rm);                                                  \
        for (unsigned h = 0; h < avx_halves(i); h++)                                               \
            m |= vec_##name(&s.h[h]) << bits * h;                                                  \
        cpu->r[i->reg] = m;                                                                        \
        return OP_OK;                                                                              \
    }
MASK(movmskps, 4)
MASK(movmskpd, 2)
MASK(pmovmskb, 16)

/* VPTEST, VTESTPS, VTESTPD: on all bits, or the signs of the lanes. */
static int test(struct cpu *cpu, const struct insn *i, uint64_t mask)
{
    union v256 s, d;
    bool zf = true, cf = true;
    if (unlikely(avx_check(cpu) || avx_source(cpu, i, avx_size(i), &s)))
        return OP_FAULT;
    d = avx_get(cpu, i->reg);
    for (unsigned h = 0; h < avx_halves(i); h++) {
        s.h[h].q[0] &= mask;
        s.h[h].q[1] &= mask;
        zf &= vec_ptest_zf(&d.h[h], &s.h[h]);
        cf &= vec_ptest_cf(&d.h[h], &s.h[h]);
    }
    flags_set_image(cpu, (zf ? EFLAGS_ZF : 0) | (cf ? EFLAGS_CF : 0));
    return OP_OK;
}
int op_vptest_x(struct cpu *cpu, const struct insn *i)
{
    return test(cpu, i, ~0ull);
}
int op_vtestps_x(struct cpu *cpu, const struct insn *i)
{
    return test(cpu, i, 0x8000000080000000);
}
int op_vtestpd_x(struct cpu *cpu, const struct insn *i)
{
    return test(cpu, i, 0x8000000000000000);
}
