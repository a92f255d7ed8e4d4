/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMDK: new images. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/options.h"
#include "host/block/vmdk.h"

#define GRAIN              128u /* sectors */
#define GTES               512u
#define GT_SECTORS         4u
#define DESCRIPTOR_AT      1u
#define DESCRIPTOR_SECTORS 20u

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* What the image is based on. */
struct parent {
    uint32_t cid; /* UINT32_MAX: nothing */
    const char *name;
};

/* The part of the text that is the same for all kinds. Returns its length, over size if it is cut
 * off. */
static int describe(char *text, size_t size, const char *type, uint64_t sectors, const char *extent,
                    const char *adapter, const struct parent *parent)
{
    char hint[IMAGE_NAME_MAX + 32] = "";
    bool ide = strcmp(adapter, "ide") == 0;
    uint64_t heads = ide ? 16 : 255, cylinders = sectors / (heads * 63);
    uint32_t cid = 0;

    (void)!getrandom(&cid, sizeof(cid), 0);
    if (ide && cylinders > 16383)
        cylinders = 16383;
    if (parent->name)
        snprintf(hint, sizeof(hint), "parentFileNameHint=\"%s\"\n", parent->name);
    return snprintf(text, size,
                    "# Disk DescriptorFile\n"
                    "version=1\n"
                    "CID=%08x\n"
                    "parentCID=%08x\n"
                    "createType=\"%s\"\n"
                    "%s"
                    "\n"
                    "# Extent description\n"
                    "%s\n"
                    "\n"
                    "# The Disk Data Base\n"
                    "#DDB\n"
                    "\n"
                    "ddb.virtualHWVersion = \"4\"\n"
                    "ddb.geometry.cylinders = \"%" PRIu64 "\"\n"
                    "ddb.geometry.heads = \"%" PRIu64 "\"\n"
                    "ddb.geometry.sectors = \"63\"\n"
                    "ddb.adapterType = \"%s\"\n",
                    cid == UINT32_MAX ? 1 : cid, parent->cid, type, hint, extent, cylinders, heads,
                    adapter);
}

/* Where things are in a sparse extent, in sectors. */
struct layout {
    uint64_t sectors, ngd, gd_sectors, rgd, rgts, gd, gts, grains;
};

static void plan(struct layout *y, uint64_t sectors)
{
    y->sectors = sectors;
    y->ngd = (sectors + GRAIN * GTES - 1) / (GRAIN * GTES);
    y->gd_sectors = (y->ngd * 4 + 511) / 512;
    y->rgd = DESCRIPTOR_AT + DESCRIPTOR_SECTORS;
    y->rgts = y->rgd + y->gd_sectors;
    y->gd = y->rgts + y->ngd * GT_SECTORS;
    y->gts = y->gd + y->gd_sectors;
    y->grains = (y->gts + y->ngd * GT_SECTORS + GRAIN - 1) & ~(uint64_t)(GRAIN - 1);
}

static void make_header(uint8_t *h, const struct layout *y)
{
    st_le32(h + M_MAGIC, VMDK_MAGIC);
    st_le32(h + M_VERSION, 1);
    st_le32(h + M_FLAGS, MF_NEWLINES | MF_REDUNDANT);
    st_le64(h + M_CAPACITY, y->sectors);
    st_le64(h + M_GRAIN, GRAIN);
    st_le64(h + M_DESCRIPTOR, DESCRIPTOR_AT);
    st_le64(h + M_DESCRIPTOR_SIZE, DESCRIPTOR_SECTORS);
    st_le32(h + M_GTES, GTES);
    st_le64(h + M_RGD, y->rgd);
    st_le64(h + M_GD, y->gd);
    st_le64(h + M_OVERHEAD, y->grains);
    memcpy(h + M_NEWLINES, "\n \r\n", 4);
}

static bool create_sparse(const struct image_create *c, struct block_file *f, const char *adapter,
                          const struct parent *parent, struct error *err)
{
    struct layout y;
    uint8_t *p;
    char extent[600];
    int n, e;

    plan(&y, (c->size + 511) / 512);
    if (y.grains + y.sectors > UINT32_MAX)
        return error_set(err, "%s: sparse VMDK images have at most 2 TiB", c->path);
    p = calloc(y.grains, 512);
    if (!p)
        return error_set(err, "%s: out of memory", c->path);
    make_header(p, &y);
    snprintf(extent, sizeof(extent), "RW %" PRIu64 " SPARSE \"%.500s\"", y.sectors,
             file_name(c->path));
    n = describe((char *)p + DESCRIPTOR_AT * 512, DESCRIPTOR_SECTORS * 512, "monolithicSparse",
                 y.sectors, extent, adapter, parent);
    for (uint64_t g = 0; g < y.ngd; g++) {
        st_le32(p + y.rgd * 512 + g * 4, (uint32_t)(y.rgts + g * GT_SECTORS));
        st_le32(p + y.gd * 512 + g * 4, (uint32_t)(y.gts + g * GT_SECTORS));
    }
    e = n < 0 || n > (int)DESCRIPTOR_SECTORS * 512 ? ENAMETOOLONG
                                                   : file_write(f, 0, p, y.grains * 512);
    free(p);
    return !e || error_set(err, "%s: %s", c->path, strerror(e));
}

static bool create_flat(const struct image_create *c, struct block_file *f, const char *adapter,
                        struct error *err)
{
    const char *name = file_name(c->path), *dot = strrchr(name, '.');
    int stem = dot ? (int)(dot - name) : (int)strlen(name), e;
    char path[4096], extent[600], text[2048];
    uint64_t sectors = (c->size + 511) / 512;
    const struct parent none = {UINT32_MAX, NULL};
    struct block_file *data;

    snprintf(path, sizeof(path), "%.*s%.*s-flat.vmdk", (int)(name - c->path), c->path, stem, name);
    snprintf(extent, sizeof(extent), "RW %" PRIu64 " FLAT \"%.*s-flat.vmdk\" 0", sectors,
             stem < 500 ? stem : 500, name);
    data = file_create(path, err);
    if (!data)
        return false;
    e = file_resize(data, sectors * 512);
    file_close(data);
    if (e)
        return error_set(err, "%s: %s", path, strerror(e));
    describe(text, sizeof(text), "monolithicFlat", sectors, extent, adapter, &none);
    e = file_write(f, 0, text, strlen(text));
    return !e || error_set(err, "%s: %s", c->path, strerror(e));
}

/* The image below tells its content ID. The name goes into the descriptor as it is, in quotes. */
static bool find_parent(const struct image_create *c, struct parent *p, struct error *err)
{
    struct image_options o = {
        .format = c->backing_format, .read_only = true, .no_backing = true, .force_share = true};
    char *path;
    struct image *below;
    bool ok;

    *p = (struct parent){UINT32_MAX, c->backing};
    if (!c->backing)
        return true;
    if (strpbrk(c->backing, "\"\r\n"))
        return error_set(
            err, "%s: a VMDK image cannot name a backing file with quotes or line ends", c->path);
    path = image_relative_path(c->path, c->backing);
    if (!path)
        return error_set(err, "%s: out of memory", c->path);
    below = image_open(path, &o, err);
    free(path);
    if (!below)
        return error_prefix(err, "%s: backing file", c->path);
    ok = below->format == &vmdk_format ||
         error_set(err, "%s: backing file %s is no VMDK image, as that of a VMDK image must be",
                   c->path, c->backing);
    if (ok)
        p->cid = vmdk_cid(below);
    image_close(below);
    return ok;
}

bool vmdk_create(const struct image_create *c, struct block_file *f, struct error *err)
{
    static const char *const known[] = {"size",         "subformat",   "adapter_type",
                                        "backing_file", "backing_fmt", NULL};
    static const char *const adapters[] = {"ide", "buslogic", "lsilogic", "legacyESX"};
    const char *sub = option_get(c->options, "subformat");
    const char *adapter = option_get(c->options, "adapter_type");
    struct parent parent;
    size_t n = 0;

    if (!option_list_check(c->options, known, err))
        return error_prefix(err, "%s", c->path);
    adapter = adapter ? adapter : "ide";
    while (n < ARRAY_SIZE(adapters) && strcmp(adapter, adapters[n]) != 0)
        n++;
    if (n == ARRAY_SIZE(adapters))
        return error_set(err,
                         "%s: adapter_type=%s: ide, buslogic, lsilogic or legacyESX is "
                         "expected",
                         c->path, adapter);
    if (!sub || strcmp(sub, "monolithicSparse") == 0)
        return find_parent(c, &parent, err) && create_sparse(c, f, adapter, &parent, err);
    if (strcmp(sub, "monolithicFlat") == 0 && c->backing)
        return error_set(err, "%s: subformat=monolithicFlat: has no backing file", c->path);
    if (strcmp(sub, "monolithicFlat") == 0)
        return create_flat(c, f, adapter, err);
    return error_set(err, "%s: subformat=%s: monolithicSparse or monolithicFlat is expected",
                     c->path, sub);
}
