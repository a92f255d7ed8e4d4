/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/net/address.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/size.h"

bool net_address_inet(struct net_address *a, const char *host, const char *port, int type,
                      bool passive, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = type, .ai_flags = passive ? AI_PASSIVE : 0}, *found;
    int r;

    if (!port || !*port)
        return error_set(err, "%s: a port is expected", host);
    /* Without a host both sides mean IPv4, so that they agree. */
    hints.ai_family = *host ? AF_UNSPEC : AF_INET;
    r = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (r != 0)
        return error_set(err, "%s:%s: %s", host, port, gai_strerror(r));
    memcpy(&a->addr, found->ai_addr, found->ai_addrlen);
    a->len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

bool net_address_parse(struct net_address *a, const char *text, int type, bool passive,
                       struct error *err)
{
    const char *colon = strrchr(text, ':');
    char host[256];
    size_t len = colon ? (size_t)(colon - text) : 0;
    bool brackets = len >= 2 && text[0] == '[' && text[len - 1] == ']';

    if (!colon || len >= sizeof(host))
        return error_set(err, "%s: HOST:PORT is expected", text);
    if (brackets)
        snprintf(host, sizeof(host), "%.*s", (int)len - 2, text + 1);
    else
        snprintf(host, sizeof(host), "%.*s", (int)len, text);
    return net_address_inet(a, host, colon + 1, type, passive, err);
}

bool net_address_unix(struct net_address *a, const char *path, struct error *err)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&a->addr;

    if (!*path || strlen(path) >= sizeof(un->sun_path))
        return error_set(err, "path=%s: 1 to %zu bytes are expected", path,
                         sizeof(un->sun_path) - 1);
    memset(a, 0, sizeof(*a));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, strlen(path) + 1);
    a->len = sizeof(*un);
    return true;
}

int net_inherited_fd(const char *text, int type, struct error *err)
{
    uint64_t fd;
    int got = 0;
    socklen_t len = sizeof(got);

    if (!number_parse(text, 0, INT32_MAX, &fd, err)) {
        error_prefix(err, "fd");
        return -1;
    }
    if (getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &got, &len) < 0 || got != type) {
        error_set(err, "fd=%s: an open %s socket is expected", text,
                  type == SOCK_STREAM ? "stream" : "datagram");
        return -1;
    }
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    fcntl((int)fd, F_SETFL, fcntl((int)fd, F_GETFL) | O_NONBLOCK);
    return (int)fd;
}

static const char *sub_option(const struct option_list *l, const char *prefix, const char *name)
{
    char key[32];

    snprintf(key, sizeof(key), "%s.%s", prefix, name);
    return option_get(l, key);
}

bool net_address_option(struct net_address *a, int *fd, const struct option_list *l,
                        const char *prefix, int type, bool passive, struct error *err)
{
    const char *kind = sub_option(l, prefix, "type"), *host = sub_option(l, prefix, "host");
    const char *port = sub_option(l, prefix, "port"), *path = sub_option(l, prefix, "path");
    const char *str = sub_option(l, prefix, "str");
    bool ok;

    a->len = 0;
    *fd = -1;
    if (!kind)
        return true;
    if (!strcmp(kind, "inet"))
        ok = net_address_inet(a, host ? host : "", port, type, passive, err);
    else if (!strcmp(kind, "unix"))
        ok = net_address_unix(a, path ? path : "", err);
    else if (!strcmp(kind, "fd"))
        ok = (*fd = net_inherited_fd(str ? str : "", type, err)) >= 0;
    else
        ok = error_set(err, "type=%s: inet, unix or fd is expected", kind);
    return ok || error_prefix(err, "%s", prefix);
}

bool net_is_multicast(const struct net_address *a)
{
    return a->len && a->addr.ss_family == AF_INET &&
           IN_MULTICAST(ntohl(((const struct sockaddr_in *)&a->addr)->sin_addr.s_addr));
}

void net_address_print(const struct net_address *a, char *text, size_t size)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (!a->len)
        snprintf(text, size, "none");
    else if (a->addr.ss_family == AF_UNIX)
        snprintf(text, size, "%s", ((const struct sockaddr_un *)&a->addr)->sun_path);
    else if (getnameinfo((const struct sockaddr *)&a->addr, a->len, host, sizeof(host), port,
                         sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(text, size, "%s:%s", host, port);
    else
        snprintf(text, size, "?");
}
