/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and writing of images: the part that all formats share. */
#include "host/block/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/block/format.h"

#define ZERO_PIECE (64u << 10)

/* ---- findings ---- */

int image_bad(struct image *im, const char *fmt, ...)
{
    struct error text;
    char message[300];
    bool first;
    va_list ap;

    pthread_mutex_lock(&im->report_lock);
    first = !im->reported;
    im->reported = true;
    pthread_mutex_unlock(&im->report_lock);
    if (first && im->options.report.fn) {
        va_start(ap, fmt);
        vsnprintf(message, sizeof(message), fmt, ap);
        va_end(ap);
        error_write(&text, "%s: %s", im->path, message);
        im->options.report.fn(im->options.report.opaque, text.text);
    }
    return EIO;
}

/* ---- locating ---- */

/* An image without clusters never changes where bytes are: no lock is needed. */
static void lock_shared(struct image *im)
{
    if (im->cluster)
        pthread_rwlock_rdlock(&im->lock);
}

static void lock_alone(struct image *im)
{
    if (im->cluster)
        pthread_rwlock_wrlock(&im->lock);
}

static void unlock(struct image *im)
{
    if (im->cluster)
        pthread_rwlock_unlock(&im->lock);
}

static uint64_t readable_end(const struct image *im)
{
    return (im->size + 511) & ~511ull;
}

static bool inside(const struct image *im, uint64_t offset, uint64_t len)
{
    return offset <= readable_end(im) && len <= readable_end(im) - offset;
}

static int locate(struct image *im, uint64_t offset, uint64_t len, struct image_extent *e)
{
    int error;

    *e = (struct image_extent){.length = len};
    if (im->cluster && offset >= im->size) { /* up to the end of the last sector */
        e->kind = IMAGE_ZERO;
        return 0;
    }
    if (im->cluster && len > im->size - offset)
        len = im->size - offset;
    error = im->format->locate(im, offset, len, e);
    if (e->length > len)
        e->length = len;
    if (e->kind == IMAGE_HOLE || e->kind == IMAGE_ZERO)
        e->file = NULL;
    return error;
}

int image_status(struct image *im, uint64_t offset, uint64_t len, struct image_extent *e)
{
    bool hole;
    int error;

    if (!len || !inside(im, offset, len))
        return EINVAL;
    lock_shared(im);
    error = locate(im, offset, len, e);
    unlock(im);
    if (!error && e->kind == IMAGE_DATA && im->holes) {
        e->length = file_extent(e->file, e->file_offset, e->length, &hole);
        if (hole)
            e->kind = IMAGE_ZERO;
    }
    return error;
}

int image_chain_status(struct image *im, uint64_t offset, uint64_t len, struct image_extent *e)
{
    unsigned depth = 0;
    int error;

    for (;; im = im->backing, depth++) {
        error = image_status(im, offset, len, e);
        e->depth = depth;
        if (error || e->kind != IMAGE_HOLE)
            return error;
        len = e->length;
        if (!im->backing || offset >= im->backing->size)
            return 0;
        if (len > im->backing->size - offset)
            len = im->backing->size - offset;
    }
}

/* ---- reading ---- */

/* What is below an image that has nothing there. */
static int read_below(struct image *im, uint64_t offset, uint8_t *buf, size_t len)
{
    uint64_t end = im->backing ? readable_end(im->backing) : 0;
    size_t n = offset >= end ? 0 : end - offset < len ? (size_t)(end - offset) : len;
    int error = n ? image_read(im->backing, offset, buf, n) : 0;

    memset(buf + n, 0, len - n);
    return error;
}

/* One extent; the lock is held. */
static int read_extent(struct image *im, const struct image_extent *e, uint64_t offset, void *buf)
{
    size_t n = (size_t)e->length;

    switch (e->kind) {
    case IMAGE_DATA: /* a raw file that somebody has made shorter meanwhile has no zeros there */
        return im->holes && offset + n <= im->size ? file_read_all(e->file, e->file_offset, buf, n)
                                                   : file_read(e->file, e->file_offset, buf, n);
    case IMAGE_COMPRESSED:
        return im->format->read_compressed(im, e, offset, buf, n);
    case IMAGE_HOLE:
        return read_below(im, offset, buf, n);
    case IMAGE_ZERO:
        break;
    }
    memset(buf, 0, n);
    return 0;
}

/* The lock is held. */
static int read_locked(struct image *im, uint64_t offset, uint8_t *buf, size_t len)
{
    struct image_extent e;
    int error = 0;

    while (len && !error) {
        error = locate(im, offset, len, &e);
        if (!error)
            error = read_extent(im, &e, offset, buf);
        offset += e.length;
        buf += e.length;
        len -= (size_t)e.length;
    }
    return error;
}

int image_read(struct image *im, uint64_t offset, void *buf, size_t len)
{
    int error;

    if (!inside(im, offset, len))
        return EINVAL;
    lock_shared(im);
    error = read_locked(im, offset, buf, len);
    unlock(im);
    return error;
}

/* ---- writing ---- */

static bool may_write(const struct image *im, int *error)
{
    *error = im->read_only ? EROFS : im->corrupt && !im->options.repair ? EIO : 0;
    return !*error;
}

/* A part of one cluster that is not there yet, or is shared. The lock is held for writing. */
static int write_new(struct image *im, const struct image_extent *old, uint64_t offset,
                     const uint8_t *buf, uint32_t len)
{
    uint64_t start = offset & ~(uint64_t)(im->cluster - 1);
    uint32_t from = (uint32_t)(offset - start), to = from + len;
    struct image_fill fill = {buf, from, to};
    uint64_t used = im->size - start < im->cluster ? im->size - start : im->cluster;
    uint8_t *all;
    int error = 0;

    if (len == im->cluster || old->kind == IMAGE_ZERO || (old->kind == IMAGE_HOLE && !im->backing))
        return im->format->allocate(im, start, &fill);
    all = calloc(1, im->cluster);
    if (!all)
        return ENOMEM;
    if (from)
        error = read_locked(im, start, all, from);
    if (!error && to < used)
        error = read_locked(im, start + to, all + to, (size_t)(used - to));
    memcpy(all + from, buf, len);
    fill = (struct image_fill){all, 0, im->cluster};
    if (!error)
        error = im->format->allocate(im, start, &fill);
    free(all);
    return error;
}

/* Clusters that need a place, up to one that has it. *done: how far it came. */
static int write_alone(struct image *im, uint64_t offset, const uint8_t *buf, size_t len,
                       size_t *done)
{
    struct image_extent e;
    int error = 0;

    lock_alone(im);
    while (len && !error) {
        uint64_t n = im->cluster - (offset & (im->cluster - 1));

        n = n < len ? n : len;
        error = locate(im, offset, n, &e);
        if (error || (e.kind == IMAGE_DATA && !e.shared))
            break;
        error = write_new(im, &e, offset, buf, (uint32_t)n);
        if (error)
            break;
        offset += n;
        buf += n;
        len -= (size_t)n;
        *done += (size_t)n;
    }
    unlock(im);
    return error;
}

/* Writes what has its place already; *done: how far that went. */
static int write_placed(struct image *im, uint64_t offset, const uint8_t *buf, size_t len,
                        size_t *done)
{
    struct image_extent e;
    int error = 0;

    lock_shared(im);
    while (len && !error) {
        error = locate(im, offset, len, &e);
        if (error || e.kind != IMAGE_DATA || e.shared)
            break;
        if (im->format->guard)
            error = im->format->guard(im, &e);
        if (error)
            break;
        error = file_write(e.file, e.file_offset, buf, (size_t)e.length);
        if (error)
            break;
        offset += e.length;
        buf += e.length;
        len -= (size_t)e.length;
        *done += (size_t)e.length;
    }
    unlock(im);
    return error;
}

/* Whoever guesses formats by content must not let a guest write itself another one. */
static bool disguises(const struct image *im, uint64_t offset, const uint8_t *buf, size_t len)
{
    uint8_t head[PROBE_BYTES] = {0};
    struct image_probe p = {.head = head, .tail = head, .size = im->size};

    if (!im->probed || im->format != &raw_format || offset >= PROBE_BYTES || !len)
        return false;
    if (offset)
        (void)file_read(im->file, 0, head, sizeof(head));
    memcpy(head + offset, buf, len < sizeof(head) - offset ? len : sizeof(head) - offset);
    return format_by_content(&p) != &raw_format;
}

int image_write(struct image *im, uint64_t offset, const void *buf, size_t len)
{
    const uint8_t *p = buf;
    size_t done = 0;
    int error = 0;

    if (!inside(im, offset, len))
        return EINVAL;
    if (!may_write(im, &error))
        return error;
    if (disguises(im, offset, p, len)) {
        image_bad(im, "the guest writes the header of another image format into sector 0; "
                      "format=raw allows that");
        return EPERM;
    }
    if (im->cluster && offset + len > im->size) /* the rest of the last sector is nowhere */
        len = offset < im->size ? (size_t)(im->size - offset) : 0;
    while (!error && done < len) {
        error = write_placed(im, offset + done, p + done, len - done, &done);
        if (!error && done < len)
            error = write_alone(im, offset + done, p + done, len - done, &done);
    }
    return error;
}

bool image_compresses(const struct image *im)
{
    return im->format->write_compressed;
}

int image_write_compressed(struct image *im, uint64_t offset, const void *buf, size_t len)
{
    struct image_extent e;
    uint8_t *padded = NULL;
    int error;

    if (!im->format->write_compressed)
        return ENOTSUP;
    if (!may_write(im, &error))
        return error;
    if (offset % im->cluster || len > im->cluster || !inside(im, offset, len))
        return EINVAL;
    if (len < im->cluster) {
        padded = calloc(1, im->cluster);
        if (!padded)
            return ENOMEM;
        memcpy(padded, buf, len);
    }
    lock_alone(im);
    error = locate(im, offset, len, &e);
    if (!error && (e.kind == IMAGE_DATA || e.kind == IMAGE_COMPRESSED))
        error = EEXIST;
    if (!error)
        error = im->format->write_compressed(im, offset, padded ? padded : buf);
    unlock(im);
    free(padded);
    if (error == E2BIG || error == EEXIST) /* does not get smaller, or has its place */
        return image_write(im, offset, buf, len);
    return error;
}

/* ---- zeros and discarding ---- */

/* Part of a cluster, or of an image that has none; it has data there. */
static int zero_placed(struct image *im, uint64_t offset, uint64_t len, bool punch)
{
    struct image_extent e;
    int error = 0;

    lock_shared(im);
    while (len && !error) {
        error = locate(im, offset, len, &e);
        if (!error && e.kind == IMAGE_DATA && !e.shared && im->format->guard)
            error = im->format->guard(im, &e);
        if (!error && e.kind == IMAGE_DATA && !e.shared)
            error = file_zero(e.file, e.file_offset, e.length, punch);
        offset += e.length;
        len -= e.length;
    }
    unlock(im);
    return error;
}

static int write_zeros(struct image *im, uint64_t offset, uint64_t len)
{
    static const uint8_t zeros[ZERO_PIECE];
    int error = 0;

    while (len && !error) {
        size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

        error = image_write(im, offset, zeros, n);
        offset += n;
        len -= n;
    }
    return error;
}

/* Inside one cluster. */
static int zero_part(struct image *im, uint64_t offset, uint64_t len)
{
    struct image_extent e;
    int error;

    lock_shared(im);
    error = locate(im, offset, len, &e);
    unlock(im);
    if (error || e.kind == IMAGE_ZERO || (e.kind == IMAGE_HOLE && !im->backing))
        return error;
    return write_zeros(im, offset, len);
}

/* One whole cluster. */
static int zero_cluster(struct image *im, uint64_t offset, uint64_t len, bool may_unmap)
{
    struct image_extent e;
    int error;

    lock_alone(im);
    error = locate(im, offset, len, &e);
    if (!error && e.kind != IMAGE_ZERO && !(e.kind == IMAGE_HOLE && !im->backing))
        error = im->format->unmap ? im->format->unmap(im, offset, true, !may_unmap) : ENOTSUP;
    unlock(im);
    if (error != ENOTSUP)
        return error;
    if (e.kind == IMAGE_DATA && !e.shared)
        return zero_placed(im, offset, len, may_unmap);
    return write_zeros(im, offset, len);
}

int image_zero(struct image *im, uint64_t offset, uint64_t len, bool may_unmap)
{
    int error = 0;

    if (!inside(im, offset, len))
        return EINVAL;
    if (!may_write(im, &error))
        return error;
    if (!im->cluster)
        return zero_placed(im, offset, len, may_unmap);
    if (offset + len > im->size)
        len = offset < im->size ? im->size - offset : 0;
    while (len && !error) {
        uint64_t n = im->cluster - (offset & (im->cluster - 1));

        n = n < len ? n : len;
        if (n == im->cluster || (offset % im->cluster == 0 && offset + n == im->size))
            error = zero_cluster(im, offset, n, may_unmap);
        else
            error = zero_part(im, offset, n);
        offset += n;
        len -= n;
    }
    return error;
}

static int discard_cluster(struct image *im, uint64_t offset, uint64_t len)
{
    int error = ENOTSUP;

    lock_alone(im);
    if (im->format->unmap)
        error = im->format->unmap(im, offset, im->backing != NULL, false);
    unlock(im);
    return error == ENOTSUP && !im->backing ? zero_placed(im, offset, len, true) : error;
}

int image_discard(struct image *im, uint64_t offset, uint64_t len)
{
    int error = 0;
    uint64_t skip;

    if (!inside(im, offset, len))
        return EINVAL;
    if (!may_write(im, &error))
        return error;
    if (!im->cluster)
        return zero_placed(im, offset, len, true);
    skip = -offset & (im->cluster - 1);
    if (skip >= len)
        return 0;
    offset += skip;
    len -= skip;
    while (!error && len && (len >= im->cluster || offset + len >= im->size)) {
        uint64_t n = len < im->cluster ? len : im->cluster;

        error = discard_cluster(im, offset, n);
        offset += n;
        len -= n;
    }
    return error == ENOTSUP ? 0 : error;
}

/* ---- stable storage ---- */

int image_flush(struct image *im)
{
    int error = 0;
    bool dirty;

    if (im->read_only)
        return 0;
    lock_shared(im);
    dirty = im->metadata_dirty;
    unlock(im);
    if (dirty) {
        lock_alone(im);
        error = im->format->flush(im);
        unlock(im);
    }
    for (unsigned n = 0; n < im->nfiles && !error; n++)
        error = file_flush(im->files[n]);
    return error ? error : file_flush(im->file);
}

/* ---- properties ---- */

uint64_t image_size(const struct image *im)
{
    return im->size;
}

const char *image_path(const struct image *im)
{
    return im->path;
}

const char *image_format(const struct image *im)
{
    return im->format->name;
}

bool image_read_only(const struct image *im)
{
    return im->read_only;
}

struct image *image_backing(const struct image *im)
{
    return im->backing;
}

const char *image_backing_name(const struct image *im)
{
    return im->backing_name;
}

const char *image_backing_format(const struct image *im)
{
    return im->backing_format;
}

uint32_t image_cluster(const struct image *im)
{
    return im->cluster;
}

struct block_file *image_file(const struct image *im)
{
    return im->file;
}

bool image_reported(struct image *im)
{
    bool reported = false;

    for (; im && !reported; im = im->backing) {
        pthread_mutex_lock(&im->report_lock);
        reported = im->reported;
        pthread_mutex_unlock(&im->report_lock);
    }
    return reported;
}

bool image_was_probed(const struct image *im)
{
    return im->probed;
}

bool image_is_dirty(const struct image *im)
{
    return im->dirty;
}

bool image_is_corrupt(const struct image *im)
{
    return im->corrupt;
}

uint64_t image_allocated(const struct image *im)
{
    uint64_t sum = file_allocated(im->file);

    for (unsigned n = 0; n < im->nfiles; n++)
        sum += file_allocated(im->files[n]);
    return sum;
}

void image_info(struct image *im, image_info_fn *fn, void *opaque)
{
    if (im->format->info)
        im->format->info(im, fn, opaque);
}

int image_check(struct image *im, struct image_check *c, enum image_repair repair)
{
    return im->format->check ? im->format->check(im, c, repair) : ENOTSUP;
}

bool image_resize(struct image *im, uint64_t size, struct error *err)
{
    if (im->read_only)
        return error_set(err, "%s: is opened read-only", im->path);
    if (!im->format->resize)
        return error_set(err, "%s: images of format %s cannot be resized", im->path,
                         im->format->name);
    if (size > (uint64_t)IMAGE_SIZE_MAX)
        return error_set(err, "%s: a size over 2^63", im->path);
    return im->format->resize(im, size, err);
}

bool image_set_backing(struct image *im, const char *name, const char *format, struct error *err)
{
    if (!im->format->set_backing)
        return error_set(err,
                         "%s: an image of format %s keeps the backing file that it has or has "
                         "not; qcow2 takes another",
                         im->path, im->format->name);
    if (name && strlen(name) >= IMAGE_NAME_MAX)
        return error_set(err, "%s: the name of the backing file is longer than %d bytes", im->path,
                         IMAGE_NAME_MAX - 1);
    return im->format->set_backing(im, name, format, err);
}

void image_replace_backing(struct image *im, struct image *backing)
{
    if (im->backing)
        image_close(im->backing);
    im->backing = backing;
}

int image_backing_changed(struct image *im, struct image *backing)
{
    int error = 0;

    if (im->format->backing_changed) {
        lock_alone(im);
        error = im->format->backing_changed(im, backing);
        unlock(im);
    }
    return error ? error : image_flush(im);
}

int image_make_empty(struct image *im)
{
    int error = 0;

    if (!im->format->unmap)
        return ENOTSUP;
    lock_alone(im);
    for (uint64_t at = 0; at < im->size && !error; at += im->cluster)
        error = im->format->unmap(im, at, false, false);
    unlock(im);
    return error ? error : image_flush(im);
}
