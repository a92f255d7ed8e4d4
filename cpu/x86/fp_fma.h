/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_FP_FMA_H
#define CALQUE_CPU_X86_FP_FMA_H

#include <stdint.h>

/* Fused multiply-add in integer arithmetic (SDM vol. 1 14.5). */

enum fma_signs { FMA_NEGATE_PRODUCT = 1, FMA_SUBTRACT = 2 };

/* *r = a * b + c with one rounding, with the product or c negated (but not NaNs). A NaN comes from
 * the first of a, b, c that is one. Returns the exceptions met, in the bits of MXCSR. */
uint32_t fma32(uint32_t mxcsr, unsigned signs, uint32_t a, uint32_t b, uint32_t c, uint32_t *r);
uint32_t fma64(uint32_t mxcsr, unsigned signs, uint64_t a, uint64_t b, uint64_t c, uint64_t *r);

#endif
