/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_VEC_CRYPTO_H
#define CALQUE_CPU_X86_VEC_CRYPTO_H

#include "cpu/x86/vec.h"

/* AES (FIPS 197), carry-less multiplication, SHA-1 and SHA-256 (FIPS 180-4), CRC-32C, as the
 * instructions have them (SDM vol. 2, under each name; vol. 1 12.13). */

/* ---- AES: destination is the state, source the round key ---- */
void vec_aesenc(union v128 *d, const union v128 *s);
void vec_aesenclast(union v128 *d, const union v128 *s);
void vec_aesdec(union v128 *d, const union v128 *s);
void vec_aesdeclast(union v128 *d, const union v128 *s);
/* Destination is written only. */
void vec_aesimc(union v128 *d, const union v128 *s);
void vec_aeskeygenassist(union v128 *d, const union v128 *s, unsigned imm);

/* 64 x 64 bits without carries; imm[0] and imm[4] choose the halves of destination and source. */
void vec_pclmulqdq(union v128 *d, const union v128 *s, unsigned imm);

/* ---- SHA ---- */
void vec_sha1nexte(union v128 *d, const union v128 *s);
void vec_sha1msg1(union v128 *d, const union v128 *s);
void vec_sha1msg2(union v128 *d, const union v128 *s);
void vec_sha1rnds4(union v128 *d, const union v128 *s, unsigned imm);
void vec_sha256msg1(union v128 *d, const union v128 *s);
void vec_sha256msg2(union v128 *d, const union v128 *s);
/* wk: XMM0, two message words with their constants added. */
void vec_sha256rnds2(union v128 *d, const union v128 *s, const union v128 *wk);

/* CRC32: bits of src (8, 16, 32 or 64) into crc, polynomial 11EDC6F41H, reflected. */
uint32_t crc32c(uint32_t crc, uint64_t src, unsigned bits);

#endif
