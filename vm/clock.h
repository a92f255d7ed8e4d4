/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_CLOCK_H
#define CALQUE_VM_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/host_time.h"

/* Virtual time, in nanoseconds since the machine was powered on, and the queue of timers on it.
 * The clock runs on host time (it stands still while the machine is stopped) or, with -icount, on
 * retired instructions: now = instructions << shift, plus the time skipped while halted.
 * Nothing outside vm/clock.c and vm/host_time.c asks the host what time it is.
 * All functions are called with the machine lock held, except vm_clock_now() and
 * vm_clock_now_quick(). */

#define NS_PER_SEC    1000000000ull
#define VM_TIME_NEVER UINT64_MAX

struct vm_clock;
typedef void vm_timer_fn(void *opaque);

struct vm_timer {
    struct vm_clock *clock;
    vm_timer_fn *fn;
    void *opaque;
    uint64_t deadline; /* ns of virtual time, VM_TIME_NEVER when not armed */
    uint64_t seq;      /* order of arming: equal deadlines fire in this order */
    size_t heap_index; /* position in the clock's heap, SIZE_MAX when not armed */
};

enum vm_clock_mode { VM_CLOCK_HOST, VM_CLOCK_ICOUNT };

struct vm_clock {
    enum vm_clock_mode mode;
    bool running;
    unsigned icount_shift; /* ns per instruction = 1 << shift */
    bool icount_auto;      /* shift adapts so that virtual time keeps up with host time */
    struct host_time host;
    uint64_t offset;                /* host mode: virtual = host monotonic + offset while running */
    uint64_t stopped_at;            /* virtual time while not running */
    uint64_t skipped;               /* icount mode: ns skipped by halts (and by changes of shift) */
    uint64_t auto_count, auto_host; /* icount auto: sample of the last adjustment */
    uint64_t (*retired)(void *opaque); /* icount mode: instructions retired, exact at any access */
    void *retired_opaque;
    struct vm_timer **heap;
    size_t nheap, heap_capacity;
    uint64_t next_seq;
    uint64_t fired; /* timers so far: with icount, a machine's place in its history */
    void (*rearmed)(void *opaque); /* the earliest deadline became earlier: wake whoever waits */
    void *rearmed_opaque;
};

void vm_clock_init(struct vm_clock *c);
void vm_clock_destroy(struct vm_clock *c);

/* Selects instruction counting; before the machine runs. `retired` is called by vm_clock_now(). */
void vm_clock_use_icount(struct vm_clock *c, unsigned shift, bool adapt,
                         uint64_t (*retired)(void *), void *opaque);

/* Starts and stops the flow of time (run control does). */
void vm_clock_start(struct vm_clock *c);
void vm_clock_stop(struct vm_clock *c);

uint64_t vm_clock_now(const struct vm_clock *c);

/* Now and then while CPUs run, several times a millisecond at best: keeps time quick to read. */
void vm_clock_sync(struct vm_clock *c);

/* What vm_clock_now() would return, without calling anything. False: it has to be called. */
static inline bool vm_clock_now_quick(const struct vm_clock *c, uint64_t *now)
{
    uint64_t host;

    if (c->mode != VM_CLOCK_HOST || !__atomic_load_n(&c->running, __ATOMIC_ACQUIRE) ||
        !host_time_quick(&c->host, &host))
        return false;
    *now = host + __atomic_load_n(&c->offset, __ATOMIC_RELAXED);
    return true;
}

/* Deadline of the earliest armed timer, or VM_TIME_NEVER. */
uint64_t vm_clock_deadline(const struct vm_clock *c);

/* Runs every timer whose deadline is not after now. A timer is disarmed before its function runs,
 * and may arm itself again. */
void vm_clock_run_timers(struct vm_clock *c);

/* icount: instructions until the earliest deadline, rounded up, at most max. */
uint64_t vm_clock_insns_to_deadline(const struct vm_clock *c, uint64_t max);

/* icount: jumps to the earliest deadline (all CPUs are halted). False when nothing is armed. */
bool vm_clock_skip_to_deadline(struct vm_clock *c);
/* icount: jumps to a time, if it is not past. */
void vm_clock_skip_to(struct vm_clock *c, uint64_t time);

/* Host mode: host nanoseconds to wait until the earliest deadline; -1 for ever. */
int64_t vm_clock_host_wait(const struct vm_clock *c);

void vm_timer_init(struct vm_timer *t, struct vm_clock *c, vm_timer_fn *fn, void *opaque);
/* Arms (or moves) the timer; a deadline in the past fires at the next opportunity. */
void vm_timer_arm(struct vm_timer *t, uint64_t deadline);
void vm_timer_cancel(struct vm_timer *t);
static inline bool vm_timer_armed(const struct vm_timer *t)
{
    return t->heap_index != SIZE_MAX;
}

/* a * b / c without overflow in between: how counters are derived from time. c is not 0. */
static inline uint64_t muldiv64(uint64_t a, uint64_t b, uint64_t c)
{
    return (uint64_t)((unsigned __int128)a * b / c);
}

#endif
