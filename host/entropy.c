/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/entropy.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "host/poll.h"
#include "vm/input.h"

struct entropy {
    struct poller *poller;
    struct poll_watch watch; /* of fd, while bytes are wanted */
    struct poll_group group; /* looks after each wait what is wanted now */
    int fd;
    char *path;
    struct machine *m;
    struct input_source *src;
    pthread_mutex_t lock;
    size_t wanted; /* lock */
    bool ended;    /* was told */
};

/* The file has no more, or cannot be read. */
static void end(struct entropy *e, const char *why)
{
    fprintf(stderr, "calque: rng-random: %s: %s: there is no more entropy\n", e->path, why);
    e->ended = true;
    e->watch.enabled = false;
}

static void readable(void *opaque, short revents)
{
    struct entropy *e = opaque;
    uint8_t bytes[ENTROPY_BATCH];
    size_t want;
    ssize_t n;

    (void)revents;
    pthread_mutex_lock(&e->lock);
    want = e->wanted < sizeof(bytes) ? e->wanted : sizeof(bytes);
    pthread_mutex_unlock(&e->lock);
    n = want ? read(e->fd, bytes, want) : 0;
    if (want && n == 0)
        end(e, "end of file");
    if (n < 0 && errno != EINTR && errno != EAGAIN)
        end(e, strerror(errno));
    if (n <= 0)
        return;
    pthread_mutex_lock(&e->lock);
    e->wanted -= (size_t)n < e->wanted ? (size_t)n : e->wanted;
    pthread_mutex_unlock(&e->lock);
    input_push(e->m, e->src, bytes, (size_t)n);
}

static void look(void *opaque)
{
    struct entropy *e = opaque;

    pthread_mutex_lock(&e->lock);
    e->watch.enabled = e->wanted && !e->ended;
    pthread_mutex_unlock(&e->lock);
}

/* A pipe or terminal that nobody writes to must not hold anyone up. */
static bool open_file(struct entropy *e, struct error *err)
{
    struct stat st;

    e->fd = open(e->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (e->fd < 0)
        return error_set(err, "%s: %s", e->path, strerror(errno));
    return (fstat(e->fd, &st) == 0 && !S_ISDIR(st.st_mode)) ||
           error_set(err, "%s: a file or device is expected", e->path);
}

struct entropy *entropy_open(struct poller *p, const char *path, struct error *err)
{
    struct entropy *e = calloc(1, sizeof(*e));

    if (!e) {
        error_set(err, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&e->lock, NULL);
    e->fd = -1;
    e->path = strdup(path);
    if (!e->path || !open_file(e, err) || !poller_add(p, &e->watch, e->fd, POLLIN, readable, e)) {
        if (err && !err->text[0])
            error_set(err, "out of memory");
        entropy_close(e);
        return NULL;
    }
    e->poller = p;
    e->watch.enabled = false;
    e->group = (struct poll_group){.fn = look, .opaque = e};
    poller_add_group(p, &e->group);
    return e;
}

void entropy_close(struct entropy *e)
{
    if (!e)
        return;
    if (e->poller) {
        poller_remove(e->poller, &e->watch);
        poller_remove_group(e->poller, &e->group);
    }
    if (e->fd >= 0)
        close(e->fd);
    pthread_mutex_destroy(&e->lock);
    free(e->path);
    free(e);
}

void entropy_connect(struct entropy *e, struct machine *m, struct input_source *src)
{
    e->m = m;
    e->src = src;
}

void entropy_want(struct entropy *e, size_t n)
{
    pthread_mutex_lock(&e->lock);
    e->wanted = n;
    pthread_mutex_unlock(&e->lock);
    if (n)
        poller_wake(e->poller);
}
