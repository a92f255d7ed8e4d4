/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_UNIT_VNC_VIEWER_H
#define CALQUE_TESTS_UNIT_VNC_VIEWER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "config.h"

/* What tests of VNC have in common: without libvncserver all of them. */

#if !CONFIG_VNC

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

#else

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rfb/rfb.h>

#include "base/error.h"
#include "host/ui/display.h"
#include "host/ui/hid.h"
#include "host/ui/keymap.h"
#include "host/ui/keys.h"
#include "host/ui/ui.h"
#include "host/ui/vnc.h"
#include "vm/machine.h"

/* A machine with a picture, its VNC server, and viewers of our own. */

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

static inline uint32_t pixel(const struct world *w, unsigned x, unsigned y)
{
    return (w->colour + x * 0x10003 + y * 0x501) & 0xffffff;
}

static inline void draw(void *opaque, struct surface *s)
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

static inline bool no_text(void *opaque, struct text_screen *t)
{
    (void)opaque, (void)t;
    return false;
}

static inline void deliver(void *opaque, const uint8_t *data, size_t len)
{
    struct world *w = opaque;
    struct hid_event e;

    assert_true(hid_decode(data, len, &e));
    if (w->nevents < 64)
        w->events[w->nevents++] = e;
}

static inline void count_event(void *opaque, enum vnc_event event, const struct vnc_peer *server,
                               const struct vnc_peer *viewer, bool password)
{
    struct world *w = opaque;

    (void)password;
    assert_string_equal(server->service, w->path);
    assert_string_equal(viewer->family, "unix");
    w->saw_websocket |= viewer->websocket;
    atomic_fetch_add(&w->happened[event], 1);
}

static inline void wait_event(struct world *w, enum vnc_event event, unsigned count)
{
    for (unsigned i = 0; atomic_load(&w->happened[event]) != count; i++) {
        assert_true(i < 3000);
        usleep(10000);
    }
}

static inline void begin(struct world *w, const char *options)
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

static inline void end(struct world *w)
{
    vnc_close(w->vnc);
    assert_int_equal(access(w->path, F_OK), -1); /* the socket file is gone */
    display_destroy(&w->display);
    machine_destroy(&w->m);
}

/* ---- a client ---- */

static inline int dial(const struct world *w)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", w->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    return fd;
}

static inline void get(int fd, void *buf, size_t len)
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
static inline void await_end(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint8_t bytes[512];

    do
        assert_int_equal(poll(&p, 1, 30000), 1);
    while (read(fd, bytes, sizeof(bytes)) > 0);
}

static inline void put(int fd, const void *buf, size_t len)
{
    assert_int_equal(write(fd, buf, len), len);
}

static inline unsigned get16(int fd)
{
    uint8_t b[2];

    get(fd, b, 2);
    return b[0] << 8 | b[1];
}

static inline uint32_t get32(int fd)
{
    uint32_t high = get16(fd) << 16;

    return high | get16(fd);
}

/* Version and security type, which is 2 with a password; returns the result of the latter. */
static inline uint32_t handshake(int fd, uint8_t want, const char *password)
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
    if (password) {
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
static inline void init_client(struct client *c, int fd)
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

static inline void request(struct client *c, bool incremental)
{
    uint8_t rq[10] = {3,        incremental,    0,        0, 0, 0, c->width >> 8,
                      c->width, c->height >> 8, c->height};

    put(c->fd, rq, 10);
}

static inline void read_rect(struct client *c)
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

static inline void read_update(struct client *c)
{
    uint8_t type, pad;

    get(c->fd, &type, 1);
    assert_int_equal(type, 0);
    get(c->fd, &pad, 1);
    for (unsigned n = get16(c->fd); n; n--)
        read_rect(c);
}

static inline bool same(const struct world *w, const struct client *c)
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
static inline void join_in(const struct world *w, struct client *c)
{
    int fd = dial(w);

    assert_int_equal(handshake(fd, 1, NULL), 0);
    init_client(c, fd);
}

/* Until the viewer sees what the machine shows; each wait is for news, which must come. */
static inline void follow(const struct world *w, struct client *c)
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

static inline void change(struct world *w, unsigned width, unsigned height, uint32_t colour)
{
    machine_lock(&w->m);
    w->width = width;
    w->height = height;
    w->colour = colour;
    machine_unlock(&w->m);
}

static inline void hang_up(struct client *c)
{
    close(c->fd);
    free(c->pixels);
}

static inline void key(int fd, bool down, uint32_t sym)
{
    uint8_t m[8] = {4, down, 0, 0, sym >> 24, sym >> 16, sym >> 8, sym};

    put(fd, m, 8);
}

static inline void pointer(int fd, uint8_t buttons, unsigned x, unsigned y)
{
    uint8_t m[6] = {5, buttons, x >> 8, x, y >> 8, y};

    put(fd, m, 6);
}

static inline void wait_events(struct world *w, unsigned n)
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

static inline void expect_key(const struct hid_event *e, unsigned code, bool down)
{
    assert_int_equal(e->kind, HID_KEY);
    assert_int_equal(e->code, code);
    assert_int_equal(e->down, down);
}

#endif
#endif
