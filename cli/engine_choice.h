/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_ENGINE_CHOICE_H
#define CALQUE_CLI_ENGINE_CHOICE_H

#include <stdbool.h>

/* What the options mean for the choice of an engine (engine.h does what is chosen). */

struct cpu_model;
struct engines;
struct error;
struct machine;
struct settings;

/* Before the machine is built: -accel, or the best that works here, of kvm and jit; s->kvm says
 * which. *model becomes what KVM can run if that is chosen. False with *err: what was asked for by
 * name does not work here. */
bool engine_choose(struct settings *s, struct cpu_model *model, struct error *err);
/* Whether CPUs run at the same time, each in a thread of its own. After engine_choose(). */
bool engine_has_cpu_threads(const struct settings *s);
/* The machine has its CPUs and does not run yet: *e becomes its engines, and the chosen one takes
 * over. e stays where it is; engines_destroy() is due whatever the result. */
bool engine_start(struct engines *e, struct machine *m, const struct settings *s,
                  struct error *err);

#endif
