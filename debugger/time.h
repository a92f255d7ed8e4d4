/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_TIME_H
#define CALQUE_DEBUGGER_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Moving in time: in a replay (--replay) and in a session with a past (--history). Going back is
 * taking back memory to a checkpoint before (vm/checkpoint.h) and executing again from there with
 * the recorded input (vm/record.h); what the guest says meanwhile is not said again. Once the past
 * is left at its end the session goes on live (--history) or the recording is over (--replay:
 * DEBUG_TIME_END).
 *
 * All functions: main loop's thread, machine lock held. As the core's commands they return at once:
 * the past is executed, as often as it takes, and when the machine stands at its new place the
 * faces' `stopped` is called from debugger_poll(). debugger_pause() gives up: the machine then
 * stands somewhere in between. Where there is nothing before, the stop is DEBUG_TIME_BEGIN, at the
 * beginning of what is known. False with *err set: refused, nothing has moved.
 *
 * A position is the number of instructions that all CPUs have retired. With several CPUs "one
 * instruction back" is one of the CPU that is asked about; the others go back with it. */

struct debugger;
struct error;

/* Whether there is a past; if not, *err (may be NULL) says how to have one. */
bool time_travels(const struct debugger *d, struct error *err);

struct time_place {
    uint64_t insns; /* retired by all CPUs */
    uint64_t ns;    /* virtual time */
};

struct time_span {
    struct time_place first, now, last; /* the oldest that is kept, here, the newest known */
    bool replay;                        /* of a file; else the past of a live session */
    unsigned checkpoints;
    uint64_t memory; /* bytes that they keep */
};

/* `when`. */
bool time_when(const struct debugger *d, struct time_span *span, struct error *err);

/* reverse-step: `count` instructions of this CPU back (gdb's bs). Interrupts from outside are gone
 * over backwards as a step forward goes over them. */
bool time_reverse_step(struct debugger *d, unsigned cpu, uint64_t count, struct error *err);
/* reverse-next: as reverse-step, but over what calls have called, back to before the call. */
bool time_reverse_next(struct debugger *d, unsigned cpu, uint64_t count, struct error *err);
/* reverse-finish: to the call instruction that called the current function. */
bool time_reverse_finish(struct debugger *d, unsigned cpu, struct error *err);
/* reverse-continue (gdb's bc): to the last stop of a break- or watchpoint before here: before the
 * instruction for breakpoints; at watchpoints after the access. */
bool time_reverse_continue(struct debugger *d, struct error *err);

/* goto: so many instructions, or ns of virtual time, since power on; forwards or backwards. The
 * place must be one that is known. Of a time it is the first one at or after it. */
bool time_goto(struct debugger *d, uint64_t insns, struct error *err);
bool time_goto_ns(struct debugger *d, uint64_t ns, struct error *err);
/* To the end of what is known: where a live session goes on. */
bool time_goto_end(struct debugger *d, struct error *err);

/* last-write: back to just after the last store before here to any of `len` bytes (within a page)
 * at a linear (as CPU `cpu` maps it now) or physical address, by any CPU: DEBUG_WATCHPOINT. What a
 * device has put there (and no CPU since) is found, too, if it changed the bytes: DEBUG_PAUSED
 * where it appears, with the device's name if what came from outside tells it. DEBUG_TIME_BEGIN:
 * they were not written in the time that is known. */
bool time_last_write(struct debugger *d, unsigned cpu, bool physical, uint64_t addr, size_t len,
                     struct error *err);

/* Bookmarks: names of places. The name is copied; an existing one is moved. */
bool time_bookmark(struct debugger *d, const char *name, struct error *err);
bool time_goto_bookmark(struct debugger *d, const char *name, struct error *err);
bool time_remove_bookmark(struct debugger *d, const char *name, struct error *err);
void time_each_bookmark(const struct debugger *d,
                        void (*fn)(void *opaque, const char *name, struct time_place place),
                        void *opaque);

#endif
