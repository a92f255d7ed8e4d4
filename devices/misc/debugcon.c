/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/misc/debugcon.h"

#include "vm/machine.h" /* struct machine */
#include "vm/record.h"

/* Reads as 0xe9 whatever the port is: firmware tests for it before it writes. */
static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque, (void)offset, (void)size;
    return 0xe9;
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct debugcon *d = opaque;
    uint8_t byte = value;

    (void)offset, (void)size;
    if (!record_is_silent(d->dev.m))
        chardev_write(d->chr, &byte, 1);
}

static const struct region_ops port_ops = {
    .read = port_read, .write = port_write, .min_size = 1, .max_size = 1};

static void reset(struct device *d)
{
    (void)d;
}

static const struct state_field fields[] = {STATE_FIELDS_END};

static const struct device_class class = {
    .type = "debugcon", .version = 1, .fields = fields, .reset = reset};

void debugcon_init(struct debugcon *d, struct machine *m, const char *id, uint16_t port,
                   struct chardev *chr)
{
    *d = (struct debugcon){.chr = chr};
    device_init(&d->dev, m, &class, id);
    region_init_device(&d->port, "debugcon", 1, &port_ops, d);
    region_add(&m->io, &d->port, port, 0);
    reset(&d->dev);
}
