/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_PC_SERVICES_H
#define CALQUE_MACHINES_PC_SERVICES_H

#include "devices/virtio/virtio_console.h"
#include "devices/virtio/virtio_rng.h"
#include "machines/pc_pci.h"

#define PC_MAX_RNGS     4
#define PC_MAX_CONSOLES 4

/* What the host does for a guest that has drivers for it. The devices' MSI sinks are filled in by
 * the board. */
struct pc_services_config {
    struct pc_rng {
        struct pc_pci_place place;
        struct virtio_rng_config config;
    } rngs[PC_MAX_RNGS];
    unsigned nrngs;
    struct pc_console {
        struct pc_pci_place place;
        struct virtio_console_config config;
    } consoles[PC_MAX_CONSOLES];
    unsigned nconsoles;
};

struct pc_services {
    struct virtio_rng rngs[PC_MAX_RNGS];
    struct virtio_console consoles[PC_MAX_CONSOLES];
};

struct pc;
struct error;

/* The n-th of their places, from 0; NULL: there are no more. */
const struct pc_pci_place *pc_services_place(const struct pc_services_config *c, unsigned n);
/* After the PCI bus and what is always on it. */
void pc_wire_services(struct pc *pc);

#endif
