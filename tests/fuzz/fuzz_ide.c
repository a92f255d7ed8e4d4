/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PIIX3's IDE function with a disk and a CD drive: registers, PIO, packets, bus master tables
 * in memory, media that change, errors of the back end. */
#include "devices/storage/piix_ide.h"

#include "tests/devices/fakedisk.h"
#include "tests/fuzz/fuzz.h"

#define BM 0xc000

static struct pci_bus bus;
static struct piix_ide ide;
static struct blockdev disk, cd;

static void add(struct rig *r)
{
    const struct ide_drive_config drives[4] = {
        {ATA_DISK, &disk}, {ATA_NONE, NULL}, {ATA_NONE, NULL}, {ATA_CDROM, &cd}};

    bus = (struct pci_bus){.confadd = 0};
    fake_init(&disk, 32 << 10);
    fake_init(&cd, 16 << 10);
    pci_bus_init(&bus, &r->m, "pci");
    piix_ide_init(&ide, &r->m, "ide", &bus, rig_line(r, 0), rig_line(r, 1), drives);
    pci_config_write(&bus, PIIX_IDE_DEVFN, PCI_BASE_ADDRESS_0 + 16, BM, 4);
    pci_config_write(&bus, PIIX_IDE_DEVFN, PCI_COMMAND, 5, 2);
}

static void remove_drives(struct rig *r)
{
    (void)r;
    fake_free(&disk);
    fake_free(&cd);
}

/* A whole packet, so that commands of the drive are come by. */
static void send_packet(struct rig *r, struct fuzz_input *in)
{
    uint8_t op = fuzz_u8(in), feature = fuzz_u8(in);

    address_space_write(&r->m.io, 0x176, 0xb0, 1);
    address_space_write(&r->m.io, 0x171, feature & 1, 1);
    address_space_write(&r->m.io, 0x174, fuzz_u16(in), 2);
    address_space_write(&r->m.io, 0x177, 0xa0, 1);
    address_space_write(&r->m.io, 0x170, op | fuzz_u8(in) << 8, 2);
    for (unsigned i = 1; i < 6; i++)
        address_space_write(&r->m.io, 0x170, fuzz_u16(in), 2);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what & 7) {
    case 0:
        pci_config_write(&bus, PIIX_IDE_DEVFN, fuzz_u8(in), (uint32_t)fuzz_number(in),
                         1 + (what >> 7));
        break;
    case 1:
        fake_break(&disk, fuzz_u32(in), what >> 4);
        break;
    case 2:
        cd.events.medium_changed(cd.events.opaque);
        break;
    case 3:
        cd.events.eject_request(cd.events.opaque);
        break;
    case 4:
        disk.read_only = what & 8;
        break;
    case 5: /* take what is there */
        for (unsigned i = 0; i < (what >> 3) * 64u; i++)
            address_space_read(&r->m.io, what & 8 ? 0x170 : 0x1f0, 2);
        break;
    default:
        send_packet(r, in);
        break;
    }
}

static const struct fuzz_chip chip = {
    .windows = {{true, 0x1f0, 8},
                {true, 0x170, 8},
                {true, 0x3f6, 1},
                {true, 0x376, 1},
                {true, BM, 16},
                {true, 0x1f6, 2},
                {false, 0, 64},
                {false, 0, RIG_RAM}},
    .add = add,
    .remove = remove_drives,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
