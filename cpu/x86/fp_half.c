/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/x86/fp_half.h"

#include "cpu/x86/fp_mxcsr.h"

static const struct sf_format half = {.prec = 11, .emin = -14, .emax = 15};

static uint16_t pack16(const struct sf *a)
{
    uint16_t sign = (uint16_t)(a->neg << 15), fraction = a->m >> 53 & 0x3ff;
    if (a->cls == SF_ZERO)
        return sign;
    if (a->cls == SF_INF)
        return sign | 0x7c00;
    if (a->cls != SF_FINITE)
        return sign | 0x7c00 | fraction;
    bool normal = a->m >> 63;
    return (uint16_t)(sign | (normal ? a->e + 15 : 0) << 10 | fraction);
}
uint32_t half_to_single(uint16_t v, uint32_t *r)
{
    struct sf_env env = {0};
    struct sf a = sf_unpack16(v);
    a.denormal = false;
    a = sf_convert(&env, &sf_f32, a);
    *r = sf_pack32(&a);
    return env.flags;
}
uint32_t single_to_half(uint32_t mxcsr, uint32_t v, uint16_t *r)
{
    struct sf_env env = fp_env(mxcsr), unbounded;
    const struct sf a = fp_daz(&env, sf_unpack32(v));
    env.ftz = false;
    unbounded = env;
    const struct sf h = sf_convert(&env, &half, a);
    *r = pack16(&h);
    if (!fp_range_unmasked(mxcsr))
        return env.flags;
    const struct sf_format wide = fp_unbounded(&half);
    const struct sf w = sf_convert(&unbounded, &wide, a);
    return fp_range_flags(mxcsr, &half, &w, unbounded.flags, env.flags);
}
