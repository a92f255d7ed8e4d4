/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_GDB_WIRE_H
#define CALQUE_DEBUGGER_GDB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* gdb's remote protocol as bytes on a line (gdb manual, appendix E "Overview"): framing, checksums,
 * escapes, acknowledgements. What a packet means is not known here. */

#define GDB_PACKET_MAX 0x20000 /* bytes of a packet, without frame and escapes; PacketSize */

struct gdb_wire {
    /* Whole packets, with a NUL behind them; len is that of the packet. */
    void (*packet)(void *opaque, char *text, size_t len);
    /* A packet that is no good: the sender waits for an answer to it. */
    void (*refused)(void *opaque, const char *why);
    void (*interrupt)(void *opaque); /* Ctrl-C between packets */
    void (*write)(void *opaque, const void *bytes, size_t n);
    void *opaque;
    bool no_ack; /* QStartNoAckMode */
    enum { GDB_IDLE, GDB_BODY, GDB_SUM_HIGH, GDB_SUM_LOW } state;
    bool escaped, too_long;
    uint8_t sum, told_sum;
    bool bad_sum; /* not even hexadecimal */
    char *in;
    size_t len;
    uint8_t *out; /* the last frame, to be sent again */
    size_t out_len, out_size;
};

/* The callbacks and opaque are set before. False: out of memory. */
bool gdb_wire_init(struct gdb_wire *w);
void gdb_wire_destroy(struct gdb_wire *w);
/* A new connection: nothing is half received, acknowledgements are wanted. */
void gdb_wire_restart(struct gdb_wire *w);
void gdb_wire_input(struct gdb_wire *w, const uint8_t *bytes, size_t n);
/* Frames and sends a packet; any bytes. Out of memory: nothing is sent. */
void gdb_wire_send(struct gdb_wire *w, const char *data, size_t len);

/* ---- the text in packets ---- */

/* A packet being written; more than GDB_PACKET_MAX is cut off and noted. */
struct gdb_reply {
    char data[GDB_PACKET_MAX + 1]; /* ends with a NUL */
    size_t len;
    bool full;
};

void gdb_put(struct gdb_reply *r, const void *data, size_t len);
__attribute__((format(printf, 2, 3))) void gdb_print(struct gdb_reply *r, const char *fmt, ...);
void gdb_put_hex(struct gdb_reply *r, const void *bytes, size_t n);
/* Takes a hexadecimal number of at most 16 digits at *p, and *p behind it. False: there is none. */
bool gdb_take_hex(const char **p, uint64_t *value);
/* The same, and then this character. */
bool gdb_take_hex_then(const char **p, uint64_t *value, char then);
/* Takes 2 * n digits; false: they are not there. */
bool gdb_take_bytes(const char **p, void *bytes, size_t n);

#endif
