/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/timer/hpet.h"
#include "tests/devices/rig.h"

#define BASE  HPET_BASE
#define TICK  ((uint64_t)HPET_TICK_NS)
#define T(n)  (0x100u + 0x20 * (n))
#define EDGE  0x0004u
#define LEVEL 0x0006u
#define PER   0x0008u
#define SET   0x0040u
#define M32   0x0100u

struct hpet_rig {
    struct rig r; /* lines: 0 and 1 are IRQ 0 and 8, 2 and 3 the routes 16 and 17 */
    struct hpet h;
};

static void start(struct hpet_rig *t)
{
    struct irq_line lines[32] = {{0}}, legacy[2];

    rig_init(&t->r);
    legacy[0] = rig_line(&t->r, 0);
    legacy[1] = rig_line(&t->r, 1);
    lines[16] = rig_line(&t->r, 2);
    lines[17] = rig_line(&t->r, 3);
    hpet_init(&t->h, &t->r.m, "hpet", BASE, lines, legacy);
}

static uint64_t get(struct hpet_rig *t, unsigned reg, unsigned size)
{
    return address_space_read(&t->r.m.mem, BASE + reg, size);
}

static void put(struct hpet_rig *t, unsigned reg, uint64_t value, unsigned size)
{
    address_space_write(&t->r.m.mem, BASE + reg, value, size);
}

static uint32_t route(unsigned to)
{
    return to << 9;
}

static void capabilities(void **state)
{
    struct hpet_rig t;

    (void)state;
    start(&t);
    assert_int_equal(get(&t, 0, 8), 0x009896808086a201);
    assert_int_equal(get(&t, 4, 4), 10000000);
    put(&t, 0, UINT64_MAX, 8);
    assert_int_equal(get(&t, 0, 4), HPET_ID);
    put(&t, T(2), UINT64_MAX, 8); /* route 31 is not offered, nor is FSB */
    assert_int_equal(get(&t, T(2), 8), 0x000300000000013e);
    put(&t, T(2), route(17), 4);
    assert_int_equal(get(&t, T(2), 8), 0x0003000000002230);
    put(&t, T(2), route(18), 4);
    assert_int_equal(get(&t, T(2), 4), 0x2230);
    assert_int_equal(get(&t, T(3), 8), 0);
    assert_int_equal(get(&t, T(0) + 8, 8), UINT64_MAX);
    assert_int_equal(get(&t, 4, 8), 0); /* not aligned */
    rig_end(&t.r);
}

static void counter(void **state)
{
    struct hpet_rig t;

    (void)state;
    start(&t);
    rig_pass(&t.r, 1000 * TICK);
    assert_int_equal(get(&t, 0xf0, 8), 0);
    put(&t, 0xf0, 0xfffffff0, 4);
    put(&t, 0xf4, 1, 4);
    put(&t, 0x10, 1, 4);
    rig_pass(&t.r, 0x20 * TICK);
    assert_int_equal(get(&t, 0xf0, 8), 0x200000010);
    assert_int_equal(get(&t, 0xf4, 4), 2);
    put(&t, 0x10, 0, 4);
    rig_pass(&t.r, 1000 * TICK);
    assert_int_equal(get(&t, 0xf0, 8), 0x200000010);
    rig_end(&t.r);
}

static void one_shot_edge(void **state)
{
    struct hpet_rig t;

    (void)state;
    start(&t);
    put(&t, T(0), EDGE | route(16), 4);
    put(&t, T(0) + 8, 100, 8);
    rig_pass(&t.r, 1000 * TICK);
    assert_int_equal(t.r.rises[2], 0); /* the counter is halted */
    put(&t, 0x10, 1, 8);
    rig_pass(&t.r, 99 * TICK);
    assert_int_equal(t.r.rises[2], 0);
    rig_pass(&t.r, TICK);
    assert_int_equal(t.r.rises[2], 1);
    assert_int_equal(get(&t, 0x20, 8), 0);
    rig_pass(&t.r, NS_PER_SEC);
    assert_int_equal(t.r.rises[2], 1);
    put(&t, T(0) + 8, get(&t, 0xf0, 8) - 1, 8); /* just missed: once round */
    rig_pass(&t.r, NS_PER_SEC);
    assert_int_equal(t.r.rises[2], 1);
    put(&t, T(0) + 8, get(&t, 0xf0, 8), 8); /* equal: now */
    assert_int_equal(t.r.rises[2], 2);
    rig_end(&t.r);
}

static void one_shot_32_bit_comes_again(void **state)
{
    struct hpet_rig t;

    (void)state;
    start(&t);
    put(&t, T(1), EDGE | M32 | route(17), 4);
    put(&t, T(1) + 8, 0xabc00000064, 8);
    assert_int_equal(get(&t, T(1) + 8, 8), 0x64);
    put(&t, 0x10, 1, 8);
    rig_pass(&t.r, 100 * TICK);
    assert_int_equal(t.r.rises[3], 1);
    rig_pass(&t.r, (TICK << 32) - TICK);
    assert_int_equal(t.r.rises[3], 1);
    rig_pass(&t.r, TICK);
    assert_int_equal(t.r.rises[3], 2);
    rig_end(&t.r);
}

static void level(void **state)
{
    struct hpet_rig t;

    (void)state;
    start(&t);
    put(&t, T(2), LEVEL | PER | SET | route(16), 4);
    put(&t, T(2) + 8, 50, 8);
    put(&t, T(1), (LEVEL & ~EDGE) | route(17), 4); /* not enabled: status all the same */
    put(&t, T(1) + 8, 60, 8);
    put(&t, 0x10, 1, 8);
    rig_pass(&t.r, 60 * TICK);
    assert_true(t.r.level[2]);
    assert_false(t.r.level[3]);
    assert_int_equal(get(&t, 0x20, 4), 6);
    put(&t, 0x20, 2, 4);
    assert_true(t.r.level[2]);
    put(&t, 0x20, 4, 4);
    assert_false(t.r.level[2]);
    assert_int_equal(get(&t, 0x20, 4), 0);
    rig_pass(&t.r, 40 * TICK);
    assert_int_equal(t.r.rises[2], 2);
    put(&t, T(2), EDGE | route(16), 4); /* no longer level: the status is gone */
    assert_false(t.r.level[2]);
    assert_int_equal(get(&t, 0x20, 4), 0);
    rig_end(&t.r);
}

/* The accumulator (2.3.9.2.2): what Linux and the specification do to start a periodic timer. */
static void periodic(void **state)
{
    struct hpet_rig t;

    (void)state;
    start(&t);
    put(&t, T(0), EDGE | PER | SET | M32 | route(16), 4);
    assert_int_equal(get(&t, T(0), 4) & SET, 0);
    put(&t, T(0) + 8, 0xffffff00, 4); /* the comparator, */
    put(&t, T(0) + 8, 0x80, 4);       /* then the period */
    assert_int_equal(get(&t, T(0) + 8, 8), 0xffffff00);
    put(&t, 0xf0, 0xfffffe80, 8);
    put(&t, 0x10, 1, 4);
    rig_pass(&t.r, 0x7f * TICK);
    assert_int_equal(t.r.rises[2], 0);
    rig_pass(&t.r, TICK);
    assert_int_equal(t.r.rises[2], 1);
    rig_pass(&t.r, 0x100 * TICK);
    assert_int_equal(t.r.rises[2], 3);
    assert_int_equal(get(&t, T(0) + 8, 8), 0x80);
    t.r.now += 1000 * 0x80 * TICK; /* the host is late: one interrupt, and the phase is kept */
    vm_clock_run_timers(&t.r.m.clock);
    assert_int_equal(t.r.rises[2], 4);
    assert_int_equal(get(&t, T(0) + 8, 8), 0x80 + 1000 * 0x80);
    rig_round_trip(&t.r, &t.h.dev);
    rig_pass(&t.r, 10 * 0x80 * TICK);
    assert_int_equal(t.r.rises[2], 14);
    rig_end(&t.r);
}

/* 64-bit comparator in halves: VAL_SET is needed for each. */
static void periodic_64_bit_by_halves(void **state)
{
    struct hpet_rig t;

    (void)state;
    start(&t);
    put(&t, T(0), PER | SET, 4);
    put(&t, T(0) + 8, 0x11111111, 4);
    put(&t, T(0) + 12, 0x22222222, 4);
    assert_int_equal(get(&t, T(0) + 8, 8), 0xffffffff11111111);
    put(&t, T(0), PER | SET, 4);
    put(&t, T(0) + 12, 0x33333333, 4);
    assert_int_equal(get(&t, T(0) + 8, 8), 0x3333333311111111);
    rig_end(&t.r);
}

static void legacy_replacement(void **state)
{
    struct hpet_rig t;
    struct irq_line pit, rtc;

    (void)state;
    start(&t);
    pit = hpet_legacy_in(&t.h, 0);
    rtc = hpet_legacy_in(&t.h, 1);
    irq_set(pit, true);
    assert_true(t.r.level[0]);
    irq_set(pit, false);
    put(&t, T(0), EDGE | route(16), 4);
    put(&t, T(0) + 8, 100, 8);
    put(&t, T(1), LEVEL | route(16), 4);
    put(&t, T(1) + 8, 200, 8);
    put(&t, T(2), LEVEL | route(17), 4);
    put(&t, T(2) + 8, 300, 8);
    put(&t, 0x10, 2, 8); /* without ENABLE_CNF it is not in force */
    irq_set(rtc, true);
    assert_int_equal(t.r.rises[1], 1);
    put(&t, 0x10, 3, 8);
    assert_false(t.r.level[1]); /* the RTC is cut off */
    irq_pulse(pit);
    assert_int_equal(t.r.rises[0], 1);
    rig_pass(&t.r, 300 * TICK);
    assert_int_equal(t.r.rises[0], 2);
    assert_int_equal(t.r.rises[1], 2);
    assert_int_equal(t.r.rises[2], 0); /* the routes of timers 0 and 1 do not matter */
    assert_int_equal(t.r.rises[3], 1);
    rig_round_trip(&t.r, &t.h.dev);
    put(&t, 0x10, 1, 8);
    assert_false(t.r.level[0]);
    assert_true(t.r.level[1]); /* the RTC's level again */
    rig_end(&t.r);
}

static void refuses_damaged_state(void **state)
{
    struct hpet_rig t;
    struct error err = {""};

    (void)state;
    start(&t);
    t.h.since = t.r.now + 1;
    assert_false(t.h.dev.class->post_load(&t.h.dev, &err));
    t.h.since = 0;
    t.h.timers[1].config = 0x80000000;
    assert_false(t.h.dev.class->post_load(&t.h.dev, &err));
    rig_end(&t.r);
}

static void fuzz(void **state)
{
    struct hpet_rig t;
    uint32_t seed = 1;

    (void)state;
    start(&t);
    for (unsigned i = 0; i < 40000; i++) {
        seed = seed * 1664525 + 1013904223;
        unsigned reg = (seed >> 8) % (T(HPET_TIMERS) + 16), size = 1u << (seed >> 20) % 4;
        if (seed >> 31)
            put(&t, reg, (uint64_t)seed * 0x9e3779b97f4a7c15, size);
        else
            get(&t, reg, size);
        t.r.now += (seed >> 12) & 0xffff;
        vm_clock_run_timers(&t.r.m.clock);
        if (i % 1000 == 0)
            rig_round_trip(&t.r, &t.h.dev);
        if (i % 4096 == 0)
            devices_reset(&t.r.m);
    }
    rig_end(&t.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capabilities),
        cmocka_unit_test(counter),
        cmocka_unit_test(one_shot_edge),
        cmocka_unit_test(one_shot_32_bit_comes_again),
        cmocka_unit_test(level),
        cmocka_unit_test(periodic),
        cmocka_unit_test(periodic_64_bit_by_halves),
        cmocka_unit_test(legacy_replacement),
        cmocka_unit_test(refuses_damaged_state),
        cmocka_unit_test(fuzz),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
