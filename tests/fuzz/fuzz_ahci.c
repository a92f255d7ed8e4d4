/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The AHCI controller with a disk and a CD drive: registers, command lists and tables in memory,
 * queued commands, errors of the back end, resets of all kinds. */
#include "devices/storage/ahci.h"
#include "devices/storage/ahci_regs.h"

#include "tests/devices/fakedisk.h"
#include "tests/fuzz/fuzz.h"

#define BAR   0xe0000000u
#define DEVFN PCI_DEVFN(3, 0)
#define LIST  0x4000u
#define FISES 0x4400u
#define TABLE 0x5000u

static struct pci_bus bus;
static struct ahci hba;
static struct blockdev disk, cd;

static void write_reg(struct rig *r, unsigned reg, uint32_t value)
{
    address_space_write(&r->m.mem, BAR + reg, value, 4);
}

static void start_port(struct rig *r, unsigned port)
{
    unsigned base = HBA_PORTS + HBA_PORT_SIZE * port;

    write_reg(r, base + PX_CLB, LIST);
    write_reg(r, base + PX_FB, FISES);
    write_reg(r, base + PX_IE, UINT32_MAX);
    write_reg(r, base + PX_CMD, CMD_FRE | CMD_ST);
}

static void add(struct rig *r)
{
    const struct ide_drive_config drives[AHCI_NUM_PORTS] = {{ATA_DISK, &disk}, {ATA_CDROM, &cd}};

    bus = (struct pci_bus){.confadd = 0};
    fake_init(&disk, 32 << 10);
    fake_init(&cd, 16 << 10);
    pci_bus_init(&bus, &r->m, "pci");
    ahci_init(&hba, &r->m, "ahci", &bus, DEVFN, drives, 0, rig_msi(r));
    pci_config_write(&bus, DEVFN, PCI_BASE_ADDRESS_0 + 20, BAR, 4);
    pci_config_write(&bus, DEVFN, PCI_COMMAND, 6, 2);
    write_reg(r, HBA_GHC, GHC_AE | GHC_IE);
    start_port(r, 0);
    start_port(r, 1);
}

static void remove_drives(struct rig *r)
{
    (void)r;
    fake_free(&disk);
    fake_free(&cd);
}

/* A command in a slot, with a FIS, a packet and two regions. */
static void issue(struct rig *r, struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in), slot = fuzz_u8(in) & 31, fis[20] = {FIS_H2D, H2D_COMMAND};
    uint64_t table = TABLE + 0x100u * slot, header = LIST + HEADER_SIZE * slot;
    unsigned base = HBA_PORTS + HBA_PORT_SIZE * (how & 1);

    for (unsigned i = 2; i < 14; i++)
        fis[i] = fuzz_u8(in);
    if (how & 4)
        fis[2] = 0x60 | (fis[2] & 1), fis[12] = (uint8_t)(slot << 3);
    if (how & 8)
        fis[1] = 0, fis[15] = fuzz_u8(in);
    address_space_write_block(&r->m.mem, table, fis, sizeof(fis));
    for (unsigned i = 0; i < 12; i++)
        address_space_write(&r->m.mem, table + TABLE_ACMD + i, fuzz_u8(in), 1);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t at = 0x10000 + 0x1000 * i;

        if (how & 0x10) /* the controller's own registers */
            at = BAR + base + (fuzz_u8(in) & 0x3c);
        address_space_write(&r->m.mem, table + TABLE_PRDT + 16 * i, at, 8);
        address_space_write(&r->m.mem, table + TABLE_PRDT + 12 + 16 * i, fuzz_u16(in), 4);
    }
    address_space_write(&r->m.mem, header, 5 | (uint32_t)(how >> 6) << 16, 4);
    address_space_write(&r->m.mem, header + 8, table, 8);
    if (how & 4)
        write_reg(r, base + PX_SACT, 1u << slot);
    write_reg(r, base + PX_CI, 1u << slot);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what & 7) {
    case 0:
        fake_break(&disk, fuzz_u32(in), what >> 4);
        break;
    case 1:
        cd.events.medium_changed(cd.events.opaque);
        break;
    case 2:
        start_port(r, what >> 7);
        break;
    case 3:
        disk.read_only = what & 8;
        break;
    case 4: /* messages on and off, and all else that is there */
        pci_config_write(&bus, DEVFN, what & 0x80 ? 0x80 + (what >> 3 & 15) : fuzz_u8(in),
                         fuzz_u32(in), 1);
        break;
    case 5: /* what the device says, and where commands are: in its registers */
        write_reg(r, HBA_PORTS + HBA_PORT_SIZE * (what >> 7) + PX_FB,
                  what & 8 ? BAR + HBA_PORTS + HBA_PORT_SIZE * (what >> 7) + (fuzz_u8(in) & 0x3c)
                           : FISES);
        break;
    default:
        issue(r, in);
        break;
    }
}

static const struct fuzz_chip chip = {
    .windows = {{false, BAR, 0x40},
                {false, BAR + HBA_PORTS, HBA_PORT_SIZE},
                {false, BAR + HBA_PORTS + HBA_PORT_SIZE, HBA_PORT_SIZE},
                {false, BAR, 0x1000},
                {false, LIST, 0x400},
                {false, TABLE, 0x2000}},
    .add = add,
    .remove = remove_drives,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
