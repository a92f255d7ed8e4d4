/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The x87 in integer arithmetic and by MPFR: against the processor's own where the host is an x86,
 * with masked and unmasked exceptions; and everywhere against a digest of those answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#if CONFIG_MPFR
#define MPFR_USE_INTMAX_T
#include <mpfr.h>
#endif

#include "cpu/x86/x87_host.h"
#include "cpu/x86/x87_op.h"
#include "tests/unit/fp_random.h"

#define INTEGER_BIT (1ull << 63)
#define MASKED      0x037f

/* ---- operands ---- */

static uint16_t random_exponent(uint64_t r)
{
    switch (r & 7) {
    case 0:
        return 0;
    case 1:
        return 0x7fff;
    case 2:
        return (uint16_t)(1 + (r >> 8 & 3));
    case 3:
        return (uint16_t)(0x7ffe - (r >> 8 & 3));
    case 4:
        return (uint16_t)(0x3fff - 70 + (r >> 8) % 140);
    case 5:
        return (uint16_t)(0x3fff - 8200 + (r >> 8) % 16400);
    default:
        return r >> 8 & 0x7fff;
    }
}
static uint64_t random_significand(uint64_t r)
{
    uint64_t m = fp_rnd();

    switch (r & 7) {
    case 0:
        return 0;
    case 1:
        return ~0ull;
    case 2:
        return 1;
    case 3: /* few bits: exact results */
        return m & m << 7 & m << 13 & ~0ull << (r >> 8 & 63);
    case 4: /* ties of 53 and of 24 bits */
        return (m & ~0x7ffull) | (r >> 8 & 1) << 10;
    case 5:
        return (m & ~0ull << 40) | (r >> 8 & 1) << 39;
    default:
        return m;
    }
}
/* One in 16 with an integer bit that does not fit its exponent. */
static struct x87_reg random_reg(void)
{
    uint64_t r = fp_rnd();
    uint16_t e = random_exponent(r);
    uint64_t m = random_significand(r >> 24);

    if ((r >> 48 & 15) != 0)
        m = e ? m | INTEGER_BIT : m & ~INTEGER_BIT;
    return (struct x87_reg){.mant = m, .sexp = (uint16_t)(e | (r >> 63) << 15)};
}
static struct x87_reg normal(unsigned exponent)
{
    uint64_t r = fp_rnd();
    return (struct x87_reg){.mant = random_significand(r) | INTEGER_BIT,
                            .sexp = (uint16_t)(exponent | (r >> 63) << 15)};
}
/* Any control word, half of them with all exceptions masked; not the reserved precision. */
static uint16_t random_cw(void)
{
    uint64_t r = fp_rnd();
    uint16_t cw = (uint16_t)(0x7f | (r & 0xf00));

    if ((cw >> 8 & 3) == 1)
        cw |= 0x300;
    return r >> 16 & 1 ? cw : cw & ~(r >> 20 & 0x3f);
}

enum memory { NONE, F32, F64, INT, BCD };
enum bias { ANY, TO_INTEGER, SCALE, REMAINDER, SMALL, BELOW_QUARTER, LOG };

static void random_memory(uint8_t *mem, enum memory kind)
{
    uint64_t r = fp_rnd(), m = fp_rnd();

    if (kind == F32)
        m = (r & 1 ? m & 0x7fffff : 0) | (r >> 1 & 7 ? r >> 8 & 0xff : 0) << 23 | (r >> 63) << 31;
    else if (kind == F64)
        m = (r & 1 ? m & 0xfffffffffffff : 0) | (r >> 1 & 7 ? r >> 8 & 0x7ff : 0) << 52 |
            (r >> 63) << 63;
    else
        m = (uint64_t)((int64_t)m >> (r & 63));
    memcpy(mem, &m, 8);
    for (unsigned n = 0; n < 9 && kind == BCD; n++) {
        m = (fp_rnd() >> 32) % 100;
        mem[n] = (uint8_t)(m / 10 << 4 | m % 10);
    }
    if (kind == BCD)
        mem[9] = r & 0x80;
}
static void random_frame(struct x87_frame *f, enum memory kind, enum bias bias)
{
    uint64_t r = fp_rnd();

    memset(f, 0, sizeof(*f));
    f->cw = random_cw();
    f->st[0] = random_reg();
    f->st[1] = r & 7 ? random_reg() : f->st[0];
    if (r >> 3 & 3) /* near each other */
        f->st[1].sexp = (uint16_t)((f->st[0].sexp + (r >> 8) % 160 - 80) ^ (r >> 63) << 15);
    random_memory(f->mem, kind);
    if (bias == TO_INTEGER && r >> 5 & 3)
        f->st[0] = normal(0x3fff - 3 + (r >> 8) % 68);
    if (bias == SCALE && r >> 5 & 3)
        f->st[1] = normal(0x3fff - 1 + (r >> 8) % 18);
    if (bias == SMALL && (f->st[0].sexp & 0x7fff) >= 0x3fff)
        f->st[0] = normal(0x3fff - 1 - (r >> 8) % 66);
    if (bias == BELOW_QUARTER && (f->st[0].sexp & 0x7fff) >= 0x3ffd)
        f->st[0] = normal(0x3fff - 3 - (r >> 8) % 66);
    if (bias == LOG && r >> 5 & 1)
        f->st[0].sexp = (uint16_t)(0x3fff - (r >> 6 & 1));
}

/* ---- the instructions ---- */

enum result { NO_RESULT, ST0, ST0_ST1, MEM2, MEM4, MEM8, MEM10 };
struct row {
    const char *name;
    x87_fn *host, *soft;
    enum memory mem;
    enum result result;
    enum bias bias;
    uint16_t cc;
    bool load; /* a denormal is loaded even when that signals */
};
#define ROW(name, mem, result, bias, cc)                                                           \
    {                                                                                              \
#name, x87_host_##name, x87_soft_##name, mem, result, bias, cc, false                      \
    }
#define LOAD(name, mem)                                                                            \
    {                                                                                              \
#name, x87_host_##name, x87_soft_##name, mem, ST0, ANY, FSW_C1, true                       \
    }
#define ARITH(name)                                                                                \
    ROW(f##name, NONE, ST0, ANY, FSW_C1), ROW(f##name##_m32, F32, ST0, ANY, FSW_C1),               \
        ROW(f##name##_m64, F64, ST0, ANY, FSW_C1), ROW(fi##name##_m16, INT, ST0, ANY, FSW_C1),     \
        ROW(fi##name##_m32, INT, ST0, ANY, FSW_C1)

static const struct row arithmetic_rows[] = {
    ARITH(add),
    ARITH(sub),
    ARITH(subr),
    ARITH(mul),
    ARITH(div),
    ARITH(divr),
    ROW(fsqrt, NONE, ST0, ANY, FSW_C1),
    ROW(frndint, NONE, ST0, TO_INTEGER, FSW_C1),
    ROW(fscale, NONE, ST0, SCALE, FSW_C1),
    ROW(fprem, NONE, ST0, REMAINDER, FSW_CC),
    ROW(fprem1, NONE, ST0, REMAINDER, FSW_CC),
    ROW(fxtract, NONE, ST0_ST1, ANY, FSW_C1),
};
static const struct row compare_rows[] = {
    ROW(fcom, NONE, NO_RESULT, ANY, FSW_CC),     ROW(fucom, NONE, NO_RESULT, ANY, FSW_CC),
    ROW(fcom_m32, F32, NO_RESULT, ANY, FSW_CC),  ROW(fcom_m64, F64, NO_RESULT, ANY, FSW_CC),
    ROW(ficom_m16, INT, NO_RESULT, ANY, FSW_CC), ROW(ficom_m32, INT, NO_RESULT, ANY, FSW_CC),
    ROW(ftst, NONE, NO_RESULT, ANY, FSW_CC),     ROW(fxam, NONE, NO_RESULT, ANY, FSW_CC),
};
static const struct row move_rows[] = {
    LOAD(fld_m32, F32),
    LOAD(fld_m64, F64),
    LOAD(fild_m16, INT),
    LOAD(fild_m32, INT),
    LOAD(fild_m64, INT),
    LOAD(fbld, BCD),
    LOAD(fld1, NONE),
    LOAD(fldl2t, NONE),
    LOAD(fldl2e, NONE),
    LOAD(fldpi, NONE),
    LOAD(fldlg2, NONE),
    LOAD(fldln2, NONE),
    LOAD(fldz, NONE),
    ROW(fst_m32, NONE, MEM4, ANY, FSW_C1),
    ROW(fst_m64, NONE, MEM8, ANY, FSW_C1),
    ROW(fist_m16, NONE, MEM2, TO_INTEGER, FSW_C1),
    ROW(fist_m32, NONE, MEM4, TO_INTEGER, FSW_C1),
    ROW(fist_m64, NONE, MEM8, TO_INTEGER, FSW_C1),
    ROW(fbst, NONE, MEM10, TO_INTEGER, FSW_C1),
};

static unsigned result_bytes(enum result r)
{
    static const uint8_t bytes[] = {[MEM2] = 2, [MEM4] = 4, [MEM8] = 8, [MEM10] = 10};
    return r < MEM2 ? 0 : bytes[r];
}
static bool same_reg(const struct x87_reg *a, const struct x87_reg *b)
{
    return a->mant == b->mant && a->sexp == b->sexp;
}
/* What counts of a result: nothing when an unmasked exception forbids it. */
static bool has_result(const struct row *row, const struct x87_frame *f)
{
    uint16_t stops = row->result >= MEM2 ? STOP_MEM : row->load ? FSW_IE : STOP_REG;
    return row->result != NO_RESULT && !(f->sw & ~f->cw & stops);
}
static void fold_frame(const struct row *row, const struct x87_frame *f)
{
    fp_fold(f->sw & (FSW_EXC | row->cc));
    if (!has_result(row, f))
        return;
    for (unsigned n = 0; n < result_bytes(row->result); n++)
        fp_fold(f->mem[n]);
    for (unsigned n = 0; n < (row->result == ST0_ST1 ? 2 : row->result == ST0); n++) {
        fp_fold(f->st[n].mant);
        fp_fold(f->st[n].sexp);
    }
}
static void check_row(const struct row *row, const struct x87_frame *in,
                      const struct x87_frame *host, const struct x87_frame *soft)
{
    bool same = !((host->sw ^ soft->sw) & (FSW_EXC | row->cc));

    if (same && has_result(row, host)) {
        if (row->result >= MEM2)
            same = !memcmp(host->mem, soft->mem, result_bytes(row->result));
        if (row->result == ST0 || row->result == ST0_ST1)
            same = same_reg(&host->st[0], &soft->st[0]);
        if (row->result == ST0_ST1)
            same = same && same_reg(&host->st[1], &soft->st[1]) && host->pushed == soft->pushed;
    }
    if (!same)
        fail_msg("%s cw %x st0 %x:%llx st1 %x:%llx mem %llx: host sw %x st0 %x:%llx mem %llx, "
                 "soft sw %x st0 %x:%llx mem %llx",
                 row->name, in->cw, in->st[0].sexp, (long long)in->st[0].mant, in->st[1].sexp,
                 (long long)in->st[1].mant, *(const long long *)in->mem, host->sw, host->st[0].sexp,
                 (long long)host->st[0].mant, *(const long long *)host->mem, soft->sw,
                 soft->st[0].sexp, (long long)soft->st[0].mant, *(const long long *)soft->mem);
}
#define ROUNDS 30000
static void run_rows(const struct row *rows, unsigned count)
{
    struct x87_frame in, host, soft;

    for (unsigned k = 0; k < count; k++) {
        for (unsigned n = 0; n < ROUNDS; n++) {
            random_frame(&in, rows[k].mem, rows[k].bias);
            host = soft = in;
            rows[k].host(&host);
            rows[k].soft(&soft);
            check_row(&rows[k], &in, &host, &soft);
            fold_frame(&rows[k], &soft);
        }
    }
}
static void arithmetic(void **state)
{
    (void)state;
    fp_begin(11);
    run_rows(arithmetic_rows, ARRAY_SIZE(arithmetic_rows));
    assert_int_equal(fp_digest, 0x11f174a607c7c027);
}
static void comparisons(void **state)
{
    (void)state;
    fp_begin(12);
    run_rows(compare_rows, ARRAY_SIZE(compare_rows));
    assert_int_equal(fp_digest, 0x8fea6aa8070388f2);
}
static void loads_and_stores(void **state)
{
    (void)state;
    fp_begin(13);
    run_rows(move_rows, ARRAY_SIZE(move_rows));
    assert_int_equal(fp_digest, 0xf8ca1c99e933d5f0);
}

#if CONFIG_MPFR
/* ---- transcendental: within the manual's bound of the exact value, which is of more bits ---- */

#define EXACT_BITS 640

static void value_of(mpfr_t x, const struct x87_reg *r)
{
    mpfr_set_uj_2exp(x, r->mant, (r->sexp & 0x7fff ? r->sexp & 0x7fff : 1) - 16383 - 63, MPFR_RNDN);
    mpfr_setsign(x, x, r->sexp >> 15, MPFR_RNDN);
}
/* quadrant and remainder of x by the half of the processor's pi */
static long quarter(mpfr_t x)
{
    mpfr_t half_pi;
    long q;

    mpfr_init2(half_pi, 66);
    mpfr_set_str(half_pi, "1.921FB54442D18469898CC51701B839A252049C1114CF98E", 16, MPFR_RNDZ);
    mpfr_remquo(x, &q, x, half_pi, MPFR_RNDN);
    mpfr_clear(half_pi);
    return q & 3;
}
static void exact_sin(mpfr_t r, mpfr_t x, mpfr_t y)
{
    long q = quarter(x);
    (void)y;
    if (q & 1)
        mpfr_cos(r, x, MPFR_RNDN);
    else
        mpfr_sin(r, x, MPFR_RNDN);
    if (q & 2)
        mpfr_neg(r, r, MPFR_RNDN);
}
static void exact_cos(mpfr_t r, mpfr_t x, mpfr_t y)
{
    long q = quarter(x);
    (void)y;
    if (q & 1)
        mpfr_sin(r, x, MPFR_RNDN);
    else
        mpfr_cos(r, x, MPFR_RNDN);
    if (q == 1 || q == 2)
        mpfr_neg(r, r, MPFR_RNDN);
}
static void exact_tan(mpfr_t r, mpfr_t x, mpfr_t y)
{
    long q = quarter(x);
    (void)y;
    mpfr_tan(r, x, MPFR_RNDN);
    if (q & 1) {
        mpfr_ui_div(r, 1, r, MPFR_RNDN);
        mpfr_neg(r, r, MPFR_RNDN);
    }
}
static void exact_atan(mpfr_t r, mpfr_t x, mpfr_t y)
{
    mpfr_atan2(r, y, x, MPFR_RNDN);
}
/* Two terms of the series are enough for tiny x. */
static void exact_2xm1(mpfr_t r, mpfr_t x, mpfr_t y)
{
    if (mpfr_get_exp(x) > -250) {
        mpfr_exp2(r, x, MPFR_RNDN);
        mpfr_sub_ui(r, r, 1, MPFR_RNDN);
        return;
    }
    mpfr_const_log2(r, MPFR_RNDN);
    mpfr_mul(r, r, x, MPFR_RNDN);
    mpfr_div_2ui(y, r, 1, MPFR_RNDN);
    mpfr_add_ui(y, y, 1, MPFR_RNDN);
    mpfr_mul(r, r, y, MPFR_RNDN);
}
static void exact_yl2x(mpfr_t r, mpfr_t x, mpfr_t y)
{
    mpfr_log2(r, x, MPFR_RNDN);
    mpfr_mul(r, r, y, MPFR_RNDN);
}
static void exact_yl2xp1(mpfr_t r, mpfr_t x, mpfr_t y)
{
    if (mpfr_get_exp(x) > -250) {
        mpfr_add_ui(x, x, 1, MPFR_RNDN);
        exact_yl2x(r, x, y);
        return;
    }
    mpfr_const_log2(r, MPFR_RNDN);
    mpfr_div(r, x, r, MPFR_RNDN);
    mpfr_div_2ui(x, x, 1, MPFR_RNDN);
    mpfr_ui_sub(x, 1, x, MPFR_RNDN);
    mpfr_mul(r, r, x, MPFR_RNDN);
    mpfr_mul(r, r, y, MPFR_RNDN);
}

typedef void exact_fn(mpfr_t r, mpfr_t x, mpfr_t y);
struct trans_row {
    const char *name;
    x87_fn *host, *soft;
    exact_fn *first, *second; /* of st[0] and, where there are two, st[1] */
    enum bias bias;
};
#if X87_HOST
#define HOST(name) x87_host_##name
#else
#define HOST(name) x87_soft_##name
#endif
#define TRANS(name, first, second, bias)                                                           \
    {                                                                                              \
#name, HOST(name), x87_soft_##name, exact_##first, second, bias                            \
    }
static const struct trans_row trans_rows[] = {
    TRANS(fsin, sin, NULL, ANY),
    TRANS(fcos, cos, NULL, ANY),
    TRANS(fsincos, cos, exact_sin, ANY),
    {"fptan", HOST(fptan), x87_soft_fptan, NULL, exact_tan, ANY},
    TRANS(fpatan, atan, NULL, ANY),
    TRANS(f2xm1, 2xm1, NULL, SMALL),
    TRANS(fyl2x, yl2x, NULL, LOG),
    TRANS(fyl2xp1, yl2xp1, NULL, BELOW_QUARTER),
};

/* Both within one unit in the last place: the steps between two encodings. */
static bool near_reg(const struct x87_reg *a, const struct x87_reg *b)
{
    __int128 x = ((__int128)(a->sexp & 0x7fff) << 63) + (int64_t)(a->mant & ~INTEGER_BIT);
    __int128 y = ((__int128)(b->sexp & 0x7fff) << 63) + (int64_t)(b->mant & ~INTEGER_BIT);

    if ((a->sexp & 0x7fff) == 0x7fff && a->mant != INTEGER_BIT)
        return same_reg(a, b); /* NaN */
    return a->sexp >> 15 == b->sexp >> 15 && (x - y <= 1 && y - x <= 1);
}
static bool plain(const struct x87_reg *r)
{
    unsigned e = r->sexp & 0x7fff;
    return e != 0x7fff && (e ? r->mant >> 63 : r->mant != 0);
}
/* sin x, tan x and arctan x are x and cos x is 1 to EXACT_BITS: that is no exact value. */
static bool indistinct(exact_fn *fn, mpfr_t x, mpfr_t y)
{
    long e = fn == exact_atan ? mpfr_get_exp(y) - mpfr_get_exp(x) : mpfr_get_exp(x);
    bool series = fn == exact_sin || fn == exact_cos || fn == exact_tan || fn == exact_atan;
    return series && e < -EXACT_BITS / 3;
}
/* The result is one of the exact value's neighbours, the one that the rounding control asks for. */
static void check_exact(const struct trans_row *row, const struct x87_frame *in,
                        const struct x87_frame *out, unsigned n, exact_fn *fn)
{
    mpfr_t x, y, e, s, ulp;
    unsigned rc = in->cw >> 10 & 3;
    bool good, up;

    mpfr_inits2(EXACT_BITS, x, y, e, s, ulp, (mpfr_ptr)0);
    value_of(x, &in->st[0]);
    value_of(y, &in->st[1]);
    bool clear = !indistinct(fn, x, y);
    fn(e, x, y);
    value_of(s, &out->st[n]);
    if (clear && !mpfr_zero_p(e) && mpfr_get_exp(e) <= 16384) {
        long exp = mpfr_get_exp(e) - 1;
        mpfr_set_ui_2exp(ulp, 1, (exp < -16382 ? -16382 : exp) - 63 - (rc == 0), MPFR_RNDN);
        mpfr_sub(x, s, e, MPFR_RNDN);
        good = mpfr_cmpabs(x, ulp) <= 0;
        up = mpfr_cmpabs(s, e) > 0;
        if (rc == 1)
            good &= mpfr_cmp(s, e) <= 0;
        else if (rc == 2)
            good &= mpfr_cmp(s, e) >= 0;
        else if (rc == 3)
            good &= !up;
        if (!row->first || !row->second) {
            bool inexact = out->sw & FSW_PE, c1 = out->sw & FSW_C1;
            good &= inexact == !mpfr_equal_p(s, e) && c1 == up;
        }
        if (!good)
            fail_msg("%s cw %x st0 %x:%llx st1 %x:%llx: result %u %x:%llx sw %x", row->name, in->cw,
                     in->st[0].sexp, (long long)in->st[0].mant, in->st[1].sexp,
                     (long long)in->st[1].mant, n, out->st[n].sexp, (long long)out->st[n].mant,
                     out->sw);
    }
    mpfr_clears(x, y, e, s, ulp, (mpfr_ptr)0);
}
/* The host's own is within its bound of the same value, and signals the same; but that it calls
 * every finite product of FYL2X inexact. */
static void check_host(const struct trans_row *row, const struct x87_frame *in,
                       const struct x87_frame *soft)
{
    struct x87_frame host = *in;
    uint16_t quiet = soft->sw & FSW_PE ? 0 : FSW_PE | FSW_UE;
    bool same;

    row->host(&host);
    same = !((host.sw ^ soft->sw) & (FSW_EXC | FSW_C2) & ~quiet);
    if (same && !(host.sw & ~in->cw & STOP_REG))
        same = near_reg(&host.st[0], &soft->st[0]);
    if (same && row->second && !(host.sw & ~in->cw & STOP_REG))
        same =
            host.pushed == soft->pushed && (!soft->pushed || near_reg(&host.st[1], &soft->st[1]));
    if (!same)
        fail_msg("%s cw %x st0 %x:%llx st1 %x:%llx: host sw %x %x:%llx, soft sw %x %x:%llx",
                 row->name, in->cw, in->st[0].sexp, (long long)in->st[0].mant, in->st[1].sexp,
                 (long long)in->st[1].mant, host.sw, host.st[0].sexp, (long long)host.st[0].mant,
                 soft->sw, soft->st[0].sexp, (long long)soft->st[0].mant);
}
static void transcendental(void **state)
{
    struct x87_frame in, soft;

    (void)state;
    fp_begin(14);
    for (unsigned k = 0; k < ARRAY_SIZE(trans_rows); k++) {
        const struct trans_row *row = &trans_rows[k];
        for (unsigned n = 0; n < 3000; n++) {
            random_frame(&in, NONE, row->bias);
            soft = in;
            row->soft(&soft);
            if (X87_HOST)
                check_host(row, &in, &soft);
            fp_fold(soft.sw & (FSW_EXC | FSW_C1 | FSW_C2));
            if (soft.sw & ~in.cw & STOP_REG)
                continue;
            fp_fold(soft.st[0].mant ^ (uint64_t)soft.st[0].sexp << 47);
            if (soft.sw & FSW_C2 || (in.cw & FSW_EXC) != FSW_EXC || !plain(&in.st[0]) ||
                !plain(&in.st[1]) || soft.sw & FSW_IE)
                continue;
            if (row->first)
                check_exact(row, &in, &soft, 0, row->first);
            if (row->second)
                check_exact(row, &in, &soft, 1, row->second);
        }
    }
    assert_int_equal(fp_digest, 0xc02ba28b3cd56197);
}

/* ---- their special operands, by the tables of SDM vol. 2A ---- */

#define P0                                                                                         \
    {                                                                                              \
        0, 0                                                                                       \
    }
#define M0                                                                                         \
    {                                                                                              \
        0, 0x8000                                                                                  \
    }
#define P1                                                                                         \
    {                                                                                              \
        INTEGER_BIT, 0x3fff                                                                        \
    }
#define M1                                                                                         \
    {                                                                                              \
        INTEGER_BIT, 0xbfff                                                                        \
    }
#define HALF                                                                                       \
    {                                                                                              \
        INTEGER_BIT, 0x3ffe                                                                        \
    }
#define MHALF                                                                                      \
    {                                                                                              \
        INTEGER_BIT, 0xbffe                                                                        \
    }
#define P2                                                                                         \
    {                                                                                              \
        INTEGER_BIT, 0x4000                                                                        \
    }
#define M2                                                                                         \
    {                                                                                              \
        INTEGER_BIT, 0xc000                                                                        \
    }
#define PINF                                                                                       \
    {                                                                                              \
        INTEGER_BIT, 0x7fff                                                                        \
    }
#define MINF                                                                                       \
    {                                                                                              \
        INTEGER_BIT, 0xffff                                                                        \
    }
#define NAN_                                                                                       \
    {                                                                                              \
        0xc000000000000000, 0xffff                                                                 \
    }
#define PI(e)                                                                                      \
    {                                                                                              \
        0xc90fdaa22168c235, e                                                                      \
    }
#define PI34(s)                                                                                    \
    {                                                                                              \
        0x96cbe3f9990e91a8, (s) | 0x4000                                                           \
    }

struct special {
    x87_fn *fn;
    struct x87_reg st0, st1, result;
    uint16_t flags; /* exceptions and C2 */
};
static const struct special specials[] = {
    {x87_soft_fsin, M0, P0, M0, 0},
    {x87_soft_fsin, PINF, P0, NAN_, FSW_IE},
    {x87_soft_fsin, {INTEGER_BIT, 0x403e}, P0, {INTEGER_BIT, 0x403e}, FSW_C2},
    {x87_soft_fcos, {INTEGER_BIT, 0xfffe}, P0, {INTEGER_BIT, 0xfffe}, FSW_C2},
    {x87_soft_fsin, {0xc000000000000000, 0x403d}, P0, {0xc3e85dbd8e174203, 0xbffd}, FSW_PE},
    {x87_soft_fcos, M0, P0, P1, 0},
    {x87_soft_fcos, MINF, P0, NAN_, FSW_IE},
    {x87_soft_fcos, {1, 0}, P0, P1, FSW_DE | FSW_PE},
    {x87_soft_fptan, P0, P0, P1, 0},
    {x87_soft_fptan, PINF, P0, NAN_, FSW_IE},
    {x87_soft_fsincos, MINF, P0, NAN_, FSW_IE},
    {x87_soft_f2xm1, M0, P0, M0, 0},
    {x87_soft_f2xm1, P1, P0, P1, 0},
    {x87_soft_f2xm1, M1, P0, MHALF, 0},
    /* FPATAN: st1 / st0 */
    {x87_soft_fpatan, MINF, MINF, PI34(0x8000), FSW_PE},
    {x87_soft_fpatan, P1, MINF, PI(0xbfff), FSW_PE},
    {x87_soft_fpatan, PINF, MINF, PI(0xbffe), FSW_PE},
    {x87_soft_fpatan, MINF, M1, PI(0xc000), FSW_PE},
    {x87_soft_fpatan, PINF, M1, M0, 0},
    {x87_soft_fpatan, M0, M1, PI(0xbfff), FSW_PE},
    {x87_soft_fpatan, M0, M0, PI(0xc000), FSW_PE},
    {x87_soft_fpatan, P0, M0, M0, 0},
    {x87_soft_fpatan, M1, P0, PI(0x4000), FSW_PE},
    {x87_soft_fpatan, PINF, P0, P0, 0},
    {x87_soft_fpatan, MINF, P1, PI(0x4000), FSW_PE},
    {x87_soft_fpatan, P0, P1, PI(0x3fff), FSW_PE},
    {x87_soft_fpatan, P1, P1, PI(0x3ffe), FSW_PE},
    {x87_soft_fpatan, MINF, PINF, PI34(0), FSW_PE},
    /* FYL2X: st1 * log2(st0) */
    {x87_soft_fyl2x, MINF, P1, NAN_, FSW_IE},
    {x87_soft_fyl2x, M2, P1, NAN_, FSW_IE},
    {x87_soft_fyl2x, P0, MINF, PINF, 0},
    {x87_soft_fyl2x, M0, M1, PINF, FSW_ZE},
    {x87_soft_fyl2x, M0, M0, NAN_, FSW_IE},
    {x87_soft_fyl2x, P0, P1, MINF, FSW_ZE},
    {x87_soft_fyl2x, P0, PINF, MINF, 0},
    {x87_soft_fyl2x, HALF, MINF, PINF, 0},
    {x87_soft_fyl2x, HALF, M0, P0, 0},
    {x87_soft_fyl2x, HALF, P0, M0, 0},
    {x87_soft_fyl2x, HALF, PINF, MINF, 0},
    {x87_soft_fyl2x, P1, MINF, NAN_, FSW_IE},
    {x87_soft_fyl2x, P1, M2, M0, 0},
    {x87_soft_fyl2x, P1, P2, P0, 0},
    {x87_soft_fyl2x, P2, M1, M1, 0},
    {x87_soft_fyl2x, P2, MINF, MINF, 0},
    {x87_soft_fyl2x, P2, M0, M0, 0},
    {x87_soft_fyl2x, PINF, M1, MINF, 0},
    {x87_soft_fyl2x, PINF, P0, NAN_, FSW_IE},
    {x87_soft_fyl2x, PINF, P1, PINF, 0},
    {x87_soft_fyl2xp1, P0, M1, M0, 0},
    {x87_soft_fyl2xp1, M0, M1, P0, 0},
    {x87_soft_fyl2xp1, M0, P1, M0, 0},
    {x87_soft_fyl2xp1, P0, PINF, NAN_, FSW_IE},
    {x87_soft_fyl2xp1, {INTEGER_BIT, 0xbffc}, PINF, MINF, 0},
    {x87_soft_fyl2xp1, {INTEGER_BIT, 0x3ffc}, MINF, MINF, 0},
};
static void special_operands(void **state)
{
    (void)state;
    for (unsigned n = 0; n < ARRAY_SIZE(specials); n++) {
        const struct special *s = &specials[n];
        struct x87_frame f = {.cw = MASKED, .st = {s->st0, s->st1}};
        s->fn(&f);
        if (!same_reg(&f.st[0], &s->result) || (f.sw & (FSW_EXC | FSW_C2)) != s->flags)
            fail_msg("special operand %u: %x:%llx sw %x", n, f.st[0].sexp, (long long)f.st[0].mant,
                     f.sw);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(comparisons),
        cmocka_unit_test(loads_and_stores),
#if CONFIG_MPFR
        cmocka_unit_test(transcendental),
        cmocka_unit_test(special_operands),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
