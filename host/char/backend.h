/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_CHAR_BACKEND_H
#define CALQUE_HOST_CHAR_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/char/chardev.h"

/* The host's side of character back ends: who opens them, watches them and shares the terminal. All
 * of this belongs to the main loop's thread. */

struct error;
struct poller;
struct chardevs;

/* What the escape keys of a shared terminal do. */
struct escape_actions {
    void (*quit)(void *opaque); /* Ctrl-A x */
    void *opaque;
};

struct chardevs *chardevs_new(struct poller *p, struct escape_actions escapes);
/* From here on the terminal, if it is used, is in raw mode. Before, keys still make signals:
 * opening may have to wait for somebody, and that can be given up. */
void chardevs_start(struct chardevs *s);
/* Closes everything; sockets leave no file behind. s may be NULL. */
void chardevs_free(struct chardevs *s);

/* "stdio", "mon:stdio", "file:PATH", "pty", "unix:PATH,server,nowait", "tcp:HOST:PORT,server",
 * "null", "none" or "chardev:ID". *out is NULL for none. `label` names it in messages; *monitor is
 * set when the spec asks for a monitor on the same terminal (mon:). monitor may be NULL: refused.
 */
bool chardev_open(struct chardevs *s, const char *spec, const char *label, struct chardev **out,
                  bool *monitor, struct error *err);
/* Closes it and forgets it; c may be NULL. Nothing is connected to it any more. */
void chardev_remove(struct chardevs *s, struct chardev *c);
/* -chardev BACKEND,id=ID,key=value,... */
bool chardev_define(struct chardevs *s, const char *spec, struct error *err);
/* The -chardev of that id; NULL with the nearest id named. */
struct chardev *chardev_find(struct chardevs *s, const char *id, struct error *err);
/* Prints the back ends and how to write them: `-chardev help`. */
void chardev_print_help(void);

/* Passes received bytes on to devices that have room again. Call before each wait; returns how many
 * ns that may last at most, -1 for any time. */
int64_t chardevs_prepare(struct chardevs *s);

/* Sees all output, in the writer's thread; before it is written. One tap per back end. */
void chardev_tap(struct chardev *c, void (*fn)(void *, const void *, size_t), void *opaque);

/* Input for a monitor. On a shared terminal (mux) only while it has the focus, which Ctrl-A c
 * moves; `focus` (may be NULL) tells it so. */
void chardev_attach_monitor(struct chardev *c, void (*input)(void *, const uint8_t *, size_t),
                            void (*focus)(void *, bool), void *opaque);
/* The same for the debugger's prompt: Ctrl-A d moves the focus to it and back. `ended`: there is no
 * more input. With input NULL it lets go. */
struct chardev_prompt {
    void (*input)(void *opaque, uint8_t byte);
    void (*focus)(void *opaque, bool focus); /* Ctrl-A d was typed */
    void (*ended)(void *opaque);
    void *opaque;
};
void chardev_attach_prompt(struct chardev *c, const struct chardev_prompt *prompt);
/* Who hears what is typed now. interrupt: a Ctrl-C for the guest goes to the prompt, too (Ctrl-A
 * Ctrl-C is the guest's). */
void chardev_prompt_focus(struct chardev *c, bool focus, bool interrupt);
/* The back end on this process's standard input and output; NULL: there is none. */
struct chardev *chardev_stdio(struct chardevs *s);
/* Ctrl-A works there from now on, as with mux=on. */
void chardev_share(struct chardev *c);
/* A device is connected to it. */
bool chardev_has_device(const struct chardev *c);
/* A monitor listens there. */
bool chardev_has_monitor(const struct chardev *c);
/* Descriptors that come along with the bytes of a unix socket are kept, the last one, until the
 * next one or the client goes. */
void chardev_accept_fds(struct chardev *c);
/* It is the caller's then; -1: there is none. */
int chardev_take_fd(struct chardev *c);
/* Told when a client comes and goes, on the main loop's thread; once at once if it is there already
 * (a terminal always is). */
void chardev_on_open(struct chardev *c, void (*fn)(void *opaque, bool open), void *opaque);
/* From here on output that cannot be written at once is kept, up to `limit` bytes; a client that
 * lets more pile up is disconnected. Of sockets; other back ends are unchanged. */
void chardev_keep_output(struct chardev *c, size_t limit);
/* Calls with each back end: its id or label, where it leads ("unix:/tmp/m,server=on"), and whether
 * something is connected to it on our side. */
void chardevs_each(struct chardevs *s,
                   void (*fn)(void *opaque, const char *label, const char *filename, bool taken),
                   void *opaque);
/* True if a device and a monitor share it, and Ctrl-A. */
bool chardev_shared(const struct chardev *c);
/* True if a person types there: echo and a prompt make sense. */
bool chardev_interactive(const struct chardev *c);

#endif
