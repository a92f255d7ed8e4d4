/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/common/guest_machine.h"

#include <stdio.h>
#include <stdlib.h>

#include "cpu/x86/cpu.h"

void guest_machine_config(struct guest_machine *g, const char *program)
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

bool guest_machine_init(struct guest_machine *g, struct error *err)
{
    return cpu_model_parse(&g->cpus.model, "max", err) && pc_init(&g->pc, &g->config, err) &&
           pc_power_on(&g->pc, err);
}

bool guest_machine_translate(struct guest_machine *g, const struct translator_config *config,
                             struct error *err)
{
    if (!translator_create(&g->pc.m, config, &g->translator, err))
        return false;
    for (unsigned n = 0; n < g->pc.m.ncpus; n++)
        if (!translator_attach(g->translator, cpu_of(g->pc.m.cpus[n]), err))
            return false;
    return true;
}

void guest_machine_destroy(struct guest_machine *g)
{
    pc_destroy(&g->pc);
    translator_destroy(g->translator);
}
