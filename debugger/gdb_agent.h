/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_GDB_AGENT_H
#define CALQUE_DEBUGGER_GDB_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* gdb's agent expressions (gdb manual, appendix F): bytecode for a machine with a stack of 64-bit
 * numbers. Conditions of breakpoints come as these, and what dprintf prints. */

struct error;
struct agent_expr;
struct probe_insn;
struct probe_program;

/* What an expression looks at. Both return false if that cannot be had. */
struct agent_world {
    bool (*reg)(void *opaque, unsigned number, uint64_t *value);
    bool (*memory)(void *opaque, uint64_t addr, void *buf, size_t len);
    /* The text of a printf; NULL: is dropped. */
    void (*print)(void *opaque, const char *text);
    void *opaque;
};

#define AGENT_CODE_MAX 65536

/* Copies the code. NULL with *err: an operation is unknown, not for conditions (the tracing ones,
 * floating point), or cut off. */
struct agent_expr *agent_new(const uint8_t *code, size_t len, struct error *err);
void agent_free(struct agent_expr *e); /* e may be NULL */
/* Runs it. *value: the top of the stack, 0 if that is empty. NULL, or what went wrong: memory that
 * cannot be read, division by zero, the stack, a jump out of the code, too many steps. Any thread;
 * allocates nothing. */
const char *agent_run(const struct agent_expr *e, const struct agent_world *world, uint64_t *value);
/* Appends the same as a program for the engines (probe_program.h). reg() makes an instruction that
 * pushes a register; false: there is none. False: it has something that programs do not know;
 * program->n is what it was. Whether it is sound is for the caller to ask. */
typedef bool agent_register_fn(const void *opaque, unsigned number, struct probe_insn *i);
bool agent_program(const struct agent_expr *e, agent_register_fn *reg, const void *opaque,
                   struct probe_program *program);

#endif
