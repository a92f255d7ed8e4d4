/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A transparent PCI-to-PCI bridge with 16 bits of port addresses and 64 of prefetchable memory
 * (PCI-to-PCI Bridge Architecture Specification 1.2; sections below are its).
 *
 * What the bridge does to cycles is in pci.c: configuration of the buses from SECONDARY_BUS to
 * SUBORDINATE_BUS (3.1.2), rotation of interrupt pins (9.1). DMA and messages from behind the
 * bridge get through whether it is a bus master or not: SeaBIOS leaves that bit clear, and starts
 * disks there.
 *
 * Not here: VGA forwarding (VGA Enable reads as zero: the display adapter is on bus 0), master
 * aborts that are reported, discard timers: nothing is delayed or lost. */
#include "devices/bus/pci_bridge.h"

#include <string.h>

#include "vm/machine.h"

/* Type 1 header (3.2). */
enum {
    PRIMARY_BUS = 0x18,
    SECONDARY_LATENCY = 0x1b,
    IO_BASE = 0x1c,
    IO_LIMIT = 0x1d,
    SECONDARY_STATUS = 0x1e,
    MEMORY_BASE = 0x20,
    MEMORY_LIMIT = 0x22,
    PREF_BASE = 0x24,
    PREF_LIMIT = 0x26,
    PREF_BASE_HIGH = 0x28,
    PREF_LIMIT_HIGH = 0x2c,
    CAP_SLOT = 0x40,
};
#define PREF_64BIT            0x01
#define CONTROL_ISA           0x0004
#define CONTROL_WRITABLE      0x0b67 /* but VGA, fast back-to-back and the timer's status */
#define CAP_ID_SLOT           0x04
#define SLOT_FIRST_IN_CHASSIS 0x20

static uint64_t high_half(const struct pci_device *d, unsigned offset)
{
    return (uint64_t)(pci_get16(d, offset) | (uint32_t)pci_get16(d, offset + 2) << 16) << 32;
}

struct pci_bridge_window pci_bridge_window(const struct pci_device *d,
                                           enum pci_bridge_window_kind kind)
{
    struct pci_bridge_window w;

    if (kind == PCI_WINDOW_IO) {
        w.first = (uint64_t)(d->config[IO_BASE] & 0xf0) << 8;
        w.last = (uint64_t)(d->config[IO_LIMIT] & 0xf0) << 8 | 0xfff;
    } else if (kind == PCI_WINDOW_MEMORY) {
        w.first = (uint64_t)(pci_get16(d, MEMORY_BASE) & 0xfff0) << 16;
        w.last = (uint64_t)(pci_get16(d, MEMORY_LIMIT) & 0xfff0) << 16 | 0xfffff;
    } else {
        w.first = (uint64_t)(pci_get16(d, PREF_BASE) & 0xfff0) << 16 | high_half(d, PREF_BASE_HIGH);
        w.last = (uint64_t)(pci_get16(d, PREF_LIMIT) & 0xfff0) << 16 |
                 high_half(d, PREF_LIMIT_HIGH) | 0xfffff;
    }
    return w;
}

static bool window_holds(const struct pci_device *d, enum pci_bridge_window_kind kind,
                         uint64_t first, uint64_t last)
{
    struct pci_bridge_window w = pci_bridge_window(d, kind);

    return w.first <= first && last <= w.last;
}

/* With ISA Enable only the first 256 bytes of each KiB of ports pass (3.2.5.18). */
static bool forwards(const struct pci_device *d, bool io, uint64_t first, uint64_t last)
{
    uint16_t command = pci_get16(d, PCI_COMMAND), control = pci_get16(d, PCI_BRIDGE_CONTROL);

    if (io)
        return (command & PCI_COMMAND_IO) && window_holds(d, PCI_WINDOW_IO, first, last) &&
               (!(control & CONTROL_ISA) || ((last & 0x3ff) < 0x100 && last - first < 0x100));
    return (command & PCI_COMMAND_MEMORY) &&
           (window_holds(d, PCI_WINDOW_MEMORY, first, last) ||
            window_holds(d, PCI_WINDOW_PREFETCHABLE, first, last));
}

static void config_written(struct pci_device *d, unsigned offset, unsigned size)
{
    struct pci_bridge *s = (struct pci_bridge *)d;

    if (pci_get16(d, PCI_BRIDGE_CONTROL) & PCI_BRIDGE_CONTROL_RESET)
        pci_bus_reset_secondary(&s->bus);
    if (offset <= PCI_BRIDGE_CONTROL && offset + size > PCI_COMMAND)
        pci_bus_update(&s->bus);
}

static void bridge_reset(struct device *dev)
{
    struct pci_bridge *s = (struct pci_bridge *)dev;

    memset(s->pci.config + PREF_BASE_HIGH, 0, 8);
    pci_set16(&s->pci, SECONDARY_STATUS, 0);
    pci_set16(&s->pci, PCI_BRIDGE_CONTROL, 0);
    pci_device_reset(&s->pci);
    pci_bus_update(&s->bus);
}

static bool bridge_post_load(struct device *dev, struct error *err)
{
    struct pci_bridge *s = (struct pci_bridge *)dev;

    (void)err;
    pci_device_post_load(&s->pci);
    pci_bus_update(&s->bus);
    return true;
}

static const struct state_field bridge_fields[] = {
    STATE_STRUCTS(struct pci_bridge, pci, 1, struct pci_device, pci_device_fields),
    STATE_FIELDS_END,
};

static const struct device_class bridge_class = {
    .type = "pci-bridge",
    .version = 1,
    .fields = bridge_fields,
    .reset = bridge_reset,
    .post_load = bridge_post_load,
};

static void init_header(struct pci_device *d)
{
    d->config[PCI_HEADER_TYPE] = PCI_HEADER_BRIDGE;
    d->wmask[PCI_COMMAND + 1] = PCI_COMMAND_SERR >> 8; /* it has no interrupt to disable */
    memset(d->wmask + PRIMARY_BUS, 0xff, SECONDARY_LATENCY + 1 - PRIMARY_BUS);
    d->wmask[IO_BASE] = d->wmask[IO_LIMIT] = 0xf0;
    d->w1cmask[SECONDARY_STATUS + 1] = PCI_STATUS_W1C >> 8;
    for (unsigned at = MEMORY_BASE; at <= PREF_LIMIT; at += 2) {
        d->wmask[at] = 0xf0;
        d->wmask[at + 1] = 0xff;
    }
    d->config[PREF_BASE] = d->config[PREF_LIMIT] = PREF_64BIT;
    memset(d->wmask + PREF_BASE_HIGH, 0xff, 8);
    d->wmask[PCI_BRIDGE_CONTROL] = CONTROL_WRITABLE & 0xff;
    d->wmask[PCI_BRIDGE_CONTROL + 1] = CONTROL_WRITABLE >> 8;
}

void pci_bridge_init(struct pci_bridge *s, struct machine *m, const char *id, struct pci_bus *bus,
                     uint8_t devfn, uint8_t chassis)
{
    static const struct pci_ids ids = {.vendor = 0x1b36, .device = 0x0001, .class = 0x0604};

    memset(s, 0, sizeof(*s));
    pci_device_init(&s->pci, m, &bridge_class, id, bus, devfn, &ids);
    s->pci.config_written = config_written;
    init_header(&s->pci);
    pci_device_add_capability(&s->pci, CAP_ID_SLOT, CAP_SLOT, 4);
    s->pci.config[CAP_SLOT + 2] = SLOT_FIRST_IN_CHASSIS;
    s->pci.config[CAP_SLOT + 3] = chassis;
    pci_bus_init_secondary(&s->bus, &s->pci, forwards);
    bridge_reset(&s->pci.dev);
}
