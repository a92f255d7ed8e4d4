/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Consoles: bytes both ways, ports as control messages tell of them, who is at their ends, a guest
 * that knows of one port only. */
#include "base/bits.h"
#include "devices/virtio/virtio_console.h"
#include "tests/devices/virtio_box.h"

#define MULTIPORT 2u

/* The back end of this test: remembers what was written and allowed. */
struct chardev {
    char out[5000];
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
    if (c)
        c->allowed = n;
}

void chardev_write(struct chardev *c, const void *data, size_t len)
{
    if (c && c->len + len < sizeof(c->out)) {
        memcpy(c->out + c->len, data, len);
        c->len += len;
    }
}

struct console_box {
    struct vbox b;
    struct virtio_console console;
    struct chardev terminal, channel;
};

enum { RX0 = 0, TX0 = 1, CONTROL_IN = 2, CONTROL_OUT = 3, RX1 = 4, TX1 = 5 };

/* Port 0 is a console, port 1 a channel; ports 2 and 3 are not there. */
static int setup(void **state)
{
    struct console_box *x = calloc(1, sizeof(*x));
    struct virtio_console_config config = {
        .nports = 4,
        .ports = {{.present = true, .console = true, .chr = &x->terminal},
                  {.present = true, .name = "org.example.0", .chr = &x->channel}}};

    assert_non_null(x);
    vbox_init(&x->b);
    config.pci = vbox_pci(&x->b);
    virtio_console_init(&x->console, &x->b.r.m, "con", &x->b.bus, VBOX_DEVFN, &config);
    vbox_map(&x->b);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct console_box *x = *state;

    rig_end(&x->b.r);
    free(x);
    return 0;
}

static void type(struct chardev *c, const char *text, size_t n)
{
    c->src->deliver(c->src->opaque, (const uint8_t *)text, n);
}

static void come(struct console_box *x, unsigned port, bool open)
{
    virtio_console_opened(&x->console.ports[port], open);
    input_deliver(&x->b.r.m);
}

static void say(struct console_box *x, uint32_t port, uint16_t event, uint16_t value)
{
    uint8_t message[8];

    st_le32(message, port);
    st_le16(message + 4, event);
    st_le16(message + 6, value);
    vbox_give_out(&x->b, CONTROL_OUT, 7, message, 8, 0);
    vbox_kick(&x->b, CONTROL_OUT);
}

/* The n-th control message of the device's, in the n-th buffer. */
static void heard(struct console_box *x, unsigned n, uint32_t port, uint16_t event, uint16_t value)
{
    const uint8_t *m = vbox_ram(&x->b, VBOX_BUFFER(CONTROL_IN, n));

    assert_true(vbox_used(&x->b, CONTROL_IN) > n);
    assert_int_equal(ld_le32(m), port);
    assert_int_equal(ld_le16(m + 4), event);
    assert_int_equal(ld_le16(m + 6), value);
}

static void ready(struct console_box *x)
{
    vbox_start(&x->b, MULTIPORT);
    for (unsigned i = 0; i < VBOX_RING; i++)
        vbox_give_in(&x->b, CONTROL_IN, i, 100);
    vbox_kick(&x->b, CONTROL_IN);
    say(x, 0, 0, 1);
}

static void identity(void **state)
{
    struct console_box *x = *state;

    assert_int_equal(pci_config_read(&x->b.bus, VBOX_DEVFN, 0, 4), 0x10031af4);
    assert_int_equal(vbox_get(&x->b, VBOX_MODERN + 0x12, 2), 10);
    assert_int_equal(vbox_get(&x->b, VBOX_CONFIG + 4, 4), 4);
}

static void control(void **state)
{
    struct console_box *x = *state;

    come(x, 1, true);
    ready(x);
    assert_int_equal(vbox_used(&x->b, CONTROL_IN), 2);
    heard(x, 0, 0, 1, 1);
    heard(x, 1, 1, 1, 1);
    say(x, 0, 3, 1);
    say(x, 1, 3, 1);
    assert_int_equal(vbox_used(&x->b, CONTROL_IN), 5);
    heard(x, 2, 0, 4, 1);
    heard(x, 3, 1, 7, 1);
    assert_int_equal(vbox_written(&x->b, CONTROL_IN, 3), 8 + 13);
    assert_memory_equal(vbox_ram(&x->b, VBOX_BUFFER(CONTROL_IN, 3) + 8), "org.example.0", 13);
    heard(x, 4, 1, 6, 1);
    come(x, 1, false);
    heard(x, 5, 1, 6, 0);
    say(x, 2, 6, 1); /* there is no such port */
    say(x, 99, 6, 1);
    assert_int_equal(vbox_used(&x->b, CONTROL_IN), 6);
    assert_int_equal(vbox_used(&x->b, CONTROL_OUT), 5);
}

/* Messages wait for buffers, across saving, too; nobody's coming and going piles up. */
static void control_waits(void **state)
{
    struct console_box *x = *state;

    vbox_start(&x->b, MULTIPORT);
    say(x, 0, 0, 1);
    say(x, 1, 3, 1);
    for (unsigned i = 0; i < 1001; i++)
        come(x, 1, !(i & 1));
    rig_round_trip(&x->b.r, &x->console.bus.pci.dev);
    for (unsigned i = 0; i < VBOX_RING; i++)
        vbox_give_in(&x->b, CONTROL_IN, i, 100);
    vbox_kick(&x->b, CONTROL_IN);
    assert_int_equal(vbox_used(&x->b, CONTROL_IN), 4);
    heard(x, 0, 0, 1, 1);
    heard(x, 1, 1, 1, 1);
    heard(x, 2, 1, 7, 1);
    heard(x, 3, 1, 6, 1);
}

static void bytes(void **state)
{
    struct console_box *x = *state;

    ready(x);
    vbox_give_out(&x->b, TX0, 0, "hello", 5, 0);
    vbox_kick(&x->b, TX0);
    vbox_give_out(&x->b, TX1, 0, "channel", 7, 0);
    vbox_kick(&x->b, TX1);
    assert_int_equal(x->terminal.len, 5);
    assert_memory_equal(x->terminal.out, "hello", 5);
    assert_memory_equal(x->channel.out, "channel", 7);
    assert_int_equal(x->b.messages[TX1 + 1], 1);
    vbox_give_in(&x->b, RX1, 0, 4);
    vbox_kick(&x->b, RX1);
    assert_int_equal(x->channel.allowed, 0); /* not open */
    say(x, 1, 6, 1);
    assert_true(x->channel.allowed > 0);
    type(&x->channel, "abcdef", 6);
    assert_int_equal(vbox_used(&x->b, RX1), 1);
    assert_memory_equal(vbox_ram(&x->b, VBOX_BUFFER(RX1, 0)), "abcd", 4);
    rig_round_trip(&x->b.r, &x->console.bus.pci.dev);
    vbox_give_in(&x->b, RX1, 1, 100);
    vbox_kick(&x->b, RX1);
    assert_int_equal(vbox_written(&x->b, RX1, 1), 2);
    assert_memory_equal(vbox_ram(&x->b, VBOX_BUFFER(RX1, 1)), "ef", 2);
    say(x, 1, 6, 0);
    assert_int_equal(x->channel.allowed, 0);
}

/* What was allowed fits, with a batch that was under way at that time. */
static void room(void **state)
{
    struct console_box *x = *state;
    char text[256];
    size_t sent = 0;

    memset(text, 'x', sizeof(text));
    ready(x);
    say(x, 0, 6, 1);
    type(&x->terminal, text, sizeof(text));
    sent += sizeof(text);
    while (x->terminal.allowed) {
        size_t n = x->terminal.allowed < 256 ? x->terminal.allowed : 256;

        type(&x->terminal, text, n);
        sent += n;
    }
    assert_int_equal(x->console.ports[0].rx_count, sent);
    type(&x->terminal, text, sizeof(text)); /* a back end that does not keep to it loses bytes */
    type(&x->terminal, text, sizeof(text));
    assert_int_equal(x->console.ports[0].rx_count, VIRTIO_CONSOLE_RX);
}

static void one_port(void **state)
{
    struct console_box *x = *state;

    vbox_start(&x->b, 0);
    vbox_give_in(&x->b, RX0, 0, 100);
    vbox_kick(&x->b, RX0);
    assert_true(x->terminal.allowed > 0);
    type(&x->terminal, "k", 1);
    assert_int_equal(vbox_used(&x->b, RX0), 1);
    say(x, 0, 0, 1);
    assert_int_equal(vbox_used(&x->b, CONTROL_IN), 0);
}

static void emergency(void **state)
{
    struct console_box *x = *state;

    vbox_put(&x->b, VBOX_CONFIG + 8, 'O', 4);
    vbox_put(&x->b, VBOX_CONFIG + 8, 'k', 4);
    assert_int_equal(x->terminal.len, 2);
    assert_memory_equal(x->terminal.out, "Ok", 2);
}

/* A chain with more bytes than anybody writes: it ends. */
static void endless(void **state)
{
    struct console_box *x = *state;

    vbox_start(&x->b, MULTIPORT);
    for (unsigned i = 0; i < VBOX_RING; i++)
        vbox_descriptor(&x->b, TX0, i, 0, UINT32_MAX, i < VBOX_RING - 1, (uint16_t)(i + 1));
    vbox_available(&x->b, TX0, 0);
    vbox_kick(&x->b, TX0);
    assert_int_equal(vbox_used(&x->b, TX0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(identity, setup, teardown),
        cmocka_unit_test_setup_teardown(control, setup, teardown),
        cmocka_unit_test_setup_teardown(control_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(room, setup, teardown),
        cmocka_unit_test_setup_teardown(one_port, setup, teardown),
        cmocka_unit_test_setup_teardown(emergency, setup, teardown),
        cmocka_unit_test_setup_teardown(endless, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
