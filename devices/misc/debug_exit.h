/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_MISC_DEBUG_EXIT_H
#define CALQUE_DEVICES_MISC_DEBUG_EXIT_H

#include "vm/device.h"
#include "vm/memory.h"

/* isa-debug-exit: a write ends the machine with the value written. The program's exit status is
 * then (value << 1) | 1. */
struct debug_exit {
    struct device dev;
    struct region ports;
};

/* port, size: usually 0xf4 and 4 (QEMU's default is 0x501 and 2). */
void debug_exit_init(struct debug_exit *d, struct machine *m, const char *id, uint16_t port,
                     unsigned size);

#endif
