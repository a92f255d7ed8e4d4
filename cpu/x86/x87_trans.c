/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The transcendental x87 instructions by MPFR (SDM vol. 1 8.3.7; special operands: the tables of
 * SDM vol. 2A). A result is calculated to more bits than it has, cut, and rounded once. */
#include "cpu/x86/x87_env.h"

#if CONFIG_MPFR
#define MPFR_USE_INTMAX_T
#include <mpfr.h>

#define WORK_BITS  256 /* of intermediate results */
#define FINAL_BITS 128

static void to_mpfr(mpfr_t r, const struct sf *a)
{
    if (a->cls == SF_ZERO)
        mpfr_set_zero(r, 1);
    else if (a->cls == SF_INF)
        mpfr_set_inf(r, 1);
    else
        mpfr_set_uj_2exp(r, a->m, a->e - 63, MPFR_RNDZ);
    mpfr_setsign(r, r, a->neg, MPFR_RNDZ);
}
/* Rounds r to 80 bits; inexact: r was cut already. Destroys r. */
static struct sf from_mpfr(struct sf_env *env, mpfr_t r, bool inexact)
{
    bool neg = mpfr_signbit(r);

    if (mpfr_zero_p(r))
        return sf_zero(neg);
    long e = (long)mpfr_get_exp(r);
    struct sf_wide w = {.e = (int32_t)(e > 0x20000    ? 0x20000
                                       : e < -0x20000 ? -0x20000
                                                      : e) -
                             1,
                        .neg = neg};
    mpfr_abs(r, r, MPFR_RNDZ);
    mpfr_mul_2si(r, r, 64 - e, MPFR_RNDZ);
    w.m = (sf_u128)mpfr_get_uj(r, MPFR_RNDZ) << 64;
    mpfr_frac(r, r, MPFR_RNDZ);
    mpfr_mul_2si(r, r, 64, MPFR_RNDZ);
    w.m |= mpfr_get_uj(r, MPFR_RNDZ) | (inexact || !mpfr_integer_p(r));
    return sf_round(env, &sf_f80, w);
}

/* ---- sine, cosine, tangent ---- */

/* The processor's pi, of 66 bits, for taking arguments apart (SDM vol. 1 8.3.8): all of them show
 * it in their results for large operands. */
static void processor_pi(mpfr_t pi)
{
    mpfr_set_uj(pi, 0xc90fdaa22168c234, MPFR_RNDZ);
    mpfr_mul_2si(pi, pi, 2, MPFR_RNDZ);
    mpfr_add_ui(pi, pi, 3, MPFR_RNDZ);
    mpfr_mul_2si(pi, pi, -64, MPFR_RNDZ);
}
/* a = quadrant * pi/2 + r with |r| <= pi/4, exactly. Returns the quadrant. */
static unsigned reduce(mpfr_t r, const struct sf *a)
{
    mpfr_t half_pi, q;
    unsigned quadrant;

    mpfr_inits2(WORK_BITS, half_pi, q, (mpfr_ptr)0);
    processor_pi(half_pi);
    mpfr_div_2ui(half_pi, half_pi, 1, MPFR_RNDZ);
    to_mpfr(r, a);
    mpfr_div(q, r, half_pi, MPFR_RNDN);
    mpfr_round(q, q);
    quadrant = (unsigned)mpfr_get_sj(q, MPFR_RNDN) & 3;
    mpfr_mul(q, q, half_pi, MPFR_RNDZ);
    if (!mpfr_zero_p(q)) /* -0 stays */
        mpfr_sub(r, r, q, MPFR_RNDZ);
    mpfr_clears(half_pi, q, (mpfr_ptr)0);
    return quadrant;
}
/* The sine a quarter turn times `turn` further. */
static struct sf sine(struct sf_env *env, const struct sf *a, unsigned turn)
{
    mpfr_t x, r;

    mpfr_init2(x, WORK_BITS);
    mpfr_init2(r, FINAL_BITS);
    turn += reduce(x, a);
    bool inexact = turn & 1 ? mpfr_cos(r, x, MPFR_RNDZ) : mpfr_sin(r, x, MPFR_RNDZ);
    if (turn & 2)
        mpfr_neg(r, r, MPFR_RNDZ);
    struct sf result = from_mpfr(env, r, inexact);
    mpfr_clears(x, r, (mpfr_ptr)0);
    return result;
}
static struct sf tangent(struct sf_env *env, const struct sf *a)
{
    mpfr_t x, r;

    mpfr_init2(x, WORK_BITS);
    mpfr_init2(r, FINAL_BITS);
    bool odd = reduce(x, a) & 1;
    bool inexact = odd ? mpfr_cot(r, x, MPFR_RNDZ) : mpfr_tan(r, x, MPFR_RNDZ);
    if (odd)
        mpfr_neg(r, r, MPFR_RNDZ);
    struct sf result = from_mpfr(env, r, inexact);
    mpfr_clears(x, r, (mpfr_ptr)0);
    return result;
}

/* False: *r is the result of a special operand. */
static bool angle(struct sf_env *env, const struct sf *a, struct sf *r)
{
    if (sf_nans(env, a, a, r))
        return false;
    if (a->cls == SF_INF) {
        *r = sf_invalid(env);
        return false;
    }
    *r = *a;
    return !sf_denormals(env, a, a);
}
/* From 2^63 on the instructions do nothing but say so. */
static bool out_of_range(struct x87_frame *f, const struct sf *a)
{
    f->sw = FSW_C2;
    f->pushed = 0;
    return a->cls == SF_FINITE && a->e >= 63;
}
/* turn: 0 FSIN, 1 FCOS */
static void sine_or_cosine(struct x87_frame *f, unsigned turn)
{
    struct sf_env env = x87_env(f);
    struct sf a = x87_in(f, 0), r;

    if (out_of_range(f, &a))
        return;
    if (angle(&env, &a, &r))
        r = sine(&env, &a, turn);
    x87_out(f, 0, r);
    x87_status(f, &env, 0);
}
void x87_soft_fsin(struct x87_frame *f)
{
    sine_or_cosine(f, 0);
}
void x87_soft_fcos(struct x87_frame *f)
{
    sine_or_cosine(f, 1);
}
/* ST1 and, pushed, ST0. */
static void two_results(struct x87_frame *f, const struct sf_env *env, struct sf st1, struct sf st0)
{
    f->pushed = 1;
    x87_out(f, 0, st0);
    x87_out(f, 1, st1);
    x87_status(f, env, 0);
}
void x87_soft_fsincos(struct x87_frame *f)
{
    struct sf_env env = x87_env(f);
    struct sf a = x87_in(f, 0), s, c;

    if (out_of_range(f, &a))
        return;
    if (angle(&env, &a, &s)) {
        s = sine(&env, &a, 0);
        c = sine(&env, &a, 1);
    } else {
        c = s;
    }
    two_results(f, &env, s, c);
}
/* The 1 it pushes is for programs written for the 8087; a NaN comes twice. */
void x87_soft_fptan(struct x87_frame *f)
{
    struct sf_env env = x87_env(f);
    struct sf a = x87_in(f, 0), r, top;

    if (out_of_range(f, &a))
        return;
    if (angle(&env, &a, &r)) {
        r = tangent(&env, &a);
        top = sf_from_int(1);
    } else {
        top = r;
    }
    two_results(f, &env, r, top);
}

/* ---- arctangent, powers and logarithms ---- */

/* arctan(ST1 / ST0), in the quadrant of (ST0, ST1); infinities and zeros too. */
void x87_soft_fpatan(struct x87_frame *f)
{
    struct sf_env env = x87_env(f);
    struct sf a = x87_in(f, 0), b = x87_in(f, 1), r = a;

    if (!sf_nans(&env, &a, &b, &r) && !sf_denormals(&env, &a, &b)) {
        mpfr_t x, y, t;
        mpfr_inits2(64, x, y, (mpfr_ptr)0);
        mpfr_init2(t, FINAL_BITS);
        to_mpfr(x, &a);
        to_mpfr(y, &b);
        bool inexact = mpfr_atan2(t, y, x, MPFR_RNDZ);
        r = from_mpfr(&env, t, inexact);
        mpfr_clears(x, y, t, (mpfr_ptr)0);
    }
    x87_out(f, 0, r);
    x87_status(f, &env, 0);
}

static struct sf power_minus_1(struct sf_env *env, const struct sf *a)
{
    mpfr_t x, t;

    if (a->cls == SF_ZERO)
        return *a;
    if (a->cls == SF_INF)
        return a->neg ? sf_from_int(-1) : *a;
    if (a->e == 0 && a->m == 1ull << 63) { /* the exact ones: 1, -1/2 */
        struct sf r = sf_from_int(a->neg ? -1 : 1);
        r.e -= a->neg;
        return r;
    }
    mpfr_inits2(WORK_BITS, x, t, (mpfr_ptr)0);
    to_mpfr(x, a);
    mpfr_const_log2(t, MPFR_RNDZ);
    mpfr_mul(x, x, t, MPFR_RNDZ);
    mpfr_expm1(t, x, MPFR_RNDZ);
    struct sf r = from_mpfr(env, t, true);
    mpfr_clears(x, t, (mpfr_ptr)0);
    return r;
}
/* Operands beyond -1 to 1 are undefined; here they are no exception. */
void x87_soft_f2xm1(struct x87_frame *f)
{
    struct sf_env env = x87_env(f);
    struct sf a = x87_in(f, 0), r = a;

    if (!sf_nans(&env, &a, &a, &r) && !sf_denormals(&env, &a, &a))
        r = power_minus_1(&env, &a);
    x87_out(f, 0, r);
    x87_status(f, &env, 0);
}

/* y times a logarithm that is 0 or infinite. */
static struct sf multiply_special(struct sf_env *env, const struct sf *log, const struct sf *y)
{
    if (log->cls == SF_INF && y->cls == SF_FINITE && log->neg) {
        env->flags |= SF_ZE;
        return sf_infinity(!y->neg);
    }
    return sf_mul(env, &sf_f80, *log, *y);
}
/* y * log2(x), plus1: y * log2(x + 1); x and y finite and positive or in range. */
static struct sf multiply_log(struct sf_env *env, const struct sf *x, const struct sf *y,
                              bool plus1)
{
    mpfr_t l, t;
    bool inexact;

    mpfr_inits2(WORK_BITS, l, t, (mpfr_ptr)0);
    to_mpfr(t, x);
    if (plus1) {
        mpfr_log1p(l, t, MPFR_RNDZ);
        mpfr_const_log2(t, MPFR_RNDZ);
        mpfr_div(l, l, t, MPFR_RNDZ);
        inexact = true;
    } else {
        inexact = mpfr_log2(l, t, MPFR_RNDZ);
    }
    to_mpfr(t, y);
    inexact |= mpfr_mul(l, l, t, MPFR_RNDZ) != 0;
    struct sf r = from_mpfr(env, l, inexact);
    mpfr_clears(l, t, (mpfr_ptr)0);
    return r;
}
static struct sf log_product(struct sf_env *env, struct sf x, struct sf y, bool plus1)
{
    bool one = x.cls == SF_FINITE && x.e == 0 && x.m == 1ull << 63;
    struct sf r, log;

    if (sf_nans(env, &x, &y, &r))
        return r;
    if (plus1 ? x.neg && (x.cls == SF_INF || (x.cls == SF_FINITE && x.e >= 0 && !one))
              : x.neg && x.cls != SF_ZERO)
        return sf_invalid(env);
    if (plus1 && x.cls == SF_ZERO)
        log = x;
    else if (plus1 ? one && x.neg : x.cls == SF_ZERO)
        log = sf_infinity(true);
    else if (x.cls == SF_INF)
        log = x;
    else if (one && !plus1)
        log = sf_zero(false);
    else
        log = (struct sf){.cls = SF_FINITE, .neg = plus1 ? x.neg : x.e < 0};
    if (log.cls != SF_FINITE)
        return multiply_special(env, &log, &y);
    if (sf_denormals(env, &x, &y))
        return x;
    if (y.cls == SF_FINITE)
        return multiply_log(env, &x, &y, plus1);
    y.neg ^= log.neg;
    return y;
}
void x87_soft_fyl2x(struct x87_frame *f)
{
    struct sf_env env = x87_env(f);

    x87_out(f, 0, log_product(&env, x87_in(f, 0), x87_in(f, 1), false));
    x87_status(f, &env, 0);
}
/* ST0 beyond -(1 - sqrt(1/2)) to sqrt(2) - 1 is undefined; here it is as FYL2X of ST0 + 1. */
void x87_soft_fyl2xp1(struct x87_frame *f)
{
    struct sf_env env = x87_env(f);

    x87_out(f, 0, log_product(&env, x87_in(f, 0), x87_in(f, 1), true));
    x87_status(f, &env, 0);
}

void x87_soft_release(void)
{
    mpfr_free_cache2(MPFR_FREE_LOCAL_CACHE);
}
#endif
