/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_BASE_BITS_H
#define CALQUE_BASE_BITS_H

#include <stdint.h>
#include <string.h>

#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

/* Unaligned little-endian access to host memory; one host access each. */
#define DEFINE_LDST(bits)                                                                          \
    static inline uint##bits##_t ld_le##bits(const void *p)                                        \
    {                                                                                              \
        uint##bits##_t v;                                                                          \
        memcpy(&v, p, sizeof(v));                                                                  \
        return v;                                                                                  \
    }                                                                                              \
    static inline void st_le##bits(void *p, uint##bits##_t v)                                      \
    {                                                                                              \
        memcpy(p, &v, sizeof(v));                                                                  \
    }
DEFINE_LDST(8)
DEFINE_LDST(16)
DEFINE_LDST(32)
DEFINE_LDST(64)
#undef DEFINE_LDST

/* Bits [hi:lo] of v. */
static inline uint64_t bits(uint64_t v, unsigned hi, unsigned lo)
{
    return (v >> lo) & (~0ull >> (63 - (hi - lo)));
}

#endif
