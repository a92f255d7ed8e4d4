/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two-operand arithmetic and logic, INC/DEC/NEG/NOT, MOV, XCHG, XADD, CMPXCHG. */
#include "cpu/x86/operand.h"

#define LOGIC(n, s, expr)                                                                          \
    static inline UINT(s) n##s(struct cpu *cpu, UINT(s) a, UINT(s) b)                              \
    {                                                                                              \
        UINT(s) r = (UINT(s))(expr);                                                               \
        flags_set_logic(cpu, (SINT(s))r);                                                          \
        return r;                                                                                  \
    }
#define LOGIC_AND(n, s) LOGIC(n, s, a &b)
#define LOGIC_OR(n, s)  LOGIC(n, s, a | b)
#define LOGIC_XOR(n, s) LOGIC(n, s, a ^ b)
EACH_SIZE(LOGIC_AND, and)
EACH_SIZE(LOGIC_AND, test)
EACH_SIZE(LOGIC_OR, or)
EACH_SIZE(LOGIC_XOR, xor)

#define ARITH(n, s, expr, carries)                                                                 \
    static inline UINT(s) n##s(struct cpu *cpu, UINT(s) a, UINT(s) b)                              \
    {                                                                                              \
        UINT(s) r = (UINT(s))(expr);                                                               \
        cpu->cc_aux = aux_from_carries(carries(a, b, r), s);                                       \
        cpu->cc_res = (SINT(s))r;                                                                  \
        return r;                                                                                  \
    }
#define ARITH_ADD(n, s) ARITH(n, s, a + b, carries_add)
#define ARITH_SUB(n, s) ARITH(n, s, a - b, carries_sub)
#define ARITH_ADC(n, s) ARITH(n, s, a + b + flag_cf(cpu), carries_add)
#define ARITH_SBB(n, s) ARITH(n, s, a - b - flag_cf(cpu), carries_sub)
EACH_SIZE(ARITH_ADD, add)
EACH_SIZE(ARITH_SUB, sub)
EACH_SIZE(ARITH_SUB, cmp)
EACH_SIZE(ARITH_ADC, adc)
EACH_SIZE(ARITH_SBB, sbb)

EACH_SIZE(ALU_FORMS, add)
EACH_SIZE(ALU_FORMS, sub)
EACH_SIZE(ALU_FORMS, adc)
EACH_SIZE(ALU_FORMS, sbb)
EACH_SIZE(ALU_FORMS, and)
EACH_SIZE(ALU_FORMS, or)
EACH_SIZE(ALU_FORMS, xor)
EACH_SIZE(COMPARE_FORMS, cmp)
EACH_SIZE(COMPARE_FORMS, test)

/* INC and DEC leave CF alone. */
#define STEP(n, s, base, one)                                                                      \
    static inline UINT(s) n##s(struct cpu *cpu, UINT(s) a)                                         \
    {                                                                                              \
        bool cf = flag_cf(cpu);                                                                    \
        UINT(s) r = base##s(cpu, a, one);                                                          \
        flag_set_cf(cpu, cf);                                                                      \
        return r;                                                                                  \
    }
#define STEP_INC(n, s) STEP(n, s, add, 1)
#define STEP_DEC(n, s) STEP(n, s, sub, 1)
EACH_SIZE(STEP_INC, inc)
EACH_SIZE(STEP_DEC, dec)

#define DEFINE_NEG(n, s)                                                                           \
    static inline UINT(s) n##s(struct cpu *cpu, UINT(s) a)                                         \
    {                                                                                              \
        return sub##s(cpu, 0, a);                                                                  \
    }
EACH_SIZE(DEFINE_NEG, neg)
#define DEFINE_NOT(n, s)                                                                           \
    static inline UINT(s) n##s(struct cpu *cpu, UINT(s) a)                                         \
    {                                                                                              \
        (void)cpu;                                                                                 \
        return (UINT(s)) ~a;                                                                       \
    }
EACH_SIZE(DEFINE_NOT, not )
EACH_SIZE(UNARY_FORMS, inc)
EACH_SIZE(UNARY_FORMS, dec)
EACH_SIZE(UNARY_FORMS, neg)
EACH_SIZE(UNARY_FORMS, not )

#define MOV_FORMS(n, s)                                                                            \
    int op_mov_rr##s(struct cpu *cpu, const struct insn *i)                                        \
    {                                                                                              \
        WR##s(i->reg, RD##s(i->rm));                                                               \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_mov_rm##s(struct cpu *cpu, const struct insn *i)                                        \
    {                                                                                              \
        UINT(s) b;                                                                                 \
        if (mem_load##s(cpu, i, &b))                                                               \
            return OP_FAULT;                                                                       \
        WR##s(i->reg, b);                                                                          \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_mov_mr##s(struct cpu *cpu, const struct insn *i)                                        \
    {                                                                                              \
        return mem_store##s(cpu, i, RD##s(i->reg));                                                \
    }                                                                                              \
    int op_mov_ri##s(struct cpu *cpu, const struct insn *i)                                        \
    {                                                                                              \
        WR##s(i->reg, i->imm);                                                                     \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_mov_mi##s(struct cpu *cpu, const struct insn *i)                                        \
    {                                                                                              \
        return mem_store##s(cpu, i, (UINT(s))i->imm);                                              \
    }
EACH_SIZE(MOV_FORMS, mov)

/* XCHG, XADD and CMPXCHG have register and memory destinations only. */
#define XCHG_FORMS(n, s)                                                                           \
    int op_xchg_rr##s(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        UINT(s) a = RD##s(i->reg), b = RD##s(i->rm);                                               \
        WR##s(i->rm, a);                                                                           \
        WR##s(i->reg, b);                                                                          \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_xchg_mr##s(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        void *p = mem_rmw_exchange(cpu, i, s / 8);                                                 \
        UINT(s) old;                                                                               \
        if (unlikely(!p))                                                                          \
            return OP_FAULT;                                                                       \
        do {                                                                                       \
            old = ld_le##s(p);                                                                     \
            st_le##s(p, RD##s(i->reg));                                                            \
        } while (!mem_rmw_end(cpu, p));                                                            \
        WR##s(i->reg, old);                                                                        \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_xadd_rr##s(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        UINT(s) a = RD##s(i->reg), sum = add##s(cpu, a, RD##s(i->rm));                             \
        WR##s(i->rm, a);                                                                           \
        WR##s(i->reg, sum);                                                                        \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_xadd_mr##s(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        void *p = mem_rmw(cpu, i, s / 8);                                                          \
        UINT(s) old;                                                                               \
        if (unlikely(!p))                                                                          \
            return OP_FAULT;                                                                       \
        do {                                                                                       \
            old = ld_le##s(p);                                                                     \
            st_le##s(p, add##s(cpu, old, RD##s(i->reg)));                                          \
        } while (!mem_rmw_end(cpu, p));                                                            \
        WR##s(i->reg, old);                                                                        \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_cmpxchg_rr##s(struct cpu *cpu, const struct insn *i)                                    \
    {                                                                                              \
        UINT(s) old = RD##s(i->reg);                                                               \
        cmp##s(cpu, RD##s(R_RAX), old);                                                            \
        if (flag_zf(cpu))                                                                          \
            WR##s(i->reg, RD##s(i->rm));                                                           \
        else                                                                                       \
            WR##s(R_RAX, old);                                                                     \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_cmpxchg_mr##s(struct cpu *cpu, const struct insn *i)                                    \
    {                                                                                              \
        void *p = mem_rmw(cpu, i, s / 8);                                                          \
        UINT(s) old;                                                                               \
        if (unlikely(!p))                                                                          \
            return OP_FAULT;                                                                       \
        do {                                                                                       \
            old = ld_le##s(p);                                                                     \
            cmp##s(cpu, RD##s(R_RAX), old);                                                        \
            if (flag_zf(cpu))                                                                      \
                st_le##s(p, RD##s(i->reg));                                                        \
        } while (!mem_rmw_end(cpu, p));                                                            \
        if (!flag_zf(cpu))                                                                         \
            WR##s(R_RAX, old);                                                                     \
        return OP_OK;                                                                              \
    }
EACH_SIZE(XCHG_FORMS, xchg)

int op_cmpxchg8b_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t old, expected = RD32(R_RAX) | cpu->r[R_RDX] << 32;
    uint32_t image = flags_image(cpu) & ~EFLAGS_ZF;
    void *p = mem_rmw(cpu, i, 8);
    if (!p)
        return OP_FAULT;
    do {
        old = ld_le64(p);
        if (old == expected)
            st_le64(p, RD32(R_RBX) | cpu->r[R_RCX] << 32);
    } while (!mem_rmw_end(cpu, p));
    if (old != expected) {
        WR32(R_RAX, old);
        WR32(R_RDX, old >> 32);
    }
    flags_set_image(cpu, image | (old == expected ? EFLAGS_ZF : 0));
    return OP_OK;
}

int op_cmpxchg16b_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t lin, lo, hi;
    uint32_t image = flags_image(cpu) & ~EFLAGS_ZF;
    bool equal;
    if (insn_linear(cpu, i, 16, ACCESS_STORE, &lin))
        return OP_FAULT;
    if (lin & 15)
        return raise_gp(cpu, 0);
    uint8_t *p = mem_rmw(cpu, i, 16);
    if (!p)
        return OP_FAULT;
    do {
        lo = ld_le64(p);
        hi = ld_le64(p + 8);
        equal = lo == cpu->r[R_RAX] && hi == cpu->r[R_RDX];
        if (equal) {
            st_le64(p, cpu->r[R_RBX]);
            st_le64(p + 8, cpu->r[R_RCX]);
        }
    } while (!mem_rmw_end(cpu, p));
    if (!equal) {
        cpu->r[R_RAX] = lo;
        cpu->r[R_RDX] = hi;
    }
    flags_set_image(cpu, image | (equal ? EFLAGS_ZF : 0));
    return OP_OK;
}
