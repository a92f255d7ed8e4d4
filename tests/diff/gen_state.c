/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random values, addresses, memory and registers to start from. */
#include <string.h>

#include "tests/diff/gen_parts.h"

uint64_t interesting(struct rng *r)
{
    static const uint64_t values[] = {
        0,
        1,
        2,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0x8000,
        0xffff,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        INT64_MAX,
        (uint64_t)INT64_MIN,
        UINT64_MAX,
        0x100,
        0x10000,
        1ull << 32,
        0x1f,
        0x20,
        0x3f,
        0x40,
        0x0f,
        0x99,
        0x5555555555555555ull,
    };
    uint64_t v = values[below(r, sizeof(values) / sizeof(values[0]))];
    switch (below(r, 4)) {
    case 0:
        return -v;
    case 1:
        return v + below(r, 5) - 2;
    default:
        return v;
    }
}

uint64_t any_value(struct rng *r)
{
    switch (below(r, 8)) {
    case 0:
    case 1:
        return interesting(r);
    case 2:
        return (uint32_t)rng_next(r);
    case 3:
        return (uint64_t)(int64_t)(int8_t)rng_next(r);
    case 4:
        return rng_next(r) >> below(r, 64);
    default:
        return rng_next(r);
    }
}

uint64_t data_address(struct rng *r)
{
    const uint64_t end = DIFF_DATA + DIFF_RW, ro_end = end + DIFF_RO;
    unsigned k = below(r, 64);
    if (k < 26)
        return DIFF_DATA + 512 + (below(r, DIFF_RW - 1024) & ~15u);
    if (k < 46)
        return DIFF_DATA + 512 + below(r, DIFF_RW - 1024);
    if (k < 52)
        return DIFF_DATA + 4096 - 16 + below(r, 24); /* between two good pages */
    if (k < 55)
        return end - 16 + below(r, 24); /* the second page is read-only */
    if (k < 58)
        return end + below(r, DIFF_RO);
    if (k < 60)
        return ro_end - 16 + below(r, 24); /* the second page is missing */
    if (k < 62)
        return DIFF_DATA - 16 + below(r, 24); /* the first page is missing */
    return DIFF_DATA - 64 - below(r, 2000);
}

/* A floating-point number of 4, 8 or 10 bytes, often a special one. */
static void put_float(struct rng *r, uint8_t *p, unsigned size)
{
    uint64_t m = one_in(r, 3) ? rng_next(r) & rng_next(r) << 40 : rng_next(r);
    bool sign = one_in(r, 2);
    unsigned kind = below(r, 16), ebits = size == 4 ? 8 : size == 8 ? 11 : 15;
    unsigned emax = (1u << ebits) - 1, exp;
    switch (kind) {
    case 0: /* zero */
        m = exp = 0;
        break;
    case 1: /* denormal */
        exp = 0;
        break;
    case 2: /* infinity */
        exp = emax, m = 0;
        break;
    case 3: /* NaN */
        exp = emax;
        break;
    case 4: /* an integer */
        exp = emax / 2 + below(r, 20), m &= ~0ull << 44;
        break;
    case 5:
        exp = below(r, emax);
        break;
    default:
        exp = emax / 2 - 35 + below(r, 70);
        break;
    }
    if (size == 4) {
        st_le32(p, (uint32_t)sign << 31 | exp << 23 | (uint32_t)(m >> 41));
    } else if (size == 8) {
        st_le64(p, (uint64_t)sign << 63 | (uint64_t)exp << 52 | m >> 12);
    } else {
        /* The integer bit is explicit; now and then an unsupported encoding. */
        uint64_t j = exp ? 1ull << 63 : 0;
        st_le64(p, one_in(r, 24) ? rng_next(r) : j | (kind == 0 ? 0 : m >> 1));
        st_le16(p + 8, (uint16_t)(sign << 15 | exp));
    }
}

static void fill_pool(struct rng *r, uint8_t *p, unsigned len, unsigned flavour)
{
    for (unsigned k = 0; k < len; k += 8) {
        switch (flavour % 8) {
        case 0:
        case 1:
            st_le64(p + k, any_value(r));
            break;
        case 2:
            put_float(r, p + k, 4);
            put_float(r, p + k + 4, 4);
            break;
        case 3:
            put_float(r, p + k, 8);
            break;
        case 4: /* 80-bit numbers, 16 bytes apart */
            if (k & 8) {
                st_le64(p + k, 0);
                put_float(r, p + k - 8, 10);
            }
            break;
        case 5:
            st_le64(p + k, rng_next(r) & 0x0101010101010101ull);
            break;
        case 6: /* packed decimal now and then */
            for (unsigned j = 0; j < 8; j++)
                p[k + j] = (uint8_t)(below(r, 10) << 4 | below(r, 10));
            break;
        default:
            st_le64(p + k, rng_next(r));
            break;
        }
    }
}

void gen_pools(const struct gen *g, struct diff_shared *s)
{
    struct rng r = {g->seed ^ 0x706f6f6c73ull};
    for (unsigned k = 0; k < DIFF_POOLS; k++)
        fill_pool(&r, s->pools[k], DIFF_RW, k);
    for (unsigned k = 0; k < DIFF_RO; k += 512)
        fill_pool(&r, s->readonly + k, 512, k / 512);
}

/* FXSAVE image: control words, x87 and XMM registers (SDM vol. 1 10.5.1). */
static void random_fx(struct rng *r, uint8_t *fx)
{
    uint16_t fcw = 0x037f, fsw = (uint16_t)(below(r, 8) << 11);
    uint32_t mxcsr = 0x1f80;
    uint8_t ftw = one_in(r, 3) ? 0xff : one_in(r, 2) ? 0 : (uint8_t)rng_next(r);
    memset(fx, 0, 512);
    if (one_in(r, 2))
        fcw = (uint16_t)((rng_next(r) & 0x0f00) | 0x7f);
    if (one_in(r, 8))
        fcw &= (uint16_t)(0xffc0 | rng_next(r));
    if (one_in(r, 2))
        fsw |= rng_next(r) & 0x4700;
    if (one_in(r, 4))
        mxcsr = (uint32_t)(rng_next(r) & 0xffff) | 0x1f80;
    if (one_in(r, 16))
        mxcsr = (uint32_t)(rng_next(r) & 0xffff);
    st_le16(fx, fcw);
    st_le16(fx + 2, fsw);
    fx[4] = ftw;
    st_le32(fx + 24, mxcsr);
    for (unsigned k = 0; k < 8; k++) {
        put_float(r, fx + 32 + 16 * k, 10);
        if (one_in(r, 6)) { /* an MMX value */
            st_le64(fx + 32 + 16 * k, any_value(r));
            st_le16(fx + 40 + 16 * k, 0xffff);
        }
    }
    for (unsigned k = 0; k < 16; k++)
        fill_pool(r, fx + 160 + 16 * k, 16, below(r, 8));
}

/* The upper halves often are of the lower halves' kind: the same number again. */
static void random_ymm(struct rng *r, struct diff_state *s)
{
    unsigned kind = below(r, 8);
    for (unsigned k = 0; k < 16; k++) {
        if (kind == 7)
            memset(s->ymmh[k], 0, 16);
        else if (one_in(r, 6))
            memcpy(s->ymmh[k], s->fx + 160 + 16 * k, 16);
        else
            fill_pool(r, s->ymmh[k], 16, kind == 0 ? below(r, 8) : kind);
    }
}

uint64_t stack_address(struct rng *r)
{
    return one_in(r, 4) ? data_address(r) : DIFF_DATA + 1024 + (below(r, DIFF_RW - 2048) & ~7u);
}

void random_state(struct rng *r, struct diff_case *c)
{
    struct diff_state *s = &c->in;
    uint64_t ss = segment_base_of(c, SEG_SS);
    for (unsigned k = 0; k < 16; k++)
        s->gpr[k] = one_in(r, 6) ? data_address(r) : any_value(r);
    s->gpr[R_RSP] = stack_address(r) - ss;
    s->gpr[R_RBP] = one_in(r, 2) ? data_address(r) - ss : s->gpr[R_RBP];
    if (c->mode != DIFF_64 && !diff_is_big(s->sel[SEG_SS])) {
        if (one_in(r, 24))
            s->gpr[R_RSP] = below(r, 10); /* it wraps */
        s->gpr[R_RSP] = (uint16_t)s->gpr[R_RSP] | (one_in(r, 2) ? rng_next(r) << 16 : 0);
    }
    for (unsigned k = 0; k < 16 && c->mode != DIFF_64; k++)
        s->gpr[k] = (uint32_t)s->gpr[k];
    s->rflags = 0x202 | (rng_next(r) & 0x8d5) | (one_in(r, 4) ? 0x400 : 0);
    s->rflags |= (one_in(r, 24) ? 0x40000 : 0) | (one_in(r, 40) ? 0x100 : 0);
    random_fx(r, s->fx);
    random_ymm(r, s);
}
