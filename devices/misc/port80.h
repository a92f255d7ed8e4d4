/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_MISC_PORT80_H
#define CALQUE_DEVICES_MISC_PORT80_H

#include "vm/device.h"
#include "vm/memory.h"

/* POST code port: firmware writes its progress, operating systems write for the delay. */
struct port80 {
    struct device dev;
    uint8_t code; /* the last one written; what the port reads (a DMA page register's latch) */
    struct region port;
};

/* port: 0x80, or 0xed, the other port Linux uses for delays. */
void port80_init(struct port80 *d, struct machine *m, const char *id, uint16_t port);

#endif
