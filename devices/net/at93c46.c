/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/net/at93c46.h"

/* A start bit, two of operation, six of address, sixteen of data if it is a write. */
static void take_command(struct at93c46 *s)
{
    unsigned operation = s->command >> (s->count - 3) & 3, address = s->command & 63;

    if (s->count == 25 && operation == 1 && s->writable) { /* WRITE */
        s->words[s->command >> 16 & 63] = (uint16_t)s->command;
    } else if (s->count == 9 && operation == 2) { /* READ: a zero bit comes first */
        s->reading = true;
        s->address = (uint8_t)address;
        s->left = 16;
        s->out = false;
    } else if (s->count == 9 && operation == 3 && s->writable) { /* ERASE */
        s->words[address] = 0xffff;
    } else if (s->count == 9 && operation == 0 && (address >> 4 == 0 || address >> 4 == 3)) {
        s->writable = address >> 4; /* EWDS, EWEN */
    }
}

static void take_bit(struct at93c46 *s, bool in)
{
    if (s->reading) { /* word after word */
        if (!s->left) {
            s->address++;
            s->left = 16;
        }
        s->left = (s->left - 1) & 15;
        s->out = s->words[s->address % AT93C46_WORDS] >> s->left & 1;
    } else if (s->count < 25 && (s->count || in)) {
        s->command = s->command << 1 | in;
        s->count++;
        if (s->count == 9 || s->count == 25)
            take_command(s);
    }
}

void at93c46_set(struct at93c46 *s, bool select, bool clock, bool in)
{
    if (!select) {
        s->reading = false;
        s->out = true;
        s->count = s->address = s->left = 0;
        s->command = 0;
    } else if (clock && !s->clock && s->selected) {
        take_bit(s, in);
    }
    s->selected = select;
    s->clock = clock;
}

const struct state_field at93c46_fields[] = {
    STATE_ARRAY(STATE_U16, struct at93c46, words, AT93C46_WORDS),
    STATE_BOOL(struct at93c46, selected),
    STATE_BOOL(struct at93c46, clock),
    STATE_BOOL(struct at93c46, writable),
    STATE_BOOL(struct at93c46, reading),
    STATE_BOOL(struct at93c46, out),
    STATE_U8_MAX(struct at93c46, count, 25),
    STATE_U8(struct at93c46, address),
    STATE_U8_MAX(struct at93c46, left, 16),
    STATE_U32(struct at93c46, command),
    STATE_FIELDS_END,
};
