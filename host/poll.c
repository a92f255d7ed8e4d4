/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/poll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

bool poller_init(struct poller *p, struct error *err)
{
    memset(p, 0, sizeof(*p));
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return p->wake_fd >= 0 || error_set(err, "eventfd: %s", strerror(errno));
}

void poller_destroy(struct poller *p)
{
    close(p->wake_fd);
    free(p->watches);
    free(p->fds);
}

static bool grow(struct poller *p)
{
    size_t capacity = p->capacity ? 2 * p->capacity : 16;
    struct poll_watch **w = realloc(p->watches, capacity * sizeof(*w));

    if (!w)
        return false;
    p->watches = w;
    p->capacity = capacity;
    return true;
}

bool poller_add(struct poller *p, struct poll_watch *w, int fd, short events, poll_fn *fn,
                void *opaque)
{
    if (p->n == p->capacity && !grow(p))
        return false;
    *w = (struct poll_watch){
        .fd = fd, .events = events, .enabled = true, .fn = fn, .opaque = opaque};
    p->watches[p->n++] = w;
    return true;
}

/* Leaves a hole, so that a pass over the watches in progress stays in step; poller_run() closes it.
 */
void poller_remove(struct poller *p, struct poll_watch *w)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->watches[i] == w)
            p->watches[i] = NULL;
}

static void close_holes(struct poller *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        if (p->watches[i])
            p->watches[n++] = p->watches[i];
    p->n = n;
}

void poller_add_group(struct poller *p, struct poll_group *g)
{
    g->next = p->groups;
    p->groups = g;
}

void poller_remove_group(struct poller *p, struct poll_group *g)
{
    for (struct poll_group **at = &p->groups; *at; at = &(*at)->next) {
        if (*at == g) {
            *at = g->next;
            return;
        }
    }
}

/* The watches, then the wake-up fd, then the groups. Returns how many; 0: no memory. */
static size_t collect(struct poller *p)
{
    size_t n = p->n + 1;

    for (const struct poll_group *g = p->groups; g; g = g->next)
        n += g->n;
    if (n > p->nfds) {
        struct pollfd *f = realloc(p->fds, 2 * n * sizeof(*f));

        if (!f)
            return 0;
        p->fds = f;
        p->nfds = 2 * n;
    }
    for (size_t i = 0; i < p->n; i++) {
        const struct poll_watch *w = p->watches[i];

        p->fds[i] = (struct pollfd){.fd = w->enabled ? w->fd : -1, .events = w->events};
    }
    p->fds[p->n] = (struct pollfd){.fd = p->wake_fd, .events = POLLIN};
    n = p->n + 1;
    for (const struct poll_group *g = p->groups; g; n += g->n, g = g->next)
        if (g->n)
            memcpy(p->fds + n, g->fds, g->n * sizeof(*g->fds));
    return n;
}

/* What the wait has brought, to the groups. p->fds is as collect() left it. */
static void tell_groups(struct poller *p, bool any)
{
    size_t n = p->n + 1;

    for (struct poll_group *g = p->groups; g; n += g->n, g = g->next)
        for (size_t i = 0; i < g->n; i++)
            g->fds[i].revents = any ? p->fds[n + i].revents : 0;
    for (struct poll_group *g = p->groups, *next; g; g = next) {
        next = g->next;
        g->fn(g->opaque);
    }
}

void poller_run(struct poller *p, int64_t timeout_ns)
{
    struct timespec ts = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    size_t n, all;
    uint64_t count;
    bool any;

    close_holes(p);
    all = collect(p);
    if (!all)
        return;
    n = p->n;
    any = ppoll(p->fds, all, timeout_ns < 0 ? NULL : &ts, NULL) > 0;
    if (any && p->fds[n].revents)
        (void)!read(p->wake_fd, &count, sizeof(count));
    tell_groups(p, any);
    for (size_t i = 0; any && i < n; i++) {
        struct poll_watch *w = p->watches[i];
        short revents = p->fds[i].revents;

        if (w && w->enabled && revents)
            w->fn(w->opaque, revents);
    }
}

void poller_wake(struct poller *p)
{
    uint64_t one = 1;
    int saved = errno;

    (void)!write(p->wake_fd, &one, sizeof(one));
    errno = saved;
}
