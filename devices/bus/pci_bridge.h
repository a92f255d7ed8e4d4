/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_BUS_PCI_BRIDGE_H
#define CALQUE_DEVICES_BUS_PCI_BRIDGE_H

#include "devices/bus/pci.h"

/* A PCI-to-PCI bridge (PCI-to-PCI Bridge Architecture Specification 1.2). */
struct pci_bridge {
    struct pci_device pci; /* first */
    struct pci_bus bus;    /* behind it */
};

/* Puts the bridge on `bus`; functions then go on s->bus. chassis: its number by slot numbering
 * (chapter 13), 1 to 255. */
void pci_bridge_init(struct pci_bridge *s, struct machine *m, const char *id, struct pci_bus *bus,
                     uint8_t devfn, uint8_t chassis);

/* Addresses that a bridge forwards when it decodes; inclusive, closed while last is below first. */
struct pci_bridge_window {
    uint64_t first, last;
};
enum pci_bridge_window_kind { PCI_WINDOW_IO, PCI_WINDOW_MEMORY, PCI_WINDOW_PREFETCHABLE };
struct pci_bridge_window pci_bridge_window(const struct pci_device *d,
                                           enum pci_bridge_window_kind kind);

#endif
