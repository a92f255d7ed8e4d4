/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A block whose last instruction jumps back to its start: the loops in which most time is spent.
 *
 * It is written twice. The first copy is entered like any block; its jump leads into the second,
 * whose jump leads to its own start: past the entry, with the flags where the comparison before the
 * jump left them. The budget is charged before the comparison, when no flags are alive. An
 * instruction of the second copy that faults finds the flags by comparing again. Not where entries
 * are noted: those rounds would be missing. */
#include "translator/x86_64/emit.h"

#define LOOP_MAX 48 /* instructions */

static uint64_t target_of(const struct xlat *x, const struct insn *jump)
{
    uint64_t target = x->t->rip + jump->off + jump->len + jump->imm;
    unsigned size = insn_osize(jump);

    return size == 8 ? target : target & ((1ull << 8 * size) - 1);
}

/* Computes in registers, writes all flags and reads none, and cannot fault. */
static bool is_plain_alu(const struct insn *i)
{
    switch (op_operation(i->op) - operations) {
    case OPN_add:
    case OPN_sub:
    case OPN_cmp:
    case OPN_test:
    case OPN_and:
    case OPN_or:
    case OPN_xor:
        return !(i->flags & INSN_MEM) && insn_osize(i) >= 4;
    default:
        return false;
    }
}

bool loop_is_simple(const struct xlat *x)
{
    unsigned n = x->n;

    if (x->tr->config.no_links || x->tr->notes || n < 3 || n > LOOP_MAX ||
        n != x->t->block->ninsn || x->t->pass2 || x->t->block->marked ||
        !insn_is_jcc(&x->list[n - 1]) || target_of(x, &x->list[n - 1]) != x->t->rip)
        return false;
    return is_plain_alu(&x->list[n - 2]) && !x->read_in &&
           (!x->visible_in || flags_last_around(x, n - 2));
}

/* The comparison, and before it the charge for another round. Returns where the jump to be made
 * when that is too much has its displacement. */
static uint8_t *charge_and_compare(struct xlat *x)
{
    struct assembler *a = &x->a;

    x->k = x->n - 2;
    x->flags = FLAGS_IMAGE; /* dead */
    a_alu_mi(a, 5, 8, h_state(BUDGET_OFF), (int32_t)x->n);
    uint8_t *out = a_jcc(a, CC_S);
    emit_range(x, x->n - 2, x->n - 1);
    x->k = x->n - 1;
    return out;
}

/* The budget is used up, before the comparison: it is made, and the block left at its start, or as
 * the loop ends. */
static void emit_out(struct xlat *x, unsigned cc, const uint8_t *end)
{
    struct assembler *a = &x->a;

    emit_range(x, x->n - 2, x->n - 1);
    x->k = x->n - 1;
    flags_to_both(x);
    uint8_t *done = a_jcc(a, cc ^ 1);
    a_fix(done, end);
    emit_unswap(x);
    emit_block_thunk(x, THUNK_OUT);
    x->flags = FLAGS_HOST;
}

void emit_loop_block(struct xlat *x)
{
    struct assembler *a = &x->a;
    const struct insn *jump = &x->list[x->n - 1];
    unsigned cc = insn_cc(jump);
    uint8_t *out[2], *end;

    emit_range(x, 0, x->n - 2);
    out[0] = charge_and_compare(x);
    end = a_jcc(a, cc ^ 1);
    const uint8_t *start = a->p;
    x->flags = x->visible_in ? FLAGS_RECIPE : FLAGS_IMAGE;
    x->producer = x->n - 2;
    emit_range(x, 0, x->n - 2);
    out[1] = charge_and_compare(x);
    uint8_t *back = a_jcc(a, cc);
    if (a->full)
        return;
    a_fix(back, start);
    a_fix(end, a->p);
    end = a->p;
    flags_to_image(x);
    a_alu_mi(a, 0, 8, h_state(BUDGET_OFF), (int32_t)x->n);
    emit_unswap(x);
    emit_exit(x, next_rip(x, jump));
    if (a->full)
        return;
    a_fix(out[0], a->p);
    a_fix(out[1], a->p);
    emit_out(x, cc, end);
    x->ended = true;
}
