/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the generator's files have of one another. */
#ifndef CALQUE_TESTS_DIFF_GEN_PARTS_H
#define CALQUE_TESTS_DIFF_GEN_PARTS_H

#include "tests/diff/gen.h"

/* ---- gen_state.c ---- */

/* A number likely to meet a border of something. */
uint64_t interesting(struct rng *r);
/* Any number, those among them. */
uint64_t any_value(struct rng *r);
/* An address in or near the data area. */
uint64_t data_address(struct rng *r);
/* A linear address that SS:RSP may have. */
uint64_t stack_address(struct rng *r);
/* The case's registers; its mode and segments are there. */
void random_state(struct rng *r, struct diff_case *c);

/* ---- gen_encode.c ---- */

/* One instruction's bytes and where its parts are. */
struct builder {
    uint8_t b[32];
    unsigned n;
    unsigned disp_at, disp_size; /* where the displacement is; size 0: none */
    unsigned imm_at;
    bool rip_relative;
    unsigned osize, asize;
    uint8_t mode, prefix;
};

static inline unsigned method_of(unsigned operand)
{
    return operand >> 4;
}

/* True if a ModRM byte follows the row's opcode. */
bool has_modrm(const struct encoding *e);
/* Writes a random encoding of the row; not each of them is one that decodes to it. */
void build_row(struct builder *b, struct rng *r, const struct encoding *e, unsigned mode);

/* ---- gen_suit.c ---- */

/* A case in the making. */
struct assembly {
    struct diff_case *c;
    struct rng *r;
    unsigned at; /* offset of the instruction in the slot */
    bool ldt, engines;
};

/* Adjusts registers, memory and displacements of the instruction at a->at so that most cases do
 * something. */
void suit_insn(struct assembly *a, const struct builder *b, const struct insn *i,
               const struct encoding *e);

#endif
