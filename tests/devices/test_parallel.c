/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/char/parallel.h"
#include "tests/devices/rig.h"

struct chardev {
    char text[64];
    size_t n;
};

void chardev_write(struct chardev *c, const void *data, size_t len)
{
    for (size_t i = 0; c && i < len; i++)
        c->text[c->n++ % sizeof(c->text)] = ((const char *)data)[i];
}

struct lpt_rig {
    struct rig r;
    struct chardev chr;
    struct parallel p;
};

static void start(struct lpt_rig *t, bool connected)
{
    t->chr = (struct chardev){.n = 0};
    rig_init(&t->r);
    parallel_init(&t->p, &t->r.m, "lpt", 0x378, rig_line(&t->r, 0), connected ? &t->chr : NULL);
}

static void send(struct lpt_rig *t, char c, uint8_t control)
{
    rig_out(&t->r, 0x378, c);
    rig_out(&t->r, 0x37a, control | 1);
    rig_out(&t->r, 0x37a, control);
}

static void prints(void **state)
{
    struct lpt_rig t;

    (void)state;
    start(&t, true);
    assert_int_equal(rig_in(&t.r, 0x379), 0xdf);
    assert_int_equal(rig_in(&t.r, 0x37a), 0xe0);
    send(&t, 'x', 0x08); /* nInit is low */
    assert_int_equal(t.chr.n, 0);
    send(&t, 'a', 0x0c);
    assert_int_equal(rig_in(&t.r, 0x379), 0x5f); /* busy */
    send(&t, 'b', 0x0c);                         /* lost */
    rig_round_trip(&t.r, &t.p.dev);
    rig_pass(&t.r, 20000);
    assert_int_equal(rig_in(&t.r, 0x379), 0xdf);
    send(&t, 'c', 0x0c);
    assert_int_equal(t.chr.n, 2);
    assert_memory_equal(t.chr.text, "ac", 2);
    assert_int_equal(t.r.rises[0], 0);
    assert_int_equal(rig_in(&t.r, 0x378), 'c');
    rig_out(&t.r, 0x37a, 0); /* reset: no longer busy, no acknowledgement */
    assert_int_equal(rig_in(&t.r, 0x379), 0xdf);
    rig_pass(&t.r, 20000);
    rig_out(&t.r, 0x37a, 0x10);
    assert_int_equal(t.r.rises[0], 0);
    rig_end(&t.r);
}

static void interrupts(void **state)
{
    struct lpt_rig t;

    (void)state;
    start(&t, true);
    for (unsigned i = 1; i <= 3; i++) {
        send(&t, 'a', 0x1c);
        assert_false(t.r.level[0]);
        rig_pass(&t.r, 20000);
        assert_true(t.r.level[0]);
        assert_int_equal(t.r.rises[0], i);
    }
    rig_out(&t.r, 0x37a, 0x0c);
    assert_false(t.r.level[0]);
    rig_out(&t.r, 0x37a, 0x1c); /* enabling alone is no edge */
    assert_int_equal(t.r.rises[0], 3);
    rig_end(&t.r);
}

/* The latches read back, which is how an adapter is found; the direction bit does not. */
static void nothing_connected(void **state)
{
    struct lpt_rig t;

    (void)state;
    start(&t, false);
    rig_out(&t.r, 0x378, 0xaa);
    assert_int_equal(rig_in(&t.r, 0x378), 0xaa);
    rig_out(&t.r, 0x37a, 0x2c);
    assert_int_equal(t.p.control, 0x0c);
    send(&t, 'a', 0x1c);
    rig_pass(&t.r, 20000);
    assert_int_equal(t.r.rises[0], 0);
    assert_int_equal(rig_in(&t.r, 0x379), 0x7f);
    rig_end(&t.r);
}

static void fuzz(void **state)
{
    struct lpt_rig t;

    (void)state;
    start(&t, true);
    for (uint32_t i = 1; i < 5; i++) {
        rig_fuzz(&t.r, 0x378, 3, i);
        rig_round_trip(&t.r, &t.p.dev);
    }
    rig_end(&t.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints),
        cmocka_unit_test(interrupts),
        cmocka_unit_test(nothing_connected),
        cmocka_unit_test(fuzz),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
