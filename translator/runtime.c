/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The C that translated code calls. Each function is entered with the guest's general registers
 * in struct cpu and returns where to go on. */
#include "translator/internal.h"

#include "cpu/x86/flags.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/ops.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/report.h"

static struct translator *translator_of(const struct cpu *cpu)
{
    return cpu->jit.translator;
}

/* ---- flags ---- */

static void flags_in(struct cpu *cpu)
{
    flags_set_image(cpu, jit_arith_flags(cpu->jit.flags));
}

static void flags_out(struct cpu *cpu)
{
    cpu->jit.flags = jit_flags_of(flags_image(cpu));
}

/* ---- between the block's places of registers and struct cpu ---- */

static void unswap(struct cpu *cpu, const struct tblock *t)
{
    for (unsigned n = 0; n < t->nswaps; n++) {
        cpu->r[t->swap[n].guest] = cpu->r[t->swap[n].taken];
        cpu->r[t->swap[n].taken] = cpu->jit.spill[n];
    }
}

static void swap(struct cpu *cpu, const struct tblock *t)
{
    for (unsigned n = 0; n < t->nswaps; n++) {
        cpu->jit.spill[n] = cpu->r[t->swap[n].taken];
        cpu->r[t->swap[n].taken] = cpu->r[t->swap[n].guest];
    }
}

/* ---- leaving ---- */

static const uint8_t *enter_at(struct cpu *cpu, const uint8_t *code)
{
    flags_out(cpu);
    cpu->insn = NULL;
    return code;
}

const uint8_t *jit_enter_at(struct cpu *cpu, const struct tblock *t)
{
    return enter_at(cpu, t->checked);
}

/* The jump cache learns where RIP leads. */
static void learn(struct cpu *cpu, const uint8_t *code)
{
    uint64_t pc = cpu->r[R_RIP];

    if (!translator_of(cpu)->config.no_jump_cache)
        cpu->jit.jump_cache[jump_cache_index(pc)] =
            (struct jump_cache_entry){.tag = pc ^ cpu->jit.mode_tag, .code = code};
}

/* Where it says RIP leads now; NULL. With less budget than any block has instructions nowhere: the
 * block might come back at once. */
static const uint8_t *learnt(struct cpu *cpu)
{
    uint64_t pc = cpu->r[R_RIP];
    const struct jump_cache_entry *e = &cpu->jit.jump_cache[jump_cache_index(pc)];

    jit_update_mode(cpu);
    return cpu->jit.mode && cpu->v.budget >= BLOCK_MAX && e->tag == (pc ^ cpu->jit.mode_tag)
               ? e->code
               : NULL;
}

/* What ran last returned r. All that must be done in C is done here, without leaving. */
static const uint8_t *leave(struct cpu *cpu, int r)
{
    const uint8_t *leave_thunk = translator_of(cpu)->thunk[THUNK_LEAVE], *code;
    enum vcpu_exit why;

    translator_of(cpu)->stats.left[r]++;
    fpu_take_x87(cpu);
    cpu->jit.fpu_saved = 0; /* C may change what was saved */
    if (cpu->jit.lockstep) {
        cpu->jit.result = r;
        return leave_thunk;
    }
    if (r > OP_BRANCH) {
        if (!interp_go_on(cpu, r, &why)) {
            cpu->jit.why = why;
            return leave_thunk;
        }
        code = learnt(cpu);
        if (code)
            return enter_at(cpu, code);
    }
    const struct tblock *t = jit_go_on(cpu, OP_BRANCH);

    if (!t)
        return leave_thunk;
    if (r > OP_BRANCH)
        learn(cpu, t->checked);
    return jit_enter_at(cpu, t);
}

/* Between blocks: RIP is set, the flags are in translated code's form. */
static const uint8_t *leave_between(struct cpu *cpu, int result)
{
    flags_in(cpu);
    return leave(cpu, result);
}

/* RIP is set: its translation, or NULL and where to leave. The budget's end comes before the fetch,
 * which may fault; lockstep runs a block at a time. */
static struct tblock *find(struct cpu *cpu, const uint8_t **leave_to)
{
    bool stop = cpu->v.budget <= 0 || cpu->jit.lockstep;
    fpu_take_x87(cpu);
    struct block *b = stop ? NULL : block_find(cpu);
    struct tblock *t = b ? tblock_now(cpu, b) : NULL;

    if (!t)
        *leave_to = leave_between(cpu, b || stop ? OP_BRANCH : OP_FAULT);
    return t;
}

/* RIP is set: to its translation, or back to C. */
static const uint8_t *go_on(struct cpu *cpu)
{
    const uint8_t *leave_to;
    const struct tblock *t = find(cpu, &leave_to);

    return t ? t->checked : leave_to;
}

/* ---- instructions run in C ---- */

/* The state before instruction k of t, as the interpreter has it while running a block. */
static const struct insn *stand_at(struct cpu *cpu, const struct tblock *t, const struct site *s)
{
    const struct insn *list = t->block->insns, *i = &list[s->insn];

    fpu_take_x87(cpu);
    cpu->r[R_RIP] = t->rip;
    cpu->v.budget += t->ninsn - s->insn;
    cpu->insn = cpu->settled = i;
    cpu->run_end = list + t->ninsn;
    if (s->producer == NO_PRODUCER)
        flags_in(cpu);
    else
        op_handlers[list[s->producer].op](cpu, &list[s->producer]);
    return i;
}

/* The block is left at or after instruction i, which returned r. */
static const uint8_t *leave_at(struct cpu *cpu, const struct insn *i, int r)
{
    if (r == OP_FAULT || r == OP_AGAIN)
        cpu->r[R_RIP] = insn_rip(cpu, i);
    else if (r == OP_OK)
        cpu->r[R_RIP] = insn_next_rip(cpu, i);
    cpu->v.budget -= r != OP_FAULT;
    if (unlikely(cpu->history) && translator_of(cpu)->notes) {
        jit_tell_history(cpu);
        report_left_at(cpu, i);
    }
    return leave(cpu, r);
}

/* Runs the instruction at the site. done: where to go on after it. Registers are unswapped. */
static const uint8_t *run_instruction(struct cpu *cpu, const struct tblock *t, const struct site *s,
                                      const uint8_t *done)
{
    const struct insn *i = stand_at(cpu, t, s), *end = cpu->run_end;
    int r, left = t->ninsn - s->insn;

    translator_of(cpu)->calls[op_operation(i->op) - operations]++;
    r = op_handlers[i->op](cpu, i);
    if (unlikely(r == OP_FAULT && cpu->history && !translator_of(cpu)->notes))
        report_fault_in_gap(cpu, t->block);
    if (unlikely(r != OP_OK || cpu->run_end != end || cpu->v.budget < left ||
                 jit_fpu_mode(cpu) != cpu->jit.fpu_mode))
        return leave_at(cpu, i, r);
    cpu->v.budget -= left;
    cpu->insn = NULL;
    if (i->fl_write & FL_ARITH)
        flags_out(cpu);
    swap(cpu, t);
    return done;
}

static const struct site *site_of(const struct cpu *cpu)
{
    return (const struct site *)(const void *)cpu->jit.site;
}

static const struct tblock *tblock_of(const struct cpu *cpu, const struct site *s)
{
    return &translator_of(cpu)->tblocks[s->tblock];
}

static const uint8_t *handler(struct cpu *cpu)
{
    const struct site *s = site_of(cpu);
    const struct tblock *t = tblock_of(cpu, s);

    translator_of(cpu)->stats.handlers++;
    unswap(cpu, t);
    return run_instruction(cpu, t, s, cpu->jit.site + sizeof(*s));
}

/* Whether a debugger lets the marked instruction run, which it says at once of most. */
static bool passes(struct cpu *cpu, const struct tblock *t, const struct site *s)
{
    cpu->r[R_RIP] = t->rip;
    cpu->r[R_RIP] = insn_rip(cpu, &t->block->insns[s->insn]);
    return probe_passes(cpu);
}

/* A marked instruction is about to run. */
static const uint8_t *ask(struct cpu *cpu)
{
    const struct site *s = site_of(cpu);
    const struct tblock *t = tblock_of(cpu, s);

    unswap(cpu, t);
    if (!passes(cpu, t, s)) {
        const struct insn *i = stand_at(cpu, t, s);

        if (probe_stops_before(cpu))
            return leave_at(cpu, i, OP_FAULT);
        cpu->v.budget -= t->ninsn - s->insn;
        cpu->insn = NULL;
    }
    swap(cpu, t);
    return cpu->jit.site + sizeof(*s);
}

/* RDTSC, RDTSCP: the count of instructions is exact, and nothing else is looked at. */
static const uint8_t *time_stamp(struct cpu *cpu)
{
    const struct site *s = site_of(cpu);
    const struct tblock *t = tblock_of(cpu, s);
    int left = t->ninsn - s->insn;

    if (cpu->watch || (cpu->cr4 & CR4_TSD && cpu->cpl > 0))
        return handler(cpu);
    cpu->v.budget += left;
    uint64_t v = cpu_tsc(cpu);
    cpu->v.budget -= left;
    cpu->r[R_RAX] = (uint32_t)v;
    cpu->r[R_RDX] = v >> 32;
    if (op_operation(t->block->insns[s->insn].op) == &operations[OPN_rdtscp])
        cpu->r[R_RCX] = (uint32_t)cpu->tsc_aux;
    return cpu->jit.site + sizeof(*s);
}

/* The block's last instruction, after which it is left. Registers are unswapped. */
static const uint8_t *last_instruction(struct cpu *cpu)
{
    const struct site *s = site_of(cpu);

    translator_of(cpu)->stats.handlers++;
    return run_instruction(cpu, tblock_of(cpu, s), s, cpu->jit.site);
}

/* A TLB miss: fills the entry and tries again, unless the access is one that no entry answers. */
static const uint8_t *miss(struct cpu *cpu, bool store)
{
    const struct site *s = site_of(cpu);
    const struct tblock *t = tblock_of(cpu, s);
    const uint8_t *again = cpu->jit.site + sizeof(*s);

    translator_of(cpu)->stats.slow_misses++;
    unswap(cpu, t);
    cpu->r[R_RIP] = t->rip;
    if (!(cpu->jit.t0 & s->align) && mem_fill(cpu, cpu->jit.t0, s->size, store)) {
        swap(cpu, t);
        return again;
    }
    return run_instruction(cpu, t, s, again + (store ? SITE_DONE_STORE : SITE_DONE_LOAD));
}

static const uint8_t *miss_load(struct cpu *cpu)
{
    return miss(cpu, false);
}

static const uint8_t *miss_store(struct cpu *cpu)
{
    return miss(cpu, true);
}

/* ---- transfers of control ---- */

static const uint8_t *unlinked_exit(struct cpu *cpu)
{
    struct translator *tr = translator_of(cpu);
    const uint8_t *site = cpu->jit.site, *leave_to;
    struct exit_site e;

    memcpy(&e, site, sizeof(e));
    cpu->r[R_RIP] = e.target;
    struct tblock *t = find(cpu, &leave_to);
    if (!t)
        return leave_to;
    uint32_t from = e.tblock & ~EXIT_RETURNS;
    bool same_page =
        !(e.tblock & EXIT_RETURNS) && (tr->tblocks[from].rip ^ t->rip) >> VM_PAGE_SHIFT == 0;
    if (!tr->config.no_links)
        tblock_link(tr, from, site, t, same_page ? t->head : t->checked);
    return t->checked;
}

/* The budget does not last for the block: it is given back already. */
static const uint8_t *out_of_budget(struct cpu *cpu)
{
    const struct tblock *t = tblock_of(cpu, site_of(cpu));

    cpu->v.budget += t->ninsn;
    cpu->r[R_RIP] = t->rip;
    return leave_between(cpu, OP_BRANCH);
}

static const uint8_t *refetch(struct cpu *cpu)
{
    struct translator *tr = translator_of(cpu);

    tr->stats.refetches++;
    cpu->r[R_RIP] = tr->tblocks[site_of(cpu)->tblock].rip;
    return go_on(cpu);
}

static const uint8_t *go_and_learn(struct cpu *cpu)
{
    const uint8_t *code = go_on(cpu);

    if (code != translator_of(cpu)->thunk[THUNK_LEAVE])
        learn(cpu, code);
    return code;
}

/* A way to a block that is gone: perhaps the jump cache's. */
static const uint8_t *dead(struct cpu *cpu)
{
    cpu->r[R_RIP] = tblock_of(cpu, site_of(cpu))->rip;
    return go_and_learn(cpu);
}

/* True: the branch to rip faults, by running it again. */
static bool bad_target(const struct cpu *cpu, uint64_t rip)
{
    return cpu->code_mode == CODE64 && !is_canonical(rip);
}

static const uint8_t *indirect(struct cpu *cpu)
{
    const struct site *s = site_of(cpu);
    uint64_t rip = cpu->jit.t0 ^ cpu->jit.mode_tag;

    translator_of(cpu)->stats.indirect_misses++;
    if (bad_target(cpu, rip))
        return run_instruction(cpu, tblock_of(cpu, s), s, cpu->jit.site);
    cpu->r[R_RIP] = rip;
    return go_and_learn(cpu);
}

/* A frame: see struct jit_state. */
struct frame {
    const uint8_t *host;
    uint64_t tag;
};
#define FRAMES_SEARCHED 8

/* RET found another address than the frame on top has. */
static const uint8_t *unwind(struct cpu *cpu)
{
    const struct site *s = site_of(cpu);
    const struct tblock *t = tblock_of(cpu, s);
    const struct insn *i = &t->block->insns[s->insn];
    uint64_t tag = cpu->jit.t0, rip = tag ^ cpu->jit.mode_tag;
    const struct frame *f = (const struct frame *)(uintptr_t)cpu->jit.rsp;

    translator_of(cpu)->stats.unwinds++;
    if (bad_target(cpu, rip)) { /* the stack pointer has moved */
        cpu->r[R_RSP] -= insn_osize(i) + i->imm;
        return run_instruction(cpu, t, s, cpu->jit.site);
    }
    for (unsigned n = 1; n < FRAMES_SEARCHED; n++) {
        if (f[n].tag != tag)
            continue;
        cpu->jit.rsp = (uint64_t)(uintptr_t)&f[n].tag;
        return f[n].host;
    }
    if (cpu->jit.rsp < cpu->jit.stack_base)
        cpu->jit.rsp += sizeof(*f);
    const struct jump_cache_entry *known = &cpu->jit.jump_cache[jump_cache_index(rip)];
    if (known->tag == tag)
        return known->code;
    cpu->r[R_RIP] = rip;
    return go_and_learn(cpu);
}

runtime_fn *const runtime_functions[NUM_THUNKS] = {
    [THUNK_MISS_LOAD] = miss_load,
    [THUNK_MISS_STORE] = miss_store,
    [THUNK_HANDLER] = handler,
    [THUNK_ASK] = ask,
    [THUNK_EXIT] = unlinked_exit,
    [THUNK_OUT] = out_of_budget,
    [THUNK_REFETCH] = refetch,
    [THUNK_INDIRECT] = indirect,
    [THUNK_RETURN] = unwind,
    [THUNK_DEAD] = dead,
    [THUNK_SYSCALL] = last_instruction,
    [THUNK_SYSRET] = last_instruction,
    [THUNK_TIME_STAMP] = time_stamp,
    [THUNK_STRING] = handler,
    [THUNK_LOAD_X87] = fpu_load_x87,
};
