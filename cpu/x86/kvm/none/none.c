/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host that is no x86-64: its KVM, if it has one, is of another architecture. */
#include "cpu/x86/kvm/kvm.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"

static bool refuse(struct error *err)
{
    return error_set(err, "KVM: this host's processor is not an x86-64 one");
}

bool kvm_engine_create(struct machine *m, enum kvm_apics irqchip, struct kvm_engine **out,
                       struct error *err)
{
    (void)m;
    (void)irqchip;
    *out = NULL;
    return refuse(err);
}

void kvm_engine_destroy(struct kvm_engine *k)
{
    (void)k;
}

bool kvm_engine_attach(struct kvm_engine *k, struct cpu *cpu, struct error *err)
{
    (void)k;
    (void)cpu;
    return refuse(err);
}

bool kvm_engine_can_watch(struct kvm_engine *k, const struct cpu *cpu)
{
    (void)k;
    (void)cpu;
    return false;
}

void kvm_engine_detach(struct cpu *cpu)
{
    (void)cpu;
}

bool kvm_fit_model(struct cpu_model *model, bool drop, struct error *err)
{
    (void)model;
    (void)drop;
    return refuse(err);
}

bool kvm_engine_is_split(const struct kvm_engine *k)
{
    (void)k;
    return false;
}

void kvm_engine_stats(const struct kvm_engine *k, struct kvm_stats *out)
{
    (void)k;
    memset(out, 0, sizeof(*out));
}

void kvm_engine_describe(const struct kvm_engine *k, void (*line)(void *opaque, const char *text),
                         void *opaque)
{
    (void)k;
    (void)line;
    (void)opaque;
}

int kvm_open(struct error *err)
{
    refuse(err);
    return -1;
}

bool kvm_probe(struct error *err)
{
    return refuse(err);
}
