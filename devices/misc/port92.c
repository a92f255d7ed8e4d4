/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/misc/port92.h"

#include "vm/machine.h" /* struct machine */
#include "vm/run.h"     /* machine_request_reset */

enum {
    FAST_INIT = 0x01,
    FAST_A20 = 0x02,
    WRITABLE = 0x03, /* PIIX3 has no more of it than this */
};

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    struct port92 *d = opaque;

    (void)offset, (void)size;
    return d->value;
}

/* The reset is a pulse when bit 0 goes from 0 to 1 (PIIX3 datasheet 2.5.9). */
static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct port92 *d = opaque;
    bool pulse = (value & FAST_INIT) && !(d->value & FAST_INIT);

    (void)offset, (void)size;
    d->value = value & WRITABLE;
    irq_set(d->a20, d->value & FAST_A20);
    if (pulse)
        machine_request_reset(d->dev.m);
}

static const struct region_ops port_ops = {
    .read = port_read, .write = port_write, .min_size = 1, .max_size = 1};

static void reset(struct device *dev)
{
    struct port92 *d = (struct port92 *)dev;

    d->value = 0;
    irq_set(d->a20, false);
}

static bool post_load(struct device *dev, struct error *err)
{
    struct port92 *d = (struct port92 *)dev;

    (void)err;
    irq_set(d->a20, d->value & FAST_A20);
    return true;
}

static const struct state_field fields[] = {
    STATE_U8_MAX(struct port92, value, WRITABLE),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "port92", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

void port92_init(struct port92 *d, struct machine *m, const char *id, uint16_t port,
                 struct irq_line a20)
{
    *d = (struct port92){.a20 = a20};
    device_init(&d->dev, m, &class, id);
    region_init_device(&d->port, "port92", 1, &port_ops, d);
    region_add(&m->io, &d->port, port, 0);
    reset(&d->dev);
}
