/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtio pointer as a driver uses it: what it says of itself, reports, no buffers, reset. */
#include <string.h>

#include "devices/virtio/virtio_tablet.h"
#include "tests/devices/rig.h"

#define DESC  0x1000u
#define AVAIL 0x2000u
#define USED  0x3000u
#define DATA  0x4000u

struct tablet_rig {
    struct rig r;
    struct pci_bus bus;
    struct ps2kbd kbd;
    struct ps2mouse mouse;
    struct hid hid;
    struct hid_port port;
    struct virtio_tablet s;
    struct region ram;
    uint16_t avail;
};

static void start(struct tablet_rig *t)
{
    memset(t, 0, sizeof(*t));
    rig_init(&t->r);
    region_init_memory(&t->ram, "ram", 0x100000, 0, 0);
    region_add(&t->r.m.mem, &t->ram, 0, -5);
    pci_bus_init(&t->bus, &t->r.m, "pci");
    ps2kbd_init(&t->kbd, &t->r.m, "kbd");
    ps2mouse_init(&t->mouse, &t->r.m, "mouse");
    hid_port_init(&t->port, &t->r.m, "hid", &t->kbd, &t->mouse, &t->hid);
    virtio_tablet_init(&t->s, &t->r.m, "tablet", &t->bus, PCI_DEVFN(3, 0),
                       (struct msi_sink){NULL, NULL}, &t->port);
}

static void finish(struct tablet_rig *t)
{
    rig_end(&t->r);
}

static struct virtio_device *device(struct tablet_rig *t)
{
    return &t->s.bus.virtio;
}

/* The driver's part: features, queue 0 of 16 buffers of 8 bytes, go. */
static void drive(struct tablet_rig *t)
{
    struct virtio_device *v = device(t);
    struct virtqueue *q = &v->queue[0];
    struct address_space *mem = &t->r.m.mem;

    virtio_set_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    virtio_set_features(v, VIRTIO_F_VERSION_1);
    virtio_set_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    q->size = 16;
    q->desc = DESC;
    q->avail = AVAIL;
    q->used = USED;
    q->enabled = true;
    for (unsigned i = 0; i < 16; i++) {
        address_space_write(mem, DESC + 16 * i, DATA + 8 * i, 8);
        address_space_write(mem, DESC + 16 * i + 8, 8, 4);
        address_space_write(mem, DESC + 16 * i + 12, 2, 2); /* written by the device */
    }
    virtio_set_status(v,
                      VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
}

static void give(struct tablet_rig *t, unsigned n)
{
    for (; n; n--, t->avail++)
        address_space_write(&t->r.m.mem, AVAIL + 4 + 2 * (t->avail % 16), t->avail % 16, 2);
    address_space_write(&t->r.m.mem, AVAIL + 2, t->avail, 2);
    virtio_notify(device(t), 0);
}

static void act(struct tablet_rig *t, const struct hid_event *e)
{
    uint8_t bytes[HID_EVENT_SIZE];

    hid_encode(e, bytes);
    t->port.source.deliver(&t->port, bytes, sizeof(bytes));
}

static void place(struct tablet_rig *t, int x, int y)
{
    act(t, &(struct hid_event){
               .kind = HID_PLACE, .x = (int16_t)x, .y = (int16_t)y, .w = 640, .h = 480});
}

static unsigned used(struct tablet_rig *t)
{
    return (unsigned)address_space_read(&t->r.m.mem, USED + 2, 2);
}

static void expect(struct tablet_rig *t, unsigned n, unsigned type, unsigned code, uint32_t value)
{
    uint64_t at = DATA + 8 * (n % 16);

    assert_true(n < used(t));
    assert_int_equal(address_space_read(&t->r.m.mem, USED + 4 + 8 * (n % 16) + 4, 4), 8);
    assert_int_equal(address_space_read(&t->r.m.mem, at, 2), type);
    assert_int_equal(address_space_read(&t->r.m.mem, at + 2, 2), code);
    assert_int_equal(address_space_read(&t->r.m.mem, at + 4, 4), value);
}

/* Selects, and compares size and data. */
static void config(struct tablet_rig *t, uint8_t select, uint8_t subsel, const void *want,
                   unsigned size)
{
    struct virtio_device *v = device(t);

    virtio_config_write(v, 0, select, 1);
    virtio_config_write(v, 1, subsel, 1);
    assert_int_equal(virtio_config_read(v, 2), size);
    for (unsigned i = 0; i < 128; i++)
        assert_int_equal(virtio_config_read(v, 8 + i), i < size ? ((const uint8_t *)want)[i] : 0);
}

static void says(void **state)
{
    uint8_t keys[35] = {0};
    struct tablet_rig t;

    (void)state;
    start(&t);
    assert_int_equal(pci_config_read(&t.bus, PCI_DEVFN(3, 0), 0, 4), 0x10521af4);
    keys[34] = 0x1f; /* 0x110 to 0x114 */
    config(&t, 1, 0, "Calque Virtio Tablet", 20);
    config(&t, 0x11, 1, keys, 35);
    config(&t, 0x11, 2, (uint8_t[]){0, 1}, 2);
    config(&t, 0x11, 3, (uint8_t[]){3}, 1);
    config(&t, 0x11, 4, NULL, 0);
    config(&t, 0x12, 1, (uint8_t[20]){[4] = 0xff, [5] = 0x7f}, 20);
    config(&t, 0x12, 2, NULL, 0);
    config(&t, 0, 0, NULL, 0);
    finish(&t);
}

static void reports(void **state)
{
    struct tablet_rig t;

    (void)state;
    start(&t);
    place(&t, 639, 0); /* nobody drives it yet */
    assert_int_equal(t.s.count, 0);
    assert_false(t.hid.absolute);
    drive(&t);
    assert_true(t.hid.absolute);
    give(&t, 16);
    place(&t, 639, 0);
    assert_int_equal(used(&t), 3);
    expect(&t, 0, 3, 0, 0x7fff);
    expect(&t, 1, 3, 1, 0);
    expect(&t, 2, 0, 0, 0);
    act(&t, &(struct hid_event){.kind = HID_BUTTONS, .buttons = 2, .mask = 7});
    expect(&t, 3, 1, 0x111, 1);
    expect(&t, 6, 0, 0, 0);
    act(&t, &(struct hid_event){.kind = HID_MOVE, .z = 1});
    expect(&t, 9, 2, 8, (uint32_t)-1);
    rig_round_trip(&t.r, &t.s.bus.pci.dev);
    assert_int_equal(used(&t), 11);
    place(&t, 0, 479);
    place(&t, 1, 479); /* five buffers are left: the rest waits for more */
    assert_int_equal(used(&t), 16);
    assert_int_equal(t.s.count, 1);
    for (unsigned i = 0; i < 100; i++)
        place(&t, (int)i, 10);
    assert_true(t.s.count <= VIRTIO_TABLET_PENDING);
    give(&t, 16);
    expect(&t, 16, 0, 0, 0);
    expect(&t, 18, 3, 1, 10 * 0xffff / 479 >> 1);
    virtio_set_status(device(&t), 0);
    assert_false(t.hid.absolute);
    assert_int_equal(t.s.count, 0);
    finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(says), cmocka_unit_test(reports)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
