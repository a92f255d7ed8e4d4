/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moving in time. A command is a few runs of the machine, each from a checkpoint on or onwards from
 * where it stands; between two of them the core's intercept() comes here. There are three kinds of
 * run: a move, in which no breakpoint is there; a scan, in which hits are noted and do not stop;
 * and a landing, up to one hit, which is a stop as any other. */
#include "debugger/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/mem.h"
#include "debugger/internal.h"
#include "vm/checkpoint.h"
#include "vm/machine.h"
#include "vm/record.h"

#define CALL_LENGTH_MAX 7 /* bytes of a call instruction, but for useless prefixes */
#define OWN_MAX         2
#define NOBODY(t)       (&(t)->phase) /* owns no breakpoints */

enum phase { STANDING, MOVING, SCANNING, LANDING, HALVING };

/* What is looked for backwards. */
enum goal {
    GOAL_PLACE,     /* nothing: a move */
    GOAL_BACK,      /* a move back by an instruction, which may be the end of more */
    GOAL_STOP,      /* a stop of the user's breakpoints */
    GOAL_WRITE,     /* a store */
    GOAL_DEVICE,    /* a move to where a device has stored */
    GOAL_CALL,      /* the call that led here */
    GOAL_INTERRUPT, /* the delivery of the interrupt that led here */
};

struct bookmark {
    struct bookmark *next;
    struct time_place place;
    char name[];
};

/* A hit of a scan. */
struct passing {
    struct breakpoint *b;
    uint64_t at, at_retired; /* position, instructions of its CPU */
};
#define PASSINGS 1024 /* that are remembered of an interval: the newest */

struct travel {
    struct debugger *d;
    enum phase phase;
    enum goal goal;
    enum debug_stop_kind end; /* MOVING: what it is called when the place is reached */
    unsigned cpu;
    /* Steps back: how many more; over calls; where the CPU stood. */
    uint64_t count, ip, sp, retired;
    bool over, finish;
    /* A scan up to `origin`: hits before `limit` count; the interval is [begin, last]. */
    uint64_t origin, limit, begin, last;
    bool found;
    uint64_t at, at_retired; /* the last hit: position, instructions of its CPU */
    struct passing passings[PASSINGS];
    uint64_t npassings;
    struct breakpoint *own[OWN_MAX];
    /* GOAL_WRITE */
    uint64_t arena, len;
    uint8_t before[VM_PAGE_SIZE], after[VM_PAGE_SIZE];
    uint64_t low, high; /* HALVING */
    char writer[96];
    struct bookmark *bookmarks;
};

static bool intercept(void *opaque, const struct debug_stop *stop);

/* ---- looking ---- */

bool time_travels(const struct debugger *d, struct error *err)
{
    return record_checkpoints(d->m) != NULL ||
           error_set(err, "no past is kept: --history 60s, or --replay of a recording");
}

bool time_when(const struct debugger *d, struct time_span *span, struct error *err)
{
    struct record_span s;

    if (!time_travels(d, err) || (!record_span(d->m, &s) && !error_set(err, "no past is known")))
        return false;
    *span = (struct time_span){
        .first = {s.first.insns, s.first.ns},
        .now = {s.now.insns, s.now.ns},
        .last = {s.last.insns, s.last.ns},
        .replay = s.of_file,
        .checkpoints = s.checkpoints,
        .memory = s.bytes,
    };
    return true;
}

static uint64_t position(const struct travel *t)
{
    return machine_retired(t->d->m);
}

static uint64_t cpu_retired(const struct travel *t)
{
    return vcpu_retired(t->d->m->cpus[t->cpu]);
}

static struct checkpoints *past(const struct travel *t)
{
    return record_checkpoints(t->d->m);
}

/* ---- the runs ---- */

static void remove_own(struct travel *t)
{
    for (unsigned n = 0; n < OWN_MAX; n++) {
        struct breakpoint *b = t->own[n];

        t->own[n] = NULL;
        if (b)
            breakpoint_remove(t->d, b);
    }
}

/* The command is over. */
static void finish(struct travel *t, const struct debug_stop *stop)
{
    struct debugger *d = t->d;

    t->phase = STANDING;
    d->only = NULL;
    d->passed = NULL;
    breakpoints_read(d);
    debugger_tell_stop(d, stop);
    remove_own(t);
    breakpoints_sync(d);
}

static void finish_as(struct travel *t, enum debug_stop_kind kind)
{
    finish(t, &(struct debug_stop){.kind = kind, .cpu = t->cpu, .reason = t->d->m->run.reason});
}

/* Which breakpoints are there: none, our own, all. */
static void run_until(struct travel *t, const void *only, uint64_t count)
{
    struct debugger *d = t->d;

    d->only = only;
    d->plan = (struct plan){.kind = PLAN_NONE};
    d->mark.set = false;
    d->nhits = 0;
    breakpoints_sync(d);
    debugger_tell_resumed(d);
    machine_run_until(d->m, count);
}

/* Back to a checkpoint; nothing is left of what the CPUs were about to say. */
static bool restore(struct travel *t, struct checkpoint *c)
{
    struct error err;

    if (!record_travel(t->d->m, c, &err))
        return false; /* our own state: it cannot be refused but by a mistake of ours */
    for (unsigned n = 0; n < t->d->m->ncpus; n++) {
        struct cpu_probe *p = &debugger_cpu(t->d, n)->probe;

        p->stop = p->skip = p->pass = false;
        p->nhits = p->nevents = 0;
    }
    breakpoints_read(t->d);
    return true;
}

/* To a position, unseen; then it is an `end`. */
static void move(struct travel *t, uint64_t place, enum debug_stop_kind end)
{
    struct checkpoint *c = checkpoint_before(past(t), place);

    t->phase = MOVING;
    t->end = end;
    t->d->passed = NULL;
    if (!c) {
        c = past(t)->oldest;
        place = c->insns;
        t->end = DEBUG_TIME_BEGIN;
        t->goal = GOAL_PLACE;
    }
    if (place < position(t) && !restore(t, c)) {
        finish_as(t, DEBUG_PAUSED);
        return;
    }
    run_until(t, NOBODY(t), place);
}

/* To where the CPU has retired so many, unseen. */
static void move_cpu(struct travel *t, uint64_t retired, enum debug_stop_kind end)
{
    struct debugger *d = t->d;
    struct checkpoint *c = past(t)->newest;

    while (c && restore(t, c) && cpu_retired(t) > retired)
        c = past(t)->newest->older;
    if (!c || cpu_retired(t) == retired) {
        move(t, c ? c->insns : 0, end);
        return;
    }
    t->phase = MOVING;
    t->end = end;
    d->passed = NULL;
    d->only = NOBODY(t);
    d->plan = (struct plan){.kind = PLAN_NONE};
    d->mark.set = false;
    d->nhits = 0;
    breakpoints_sync(d);
    debugger_tell_resumed(d);
    machine_step(d->m, d->m->cpus[t->cpu], retired - cpu_retired(t), true);
}

/* ---- scans ---- */

/* On the CPU thread. */
static void passed(void *opaque, struct breakpoint *b, const struct cpu *cpu)
{
    struct travel *t = opaque;
    uint64_t at = machine_retired(t->d->m);

    if (at >= t->limit || b->kind == BREAK_RESET)
        return;
    t->found = true;
    t->at = at;
    t->at_retired = vcpu_retired(&cpu->v);
    t->passings[t->npassings++ % PASSINGS] = (struct passing){b, t->at, t->at_retired};
}

static void remember_bytes(struct travel *t, uint8_t *bytes)
{
    if (t->goal == GOAL_WRITE)
        memcpy(bytes, t->d->m->arena.host + t->arena, t->len);
}

/* The interval that begins with c. */
static void scan_from(struct travel *t, struct checkpoint *c)
{
    t->begin = c->insns;
    t->found = false;
    t->npassings = 0;
    if (!restore(t, c)) {
        finish_as(t, DEBUG_PAUSED);
        return;
    }
    remember_bytes(t, t->before);
    t->phase = SCANNING;
    t->d->passed = passed;
    t->d->passed_opaque = t;
    run_until(t, t->goal == GOAL_STOP ? NULL : t, t->last);
}

static void nothing_found(struct travel *t);

/* The newest interval that begins before `end` and may have what is looked for. What happens right
 * at its end is seen in it. */
static void scan_before(struct travel *t, uint64_t end)
{
    struct checkpoints *cs = past(t);
    struct checkpoint *c = end ? checkpoint_before(cs, end - 1) : NULL;

    t->last = end < t->origin ? end + 1 : t->origin;
    while (c && t->goal == GOAL_WRITE && !checkpoint_changed(cs, c, t->arena, t->len)) {
        t->last = c->insns + 1;
        c = c->older;
    }
    if (c)
        scan_from(t, c);
    else
        nothing_found(t);
}

static void scan(struct travel *t, enum goal goal)
{
    t->goal = goal;
    t->origin = position(t);
    t->limit = t->origin + (goal == GOAL_WRITE); /* which may have been the last instruction's */
    scan_before(t, t->origin);
}

/* Up to the hit that was found, which is a stop. */
static void land(struct travel *t)
{
    t->limit = t->at;
    move(t, t->at > t->begin ? t->at - 1 : t->at, DEBUG_COUNT);
}

static void approach(struct travel *t)
{
    t->phase = LANDING;
    breakpoints_read(t->d); /* for their old values */
    run_until(t, t->goal == GOAL_STOP ? NULL : t, t->limit + 1);
}

/* ---- steps back ---- */

/* An instruction in front of which the CPU stands, behind its prefixes. */
static unsigned opcode_here(const struct travel *t, unsigned *imm)
{
    struct cpu *cpu = debugger_cpu(t->d, t->cpu);
    uint8_t bytes[15];
    size_t n = debugger_read(t->d, t->cpu, false, debugger_pc(cpu), bytes, sizeof(bytes));

    for (size_t i = 0; i + 2 < n; i++) {
        bool rex = cpu->code_mode == CODE64 && (bytes[i] & 0xf0) == 0x40;

        if (rex || bytes[i] == 0x66 || bytes[i] == 0xf2 || bytes[i] == 0xf3)
            continue;
        *imm = bytes[i] == 0xc2 || bytes[i] == 0xca ? bytes[i + 1] | bytes[i + 2] << 8 : 0;
        return bytes[i];
    }
    return 0;
}

static bool is_return(unsigned opcode)
{
    return opcode == 0xc3 || opcode == 0xc2 || opcode == 0xcb || opcode == 0xca;
}

/* An interrupt was delivered: will it return to where the steps began? The frame has IP, CS, FLAGS
 * and in 64-bit mode SP (SDM vol. 3A 6.12.1, 6.14.2). */
static bool interrupted_here(void *opaque, struct debugger *d, struct cpu *cpu)
{
    const struct travel *t = opaque;
    unsigned size = cpu->code_mode == CODE64 ? 8 : cpu->code_mode == CODE32 ? 4 : 2;
    uint64_t ip = 0, sp = 0;

    (void)d;
    if (debugger_read_quick(cpu, false, debugger_sp(cpu), &ip, size) != size || ip != t->ip)
        return false;
    if (size != 8)
        return true;
    return debugger_read_quick(cpu, false, debugger_sp(cpu) + 24, &sp, 8) == 8 && sp == t->sp;
}

static bool stack_is_same(void *opaque, struct debugger *d, struct cpu *cpu)
{
    const struct travel *t = opaque;

    (void)d;
    return debugger_sp(cpu) == t->sp;
}

static bool add_own(struct travel *t, const struct breakpoint *b)
{
    struct breakpoint copy = *b;
    unsigned n = t->own[0] != NULL;

    copy.owner = t;
    copy.enabled = true;
    t->own[n] = breakpoint_add(t->d, &copy, NULL);
    return t->own[n] != NULL;
}

/* The call whose return address is pc, with the stack pointer before it. */
static bool scan_for_call(struct travel *t, uint64_t pc, uint64_t sp)
{
    const struct breakpoint b = {.kind = BREAK_EXECUTE,
                                 .start = pc - CALL_LENGTH_MAX,
                                 .last = pc - 2,
                                 .cpu = (int)t->cpu,
                                 .condition = {.holds = stack_is_same, .opaque = t}};

    t->sp = sp;
    if (!add_own(t, &b))
        return false;
    scan(t, GOAL_CALL);
    return true;
}

static bool scan_for_interrupt(struct travel *t)
{
    const struct breakpoint b = {.kind = BREAK_INTERRUPT,
                                 .last = 255,
                                 .cpu = (int)t->cpu,
                                 .condition = {.holds = interrupted_here, .opaque = t}};

    if (!add_own(t, &b))
        return false;
    scan(t, GOAL_INTERRUPT);
    return true;
}

static void begin_step(struct travel *t)
{
    struct cpu *cpu = debugger_cpu(t->d, t->cpu);

    t->ip = cpu->r[R_RIP];
    t->sp = cpu->code_mode == CODE64 ? cpu->r[R_RSP] : debugger_sp(cpu);
    t->retired = cpu_retired(t);
    t->goal = GOAL_BACK;
    if (t->retired)
        move_cpu(t, t->retired - 1, DEBUG_STEPPED);
    else
        move(t, past(t)->oldest->insns, DEBUG_TIME_BEGIN);
}

/* A step back is complete. */
static void step_done(struct travel *t)
{
    remove_own(t);
    if (--t->count)
        begin_step(t);
    else
        finish_as(t, DEBUG_STEPPED);
}

/* The CPU is one instruction back: perhaps in something that is gone over as a whole. */
static void stepped_back(struct travel *t)
{
    unsigned imm = 0, opcode = opcode_here(t, &imm);
    struct cpu *cpu = debugger_cpu(t->d, t->cpu);
    uint64_t pc = cpu->code_mode == CODE64
                      ? t->ip
                      : (uint32_t)(cpu->seg[SEG_CS].base + t->ip); /* near: of the same segment */

    if (opcode == 0xcf && scan_for_interrupt(t))
        return;
    if (t->over && is_return(opcode) && scan_for_call(t, pc, t->sp - imm))
        return;
    step_done(t);
}

/* ---- ignored hits ----
 *
 * As gdb has it (bpstat_check_breakpoint_conditions), backwards as forwards: a hit of a breakpoint
 * with an ignore count is one less to ignore, and counts as a hit. */

static bool is_there(const struct travel *t, const struct breakpoint *b)
{
    const struct breakpoint *at = breakpoint_first(t->d);

    while (at && at != b)
        at = at->next;
    return at;
}

/* The hits at the position of number `newest`, and before: whether one of them is a stop. *n: how
 * many they are. */
static bool stops_at(const struct travel *t, uint64_t newest, unsigned *n)
{
    const struct passing *p = &t->passings[newest % PASSINGS];
    bool stops = false;

    for (*n = 0; *n <= newest && *n < PASSINGS; ++*n) {
        const struct passing *q = &t->passings[(newest - *n) % PASSINGS];

        if (q->at != p->at)
            break;
        stops |= is_there(t, q->b) && !q->b->ignore;
    }
    return stops;
}

static void ignore(struct travel *t, uint64_t newest, unsigned n)
{
    for (; n; n--, newest--) {
        struct breakpoint *b = t->passings[newest % PASSINGS].b;

        if (is_there(t, b)) {
            b->ignore--;
            b->hits++;
        }
    }
}

/* Whether one of the interval's hits is the stop that is looked for: the newest that is not
 * ignored. False: those from `limit` on have been ignored. What is hit right at the beginning is so
 * at the end of the interval before, too, and left to that. */
static bool find_stop(struct travel *t)
{
    uint64_t first = t->npassings > PASSINGS ? t->npassings - PASSINGS : 0, n = t->npassings;
    unsigned same;

    while (n > first) {
        const struct passing *p = &t->passings[(n - 1) % PASSINGS];

        if (p->at == t->begin && t->begin > past(t)->oldest->insns)
            break;
        if (stops_at(t, n - 1, &same)) {
            t->at = p->at;
            t->at_retired = p->at_retired;
            return true;
        }
        ignore(t, n - 1, same);
        t->limit = p->at;
        n -= same;
    }
    if (!first && t->begin < t->limit)
        t->limit = t->begin + 1;
    return false;
}

/* ---- what a scan brought ---- */

static void nothing_found(struct travel *t)
{
    remove_own(t);
    if (!t->finish && (t->goal == GOAL_CALL || t->goal == GOAL_INTERRUPT)) {
        t->goal = GOAL_BACK; /* not called, nor interrupted: only stepped back */
        move_cpu(t, t->retired - 1, DEBUG_COUNT);
    } else {
        t->goal = GOAL_PLACE;
        move(t, past(t)->oldest->insns, DEBUG_TIME_BEGIN);
    }
}

static void something_found(struct travel *t)
{
    switch (t->goal) {
    case GOAL_CALL:
        t->goal = GOAL_BACK;
        move(t, t->at, DEBUG_COUNT);
        break;
    case GOAL_INTERRUPT: /* before the instruction that was interrupted after */
        t->goal = GOAL_BACK;
        move_cpu(t, t->at_retired ? t->at_retired - 1 : 0, DEBUG_COUNT);
        break;
    default:
        land(t);
    }
}

/* No CPU has stored there, and it is not what it was: a device has. When, is found by halving. */
static void halve(struct travel *t)
{
    if (t->high - t->low > 1) {
        move(t, t->low + (t->high - t->low) / 2, DEBUG_COUNT);
        if (t->phase == MOVING)
            t->phase = HALVING;
        return;
    }
    if (!record_name_event(t->d->m, t->low, t->high, t->after, t->len, t->writer,
                           sizeof(t->writer)))
        snprintf(t->writer, sizeof(t->writer), "a device");
    t->goal = GOAL_DEVICE;
    move(t, t->high, DEBUG_PAUSED);
}

static void scanned(struct travel *t)
{
    uint64_t begin = t->begin;

    if (t->found && (t->goal != GOAL_STOP || find_stop(t))) {
        something_found(t);
        return;
    }
    if (t->goal == GOAL_STOP && t->npassings > PASSINGS) {
        scan_before(t, t->limit); /* there are more in this interval */
        return;
    }
    remember_bytes(t, t->after);
    if (t->goal == GOAL_WRITE && memcmp(t->before, t->after, t->len) != 0) {
        t->low = begin;
        t->high = t->last;
        halve(t);
    } else if (begin <= past(t)->oldest->insns) {
        nothing_found(t);
    } else {
        scan_before(t, begin);
    }
}

static void halved(struct travel *t)
{
    const uint8_t *now = t->d->m->arena.host + t->arena;

    if (memcmp(now, t->after, t->len) == 0)
        t->high = position(t);
    else
        t->low = position(t);
    halve(t);
}

/* ---- between two runs ---- */

/* A move has come to its end. */
static void moved(struct travel *t)
{
    if (t->end == DEBUG_TIME_BEGIN)
        finish_as(t, t->end);
    else if (t->goal == GOAL_STOP || t->goal == GOAL_WRITE)
        approach(t);
    else if (t->goal == GOAL_BACK && t->end == DEBUG_STEPPED)
        stepped_back(t);
    else if (t->goal == GOAL_BACK)
        step_done(t);
    else if (t->goal == GOAL_DEVICE)
        finish(t, &(struct debug_stop){.kind = t->end,
                                       .cpu = t->cpu,
                                       .reason = t->d->m->run.reason,
                                       .writer = t->writer});
    else
        finish_as(t, t->end);
}

/* A hit while landing: the one that was found, or one before. */
static void landed(struct travel *t, const struct debug_stop *stop)
{
    if (stop->kind == DEBUG_COUNT) {
        finish_as(t, DEBUG_STEPPED);
        return;
    }
    if (position(t) >= t->limit) {
        finish(t, stop);
        return;
    }
    for (unsigned n = 0; n < t->d->m->ncpus; n++)
        probe_go_on(debugger_cpu(t->d, n));
    approach(t);
}

static bool is_of_run(const struct debug_stop *stop)
{
    return stop->kind == DEBUG_COUNT || stop->kind == DEBUG_STEPPED ||
           stop->kind == DEBUG_BREAKPOINT || stop->kind == DEBUG_WATCHPOINT;
}

static bool intercept(void *opaque, const struct debug_stop *stop)
{
    struct travel *t = opaque;

    if (t->phase == STANDING)
        return false;
    if (!is_of_run(stop)) /* somebody asked, or there is no way on */
        finish(t, stop);
    else if (t->phase == LANDING)
        landed(t, stop);
    else if (t->phase == SCANNING)
        scanned(t);
    else if (t->phase == HALVING)
        halved(t);
    else
        moved(t);
    return true;
}

/* ---- commands ---- */

static struct travel *travel_of(struct debugger *d, struct error *err)
{
    if (!d->travel && !(d->travel = calloc(1, sizeof(*d->travel)))) {
        error_write(err, "out of memory");
        return NULL;
    }
    d->travel->d = d;
    debugger_intercept(d, intercept, d->travel);
    return d->travel;
}

/* The machine stands still, and has a past. */
static struct travel *begin(struct debugger *d, unsigned cpu, struct error *err)
{
    struct travel *t;

    if (!time_travels(d, err))
        return NULL;
    if (d->m->run.state != RUN_PAUSED) {
        error_write(err, d->m->run.state == RUN_ENDED ? "the machine has ended"
                                                      : "the machine is running");
        return NULL;
    }
    if (cpu >= d->m->ncpus) {
        error_write(err, "CPU %u: the machine has %u", cpu, d->m->ncpus);
        return NULL;
    }
    t = travel_of(d, err);
    if (t) {
        t->cpu = cpu;
        t->over = t->finish = false;
        t->count = 1;
        remove_own(t);
    }
    return t;
}

static bool step_back(struct debugger *d, unsigned cpu, uint64_t count, bool over,
                      struct error *err)
{
    struct travel *t = begin(d, cpu, err);

    if (!t)
        return false;
    t->count = count ? count : 1;
    t->over = over;
    begin_step(t);
    return true;
}

bool time_reverse_step(struct debugger *d, unsigned cpu, uint64_t count, struct error *err)
{
    return step_back(d, cpu, count, false, err);
}

bool time_reverse_next(struct debugger *d, unsigned cpu, uint64_t count, struct error *err)
{
    return step_back(d, cpu, count, true, err);
}

bool time_reverse_finish(struct debugger *d, unsigned cpu, struct error *err)
{
    struct travel *t = begin(d, cpu, err);
    uint64_t lin, sp;

    if (!t)
        return false;
    if (!debugger_return_address(d, cpu, &lin, &sp))
        return error_set(err, "the stack frame cannot be read");
    t->finish = true;
    return scan_for_call(t, lin, sp) || error_set(err, "out of memory");
}

bool time_reverse_continue(struct debugger *d, struct error *err)
{
    struct travel *t = begin(d, 0, err);

    if (!t)
        return false;
    scan(t, GOAL_STOP);
    return true;
}

static bool is_known(struct debugger *d, uint64_t insns, uint64_t ns, struct error *err)
{
    struct time_span s;

    if (!time_when(d, &s, err))
        return false;
    if (insns > s.last.insns || ns > s.last.ns)
        return error_set(err, "the end is at instruction %llu, %llu ns",
                         (unsigned long long)s.last.insns, (unsigned long long)s.last.ns);
    if ((insns && insns < s.first.insns) || (ns && ns < s.first.ns))
        return error_set(err, "the beginning that is kept is at instruction %llu, %llu ns",
                         (unsigned long long)s.first.insns, (unsigned long long)s.first.ns);
    return true;
}

bool time_goto(struct debugger *d, uint64_t insns, struct error *err)
{
    struct travel *t = begin(d, 0, err);

    if (!t || !is_known(d, insns, 0, err))
        return false;
    t->goal = GOAL_PLACE;
    move(t, insns, DEBUG_STEPPED);
    return true;
}

bool time_goto_ns(struct debugger *d, uint64_t ns, struct error *err)
{
    struct travel *t = begin(d, 0, err);
    struct checkpoint *c;

    if (!t || !is_known(d, 0, ns, err))
        return false;
    for (c = past(t)->newest; c->older && c->ns > ns;)
        c = c->older;
    t->goal = GOAL_PLACE;
    if (ns < vm_clock_now(&d->m->clock) && !restore(t, c))
        return error_set(err, "the past cannot be restored");
    move(t, position(t), DEBUG_STEPPED);
    machine_run_until_time(d->m, ns); /* in place of the position, which is here */
    return true;
}

bool time_goto_end(struct debugger *d, struct error *err)
{
    struct time_span s;

    return time_when(d, &s, err) && time_goto(d, s.last.insns, err);
}

/* Where the bytes are; they are within a page. */
static bool find_bytes(struct travel *t, bool physical, uint64_t addr, size_t len, uint64_t *phys,
                       struct error *err)
{
    struct machine *m = t->d->m;
    struct page_view page;

    if (!len || len > VM_PAGE_SIZE || (addr & (VM_PAGE_SIZE - 1)) + len > VM_PAGE_SIZE)
        return error_set(err, "1 to 4096 bytes within a page are expected");
    *phys = physical ? addr : mmu_debug_translate(debugger_cpu(t->d, t->cpu), addr);
    if (*phys > m->mem.last)
        return error_set(err, "0x%llx is not mapped", (unsigned long long)addr);
    page = address_space_page(&m->mem, *phys);
    if (page.read_at == ARENA_NONE)
        return error_set(err, "0x%llx is not memory", (unsigned long long)addr);
    t->arena = page.read_at + (*phys & (VM_PAGE_SIZE - 1));
    t->len = len;
    return true;
}

bool time_last_write(struct debugger *d, unsigned cpu, bool physical, uint64_t addr, size_t len,
                     struct error *err)
{
    struct travel *t = begin(d, cpu, err);
    struct breakpoint b = {
        .kind = BREAK_ACCESS, .physical = true, .access = PROBE_WRITE, .cpu = -1};

    if (!t || !find_bytes(t, physical, addr, len, &b.start, err))
        return false;
    b.last = b.start + len - 1;
    if (!add_own(t, &b))
        return error_set(err, "out of memory");
    scan(t, GOAL_WRITE);
    return true;
}

/* ---- bookmarks ---- */

static struct bookmark **find_bookmark(struct travel *t, const char *name)
{
    struct bookmark **at = &t->bookmarks;

    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

bool time_bookmark(struct debugger *d, const char *name, struct error *err)
{
    struct travel *t = time_travels(d, err) ? travel_of(d, err) : NULL;
    struct bookmark **at = t ? find_bookmark(t, name) : NULL;

    if (!t)
        return false;
    if (!*at) {
        struct bookmark *b = calloc(1, sizeof(*b) + strlen(name) + 1);

        if (!b)
            return error_set(err, "out of memory");
        memcpy(b->name, name, strlen(name) + 1);
        *at = b;
    }
    (*at)->place = (struct time_place){position(t), vm_clock_now(&d->m->clock)};
    return true;
}

bool time_goto_bookmark(struct debugger *d, const char *name, struct error *err)
{
    struct travel *t = time_travels(d, err) ? travel_of(d, err) : NULL;
    struct bookmark **at = t ? find_bookmark(t, name) : NULL;

    if (!t)
        return false;
    if (!*at)
        return error_set(err, "%s: there is no bookmark of this name", name);
    return time_goto(d, (*at)->place.insns, err);
}

bool time_remove_bookmark(struct debugger *d, const char *name, struct error *err)
{
    struct bookmark **at = d->travel ? find_bookmark(d->travel, name) : NULL, *b = at ? *at : NULL;

    if (!b)
        return error_set(err, "%s: there is no bookmark of this name", name);
    *at = b->next;
    free(b);
    return true;
}

void time_each_bookmark(const struct debugger *d,
                        void (*fn)(void *opaque, const char *name, struct time_place place),
                        void *opaque)
{
    for (const struct bookmark *b = d->travel ? d->travel->bookmarks : NULL; b; b = b->next)
        fn(opaque, b->name, b->place);
}

/* The machine may be gone; breakpoints are the core's to free. */
void time_free(struct debugger *d)
{
    while (d->travel && d->travel->bookmarks) {
        struct bookmark *b = d->travel->bookmarks;

        d->travel->bookmarks = b->next;
        free(b);
    }
    free(d->travel);
    d->travel = NULL;
}
