/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_DEVICE_H
#define CALQUE_VM_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/state.h"

struct machine;
struct device;

struct device_class {
    const char *type; /* "mc146818rtc" */
    unsigned version; /* of the field list */
    const struct state_field *fields;
    void (*reset)(struct device *); /* power-on values; also at system reset */
    /* Brings everything into the fields. May change other devices and memory, as the end of a disk
     * access does: all devices' are called before anything is saved. */
    void (*pre_save)(struct device *);
    /* Recomputes what is derived and re-arms what is not a STATE_TIMER. False refuses the state. */
    bool (*post_load)(struct device *, struct error *err);
};

/* Base of every chip: the first member of its struct, which its owner (the machine) embeds. */
struct device {
    const struct device_class *class;
    const char *id; /* "rtc", "uart0": unique in the machine */
    struct machine *m;
    struct device *next; /* in order of creation, which is the order of reset and saving */
};

/* Registers the device with the machine. Does not reset it: a chip's own init does last. */
void device_init(struct device *d, struct machine *m, const struct device_class *class,
                 const char *id);
void devices_reset(struct machine *m);
/* For who saves other things first; devices_save() does it, too. */
void devices_pre_save(struct machine *m);
bool devices_save(struct machine *m, struct state_stream *s);
bool devices_load(struct machine *m, struct state_stream *s, struct error *err);
struct device *device_find(struct machine *m, const char *id);

#endif
