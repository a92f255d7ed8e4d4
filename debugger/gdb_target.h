/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_GDB_TARGET_H
#define CALQUE_DEBUGGER_GDB_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What gdb is told of the processor: the registers, in the order of the `g` packet, and the target
 * description that names them.
 *
 * There is one description, whatever the mode: the registers of 64-bit mode, and beside them, under
 * their 32-bit names, those that gdb's i386 architecture wants to find. So no change of mode
 * changes a packet's length, and `set architecture i386` or `i8086` (or a 32-bit symbol file, which
 * does the same) works on the same connection and disassembles 32- or 16-bit code.
 *
 * rip (and eip, and so $pc) is the linear address of the next instruction: CS's base is added to
 * it, as gdb knows no segments and uses this register for breakpoints, `x/i $pc` and `stepi`.
 * Setting it takes the base off. Where the base is 0, as it is in 64-bit mode always, that is the
 * register itself; cs_rip is the register itself in every mode. All others, rsp too, are as the
 * processor has them; ss_base and the like are there to be added. */

struct cpu;
struct cpu_register;
struct debugger;
struct error;

struct gdb_register {
    char name[20];
    uint8_t size;                  /* bytes in packets */
    const struct cpu_register *in; /* NULL: none: all ones, and writes are ignored */
};

struct gdb_target {
    struct gdb_register *regs;
    unsigned n;
    unsigned rsp, rip; /* numbers that stop replies tell */
    size_t bytes;      /* of all of them */
    char *xml;         /* target.xml */
    size_t xml_len;
};

bool gdb_target_init(struct gdb_target *t); /* false: out of memory */
void gdb_target_destroy(struct gdb_target *t);
/* Register n's `size` bytes. */
void gdb_target_get(const struct gdb_target *t, unsigned n, const struct cpu *cpu, void *value);
/* As debugger_set_register(). A value that it has already is always taken. */
bool gdb_target_set(const struct gdb_target *t, unsigned n, struct debugger *d, unsigned cpu,
                    const void *value, struct error *err);

#endif
