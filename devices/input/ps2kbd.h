/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_INPUT_PS2KBD_H
#define CALQUE_DEVICES_INPUT_PS2KBD_H

#include "devices/input/ps2.h"
#include "vm/clock.h"
#include "vm/device.h"

#define PS2KBD_PAUSE 0xe11d /* the key that has only a make code */

#define PS2KBD_SET3_CODES 0x90

struct ps2kbd {
    struct device dev;
    struct ps2_port port;
    bool scanning;                    /* enabled: sends keys */
    uint8_t scan_set;                 /* 1 to 3 */
    uint8_t leds;                     /* bit 0 Scroll Lock, 1 Num Lock, 2 Caps Lock */
    uint8_t typematic;                /* delay and rate of repetition */
    uint8_t command;                  /* command that waits for its parameter, 0 for none */
    uint16_t held;                    /* the key that went down last, 0 for none */
    uint8_t types[PS2KBD_SET3_CODES]; /* what keys do in set 3, by their code there */
    struct vm_timer repeat;
};

void ps2kbd_init(struct ps2kbd *k, struct machine *m, const char *id);
/* A key by its make code of set 1: 0x01-0x7f, 0xe0nn for the extended keys, PS2KBD_PAUSE. It
 * repeats while it is down; that the host says so again and again does not matter. Machine lock
 * held. */
void ps2kbd_key(struct ps2kbd *k, unsigned code, bool down);

#endif
