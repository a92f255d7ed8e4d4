/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_VIRTIO_P9_H
#define CALQUE_DEVICES_VIRTIO_P9_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bits.h"

/* Messages of 9P2000.L (Linux, include/net/9p/9p.h; diod, protocol.md): little endian, a string is
 * its length in 16 bits and its bytes. */

#define P9_HEADER 7u /* size, type, tag */

enum p9_type {
    P9_RLERROR = 7,
    P9_TSTATFS = 8,
    P9_TLOPEN = 12,
    P9_TLCREATE = 14,
    P9_TSYMLINK = 16,
    P9_TMKNOD = 18,
    P9_TRENAME = 20,
    P9_TREADLINK = 22,
    P9_TGETATTR = 24,
    P9_TSETATTR = 26,
    P9_TXATTRWALK = 30,
    P9_TXATTRCREATE = 32,
    P9_TREADDIR = 40,
    P9_TFSYNC = 50,
    P9_TLOCK = 52,
    P9_TGETLOCK = 54,
    P9_TLINK = 70,
    P9_TMKDIR = 72,
    P9_TRENAMEAT = 74,
    P9_TUNLINKAT = 76,
    P9_TVERSION = 100,
    P9_TATTACH = 104,
    P9_TFLUSH = 108,
    P9_TWALK = 110,
    P9_TREAD = 116,
    P9_TWRITE = 118,
    P9_TCLUNK = 120,
    P9_TREMOVE = 122,
};

/* A message that is read. What is not there reads as zeros, and the message is bad. */
struct p9_in {
    const uint8_t *at;
    size_t left;
    bool bad;
};

static inline uint64_t p9_get(struct p9_in *in, unsigned size)
{
    uint64_t v = 0;

    if (in->left < size) {
        in->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)in->at[i] << 8 * i;
    in->at += size;
    in->left -= size;
    return v;
}

static inline uint32_t p9_get32(struct p9_in *in)
{
    return (uint32_t)p9_get(in, 4);
}

/* Into room for `size` bytes, with a zero behind it. One that is longer or has zeros in it is bad.
 */
static inline void p9_get_string(struct p9_in *in, char *text, size_t size)
{
    size_t len = (size_t)p9_get(in, 2);

    text[0] = 0;
    if (in->left < len || len >= size || memchr(in->at, 0, len)) {
        in->bad = true;
        return;
    }
    memcpy(text, in->at, len);
    text[len] = 0;
    in->at += len;
    in->left -= len;
}

/* A message that is written; what does not fit is lost. */
struct p9_out {
    uint8_t *data;
    size_t len, max;
    bool full;
};

static inline void p9_put(struct p9_out *out, uint64_t v, unsigned size)
{
    if (out->max - out->len < size) {
        out->full = true;
        return;
    }
    for (unsigned i = 0; i < size; i++)
        out->data[out->len++] = (uint8_t)(v >> 8 * i);
}

static inline void p9_put_bytes(struct p9_out *out, const void *bytes, size_t n)
{
    if (out->max - out->len < n) {
        out->full = true;
        return;
    }
    if (n)
        memcpy(out->data + out->len, bytes, n);
    out->len += n;
}

static inline void p9_put_string(struct p9_out *out, const char *text)
{
    size_t len = strlen(text);

    p9_put(out, len, 2);
    p9_put_bytes(out, text, len);
}

#endif
