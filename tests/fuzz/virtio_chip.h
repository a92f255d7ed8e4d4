/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_FUZZ_VIRTIO_CHIP_H
#define CALQUE_TESTS_FUZZ_VIRTIO_CHIP_H

#include <stdlib.h>

#include "devices/virtio/virtio_pci.h"
#include "tests/fuzz/fuzz.h"

/* What fuzz targets of virtio devices share: a device at VCHIP_DEVFN whose queues have one and the
 * same ring in memory, chains that are what they should be or anything else. */

#define VCHIP_LEGACY 0xc000u
#define VCHIP_MSIX   0xe0000000u
#define VCHIP_MODERN 0xe0004000u
#define VCHIP_DEVFN  PCI_DEVFN(3, 0)
#define VCHIP_RING   0x4000u /* 256 descriptors, then the rings */
#define VCHIP_AVAIL  (VCHIP_RING + 0x1000)
#define VCHIP_BUFFER 0x10000u

#define VCHIP_WINDOWS                                                                              \
    {true, VCHIP_LEGACY, 0x80}, {false, VCHIP_MODERN, 0x40}, {false, VCHIP_MODERN + 0x2000, 0x40}, \
        {false, VCHIP_MODERN, 0x4000}, {false, VCHIP_MSIX, 0x1000}, {false, VCHIP_RING, 0x100},    \
    {                                                                                              \
        false, VCHIP_RING, 0x3000                                                                  \
    }

static inline void vchip_configure(struct pci_bus *bus)
{
    pci_config_write(bus, VCHIP_DEVFN, PCI_BASE_ADDRESS_0, VCHIP_LEGACY, 4);
    pci_config_write(bus, VCHIP_DEVFN, PCI_BASE_ADDRESS_0 + 4, VCHIP_MSIX, 4);
    pci_config_write(bus, VCHIP_DEVFN, PCI_BASE_ADDRESS_0 + 16, VCHIP_MODERN, 4);
    pci_config_write(bus, VCHIP_DEVFN, PCI_COMMAND, 7, 2);
}

/* Through the legacy registers. */
static inline void vchip_start(struct rig *r, struct pci_bus *bus, uint32_t features, bool msix,
                               unsigned queues)
{
    pci_config_write(bus, VCHIP_DEVFN, 0x42, msix ? 0x8000 : 0, 2);
    address_space_write(&r->m.io, VCHIP_LEGACY + 18, 0, 1);
    address_space_write(&r->m.io, VCHIP_LEGACY + 18, 3, 1);
    address_space_write(&r->m.io, VCHIP_LEGACY + 4, features, 4);
    for (unsigned q = 0; q < queues; q++) {
        address_space_write(&r->m.io, VCHIP_LEGACY + 14, q, 2);
        address_space_write(&r->m.io, VCHIP_LEGACY + 8, VCHIP_RING / 4096, 4);
        if (msix)
            address_space_write(&r->m.io, VCHIP_LEGACY + 22, q, 2);
    }
    address_space_write(&r->m.io, VCHIP_LEGACY + 18, 7, 1);
}

static inline void vchip_descriptor(struct rig *r, unsigned n, uint64_t at, uint32_t length,
                                    uint16_t flags, uint16_t next)
{
    address_space_write(&r->m.mem, VCHIP_RING + 16 * n, at, 8);
    address_space_write(&r->m.mem, VCHIP_RING + 16 * n + 8, length, 4);
    address_space_write(&r->m.mem, VCHIP_RING + 16 * n + 12, flags, 2);
    address_space_write(&r->m.mem, VCHIP_RING + 16 * n + 14, next, 2);
}

/* A chain of what the guest gives and room for what it takes, with these bytes, and the
 * notification. how: what is unusual about it, and the queue. */
static inline void vchip_submit_bytes(struct rig *r, struct fuzz_input *in, uint8_t how,
                                      const uint8_t *bytes, size_t size)
{
    uint8_t first = fuzz_u8(in) & 0x3f;
    uint16_t index = (uint16_t)address_space_read(&r->m.mem, VCHIP_AVAIL + 2, 2);

    address_space_write_block(&r->m.mem, VCHIP_BUFFER, bytes, size);
    vchip_descriptor(r, first, VCHIP_BUFFER, (uint32_t)size, how & 4 ? 3 : 1, first + 1);
    vchip_descriptor(r, first + 1, VCHIP_BUFFER + 0x2000, how & 8 ? 0x600 : 0x4000, 2, 0);
    if (how & 1)
        vchip_descriptor(r, fuzz_u8(in), fuzz_number(in), fuzz_u32(in), fuzz_u8(in), fuzz_u8(in));
    if (how & 2)
        vchip_descriptor(r, first, VCHIP_RING + 16 * (first + 4u), 48, 4, 0);
    address_space_write(&r->m.mem, VCHIP_AVAIL + 4 + 2 * (index & 0xff), first, 2);
    address_space_write(&r->m.mem, VCHIP_AVAIL + 2, (uint16_t)(index + 1), 2);
    address_space_write(&r->m.io, VCHIP_LEGACY + 16, how >> 4, 2);
}

static inline void vchip_submit(struct rig *r, struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in);
    size_t size;
    uint8_t *bytes = fuzz_bytes(in, 300, &size);

    vchip_submit_bytes(r, in, how, bytes, size);
    free(bytes);
}

/* What happens to any of them; `what` chooses. */
static inline void vchip_event(struct rig *r, struct pci_bus *bus, struct fuzz_input *in,
                               uint8_t what, unsigned queues)
{
    switch (what & 3) {
    case 0:
        vchip_configure(bus);
        vchip_start(r, bus, fuzz_u32(in), what & 0x80, queues);
        break;
    case 1:
        pci_config_write(bus, VCHIP_DEVFN, fuzz_u8(in), (uint32_t)fuzz_number(in),
                         1u << (what >> 6) % 3);
        break;
    default:
        vchip_submit(r, in);
        break;
    }
}

#endif
