/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_CHAR_PARALLEL_H
#define CALQUE_DEVICES_CHAR_PARALLEL_H

#include "host/char/chardev.h"
#include "vm/clock.h"
#include "vm/device.h"
#include "vm/irq.h"
#include "vm/memory.h"

/* The printer adapter of the PC/AT (standard parallel port) and the printer at its end. */
struct parallel {
    struct device dev;
    uint8_t data, control;
    bool busy; /* the printer takes a character; at its end comes nACK */
    bool acknowledged;
    struct vm_timer ack;
    struct irq_line irq;
    struct chardev *chr;
    struct region ports;
};

/* port: 0x378 or 0x278; irq: 7, an edge triggered interrupt. Characters printed go to chr; NULL:
 * nothing is connected. */
void parallel_init(struct parallel *p, struct machine *m, const char *id, uint16_t port,
                   struct irq_line irq, struct chardev *chr);

#endif
