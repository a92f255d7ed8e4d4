/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_VEC_STRING_H
#define CALQUE_CPU_X86_VEC_STRING_H

#include <stdbool.h>

#include "cpu/x86/vec.h"

/* PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM vol. 2B 4.1). imm: [0] words, [1] signed,
 * [3:2] aggregation, [5:4] polarity, [6] most significant index, or a byte mask. */

enum { STRING_WORDS = 1, STRING_SIGNED = 2, STRING_LAST = 0x40 };
enum { STRING_ANY, STRING_RANGES, STRING_EACH, STRING_ORDERED };

/* What the flags and the results come from. */
struct vec_string {
    uint32_t result;     /* IntRes2, a bit an element */
    unsigned n;          /* elements in a register: 8 or 16 */
    bool short1, short2; /* the first, second operand ends within its register: SF, ZF */
};

static inline int32_t string_element(const union v128 *v, unsigned k, unsigned imm)
{
    if (imm & STRING_WORDS)
        return imm & STRING_SIGNED ? v->sw[k] : v->w[k];
    return imm & STRING_SIGNED ? v->sb[k] : v->b[k];
}
/* Explicit length: the magnitude of EAX or EDX (RAX, RDX with REX.W), at most n. */
static inline unsigned string_length(int64_t reg, unsigned imm)
{
    unsigned n = imm & STRING_WORDS ? 8 : 16;
    uint64_t magnitude = reg < 0 ? -(uint64_t)reg : (uint64_t)reg;
    return magnitude < n ? (unsigned)magnitude : n;
}
/* Implicit length: up to the first element that is zero. */
static inline unsigned string_scan(const union v128 *v, unsigned imm)
{
    unsigned n = imm & STRING_WORDS ? 8 : 16, k = 0;
    while (k < n && string_element(v, k, imm & STRING_WORDS))
        k++;
    return k;
}

/* IntRes1 for element j of the second operand b. Comparisons with elements beyond the end of an
 * operand are overridden as table 4-7 says. */
static inline bool string_any(const union v128 *a, unsigned la, int32_t e, unsigned imm)
{
    for (unsigned i = 0; i < la; i++)
        if (string_element(a, i, imm) == e)
            return true;
    return false;
}
static inline bool string_ranges(const union v128 *a, unsigned la, int32_t e, unsigned imm)
{
    for (unsigned i = 0; i + 1 < la; i += 2)
        if (string_element(a, i, imm) <= e && e <= string_element(a, i + 1, imm))
            return true;
    return false;
}
static inline bool string_ordered(const union v128 *a, unsigned la, const union v128 *b,
                                  unsigned lb, unsigned j, unsigned imm)
{
    unsigned n = imm & STRING_WORDS ? 8 : 16;
    for (unsigned i = 0; i < la && i + j < n; i++)
        if (i + j >= lb || string_element(a, i, imm) != string_element(b, i + j, imm))
            return false;
    return true;
}
static inline bool string_each(const union v128 *a, unsigned la, const union v128 *b, unsigned lb,
                               unsigned j, unsigned imm)
{
    if (j >= la || j >= lb)
        return j >= la && j >= lb;
    return string_element(a, j, imm) == string_element(b, j, imm);
}

/* la, lb: lengths in elements. */
static inline struct vec_string vec_pcmpstr(const union v128 *a, unsigned la, const union v128 *b,
                                            unsigned lb, unsigned imm)
{
    struct vec_string r = {.n = imm & STRING_WORDS ? 8 : 16};
    for (unsigned j = 0; j < r.n; j++) {
        bool hit = false;
        switch (imm >> 2 & 3) {
        case STRING_ANY:
            hit = j < lb && string_any(a, la, string_element(b, j, imm), imm);
            break;
        case STRING_RANGES:
            hit = j < lb && string_ranges(a, la, string_element(b, j, imm), imm);
            break;
        case STRING_EACH:
            hit = string_each(a, la, b, lb, j, imm);
            break;
        case STRING_ORDERED:
            hit = string_ordered(a, la, b, lb, j, imm);
            break;
        }
        /* polarity: negate all, or those within the second operand */
        if ((imm & 0x10) && (!(imm & 0x20) || j < lb))
            hit = !hit;
        r.result |= (uint32_t)hit << j;
    }
    r.short1 = la < r.n;
    r.short2 = lb < r.n;
    return r;
}
/* PCMPxSTRI: ECX. */
static inline uint32_t vec_string_index(const struct vec_string *r, unsigned imm)
{
    if (!r->result)
        return r->n;
    return (uint32_t)(imm & STRING_LAST ? 31 - __builtin_clz(r->result) : __builtin_ctz(r->result));
}
/* PCMPxSTRM: XMM0. */
static inline union v128 vec_string_mask(const struct vec_string *r, unsigned imm)
{
    union v128 m = {.d = {imm & STRING_LAST ? 0 : r->result}};
    for (unsigned k = 0; imm & STRING_LAST && k < r->n; k++) {
        if (r->n == 16)
            m.b[k] = r->result >> k & 1 ? 0xff : 0;
        else
            m.w[k] = r->result >> k & 1 ? 0xffff : 0;
    }
    return m;
}

#endif
