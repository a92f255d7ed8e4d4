/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 82078 floppy disk controller (datasheet order number 290475; 82077AA for what that refers to).
 *
 * Disks are images of sectors of 512 bytes, in the order of the usual formats, which the size of
 * the image tells. Their data rate matters: with another one no address mark is found, which is how
 * drivers find out what disk it is. Heads move with a little delay, sectors with that of the back
 * end, and rotation is seen by READ ID alone.
 *
 * Not here: SAVE, RESTORE, OPTION, POWERDOWN MODE, DRIVE SPECIFICATION (invalid commands, as
 * for an 82077), tape drives, deleted data marks (they are not in images), formatting to what the
 * image is not. */
#include "devices/storage/fdc82078.h"

#include <string.h>

#include "vm/machine.h"

enum { R_SRA, R_SRB, R_DOR, R_TDR, R_MSR, R_FIFO };

#define DOR_RUN   0x04 /* not reset */
#define DOR_GATE  0x08 /* interrupts and DMA reach the bus */
#define DSR_RESET 0x80

#define MSR_RQM  0x80
#define MSR_DIO  0x40 /* to the host */
#define MSR_NDMA 0x20
#define MSR_BUSY 0x10

#define ST0_ABNORMAL  0x40
#define ST0_INVALID   0x80
#define ST0_POLLING   0xc0
#define ST0_SEEK_END  0x20
#define ST0_CHECK     0x10
#define ST1_END       0x80 /* past the last sector, and no TC */
#define ST1_CRC       0x20
#define ST1_NO_DATA   0x04
#define ST1_PROTECTED 0x02
#define ST1_NO_MARK   0x01
#define ST2_DELETED   0x40
#define ST2_CRC       0x20
#define ST2_CYLINDER  0x10
#define ST2_HIT       0x08 /* SCAN: all bytes are equal */
#define ST2_MISS      0x04 /* SCAN: no sector satisfies it */

#define CONFIG_EIS  0x40 /* data commands seek */
#define CONFIG_POLL 0x10 /* set: no polling */
#define ND          0x01 /* of SPECIFY: no DMA */

#define SCAN_FAILS   1 /* a byte does not satisfy the condition */
#define SCAN_DIFFERS 2 /* a byte is not equal */

#define MT 0x80 /* of commands: both sides */
#define SK 0x20

enum {
    READ_TRACK = 0x02,
    SPECIFY = 0x03,
    SENSE_DRIVE = 0x04,
    WRITE_DATA = 0x05,
    READ_DATA = 0x06,
    RECALIBRATE = 0x07,
    SENSE_INTERRUPT = 0x08,
    WRITE_DELETED = 0x09,
    READ_ID = 0x0a,
    READ_DELETED = 0x0c,
    FORMAT = 0x0d,
    DUMPREG = 0x0e,
    SEEK = 0x0f,
    VERSION = 0x10,
    PERPENDICULAR = 0x12,
    CONFIGURE = 0x13,
    LOCK = 0x14,
    VERIFY = 0x16,
    PART_ID = 0x18,
    SCAN_EQUAL = 0x11,
    SCAN_LOW = 0x19, /* the disk's byte is lower than the host's, or equal */
    SCAN_HIGH = 0x1d,
};

#define STEP_NS  50000ull
#define FAIL_NS  1000000ull
#define ROTATION 200000000ull

/* ---- disks ---- */

enum { RATE_500, RATE_300, RATE_250, RATE_1000 };

static const struct format {
    uint16_t kib;
    uint8_t tracks, sides, sectors, rate, type; /* of the drive that it is for */
} formats[] = {
    {160, 40, 1, 8, RATE_250, 1},    {180, 40, 1, 9, RATE_250, 1},   {320, 40, 2, 8, RATE_250, 1},
    {360, 40, 2, 9, RATE_250, 1},    {720, 80, 2, 9, RATE_250, 4},   {1200, 80, 2, 15, RATE_500, 2},
    {1440, 80, 2, 18, RATE_500, 4},  {1680, 80, 2, 21, RATE_500, 4}, {1722, 82, 2, 21, RATE_500, 4},
    {2880, 80, 2, 36, RATE_1000, 5},
};

static const struct format *format_of_size(uint64_t size)
{
    for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (size == formats[i].kib * 1024ull)
            return &formats[i];
    return NULL;
}

bool fdc82078_is_floppy(uint64_t size)
{
    return format_of_size(size);
}

/* The image's format; NULL: no disk, or none that is a floppy. */
static const struct format *format_of(const struct fdc_drive *d)
{
    return d->disk ? format_of_size(blockdev_geometry(d->disk).size) : NULL;
}

static unsigned selected(const struct fdc82078 *f)
{
    return f->dor & 3;
}

/* The drive that a command is for; NULL: not there. */
static struct fdc_drive *drive_of(struct fdc82078 *f, unsigned n)
{
    return n < FDC_NUM_DRIVES && f->drive[n].disk ? &f->drive[n] : NULL;
}

static bool rate_fits(const struct fdc82078 *f, const struct format *t)
{
    return f->rate == t->rate || (t->rate == RATE_250 && f->rate == RATE_300);
}

/* The disk under the heads of the command's drive, if it can be read; NULL: no address mark. */
static const struct format *readable(struct fdc82078 *f)
{
    struct fdc_drive *d = drive_of(f, f->param[0] & 3);
    const struct format *t = d ? format_of(d) : NULL;
    bool motor = f->dor >> (4 + (f->param[0] & 3)) & 1;

    return t && motor && rate_fits(f, t) && (f->command & 0x40) && f->head < t->sides ? t : NULL;
}

/* The disk's cylinder: the tracks of 40 are twice as wide as the steps of a 1.2 MB drive. */
static unsigned cylinder(struct fdc82078 *f, const struct format *t)
{
    const struct fdc_drive *d = drive_of(f, f->param[0] & 3);

    return d->type == 2 && t->tracks == 40 ? d->track / 2u : d->track;
}

/* ---- interrupt and result ---- */

static void set_irq(struct fdc82078 *f, bool on)
{
    f->irq = on;
    irq_set(f->line, on && (f->dor & DOR_GATE));
}

static void enter_command(struct fdc82078 *f)
{
    f->phase = FDC_COMMAND;
    f->nparams = f->nresult = f->result_pos = 0;
}

static void give_result(struct fdc82078 *f, unsigned n)
{
    f->nresult = (uint8_t)n;
    f->result_pos = 0;
    f->phase = FDC_RESULT;
}

/* Of commands that move data or look for an ID. */
static void end_data(struct fdc82078 *f, uint8_t st0, uint8_t st1, uint8_t st2)
{
    const uint8_t result[7] = {
        (uint8_t)(st0 | f->head << 2 | (f->param[0] & 3)), st1, st2, f->c, f->h, f->r, f->n};

    i8237_request(f->dma, f->channel, false);
    memcpy(f->result, result, sizeof(result));
    give_result(f, sizeof(result));
    set_irq(f, true);
}

/* As end_data(), soon: a drive would look for two revolutions, and without a disk for ever. */
static void fail_later(struct fdc82078 *f, uint8_t st1, uint8_t st2)
{
    f->st0 = ST0_ABNORMAL;
    f->st1 = st1;
    f->st2 = st2;
    f->phase = FDC_TIMED;
    vm_timer_arm(&f->timer, vm_clock_now(&f->dev.m->clock) + FAIL_NS);
}

static void on_timer(void *opaque)
{
    struct fdc82078 *f = opaque;

    if (f->phase == FDC_TIMED)
        end_data(f, f->st0, f->st1, f->st2);
}

/* ---- sectors ---- */

static unsigned operation(const struct fdc82078 *f)
{
    return f->command & 0x1f;
}

static bool is_write(const struct fdc82078 *f)
{
    return operation(f) == WRITE_DATA || operation(f) == WRITE_DELETED || operation(f) == FORMAT;
}

static bool is_scan(const struct fdc82078 *f)
{
    return operation(f) == SCAN_EQUAL || operation(f) == SCAN_LOW || operation(f) == SCAN_HIGH;
}

/* Its bytes come from the host. */
static bool takes_bytes(const struct fdc82078 *f)
{
    return is_write(f) || is_scan(f);
}

static void next_sector(struct fdc82078 *f);
static void request_done(struct block_request *r, int error);

/* Bytes from the start of the image; false: no such sector on this track. */
static bool place_of(struct fdc82078 *f, const struct format *t, uint64_t *offset)
{
    unsigned cyl = cylinder(f, t);

    if (cyl >= t->tracks || !f->r || f->r > t->sectors || f->n != 2 || f->h != f->head ||
        f->c != cyl)
        return false;
    *offset = (((uint64_t)cyl * t->sides + f->head) * t->sectors + f->r - 1u) * FDC_SECTOR;
    return true;
}

static void access_medium(struct fdc82078 *f, enum block_op op, uint64_t offset)
{
    f->phase = FDC_MEDIUM;
    f->request = (struct block_request){.op = op,
                                        .offset = offset,
                                        .length = FDC_SECTOR,
                                        .data = f->sector,
                                        .done = request_done,
                                        .opaque = f};
    blockdev_submit(drive_of(f, f->param[0] & 3)->disk, &f->request);
}

/* The host moves the sector, or the four bytes of an ID. */
static void offer(struct fdc82078 *f)
{
    f->phase = FDC_TRANSFER;
    f->pos = 0;
    f->scan = 0;
    if (f->hlt_nd & ND)
        set_irq(f, true);
    else if (f->dor & DOR_GATE)
        i8237_request(f->dma, f->channel, true);
}

static uint16_t unit_size(const struct fdc82078 *f)
{
    return operation(f) == FORMAT ? 4 : FDC_SECTOR;
}

/* Finds the sector of C, H, R, N. */
static void find_sector(struct fdc82078 *f)
{
    const struct format *t = readable(f);
    uint64_t offset;

    if (!t)
        fail_later(f, ST1_NO_MARK, 0);
    else if (!place_of(f, t, &offset))
        fail_later(f, ST1_NO_DATA, f->c != cylinder(f, t) ? ST2_CYLINDER : 0);
    else if (is_write(f))
        offer(f);
    else
        access_medium(f, BLOCK_READ, offset);
}

/* All of the sector was moved, or TC came. */
static void sector_moved(struct fdc82078 *f)
{
    const struct format *t = readable(f);
    uint64_t offset;

    i8237_request(f->dma, f->channel, false);
    if (!is_write(f)) {
        next_sector(f);
        return;
    }
    if (operation(f) == FORMAT) {
        f->c = f->sector[0];
        f->h = f->sector[1];
        f->r = f->sector[2];
        f->n = f->sector[3];
        memset(f->sector, f->param[4], FDC_SECTOR);
    } else {
        memset(f->sector + f->pos, 0, FDC_SECTOR - f->pos);
    }
    if (t && place_of(f, t, &offset))
        access_medium(f, BLOCK_WRITE, offset);
    else
        fail_later(f, ST1_NO_DATA, 0);
}

static void request_done(struct block_request *r, int error)
{
    struct fdc82078 *f = r->opaque;

    if (error)
        end_data(f, ST0_ABNORMAL, ST1_CRC, ST2_CRC);
    else if (r->op == BLOCK_READ && operation(f) != VERIFY)
        offer(f);
    else
        next_sector(f);
}

/* The ID after this one (datasheet table 6-3: the result's C, H, R). False: EOT is behind us. */
static bool advance_id(struct fdc82078 *f)
{
    bool more = true;

    if (f->r != f->param[5]) {
        f->r++;
        return true;
    }
    f->r = 1;
    if ((f->command & MT) && !f->head) {
        f->head = 1;
        f->h ^= 1;
    } else {
        more = false;
        f->c++;
        if (f->command & MT) {
            f->head = 0;
            f->h ^= 1;
        }
    }
    return more;
}

static void next_format(struct fdc82078 *f)
{
    if (f->terminal || !--f->count)
        end_data(f, 0, 0, 0);
    else
        offer(f);
}

/* FFh on either side fits everything. */
static void compare(struct fdc82078 *f, const uint8_t *host, size_t n)
{
    const uint8_t *disk = f->sector + f->pos;
    unsigned op = operation(f);

    for (size_t i = 0; i < n; i++) {
        if (disk[i] == host[i] || disk[i] == 0xff || host[i] == 0xff)
            continue;
        f->scan |= SCAN_DIFFERS;
        if (op == SCAN_EQUAL || (disk[i] > host[i]) == (op == SCAN_LOW))
            f->scan |= SCAN_FAILS;
    }
}

/* The first sector that satisfies the condition in all its bytes is the last, and the one that the
 * result names. After others comes the next or next but one (STP), until EOT itself was compared.
 */
static void next_scan(struct fdc82078 *f)
{
    bool more = true;

    if (f->pos == FDC_SECTOR && !(f->scan & SCAN_FAILS)) {
        end_data(f, 0, 0, f->scan & SCAN_DIFFERS ? 0 : ST2_HIT);
        return;
    }
    if (f->r == f->param[5])
        more = advance_id(f);
    else
        f->r = (uint8_t)(f->r + (f->param[7] == 2 ? 2 : 1));
    if (f->terminal || !more)
        end_data(f, 0, 0, ST2_MISS);
    else
        find_sector(f);
}

/* A sector is done; others follow until TC, or until EOT has passed. */
static void next_sector(struct fdc82078 *f)
{
    unsigned op = operation(f);
    bool counted = op == READ_TRACK || (op == VERIFY && (f->param[0] & 0x80));
    bool end;

    if (op == FORMAT) {
        next_format(f);
        return;
    }
    if (is_scan(f)) {
        next_scan(f);
        return;
    }
    if (op == READ_DELETED) { /* a sector with an ordinary mark is given, and is the last */
        advance_id(f);
        end_data(f, 0, 0, ST2_DELETED);
        return;
    }
    end = !advance_id(f);
    if (counted && f->count)
        f->count--;
    if (f->terminal || (counted && !f->count) || (end && op == VERIFY))
        end_data(f, 0, 0, 0);
    else if (end)
        end_data(f, ST0_ABNORMAL, ST1_END, 0);
    else
        find_sector(f);
}

/* ---- DMA and FIFO ---- */

static size_t transfer(void *opaque, enum i8237_direction dir, uint8_t *buf, size_t len, bool last)
{
    struct fdc82078 *f = opaque;
    size_t left = f->phase == FDC_TRANSFER ? unit_size(f) - f->pos : 0, n = len < left ? len : left;

    if (!n) {
        i8237_request(f->dma, f->channel, false);
        return 0;
    }
    if (dir == I8237_TO_MEMORY && !takes_bytes(f))
        memcpy(buf, f->sector + f->pos, n);
    else if (dir == I8237_TO_MEMORY)
        memset(buf, 0xff, n);
    else if (dir == I8237_FROM_MEMORY && is_write(f))
        memcpy(f->sector + f->pos, buf, n);
    else if (dir == I8237_FROM_MEMORY && is_scan(f))
        compare(f, buf, n);
    f->pos = (uint16_t)(f->pos + n);
    f->terminal |= last && n == len;
    if (f->terminal || f->pos == unit_size(f))
        sector_moved(f);
    return n;
}

static void byte_moved(struct fdc82078 *f)
{
    f->pos++;
    if (f->pos < unit_size(f))
        return;
    set_irq(f, false);
    sector_moved(f);
}

/* ---- data commands ---- */

static bool is_protected(struct fdc82078 *f)
{
    struct fdc_drive *d = drive_of(f, f->param[0] & 3);

    return d && blockdev_has_medium(d->disk) && blockdev_read_only(d->disk);
}

static void move_head(struct fdc_drive *d, unsigned track)
{
    d->track = (uint8_t)(track > 83 ? 83 : track);
    if (blockdev_has_medium(d->disk))
        d->disk_changed = false;
}

static void begin_data(struct fdc82078 *f)
{
    struct fdc_drive *d = drive_of(f, f->param[0] & 3);

    f->st0 = f->st1 = f->st2 = 0;
    f->terminal = false;
    f->head = f->param[0] >> 2 & 1;
    if ((f->config & CONFIG_EIS) && d && operation(f) != FORMAT && operation(f) != READ_ID &&
        f->pcn[f->param[0] & 3] != f->param[1]) {
        move_head(d, f->param[1]);
        f->pcn[f->param[0] & 3] = f->param[1];
    }
}

static void data_command(struct fdc82078 *f)
{
    begin_data(f);
    f->c = f->param[1];
    f->h = f->param[2];
    f->r = f->param[3];
    f->n = f->param[4];
    f->last_sector = f->param[5];
    f->count = f->param[7];
    if (operation(f) == READ_TRACK) { /* all sectors from the index hole on */
        f->r = 1;
        f->count = f->param[5];
    }
    if (is_write(f) && is_protected(f))
        end_data(f, ST0_ABNORMAL, ST1_PROTECTED, 0);
    else if (operation(f) == READ_DELETED && (f->command & SK))
        fail_later(f, ST1_NO_DATA, 0); /* every sector is skipped */
    else
        find_sector(f);
}

static void format_track(struct fdc82078 *f)
{
    const struct format *t;

    begin_data(f);
    t = readable(f);
    f->n = f->param[1];
    f->count = f->param[2];
    f->last_sector = f->param[2];
    if (is_protected(f))
        end_data(f, ST0_ABNORMAL, ST1_PROTECTED, 0);
    else if (!t || f->n != 2 || f->count != t->sectors || cylinder(f, t) >= t->tracks)
        fail_later(f, ST1_NO_MARK, 0); /* this image cannot become that */
    else
        offer(f);
}

/* The ID that comes by: which one depends on the time. */
static void read_id(struct fdc82078 *f)
{
    const struct format *t;
    uint64_t now = vm_clock_now(&f->dev.m->clock);

    begin_data(f);
    t = readable(f);
    if (!t || cylinder(f, t) >= t->tracks) {
        fail_later(f, ST1_NO_MARK, 0);
        return;
    }
    f->c = (uint8_t)cylinder(f, t);
    f->h = f->head;
    f->r = (uint8_t)(now % ROTATION / (ROTATION / t->sectors) % t->sectors + 1);
    f->n = 2;
    f->phase = FDC_TIMED;
    vm_timer_arm(&f->timer, now + ROTATION / t->sectors);
}

/* ---- seeking ---- */

static void seek_ends(struct fdc82078 *f, unsigned n)
{
    struct fdc_drive *d = drive_of(f, n);
    uint8_t st0 = (uint8_t)(ST0_SEEK_END | n);

    f->seeking &= (uint8_t) ~(1u << n);
    if (d)
        move_head(d, f->seek_to[n]);
    else if (!f->seek_to[n]) /* no drive, no track 0 */
        st0 |= ST0_ABNORMAL | ST0_CHECK;
    f->pcn[n] = f->seek_to[n];
    f->interrupt_st0[n] = st0;
    f->interrupts |= (uint8_t)(1u << n);
    set_irq(f, true);
}

static void on_seek_0(void *opaque)
{
    seek_ends(opaque, 0);
}
static void on_seek_1(void *opaque)
{
    seek_ends(opaque, 1);
}
static void on_seek_2(void *opaque)
{
    seek_ends(opaque, 2);
}
static void on_seek_3(void *opaque)
{
    seek_ends(opaque, 3);
}

static void start_seek(struct fdc82078 *f, uint8_t to)
{
    unsigned n = f->param[0] & 3;
    unsigned steps = to > f->pcn[n] ? to - f->pcn[n] : f->pcn[n] - to;

    f->seek_to[n] = to;
    f->seeking |= (uint8_t)(1u << n);
    vm_timer_arm(&f->seek_timer[n], vm_clock_now(&f->dev.m->clock) + (steps + 1) * STEP_NS);
    enter_command(f);
}

static void recalibrate(struct fdc82078 *f)
{
    start_seek(f, 0);
}

/* Relative (MT): up (bit 6) or down by the second parameter. */
static void seek(struct fdc82078 *f)
{
    unsigned to = f->param[1], at = f->pcn[f->param[0] & 3];

    if (f->command & MT)
        to = f->command & 0x40 ? at + to : at > to ? at - to : 0;
    start_seek(f, (uint8_t)(to > 255 ? 255 : to));
}

static void sense_interrupt(struct fdc82078 *f)
{
    set_irq(f, false);
    for (unsigned n = 0; n < 4; n++)
        if (f->interrupts >> n & 1) {
            f->interrupts &= (uint8_t) ~(1u << n);
            f->result[0] = f->interrupt_st0[n];
            f->result[1] = f->pcn[n];
            give_result(f, 2);
            return;
        }
    f->result[0] = ST0_INVALID;
    give_result(f, 1);
}

/* ---- control commands ---- */

static void sense_drive(struct fdc82078 *f)
{
    struct fdc_drive *d = drive_of(f, f->param[0] & 3);

    /* ready, two sides; head and drive as asked for */
    f->result[0] = (uint8_t)(0x28 | (f->param[0] & 7) | (is_protected(f) ? 0x40 : 0) |
                             (d && !d->track ? 0x10 : 0));
    give_result(f, 1);
}

static void specify(struct fdc82078 *f)
{
    f->srt_hut = f->param[0];
    f->hlt_nd = f->param[1];
    enter_command(f);
}

static void configure(struct fdc82078 *f)
{
    f->config = f->param[1] & 0x7f;
    f->pretrk = f->param[2];
    enter_command(f);
}

static void perpendicular(struct fdc82078 *f)
{
    /* Without OW the drive bits stay. */
    f->perpendicular =
        f->param[0] & 0x80 ? f->param[0] & 0x3f : (f->perpendicular & 0x3c) | (f->param[0] & 3);
    enter_command(f);
}

static void dump_registers(struct fdc82078 *f)
{
    const uint8_t result[10] = {
        f->pcn[0],  f->pcn[1], f->pcn[2],      f->pcn[3],
        f->srt_hut, f->hlt_nd, f->last_sector, (uint8_t)((f->locked ? 0x80 : 0) | f->perpendicular),
        f->config,  f->pretrk};

    memcpy(f->result, result, sizeof(result));
    give_result(f, sizeof(result));
}

static void lock(struct fdc82078 *f)
{
    f->locked = f->command & 0x80;
    f->result[0] = f->locked ? 0x10 : 0;
    give_result(f, 1);
}

static void version(struct fdc82078 *f)
{
    f->result[0] = 0x90; /* enhanced: 82077 and later */
    give_result(f, 1);
}

static void part_id(struct fdc82078 *f)
{
    f->result[0] = 0x41; /* 82078, 44 pins */
    give_result(f, 1);
}

static void invalid(struct fdc82078 *f)
{
    log_line(&f->dev.m->log, LOG_UNIMP, "fdc: command %02xh", f->command);
    f->result[0] = ST0_INVALID;
    give_result(f, 1);
}

/* By the low five bits: how many parameters follow, which of the upper bits may be set. */
static const struct fdc_op {
    void (*run)(struct fdc82078 *f);
    uint8_t nparams, flags;
} ops[32] = {
    [READ_TRACK] = {data_command, 8, 0x40},
    [SPECIFY] = {specify, 2, 0},
    [SENSE_DRIVE] = {sense_drive, 1, 0},
    [WRITE_DATA] = {data_command, 8, 0xc0},
    [READ_DATA] = {data_command, 8, 0xe0},
    [RECALIBRATE] = {recalibrate, 1, 0},
    [SENSE_INTERRUPT] = {sense_interrupt, 0, 0},
    [WRITE_DELETED] = {data_command, 8, 0xc0},
    [READ_ID] = {read_id, 1, 0x40},
    [READ_DELETED] = {data_command, 8, 0xe0},
    [FORMAT] = {format_track, 5, 0x40},
    [DUMPREG] = {dump_registers, 0, 0},
    [SEEK] = {seek, 2, 0xc0},
    [VERSION] = {version, 0, 0},
    [PERPENDICULAR] = {perpendicular, 1, 0},
    [CONFIGURE] = {configure, 3, 0},
    [LOCK] = {lock, 0, 0x80},
    [VERIFY] = {data_command, 8, 0xe0},
    [PART_ID] = {part_id, 0, 0},
    [SCAN_EQUAL] = {data_command, 8, 0xe0},
    [SCAN_LOW] = {data_command, 8, 0xe0},
    [SCAN_HIGH] = {data_command, 8, 0xe0},
};

static const struct fdc_op *op_of(const struct fdc82078 *f)
{
    const struct fdc_op *op = &ops[f->command & 0x1f];

    return op->run && !(f->command & 0xe0 & ~op->flags) ? op : NULL;
}

/* A byte of a command: the first is the command, its parameters follow. */
static void write_command(struct fdc82078 *f, uint8_t value)
{
    const struct fdc_op *op;

    if (!f->nparams) {
        f->command = value;
        memset(f->param, 0, sizeof(f->param));
    } else {
        f->param[f->nparams - 1] = value;
    }
    op = op_of(f);
    if (op && f->nparams < op->nparams) {
        f->nparams++;
        return;
    }
    if (op)
        op->run(f);
    else
        invalid(f);
}

/* ---- registers ---- */

static uint8_t main_status(const struct fdc82078 *f)
{
    uint8_t v = f->seeking;

    if (!(f->dor & DOR_RUN))
        return 0;
    switch (f->phase) {
    case FDC_COMMAND:
        return v | MSR_RQM | (f->nparams ? MSR_BUSY : 0);
    case FDC_RESULT:
        return v | MSR_RQM | MSR_DIO | MSR_BUSY;
    case FDC_TRANSFER:
        if (f->hlt_nd & ND)
            return v | MSR_RQM | MSR_NDMA | MSR_BUSY | (takes_bytes(f) ? 0 : MSR_DIO);
        return v | MSR_BUSY;
    default:
        return v | MSR_BUSY;
    }
}

static uint8_t read_fifo(struct fdc82078 *f)
{
    uint8_t value = 0;

    if (f->phase == FDC_TRANSFER && (f->hlt_nd & ND) && !takes_bytes(f)) {
        value = f->sector[f->pos];
        byte_moved(f);
    } else if (f->phase == FDC_RESULT) {
        if (!f->result_pos && f->nresult == 7)
            set_irq(f, false);
        value = f->result[f->result_pos++];
        if (f->result_pos == f->nresult)
            enter_command(f);
    }
    return value;
}

static void write_fifo(struct fdc82078 *f, uint8_t value)
{
    if (!(f->dor & DOR_RUN))
        return;
    if (f->phase == FDC_COMMAND) {
        write_command(f, value);
    } else if (f->phase == FDC_TRANSFER && (f->hlt_nd & ND) && takes_bytes(f)) {
        if (is_scan(f))
            compare(f, &value, 1);
        else
            f->sector[f->pos] = value;
        byte_moved(f);
    }
}

/* What is under way is given up. After it the controller finds all drives changed (polling). */
static void software_reset(struct fdc82078 *f)
{
    for (unsigned n = 0; n < FDC_NUM_DRIVES; n++)
        if (f->drive[n].disk)
            blockdev_drain(f->drive[n].disk);
    i8237_request(f->dma, f->channel, false);
    vm_timer_cancel(&f->timer);
    for (unsigned n = 0; n < 4; n++) {
        vm_timer_cancel(&f->seek_timer[n]);
        f->interrupt_st0[n] = (uint8_t)(ST0_POLLING | n);
        f->pcn[n] = 0;
    }
    if (!f->locked) {
        f->config = 0x20; /* FIFO off */
        f->pretrk = 0;
    }
    f->perpendicular &= 0x3c;
    f->seeking = f->interrupts = 0;
    enter_command(f);
    set_irq(f, false);
}

static void reset_ends(struct fdc82078 *f)
{
    software_reset(f);
    if (f->config & CONFIG_POLL)
        return;
    f->interrupts = 0x0f;
    set_irq(f, true);
}

static void write_dor(struct fdc82078 *f, uint8_t value)
{
    bool was = f->dor & DOR_RUN;

    f->dor = value;
    if (!(value & DOR_RUN) && was)
        software_reset(f);
    else if ((value & DOR_RUN) && !was)
        reset_ends(f);
    irq_set(f->line, f->irq && (f->dor & DOR_GATE));
    if (f->phase == FDC_TRANSFER && !(f->hlt_nd & ND))
        i8237_request(f->dma, f->channel, f->dor & DOR_GATE);
}

static void write_dsr(struct fdc82078 *f, uint8_t value)
{
    f->rate = value & 3;
    if ((value & DSR_RESET) && (f->dor & DOR_RUN))
        reset_ends(f);
}

static uint64_t ports_read(void *opaque, uint64_t offset, unsigned size)
{
    struct fdc82078 *f = opaque;

    (void)size;
    switch (offset) {
    case R_DOR:
        return f->dor;
    case R_TDR:
        return f->tdr;
    case R_MSR:
        return main_status(f);
    case R_FIFO:
        return read_fifo(f);
    default: /* status registers A and B: not in AT mode */
        return 0xff;
    }
}

static void ports_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct fdc82078 *f = opaque;

    (void)size;
    if (offset == R_DOR)
        write_dor(f, (uint8_t)value);
    else if (offset == R_TDR)
        f->tdr = value & 3;
    else if (offset == R_MSR)
        write_dsr(f, (uint8_t)value);
    else if (offset == R_FIFO)
        write_fifo(f, (uint8_t)value);
}

/* Digital input register: the selected drive's disk change line, while its motor is on. */
static uint64_t dir_read(void *opaque, uint64_t offset, unsigned size)
{
    struct fdc82078 *f = opaque;
    struct fdc_drive *d = drive_of(f, selected(f));
    bool motor = f->dor >> (4 + selected(f)) & 1;

    (void)offset, (void)size;
    return d && motor && (d->disk_changed || !blockdev_has_medium(d->disk)) ? 0x80 : 0;
}

static void ccr_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)offset, (void)size;
    ((struct fdc82078 *)opaque)->rate = value & 3;
}

/* ---- drives ---- */

static void medium_changed(void *opaque)
{
    ((struct fdc_drive *)opaque)->disk_changed = true;
}

/* A drive is of the kind that its first disk is for; 1.44 MB without one. */
static void init_drive(struct fdc82078 *f, struct fdc_drive *d, struct blockdev *disk)
{
    const struct blockdev_events events = {.medium_changed = medium_changed, .opaque = d};
    const struct format *t;

    d->disk = disk;
    if (!disk)
        return;
    t = format_of(d);
    d->type = t ? t->type : 4;
    blockdev_connect(disk, f->dev.m, &events);
}

uint8_t fdc82078_cmos_types(const struct fdc82078 *f)
{
    return (uint8_t)(f->drive[0].type << 4 | f->drive[1].type);
}

/* ---- life ---- */

static void reset(struct device *dev)
{
    struct fdc82078 *f = (struct fdc82078 *)dev;

    f->locked = false;
    f->dor = f->tdr = 0;
    f->rate = RATE_250;
    f->srt_hut = f->hlt_nd = f->last_sector = f->perpendicular = 0;
    software_reset(f);
    for (unsigned n = 0; n < FDC_NUM_DRIVES; n++) {
        f->drive[n].track = 0;
        f->drive[n].disk_changed = true;
    }
    f->command = 0;
}

static void pre_save(struct device *dev)
{
    struct fdc82078 *f = (struct fdc82078 *)dev;

    for (unsigned n = 0; n < FDC_NUM_DRIVES; n++)
        if (f->drive[n].disk)
            blockdev_drain(f->drive[n].disk);
}

/* A state in which no controller can be is that of one that waits for a command. */
static bool post_load(struct device *dev, struct error *err)
{
    struct fdc82078 *f = (struct fdc82078 *)dev;
    const struct fdc_op *op = op_of(f);

    (void)err;
    if (f->phase == FDC_MEDIUM ||
        (f->phase == FDC_TRANSFER && (f->pos >= unit_size(f) || !drive_of(f, f->param[0] & 3))) ||
        (f->phase == FDC_RESULT && f->result_pos >= f->nresult) ||
        (f->phase == FDC_COMMAND && f->nparams && (!op || f->nparams > op->nparams)))
        enter_command(f);
    irq_set(f->line, f->irq && (f->dor & DOR_GATE));
    return true;
}

static const struct state_field drive_fields[] = {
    STATE_U8(struct fdc_drive, track),
    STATE_BOOL(struct fdc_drive, disk_changed),
    STATE_FIELDS_END,
};

static const struct state_field fields[] = {
    STATE_U8(struct fdc82078, dor),
    STATE_U8(struct fdc82078, tdr),
    STATE_U8_MAX(struct fdc82078, rate, 3),
    STATE_U8_MAX(struct fdc82078, phase, FDC_RESULT),
    STATE_U8(struct fdc82078, command),
    STATE_U8_MAX(struct fdc82078, nparams, FDC_MAX_PARAMS),
    STATE_BYTES(struct fdc82078, param),
    STATE_BYTES(struct fdc82078, result),
    STATE_U8_MAX(struct fdc82078, nresult, FDC_MAX_RESULT),
    STATE_U8_MAX(struct fdc82078, result_pos, FDC_MAX_RESULT),
    STATE_U8(struct fdc82078, st0),
    STATE_U8(struct fdc82078, st1),
    STATE_U8(struct fdc82078, st2),
    STATE_BYTES(struct fdc82078, pcn),
    STATE_U8(struct fdc82078, srt_hut),
    STATE_U8(struct fdc82078, hlt_nd),
    STATE_U8(struct fdc82078, config),
    STATE_U8(struct fdc82078, pretrk),
    STATE_U8(struct fdc82078, perpendicular),
    STATE_BOOL(struct fdc82078, locked),
    STATE_U8(struct fdc82078, last_sector),
    STATE_U8_MAX(struct fdc82078, interrupts, 15),
    STATE_BYTES(struct fdc82078, interrupt_st0),
    STATE_BYTES(struct fdc82078, seek_to),
    STATE_U8_MAX(struct fdc82078, seeking, 15),
    STATE_BOOL(struct fdc82078, irq),
    STATE_U8(struct fdc82078, c),
    STATE_U8(struct fdc82078, h),
    STATE_U8(struct fdc82078, r),
    STATE_U8(struct fdc82078, n),
    STATE_U8_MAX(struct fdc82078, head, 1),
    STATE_U16(struct fdc82078, count),
    STATE_U16_MAX(struct fdc82078, pos, FDC_SECTOR),
    STATE_BOOL(struct fdc82078, terminal),
    STATE_U8(struct fdc82078, scan),
    STATE_BYTES(struct fdc82078, sector),
    STATE_STRUCTS(struct fdc82078, drive, FDC_NUM_DRIVES, struct fdc_drive, drive_fields),
    STATE_TIMER(struct fdc82078, timer),
    STATE_ARRAY(STATE_TIMER, struct fdc82078, seek_timer, 4),
    STATE_FIELDS_END,
};

static const struct device_class class = {.type = "fdc82078",
                                          .version = 2,
                                          .fields = fields,
                                          .reset = reset,
                                          .pre_save = pre_save,
                                          .post_load = post_load};

void fdc82078_init(struct fdc82078 *f, struct machine *m, const char *id, uint16_t base,
                   struct irq_line line, struct i8237 *dma,
                   struct blockdev *const disks[FDC_NUM_DRIVES])
{
    static const struct region_ops port_ops = {
        .read = ports_read, .write = ports_write, .min_size = 1, .max_size = 1};
    static const struct region_ops dir_ops = {
        .read = dir_read, .write = ccr_write, .min_size = 1, .max_size = 1};
    static vm_timer_fn *const on_seek[4] = {on_seek_0, on_seek_1, on_seek_2, on_seek_3};

    *f = (struct fdc82078){.line = line, .dma = dma, .channel = 2};
    device_init(&f->dev, m, &class, id);
    vm_timer_init(&f->timer, &m->clock, on_timer, f);
    for (unsigned n = 0; n < 4; n++)
        vm_timer_init(&f->seek_timer[n], &m->clock, on_seek[n], f);
    for (unsigned n = 0; n < FDC_NUM_DRIVES; n++)
        init_drive(f, &f->drive[n], disks[n]);
    i8237_attach(dma, f->channel, (struct i8237_client){transfer, f});
    region_init_device(&f->ports, "fdc", 6, &port_ops, f);
    region_init_device(&f->dir_port, "fdc-dir", 1, &dir_ops, f);
    region_add(&m->io, &f->ports, base, 0);
    region_add(&m->io, &f->dir_port, base + 7u, 0);
    reset(&f->dev);
}
