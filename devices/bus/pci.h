/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_BUS_PCI_H
#define CALQUE_DEVICES_BUS_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/device.h"
#include "vm/irq.h"
#include "vm/memory.h"

/* Type 0 configuration header (PCI Local Bus 3.0, 6.1). */
enum pci_register {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION_ID = 0x08,
    PCI_CLASS_PROG = 0x09,
    PCI_CLASS_DEVICE = 0x0a,
    PCI_CACHE_LINE_SIZE = 0x0c,
    PCI_LATENCY_TIMER = 0x0d,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BASE_ADDRESS_0 = 0x10,
    PCI_SECONDARY_BUS = 0x19, /* of bridges, up to the next */
    PCI_SUBORDINATE_BUS = 0x1a,
    PCI_SUBSYSTEM_VENDOR_ID = 0x2c,
    PCI_SUBSYSTEM_ID = 0x2e,
    PCI_ROM_ADDRESS = 0x30,
    PCI_CAPABILITY_LIST = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
};

#define PCI_COMMAND_IO           0x0001
#define PCI_COMMAND_MEMORY       0x0002
#define PCI_COMMAND_MASTER       0x0004
#define PCI_COMMAND_PARITY       0x0040
#define PCI_COMMAND_SERR         0x0100
#define PCI_COMMAND_INTX_DISABLE 0x0400
#define PCI_STATUS_INTERRUPT     0x0008
#define PCI_STATUS_CAP_LIST      0x0010
#define PCI_STATUS_W1C           0xf900 /* the error bits, cleared by writing ones */

#define PCI_HEADER_MULTIFUNCTION  0x80 /* of the header type (6.2.1) */
#define PCI_HEADER_BRIDGE         0x01
#define PCI_BRIDGE_CONTROL        0x3e
#define PCI_BRIDGE_CONTROL_RESET  0x40 /* RST# of the secondary bus */
#define PCI_BAR_PRIORITY          (-1) /* of regions; RAM is below, the board's chips above */
#define PCI_NUM_BARS              6
#define PCI_ROM_ENABLE            0x1 /* of the expansion ROM's address register */
#define PCI_DEVFN(slot, function) (((slot) << 3) | (function))
#define PCI_SLOT(devfn)           ((devfn) >> 3)
#define PCI_FUNCTION(devfn)       ((devfn)&7)

/* Kinds of base address register: the low bits as a guest reads them. */
enum pci_bar_type {
    PCI_BAR_MEM32 = 0x0,
    PCI_BAR_IO = 0x1,
    PCI_BAR_MEM64 = 0x4, /* takes the next register too */
    PCI_BAR_MEM32_PREF = 0x8,
    PCI_BAR_MEM64_PREF = 0xc,
};

struct pci_bar {
    struct region *region; /* the device's; NULL when there is no such BAR */
    uint64_t size;         /* a power of two */
    uint8_t type;
    bool mapped;
};

struct pci_bus;

/* A function on the bus. Embedded as the first member of the chip's struct; its fields are saved by
 * STATE_STRUCTS(struct chip, pci, 1, struct pci_device, pci_device_fields), and the chip's class
 * calls pci_device_reset() and pci_device_post_load() from its own reset and post_load. */
struct pci_device {
    struct device dev;
    uint8_t config[256];
    bool intx;            /* the function asserts its interrupt pin */
    uint8_t wmask[256];   /* bits the guest may write */
    uint8_t w1cmask[256]; /* bits cleared by writing one */
    struct pci_bar bars[PCI_NUM_BARS];
    struct pci_bar rom; /* expansion ROM */
    struct pci_bus *bus;
    struct pci_bus *secondary; /* the bus behind a bridge; NULL: no bridge */
    uint8_t devfn;
    /* The guest is about to read `size` bytes at `offset` of config[]; may be NULL. */
    void (*config_reading)(struct pci_device *, unsigned offset, unsigned size);
    /* The guest wrote `size` bytes at `offset`, which are in config[] already; may be NULL. */
    void (*config_written)(struct pci_device *, unsigned offset, unsigned size);
};

struct pci_ids {
    uint16_t vendor, device;
    uint8_t revision, prog_if;
    uint16_t class; /* base class << 8 | subclass */
    uint16_t subsystem_vendor, subsystem;
    uint8_t interrupt_pin; /* 0 none, 1 INTA# ... 4 INTD# */
};

/* What answers single bytes at 0xcf9, inside the CONFADD dword. */
struct pci_reset_control {
    uint8_t (*read)(void *opaque);
    void (*write)(void *opaque, uint8_t value);
    void *opaque;
};

/* Bus 0, or the bus behind a bridge. */
struct pci_bus {
    struct device dev; /* first; and the following are bus 0's alone */
    uint32_t confadd;  /* 0xcf8 */
    struct region confadd_region, confdata_region;
    struct irq_line pirq[4]; /* PIRQA#..PIRQD# */
    struct pci_reset_control reset_control;
    /* every bus's */
    struct pci_device *devices[256];
    struct address_space *mem, *io;
    struct pci_device *bridge; /* whose secondary it is; NULL: bus 0 */
    /* Whether the bridge passes first to last, whole, on to this bus. */
    bool (*forwards)(const struct pci_device *bridge, bool io, uint64_t first, uint64_t last);
};

extern const struct state_field pci_device_fields[];

/* Bus 0 with configuration mechanism #1 at 0xcf8/0xcfc of m->io. BARs appear in m->mem and m->io.
 * Set bus->pirq[] before devices interrupt. */
void pci_bus_init(struct pci_bus *bus, struct machine *m, const char *id);
/* The bus behind a bridge, whose functions decode what `forwards` lets through. */
void pci_bus_init_secondary(struct pci_bus *bus, struct pci_device *bridge,
                            bool (*forwards)(const struct pci_device *bridge, bool io,
                                             uint64_t first, uint64_t last));
/* What the bridge forwards has changed: all behind it may decode something else. */
void pci_bus_update(struct pci_bus *bus);
/* RST# of a bus behind a bridge: everything on it, and on the buses behind that, is reset. */
void pci_bus_reset_secondary(struct pci_bus *bus);
/* Its number as the guest has set it; 0 for bus 0. */
uint8_t pci_bus_number(const struct pci_bus *bus);
/* Calls with each function on the bus in order of devfn, with those behind a bridge after it. */
void pci_each_device(const struct pci_bus *bus, void *opaque,
                     void (*fn)(void *opaque, const struct pci_device *d));

/* Puts a function on the bus with its read-only header filled in and the writable header bits set.
 * The chip then sets up its own registers and BARs. */
void pci_device_init(struct pci_device *d, struct machine *m, const struct device_class *class,
                     const char *id, struct pci_bus *bus, uint8_t devfn, const struct pci_ids *ids);
/* Declares BAR n. The region is filled in (region_init_*), not added, and its size is a power of
 * two, at least 16 for memory and 4 for ports. */
void pci_device_add_bar(struct pci_device *d, unsigned n, enum pci_bar_type type,
                        struct region *region);
/* Declares the expansion ROM (PCI 3.0, 6.2.5.2): a region as above, at least 2 KiB. */
void pci_device_add_rom(struct pci_device *d, struct region *region);
/* Adds a capability of `size` bytes at `offset` (PCI 3.0, 6.7) at the head of the list. */
void pci_device_add_capability(struct pci_device *d, uint8_t id, uint8_t offset, uint8_t size);
/* COMMAND, BARs and the interrupt line to their power-on values; drops the interrupt. */
void pci_device_reset(struct pci_device *d);
void pci_device_post_load(struct pci_device *d);

void pci_set_intx(struct pci_device *d, bool level);
/* Which of PIRQA..PIRQD (0..3) the pin (1..4) of a function on bus 0 is wired to on a PIIX board.
 */
unsigned pci_pirq_of(uint8_t devfn, unsigned pin);

/* Configuration accesses of 1, 2 or 4 bytes, as the guest makes them. No function there: all ones.
 * An access that would run past byte 255 is cut off there. */
uint32_t pci_config_read(struct pci_bus *bus, uint8_t devfn, unsigned offset, unsigned size);
void pci_config_write(struct pci_bus *bus, uint8_t devfn, unsigned offset, uint32_t value,
                      unsigned size);

static inline uint16_t pci_get16(const struct pci_device *d, unsigned offset)
{
    return (uint16_t)(d->config[offset & 0xff] | d->config[(offset + 1) & 0xff] << 8);
}

static inline void pci_set16(struct pci_device *d, unsigned offset, uint16_t value)
{
    d->config[offset & 0xff] = (uint8_t)value;
    d->config[(offset + 1) & 0xff] = (uint8_t)(value >> 8);
}

/* What firmware does before an operating system sees the bus: numbers the buses, gives every BAR an
 * address from the windows and every bridge what is behind it, writes the interrupt line of every
 * pin from pirq_irq[] and enables decoding. */
struct pci_windows {
    uint32_t io_base, io_limit;   /* inclusive */
    uint32_t mem_base, mem_limit; /* inclusive */
};
bool pci_assign_resources(struct pci_bus *bus, const struct pci_windows *w,
                          const uint8_t pirq_irq[4], struct error *err);

#endif
