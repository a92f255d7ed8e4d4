/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_FP_MXCSR_H
#define CALQUE_CPU_X86_FP_MXCSR_H

#include "base/bits.h"
#include "cpu/x86/softfp.h"

/* softfp.h under MXCSR as the guest has it: masked or not. Exceptions are in the bits of MXCSR. */

#define MXCSR_RC_SHIFT 13

/* Flush-to-zero counts only while underflow is masked. */
static inline struct sf_env fp_env(uint32_t mxcsr)
{
    return (struct sf_env){.rounding = mxcsr >> MXCSR_RC_SHIFT & 3,
                           .daz = mxcsr & 0x40,
                           .ftz = mxcsr & 0x8000 && mxcsr & SF_UE << 7};
}
static inline struct sf fp_daz(const struct sf_env *env, struct sf a)
{
    return a.denormal && env->daz ? sf_zero(a.neg) : a;
}
/* With overflow or underflow unmasked, the exceptions come from the result rounded as if exponents
 * had no bounds (SDM vol. 1 4.9.1.4, 4.9.1.5): then an operation has to be done that way too. */
static inline bool fp_range_unmasked(uint32_t mxcsr)
{
    return unlikely(~(mxcsr >> 7) & (SF_OE | SF_UE));
}
static inline struct sf_format fp_unbounded(const struct sf_format *f)
{
    return (struct sf_format){.prec = f->prec, .emin = -0x4000, .emax = 0x4000};
}
/* r and `unbounded`: that result and its exceptions; `bounded`: those of the ordinary one. */
static inline uint32_t fp_range_flags(uint32_t mxcsr, const struct sf_format *f, const struct sf *r,
                                      uint32_t unbounded, uint32_t bounded)
{
    uint32_t out = r->cls != SF_FINITE ? 0 : r->e > f->emax ? SF_OE : r->e < f->emin ? SF_UE : 0;
    return out & ~(mxcsr >> 7) ? unbounded | out : bounded;
}

#endif
