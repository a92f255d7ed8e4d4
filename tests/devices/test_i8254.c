/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/timer/i8254.h"
#include "tests/devices/rig.h"

struct pit_rig {
    struct rig r;
    struct i8254 pit;
    unsigned taken; /* by serve() */
};

static void start(struct pit_rig *t)
{
    rig_init(&t->r);
    i8254_init(&t->pit, &t->r.m, "pit", 0x40, 0x61, rig_line(&t->r, 0));
}

static void program(struct pit_rig *t, unsigned ch, uint8_t control, uint16_t count)
{
    rig_out(&t->r, 0x43, ch << 6 | 0x30 | control);
    rig_out(&t->r, 0x40 + ch, count);
    rig_out(&t->r, 0x40 + ch, count >> 8);
}

static uint16_t counter(struct pit_rig *t, unsigned ch)
{
    rig_out(&t->r, 0x43, ch << 6);
    uint8_t low = rig_in(&t->r, 0x40 + ch);
    return low | rig_in(&t->r, 0x40 + ch) << 8;
}

/* To the middle of CLK pulse n after now. */
static void pulses(struct pit_rig *t, uint64_t n)
{
    uint64_t tick = muldiv64(t->r.now, I8254_HZ, NS_PER_SEC) + n;
    rig_pass(&t->r, muldiv64(2 * tick + 1, NS_PER_SEC, 2 * I8254_HZ) - t->r.now);
}

static uint8_t status_of(struct pit_rig *t, unsigned ch)
{
    rig_out(&t->r, 0x43, 0xe0 | 2 << ch);
    return rig_in(&t->r, 0x40 + ch);
}

static void mode0(void **state)
{
    struct pit_rig t;

    (void)state;
    start(&t);
    program(&t, 0, 0x00, 100);
    assert_int_equal(status_of(&t, 0), 0x70); /* null count until the next pulse */
    pulses(&t, 1);
    assert_int_equal(status_of(&t, 0), 0x30);
    assert_int_equal(counter(&t, 0), 100);
    pulses(&t, 99);
    assert_false(t.r.level[0]);
    assert_int_equal(counter(&t, 0), 1);
    pulses(&t, 1);
    assert_true(t.r.level[0]);
    assert_int_equal(status_of(&t, 0), 0xb0);
    pulses(&t, 1);
    assert_int_equal(counter(&t, 0), 0xffff);
    assert_int_equal(t.r.rises[0], 1);
    rig_end(&t.r);
}

static void mode2_periodic(void **state)
{
    struct pit_rig t;

    (void)state;
    start(&t);
    program(&t, 0, 0x04, 11932);
    unsigned before = t.r.rises[0];
    rig_pass(&t.r, NS_PER_SEC);
    assert_in_range(t.r.rises[0] - before, 99, 100);
    rig_out(&t.r, 0x40, 1000 & 0xff); /* takes over at the end of the period */
    rig_out(&t.r, 0x40, 1000 >> 8);
    assert_true(status_of(&t, 0) & 0x40);
    rig_pass(&t.r, 10000000);
    assert_false(status_of(&t, 0) & 0x40);
    assert_in_range(counter(&t, 0), 1, 1000);
    before = t.r.rises[0];
    rig_pass(&t.r, NS_PER_SEC);
    assert_in_range(t.r.rises[0] - before, 1192, 1194);
    rig_round_trip(&t.r, &t.pit.dev);
    rig_end(&t.r);
}

static void late_host_gives_one_edge(void **state)
{
    struct pit_rig t;

    (void)state;
    start(&t);
    program(&t, 0, 0x04, 1193);
    unsigned before = t.r.rises[0];
    t.r.now += 50 * 1000000;
    vm_clock_run_timers(&t.r.m.clock);
    assert_int_equal(t.r.rises[0] - before, 1);
    assert_true(vm_clock_deadline(&t.r.m.clock) > t.r.now);
    rig_end(&t.r);
}

/* A guest that takes each edge within 50 us. Returns how many it took in the fastest 100 ms. */
static unsigned serve(struct pit_rig *t, uint64_t ns)
{
    struct irq_watch watch = i8254_watch(&t->pit);
    unsigned fastest = 0;

    for (uint64_t end = t->r.now + ns; t->r.now < end;) {
        unsigned before = t->taken;
        for (unsigned i = 0; i < 2000; i++) {
            unsigned rises = t->r.rises[0];
            rig_pass(&t->r, 50000);
            if (rises == t->r.rises[0])
                continue;
            t->taken++;
            watch.fn(watch.owner, IRQ_TAKEN);
        }
        if (t->taken - before > fastest)
            fastest = t->taken - before;
    }
    return fastest;
}

static void lost_ticks_follow(void **state)
{
    struct pit_rig t = {.taken = 0};

    (void)state;
    start(&t);
    program(&t, 0, 0x04, 11932); /* 100 Hz */
    assert_in_range(serve(&t, NS_PER_SEC), 10, 11);
    assert_in_range(t.taken, 99, 101);
    t.r.now += 5 * NS_PER_SEC;                          /* the host was away */
    assert_in_range(serve(&t, NS_PER_SEC / 2), 70, 91); /* not all at once */
    rig_round_trip(&t.r, &t.pit.dev);
    serve(&t, 7 * NS_PER_SEC + NS_PER_SEC / 2);
    assert_in_range(t.taken, 1399, 1401);
    assert_in_range(serve(&t, NS_PER_SEC), 10, 11);
    rig_end(&t.r);
}

/* Nothing is owed to a guest that does not listen, or that programs the timer again. */
static void lost_ticks_are_forgotten(void **state)
{
    struct pit_rig t = {.taken = 0};

    (void)state;
    start(&t);
    program(&t, 0, 0x04, 11932);
    serve(&t, NS_PER_SEC);
    rig_pass(&t.r, 3 * NS_PER_SEC); /* masked, say */
    assert_in_range(serve(&t, NS_PER_SEC), 10, 11);
    t.r.now += 5 * NS_PER_SEC;
    vm_clock_run_timers(&t.r.m.clock);
    struct irq_watch watch = i8254_watch(&t.pit);
    watch.fn(watch.owner, IRQ_OPENED);
    assert_in_range(serve(&t, NS_PER_SEC), 10, 11);
    t.r.now += 5 * NS_PER_SEC;
    vm_clock_run_timers(&t.r.m.clock);
    program(&t, 0, 0x04, 11932);
    assert_in_range(serve(&t, NS_PER_SEC), 10, 11);
    rig_end(&t.r);
}

static void mode3_square_and_port61(void **state)
{
    struct pit_rig t;

    (void)state;
    start(&t);
    program(&t, 2, 0x06, 7);
    assert_true(rig_in(&t.r, 0x61) & 0x20);
    pulses(&t, 50);
    assert_true(rig_in(&t.r, 0x61) & 0x20); /* GATE is low: OUT stays high */
    rig_out(&t.r, 0x61, 1);
    char seen[22] = "";
    for (unsigned i = 0; i < 21; i++) {
        pulses(&t, 1);
        seen[i] = rig_in(&t.r, 0x61) & 0x20 ? 'H' : 'L';
    }
    seen[21] = 0;
    assert_string_equal(seen, "HHHHLLLHHHHLLLHHHHLLL");
    pulses(&t, 1);
    assert_int_equal(counter(&t, 2), 6);
    pulses(&t, 1);
    assert_int_equal(counter(&t, 2), 4);
    rig_end(&t.r);
}

/* System control port B: bits 3:0 are kept, 7:6 (parity, I/O check) are clear, 4 toggles. */
static void port61(void **state)
{
    struct pit_rig t;
    unsigned toggles = 0;

    (void)state;
    start(&t);
    rig_out(&t.r, 0x61, 0xce);
    assert_int_equal(rig_in(&t.r, 0x61) & 0xcf, 0x0e);
    rig_round_trip(&t.r, &t.pit.dev);
    uint8_t last = rig_in(&t.r, 0x61);
    for (unsigned us = 0; us < 1000; us++) {
        rig_pass(&t.r, 1000);
        uint8_t v = rig_in(&t.r, 0x61);
        toggles += (v ^ last) >> 4 & 1;
        last = v;
    }
    assert_in_range(toggles, 65, 67); /* every 15.085 us */
    rig_end(&t.r);
}

static void mode1_and_5_trigger(void **state)
{
    struct pit_rig t;

    (void)state;
    start(&t);
    program(&t, 2, 0x02, 10);
    assert_true(i8254_out(&t.pit, 2));
    pulses(&t, 20);
    rig_out(&t.r, 0x61, 1);
    pulses(&t, 1);
    assert_false(i8254_out(&t.pit, 2));
    pulses(&t, 9);
    assert_false(i8254_out(&t.pit, 2));
    pulses(&t, 1);
    assert_true(i8254_out(&t.pit, 2));
    rig_out(&t.r, 0x61, 0);
    program(&t, 2, 0x0a, 10);
    pulses(&t, 30);
    assert_true(i8254_out(&t.pit, 2));
    rig_out(&t.r, 0x61, 1);
    pulses(&t, 10);
    assert_true(i8254_out(&t.pit, 2));
    pulses(&t, 1);
    assert_false(i8254_out(&t.pit, 2));
    pulses(&t, 1);
    assert_true(i8254_out(&t.pit, 2));
    rig_end(&t.r);
}

static void mode4_strobe_and_gate(void **state)
{
    struct pit_rig t;

    (void)state;
    start(&t);
    rig_out(&t.r, 0x61, 1);
    program(&t, 2, 0x08, 10);
    pulses(&t, 5);
    uint16_t at = counter(&t, 2);
    rig_out(&t.r, 0x61, 0);
    pulses(&t, 100);
    assert_int_equal(counter(&t, 2), at);
    rig_out(&t.r, 0x61, 1);
    pulses(&t, at);
    assert_false(i8254_out(&t.pit, 2));
    pulses(&t, 1);
    assert_true(i8254_out(&t.pit, 2));
    program(&t, 0, 0x08, 50); /* the interrupt is the end of the strobe */
    unsigned before = t.r.rises[0];
    pulses(&t, 52);
    assert_int_equal(t.r.rises[0] - before, 1);
    rig_end(&t.r);
}

static void bcd_and_latches(void **state)
{
    struct pit_rig t;

    (void)state;
    start(&t);
    program(&t, 0, 0x01, 0x1000);
    pulses(&t, 2);
    assert_int_equal(counter(&t, 0), 0x0999);
    rig_out(&t.r, 0x43, 0xc2); /* status and count latched: status first */
    pulses(&t, 5);
    assert_int_equal(rig_in(&t.r, 0x40), 0x31);
    assert_int_equal(rig_in(&t.r, 0x40), 0x99);
    assert_int_equal(rig_in(&t.r, 0x40), 0x09);
    rig_end(&t.r);
}

static void fuzz(void **state)
{
    struct pit_rig t;

    (void)state;
    start(&t);
    rig_fuzz(&t.r, 0x40, 4, 1);
    rig_fuzz(&t.r, 0x40, 0x22, 2);
    rig_round_trip(&t.r, &t.pit.dev);
    rig_end(&t.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mode0),
        cmocka_unit_test(mode2_periodic),
        cmocka_unit_test(late_host_gives_one_edge),
        cmocka_unit_test(lost_ticks_follow),
        cmocka_unit_test(lost_ticks_are_forgotten),
        cmocka_unit_test(mode3_square_and_port61),
        cmocka_unit_test(port61),
        cmocka_unit_test(mode1_and_5_trigger),
        cmocka_unit_test(mode4_strobe_and_gate),
        cmocka_unit_test(bcd_and_latches),
        cmocka_unit_test(fuzz),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
