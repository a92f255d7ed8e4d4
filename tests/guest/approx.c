/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The instructions whose last bits differ between makers give one result on every host with
 * -cpu max,fpapprox=soft: results of many operands, as digests. */
#include "lib/rt.h"

struct real {
    uint64_t mant;
    uint16_t sexp;
} __attribute__((packed));

static uint64_t seed;
static uint64_t random_bits(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1d;
}
/* A normal number with an exponent of `below` down to `below` - 63. */
static struct real random_real(unsigned below, bool sign)
{
    uint64_t r = random_bits();
    uint16_t exponent = (uint16_t)(below - (r & 63));
    return (struct real){random_bits() | 1ull << 63,
                         (uint16_t)(exponent | (sign ? r >> 63 << 15 : 0))};
}

static uint64_t digest;
static void fold(uint64_t v)
{
    digest = (digest ^ v) * 0x100000001b3;
    digest ^= digest >> 29;
}
static void fold_x87(const struct real *r, uint16_t status)
{
    fold(r->mant);
    fold(r->sexp);
    fold(status & 0x63f); /* exceptions, C2, C1 */
}

/* insn with a in ST0 and b in ST1, `results` left. */
#define X87(name, insn, results, below, sign, expected)                                            \
    do {                                                                                           \
        seed = 1;                                                                                  \
        digest = 0;                                                                                \
        for (int n = 0; n < 400; n++) {                                                            \
            struct real a = random_real(below, sign), b = random_real(0x3fff + 20, true), r[2];    \
            uint16_t status;                                                                       \
            __asm__ volatile("fninit\n\tfldt %3\n\tfldt %2\n\t" insn "\n\tfnstsw %1\n\tfstpt %0"   \
                             : "=m"(r[0]), "=m"(status)                                            \
                             : "m"(a), "m"(b)                                                      \
                             : "memory");                                                          \
            fold_x87(&r[0], status);                                                               \
            if (results == 2) {                                                                    \
                __asm__ volatile("fstpt %0" : "=m"(r[1]));                                         \
                fold_x87(&r[1], 0);                                                                \
            }                                                                                      \
        }                                                                                          \
        check(name, digest, expected);                                                             \
    } while (0)

#define SSE(name, insn, expected)                                                                  \
    do {                                                                                           \
        seed = 2;                                                                                  \
        digest = 0;                                                                                \
        for (int n = 0; n < 400; n++) {                                                            \
            uint64_t v[2] __attribute__((aligned(16)));                                            \
            v[0] = random_bits();                                                                  \
            v[1] = random_bits();                                                                  \
            __asm__ volatile("xorps %%xmm1, %%xmm1\n\tmovaps %0, %%xmm0\n\t" insn                  \
                             " %%xmm0, %%xmm1\n\tmovaps %%xmm1, %0"                                \
                             : "+m"(v)::"memory");                                                 \
            fold(v[0]);                                                                            \
            fold(v[1]);                                                                            \
        }                                                                                          \
        check(name, digest, expected);                                                             \
    } while (0)

void guest_main(void)
{
    uint32_t third;

    __asm__ volatile("xorps %%xmm1, %%xmm1\n\tmovss %1, %%xmm0\n\trcpss %%xmm0, %%xmm1\n\t"
                     "movss %%xmm1, %0"
                     : "=m"(third)
                     : "m"((const uint32_t){0x40400000}));
    check("RCPSS of 3: a third in 12 bits", third, 0x3eaab000);

    X87("FSIN", "fsin", 1, 0x3fff + 62, true, 0xe31df806bdca804a);
    X87("FCOS", "fcos", 1, 0x3fff + 62, true, 0xabaa2cddcd589505);
    X87("FSINCOS", "fsincos", 2, 0x3fff + 62, true, 0xfdd763dc9d3cf49c);
    X87("FPTAN", "fptan", 2, 0x3fff + 62, true, 0x890833ec345a1aae);
    X87("FPATAN", "fpatan", 1, 0x3fff + 20, true, 0xcb1a2fa366d8f8b6);
    X87("F2XM1", "f2xm1", 1, 0x3fff - 1, true, 0xe7aac4e5212cf3f3);
    X87("FYL2X", "fyl2x", 1, 0x3fff + 30, false, 0x722236276cf3599e);
    X87("FYL2XP1", "fyl2xp1", 1, 0x3fff - 3, true, 0xeee8bed1c30c3df9);
    SSE("RCPPS", "rcpps", 0xc481039ad1b07852);
    SSE("RCPSS", "rcpss", 0xaf11cb710b6d5417);
    SSE("RSQRTPS", "rsqrtps", 0x87a1bd973c974caa);
    SSE("RSQRTSS", "rsqrtss", 0xec1e948b36323b34);
}
