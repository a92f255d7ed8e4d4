/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_VIRTIO_VIRTIO_BLK_H
#define CALQUE_DEVICES_VIRTIO_VIRTIO_BLK_H

#include "devices/virtio/virtio_pci.h"
#include "host/block/blockdev.h"

#define VIRTIO_BLK_MAX_QUEUES 16

struct virtio_blk_config {
    struct blockdev *disk;
    unsigned queues; /* 1 to VIRTIO_BLK_MAX_QUEUES */
    struct virtio_pci_config pci;
};

/* A block device (OASIS virtio 1.2, 5.2) as a PCI function. */
struct virtio_blk {
    struct virtio_pci bus;
    /* Wiring. */
    struct blockdev *disk;
    uint64_t bytes; /* of data in requests under way */
    bool resetting;
};

void virtio_blk_init(struct virtio_blk *s, struct machine *m, const char *id, struct pci_bus *bus,
                     uint8_t devfn, const struct virtio_blk_config *config);

#endif
