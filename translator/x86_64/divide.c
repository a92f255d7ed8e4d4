/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiplication and division. Host rdx is the guest's; rax passes through the host's. */
#include "translator/x86_64/emit.h"

/* ---- IMUL with two and three operands ---- */
bool emit_imul(struct xlat *x, const struct insn *i)
{
    bool three = op_operation(i->op) == &operations[OPN_imul3], memory = form_of(i) >= 3;
    unsigned size = insn_osize(i), dst = reg_of(x, i->reg);
    bool small = i->imm == (uint64_t)(int64_t)(int8_t)i->imm;
    uint32_t opcode = !three ? OPC_0F | 0xaf : small ? 0x6b : 0x69;

    if (memory && !operand_is_simple(x, i))
        return false;
    if (memory)
        a_rm(&x->a, opcode, size, dst, emit_operand(x, size, false));
    else
        a_rr(&x->a, opcode, size, dst, reg_of(x, i->rm));
    if (three)
        a_imm_tail(&x->a, size, (int32_t)i->imm, small);
    flags_of_product(x, size, dst);
    return true;
}

/* ---- MUL, IMUL with one operand ---- */

/* rax is what the host made it; the 8-bit forms make AX. */
static void take_rax(struct xlat *x, unsigned size)
{
    a_mov_rr(&x->a, size == 1 ? 2 : size, reg_of(x, R_RAX), H_RAX);
}

bool emit_mul(struct xlat *x, const struct insn *i)
{
    unsigned opn = (unsigned)(op_operation(i->op) - operations), size = insn_osize(i);
    unsigned ext = opn == OPN_mul ? 4 : 5;
    uint32_t opcode = 0xf6 | (size > 1);

    if (form_of(i) >= 4) {
        if (!operand_is_simple(x, i))
            return false;
        struct host_mem m = emit_operand(x, size, false);
        a_mov_rr(&x->a, 8, H_RAX, reg_of(x, R_RAX));
        a_xm(&x->a, opcode, size, ext, m);
    } else {
        flags_clobber_quietly(x);
        unsigned src = size == 1 ? byte_of(x, i->reg, TEMP) : reg_of(x, i->reg);
        a_mov_rr(&x->a, 8, H_RAX, reg_of(x, R_RAX));
        a_xr(&x->a, opcode, size, ext, src);
    }
    take_rax(x, size);
    flags_of_product(x, size, reg_of(x, R_RAX));
    return true;
}

/* ---- DIV, IDIV ----
 * What would fault on the host is left to the semantic function, which raises #DE. The flags stay,
 * as they do there (they are undefined). A divisor in memory is read once: another processor may
 * change it after the check. */

static void to_handler(struct xlat *x, unsigned cc)
{
    add_stub(x, STUB_HANDLER, a_jcc(&x->a, cc))->thunk = THUNK_HANDLER;
}

/* The divisor in a register: its own, or TEMP. */
static unsigned divisor(struct xlat *x, const struct insn *i, unsigned size)
{
    struct assembler *a = &x->a;

    if (form_of(i) >= 4) {
        struct host_mem m = emit_operand(x, size, false);
        if (size < 4)
            a_rm(a, OPC_0F | (size == 1 ? 0xb6 : 0xb7), 4, TEMP, m); /* movzx */
        else
            a_load(a, size, TEMP, m);
        return TEMP;
    }
    flags_clobber(x);
    return size == 1 ? byte_of(x, i->reg, TEMP) : reg_of(x, i->reg);
}

/* Unsigned: the quotient fits if the high half is below the divisor. */
static void check_unsigned(struct xlat *x, unsigned size, unsigned d)
{
    struct assembler *a = &x->a;

    if (size > 1) {
        a_rr(a, 0x39, size, d, H_RDX); /* cmp rdx, d */
    } else {
        a_rr(a, OPC_0F | 0xb7, 4, TEMP2, reg_of(x, R_RAX));
        a_xr(a, 0xc1, 4, 5, TEMP2);
        a_byte(a, 8);
        a_rr(a, 0x38, 1, d, TEMP2);
    }
    to_handler(x, CC_NC);
}

/* Signed: a divisor that is not 0 or -1, into a sign-extended rax. */
static void check_signed(struct xlat *x, unsigned size, unsigned d)
{
    struct assembler *a = &x->a;

    a_mov_rr(a, 8, TEMP2, reg_of(x, R_RAX));
    a_xr(a, 0xc1, size, 7, TEMP2); /* sar */
    a_byte(a, 8 * size - 1);
    a_rr(a, 0x39, size, H_RDX, TEMP2);
    to_handler(x, CC_NZ);
    a_lea(a, 8, TEMP2, h_at(d, 1));
    a_alu_ri(a, 7, size, TEMP2, 1);
    to_handler(x, CC_BE);
}

bool emit_div(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i);
    bool is_signed = op_operation(i->op) == &operations[OPN_idiv];

    if ((size == 1 && is_signed) || (form_of(i) >= 4 && !operand_is_simple(x, i)))
        return false;
    unsigned d = divisor(x, i, size);
    if (is_signed)
        check_signed(x, size, d);
    else
        check_unsigned(x, size, d);
    a_mov_rr(&x->a, 8, H_RAX, reg_of(x, R_RAX));
    a_xr(&x->a, 0xf6 | (size > 1), size, is_signed ? 7 : 6, d);
    take_rax(x, size);
    return true;
}
