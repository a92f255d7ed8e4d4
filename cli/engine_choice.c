/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/engine_choice.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cmdline.h"
#include "cli/engine.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/kvm/kvm.h"

/* What KVM cannot run, -cpu max does without; of another model it is an error. */
static bool fit_to_kvm(const struct settings *s, struct cpu_model *model, struct error *err)
{
    if (s->icount)
        return error_set(err, "-icount: KVM does not count instructions");
    if (s->record || s->replay || s->history)
        return error_set(err, "what KVM runs cannot be recorded");
    return kvm_fit_model(model, !strcmp(model->name, "max"), err);
}

/* What nobody wants under KVM, without saying so: each instruction is to be seen or counted. */
static bool wants_software(const struct settings *s)
{
    return s->icount || s->record || s->replay || s->history || s->log_categories || s->debug ||
           s->gdb || s->triple_fault == TRIPLE_FAULT_REPORT;
}

/* A person is told what runs the machine, and why not the better one; a script is not
 * interested. */
static void tell_engine(const struct settings *s, const struct error *why)
{
    if (!isatty(STDERR_FILENO))
        return;
    if (s->kvm)
        fprintf(stderr, "calque: -accel kvm\n");
    else
        fprintf(stderr, "calque: -accel jit, not kvm: %s\n", why->text);
}

bool engine_choose(struct settings *s, struct cpu_model *model, struct error *err)
{
    struct cpu_model fit = *model;
    struct error why;

    if (s->kvm)
        return fit_to_kvm(s, model, err) || error_prefix(err, "-accel kvm");
    if (s->engine_given || s->machine_none || wants_software(s))
        return true;
    s->kvm = kvm_probe(&why) && fit_to_kvm(s, &fit, &why);
    if (s->kvm)
        *model = fit;
    tell_engine(s, &why);
    return true;
}

/* Unless what is asked for needs CPUs one after the other. Instructions that one CPU executes show
 * to another in the order of x86; so only on hosts that keep it. */
bool engine_has_cpu_threads(const struct settings *s)
{
#if defined(__x86_64__)
    return !s->cpus_in_turns && !s->icount && !s->translator.lockstep;
#else
    (void)s;
    return false;
#endif
}

/* Without a translator the interpreter runs the machine: it is slower, and the same. KVM must do
 * if it was asked for by name. */
bool engine_start(struct engines *e, struct machine *m, const struct settings *s, struct error *err)
{
    struct error why = {0};

    *e = (struct engines){.m = m, .config = s->translator, .irqchip = s->irqchip};
    engines_follow_debugger(e);
    if (s->kvm && engine_switch(e, ENGINE_KVM, &why))
        return true;
    if (s->kvm && s->engine_given)
        return error_set(err, "-accel kvm: %s", why.text);
    if (s->kvm)
        fprintf(stderr, "calque: -accel jit, not kvm: %s\n", why.text);
    if (s->jit && !engine_switch(e, ENGINE_JIT, &why) && s->engine_given)
        fprintf(stderr, "calque: -accel jit: %s; the interpreter runs instead\n", why.text);
    return true;
}
