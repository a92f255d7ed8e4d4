/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_NET_AT93C46_H
#define CALQUE_DEVICES_NET_AT93C46_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/state.h"

#define AT93C46_WORDS 64

/* 93C46: an EEPROM of 64 words on three wires (Atmel AT93C46D datasheet), in which network cards
 * keep their address. Writes take no time. */
struct at93c46 {
    uint16_t words[AT93C46_WORDS];
    bool selected, clock;        /* CS, SK as they were last */
    bool writable, reading, out; /* out: what DO says */
    uint8_t count;               /* bits taken of a command */
    uint8_t address, left;       /* reading: of the word, and bits to come of it */
    uint32_t command;
};

extern const struct state_field at93c46_fields[];

/* The levels of CS, SK and DI; DO is s->out. */
void at93c46_set(struct at93c46 *s, bool select, bool clock, bool in);

#endif
