/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_OPERAND_H
#define CALQUE_CPU_X86_OPERAND_H

#include "cpu/x86/ops.h"

/* Register operands by width, as the forms name them: RD32(i->reg), WR8(i->reg, v). A 32-bit write
 * clears the upper half (SDM vol. 1 3.4.1.1). Used by the operand templates of ops_*.c. */
#define RD8(n)     (*reg8(cpu, (n)))
#define RD16(n)    ((uint16_t)cpu->r[n])
#define RD32(n)    ((uint32_t)cpu->r[n])
#define RD64(n)    (cpu->r[n])
#define WR8(n, v)  (*reg8(cpu, (n)) = (uint8_t)(v))
#define WR16(n, v) st_le16(&cpu->r[n], (uint16_t)(v))
#define WR32(n, v) (cpu->r[n] = (uint32_t)(v))
#define WR64(n, v) (cpu->r[n] = (uint64_t)(v))

#define UINT(s) JOIN(JOIN(uint, s), _t)
#define SINT(s) JOIN(JOIN(int, s), _t)

/* X(name, size) for the sizes of a class. */
#define EACH_SIZE(X, n) X(n, 8) X(n, 16) X(n, 32) X(n, 64)
#define EACH_WIDE(X, n) X(n, 16) X(n, 32) X(n, 64)

/* Functions of a class ALU operation that changes its first operand.
 * Body: static inline T name##size(struct cpu *, T a, T b). */
#define ALU_FORMS(n, s)                                                                            \
    int op_##n##_rr##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        WR##s(i->reg, n##s(cpu, RD##s(i->reg), RD##s(i->rm)));                                     \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##_rm##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        UINT(s) b;                                                                                 \
        if (mem_load##s(cpu, i, &b))                                                               \
            return OP_FAULT;                                                                       \
        WR##s(i->reg, n##s(cpu, RD##s(i->reg), b));                                                \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##_mr##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        void *p = mem_rmw(cpu, i, s / 8);                                                          \
        if (unlikely(!p))                                                                          \
            return OP_FAULT;                                                                       \
        do                                                                                         \
            st_le##s(p, n##s(cpu, ld_le##s(p), RD##s(i->reg)));                                    \
        while (!mem_rmw_end(cpu, p));                                                              \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##_ri##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        WR##s(i->reg, n##s(cpu, RD##s(i->reg), (UINT(s))i->imm));                                  \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##_mi##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        void *p = mem_rmw(cpu, i, s / 8);                                                          \
        if (unlikely(!p))                                                                          \
            return OP_FAULT;                                                                       \
        do                                                                                         \
            st_le##s(p, n##s(cpu, ld_le##s(p), (UINT(s))i->imm));                                  \
        while (!mem_rmw_end(cpu, p));                                                              \
        return OP_OK;                                                                              \
    }

/* The same for operations that only compare: cmp, test. */
#define COMPARE_FORMS(n, s)                                                                        \
    int op_##n##_rr##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        n##s(cpu, RD##s(i->reg), RD##s(i->rm));                                                    \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##_rm##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        UINT(s) b;                                                                                 \
        if (mem_load##s(cpu, i, &b))                                                               \
            return OP_FAULT;                                                                       \
        n##s(cpu, RD##s(i->reg), b);                                                               \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##_mr##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        UINT(s) a;                                                                                 \
        if (mem_load##s(cpu, i, &a))                                                               \
            return OP_FAULT;                                                                       \
        n##s(cpu, a, RD##s(i->reg));                                                               \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##_ri##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        n##s(cpu, RD##s(i->reg), (UINT(s))i->imm);                                                 \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##_mi##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        UINT(s) a;                                                                                 \
        if (mem_load##s(cpu, i, &a))                                                               \
            return OP_FAULT;                                                                       \
        n##s(cpu, a, (UINT(s))i->imm);                                                             \
        return OP_OK;                                                                              \
    }

/* One operand, changed in place. Body: T name##size(struct cpu *, T a). */
#define UNARY_FORMS(n, s)                                                                          \
    int op_##n##_r##s(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        WR##s(i->reg, n##s(cpu, RD##s(i->reg)));                                                   \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##_m##s(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        void *p = mem_rmw(cpu, i, s / 8);                                                          \
        if (unlikely(!p))                                                                          \
            return OP_FAULT;                                                                       \
        do                                                                                         \
            st_le##s(p, n##s(cpu, ld_le##s(p)));                                                   \
        while (!mem_rmw_end(cpu, p));                                                              \
        return OP_OK;                                                                              \
    }

/* One operand, read only, that may fault by its value: mul, div.
 * Body: int name##size(struct cpu *, T a). */
#define UNARY_READ_FORMS(n, s)                                                                     \
    int op_##n##_r##s(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        return n##s(cpu, RD##s(i->reg));                                                           \
    }                                                                                              \
    int op_##n##_m##s(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        UINT(s) a;                                                                                 \
        if (mem_load##s(cpu, i, &a))                                                               \
            return OP_FAULT;                                                                       \
        return n##s(cpu, a);                                                                       \
    }

/* Register destination, register or memory source.
 * Body: T name##size(struct cpu *, const struct insn *, T old, T src). */
#define LOAD_FORMS_OF(n, s, src)                                                                   \
    int op_##n##_rr##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        WR##s(i->reg, n##s(cpu, i, RD##s(i->reg), RD##src(i->rm)));                                \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##_rm##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        UINT(src) b;                                                                               \
        if (mem_load##src(cpu, i, &b))                                                             \
            return OP_FAULT;                                                                       \
        WR##s(i->reg, n##s(cpu, i, RD##s(i->reg), b));                                             \
        return OP_OK;                                                                              \
    }
#define LOAD_FORMS(n, s) LOAD_FORMS_OF(n, s, s)

#endif
