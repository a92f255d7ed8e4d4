/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The AES, SHA, PCLMULQDQ and CRC32 functions against the standards' known answers: whole ciphers
 * and hashes put together as programs do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "cpu/x86/vec_crypto.h"
#include "cpu/x86/vec_round.h"
#include "cpu/x86/vec_sse4.h"
#include "cpu/x86/vec_string.h"

/* ---- AES-128: FIPS 197 appendices A.1, B and C.1 ---- */

static void expand_key(union v128 key[11], const uint8_t *bytes)
{
    static const uint8_t rcon[10] = {1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36};

    memcpy(&key[0], bytes, 16);
    for (unsigned n = 1; n <= 10; n++) {
        union v128 help;
        vec_aeskeygenassist(&help, &key[n - 1], rcon[n - 1]);
        uint32_t word = help.d[3];
        for (unsigned k = 0; k < 4; k++)
            key[n].d[k] = word ^= key[n - 1].d[k];
    }
}

static void aes_cipher(const uint8_t *key_bytes, const uint8_t *plain, const uint8_t *cipher)
{
    union v128 key[11], s;

    expand_key(key, key_bytes);
    memcpy(&s, plain, 16);
    s.q[0] ^= key[0].q[0];
    s.q[1] ^= key[0].q[1];
    for (unsigned n = 1; n < 10; n++)
        vec_aesenc(&s, &key[n]);
    vec_aesenclast(&s, &key[10]);
    assert_memory_equal(&s, cipher, 16);

    s.q[0] ^= key[10].q[0];
    s.q[1] ^= key[10].q[1];
    for (unsigned n = 9; n > 0; n--) {
        union v128 inverse;
        vec_aesimc(&inverse, &key[n]);
        vec_aesdec(&s, &inverse);
    }
    vec_aesdeclast(&s, &key[0]);
    assert_memory_equal(&s, plain, 16);
}

static void aes(void **state)
{
    static const uint8_t key_b[16] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                      0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
    static const uint8_t plain_b[16] = {0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a, 0x30, 0x8d,
                                        0x31, 0x31, 0x98, 0xa2, 0xe0, 0x37, 0x07, 0x34};
    static const uint8_t cipher_b[16] = {0x39, 0x25, 0x84, 0x1d, 0x02, 0xdc, 0x09, 0xfb,
                                         0xdc, 0x11, 0x85, 0x97, 0x19, 0x6a, 0x0b, 0x32};
    static const uint8_t cipher_c[16] = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
                                         0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};
    uint8_t key_c[16], plain_c[16];
    union v128 key[11];

    (void)state;
    aes_cipher(key_b, plain_b, cipher_b);
    for (unsigned k = 0; k < 16; k++) {
        key_c[k] = (uint8_t)k;
        plain_c[k] = (uint8_t)(0x11 * k);
    }
    aes_cipher(key_c, plain_c, cipher_c);
    expand_key(key, key_b);
    assert_int_equal(key[10].d[3], 0xa60c63b6); /* w43, first byte lowest */
}

/* ---- SHA: FIPS 180-4 with the examples of one block, "abc" ---- */

static void padded_abc(uint32_t words[16])
{
    memset(words, 0, 64);
    words[0] = 0x61626380;
    words[15] = 24;
}

static void sha1(void **state)
{
    uint32_t words[16];
    union v128 w[20], abcd = {.d = {0x10325476, 0x98badcfe, 0xefcdab89, 0x67452301}}, before = abcd;
    union v128 e = {.d = {0, 0, 0, 0xc3d2e1f0}}, last = e;

    (void)state;
    padded_abc(words);
    for (unsigned g = 0; g < 20; g++) {
        if (g < 4) {
            w[g] = (union v128){
                .d = {words[4 * g + 3], words[4 * g + 2], words[4 * g + 1], words[4 * g]}};
        } else {
            w[g] = w[g - 4];
            vec_sha1msg1(&w[g], &w[g - 3]);
            w[g].q[0] ^= w[g - 2].q[0];
            w[g].q[1] ^= w[g - 2].q[1];
            vec_sha1msg2(&w[g], &w[g - 1]);
        }
        union v128 we = w[g];
        if (g == 0)
            we.d[3] += e.d[3];
        else
            we = last, vec_sha1nexte(&we, &w[g]);
        last = abcd;
        vec_sha1rnds4(&abcd, &we, g / 5);
    }
    vec_sha1nexte(&last, &e);
    for (unsigned k = 0; k < 4; k++)
        abcd.d[k] += before.d[k];
    assert_int_equal(abcd.d[3], 0xa9993e36);
    assert_int_equal(abcd.d[2], 0x4706816a);
    assert_int_equal(abcd.d[1], 0xba3e2571);
    assert_int_equal(abcd.d[0], 0x7850c26c);
    assert_int_equal(last.d[3], 0x9cd0d89d);
}

/* The first 32 bits of the fraction of the cube root of the nth prime (4.2.2). */
static uint32_t sha256_constant(unsigned n)
{
    unsigned prime = 2;
    for (;; prime++) {
        bool divides = false;
        for (unsigned d = 2; d * d <= prime; d++)
            divides |= prime % d == 0;
        if (!divides && n-- == 0)
            break;
    }
    unsigned __int128 cube = (unsigned __int128)prime << 96;
    uint64_t root = 0;
    for (int bit = 35; bit >= 0; bit--) {
        unsigned __int128 t = root | 1ull << bit;
        if (t * t * t <= cube)
            root = (uint64_t)t;
    }
    return (uint32_t)root;
}

static void sha256(void **state)
{
    static const uint32_t expected[8] = {0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
                                         0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad};
    uint32_t words[16];
    union v128 w[16];
    /* A B E F and C D G H, the first highest */
    union v128 abef = {.d = {0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667}}, abef0 = abef;
    union v128 cdgh = {.d = {0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372}}, cdgh0 = cdgh;

    (void)state;
    padded_abc(words);
    for (unsigned g = 0; g < 16; g++) {
        if (g < 4) {
            memcpy(&w[g], words + 4 * g, 16);
        } else {
            union v128 seven = w[g - 1];
            vec_palignr(&seven, &w[g - 2], 4);
            w[g] = w[g - 4];
            vec_sha256msg1(&w[g], &w[g - 3]);
            for (unsigned k = 0; k < 4; k++)
                w[g].d[k] += seven.d[k];
            vec_sha256msg2(&w[g], &w[g - 1]);
        }
        union v128 wk = w[g];
        for (unsigned k = 0; k < 4; k++)
            wk.d[k] += sha256_constant(4 * g + k);
        vec_sha256rnds2(&cdgh, &abef, &wk);
        wk.q[0] = wk.q[1];
        vec_sha256rnds2(&abef, &cdgh, &wk);
    }
    const uint32_t got[8] = {abef.d[3] + abef0.d[3], abef.d[2] + abef0.d[2], cdgh.d[3] + cdgh0.d[3],
                             cdgh.d[2] + cdgh0.d[2], abef.d[1] + abef0.d[1], abef.d[0] + abef0.d[0],
                             cdgh.d[1] + cdgh0.d[1], cdgh.d[0] + cdgh0.d[0]};
    for (unsigned k = 0; k < 8; k++)
        assert_int_equal(got[k], expected[k]);
}

/* ---- polynomials ---- */

static void carry_less(void **state)
{
    union v128 a = {.q = {3, ~0ull}}, b = {.q = {3, 0x8000000000000001}};

    (void)state;
    union v128 r = a;
    vec_pclmulqdq(&r, &b, 0x00); /* (x + 1)^2 = x^2 + 1 */
    assert_true(r.q[0] == 5 && r.q[1] == 0);
    r = a;
    vec_pclmulqdq(&r, &a, 0x11); /* squares have every other bit */
    assert_true(r.q[0] == 0x5555555555555555 && r.q[1] == 0x5555555555555555);
    r = a;
    vec_pclmulqdq(&r, &b, 0x10);
    assert_true(r.q[0] == (3 | 1ull << 63) && r.q[1] == 1);
    r = a;
    vec_pclmulqdq(&r, &b, 0x01);
    assert_true(r.q[0] == 1 && r.q[1] == 1);
}

/* RFC 3720 B.4, and the check value of "123456789". */
static void crc32(void **state)
{
    static const char digits[] = "123456789";
    uint32_t a = ~0u, b = ~0u, zeros = ~0u;
    uint64_t first;

    (void)state;
    for (unsigned k = 0; k < 9; k++)
        a = crc32c(a, (uint8_t)digits[k], 8);
    memcpy(&first, digits, 8);
    b = crc32c(crc32c(b, first, 64), '9', 8);
    assert_int_equal(~a, 0xe3069283);
    assert_int_equal(~b, 0xe3069283);
    for (unsigned k = 0; k < 8; k++)
        zeros = crc32c(zeros, 0, 32);
    assert_int_equal(~zeros, 0x8a9136aa);
}

/* ---- what is easy to get wrong elsewhere ---- */

static void strings(void **state)
{
    union v128 set = {.b = "a-z"}, text = {.b = "HELLO world"};
    struct vec_string r;

    (void)state;
    /* "az" as a range, bytes: the first lower-case letter */
    set = (union v128){.b = {'a', 'z'}};
    r = vec_pcmpstr(&set, string_scan(&set, 4), &text, string_scan(&text, 4), 4);
    assert_int_equal(vec_string_index(&r, 4), 6);
    assert_int_equal(vec_string_index(&r, 0x44), 10);
    assert_true(r.short1 && r.short2);
    /* masked negation: what is not a lower-case letter, within the text */
    r = vec_pcmpstr(&set, 2, &text, 11, 0x34);
    assert_int_equal(r.result, 0x3f);
    r = vec_pcmpstr(&set, 2, &text, 11, 0x14);
    assert_int_equal(r.result, 0xf83f);
    /* a substring that begins at the end */
    set = (union v128){.b = {'l', 'd', 'x'}};
    r = vec_pcmpstr(&set, 3, &text, 11, 0x0c);
    assert_int_equal(r.result, 0);
    r = vec_pcmpstr(&set, 2, &text, 11, 0x0c);
    assert_int_equal(r.result, 1 << 9);
    assert_int_equal(string_length(INT64_MIN, 0), 16);
    assert_int_equal(string_length(-3, 1), 3);
}

static uint32_t rounded(uint32_t x, unsigned imm, uint32_t mxcsr, uint32_t *flags)
{
    union v128 s = {.d = {x}}, d = {{0}};
    *flags = vec_roundss(&d, &s, imm, mxcsr);
    return d.d[0];
}

static void rounding(void **state)
{
    uint32_t flags;

    (void)state;
    assert_int_equal(rounded(0x3fc00000, 0, 0, &flags), 0x40000000); /* 1.5: to even */
    assert_int_equal(flags, ROUND_PRECISION);
    assert_int_equal(rounded(0x40200000, 0, 0, &flags), 0x40000000); /* 2.5 */
    assert_int_equal(rounded(0x3f000000, 8, 0, &flags), 0);          /* 0.5, quiet */
    assert_int_equal(flags, 0);
    assert_int_equal(rounded(0xbf000001, 0, 0, &flags), 0xbf800000);
    assert_int_equal(rounded(0x80000001, 1, 0, &flags), 0xbf800000);    /* floor of -tiny */
    assert_int_equal(rounded(0x80000001, 1, 0x40, &flags), 0x80000000); /* DAZ */
    assert_int_equal(flags, 0);
    assert_int_equal(rounded(0x4b7fffff, 4, 0x6000, &flags), 0x4b7fffff);
    assert_int_equal(rounded(0x4affffff, 4, 0x4000, &flags), 0x4b000000); /* MXCSR: up */
    assert_int_equal(rounded(0x7f800001, 8, 0, &flags), 0x7fc00001);
    assert_int_equal(flags, ROUND_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(aes),        cmocka_unit_test(sha1),
                                       cmocka_unit_test(sha256),     cmocka_unit_test(crc32),
                                       cmocka_unit_test(carry_less), cmocka_unit_test(strings),
                                       cmocka_unit_test(rounding)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
