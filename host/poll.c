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

/* Room for one more watch; the wake-up fd has the place after the last. */
static bool grow(struct poller *p)
{
    size_t capacity = p->capacity ? 2 * p->capacity : 16;
    struct poll_watch **w = realloc(p->watches, capacity * sizeof(*w));

    if (w)
        p->watches = w;
    struct pollfd *f = realloc(p->fds, (capacity + 1) * sizeof(*f));
    if (f)
        p->fds = f;
    if (!w || !f)
        return false;
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

void poller_run(struct poller *p, int64_t timeout_ns)
{
    struct timespec ts = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    uint64_t count;

    close_holes(p);
    if (!p->fds && !grow(p))
        return;
    size_t n = p->n;
    for (size_t i = 0; i < n; i++) {
        const struct poll_watch *w = p->watches[i];

        p->fds[i] = (struct pollfd){.fd = w->enabled ? w->fd : -1, .events = w->events};
    }
    p->fds[n] = (struct pollfd){.fd = p->wake_fd, .events = POLLIN};
    if (ppoll(p->fds, n + 1, timeout_ns < 0 ? NULL : &ts, NULL) <= 0)
        return;
    if (p->fds[n].revents)
        (void)!read(p->wake_fd, &count, sizeof(count));
    for (size_t i = 0; i < n; i++) {
        struct poll_watch *w = p->watches[i];
        short revents = p->fds[i].revents; /* a callback may move p->fds by adding a watch */

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
