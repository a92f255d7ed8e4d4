/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_MISC_PCI_TESTDEV_H
#define CALQUE_DEVICES_MISC_PCI_TESTDEV_H

#include "devices/bus/pci.h"

#define PCI_TESTDEV_TESTS 3

/* One BAR: a header, and behind it the bytes that the tests write to. */
struct pci_testdev_bar {
    uint8_t test; /* the one that runs; PCI_TESTDEV_TESTS: none */
    uint32_t count;
    bool io;
    uint32_t header_size; /* wiring */
    struct region region;
};

/* pci-testdev, 1b36:0005 (QEMU's docs/specs/pci-testdev): BAR 0 is memory, BAR 1 is ports. Each
 * counts the writes that a test asks the guest to make. BAR 2, if wanted, is 64-bit memory without
 * anything behind it: for guests that place large BARs. */
struct pci_testdev {
    struct pci_device pci;
    struct pci_testdev_bar bars[2];
    struct region membar;
};

/* membar: size of BAR 2, a power of two of at least 16; 0: there is none. */
void pci_testdev_init(struct pci_testdev *t, struct machine *m, const char *id, struct pci_bus *bus,
                      uint8_t devfn, uint64_t membar);

#endif
