/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87 instructions that move or mark registers without arithmetic (SDM vol. 1 8.3.3, 8.3.10). */
#include "cpu/x86/cond.h"
#include "cpu/x86/x87_op.h"

int op_fld_x(struct cpu *cpu, const struct insn *i)
{
    struct x87_reg v = *x87_st(cpu, i->rm & 7);
    uint16_t sw = 0;
    if (x87_start(cpu))
        return OP_FAULT;
    x87_note(cpu, i);
    if (x87_empty(cpu, i->rm & 7))
        sw = FSW_SF;
    else if (!x87_empty(cpu, 7))
        sw = FSW_SF | FSW_C1;
    if (sw)
        v = x87_indefinite();
    if (x87_signal(cpu, sw, FSW_C1, STOP_REG))
        x87_push(cpu, v);
    return OP_OK;
}
/* ST(i) = ST0. */
static int store_register(struct cpu *cpu, const struct insn *i, bool pop)
{
    struct x87_reg v = *x87_st(cpu, 0);
    if (x87_start(cpu))
        return OP_FAULT;
    x87_note(cpu, i);
    bool empty = x87_empty(cpu, 0);
    if (!x87_signal(cpu, empty ? FSW_SF : 0, FSW_C1, STOP_REG))
        return OP_OK;
    x87_set_st(cpu, i->rm & 7, empty ? x87_indefinite() : v);
    if (pop)
        x87_pop(cpu);
    return OP_OK;
}
int op_fst_x(struct cpu *cpu, const struct insn *i)
{
    return store_register(cpu, i, false);
}
int op_fstp_x(struct cpu *cpu, const struct insn *i)
{
    return store_register(cpu, i, true);
}
/* D9 D8+i, undocumented: FSTP without the stack check. */
int op_fstpnce_x(struct cpu *cpu, const struct insn *i)
{
    if (!x87_empty(cpu, 0))
        return op_fstp_x(cpu, i);
    if (x87_start(cpu))
        return OP_FAULT;
    x87_note(cpu, i);
    x87_signal(cpu, 0, FSW_C1, 0);
    x87_pop(cpu);
    return OP_OK;
}
int op_ffree_x(struct cpu *cpu, const struct insn *i)
{
    if (x87_start(cpu))
        return OP_FAULT;
    x87_note(cpu, i);
    x87_free(cpu, i->rm & 7);
    cpu->fsw &= (uint16_t)~FSW_C1;
    return OP_OK;
}
int op_ffreep_x(struct cpu *cpu, const struct insn *i)
{
    if (op_ffree_x(cpu, i))
        return OP_FAULT;
    x87_pop(cpu);
    return OP_OK;
}
/* Turns TOP by n; tags stay with their registers. */
static int turn(struct cpu *cpu, const struct insn *i, unsigned n)
{
    if (x87_start(cpu))
        return OP_FAULT;
    x87_note(cpu, i);
    x87_set_top(cpu, x87_top(cpu) + n);
    cpu->fsw &= (uint16_t)~FSW_C1;
    return OP_OK;
}
int op_fincstp_x(struct cpu *cpu, const struct insn *i)
{
    return turn(cpu, i, 1);
}
int op_fdecstp_x(struct cpu *cpu, const struct insn *i)
{
    return turn(cpu, i, 7);
}
int op_fnop_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    return x87_start(cpu);
}
/* FNSETPM, FNENI, FNDISI: nothing since the 80387. */
int op_fsetpm_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    return unlikely(x87_check_nowait(cpu)) ? OP_FAULT : OP_OK;
}
/* ST0's sign = sign & keep ^ flip. */
static int sign(struct cpu *cpu, const struct insn *i, uint16_t keep, uint16_t flip)
{
    struct x87_reg v = *x87_st(cpu, 0);
    if (x87_start(cpu))
        return OP_FAULT;
    x87_note(cpu, i);
    v.sexp = (v.sexp & keep) ^ flip;
    bool empty = x87_empty(cpu, 0);
    if (x87_signal(cpu, empty ? FSW_SF : 0, FSW_C1, STOP_REG))
        x87_set_st(cpu, 0, empty ? x87_indefinite() : v);
    return OP_OK;
}
int op_fchs_x(struct cpu *cpu, const struct insn *i)
{
    return sign(cpu, i, 0xffff, 0x8000);
}
int op_fabs_x(struct cpu *cpu, const struct insn *i)
{
    return sign(cpu, i, 0x7fff, 0);
}
/* Both registers are looked at whether the condition holds or not. */
static int cmov(struct cpu *cpu, const struct insn *i, bool cond)
{
    struct x87_reg v = *x87_st(cpu, i->rm & 7);
    if (x87_start(cpu))
        return OP_FAULT;
    x87_note(cpu, i);
    if (x87_empty(cpu, 0) || x87_empty(cpu, i->rm & 7)) {
        if (x87_underflow(cpu, 0))
            x87_set_st(cpu, 0, x87_indefinite());
        return OP_OK;
    }
    if (cond)
        x87_set_st(cpu, 0, v);
    return OP_OK;
}
#define CMOV(name, cc)                                                                             \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        return cmov(cpu, i, cond_##cc(cpu));                                                       \
    }
CMOV(fcmovb, b)
CMOV(fcmove, z)
CMOV(fcmovbe, be)
CMOV(fcmovu, p)
CMOV(fcmovnb, nb)
CMOV(fcmovne, nz)
CMOV(fcmovnbe, nbe)
CMOV(fcmovnu, np)
