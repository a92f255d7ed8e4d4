/* SPDX-License-Identifier: GPL-2.0-or-later */
/* El Torito (Phoenix/IBM, 1.0): INT 13h/AH=4Ah to 4Dh, and the emulated floppy or hard disk, whose
 * 512-byte sectors are quarters of the CD's. */
#include "rm.h"

bool emulated(u8 dl)
{
    return shared.emu.active && shared.emu.media && dl == shared.emu.drive;
}

static u8 cd_buffer[2048];

/* 512-byte sectors of the image: whole CD sectors directly, parts through cd_buffer. */
static u8 read_image(u32 sector, u16 count, u16 seg, u16 off)
{
    struct drive *cd = &shared.cds[shared.emu.cd];

    while (count) {
        u32 part = sector & 3, n = MIN(4 - part, count);
        struct transfer t = {cd, DISK_READ, shared.emu.lba + sector / 4,
                             1,  SEG_BIOS,  (u16)(u32)cd_buffer};
        u8 status;

        if (n == 4) {
            t.count = (u16)MIN(count / 4u, 16);
            t.seg = seg;
            t.off = off;
            n = t.count * 4u;
        }
        status = disk_transfer(&t);
        if (status)
            return status;
        if (t.seg == SEG_BIOS || n < 4)
            copy_to_far(seg, off, cd_buffer + part * 512, n * 512);
        sector += n;
        count = (u16)(count - n);
        seg = (u16)(seg + n * 32);
    }
    return DISK_OK;
}

static u32 read_chs(struct regs *r, bool move)
{
    struct emulation *e = &shared.emu;
    u16 cylinder = (u16)(r->ch | (r->cl & 0xc0) << 2);
    u8 sector = r->cl & 0x3f, status = DISK_OK;
    u16 seg = r->es, off = r->bx;

    if (!sector || sector > e->spt || r->dh >= e->heads || cylinder >= e->cyls || !r->al)
        return disk_done(r, DISK_NO_SECTOR);
    if (off > 15) {
        seg = (u16)(seg + (off >> 4));
        off &= 15;
    }
    if (move)
        status =
            read_image(((u32)cylinder * e->heads + r->dh) * e->spt + sector - 1, r->al, seg, off);
    return disk_done(r, status);
}

static u32 read_edd(struct regs *r)
{
    u16 count = peek16(r->ds, r->si + 2u), off = peek16(r->ds, r->si + 4u),
        seg = peek16(r->ds, r->si + 6u);

    return disk_done(
        r, read_image(peek32(r->ds, r->si + 8u), count, (u16)(seg + (off >> 4)), off & 15));
}

static u32 parameters(struct regs *r)
{
    struct emulation *e = &shared.emu;
    u16 last = (u16)(e->cyls - 1);

    r->ax = 0;
    r->ch = (u8)last;
    r->cl = (u8)((last >> 2 & 0xc0) | e->spt);
    r->dh = (u8)(e->heads - 1);
    if (e->drive == 0) {
        static const u8 types[4] = {0, 2, 4, 6}; /* 1.2, 1.44, 2.88 MB */

        r->bx = types[e->media & 3];
        r->dl = (u8)(shared.nfloppies + 1);
        r->es = SEG_BIOS;
        r->di = 0xefc7;
    } else {
        r->dl = (u8)(shared.ndisks + 1);
    }
    bda->disk_status = 0;
    set_cf(r, false);
    return ACTION_NONE;
}

/* The specification packet of 4Bh and 4Ch (figure 4). */
static void fill_packet(struct regs *r)
{
    struct emulation *e = &shared.emu;
    struct drive *cd = &shared.cds[e->cd];

    poke8(r->ds, r->si, 0x13);
    poke8(r->ds, r->si + 1u, e->media);
    poke8(r->ds, r->si + 2u, e->drive);
    poke8(r->ds, r->si + 3u, cd->channel);
    poke32(r->ds, r->si + 4u, e->lba);
    poke16(r->ds, r->si + 8u, cd->slave);
    poke16(r->ds, r->si + 10u, 0);
    poke16(r->ds, r->si + 12u, e->load_segment);
    poke16(r->ds, r->si + 14u, e->sector_count);
    poke8(r->ds, r->si + 16u, (u8)(e->cyls - 1));
    poke8(r->ds, r->si + 17u, (u8)(((e->cyls - 1) >> 2 & 0xc0) | e->spt));
    poke8(r->ds, r->si + 18u, (u8)(e->heads - 1));
}

/* 4Bh: AL=0 ends the emulation, 1 only tells. DL 7Fh ends any. */
static u32 terminate(struct regs *r)
{
    if (r->dl != 0x7f && r->dl != shared.emu.drive)
        return disk_done(r, DISK_BAD_COMMAND);
    fill_packet(r);
    if (r->al == 0)
        shared.emu.active = 0;
    return disk_done(r, DISK_OK);
}

u32 eltorito13(struct regs *r)
{
    switch (r->ah) {
    case 0x4b:
        return terminate(r);
    case 0x4a:
    case 0x4c:
    case 0x4d:
        return disk_done(r, DISK_BAD_COMMAND); /* another image of the catalog: not here */
    default:
        break;
    }
    switch (r->ah) {
    case 0x00:
    case 0x09:
    case 0x0c:
    case 0x0d:
    case 0x10:
    case 0x11:
    case 0x14:
        return disk_done(r, DISK_OK);
    case 0x01:
        return disk_done(r, bda->disk_status);
    case 0x02:
        return read_chs(r, true);
    case 0x04:
        return read_chs(r, false);
    case 0x03:
    case 0x05:
    case 0x43:
        return disk_done(r, DISK_WRITE_PROTECTED);
    case 0x08:
        return parameters(r);
    case 0x15:
        disk_done(r, DISK_OK);
        r->ah = shared.emu.drive ? 3 : 1;
        if (shared.emu.drive) {
            u32 n = (u32)shared.emu.cyls * shared.emu.heads * shared.emu.spt;

            r->cx = (u16)(n >> 16);
            r->dx = (u16)n;
        }
        return ACTION_NONE;
    case 0x41:
        if (r->bx != 0x55aa || !shared.emu.drive)
            return disk_done(r, DISK_BAD_COMMAND);
        r->bx = 0xaa55;
        r->cx = 1;
        disk_done(r, DISK_OK);
        r->ah = 0x30;
        return ACTION_NONE;
    case 0x42:
        return shared.emu.drive ? read_edd(r) : disk_done(r, DISK_BAD_COMMAND);
    default:
        return disk_done(r, DISK_BAD_COMMAND);
    }
}
