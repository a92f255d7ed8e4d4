/* SPDX-License-Identifier: GPL-2.0-or-later */
/* calque-img info, map, check, compare. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/img.h"

#define PIECE (1u << 20)

/* ---- info ---- */

static void info_line(void *opaque, const char *name, const char *value, enum image_info_kind kind)
{
    bool *first = opaque;

    (void)kind;
    if (*first)
        puts("Format specific information:");
    *first = false;
    printf("    %s: %s\n", name, value);
}

static void print_info(struct image *im)
{
    char size[32], disk[32], *full = image_backing_path(im);
    const char *backing = image_backing_name(im), *format = image_backing_format(im);
    bool first = true;

    printf("image: %s\nfile format: %s\nvirtual size: %s (%" PRIu64 " bytes)\ndisk size: %s\n",
           image_path(im), image_format(im), img_size_text(image_size(im), size), image_size(im),
           img_size_text(image_allocated(im), disk));
    if (image_is_dirty(im))
        puts("cleanly shut down: no");
    if (image_cluster(im))
        printf("cluster_size: %u\n", image_cluster(im));
    if (backing) {
        printf("backing file: %s", backing);
        if (full && strcmp(full, backing) != 0)
            printf(" (actual path: %s)", full);
        putchar('\n');
        if (format)
            printf("backing file format: %s\n", format);
    }
    image_info(im, info_line, &first);
    free(full);
}

struct json_part {
    const char *indent;
    bool first;
};

static void json_info_line(void *opaque, const char *name, const char *value,
                           enum image_info_kind kind)
{
    struct json_part *p = opaque;

    printf("%s\n%s            \"", p->first ? "" : ",", p->indent);
    p->first = false;
    for (; *name; name++)
        putchar(*name == ' ' ? '-' : *name);
    fputs("\": ", stdout);
    if (kind == IMAGE_INFO_TEXT)
        img_json_string(value);
    else
        fputs(value, stdout);
}

static void json_text(const char *indent, const char *name, const char *value)
{
    if (!value)
        return;
    printf("%s    \"%s\": ", indent, name);
    img_json_string(value);
    puts(",");
}

static void count_line(void *opaque, const char *name, const char *value, enum image_info_kind kind)
{
    (void)name;
    (void)value;
    (void)kind;
    ++*(unsigned *)opaque;
}

static void print_info_json(struct image *im, const char *indent)
{
    struct json_part p = {indent, true};
    char *full = image_backing_path(im);
    unsigned lines = 0;

    printf("%s{\n", indent);
    json_text(indent, "backing-filename-format", image_backing_format(im));
    printf("%s    \"virtual-size\": %" PRIu64 ",\n", indent, image_size(im));
    json_text(indent, "filename", image_path(im));
    if (image_cluster(im))
        printf("%s    \"cluster-size\": %u,\n", indent, image_cluster(im));
    json_text(indent, "format", image_format(im));
    printf("%s    \"actual-size\": %" PRIu64 ",\n", indent, image_allocated(im));
    image_info(im, count_line, &lines);
    if (lines) {
        printf("%s    \"format-specific\": {\n%s        \"type\": \"%s\",\n%s        \"data\": {",
               indent, indent, image_format(im), indent);
        image_info(im, json_info_line, &p);
        printf("\n%s        }\n%s    },\n", indent, indent);
    }
    json_text(indent, "full-backing-filename", full);
    json_text(indent, "backing-filename", image_backing_name(im));
    printf("%s    \"dirty-flag\": %s\n%s}", indent, image_is_dirty(im) ? "true" : "false", indent);
    free(full);
}

int img_info(struct img *g)
{
    struct image_options o = {.format = g->format,
                              .read_only = true,
                              .no_backing = !g->chain,
                              .repair = true, /* also what is damaged can be looked at */
                              .force_share = g->force_share};
    struct image *top = img_open_with(g->args[0], &o);

    if (!top)
        return 1;
    if (g->json && g->chain)
        puts("[");
    for (struct image *im = top; im; im = image_backing(im)) {
        if (g->json)
            print_info_json(im, g->chain ? "    " : "");
        else
            print_info(im);
        if (g->json)
            puts(image_backing(im) ? "," : "");
        else if (image_backing(im))
            putchar('\n');
    }
    if (g->json && g->chain)
        puts("]");
    image_close(top);
    return 0;
}

/* ---- map ---- */

struct run {
    uint64_t start;
    struct image_extent e;
    const char *path;
};

static const char *path_at(struct image *im, unsigned depth)
{
    while (depth-- && image_backing(im))
        im = image_backing(im);
    return image_path(im);
}

static int print_run(const struct img *g, const struct run *r, bool last)
{
    const struct image_extent *e = &r->e;

    if (g->json) {
        printf("{ \"start\": %" PRIu64 ", \"length\": %" PRIu64
               ", \"depth\": %u, \"present\": %s, \"zero\": %s, \"data\": %s",
               r->start, e->length, e->depth, e->kind == IMAGE_HOLE ? "false" : "true",
               e->kind == IMAGE_ZERO || e->kind == IMAGE_HOLE ? "true" : "false",
               e->kind == IMAGE_DATA || e->kind == IMAGE_COMPRESSED ? "true" : "false");
        if (e->file && e->kind != IMAGE_COMPRESSED)
            printf(", \"offset\": %" PRIu64, e->file_offset);
        printf("}%s\n", last ? "]" : ",");
        return 0;
    }
    if (e->kind == IMAGE_COMPRESSED)
        return img_fail("%s: has compressed clusters, which lie nowhere; --output=json shows them",
                        r->path);
    if (e->kind == IMAGE_DATA)
        printf("%#-16" PRIx64 "%#-16" PRIx64 "%#-16" PRIx64 "%s\n", r->start, e->length,
               e->file_offset, r->path);
    return 0;
}

static bool joins(const struct run *r, const struct image_extent *e)
{
    return r->e.kind == e->kind && r->e.depth == e->depth && r->e.file == e->file &&
           (!e->file || e->kind == IMAGE_COMPRESSED ||
            r->e.file_offset + r->e.length == e->file_offset);
}

static int map_range(const struct img *g, struct image *im, uint64_t at, uint64_t end)
{
    struct run r = {.e = {.length = 0}};
    struct image_extent e;
    int status = 0;

    while (at < end && !status) {
        int error = image_chain_status(im, at, end - at, &e);

        if (error)
            return img_fail("%s: offset %" PRIu64 ": %s", image_path(im), at, strerror(error));
        if (r.e.length && joins(&r, &e)) {
            r.e.length += e.length;
        } else {
            if (r.e.length)
                status = print_run(g, &r, false);
            r = (struct run){at, e, path_at(im, e.depth)};
        }
        at += e.length;
    }
    return !status && r.e.length ? print_run(g, &r, true) : status;
}

int img_map(struct img *g)
{
    struct image *im = img_open(g, g->args[0], g->format, false, NULL);
    uint64_t start = 0, length = UINT64_MAX, size;
    int status;

    if (!im)
        return 1;
    size = image_size(im);
    if ((g->start && !img_size(g->start, &start)) || (g->length && !img_size(g->length, &length))) {
        image_close(im);
        return 1;
    }
    start = start < size ? start : size;
    length = length < size - start ? length : size - start;
    if (g->json)
        putchar('[');
    else
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    status = map_range(g, im, start, start + length);
    if (g->json && !length)
        puts("]");
    image_close(im);
    return status;
}

/* ---- check ---- */

static void say(void *opaque, const char *text)
{
    (void)opaque;
    puts(text);
}

static void print_check(const struct image_check *c)
{
    if (!c->corruptions && !c->leaks && !c->check_errors)
        puts("No errors were found on the image.");
    if (c->corruptions)
        printf("\n%" PRIu64 " errors were found on the image.\n"
               "Data may be corrupted, or further writes to the image may corrupt it.\n",
               c->corruptions);
    if (c->leaks)
        printf("\n%" PRIu64 " leaked clusters were found on the image.\n"
               "This means waste of disk space, but no harm to data.\n",
               c->leaks);
    if (c->check_errors)
        printf("\n%" PRIu64 " internal errors have occurred during the check.\n", c->check_errors);
    if (c->total)
        printf("%" PRIu64 "/%" PRIu64 " = %0.2f%% allocated, %0.2f%% fragmented, %0.2f%% "
               "compressed clusters\n",
               c->allocated, c->total, (double)c->allocated * 100 / (double)c->total,
               c->allocated ? (double)c->fragmented * 100 / (double)c->allocated : 0,
               c->allocated ? (double)c->compressed * 100 / (double)c->allocated : 0);
    if (c->end)
        printf("Image end offset: %" PRIu64 "\n", c->end);
}

static void json_count(const char *name, uint64_t n)
{
    if (n)
        printf("    \"%s\": %" PRIu64 ",\n", name, n);
}

static void print_check_json(struct image *im, const struct image_check *c)
{
    puts("{");
    json_count("image-end-offset", c->end);
    json_count("total-clusters", c->total);
    json_count("allocated-clusters", c->allocated);
    json_count("fragmented-clusters", c->fragmented);
    json_count("compressed-clusters", c->compressed);
    json_count("corruptions", c->corruptions);
    json_count("leaks", c->leaks);
    json_count("corruptions-fixed", c->corruptions_fixed);
    json_count("leaks-fixed", c->leaks_fixed);
    printf("    \"check-errors\": %" PRIu64 ",\n    \"filename\": ", c->check_errors);
    img_json_string(image_path(im));
    printf(",\n    \"format\": \"%s\"\n}\n", image_format(im));
}

/* The exit status of qemu-img check. */
static int check_status(const struct image_check *c)
{
    return c->corruptions ? 2 : c->leaks ? 3 : c->check_errors ? 1 : 0;
}

/* Repaired, it is looked at again. */
static int check_again(struct image *im, struct image_check *c, bool quiet)
{
    struct image_check again = {.say = quiet ? NULL : say};
    int e;

    if (!quiet)
        printf("The following inconsistencies were found and repaired:\n\n"
               "    %" PRIu64 " leaked clusters\n    %" PRIu64 " corruptions\n\n"
               "Double checking the fixed image now...\n",
               c->leaks_fixed, c->corruptions_fixed);
    again.leaks_fixed = c->leaks_fixed;
    again.corruptions_fixed = c->corruptions_fixed;
    e = image_check(im, &again, REPAIR_NOTHING);
    *c = again;
    return e;
}

static int check_image(struct img *g, struct image *im, enum image_repair repair)
{
    bool quiet = g->quiet || g->json;
    struct image_check c = {.say = quiet ? NULL : say};
    int e = image_check(im, &c, repair);

    if (e == ENOTSUP) {
        img_fail("%s: images of format %s have nothing to check", image_path(im), image_format(im));
        return 63;
    }
    if (!e && (c.leaks_fixed || c.corruptions_fixed))
        e = check_again(im, &c, quiet);
    if (e)
        return img_fail("%s: the check failed: %s", image_path(im), strerror(e));
    if (g->json)
        print_check_json(im, &c);
    else if (!g->quiet)
        print_check(&c);
    return check_status(&c);
}

int img_check(struct img *g)
{
    struct image_options o = {.format = g->format,
                              .read_only = !g->repair,
                              .no_backing = true,
                              .repair = true,
                              .force_share = g->force_share};
    enum image_repair repair = REPAIR_NOTHING;
    struct image *im;
    int status, closed;

    if (g->repair && strcmp(g->repair, "leaks") != 0 && strcmp(g->repair, "all") != 0)
        return img_fail("-r %s: leaks or all is expected", g->repair);
    if (g->repair)
        repair = strcmp(g->repair, "all") == 0 ? REPAIR_ALL : REPAIR_LEAKS;
    im = img_open_with(g->args[0], &o);
    if (!im)
        return 1;
    status = check_image(g, im, repair);
    closed = g->repair ? img_close(im) : image_close(im);
    return closed ? 1 : status;
}

/* ---- compare ---- */

/* Bytes from `at` on that are the same; `len` if all are. */
static size_t alike(const uint8_t *a, const uint8_t *b, size_t len)
{
    size_t n = 0;

    if (memcmp(a, b, len) == 0)
        return len;
    while (a[n] == b[n])
        n++;
    return n;
}

static int read_padded(struct image *im, uint64_t at, uint8_t *buf, size_t len)
{
    uint64_t size = image_size(im);
    size_t n = at >= size ? 0 : size - at < len ? (size_t)(size - at) : len;

    memset(buf + n, 0, len - n);
    return n ? image_read(im, at, buf, n) : 0;
}

static int compare_images(struct img *g, struct image *a, struct image *b)
{
    uint64_t end = image_size(a) > image_size(b) ? image_size(a) : image_size(b);
    uint8_t *x = malloc(PIECE), *y = malloc(PIECE);
    struct img_progress p;
    int status = x && y ? 0 : 2;

    img_progress_begin(&p, g, end);
    for (uint64_t at = 0; at < end && !status;) {
        size_t n = end - at < PIECE ? (size_t)(end - at) : PIECE, same;

        if (read_padded(a, at, x, n) != 0 || read_padded(b, at, y, n) != 0) {
            if (!image_reported(a) && !image_reported(b))
                img_fail("offset %" PRIu64 " cannot be read", at);
            status = 2;
            break;
        }
        same = alike(x, y, n);
        if (same < n) {
            if (!g->quiet)
                printf("Content mismatch at offset %" PRIu64 "!\n", at + same);
            status = 1;
        }
        at += n;
        img_progress_add(&p, n);
    }
    if (!status)
        img_progress_end(&p);
    free(x);
    free(y);
    return status;
}

int img_compare(struct img *g)
{
    struct image *a = img_open(g, g->args[0], g->format, false, g->source_cache);
    struct image *b = a ? img_open(g, g->args[1], g->backing_format, false, g->source_cache) : NULL;
    int status = 2;

    if (a && b) {
        bool sizes = image_size(a) != image_size(b);

        if (sizes && g->strict) {
            if (!g->quiet)
                puts("Strict mode: Image size mismatch!");
            status = 1;
        } else {
            if (sizes && !g->quiet)
                puts("Warning: Image size mismatch!");
            status = compare_images(g, a, b);
        }
        if (!status && !g->quiet)
            puts("Images are identical.");
    }
    image_close(a);
    image_close(b);
    return status;
}
