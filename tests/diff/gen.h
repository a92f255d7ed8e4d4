/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_DIFF_GEN_H
#define CALQUE_TESTS_DIFF_GEN_H

#include "cpu/x86/insn.h"
#include "tests/diff/diff.h"

/* A small seeded generator (splitmix64): every case starts its own, so that any case can be made
 * without those before it. */
struct rng {
    uint64_t s;
};
uint64_t rng_next(struct rng *r);

struct gen {
    uint64_t seed;
    unsigned *rows; /* rows that are tried */
    unsigned nrows;
    const char **reason; /* per row of encodings[]: why it is not tried, or NULL */
};

/* Decides which rows are tried. only: an operation's name, or NULL for all. */
bool gen_init(struct gen *g, uint64_t seed, const char *only);
void gen_free(struct gen *g);
/* Memory every case starts from. */
void gen_pools(const struct gen *g, struct diff_shared *s);
/* Makes case number n; false if its row could not be encoded. */
bool gen_case(const struct gen *g, uint64_t number, struct diff_case *c);
/* True if the host has what the row needs. */
bool host_has_feature(unsigned feature);

#endif
