/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_KVM_KVM_INTERNAL_H
#define CALQUE_CPU_KVM_KVM_INTERNAL_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "cpu/x86/kvm/kvm.h"
#include "cpu/x86/cpu.h"

/* A slot of guest-physical memory that KVM knows. */
struct kvm_slot {
    uint64_t start, size, arena;
    bool readonly;
    bool logged;     /* KVM keeps a dirty log: not RAM, a screen may be drawn from it */
    bool live, seen; /* seen: still in the map, while that is compared */
};

struct kvm_cpu {
    struct kvm_engine *k;
    struct cpu *cpu;
    int fd;
    struct kvm_run *run;
    struct vcpu_ops ops;           /* this engine's */
    const struct vcpu_ops *before; /* what the CPU had */
    bool loaded;                   /* KVM has the registers; struct cpu's are old */
    bool unfinished;               /* an access was answered that the next KVM_RUN completes */
    bool code_old;                 /* KVM ran: decoded code and translations may be of old memory */
    bool wrote;                    /* and the dirty flags do not tell */
    atomic_bool inside;            /* KVM_RUN, or about to; `thread` is in it */
    pthread_t thread;
    bool thread_known;
};

struct kvm_engine {
    struct machine *m;
    int dev, vm;
    size_t run_size;
    uint64_t tsc_hz; /* what guests' counters do per second */
    struct kvm_slot *slots;
    unsigned nslots, max_slots;
    struct kvm_cpu *cpus;
    unsigned ncpus, max_cpus;
    timer_t timer; /* ends turns on the thread `timed` */
    pthread_t timed;
    bool has_timer;
    bool failed; /* the CPU's state was printed */
    struct kvm_stats stats;
};

/* kvm_memory.c: makes KVM's slots those of the machine's map. Lock held, or nothing runs. */
bool kvm_memory_update(struct kvm_engine *k, struct error *err);
/* All of memory may have changed: as far as the other engines, digests and snapshots know. */
void kvm_memory_written(struct kvm_engine *k);
/* arena.collect: adds the pages that KVM logged to the dirty flags. */
void kvm_memory_collect(void *opaque, uint64_t offset, uint64_t len);

/* kvm_state.c: struct cpu to KVM, and back. False: KVM refuses; *what says which part. */
bool kvm_state_load(struct kvm_cpu *c, const char **what);
bool kvm_state_fetch(struct kvm_cpu *c, const char **what);
/* CPUID as our table says it. */
bool kvm_set_cpuid(struct kvm_cpu *c, struct error *err);

#endif
