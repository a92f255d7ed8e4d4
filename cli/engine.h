/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_ENGINE_H
#define CALQUE_CLI_ENGINE_H

#include <stdbool.h>

#include "cpu/x86/kvm/kvm.h"
#include "translator/translator.h"
#include "vm/run.h"

/* Which engine runs a machine's CPUs. All of them share struct cpu, so a machine that stands still
 * may go on with another one at any instruction boundary. */

struct error;
struct machine;

enum engine_kind { ENGINE_INTERP, ENGINE_JIT, ENGINE_KVM };

struct engines {
    struct machine *m;
    struct translator_config config; /* of the translator, when it is made */
    enum engine_kind current;        /* all zero: the interpreter, as CPUs are created */
    /* One for all CPUs, or one for each of those that run at the same time. NULL: not needed so
     * far; nor the other. */
    struct translator **translators;
    unsigned ntranslators;
    enum kvm_apics irqchip; /* of KVM, when that is made */
    struct kvm_engine *kvm;
    bool away; /* from KVM, for what it cannot do */
    struct run_resumed resumed;
};

const char *engine_name(enum engine_kind kind);
/* "interp", "jit" or its other name "tcg", "kvm". False: none of them. */
bool engine_parse(const char *name, enum engine_kind *kind);
/* Lock held, the machine does not run (or is not started yet). On failure the engine that was there
 * stays; *err says why. */
bool engine_switch(struct engines *e, enum engine_kind to, struct error *err);
/* From now on the machine goes on under the translator instead of KVM while a debugger wants to see
 * more than KVM tells (breakpoints without limit, watchpoints, traces), and under KVM again
 * afterwards. Once; e stays where it is. */
void engines_follow_debugger(struct engines *e);
/* After the machine's CPUs are gone. */
void engines_destroy(struct engines *e);

#endif
