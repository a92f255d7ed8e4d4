/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/timer/mc146818.h"
#include "tests/devices/rig.h"

struct rtc_rig {
    struct rig r;
    struct mc146818 rtc;
};

static void start(struct rtc_rig *t)
{
    rig_init(&t->r);
    t->r.m.wall_base = 951868798ull * NS_PER_SEC; /* 29 February 2000, 23:59:58 UTC, a Tuesday */
    mc146818_init(&t->rtc, &t->r.m, "rtc", 0x70, rig_line(&t->r, 0));
}

static uint8_t get(struct rtc_rig *t, uint8_t reg)
{
    rig_out(&t->r, 0x70, reg);
    return rig_in(&t->r, 0x71);
}

static void put(struct rtc_rig *t, uint8_t reg, uint8_t v)
{
    rig_out(&t->r, 0x70, reg);
    rig_out(&t->r, 0x71, v);
}

static void calendar(void **state)
{
    static const uint8_t want[] = {0x58, 0, 0x59, 0, 0x23, 0, 0x03, 0x29, 0x02, 0x00};
    static const uint8_t next[] = {0x00, 0, 0x00, 0, 0x00, 0, 0x04, 0x01, 0x03, 0x00};
    struct rtc_rig t;

    (void)state;
    start(&t);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(get(&t, i), want[i]);
    assert_int_equal(get(&t, 0x32), 0x20);
    rig_pass(&t.r, 2 * NS_PER_SEC);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(get(&t, i), next[i]);
    put(&t, 0x0b, 0x04); /* binary, 12 hours */
    assert_int_equal(get(&t, 4), 12);
    rig_pass(&t.r, 13 * 3600 * NS_PER_SEC);
    assert_int_equal(get(&t, 4), 0x81);
    assert_int_equal(get(&t, 0x0d), 0x80);
    rig_end(&t.r);
}

static void setting(void **state)
{
    struct rtc_rig t;

    (void)state;
    start(&t);
    put(&t, 0x0b, 0x82);
    put(&t, 0, 0x30);
    put(&t, 2, 0x20);
    put(&t, 4, 0x10);
    put(&t, 7, 0x31);
    put(&t, 8, 0x12);
    put(&t, 9, 0x99);
    put(&t, 0x32, 0x19);
    rig_pass(&t.r, 5 * NS_PER_SEC);
    assert_int_equal(get(&t, 0), 0x30); /* frozen */
    put(&t, 0x0b, 0x02);
    assert_int_equal(get(&t, 0), 0x30);
    rig_pass(&t.r, 14 * 3600 * NS_PER_SEC);
    assert_int_equal(get(&t, 9), 0x00);
    assert_int_equal(get(&t, 0x32), 0x20);
    assert_int_equal(get(&t, 7), 0x01);
    put(&t, 0x0a, 0x76); /* divider in reset, then released: half a second to the update */
    uint8_t s = get(&t, 0);
    rig_pass(&t.r, 3 * NS_PER_SEC);
    put(&t, 0x0a, 0x26);
    rig_pass(&t.r, NS_PER_SEC / 2 - 1000);
    assert_int_equal(get(&t, 0), s);
    rig_pass(&t.r, 2000);
    assert_int_equal(get(&t, 0), s + 1);
    rig_round_trip(&t.r, &t.rtc.dev);
    rig_end(&t.r);
}

static void interrupts(void **state)
{
    struct rtc_rig t;

    (void)state;
    start(&t);
    put(&t, 0x0b, 0x12);
    rig_pass(&t.r, NS_PER_SEC);
    assert_true(t.r.level[0]);
    assert_int_equal(get(&t, 0x0c) & 0xb0, 0x90);
    assert_false(t.r.level[0]);
    put(&t, 0x0b, 0x42); /* periodic at 1024 Hz, acknowledged each time */
    unsigned before = t.r.rises[0];
    for (unsigned i = 0; i < 1024; i++) {
        rig_pass(&t.r, NS_PER_SEC / 1024);
        get(&t, 0x0c);
    }
    assert_in_range(t.r.rises[0] - before, 1022, 1025);
    put(&t, 0x0b, 0x22);
    put(&t, 1, 0x05); /* alarm at any hour and minute, second 5 */
    put(&t, 3, 0xff);
    put(&t, 5, 0xc0);
    get(&t, 0x0c);
    before = t.r.rises[0];
    rig_pass(&t.r, 59 * NS_PER_SEC);
    rig_pass(&t.r, NS_PER_SEC);
    assert_int_equal(t.r.rises[0] - before, 1);
    assert_int_equal(get(&t, 0x0c) & 0xa0, 0xa0);
    rig_end(&t.r);
}

/* Register C is read within 50 us of each interrupt. */
static void serve(struct rtc_rig *t, uint64_t ns)
{
    for (uint64_t end = t->r.now + ns; t->r.now < end;) {
        rig_pass(&t->r, 50000);
        if (t->r.level[0])
            get(t, 0x0c);
    }
}

static void lost_ticks_follow(void **state)
{
    struct rtc_rig t;

    (void)state;
    start(&t);
    put(&t, 0x0b, 0x42);
    unsigned before = t.r.rises[0];
    serve(&t, NS_PER_SEC);
    assert_in_range(t.r.rises[0] - before, 1023, 1025);
    t.r.now += 5 * NS_PER_SEC; /* the host was away */
    serve(&t, NS_PER_SEC / 4);
    assert_in_range(t.r.rises[0] - before, 1024 + 1500, 1024 + 2400); /* not all at once */
    rig_round_trip(&t.r, &t.rtc.dev);
    serve(&t, 2 * NS_PER_SEC + NS_PER_SEC * 3 / 4);
    assert_in_range(t.r.rises[0] - before, 9 * 1024 - 2, 9 * 1024 + 2);
    rig_pass(&t.r, 3 * NS_PER_SEC); /* nobody reads: nothing is owed */
    before = t.r.rises[0];
    serve(&t, NS_PER_SEC);
    assert_in_range(t.r.rises[0] - before, 1022, 1025);
    rig_end(&t.r);
}

static void update_in_progress(void **state)
{
    struct rtc_rig t;

    (void)state;
    start(&t);
    rig_pass(&t.r, NS_PER_SEC - 2300000);
    assert_int_equal(get(&t, 0x0a), 0x26);
    rig_pass(&t.r, 200000);
    assert_int_equal(get(&t, 0x0a), 0xa6);
    rig_pass(&t.r, 2100000);
    assert_int_equal(get(&t, 0x0a), 0x26);
    rig_end(&t.r);
}

static void cmos_and_nmi(void **state)
{
    struct rtc_rig t;

    (void)state;
    start(&t);
    mc146818_set(&t.rtc, 0x15, 0x80);
    assert_int_equal(get(&t, 0x95), 0x80);
    assert_true(t.rtc.nmi_disabled);
    put(&t, 0x7f, 0x5a);
    assert_int_equal(mc146818_get(&t.rtc, 0x7f), 0x5a);
    devices_reset(&t.r.m);
    assert_int_equal(get(&t, 0x7f), 0x5a);
    rig_end(&t.r);
}

static void fuzz(void **state)
{
    struct rtc_rig t;

    (void)state;
    start(&t);
    rig_fuzz(&t.r, 0x70, 2, 7);
    rig_round_trip(&t.r, &t.rtc.dev);
    rig_end(&t.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calendar),
        cmocka_unit_test(setting),
        cmocka_unit_test(interrupts),
        cmocka_unit_test(lost_ticks_follow),
        cmocka_unit_test(update_in_progress),
        cmocka_unit_test(cmos_and_nmi),
        cmocka_unit_test(fuzz),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
