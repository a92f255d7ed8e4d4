/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Before marked instructions: programs that say whether a debugger is to be asked (probe.h). */
#include "translator/x86_64/emit.h"

#include "cpu/x86/probe.h"

#define PROGRAMS_MAX 4

/* Translated code has no CS base: RIP is the linear address. Of a physical one the place in the
 * page is known. */
static bool is_meant(const struct xlat *x, const struct probe_point *p)
{
    uint64_t from_start = x->t->rip + x->list[x->k].off - p->start;

    if (p->physical)
        from_start &= VM_PAGE_SIZE - 1;
    return from_start <= p->last - p->start;
}

/* The programs of those that are meant, at most PROGRAMS_MAX; all: the debugger is to be asked
 * whatever they say. A repeated instruction is to be asked about once, which C sees to. */
static unsigned find_programs(const struct xlat *x, const struct probe_program *list[PROGRAMS_MAX],
                              bool *all)
{
    const struct probes *p = x->cpu->probes;
    bool by_c = x->cpu->jit.lockstep || x->list[x->k].flags & (INSN_REP | INSN_REPNE);
    unsigned n = 0;

    *all = !p || !p->points;
    for (unsigned k = 0; !*all && k < p->npoints; k++) {
        if (!is_meant(x, &p->points[k]))
            continue;
        *all = by_c || n == PROGRAMS_MAX || !p->points[k].when.n;
        if (!*all)
            list[n++] = &p->points[k].when;
    }
    return n;
}

static void ask_if(struct xlat *x, uint8_t *jump)
{
    add_stub(x, STUB_HANDLER, jump)->thunk = THUNK_ASK;
}

void emit_ask(struct xlat *x)
{
    const struct probe_program *list[PROGRAMS_MAX];
    unsigned first = x->nstubs, n;
    uint8_t *pass;
    bool all;

    n = find_programs(x, list, &all);
    if (all) {
        emit_thunk_call(x, THUNK_ASK);
        return;
    }
    if (!n)
        return;
    flags_clobber(x);
    /* What was asked about already must be forgotten when it has passed. */
    a_alu_mi(&x->a, 7, 1, h_state(offsetof(struct cpu, probe.skip)), 0);
    ask_if(x, a_jcc(&x->a, CC_NZ));
    for (unsigned k = 0; k < n && a_room(&x->a); k++) {
        emit_condition(x, list[k], &pass);
        ask_if(x, a_jmp(&x->a));
        condition_fix(x, pass);
    }
    for (unsigned k = first; k < x->nstubs; k++)
        x->stubs[k].next = x->a.p;
}
