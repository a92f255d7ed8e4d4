/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_VIRTIO_VIRTIO_9P_H
#define CALQUE_DEVICES_VIRTIO_VIRTIO_9P_H

#include "devices/virtio/p9_server.h"
#include "devices/virtio/virtio_pci.h"

#define VIRTIO_9P_TAG_MAX 32u /* bytes of a mount tag */

struct virtio_9p_config {
    struct fs_tree *tree;
    const char *tag; /* 1 to VIRTIO_9P_TAG_MAX bytes */
    struct virtio_pci_config pci;
};

/* A shared folder (9P over virtio: Linux, net/9p/trans_virtio.c) as a PCI function. */
struct virtio_9p {
    struct virtio_pci bus;
    struct state_blob fids; /* what the client holds, when it was last asked for */
    /* Wiring; the server is what was loaded from fids. */
    struct p9_server server;
    uint8_t *request, *reply; /* P9_MSIZE_MAX each */
};

/* False: no memory. */
bool virtio_9p_init(struct virtio_9p *s, struct machine *m, const char *id, struct pci_bus *bus,
                    uint8_t devfn, const struct virtio_9p_config *config);
/* After the machine; also of what was never made. */
void virtio_9p_destroy(struct virtio_9p *s);

#endif
