/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_NET_STREAM_H
#define CALQUE_HOST_NET_STREAM_H

#include "host/net/address.h"
#include "host/net/backend_internal.h"

/* Two ways to carry frames over a socket, for -netdev socket, stream and dgram. */

/* Over a byte stream: a 32-bit big-endian length before each frame. One connection at a time. */
struct net_stream {
    struct netdev netdev;
    struct poll_watch listener, connection;
    struct poll_watch timer; /* of the next try to connect */
    bool listening, connected, connecting, timing;
    bool full; /* the other end of the cable has no room */
    struct net_address address;
    uint64_t reconnect_ms; /* 0: never */
    char *unlink_path;
    uint8_t *in, *out;
    size_t in_len, out_len;
};

struct net_stream_settings {
    struct net_address address;
    int fd; /* a connected (or listening) socket instead, or -1 */
    bool server;
    uint64_t reconnect_ms;
};
bool net_stream_open(struct net_stream *s, const struct net_stream_settings *settings,
                     struct error *err);
void net_stream_close(struct netdev *n);

/* Over datagrams: one frame each. */
struct net_dgram {
    struct netdev netdev;
    struct poll_watch watch;
    bool watched;
    int send_fd;               /* -1: the watch's */
    struct net_address remote; /* none: the socket is connected, or nobody is there yet */
    struct net_address self;   /* multicast: where our own frames come from */
    char *unlink_path;
    uint8_t *in;
    struct net_frame *held; /* the other side had no room for it */
    unsigned tries;
};

struct net_dgram_settings {
    struct net_address remote, local;
    int fd;                /* instead, or -1 */
    const char *localaddr; /* multicast: the interface's address; NULL: as the host routes */
};
bool net_dgram_open(struct net_dgram *d, const struct net_dgram_settings *settings,
                    struct error *err);
void net_dgram_close(struct netdev *n);
int64_t net_dgram_prepare(struct netdev *n);

#endif
