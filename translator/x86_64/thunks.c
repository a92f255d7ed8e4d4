/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways between C and translated code. C runs on its own stack: its stack pointer and that of
 * the frames change places here. */
#include "translator/x86_64/emit.h"

const uint8_t pinned_place[16] = {
    [R_RAX] = H_R9,  [R_RCX] = H_RCX, [R_RDX] = H_RDX,  [R_RBX] = H_RBX,
    [R_RSP] = H_R10, [R_RBP] = H_RBP, [R_RSI] = H_RSI,  [R_RDI] = H_RDI,
    [R_R8] = H_R8,   [R_R9] = H_NONE, [R_R10] = H_NONE, [R_R11] = H_NONE,
    [R_R12] = H_R12, [R_R13] = H_R13, [R_R14] = H_R14,  [R_R15] = H_NONE};

static const uint8_t callee_saved[] = {H_RBX, H_RBP, H_R12, H_R13, H_R14, H_R15};

static bool is_callee_saved(unsigned r)
{
    return memchr(callee_saved, (int)r, sizeof(callee_saved)) != NULL;
}

/* The guest's: those that C preserves, or the others. */
static void registers(struct assembler *a, bool preserved, bool store)
{
    for (unsigned g = 0; g < 16; g++) {
        if (pinned_place[g] == H_NONE || is_callee_saved(pinned_place[g]) != preserved)
            continue;
        if (store)
            a_store(a, 8, pinned_place[g], h_state(REG_OFF(g)));
        else
            a_load(a, 8, pinned_place[g], h_state(REG_OFF(g)));
    }
}

/* int enter(struct cpu *, const void *code) */
static void emit_enter(struct assembler *a)
{
    for (unsigned n = 0; n < sizeof(callee_saved); n++)
        a_push(a, callee_saved[n]);
    a_alu_ri(a, 5, 8, H_RSP, 8); /* the stack is 16-byte aligned at calls from here */
    a_lea(a, 8, STATE, h_at(H_RDI, STATE_BIAS));
    a_mov_rr(a, 8, TEMP2, H_RSI);
    a_store(a, 8, H_RSP, h_state(JIT_OFF(c_rsp)));
    a_load(a, 8, H_RSP, h_state(JIT_OFF(rsp)));
    registers(a, true, false);
    registers(a, false, false);
    a_xr(a, 0xff, 4, 4, TEMP2);
}

/* Where C functions send translated code to return to the caller of enter(). */
static void emit_leave_thunk(struct assembler *a)
{
    a_load(a, 8, H_RSP, h_state(JIT_OFF(c_rsp)));
    a_alu_ri(a, 0, 8, H_RSP, 8);
    for (unsigned n = sizeof(callee_saved); n-- > 0;)
        a_pop(a, callee_saved[n]);
    a_ret(a);
}

/* Calls a thunk of the FPU unless its flag is 0. The caller fixes the jumps. */
struct detour {
    uint8_t *out, *back;
};
static struct detour detour(struct assembler *a, size_t flag)
{
    a_alu_mi(a, 7, 1, h_state(flag), 0);
    uint8_t *out = a_jcc(a, CC_NZ);
    return (struct detour){out, a->p};
}
static void emit_detour(struct assembler *a, struct detour d, const uint8_t *thunk)
{
    a_fix(d.out, a->p);
    a_call_to(a, thunk);
    a_jmp_to(a, d.back);
}

static void call(struct assembler *a, runtime_fn *fn)
{
    a_lea(a, 8, H_RDI, h_state(0));
    a_mov_imm(a, TEMP2, (uint64_t)(uintptr_t)fn);
    a_xr(a, 0xff, 4, 2, TEMP2);
}

/* To C: what it may change is in struct cpu, and the stack is C's. */
static void emit_to_c(struct assembler *a)
{
    a_xm(a, 0x8f, 4, 0, h_state(JIT_OFF(site))); /* pop the return address */
    a_store(a, 8, TEMP, h_state(JIT_OFF(t0)));
    a_store(a, 8, TEMP2, h_state(JIT_OFF(t1)));
    registers(a, false, true);
    a_store(a, 8, H_RSP, h_state(JIT_OFF(rsp)));
    a_load(a, 8, H_RSP, h_state(JIT_OFF(c_rsp)));
}

/* Calls what leaves vector registers alone; goes on here if it says no. */
static void emit_quick_call(struct assembler *a, runtime_fn *fn)
{
    call(a, fn);
    a_rr(a, 0x85, 8, TEMP2, TEMP2); /* test */
    uint8_t *no = a_jcc(a, CC_Z);
    a_load(a, 8, H_RSP, h_state(JIT_OFF(rsp)));
    registers(a, false, false);
    a_load(a, 8, TEMP, h_state(JIT_OFF(t0)));
    a_xr(a, 0xff, 4, 4, TEMP2);
    a_fix(no, a->p);
}

static void emit_c_call(struct assembler *a, const struct translator *tr, runtime_fn *fn,
                        runtime_fn *quick)
{
    const struct code_cache *c = &tr->cache;

    emit_to_c(a);
    if (quick && quick != quick_miss_store)
        emit_quick_call(a, quick);
    registers(a, true, true);
    if (quick == quick_miss_store) /* it looks at what is stored */
        emit_quick_call(a, quick);
    struct detour save = detour(a, JIT_OFF(fpu_live));
    call(a, fn);
    struct detour reload = detour(a, JIT_OFF(fpu_saved));
    a_load(a, 8, H_RSP, h_state(JIT_OFF(rsp)));
    registers(a, true, false);
    registers(a, false, false);
    a_xr(a, 0xff, 4, 4, TEMP2);
    emit_detour(a, save, to_rw(c, tr->thunk[THUNK_SAVE_FPU]));
    emit_detour(a, reload, to_rw(c, tr->thunk[THUNK_RELOAD_FPU]));
}

static void align(struct assembler *a)
{
    while ((uintptr_t)a->p & 15)
        a_byte(a, 0xcc);
}

static void emit_thunk(struct assembler *a, struct translator *tr, unsigned n)
{
    align(a);
    a_room(a);
    tr->thunk[n] = to_rx(&tr->cache, a->p);
    switch (n) {
    case THUNK_LEAVE:
        emit_leave_thunk(a);
        break;
    case THUNK_LOAD_SSE:
        fpu_emit_load_sse(a);
        break;
    case THUNK_SAVE_FPU:
        fpu_emit_save(a);
        break;
    case THUNK_RELOAD_FPU:
        fpu_emit_reload(a);
        break;
    case THUNK_MISS_LOAD:
        emit_c_call(a, tr, runtime_functions[n], quick_miss_load);
        break;
    case THUNK_MISS_STORE:
        emit_code_store(a);
        emit_c_call(a, tr, runtime_functions[n], quick_miss_store);
        break;
    case THUNK_SYSCALL:
        emit_c_call(a, tr, runtime_functions[n], quick_syscall);
        break;
    case THUNK_SYSRET:
        emit_c_call(a, tr, runtime_functions[n], quick_sysret);
        break;
    case THUNK_TIME_STAMP:
        emit_c_call(a, tr, runtime_functions[n], quick_time_stamp);
        break;
    case THUNK_STRING:
        emit_c_call(a, tr, runtime_functions[n], quick_string);
        break;
    default:
        emit_c_call(a, tr, runtime_functions[n], NULL);
    }
}

bool emit_thunks(struct translator *tr)
{
    struct code_cache *c = &tr->cache;
    struct assembler a = {.p = c->rw, .end = c->rw + c->size};
    void *enter = (void *)(uintptr_t)to_rx(c, a.p);

    memcpy(&tr->enter, &enter, sizeof(enter));
    emit_enter(&a);
    emit_thunk(&a, tr, THUNK_SAVE_FPU); /* the others call them */
    emit_thunk(&a, tr, THUNK_RELOAD_FPU);
    for (unsigned n = 0; n < THUNK_SAVE_FPU; n++)
        emit_thunk(&a, tr, n);
    for (unsigned table = 0; table < 2 * NUM_TLB_CLASSES; table++)
        for (unsigned n = 0; n < STACK_SLOT_SIZES; n++) {
            align(&a);
            tr->stack_slot_miss[table][n] = to_rx(c, a.p);
            emit_stack_slot_miss(&a, tr, table, 1u << n);
        }
    align(&a);
    c->used = (uint64_t)(a.p - c->rw);
    return !a.full;
}
