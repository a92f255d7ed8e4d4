/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Character back ends: moving bytes.
 *
 * Output is written at once by the thread that has it; a consumer that takes none makes the writer
 * wait a bounded time, once, and loses bytes from then on until it moves again. Input is read by
 * the main loop into rx and goes to the device as input events, one batch under way at a time: the
 * next is sent when the last was delivered, so the device's word on its room is never out of date.
 *
 * On a shared terminal (mux) Ctrl-A is the escape key, and the monitor or the device has the
 * focus. Escapes must work when the guest reads nothing: a terminal is always read, and what does
 * not fit in rx is dropped. A pipe is left to wait instead. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "host/char/backend_internal.h"
#include "host/char/terminal.h"
#include "vm/machine.h"

#define ESCAPE_KEY    0x01 /* Ctrl-A */
#define INTERRUPT_KEY 0x03 /* Ctrl-C */
#define RETRY_NS      2000000
#define BATCH_MAX     256 /* bytes of an input event */

/* ---- output ---- */

/* True when the fd takes output now, or does within our patience. Lock held. */
static bool wait_writable(struct chardev *c)
{
    struct pollfd p = {.fd = c->out_fd, .events = POLLOUT};
    int r;

    do {
        r = poll(&p, 1, c->stalled ? 0 : c->patience_ms);
    } while (r < 0 && errno == EINTR);
    c->stalled = r == 0;
    return r > 0 && !(p.revents & (POLLERR | POLLNVAL));
}

/* Small pieces: a descriptor that reports room must not block (PIPE_BUF is the least a pipe
 * promises). Lock held. */
static void write_out(struct chardev *c, const uint8_t *p, size_t len)
{
    while (len > 0 && c->out_fd >= 0) {
        size_t piece = len < 4096 ? len : 4096;
        ssize_t n;

        if (!wait_writable(c))
            break;
        if (c->is_socket)
            n = send(c->out_fd, p, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        else
            n = write(c->out_fd, p, piece);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            break; /* the reader is gone; the main loop hears of it */
        p += n;
        len -= (size_t)n;
    }
    c->dropped += len;
}

/* ---- output that is kept ---- */

static ssize_t write_now(struct chardev *c, const uint8_t *p, size_t len)
{
    ssize_t n;

    do {
        n = c->is_socket ? send(c->out_fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT)
                         : write(c->out_fd, p, len < 4096 ? len : 4096);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* As much of the queue as goes. Lock held. */
static void flush_queue(struct chardev *c)
{
    size_t done = 0;

    while (done < c->queue_len && c->out_fd >= 0) {
        ssize_t n = write_now(c, c->queue + done, c->queue_len - done);

        if (n < 0 && errno != EAGAIN)
            done = c->queue_len; /* nobody reads; the main loop hears of it */
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (c->out_fd < 0)
        done = c->queue_len;
    memmove(c->queue, c->queue + done, c->queue_len - done);
    c->queue_len -= done;
}

/* Lock held. */
static void queue_out(struct chardev *c, const uint8_t *p, size_t len)
{
    if (c->out_fd < 0 || c->overrun)
        return;
    if (c->queue_len + len > c->queue_limit) {
        c->overrun = true;
        c->queue_len = 0;
        return;
    }
    if (c->queue_len + len > c->queue_size) {
        size_t size = 2 * (c->queue_len + len);
        uint8_t *queue = realloc(c->queue, size);

        if (!queue) {
            c->overrun = true;
            return;
        }
        c->queue = queue;
        c->queue_size = size;
    }
    memcpy(c->queue + c->queue_len, p, len);
    c->queue_len += len;
    flush_queue(c);
}

void chardev_keep_output(struct chardev *c, size_t limit)
{
    if (!c->is_socket)
        return; /* the writer waits for a terminal or pipe */
    pthread_mutex_lock(&c->lock);
    c->queue_limit = limit;
    pthread_mutex_unlock(&c->lock);
}

/* At the end: what is left goes out, if somebody takes it within our patience. */
static void drain_queue(struct chardev *c)
{
    pthread_mutex_lock(&c->lock);
    flush_queue(c);
    while (c->queue_len && wait_writable(c))
        flush_queue(c);
    pthread_mutex_unlock(&c->lock);
}

void chardev_write(struct chardev *c, const void *data, size_t len)
{
    bool waiting;

    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    if (c->tap)
        c->tap(c->tap_opaque, data, len);
    if (c->queue_limit)
        queue_out(c, data, len);
    else
        write_out(c, data, len);
    waiting = c->queue_len || c->overrun;
    pthread_mutex_unlock(&c->lock);
    if (waiting)
        poller_wake(c->set->poller); /* which shall wait for room, too */
}

/* Our own words on a terminal; the tap looks for the guest's. */
void chardev_emit(struct chardev *c, const char *text)
{
    pthread_mutex_lock(&c->lock);
    write_out(c, (const uint8_t *)text, strlen(text));
    pthread_mutex_unlock(&c->lock);
}

void chardev_tap(struct chardev *c, void (*fn)(void *, const void *, size_t), void *opaque)
{
    pthread_mutex_lock(&c->lock);
    c->tap = fn;
    c->tap_opaque = opaque;
    pthread_mutex_unlock(&c->lock);
}

/* ---- to the device ---- */

void chardev_connect(struct chardev *c, struct machine *m, struct input_source *src)
{
    c->m = m;
    c->src = src;
}

void chardev_allow(struct chardev *c, size_t n)
{
    bool waiting;

    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->allowance = n;
    waiting = n > 0 && c->rx_len > 0;
    pthread_mutex_unlock(&c->lock);
    if (waiting)
        poller_wake(c->set->poller);
}

/* True if the last batch has reached the device. Deliveries happen under the machine lock, so with
 * the lock and an empty queue the device has also said what room is left. */
static bool batch_delivered(struct chardev *c)
{
    bool pending;

    machine_lock(c->m);
    pending = input_pending(c->m);
    machine_unlock(c->m);
    return !pending;
}

/* What the queue wants of the poller. */
static void prepare_queue(struct chardev *c)
{
    bool overrun, waiting;

    pthread_mutex_lock(&c->lock);
    overrun = c->overrun;
    waiting = c->queue_len > 0;
    pthread_mutex_unlock(&c->lock);
    if (overrun)
        chardev_disconnected(c);
    else if (c->in_watched && c->in.fd == c->out_fd)
        c->in.events = waiting ? POLLIN | POLLOUT : POLLIN;
}

static void send_batch(struct chardev *c)
{
    uint8_t batch[BATCH_MAX];
    size_t n;

    if (!c->m || !c->rx_len)
        return;
    if (c->in_flight && !batch_delivered(c))
        return;
    pthread_mutex_lock(&c->lock);
    n = c->rx_len < c->allowance ? c->rx_len : c->allowance;
    n = n < sizeof(batch) ? n : sizeof(batch);
    memcpy(batch, c->rx, n);
    memmove(c->rx, c->rx + n, c->rx_len - n);
    c->rx_len -= n;
    c->allowance -= n;
    pthread_mutex_unlock(&c->lock);
    c->in_flight = n > 0;
    if (n)
        input_push(c->m, c->src, batch, n);
}

int64_t chardevs_prepare(struct chardevs *s)
{
    int64_t wait = -1;

    for (struct chardev *c = s->list; c; c = c->next) {
        send_batch(c);
        if (c->queue_limit)
            prepare_queue(c);
        if (c->in_flight && c->rx_len)
            wait = RETRY_NS;
        if (c->in_watched)
            c->in.enabled = c->lossy || c->rx_len < CHARDEV_RX_SIZE;
    }
    return wait;
}

static void queue_for_device(struct chardev *c, uint8_t byte)
{
    pthread_mutex_lock(&c->lock);
    if (c->m && c->rx_len < CHARDEV_RX_SIZE)
        c->rx[c->rx_len++] = byte;
    pthread_mutex_unlock(&c->lock);
}

/* ---- the shared terminal ---- */

static void set_focus(struct chardev *c, bool monitor)
{
    c->monitor_focus = monitor;
    if (c->monitor_focus_fn)
        c->monitor_focus_fn(c->monitor_opaque, monitor);
}

static void escape_help(struct chardev *c)
{
    chardev_emit(c, "\r\nCtrl-A h    this help\r\n"
                    "Ctrl-A x    quit Calque\r\n"
                    "Ctrl-A c    go to the monitor and back\r\n"
                    "Ctrl-A d    stop the guest and debug it; go back\r\n"
                    "Ctrl-A b    send a break to the guest\r\n"
                    "Ctrl-A Ctrl-A  send Ctrl-A to the guest\r\n");
}

static void route(struct chardev *c, uint8_t byte, bool literal)
{
    if (c->prompt_focus || (c->prompt_interrupt && byte == INTERRUPT_KEY && !literal))
        c->prompt.input(c->prompt.opaque, byte);
    else if (c->monitor_input && (c->monitor_focus || !c->mux))
        c->monitor_input(c->monitor_opaque, &byte, 1);
    else
        queue_for_device(c, byte);
}

static void escape_command(struct chardev *c, uint8_t byte)
{
    switch (byte) {
    case 'x':
        c->set->escapes.quit(c->set->escapes.opaque);
        break;
    case 'c':
        if (c->monitor_input && !c->prompt_focus)
            set_focus(c, !c->monitor_focus);
        break;
    case 'd':
        if (c->prompt.input)
            c->prompt.focus(c->prompt.opaque, !c->prompt_focus);
        break;
    case 'h':
    case '?':
        escape_help(c);
        break;
    case 'b':
        if (c->m)
            input_push(c->m, c->src, NULL, 0); /* an event without bytes is a break */
        break;
    case ESCAPE_KEY:
    case INTERRUPT_KEY:
        route(c, byte, true);
        break;
    default:
        break;
    }
}

static void received(struct chardev *c, uint8_t byte)
{
    if (c->escape) {
        c->escape = false;
        escape_command(c, byte);
    } else if (c->mux && byte == ESCAPE_KEY) {
        c->escape = true;
    } else {
        route(c, byte, false);
    }
}

/* ---- telnet ---- */

enum { TELNET_DATA, TELNET_COMMAND, TELNET_OPTION, TELNET_SUB, TELNET_SUB_END };
#define TELNET_IAC  255
#define TELNET_SB   250
#define TELNET_SE   240
#define TELNET_WILL 251

/* RFC 854: commands are taken out of the stream; none is answered. True if the byte is data. */
static bool telnet_data(struct chardev *c, uint8_t byte)
{
    switch (c->telnet_state) {
    case TELNET_DATA:
        if (byte == TELNET_IAC)
            c->telnet_state = TELNET_COMMAND;
        return byte && byte != TELNET_IAC; /* CR NUL is a carriage return */
    case TELNET_COMMAND:
        c->telnet_state = byte == TELNET_SB     ? TELNET_SUB
                          : byte >= TELNET_WILL ? TELNET_OPTION
                                                : TELNET_DATA;
        if (byte != TELNET_IAC)
            return false;
        c->telnet_state = TELNET_DATA;
        return true; /* a doubled one is data */
    case TELNET_SUB:
        if (byte == TELNET_IAC)
            c->telnet_state = TELNET_SUB_END;
        return false;
    case TELNET_SUB_END:
        c->telnet_state = byte == TELNET_SE ? TELNET_DATA : TELNET_SUB;
        return false;
    default:
        c->telnet_state = TELNET_DATA;
        return false;
    }
}

/* ---- input ---- */

#define FDS_AT_ONCE 16

static void keep_passed(struct chardev *c, int fd)
{
    if (c->passed_fd >= 0)
        close(c->passed_fd);
    c->passed_fd = fd;
}

/* The last descriptor that comes along is kept (unix(7), SCM_RIGHTS). */
static ssize_t receive_with_fds(struct chardev *c, uint8_t *buf, size_t len)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
    } control;
    struct iovec io = {.iov_base = buf, .iov_len = len};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(c->in.fd, &m, MSG_CMSG_CLOEXEC);

    for (struct cmsghdr *h = n < 0 ? NULL : CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
            for (size_t at = 0; at + sizeof(int) <= h->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
                int fd;

                memcpy(&fd, CMSG_DATA(h) + at, sizeof(fd));
                keep_passed(c, fd);
            }
    return n;
}

void chardev_accept_fds(struct chardev *c)
{
    c->takes_fds = c->is_socket;
    c->passed_fd = -1;
}

int chardev_take_fd(struct chardev *c)
{
    int fd = c->takes_fds ? c->passed_fd : -1;

    c->passed_fd = -1;
    return fd;
}

static void input_ready(void *opaque, short revents)
{
    struct chardev *c = opaque;
    uint8_t buf[512];
    size_t room = CHARDEV_RX_SIZE - c->rx_len;
    ssize_t n;

    if (revents & POLLOUT) {
        pthread_mutex_lock(&c->lock);
        flush_queue(c);
        pthread_mutex_unlock(&c->lock);
        if (revents == POLLOUT)
            return;
    }
    if (c->lossy || room > sizeof(buf))
        room = sizeof(buf);
    n = c->takes_fds ? receive_with_fds(c, buf, room) : read(c->in.fd, buf, room);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        chardev_disconnected(c);
        return;
    }
    for (ssize_t i = 0; i < n; i++)
        if (!c->telnet || telnet_data(c, buf[i]))
            received(c, buf[i]);
}

void chardev_start_input(struct chardev *c, int fd)
{
    c->in_watched = poller_add(c->set->poller, &c->in, fd, POLLIN, input_ready, c);
}

/* End of input. A socket is closed (a server waits for the next client); anything else only stops
 * being read: standard input may end long before the guest does. */
void chardev_disconnected(struct chardev *c)
{
    if (c->takes_fds)
        keep_passed(c, -1);
    poller_remove(c->set->poller, &c->in);
    c->in_watched = false;
    if (c->prompt.input)
        c->prompt.ended(c->prompt.opaque);
    if (!c->is_socket)
        return;
    pthread_mutex_lock(&c->lock);
    close(c->out_fd);
    c->out_fd = -1;
    c->queue_len = 0;
    c->overrun = false;
    pthread_mutex_unlock(&c->lock);
    if (c->listening)
        c->listener.enabled = true;
    if (c->on_open)
        c->on_open(c->on_open_opaque, false);
}

void chardev_on_open(struct chardev *c, void (*fn)(void *opaque, bool open), void *opaque)
{
    c->on_open = fn;
    c->on_open_opaque = opaque;
    if (fn && c->out_fd >= 0)
        fn(opaque, true);
}

void chardev_attach_monitor(struct chardev *c, void (*input)(void *, const uint8_t *, size_t),
                            void (*focus)(void *, bool), void *opaque)
{
    c->monitor_input = input;
    c->monitor_focus_fn = focus;
    c->monitor_opaque = opaque;
}

void chardev_attach_prompt(struct chardev *c, const struct chardev_prompt *prompt)
{
    c->prompt = *prompt;
    c->prompt_focus = c->prompt_interrupt = false;
    if (prompt->input && !c->in_watched)
        prompt->ended(prompt->opaque);
}

void chardev_prompt_focus(struct chardev *c, bool focus, bool interrupt)
{
    c->prompt_focus = focus;
    c->prompt_interrupt = interrupt;
}

struct chardev *chardev_stdio(struct chardevs *s)
{
    return s->stdio;
}

void chardev_share(struct chardev *c)
{
    c->mux = true;
    if (c == c->set->stdio)
        c->set->keys_are_signals = false;
}

bool chardev_has_device(const struct chardev *c)
{
    return c && c->m;
}

bool chardev_has_monitor(const struct chardev *c)
{
    return c->monitor_input;
}

void chardevs_each(struct chardevs *s,
                   void (*fn)(void *opaque, const char *label, const char *filename, bool taken),
                   void *opaque)
{
    for (const struct chardev *c = s->list; c; c = c->next)
        fn(opaque, c->id, c->filename ? c->filename : "null", c->taken);
}

bool chardev_shared(const struct chardev *c)
{
    return c->mux;
}

bool chardev_interactive(const struct chardev *c)
{
    return c->interactive;
}

/* ---- the set ---- */

struct chardevs *chardevs_new(struct poller *p, struct escape_actions escapes)
{
    struct chardevs *s = calloc(1, sizeof(*s));

    if (s)
        *s = (struct chardevs){.poller = p, .escapes = escapes};
    return s;
}

void chardevs_start(struct chardevs *s)
{
    if (s->stdio)
        terminal_raw(STDIN_FILENO, s->keys_are_signals);
}

static void chardev_close(struct chardev *c)
{
    if (c->queue_limit)
        drain_queue(c);
    if (c->in_watched)
        poller_remove(c->set->poller, &c->in);
    if (c->listening) {
        poller_remove(c->set->poller, &c->listener);
        close(c->listener.fd);
    }
    if (c->out_fd > STDERR_FILENO)
        close(c->out_fd);
    if (c->keep_fd >= 0)
        close(c->keep_fd);
    if (c->takes_fds)
        keep_passed(c, -1);
    if (c->unlink_path)
        unlink(c->unlink_path);
    pthread_mutex_destroy(&c->lock);
    free(c->unlink_path);
    free(c->queue);
    free(c->filename);
    free(c->id);
    free(c);
}

void chardev_remove(struct chardevs *s, struct chardev *c)
{
    struct chardev **link;

    if (!s || !c)
        return;
    for (link = &s->list; *link && *link != c; link = &(*link)->next)
        ;
    if (!*link)
        return;
    *link = c->next;
    if (s->stdio == c) {
        s->stdio = NULL;
        terminal_restore();
    }
    chardev_close(c);
}

void chardevs_free(struct chardevs *s)
{
    if (!s)
        return;
    while (s->list) {
        struct chardev *c = s->list;

        s->list = c->next;
        chardev_close(c);
    }
    terminal_restore();
    free(s);
}
