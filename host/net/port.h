/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_NET_PORT_H
#define CALQUE_HOST_NET_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/input.h"
#include "vm/run.h"
#include "vm/state.h"

/* The socket at the back of a network card (NIC): what it sends leads to a network back end of the
 * host (backend.h), what arrives there comes back as input events (vm/input.h). A NIC embeds a
 * struct net_port and knows nothing else of networks.
 *
 *   transmit: net_port_can_send() -> net_port_send(); without room the frame stays in the NIC's own
 *             ring until ops->can_send() says that there is some again
 *   receive:  ops->receive(); a NIC without room refuses, and calls net_port_ready() when the guest
 *             has made some: the frame is then offered again
 *
 * Frames go from the destination address to the last byte of data: no preamble, no FCS. Everything
 * here is called with the machine lock held and never waits for the host.
 *
 * What the host knows (is its queue full, has a frame come) reaches the guest only as events of the
 * port's input source, so that a recording repeats. In particular room to send is counted here, in
 * credits that the host gives back by events.
 *
 * Save and load: frames in the NIC's own fields are machine state. Frames in the host's queues are
 * not: sent ones go out, and received ones that were not delivered are lost, as frames may be. The
 * port's fields (link and credits) are part of the NIC's field list. */

struct machine;
struct net_frame;
struct net_link;
struct netdev;

#define NET_MAC_SIZE  6
#define NET_FRAME_MIN 60   /* bytes without FCS; what arrives is padded to it with zeros */
#define NET_FRAME_STD 1518 /* header, VLAN tag, 1500 bytes of data */
#define NET_FRAME_MAX                                                                              \
    65553               /* header and VLAN tag before a 65535-byte IP packet (only with GSO)       \
                         */
#define NET_CREDITS 256 /* frames that may be under way to the back end */

/* What is still to be done to a frame: checksum or segmentation. The fields are those of struct
 * virtio_net_hdr (OASIS virtio 1.2, 5.1.6) in host byte order. All zero: an ordinary frame. */
struct net_header {
    uint8_t flags, gso_type;
    uint16_t hdr_len; /* of all headers, a hint; net_header_check() makes it exact */
    uint16_t gso_size;
    uint16_t csum_start, csum_offset;
};
#define NET_HEADER_NEEDS_CSUM 1 /* flags: from csum_start on, to csum_start + csum_offset */
#define NET_HEADER_DATA_VALID 2 /* flags: the checksum has been checked */
#define NET_GSO_NONE          0
#define NET_GSO_TCPV4         1
#define NET_GSO_TCPV6         4
#define NET_GSO_ECN           0x80 /* with one of them: the frame has CWR set */

/* What a receiver can be given. */
#define NET_OFFLOAD_CSUM 1u /* frames with NET_HEADER_NEEDS_CSUM */
#define NET_OFFLOAD_TSO4 2u /* frames with NET_GSO_TCPV4, up to NET_FRAME_MAX */
#define NET_OFFLOAD_TSO6 4u
#define NET_OFFLOAD_ECN  8u /* NET_GSO_ECN with them */

/* What `query-rx-filter` shows. */
#define NET_RX_FILTER_MACS 64
struct net_rx_filter {
    bool promiscuous, broadcast, unicast_overflow, multicast_overflow;
    enum net_rx_mode { NET_RX_NONE, NET_RX_NORMAL, NET_RX_ALL } unicast, multicast;
    unsigned nunicast, nmulticast;
    uint8_t mac[NET_MAC_SIZE]; /* the guest's main address now */
    uint8_t unicast_table[NET_RX_FILTER_MACS][NET_MAC_SIZE];
    uint8_t multicast_table[NET_RX_FILTER_MACS][NET_MAC_SIZE];
    enum net_rx_mode vlan;
    unsigned nvlans;
    uint16_t vlans[NET_RX_FILTER_MACS];
};

/* The NIC's part. Machine lock held. */
struct net_port_ops {
    /* A frame for the NIC, NET_FRAME_MIN to NET_FRAME_MAX bytes; more than NET_FRAME_STD only after
     * net_port_set_offloads(TSO), or if the network has larger frames: then the NIC drops what its
     * datasheet has it drop. h: all zero unless the NIC has asked for offloads. Address filtering
     * is the NIC's. True: taken (or filtered out); false: no room now. */
    bool (*receive)(void *nic, const struct net_header *h, const uint8_t *frame, size_t len);
    /* There is room to send again; only after net_port_can_send() said no. May be NULL if the NIC
     * never asks. */
    void (*can_send)(void *nic);
    /* port->link_up has changed; may be NULL. */
    void (*link_changed)(void *nic);
    /* Fills in *f, which is all zero; NULL: not known. */
    void (*rx_filter)(void *nic, struct net_rx_filter *f);
};

/* What a NIC is made with: its address and where its cable goes (NULL: nowhere, no link). */
struct nic_config {
    uint8_t mac[NET_MAC_SIZE];
    struct netdev *netdev;
};

struct net_port {
    bool link_up;          /* cable in, other end there: as the guest shall see it */
    uint16_t credits;      /* frames that may still be sent; at most NET_CREDITS */
    bool wants_to_send;    /* can_send is due */
    uint16_t held_credits; /* given back while the machine stands still: not machine state */
    /* Since the process started: not machine state. Both directions count whole frames as the NIC
     * sees them; refused: offers that the NIC had no room for. */
    struct net_statistics {
        uint64_t tx_frames, tx_bytes, rx_frames, rx_bytes, rx_refused, tx_no_link;
    } statistics;
    /* Wiring. */
    const struct net_port_ops *ops;
    void *nic;
    struct machine *m;
    struct input_source source;
    char source_name[72]; /* "net:ID" */
    struct net_link *link;
    bool refused;      /* net_port_ready() is awaited */
    unsigned offloads; /* the NIC's wishes */
    struct run_resumed resumed;
};

/* In the NIC's field list: NET_PORT_FIELDS(struct e1000, port). Its class's post_load calls
 * net_port_post_load(). */
#define NET_PORT_FIELDS(type, f) STATE_STRUCTS(type, f, 1, struct net_port, net_port_fields)
extern const struct state_field net_port_fields[];

/* Plugs the NIC `id` of `model` ("e1000") in, for good. Before the machine runs; once per NIC. */
void net_port_init(struct net_port *p, struct machine *m, const char *id, const char *model,
                   const struct nic_config *config, const struct net_port_ops *ops, void *nic);
void net_port_post_load(struct net_port *p);
/* The guest (or a reset) gave the NIC another address: for `info network`. */
void net_port_set_mac(struct net_port *p, const uint8_t mac[NET_MAC_SIZE]);

/* Whether a frame may be sent now; if not, ops->can_send() will be called. */
bool net_port_can_send(struct net_port *p);
/* Sends; the bytes are copied. h may be NULL: an ordinary frame. Only after net_port_can_send() has
 * said yes. Any length is safe: frames without an Ethernet header (under 14 bytes) or longer than
 * NET_FRAME_MAX go nowhere, and so does everything while the link is down. A header that does not
 * fit its frame makes it go nowhere, too. Not padded: a NIC that pads does so itself. */
void net_port_send(struct net_port *p, const struct net_header *h, const uint8_t *frame,
                   size_t len);
/* The same without a copy: fill frame->data[0..len) of net_frame_new(len) and perhaps
 * frame->header. The frame is the port's from then on. */
void net_port_send_frame(struct net_port *p, struct net_frame *f);

/* The guest has made room: frames that were refused are offered again, soon, from the run loop.
 * Cheap when none was: call it whenever the guest moves the tail of its receive ring, enables the
 * receiver or leaves a state in which receive() refuses. */
void net_port_ready(struct net_port *p);
/* What the NIC can be given from now on, NET_OFFLOAD_*; none after net_port_init(). For a NIC that
 * has not asked, frames are segmented and get their checksums before they arrive (offload.c). A
 * NIC's reset sets it back to 0, its post_load to what the guest had asked for. */
void net_port_set_offloads(struct net_port *p, unsigned offloads);
/* A NIC may always send with any header; what the back end cannot take is done in software. */

/* ---- frames ---- */

struct net_frame {
    struct net_frame *next;
    struct net_header header;
    uint32_t len;
    uint8_t data[];
};

/* Room for len bytes (0 to NET_FRAME_MAX), f->len = len, header all zero. NULL: no memory. */
struct net_frame *net_frame_new(size_t len);
void net_frame_free(struct net_frame *f);

#endif
