/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_DISPLAY_STDVGA_H
#define CALQUE_DEVICES_DISPLAY_STDVGA_H

#include "devices/bus/pci.h"
#include "devices/display/vga.h"

#define STDVGA_EDID_SIZE 128
#define STDVGA_ROM_MAX   (256u << 10)

struct stdvga_config {
    uint32_t vram_size;  /* bytes; a power of two from VGA_MIN_VRAM to VGA_MAX_VRAM */
    uint16_t xres, yres; /* the monitor's preferred resolution */
    const uint8_t *rom;  /* option ROM, rom_size bytes; NULL: none */
    size_t rom_size;     /* at most STDVGA_ROM_MAX */
};

/* PCI display adapter 1234:1111 (QEMU's docs/specs/standard-vga): VGA with DISPI, its memory as
 * BAR 0, and its registers as BAR 2. */
struct stdvga {
    struct pci_device pci; /* first */
    struct vga vga;
    struct region framebuffer, registers, rom;
    uint8_t edid[STDVGA_EDID_SIZE];
};

/* Takes video memory and ROM from the arena. */
bool stdvga_init(struct stdvga *s, struct machine *m, const char *id, struct pci_bus *bus,
                 uint8_t devfn, const struct stdvga_config *config, struct error *err);
void stdvga_destroy(struct stdvga *s);

/* What it shows, for a display. */
struct display_source stdvga_source(struct stdvga *s);

#endif
