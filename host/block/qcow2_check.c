/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: is every cluster referred to as often as its refcount says? */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/block/qcow2.h"

struct checker {
    struct image *im;
    struct qcow2 *q;
    struct image_check *c;
    uint32_t *counts; /* references found, by host cluster */
    uint64_t n;
    uint64_t next; /* where the guest's next cluster would be in a row */
};

__attribute__((format(printf, 2, 3))) static void say(struct checker *k, const char *fmt, ...)
{
    char text[300];
    va_list ap;

    if (!k->c->say)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    k->c->say(k->c->opaque, text);
}

/* Counts a reference to all clusters that the bytes touch. */
static void refer(struct checker *k, const char *what, uint64_t at, uint64_t bytes)
{
    uint64_t first = at >> k->q->cluster_bits, last;

    if (!bytes)
        return;
    if (at >= QCOW2_OFFSET_MAX || bytes > QCOW2_OFFSET_MAX ||
        (last = (at + bytes - 1) >> k->q->cluster_bits) >= k->n) {
        say(k, "ERROR: %s at offset 0x%" PRIx64 " is behind the end of the file", what, at);
        k->c->corruptions++;
        return;
    }
    for (; first <= last; first++)
        if (k->counts[first] != UINT32_MAX)
            k->counts[first]++;
}

static bool aligned(struct checker *k, const char *what, uint64_t at)
{
    if (at % k->im->cluster == 0)
        return true;
    say(k, "ERROR: %s at offset 0x%" PRIx64 " does not begin at a cluster", what, at);
    k->c->corruptions++;
    return false;
}

/* ---- what the guest's clusters refer to ---- */

static void count_entry(struct checker *k, uint64_t entry, bool active)
{
    uint64_t at = entry & QE_OFFSET, packed, bytes;

    if (entry & QE_COMPRESSED) {
        qcow2_packed_place(k->q, entry, &packed, &bytes);
        refer(k, "a compressed cluster", packed, bytes);
        k->c->compressed += active;
        k->c->allocated += active;
        k->c->fragmented += active;
        return;
    }
    if (!at)
        return;
    if (!aligned(k, "a cluster", at))
        return;
    refer(k, "a cluster", at, k->im->cluster);
    if (active && !(entry & QE_ZERO)) {
        k->c->allocated++;
        k->c->fragmented += k->next && k->next != at;
        k->next = at + k->im->cluster;
    }
}

static int count_l2(struct checker *k, uint64_t at, bool active, uint8_t *table)
{
    int e;

    if (!aligned(k, "an L2 table", at))
        return 0;
    refer(k, "an L2 table", at, k->im->cluster);
    e = file_read_all(k->im->file, at, table, k->im->cluster);
    if (e) {
        say(k, "ERROR: the L2 table at offset 0x%" PRIx64 " cannot be read", at);
        k->c->check_errors++;
        return 0;
    }
    for (uint32_t n = 0; n < k->q->l2_entries; n++)
        count_entry(k, ld_be64(table + n * 8ull), active);
    return 0;
}

static int count_l1(struct checker *k, uint64_t at, const uint64_t *l1, uint32_t n, bool active)
{
    uint8_t *table = malloc(k->im->cluster);
    int e = table ? 0 : ENOMEM;

    refer(k, "an L1 table", at, n * 8ull);
    for (uint32_t i = 0; i < n && !e; i++)
        if (l1[i] & QE_OFFSET)
            e = count_l2(k, l1[i] & QE_OFFSET, active, table);
    free(table);
    return e;
}

static int count_snapshots(struct checker *k)
{
    int e = 0;

    for (uint32_t n = 0; n < k->q->nsnapshots && !e; n++) {
        const struct qcow2_snapshot *s = &k->q->snapshots[n];
        uint64_t *l1 = calloc(s->l1_size + 1ull, 8);

        e = l1 ? file_read_all(k->im->file, s->l1_offset, l1, s->l1_size * 8ull) : ENOMEM;
        for (uint32_t i = 0; i < s->l1_size && !e; i++)
            l1[i] = ld_be64(&l1[i]);
        if (!e)
            e = count_l1(k, s->l1_offset, l1, s->l1_size, false);
        free(l1);
    }
    return e;
}

static int count_all(struct checker *k)
{
    struct qcow2 *q = k->q;
    int e;

    refer(k, "the header", 0, k->im->cluster);
    refer(k, "the refcount table", q->rt_offset, q->rt_entries * 8ull);
    for (uint32_t n = 0; n < q->rt_entries; n++)
        if (q->rt[n] && aligned(k, "a refcount block", q->rt[n]))
            refer(k, "a refcount block", q->rt[n], k->im->cluster);
    refer(k, "the snapshot table", q->snapshots_offset, q->snapshots_bytes);
    e = count_l1(k, q->l1_offset, q->l1, q->l1_size, true);
    return e ? e : count_snapshots(k);
}

/* ---- comparing ---- */

/* In the file, past its end if refcounts are there for that. */
static int stored_count(struct checker *k, uint64_t cluster, uint64_t *count)
{
    uint64_t per = ((uint64_t)k->im->cluster * 8) >> k->q->refcount_order;
    struct table *t;
    uint64_t n = cluster / per;
    int e;

    *count = 0;
    if (n >= k->q->rt_entries || !k->q->rt[n] || k->q->rt[n] % k->im->cluster)
        return 0;
    e = tables_get(&k->q->refs, k->q->rt[n], &t);
    if (e == EIO) /* behind the end of the file: counted as wrong by what needs it */
        return 0;
    *count = e ? 0 : qcow2_load_count(t->data, cluster % per, k->q->refcount_order);
    return e;
}

static int compare(struct checker *k, uint64_t *leaks, uint64_t *low)
{
    uint64_t stored;
    int e = 0;

    for (uint64_t n = 0; n < k->n && !e; n++) {
        e = stored_count(k, n, &stored);
        if (e || stored == k->counts[n])
            continue;
        if (stored > k->counts[n]) {
            say(k, "Leaked cluster %" PRIu64 " refcount=%" PRIu64 " reference=%u", n, stored,
                k->counts[n]);
            ++*leaks;
        } else {
            say(k, "ERROR cluster %" PRIu64 " refcount=%" PRIu64 " reference=%u", n, stored,
                k->counts[n]);
            ++*low;
        }
    }
    return e;
}

/* The flag says that the cluster may be changed in place: it must have refcount 1 and no other. */
static bool wrong_flag(struct checker *k, uint64_t entry)
{
    uint64_t at = entry & QE_OFFSET, n = at >> k->q->cluster_bits;

    if (!at || at % k->im->cluster || n >= k->n || (entry & QE_COMPRESSED))
        return false;
    return !!(entry & QE_COPIED) != (k->counts[n] == 1);
}

static int check_flags_of_table(struct checker *k, uint64_t at, bool fix, uint64_t *wrong)
{
    uint8_t *t = malloc(k->im->cluster);
    bool changed = false;
    int e = t ? 0 : ENOMEM;

    if (!e && file_read_all(k->im->file, at, t, k->im->cluster) == 0)
        for (uint32_t n = 0; n < k->q->l2_entries; n++) {
            uint64_t entry = ld_be64(t + n * 8ull);

            if (!wrong_flag(k, entry))
                continue;
            say(k, "ERROR OFLAG_COPIED data cluster: l2_entry=%" PRIx64 " refcount=%u", entry,
                k->counts[(entry & QE_OFFSET) >> k->q->cluster_bits]);
            ++*wrong;
            changed = true;
            st_be64(t + n * 8ull, entry ^ QE_COPIED);
        }
    if (!e && changed && fix) {
        tables_drop(&k->q->l2, at);
        e = file_write(k->im->file, at, t, k->im->cluster);
    }
    free(t);
    return e;
}

static int check_flags(struct checker *k, bool fix, uint64_t *wrong)
{
    uint8_t field[8];
    int e = 0;

    for (uint32_t n = 0; n < k->q->l1_size && !e; n++) {
        uint64_t at = k->q->l1[n] & QE_OFFSET;

        if (!at || at % k->im->cluster || at >> k->q->cluster_bits >= k->n)
            continue;
        if (wrong_flag(k, k->q->l1[n])) {
            say(k, "ERROR OFLAG_COPIED L2 cluster: l1_index=%u l1_entry=%" PRIx64 " refcount=%u", n,
                k->q->l1[n], k->counts[at >> k->q->cluster_bits]);
            ++*wrong;
            if (fix) {
                k->q->l1[n] ^= QE_COPIED;
                st_be64(field, k->q->l1[n]);
                e = file_write(k->im->file, k->q->l1_offset + n * 8ull, field, 8);
            }
        }
        if (!e)
            e = check_flags_of_table(k, at, fix, wrong);
    }
    return e;
}

/* ---- repairing ---- */

/* Lowers what is too high. */
static int free_leaks(struct checker *k)
{
    uint64_t stored;
    int e = 0;

    for (uint64_t n = 0; n < k->n && !e; n++) {
        e = stored_count(k, n, &stored);
        if (!e && stored > k->counts[n])
            e = qcow2_set_refcount(k->im, n, k->counts[n]);
    }
    return e ? e : qcow2_flush(k->im);
}

/* New refcounts. The old table and blocks are no longer referred to. */
static int rebuild(struct checker *k)
{
    struct qcow2 *q = k->q;
    uint64_t rt_clusters = qcow2_round(k->im, q->rt_entries * 8ull) >> q->cluster_bits;
    uint64_t max = qcow2_refcount_max(q);

    for (uint64_t n = 0; n < rt_clusters; n++)
        if ((q->rt_offset >> q->cluster_bits) + n < k->n)
            k->counts[(q->rt_offset >> q->cluster_bits) + n]--;
    for (uint32_t n = 0; n < q->rt_entries; n++)
        if (q->rt[n] && q->rt[n] % k->im->cluster == 0 && q->rt[n] >> q->cluster_bits < k->n)
            k->counts[q->rt[n] >> q->cluster_bits]--;
    for (uint64_t n = 0; n < k->n; n++)
        if (k->counts[n] > max)
            return ERANGE;
    tables_free(&q->refs);
    if (!tables_init(&q->refs, k->im->file, k->im->cluster, 1u << 20, q->l2.make_clean, k->im))
        return ENOMEM;
    return qcow2_rebuild_refcounts(k->im, k->counts, k->n);
}

static int repair_all(struct checker *k, uint64_t leaks, uint64_t low, uint64_t wrong)
{
    uint64_t ignored = 0, before = k->c->corruptions;
    int e = 0;

    /* A cluster that is referred to from where it cannot be is beyond repair. */
    if (low || (leaks && k->im->dirty))
        e = rebuild(k);
    else if (leaks)
        e = free_leaks(k);
    if (e)
        return e;
    k->c->leaks_fixed = leaks;
    k->c->corruptions_fixed += low;
    k->c->say = NULL;
    if (wrong)
        e = check_flags(k, true, &ignored);
    k->c->corruptions_fixed += e ? 0 : wrong;
    if (!e && before == k->c->corruptions_fixed) {
        e = file_flush(k->im->file);
        if (!e && (k->q->incompatible & (QI_DIRTY | QI_CORRUPT)))
            e = qcow2_header_bits(k->im, 0, QI_DIRTY | QI_CORRUPT);
        if (!e)
            k->im->dirty = false;
        if (!e)
            k->im->corrupt = false;
    }
    return e;
}

static int compare_and_repair(struct checker *k, enum image_repair repair)
{
    uint64_t leaks = 0, low = 0, wrong = 0;
    void (*speak)(void *, const char *) = k->c->say;
    int e = compare(k, &leaks, &low);

    if (!e)
        e = check_flags(k, false, &wrong);
    if (e)
        return e;
    k->c->leaks = leaks;
    k->c->corruptions += low + wrong;
    if (repair == REPAIR_LEAKS && leaks) {
        e = free_leaks(k);
        k->c->leaks_fixed = e ? 0 : leaks;
    } else if (repair == REPAIR_ALL && !k->c->check_errors) {
        e = repair_all(k, leaks, low, wrong);
    }
    k->c->say = speak;
    return e;
}

int qcow2_check(struct image *im, struct image_check *c, enum image_repair repair)
{
    struct qcow2 *q = im->state;
    struct checker k = {.im = im, .q = q, .c = c};
    int e = im->metadata_dirty ? image_flush(im) : 0;

    k.n = qcow2_round(im, file_size(im->file)) >> q->cluster_bits;
    k.counts = calloc(k.n ? k.n : 1, sizeof(*k.counts));
    if (!k.counts)
        return ENOMEM;
    c->total = (im->size + im->cluster - 1) >> q->cluster_bits;
    if (q->bitmaps) {
        say(&k, "The image has bitmaps, whose clusters are not checked");
        c->check_errors++;
        repair = REPAIR_NOTHING;
    }
    if (!e)
        e = count_all(&k);
    if (!e)
        e = compare_and_repair(&k, repair);
    for (uint64_t n = k.n; n-- > 0 && !c->end;)
        if (k.counts[n])
            c->end = (n + 1) << q->cluster_bits;
    free(k.counts);
    return e;
}
