/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core: it lets the machine run, notices that it stopped, and tells the faces why. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/registers.h"
#include "debugger/internal.h"
#include "debugger/symbols.h"
#include "monitor/control.h"
#include "vm/record.h"

struct debugger *debugger_new(struct control *ctl, struct error *err)
{
    struct debugger *d = calloc(1, sizeof(*d));

    if (!d) {
        error_set(err, "out of memory");
        return NULL;
    }
    d->ctl = ctl;
    d->m = ctl->m;
    d->next_number = 1;
    d->symbols = symbols_new(d);
    if (d->symbols)
        return d;
    free(d);
    error_set(err, "out of memory");
    return NULL;
}

void debugger_free(struct debugger *d)
{
    if (!d)
        return;
    probes_set(d->m, NULL);
    breakpoints_free(d);
    time_free(d);
    symbols_free(d->symbols);
    free(d);
}

struct machine *debugger_machine(const struct debugger *d)
{
    return d->m;
}

struct control *debugger_control(const struct debugger *d)
{
    return d->ctl;
}

struct symbols *debugger_symbols(const struct debugger *d)
{
    return d->symbols;
}

unsigned debugger_ncpus(const struct debugger *d)
{
    return d->m->ncpus;
}

struct cpu *debugger_cpu(const struct debugger *d, unsigned index)
{
    return cpu_of(d->m->cpus[index]);
}

/* ---- faces ---- */

void debugger_add_face(struct debugger *d, struct debug_face *face)
{
    face->next = d->faces;
    d->faces = face;
    d->m->run.triple_fault_pauses = true;
}

void debugger_remove_face(struct debugger *d, struct debug_face *face)
{
    struct debug_face **link = &d->faces;

    while (*link && *link != face)
        link = &(*link)->next;
    if (*link)
        *link = face->next;
    d->m->run.triple_fault_pauses = d->faces != NULL;
}

void debugger_intercept(struct debugger *d, debug_intercept_fn *fn, void *opaque)
{
    d->intercept = fn;
    d->intercept_opaque = opaque;
}

bool debugger_running(const struct debugger *d)
{
    return d->m->run.state == RUN_RUNNING;
}

const struct debug_stop *debugger_last_stop(const struct debugger *d)
{
    return d->has_stopped && !d->told_running ? &d->last_stop : NULL;
}

void debugger_tell_resumed(struct debugger *d)
{
    struct debug_face *next;

    if (d->told_running)
        return;
    d->told_running = true;
    for (struct debug_face *f = d->faces; f; f = next) {
        next = f->next;
        f->resumed(f->opaque);
    }
}

void debugger_tell_stop(struct debugger *d, const struct debug_stop *stop)
{
    const struct debug_stop told = *stop; /* faces may remove what was hit */
    struct debug_face *next;

    d->last_stop = *stop;
    d->has_stopped = true;
    d->told_running = false;
    symbols_refresh(d->symbols, stop->cpu);
    for (struct debug_face *f = d->faces; f; f = next) {
        next = f->next;
        f->stopped(f->opaque, &d->last_stop);
    }
    breakpoint_remove_temporary(d, &told);
}

/* ---- running ---- */

void debugger_go(struct debugger *d, unsigned cpu, uint64_t insns)
{
    struct machine *m = d->m;

    d->nhits = 0;
    breakpoints_sync(d);
    for (unsigned n = 0; n < m->ncpus; n++) {
        struct cpu *c = debugger_cpu(d, n);

        /* The engines do not ask about the first instruction. */
        if (d->tracing && d->tracer.instructions && !c->v.halted && (!insns || n == cpu))
            d->tracer.instruction(d->tracer.opaque, c, debugger_pc(c));
        probe_go_on(c);
    }
    debugger_tell_resumed(d);
    if (insns)
        machine_step(m, m->cpus[cpu], insns, d->step_others);
    else
        machine_run_until(m, UINT64_MAX);
}

bool debugger_continue(struct debugger *d, struct error *err)
{
    struct run_control *r = &d->m->run;

    if (r->state == RUN_ENDED)
        return error_set(err, "the machine has ended");
    if (r->state == RUN_RUNNING)
        return error_set(err, "the machine is running");
    if (r->reason == STOP_POWEROFF)
        return error_set(err, "the machine is off; reset it first");
    if (!control_may_run(d->ctl, err))
        return false;
    if (r->reason == STOP_TRIPLE_FAULT)
        machine_request_reset(d->m);
    d->mark.set = false;
    d->plan = (struct plan){.kind = PLAN_CONTINUE};
    debugger_go(d, 0, 0);
    return true;
}

bool debugger_continues(const struct debugger *d)
{
    return d->plan.kind == PLAN_CONTINUE;
}

void debugger_pause(struct debugger *d)
{
    machine_request_stop(d->m, STOP_USER);
}

void debugger_step_others(struct debugger *d, bool run)
{
    d->step_others = run;
}

/* ---- stops ---- */

static enum debug_stop_kind kind_of(enum stop_reason why)
{
    switch (why) {
    case STOP_STEP:
        return DEBUG_STEPPED;
    case STOP_COUNT:
        return DEBUG_COUNT;
    case STOP_RESET:
        return DEBUG_RESET;
    case STOP_RECORD_END:
        return DEBUG_TIME_END;
    case STOP_TRIPLE_FAULT:
        return DEBUG_SHUTDOWN;
    case STOP_DOUBLE_FAULT:
        return DEBUG_DOUBLE_FAULT;
    case STOP_BREAKPOINT:
        return DEBUG_STEPPED; /* unless a breakpoint is found */
    default:
        return DEBUG_PAUSED;
    }
}

static const struct breakpoint *reset_breakpoint(const struct debugger *d)
{
    for (const struct breakpoint *b = d->breakpoints; b; b = b->next)
        if (b->kind == BREAK_RESET && b->enabled)
            return b;
    return NULL;
}

static unsigned shut_down_cpu(const struct debugger *d)
{
    for (unsigned n = 0; n < d->m->ncpus; n++)
        if (debugger_cpu(d, n)->shut_down)
            return n;
    return 0;
}

static enum debug_stop_kind kind_of_hit(const struct breakpoint *b)
{
    return b->kind == BREAK_ACCESS ? DEBUG_WATCHPOINT : DEBUG_BREAKPOINT;
}

struct debug_stop debug_stop_also(const struct debug_stop *stop, unsigned n)
{
    struct debug_stop s = *stop;

    s.hit = stop->also[n];
    s.nalso = 0;
    s.kind = kind_of_hit(s.hit.breakpoint);
    return s;
}

static struct debug_hit told_hit(const struct hit *h)
{
    struct debug_hit told = {
        .breakpoint = h->breakpoint, .event_arg = h->event_arg, .event_value = h->event_value};

    if (h->breakpoint->kind != BREAK_ACCESS)
        return told;
    told.address = h->access.lin;
    told.size = h->access.size;
    told.write = h->access.access & PROBE_WRITE;
    told.has_values = h->breakpoint->last - h->breakpoint->start < 8;
    told.old_value = h->old_value;
    told.new_value = h->new_value;
    return told;
}

/* The first that has a number comes first: the others are somebody's own. */
static void describe_hits(const struct debugger *d, struct debug_stop *s)
{
    unsigned n = d->nhits < DEBUG_HITS_MAX ? d->nhits : DEBUG_HITS_MAX, first = n;

    for (unsigned k = n; k-- > 0;)
        if (d->hits[k].breakpoint &&
            (first == n || d->hits[k].breakpoint->number || !d->hits[first].breakpoint->number))
            first = k;
    if (n)
        s->cpu = d->hits[first < n ? first : 0].cpu;
    if (first == n || d->hits[0].mark)
        return;
    s->hit = told_hit(&d->hits[first]);
    s->kind = kind_of_hit(s->hit.breakpoint);
    for (unsigned k = 0; k < n; k++)
        if (k != first && d->hits[k].breakpoint)
            s->also[s->nalso++] = told_hit(&d->hits[k]);
}

static void describe(const struct debugger *d, struct debug_stop *s)
{
    const struct run_control *r = &d->m->run;

    *s = (struct debug_stop){.kind = kind_of(r->reason), .reason = r->reason};
    if (r->state == RUN_ENDED)
        s->kind = DEBUG_ENDED;
    s->cpu = d->plan.kind > PLAN_CONTINUE ? d->plan.cpu : d->last_stop.cpu;
    if (s->kind == DEBUG_RESET)
        s->hit.breakpoint = reset_breakpoint(d);
    if (s->kind == DEBUG_SHUTDOWN)
        s->cpu = shut_down_cpu(d);
    if (s->kind == DEBUG_DOUBLE_FAULT)
        s->cpu = d->m->run.double_fault_cpu;
    if (r->reason == STOP_BREAKPOINT)
        describe_hits(d, s);
}

/* A stop that is its owner's business alone. */
static bool only_reached(struct debugger *d, const struct debug_stop *stop)
{
    const struct breakpoint *b = stop->hit.breakpoint;

    if (!b || !b->reached || stop->nalso || !debugger_continues(d))
        return false;
    symbols_refresh(d->symbols, stop->cpu);
    b->reached(b->owner);
    debugger_go(d, d->plan.cpu, d->plan.alone ? UINT64_MAX : 0);
    return true;
}

/* The machine stands still, and it was not said yet why. */
static void on_stop(struct debugger *d)
{
    struct debug_stop stop;

    if (plan_goes_on(d, d->m->run.reason))
        return;
    describe(d, &stop);
    if (only_reached(d, &stop))
        return;
    d->plan.kind = PLAN_NONE;
    d->mark.set = false;
    d->nhits = 0;
    if (d->intercept && d->intercept(d->intercept_opaque, &stop))
        return;
    debugger_tell_stop(d, &stop);
}

int64_t debugger_poll(struct debugger *d)
{
    struct machine *m = d->m;

    machine_lock(m);
    if (d->changes != m->run.changes) {
        d->changes = m->run.changes;
        if (m->run.state == RUN_RUNNING)
            debugger_tell_resumed(d);
        else
            on_stop(d);
    }
    machine_unlock(m);
    return -1;
}

/* ---- memory ---- */

uint64_t debugger_pc(const struct cpu *cpu)
{
    uint64_t rip = cpu->r[R_RIP];

    return cpu->code_mode == CODE64 ? rip : (uint32_t)(cpu->seg[SEG_CS].base + rip);
}

/* Where in the arena the bytes at an address are, cut to the page; NULL: not in memory. */
static uint8_t *bytes_at(struct cpu *cpu, bool physical, uint64_t addr, size_t *len)
{
    struct machine *m = cpu->v.m;
    size_t page = VM_PAGE_SIZE - (addr & (VM_PAGE_SIZE - 1));
    uint64_t phys = physical ? addr : mmu_debug_translate(cpu, addr);
    const struct mem_range *r;

    if (phys > m->mem.last || !(r = address_space_find(&m->mem, phys)) ||
        r->region->kind != REGION_MEMORY || r->region->read_at == ARENA_NONE)
        return NULL;
    *len = *len < page ? *len : page;
    if (*len - 1 > r->last - phys)
        *len = (size_t)(r->last - phys) + 1;
    return m->arena.host + r->region->read_at + r->offset + (phys - r->start);
}

size_t debugger_read_quick(struct cpu *cpu, bool physical, uint64_t addr, void *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        size_t n = len - done;
        const uint8_t *p = bytes_at(cpu, physical, addr + done, &n);

        if (!p)
            break;
        memcpy((uint8_t *)buf + done, p, n);
        done += n;
    }
    return done;
}

size_t debugger_read(struct debugger *d, unsigned cpu, bool physical, uint64_t addr, void *buf,
                     size_t len)
{
    return cpu < d->m->ncpus ? debugger_read_quick(debugger_cpu(d, cpu), physical, addr, buf, len)
                             : 0;
}

bool debugger_set_register(struct debugger *d, unsigned cpu, const struct cpu_register *r,
                           const void *value, struct error *err)
{
    char name[24];

    snprintf(name, sizeof(name), "$%s", r->name);
    if (!record_allows_change(d->m, name, err))
        return false;
    if (!r->set)
        return error_set(err, "%s cannot be set", name);
    return r->set(debugger_cpu(d, cpu), r, value) ||
           error_set(err, "%s does not take 0x%" PRIx64, name, ld_le64(value));
}

size_t debugger_write(struct debugger *d, unsigned cpu, bool physical, uint64_t addr,
                      const void *buf, size_t len, struct error *err)
{
    size_t done = 0;

    if (!record_allows_change(d->m, "memory", err))
        return 0;
    while (cpu < d->m->ncpus && done < len) {
        size_t n = len - done;
        uint8_t *p = bytes_at(debugger_cpu(d, cpu), physical, addr + done, &n);

        if (!p)
            break;
        arena_before_store(&d->m->arena, (uint64_t)(p - d->m->arena.host), n);
        memcpy(p, (const uint8_t *)buf + done, n);
        arena_store_notify(&d->m->arena, (uint64_t)(p - d->m->arena.host), n);
        done += n;
    }
    if (done < len)
        error_write(err, "there is no memory at 0x%" PRIx64, addr + done);
    return done;
}
