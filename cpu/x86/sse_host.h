/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_SSE_HOST_H
#define CALQUE_CPU_X86_SSE_HOST_H

/* SSE arithmetic by the host's own instructions under the guest's MXCSR (exceptions masked by the
 * caller). csr comes back with the sticky flags. One asm statement: nothing can move in between. */
#if defined(__x86_64__) || (defined(__i386__) && defined(__SSE2__))
#define SSE_HOST 1
/* dst = insn(dst, src); both union v128. */
#define SSE_HOST_OP(insn, csr, dst, src)                                                           \
    __asm__ volatile("ldmxcsr %[c]\n\tmovaps %[d], %%xmm0\n\t" insn                                \
                     " %[s], %%xmm0\n\tstmxcsr %[c]\n\tldmxcsr %[h]\n\tmovaps %%xmm0, %[d]"        \
                     : [c] "+m"(csr), [d] "+m"(dst)                                                \
                     : [s] "m"(src), [h] "m"((const uint32_t){0x1f80})                             \
                     : "xmm0")
#else
#define SSE_HOST                         0 /* the operations raise #UD */
#define SSE_HOST_OP(insn, csr, dst, src) ((void)(csr), (void)(dst), (void)(src))
#endif

#endif
