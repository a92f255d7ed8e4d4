/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtual PC and Hyper-V images (Microsoft, Virtual Hard Disk Image Format Specification 1.0):
 * fixed and dynamic; differencing ones are read. Big-endian.
 *
 * A dynamic image ends with a footer, of which there is a copy at the beginning. A new block is
 * put where the footer is, so the footer is first written behind the block-to-be.
 *
 * A differencing image has the sectors that its blocks' bitmaps say, and those of its parent. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/options.h"
#include "host/block/bigendian.h"
#include "host/block/format.h"
#include "host/block/tables.h"

#define FOOTER        512u
#define HEADER        1024u
#define BLOCK_DEFAULT (2u << 20)
#define UNUSED        0xffffffffu
#define SIZE_MAX_VHD  (2040ull << 30)
#define EPOCH         946684800 /* 2000-01-01, in seconds since 1970 */
#define CHS_MAX       (65535ull * 16 * 255)

enum {
    F_COOKIE = 0,
    F_FEATURES = 8,
    F_VERSION = 12,
    F_DATA_OFFSET = 16,
    F_TIME = 24,
    F_CREATOR = 28,
    F_CREATOR_VERSION = 32,
    F_CREATOR_OS = 36,
    F_ORIGINAL_SIZE = 40,
    F_SIZE = 48,
    F_CYLINDERS = 56,
    F_HEADS = 58,
    F_SECTORS = 59,
    F_TYPE = 60,
    F_CHECKSUM = 64,
    F_UUID = 68,
};
enum {
    D_COOKIE = 0,
    D_DATA_OFFSET = 8,
    D_TABLE_OFFSET = 16,
    D_VERSION = 24,
    D_ENTRIES = 28,
    D_BLOCK_SIZE = 32,
    D_CHECKSUM = 36,
    D_PARENT_UUID = 40,
    D_PARENT_NAME = 64, /* UTF-16, big-endian */
    D_LOCATORS = 576,
};
/* An entry of the parent locator table. */
enum { L_PLATFORM = 0, L_LENGTH = 8, L_OFFSET = 16, L_SIZE = 24, L_COUNT = 8 };
#define PLATFORM_W2RU 0x57327275u /* a relative path, UTF-16, little-endian */
#define NAME_UNITS    256u
enum { TYPE_FIXED = 2, TYPE_DYNAMIC = 3, TYPE_DIFFERENCING = 4 };

struct vhd {
    uint8_t footer[FOOTER];
    bool fixed, differencing;
    uint8_t parent[16];       /* its UUID */
    uint64_t table_at, end;   /* end: where the next block goes */
    uint32_t entries, bitmap; /* bytes of the bitmap in front of a block */
    uint8_t *table;           /* as in the file */
    struct changed_entries changed;
};

#define refuse(im, err, ...) (error_set(err, __VA_ARGS__), error_prefix(err, "%s", (im)->path))

/* Of all bytes but the checksum itself, complemented. */
static uint32_t checksum(const uint8_t *p, size_t len, size_t at)
{
    uint32_t sum = 0;

    for (size_t n = 0; n < len; n++)
        if (n < at || n >= at + 4)
            sum += p[n];
    return ~sum;
}

static bool is_footer(const uint8_t *p)
{
    return memcmp(p, "conectix", 8) == 0;
}

static bool good_footer(const uint8_t *p)
{
    return is_footer(p) && ld_be32(p + F_CHECKSUM) == checksum(p, FOOTER, F_CHECKSUM);
}

/* A fixed image has its only footer at the end, where a raw disk might have anything: that one must
 * be right in all it says. */
static bool vhd_probe(const struct image_probe *p)
{
    return is_footer(p->head) ||
           (p->size > FOOTER && good_footer(p->tail) && ld_be32(p->tail + F_TYPE) == TYPE_FIXED &&
            ld_be64(p->tail + F_SIZE) <= p->size - FOOTER);
}

/* Virtual PC and old QEMU show the disk that the geometry describes; the others the size. */
static uint64_t size_of(const uint8_t *f)
{
    static const char exact[][5] = {"win ", "qem2", "d2v ", "tap", "vs  "};
    uint64_t chs = (uint64_t)ld_be16(f + F_CYLINDERS) * f[F_HEADS] * f[F_SECTORS];

    for (size_t n = 0; n < ARRAY_SIZE(exact); n++)
        if (memcmp(f + F_CREATOR, exact[n], 4) == 0)
            return ld_be64(f + F_SIZE);
    return chs && chs < CHS_MAX ? chs * 512 : ld_be64(f + F_SIZE);
}

static bool open_fixed(struct image *im, struct error *err)
{
    struct vhd *v = im->state;

    v->fixed = true;
    im->cluster = 0;
    im->holes = true;
    if (im->size > file_size(im->file) - FOOTER)
        return refuse(im, err,
                      "its size is %" PRIu64 " bytes, but the file has %" PRIu64
                      "; is it truncated?",
                      im->size, file_size(im->file));
    return true;
}

static bool check_table(struct image *im, struct error *err)
{
    struct vhd *v = im->state;
    uint64_t size = file_size(im->file), header = ld_be64(v->footer + F_DATA_OFFSET);
    uint64_t table_end = v->table_at + v->entries * 4ull;
    uint8_t last[FOOTER];

    v->end = v->table_at + ((v->entries * 4ull + 511) & ~511ull);
    for (uint32_t n = 0; n < v->entries; n++) {
        uint64_t at = ld_be32(v->table + n * 4ull) * 512ull;

        if (at == UNUSED * 512ull)
            continue;
        if (at < FOOTER || at >= size)
            return refuse(im, err,
                          "block %u at offset 0x%" PRIx64 " is outside the file; is it "
                          "truncated?",
                          n, at);
        if ((at < table_end && at + v->bitmap + im->cluster > v->table_at) ||
            (at < header + HEADER && at + v->bitmap + im->cluster > header))
            return refuse(im, err, "block %u at offset 0x%" PRIx64 " lies on metadata", n, at);
        if (at + v->bitmap + im->cluster > v->end)
            v->end = at + v->bitmap + im->cluster;
    }
    /* What is behind the last block but the footer was left by a crash. */
    if (size % 512 == 0 && size - FOOTER > v->end &&
        file_read_all(im->file, size - FOOTER, last, FOOTER) == 0 && good_footer(last))
        v->end = size - FOOTER;
    else if (size > v->end + FOOTER)
        v->end = (size + 511) & ~511ull;
    return true;
}

/* ---- the parent of a differencing image ---- */

/* UTF-16 as UTF-8, up to a zero; a path of Windows as one of ours. */
static void read_name(const uint8_t *p, unsigned units, bool big, char *out, size_t size)
{
    size_t n = 0;

    for (unsigned i = 0; i < units && n + 5 < size; i++) {
        uint32_t c = big ? ld_be16(p + 2 * i) : ld_le16(p + 2 * i), low = 0;

        if (!c)
            break;
        if (c >= 0xd800 && c < 0xdc00 && i + 1 < units)
            low = big ? ld_be16(p + 2 * i + 2) : ld_le16(p + 2 * i + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
            i++;
        }
        if (c < 0x80) {
            out[n++] = c == '\\' ? '/' : (char)c;
        } else if (c < 0x800) {
            out[n++] = (char)(0xc0 | c >> 6);
            out[n++] = (char)(0x80 | (c & 0x3f));
        } else {
            if (c >= 0x10000)
                out[n++] = (char)(0xf0 | c >> 18);
            out[n++] = (char)(c >= 0x10000 ? 0x80 | (c >> 12 & 0x3f) : 0xe0 | c >> 12);
            out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
            out[n++] = (char)(0x80 | (c & 0x3f));
        }
    }
    out[n] = 0;
}

/* The relative path that a locator has. */
static bool relative_name(struct image *im, const uint8_t *h, char *out, size_t size)
{
    uint8_t text[2 * NAME_UNITS];

    for (unsigned n = 0; n < L_COUNT; n++) {
        const uint8_t *l = h + D_LOCATORS + n * L_SIZE;
        uint32_t length = ld_be32(l + L_LENGTH);
        uint64_t at = ld_be64(l + L_OFFSET);

        if (ld_be32(l + L_PLATFORM) != PLATFORM_W2RU || !length || length > sizeof(text) ||
            at > FILE_SIZE_MAX || file_read_all(im->file, at, text, length) != 0)
            continue;
        read_name(text, length / 2, false, out, size);
        return *out;
    }
    return false;
}

/* Without a relative path the parent's own name, in this image's folder. */
static bool find_parent(struct image *im, const uint8_t *h, struct error *err)
{
    struct vhd *v = im->state;
    char name[IMAGE_NAME_MAX], *last;

    if (!im->read_only)
        return refuse(im, err,
                      "is a differencing VHD, which is only read; readonly=on, or "
                      "calque-img convert");
    v->differencing = true;
    memcpy(v->parent, h + D_PARENT_UUID, sizeof(v->parent));
    if (!relative_name(im, h, name, sizeof(name))) {
        read_name(h + D_PARENT_NAME, NAME_UNITS, true, name, sizeof(name));
        last = strrchr(name, '/');
        if (last)
            memmove(name, last + 1, strlen(last));
    }
    if (!*name)
        return refuse(im, err, "is a differencing VHD that does not name its parent");
    im->backing_name = strdup(name);
    im->backing_format = strdup("vpc");
    return (im->backing_name && im->backing_format) || refuse(im, err, "out of memory");
}

static bool vhd_check_backing(struct image *im, struct error *err)
{
    const struct vhd *v = im->state, *below = im->backing->state;

    if (im->backing->format != &vhd_format)
        return refuse(im, err, "its parent %s is no VHD image", im->backing->path);
    return !memcmp(v->parent, below->footer + F_UUID, sizeof(v->parent)) ||
           refuse(im, err, "its parent %s has another UUID than the one it was made for",
                  im->backing->path);
}

/* Sectors from `offset` on that are alike: in the block, or in the parent. */
static int locate_sectors(struct image *im, uint64_t block_at, uint64_t in_block,
                          struct image_extent *e)
{
    struct vhd *v = im->state;
    uint32_t first = (uint32_t)(in_block / 512), n = first;
    uint32_t end = (uint32_t)((in_block + e->length + 511) / 512);
    uint8_t *bitmap = malloc(v->bitmap);
    int error = bitmap ? file_read(im->file, block_at, bitmap, v->bitmap) : ENOMEM;
    bool here;

    if (!error) {
        here = bitmap[first / 8] >> (7 - first % 8) & 1;
        while (n < end && (bitmap[n / 8] >> (7 - n % 8) & 1) == here)
            n++;
        e->kind = here ? IMAGE_DATA : IMAGE_HOLE;
        if (n * 512ull - in_block < e->length)
            e->length = n * 512ull - in_block;
    }
    free(bitmap);
    return error;
}

static bool open_dynamic(struct image *im, struct error *err)
{
    struct vhd *v = im->state;
    uint64_t at = ld_be64(v->footer + F_DATA_OFFSET);
    uint8_t h[HEADER];

    if (at > FILE_SIZE_MAX || file_read_all(im->file, at, h, HEADER) != 0)
        return refuse(im, err,
                      "its dynamic disk header at offset 0x%" PRIx64 " is behind the end "
                      "of the file",
                      at);
    if (memcmp(h, "cxsparse", 8) != 0 || ld_be32(h + D_CHECKSUM) != checksum(h, HEADER, D_CHECKSUM))
        return refuse(im, err, "its dynamic disk header at offset 0x%" PRIx64 " is damaged", at);
    im->cluster = ld_be32(h + D_BLOCK_SIZE);
    v->table_at = ld_be64(h + D_TABLE_OFFSET);
    v->entries = ld_be32(h + D_ENTRIES);
    if (im->cluster < 4096 || im->cluster > 256u << 20 || im->cluster & (im->cluster - 1))
        return refuse(im, err, "blocks of %u bytes; a power of two, 4K to 256M, is expected",
                      im->cluster);
    if (im->size > (uint64_t)v->entries * im->cluster)
        return refuse(im, err, "its table has %u blocks, too few for its size of %" PRIu64,
                      v->entries, im->size);
    if (v->table_at % 512 || v->table_at > file_size(im->file) ||
        v->entries * 4ull > file_size(im->file) - v->table_at)
        return refuse(im, err,
                      "its block table at offset 0x%" PRIx64 " goes beyond the end of "
                      "the file; is it truncated?",
                      v->table_at);
    v->bitmap = (im->cluster / 512 / 8 + 511) & ~511u;
    v->table = malloc(v->entries * 4ull + 1);
    if (!v->table || file_read_all(im->file, v->table_at, v->table, v->entries * 4ull) != 0)
        return refuse(im, err, "its block table cannot be read");
    return check_table(im, err) &&
           (ld_be32(v->footer + F_TYPE) != TYPE_DIFFERENCING || find_parent(im, h, err));
}

/* A fixed disk is its sectors and the footer. */
static bool ends_fixed(const uint8_t *last, uint64_t size)
{
    return good_footer(last) && ld_be32(last + F_TYPE) == TYPE_FIXED &&
           ld_be64(last + F_SIZE) == size - FOOTER;
}

static bool vhd_open(struct image *im, struct error *err)
{
    struct vhd *v = calloc(1, sizeof(*v));
    uint64_t size = file_size(im->file);
    uint8_t last[FOOTER];

    if (!v)
        return refuse(im, err, "out of memory");
    im->state = v;
    if (size < FOOTER || file_read_all(im->file, 0, v->footer, FOOTER) != 0 ||
        file_read_all(im->file, size - FOOTER, last, FOOTER) != 0)
        return refuse(im, err, "is too short for a VHD image");
    /* The copy in front may be the one that is damaged. Of a fixed disk it is the first sector,
     * into which a guest may write what looks like one. */
    if (!good_footer(v->footer) || ends_fixed(last, size)) {
        if (!good_footer(last))
            return refuse(im, err, "has no undamaged VHD footer");
        memcpy(v->footer, last, FOOTER);
    }
    im->size = size_of(v->footer);
    switch (ld_be32(v->footer + F_TYPE)) {
    case TYPE_FIXED:
        return open_fixed(im, err);
    case TYPE_DYNAMIC:
    case TYPE_DIFFERENCING:
        return open_dynamic(im, err);
    }
    return refuse(im, err, "VHD type %u; fixed (2), dynamic (3) or differencing (4) is expected",
                  ld_be32(v->footer + F_TYPE));
}

static int vhd_close(struct image *im)
{
    struct vhd *v = im->state;

    if (v)
        free(v->table);
    free(v);
    return 0;
}

static int vhd_locate(struct image *im, uint64_t offset, uint64_t len, struct image_extent *e)
{
    struct vhd *v = im->state;
    uint64_t in_block;
    uint32_t sector;

    e->file = im->file;
    e->file_offset = offset;
    e->length = len;
    e->kind = IMAGE_DATA;
    if (v->fixed)
        return 0;
    in_block = offset & (im->cluster - 1);
    sector = ld_be32(v->table + offset / im->cluster * 4);
    if (sector == UNUSED)
        e->kind = IMAGE_HOLE;
    /* Sectors that the bitmap does not have are zeros in the block, too. */
    e->file_offset = sector * 512ull + v->bitmap + in_block;
    e->length = len < im->cluster - in_block ? len : im->cluster - in_block;
    if (v->differencing && sector != UNUSED)
        return locate_sectors(im, sector * 512ull, in_block, e);
    return 0;
}

static int vhd_allocate(struct image *im, uint64_t offset, const struct image_fill *fill)
{
    struct vhd *v = im->state;
    uint32_t n = (uint32_t)(offset / im->cluster);
    uint64_t at = v->end, end = at + v->bitmap + im->cluster;
    uint8_t *bitmap;
    int e;

    if (end / 512 >= UNUSED)
        return EFBIG;
    bitmap = malloc(v->bitmap);
    if (!bitmap)
        return ENOMEM;
    memset(bitmap, 0xff, v->bitmap);
    e = file_write(im->file, end, v->footer, FOOTER);
    if (!e)
        e = file_write(im->file, at, bitmap, v->bitmap); /* over the old footer */
    if (!e)
        e = file_write(im->file, at + v->bitmap + fill->from, fill->data, fill->to - fill->from);
    free(bitmap);
    v->end = end; /* what failed half-way is left alone */
    if (e)
        return e;
    st_be32(v->table + n * 4ull, (uint32_t)(at / 512));
    changed_add(&v->changed, n);
    im->metadata_dirty = true;
    return 0;
}

static int vhd_flush(struct image *im)
{
    struct vhd *v = im->state;
    int e = file_flush(im->file);

    if (!e)
        e = changed_write(&v->changed, im->file, v->table_at, v->table);
    if (!e)
        im->metadata_dirty = false;
    return e;
}

/* ---- new images ---- */

/* Appendix: CHS calculation. */
static void set_geometry(uint8_t *f, uint64_t sectors)
{
    uint64_t cylinder_heads, heads, spt;

    sectors = sectors < CHS_MAX ? sectors : CHS_MAX;
    if (sectors >= 65535ull * 16 * 63) {
        spt = 255;
        heads = 16;
        cylinder_heads = sectors / spt;
    } else {
        spt = 17;
        cylinder_heads = sectors / spt;
        heads = (cylinder_heads + 1023) / 1024;
        heads = heads < 4 ? 4 : heads;
        if (cylinder_heads >= heads * 1024 || heads > 16) {
            spt = 31;
            heads = 16;
            cylinder_heads = sectors / spt;
        }
        if (cylinder_heads >= heads * 1024) {
            spt = 63;
            heads = 16;
            cylinder_heads = sectors / spt;
        }
    }
    st_be16(f + F_CYLINDERS, (uint16_t)(cylinder_heads / heads));
    f[F_HEADS] = (uint8_t)heads;
    f[F_SECTORS] = (uint8_t)spt;
}

static void make_footer(uint8_t *f, uint64_t size, bool fixed)
{
    memcpy(f, "conectix", 8);
    st_be32(f + F_FEATURES, 2);
    st_be32(f + F_VERSION, 0x00010000);
    st_be64(f + F_DATA_OFFSET, fixed ? UINT64_MAX : FOOTER);
    st_be32(f + F_TIME, (uint32_t)(time(NULL) - EPOCH));
    /* The creator whose images have exactly the size that is written here. */
    memcpy(f + F_CREATOR, "qem2", 4);
    st_be32(f + F_CREATOR_VERSION, 0x00050003);
    memcpy(f + F_CREATOR_OS, "Wi2k", 4);
    st_be64(f + F_ORIGINAL_SIZE, size);
    st_be64(f + F_SIZE, size);
    set_geometry(f, size / 512);
    st_be32(f + F_TYPE, fixed ? TYPE_FIXED : TYPE_DYNAMIC);
    (void)!getrandom(f + F_UUID, 16, 0);
    st_be32(f + F_CHECKSUM, checksum(f, FOOTER, F_CHECKSUM));
}

static int write_dynamic(struct block_file *f, const uint8_t *footer, uint64_t size)
{
    uint64_t entries = (size + BLOCK_DEFAULT - 1) / BLOCK_DEFAULT;
    uint64_t bytes = (entries * 4 + 511) & ~511ull, all = FOOTER + HEADER + bytes + FOOTER;
    uint8_t *p = calloc(1, all), *h;
    int e;

    if (!p)
        return ENOMEM;
    h = p + FOOTER;
    memcpy(p, footer, FOOTER);
    memcpy(h, "cxsparse", 8);
    st_be64(h + D_DATA_OFFSET, UINT64_MAX);
    st_be64(h + D_TABLE_OFFSET, FOOTER + HEADER);
    st_be32(h + D_VERSION, 0x00010000);
    st_be32(h + D_ENTRIES, (uint32_t)entries);
    st_be32(h + D_BLOCK_SIZE, BLOCK_DEFAULT);
    st_be32(h + D_CHECKSUM, checksum(h, HEADER, D_CHECKSUM));
    memset(h + HEADER, 0xff, bytes);
    memcpy(h + HEADER + bytes, footer, FOOTER);
    e = file_write(f, 0, p, all);
    free(p);
    return e;
}

static bool vhd_create(const struct image_create *c, struct block_file *f, struct error *err)
{
    static const char *const known[] = {"size", "subformat", "force_size", NULL};
    const char *sub = option_get(c->options, "subformat");
    bool fixed = sub && strcmp(sub, "fixed") == 0;
    uint64_t size = (c->size + 511) & ~511ull;
    uint8_t footer[FOOTER] = {0};
    int e;

    if (!option_list_check(c->options, known, err))
        return error_prefix(err, "%s", c->path);
    if (sub && !fixed && strcmp(sub, "dynamic") != 0)
        return error_set(err, "%s: subformat=%s: dynamic or fixed is expected", c->path, sub);
    if (size > SIZE_MAX_VHD)
        return error_set(err, "%s: VHD images have at most 2040 GiB", c->path);
    make_footer(footer, size, fixed);
    e = fixed ? file_write(f, size, footer, FOOTER) : write_dynamic(f, footer, size);
    return !e || error_set(err, "%s: %s", c->path, strerror(e));
}

/* ---- check ---- */

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static int vhd_check(struct image *im, struct image_check *c, enum image_repair repair)
{
    struct vhd *v = im->state;
    uint32_t *list = malloc(v->entries * 4ull + 4), used = 0;
    uint64_t each = im->cluster + v->bitmap, size = file_size(im->file);
    char text[120];

    (void)repair;
    if (v->fixed || !list) {
        free(list);
        return v->fixed ? ENOTSUP : ENOMEM;
    }
    c->total = v->entries;
    for (uint32_t n = 0; n < v->entries; n++)
        if (ld_be32(v->table + n * 4ull) != UNUSED)
            list[used++] = ld_be32(v->table + n * 4ull);
    qsort(list, used, 4, by_number);
    for (uint32_t n = 0; n < used; n++) {
        uint64_t at = list[n] * 512ull, next = n + 1 < used ? list[n + 1] * 512ull : size;

        if (at + each <= next)
            continue;
        c->corruptions++;
        snprintf(text, sizeof(text), "ERROR: the block at offset 0x%" PRIx64 " %s", at,
                 n + 1 < used ? "overlaps another one" : "is cut off by the end of the file");
        if (c->say)
            c->say(c->opaque, text);
    }
    c->allocated = used;
    c->end = size;
    free(list);
    return 0;
}

const struct image_format vhd_format = {
    .name = "vpc",
    .other_name = "vhd",
    .options = "  size=SIZE             virtual size\n"
               "  subformat=HOW         dynamic or fixed\n"
               "  force_size=on|off     accepted: the size is always exact\n",
    .probe = vhd_probe,
    .open = vhd_open,
    .check_backing = vhd_check_backing,
    .close = vhd_close,
    .locate = vhd_locate,
    .allocate = vhd_allocate,
    .flush = vhd_flush,
    .create = vhd_create,
    .check = vhd_check,
};
