/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Character back ends on stream sockets: unix: and tcp:, as client or as server of one client at a
 * time. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/options.h"
#include "host/char/backend_internal.h"

/* RFC 857, 858: we echo, and neither side says when it is the other's turn. */
static const uint8_t telnet_greeting[] = {255, 251, 1, 255, 251, 3, 255, 253, 3};

static void client_arrived(struct chardev *c, int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* fails on unix sockets: fine */
    pthread_mutex_lock(&c->lock);
    c->out_fd = fd;
    c->stalled = false;
    pthread_mutex_unlock(&c->lock);
    c->telnet_state = 0;
    if (c->listening)
        c->listener.enabled = false; /* others wait in the backlog */
    chardev_start_input(c, fd);
    if (c->telnet)
        chardev_write(c, telnet_greeting, sizeof(telnet_greeting));
    if (c->on_open)
        c->on_open(c->on_open_opaque, true);
}

static void accept_ready(void *opaque, short revents)
{
    struct chardev *c = opaque;
    int fd = accept4(c->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)revents;
    if (fd >= 0)
        client_arrived(c, fd);
}

/* ---- addresses ---- */

struct address {
    struct sockaddr_storage addr;
    socklen_t len;
};

static bool unix_address(struct address *a, const char *path, struct error *err)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&a->addr;

    if (!*path || strlen(path) >= sizeof(un->sun_path))
        return error_set(err, "unix:%s: a path of 1 to %zu bytes is expected", path,
                         sizeof(un->sun_path) - 1);
    memset(a, 0, sizeof(*a));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, strlen(path) + 1);
    a->len = sizeof(*un);
    return true;
}

static bool tcp_address(struct address *a, const char *host, const char *port, bool server,
                        struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = server ? AI_PASSIVE : 0};
    struct addrinfo *found;
    int r;

    if (!port || !*port)
        return error_set(err, "tcp:%s: a port is expected", host);
    r = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (r != 0)
        return error_set(err, "tcp:%s:%s: %s", host, port, gai_strerror(r));
    memcpy(&a->addr, found->ai_addr, found->ai_addrlen);
    a->len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

/* ---- opening ---- */

/* A socket file that nobody listens on any more is left over from a crash. Connecting to a file of
 * another kind fails alike: that one is somebody's. */
static void remove_stale(const struct address *a)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&a->addr;
    struct stat st;
    int fd;

    if (lstat(un->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)&a->addr, a->len) < 0 && errno == ECONNREFUSED)
        unlink(un->sun_path);
    close(fd);
}

static bool watch_listener(struct chardev *c, int fd, struct error *err)
{
    c->listening = poller_add(c->set->poller, &c->listener, fd, POLLIN, accept_ready, c);
    if (!c->listening)
        close(fd);
    return c->listening || error_set(err, "out of memory");
}

static bool listen_on(struct chardev *c, int fd, const struct address *a, const char *name,
                      struct error *err)
{
    int on = 1;

    if (a->addr.ss_family == AF_UNIX)
        remove_stale(a);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&a->addr, a->len) < 0 || listen(fd, 1) < 0) {
        error_set(err, "%s: %s", name, strerror(errno));
        close(fd);
        return false;
    }
    if (a->addr.ss_family == AF_UNIX)
        c->unlink_path = strdup(((const struct sockaddr_un *)&a->addr)->sun_path);
    return watch_listener(c, fd, err);
}

/* fd=N: a socket that whoever started us has opened, listening or connected. */
static bool use_inherited(struct chardev *c, int fd, bool server, struct error *err)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr), size = sizeof(int);
    int listening = 0;
    char name[160];

    if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0)
        return error_set(err, "fd=%d: %s; an open socket is expected", fd, strerror(errno));
    if (!listening != !server)
        return error_set(err, "fd=%d: the socket %s; server=%s is expected", fd,
                         listening ? "listens" : "does not listen", listening ? "on" : "off");
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (addr.ss_family == AF_UNIX)
        snprintf(name, sizeof(name), "unix:%.108s%s",
                 len > sizeof(sa_family_t) ? ((struct sockaddr_un *)&addr)->sun_path : "",
                 server ? ",server=on" : "");
    else
        snprintf(name, sizeof(name), "fd:%d%s", fd, server ? ",server=on" : "");
    c->filename = strdup(name);
    if (server)
        return watch_listener(c, fd, err);
    client_arrived(c, fd);
    return true;
}

/* wait=on, the default: the machine starts when someone is there. */
static void wait_for_client(struct chardev *c, const char *name)
{
    fprintf(stderr, "calque: %s: waiting for a connection on %s\n", c->id, name);
    while (c->out_fd < 0) {
        struct pollfd p = {.fd = c->listener.fd, .events = POLLIN};

        if (poll(&p, 1, -1) > 0)
            accept_ready(c, POLLIN);
    }
}

static bool connect_to(struct chardev *c, int fd, const struct address *a, const char *name,
                       struct error *err)
{
    if (connect(fd, (const struct sockaddr *)&a->addr, a->len) < 0) {
        error_set(err, "%s: %s", name, strerror(errno));
        close(fd);
        return false;
    }
    client_arrived(c, fd);
    return true;
}

bool chardev_open_socket(struct chardev *c, const struct option_list *l, struct error *err)
{
    const char *path = option_get(l, "path"), *host = option_get(l, "host");
    const char *port = option_get(l, "port");
    bool server = false, wait = true;
    uint64_t inherited = UINT64_MAX;
    struct address a;
    char name[300];

    if (!option_get_bool(l, "server", &server, err) || !option_get_bool(l, "wait", &wait, err) ||
        !option_get_bool(l, "telnet", &c->telnet, err) ||
        !option_get_number(l, "fd", 0, INT_MAX, &inherited, err))
        return false;
    c->is_socket = true;
    if (c->telnet)
        c->interactive = true;
    if (inherited != UINT64_MAX) {
        if (!use_inherited(c, (int)inherited, server, err))
            return false;
        if (wait && server)
            wait_for_client(c, c->filename);
        return true;
    }
    if (!path == !port)
        return error_set(err, "socket: path=PATH or host=HOST,port=PORT is expected");
    if (path ? !unix_address(&a, path, err) : !tcp_address(&a, host ? host : "", port, server, err))
        return false;
    if (path)
        snprintf(name, sizeof(name), "unix:%s", path);
    else
        snprintf(name, sizeof(name), "tcp:%s:%s", host ? host : "", port);

    int fd = socket(a.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set(err, "%s: %s", name, strerror(errno));
    if (asprintf(&c->filename, "%s%s%s", name, server ? ",server=on" : "",
                 c->telnet ? ",telnet=on" : "") < 0)
        c->filename = NULL;
    if (!server)
        return connect_to(c, fd, &a, name, err);
    if (!listen_on(c, fd, &a, name, err))
        return false;
    if (wait)
        wait_for_client(c, name);
    return true;
}
