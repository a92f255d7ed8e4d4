/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_KVM_KVM_INTERNAL_H
#define CALQUE_CPU_KVM_KVM_INTERNAL_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "cpu/x86/cpu.h"
#include "cpu/x86/kvm/kvm.h"

/* A slot of guest-physical memory that KVM knows. */
struct kvm_slot {
    uint64_t start, size, arena;
    bool readonly;
    bool logged;     /* KVM keeps a dirty log: a screen may be drawn from it, or somebody follows */
    bool live, seen; /* seen: still in the map, while that is compared */
};

/* A kick, and where KVM takes it; `live`: it does. */
struct kvm_kick {
    const struct region *region;
    unsigned index; /* of the region's */
    struct region_kick what;
    int fd; /* eventfd */
    bool port, live, wanted;
    uint64_t at, wanted_at;
};

/* Addresses whose writes KVM keeps in its ring. */
struct kvm_zone {
    uint64_t start, size;
    bool port, live, wanted;
};

struct kvm_kept {
    int epoll; /* of the kicks; -1: KVM takes none */
    struct kvm_kick *kicks;
    unsigned nkicks;
    struct kvm_zone *zones;
    unsigned nzones;
    size_t ring_at; /* in a CPU's struct kvm_run; 0: there is none */
    uint32_t ring_size;
    bool ports; /* of which the ring can be */
    uint64_t made, settled;
};

enum { KVM_LEVEL_ROUTES = 24 };

/* Whether KVM stops at breakpoints in debug registers. */
enum kvm_debug_known { DEBUG_UNKNOWN, DEBUG_WORKS, DEBUG_DOES_NOT };

/* A local APIC on its way from KVM. */
struct kvm_chip {
    bool there;
    uint64_t base, deadline;
    uint8_t page[APIC_PAGE];
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
    uint64_t tsc_fetched;         /* when; ns of the machine's clock */
    bool chip_in;                 /* split: KVM has the local APIC */
    uint32_t over_initial;        /* count of a one-shot that was over when it went there */
    struct kvm_guest_debug debug; /* what KVM was told */
    struct kvm_stats stats;
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
    atomic_bool failed; /* the CPU's state was printed */
    unsigned live_slots;
    atomic_int guest_debug; /* enum kvm_debug_known */
    struct kvm_kept kept;
    /* Split. */
    bool split;
    atomic_bool chips_in; /* some CPU runs, or will: messages are KVM's */
    struct apic_elsewhere elsewhere;
    struct kvm_msi routes[KVM_LEVEL_ROUTES];
    unsigned nroutes, next_route;
    /* Counters of CPUs that KVM runs: less their TSC_ADJUST all lie as far from the host's. */
    pthread_mutex_t tsc_mutex;
    unsigned nloaded;
    uint64_t tsc_origin;
    bool tsc_known;
    bool clock_known; /* likewise: KVM's clock was set */
};

/* The largest access, of 8, 4, 2 or 1 bytes, that is left of len: KVM parts them at pages. */
static inline unsigned kvm_unit(unsigned len)
{
    return len >= 8 ? 8 : len >= 4 ? 4 : len >= 2 ? 2 : 1;
}

/* kvm_run.c: the operations of a CPU that KVM runs; the others stay what they are. */
void kvm_run_take_operations(struct vcpu_ops *ops);
/* The CPU, if it has them; otherwise NULL. */
struct kvm_cpu *kvm_run_cpu(const struct vcpu *v);
/* The signal that ends KVM_RUN does nothing else in this process. */
void kvm_run_catch_kicks(void);

/* kvm_debug.c: the debug registers are those of the CPU's probes, if kvm_engine_can_watch() them.
 * False: KVM refuses. */
bool kvm_debug_load(struct kvm_cpu *c);
/* The CPU goes on from a breakpoint: one instruction is to be interpreted. */
bool kvm_debug_passes(const struct kvm_cpu *c);

/* kvm_probe.c: the CPU has every feature that KVM supports. */
bool kvm_set_all_features(int dev, int cpu);

/* kvm_memory.c: makes KVM's slots those of the machine's map. Lock held, or nothing runs. */
bool kvm_memory_update(struct kvm_engine *k, struct error *err);
/* Asks for huge pages, where the host gives shared memory such: each page is an exit of its own. */
void kvm_memory_advise(struct kvm_engine *k);
/* All of memory may have changed: as far as the other engines, digests and snapshots know. */
void kvm_memory_written(struct kvm_engine *k);
/* arena.followed: KVM logs which pages of RAM are stored to, or does so no longer. */
void kvm_memory_followed(void *opaque);
/* arena.collect: adds the pages that KVM logged to the dirty flags. */
void kvm_memory_collect(void *opaque, uint64_t offset, uint64_t len);

/* kvm_kept.c: writes that KVM takes without an exit. Machine lock held. */
void kvm_kept_create(struct kvm_engine *k);
void kvm_kept_destroy(struct kvm_engine *k);
/* KVM's CPUs are the machine's from now on, or no more. */
void kvm_kept_begin(struct kvm_engine *k);
void kvm_kept_end(struct kvm_engine *k);
/* The map of memory or ports changed. */
void kvm_kept_update(struct kvm_engine *k);
/* Makes all that were kept. No CPU is in KVM_RUN. */
void kvm_kept_make(struct kvm_engine *k);

/* kvm_state.c: struct cpu to KVM, and back. False: KVM refuses; *what says which part. */
bool kvm_state_load(struct kvm_cpu *c, const char **what);
bool kvm_state_fetch(struct kvm_cpu *c, const char **what);
bool kvm_set_msr(struct kvm_cpu *c, uint32_t number, uint64_t value);
bool kvm_get_msr(struct kvm_cpu *c, uint32_t number, uint64_t *value);
/* The registers are, or are not, KVM's from now on: for the counters' sake. */
void kvm_state_loaded(struct kvm_cpu *c, bool loaded);
/* What our clock has drifted from the processor's counter, that goes by KVM's from now on. */
bool kvm_state_fetch_tsc(struct kvm_cpu *c);
/* What cpuid_query() says, leaf by leaf, but for the counter's frequency where it is another one.
 * The caller frees it; NULL: out of memory. */
struct kvm_cpuid2 *kvm_cpuid_table(const struct cpu *cpu, uint64_t tsc_hz);
/* That is what KVM's CPU says from now on. */
bool kvm_set_cpuid(struct kvm_cpu *c, struct error *err);

/* kvm_irqchip.c: split interrupt controllers. The machine lock is held by all but put_deadline,
 * eoi, interrupt and the waits; put, take and collect: also no CPU is in KVM_RUN. False: as for the
 * state. */
bool kvm_irqchip_create(struct kvm_engine *k, enum kvm_apics wanted, struct error *err);
/* All local APICs are KVM's. */
bool kvm_irqchip_enter(struct kvm_engine *k, const char **what);
bool kvm_irqchip_put(struct kvm_cpu *c, const char **what);
/* After the counter, of which it is a count. */
bool kvm_irqchip_put_deadline(struct kvm_cpu *c);
/* To be settled when the registers, and with them the counter, are here. */
bool kvm_irqchip_take(struct kvm_cpu *c, struct kvm_chip *chip, const char **what);
void kvm_irqchip_settle(struct kvm_cpu *c, struct kvm_chip *chip);
/* What was sent to a CPU that is interpreted for a while. */
void kvm_irqchip_collect(struct kvm_cpu *c);
/* HLT and waiting for a start-up IPI. */
bool kvm_irqchip_put_waits(struct kvm_cpu *c);
bool kvm_irqchip_take_waits(struct kvm_cpu *c);
/* The PIC's vector. */
bool kvm_irqchip_interrupt(struct kvm_cpu *c, uint8_t vector);
/* KVM_EXIT_IOAPIC_EOI */
void kvm_irqchip_eoi(struct kvm_cpu *c);

#endif
