/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: snapshots inside the image (docs/interop/qcow2.txt, Snapshots). One has an L1 table of its
 * own, whose clusters are referred to once more; behind the entries for the disk are those for a
 * machine's state.
 *
 * A kill at any time leaves the old or the new snapshot table: it is switched by one write of the
 * header, after all that the new one refers to is stable and before anything that only the old one
 * refers to is given away. What may be wrong in between are refcounts that are too high and flags
 * that say "copy" too often. The dirty bit says so: whoever opens the image next puts them right.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/block/qcow2.h"

#define BUFFER                                                                                     \
    1048576u /* bytes of state that are written at a time: a cluster has no more than two */

#define RUN 32u /* clusters that are asked for in a row */

struct image_snapshot {
    struct image *im;
    uint64_t *l1; /* for the disk */
    uint32_t l1_size;
    uint64_t disk_size;
    uint64_t *clusters; /* of the state */
    uint64_t nclusters, room;
    uint64_t state_size;
    uint8_t *buffer;
    size_t buffered, buffer_size;
};

static struct qcow2 *of(const struct image *im)
{
    return im->state;
}

bool image_has_snapshots(const struct image *im)
{
    return im->format == &qcow2_format;
}

void image_freeze(struct image *im)
{
    pthread_rwlock_wrlock(&im->lock);
}

void image_thaw(struct image *im)
{
    pthread_rwlock_unlock(&im->lock);
}

/* Entries of an L1 table that a disk of so many bytes has; the state's are behind them. */
static uint32_t l1_entries(const struct image *im, uint64_t size)
{
    unsigned shift = 2 * of(im)->cluster_bits - 3;

    return (uint32_t)((size >> shift) + ((size & ((1ull << shift) - 1)) != 0));
}

/* ---- entries of the table ---- */

static uint64_t extra_number(const struct qcow2_snapshot *s, unsigned at, uint64_t otherwise)
{
    return ld_be32(s->entry + 36) >= at + 8 ? ld_be64(s->entry + QCOW2_SNAPSHOT_HEAD + at)
                                            : otherwise;
}

static void copy_text(char *to, size_t size, const uint8_t *from, size_t len)
{
    len = len < size ? len : size - 1;
    memcpy(to, from, len);
    to[len] = 0;
}

unsigned image_snapshot_count(const struct image *im)
{
    return image_has_snapshots(im) ? of(im)->nsnapshots : 0;
}

struct image_snapshot_info image_snapshot_get(const struct image *im, unsigned n)
{
    const struct qcow2_snapshot *s = &of(im)->snapshots[n];
    const uint8_t *e = s->entry, *text = e + QCOW2_SNAPSHOT_HEAD + ld_be32(e + 36);
    struct image_snapshot_info info = {.seconds = ld_be32(e + 16),
                                       .ns = ld_be32(e + 20),
                                       .vm_clock = ld_be64(e + 24),
                                       .state_size = extra_number(s, 0, ld_be32(e + 32)),
                                       .disk_size = extra_number(s, 8, im->size)};

    copy_text(info.id, sizeof(info.id), text, ld_be16(e + 12));
    copy_text(info.name, sizeof(info.name), text + ld_be16(e + 12), ld_be16(e + 14));
    return info;
}

int image_snapshot_find(const struct image *im, const char *name)
{
    int by_id = -1;

    for (unsigned n = 0; n < image_snapshot_count(im); n++) {
        struct image_snapshot_info info = image_snapshot_get(im, n);

        if (strcmp(info.name, name) == 0)
            return (int)n;
        if (strcmp(info.id, name) == 0)
            by_id = (int)n;
    }
    return by_id;
}

static bool make_entry(struct qcow2_snapshot *s, const struct image_snapshot_info *info)
{
    size_t id = strlen(info->id), name = strlen(info->name);
    uint8_t *e;

    s->entry_size = (uint32_t)(QCOW2_SNAPSHOT_HEAD + 24 + id + name + 7) & ~7u;
    s->entry = e = calloc(1, s->entry_size);
    if (!e)
        return false;
    st_be64(e, s->l1_offset);
    st_be32(e + 8, s->l1_size);
    st_be16(e + 12, (uint16_t)id);
    st_be16(e + 14, (uint16_t)name);
    st_be32(e + 16, info->seconds);
    st_be32(e + 20, info->ns);
    st_be64(e + 24, info->vm_clock);
    st_be32(e + 32, info->state_size > UINT32_MAX ? UINT32_MAX : (uint32_t)info->state_size);
    st_be32(e + 36, 24);
    st_be64(e + QCOW2_SNAPSHOT_HEAD, info->state_size);
    st_be64(e + QCOW2_SNAPSHOT_HEAD + 8, info->disk_size);
    st_be64(e + QCOW2_SNAPSHOT_HEAD + 16, UINT64_MAX); /* instructions: not said */
    memcpy(e + QCOW2_SNAPSHOT_HEAD + 24, info->id, id);
    memcpy(e + QCOW2_SNAPSHOT_HEAD + 24 + id, info->name, name);
    return true;
}

/* ---- trees: an L1 table and what it refers to ---- */

typedef int tree_fn(struct image *im, uint64_t offset, uint64_t bytes);

static int refer(struct image *im, uint64_t offset, uint64_t bytes)
{
    const struct qcow2 *q = of(im);
    uint64_t last = (offset + bytes - 1) >> q->cluster_bits, count;
    int e = 0;

    for (uint64_t n = offset >> q->cluster_bits; n <= last && !e; n++) {
        e = qcow2_get_refcount(im, n, &count);
        if (!e && !count)
            e = qcow2_corrupt(im, "a cluster that is in use has refcount 0", n << q->cluster_bits);
        if (!e && count == qcow2_refcount_max(q))
            e = ERANGE;
        if (!e)
            e = qcow2_set_refcount(im, n, count + 1);
    }
    return e;
}

static int each_of_l2(struct image *im, uint64_t at, tree_fn *fn)
{
    const struct qcow2 *q = of(im);
    struct table *t;
    int e = qcow2_get_l2(im, at, &t);

    for (uint32_t n = 0; n < q->l2_entries && !e; n++) {
        uint64_t entry = ld_be64(t->data + n * 8ull), offset = entry & QE_OFFSET;
        uint64_t bytes = im->cluster;

        if (entry & QE_COMPRESSED)
            qcow2_packed_place(q, entry, &offset, &bytes);
        else if (offset % im->cluster)
            e = qcow2_corrupt(im, "the offset of a cluster is no multiple of its size", at);
        if (!e && offset)
            e = fn(im, offset, bytes);
    }
    return e;
}

/* Tables first: they must be there while they are read. */
static int each_of_tree(struct image *im, const uint64_t *l1, uint32_t n, tree_fn *fn)
{
    int e = 0;

    for (uint32_t i = 0; i < n && !e; i++) {
        uint64_t at = l1[i] & QE_OFFSET;

        if (!at)
            continue;
        if (at % im->cluster)
            return qcow2_corrupt(im, "the offset of an L2 table is no multiple of the cluster", at);
        e = each_of_l2(im, at, fn);
        if (!e)
            e = fn(im, at, im->cluster);
    }
    return e;
}

/* The tree is referred to no more. Its tables are no longer known by their places, which may soon
 * be others'. */
static int drop_tree(struct image *im, const uint64_t *l1, uint32_t n)
{
    struct qcow2 *q = of(im);
    int e = qcow2_flush(im);

    if (!e)
        e = each_of_tree(im, l1, n, qcow2_free);
    pthread_mutex_lock(&q->unpacked_lock);
    q->unpacked_entry = 0;
    pthread_mutex_unlock(&q->unpacked_lock);
    if (!e)
        e = qcow2_flush(im);
    for (uint32_t i = 0; i < n; i++)
        if (l1[i] & QE_OFFSET)
            tables_drop(&q->l2, l1[i] & QE_OFFSET);
    return e;
}

static uint64_t with_flag(struct image *im, uint64_t entry, int *e)
{
    uint64_t count = 0;

    *e = qcow2_get_refcount(im, (entry & QE_OFFSET) >> of(im)->cluster_bits, &count);
    return count == 1 ? entry | QE_COPIED : entry & ~QE_COPIED;
}

static int refresh_l2(struct image *im, uint64_t at)
{
    struct qcow2 *q = of(im);
    struct table *t;
    int e = qcow2_get_l2(im, at, &t);

    for (uint32_t n = 0; n < q->l2_entries && !e; n++) {
        uint64_t entry = ld_be64(t->data + n * 8ull), now;

        if ((entry & QE_COMPRESSED) || !(entry & QE_OFFSET))
            continue;
        now = with_flag(im, entry, &e);
        if (e || now == entry)
            continue;
        st_be64(t->data + n * 8ull, now);
        tables_dirty(&q->l2, t);
        im->metadata_dirty = true;
    }
    return e;
}

/* The flags of the disk's own tree say whether a cluster has one reference. */
static int refresh_flags(struct image *im)
{
    struct qcow2 *q = of(im);
    int e = 0;

    for (uint32_t n = 0; n < q->l1_size && !e; n++) {
        uint64_t now;

        if (!(q->l1[n] & QE_OFFSET))
            continue;
        e = refresh_l2(im, q->l1[n] & QE_OFFSET);
        now = e ? q->l1[n] : with_flag(im, q->l1[n], &e);
        if (!e && now != q->l1[n])
            qcow2_l1_changed(im, n, now);
    }
    return e ? e : qcow2_flush(im);
}

/* ---- the header ---- */

static int set_dirty(struct image *im, bool dirty)
{
    int e = file_flush(im->file);

    if (!e)
        e = qcow2_header_bits(im, dirty ? QI_DIRTY : 0, dirty ? 0 : QI_DIRTY);
    return e ? e : file_flush(im->file);
}

/* New clusters with these bytes. */
static int place(struct image *im, const uint8_t *bytes, uint64_t len, uint64_t *at)
{
    struct qcow2 *q = of(im);
    uint64_t whole = qcow2_round(im, len ? len : 1);
    uint8_t *padded = calloc(1, whole);
    int e = padded ? qcow2_alloc(im, whole >> q->cluster_bits, at) : ENOMEM;

    if (!e) {
        memcpy(padded, bytes, len);
        e = file_write(im->file, *at, padded, whole);
    }
    if (!e && q->file_end < *at + whole)
        q->file_end = *at + whole;
    free(padded);
    return e;
}

static int place_numbers(struct image *im, const uint64_t *n, uint64_t count, uint64_t *at)
{
    uint8_t *bytes = calloc(count + 1, 8);
    int e = bytes ? 0 : ENOMEM;

    for (uint64_t i = 0; i < count && !e; i++)
        st_be64(bytes + i * 8, n[i]);
    if (!e)
        e = place(im, bytes, count * 8, at);
    free(bytes);
    return e;
}

/* The table is these; the old one is given back. `list` is taken over if that is so. */
static int switch_table(struct image *im, struct qcow2_snapshot *list, uint32_t n)
{
    struct qcow2 *q = of(im);
    uint64_t old = q->snapshots_offset, old_bytes = q->snapshots_bytes, size = 0, at = 0;
    uint8_t field[12], *bytes, *p;
    int e = 0;

    for (uint32_t i = 0; i < n; i++)
        size += list[i].entry_size;
    if (n > QCOW2_SNAPSHOTS_MAX || size > QCOW2_SNAPSHOT_BYTES)
        return EFBIG;
    p = bytes = malloc(size + 1);
    if (!bytes)
        return ENOMEM;
    for (uint32_t i = 0; i < n; p += list[i++].entry_size)
        memcpy(p, list[i].entry, list[i].entry_size);
    if (n)
        e = place(im, bytes, size, &at);
    free(bytes);
    if (!e)
        e = qcow2_flush(im);
    if (!e)
        e = file_flush(im->file);
    st_be32(field, n);
    st_be64(field + 4, at);
    if (!e)
        e = file_write(im->file, Q_SNAPSHOTS, field, sizeof(field));
    if (!e)
        e = file_flush(im->file);
    if (e) {
        if (at)
            qcow2_free(im, at, size);
        return e;
    }
    free(q->snapshots);
    q->snapshots = list;
    q->nsnapshots = n;
    q->snapshots_offset = at;
    q->snapshots_bytes = size;
    return old_bytes ? qcow2_free(im, old, old_bytes) : 0;
}

static int read_l1(struct image *im, const struct qcow2_snapshot *s, uint64_t **l1)
{
    uint8_t *bytes = calloc(s->l1_size + 1ull, 8);
    int e;

    *l1 = calloc(s->l1_size + 1ull, 8);
    e = bytes && *l1 ? file_read_all(im->file, s->l1_offset, bytes, s->l1_size * 8ull) : ENOMEM;
    for (uint32_t i = 0; i < s->l1_size && !e; i++)
        (*l1)[i] = ld_be64(bytes + i * 8ull);
    free(bytes);
    return e;
}

/* ---- making one ---- */

static void free_snapshot(struct image_snapshot *s)
{
    free(s->l1);
    free(s->clusters);
    free(s->buffer);
    free(s);
}

static int keep_contents(struct image *im, const struct image_snapshot *s)
{
    int e = set_dirty(im, true), undo;

    if (!e)
        e = each_of_tree(im, s->l1, s->l1_size, refer);
    if (!e)
        e = refresh_flags(im);
    if (!e)
        return file_flush(im->file);
    /* As many references as were taken are not known: the next who opens it counts anew. */
    undo = qcow2_flush(im);
    return e ? e : undo;
}

int image_snapshot_begin(struct image *im, struct image_snapshot **out)
{
    struct image_snapshot *s;
    int e = 0;

    if (!image_has_snapshots(im))
        return ENOTSUP;
    if (im->read_only)
        return EROFS;
    if (im->corrupt)
        return EIO;
    s = calloc(1, sizeof(*s));
    if (!s)
        return ENOMEM;
    s->im = im;
    s->disk_size = im->size;
    s->l1_size = l1_entries(im, im->size);
    s->l1 = calloc(s->l1_size + 1ull, 8);
    s->buffer_size = im->cluster > BUFFER ? im->cluster : BUFFER;
    s->buffer = malloc(s->buffer_size);
    e = s->l1 && s->buffer ? qcow2_flush(im) : ENOMEM;
    for (uint32_t n = 0; n < s->l1_size && !e; n++)
        s->l1[n] = of(im)->l1[n] & ~QE_COPIED;
    if (!e)
        e = keep_contents(im, s);
    if (e) {
        free_snapshot(s);
        return e;
    }
    *out = s;
    return 0;
}

static bool note_clusters(struct image_snapshot *s, uint64_t at, uint64_t n)
{
    if (s->nclusters + n > s->room) {
        uint64_t room = s->room ? 2 * s->room : 1024;
        uint64_t *more;

        while (room < s->nclusters + n)
            room *= 2;
        more = realloc(s->clusters, room * sizeof(*more));
        if (!more)
            return false;
        s->clusters = more;
        s->room = room;
    }
    for (uint64_t i = 0; i < n; i++)
        s->clusters[s->nclusters++] = at + i * s->im->cluster;
    return true;
}

/* Clusters in a row, which are new. */
static int write_run(struct image_snapshot *s, const uint8_t *from, uint64_t bytes)
{
    struct image *im = s->im;
    struct qcow2 *q = of(im);
    uint64_t at;
    int e;

    image_freeze(im);
    e = qcow2_alloc(im, bytes >> q->cluster_bits, &at);
    if (!e && q->file_end < at + bytes)
        q->file_end = at + bytes;
    image_thaw(im);
    if (!e && !note_clusters(s, at, bytes >> q->cluster_bits))
        e = ENOMEM; /* they leak */
    return e ? e : file_write(im->file, at, from, bytes);
}

static int write_buffer(struct image_snapshot *s)
{
    uint64_t whole = qcow2_round(s->im, s->buffered), run = (uint64_t)RUN * s->im->cluster;
    int e = 0;

    memset(s->buffer + s->buffered, 0, whole - s->buffered);
    for (uint64_t at = 0; at < whole && !e; at += run)
        e = write_run(s, s->buffer + at, whole - at < run ? whole - at : run);
    s->buffered = 0;
    return e;
}

int image_snapshot_write(struct image_snapshot *s, const void *data, size_t len)
{
    const uint8_t *p = data;
    int e = 0;

    s->state_size += len;
    while (len && !e) {
        size_t n = s->buffer_size - s->buffered < len ? s->buffer_size - s->buffered : len;

        memcpy(s->buffer + s->buffered, p, n);
        s->buffered += n;
        p += n;
        len -= n;
        if (s->buffered == s->buffer_size)
            e = write_buffer(s);
    }
    return e;
}

/* The L2 tables of the state; *l1 is the whole table. */
static int place_state(struct image_snapshot *s, uint64_t **l1, uint32_t *n)
{
    const struct qcow2 *q = of(s->im);
    uint64_t tables = (s->nclusters + q->l2_entries - 1) / q->l2_entries;
    int e = 0;

    if ((s->l1_size + tables) * 8 > QCOW2_L1_BYTES_MAX)
        return EFBIG;
    *n = s->l1_size + (uint32_t)tables;
    *l1 = calloc(*n + 1ull, 8);
    if (!*l1)
        return ENOMEM;
    memcpy(*l1, s->l1, s->l1_size * 8ull);
    for (uint64_t i = 0; i < tables && !e; i++) {
        uint64_t first = i * q->l2_entries, left = s->nclusters - first;

        e = place_numbers(s->im, s->clusters + first, left < q->l2_entries ? left : q->l2_entries,
                          &(*l1)[s->l1_size + i]);
    }
    return e;
}

/* One more than the highest. */
static void choose_id(const struct image *im, char *id, size_t size)
{
    unsigned long max = 0;

    for (unsigned n = 0; n < image_snapshot_count(im); n++) {
        struct image_snapshot_info info = image_snapshot_get(im, n);
        unsigned long v = strtoul(info.id, NULL, 10);

        max = v > max && v < 1000000000 ? v : max;
    }
    snprintf(id, size, "%lu", max + 1);
}

/* Adds `new` in place of one that has its name, which is put into *old. */
static int add_entry(struct image *im, const struct qcow2_snapshot *new, const char *name,
                     struct qcow2_snapshot *old)
{
    const struct qcow2 *q = of(im);
    struct qcow2_snapshot *list = calloc(q->nsnapshots + 2ull, sizeof(*list));
    uint32_t n = 0;
    int e;

    if (!list)
        return ENOMEM;
    for (uint32_t i = 0; i < q->nsnapshots; i++) {
        struct image_snapshot_info info = image_snapshot_get(im, i);

        if (*name && strcmp(info.name, name) == 0 && !old->entry)
            *old = q->snapshots[i];
        else
            list[n++] = q->snapshots[i];
    }
    list[n++] = *new;
    e = switch_table(im, list, n);
    if (e)
        free(list);
    return e;
}

static int drop_snapshot(struct image *im, struct qcow2_snapshot *s)
{
    uint64_t *l1;
    int e = read_l1(im, s, &l1);

    if (!e)
        e = drop_tree(im, l1, s->l1_size);
    if (!e)
        e = qcow2_free(im, s->l1_offset, s->l1_size * 8ull);
    if (!e)
        e = qcow2_flush(im);
    free(l1);
    free(s->entry);
    return e;
}

int image_snapshot_finish(struct image_snapshot *s, struct image_snapshot_info *info)
{
    struct image *im = s->im;
    struct qcow2_snapshot new = {0}, old = {0};
    uint64_t *l1 = NULL;
    int e = write_buffer(s), later = 0;

    image_freeze(im);
    if (!e)
        e = place_state(s, &l1, &new.l1_size);
    if (!e)
        e = place_numbers(im, l1, new.l1_size, &new.l1_offset);
    info->state_size = s->state_size;
    info->disk_size = s->disk_size;
    choose_id(im, info->id, sizeof(info->id));
    if (!e && !make_entry(&new, info))
        e = ENOMEM;
    if (!e)
        e = add_entry(im, &new, info->name, &old);
    if (!e && old.entry)
        later = drop_snapshot(im, &old);
    if (!e && !later)
        later = refresh_flags(im);
    if (!e && !later)
        later = set_dirty(im, false);
    image_thaw(im);
    free(l1);
    if (e) {
        free(new.entry);
        image_snapshot_abort(s);
    } else {
        free_snapshot(s);
    }
    return e ? e : later;
}

void image_snapshot_abort(struct image_snapshot *s)
{
    struct image *im = s->im;
    int e = 0;

    image_freeze(im);
    for (uint64_t n = 0; n < s->nclusters && !e; n++)
        e = qcow2_free(im, s->clusters[n], im->cluster);
    if (!e)
        e = drop_tree(im, s->l1, s->l1_size);
    if (!e)
        e = refresh_flags(im);
    if (!e)
        set_dirty(im, false);
    image_thaw(im);
    free_snapshot(s);
}

/* ---- deleting, going back ---- */

int image_snapshot_delete(struct image *im, unsigned n)
{
    struct qcow2 *q = of(im);
    struct qcow2_snapshot *list = calloc(q->nsnapshots + 1ull, sizeof(*list)), old;
    uint32_t kept = 0;
    int e;

    image_freeze(im);
    old = q->snapshots[n];
    for (uint32_t i = 0; i < q->nsnapshots && list; i++)
        if (i != n)
            list[kept++] = q->snapshots[i];
    e = list ? set_dirty(im, true) : ENOMEM;
    if (!e)
        e = switch_table(im, list, kept);
    if (e)
        free(list);
    else
        e = drop_snapshot(im, &old);
    if (!e)
        e = refresh_flags(im);
    if (!e)
        e = set_dirty(im, false);
    image_thaw(im);
    return e;
}

/* Size and L1 table are neighbours in the header: one write. */
static int switch_l1(struct image *im, uint64_t size, uint64_t *l1, uint32_t n)
{
    struct qcow2 *q = of(im);
    uint8_t field[24] = {0};
    uint64_t at;
    int e = place_numbers(im, l1, n, &at);

    if (!e)
        e = qcow2_flush(im);
    if (!e)
        e = file_flush(im->file);
    if (e)
        return e;
    st_be64(field, size);
    st_be32(field + 12, n);
    st_be64(field + 16, at);
    e = file_write(im->file, Q_SIZE, field, sizeof(field));
    if (!e)
        e = file_flush(im->file);
    if (e)
        return e;
    q->l1 = l1;
    q->l1_size = n;
    q->l1_offset = at;
    im->size = size;
    return 0;
}

int image_snapshot_apply(struct image *im, unsigned n)
{
    struct qcow2 *q = of(im);
    uint64_t size = image_snapshot_get(im, n).disk_size, *l1 = NULL, *old, old_at;
    uint32_t old_size, entries;
    int e;

    if (im->read_only)
        return EROFS;
    if (size > (uint64_t)IMAGE_SIZE_MAX ||
        (entries = l1_entries(im, size)) > QCOW2_L1_BYTES_MAX / 8)
        return EFBIG;
    image_freeze(im);
    e = qcow2_flush(im);
    if (!e && entries > q->snapshots[n].l1_size)
        e = qcow2_corrupt(im, "the L1 table of a snapshot is too short", q->snapshots[n].l1_offset);
    if (!e)
        e = set_dirty(im, true);
    if (!e)
        e = read_l1(im, &q->snapshots[n], &l1);
    for (uint32_t i = 0; i < entries && !e; i++)
        l1[i] &= ~QE_COPIED;
    if (!e)
        e = each_of_tree(im, l1, entries, refer);
    old = q->l1;
    old_at = q->l1_offset;
    old_size = q->l1_size;
    if (!e)
        e = switch_l1(im, size, l1, entries);
    if (e)
        free(l1);
    if (!e)
        e = drop_tree(im, old, old_size);
    if (q->l1 != old)
        free(old);
    if (!e)
        e = qcow2_free(im, old_at, old_size * 8ull);
    if (!e)
        e = qcow2_flush(im);
    if (!e)
        e = refresh_flags(im);
    if (!e)
        e = set_dirty(im, false);
    image_thaw(im);
    return e;
}

/* ---- the state ---- */

struct image_state {
    struct image *im;
    uint64_t size, *clusters;
};

static int find_clusters(struct image_state *t, const struct qcow2_snapshot *s, uint32_t first)
{
    struct image *im = t->im;
    const struct qcow2 *q = of(im);
    uint64_t n = (t->size + im->cluster - 1) >> q->cluster_bits, *l1 = NULL;
    uint8_t *table = malloc(im->cluster);
    int e = table ? read_l1(im, s, &l1) : ENOMEM;

    if (!e && (t->size > INT64_MAX || s->l1_size < first ||
               (s->l1_size - first) * (uint64_t)q->l2_entries < n))
        e = EIO;
    t->clusters = e ? NULL : calloc(n + 1, 8);
    if (!e && !t->clusters)
        e = ENOMEM;
    for (uint64_t i = 0; i < n && !e; i++) {
        uint64_t at = l1[first + i / q->l2_entries] & QE_OFFSET, entry;

        if (i % q->l2_entries == 0)
            e = at && at % im->cluster == 0 ? file_read_all(im->file, at, table, im->cluster) : EIO;
        entry = e ? 0 : ld_be64(table + i % q->l2_entries * 8);
        if (entry & QE_COMPRESSED)
            e = EIO;
        t->clusters[i] = entry & QE_ZERO ? 0 : entry & QE_OFFSET;
    }
    free(table);
    free(l1);
    return e;
}

struct image_state *image_state_open(struct image *im, unsigned n)
{
    struct image_snapshot_info info = image_snapshot_get(im, n);
    struct image_state *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->im = im;
    t->size = info.state_size;
    if (find_clusters(t, &of(im)->snapshots[n], l1_entries(im, info.disk_size)) == 0)
        return t;
    image_state_close(t);
    return NULL;
}

int image_state_read(struct image_state *t, uint64_t offset, void *buf, size_t len)
{
    uint8_t *p = buf;
    int e = 0;

    if (offset > t->size || len > t->size - offset)
        return EINVAL;
    while (len && !e) {
        uint64_t at = t->clusters[offset >> of(t->im)->cluster_bits];
        uint64_t in = offset & (t->im->cluster - 1), n = t->im->cluster - in;

        n = n < len ? n : len;
        if (at)
            e = file_read_all(t->im->file, at + in, p, n);
        else
            memset(p, 0, n);
        p += n;
        offset += n;
        len -= n;
    }
    return e;
}

void image_state_close(struct image_state *t)
{
    if (t)
        free(t->clusters);
    free(t);
}
