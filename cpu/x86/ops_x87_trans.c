/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87 instructions with two results (SDM vol. 1 8.3.5, 8.3.7). */
#include "cpu/x86/x87_op.h"

/* Replaces ST0 by fn's first result and pushes the second; fn may also leave ST0 and not push
 * (operand out of range: C2). */
static int two_results(struct cpu *cpu, const struct insn *i, x87_fn *fn, uint16_t cc)
{
    struct x87_frame f = {.cw = cpu->fcw};
    bool done, under = x87_empty(cpu, 0);
    if (x87_start(cpu))
        return OP_FAULT;
    x87_note(cpu, i);
    if (under || !x87_empty(cpu, 7)) {
        done = x87_signal(cpu, FSW_SF | (under ? 0 : FSW_C1), cc, STOP_REG);
        f.st[0] = f.st[1] = x87_indefinite();
        f.pushed = 1;
    } else {
        f.st[0] = *x87_st(cpu, 0);
        fn(&f);
        done = x87_signal(cpu, f.sw, cc, STOP_REG);
    }
    if (!done)
        return OP_OK;
    x87_set_st(cpu, 0, f.pushed ? f.st[1] : f.st[0]);
    if (f.pushed)
        x87_push(cpu, f.st[0]);
    return OP_OK;
}
#define TWO_RESULTS(name, cc)                                                                      \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        return two_results(cpu, i, x87_host_##name, cc);                                           \
    }
X87_APPROX_OP(fptan, two_results, FSW_C1 | FSW_C2)
X87_APPROX_OP(fsincos, two_results, FSW_C1 | FSW_C2)
TWO_RESULTS(fxtract, FSW_C1)
