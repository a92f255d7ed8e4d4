/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87 arithmetic in integer arithmetic (SDM vol. 1 ch. 8). */
#include "cpu/x86/x87_env.h"

#define INTEGER_BIT (1ull << 63)

/* ---- operands in memory ---- */

#define MEMORY_OPERAND(name, type, convert)                                                        \
    static struct sf mem_##name(const struct x87_frame *f)                                         \
    {                                                                                              \
        type v;                                                                                    \
        memcpy(&v, f->mem, sizeof(v));                                                             \
        return convert(v);                                                                         \
    }
MEMORY_OPERAND(f32, uint32_t, sf_unpack32)
MEMORY_OPERAND(f64, uint64_t, sf_unpack64)
MEMORY_OPERAND(i16, int16_t, sf_from_int)
MEMORY_OPERAND(i32, int32_t, sf_from_int)
MEMORY_OPERAND(i64, int64_t, sf_from_int)

/* ---- arithmetic ---- */

/* Precision control narrows the significand, not the exponent (SDM vol. 1 8.1.5.2). */
static struct sf_format precision(const struct x87_frame *f)
{
    static const uint8_t prec[4] = {24, 64, 53, 64};
    return (struct sf_format){prec[f->cw >> 8 & 3], sf_f80.emin, sf_f80.emax};
}
static void arith(struct x87_frame *f, sf_binary *fn, struct sf a, struct sf b)
{
    struct sf_env env = x87_env(f);
    struct sf_format format = precision(f);

    x87_out(f, 0, fn(&env, &format, a, b));
    x87_status(f, &env, 0);
}
#define ARITH(name, fn, a, b)                                                                      \
    void x87_soft_##name(struct x87_frame *f)                                                      \
    {                                                                                              \
        arith(f, fn, a, b);                                                                        \
    }
#define ARITH_ALL(name, fn)                                                                        \
    ARITH(f##name, fn, x87_in(f, 0), x87_in(f, 1))                                                 \
    ARITH(f##name##_m32, fn, x87_in(f, 0), mem_f32(f))                                             \
    ARITH(f##name##_m64, fn, x87_in(f, 0), mem_f64(f))                                             \
    ARITH(fi##name##_m16, fn, x87_in(f, 0), mem_i16(f))                                            \
    ARITH(fi##name##_m32, fn, x87_in(f, 0), mem_i32(f))
#define ARITH_REVERSED(name, fn)                                                                   \
    ARITH(f##name, fn, x87_in(f, 1), x87_in(f, 0))                                                 \
    ARITH(f##name##_m32, fn, mem_f32(f), x87_in(f, 0))                                             \
    ARITH(f##name##_m64, fn, mem_f64(f), x87_in(f, 0))                                             \
    ARITH(fi##name##_m16, fn, mem_i16(f), x87_in(f, 0))                                            \
    ARITH(fi##name##_m32, fn, mem_i32(f), x87_in(f, 0))
ARITH_ALL(add, sf_add)
ARITH_ALL(mul, sf_mul)
ARITH_ALL(sub, sf_sub)
ARITH_REVERSED(subr, sf_sub)
ARITH_ALL(div, sf_div)
ARITH_REVERSED(divr, sf_div)

void x87_soft_fsqrt(struct x87_frame *f)
{
    struct sf_env env = x87_env(f);
    struct sf_format format = precision(f);

    x87_out(f, 0, sf_sqrt(&env, &format, x87_in(f, 0)));
    x87_status(f, &env, 0);
}
void x87_soft_frndint(struct x87_frame *f)
{
    struct sf_env env = x87_env(f);
    struct sf a = x87_in(f, 0);

    if (!sf_denormals(&env, &a, &a))
        x87_out(f, 0, sf_rint(&env, a));
    x87_status(f, &env, 0);
}

/* ---- comparisons ---- */

static void compare(struct x87_frame *f, struct sf b, bool loud)
{
    static const uint16_t cc[] = {[SF_LESS] = FSW_C0,
                                  [SF_EQUAL] = FSW_C3,
                                  [SF_GREATER] = 0,
                                  [SF_UNORDERED] = FSW_C3 | FSW_C2 | FSW_C0};
    struct sf_env env = x87_env(f);
    enum sf_order order = sf_compare(&env, x87_in(f, 0), b, loud);

    x87_status(f, &env, cc[order]);
}
#define COMPARE(name, b, loud)                                                                     \
    void x87_soft_##name(struct x87_frame *f)                                                      \
    {                                                                                              \
        compare(f, b, loud);                                                                       \
    }
COMPARE(fcom, x87_in(f, 1), true)
COMPARE(fucom, x87_in(f, 1), false)
COMPARE(fcom_m32, mem_f32(f), true)
COMPARE(fcom_m64, mem_f64(f), true)
COMPARE(ficom_m16, mem_i16(f), true)
COMPARE(ficom_m32, mem_i32(f), true)
COMPARE(ftst, sf_zero(false), true)

void x87_soft_fxam(struct x87_frame *f)
{
    static const uint16_t cc[] = {
        [SF_ZERO] = FSW_C3, [SF_FINITE] = FSW_C2, [SF_INF] = FSW_C2 | FSW_C0,
        [SF_QNAN] = FSW_C0, [SF_SNAN] = FSW_C0,   [SF_UNSUPPORTED] = 0};
    struct sf a = x87_in(f, 0);

    f->sw = (uint16_t)(cc[a.cls] | (a.denormal ? FSW_C3 : 0) | (a.neg ? FSW_C1 : 0));
}

/* ---- loads and stores ---- */

#define LOAD(name, value)                                                                          \
    void x87_soft_##name(struct x87_frame *f)                                                      \
    {                                                                                              \
        struct sf_env env = x87_env(f);                                                            \
        struct sf a = value;                                                                       \
        x87_out(f, 0, sf_convert(&env, &sf_f80, a));                                               \
        x87_status(f, &env, 0);                                                                    \
    }
LOAD(fld_m32, mem_f32(f))
LOAD(fld_m64, mem_f64(f))
LOAD(fild_m16, mem_i16(f))
LOAD(fild_m32, mem_i32(f))
LOAD(fild_m64, mem_i64(f))

/* Constants, with the bits that decide their rounding. */
static void load_constant(struct x87_frame *f, uint64_t m, uint64_t more, int32_t e)
{
    struct sf_env env = {.rounding = f->cw >> 10 & 3};
    struct sf_wide w = {.m = (sf_u128)m << 64 | more, .e = e};

    x87_out(f, 0, sf_round(&env, &sf_f80, w));
    f->sw = 0;
}
#define CONSTANT(name, m, more, e)                                                                 \
    void x87_soft_##name(struct x87_frame *f)                                                      \
    {                                                                                              \
        load_constant(f, m, more, e);                                                              \
    }
CONSTANT(fld1, 0x8000000000000000, 0, 0)
CONSTANT(fldl2t, 0xd49a784bcd1b8afe, 0x492bf6ff4dafdb4c, 1)
CONSTANT(fldl2e, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88, 0)
CONSTANT(fldpi, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1, 1)
CONSTANT(fldlg2, 0x9a209a84fbcff798, 0x8f8959ac0b7c9178, -2)
CONSTANT(fldln2, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af, -1)
void x87_soft_fldz(struct x87_frame *f)
{
    f->st[0] = (struct x87_reg){0};
    f->sw = 0;
}

/* Denormals are no exception to stores. */
static struct sf store_float(struct x87_frame *f, const struct sf_format *format)
{
    struct sf_env env = x87_env(f);
    struct sf a = x87_in(f, 0);
    env.to_memory = true;
    a.denormal = false;
    struct sf r = sf_convert(&env, format, a);

    x87_status(f, &env, 0);
    return r;
}
void x87_soft_fst_m32(struct x87_frame *f)
{
    struct sf r = store_float(f, &sf_f32);
    uint32_t v = sf_pack32(&r);
    memcpy(f->mem, &v, 4);
}
void x87_soft_fst_m64(struct x87_frame *f)
{
    struct sf r = store_float(f, &sf_f64);
    uint64_t v = sf_pack64(&r);
    memcpy(f->mem, &v, 8);
}
static void store_int(struct x87_frame *f, unsigned bytes)
{
    struct sf_env env = x87_env(f);
    uint64_t v = (uint64_t)sf_to_int(&env, x87_in(f, 0), bytes * 8);

    for (unsigned n = 0; n < bytes; n++)
        f->mem[n] = (uint8_t)(v >> 8 * n);
    x87_status(f, &env, 0);
}
void x87_soft_fist_m16(struct x87_frame *f)
{
    store_int(f, 2);
}
void x87_soft_fist_m32(struct x87_frame *f)
{
    store_int(f, 4);
}
void x87_soft_fist_m64(struct x87_frame *f)
{
    store_int(f, 8);
}

/* 18 decimal digits, two a byte, and the sign (SDM vol. 1 4.7). */
#define BCD_LIMIT 1000000000000000000

void x87_soft_fbld(struct x87_frame *f)
{
    int64_t v = 0;

    for (int n = 8; n >= 0; n--)
        v = v * 100 + (f->mem[n] >> 4) * 10 + (f->mem[n] & 15);
    struct sf a = sf_from_int(v);
    a.neg = f->mem[9] >> 7;
    x87_out(f, 0, a);
    f->sw = 0;
}
void x87_soft_fbst(struct x87_frame *f)
{
    struct sf_env env = x87_env(f), inner = env;
    struct sf a = x87_in(f, 0);
    int64_t v = sf_to_int(&inner, a, 64);
    uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;

    if (inner.flags & SF_IE || rest >= BCD_LIMIT) {
        static const uint8_t indefinite[10] = {0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff};
        memcpy(f->mem, indefinite, 10);
        env.flags = SF_IE;
        x87_status(f, &env, 0);
        return;
    }
    for (unsigned n = 0; n < 9; n++, rest /= 100)
        f->mem[n] = (uint8_t)(rest / 10 % 10 << 4 | rest % 10);
    f->mem[9] = a.neg ? 0x80 : 0;
    x87_status(f, &inner, 0);
}

/* ---- scaling and remainders ---- */

/* The integer part of b, at most 2^16 either way: more than any exponent needs. */
static int32_t scale_of(const struct sf *b)
{
    if (b->cls == SF_ZERO || b->e < 0)
        return 0;
    int32_t n = b->e > 16 ? 0x10000 : (int32_t)(b->m >> (63 - b->e));
    return b->neg ? -n : n;
}
/* ST0 * 2^trunc(ST1) (SDM vol. 2A, FSCALE) */
static struct sf scale(struct sf_env *env, struct sf a, struct sf b)
{
    struct sf r;

    if (sf_nans(env, &a, &b, &r))
        return r;
    if (b.cls == SF_INF) {
        if (a.cls == (b.neg ? SF_INF : SF_ZERO))
            return sf_invalid(env);
        if (sf_denormals(env, &a, &a))
            return a;
        return b.neg ? sf_zero(a.neg) : sf_infinity(a.neg);
    }
    if (sf_denormals(env, &a, &b) || a.cls != SF_FINITE)
        return a;
    struct sf_wide w = {.m = (sf_u128)a.m << 64, .e = a.e + scale_of(&b), .neg = a.neg};
    return sf_round(env, &sf_f80, w);
}
void x87_soft_fscale(struct x87_frame *f)
{
    struct sf_env env = x87_env(f);

    x87_out(f, 0, scale(&env, x87_in(f, 0), x87_in(f, 1)));
    x87_status(f, &env, 0);
}

/* What both remainders do with operands that are not finite numbers; true: *r is the result. */
static bool remainder_special(struct sf_env *env, const struct sf *a, const struct sf *b,
                              struct sf *r)
{
    if (sf_nans(env, a, b, r))
        return true;
    if (a->cls == SF_INF || b->cls == SF_ZERO) {
        *r = sf_invalid(env);
        return true;
    }
    *r = *a;
    return sf_denormals(env, a, b) || a->cls == SF_ZERO;
}
static uint16_t quotient_bits(uint64_t q)
{
    return (uint16_t)((q & 4 ? FSW_C0 : 0) | (q & 2 ? FSW_C3 : 0) | (q & 1 ? FSW_C1 : 0));
}
/* n * 2^(e-63), a remainder, which always fits. */
static struct sf exact(struct sf_env *env, sf_u128 n, int32_t e, bool neg)
{
    if (!n)
        return sf_zero(neg);
    struct sf_wide w = {.m = n, .e = e + 64, .neg = neg};
    while (!(w.m >> 127)) {
        w.m <<= 1;
        w.e--;
    }
    return sf_round(env, &sf_f80, w);
}
/* nearest: FPREM1. Exponents 64 and more apart: a part of the reduction, which leaves a number
 * between 32 and 63 less (SDM vol. 2A, FPREM). */
static void rem(struct x87_frame *f, bool nearest)
{
    struct sf_env env = x87_env(f);
    struct sf a = x87_in(f, 0), b = x87_in(f, 1), r;
    uint16_t cc = 0;

    if (remainder_special(&env, &a, &b, &r)) {
        x87_out(f, 0, r);
        x87_status(f, &env, 0);
        return;
    }
    int32_t apart = b.cls == SF_INF ? -2 : a.e - b.e;
    if (apart < -1 || (apart < 0 && !nearest)) {
        r = exact(&env, a.m, a.e, a.neg);
    } else if (apart >= 64) {
        int32_t n = (apart & 31) + 32;
        r = exact(&env, ((sf_u128)a.m << n) % b.m, b.e + apart - n, a.neg);
        cc = FSW_C2;
    } else {
        /* In units of half of b's last place: so there is no special case for -1. */
        sf_u128 d = (sf_u128)b.m << 1, n = (sf_u128)a.m << (apart + 1), rest = n % d;
        uint64_t q = (uint64_t)(n / d);
        bool over = nearest && (rest > d - rest || (rest == d - rest && q & 1));
        r = exact(&env, over ? d - rest : rest, b.e - 1, a.neg != over);
        cc = quotient_bits(q + over);
    }
    x87_out(f, 0, r);
    x87_status(f, &env, cc);
}
void x87_soft_fprem(struct x87_frame *f)
{
    rem(f, false);
}
void x87_soft_fprem1(struct x87_frame *f)
{
    rem(f, true);
}

/* ST0 into exponent (st[1]) and significand (st[0]). */
void x87_soft_fxtract(struct x87_frame *f)
{
    struct sf_env env = x87_env(f);
    struct sf a = x87_in(f, 0), exponent, r;

    if (sf_nans(&env, &a, &a, &r)) {
        a = exponent = r;
    } else if (a.cls == SF_ZERO) {
        env.flags |= SF_ZE;
        exponent = sf_infinity(true);
    } else if (a.cls == SF_INF) {
        exponent = sf_infinity(false);
    } else {
        sf_denormals(&env, &a, &a);
        exponent = sf_from_int(a.e);
        a.e = 0;
    }
    f->pushed = 1;
    x87_out(f, 0, a);
    x87_out(f, 1, exponent);
    x87_status(f, &env, 0);
}
