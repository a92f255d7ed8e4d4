/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_INPUT_H
#define CALQUE_VM_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The single door for everything non-deterministic. Host back ends (terminals, sockets, windows,
 * timers of the host, random numbers) never touch a device: they push events here, from any
 * thread; the machine delivers them under its lock at a point of virtual time that a recording can
 * name. What a device wants to *ask* of the host (wall time, randomness) it asks here too. */

struct machine;

#define INPUT_EVENT_MAX (256u << 10) /* bytes per event; longer data is pushed in pieces */

/* Called under the machine lock with one event's bytes. */
typedef void input_fn(void *opaque, const uint8_t *data, size_t len);

struct input_source {
    const char *name; /* "serial0", "power-button": unique; what a recording stores */
    input_fn *deliver;
    void *opaque;
    unsigned id;
    struct input_source *next;
};

struct input_event {
    struct input_source *source;
    struct input_event *next;
    uint32_t len;
    uint8_t data[];
};

/* Registration happens before the machine runs, in a fixed order. */
void input_register(struct machine *m, struct input_source *src, const char *name,
                    input_fn *deliver, void *opaque);
/* Queues an event; thread safe; wakes the machine. False when len > INPUT_EVENT_MAX or memory is
 * short. */
bool input_push(struct machine *m, struct input_source *src, const void *data, size_t len);
/* Delivers what is queued (run loop, machine lock held). */
void input_deliver(struct machine *m);
bool input_pending(const struct machine *m);
/* Forgets what is queued. */
void input_discard(struct machine *m);

/* Host wall clock in ns since 1970 (the RTC's base) and random bytes: recorded answers. */
uint64_t input_wall_clock(struct machine *m);
void input_random(struct machine *m, void *buf, size_t len);

#endif
