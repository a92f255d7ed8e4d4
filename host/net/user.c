/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -netdev user: a network of its own behind address translation in this process, by libslirp. The
 * guest reaches what this process may reach; nobody reaches the guest but by port forwards.
 *
 * libslirp runs on the main loop's thread. Its time is the guest's: connections do not time out
 * while the machine is paused. While the NIC has no room for more, no socket is read. */
#include "config.h"

#if CONFIG_SLIRP

#include <arpa/inet.h>
#include <errno.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/size.h"
#include "host/net/backend_internal.h"
#include "host/net/user.h"
#include "vm/machine.h"

#define NS_PER_MS     1000000
#define DNSSEARCH_MAX 16
#define ICOUNT_WAIT   (10 * (int64_t)NS_PER_MS) /* the guest's time says little about ours */

struct user_timer {
    SlirpTimerCb fn;
    void *opaque;
    int64_t deadline; /* ms of the guest's time; -1: not set */
    struct user_timer *next;
};

struct user {
    struct netdev netdev;
    Slirp *slirp;
    struct poll_group group;
    size_t capacity; /* of group.fds */
    bool filled;     /* group.fds are libslirp's of this wait */
    struct user_timer *timers;
};

static struct user *user_of(struct netdev *n)
{
    return (struct user *)n;
}

/* ---- what libslirp calls ---- */

static ssize_t send_packet(const void *data, size_t len, void *opaque)
{
    struct user *u = opaque;

    /* Its buffer, which it gives up with the call; only headers may be changed. */
    net_end_send(&u->netdev.end, NULL, (uint8_t *)(uintptr_t)data, len);
    return (ssize_t)len;
}

static void guest_error(const char *text, void *opaque)
{
    struct user *u = opaque;

    if (u->netdev.set->m)
        log_line(&u->netdev.set->m->log, LOG_GUEST_ERRORS, "%s: %s", u->netdev.id, text);
}

static int64_t clock_get_ns(void *opaque)
{
    struct user *u = opaque;

    return u->netdev.set->m ? (int64_t)vm_clock_now(&u->netdev.set->m->clock) : 0;
}

static void *timer_new(SlirpTimerCb fn, void *fn_opaque, void *opaque)
{
    struct user *u = opaque;
    struct user_timer *t = malloc(sizeof(*t));

    if (!t)
        abort(); /* libslirp does so too when memory is short */
    *t = (struct user_timer){fn, fn_opaque, -1, u->timers};
    u->timers = t;
    return t;
}

static void timer_free(void *timer, void *opaque)
{
    struct user *u = opaque;

    for (struct user_timer **at = &u->timers; *at; at = &(*at)->next) {
        if (*at == timer) {
            *at = (*at)->next;
            break;
        }
    }
    free(timer);
}

static void timer_mod(void *timer, int64_t ms, void *opaque)
{
    (void)opaque;
    ((struct user_timer *)timer)->deadline = ms;
}

static void register_fd(int fd, void *opaque)
{
    (void)fd, (void)opaque;
}

static void notify(void *opaque)
{
    poller_wake(((struct user *)opaque)->netdev.set->poller);
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_get_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = register_fd,
    .unregister_poll_fd = register_fd,
    .notify = notify,
};

/* ---- waiting ---- */

static int add_poll(int fd, int events, void *opaque)
{
    struct user *u = opaque;
    short wanted =
        (short)((events & SLIRP_POLL_IN ? POLLIN : 0) | (events & SLIRP_POLL_OUT ? POLLOUT : 0) |
                (events & SLIRP_POLL_PRI ? POLLPRI : 0));

    if (u->group.n == u->capacity) {
        size_t capacity = u->capacity ? 2 * u->capacity : 16;
        struct pollfd *fds = realloc(u->group.fds, capacity * sizeof(*fds));

        if (!fds)
            return -1;
        u->group.fds = fds;
        u->capacity = capacity;
    }
    u->group.fds[u->group.n] = (struct pollfd){.fd = fd, .events = wanted};
    return (int)u->group.n++;
}

static int get_revents(int index, void *opaque)
{
    struct user *u = opaque;
    int got = index >= 0 && (size_t)index < u->group.n ? u->group.fds[index].revents : 0;

    return (got & POLLIN ? SLIRP_POLL_IN : 0) | (got & POLLOUT ? SLIRP_POLL_OUT : 0) |
           (got & POLLPRI ? SLIRP_POLL_PRI : 0) |
           (got & (POLLERR | POLLNVAL) ? SLIRP_POLL_ERR : 0) | (got & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static void waited(void *opaque)
{
    struct user *u = opaque;

    if (!u->filled)
        return;
    u->filled = false;
    slirp_pollfds_poll(u->slirp, 0, get_revents, u);
}

/* Runs the timers that are due. Returns ms until the next; -1: there is none. */
static int64_t run_timers(struct user *u)
{
    int64_t now = clock_get_ns(u) / NS_PER_MS, next = -1;

    for (struct user_timer *t = u->timers, *after; t; t = after) {
        after = t->next;
        if (t->deadline >= 0 && t->deadline <= now) {
            t->deadline = -1;
            t->fn(t->opaque);
        }
    }
    for (const struct user_timer *t = u->timers; t; t = t->next)
        if (t->deadline >= 0 && (next < 0 || t->deadline - now < next))
            next = t->deadline > now ? t->deadline - now : 0;
    return next;
}

static int64_t prepare(struct netdev *n)
{
    struct user *u = user_of(n);
    uint32_t timeout = UINT32_MAX;
    int64_t timer = run_timers(u), wait;

    u->group.n = 0;
    u->filled = net_end_room(&n->end);
    if (u->filled)
        slirp_pollfds_fill(u->slirp, &timeout, add_poll, u);
    wait = timeout == UINT32_MAX ? -1 : (int64_t)timeout * NS_PER_MS;
    if (timer >= 0 && (wait < 0 || timer * NS_PER_MS < wait))
        wait = timer * NS_PER_MS;
    if (wait > ICOUNT_WAIT && n->set->m->clock.mode == VM_CLOCK_ICOUNT)
        wait = ICOUNT_WAIT;
    return wait;
}

/* ---- frames of the guest ---- */

/* Segments need not be of the size of a wire's frames: nothing is behind libslirp but sockets. */
static void receive(struct net_end *e, const struct net_header *header, uint8_t *frame, size_t len)
{
    struct net_header h = *header;
    struct user *u = e->owner;

    if (h.gso_type != NET_GSO_NONE)
        net_make_giant(&h, frame, len);
    else
        net_finish_checksum(&h, frame, len);
    slirp_input(u->slirp, frame, (int)len);
}

static const struct net_end_ops end_ops = {.receive = receive};

/* ---- port forwards ---- */

struct forward {
    bool udp;
    struct sockaddr_storage host, guest;
};

/* "ADDR:PORT" up to `end`, where ADDR may be empty, or "[IPv6]:PORT". *text moves on. */
static bool take_address(const char **text, char end, struct sockaddr_storage *out, bool *empty)
{
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    const char *colon = **text == '[' ? strstr(*text, "]:") : strchr(*text, ':');
    bool v6 = **text == '[';
    char address[INET6_ADDRSTRLEN] = "", *rest;
    unsigned long port;
    size_t len;

    memset(out, 0, sizeof(*out));
    if (!colon)
        return false;
    len = (size_t)(colon - *text) - v6;
    if (len >= sizeof(address))
        return false;
    memcpy(address, *text + v6, len);
    colon += v6;
    *empty = !len;
    out->ss_family = v6 ? AF_INET6 : AF_INET;
    if (len &&
        inet_pton(out->ss_family, address, v6 ? (void *)&in6->sin6_addr : &in->sin_addr) != 1)
        return false;
    if (colon[1] < '0' || colon[1] > '9')
        return false;
    port = strtoul(colon + 1, &rest, 10);
    if (port > 65535 || *rest != end)
        return false;
    if (v6)
        in6->sin6_port = htons((uint16_t)port);
    else
        in->sin_port = htons((uint16_t)port);
    *text = rest + (end != 0);
    return true;
}

static bool parse_forward(struct forward *f, const char *rule, bool with_guest, struct error *err)
{
    const char *at = rule;
    bool ok = true, empty;

    f->udp = !strncmp(at, "udp:", 4);
    if (f->udp || !strncmp(at, "tcp:", 4))
        at += 4;
    else if (*at == ':')
        at++;
    else
        ok = false;
    ok = ok && take_address(&at, with_guest ? '-' : 0, &f->host, &empty) &&
         (!with_guest || take_address(&at, 0, &f->guest, &empty));
    if (!ok)
        return error_set(err, "hostfwd=%s: %s is expected", rule,
                         with_guest ? "tcp:[ADDRESS]:PORT-[ADDRESS]:PORT, or udp:..."
                                    : "tcp:[ADDRESS]:PORT or udp:[ADDRESS]:PORT");
    if (with_guest && !((struct sockaddr_in *)&f->guest)->sin_port)
        return error_set(err, "hostfwd=%s: the guest's port is 1 to 65535", rule);
    return true;
}

static socklen_t address_size(const struct sockaddr_storage *a)
{
    return a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

bool user_hostfwd_add(struct netdev *n, const char *rule, struct error *err)
{
    const struct sockaddr_in *host, *guest;
    struct forward f;
    int r;

    if (!parse_forward(&f, rule, true, err))
        return false;
    host = (const struct sockaddr_in *)&f.host;
    guest = (const struct sockaddr_in *)&f.guest;
    if (f.host.ss_family != f.guest.ss_family)
        return error_set(err, "hostfwd=%s: both addresses are IPv4, or both [IPv6]", rule);
    if (f.host.ss_family == AF_INET)
        r = slirp_add_hostfwd(user_of(n)->slirp, f.udp, host->sin_addr, ntohs(host->sin_port),
                              guest->sin_addr, ntohs(guest->sin_port));
    else
        r = slirp_add_hostxfwd(user_of(n)->slirp, (const struct sockaddr *)&f.host,
                               address_size(&f.host), (const struct sockaddr *)&f.guest,
                               address_size(&f.guest),
                               (f.udp ? SLIRP_HOSTFWD_UDP : 0) | SLIRP_HOSTFWD_V6ONLY);
    return r >= 0 || error_set(err, "hostfwd=%s: %s", rule, strerror(errno));
}

bool user_hostfwd_remove(struct netdev *n, const char *rule, struct error *err)
{
    const struct sockaddr_in *host;
    struct forward f;
    int r;

    if (!parse_forward(&f, rule, false, err))
        return false;
    host = (const struct sockaddr_in *)&f.host;
    if (f.host.ss_family == AF_INET)
        r = slirp_remove_hostfwd(user_of(n)->slirp, f.udp, host->sin_addr, ntohs(host->sin_port));
    else
        r = slirp_remove_hostxfwd(user_of(n)->slirp, (const struct sockaddr *)&f.host,
                                  address_size(&f.host),
                                  (f.udp ? SLIRP_HOSTFWD_UDP : 0) | SLIRP_HOSTFWD_V6ONLY);
    return r >= 0 || error_set(err, "%s: there is no such forward", rule);
}

/* "tcp:ADDR:PORT-cmd:COMMAND" or "-unix:PATH": a port of the guest's network leads there. */
static bool add_guestfwd(struct user *u, const char *rule, struct error *err)
{
    struct sockaddr_storage a;
    struct sockaddr_in *in = (struct sockaddr_in *)&a;
    const char *at = rule;
    bool empty;
    int r;

    if (!strncmp(at, "tcp:", 4))
        at += 4;
    if (!take_address(&at, '-', &a, &empty) || empty || a.ss_family != AF_INET)
        return error_set(err, "guestfwd=%s: tcp:ADDRESS:PORT-cmd:COMMAND or -unix:PATH is expected",
                         rule);
    if (!strncmp(at, "cmd:", 4) && at[4])
        r = slirp_add_exec(u->slirp, at + 4, &in->sin_addr, ntohs(in->sin_port));
    else if (!strncmp(at, "unix:", 5) && at[5])
        r = slirp_add_unix(u->slirp, at + 5, &in->sin_addr, ntohs(in->sin_port));
    else
        return error_set(err,
                         "guestfwd=%s: not in this version: cmd:COMMAND or unix:PATH is "
                         "expected",
                         rule);
    return r >= 0 || error_set(err,
                               "guestfwd=%s: an address of this network is expected that is "
                               "no one else's",
                               rule);
}

static bool add_forwards(struct user *u, const struct option_list *l, struct error *err)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct option_pair *p = &l->pairs[i];
        const char *rule = p->value ? p->value : "";

        if (!strcmp(p->key, "hostfwd") && !user_hostfwd_add(&u->netdev, rule, err))
            return false;
        if (!strcmp(p->key, "guestfwd") && !add_guestfwd(u, rule, err))
            return false;
    }
    return true;
}

/* ---- options ---- */

static bool get_ipv4(const struct option_list *l, const char *key, struct in_addr *a,
                     struct error *err)
{
    const char *text = option_get(l, key);

    return !text || inet_pton(AF_INET, text, a) == 1 ||
           error_set(err, "%s=%s: an IPv4 address is expected", key, text);
}

static bool get_ipv6(const struct option_list *l, const char *key, struct in6_addr *a,
                     struct error *err)
{
    const char *text = option_get(l, key);

    return !text || inet_pton(AF_INET6, text, a) == 1 ||
           error_set(err, "%s=%s: an IPv6 address is expected", key, text);
}

/* ADDRESS[/BITS or /MASK] cut in two; 24 bits if it is not said. */
static bool get_net(const char *text, SlirpConfig *c, struct error *err)
{
    char address[INET_ADDRSTRLEN];
    size_t len = strcspn(text, "/");
    uint64_t bits = 24;
    uint32_t mask;

    snprintf(address, sizeof(address), "%.*s", (int)len, text);
    if (len >= sizeof(address) || inet_pton(AF_INET, address, &c->vnetwork) != 1)
        return error_set(err, "net=%s: ADDRESS/BITS is expected", text);
    if (text[len] && inet_pton(AF_INET, text + len + 1, &c->vnetmask) == 1) {
        mask = ntohl(c->vnetmask.s_addr);
        if (~mask & (~mask + 1))
            return error_set(err, "net=%s: a mask of ones before zeros is expected", text);
    } else if (text[len] && !number_parse(text + len + 1, 1, 29, &bits, err)) {
        return error_prefix(err, "net=%s", text);
    } else {
        mask = UINT32_MAX << (32 - bits);
        c->vnetmask.s_addr = htonl(mask);
    }
    if (mask > 0xfffffff8u || !mask)
        return error_set(err, "net=%s: room for 8 addresses at least is expected", text);
    c->vnetwork.s_addr &= c->vnetmask.s_addr;
    return true;
}

static bool get_net6(const char *text, SlirpConfig *c, struct error *err)
{
    char address[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "/");
    uint64_t bits = 64;

    snprintf(address, sizeof(address), "%.*s", (int)len, text);
    if (len >= sizeof(address) || inet_pton(AF_INET6, address, &c->vprefix_addr6) != 1)
        return error_set(err, "ipv6-net=%s: PREFIX/BITS is expected", text);
    if (text[len] && !number_parse(text + len + 1, 8, 126, &bits, err))
        return error_prefix(err, "ipv6-net=%s", text);
    c->vprefix_len = (uint8_t)bits;
    return true;
}

static struct in_addr address_in(const SlirpConfig *c, uint32_t host)
{
    return (struct in_addr){c->vnetwork.s_addr | (htonl(host) & ~c->vnetmask.s_addr)};
}

static struct in6_addr address6_in(const SlirpConfig *c, uint8_t host)
{
    struct in6_addr a = c->vprefix_addr6;

    a.s6_addr[15] |= host;
    return a;
}

static bool inside(const SlirpConfig *c, struct in_addr a, const char *key, struct error *err)
{
    char text[INET_ADDRSTRLEN];
    uint32_t host = a.s_addr & ~c->vnetmask.s_addr;

    if ((a.s_addr & c->vnetmask.s_addr) == c->vnetwork.s_addr && host &&
        host != ~c->vnetmask.s_addr)
        return true;
    return error_set(err, "%s=%s: it is not in the network", key,
                     inet_ntop(AF_INET, &a, text, sizeof(text)));
}

static bool get_addresses(SlirpConfig *c, const struct option_list *l, struct error *err)
{
    const char *net = option_get(l, "net"), *net6 = option_get(l, "ipv6-net");

    if (!get_net(net ? net : "10.0.2.0/24", c, err) || !get_net6(net6 ? net6 : "fec0::/64", c, err))
        return false;
    c->vhost = address_in(c, 2);
    c->vnameserver = address_in(c, 3);
    c->vdhcp_start = address_in(c, ntohl(~c->vnetmask.s_addr) > 15 ? 15 : 4);
    c->vhost6 = address6_in(c, 2);
    c->vnameserver6 = address6_in(c, 3);
    if (!get_ipv4(l, "host", &c->vhost, err) || !get_ipv4(l, "dns", &c->vnameserver, err) ||
        !get_ipv4(l, "dhcpstart", &c->vdhcp_start, err) ||
        !get_ipv6(l, "ipv6-host", &c->vhost6, err) ||
        !get_ipv6(l, "ipv6-dns", &c->vnameserver6, err) || !inside(c, c->vhost, "host", err) ||
        !inside(c, c->vnameserver, "dns", err) || !inside(c, c->vdhcp_start, "dhcpstart", err))
        return false;
    return c->vhost.s_addr != c->vnameserver.s_addr ||
           error_set(err, "host= and dns=: two addresses are expected");
}

/* With one protocol asked for and the other not spoken of, there is only the first. */
static bool get_protocols(SlirpConfig *c, const struct option_list *l, struct error *err)
{
    bool v4 = true, v6 = true;

    if (!option_get_bool(l, "ipv4", &v4, err) || !option_get_bool(l, "ipv6", &v6, err))
        return false;
    if (option_get(l, "ipv6") && v6 && !option_get(l, "ipv4"))
        v4 = false;
    if (option_get(l, "ipv4") && v4 && !option_get(l, "ipv6"))
        v6 = false;
    c->in_enabled = v4;
    c->in6_enabled = v6;
    return v4 || v6 || error_set(err, "ipv4=off,ipv6=off: nothing is left");
}

static bool get_texts(SlirpConfig *c, const struct option_list *l, struct error *err)
{
    c->vhostname = option_get(l, "hostname");
    c->tftp_path = option_get(l, "tftp");
    c->bootfile = option_get(l, "bootfile");
    c->tftp_server_name = option_get(l, "tftp-server-name");
    c->vdomainname = option_get(l, "domainname");
    if (c->vhostname && strlen(c->vhostname) > 32)
        return error_set(err, "hostname=%s: at most 32 letters are expected", c->vhostname);
    if (c->bootfile && strlen(c->bootfile) > 127)
        return error_set(err, "bootfile=%s: at most 127 letters are expected", c->bootfile);
    if (c->tftp_server_name && strlen(c->tftp_server_name) > 128)
        return error_set(err, "tftp-server-name=: at most 128 letters are expected");
    return (!c->vdomainname || strlen(c->vdomainname) <= 255) ||
           error_set(err, "domainname=: at most 255 letters are expected");
}

static void get_search_list(const char *list[DNSSEARCH_MAX + 1], const struct option_list *l)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n && n < DNSSEARCH_MAX; i++)
        if (!strcmp(l->pairs[i].key, "dnssearch"))
            list[n++] = l->pairs[i].value;
    list[n] = NULL;
}

static bool user_open(struct netdev *n, const struct option_list *l, struct error *err)
{
    struct user *u = user_of(n);
    const char *search[DNSSEARCH_MAX + 1];
    SlirpConfig c = {.version = 1};
    bool restricted = false;
    char net[INET_ADDRSTRLEN];

    n->end.ops = &end_ops;
    n->end.offloads = NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN;
    if (!get_protocols(&c, l, err) || !get_addresses(&c, l, err) || !get_texts(&c, l, err) ||
        !option_get_bool(l, "restrict", &restricted, err))
        return false;
    c.restricted = restricted;
    get_search_list(search, l);
    c.vdnssearch = search[0] ? search : NULL;
    u->slirp = slirp_new(&c, &callbacks, u);
    if (!u->slirp)
        return error_set(err, "libslirp refuses these settings");
    u->group.fn = waited;
    u->group.opaque = u;
    poller_add_group(n->set->poller, &u->group);
    snprintf(n->info, sizeof(n->info), "net=%s,restrict=%s",
             c.in_enabled ? inet_ntop(AF_INET, &c.vnetwork, net, sizeof(net)) : "IPv6",
             restricted ? "on" : "off");
    return add_forwards(u, l, err);
}

static void user_close(struct netdev *n)
{
    struct user *u = user_of(n);

    if (!u->slirp)
        return;
    poller_remove_group(n->set->poller, &u->group);
    slirp_cleanup(u->slirp);
    free(u->group.fds);
}

void user_print(struct netdev *n, net_line_fn *line, void *opaque)
{
    char *text = slirp_connection_info(user_of(n)->slirp), *next;
    char head[80];

    snprintf(head, sizeof(head), "%s:", n->id);
    line(opaque, head);
    for (char *at = text; at && *at; at = next) {
        next = at + strcspn(at, "\n");
        if (*next)
            *next++ = '\0';
        line(opaque, at);
    }
    free(text);
}

static const char *const keys[] = {
    "type",     "id",        "ipv4",     "ipv6",      "net",      "host",       "dhcpstart",
    "dns",      "hostname",  "restrict", "dnssearch", "tftp",     "bootfile",   "tftp-server-name",
    "ipv6-net", "ipv6-host", "ipv6-dns", "hostfwd",   "guestfwd", "domainname", NULL,
};

const struct netdev_kind netdev_user = {
    .name = "user",
    .help = "the host's network, without privileges: DHCP, DNS, hostfwd=tcp::PORT-:PORT, tftp=DIR",
    .keys = keys,
    .size = sizeof(struct user),
    .open = user_open,
    .close = user_close,
    .prepare = prepare,
};

#endif
