/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_INPUT_PS2MOUSE_H
#define CALQUE_DEVICES_INPUT_PS2MOUSE_H

#include "devices/input/ps2.h"
#include "vm/device.h"

struct ps2mouse {
    struct device dev;
    struct ps2_port port;
    bool reporting;    /* Enable (0xf4) in stream mode */
    bool remote, wrap; /* modes */
    bool scaling_2to1;
    uint8_t resolution, sample_rate;
    uint8_t type;        /* 0; 3 with a wheel (IntelliMouse), 4 with two more buttons (Explorer) */
    uint8_t rates[2];    /* the last sample rates but one: two sequences of three wake the wheel */
    uint8_t command;     /* command that waits for its parameter, 0 for none */
    uint8_t buttons;     /* bit 0 left, 1 right, 2 middle, 3 and 4 at the side */
    uint32_t dx, dy, dz; /* signed movement that is not reported yet */
};

void ps2mouse_init(struct ps2mouse *p, struct machine *m, const char *id);
/* Movement (y grows upwards, z towards the user) and the state of the buttons. Lock held. */
void ps2mouse_move(struct ps2mouse *p, int dx, int dy, int dz, unsigned buttons);
/* Sends a report although nothing moved: an interrupt for another pointer's driver. Lock held. */
void ps2mouse_nudge(struct ps2mouse *p);

#endif
