/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_NET_NE2000_H
#define CALQUE_DEVICES_NET_NE2000_H

#include "devices/bus/pci.h"
#include "host/net/port.h"

#define NE2000_PORTS 32u
#define NE2000_RAM   0x4000u /* at 4000h of the chip's memory */

/* DP8390 network interface controller with 16 KiB and the ports of a Novell NE2000. */
struct ne2000_chip {
    struct net_port port;
    uint8_t cr, pstart, pstop, bnry, tpsr, tsr, isr, rcr, tcr, dcr, imr, rsr, curr;
    uint16_t tbcr, rsar, rbcr;
    uint8_t par[6], mar[8], cntr[3];
    uint8_t ram[NE2000_RAM];
    /* Wiring. */
    uint8_t prom[32];
    struct irq_line irq;
    struct region io;
};

/* RTL8029AS: the same on PCI. */
struct ne2000_pci {
    struct pci_device pci;
    struct ne2000_chip chip;
};

struct ne2000_isa {
    struct device dev;
    struct ne2000_chip chip;
};

void ne2000_pci_init(struct ne2000_pci *s, struct machine *m, const char *id, struct pci_bus *bus,
                     uint8_t devfn, const struct nic_config *config);
/* Ports base to base + 31. */
void ne2000_isa_init(struct ne2000_isa *s, struct machine *m, const char *id, uint16_t base,
                     struct irq_line irq, const struct nic_config *config);

#endif
