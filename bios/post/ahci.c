/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SATA disks and CD drives behind an AHCI controller (Serial ATA AHCI 1.3.1): one command at a
 * time, in slot 0, polled. */
#include "post.h"

enum { HBA_CAP = 0x00, HBA_GHC = 0x04, HBA_PI = 0x0c };
enum {
    PORT_CLB = 0x00,
    PORT_CLBU = 0x04,
    PORT_FB = 0x08,
    PORT_FBU = 0x0c,
    PORT_IS = 0x10,
    PORT_IE = 0x14,
    PORT_CMD = 0x18,
    PORT_TFD = 0x20,
    PORT_SIG = 0x24,
    PORT_SSTS = 0x28,
    PORT_SERR = 0x30,
    PORT_CI = 0x38,
};
#define GHC_AE  0x80000000u
#define CMD_ST  0x0001
#define CMD_SUD 0x0002
#define CMD_FRE 0x0010
#define CMD_FR  0x4000
#define CMD_CR  0x8000

/* Command list, received FIS, command table: what the port reads and writes. */
struct port {
    u32 list[256]; /* 1 KiB aligned; slot 0 is the first 32 bytes */
    u8 received[256];
    u8 fis[64], packet[16], reserved[48]; /* the command table, 128-byte aligned */
    u32 prd[4];
    u8 pad[112];
    u32 regs; /* where the port's registers are */
    u8 bounce[2048] __attribute__((aligned(4)));
};

/* ---- one command ---- */

static bool wait_clear(u32 address, u32 bits, u32 ms)
{
    for (u32 start = timer_now(); mmio_read32(address) & bits;)
        if (timer_past(start, ms))
            return false;
    return true;
}

static void stop(u32 regs)
{
    mmio_write32(regs + PORT_CMD, mmio_read32(regs + PORT_CMD) & ~(u32)CMD_ST);
    wait_clear(regs + PORT_CMD, CMD_CR, 500);
    mmio_write32(regs + PORT_CMD, mmio_read32(regs + PORT_CMD) & ~(u32)CMD_FRE);
    wait_clear(regs + PORT_CMD, CMD_FR, 500);
}

static void run(u32 regs)
{
    mmio_write32(regs + PORT_SERR, 0xffffffff);
    mmio_write32(regs + PORT_IS, 0xffffffff);
    mmio_write32(regs + PORT_CMD, mmio_read32(regs + PORT_CMD) | CMD_FRE | CMD_SUD);
    wait_clear(regs + PORT_TFD, 0x88, 3000);
    mmio_write32(regs + PORT_CMD, mmio_read32(regs + PORT_CMD) | CMD_ST);
}

/* The host-to-device FIS is in p->fis. Returns the task file: status, error in the next byte. */
static u32 issue(struct port *p, u32 buffer, u32 bytes, bool write, bool packet)
{
    u32 tfd = 0x80, waited = 0;

    p->list[0] = 5 | (write ? 1 << 6 : 0) | (packet ? 1 << 5 : 0) | (bytes ? 1 << 16 : 0);
    p->list[1] = 0;
    p->list[2] = (u32)p->fis;
    p->list[3] = 0;
    p->prd[0] = buffer;
    p->prd[1] = p->prd[2] = 0;
    p->prd[3] = bytes - 1;
    BARRIER();
    mmio_write32(p->regs + PORT_IS, 0xffffffff);
    mmio_write32(p->regs + PORT_CI, 1);
    for (u32 start = timer_now(); waited < 10;) {
        tfd = mmio_read32(p->regs + PORT_TFD);
        if (mmio_read32(p->regs + PORT_IS) & 0x40000000) /* TFES */
            break;
        if (!(mmio_read32(p->regs + PORT_CI) & 1) && !(tfd & 0x80)) {
            BARRIER();
            return tfd;
        }
        if (timer_past(start, 3000)) {
            start = timer_now();
            waited++;
        }
    }
    tfd = mmio_read32(p->regs + PORT_TFD) | 1;
    stop(p->regs);
    run(p->regs);
    return tfd;
}

static void set_fis(struct port *p, u8 command, u64 lba, u32 count)
{
    memset(p->fis, 0, sizeof(p->fis));
    p->fis[0] = 0x27;
    p->fis[1] = 0x80;
    p->fis[2] = command;
    for (u32 i = 0; i < 3; i++) {
        p->fis[4 + i] = (u8)(lba >> i * 8);
        p->fis[8 + i] = (u8)(lba >> (24 + i * 8));
    }
    p->fis[7] = 0x40;
    p->fis[12] = (u8)count;
    p->fis[13] = (u8)(count >> 8);
}

/* ---- requests ---- */

static u8 status_of(u32 tfd, bool packet)
{
    u8 error = (u8)(tfd >> 8);

    if (!(tfd & 0x89))
        return 0;
    if (packet)
        return error >> 4 == 2 ? 0x31 : error >> 4 == 6 ? 0x06 : 0x20;
    return error & 0x10 ? 0x04 : error & 0x40 ? 0x10 : 0x20;
}

static u8 disk_command(struct port *p, const struct drive *d, const struct disk_request *q,
                       u32 buffer)
{
    u8 command = q->command == DISK_WRITE ? 0x35 : q->command == DISK_READ ? 0x25 : 0x42;

    if (!d->lba48) {
        command = q->command == DISK_WRITE ? 0xca : q->command == DISK_READ ? 0xc8 : 0x40;
        set_fis(p, command, q->lba & 0xffffff, q->count);
        p->fis[7] = (u8)(0x40 | (q->lba >> 24 & 15));
    } else {
        set_fis(p, command, q->lba, q->count);
    }
    return status_of(issue(p, buffer, q->command == DISK_VERIFY ? 0 : q->count * 512,
                           q->command == DISK_WRITE, false),
                     false);
}

static u8 cd_command(struct port *p, const struct disk_request *q, u32 buffer)
{
    u8 status = 0;

    if (q->command == DISK_WRITE)
        return 0x03;
    if (q->command == DISK_VERIFY)
        return 0;
    for (u32 tries = 0; tries < 5; tries++) {
        set_fis(p, 0xa0, 0, 0);
        p->fis[3] = 1; /* DMA */
        p->fis[7] = 0;
        memset(p->packet, 0, sizeof(p->packet));
        p->packet[0] = 0x28;
        for (u32 i = 0; i < 4; i++)
            p->packet[2 + i] = (u8)(q->lba >> (24 - i * 8));
        p->packet[7] = (u8)(q->count >> 8);
        p->packet[8] = (u8)q->count;
        status = status_of(issue(p, buffer, q->count * 2048, false, true), true);
        if (status != 0x06)
            break;
    }
    return status;
}

static u8 one(struct drive *d, const struct disk_request *q, u32 buffer)
{
    struct port *p = (struct port *)d->driver;

    return d->type == DRIVE_AHCI ? disk_command(p, d, q, buffer) : cd_command(p, q, buffer);
}

/* DMA wants even addresses: odd ones go sector by sector through the port's own buffer. */
u32 ahci_request(struct disk_request *q)
{
    struct drive *d = (struct drive *)q->drive;
    struct port *p = (struct port *)d->driver;
    struct disk_request part = *q;
    u8 status = 0;

    if (!(q->buffer & 1))
        return one(d, q, q->buffer);
    part.count = 1;
    for (u32 i = 0; i < q->count && !status; i++, part.lba++) {
        u8 *at = (u8 *)q->buffer + i * d->sector_size;

        if (q->command == DISK_WRITE)
            memcpy(p->bounce, at, d->sector_size);
        status = one(d, &part, (u32)p->bounce);
        if (q->command == DISK_READ && !status)
            memcpy(at, p->bounce, d->sector_size);
    }
    return status;
}

/* ---- detection ---- */

static struct port *start_port(u32 regs)
{
    struct port *p = alloc_high(sizeof(*p), 1024);

    if (!p)
        return NULL;
    stop(regs);
    p->regs = regs;
    mmio_write32(regs + PORT_CLB, (u32)p->list);
    mmio_write32(regs + PORT_CLBU, 0);
    mmio_write32(regs + PORT_FB, (u32)p->received);
    mmio_write32(regs + PORT_FBU, 0);
    mmio_write32(regs + PORT_IE, 0);
    run(regs);
    return p;
}

static void probe_port(u32 regs, u8 number, u16 pci)
{
    bool cd;
    struct port *p;
    struct drive *d;

    mmio_write32(regs + PORT_CMD, mmio_read32(regs + PORT_CMD) | CMD_SUD);
    for (u32 start = timer_now(); (mmio_read32(regs + PORT_SSTS) & 15) != 3;)
        if (timer_past(start, 30))
            return;
    p = start_port(regs);
    if (!p)
        return;
    cd = mmio_read32(regs + PORT_SIG) == 0xeb140101u;
    d = cd ? new_cd() : new_disk();
    if (!d)
        return;
    set_fis(p, cd ? 0xa1 : 0xec, 0, 0);
    if (issue(p, (u32)p->bounce, 512, false, false) & 0x89)
        return;
    d->type = cd ? DRIVE_AHCI_ATAPI : DRIVE_AHCI;
    d->slave = number;
    d->pci = pci;
    d->driver = (u32)p;
    ata_identity(d, (const u16 *)(void *)p->bounce);
    if (cd) {
        d->sectors = 0xffffffff;
        shared.ncds++;
    } else {
        set_geometry(d);
        shared.ndisks++;
    }
}

static void controller(u16 device, void *opaque)
{
    u32 hba, ports;

    (void)opaque;
    if (pci_read32(device, 8) >> 8 != 0x010601)
        return;
    pci_enable(device);
    hba = pci_bar(device, 0x24);
    if (!hba)
        return;
    mmio_write32(hba + HBA_GHC, mmio_read32(hba + HBA_GHC) | 1); /* reset */
    wait_clear(hba + HBA_GHC, 1, 1000);
    mmio_write32(hba + HBA_GHC, GHC_AE);
    ports = mmio_read32(hba + HBA_PI);
    for (u8 i = 0; i < 32; i++)
        if (ports >> i & 1)
            probe_port(hba + 0x100 + i * 0x80u, i, device);
}

void ahci_init(void)
{
    pci_each(controller, NULL);
}
