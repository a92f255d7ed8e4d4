/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_DEVICES_RIG_PCI_H
#define CALQUE_TESTS_DEVICES_RIG_PCI_H

#include "devices/bus/pci.h"
#include "tests/devices/rig.h"

/* A bus whose INTA to INTD are the rig's lines. */
static inline void rig_add_pci(struct rig *r, struct pci_bus *bus)
{
    pci_bus_init(bus, &r->m, "pci");
    for (unsigned n = 0; n < 4; n++)
        bus->pirq[n] = rig_line(r, n);
}

#endif
