/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VNC server over a socket: a client of our own reads the picture and types, several at once,
 * with and without a password, by WebSocket, and with nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "config.h"
#include "host/ui/display.h"
#include "host/ui/hid.h"
#include "host/ui/keymap.h"
#include "host/ui/keys.h"
#include "host/ui/ui.h"
#include "host/ui/vnc.h"
#include "vm/machine.h"

#if CONFIG_VNC
#include <rfb/rfb.h>

/* ---- a machine with a picture ---- */

struct world {
    struct ui_hooks hooks;
    atomic_uint happened[3]; /* by enum vnc_event */
    bool saw_websocket;
    struct machine m;
    struct display display;
    struct hid hid;
    struct input_source source;
    unsigned width, height;
    uint32_t colour;
    struct hid_event events[64];
    unsigned nevents;
    char path[64], spec[128];
    struct vnc *vnc;
};

static uint32_t pixel(const struct world *w, unsigned x, unsigned y)
{
    return (w->colour + x * 0x10003 + y * 0x501) & 0xffffff;
}

static void draw(void *opaque, struct surface *s)
{
    struct world *w = opaque;
    uint32_t row[1024];

    assert_true(surface_resize(s, w->width, w->height));
    for (unsigned y = 0; y < w->height; y++) {
        for (unsigned x = 0; x < w->width; x++)
            row[x] = pixel(w, x, y);
        surface_put_row(s, y, row);
    }
}

static bool no_text(void *opaque, struct text_screen *t)
{
    (void)opaque, (void)t;
    return false;
}

static void deliver(void *opaque, const uint8_t *data, size_t len)
{
    struct world *w = opaque;
    struct hid_event e;

    assert_true(hid_decode(data, len, &e));
    if (w->nevents < 64)
        w->events[w->nevents++] = e;
}

static void count_event(void *opaque, enum vnc_event event, const struct vnc_peer *server,
                        const struct vnc_peer *viewer, bool password)
{
    struct world *w = opaque;

    (void)password;
    assert_string_equal(server->service, w->path);
    assert_string_equal(viewer->family, "unix");
    w->saw_websocket |= viewer->websocket;
    atomic_fetch_add(&w->happened[event], 1);
}

static void wait_event(struct world *w, enum vnc_event event, unsigned count)
{
    for (unsigned i = 0; atomic_load(&w->happened[event]) != count; i++) {
        assert_true(i < 3000);
        usleep(10000);
    }
}

static void begin(struct world *w, const char *options)
{
    const struct display_source source = {draw, no_text, w};
    struct vnc_config config = {w->spec, "test", &w->display, &w->hid, NULL, &w->hooks};
    struct error err = {""};

    *w = (struct world){.width = 320, .height = 200, .colour = 0x123456};
    assert_true(machine_init(&w->m, 1 << 20, 0, &err));
    display_init(&w->display, &w->m, &source);
    w->hooks = (struct ui_hooks){.vnc_event = count_event, .opaque = w};
    input_register(&w->m, &w->source, "hid", deliver, w);
    w->hid.m = &w->m;
    w->hid.source = &w->source;
    snprintf(w->path, sizeof(w->path), "/tmp/calque-vnc-%d", (int)getpid());
    snprintf(w->spec, sizeof(w->spec), "unix:%s%s", w->path, options);
    config.keymap = keymap_find("en-us", &err);
    if (!vnc_open(&config, &w->vnc, &err))
        fail_msg("%s", err.text);
    assert_true(vnc_start(w->vnc, &err));
}

static void end(struct world *w)
{
    vnc_close(w->vnc);
    assert_int_equal(access(w->path, F_OK), -1); /* the socket file is gone */
    display_destroy(&w->display);
    machine_destroy(&w->m);
}

/* ---- a client ---- */

static int dial(const struct world *w)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", w->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    return fd;
}

static void get(int fd, void *buf, size_t len)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    for (size_t n = 0; n < len;) {
        assert_int_equal(poll(&p, 1, 30000), 1);
        ssize_t r = read(fd, (char *)buf + n, len - n);
        assert_true(r > 0);
        n += (size_t)r;
    }
}

/* The other side hangs up. */
static void await_end(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint8_t bytes[512];

    do
        assert_int_equal(poll(&p, 1, 30000), 1);
    while (read(fd, bytes, sizeof(bytes)) > 0);
}

static void put(int fd, const void *buf, size_t len)
{
    assert_int_equal(write(fd, buf, len), len);
}

static unsigned get16(int fd)
{
    uint8_t b[2];

    get(fd, b, 2);
    return b[0] << 8 | b[1];
}

static uint32_t get32(int fd)
{
    uint32_t high = get16(fd) << 16;

    return high | get16(fd);
}

/* Protocol version and security type; returns the result of the latter. */
static uint32_t handshake(int fd, uint8_t want, const char *password)
{
    uint8_t version[12], n, types[16], challenge[16];

    get(fd, version, 12);
    assert_memory_equal(version, "RFB 003.008\n", 12);
    put(fd, version, 12);
    get(fd, &n, 1);
    assert_true(n > 0 && n <= 16);
    get(fd, types, n);
    assert_non_null(memchr(types, want, n));
    put(fd, &want, 1);
    if (want == 2) {
        char copy[9];

        get(fd, challenge, 16);
        snprintf(copy, sizeof(copy), "%s", password);
        rfbEncryptBytes(challenge, copy);
        put(fd, challenge, 16);
    }
    return get32(fd);
}

struct client {
    int fd;
    unsigned width, height;
    uint32_t *pixels;
};

/* Raw pixels, and changes of the size. */
static void init_client(struct client *c, int fd)
{
    static const uint8_t encodings[] = {2, 0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x21};
    uint8_t format[16], name[64], shared = 1;

    c->fd = fd;
    put(fd, &shared, 1);
    c->width = get16(fd);
    c->height = get16(fd);
    get(fd, format, 16);
    assert_int_equal(format[0], 32);
    get(fd, name, get32(fd));
    assert_memory_equal(name, "test", 4);
    put(fd, encodings, sizeof(encodings));
    c->pixels = calloc(1024 * 1024, 4);
}

static void request(struct client *c, bool incremental)
{
    uint8_t rq[10] = {3,        incremental,    0,        0, 0, 0, c->width >> 8,
                      c->width, c->height >> 8, c->height};

    put(c->fd, rq, 10);
}

static void read_rect(struct client *c)
{
    unsigned x = get16(c->fd), y = get16(c->fd), w = get16(c->fd), h = get16(c->fd);
    uint32_t encoding = get32(c->fd);

    if (encoding == 0xffffff21) {
        c->width = w;
        c->height = h;
        return;
    }
    assert_int_equal(encoding, 0);
    assert_true(x + w <= c->width && y + h <= c->height);
    for (unsigned row = 0; row < h; row++)
        get(c->fd, c->pixels + (y + row) * c->width + x, 4 * w);
}

static void read_update(struct client *c)
{
    uint8_t type, pad;

    get(c->fd, &type, 1);
    assert_int_equal(type, 0);
    get(c->fd, &pad, 1);
    for (unsigned n = get16(c->fd); n; n--)
        read_rect(c);
}

static bool same(const struct world *w, const struct client *c)
{
    if (c->width != w->width || c->height != w->height)
        return false;
    for (unsigned y = 0; y < c->height; y++)
        for (unsigned x = 0; x < c->width; x++)
            if ((c->pixels[y * c->width + x] & 0xffffff) != pixel(w, x, y))
                return false;
    return true;
}

/* A viewer that has been let in. */
static void join_in(const struct world *w, struct client *c)
{
    int fd = dial(w);

    assert_int_equal(handshake(fd, 1, NULL), 0);
    init_client(c, fd);
}

/* Until the viewer sees what the machine shows; each wait is for news, which must come. */
static void follow(const struct world *w, struct client *c)
{
    request(c, false);
    for (unsigned i = 0; i < 200; i++) {
        read_update(c);
        if (same(w, c))
            return;
        request(c, true);
    }
    fail_msg("the picture does not arrive");
}

static void change(struct world *w, unsigned width, unsigned height, uint32_t colour)
{
    machine_lock(&w->m);
    w->width = width;
    w->height = height;
    w->colour = colour;
    machine_unlock(&w->m);
}

static void hang_up(struct client *c)
{
    close(c->fd);
    free(c->pixels);
}

/* Two viewers see the picture, its changes and its sizes. */
static void picture(void **state)
{
    struct world w;
    struct client a, b;

    (void)state;
    begin(&w, "");
    join_in(&w, &a);
    follow(&w, &a);
    join_in(&w, &b);
    follow(&w, &b);
    change(&w, 320, 200, 0xabcdef);
    follow(&w, &a);
    follow(&w, &b);
    change(&w, 641, 301, 0x445566);
    follow(&w, &b);
    follow(&w, &a);
    hang_up(&a);
    change(&w, 64, 48, 1);
    follow(&w, &b);
    hang_up(&b);
    end(&w);
}

static void key(int fd, bool down, uint32_t sym)
{
    uint8_t m[8] = {4, down, 0, 0, sym >> 24, sym >> 16, sym >> 8, sym};

    put(fd, m, 8);
}

static void pointer(int fd, uint8_t buttons, unsigned x, unsigned y)
{
    uint8_t m[6] = {5, buttons, x >> 8, x, y >> 8, y};

    put(fd, m, 6);
}

static void wait_events(struct world *w, unsigned n)
{
    for (unsigned i = 0; i < 3000; i++) {
        machine_lock(&w->m);
        input_deliver(&w->m);
        machine_unlock(&w->m);
        if (w->nevents >= n)
            break;
        usleep(10000);
    }
    assert_int_equal(w->nevents, n);
}

static void expect_key(const struct hid_event *e, unsigned code, bool down)
{
    assert_int_equal(e->kind, HID_KEY);
    assert_int_equal(e->code, code);
    assert_int_equal(e->down, down);
}

static void input(void **state)
{
    struct world w;
    struct client c;

    (void)state;
    begin(&w, "");
    join_in(&w, &c);
    follow(&w, &c);
    key(c.fd, true, 'a');
    key(c.fd, false, 'a');
    key(c.fd, true, 'A'); /* without Shift: it is pressed for that */
    key(c.fd, false, 'A');
    key(c.fd, true, 0xffe1); /* with it: '7' is typed without */
    key(c.fd, true, '7');
    key(c.fd, true, 0xffff);
    wait_events(&w, 11);
    expect_key(&w.events[0], 0x1e, true);
    expect_key(&w.events[1], 0x1e, false);
    expect_key(&w.events[2], SCAN_SHIFT, true);
    expect_key(&w.events[3], 0x1e, true);
    expect_key(&w.events[4], SCAN_SHIFT, false);
    expect_key(&w.events[5], 0x1e, false);
    expect_key(&w.events[6], SCAN_SHIFT, true);
    expect_key(&w.events[7], SCAN_SHIFT, false);
    expect_key(&w.events[8], 0x08, true);
    expect_key(&w.events[9], SCAN_SHIFT, true);
    expect_key(&w.events[10], 0xe053, true);
    w.nevents = 0;
    pointer(c.fd, 4, 100, 50);
    pointer(c.fd, 0x10, 319, 199);
    wait_events(&w, 5);
    assert_int_equal(w.events[0].kind, HID_PLACE);
    assert_int_equal(w.events[0].x, 100);
    assert_int_equal(w.events[0].h, 200);
    assert_int_equal(w.events[1].kind, HID_BUTTONS);
    assert_int_equal(w.events[1].buttons, 2);
    assert_int_equal(w.events[2].x, 319);
    assert_int_equal(w.events[3].buttons, 0);
    assert_int_equal(w.events[4].kind, HID_MOVE);
    assert_int_equal(w.events[4].z, 1);
    hang_up(&c);
    end(&w);
}

/* As a server answers to a password, once it has heard of what was said last. */
static void answers(struct world *w, const char *with, bool want)
{
    for (unsigned i = 0;; i++) { /* it looks from time to time */
        int fd = dial(w);
        bool in = handshake(fd, 2, with) == 0;

        close(fd);
        if (in == want)
            return;
        assert_true(i < 100);
        usleep(20000);
    }
}

static void expiry(void **state)
{
    static const char *const wrong[] = {"", "+", "soon", "-1", "+9e9", "99999999999999999999"};
    struct vnc_info info = {.enabled = true};
    struct error err;
    struct world w;

    (void)state;
    begin(&w, ",password=on");
    assert_true(vnc_set_password(w.vnc, "secret", &err));
    answers(&w, "secret", true);
    assert_true(vnc_expire_password(w.vnc, "now", &err));
    answers(&w, "secret", false);
    assert_true(vnc_expire_password(w.vnc, "+1000", &err));
    answers(&w, "secret", true);
    assert_true(vnc_expire_password(w.vnc, "1000000000", &err)); /* in 2001 */
    answers(&w, "secret", false);
    assert_true(vnc_expire_password(w.vnc, "never", &err));
    answers(&w, "secret", true);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(vnc_expire_password(w.vnc, wrong[i], &err));
    vnc_describe(w.vnc, &info);
    assert_string_equal(info.server.family, "unix");
    assert_string_equal(info.server.service, w.path);
    assert_true(info.password);
    end(&w);
}

static void password(void **state)
{
    struct world w;
    struct client c;
    struct error err;
    int fd;

    (void)state;
    begin(&w, ",password=on");
    fd = dial(&w);
    assert_int_not_equal(handshake(fd, 2, ""), 0); /* there is none yet: nobody may */
    close(fd);
    assert_true(vnc_set_password(w.vnc, "secret", &err));
    for (unsigned i = 0;; i++) { /* the server looks from time to time */
        fd = dial(&w);
        if (handshake(fd, 2, "secret") == 0)
            break;
        assert_true(i < 100);
        close(fd);
        usleep(20000);
    }
    int other = dial(&w);
    assert_int_not_equal(handshake(other, 2, "Secret"), 0);
    close(other);
    init_client(&c, fd);
    follow(&w, &c);
    hang_up(&c);
    end(&w);
    begin(&w, "");
    assert_false(vnc_set_password(w.vnc, "secret", &err));
    end(&w);
}

/* ---- a browser ---- */

/* RFC 6455's own example of a handshake. */
static void upgrade(int fd)
{
    static const char hello[] =
        "GET /websockify HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Origin: http://localhost\r\nSec-WebSocket-Protocol: binary\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n";
    char answer[512] = "";
    size_t n = 0;

    put(fd, hello, sizeof(hello) - 1);
    while (!strstr(answer, "\r\n\r\n") && n < sizeof(answer) - 1)
        get(fd, answer + n++, 1);
    assert_non_null(strstr(answer, "101 Switching Protocols"));
    assert_non_null(strstr(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

/* What is between a viewer and the server as a browser does it: its bytes in masked binary frames
 * of up to `piece` bytes, and the server's frames as bytes. */
struct browser {
    int viewer, server;
    size_t piece;
    pthread_t thread;
};

static bool send_frame(struct browser *b, const uint8_t *data, size_t len)
{
    const uint8_t head[] = {0x82, (uint8_t)(0x80 | len), 0x12, 0x34, 0x56, 0x78};
    uint8_t frame[6 + 125];

    memcpy(frame, head, 6);
    for (size_t i = 0; i < len; i++)
        frame[6 + i] = data[i] ^ head[2 + i % 4];
    return send(b->server, frame, 6 + len, MSG_NOSIGNAL) == (ssize_t)(6 + len);
}

static bool from_server(int fd, void *data, size_t len)
{
    for (size_t n = 0; n < len;) {
        ssize_t r = read(fd, (char *)data + n, len - n);

        if (r <= 0)
            return false;
        n += (size_t)r;
    }
    return true;
}

static bool take_frame(struct browser *b)
{
    uint8_t head[10], *data;
    size_t len;
    bool ok;

    if (!from_server(b->server, head, 2) || (head[0] & 0x0f) != 2 || head[1] & 0x80)
        return false;
    len = head[1];
    if (len >= 126) {
        unsigned bytes = len == 126 ? 2 : 8;

        if (!from_server(b->server, head, bytes))
            return false;
        len = 0;
        for (unsigned i = 0; i < bytes; i++)
            len = len << 8 | head[i];
    }
    data = malloc(len);
    ok = from_server(b->server, data, len) &&
         send(b->viewer, data, len, MSG_NOSIGNAL) == (ssize_t)len;
    free(data);
    return ok;
}

static void *browse(void *opaque)
{
    struct browser *b = opaque;
    uint8_t bytes[125];
    bool ok = true;

    while (ok) {
        struct pollfd p[2] = {{b->viewer, POLLIN, 0}, {b->server, POLLIN, 0}};

        poll(p, 2, -1);
        if (p[1].revents)
            ok = take_frame(b);
        if (ok && p[0].revents) {
            ssize_t n = read(b->viewer, bytes, b->piece);

            ok = n > 0 && send_frame(b, bytes, (size_t)n);
        }
    }
    close(b->server);
    close(b->viewer);
    return NULL;
}

/* Opens a page; returns the viewer's end. */
static int open_browser(struct browser *b, const struct world *w, size_t piece)
{
    int pair[2];

    b->server = dial(w);
    upgrade(b->server);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    b->viewer = pair[0];
    b->piece = piece;
    assert_int_equal(pthread_create(&b->thread, NULL, browse, b), 0);
    return pair[1];
}

/* A session by WebSocket beside an ordinary one: picture, new size, keys; frames of any size. */
static void websocket(void **state)
{
    struct browser b1, b2;
    struct client a, b, c;
    struct world w;
    int fd;

    (void)state;
    begin(&w, "");
    fd = open_browser(&b1, &w, 125);
    assert_int_equal(handshake(fd, 1, NULL), 0);
    init_client(&a, fd);
    fd = open_browser(&b2, &w, 3);
    assert_int_equal(handshake(fd, 1, NULL), 0);
    init_client(&b, fd);
    join_in(&w, &c);
    follow(&w, &a);
    follow(&w, &b);
    change(&w, 640, 480, 0x777777);
    follow(&w, &c);
    follow(&w, &b);
    follow(&w, &a);
    key(b.fd, true, 0xff0d);
    wait_events(&w, 1);
    expect_key(&w.events[0], SCAN_RETURN, true);
    hang_up(&a);
    pthread_join(b1.thread, NULL);
    follow(&w, &b);
    hang_up(&b);
    pthread_join(b2.thread, NULL);
    hang_up(&c);
    end(&w);
}

/* Frames that the library never comes back from, and others that RFC 6455 forbids: the connection
 * ends, and the other viewer does not notice. */
static void forbidden_frames(void **state)
{
    static const uint8_t frames[][4] = {
        {0x89, 0xfe, 0x0b, 0xb8}, /* a ping of 3000 bytes */
        {0x88, 0xfe, 0x0b, 0xb8}, /* a close */
        {0x83, 0xfe, 0x0b, 0xb8}, /* opcodes without a meaning */
        {0x8f, 0xfe, 0x0b, 0xb8},
        {0xc2, 0xfe, 0x0b, 0xb8}, /* an extension that was not agreed on */
        {0x82, 0x7e, 0x0b, 0xb8}, /* without a mask */
        {0x09, 0x80, 0, 0},       /* a ping in pieces */
    };
    uint8_t frame[3008] = {0};
    struct client c;
    struct world w;
    int fd;

    (void)state;
    begin(&w, "");
    fd = dial(&w);
    assert_int_equal(handshake(fd, 1, NULL), 0);
    init_client(&c, fd);
    for (unsigned n = 0; n < sizeof(frames) / sizeof(frames[0]); n++) {
        fd = dial(&w);
        upgrade(fd);
        memcpy(frame, frames[n], 4);
        put(fd, frame, sizeof(frame));
        follow(&w, &c);
        await_end(fd);
        close(fd);
    }
    follow(&w, &c);
    hang_up(&c);
    end(&w);
}

/* A ping and frames without a payload are no harm. */
static void control_frames(void **state)
{
    static const uint8_t frames[] = {0x89, 0x82, 0, 0, 0, 0, 'h', 'i', /* ping */
                                     0x8a, 0x80, 0, 0, 0, 0,           /* pong */
                                     0x82, 0x80, 0, 0, 0, 0};
    struct browser b;
    struct client c;
    struct world w;
    int fd;

    (void)state;
    begin(&w, "");
    fd = open_browser(&b, &w, 125);
    assert_int_equal(handshake(fd, 1, NULL), 0);
    init_client(&c, fd);
    follow(&w, &c);
    put(b.server, frames, sizeof(frames));
    follow(&w, &c);
    hang_up(&c);
    pthread_join(b.thread, NULL);
    end(&w);
}

/* Viewers that say less than the four bytes that WebSockets are known by, and stay or go: the
 * other one does not wait for the rest. */
static void short_greetings(void **state)
{
    static const char *const greetings[] = {"G", "GET", "RF", "\x16"};
    struct client c;
    struct world w;
    int fd;

    (void)state;
    begin(&w, "");
    fd = dial(&w);
    assert_int_equal(handshake(fd, 1, NULL), 0);
    init_client(&c, fd);
    for (unsigned n = 0; n < 2 * sizeof(greetings) / sizeof(greetings[0]); n++) {
        fd = dial(&w);
        put(fd, greetings[n / 2], strlen(greetings[n / 2]));
        if (n % 2)
            shutdown(fd, SHUT_WR);
        follow(&w, &c);
        close(fd);
    }
    follow(&w, &c);
    hang_up(&c);
    end(&w);
}

/* Keys of a draft before RFC 6455, behind which the library would lose its place. */
static void old_drafts(void **state)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nsec-WebSocket-key1: 1 2\r\n";
    struct world w;
    int fd;

    (void)state;
    begin(&w, "");
    fd = dial(&w);
    put(fd, request, sizeof(request) - 1);
    await_end(fd);
    close(fd);
    end(&w);
}

/* A viewer that stops in the middle of a message keeps nobody waiting, and may go on with it. */
static void half_a_message(void **state)
{
    static const uint8_t key_a[8] = {4, 1, 0, 0, 0, 0, 0, 'a'};
    struct world w;
    struct client a, b;

    (void)state;
    begin(&w, "");
    join_in(&w, &a);
    join_in(&w, &b);
    follow(&w, &b);
    put(a.fd, key_a, 3); /* a key, but which? */
    follow(&w, &b);
    put(a.fd, key_a + 3, 4);
    follow(&w, &b);
    assert_int_equal(vnc_viewers(w.vnc), 2);
    assert_int_equal(w.nevents, 0);
    put(a.fd, key_a + 7, 1);
    wait_events(&w, 1);
    expect_key(&w.events[0], 0x1e, true);
    hang_up(&a);
    hang_up(&b);
    end(&w);
}

/* A smaller picture is not to be had; asking for it does no harm, whatever sizes come after. */
static void scaling(void **state)
{
    static const uint8_t scale[] = {8, 2, 0, 0};
    struct world w;
    struct client a;

    (void)state;
    begin(&w, "");
    join_in(&w, &a);
    follow(&w, &a);
    put(a.fd, scale, sizeof(scale));
    key(a.fd, true, 'a'); /* arrives after it */
    wait_events(&w, 1);
    change(&w, 30, 20, 7);
    follow(&w, &a);
    hang_up(&a);
    end(&w);
}

/* One that asks for much and reads nothing is left alone, and does not keep the other waiting. */
static void slow_viewer(void **state)
{
    struct world w;
    struct client a, b;

    (void)state;
    begin(&w, "");
    w.width = 64;
    w.height = 48;
    join_in(&w, &a);
    join_in(&w, &b);
    for (unsigned i = 0; i < 100; i++) { /* 1.2 MB of answers */
        request(&a, false);
        if (i % 10 == 0) {
            change(&w, 64, 48, i * 77);
            follow(&w, &b);
        }
    }
    assert_int_equal(vnc_viewers(w.vnc), 2);
    hang_up(&b);
    follow(&w, &a);
    hang_up(&a);
    end(&w);
}

/* Who comes and goes, as QMP's events and query-vnc tell it. */
static void events(void **state)
{
    struct vnc_info info = {.enabled = true};
    struct world w;
    struct client c;
    int fd;

    (void)state;
    begin(&w, "");
    fd = dial(&w);
    wait_event(&w, VNC_EVENT_CONNECTED, 1);
    assert_int_equal(atomic_load(&w.happened[VNC_EVENT_INITIALIZED]), 0);
    assert_int_equal(handshake(fd, 1, NULL), 0);
    init_client(&c, fd);
    wait_event(&w, VNC_EVENT_INITIALIZED, 1);
    vnc_describe(w.vnc, &info);
    assert_int_equal(info.viewers, 1);
    assert_string_equal(info.viewer[0].family, "unix");
    hang_up(&c);
    wait_event(&w, VNC_EVENT_DISCONNECTED, 1);
    info.viewers = 0;
    vnc_describe(w.vnc, &info);
    assert_int_equal(info.viewers, 0);
    fd = dial(&w); /* one that says nothing */
    wait_event(&w, VNC_EVENT_CONNECTED, 2);
    close(fd);
    wait_event(&w, VNC_EVENT_DISCONNECTED, 2);
    assert_int_equal(atomic_load(&w.happened[VNC_EVENT_INITIALIZED]), 1);
    assert_false(w.saw_websocket);
    end(&w);
}

/* Only this host can connect, unless an address says otherwise. */
static void loopback_only(void **state)
{
    char spec[32];
    struct vnc_config config = {spec, "test", NULL, NULL, NULL, NULL};
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof(in);
    unsigned n = 20000 + (unsigned)getpid() % 10000;
    struct error err;
    struct world w;
    struct vnc *v;

    (void)state;
    begin(&w, "");
    config.display = &w.display;
    config.hid = &w.hid;
    snprintf(spec, sizeof(spec), ":%u,to=%u", n, n + 1000);
    assert_true(vnc_open(&config, &v, &err));
    assert_true(vnc_listener(v, 0) >= 0);
    for (unsigned i = 0; vnc_listener(v, i) >= 0; i++) {
        union {
            struct sockaddr any;
            struct sockaddr_in in;
            struct sockaddr_in6 in6;
        } at;
        socklen_t size = sizeof(at);

        assert_int_equal(getsockname(vnc_listener(v, i), &at.any, &size), 0);
        if (at.any.sa_family == AF_INET)
            assert_int_equal(ntohl(at.in.sin_addr.s_addr), INADDR_LOOPBACK);
        else
            assert_true(IN6_IS_ADDR_LOOPBACK(&at.in6.sin6_addr));
    }
    vnc_close(v);
    snprintf(spec, sizeof(spec), "0.0.0.0:%u,to=%u", n, n + 1000);
    assert_true(vnc_open(&config, &v, &err));
    assert_int_equal(getsockname(vnc_listener(v, 0), (struct sockaddr *)&in, &len), 0);
    assert_int_equal(in.sin_addr.s_addr, INADDR_ANY);
    vnc_close(v);
    end(&w);
}

/* Whatever comes, the server goes on. */
static void nonsense(void **state)
{
    uint32_t seed = 1;
    struct world w;
    struct client c;
    int fd;

    (void)state;
    begin(&w, "");
    for (unsigned i = 0; i < 60; i++) {
        uint8_t bytes[256];

        fd = dial(&w);
        if (i % 3) {
            assert_int_equal(handshake(fd, 1, NULL), 0);
            if (i % 3 == 2) {
                init_client(&c, fd);
                free(c.pixels);
            }
        }
        for (unsigned k = 0; k < sizeof(bytes); k++) {
            seed = seed * 1664525 + 1013904223;
            bytes[k] = (uint8_t)(seed >> 24);
        }
        bytes[0] = (uint8_t)(i / 3); /* every type of message */
        if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0)
            assert_true(true);
        close(fd);
    }
    join_in(&w, &c);
    follow(&w, &c);
    hang_up(&c);
    end(&w);
}

static void bad_specs(void **state)
{
    static const char *const specs[] = {"",
                                        "5",
                                        ":x",
                                        ":70000",
                                        "unix:",
                                        ":1,colour=1",
                                        ":0,share=no",
                                        "nohost.invalid:1",
                                        ":1,to=0",
                                        ":0,websocket=x"};
    struct vnc_config config = {NULL, "test", NULL, NULL, NULL, NULL};
    struct world w;
    struct error err;
    struct vnc *v;

    (void)state;
    begin(&w, "");
    config.display = &w.display;
    config.hid = &w.hid;
    for (unsigned i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        config.spec = specs[i];
        assert_false(vnc_open(&config, &v, &err));
        assert_true(!strncmp(err.text, "-vnc ", 5));
    }
    config.spec = w.spec; /* somebody listens there */
    assert_false(vnc_open(&config, &v, &err));
    config.spec = "none";
    assert_true(vnc_open(&config, &v, &err));
    assert_null(v);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picture),          cmocka_unit_test(input),
        cmocka_unit_test(password),         cmocka_unit_test(expiry),
        cmocka_unit_test(websocket),        cmocka_unit_test(half_a_message),
        cmocka_unit_test(scaling),          cmocka_unit_test(slow_viewer),
        cmocka_unit_test(loopback_only),    cmocka_unit_test(nonsense),
        cmocka_unit_test(bad_specs),        cmocka_unit_test(events),
        cmocka_unit_test(forbidden_frames), cmocka_unit_test(control_frames),
        cmocka_unit_test(old_drafts),       cmocka_unit_test(short_greetings),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void skipped(void **state)
{
    (void)state;
    puts("skip: vnc: built without libvncserver");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {{"vnc", skipped, NULL, NULL, NULL}};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
