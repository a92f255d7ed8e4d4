/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_BLOCK_BLOCKDEV_H
#define CALQUE_HOST_BLOCK_BLOCKDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a storage device is connected to: a disk image, or an empty drive. The device's side; who
 * opens images is in drive.h. */

struct machine;
struct blockdev;

#define BLOCK_SECTOR 512u /* offsets and lengths are multiples of it, except where said */

enum block_op {
    BLOCK_READ,
    BLOCK_WRITE,
    BLOCK_FLUSH,   /* everything completed before is on stable storage: no offset, no length */
    BLOCK_DISCARD, /* the range need not be kept; it may read as anything old or as zeros */
    BLOCK_ZERO,    /* the range reads as zeros */
};

struct block_request;
/* error: 0 or an errno value (EIO, ENOSPC, EROFS, ENOMEDIUM, EINVAL for a range outside). Called
 * under the machine lock, never from inside blockdev_submit(). */
typedef void block_done_fn(struct block_request *r, int error);

/* Embedded by the device; must stay where it is until done is called. */
struct block_request {
    enum block_op op;
    uint64_t offset; /* bytes */
    uint64_t length; /* bytes; any for DISCARD and ZERO, else what data holds */
    uint8_t *data;   /* READ, WRITE: the device's own buffer, never guest memory: what a read brings
                      * is copied into the guest by the device, in done */
    bool fua;        /* WRITE: is on stable storage when done */
    block_done_fn *done;
    void *opaque; /* the device's */
    /* The back end's. */
    struct blockdev *blockdev;
    struct block_request *next, *next_due;
    int error;
    uint64_t due; /* with -icount: virtual time at which done is called */
    bool finished;
};

struct blockdev_geometry {
    uint64_t size;                      /* bytes; 0 without a medium */
    uint32_t logical, physical;         /* bytes of a block: 512, 2048 for CDs, ... */
    uint32_t cylinders, heads, sectors; /* set by options, or 0: the device makes one up */
};

/* The device's hold on its drive. Called under the machine lock when the medium was changed or
 * removed, or the guest should be asked to let it go; any may be NULL. */
struct blockdev_events {
    void (*medium_changed)(void *opaque); /* look at blockdev_geometry() again */
    void (*eject_request)(void *opaque);
    /* The drive's lock, if the device can be locked by its guest: eject needs force then. */
    bool (*locked)(void *opaque);
    void *opaque;
};

/* One device per drive. b may be NULL nowhere: an empty drive is a blockdev without a medium. */
void blockdev_connect(struct blockdev *b, struct machine *m, const struct blockdev_events *events);

struct blockdev_geometry blockdev_geometry(const struct blockdev *b);
bool blockdev_has_medium(const struct blockdev *b);
bool blockdev_read_only(const struct blockdev *b);
/* The guest may turn the write cache off and on (WCE of ATA, SCSI, virtio). Off: every write is on
 * stable storage when done. */
bool blockdev_write_cache(const struct blockdev *b);
void blockdev_set_write_cache(struct blockdev *b, bool on);
/* "QM00001", from serial=; NULL when none was given. */
const char *blockdev_serial(const struct blockdev *b);
/* The drive's place in the order in which firmware boots, from 0; -1: it has none. */
int blockdev_boot_index(const struct blockdev *b);

/* Starts a request; machine lock held. Requests may finish in any order; FLUSH waits for nothing
 * that was not done when it was submitted. With -icount, done is called at a virtual time fixed
 * now, and the guest waits for the host; otherwise when the host has finished. */
void blockdev_submit(struct blockdev *b, struct block_request *r);
/* Waits until every request of b is done (before reset of its device, saving state, closing);
 * machine lock held. */
void blockdev_drain(struct blockdev *b);
/* The guest opened or closed the tray itself. */
void blockdev_tray_moved(struct blockdev *b, bool open);

#endif
