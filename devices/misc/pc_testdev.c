/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/misc/pc_testdev.h"

#include <string.h> /* memcpy */

#include "vm/machine.h" /* struct machine */

/* Bytes to write and read again, opaque. An access lies within its region (vm/memory.h). */
static uint64_t bytes_read(void *opaque, uint64_t offset, unsigned size)
{
    const uint8_t *p = (const uint8_t *)opaque + offset;
    uint64_t v = 0;

    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

static void bytes_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    uint8_t *p = (uint8_t *)opaque + offset;

    for (unsigned i = 0; i < size; i++)
        p[i] = (uint8_t)(value >> 8 * i);
}

/* The memory did not change, but everybody has to look again: decoded code above all. */
static void flush_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct pc_testdev *t = opaque;
    struct machine *m = t->dev.m;
    struct page_view page = address_space_page(&m->mem, value);

    (void)offset, (void)size;
    if (page.write_at == ARENA_NONE)
        return;
    arena_before_store(&m->arena, page.write_at, VM_PAGE_SIZE);
    arena_store_notify(&m->arena, page.write_at, VM_PAGE_SIZE);
}

static void irq_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct pc_testdev *t = opaque;

    (void)size;
    t->level[offset] = value != 0;
    irq_set(t->irq[offset], t->level[offset]);
}

static void reset(struct device *dev)
{
    struct pc_testdev *t = (struct pc_testdev *)dev;

    memset(t->ioport, 0, sizeof(t->ioport));
    memset(t->iomem, 0, sizeof(t->iomem));
    for (unsigned i = 0; i < PC_TESTDEV_IRQS; i++) {
        t->level[i] = false;
        irq_set(t->irq[i], false);
    }
}

static const struct state_field fields[] = {
    STATE_BYTES(struct pc_testdev, ioport),
    STATE_ARRAY(STATE_BOOL, struct pc_testdev, level, PC_TESTDEV_IRQS),
    STATE_BYTES(struct pc_testdev, iomem),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "pc-testdev", .version = 1, .fields = fields, .reset = reset};

static void add_ports(struct pc_testdev *t, struct address_space *io)
{
    static const struct region_ops ioport_ops = {
        .read = bytes_read, .write = bytes_write, .min_size = 1, .max_size = 4};
    static const struct region_ops byte_ops = {
        .read = bytes_read, .write = bytes_write, .min_size = 1, .max_size = 1};
    static const struct region_ops flush_ops = {.write = flush_write, .min_size = 4, .max_size = 4};
    static const struct region_ops irq_ops = {.write = irq_write, .min_size = 1, .max_size = 1};

    region_init_device(&t->ioport_region, "testdev-ioport", 4, &ioport_ops, t->ioport);
    region_init_device(&t->byte_region, "testdev-ioport-byte", 4, &byte_ops, t->ioport);
    region_init_device(&t->flush_region, "testdev-flush", 4, &flush_ops, t);
    region_init_device(&t->irq_region, "testdev-irq", PC_TESTDEV_IRQS, &irq_ops, t);
    region_add(io, &t->ioport_region, 0xe0, 0);
    region_add(io, &t->byte_region, 0xe4, 0);
    region_add(io, &t->flush_region, 0xe8, 0);
    region_add(io, &t->irq_region, 0x2000, 0);
}

void pc_testdev_init(struct pc_testdev *t, struct machine *m, const char *id,
                     const struct irq_line irq[PC_TESTDEV_IRQS])
{
    static const struct region_ops iomem_ops = {
        .read = bytes_read, .write = bytes_write, .min_size = 1, .max_size = 8};

    memset(t, 0, sizeof(*t));
    memcpy(t->irq, irq, sizeof(t->irq));
    device_init(&t->dev, m, &class, id);
    add_ports(t, &m->io);
    region_init_device(&t->iomem_region, "testdev-iomem", PC_TESTDEV_IOMEM_SIZE, &iomem_ops,
                       t->iomem);
    region_add(&m->mem, &t->iomem_region, 0xff000000, 0);
    reset(&t->dev);
}
