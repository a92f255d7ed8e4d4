/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_X87_OP_H
#define CALQUE_CPU_X86_X87_OP_H

#include "cpu/x86/x87_host.h"

/* How every x87 data instruction begins and ends. */

/* Merges what an instruction signalled. True: it may write its result (unmasked faults that are
 * found before the result, `stops`, forbid it). */
static inline bool x87_signal(struct cpu *cpu, uint16_t sw, uint16_t cc, uint16_t stops)
{
    if (sw & FSW_SF)
        sw |= FSW_IE;
    cpu->fsw = (uint16_t)((cpu->fsw & ~cc) | (sw & (FSW_EXC | FSW_SF | cc)));
    x87_update_summary(cpu);
    return !(sw & ~cpu->fcw & stops);
}
#define STOP_REG (FSW_IE | FSW_DE | FSW_ZE)
#define STOP_MEM (FSW_IE | FSW_DE | FSW_OE | FSW_UE)

/* Last-instruction pointers and opcode (SDM vol. 1 8.1.8, 8.1.9). The opcode is recorded always, as
 * the P6 family does and later processors in fopcode compatibility mode; the Pentium 4's habit of
 * recording it for unmasked exceptions only (8.1.9.1) is no model's here. */
static inline void x87_note(struct cpu *cpu, const struct insn *i)
{
    cpu->fip = insn_rip(cpu, i);
    cpu->fcs = cpu->seg[SEG_CS].sel;
    cpu->fop = (uint16_t)i->imm;
    if (i->flags & INSN_MEM) {
        cpu->fdp = insn_ea(cpu, i);
        cpu->fds = i->seg < SEG_NONE ? cpu->seg[i->seg].sel : 0;
    }
}
static inline int x87_start(struct cpu *cpu)
{
    return unlikely(x87_check(cpu)) ? OP_FAULT : 0;
}
/* Stack underflow: C1 = 0. True: masked, the result is the indefinite. */
static inline bool x87_underflow(struct cpu *cpu, uint16_t cc)
{
    return x87_signal(cpu, FSW_SF, cc | FSW_C1, STOP_REG);
}

/* An instruction by X87_APPROX. Without MPFR another host than an x86 has none. */
#define X87_APPROX_OP(name, call, cc, ...)                                                         \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        x87_fn *fn = X87_APPROX(cpu, name);                                                        \
        return fn ? call(cpu, i, fn, cc, ##__VA_ARGS__) : op_unimplemented_x(cpu, i);              \
    }

#endif
