/* SPDX-License-Identifier: GPL-2.0-or-later */
/* calque-img convert: copies what holds data. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/img.h"

#define PIECE      (2u << 20) /* at least a cluster of any format that compresses */
#define SPARSE_MIN 512u

struct copy {
    struct img *g;
    struct image **from;
    int nfrom;
    uint64_t total;
    struct image *to;
    struct image *below; /* -B: what the new image is based on, to see what need not be copied */
    uint64_t sparse;     /* zeros that long are left out; 0: none */
    bool zeros_there;    /* what is not written reads as zeros */
    uint8_t *buf, *base;
    struct img_progress p;
};

static bool all_zeros(const uint8_t *p, size_t n)
{
    return !p[0] && memcmp(p, p + 1, n - 1) == 0;
}

/* The target has something else there than zeros. */
static int put_zeros(struct copy *c, uint64_t at, uint64_t len)
{
    return c->zeros_there ? 0 : image_zero(c->to, at, len, true);
}

/* Data, with the zeros in it left out. */
static int put_sparse(struct copy *c, uint64_t at, const uint8_t *p, size_t len)
{
    size_t unit = c->sparse ? (size_t)c->sparse : len, n = 0;
    int e = 0;

    while (n < len && !e) {
        size_t end = n, step = unit < len - n ? unit : len - n;
        bool zeros = c->sparse && all_zeros(p + n, step);

        do { /* a run of the same kind */
            end += step;
            step = unit < len - end ? unit : len - end;
        } while (step && (c->sparse && all_zeros(p + end, step)) == zeros);
        e = zeros ? put_zeros(c, at + n, end - n) : image_write(c->to, at + n, p + n, end - n);
        n = end;
    }
    return e;
}

static int put_compressed(struct copy *c, uint64_t at, const uint8_t *p, size_t len)
{
    uint32_t cluster = image_cluster(c->to);
    int e = 0;

    for (size_t n = 0; n < len && !e; n += cluster) {
        size_t step = cluster < len - n ? cluster : len - n;

        if (!c->below && all_zeros(p + n, step))
            e = put_zeros(c, at + n, step);
        else
            e = image_write_compressed(c->to, at + n, p + n, step);
    }
    return e;
}

/* Only what differs from the backing file. */
static int put_changes(struct copy *c, uint64_t at, const uint8_t *p, size_t len)
{
    uint64_t size = image_size(c->below);
    size_t there = at >= size ? 0 : size - at < len ? (size_t)(size - at) : len;
    uint32_t unit = image_cluster(c->to) ? image_cluster(c->to) : 4096;
    int e;

    memset(c->base + there, 0, len - there);
    e = there ? image_read(c->below, at, c->base, there) : 0;
    for (size_t n = 0; n < len && !e; n += unit) {
        size_t step = unit < len - n ? unit : len - n;

        if (memcmp(p + n, c->base + n, step) == 0)
            continue;
        if (all_zeros(p + n, step))
            e = image_zero(c->to, at + n, step, true);
        else if (c->g->compress)
            e = put_compressed(c, at + n, p + n, step);
        else
            e = image_write(c->to, at + n, p + n, step);
    }
    return e;
}

static int put(struct copy *c, uint64_t at, const uint8_t *p, size_t len)
{
    if (c->below)
        return put_changes(c, at, p, len);
    return c->g->compress ? put_compressed(c, at, p, len) : put_sparse(c, at, p, len);
}

static int failed(struct image *im, const char *what, uint64_t at, int e)
{
    if (image_reported(im))
        return 1;
    return img_fail("%s: offset %" PRIu64 " cannot be %s: %s", image_path(im), at, what,
                    strerror(e));
}

/* One image, which begins at `base` of the new one. */
static int copy_image(struct copy *c, struct image *from, uint64_t base)
{
    struct image_extent x;
    uint64_t size = image_size(from), n;
    int e;

    for (uint64_t at = 0; at < size; at += n) {
        e = image_chain_status(from, at, size - at, &x);
        if (e)
            return failed(from, "read", at, e);
        if ((x.kind == IMAGE_ZERO || x.kind == IMAGE_HOLE) && !c->below && c->sparse &&
            base % 512 == 0) {
            n = x.length;
            e = put_zeros(c, base + at, n);
        } else {
            /* In pieces that end where the target's clusters do, across changes of the kind. */
            n = PIECE - ((base + at) & (PIECE - 1));
            n = n < size - at ? n : size - at;
            if (!c->g->compress && !c->below && x.length < n)
                n = x.length;
            e = image_read(from, at, c->buf, n);
            if (e)
                return failed(from, "read", at, e);
            e = put(c, base + at, c->buf, n);
        }
        if (e)
            return failed(c->to, "written", base + at, e);
        img_progress_add(&c->p, n);
    }
    return 0;
}

/* ---- the images ---- */

static int open_sources(struct copy *c)
{
    c->from = calloc((size_t)c->nfrom, sizeof(struct image *));
    if (!c->from)
        return img_fail("out of memory");
    for (int n = 0; n < c->nfrom; n++) {
        c->from[n] = img_open(c->g, c->g->args[n], c->g->format, false, c->g->source_cache);
        if (!c->from[n])
            return 1;
        c->total += image_size(c->from[n]);
    }
    return 0;
}

static int make_target(struct copy *c, const char *path, const char *format)
{
    struct image_create m = {.path = path,
                             .format = format,
                             .size = c->total,
                             .backing = c->g->backing,
                             .backing_format = c->g->backing_format,
                             .options = &c->g->options};
    struct error err;

    if (c->g->backing && !c->g->backing_format)
        return img_fail("-B %s: -F FMT, its format, is expected, too", c->g->backing);
    return image_create(&m, &err) ? 0 : img_fail("%s", err.text);
}

/* The image is written before anybody can depend on it: it need not be flushed meanwhile. */
static int open_target(struct copy *c, const char *path, const char *format)
{
    struct image_options o = {.format = format, .cache = FILE_UNSAFE};
    struct error err;

    if (c->g->cache && !img_cache(c->g->cache, &o.cache, &err))
        return img_fail("%s", err.text);
    c->to = img_open_with(path, &o);
    if (!c->to)
        return 1;
    c->below = image_backing(c->to);
    c->zeros_there = !c->g->no_create && !image_file(c->to)->device;
    if (image_size(c->to) < c->total)
        return img_fail("%s: is smaller than the input", path);
    if (c->g->compress && !image_compresses(c->to))
        return img_fail("-c: images of format %s are not compressed", image_format(c->to));
    return 0;
}

static int set_sparse(struct copy *c)
{
    c->sparse = 4096;
    if (!c->g->sparse)
        return 0;
    if (!img_size(c->g->sparse, &c->sparse))
        return 1;
    if (c->sparse % SPARSE_MIN || c->sparse > PIECE)
        return img_fail("-S %s: a multiple of 512, up to 2M, is expected", c->g->sparse);
    return 0;
}

int img_convert(struct img *g)
{
    const char *path = g->args[g->nargs - 1], *format = g->out_format ? g->out_format : "raw";
    struct copy c = {.g = g, .nfrom = g->nargs - 1};
    uint64_t base = 0;
    int status = set_sparse(&c);

    if (!status)
        status = open_sources(&c);
    if (!status && !g->no_create)
        status = make_target(&c, path, format);
    if (!status)
        status = open_target(&c, path, format);
    c.buf = malloc(PIECE);
    c.base = malloc(PIECE);
    if (!status && (!c.buf || !c.base))
        status = img_fail("out of memory");
    if (!status)
        img_progress_begin(&c.p, g, c.total);
    for (int n = 0; n < c.nfrom && !status; n++) {
        status = copy_image(&c, c.from[n], base);
        base += image_size(c.from[n]);
    }
    if (!status)
        img_progress_end(&c.p);
    for (int n = 0; c.from && n < c.nfrom; n++)
        image_close(c.from[n]);
    if (c.to)
        status |= img_close(c.to);
    free(c.from);
    free(c.buf);
    free(c.base);
    return status;
}
