/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_VIRTIO_VIRTIO_TABLET_H
#define CALQUE_DEVICES_VIRTIO_VIRTIO_TABLET_H

#include "devices/input/hid_port.h"
#include "devices/virtio/virtio_pci.h"

#define VIRTIO_TABLET_PENDING 64 /* events that wait for the guest's buffers */

/* An absolute pointer (OASIS virtio 1.2, 5.8) as a PCI function: five buttons and a wheel. */
struct virtio_tablet {
    struct virtio_pci bus;
    struct virtio_tablet_event {
        uint16_t type, code;
        uint32_t value;
    } pending[VIRTIO_TABLET_PENDING];
    uint16_t head, count;
    uint8_t buttons; /* as the guest knows them */
    /* Wiring. */
    struct hid_port *hid;
    unsigned index; /* of the tablet there */
};

void virtio_tablet_init(struct virtio_tablet *s, struct machine *m, const char *id,
                        struct pci_bus *bus, uint8_t devfn, struct msi_sink msi,
                        struct hid_port *hid);

#endif
