/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_INPUT_HID_PORT_H
#define CALQUE_DEVICES_INPUT_HID_PORT_H

#include "devices/input/ps2kbd.h"
#include "devices/input/ps2mouse.h"
#include "host/ui/hid.h"
#include "vm/clock.h"
#include "vm/device.h"
#include "vm/input.h"

#define HID_QUEUE   1024 /* keys that wait */
#define HID_TABLETS 2

/* Where the pointer is wanted as a position: an absolute pointing device. */
struct hid_tablet {
    /* False: the guest does not use it now. x and y: 0 to 0xffff. */
    bool (*place)(void *opaque, unsigned x, unsigned y, int dz, unsigned buttons);
    void *opaque;
};

/* The end of the way of what a person does: hands keys to the keyboard, and the pointer to the
 * device that the guest uses. */
struct hid_port {
    struct device dev;
    uint8_t keys[HID_QUEUE][5]; /* code, delay in ms (low byte first), down */
    uint16_t head, count;
    struct vm_timer next; /* the first key of the queue is due */
    uint64_t last;        /* when the one before it went */
    uint8_t buttons;
    bool placed;         /* x and y are known */
    uint16_t x, y, w, h; /* of the last position, and the screen's size then */
    struct ps2kbd *kbd;
    struct ps2mouse *mouse;
    struct hid_tablet tablets[HID_TABLETS];
    unsigned ntablets, absolute; /* bit n: tablet n is in use */
    struct input_source source;
    struct hid *hid;
};

/* Connects `hid`, which front ends use. kbd and mouse may not be NULL. */
void hid_port_init(struct hid_port *p, struct machine *m, const char *id, struct ps2kbd *kbd,
                   struct ps2mouse *mouse, struct hid *hid);
/* At most HID_TABLETS; returns which one it is. */
unsigned hid_port_add_tablet(struct hid_port *p, struct hid_tablet tablet);
/* The guest uses that one, or does no longer. */
void hid_port_set_absolute(struct hid_port *p, unsigned tablet, bool absolute);

#endif
