/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_HID_H
#define CALQUE_HOST_UI_HID_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a person does at the machine: keys, and a pointer. Front ends and monitors call these from
 * any thread; each becomes an input event, and devices/input/hid_port.c hands it to the keyboard or
 * to the pointing device that the guest uses. */

struct keymap;
struct machine;
struct input_source;

enum hid_kind { HID_KEY = 1, HID_MOVE, HID_PLACE, HID_BUTTONS };

#define HID_EVENT_SIZE  18 /* bytes of an input event */
#define HID_BUTTONS_ALL 0x1fu

struct hid_event {
    enum hid_kind kind;
    /* HID_KEY: code is a set 1 make code as for ps2kbd_key(); the event is that much later than the
     * one before it. HID_BUTTONS: those of `mask` become `buttons`: bit 0 left, 1 right, 2 middle,
     * 3 and 4 at the side (back and forward). */
    uint16_t code, delay_ms;
    bool down;
    uint8_t buttons, mask;
    /* HID_MOVE: right, down, wheel towards the user. HID_PLACE: x and y on a screen of w x h. */
    int16_t x, y, z;
    uint16_t w, h;
};

struct hid {
    struct machine *m;
    struct input_source *source; /* NULL: nobody is there to listen */
    atomic_bool absolute;        /* the guest wants HID_PLACE: no need to grab the pointer */
    atomic_uint queued;          /* keys that wait for the guest to take them */
};

void hid_key(struct hid *h, unsigned code, bool down, unsigned delay_ms);
void hid_move(struct hid *h, int dx, int dy, int dz);
/* On a screen of that size, HID_PLACE_MAX at most in both directions. */
#define HID_PLACE_MAX 0x8000u
void hid_place(struct hid *h, unsigned x, unsigned y, unsigned width, unsigned height);
void hid_buttons(struct hid *h, unsigned buttons, unsigned mask);

/* Presses the keys together and lets go of them hold_ms later, in reverse order. */
void hid_press(struct hid *h, const unsigned *codes, unsigned n, unsigned hold_ms);
/* Types a text on that keyboard. Characters that it does not have are left out; of a text that is
 * longer than the queue of keys the end may be lost. */
void hid_type(struct hid *h, const struct keymap *map, const char *utf8);
/* Types as much of it as there is room for just now, and returns the rest, which is to be tried
 * again some milliseconds later: for long texts. "" when all of it has been typed. */
const char *hid_type_some(struct hid *h, const struct keymap *map, const char *utf8);

void hid_encode(const struct hid_event *e, uint8_t bytes[HID_EVENT_SIZE]);
/* False if that is no event. */
bool hid_decode(const uint8_t *bytes, size_t len, struct hid_event *e);

#endif
