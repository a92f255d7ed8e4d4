/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_OPS_H
#define CALQUE_CPU_X86_OPS_H

#include "cpu/x86/cpu.h"
#include "cpu/x86/flags.h"
#include "cpu/x86/mem.h"

/* The semantic functions: op_NAME_FORMSIZE, for example op_add_rm32, op_hlt_x, op_setz_m.
 * Each returns an enum op_result. Restart rule: everything that can fault comes before the first
 * change of a register, flag or memory. */
typedef int op_fn(struct cpu *cpu, const struct insn *i);

#define OP_DECLARE(n, f, s)                              int op_##n##_##f##s(struct cpu *cpu, const struct insn *i);
#define OPERATION(name, class, rd, wr, un, props, cpuid) FORMS_##class(OP_DECLARE, name)
#define ENC(...)
#include "cpu/x86/insns_all.def"
#undef OPERATION
#undef ENC
#undef OP_DECLARE

/* By opcode id. */
extern op_fn *const op_handlers[NUM_OPS];

#endif
