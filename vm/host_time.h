/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_HOST_TIME_H
#define CALQUE_VM_HOST_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* The host's monotonic time, in ns. Between two calls of host_time_sync() it is extrapolated from
 * the host's time stamp counter, where that counts evenly, whatever core and power state (SDM vol.
 * 3B 17.17.1), and the host's kernel trusts it: a guest that asks for the time all the time would
 * spend it asking the host. It never goes backwards, whoever asks.
 *
 * The writer makes `seq` odd, asks the host, and starts a new line, not below the old one, at what
 * it was told; lines are a little too flat, so that in the ordinary case the next one starts a few
 * ns above. A line ends after HOST_TIME_LINE_NS: whoever comes later asks the host himself, and so
 * does everybody who finds that the counter was set back, as when the host has slept. */
struct host_time {
    bool usable;                      /* the counter is as described */
    uint32_t seq;                     /* odd while the line changes */
    uint64_t ticks, ns;               /* where the line starts */
    uint64_t mult;                    /* its slope, ns << 32 per tick */
    uint64_t length;                  /* in ticks; 0: none yet */
    uint64_t anchor_ticks, anchor_ns; /* a moment from which the slope is measured; 0: none */
    uint64_t slope;                   /* as measured; 0: not yet */
    uint64_t window;                  /* for so many ns; it grows */
};

#define HOST_TIME_LINE_NS 4000000u

/* The host's monotonic time, in ns, from the host itself: for how long the program waits or took.
 * No guest may see it. */
uint64_t host_now(void);

void host_time_init(struct host_time *t);
/* Asks the host if that is due; often, by one thread at a time. */
void host_time_sync(struct host_time *t);
uint64_t host_time_now(const struct host_time *t);

static inline uint64_t host_ticks(void)
{
#ifdef __x86_64__
    uint32_t low, high;

    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
    return low | (uint64_t)high << 32;
#else
    return 0;
#endif
}

/* Without asking the host, and calling nothing. False: that is necessary. The product has fewer
 * than 64 bits: HOST_TIME_LINE_NS << 32. */
static inline bool host_time_quick(const struct host_time *t, uint64_t *ns)
{
    uint32_t seq = __atomic_load_n(&t->seq, __ATOMIC_ACQUIRE);
    uint64_t from = __atomic_load_n(&t->ticks, __ATOMIC_ACQUIRE);
    uint64_t base = __atomic_load_n(&t->ns, __ATOMIC_ACQUIRE);
    uint64_t mult = __atomic_load_n(&t->mult, __ATOMIC_ACQUIRE);
    uint64_t length = __atomic_load_n(&t->length, __ATOMIC_ACQUIRE), after = host_ticks() - from;

    *ns = base + (after * mult >> 32);
    return after < length && !(seq & 1) && __atomic_load_n(&t->seq, __ATOMIC_ACQUIRE) == seq;
}

#endif
