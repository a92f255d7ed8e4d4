/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floating point in integer arithmetic: against the processor's own instructions where the host is
 * an x86, bit by bit with every flag; and everywhere against a digest of those answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cpu/x86/softfp.h"
#include "cpu/x86/sse_fp.h"
#include "cpu/x86/sse_soft.h"
#include "tests/unit/fp_random.h"

#define MASKED 0x1f80u

#if SSE_HOST
#define HOST_SSE3 __builtin_cpu_supports("sse3")
#else
#define HOST_SSE3 false
#endif

/* ---- operands: any, special, or near each other and near the ends of ranges ---- */

static uint64_t random_float(unsigned frac_bits, unsigned exp_all)
{
    uint64_t frac = fp_rnd() & ((1ull << frac_bits) - 1), exp = fp_rnd() % (exp_all + 1),
             r = fp_rnd();

    switch (r & 7) {
    case 0:
        exp = 0;
        break;
    case 1:
        exp = exp_all;
        break;
    case 2:
        exp = exp_all / 2 + (r >> 8) % 70 - 2;
        break;
    case 3:
        exp = 1 + (r >> 8 & 3);
        break;
    case 4:
        exp = exp_all - 1 - (r >> 8 & 3);
        break;
    default:
        break;
    }
    switch (r >> 16 & 7) {
    case 0:
        frac = 0;
        break;
    case 1:
        frac = (1ull << frac_bits) - 1;
        break;
    case 2:
        frac = 1;
        break;
    case 3: /* few bits: exact results and ties */
        frac &= frac << 7 & frac << 13 & ~0ull << (r >> 24) % frac_bits;
        break;
    default:
        break;
    }
    exp = exp > exp_all ? exp_all : exp;
    return (r >> 63) << (frac_bits + (exp_all > 0xff ? 11 : 8)) | exp << frac_bits | frac;
}
static union v128 random_vector(bool wide)
{
    union v128 v;

    for (unsigned k = 0; k < 4 && !wide; k++)
        v.d[k] = (uint32_t)random_float(23, 0xff);
    for (unsigned k = 0; k < 2 && wide; k++)
        v.q[k] = random_float(52, 0x7ff);
    return v;
}
static union v128 random_ints(void)
{
    union v128 v;

    for (unsigned k = 0; k < 2; k++) {
        v.q[k] = fp_rnd();
        v.q[k] = (uint64_t)((int64_t)v.q[k] >> fp_rnd() % 64);
    }
    return v;
}
/* Rounding, DAZ and FTZ from n. */
static uint32_t csr_number(unsigned n)
{
    return MASKED | (n & 3) << 13 | (n & 4 ? 0x8000u : 0) | (n & 8 ? 0x40u : 0);
}

struct answer {
    union v128 d;
    uint32_t csr;
};
static bool host_has; /* the instructions at hand */
static void begin(uint64_t first, bool has)
{
    host_has = has;
    fp_begin(first);
}
static void check(const char *name, unsigned imm, uint32_t csr, const union v128 *d,
                  const union v128 *s, const struct answer *host, const struct answer *soft)
{
    fp_fold(soft->d.q[0]);
    fp_fold(soft->d.q[1]);
    fp_fold(soft->csr);
    if (!host_has || (host->csr == soft->csr && !memcmp(&host->d, &soft->d, 16)))
        return;
    fail_msg("%s imm %u csr %x d %016llx%016llx s %016llx%016llx: host %016llx%016llx csr %x, "
             "soft %016llx%016llx csr %x",
             name, imm, csr, (long long)d->q[1], (long long)d->q[0], (long long)s->q[1],
             (long long)s->q[0], (long long)host->d.q[1], (long long)host->d.q[0], host->csr,
             (long long)soft->d.q[1], (long long)soft->d.q[0], soft->csr);
}

/* ---- soft_NAME against NAME; the operands are random `kind` ---- */

enum kind { PS, PD, INT };
static union v128 operand(enum kind kind)
{
    return kind == INT ? random_ints() : random_vector(kind == PD);
}
#define ROUNDS 24000u
#define COMPARE_OP(name, kind)                                                                     \
    for (unsigned n = 0; n < ROUNDS; n++) {                                                        \
        union v128 d = operand(kind), s = n & 16 ? operand(kind) : d;                              \
        s.q[0] ^= n & 32 ? fp_rnd() >> 63 : fp_rnd() & 1ull << 63;                                 \
        struct answer host = {d, csr_number(n)}, soft = host;                                      \
        if (host_has)                                                                              \
            SSE_FP(name, host.csr, host.d, s);                                                     \
        soft_##name(&soft.csr, &soft.d, &s);                                                       \
        check(#name, 0, csr_number(n), &d, &s, &host, &soft);                                      \
    }
#define COMPARE4(name)                                                                             \
    COMPARE_OP(name##ps, PS)                                                                       \
    COMPARE_OP(name##pd, PD)                                                                       \
    COMPARE_OP(name##ss, PS)                                                                       \
    COMPARE_OP(name##sd, PD)

static void sse_arithmetic(void **state)
{
    (void)state;
    begin(1, SSE_HOST);
    COMPARE4(add)
    COMPARE4(sub)
    COMPARE4(mul)
    COMPARE4(div)
    COMPARE4(sqrt)
    COMPARE4(min)
    COMPARE4(max)
    assert_int_equal(fp_digest, 0x43ce91c88d44d7a8);
}
static void sse_conversions(void **state)
{
    (void)state;
    begin(2, SSE_HOST);
    COMPARE_OP(cvtps2pd, PS)
    COMPARE_OP(cvtss2sd, PS)
    COMPARE_OP(cvtpd2ps, PD)
    COMPARE_OP(cvtsd2ss, PD)
    COMPARE_OP(cvtdq2ps, INT)
    COMPARE_OP(cvtdq2pd, INT)
    COMPARE_OP(cvtps2dq, PS)
    COMPARE_OP(cvttps2dq, PS)
    COMPARE_OP(cvtpd2dq, PD)
    COMPARE_OP(cvttpd2dq, PD)
    COMPARE_OP(cvtsi2ssl, INT)
    COMPARE_OP(cvtsi2ssq, INT)
    COMPARE_OP(cvtsi2sdl, INT)
    COMPARE_OP(cvtsi2sdq, INT)
    assert_int_equal(fp_digest, 0xff37e8c4e290eccd);
}
#define COMPARE_INT(name, kind)                                                                    \
    for (unsigned n = 0; n < ROUNDS; n++) {                                                        \
        union v128 s = operand(kind);                                                              \
        struct answer host = {{.q = {0}}, csr_number(n)}, soft = host;                             \
        bool wide = n & 16;                                                                        \
        if (host_has)                                                                              \
            SSE_FP_TO_INT(name, wide, host.csr, host.d.q[0], s);                                   \
        soft.d.q[0] = soft_##name(&soft.csr, &s, wide);                                            \
        check(#name, wide, csr_number(n), &s, &s, &host, &soft);                                   \
    }
static void sse_to_integers(void **state)
{
    (void)state;
    begin(3, SSE_HOST);
    COMPARE_INT(cvtss2si, PS)
    COMPARE_INT(cvttss2si, PS)
    COMPARE_INT(cvtsd2si, PD)
    COMPARE_INT(cvttsd2si, PD)
    assert_int_equal(fp_digest, 0x9b1f00d43c96e27);
}
#define COMPARE_IMM(name, kind)                                                                    \
    for (unsigned n = 0; n < ROUNDS; n++) {                                                        \
        union v128 d = operand(kind), s = n & 16 ? operand(kind) : d;                              \
        struct answer host = {d, csr_number(n)}, soft = host;                                      \
        unsigned imm = n / 32 & 7;                                                                 \
        if (host_has)                                                                              \
            SSE_FP_IMM3(name, imm, host.csr, host.d, s);                                           \
        soft_##name(&soft.csr, &soft.d, &s, imm);                                                  \
        check(#name, imm, csr_number(n), &d, &s, &host, &soft);                                    \
    }
static void sse_compares(void **state)
{
    (void)state;
    begin(4, SSE_HOST);
    COMPARE_IMM(cmpps, PS)
    COMPARE_IMM(cmppd, PD)
    COMPARE_IMM(cmpss, PS)
    COMPARE_IMM(cmpsd, PD)
    COMPARE_OP(comiss, PS)
    COMPARE_OP(comisd, PD)
    COMPARE_OP(ucomiss, PS)
    COMPARE_OP(ucomisd, PD)
    assert_int_equal(fp_digest, 0xa807c6e950bc2e5d);
}
static void sse3_operations(void **state)
{
    (void)state;
    begin(5, HOST_SSE3);
    COMPARE_OP(haddps, PS)
    COMPARE_OP(haddpd, PD)
    COMPARE_OP(hsubps, PS)
    COMPARE_OP(hsubpd, PD)
    COMPARE_OP(addsubps, PS)
    COMPARE_OP(addsubpd, PD)
    assert_int_equal(fp_digest, 0xf28d24c3d6407b59);
}
/* The exact value to 12 bits, and so within 2^-12; the edges by name. */
static void approximations(void **state)
{
    static const uint32_t cases[][3] = {
        /* x, 1/x, 1/sqrt(x) */
        {0x3f800000, 0x3f800000, 0x3f800000}, {0x40800000, 0x3e800000, 0x3f000000},
        {0x40400000, 0x3eaab000, 0x3f13d000}, {0, 0x7f800000, 0x7f800000},
        {0x80000000, 0xff800000, 0xff800000}, {1, 0x7f800000, 0x7f800000},
        {0x807fffff, 0xff800000, 0xff800000}, {0x7f800000, 0, 0},
        {0xff800000, 0x80000000, 0xffc00000}, {0xbf800000, 0xbf800000, 0xffc00000},
        {0x7e800001, 0x00800000, 0x20000000}, {0x7e801000, 0, 0x1ffff000},
        {0x7f800001, 0x7fc00001, 0x7fc00001}, {0xffc12345, 0xffc12345, 0xffc12345},
    };
    uint32_t csr = MASKED;
    union v128 d, s = {0};

    (void)state;
    for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
        s.d[0] = cases[n][0];
        soft_rcpss(&csr, &d, &s);
        assert_int_equal(d.d[0], cases[n][1]);
        soft_rsqrtss(&csr, &d, &s);
        assert_int_equal(d.d[0], cases[n][2]);
    }
    for (uint32_t x = 0x00800000; x < 0x7f000000; x += 0x1234f) {
        float f, r;
        s.d[0] = s.d[1] = x;
        memcpy(&f, &x, 4);
        soft_rcpps(&csr, &d, &s);
        memcpy(&r, &d.d[1], 4);
        if (d.d[1]) /* not flushed */
            assert_true(fabs((double)r * f - 1) <= 0x1.0p-12);
        else
            assert_true(1 / (double)f < 0x1.0p-126);
        soft_rsqrtps(&csr, &d, &s);
        memcpy(&r, &d.d[1], 4);
        assert_true(fabs(r * sqrt((double)f) - 1) <= 0x1.0p-12);
    }
    assert_int_equal(csr, MASKED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sse_arithmetic),  cmocka_unit_test(sse_conversions),
        cmocka_unit_test(sse_to_integers), cmocka_unit_test(sse_compares),
        cmocka_unit_test(sse3_operations), cmocka_unit_test(approximations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
