/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_VEC_H
#define CALQUE_CPU_X86_VEC_H

#include <stdint.h>

/* 128 bits and what packed instructions do to them, without a processor around: the headers vec_*.h
 * have one function an instruction, `vec_NAME(destination, source...)`, which the legacy forms and
 * the VEX forms (once for each 128-bit lane) share. A destination is also the first source, as in
 * the legacy encodings; it may be the same object as the source. */
union v128 {
    uint8_t b[16];
    uint16_t w[8];
    uint32_t d[4];
    uint64_t q[2];
    int8_t sb[16];
    int16_t sw[8];
    int32_t sd[4];
    int64_t sq[2];
} __attribute__((aligned(16)));

static inline int32_t vec_clamp(int32_t v, int32_t lo, int32_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

#endif
