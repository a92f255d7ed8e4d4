/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_IMG_H
#define CALQUE_CLI_IMG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/options.h"
#include "host/block/image.h"

/* calque-img: one function per command; img.c reads the command line. Commands return the exit
 * status; img_fail() prints the line that goes with 1. */

struct img {
    const char *command;
    const char *format, *out_format;           /* -f, -O */
    const char *cache, *source_cache;          /* -t, -T */
    const char *backing, *backing_format;      /* -b or -B, -F */
    const char *sparse;                        /* -S */
    const char *repair;                        /* -r */
    const char *start, *length;                /* --start-offset, --max-length */
    const char *preallocation;                 /* --preallocation */
    struct option_list options;                /* -o, all of them */
    bool compress, no_create, progress, quiet; /* -c -n -p -q */
    bool unsafe, force_share, keep, strict;    /* -u -U -d -s */
    bool json, chain, shrink;                  /* --output=json --backing-chain --shrink */
    char snapshot;                             /* l, a, c, d of snapshot; 0: none of them */
    const char *snapshot_name;
    char **args;
    int nargs;
};

int img_create(struct img *g);
int img_info(struct img *g);
int img_convert(struct img *g);
int img_compare(struct img *g);
int img_check(struct img *g);
int img_resize(struct img *g);
int img_commit(struct img *g);
int img_rebase(struct img *g);
int img_map(struct img *g);
int img_snapshot(struct img *g);

/* "calque-img: text" on stderr; returns 1. */
__attribute__((format(printf, 1, 2))) int img_fail(const char *fmt, ...);
/* NULL when that failed and was said. `cache` is a name of -t, or NULL. */
struct image *img_open(const struct img *g, const char *path, const char *format, bool write,
                       const char *cache);
struct image *img_open_with(const char *path, const struct image_options *o);
/* -t and -T; false with a line. Sets *cache and, for writethrough and directsync, nothing else:
 * a command flushes at its end in any case but `unsafe`. */
bool img_cache(const char *name, enum file_cache *cache, struct error *err);
/* Closes an image that was written; the exit status. */
int img_close(struct image *im);
bool img_size(const char *text, uint64_t *size);

/* -p: a bar on a terminal; elsewhere qemu-img's "(n/100%)". */
struct img_progress {
    bool on, terminal;
    uint64_t done, total;
    double shown;
};
void img_progress_begin(struct img_progress *p, const struct img *g, uint64_t total);
void img_progress_add(struct img_progress *p, uint64_t bytes);
void img_progress_end(struct img_progress *p);

/* "1.32 MiB", as qemu-img writes sizes. */
char *img_size_text(uint64_t bytes, char buf[32]);
/* Prints a JSON string. */
void img_json_string(const char *text);

#endif
