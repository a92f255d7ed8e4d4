/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_INPUT_PS2_H
#define CALQUE_DEVICES_INPUT_PS2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/irq.h"
#include "vm/state.h"

/* A device at the end of a PS/2 cable: bytes it wants to send wait in a small queue, and `ready`
 * tells the controller whether there are any. */

#define PS2_QUEUE 32 /* two thirds for events; the rest is kept for command replies */

struct ps2_port {
    uint8_t queue[PS2_QUEUE];
    uint8_t head, count;
    uint8_t last; /* for the Resend command */
    struct irq_line ready;
    void (*receive)(void *owner, uint8_t byte); /* a byte from the controller */
    void *owner;
};

extern const struct state_field ps2_port_fields[];

enum {
    PS2_ACK = 0xfa,
    PS2_RESEND = 0xfe,
    PS2_BAT_OK = 0xaa,
};

/* A reply to a command. */
void ps2_reply(struct ps2_port *p, uint8_t byte);
/* An event of several bytes: all of them or, if there is no room, none (false). */
bool ps2_event(struct ps2_port *p, const uint8_t *bytes, size_t len);
void ps2_flush(struct ps2_port *p);
/* The controller takes the next byte; count must not be 0. */
uint8_t ps2_take(struct ps2_port *p);

#endif
