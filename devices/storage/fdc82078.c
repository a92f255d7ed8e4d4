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
#include "devices/storage/fdc82078_internal.h"

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

#define FAIL_NS 1000000ull

/* ---- disks ---- */

static const struct fdc_format formats[] = {
    {160, 40, 1, 8, RATE_250, 1},    {180, 40, 1, 9, RATE_250, 1},   {320, 40, 2, 8, RATE_250, 1},
    {360, 40, 2, 9, RATE_250, 1},    {720, 80, 2, 9, RATE_250, 4},   {1200, 80, 2, 15, RATE_500, 2},
    {1440, 80, 2, 18, RATE_500, 4},  {1680, 80, 2, 21, RATE_500, 4}, {1722, 82, 2, 21, RATE_500, 4},
    {2880, 80, 2, 36, RATE_1000, 5},
};

static const struct fdc_format *format_of_size(uint64_t size)
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
static const struct fdc_format *format_of(const struct fdc_drive *d)
{
    return d->disk ? format_of_size(blockdev_geometry(d->disk).size) : NULL;
}

static unsigned selected(const struct fdc82078 *f)
{
    return f->dor & 3;
}

/* The drive that a command is for; NULL: not there. */
struct fdc_drive *fdc_drive_of(struct fdc82078 *f, unsigned n)
{
    return n < FDC_NUM_DRIVES && f->drive[n].disk ? &f->drive[n] : NULL;
}

static bool rate_fits(const struct fdc82078 *f, const struct fdc_format *t)
{
    return f->rate == t->rate || (t->rate == RATE_250 && f->rate == RATE_300);
}

/* The disk under the heads of the command's drive, if it can be read; NULL: no address mark. */
const struct fdc_format *fdc_readable(struct fdc82078 *f)
{
    struct fdc_drive *d = fdc_drive_of(f, f->param[0] & 3);
    const struct fdc_format *t = d ? format_of(d) : NULL;
    bool motor = f->dor >> (4 + (f->param[0] & 3)) & 1;

    return t && motor && rate_fits(f, t) && (f->command & 0x40) && f->head < t->sides ? t : NULL;
}

/* The disk's cylinder: the tracks of 40 are twice as wide as the steps of a 1.2 MB drive. */
unsigned fdc_cylinder(struct fdc82078 *f, const struct fdc_format *t)
{
    const struct fdc_drive *d = fdc_drive_of(f, f->param[0] & 3);

    return d->type == 2 && t->tracks == 40 ? d->track / 2u : d->track;
}

/* ---- interrupt and result ---- */

void fdc_set_irq(struct fdc82078 *f, bool on)
{
    f->irq = on;
    irq_set(f->line, on && (f->dor & DOR_GATE));
}

void fdc_enter_command(struct fdc82078 *f)
{
    f->phase = FDC_COMMAND;
    f->nparams = f->nresult = f->result_pos = 0;
}

void fdc_give_result(struct fdc82078 *f, unsigned n)
{
    f->nresult = (uint8_t)n;
    f->result_pos = 0;
    f->phase = FDC_RESULT;
}

/* Of commands that move data or look for an ID. */
void fdc_end_data(struct fdc82078 *f, uint8_t st0, uint8_t st1, uint8_t st2)
{
    const uint8_t result[7] = {
        (uint8_t)(st0 | f->head << 2 | (f->param[0] & 3)), st1, st2, f->c, f->h, f->r, f->n};

    i8237_request(f->dma, f->channel, false);
    memcpy(f->result, result, sizeof(result));
    fdc_give_result(f, sizeof(result));
    fdc_set_irq(f, true);
}

/* As fdc_end_data(), soon: a drive would look for two revolutions, and without a disk for ever. */
void fdc_fail_later(struct fdc82078 *f, uint8_t st1, uint8_t st2)
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
        fdc_end_data(f, f->st0, f->st1, f->st2);
}

/* ---- sectors ---- */

unsigned fdc_operation(const struct fdc82078 *f)
{
    return f->command & 0x1f;
}

bool fdc_is_write(const struct fdc82078 *f)
{
    return fdc_operation(f) == WRITE_DATA || fdc_operation(f) == WRITE_DELETED ||
           fdc_operation(f) == FORMAT;
}

static bool is_scan(const struct fdc82078 *f)
{
    return fdc_operation(f) == SCAN_EQUAL || fdc_operation(f) == SCAN_LOW ||
           fdc_operation(f) == SCAN_HIGH;
}

/* Its bytes come from the host. */
static bool takes_bytes(const struct fdc82078 *f)
{
    return fdc_is_write(f) || is_scan(f);
}

static void next_sector(struct fdc82078 *f);
static void request_done(struct block_request *r, int error);

/* Bytes from the start of the image; false: no such sector on this track. */
static bool place_of(struct fdc82078 *f, const struct fdc_format *t, uint64_t *offset)
{
    unsigned cyl = fdc_cylinder(f, t);

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
    blockdev_submit(fdc_drive_of(f, f->param[0] & 3)->disk, &f->request);
}

/* The host moves the sector, or the four bytes of an ID. */
void fdc_offer(struct fdc82078 *f)
{
    f->phase = FDC_TRANSFER;
    f->pos = 0;
    f->scan = 0;
    if (f->hlt_nd & ND)
        fdc_set_irq(f, true);
    else if (f->dor & DOR_GATE)
        i8237_request(f->dma, f->channel, true);
}

static uint16_t unit_size(const struct fdc82078 *f)
{
    return fdc_operation(f) == FORMAT ? 4 : FDC_SECTOR;
}

/* Finds the sector of C, H, R, N. */
void fdc_find_sector(struct fdc82078 *f)
{
    const struct fdc_format *t = fdc_readable(f);
    uint64_t offset;

    if (!t)
        fdc_fail_later(f, ST1_NO_MARK, 0);
    else if (!place_of(f, t, &offset))
        fdc_fail_later(f, ST1_NO_DATA, f->c != fdc_cylinder(f, t) ? ST2_CYLINDER : 0);
    else if (fdc_is_write(f))
        fdc_offer(f);
    else
        access_medium(f, BLOCK_READ, offset);
}

/* All of the sector was moved, or TC came. */
static void sector_moved(struct fdc82078 *f)
{
    const struct fdc_format *t = fdc_readable(f);
    uint64_t offset;

    i8237_request(f->dma, f->channel, false);
    if (!fdc_is_write(f)) {
        next_sector(f);
        return;
    }
    if (fdc_operation(f) == FORMAT) {
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
        fdc_fail_later(f, ST1_NO_DATA, 0);
}

static void request_done(struct block_request *r, int error)
{
    struct fdc82078 *f = r->opaque;

    if (error)
        fdc_end_data(f, ST0_ABNORMAL, ST1_CRC, ST2_CRC);
    else if (r->op == BLOCK_READ && fdc_operation(f) != VERIFY)
        fdc_offer(f);
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
        fdc_end_data(f, 0, 0, 0);
    else
        fdc_offer(f);
}

/* FFh on either side fits everything. */
static void compare(struct fdc82078 *f, const uint8_t *host, size_t n)
{
    const uint8_t *disk = f->sector + f->pos;
    unsigned op = fdc_operation(f);

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
        fdc_end_data(f, 0, 0, f->scan & SCAN_DIFFERS ? 0 : ST2_HIT);
        return;
    }
    if (f->r == f->param[5])
        more = advance_id(f);
    else
        f->r = (uint8_t)(f->r + (f->param[7] == 2 ? 2 : 1));
    if (f->terminal || !more)
        fdc_end_data(f, 0, 0, ST2_MISS);
    else
        fdc_find_sector(f);
}

/* A sector is done; others follow until TC, or until EOT has passed. */
static void next_sector(struct fdc82078 *f)
{
    unsigned op = fdc_operation(f);
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
        fdc_end_data(f, 0, 0, ST2_DELETED);
        return;
    }
    end = !advance_id(f);
    if (counted && f->count)
        f->count--;
    if (f->terminal || (counted && !f->count) || (end && op == VERIFY))
        fdc_end_data(f, 0, 0, 0);
    else if (end)
        fdc_end_data(f, ST0_ABNORMAL, ST1_END, 0);
    else
        fdc_find_sector(f);
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
    else if (dir == I8237_FROM_MEMORY && fdc_is_write(f))
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
    fdc_set_irq(f, false);
    sector_moved(f);
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
            fdc_set_irq(f, false);
        value = f->result[f->result_pos++];
        if (f->result_pos == f->nresult)
            fdc_enter_command(f);
    }
    return value;
}

static void write_fifo(struct fdc82078 *f, uint8_t value)
{
    if (!(f->dor & DOR_RUN))
        return;
    if (f->phase == FDC_COMMAND) {
        fdc_write_command(f, value);
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
    fdc_enter_command(f);
    fdc_set_irq(f, false);
}

static void reset_ends(struct fdc82078 *f)
{
    software_reset(f);
    if (f->config & CONFIG_POLL)
        return;
    f->interrupts = 0x0f;
    fdc_set_irq(f, true);
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
    struct fdc_drive *d = fdc_drive_of(f, selected(f));
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
    const struct fdc_format *t;

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
    const struct fdc_op *op = fdc_op_of(f);

    (void)err;
    if (f->phase == FDC_MEDIUM ||
        (f->phase == FDC_TRANSFER &&
         (f->pos >= unit_size(f) || !fdc_drive_of(f, f->param[0] & 3))) ||
        (f->phase == FDC_RESULT && (f->result_pos >= f->nresult || f->nresult > FDC_MAX_RESULT)) ||
        (f->phase == FDC_COMMAND && f->nparams && (!op || f->nparams > op->nparams)))
        fdc_enter_command(f);
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

    *f = (struct fdc82078){.line = line, .dma = dma, .channel = 2};
    device_init(&f->dev, m, &class, id);
    vm_timer_init(&f->timer, &m->clock, on_timer, f);
    fdc_init_seeks(f);
    for (unsigned n = 0; n < FDC_NUM_DRIVES; n++)
        init_drive(f, &f->drive[n], disks[n]);
    i8237_attach(dma, f->channel, (struct i8237_client){transfer, f});
    region_init_device(&f->ports, "fdc", 6, &port_ops, f);
    region_init_device(&f->dir_port, "fdc-dir", 1, &dir_ops, f);
    region_add(&m->io, &f->ports, base, 0);
    region_add(&m->io, &f->dir_port, base + 7u, 0);
    reset(&f->dev);
}
