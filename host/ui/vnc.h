/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_VNC_H
#define CALQUE_HOST_UI_VNC_H

#include <stdbool.h>

struct display;
struct error;
struct hid;
struct keymap;
struct vnc;
struct vnc_info;
struct ui_hooks;

/* A VNC server (RFC 6143) in threads of its own. */

struct vnc_config {
    const char *spec; /* ":1", "host:1", "unix:PATH", "none", with ",key=value..." */
    const char *name; /* of the desktop */
    struct display *display;
    struct hid *hid;
    const struct keymap *keymap;
    const struct ui_hooks *hooks; /* may be NULL; else it stays */
};

/* Listens; nobody is answered before vnc_start(). *out is NULL for "none". */
bool vnc_open(const struct vnc_config *config, struct vnc **out, struct error *err);
bool vnc_start(struct vnc *v, struct error *err);
/* What its threads do all the time: a viewer at a connected socket, which is closed in the end; and
 * one round of looking at the screen and at all viewers, which waits that long for them. For
 * servers that were not started (tests). */
void vnc_add_viewer(struct vnc *v, int fd);
void vnc_step(struct vnc *v, long usec);
/* How many are connected. Any thread. */
unsigned vnc_viewers(const struct vnc *v);
/* The sockets that it listens at, from 0 on; -1: there are no more. */
int vnc_listener(const struct vnc *v, unsigned n);
void vnc_close(struct vnc *v); /* v may be NULL */
/* With password=on: nobody can connect while there is none (NULL). Any thread. False: the server
 * was opened without, or memory is short. */
bool vnc_set_password(struct vnc *v, const char *password, struct error *err);
/* From when on that password is none any more: "now", "never", "+SECONDS", or SECONDS since 1970.
 * Any thread. */
bool vnc_expire_password(struct vnc *v, const char *when, struct error *err);
void vnc_describe(struct vnc *v, struct vnc_info *info);
void vnc_print_help(void);

#endif
