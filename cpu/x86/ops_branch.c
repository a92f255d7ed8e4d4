/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Near transfers of control. The target is checked before anything changes: canonical in 64-bit
 * mode, within the limit of CS otherwise (SDM vol. 2A, JMP, CALL). */
#include "cpu/x86/operand.h"

#include "cpu/x86/cond.h"

static inline bool target_ok(const struct cpu *cpu, uint64_t target)
{
    return cpu->code_mode == CODE64 ? is_canonical(target) : target <= cpu->seg[SEG_CS].limit;
}

static inline uint64_t cut(uint64_t ip, unsigned size)
{
    return ip & (~0ull >> (64 - 8 * size));
}

static inline int branch(struct cpu *cpu, const struct insn *i, uint64_t target)
{
    target = cut(target, insn_osize(i));
    if (unlikely(!target_ok(cpu, target)))
        return raise_gp(cpu, 0);
    cpu->r[R_RIP] = target;
    return OP_BRANCH;
}

static inline int branch_relative(struct cpu *cpu, const struct insn *i)
{
    return branch(cpu, i, cpu->r[R_RIP] + i->off + i->len + i->imm);
}

#define JUMP_CC(n, cc)                                                                             \
    int op_j##cc##_x(struct cpu *cpu, const struct insn *i)                                        \
    {                                                                                              \
        return cond_##cc(cpu) ? branch_relative(cpu, i) : OP_OK;                                   \
    }
EACH_CONDITION(JUMP_CC, )

int op_jmp_x(struct cpu *cpu, const struct insn *i)
{
    return branch_relative(cpu, i);
}

static int call_target(struct cpu *cpu, const struct insn *i, uint64_t target)
{
    uint64_t next = insn_next_rip(cpu, i);
    target = cut(target, insn_osize(i));
    if (unlikely(!target_ok(cpu, target)))
        return raise_gp(cpu, 0);
    if (push(cpu, insn_osize(i), next))
        return OP_FAULT;
    cpu->r[R_RIP] = target;
    return OP_BRANCH;
}

int op_call_x(struct cpu *cpu, const struct insn *i)
{
    return call_target(cpu, i, insn_next_rip(cpu, i) + i->imm);
}

int op_jmp_ind_r(struct cpu *cpu, const struct insn *i)
{
    return branch(cpu, i, cpu->r[i->reg]);
}

int op_jmp_ind_m(struct cpu *cpu, const struct insn *i)
{
    uint64_t target = 0;
    return mem_load_bytes(cpu, i, insn_osize(i), &target) ? OP_FAULT : branch(cpu, i, target);
}

int op_call_ind_r(struct cpu *cpu, const struct insn *i)
{
    return call_target(cpu, i, cpu->r[i->reg]);
}

int op_call_ind_m(struct cpu *cpu, const struct insn *i)
{
    uint64_t target = 0;
    if (mem_load_bytes(cpu, i, insn_osize(i), &target))
        return OP_FAULT;
    return call_target(cpu, i, target);
}

int op_ret_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t target;
    if (stack_peek(cpu, 0, insn_osize(i), &target))
        return OP_FAULT;
    if (unlikely(!target_ok(cpu, target)))
        return raise_gp(cpu, 0);
    set_stack_pointer(cpu, stack_pointer(cpu) + insn_osize(i) + i->imm);
    cpu->r[R_RIP] = target;
    return OP_BRANCH;
}

/* rCX as the address size says (SDM vol. 2A, LOOP). */
static uint64_t count_register(const struct cpu *cpu, const struct insn *i)
{
    return cut(cpu->r[R_RCX], insn_asize(i));
}

int op_jcxz_x(struct cpu *cpu, const struct insn *i)
{
    return count_register(cpu, i) == 0 ? branch_relative(cpu, i) : OP_OK;
}

static int loop_while(struct cpu *cpu, const struct insn *i, bool condition)
{
    uint64_t old = cpu->r[R_RCX];
    set_reg(cpu, R_RCX, insn_asize(i), old - 1);
    if (count_register(cpu, i) == 0 || !condition)
        return OP_OK;
    int r = branch_relative(cpu, i);
    if (r == OP_FAULT)
        cpu->r[R_RCX] = old;
    return r;
}

int op_loop_x(struct cpu *cpu, const struct insn *i)
{
    return loop_while(cpu, i, true);
}

int op_loope_x(struct cpu *cpu, const struct insn *i)
{
    return loop_while(cpu, i, flag_zf(cpu));
}

int op_loopne_x(struct cpu *cpu, const struct insn *i)
{
    return loop_while(cpu, i, !flag_zf(cpu));
}

/* More than 15 bytes of prefixes and operands (SDM vol. 3A 6.15, interrupt 13). */
int op_too_long_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    return raise_gp(cpu, 0);
}
