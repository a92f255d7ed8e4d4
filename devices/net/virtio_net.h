/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_NET_VIRTIO_NET_H
#define CALQUE_DEVICES_NET_VIRTIO_NET_H

#include "devices/virtio/virtio_pci.h"
#include "host/net/port.h"

#define VIRTIO_NET_MAX_PAIRS 7 /* of queues; with the control queue they are 15 */
#define VIRTIO_NET_FLOWS     256

struct virtio_net_config {
    struct nic_config nic;
    unsigned pairs; /* 1 to VIRTIO_NET_MAX_PAIRS */
    struct virtio_pci_config pci;
};

/* A network card (OASIS virtio 1.2, 5.1) as a PCI function. */
struct virtio_net {
    struct virtio_pci bus;
    struct net_port port;
    uint8_t mac[NET_MAC_SIZE];
    uint16_t current_pairs;
    uint8_t mode[6];         /* enum rx_command: promiscuous and so on, 0 or 1 */
    uint64_t guest_offloads; /* feature bits: what the guest takes now */
    uint8_t nunicast, nmulticast;
    bool unicast_overflow, multicast_overflow;
    uint8_t unicast[NET_RX_FILTER_MACS][NET_MAC_SIZE];
    uint8_t multicast[NET_RX_FILTER_MACS][NET_MAC_SIZE];
    uint8_t vlans[4096 / 8];             /* bits */
    uint8_t flow_pair[VIRTIO_NET_FLOWS]; /* of queues on which a flow was last sent */
    /* Wiring. */
    uint8_t own_mac[NET_MAC_SIZE];
    unsigned max_pairs;
};

void virtio_net_init(struct virtio_net *s, struct machine *m, const char *id, struct pci_bus *bus,
                     uint8_t devfn, const struct virtio_net_config *config);

#endif
