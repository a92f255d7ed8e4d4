/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: refcounts, free clusters, and in which order metadata reaches the disk.
 *
 * A refcount that is too high leaks a cluster, one that is too low destroys data. So refcounts go
 * up on the disk before anything refers to the cluster, and down after nothing refers to it any
 * more; until then a freed cluster is not given away. A refcount block that is written at any time
 * is therefore harmless. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/block/qcow2.h"

#define FREED_MAX 4096u /* entries, before a flush is made to get rid of them */

/* ---- one refcount in its block: big-endian words, or bits from the lowest up ---- */

uint64_t qcow2_load_count(const uint8_t *block, uint64_t index, uint32_t order)
{
    switch (order) {
    case 3:
        return block[index];
    case 4:
        return ld_be16(block + index * 2);
    case 5:
        return ld_be32(block + index * 4);
    case 6:
        return ld_be64(block + index * 8);
    default: {
        unsigned width = 1u << order, at = (unsigned)(index << order & 7);

        return block[index << order >> 3] >> at & ((1u << width) - 1);
    }
    }
}

void qcow2_store_count(uint8_t *block, uint64_t index, uint32_t order, uint64_t count)
{
    switch (order) {
    case 3:
        block[index] = (uint8_t)count;
        break;
    case 4:
        st_be16(block + index * 2, (uint16_t)count);
        break;
    case 5:
        st_be32(block + index * 4, (uint32_t)count);
        break;
    case 6:
        st_be64(block + index * 8, count);
        break;
    default: {
        unsigned width = 1u << order, at = (unsigned)(index << order & 7);
        uint8_t *p = &block[index << order >> 3];

        *p = (uint8_t)((*p & ~(((1u << width) - 1) << at)) | count << at);
    }
    }
}

uint64_t qcow2_refcount_max(const struct qcow2 *q)
{
    return q->refcount_order == 6 ? UINT64_MAX : (1ull << (1u << q->refcount_order)) - 1;
}

static uint64_t counts_per_block(const struct image *im)
{
    const struct qcow2 *q = im->state;
    uint64_t n = ((uint64_t)im->cluster * 8) >> q->refcount_order;

    return n ? n : 1; /* clusters have at least 512 bytes */
}

/* ---- findings ---- */

int qcow2_corrupt(struct image *im, const char *what, uint64_t at)
{
    image_bad(im, "%s at offset 0x%" PRIx64 " of the image; calque-img check -r all may repair it",
              what, at);
    if (!im->read_only && !im->options.repair) {
        struct qcow2 *q = im->state;

        pthread_mutex_lock(&im->report_lock);
        if (q->version >= 3 && !(q->incompatible & QI_CORRUPT))
            qcow2_header_bits(im, QI_CORRUPT, 0);
        im->corrupt = true;
        pthread_mutex_unlock(&im->report_lock);
    }
    return EIO;
}

static bool overlaps(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
    return a < b + blen && b < a + alen;
}

int qcow2_guard(struct image *im, uint64_t offset, uint64_t bytes)
{
    const struct qcow2 *q = im->state;
    bool bad = offset < im->cluster || overlaps(offset, bytes, q->l1_offset, q->l1_size * 8ull) ||
               overlaps(offset, bytes, q->rt_offset, q->rt_entries * 8ull) ||
               overlaps(offset, bytes, q->snapshots_offset, q->snapshots_bytes);

    for (uint32_t n = 0; n < q->l1_size && !bad; n++)
        bad = (q->l1[n] & QE_OFFSET) && overlaps(offset, bytes, q->l1[n] & QE_OFFSET, im->cluster);
    for (uint32_t n = 0; n < q->rt_used && !bad; n++)
        bad = q->rt[n] && overlaps(offset, bytes, q->rt[n], im->cluster);
    for (uint32_t n = 0; n < q->nsnapshots && !bad; n++)
        bad = overlaps(offset, bytes, q->snapshots[n].l1_offset, q->snapshots[n].l1_size * 8ull);
    return bad ? qcow2_corrupt(im, "a cluster of data is one of metadata", offset) : 0;
}

/* ---- refcount blocks ---- */

/* *block NULL: there is none, all of its counts are 0. */
static int get_block(struct image *im, uint64_t cluster, struct table **block, uint64_t *index)
{
    struct qcow2 *q = im->state;
    uint64_t n = cluster / counts_per_block(im);
    int e;

    *block = NULL;
    *index = cluster % counts_per_block(im);
    if (n >= q->rt_entries || !q->rt[n])
        return 0;
    if (q->rt[n] % im->cluster)
        return qcow2_corrupt(im, "the offset of a refcount block is no multiple of the cluster",
                             q->rt_offset + n * 8);
    e = tables_get(&q->refs, q->rt[n], block);
    return e == EIO ? qcow2_corrupt(im, "a refcount block cannot be read", q->rt[n]) : e;
}

int qcow2_get_refcount(struct image *im, uint64_t cluster, uint64_t *count)
{
    const struct qcow2 *q = im->state;
    struct table *block;
    uint64_t index;
    int e = get_block(im, cluster, &block, &index);

    *count = e || !block ? 0 : qcow2_load_count(block->data, index, q->refcount_order);
    return e;
}

static void rt_changed(struct qcow2 *q, uint32_t n)
{
    q->rt_used = n + 1 > q->rt_used ? n + 1 : q->rt_used;
    if (q->rt_dirty_from == q->rt_dirty_to) {
        q->rt_dirty_from = n;
        q->rt_dirty_to = n + 1;
    }
    q->rt_dirty_from = n < q->rt_dirty_from ? n : q->rt_dirty_from;
    q->rt_dirty_to = n + 1 > q->rt_dirty_to ? n + 1 : q->rt_dirty_to;
}

static int write_entries(struct image *im, const uint64_t *from, uint32_t n, uint64_t at)
{
    uint8_t *bytes = malloc(n * 8ull + 1);
    int e;

    if (!bytes)
        return ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        st_be64(bytes + i * 8ull, from[i]);
    e = file_write(im->file, at, bytes, n * 8ull);
    free(bytes);
    return e;
}

/* Blocks for `area` clusters from `base`, the first cluster that the present table does not reach;
 * they are the area's last clusters. */
static int write_area_blocks(struct image *im, uint64_t *rt, uint64_t base, uint64_t area,
                             uint64_t blocks)
{
    const struct qcow2 *q = im->state;
    uint64_t per = counts_per_block(im), left = area;
    uint8_t *block = malloc(im->cluster);
    int e = block ? 0 : ENOMEM;

    for (uint64_t n = 0; n < blocks && !e; n++) {
        uint64_t used = left < per ? left : per;
        uint64_t at = (base + area - blocks + n) << q->cluster_bits;

        memset(block, 0, im->cluster);
        for (uint64_t i = 0; i < used; i++)
            qcow2_store_count(block, i, q->refcount_order, 1);
        left -= used;
        rt[q->rt_entries + n] = at; /* the area is behind what the old table reaches */
        e = file_write(im->file, at, block, im->cluster);
    }
    free(block);
    return e;
}

/* Where the refcount table is: one write. */
static int switch_table(struct image *im, uint64_t offset, uint32_t clusters)
{
    uint8_t field[12];
    int e = file_flush(im->file);

    st_be64(field, offset);
    st_be32(field + 8, clusters);
    if (!e)
        e = file_write(im->file, Q_RT_OFFSET, field, sizeof(field));
    return e ? e : file_flush(im->file);
}

/* A longer table that reaches beyond cluster `wanted`, in what the old one did not reach. */
static int grow_table(struct image *im, uint64_t wanted)
{
    struct qcow2 *q = im->state;
    uint64_t per = counts_per_block(im), base = q->rt_entries * per, blocks = 1, n, entries;
    uint64_t old = q->rt_offset, old_bytes = q->rt_entries * 8ull, *rt;
    int e = qcow2_flush(im);

    entries = wanted / per + 1;
    entries =
        entries < q->rt_entries + q->rt_entries / 2 ? q->rt_entries + q->rt_entries / 2 : entries;
    do { /* the table and its blocks are in the area that they describe */
        n = qcow2_round(im, (entries + blocks) * 8) >> q->cluster_bits;
        blocks = (n + blocks + per - 1) / per;
    } while (blocks * per < n + blocks);
    entries = n * im->cluster / 8;
    if (e)
        return e;
    if (entries * 8 > QCOW2_RT_BYTES_MAX)
        return EFBIG;
    rt = calloc(entries, 8);
    if (!rt)
        return ENOMEM;
    memcpy(rt, q->rt, q->rt_entries * 8ull);
    e = write_area_blocks(im, rt, base, n + blocks, blocks);
    if (!e)
        e = write_entries(im, rt, (uint32_t)entries, base << q->cluster_bits);
    if (!e)
        e = switch_table(im, base << q->cluster_bits, (uint32_t)n);
    if (e) {
        free(rt);
        return e;
    }
    free(q->rt);
    q->rt = rt;
    q->rt_used = (uint32_t)(q->rt_entries + blocks);
    q->rt_entries = (uint32_t)entries;
    q->rt_offset = base << q->cluster_bits;
    if (q->file_end < (base + n + blocks) << q->cluster_bits)
        q->file_end = (base + n + blocks) << q->cluster_bits;
    return qcow2_free(im, old, old_bytes);
}

/* There is a block for the cluster. A new one is in the first cluster that it describes: none of
 * those is in use. */
static int ensure_block(struct image *im, uint64_t cluster)
{
    struct qcow2 *q = im->state;
    uint64_t per = counts_per_block(im), n = cluster / per, at = n * per << q->cluster_bits;
    struct table *block;
    int e = 0;

    while (!e && n >= q->rt_entries)
        e = grow_table(im, cluster);
    if (e || q->rt[n])
        return e;
    e = qcow2_guard(im, at ? at : im->cluster, im->cluster);
    if (!e && !at)
        e = qcow2_corrupt(im, "the first refcount block is missing", q->rt_offset);
    if (!e)
        e = tables_new(&q->refs, at, &block);
    if (e)
        return e;
    qcow2_store_count(block->data, 0, q->refcount_order, 1);
    q->rt[n] = at;
    rt_changed(q, (uint32_t)n);
    im->metadata_dirty = true;
    if (q->file_end < at + im->cluster)
        q->file_end = at + im->cluster;
    return 0;
}

int qcow2_set_refcount(struct image *im, uint64_t cluster, uint64_t count)
{
    struct qcow2 *q = im->state;
    struct table *block;
    uint64_t index;
    int e = ensure_block(im, cluster);

    if (!e)
        e = get_block(im, cluster, &block, &index);
    if (e || !block)
        return e ? e : EIO;
    qcow2_store_count(block->data, index, q->refcount_order, count);
    tables_dirty(&q->refs, block);
    im->metadata_dirty = true;
    if (!count && cluster < q->free_hint)
        q->free_hint = cluster;
    return 0;
}

/* ---- free clusters ---- */

/* Finds the first run of free clusters. */
static int find_free(struct image *im, uint64_t count, uint64_t *first)
{
    struct qcow2 *q = im->state;
    uint64_t run = 0, at = q->free_hint, used = 0;
    /* New blocks lie among their clusters: behind the file's end no longer run is free. */
    uint64_t limit =
        count < counts_per_block(im) ? UINT64_MAX : (q->file_end >> q->cluster_bits) + 2 * count;
    int e = 0;

    while (!e && run < count) {
        e = ensure_block(im, at); /* it may take the cluster itself */
        if (!e)
            e = qcow2_get_refcount(im, at, &used);
        run = used ? 0 : run + 1;
        at++;
        if (at > QCOW2_OFFSET_MAX >> q->cluster_bits || (at > limit && run < count))
            return EFBIG;
    }
    *first = at - run;
    return e;
}

int qcow2_alloc(struct image *im, uint64_t count, uint64_t *offset)
{
    struct qcow2 *q = im->state;
    uint64_t first = 0;
    bool from_hint;
    int e = q->nfreed >= FREED_MAX ? qcow2_flush(im) : 0;

    if (!e)
        e = find_free(im, count, &first);
    if (!e)
        e = qcow2_guard(im, first << q->cluster_bits, count << q->cluster_bits);
    if (e)
        return e;
    from_hint = count == 1;
    for (uint64_t n = 0; n < count && !e; n++)
        e = qcow2_set_refcount(im, first + n, 1);
    if (from_hint) /* everything below was found in use */
        q->free_hint = first + 1;
    *offset = first << q->cluster_bits;
    return e;
}

int qcow2_alloc_at(struct image *im, uint64_t cluster)
{
    uint64_t used;
    int e = ensure_block(im, cluster); /* it may take the cluster itself */

    if (!e)
        e = qcow2_get_refcount(im, cluster, &used);
    if (!e && used)
        return EEXIST;
    if (!e)
        e = qcow2_guard(im, cluster << ((struct qcow2 *)im->state)->cluster_bits, im->cluster);
    return e ? e : qcow2_set_refcount(im, cluster, 1);
}

int qcow2_free(struct image *im, uint64_t offset, uint64_t bytes)
{
    struct qcow2 *q = im->state;
    uint64_t first = offset >> q->cluster_bits;
    uint64_t end = (offset + bytes + im->cluster - 1) >> q->cluster_bits;
    struct qcow2_freed *last = q->nfreed ? &q->freed[q->nfreed - 1] : NULL;

    if (!bytes)
        return 0;
    im->metadata_dirty = true;
    if (last && last->first + last->count == first) {
        last->count += end - first;
        return 0;
    }
    if (!q->freed || q->nfreed == q->freed_room) {
        uint32_t room = q->freed_room ? q->freed_room * 2 : 64;
        struct qcow2_freed *more = realloc(q->freed, room * sizeof(*more));

        if (!more)
            return 0; /* they leak */
        q->freed = more;
        q->freed_room = room;
    }
    q->freed[q->nfreed++] = (struct qcow2_freed){first, end - first};
    return 0;
}

static int give_back(struct image *im, uint64_t cluster)
{
    struct qcow2 *q = im->state;
    uint64_t count;
    int e = qcow2_get_refcount(im, cluster, &count);

    if (e)
        return e;
    if (!count)
        return qcow2_corrupt(im, "a cluster that was in use has refcount 0",
                             cluster << q->cluster_bits);
    e = qcow2_set_refcount(im, cluster, count - 1);
    if (count == 1 && q->packed_next >> q->cluster_bits == cluster)
        q->packed_next = 0;
    if (!e && count == 1)
        (void)file_zero(im->file, cluster << q->cluster_bits, im->cluster, true);
    return e;
}

static int give_all_back(struct image *im)
{
    struct qcow2 *q = im->state;
    int e = 0;

    for (uint32_t n = 0; n < q->nfreed && !e; n++)
        for (uint64_t i = 0; i < q->freed[n].count && !e; i++)
            e = give_back(im, q->freed[n].first + i);
    q->nfreed = 0;
    return e;
}

/* ---- order ---- */

static int write_rt(struct image *im)
{
    struct qcow2 *q = im->state;
    uint32_t from = q->rt_dirty_from, n = q->rt_dirty_to - from;
    int e = n ? write_entries(im, q->rt + from, n, q->rt_offset + from * 8ull) : 0;

    if (!e)
        q->rt_dirty_from = q->rt_dirty_to = 0;
    return e ? e : n ? file_flush(im->file) : 0;
}

static int write_l1(struct image *im)
{
    struct qcow2 *q = im->state;
    uint32_t from = q->l1_dirty_from, n = q->l1_dirty_to - from;
    int e;

    if (!n)
        return 0;
    e = file_flush(im->file); /* the L2 tables */
    if (!e)
        e = write_entries(im, q->l1 + from, n, q->l1_offset + from * 8ull);
    if (!e)
        q->l1_dirty_from = q->l1_dirty_to = 0;
    return e;
}

/* Data is in the file already. */
int qcow2_flush(struct image *im)
{
    struct qcow2 *q = im->state;
    int e = tables_write(&q->refs);

    if (!e &&
        (q->l2.ndirty || q->rt_dirty_from != q->rt_dirty_to || q->l1_dirty_from != q->l1_dirty_to))
        e = file_flush(im->file);
    if (!e)
        e = write_rt(im);
    if (!e)
        e = tables_write(&q->l2);
    if (!e)
        e = write_l1(im);
    if (!e && q->nfreed) {
        e = file_flush(im->file);
        if (!e)
            e = give_all_back(im);
        if (!e)
            e = tables_write(&q->refs);
    }
    if (!e && q->packed_next && file_size(im->file) % 512) /* others read whole sectors */
        e = file_resize(im->file, (file_size(im->file) + 511) & ~511ull);
    if (!e)
        im->metadata_dirty = false;
    return e;
}

/* ---- everything anew ---- */

/* A table and blocks behind the last cluster that is in use; the old ones are left alone until the
 * header names the new ones. */
int qcow2_rebuild_refcounts(struct image *im, const uint32_t *counts, uint64_t n)
{
    struct qcow2 *q = im->state;
    uint64_t per = counts_per_block(im), base = qcow2_round(im, q->file_end) >> q->cluster_bits;
    uint64_t blocks = 1, table = 1, end, *rt;
    uint8_t *block = malloc(im->cluster);
    int e = 0;

    base = base < n ? n : base;
    do {
        end = base + blocks + table;
        blocks = (end + per - 1) / per;
        table = qcow2_round(im, blocks * 8) >> q->cluster_bits;
    } while (base + blocks + table > end);
    rt = calloc(table, im->cluster);
    if (table * im->cluster > QCOW2_RT_BYTES_MAX)
        e = EFBIG;
    else if (!rt || !block)
        e = ENOMEM;
    for (uint64_t b = 0; b < blocks && !e; b++) {
        memset(block, 0, im->cluster);
        for (uint64_t i = 0; i < per; i++) {
            uint64_t c = b * per + i;

            qcow2_store_count(block, i, q->refcount_order,
                              c >= base && c < end ? 1
                              : c < n              ? counts[c]
                                                   : 0);
        }
        rt[b] = (base + table + b) << q->cluster_bits;
        e = file_write(im->file, rt[b], block, im->cluster);
    }
    if (!e)
        e = write_entries(im, rt, (uint32_t)(table * im->cluster / 8), base << q->cluster_bits);
    if (!e)
        e = switch_table(im, base << q->cluster_bits, (uint32_t)table);
    free(block);
    if (e) {
        free(rt);
        return e;
    }
    free(q->rt);
    q->rt = rt;
    q->rt_offset = base << q->cluster_bits;
    q->rt_entries = (uint32_t)(table * im->cluster / 8);
    q->rt_used = (uint32_t)blocks;
    q->rt_dirty_from = q->rt_dirty_to = 0;
    q->file_end = end << q->cluster_bits;
    q->free_hint = 0;
    return 0;
}
