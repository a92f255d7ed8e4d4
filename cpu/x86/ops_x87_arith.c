/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87 arithmetic with memory, remainders and scaling (SDM vol. 1 8.3.5). */
#include "cpu/x86/x87_op.h"

/* ST0 = ST0 fn memory. */
static int arith_memory(struct cpu *cpu, const struct insn *i, x87_fn *fn, unsigned size)
{
    struct x87_frame f = {.cw = cpu->fcw};
    if (x87_start(cpu) || mem_load_bytes(cpu, i, size, f.mem))
        return OP_FAULT;
    x87_note(cpu, i);
    if (x87_empty(cpu, 0)) {
        if (x87_underflow(cpu, 0))
            x87_set_st(cpu, 0, x87_indefinite());
        return OP_OK;
    }
    f.st[0] = *x87_st(cpu, 0);
    fn(&f);
    if (x87_signal(cpu, f.sw, FSW_C1, STOP_REG))
        x87_set_st(cpu, 0, f.st[0]);
    return OP_OK;
}
#define MEMORY(name, size)                                                                         \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        return arith_memory(cpu, i, x87_host_##name, size);                                        \
    }
#define ARITH(name)                                                                                \
    MEMORY(f##name##_m32, 4)                                                                       \
    MEMORY(f##name##_m64, 8)                                                                       \
    MEMORY(fi##name##_m16, 2)                                                                      \
    MEMORY(fi##name##_m32, 4)
ARITH(add)
ARITH(mul)
ARITH(sub)
ARITH(subr)
ARITH(div)
ARITH(divr)

/* ST0 = fn(ST0, ST1); or, with pop, ST1 = fn(ST0, ST1) and pop. cc: condition bits it sets. */
static int binary(struct cpu *cpu, const struct insn *i, x87_fn *fn, uint16_t cc, bool pop)
{
    struct x87_frame f = {.cw = cpu->fcw};
    bool done;
    if (x87_start(cpu))
        return OP_FAULT;
    x87_note(cpu, i);
    if (x87_empty(cpu, 0) || x87_empty(cpu, 1)) {
        done = x87_underflow(cpu, cc & FSW_C2);
        f.st[0] = x87_indefinite();
    } else {
        f.st[0] = *x87_st(cpu, 0);
        f.st[1] = *x87_st(cpu, 1);
        fn(&f);
        if (f.sw & (FSW_IE | (FSW_DE & ~cpu->fcw)) || (f.st[0].sexp & 0x7fff) == 0x7fff)
            cc &= FSW_C1 | FSW_C2; /* no quotient to report */
        done = x87_signal(cpu, f.sw, cc, STOP_REG);
    }
    if (done) {
        if (pop)
            x87_pop(cpu);
        x87_set_st(cpu, 0, f.st[0]);
    }
    return OP_OK;
}
#define BINARY(name, cc, pop)                                                                      \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        return binary(cpu, i, x87_host_##name, cc, pop);                                           \
    }
BINARY(fscale, FSW_C1, false)
BINARY(fprem, FSW_CC, false)
BINARY(fprem1, FSW_CC, false)
X87_APPROX_OP(fyl2x, binary, FSW_C1, true)
X87_APPROX_OP(fyl2xp1, binary, FSW_C1, true)
X87_APPROX_OP(fpatan, binary, FSW_C1, true)
