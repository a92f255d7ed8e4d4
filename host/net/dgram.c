/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames over datagram sockets: -netdev dgram, and -netdev socket's udp= and mcast=. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "base/error.h"
#include "host/net/stream.h"

#define SOCKET_BUFFER (1 << 20)
#define FRAMES_A_TURN 64
#define RETRY_NS      1000000
#define TRIES         20 /* for a frame that the other side has no room for: then it is lost */

static struct net_dgram *dgram_of(struct netdev *n)
{
    return (struct net_dgram *)n;
}

/* False: not now. */
static bool put(struct net_dgram *d, const uint8_t *frame, size_t len)
{
    int fd = d->send_fd >= 0 ? d->send_fd : d->watch.fd;
    const struct sockaddr *to = d->remote.len ? (const struct sockaddr *)&d->remote.addr : NULL;

    return sendto(fd, frame, len, MSG_NOSIGNAL | MSG_DONTWAIT, to, d->remote.len) >= 0 ||
           (errno != EAGAIN && errno != ENOBUFS); /* otherwise nobody is there: it is lost */
}

static void dgram_receive(struct net_end *e, const struct net_header *h, uint8_t *frame, size_t len)
{
    struct net_dgram *d = e->owner;

    (void)h;
    if (d->held || put(d, frame, len))
        return;
    d->held = net_frame_new(len);
    if (d->held)
        memcpy(d->held->data, frame, len);
    d->tries = 0;
}

static bool dgram_room(struct net_end *e)
{
    return !((struct net_dgram *)e->owner)->held;
}

/* A datagram socket does not say when the one at its other end has room: it is asked again. */
int64_t net_dgram_prepare(struct netdev *n)
{
    struct net_dgram *d = dgram_of(n);

    if (!d->held)
        return -1;
    if (d->tries++ < TRIES && !put(d, d->held->data, d->held->len))
        return RETRY_NS;
    net_frame_free(d->held);
    d->held = NULL;
    net_end_ready(&n->end);
    return 0;
}

static bool is_own(const struct net_dgram *d, const struct sockaddr_in *from)
{
    const struct sockaddr_in *self = (const struct sockaddr_in *)&d->self.addr;

    return d->self.len && from->sin_family == AF_INET && from->sin_port == self->sin_port &&
           from->sin_addr.s_addr == self->sin_addr.s_addr;
}

static void datagrams_ready(void *opaque, short revents)
{
    struct net_dgram *d = opaque;

    (void)revents;
    for (unsigned n = 0; n < FRAMES_A_TURN; n++) {
        struct sockaddr_storage from = {0};
        socklen_t from_len = sizeof(from);
        ssize_t len;

        d->watch.enabled = net_end_room(&d->netdev.end);
        if (!d->watch.enabled)
            return;
        len = recvfrom(d->watch.fd, d->in, NET_FRAME_MAX + 1, MSG_DONTWAIT,
                       (struct sockaddr *)&from, &from_len);
        if (len < 0)
            return; /* nothing more, or an error of something sent */
        if (len <= NET_FRAME_MAX && !is_own(d, (const struct sockaddr_in *)&from))
            net_end_send(&d->netdev.end, NULL, d->in, (size_t)len);
    }
}

static void dgram_ready(struct net_end *e)
{
    ((struct net_dgram *)e->owner)->watch.enabled = true;
}

static const struct net_end_ops dgram_ops = {
    .receive = dgram_receive, .room = dgram_room, .ready = dgram_ready};

/* ---- opening ---- */

/* We send from a socket of our own, so that we know our frames when the group gives them back. */
static bool join_group(struct net_dgram *d, int fd, const char *localaddr, struct error *err)
{
    const struct sockaddr_in *group = (const struct sockaddr_in *)&d->remote.addr;
    struct ip_mreq mreq = {.imr_multiaddr = group->sin_addr};
    int on = 1;

    if (localaddr && inet_pton(AF_INET, localaddr, &mreq.imr_interface) != 1)
        return error_set(err, "localaddr=%s: an IPv4 address is expected", localaddr);
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) < 0)
        return error_set(err, "joining the multicast group: %s", strerror(errno));
    d->send_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (d->send_fd < 0)
        return error_set(err, "socket: %s", strerror(errno));
    setsockopt(d->send_fd, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof(on));
    if (localaddr)
        setsockopt(d->send_fd, IPPROTO_IP, IP_MULTICAST_IF, &mreq.imr_interface,
                   sizeof(mreq.imr_interface));
    d->self.len = sizeof(d->self.addr);
    /* Connecting gives it the address that its frames will come from. */
    if (connect(d->send_fd, (const struct sockaddr *)&d->remote.addr, d->remote.len) < 0 ||
        getsockname(d->send_fd, (struct sockaddr *)&d->self.addr, &d->self.len) < 0)
        return error_set(err, "multicast: %s", strerror(errno));
    d->remote.len = 0;
    return true;
}

static int make_socket(struct net_dgram *d, const struct net_address *bound, struct error *err)
{
    int fd = socket(bound->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    const struct sockaddr_un *un = (const struct sockaddr_un *)&bound->addr;
    int size = SOCKET_BUFFER;
    struct stat st;
    char name[110];

    if (fd < 0) {
        error_set(err, "socket: %s", strerror(errno));
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    if (bound->addr.ss_family == AF_UNIX && lstat(un->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(un->sun_path);
    if (bind(fd, (const struct sockaddr *)&bound->addr, bound->len) < 0) {
        net_address_print(bound, name, sizeof(name));
        error_set(err, "%s: %s", name, strerror(errno));
        close(fd);
        return -1;
    }
    if (bound->addr.ss_family == AF_UNIX)
        d->unlink_path = strdup(un->sun_path);
    return fd;
}

static void describe(struct net_dgram *d, const struct net_dgram_settings *s)
{
    char local[64], remote[64];

    net_address_print(&s->local, local, sizeof(local));
    net_address_print(&s->remote, remote, sizeof(remote));
    if (s->fd >= 0)
        snprintf(d->netdev.info, sizeof(d->netdev.info), "fd=%d", s->fd);
    else
        snprintf(d->netdev.info, sizeof(d->netdev.info), "local=%s,remote=%s", local, remote);
}

bool net_dgram_open(struct net_dgram *d, const struct net_dgram_settings *s, struct error *err)
{
    int fd = s->fd;
    bool group = fd < 0 && net_is_multicast(&s->remote);

    d->netdev.end.ops = &dgram_ops;
    d->send_fd = -1;
    d->remote = s->remote;
    d->in = malloc(NET_FRAME_MAX + 1);
    if (!d->in)
        return error_set(err, "out of memory");
    if (fd < 0 && (fd = make_socket(d, group ? &s->remote : &s->local, err)) < 0)
        return false;
    d->watched = poller_add(d->netdev.set->poller, &d->watch, fd, POLLIN, datagrams_ready, d);
    if (!d->watched) {
        close(fd);
        return error_set(err, "out of memory");
    }
    describe(d, s);
    return !group || join_group(d, fd, s->localaddr, err);
}

void net_dgram_close(struct netdev *n)
{
    struct net_dgram *d = dgram_of(n);

    if (d->watched) {
        poller_remove(n->set->poller, &d->watch);
        close(d->watch.fd);
    }
    if (d->in && d->send_fd >= 0)
        close(d->send_fd);
    if (d->unlink_path)
        unlink(d->unlink_path);
    free(d->unlink_path);
    net_frame_free(d->held);
    free(d->in);
}

/* ---- -netdev dgram ---- */

static bool dgram_open(struct netdev *n, const struct option_list *l, struct error *err)
{
    struct net_dgram_settings s = {.fd = -1};
    int remote_fd;

    if (!net_address_option(&s.remote, &remote_fd, l, "remote", SOCK_DGRAM, false, err) ||
        !net_address_option(&s.local, &s.fd, l, "local", SOCK_DGRAM, true, err))
        return false;
    if (remote_fd >= 0)
        return error_set(err, "remote.type=fd: local.type=fd is expected");
    if (net_is_multicast(&s.remote) && s.fd < 0) {
        s.localaddr = option_get(l, "local.host");
    } else if (s.fd < 0 && !s.local.len) {
        return error_set(err, "local.type=inet,local.host=HOST,local.port=PORT or local.type=unix,"
                              "local.path=PATH is expected");
    } else if (s.fd < 0 && !s.remote.len) {
        return error_set(err, "remote.type=... is expected");
    }
    if (s.local.len && s.remote.len && s.local.addr.ss_family != s.remote.addr.ss_family)
        return error_set(err, "local and remote: two addresses of one family are expected");
    return net_dgram_open(dgram_of(n), &s, err);
}

static const char *const keys[] = {"type",        "id",          "local.type",  "local.host",
                                   "local.port",  "local.path",  "local.str",   "remote.type",
                                   "remote.host", "remote.port", "remote.path", NULL};

const struct netdev_kind netdev_dgram = {
    .name = "dgram",
    .help = "another machine over datagrams: local.type=inet|unix|fd,local.host=,...,remote.type=,"
            "...",
    .keys = keys,
    .size = sizeof(struct net_dgram),
    .open = dgram_open,
    .close = net_dgram_close,
    .prepare = net_dgram_prepare,
};
