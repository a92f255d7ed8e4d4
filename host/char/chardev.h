/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_CHAR_CHARDEV_H
#define CALQUE_HOST_CHAR_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A character back end: where a serial port, a debug console or a monitor is connected on the
 * host. What it receives reaches a device only as input events (vm/input.h). */

struct machine;
struct input_source;
struct chardev;

/* The device side. Events of received bytes are pushed to src; at most `allowance` bytes are
 * outstanding, so that a device with a small FIFO is never overrun: it calls chardev_allow() when
 * it has room. Initially 0 bytes are allowed. */
void chardev_connect(struct chardev *c, struct machine *m, struct input_source *src);
/* The device can take n bytes in all from now on (not "n more"). Any thread. */
void chardev_allow(struct chardev *c, size_t n);
/* Output; never blocks for long: a back end that cannot take it drops it (and counts). c may be
 * NULL: nothing is connected. Any thread. */
void chardev_write(struct chardev *c, const void *data, size_t len);

#endif
