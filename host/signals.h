/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_SIGNALS_H
#define CALQUE_HOST_SIGNALS_H

#include <stdbool.h>

#include "host/poll.h"

/* First of all: SIGPIPE, and SIGXFSZ of a file (memory is one, too) that may not get so large, are
 * the errors of what was called, not the end of the process. */
void signals_ignore(void);

/* SIGINT, SIGTERM and SIGHUP as events of the main loop. */
struct signals {
    struct poll_watch watch;
    int fd;
    void (*fn)(void *opaque, bool hangup);
    void *opaque;
};

/* Before threads are started: they inherit that the signals are blocked. */
bool signals_init(struct signals *s, struct poller *p, void (*fn)(void *opaque, bool hangup),
                  void *opaque, struct error *err);
void signals_destroy(struct signals *s); /* all zero: nothing to do */

#endif
