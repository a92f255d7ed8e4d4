/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LOCK, and what exchanges a register with memory: the host's own instructions on the host's
 * address. */
#include "translator/x86_64/emit.h"

#define CACHE_LINE 64

/* Hosts may trap locked accesses that cross a line. */
void check_line(struct xlat *x, unsigned size)
{
    struct assembler *a = &x->a;

    if (size == 1)
        return;
    a_mov_rr(a, 4, TEMP2, TEMP);
    a_alu_ri(a, 4, 4, TEMP2, CACHE_LINE - 1);
    a_alu_ri(a, 7, 4, TEMP2, (int32_t)(CACHE_LINE - size));
    add_stub(x, STUB_HANDLER, a_jcc(a, CC_A))->thunk = THUNK_HANDLER;
}

struct host_mem emit_rmw_operand(struct xlat *x, unsigned size)
{
    struct host_mem m = emit_operand(x, size, true);

    if (x->list[x->k].flags & INSN_LOCK)
        check_line(x, size);
    return m;
}

void emit_lock(struct xlat *x)
{
    if (x->list[x->k].flags & INSN_LOCK)
        a_byte(&x->a, 0xf0);
}

/* ---- XCHG: locked with or without the prefix ---- */

static void xchg_bytes(struct xlat *x, const struct insn *i)
{
    struct assembler *a = &x->a;

    if (!is_high_byte(i->reg) && !is_high_byte(i->rm)) {
        a_rr(a, 0x86, 1, reg_of(x, i->rm / 8), reg_of(x, i->reg / 8));
        return;
    }
    a_mov_rr(a, 4, TEMP, byte_of(x, i->reg, TEMP));
    a_mov_rr(a, 4, TEMP2, byte_of(x, i->rm, TEMP2));
    put_byte(x, i->reg);
    a_mov_rr(a, 4, TEMP2, TEMP);
    put_byte(x, i->rm);
}

bool emit_xchg(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i);

    if (form_of(i) < 4) {
        if (size == 1)
            xchg_bytes(x, i);
        else
            a_rr(&x->a, 0x87, size, reg_of(x, i->rm), reg_of(x, i->reg));
        return true;
    }
    if (!operand_is_simple(x, i))
        return false;
    struct host_mem m = emit_operand(x, size, true);
    check_line(x, size);
    if (size > 1) {
        a_rm(&x->a, 0x87, size, reg_of(x, i->reg), m);
        return true;
    }
    unsigned r = byte_of(x, i->reg, TEMP2);
    a_rm(&x->a, 0x86, 1, r, m);
    if (is_high_byte(i->reg))
        put_byte(x, i->reg);
    return true;
}

/* ---- XADD, CMPXCHG ---- */
bool emit_xadd(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i);

    if (form_of(i) < 4) {
        if (size == 1)
            return false;
        a_rr(&x->a, OPC_0F | 0xc1, size, reg_of(x, i->rm), reg_of(x, i->reg));
        flags_made(x);
        return true;
    }
    if (!operand_is_simple(x, i))
        return false;
    struct host_mem m = emit_rmw_operand(x, size);
    unsigned r = size == 1 ? byte_of(x, i->reg, TEMP2) : reg_of(x, i->reg);
    emit_lock(x);
    a_rm(&x->a, OPC_0F | 0xc0 | (size > 1), size, r, m);
    if (size == 1 && is_high_byte(i->reg))
        put_byte(x, i->reg);
    flags_made(x);
    return true;
}

/* rax takes the host's eax, if it was loaded: otherwise its upper half stays. */
static void take_eax(struct xlat *x)
{
    uint8_t *equal = a_jcc(&x->a, CC_Z);

    a_mov_rr(&x->a, 4, reg_of(x, R_RAX), H_RAX);
    a_fix(equal, x->a.p);
}

bool emit_cmpxchg(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i), rax = reg_of(x, R_RAX);

    if (form_of(i) < 4 || !operand_is_simple(x, i) || (size == 1 && is_high_byte(i->reg)))
        return false;
    struct host_mem m = emit_rmw_operand(x, size);
    a_mov_rr(&x->a, 8, H_RAX, rax);
    emit_lock(x);
    a_rm(&x->a, OPC_0F | 0xb0 | (size > 1), size, reg_of(x, size == 1 ? i->reg / 8u : i->reg), m);
    if (size == 4)
        take_eax(x);
    else
        a_mov_rr(&x->a, size, rax, H_RAX);
    flags_made(x);
    return true;
}

/* CMPXCHG16B: rdx rcx rbx are in place (CMPXCHG8B is not worth it: in 64-bit code nobody uses it,
 * elsewhere the upper halves would have to be kept). */
bool emit_cmpxchg_pair(struct xlat *x, const struct insn *i)
{
    struct assembler *a = &x->a;

    if (op_operation(i->op) != &operations[OPN_cmpxchg16b] || !operand_is_simple(x, i) ||
        !host_has(x, i))
        return false;
    flags_clobber(x);
    uint8_t *again = a->p;
    emit_address(x, TEMP, insn_asize(i));
    if (segment_has_base(x, i->seg))
        a_rm(a, 0x03, 8, TEMP, h_state(offsetof(struct cpu, ea_base) + 8 * (size_t)i->seg));
    a_xr(a, 0xf6, 1, 0, TEMP); /* test: #GP unless aligned, before any other fault */
    a_byte(a, 15);
    add_stub(x, STUB_HANDLER, a_jcc(a, CC_NZ))->thunk = THUNK_HANDLER;
    struct host_mem m = emit_operand_at(x, SEG_DS, 16, true, again); /* without a base */
    flags_keep_rest(x);
    a_mov_rr(a, 8, H_RAX, reg_of(x, R_RAX));
    emit_lock(x);
    a_xm(a, OPC_0F | 0xc7, 8, 1, m);
    a_mov_rr(a, 8, reg_of(x, R_RAX), H_RAX);
    flags_made(x);
    return true;
}
