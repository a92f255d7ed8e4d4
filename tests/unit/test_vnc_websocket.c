/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VNC server and viewers in a browser (RFC 6455). */
#include <pthread.h>

#include "vnc_viewer.h"

#if CONFIG_VNC

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(websocket),       cmocka_unit_test(forbidden_frames),
        cmocka_unit_test(control_frames),  cmocka_unit_test(old_drafts),
        cmocka_unit_test(short_greetings),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
