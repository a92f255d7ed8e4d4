/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMDK: the descriptor and its extents. */
#include "host/block/vmdk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define EXTENTS_MAX 1024u
#define HEX_DIGITS  "0123456789abcdefABCDEF"

static bool is_descriptor(const uint8_t *p)
{
    static const char mark[] = "# Disk DescriptorFile";

    return memcmp(p, mark, sizeof(mark) - 1) == 0;
}

static bool vmdk_probe(const struct image_probe *p)
{
    return ld_le32(p->head) == VMDK_MAGIC || is_descriptor(p->head);
}

/* ---- the descriptor ---- */

/* The value of "key=value" or "key = \"value\"", copied: where it is in the text; NULL if there is
 * none. */
static const char *get_value(const char *text, const char *key, char *value, size_t size)
{
    size_t len = strlen(key), n = 0;
    const char *p = text;

    for (; p; p = strchr(p, '\n')) {
        p += *p == '\n';
        p += strspn(p, " \t");
        if (strncasecmp(p, key, len) != 0)
            continue;
        p += len;
        p += strspn(p, " \t");
        if (*p != '=')
            continue;
        p++;
        p += strspn(p, " \t\"");
        while (p[n] && !strchr("\"\r\n", p[n]) && n + 1 < size) {
            value[n] = p[n];
            n++;
        }
        value[n] = 0;
        return p;
    }
    return NULL;
}

static bool read_parent(struct image *im, const char *text, struct error *err)
{
    char name[IMAGE_NAME_MAX];

    if (!get_value(text, "parentFileNameHint", name, sizeof(name)) || !*name)
        return vmdk_refuse(im, err, "has a parent, but does not say which");
    im->backing_name = strdup(name);
    im->backing_format = strdup("vmdk");
    return (im->backing_name && im->backing_format) || vmdk_refuse(im, err, "out of memory");
}

/* text is at `base` of im->file. */
static bool read_descriptor(struct image *im, const char *text, uint64_t base, struct error *err)
{
    struct vmdk *v = im->state;
    char value[64];
    const char *cid;

    if (!get_value(text, "createType", v->create_type, sizeof(v->create_type)))
        snprintf(v->create_type, sizeof(v->create_type), "monolithicSparse");
    v->parent_cid = UINT32_MAX;
    cid = get_value(text, "CID", value, sizeof(value));
    if (cid)
        v->cid = (uint32_t)strtoul(value, NULL, 16);
    if (cid && strspn(value, HEX_DIGITS) == 8)
        v->cid_at = base + (uint64_t)(cid - text);
    cid = get_value(text, "parentCID", value, sizeof(value));
    if (cid)
        v->parent_cid = (uint32_t)strtoul(value, NULL, 16);
    if (cid && strspn(value, HEX_DIGITS) == 8)
        v->parent_cid_at = base + (uint64_t)(cid - text);
    return v->parent_cid == UINT32_MAX || read_parent(im, text, err);
}

/* Whoever writes an image gives it a new content ID, by which those that are based on it find out
 * (Virtual Disk Format 5.0, "The Header"). */
static bool vmdk_check_backing(struct image *im, struct error *err)
{
    const struct vmdk *v = im->state, *below = im->backing->state;

    if (im->backing->format != &vmdk_format)
        return vmdk_refuse(im, err, "its parent %s is no VMDK image", im->backing->path);
    return v->parent_cid == below->cid ||
           vmdk_refuse(im, err,
                       "its parent %s has CID %08x, not %08x: it was changed, and the two do not "
                       "fit together any more",
                       im->backing->path, below->cid, v->parent_cid);
}

uint32_t vmdk_cid(const struct image *im)
{
    return ((const struct vmdk *)im->state)->cid;
}

static int vmdk_backing_changed(struct image *im, struct image *backing)
{
    struct vmdk *v = im->state;
    char digits[9];
    int e;

    if (backing->format != &vmdk_format || v->parent_cid == vmdk_cid(backing))
        return 0;
    if (!v->parent_cid_at)
        return ENOTSUP;
    snprintf(digits, sizeof(digits), "%08x", vmdk_cid(backing));
    e = file_write(im->file, v->parent_cid_at, digits, 8);
    if (!e)
        v->parent_cid = vmdk_cid(backing);
    return e;
}

/* Before the first write; the extents' locks do not matter here. */
static int change_cid(struct image *im)
{
    struct vmdk *v = im->state;
    uint32_t cid = v->cid;
    char digits[9];
    int e = 0;

    pthread_mutex_lock(&v->lock);
    if (!v->cid_changed && v->cid_at) {
        while (cid == v->cid || cid == UINT32_MAX) /* all ones: no parent */
            if (getrandom(&cid, sizeof(cid), 0) != sizeof(cid))
                cid++;
        snprintf(digits, sizeof(digits), "%08x", cid);
        e = file_write(im->file, v->cid_at, digits, 8);
        v->cid = e ? v->cid : cid;
    }
    v->cid_changed |= !e;
    pthread_mutex_unlock(&v->lock);
    return e;
}

static int vmdk_guard(struct image *im, const struct image_extent *e)
{
    (void)e;
    return change_cid(im);
}

/* The next line that describes an extent: RW 1234 FLAT "name" 0. */
struct extent_line {
    char access[12], type[20], name[512];
    uint64_t sectors, offset;
};

static bool next_extent(const char **at, struct extent_line *l)
{
    while (*at && **at) {
        const char *end = strchr(*at, '\n');
        size_t len = end ? (size_t)(end - *at) : strlen(*at);
        char p[1024]; /* sscanf() looks for the end of all the text */
        int n;

        snprintf(p, sizeof(p), "%.*s", len < sizeof(p) ? (int)len : (int)sizeof(p) - 1, *at);

        *l = (struct extent_line){.offset = 0};
        n = sscanf(p, "%11s %" SCNu64 " %19s \"%511[^\"\r\n]\" %" SCNu64, l->access, &l->sectors,
                   l->type, l->name, &l->offset);
        *at = end ? end + 1 : NULL;
        if (n >= 3 && (strcmp(l->access, "RW") == 0 || strcmp(l->access, "RDONLY") == 0 ||
                       strcmp(l->access, "NOACCESS") == 0))
            return true;
    }
    return false;
}

static bool add_extent(struct image *im, struct vmdk_extent **out, struct error *err)
{
    struct vmdk *v = im->state;
    struct vmdk_extent *more;

    if (v->n >= EXTENTS_MAX)
        return vmdk_refuse(im, err, "has more than %u extents", EXTENTS_MAX);
    more = realloc(v->extents, (v->n + 1) * sizeof(*more));
    if (!more)
        return vmdk_refuse(im, err, "out of memory");
    v->extents = more;
    *out = &more[v->n];
    **out = (struct vmdk_extent){.start = v->n ? more[v->n - 1].start + more[v->n - 1].size : 0};
    v->n++;
    return true;
}

/* The extents' files belong to the image. */
static bool keep_file(struct image *im, struct block_file *f, struct error *err)
{
    struct block_file **more = realloc(im->files, (im->nfiles + 1) * sizeof(struct block_file *));

    if (!more) {
        file_close(f);
        return vmdk_refuse(im, err, "out of memory");
    }
    im->files = more;
    im->files[im->nfiles++] = f;
    return true;
}

static struct block_file *open_extent_file(struct image *im, const char *name, struct error *err)
{
    struct file_options o = {.writable = !im->read_only,
                             .no_locks = im->options.no_locks,
                             .force_share = im->options.force_share,
                             .cache = im->options.cache};
    const char *slash = strrchr(im->path, '/');
    char path[4096];
    struct block_file *f;

    if (*name == '/' || !slash)
        snprintf(path, sizeof(path), "%s", name);
    else
        snprintf(path, sizeof(path), "%.*s%s", (int)(slash + 1 - im->path), im->path, name);
    f = file_open(path, &o, err);
    if (!f)
        (void)error_prefix(err, "%s: extent", im->path);
    return f;
}

static bool open_flat(struct image *im, struct vmdk_extent *x, const struct extent_line *l,
                      struct error *err)
{
    x->flat = true;
    x->size = l->sectors * 512;
    x->flat_offset = l->offset * 512;
    if (l->offset > INT64_MAX / 512 || x->flat_offset > file_size(x->file) ||
        x->size > file_size(x->file) - x->flat_offset)
        return vmdk_refuse(im, err,
                           "extent %s is shorter than its %" PRIu64 " sectors; is it "
                           "truncated?",
                           l->name, l->sectors);
    return true;
}

static bool open_extent(struct image *im, const struct extent_line *l, struct error *err)
{
    bool flat = strcmp(l->type, "FLAT") == 0 || strcmp(l->type, "VMFS") == 0;
    struct vmdk_extent *x;
    struct block_file *f;

    if (!flat && strcmp(l->type, "SPARSE") != 0)
        return vmdk_refuse(im, err, "has an extent of type %s, which is not in this version",
                           l->type);
    if (l->sectors > INT64_MAX / 512)
        return vmdk_refuse(im, err, "its size is over 2^63");
    f = open_extent_file(im, l->name, err);
    if (!f || !keep_file(im, f, err) || !add_extent(im, &x, err))
        return false;
    x->file = f;
    return flat ? open_flat(im, x, l, err) : vmdk_open_sparse(im, x, NULL, err);
}

static bool open_described(struct image *im, struct error *err)
{
    uint64_t size = file_size(im->file);
    size_t len = size < VMDK_DESCRIPTOR ? (size_t)size : VMDK_DESCRIPTOR;
    char *text = calloc(1, len + 1);
    const char *at = text;
    struct extent_line l;
    bool ok = text && file_read(im->file, 0, text, len) == 0;

    ok = ok ? read_descriptor(im, text, 0, err) : vmdk_refuse(im, err, "cannot be read");
    while (ok && next_extent(&at, &l))
        ok = open_extent(im, &l, err);
    free(text);
    return ok;
}

static bool open_monolithic(struct image *im, struct error *err)
{
    struct vmdk_extent *x;
    uint8_t header[M_HEADER];
    char *text = NULL;
    uint64_t at;
    bool ok;

    if (!add_extent(im, &x, err))
        return false;
    x->file = im->file;
    if (file_read(im->file, 0, header, sizeof(header)) != 0)
        return vmdk_refuse(im, err, "cannot be read");
    at = ld_le64(header + M_DESCRIPTOR) * 512;
    ok = vmdk_open_sparse(im, x, &text, err) && read_descriptor(im, text ? text : "", at, err);
    free(text);
    return ok;
}

/* ---- opening ---- */

/* What all of them are: flat, or sparse with grains of one size that begin with an extent. */
static bool join_extents(struct image *im, struct error *err)
{
    struct vmdk *v = im->state;
    const struct vmdk_extent *first = v->extents, *last = v->n ? &v->extents[v->n - 1] : NULL;

    if (!v->n)
        return vmdk_refuse(im, err, "its descriptor names no extent");
    for (unsigned n = 0; n < v->n; n++) {
        const struct vmdk_extent *x = &v->extents[n];

        if (x->flat != first->flat || x->grain != first->grain || (x->grain && x->start % x->grain))
            return vmdk_refuse(im, err,
                               "extent %u is of another kind than the first, which is not "
                               "in this version",
                               n);
        if (x->start > (uint64_t)IMAGE_SIZE_MAX || x->size > IMAGE_SIZE_MAX - x->start)
            return vmdk_refuse(im, err, "its size is over 2^63");
        if (!im->read_only && x->flags & (MF_COMPRESSED | MF_MARKERS))
            return vmdk_refuse(im, err,
                               "is a stream-optimized image, which is only read; "
                               "readonly=on, or calque-img convert");
    }
    im->size = last->start + last->size;
    im->cluster = first->grain;
    im->holes = first->flat;
    return true;
}

static bool vmdk_open(struct image *im, struct error *err)
{
    struct vmdk *v = calloc(1, sizeof(*v));
    uint8_t head[512];

    if (!v)
        return vmdk_refuse(im, err, "out of memory");
    im->state = v;
    pthread_mutex_init(&v->lock, NULL);
    if (file_read(im->file, 0, head, sizeof(head)) != 0)
        return vmdk_refuse(im, err, "cannot be read");
    if (memcmp(head, "COWD", 4) == 0)
        return vmdk_refuse(im, err, "is a VMFS sparse (COWD) extent, which is not in this version");
    if (ld_le32(head) != VMDK_MAGIC && !is_descriptor(head))
        return vmdk_refuse(im, err, "is no VMDK image");
    return (ld_le32(head) == VMDK_MAGIC ? open_monolithic(im, err) : open_described(im, err)) &&
           join_extents(im, err);
}

static int vmdk_close(struct image *im)
{
    struct vmdk *v = im->state;

    if (!v)
        return 0;
    for (unsigned n = 0; n < v->n; n++)
        vmdk_close_sparse(&v->extents[n]);
    free(v->extents);
    pthread_mutex_destroy(&v->lock);
    free(v);
    return 0;
}

/* ---- contents ---- */

static struct vmdk_extent *extent_at(struct image *im, uint64_t offset)
{
    struct vmdk *v = im->state;
    struct vmdk_extent *x = v->extents;

    while (x + 1 < v->extents + v->n && offset >= x->start + x->size)
        x++;
    return x;
}

static int vmdk_locate(struct image *im, uint64_t offset, uint64_t len, struct image_extent *e)
{
    struct vmdk_extent *x = extent_at(im, offset);
    uint64_t left = x->start + x->size - offset;

    if (!x->flat)
        return vmdk_locate_sparse(im, x, offset, len < left ? len : left, e);
    e->kind = IMAGE_DATA;
    e->file = x->file;
    e->file_offset = x->flat_offset + (offset - x->start);
    e->length = len < left ? len : left;
    return 0;
}

static int vmdk_allocate(struct image *im, uint64_t offset, const struct image_fill *fill)
{
    int e = change_cid(im);

    return e ? e : vmdk_allocate_sparse(im, extent_at(im, offset), offset, fill);
}

static int vmdk_flush(struct image *im)
{
    struct vmdk *v = im->state;
    int e = 0;

    for (unsigned n = 0; n < v->n && !e; n++)
        if (!v->extents[n].flat)
            e = vmdk_flush_sparse(&v->extents[n]);
    if (!e)
        im->metadata_dirty = false;
    return e;
}

static int vmdk_check(struct image *im, struct image_check *c, enum image_repair repair)
{
    struct vmdk *v = im->state;
    int e = 0;

    (void)repair;
    if (v->extents->flat)
        return ENOTSUP;
    for (unsigned n = 0; n < v->n && !e; n++)
        e = vmdk_check_sparse(im, &v->extents[n], c);
    return e;
}

static void vmdk_info(struct image *im, image_info_fn *fn, void *opaque)
{
    const struct vmdk *v = im->state;
    char number[16];

    snprintf(number, sizeof(number), "%" PRIu32, v->cid);
    fn(opaque, "cid", number, IMAGE_INFO_NUMBER);
    snprintf(number, sizeof(number), "%" PRIu32, v->parent_cid);
    fn(opaque, "parent cid", number, IMAGE_INFO_NUMBER);
    fn(opaque, "create type", v->create_type, IMAGE_INFO_TEXT);
}

const struct image_format vmdk_format = {
    .name = "vmdk",
    .options = "  size=SIZE             virtual size\n"
               "  subformat=HOW         monolithicSparse or monolithicFlat\n"
               "  adapter_type=HOW      ide, buslogic, lsilogic or legacyESX; ide\n"
               "  backing_file=FILE     a VMDK image below; backing_fmt=vmdk\n",
    .probe = vmdk_probe,
    .open = vmdk_open,
    .supports_backing = true,
    .check_backing = vmdk_check_backing,
    .backing_changed = vmdk_backing_changed,
    .close = vmdk_close,
    .locate = vmdk_locate,
    .guard = vmdk_guard,
    .allocate = vmdk_allocate,
    .read_compressed = vmdk_read_compressed,
    .flush = vmdk_flush,
    .create = vmdk_create,
    .check = vmdk_check,
    .info = vmdk_info,
};
