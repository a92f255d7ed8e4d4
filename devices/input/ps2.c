/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/input/ps2.h"

#define EVENT_LIMIT (PS2_QUEUE * 2 / 3)

static void push(struct ps2_port *p, uint8_t byte)
{
    if (p->count >= PS2_QUEUE)
        return;
    p->queue[(p->head + p->count) % PS2_QUEUE] = byte;
    p->count++;
}

void ps2_reply(struct ps2_port *p, uint8_t byte)
{
    push(p, byte);
    irq_set(p->ready, p->count != 0);
}

bool ps2_event(struct ps2_port *p, const uint8_t *bytes, size_t len)
{
    if (p->count + len > EVENT_LIMIT)
        return false;
    for (size_t i = 0; i < len; i++)
        push(p, bytes[i]);
    irq_set(p->ready, p->count != 0);
    return true;
}

void ps2_flush(struct ps2_port *p)
{
    p->count = 0;
    irq_set(p->ready, false);
}

uint8_t ps2_take(struct ps2_port *p)
{
    p->last = p->queue[p->head % PS2_QUEUE];
    p->head = (p->head + 1) % PS2_QUEUE;
    if (p->count)
        p->count--;
    irq_set(p->ready, p->count != 0);
    return p->last;
}

const struct state_field ps2_port_fields[] = {
    STATE_BYTES(struct ps2_port, queue),
    STATE_U8_MAX(struct ps2_port, head, PS2_QUEUE - 1),
    STATE_U8_MAX(struct ps2_port, count, PS2_QUEUE),
    STATE_U8(struct ps2_port, last),
    STATE_FIELDS_END,
};
