/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/ui/websocket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define STUCK_MS     3000 /* a viewer has so long to take what is left for it */
#define SEND_BUFFER  65536
#define FLOW_BYTES   16384
#define LEN_CONTROL  125
#define LEN_16       126
#define LEN_64       127
#define OPCODE_CLOSE 8

/* ---- the check ---- */

/* The request ends with an empty line; the library takes "\n" alone for no line. It would read
 * eight bytes behind a request with the keys of a draft before RFC 6455. */
static bool take_request(struct ws_stream *s, uint8_t c)
{
    static const char *const draft[] = {"sec-websocket-key1", "sec-websocket-key2"};

    if (s->line < sizeof(s->start))
        s->start[s->line] = (char)c;
    s->line++;
    if (c == '\n' && s->line >= 2) {
        s->upgraded = s->line == 2 && s->last == '\r';
        for (unsigned n = 0; n < 2; n++)
            if (s->line > sizeof(s->start) && !strncasecmp(s->start, draft[n], sizeof(s->start)))
                return false;
        s->line = 0;
    }
    s->last = c;
    return true;
}

/* Of the first two bytes. */
static bool frame_is_known(const uint8_t *head)
{
    unsigned opcode = head[0] & 0x0f, length = head[1] & 0x7f;
    bool reserved = head[0] & 0x70, last = head[0] & 0x80, masked = head[1] & 0x80;

    if (reserved || !masked)
        return false;
    if (opcode < OPCODE_CLOSE)
        return opcode <= 2; /* continuation, text, binary */
    return opcode <= 10 && last && length <= LEN_CONTROL;
}

static bool take_header(struct ws_stream *s, uint8_t c)
{
    unsigned length, extended;

    s->head[s->nhead++] = c;
    if (s->nhead < 2)
        return true;
    if (!frame_is_known(s->head))
        return false;
    length = s->head[1] & 0x7f;
    extended = length == LEN_64 ? 8 : length == LEN_16 ? 2 : 0;
    if (s->nhead < 2 + extended + 4)
        return true;
    s->payload = extended ? 0 : length;
    for (unsigned n = 0; n < extended; n++)
        s->payload = s->payload << 8 | s->head[2 + n];
    s->nhead = 0;
    return !(s->payload >> 63);
}

bool ws_stream_take(struct ws_stream *s, const uint8_t *data, size_t n)
{
    while (n) {
        size_t step = s->payload < n ? (size_t)s->payload : n;

        if (!step) {
            if (!(s->upgraded ? take_header(s, *data) : take_request(s, *data)))
                return false;
            step = 1;
        } else {
            s->payload -= step;
        }
        data += step;
        n -= step;
    }
    return true;
}

/* ---- the thread ---- */

struct flow {
    int from, to;
    size_t have, sent;
    bool ended; /* nothing more comes */
    uint8_t data[FLOW_BYTES];
};

struct ws_guard {
    struct flow in, out; /* of the viewer, of the library */
    struct ws_stream stream;
    pthread_t thread;
    atomic_bool ended;
};

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* False: nothing goes that way any more. */
static bool fill(struct flow *f, struct ws_stream *check)
{
    ssize_t n;

    if (f->ended || f->sent < f->have)
        return true;
    n = recv(f->from, f->data, sizeof(f->data), 0);
    if (n < 0)
        return would_block();
    if (n == 0) {
        f->ended = true;
        shutdown(f->to, SHUT_WR);
        return true;
    }
    f->sent = 0;
    f->have = (size_t)n;
    return !check || ws_stream_take(check, f->data, f->have);
}

static bool empty(struct flow *f)
{
    ssize_t n;

    if (f->sent == f->have)
        return true;
    n = send(f->to, f->data + f->sent, f->have - f->sent, MSG_NOSIGNAL);
    if (n < 0)
        return would_block();
    f->sent += (size_t)n;
    return true;
}

static short events(const struct flow *from, const struct flow *to)
{
    return (short)((from->sent == from->have && !from->ended ? POLLIN : 0) |
                   (to->sent < to->have ? POLLOUT : 0));
}

/* False: the library has hung up, and the viewer does not take the rest. */
static bool wait_for_both(struct ws_guard *g)
{
    short viewer = events(&g->in, &g->out), library = events(&g->out, &g->in);
    /* Who is not asked for anything is not told of: a hang-up would be, again and again. */
    struct pollfd p[2] = {{viewer ? g->in.from : -1, viewer, 0},
                          {library ? g->out.from : -1, library, 0}};
    struct pollfd gone = {g->out.from, 0, 0};

    if (poll(p, 2, g->out.sent < g->out.have ? STUCK_MS : -1))
        return true;
    return poll(&gone, 1, 0) <= 0 || !(gone.revents & (POLLHUP | POLLERR));
}

static void *carry(void *opaque)
{
    struct ws_guard *g = opaque;

    while (!g->out.ended && wait_for_both(g) && fill(&g->in, &g->stream) && empty(&g->in) &&
           fill(&g->out, NULL) && empty(&g->out))
        ;
    shutdown(g->in.from, SHUT_RDWR);
    shutdown(g->out.from, SHUT_RDWR);
    atomic_store(&g->ended, true);
    return NULL;
}

/* ---- life ---- */

struct ws_guard *ws_guard_new(int fd, int *theirs)
{
    struct ws_guard *g = calloc(1, sizeof(*g));
    int pair[2], on = 1, size = SEND_BUFFER;

    if (!g)
        return NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair)) {
        free(g);
        return NULL;
    }
    /* No old pictures pile up here; neither means anything to a unix socket. */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    g->in.from = g->out.to = fd;
    g->in.to = g->out.from = pair[0];
    /* The library does not wait long for the request's beginning, and not for half of that. */
    if (!fill(&g->in, &g->stream) || !empty(&g->in) || pthread_create(&g->thread, NULL, carry, g)) {
        close(pair[0]);
        close(pair[1]);
        free(g);
        return NULL;
    }
    *theirs = pair[1];
    return g;
}

bool ws_guard_ended(const struct ws_guard *g)
{
    return atomic_load(&g->ended);
}

void ws_guard_free(struct ws_guard *g)
{
    shutdown(g->in.from, SHUT_RDWR);
    shutdown(g->out.from, SHUT_RDWR);
    pthread_join(g->thread, NULL);
    close(g->in.from);
    close(g->out.from);
    free(g);
}
