/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_UI_H
#define CALQUE_HOST_UI_UI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct display;
struct error;
struct hid;
struct keymap;
struct ui;

/* The front ends of a machine: those that the command line names, each in a thread of its own. They
 * see the machine through its display and act on it through its hid; the rest they ask here. */

enum ui_kind {
    UI_DEFAULT, /* a window where there is a desktop, otherwise none */
    UI_NONE,
    UI_SDL,
    UI_CURSES,
};

/* An end of a connection. */
struct vnc_peer {
    char host[64], service[128]; /* a file's path is the service */
    const char *family;          /* "ipv4", "ipv6", "unix" */
    bool websocket;
};

/* QMP's VNC_CONNECTED, VNC_INITIALIZED (the viewer has been let in), VNC_DISCONNECTED. */
enum vnc_event { VNC_EVENT_CONNECTED, VNC_EVENT_INITIALIZED, VNC_EVENT_DISCONNECTED };

/* From any thread, no lock held. */
struct ui_hooks {
    void (*quit)(void *opaque);
    void (*powerdown)(void *opaque);
    /* What a title bar shows after the name: "paused, interp". */
    void (*status)(void *opaque, char *text, size_t size);
    void (*vnc_event)(void *opaque, enum vnc_event event, const struct vnc_peer *server,
                      const struct vnc_peer *viewer, bool password); /* may be NULL */
    void *opaque;
};

struct ui_config {
    enum ui_kind kind;
    const char *options; /* "key=value,..." of -display; NULL: none */
    const char *vnc;     /* -vnc; NULL: none */
    const char *keymap;  /* -k; NULL: en-us */
    bool full_screen;
    const char *name;    /* the machine's */
    const uint8_t *font; /* 256 characters of 16 bytes, for hints in full screen; NULL: no hints */
    struct ui_hooks hooks;
};

/* The kind that -display names, with the rest after its comma in *options ("vnc=:1" is UI_NONE with
 * *vnc). */
bool ui_parse(const char *value, enum ui_kind *kind, const char **options, const char **vnc,
              struct error *err);
void ui_print_help(void);
/* What UI_DEFAULT stands for here. */
enum ui_kind ui_default(void);

/* Opens sockets, reads options. display NULL: there is no screen, which some cannot do without. */
bool ui_open(const struct ui_config *config, struct display *display, struct hid *hid,
             struct ui **out, struct error *err);
bool ui_start(struct ui *ui, struct error *err);
void ui_close(struct ui *ui); /* ui may be NULL */
bool ui_set_vnc_password(struct ui *ui, const char *password, struct error *err);
/* See vnc_expire_password(). */
bool ui_expire_vnc_password(struct ui *ui, const char *when, struct error *err);
/* As QMP's query-vnc has it. ui may be NULL. */
#define VNC_MAX_VIEWERS 64
struct vnc_info {
    bool enabled;           /* or nothing of what follows: */
    struct vnc_peer server; /* the first socket */
    bool password;
    unsigned viewers;
    struct vnc_peer viewer[VNC_MAX_VIEWERS];
};
void ui_describe_vnc(const struct ui *ui, struct vnc_info *info);

#endif
