/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_PC_PCI_H
#define CALQUE_MACHINES_PC_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define PC_ID_MAX        64 /* bytes of an id */
#define PC_PCI_MAX       64 /* devices that are planned */
#define PC_PCI_MAX_BUSES 8
#define PC_PCI_ROOT      "pci.0"
#define PC_MAX_BRIDGES   (PC_PCI_MAX_BUSES - 1)

/* Where a device is to be, in the words of -device TYPE,id=ID,bus=BUS,addr=SLOT.FN. All zero: the
 * first free slot of pci.0. */
struct pc_pci_place {
    const char *type;    /* what errors call it; NULL: it has no -device of its own */
    char id[PC_ID_MAX];  /* empty: none */
    char bus[PC_ID_MAX]; /* the id of a bus; empty: pci.0 */
    bool has_addr;
    uint8_t devfn;      /* with has_addr */
    bool multifunction; /* the slot's function 0: others may follow it */
    unsigned order;     /* devices without addr= take free slots in this order */
};

/* -device pci-bridge: its bus has its id, or without one "pci.1" and so on. It comes after the
 * bridge whose bus it is on. */
struct pc_bridge {
    struct pc_pci_place place;
    uint8_t chassis; /* 1 to 255 */
};

struct pci_bus;

/* Where each is. */
struct pc_pci_plan {
    struct pc_pci_bus {
        char id[PC_ID_MAX];
        struct pci_bus *bus; /* once it is there */
    } buses[PC_PCI_MAX_BUSES];
    unsigned nbuses;
    struct pc_pci_row {
        const struct pc_pci_place *place;
        unsigned bus; /* of buses[] */
        uint8_t devfn;
    } rows[PC_PCI_MAX];
    unsigned nrows;
};

struct pc_pci_slot {
    struct pci_bus *bus;
    uint8_t devfn;
};

struct error;
struct pc;

/* Reads addr=: SLOT or SLOT.FN, hexadecimal as QEMU has them. */
bool pc_pci_parse_addr(const char *text, uint8_t *devfn, struct error *err);
/* Decides where the devices of pc->config go, before any is made: those with addr= first, so that
 * no other takes their slot. False, with both devices named, if two want the same function. */
bool pc_pci_plan(struct pc *pc, struct error *err);
/* pci.0 is there: the bridges and what is behind them. */
void pc_pci_wire_buses(struct pc *pc);
/* Where to make the device of a place of pc->config. */
struct pc_pci_slot pc_pci_slot(const struct pc *pc, const struct pc_pci_place *place);
/* When all are made: marks functions 0 that others follow in their header type. */
void pc_pci_mark_functions(struct pc *pc);
/* The place of the device at a function; NULL: the board's own. */
const struct pc_pci_place *pc_pci_find(const struct pc *pc, const struct pci_bus *bus,
                                       uint8_t devfn);

#endif
