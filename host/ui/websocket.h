/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_WEBSOCKET_H
#define CALQUE_HOST_UI_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a viewer that speaks WebSocket (RFC 6455) sends is checked before libvncserver decodes it:
 * with a frame of an opcode it does not know, or a long control frame, the library never comes
 * back. Payloads are not looked at. */

/* Where in what a viewer sends. All zeros: at the beginning of its HTTP request. */
struct ws_stream {
    bool upgraded; /* behind the request */
    uint8_t last;  /* byte of the request */
    unsigned line; /* bytes of its line so far */
    char start[18];
    unsigned nhead; /* bytes of a frame's header so far */
    uint8_t head[14];
    uint64_t payload; /* bytes of its payload to come */
};

/* Takes the next n bytes. False: the connection is to fail (RFC 6455, 5.1, 5.2, 5.5, 7.1.7). */
bool ws_stream_take(struct ws_stream *s, const uint8_t *data, size_t n);

struct ws_guard;

/* Takes over a connected socket that does not block and where "GET " has come; carries everything
 * between it and *theirs, which is the library's, in a thread of its own. It ends when one of the
 * two hangs up or a frame is refused. NULL: that is so at once, or there is no room; the socket is
 * still the caller's. */
struct ws_guard *ws_guard_new(int fd, int *theirs);
/* It has come to its end: ws_guard_free() does not wait. */
bool ws_guard_ended(const struct ws_guard *g);
void ws_guard_free(struct ws_guard *g);

#endif
