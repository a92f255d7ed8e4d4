/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening, closing and making images; what format a file has. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/options.h"
#include "base/suggest.h"
#include "host/block/format.h"

/* In the order in which contents are tried; raw takes what is left. */
static const struct image_format *const formats[] = {&qcow2_format, &vmdk_format, &vdi_format,
                                                     &vhd_format, &raw_format};

/* The images on top of the one that is being opened. */
struct above {
    const struct above *next;
    dev_t dev;
    ino_t ino;
    unsigned depth;
};

const struct image_format *format_by_content(const struct image_probe *p)
{
    for (size_t n = 0; n < ARRAY_SIZE(formats); n++)
        if (formats[n]->probe && formats[n]->probe(p))
            return formats[n];
    return &raw_format;
}

/* What QEMU has besides: formats, and settings of those that are here. */
static const char *const other_formats[] = {"bochs", "cloop", "dmg",  "luks", "parallels",
                                            "qcow",  "qed",   "vhdx", NULL};
static const char *const other_settings[] = {
    "encryption", "extended_l2", "data_file",    "data_file_raw", "nocow",
    "compat6",    "hwversion",   "toolsversion", "zeroed_grain",  NULL};

static bool is_among(const char *name, const char *const *list)
{
    while (*list && strcmp(name, *list) != 0)
        list++;
    return *list;
}

static const struct image_format *format_by_name(const char *name, struct error *err)
{
    struct suggestion s;

    suggest_begin(&s, name);
    for (size_t n = 0; n < ARRAY_SIZE(formats); n++) {
        const struct image_format *f = formats[n];

        if (strcmp(name, f->name) == 0 || (f->other_name && strcmp(name, f->other_name) == 0))
            return f;
        suggest_offer(&s, f->name);
    }
    if (strcmp(name, "iso") == 0)
        return &raw_format;
    if (is_among(name, other_formats)) {
        error_write(err, "format %s: not in this version; raw, qcow2, vmdk, vpc or vdi is expected",
                    name);
        return NULL;
    }
    error_write(err, "format %s: no such format; did you mean %s?", name, s.best);
    return NULL;
}

const char *image_format_name(const char *name, struct error *err)
{
    const struct image_format *f = format_by_name(name, err);

    return f ? f->name : NULL;
}

void image_each_format(void (*fn)(void *opaque, const char *name, bool creates), void *opaque)
{
    for (size_t n = 0; n < ARRAY_SIZE(formats); n++)
        fn(opaque, formats[n]->name, formats[n]->create != NULL);
}

bool image_print_options(const char *format)
{
    const struct image_format *f = format_by_name(format, NULL);

    if (!f)
        return false;
    printf("Options of format %s (-o name=value,...):\n%s", f->name,
           f->options ? f->options : "  none\n");
    return true;
}

/* ---- opening ---- */

static bool find_format(struct image *im, const char *name, struct error *err)
{
    uint8_t head[PROBE_BYTES], tail[512];
    uint64_t size = file_size(im->file);
    struct image_probe p = {.head = head, .tail = tail, .size = size};
    int e;

    if (name) {
        im->format = format_by_name(name, err);
        return im->format || error_prefix(err, "%s", im->path);
    }
    e = file_read(im->file, 0, head, sizeof(head));
    if (!e)
        e = file_read(im->file, size > 512 ? size - 512 : 0, tail, sizeof(tail));
    if (e)
        return error_set(err, "%s: cannot be read: %s", im->path, strerror(e));
    im->format = format_by_content(&p);
    im->probed = true;
    return true;
}

char *image_relative_path(const char *from, const char *name)
{
    const char *slash = strrchr(from, '/');
    char *path = NULL;

    if (strncmp(name, "file:", 5) == 0)
        name += 5;
    if (*name == '/' || !slash)
        return strdup(name);
    if (asprintf(&path, "%.*s%s", (int)(slash + 1 - from), from, name) < 0)
        return NULL;
    return path;
}

char *image_backing_path(const struct image *im)
{
    return im->backing_name ? image_relative_path(im->path, im->backing_name) : NULL;
}

static struct image *open_below(const char *path, const struct image_options *o,
                                const struct above *above, struct error *err);

static bool open_backing(struct image *im, const struct above *above, struct error *err)
{
    const char *name = im->backing_name, *colon = name ? strchr(name, ':') : NULL;
    struct image_options o = im->options;
    struct stat st;
    struct above here = {.next = above, .depth = above ? above->depth + 1 : 1};
    char *path;

    if (!name || o.no_backing)
        return true;
    if (colon && strncmp(name, "file:", 5) != 0 && !memchr(name, '/', (size_t)(colon - name)))
        return error_set(err,
                         "%s: backing file %s: protocol '%.*s' is not in this version; a path "
                         "is expected",
                         im->path, name, (int)(colon - name), name);
    if (here.depth >= IMAGE_CHAIN_MAX)
        return error_set(err, "%s: more than %d images are based on one another", im->path,
                         IMAGE_CHAIN_MAX);
    if (fstat(im->file->fd, &st) == 0) {
        here.dev = st.st_dev;
        here.ino = st.st_ino;
    }
    path = image_backing_path(im);
    if (!path)
        return error_set(err, "%s: out of memory", im->path);
    o.format = im->backing_format;
    o.read_only = true;
    o.repair = false;
    im->backing = open_below(path, &o, &here, err);
    free(path);
    if (!im->backing)
        return error_prefix(err, "%s: backing file", im->path);
    return !im->format->check_backing || im->format->check_backing(im, err);
}

static bool is_loop(const struct block_file *f, const struct above *above)
{
    struct stat st;

    if (fstat(f->fd, &st) != 0)
        return false;
    for (; above; above = above->next)
        if (above->dev == st.st_dev && above->ino == st.st_ino)
            return true;
    return false;
}

static struct image *new_image(const char *path, const struct image_options *o)
{
    struct image *im = calloc(1, sizeof(*im));
    pthread_rwlockattr_t attr;

    if (!im)
        return NULL;
    im->options = *o;
    im->read_only = o->read_only;
    im->path = strdup(path);
    if (!im->path) {
        free(im);
        return NULL;
    }
    /* Readers that follow one another must not keep a writer waiting for ever. */
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&im->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    pthread_mutex_init(&im->report_lock, NULL);
    return im;
}

static bool open_format(struct image *im, struct error *err)
{
    if (!im->format->open(im, err))
        return false;
    if (im->size > (uint64_t)IMAGE_SIZE_MAX)
        return error_set(err, "%s: its size is over 2^63", im->path);
    return true;
}

static struct image *open_below(const char *path, const struct image_options *o,
                                const struct above *above, struct error *err)
{
    struct file_options fo = {.writable = !o->read_only,
                              .no_locks = o->no_locks,
                              .force_share = o->force_share,
                              .cache = o->cache};
    struct image *im = new_image(path, o);

    if (!im) {
        error_write(err, "%s: out of memory", path);
        return NULL;
    }
    /* The locks of an image that is open above would hide the loop. */
    if (above) {
        struct file_options look = {.no_locks = true};

        im->file = file_open(path, &look, err);
        if (im->file && is_loop(im->file, above)) {
            error_write(err, "%s: is based on itself", path);
            image_close(im);
            return NULL;
        }
        file_close(im->file);
    }
    im->file = file_open(path, &fo, err);
    if (!im->file || !find_format(im, o->format, err) || !open_format(im, err) ||
        !open_backing(im, above, err)) {
        im->metadata_dirty = false;
        image_close(im);
        return NULL;
    }
    return im;
}

struct image *image_open(const char *path, const struct image_options *o, struct error *err)
{
    return open_below(path, o, NULL, err);
}

struct image *image_open_snapshot(struct image *backing, const struct image_options *o,
                                  struct error *err)
{
    const struct option_list none = {0};
    struct image_create c = {.path = "temporary file",
                             .format = "qcow2",
                             .size = backing->size,
                             .backing = backing->path,
                             .backing_format = backing->format->name,
                             .options = &none};
    struct image *im = new_image(backing->path, o);

    if (!im) {
        image_close(backing);
        error_write(err, "out of memory");
        return NULL;
    }
    im->format = &qcow2_format;
    im->file = file_temporary(err);
    if (!im->file || !qcow2_format.create(&c, im->file, err) || !open_format(im, err)) {
        image_close(im);
        image_close(backing);
        return NULL;
    }
    im->backing = backing;
    return im;
}

int image_close(struct image *im)
{
    int error = 0, e;

    if (!im)
        return 0;
    if (im->file && im->format && im->metadata_dirty)
        error = image_flush(im);
    if (im->file && im->format && im->format->close) {
        e = im->format->close(im);
        error = error ? error : e;
    }
    for (unsigned n = 0; n < im->nfiles; n++)
        file_close(im->files[n]);
    free(im->files);
    file_close(im->file);
    image_close(im->backing);
    pthread_rwlock_destroy(&im->lock);
    pthread_mutex_destroy(&im->report_lock);
    free(im->path);
    free(im->backing_name);
    free(im->backing_format);
    free(im);
    return error;
}

/* ---- making ---- */

/* The new image would be written over the one that it is based on. */
static bool is_same_file(const struct image_create *c)
{
    char *below = image_relative_path(c->path, c->backing);
    struct stat a, b;
    bool same = below && stat(below, &a) == 0 && stat(c->path, &b) == 0 && a.st_dev == b.st_dev &&
                a.st_ino == b.st_ino;

    free(below);
    return same;
}

bool image_create(const struct image_create *c, struct error *err)
{
    const struct image_format *format = format_by_name(c->format, err);
    bool existed = access(c->path, F_OK) == 0, ok;
    struct block_file *f;

    if (!format)
        return false;
    if (!format->create)
        return error_set(err, "%s: images of format %s cannot be made", c->path, format->name);
    if (c->size > (uint64_t)IMAGE_SIZE_MAX)
        return error_set(err, "%s: a size over 2^63", c->path);
    if (c->backing && !format->supports_backing)
        return error_set(err, "%s: format %s has no backing files; qcow2 and vmdk have", c->path,
                         format->name);
    if (c->backing && strlen(c->backing) >= IMAGE_NAME_MAX)
        return error_set(err, "%s: the name of the backing file is longer than %d bytes", c->path,
                         IMAGE_NAME_MAX - 1);
    for (size_t n = 0; n < c->options->n; n++) {
        const char *key = c->options->pairs[n].key;

        if (is_among(key, other_settings) || strncmp(key, "encrypt.", 8) == 0)
            return error_set(err, "%s: %s: not in this version", c->path, key);
    }
    if (c->backing && is_same_file(c))
        return error_set(err, "%s: is its own backing file", c->path);
    f = file_create(c->path, err);
    if (!f)
        return false;
    ok = format->create(c, f, err);
    file_close(f);
    if (!ok && !existed)
        unlink(c->path);
    return ok;
}
