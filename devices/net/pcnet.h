/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_NET_PCNET_H
#define CALQUE_DEVICES_NET_PCNET_H

#include "devices/bus/pci.h"
#include "host/net/port.h"
#include "vm/clock.h"

#define PCNET_SIZE  32u /* bytes of registers, in ports and in memory */
#define PCNET_APROM 16u
#define PCNET_CSRS  128u
#define PCNET_BCRS  32u

/* AMD PCnet-PCI II (Am79C970A datasheet, publication 19436) on PCI. */
struct pcnet {
    struct pci_device pci;
    struct net_port port;
    uint16_t csr[PCNET_CSRS], bcr[PCNET_BCRS];
    uint8_t rap;
    bool dwio;        /* registers are double words */
    bool initialized; /* since INIT was set */
    bool refused;     /* a frame waits for a receive descriptor */
    struct vm_timer poll;
    /* Wiring. */
    uint8_t aprom[PCNET_APROM];
    struct region io, mmio;
    bool busy; /* a DMA to our own registers does not start another */
};

void pcnet_init(struct pcnet *s, struct machine *m, const char *id, struct pci_bus *bus,
                uint8_t devfn, const struct nic_config *config);

#endif
