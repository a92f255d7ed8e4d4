/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_MACHINE_H
#define CALQUE_VM_MACHINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "vm/clock.h"
#include "vm/device.h"
#include "vm/digest.h"
#include "vm/exclusive.h"
#include "vm/input.h"
#include "vm/irq.h"
#include "vm/memory.h"
#include "vm/run.h"
#include "vm/vcpu.h"

/* Writes of CPUs that an engine keeps for a while (memory.h); all NULL: none does. */
struct kept_writes {
    void (*settle)(void *opaque); /* makes those that wait; cheap if there are none */
    void (*kick)(void *opaque);   /* makes the kicks */
    void *opaque;
    atomic_int fd; /* readable: there are kicks; -1 */
};

/* A machine owns everything; there are no globals, so several live in one process.
 *
 * Lock: `lock` guards device state, the clock's queue, the memory map and run control. It is taken
 * for device accesses, timer callbacks, input delivery and monitor commands, never while guest
 * code runs; by CPUs as exclusive.h says. */
struct machine {
    struct log log;
    pthread_mutex_t lock;
    struct arena arena;
    struct address_space mem, io;
    struct vm_clock clock;
    struct device *devices, **devices_tail;
    struct vcpu **cpus;
    unsigned ncpus;
    struct run_control run;
    struct exclusive exclusive;
    struct kept_writes kept;
    struct input_source *sources;
    unsigned nsources;
    pthread_mutex_t input_lock;
    struct input_event *input_head, **input_tail;
    atomic_bool input_waiting;
    struct digest_tree digest;
    struct record *record;            /* NULL: nothing is recorded or replayed; record.h */
    struct input_source reset_source; /* a reset that is wanted outside, while there is one */
    uint64_t ram_size;                /* bytes of RAM: arena offsets [0, ram_size) */
    struct address_space_listener mem_listener, io_listener; /* tell the CPUs of a changed map */
    uint64_t wall_base;    /* icount: wall clock at virtual time 0, ns since 1970 (-rtc base) */
    uint64_t random_state; /* icount: of the generator behind input_random(); not 0 */
};

/* ram_size bytes of RAM at arena offset 0, plus `extra` bytes for ROM and video memory. */
bool machine_init(struct machine *m, uint64_t ram_size, uint64_t extra, struct error *err);
void machine_destroy(struct machine *m);
bool machine_add_cpu(struct machine *m, struct vcpu *v);
/* -icount: time is instructions retired by all CPUs. Before the machine runs. Unless the rate
 * adapts to the host the wall clock begins at a fixed date, so that runs repeat. */
void machine_use_icount(struct machine *m, unsigned shift, bool adapt);
/* Instruction counting with another course of chance: other random numbers, and turns of the CPUs
 * that are not all of the same length. The same seed gives the same run. Before it runs. */
void machine_seed(struct machine *m, uint64_t seed);
/* Instructions retired by all CPUs together. */
uint64_t machine_retired(const struct machine *m);
/* Time, CPUs and devices; not memory. Lock held, machine not running. A stream that is refused
 * before the first post_load leaves the CPU or device it names, and those after it, unchanged. */
bool machine_save(struct machine *m, struct state_stream *s);
bool machine_load(struct machine *m, struct state_stream *s, struct error *err);
/* Whether two states of this machine differ; *text names the first field that does. */
bool machine_state_differs(struct machine *m, const struct state_stream *a,
                           const struct state_stream *b, struct error *text);

/* Lock just taken: nobody sees devices as they were before a write that was kept. */
static inline void machine_settle(struct machine *m)
{
    if (__builtin_expect(m->kept.settle != NULL, 0))
        m->kept.settle(m->kept.opaque);
}
static inline void machine_lock(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    machine_settle(m);
}
/* When kept.fd is readable: the main loop. Takes the lock itself. */
void machine_take_kicks(struct machine *m);
static inline void machine_unlock(struct machine *m)
{
    pthread_mutex_unlock(&m->lock);
}

#endif
