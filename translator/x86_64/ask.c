/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Before marked instructions: comparisons that say whether a debugger is to be asked (probe.h). */
#include "translator/x86_64/emit.h"

#include "cpu/x86/probe.h"

#define COMPARES_MAX 4

/* Translated code has no CS base: RIP is the linear address. Of a physical one the place in the
 * page is known. */
static bool is_meant(const struct xlat *x, const struct probe_point *p)
{
    uint64_t from_start = x->t->rip + x->list[x->k].off - p->start;

    if (p->physical)
        from_start &= VM_PAGE_SIZE - 1;
    return from_start <= p->last - p->start;
}

/* Whether a comparison can be made here. A repeated instruction is to be asked about once, which C
 * sees to. */
static bool can_compare(const struct xlat *x, const struct probe_compare *c)
{
    return c->size && x->host[c->reg] != H_NONE &&
           !(x->list[x->k].flags & (INSN_REP | INSN_REPNE)) && !x->cpu->jit.lockstep;
}

/* Those that are meant, at most COMPARES_MAX; all: to be asked whatever they say. */
static unsigned find_compares(const struct xlat *x, const struct probe_compare *list[COMPARES_MAX],
                              bool *all)
{
    const struct probes *p = x->cpu->probes;
    unsigned n = 0;

    *all = !p || !p->points;
    for (unsigned k = 0; !*all && k < p->npoints; k++) {
        if (!is_meant(x, &p->points[k]))
            continue;
        *all = n == COMPARES_MAX || !can_compare(x, &p->points[k].compare);
        if (!*all)
            list[n++] = &p->points[k].compare;
    }
    return n;
}

static void emit_compare(struct xlat *x, const struct probe_compare *c)
{
    struct assembler *a = &x->a;

    a_mov_imm(a, TEMP, c->value);
    a_rr(a, 0x39, c->size, TEMP, x->host[c->reg]); /* cmp */
    add_stub(x, STUB_HANDLER, a_jcc(a, c->cc))->thunk = THUNK_ASK;
}

void emit_ask(struct xlat *x)
{
    const struct probe_compare *list[COMPARES_MAX];
    unsigned first = x->nstubs, n;
    bool all;

    n = find_compares(x, list, &all);
    if (all) {
        emit_thunk_call(x, THUNK_ASK);
        return;
    }
    if (!n)
        return;
    flags_clobber(x);
    /* What was asked about already must be forgotten when it has passed. */
    a_alu_mi(&x->a, 7, 1, h_state(offsetof(struct cpu, probe.skip)), 0);
    add_stub(x, STUB_HANDLER, a_jcc(&x->a, CC_NZ))->thunk = THUNK_ASK;
    for (unsigned k = 0; k < n; k++)
        emit_compare(x, list[k]);
    for (unsigned k = first; k < x->nstubs; k++)
        x->stubs[k].next = x->a.p;
}
