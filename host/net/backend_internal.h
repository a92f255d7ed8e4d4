/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_NET_BACKEND_INTERNAL_H
#define CALQUE_HOST_NET_BACKEND_INTERNAL_H

#include <pthread.h>
#include <stdio.h>

#include "base/options.h"
#include "host/net/backend.h"
#include "host/net/offload.h"

/* A cable has two ends, and every end belongs to something: a NIC (port.c), a back end, a port of a
 * hub. A frame goes from one end to the other:
 *
 *   net_end_send(from) -> captures -> segmentation for who gets it -> peer->ops->receive()
 *
 * Only the main loop's thread knows of ends. */

struct net_end;

struct net_end_ops {
    /* A frame that the end can take (its `offloads`); may be changed. Taken or lost: who sends asks
     * net_end_room() first if he can wait. */
    void (*receive)(struct net_end *e, const struct net_header *h, uint8_t *frame, size_t len);
    /* Whether receive() would keep another frame; NULL: always. */
    bool (*room)(struct net_end *e);
    /* The other end takes frames again, after net_end_room() said no; may be NULL. */
    void (*ready)(struct net_end *e);
};

struct net_end {
    const struct net_end_ops *ops;
    void *owner;
    struct net_end *peer;  /* NULL: nothing is plugged in */
    unsigned offloads;     /* NET_OFFLOAD_* that receive() takes */
    bool link_down;        /* set_link NAME off: nothing passes, either way */
    bool peer_waits;       /* it was told that there is no room */
    struct net_dump *dump; /* captures of what passes here, both ways */
};

/* h may be NULL: an ordinary frame. The frame's bytes may be changed. */
void net_end_send(struct net_end *from, const struct net_header *h, uint8_t *frame, size_t len);
/* Whether the other end would take a frame; if not, ops->ready() follows. */
bool net_end_room(struct net_end *from);
/* This end takes frames again. */
void net_end_ready(struct net_end *e);
void net_end_join(struct net_end *a, struct net_end *b);

/* ---- back ends ---- */

struct netdev_kind {
    const char *name, *help;
    const char *const *keys;
    size_t size; /* of the struct that begins with struct netdev */
    bool (*open)(struct netdev *n, const struct option_list *l, struct error *err);
    void (*close)(struct netdev *n);
    /* As nets_prepare(); may be NULL. */
    int64_t (*prepare)(struct netdev *n);
};

struct netdev {
    struct net_end end;
    const struct netdev_kind *kind;
    struct nets *set;
    struct netdev *next;
    char *id;
    char info[160]; /* "net=10.0.2.0,restrict=off" */
    bool taken;     /* a NIC is joined to it */
};

extern const struct netdev_kind netdev_user, netdev_socket, netdev_stream, netdev_dgram, netdev_tap,
    netdev_hubport;

/* A NIC's end. */
struct net_queue {
    struct net_frame *first, **tail;
    size_t frames, bytes;
};

struct net_link {
    struct net_end end;
    struct nets *set;
    struct net_link *next;
    char *id, *model;
    struct net_queue out;  /* taken out of tx; wait for room at the other end */
    unsigned done;         /* frames sent whose credits are not given back yet */
    uint8_t *batch;        /* the last event of frames */
    struct net_port *port; /* machine lock */
    bool told_up;          /* what the guest was last told */
    bool in_past;          /* the machine was in its past when last looked at */

    pthread_mutex_t lock; /* taken after the machine lock; guards what follows */
    uint8_t mac[NET_MAC_SIZE];
    struct net_queue tx, rx;
    bool ready, in_flight; /* the NIC takes frames; an event of them is on its way to it */
    size_t batch_len;
    unsigned rx_offloads;
};

struct nets {
    struct poller *poller;
    struct netdev *list;
    struct net_link *links;
    struct machine *m; /* NULL until nets_start() */
    unsigned made_up_ids;
    unsigned announcements; /* still to be made, */
    int64_t announce_at;    /* the next one then, in the host's ns */
};

/* port.c */
struct net_link *net_link_new(struct netdev *n, struct net_port *p, const char *id,
                              const char *model, const uint8_t mac[NET_MAC_SIZE]);
void net_link_free(struct net_link *l);
/* True: again without a wait. */
bool net_link_prepare(struct net_link *l);
/* Its end or its peer's was unplugged or plugged in: tells the guest. */
void net_link_changed(struct net_link *l);
/* False: the NIC does not tell. Machine lock held. */
bool net_link_rx_filter(struct net_link *l, struct net_rx_filter *f);

void net_link_get_mac(struct net_link *l, uint8_t mac[NET_MAC_SIZE]);
/* Frames that wait for the guest: a copy of all, in the form of an event; all dropped; or others
 * in front of them (false: there is no sense in it). */
void net_link_pack_waiting(struct net_link *l, FILE *to);
void net_link_drop_waiting(struct net_link *l);
bool net_link_unpack_waiting(struct net_link *l, const uint8_t *data, size_t len);

/* travel.c: as nets_prepare(). */
int64_t nets_prepare_announcements(struct nets *s);

/* dump.c; d may be NULL */
void net_dump_frame(struct net_dump *d, const uint8_t *frame, size_t len);
void net_dump_free(struct net_dump *d);
bool net_dump_open(struct nets *s, struct netdev *n, const char *file, uint64_t maxlen,
                   struct error *err);

#endif
