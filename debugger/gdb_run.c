/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running and stepping, and what gdb is told when the machine stands still. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/x86/registers.h"
#include "debugger/gdb_internal.h"
#include "debugger/time.h"
#include "monitor/control.h"
#include "vm/machine.h"

/* Signals as gdb numbers them. */
enum { SIGNAL_0 = 0, SIGNAL_INT = 2, SIGNAL_TRAP = 5, SIGNAL_ABRT = 6 };

/* ---- stop replies ---- */

static void put_register(struct gdb *g, unsigned n)
{
    uint8_t value[16];

    gdb_target_get(&g->target, n, debugger_cpu(g->d, g->cpu), value);
    gdb_print(g->reply, "%x:", n);
    gdb_put_hex(g->reply, value, g->target.regs[n].size);
    gdb_put(g->reply, ";", 1);
}

static void begin_stop(struct gdb *g, unsigned signal, unsigned cpu)
{
    g->cpu = g->run_cpu = cpu;
    g->reply->len = 0;
    gdb_print(g->reply, "T%02x", signal);
    put_register(g, g->target.rsp);
    put_register(g, g->target.rip);
    gdb_print(g->reply, "thread:%x;core:%x;", cpu + 1, cpu);
}

/* Within what gdb watches, as it looks the address up there. */
static void note_watch(struct gdb *g, const struct debug_stop *stop)
{
    const struct breakpoint *b = stop->hit.breakpoint;

    g->watch_type = gdb_break_type(g, b);
    g->watch_at = stop->hit.address > b->start ? stop->hit.address : b->start;
}

static void put_watch(struct gdb *g)
{
    static const char *const names[] = {[2] = "watch", [3] = "rwatch", [4] = "awatch"};

    gdb_print(g->reply, "%s:%llx;", names[g->watch_type], (unsigned long long)g->watch_at);
}

static void put_reason(struct gdb *g, const struct debug_stop *stop)
{
    int type = stop->hit.breakpoint ? gdb_break_type(g, stop->hit.breakpoint) : -1;

    if (stop->kind == DEBUG_WATCHPOINT && type >= 2)
        note_watch(g, stop);
    if (g->back == BACK_STEPS || (stop->kind == DEBUG_WATCHPOINT && type >= 2))
        put_watch(g);
    else if (stop->kind == DEBUG_BREAKPOINT && type == 0 && g->swbreak)
        gdb_print(g->reply, "swbreak:;");
    else if (stop->kind == DEBUG_BREAKPOINT && type == 1 && g->hwbreak)
        gdb_print(g->reply, "hwbreak:;");
    else if (stop->kind == DEBUG_TIME_BEGIN)
        gdb_print(g->reply, "replaylog:begin;");
    else if (stop->kind == DEBUG_TIME_END)
        gdb_print(g->reply, "replaylog:end;");
}

/* What gdb has no words for goes to its terminal. */
static void explain(struct gdb *g, const struct debug_stop *stop)
{
    const struct breakpoint *b = stop->hit.breakpoint;
    char text[200] = "";

    if (stop->kind == DEBUG_SHUTDOWN)
        snprintf(text, sizeof(text), "CPU %u shut down by a triple fault\n", stop->cpu);
    else if (stop->kind == DEBUG_DOUBLE_FAULT)
        snprintf(text, sizeof(text), "CPU %u has a double fault; this is its handler\n", stop->cpu);
    else if (stop->kind == DEBUG_RESET && !g->attaching)
        snprintf(text, sizeof(text), "the machine was reset\n");
    else if (stop->kind == DEBUG_PAUSED && !g->interrupted && !g->attaching)
        snprintf(text, sizeof(text), "the machine stopped (%s)\n", stop_reason_name(stop->reason));
    else if (b && b->owner != &g->face && gdb_break_type(g, b) < 0)
        snprintf(text, sizeof(text), "%s %u: %s\n",
                 stop->kind == DEBUG_WATCHPOINT ? "watchpoint" : "breakpoint", b->number,
                 b->where ? b->where : "");
    else if (b && gdb_break_type(g, b) == GDB_MOVED)
        snprintf(
            text, sizeof(text),
            "breakpoint at 0x%llx: the kernel has moved by 0x%llx, which `symbol-file FILE -o' "
            "tells gdb\n",
            (unsigned long long)b->linked, (unsigned long long)(b->start - b->linked));
    if (*text)
        gdb_say(g, text);
}

static unsigned signal_of(const struct gdb *g, const struct debug_stop *stop)
{
    switch (stop->kind) {
    case DEBUG_PAUSED:
        return g->interrupted ? SIGNAL_INT : g->attaching ? SIGNAL_TRAP : SIGNAL_0;
    case DEBUG_SHUTDOWN:
    case DEBUG_DOUBLE_FAULT:
        return SIGNAL_ABRT;
    default:
        return SIGNAL_TRAP;
    }
}

static void put_end(struct gdb *g)
{
    const struct run_control *r = &debugger_machine(g->d)->run;
    unsigned status = r->reason == STOP_DEBUG_EXIT ? (r->exit_value << 1 | 1) & 0xff : 0;

    g->reply->len = 0;
    gdb_print(g->reply, "W%02x", status);
}

static void put_stop(struct gdb *g, const struct debug_stop *stop)
{
    if (stop->kind == DEBUG_ENDED) {
        put_end(g);
        return;
    }
    begin_stop(g, signal_of(g, stop), stop->cpu);
    put_reason(g, stop);
}

static void no_longer_waiting(struct gdb *g)
{
    g->waiting = g->attaching = g->interrupted = false;
    g->back = BACK_NOT;
}

/* A watched access was met backwards: the main loop takes one more step. */
static bool steps_back(struct gdb *g, const struct debug_stop *stop)
{
    struct run_control *run = &debugger_machine(g->d)->run;

    if (g->back != BACK_RUNS || stop->kind != DEBUG_WATCHPOINT ||
        gdb_break_type(g, stop->hit.breakpoint) < 2)
        return false;
    note_watch(g, stop);
    g->run_cpu = stop->cpu;
    g->back = BACK_DUE;
    if (run->notify)
        run->notify(run->notify_opaque);
    return true;
}

/* ---- the face ---- */

/* gdb is told of one: one of its own, if it was hit. */
static struct debug_stop own_part(const struct gdb *g, const struct debug_stop *stop)
{
    struct debug_stop other;

    for (unsigned n = 0; n < stop->nalso && gdb_break_type(g, stop->hit.breakpoint) < 0; n++) {
        other = debug_stop_also(stop, n);
        if (gdb_break_type(g, other.hit.breakpoint) >= 0)
            return other;
    }
    return *stop;
}

static void on_stopped(void *opaque, const struct debug_stop *all)
{
    struct gdb *g = opaque;
    const struct debug_stop own = own_part(g, all), *stop = &own;

    if (!g->waiting || steps_back(g, stop))
        return; /* for gdb it stands still anyway, or does not yet */
    gdb_say_printed(g);
    explain(g, stop);
    put_stop(g, stop);
    no_longer_waiting(g);
    gdb_wire_send(&g->wire, g->reply->data, g->reply->len);
    g->reply->len = 0;
}

static void on_resumed(void *opaque)
{
    (void)opaque; /* gdb cannot be told */
}

void gdb_face(struct gdb *g, bool there)
{
    if (there == g->is_face)
        return;
    g->is_face = there;
    if (!there) {
        debugger_remove_face(g->d, &g->face);
        return;
    }
    g->face = (struct debug_face){.stopped = on_stopped, .resumed = on_resumed, .opaque = g};
    debugger_add_face(g->d, &g->face);
}

void gdb_tell_end(struct gdb *g)
{
    if (!g->waiting)
        return;
    put_end(g);
    gdb_wire_send(&g->wire, g->reply->data, g->reply->len);
}

void gdb_interrupt(struct gdb *g)
{
    if (!g->waiting)
        return;
    g->interrupted = true;
    debugger_pause(g->d);
}

/* ---- "?" ---- */

/* Why it stands still; if it does not, it shall. */
void gdb_why(struct gdb *g, const char *args)
{
    const struct debug_stop *stop = debugger_last_stop(g->d);

    (void)args;
    if (debugger_running(g->d)) {
        g->waiting = g->attaching = g->silent = true;
        debugger_pause(g->d);
    } else if (debugger_machine(g->d)->run.state == RUN_ENDED) {
        put_end(g);
    } else {
        begin_stop(g, SIGNAL_TRAP, stop ? stop->cpu : 0);
    }
}

/* ---- going on ---- */

/* The command has been given, and is answered when the machine stops. */
static void wait_for_stop(struct gdb *g, bool given, const struct error *err)
{
    if (given) {
        g->waiting = g->silent = true;
    } else {
        g->waiting = false;
        gdb_refuse(g, err->text);
    }
}

/* Somebody else may have let it run on; then gdb joins. */
static void go_on(struct gdb *g)
{
    struct error err;

    g->waiting = true; /* the stop may be told from within */
    wait_for_stop(g, debugger_running(g->d) || debugger_continue(g->d, &err), &err);
}

static void step(struct gdb *g, unsigned cpu, bool others)
{
    struct error err;

    g->waiting = true;
    debugger_step_others(g->d, others);
    wait_for_stop(g, debugger_step(g->d, cpu, g->step, 1, &err), &err);
}

static void step_range(struct gdb *g, unsigned cpu, bool others, uint64_t start, uint64_t end)
{
    struct error err;

    if (end <= start) {
        step(g, cpu, others);
        return;
    }
    g->waiting = true;
    debugger_step_others(g->d, others);
    wait_for_stop(g, debugger_step_range(g->d, cpu, start, end - 1, g->step == STEP_OVER, &err),
                  &err);
}

/* The old packets: "c", "c ADDR", and with a signal, of which the machine has none. */
static bool take_address(struct gdb *g, const char *args)
{
    const struct cpu_register *pc = g->target.regs[g->target.rip].in;
    struct error err = {"the address is none to go on at"};
    uint64_t addr;

    if (!*args)
        return true;
    if (gdb_take_hex_then(&args, &addr, '\0') && !debugger_running(g->d) &&
        debugger_set_register(g->d, g->run_cpu, pc, &addr, &err))
        return true;
    gdb_refuse(g, err.text);
    return false;
}

static const char *after_signal(const char *args)
{
    const char *semicolon = strchr(args, ';');

    return semicolon ? semicolon + 1 : "";
}

void gdb_continue(struct gdb *g, const char *args)
{
    if (take_address(g, args))
        go_on(g);
}

void gdb_continue_signal(struct gdb *g, const char *args)
{
    gdb_continue(g, after_signal(args));
}

void gdb_step(struct gdb *g, const char *args)
{
    if (take_address(g, args))
        step(g, g->run_cpu, true);
}

void gdb_step_signal(struct gdb *g, const char *args)
{
    gdb_step(g, after_signal(args));
}

/* ---- vCont ---- */

void gdb_vcont_kinds(struct gdb *g, const char *args)
{
    (void)args;
    gdb_print(g->reply, "vCont;c;C;s;S;t;r");
}

/* What each CPU is to do: 'c', 's', 'r', 't', or 0: it was not named and stays. */
struct vcont {
    char kind[256];
    unsigned n;
    uint64_t start, end; /* of r */
};

/* The first action that names a CPU is the one it takes. */
static void apply_action(struct vcont *v, char kind, unsigned cpu, bool any)
{
    for (unsigned n = 0; n < v->n; n++)
        if (!v->kind[n] && (any || n == cpu))
            v->kind[n] = kind;
}

/* One action behind its ';'. */
static bool take_action(struct gdb *g, struct vcont *v, const char **p)
{
    char kind = *(*p)++;
    uint64_t signal;
    unsigned cpu = 0;
    bool any = true;

    if (!kind || !strchr("cCsStr", kind))
        return false;
    if ((kind == 'C' || kind == 'S') && !gdb_take_hex(p, &signal))
        return false;
    if (kind == 'r' && (!gdb_take_hex_then(p, &v->start, ',') || !gdb_take_hex(p, &v->end)))
        return false;
    if (**p == ':') {
        ++*p;
        if (!gdb_take_thread(g, p, &cpu, &any))
            return false;
    }
    apply_action(v, (char)(kind == 'C' ? 'c' : kind == 'S' ? 's' : kind), cpu, any);
    return **p == ';' || !**p;
}

static unsigned count(const struct vcont *v, const char *kinds, unsigned *first)
{
    unsigned found = 0;

    for (unsigned n = 0; n < v->n; n++)
        if (v->kind[n] && strchr(kinds, v->kind[n]) && !found++)
            *first = n;
    return found;
}

static void resume(struct gdb *g, const struct vcont *v)
{
    unsigned stepped = 0, run = 0;
    unsigned nstepped = count(v, "sr", &stepped), nrun = count(v, "c", &run);
    struct error err;

    if (nstepped > 1) {
        gdb_refuse(g, "one CPU can be stepped at a time");
    } else if (nstepped && nrun && nrun + 1 < v->n) {
        gdb_refuse(g, "beside a step, all other CPUs can run, or none");
    } else if (nstepped && v->kind[stepped] == 'r') {
        step_range(g, stepped, nrun, v->start, v->end);
    } else if (nstepped) {
        step(g, stepped, nrun);
    } else if (nrun == v->n) {
        go_on(g);
    } else if (nrun == 1) {
        g->waiting = true;
        wait_for_stop(g, debugger_continue_alone(g->d, run, &err), &err);
    } else if (nrun) {
        gdb_refuse(g, "all CPUs can run, or one");
    } else if (debugger_running(g->d)) { /* t: gdb knows that it stands still, but it does not */
        g->waiting = g->silent = true;
        debugger_pause(g->d);
    } else {
        begin_stop(g, SIGNAL_0, g->cpu);
    }
}

void gdb_vcont(struct gdb *g, const char *args)
{
    struct vcont v = {.n = debugger_ncpus(g->d)};

    v.n = v.n < sizeof(v.kind) ? v.n : sizeof(v.kind);
    while (*args == ';') {
        args++;
        if (!take_action(g, &v, &args)) {
            gdb_refuse(g, "vCont: no such action or thread");
            return;
        }
    }
    if (*args)
        gdb_refuse(g, "vCont: actions are expected");
    else
        resume(g, &v);
}

/* ---- backwards ---- */

void gdb_back(struct gdb *g, const char *args)
{
    struct error err;
    bool by_step = args[-1] == 's', ok;

    g->waiting = true;
    g->back = by_step ? BACK_NOT : BACK_RUNS;
    ok = by_step ? time_reverse_step(g->d, g->run_cpu, 1, &err) : time_reverse_continue(g->d, &err);
    wait_for_stop(g, ok, &err);
}

void gdb_step_back(struct gdb *g)
{
    struct error err;

    if (g->back != BACK_DUE)
        return;
    g->back = BACK_STEPS;
    if (time_reverse_step(g->d, g->run_cpu, 1, &err))
        return;
    begin_stop(g, SIGNAL_TRAP, g->run_cpu); /* somebody else has the machine */
    put_watch(g);
    no_longer_waiting(g);
    gdb_wire_send(&g->wire, g->reply->data, g->reply->len);
}

/* ---- beginning and end ---- */

/* `run`: from the reset on, before the first instruction. */
void gdb_run(struct gdb *g, const char *args)
{
    const struct breakpoint reset = {
        .kind = BREAK_RESET, .enabled = true, .temporary = true, .cpu = -1, .owner = &g->face};
    struct error err;

    (void)args;
    if (!breakpoint_add(g->d, &reset, &err) || !control_reset(debugger_control(g->d), &err)) {
        gdb_refuse(g, err.text);
        return;
    }
    g->attaching = true; /* the answer must be a stop reply, without words before it */
    go_on(g);
}

void gdb_restart(struct gdb *g, const char *args)
{
    struct error err;

    (void)args;
    g->silent = true;
    control_reset(debugger_control(g->d), &err);
}

void gdb_attach(struct gdb *g, const char *args)
{
    uint64_t id;

    if (gdb_take_hex_then(&args, &id, ';') || gdb_take_hex_then(&args, &id, '\0') || !*args)
        gdb_why(g, args);
    else
        gdb_refuse(g, "no such process");
}

void gdb_detach(struct gdb *g, const char *args)
{
    struct error err;

    (void)args;
    gdb_remove_all(g);
    no_longer_waiting(g);
    if (!debugger_running(g->d))
        debugger_continue(g->d, &err); /* refused: it is at its end */
    gdb_ok(g);
}

void gdb_kill(struct gdb *g, const char *args)
{
    struct error err;

    (void)args;
    g->silent = true;
    control_quit(debugger_control(g->d), &err);
}

/* An extended client may want to `run` it again: the machine stays, standing still. */
void gdb_vkill(struct gdb *g, const char *args)
{
    struct error err;

    (void)args;
    if (g->extended) {
        gdb_remove_all(g);
        machine_stop(debugger_machine(g->d), STOP_USER);
        gdb_ok(g);
    } else if (control_quit(debugger_control(g->d), &err))
        gdb_ok(g);
    else
        gdb_refuse(g, err.text);
}
