/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: the header, and where the guest's clusters are. */
#include "host/block/qcow2.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define L2_CACHE   (4u << 20) /* bytes of tables in memory */
#define REFS_CACHE (1u << 20)

static bool qcow2_probe(const struct image_probe *p)
{
    return ld_be32(p->head) == QCOW2_MAGIC && ld_be32(p->head + Q_VERSION) >= 2;
}

/* ---- reading the header ---- */

#define refuse(im, err, ...) (error_set(err, __VA_ARGS__), error_prefix(err, "%s", (im)->path))

/* The name of an incompatible feature, from the image itself if it says. */
static bool refuse_feature(struct image *im, const uint8_t *h, uint32_t len, unsigned bit,
                           struct error *err)
{
    const struct qcow2 *q = im->state;
    uint32_t at = q->header_length;

    if (bit == 2)
        return refuse(im, err,
                      "its data is in another file (incompatible feature 2), which is not "
                      "in this version");
    if (bit == 4)
        return refuse(im, err,
                      "has extended L2 entries (incompatible feature 4), which are not in "
                      "this version");
    while (at + 8 <= len && ld_be32(h + at) != QX_END) {
        uint32_t size = ld_be32(h + at + 4);

        if (size > len - at - 8)
            break;
        for (uint32_t i = 0; ld_be32(h + at) == QX_FEATURE_NAMES && i + 48 <= size; i += 48)
            if (h[at + 8 + i] == 0 && h[at + 9 + i] == bit)
                return refuse(im, err,
                              "uses the feature '%.46s' (incompatible feature %u), which "
                              "is not known",
                              (const char *)h + at + 10 + i, bit);
        at += 8 + ((size + 7) & ~7u);
    }
    return refuse(im, err, "uses incompatible feature %u, which is not known", bit);
}

static bool read_extensions(struct image *im, const uint8_t *h, uint32_t len, struct error *err)
{
    struct qcow2 *q = im->state;
    uint32_t at = q->header_length;

    while (at + 8 <= len && ld_be32(h + at) != QX_END) {
        uint32_t type = ld_be32(h + at), size = ld_be32(h + at + 4);

        if (size > len - at - 8)
            return refuse(im, err, "the header extension at offset %u is longer than the header",
                          at);
        if (type == QX_BACKING_FORMAT && !im->backing_format) {
            im->backing_format = strndup((const char *)h + at + 8, size);
            if (!im->backing_format)
                return refuse(im, err, "out of memory");
        }
        q->bitmaps |= type == QX_BITMAPS;
        at += 8 + ((size + 7) & ~7u);
    }
    return true;
}

static bool read_version3(struct image *im, const uint8_t *h, uint32_t len, struct error *err)
{
    struct qcow2 *q = im->state;
    const uint64_t known = QI_DIRTY | QI_CORRUPT | QI_COMPRESSION;

    q->header_length = ld_be32(h + Q_HEADER_LENGTH);
    if (q->header_length < Q_HEADER_V3 || q->header_length > im->cluster || q->header_length % 8)
        return refuse(im, err, "header length %u; 104 or more, in eights, is expected",
                      q->header_length);
    q->incompatible = ld_be64(h + Q_INCOMPATIBLE);
    q->compatible = ld_be64(h + Q_COMPATIBLE);
    q->autoclear = ld_be64(h + Q_AUTOCLEAR);
    q->refcount_order = ld_be32(h + Q_REFCOUNT_ORDER);
    if (q->refcount_order > 6)
        return refuse(im, err, "refcount order %u; 0 to 6 is expected", q->refcount_order);
    for (unsigned bit = 0; bit < 64; bit++)
        if ((q->incompatible & ~known) >> bit & 1)
            return refuse_feature(im, h, len, bit, err);
    q->compression = q->header_length > Q_COMPRESSION ? h[Q_COMPRESSION] : 0;
    if (q->compression > 1)
        return refuse(im, err, "compression type %u is not known", q->compression);
    if (q->compression && !qcow2_has_compression(q->compression))
        return refuse(im, err, "is compressed with zstd, which this build is without");
    return true;
}

static bool read_backing_name(struct image *im, const uint8_t *h, uint32_t len, struct error *err)
{
    uint64_t at = ld_be64(h + Q_BACKING_OFFSET);
    uint32_t size = ld_be32(h + Q_BACKING_SIZE);

    if (!at || !size)
        return true;
    if (size >= IMAGE_NAME_MAX || at > len || size > len - at)
        return refuse(im, err, "the name of its backing file is not in the first cluster");
    im->backing_name = strndup((const char *)h + at, size);
    return im->backing_name || refuse(im, err, "out of memory");
}

static bool check_place(struct image *im, const char *what, uint64_t at, uint64_t bytes,
                        struct error *err)
{
    const struct qcow2 *q = im->state;

    if (at % im->cluster || at >= QCOW2_OFFSET_MAX)
        return refuse(im, err, "the %s is at offset 0x%" PRIx64 ", no multiple of the cluster",
                      what, at);
    if (at > q->file_end || bytes > q->file_end - at)
        return refuse(im, err,
                      "the %s at offset 0x%" PRIx64 " is behind the end of the file; is "
                      "it truncated?",
                      what, at);
    return true;
}

/* Numbers of the file's, which are big-endian, in place. */
static void to_host(uint64_t *p, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        p[i] = ld_be64(p + i);
}

static uint64_t *read_numbers(struct image *im, uint64_t at, uint64_t n, struct error *err)
{
    uint64_t *p = calloc(n ? n : 1, 8);
    int e = p ? file_read_all(im->file, at, p, n * 8) : ENOMEM;

    if (e) {
        free(p);
        (void)refuse(im, err, "a table at offset 0x%" PRIx64 " cannot be read: %s", at,
                     strerror(e));
        return NULL;
    }
    to_host(p, n);
    return p;
}

static bool read_l1(struct image *im, const uint8_t *h, struct error *err)
{
    struct qcow2 *q = im->state;
    unsigned shift = 2 * q->cluster_bits - 3;
    uint64_t wanted = (im->size >> shift) + ((im->size & ((1ull << shift) - 1)) != 0);

    q->l1_size = ld_be32(h + Q_L1_SIZE);
    q->l1_offset = ld_be64(h + Q_L1_OFFSET);
    if (q->l1_size > QCOW2_L1_BYTES_MAX / 8)
        return refuse(im, err, "an L1 table of %u entries is more than %u", q->l1_size,
                      QCOW2_L1_BYTES_MAX / 8);
    if (q->l1_size < wanted)
        return refuse(im, err, "its L1 table has %u entries, too few for its size of %" PRIu64,
                      q->l1_size, im->size);
    if (!check_place(im, "L1 table", q->l1_offset, q->l1_size * 8ull, err))
        return false;
    q->l1 = read_numbers(im, q->l1_offset, q->l1_size, err);
    return q->l1;
}

static bool read_rt(struct image *im, const uint8_t *h, struct error *err)
{
    struct qcow2 *q = im->state;
    uint64_t bytes = (uint64_t)ld_be32(h + Q_RT_CLUSTERS) * im->cluster;

    q->rt_offset = ld_be64(h + Q_RT_OFFSET);
    if (bytes > QCOW2_RT_BYTES_MAX)
        return refuse(im, err, "a refcount table of %" PRIu64 " bytes is more than %u", bytes,
                      QCOW2_RT_BYTES_MAX);
    if (!bytes && !im->options.repair)
        return refuse(im, err, "has no refcount table; calque-img check -r all makes one");
    if (!check_place(im, "refcount table", q->rt_offset, bytes, err))
        return false;
    q->rt_entries = (uint32_t)(bytes / 8);
    q->rt = read_numbers(im, q->rt_offset, q->rt_entries, err);
    for (q->rt_used = q->rt_entries; q->rt && q->rt_used && !q->rt[q->rt_used - 1];)
        q->rt_used--;
    return q->rt;
}

/* The whole entry, to be written again when others come and go. */
static bool read_snapshot_entry(struct image *im, struct qcow2_snapshot *s, const uint8_t *head,
                                uint64_t at, struct error *err)
{
    uint32_t extra = ld_be32(head + 36);

    if (extra > QCOW2_EXTRA_MAX)
        return refuse(im, err, "a snapshot has %u bytes of extra data; %u are expected at most",
                      extra, QCOW2_EXTRA_MAX);
    s->entry_size = QCOW2_SNAPSHOT_HEAD + extra + ld_be16(head + 12) + ld_be16(head + 14);
    s->entry_size = (s->entry_size + 7) & ~7u;
    s->entry = calloc(1, s->entry_size);
    if (!s->entry)
        return refuse(im, err, "out of memory");
    return file_read(im->file, at, s->entry, s->entry_size) == 0 ||
           refuse(im, err, "its snapshot table cannot be read");
}

/* The snapshot table (docs/interop/qcow2.txt, Snapshots). */
static bool read_snapshots(struct image *im, const uint8_t *h, struct error *err)
{
    struct qcow2 *q = im->state;
    uint64_t at = ld_be64(h + Q_SNAPSHOTS_OFFSET), start = at;
    uint32_t n = ld_be32(h + Q_SNAPSHOTS);
    uint8_t entry[40];

    if (!n)
        return true;
    if (n > QCOW2_SNAPSHOTS_MAX)
        return refuse(im, err, "%u internal snapshots are more than %u", n, QCOW2_SNAPSHOTS_MAX);
    if (!check_place(im, "snapshot table", at, n * 40ull, err))
        return false;
    q->snapshots = calloc(n + 1ull, sizeof(*q->snapshots));
    if (!q->snapshots)
        return refuse(im, err, "out of memory");
    for (; q->nsnapshots < n; q->nsnapshots++) {
        struct qcow2_snapshot *s = &q->snapshots[q->nsnapshots];

        if (file_read_all(im->file, at, entry, sizeof(entry)) != 0)
            return refuse(im, err, "its snapshot table goes beyond the end of the file");
        s->l1_offset = ld_be64(entry);
        s->l1_size = ld_be32(entry + 8);
        if (s->l1_size > QCOW2_L1_BYTES_MAX / 8 ||
            !check_place(im, "L1 table of a snapshot", s->l1_offset, s->l1_size * 8ull, err))
            return refuse(im, err, "internal snapshot %u has a bad L1 table", q->nsnapshots);
        if (!read_snapshot_entry(im, s, entry, at, err))
            return false;
        at += s->entry_size;
        if (at - start > QCOW2_SNAPSHOT_BYTES)
            return refuse(im, err, "its snapshot table is longer than %u bytes",
                          QCOW2_SNAPSHOT_BYTES);
    }
    q->snapshots_offset = start;
    q->snapshots_bytes = at - start;
    return true;
}

static bool read_header(struct image *im, uint8_t *h, struct error *err)
{
    struct qcow2 *q = im->state;

    if (file_read_all(im->file, 0, h, Q_HEADER_V2) != 0)
        return refuse(im, err, "is too short for a qcow2 header");
    if (ld_be32(h) != QCOW2_MAGIC)
        return refuse(im, err, "is no qcow2 image");
    q->version = ld_be32(h + Q_VERSION);
    if (q->version != 2 && q->version != 3)
        return refuse(im, err, "qcow2 version %u; 2 or 3 is expected", q->version);
    q->cluster_bits = ld_be32(h + Q_CLUSTER_BITS);
    if (q->cluster_bits < 9 || q->cluster_bits > 21)
        return refuse(im, err, "clusters of 2^%u bytes; 9 to 21 is expected", q->cluster_bits);
    im->cluster = 1u << q->cluster_bits;
    q->l2_entries = im->cluster / 8;
    im->size = ld_be64(h + Q_SIZE);
    if (im->size > (uint64_t)IMAGE_SIZE_MAX)
        return refuse(im, err, "its size is over 2^63");
    if (ld_be32(h + Q_CRYPT) != 0)
        return refuse(im, err, "is encrypted (method %u), which is not in this version",
                      ld_be32(h + Q_CRYPT));
    q->header_length = Q_HEADER_V2;
    q->refcount_order = 4;
    return true;
}

/* One cluster, at least as long as any header: zeros where the file is shorter. */
static bool read_first_cluster(struct image *im, uint8_t **first, uint32_t *len, struct error *err)
{
    *len = im->cluster;
    *first = calloc(1, im->cluster < 4096 ? 4096 : im->cluster);
    if (!*first)
        return refuse(im, err, "out of memory");
    if (file_read(im->file, 0, *first, im->cluster) != 0)
        return refuse(im, err, "cannot be read");
    return true;
}

static bool read_all(struct image *im, struct error *err)
{
    struct qcow2 *q = im->state;
    uint8_t head[Q_HEADER_V2], *first = NULL;
    uint32_t len;
    bool ok = read_header(im, head, err) && read_first_cluster(im, &first, &len, err) &&
              (q->version == 2 || read_version3(im, first, len, err)) &&
              read_extensions(im, first, len, err) && read_backing_name(im, first, len, err) &&
              read_l1(im, first, err) && read_rt(im, first, err) && read_snapshots(im, first, err);

    free(first);
    return ok;
}

/* ---- opening ---- */

static int make_clean(void *opaque)
{
    return qcow2_flush(opaque);
}

int qcow2_header_bits(struct image *im, uint64_t set, uint64_t clear)
{
    struct qcow2 *q = im->state;
    uint8_t field[8];

    if (q->version < 3)
        return 0;
    q->incompatible = (q->incompatible | set) & ~clear;
    st_be64(field, q->incompatible);
    return file_write(im->file, Q_INCOMPATIBLE, field, 8);
}

/* Refcounts of a crashed writer with lazy refcounts may be too low: they are made anew. */
static bool clean_up(struct image *im, struct error *err)
{
    struct image_check c = {0};
    int e = qcow2_check(im, &c, REPAIR_ALL);

    if (!e && c.corruptions > c.corruptions_fixed)
        return refuse(im, err,
                      "was not closed and is damaged; calque-img check -r all may repair "
                      "it");
    if (!e)
        e = file_flush(im->file);
    if (!e)
        e = qcow2_header_bits(im, 0, QI_DIRTY);
    if (e)
        return refuse(im, err, "was not closed and cannot be repaired: %s", strerror(e));
    im->dirty = false;
    return true;
}

/* What belongs to features that we do not know of is no longer right once we write. */
static bool clear_autoclear(struct image *im, struct error *err)
{
    struct qcow2 *q = im->state;
    const uint8_t zero[8] = {0};

    if (!q->autoclear)
        return true;
    q->autoclear = 0;
    return file_write(im->file, Q_AUTOCLEAR, zero, 8) == 0 ||
           refuse(im, err, "its header cannot be written");
}

static bool qcow2_open(struct image *im, struct error *err)
{
    struct qcow2 *q = calloc(1, sizeof(*q));

    if (!q)
        return refuse(im, err, "out of memory");
    im->state = q;
    pthread_mutex_init(&q->cache_lock, NULL);
    pthread_mutex_init(&q->unpacked_lock, NULL);
    q->file_end = file_size(im->file);
    if (!read_all(im, err))
        return false;
    if (!tables_init(&q->l2, im->file, im->cluster, L2_CACHE, make_clean, im) ||
        !tables_init(&q->refs, im->file, im->cluster, REFS_CACHE, make_clean, im))
        return refuse(im, err, "out of memory");
    im->dirty = q->incompatible & QI_DIRTY;
    im->corrupt = q->incompatible & QI_CORRUPT;
    if (im->read_only || im->options.repair)
        return true;
    if (im->corrupt)
        return refuse(im, err,
                      "is marked corrupt; calque-img check -r all may repair it, "
                      "readonly=on reads it");
    return clear_autoclear(im, err) && (!im->dirty || clean_up(im, err));
}

static int qcow2_close(struct image *im)
{
    struct qcow2 *q = im->state;

    if (!q)
        return 0;
    tables_free(&q->l2);
    tables_free(&q->refs);
    free(q->l1);
    free(q->rt);
    free(q->freed);
    for (uint32_t n = 0; q->snapshots && n <= q->nsnapshots; n++)
        free(q->snapshots[n].entry); /* the last one may be half there */
    free(q->snapshots);
    free(q->unpacked);
    pthread_mutex_destroy(&q->cache_lock);
    pthread_mutex_destroy(&q->unpacked_lock);
    free(q);
    im->state = NULL;
    return 0;
}

/* ---- mapping ---- */

static enum image_kind kind_of(const struct qcow2 *q, uint64_t entry)
{
    if (entry & QE_COMPRESSED)
        return IMAGE_COMPRESSED;
    if (q->version >= 3 && (entry & QE_ZERO))
        return IMAGE_ZERO;
    return entry & QE_OFFSET ? IMAGE_DATA : IMAGE_HOLE;
}

static int check_entry(struct image *im, uint64_t entry, uint64_t where)
{
    const struct qcow2 *q = im->state;
    uint64_t at = entry & QE_OFFSET, packed, bytes;

    if (entry & QE_COMPRESSED) {
        qcow2_packed_place(q, entry, &packed, &bytes);
        return packed < q->file_end
                   ? 0
                   : qcow2_corrupt(im, "a compressed cluster is behind the end of the file", where);
    }
    if (at % im->cluster)
        return qcow2_corrupt(im, "the offset of a cluster is no multiple of its size", where);
    if (at && at >= q->file_end && !(entry & QE_ZERO))
        return qcow2_corrupt(im, "a cluster is behind the end of the file", where);
    return 0;
}

/* Clusters that are alike, from a table. */
static int scan_table(struct image *im, const struct table *t, uint64_t offset, uint64_t len,
                      struct image_extent *e)
{
    const struct qcow2 *q = im->state;
    uint32_t index = (uint32_t)(offset >> q->cluster_bits) & (q->l2_entries - 1), n = index;
    uint64_t in_cluster = offset & (im->cluster - 1), first = ld_be64(t->data + index * 8ull);
    uint64_t entry, got = 0;
    int error = check_entry(im, first, t->offset + index * 8ull);

    e->kind = kind_of(q, first);
    e->cookie = first;
    e->shared = !(first & QE_COPIED);
    e->file = im->file;
    e->file_offset = (first & QE_OFFSET) + in_cluster;
    do {
        got += im->cluster;
        if (++n == q->l2_entries || got >= in_cluster + len || e->kind == IMAGE_COMPRESSED)
            break;
        entry = ld_be64(t->data + n * 8ull);
    } while (
        !error && kind_of(q, entry) == e->kind &&
        (e->kind != IMAGE_DATA || (entry == first + got && (entry & QE_OFFSET) < q->file_end)));
    e->length = got - in_cluster < len ? got - in_cluster : len;
    return error;
}

static int check_l2_offset(struct image *im, uint64_t at, uint64_t index)
{
    const struct qcow2 *q = im->state;

    if (at % im->cluster || at >= QCOW2_OFFSET_MAX)
        return qcow2_corrupt(im, "the offset of an L2 table is no multiple of the cluster",
                             q->l1_offset + index * 8);
    return 0;
}

int qcow2_get_l2(struct image *im, uint64_t at, struct table **t)
{
    struct qcow2 *q = im->state;
    int e = tables_get(&q->l2, at, t);

    return e == EIO ? qcow2_corrupt(im, "an L2 table cannot be read", at) : e;
}

static int qcow2_locate(struct image *im, uint64_t offset, uint64_t len, struct image_extent *e)
{
    struct qcow2 *q = im->state;
    unsigned shift = 2 * q->cluster_bits - 3;
    uint64_t index = offset >> shift, left = (1ull << shift) - (offset & ((1ull << shift) - 1));
    uint64_t at = index < q->l1_size ? q->l1[index] & QE_OFFSET : 0;
    struct table *t;
    int error;

    e->length = left < len ? left : len;
    e->kind = IMAGE_HOLE;
    if (!at)
        return 0;
    error = check_l2_offset(im, at, index);
    if (error)
        return error;
    pthread_mutex_lock(&q->cache_lock);
    error = qcow2_get_l2(im, at, &t);
    if (!error)
        error = scan_table(im, t, offset, e->length, e);
    pthread_mutex_unlock(&q->cache_lock);
    return error;
}

static int qcow2_guard_extent(struct image *im, const struct image_extent *e)
{
    return qcow2_guard(im, e->file_offset & ~(uint64_t)(im->cluster - 1),
                       e->length + (e->file_offset & (im->cluster - 1)));
}

/* ---- changing the mapping ---- */

void qcow2_l1_changed(struct image *im, uint32_t n, uint64_t value)
{
    struct qcow2 *q = im->state;

    q->l1[n] = value;
    if (q->l1_dirty_from == q->l1_dirty_to) {
        q->l1_dirty_from = n;
        q->l1_dirty_to = n + 1;
    }
    q->l1_dirty_from = n < q->l1_dirty_from ? n : q->l1_dirty_from;
    q->l1_dirty_to = n + 1 > q->l1_dirty_to ? n + 1 : q->l1_dirty_to;
    im->metadata_dirty = true;
}

/* A table of our own: new, or a copy of one that a snapshot has, too. */
static int new_l2(struct image *im, uint32_t n, struct table **t)
{
    struct qcow2 *q = im->state;
    uint64_t old = q->l1[n] & QE_OFFSET, at = 0;
    uint8_t *copy = NULL;
    int e = qcow2_alloc(im, 1, &at);

    if (!e && old) {
        e = qcow2_get_l2(im, old, t);
        copy = e ? NULL : malloc(im->cluster);
        if (copy)
            memcpy(copy, (*t)->data, im->cluster);
        else if (!e)
            e = ENOMEM;
    }
    if (!e)
        e = tables_new(&q->l2, at, t);
    if (!e && copy)
        memcpy((*t)->data, copy, im->cluster);
    free(copy);
    if (e) {
        if (at)
            qcow2_free(im, at, im->cluster);
        return e;
    }
    if (q->file_end < at + im->cluster)
        q->file_end = at + im->cluster;
    qcow2_l1_changed(im, n, at | QE_COPIED);
    return old ? qcow2_free(im, old, im->cluster) : 0;
}

int qcow2_l2_for_write(struct image *im, uint64_t offset, struct table **table, uint32_t *index)
{
    struct qcow2 *q = im->state;
    uint32_t n = (uint32_t)(offset >> (2 * q->cluster_bits - 3));
    int e;

    *index = (uint32_t)(offset >> q->cluster_bits) & (q->l2_entries - 1);
    if (n >= q->l1_size)
        return EINVAL;
    e = check_l2_offset(im, q->l1[n] & QE_OFFSET, n);
    if (e)
        return e;
    if (!(q->l1[n] & QE_OFFSET) || !(q->l1[n] & QE_COPIED))
        return new_l2(im, n, table);
    return qcow2_get_l2(im, q->l1[n] & QE_OFFSET, table);
}

static int set_entry(struct image *im, uint64_t offset, uint64_t value, uint64_t *old)
{
    struct qcow2 *q = im->state;
    struct table *t;
    uint32_t index;
    int e = qcow2_l2_for_write(im, offset, &t, &index);

    if (e)
        return e;
    *old = ld_be64(t->data + index * 8ull);
    if (*old != value) {
        st_be64(t->data + index * 8ull, value);
        tables_dirty(&q->l2, t);
        im->metadata_dirty = true;
    }
    return 0;
}

int qcow2_free_entry(struct image *im, uint64_t entry)
{
    struct qcow2 *q = im->state;
    uint64_t at = entry & QE_OFFSET, bytes = im->cluster;

    if (entry & QE_COMPRESSED) {
        qcow2_packed_place(q, entry, &at, &bytes);
        pthread_mutex_lock(&q->unpacked_lock);
        q->unpacked_entry = 0; /* its place may soon hold another one */
        pthread_mutex_unlock(&q->unpacked_lock);
    }
    return at ? qcow2_free(im, at, bytes) : 0;
}

/* The old bytes of a cluster that is given away again do not show. */
static int write_cluster(struct image *im, uint64_t at, const struct image_fill *fill)
{
    struct qcow2 *q = im->state;
    bool whole = fill->from == 0 && fill->to == im->cluster, used = at < q->file_end;
    int e = 0;

    if (!used) /* also when writing fails: it may have come half-way */
        q->file_end = at + im->cluster;
    if (!whole && used)
        e = file_zero(im->file, at, im->cluster, false);
    if (!e && fill->to > fill->from)
        e = file_write(im->file, at + fill->from, fill->data, fill->to - fill->from);
    return e;
}

int qcow2_allocate(struct image *im, uint64_t offset, const struct image_fill *fill)
{
    struct qcow2 *q = im->state;
    struct table *t;
    uint32_t index;
    uint64_t old, at;
    bool placed = false;
    int e = qcow2_l2_for_write(im, offset, &t, &index);

    if (e)
        return e;
    old = ld_be64(t->data + index * 8ull);
    /* A cluster of zeros may have its place already. */
    if (kind_of(q, old) == IMAGE_ZERO && (old & QE_OFFSET) && (old & QE_COPIED)) {
        at = old & QE_OFFSET;
        placed = true;
        e = check_entry(im, old & ~QE_ZERO, t->offset + index * 8ull);
        if (!e)
            e = qcow2_guard(im, at, im->cluster);
    } else {
        e = qcow2_alloc(im, 1, &at);
    }
    if (e)
        return e;
    e = write_cluster(im, at, fill);
    if (!e)
        e = set_entry(im, offset, at | QE_COPIED, &old);
    if (e && !placed)
        qcow2_free(im, at, im->cluster);
    if (e || placed)
        return e;
    e = qcow2_free_entry(im, old);
    /* Rather here than by a reader that finds no room. */
    return !e && q->l2.ndirty > q->l2.count / 2 ? qcow2_flush(im) : e;
}

static int qcow2_unmap(struct image *im, uint64_t offset, bool to_zero, bool keep_space)
{
    struct qcow2 *q = im->state;
    struct image_extent x;
    uint64_t value = 0, old;
    int e = qcow2_locate(im, offset, im->cluster, &x);

    if (e)
        return e;
    to_zero = to_zero && im->backing;
    if (to_zero && q->version < 3)
        return ENOTSUP;
    if (x.kind == IMAGE_HOLE && !to_zero)
        return 0;
    if (x.kind == IMAGE_HOLE)
        x.cookie = 0;
    if (to_zero)
        value = QE_ZERO;
    if (keep_space && q->version >= 3 && x.kind == IMAGE_DATA && !x.shared)
        value = (x.cookie & QE_OFFSET) | QE_COPIED | QE_ZERO;
    e = set_entry(im, offset, value, &old);
    if (e || ((old & QE_OFFSET) && (value & QE_OFFSET)) || old == value)
        return e;
    return qcow2_free_entry(im, old);
}

const struct image_format qcow2_format = {
    .name = "qcow2",
    .options = "  size=SIZE             virtual size\n"
               "  cluster_size=SIZE     512 to 2M; 64K\n"
               "  compat=0.10|1.1       version 2 or 3 of the format; 1.1\n"
               "  backing_file=FILE     the image that it is based on\n"
               "  backing_fmt=FORMAT    the format of that\n"
               "  preallocation=HOW     off, metadata, falloc or full\n"
               "  lazy_refcounts=on|off the flag in the header; off\n"
               "  refcount_bits=N       1, 2, 4, 8, 16, 32 or 64; 16\n"
               "  compression_type=HOW  zlib or zstd\n",
    .supports_backing = true,
    .probe = qcow2_probe,
    .open = qcow2_open,
    .close = qcow2_close,
    .locate = qcow2_locate,
    .guard = qcow2_guard_extent,
    .allocate = qcow2_allocate,
    .read_compressed = qcow2_read_compressed,
    .write_compressed = qcow2_write_compressed,
    .unmap = qcow2_unmap,
    .flush = qcow2_flush,
    .create = qcow2_create,
    .check = qcow2_check,
    .resize = qcow2_resize,
    .set_backing = qcow2_set_backing,
    .info = qcow2_info,
};
