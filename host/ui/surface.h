/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_SURFACE_H
#define CALQUE_HOST_UI_SURFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A picture: pixels 0x00rrggbb, rows from the top, and which tiles of it have changed. */

#define SURFACE_MAX  4096 /* pixels in either direction */
#define SURFACE_TILE 32   /* pixels in either direction */

struct surface {
    uint32_t *pixels; /* width * height, rows without gaps */
    unsigned width, height;
    uint64_t *dirty;   /* bit x % 64 of dirty[y * tile_words + x / 64]: tile (x, y) */
    size_t tile_words; /* of a row of tiles */
    unsigned sizes;    /* counts changes of the size */
};

struct rect {
    unsigned x, y, width, height;
};

/* All of this leaves s as it is when memory is short (false). A new size makes everything black and
 * dirty; 1 to SURFACE_MAX. */
bool surface_resize(struct surface *s, unsigned width, unsigned height);
void surface_free(struct surface *s);
static inline uint32_t *surface_row(const struct surface *s, unsigned y)
{
    return s->pixels + (size_t)y * s->width;
}
/* Stores row y; the tiles with pixels that differ from what was there are dirty. */
void surface_put_row(struct surface *s, unsigned y, const uint32_t *row);
void surface_mark_all(struct surface *s);
/* Adds the dirty tiles of `from` (same size) to those of s. */
void surface_merge_dirty(struct surface *s, const struct surface *from);
void surface_clear_dirty(struct surface *s);
/* Makes s a copy of `from` where s is dirty, and calls `fn` (may be NULL) with rectangles that
 * cover those tiles; then nothing is dirty. Same sizes. True if anything was. */
bool surface_copy_dirty(struct surface *s, const struct surface *from,
                        void (*fn)(void *opaque, const struct rect *r), void *opaque);

#endif
