/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/misc/coprocessor.h"

#include "vm/machine.h" /* struct machine */

static void update(struct coprocessor *d, bool irq, bool ignne)
{
    d->irq = irq;
    d->ignne = ignne;
    irq_set(d->irq_out, irq);
    irq_set(d->ignne_out, ignne);
}

static void set_ferr(void *owner, unsigned n, bool level)
{
    struct coprocessor *d = owner;

    (void)n;
    if (level && !d->ferr)
        update(d, true, d->ignne);
    else if (!level)
        update(d, d->irq, false);
    d->ferr = level;
}

struct irq_line coprocessor_ferr(struct coprocessor *d)
{
    return (struct irq_line){.set = set_ferr, .owner = d};
}

/* Any value counts. */
static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct coprocessor *d = opaque;

    (void)offset, (void)value, (void)size;
    update(d, false, d->ferr);
}

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque, (void)offset, (void)size;
    return 0xff; /* write-only */
}

static const struct region_ops port_ops = {
    .read = port_read, .write = port_write, .min_size = 1, .max_size = 1};

static void reset(struct device *dev)
{
    struct coprocessor *d = (struct coprocessor *)dev;

    d->ferr = false;
    update(d, false, false);
}

static bool post_load(struct device *dev, struct error *err)
{
    struct coprocessor *d = (struct coprocessor *)dev;

    (void)err;
    update(d, d->irq, d->ignne);
    return true;
}

static const struct state_field fields[] = {
    STATE_BOOL(struct coprocessor, ferr),
    STATE_BOOL(struct coprocessor, irq),
    STATE_BOOL(struct coprocessor, ignne),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "coprocessor", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

void coprocessor_init(struct coprocessor *d, struct machine *m, const char *id, uint16_t port,
                      struct irq_line irq, struct irq_line ignne)
{
    *d = (struct coprocessor){.irq_out = irq, .ignne_out = ignne};
    device_init(&d->dev, m, &class, id);
    region_init_device(&d->port, "coprocessor", 1, &port_ops, d);
    region_add(&m->io, &d->port, port, 0);
    reset(&d->dev);
}
