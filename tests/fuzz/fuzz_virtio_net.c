/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio network card over PCI: both interfaces, rings and descriptors in memory that are what
 * they should be or anything else, frames that arrive, room to send that comes and goes. */
#include "devices/net/virtio_net.h"

#include "tests/devices/fakenet.h"
#include "tests/fuzz/fuzz.h"

#define LEGACY 0xc000u
#define MSIX   0xe0000000u
#define MODERN 0xe0004000u
#define DEVFN  PCI_DEVFN(3, 0)
#define RING   0x4000u /* of all queues: 256 descriptors, then the rings */
#define AVAIL  (RING + 0x1000)
#define BUFFER 0x10000u
#define QUEUES 5

static struct pci_bus bus;
static struct virtio_net nic;
static struct netdev net;

static void configure(void)
{
    pci_config_write(&bus, DEVFN, PCI_BASE_ADDRESS_0, LEGACY, 4);
    pci_config_write(&bus, DEVFN, PCI_BASE_ADDRESS_0 + 4, MSIX, 4);
    pci_config_write(&bus, DEVFN, PCI_BASE_ADDRESS_0 + 16, MODERN, 4);
    pci_config_write(&bus, DEVFN, PCI_COMMAND, 7, 2);
}

static void start(struct rig *r, uint32_t features, bool msix)
{
    pci_config_write(&bus, DEVFN, 0x42, msix ? 0x8000 : 0, 2);
    address_space_write(&r->m.io, LEGACY + 18, 0, 1);
    address_space_write(&r->m.io, LEGACY + 18, 3, 1);
    address_space_write(&r->m.io, LEGACY + 4, features, 4);
    for (unsigned q = 0; q < QUEUES; q++) {
        address_space_write(&r->m.io, LEGACY + 14, q, 2);
        address_space_write(&r->m.io, LEGACY + 8, RING / 4096, 4);
        if (msix)
            address_space_write(&r->m.io, LEGACY + 22, q, 2);
    }
    address_space_write(&r->m.io, LEGACY + 18, 7, 1);
}

static void add(struct rig *r)
{
    const struct virtio_net_config config = {
        .nic = {{2, 0, 0, 0, 0, 1}, &net}, .pairs = 2, .pci = {.class = 0x0200, .msi = rig_msi(r)}};

    bus = (struct pci_bus){.confadd = 0};
    net = (struct netdev){.port = NULL};
    pci_bus_init(&bus, &r->m, "pci");
    virtio_net_init(&nic, &r->m, "nic", &bus, DEVFN, &config);
    configure();
    start(r, UINT32_MAX, false);
}

static void forget(struct rig *r)
{
    (void)r;
    fakenet_clear(&net);
}

static void put_descriptor(struct rig *r, unsigned n, uint64_t at, uint32_t length, uint16_t flags,
                           uint16_t next)
{
    address_space_write(&r->m.mem, RING + 16 * n, at, 8);
    address_space_write(&r->m.mem, RING + 16 * n + 8, length, 4);
    address_space_write(&r->m.mem, RING + 16 * n + 12, flags, 2);
    address_space_write(&r->m.mem, RING + 16 * n + 14, next, 2);
}

/* A chain of what the guest gives and what it takes, filled with the input, and the notification:
 * a frame, a buffer or a command, as the queue has it. */
static void submit(struct rig *r, struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in), first = fuzz_u8(in) & 0x3f;
    uint16_t index = (uint16_t)address_space_read(&r->m.mem, AVAIL + 2, 2);
    size_t size;
    uint8_t *bytes = fuzz_bytes(in, 300, &size);

    address_space_write_block(&r->m.mem, BUFFER, bytes, size);
    free(bytes);
    put_descriptor(r, first, BUFFER, (uint32_t)size, how & 4 ? 3 : 1, first + 1);
    put_descriptor(r, first + 1, BUFFER + 0x800, how & 8 ? 0x600 : 1, 2, 0);
    if (how & 1)
        put_descriptor(r, fuzz_u8(in), fuzz_number(in), fuzz_u32(in), fuzz_u8(in), fuzz_u8(in));
    if (how & 2)
        put_descriptor(r, first, RING + 16 * (first + 4u), 48, 4, 0);
    address_space_write(&r->m.mem, AVAIL + 4 + 2 * (index & 0xff), first, 2);
    address_space_write(&r->m.mem, AVAIL + 2, (uint16_t)(index + 1), 2);
    address_space_write(&r->m.io, LEGACY + 16, how >> 5, 2);
}

static void arrive(struct fuzz_input *in, bool large)
{
    struct net_header h = {.flags = fuzz_u8(in), .gso_type = fuzz_u8(in), .gso_size = fuzz_u16(in)};
    size_t size;
    uint8_t *bytes = fuzz_bytes(in, 200, &size);
    uint8_t *frame = calloc(1, NET_FRAME_MAX);

    fuzz_check(frame);
    memcpy(frame, bytes, size);
    if (!(net.offloads & NET_OFFLOAD_TSO4))
        h = (struct net_header){0};
    fakenet_offer_header(&net, &h, frame, h.gso_type && large ? NET_FRAME_MAX : size);
    free(bytes);
    free(frame);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what & 7) {
    case 0:
        fakenet_set_room(&net, what >> 4);
        break;
    case 1:
        fakenet_set_link(&net, what & 0x80);
        break;
    case 2:
        configure();
        start(r, fuzz_u32(in), what & 0x80);
        break;
    case 3:
        pci_config_write(&bus, DEVFN, fuzz_u8(in), (uint32_t)fuzz_number(in),
                         1u << (what >> 6) % 3);
        break;
    case 4:
    case 5:
        arrive(in, what & 0x80);
        break;
    default:
        submit(r, in);
        break;
    }
}

static const struct fuzz_chip chip = {
    .windows = {{true, LEGACY, 0x80},
                {false, MODERN, 0x40},
                {false, MODERN + 0x2000, 0x40},
                {false, MODERN, 0x4000},
                {false, MSIX, 0x1000},
                {false, RING, 0x100},
                {false, RING, 0x3000}},
    .add = add,
    .remove = forget,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
