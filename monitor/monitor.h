/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MONITOR_MONITOR_H
#define CALQUE_MONITOR_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

/* The human monitor: a line of text in, text out, on a character back end. It runs on the main
 * loop's thread and takes the machine lock around each command. */

struct machine;
struct chardev;
struct display;
struct error;
struct hid;
struct monitor;

typedef void monitor_line_fn(void *opaque, const char *text);

/* What the monitor cannot know: supplied by whoever built the machine. NULL: not available. */
struct monitor_hooks {
    void (*registers)(void *opaque, unsigned cpu, monitor_line_fn *line, void *line_opaque);
    void (*jit)(void *opaque, monitor_line_fn *line, void *line_opaque);
    void (*powerdown)(void *opaque);
    void (*quit)(void *opaque);
    void *opaque;
    struct display *display; /* what is on the screen */
    struct hid *hid;         /* keys and pointer */
    bool (*vnc_password)(void *opaque, const char *password, struct error *err);
};

struct monitor *monitor_new(struct machine *m, struct chardev *c, struct monitor_hooks hooks);
void monitor_free(struct monitor *mon); /* mon may be NULL */
/* Goes on with a command that waits for something. Main loop, before each wait; returns how many ns
 * that may last at most, -1 for any time. */
int64_t monitor_poll(struct monitor *mon);
/* Runs one command line; its output goes to the monitor's back end. */
void monitor_execute(struct monitor *mon, const char *text);

#endif
