/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: new images, and changes of the header. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "base/size.h"
#include "host/block/qcow2.h"

enum prealloc { PREALLOC_OFF, PREALLOC_METADATA, PREALLOC_FALLOC, PREALLOC_FULL };

struct layout {
    uint32_t version, cluster_bits, cluster, refcount_order;
    uint8_t compression;
    bool lazy;
    enum prealloc prealloc;
    uint64_t rt, blocks, l1; /* clusters, in this order behind the header */
    uint64_t l1_entries;
};

/* ---- options ---- */

static bool parse_cluster_size(struct layout *y, const struct option_list *l, struct error *err)
{
    const char *text = option_get(l, "cluster_size");
    uint64_t size = 65536;

    if (text && !size_parse(text, 1, &size, err))
        return error_prefix(err, "cluster_size");
    if (size < 512 || size > 2u << 20 || size & (size - 1))
        return error_set(err, "cluster_size=%s: a power of two, 512 to 2M, is expected", text);
    y->cluster = (uint32_t)size;
    y->cluster_bits = (uint32_t)__builtin_ctzll(size);
    return true;
}

static bool parse_refcount_bits(struct layout *y, const struct option_list *l, struct error *err)
{
    uint64_t bits = 16;

    if (!option_get_number(l, "refcount_bits", 1, 64, &bits, err))
        return false;
    if (bits & (bits - 1))
        return error_set(err, "refcount_bits: a power of two, 1 to 64, is expected");
    if (bits != 16 && y->version < 3)
        return error_set(err, "refcount_bits: other than 16 needs compat=1.1");
    y->refcount_order = (uint32_t)__builtin_ctzll(bits);
    return true;
}

static bool parse_words(struct layout *y, const struct option_list *l, struct error *err)
{
    static const char *const hows[] = {"off", "metadata", "falloc", "full"};
    const char *compat = option_get(l, "compat"), *type = option_get(l, "compression_type");
    const char *how = option_get(l, "preallocation");
    unsigned n = 0;

    y->version = 3;
    if (compat && (strcmp(compat, "0.10") == 0 || strcmp(compat, "v2") == 0))
        y->version = 2;
    else if (compat && strcmp(compat, "1.1") != 0 && strcmp(compat, "v3") != 0)
        return error_set(err, "compat=%s: 0.10 or 1.1 is expected", compat);
    y->compression = type && strcmp(type, "zstd") == 0;
    if (type && !y->compression && strcmp(type, "zlib") != 0)
        return error_set(err, "compression_type=%s: zlib or zstd is expected", type);
    if (y->compression && y->version < 3)
        return error_set(err, "compression_type=zstd: needs compat=1.1");
    if (!qcow2_has_compression(y->compression) && type)
        return error_set(err, "compression_type=%s: this build is without %s", type, type);
    while (how && n < 4 && strcmp(how, hows[n]) != 0)
        n++;
    if (n == 4)
        return error_set(err, "preallocation=%s: off, metadata, falloc or full is expected", how);
    y->prealloc = (enum prealloc)n;
    if (!option_get_bool(l, "lazy_refcounts", &y->lazy, err))
        return false;
    if (y->lazy && y->version < 3)
        return error_set(err, "lazy_refcounts=on: needs compat=1.1");
    return true;
}

static bool parse_layout(struct layout *y, const struct image_create *c, struct error *err)
{
    static const char *const known[] = {
        "size",          "cluster_size",   "compat",        "backing_file",     "backing_fmt",
        "preallocation", "lazy_refcounts", "refcount_bits", "compression_type", NULL};
    uint64_t used, per;

    if (!option_list_check(c->options, known, err) || !parse_words(y, c->options, err) ||
        !parse_cluster_size(y, c->options, err) || !parse_refcount_bits(y, c->options, err))
        return false;
    if (y->prealloc != PREALLOC_OFF && c->backing)
        return error_set(err, "preallocation: not together with a backing file");
    y->l1_entries =
        (c->size + ((uint64_t)y->cluster * y->cluster / 8) - 1) >> (2 * y->cluster_bits - 3);
    if (y->l1_entries * 8 > QCOW2_L1_BYTES_MAX)
        return error_set(err,
                         "the size is too big for clusters of %u bytes; larger ones are "
                         "expected",
                         y->cluster);
    y->l1 = (y->l1_entries * 8 + y->cluster - 1) >> y->cluster_bits;
    per = ((uint64_t)y->cluster * 8) >> y->refcount_order;
    y->rt = y->blocks = 1;
    do {
        used = 1 + y->rt + y->blocks + y->l1;
        y->blocks = (used + per - 1) / per;
        y->rt = (y->blocks * 8 + y->cluster - 1) >> y->cluster_bits;
    } while (1 + y->rt + y->blocks + y->l1 > used);
    return true;
}

/* ---- the header ---- */

/* Adds a header extension; returns where the next one begins. */
static uint32_t put_extension(uint8_t *h, uint32_t at, uint32_t type, const void *data,
                              uint32_t size)
{
    st_be32(h + at, type);
    st_be32(h + at + 4, size);
    memcpy(h + at + 8, data, size);
    return at + 8 + ((size + 7) & ~7u);
}

/* What is behind the fixed part: extensions, the end mark, the backing name. `room` bytes. */
static bool put_names(uint8_t *h, uint32_t at, uint32_t room, const char *name, const char *format,
                      struct error *err)
{
    uint32_t len = name ? (uint32_t)strlen(name) : 0, flen = format ? (uint32_t)strlen(format) : 0;

    if (at + 8 + flen + 8 + 8 + len > room)
        return error_set(err, "the names of the backing file and its format do not fit into the "
                              "first cluster");
    if (name && format)
        at = put_extension(h, at, QX_BACKING_FORMAT, format, flen);
    at += 8; /* the end mark is zeros */
    st_be64(h + Q_BACKING_OFFSET, name ? at : 0);
    st_be32(h + Q_BACKING_SIZE, len);
    if (name)
        memcpy(h + at, name, len);
    return true;
}

static bool make_header(uint8_t *h, const struct layout *y, const struct image_create *c,
                        struct error *err)
{
    st_be32(h + Q_MAGIC, QCOW2_MAGIC);
    st_be32(h + Q_VERSION, y->version);
    st_be32(h + Q_CLUSTER_BITS, y->cluster_bits);
    st_be64(h + Q_SIZE, c->size);
    st_be32(h + Q_L1_SIZE, (uint32_t)y->l1_entries);
    st_be64(h + Q_L1_OFFSET, (1 + y->rt + y->blocks) << y->cluster_bits);
    st_be64(h + Q_RT_OFFSET, y->cluster);
    st_be32(h + Q_RT_CLUSTERS, (uint32_t)y->rt);
    if (y->version < 3)
        return put_names(h, Q_HEADER_V2, y->cluster, c->backing, c->backing_format, err);
    st_be64(h + Q_INCOMPATIBLE, y->compression ? QI_COMPRESSION : 0);
    st_be64(h + Q_COMPATIBLE, y->lazy ? QC_LAZY_REFCOUNT : 0);
    st_be32(h + Q_REFCOUNT_ORDER, y->refcount_order);
    st_be32(h + Q_HEADER_LENGTH, Q_HEADER_OURS);
    h[Q_COMPRESSION] = y->compression;
    return put_names(h, Q_HEADER_OURS, y->cluster, c->backing, c->backing_format, err);
}

static int write_tables(const struct layout *y, struct block_file *f)
{
    uint64_t used = 1 + y->rt + y->blocks + y->l1,
             per = ((uint64_t)y->cluster * 8) >> y->refcount_order;
    uint8_t *cluster = malloc(y->cluster);
    int e = cluster ? 0 : ENOMEM;

    for (uint64_t n = 0; n < y->blocks && !e; n++) {
        memset(cluster, 0, y->cluster);
        for (uint64_t i = n * per; i < used && i < (n + 1) * per; i++)
            qcow2_store_count(cluster, i - n * per, y->refcount_order, 1);
        e = file_write(f, (1 + y->rt + n) << y->cluster_bits, cluster, y->cluster);
    }
    for (uint64_t n = 0; n < y->rt && !e; n++) {
        memset(cluster, 0, y->cluster);
        for (uint64_t i = 0; i < y->cluster / 8; i++)
            if (n * (y->cluster / 8) + i < y->blocks)
                st_be64(cluster + i * 8, (1 + y->rt + n * (y->cluster / 8) + i) << y->cluster_bits);
        e = file_write(f, (1 + n) << y->cluster_bits, cluster, y->cluster);
    }
    if (!e)
        e = file_resize(f, used << y->cluster_bits); /* the L1 table is zeros */
    free(cluster);
    return e;
}

/* Gives every cluster its place. */
static bool preallocate(const struct image_create *c, const struct layout *y, struct error *err)
{
    const struct image_fill nothing = {0};
    struct image_options o = {.format = "qcow2", .no_locks = true};
    struct image *im = image_open(c->path, &o, err);
    struct qcow2 *q;
    int e = 0;

    if (!im)
        return false;
    q = im->state;
    for (uint64_t at = 0; at < c->size && !e; at += y->cluster)
        e = qcow2_allocate(im, at, &nothing);
    if (!e)
        e = file_resize(im->file, q->file_end);
    if (!e && y->prealloc == PREALLOC_FALLOC)
        e = file_reserve(im->file, 0, q->file_end);
    else if (!e && y->prealloc == PREALLOC_FULL)
        for (uint64_t at = 0; at < c->size && !e; at += y->cluster) {
            static const uint8_t zeros[2 << 20];
            uint64_t n = c->size - at < y->cluster ? c->size - at : y->cluster;

            e = image_write(im, at, zeros, (size_t)n);
        }
    if (e)
        image_close(im);
    else
        e = image_close(im);
    return !e || error_set(err, "%s: %s", c->path, strerror(e));
}

bool qcow2_create(const struct image_create *c, struct block_file *f, struct error *err)
{
    struct layout y = {0};
    uint8_t *header;
    int e;

    if (!parse_layout(&y, c, err))
        return error_prefix(err, "%s", c->path);
    header = calloc(1, y.cluster < 4096 ? 4096 : y.cluster);
    if (!header)
        return error_set(err, "%s: out of memory", c->path);
    if (!make_header(header, &y, c, err)) {
        free(header);
        return error_prefix(err, "%s", c->path);
    }
    e = write_tables(&y, f);
    if (!e)
        e = file_write(f, 0, header, y.cluster);
    free(header);
    if (e)
        return error_set(err, "%s: %s", c->path, strerror(e));
    return y.prealloc == PREALLOC_OFF || preallocate(c, &y, err);
}

/* ---- another size ---- */

/* A longer L1 table, then the header names it and the new size in one write. */
static int grow_l1(struct image *im, uint64_t entries)
{
    struct qcow2 *q = im->state;
    uint64_t old = q->l1_offset, old_bytes = q->l1_size * 8ull, at, bytes = entries * 8;
    uint64_t *l1 = calloc(entries, 8);
    uint8_t *table = calloc(entries, 8), field[12];
    int e = l1 && table ? qcow2_flush(im) : ENOMEM;

    if (!e)
        e = qcow2_alloc(im, qcow2_round(im, bytes) >> q->cluster_bits, &at);
    if (!e)
        e = qcow2_flush(im);
    if (!e) {
        memcpy(l1, q->l1, q->l1_size * 8ull);
        for (uint64_t n = 0; n < entries; n++)
            st_be64(table + n * 8, l1[n]);
        e = file_write(im->file, at, table, bytes);
    }
    if (!e && at + qcow2_round(im, bytes) > q->file_end) {
        q->file_end = at + qcow2_round(im, bytes);
        e = file_resize(im->file, q->file_end);
    }
    if (!e)
        e = file_flush(im->file);
    free(table);
    if (!e) {
        st_be32(field, (uint32_t)entries);
        st_be64(field + 4, at);
        e = file_write(im->file, Q_L1_SIZE, field, 12);
    }
    if (!e)
        e = file_flush(im->file);
    if (e) {
        free(l1);
        return e;
    }
    free(q->l1);
    q->l1 = l1;
    q->l1_size = (uint32_t)entries;
    q->l1_offset = at;
    return qcow2_free(im, old, old_bytes);
}

static int set_size(struct image *im, uint64_t size)
{
    uint8_t field[8];
    int e = image_flush(im);

    st_be64(field, size);
    if (!e)
        e = file_write(im->file, Q_SIZE, field, 8);
    if (!e)
        im->size = size;
    return e ? e : file_flush(im->file);
}

/* What comes into sight reads as zeros, whatever is below. */
static int grow(struct image *im, uint64_t size)
{
    struct qcow2 *q = im->state;
    uint64_t entries =
        (size + (1ull << (2 * q->cluster_bits - 3)) - 1) >> (2 * q->cluster_bits - 3);
    uint64_t old = im->size, below = im->backing ? im->backing->size : 0;
    int e = 0;

    if (entries > q->l1_size)
        e = grow_l1(im, entries);
    if (!e)
        e = set_size(im, size);
    if (!e && below > old)
        e = image_zero(im, old, (below < size ? below : size) - old, true);
    return e ? e : image_flush(im);
}

static int shrink(struct image *im, uint64_t size)
{
    int e = image_zero(im, size, im->size - size, true);

    return e ? e : set_size(im, size);
}

bool qcow2_resize(struct image *im, uint64_t size, struct error *err)
{
    struct qcow2 *q = im->state;
    uint64_t l1 = (size >> (2 * q->cluster_bits - 3)) + 1;
    int e;

    if (q->nsnapshots && size < im->size)
        return error_set(err, "%s: has internal snapshots and cannot shrink", im->path);
    if (l1 * 8 > QCOW2_L1_BYTES_MAX)
        return error_set(err, "%s: the size is too big for clusters of %u bytes", im->path,
                         im->cluster);
    e = size < im->size ? shrink(im, size) : size > im->size ? grow(im, size) : 0;
    return !e || error_set(err, "%s: cannot be resized: %s", im->path, strerror(e));
}

/* ---- another backing file ---- */

/* The extensions but that of the backing format, copied to `to`; returns where they end. */
static uint32_t copy_extensions(const uint8_t *from, uint32_t start, uint32_t room, uint8_t *to)
{
    uint32_t at = start, end = start;

    while (at + 8 <= room && ld_be32(from + at) != QX_END) {
        uint32_t size = ld_be32(from + at + 4), all = 8 + ((size + 7) & ~7u);

        if (size > room - at - 8 || all > room - at)
            break;
        if (ld_be32(from + at) != QX_BACKING_FORMAT) {
            memcpy(to + end, from + at, all);
            end += all;
        }
        at += all;
    }
    return end;
}

static bool write_names(struct image *im, const char *name, const char *format, struct error *err)
{
    struct qcow2 *q = im->state;
    uint8_t *old = calloc(1, im->cluster), *h = calloc(1, im->cluster);
    uint32_t used;
    int e = old && h ? file_read_all(im->file, 0, old, im->cluster) : ENOMEM;
    bool ok = !e || error_set(err, "%s", strerror(e));

    if (ok) {
        memcpy(h, old, q->header_length);
        ok = put_names(h, copy_extensions(old, q->header_length, im->cluster, h), im->cluster, name,
                       format, err);
    }
    /* No more than what was or is in use, in one write. */
    for (used = im->cluster; ok && used > 512 && !h[used - 1] && !old[used - 1];)
        used--;
    if (ok && (e = file_write(im->file, 0, h, used)) != 0)
        ok = error_set(err, "%s", strerror(e));
    free(old);
    free(h);
    return ok;
}

bool qcow2_set_backing(struct image *im, const char *name, const char *format, struct error *err)
{
    char *n = name ? strdup(name) : NULL, *f = name && format ? strdup(format) : NULL;

    if ((name && !n) || (name && format && !f)) {
        free(n);
        free(f);
        return error_set(err, "%s: out of memory", im->path);
    }
    if (image_flush(im) != 0 || !write_names(im, name, format, err)) {
        free(n);
        free(f);
        return error_prefix(err, "%s", im->path);
    }
    free(im->backing_name);
    free(im->backing_format);
    im->backing_name = n;
    im->backing_format = f;
    return file_flush(im->file) == 0 || error_set(err, "%s: cannot be written", im->path);
}

/* ---- info ---- */

void qcow2_info(struct image *im, image_info_fn *fn, void *opaque)
{
    const struct qcow2 *q = im->state;
    char bits[16];

    snprintf(bits, sizeof(bits), "%u", 1u << q->refcount_order);
    fn(opaque, "compat", q->version < 3 ? "0.10" : "1.1", IMAGE_INFO_TEXT);
    fn(opaque, "compression type", q->compression ? "zstd" : "zlib", IMAGE_INFO_TEXT);
    if (q->version < 3) {
        fn(opaque, "refcount bits", bits, IMAGE_INFO_NUMBER);
        return;
    }
    fn(opaque, "lazy refcounts", q->compatible & QC_LAZY_REFCOUNT ? "true" : "false",
       IMAGE_INFO_BOOL);
    fn(opaque, "refcount bits", bits, IMAGE_INFO_NUMBER);
    fn(opaque, "corrupt", q->incompatible & QI_CORRUPT ? "true" : "false", IMAGE_INFO_BOOL);
    fn(opaque, "extended l2", "false", IMAGE_INFO_BOOL);
}
