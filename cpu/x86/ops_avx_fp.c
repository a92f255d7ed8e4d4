/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floating point in VEX forms: the functions of vec_fp.h and vec_round.h on each half, the
 * exceptions of all lanes taken together before anything is written. */
#include "cpu/x86/avx.h"
#include "cpu/x86/vec_fp.h"
#include "cpu/x86/vec_round.h"

#define IMM ((unsigned)i->imm & 0xff)

/* call: gives the exceptions; with halves d (VEX.vvvv before it) and s. */
#define PACKED(name, call)                                                                         \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        union v256 from, to;                                                                       \
        uint32_t flags = 0;                                                                        \
        if (unlikely(avx_check(cpu) || avx_source(cpu, i, avx_size(i), &from)))                    \
            return OP_FAULT;                                                                       \
        to = avx_get(cpu, i->vreg);                                                                \
        for (unsigned h = 0; h < avx_halves(i); h++) {                                             \
            union v128 *d = &to.h[h], *s = &from.h[h];                                             \
            flags |= call;                                                                         \
        }                                                                                          \
        if (unlikely(sse_raise(cpu, flags)))                                                       \
            return OP_FAULT;                                                                       \
        avx_set(cpu, i, i->reg, &to);                                                              \
        return OP_OK;                                                                              \
    }
/* The upper lanes are those of VEX.vvvv. */
#define SCALAR(name, size, call)                                                                   \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        union v256 from;                                                                           \
        if (unlikely(avx_check(cpu) || avx_source(cpu, i, size, &from)))                           \
            return OP_FAULT;                                                                       \
        union v128 to = vec_get(cpu, i->vreg), *d = &to, *s = &from.h[0];                          \
        if (unlikely(sse_raise(cpu, call)))                                                        \
            return OP_FAULT;                                                                       \
        avx_set128(cpu, i->reg, d);                                                                \
        return OP_OK;                                                                              \
    }
#define PACKED2(name)                                                                              \
    PACKED(name##ps, vec_##name##ps(cpu, d, s))                                                    \
    PACKED(name##pd, vec_##name##pd(cpu, d, s))
#define ALL4(name)                                                                                 \
    PACKED2(name)                                                                                  \
    SCALAR(name##ss, 4, vec_##name##ss(cpu, d, s))                                                 \
    SCALAR(name##sd, 8, vec_##name##sd(cpu, d, s))
ALL4(add)
ALL4(sub)
ALL4(mul)
ALL4(div)
ALL4(min)
ALL4(max)
ALL4(sqrt)
PACKED2(hadd)
PACKED2(hsub)
PACKED2(addsub)
PACKED(rcpps, vec_rcpps(cpu, d, s))
PACKED(rsqrtps, vec_rsqrtps(cpu, d, s))
SCALAR(rcpss, 4, vec_rcpss(cpu, d, s))
SCALAR(rsqrtss, 4, vec_rsqrtss(cpu, d, s))
PACKED(cvtdq2ps, vec_cvtdq2ps(cpu, d, s))
PACKED(cvtps2dq, vec_cvtps2dq(cpu, d, s))
PACKED(cvttps2dq, vec_cvttps2dq(cpu, d, s))
SCALAR(cvtss2sd, 4, vec_cvtss2sd(cpu, d, s))
SCALAR(cvtsd2ss, 8, vec_cvtsd2ss(cpu, d, s))
PACKED(cmpps, vec_cmpps(cpu, d, s, IMM & 31))
PACKED(cmppd, vec_cmppd(cpu, d, s, IMM & 31))
SCALAR(cmpss, 4, vec_cmpss(cpu, d, s, IMM & 31))
SCALAR(cmpsd, 8, vec_cmpsd(cpu, d, s, IMM & 31))
PACKED(roundps, vec_roundps(d, s, IMM, cpu->mxcsr))
PACKED(roundpd, vec_roundpd(d, s, IMM, cpu->mxcsr))
SCALAR(roundss, 4, vec_roundss(d, s, IMM, cpu->mxcsr))
SCALAR(roundsd, 8, vec_roundsd(d, s, IMM, cpu->mxcsr))

/* ---- conversions between lanes of 32 and 64 bits ---- */

static int widen(struct cpu *cpu, const struct insn *i, vec_fp_fn *fn)
{
    union v256 s, v;
    uint32_t flags = 0;
    if (unlikely(avx_check(cpu) || avx_source(cpu, i, 8 * avx_halves(i), &s)))
        return OP_FAULT;
    for (unsigned h = 0; h < avx_halves(i); h++) {
        flags |= fn(cpu, &v.h[h], &s.h[0]);
        s.h[0].q[0] = s.h[0].q[1];
    }
    if (unlikely(sse_raise(cpu, flags)))
        return OP_FAULT;
    avx_set(cpu, i, i->reg, &v);
    return OP_OK;
}
static int narrow(struct cpu *cpu, const struct insn *i, vec_fp_fn *fn)
{
    union v256 s;
    union v128 v = {0}, part = {0};
    uint32_t flags = 0;
    if (unlikely(avx_check(cpu) || avx_source(cpu, i, avx_size(i), &s)))
        return OP_FAULT;
    for (unsigned h = 0; h < avx_halves(i); h++) {
        flags |= fn(cpu, &part, &s.h[h]);
        v.q[h] = part.q[0];
    }
    if (unlikely(sse_raise(cpu, flags)))
        return OP_FAULT;
    avx_set128(cpu, i->reg, &v);
    return OP_OK;
}
#define RESIZE(name, fn)                                                                           \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        return fn(cpu, i, vec_##name);                                                             \
    }
RESIZE(cvtps2pd, widen)
RESIZE(cvtdq2pd, widen)
RESIZE(cvtpd2ps, narrow)
RESIZE(cvtpd2dq, narrow)
RESIZE(cvttpd2dq, narrow)

static int from_register(struct cpu *cpu, const struct insn *i, vec_from_int_fn *fn)
{
    bool wide = insn_osize(i) == 8;
    union v128 s = {0}, d;
    if (unlikely(avx_check(cpu)))
        return OP_FAULT;
    if (!(i->flags & INSN_MEM))
        s.q[0] = cpu->r[i->rm];
    else if (unlikely(mem_load_bytes(cpu, i, wide ? 8 : 4, &s)))
        return OP_FAULT;
    d = vec_get(cpu, i->vreg);
    if (unlikely(sse_raise(cpu, fn(cpu, &d, &s, wide))))
        return OP_FAULT;
    avx_set128(cpu, i->reg, &d);
    return OP_OK;
}
int op_vcvtsi2ss_x(struct cpu *cpu, const struct insn *i)
{
    return from_register(cpu, i, vec_cvtsi2ss);
}
int op_vcvtsi2sd_x(struct cpu *cpu, const struct insn *i)
{
    return from_register(cpu, i, vec_cvtsi2sd);
}

/* ---- dot products ---- */

int op_vdpps_x(struct cpu *cpu, const struct insn *i)
{
    union v256 s, d;
    if (unlikely(avx_check(cpu) || avx_source(cpu, i, avx_size(i), &s)))
        return OP_FAULT;
    d = avx_get(cpu, i->vreg);
    if (unlikely(sse_dpps(cpu, d.h, s.h, avx_halves(i), IMM)))
        return OP_FAULT;
    avx_set(cpu, i, i->reg, &d);
    return OP_OK;
}
int op_vdppd_x(struct cpu *cpu, const struct insn *i)
{
    union v256 s;
    if (unlikely(avx_check(cpu) || avx_source(cpu, i, 16, &s)))
        return OP_FAULT;
    union v128 d = vec_get(cpu, i->vreg);
    if (unlikely(sse_dppd(cpu, &d, &s.h[0], IMM)))
        return OP_FAULT;
    avx_set128(cpu, i->reg, &d);
    return OP_OK;
}
