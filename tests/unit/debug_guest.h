/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_UNIT_DEBUG_GUEST_H
#define CALQUE_TESTS_UNIT_DEBUG_GUEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "debugger/debugger.h"
#include "debugger/symbols.h"
#include "machines/pc_cpus.h"
#include "monitor/control.h"

/* The program tests/debugger/guest/symbols.c on a machine, with its symbols, run to a function.
 * Included behind cmocka.h. */

#define DEBUG_GUEST_SOURCE "tests/debugger/guest/symbols.c"
#define DEBUG_GUEST_INSNS  10000000u

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
static inline void debug_file(char *buf, size_t size, const char *name)
{
    const char *build = getenv("BUILD");

    snprintf(buf, size, "%s/debug/%s", build ? build : "build/gcc", name);
}

static inline struct cpu *debug_guest_cpu(struct debug_guest *g)
{
    return debugger_cpu(g->d, 0);
}

/* Runs until the CPU is about to execute what is at a linear address. */
static inline void debug_guest_run(struct debug_guest *g, uint64_t lin)
{
    struct machine *m = &g->pc.m;

    for (unsigned n = 0; n < DEBUG_GUEST_INSNS && debugger_pc(debug_guest_cpu(g)) != lin; n++) {
        machine_cont(m);
        machine_unlock(m); /* it takes the lock itself */
        machine_run_inline(m, 1);
        machine_lock(m);
    }
    if (debugger_pc(debug_guest_cpu(g)) != lin)
        fail_msg("0x%llx is not reached", (unsigned long long)lin);
}

/* variant: "64-5". Stands before the first instruction of `function`. */
static inline struct debug_guest *debug_guest_new(const char *variant, const char *function)
{
    struct debug_guest *g = calloc(1, sizeof(*g));
    struct monitor_about about = {0};
    struct monitor_hooks hooks = {0};
    struct error err = {""};
    struct symbol symbol;
    char name[64];

    assert_non_null(g);
    snprintf(name, sizeof(name), "symbols-%s.boot", variant);
    debug_file(g->kernel, sizeof(g->kernel), name);
    snprintf(name, sizeof(name), "symbols-%s.elf", variant);
    debug_file(g->file, sizeof(g->file), name);
    g->config = (struct pc_config){.ram_size = 16 << 20,
                                   .ncpus = 1,
                                   .kernel = g->kernel,
                                   .debugcon = {{.port = 0xe9}},
                                   .icount = true,
                                   .icount_shift = 3,
                                   .create_cpus = pc_cpus_create,
                                   .create_cpus_opaque = &g->cpus};
    assert_true(cpu_model_parse(&g->cpus.model, "max", &err));
    if (!pc_init(&g->pc, &g->config, &err) || !pc_power_on(&g->pc, &err))
        fail_msg("%s", err.text);
    g->ctl = control_new(&g->pc.m, &about, &hooks);
    g->d = debugger_new(g->ctl, &err);
    assert_non_null(g->d);
    g->s = debugger_symbols(g->d);
    machine_lock(&g->pc.m);
    if (!symbols_load(g->s, g->file, NULL, 0, &err))
        fail_msg("%s", err.text);
    assert_true(symbol_find(g->s, function, &symbol));
    debug_guest_run(g, symbol.start);
    return g;
}

static inline void debug_guest_free(struct debug_guest *g)
{
    machine_unlock(&g->pc.m);
    debugger_free(g->d);
    control_free(g->ctl);
    pc_destroy(&g->pc);
    free(g);
}

/* The line of the program's source that has LINE_NAME in it. */
static inline unsigned debug_guest_line(const char *name)
{
    FILE *in = fopen(DEBUG_GUEST_SOURCE, "re");
    char line[256];
    unsigned number = 0, found = 0;

    assert_non_null(in);
    while (fgets(line, sizeof(line), in)) {
        number++;
        if (strstr(line, name) && strstr(line, ";"))
            found = number;
    }
    fclose(in);
    assert_int_not_equal(found, 0);
    return found;
}

#endif
