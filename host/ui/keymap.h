/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_KEYMAP_H
#define CALQUE_HOST_UI_KEYMAP_H

#include <stdbool.h>
#include <stdint.h>

/* Which key types which character: -k. What a viewer sends are characters; the machine has keys. */

struct error;
struct keymap;

struct keymap_key {
    unsigned code; /* set 1, 0: no key types that */
    bool shift, altgr;
    bool modifiers; /* shift and altgr matter: the key types something else without */
};

/* "de", "en-us", ... NULL with the nearest name in *err. "help" is for keymap_list(). */
const struct keymap *keymap_find(const char *name, struct error *err);
void keymap_list(void (*line)(void *opaque, const char *text), void *opaque);
/* The key that types a Unicode character, control characters included. */
struct keymap_key keymap_char(const struct keymap *map, uint32_t c);
/* The same of an X keysym, which may also be a key that types nothing. */
struct keymap_key keymap_keysym(const struct keymap *map, uint32_t keysym);

#endif
