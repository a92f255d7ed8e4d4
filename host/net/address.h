/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_NET_ADDRESS_H
#define CALQUE_HOST_NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/options.h"

struct error;

/* Where a socket is bound or connected. */
struct net_address {
    struct sockaddr_storage addr;
    socklen_t len; /* 0: none */
};

/* "HOST:PORT", "[IPv6]:PORT", ":PORT"; HOST empty: any address if passive, else this host. type:
 * SOCK_STREAM or SOCK_DGRAM. Names are looked up, which may take a while. */
bool net_address_parse(struct net_address *a, const char *text, int type, bool passive,
                       struct error *err);
bool net_address_inet(struct net_address *a, const char *host, const char *port, int type,
                      bool passive, struct error *err);
bool net_address_unix(struct net_address *a, const char *path, struct error *err);
/* PREFIX.type=inet,PREFIX.host=,PREFIX.port= or PREFIX.type=unix,PREFIX.path= or
 * PREFIX.type=fd,PREFIX.str=N, which sets *fd. Without PREFIX.type: a->len is 0. */
bool net_address_option(struct net_address *a, int *fd, const struct option_list *l,
                        const char *prefix, int type, bool passive, struct error *err);
/* An inherited descriptor; from here on it does not block. -1: none of the kind. */
int net_inherited_fd(const char *text, int type, struct error *err);
/* 224.0.0.0 to 239.255.255.255. */
bool net_is_multicast(const struct net_address *a);
/* "127.0.0.1:1234" or a path, for people. */
void net_address_print(const struct net_address *a, char *text, size_t size);

#endif
