/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_VIRTIO_VIRTIO_RNG_H
#define CALQUE_DEVICES_VIRTIO_VIRTIO_RNG_H

#include "devices/virtio/virtio_pci.h"
#include "host/entropy.h"
#include "vm/clock.h"
#include "vm/input.h"

struct virtio_rng_config {
    struct entropy *source; /* NULL: input_random() */
    uint64_t max_bytes;     /* that the guest may have in a period; UINT64_MAX: any number */
    uint64_t period;        /* ns, not 0 */
    struct virtio_pci_config pci;
};

/* An entropy device (OASIS virtio 1.2, 5.4) as a PCI function. */
struct virtio_rng {
    struct virtio_pci bus;
    uint64_t quota; /* bytes left of this period */
    struct vm_timer timer;
    /* Wiring. */
    struct virtio_rng_config config;
    struct input_source input;
};

void virtio_rng_init(struct virtio_rng *s, struct machine *m, const char *id, struct pci_bus *bus,
                     uint8_t devfn, const struct virtio_rng_config *config);

#endif
