/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Polynomials over GF(2): PCLMULQDQ and CRC32. */
#include "cpu/x86/vec_crypto.h"

void vec_pclmulqdq(union v128 *d, const union v128 *s, unsigned imm)
{
    uint64_t a = d->q[imm & 1], b = s->q[imm >> 4 & 1];
    uint64_t low = -(b & 1) & a, high = 0;
    for (unsigned k = 1; k < 64; k++) {
        uint64_t mask = -(b >> k & 1);
        low ^= a << k & mask;
        high ^= a >> (64 - k) & mask;
    }
    d->q[0] = low;
    d->q[1] = high;
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
