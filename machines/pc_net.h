/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_PC_NET_H
#define CALQUE_MACHINES_PC_NET_H

#include "devices/net/e1000.h"
#include "devices/net/ne2000.h"
#include "devices/net/rtl8139.h"
#include "devices/net/virtio_net.h"
#include "host/net/port.h"
#include "machines/pc_pci.h"

#define PC_MAX_NICS    8
#define PC_NIC_ROM_MAX (512u << 10)

/* The PC's network cards, in the order of their slots. */
struct pc_nic_config {
    const char *model; /* a name that pc_nic_known() knows */
    const char *id;    /* unique in the machine */
    struct nic_config nic;
    unsigned pairs;   /* virtio: of queues; 0: one */
    bool modern_only; /* virtio */
    uint16_t iobase;  /* ISA */
    uint8_t irq;      /* ISA */
    const char *rom;  /* file of its expansion ROM, up to PC_NIC_ROM_MAX; NULL: none */
    bool boots;       /* it has a place in the boot order: */
    int boot_index;
    struct pc_pci_place place;
};

struct pc_net_config {
    struct pc_nic_config nics[PC_MAX_NICS];
    unsigned nnics;
};

struct pc_net {
    struct pc_nic {
        union {
            struct virtio_net virtio;
            struct e1000 e1000;
            struct rtl8139 rtl8139;
            struct ne2000_pci ne2k_pci;
            struct ne2000_isa ne2k_isa;
        };
        struct pci_device *pci; /* NULL: on ISA */
        struct region rom;
    } nics[PC_MAX_NICS];
};

struct error;
struct pc;

/* The models: one that is there, or by number, from 0, until NULL. */
bool pc_nic_known(const char *model);
const char *pc_nic_model(unsigned n);
/* On ISA: it has no place on PCI, but ports and an interrupt. */
bool pc_nic_is_isa(const char *model);
/* What iPXE calls its ROM for a model: "e1000" of "efi-e1000.rom". */
const char *pc_nic_rom_name(const char *model);
/* After the PCI bus and what is always on it. False: an expansion ROM cannot be read. */
bool pc_wire_net(struct pc *pc, struct error *err);
/* Arena bytes for the expansion ROMs. */
uint64_t pc_nic_rom_room(const struct pc_net_config *c);

#endif
