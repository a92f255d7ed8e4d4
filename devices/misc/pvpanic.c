/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/misc/pvpanic.h"

#include "base/log.h"
#include "vm/machine.h"

#define ALL_EVENTS (PVPANIC_PANICKED | PVPANIC_CRASH_LOADED)
#define BAR_SIZE   16u /* the least that a memory BAR has; one byte is used */

/* Reading tells what can be told. Others of the board's rules are the sink's. */
static uint64_t read_byte(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque, (void)size;
    return offset ? 0 : ALL_EVENTS;
}

static void write_byte(struct machine *m, const struct pvpanic_sink *sink, uint64_t offset,
                       uint64_t value)
{
    if (offset)
        return;
    if (value & ~(uint64_t)ALL_EVENTS)
        log_line(&m->log, LOG_GUEST_ERRORS, "pvpanic: unknown events %#x", (unsigned)value);
    if ((value & ALL_EVENTS) && sink->fn)
        sink->fn(sink->opaque, (unsigned)(value & ALL_EVENTS));
}

/* ---- ISA ---- */

static void write_port(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct pvpanic_isa *s = opaque;

    (void)size;
    write_byte(s->dev.m, &s->sink, offset, value);
}

static void reset_isa(struct device *dev)
{
    (void)dev;
}

static const struct state_field isa_fields[] = {STATE_FIELDS_END};

static const struct device_class isa_class = {
    .type = "pvpanic", .version = 1, .fields = isa_fields, .reset = reset_isa};

void pvpanic_isa_init(struct pvpanic_isa *s, struct machine *m, const char *id, uint16_t port,
                      struct pvpanic_sink sink)
{
    static const struct region_ops ops = {
        .read = read_byte, .write = write_port, .min_size = 1, .max_size = 1};

    *s = (struct pvpanic_isa){.sink = sink};
    device_init(&s->dev, m, &isa_class, id);
    region_init_device(&s->port, "pvpanic", 1, &ops, s);
    region_add(&m->io, &s->port, port, 0);
}

/* ---- PCI ---- */

static void write_memory(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct pvpanic_pci *s = opaque;

    (void)size;
    write_byte(s->pci.dev.m, &s->sink, offset, value);
}

static void reset_pci(struct device *dev)
{
    pci_device_reset((struct pci_device *)dev);
}

static bool post_load_pci(struct device *dev, struct error *err)
{
    (void)err;
    pci_device_post_load((struct pci_device *)dev);
    return true;
}

static const struct state_field pci_fields[] = {
    STATE_STRUCTS(struct pvpanic_pci, pci, 1, struct pci_device, pci_device_fields),
    STATE_FIELDS_END,
};

static const struct device_class pci_class = {.type = "pvpanic-pci",
                                              .version = 1,
                                              .fields = pci_fields,
                                              .reset = reset_pci,
                                              .post_load = post_load_pci};

void pvpanic_pci_init(struct pvpanic_pci *s, struct machine *m, const char *id, struct pci_bus *bus,
                      uint8_t devfn, struct pvpanic_sink sink)
{
    static const struct pci_ids ids = {.vendor = 0x1b36,
                                       .device = 0x0011,
                                       .revision = 1,
                                       .class = 0x0880,
                                       .subsystem_vendor = 0x1af4,
                                       .subsystem = 0x1100};
    static const struct region_ops ops = {
        .read = read_byte, .write = write_memory, .min_size = 1, .max_size = 1};

    *s = (struct pvpanic_pci){.sink = sink};
    pci_device_init(&s->pci, m, &pci_class, id, bus, devfn, &ids);
    region_init_device(&s->memory, "pvpanic", BAR_SIZE, &ops, s);
    pci_device_add_bar(&s->pci, 0, PCI_BAR_MEM32, &s->memory);
    reset_pci(&s->pci.dev);
}
