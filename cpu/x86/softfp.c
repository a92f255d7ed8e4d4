/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/x86/softfp.h"

#include "base/bits.h"

#define TOP64  (1ull << 63)
#define QUIET  (1ull << 62)
#define TOP128 ((sf_u128)1 << 127)

#define X87_BIAS_ADJUST 24576

const struct sf_format sf_f32 = {24, -126, 127};
const struct sf_format sf_f64 = {53, -1022, 1023};
const struct sf_format sf_f80 = {64, -16382, 16383};

/* ---- formats ---- */

/* bits of fraction and exponent; frac and exp are the fields. */
static inline struct sf unpack(unsigned frac_bits, unsigned exp_all, uint64_t frac, unsigned exp,
                               bool neg)
{
    struct sf a = {.neg = neg, .cls = SF_FINITE};
    int bias = (int)exp_all >> 1;

    a.m = frac << (63 - frac_bits);
    a.e = (int)exp - bias;
    if (exp == exp_all) {
        a.cls = !a.m ? SF_INF : a.m & QUIET ? SF_QNAN : SF_SNAN;
        a.m |= TOP64;
    } else if (exp) {
        a.m |= TOP64;
    } else if (!a.m) {
        a.cls = SF_ZERO;
    } else {
        unsigned shift = (unsigned)__builtin_clzll(a.m);
        a.m <<= shift;
        a.e = 1 - bias - (int)shift;
        a.denormal = true;
    }
    return a;
}
struct sf sf_unpack16(uint16_t v)
{
    return unpack(10, 0x1f, v & 0x3ff, v >> 10 & 0x1f, v >> 15);
}
struct sf sf_unpack32(uint32_t v)
{
    return unpack(23, 0xff, v & 0x7fffff, v >> 23 & 0xff, v >> 31);
}
struct sf sf_unpack64(uint64_t v)
{
    return unpack(52, 0x7ff, v & 0xfffffffffffff, v >> 52 & 0x7ff, v >> 63);
}
struct sf sf_unpack80(uint64_t mant, uint16_t sexp)
{
    struct sf a = {.m = mant, .e = (sexp & 0x7fff) - 16383, .neg = sexp >> 15, .cls = SF_FINITE};
    unsigned exp = sexp & 0x7fff;

    if (exp && !(mant & TOP64)) {
        a.cls = SF_UNSUPPORTED;
    } else if (exp == 0x7fff) {
        a.cls = mant == TOP64 ? SF_INF : mant & QUIET ? SF_QNAN : SF_SNAN;
    } else if (!exp && !mant) {
        a.cls = SF_ZERO;
    } else if (!exp) {
        unsigned shift = (unsigned)__builtin_clzll(mant);
        a.m <<= shift;
        a.e = -16382 - (int)shift;
        a.denormal = true;
    }
    return a;
}
static inline uint64_t pack(const struct sf *a, unsigned frac_bits, unsigned exp_all)
{
    uint64_t exp, frac = (a->m & ~TOP64) >> (63 - frac_bits);
    int bias = (int)exp_all >> 1;

    switch (a->cls) {
    case SF_ZERO:
        exp = frac = 0;
        break;
    case SF_FINITE:
        exp = a->m & TOP64 ? (uint64_t)(a->e + bias) : 0;
        if (a->e < 1 - bias) {
            exp = 0;
            frac = a->m >> (1 - bias - a->e) >> (63 - frac_bits);
        }
        break;
    case SF_INF:
        frac = 0;
        /* fallthrough */
    default:
        exp = exp_all;
        break;
    }
    return exp << frac_bits | frac;
}
uint32_t sf_pack32(const struct sf *a)
{
    return (uint32_t)pack(a, 23, 0xff) | (uint32_t)a->neg << 31;
}
uint64_t sf_pack64(const struct sf *a)
{
    return pack(a, 52, 0x7ff) | (uint64_t)a->neg << 63;
}
uint16_t sf_pack80(const struct sf *a, uint64_t *mant)
{
    unsigned exp = 0x7fff;

    *mant = a->m;
    if (a->cls == SF_ZERO) {
        exp = 0;
        *mant = 0;
    } else if (a->cls == SF_INF) {
        *mant = TOP64;
    } else if (a->cls == SF_FINITE) {
        exp = a->m & TOP64 ? (unsigned)(a->e + 16383) : 0;
    }
    return (uint16_t)(exp | (unsigned)a->neg << 15);
}

struct sf sf_default_nan(void)
{
    return (struct sf){.m = TOP64 | QUIET, .cls = SF_QNAN, .neg = true};
}
struct sf sf_zero(bool neg)
{
    return (struct sf){.neg = neg, .cls = SF_ZERO};
}
struct sf sf_infinity(bool neg)
{
    return (struct sf){.m = TOP64, .neg = neg, .cls = SF_INF};
}
struct sf sf_from_int(int64_t v)
{
    struct sf a = {.m = v < 0 ? -(uint64_t)v : (uint64_t)v, .neg = v < 0, .cls = SF_FINITE};

    if (!v)
        return sf_zero(false);
    unsigned shift = (unsigned)__builtin_clzll(a.m);
    a.m <<= shift;
    a.e = 63 - (int)shift;
    return a;
}

/* ---- rounding ---- */

static inline sf_u128 shift_right_sticky(sf_u128 m, unsigned n)
{
    if (!n)
        return m;
    if (n > 127)
        return m != 0;
    return m >> n | ((m << (128 - n)) != 0);
}
static inline sf_u128 normalize(sf_u128 m, int32_t *e)
{
    uint64_t high = (uint64_t)(m >> 64);
    unsigned shift =
        high ? (unsigned)__builtin_clzll(high) : 64 + (unsigned)__builtin_clzll((uint64_t)m);
    *e -= (int32_t)shift;
    return m << shift;
}

struct rounded {
    uint64_t m; /* the 64 bits on top */
    bool inexact, up, carry;
};
/* Rounds m to its highest `prec` bits. */
static struct rounded round_bits(unsigned rounding, unsigned prec, bool neg, sf_u128 m)
{
    sf_u128 unit = (sf_u128)1 << (128 - prec), rest = m & (unit - 1), half = unit >> 1;
    struct rounded r = {.inexact = rest != 0};

    m -= rest;
    if (rounding == SF_NEAREST)
        r.up = rest > half || (rest == half && m & unit);
    else
        r.up = r.inexact && rounding == (neg ? SF_DOWN : SF_UP);
    if (r.up) {
        m += unit;
        r.carry = !m;
    }
    r.m = r.carry ? TOP64 : (uint64_t)(m >> 64);
    return r;
}

static struct sf overflow(struct sf_env *env, const struct sf_format *f, bool neg)
{
    bool inf = env->rounding == SF_NEAREST || env->rounding == (neg ? SF_DOWN : SF_UP);

    env->flags |= SF_OE | SF_PE;
    env->up = inf;
    if (inf)
        return sf_infinity(neg);
    return (struct sf){.m = ~0ull << (64 - f->prec), .e = f->emax, .neg = neg, .cls = SF_FINITE};
}
static struct sf denormal(struct sf_env *env, const struct sf_format *f, struct sf_wide w)
{
    sf_u128 m = shift_right_sticky(w.m, (unsigned)(f->emin - w.e));
    struct rounded r = round_bits(env->rounding, f->prec, w.neg, m);

    if (env->ftz) {
        env->flags |= SF_UE | SF_PE;
        return sf_zero(w.neg);
    }
    env->up = r.up;
    if (r.inexact)
        env->flags |= SF_UE | SF_PE;
    if (!r.m)
        return sf_zero(w.neg);
    return (struct sf){.m = r.m, .e = f->emin, .neg = w.neg, .cls = SF_FINITE};
}
struct sf sf_round(struct sf_env *env, const struct sf_format *f, struct sf_wide w)
{
    struct rounded r = round_bits(env->rounding, f->prec, w.neg, w.m);
    struct sf a = {.m = r.m, .e = w.e + r.carry, .neg = w.neg, .cls = SF_FINITE};
    unsigned flag = a.e > f->emax ? SF_OE : a.e < f->emin ? SF_UE : 0;

    if (flag & env->unmasked) {
        env->flags |= (uint8_t)flag;
        if (env->to_memory)
            return sf_zero(a.neg);
        a.e += flag == SF_OE ? -X87_BIAS_ADJUST : X87_BIAS_ADJUST;
        if (a.e > f->emax || a.e < f->emin) { /* FSCALE only: too far even so */
            env->flags |= SF_PE;
            env->up = flag == SF_OE;
            return env->up ? sf_infinity(a.neg) : sf_zero(a.neg);
        }
    } else if (flag == SF_OE) {
        return overflow(env, f, w.neg);
    } else if (flag) {
        return denormal(env, f, w);
    }
    env->up = r.up;
    if (r.inexact)
        env->flags |= SF_PE;
    return a;
}

static inline struct sf_wide widen(const struct sf *a)
{
    return (struct sf_wide){.m = (sf_u128)a->m << 64, .e = a->e, .neg = a->neg};
}

/* ---- special operands ---- */

struct sf sf_invalid(struct sf_env *env)
{
    env->flags |= SF_IE;
    return sf_default_nan();
}
bool sf_denormals(struct sf_env *env, const struct sf *a, const struct sf *b)
{
    if (!a->denormal && !b->denormal)
        return false;
    env->flags |= SF_DE;
    return env->unmasked & SF_DE;
}
/* The x87 takes the quiet one, or else the larger significand, or else the positive one. */
static const struct sf *x87_nan(const struct sf *a, const struct sf *b)
{
    if (a->cls < SF_QNAN || b->cls < SF_QNAN)
        return a->cls < SF_QNAN ? b : a;
    if (a->cls != b->cls)
        return a->cls == SF_QNAN ? a : b;
    if (a->m != b->m)
        return a->m > b->m ? a : b;
    return a->neg ? b : a;
}
bool sf_nans(struct sf_env *env, const struct sf *a, const struct sf *b, struct sf *r)
{
    if (likely(a->cls < SF_QNAN && b->cls < SF_QNAN))
        return false;
    if (a->cls == SF_UNSUPPORTED || b->cls == SF_UNSUPPORTED) {
        *r = sf_invalid(env);
        return true;
    }
    if (a->cls == SF_SNAN || b->cls == SF_SNAN)
        env->flags |= SF_IE;
    *r = env->x87 ? *x87_nan(a, b) : a->cls >= SF_QNAN ? *a : *b;
    r->m |= QUIET;
    r->cls = SF_QNAN;
    return true;
}
struct sf sf_convert(struct sf_env *env, const struct sf_format *f, struct sf a)
{
    struct sf r;

    if (sf_nans(env, &a, &a, &r))
        return r;
    if (sf_denormals(env, &a, &a) || a.cls != SF_FINITE)
        return a;
    return sf_round(env, f, widen(&a));
}

/* ---- arithmetic ---- */

/* Exact, but for the sticky bit. False: zero. */
static bool add_wide(struct sf_wide a, struct sf_wide b, struct sf_wide *r)
{
    if (a.e < b.e || (a.e == b.e && a.m < b.m)) {
        struct sf_wide t = a;
        a = b;
        b = t;
    }
    /* One place for the carry: no operand has a bit there. */
    a.m >>= 1;
    b.m = shift_right_sticky(b.m >> 1, (unsigned)(a.e - b.e));
    r->m = a.neg == b.neg ? a.m + b.m : a.m - b.m;
    r->e = a.e + 1;
    r->neg = a.neg;
    if (!r->m)
        return false;
    r->m = normalize(r->m, &r->e);
    return true;
}
struct sf sf_add(struct sf_env *env, const struct sf_format *f, struct sf a, struct sf b)
{
    struct sf_wide w;
    struct sf r;

    if (sf_nans(env, &a, &b, &r))
        return r;
    if (a.cls == SF_INF && b.cls == SF_INF && a.neg != b.neg)
        return sf_invalid(env);
    if (sf_denormals(env, &a, &b))
        return a;
    if (a.cls == SF_INF || b.cls == SF_INF)
        return a.cls == SF_INF ? a : b;
    if (a.cls == SF_ZERO && b.cls == SF_ZERO)
        return sf_zero(a.neg == b.neg ? a.neg : env->rounding == SF_DOWN);
    if (a.cls == SF_ZERO || b.cls == SF_ZERO)
        return sf_round(env, f, widen(a.cls == SF_ZERO ? &b : &a));
    if (!add_wide(widen(&a), widen(&b), &w))
        return sf_zero(env->rounding == SF_DOWN);
    return sf_round(env, f, w);
}
struct sf sf_sub(struct sf_env *env, const struct sf_format *f, struct sf a, struct sf b)
{
    if (b.cls < SF_QNAN)
        b.neg = !b.neg;
    return sf_add(env, f, a, b);
}
static struct sf_wide mul_wide(const struct sf *a, const struct sf *b)
{
    struct sf_wide w = {.m = (sf_u128)a->m * b->m, .e = a->e + b->e + 1, .neg = a->neg != b->neg};

    w.m = normalize(w.m, &w.e);
    return w;
}
struct sf sf_mul(struct sf_env *env, const struct sf_format *f, struct sf a, struct sf b)
{
    bool neg = a.neg != b.neg;
    struct sf r;

    if (sf_nans(env, &a, &b, &r))
        return r;
    if ((a.cls == SF_INF && b.cls == SF_ZERO) || (a.cls == SF_ZERO && b.cls == SF_INF))
        return sf_invalid(env);
    if (sf_denormals(env, &a, &b))
        return a;
    if (a.cls == SF_INF || b.cls == SF_INF)
        return sf_infinity(neg);
    if (a.cls == SF_ZERO || b.cls == SF_ZERO)
        return sf_zero(neg);
    return sf_round(env, f, mul_wide(&a, &b));
}
struct sf sf_div(struct sf_env *env, const struct sf_format *f, struct sf a, struct sf b)
{
    struct sf_wide w = {.e = a.e - b.e, .neg = a.neg != b.neg};
    sf_u128 n = (sf_u128)a.m << 63;
    struct sf r;

    if (sf_nans(env, &a, &b, &r))
        return r;
    if (a.cls == b.cls && a.cls != SF_FINITE)
        return sf_invalid(env);
    if (b.cls == SF_ZERO && a.cls == SF_FINITE) {
        env->flags |= SF_ZE;
        return sf_infinity(w.neg);
    }
    if (sf_denormals(env, &a, &b))
        return a;
    if (a.cls == SF_INF || b.cls == SF_ZERO)
        return sf_infinity(w.neg);
    if (a.cls == SF_ZERO || b.cls == SF_INF)
        return sf_zero(w.neg);
    /* Two steps of long division: 125 or 126 bits of quotient, and whether any is left. */
    sf_u128 rest = (n % b.m) << 62;
    w.m = (n / b.m) << 64 | (rest / b.m) << 2 | (rest % b.m != 0);
    w.m = normalize(w.m, &w.e);
    return sf_round(env, f, w);
}
/* floor(sqrt(n)), n >= 2^126; *rest = n - root^2 */
static uint64_t root128(sf_u128 n, sf_u128 *rest)
{
    sf_u128 root = 0;

    for (sf_u128 bit = (sf_u128)1 << 126; bit; bit >>= 2) {
        if (n >= root + bit) {
            n -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    *rest = n;
    return (uint64_t)root;
}
struct sf sf_sqrt(struct sf_env *env, const struct sf_format *f, struct sf a)
{
    struct sf_wide w = {0};
    sf_u128 rest;
    struct sf r;

    if (sf_nans(env, &a, &a, &r))
        return r;
    if (a.neg && a.cls != SF_ZERO)
        return sf_invalid(env);
    if (sf_denormals(env, &a, &a) || a.cls != SF_FINITE)
        return a;
    bool odd = a.e & 1;
    uint64_t root = root128((sf_u128)a.m << (odd ? 64 : 63), &rest);
    /* sqrt(n) > root + 1/2 when n - root^2 > root. */
    w.m = (sf_u128)root << 64 | (sf_u128)(rest > root) << 63 | (rest != 0);
    w.e = (a.e - odd) / 2;
    return sf_round(env, f, w);
}
/* The NaN that FMA gives: of the first operand that is one. */
static bool fma_nans(struct sf_env *env, const struct sf *a, const struct sf *b, const struct sf *c,
                     struct sf *r)
{
    bool two = sf_nans(env, a, b, r);

    if (c->cls < SF_QNAN)
        return two;
    if (two && c->cls == SF_SNAN)
        env->flags |= SF_IE;
    return two || sf_nans(env, c, c, r);
}
struct sf sf_fma(struct sf_env *env, const struct sf_format *f, struct sf a, struct sf b,
                 struct sf c)
{
    bool neg = a.neg != b.neg;
    bool inf = a.cls == SF_INF || b.cls == SF_INF, zero = a.cls == SF_ZERO || b.cls == SF_ZERO;
    struct sf_wide w;
    struct sf r;

    if (fma_nans(env, &a, &b, &c, &r))
        return r;
    if (inf && (zero || (c.cls == SF_INF && c.neg != neg)))
        return sf_invalid(env);
    if (sf_denormals(env, &a, &b) || sf_denormals(env, &c, &c))
        return a;
    if (inf)
        return sf_infinity(neg);
    if (c.cls == SF_INF)
        return c;
    if (zero && c.cls == SF_ZERO)
        return sf_zero(neg == c.neg ? neg : env->rounding == SF_DOWN);
    if (zero)
        return sf_round(env, f, widen(&c));
    if (c.cls == SF_ZERO)
        return sf_round(env, f, mul_wide(&a, &b));
    if (!add_wide(mul_wide(&a, &b), widen(&c), &w))
        return sf_zero(env->rounding == SF_DOWN);
    return sf_round(env, f, w);
}

/* ---- integers ---- */

/* |a| to an integer below 2^64; signals nothing. */
static struct rounded integer(unsigned rounding, const struct sf *a)
{
    sf_u128 m = shift_right_sticky((sf_u128)a->m << 64, a->e < 63 ? (unsigned)(63 - a->e) : 0);

    return round_bits(rounding, 64, a->neg, m);
}
struct sf sf_rint(struct sf_env *env, struct sf a)
{
    struct sf r;

    if (sf_nans(env, &a, &a, &r))
        return r;
    if (a.cls != SF_FINITE || a.e >= 63)
        return a;
    struct rounded i = integer(env->rounding, &a);
    env->up = i.up;
    if (i.inexact)
        env->flags |= SF_PE;
    if (!i.m)
        return sf_zero(a.neg);
    unsigned shift = (unsigned)__builtin_clzll(i.m);
    return (struct sf){.m = i.m << shift, .e = 63 - (int)shift, .neg = a.neg, .cls = SF_FINITE};
}
int64_t sf_to_int(struct sf_env *env, struct sf a, unsigned bits)
{
    uint64_t limit = 1ull << (bits - 1);

    if (a.cls == SF_ZERO)
        return 0;
    if (a.cls == SF_FINITE && a.e < 64) {
        struct rounded i = integer(env->rounding, &a);
        if (!i.carry && i.m <= limit - !a.neg) {
            env->up = i.up;
            if (i.inexact)
                env->flags |= SF_PE;
            return (int64_t)(a.neg ? -i.m : i.m);
        }
    }
    env->flags |= SF_IE;
    return (int64_t)-limit;
}

enum sf_order sf_compare(struct sf_env *env, struct sf a, struct sf b, bool loud)
{
    struct sf r;

    if (sf_nans(env, &a, &b, &r)) {
        if (loud)
            env->flags |= SF_IE;
        return SF_UNORDERED;
    }
    sf_denormals(env, &a, &b);
    if (a.cls == SF_ZERO && b.cls == SF_ZERO)
        return SF_EQUAL;
    if (a.cls == SF_ZERO || b.cls == SF_ZERO)
        return (a.cls == SF_ZERO ? !b.neg : a.neg) ? SF_LESS : SF_GREATER;
    if (a.neg != b.neg)
        return a.neg ? SF_LESS : SF_GREATER;
    if (a.cls == b.cls && (a.cls == SF_INF || (a.e == b.e && a.m == b.m)))
        return SF_EQUAL;
    bool less = a.cls != b.cls ? b.cls == SF_INF : a.e != b.e ? a.e < b.e : a.m < b.m;
    return less != a.neg ? SF_LESS : SF_GREATER;
}
