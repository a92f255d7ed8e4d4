/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the guest's arithmetic flags are within a block.
 *
 * They are saved (LAHF, SETO: 3 instructions) when host code that destroys them comes between
 * their producer and a reader, and at the block's end. Between, an instruction that may fault
 * needs them only if it does fault: then the producer is run again (FLAGS_RECIPE), provided its
 * operands are still what they were. */
#include "translator/x86_64/emit.h"

static bool may_fault(const struct xlat *x, unsigned k)
{
    const struct insn *i = &x->list[k];
    const struct operation_info *op = op_operation(i->op);

    if (i->probed) /* stopping before it is as a fault */
        return true;
    if (op->props & (P_SSE | P_AVX | P_FPU) && !x->fpu[k])
        return true;
    switch (op - operations) {
    case OPN_push:
    case OPN_push_imm:
    case OPN_pop:
    case OPN_leave:
    case OPN_pushf:
    case OPN_mov_moffs_load:
    case OPN_mov_moffs_store:
    case OPN_cli:
    case OPN_sti:
    case OPN_mov_from_cr:
    case OPN_rdfsbase:
    case OPN_rdgsbase:
    case OPN_wrfsbase:
    case OPN_wrgsbase:
    case OPN_movs:
    case OPN_stos:
    case OPN_pause:
    case OPN_rdtsc:
    case OPN_rdtscp:
    case OPN_stac:
    case OPN_clac:
    case OPN_swapgs:
    case OPN_mov_from_seg: /* of one that does not exist */
    case OPN_div:
    case OPN_idiv:
        return true;
    default:
        return i->flags & INSN_MEM || !emitter_of((unsigned)(op - operations)) ||
               op->props & P_ENDS;
    }
}

/* Flags that it writes for certain. */
static uint8_t surely_written(const struct insn *i)
{
    const struct operation_info *op = op_operation(i->op);

    unsigned opn = (unsigned)(op - operations);
    bool by_imm =
        op->class == CLASS_SHIFT ? form_of(i) / 4 < 2 : opn == OPN_shldi || opn == OPN_shrdi;

    if (op->class == CLASS_SHIFT || op->class == CLASS_DSHIFT) { /* a count of 0 writes nothing */
        unsigned mask = insn_osize(i) == 8 ? 63 : 31;
        bool all_round = (opn == OPN_rcl || opn == OPN_rcr) && insn_osize(i) < 4;
        return by_imm && !all_round && i->imm & mask ? op->fl_write & FL_ARITH : 0;
    }
    if (opn == OPN_div || opn == OPN_idiv)
        return 0; /* division leaves them alone: so does the interpreter */
    if (opn == OPN_bsf || opn == OPN_bsr)
        return FL_ZF; /* the same */
    return i->fl_write & FL_ARITH;
}

static uint8_t flags_read(const struct insn *i)
{
    const struct operation_info *op = op_operation(i->op);

    /* listed as reading only because of a count of 0, or because some stay */
    if ((op->class == CLASS_SHIFT || op->class == CLASS_DSHIFT) && surely_written(i))
        return op == &operations[OPN_rcl] || op == &operations[OPN_rcr] ? FL_CF : 0;
    return i->fl_read & FL_ARITH;
}

void flags_analyse(struct xlat *x)
{
    uint8_t read = FL_ARITH, visible = FL_ARITH;

    for (unsigned k = x->n; k-- > 0;) {
        const struct insn *i = &x->list[k];

        x->read_after[k] = read;
        x->visible_after[k] = visible;
        read = (uint8_t)((read & ~surely_written(i)) | flags_read(i));
        visible = (uint8_t)((visible & ~surely_written(i)) | flags_read(i));
        if (may_fault(x, k))
            visible = FL_ARITH;
        if (insn_is_jcc(i)) /* there everything must be right */
            read = FL_ARITH;
    }
    x->read_in = read;
    x->visible_in = visible;
}

/* Guest registers that an instruction may change: bit per register. */
static unsigned registers_written(const struct insn *i)
{
    const struct operation_info *op = op_operation(i->op);
    unsigned opn = (unsigned)(op - operations), form = form_of(i);

    switch (op->class) {
    case CLASS_ALU:
        if (opn == OPN_cmp || opn == OPN_test || form / 4 == 2 || form / 4 == 4)
            return 0;
        return 1u << (form % 4 ? i->reg : i->reg / 8);
    case CLASS_LOAD:
        return 1u << i->reg;
    default:
        if (opn == OPN_lea)
            return 1u << i->reg;
        if (opn == OPN_push || opn == OPN_push_imm)
            return 1u << R_RSP;
        return 0xffff;
    }
}

static unsigned registers_of_producer(const struct insn *i)
{
    unsigned form = form_of(i) / 4, byte = form_of(i) % 4 == 0, shift = byte ? 3 : 0;

    return 1u << (i->reg >> shift) | (form == 0 ? 1u << (i->rm >> shift) : 0);
}

static bool only_compares(const struct insn *i)
{
    unsigned opn = (unsigned)(op_operation(i->op) - operations), form = form_of(i) / 4;

    return (opn == OPN_cmp || opn == OPN_test) && (form == 0 || form == 3);
}

/* Whether the operands of instruction p last, from instruction k on, until the flags are written
 * again: wherever they may be seen. */
static bool operands_last(const struct xlat *x, unsigned p, unsigned k)
{
    unsigned wanted = registers_of_producer(&x->list[p]), changed = 0;

    for (; k < x->n; k++) {
        if (may_fault(x, k) && changed & wanted)
            return false;
        uint8_t written = x->list[k].fl_write & FL_ARITH;
        if (written && surely_written(&x->list[k]) != FL_ARITH)
            return false;
        if (written)
            return true;
        changed |= registers_written(&x->list[k]);
    }
    return false;
}

/* Whether the flags of instruction p can be had by running it again: it only compares, between
 * registers or with an immediate, and its operands last until the flags are written again. */
static bool recipe_lasts(const struct xlat *x, unsigned p)
{
    return p != NO_PRODUCER && only_compares(&x->list[p]) && operands_last(x, p, p + 1);
}

bool flags_last_around(const struct xlat *x, unsigned p)
{
    return only_compares(&x->list[p]) && operands_last(x, p, 0);
}

/* AF after a shift is 1 on some processors and 0 on others: here it is 0. */
static bool is_shift(const struct xlat *x)
{
    if (x->producer == NO_PRODUCER)
        return false;
    const struct operation_info *op = op_operation(x->list[x->producer].op);

    return op == &operations[OPN_shl] || op == &operations[OPN_shr] || op == &operations[OPN_sar];
}

static void flags_from_rax(struct assembler *a)
{
    a_byte(a, 0x04); /* add al, 127: OF if al is 1 */
    a_byte(a, 0x7f);
    a_byte(a, 0x9e); /* sahf */
}

void flags_to_rax(struct assembler *a)
{
    a_byte(a, 0x9f);                              /* lahf */
    a_xr(a, OPC_0F | (0x90 | CC_O), 1, 0, H_RAX); /* seto al */
}

void flags_save(struct assembler *a, bool shift)
{
    flags_to_rax(a);
    if (shift)
        a_alu_ri(a, 4, 4, H_RAX, ~0x1000);
    a_store(a, 4, H_RAX, h_state(JIT_OFF(flags)));
}

/* keep: the host's flags are wanted afterwards too. */
static void save(struct xlat *x, bool keep)
{
    bool shift = is_shift(x);

    flags_save(&x->a, shift);
    if (shift && keep)
        flags_from_rax(&x->a);
}

void flags_for_side_exit(struct xlat *x, struct stub *s)
{
    s->saves = x->flags == FLAGS_HOST;
    s->after_shift = is_shift(x);
    flags_to_host(x);
}

static uint8_t wanted_later(const struct xlat *x, const uint8_t *after)
{
    const struct insn *i = &x->list[x->k];

    return (uint8_t)(flags_read(i) | (after[x->k] & ~surely_written(i)));
}

void flags_clobber(struct xlat *x)
{
    if (x->flags != FLAGS_HOST)
        return;
    if (!wanted_later(x, x->read_after) && recipe_lasts(x, x->producer))
        x->flags = FLAGS_RECIPE;
    else {
        save(x, false);
        x->flags = FLAGS_IMAGE;
    }
}

void flags_clobber_quietly(struct xlat *x)
{
    if (x->flags != FLAGS_HOST)
        return;
    if (wanted_later(x, x->visible_after))
        flags_clobber(x);
    else
        x->flags = FLAGS_IMAGE; /* nobody will look */
}

void flags_reload(struct assembler *a)
{
    a_load(a, 4, H_RAX, h_state(JIT_OFF(flags)));
    flags_from_rax(a);
}

void flags_to_host(struct xlat *x)
{
    if (x->flags == FLAGS_HOST)
        return;
    flags_reload(&x->a);
    x->flags = FLAGS_HOST;
    x->producer = NO_PRODUCER;
}

void flags_keep_rest(struct xlat *x)
{
    uint8_t rest = x->visible_after[x->k] & ~surely_written(&x->list[x->k]);

    if (rest & FL_AF && x->flags == FLAGS_HOST && is_shift(x))
        save(x, true); /* AF as it is here */
    else if (rest)
        flags_to_host(x);
}

void flags_made(struct xlat *x)
{
    x->flags = FLAGS_HOST;
    x->producer = x->k;
}

void flags_to_image(struct xlat *x)
{
    if (x->flags == FLAGS_HOST)
        save(x, false);
    x->flags = FLAGS_IMAGE;
}

void flags_to_both(struct xlat *x)
{
    if (x->flags == FLAGS_HOST)
        save(x, true);
    else
        flags_to_host(x);
}

void flags_of_product(struct xlat *x, unsigned size, unsigned low)
{
    struct assembler *a = &x->a;

    x->flags = FLAGS_IMAGE;
    if (!x->visible_after[x->k])
        return;
    a_xr(a, OPC_0F | (0x90 | CC_O), 1, 0, H_RAX);
    a_rr(a, 0x84 | (size > 1), size, low, low); /* test */
    a_byte(a, 0x9f);
    a_byte(a, 0x08); /* or ah, al: CF = OF */
    a_byte(a, 0xc4);
    a_store(a, 4, H_RAX, h_state(JIT_OFF(flags)));
}

void flags_of_logic(struct xlat *x, unsigned size, unsigned r)
{
    struct assembler *a = &x->a;

    x->flags = FLAGS_IMAGE;
    a_xr(a, OPC_0F | (0x90 | CC_C), 1, 0, H_RAX);
    a_rr(a, 0x85, size, r, r); /* test */
    a_byte(a, 0x9f);
    a_byte(a, 0x08); /* or ah, al: CF */
    a_byte(a, 0xc4);
    a_alu_ri(a, 4, 4, H_RAX, ~0x10ff);
    a_store(a, 4, H_RAX, h_state(JIT_OFF(flags)));
}
