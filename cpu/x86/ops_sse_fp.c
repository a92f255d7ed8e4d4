/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SSE and SSE2 arithmetic, compares and conversions (SDM vol. 1 11.5: exceptions). */
#include "cpu/x86/sse_fp.h"
#include "cpu/x86/vec_forms.h"
#include "cpu/x86/vec_fp.h"
#include "cpu/x86/vec_round.h"

#define MXCSR_FZ 0x8000u

#define MXCSR_DAZ 0x0040u

/* Which result lanes can be tiny: see with_tiny(). T_PD_PS, T_SD_SS: made from doubles. Sums are
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
int sse_raise(struct cpu *cpu, uint32_t flags)
{
    uint32_t enabled = ~(cpu->mxcsr >> 7) & FSW_EXC;
    flags &= FSW_EXC;
    if (unlikely(flags & enabled & (FSW_IE | FSW_DE | FSW_ZE))) /* before computation */
        flags &= FSW_IE | FSW_DE | FSW_ZE;
    cpu->mxcsr |= flags;
    if (likely(!(flags & enabled)))
        return OP_OK;
    return raise_exception(cpu, cpu->cr4 & CR4_OSXMMEXCPT ? EXC_XM : EXC_UD);
}

/* Exact tiny results signal only when underflow is unmasked. */
static inline uint32_t with_tiny(const struct cpu *cpu, uint32_t csr, const union v128 *d,
                                 unsigned t)
{
    bool unmasked = ~(cpu->mxcsr >> 7) & FSW_UE;
    return unlikely(unmasked) && any_tiny(d, t) ? csr | FSW_UE : csr;
}

/* ---- the operations on 128 bits ---- */

#define FP(name, size, lanes)                                                                      \
    uint32_t vec_##name(const struct cpu *cpu, union v128 *to, const union v128 *from)             \
    {                                                                                              \
        union v128 s = *from, d = *to;                                                             \
        uint32_t csr = sse_csr(cpu);                                                               \
        SSE_FP(name, csr, d, s);                                                                   \
        if (sse_ask_again(cpu, csr, lanes)) {                                                      \
            bool daz = cpu->mxcsr & MXCSR_DAZ;                                                     \
            union v128 s2 = same_scale(s, lanes, daz), d2 = same_scale(*to, lanes, daz);           \
            uint32_t again = sse_csr(cpu);                                                         \
            SSE_FP(name, again, d2, s2);                                                           \
            csr = sse_inexact(cpu, csr, again);                                                    \
        }                                                                                          \
        *to = d;                                                                                   \
        return with_tiny(cpu, csr, to, lanes) & FSW_EXC;                                           \
    }
VEC_FP_OPERATIONS(FP)
#undef FP

/* The approximations: no exceptions. */
#define APPROX(name, size, lanes)                                                                  \
    uint32_t vec_##name(const struct cpu *cpu, union v128 *to, const union v128 *from)             \
    {                                                                                              \
        union v128 s = *from, d = *to;                                                             \
        uint32_t csr = sse_csr(cpu);                                                               \
        SSE_APPROX(cpu, name, csr, d, s);                                                          \
        *to = d;                                                                                   \
        return 0;                                                                                  \
    }
VEC_FP_APPROX(APPROX)
#undef APPROX

/* Which of greater, less, equal, unordered make predicate 0-15 true: bits 3 to 0. Predicates 16-31
 * are the same with the other answer to quiet NaNs: invalid or not. */
static const uint8_t predicate_true[16] = {2, 4, 6, 1, 13, 11, 9, 14, 3, 5, 7, 0, 12, 10, 8, 15};
static const uint16_t predicate_signals = 0x6666;

/* The masks come from three compares; the exceptions from EQ (quiet) or LT. */
#define CMP(name)                                                                                  \
    uint32_t vec_##name(const struct cpu *cpu, union v128 *to, const union v128 *from,             \
                        unsigned imm)                                                              \
    {                                                                                              \
        union v128 s = *from, d = *to, eq = d, lt = d, un = d;                                     \
        uint32_t quiet = sse_csr(cpu), loud = quiet;                                               \
        if (!(imm & 0x18)) {                                                                       \
            SSE_FP_IMM3(name, imm, quiet, d, s);                                                   \
            *to = d;                                                                               \
            return quiet & FSW_EXC;                                                                \
        }                                                                                          \
        unsigned set = predicate_true[imm & 15];                                                   \
        SSE_FP_IMM(name, 0, quiet, eq, s);                                                         \
        SSE_FP_IMM(name, 1, loud, lt, s);                                                          \
        SSE_FP_IMM(name, 3, quiet, un, s);                                                         \
        for (unsigned k = 0; k < 2; k++) {                                                         \
            uint64_t gt = ~(eq.q[k] | lt.q[k] | un.q[k]);                                          \
            d.q[k] = (set & 8 ? gt : 0) | (set & 4 ? lt.q[k] : 0) | (set & 2 ? eq.q[k] : 0) |      \
                     (set & 1 ? un.q[k] : 0);                                                      \
        }                                                                                          \
        memcpy(to, &d, CMP_SIZE_##name);                                                           \
        return ((predicate_signals >> (imm & 15) ^ imm >> 4) & 1 ? loud : quiet) & FSW_EXC;        \
    }
enum { CMP_SIZE_cmpps = 16, CMP_SIZE_cmppd = 16, CMP_SIZE_cmpss = 4, CMP_SIZE_cmpsd = 8 };
CMP(cmpps)
CMP(cmppd)
CMP(cmpss)
CMP(cmpsd)

/* ZF, PF, CF from three compares' masks; the exceptions from the instruction itself. */
#define COMIS(name, sfx, lane)                                                                     \
    uint32_t vec_##name(const struct cpu *cpu, const union v128 *to, const union v128 *from,       \
                        uint32_t *eflags)                                                          \
    {                                                                                              \
        union v128 s = *from, d = *to, eq = d, lt = d, un = d;                                     \
        uint32_t csr = sse_csr(cpu), quiet = csr;                                                  \
        SSE_FP(name, csr, d, s);                                                                   \
        SSE_FP_IMM(cmp##sfx, 0, quiet, eq, s); /* EQ */                                            \
        SSE_FP_IMM(cmp##sfx, 1, quiet, lt, s); /* LT */                                            \
        SSE_FP_IMM(cmp##sfx, 3, quiet, un, s); /* UNORD */                                         \
        *eflags = un.lane[0] ? EFLAGS_ZF | EFLAGS_PF | EFLAGS_CF                                   \
                             : (eq.lane[0] ? EFLAGS_ZF : 0) | (lt.lane[0] ? EFLAGS_CF : 0);        \
        return csr & FSW_EXC;                                                                      \
    }
COMIS(comiss, ss, d)
COMIS(ucomiss, ss, d)
COMIS(comisd, sd, q)
COMIS(ucomisd, sd, q)

#define TO_INT(name)                                                                               \
    uint32_t vec_##name(const struct cpu *cpu, uint64_t *to, const union v128 *from, bool wide)    \
    {                                                                                              \
        union v128 s = *from;                                                                      \
        uint32_t csr = sse_csr(cpu);                                                               \
        uint64_t v;                                                                                \
        SSE_FP_TO_INT(name, wide, csr, v, s);                                                      \
        *to = v;                                                                                   \
        return csr & FSW_EXC;                                                                      \
    }
TO_INT(cvtss2si)
TO_INT(cvttss2si)
TO_INT(cvtsd2si)
TO_INT(cvttsd2si)

#define FROM_INT(name)                                                                             \
    uint32_t vec_##name(const struct cpu *cpu, union v128 *to, const union v128 *from, bool wide)  \
    {                                                                                              \
        union v128 s = *from, d = *to;                                                             \
        uint32_t csr = sse_csr(cpu);                                                               \
        if (wide)                                                                                  \
            SSE_FP(name##q, csr, d, s);                                                            \
        else                                                                                       \
            SSE_FP(name##l, csr, d, s);                                                            \
        *to = d;                                                                                   \
        return csr & FSW_EXC;                                                                      \
    }
FROM_INT(cvtsi2ss)
FROM_INT(cvtsi2sd)

/* DPPS and DPPD are products and sums, each rounded and each with its exceptions (SDM vol. 2A,
 * DPPS). */
#define CLEAR_LANES(v, lane, n, keep)                                                              \
    for (unsigned k = 0; k < n; k++)                                                               \
        if (!((keep) >> k & 1))                                                                    \
    (v).lane[k] = 0
/* One step on all halves. */
static int dp_step(struct cpu *cpu, vec_fp_fn *fn, union v128 *d, const union v128 *s, unsigned n)
{
    uint32_t flags = 0;
    for (unsigned h = 0; h < n; h++) {
        union v128 b = s[h];
        flags |= fn(cpu, &d[h], &b);
    }
    return sse_raise(cpu, flags);
}
int sse_dpps(struct cpu *cpu, union v128 *d, const union v128 *s, unsigned n, unsigned imm)
{
    union v128 a[2], b[2];
    for (unsigned h = 0; h < n; h++) {
        a[h] = d[h];
        b[h] = s[h];
        CLEAR_LANES(a[h], d, 4, imm >> 4);
        CLEAR_LANES(b[h], d, 4, imm >> 4);
    }
    if (unlikely(dp_step(cpu, vec_mulps, a, b, n) || dp_step(cpu, vec_haddps, a, a, n) ||
                 dp_step(cpu, vec_haddps, a, a, n)))
        return OP_FAULT;
    for (unsigned h = 0; h < n; h++) {
        CLEAR_LANES(a[h], d, 4, imm);
        d[h] = a[h];
    }
    return OP_OK;
}
int sse_dppd(struct cpu *cpu, union v128 *d, const union v128 *s, unsigned imm)
{
    union v128 a = *d, b = *s;
    CLEAR_LANES(a, q, 2, imm >> 4);
    CLEAR_LANES(b, q, 2, imm >> 4);
    if (unlikely(dp_step(cpu, vec_mulpd, &a, &b, 1) || dp_step(cpu, vec_haddpd, &a, &a, 1)))
        return OP_FAULT;
    CLEAR_LANES(a, q, 2, imm);
    *d = a;
    return OP_OK;
}

/* ---- the legacy instructions ---- */

/* flags: the call on d and s. */
#define RAISING(name, size, flags)                                                                 \
    XMM(name, size, if (unlikely(sse_raise(cpu, flags))) return OP_FAULT)
#define BINARY(name, size, lanes) RAISING(name, size, vec_##name(cpu, &d, &s))
VEC_FP_OPERATIONS(BINARY)
VEC_FP_APPROX(BINARY)

/* Legacy forms have the predicates 0-7. */
RAISING(cmpps, 16, vec_cmpps(cpu, &d, &s, i->imm & 7))
RAISING(cmppd, 16, vec_cmppd(cpu, &d, &s, i->imm & 7))
RAISING(cmpss, 4, vec_cmpss(cpu, &d, &s, i->imm & 7))
RAISING(cmpsd, 8, vec_cmpsd(cpu, &d, &s, i->imm & 7))

#define ROUND(name, size) RAISING(name, size, vec_##name(&d, &s, (unsigned)i->imm, cpu->mxcsr))
ROUND(roundps, 16)
ROUND(roundpd, 16)
ROUND(roundss, 4)
ROUND(roundsd, 8)

static int compare(struct cpu *cpu, const struct insn *i, vec_comis_fn *fn, unsigned size)
{
    union v128 s, d;
    uint32_t eflags;
    if (unlikely(vector_check(cpu, i) || vec_source(cpu, i, size, &s)))
        return OP_FAULT;
    d = vec_get(cpu, i->reg);
    if (unlikely(sse_raise(cpu, fn(cpu, &d, &s, &eflags))))
        return OP_FAULT;
    flags_set_image(cpu, eflags);
    return OP_OK;
}
static int to_register(struct cpu *cpu, const struct insn *i, vec_to_int_fn *fn, unsigned size)
{
    union v128 s;
    uint64_t v;
    if (unlikely(vector_check(cpu, i) || vec_source(cpu, i, size, &s)))
        return OP_FAULT;
    if (unlikely(sse_raise(cpu, fn(cpu, &v, &s, insn_osize(i) == 8))))
        return OP_FAULT;
    cpu->r[i->reg] = v;
    return OP_OK;
}
#define SCALAR(name, fn, size)                                                                     \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        return fn(cpu, i, vec_##name, size);                                                       \
    }
SCALAR(comiss, compare, 4)
SCALAR(ucomiss, compare, 4)
SCALAR(comisd, compare, 8)
SCALAR(ucomisd, compare, 8)
SCALAR(cvtss2si, to_register, 4)
SCALAR(cvttss2si, to_register, 4)
SCALAR(cvtsd2si, to_register, 8)
SCALAR(cvttsd2si, to_register, 8)
VEX_FORM(comiss)
VEX_FORM(ucomiss)
VEX_FORM(comisd)
VEX_FORM(ucomisd)
VEX_FORM(cvtss2si)
VEX_FORM(cvttss2si)
VEX_FORM(cvtsd2si)
VEX_FORM(cvttsd2si)

#define FROM_REGISTER(name)                                                                        \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s = {0}, d;                                                                     \
        bool wide = insn_osize(i) == 8;                                                            \
        if (unlikely(sse_check(cpu)))                                                              \
            return OP_FAULT;                                                                       \
        if (!(i->flags & INSN_MEM))                                                                \
            s.q[0] = cpu->r[i->rm];                                                                \
        else if (unlikely(mem_load_bytes(cpu, i, wide ? 8 : 4, &s)))                               \
            return OP_FAULT;                                                                       \
        d = vec_get(cpu, i->reg);                                                                  \
        if (unlikely(sse_raise(cpu, vec_##name(cpu, &d, &s, wide))))                               \
            return OP_FAULT;                                                                       \
        vec_set(cpu, i->reg, &d);                                                                  \
        return OP_OK;                                                                              \
    }
FROM_REGISTER(cvtsi2ss)
FROM_REGISTER(cvtsi2sd)

int op_dpps_x(struct cpu *cpu, const struct insn *i)
{
    union v128 s, d;
    if (unlikely(sse_check(cpu) || vec_source(cpu, i, 16, &s)))
        return OP_FAULT;
    d = vec_get(cpu, i->reg);
    if (unlikely(sse_dpps(cpu, &d, &s, 1, (unsigned)i->imm)))
        return OP_FAULT;
    vec_set(cpu, i->reg, &d);
    return OP_OK;
}
int op_dppd_x(struct cpu *cpu, const struct insn *i)
{
    union v128 s, d;
    if (unlikely(sse_check(cpu) || vec_source(cpu, i, 16, &s)))
        return OP_FAULT;
    d = vec_get(cpu, i->reg);
    if (unlikely(sse_dppd(cpu, &d, &s, (unsigned)i->imm)))
        return OP_FAULT;
    vec_set(cpu, i->reg, &d);
    return OP_OK;
}

/* Between XMM and MMX: the XMM conversion on the two low lanes. */
#define TO_MMX(name, xmm, size)                                                                    \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s, d = {0};                                                                     \
        if (unlikely(sse_check(cpu) || mmx_check(cpu) || vec_source(cpu, i, size, &s)))            \
            return OP_FAULT;                                                                       \
        if (size == 8)                                                                             \
            s.q[1] = 0;                                                                            \
        if (unlikely(sse_raise(cpu, vec_##xmm(cpu, &d, &s))))                                      \
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
        bool mmx = !(i->flags & INSN_MEM);                                                         \
        if (unlikely(sse_check(cpu) || (mmx && mmx_check(cpu)) || mmx_source(cpu, i, &s)))         \
            return OP_FAULT;                                                                       \
        d = old = vec_get(cpu, i->reg);                                                            \
        if (unlikely(sse_raise(cpu, vec_##xmm(cpu, &d, &s))))                                      \
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
