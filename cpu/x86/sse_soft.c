/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/x86/sse_soft.h"

#include "cpu/x86/softfp.h"

#define MXCSR_DAZ 0x0040u
#define MXCSR_FZ  0x8000u

static struct sf_env env_from(uint32_t csr)
{
    return (struct sf_env){
        .rounding = csr >> 13 & 3, .daz = csr & MXCSR_DAZ, .ftz = csr & MXCSR_FZ};
}
static struct sf daz(const struct sf_env *env, struct sf a)
{
    return a.denormal && env->daz ? sf_zero(a.neg) : a;
}
static struct sf in32(const struct sf_env *env, uint32_t v)
{
    return daz(env, sf_unpack32(v));
}
static struct sf in64(const struct sf_env *env, uint64_t v)
{
    return daz(env, sf_unpack64(v));
}

/* ---- operations on one lane ---- */

static uint32_t lane32(struct sf_env *env, sf_binary *fn, uint32_t a, uint32_t b)
{
    struct sf r = fn(env, &sf_f32, in32(env, a), in32(env, b));
    return sf_pack32(&r);
}
static uint64_t lane64(struct sf_env *env, sf_binary *fn, uint64_t a, uint64_t b)
{
    struct sf r = fn(env, &sf_f64, in64(env, a), in64(env, b));
    return sf_pack64(&r);
}
/* The second operand when they are equal or one is a NaN, which it leaves as it is. */
static struct sf sf_min(struct sf_env *env, const struct sf_format *f, struct sf a, struct sf b)
{
    (void)f;
    return sf_compare(env, a, b, true) == SF_LESS ? a : b;
}
static struct sf sf_max(struct sf_env *env, const struct sf_format *f, struct sf a, struct sf b)
{
    (void)f;
    return sf_compare(env, a, b, true) == SF_GREATER ? a : b;
}
static struct sf sf_second_sqrt(struct sf_env *env, const struct sf_format *f, struct sf a,
                                struct sf b)
{
    (void)a;
    return sf_sqrt(env, f, b);
}

/* name##ps and the others, of sf_binary fn. */
#define BINARY(name, fn)                                                                           \
    void soft_##name##ps(uint32_t *csr, union v128 *d, const union v128 *s)                        \
    {                                                                                              \
        struct sf_env env = env_from(*csr);                                                        \
        for (unsigned k = 0; k < 4; k++)                                                           \
            d->d[k] = lane32(&env, fn, d->d[k], s->d[k]);                                          \
        *csr |= env.flags;                                                                         \
    }                                                                                              \
    void soft_##name##pd(uint32_t *csr, union v128 *d, const union v128 *s)                        \
    {                                                                                              \
        struct sf_env env = env_from(*csr);                                                        \
        for (unsigned k = 0; k < 2; k++)                                                           \
            d->q[k] = lane64(&env, fn, d->q[k], s->q[k]);                                          \
        *csr |= env.flags;                                                                         \
    }                                                                                              \
    void soft_##name##ss(uint32_t *csr, union v128 *d, const union v128 *s)                        \
    {                                                                                              \
        struct sf_env env = env_from(*csr);                                                        \
        d->d[0] = lane32(&env, fn, d->d[0], s->d[0]);                                              \
        *csr |= env.flags;                                                                         \
    }                                                                                              \
    void soft_##name##sd(uint32_t *csr, union v128 *d, const union v128 *s)                        \
    {                                                                                              \
        struct sf_env env = env_from(*csr);                                                        \
        d->q[0] = lane64(&env, fn, d->q[0], s->q[0]);                                              \
        *csr |= env.flags;                                                                         \
    }
BINARY(add, sf_add)
BINARY(sub, sf_sub)
BINARY(mul, sf_mul)
BINARY(div, sf_div)
BINARY(min, sf_min)
BINARY(max, sf_max)
BINARY(sqrt, sf_second_sqrt)

/* The two halves' neighbours. */
#define HORIZONTAL(name, fn)                                                                       \
    void soft_##name##ps(uint32_t *csr, union v128 *d, const union v128 *s)                        \
    {                                                                                              \
        struct sf_env env = env_from(*csr);                                                        \
        for (unsigned k = 0; k < 2; k++)                                                           \
            d->d[k] = lane32(&env, fn, d->d[2 * k], d->d[2 * k + 1]);                              \
        for (unsigned k = 0; k < 2; k++)                                                           \
            d->d[k + 2] = lane32(&env, fn, s->d[2 * k], s->d[2 * k + 1]);                          \
        *csr |= env.flags;                                                                         \
    }                                                                                              \
    void soft_##name##pd(uint32_t *csr, union v128 *d, const union v128 *s)                        \
    {                                                                                              \
        struct sf_env env = env_from(*csr);                                                        \
        d->q[0] = lane64(&env, fn, d->q[0], d->q[1]);                                              \
        d->q[1] = lane64(&env, fn, s->q[0], s->q[1]);                                              \
        *csr |= env.flags;                                                                         \
    }
HORIZONTAL(hadd, sf_add)
HORIZONTAL(hsub, sf_sub)

void soft_addsubps(uint32_t *csr, union v128 *d, const union v128 *s)
{
    struct sf_env env = env_from(*csr);
    for (unsigned k = 0; k < 4; k++)
        d->d[k] = lane32(&env, k & 1 ? sf_add : sf_sub, d->d[k], s->d[k]);
    *csr |= env.flags;
}
void soft_addsubpd(uint32_t *csr, union v128 *d, const union v128 *s)
{
    struct sf_env env = env_from(*csr);
    for (unsigned k = 0; k < 2; k++)
        d->q[k] = lane64(&env, k & 1 ? sf_add : sf_sub, d->q[k], s->q[k]);
    *csr |= env.flags;
}
/* ---- comparisons ---- */

/* Which orders the predicates accept, a bit for each enum sf_order. */
static const uint8_t accepts[8] = {
    1 << SF_EQUAL,
    1 << SF_LESS,
    1 << SF_LESS | 1 << SF_EQUAL,
    1 << SF_UNORDERED,
    1 << SF_LESS | 1 << SF_GREATER | 1 << SF_UNORDERED,
    1 << SF_EQUAL | 1 << SF_GREATER | 1 << SF_UNORDERED,
    1 << SF_GREATER | 1 << SF_UNORDERED,
    1 << SF_LESS | 1 << SF_EQUAL | 1 << SF_GREATER,
};
/* LT, LE and their opposites signal quiet NaNs. */
static bool accept(struct sf_env *env, struct sf a, struct sf b, unsigned pred)
{
    bool loud = (pred & 3) == 1 || (pred & 3) == 2;

    return accepts[pred & 7] >> sf_compare(env, a, b, loud) & 1;
}
static uint32_t cmp32(struct sf_env *env, uint32_t a, uint32_t b, unsigned pred)
{
    return accept(env, in32(env, a), in32(env, b), pred) ? ~0u : 0;
}
static uint64_t cmp64(struct sf_env *env, uint64_t a, uint64_t b, unsigned pred)
{
    return accept(env, in64(env, a), in64(env, b), pred) ? ~0ull : 0;
}
#define LANES_IMM(name, lane, count, fn)                                                           \
    void soft_##name(uint32_t *csr, union v128 *d, const union v128 *s, unsigned imm)              \
    {                                                                                              \
        struct sf_env env = env_from(*csr);                                                        \
        for (unsigned k = 0; k < (count); k++)                                                     \
            d->lane[k] = fn(&env, d->lane[k], s->lane[k], imm);                                    \
        *csr |= env.flags;                                                                         \
    }
LANES_IMM(cmpps, d, 4, cmp32)
LANES_IMM(cmppd, q, 2, cmp64)
LANES_IMM(cmpss, d, 1, cmp32)
LANES_IMM(cmpsd, q, 1, cmp64)

#define COMPARE(name, in, lane, loud)                                                              \
    void soft_##name(uint32_t *csr, union v128 *d, const union v128 *s)                            \
    {                                                                                              \
        struct sf_env env = env_from(*csr);                                                        \
        sf_compare(&env, in(&env, d->lane[0]), in(&env, s->lane[0]), loud);                        \
        *csr |= env.flags;                                                                         \
    }
COMPARE(comiss, in32, d, true)
COMPARE(comisd, in64, q, true)
COMPARE(ucomiss, in32, d, false)
COMPARE(ucomisd, in64, q, false)

/* ---- conversions ---- */

static uint64_t widen(struct sf_env *env, uint32_t v)
{
    struct sf r = sf_convert(env, &sf_f64, in32(env, v));
    return sf_pack64(&r);
}
static uint32_t narrow(struct sf_env *env, uint64_t v)
{
    struct sf r = sf_convert(env, &sf_f32, in64(env, v));
    return sf_pack32(&r);
}
static uint32_t int_to32(struct sf_env *env, int64_t v)
{
    struct sf r = sf_convert(env, &sf_f32, sf_from_int(v));
    return sf_pack32(&r);
}
static uint64_t int_to64(struct sf_env *env, int64_t v)
{
    struct sf r = sf_convert(env, &sf_f64, sf_from_int(v));
    return sf_pack64(&r);
}
/* d->to[k] = fn(s->from[k]) for `count` lanes; `clear`: the rest of d is 0, and not as it was. */
#define CONVERT(name, to, from, count, clear, fn)                                                  \
    void soft_##name(uint32_t *csr, union v128 *d, const union v128 *s)                            \
    {                                                                                              \
        struct sf_env env = env_from(*csr);                                                        \
        if (clear)                                                                                 \
            *d = (union v128){0};                                                                  \
        for (unsigned k = 0; k < (count); k++)                                                     \
            d->to[k] = fn(&env, s->from[k]);                                                       \
        *csr |= env.flags;                                                                         \
    }
CONVERT(cvtps2pd, q, d, 2, false, widen)
CONVERT(cvtss2sd, q, d, 1, false, widen)
CONVERT(cvtpd2ps, d, q, 2, true, narrow)
CONVERT(cvtsd2ss, d, q, 1, false, narrow)
CONVERT(cvtdq2ps, d, sd, 4, false, int_to32)
CONVERT(cvtdq2pd, q, sd, 2, false, int_to64)
CONVERT(cvtsi2ssl, d, sd, 1, false, int_to32)
CONVERT(cvtsi2sdl, q, sd, 1, false, int_to64)
CONVERT(cvtsi2ssq, d, q, 1, false, int_to32)
CONVERT(cvtsi2sdq, q, q, 1, false, int_to64)

static uint32_t to_int32(struct sf_env *env, uint32_t v)
{
    return (uint32_t)sf_to_int(env, in32(env, v), 32);
}
static uint32_t double_to_int32(struct sf_env *env, uint64_t v)
{
    return (uint32_t)sf_to_int(env, in64(env, v), 32);
}
static uint32_t to_int32_truncated(struct sf_env *env, uint32_t v)
{
    env->rounding = SF_TO_ZERO;
    return to_int32(env, v);
}
static uint32_t double_to_int32_truncated(struct sf_env *env, uint64_t v)
{
    env->rounding = SF_TO_ZERO;
    return double_to_int32(env, v);
}
CONVERT(cvtps2dq, d, d, 4, false, to_int32)
CONVERT(cvttps2dq, d, d, 4, false, to_int32_truncated)
CONVERT(cvtpd2dq, d, q, 2, true, double_to_int32)
CONVERT(cvttpd2dq, d, q, 2, true, double_to_int32_truncated)

#define TO_INT(name, in, lane, truncate)                                                           \
    uint64_t soft_##name(uint32_t *csr, const union v128 *s, bool wide)                            \
    {                                                                                              \
        struct sf_env env = env_from(*csr);                                                        \
        if (truncate)                                                                              \
            env.rounding = SF_TO_ZERO;                                                             \
        int64_t v = sf_to_int(&env, in(&env, s->lane[0]), wide ? 64 : 32);                         \
        *csr |= env.flags;                                                                         \
        return wide ? (uint64_t)v : (uint32_t)v;                                                   \
    }
TO_INT(cvtss2si, in32, d, false)
TO_INT(cvttss2si, in32, d, true)
TO_INT(cvtsd2si, in64, q, false)
TO_INT(cvttsd2si, in64, q, true)

/* ---- approximations ---- */

static const struct sf_format approx = {12, -126, 127};
static const struct sf_env approx_env = {.rounding = SF_NEAREST, .daz = true, .ftz = true};

static uint32_t rcp(uint32_t v)
{
    struct sf_env env = approx_env;
    struct sf r = sf_div(&env, &approx, sf_from_int(1), in32(&env, v));
    return sf_pack32(&r);
}
static uint32_t rsqrt(uint32_t v)
{
    struct sf_env env = approx_env;
    struct sf a = in32(&env, v), r;

    if (a.cls == SF_FINITE && !a.neg) {
        /* x = x' * 2^(2n), x' in [1, 4). root = floor(2^32 / sqrt(x')); the rest is never 0, nor a
         * half of any place, but for x' = 1. */
        bool odd = a.e & 1, one = a.m == 1ull << 63 && !odd;
        sf_u128 q = ((sf_u128)1 << (odd ? 126 : 127)) / a.m, root = 0;
        for (sf_u128 bit = (sf_u128)1 << 32; bit; bit >>= 1) {
            if ((root + bit) * (root + bit) <= q)
                root += bit;
        }
        unsigned shift = one ? 95 : 96;
        struct sf_wide w = {.m = root << shift | !one, .e = -(a.e - odd) / 2 - !one};
        r = sf_round(&env, &approx, w);
    } else {
        r = sf_div(&env, &approx, sf_from_int(1), sf_sqrt(&env, &approx, a));
    }
    return sf_pack32(&r);
}
#define APPROX(name, count, fn)                                                                    \
    void soft_##name(uint32_t *csr, union v128 *d, const union v128 *s)                            \
    {                                                                                              \
        (void)csr;                                                                                 \
        for (unsigned k = 0; k < (count); k++)                                                     \
            d->d[k] = fn(s->d[k]);                                                                 \
    }
APPROX(rcpps, 4, rcp)
APPROX(rcpss, 1, rcp)
APPROX(rsqrtps, 4, rsqrt)
APPROX(rsqrtss, 1, rsqrt)
