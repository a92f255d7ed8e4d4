/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_CHAR_BACKEND_INTERNAL_H
#define CALQUE_HOST_CHAR_BACKEND_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "host/char/backend.h"
#include "host/poll.h"

#define CHARDEV_RX_SIZE 4096

struct option_list;

/* Every back end is a pair of file descriptors (or none); what differs is how they come about.
 *
 * lock guards out_fd and its state, and what chardev_allow() touches. It is taken after the machine
 * lock (devices write under that), so nothing here takes the machine lock while holding it. */
struct chardev {
    struct chardevs *set;
    struct chardev *next;
    char *id;
    bool defined; /* by -chardev; then `id` may be looked up */
    bool taken;   /* something is connected */

    pthread_mutex_t lock;
    int out_fd;       /* -1: nothing takes output */
    bool is_socket;   /* write with MSG_NOSIGNAL */
    int patience_ms;  /* how long output may wait for the other side */
    bool stalled;     /* waited that long in vain: do not wait until it moves again */
    uint64_t dropped; /* bytes of output */
    uint8_t *queue;   /* what could not be written yet */
    size_t queue_len, queue_size, queue_limit; /* limit 0: nothing is kept */
    bool overrun;                              /* more than that: the client goes */
    void (*tap)(void *, const void *, size_t);
    void *tap_opaque;

    /* Input: rx holds what the device has no room for. One batch is under way at a time. */
    struct poll_watch in;
    bool takes_fds;
    int passed_fd; /* with takes_fds: came along, and nobody took it yet; -1: none */
    bool in_watched, interactive, lossy;
    uint8_t rx[CHARDEV_RX_SIZE];
    size_t rx_len, allowance;
    bool in_flight;
    struct machine *m;
    struct input_source *src;

    /* Shared terminal */
    bool mux, escape, monitor_focus;
    void (*monitor_input)(void *, const uint8_t *, size_t);
    void (*monitor_focus_fn)(void *, bool);
    void *monitor_opaque;
    struct chardev_prompt prompt; /* the debugger's */
    bool prompt_focus, prompt_interrupt;

    void (*on_open)(void *, bool);
    void *on_open_opaque;
    char *filename; /* where it leads, for people */

    /* Sockets */
    struct poll_watch listener;
    bool listening;
    char *unlink_path;
    bool telnet;
    uint8_t telnet_state; /* bytes of a command (RFC 854) still to come, and which */
    int keep_fd;          /* pty: our own end of the other side, so that it never hangs up */
};

struct chardevs {
    struct poller *poller;
    struct escape_actions escapes;
    struct chardev *list;
    struct chardev *stdio;
    bool keys_are_signals; /* on stdio's terminal */
};

/* chardev.c, for the openers */
void chardev_start_input(struct chardev *c, int fd);
void chardev_disconnected(struct chardev *c);
void chardev_emit(struct chardev *c, const char *text);

/* open.c: opens the back end that the settings describe. */
bool chardev_open_backend(struct chardev *c, const char *backend, const struct option_list *l,
                          struct error *err);
/* socket.c */
bool chardev_open_socket(struct chardev *c, const struct option_list *l, struct error *err);

#endif
