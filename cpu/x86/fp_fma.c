/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/x86/fp_fma.h"

#include "cpu/x86/fp_mxcsr.h"

static struct sf operand(const struct sf_env *env, struct sf a, bool negate)
{
    a = fp_daz(env, a);
    if (negate && a.cls < SF_QNAN)
        a.neg = !a.neg;
    return a;
}
static uint32_t fused(uint32_t mxcsr, const struct sf_format *f, unsigned signs,
                      const struct sf in[3], struct sf *r)
{
    struct sf_env env = fp_env(mxcsr), unbounded = env;
    struct sf a = operand(&env, in[0], signs & FMA_NEGATE_PRODUCT);
    struct sf b = operand(&env, in[1], false), c = operand(&env, in[2], signs & FMA_SUBTRACT);
    *r = sf_fma(&env, f, a, b, c);
    if (!fp_range_unmasked(mxcsr))
        return env.flags;
    const struct sf_format wide = fp_unbounded(f);
    const struct sf w = sf_fma(&unbounded, &wide, a, b, c);
    return fp_range_flags(mxcsr, f, &w, unbounded.flags, env.flags);
}
uint32_t fma32(uint32_t mxcsr, unsigned signs, uint32_t a, uint32_t b, uint32_t c, uint32_t *r)
{
    const struct sf in[3] = {sf_unpack32(a), sf_unpack32(b), sf_unpack32(c)};
    struct sf result;
    uint32_t flags = fused(mxcsr, &sf_f32, signs, in, &result);
    *r = sf_pack32(&result);
    return flags;
}
uint32_t fma64(uint32_t mxcsr, unsigned signs, uint64_t a, uint64_t b, uint64_t c, uint64_t *r)
{
    const struct sf in[3] = {sf_unpack64(a), sf_unpack64(b), sf_unpack64(c)};
    struct sf result;
    uint32_t flags = fused(mxcsr, &sf_f64, signs, in, &result);
    *r = sf_pack64(&result);
    return flags;
}
