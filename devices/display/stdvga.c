/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The standard PCI display adapter: QEMU's docs/specs/standard-vga.
 *
 *   BAR 0  video memory
 *   BAR 2  000-3ff EDID, 400-41f ports 3c0-3df, 500-515 DISPI, 600-607 byte order
 *   ROM    the VGA BIOS
 *
 * The legacy ports and addresses are decoded as COMMAND says. */
#include "devices/display/stdvga.h"

#include <string.h>

#include "base/error.h"
#include "devices/display/edid.h"
#include "vm/machine.h"

#define REGISTERS_SIZE 0x1000u

enum {
    REG_EDID = 0x000,
    REG_VGA = 0x400,
    REG_VGA_END = 0x420,
    REG_DISPI = 0x500,
    REG_DISPI_END = REG_DISPI + 2 * VGA_NUM_DISPI,
    REG_EXTENDED = 0x600, /* size of these registers; then: */
    REG_BYTE_ORDER = 0x604,
};

#define BYTE_ORDER_LITTLE 0x1e1e1e1eu

static uint8_t register_byte(struct stdvga *s, unsigned offset)
{
    if (offset < STDVGA_EDID_SIZE)
        return s->edid[offset];
    if (offset >= REG_VGA && offset < REG_VGA_END)
        return vga_port_read(&s->vga, 0x3c0 + offset - REG_VGA);
    if (offset >= REG_DISPI && offset < REG_DISPI_END)
        return (uint8_t)(vga_dispi_read(&s->vga, (offset - REG_DISPI) / 2) >> 8 * (offset & 1));
    if (offset == REG_EXTENDED)
        return 8;
    if (offset >= REG_BYTE_ORDER && offset < REG_BYTE_ORDER + 4)
        return BYTE_ORDER_LITTLE & 0xff;
    return 0;
}

static uint64_t registers_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)register_byte(opaque, (unsigned)offset + i) << 8 * i;
    return value;
}

/* DISPI registers are words. The byte order stays as it is. */
static void registers_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct stdvga *s = opaque;

    for (unsigned i = 0; i < size; i++)
        if (offset + i >= REG_VGA && offset + i < REG_VGA_END)
            vga_port_write(&s->vga, 0x3c0 + (unsigned)offset + i - REG_VGA,
                           (uint8_t)(value >> 8 * i));
    if (offset >= REG_DISPI && offset < REG_DISPI_END && !(offset & 1) && size >= 2)
        for (unsigned i = 0; i < size; i += 2)
            vga_dispi_write(&s->vga, ((unsigned)offset + i - REG_DISPI) / 2,
                            (uint16_t)(value >> 8 * i));
    if (offset == REG_BYTE_ORDER && (uint32_t)value != BYTE_ORDER_LITTLE)
        log_line(&s->vga.m->log, LOG_UNIMP, "%s: big-endian framebuffer", s->vga.id);
}

static void update_decoding(struct stdvga *s)
{
    uint16_t command = pci_get16(&s->pci, PCI_COMMAND);

    vga_decode(&s->vga, command & PCI_COMMAND_IO, command & PCI_COMMAND_MEMORY);
}

static void config_written(struct pci_device *d, unsigned offset, unsigned size)
{
    (void)size;
    if (offset < PCI_COMMAND + 2u)
        update_decoding((struct stdvga *)d);
}

static void reset(struct device *dev)
{
    struct stdvga *s = (struct stdvga *)dev;

    pci_device_reset(&s->pci);
    vga_reset(&s->vga);
    update_decoding(s);
}

static bool post_load(struct device *dev, struct error *err)
{
    struct stdvga *s = (struct stdvga *)dev;

    (void)err;
    pci_device_post_load(&s->pci);
    vga_post_load(&s->vga);
    update_decoding(s);
    return true;
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct stdvga, pci, 1, struct pci_device, pci_device_fields),
    STATE_STRUCTS(struct stdvga, vga, 1, struct vga, vga_fields),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "stdvga", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

/* Rounded up to a power of two, which is what a BAR can have. */
static bool add_rom(struct stdvga *s, const uint8_t *rom, size_t rom_size, struct error *err)
{
    struct arena *a = &s->vga.m->arena;
    size_t size = 0x800;
    uint64_t at;

    while (size < rom_size)
        size *= 2;
    at = arena_alloc(a, size);
    if (at == ARENA_NONE)
        return error_set(err, "%s: no room for a ROM of %zu bytes", s->vga.id, rom_size);
    arena_before_store(a, at, size);
    memset(a->host + at, 0xff, size);
    memcpy(a->host + at, rom, rom_size);
    arena_store_notify(a, at, size);
    region_init_memory(&s->rom, "vga-rom", size, at, ARENA_NONE);
    pci_device_add_rom(&s->pci, &s->rom);
    return true;
}

bool stdvga_init(struct stdvga *s, struct machine *m, const char *id, struct pci_bus *bus,
                 uint8_t devfn, const struct stdvga_config *config, struct error *err)
{
    static const struct pci_ids ids = {.vendor = 0x1234,
                                       .device = 0x1111,
                                       .revision = 2, /* has the registers at 600h */
                                       .class = 0x0300,
                                       .subsystem_vendor = 0x1af4,
                                       .subsystem = 0x1100};
    static const struct region_ops ops = {registers_read, registers_write, 1, 4};

    memset(s, 0, sizeof(*s));
    if (!vga_init(&s->vga, m, id, config->vram_size, err))
        return false;
    pci_device_init(&s->pci, m, &class, id, bus, devfn, &ids);
    s->pci.config_written = config_written;
    region_init_memory(&s->framebuffer, "vga-framebuffer", config->vram_size, s->vga.vram_at,
                       s->vga.vram_at);
    region_init_device(&s->registers, "vga-registers", REGISTERS_SIZE, &ops, s);
    pci_device_add_bar(&s->pci, 0, PCI_BAR_MEM32_PREF, &s->framebuffer);
    pci_device_add_bar(&s->pci, 2, PCI_BAR_MEM32, &s->registers);
    edid_build(s->edid, config->xres, config->yres);
    if (config->rom && !add_rom(s, config->rom, config->rom_size, err))
        return false;
    reset(&s->pci.dev);
    return true;
}

void stdvga_destroy(struct stdvga *s)
{
    vga_destroy(&s->vga);
}

struct display_source stdvga_source(struct stdvga *s)
{
    return (struct display_source){.draw = vga_draw, .text = vga_text, .opaque = &s->vga};
}
