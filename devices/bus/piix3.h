/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_BUS_PIIX3_H
#define CALQUE_DEVICES_BUS_PIIX3_H

#include "devices/bus/pci.h"

#define PIIX3_PIRQRC 0x60 /* PIRQRCA..PIRQRCD: 0x60..0x63 */

/* 82371SB (PIIX3): PCI to ISA bridge, function 00:01.0. */
struct piix3 {
    struct pci_device pci;
    uint8_t rcr;        /* 0xcf9, reset control */
    bool pirq_level[4]; /* PIRQA#..PIRQD#, asserted */
    struct irq_line isa[16];
};

/* isa[n]: the bridge's own driver of ISA interrupt n (or'ed with the ISA cards' by the board). */
void piix3_init(struct piix3 *s, struct machine *m, const char *id, struct pci_bus *bus,
                const struct irq_line isa[16]);

#endif
