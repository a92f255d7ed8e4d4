/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_COMMON_GUEST_MACHINE_H
#define CALQUE_TESTS_COMMON_GUEST_MACHINE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/x86/cpu.h"
#include "machines/pc_cpus.h"
#include "translator/translator.h"

/* A PC with a program of tests/guest in its memory, which counts instructions. In the header, as
 * device tests, which share what is compiled here, have chips without a machine. */

struct error;

struct guest_machine {
    struct pc pc;
    struct pc_cpus cpus;
    struct pc_config config;
    struct translator *translator; /* NULL: interpreted */
    char kernel[512];
};

/* What it is to be, in g->config: one CPU, 16 MiB. It may be changed then. program: "loops-32" for
 * guest/loops-32.elf of the build folder $BUILD. */
static inline void guest_machine_config(struct guest_machine *g, const char *program)
{
    const char *build = getenv("BUILD");

    snprintf(g->kernel, sizeof(g->kernel), "%s/guest/%s.elf", build ? build : "build/gcc", program);
    g->config = (struct pc_config){.ram_size = 16 << 20,
                                   .ncpus = 1,
                                   .kernel = g->kernel,
                                   .icount = true,
                                   .icount_shift = 3,
                                   .create_cpus = pc_cpus_create,
                                   .create_cpus_opaque = &g->cpus};
}

/* Made and switched on; false with *err. */
static inline bool guest_machine_init(struct guest_machine *g, struct error *err)
{
    return cpu_model_parse(&g->cpus.model, "max", err) && pc_init(&g->pc, &g->config, err) &&
           pc_power_on(&g->pc, err);
}

/* Its processors are translated. False with *err: there is no translator for this host, or no
 * memory. */
static inline bool guest_machine_translate(struct guest_machine *g,
                                           const struct translator_config *config,
                                           struct error *err)
{
    if (!translator_create(&g->pc.m, config, &g->translator, err))
        return false;
    for (unsigned n = 0; n < g->pc.m.ncpus; n++)
        if (!translator_attach(g->translator, cpu_of(g->pc.m.cpus[n]), err))
            return false;
    return true;
}

static inline void guest_machine_destroy(struct guest_machine *g)
{
    pc_destroy(&g->pc);
    translator_destroy(g->translator);
}

#endif
