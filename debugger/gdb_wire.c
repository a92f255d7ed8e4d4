/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debugger/gdb_wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERRUPT 0x03
#define ESCAPE    '}'
#define ESCAPE_BY 0x20

static const char digits[] = "0123456789abcdef";

bool gdb_wire_init(struct gdb_wire *w)
{
    w->in = malloc(GDB_PACKET_MAX + 1);
    w->out = NULL;
    w->out_size = 0;
    gdb_wire_restart(w);
    return w->in;
}

void gdb_wire_destroy(struct gdb_wire *w)
{
    free(w->in);
    free(w->out);
}

void gdb_wire_restart(struct gdb_wire *w)
{
    w->state = GDB_IDLE;
    w->no_ack = false;
    w->out_len = 0;
}

static int digit(char c)
{
    const char *at = c ? strchr(digits, c | ((c >= 'A' && c <= 'F') ? 0x20 : 0)) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* ---- receiving ---- */

static void begin(struct gdb_wire *w)
{
    w->state = GDB_BODY;
    w->len = 0;
    w->sum = 0;
    w->escaped = w->too_long = w->bad_sum = false;
}

static void idle(struct gdb_wire *w, uint8_t byte)
{
    if (byte == '$')
        begin(w);
    else if (byte == INTERRUPT)
        w->interrupt(w->opaque);
    else if (byte == '-' && !w->no_ack && w->out_len)
        w->write(w->opaque, w->out, w->out_len);
}

static void body(struct gdb_wire *w, uint8_t byte)
{
    if (byte == '$') { /* the end of the last one was lost: in a packet it is escaped */
        begin(w);
        return;
    }
    if (byte == '#') {
        w->state = GDB_SUM_HIGH;
        return;
    }
    w->sum += byte;
    if (!w->escaped && byte == ESCAPE) {
        w->escaped = true;
        return;
    }
    if (w->escaped)
        byte ^= ESCAPE_BY;
    w->escaped = false;
    if (w->len == GDB_PACKET_MAX)
        w->too_long = true;
    else
        w->in[w->len++] = (char)byte;
}

/* A frame is complete. Without acknowledgements nobody sends it again: a wrong one is refused as a
 * packet is. */
static void complete(struct gdb_wire *w)
{
    bool good = !w->bad_sum && w->told_sum == w->sum && !w->escaped;

    w->state = GDB_IDLE;
    if (!w->no_ack)
        w->write(w->opaque, good ? "+" : "-", 1);
    if (good && w->too_long) {
        w->refused(w->opaque, "the packet is longer than PacketSize");
    } else if (good) {
        w->in[w->len] = '\0';
        w->packet(w->opaque, w->in, w->len);
    } else if (w->no_ack) {
        w->refused(w->opaque, "the packet's checksum is wrong");
    }
}

static void checksum(struct gdb_wire *w, uint8_t byte)
{
    int n = digit((char)byte);

    w->bad_sum |= n < 0;
    w->told_sum = (uint8_t)(w->told_sum << 4 | (n & 15));
    if (w->state == GDB_SUM_HIGH)
        w->state = GDB_SUM_LOW;
    else
        complete(w);
}

void gdb_wire_input(struct gdb_wire *w, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        switch (w->state) {
        case GDB_IDLE:
            idle(w, bytes[i]);
            break;
        case GDB_BODY:
            body(w, bytes[i]);
            break;
        default:
            checksum(w, bytes[i]);
        }
}

/* ---- sending ---- */

static bool must_escape(char c)
{
    return c == '#' || c == '$' || c == '*' || c == ESCAPE;
}

void gdb_wire_send(struct gdb_wire *w, const char *data, size_t len)
{
    uint8_t sum = 0, *p;

    if (w->out_size < 2 * len + 4) {
        uint8_t *grown = realloc(w->out, 2 * len + 4);

        if (!grown)
            return;
        w->out = grown;
        w->out_size = 2 * len + 4;
    }
    p = w->out;
    *p++ = '$';
    for (size_t i = 0; i < len; i++) {
        if (must_escape(data[i])) {
            *p++ = ESCAPE;
            *p++ = (uint8_t)data[i] ^ ESCAPE_BY;
        } else {
            *p++ = (uint8_t)data[i];
        }
    }
    for (const uint8_t *q = w->out + 1; q < p; q++)
        sum += *q;
    *p++ = '#';
    *p++ = (uint8_t)digits[sum >> 4];
    *p++ = (uint8_t)digits[sum & 15];
    w->out_len = (size_t)(p - w->out);
    w->write(w->opaque, w->out, w->out_len);
}

/* ---- text ---- */

void gdb_put(struct gdb_reply *r, const void *data, size_t len)
{
    size_t room = GDB_PACKET_MAX - r->len;

    r->full |= len > room;
    len = len < room ? len : room;
    memcpy(r->data + r->len, data, len);
    r->len += len;
    r->data[r->len] = '\0';
}

void gdb_print(struct gdb_reply *r, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n > 0)
        gdb_put(r, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

void gdb_put_hex(struct gdb_reply *r, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i < n; i++) {
        const char pair[2] = {digits[p[i] >> 4], digits[p[i] & 15]};

        gdb_put(r, pair, 2);
    }
}

bool gdb_take_hex(const char **p, uint64_t *value)
{
    const char *at = *p;

    *value = 0;
    for (; digit(*at) >= 0; at++) {
        if (at - *p == 16)
            return false;
        *value = *value << 4 | (unsigned)digit(*at);
    }
    if (at == *p)
        return false;
    *p = at;
    return true;
}

bool gdb_take_hex_then(const char **p, uint64_t *value, char then)
{
    if (!gdb_take_hex(p, value) || **p != then)
        return false;
    if (then)
        ++*p;
    return true;
}

bool gdb_take_bytes(const char **p, void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++, *p += 2) {
        int high = digit((*p)[0]), low = high < 0 ? -1 : digit((*p)[1]);

        if (low < 0)
            return false;
        ((uint8_t *)bytes)[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
