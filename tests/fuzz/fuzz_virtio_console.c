/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio console: control messages, bytes both ways, people who come and go. */
#include "devices/virtio/virtio_console.h"

#include "tests/fuzz/virtio_chip.h"

#define PORTS  4u
#define QUEUES (2 * PORTS + 2)

static struct pci_bus bus;
static struct virtio_console console;

struct chardev {
    struct input_source *src;
};
static struct chardev chr[2];

void chardev_connect(struct chardev *c, struct machine *m, struct input_source *src)
{
    (void)m;
    c->src = src;
}

void chardev_allow(struct chardev *c, size_t n)
{
    (void)c;
    fuzz_check(n <= VIRTIO_CONSOLE_RX);
}

void chardev_write(struct chardev *c, const void *data, size_t len)
{
    (void)c, (void)data;
    fuzz_check(len);
}

static void add(struct rig *r)
{
    const struct virtio_console_config config = {
        .nports = PORTS,
        .ports = {{.present = true, .console = true, .chr = &chr[0]},
                  {.present = true, .name = "name", .chr = &chr[1]},
                  {.present = true}},
        .pci = {.class = 0x0780, .msi = rig_msi(r)}};

    bus = (struct pci_bus){.confadd = 0};
    pci_bus_init(&bus, &r->m, "pci");
    virtio_console_init(&console, &r->m, "con", &bus, VCHIP_DEVFN, &config);
    vchip_configure(&bus);
    vchip_start(r, &bus, UINT32_MAX, false, QUEUES);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);
    size_t size;
    uint8_t *bytes;

    if (what & 4) {
        vchip_event(r, &bus, in, what, QUEUES);
    } else if (what & 8) {
        virtio_console_opened(&console.ports[what >> 4 & 1], what & 0x80);
        input_deliver(&r->m);
    } else {
        bytes = fuzz_bytes(in, 300, &size);
        chr[what >> 4 & 1].src->deliver(chr[what >> 4 & 1].src->opaque, bytes, size);
        free(bytes);
    }
}

static const struct fuzz_chip chip = {.windows = {VCHIP_WINDOWS}, .add = add, .event = event};

FUZZ_CHIP_TARGET(chip)
