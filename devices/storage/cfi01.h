/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_STORAGE_CFI01_H
#define CALQUE_DEVICES_STORAGE_CFI01_H

#include "host/block/blockdev.h"
#include "vm/device.h"
#include "vm/memory.h"

#define CFI01_BLOCK     4096u /* bytes that are erased together */
#define CFI01_BUFFER    256u  /* bytes of a buffered program */
#define CFI01_WRITEBACK 65536u

enum cfi01_mode {
    CFI01_ARRAY, /* reads show the contents */
    CFI01_STATUS,
    CFI01_ID,
    CFI01_QUERY,
    CFI01_PROGRAM,   /* the next write is the byte */
    CFI01_ERASE,     /* D0h confirms */
    CFI01_LOCK,      /* the next write says what to do with the block's lock: there are none */
    CFI01_BUF_COUNT, /* buffered program: the next write is the number of bytes - 1 */
    CFI01_BUF_DATA,
    CFI01_BUF_CONFIRM,
};

/* Parallel flash of byte width with the Intel command set (Common Flash Interface, JESD68;
 * command set 0001h, as of the 28F160). Its contents are memory of the machine, and go to the
 * image as they change. */
struct cfi01 {
    struct device dev;
    uint8_t mode; /* enum cfi01_mode */
    uint8_t status;
    uint16_t buf_count, buf_used;
    uint32_t buf_at[CFI01_BUFFER];
    uint8_t buf[CFI01_BUFFER];
    /* Wiring. */
    uint64_t arena_at;
    uint32_t size;
    struct blockdev *disk;
    uint32_t dirty_from, dirty_to; /* not yet on the way to the image */
    bool writing;
    struct block_request request;
    uint8_t writeback[CFI01_WRITEBACK];
    struct region region;
};

/* Takes arena memory and reads the image, which is a multiple of CFI01_BLOCK, into it; maps it so
 * that it ends below `end`. Before the machine runs. */
bool cfi01_init(struct cfi01 *f, struct machine *m, const char *id, uint64_t end,
                struct blockdev *disk, struct error *err);

#endif
