/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/ui/display.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "host/ui/picture.h"
#include "vm/host_time.h"
#include "vm/machine.h"

#define REFRESH_NS 8000000u /* two front ends do not ask twice for the same */

void display_init(struct display *d, struct machine *m, const struct display_source *source)
{
    *d = (struct display){.m = m, .source = *source};
    pthread_mutex_init(&d->lock, NULL);
}

void display_destroy(struct display *d)
{
    if (!d->m)
        return;
    surface_free(&d->surface);
    pthread_mutex_destroy(&d->lock);
    d->m = NULL;
}

void display_attach(struct display *d, struct viewer *v)
{
    *v = (struct viewer){.changed = true};
    pthread_mutex_lock(&d->lock);
    v->next = d->viewers;
    d->viewers = v;
    pthread_mutex_unlock(&d->lock);
}

void display_detach(struct display *d, struct viewer *v)
{
    pthread_mutex_lock(&d->lock);
    for (struct viewer **p = &d->viewers; *p; p = &(*p)->next)
        if (*p == v) {
            *p = v->next;
            break;
        }
    pthread_mutex_unlock(&d->lock);
    surface_free(&v->copy);
}

/* Tells every viewer what is new; a copy of another size takes all when it is brought up to date.
 */
static void distribute(struct display *d)
{
    for (struct viewer *v = d->viewers; v; v = v->next) {
        if (v->copy.width == d->surface.width && v->copy.height == d->surface.height)
            surface_merge_dirty(&v->copy, &d->surface);
        v->changed = true;
    }
    surface_clear_dirty(&d->surface);
}

void display_refresh_locked(struct display *d)
{
    pthread_mutex_lock(&d->lock);
    d->source.draw(d->source.opaque, &d->surface);
    if (d->surface.pixels)
        distribute(d);
    d->refreshed = host_now();
    pthread_mutex_unlock(&d->lock);
}

void display_refresh(struct display *d)
{
    pthread_mutex_lock(&d->lock);
    bool fresh = d->surface.pixels && host_now() - d->refreshed < REFRESH_NS;
    pthread_mutex_unlock(&d->lock);
    if (fresh)
        return;
    machine_lock(d->m);
    display_refresh_locked(d);
    machine_unlock(d->m);
}

#define MAX_RECTS 64

/* Rectangles are collected under the lock and told without it; too many become one. */
struct rects {
    unsigned n;
    struct rect r[MAX_RECTS];
};

static void collect(void *opaque, const struct rect *r)
{
    struct rects *all = opaque;

    if (all->n < MAX_RECTS)
        all->r[all->n] = *r;
    all->n++;
}

static void tell(const struct rects *all, const struct surface *s, const struct viewer_events *e)
{
    const struct rect whole = {0, 0, s->width, s->height};

    if (all->n > MAX_RECTS) {
        e->changed(e->opaque, &whole);
        return;
    }
    for (unsigned i = 0; i < all->n; i++)
        e->changed(e->opaque, &all->r[i]);
}

bool display_sync(struct display *d, struct viewer *v, const struct viewer_events *e)
{
    struct rects all = {.n = 0};
    unsigned sizes = v->copy.sizes;
    bool ok = false;

    pthread_mutex_lock(&d->lock);
    if (v->changed && d->surface.pixels &&
        surface_resize(&v->copy, d->surface.width, d->surface.height)) {
        ok = surface_copy_dirty(&v->copy, &d->surface, collect, &all);
        v->changed = false;
    }
    pthread_mutex_unlock(&d->lock);
    if (ok && e && sizes != v->copy.sizes && e->resized)
        e->resized(e->opaque, &v->copy);
    if (ok && e && e->changed)
        tell(&all, &v->copy, e);
    return ok;
}

/* ---- screenshots ---- */

static bool screendump(struct display *d, const char *path, const bool *ppm, struct error *err)
{
    bool ok;

    display_refresh_locked(d);
    pthread_mutex_lock(&d->lock);
    if (!d->surface.pixels)
        ok = error_set(err, "out of memory");
    else if (ppm)
        ok = picture_write_as(&d->surface, path, *ppm, err);
    else
        ok = picture_write(&d->surface, path, err);
    pthread_mutex_unlock(&d->lock);
    return ok;
}

bool display_screendump(struct display *d, const char *path, struct error *err)
{
    return screendump(d, path, NULL, err);
}

bool display_screendump_as(struct display *d, const char *path, bool ppm, struct error *err)
{
    return screendump(d, path, &ppm, err);
}

/* ---- text ---- */

/* IBM's names for the graphics of the control characters, and the upper half. */
uint16_t text_unicode(uint8_t c)
{
    static const uint16_t low[32] = {
        0x0020, 0x263a, 0x263b, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022, 0x25d8, 0x25cb, 0x25d9,
        0x2642, 0x2640, 0x266a, 0x266b, 0x263c, 0x25ba, 0x25c4, 0x2195, 0x203c, 0x00b6, 0x00a7,
        0x25ac, 0x21a8, 0x2191, 0x2193, 0x2192, 0x2190, 0x221f, 0x2194, 0x25b2, 0x25bc};
    static const uint16_t high[129] = {
        0x2302, 0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb,
        0x00e8, 0x00ef, 0x00ee, 0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6,
        0x00f2, 0x00fb, 0x00f9, 0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192,
        0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac,
        0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb, 0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561,
        0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510, 0x2514,
        0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566,
        0x2560, 0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553,
        0x256b, 0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580, 0x03b1, 0x00df,
        0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e,
        0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248,
        0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0};

    return c < 32 ? low[c] : c < 127 ? c : high[c - 127];
}

static char *put_utf8(char *to, uint16_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

static bool is_blank(uint8_t c)
{
    return c == 0 || c == ' ' || c == 0xff;
}

static char *put_row(char *to, const struct text_cell *cells, unsigned columns)
{
    while (columns && is_blank(cells[columns - 1].character))
        columns--;
    for (unsigned x = 0; x < columns; x++)
        to = put_utf8(to, is_blank(cells[x].character) ? ' ' : text_unicode(cells[x].character));
    *to++ = '\n';
    return to;
}

char *display_text(struct display *d, struct error *err)
{
    struct text_screen *t = calloc(1, sizeof(*t));
    char *text = NULL, *to;

    if (!t) {
        error_set(err, "out of memory");
        return NULL;
    }
    if (!d->source.text(d->source.opaque, t)) {
        error_set(err, "the screen is not in a text mode");
    } else if (!(text = malloc((size_t)t->rows * (t->columns * 3 + 1) + 1))) {
        error_set(err, "out of memory");
    } else {
        to = text;
        for (unsigned y = 0; y < t->rows; y++)
            to = put_row(to, t->cells[y], t->columns);
        *to = '\0';
    }
    free(t);
    return text;
}
