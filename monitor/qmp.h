/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MONITOR_QMP_H
#define CALQUE_MONITOR_QMP_H

#include <stdbool.h>
#include <stddef.h>

#include "monitor/monitor.h"

/* QMP: requests and answers in JSON, one to a line, as QEMU's public schema has them
 * (docs/interop/qmp-spec, qapi/). A session is one character back end; several may be open. In a
 * build without jansson there is none. */

struct qmp;

/* False in a build without it. */
bool qmp_available(void);
/* pretty: answers are indented. NULL: out of memory, or not available. c may be NULL: answers are
 * lost (tests). */
struct qmp *qmp_new(struct control *ctl, struct chardev *c, bool pretty);
void qmp_free(struct qmp *q); /* q may be NULL */
/* Takes received bytes, which may be any piece of the stream. No lock held. */
void qmp_feed(struct qmp *q, const void *data, size_t len);
/* Instead of to the back end, answers and events go to fn, one line each, without its end. */
void qmp_on_output(struct qmp *q, void (*fn)(void *opaque, const char *line), void *opaque);

/* Sends an event to all sessions that have negotiated; `data` is a format of json_pack() for its
 * data, NULL for none. Any thread, machine lock held. */
void qmp_event(struct control *ctl, const char *name, const char *data, ...);

#endif
