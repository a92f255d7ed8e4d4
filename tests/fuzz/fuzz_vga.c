/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The display adapter: its ports, windows, framebuffer and registers, with the picture and the text
 * drawn in between. */
#include "devices/display/stdvga.h"

#include <string.h>

#include "base/error.h"
#include "tests/fuzz/fuzz.h"

#define VRAM 0x100000u
#define FB   0xe0000000u
#define MMIO 0xf0000000u

static struct pci_bus bus;
static struct stdvga vga;
static struct surface picture;
static struct text_screen screen;

static void add(struct rig *r)
{
    const struct stdvga_config config = {.vram_size = VRAM, .xres = 1024, .yres = 768};
    struct error err = {""};

    memset(&bus, 0, sizeof(bus));
    pci_bus_init(&bus, &r->m, "pci");
    if (!stdvga_init(&vga, &r->m, "vga", &bus, PCI_DEVFN(2, 0), &config, &err))
        fuzz_failed("stdvga_init", 0, err.text);
    pci_config_write(&bus, 0x10, PCI_BASE_ADDRESS_0, FB, 4);
    pci_config_write(&bus, 0x10, PCI_BASE_ADDRESS_0 + 8, MMIO, 4);
    pci_config_write(&bus, 0x10, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
}

static void drop(struct rig *r)
{
    (void)r;
    stdvga_destroy(&vga);
    surface_free(&picture);
}

/* What there is on the screen is within it. */
static void look(void)
{
    const struct display_source source = stdvga_source(&vga);

    source.draw(source.opaque, &picture);
    fuzz_check(picture.width > 0 && picture.width <= SURFACE_MAX);
    fuzz_check(picture.height > 0 && picture.height <= SURFACE_MAX);
    if (source.text(source.opaque, &screen))
        fuzz_check(screen.columns <= TEXT_MAX_COLUMNS && screen.rows <= TEXT_MAX_ROWS);
}

/* Registers with an index, which single accesses hardly ever meet; modes of the DISPI. */
static void event(struct rig *r, struct fuzz_input *in)
{
    static const uint16_t indexed[] = {0x3c4, 0x3ce, 0x3d4, 0x3b4};
    uint8_t what = fuzz_u8(in);

    if (what < 0x40) {
        look();
    } else if (what < 0x80) {
        address_space_write(&r->m.io, 0x3c0, what & 0x3f, 1);
        address_space_write(&r->m.io, 0x3c0, fuzz_u8(in), 1);
    } else if (what < 0xc0) {
        address_space_write(&r->m.io, 0x1ce, what & 0xf, 2);
        address_space_write(&r->m.io, 0x1cf, fuzz_u16(in), 2);
    } else {
        address_space_write(&r->m.io, indexed[what & 3], fuzz_u16(in), 2);
    }
}

static const struct fuzz_chip chip = {
    .windows = {{true, 0x3b0, 0x30},
                {true, 0x1ce, 3},
                {true, 0xcf8, 8},
                {false, 0xa0000, 0x20000},
                {false, FB, VRAM},
                {false, MMIO, 0x1000}},
    .extra = VRAM + STDVGA_ROM_MAX,
    .add = add,
    .remove = drop,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
