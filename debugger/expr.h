/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_EXPR_H
#define CALQUE_DEBUGGER_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* C expressions over registers ($rax, $cs, $xmm0.d[1]), memory, symbols and DWARF types: operators
 * of C with casts, &, *, ->, ., [], sizeof; also reg:off (linear address of a segment's offset),
 * `phys:ADDR`-style physical dereference p*, and bare register names where no symbol has them.
 * Parsed once, evaluated as often as wished. */

struct breakpoint_condition;
struct cpu;
struct debugger;
struct error;
struct expr;
struct frame;
struct symbols;

/* Names are those that are in scope at CPU `cpu`'s pc now. NULL with *err (which points at the
 * place). */
struct expr *expr_parse(struct debugger *d, unsigned cpu, const char *text, struct error *err);
/* The same in scope at another place: conditions of a breakpoint there. */
struct expr *expr_parse_at(struct debugger *d, unsigned cpu, uint64_t pc, const char *text,
                           struct error *err);
/* The same in a frame of the stack, whose general registers and pc it sees. */
struct expr *expr_parse_frame(struct symbols *s, unsigned cpu, const struct frame *frame,
                              const char *text, struct error *err);
void expr_free(struct expr *e);
/* The value as an integer (pointers, arrays: the address). Neither allocates nor takes locks: also
 * for conditions on the CPU thread. */
bool expr_integer(const struct expr *e, struct debugger *d, struct cpu *cpu, uint64_t *value,
                  struct error *err);
/* The address and size of an lvalue. */
bool expr_location(const struct expr *e, struct debugger *d, struct cpu *cpu, uint64_t *addr,
                   uint64_t *size, struct error *err);
/* As a person reads it, by its type: structs field by field. format: gdb's letter (x d u o t a c f
 * s i) or 0. */
bool expr_print(const struct expr *e, struct debugger *d, struct cpu *cpu, char format,
                void (*line)(void *opaque, const char *text), void *opaque, struct error *err);
/* Stores into an lvalue or a register; both in a frame of the stack, if there is one (its registers
 * cannot be set), else where the CPU is. */
bool expr_assign(struct debugger *d, unsigned cpu, const struct frame *frame, const char *lvalue,
                 const char *value, struct error *err);
/* A condition of a breakpoint: not zero, and readable. Takes e. */
struct breakpoint_condition expr_condition(struct expr *e);
/* An address as people write it: expression, symbol, file:line, seg:off. */
bool expr_address(struct debugger *d, unsigned cpu, const char *text, uint64_t *lin,
                  struct error *err);
/* The same in a frame; NULL: where the CPU is. */
bool expr_address_frame(struct debugger *d, unsigned cpu, const struct frame *frame,
                        const char *text, uint64_t *lin, struct error *err);

#endif
