/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_BLOCK_FORMAT_H
#define CALQUE_HOST_BLOCK_FORMAT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/bits.h"
#include "base/error.h"
#include "host/block/image.h"

/* What an image format is to image.c. A format says where clusters are and finds places for new
 * ones; reading, writing, copying from backing files and locking are image.c's.
 *
 * im->lock is held for reading when `locate` is called (from several threads), and for writing in
 * everything that changes metadata. Data of located clusters is read and written with the lock
 * held for reading, so that a cluster is not given away meanwhile.
 *
 * Order on the disk, for every format: what metadata points to is written (and, by flush, on
 * stable storage) before the metadata that points to it; what is no longer used is given away only
 * after the metadata that does not use it any more is stable. A crash then leaks at worst. */

#define PROBE_BYTES 2048u

struct image_probe {
    const uint8_t *head; /* the first PROBE_BYTES, zeros behind the end of the file */
    const uint8_t *tail; /* the last 512 */
    uint64_t size;
};

/* What a new cluster holds: bytes [from, to) of it are data, the others are zeros. */
struct image_fill {
    const uint8_t *data; /* the first byte is the one at `from` */
    uint32_t from, to;
};

struct image_format {
    const char *name;
    const char *other_name; /* another spelling, or NULL */
    const char *options;    /* for -o help: "name=values - text" lines, or NULL */
    bool supports_backing;
    bool (*probe)(const struct image_probe *p);
    /* Reads the metadata; fills im->size, cluster, state, backing_name. What it has put into
     * im->state is freed by `close` also when it fails. */
    bool (*open)(struct image *im, struct error *err);
    /* The backing image is open, too: whether it is the one that was meant; NULL: any is. */
    bool (*check_backing)(struct image *im, struct error *err);
    /* See image_backing_changed(); NULL: it does not mind. */
    int (*backing_changed)(struct image *im, struct image *backing);
    int (*close)(struct image *im);
    int (*locate)(struct image *im, uint64_t offset, uint64_t len, struct image_extent *e);
    /* Before located data is overwritten; NULL, or EIO if something else lies there. */
    int (*guard)(struct image *im, const struct image_extent *e);
    /* A cluster that was not IMAGE_DATA becomes so. */
    int (*allocate)(struct image *im, uint64_t offset, const struct image_fill *fill);
    int (*read_compressed)(struct image *im, const struct image_extent *e, uint64_t offset,
                           void *buf, size_t len);
    int (*write_compressed)(struct image *im, uint64_t offset, const void *cluster);
    /* Whole clusters: no more in the image; to_zero: and reads as zeros whatever is below. ENOTSUP:
     * zeros must be written. */
    int (*unmap)(struct image *im, uint64_t offset, bool to_zero, bool keep_space);
    int (*flush)(struct image *im); /* metadata; NULL: there is none that changes */
    bool (*create)(const struct image_create *c, struct block_file *f, struct error *err);
    int (*check)(struct image *im, struct image_check *c, enum image_repair repair);
    bool (*resize)(struct image *im, uint64_t size, struct error *err);
    bool (*set_backing)(struct image *im, const char *name, const char *format, struct error *err);
    void (*info)(struct image *im, image_info_fn *fn, void *opaque);
};

struct image {
    const struct image_format *format;
    struct block_file *file;
    struct image *backing;
    char *path, *backing_name, *backing_format;
    uint64_t size;    /* bytes that the guest sees */
    uint32_t cluster; /* bytes; 0: every byte of the image is where locate says, for ever */
    bool read_only, probed, dirty;
    atomic_bool corrupt; /* found so: it is not written any more */
    bool holes;          /* holes in the file are holes of the image (raw and the like) */
    struct image_options options;
    pthread_rwlock_t lock;
    bool metadata_dirty; /* flush has something to write; changed with the lock held for writing */
    pthread_mutex_t report_lock;
    bool reported;
    struct block_file **files; /* besides `file`: flushed with it, closed with the image */
    unsigned nfiles;
    void *state;
};

extern const struct image_format raw_format, qcow2_format, vmdk_format, vhd_format, vdi_format;

const struct image_format *format_by_content(const struct image_probe *p);

/* Something in the image is not as it must be: the first time it is reported with the path in
 * front. Its value is EIO. */
__attribute__((format(printf, 2, 3))) int image_bad(struct image *im, const char *fmt, ...);

#endif
