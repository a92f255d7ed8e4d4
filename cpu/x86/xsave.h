/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_XSAVE_H
#define CALQUE_CPU_X86_XSAVE_H

#include "cpu/x86/cpu.h"

/* State components and where they are (SDM vol. 1 13.1, 13.4). */
#define XCR0_X87 1u
#define XCR0_SSE 2u
#define XCR0_AVX 4u

#define XSAVE_HEADER   512u
#define XSAVE_AVX      576u /* standard form; in the compacted form too: nothing is before it */
#define XSAVE_AVX_SIZE 256u

/* The bits of XCR0 that the model has. */
static inline uint32_t xcr0_supported(const struct cpu_model *m)
{
    return XCR0_X87 | XCR0_SSE | (model_has(m, F_avx) ? XCR0_AVX : 0);
}
/* Bytes of an area for the components of a set. */
static inline uint32_t xsave_size(uint64_t components)
{
    return components & XCR0_AVX ? XSAVE_AVX + XSAVE_AVX_SIZE : XSAVE_AVX;
}

#endif
