/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_AVX_H
#define CALQUE_CPU_X86_AVX_H

#include "cpu/x86/x87.h"
#include "cpu/x86/xsave.h"

/* What the VEX-encoded vector operations share: checks, 256-bit operands. */

union v256 {
    union v128 h[2]; /* low, high half */
    uint32_t d[8];
    uint64_t q[4];
};

/* VEX is not recognised in real and virtual-8086 mode (SDM vol. 2A 2.8). CR0.EM does not count. */
static inline int avx_check(struct cpu *cpu)
{
    const uint64_t need = XCR0_SSE | XCR0_AVX;
    if (unlikely(cpu->real_or_v86 || !(cpu->cr4 & CR4_OSXSAVE) || (cpu->xcr0 & need) != need))
        return raise_ud(cpu);
    return unlikely(cpu->cr0 & CR0_TS) ? raise_exception(cpu, EXC_NM) : 0;
}
/* For what serves both encodings. */
static inline int vector_check(struct cpu *cpu, const struct insn *i)
{
    return i->flags & INSN_VEX ? avx_check(cpu) : sse_check(cpu);
}
/* The VEX form of an instruction without a vector destination is the legacy form, which calls
 * vector_check(). */
#define VEX_FORM(name)                                                                             \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        return op_##name##_x(cpu, i);                                                              \
    }

/* Bytes of the instruction's vectors; and how many halves that is. */
static inline unsigned avx_size(const struct insn *i)
{
    return i->flags & INSN_L256 ? 32 : 16;
}
static inline unsigned avx_halves(const struct insn *i)
{
    return i->flags & INSN_L256 ? 2 : 1;
}
static inline union v256 avx_get(const struct cpu *cpu, unsigned n)
{
    union v256 v;
    memcpy(&v, &cpu->xmm[n & 15], 32);
    return v;
}
/* The memory operand: `size` bytes, wherever they are; zeros behind them. */
int avx_load(struct cpu *cpu, const struct insn *i, unsigned size, union v256 *s);
/* The rm register, or the first `size` bytes of it from memory. */
static inline int avx_source(struct cpu *cpu, const struct insn *i, unsigned size, union v256 *s)
{
    if (i->flags & INSN_MEM)
        return avx_load(cpu, i, size, s);
    *s = avx_get(cpu, i->rm);
    return 0;
}
/* Writes as many bytes as VEX.L says and clears what is above them. */
static inline void avx_set(struct cpu *cpu, const struct insn *i, unsigned n, const union v256 *v)
{
    memcpy(&cpu->xmm[n & 15], v, 16);
    if (i->flags & INSN_L256)
        memcpy(cpu->xmm[n & 15].b + 16, &v->h[1], 16);
    else
        memset(cpu->xmm[n & 15].b + 16, 0, 16);
}
/* 128-bit results, scalars included. */
static inline void avx_set128(struct cpu *cpu, unsigned n, const union v128 *v)
{
    memcpy(&cpu->xmm[n & 15], v, 16);
    memset(cpu->xmm[n & 15].b + 16, 0, 16);
}

#endif
