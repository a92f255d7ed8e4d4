/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_STORAGE_FDC82078_H
#define CALQUE_DEVICES_STORAGE_FDC82078_H

#include "devices/misc/i8237.h"
#include "host/block/blockdev.h"
#include "vm/irq.h"

#define FDC_NUM_DRIVES 2
#define FDC_SECTOR     512u
#define FDC_MAX_PARAMS 9
#define FDC_MAX_RESULT 10

enum fdc_phase {
    FDC_COMMAND,  /* waits for a command, or for its parameters */
    FDC_MEDIUM,   /* a sector is being read or written */
    FDC_TRANSFER, /* the host moves the sector's data */
    FDC_TIMED,    /* something that takes its time: an ID to come by, an error */
    FDC_RESULT,   /* the host reads the result */
};

struct fdc_drive {
    uint8_t track;     /* where the head is */
    bool disk_changed; /* since the last step */
    /* Wiring. */
    struct blockdev *disk; /* NULL: no drive */
    uint8_t type;          /* as CMOS byte 10h has it */
};

/* 82078 floppy disk controller (datasheet order number 290475) in AT mode, with two drives. */
struct fdc82078 {
    struct device dev;
    uint8_t dor, tdr, rate; /* rate: of DSR and CCR, bits 1:0 */
    uint8_t phase;          /* enum fdc_phase */
    uint8_t command, nparams, param[FDC_MAX_PARAMS];
    uint8_t result[FDC_MAX_RESULT], nresult, result_pos;
    uint8_t st0, st1, st2;
    uint8_t pcn[4]; /* where it believes the heads to be */
    uint8_t srt_hut, hlt_nd, config, pretrk, perpendicular;
    bool locked;
    uint8_t last_sector; /* EOT of the last data command, for DUMPREG */
    uint8_t interrupts;  /* drives that SENSE INTERRUPT STATUS is to tell of */
    uint8_t interrupt_st0[4];
    uint8_t seek_to[4], seeking; /* drives that are */
    bool irq;
    /* The data command. */
    uint8_t c, h, r, n;
    uint8_t head;   /* the physical side */
    uint16_t count; /* sectors to go: FORMAT, VERIFY, READ TRACK */
    uint16_t pos;   /* bytes of the sector that have moved */
    bool terminal;  /* TC was seen */
    uint8_t scan;   /* what SCAN has found in this sector so far */
    uint8_t sector[FDC_SECTOR];
    struct fdc_drive drive[FDC_NUM_DRIVES];
    struct vm_timer timer; /* FDC_TIMED */
    struct vm_timer seek_timer[4];
    /* Wiring. */
    struct irq_line line;
    struct i8237 *dma;
    unsigned channel;
    struct block_request request;
    struct region ports, dir_port;
};

/* Ports base to base + 5 and base + 7; DMA channel 2 of `dma`. disks: NULL where there is no drive.
 */
void fdc82078_init(struct fdc82078 *f, struct machine *m, const char *id, uint16_t base,
                   struct irq_line line, struct i8237 *dma,
                   struct blockdev *const disks[FDC_NUM_DRIVES]);
/* Whether an image of so many bytes is a floppy disk. */
bool fdc82078_is_floppy(uint64_t size);
/* CMOS byte 10h: the drives' types. */
uint8_t fdc82078_cmos_types(const struct fdc82078 *f);

#endif
