/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"

static void signal_ready(void *opaque, short revents)
{
    struct signals *s = opaque;
    struct signalfd_siginfo info;

    (void)revents;
    if (read(s->fd, &info, sizeof(info)) == sizeof(info))
        s->fn(s->opaque, info.ssi_signo == SIGHUP);
}

void signals_ignore(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

bool signals_init(struct signals *s, struct poller *p, void (*fn)(void *opaque, bool hangup),
                  void *opaque, struct error *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    s->fn = fn;
    s->opaque = opaque;
    s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->fd < 0)
        return error_set(err, "signalfd: %s", strerror(errno));
    return poller_add(p, &s->watch, s->fd, POLLIN, signal_ready, s) ||
           error_set(err, "out of memory");
}

void signals_destroy(struct signals *s)
{
    if (s->fn && s->fd >= 0)
        close(s->fd);
}
