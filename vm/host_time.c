/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/host_time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "vm/clock.h"

#define SYNC_NS        1000000u            /* a line is replaced when it is that old */
#define WINDOW_MIN_NS  (10 * 1000 * 1000u) /* measured first, and at last */
#define WINDOW_MAX_NS  (1000 * 1000 * 1000u)
#define SAMPLE_TICKS   3000u /* asking the host took longer: not for measuring */
#define SAMPLE_TRIES   3u
#define FLATTER_SHIFT  15           /* lines are by 2^-15 too flat, */
#define DEVIATES_SHIFT 10           /* and slopes that differ by 2^-10 are of other clocks */
#define SLOPE_MAX      (8ull << 32) /* a counter of less than 125 MHz */

uint64_t host_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* The kernel watches the counter while it is its clock, and takes another one when cores disagree
 * (Linux Documentation/ABI/testing/sysfs-devices-system-clocksource). */
static bool kernel_trusts_counter(void)
{
    char name[16] = "";
    FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");

    if (!f)
        return false;
    bool read = fgets(name, sizeof(name), f);
    fclose(f);
    return read && !strcmp(name, "tsc\n");
}

/* CPUID 8000'0007H EDX[8]. */
static bool counter_is_invariant(void)
{
#ifdef __x86_64__
    uint32_t r[4];

    return __get_cpuid(0x80000007, &r[0], &r[1], &r[2], &r[3]) && r[3] >> 8 & 1;
#else
    return false;
#endif
}

void host_time_init(struct host_time *t)
{
    *t = (struct host_time){.usable = counter_is_invariant() && kernel_trusts_counter(),
                            .window = WINDOW_MIN_NS};
}

/* Both at one moment. False: they may be further apart. */
static bool sample(uint64_t *ticks, uint64_t *ns)
{
    for (unsigned n = 0; n < SAMPLE_TRIES; n++) {
        uint64_t before = host_ticks();

        *ns = host_now();
        *ticks = host_ticks();
        if (*ticks - before < SAMPLE_TICKS)
            return true;
    }
    return false;
}

static void start_measuring(struct host_time *t, uint64_t ticks, uint64_t ns)
{
    t->anchor_ticks = ticks;
    t->anchor_ns = ns;
}

/* What was measured is of another clock: the host has slept, or is another one. */
static void measure_anew(struct host_time *t, uint64_t ticks, uint64_t ns)
{
    t->slope = 0;
    t->window = WINDOW_MIN_NS;
    start_measuring(t, ticks, ns);
}

static void measure(struct host_time *t, uint64_t ticks, uint64_t ns)
{
    uint64_t by = ticks - t->anchor_ticks, in = ns - t->anchor_ns, slope, off;

    if (!t->anchor_ns) {
        start_measuring(t, ticks, ns);
        return;
    }
    if (in < t->window)
        return;
    if (!by || (unsigned __int128)in << 32 > (unsigned __int128)SLOPE_MAX * by) {
        measure_anew(t, ticks, ns);
        return;
    }
    slope = (uint64_t)(((unsigned __int128)in << 32) / by);
    off = slope > t->slope ? slope - t->slope : t->slope - slope;
    if (t->slope && off > t->slope >> DEVIATES_SHIFT) {
        measure_anew(t, ticks, ns);
        return;
    }
    t->slope = slope;
    t->window = 2 * t->window < WINDOW_MAX_NS ? 2 * t->window : WINDOW_MAX_NS;
    start_measuring(t, ticks, ns);
}

/* At most its end, at least its start. */
static uint64_t on_line(const struct host_time *t, uint64_t ticks)
{
    uint64_t after = ticks - __atomic_load_n(&t->ticks, __ATOMIC_ACQUIRE);
    uint64_t length = __atomic_load_n(&t->length, __ATOMIC_ACQUIRE);
    uint64_t base = __atomic_load_n(&t->ns, __ATOMIC_ACQUIRE);

    if ((int64_t)after < 0)
        return base;
    return base +
           ((after < length ? after : length) * __atomic_load_n(&t->mult, __ATOMIC_ACQUIRE) >> 32);
}

/* A line that has left the host's time far behind was not of this host. */
static bool too_steep(uint64_t ns, uint64_t at)
{
    return at > ns && at - ns > SYNC_NS / 16;
}

static void start_line(struct host_time *t, uint64_t ticks, uint64_t ns)
{
    uint64_t old = on_line(t, ticks);

    if (too_steep(ns, old))
        measure_anew(t, ticks, ns);
    __atomic_store_n(&t->ticks, ticks, __ATOMIC_RELAXED);
    __atomic_store_n(&t->ns, ns > old ? ns : old, __ATOMIC_RELAXED);
    __atomic_store_n(&t->mult, t->slope - (t->slope >> FLATTER_SHIFT), __ATOMIC_RELAXED);
    __atomic_store_n(&t->length, t->slope ? ((uint64_t)HOST_TIME_LINE_NS << 32) / t->slope : 0,
                     __ATOMIC_RELAXED);
}

void host_time_sync(struct host_time *t)
{
    uint64_t ticks, ns;

    if (!t->usable || host_ticks() - t->ticks < t->length / (HOST_TIME_LINE_NS / SYNC_NS))
        return;
    __atomic_fetch_add(&t->seq, 1, __ATOMIC_SEQ_CST);
    if (sample(&ticks, &ns))
        measure(t, ticks, ns);
    start_line(t, ticks, ns);
    __atomic_fetch_add(&t->seq, 1, __ATOMIC_SEQ_CST);
}

/* Who asks the host because the line has ended must not do so while the next one starts: that may
 * start below. */
uint64_t host_time_now(const struct host_time *t)
{
    uint64_t now, end;
    uint32_t seq;
    bool ended;

    do {
        seq = __atomic_load_n(&t->seq, __ATOMIC_ACQUIRE);
        if (host_time_quick(t, &now))
            return now;
        uint64_t ticks = host_ticks();
        ended = ticks - __atomic_load_n(&t->ticks, __ATOMIC_ACQUIRE) >=
                __atomic_load_n(&t->length, __ATOMIC_ACQUIRE);
        end = on_line(t, ticks);
        now = host_now();
    } while (!ended || seq & 1 || __atomic_load_n(&t->seq, __ATOMIC_SEQ_CST) != seq);
    return now > end ? now : end;
}
