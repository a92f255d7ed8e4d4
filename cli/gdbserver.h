/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_GDBSERVER_H
#define CALQUE_CLI_GDBSERVER_H

#include <stdbool.h>

struct chardev;
struct chardevs;
struct debugger;
struct error;
struct gdb;

/* The one place where gdb can connect: -gdb and -s, and the monitor's gdbserver, which moves it. */
struct gdbserver {
    struct chardevs *chardevs;
    struct chardev *chr; /* NULL: nowhere */
    struct gdb *gdb;     /* NULL: nobody listens there yet */
};

/* `where` as -gdb spells it. The debugger comes later: gdbserver_start(). */
bool gdbserver_open(struct gdbserver *g, struct chardevs *chardevs, const char *where,
                    struct error *err);
/* Listens, if there is a connection. Lock held. */
bool gdbserver_start(struct gdbserver *g, struct debugger *d, struct error *err);
/* From now on `where` is the place; on failure there is none. Lock held. */
bool gdbserver_move(struct gdbserver *g, struct chardevs *chardevs, struct debugger *d,
                    const char *where, struct error *err);
/* Whatever part of it is there. Lock held, if there is a machine. */
void gdbserver_close(struct gdbserver *g);

#endif
