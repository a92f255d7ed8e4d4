/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_DEBUGGER_H
#define CALQUE_DEBUGGER_DEBUGGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/x86/probe.h"
#include "vm/run.h"

/* The debugger's core: breakpoints, stepping, symbols, time. The prompt and the gdb server are two
 * faces of it; both may be there at once, and each hears of what the other does. It knows no
 * terminal and no protocol.
 *
 * All functions run on the main loop's thread with the machine lock held, unless noted. Commands
 * that let the machine run return at once; when it stands still again, for good, every face's
 * `stopped` is called from debugger_poll(). False with *err set: refused, nothing has changed. */

struct breakpoint;
struct control;
struct cpu;
struct cpu_register;
struct debugger;
struct error;
struct machine;
struct symbols;

struct debugger *debugger_new(struct control *ctl, struct error *err);
void debugger_free(struct debugger *d); /* d may be NULL */
/* Main loop, before each wait: notices that the machine stopped, goes on with what takes several
 * runs, tells the faces. Takes the lock itself. ns until it wants to be called, -1 for any time. */
int64_t debugger_poll(struct debugger *d);

struct machine *debugger_machine(const struct debugger *d);
struct control *debugger_control(const struct debugger *d);
struct symbols *debugger_symbols(const struct debugger *d); /* symbols.h; never NULL */
unsigned debugger_ncpus(const struct debugger *d);
struct cpu *debugger_cpu(const struct debugger *d, unsigned index);

/* ---- faces ---- */

enum debug_stop_kind {
    DEBUG_COUNT,        /* machine_run_until(): only the interceptor sees it */
    DEBUG_PAUSED,       /* somebody asked, here or in a monitor */
    DEBUG_STEPPED,      /* a step is complete */
    DEBUG_BREAKPOINT,   /* before the instruction; also catchpoints */
    DEBUG_WATCHPOINT,   /* after the instruction */
    DEBUG_RESET,        /* the machine was reset (only if asked for: catch reset) */
    DEBUG_SHUTDOWN,     /* triple fault: the CPU stands as it was when it gave up */
    DEBUG_DOUBLE_FAULT, /* the guest's handler is about to run */
    DEBUG_TIME_BEGIN,   /* reverse: the beginning of history is reached */
    DEBUG_TIME_END,     /* replay: the end of the recording is reached */
    DEBUG_ENDED,        /* the machine is at its end: run.reason says why */
};

/* One that was hit. Valid during the call. Temporary ones are removed afterwards. */
struct debug_hit {
    const struct breakpoint *breakpoint;
    uint64_t address; /* watchpoints: linear address of the access */
    unsigned size;    /* its bytes */
    bool write;
    bool has_values; /* of a watched range of at most 8 bytes */
    uint64_t old_value, new_value;
    uint64_t event_arg, event_value; /* catchpoints: as enum probe_event says */
};
#define DEBUG_HITS_MAX 8

struct debug_stop {
    enum debug_stop_kind kind;
    unsigned cpu;                              /* which CPU is the reason; faces turn to it */
    struct debug_hit hit;                      /* DEBUG_BREAKPOINT, DEBUG_WATCHPOINT: which */
    struct debug_hit also[DEBUG_HITS_MAX - 1]; /* others, at the same time */
    unsigned nalso;
    enum stop_reason reason; /* DEBUG_PAUSED, DEBUG_ENDED */
    const char *writer;      /* DEBUG_PAUSED: the device that has stored (last-write); else NULL */
};

/* The same stop as if only its also[n] had been hit. */
struct debug_stop debug_stop_also(const struct debug_stop *stop, unsigned n);

/* Somebody who is asked first: true, it has let the machine run on, or told the faces itself. */
typedef bool debug_intercept_fn(void *opaque, const struct debug_stop *stop);

struct debug_face {
    /* The machine stands still; the state may be looked at. Called for every stop. */
    void (*stopped)(void *opaque, const struct debug_stop *stop);
    /* It runs, or time has moved (another face's doing, or this one's). */
    void (*resumed)(void *opaque);
    void *opaque;
    struct debug_face *next; /* the core's */
};

void debugger_add_face(struct debugger *d, struct debug_face *face);
void debugger_remove_face(struct debugger *d, struct debug_face *face);
/* One, for time travel; NULL: none. */
void debugger_intercept(struct debugger *d, debug_intercept_fn *fn, void *opaque);
/* For it: what the faces are told. */
void debugger_tell_stop(struct debugger *d, const struct debug_stop *stop);
void debugger_tell_resumed(struct debugger *d);
bool debugger_running(const struct debugger *d);
/* The last stop; NULL while running or if there was none. */
const struct debug_stop *debugger_last_stop(const struct debugger *d);

/* ---- running ---- */

enum debug_step {
    STEP_INSN, /* one instruction of this flow: interrupts from outside run unseen to their end */
    STEP_INSN_IRQ,  /* one instruction, or the delivery of an interrupt */
    STEP_OVER,      /* as STEP_INSN, but calls, repeated string instructions and INT n run to
                     * their end */
    STEP_OUT,       /* until the current function has returned to its caller */
    STEP_LINE,      /* until another source line begins; into functions that have lines */
    STEP_LINE_OVER, /* the same, over calls */
};

bool debugger_continue(struct debugger *d, struct error *err);
/* The machine runs because of that. Also on the CPU thread. */
bool debugger_continues(const struct debugger *d);
/* Only this CPU; the others stand still. */
bool debugger_continue_alone(struct debugger *d, unsigned cpu, struct error *err);
/* count >= 1. Stops earlier at whatever stops. The other CPUs run meanwhile as step_others says. */
/* By instructions while the pc is in [start, last]; over calls, if so wished. */
bool debugger_step_range(struct debugger *d, unsigned cpu, uint64_t start, uint64_t last, bool over,
                         struct error *err);
bool debugger_step(struct debugger *d, unsigned cpu, enum debug_step how, uint64_t count,
                   struct error *err);
/* Until the CPU is about to execute the linear address (a temporary breakpoint of its own). */
bool debugger_until(struct debugger *d, unsigned cpu, uint64_t lin, struct error *err);
/* Asks a running machine to stand still; `stopped` follows. */
void debugger_pause(struct debugger *d);
/* Whether the other CPUs run while one is stepped. Default: they stand still. */
void debugger_step_others(struct debugger *d, bool run);

/* ---- breakpoints ---- */

enum breakpoint_kind {
    BREAK_EXECUTE,   /* before an instruction whose first byte is within the range */
    BREAK_ACCESS,    /* data, as `access` says */
    BREAK_PORT,      /* start..last: ports; access: read, write */
    BREAK_MSR,       /* start..last: numbers; access */
    BREAK_CR,        /* writes of control registers start..last */
    BREAK_EXCEPTION, /* vectors */
    BREAK_INTERRUPT, /* vectors: from outside, INT n */
    BREAK_MODE,      /* any change of enum probe_mode; start..last: only to these */
    BREAK_RESET,
};

/* Decides on the CPU thread, without the lock, whether a breakpoint that is hit counts. */
struct breakpoint_condition {
    bool (*holds)(void *opaque, struct debugger *d, struct cpu *cpu);
    /* True: it does not hold, as can be told from general registers, RIP and memory alone: nothing
     * else of the CPU is up to date, as translated code calls it. False: `holds` is to be asked.
     * NULL: always so. */
    bool (*ruled_out)(void *opaque, struct debugger *d, struct cpu *cpu);
    void (*free)(void *opaque);
    void *opaque;
    struct probe_program when; /* it cannot hold when the value is 0 */
};

struct breakpoint {
    unsigned number; /* from 1; what people see. 0: internal or gdb's, not listed */
    enum breakpoint_kind kind;
    uint64_t start, last; /* inclusive */
    bool physical;        /* EXECUTE, ACCESS: else linear */
    uint8_t access;       /* enum probe_access bits */
    bool enabled, temporary;
    bool value_change; /* ACCESS: only writes that change the bytes */
    int cpu;           /* only this CPU, or -1 */
    uint64_t ignore;   /* hits that still do not count */
    uint64_t hits;     /* that counted, and those ignored */
    struct breakpoint_condition condition;
    char *condition_text; /* as it was typed; NULL */
    char *commands;       /* lines for the prompt, run at each stop; NULL */
    char *where;          /* as it was typed: "start_kernel", "0x7c00"; NULL */
    void *owner;          /* whose it is; faces find theirs by it */
    /* If not NULL: the faces are not told of a stop by it alone. Called while the machine stands,
     * it may change breakpoints; the machine goes on as it was told to. */
    void (*reached)(void *owner);
    struct breakpoint *next;
};

/* Adds a copy (which takes over condition, texts); the machine may be running: it is held for a
 * moment. number 0 and owner set: internal; otherwise it gets the next number. NULL with *err. */
struct breakpoint *breakpoint_add(struct debugger *d, const struct breakpoint *b,
                                  struct error *err);
void breakpoint_remove(struct debugger *d, struct breakpoint *b);
/* After changing enabled, ignore, condition in place. */
void breakpoint_changed(struct debugger *d, struct breakpoint *b);
struct breakpoint *breakpoint_first(struct debugger *d); /* in order of making */
struct breakpoint *breakpoint_find(struct debugger *d, unsigned number);

/* ---- tracing ---- */

/* Somebody who only looks: called on the CPU thread, as a breakpoint's condition is, before those
 * are asked. */
struct debug_tracer {
    bool instructions; /* before each */
    bool memory;       /* every data access; slow */
    uint32_t events;   /* bit per enum probe_event */
    void (*instruction)(void *opaque, struct cpu *cpu, uint64_t lin);
    void (*access)(void *opaque, struct cpu *cpu, uint64_t lin, uint64_t phys, unsigned size,
                   bool write);
    void (*event)(void *opaque, struct cpu *cpu, unsigned event, uint64_t arg, uint64_t value);
    void *opaque;
};
/* One, a copy of which is kept; NULL: none. The machine may be running. */
void debugger_trace(struct debugger *d, const struct debug_tracer *tracer);

/* ---- memory ---- */

/* As CPU `cpu` translates linear addresses now (without changing A and D bits), or physical ones;
 * devices are not touched. Returns how many bytes could be read or written. Code that is written
 * over is seen; ROM is written, too. The machine stands still. Nothing is written while the machine
 * is recorded or replayed (record_allows_change()); *err says why not all was. */
size_t debugger_read(struct debugger *d, unsigned cpu, bool physical, uint64_t addr, void *buf,
                     size_t len);
size_t debugger_write(struct debugger *d, unsigned cpu, bool physical, uint64_t addr,
                      const void *buf, size_t len, struct error *err);
/* Sets a register to as many bytes as registers.h says (value: 8 at least). False: as for memory,
 * or it is none that can be set, or not to that. */
bool debugger_set_register(struct debugger *d, unsigned cpu, const struct cpu_register *r,
                           const void *value, struct error *err);
/* The same for reading on the CPU thread, from a condition. */
size_t debugger_read_quick(struct cpu *cpu, bool physical, uint64_t addr, void *buf, size_t len);
/* Linear address of the next instruction; of seg:off as the CPU sees it now. */
uint64_t debugger_pc(const struct cpu *cpu);

#endif
