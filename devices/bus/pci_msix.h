/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_BUS_PCI_MSIX_H
#define CALQUE_DEVICES_BUS_PCI_MSIX_H

#include "devices/bus/pci.h"

#define PCI_CAP_MSIX         0x11
#define PCI_MSIX_MAX_VECTORS 64
#define PCI_MSIX_CAP_SIZE    12

/* MSI-X capability of a function (PCI Local Bus 3.0, 6.8.2), whose table and pending bits are alone
 * in a BAR of 4 KiB. Part of the function's chip, which saves it by pci_msix_fields, calls
 * pci_msix_reset() and pci_msix_config_written(), and takes INTx instead while it is disabled. */
struct pci_msix {
    struct pci_msix_entry {
        uint32_t address, address_high, data, control;
    } table[PCI_MSIX_MAX_VECTORS];
    uint64_t pending;
    /* Wiring. */
    struct pci_device *pci;
    uint8_t cap; /* where it is in configuration space */
    unsigned nvectors;
    struct msi_sink sink;
    struct region region;
};

extern const struct state_field pci_msix_fields[];

/* Adds BAR n (memory, 32 bits) and the capability at `cap`. 1 to PCI_MSIX_MAX_VECTORS vectors. */
void pci_msix_init(struct pci_msix *x, struct pci_device *d, unsigned bar, uint8_t cap,
                   unsigned nvectors, struct msi_sink sink);
void pci_msix_reset(struct pci_msix *x);
void pci_msix_config_written(struct pci_msix *x, unsigned offset, unsigned size);
bool pci_msix_enabled(const struct pci_msix *x);
/* Sends the vector's message, now or when it is unmasked. A vector that is not there: nothing. */
void pci_msix_notify(struct pci_msix *x, unsigned vector);

#endif
