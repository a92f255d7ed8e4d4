/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_BUS_PCI_MSI_H
#define CALQUE_DEVICES_BUS_PCI_MSI_H

#include "devices/bus/pci.h"

#define PCI_CAP_MSI      0x05
#define PCI_MSI_CAP_SIZE 14

/* MSI capability of a function (PCI Local Bus 3.0, 6.8.1) with one message, a 64-bit address and no
 * mask bits. All of it is in the function's configuration space, which is saved with the function.
 * The chip calls pci_msi_reset() and takes INTx instead while it is disabled. */
struct pci_msi {
    struct pci_device *pci;
    uint8_t cap; /* where it is in configuration space */
    struct msi_sink sink;
};

/* Adds the capability at `cap`. */
void pci_msi_init(struct pci_msi *x, struct pci_device *d, uint8_t cap, struct msi_sink sink);
void pci_msi_reset(struct pci_msi *x);
bool pci_msi_enabled(const struct pci_msi *x);
/* Sends the message, if the function is enabled to. */
void pci_msi_notify(const struct pci_msi *x);

#endif
