/* SPDX-License-Identifier: GPL-2.0-or-later */
/* El Torito (Phoenix/IBM, 1.0, chapter 5): INT 13h/AH=4Ah to 4Dh, and the emulated floppy or hard
 * disk, whose 512-byte sectors are quarters of the CD's. */
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

static u32 emulated_sectors(void)
{
    return (u32)shared.emu.cyls * shared.emu.heads * shared.emu.spt;
}

/* By CHS, where the image is as large as its geometry. */
static u32 read_chs(struct regs *r, bool move)
{
    struct emulation *e = &shared.emu;
    u16 cylinder = (u16)(r->ch | (r->cl & 0xc0) << 2);
    u8 sector = r->cl & 0x3f, status = DISK_OK;
    u16 seg = r->es, off = r->bx;
    u32 lba = ((u32)cylinder * e->heads + r->dh) * e->spt + sector - 1;

    if (!sector || sector > e->spt || r->dh >= e->heads || !r->al ||
        lba + r->al > emulated_sectors())
        return disk_done(r, DISK_NO_SECTOR);
    if (off > 15) {
        seg = (u16)(seg + (off >> 4));
        off &= 15;
    }
    if (move)
        status = read_image(lba, r->al, seg, off);
    if (status)
        r->al = 0;
    return disk_done(r, status);
}

static u32 edd(struct regs *r, bool move)
{
    u16 count = peek16(r->ds, r->si + 2u), off = peek16(r->ds, r->si + 4u),
        seg = peek16(r->ds, r->si + 6u);
    u32 lba = peek32(r->ds, r->si + 8u);
    u8 status = DISK_OK;

    if (peek8(r->ds, r->si) < 16)
        return disk_done(r, DISK_BAD_COMMAND);
    if (peek32(r->ds, r->si + 12u) || lba > emulated_sectors() ||
        (r->ah != 0x47 && count > emulated_sectors() - lba))
        return disk_done(r, DISK_NO_SECTOR);
    if (move)
        status = read_image(lba, count, (u16)(seg + (off >> 4)), off & 15);
    if (status)
        poke16(r->ds, r->si + 2u, 0);
    return disk_done(r, status);
}

/* EDD 1.1's: flags, geometry, sectors and their size. */
static u32 edd_parameters(struct regs *r)
{
    struct emulation *e = &shared.emu;

    if (peek16(r->ds, r->si) < 26)
        return disk_done(r, DISK_BAD_COMMAND);
    poke16(r->ds, r->si, 26);
    poke16(r->ds, r->si + 2u, 2); /* the geometry is right */
    poke32(r->ds, r->si + 4u, e->cyls);
    poke32(r->ds, r->si + 8u, e->heads);
    poke32(r->ds, r->si + 12u, e->spt);
    poke32(r->ds, r->si + 16u, emulated_sectors());
    poke32(r->ds, r->si + 20u, 0);
    poke16(r->ds, r->si + 24u, 512);
    return disk_done(r, DISK_OK);
}

static u32 emulated_edd(struct regs *r)
{
    switch (r->ah) {
    case 0x41:
        if (r->bx != 0x55aa)
            return disk_done(r, DISK_BAD_COMMAND);
        r->bx = 0xaa55;
        r->cx = 1;
        disk_done(r, DISK_OK);
        r->ah = 0x21;
        return ACTION_NONE;
    case 0x42:
        return edd(r, true);
    case 0x43:
        return disk_done(r, DISK_WRITE_PROTECTED);
    case 0x44:
    case 0x47:
        return edd(r, false);
    case 0x48:
        return edd_parameters(r);
    default:
        return disk_done(r, DISK_BAD_COMMAND);
    }
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
        r->di = (u16)(u32)dpt;
    } else {
        r->dl = (u8)(shared.ndisks + 1);
    }
    bda->disk_status = 0;
    set_cf(r, false);
    return ACTION_NONE;
}

static void count_drives(void);

/* The specification packet of 4Bh (figure 4). */
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
    if (r->al == 0) {
        shared.emu.active = 0;
        count_drives();
    }
    return disk_done(r, DISK_OK);
}

/* 4Dh: so many sectors of the boot catalog, from one on (figure 5). */
static u32 read_catalog(struct regs *r)
{
    u16 off = peek16(r->ds, r->si + 2u), seg = peek16(r->ds, r->si + 4u);
    struct transfer t = {
        &shared.cds[shared.emu.cd], DISK_READ, shared.emu.catalog + peek16(r->ds, r->si + 6u),
        peek8(r->ds, r->si + 1u),   seg,       off};

    if (peek8(r->ds, r->si) < 8 || t.count > 31)
        return disk_done(r, DISK_BAD_COMMAND);
    return disk_done(r, disk_transfer(&t));
}

/* ---- 4Ah, 4Ch: another image, by figure 4's packet ---- */

static u8 read_cd_sector(struct drive *cd, u32 lba)
{
    struct transfer t = {cd, DISK_READ, lba, 1, SEG_BIOS, (u16)(u32)cd_buffer};

    return disk_transfer(&t);
}

/* The CD of the packet's controller and device; none: no image can be there. */
static struct drive *packet_cd(struct regs *r)
{
    u8 channel = peek8(r->ds, r->si + 3u);
    u16 device = peek16(r->ds, r->si + 8u);

    for (u8 i = 0; i < shared.ncds; i++)
        if (shared.cds[i].channel == channel && shared.cds[i].slave == device)
            return &shared.cds[i];
    return NULL;
}

/* The packet's geometry; where it has none, the medium's, or for a hard disk what the image's first
 * partition ends with. */
static u8 set_geometry(struct regs *r, struct emulation *e, struct drive *cd)
{
    static const u8 floppy_spt[4] = {0, 15, 18, 36};
    u8 ch = peek8(r->ds, r->si + 16u), cl = peek8(r->ds, r->si + 17u),
       heads = peek8(r->ds, r->si + 18u), status = DISK_OK;

    if (!(cl & 0x3f) && e->media == 4) {
        status = read_cd_sector(cd, e->lba);
        heads = cd_buffer[446 + 5];
        cl = cd_buffer[446 + 6];
        ch = cd_buffer[446 + 7];
    } else if (!(cl & 0x3f)) {
        ch = 79;
        cl = floppy_spt[e->media];
        heads = 1;
    }
    e->cyls = (u16)((ch | (cl & 0xc0) << 2) + 1);
    e->spt = cl & 0x3f;
    e->heads = (u8)(heads + 1);
    if (!status && e->media && (!e->spt || !e->heads))
        status = DISK_BAD_COMMAND;
    return status;
}

/* As many disks and floppy drives as POST counted (boot.c), and the emulated one. */
static void count_drives(void)
{
    struct emulation *e = &shared.emu;
    u8 floppies = shared.nfloppies;

    bda->disk_count = shared.ndisks;
    if (e->active && e->media && e->drive)
        bda->disk_count++;
    else if (e->active && e->media)
        floppies++;
    bda->equipment &= ~0xc1;
    if (floppies)
        bda->equipment = (u16)(bda->equipment | 1 | ((floppies - 1) & 3) << 6);
}

static u8 start_emulation(struct regs *r)
{
    static struct emulation e;
    struct drive *cd = packet_cd(r);
    u8 status;

    e.media = peek8(r->ds, r->si + 1u) & 15;
    if (peek8(r->ds, r->si) < 0x13 || !cd || e.media > 4)
        return DISK_BAD_COMMAND;
    e.active = 1;
    e.cd = (u8)(cd - shared.cds);
    e.lba = peek32(r->ds, r->si + 4u);
    e.load_segment = peek16(r->ds, r->si + 12u);
    e.sector_count = peek16(r->ds, r->si + 14u);
    e.drive = (u8)(e.media == 0 ? 0xe0 + e.cd : e.media == 4 ? 0x80 : 0);
    status = set_geometry(r, &e, cd);
    if (!status)
        status = read_cd_sector(cd, 17); /* the boot record: 4Dh's catalog */
    if (status)
        return status;
    memcpy(&e.catalog, cd_buffer + 0x47, 4);
    memcpy(&shared.emu, &e, sizeof(e));
    count_drives();
    return DISK_OK;
}

/* 4Ch: its first sectors go where the packet says, and are started as POST does. */
static u32 emulate_and_boot(struct regs *r)
{
    struct emulation before;
    u16 seg, sectors;
    u8 status;

    memcpy(&before, &shared.emu, sizeof(before));
    status = start_emulation(r);
    if (status)
        return disk_done(r, status);
    seg = shared.emu.load_segment ? shared.emu.load_segment : 0x7c0;
    sectors = shared.emu.sector_count ? shared.emu.sector_count : 1;
    status =
        seg * 16u + sectors * 512u > 0x9f000 ? DISK_BAD_COMMAND : read_image(0, sectors, seg, 0);
    if (status) {
        memcpy(&shared.emu, &before, sizeof(before));
        count_drives();
        return disk_done(r, status);
    }
    boot_target = seg == 0x7c0 ? FARPTR(0, 0x7c00) : FARPTR(seg, 0);
    r->edx = shared.emu.drive;
    return ACTION_START;
}

u32 eltorito_start(struct regs *r)
{
    return r->ah == 0x4c ? emulate_and_boot(r) : disk_done(r, start_emulation(r));
}

u32 eltorito13(struct regs *r)
{
    switch (r->ah) {
    case 0x4b:
        return terminate(r);
    case 0x4d:
        return read_catalog(r);
    default:
        break;
    }
    if (r->ah >= 0x41 && shared.emu.drive)
        return emulated_edd(r);
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
        return disk_done(r, DISK_WRITE_PROTECTED);
    case 0x08:
        return parameters(r);
    case 0x15:
        disk_done(r, DISK_OK);
        r->ah = shared.emu.drive ? 3 : 1;
        if (shared.emu.drive) {
            r->cx = (u16)(emulated_sectors() >> 16);
            r->dx = (u16)emulated_sectors();
        }
        return ACTION_NONE;
    default:
        return disk_done(r, DISK_BAD_COMMAND);
    }
}

/* ---- locking and ejecting (EDD 3.0, functions 45h and 46h; MMC) ---- */

static u8 locks[MAX_CDS]; /* how many times, as callers count */

/* A packet command without data to a drive of ours that takes such. */
static u8 simple_packet(struct drive *d, u8 command, u8 argument)
{
    static u8 packet[12];
    u8 status;

    if (d->type != DRIVE_ATAPI)
        return DISK_BAD_COMMAND;
    memset(packet, 0, sizeof(packet));
    packet[0] = command;
    packet[4] = argument;
    status = atapi_packet(d, packet, SEG_BIOS, 0, 0);
    outb(d->control, 0x08);
    return status;
}

static u8 set_lock(struct drive *d, bool on)
{
    return simple_packet(d, 0x1e, on); /* PREVENT ALLOW MEDIUM REMOVAL */
}

/* AL=0 locks, 1 unlocks, 2 asks; AL comes back as 1 for locked. */
u32 cd_lock(struct regs *r, struct drive *d)
{
    u8 *count = &locks[d - shared.cds], status = DISK_OK;

    if (r->al > 2 || d->type != DRIVE_ATAPI)
        return disk_done(r, DISK_BAD_COMMAND);
    if (r->al == 0 && *count == 255)
        return disk_done(r, DISK_TOO_MANY_LOCKS);
    if (r->al == 1 && !*count)
        return disk_done(r, DISK_NOT_LOCKED);
    if (r->al == 0 && (*count)++ == 0)
        status = set_lock(d, true);
    if (r->al == 1 && --*count == 0)
        status = set_lock(d, false);
    r->al = *count != 0;
    return disk_done(r, status);
}

/* INT 15h/AH=52h may forbid it. */
u32 cd_eject(struct regs *r, struct drive *d)
{
    if (r->al)
        return disk_done(r, DISK_BAD_COMMAND);
    if (locks[d - shared.cds])
        return disk_done(r, DISK_LOCKED);
    return disk_done(r, simple_packet(d, 0x1b, 2)); /* START STOP UNIT: eject */
}
