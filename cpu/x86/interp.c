/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interpreter: runs decoded blocks from the cache, delivers what they raise, counts.
 *
 * The budget is exact: every retired instruction, REP iteration and delivered exception counts
 * one, and a slice never runs past it. Within a block the count is settled lazily, from the
 * running instruction's place in the list (cpu_settle). */
#include "cpu/x86/ops.h"

#include "cpu/x86/block.h"
#include "cpu/x86/debugreg.h"
#include "cpu/x86/report.h"
#include "cpu/x86/x87_soft.h"

static inline bool exit_requested(const struct cpu *cpu)
{
    return atomic_load_explicit(&cpu->v.exit_req, memory_order_relaxed) != 0;
}

/* How many of the block's first n instructions lie within CS's limit; raises #GP(0) and returns 0
 * if not even one does. 64-bit code has no limit. */
static unsigned within_code_limit(struct cpu *cpu, const struct block *b, unsigned n)
{
    uint64_t rip = cpu->r[R_RIP], limit = cpu->seg[SEG_CS].limit;
    if (cpu->code_mode == CODE64 || rip + b->nbytes - 1 <= limit)
        return n;
    unsigned fit = 0;
    while (fit < n && rip + b->insns[fit].off + b->insns[fit].len - 1 <= limit)
        fit++;
    if (fit == 0)
        raise_gp(cpu, 0);
    return fit;
}

/* Runs the first `limit` instructions of a block. r[R_RIP] is architectural again afterwards. */
static inline __attribute__((always_inline)) int run_insns(struct cpu *cpu, const struct block *b,
                                                           unsigned limit, bool marked)
{
    const struct insn *i = b->insns;
    int r;
    cpu->settled = i;
    cpu->run_end = i + limit;
    do {
        cpu->insn = i;
        r = marked && i->probed && probe_stops_before(cpu) ? OP_FAULT : op_handlers[i->op](cpu, i);
        if (unlikely(r))
            break;
        i++;
    } while (i < cpu->run_end);

    if (likely(r == OP_BRANCH)) {
        cpu->v.budget -= i + 1 - cpu->settled;
    } else if (r == OP_OK) {
        cpu->v.budget -= i - cpu->settled;
        unsigned done = i == b->insns + b->ninsn ? b->nbytes : i->off;
        cpu->r[R_RIP] = (cpu->r[R_RIP] + done) & cpu_ip_mask(cpu);
    } else if (r == OP_FAULT || r == OP_AGAIN) {
        cpu->v.budget -= i + (r == OP_AGAIN) - cpu->settled;
        cpu->r[R_RIP] = insn_rip(cpu, i);
    } else {
        cpu->v.budget -= i + 1 - cpu->settled;
    }
    return r;
}

static int run_block(struct cpu *cpu, const struct block *b, unsigned limit)
{
    return run_insns(cpu, b, limit, false);
}

/* The same, asking a debugger where it wants that, and for a report of what was run. */
static int run_block_noted(struct cpu *cpu, const struct block *b, unsigned limit)
{
    if (cpu->history)
        report_begin_block(cpu, b);
    int r = run_insns(cpu, b, limit, true);
    if (cpu->history)
        report_end_block(cpu);
    return r;
}

/* Runs a block, at most its first `limit` instructions. NULL: none could be fetched. */
static inline int run_one(struct cpu *cpu, const struct block *b, unsigned limit)
{
    if (unlikely(!b))
        return OP_FAULT;
    limit = limit < b->ninsn ? limit : b->ninsn;
    if (unlikely(limit > cpu->v.budget))
        limit = cpu->v.budget > 0 ? (unsigned)cpu->v.budget : 1;
    limit = within_code_limit(cpu, b, limit);
    if (unlikely(cpu->history || b->marked) && limit)
        return run_block_noted(cpu, b, limit);
    return likely(limit) ? run_block(cpu, b, limit) : OP_FAULT;
}

int interp_block(struct cpu *cpu, const struct block *b)
{
    return run_one(cpu, b, BLOCK_MAX);
}

int interp_block_part(struct cpu *cpu, const struct block *b, unsigned n)
{
    return run_one(cpu, b, n);
}

enum vcpu_exit interp_blocks(struct cpu *cpu)
{
    struct block *b = block_find(cpu);
    enum vcpu_exit why;
    for (;;) {
        int r = run_one(cpu, b, BLOCK_MAX);
        if (likely(r <= OP_BRANCH && cpu->v.budget > 0 && !exit_requested(cpu)))
            b = block_after(cpu, b);
        else if (interp_go_on(cpu, r, &why))
            b = block_find(cpu);
        else
            return why;
    }
}

/* INT n, INT3, INTO and INT1 clear TF on their way and are not single-stepped (SDM vol. 3B
 * 18.3.1.4); an INTO that does nothing is, and SYSCALL if IA32_FMASK leaves TF set (AMD APM vol. 3,
 * SYSCALL). */
static bool steps_as_one(const struct cpu *cpu, unsigned op)
{
    if (op == OP_syscall_x || op == OP_into_x)
        return cpu->eflags & EFLAGS_TF;
    return op != OP_int_x && op != OP_int3_x && op != OP_int1_x;
}

static int raise_debug(struct cpu *cpu, uint64_t dr6)
{
    raise_exception(cpu, EXC_DB);
    cpu->exc.dr6 = dr6;
    return OP_FAULT;
}

/* Runs one instruction. RF lasts until it completes, unless it loads a new one (SDM vol. 3B
 * 18.3.1.1). */
static int run_without_rf(struct cpu *cpu)
{
    uint32_t rf = cpu->eflags & EFLAGS_RF;
    cpu->eflags &= ~EFLAGS_RF;
    int r = run_one(cpu, block_find(cpu), 1);
    if (r == OP_FAULT || r == OP_AGAIN)
        cpu->eflags |= rf;
    return r;
}

/* One instruction that something special goes with: interrupts held back by STI or MOV SS, TF, RF,
 * breakpoints. */
static int run_single(struct cpu *cpu)
{
    bool step = cpu->eflags & EFLAGS_TF, after_mov_ss = cpu->shadow_ss;
    bool branches_only = cpu->debugctl & DEBUGCTL_BTF; /* SDM vol. 3B 18.4.3 */
    uint64_t rip = cpu->r[R_RIP];
    cpu->shadow = cpu->shadow_ss = false;
    if (unlikely(cpu->bp_code) && !after_mov_ss && !(cpu->eflags & EFLAGS_RF)) {
        unsigned hits = debug_code_hits(cpu);
        if (hits)
            return raise_debug(cpu, hits);
    }
    int r = run_without_rf(cpu);
    cpu->rep_unfinished = r == OP_AGAIN;
    if (r == OP_AGAIN && unlikely(cpu->probes))
        probe_unfinished(cpu, r);
    if (r == OP_FAULT) {
        cpu->bp_hits = 0; /* it is executed again */
        return r;
    }
    if (step && branches_only)
        step = r != OP_AGAIN && cpu->r[R_RIP] != ((rip + cpu->insn->len) & cpu_ip_mask(cpu));
    uint64_t dr6 = cpu->bp_hits | (step && steps_as_one(cpu, cpu->insn->op) ? DR6_BS : 0);
    if (dr6 && !cpu->shadow_ss && !cpu->exc_pending) {
        cpu->bp_hits = 0;
        return raise_debug(cpu, dr6);
    }
    return r == OP_HALT || r == OP_PAUSE ? r : OP_LEAVE;
}

static bool deliver(struct cpu *cpu)
{
    cpu->v.budget--;
    return exception_deliver(cpu);
}

/* Clears a request of another thread; true if there was one. */
static bool taken(bool *request)
{
    return __atomic_load_n(request, __ATOMIC_RELAXED) &&
           __atomic_exchange_n(request, false, __ATOMIC_ACQ_REL);
}

static void refresh(struct cpu *cpu)
{
    if (unlikely(taken(&cpu->map_stale)))
        tlb_flush_all(cpu);
    if (unlikely(taken(&cpu->store_stale)))
        tlb_drop_stores(cpu, ARENA_NONE);
}

/* What an instruction or a block that returned r has left to do. False: the run ends. */
static bool finish(struct cpu *cpu, int r, enum vcpu_exit *why)
{
    if (unlikely(cpu->probes) && probe_unfinished(cpu, r)) {
        *why = VCPU_EXIT_DEBUG;
        return false;
    }
    if (r == OP_FAULT && unlikely(cpu->ferr_frozen)) {
        cpu->ferr_frozen = false;
        cpu->v.halted = true;
    } else if (r == OP_FAULT && cpu->v.budget <= 0) {
        cpu->exc_pending = true; /* a trap of the last instruction: the next slice begins so */
    } else if (r == OP_FAULT && unlikely(cpu->probes) && probe_exception(cpu)) {
        cpu->exc_pending = true;
        *why = VCPU_EXIT_DEBUG;
        return false;
    } else if (r == OP_FAULT) {
        *why = VCPU_EXIT_SHUTDOWN;
        return deliver(cpu);
    } else if (r == OP_HALT) {
        cpu->v.halted = true;
    } else if (r == OP_PAUSE) {
        *why = VCPU_EXIT_YIELD;
        return false;
    }
    return true;
}

/* Between two instructions: takes interrupts. False: the run ends. */
static bool between(struct cpu *cpu, enum vcpu_exit *why)
{
    refresh(cpu);
    *why = VCPU_EXIT_DEBUG;
    if (unlikely(cpu->probes) && probe_boundary(cpu))
        return false;
    *why = VCPU_EXIT_SHUTDOWN;
    if (!cpu->shadow && !cpu->exc_pending && cpu_interrupt_ready(cpu) && !cpu_take_interrupts(cpu))
        return false;
    *why = VCPU_EXIT_DOUBLE_FAULT;
    if (unlikely(cpu->double_fault)) {
        cpu->double_fault = false;
        return false;
    }
    *why = VCPU_EXIT_DEBUG;
    if (unlikely(cpu->probes) && probe_boundary(cpu))
        return false;
    *why = cpu->v.halted ? VCPU_EXIT_HALT : VCPU_EXIT_SLICE;
    return !cpu->v.halted && cpu->v.budget > 0 && !exit_requested(cpu);
}

/* Until blocks may run: the exception that a task switch left behind, and instructions that
 * something special goes with. False: the run ends. */
static bool prepare(struct cpu *cpu, enum vcpu_exit *why)
{
    while (between(cpu, why)) {
        int r = OP_FAULT;
        if (unlikely(cpu->exc_pending))
            cpu->exc_pending = false;
        else if (cpu->shadow || cpu->bp_any || cpu->eflags & (EFLAGS_TF | EFLAGS_RF))
            r = run_single(cpu);
        else
            return true;
        if (!finish(cpu, r, why))
            return false;
    }
    return false;
}

bool interp_go_on(struct cpu *cpu, int r, enum vcpu_exit *why)
{
    cpu->rep_unfinished = r == OP_AGAIN;
    return finish(cpu, r, why) && prepare(cpu, why);
}

enum vcpu_exit interp_run(struct vcpu *v, uint64_t budget)
{
    (void)budget; /* v->budget */
    struct cpu *cpu = cpu_of(v);
    enum vcpu_exit why;
    if (prepare(cpu, &why))
        why = cpu->run_blocks(cpu);
    if (unlikely(cpu->model.soft_approx))
        x87_soft_release();
    return why;
}

int interp_step(struct cpu *cpu, struct pending_exception *fault)
{
    refresh(cpu);
    int r = OP_FAULT;
    if (cpu->exc_pending)
        cpu->exc_pending = false;
    else
        r = run_single(cpu);
    if (r != OP_FAULT || cpu->ferr_frozen)
        return 0;
    *fault = cpu->exc;
    return 1;
}
