/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/misc/debug_exit.h"

#include "vm/machine.h" /* struct machine */
#include "vm/run.h"     /* machine_request_end */

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque, (void)offset, (void)size;
    return 0;
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct debug_exit *d = opaque;

    (void)offset, (void)size;
    machine_request_end(d->dev.m, STOP_DEBUG_EXIT, value);
}

static const struct region_ops port_ops = {
    .read = port_read, .write = port_write, .min_size = 1, .max_size = 4};

static void reset(struct device *d)
{
    (void)d;
}

static const struct state_field fields[] = {STATE_FIELDS_END};

static const struct device_class class = {
    .type = "debug-exit", .version = 1, .fields = fields, .reset = reset};

void debug_exit_init(struct debug_exit *d, struct machine *m, const char *id, uint16_t port,
                     unsigned size)
{
    *d = (struct debug_exit){0};
    device_init(&d->dev, m, &class, id);
    region_init_device(&d->ports, "debug-exit", size, &port_ops, d);
    region_add(&m->io, &d->ports, port, 0);
    reset(&d->dev);
}
