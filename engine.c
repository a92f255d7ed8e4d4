/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine.h"

#include <string.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/kvm/kvm.h"

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

static bool create(struct engines *e, enum engine_kind kind, struct error *err)
{
    if (kind == ENGINE_JIT && !e->translator)
        return translator_create(e->m, &e->config, &e->translator, err);
    if (kind != ENGINE_KVM || e->kvm)
        return true;
    /* Features that are there already cannot be taken from a guest. */
    struct cpu_model model = cpu_of(e->m->cpus[0])->model;
    return kvm_fit_model(&model, false, err) && kvm_engine_create(e->m, &e->kvm, err);
}

static bool attach(struct engines *e, enum engine_kind kind, struct error *err)
{
    for (unsigned n = 0; n < e->m->ncpus; n++) {
        struct cpu *cpu = cpu_of(e->m->cpus[n]);
        bool ok = kind == ENGINE_JIT   ? translator_attach(e->translator, cpu, err)
                  : kind == ENGINE_KVM ? kvm_engine_attach(e->kvm, cpu, err)
                                       : true;
        if (!ok) {
            detach(e, kind, n);
            return false;
        }
    }
    return true;
}

bool engine_switch(struct engines *e, enum engine_kind to, struct error *err)
{
    enum engine_kind from = e->current;
    struct error none;

    if (to == from)
        return true;
    if (e->config.lockstep && e->translator)
        return error_set(err, "lockstep=on: the translator stays");
    if (!create(e, to, err))
        return false;
    detach(e, from, e->m->ncpus);
    e->current = ENGINE_INTERP;
    if (attach(e, to, err)) {
        e->current = to;
        return true;
    }
    if (attach(e, from, &none))
        e->current = from;
    return false;
}

void engines_destroy(struct engines *e)
{
    translator_destroy(e->translator);
    kvm_engine_destroy(e->kvm);
}
