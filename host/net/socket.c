/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -netdev socket: the older way to say what -netdev stream and dgram do. */
#include <string.h>

#include "base/error.h"
#include "host/net/stream.h"

/* One of the two; the netdev's kind cannot know which. */
struct net_socket {
    union {
        struct netdev netdev;
        struct net_stream stream;
        struct net_dgram dgram;
    };
    bool is_dgram;
};

static bool open_stream(struct net_socket *s, const struct option_list *l, struct error *err)
{
    const char *listen = option_get(l, "listen"), *fd = option_get(l, "fd");
    const char *at = listen ? listen : option_get(l, "connect");
    struct net_stream_settings settings = {.fd = -1, .server = listen};

    if (fd) {
        settings.fd = net_inherited_fd(fd, SOCK_STREAM, err);
        return settings.fd >= 0 && net_stream_open(&s->stream, &settings, err);
    }
    return (net_address_parse(&settings.address, at, SOCK_STREAM, listen, err) &&
            net_stream_open(&s->stream, &settings, err)) ||
           error_prefix(err, listen ? "listen" : "connect");
}

static bool open_dgram(struct net_socket *s, const struct option_list *l, struct error *err)
{
    const char *mcast = option_get(l, "mcast"), *udp = option_get(l, "udp");
    const char *local = option_get(l, "localaddr");
    struct net_dgram_settings settings = {.fd = -1};

    s->is_dgram = true;
    if (!net_address_parse(&settings.remote, mcast ? mcast : udp, SOCK_DGRAM, false, err))
        return error_prefix(err, mcast ? "mcast" : "udp");
    if (mcast) {
        if (settings.remote.addr.ss_family != AF_INET || !net_is_multicast(&settings.remote))
            return error_set(err,
                             "mcast=%s: a multicast address is expected: 224.0.0.0 to "
                             "239.255.255.255",
                             mcast);
        settings.localaddr = local;
    } else if (!local) {
        return error_set(err, "udp=%s: localaddr=HOST:PORT is expected, too", udp);
    } else if (!net_address_parse(&settings.local, local, SOCK_DGRAM, true, err)) {
        return error_prefix(err, "localaddr");
    }
    return net_dgram_open(&s->dgram, &settings, err);
}

static bool socket_open(struct netdev *n, const struct option_list *l, struct error *err)
{
    static const char *const ways[] = {"listen", "connect", "mcast", "udp", "fd"};
    struct net_socket *s = (struct net_socket *)n;
    unsigned given = 0;

    for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        given += option_get(l, ways[i]) != NULL;
    if (given != 1)
        return error_set(err, "one of listen=, connect=, mcast=, udp= and fd= is expected");
    if (option_get(l, "localaddr") && !option_get(l, "mcast") && !option_get(l, "udp"))
        return error_set(err, "localaddr=: only with mcast= or udp=");
    if (option_get(l, "mcast") || option_get(l, "udp"))
        return open_dgram(s, l, err);
    return open_stream(s, l, err);
}

static void socket_close(struct netdev *n)
{
    if (((struct net_socket *)n)->is_dgram)
        net_dgram_close(n);
    else
        net_stream_close(n);
}

static int64_t socket_prepare(struct netdev *n)
{
    return ((struct net_socket *)n)->is_dgram ? net_dgram_prepare(n) : -1;
}

static const char *const keys[] = {"type", "id",        "listen", "connect", "mcast",
                                   "udp",  "localaddr", "fd",     NULL};

const struct netdev_kind netdev_socket = {
    .name = "socket",
    .help = "another machine: listen=HOST:PORT, connect=HOST:PORT, mcast=ADDRESS:PORT, "
            "udp=HOST:PORT,localaddr=HOST:PORT",
    .keys = keys,
    .size = sizeof(struct net_socket),
    .open = socket_open,
    .close = socket_close,
    .prepare = socket_prepare,
};
