/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/ui/vnc_front.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "vm/host_time.h"

#define MAX_LISTENERS 4
#define SILENT_US     100000     /* who says nothing for so long is no browser */
#define HANDSHAKE_US  30000000   /* in which a viewer has to be let in */
#define LAST_WORDS_US 5000000    /* in which a viewer has to read what it is sent last */
#define IN_MAX        (2u << 20) /* bytes of a message, or of a WebSocket's frames up to its end */
#define OUT_MAX       (160u << 20) /* more than a picture of 4096 x 4096 */
#define PIECE         65536u
#define PAIR_BUFFER   (1 << 20)
#define KEEP_MAX      (1u << 20) /* of an empty buffer */

static const char version[] = "RFB 003.008\n"; /* the library's */
#define VERSION_SIZE (sizeof(version) - 1)

/* ---- messages ---- */

/* Bytes of the head of a message, by which its length is known. */
static size_t head_size(const struct rfb_track *t)
{
    static const uint8_t sizes[] = {[2] = 4, [6] = 8, [11] = 8, [251] = 8};
    uint8_t type = t->head[0];

    if (t->stage == RFB_VERSION)
        return VERSION_SIZE;
    return t->stage == RFB_MESSAGES && type < sizeof(sizes) && sizes[type] ? sizes[type] : 1;
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Clipboard: a negative length is that of the extended form. Chat: three lengths are commands. */
static size_t text_size(const uint8_t *head)
{
    uint32_t n = be32(head + 4);

    if (head[0] == 11)
        return n >= 0xfffffffd ? 8 : 8 + (size_t)n;
    return 8 + (size_t)(n & 0x80000000 ? 0u - n : n);
}

/* RFC 6143, 7.5; the others are UltraVNC's and PalmVNC's. What the library does not know it ends
 * the connection for: a byte is enough. */
static size_t message_size(const uint8_t *head)
{
    static const uint8_t sizes[] = {
        [0] = 20, [1] = 6, [3] = 10, [4] = 8,  [5] = 6,   [7] = 12,
        [8] = 4,  [9] = 4, [10] = 6, [15] = 4, [250] = 4,
    };

    switch (head[0]) {
    case 2:
        return 4 + 4 * (size_t)(head[2] << 8 | head[3]);
    case 6:
    case 11:
        return text_size(head);
    case 251:
        return 8 + 16 * (size_t)head[6];
    default:
        return head[0] < sizeof(sizes) && sizes[head[0]] ? sizes[head[0]] : 1;
    }
}

static size_t length_of(const struct rfb_track *t)
{
    switch (t->stage) {
    case RFB_VERSION:
        return VERSION_SIZE;
    case RFB_RESPONSE:
        return 16;
    case RFB_MESSAGES:
        return message_size(t->head);
    default:
        return 1;
    }
}

/* 7.1: what comes after the message that is complete. 889 is Apple's version, which does not say
 * ClientInit. */
static void next_stage(struct rfb_track *t)
{
    switch (t->stage) {
    case RFB_VERSION:
        t->minor = (unsigned)strtoul(
            (const char[]){(char)t->head[8], (char)t->head[9], (char)t->head[10], 0}, NULL, 10);
        t->stage = t->minor >= 7 ? RFB_SECURITY : t->password ? RFB_RESPONSE : RFB_INIT;
        break;
    case RFB_SECURITY:
        t->stage = t->head[0] == 2 ? RFB_RESPONSE : t->minor == 889 ? RFB_MESSAGES : RFB_INIT;
        break;
    case RFB_RESPONSE:
        t->stage = RFB_INIT;
        break;
    case RFB_INIT:
    case RFB_MESSAGES:
        t->stage = RFB_MESSAGES;
        break;
    }
    t->have = t->length = 0;
}

size_t rfb_track(struct rfb_track *t, const uint8_t *data, size_t n)
{
    size_t whole = 0, at = 0;

    while (at < n) {
        size_t step = 1;

        if (t->length)
            step = t->length - t->have < n - at ? t->length - t->have : n - at;
        else
            t->head[t->have] = data[at];
        t->have += step;
        at += step;
        if (!t->length && t->have >= head_size(t))
            t->length = length_of(t);
        if (t->length && t->have >= t->length) {
            next_stage(t);
            whole = at;
        }
    }
    return whole;
}

/* ---- bytes that wait ---- */

struct bytes {
    uint8_t *data;
    size_t start, len, size;
};

static bool bytes_add(struct bytes *b, const uint8_t *data, size_t n)
{
    if (b->start + b->len + n > b->size && b->start) {
        memmove(b->data, b->data + b->start, b->len);
        b->start = 0;
    }
    if (b->len + n > b->size) {
        size_t size = b->size ? b->size : PIECE;

        while (size < b->len + n)
            size *= 2;
        uint8_t *more = realloc(b->data, size);
        if (!more)
            return false;
        b->data = more;
        b->size = size;
    }
    memcpy(b->data + b->start + b->len, data, n);
    b->len += n;
    return true;
}

static void bytes_free(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}

static void bytes_take(struct bytes *b, size_t n)
{
    b->start += n;
    b->len -= n;
    if (b->len)
        return;
    b->start = 0;
    if (b->size > KEEP_MAX)
        bytes_free(b);
}

/* ---- tunnels ---- */

enum tunnel_state {
    TUNNEL_SILENT,  /* nothing came yet: a browser would begin */
    TUNNEL_GREETED, /* has our version and should say its own */
    TUNNEL_UPGRADE, /* the head of an HTTP request comes */
    TUNNEL_OPEN,    /* the library's, or to be taken by it */
};

struct tunnel {
    struct front *front;
    struct tunnel *next;
    enum tunnel_state state;
    struct vnc_peer server, viewer;
    int64_t began, deadline; /* deadline: 0, or when it is closed */
    int outside, inside;     /* the viewer; the library's other end: -1 when closed */
    int library;             /* the library's, until it takes it; guarded by front->lock */
    bool ended;              /* the viewer sends no more */
    bool announced, framed;  /* framed: a WebSocket */
    size_t swallow;          /* bytes of the library that the viewer has already */
    struct bytes in, out;    /* from and to the viewer */
    size_t whole;            /* of `in`: may be passed on */
    size_t looked;           /* of `in`: have been looked at */
    struct rfb_track track;
    atomic_size_t queued; /* out.len */
    atomic_bool let_in, gone;
};

struct front {
    struct front_config config;
    pthread_mutex_t lock; /* of the list, `library` and the names of those on it */
    struct tunnel *tunnels;
    unsigned n;
    int wake;
    pthread_cond_t arrived; /* a tunnel's library end is there */
};

static int64_t now_us(void)
{
    return (int64_t)(host_now() / 1000);
}

static void tell(struct tunnel *t, enum vnc_event event)
{
    const struct front_config *c = &t->front->config;

    if (c->event)
        c->event(c->opaque, event, &t->server, &t->viewer);
}

/* ---- names ---- */

static void describe_address(const struct sockaddr_storage *at, socklen_t len, struct vnc_peer *p)
{
    const struct sockaddr *any = (const struct sockaddr *)at;

    *p = (struct vnc_peer){.family = "unix"};
    if (at->ss_family == AF_UNIX) {
        if (len > offsetof(struct sockaddr_un, sun_path))
            snprintf(p->service, sizeof(p->service), "%s",
                     ((const struct sockaddr_un *)(const void *)at)->sun_path);
        return;
    }
    p->family = at->ss_family == AF_INET6 ? "ipv6" : "ipv4";
    if (getnameinfo(any, len, p->host, sizeof(p->host), p->service, sizeof(p->service),
                    NI_NUMERICHOST | NI_NUMERICSERV))
        p->host[0] = p->service[0] = '\0';
}

void describe_socket(int fd, struct vnc_peer *here, struct vnc_peer *there)
{
    struct sockaddr_storage at = {.ss_family = AF_UNIX};
    socklen_t len = sizeof(at);

    describe_address(&at, getsockname(fd, (struct sockaddr *)&at, &len) ? 0 : len, here);
    at = (struct sockaddr_storage){.ss_family = AF_UNIX};
    len = sizeof(at);
    describe_address(&at, getpeername(fd, (struct sockaddr *)&at, &len) ? 0 : len, there);
}

void front_describe(struct front *f, struct vnc_info *info)
{
    pthread_mutex_lock(&f->lock);
    info->viewers = 0;
    for (const struct tunnel *t = f->tunnels; t; t = t->next)
        info->viewer[info->viewers++] = t->viewer;
    pthread_mutex_unlock(&f->lock);
}

unsigned front_viewers(struct front *f)
{
    pthread_mutex_lock(&f->lock);
    unsigned n = f->n;
    pthread_mutex_unlock(&f->lock);
    return n;
}

/* ---- from the viewer ---- */

/* The kind of viewer is known. */
static void announce(struct tunnel *t, bool framed)
{
    pthread_mutex_lock(&t->front->lock);
    t->framed = t->viewer.websocket = t->server.websocket = framed;
    pthread_mutex_unlock(&t->front->lock);
    t->announced = true;
    tell(t, VNC_EVENT_CONNECTED);
}

/* The library may have it. */
static bool open_tunnel(struct tunnel *t)
{
    int pair[2], size = PAIR_BUFFER;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
        return false;
    if (pair[1] >= FD_SETSIZE) { /* the library uses select() */
        close(pair[0]);
        close(pair[1]);
        return false;
    }
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    t->inside = pair[0];
    t->state = TUNNEL_OPEN;
    pthread_mutex_lock(&t->front->lock);
    t->library = pair[1];
    pthread_cond_signal(&t->front->arrived);
    pthread_mutex_unlock(&t->front->lock);
    return true;
}

/* By its first two bytes (5.2, 5.5). The library never comes back from a frame of a meaning that it
 * does not know, or a control frame, if that is longer than its buffer. */
static bool frame_is_known(const uint8_t *data)
{
    unsigned opcode = data[0] & 0x0f;
    bool last = data[0] & 0x80, masked = data[1] & 0x80;

    if (data[0] & 0x70 || !masked)
        return false;
    if (opcode < 8)
        return opcode <= 2; /* continuation, text, binary */
    return opcode <= 10 && last && (data[1] & 0x7f) <= 125;
}

/* One frame at data (5.2): its length in *size, 0 while that is not known; what it carries is
 * followed. False: this cannot be. */
static bool follow_frame(struct tunnel *t, const uint8_t *data, size_t n, size_t *size)
{
    static const size_t extra[] = {[126] = 2, [127] = 8};
    unsigned short_length = n > 1 ? data[1] & 0x7f : 0;
    size_t more = short_length >= 126 ? extra[short_length] : 0;
    bool masked = n > 1 && data[1] & 0x80;
    size_t head = 2 + more + (masked ? 4 : 0);
    uint64_t length = short_length;

    *size = 0;
    if (n >= 2 && !frame_is_known(data))
        return false;
    if (n < head || n < 2)
        return true;
    if (more)
        length = 0;
    for (size_t i = 0; i < more; i++)
        length = length << 8 | data[2 + i];
    if (length > IN_MAX)
        return false;
    if (n < head + length)
        return true;
    *size = head + (size_t)length;
    if (data[0] & 8) /* control: carries nothing of the protocol */
        return true;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = (uint8_t)(data[head + i] ^ (masked ? data[head - 4 + i % 4] : 0));

        (void)rfb_track(&t->track, &byte, 1);
    }
    return true;
}

/* Frames that are there are passed on up to one that ends with a message. Text is base64, of old
 * browsers: it is not followed. */
static bool follow_frames(struct tunnel *t)
{
    size_t size;

    while (t->looked < t->in.len) {
        const uint8_t *data = t->in.data + t->in.start + t->looked;
        bool text = (data[0] & 0xf) == 1;

        if (!follow_frame(t, data, t->in.len - t->looked, &size))
            return false;
        if (!size)
            break;
        t->looked += size;
        if (text || rfb_is_whole(&t->track))
            t->whole = t->looked;
    }
    return true;
}

static bool starts_http(const struct tunnel *t)
{
    return t->in.len >= 4 && !memcmp(t->in.data + t->in.start, "GET ", 4);
}

/* Up to the line that is empty for the library, which takes "\n" alone for no line; 0: it is still
 * to come. Behind the keys of a draft before RFC 6455 the library would read eight bytes more. */
static size_t request_size(const uint8_t *data, size_t n, bool *draft)
{
    static const char *const keys[] = {"sec-websocket-key1", "sec-websocket-key2"};
    size_t line = 0;

    for (size_t i = 0; i < n; i++) {
        if (data[i] != '\n' || i == line)
            continue;
        if (i == line + 1 && data[line] == '\r')
            return i + 1;
        for (unsigned k = 0; k < 2; k++)
            *draft |= i - line > strlen(keys[k]) &&
                      !strncasecmp((const char *)data + line, keys[k], strlen(keys[k]));
        line = i + 1;
    }
    return 0;
}

/* Up to the empty line. */
static bool follow_request(struct tunnel *t)
{
    bool draft = false;
    size_t size = request_size(t->in.data + t->in.start, t->in.len, &draft);

    if (!size || draft)
        return !draft && t->in.len < PIECE;
    t->whole = t->looked = size;
    return open_tunnel(t) && follow_frames(t);
}

static bool follow(struct tunnel *t)
{
    size_t more;

    if (t->state == TUNNEL_SILENT && t->in.len >= 4) {
        announce(t, starts_http(t));
        t->state = t->framed ? TUNNEL_UPGRADE : TUNNEL_GREETED;
    }
    if (t->state == TUNNEL_UPGRADE)
        return follow_request(t);
    if (t->framed)
        return follow_frames(t);
    more = rfb_track(&t->track, t->in.data + t->in.start + t->looked, t->in.len - t->looked);
    t->whole = more ? t->looked + more : t->whole;
    t->looked = t->in.len;
    if (t->state == TUNNEL_GREETED && t->whole)
        return open_tunnel(t);
    return true;
}

/* The library waits for nothing that is not there. */
static bool pass_in(struct tunnel *t)
{
    while (t->whole && t->inside >= 0) {
        ssize_t n = send(t->inside, t->in.data + t->in.start, t->whole, MSG_NOSIGNAL);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        bytes_take(&t->in, (size_t)n);
        t->whole -= (size_t)n;
        t->looked -= (size_t)n;
    }
    if (t->ended && !t->in.len && t->inside >= 0)
        shutdown(t->inside, SHUT_WR);
    return true;
}

/* What is left of a viewer that has hung up is passed on as it is; then comes the end. */
static bool hear_the_end(struct tunnel *t)
{
    t->ended = true;
    t->whole = t->looked = t->in.len;
    return t->state == TUNNEL_OPEN && pass_in(t);
}

static bool read_outside(struct tunnel *t)
{
    uint8_t piece[PIECE];
    ssize_t n = recv(t->outside, piece, sizeof(piece), 0);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (!n)
        return hear_the_end(t);
    return bytes_add(&t->in, piece, (size_t)n) && follow(t) && pass_in(t);
}

/* ---- to the viewer ---- */

static bool pass_out(struct tunnel *t)
{
    while (t->out.len) {
        ssize_t n = send(t->outside, t->out.data + t->out.start, t->out.len, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (n < 0)
            break;
        bytes_take(&t->out, (size_t)n);
    }
    atomic_store(&t->queued, t->out.len);
    return t->inside >= 0 || t->state != TUNNEL_OPEN || t->out.len; /* else that was all */
}

/* The library's end is closed: the viewer gets the rest. */
static bool hear_the_library_end(struct tunnel *t)
{
    close(t->inside);
    t->inside = -1;
    t->deadline = now_us() + LAST_WORDS_US;
    return pass_out(t);
}

/* What the viewer takes at once need not be kept. False: it has hung up. */
static bool send_now(struct tunnel *t, const uint8_t *data, size_t *n)
{
    ssize_t sent = t->out.len ? 0 : send(t->outside, data, *n, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    *n = sent > 0 ? (size_t)sent : 0;
    return true;
}

static bool read_inside(struct tunnel *t)
{
    uint8_t piece[4 * PIECE];
    ssize_t n = recv(t->inside, piece, sizeof(piece), 0);
    size_t skip, sent;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return hear_the_library_end(t);
    skip = t->swallow < (size_t)n ? t->swallow : (size_t)n;
    t->swallow -= skip;
    sent = (size_t)n - skip;
    if (t->out.len > OUT_MAX || (sent && !send_now(t, piece + skip, &sent)))
        return false;
    skip += sent;
    return skip == (size_t)n || (bytes_add(&t->out, piece + skip, (size_t)n - skip) && pass_out(t));
}

/* ---- life of a tunnel ---- */

void front_add(struct front *f, int fd)
{
    struct tunnel *t = front_viewers(f) < VNC_MAX_VIEWERS ? calloc(1, sizeof(*t)) : NULL;

    if (!t) {
        close(fd);
        return;
    }
    t->front = f;
    t->outside = fd;
    t->inside = t->library = -1;
    t->began = now_us();
    t->track.password = f->config.password;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* if it is TCP */
    describe_socket(fd, &t->server, &t->viewer);
    pthread_mutex_lock(&f->lock);
    t->next = f->tunnels;
    f->tunnels = t;
    f->n++;
    pthread_mutex_unlock(&f->lock);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Its sockets are closed; it stays for as long as the library may ask for it. */
static void end_tunnel(struct tunnel *t)
{
    close_fd(&t->outside);
    close_fd(&t->inside);
    if (t->state != TUNNEL_OPEN)
        atomic_store(&t->gone, true);
}

static void free_tunnel(struct tunnel *t)
{
    close_fd(&t->outside);
    close_fd(&t->inside);
    close_fd(&t->library);
    bytes_free(&t->in);
    bytes_free(&t->out);
    free(t);
}

/* Takes those out that nobody needs any more. */
static void bury(struct front *f)
{
    struct tunnel **p = &f->tunnels;

    while (*p) {
        struct tunnel *t = *p;

        if (t->outside >= 0 || !atomic_load(&t->gone)) {
            p = &t->next;
            continue;
        }
        pthread_mutex_lock(&f->lock);
        *p = t->next;
        f->n--;
        pthread_mutex_unlock(&f->lock);
        if (t->announced)
            tell(t, VNC_EVENT_DISCONNECTED);
        free_tunnel(t);
    }
}

/* What time brings: a viewer that says nothing is greeted; one that takes too long is closed. */
static bool check_time(struct tunnel *t, int64_t now)
{
    if (t->state == TUNNEL_SILENT && now - t->began >= SILENT_US) {
        announce(t, false);
        t->state = TUNNEL_GREETED;
        t->swallow = VERSION_SIZE;
        return bytes_add(&t->out, (const uint8_t *)version, VERSION_SIZE) && pass_out(t) &&
               follow(t) && pass_in(t);
    }
    if (t->deadline)
        return now < t->deadline;
    return atomic_load(&t->let_in) || now - t->began < HANDSHAKE_US;
}

/* How long nothing can happen by time alone. */
static int time_left(const struct front *f, int timeout_ms, int64_t now)
{
    for (const struct tunnel *t = f->tunnels; t; t = t->next) {
        int64_t until = t->state == TUNNEL_SILENT ? t->began + SILENT_US : now + 1000000;
        int ms = until > now ? (int)((until - now) / 1000 + 1) : 0;

        if (timeout_ms < 0 || ms < timeout_ms)
            timeout_ms = ms;
    }
    return timeout_ms;
}

/* ---- the front ---- */

struct front *front_new(const struct front_config *config)
{
    struct front *f = calloc(1, sizeof(*f));

    if (!f)
        return NULL;
    f->config = *config;
    f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (f->wake < 0) {
        free(f);
        return NULL;
    }
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->arrived, NULL);
    return f;
}

void front_free(struct front *f)
{
    if (!f)
        return;
    for (struct tunnel *t = f->tunnels; t; t = t->next) {
        end_tunnel(t);
        atomic_store(&t->gone, true);
    }
    bury(f);
    close(f->wake);
    pthread_cond_destroy(&f->arrived);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

void front_wake(struct front *f)
{
    (void)!write(f->wake, &(uint64_t){1}, 8);
}

static void accept_viewers(struct front *f, const int *listeners, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        int fd = accept4(listeners[i], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0)
            front_add(f, fd);
    }
}

static short wants_outside(const struct tunnel *t)
{
    return (short)((!t->ended && t->in.len <= IN_MAX ? POLLIN : 0) | (t->out.len ? POLLOUT : 0));
}

/* A viewer that holds more than a message may have is closed. */
static bool serve(struct tunnel *t, short outside, short inside, int64_t now)
{
    bool ok = true;

    if (outside & (POLLIN | POLLHUP | POLLERR) && !t->ended)
        ok = read_outside(t);
    if (ok && inside & (POLLIN | POLLHUP | POLLERR))
        ok = read_inside(t);
    if (ok && t->inside >= 0 && inside & POLLOUT)
        ok = pass_in(t);
    if (ok && outside & POLLOUT)
        ok = pass_out(t);
    return ok && (t->whole || t->in.len <= IN_MAX) && check_time(t, now);
}

void front_step(struct front *f, const int *listeners, unsigned n, int timeout_ms)
{
    struct pollfd fds[1 + MAX_LISTENERS + 2 * VNC_MAX_VIEWERS];
    unsigned used = 0, first;
    uint64_t count;

    fds[used++] = (struct pollfd){f->wake, POLLIN, 0};
    for (unsigned i = 0; i < n && i < MAX_LISTENERS; i++)
        fds[used++] = (struct pollfd){listeners[i], POLLIN, 0};
    first = used;
    for (struct tunnel *t = f->tunnels; t; t = t->next) {
        fds[used++] =
            (struct pollfd){t->ended && !t->out.len ? -1 : t->outside, wants_outside(t), 0};
        fds[used++] = (struct pollfd){t->inside, t->whole ? POLLIN | POLLOUT : POLLIN, 0};
    }
    poll(fds, used, time_left(f, timeout_ms, now_us()));
    (void)!read(f->wake, &count, sizeof(count));
    used = first;
    for (struct tunnel *t = f->tunnels; t; t = t->next, used += 2)
        if (t->outside >= 0 && !serve(t, fds[used].revents, fds[used + 1].revents, now_us()))
            end_tunnel(t);
    bury(f);
    accept_viewers(f, listeners, n);
}

/* ---- the library's side ---- */

static struct tunnel *find_new(struct front *f)
{
    struct tunnel *t = f->tunnels;

    while (t && t->library < 0)
        t = t->next;
    return t;
}

void front_wait(struct front *f, long usec)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += usec * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&f->lock);
    if (!find_new(f))
        pthread_cond_timedwait(&f->arrived, &f->lock, &until);
    pthread_mutex_unlock(&f->lock);
}

struct tunnel *front_next(struct front *f, int *fd)
{
    struct tunnel *t;

    pthread_mutex_lock(&f->lock);
    t = find_new(f);
    if (t) {
        *fd = t->library;
        t->library = -1;
    }
    pthread_mutex_unlock(&f->lock);
    return t;
}

size_t tunnel_queued(const struct tunnel *t)
{
    return atomic_load(&t->queued);
}

void tunnel_let_in(struct tunnel *t)
{
    if (!atomic_exchange(&t->let_in, true))
        tell(t, VNC_EVENT_INITIALIZED);
}

void tunnel_gone(struct tunnel *t)
{
    struct front *f = t->front;

    atomic_store(&t->gone, true); /* the front may free it now */
    front_wake(f);
}
