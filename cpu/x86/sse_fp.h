/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_SSE_FP_H
#define CALQUE_CPU_X86_SSE_FP_H

#include "cpu/x86/sse_soft.h"

/* SSE floating-point operations by the instruction's name, under the guest's MXCSR: `csr`, a
 * uint32_t variable with every exception masked (the caller raises them), which comes back with the
 * sticky flags added. d and s are `union v128` variables in memory:
 *
 *   SSE_FP(addps, csr, d, s)             d = addps(d, s). Scalars keep the rest of d.
 *   SSE_FP_IMM(cmpps, 1, csr, d, s)      with a constant immediate
 *   SSE_FP_IMM3(cmpps, imm, csr, d, s)   with the low 3 bits of an immediate known at run time
 *   SSE_FP_TO_INT(cvtsd2si, wide, csr, v, s)  v, a uint64_t = the 64-bit, or the zero-extended
 *                                        32-bit result
 *   SSE_APPROX(cpu, rcpps, csr, d, s)    for RCPPS, RCPSS, RSQRTPS, RSQRTSS
 *
 * A 256-bit operation is the 128-bit one on each half, with the same csr. x86-64 hosts execute
 * the instruction; others call soft_NAME (sse_soft.h). */
#if defined(__x86_64__)
#define SSE_HOST 1
/* One asm statement: nothing can move between the changes of MXCSR. */
#define SSE_ASM(text, imm, csr, dst, src)                                                          \
    __asm__ volatile("ldmxcsr %[c]\n\tmovaps %[d], %%xmm0\n\t" text                                \
                     " %[s], %%xmm0\n\tstmxcsr %[c]\n\tldmxcsr %[h]\n\tmovaps %%xmm0, %[d]"        \
                     : [c] "+m"(csr), [d] "+m"(dst)                                                \
                     : [s] "m"(src), [h] "m"((const uint32_t){0x1f80}), [i] "i"(imm)               \
                     : "xmm0")
#define SSE_FP(name, csr, d, s)          SSE_ASM(#name, 0, csr, d, s)
#define SSE_FP_IMM(name, imm, csr, d, s) SSE_ASM(#name " %[i],", imm, csr, d, s)
#define SSE_IMM_CASE(n, name, csr, d, s)                                                           \
    case n:                                                                                        \
        SSE_FP_IMM(name, n, csr, d, s);                                                            \
        break;
#define SSE_FP_IMM3(name, imm, csr, d, s)                                                          \
    do {                                                                                           \
        switch ((imm)&7) {                                                                         \
            SSE_IMM_CASE(0, name, csr, d, s)                                                       \
            SSE_IMM_CASE(1, name, csr, d, s)                                                       \
            SSE_IMM_CASE(2, name, csr, d, s)                                                       \
            SSE_IMM_CASE(3, name, csr, d, s)                                                       \
            SSE_IMM_CASE(4, name, csr, d, s)                                                       \
            SSE_IMM_CASE(5, name, csr, d, s)                                                       \
            SSE_IMM_CASE(6, name, csr, d, s)                                                       \
            SSE_IMM_CASE(7, name, csr, d, s)                                                       \
        }                                                                                          \
    } while (0)
#define SSE_INT_ASM(text, csr, out, src)                                                           \
    __asm__ volatile("ldmxcsr %[c]\n\t" text "\n\tstmxcsr %[c]\n\tldmxcsr %[h]"                    \
                     : [c] "+m"(csr), [v] "=&r"(out)                                               \
                     : [s] "m"(src), [h] "m"((const uint32_t){0x1f80}))
#define SSE_FP_TO_INT(name, wide, csr, v, s)                                                       \
    do {                                                                                           \
        if (wide)                                                                                  \
            SSE_INT_ASM(#name " %[s], %[v]", csr, v, s);                                           \
        else                                                                                       \
            SSE_INT_ASM(#name " %[s], %k[v]", csr, v, s);                                          \
    } while (0)
#else
#define SSE_HOST                             0
#define SSE_FP(name, csr, d, s)              soft_##name(&(csr), &(d), &(s))
#define SSE_FP_IMM(name, imm, csr, d, s)     soft_##name(&(csr), &(d), &(s), imm)
#define SSE_FP_IMM3(name, imm, csr, d, s)    soft_##name(&(csr), &(d), &(s), (imm)&7)
#define SSE_FP_TO_INT(name, wide, csr, v, s) ((v) = soft_##name(&(csr), &(s), wide))
#endif

/* RCPPS and the like as -cpu fpapprox= says. */
#define SSE_APPROX(cpu, name, csr, d, s)                                                           \
    do {                                                                                           \
        if ((cpu)->model.soft_approx)                                                              \
            soft_##name(&(csr), &(d), &(s));                                                       \
        else                                                                                       \
            SSE_FP(name, csr, d, s);                                                               \
    } while (0)

#endif
