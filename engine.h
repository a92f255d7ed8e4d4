/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_ENGINE_H
#define CALQUE_ENGINE_H

#include <stdbool.h>

#include "translator/translator.h"

/* Which engine runs a machine's CPUs. All of them share struct cpu, so a machine that stands still
 * may go on with another one at any instruction boundary. */

struct error;
struct kvm_engine;
struct machine;

enum engine_kind { ENGINE_INTERP, ENGINE_JIT, ENGINE_KVM };

struct engines {
    struct machine *m;
    struct translator_config config; /* of the translator, when it is made */
    enum engine_kind current;        /* all zero: the interpreter, as CPUs are created */
    struct translator *translator;   /* NULL: not needed so far; nor the other */
    struct kvm_engine *kvm;
};

const char *engine_name(enum engine_kind kind);
/* "interp", "jit" or its other name "tcg", "kvm". False: none of them. */
bool engine_parse(const char *name, enum engine_kind *kind);
/* Lock held, the machine does not run (or is not started yet). On failure the engine that was there
 * stays; *err says why. */
bool engine_switch(struct engines *e, enum engine_kind to, struct error *err);
/* After the machine's CPUs are gone. */
void engines_destroy(struct engines *e);

#endif
