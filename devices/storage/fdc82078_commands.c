/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 82078's commands (datasheet, chapter 6). */
#include "devices/storage/fdc82078_internal.h"

#include <string.h>

#include "vm/machine.h"

#define STEP_NS  50000ull     /* of a head */
#define ROTATION 200000000ull /* ns */

/* ---- data commands ---- */

static bool is_protected(struct fdc82078 *f)
{
    struct fdc_drive *d = fdc_drive_of(f, f->param[0] & 3);

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
    struct fdc_drive *d = fdc_drive_of(f, f->param[0] & 3);

    f->st0 = f->st1 = f->st2 = 0;
    f->terminal = false;
    f->head = f->param[0] >> 2 & 1;
    if ((f->config & CONFIG_EIS) && d && fdc_operation(f) != FORMAT &&
        fdc_operation(f) != READ_ID && f->pcn[f->param[0] & 3] != f->param[1]) {
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
    if (fdc_operation(f) == READ_TRACK) { /* all sectors from the index hole on */
        f->r = 1;
        f->count = f->param[5];
    }
    if (fdc_is_write(f) && is_protected(f))
        fdc_end_data(f, ST0_ABNORMAL, ST1_PROTECTED, 0);
    else if (fdc_operation(f) == READ_DELETED && (f->command & SK))
        fdc_fail_later(f, ST1_NO_DATA, 0); /* every sector is skipped */
    else
        fdc_find_sector(f);
}

static void format_track(struct fdc82078 *f)
{
    const struct fdc_format *t;

    begin_data(f);
    t = fdc_readable(f);
    f->n = f->param[1];
    f->count = f->param[2];
    f->last_sector = f->param[2];
    if (is_protected(f))
        fdc_end_data(f, ST0_ABNORMAL, ST1_PROTECTED, 0);
    else if (!t || f->n != 2 || f->count != t->sectors || fdc_cylinder(f, t) >= t->tracks)
        fdc_fail_later(f, ST1_NO_MARK, 0); /* this image cannot become that */
    else
        fdc_offer(f);
}

/* The ID that comes by: which one depends on the time. */
static void read_id(struct fdc82078 *f)
{
    const struct fdc_format *t;
    uint64_t now = vm_clock_now(&f->dev.m->clock);

    begin_data(f);
    t = fdc_readable(f);
    if (!t || fdc_cylinder(f, t) >= t->tracks) {
        fdc_fail_later(f, ST1_NO_MARK, 0);
        return;
    }
    f->c = (uint8_t)fdc_cylinder(f, t);
    f->h = f->head;
    f->r = (uint8_t)(now % ROTATION / (ROTATION / t->sectors) % t->sectors + 1);
    f->n = 2;
    f->phase = FDC_TIMED;
    vm_timer_arm(&f->timer, now + ROTATION / t->sectors);
}

/* ---- seeking ---- */

static void seek_ends(struct fdc82078 *f, unsigned n)
{
    struct fdc_drive *d = fdc_drive_of(f, n);
    uint8_t st0 = (uint8_t)(ST0_SEEK_END | n);

    f->seeking &= (uint8_t) ~(1u << n);
    if (d)
        move_head(d, f->seek_to[n]);
    else if (!f->seek_to[n]) /* no drive, no track 0 */
        st0 |= ST0_ABNORMAL | ST0_CHECK;
    f->pcn[n] = f->seek_to[n];
    f->interrupt_st0[n] = st0;
    f->interrupts |= (uint8_t)(1u << n);
    fdc_set_irq(f, true);
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

void fdc_init_seeks(struct fdc82078 *f)
{
    static vm_timer_fn *const on_seek[4] = {on_seek_0, on_seek_1, on_seek_2, on_seek_3};

    for (unsigned n = 0; n < 4; n++)
        vm_timer_init(&f->seek_timer[n], &f->dev.m->clock, on_seek[n], f);
}

static void start_seek(struct fdc82078 *f, uint8_t to)
{
    unsigned n = f->param[0] & 3;
    unsigned steps = to > f->pcn[n] ? to - f->pcn[n] : f->pcn[n] - to;

    f->seek_to[n] = to;
    f->seeking |= (uint8_t)(1u << n);
    vm_timer_arm(&f->seek_timer[n], vm_clock_now(&f->dev.m->clock) + (steps + 1) * STEP_NS);
    fdc_enter_command(f);
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
    fdc_set_irq(f, false);
    for (unsigned n = 0; n < 4; n++)
        if (f->interrupts >> n & 1) {
            f->interrupts &= (uint8_t) ~(1u << n);
            f->result[0] = f->interrupt_st0[n];
            f->result[1] = f->pcn[n];
            fdc_give_result(f, 2);
            return;
        }
    f->result[0] = ST0_INVALID;
    fdc_give_result(f, 1);
}

/* ---- control commands ---- */

static void sense_drive(struct fdc82078 *f)
{
    struct fdc_drive *d = fdc_drive_of(f, f->param[0] & 3);

    /* ready, two sides; head and drive as asked for */
    f->result[0] = (uint8_t)(0x28 | (f->param[0] & 7) | (is_protected(f) ? 0x40 : 0) |
                             (d && !d->track ? 0x10 : 0));
    fdc_give_result(f, 1);
}

static void specify(struct fdc82078 *f)
{
    f->srt_hut = f->param[0];
    f->hlt_nd = f->param[1];
    fdc_enter_command(f);
}

static void configure(struct fdc82078 *f)
{
    f->config = f->param[1] & 0x7f;
    f->pretrk = f->param[2];
    fdc_enter_command(f);
}

static void perpendicular(struct fdc82078 *f)
{
    /* Without OW the drive bits stay. */
    f->perpendicular =
        f->param[0] & 0x80 ? f->param[0] & 0x3f : (f->perpendicular & 0x3c) | (f->param[0] & 3);
    fdc_enter_command(f);
}

static void dump_registers(struct fdc82078 *f)
{
    const uint8_t result[10] = {
        f->pcn[0],  f->pcn[1], f->pcn[2],      f->pcn[3],
        f->srt_hut, f->hlt_nd, f->last_sector, (uint8_t)((f->locked ? 0x80 : 0) | f->perpendicular),
        f->config,  f->pretrk};

    memcpy(f->result, result, sizeof(result));
    fdc_give_result(f, sizeof(result));
}

static void lock(struct fdc82078 *f)
{
    f->locked = f->command & 0x80;
    f->result[0] = f->locked ? 0x10 : 0;
    fdc_give_result(f, 1);
}

static void version(struct fdc82078 *f)
{
    f->result[0] = 0x90; /* enhanced: 82077 and later */
    fdc_give_result(f, 1);
}

static void part_id(struct fdc82078 *f)
{
    f->result[0] = 0x41; /* 82078, 44 pins */
    fdc_give_result(f, 1);
}

static void invalid(struct fdc82078 *f)
{
    log_line(&f->dev.m->log, LOG_UNIMP, "fdc: command %02xh", f->command);
    f->result[0] = ST0_INVALID;
    fdc_give_result(f, 1);
}

/* By the low five bits. */
static const struct fdc_op ops[32] = {
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

const struct fdc_op *fdc_op_of(const struct fdc82078 *f)
{
    const struct fdc_op *op = &ops[f->command & 0x1f];

    return op->run && !(f->command & 0xe0 & ~op->flags) ? op : NULL;
}

/* A byte of a command: the first is the command, its parameters follow. */
void fdc_write_command(struct fdc82078 *f, uint8_t value)
{
    const struct fdc_op *op;

    if (!f->nparams) {
        f->command = value;
        memset(f->param, 0, sizeof(f->param));
    } else {
        f->param[f->nparams - 1] = value;
    }
    op = fdc_op_of(f);
    if (op && f->nparams < op->nparams) {
        f->nparams++;
        return;
    }
    if (op)
        op->run(f);
    else
        invalid(f);
}
