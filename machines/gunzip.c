/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machines/gunzip.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config.h"
#if CONFIG_ZLIB
#include <zlib.h>
#endif

bool gzip_probe(const struct boot_image *image)
{
    return image->size >= 3 && memcmp(image->data, "\x1f\x8b\x08", 3) == 0;
}

#if CONFIG_ZLIB
#define FIRST_ROOM ((size_t)1 << 20)

/* Twice the room, up to max. */
static bool grow(struct boot_image *out, size_t *room, size_t max, struct error *err)
{
    size_t wanted = *room ? 2 * *room : FIRST_ROOM;
    uint8_t *p;

    if (*room == max)
        return error_set(err, "%s: unpacks to more than %zu bytes; try a larger -m", out->name,
                         max);
    if (wanted > max)
        wanted = max;
    p = realloc(out->data, wanted);
    if (!p)
        return error_set(err, "%s: no memory to unpack it", out->name);
    out->data = p;
    *room = wanted;
    return true;
}

static bool inflate_all(z_stream *z, struct boot_image *out, size_t max, struct error *err)
{
    size_t room = 0;
    int status = Z_OK;

    while (status != Z_STREAM_END) {
        if (out->size == room && !grow(out, &room, max, err))
            return false;
        z->next_out = out->data + out->size;
        z->avail_out = (uInt)(room - out->size);
        status = inflate(z, Z_NO_FLUSH);
        out->size = room - z->avail_out;
        if (status != Z_OK && status != Z_STREAM_END)
            return error_set(err, "%s: %s", out->name,
                             status == Z_BUF_ERROR ? "truncated: the packed data do not end"
                                                   : "the packed data are damaged");
    }
    return true;
}

bool gunzip(struct boot_image *image, size_t max, struct error *err)
{
    struct boot_image out = {.name = image->name};
    z_stream z = {.next_in = image->data, .avail_in = (uInt)image->size};
    bool ok;

    if (inflateInit2(&z, 15 + 16) != Z_OK) /* the largest window, gzip header and trailer */
        return error_set(err, "%s: no memory to unpack it", image->name);
    ok = inflate_all(&z, &out, max, err);
    inflateEnd(&z);
    if (!ok) {
        boot_image_free(&out);
        return false;
    }
    boot_image_free(image);
    *image = out;
    return true;
}
#else
bool gunzip(struct boot_image *image, size_t max, struct error *err)
{
    (void)max;
    return error_set(err, "%s: is gzip'ed and Calque was built without zlib; unpack it first",
                     image->name);
}
#endif
