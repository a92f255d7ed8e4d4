/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87 instructions: the same again, on the guest's registers in the host's. All exceptions are
 * masked and none is pending (MODE_X87); stack faults, being masked, are the host's business.
 *
 * The pointers to the last instruction and operand are the host's own only while the guest runs on
 * it, so they are noted: an instruction's number where C could ask for it, and its operand's
 * address (fpu.c turns the number into FIP, FCS, FOP and FDS). */
#include "translator/x86_64/emit.h"

#include "cpu/x86/ops.h"

static unsigned number_of(const struct insn *i)
{
    return (unsigned)(op_operation(i->op) - operations);
}

/* Environments, and what is not in the manual. */
static bool left_to_handler(unsigned opn)
{
    switch (opn) {
    case OPN_fldenv:
    case OPN_fnstenv:
    case OPN_fnsave:
    case OPN_frstor:
    case OPN_fninit:
    case OPN_fnclex:
    case OPN_fsetpm:
    case OPN_fwait: /* nothing to do: emit_x87() */
    case OPN_fnop:
    case OPN_fstpnce:
    case OPN_ffreep:
        return true;
    default:
        return false;
    }
}

bool x87_is_x87(const struct insn *i)
{
    unsigned opn = number_of(i);

    return opn == OPN_fwait || (opn >= OPN_fadd_m32 && opn <= OPN_fcomip);
}

bool x87_is_copied(const struct xlat *x, const struct insn *i)
{
    if (!(x->mode & MODE_X87) || left_to_handler(number_of(i)))
        return false;
    if (op_operation(i->op)->props & P_APPROX && x->cpu->model.soft_approx)
        return false;
    return !(i->flags & INSN_MEM) || operand_is_simple(x, i);
}

/* ---- the opcode, from FOP ---- */

static unsigned opcode_of(const struct insn *i)
{
    return 0xd8 | (i->imm >> 8 & 7);
}

static unsigned extension_of(const struct insn *i)
{
    return i->imm >> 3 & 7;
}

/* Bytes of the memory operand: by opcode, then /0 to /7. */
static unsigned memory_size(const struct insn *i)
{
    static const uint8_t sizes[8][8] = {
        {4, 4, 4, 4, 4, 4, 4, 4},   {4, 0, 4, 4, 0, 2, 0, 2},   {4, 4, 4, 4, 4, 4, 4, 4},
        {4, 4, 4, 4, 0, 10, 0, 10}, {8, 8, 8, 8, 8, 8, 8, 8},   {8, 8, 8, 8, 0, 0, 0, 2},
        {2, 2, 2, 2, 2, 2, 2, 2},   {2, 2, 2, 2, 10, 8, 10, 8},
    };
    return sizes[opcode_of(i) & 7][extension_of(i)];
}

/* FST FSTP FIST FISTP FISTTP FBSTP FNSTCW FNSTSW. */
static bool is_store(const struct insn *i)
{
    static const uint8_t stores[8] = {[1] = 0x8c, [3] = 0x8e, [5] = 0x8e, [7] = 0xce};

    return stores[opcode_of(i) & 7] >> extension_of(i) & 1;
}

/* ---- pointers ---- */

/* Control instructions leave them alone. */
static bool is_noted(unsigned opn)
{
    return opn != OPN_fldcw && opn != OPN_fnstcw && opn != OPN_fnstsw_m && opn != OPN_fnstsw_ax;
}

/* Nothing can ask before the next instruction has noted itself. */
static bool next_notes_itself(const struct xlat *x)
{
    unsigned next = x->k + 1;
    const struct insn *i = &x->list[next];

    return next < x->n && x->fpu[next] == FPU_X87 && x87_is_x87(i) && is_noted(number_of(i)) &&
           !(i->flags & INSN_MEM);
}

static void note_number(struct xlat *x, size_t offset)
{
    a_xm(&x->a, 0xc7, 4, 0, h_state(offset));
    a_u32(&x->a, X87_INSN(x->t - x->tr->tblocks, x->k));
}

static void note(struct xlat *x, const struct insn *i)
{
    if (!is_noted(number_of(i)))
        return;
    if (!next_notes_itself(x))
        note_number(x, JIT_OFF(x87_insn));
    if (!(i->flags & INSN_MEM))
        return;
    emit_address(x, TEMP2, insn_asize(i));
    a_store(&x->a, 8, TEMP2, h_state(offsetof(struct cpu, fdp)));
    note_number(x, JIT_OFF(x87_memory_insn));
}

/* ---- emitters ---- */

/* The word is looked at and loaded from a place of our own: another processor may change it
 * between. */
static void load_control_word(struct xlat *x, struct host_mem m)
{
    struct assembler *a = &x->a;

    a_rm(a, OPC_0F | 0xb7, 4, TEMP, m); /* movzx */
    a_alu_ri(a, 4, 4, TEMP, 0x1f3f);
    a_alu_ri(a, 1, 4, TEMP, 0x40);
    a_mov_rr(a, 4, TEMP2, TEMP);
    a_alu_ri(a, 4, 4, TEMP2, 0x3f);
    a_alu_ri(a, 7, 4, TEMP2, 0x3f);
    add_stub(x, STUB_HANDLER, a_jcc(a, CC_NZ))->thunk = THUNK_HANDLER;
    a_store(a, 4, TEMP, h_state(JIT_OFF(t0)));
    a_xm(a, 0xd9, 4, 5, h_state(JIT_OFF(t0)));
}

static void emit_registers(struct xlat *x, const struct insn *i)
{
    unsigned opn = number_of(i);

    if (i->fl_read & FL_ARITH && !(i->fl_write & FL_ARITH)) /* FCMOVcc */
        flags_to_host(x);
    a_byte(&x->a, opcode_of(i));
    a_byte(&x->a, i->imm & 0xff);
    if (opn == OPN_fnstsw_ax)
        a_mov_rr(&x->a, 2, x->host[R_RAX], H_RAX);
    if (i->fl_write & FL_ARITH)
        flags_made(x);
}

bool emit_x87(struct xlat *x, const struct insn *i)
{
    if (number_of(i) == OPN_fwait || number_of(i) == OPN_fnop)
        return x->mode & MODE_X87;
    if (!x->fpu[x->k])
        return false;
    if (!(i->flags & INSN_MEM)) {
        note(x, i);
        emit_registers(x, i);
        return true;
    }
    struct host_mem m = emit_operand(x, memory_size(i), is_store(i));
    note(x, i);
    if (number_of(i) == OPN_fldcw)
        load_control_word(x, m);
    else
        a_xm(&x->a, opcode_of(i), 4, extension_of(i), m);
    return true;
}
