/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_DEVICES_VIRTIO_BOX_H
#define CALQUE_TESTS_DEVICES_VIRTIO_BOX_H

#include <stdlib.h>
#include <string.h>

#include "devices/virtio/virtio_pci.h"
#include "tests/devices/rig_pci.h"

/* A virtio device on a PCI bus with a megabyte of RAM, as a driver of the modern interface uses it:
 * each queue has its rings and eight buffers of 2 KiB, in chains of one or two. */

#define VBOX_LEGACY       0xc000u
#define VBOX_MSIX         0xe0000000u
#define VBOX_MODERN       0xe0004000u
#define VBOX_CONFIG       (VBOX_MODERN + 0x2000)
#define VBOX_DEVFN        PCI_DEVFN(3, 0)
#define VBOX_RING         8u
#define VBOX_QUEUES       16u /* that have room for rings */
#define VBOX_QUEUE(n)     (0x10000u + 0x8000u * (n))
#define VBOX_AVAIL(n)     (VBOX_QUEUE(n) + 0x1000)
#define VBOX_USED(n)      (VBOX_QUEUE(n) + 0x2000)
#define VBOX_BUFFER(n, i) (VBOX_QUEUE(n) + 0x3000 + 0x800 * (i))

struct vbox {
    struct rig r;
    struct region ram;
    struct pci_bus bus;
    unsigned messages[64];
    uint16_t avail[VBOX_QUEUES];
};

static inline void vbox_message(void *owner, uint64_t address, uint32_t data)
{
    (void)address;
    ((struct vbox *)owner)->messages[data & 63]++;
}

/* The device is made between the two, at VBOX_DEVFN of b->bus, with vbox_pci() as configuration. */
static inline void vbox_init(struct vbox *b)
{
    memset(b, 0, sizeof(*b));
    rig_init(&b->r);
    rig_add_memory(&b->r, &b->ram);
    rig_add_pci(&b->r, &b->bus);
}

static inline struct virtio_pci_config vbox_pci(struct vbox *b)
{
    return (struct virtio_pci_config){.class = 0x00ff, .msi = {vbox_message, b}};
}

static inline void vbox_map(struct vbox *b)
{
    pci_config_write(&b->bus, VBOX_DEVFN, PCI_BASE_ADDRESS_0, VBOX_LEGACY, 4);
    pci_config_write(&b->bus, VBOX_DEVFN, PCI_BASE_ADDRESS_0 + 4, VBOX_MSIX, 4);
    pci_config_write(&b->bus, VBOX_DEVFN, PCI_BASE_ADDRESS_0 + 16, VBOX_MODERN, 4);
    pci_config_write(&b->bus, VBOX_DEVFN, PCI_COMMAND, 7, 2);
}

static inline uint64_t vbox_get(struct vbox *b, uint64_t at, unsigned size)
{
    return address_space_read(&b->r.m.mem, at, size);
}

static inline void vbox_put(struct vbox *b, uint64_t at, uint64_t value, unsigned size)
{
    address_space_write(&b->r.m.mem, at, value, size);
}

static inline uint8_t *vbox_ram(struct vbox *b, uint64_t at)
{
    return b->r.m.arena.host + at;
}

/* Reset, features, queues, go (3.1.1). Vector 0 is the configuration's, n + 1 is queue n's. */
static inline void vbox_start(struct vbox *b, uint64_t features)
{
    unsigned n = (unsigned)vbox_get(b, VBOX_MODERN + 0x12, 2);

    features |= VIRTIO_F_VERSION_1;
    pci_config_write(&b->bus, VBOX_DEVFN, 0x42, 0x8000, 2);
    vbox_put(b, VBOX_MODERN + 0x14, 0, 1);
    vbox_put(b, VBOX_MODERN + 0x14, 3, 1);
    for (unsigned i = 0; i < 2; i++) {
        vbox_put(b, VBOX_MODERN + 0x08, i, 4);
        vbox_put(b, VBOX_MODERN + 0x0c, features >> 32 * i, 4);
    }
    vbox_put(b, VBOX_MODERN + 0x14, 11, 1);
    assert_int_equal(vbox_get(b, VBOX_MODERN + 0x14, 1), 11);
    for (unsigned i = 0; i <= n; i++) {
        vbox_put(b, VBOX_MSIX + 16 * i, 0xfee00000, 4);
        vbox_put(b, VBOX_MSIX + 16 * i + 8, i, 4);
        vbox_put(b, VBOX_MSIX + 16 * i + 12, 0, 4);
    }
    vbox_put(b, VBOX_MODERN + 0x10, 0, 2);
    for (unsigned i = 0; i < n && i < VBOX_QUEUES; i++) {
        vbox_put(b, VBOX_AVAIL(i), 0, 4);
        vbox_put(b, VBOX_USED(i), 0, 4);
        b->avail[i] = 0;
        vbox_put(b, VBOX_MODERN + 0x16, i, 2);
        vbox_put(b, VBOX_MODERN + 0x18, VBOX_RING, 2);
        vbox_put(b, VBOX_MODERN + 0x1a, i + 1, 2);
        vbox_put(b, VBOX_MODERN + 0x20, VBOX_QUEUE(i), 4);
        vbox_put(b, VBOX_MODERN + 0x28, VBOX_AVAIL(i), 4);
        vbox_put(b, VBOX_MODERN + 0x30, VBOX_USED(i), 4);
        vbox_put(b, VBOX_MODERN + 0x1c, 1, 2);
    }
    vbox_put(b, VBOX_MODERN + 0x14, 15, 1);
}

static inline void vbox_descriptor(struct vbox *b, unsigned n, unsigned i, uint64_t at,
                                   uint32_t len, uint16_t flags, uint16_t next)
{
    uint64_t d = VBOX_QUEUE(n) + 16 * i;

    vbox_put(b, d, at, 8);
    vbox_put(b, d + 8, len, 4);
    vbox_put(b, d + 12, flags, 2);
    vbox_put(b, d + 14, next, 2);
}

static inline void vbox_available(struct vbox *b, unsigned n, unsigned i)
{
    vbox_put(b, VBOX_AVAIL(n) + 4 + 2 * (b->avail[n] % VBOX_RING), i, 2);
    vbox_put(b, VBOX_AVAIL(n) + 2, ++b->avail[n], 2);
}

/* Buffer i of queue n for the device to fill. */
static inline void vbox_give_in(struct vbox *b, unsigned n, unsigned i, uint32_t len)
{
    vbox_descriptor(b, n, i, VBOX_BUFFER(n, i), len, 2, 0);
    vbox_available(b, n, i);
}

/* Bytes for the device, in buffer i, and room for an answer in buffer i + 1 unless it is 0. */
static inline void vbox_give_out(struct vbox *b, unsigned n, unsigned i, const void *data,
                                 uint32_t len, uint32_t room)
{
    memcpy(vbox_ram(b, VBOX_BUFFER(n, i)), data, len);
    vbox_descriptor(b, n, i, VBOX_BUFFER(n, i), len, room ? 1 : 0, (uint16_t)(i + 1));
    if (room)
        vbox_descriptor(b, n, i + 1, VBOX_BUFFER(n, i + 1), room, 2, 0);
    vbox_available(b, n, i);
}

static inline void vbox_kick(struct vbox *b, unsigned n)
{
    vbox_put(b, VBOX_MODERN + 0x3000 + 4 * n, n, 2);
}

static inline unsigned vbox_used(struct vbox *b, unsigned n)
{
    return (unsigned)vbox_get(b, VBOX_USED(n) + 2, 2);
}

/* How much was written into the i-th chain that was given back. */
static inline uint32_t vbox_written(struct vbox *b, unsigned n, unsigned i)
{
    return (uint32_t)vbox_get(b, VBOX_USED(n) + 8 + 8 * (i % VBOX_RING), 4);
}

static inline bool vbox_is_broken(struct vbox *b)
{
    return vbox_get(b, VBOX_MODERN + 0x14, 1) & VIRTIO_NEEDS_RESET;
}

#endif
