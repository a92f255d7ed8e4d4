/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Polynomials over GF(2): PCLMULQDQ and CRC32. */
#include "cpu/x86/vec_crypto.h"

/* The low 64 bits of a product. Of each factor every fourth bit at a time: at most sixteen ones
 * meet in a place, and their carries stay within the three places above it that are not looked at.
 */
static uint64_t low_product(uint64_t x, uint64_t y)
{
    const uint64_t fourth = 0x1111111111111111;
    uint64_t r = 0;
    for (unsigned k = 0; k < 4; k++) {
        uint64_t z = 0;
        for (unsigned i = 0; i < 4; i++)
            z ^= (x & fourth << i) * (y & fourth << ((k - i) & 3));
        r |= z & fourth << k;
    }
    return r;
}
static uint64_t reverse(uint64_t v)
{
    v = (v & 0x5555555555555555) << 1 | (v >> 1 & 0x5555555555555555);
    v = (v & 0x3333333333333333) << 2 | (v >> 2 & 0x3333333333333333);
    v = (v & 0x0f0f0f0f0f0f0f0f) << 4 | (v >> 4 & 0x0f0f0f0f0f0f0f0f);
    return __builtin_bswap64(v);
}
/* Backwards, the high half is a low half: bits 126 to 63. */
void vec_pclmulqdq(union v128 *d, const union v128 *s, unsigned imm)
{
    uint64_t a = d->q[imm & 1], b = s->q[imm >> 4 & 1];
    d->q[0] = low_product(a, b);
    d->q[1] = reverse(low_product(reverse(a), reverse(b))) >> 1;
}

uint32_t crc32c(uint32_t crc, uint64_t src, unsigned bits)
{
    /* What four bits that fall out do to the rest: n divided by the reflected polynomial. */
    static const uint32_t fall[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    for (unsigned k = 0; k < bits; k += 4, src >>= 4)
        crc = crc >> 4 ^ fall[(crc ^ src) & 15];
    return crc;
}
