/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_PC_NET_H
#define CALQUE_MACHINES_PC_NET_H

#include "devices/net/e1000.h"
#include "devices/net/virtio_net.h"
#include "host/net/port.h"
#include "machines/pc_pci.h"

#define PC_MAX_NICS 8

/* The PC's network cards, in the order of their slots. */
struct pc_nic_config {
    const char *model; /* a name that pc_nic_known() knows */
    const char *id;    /* unique in the machine */
    struct nic_config nic;
    unsigned pairs;   /* virtio: of queues; 0: one */
    bool modern_only; /* virtio */
    struct pc_pci_place place;
};

struct pc_net_config {
    struct pc_nic_config nics[PC_MAX_NICS];
    unsigned nnics;
};

struct pc_net {
    union {
        struct virtio_net virtio;
        struct e1000 e1000;
    } nics[PC_MAX_NICS];
};

struct pc;

/* The models: one that is there, or by number, from 0, until NULL. */
bool pc_nic_known(const char *model);
const char *pc_nic_model(unsigned n);
/* After the PCI bus and what is always on it. */
void pc_wire_net(struct pc *pc);

#endif
