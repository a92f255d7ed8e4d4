/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VirtualBox disk images: a header, a map of blocks, blocks. Little-endian; fields as VirtualBox's
 * VDICore.h has them. Differencing and undo images are refused. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/options.h"
#include "base/size.h"
#include "host/block/format.h"
#include "host/block/tables.h"

#define VDI_SIGNATURE 0xbeda107fu
#define VDI_VERSION   0x00010001u
#define VDI_HEADER    512u
#define VDI_UNUSED    0xffffffffu
#define VDI_ZEROS     0xfffffffeu
#define BLOCK_DEFAULT (1u << 20)
#define MAP_BYTES_MAX (1u << 30)

enum {
    V_TEXT = 0x00,
    V_SIGNATURE = 0x40,
    V_VERSION = 0x44,
    V_HEADER_SIZE = 0x48,
    V_TYPE = 0x4c,
    V_MAP = 0x154,
    V_DATA = 0x158,
    V_SECTOR_SIZE = 0x168,
    V_SIZE = 0x170,
    V_BLOCK_SIZE = 0x178,
    V_BLOCK_EXTRA = 0x17c,
    V_BLOCKS = 0x180,
    V_ALLOCATED = 0x184,
    V_UUID = 0x188,
    V_UUID_SNAPSHOT = 0x198,
    V_UUID_LINK = 0x1a8,
    V_UUID_PARENT = 0x1b8,
};

enum { TYPE_DYNAMIC = 1, TYPE_STATIC = 2 };

struct vdi {
    uint32_t map_at, data_at, blocks, allocated;
    uint8_t *map; /* as in the file */
    struct changed_entries changed;
};

#define refuse(im, err, ...) (error_set(err, __VA_ARGS__), error_prefix(err, "%s", (im)->path))

static bool vdi_probe(const struct image_probe *p)
{
    return ld_le32(p->head + V_SIGNATURE) == VDI_SIGNATURE;
}

static bool is_null(const uint8_t uuid[16])
{
    static const uint8_t zeros[16];

    return memcmp(uuid, zeros, 16) == 0;
}

static bool read_header(struct image *im, const uint8_t *h, struct error *err)
{
    struct vdi *v = im->state;
    uint32_t type = ld_le32(h + V_TYPE);

    if (ld_le32(h + V_SIGNATURE) != VDI_SIGNATURE)
        return refuse(im, err, "is no VDI image");
    if (ld_le32(h + V_VERSION) >> 16 != 1)
        return refuse(im, err, "VDI version %u.%u; 1.1 is expected", ld_le32(h + V_VERSION) >> 16,
                      ld_le32(h + V_VERSION) & 0xffff);
    if ((type != TYPE_DYNAMIC && type != TYPE_STATIC) || !is_null(h + V_UUID_LINK) ||
        !is_null(h + V_UUID_PARENT))
        return refuse(im, err,
                      "is based on another VDI image (type %u), which is not in this "
                      "version",
                      type);
    im->size = ld_le64(h + V_SIZE);
    im->cluster = ld_le32(h + V_BLOCK_SIZE);
    v->map_at = ld_le32(h + V_MAP);
    v->data_at = ld_le32(h + V_DATA);
    v->blocks = ld_le32(h + V_BLOCKS);
    v->allocated = ld_le32(h + V_ALLOCATED);
    if (im->cluster < 4096 || im->cluster > 64u << 20 || im->cluster & (im->cluster - 1))
        return refuse(im, err, "blocks of %u bytes; a power of two, 4K to 64M, is expected",
                      im->cluster);
    if (ld_le32(h + V_SECTOR_SIZE) != 512 || ld_le32(h + V_BLOCK_EXTRA) != 0)
        return refuse(im, err,
                      "sectors of %u bytes with %u extra bytes in a block; 512 and 0 are "
                      "expected",
                      ld_le32(h + V_SECTOR_SIZE), ld_le32(h + V_BLOCK_EXTRA));
    if (im->size > (uint64_t)v->blocks * im->cluster)
        return refuse(im, err, "its map has %u blocks, too few for its size of %" PRIu64, v->blocks,
                      im->size);
    if (v->map_at % 512 || v->data_at % 512 || v->map_at < VDI_HEADER ||
        v->data_at < v->map_at + v->blocks * 4ull)
        return refuse(im, err, "its map at offset 0x%x and data at offset 0x%x overlap", v->map_at,
                      v->data_at);
    return true;
}

/* Which blocks are given away is in the map; the header's number may be older. */
static bool check_map(struct image *im, struct error *err)
{
    struct vdi *v = im->state;
    uint64_t size = file_size(im->file);
    uint32_t end = 0;

    for (uint32_t n = 0; n < v->blocks; n++) {
        uint32_t b = ld_le32(v->map + n * 4ull);

        if (b >= VDI_ZEROS)
            continue;
        if (b >= v->blocks)
            return refuse(im, err,
                          "map entry %u at offset 0x%" PRIx64 " is %u, more than there "
                          "are blocks",
                          n, (uint64_t)v->map_at + n * UINT64_C(4), b);
        if (v->data_at + (uint64_t)b * im->cluster >= size)
            return refuse(im, err,
                          "block %u, of map entry %u, is outside the file; is it truncated?", b, n);
        end = b >= end ? b + 1 : end;
    }
    if (v->allocated < end || v->allocated > v->blocks)
        v->allocated = end;
    return true;
}

static bool vdi_open(struct image *im, struct error *err)
{
    struct vdi *v = calloc(1, sizeof(*v));
    uint8_t h[VDI_HEADER];
    uint64_t bytes;

    if (!v)
        return refuse(im, err, "out of memory");
    im->state = v;
    if (file_read_all(im->file, 0, h, sizeof(h)) != 0)
        return refuse(im, err, "is too short for a VDI header");
    if (!read_header(im, h, err))
        return false;
    bytes = v->blocks * 4ull;
    if (bytes > MAP_BYTES_MAX || v->map_at + bytes > file_size(im->file))
        return refuse(im, err,
                      "its map of %u blocks at offset 0x%x goes beyond the end of the "
                      "file; is it truncated?",
                      v->blocks, v->map_at);
    v->map = malloc(((bytes + 511) & ~511ull) + 1);
    if (!v->map || file_read_all(im->file, v->map_at, v->map, bytes) != 0)
        return refuse(im, err, "its map cannot be read");
    return check_map(im, err);
}

static int vdi_close(struct image *im)
{
    struct vdi *v = im->state;

    if (v)
        free(v->map);
    free(v);
    return 0;
}

static int vdi_locate(struct image *im, uint64_t offset, uint64_t len, struct image_extent *e)
{
    struct vdi *v = im->state;
    uint64_t in_block = offset & (im->cluster - 1);
    uint32_t b = ld_le32(v->map + offset / im->cluster * 4);

    e->length = len < im->cluster - in_block ? len : im->cluster - in_block;
    e->kind = b == VDI_UNUSED ? IMAGE_HOLE : b == VDI_ZEROS ? IMAGE_ZERO : IMAGE_DATA;
    e->file = im->file;
    e->file_offset = v->data_at + (uint64_t)b * im->cluster + in_block;
    return 0;
}

static int vdi_allocate(struct image *im, uint64_t offset, const struct image_fill *fill)
{
    struct vdi *v = im->state;
    uint32_t n = (uint32_t)(offset / im->cluster);
    uint64_t at = v->data_at + (uint64_t)v->allocated * im->cluster;
    int e = 0;

    if (v->allocated >= v->blocks)
        return image_bad(im, "all blocks are given away, but map entry %u has none", n);
    if (fill->from || fill->to < im->cluster) /* left there by a crash */
        e = file_zero(im->file, at, im->cluster, false);
    if (!e)
        e = file_write(im->file, at + fill->from, fill->data, fill->to - fill->from);
    if (!e && file_size(im->file) < at + im->cluster)
        e = file_resize(im->file, at + im->cluster);
    if (e)
        return e;
    st_le32(v->map + n * 4ull, v->allocated++);
    changed_add(&v->changed, n);
    im->metadata_dirty = true;
    return 0;
}

static int vdi_flush(struct image *im)
{
    struct vdi *v = im->state;
    uint8_t count[4];
    int e = file_flush(im->file);

    st_le32(count, v->allocated);
    if (!e)
        e = file_write(im->file, V_ALLOCATED, count, 4);
    if (!e) /* the header never counts fewer blocks than the map has */
        e = file_flush(im->file);
    if (!e)
        e = changed_write(&v->changed, im->file, v->map_at, v->map);
    if (!e)
        im->metadata_dirty = false;
    return e;
}

/* ---- new images ---- */

static void make_header(uint8_t *h, uint64_t size, uint32_t blocks, uint64_t data_at, bool fixed)
{
    snprintf((char *)h, 64, "<<< Calque VirtualBox Disk Image >>>\n");
    st_le32(h + V_SIGNATURE, VDI_SIGNATURE);
    st_le32(h + V_VERSION, VDI_VERSION);
    st_le32(h + V_HEADER_SIZE, 0x190);
    st_le32(h + V_TYPE, fixed ? TYPE_STATIC : TYPE_DYNAMIC);
    st_le32(h + V_MAP, VDI_HEADER);
    st_le32(h + V_DATA, (uint32_t)data_at);
    st_le32(h + V_SECTOR_SIZE, 512);
    st_le64(h + V_SIZE, size);
    st_le32(h + V_BLOCK_SIZE, BLOCK_DEFAULT);
    st_le32(h + V_BLOCKS, blocks);
    st_le32(h + V_ALLOCATED, fixed ? blocks : 0);
    (void)!getrandom(h + V_UUID, 16, 0);
    (void)!getrandom(h + V_UUID_SNAPSHOT, 16, 0);
}

static int write_new(struct block_file *f, uint64_t size, bool fixed)
{
    uint64_t blocks = (size + BLOCK_DEFAULT - 1) / BLOCK_DEFAULT;
    uint64_t bytes = (blocks * 4 + 511) & ~511ull, data_at = (VDI_HEADER + bytes + 4095) & ~4095ull;
    uint8_t *h = calloc(1, VDI_HEADER + bytes);
    int e;

    if (!h)
        return ENOMEM;
    make_header(h, size, (uint32_t)blocks, data_at, fixed);
    for (uint64_t n = 0; n < blocks; n++)
        st_le32(h + VDI_HEADER + n * 4, fixed ? (uint32_t)n : VDI_UNUSED);
    e = file_write(f, 0, h, VDI_HEADER + bytes);
    if (!e)
        e = file_resize(f, data_at + (fixed ? blocks * BLOCK_DEFAULT : 0));
    free(h);
    return e;
}

static bool vdi_create(const struct image_create *c, struct block_file *f, struct error *err)
{
    static const char *const known[] = {"size", "static", NULL};
    bool fixed = false;
    int e;

    if (!option_list_check(c->options, known, err) ||
        !option_get_bool(c->options, "static", &fixed, err))
        return error_prefix(err, "%s", c->path);
    if (c->size / BLOCK_DEFAULT >= MAP_BYTES_MAX / 4)
        return error_set(err, "%s: VDI images have at most 255 TiB", c->path);
    e = write_new(f, c->size, fixed);
    return !e || error_set(err, "%s: %s", c->path, strerror(e));
}

/* ---- check ---- */

static int vdi_check(struct image *im, struct image_check *c, enum image_repair repair)
{
    struct vdi *v = im->state;
    uint8_t *seen = calloc(1, v->blocks + 1ull), count[4];
    uint64_t end = file_size(im->file);
    char text[120];

    (void)repair;
    if (!seen)
        return ENOMEM;
    c->total = v->blocks;
    for (uint32_t n = 0; n < v->blocks; n++) {
        uint32_t b = ld_le32(v->map + n * 4ull);
        const char *what = NULL;

        if (b >= VDI_ZEROS)
            continue;
        c->allocated++;
        if (seen[b])
            what = "is used twice";
        else if (v->data_at + (uint64_t)b * im->cluster >= end)
            what = "is behind the end of the file";
        seen[b] = 1;
        snprintf(text, sizeof(text), "ERROR: block %u of map entry %u %s", b, n, what ? what : "");
        if (what && c->say)
            c->say(c->opaque, text);
        c->corruptions += what != NULL;
    }
    free(seen);
    if (file_read_all(im->file, V_ALLOCATED, count, 4) == 0 && ld_le32(count) < c->allocated) {
        c->corruptions++;
        if (c->say)
            c->say(c->opaque, "ERROR: the header counts fewer blocks than are in the map");
    }
    c->end = end;
    return 0;
}

const struct image_format vdi_format = {
    .name = "vdi",
    .options = "  size=SIZE             virtual size\n"
               "  static=on|off         all blocks have their place from the beginning; off\n",
    .probe = vdi_probe,
    .open = vdi_open,
    .close = vdi_close,
    .locate = vdi_locate,
    .allocate = vdi_allocate,
    .flush = vdi_flush,
    .create = vdi_create,
    .check = vdi_check,
};
