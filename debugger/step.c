/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps. One instruction is machine_step(); when that delivered an interrupt from outside instead,
 * the machine runs to a mark: where it was interrupted, with the stack as it was. What is stepped
 * over (calls, INT n, repeated instructions) runs to a mark behind it. */
#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/mem.h"
#include "debugger/internal.h"
#include "debugger/symbols.h"
#include "monitor/control.h"

uint64_t debugger_sp(const struct cpu *cpu)
{
    uint64_t sp = stack_pointer(cpu);

    return cpu->code_mode == CODE64 ? sp : (uint32_t)(cpu->seg[SEG_SS].base + sp);
}

static void set_mark(struct debugger *d, uint64_t lin, int rule, uint64_t sp)
{
    d->mark = (struct mark){.set = true, .cpu = d->plan.cpu, .lin = lin, .sp = sp};
    d->mark.rule = rule == SP_EQUAL ? SP_EQUAL : rule == SP_ABOVE ? SP_ABOVE : SP_ANY;
}

/* The instruction at the pc; false: it cannot be read, or is none. */
static bool next_insn(struct debugger *d, const struct cpu *cpu, struct insn *i)
{
    uint8_t bytes[15];
    size_t n = debugger_read(d, cpu->v.index, false, debugger_pc(cpu), bytes, sizeof(bytes));

    return decode(bytes, n, (enum code_mode)cpu->code_mode, i) == DECODE_OK;
}

static bool is_call(const struct insn *i)
{
    const struct operation_info *op = op_operation(i->op);

    return op == &operations[OPN_call] || op == &operations[OPN_call_ind] ||
           op == &operations[OPN_call_far] || op == &operations[OPN_call_far_ind] ||
           op == &operations[OPN_int] || op == &operations[OPN_int3] || op == &operations[OPN_into];
}

static bool is_repeated(const struct insn *i)
{
    return op_operation(i->op)->props & P_REP && i->flags & (INSN_REP | INSN_REPNE);
}

/* Steps one instruction, or lets run what is to be stepped over. */
static void step_once(struct debugger *d, bool over)
{
    struct plan *p = &d->plan;
    struct cpu *cpu = debugger_cpu(d, p->cpu);
    uint64_t insns = 1;
    struct insn i;

    if (p->kind == PLAN_STEP && p->how == STEP_INSN_IRQ) { /* nothing is passed over: all at once */
        insns = p->left;
        p->left = 1;
    }
    p->single = true;
    p->lin = debugger_pc(cpu);
    p->sp = debugger_sp(cpu);
    p->interrupts = cpu->probe.interrupts;
    d->mark.set = false;
    if (over && next_insn(d, cpu, &i) && (is_call(&i) || is_repeated(&i))) {
        p->single = false;
        set_mark(d, p->lin + i.len, is_call(&i) ? SP_ABOVE : SP_EQUAL, p->sp);
    }
    debugger_go(d, p->cpu, p->single ? insns : 0);
}

/* The rest of an interrupt runs unseen; then the instruction is tried again. */
static void leave_interrupt(struct debugger *d)
{
    d->plan.single = false;
    set_mark(d, d->plan.lin, SP_EQUAL, d->plan.sp);
    debugger_go(d, d->plan.cpu, 0);
    debugger_cpu(d, d->plan.cpu)->probe.skip = false;
}

static bool steps_over(const struct plan *p)
{
    return p->kind == PLAN_RANGE ? p->over : p->how == STEP_OVER;
}

/* One step is done: is the plan? */
static bool is_complete(struct debugger *d)
{
    struct plan *p = &d->plan;
    uint64_t pc = debugger_pc(debugger_cpu(d, p->cpu));

    if (p->kind == PLAN_RANGE)
        return pc < p->start || pc > p->last;
    return p->kind != PLAN_STEP || --p->left == 0;
}

bool plan_goes_on(struct debugger *d, enum stop_reason why)
{
    struct plan *p = &d->plan;
    bool at_mark = why == STOP_BREAKPOINT && d->nhits && d->hits[0].mark;

    if (p->kind <= PLAN_CONTINUE || (why != STOP_STEP && !at_mark))
        return false;
    d->nhits = 0;
    struct cpu *cpu = debugger_cpu(d, p->cpu);
    if (p->single && cpu->probe.interrupts != p->interrupts && p->how != STEP_INSN_IRQ) {
        leave_interrupt(d);
        return true;
    }
    if (at_mark && d->mark.lin == p->lin && d->mark.rule == SP_EQUAL) {
        step_once(d, steps_over(p)); /* back from an interrupt, or the same in a loop */
        return true;
    }
    if (is_complete(d))
        return false;
    step_once(d, steps_over(p));
    return true;
}

static bool may_run(struct debugger *d, unsigned cpu, struct error *err)
{
    const struct run_control *r = &d->m->run;

    if (cpu >= d->m->ncpus)
        return error_set(err, "CPU %u: the machine has %u", cpu, d->m->ncpus);
    if (r->state == RUN_ENDED)
        return error_set(err, "the machine has ended");
    if (r->state == RUN_RUNNING)
        return error_set(err, "the machine is running");
    if (r->reason == STOP_POWEROFF || r->reason == STOP_TRIPLE_FAULT)
        return error_set(err, "the machine is %s; reset it first",
                         r->reason == STOP_POWEROFF ? "off" : "shut down by a triple fault");
    return control_may_run(d->ctl, err);
}

bool debugger_continue_alone(struct debugger *d, unsigned cpu, struct error *err)
{
    if (!may_run(d, cpu, err))
        return false;
    d->mark.set = false;
    d->step_others = false;
    d->plan = (struct plan){.kind = PLAN_CONTINUE, .cpu = cpu, .alone = true};
    debugger_go(d, cpu, UINT64_MAX);
    return true;
}

/* Where the current function returns to: as unwinding says, or else the frame pointer. */
bool debugger_return_address(struct debugger *d, unsigned cpu, uint64_t *lin, uint64_t *sp)
{
    const struct cpu *c = debugger_cpu(d, cpu);
    unsigned size = 1u << (c->code_mode == CODE64 ? 3 : c->code_mode == CODE32 ? 2 : 1);
    uint64_t base = c->code_mode == CODE64 ? 0 : c->seg[SEG_SS].base, at, ip = 0;
    struct frame frames[2];

    if (symbols_backtrace(d->symbols, cpu, frames, 2) == 2) {
        *lin = frames[1].pc;
        *sp = base + frames[1].sp;
        return true;
    }
    at = base + (c->r[R_RBP] & (~0ull >> (64 - 8 * size)));
    if (debugger_read(d, cpu, false, at + size, &ip, size) != size)
        return false;
    *lin = c->code_mode == CODE64 ? ip : (uint32_t)(c->seg[SEG_CS].base + ip);
    *sp = at + 2 * size;
    return true;
}

static bool begin(struct debugger *d, const struct plan *p, struct error *err)
{
    if (!may_run(d, p->cpu, err))
        return false;
    d->plan = *p;
    step_once(d, steps_over(p));
    return true;
}

bool debugger_step(struct debugger *d, unsigned cpu, enum debug_step how, uint64_t count,
                   struct error *err)
{
    uint64_t lin, sp;

    if (how != STEP_OUT)
        return begin(d, &(struct plan){.kind = PLAN_STEP, .cpu = cpu, .how = how, .left = count},
                     err);
    if (!may_run(d, cpu, err))
        return false;
    if (!debugger_return_address(d, cpu, &lin, &sp))
        return error_set(err, "the stack frame cannot be read");
    d->plan = (struct plan){.kind = PLAN_UNTIL, .cpu = cpu};
    set_mark(d, lin, SP_ABOVE, sp);
    debugger_go(d, cpu, 0);
    return true;
}

bool debugger_step_range(struct debugger *d, unsigned cpu, uint64_t start, uint64_t last, bool over,
                         struct error *err)
{
    return begin(d,
                 &(struct plan){.kind = PLAN_RANGE,
                                .cpu = cpu,
                                .how = over ? STEP_OVER : STEP_INSN,
                                .start = start,
                                .last = last,
                                .over = over},
                 err);
}

bool debugger_until(struct debugger *d, unsigned cpu, uint64_t lin, struct error *err)
{
    if (!may_run(d, cpu, err))
        return false;
    d->plan = (struct plan){.kind = PLAN_UNTIL, .cpu = cpu};
    set_mark(d, lin, SP_ANY, 0);
    debugger_go(d, cpu, 0);
    return true;
}
