/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gdb server: what a client sends, as it comes (the first byte is odd) or as strings in frames
 * with the right sums. A machine of two processors runs a little after each packet. What comes back
 * is acknowledgements and whole frames with the right sums. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "debugger/debugger.h"
#include "debugger/gdb.h"
#include "debugger/gdb_wire.h"
#include "monitor/control.h"
#include "tests/fuzz/box.h"

/* No file is written, whatever name the input has for one. */
bool control_save_memory(struct control *ctl, int cpu, uint64_t addr, uint64_t size,
                         const char *path, struct error *err)
{
    (void)ctl, (void)cpu, (void)addr, (void)size;
    return *path || error_set(err, "a name is expected");
}

static void check_output(void *opaque, const void *bytes, size_t n)
{
    const char *p = bytes;
    uint8_t sum = 0;
    uint64_t told;

    (void)opaque;
    fuzz_check(n);
    if (n == 1) {
        fuzz_check(*p == '+' || *p == '-');
        return;
    }
    fuzz_check(n >= 4 && p[0] == '$' && p[n - 3] == '#');
    for (size_t i = 1; i < n - 3; i++) {
        fuzz_check(p[i] != '$' && p[i] != '#');
        sum += (uint8_t)p[i];
    }
    const char tail[] = {p[n - 2], p[n - 1], '\0'}, *at = tail;
    fuzz_check(gdb_take_hex(&at, &told) && told == sum);
}

static void quit(void *opaque)
{
    (void)opaque;
}

static void send_framed(struct gdb *g, const uint8_t *bytes, size_t n)
{
    uint8_t sum = 0;
    char tail[4];

    for (size_t i = 0; i < n; i++)
        sum += bytes[i];
    snprintf(tail, sizeof(tail), "#%02x", sum);
    gdb_feed(g, "$", 1);
    gdb_feed(g, bytes, n);
    gdb_feed(g, tail, 3);
}

/* Up to the next 1EH, or all of it. */
static size_t take_piece(struct fuzz_input *in, const uint8_t **piece)
{
    const uint8_t *end = in->left ? memchr(in->data, 0x1e, in->left) : NULL;
    size_t n = end ? (size_t)(end - in->data) : in->left;

    *piece = in->data;
    in->data += n + (end != NULL);
    in->left -= n + (end != NULL);
    return n;
}

static void go_on(struct box *b, struct debugger *d, struct gdb *g)
{
    if (debugger_running(d))
        box_run(b, 100);
    debugger_poll(d);
    gdb_poll(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct box *b = box_get(2);
    struct monitor_about about = {
        .machine = "pc", .pc = &b->pc, .cpu = &cpu_of(b->pc.m.cpus[0])->model};
    struct monitor_hooks hooks = {.quit = quit, .opaque = b};
    struct control *ctl = control_new(&b->pc.m, &about, &hooks);
    struct debugger *d;
    struct gdb *g;
    struct error err;
    bool raw = fuzz_u8(&in) & 1;

    fuzz_check(ctl);
    d = debugger_new(ctl, &err);
    fuzz_check(d);
    g = gdb_new(d, NULL, &err);
    fuzz_check(g);
    gdb_on_output(g, check_output, NULL);
    gdb_client(g, true);
    while (in.left) {
        const uint8_t *piece;
        size_t n = take_piece(&in, &piece);

        if (raw)
            gdb_feed(g, piece, n);
        else
            send_framed(g, piece, n);
        go_on(b, d, g);
    }
    machine_lock(&b->pc.m);
    gdb_free(g);
    debugger_free(d);
    machine_unlock(&b->pc.m);
    control_free(ctl);
    return 0;
}
