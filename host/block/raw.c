/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw images: the bytes of the disk, one after the other; CD images and block devices, too. */
#include <errno.h>
#include <string.h>

#include "base/options.h"
#include "host/block/format.h"

static bool raw_open(struct image *im, struct error *err)
{
    im->size = file_size(im->file);
    im->holes = true;
    if (!im->size && im->file->device)
        return error_set(err, "%s: no medium, or its size is not known", im->path);
    return true;
}

static int raw_locate(struct image *im, uint64_t offset, uint64_t len, struct image_extent *e)
{
    e->kind = IMAGE_DATA;
    e->file = im->file;
    e->file_offset = offset;
    e->length = len;
    return 0;
}

/* All bytes are written, so that nothing is left to be found missing later. */
static int fill(struct block_file *f, uint64_t size)
{
    static const uint8_t zeros[64 << 10];
    int e = 0;

    for (uint64_t at = 0; at < size && !e; at += sizeof(zeros))
        e = file_write(f, at, zeros,
                       size - at < sizeof(zeros) ? (size_t)(size - at) : sizeof(zeros));
    return e;
}

static bool raw_create(const struct image_create *c, struct block_file *f, struct error *err)
{
    static const char *const known[] = {"size", "preallocation", NULL};
    const char *how = option_get(c->options, "preallocation");
    int e = file_resize(f, c->size);

    if (!option_list_check(c->options, known, err))
        return error_prefix(err, "%s", c->path);
    if (how && strcmp(how, "falloc") == 0 && !e && c->size)
        e = file_reserve(f, 0, c->size);
    else if (how && strcmp(how, "full") == 0 && !e)
        e = fill(f, c->size);
    else if (how && strcmp(how, "off") != 0 && strcmp(how, "falloc") != 0)
        return error_set(err, "%s: preallocation=%s: off, falloc or full is expected", c->path,
                         how);
    if (e)
        return error_set(err, "%s: cannot be made %llu bytes long: %s", c->path,
                         (unsigned long long)c->size, strerror(e));
    return true;
}

static bool raw_resize(struct image *im, uint64_t size, struct error *err)
{
    int e = file_resize(im->file, size);

    if (e)
        return error_set(err, "%s: %s", im->path, strerror(e));
    im->size = size;
    return true;
}

const struct image_format raw_format = {
    .name = "raw",
    .options = "  size=SIZE             virtual size\n"
               "  preallocation=HOW     off, falloc (reserved) or full (written)\n",
    .open = raw_open,
    .locate = raw_locate,
    .create = raw_create,
    .resize = raw_resize,
};
