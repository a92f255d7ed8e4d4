/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_ENTROPY_H
#define CALQUE_HOST_ENTROPY_H

#include <stdbool.h>
#include <stddef.h>

/* -object rng-random: bytes of a file or device of the host, for virtio-rng. They are read by the
 * main loop when a device wants some, and reach it as input events (vm/input.h). */

struct entropy;
struct error;
struct input_source;
struct machine;
struct poller;

#define ENTROPY_BATCH 4096u /* bytes of an event at most */

/* Opens it; p must outlive it. NULL with *err. Main loop. */
struct entropy *entropy_open(struct poller *p, const char *path, struct error *err);
void entropy_close(struct entropy *e); /* e may be NULL. Main loop. */

/* The device side: bytes are pushed to src. One device. Before the machine runs. */
void entropy_connect(struct entropy *e, struct machine *m, struct input_source *src);
/* It has a use for n bytes in all from now on (not "n more"). Machine lock held. */
void entropy_want(struct entropy *e, size_t n);

#endif
