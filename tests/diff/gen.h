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
static inline unsigned below(struct rng *r, unsigned n)
{
    return (unsigned)((rng_next(r) >> 32) * n >> 32);
}
static inline bool one_in(struct rng *r, unsigned n)
{
    return below(r, n) == 0;
}

/* What the cases of one mode are made of. */
struct gen_rows {
    unsigned *rows; /* rows that are tried */
    unsigned nrows;
    const char **reason; /* per row of encodings[]: why it is not tried, or NULL */
};

struct gen {
    uint64_t seed;
    unsigned modes; /* bit per DIFF_16 ..: those that take turns, DIFF_BATCH cases each */
    bool ldt;       /* there is an LDT */
    bool bytes;     /* random bytes instead of rows */
    bool engines;   /* for two engines of ours: what the host can or cannot do does not matter */
    struct gen_rows mode[DIFF_MODES];
};

/* Decides which rows are tried; modes, ldt, bytes and engines are set. only: an operation's name,
 * or NULL for all. False: no memory. */
bool gen_init(struct gen *g, uint64_t seed, const char *only);
/* The mode of case number n. */
unsigned gen_mode(const struct gen *g, uint64_t number);
void gen_free(struct gen *g);
/* Memory every case starts from. */
void gen_pools(const struct gen *g, struct diff_shared *s);
/* Makes case number n; false if its row could not be encoded. */
bool gen_case(const struct gen *g, uint64_t number, struct diff_case *c);

/* gen_seg.c: selectors and the places behind them. */
/* Any selector; one that is code, mostly. */
uint16_t random_selector(struct rng *r, bool ldt);
uint16_t random_code_selector(struct rng *r, bool ldt);
/* The registers that can be loaded and the place of the code. */
void random_segments(struct rng *r, bool ldt, struct diff_case *c);
/* Base and limit that count for a segment register of the case. */
uint64_t segment_base_of(const struct diff_case *c, unsigned seg);
uint64_t selector_base(uint16_t sel);
uint64_t selector_limit(uint16_t sel);

#endif
