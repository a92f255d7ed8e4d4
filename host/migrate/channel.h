/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_MIGRATE_CHANNEL_H
#define CALQUE_HOST_MIGRATE_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where a machine is sent to or comes from: file:PATH, tcp:HOST:PORT, unix:PATH, fd:N,
 * exec:COMMAND. Everything here waits for the host, but gives up when `cancelled` is set. */

struct error;

struct channel {
    int fd;              /* read or written; -1: none */
    bool two_way;        /* a socket: the other side answers */
    bool is_file;        /* a regular file */
    bool unreachable;    /* the network fails: nothing is known of the other side */
    bool nameless;       /* which has no name yet */
    pid_t child;         /* of exec:; 0: none */
    char *path, *target; /* file: being written, and its name in the end; unix: to be removed */
    atomic_bool *cancelled;
    uint64_t pos; /* bytes read or written */
};

/* Says whether a channel of this kind is known, without opening it. */
bool channel_check(const char *where, struct error *err);
/* Opens it for writing: connects, makes a file of another name, starts the command. */
bool channel_open(struct channel *c, const char *where, atomic_bool *cancelled, struct error *err);
/* Opens it for reading. Sockets: binds and listens, which fails at once if it cannot be; the one
 * who connects is waited for by channel_accept(). */
bool channel_listen(struct channel *c, const char *where, atomic_bool *cancelled,
                    struct error *err);
bool channel_accept(struct channel *c, struct error *err);
bool channel_write(struct channel *c, const void *data, size_t len, struct error *err);
/* Of a file, at any place. */
bool channel_write_at(struct channel *c, uint64_t at, const void *data, size_t len,
                      struct error *err);
bool channel_read(struct channel *c, void *data, size_t len, struct error *err);
/* What was written is there for good: a file gets its name, a command has to succeed. */
bool channel_finish(struct channel *c, struct error *err);
/* A file that was not finished goes. */
void channel_close(struct channel *c);

#endif
