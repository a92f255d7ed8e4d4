/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_BLOCK_IMAGE_H
#define CALQUE_HOST_BLOCK_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/block/file.h"

/* A disk image: a file in a format, and what it is based on. Everything here waits for the host;
 * drives (drive.h) call it from their worker threads. Functions that return int give 0 or an errno
 * value; several threads may use an image at a time, except where said. */

struct error;
struct image;
struct option_list;

#define IMAGE_SIZE_MAX  (INT64_MAX & ~511ll)
#define IMAGE_CHAIN_MAX 200 /* images based on one another */
#define IMAGE_NAME_MAX  1024

/* What is wrong with an image that was found while it is in use: one line, from any thread. */
struct image_report {
    void (*fn)(void *opaque, const char *text);
    void *opaque;
};

struct image_options {
    const char *format; /* NULL: by content */
    bool read_only;
    bool no_backing; /* leave the backing file alone; what it holds reads as zeros */
    bool repair;     /* for `check`: a corrupt or dirty image may be opened for writing */
    bool no_locks, force_share;
    enum file_cache cache;
    struct image_report report;
};

/* NULL with a line that names the file at fault. */
struct image *image_open(const char *path, const struct image_options *o, struct error *err);
/* A temporary qcow2 on top of an image that was opened read-only, which it takes over (also when it
 * fails). */
struct image *image_open_snapshot(struct image *backing, const struct image_options *o,
                                  struct error *err);
/* Writes what is cached; the error of that, if any. Nobody may use the image any more. */
int image_close(struct image *im);

/* ---- contents: offsets and lengths in bytes, in any alignment ---- */

/* EINVAL for a range outside. Formats whose size is no multiple of 512 read as zeros up to it. */
int image_read(struct image *im, uint64_t offset, void *buf, size_t len);
int image_write(struct image *im, uint64_t offset, const void *buf, size_t len);
/* Reads as zeros afterwards; without taking space, if may_unmap and the format can. */
int image_zero(struct image *im, uint64_t offset, uint64_t len, bool may_unmap);
/* May do nothing. */
int image_discard(struct image *im, uint64_t offset, uint64_t len);
/* All that was written is on stable storage. */
int image_flush(struct image *im);
/* A whole cluster, compressed if that makes it smaller; ENOTSUP if the format cannot. */
bool image_compresses(const struct image *im);
int image_write_compressed(struct image *im, uint64_t offset, const void *buf, size_t len);

enum image_kind {
    IMAGE_DATA,       /* bytes at `file_offset` of `file` */
    IMAGE_ZERO,       /* zeros, said by this image */
    IMAGE_HOLE,       /* not in this image: what the backing file has, or zeros */
    IMAGE_COMPRESSED, /* in this image, not as it reads */
};

struct image_extent {
    enum image_kind kind;
    uint64_t length;
    struct block_file *file; /* DATA; or zeros that have their place */
    uint64_t file_offset;
    bool shared;     /* DATA: must be copied before it is changed */
    unsigned depth;  /* 0: this image, 1: its backing file ... */
    uint64_t cookie; /* the format's */
};

/* What is at offset, for as long as it is alike (at most len): in this image alone, ... */
int image_status(struct image *im, uint64_t offset, uint64_t len, struct image_extent *e);
/* ... or in the chain: IMAGE_HOLE is what no image has, which reads as zeros; the depth is then
 * that of the last one. */
int image_chain_status(struct image *im, uint64_t offset, uint64_t len, struct image_extent *e);

/* ---- properties ---- */

uint64_t image_size(const struct image *im);
const char *image_path(const struct image *im);
const char *image_format(const struct image *im); /* "raw", "qcow2", "vmdk", "vpc", "vdi" */
bool image_read_only(const struct image *im);
struct image *image_backing(const struct image *im);      /* NULL: none, or not opened */
const char *image_backing_name(const struct image *im);   /* as the image has it; NULL: none */
const char *image_backing_format(const struct image *im); /* NULL: not recorded */
/* Where a backing file name leads from the image; malloc'ed. */
char *image_backing_path(const struct image *im);
/* The same for any name and image; malloc'ed. */
char *image_relative_path(const char *from, const char *name);
uint32_t image_cluster(const struct image *im);   /* bytes; 0 if the format has none */
uint64_t image_allocated(const struct image *im); /* bytes on the host */
/* Bytes of a file of its own (not of backing files) that hold data, for convert -S and check. */
struct block_file *image_file(const struct image *im);
/* A line went to image_report about the image or one below. */
bool image_reported(struct image *im);
bool image_was_probed(const struct image *im);

/* "compat", "1.1"; "lazy refcounts", "false" ... The names are qemu-img's. */
enum image_info_kind { IMAGE_INFO_TEXT, IMAGE_INFO_NUMBER, IMAGE_INFO_BOOL };
typedef void image_info_fn(void *opaque, const char *name, const char *value,
                           enum image_info_kind kind);
/* The name of the format-specific part and its entries; NULL if there are none. */
void image_info(struct image *im, image_info_fn *fn, void *opaque);
bool image_is_dirty(const struct image *im);
bool image_is_corrupt(const struct image *im);

/* ---- snapshots inside an image: qcow2 has them, others give ENOTSUP ---- */

struct image_snapshot_info {
    char id[32], name[256];
    uint64_t state_size; /* bytes of a machine's state; 0: of the disk alone */
    uint64_t disk_size;
    uint64_t vm_clock; /* ns */
    uint32_t seconds, ns;
};

bool image_has_snapshots(const struct image *im); /* could have */
unsigned image_snapshot_count(const struct image *im);
struct image_snapshot_info image_snapshot_get(const struct image *im, unsigned n);
/* The one of that id or, first, name; -1: there is none. */
int image_snapshot_find(const struct image *im, const char *name);

/* Between these two nothing is read or written: what comes meanwhile waits. One thread. */
void image_freeze(struct image *im);
void image_thaw(struct image *im);

/* One that is being made. Frozen: the image's contents of this moment are kept from here on. */
struct image_snapshot;
int image_snapshot_begin(struct image *im, struct image_snapshot **s);
/* Appends to its machine's state; not frozen, for all that follows. */
int image_snapshot_write(struct image_snapshot *s, const void *data, size_t len);
/* There is a snapshot, instead of one of the same name; frees s, whatever comes. `id` of info is
 * chosen, and state_size and disk_size are known. */
int image_snapshot_finish(struct image_snapshot *s, struct image_snapshot_info *info);
/* There is none. */
void image_snapshot_abort(struct image_snapshot *s);

int image_snapshot_delete(struct image *im, unsigned n);
/* The image's contents are those of the snapshot. */
int image_snapshot_apply(struct image *im, unsigned n);
/* What was written to it, for reading; NULL: out of memory, or EIO. */
struct image_state *image_state_open(struct image *im, unsigned n);
int image_state_read(struct image_state *t, uint64_t offset, void *buf, size_t len);
void image_state_close(struct image_state *t);

/* ---- what calque-img does; nobody else uses the image ---- */

/* "size=1G,cluster_size=..." of create -o. backing may be NULL. */
struct image_create {
    const char *path, *format;
    uint64_t size;
    const char *backing, *backing_format; /* as written into the image */
    const struct option_list *options;
};
bool image_create(const struct image_create *c, struct error *err);
/* Prints the -o options of a format; false if there is no such format. */
bool image_print_options(const char *format);
/* Calls with each format's name and whether it can be created. */
void image_each_format(void (*fn)(void *opaque, const char *name, bool creates), void *opaque);
/* A format by its name or another spelling of it; NULL with the nearest named. */
const char *image_format_name(const char *name, struct error *err);

struct image_check {
    uint64_t corruptions, leaks, check_errors;
    uint64_t corruptions_fixed, leaks_fixed;
    uint64_t allocated, total, compressed, fragmented; /* clusters */
    uint64_t end;                                      /* of the image in its file, bytes */
    void (*say)(void *opaque, const char *text);       /* each finding, a line */
    void *opaque;
};
enum image_repair { REPAIR_NOTHING, REPAIR_LEAKS, REPAIR_ALL };
/* ENOTSUP if the format has nothing to check. */
int image_check(struct image *im, struct image_check *c, enum image_repair repair);
bool image_resize(struct image *im, uint64_t size, struct error *err);
bool image_set_backing(struct image *im, const char *name, const char *format, struct error *err);
/* The backing image was written through another one of its own (commit): the image goes on being
 * based on it. 0, too, if the format does not mind. */
int image_backing_changed(struct image *im, struct image *backing);
/* Drops everything that the image has on top of its backing file (after a commit). */
int image_make_empty(struct image *im);
/* Takes another backing image for reading (rebase); the old one is closed, the name on disk stays.
 */
void image_replace_backing(struct image *im, struct image *backing);

#endif
