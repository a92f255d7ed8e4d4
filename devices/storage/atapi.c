/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An ATAPI CD/DVD drive: ATA commands of packet devices (ATA8-ACS 7), and the packets that need no
 * description of the disc (MMC-6, SPC-3, SBC-2). atapi_disc.c has those that do.
 *
 * It reads data discs; not there, refused as an illegal request: audio, raw sectors, writing,
 * protected DVDs. */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "devices/storage/atapi_internal.h"

/* ---- endings ---- */

void atapi_good(struct ata_drive *d)
{
    d->sense_key = d->asc = d->ascq = 0;
    ata_finish(d);
}

/* CHECK CONDITION: the sense key is in the error register, too. */
void atapi_check(struct ata_drive *d, struct atapi_sense sense)
{
    d->sense_key = sense.key;
    d->asc = sense.asc;
    d->ascq = sense.ascq;
    ata_fail(d, (uint8_t)(sense.key << 4 | ATA_ABRT));
}

void atapi_request_failed(struct ata_drive *d, int error)
{
    if (error == ENOMEDIUM)
        atapi_check(d, ATAPI_NO_MEDIUM);
    else
        atapi_check(d, ATAPI_READ_ERROR);
}

/* DRQ blocks of packet commands are of at most as many bytes as the host says, an even number
 * (ATA8-ACS 7.23.6); nothing said stands for all there can be. */
static uint32_t byte_count_limit(const struct ata_drive *d)
{
    uint32_t limit = d->r.lba[1] | (uint32_t)d->r.lba[2] << 8;

    limit &= ~1u;
    if (!limit || limit > ATA_PIO_BUFFER)
        limit = ATA_PIO_BUFFER;
    return limit;
}

static bool wants_dma(const struct ata_drive *d)
{
    return d->r.feature & 1;
}

void atapi_reply(struct ata_drive *d, uint32_t length, uint32_t allocated)
{
    d->sense_key = d->asc = d->ascq = 0;
    if (length > allocated)
        length = allocated;
    if (length)
        ata_reply(d, length, wants_dma(d) ? ATA_BUFFER : byte_count_limit(d), wants_dma(d));
    else
        ata_finish(d);
}

/* ---- medium ---- */

uint32_t atapi_num_blocks(const struct ata_drive *d)
{
    uint64_t n = blockdev_geometry(d->disk).size / ATAPI_BLOCK;

    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

bool atapi_has_medium(const struct ata_drive *d)
{
    return !d->tray_open && blockdev_has_medium(d->disk) && atapi_num_blocks(d);
}

static void medium_changed(void *opaque)
{
    struct ata_drive *d = opaque;
    bool medium = blockdev_has_medium(d->disk);

    d->tray_open = false;
    d->attention = medium ? ATTENTION_MEDIUM : ATTENTION_NONE;
    d->media_event = medium ? MEDIA_NEW : MEDIA_REMOVAL;
}

static void eject_request(void *opaque)
{
    ((struct ata_drive *)opaque)->media_event = MEDIA_EJECT_REQUEST;
}

static bool is_locked(void *opaque)
{
    return ((struct ata_drive *)opaque)->locked;
}

const struct blockdev_events atapi_events = {
    .medium_changed = medium_changed, .eject_request = eject_request, .locked = is_locked};

/* ---- packets ---- */

static void test_unit_ready(struct ata_drive *d)
{
    atapi_good(d);
}

/* Fixed format (SPC-3 4.5.3). Told once. */
static void request_sense(struct ata_drive *d)
{
    uint8_t *out = d->buffer;

    memset(out, 0, 18);
    out[0] = 0x70;
    out[2] = d->sense_key;
    out[7] = 10;
    out[12] = d->asc;
    out[13] = d->ascq;
    atapi_reply(d, 18, d->cdb[4]);
}

static void inquiry(struct ata_drive *d)
{
    uint8_t *out = d->buffer;

    if (d->cdb[1] & 1) { /* vital product data: none */
        atapi_check(d, ATAPI_BAD_FIELD);
        return;
    }
    memset(out, 0, 36);
    out[0] = 0x05; /* CD/DVD */
    out[1] = 0x80; /* removable */
    out[2] = 0x00; /* version: as ATAPI says */
    out[3] = 0x21; /* response format of ATAPI drives */
    out[4] = 36 - 5;
    memcpy(out + 8, "CALQUE  DVD-ROM         1.0 ", 28);
    atapi_reply(d, 36, d->cdb[4]);
}

/* LoEj and Start: 2 opens the tray, 3 closes it. */
static void start_stop(struct ata_drive *d)
{
    bool open = !(d->cdb[4] & 1);

    if (d->cdb[4] & 0xf0) { /* power conditions change nothing */
        atapi_good(d);
        return;
    }
    if ((d->cdb[4] & 2) && open && d->locked) {
        atapi_check(d, ATAPI_LOCKED);
        return;
    }
    if ((d->cdb[4] & 2) && open != d->tray_open) {
        d->tray_open = open;
        d->media_event = open ? MEDIA_REMOVAL : MEDIA_NEW;
        d->attention = open ? ATTENTION_NONE : ATTENTION_MEDIUM;
        blockdev_tray_moved(d->disk, open);
    }
    atapi_good(d);
}

static void prevent_removal(struct ata_drive *d)
{
    d->locked = d->cdb[4] & 1;
    atapi_good(d);
}

/* MMC-6 6.7: of the classes asked for the media class is there. Asynchronous: refused. */
static void event_status(struct ata_drive *d)
{
    uint8_t *out = d->buffer;
    bool media = d->cdb[4] & 0x10;

    if (!(d->cdb[1] & 1)) {
        atapi_check(d, ATAPI_BAD_FIELD);
        return;
    }
    memset(out, 0, 8);
    out[1] = media ? 6 : 2;
    out[2] = media ? 4 : 0x80; /* class; 80h: none of those asked for */
    out[3] = 0x10;             /* classes there are */
    if (media) {
        out[4] = d->media_event;
        out[5] = (uint8_t)((d->tray_open ? 1 : 0) | (atapi_has_medium(d) ? 2 : 0));
        d->media_event = MEDIA_NO_CHANGE;
    }
    atapi_reply(d, media ? 8 : 4, ld_be16(d->cdb + 7));
}

static void mechanism_status(struct ata_drive *d)
{
    uint8_t *out = d->buffer;

    memset(out, 0, 8);
    out[1] = d->tray_open ? 0x10 : 0;
    atapi_reply(d, 8, ld_be16(d->cdb + 8));
}

static void seek(struct ata_drive *d)
{
    if (ld_be32(d->cdb + 2) >= atapi_num_blocks(d))
        atapi_check(d, ATAPI_BAD_ADDRESS);
    else
        atapi_good(d);
}

/* ---- reading ---- */

static void read_blocks(struct ata_drive *d, uint32_t at, uint32_t count)
{
    uint32_t blocks = atapi_num_blocks(d);

    if (at > blocks || count > blocks - at) {
        atapi_check(d, ATAPI_BAD_ADDRESS);
        return;
    }
    if (!count) {
        atapi_good(d);
        return;
    }
    d->sense_key = d->asc = d->ascq = 0;
    ata_stream(d, false, (uint64_t)at * ATAPI_BLOCK, (uint64_t)count * ATAPI_BLOCK,
               wants_dma(d) ? ATA_BUFFER : byte_count_limit(d), wants_dma(d));
}

static void read_10(struct ata_drive *d)
{
    read_blocks(d, ld_be32(d->cdb + 2), ld_be16(d->cdb + 7));
}

static void read_12(struct ata_drive *d)
{
    read_blocks(d, ld_be32(d->cdb + 2), ld_be32(d->cdb + 6));
}

/* Main channel data of mode 1 sectors is what the image has. Nothing at all may be asked for. */
static void read_cd_data(struct ata_drive *d, uint32_t at, uint32_t count)
{
    uint8_t type = d->cdb[1] >> 2 & 7, main = d->cdb[9] & 0xfe, sub = d->cdb[10] & 7;

    if (type == 1) /* CD-DA */
        atapi_check(d, ATAPI_WRONG_MODE);
    else if (type > 2 || sub || (main && main != 0x10))
        atapi_check(d, ATAPI_BAD_FIELD);
    else
        read_blocks(d, at, main ? count : 0);
}

static void read_cd(struct ata_drive *d)
{
    read_cd_data(d, ld_be32(d->cdb + 2), ld_be32(d->cdb + 5) & 0xffffff);
}

/* The first address and the one behind the last. */
static void read_cd_msf(struct ata_drive *d)
{
    uint32_t first = atapi_lba_of(d->cdb + 3), end = atapi_lba_of(d->cdb + 6);

    if (first == ATAPI_NO_LBA || end == ATAPI_NO_LBA || end < first)
        atapi_check(d, ATAPI_BAD_FIELD);
    else
        read_cd_data(d, first, end - first);
}

/* ---- mode pages ---- */

static unsigned error_page(uint8_t *out)
{
    static const uint8_t page[8] = {0x01, 6, 0, 5};

    memcpy(out, page, sizeof(page));
    return sizeof(page);
}

/* Capabilities and mechanical status, of MMC-3 5.5.10; later editions call it legacy. */
static unsigned capabilities_page(const struct ata_drive *d, uint8_t *out)
{
    memset(out, 0, 22);
    out[0] = 0x2a;
    out[1] = 20;
    out[2] = 0x08;                                  /* reads DVD-ROM */
    out[4] = 0x70;                                  /* mode 2 forms, multi-session */
    out[6] = (uint8_t)(0x29 | (d->locked ? 2 : 0)); /* tray, ejects, can be locked */
    st_be16(out + 8, 706);                          /* KB/s: 4x */
    st_be16(out + 10, 2);
    st_be16(out + 12, 512); /* KiB of buffer */
    st_be16(out + 14, 706);
    return 22;
}

/* Changeable values are none, defaults are the current ones. */
static void mode_sense(struct ata_drive *d)
{
    uint8_t *out = d->buffer, page = d->cdb[2] & 0x3f;
    unsigned n = 8;

    if (d->cdb[2] >> 6 == 3) {
        atapi_check(d, ATAPI_NOT_SAVED);
        return;
    }
    memset(out, 0, 8);
    if (page == 0x01 || page == 0x3f)
        n += error_page(out + n);
    if (page == 0x2a || page == 0x3f)
        n += capabilities_page(d, out + n);
    if (n == 8) {
        atapi_check(d, ATAPI_BAD_FIELD);
        return;
    }
    if (d->cdb[2] >> 6 == 1)
        memset(out + 10, 0, n - 10);
    st_be16(out, n - 2);
    out[2] = atapi_has_medium(d) ? 0x01 : d->tray_open ? 0x71 : 0x70;
    atapi_reply(d, n, ld_be16(d->cdb + 7));
}

/* Parameters are taken and have no effect. */
static void mode_select(struct ata_drive *d)
{
    uint32_t length = ld_be16(d->cdb + 7);

    if (length > ATA_PIO_BUFFER)
        atapi_check(d, ATAPI_BAD_FIELD);
    else if (!length)
        atapi_good(d);
    else
        ata_receive(d, length, byte_count_limit(d), wants_dma(d));
}

void atapi_received(struct ata_drive *d)
{
    d->filled = d->pos = 0;
    atapi_good(d);
}

static void succeed(struct ata_drive *d)
{
    atapi_good(d);
}

/* ---- the table ---- */

enum {
    ANY_TIME = 1, /* does not report that there is something to tell */
    MEDIUM = 2,   /* needs a disc */
};

static const struct atapi_op {
    void (*run)(struct ata_drive *d);
    uint8_t flags;
} ops[256] = {
    [0x00] = {test_unit_ready, MEDIUM},
    [0x03] = {request_sense, ANY_TIME},
    [0x12] = {inquiry, ANY_TIME},
    [0x1b] = {start_stop, 0},
    [0x1e] = {prevent_removal, 0},
    [0x25] = {atapi_read_capacity, MEDIUM},
    [0x28] = {read_10, MEDIUM},
    [0x2b] = {seek, MEDIUM},
    [0x42] = {atapi_read_subchannel, MEDIUM},
    [0x43] = {atapi_read_toc, MEDIUM},
    [0x46] = {atapi_get_configuration, ANY_TIME},
    [0x4a] = {event_status, ANY_TIME},
    [0x4e] = {succeed, MEDIUM}, /* stop playing */
    [0x51] = {atapi_read_disc_information, MEDIUM},
    [0x52] = {atapi_read_track_information, MEDIUM},
    [0x55] = {mode_select, 0},
    [0x5a] = {mode_sense, 0},
    [0xa8] = {read_12, MEDIUM},
    [0xad] = {atapi_read_disc_structure, MEDIUM},
    [0xb9] = {read_cd_msf, MEDIUM},
    [0xbb] = {succeed, 0}, /* set CD speed */
    [0xbd] = {mechanism_status, 0},
    [0xbe] = {read_cd, MEDIUM},
};

/* True if the command ends with what the drive has to tell. */
static bool tell(struct ata_drive *d, const struct atapi_op *op)
{
    uint8_t attention = d->attention;

    if ((op->flags & ANY_TIME) || !attention)
        return false;
    d->attention = ATTENTION_NONE;
    atapi_check(d, attention == ATTENTION_RESET ? ATAPI_WAS_RESET : ATAPI_MEDIUM_CHANGED);
    return true;
}

void atapi_packet(struct ata_drive *d)
{
    const struct atapi_op *op;

    memcpy(d->cdb, d->buffer, ATA_PACKET_SIZE);
    op = &ops[d->cdb[0]];
    if (!op->run)
        atapi_check(d, ATAPI_BAD_COMMAND);
    else if (tell(d, op))
        return;
    else if ((op->flags & MEDIUM) && !atapi_has_medium(d))
        atapi_check(d, d->tray_open ? ATAPI_TRAY_OPEN : ATAPI_NO_MEDIUM);
    else
        op->run(d);
}

/* ---- ATA commands ---- */

static void packet(struct ata_drive *d)
{
    d->packet = true;
    d->phase = ATA_PACKET;
    d->chunk = ATA_PACKET_SIZE;
    d->r.count = ATAPI_COD;
    d->r.status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    d->host.data(d->host.owner, d, false);
}

/* Commands of disks end with the signature, so that a host that tries IDENTIFY DEVICE sees what it
 * has (ATA8-ACS 7.16.4). */
static void refuse(struct ata_drive *d)
{
    d->r.count = d->r.lba[0] = 1;
    d->r.lba[1] = 0x14;
    d->r.lba[2] = 0xeb;
    ata_abort(d);
}

void atapi_command(struct ata_drive *d)
{
    switch (d->r.command) {
    case 0x08: /* DEVICE RESET: no interrupt, status 0 */
        ata_soft_reset(d);
        d->host.done(d->host.owner, d, false);
        break;
    case 0x90: /* EXECUTE DEVICE DIAGNOSTIC */
        ata_soft_reset(d);
        d->host.done(d->host.owner, d, true);
        break;
    case 0xa0:
        packet(d);
        break;
    case 0xa1:
        ata_identify_cdrom(d, d->buffer);
        ata_reply(d, ATA_SECTOR, ATA_SECTOR, false);
        break;
    case 0xef:
        ata_set_features(d);
        break;
    case 0xe0: /* standby and idle immediate, sleep */
    case 0xe1:
    case 0xe6:
        ata_finish(d);
        break;
    case 0xe5:
        d->r.count = 0xff;
        ata_finish(d);
        break;
    default:
        refuse(d);
        break;
    }
}

void atapi_reset(struct ata_drive *d)
{
    memset(d->cdb, 0, sizeof(d->cdb));
    d->sense_key = d->asc = d->ascq = 0;
    d->attention = ATTENTION_RESET;
    d->media_event = blockdev_has_medium(d->disk) ? MEDIA_NEW : MEDIA_NO_CHANGE;
    d->locked = d->tray_open = false;
}
