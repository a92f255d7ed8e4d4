/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_NET_BACKEND_H
#define CALQUE_HOST_NET_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "host/net/port.h"
#include "host/poll.h"

/* The host's side of networks: back ends (-netdev), the NICs they are joined to, hubs and captures.
 * All of this belongs to the main loop's thread, which may hold the machine lock where nothing else
 * is said; a NIC's frames cross over in two queues (port.c). */

struct error;
struct machine;
struct nets;
struct netdev;

struct nets *nets_new(struct poller *p);
/* Closes everything. No NIC may use its port any more. s may be NULL. */
void nets_free(struct nets *s);

/* -netdev: "user,id=n0,hostfwd=tcp::2222-:22", "socket,id=...", "stream", "dgram", "tap",
 * "hubport". Opens it. */
bool netdev_define(struct nets *s, const char *spec, struct error *err);
/* The same without id=: one is made up ("#net0"). *out may be NULL. */
bool netdev_define_unnamed(struct nets *s, const char *spec, struct netdev **out,
                           struct error *err);
/* The -netdev of that id; NULL with the nearest id named. */
struct netdev *netdev_find(struct nets *s, const char *id, struct error *err);
const char *netdev_id(const struct netdev *n);
/* Reserves it for a NIC; false if it has one. */
bool netdev_take(struct netdev *n, struct error *err);
/* netdev_del: refused by name for one that a NIC is joined to. */
bool netdev_delete(struct nets *s, const char *id, struct error *err);
/* `-netdev help` */
void netdev_print_help(void);

/* -object filter-dump,netdev=ID,file=PATH,maxlen=N: frames in pcap format. */
bool nets_add_dump(struct nets *s, const char *netdev, const char *file, uint64_t maxlen,
                   struct error *err);

/* From here on frames of NICs reach back ends: m is the machine that they are in. */
void nets_start(struct nets *s, struct machine *m);
/* Moves what waits, without the machine lock. Call before each wait; returns how many ns that may
 * last at most, -1 for any time. */
int64_t nets_prepare(struct nets *s);

/* The machine goes to another process (frozen). Frames that wait for its cards go with it: a copy,
 * malloc'ed. Memory is all that can be missing. */
bool nets_pack_waiting(struct nets *s, char **data, size_t *len);
/* The other process has them, in front of what has come there. Nothing in them is believed. */
bool nets_unpack_waiting(struct nets *s, const uint8_t *data, size_t len, struct error *err);
/* What came before the machine did was not for it. */
void nets_drop_waiting(struct nets *s);
/* Broadcasts RARP requests of each card's address, now and four times in the next second: the
 * machine is to be found here. */
void nets_announce(struct nets *s);

/* set_link: pulls or plugs the cable of a NIC or back end by name. */
bool nets_set_link(struct nets *s, const char *name, bool up, struct error *err);
/* "hostfwd_add [NETDEV] tcp:ADDR:PORT-ADDR:PORT"; netdev NULL: the only `user` there is. */
bool nets_hostfwd_add(struct nets *s, const char *netdev, const char *rule, struct error *err);
bool nets_hostfwd_remove(struct nets *s, const char *netdev, const char *rule, struct error *err);

/* Lines of `info network` and `info usernet`; machine lock held. */
typedef void net_line_fn(void *opaque, const char *text);
void nets_print(struct nets *s, net_line_fn *line, void *opaque);
void nets_print_user(struct nets *s, net_line_fn *line, void *opaque);
/* Calls with the filter of each NIC, or of the one of that name; false if there is none, or it does
 * not tell. Machine lock held. */
bool nets_rx_filter(struct nets *s, const char *name,
                    void (*fn)(void *opaque, const char *nic, const struct net_rx_filter *f),
                    void *opaque, struct error *err);

#endif
