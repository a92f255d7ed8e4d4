/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_DEVICES_RIG_H
#define CALQUE_TESTS_DEVICES_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "vm/machine.h"

/* A machine without CPUs for tests of one chip: time is a number that the test sets, and lines end
 * in counters. */
struct rig {
    struct machine m;
    uint64_t now;
    bool level[4];
    unsigned rises[4];
};

static inline uint64_t rig_retired(void *opaque)
{
    return ((struct rig *)opaque)->now;
}

static inline void rig_init(struct rig *r)
{
    struct error err;

    *r = (struct rig){.now = 0};
    assert_true(machine_init(&r->m, 1 << 20, 0, &err));
    vm_clock_use_icount(&r->m.clock, 0, false, rig_retired, r);
    machine_lock(&r->m);
}

static inline void rig_end(struct rig *r)
{
    machine_unlock(&r->m);
    machine_destroy(&r->m);
}

/* Lets time pass, stopping at each deadline on the way. */
static inline void rig_pass(struct rig *r, uint64_t ns)
{
    uint64_t end = r->now + ns, deadline;

    while ((deadline = vm_clock_deadline(&r->m.clock)) <= end) {
        if (deadline > r->now)
            r->now = deadline;
        vm_clock_run_timers(&r->m.clock);
    }
    r->now = end;
}

static inline void rig_set(void *owner, unsigned n, bool level)
{
    struct rig *r = owner;

    r->rises[n] += level && !r->level[n];
    r->level[n] = level;
}

static inline struct irq_line rig_line(struct rig *r, unsigned n)
{
    return (struct irq_line){.set = rig_set, .owner = r, .n = n};
}

static inline uint8_t rig_in(struct rig *r, uint16_t port)
{
    return address_space_read(&r->m.io, port, 1);
}

static inline void rig_out(struct rig *r, uint16_t port, uint8_t v)
{
    address_space_write(&r->m.io, port, v, 1);
}

/* 1 MiB of memory, from 0. */
static inline void rig_add_memory(struct rig *r, struct region *ram)
{
    region_init_memory(ram, "ram", 1 << 20, 0, 0);
    region_add(&r->m.mem, ram, 0, -2);
}

/* Random accesses to a range of ports with time passing in between; must only not crash. */
static inline void rig_fuzz(struct rig *r, uint16_t port, unsigned count, uint32_t seed)
{
    for (unsigned i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        uint16_t at = port + (seed >> 8) % count;
        if (seed >> 31)
            rig_out(r, at, seed >> 20);
        else
            rig_in(r, at);
        r->now += (seed >> 12) & 0xfff;
        if (i % 16 == 0)
            vm_clock_run_timers(&r->m.clock);
        if (i % 4096 == 0)
            devices_reset(&r->m);
    }
}

/* Saving and loading again must change nothing. */
static inline void rig_round_trip(struct rig *r, struct device *d)
{
    struct state_stream s = {0};
    struct error err = {{0}};
    uint64_t before = state_digest_fields(d->class->fields, d, 0);

    assert_true(devices_save(&r->m, &s));
    s.pos = 0;
    if (!devices_load(&r->m, &s, &err))
        fail_msg("%s", err.text);
    assert_true(before == state_digest_fields(d->class->fields, d, 0));
    state_stream_free(&s);
}

#endif
