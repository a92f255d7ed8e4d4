/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes random cases from the rows of the instruction table. */
#include <string.h>

#include "tests/diff/explain.h"
#include "tests/diff/gen_parts.h"

uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* Tries to put a random encoding of a row at a->at. */
static bool add_insn(struct assembly *a, unsigned row, uint8_t *tainted)
{
    const struct encoding *e = &encodings[row], *found;
    const struct operation_info *o = &operations[e->operation];
    struct diff_case *c = a->c;
    struct builder b;
    struct insn i;
    /* Undefined flags must not flow into results. */
    if (o->fl_read & *tainted && !a->engines)
        return false;
    for (unsigned attempt = 0; attempt < 32; attempt++) {
        build_row(&b, a->r, e, c->mode);
        if (b.n > 15 || a->at + b.n > DIFF_SLOT - 8)
            continue;
        if (decode_row(b.b, b.n, (enum code_mode)c->mode, &i, &found) != DECODE_OK || found != e ||
            i.len != b.n)
            continue;
        memcpy(c->code + a->at, b.b, b.n);
        if (method_of(e->opnd[1]) == AM_X) /* may trap between elements: SDM vol. 2C, VGATHERDPS */
            c->in.rflags &= ~0x100ull;
        suit_insn(a, &b, &i, e);
        struct diff_insn *di = &c->insns[c->ninsns++];
        *di = (struct diff_insn){.row = (uint16_t)row, .op = i.op, .prefix = b.prefix};
        di->off = (uint8_t)a->at;
        di->len = (uint8_t)b.n;
        a->at += b.n;
        *tainted = (uint8_t)((*tainted & ~o->fl_write) | o->fl_undef);
        return true;
    }
    return false;
}

/* Random bytes: now and then some prefixes or the two-byte escape first, so that those maps get
 * their share. What they are is for both sides to find out. */
static void random_bytes(struct assembly *a)
{
    static const uint8_t first[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x64,
                                    0x0f, 0x0f, 0x0f, 0xc4, 0xc5, 0x40, 0x48, 0x8f};
    struct diff_case *c = a->c;
    unsigned len = 15 + below(a->r, 8), n = 0;
    while (n < 14 && !one_in(a->r, one_in(a->r, 6) ? 20 : 3))
        c->code[a->at + n++] = first[below(a->r, sizeof(first))];
    if (n && c->code[a->at + n - 1] == 0x0f && one_in(a->r, 3))
        c->code[a->at + n++] = one_in(a->r, 2) ? 0x38 : 0x3a;
    for (; n < len; n++)
        c->code[a->at + n] = (uint8_t)rng_next(a->r);
    if (!a->engines)
        c->in.rflags |= 0x100; /* TF: one instruction of them */
    c->raw = true;
}

/* Bytes that would be a system call of the host, wherever they are. */
static bool calls_system(const struct diff_case *c)
{
    for (unsigned k = 0; k + 1 < DIFF_SLOT; k++)
        if ((c->code[k] == 0x0f && (c->code[k + 1] == 0x05 || c->code[k + 1] == 0x34)) ||
            (c->code[k] == 0xcd && c->code[k + 1] == 0x80))
            return true;
    return false;
}

/* The instruction that random bytes are, if the table has it, is one that cases of rows leave out.
 */
static bool left_out(const struct gen *g, const struct diff_case *c)
{
    const struct encoding *row;
    const uint8_t *bytes = c->code + c->code_off;
    struct insn i;
    bool p66 = memchr(bytes, 0x66, count_prefixes(c));
    enum decode_result result =
        decode_row(bytes, DIFF_SLOT - c->code_off, (enum code_mode)c->mode, &i, &row);
    if (result ==
        DECODE_TOO_LONG) /* a near branch could be shorter: see put_prefixes() of gen_encode.c */
        return c->mode == DIFF_64 && p66;
    if (result != DECODE_OK)
        return false;
    bool far_64 = row->opnd[0] == O_Mp || row->opnd[1] == O_Mp ? insn_osize(&i) == 8 : false;
    bool near_16 = c->mode == DIFF_64 && p66 && operations[row->operation].props & P_F64;
    /* "Use of repeat prefixes ... with other instructions is reserved" (SDM vol. 2A 2.1.1): AMD's
     * processors take the condition of LOOPcc from them. */
    bool loop = row->operation == OPN_loope || row->operation == OPN_loopne;
    bool loop_rep = loop && i.flags & (INSN_REP | INSN_REPNE);
    return g->mode[c->mode].reason[row - encodings] || far_64 || near_16 || loop_rep ||
           method_of(row->opnd[1]) == AM_X;
}

static void empty_case(struct assembly *a)
{
    struct diff_case *c = a->c;
    memset(c->code, 0xcc, sizeof(c->code));
    c->ninsns = c->npatches = 0;
    a->at = c->code_off;
}

bool gen_case(const struct gen *g, uint64_t number, struct diff_case *c)
{
    struct rng r = {g->seed * 0xd1342543de82ef95ull + number * 0x2545f4914f6cdd1dull};
    rng_next(&r);
    unsigned modes = (unsigned)__builtin_popcount(g->modes);
    memset(c, 0, offsetof(struct diff_case, insns));
    c->mode = (uint8_t)gen_mode(g, number);
    const struct gen_rows *rows = &g->mode[c->mode];
    uint64_t turn = number / DIFF_BATCH / modes * DIFF_BATCH + number % DIFF_BATCH;
    unsigned row = rows->rows[turn % rows->nrows], len = one_in(&r, 3) ? 2 + below(&r, 3) : 1;
    if (g->engines)
        len = 1 + below(&r, 1 + below(&r, DIFF_INSNS));
    uint8_t tainted = 0;
    c->number = number;
    c->pool = (uint16_t)below(&r, DIFF_POOLS);
    random_segments(&r, g->ldt, c);
    random_state(&r, c);
    c->code_off = (uint8_t)below(&r, 8);
    struct assembly a = {.c = c, .r = &r, .ldt = g->ldt, .engines = g->engines};
    empty_case(&a);
    c->in.rip = c->slot + c->code_off - c->base;
    if (g->bytes) {
        random_bytes(&a);
        return (g->engines || !calls_system(c)) && !left_out(g, c);
    }
    for (unsigned k = 1; k < len; k++) {
        unsigned other = rows->rows[below(&r, rows->nrows)];
        if (!(operations[encodings[other].operation].props & P_ENDS))
            add_insn(&a, other, &tainted);
    }
    bool added = add_insn(&a, row, &tainted);
    if (!added) {
        /* The row itself reads a flag that is undefined by then: it goes alone. */
        tainted = 0;
        empty_case(&a);
        added = add_insn(&a, row, &tainted);
    }
    for (unsigned k = 0; k < 16 && c->mode != DIFF_64; k++)
        c->in.gpr[k] = (uint32_t)c->in.gpr[k];
    return added && (g->engines || !calls_system(c));
}
