/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks: cables and their ends, the set of back ends, and what monitors ask of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/suggest.h"
#include "config.h"
#include "host/net/backend_internal.h"
#include "host/net/user.h"
#include "vm/machine.h"

/* ---- ends ---- */

struct passage {
    struct net_end *to;
    struct net_dump *dump;
};

static void pass(void *opaque, const struct net_header *h, uint8_t *frame, size_t len)
{
    struct passage *p = opaque;

    p->to->ops->receive(p->to, h, frame, len);
}

void net_end_send(struct net_end *from, const struct net_header *h, uint8_t *frame, size_t len)
{
    static const struct net_header plain;
    struct passage passage = {.to = from->peer};

    if (!from->peer || from->link_down || from->peer->link_down)
        return;
    net_dump_frame(from->dump, frame, len);
    net_dump_frame(from->peer->dump, frame, len);
    net_segment(h ? h : &plain, frame, len, from->peer->offloads, pass, &passage);
}

bool net_end_room(struct net_end *from)
{
    struct net_end *to = from->peer;

    if (!to || !to->ops->room || to->ops->room(to))
        return true;
    to->peer_waits = true;
    return false;
}

void net_end_ready(struct net_end *e)
{
    if (!e->peer_waits)
        return;
    e->peer_waits = false;
    if (e->peer && e->peer->ops->ready)
        e->peer->ops->ready(e->peer);
}

void net_end_join(struct net_end *a, struct net_end *b)
{
    a->peer = b;
    b->peer = a;
}

static void net_end_part(struct net_end *e)
{
    if (e->peer)
        e->peer->peer = NULL;
    e->peer = NULL;
}

/* ---- the set ---- */

static const struct netdev_kind *const kinds[] = {
#if CONFIG_SLIRP
    &netdev_user,
#endif
    &netdev_socket, &netdev_stream, &netdev_dgram, &netdev_tap, &netdev_hubport,
};

struct nets *nets_new(struct poller *p)
{
    struct nets *s = calloc(1, sizeof(*s));

    if (s)
        s->poller = p;
    return s;
}

static void netdev_free(struct netdev *n)
{
    if (n->kind->close)
        n->kind->close(n);
    net_end_part(&n->end);
    net_dump_free(n->end.dump);
    free(n->id);
    free(n);
}

void nets_free(struct nets *s)
{
    if (!s)
        return;
    for (struct net_link *l = s->links, *next; l; l = next) {
        next = l->next;
        net_end_part(&l->end);
        net_link_free(l);
    }
    for (struct netdev *n = s->list, *next; n; n = next) {
        next = n->next;
        netdev_free(n);
    }
    free(s);
}

static struct netdev *lookup(const struct nets *s, const char *id)
{
    for (struct netdev *n = s->list; n; n = n->next)
        if (!strcmp(n->id, id))
            return n;
    return NULL;
}

static const struct netdev_kind *find_kind(const char *name, struct error *err)
{
    struct suggestion near;

    suggest_begin(&near, name);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (!strcmp(kinds[i]->name, name))
            return kinds[i];
        suggest_offer(&near, kinds[i]->name);
    }
    if (!CONFIG_SLIRP && !strcmp(name, "user"))
        error_set(err, "user: not in this build (libslirp)");
    else
        error_set(err, "%s: no such network back end; did you mean %s?", name, near.best);
    return NULL;
}

static bool make(struct nets *s, const struct option_list *l, const char *id, struct netdev **out,
                 struct error *err)
{
    const char *name = option_get(l, "type");
    const struct netdev_kind *kind = find_kind(name ? name : "", err);
    struct netdev *n, **tail = &s->list;

    if (!kind || !option_list_check(l, kind->keys, err))
        return false;
    n = calloc(1, kind->size);
    if (!n || !(n->id = strdup(id))) {
        free(n);
        return error_set(err, "out of memory");
    }
    n->kind = kind;
    n->set = s;
    n->end.owner = n;
    if (!kind->open(n, l, err)) {
        netdev_free(n);
        return error_prefix(err, "%s", name);
    }
    while (*tail)
        tail = &(*tail)->next;
    *tail = n;
    *out = n;
    return true;
}

static bool check_id(const struct nets *s, const char *id, struct error *err)
{
    if (!id || !*id)
        return error_set(err, "id=ID is expected");
    return !lookup(s, id) || error_set(err, "id=%s: this id is taken", id);
}

/* "hostfwd.0.str", of a list in JSON, is another hostfwd. */
static void fold_lists(struct option_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        char *dot = strchr(l->pairs[i].key, '.');
        size_t digits = dot ? strspn(dot + 1, "0123456789") : 0;

        if (digits && !strcmp(dot + 1 + digits, ".str"))
            *dot = '\0';
    }
}

bool netdev_define(struct nets *s, const char *spec, struct error *err)
{
    struct option_list l;
    struct netdev *n;
    bool ok;

    if (!option_list_parse(&l, spec, "type", err))
        return false;
    fold_lists(&l);
    ok = check_id(s, option_get(&l, "id"), err) && make(s, &l, option_get(&l, "id"), &n, err);
    option_list_free(&l);
    return ok;
}

bool netdev_define_unnamed(struct nets *s, const char *spec, struct netdev **out, struct error *err)
{
    struct option_list l;
    char id[24];
    bool ok;

    if (!option_list_parse(&l, spec, "type", err))
        return false;
    do {
        snprintf(id, sizeof(id), "#net%u", s->made_up_ids++);
    } while (lookup(s, id));
    ok = (!option_get(&l, "id") || check_id(s, option_get(&l, "id"), err)) &&
         make(s, &l, option_get(&l, "id") ? option_get(&l, "id") : id, out, err);
    option_list_free(&l);
    return ok;
}

struct netdev *netdev_find(struct nets *s, const char *id, struct error *err)
{
    struct suggestion near;
    struct netdev *n = lookup(s, id);

    if (n)
        return n;
    suggest_begin(&near, id);
    for (n = s->list; n; n = n->next)
        suggest_offer(&near, n->id);
    if (near.best)
        error_set(err, "%s: no -netdev has this id; did you mean %s?", id, near.best);
    else
        error_set(err, "%s: there is no -netdev", id);
    return NULL;
}

const char *netdev_id(const struct netdev *n)
{
    return n->id;
}

bool netdev_take(struct netdev *n, struct error *err)
{
    if (n->taken || n->end.peer)
        return error_set(err, "netdev=%s: something is joined to it already", n->id);
    return n->taken = true;
}

bool netdev_delete(struct nets *s, const char *id, struct error *err)
{
    struct netdev *n = netdev_find(s, id, err);

    if (!n)
        return false;
    if (n->taken || n->end.peer)
        return error_set(err, "%s: a network card is joined to it, and it stays", id);
    for (struct netdev **at = &s->list; *at; at = &(*at)->next) {
        if (*at == n) {
            *at = n->next;
            break;
        }
    }
    netdev_free(n);
    return true;
}

void netdev_print_help(void)
{
    puts("-netdev TYPE,id=ID,...:");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        printf("  %-8s %s\n", kinds[i]->name, kinds[i]->help);
    puts("-nic TYPE,model=MODEL,mac=ADDRESS,... is a -netdev and a -device in one.");
}

bool nets_add_dump(struct nets *s, const char *netdev, const char *file, uint64_t maxlen,
                   struct error *err)
{
    struct netdev *n = netdev_find(s, netdev, err);

    return n && net_dump_open(s, n, file, maxlen, err);
}

void nets_start(struct nets *s, struct machine *m)
{
    s->m = m;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

int64_t nets_prepare(struct nets *s)
{
    int64_t wait;

    if (!s->m)
        return -1;
    wait = nets_prepare_announcements(s);
    for (struct net_link *l = s->links; l; l = l->next)
        if (net_link_prepare(l))
            wait = 0;
    for (struct netdev *n = s->list; n; n = n->next)
        if (n->kind->prepare)
            wait = sooner(wait, n->kind->prepare(n));
    /* What came out of that goes to the guest before the wait. */
    for (struct net_link *l = s->links; l; l = l->next)
        if (net_link_prepare(l))
            wait = 0;
    return wait;
}

/* ---- what monitors ask ---- */

static bool set_end(struct nets *s, const char *name, bool down)
{
    struct netdev *n = lookup(s, name);

    if (n)
        n->end.link_down = down;
    for (struct net_link *l = s->links; l; l = l->next) {
        if (strcmp(l->id, name) != 0)
            continue;
        l->end.link_down = down;
        return true;
    }
    return n;
}

bool nets_set_link(struct nets *s, const char *name, bool up, struct error *err)
{
    struct suggestion near;

    if (set_end(s, name, !up)) {
        for (struct net_link *l = s->links; l; l = l->next)
            net_link_changed(l);
        return true;
    }
    suggest_begin(&near, name);
    for (struct netdev *n = s->list; n; n = n->next)
        suggest_offer(&near, n->id);
    for (struct net_link *l = s->links; l; l = l->next)
        suggest_offer(&near, l->id);
    return near.best ? error_set(err,
                                 "%s: no network card or back end has this name; did you "
                                 "mean %s?",
                                 name, near.best)
                     : error_set(err, "%s: there is no network", name);
}

static void print_netdev(const struct netdev *n, const char *indent, net_line_fn *line,
                         void *opaque)
{
    char text[400];

    snprintf(text, sizeof(text), "%s%s: type=%s%s%s%s", indent, n->id, n->kind->name,
             *n->info ? "," : "", n->info, n->end.link_down ? ",link=down" : "");
    line(opaque, text);
}

static void print_link(struct net_link *l, net_line_fn *line, void *opaque)
{
    const struct net_statistics *t = &l->port->statistics;
    char text[300];
    uint8_t mac[NET_MAC_SIZE];

    net_link_get_mac(l, mac);
    snprintf(text, sizeof(text),
             "%s: type=nic,model=%s,macaddr=%02x:%02x:%02x:%02x:%02x:%02x,link=%s", l->id, l->model,
             mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], l->told_up ? "up" : "down");
    line(opaque, text);
    snprintf(text, sizeof(text),
             "    sent %llu frames, %llu bytes; received %llu frames, %llu bytes",
             (unsigned long long)t->tx_frames, (unsigned long long)t->tx_bytes,
             (unsigned long long)t->rx_frames, (unsigned long long)t->rx_bytes);
    line(opaque, text);
}

void nets_print(struct nets *s, net_line_fn *line, void *opaque)
{
    for (struct net_link *l = s->links; l; l = l->next) {
        print_link(l, line, opaque);
        if (l->end.peer)
            print_netdev(l->end.peer->owner, " \\ ", line, opaque);
    }
    for (const struct netdev *n = s->list; n; n = n->next)
        if (!n->taken)
            print_netdev(n, "", line, opaque);
}

bool nets_rx_filter(struct nets *s, const char *name,
                    void (*fn)(void *opaque, const char *nic, const struct net_rx_filter *f),
                    void *opaque, struct error *err)
{
    struct net_rx_filter *f = malloc(sizeof(*f));
    bool any = false;

    if (!f)
        return error_set(err, "out of memory");
    for (struct net_link *l = s->links; l; l = l->next) {
        if ((name && strcmp(l->id, name) != 0) || !net_link_rx_filter(l, f))
            continue;
        fn(opaque, l->id, f);
        any = true;
    }
    free(f);
    return any || !name ||
           error_set(err, "%s: no network card of this name tells its filter", name);
}

/* ---- port forwards ---- */

#if CONFIG_SLIRP
static struct netdev *find_user(struct nets *s, const char *id, struct error *err)
{
    struct netdev *found = NULL;

    if (id) {
        found = netdev_find(s, id, err);
        if (found && found->kind != &netdev_user) {
            error_set(err, "%s: it is not a user network", id);
            return NULL;
        }
        return found;
    }
    for (struct netdev *n = s->list; n; n = n->next) {
        if (n->kind != &netdev_user)
            continue;
        if (found) {
            error_set(err, "there is more than one user network: the first word says which");
            return NULL;
        }
        found = n;
    }
    if (!found)
        error_set(err, "there is no user network");
    return found;
}

bool nets_hostfwd_add(struct nets *s, const char *netdev, const char *rule, struct error *err)
{
    struct netdev *n = find_user(s, netdev, err);

    return n && user_hostfwd_add(n, rule, err);
}

bool nets_hostfwd_remove(struct nets *s, const char *netdev, const char *rule, struct error *err)
{
    struct netdev *n = find_user(s, netdev, err);

    return n && user_hostfwd_remove(n, rule, err);
}

void nets_print_user(struct nets *s, net_line_fn *line, void *opaque)
{
    for (struct netdev *n = s->list; n; n = n->next)
        if (n->kind == &netdev_user)
            user_print(n, line, opaque);
}
#else
static bool no_user(struct error *err)
{
    return error_set(err, "user networks are not in this build (libslirp)");
}

bool nets_hostfwd_add(struct nets *s, const char *netdev, const char *rule, struct error *err)
{
    (void)s, (void)netdev, (void)rule;
    return no_user(err);
}

bool nets_hostfwd_remove(struct nets *s, const char *netdev, const char *rule, struct error *err)
{
    (void)s, (void)netdev, (void)rule;
    return no_user(err);
}

void nets_print_user(struct nets *s, net_line_fn *line, void *opaque)
{
    (void)s, (void)line, (void)opaque;
}
#endif
