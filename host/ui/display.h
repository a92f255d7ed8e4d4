/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_DISPLAY_H
#define CALQUE_HOST_UI_DISPLAY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/ui/surface.h"

/* Between a display adapter and those who show its picture: front ends, each in a thread of its
 * own, and screenshots. The adapter draws when asked; a display keeps the picture, and each viewer
 * a copy of its own that it can read at leisure.
 *
 * Locks: the machine's is taken before the display's; front ends hold neither while they work. */

struct error;
struct machine;

/* Characters of a text mode, as they are in video memory. */
#define TEXT_MAX_COLUMNS 256
#define TEXT_MAX_ROWS    128
struct text_screen {
    unsigned columns, rows;
    bool cursor; /* is shown, at: */
    unsigned cursor_column, cursor_row;
    struct text_cell {
        uint8_t character; /* of the adapter's font: code page 437, usually */
        uint8_t attribute; /* IBM's: background << 4 | foreground */
    } cells[TEXT_MAX_ROWS][TEXT_MAX_COLUMNS];
};

/* What an adapter has to offer. Machine lock held. */
struct display_source {
    /* Brings the surface up to date, with a new size if there is one. */
    void (*draw)(void *opaque, struct surface *s);
    /* False: this is no text mode. */
    bool (*text)(void *opaque, struct text_screen *t);
    void *opaque;
};

struct viewer {
    struct surface copy;
    bool changed; /* copy.dirty has news that were not taken */
    struct viewer *next;
};

struct display {
    struct machine *m;
    struct display_source source;
    pthread_mutex_t lock; /* of what follows */
    struct surface surface;
    struct viewer *viewers;
    uint64_t refreshed; /* host time */
};

void display_init(struct display *d, struct machine *m, const struct display_source *source);
void display_destroy(struct display *d);

/* A viewer that sees everything as new at first. */
void display_attach(struct display *d, struct viewer *v);
void display_detach(struct display *d, struct viewer *v);
/* Asks the adapter, unless somebody did so a few milliseconds ago. Takes both locks. */
void display_refresh(struct display *d);
/* The same with the machine lock held, and in any case. */
void display_refresh_locked(struct display *d);
/* Brings v->copy up to date; `resized`, if its size has changed, and then `changed` with each
 * rectangle that has. Takes the display's lock; the callbacks run without it. */
struct viewer_events {
    void (*resized)(void *opaque, const struct surface *s);
    void (*changed)(void *opaque, const struct rect *r);
    void *opaque;
};
bool display_sync(struct display *d, struct viewer *v, const struct viewer_events *e);

/* Screenshots, of what is on the screen now. Machine lock held. The format follows from the name:
 * .ppm, or .png. */
bool display_screendump(struct display *d, const char *path, struct error *err);
/* The same, whatever the name is. */
bool display_screendump_as(struct display *d, const char *path, bool ppm, struct error *err);
/* The text as UTF-8, a line for each row, without spaces at the ends of lines: for the caller to
 * free. NULL with a message when this is no text mode. Machine lock held. */
char *display_text(struct display *d, struct error *err);
/* Code page 437 in Unicode. */
uint16_t text_unicode(uint8_t character);

#endif
