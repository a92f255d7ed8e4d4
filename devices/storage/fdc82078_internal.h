/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_STORAGE_FDC82078_INTERNAL_H
#define CALQUE_DEVICES_STORAGE_FDC82078_INTERNAL_H

/* fdc82078.c: registers, sectors and how they move; fdc82078_commands.c: commands. */

#include "devices/storage/fdc82078.h"

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

/* Data rates as DSR and CCR have them. */
enum { RATE_500, RATE_300, RATE_250, RATE_1000 };

struct fdc_format {
    uint16_t kib;
    uint8_t tracks, sides, sectors, rate, type; /* of the drive that it is for */
};

/* A command: how many parameters follow, which of its upper bits may be set. */
struct fdc_op {
    void (*run)(struct fdc82078 *f);
    uint8_t nparams, flags;
};

/* ---- fdc82078.c ---- */

/* The drive that a command is for; NULL: not there. */
struct fdc_drive *fdc_drive_of(struct fdc82078 *f, unsigned n);
/* The disk under the heads of the command's drive, if it can be read; NULL: no address mark. */
const struct fdc_format *fdc_readable(struct fdc82078 *f);
/* The disk's cylinder: the tracks of 40 are twice as wide as the steps of a 1.2 MB drive. */
unsigned fdc_cylinder(struct fdc82078 *f, const struct fdc_format *t);
/* The command without its upper bits; whether it writes. */
unsigned fdc_operation(const struct fdc82078 *f);
bool fdc_is_write(const struct fdc82078 *f);
void fdc_set_irq(struct fdc82078 *f, bool on);
void fdc_enter_command(struct fdc82078 *f);
/* f->result has n bytes for the host. */
void fdc_give_result(struct fdc82078 *f, unsigned n);
/* Of commands that move data or look for an ID: the result, at once or after a while. */
void fdc_end_data(struct fdc82078 *f, uint8_t st0, uint8_t st1, uint8_t st2);
void fdc_fail_later(struct fdc82078 *f, uint8_t st1, uint8_t st2);
/* Begins with the sector of C, H, R, N. */
void fdc_find_sector(struct fdc82078 *f);
/* The host moves the sector, or the four bytes of an ID. */
void fdc_offer(struct fdc82078 *f);

/* ---- fdc82078_commands.c ---- */

void fdc_init_seeks(struct fdc82078 *f);
/* Of f->command; NULL: there is none. */
const struct fdc_op *fdc_op_of(const struct fdc82078 *f);
/* A byte of a command: the first is the command, its parameters follow. */
void fdc_write_command(struct fdc82078 *f, uint8_t value);

#endif
