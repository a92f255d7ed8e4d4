/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Breakpoints: the list, what the engines are asked because of it, and what they answer.
 *
 * A breakpoint's last known bytes are kept behind it, to tell what a write changed. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/mem.h"
#include "debugger/internal.h"

#define NO_ROOM     "out of memory"
#define RANGE_VALUE 8 /* values are told of ranges up to so many bytes */
#define MARKED_MAX  4096

struct owned {
    struct breakpoint b; /* first */
    uint8_t bytes[RANGE_VALUE];
};

static uint64_t range_size(const struct breakpoint *b)
{
    return b->last - b->start + 1;
}

static size_t value_size(const struct breakpoint *b)
{
    return range_size(b) <= RANGE_VALUE && range_size(b) ? (size_t)range_size(b) : 0;
}

static uint64_t value_of(const uint8_t *bytes, size_t n)
{
    uint64_t v = 0;

    memcpy(&v, bytes, n);
    return v;
}

/* What the watched bytes are now; as they were if they cannot be read. */
static void read_bytes(const struct breakpoint *b, struct cpu *cpu, uint8_t *bytes)
{
    uint8_t now[RANGE_VALUE];
    size_t n = value_size(b);

    if (n && debugger_read_quick(cpu, b->physical, b->start, now, n) == n)
        memcpy(bytes, now, n);
}

/* ---- answers, on the CPU thread ---- */

static bool is_on(const struct debugger *d, const struct breakpoint *b)
{
    return b->enabled && (!d->only || b->owner == d->only);
}

static bool is_for(const struct debugger *d, const struct breakpoint *b, enum breakpoint_kind kind,
                   const struct cpu *cpu)
{
    return is_on(d, b) && b->kind == kind && (b->cpu < 0 || (unsigned)b->cpu == cpu->v.index);
}

/* It was hit: does that count? */
static bool counts(struct debugger *d, struct breakpoint *b, struct cpu *cpu)
{
    if (b->condition.holds && !b->condition.holds(b->condition.opaque, d, cpu))
        return false;
    if (d->passed) {
        d->passed(d->passed_opaque, b, cpu);
        return false;
    }
    b->hits++;
    if (!b->ignore)
        return true;
    b->ignore--;
    return false;
}

static struct hit *note_hit(struct debugger *d, struct breakpoint *b, const struct cpu *cpu)
{
    unsigned n = atomic_fetch_add(&d->nhits, 1); /* other CPUs may have something to say, too */
    struct hit *hit = &d->hits[n < DEBUG_HITS_MAX ? n : DEBUG_HITS_MAX];

    *hit = (struct hit){.breakpoint = b, .cpu = cpu->v.index};
    return hit;
}

static bool at_mark(const struct debugger *d, const struct cpu *cpu, uint64_t lin)
{
    const struct mark *m = &d->mark;

    if (!m->set || m->lin != lin || m->cpu != cpu->v.index)
        return false;
    return m->rule == SP_ANY ||
           (m->rule == SP_EQUAL ? debugger_sp(cpu) == m->sp : debugger_sp(cpu) >= m->sp);
}

static bool covers_code(const struct breakpoint *b, const struct cpu *cpu, uint64_t lin)
{
    uint64_t at = b->physical ? mmu_debug_translate((struct cpu *)cpu, lin) : lin;

    return at >= b->start && at <= b->last;
}

static bool on_execute(void *opaque, struct cpu *cpu, uint64_t lin)
{
    struct debugger *d = opaque;
    bool stop = false;

    if (d->tracing && d->tracer.instructions)
        d->tracer.instruction(d->tracer.opaque, cpu, lin);
    if (at_mark(d, cpu, lin)) {
        note_hit(d, NULL, cpu)->mark = true;
        return true;
    }
    for (struct breakpoint *b = d->breakpoints; b; b = b->next) {
        if (!is_for(d, b, BREAK_EXECUTE, cpu) || !covers_code(b, cpu, lin) || !counts(d, b, cpu))
            continue;
        note_hit(d, b, cpu);
        stop = true;
    }
    return stop;
}

/* on_execute() would say no and note nothing. */
static bool on_passing(void *opaque, struct cpu *cpu, uint64_t lin)
{
    struct debugger *d = opaque;

    if ((d->tracing && d->tracer.instructions) || (d->mark.set && d->mark.lin == lin))
        return false;
    for (struct breakpoint *b = d->breakpoints; b; b = b->next)
        if (is_for(d, b, BREAK_EXECUTE, cpu) && covers_code(b, cpu, lin) &&
            !(b->condition.ruled_out && b->condition.ruled_out(b->condition.opaque, d, cpu)))
            return false;
    return true;
}

/* What the watched bytes were is no longer known afterwards: it is asked once of an instruction's
 * accesses. `looked`: it was. */
static bool on_access(struct debugger *d, struct cpu *cpu, struct breakpoint *b,
                      const struct probe_hit *a, bool *looked)
{
    struct owned *o = (struct owned *)b;
    struct probe_range r = {.start = b->start, .last = b->last, .physical = b->physical};
    uint8_t before[RANGE_VALUE];
    size_t n = value_size(b);

    if (!is_for(d, b, BREAK_ACCESS, cpu) || !(b->access & a->access) ||
        !probe_touches(&r, a->lin, a->phys, a->size))
        return false;
    *looked = true;
    memcpy(before, o->bytes, sizeof(before));
    read_bytes(b, cpu, o->bytes);
    if (b->value_change && n && !memcmp(before, o->bytes, n))
        return false;
    if (!counts(d, b, cpu))
        return false;
    struct hit *hit = note_hit(d, b, cpu);
    hit->access = *a;
    hit->old_value = value_of(before, n);
    hit->new_value = value_of(o->bytes, n);
    return true;
}

static bool on_accessed(void *opaque, struct cpu *cpu, const struct probe_hit *hits, unsigned n)
{
    struct debugger *d = opaque;
    bool stop = false;

    for (unsigned k = 0; k < n && d->tracing && d->tracer.memory; k++)
        d->tracer.access(d->tracer.opaque, cpu, hits[k].lin, hits[k].phys, hits[k].size,
                         hits[k].access & PROBE_WRITE);
    for (struct breakpoint *b = d->breakpoints; b; b = b->next) {
        bool looked = false;

        for (unsigned k = 0; k < n && !looked; k++)
            stop |= on_access(d, cpu, b, &hits[k], &looked);
    }
    return stop;
}

/* Which breakpoints an event is for, and as what kind of access. */
static const struct {
    enum breakpoint_kind kind;
    uint8_t access;
} event_kinds[PROBE_NUM_EVENTS] = {
    [PROBE_PORT_IN] = {BREAK_PORT, PROBE_READ}, [PROBE_PORT_OUT] = {BREAK_PORT, PROBE_WRITE},
    [PROBE_RDMSR] = {BREAK_MSR, PROBE_READ},    [PROBE_WRMSR] = {BREAK_MSR, PROBE_WRITE},
    [PROBE_CR_WRITE] = {BREAK_CR, 0},           [PROBE_EXCEPTION] = {BREAK_EXCEPTION, 0},
    [PROBE_INTERRUPT] = {BREAK_INTERRUPT, 0},   [PROBE_MODE] = {BREAK_MODE, 0},
};

static bool wants_event(const struct breakpoint *b, enum probe_event event)
{
    return b->kind == event_kinds[event].kind &&
           (!event_kinds[event].access || b->access & event_kinds[event].access);
}

/* A port access is of several ports. */
static bool covers_event(const struct breakpoint *b, enum probe_event event, uint64_t arg,
                         uint64_t value)
{
    uint64_t n = event == PROBE_PORT_IN || event == PROBE_PORT_OUT ? value & 0xff : 1;

    return arg <= b->last && arg + n - 1 >= b->start;
}

static bool on_event(void *opaque, struct cpu *cpu, enum probe_event event, uint64_t arg,
                     uint64_t value)
{
    struct debugger *d = opaque;
    bool stop = false;

    if (d->tracing && d->tracer.events >> event & 1)
        d->tracer.event(d->tracer.opaque, cpu, event, arg, value);
    for (struct breakpoint *b = d->breakpoints; b; b = b->next) {
        if (!is_for(d, b, event_kinds[event].kind, cpu) || !wants_event(b, event) ||
            !covers_event(b, event, arg, value) || !counts(d, b, cpu))
            continue;
        struct hit *hit = note_hit(d, b, cpu);
        hit->event_arg = arg;
        hit->event_value = value;
        stop = true;
    }
    return stop;
}

/* ---- what is asked ---- */

static void mark_place(struct probes *p, uint64_t at)
{
    p->offsets[at / 64 % 64] |= 1ull << at % 64;
}

static void mark_range(struct probes *p, const struct breakpoint *b)
{
    for (uint64_t n = 0; n < MARKED_MAX && n <= b->last - b->start; n++)
        mark_place(p, b->start + n);
}

static unsigned count(const struct debugger *d, enum breakpoint_kind kind)
{
    unsigned n = 0;

    for (const struct breakpoint *b = d->breakpoints; b; b = b->next)
        n += is_on(d, b) && b->kind == kind;
    return n;
}

/* Padding is 0: sets are compared by their bytes. */
static void add_point(struct probes *p, struct probe_point *points, const struct breakpoint *b)
{
    struct probe_point *at = &points[p->npoints++];

    at->start = b->start;
    at->last = b->last;
    at->physical = b->physical;
    at->when = b->condition.when;
}

static void add_to_set(struct probes *p, struct probe_range *ranges, struct probe_point *points,
                       const struct breakpoint *b)
{
    if (b->kind == BREAK_EXECUTE) {
        mark_range(p, b);
        add_point(p, points, b);
    }
    if (b->kind == BREAK_ACCESS)
        ranges[p->nranges++] = (struct probe_range){
            .start = b->start, .last = b->last, .physical = b->physical, .access = b->access};
    for (unsigned e = 0; e < PROBE_NUM_EVENTS; e++)
        if (wants_event(b, (enum probe_event)e))
            p->events |= 1u << e;
}

static void add_tracer(struct debugger *d, struct probes *p, struct probe_range *ranges)
{
    if (!d->tracing)
        return;
    p->events |= d->tracer.events;
    if (d->tracer.instructions) {
        memset(p->offsets, 0xff, sizeof(p->offsets));
        p->points = NULL;
    }
    if (d->tracer.memory)
        ranges[p->nranges++] = (struct probe_range){
            .start = 0, .last = UINT64_MAX, .access = PROBE_READ | PROBE_WRITE};
}

static bool resets_are_wanted(const struct debugger *d)
{
    for (const struct breakpoint *b = d->breakpoints; b; b = b->next)
        if (b->kind == BREAK_RESET && is_on(d, b))
            return true;
    return false;
}

static bool same_ranges(const struct probes *a, const struct probes *b)
{
    return a->nranges == b->nranges &&
           (!a->nranges || !memcmp(a->ranges, b->ranges, a->nranges * sizeof(*a->ranges)));
}

static bool same_points(const struct probes *a, const struct probes *b)
{
    return !a->points == !b->points && a->npoints == b->npoints &&
           (!a->points || !memcmp(a->points, b->points, a->npoints * sizeof(*a->points)));
}

/* The set that is in use is told again only if it has changed: TLBs are emptied for it. */
static bool is_in_use(const struct debugger *d, const struct probes *p)
{
    const struct probes *now = &d->probes[d->using];

    return d->m->ncpus && debugger_cpu(d, 0)->probes == now && now->events == p->events &&
           !memcmp(now->offsets, p->offsets, sizeof(p->offsets)) && same_ranges(now, p) &&
           same_points(now, p);
}

static void add_mark(struct probes *p, struct probe_point *points, const struct mark *mark)
{
    const struct breakpoint b = {.start = mark->lin, .last = mark->lin};

    if (!mark->set)
        return;
    mark_place(p, mark->lin);
    add_point(p, points, &b);
}

/* Fills in set `next`; false: it is in use already. */
static bool fill_set(struct debugger *d, unsigned next)
{
    struct probes *p = &d->probes[next];

    *p = (struct probes){.execute = on_execute,
                         .passes = on_passing,
                         .accessed = on_accessed,
                         .event = on_event,
                         .opaque = d,
                         .ranges = d->ranges[next],
                         .points = d->points[next]};
    for (const struct breakpoint *b = d->breakpoints; b; b = b->next)
        if (is_on(d, b))
            add_to_set(p, d->ranges[next], d->points[next], b);
    add_mark(p, d->points[next], &d->mark);
    add_tracer(d, p, d->ranges[next]);
    return !is_in_use(d, p);
}

void breakpoints_sync(struct debugger *d)
{
    unsigned next = !d->using;

    d->m->run.reset_pauses = resets_are_wanted(d);
    free(d->ranges[next]);
    free(d->points[next]);
    d->ranges[next] = calloc(count(d, BREAK_ACCESS) + 2, sizeof(**d->ranges));
    d->points[next] = calloc(count(d, BREAK_EXECUTE) + 1, sizeof(**d->points));
    if (!d->ranges[next] || !d->points[next] || !fill_set(d, next))
        return; /* the old set still is asked about */
    probes_set(d->m, d->breakpoints || d->tracing || d->plan.kind > PLAN_CONTINUE || d->mark.set
                         ? &d->probes[next]
                         : NULL);
    d->using = next;
}

/* ---- the list ---- */

static bool is_sound(const struct breakpoint *b, struct error *err)
{
    if (b->last < b->start)
        return error_set(err, "a range that ends before it begins");
    if ((b->kind == BREAK_ACCESS || b->kind == BREAK_PORT || b->kind == BREAK_MSR) &&
        !(b->access & (PROBE_READ | PROBE_WRITE)))
        return error_set(err, "neither reads nor writes are to be watched");
    return true;
}

static void free_one(struct breakpoint *b)
{
    if (b->condition.free)
        b->condition.free(b->condition.opaque);
    free(b->condition_text);
    free(b->commands);
    free(b->where);
    free(b);
}

/* The list must not change while CPU threads walk it. A stop of the machine's own stays one. */
static bool hold(struct debugger *d)
{
    bool was_running = d->m->run.state == RUN_RUNNING;

    if (was_running)
        machine_stop(d->m, STOP_USER);
    return was_running;
}

static void release(struct debugger *d, bool was_running)
{
    breakpoints_sync(d);
    if (was_running && d->m->run.state == RUN_PAUSED && d->m->run.reason == STOP_USER)
        machine_cont(d->m);
}

void debugger_trace(struct debugger *d, const struct debug_tracer *tracer)
{
    bool was_running = hold(d);

    d->tracing = tracer;
    if (tracer)
        d->tracer = *tracer;
    release(d, was_running);
}

struct breakpoint *breakpoint_add(struct debugger *d, const struct breakpoint *b, struct error *err)
{
    struct owned *o = is_sound(b, err) ? calloc(1, sizeof(*o)) : NULL;
    struct breakpoint **tail = &d->breakpoints;

    if (!o)
        return NULL;
    bool was_running = hold(d);
    o->b = *b;
    o->b.next = NULL;
    if (!b->owner && !b->number)
        o->b.number = d->next_number++;
    if (b->kind == BREAK_ACCESS && d->m->ncpus)
        read_bytes(&o->b, debugger_cpu(d, b->cpu < 0 ? 0 : (unsigned)b->cpu), o->bytes);
    while (*tail)
        tail = &(*tail)->next;
    *tail = &o->b;
    release(d, was_running);
    return &o->b;
}

/* It was hit, and will be no more. */
static void forget(struct debugger *d, const struct breakpoint *b)
{
    struct debug_stop *s = &d->last_stop;

    for (unsigned n = 0; n < DEBUG_HITS_MAX; n++)
        if (d->hits[n].breakpoint == b)
            d->hits[n].breakpoint = NULL;
    for (unsigned n = 0; n < s->nalso; n++)
        if (s->also[n].breakpoint == b)
            s->also[n--] = s->also[--s->nalso];
    if (s->hit.breakpoint == b)
        s->hit.breakpoint = NULL;
}

void breakpoint_remove(struct debugger *d, struct breakpoint *b)
{
    bool was_running = hold(d);
    struct breakpoint **link = &d->breakpoints;

    while (*link != b)
        link = &(*link)->next;
    *link = b->next;
    forget(d, b);
    free_one(b);
    release(d, was_running);
}

void breakpoint_changed(struct debugger *d, struct breakpoint *b)
{
    bool was_running = hold(d);

    (void)b;
    release(d, was_running);
}

static bool was_hit(const struct debug_stop *stop, const struct breakpoint *b)
{
    bool hit = stop->hit.breakpoint == b;

    for (unsigned n = 0; n < stop->nalso; n++)
        hit |= stop->also[n].breakpoint == b;
    return hit;
}

void breakpoint_remove_temporary(struct debugger *d, const struct debug_stop *stop)
{
    struct breakpoint *next;

    for (struct breakpoint *b = d->breakpoints; b; b = next) {
        next = b->next;
        if (b->temporary && was_hit(stop, b))
            breakpoint_remove(d, b);
    }
}

struct breakpoint *breakpoint_first(struct debugger *d)
{
    return d->breakpoints;
}

struct breakpoint *breakpoint_find(struct debugger *d, unsigned number)
{
    struct breakpoint *b = number ? d->breakpoints : NULL;

    while (b && b->number != number)
        b = b->next;
    return b;
}

void breakpoints_read(struct debugger *d)
{
    for (struct breakpoint *b = d->breakpoints; b; b = b->next)
        if (b->kind == BREAK_ACCESS)
            read_bytes(b, debugger_cpu(d, b->cpu < 0 ? 0 : (unsigned)b->cpu),
                       ((struct owned *)b)->bytes);
}

void breakpoints_free(struct debugger *d)
{
    struct breakpoint *next;

    for (struct breakpoint *b = d->breakpoints; b; b = next) {
        next = b->next;
        free_one(b);
    }
    d->breakpoints = NULL;
    free(d->ranges[0]);
    free(d->ranges[1]);
    free(d->points[0]);
    free(d->points[1]);
}
