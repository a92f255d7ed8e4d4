/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI bus 0 behind configuration mechanism #1 (PCI Local Bus 3.0, 3.2.2.3.2), and what buses behind
 * bridges (PCI-to-PCI Bridge Architecture 1.2) have in common with it.
 *
 * A function is 256 bytes of configuration with, for every bit, whether the guest may write it or
 * clear it by writing one. BARs are regions that are present in the memory map exactly while
 * COMMAND enables their kind of decoding and the address lies in the space.
 *
 * Interrupt pins are level lines. The four PIRQ lines are wired-or: a line's level is computed from
 * the pins of all functions, so nothing has to be counted, and nothing but each pin is saved.
 *
 * A BAR behind a bridge is decoded while all of it lies in one of the bridge's windows; of one that
 * is only partly in it nothing is. */
#include "devices/bus/pci.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "vm/machine.h"

#define CONFADD_ENABLE   0x80000000u
#define CONFADD_WRITABLE 0x80fffffcu

const struct state_field pci_device_fields[] = {
    STATE_BYTES(struct pci_device, config),
    STATE_BOOL(struct pci_device, intx),
    STATE_FIELDS_END,
};

static const struct state_field pci_bus_fields[] = {
    STATE_U32(struct pci_bus, confadd),
    STATE_FIELDS_END,
};

/* ---- interrupts ---- */

unsigned pci_pirq_of(uint8_t devfn, unsigned pin)
{
    /* Slot 1 is the PIIX itself, whose INTA# is PIRQA#; each further slot rotates by one. */
    return (PCI_SLOT(devfn) + 3u + (pin - 1u)) & 3;
}

static bool intx_driven(const struct pci_device *d)
{
    return d->intx && !(pci_get16(d, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE);
}

static struct pci_bus *root_of(struct pci_bus *bus)
{
    while (bus->bridge)
        bus = bus->bridge->bus;
    return bus;
}

/* Behind a bridge the pins rotate with the slot and become those of the bridge (bridge 1.2, 9.1).
 */
static unsigned pirq_of(const struct pci_device *d, unsigned pin)
{
    for (; d->bus->bridge; d = d->bus->bridge)
        pin = (PCI_SLOT(d->devfn) + (pin - 1u)) % 4 + 1;
    return pci_pirq_of(d->devfn, pin);
}

static bool pirq_driven(const struct pci_bus *bus, unsigned pirq)
{
    bool level = false;

    for (unsigned i = 0; i < 256 && !level; i++) {
        const struct pci_device *d = bus->devices[i];
        unsigned pin = d ? d->config[PCI_INTERRUPT_PIN] : 0;

        level = (pin && intx_driven(d) && pirq_of(d, pin) == pirq) ||
                (d && d->secondary && pirq_driven(d->secondary, pirq));
    }
    return level;
}

static void update_intx(struct pci_device *d)
{
    unsigned pin = d->config[PCI_INTERRUPT_PIN];

    if (d->intx)
        d->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    else
        d->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
    if (pin) {
        struct pci_bus *root = root_of(d->bus);
        unsigned pirq = pirq_of(d, pin);

        irq_set(root->pirq[pirq], pirq_driven(root, pirq));
    }
}

void pci_set_intx(struct pci_device *d, bool level)
{
    if (d->intx == level)
        return;
    d->intx = level;
    update_intx(d);
}

/* ---- base address registers ---- */

static uint32_t get32(const struct pci_device *d, unsigned offset)
{
    return pci_get16(d, offset) | (uint32_t)pci_get16(d, offset + 2) << 16;
}

static void set32(uint8_t *bytes, unsigned offset, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        bytes[(offset + i) & 0xff] = (uint8_t)(value >> 8 * i);
}

static bool bar_is_64(const struct pci_bar *b)
{
    return b->type == PCI_BAR_MEM64 || b->type == PCI_BAR_MEM64_PREF;
}

static uint64_t bar_address(const struct pci_device *d, unsigned n)
{
    const struct pci_bar *b = &d->bars[n];
    uint64_t address = get32(d, PCI_BASE_ADDRESS_0 + 4 * n);

    if (bar_is_64(b))
        address |= (uint64_t)get32(d, PCI_BASE_ADDRESS_0 + 4 * n + 4) << 32;
    return address & ~(b->size - 1);
}

/* Address 0 and an address that would run out of the space are not decoded: guests leave the
 * former in unused BARs and write the latter (all ones) to size a BAR with decoding enabled. */
static bool bar_decodes(const struct pci_device *d, unsigned n, uint64_t address)
{
    const struct pci_bar *b = &d->bars[n];
    uint16_t command = pci_get16(d, PCI_COMMAND);

    if (b->type == PCI_BAR_IO)
        return (command & PCI_COMMAND_IO) && address && address <= 0x10000 - b->size;
    if (!(command & PCI_COMMAND_MEMORY) || !address)
        return false;
    if (!bar_is_64(b))
        return address + b->size < UINT32_MAX;
    return address <= d->bus->mem->last && b->size - 1 <= d->bus->mem->last - address;
}

static bool reached(const struct pci_bus *bus, bool io, uint64_t first, uint64_t last)
{
    bool forwarded = true;

    for (; bus->bridge && forwarded; bus = bus->bridge->bus)
        forwarded = bus->forwards(bus->bridge, io, first, last);
    return forwarded;
}

static void map_bar(struct pci_device *d, struct pci_bar *b, uint64_t address, bool wanted)
{
    bool io = b->type == PCI_BAR_IO;
    struct address_space *space = io ? d->bus->io : d->bus->mem;

    wanted = wanted && reached(d->bus, io, address, address + b->size - 1);
    if (b->mapped && (!wanted || b->region->base != address)) {
        region_remove(b->region);
        b->mapped = false;
    }
    if (wanted && !b->mapped) {
        /* Below what the board itself decodes (0), so that a BAR cannot hide the IOAPIC. */
        region_add(space, b->region, address, PCI_BAR_PRIORITY);
        b->mapped = true;
    }
}

static void update_bar(struct pci_device *d, unsigned n)
{
    uint64_t address = bar_address(d, n);

    map_bar(d, &d->bars[n], address, bar_decodes(d, n, address));
}

static void update_rom(struct pci_device *d)
{
    uint32_t rom = get32(d, PCI_ROM_ADDRESS);
    uint64_t address = rom & ~(d->rom.size - 1);

    map_bar(d, &d->rom, address,
            (rom & PCI_ROM_ENABLE) && (pci_get16(d, PCI_COMMAND) & PCI_COMMAND_MEMORY) && address &&
                address + d->rom.size < UINT32_MAX);
}

static void update_bars(struct pci_device *d)
{
    address_space_begin(d->bus->mem);
    address_space_begin(d->bus->io);
    for (unsigned n = 0; n < PCI_NUM_BARS; n++)
        if (d->bars[n].region)
            update_bar(d, n);
    if (d->rom.region)
        update_rom(d);
    address_space_commit(d->bus->io);
    address_space_commit(d->bus->mem);
}

void pci_bus_update(struct pci_bus *bus)
{
    address_space_begin(bus->mem);
    address_space_begin(bus->io);
    for (unsigned i = 0; i < 256; i++) {
        struct pci_device *d = bus->devices[i];

        if (d)
            update_bars(d);
        if (d && d->secondary)
            pci_bus_update(d->secondary);
    }
    address_space_commit(bus->io);
    address_space_commit(bus->mem);
}

void pci_device_add_bar(struct pci_device *d, unsigned n, enum pci_bar_type type,
                        struct region *region)
{
    struct pci_bar *b = &d->bars[n];
    unsigned offset = PCI_BASE_ADDRESS_0 + 4 * n;
    uint64_t mask = ~(region->size - 1);

    assert(n < PCI_NUM_BARS && (region->size & (region->size - 1)) == 0);
    *b = (struct pci_bar){.region = region, .size = region->size, .type = (uint8_t)type};
    set32(d->wmask, offset, (uint32_t)mask);
    set32(d->config, offset, type);
    if (bar_is_64(b)) {
        assert(n + 1 < PCI_NUM_BARS);
        set32(d->wmask, offset + 4, (uint32_t)(mask >> 32));
    }
}

void pci_device_add_rom(struct pci_device *d, struct region *region)
{
    assert(region->size >= 0x800 && (region->size & (region->size - 1)) == 0);
    d->rom = (struct pci_bar){.region = region, .size = region->size, .type = PCI_BAR_MEM32};
    set32(d->wmask, PCI_ROM_ADDRESS, ~(uint32_t)(region->size - 1) | PCI_ROM_ENABLE);
}

void pci_device_add_capability(struct pci_device *d, uint8_t id, uint8_t offset, uint8_t size)
{
    assert(offset >= 0x40 && offset + size <= 256 && (offset & 3) == 0);
    memset(d->config + offset, 0, size);
    d->config[offset] = id;
    d->config[offset + 1] = d->config[PCI_CAPABILITY_LIST];
    d->config[PCI_CAPABILITY_LIST] = offset;
    d->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
}

/* ---- configuration ---- */

uint32_t pci_config_read(struct pci_bus *bus, uint8_t devfn, unsigned offset, unsigned size)
{
    struct pci_device *d = bus->devices[devfn];
    uint32_t value = 0;

    if (d && d->config_reading)
        d->config_reading(d, offset, size);
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = d && offset + i < 256 ? d->config[offset + i] : 0xff;

        value |= (uint32_t)byte << 8 * i;
    }
    return value;
}

static void write_byte(struct pci_device *d, unsigned offset, uint8_t value)
{
    uint8_t wmask = d->wmask[offset], w1c = d->w1cmask[offset];
    uint8_t byte = d->config[offset];

    byte = (uint8_t)((byte & ~wmask) | (value & wmask));
    d->config[offset] = (uint8_t)(byte & ~(value & w1c));
}

static bool overlaps(unsigned offset, unsigned size, unsigned first, unsigned length)
{
    return offset < first + length && first < offset + size;
}

void pci_config_write(struct pci_bus *bus, uint8_t devfn, unsigned offset, uint32_t value,
                      unsigned size)
{
    struct pci_device *d = bus->devices[devfn];

    if (!d)
        return;
    for (unsigned i = 0; i < size && offset + i < 256; i++)
        write_byte(d, offset + i, (uint8_t)(value >> 8 * i));
    if (overlaps(offset, size, PCI_COMMAND, 2)) {
        update_bars(d);
        update_intx(d);
    } else if (overlaps(offset, size, PCI_BASE_ADDRESS_0, 4 * PCI_NUM_BARS) ||
               overlaps(offset, size, PCI_ROM_ADDRESS, 4)) {
        update_bars(d);
    }
    if (d->config_written)
        d->config_written(d, offset, size);
}

static uint64_t confadd_read(void *opaque, uint64_t offset, unsigned size)
{
    struct pci_bus *bus = opaque;

    if (size == 4)
        return bus->confadd;
    if (offset == 1 && size == 1 && bus->reset_control.read)
        return bus->reset_control.read(bus->reset_control.opaque);
    return UINT64_MAX;
}

/* CONFADD is a dword register; narrower accesses pass it by (82441FX datasheet, 3.1.1), which is
 * how the PIIX3 can have its reset control at 0xcf9. */
static void confadd_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct pci_bus *bus = opaque;

    if (size == 4)
        bus->confadd = (uint32_t)value & CONFADD_WRITABLE;
    else if (offset == 1 && size == 1 && bus->reset_control.write)
        bus->reset_control.write(bus->reset_control.opaque, (uint8_t)value);
}

/* The bus of this number: bus 0, or one that the bridges' registers lead to (bridge 1.2, 3.1.2). A
 * bus in reset answers nothing. */
static struct pci_bus *find_bus(struct pci_bus *bus, uint8_t number)
{
    for (unsigned i = 0; number && i < 256; i++) {
        const struct pci_device *d = bus->devices[i];

        if (!d || !d->secondary || number < d->config[PCI_SECONDARY_BUS] ||
            number > d->config[PCI_SUBORDINATE_BUS])
            continue;
        if (pci_get16(d, PCI_BRIDGE_CONTROL) & PCI_BRIDGE_CONTROL_RESET)
            return NULL;
        if (number == d->config[PCI_SECONDARY_BUS])
            return d->secondary;
        bus = d->secondary;
        i = -1u; /* from its first device */
    }
    return number ? NULL : bus;
}

/* The bus of a configuration cycle; NULL: none is wanted, or nobody claims it. */
static struct pci_bus *confadd_selects(struct pci_bus *bus)
{
    return bus->confadd & CONFADD_ENABLE ? find_bus(bus, (uint8_t)(bus->confadd >> 16)) : NULL;
}

static uint64_t confdata_read(void *opaque, uint64_t offset, unsigned size)
{
    struct pci_bus *bus = opaque, *to = confadd_selects(bus);

    if (!to)
        return UINT64_MAX;
    return pci_config_read(to, (uint8_t)(bus->confadd >> 8),
                           (bus->confadd & 0xfc) + (unsigned)offset, size);
}

static void confdata_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct pci_bus *bus = opaque, *to = confadd_selects(bus);

    if (to)
        pci_config_write(to, (uint8_t)(bus->confadd >> 8), (bus->confadd & 0xfc) + (unsigned)offset,
                         (uint32_t)value, size);
}

/* ---- life ---- */

void pci_device_init(struct pci_device *d, struct machine *m, const struct device_class *class,
                     const char *id, struct pci_bus *bus, uint8_t devfn, const struct pci_ids *ids)
{
    assert(!bus->devices[devfn]);
    d->bus = bus;
    d->devfn = devfn;
    bus->devices[devfn] = d;
    device_init(&d->dev, m, class, id);

    pci_set16(d, PCI_VENDOR_ID, ids->vendor);
    pci_set16(d, PCI_DEVICE_ID, ids->device);
    d->config[PCI_REVISION_ID] = ids->revision;
    d->config[PCI_CLASS_PROG] = ids->prog_if;
    pci_set16(d, PCI_CLASS_DEVICE, ids->class);
    pci_set16(d, PCI_SUBSYSTEM_VENDOR_ID, ids->subsystem_vendor);
    pci_set16(d, PCI_SUBSYSTEM_ID, ids->subsystem);
    d->config[PCI_INTERRUPT_PIN] = ids->interrupt_pin;

    set32(d->wmask, PCI_COMMAND,
          PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
              PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
    d->w1cmask[PCI_STATUS + 1] = PCI_STATUS_W1C >> 8;
    d->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
    d->wmask[PCI_LATENCY_TIMER] = 0xff;
    d->wmask[PCI_INTERRUPT_LINE] = 0xff;
}

void pci_device_reset(struct pci_device *d)
{
    pci_set16(d, PCI_COMMAND, 0);
    d->config[PCI_STATUS + 1] &= (uint8_t)~d->w1cmask[PCI_STATUS + 1];
    d->config[PCI_CACHE_LINE_SIZE] = 0;
    d->config[PCI_LATENCY_TIMER] = 0;
    d->config[PCI_INTERRUPT_LINE] = 0;
    for (unsigned i = PCI_BASE_ADDRESS_0; i < PCI_BASE_ADDRESS_0 + 4 * PCI_NUM_BARS; i++)
        d->config[i] &= (uint8_t)~d->wmask[i];
    set32(d->config, PCI_ROM_ADDRESS, 0);
    d->intx = false;
    update_bars(d);
    update_intx(d);
}

void pci_device_post_load(struct pci_device *d)
{
    update_bars(d);
    /* The line's level is part of the interrupt controllers' state too; this makes them agree. */
    update_intx(d);
}

static void pci_bus_reset(struct device *dev)
{
    ((struct pci_bus *)dev)->confadd = 0;
}

static const struct device_class pci_bus_class = {
    .type = "pci-bus",
    .version = 1,
    .fields = pci_bus_fields,
    .reset = pci_bus_reset,
};

void pci_bus_init(struct pci_bus *bus, struct machine *m, const char *id)
{
    static const struct region_ops confadd_ops = {
        .read = confadd_read, .write = confadd_write, .min_size = 1, .max_size = 4};
    static const struct region_ops confdata_ops = {
        .read = confdata_read, .write = confdata_write, .min_size = 1, .max_size = 4};

    *bus = (struct pci_bus){.mem = &m->mem, .io = &m->io};
    device_init(&bus->dev, m, &pci_bus_class, id);
    region_init_device(&bus->confadd_region, "pci-confadd", 4, &confadd_ops, bus);
    region_init_device(&bus->confdata_region, "pci-confdata", 4, &confdata_ops, bus);
    region_add(bus->io, &bus->confadd_region, 0xcf8, 2);
    region_add(bus->io, &bus->confdata_region, 0xcfc, 2);
    pci_bus_reset(&bus->dev);
}

void pci_bus_init_secondary(struct pci_bus *bus, struct pci_device *bridge,
                            bool (*forwards)(const struct pci_device *bridge, bool io,
                                             uint64_t first, uint64_t last))
{
    *bus = (struct pci_bus){
        .mem = bridge->bus->mem, .io = bridge->bus->io, .bridge = bridge, .forwards = forwards};
    bridge->secondary = bus;
}

void pci_bus_reset_secondary(struct pci_bus *bus)
{
    for (unsigned i = 0; i < 256; i++) {
        struct device *dev = bus->devices[i] ? &bus->devices[i]->dev : NULL;

        if (bus->devices[i] && bus->devices[i]->secondary)
            pci_bus_reset_secondary(bus->devices[i]->secondary);
        if (dev && dev->class->reset)
            dev->class->reset(dev);
    }
}

uint8_t pci_bus_number(const struct pci_bus *bus)
{
    return bus->bridge ? bus->bridge->config[PCI_SECONDARY_BUS] : 0;
}

void pci_each_device(const struct pci_bus *bus, void *opaque,
                     void (*fn)(void *opaque, const struct pci_device *d))
{
    for (unsigned i = 0; i < 256; i++) {
        const struct pci_device *d = bus->devices[i];

        if (d)
            fn(opaque, d);
        if (d && d->secondary)
            pci_each_device(d->secondary, opaque, fn);
    }
}

/* ---- the firmware's part ---- */

/* Takes an aligned piece of [*next, limit]; 0 when it does not fit. */
static uint32_t take(uint32_t *next, uint32_t limit, uint64_t size)
{
    uint64_t at = (*next + size - 1) & ~(size - 1);

    if (at + size - 1 > limit)
        return 0;
    *next = (uint32_t)(at + size); /* wraps to 0 only when the space is used up */
    return (uint32_t)at;
}

static bool assign_bars(struct pci_device *d, struct pci_windows *w, struct error *err)
{
    for (unsigned n = 0; n < PCI_NUM_BARS; n++) {
        const struct pci_bar *b = &d->bars[n];
        bool io = b->type == PCI_BAR_IO;
        uint32_t at;

        if (!b->region)
            continue;
        at = io ? take(&w->io_base, w->io_limit, b->size)
                : take(&w->mem_base, w->mem_limit, b->size);
        if (!at)
            return error_set(err, "%s: no room in the PCI %s window for the %llu bytes of BAR %u",
                             d->dev.id, io ? "I/O" : "memory", (unsigned long long)b->size, n);
        pci_config_write(d->bus, d->devfn, PCI_BASE_ADDRESS_0 + 4 * n, at, 4);
    }
    return true;
}

/* What firmware has still to give. */
struct assignment {
    struct pci_windows left;
    const uint8_t *pirq_irq;
    uint8_t last_bus;
};

static bool assign_bus(struct pci_bus *bus, struct assignment *a, struct error *err);

static uint32_t round_up(uint32_t at, uint32_t unit)
{
    return (at + unit - 1) & ~(unit - 1);
}

/* Windows are of 4 KiB of ports and of 1 MiB; one that ends where it starts is closed, for its last
 * unit is below its first. */
static bool assign_bridge(struct pci_device *d, struct assignment *a, struct error *err)
{
    struct pci_windows *w = &a->left;
    uint32_t io = w->io_base = round_up(w->io_base, 0x1000);
    uint32_t mem = w->mem_base = round_up(w->mem_base, 0x100000), io_last, mem_last;

    pci_config_write(d->bus, d->devfn, PCI_SECONDARY_BUS - 1,
                     (++a->last_bus << 8) | pci_bus_number(d->bus), 2);
    if (!assign_bus(d->secondary, a, err))
        return false;
    w->io_base = round_up(w->io_base, 0x1000);
    w->mem_base = round_up(w->mem_base, 0x100000);
    io_last = w->io_base - 1;
    mem_last = w->mem_base - 1;
    pci_config_write(d->bus, d->devfn, PCI_SUBORDINATE_BUS, a->last_bus, 1);
    pci_config_write(d->bus, d->devfn, 0x1c, (io >> 8 & 0xf0) | (io_last & 0xf000), 2);
    pci_config_write(d->bus, d->devfn, 0x20, mem >> 16 | (mem_last & 0xfff00000), 4);
    pci_config_write(d->bus, d->devfn, 0x24, 0x0000fff0, 4); /* prefetchable: closed */
    return true;
}

static bool assign_device(struct pci_device *d, struct assignment *a, struct error *err)
{
    unsigned pin = d->config[PCI_INTERRUPT_PIN];

    if (!assign_bars(d, &a->left, err) || (d->secondary && !assign_bridge(d, a, err)))
        return false;
    if (pin)
        pci_config_write(d->bus, d->devfn, PCI_INTERRUPT_LINE, a->pirq_irq[pirq_of(d, pin)], 1);
    pci_config_write(d->bus, d->devfn, PCI_COMMAND,
                     PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    return true;
}

static bool assign_bus(struct pci_bus *bus, struct assignment *a, struct error *err)
{
    bool ok = true;

    for (unsigned devfn = 0; devfn < 256 && ok; devfn++)
        ok = !bus->devices[devfn] || assign_device(bus->devices[devfn], a, err);
    return ok;
}

bool pci_assign_resources(struct pci_bus *bus, const struct pci_windows *w,
                          const uint8_t pirq_irq[4], struct error *err)
{
    struct assignment a = {.left = *w, .pirq_irq = pirq_irq};

    return assign_bus(bus, &a, err);
}
