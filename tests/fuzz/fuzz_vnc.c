/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VNC: any bytes as what a viewer sends, at any stage of the protocol, with and without WebSocket
 * frames and a password, while the picture changes its size. Another viewer stays connected and
 * keeps being served. The first byte says which stage; then come pieces, each with its length. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "config.h"
#include "host/ui/display.h"
#include "host/ui/hid.h"
#include "host/ui/keymap.h"
#include "host/ui/vnc.h"
#include "tests/fuzz/fuzz.h"
#include "vm/input.h"

#if CONFIG_VNC

enum { WEBSOCKET = 1, PASSWORD = 2, GREETED = 4, CONNECTED = 8, RESIZES = 16 };

struct screen {
    struct machine m;
    struct display display;
    struct hid hid;
    struct input_source source;
    unsigned width, height, colour;
};

static void draw(void *opaque, struct surface *s)
{
    struct screen *w = opaque;
    uint32_t row[256];

    if (!surface_resize(s, w->width, w->height))
        return;
    for (unsigned x = 0; x < w->width; x++)
        row[x] = (w->colour + x * 77) & 0xffffff;
    for (unsigned y = 0; y < w->height; y++)
        surface_put_row(s, y, row);
}

static bool no_text(void *opaque, struct text_screen *t)
{
    (void)opaque, (void)t;
    return false;
}

/* Whatever arrives at the machine is an event. */
static void deliver(void *opaque, const uint8_t *data, size_t len)
{
    struct hid_event e;

    (void)opaque;
    fuzz_check(hid_decode(data, len, &e));
}

static void open_screen(struct screen *w)
{
    const struct display_source source = {draw, no_text, w};
    struct error err;

    *w = (struct screen){.width = 64, .height = 48};
    fuzz_check(machine_init(&w->m, 1 << 16, 0, &err));
    display_init(&w->display, &w->m, &source);
    input_register(&w->m, &w->source, "hid", deliver, w);
    w->hid.m = &w->m;
    w->hid.source = &w->source;
}

static void drain(int fd)
{
    uint8_t bytes[4096];

    while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
}

/* Our end of a connection; the other is for vnc_add_viewer(). */
static int connect_pair(int *theirs)
{
    int fd[2];

    fuzz_check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd));
    *theirs = fd[0];
    return fd[1];
}

static const char hello[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                            "Origin: a\r\nSec-WebSocket-Protocol: binary\r\n"
                            "Sec-WebSocket-Version: 13\r\n\r\n";

/* With WebSockets each piece becomes a frame, unless it is told to be one already. */
static void put(int fd, bool frame, const uint8_t *data, size_t size)
{
    uint8_t head[8] = {0x82, (uint8_t)(0x80 | (size < 126 ? size : 126))};
    size_t n = 2;

    if (size >= 126) {
        head[n++] = (uint8_t)(size >> 8);
        head[n++] = (uint8_t)size;
    }
    if (frame)
        (void)!send(fd, head, n + 4, MSG_NOSIGNAL); /* a mask of zeros */
    (void)!send(fd, data, size, MSG_NOSIGNAL);
}

/* As far as the stage says: version, security type, shared, all encodings of a viewer. */
static void introduce(int fd, unsigned stage)
{
    static const uint8_t version[] = "RFB 003.008\n", none = 1, vnc = 2, shared = 1;
    static const uint8_t ask[] = {2,    0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff,
                                  0x21, 3, 0, 0, 0, 0, 0, 0, 64,   0,    48};
    bool frame = stage & WEBSOCKET;

    if (frame)
        put(fd, false, (const uint8_t *)hello, sizeof(hello) - 1);
    if (stage & (GREETED | CONNECTED))
        put(fd, frame, version, 12);
    if (!(stage & CONNECTED))
        return;
    put(fd, frame, stage & PASSWORD ? &vnc : &none, 1);
    if (stage & PASSWORD) /* the answer is the input's */
        return;
    put(fd, frame, &shared, 1);
    put(fd, frame, ask, sizeof(ask));
}

/* All of them are there before the server looks: it would wait for the rest of a message. */
static void pieces(int fd, unsigned stage, struct fuzz_input *in)
{
    for (unsigned n = 0; in->left && n < 64; n++) {
        bool framed = stage & WEBSOCKET && fuzz_u8(in) & 1;
        size_t size;
        uint8_t *data = fuzz_bytes(in, 600, &size);

        if (size)
            put(fd, framed, data, size);
        free(data);
    }
    shutdown(fd, SHUT_WR);
}

/* A message or so, while the picture changes. */
static void step(struct screen *w, struct vnc *v, int fd, unsigned stage)
{
    if (stage & RESIZES) {
        w->width = 1 + (w->width * 7 + 3) % 200;
        w->height = 1 + (w->height * 5 + 1) % 100;
    }
    w->colour += 0x10101;
    machine_lock(&w->m);
    display_refresh_locked(&w->display);
    machine_unlock(&w->m);
    vnc_step(v, 0);
    drain(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char first[] = "RFB 003.008\n\1\1";
    struct fuzz_input in = {data, size};
    unsigned stage = fuzz_u8(&in);
    struct error err = {""};
    struct screen w;
    char spec[80];
    struct vnc *v;

    open_screen(&w);
    snprintf(spec, sizeof(spec), "unix:/tmp/calque-fuzz-vnc-%d%s", (int)getpid(),
             stage & PASSWORD ? ",password=on" : "");
    struct vnc_config config = {spec, "fuzz", &w.display, &w.hid, keymap_find("de", &err), NULL};
    fuzz_check(vnc_open(&config, &v, &err) && v);
    if (stage & PASSWORD)
        fuzz_check(vnc_set_password(v, "secret", &err));
    int theirs, other = -1, fd;
    if (!(stage & PASSWORD)) {
        other = connect_pair(&theirs);
        put(other, false, (const uint8_t *)first, sizeof(first) - 1);
        vnc_add_viewer(v, theirs);
    }
    fd = connect_pair(&theirs);
    introduce(fd, stage);
    pieces(fd, stage, &in);
    vnc_add_viewer(v, theirs);
    for (unsigned n = 0; n < 20000 && vnc_viewers(v) > (other >= 0); n++)
        step(&w, v, fd, stage);
    fuzz_check(vnc_viewers(v) == (other >= 0)); /* it has hung up; the other has not */
    close(fd);
    if (other >= 0)
        close(other);
    machine_lock(&w.m);
    input_deliver(&w.m);
    machine_unlock(&w.m);
    vnc_close(v);
    display_destroy(&w.display);
    machine_destroy(&w.m);
    return 0;
}
#else
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)data, (void)size;
    return 0;
}
#endif
