/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_GDB_H
#define CALQUE_DEBUGGER_GDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A gdb server: the debugger's core spoken to in gdb's remote serial protocol (gdb manual,
 * appendix E). One client at a time, at any time; what it set goes with it. Main loop's thread. */

struct chardev;
struct debugger;
struct error;
struct gdb;

/* On a connection, which stays the caller's; c may be NULL: see gdb_on_output(). Lock held. */
struct gdb *gdb_new(struct debugger *d, struct chardev *c, struct error *err);
/* Lock held; g may be NULL. A client that waits is told that the machine has ended. */
void gdb_free(struct gdb *g);
/* A packet is being answered: this is no time for gdb_free(). */
bool gdb_is_busy(const struct gdb *g);
/* Main loop, after debugger_poll(): passes on what breakpoints printed, goes on with what takes
 * several runs. Takes the lock itself; g may be NULL. */
void gdb_poll(struct gdb *g);
/* Takes what the client sent. No lock. */
void gdb_feed(struct gdb *g, const void *bytes, size_t n);
/* A client comes or goes. No lock. */
void gdb_client(struct gdb *g, bool there);
/* What would go to the client goes to fn. */
void gdb_on_output(struct gdb *g, void (*fn)(void *opaque, const void *bytes, size_t n),
                   void *opaque);
/* -gdb's and gdbserver's value as host/char spells it: "tcp::1234" and "unix:PATH" are servers that
 * nobody waits for, unless it says more. To be freed; NULL: out of memory. */
char *gdb_connection(const char *value);

#endif
