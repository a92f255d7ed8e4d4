/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames over stream sockets: -netdev stream, and -netdev socket's listen= and connect=. A server
 * has one client at a time; a client may try again. While nobody is there frames are lost. */
#include "host/net/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"

#define LENGTH_SIZE 4u
#define IN_SIZE     (2 * (LENGTH_SIZE + NET_FRAME_MAX))
#define OUT_SIZE    (512u << 10)
#define OUT_FULL    (OUT_SIZE - 2 * (LENGTH_SIZE + NET_FRAME_MAX)) /* no room: others wait */
#define PATIENCE_MS 10000 /* for the first connection, at start */

static struct net_stream *stream_of(struct netdev *n)
{
    return (struct net_stream *)n;
}

static void try_later(struct net_stream *s);

/* ---- the connection ---- */

static void say(struct net_stream *s, const char *state)
{
    char name[110];

    net_address_print(&s->address, name, sizeof(name));
    snprintf(s->netdev.info, sizeof(s->netdev.info), "%s,%s", s->address.len ? name : "fd", state);
}

static void disconnect(struct net_stream *s)
{
    poller_remove(s->netdev.set->poller, &s->connection);
    close(s->connection.fd);
    s->connected = s->connecting = false;
    s->in_len = s->out_len = 0;
    say(s, s->listening ? "listening" : "not connected");
    if (s->listening)
        s->listener.enabled = true;
    else if (s->reconnect_ms)
        try_later(s);
    net_end_ready(&s->netdev.end);
}

/* While the NIC has no room nothing is read. */
static void set_events(struct net_stream *s)
{
    s->connection.events = (short)((s->full ? 0 : POLLIN) | (s->out_len ? POLLOUT : 0));
}

static void flush(struct net_stream *s)
{
    size_t done = 0;

    while (done < s->out_len) {
        ssize_t n =
            send(s->connection.fd, s->out + done, s->out_len - done, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* full, or gone: then reading says so */
        done += (size_t)n;
    }
    memmove(s->out, s->out + done, s->out_len - done);
    s->out_len -= done;
    set_events(s);
    if (s->out_len < OUT_FULL)
        net_end_ready(&s->netdev.end);
}

/* Whole frames go on; what is behind them stays. False: what came is no stream of frames. */
static bool take_frames(struct net_stream *s)
{
    size_t at = 0;

    while (s->in_len - at >= LENGTH_SIZE && net_end_room(&s->netdev.end)) {
        uint32_t len;

        memcpy(&len, s->in + at, sizeof(len));
        len = ntohl(len);
        if (len > NET_FRAME_MAX)
            return false;
        if (s->in_len - at - LENGTH_SIZE < len)
            break;
        net_end_send(&s->netdev.end, NULL, s->in + at + LENGTH_SIZE, len);
        at += LENGTH_SIZE + len;
    }
    memmove(s->in, s->in + at, s->in_len - at);
    s->in_len -= at;
    return true;
}

static void read_frames(struct net_stream *s)
{
    ssize_t n = recv(s->connection.fd, s->in + s->in_len, IN_SIZE - s->in_len, MSG_DONTWAIT);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0)
        s->in_len += (size_t)n;
    if (n <= 0 || !take_frames(s)) {
        disconnect(s);
        return;
    }
    s->full = !net_end_room(&s->netdev.end); /* until stream_ready() */
    set_events(s);
}

static void connection_ready(void *opaque, short revents)
{
    struct net_stream *s = opaque;

    if (revents & POLLOUT)
        flush(s);
    if (s->full && (revents & (POLLERR | POLLHUP)))
        disconnect(s);
    else if (revents != POLLOUT)
        read_frames(s);
}

static bool start_connection(struct net_stream *s, int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* fails on others: fine */
    if (!poller_add(s->netdev.set->poller, &s->connection, fd, POLLIN, connection_ready, s)) {
        close(fd);
        return false;
    }
    s->connected = true;
    s->full = false;
    s->in_len = s->out_len = 0;
    say(s, "connected");
    if (s->listening)
        s->listener.enabled = false; /* others wait in the backlog */
    return true;
}

/* ---- ends ---- */

static void stream_receive(struct net_end *e, const struct net_header *h, uint8_t *frame,
                           size_t len)
{
    struct net_stream *s = e->owner;
    uint32_t size = htonl((uint32_t)len);

    (void)h;
    if (!s->connected || s->out_len + LENGTH_SIZE + len > OUT_SIZE)
        return;
    memcpy(s->out + s->out_len, &size, LENGTH_SIZE);
    memcpy(s->out + s->out_len + LENGTH_SIZE, frame, len);
    s->out_len += LENGTH_SIZE + len;
    if (!(s->connection.events & POLLOUT))
        flush(s);
}

static bool stream_room(struct net_end *e)
{
    struct net_stream *s = e->owner;

    return !s->connected || s->out_len < OUT_FULL;
}

static void stream_ready(struct net_end *e)
{
    struct net_stream *s = e->owner;

    if (!s->connected || !s->full)
        return;
    if (!take_frames(s)) {
        disconnect(s);
        return;
    }
    s->full = !net_end_room(e);
    set_events(s);
}

static const struct net_end_ops stream_ops = {stream_receive, stream_room, stream_ready};

/* ---- how it comes about ---- */

static void accept_ready(void *opaque, short revents)
{
    struct net_stream *s = opaque;
    int fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)revents;
    if (fd >= 0)
        start_connection(s, fd);
}

/* A file that nobody listens on any more is left over. One of another kind is somebody's. */
static void remove_stale(const struct net_address *a)
{
    const char *path = ((const struct sockaddr_un *)&a->addr)->sun_path;
    struct stat st;
    int fd;

    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)&a->addr, a->len) < 0 && errno == ECONNREFUSED)
        unlink(path);
    close(fd);
}

static bool watch_listener(struct net_stream *s, int fd, struct error *err)
{
    s->listening = poller_add(s->netdev.set->poller, &s->listener, fd, POLLIN, accept_ready, s);
    if (!s->listening) {
        close(fd);
        return error_set(err, "out of memory");
    }
    say(s, "listening");
    return true;
}

static bool open_server(struct net_stream *s, struct error *err)
{
    const struct net_address *a = &s->address;
    int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    char name[110];

    if (fd < 0)
        return error_set(err, "socket: %s", strerror(errno));
    if (a->addr.ss_family == AF_UNIX)
        remove_stale(a);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&a->addr, a->len) < 0 || listen(fd, 1) < 0) {
        net_address_print(a, name, sizeof(name));
        error_set(err, "%s: %s", name, strerror(errno));
        close(fd);
        return false;
    }
    if (a->addr.ss_family == AF_UNIX)
        s->unlink_path = strdup(((const struct sockaddr_un *)&a->addr)->sun_path);
    return watch_listener(s, fd, err);
}

/* The outcome of a connect() that was under way. Returns 0 or an errno value. */
static int connect_result(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

static void connect_ready(void *opaque, short revents)
{
    struct net_stream *s = opaque;
    int fd = s->connection.fd;

    (void)revents;
    poller_remove(s->netdev.set->poller, &s->connection);
    s->connecting = false;
    if (connect_result(fd) == 0 && start_connection(s, fd))
        return;
    close(fd);
    try_later(s);
}

/* Begins to connect. Returns the socket, -1 with errno. */
static int begin_connect(const struct net_address *a, bool *done)
{
    int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int saved;

    *done = false;
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&a->addr, a->len) == 0) {
        *done = true;
        return fd;
    }
    if (errno == EINPROGRESS)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static void try_again(void *opaque, short revents)
{
    struct net_stream *s = opaque;
    uint64_t count;
    bool done;
    int fd;

    (void)revents;
    (void)!read(s->timer.fd, &count, sizeof(count));
    if (s->connected || s->connecting)
        return;
    fd = begin_connect(&s->address, &done);
    if (fd < 0) {
        try_later(s);
    } else if (done) {
        start_connection(s, fd);
    } else {
        s->connecting =
            poller_add(s->netdev.set->poller, &s->connection, fd, POLLOUT, connect_ready, s);
        if (!s->connecting)
            close(fd);
    }
}

static void try_later(struct net_stream *s)
{
    struct itimerspec when = {
        .it_value = {(time_t)(s->reconnect_ms / 1000), (long)(s->reconnect_ms % 1000) * 1000000}};

    if (s->timing)
        timerfd_settime(s->timer.fd, 0, &when, NULL);
}

static bool make_timer(struct net_stream *s, struct error *err)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    if (fd < 0)
        return error_set(err, "timerfd: %s", strerror(errno));
    s->timing = poller_add(s->netdev.set->poller, &s->timer, fd, POLLIN, try_again, s);
    if (s->timing)
        return true;
    close(fd);
    return error_set(err, "out of memory");
}

/* The first connection is waited for unless there may be others. */
static bool open_client(struct net_stream *s, struct error *err)
{
    struct pollfd p = {.events = POLLOUT};
    char name[110];
    bool done;

    if (s->reconnect_ms && !make_timer(s, err))
        return false;
    say(s, "not connected");
    p.fd = begin_connect(&s->address, &done);
    if (p.fd >= 0 && !done) {
        errno = poll(&p, 1, PATIENCE_MS) > 0 ? connect_result(p.fd) : ETIMEDOUT;
        done = !errno;
        if (!done) {
            int saved = errno;

            close(p.fd);
            errno = saved;
            p.fd = -1;
        }
    }
    if (p.fd >= 0)
        return start_connection(s, p.fd) || error_set(err, "out of memory");
    if (s->reconnect_ms) {
        try_later(s);
        return true;
    }
    net_address_print(&s->address, name, sizeof(name));
    return error_set(err, "%s: %s", name, strerror(errno));
}

static bool use_fd(struct net_stream *s, int fd, bool server, struct error *err)
{
    int listening = 0;
    socklen_t len = sizeof(listening);

    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len);
    if (server && !listening)
        return error_set(err, "fd=%d: a listening socket is expected", fd);
    if (listening)
        return watch_listener(s, fd, err);
    return start_connection(s, fd) || error_set(err, "out of memory");
}

bool net_stream_open(struct net_stream *s, const struct net_stream_settings *settings,
                     struct error *err)
{
    s->netdev.end.ops = &stream_ops;
    s->address = settings->address;
    s->reconnect_ms = settings->reconnect_ms;
    s->in = malloc(IN_SIZE);
    s->out = malloc(OUT_SIZE);
    if (!s->in || !s->out)
        return error_set(err, "out of memory");
    if (settings->fd >= 0)
        return use_fd(s, settings->fd, settings->server, err);
    return settings->server ? open_server(s, err) : open_client(s, err);
}

static void close_watch(struct net_stream *s, struct poll_watch *w, bool open)
{
    if (!open)
        return;
    poller_remove(s->netdev.set->poller, w);
    close(w->fd);
}

void net_stream_close(struct netdev *n)
{
    struct net_stream *s = stream_of(n);

    close_watch(s, &s->connection, s->connected || s->connecting);
    close_watch(s, &s->listener, s->listening);
    close_watch(s, &s->timer, s->timing);
    if (s->unlink_path)
        unlink(s->unlink_path);
    free(s->unlink_path);
    free(s->in);
    free(s->out);
}

/* ---- -netdev stream ---- */

static bool stream_open(struct netdev *n, const struct option_list *l, struct error *err)
{
    struct net_stream_settings settings = {.fd = -1};
    uint64_t seconds = 0;

    if (!option_get_bool(l, "server", &settings.server, err) ||
        !option_get_number(l, "reconnect", 0, 86400, &seconds, err) ||
        !option_get_number(l, "reconnect-ms", 0, 86400000, &settings.reconnect_ms, err) ||
        !net_address_option(&settings.address, &settings.fd, l, "addr", SOCK_STREAM,
                            settings.server, err))
        return false;
    if (!settings.address.len && settings.fd < 0)
        return error_set(err, "addr.type=inet,addr.host=HOST,addr.port=PORT or addr.type=unix,"
                              "addr.path=PATH is expected");
    if (seconds)
        settings.reconnect_ms = seconds * 1000;
    if (settings.reconnect_ms && (settings.server || settings.fd >= 0))
        return error_set(err, "reconnect: only for who connects to an address");
    return net_stream_open(stream_of(n), &settings, err);
}

static const char *const keys[] = {"type",      "id",           "server",    "addr.type",
                                   "addr.host", "addr.port",    "addr.path", "addr.str",
                                   "reconnect", "reconnect-ms", NULL};

const struct netdev_kind netdev_stream = {
    .name = "stream",
    .help = "another machine over a stream socket: addr.type=inet|unix|fd,addr.host=,...,server=on",
    .keys = keys,
    .size = sizeof(struct net_stream),
    .open = stream_open,
    .close = net_stream_close,
};
