/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_VCPU_H
#define CALQUE_VM_VCPU_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vm/state.h"

/* What the machine knows of a processor: a thing that runs until asked to stop. The processor
 * embeds struct vcpu as its first member. */

struct machine;
struct vcpu;

/* Why vcpu_ops.run came back. */
enum vcpu_exit {
    VCPU_EXIT_SLICE,    /* budget used up or exit_req seen */
    VCPU_EXIT_HALT,     /* waiting for an interrupt */
    VCPU_EXIT_YIELD,    /* waiting for another CPU: its turn ends */
    VCPU_EXIT_REQUEST,  /* the guest did something that changed run control (reset, power-off) */
    VCPU_EXIT_SHUTDOWN, /* triple fault */
    VCPU_EXIT_DEBUG,    /* breakpoint or single step */
    VCPU_EXIT_DOUBLE_FAULT, /* one was delivered, while run.triple_fault_pauses */
};

struct vcpu_ops {
    /* Runs guest code without the machine lock for at most `budget` instructions. */
    enum vcpu_exit (*run)(struct vcpu *, uint64_t budget);
    void (*reset)(struct vcpu *);           /* leaves struct vcpu alone but for `halted` */
    uint64_t (*place)(const struct vcpu *); /* linear address of the next instruction */
    bool (*has_work)(const struct vcpu *);  /* halted, but an interrupt is deliverable */
    void (*map_changed)(struct vcpu *);     /* memory map changed: drop TLBs */
    void (*ports_changed)(struct vcpu *);   /* likewise ports; NULL: no matter */
    /* Not NULL: setting exit_req is not enough to end run(). Any thread, after it is set. */
    void (*kick)(struct vcpu *);
    /* Not NULL: the machine stopped, and others will look at registers and memory. Lock held. */
    void (*stopped)(struct vcpu *);
    void (*destroy)(struct vcpu *);
    const struct state_field *fields;
    unsigned fields_version;
    void (*pre_save)(struct vcpu *); /* brings lazily kept state into the fields */
    bool (*post_load)(struct vcpu *, struct error *err);
};

struct vcpu {
    /* Instructions left until the next event. Written by the vCPU thread only. Run control may
     * lower it during a device access (a timer was armed that is due earlier), never below 1: the
     * engine reads it again after each. The engine stops at 0 or before, never below. */
    int64_t budget;
    /* Set by any thread; seen at the next block head or HLT. */
    atomic_uint exit_req;
    bool halted;
    unsigned index;
    uint64_t retired_base; /* instructions retired when budget was `slice` */
    uint64_t slice;        /* the budget given at the start of the slice */
    struct machine *m;
    const struct vcpu_ops *ops;
    /* In guest code, on that thread; only for exclusive.c. */
    bool inside;
    pthread_t thread;
    pthread_t own_thread; /* run control's, where each has one */
    bool own_thread_live;
    int thread_id; /* of whatever runs it, as the host numbers it; 0 before it runs */
};

/* Instructions retired, exact whenever the engine has settled its budget (at any device access). */
static inline uint64_t vcpu_retired(const struct vcpu *v)
{
    return v->retired_base + (v->slice - (uint64_t)v->budget);
}

/* Starts a slice: retired_base takes up what the last one used. Run control calls it. */
static inline void vcpu_begin_slice(struct vcpu *v, uint64_t budget)
{
    v->retired_base = vcpu_retired(v);
    v->slice = budget;
    v->budget = (int64_t)budget;
}

/* Makes the vCPU leave guest code soon, or wakes it from a halt. Any thread; to be sure to
 * wake it, with the machine lock held. */
void vcpu_kick(struct vcpu *v);

#endif
