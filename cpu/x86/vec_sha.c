/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SHA instructions (FIPS 180-4; SDM vol. 1 chapter on SHA extensions). Element 3 of a register
 * is the oldest word, or A. */
#include "cpu/x86/vec_crypto.h"

static uint32_t rol(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}
static uint32_t ror(uint32_t v, unsigned n)
{
    return v >> n | v << (32 - n);
}
static uint32_t choose(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) ^ (~x & z);
}
static uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) ^ (x & z) ^ (y & z);
}

/* ---- SHA-1 ---- */

void vec_sha1nexte(union v128 *d, const union v128 *s)
{
    uint32_t e = rol(d->d[3], 30);
    *d = *s;
    d->d[3] += e;
}
void vec_sha1msg1(union v128 *d, const union v128 *s)
{
    const union v128 a = *d, b = *s;
    d->d[3] = a.d[1] ^ a.d[3];
    d->d[2] = a.d[0] ^ a.d[2];
    d->d[1] = b.d[3] ^ a.d[1];
    d->d[0] = b.d[2] ^ a.d[0];
}
void vec_sha1msg2(union v128 *d, const union v128 *s)
{
    const union v128 a = *d, b = *s;
    d->d[3] = rol(a.d[3] ^ b.d[2], 1);
    d->d[2] = rol(a.d[2] ^ b.d[1], 1);
    d->d[1] = rol(a.d[1] ^ b.d[0], 1);
    d->d[0] = rol(a.d[0] ^ d->d[3], 1);
}
/* imm[1:0]: which twenty of the eighty rounds (4.1.1, 4.2.1). The words come with E added to the
 * first. */
void vec_sha1rnds4(union v128 *d, const union v128 *s, unsigned imm)
{
    static const uint32_t constant[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    const union v128 words = *s;
    uint32_t a = d->d[3], b = d->d[2], c = d->d[1], e = 0, dd = d->d[0];
    unsigned part = imm & 3;
    for (unsigned k = 4; k-- > 0;) {
        uint32_t f = part == 0 ? choose(b, c, dd) : part == 2 ? majority(b, c, dd) : b ^ c ^ dd;
        uint32_t next = f + rol(a, 5) + words.d[k] + e + constant[part];
        e = dd;
        dd = c;
        c = rol(b, 30);
        b = a;
        a = next;
    }
    *d = (union v128){.d = {dd, c, b, a}};
}

/* ---- SHA-256 (4.1.2) ---- */

static uint32_t small0(uint32_t x)
{
    return ror(x, 7) ^ ror(x, 18) ^ x >> 3;
}
static uint32_t small1(uint32_t x)
{
    return ror(x, 17) ^ ror(x, 19) ^ x >> 10;
}
static uint32_t big0(uint32_t x)
{
    return ror(x, 2) ^ ror(x, 13) ^ ror(x, 22);
}
static uint32_t big1(uint32_t x)
{
    return ror(x, 6) ^ ror(x, 11) ^ ror(x, 25);
}
void vec_sha256msg1(union v128 *d, const union v128 *s)
{
    uint32_t after = s->d[0];
    for (unsigned k = 0; k < 4; k++)
        d->d[k] += small0(k < 3 ? d->d[k + 1] : after);
}
void vec_sha256msg2(union v128 *d, const union v128 *s)
{
    const union v128 b = *s;
    d->d[0] += small1(b.d[2]);
    d->d[1] += small1(b.d[3]);
    d->d[2] += small1(d->d[0]);
    d->d[3] += small1(d->d[1]);
}
/* Destination: C D G H; source: A B E F. Two rounds later that is A B E F, and the source is the
 * new C D G H. */
void vec_sha256rnds2(union v128 *d, const union v128 *s, const union v128 *wk)
{
    uint32_t a = s->d[3], b = s->d[2], c = d->d[3], dd = d->d[2];
    uint32_t e = s->d[1], f = s->d[0], g = d->d[1], h = d->d[0];
    const uint32_t words[2] = {wk->d[0], wk->d[1]};
    for (unsigned k = 0; k < 2; k++) {
        uint32_t t1 = h + big1(e) + choose(e, f, g) + words[k];
        uint32_t t2 = big0(a) + majority(a, b, c);
        h = g;
        g = f;
        f = e;
        e = dd + t1;
        dd = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    *d = (union v128){.d = {f, e, b, a}};
}
