/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_FP_HALF_H
#define CALQUE_CPU_X86_FP_HALF_H

#include <stdint.h>

/* Conversions of 16-bit floating point in integer arithmetic (SDM vol. 1 14.4). They return the
 * exceptions met, in the bits of MXCSR. */

/* Exact; denormals are neither signalled nor taken as zeros. Only IE, for a signalling NaN. */
uint32_t half_to_single(uint16_t v, uint32_t *r);
/* Rounds as MXCSR says, which the caller may have changed for the immediate. Flush-to-zero does not
 * count. */
uint32_t single_to_half(uint32_t mxcsr, uint32_t v, uint16_t *r);

#endif
