/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_SSE_SOFT_H
#define CALQUE_CPU_X86_SSE_SOFT_H

#include "cpu/x86/x87.h"

/* SSE floating point in integer arithmetic, for hosts without it, for `fpapprox=soft`, and to
 * compare with the host's: the same result and flags for every MXCSR. csr: MXCSR with every
 * exception masked (flush-to-zero only if the guest masks underflow); flags are added. *d and *s
 * are operands as in SSE_FP (sse_fp.h), and may not be the same. */

typedef void soft_sse_fn(uint32_t *csr, union v128 *d, const union v128 *s);
typedef void soft_sse_imm_fn(uint32_t *csr, union v128 *d, const union v128 *s, unsigned imm);
/* wide: to 64 bits; otherwise to 32, zero-extended. */
typedef uint64_t soft_sse_int_fn(uint32_t *csr, const union v128 *s, bool wide);

soft_sse_fn soft_addps, soft_addpd, soft_addss, soft_addsd;
soft_sse_fn soft_subps, soft_subpd, soft_subss, soft_subsd;
soft_sse_fn soft_mulps, soft_mulpd, soft_mulss, soft_mulsd;
soft_sse_fn soft_divps, soft_divpd, soft_divss, soft_divsd;
soft_sse_fn soft_minps, soft_minpd, soft_minss, soft_minsd;
soft_sse_fn soft_maxps, soft_maxpd, soft_maxss, soft_maxsd;
soft_sse_fn soft_sqrtps, soft_sqrtpd, soft_sqrtss, soft_sqrtsd;
soft_sse_fn soft_haddps, soft_haddpd, soft_hsubps, soft_hsubpd, soft_addsubps, soft_addsubpd;
soft_sse_fn soft_comiss, soft_comisd, soft_ucomiss, soft_ucomisd; /* flags only */

soft_sse_fn soft_cvtps2pd, soft_cvtpd2ps, soft_cvtss2sd, soft_cvtsd2ss;
soft_sse_fn soft_cvtdq2ps, soft_cvtdq2pd, soft_cvtps2dq, soft_cvttps2dq, soft_cvtpd2dq,
    soft_cvttpd2dq;
soft_sse_fn soft_cvtsi2ssl, soft_cvtsi2ssq, soft_cvtsi2sdl, soft_cvtsi2sdq;
soft_sse_int_fn soft_cvtss2si, soft_cvttss2si, soft_cvtsd2si, soft_cvttsd2si;

/* Predicates 0 to 7 (SDM vol. 2A, table 3-1). */
soft_sse_imm_fn soft_cmpps, soft_cmppd, soft_cmpss, soft_cmpsd;

/* The exact 1/x and 1/sqrt(x) rounded to nearest, to 12 significant bits: the manual's bound for
 * the relative error, 1.5 * 2^-12, kept on every host. Denormals are zeros, coming and going. */
soft_sse_fn soft_rcpps, soft_rcpss, soft_rsqrtps, soft_rsqrtss;

#endif
