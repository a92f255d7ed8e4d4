/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio disk over PCI: both interfaces, rings and descriptors in memory that are what they
 * should be or anything else, MSI-X, errors of the back end. */
#include "devices/virtio/virtio_blk.h"

#include "tests/devices/fakedisk.h"
#include "tests/fuzz/fuzz.h"

#define LEGACY 0xc000u
#define MSIX   0xe0000000u
#define MODERN 0xe0004000u
#define DEVFN  PCI_DEVFN(3, 0)
#define RING   0x4000u /* 256 descriptors, then the rings */
#define AVAIL  (RING + 0x1000)
#define HEADER 0x10000u

static struct pci_bus bus;
static struct virtio_blk blk;
static struct blockdev disk;

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
    for (unsigned q = 0; q < 2; q++) {
        address_space_write(&r->m.io, LEGACY + 14, q, 2);
        address_space_write(&r->m.io, LEGACY + 8, RING / 4096, 4);
        if (msix)
            address_space_write(&r->m.io, LEGACY + 22, q, 2);
    }
    address_space_write(&r->m.io, LEGACY + 18, 7, 1);
}

static void add(struct rig *r)
{
    const struct virtio_blk_config config = {
        .disk = &disk, .queues = 2, .pci = {.class = 0x0100, .msi = rig_msi(r)}};

    bus = (struct pci_bus){.confadd = 0};
    fake_init(&disk, 16 << 10);
    pci_bus_init(&bus, &r->m, "pci");
    virtio_blk_init(&blk, &r->m, "blk", &bus, DEVFN, &config);
    configure();
    start(r, UINT32_MAX, false);
}

static void remove_drive(struct rig *r)
{
    (void)r;
    fake_free(&disk);
}

static void put_descriptor(struct rig *r, unsigned n, uint64_t at, uint32_t length, uint16_t flags,
                           uint16_t next)
{
    address_space_write(&r->m.mem, RING + 16 * n, at, 8);
    address_space_write(&r->m.mem, RING + 16 * n + 8, length, 4);
    address_space_write(&r->m.mem, RING + 16 * n + 12, flags, 2);
    address_space_write(&r->m.mem, RING + 16 * n + 14, next, 2);
}

/* A chain of header, data and status, and the notification. */
static void submit(struct rig *r, struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in), type = fuzz_u8(in), first = fuzz_u8(in) & 0x3f;
    uint16_t index = (uint16_t)address_space_read(&r->m.mem, AVAIL + 2, 2);
    bool write = type & 1;

    address_space_write(&r->m.mem, HEADER, type & 0x3f, 4);
    address_space_write(&r->m.mem, HEADER + 8, fuzz_u8(in), 8);
    put_descriptor(r, first, HEADER, 16, 1, first + 1);
    put_descriptor(r, first + 1, HEADER + 0x100, (uint32_t)(fuzz_u8(in) & 15) << 9 | (how & 0x10),
                   write ? 1 : 3, first + 2);
    put_descriptor(r, first + 2, HEADER + 0x80, 1, 2, 0);
    if (how & 1)
        put_descriptor(r, fuzz_u8(in), fuzz_number(in), fuzz_u32(in), fuzz_u8(in), fuzz_u8(in));
    if (how & 4) /* data are the device's own registers */
        put_descriptor(r, first + 1, (how & 8 ? MODERN : MSIX) + (fuzz_u8(in) & 0x3f),
                       (uint32_t)(fuzz_u8(in) & 15) << 9, write ? 1 : 3, first + 2);
    if (how & 2)
        put_descriptor(r, first, RING + 16 * (first + 4u), 48, 4, 0);
    address_space_write(&r->m.mem, AVAIL + 4 + 2 * (index & 0xff), first, 2);
    address_space_write(&r->m.mem, AVAIL + 2, (uint16_t)(index + 1), 2);
    address_space_write(&r->m.io, LEGACY + 16, how >> 7, 2);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what & 7) {
    case 0:
        fake_break(&disk, fuzz_u32(in), what >> 4);
        break;
    case 1:
        disk.events.medium_changed(disk.events.opaque);
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
        pci_config_read(&bus, DEVFN, fuzz_u8(in), 4);
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
                {false, MSIX, 0x40},
                {false, MSIX, 0x1000},
                {false, RING, 0x100},
                {false, RING, 0x3000}},
    .add = add,
    .remove = remove_drive,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
