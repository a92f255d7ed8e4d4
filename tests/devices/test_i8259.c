/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/irq/i8259.h"
#include "tests/devices/rig.h"

struct pic_rig {
    struct rig r;
    struct i8259 pic;
};

static void program(struct rig *r, uint8_t icw4)
{
    static const uint8_t base[2] = {0x20, 0x28}, wiring[2] = {4, 2};

    for (unsigned n = 0; n < 2; n++) {
        uint16_t port = n ? 0xa0 : 0x20;
        rig_out(r, port, 0x11);
        rig_out(r, port + 1, base[n]);
        rig_out(r, port + 1, wiring[n]);
        rig_out(r, port + 1, icw4);
    }
}

static void start(struct pic_rig *t)
{
    rig_init(&t->r);
    i8259_init(&t->pic, &t->r.m, "pic", 0x20, 0xa0, 0x4d0, rig_line(&t->r, 0));
    program(&t->r, 0x01);
}

static uint8_t ack(struct pic_rig *t)
{
    struct intack_source s = i8259_intack(&t->pic);

    return s.ack(s.owner);
}

static void raise(struct pic_rig *t, unsigned n)
{
    irq_set(i8259_line(&t->pic, n), true);
}

static void lower(struct pic_rig *t, unsigned n)
{
    irq_set(i8259_line(&t->pic, n), false);
}

static void nesting(void **state)
{
    struct pic_rig t;

    (void)state;
    start(&t);
    raise(&t, 5);
    assert_true(t.r.level[0]);
    assert_int_equal(ack(&t), 0x25);
    raise(&t, 6); /* lower priority waits */
    assert_false(t.r.level[0]);
    raise(&t, 1);
    assert_int_equal(ack(&t), 0x21);
    rig_out(&t.r, 0x20, 0x0b);
    assert_int_equal(rig_in(&t.r, 0x20), 0x22);
    rig_out(&t.r, 0x20, 0x20);
    assert_false(t.r.level[0]);
    rig_out(&t.r, 0x20, 0x65); /* specific EOI */
    assert_true(t.r.level[0]);
    assert_int_equal(ack(&t), 0x26);
    rig_round_trip(&t.r, &t.pic.dev);
    rig_end(&t.r);
}

static void cascade_and_spurious(void **state)
{
    struct pic_rig t;

    (void)state;
    start(&t);
    raise(&t, 8);
    raise(&t, 12);
    assert_int_equal(ack(&t), 0x28);
    rig_out(&t.r, 0xa0, 0x20);
    rig_out(&t.r, 0x20, 0x20);
    assert_int_equal(ack(&t), 0x2c);
    rig_out(&t.r, 0xa0, 0x20);
    rig_out(&t.r, 0x20, 0x20);
    assert_false(t.r.level[0]);
    raise(&t, 3);
    lower(&t, 3);
    assert_false(t.r.level[0]);
    assert_int_equal(ack(&t), 0x27); /* nothing in service */
    rig_out(&t.r, 0x20, 0x0b);
    assert_int_equal(rig_in(&t.r, 0x20), 0);
    rig_end(&t.r);
}

static void level_triggered(void **state)
{
    struct pic_rig t;

    (void)state;
    start(&t);
    rig_out(&t.r, 0x4d0, 0xff);
    assert_int_equal(rig_in(&t.r, 0x4d0), 0xf8);
    rig_out(&t.r, 0x4d1, 0xff);
    assert_int_equal(rig_in(&t.r, 0x4d1), 0xde);
    raise(&t, 11);
    assert_int_equal(ack(&t), 0x2b);
    rig_out(&t.r, 0xa0, 0x20);
    rig_out(&t.r, 0x20, 0x20);
    assert_int_equal(ack(&t), 0x2b); /* still asserted */
    lower(&t, 11);
    rig_out(&t.r, 0xa0, 0x20);
    rig_out(&t.r, 0x20, 0x20);
    assert_false(t.r.level[0]);
    rig_end(&t.r);
}

static void count_event(void *owner, enum irq_event event)
{
    ((unsigned *)owner)[event]++;
}

static void watched(void **state)
{
    struct pic_rig t;
    unsigned events[2] = {0};

    (void)state;
    start(&t);
    i8259_watch(&t.pic, 0, (struct irq_watch){.fn = count_event, .owner = events});
    raise(&t, 1);
    ack(&t);
    assert_int_equal(events[IRQ_TAKEN], 0);
    raise(&t, 0);
    assert_int_equal(ack(&t), 0x20);
    assert_int_equal(events[IRQ_TAKEN], 1);
    rig_out(&t.r, 0x21, 0x01);
    rig_out(&t.r, 0x21, 0x03);
    assert_int_equal(events[IRQ_OPENED], 0);
    rig_out(&t.r, 0x21, 0x02);
    assert_int_equal(events[IRQ_OPENED], 1);
    rig_end(&t.r);
}

static void rotation_and_masks(void **state)
{
    struct pic_rig t;

    (void)state;
    start(&t);
    rig_out(&t.r, 0x20, 0xc3); /* IR3 lowest: IR4 highest */
    raise(&t, 0);
    raise(&t, 4);
    assert_int_equal(ack(&t), 0x24);
    rig_out(&t.r, 0x20, 0xa0); /* rotate on non-specific EOI */
    assert_int_equal(t.pic.chip[0].lowest, 4);
    assert_int_equal(ack(&t), 0x20);
    raise(&t, 1);
    assert_false(t.r.level[0]);
    rig_out(&t.r, 0x21, 0x01);
    assert_false(t.r.level[0]);
    rig_out(&t.r, 0x20, 0x68); /* special mask mode: masked IR0 blocks no longer */
    assert_true(t.r.level[0]);
    rig_out(&t.r, 0x20, 0x20); /* and is not ended by a non-specific EOI */
    assert_int_equal(t.pic.chip[0].isr, 1);
    rig_end(&t.r);
}

static void poll_and_aeoi(void **state)
{
    struct pic_rig t;

    (void)state;
    start(&t);
    rig_out(&t.r, 0x20, 0x0c);
    assert_int_equal(rig_in(&t.r, 0x20), 0);
    raise(&t, 7);
    rig_out(&t.r, 0x20, 0x0c);
    assert_int_equal(rig_in(&t.r, 0x20), 0x87);
    program(&t.r, 0x03);
    lower(&t, 7);
    raise(&t, 7);
    raise(&t, 9);
    raise(&t, 10);
    assert_int_equal(ack(&t), 0x29);
    assert_int_equal(ack(&t), 0x2a); /* the slave's INT made another edge */
    assert_int_equal(ack(&t), 0x27);
    assert_int_equal(t.pic.chip[0].isr, 0);
    rig_end(&t.r);
}

static void fuzz(void **state)
{
    struct pic_rig t;

    (void)state;
    start(&t);
    for (unsigned i = 0; i < 4; i++) {
        rig_fuzz(&t.r, i & 1 ? 0x20 : 0xa0, 2, i);
        rig_fuzz(&t.r, 0x4d0, 2, i);
        raise(&t, i * 5);
        ack(&t);
    }
    rig_round_trip(&t.r, &t.pic.dev);
    rig_end(&t.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting),
        cmocka_unit_test(cascade_and_spurious),
        cmocka_unit_test(level_triggered),
        cmocka_unit_test(watched),
        cmocka_unit_test(rotation_and_masks),
        cmocka_unit_test(poll_and_aeoi),
        cmocka_unit_test(fuzz),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
