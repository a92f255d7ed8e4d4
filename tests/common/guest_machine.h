/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_COMMON_GUEST_MACHINE_H
#define CALQUE_TESTS_COMMON_GUEST_MACHINE_H

#include <stdbool.h>

#include "machines/pc_cpus.h"
#include "translator/translator.h"

/* A PC with a program of tests/guest in its memory, which counts instructions. */

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
void guest_machine_config(struct guest_machine *g, const char *program);
/* Made and switched on; false with *err. */
bool guest_machine_init(struct guest_machine *g, struct error *err);
/* Its processors are translated. False with *err: there is no translator for this host, or no
 * memory. */
bool guest_machine_translate(struct guest_machine *g, const struct translator_config *config,
                             struct error *err);
void guest_machine_destroy(struct guest_machine *g);

#endif
