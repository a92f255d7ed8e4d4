/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMDK: sparse extents: a grain directory, grain tables (mostly twice), grains. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#if CONFIG_ZLIB
#include <zlib.h>
#endif

#include "host/block/vmdk.h"

#define GT_CACHE   (1u << 20) /* bytes of tables in memory */
#define PACKED_MAX (4u << 20) /* a compressed grain with its marker */
#define MARKER     12u        /* sector u64, size u32 */

/* ---- opening ---- */

static bool read_header(struct image *im, struct vmdk_extent *x, uint8_t *h, struct error *err)
{
    uint64_t capacity, grain, ngd;

    if (file_read_all(x->file, 0, h, M_HEADER) != 0 || ld_le32(h) != VMDK_MAGIC)
        return vmdk_refuse(im, err, "%s: is no sparse VMDK extent", x->file->path);
    if (ld_le64(h + M_GD) == GD_AT_END) { /* the header with the offsets is in the footer */
        uint64_t size = file_size(x->file);

        if (size < 1536 || file_read_all(x->file, size - 1024, h, M_HEADER) != 0 ||
            ld_le32(h) != VMDK_MAGIC || ld_le64(h + M_GD) == GD_AT_END)
            return vmdk_refuse(im, err, "%s: has no footer; is it truncated?", x->file->path);
    }
    if (ld_le32(h + M_VERSION) < 1 || ld_le32(h + M_VERSION) > 3)
        return vmdk_refuse(im, err, "VMDK version %u; 1 to 3 is expected", ld_le32(h + M_VERSION));
    x->flags = ld_le32(h + M_FLAGS);
    capacity = ld_le64(h + M_CAPACITY);
    grain = ld_le64(h + M_GRAIN);
    x->gtes = ld_le32(h + M_GTES);
    if (capacity > INT64_MAX / 512)
        return vmdk_refuse(im, err, "its size is over 2^63");
    if (grain < 8 || grain > 4096 || grain & (grain - 1))
        return vmdk_refuse(im, err,
                           "grains of %" PRIu64 " sectors; a power of two, 8 to 4096, is "
                           "expected",
                           grain);
    if (x->gtes < 128 || x->gtes > 65536 || x->gtes & (x->gtes - 1))
        return vmdk_refuse(im, err, "grain tables of %u entries; 512 are expected", x->gtes);
    ngd = (capacity + grain * x->gtes - 1) / (grain * x->gtes);
    if (ngd > VMDK_GD_MAX)
        return vmdk_refuse(im, err, "a grain directory of %" PRIu64 " entries is more than %u", ngd,
                           VMDK_GD_MAX);
    x->size = capacity * 512;
    x->grain = (uint32_t)grain * 512;
    x->ngd = (uint32_t)ngd;
    x->gd_at = ld_le64(h + M_GD) * 512;
    x->rgd_at = x->flags & MF_REDUNDANT ? ld_le64(h + M_RGD) * 512 : 0;
    if (x->flags & MF_COMPRESSED && ld_le16(h + M_COMPRESSION) != 1)
        return vmdk_refuse(im, err, "compression %u is not known", ld_le16(h + M_COMPRESSION));
    return true;
}

static uint32_t *read_directory(struct image *im, struct vmdk_extent *x, uint64_t at,
                                struct error *err)
{
    uint32_t *d = calloc(x->ngd + 1ull, 4);

    if (d && at <= FILE_SIZE_MAX && file_read_all(x->file, at, d, x->ngd * 4ull) == 0) {
        for (uint32_t n = 0; n < x->ngd; n++)
            d[n] = ld_le32(&d[n]);
        return d;
    }
    free(d);
    (void)vmdk_refuse(im, err,
                      "%s: its grain directory at offset 0x%" PRIx64 " goes beyond the "
                      "end of the file; is it truncated?",
                      x->file->path, at);
    return NULL;
}

static char *read_embedded(struct vmdk_extent *x, const uint8_t *h)
{
    uint64_t at = ld_le64(h + M_DESCRIPTOR), sectors = ld_le64(h + M_DESCRIPTOR_SIZE);
    char *text;

    if (!at || at > FILE_SIZE_MAX / 512 || sectors > VMDK_DESCRIPTOR / 512)
        return NULL;
    text = calloc(1, sectors * 512 + 1);
    if (text && file_read(x->file, at * 512, text, sectors * 512) != 0)
        text[0] = 0;
    return text;
}

static int make_clean(void *opaque)
{
    return vmdk_flush_sparse(opaque);
}

bool vmdk_open_sparse(struct image *im, struct vmdk_extent *x, char **embedded, struct error *err)
{
    uint8_t h[M_HEADER], first[M_HEADER];

    if (!read_header(im, x, h, err) || !(x->gd = read_directory(im, x, x->gd_at, err)) ||
        (x->rgd_at && !(x->rgd = read_directory(im, x, x->rgd_at, err))))
        return false;
    if (!tables_init(&x->gts, x->file, x->gtes * 4, GT_CACHE, make_clean, NULL))
        return vmdk_refuse(im, err, "out of memory");
    x->end = (file_size(x->file) + x->grain - 1) & ~(uint64_t)(x->grain - 1);
    if (embedded && file_read_all(x->file, 0, first, M_HEADER) == 0)
        *embedded = read_embedded(x, first);
    return true;
}

void vmdk_close_sparse(struct vmdk_extent *x)
{
    tables_free(&x->gts);
    free(x->gd);
    free(x->rgd);
}

/* ---- finding grains ---- */

/* *t NULL: no table, its grains are not there. */
static int get_table(struct image *im, struct vmdk_extent *x, uint64_t offset, struct table **t,
                     uint32_t *index)
{
    uint64_t g = (offset - x->start) / x->grain;
    uint64_t at = x->gd[g / x->gtes] * 512ull;
    int e;

    *index = (uint32_t)(g % x->gtes);
    *t = NULL;
    if (!at)
        return 0;
    x->gts.opaque = x; /* the extents may have moved since they were opened */
    e = tables_get(&x->gts, at, t);
    return e == EIO ? image_bad(im,
                                "%s: the grain table at offset 0x%" PRIx64 " is behind the end "
                                "of the file",
                                x->file->path, at)
                    : e;
}

int vmdk_locate_sparse(struct image *im, struct vmdk_extent *x, uint64_t offset, uint64_t len,
                       struct image_extent *e)
{
    struct vmdk *v = im->state;
    uint64_t in_grain = (offset - x->start) & (x->grain - 1);
    struct table *t;
    uint32_t index, sector;
    int error;

    pthread_mutex_lock(&v->lock);
    error = get_table(im, x, offset, &t, &index);
    sector = !error && t ? ld_le32(t->data + index * 4ull) : 0;
    pthread_mutex_unlock(&v->lock);
    e->length = len < x->grain - in_grain ? len : x->grain - in_grain;
    e->file = x->file;
    e->file_offset = sector * 512ull + in_grain;
    e->cookie = sector;
    e->kind = IMAGE_DATA;
    if (!sector)
        e->kind = IMAGE_HOLE;
    else if (sector == GTE_ZERO && x->flags & MF_ZERO_GRAIN)
        e->kind = IMAGE_ZERO;
    else if (x->flags & MF_COMPRESSED)
        e->kind = IMAGE_COMPRESSED;
    else if (sector * 512ull >= x->end)
        error = image_bad(im, "%s: the grain at offset 0x%" PRIx64 " is behind the end of the file",
                          x->file->path, (uint64_t)sector * 512);
    return error;
}

/* ---- compressed grains ---- */

static bool unpack(const uint8_t *from, size_t size, uint8_t *to, size_t room)
{
#if CONFIG_ZLIB
    uLongf n = room;
    int e = uncompress(to, &n, from, size);

    memset(to + n, 0, room - n); /* the last grain may be short */
    return e == Z_OK;
#else
    (void)from;
    (void)size;
    (void)to;
    (void)room;
    return false;
#endif
}

int vmdk_read_compressed(struct image *im, const struct image_extent *e, uint64_t offset, void *buf,
                         size_t len)
{
    uint64_t at = e->cookie * 512;
    uint8_t marker[MARKER], *packed, *grain;
    uint32_t size;
    int error = file_read_all(e->file, at, marker, MARKER);

    size = ld_le32(marker + 8);
    if (error || !size || size > PACKED_MAX)
        return error == EIO || !error
                   ? image_bad(im, "the compressed grain at offset 0x%" PRIx64 " is damaged", at)
                   : error;
    packed = malloc(size);
    grain = malloc(im->cluster);
    error = packed && grain ? file_read_all(e->file, at + MARKER, packed, size) : ENOMEM;
    if (!error && !unpack(packed, size, grain, im->cluster))
        error = EIO;
    if (!error)
        memcpy(buf, grain + (offset & (im->cluster - 1)), len);
    free(packed);
    free(grain);
    return error == EIO
               ? image_bad(im, "the compressed grain at offset 0x%" PRIx64 " does not unpack", at)
               : error;
}

/* ---- new grains ---- */

/* At the end of the file, where nothing was written. */
static int new_table(struct image *im, struct vmdk_extent *x, uint32_t n)
{
    uint64_t bytes = (x->gtes * 4ull + 511) & ~511ull;
    uint64_t at = x->end, end = at + bytes * (x->rgd ? 2 : 1);
    struct table *t;
    int e;

    end = (end + x->grain - 1) & ~(uint64_t)(x->grain - 1);
    if (end / 512 > UINT32_MAX)
        return EFBIG;
    e = file_resize(x->file, end);
    if (!e)
        e = tables_new(&x->gts, at, &t);
    if (e)
        return e;
    x->gd[n] = (uint32_t)(at / 512);
    if (x->rgd)
        x->rgd[n] = (uint32_t)((at + bytes) / 512);
    x->end = end;
    x->gd_dirty = true;
    im->metadata_dirty = true;
    return 0;
}

int vmdk_allocate_sparse(struct image *im, struct vmdk_extent *x, uint64_t offset,
                         const struct image_fill *fill)
{
    uint64_t at;
    struct table *t;
    uint32_t index;
    int e = get_table(im, x, offset, &t, &index);

    if (!e && !t) {
        e = new_table(im, x, (uint32_t)((offset - x->start) / x->grain / x->gtes));
        if (!e)
            e = get_table(im, x, offset, &t, &index);
    }
    if (!e && !t)
        e = EIO;
    at = x->end;
    if (!e && (at + x->grain) / 512 > UINT32_MAX)
        e = EFBIG;
    if (!e)
        e = file_write(x->file, at + fill->from, fill->data, fill->to - fill->from);
    if (!e && fill->to < x->grain)
        e = file_resize(x->file, at + x->grain);
    x->end = at + x->grain; /* what failed half-way is left alone */
    if (e)
        return e;
    st_le32(t->data + index * 4ull, (uint32_t)(at / 512));
    tables_dirty(&x->gts, t);
    im->metadata_dirty = true;
    return 0;
}

/* ---- order: grains, tables, directories ---- */

static int write_copies(struct vmdk_extent *x)
{
    int e = 0;

    for (uint32_t n = 0; n < x->gts.count && !e; n++) {
        const struct table *t = &x->gts.table[n];

        if (!t->offset || !t->dirty)
            continue;
        for (uint32_t g = 0; g < x->ngd && !e; g++)
            if (x->gd[g] == t->offset / 512 && x->rgd[g])
                e = file_write(x->file, x->rgd[g] * 512ull, t->data, x->gtes * 4ull);
    }
    return e;
}

static int write_directory(struct vmdk_extent *x, const uint32_t *d, uint64_t at)
{
    uint8_t *bytes = malloc(x->ngd * 4ull + 1);
    int e = ENOMEM;

    for (uint32_t n = 0; bytes && n < x->ngd; n++)
        st_le32(bytes + n * 4ull, d[n]);
    if (bytes)
        e = file_write(x->file, at, bytes, x->ngd * 4ull);
    free(bytes);
    return e;
}

int vmdk_flush_sparse(struct vmdk_extent *x)
{
    int e = 0;

    if (x->gts.ndirty)
        e = file_flush(x->file);
    if (!e && x->rgd)
        e = write_copies(x);
    if (!e)
        e = tables_write(&x->gts);
    if (!e && x->gd_dirty) {
        e = file_flush(x->file);
        if (!e && x->rgd)
            e = write_directory(x, x->rgd, x->rgd_at);
        if (!e)
            e = write_directory(x, x->gd, x->gd_at);
        x->gd_dirty = e != 0;
    }
    return e;
}

/* ---- check ---- */

int vmdk_check_sparse(struct image *im, struct vmdk_extent *x, struct image_check *c)
{
    uint64_t size = file_size(x->file), grains = (size + x->grain - 1) / x->grain;
    uint8_t *seen = calloc(1, grains + 1);
    struct image_extent e;
    int error = 0;

    if (!seen)
        return ENOMEM;
    for (uint64_t at = x->start; at < x->start + x->size && !error; at += x->grain) {
        uint64_t g;

        c->total++;
        error = vmdk_locate_sparse(im, x, at, 1, &e);
        g = e.cookie * 512 / x->grain;
        if (error == EIO) {
            c->corruptions++;
            error = 0;
        } else if (e.kind == IMAGE_COMPRESSED) {
            c->compressed++;
            c->allocated++;
        } else if (e.kind == IMAGE_DATA) {
            c->allocated++;
            if (seen[g] && e.cookie * 512 % x->grain == 0) {
                c->corruptions++;
                if (c->say)
                    c->say(c->opaque, "ERROR: a grain is used twice");
            }
            seen[g] = 1;
        }
    }
    c->end = size;
    free(seen);
    return error;
}
