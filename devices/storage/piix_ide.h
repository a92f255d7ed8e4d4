/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_STORAGE_PIIX_IDE_H
#define CALQUE_DEVICES_STORAGE_PIIX_IDE_H

#include "devices/bus/pci.h"
#include "devices/storage/ide.h"

#define PIIX_IDE_DEVFN PCI_DEVFN(1, 1)
#define PIIX_IDETIM    0x40 /* timing of the primary channel; +2: of the secondary */
#define PIIX_IDE_ON    0x80 /* in the high byte: firmware says that the channel is used */

struct piix_ide;

/* Bus master registers of a channel and where it is in its table of descriptors. */
struct piix_bus_master {
    uint8_t command, status;
    uint32_t table;         /* BMIDTP */
    uint32_t next;          /* the next descriptor's address */
    uint32_t address, left; /* of the current one's region */
    bool last;              /* it ends the table */
    /* Wiring. */
    struct piix_ide *ide;
    struct ide_channel *channel;
};

/* 82371SB (PIIX3), function 1: the IDE interface, in compatibility mode: ports 1f0h and 3f6h with
 * ISA interrupt 14, 170h and 376h with 15. */
struct piix_ide {
    struct pci_device pci;
    struct ide_channel channel[2];
    struct piix_bus_master master[2];
    struct region ports; /* BMIBA */
};

/* drives: master and slave of the primary channel, then of the secondary. */
void piix_ide_init(struct piix_ide *s, struct machine *m, const char *id, struct pci_bus *bus,
                   struct irq_line irq14, struct irq_line irq15,
                   const struct ide_drive_config drives[4]);

#endif
