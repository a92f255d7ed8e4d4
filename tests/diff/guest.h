/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_DIFF_GUEST_H
#define CALQUE_TESTS_DIFF_GUEST_H

#include "cpu/x86/cpu.h"
#include "tests/diff/diff.h"
#include "vm/machine.h"

/* The interpreter's side: a machine of one processor, 4 MiB of RAM and page tables. */
struct guest {
    struct machine m;
    struct region ram;
    struct cpu *cpu;
    uint64_t last; /* the slot of the case before, 0: none */
};

bool guest_init(struct guest *g, const struct diff_shared *s, struct error *err);
void guest_destroy(struct guest *g);
/* Runs a case. *undefined: EFLAGS bits the manual leaves undefined at its end. False: the result
 * itself is undefined and is not to be compared. */
bool guest_run(struct guest *g, const struct diff_shared *s, const struct diff_case *c,
               struct diff_outcome *o, uint32_t *undefined);

/* EFLAGS bits that instruction i leaves undefined and those it writes, from the state before it
 * (flagrules.c). False: its result is undefined too. */
bool flag_rules(const struct cpu *cpu, const struct insn *i, uint32_t *undefined,
                uint32_t *written);

#endif
