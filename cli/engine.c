/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"

const char *engine_name(enum engine_kind kind)
{
    static const char *const names[] = {
        [ENGINE_INTERP] = "interp", [ENGINE_JIT] = "jit", [ENGINE_KVM] = "kvm"};

    return names[kind];
}

bool engine_parse(const char *name, enum engine_kind *kind)
{
    for (*kind = ENGINE_INTERP; *kind <= ENGINE_KVM; ++*kind)
        if (!strcmp(engine_name(*kind), name))
            return true;
    *kind = ENGINE_JIT;
    return !strcmp(name, "tcg");
}

static void detach(struct engines *e, enum engine_kind from, unsigned n)
{
    while (n--) {
        struct cpu *cpu = cpu_of(e->m->cpus[n]);

        if (from == ENGINE_JIT)
            translator_detach(cpu);
        else if (from == ENGINE_KVM)
            kvm_engine_detach(cpu);
    }
}

static void destroy_translators(struct engines *e)
{
    while (e->ntranslators)
        translator_destroy(e->translators[--e->ntranslators]);
    free(e->translators);
    e->translators = NULL;
}

/* The room for code is shared out. */
static bool create_translators(struct engines *e, struct error *err)
{
    unsigned n = e->m->run.threads ? e->m->ncpus : 1;
    struct translator_config config = e->config;

    if (n > 1) {
        config.cache_size = (config.cache_size ? config.cache_size : TRANSLATOR_CACHE_DEFAULT) / n;
        if (config.cache_size < TRANSLATOR_CACHE_MIN)
            config.cache_size = TRANSLATOR_CACHE_MIN;
    }
    e->translators = calloc(n, sizeof(*e->translators));
    if (!e->translators)
        return error_set(err, "out of memory");
    for (; e->ntranslators < n; e->ntranslators++) {
        if (translator_create(e->m, &config, &e->translators[e->ntranslators], err))
            continue;
        destroy_translators(e);
        return false;
    }
    return true;
}

static bool create(struct engines *e, enum engine_kind kind, struct error *err)
{
    if (kind == ENGINE_JIT && !e->translators)
        return create_translators(e, err);
    if (kind != ENGINE_KVM || e->kvm)
        return true;
    /* Features that are there already cannot be taken from a guest. */
    struct cpu_model model = cpu_of(e->m->cpus[0])->model;
    return kvm_fit_model(&model, false, err) && kvm_engine_create(e->m, e->irqchip, &e->kvm, err);
}

static bool attach(struct engines *e, enum engine_kind kind, struct error *err)
{
    for (unsigned n = 0; n < e->m->ncpus; n++) {
        struct cpu *cpu = cpu_of(e->m->cpus[n]);
        bool ok = kind == ENGINE_JIT
                      ? translator_attach(e->translators[n % e->ntranslators], cpu, err)
                  : kind == ENGINE_KVM ? kvm_engine_attach(e->kvm, cpu, err)
                                       : true;
        if (!ok) {
            detach(e, kind, n);
            return false;
        }
    }
    return true;
}

static bool in_turns(const struct engines *e)
{
    return e->current == ENGINE_KVM && !kvm_engine_is_split(e->kvm);
}

static bool enter(struct engines *e, enum engine_kind kind, struct error *err)
{
    if (!attach(e, kind, err))
        return false;
    e->current = kind;
    if (in_turns(e))
        machine_take_turns(e->m, true);
    return true;
}

static void leave(struct engines *e)
{
    if (in_turns(e))
        machine_take_turns(e->m, false);
    detach(e, e->current, e->m->ncpus);
    if (e->current == ENGINE_KVM)
        kvmclock_settle(e->m);
    e->current = ENGINE_INTERP;
}

bool engine_switch(struct engines *e, enum engine_kind to, struct error *err)
{
    enum engine_kind from = e->current;
    struct error none;

    if (to == from)
        return true;
    if (e->config.lockstep && e->translators)
        return error_set(err, "lockstep=on: the translator stays");
    if (!create(e, to, err))
        return false;
    leave(e);
    if (enter(e, to, err))
        return true;
    enter(e, from, &none);
    return false;
}

/* More than KVM can see, or could if it ran. */
static bool is_watched(const struct engines *e)
{
    for (unsigned n = 0; n < e->m->ncpus; n++) {
        const struct cpu *cpu = cpu_of(e->m->cpus[n]);

        if (cpu->probes && !(e->kvm && kvm_engine_can_watch(e->kvm, cpu)))
            return true;
    }
    return e->m->arena.keepers;
}

/* Where the switch fails KVM's part of it does: it has the CPUs interpreted. */
static void resumed(void *opaque)
{
    struct engines *e = opaque;
    bool watched = is_watched(e);
    struct error none;

    if (e->m->run.current || e->m->run.slices) /* about to stop, and does not */
        return;
    if (watched && e->current == ENGINE_KVM)
        e->away = engine_switch(e, ENGINE_JIT, &none);
    else if (!watched && e->away)
        e->away = e->current == ENGINE_JIT && !engine_switch(e, ENGINE_KVM, &none);
}

void engines_follow_debugger(struct engines *e)
{
    e->resumed = (struct run_resumed){.fn = resumed, .opaque = e};
    machine_on_resume(e->m, &e->resumed);
}

void engines_destroy(struct engines *e)
{
    destroy_translators(e);
    kvm_engine_destroy(e->kvm);
}
