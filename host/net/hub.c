/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -netdev hubport: what comes into one port of a hub goes out of all others of the same number.
 * Nothing waits in a hub: who has no room loses the frame. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "host/net/backend_internal.h"

struct hubport {
    struct netdev netdev;
    uint64_t hub;
    struct net_frame *copy; /* of what passes: each port may change it */
};

static void repeat(struct hubport *from, struct hubport *to, const struct net_header *h,
                   const uint8_t *frame, size_t len)
{
    memcpy(from->copy->data, frame, len);
    net_end_send(&to->netdev.end, h, from->copy->data, len);
}

static void hub_receive(struct net_end *e, const struct net_header *h, uint8_t *frame, size_t len)
{
    struct hubport *from = e->owner;

    for (struct netdev *n = from->netdev.set->list; n; n = n->next) {
        struct hubport *to = (struct hubport *)n;

        if (n->kind == &netdev_hubport && to != from && to->hub == from->hub &&
            len <= NET_FRAME_MAX)
            repeat(from, to, h, frame, len);
    }
}

static const struct net_end_ops hub_ops = {.receive = hub_receive};

static bool hub_open(struct netdev *n, const struct option_list *l, struct error *err)
{
    struct hubport *p = (struct hubport *)n;
    const char *other = option_get(l, "netdev");
    struct netdev *joined = NULL;

    if (!option_get_number(l, "hubid", 0, INT32_MAX, &p->hub, err))
        return false;
    if (!option_get(l, "hubid"))
        return error_set(err, "hubid=N is expected");
    if (other && (joined = netdev_find(n->set, other, NULL)) && joined->kind == &netdev_hubport)
        return error_set(err, "netdev=%s: hubs are not joined to each other", other);
    if (other && (!(joined = netdev_find(n->set, other, err)) || !netdev_take(joined, err)))
        return false;
    p->copy = net_frame_new(NET_FRAME_MAX);
    if (!p->copy)
        return error_set(err, "out of memory");
    n->end.ops = &hub_ops;
    /* Who cannot take something is spared it at the end where it comes out. */
    n->end.offloads = NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN;
    snprintf(n->info, sizeof(n->info), "hub=%u%s%s", (unsigned)p->hub, other ? ",netdev=" : "",
             other ? other : "");
    if (joined) {
        n->taken = true;
        net_end_join(&n->end, &joined->end);
    }
    return true;
}

static void hub_close(struct netdev *n)
{
    net_frame_free(((struct hubport *)n)->copy);
}

static const char *const keys[] = {"type", "id", "hubid", "netdev", NULL};

const struct netdev_kind netdev_hubport = {
    .name = "hubport",
    .help = "hubid=N: a port of hub N; netdev=ID: another back end is plugged in there",
    .keys = keys,
    .size = sizeof(struct hubport),
    .open = hub_open,
    .close = hub_close,
};
