/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_INTERNAL_H
#define CALQUE_DEBUGGER_INTERNAL_H

#include <stdatomic.h>

#include "cpu/x86/probe.h"
#include "debugger/debugger.h"

/* The rooms of the core:
 *   core.c        faces; the machine runs and stops, and why
 *   step.c        steps, which may take several runs
 *   breakpoint.c  the list, what the engines are asked because of it, and what they answer */

/* A place where the machine stops for the core alone: the end of a call, or of an interrupt. */
struct mark {
    bool set;
    unsigned cpu;
    uint64_t lin;
    enum { SP_ANY, SP_EQUAL, SP_ABOVE } rule; /* where the stack must be; ABOVE: there, or popped */
    uint64_t sp;
};

/* What a CPU stopped for; written on the CPU thread, read when the machine stands still. */
struct hit {
    bool mark;
    unsigned cpu;
    struct breakpoint *breakpoint;
    struct probe_hit access;
    uint64_t old_value, new_value;
    uint64_t event_arg, event_value;
};

enum plan_kind { PLAN_NONE, PLAN_CONTINUE, PLAN_STEP, PLAN_RANGE, PLAN_UNTIL };

/* What was asked for, while the machine runs because of it. */
struct plan {
    enum plan_kind kind;
    unsigned cpu;
    bool alone; /* CONTINUE: only this one */
    enum debug_step how;
    uint64_t left;        /* STEP: how many more */
    uint64_t start, last; /* RANGE */
    bool over;
    /* One instruction is being stepped: from here. */
    bool single;
    uint64_t lin, sp, interrupts;
};

struct travel;

struct debugger {
    struct control *ctl;
    struct travel *travel; /* time.c */
    /* time.c: only breakpoints of this owner are there; NULL: all are. */
    const void *only;
    /* time.c: hits do not stop the machine, and are told here. CPU thread. */
    void (*passed)(void *opaque, struct breakpoint *b, const struct cpu *cpu);
    void *passed_opaque;
    struct machine *m;
    struct symbols *symbols;
    struct debug_face *faces;
    debug_intercept_fn *intercept;
    void *intercept_opaque;
    struct breakpoint *breakpoints;
    unsigned next_number;
    /* What the engines have been given, in turns, so that one is never changed under them. */
    struct probes probes[2];
    struct probe_range *ranges[2];
    struct probe_point *points[2];
    unsigned using;
    bool step_others;
    bool told_running;
    uint64_t changes; /* of run state, seen */
    struct plan plan;
    struct mark mark;
    struct hit hits[DEBUG_HITS_MAX + 1]; /* the last: what does not fit */
    atomic_uint nhits;
    struct debug_stop last_stop;
    bool has_stopped;
    bool tracing;
    struct debug_tracer tracer;
};

uint64_t debugger_sp(const struct cpu *cpu); /* linear */

/* breakpoint.c: gives the engines what there is to ask; the machine stands still. */
void breakpoints_sync(struct debugger *d);
void breakpoints_free(struct debugger *d);
/* Memory is another: what watched bytes are now. */
void breakpoints_read(struct debugger *d);
/* Where the current function returns to, and the stack pointer then. */
bool debugger_return_address(struct debugger *d, unsigned cpu, uint64_t *lin, uint64_t *sp);
void time_free(struct debugger *d);
/* Those that were hit. */
void breakpoint_remove_temporary(struct debugger *d, const struct debug_stop *stop);

/* step.c: the machine stopped while a plan is under way. True: it goes on, and nobody need know. */
bool plan_goes_on(struct debugger *d, enum stop_reason why);
/* core.c: lets the machine run (machine_step() if insns). */
void debugger_go(struct debugger *d, unsigned cpu, uint64_t insns);

#endif
