/* SPDX-License-Identifier: GPL-2.0-or-later */
/* calque-img create, resize, commit, rebase. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/img.h"

#define PIECE (1u << 20)

/* ---- create ---- */

/* The backing file is looked at as seen from the new image: its size, and that it is there. */
static bool look_below(const struct img *g, const char *path, const char *backing,
                       const char *format, uint64_t *size)
{
    struct image_options o = {.format = format, .read_only = true, .force_share = true};
    char *full = image_relative_path(path, backing);
    struct image *im;

    (void)g;
    im = full ? img_open_with(full, &o) : NULL;
    free(full);
    if (!im)
        return false;
    *size = image_size(im);
    image_close(im);
    return true;
}

static bool find_size(struct img *g, const char *backing, const char *backing_format,
                      uint64_t *size)
{
    const char *text = g->nargs > 1 ? g->args[1] : option_get(&g->options, "size");
    uint64_t below = 0;

    if (backing && (!g->unsafe || !text) &&
        !look_below(g, g->args[0], backing, backing_format, &below))
        return false;
    if (text && !img_size(text, size))
        return false;
    if (!text && !backing) {
        img_fail("create: a size is expected, or a backing file that has one");
        return false;
    }
    if (!text)
        *size = below;
    *size = (*size + 511) & ~511ull;
    return true;
}

int img_create(struct img *g)
{
    const char *backing = g->backing ? g->backing : option_get(&g->options, "backing_file");
    const char *format =
        g->backing_format ? g->backing_format : option_get(&g->options, "backing_fmt");
    struct image_create c = {.path = g->args[0],
                             .format = g->format ? g->format : "raw",
                             .backing = backing,
                             .backing_format = format,
                             .options = &g->options};
    struct error err;

    if (backing && !format)
        return img_fail("create: -F FMT, the format of backing file %s, is expected, too", backing);
    if (!backing && format)
        return img_fail("create: -F is given without a backing file; -b FILE is expected");
    if (!find_size(g, backing, format, &c.size))
        return 1;
    if (!image_create(&c, &err))
        return img_fail("%s", err.text);
    if (!g->quiet) {
        printf("Formatting '%s', fmt=%s size=%" PRIu64, c.path, c.format, c.size);
        if (backing)
            printf(" backing_file=%s backing_fmt=%s", backing, format);
        for (size_t n = 0; n < g->options.n; n++)
            if (strcmp(g->options.pairs[n].key, "size") != 0 &&
                strncmp(g->options.pairs[n].key, "backing", 7) != 0)
                printf(" %s=%s", g->options.pairs[n].key, g->options.pairs[n].value);
        putchar('\n');
    }
    return 0;
}

/* ---- resize ---- */

static bool new_size(const char *text, uint64_t old, uint64_t *size)
{
    char sign = *text == '+' || *text == '-' ? *text : 0;

    if (!img_size(text + (sign != 0), size))
        return false;
    if (sign == '-' && *size > old) {
        img_fail("resize: %s is more than the image's %" PRIu64 " bytes", text + 1, old);
        return false;
    }
    if (sign)
        *size = sign == '+' ? old + *size : old - *size;
    *size = (*size + 511) & ~511ull;
    return true;
}

int img_resize(struct img *g)
{
    struct image *im;
    struct error err;
    uint64_t size;
    int status = 0;

    if (g->preallocation && strcmp(g->preallocation, "off") != 0)
        return img_fail("--preallocation=%s: not in this version; off is expected",
                        g->preallocation);
    im = img_open(g, g->args[0], g->format, true, NULL);
    if (!im)
        return 1;
    if (!new_size(g->args[1], image_size(im), &size))
        status = 1;
    else if (size < image_size(im) && !g->shrink)
        status = img_fail("%s: would lose what is behind %" PRIu64 " bytes; --shrink does it",
                          image_path(im), size);
    else if (!image_resize(im, size, &err))
        status = img_fail("%s", err.text);
    status |= img_close(im);
    if (!status && !g->quiet)
        puts("Image resized.");
    return status;
}

/* ---- commit ---- */

/* What the top image has itself goes into the one below. */
static int commit_range(struct image *top, struct image *base, uint64_t at, uint64_t len,
                        uint8_t *buf, uint64_t *done)
{
    struct image_extent x;
    int e = image_status(top, at, len, &x);

    *done = e || x.length < PIECE ? x.length : PIECE;
    if (e || x.kind == IMAGE_HOLE) {
        *done = x.length;
        return e;
    }
    if (x.kind == IMAGE_ZERO) {
        *done = x.length;
        return image_zero(base, at, x.length, true);
    }
    e = image_read(top, at, buf, *done);
    return e ? e : image_write(base, at, buf, *done);
}

static int commit_all(struct img *g, struct image *top, struct image *base)
{
    uint64_t size = image_size(top), n = 0;
    uint8_t *buf = malloc(PIECE);
    struct img_progress p;
    int e = buf ? 0 : ENOMEM;

    img_progress_begin(&p, g, size);
    for (uint64_t at = 0; at < size && !e; at += n) {
        e = commit_range(top, base, at, size - at, buf, &n);
        img_progress_add(&p, n);
    }
    if (!e) /* before the top image forgets it */
        e = image_flush(base);
    free(buf);
    if (e)
        return img_fail("%s: commit into %s: %s", image_path(top), image_path(base), strerror(e));
    img_progress_end(&p);
    return 0;
}

static int commit_into(struct img *g, struct image *top, struct image *base)
{
    struct error err;
    int status = 0, e;

    if (image_size(base) < image_size(top) && !image_resize(base, image_size(top), &err))
        return img_fail("%s", err.text);
    status = commit_all(g, top, base);
    if (status)
        return status;
    e = image_backing_changed(top, base);
    if (e)
        return img_fail("%s: cannot be told of %s's new contents: %s", image_path(top),
                        image_path(base), strerror(e));
    e = g->keep ? 0 : image_make_empty(top);
    return e && e != ENOTSUP /* it stays as it is, as qemu-img leaves it */
               ? img_fail("%s: cannot be emptied: %s", image_path(top), strerror(e))
               : 0;
}

int img_commit(struct img *g)
{
    /* The backing file is opened for writing, by itself. */
    struct image_options o = {.format = g->format, .no_backing = true};
    struct image *top = img_open_with(g->args[0], &o), *base = NULL;
    char *path = top ? image_backing_path(top) : NULL;
    int status = 1;

    if (top && !path)
        img_fail("%s: has no backing file to commit to", g->args[0]);
    if (path)
        base = img_open(g, path, image_backing_format(top), true, g->cache);
    if (base) {
        status = commit_into(g, top, base);
        status |= img_close(base);
    }
    if (top)
        status |= img_close(top);
    if (!status && !g->quiet)
        puts("Image committed.");
    free(path);
    return status;
}

/* ---- rebase ---- */

static int read_padded(struct image *im, uint64_t at, uint8_t *buf, size_t len)
{
    uint64_t size = im ? image_size(im) : 0;
    size_t n = at >= size ? 0 : size - at < len ? (size_t)(size - at) : len;

    memset(buf + n, 0, len - n);
    return n ? image_read(im, at, buf, n) : 0;
}

/* What came from the old backing file and is not the same in the new one comes into the image. */
static int keep_differences(struct image *im, struct image *below, uint64_t at, size_t len,
                            uint8_t *old, uint8_t *new)
{
    uint32_t unit = image_cluster(im);
    int e = image_read(im, at, old, len);

    if (!e)
        e = read_padded(below, at, new, len);
    for (size_t n = 0; n < len && !e;) {
        size_t step = unit - ((at + n) & (unit - 1));

        step = step < len - n ? step : len - n;
        if (memcmp(old + n, new + n, step) != 0)
            e = image_write(im, at + n, old + n, step);
        n += step;
    }
    return e;
}

static int rebase_contents(struct img *g, struct image *im, struct image *below)
{
    uint8_t *old = malloc(PIECE), *new = malloc(PIECE);
    uint64_t size = image_size(im), n = 0;
    struct img_progress p;
    struct image_extent x;
    int e = old && new ? 0 : ENOMEM;

    img_progress_begin(&p, g, size);
    for (uint64_t at = 0; at < size && !e; at += n) {
        e = image_status(im, at, size - at, &x);
        n = x.length;
        if (e || x.kind != IMAGE_HOLE)
            continue;
        n = n < PIECE ? n : PIECE;
        e = keep_differences(im, below, at, (size_t)n, old, new);
        img_progress_add(&p, n);
    }
    if (!e) /* before the name changes */
        e = image_flush(im);
    free(old);
    free(new);
    if (e)
        return img_fail("%s: rebase: %s", image_path(im), strerror(e));
    img_progress_end(&p);
    return 0;
}

static int rebase_image(struct img *g, struct image *im, const char *name)
{
    struct image *below = NULL;
    struct error err;
    int status = 0;

    if (!g->unsafe && name) {
        char *full = image_relative_path(image_path(im), name);

        below = full ? img_open(g, full, g->backing_format, false, g->source_cache) : NULL;
        free(full);
        if (!below)
            return 1;
    }
    if (!g->unsafe)
        status = rebase_contents(g, im, below);
    if (!status && !image_set_backing(im, name, g->backing_format, &err))
        status = img_fail("%s", err.text);
    image_close(below);
    return status;
}

int img_rebase(struct img *g)
{
    struct image_options o = {.format = g->format, .no_backing = g->unsafe};
    struct image *im;
    int status;

    if (!g->backing)
        return img_fail("rebase: -b BACKING is expected; -b '' for none");
    if (*g->backing && !g->backing_format)
        return img_fail("rebase: -F FMT, the format of backing file %s, is expected, too",
                        g->backing);
    im = img_open_with(g->args[0], &o);
    if (!im)
        return 1;
    status = rebase_image(g, im, *g->backing ? g->backing : NULL);
    return img_close(im) | status;
}
