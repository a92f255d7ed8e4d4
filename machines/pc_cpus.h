/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_PC_CPUS_H
#define CALQUE_MACHINES_PC_CPUS_H

#include "cpu/x86/cpu.h"
#include "machines/pc.h"

/* The x86 processors of a PC board. */
struct pc_cpus {
    struct cpu_model model; /* of all of them; set before pc_init() */
    bool threads;           /* each gets a thread of its own, if there are several */
    struct cpu *boot;       /* the boot processor, once created */
};

/* pc_config.create_cpus; opaque is a struct pc_cpus, which must outlive the machine. */
bool pc_cpus_create(struct machine *m, unsigned ncpus, void *opaque, struct pc_cpu_hooks *hooks,
                    struct error *err);

#endif
