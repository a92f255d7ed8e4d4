/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_INPUT_PS2KBD_H
#define CALQUE_DEVICES_INPUT_PS2KBD_H

#include "devices/input/ps2.h"
#include "vm/device.h"

#define PS2KBD_PAUSE 0xe11d /* the key that has only a make code */

struct ps2kbd {
    struct device dev;
    struct ps2_port port;
    bool scanning;     /* enabled: sends keys */
    uint8_t scan_set;  /* 1 or 2 */
    uint8_t leds;      /* bit 0 Scroll Lock, 1 Num Lock, 2 Caps Lock */
    uint8_t typematic; /* rate and delay, stored only: the host repeats keys */
    uint8_t command;   /* command that waits for its parameter, 0 for none */
};

void ps2kbd_init(struct ps2kbd *k, struct machine *m, const char *id);
/* A key by its make code of set 1: 0x01-0x7f, 0xe0nn for the extended keys, PS2KBD_PAUSE. Held keys
 * repeat by further calls with down. Machine lock held. */
void ps2kbd_key(struct ps2kbd *k, unsigned code, bool down);

#endif
