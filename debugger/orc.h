/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_ORC_H
#define CALQUE_DEBUGGER_ORC_H

#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct symbols;
struct unwind_regs;

enum orc_result {
    ORC_FOUND,
    ORC_END,     /* the outermost frame */
    ORC_UNKNOWN, /* no table, or it does not say */
};

/* The caller's registers from those at pc. *interrupted: they are those of code that was
 * interrupted. Only kernels whose layout of the tables is known: Linux 4.14 to 6.12. */
enum orc_result orc_unwind(struct symbols *s, struct cpu *cpu, uint64_t pc,
                           const struct unwind_regs *r, struct unwind_regs *out, uint64_t *cfa,
                           bool *interrupted);

#endif
