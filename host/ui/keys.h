/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_KEYS_H
#define CALQUE_HOST_UI_KEYS_H

#include <stdbool.h>
#include <stdint.h>

struct error;

/* Keys have the numbers of scan code set 1: 0x01-0x7f, 0xe0nn for the keys that came later, 0xe11d
 * for Pause (devices/input/ps2kbd.h). Their names are QEMU's (QKeyCode). */

enum {
    SCAN_CTRL = 0x1d,
    SCAN_SHIFT = 0x2a,
    SCAN_SHIFT_R = 0x36,
    SCAN_ALT = 0x38,
    SCAN_ALTGR = 0xe038,
    SCAN_RETURN = 0x1c,
    SCAN_ESCAPE = 0x01,
    SCAN_BACKSPACE = 0x0e,
    SCAN_TAB = 0x0f,
    SCAN_SPACE = 0x39,
    SCAN_CAPS_LOCK = 0x3a,
    SCAN_PAUSE = 0xe11d,
};

#define KEYS_TOGETHER_MAX 16

/* By name, or by number ("0x3b"). 0 with the nearest name in *err. */
unsigned key_by_name(const char *name, struct error *err);
/* "ctrl-alt-f1": the keys to press together. Returns how many, 0 with *err. */
unsigned keys_parse(const char *text, unsigned codes[KEYS_TOGETHER_MAX], struct error *err);
/* The one of an X keysym that is no character (F1, Left, Shift_L, ...); 0: none. */
unsigned key_of_keysym(uint32_t keysym);

#endif
