/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_MISC_PORT92_H
#define CALQUE_DEVICES_MISC_PORT92_H

#include "vm/device.h"
#include "vm/irq.h"
#include "vm/memory.h"

/* System control port A of the PS/2: fast A20 and fast reset. */
struct port92 {
    struct device dev;
    uint8_t value;
    struct irq_line a20;
    struct region port;
};

/* a20: high while this port asks for A20; the machine ORs it with the keyboard controller's. */
void port92_init(struct port92 *d, struct machine *m, const char *id, uint16_t port,
                 struct irq_line a20);

#endif
