/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_VNC_FRONT_H
#define CALQUE_HOST_UI_VNC_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/ui/ui.h"

/* What stands between VNC viewers and libvncserver, which serves all of them in one thread and
 * waits for the one that it is busy with: for the rest of a message, and until what it has to say
 * is taken. Here every viewer has a tunnel: what it sends is passed on a whole message at a time
 * (RFC 6143; of a WebSocket, RFC 6455, whole frames that end with a message), and what it is sent
 * is taken at once and kept until the viewer reads it. So whoever is slow, or stops half-way, keeps
 * nobody else waiting. */

struct front;
struct tunnel;

struct front_config {
    bool password; /* viewers have to know one */
    /* From the front's thread, but VNC_EVENT_INITIALIZED from that of tunnel_let_in(). */
    void (*event)(void *opaque, enum vnc_event event, const struct vnc_peer *server,
                  const struct vnc_peer *viewer);
    void *opaque;
};

/* NULL: out of memory or descriptors. */
struct front *front_new(const struct front_config *config);
/* Closes all connections. The library has let go of its ends. f may be NULL. */
void front_free(struct front *f);
/* A viewer's socket, which is the front's from now on. Closed if there are too many. */
void front_add(struct front *f, int fd);
/* Moves bytes, waiting that long for some; accepts viewers from the sockets. In one thread. */
void front_step(struct front *f, const int *listeners, unsigned n, int timeout_ms);
/* A front_step() that waits comes back. Any thread. */
void front_wake(struct front *f);
unsigned front_viewers(struct front *f);
/* Fills viewers and viewer[]. Any thread. */
void front_describe(struct front *f, struct vnc_info *info);

/* For the library's thread. A viewer that it should serve at *fd, which is its own from now on, up
 * to tunnel_gone(); NULL: there is no new one. */
struct tunnel *front_next(struct front *f, int *fd);
/* Waits for one, that long at most. */
void front_wait(struct front *f, long usec);
/* Bytes that the viewer has not taken yet. */
size_t tunnel_queued(const struct tunnel *t);
/* The library has let it in. */
void tunnel_let_in(struct tunnel *t);
/* The library has closed its end, or did not want it: t is no more. */
void tunnel_gone(struct tunnel *t);

/* Where a socket is bound to and what it is connected with. */
void describe_socket(int fd, struct vnc_peer *here, struct vnc_peer *there);

/* ---- what a viewer sends, cut into messages ---- */

enum rfb_stage { RFB_VERSION, RFB_SECURITY, RFB_RESPONSE, RFB_INIT, RFB_MESSAGES };

struct rfb_track {
    enum rfb_stage stage;
    bool password;    /* of the server */
    unsigned minor;   /* of the protocol's version 3 */
    uint8_t head[12]; /* of a message: */
    size_t have;      /* bytes of it so far */
    size_t length;    /* of all of it; 0: not known yet */
};

/* Follows n more bytes: up to which of them messages are complete. */
size_t rfb_track(struct rfb_track *t, const uint8_t *data, size_t n);
/* Between two messages. */
static inline bool rfb_is_whole(const struct rfb_track *t)
{
    return !t->have;
}

#endif
