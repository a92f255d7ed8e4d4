/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_COMMANDS_H
#define CALQUE_DEBUGGER_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "debugger/debugger.h"
#include "monitor/monitor.h"

/* The debugger's commands: rows that every monitor has from now on, the prompt and gdb's `monitor`
 * too. They know no terminal. */

struct commands;

/* Breakpoints were added at addresses that a kernel may move; c may be NULL. */
void commands_look(struct commands *c);
struct commands *commands_new(struct debugger *d, struct error *err);
void commands_free(struct commands *c); /* c may be NULL */

/* From now on it is kept what a report of a triple fault shows of the past. */
void commands_keep_history(struct commands *c);

/* What commands cannot do on their own: whoever has a list of lines to work off (the prompt) says
 * so. `later`: runs these lines, separated by newlines, before any others that wait; returns false
 * if there are too many. NULL: there is nobody. A line that begins with QUIETLY is nothing that a
 * person has written: it is not shown. */
#define QUIETLY "\001"
struct commands_host {
    bool (*later)(void *opaque, const char *lines);
    void *opaque;
};
void commands_set_host(struct commands *c, const struct commands_host *host);

/* The lines that a stop is told by: why, where, the next instruction. NULL: where CPU 0 is. Lock
 * held. */
void commands_describe_stop(struct commands *c, const struct debug_stop *stop,
                            monitor_line_fn *line, void *opaque);

/* Lines of a `commands N` without commands go here, until "end". False: none is being typed. */
bool commands_collect(struct commands *c, const char *line);
/* A stop that people need not see: the way to a time breakpoint goes on. */
bool commands_hide_stop(struct commands *c, const struct debug_stop *stop);
/* The commands of the breakpoint that a stop came from are run next; a watchpoint that only is to
 * be told lets the guest go on. */
void commands_after_stop(struct commands *c, const struct debug_stop *stop);

/* Words that may follow in a line whose last word begins at `word`: commands, what info and catch
 * take, registers, symbols. fn returns false when it has enough. */
void commands_complete(struct commands *c, const char *line, size_t word,
                       bool (*fn)(void *opaque, const char *candidate), void *opaque);
/* The line that an empty one after it repeats ("x/4xw" goes on without an address): in `again`, or
 * false if it is not one of those. */
bool commands_repeat(const char *line, char *again, size_t size);

#endif
