/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: compressed clusters. They are packed one behind the other, in sectors. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#if CONFIG_ZLIB
#include <zlib.h>
#endif
#if CONFIG_ZSTD
#include <zstd.h>
#endif

#include "host/block/qcow2.h"

#define TYPE_ZLIB 0
#define TYPE_ZSTD 1

bool qcow2_has_compression(uint8_t type)
{
    return (type == TYPE_ZLIB && CONFIG_ZLIB) || (type == TYPE_ZSTD && CONFIG_ZSTD);
}

void qcow2_packed_place(const struct qcow2 *q, uint64_t entry, uint64_t *offset, uint64_t *bytes)
{
    unsigned x = 62 - (q->cluster_bits - 8);
    uint64_t sectors = (entry >> x & ((1ull << (q->cluster_bits - 8)) - 1)) + 1;

    *offset = entry & ((1ull << x) - 1);
    *bytes = sectors * 512 - (*offset & 511);
}

/* ---- reading ---- */

#if CONFIG_ZLIB
/* The window is 4 KiB: a raw deflate stream (docs/interop/qcow2.txt, Compressed Clusters). */
static bool unpack_zlib(const uint8_t *from, size_t size, uint8_t *to, size_t len)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)from,
                  .avail_in = (uInt)size,
                  .next_out = to,
                  .avail_out = (uInt)len};
    int e = inflateInit2(&z, -12);

    if (e != Z_OK)
        return false;
    e = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    /* The input may end with the garbage of its last sector: full output is what counts. */
    return (e == Z_STREAM_END || e == Z_BUF_ERROR) && z.avail_out == 0;
}

static size_t pack_zlib(const uint8_t *from, size_t len, uint8_t *to, size_t room)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)from,
                  .avail_in = (uInt)len,
                  .next_out = to,
                  .avail_out = (uInt)room};
    int e = deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY);

    if (e != Z_OK)
        return 0;
    e = deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return e == Z_STREAM_END ? room - z.avail_out : 0;
}
#endif

#if CONFIG_ZSTD
static bool unpack_zstd(const uint8_t *from, size_t size, uint8_t *to, size_t len)
{
    ZSTD_DCtx *d = ZSTD_createDCtx();
    ZSTD_inBuffer in = {from, size, 0};
    ZSTD_outBuffer out = {to, len, 0};

    while (d && out.pos < len) {
        size_t before = in.pos + out.pos;
        size_t left = ZSTD_decompressStream(d, &out, &in);

        if (ZSTD_isError(left) || (out.pos < len && in.pos + out.pos == before))
            break;
    }
    ZSTD_freeDCtx(d);
    return out.pos == len;
}

static size_t pack_zstd(const uint8_t *from, size_t len, uint8_t *to, size_t room)
{
    size_t n = ZSTD_compress(to, room, from, len, ZSTD_CLEVEL_DEFAULT);

    return ZSTD_isError(n) ? 0 : n;
}
#endif

static bool unpack(uint8_t type, const uint8_t *from, size_t size, uint8_t *to, size_t len)
{
#if CONFIG_ZSTD
    if (type == TYPE_ZSTD)
        return unpack_zstd(from, size, to, len);
#endif
#if CONFIG_ZLIB
    if (type == TYPE_ZLIB)
        return unpack_zlib(from, size, to, len);
#endif
    (void)type;
    (void)from;
    (void)size;
    (void)to;
    (void)len;
    return false;
}

/* Fills q->unpacked; its lock is held. */
static int load_cluster(struct image *im, uint64_t entry)
{
    struct qcow2 *q = im->state;
    uint64_t at, bytes;
    uint8_t *packed;
    int e;

    if (q->unpacked && q->unpacked_entry == entry)
        return 0;
    if (!q->unpacked && !(q->unpacked = malloc(im->cluster)))
        return ENOMEM;
    q->unpacked_entry = 0;
    qcow2_packed_place(q, entry, &at, &bytes);
    packed = malloc(bytes);
    if (!packed)
        return ENOMEM;
    e = file_read(im->file, at, packed, bytes);
    if (!e && !unpack(q->compression, packed, bytes, q->unpacked, im->cluster))
        e = image_bad(im, "the compressed cluster at offset 0x%llx does not unpack",
                      (unsigned long long)at);
    free(packed);
    if (!e)
        q->unpacked_entry = entry;
    return e;
}

int qcow2_read_compressed(struct image *im, const struct image_extent *e, uint64_t offset,
                          void *buf, size_t len)
{
    struct qcow2 *q = im->state;
    int error;

    pthread_mutex_lock(&q->unpacked_lock);
    error = load_cluster(im, e->cookie);
    if (!error)
        memcpy(buf, q->unpacked + (offset & (im->cluster - 1)), len);
    pthread_mutex_unlock(&q->unpacked_lock);
    return error;
}

/* ---- writing ---- */

static size_t pack(uint8_t type, const uint8_t *from, size_t len, uint8_t *to, size_t room)
{
#if CONFIG_ZSTD
    if (type == TYPE_ZSTD)
        return pack_zstd(from, len, to, room);
#endif
#if CONFIG_ZLIB
    if (type == TYPE_ZLIB)
        return pack_zlib(from, len, to, room);
#endif
    (void)type;
    (void)from;
    (void)len;
    (void)to;
    (void)room;
    return 0;
}

/* The cluster is packed's last one, and may be referred to once more. */
static bool room_in(struct image *im, uint64_t cluster)
{
    struct qcow2 *q = im->state;
    uint64_t count;

    return qcow2_get_refcount(im, cluster, &count) == 0 && count && count < qcow2_refcount_max(q);
}

/* Finds `bytes` behind the last compressed cluster, going on into the next host cluster if that is
 * free, and refers to the clusters. */
static int place_packed(struct image *im, uint64_t bytes, uint64_t *at)
{
    struct qcow2 *q = im->state;
    uint64_t here = q->packed_next >> q->cluster_bits, count;
    uint64_t used = q->packed_next & (im->cluster - 1);
    int e = EEXIST;

    if (used && room_in(im, here))
        e = bytes > im->cluster - used ? qcow2_alloc_at(im, here + 1) : 0;
    if (e == EEXIST) {
        e = qcow2_alloc(im, 1, at);
    } else if (!e) {
        *at = q->packed_next;
        e = qcow2_get_refcount(im, here, &count);
        if (!e)
            e = qcow2_set_refcount(im, here, count + 1);
    }
    q->packed_next = e ? 0 : *at + bytes;
    return e;
}

static int store_packed(struct image *im, uint64_t offset, const uint8_t *packed, uint64_t bytes)
{
    struct qcow2 *q = im->state;
    uint64_t at = 0, sectors, entry;
    unsigned x = 62 - (q->cluster_bits - 8);
    struct table *l2;
    uint32_t index;
    int e = place_packed(im, bytes, &at);

    if (!e && at >> x)
        e = EFBIG;
    if (!e)
        e = file_write(im->file, at, packed, bytes);
    if (!e)
        e = qcow2_l2_for_write(im, offset, &l2, &index);
    if (e)
        return e;
    if (q->file_end < at + bytes)
        q->file_end = at + bytes;
    sectors = ((at + bytes - 1) >> 9) - (at >> 9);
    entry = ld_be64(l2->data + index * 8ull);
    st_be64(l2->data + index * 8ull, QE_COMPRESSED | sectors << x | at);
    tables_dirty(&q->l2, l2);
    im->metadata_dirty = true;
    return qcow2_free_entry(im, entry);
}

int qcow2_write_compressed(struct image *im, uint64_t offset, const void *cluster)
{
    struct qcow2 *q = im->state;
    uint8_t *packed;
    size_t n;
    int e;

    if (!qcow2_has_compression(q->compression))
        return ENOTSUP;
    packed = malloc(im->cluster);
    if (!packed)
        return ENOMEM;
    n = pack(q->compression, cluster, im->cluster, packed, im->cluster - 1);
    e = n ? store_packed(im, offset, packed, n) : E2BIG;
    free(packed);
    return e;
}
