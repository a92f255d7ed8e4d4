/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_UNIT_DEBUG_GUEST_H
#define CALQUE_TESTS_UNIT_DEBUG_GUEST_H

#include "debugger/debugger.h"
#include "debugger/symbols.h"
#include "machines/pc_cpus.h"
#include "monitor/control.h"

/* The program tests/debugger/guest/symbols.c on a machine, with its symbols, run to a function. */

struct debug_guest {
    struct pc pc;
    struct pc_cpus cpus;
    struct pc_config config;
    struct control *ctl;
    struct debugger *d;
    struct symbols *s;
    char kernel[512], file[512];
};

/* $BUILD/debug/NAME */
void debug_file(char *buf, size_t size, const char *name);
/* variant: "64-5". Stands before the first instruction of `function`. */
struct debug_guest *debug_guest_new(const char *variant, const char *function);
void debug_guest_free(struct debug_guest *g);
struct cpu *debug_guest_cpu(struct debug_guest *g);
/* Runs until the CPU is about to execute what is at a linear address. */
void debug_guest_run(struct debug_guest *g, uint64_t lin);
/* The line of the program's source that has LINE_NAME in it. */
unsigned debug_guest_line(const char *name);
#define DEBUG_GUEST_SOURCE "tests/debugger/guest/symbols.c"

#endif
