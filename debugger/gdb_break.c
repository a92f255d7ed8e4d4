/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Break- and watchpoints: packets Z and z. Conditions and commands are agent expressions and run on
 * the CPU thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/x86/probe.h"
#include "cpu/x86/registers.h"
#include "debugger/commands.h"
#include "debugger/gdb_agent.h"
#include "debugger/gdb_internal.h"
#include "monitor/control.h"
#include "vm/machine.h"

#define EXPRS_MAX 32 /* conditions and commands of one breakpoint, each */

/* What a breakpoint's condition is. */
struct agents {
    struct gdb *g;
    unsigned owners; /* breakpoints that have it */
    struct agent_expr *conditions[EXPRS_MAX], *commands[EXPRS_MAX];
    unsigned nconditions, ncommands;
};

/* ---- on the CPU thread ---- */

struct place {
    struct gdb *g;
    struct cpu *cpu;
};

static bool read_register(void *opaque, unsigned n, uint64_t *value)
{
    const struct place *at = opaque;
    uint8_t v[16] = {0};

    if (n >= at->g->target.n)
        return false;
    gdb_target_get(&at->g->target, n, at->cpu, v);
    *value = ld_le64(v);
    return true;
}

static bool read_bytes(void *opaque, uint64_t addr, void *buf, size_t len)
{
    const struct place *at = opaque;

    return debugger_read_quick(at->cpu, false, addr, buf, len) == len;
}

/* What does not fit until the main loop has sent the rest is lost. */
static void print_text(void *opaque, const char *text)
{
    struct gdb *g = ((const struct place *)opaque)->g;
    struct run_control *run = &debugger_machine(g->d)->run;
    size_t n = strlen(text);

    pthread_mutex_lock(&g->print_lock);
    if (n <= sizeof(g->printed) - g->printed_len) {
        memcpy(g->printed + g->printed_len, text, n);
        g->printed_len += n;
    }
    pthread_mutex_unlock(&g->print_lock);
    if (run->notify)
        run->notify(run->notify_opaque);
}

/* One that cannot be calculated holds: gdb decides itself then. */
static bool any_holds(const struct agents *a, const struct agent_world *world)
{
    uint64_t value;

    for (unsigned n = 0; n < a->nconditions; n++)
        if (agent_run(a->conditions[n], world, &value) || value)
            return true;
    return !a->nconditions;
}

/* With commands it does not stop: they are why it is there. */
static bool holds(void *opaque, struct debugger *d, struct cpu *cpu)
{
    const struct agents *a = opaque;
    struct place at = {a->g, cpu};
    const struct agent_world world = {read_register, read_bytes, print_text, &at};
    uint64_t value;

    (void)d;
    if (!any_holds(a, &world))
        return false;
    for (unsigned n = 0; n < a->ncommands; n++)
        agent_run(a->commands[n], &world, &value);
    return !a->ncommands;
}

/* ---- as a program for the engines ---- */

static bool push_register(const void *opaque, unsigned n, struct probe_insn *i)
{
    const struct gdb_target *t = opaque;
    int general = n < t->n && t->regs[n].in ? cpu_register_general(t->regs[n].in) : -1;

    if (n == t->rip) {
        i->op = PROBE_RIP;
        return true;
    }
    i->reg = (uint8_t)general;
    i->size = t->regs[n < t->n ? n : 0].size;
    return general >= 0;
}

/* Whether one of the conditions holds; n is 0 if that cannot be made one. */
static void make_program(const struct agents *a, struct probe_program *p)
{
    uint32_t jumps[EXPRS_MAX];
    bool ok = a->nconditions > 0;

    for (unsigned n = 0; ok && n < a->nconditions; n++) {
        ok = agent_program(a->conditions[n], push_register, &a->g->target, p);
        jumps[n] = p->n;
        if (n + 1 < a->nconditions)
            probe_program_add(p, PROBE_JUMP_NOT_ZERO);
    }
    if (ok && a->nconditions > 1) {
        struct probe_insn *end = probe_program_add(p, PROBE_JUMP);

        end->to = p->n + 1;
        for (unsigned n = 0; n + 1 < a->nconditions && p->n <= PROBE_PROGRAM_MAX; n++)
            p->insns[jumps[n]].to = p->n;
        probe_program_const(p, 1);
    }
    if (!ok || !probe_program_is_sound(p))
        p->n = 0;
}

/* ---- taking packets apart ---- */

static void agents_free(void *opaque)
{
    struct agents *a = opaque;

    if (!a || --a->owners)
        return;
    for (unsigned n = 0; n < a->nconditions; n++)
        agent_free(a->conditions[n]);
    for (unsigned n = 0; n < a->ncommands; n++)
        agent_free(a->commands[n]);
    free(a);
}

/* "XLEN,BYTES" as often as it comes. */
static bool take_exprs(struct gdb *g, const char **p, struct agent_expr **exprs, unsigned *n,
                       struct error *err)
{
    while (**p == 'X') {
        uint64_t len;

        ++*p;
        if (*n == EXPRS_MAX)
            return error_set(err, "more than %d expressions", EXPRS_MAX);
        if (!gdb_take_hex_then(p, &len, ',') || len > AGENT_CODE_MAX ||
            !gdb_take_bytes(p, g->bytes, (size_t)len))
            return error_set(err, "XLENGTH,BYTES is expected");
        exprs[*n] = agent_new(g->bytes, (size_t)len, err);
        if (!exprs[*n])
            return false;
        ++*n;
    }
    return true;
}

/* ";X...X..." and ";cmds:PERSIST,X...". */
static bool take_agents(struct gdb *g, const char *p, struct agents *a, struct error *err)
{
    uint64_t persist;

    while (*p == ';') {
        p++;
        if (!strncmp(p, "cmds:", 5)) {
            p += 5;
            if (!gdb_take_hex_then(&p, &persist, ','))
                return error_set(err, "cmds:PERSIST,X... is expected");
            if (!take_exprs(g, &p, a->commands, &a->ncommands, err))
                return false;
        } else if (!take_exprs(g, &p, a->conditions, &a->nconditions, err)) {
            return false;
        }
    }
    return !*p || error_set(err, "conditions are expected");
}

/* "TYPE,ADDR,KIND": instructions have no length here, data of `kind` bytes is watched. */
static bool take_place(struct gdb *g, const char **p, struct breakpoint *b, uint64_t *type,
                       struct error *err)
{
    static const uint8_t access[] = {
        [2] = PROBE_WRITE, [3] = PROBE_READ, [4] = PROBE_READ | PROBE_WRITE};
    uint64_t kind;

    if (!gdb_take_hex_then(p, type, ',') || !gdb_take_hex_then(p, &b->start, ',') ||
        !gdb_take_hex(p, &kind))
        return error_set(err, "TYPE,ADDRESS,KIND is expected");
    if (*type > 4)
        return error_set(err, "type %llx: 0 to 4 is expected", (unsigned long long)*type);
    b->kind = *type < 2 ? BREAK_EXECUTE : BREAK_ACCESS;
    b->last = *type < 2 ? b->start : b->start + kind - 1;
    b->access = *type < 2 ? PROBE_EXECUTE : access[*type];
    b->value_change = *type == 2 && kind <= 8; /* gdb goes on when nothing changed */
    b->cpu = -1;
    b->enabled = true;
    b->owner = g;
    return b->last >= b->start || error_set(err, "there is nothing to watch");
}

/* ---- the list ---- */

int gdb_break_type(const struct gdb *g, const struct breakpoint *b)
{
    return b->owner == g && b->where ? b->where[0] - '0' : -1;
}

static struct breakpoint *find(struct gdb *g, uint64_t type, const struct breakpoint *like)
{
    struct breakpoint *b = breakpoint_first(g->d);

    while (b &&
           !(gdb_break_type(g, b) == (int)type && b->start == like->start && b->last == like->last))
        b = b->next;
    return b;
}

/* The one where the kernel has moved to; NULL. */
static struct breakpoint *find_moved(struct gdb *g, const struct breakpoint *b)
{
    struct breakpoint *m = breakpoint_first(g->d);

    while (m && !(gdb_break_type(g, m) == GDB_MOVED && m->linked == b->start))
        m = m->next;
    return m;
}

/* gdb is not told yet where the kernel is: its breakpoint is there, too, with the same condition.
 */
static void add_moved(struct debugger *d, struct breakpoint *b, uint64_t to)
{
    struct gdb *g = b->owner;
    struct breakpoint moved = {.kind = BREAK_EXECUTE,
                               .start = to,
                               .last = to,
                               .access = PROBE_EXECUTE,
                               .enabled = true,
                               .cpu = -1,
                               .condition = b->condition,
                               .linked = b->start,
                               .owner = g};
    struct agents *a = b->condition.opaque;
    struct breakpoint *old = find_moved(g, b);

    if (old && old->start == to)
        return;
    if (old)
        breakpoint_remove(d, old);
    if (g->told_slide || asprintf(&moved.where, "%u: gdb's, moved", GDB_MOVED) < 0)
        return;
    if (!breakpoint_add(d, &moved, NULL))
        free(moved.where);
    else if (a)
        a->owners++;
}

static void remove_one(struct gdb *g, struct breakpoint *b)
{
    struct breakpoint *moved = b->moved ? find_moved(g, b) : NULL;

    if (moved)
        breakpoint_remove(g->d, moved);
    breakpoint_remove(g->d, b);
}

/* The same again replaces what was there: its conditions may be others. */
void gdb_insert(struct gdb *g, const char *args)
{
    struct breakpoint b = {0}, *old;
    struct agents *a = calloc(1, sizeof(*a));
    struct error err = {"out of memory"};
    uint64_t type;

    if (a)
        a->owners = 1;
    if (!a || !take_place(g, &args, &b, &type, &err) || !take_agents(g, args, a, &err))
        goto refused;
    a->g = g;
    b.moved = type < 2 ? add_moved : NULL;
    old = find(g, type, &b);
    if (a->nconditions || a->ncommands) {
        b.condition =
            (struct breakpoint_condition){.holds = holds, .free = agents_free, .opaque = a};
        make_program(a, &b.condition.when);
    } else {
        agents_free(a);
        a = NULL;
    }
    if (asprintf(&b.where, "%u: gdb's", (unsigned)type) < 0)
        goto refused;
    if (!breakpoint_add(g->d, &b, &err)) {
        free(b.where);
        goto refused;
    }
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what b has is breakpoint_add()'s now */
    if (old)
        remove_one(g, old);
    if (b.moved)
        commands_look(debugger_control(g->d)->extension.opaque);
    gdb_ok(g);
    return;
refused:
    agents_free(a);
    gdb_refuse(g, err.text);
}

void gdb_remove(struct gdb *g, const char *args)
{
    struct breakpoint like = {0}, *b;
    struct error err;
    uint64_t type;

    if (!take_place(g, &args, &like, &type, &err)) {
        gdb_refuse(g, err.text);
        return;
    }
    b = find(g, type, &like);
    if (b)
        remove_one(g, b);
    gdb_ok(g);
}

void gdb_remove_all(struct gdb *g)
{
    struct breakpoint *next;

    for (struct breakpoint *b = breakpoint_first(g->d); b; b = next) {
        next = b->next;
        if (b->owner == g || b->owner == &g->face)
            breakpoint_remove(g->d, b);
    }
}
