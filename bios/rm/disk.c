/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INT 13h: which drive, and the functions of hard disks: CHS, and the Enhanced Disk Drive
 * specification 3.0 (T13 D1386). Floppies are floppy.c's, CDs cdrom.c's. */
#include "rm.h"

u32 disk_done(struct regs *r, u8 status)
{
    r->ah = status;
    set_cf(r, status != DISK_OK);
    if (r->dl & 0x80)
        bda->disk_status = status;
    else
        bda->floppy_status = status;
    return ACTION_NONE;
}

/* ---- transfers ---- */

/* AHCI and virtio: 32-bit code, with memory-mapped registers. */
static u8 transfer32(struct transfer *t)
{
    static struct disk_request q;
    u32 status;

    q.drive = PHYS(t->drive);
    q.command = t->command;
    q.lba = t->lba;
    q.count = t->count;
    q.buffer = linear(t->seg, t->off);
    status = call32(CALL32_DISK, PHYS(&q));
    return status == 0xffffffff ? DISK_CONTROLLER : (u8)status;
}

u8 disk_transfer(struct transfer *t)
{
    if (t->count == 0)
        return DISK_OK;
    if (t->off > 15 && t->seg + (t->off >> 4) <= 0xffff) {
        t->seg = (u16)(t->seg + (t->off >> 4));
        t->off &= 15;
    }
    switch (t->drive->type) {
    case DRIVE_ATA:
        return ata_transfer(t);
    case DRIVE_ATAPI:
        return atapi_transfer(t);
    case DRIVE_AHCI:
    case DRIVE_AHCI_ATAPI:
    case DRIVE_VIRTIO:
        return transfer32(t);
    default:
        return DISK_BAD_COMMAND;
    }
}

/* ---- CHS ---- */

static u32 chs_transfer(struct regs *r, struct drive *d, u8 command)
{
    u16 cylinder = (u16)(r->ch | (r->cl & 0xc0) << 2);
    u8 sector = r->cl & 0x3f;
    struct transfer t = {d, command, 0, r->al, r->es, r->bx};

    if (r->al == 0 || r->al > 128 || sector == 0)
        return disk_done(r, DISK_BAD_COMMAND);
    if (cylinder >= d->cyls || r->dh >= d->heads || sector > d->spt)
        return disk_done(r, DISK_NO_SECTOR);
    t.lba = ((u32)cylinder * d->heads + r->dh) * d->spt + sector - 1;
    if (t.lba + t.count > d->sectors)
        return disk_done(r, DISK_NO_SECTOR);
    u8 status = disk_transfer(&t);
    if (status)
        r->al = 0;
    return disk_done(r, status);
}

static u32 parameters(struct regs *r, struct drive *d)
{
    u16 last = (u16)(d->cyls - 1);

    r->al = 0;
    r->ch = (u8)last;
    r->cl = (u8)((last >> 2 & 0xc0) | d->spt);
    r->dh = (u8)(d->heads - 1);
    disk_done(r, DISK_OK);
    r->dl = shared.ndisks + (shared.emu.active && shared.emu.drive == 0x80);
    return ACTION_NONE;
}

static u32 disk_type(struct regs *r, struct drive *d)
{
    u32 sectors = (u32)d->cyls * d->heads * d->spt;

    r->cx = (u16)(sectors >> 16);
    r->dx = (u16)sectors;
    bda->disk_status = 0;
    r->ah = 3;
    set_cf(r, false);
    return ACTION_NONE;
}

static u32 seek(struct regs *r, struct drive *d)
{
    u16 cylinder = (u16)(r->ch | (r->cl & 0xc0) << 2);

    return disk_done(r, cylinder < d->cyls && r->dh < d->heads ? DISK_OK : DISK_SEEK);
}

static u32 reset(struct regs *r, struct drive *d)
{
    return disk_done(r, d->type == DRIVE_ATA ? ata_reset(d) : DISK_OK);
}

/* ---- EDD ---- */

/* The disk address packet. With 24 bytes and the buffer FFFF:FFFF its address is flat, of 64 bits.
 */
struct packet {
    u8 size, reserved;
    u16 count;
    u16 off, seg;
    u64 lba;
    u64 flat;
} PACKED;

static bool get_packet(struct regs *r, struct packet *p)
{
    p->size = peek8(r->ds, r->si);
    if (p->size < 16)
        return false;
    p->flat = 0;
    copy_from_far(p, r->ds, r->si, MIN(p->size, sizeof(*p)));
    return true;
}

static bool is_flat(const struct packet *p)
{
    return p->size >= 24 && p->off == 0xffff && p->seg == 0xffff;
}

static u8 copy_flat(u32 to, u32 from, u32 bytes)
{
    static struct copy_request q;

    q.to = to;
    q.from = from;
    q.bytes = bytes;
    return call32(CALL32_COPY, PHYS(&q)) == 0xffffffff ? DISK_CONTROLLER : DISK_OK;
}

/* Sector by sector through ours. */
static u8 flat_transfer(struct transfer *t, u32 flat)
{
    static u8 sector[2048];
    u16 bytes = t->drive->sector_size;
    u8 status = DISK_OK;

    t->seg = SEG_BIOS;
    t->off = (u16)(u32)sector;
    if (t->command == DISK_WRITE)
        status = copy_flat(PHYS(sector), flat, bytes);
    if (!status)
        status = disk_transfer(t);
    if (!status && t->command == DISK_READ)
        status = copy_flat(flat, PHYS(sector), bytes);
    return status;
}

static u32 edd_transfer(struct regs *r, struct drive *d, u8 command)
{
    struct packet p;
    u8 status = DISK_OK;
    u32 todo;
    u16 most = d->sector_size == 512 ? 127 : 31;

    if (!get_packet(r, &p) || p.count > 0x7fff || p.flat >> 32)
        return disk_done(r, DISK_BAD_COMMAND);
    if (p.lba >= d->sectors || p.count > d->sectors - p.lba)
        return disk_done(r, DISK_NO_SECTOR);
    if (is_flat(&p))
        most = 1;
    struct transfer t = {d, command, p.lba, 0, p.seg, p.off};
    for (todo = p.count; todo; todo -= t.count) {
        t.count = (u16)MIN(todo, most);
        status = is_flat(&p) ? flat_transfer(&t, (u32)p.flat) : disk_transfer(&t);
        if (status)
            break;
        t.lba += t.count;
        t.seg = (u16)(t.seg + t.count * d->sector_size / 16);
        p.flat += d->sector_size;
    }
    poke16(r->ds, r->si + 2u, (u16)(p.count - todo));
    return disk_done(r, status);
}

static u32 edd_present(struct regs *r)
{
    if (r->bx != 0x55aa)
        return disk_done(r, DISK_BAD_COMMAND);
    r->bx = 0xaa55;
    /* Extended access, EDD, flat addresses; for CDs locking and ejecting too. */
    r->cx = r->dl >= 0xe0 ? 0x0f : 0x0d;
    disk_done(r, DISK_OK);
    r->ah = 0x30;
    return ACTION_NONE;
}

/* EDD 3.0, result buffer of function 48h. */
struct edd_parameters {
    u16 size, flags;
    u32 cylinders, heads, sectors_per_track;
    u64 sectors;
    u16 bytes_per_sector;
    u32 dpte;
    u16 key;
    u8 path_length, reserved[3];
    char bus[4], interface[8];
    u64 interface_path, device_path;
    u8 reserved2, checksum;
} PACKED;
_Static_assert(sizeof(struct edd_parameters) == 66, "EDD 3.0");

/* The device parameter table extension, to which function 48h points. */
static struct dpte {
    u16 port, control;
    u8 head, vendor, irq, sector_count, dma, pio;
    u16 options, reserved;
    u8 revision, checksum;
} PACKED dpte;

static u8 checksum(const void *p, u32 n)
{
    u8 sum = 0;

    for (u32 i = 0; i < n; i++)
        sum = (u8)(sum + ((const u8 *)p)[i]);
    return (u8)-sum;
}

static void fill_dpte(struct drive *d)
{
    memset(&dpte, 0, sizeof(dpte));
    dpte.port = d->port;
    dpte.control = d->control;
    dpte.head = (u8)(0xe0 | d->slave << 4);
    dpte.irq = d->irq;
    dpte.sector_count = 1;
    dpte.options = (u16)(d->type == DRIVE_ATAPI ? 0x70 : 0x10); /* LBA; removable, ATAPI */
    dpte.revision = 0x11;
    dpte.checksum = checksum(&dpte, sizeof(dpte) - 1);
}

/* Bus type and interface, and where it is on PCI. */
static void fill_path(struct edd_parameters *e, struct drive *d)
{
    static const char names[][9] = {"ATA     ", "ATAPI   ", "SATA    ", "SCSI    "};
    bool ahci = d->type == DRIVE_AHCI || d->type == DRIVE_AHCI_ATAPI;
    const char *name = names[d->type == DRIVE_ATA ? 0 : d->type == DRIVE_ATAPI ? 1 : ahci ? 2 : 3];

    e->key = 0xbedd;
    e->path_length = 36;
    memcpy(e->bus, "PCI ", 4);
    memcpy(e->interface, name, 8);
    e->interface_path = (u32)(d->pci >> 8) | (u32)(d->pci >> 3 & 31) << 8 |
                        (u32)(d->pci & 7) << 16 | (u32)(ahci ? 0 : d->channel) << 24;
    e->device_path = d->slave;
    e->checksum = checksum((const u8 *)e + 30, 35);
}

static u32 edd_parameters(struct regs *r, struct drive *d)
{
    u16 room = peek16(r->ds, r->si);
    struct edd_parameters e;
    bool cd = d->sector_size == 2048;

    if (room < 26)
        return disk_done(r, DISK_BAD_COMMAND);
    memset(&e, 0, sizeof(e));
    e.size = room >= 66 ? 66 : room >= 30 ? 30 : 26;
    e.flags = cd ? 0x74 : d->pcyls ? 0x02 : 0x00; /* removable, lockable, no CHS; or CHS is right */
    if (d->pcyls && d->sectors < 0xfc0000) {
        e.cylinders = d->pcyls;
        e.heads = d->pheads;
        e.sectors_per_track = d->pspt;
    } else if (!cd) {
        e.flags = 0;
        e.cylinders = 16383;
        e.heads = 16;
        e.sectors_per_track = 63;
    }
    e.sectors = cd ? 0xffffffffffffffffull : d->sectors;
    e.bytes_per_sector = d->sector_size;
    e.dpte = 0xffffffff;
    if (e.size >= 30 && (d->type == DRIVE_ATA || d->type == DRIVE_ATAPI)) {
        fill_dpte(d);
        e.dpte = FARPTR(SEG_BIOS, (u32)&dpte);
    }
    if (e.size == 66)
        fill_path(&e, d);
    copy_to_far(r->ds, r->si, &e, e.size);
    return disk_done(r, DISK_OK);
}

static u32 edd_seek(struct regs *r, struct drive *d)
{
    struct packet p;

    if (!get_packet(r, &p))
        return disk_done(r, DISK_BAD_COMMAND);
    return disk_done(r, p.lba < d->sectors ? DISK_OK : DISK_NO_SECTOR);
}

/* 43h, with AL 0 or 1: with or without verification, which there is none of. */
static u32 edd_write(struct regs *r, struct drive *d)
{
    return r->al > 1 ? disk_done(r, DISK_BAD_COMMAND) : edd_transfer(r, d, DISK_WRITE);
}

static u32 set_hardware(struct regs *r)
{
    /* 4Eh: prefetch and PIO modes are as they are; DMA is not used. */
    if (r->al > 6)
        return disk_done(r, DISK_BAD_COMMAND);
    r->al = 0;
    return disk_done(r, DISK_OK);
}

static u32 disk13(struct regs *r, struct drive *d)
{
    switch (r->ah) {
    case 0x00:
    case 0x0d:
        return reset(r, d);
    case 0x01: {
        u8 last = bda->disk_status;

        r->ah = last;
        set_cf(r, last != 0);
        return ACTION_NONE;
    }
    case 0x02:
        return chs_transfer(r, d, DISK_READ);
    case 0x03:
        return chs_transfer(r, d, DISK_WRITE);
    case 0x04:
        return chs_transfer(r, d, DISK_VERIFY);
    case 0x05:
        return disk_done(r, DISK_OK); /* ATA disks come formatted */
    case 0x08:
        return parameters(r, d);
    case 0x09:
        return disk_done(r, DISK_OK);
    case 0x0c:
        return seek(r, d);
    case 0x10:
    case 0x11:
    case 0x14:
        return disk_done(r, DISK_OK);
    case 0x15:
        return disk_type(r, d);
    case 0x41:
        return edd_present(r);
    case 0x42:
        return edd_transfer(r, d, DISK_READ);
    case 0x43:
        return edd_write(r, d);
    case 0x44:
        return edd_transfer(r, d, DISK_VERIFY);
    case 0x45:
    case 0x46:
        return disk_done(r, DISK_NOT_REMOVABLE);
    case 0x47:
        return edd_seek(r, d);
    case 0x48:
        return edd_parameters(r, d);
    case 0x49:
        return disk_done(r, DISK_OK); /* not changed */
    case 0x4e:
        return set_hardware(r);
    default:
        return disk_done(r, DISK_BAD_COMMAND);
    }
}

/* ---- CD drives by their own numbers ---- */

u32 cdrom13(struct regs *r, struct drive *d)
{
    switch (r->ah) {
    case 0x00:
    case 0x0d:
    case 0x10:
    case 0x11:
    case 0x47:
        return disk_done(r, DISK_OK);
    case 0x01:
        return disk_done(r, bda->disk_status);
    case 0x15:
        disk_done(r, DISK_OK);
        r->ah = 2;
        return ACTION_NONE;
    case 0x41:
        return edd_present(r);
    case 0x42:
        return edd_transfer(r, d, DISK_READ);
    case 0x43:
        return disk_done(r, DISK_WRITE_PROTECTED);
    case 0x44:
        return edd_transfer(r, d, DISK_VERIFY);
    case 0x45:
        return cd_lock(r, d);
    case 0x46:
        return cd_eject(r, d);
    case 0x48:
        return edd_parameters(r, d);
    case 0x49:
        return disk_done(r, DISK_OK); /* not changed */
    case 0x4b:
        return eltorito13(r);
    case 0x4e:
        return set_hardware(r);
    default:
        return disk_done(r, DISK_BAD_COMMAND);
    }
}

/* ---- dispatch ---- */

/* An emulated hard disk is 80h, and the others move up by one. */
static struct drive *find_drive(u8 dl)
{
    u8 i = dl & 0x7f;

    if (dl >= 0xe0)
        return dl - 0xe0 < shared.ncds ? &shared.cds[dl - 0xe0] : NULL;
    if (shared.emu.active && shared.emu.drive == 0x80)
        i--;
    return i < shared.ndisks ? &shared.disks[i] : NULL;
}

u32 int13(struct regs *r)
{
    struct drive *d;

    if (r->ah == 0x4a || r->ah == 0x4c)
        return eltorito_start(r);
    if (r->ah >= 0x4b && r->ah <= 0x4d && shared.emu.active)
        return eltorito13(r);
    if (emulated(r->dl))
        return eltorito13(r);
    if (!(r->dl & 0x80)) {
        if (shared.emu.active && shared.emu.drive == 0)
            r->dl--; /* an emulated floppy is 0, and the others move up by one */
        u32 action = floppy13(r);
        if (shared.emu.active && shared.emu.drive == 0 && r->ah != 8)
            r->dl++;
        return action;
    }
    d = find_drive(r->dl);
    if (!d) {
        if (r->ah == 0x15) { /* no such drive is no error */
            r->ah = 0;
            set_cf(r, false);
            return ACTION_NONE;
        }
        return disk_done(r, DISK_BAD_COMMAND);
    }
    return d->sector_size == 2048 ? cdrom13(r, d) : disk13(r, d);
}

/* Where INT 13h of floppies is once a hard disk is there (PC/XT). */
u32 int40(struct regs *r)
{
    return floppy13(r);
}
