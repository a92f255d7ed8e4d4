/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shifts and rotates.
 *
 * Where processors differ the interpreter's value counts: AF after a shift is 0, and OF after a
 * double shift says whether the sign changed. A masked count of 0 leaves all flags alone. */
#include "translator/x86_64/emit.h"

static unsigned count_mask(unsigned size)
{
    return size == 8 ? 63 : 31;
}

/* The flags of a shift by CL from rax (LAHF, OF in al) to the image, unless the count was 0. */
static void store_unless_zero(struct xlat *x, unsigned size)
{
    struct assembler *a = &x->a;

    a_xr(a, 0xf6, 1, 0, H_RCX); /* test cl */
    a_byte(a, count_mask(size));
    uint8_t *zero = a_jcc(a, CC_Z);
    a_store(a, 4, H_RAX, h_state(JIT_OFF(flags)));
    a_fix(zero, a->p);
}

/* ---- ROL ROR RCL RCR SHL SHR SAR ---- */

struct shift {
    unsigned size, ext, count; /* count: 0 when by CL */
    bool by_cl, memory, rotates, through_carry, high;
};

static struct shift shift_of(const struct insn *i)
{
    static const uint8_t extensions[][2] = {{OPN_rol, 0}, {OPN_ror, 1}, {OPN_rcl, 2}, {OPN_rcr, 3},
                                            {OPN_shl, 4}, {OPN_shr, 5}, {OPN_sar, 7}};
    unsigned opn = (unsigned)(op_operation(i->op) - operations), form = form_of(i) / 4, n = 0;

    while (extensions[n][0] != opn)
        n++;
    struct shift s = {.size = insn_osize(i),
                      .ext = extensions[n][1],
                      .by_cl = form >= 2,
                      .memory = form & 1,
                      .rotates = n < 4,
                      .through_carry = n == 2 || n == 3};
    s.count = s.by_cl ? 0 : (unsigned)i->imm & count_mask(s.size);
    s.high = s.size == 1 && !s.memory && is_high_byte(i->reg);
    return s;
}

/* Counts whose flags, or effect, hosts may see differently are not emitted. */
static bool emits(const struct xlat *x, const struct shift *s)
{
    unsigned bits = 8 * s->size;

    if (!s->by_cl && s->count == 0)
        return false;
    if (s->through_carry)
        return s->count == 1 || (s->count && s->size >= 4 && !(x->visible_after[x->k] & FL_OF));
    if (s->rotates)
        return s->size >= 4 || (!s->by_cl && s->count % bits);
    return s->count <= bits;
}

static void shift(struct xlat *x, const struct insn *i, const struct shift *s, struct host_mem m)
{
    struct assembler *a = &x->a;
    uint32_t opcode = (s->by_cl ? 0xd2 : 0xc0) | (s->size > 1);

    if (s->memory)
        a_xm(a, opcode, s->size, s->ext, m);
    else if (s->high)
        a_xr(a, opcode, 1, s->ext, byte_of(x, i->reg, TEMP2));
    else
        a_xr(a, opcode, s->size, s->ext, reg_of(x, s->size == 1 ? i->reg / 8u : i->reg));
    if (!s->by_cl)
        a_byte(a, (uint8_t)i->imm);
    if (s->high)
        put_byte(x, i->reg);
}

/* By CL, where somebody may look at the flags that hosts differ in. */
static void shift_exactly(struct xlat *x, const struct insn *i, const struct shift *s,
                          struct host_mem m)
{
    struct assembler *a = &x->a;

    flags_to_image(x);
    if (s->size < 4) { /* longer than the operand */
        a_mov_rr(a, 4, TEMP2, H_RCX);
        a_alu_ri(a, 4, 4, TEMP2, 31);
        a_alu_ri(a, 7, 4, TEMP2, (int32_t)(8 * s->size));
        add_stub(x, STUB_HANDLER, a_jcc(a, CC_A))->thunk = THUNK_HANDLER;
    }
    shift(x, i, s, m);
    flags_to_rax(a);
    a_alu_ri(a, 4, 4, H_RAX, ~0x1000); /* AF */
    store_unless_zero(x, s->size);
}

bool emit_shift(struct xlat *x, const struct insn *i)
{
    struct shift s = shift_of(i);
    struct host_mem m = {0};
    bool exactly = s.by_cl && !s.rotates && (s.size < 4 || x->visible_after[x->k] & FL_AF);

    if (exactly && !s.memory && i->reg >> (s.size == 1 ? 3 : 0) == R_RCX)
        return false; /* the count is asked for afterwards */
    if (!emits(x, &s) || (s.memory && !operand_is_simple(x, i)))
        return false;
    if (s.memory)
        m = emit_operand(x, s.size, true);
    if (exactly) {
        shift_exactly(x, i, &s, m);
        return true;
    }
    flags_keep_rest(x);
    if (s.through_carry)
        flags_to_host(x);
    shift(x, i, &s, m);
    flags_made(x);
    return true;
}

/* ---- SHLD SHRD ---- */

static void dshift(struct xlat *x, const struct insn *i, bool by_cl, unsigned size,
                   const struct host_mem *m)
{
    unsigned opn = (unsigned)(op_operation(i->op) - operations);
    bool right = opn == OPN_shrdi || opn == OPN_shrdc;
    uint32_t opcode = OPC_0F | (right ? 0xac : 0xa4) | by_cl;

    if (m)
        a_rm(&x->a, opcode, size, reg_of(x, i->reg), *m);
    else
        a_rr(&x->a, opcode, size, reg_of(x, i->rm), reg_of(x, i->reg));
    if (!by_cl)
        a_byte(&x->a, (uint8_t)i->imm);
}

static void dshift_exactly(struct xlat *x, const struct insn *i, bool by_cl, unsigned size)
{
    struct assembler *a = &x->a;
    unsigned dst = reg_of(x, i->reg);

    if (by_cl)
        flags_to_image(x);
    x->flags = FLAGS_IMAGE;
    a_mov_rr(a, size, TEMP, dst);
    if (size == 4) /* a count of 0 too clears the upper half */
        a_mov_rr(a, 4, dst, dst);
    dshift(x, i, by_cl, size, NULL);
    a_byte(a, 0x9f);                /* lahf */
    a_rr(a, 0x31, size, dst, TEMP); /* xor */
    a_xr(a, 0xc1, size, 5, TEMP);   /* shr: the sign's change */
    a_byte(a, 8 * size - 1);
    a_alu_ri(a, 4, 4, H_RAX, ~0x10ff); /* AF, and room for OF */
    a_rr(a, 0x09, 4, TEMP, H_RAX);
    if (by_cl)
        store_unless_zero(x, size);
    else
        a_store(a, 4, H_RAX, h_state(JIT_OFF(flags)));
}

bool emit_dshift(struct xlat *x, const struct insn *i)
{
    unsigned opn = (unsigned)(op_operation(i->op) - operations), size = insn_osize(i);
    bool by_cl = opn == OPN_shldc || opn == OPN_shrdc, memory = form_of(i) >= 3;
    bool exactly = by_cl || x->visible_after[x->k] & (FL_OF | FL_AF);

    if (size == 2 || (!by_cl && ((unsigned)i->imm & count_mask(size)) == 0))
        return false;
    if (by_cl && i->reg == R_RCX && !memory)
        return false;
    if (memory && (exactly || !operand_is_simple(x, i)))
        return false;
    if (exactly) {
        dshift_exactly(x, i, by_cl, size);
        return true;
    }
    if (memory) {
        struct host_mem m = emit_operand(x, size, true);
        dshift(x, i, by_cl, size, &m);
    } else {
        dshift(x, i, by_cl, size, NULL);
    }
    flags_made(x);
    return true;
}
