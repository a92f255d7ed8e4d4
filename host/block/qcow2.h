/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_BLOCK_QCOW2_H
#define CALQUE_HOST_BLOCK_QCOW2_H

#include "host/block/bigendian.h"
#include "host/block/format.h"
#include "host/block/tables.h"

/* qcow2, as in QEMU's docs/interop/qcow2.txt; names are those of that text. qcow2.c: opening and
 * the mapping; qcow2_refs.c: refcounts, free clusters and the order of writes; qcow2_data.c:
 * compression; qcow2_make.c: new images and changes of the header; qcow2_check.c;
 * qcow2_snapshots.c. */

#define QCOW2_MAGIC 0x514649fbu /* "QFI\xfb" */

/* Offsets in the header. */
enum {
    Q_MAGIC = 0,
    Q_VERSION = 4,
    Q_BACKING_OFFSET = 8,
    Q_BACKING_SIZE = 16,
    Q_CLUSTER_BITS = 20,
    Q_SIZE = 24,
    Q_CRYPT = 32,
    Q_L1_SIZE = 36,
    Q_L1_OFFSET = 40,
    Q_RT_OFFSET = 48,
    Q_RT_CLUSTERS = 56,
    Q_SNAPSHOTS = 60,
    Q_SNAPSHOTS_OFFSET = 64,
    Q_INCOMPATIBLE = 72, /* from here on version 3 */
    Q_COMPATIBLE = 80,
    Q_AUTOCLEAR = 88,
    Q_REFCOUNT_ORDER = 96,
    Q_HEADER_LENGTH = 100,
    Q_COMPRESSION = 104,
    Q_HEADER_V2 = 72,
    Q_HEADER_V3 = 104,
    Q_HEADER_OURS = 112,
};

#define QI_DIRTY         1ull
#define QI_CORRUPT       2ull
#define QI_DATA_FILE     4ull
#define QI_COMPRESSION   8ull
#define QI_EXTENDED_L2   16ull
#define QC_LAZY_REFCOUNT 1ull

/* Header extensions. */
#define QX_END            0u
#define QX_BACKING_FORMAT 0xe2792acau
#define QX_FEATURE_NAMES  0x6803f857u
#define QX_BITMAPS        0x23852875u

/* Entries of L1 and L2 tables. */
#define QE_COPIED     (1ull << 63)
#define QE_COMPRESSED (1ull << 62)
#define QE_ZERO       1ull
#define QE_OFFSET     0x00fffffffffffe00ull
#define QE_RESERVED   0x3f000000000001feull /* of a standard L2 entry */

#define QCOW2_L1_BYTES_MAX  (32u << 20)
#define QCOW2_RT_BYTES_MAX  (8u << 20)
#define QCOW2_SNAPSHOTS_MAX 65536u
#define QCOW2_OFFSET_MAX    (1ull << 56)

#define QCOW2_SNAPSHOT_HEAD                                                                        \
    40u /* bytes of an entry of the snapshot table before the extra data                           \
         */
#define QCOW2_EXTRA_MAX      1024u
#define QCOW2_SNAPSHOT_BYTES (64u << 20) /* of the table */

struct qcow2_snapshot {
    uint64_t l1_offset;
    uint32_t l1_size, entry_size;
    uint8_t *entry; /* as in the file, padded to a multiple of 8 */
};

struct qcow2_freed {
    uint64_t first, count; /* clusters */
};

struct qcow2 {
    uint32_t version, cluster_bits, refcount_order, header_length;
    uint64_t incompatible, compatible, autoclear;
    uint8_t compression; /* 0 zlib, 1 zstd */
    bool bitmaps;
    uint32_t l2_entries; /* of a table */
    uint64_t *l1, l1_offset;
    uint32_t l1_size;
    uint32_t l1_dirty_from, l1_dirty_to; /* entries; empty: nothing */
    uint64_t *rt, rt_offset;
    uint32_t rt_entries, rt_used; /* those behind rt_used are 0 */
    uint32_t rt_dirty_from, rt_dirty_to;
    struct tables l2, refs;
    pthread_mutex_t cache_lock; /* of l2, among those that hold the image's lock for reading */
    uint64_t file_end;          /* bytes; what is behind was never written */
    uint64_t free_hint;         /* clusters below are in use */
    struct qcow2_freed *freed;  /* to be given away after the next flush */
    uint32_t nfreed, freed_room;
    uint64_t packed_next; /* where the next compressed cluster may begin; 0: in a new cluster */
    struct qcow2_snapshot *snapshots;
    uint32_t nsnapshots;
    uint64_t snapshots_offset, snapshots_bytes;
    /* The compressed cluster that was read last. */
    pthread_mutex_t unpacked_lock;
    uint8_t *unpacked;
    uint64_t unpacked_entry; /* 0: none */
};

static inline uint64_t qcow2_round(const struct image *im, uint64_t bytes)
{
    return (bytes + im->cluster - 1) & ~(uint64_t)(im->cluster - 1);
}

/* ---- qcow2_refs.c; image lock held for writing ---- */

int qcow2_get_refcount(struct image *im, uint64_t cluster, uint64_t *count);
int qcow2_set_refcount(struct image *im, uint64_t cluster, uint64_t count);
uint64_t qcow2_refcount_max(const struct qcow2 *q);
/* `count` clusters in a row that nobody uses; they have refcount 1 now. */
int qcow2_alloc(struct image *im, uint64_t count, uint64_t *offset);
/* This very cluster; EEXIST if it is in use. */
int qcow2_alloc_at(struct image *im, uint64_t cluster);
/* Takes one reference from each cluster that the bytes touch, after the next flush. */
int qcow2_free(struct image *im, uint64_t offset, uint64_t bytes);
/* Writes all metadata in the safe order. */
int qcow2_flush(struct image *im);
/* Metadata lies there: 0 if none does, else EIO, reported, and the image is marked corrupt. */
int qcow2_guard(struct image *im, uint64_t offset, uint64_t bytes);
/* Reports it and sets the corrupt bit, if the image may be written. EIO. */
int qcow2_corrupt(struct image *im, const char *what, uint64_t at);
/* New tables of refcounts, `counts` of them, at the end of the file. */
int qcow2_rebuild_refcounts(struct image *im, const uint32_t *counts, uint64_t n);
uint64_t qcow2_load_count(const uint8_t *block, uint64_t index, uint32_t order);
void qcow2_store_count(uint8_t *block, uint64_t index, uint32_t order, uint64_t count);

/* ---- qcow2.c ---- */

/* The L2 table for an offset, made or copied so that it may be changed. Lock held for writing. */
int qcow2_l2_for_write(struct image *im, uint64_t offset, struct table **table, uint32_t *index);
int qcow2_allocate(struct image *im, uint64_t offset, const struct image_fill *fill);
/* Gives back what an L2 entry points to. */
int qcow2_free_entry(struct image *im, uint64_t entry);
/* Where the bytes of a compressed cluster are. */
void qcow2_packed_place(const struct qcow2 *q, uint64_t entry, uint64_t *offset, uint64_t *bytes);
/* The entry of the L1 table is another one. */
void qcow2_l1_changed(struct image *im, uint32_t n, uint64_t value);
int qcow2_get_l2(struct image *im, uint64_t at, struct table **t);
int qcow2_header_bits(struct image *im, uint64_t set, uint64_t clear);

/* ---- qcow2_data.c ---- */

int qcow2_read_compressed(struct image *im, const struct image_extent *e, uint64_t offset,
                          void *buf, size_t len);
int qcow2_write_compressed(struct image *im, uint64_t offset, const void *cluster);
bool qcow2_has_compression(uint8_t type);

/* ---- qcow2_make.c ---- */

bool qcow2_create(const struct image_create *c, struct block_file *f, struct error *err);
bool qcow2_resize(struct image *im, uint64_t size, struct error *err);
bool qcow2_set_backing(struct image *im, const char *name, const char *format, struct error *err);
void qcow2_info(struct image *im, image_info_fn *fn, void *opaque);

/* ---- qcow2_check.c ---- */

int qcow2_check(struct image *im, struct image_check *c, enum image_repair repair);

#endif
