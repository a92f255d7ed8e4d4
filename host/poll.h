/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_POLL_H
#define CALQUE_HOST_POLL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* The main loop's file descriptors. Watches belong to whoever embeds them and are only touched by
 * the main loop's thread; poller_wake() is for any thread. */

struct poll_watch;
typedef void poll_fn(void *opaque, short revents);

struct poll_watch {
    int fd;
    short events; /* may be changed at any time; 0: only errors and hang-ups are reported */
    bool enabled; /* false: not looked at, not even for hang-ups */
    poll_fn *fn;
    void *opaque;
};

/* Descriptors that a library keeps: filled in anew before each wait. */
struct poll_group {
    struct pollfd *fds; /* the owner's; revents are set before fn is called */
    size_t n;
    void (*fn)(void *opaque); /* after each wait, whether or not one of them is ready */
    void *opaque;
    struct poll_group *next;
};

struct poller {
    struct poll_watch **watches;
    struct poll_group *groups;
    struct pollfd *fds;
    size_t n, capacity, nfds; /* nfds: room in fds */
    int wake_fd;              /* eventfd */
};

bool poller_init(struct poller *p, struct error *err);
void poller_destroy(struct poller *p);
/* Adds an enabled watch. False when memory is short. */
bool poller_add(struct poller *p, struct poll_watch *w, int fd, short events, poll_fn *fn,
                void *opaque);
/* The fd stays open. Allowed inside callbacks, for any watch. */
void poller_remove(struct poller *p, struct poll_watch *w);
/* The group's members but `next` are set. Not inside its own callback. */
void poller_add_group(struct poller *p, struct poll_group *g);
void poller_remove_group(struct poller *p, struct poll_group *g);
/* Waits at most timeout_ns (-1: for ever), then calls the watches that are ready. */
void poller_run(struct poller *p, int64_t timeout_ns);
/* Ends the current or the next wait. Any thread; async-signal-safe. */
void poller_wake(struct poller *p);

#endif
