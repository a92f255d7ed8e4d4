/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SSE and SSE2 arithmetic, compares and conversions (SDM vol. 1 11.5: exceptions). */
#include "cpu/x86/sse_fp.h"
#include "cpu/x86/vec_round.h"

#define MXCSR_FZ 0x8000u

#define MXCSR_DAZ 0x0040u

/* Which result lanes can be tiny: see sse_end(). T_PD_PS, T_SD_SS: made from doubles. Sums are
 * known by T_SUM. */
enum tiny { T_NO, T_PS, T_PD, T_SS, T_SD, T_PD_PS, T_SD_SS, T_SUM = 8 };

/* The MXCSR to compute under. Flush-to-zero counts only while underflow is masked. */
static inline uint32_t sse_csr(const struct cpu *cpu)
{
    uint32_t c = (cpu->mxcsr & ~FSW_EXC) | FSW_EXC << 7;
    return cpu->mxcsr & FSW_UE << 7 ? c : c & ~MXCSR_FZ;
}
static bool any_tiny(const union v128 *d, unsigned lanes)
{
    unsigned t = lanes & (T_SUM - 1);
    unsigned n32 = t == T_PS || t == T_PD_PS ? 4 : t == T_SS || t == T_SD_SS;
    unsigned n64 = t == T_PD ? 2 : t == T_SD;
    for (unsigned k = 0; k < n32; k++) {
        if (!(d->d[k] & 0x7f800000) && d->d[k] << 1)
            return true;
    }
    for (unsigned k = 0; k < n64; k++) {
        if (!(d->q[k] & 0x7ff0000000000000) && d->q[k] << 1)
            return true;
    }
    return false;
}
/* The lanes with their exponents at 1.0, or, for sums, a quarter as large; zeros, infinities and
 * NaNs as they are. */
static union v128 same_scale(union v128 v, unsigned lanes, bool daz)
{
    unsigned t = lanes & (T_SUM - 1);
    bool wide = t == T_PD || t == T_SD || t == T_PD_PS || t == T_SD_SS;
    for (unsigned k = 0; k < (wide ? 2 : 4); k++) {
        unsigned bits = wide ? 52 : 23, all = wide ? 0x7ff : 0xff;
        uint64_t one = 1ull << bits, x = wide ? v.q[k] : v.d[k], frac = x & (one - 1);
        unsigned e = x >> bits & all;
        if (e == all || (!e && (!frac || daz)))
            continue;
        while (!e && !(frac >> bits))
            frac <<= 1;
        if (!(lanes & T_SUM))
            x = (frac & (one - 1)) | (uint64_t)(all >> 1) << bits;
        else if (e > 2)
            x -= 2 * one;
        if (wide)
            v.q[k] = x;
        else
            v.d[k] = (uint32_t)x;
    }
    return v;
}
/* With overflow or underflow unmasked, a huge or tiny result is inexact only if it would be with an
 * exponent range without bounds (SDM vol. 1 4.9.1.4, 4.9.1.5): then the instruction has to be asked
 * again, with operands of another scale. (Tiny sums are exact.) */
static inline bool sse_ask_again(const struct cpu *cpu, uint32_t csr, unsigned t)
{
    uint32_t range = csr & ~(cpu->mxcsr >> 7) & (FSW_OE | FSW_UE);
    return unlikely(range) && csr & FSW_PE && t != T_NO;
}
/* Masked overflow is always inexact. */
static inline uint32_t sse_inexact(const struct cpu *cpu, uint32_t csr, uint32_t again)
{
    bool overflow = csr & (cpu->mxcsr >> 7) & FSW_OE;
    bool underflow = csr & (cpu->mxcsr >> 7) & FSW_UE;
    return overflow || underflow || again & FSW_PE ? csr : csr & ~(uint32_t)FSW_PE;
}
/* Merges flags; raises #XM when one is unmasked. d: the result, to find exact tiny ones, which
 * signal only when underflow is unmasked. */
static int sse_end(struct cpu *cpu, uint32_t csr, const union v128 *d, unsigned t)
{
    uint32_t enabled = ~(cpu->mxcsr >> 7) & FSW_EXC, flags = csr & FSW_EXC;
    if (unlikely(enabled & FSW_UE) && any_tiny(d, t))
        flags |= FSW_UE;
    if (unlikely(flags & enabled & (FSW_IE | FSW_DE | FSW_ZE))) /* before computation */
        flags &= FSW_IE | FSW_DE | FSW_ZE;
    cpu->mxcsr |= flags;
    if (likely(!(flags & enabled)))
        return OP_OK;
    return raise_exception(cpu, cpu->cr4 & CR4_OSXMMEXCPT ? EXC_XM : EXC_UD);
}

#define FP(name, size, lanes)                                                                      \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s, d;                                                                           \
        uint32_t csr = sse_csr(cpu);                                                               \
        if (unlikely(sse_check(cpu) || vec_source(cpu, i, size, &s)))                              \
            return OP_FAULT;                                                                       \
        d = vec_get(cpu, i->reg);                                                                  \
        SSE_FP(name, csr, d, s);                                                                   \
        if (sse_ask_again(cpu, csr, lanes)) {                                                      \
            bool daz = cpu->mxcsr & MXCSR_DAZ;                                                     \
            union v128 s2 = same_scale(s, lanes, daz);                                             \
            union v128 d2 = same_scale(vec_get(cpu, i->reg), lanes, daz);                          \
            uint32_t again = sse_csr(cpu);                                                         \
            SSE_FP(name, again, d2, s2);                                                           \
            csr = sse_inexact(cpu, csr, again);                                                    \
        }                                                                                          \
        if (unlikely(sse_end(cpu, csr, &d, lanes)))                                                \
            return OP_FAULT;                                                                       \
        vec_set(cpu, i->reg, &d);                                                                  \
        return OP_OK;                                                                              \
    }
#define FP4(name)                                                                                  \
    FP(name##ps, 16, T_PS)                                                                         \
    FP(name##pd, 16, T_PD)                                                                         \
    FP(name##ss, 4, T_SS) FP(name##sd, 8, T_SD)
#define FP4_SUM(name)                                                                              \
    FP(name##ps, 16, T_PS | T_SUM)                                                                 \
    FP(name##pd, 16, T_PD | T_SUM)                                                                 \
    FP(name##ss, 4, T_SS | T_SUM) FP(name##sd, 8, T_SD | T_SUM)
#define FP4_EXACT(name)                                                                            \
    FP(name##ps, 16, T_NO)                                                                         \
    FP(name##pd, 16, T_NO)                                                                         \
    FP(name##ss, 4, T_NO) FP(name##sd, 8, T_NO)
FP4_SUM(add)
FP4_SUM(sub)
FP4(mul)
FP4(div)
FP4_EXACT(sqrt)
FP4_EXACT(min)
FP4_EXACT(max)
FP(haddps, 16, T_PS | T_SUM)
FP(haddpd, 16, T_PD | T_SUM)
FP(hsubps, 16, T_PS | T_SUM)
FP(hsubpd, 16, T_PD | T_SUM)
FP(addsubps, 16, T_PS | T_SUM)
FP(addsubpd, 16, T_PD | T_SUM)
FP(rcpps, 16, T_NO)
FP(rcpss, 4, T_NO)
FP(rsqrtps, 16, T_NO)
FP(rsqrtss, 4, T_NO)
FP(cvtps2pd, 8, T_NO)
FP(cvtpd2ps, 16, T_PD_PS)
FP(cvtss2sd, 4, T_NO)
FP(cvtsd2ss, 8, T_SD_SS)
FP(cvtdq2ps, 16, T_NO)
FP(cvtps2dq, 16, T_NO)
FP(cvttps2dq, 16, T_NO)
FP(cvtdq2pd, 8, T_NO)
FP(cvtpd2dq, 16, T_NO)
FP(cvttpd2dq, 16, T_NO)

/* CMPccPS and the like: the predicate is imm8[2:0]. */
#define CMP(name, size)                                                                            \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s, d;                                                                           \
        uint32_t csr = sse_csr(cpu);                                                               \
        if (unlikely(sse_check(cpu) || vec_source(cpu, i, size, &s)))                              \
            return OP_FAULT;                                                                       \
        d = vec_get(cpu, i->reg);                                                                  \
        SSE_FP_IMM3(name, i->imm, csr, d, s);                                                      \
        if (unlikely(sse_end(cpu, csr, &d, T_NO)))                                                 \
            return OP_FAULT;                                                                       \
        vec_set(cpu, i->reg, &d);                                                                  \
        return OP_OK;                                                                              \
    }
CMP(cmpps, 16)
CMP(cmppd, 16)
CMP(cmpss, 4)
CMP(cmpsd, 8)

/* COMIS: ZF, PF, CF from three compares' masks; the flags of the instruction itself come from it.
 */
#define COMIS(name, sfx, size, lane)                                                               \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s, d, eq, lt, un;                                                               \
        uint32_t csr = sse_csr(cpu), quiet = csr;                                                  \
        if (unlikely(sse_check(cpu) || vec_source(cpu, i, size, &s)))                              \
            return OP_FAULT;                                                                       \
        d = eq = lt = un = vec_get(cpu, i->reg);                                                   \
        SSE_FP(name, csr, d, s);                                                                   \
        SSE_FP_IMM(cmp##sfx, 0, quiet, eq, s); /* EQ */                                            \
        SSE_FP_IMM(cmp##sfx, 1, quiet, lt, s); /* LT */                                            \
        SSE_FP_IMM(cmp##sfx, 3, quiet, un, s); /* UNORD */                                         \
        if (unlikely(sse_end(cpu, csr, &d, T_NO)))                                                 \
            return OP_FAULT;                                                                       \
        uint32_t f = un.lane[0] ? EFLAGS_ZF | EFLAGS_PF | EFLAGS_CF                                \
                                : (eq.lane[0] ? EFLAGS_ZF : 0) | (lt.lane[0] ? EFLAGS_CF : 0);     \
        flags_set_image(cpu, f);                                                                   \
        return OP_OK;                                                                              \
    }
COMIS(comiss, ss, 4, d)
COMIS(ucomiss, ss, 4, d)
COMIS(comisd, sd, 8, q)
COMIS(ucomisd, sd, 8, q)

/* To and from general registers. */
#define TO_GPR(name, size)                                                                         \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s;                                                                              \
        uint32_t csr = sse_csr(cpu);                                                               \
        uint64_t v;                                                                                \
        if (unlikely(sse_check(cpu) || vec_source(cpu, i, size, &s)))                              \
            return OP_FAULT;                                                                       \
        SSE_FP_TO_INT(name, insn_osize(i) == 8, csr, v, s);                                        \
        if (unlikely(sse_end(cpu, csr, &s, T_NO)))                                                 \
            return OP_FAULT;                                                                       \
        cpu->r[i->reg] = v;                                                                        \
        return OP_OK;                                                                              \
    }
TO_GPR(cvtss2si, 4)
TO_GPR(cvttss2si, 4)
TO_GPR(cvtsd2si, 8)
TO_GPR(cvttsd2si, 8)

#define FROM_GPR(name)                                                                             \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s = {0}, d;                                                                     \
        uint32_t csr = sse_csr(cpu);                                                               \
        bool wide = insn_osize(i) == 8;                                                            \
        if (unlikely(sse_check(cpu)))                                                              \
            return OP_FAULT;                                                                       \
        if (!(i->flags & INSN_MEM))                                                                \
            s.q[0] = cpu->r[i->rm];                                                                \
        else if (unlikely(mem_load_bytes(cpu, i, wide ? 8 : 4, &s)))                               \
            return OP_FAULT;                                                                       \
        d = vec_get(cpu, i->reg);                                                                  \
        if (wide)                                                                                  \
            SSE_FP(name##q, csr, d, s);                                                            \
        else                                                                                       \
            SSE_FP(name##l, csr, d, s);                                                            \
        if (unlikely(sse_end(cpu, csr, &d, T_NO)))                                                 \
            return OP_FAULT;                                                                       \
        vec_set(cpu, i->reg, &d);                                                                  \
        return OP_OK;                                                                              \
    }
FROM_GPR(cvtsi2ss)
FROM_GPR(cvtsi2sd)

/* Between XMM and MMX: the XMM conversion on the two low lanes. */
#define TO_MMX(name, xmm, size)                                                                    \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s, d = {0};                                                                     \
        uint32_t csr = sse_csr(cpu);                                                               \
        if (unlikely(sse_check(cpu) || mmx_check(cpu) || vec_source(cpu, i, size, &s)))            \
            return OP_FAULT;                                                                       \
        if (size == 8)                                                                             \
            s.q[1] = 0;                                                                            \
        SSE_FP(xmm, csr, d, s);                                                                    \
        if (unlikely(sse_end(cpu, csr, &d, T_NO)))                                                 \
            return OP_FAULT;                                                                       \
        mmx_set(cpu, i->reg, d.q[0]);                                                              \
        return OP_OK;                                                                              \
    }
TO_MMX(cvtps2pi, cvtps2dq, 8)
TO_MMX(cvttps2pi, cvttps2dq, 8)
TO_MMX(cvtpd2pi, cvtpd2dq, 16)
TO_MMX(cvttpd2pi, cvttpd2dq, 16)
/* A memory operand leaves the x87 state alone. */
#define FROM_MMX(name, xmm, keep_high)                                                             \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s, d, old;                                                                      \
        uint32_t csr = sse_csr(cpu);                                                               \
        bool mmx = !(i->flags & INSN_MEM);                                                         \
        if (unlikely(sse_check(cpu) || (mmx && mmx_check(cpu)) || mmx_source(cpu, i, &s)))         \
            return OP_FAULT;                                                                       \
        d = old = vec_get(cpu, i->reg);                                                            \
        SSE_FP(xmm, csr, d, s);                                                                    \
        if (unlikely(sse_end(cpu, csr, &d, T_NO)))                                                 \
            return OP_FAULT;                                                                       \
        if (keep_high)                                                                             \
            d.q[1] = old.q[1];                                                                     \
        vec_set(cpu, i->reg, &d);                                                                  \
        if (mmx)                                                                                   \
            mmx_enter(cpu);                                                                        \
        return OP_OK;                                                                              \
    }
FROM_MMX(cvtpi2ps, cvtdq2ps, true)
FROM_MMX(cvtpi2pd, cvtdq2pd, false)

/* ---- SSE4.1 ---- */

#define ROUND(name, size)                                                                          \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s, d;                                                                           \
        if (unlikely(sse_check(cpu) || vec_source(cpu, i, size, &s)))                              \
            return OP_FAULT;                                                                       \
        d = vec_get(cpu, i->reg);                                                                  \
        uint32_t flags = vec_##name(&d, &s, (unsigned)i->imm, cpu->mxcsr);                         \
        if (unlikely(sse_end(cpu, flags, &d, T_NO)))                                               \
            return OP_FAULT;                                                                       \
        vec_set(cpu, i->reg, &d);                                                                  \
        return OP_OK;                                                                              \
    }
ROUND(roundps, 16)
ROUND(roundpd, 16)
ROUND(roundss, 4)
ROUND(roundsd, 8)

/* DPPS and DPPD are products and sums, each rounded and each with its exceptions (SDM vol. 2A,
 * DPPS). */
#define STEP(name, lanes)                                                                          \
    static int step_##name(struct cpu *cpu, union v128 *a, const union v128 *b)                    \
    {                                                                                              \
        union v128 s = *b, d = *a;                                                                 \
        uint32_t csr = sse_csr(cpu);                                                               \
        SSE_FP(name, csr, d, s);                                                                   \
        if (sse_ask_again(cpu, csr, lanes)) {                                                      \
            bool daz = cpu->mxcsr & MXCSR_DAZ;                                                     \
            union v128 s2 = same_scale(s, lanes, daz), d2 = same_scale(*a, lanes, daz);            \
            uint32_t again = sse_csr(cpu);                                                         \
            SSE_FP(name, again, d2, s2);                                                           \
            csr = sse_inexact(cpu, csr, again);                                                    \
        }                                                                                          \
        *a = d;                                                                                    \
        return sse_end(cpu, csr, &d, lanes);                                                       \
    }
STEP(mulps, T_PS)
STEP(mulpd, T_PD)
STEP(haddps, T_PS | T_SUM)
STEP(haddpd, T_PD | T_SUM)

#define CLEAR_LANES(v, lane, n, keep)                                                              \
    for (unsigned k = 0; k < n; k++)                                                               \
        if (!((keep) >> k & 1))                                                                    \
    (v).lane[k] = 0
int op_dpps_x(struct cpu *cpu, const struct insn *i)
{
    union v128 s, d;
    if (unlikely(sse_check(cpu) || vec_source(cpu, i, 16, &s)))
        return OP_FAULT;
    d = vec_get(cpu, i->reg);
    CLEAR_LANES(d, d, 4, i->imm >> 4);
    CLEAR_LANES(s, d, 4, i->imm >> 4);
    if (unlikely(step_mulps(cpu, &d, &s) || step_haddps(cpu, &d, &d) || step_haddps(cpu, &d, &d)))
        return OP_FAULT;
    CLEAR_LANES(d, d, 4, i->imm);
    vec_set(cpu, i->reg, &d);
    return OP_OK;
}
int op_dppd_x(struct cpu *cpu, const struct insn *i)
{
    union v128 s, d;
    if (unlikely(sse_check(cpu) || vec_source(cpu, i, 16, &s)))
        return OP_FAULT;
    d = vec_get(cpu, i->reg);
    CLEAR_LANES(d, q, 2, i->imm >> 4);
    CLEAR_LANES(s, q, 2, i->imm >> 4);
    if (unlikely(step_mulpd(cpu, &d, &s) || step_haddpd(cpu, &d, &d)))
        return OP_FAULT;
    CLEAR_LANES(d, q, 2, i->imm);
    vec_set(cpu, i->reg, &d);
    return OP_OK;
}
