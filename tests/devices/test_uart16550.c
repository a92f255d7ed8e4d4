/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "devices/char/uart16550.h"
#include "tests/devices/rig.h"

/* The back end of this test: remembers what was written and allowed. */
struct chardev {
    char out[64];
    size_t len, allowed;
    struct input_source *src;
};

void chardev_connect(struct chardev *c, struct machine *m, struct input_source *src)
{
    (void)m;
    c->src = src;
}

void chardev_allow(struct chardev *c, size_t n)
{
    c->allowed = n;
}

void chardev_write(struct chardev *c, const void *data, size_t len)
{
    if (c && c->len + len < sizeof(c->out)) {
        memcpy(c->out + c->len, data, len);
        c->len += len;
    }
}

struct uart_rig {
    struct rig r;
    struct uart16550 u;
    struct chardev chr;
};

static void start(struct uart_rig *t)
{
    rig_init(&t->r);
    t->chr = (struct chardev){.len = 0};
    uart16550_init(&t->u, &t->r.m, "uart0", 0x3f8, rig_line(&t->r, 0), &t->chr);
}

static uint8_t get(struct uart_rig *t, unsigned reg)
{
    return rig_in(&t->r, 0x3f8 + reg);
}

static void put(struct uart_rig *t, unsigned reg, uint8_t v)
{
    rig_out(&t->r, 0x3f8 + reg, v);
}

static void send(struct uart_rig *t, const char *text)
{
    t->chr.src->deliver(t->chr.src->opaque, (const uint8_t *)text, strlen(text));
}

static void transmit(void **state)
{
    struct uart_rig t;

    (void)state;
    start(&t);
    assert_int_equal(get(&t, 5), 0x60);
    put(&t, 4, 0x0b);
    put(&t, 1, 0x02);
    assert_true(t.r.level[0]); /* enabling with THR empty interrupts */
    assert_int_equal(get(&t, 2), 0x02);
    assert_false(t.r.level[0]);
    put(&t, 0, 'h');
    assert_true(t.r.level[0]);
    put(&t, 0, 'i');
    assert_int_equal(t.r.rises[0], 3); /* an edge per character */
    assert_memory_equal(t.chr.out, "hi", 2);
    put(&t, 4, 0x03); /* OUT2 closes the way to the bus */
    assert_false(t.r.level[0]);
    rig_end(&t.r);
}

static void receive_without_fifo(void **state)
{
    struct uart_rig t;

    (void)state;
    start(&t);
    put(&t, 4, 0x0b);
    put(&t, 1, 0x01);
    assert_int_equal(t.chr.allowed, 1);
    t.chr.allowed = 0;
    send(&t, "ab");
    assert_int_equal(get(&t, 2), 0x04);
    assert_int_equal(get(&t, 0), 'a');
    assert_int_equal(t.chr.allowed, 0);
    assert_int_equal(get(&t, 5), 0x61);
    assert_int_equal(get(&t, 0), 'b');
    assert_int_equal(t.chr.allowed, 1);
    assert_int_equal(get(&t, 2), 0x01);
    rig_end(&t.r);
}

static void fifo_trigger_and_timeout(void **state)
{
    struct uart_rig t;

    (void)state;
    start(&t);
    put(&t, 3, 0x83);
    put(&t, 0, 1); /* 115200 baud: a character takes 87 us */
    put(&t, 1, 0);
    put(&t, 3, 0x03);
    put(&t, 2, 0x81);
    put(&t, 4, 0x0b);
    put(&t, 1, 0x01);
    assert_int_equal(t.chr.allowed, 16);
    send(&t, "1234567");
    assert_false(t.r.level[0]);
    send(&t, "8");
    assert_int_equal(get(&t, 2), 0xc4);
    assert_int_equal(get(&t, 0), '1');
    assert_int_equal(get(&t, 2), 0xc1);
    rig_pass(&t.r, 340000);
    assert_int_equal(get(&t, 2), 0xc1);
    rig_pass(&t.r, 10000);
    assert_int_equal(get(&t, 2), 0xcc);
    assert_true(t.r.level[0]);
    rig_round_trip(&t.r, &t.u.dev);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(get(&t, 0), '2' + i);
    assert_int_equal(get(&t, 5), 0x60);
    assert_false(t.r.level[0]);
    send(&t, "x");
    put(&t, 2, 0x83);
    assert_int_equal(get(&t, 5), 0x60);
    rig_end(&t.r);
}

static void loopback(void **state)
{
    struct uart_rig t;

    (void)state;
    start(&t);
    assert_int_equal(get(&t, 6), 0xb0);
    put(&t, 4, 0x1a); /* what Linux probes with: RTS, OUT2 */
    assert_int_equal(get(&t, 6) & 0xf0, 0x90);
    put(&t, 0, 0x55);
    put(&t, 0, 0xaa); /* overruns */
    assert_int_equal(t.chr.len, 0);
    assert_int_equal(get(&t, 5), 0x63);
    assert_int_equal(get(&t, 5), 0x61);
    assert_int_equal(get(&t, 0), 0xaa);
    put(&t, 4, 0x14);
    get(&t, 6);
    put(&t, 4, 0x10);
    assert_int_equal(get(&t, 6), 0x04); /* trailing edge of RI */
    put(&t, 7, 0x5a);
    assert_int_equal(get(&t, 7), 0x5a);
    rig_end(&t.r);
}

static void fuzz(void **state)
{
    struct uart_rig t;

    (void)state;
    start(&t);
    for (unsigned i = 0; i < 8; i++) {
        rig_fuzz(&t.r, 0x3f8, 8, i);
        for (unsigned k = 0; k < 40; k++)
            send(&t, "fill the queue");
    }
    rig_round_trip(&t.r, &t.u.dev);
    rig_end(&t.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transmit),
        cmocka_unit_test(receive_without_fifo),
        cmocka_unit_test(fifo_trigger_and_timeout),
        cmocka_unit_test(loopback),
        cmocka_unit_test(fuzz),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
