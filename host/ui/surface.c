/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/ui/surface.h"

#include <stdlib.h>
#include <string.h>

static unsigned tiles(unsigned pixels)
{
    return (pixels + SURFACE_TILE - 1) / SURFACE_TILE;
}

static size_t dirty_words(const struct surface *s)
{
    return s->tile_words * tiles(s->height);
}

bool surface_resize(struct surface *s, unsigned width, unsigned height)
{
    size_t words = (tiles(width) + 63) / 64;
    uint32_t *pixels;
    uint64_t *dirty;

    if (s->pixels && s->width == width && s->height == height)
        return true;
    pixels = calloc((size_t)width * height, sizeof(*pixels));
    dirty = calloc(words * tiles(height), sizeof(*dirty));
    if (!pixels || !dirty) {
        free(pixels);
        free(dirty);
        return false;
    }
    free(s->pixels);
    free(s->dirty);
    s->pixels = pixels;
    s->dirty = dirty;
    s->width = width;
    s->height = height;
    s->tile_words = words;
    s->sizes++;
    surface_mark_all(s);
    return true;
}

void surface_free(struct surface *s)
{
    free(s->pixels);
    free(s->dirty);
    *s = (struct surface){0};
}

static void mark(struct surface *s, unsigned tile_x, unsigned tile_y)
{
    s->dirty[tile_y * s->tile_words + tile_x / 64] |= 1ull << tile_x % 64;
}

static bool is_dirty(const struct surface *s, unsigned tile_x, unsigned tile_y)
{
    return s->dirty[tile_y * s->tile_words + tile_x / 64] >> tile_x % 64 & 1;
}

void surface_put_row(struct surface *s, unsigned y, const uint32_t *row)
{
    uint32_t *to = surface_row(s, y);

    for (unsigned x = 0; x < s->width; x += SURFACE_TILE) {
        unsigned n = s->width - x < SURFACE_TILE ? s->width - x : SURFACE_TILE;

        if (!memcmp(to + x, row + x, n * sizeof(*row)))
            continue;
        memcpy(to + x, row + x, n * sizeof(*row));
        mark(s, x / SURFACE_TILE, y / SURFACE_TILE);
    }
}

void surface_mark_all(struct surface *s)
{
    for (unsigned y = 0; y < tiles(s->height); y++)
        for (unsigned x = 0; x < tiles(s->width); x++)
            mark(s, x, y);
}

void surface_merge_dirty(struct surface *s, const struct surface *from)
{
    for (size_t i = 0; i < dirty_words(s); i++)
        s->dirty[i] |= from->dirty[i];
}

void surface_clear_dirty(struct surface *s)
{
    memset(s->dirty, 0, dirty_words(s) * sizeof(*s->dirty));
}

/* Of tiles [first, last) in one row of them. */
static struct rect tile_rect(const struct surface *s, unsigned first, unsigned last, unsigned row)
{
    struct rect r = {.x = first * SURFACE_TILE, .y = row * SURFACE_TILE};
    unsigned right = last * SURFACE_TILE, bottom = (row + 1) * SURFACE_TILE;

    r.width = (right < s->width ? right : s->width) - r.x;
    r.height = (bottom < s->height ? bottom : s->height) - r.y;
    return r;
}

static void copy_rect(struct surface *s, const struct surface *from, const struct rect *r)
{
    for (unsigned y = r->y; y < r->y + r->height; y++)
        memcpy(surface_row(s, y) + r->x, surface_row(from, y) + r->x, r->width * sizeof(uint32_t));
}

bool surface_copy_dirty(struct surface *s, const struct surface *from,
                        void (*fn)(void *opaque, const struct rect *r), void *opaque)
{
    bool any = false;

    for (unsigned row = 0; row < tiles(s->height); row++) {
        for (unsigned x = 0, first; x < tiles(s->width); x++) {
            if (!is_dirty(s, x, row))
                continue;
            for (first = x; x < tiles(s->width) && is_dirty(s, x, row); x++)
                ;
            struct rect r = tile_rect(s, first, x, row);

            copy_rect(s, from, &r);
            if (fn)
                fn(opaque, &r);
            any = true;
        }
    }
    surface_clear_dirty(s);
    return any;
}
