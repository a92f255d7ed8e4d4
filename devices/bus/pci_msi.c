/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/bus/pci_msi.h"

#include <string.h>

#include "base/bits.h"

/* Registers of the capability, and bits of its message control. */
enum { CONTROL = 2, ADDRESS = 4, ADDRESS_HIGH = 8, DATA = 12 };
#define CONTROL_ENABLE 0x0001
#define CONTROL_64BIT  0x0080

bool pci_msi_enabled(const struct pci_msi *x)
{
    return pci_get16(x->pci, x->cap + CONTROL) & CONTROL_ENABLE;
}

void pci_msi_notify(const struct pci_msi *x)
{
    const uint8_t *cap = x->pci->config + x->cap;

    if (x->sink.send && pci_msi_enabled(x) && (pci_get16(x->pci, PCI_COMMAND) & PCI_COMMAND_MASTER))
        x->sink.send(x->sink.owner, ld_le64(cap + ADDRESS), ld_le16(cap + DATA));
}

void pci_msi_reset(struct pci_msi *x)
{
    pci_set16(x->pci, x->cap + CONTROL, CONTROL_64BIT);
    memset(x->pci->config + x->cap + ADDRESS, 0, PCI_MSI_CAP_SIZE - ADDRESS);
}

void pci_msi_init(struct pci_msi *x, struct pci_device *d, uint8_t cap, struct msi_sink sink)
{
    *x = (struct pci_msi){.pci = d, .cap = cap, .sink = sink};
    pci_device_add_capability(d, PCI_CAP_MSI, cap, PCI_MSI_CAP_SIZE);
    d->wmask[cap + CONTROL] = CONTROL_ENABLE;
    memset(d->wmask + cap + ADDRESS, 0xff, PCI_MSI_CAP_SIZE - ADDRESS);
    d->wmask[cap + ADDRESS] = 0xfc;
    pci_msi_reset(x);
}
