/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_DEVICES_FAKENET_H
#define CALQUE_TESTS_DEVICES_FAKENET_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/net/port.h"
#include "vm/machine.h"

/* A network for tests of NICs, in place of host/net: what is sent is kept, room to send is as the
 * test says, and frames arrive when the test offers them. It keeps the rules of port.h, and ends
 * the process if the NIC breaks them. Included by one file of a program.
 *
 *   struct netdev net = {0};
 *   struct nic_config config = {.mac = {...}, .netdev = &net};
 *   fakenet_set_room(&net, n); fakenet_offer(&net, frame, len); net.sent[0] ... net.nsent */

#define FAKENET_SENT 64

struct netdev {
    struct net_port *port;
    struct net_frame *sent[FAKENET_SENT]; /* the first ones; nsent counts all */
    unsigned nsent, readies;
    unsigned offloads; /* as the NIC has set them */
    uint8_t mac[NET_MAC_SIZE];
    unsigned room; /* frames that may still be sent, if limited */
    bool limited;
};

static inline void fakenet_require(bool ok)
{
    if (!ok)
        abort();
}

const struct state_field net_port_fields[] = {
    STATE_BOOL(struct net_port, link_up),
    STATE_U16_MAX(struct net_port, credits, NET_CREDITS),
    STATE_FIELDS_END,
};

struct net_frame *net_frame_new(size_t len)
{
    struct net_frame *f = calloc(1, sizeof(*f) + len);

    fakenet_require(f && len <= NET_FRAME_MAX);
    f->len = (uint32_t)len;
    return f;
}

void net_frame_free(struct net_frame *f)
{
    free(f);
}

void net_port_init(struct net_port *p, struct machine *m, const char *id, const char *model,
                   const struct nic_config *config, const struct net_port_ops *ops, void *nic)
{
    (void)id;
    fakenet_require(model && *model && ops->receive);
    memset(p, 0, sizeof(*p));
    p->ops = ops;
    p->nic = nic;
    p->m = m;
    p->credits = NET_CREDITS;
    p->link_up = config->netdev;
    p->link = (struct net_link *)config->netdev;
    if (config->netdev) {
        config->netdev->port = p;
        memcpy(config->netdev->mac, config->mac, NET_MAC_SIZE);
    }
}

static inline struct netdev *fakenet_of(struct net_port *p)
{
    return (struct netdev *)p->link;
}

void net_port_post_load(struct net_port *p)
{
    (void)p;
}

void net_port_set_mac(struct net_port *p, const uint8_t mac[NET_MAC_SIZE])
{
    if (p->link)
        memcpy(fakenet_of(p)->mac, mac, NET_MAC_SIZE);
}

bool net_port_can_send(struct net_port *p)
{
    struct netdev *n = fakenet_of(p);

    p->wants_to_send = n && n->limited && !n->room;
    return !p->wants_to_send;
}

void net_port_send_frame(struct net_port *p, struct net_frame *f)
{
    struct netdev *n = fakenet_of(p);

    fakenet_require(!p->wants_to_send);
    if (!n || !p->link_up || f->len < 14) {
        net_frame_free(f);
        return;
    }
    fakenet_require(!n->limited || n->room);
    n->room -= n->limited;
    if (n->nsent < FAKENET_SENT)
        n->sent[n->nsent] = f;
    else
        net_frame_free(f);
    n->nsent++;
}

void net_port_send(struct net_port *p, const struct net_header *h, const uint8_t *frame, size_t len)
{
    struct net_frame *f;

    if (len > NET_FRAME_MAX)
        return;
    f = net_frame_new(len);
    memcpy(f->data, frame, len);
    if (h)
        f->header = *h;
    net_port_send_frame(p, f);
}

void net_port_ready(struct net_port *p)
{
    if (p->link)
        fakenet_of(p)->readies++;
}

void net_port_set_offloads(struct net_port *p, unsigned offloads)
{
    if (p->link)
        fakenet_of(p)->offloads = offloads;
}

/* Forgets what was sent. */
static inline void fakenet_clear(struct netdev *n)
{
    for (unsigned i = 0; i < n->nsent && i < FAKENET_SENT; i++)
        net_frame_free(n->sent[i]);
    n->nsent = 0;
}

/* From now on there is room for `frames` more; a NIC that waits is told. */
static inline void fakenet_set_room(struct netdev *n, unsigned frames)
{
    n->limited = true;
    n->room = frames;
    if (frames && n->port->wants_to_send) {
        n->port->wants_to_send = false;
        n->port->ops->can_send(n->port->nic);
    }
}

/* A frame arrives, padded as on the wire; h may be NULL. What the NIC says. */
static inline bool fakenet_offer_header(struct netdev *n, const struct net_header *h,
                                        const uint8_t *frame, size_t len)
{
    static const struct net_header none;
    uint8_t *copy = calloc(1, len < NET_FRAME_MIN ? NET_FRAME_MIN : len);
    bool taken;

    fakenet_require(copy);
    memcpy(copy, frame, len);
    taken = n->port->ops->receive(n->port->nic, h ? h : &none, copy,
                                  len < NET_FRAME_MIN ? NET_FRAME_MIN : len);
    free(copy);
    return taken;
}

static inline bool fakenet_offer(struct netdev *n, const uint8_t *frame, size_t len)
{
    return fakenet_offer_header(n, NULL, frame, len);
}

static inline void fakenet_set_link(struct netdev *n, bool up)
{
    n->port->link_up = up;
    if (n->port->ops->link_changed)
        n->port->ops->link_changed(n->port->nic);
}

#endif
