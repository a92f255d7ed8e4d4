/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_VIRTIO_VIRTIO_PCI_H
#define CALQUE_DEVICES_VIRTIO_VIRTIO_PCI_H

#include "devices/bus/pci.h"
#include "devices/bus/pci_msix.h"
#include "devices/virtio/virtio.h"

/* Virtio over PCI (OASIS virtio 1.2, 4.1), transitional: BAR 0 has the legacy registers (4.1.4.10),
 * BAR 1 the MSI-X table, BAR 4 the modern structures; or modern alone. First member of a device:
 *
 *   static const struct state_field fields[] = {VIRTIO_PCI_FIELDS(struct my_device, bus), ...};
 *
 *   virtio_init(&s->bus.virtio, ...); virtio_pci_init(&s->bus, ...);
 *
 * The class's reset calls virtio_pci_reset(), its post_load virtio_pci_post_load(). */

struct virtio_pci {
    struct pci_device pci;
    struct pci_msix msix;
    struct virtio_device virtio;
    uint8_t isr;
    uint16_t queue_select;
    uint32_t device_feature_select, driver_feature_select;
    uint64_t driver_features; /* as written; virtio.features is what counts */
    /* Wiring. */
    struct region legacy, modern;
    struct region_kick legacy_kicks[VIRTIO_MAX_QUEUES], modern_kicks[VIRTIO_MAX_QUEUES];
};

#define VIRTIO_PCI_FIELDS(type, f) STATE_STRUCTS(type, f, 1, struct virtio_pci, virtio_pci_fields)
extern const struct state_field virtio_pci_fields[];

struct virtio_pci_config {
    uint16_t class; /* of the PCI function */
    bool modern_only;
    struct msi_sink msi;
};

void virtio_pci_init(struct virtio_pci *s, struct machine *m, const struct device_class *class,
                     const char *id, struct pci_bus *bus, uint8_t devfn,
                     const struct virtio_pci_config *config);
void virtio_pci_reset(struct virtio_pci *s);
void virtio_pci_post_load(struct virtio_pci *s);

#endif
