/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_VNC_H
#define CALQUE_HOST_UI_VNC_H

#include <stdbool.h>

struct display;
struct error;
struct hid;
struct keymap;
struct vnc;

/* A VNC server (RFC 6143) in a thread of its own. */

struct vnc_config {
    const char *spec; /* ":1", "host:1", "unix:PATH", "none", with ",key=value..." */
    const char *name; /* of the desktop */
    struct display *display;
    struct hid *hid;
    const struct keymap *keymap;
};

/* Listens; nobody is answered before vnc_start(). *out is NULL for "none". */
bool vnc_open(const struct vnc_config *config, struct vnc **out, struct error *err);
bool vnc_start(struct vnc *v, struct error *err);
void vnc_close(struct vnc *v); /* v may be NULL */
/* With password=on: nobody can connect while there is none (NULL). Any thread. False: the server
 * was opened without, or memory is short. */
bool vnc_set_password(struct vnc *v, const char *password, struct error *err);
void vnc_print_help(void);

#endif
