/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_NET_USER_H
#define CALQUE_HOST_NET_USER_H

#include "host/net/backend.h"

/* Port forwards of a -netdev user, while it runs: "tcp:ADDR:PORT-ADDR:PORT", "udp:ADDR:PORT". */
bool user_hostfwd_add(struct netdev *n, const char *rule, struct error *err);
bool user_hostfwd_remove(struct netdev *n, const char *rule, struct error *err);
/* Its connections, as `info usernet` shows them. */
void user_print(struct netdev *n, net_line_fn *line, void *opaque);

#endif
