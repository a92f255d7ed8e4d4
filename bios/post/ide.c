/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which drives are on the two ATA channels (ATA/ATAPI-6), and what INT 13h says of a disk's
 * geometry. */
#include "post.h"

struct drive *new_disk(void)
{
    struct drive *d = &shared.disks[shared.ndisks];

    if (shared.ndisks == MAX_DISKS)
        return NULL;
    memset(d, 0, sizeof(*d));
    d->sector_size = 512;
    return d;
}

struct drive *new_cd(void)
{
    struct drive *d = &shared.cds[shared.ncds];

    if (shared.ncds == MAX_CDS)
        return NULL;
    memset(d, 0, sizeof(*d));
    d->sector_size = 2048;
    d->removable = 1;
    return d;
}

/* ---- geometry ---- */

/* LBA-assisted translation: 63 sectors, as few of 16 to 255 heads as keep to 1024 cylinders. Small
 * disks keep their own. */
void set_geometry(struct drive *d)
{
    static const u16 heads[] = {16, 32, 64, 128, 255};
    u32 cyls;

    if (d->pcyls && d->pcyls <= 1024 && d->pheads <= 16 && d->pspt <= 63 &&
        d->sectors <= 1024 * 16 * 63) {
        d->cyls = d->pcyls;
        d->heads = d->pheads;
        d->spt = d->pspt;
        return;
    }
    d->spt = 63;
    for (u32 i = 0; i < ARRAY_SIZE(heads); i++) {
        d->heads = heads[i];
        cyls = (u32)MIN(divu64(d->sectors, heads[i] * 63u), 0xffffffu);
        if (cyls <= 1024)
            break;
    }
    d->cyls = (u16)(cyls > 1024 ? 1024 : cyls ? cyls : 1);
}

/* IDENTIFY DEVICE's words, of any ATA disk. */
void ata_identity(struct drive *d, const u16 *id)
{
    char *name = d->name;

    d->sectors = id[60] | (u32)id[61] << 16;
    if ((id[83] & 0xc400) == 0x4400 && (id[100] | id[101] | id[102])) {
        d->sectors = id[100] | (u32)id[101] << 16 | (u64)id[102] << 32 | (u64)id[103] << 48;
        d->lba48 = 1;
    }
    d->pcyls = id[1];
    d->pheads = id[3];
    d->pspt = id[6];
    if (!d->sectors)
        d->sectors = (u64)id[1] * id[3] * id[6];
    for (u32 i = 27; i < 47; i++) {
        *name++ = (char)(id[i] >> 8);
        *name++ = (char)id[i];
    }
    while (name > d->name && (name[-1] == ' ' || !name[-1]))
        name--;
    *name = 0;
}

/* The fixed disk parameter table (PC/AT), in the extended form of translating BIOSes when logical
 * and physical geometry differ (EDD 1.0: A0h, physical values, checksum). */
static void disk_table(const struct drive *d, u8 vector)
{
    u8 *t = alloc_fseg(16);

    if (!t)
        return;
    *(u16 *)t = d->cyls;
    t[2] = (u8)d->heads;
    *(u16 *)(t + 5) = 0xffff;
    t[8] = (u8)(0xc0 | (d->heads > 8 ? 8 : 0));
    t[14] = (u8)d->spt;
    if (d->pcyls && (d->cyls != d->pcyls || d->heads != d->pheads)) {
        t[3] = 0xa0;
        t[4] = (u8)d->pspt;
        *(u16 *)(t + 9) = d->pcyls;
        t[11] = (u8)d->pheads;
        t[15] = (u8)-sum8(t, 15);
    }
    ((volatile u32 *)0)[vector] = FARPTR(SEG_BIOS, (u32)t);
}

void disk_tables(void)
{
    if (shared.ndisks > 0)
        disk_table(&shared.disks[0], 0x41);
    if (shared.ndisks > 1)
        disk_table(&shared.disks[1], 0x46);
}

/* ---- detection ---- */

enum { COUNT = 2, LBA_LOW = 3, LBA_MID = 4, LBA_HIGH = 5, DEVICE = 6, STATUS = 7, COMMAND = 7 };

static u8 wait_ready(u16 port, u32 ms)
{
    u8 status = 0;

    for (u32 start = timer_now(); !timer_past(start, ms);) {
        status = inb((u16)(port + STATUS));
        if (!(status & 0x80))
            break;
    }
    return status;
}

static void select_device(u16 port, u16 control, u8 slave)
{
    outb((u16)(port + DEVICE), (u8)(0xa0 | slave << 4));
    for (u32 i = 0; i < 15; i++)
        inb(control);
}

/* After a reset each device shows its signature: EB14h in the cylinder registers is a packet
 * device. */
static bool identify(u16 port, u16 control, u8 slave, u16 *id, bool *packet)
{
    u8 status;
    u16 *to = id;
    u32 n = 256;

    select_device(port, control, slave);
    status = wait_ready(port, 3000);
    if (status & 0x80) /* a packet device shows 0 after a reset */
        return false;
    outb((u16)(port + COUNT), 0x55);
    outb((u16)(port + LBA_LOW), 0xaa);
    if (inb((u16)(port + COUNT)) != 0x55 || inb((u16)(port + LBA_LOW)) != 0xaa)
        return false;
    *packet = inb((u16)(port + LBA_MID)) == 0x14 && inb((u16)(port + LBA_HIGH)) == 0xeb;
    outb((u16)(port + COMMAND), *packet ? 0xa1 : 0xec);
    for (u32 i = 0; i < 15; i++)
        inb(control);
    status = wait_ready(port, 3000);
    if (!(status & 0x08) || status & 0x81)
        return false;
    asm volatile("rep insw" : "+D"(to), "+c"(n) : "d"(port) : "memory");
    return true;
}

static void probe(u16 port, u16 control, u8 channel, u8 slave, u16 pci)
{
    u16 id[256];
    bool packet;
    struct drive *d;

    if (!identify(port, control, slave, id, &packet))
        return;
    d = packet ? new_cd() : new_disk();
    if (!d)
        return;
    d->type = packet ? DRIVE_ATAPI : DRIVE_ATA;
    d->port = port;
    d->control = control;
    d->slave = slave;
    d->channel = channel;
    d->irq = channel ? 15 : 14;
    d->pci = pci;
    ata_identity(d, id);
    if (packet) {
        if ((id[0] & 0x1f00) != 0x0500)
            return;              /* not a CD drive */
        d->sectors = 0xffffffff; /* whatever the medium's are: the drive refuses */
        shared.ncds++;
        return;
    }
    set_geometry(d);
    shared.ndisks++;
}

static void channel_init(u16 port, u16 control, u8 channel, u16 pci)
{
    if (inb((u16)(port + STATUS)) == 0xff)
        return; /* nothing drives the bus */
    outb(control, 0x0e);
    delay_ms(1);
    outb(control, 0x0a);
    delay_ms(2);
    wait_ready(port, 3000);
    for (u8 slave = 0; slave < 2; slave++)
        probe(port, control, channel, slave, pci);
    outb(control, 0x08);
}

static u16 controller;

static void find_controller(u16 device, void *opaque)
{
    (void)opaque;
    if (pci_read16(device, 0x0a) == 0x0101 && !controller)
        controller = device;
}

void ide_init(void)
{
    controller = 0;
    pci_each(find_controller, NULL);
    channel_init(0x1f0, 0x3f6, 0, controller);
    channel_init(0x170, 0x376, 1, controller);
}
