/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_MISC_DEBUGCON_H
#define CALQUE_DEVICES_MISC_DEBUGCON_H

#include "host/char/chardev.h"
#include "vm/device.h"
#include "vm/memory.h"

/* Bochs' debug console: each byte written to the port goes to a back end. */
struct debugcon {
    struct device dev;
    struct chardev *chr;
    struct region port;
};

/* port: 0xe9, or 0x402 for SeaBIOS. chr may be NULL. */
void debugcon_init(struct debugcon *d, struct machine *m, const char *id, uint16_t port,
                   struct chardev *chr);

#endif
