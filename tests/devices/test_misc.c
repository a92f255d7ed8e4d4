/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/misc/coprocessor.h"
#include "devices/misc/debug_exit.h"
#include "devices/misc/debugcon.h"
#include "devices/misc/port80.h"
#include "devices/misc/port92.h"
#include "tests/devices/rig.h"

struct chardev {
    uint8_t last;
};

void chardev_write(struct chardev *c, const void *data, size_t len)
{
    if (c && len)
        c->last = *(const uint8_t *)data;
}

static void ports(void **state)
{
    struct rig r;
    struct chardev chr = {0};
    struct debugcon con;
    struct port80 post;
    struct port92 fast;

    (void)state;
    rig_init(&r);
    debugcon_init(&con, &r.m, "debugcon", 0x402, &chr);
    port80_init(&post, &r.m, "post", 0x80);
    port92_init(&fast, &r.m, "port92", 0x92, rig_line(&r, 0));
    assert_int_equal(rig_in(&r, 0x402), 0xe9);
    rig_out(&r, 0x402, 'x');
    assert_int_equal(chr.last, 'x');
    rig_out(&r, 0x80, 0x42);
    assert_int_equal(rig_in(&r, 0x80), 0x42);
    rig_out(&r, 0x92, 0xfe);
    assert_true(r.level[0]);
    assert_int_equal(rig_in(&r, 0x92), 0x02);
    assert_false(r.m.run.reset_wanted);
    rig_out(&r, 0x92, 0x01);
    assert_false(r.level[0]);
    assert_true(r.m.run.reset_wanted);
    rig_round_trip(&r, &fast.dev);
    rig_fuzz(&r, 0x80, 0x20, 1);
    rig_end(&r);
}

static void debug_exit(void **state)
{
    struct rig r;
    struct debug_exit d;

    (void)state;
    rig_init(&r);
    debug_exit_init(&d, &r.m, "exit", 0xf4, 4);
    address_space_write(&r.m.io, 0xf4, 0x10, 4);
    assert_int_equal(r.m.run.exit_value, 0x10);
    rig_end(&r);
}

/* FERR# to IRQ 13, port F0h to IGNNE#. */
static void coprocessor(void **state)
{
    enum { IRQ13, IGNNE };
    struct rig r;
    struct coprocessor d;

    (void)state;
    rig_init(&r);
    coprocessor_init(&d, &r.m, "coprocessor", 0xf0, rig_line(&r, IRQ13), rig_line(&r, IGNNE));
    struct irq_line ferr = coprocessor_ferr(&d);
    rig_out(&r, 0xf0, 0);
    assert_false(r.level[IRQ13] || r.level[IGNNE]); /* no error to ignore */
    irq_set(ferr, true);
    assert_true(r.level[IRQ13] && !r.level[IGNNE]);
    rig_out(&r, 0xf0, 0x55);
    assert_true(!r.level[IRQ13] && r.level[IGNNE]);
    rig_round_trip(&r, &d.dev);
    irq_set(ferr, true); /* the same error still */
    assert_true(!r.level[IRQ13] && r.level[IGNNE]);
    irq_set(ferr, false);
    assert_false(r.level[IRQ13] || r.level[IGNNE]);
    irq_set(ferr, true);
    irq_set(ferr, false);
    assert_true(r.level[IRQ13]); /* latched until the write */
    rig_fuzz(&r, 0xf0, 1, 1);
    assert_false(r.level[IRQ13]);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ports), cmocka_unit_test(debug_exit),
                                       cmocka_unit_test(coprocessor)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
