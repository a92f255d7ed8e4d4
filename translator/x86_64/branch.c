/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transfers of control and the stack instructions that go with them.
 *
 * A call pushes a frame of two words on the host's stack, what the guest's return address must be
 * and where the host goes on; a return that finds its address in the frame on top is the host's
 * RET. Otherwise, and for indirect jumps, the jump cache is asked. */
#include "translator/x86_64/emit.h"

static bool is_64bit(const struct xlat *x)
{
    return (x->mode & MODE_CODE) == CODE64;
}

static uint64_t cut(uint64_t v, unsigned size)
{
    return v & (~0ull >> (64 - 8 * size));
}

uint64_t next_rip(const struct xlat *x, const struct insn *i)
{
    return cut(x->t->rip + i->off + i->len, is_64bit(x) ? 8 : 4);
}

/* Target of a relative branch. False: it would fault. */
static bool relative_target(const struct xlat *x, const struct insn *i, uint64_t *target)
{
    *target = cut(x->t->rip + i->off + i->len + i->imm, insn_osize(i));
    return !is_64bit(x) || is_canonical(*target);
}

static uint64_t tag_of(const struct xlat *x, uint64_t rip)
{
    return rip ^ (uint64_t)x->t->mode << 48;
}

/* ---- jumps ---- */

/* Out of the middle of a joined block. */
static void emit_side_exit(struct xlat *x, unsigned cc, uint64_t target)
{
    struct stub aside = {0};

    flags_for_side_exit(x, &aside);
    struct stub *s = add_stub(x, STUB_SIDE_EXIT, a_jcc(&x->a, cc));
    s->target = target;
    s->saves = aside.saves;
    s->after_shift = aside.after_shift;
}

bool emit_jcc(struct xlat *x, const struct insn *i)
{
    unsigned cc = insn_cc(i);
    uint64_t target;

    if (!relative_target(x, i, &target))
        return false;
    if (x->k + 1 < x->n) {
        emit_side_exit(x, cc, target);
        return true;
    }
    flags_to_both(x);
    emit_unswap(x);
    add_stub(x, STUB_EXIT, a_jcc(&x->a, cc))->target = target;
    emit_exit(x, next_rip(x, i));
    x->ended = true;
    return true;
}

bool emit_jmp(struct xlat *x, const struct insn *i)
{
    uint64_t target;

    if (!relative_target(x, i, &target))
        return false;
    flags_to_image(x);
    emit_unswap(x);
    emit_exit(x, target);
    x->ended = true;
    return true;
}

/* To the address in TEMP2. */
static void emit_jump_cache(struct xlat *x)
{
    struct assembler *a = &x->a;
    size_t cache = JIT_OFF(jump_cache);

    a_mov_rr(a, 8, TEMP, TEMP2);
    a_rm(a, 0x33, 8, TEMP, h_state(JIT_OFF(mode_tag))); /* xor */
    a_alu_ri(a, 4, 4, TEMP2, (1 << JUMP_CACHE_BITS) - 1);
    a_xr(a, 0xc1, 4, 4, TEMP2);
    a_byte(a, 4);
    a_rm(a, 0x39, 8, TEMP, h_state_at(TEMP2, cache + offsetof(struct jump_cache_entry, tag)));
    add_stub(x, STUB_THUNK, a_jcc(a, CC_NZ))->thunk = THUNK_INDIRECT;
    a_xm(a, 0xff, 4, 4, h_state_at(TEMP2, cache + offsetof(struct jump_cache_entry, code)));
}

/* The target of an indirect branch in TEMP2. False: not that simple. */
static bool indirect_target(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i);

    if (size == 2)
        return false;
    if (form_of(i) == 1) {
        if (!operand_is_simple(x, i))
            return false;
        struct host_mem m = emit_operand(x, size, false);
        a_load(&x->a, size, TEMP2, m);
        return true;
    }
    flags_to_image(x);
    a_mov_rr(&x->a, size, TEMP2, reg_of(x, i->reg));
    return true;
}

bool emit_jmp_ind(struct xlat *x, const struct insn *i)
{
    if (!indirect_target(x, i))
        return false;
    flags_to_image(x);
    emit_unswap(x);
    emit_jump_cache(x);
    x->ended = true;
    return true;
}

/* ---- LOOP, JCXZ ---- */

static void count_exits(struct xlat *x, const struct insn *i, unsigned cc, uint64_t target)
{
    emit_unswap(x);
    add_stub(x, STUB_EXIT, a_jcc(&x->a, cc))->target = target;
    emit_exit(x, next_rip(x, i));
    x->ended = true;
}

bool emit_jcxz(struct xlat *x, const struct insn *i)
{
    uint64_t target;

    if (insn_asize(i) == 2 || !relative_target(x, i, &target))
        return false;
    flags_to_image(x);
    a_rr(&x->a, 0x85, insn_asize(i), H_RCX, H_RCX); /* test */
    count_exits(x, i, CC_Z, target);
    return true;
}

bool emit_loop(struct xlat *x, const struct insn *i)
{
    uint64_t target;

    if (insn_asize(i) == 2 || !relative_target(x, i, &target))
        return false;
    flags_to_image(x);
    a_alu_ri(&x->a, 5, insn_asize(i), H_RCX, 1);
    count_exits(x, i, CC_NZ, target);
    return true;
}

/* ---- calls and returns ---- */

static void store_immediate(struct xlat *x, unsigned size, struct host_mem m, uint64_t v)
{
    if (size == 4 || imm_fits(v)) {
        a_xm(&x->a, 0xc7, size, 0, m);
        a_u32(&x->a, (uint32_t)v);
    } else {
        a_mov_imm(&x->a, TEMP2, v);
        a_store(&x->a, 8, TEMP2, m);
    }
}

static void move_stack_pointer(struct xlat *x, int32_t by)
{
    unsigned rsp = reg_of(x, R_RSP);

    a_lea(&x->a, is_64bit(x) ? 8 : 4, rsp, h_at(rsp, by));
}

static void push_frame(struct xlat *x, uint64_t next)
{
    a_mov_imm(&x->a, TEMP, tag_of(x, next));
    a_push(&x->a, TEMP);
}

/* Where the host comes back to. The page may be another one by then: a checked entry. */
static void pop_frame(struct xlat *x, uint64_t next)
{
    a_lea(&x->a, 8, H_RSP, h_at(H_RSP, 8));
    struct stub *s = add_stub(x, STUB_EXIT, a_jmp(&x->a));
    s->target = next;
    s->returns = true;
    x->ended = true;
}

static bool call_is_simple(const struct xlat *x, const struct insn *i)
{
    return stack_is_simple(x) && insn_osize(i) == (is_64bit(x) ? 8u : 4u);
}

bool emit_call(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i);
    uint64_t target, next = next_rip(x, i);

    if (!call_is_simple(x, i) || !relative_target(x, i, &target))
        return false;
    store_immediate(x, size, emit_stack_operand(x, size, -(int32_t)size, true), next);
    move_stack_pointer(x, -(int32_t)size);
    flags_to_image(x);
    emit_unswap(x);
    if (target == next || x->tr->config.no_calls) {
        emit_exit(x, target);
        x->ended = true;
        return true;
    }
    push_frame(x, next);
    add_stub(x, STUB_EXIT, a_call(&x->a))->target = target;
    pop_frame(x, next);
    return true;
}

void check_canonical(struct xlat *x)
{
    struct assembler *a = &x->a;

    a_mov_rr(a, 8, TEMP, TEMP2);
    a_xr(a, 0xc1, 8, 4, TEMP); /* shl */
    a_byte(a, 16);
    a_xr(a, 0xc1, 8, 7, TEMP); /* sar */
    a_byte(a, 16);
    a_rr(a, 0x39, 8, TEMP, TEMP2);
    add_stub(x, STUB_HANDLER, a_jcc(a, CC_NZ))->thunk = THUNK_HANDLER;
}

bool emit_call_ind(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i);
    uint64_t next = next_rip(x, i);

    if (!call_is_simple(x, i) || !indirect_target(x, i))
        return false;
    flags_to_image(x);
    if (is_64bit(x))
        check_canonical(x); /* before the push: a call to nowhere changes nothing */
    a_store(&x->a, 8, TEMP2, h_state(JIT_OFF(target)));
    store_immediate(x, size, emit_stack_operand(x, size, -(int32_t)size, true), next);
    move_stack_pointer(x, -(int32_t)size);
    emit_unswap(x);
    push_frame(x, next);
    uint8_t *call = a_call(&x->a);
    pop_frame(x, next);
    a_fix(call, x->a.p);
    a_load(&x->a, 8, TEMP2, h_state(JIT_OFF(target)));
    emit_jump_cache(x);
    return true;
}

bool emit_ret(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i);
    struct assembler *a = &x->a;

    if (!call_is_simple(x, i))
        return false;
    a_load(a, size, TEMP2, emit_stack_operand(x, size, 0, false));
    move_stack_pointer(x, (int32_t)(size + i->imm));
    flags_to_image(x);
    emit_unswap(x);
    a_mov_rr(a, 8, TEMP, TEMP2);
    a_rm(a, 0x33, 8, TEMP, h_state(JIT_OFF(mode_tag)));
    a_rm(a, 0x3b, 8, TEMP, h_at(H_RSP, 8));
    add_stub(x, STUB_THUNK, a_jcc(a, CC_NZ))->thunk = THUNK_RETURN;
    a_ret(a);
    x->ended = true;
    return true;
}

/* ---- PUSH, POP, LEAVE of the stack's width ---- */

static bool width_is_simple(const struct xlat *x, const struct insn *i)
{
    return call_is_simple(x, i);
}

/* PUSH of memory, POP to memory: the value waits in `target` while the other address is made. */
static bool push_memory(struct xlat *x, const struct insn *i, unsigned size)
{
    if (!operand_is_simple(x, i))
        return false;
    a_load(&x->a, size, TEMP2, emit_operand(x, size, false));
    a_store(&x->a, 8, TEMP2, h_state(JIT_OFF(target)));
    struct host_mem m = emit_stack_operand(x, size, -(int32_t)size, true);
    a_load(&x->a, 8, TEMP2, h_state(JIT_OFF(target)));
    a_store(&x->a, size, TEMP2, m);
    move_stack_pointer(x, -(int32_t)size);
    return true;
}

/* An address made from rsp is one after the increment: left out. */
static bool pop_memory(struct xlat *x, const struct insn *i, unsigned size)
{
    if (!operand_is_simple(x, i) || i->base == R_RSP)
        return false;
    a_load(&x->a, size, TEMP2, emit_stack_operand(x, size, 0, false));
    a_store(&x->a, 8, TEMP2, h_state(JIT_OFF(target)));
    struct host_mem m = emit_operand(x, size, true);
    a_load(&x->a, 8, TEMP2, h_state(JIT_OFF(target)));
    a_store(&x->a, size, TEMP2, m);
    move_stack_pointer(x, (int32_t)size);
    return true;
}

bool emit_push(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i);

    if (!width_is_simple(x, i))
        return false;
    if (form_of(i) == 1)
        return push_memory(x, i, size);
    struct host_mem m = emit_stack_operand(x, size, -(int32_t)size, true);
    a_store(&x->a, size, reg_of(x, i->reg), m);
    move_stack_pointer(x, -(int32_t)size);
    return true;
}

bool emit_push_imm(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i);

    if (!width_is_simple(x, i))
        return false;
    store_immediate(x, size, emit_stack_operand(x, size, -(int32_t)size, true), i->imm);
    move_stack_pointer(x, -(int32_t)size);
    return true;
}

bool emit_pop(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i);

    if (!width_is_simple(x, i))
        return false;
    if (form_of(i) == 1)
        return pop_memory(x, i, size);
    struct host_mem m = emit_stack_operand(x, size, 0, false);
    if (i->reg != R_RSP)
        move_stack_pointer(x, (int32_t)size);
    a_load(&x->a, size, reg_of(x, i->reg), m);
    return true;
}

bool emit_leave(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i), rbp = reg_of(x, R_RBP);

    if (!width_is_simple(x, i))
        return false;
    struct host_mem m = emit_frame_operand(x, R_RBP, size, 0, false);
    a_lea(&x->a, size, reg_of(x, R_RSP), h_at(rbp, (int32_t)size));
    a_load(&x->a, size, rbp, m);
    return true;
}

bool emit_pushf(struct xlat *x, const struct insn *i)
{
    struct assembler *a = &x->a;
    unsigned size = insn_osize(i);

    if (!width_is_simple(x, i))
        return false;
    flags_to_image(x);
    struct host_mem m = emit_stack_operand(x, size, -(int32_t)size, true);
    a_load(a, 4, H_RAX, h_state(JIT_OFF(flags)));
    a_xr(a, 0xc1, 2, 0, H_RAX); /* rol ax, 8: LAHF's in al, OF in ah */
    a_byte(a, 8);
    a_byte(a, 0xc0); /* shl ah, 3 */
    a_byte(a, 0xe4);
    a_byte(a, 3);
    a_alu_ri(a, 4, 4, H_RAX, EFLAGS_ARITH);
    a_rm(a, 0x0b, 4, H_RAX, h_state(offsetof(struct cpu, eflags))); /* or */
    a_alu_ri(a, 4, 4, H_RAX, (int32_t) ~(EFLAGS_RF | EFLAGS_VM));
    a_alu_ri(a, 1, 4, H_RAX, EFLAGS_FIXED);
    a_store(a, size, H_RAX, m);
    move_stack_pointer(x, -(int32_t)size);
    return true;
}
