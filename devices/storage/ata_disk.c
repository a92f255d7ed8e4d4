/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of an ATA disk (ATA8-ACS; what that made obsolete and old systems use: ATA/ATAPI-5).
 *
 * Absent, and aborted as a drive without the feature does: security, device configuration overlay,
 * streaming, removable media, READ and WRITE BUFFER, WRITE UNCORRECTABLE, NOP's queue control. */
#include "devices/storage/ata.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "devices/storage/ata_internal.h"

enum {
    EXT = 0x01, /* 48-bit address and count */
    DMA = 0x02,
    WRITE = 0x04,
    MULTIPLE = 0x08, /* DRQ blocks of d->multiple sectors */
    FUA = 0x10,
};

struct ata_op {
    void (*run)(struct ata_drive *d, unsigned flags);
    uint8_t flags;
};

/* ---- addresses ---- */

static bool is_ext(const struct ata_drive *d);

static uint64_t lba48(const struct ata_drive *d)
{
    const uint8_t *l = d->r.lba, *h = d->r.hob_lba;

    return l[0] | l[1] << 8 | (uint64_t)l[2] << 16 | (uint64_t)h[0] << 24 | (uint64_t)h[1] << 32 |
           (uint64_t)h[2] << 40;
}

static uint32_t lba28(const struct ata_drive *d)
{
    const uint8_t *l = d->r.lba;

    return l[0] | (uint32_t)l[1] << 8 | (uint32_t)l[2] << 16 | (uint32_t)(d->r.device & 15) << 24;
}

/* Where the registers point to; false: no such cylinder, head or sector. */
static bool get_address(const struct ata_drive *d, bool ext, uint64_t *sector)
{
    uint32_t cylinder = d->r.lba[1] | (uint32_t)d->r.lba[2] << 8, head = d->r.device & 15;

    if (ext) {
        *sector = lba48(d);
        return true;
    }
    if (d->r.device & ATA_LBA) {
        *sector = lba28(d);
        return true;
    }
    if (!d->r.lba[0] || d->r.lba[0] > d->sectors || head >= d->heads)
        return false;
    *sector = ((uint64_t)cylinder * d->heads + head) * d->sectors + d->r.lba[0] - 1;
    return true;
}

static void put_address(struct ata_drive *d, bool ext, uint64_t sector)
{
    if (!ext && !(d->r.device & ATA_LBA)) {
        uint64_t track = sector / d->sectors, cylinder = track / d->heads;

        d->r.lba[0] = (uint8_t)(sector % d->sectors + 1);
        d->r.lba[1] = (uint8_t)cylinder;
        d->r.lba[2] = (uint8_t)(cylinder >> 8);
        d->r.device = (uint8_t)((d->r.device & 0xf0) | (track % d->heads));
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        d->r.lba[i] = (uint8_t)(sector >> 8 * i);
        if (ext)
            d->r.hob_lba[i] = (uint8_t)(sector >> (24 + 8 * i));
    }
    if (!ext)
        d->r.device = (uint8_t)((d->r.device & 0xf0) | (sector >> 24 & 15));
}

/* 0 stands for the most there can be. */
static uint32_t get_count(const struct ata_drive *d, bool ext)
{
    uint32_t n = d->r.count;

    if (!ext)
        return n ? n : 256;
    n |= (uint32_t)d->r.hob_count << 8;
    return n ? n : 65536;
}

/* What a command of address and count is about; if there is no such place, it has failed. */
static bool get_range(struct ata_drive *d, unsigned flags, uint64_t *sector, uint32_t *count)
{
    uint64_t size = ata_num_sectors(d);

    *count = get_count(d, flags & EXT);
    if (get_address(d, flags & EXT, sector) && *sector < size && *count <= size - *sector)
        return true;
    ata_fail(d, ATA_IDNF);
    return false;
}

/* ---- reading and writing ---- */

static void read_write(struct ata_drive *d, unsigned flags)
{
    uint32_t block = flags & MULTIPLE ? d->multiple * ATA_SECTOR : ATA_SECTOR, count;
    uint64_t sector;

    if ((flags & MULTIPLE) && !d->multiple) {
        ata_abort(d);
        return;
    }
    if (!get_range(d, flags, &sector, &count))
        return;
    if ((flags & WRITE) && blockdev_read_only(d->disk)) {
        ata_abort(d);
        return;
    }
    d->standby = false;
    d->fua = flags & FUA;
    ata_stream(d, flags & WRITE, sector * ATA_SECTOR, (uint64_t)count * ATA_SECTOR,
               flags & DMA ? ATA_BUFFER : block, flags & DMA);
}

/* Reads without telling the data. The pieces follow one another in ata_disk_request_done(). */
static void verify(struct ata_drive *d, unsigned flags)
{
    uint64_t sector;
    uint32_t count;

    if (!get_range(d, flags, &sector, &count))
        return;
    d->standby = false;
    d->offset = sector * ATA_SECTOR;
    d->left = (uint64_t)count * ATA_SECTOR;
    d->filled = d->left < ATA_BUFFER ? (uint32_t)d->left : ATA_BUFFER;
    ata_request(d, BLOCK_READ, d->offset, d->filled);
}

static void seek(struct ata_drive *d, unsigned flags)
{
    uint64_t sector;

    (void)flags;
    if (get_address(d, false, &sector) && sector < ata_num_sectors(d))
        ata_finish(d);
    else
        ata_fail(d, ATA_IDNF);
}

static void flush(struct ata_drive *d, unsigned flags)
{
    (void)flags;
    ata_request(d, BLOCK_FLUSH, 0, 0);
}

/* Data set management with the TRIM bit: blocks of 64 ranges, a 48-bit address and a 16-bit count
 * each (ATA8-ACS 7.10). */
static void data_set_management(struct ata_drive *d, unsigned flags)
{
    uint32_t blocks = get_count(d, true);

    (void)flags;
    if (d->r.feature != 1 || blocks * ATA_SECTOR > ATA_PIO_BUFFER || blockdev_read_only(d->disk))
        ata_abort(d);
    else
        ata_receive(d, blocks * ATA_SECTOR, ATA_BUFFER, true);
}

/* The next range of the list, from pos on. */
static void trim_next(struct ata_drive *d)
{
    while (d->pos < d->filled) {
        uint64_t range = ld_le64(d->buffer + d->pos), sector = range & 0xffffffffffff;
        uint64_t count = range >> 48, size = ata_num_sectors(d);

        d->pos += 8;
        if (!count)
            continue;
        if (sector >= size || count > size - sector) {
            ata_fail(d, ATA_IDNF);
            return;
        }
        ata_request(d, BLOCK_DISCARD, sector * ATA_SECTOR, count * ATA_SECTOR);
        return;
    }
    ata_finish(d);
}

void ata_disk_received(struct ata_drive *d)
{
    d->pos = 0;
    trim_next(d);
}

static void verify_next(struct ata_drive *d)
{
    d->offset += d->filled;
    d->left -= d->filled;
    if (!d->left) {
        ata_finish(d);
        return;
    }
    d->filled = d->left < ATA_BUFFER ? (uint32_t)d->left : ATA_BUFFER;
    ata_request(d, BLOCK_READ, d->offset, d->filled);
}

/* A request of a command was carried out, or failed. Of reads and writes only failures get here. */
void ata_disk_request_done(struct ata_drive *d, int error)
{
    if (!error && d->request.op == BLOCK_READ) {
        verify_next(d);
    } else if (!error && d->request.op == BLOCK_DISCARD) {
        trim_next(d);
    } else if (!error) {
        ata_finish(d);
    } else if (d->request.op == BLOCK_READ) {
        put_address(d, is_ext(d), d->request.offset / ATA_SECTOR);
        ata_fail(d, ATA_UNC);
    } else {
        ata_abort(d);
    }
}

/* ---- settings ---- */

static void nothing(struct ata_drive *d, unsigned flags)
{
    (void)flags;
    ata_finish(d);
}

static void diagnostic(struct ata_drive *d, unsigned flags)
{
    (void)flags;
    ata_soft_reset(d);
    d->host.done(d->host.owner, d, true);
}

/* Sectors per track, and heads - 1 (ATA/ATAPI-5, 8.14). */
static void init_parameters(struct ata_drive *d, unsigned flags)
{
    (void)flags;
    if (!d->r.count) {
        ata_abort(d);
        return;
    }
    d->sectors = d->r.count;
    d->heads = (uint8_t)((d->r.device & 15) + 1);
    ata_finish(d);
}

static void set_multiple(struct ata_drive *d, unsigned flags)
{
    uint8_t n = d->r.count;

    (void)flags;
    if (n > ATA_MAX_MULTIPLE || (n & (n - 1))) {
        ata_abort(d);
        return;
    }
    d->multiple = n;
    ata_finish(d);
}

/* Transfer modes (ATA8-ACS table 50): the five high bits say of which kind. */
static bool set_transfer_mode(struct ata_drive *d, uint8_t value)
{
    uint8_t mode = value & 7, kind = value >> 3;

    if (kind == 0 && mode <= 1)
        d->pio_mode = 0;
    else if (kind == 1 && mode <= 4)
        d->pio_mode = mode + 1;
    else if (kind == 4 && mode <= 2)
        d->mdma_mode = mode + 1, d->udma_mode = 0;
    else if (kind == 8 && mode <= 5)
        d->udma_mode = mode + 1, d->mdma_mode = 0;
    else
        return false;
    return true;
}

static bool set_feature(struct ata_drive *d)
{
    switch (d->r.feature) {
    case 0x02:
    case 0x82: /* write cache on, off */
        if (d->kind != ATA_DISK)
            return false;
        blockdev_set_write_cache(d->disk, d->r.feature == 0x02);
        return true;
    case 0x03:
        return set_transfer_mode(d, d->r.count);
    case 0x55:
    case 0xaa: /* read look-ahead off, on */
        d->read_ahead = d->r.feature == 0xaa;
        return d->kind == ATA_DISK;
    case 0x66:
    case 0xcc: /* settings stay at, or end with a software reset: here they always stay */
        return true;
    default:
        return false;
    }
}

static void set_features(struct ata_drive *d, unsigned flags)
{
    (void)flags;
    if (set_feature(d))
        ata_finish(d);
    else
        ata_abort(d);
}

static void identify(struct ata_drive *d, unsigned flags)
{
    (void)flags;
    ata_identify_disk(d, d->buffer);
    ata_reply(d, ATA_SECTOR, ATA_SECTOR, false);
}

/* ---- host protected area ---- */

static void read_native_max(struct ata_drive *d, unsigned flags)
{
    uint64_t sectors = blockdev_geometry(d->disk).size / ATA_SECTOR, last = sectors - !!sectors;

    if (!(flags & EXT) && last > 0x0fffffff)
        last = 0x0fffffff;
    d->r.device |= ATA_LBA;
    put_address(d, flags & EXT, last);
    d->native_max = 2;
    ata_finish(d);
}

/* The last address becomes the one in the registers. Only the volatile form is there: a value that
 * shall outlive power-off is refused. Other subcommands of F9h are of the security kind. */
static void set_max(struct ata_drive *d, unsigned flags)
{
    uint64_t native = blockdev_geometry(d->disk).size / ATA_SECTOR, last;

    if ((!(flags & EXT) && d->r.feature) || !d->native_max || (d->r.count & 1)) {
        ata_abort(d);
        return;
    }
    last = flags & EXT ? lba48(d) : lba28(d);
    if (last >= native) {
        ata_fail(d, ATA_IDNF);
        return;
    }
    d->max_sectors = last + 1 == native ? 0 : last + 1;
    ata_finish(d);
}

/* ---- power ---- */

static void standby(struct ata_drive *d, unsigned flags)
{
    (void)flags;
    d->standby = true;
    ata_request(d, BLOCK_FLUSH, 0, 0);
}

static void idle(struct ata_drive *d, unsigned flags)
{
    (void)flags;
    d->standby = false;
    ata_finish(d);
}

static void check_power(struct ata_drive *d, unsigned flags)
{
    (void)flags;
    d->r.count = d->standby ? 0x00 : 0xff;
    ata_finish(d);
}

static void smart(struct ata_drive *d, unsigned flags)
{
    (void)flags;
    ata_smart(d);
}

static void read_log(struct ata_drive *d, unsigned flags)
{
    ata_read_log(d, flags & DMA);
}

/* ---- the table ---- */

static const struct ata_op ops[256] = {
    [0x06] = {data_set_management, EXT | DMA | WRITE},
    [0x10 ... 0x1f] = {nothing, 0}, /* recalibrate */
    [0x20] = {read_write, 0},
    [0x21] = {read_write, 0},
    [0x24] = {read_write, EXT},
    [0x25] = {read_write, EXT | DMA},
    [0x27] = {read_native_max, EXT},
    [0x29] = {read_write, EXT | MULTIPLE},
    [0x2f] = {read_log, EXT},
    [0x30] = {read_write, WRITE},
    [0x31] = {read_write, WRITE},
    [0x34] = {read_write, EXT | WRITE},
    [0x35] = {read_write, EXT | DMA | WRITE},
    [0x37] = {set_max, EXT},
    [0x39] = {read_write, EXT | MULTIPLE | WRITE},
    [0x3d] = {read_write, EXT | DMA | WRITE | FUA},
    [0x40] = {verify, 0},
    [0x41] = {verify, 0},
    [0x42] = {verify, EXT},
    [0x47] = {read_log, EXT | DMA},
    [0x70 ... 0x7f] = {seek, 0},
    [0x90] = {diagnostic, 0},
    [0x91] = {init_parameters, 0},
    [0x94] = {standby, 0},
    [0x95] = {idle, 0},
    [0x96] = {standby, 0},
    [0x97] = {idle, 0},
    [0x98] = {check_power, 0},
    [0x99] = {standby, 0},
    [0xb0] = {smart, 0},
    [0xc4] = {read_write, MULTIPLE},
    [0xc5] = {read_write, MULTIPLE | WRITE},
    [0xc6] = {set_multiple, 0},
    [0xc8] = {read_write, DMA},
    [0xc9] = {read_write, DMA},
    [0xca] = {read_write, DMA | WRITE},
    [0xcb] = {read_write, DMA | WRITE},
    [0xce] = {read_write, EXT | MULTIPLE | WRITE | FUA},
    [0xe0] = {standby, 0},
    [0xe1] = {idle, 0},
    [0xe2] = {standby, 0},
    [0xe3] = {idle, 0},
    [0xe5] = {check_power, 0},
    [0xe6] = {standby, 0}, /* sleep, from which any command wakes it */
    [0xe7] = {flush, 0},
    [0xea] = {flush, EXT},
    [0xec] = {identify, 0},
    [0xef] = {set_features, 0},
    [0xf8] = {read_native_max, 0},
    [0xf9] = {set_max, 0},
};

static bool is_ext(const struct ata_drive *d)
{
    return ops[d->r.command].flags & EXT;
}

void ata_disk_command(struct ata_drive *d)
{
    const struct ata_op *op = &ops[d->r.command];

    if (op->run)
        op->run(d, op->flags);
    else
        ata_abort(d); /* a packet device's command among them: IDENTIFY PACKET DEVICE */
}

/* For the other kind of drive, too. */
void ata_set_features(struct ata_drive *d)
{
    set_features(d, 0);
}

void ata_ncq_failed(struct ata_drive *d, unsigned tag, uint8_t status, uint8_t error, uint64_t lba)
{
    uint8_t *log = d->ncq_log;

    /* ATA8-ACS A.6: the registers as a D2H FIS of the command would have them. */
    memset(log, 0, ATA_SECTOR);
    log[0] = (uint8_t)(tag & 31);
    log[2] = status;
    log[3] = error;
    for (unsigned i = 0; i < 3; i++) {
        log[4 + i] = (uint8_t)(lba >> 8 * i);
        log[8 + i] = (uint8_t)(lba >> (24 + 8 * i));
    }
    log[7] = d->r.device;
    ata_checksum(log);
}

void ata_disk_reset(struct ata_drive *d)
{
    struct ata_geometry g = ata_default_geometry(d);

    d->multiple = 0;
    d->heads = (uint8_t)g.heads;
    d->sectors = (uint8_t)g.sectors;
    d->read_ahead = true;
    d->standby = false;
    d->max_sectors = 0;
    d->native_max = 0;
    d->smart = true;
    memset(d->ncq_log, 0, sizeof(d->ncq_log));
}
