/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_BUS_I440FX_H
#define CALQUE_DEVICES_BUS_I440FX_H

#include "devices/bus/pci.h"

#define I440FX_PAM0             0x59 /* PAM0..PAM6: 0x59..0x5f */
#define I440FX_SMRAM            0x72
#define I440FX_NUM_PAM_SEGMENTS 13

/* 82441FX PCI and memory controller (PMC): host bridge, function 00:00.0. */
struct i440fx {
    struct pci_device pci;
    /* 0xc0000..0xeffff in 16 KiB segments, then 0xf0000..0xfffff. */
    struct region pam[I440FX_NUM_PAM_SEGMENTS];
    uint64_t pam_rom[I440FX_NUM_PAM_SEGMENTS]; /* arena offset of ROM on the bus, or ARENA_NONE */
    struct region smram;
};

/* rom_at: arena offset of the 128 KiB of BIOS that the PCI side shows at 0xe0000, or ARENA_NONE.
 * RAM of the first megabyte is at arena offset = address. */
void i440fx_init(struct i440fx *s, struct machine *m, const char *id, struct pci_bus *bus,
                 uint64_t rom_at);
/* Shows `size` bytes of ROM on the bus at [base, base + size), whole 16 KiB segments below
 * 0xf0000: an option ROM where PAM leaves RAM out. */
void i440fx_map_rom(struct i440fx *s, uint32_t base, uint32_t size, uint64_t rom_at);

#endif
