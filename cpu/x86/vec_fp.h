/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_VEC_FP_H
#define CALQUE_CPU_X86_VEC_FP_H

#include "cpu/x86/x87.h"

/* Floating-point operations on 128 bits under the guest's MXCSR, shared by the legacy and the VEX
 * forms (for 256 bits: once for each half). Each returns the exceptions it met, in the bits of
 * MXCSR; nothing in the processor changes. sse_raise() takes those of all lanes together. */

/* X(name, bytes of the source, which result lanes can be tiny: enum tiny) */
#define VEC_FP4(X, name, t)                                                                        \
    X(name##ps, 16, T_PS | t)                                                                      \
    X(name##pd, 16, T_PD | t) X(name##ss, 4, T_SS | t) X(name##sd, 8, T_SD | t)
#define VEC_FP4_EXACT(X, name)                                                                     \
    X(name##ps, 16, T_NO) X(name##pd, 16, T_NO) X(name##ss, 4, T_NO) X(name##sd, 8, T_NO)
#define VEC_FP_OPERATIONS(X)                                                                       \
    VEC_FP4(X, add, T_SUM)                                                                         \
    VEC_FP4(X, sub, T_SUM)                                                                         \
    VEC_FP4(X, mul, 0)                                                                             \
    VEC_FP4(X, div, 0)                                                                             \
    VEC_FP4_EXACT(X, sqrt)                                                                         \
    VEC_FP4_EXACT(X, min)                                                                          \
    VEC_FP4_EXACT(X, max)                                                                          \
    X(haddps, 16, T_PS | T_SUM)                                                                    \
    X(haddpd, 16, T_PD | T_SUM)                                                                    \
    X(hsubps, 16, T_PS | T_SUM)                                                                    \
    X(hsubpd, 16, T_PD | T_SUM)                                                                    \
    X(addsubps, 16, T_PS | T_SUM)                                                                  \
    X(addsubpd, 16, T_PD | T_SUM)                                                                  \
    X(cvtps2pd, 8, T_NO)                                                                           \
    X(cvtpd2ps, 16, T_PD_PS)                                                                       \
    X(cvtss2sd, 4, T_NO)                                                                           \
    X(cvtsd2ss, 8, T_SD_SS)                                                                        \
    X(cvtdq2ps, 16, T_NO)                                                                          \
    X(cvtps2dq, 16, T_NO)                                                                          \
    X(cvttps2dq, 16, T_NO)                                                                         \
    X(cvtdq2pd, 8, T_NO)                                                                           \
    X(cvtpd2dq, 16, T_NO)                                                                          \
    X(cvttpd2dq, 16, T_NO)
#define VEC_FP_APPROX(X)                                                                           \
    X(rcpps, 16, T_NO) X(rcpss, 4, T_NO) X(rsqrtps, 16, T_NO) X(rsqrtss, 4, T_NO)

/* d = operation(d, s); what the operation leaves alone stays. */
typedef uint32_t vec_fp_fn(const struct cpu *cpu, union v128 *d, const union v128 *s);
#define VEC_FP_DECLARE(name, size, t) vec_fp_fn vec_##name;
VEC_FP_OPERATIONS(VEC_FP_DECLARE)
VEC_FP_APPROX(VEC_FP_DECLARE)
#undef VEC_FP_DECLARE

/* CMPPS ... with the predicates of VCMPPS: imm[4:0] (SDM vol. 2A table 3-1). */
typedef uint32_t vec_cmp_fn(const struct cpu *cpu, union v128 *d, const union v128 *s,
                            unsigned imm);
vec_cmp_fn vec_cmpps, vec_cmppd, vec_cmpss, vec_cmpsd;
/* ZF, PF, CF of the comparison as EFLAGS bits. */
typedef uint32_t vec_comis_fn(const struct cpu *cpu, const union v128 *d, const union v128 *s,
                              uint32_t *eflags);
vec_comis_fn vec_comiss, vec_comisd, vec_ucomiss, vec_ucomisd;
/* wide: to 64 bits; else to 32, zero-extended. */
typedef uint32_t vec_to_int_fn(const struct cpu *cpu, uint64_t *v, const union v128 *s, bool wide);
vec_to_int_fn vec_cvtss2si, vec_cvttss2si, vec_cvtsd2si, vec_cvttsd2si;
/* From the low 64 or 32 bits of s. */
typedef uint32_t vec_from_int_fn(const struct cpu *cpu, union v128 *d, const union v128 *s,
                                 bool wide);
vec_from_int_fn vec_cvtsi2ss, vec_cvtsi2sd;

/* Merges the exceptions of an instruction into MXCSR. One that is unmasked: #XM, or #UD
 * (CR4.OSXMMEXCPT clear); then the destination must stay as it was. */
int sse_raise(struct cpu *cpu, uint32_t flags);

/* DPPS, DPPD: d and s are n halves of 128 bits. As sse_raise(). */
int sse_dpps(struct cpu *cpu, union v128 *d, const union v128 *s, unsigned n, unsigned imm);
int sse_dppd(struct cpu *cpu, union v128 *d, const union v128 *s, unsigned imm);

#endif
