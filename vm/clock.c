/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtual time and its timers: a binary heap ordered by deadline, then by order of arming.
 *
 * vm_clock_now() is the only function called without the machine lock. In host mode it reads
 * `running` and `offset`; the offset is published before `running` is set, and while the machine
 * runs neither changes, so a CPU that reads its TSC sees one of the two consistent states. */
#include "vm/clock.h"

#include <stdlib.h>
#include <string.h>

#include "vm/vm_internal.h"

#define ICOUNT_SHIFT_MAX     10
#define ICOUNT_ADAPT_HOST_NS (100 * 1000 * 1000ull)

void vm_clock_init(struct vm_clock *c)
{
    memset(c, 0, sizeof(*c));
    host_time_init(&c->host);
}

void vm_clock_destroy(struct vm_clock *c)
{
    free(c->heap);
    c->heap = NULL;
    c->nheap = c->heap_capacity = 0;
}

void vm_clock_use_icount(struct vm_clock *c, unsigned shift, bool adapt,
                         uint64_t (*retired)(void *), void *opaque)
{
    c->mode = VM_CLOCK_ICOUNT;
    c->icount_shift = shift;
    c->icount_auto = adapt;
    c->retired = retired;
    c->retired_opaque = opaque;
}

static uint64_t icount_insns_ns(const struct vm_clock *c)
{
    return c->retired(c->retired_opaque) << c->icount_shift;
}

uint64_t vm_clock_now(const struct vm_clock *c)
{
    if (c->mode == VM_CLOCK_ICOUNT)
        return icount_insns_ns(c) + c->skipped;
    if (!__atomic_load_n(&c->running, __ATOMIC_ACQUIRE))
        return __atomic_load_n(&c->stopped_at, __ATOMIC_RELAXED);
    return host_time_now(&c->host) + __atomic_load_n(&c->offset, __ATOMIC_RELAXED);
}

void vm_clock_sync(struct vm_clock *c)
{
    if (c->mode == VM_CLOCK_HOST)
        host_time_sync(&c->host);
}

void vm_clock_start(struct vm_clock *c)
{
    if (c->running)
        return;
    if (c->mode == VM_CLOCK_ICOUNT) {
        c->auto_host = host_time_now(&c->host);
        c->auto_count = c->retired(c->retired_opaque);
    } else {
        __atomic_store_n(&c->offset, c->stopped_at - host_time_now(&c->host), __ATOMIC_RELAXED);
    }
    __atomic_store_n(&c->running, true, __ATOMIC_RELEASE);
}

void vm_clock_stop(struct vm_clock *c)
{
    if (!c->running)
        return;
    __atomic_store_n(&c->stopped_at, vm_clock_now(c), __ATOMIC_RELAXED);
    __atomic_store_n(&c->running, false, __ATOMIC_RELEASE);
}

/* ---- the heap ---- */

static bool fires_before(const struct vm_timer *a, const struct vm_timer *b)
{
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->seq < b->seq);
}

static void place(struct vm_clock *c, size_t i, struct vm_timer *t)
{
    c->heap[i] = t;
    t->heap_index = i;
}

static void sift_up(struct vm_clock *c, size_t i)
{
    struct vm_timer *t = c->heap[i];

    while (i && fires_before(t, c->heap[(i - 1) / 2])) {
        place(c, i, c->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(c, i, t);
}

static void sift_down(struct vm_clock *c, size_t i)
{
    struct vm_timer *t = c->heap[i];

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= c->nheap)
            break;
        if (child + 1 < c->nheap && fires_before(c->heap[child + 1], c->heap[child]))
            child++;
        if (!fires_before(c->heap[child], t))
            break;
        place(c, i, c->heap[child]);
        i = child;
    }
    place(c, i, t);
}

static void heap_insert(struct vm_clock *c, struct vm_timer *t)
{
    if (c->nheap == c->heap_capacity) {
        size_t n = c->heap_capacity ? 2 * c->heap_capacity : 16;
        struct vm_timer **heap = realloc(c->heap, n * sizeof(struct vm_timer *));

        if (!heap)
            abort(); /* bounded by the number of timers in the machine, not by the guest */
        c->heap = heap;
        c->heap_capacity = n;
    }
    c->heap[c->nheap] = t;
    sift_up(c, c->nheap++);
}

/* ---- timers ---- */

void vm_timer_init(struct vm_timer *t, struct vm_clock *c, vm_timer_fn *fn, void *opaque)
{
    *t = (struct vm_timer){
        .clock = c, .fn = fn, .opaque = opaque, .deadline = VM_TIME_NEVER, .heap_index = SIZE_MAX};
}

void vm_timer_cancel(struct vm_timer *t)
{
    struct vm_clock *c = t->clock;
    size_t i = t->heap_index;

    if (!vm_timer_armed(t))
        return;
    t->heap_index = SIZE_MAX;
    t->deadline = VM_TIME_NEVER;
    if (i == --c->nheap)
        return;
    place(c, i, c->heap[c->nheap]);
    sift_down(c, i);
    sift_up(c, i);
}

static void arm(struct vm_timer *t, uint64_t deadline, uint64_t seq)
{
    struct vm_clock *c = t->clock;
    uint64_t earliest = vm_clock_deadline(c);

    vm_timer_cancel(t);
    if (deadline == VM_TIME_NEVER)
        return;
    t->deadline = deadline;
    t->seq = seq;
    heap_insert(c, t);
    if (deadline < earliest && c->rearmed)
        c->rearmed(c->rearmed_opaque);
}

void vm_timer_arm(struct vm_timer *t, uint64_t deadline)
{
    arm(t, deadline, t->clock->next_seq++);
}

void vm_timer_restore(struct vm_timer *t, uint64_t deadline, uint64_t seq)
{
    if (seq >= t->clock->next_seq)
        t->clock->next_seq = seq + 1;
    arm(t, deadline, seq);
}

uint64_t vm_clock_deadline(const struct vm_clock *c)
{
    return c->nheap ? c->heap[0]->deadline : VM_TIME_NEVER;
}

/* icount auto: picks the shift at which executing takes as long in virtual time as it took on the
 * host. The jump that a new shift would make is taken back through `skipped`. */
static void adapt_shift(struct vm_clock *c)
{
    uint64_t host = host_time_now(&c->host), count = c->retired(c->retired_opaque);
    uint64_t before = icount_insns_ns(c), insns = count - c->auto_count;
    uint64_t elapsed = host - c->auto_host;
    unsigned shift = 0;

    if (elapsed < ICOUNT_ADAPT_HOST_NS)
        return;
    c->auto_host = host;
    c->auto_count = count;
    /* A machine that mostly slept says nothing about its speed. */
    if (insns < ICOUNT_ADAPT_HOST_NS >> ICOUNT_SHIFT_MAX)
        return;
    while (shift < ICOUNT_SHIFT_MAX && (insns << shift) + (insns << shift) / 2 < elapsed)
        shift++;
    c->icount_shift = shift;
    c->skipped += before - icount_insns_ns(c);
}

void vm_clock_run_timers(struct vm_clock *c)
{
    /* Timers armed by the functions called here wait for the next call, even if they are due: a
     * guest that programs an absurd rate must not keep the host in this loop. */
    uint64_t now, armed_before = c->next_seq;

    if (c->mode == VM_CLOCK_ICOUNT && c->icount_auto)
        adapt_shift(c);
    now = vm_clock_now(c);
    while (c->nheap && c->heap[0]->deadline <= now && c->heap[0]->seq < armed_before) {
        struct vm_timer *t = c->heap[0];

        vm_timer_cancel(t);
        c->fired++;
        t->fn(t->opaque);
    }
}

uint64_t vm_clock_insns_to_deadline(const struct vm_clock *c, uint64_t max)
{
    uint64_t deadline = vm_clock_deadline(c), now = vm_clock_now(c), ns, insns;

    if (deadline == VM_TIME_NEVER)
        return max;
    if (deadline <= now)
        return 0;
    ns = deadline - now;
    insns = ns >> c->icount_shift;
    insns += (ns & ((1ull << c->icount_shift) - 1)) != 0;
    return insns < max ? insns : max;
}

void vm_clock_skip_to(struct vm_clock *c, uint64_t time)
{
    uint64_t now = vm_clock_now(c);

    if (time > now)
        c->skipped += time - now;
}

bool vm_clock_skip_to_deadline(struct vm_clock *c)
{
    uint64_t deadline = vm_clock_deadline(c);

    if (deadline == VM_TIME_NEVER)
        return false;
    vm_clock_skip_to(c, deadline);
    return true;
}

int64_t vm_clock_host_wait(const struct vm_clock *c)
{
    uint64_t deadline = vm_clock_deadline(c), now = vm_clock_now(c);

    if (deadline == VM_TIME_NEVER || !c->running)
        return -1;
    if (deadline <= now)
        return 0;
    return deadline - now > INT64_MAX ? INT64_MAX : (int64_t)(deadline - now);
}
