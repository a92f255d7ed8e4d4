/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/misc/port80.h"

#include "vm/machine.h" /* struct machine */

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    struct port80 *d = opaque;

    (void)offset, (void)size;
    return d->code;
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct port80 *d = opaque;

    (void)offset, (void)size;
    d->code = value;
}

static const struct region_ops port_ops = {
    .read = port_read, .write = port_write, .min_size = 1, .max_size = 1};

static void reset(struct device *dev)
{
    struct port80 *d = (struct port80 *)dev;

    d->code = 0;
}

static const struct state_field fields[] = {
    STATE_U8(struct port80, code),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "port80", .version = 1, .fields = fields, .reset = reset};

void port80_init(struct port80 *d, struct machine *m, const char *id, uint16_t port)
{
    *d = (struct port80){0};
    device_init(&d->dev, m, &class, id);
    region_init_device(&d->port, "port80", 1, &port_ops, d);
    d->port.writes_wait = true;
    region_add(&m->io, &d->port, port, 0);
    reset(&d->dev);
}
