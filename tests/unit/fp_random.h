/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_UNIT_FP_RANDOM_H
#define CALQUE_TESTS_UNIT_FP_RANDOM_H

#include <stdint.h>

/* Operands for the floating-point tests, the same on every run and host (xorshift64*); and a digest
 * of the answers. */
static uint64_t fp_seed, fp_digest;

static inline void fp_begin(uint64_t seed)
{
    fp_seed = seed;
    fp_digest = 0;
}
static inline uint64_t fp_rnd(void)
{
    fp_seed ^= fp_seed >> 12;
    fp_seed ^= fp_seed << 25;
    fp_seed ^= fp_seed >> 27;
    return fp_seed * 0x2545f4914f6cdd1d;
}
static inline void fp_fold(uint64_t v)
{
    fp_digest = (fp_digest ^ v) * 0x100000001b3;
    fp_digest ^= fp_digest >> 29;
}

#endif
