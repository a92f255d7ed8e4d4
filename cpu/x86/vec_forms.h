/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_VEC_FORMS_H
#define CALQUE_CPU_X86_VEC_FORMS_H

#include "cpu/x86/avx.h"
#include "cpu/x86/x87.h"

/* Semantic functions of legacy vector instructions whose destination is their first source: checks
 * and operands around `call`, which makes the destination d of d and the source s. */

/* A source of `size` bytes; 16 bytes of memory are aligned. */
#define XMM(name, size, call)                                                                      \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s, d;                                                                           \
        if (unlikely(sse_check(cpu) || vec_source(cpu, i, size, &s)))                              \
            return OP_FAULT;                                                                       \
        d = vec_get(cpu, i->reg);                                                                  \
        call;                                                                                      \
        vec_set(cpu, i->reg, &d);                                                                  \
        return OP_OK;                                                                              \
    }

/* The MMX form: the same on the low half. */
#define MMX(name, call) MMX_AS(name##_mmx, call)
#define MMX_AS(name, call)                                                                         \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s, d = {0};                                                                     \
        if (unlikely(mmx_check(cpu) || mmx_source(cpu, i, &s)))                                    \
            return OP_FAULT;                                                                       \
        d.q[0] = cpu->fpr[i->reg & 7].mant;                                                        \
        call;                                                                                      \
        mmx_set(cpu, i->reg, d.q[0]);                                                              \
        return OP_OK;                                                                              \
    }

#endif
