/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decoder: what it says of some bytes does not depend on what follows, and it reads no byte
 * that it was not given. */
#include <string.h>

#include "cpu/x86/ops.h"
#include "tests/fuzz/fuzz.h"

#define MOST 24 /* bytes of an input that are looked at */

/* Decodes the first n bytes, at the end of memory of just that size. */
static enum decode_result decode_first(const uint8_t *data, size_t n, enum code_mode mode,
                                       struct insn *i)
{
    uint8_t bytes[MOST];
    const uint8_t *at = memcpy(bytes + MOST - n, data, n);

    memset(i, 0, sizeof(*i));
    return decode(at, n, mode, i);
}

static bool same(const struct insn *a, const struct insn *b)
{
    return a->op == b->op && a->len == b->len && a->flags == b->flags && a->seg == b->seg &&
           a->base == b->base && a->index == b->index && a->scale == b->scale && a->reg == b->reg &&
           a->vreg == b->vreg && a->size == b->size && a->disp == b->disp && a->imm == b->imm &&
           a->fl_read == b->fl_read && a->fl_write == b->fl_write;
}

static void check_mode(const uint8_t *data, size_t n, enum code_mode mode)
{
    struct insn all, part;
    enum decode_result r = decode_first(data, n, mode, &all);

    if (r == DECODE_OK) {
        fuzz_check(all.len >= 1 && all.len <= 15 && all.len <= n && all.op < NUM_OPS);
        fuzz_check(decode_first(data, all.len, mode, &part) == DECODE_OK);
        fuzz_check(same(&all, &part));
    }
    if (r == DECODE_TOO_LONG)
        fuzz_check(n >= 15);
    for (size_t k = r == DECODE_OK ? all.len : n; k-- > 0;) {
        enum decode_result less = decode_first(data, k, mode, &part);

        fuzz_check(less == DECODE_MORE || (less == r && r != DECODE_OK));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size < MOST ? size : MOST;

    for (enum code_mode mode = CODE16; mode <= CODE64; mode++)
        check_mode(data, n, mode);
    return 0;
}
