/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_STORAGE_AHCI_H
#define CALQUE_DEVICES_STORAGE_AHCI_H

#include "devices/bus/pci_msi.h"
#include "devices/storage/ata.h"
#include "devices/storage/ide.h"

#define AHCI_NUM_PORTS 6

struct ahci;

/* Where in a table of physical regions a transfer is. Only while a command is executed. */
struct ahci_cursor {
    uint64_t next;        /* address of the next descriptor */
    uint32_t descriptors; /* that are left */
    uint64_t address;     /* of the current region */
    uint32_t left;
};

struct ahci_port {
    struct ata_drive drive; /* kind ATA_NONE: nothing is plugged in */
    uint64_t clb, fb;
    uint32_t is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
    bool srst;    /* the software reset bit of the last control FIS */
    bool stopped; /* a command failed: nothing goes on until the port is restarted */
    uint8_t slot; /* of the command being executed */
    bool busy;    /* there is one */
    /* Wiring, and what there is only while commands are under way. */
    struct ahci *hba;
    unsigned number;
    struct ahci_cursor cursor;
    uint32_t moved; /* bytes of the command so far */
    uint64_t queued_bytes;
    unsigned queued;
    bool processing;
    uint32_t turn; /* counts commands begun and given up */
};

/* AHCI 1.3.1 host bus adapter with 6 ports, as in an ICH9 (8086:2922). */
struct ahci {
    struct pci_device pci;
    uint32_t ghc, is;
    bool signalled; /* the message for what is in `is` has been sent */
    struct ahci_port port[AHCI_NUM_PORTS];
    struct pci_msi msi;
    struct region region;
};

/* number: of the first drive. msi.send NULL: interrupts are INTA# whatever the guest chooses. */
void ahci_init(struct ahci *s, struct machine *m, const char *id, struct pci_bus *bus,
               uint8_t devfn, const struct ide_drive_config drives[AHCI_NUM_PORTS], unsigned number,
               struct msi_sink msi);

#endif
