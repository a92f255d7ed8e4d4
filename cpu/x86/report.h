/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_REPORT_H
#define CALQUE_CPU_X86_REPORT_H

#include "cpu/x86/cpu.h"

struct block;

/* What led to a triple fault, for people: the chain of faults and which check of which descriptor
 * or page-table entry failed, registers, the last branches and instructions. */

/* Begins to keep the history of instructions; slows blocks down a little. For all CPUs of a
 * machine, which stands still. whole: translated code takes part, which costs it its best loops;
 * else there are gaps where it ran. False: out of memory. */
bool report_keep_history(struct cpu *cpu, bool whole);
bool report_history_is_whole(const struct cpu *cpu);
void report_free(struct cpu *cpu);
/* A block is about to be run; it was, up to cpu->insn. Only with cpu->history. */
void report_begin_block(struct cpu *cpu, const struct block *b);
void report_end_block(struct cpu *cpu);
/* What was begun last was left at this instruction of its block, or right behind. */
void report_left_at(struct cpu *cpu, const struct insn *i);
/* The first ninsn instructions of a block were run at rip by translated code, which has flat
 * segments only. */
void report_translated(struct cpu *cpu, const struct block *b, uint64_t rip, unsigned ninsn,
                       uint16_t cs);
/* An instruction of a block, cpu->insn, has faulted in translated code that notes nothing else. */
void report_fault_in_gap(struct cpu *cpu, const struct block *b);
/* The CPU has become another: what it ran is not what led to this. */
void report_forget(struct cpu *cpu);

/* One more fault of the chain: the first, one raised while the one before was being delivered, or
 * the #DF that two make. */
void report_add_fault(struct cpu *cpu, const struct pending_exception *e);

/* The guest's handler of #DF is about to run: the machine stops if it has a debugger; else it is
 * said, once for each CPU. */
void report_double_fault(struct cpu *cpu);

/* "#GP(0102: GDT selector 0100)" */
void report_fault_text(char *text, size_t size, const struct pending_exception *e);
/* All of it. Nothing if the processor has not shut down. */
void report_shutdown(struct cpu *cpu, void (*line)(void *opaque, const char *text), void *opaque);
/* The same with names: symbol(symbol_opaque, linear address, ...) is false where there is none.
 * NULL: there are none. */
typedef bool report_symbol_fn(void *opaque, uint64_t lin, char *text, size_t size);
void report_shutdown_named(struct cpu *cpu, report_symbol_fn *symbol, void *symbol_opaque,
                           void (*line)(void *opaque, const char *text), void *opaque);
/* The same of the double fault that was delivered last. */
void report_double_fault_named(struct cpu *cpu, report_symbol_fn *symbol, void *symbol_opaque,
                               void (*line)(void *opaque, const char *text), void *opaque);
/* The branches that were taken last, up to 64, the last one last. Only with cpu->history. */
void report_branches(struct cpu *cpu, report_symbol_fn *symbol, void *symbol_opaque,
                     void (*line)(void *opaque, const char *text), void *opaque);

#endif
