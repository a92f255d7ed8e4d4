/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/debug_guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"

#define INSNS_MAX 10000000u

void debug_file(char *buf, size_t size, const char *name)
{
    const char *build = getenv("BUILD");

    snprintf(buf, size, "%s/debug/%s", build ? build : "build/gcc", name);
}

struct cpu *debug_guest_cpu(struct debug_guest *g)
{
    return debugger_cpu(g->d, 0);
}

void debug_guest_run(struct debug_guest *g, uint64_t lin)
{
    struct machine *m = &g->pc.m;

    for (unsigned n = 0; n < INSNS_MAX && debugger_pc(debug_guest_cpu(g)) != lin; n++) {
        machine_cont(m);
        machine_unlock(m); /* it takes the lock itself */
        machine_run_inline(m, 1);
        machine_lock(m);
    }
    if (debugger_pc(debug_guest_cpu(g)) != lin)
        fail_msg("0x%llx is not reached", (unsigned long long)lin);
}

struct debug_guest *debug_guest_new(const char *variant, const char *function)
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

void debug_guest_free(struct debug_guest *g)
{
    machine_unlock(&g->pc.m);
    debugger_free(g->d);
    control_free(g->ctl);
    pc_destroy(&g->pc);
    free(g);
}

unsigned debug_guest_line(const char *name)
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
