/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ATA disks and ATAPI drives by PIO (ATA/ATAPI-6, T13 1410D). Completion is polled with the
 * device's interrupt disabled (nIEN), so that no request needs one. */
#include "rm.h"

enum {
    ERROR = 1,
    FEATURES = 1,
    COUNT = 2,
    LBA_LOW = 3,
    LBA_MID = 4,
    LBA_HIGH = 5,
    DEVICE = 6,
    STATUS = 7,
    COMMAND = 7
};
enum { ST_ERR = 0x01, ST_DRQ = 0x08, ST_DF = 0x20, ST_RDY = 0x40, ST_BSY = 0x80 };

static u8 wait_ready(struct drive *d, u32 ms)
{
    u32 start = timer_now();
    u8 status;

    /* The timer goes round after 4.6 s: longer waits are several. */
    for (;;) {
        status = inb((u16)(d->port + STATUS));
        if (!(status & ST_BSY))
            return status;
        if (timer_past(start, MIN(ms, 2000))) {
            if (ms <= 2000)
                return status;
            ms -= 2000;
            start = timer_now();
        }
        yield();
    }
}

static u8 error_status(struct drive *d, u8 status)
{
    u8 error;

    if (status & ST_BSY)
        return DISK_TIMEOUT;
    if (!(status & ST_ERR))
        return DISK_CONTROLLER;
    error = inb((u16)(d->port + ERROR));
    if (error & 0x10)
        return DISK_NO_SECTOR; /* IDNF */
    if (error & 0x40)
        return DISK_CRC; /* UNC */
    return error & 0x04 ? DISK_BAD_COMMAND : DISK_CONTROLLER;
}

static u8 select_device(struct drive *d, u8 bits)
{
    u8 status = wait_ready(d, 1000);

    if (status & ST_BSY)
        return DISK_TIMEOUT;
    outb(d->control, 0x0a); /* nIEN */
    outb((u16)(d->port + DEVICE), (u8)(bits | d->slave << 4));
    for (u32 i = 0; i < 4; i++)
        inb(d->control); /* 400 ns */
    status = wait_ready(d, 1000);
    return status & ST_BSY ? DISK_TIMEOUT : DISK_OK;
}

static void insl(u16 port, u16 seg, u32 off, u32 dwords)
{
    asm volatile("pushw %%es; movw %3, %%es; cld; rep insl; popw %%es"
                 : "+D"(off), "+c"(dwords)
                 : "d"(port), "r"(seg)
                 : "memory");
}

static void insw(u16 port, u16 seg, u32 off, u32 words)
{
    asm volatile("pushw %%es; movw %3, %%es; cld; rep insw; popw %%es"
                 : "+D"(off), "+c"(words)
                 : "d"(port), "r"(seg)
                 : "memory");
}

static void outsl(u16 port, u16 seg, u32 off, u32 dwords)
{
    asm volatile("pushw %%ds; movw %3, %%ds; cld; rep outsl; popw %%ds"
                 : "+S"(off), "+c"(dwords)
                 : "d"(port), "r"(seg)
                 : "memory");
}

static void outsw(u16 port, u16 seg, u32 off, u32 words)
{
    asm volatile("pushw %%ds; movw %3, %%ds; cld; rep outsw; popw %%ds"
                 : "+S"(off), "+c"(words)
                 : "d"(port), "r"(seg)
                 : "memory");
}

/* ---- disks ---- */

static u8 start(struct transfer *t)
{
    static const u8 commands[3][2] = {{0x20, 0x24}, {0x30, 0x34}, {0x40, 0x42}};
    struct drive *d = t->drive;
    u32 lba = (u32)t->lba;
    bool big = t->lba + t->count > 0x10000000u;
    u8 status = select_device(d, (u8)(0x40 | (big ? 0 : lba >> 24)));

    if (status)
        return status;
    if (big) {
        outb((u16)(d->port + COUNT), (u8)(t->count >> 8));
        outb((u16)(d->port + LBA_LOW), (u8)(lba >> 24));
        outb((u16)(d->port + LBA_MID), (u8)(t->lba >> 32));
        outb((u16)(d->port + LBA_HIGH), (u8)(t->lba >> 40));
    }
    outb((u16)(d->port + COUNT), (u8)t->count);
    outb((u16)(d->port + LBA_LOW), (u8)lba);
    outb((u16)(d->port + LBA_MID), (u8)(lba >> 8));
    outb((u16)(d->port + LBA_HIGH), (u8)(lba >> 16));
    outb((u16)(d->port + COMMAND), commands[t->command][big]);
    for (u32 i = 0; i < 4; i++)
        inb(d->control);
    return DISK_OK;
}

static u8 move_sectors(struct transfer *t)
{
    struct drive *d = t->drive;
    u16 seg = t->seg;

    for (u16 i = 0; i < t->count; i++, seg = (u16)(seg + 32)) {
        u8 status = wait_ready(d, 10000);

        if (status & (ST_BSY | ST_ERR | ST_DF) || !(status & ST_DRQ))
            return error_status(d, status);
        if (t->command == DISK_READ)
            insl(d->port, seg, t->off, 128);
        else
            outsl(d->port, seg, t->off, 128);
    }
    return DISK_OK;
}

u8 ata_transfer(struct transfer *t)
{
    struct drive *d = t->drive;
    u8 result = start(t), status;

    if (!result && t->command != DISK_VERIFY)
        result = move_sectors(t);
    if (!result) {
        status = wait_ready(d, 30000);
        if (status & (ST_BSY | ST_ERR | ST_DF | ST_DRQ))
            result = error_status(d, status);
    }
    outb(d->control, 0x08); /* interrupts on for whoever comes next */
    return result;
}

u8 ata_reset(struct drive *d)
{
    outb(d->control, 0x0e); /* SRST */
    delay_us(10);
    outb(d->control, 0x08);
    delay_us(2000);
    return wait_ready(d, 31000) & ST_BSY ? DISK_TIMEOUT : DISK_OK;
}

/* ---- ATAPI ---- */

static u8 packet_error(struct drive *d, u8 status)
{
    u8 sense = inb((u16)(d->port + ERROR)) >> 4;

    if (status & ST_BSY)
        return DISK_TIMEOUT;
    return sense == 2 ? DISK_NO_MEDIA : sense == 6 ? DISK_CHANGED : DISK_CONTROLLER;
}

/* Moves what the device has to say, of which `left` bytes fit; the rest is thrown away. */
static void take_data(struct drive *d, u16 *seg, u16 off, u32 *left)
{
    u32 n = inb((u16)(d->port + LBA_MID)) | (u32)inb((u16)(d->port + LBA_HIGH)) << 8;
    u32 want = MIN(n, *left);

    if (want & 3)
        insw(d->port, *seg, off, (want + 1) / 2);
    else
        insl(d->port, *seg, off, want / 4);
    for (u32 i = want; i < n; i += 2)
        inw(d->port);
    *seg = (u16)(*seg + want / 16);
    *left -= want;
}

u8 atapi_packet(struct drive *d, const u8 *packet, u16 seg, u16 off, u32 bytes)
{
    u8 status = select_device(d, 0xa0);

    if (status)
        return status;
    outb((u16)(d->port + FEATURES), 0);
    outb((u16)(d->port + COUNT), 0);
    outb((u16)(d->port + LBA_LOW), 0);
    outb((u16)(d->port + LBA_MID), 0x00); /* pieces of 2048 bytes */
    outb((u16)(d->port + LBA_HIGH), 0x08);
    outb((u16)(d->port + COMMAND), 0xa0);
    inb(d->control);
    status = wait_ready(d, 1000);
    if (!(status & ST_DRQ) || status & (ST_BSY | ST_ERR))
        return packet_error(d, status);
    outsw(d->port, SEG_BIOS, (u32)packet, 6);
    for (;;) {
        inb(d->control);
        status = wait_ready(d, 30000);
        if (status & (ST_BSY | ST_ERR))
            return packet_error(d, status);
        if (!(status & ST_DRQ))
            return DISK_OK;
        take_data(d, &seg, off, &bytes);
    }
}

/* READ(10) of the MMC set. A drive says once that its medium has changed. */
u8 atapi_transfer(struct transfer *t)
{
    static u8 packet[12];
    u8 result = DISK_OK;

    if (t->command == DISK_VERIFY)
        return DISK_OK;
    if (t->command != DISK_READ)
        return DISK_WRITE_PROTECTED;
    for (u32 tries = 0; tries < 5; tries++) {
        memset(packet, 0, sizeof(packet));
        packet[0] = 0x28;
        packet[2] = (u8)(t->lba >> 24);
        packet[3] = (u8)(t->lba >> 16);
        packet[4] = (u8)(t->lba >> 8);
        packet[5] = (u8)t->lba;
        packet[7] = (u8)(t->count >> 8);
        packet[8] = (u8)t->count;
        result = atapi_packet(t->drive, packet, t->seg, t->off, t->count * 2048u);
        if (result != DISK_CHANGED)
            break;
    }
    outb(t->drive->control, 0x08);
    return result;
}
