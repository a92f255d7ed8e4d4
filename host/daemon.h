/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_DAEMON_H
#define CALQUE_HOST_DAEMON_H

#include <stdbool.h>

struct error;

/* -daemonize and -pidfile. Zero is a process that is neither. */
struct daemon {
    int ready_fd;  /* the child's end of the pipe on which the parent waits; 0: no parent waits */
    char *pidfile; /* absolute; removed at the end */
    int pidfile_fd;
};

/* Goes on in a child, in a session of its own; the parent waits for daemon_ready() and ends then,
 * with status 0, or with 1 when the child ends before. Before there are threads. */
bool daemon_begin(struct daemon *d, struct error *err);
/* Writes the process id to a file, which no other running process may have written. path NULL:
 * nothing happens. */
bool daemon_pidfile(struct daemon *d, const char *path, struct error *err);
/* Everything that could fail has been done: lets the parent end, and the terminal go. */
bool daemon_ready(struct daemon *d, struct error *err);
void daemon_end(struct daemon *d);

#endif
