/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_RECORD_H
#define CALQUE_VM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/record_log.h"

/* Recording and replaying a machine. With instruction counting everything that a machine does
 * follows from how it began and from what comes from outside: input events (vm/input.h, requests
 * for a reset among them) and how disk accesses ended. Both go into a log, with their place: the
 * number of instructions retired, virtual time, and how many timers had fired.
 *
 * While recording, input is taken only where a slice ends by itself (its quantum is used up, a
 * timer is due, the CPU halts), not where a kick has cut it: there an exception may be half
 * delivered, and a replay would stand one step before. Everything else of a turn is the same with
 * and without a log. Whoever else would change the machine (another medium, a debugger's store) is
 * refused while there is a log.
 *
 * Every few million instructions there is a check: the state of all devices and CPUs and a digest
 * of memory, which a replay compares. It ends disk accesses under way, as all saving does, and so
 * is an event itself. With a past (--history, or a replay to travel in) it is also where a
 * checkpoint (vm/checkpoint.h) is taken. */

struct blockdev;
struct checkpoint;
struct checkpoints;
struct error;
struct machine;
struct record;

struct record_setup {
    const char *path;                   /* the file to write; NULL: none */
    const struct record_header *header; /* words, drives: copied; the rest is found here */
    uint64_t history; /* ns of virtual time of which the past is kept; 0: none, UINT64_MAX: all */
    uint64_t check_every; /* instructions between checks; 0: the default */
};

/* All functions: machine lock held, machine not running, unless noted. */

/* Begins, before the machine has run. */
bool record_begin(struct machine *m, const struct record_setup *setup, struct error *err);
/* The same for a replay; takes over the log (also when it fails). The machine must be the one that
 * was recorded: *err says what is different. history as above, for travelling. */
bool record_replay(struct machine *m, struct record_log *log, uint64_t history, struct error *err);
/* Writes what is left and forgets all. Nothing happens if there is no log. */
void record_end(struct machine *m);

/* ---- what others ask; any time ---- */

/* Events come from the log, what is done to the outside is not to be done. */
bool record_replays(const struct machine *m);
/* The machine repeats what it has said already: be silent. CPU thread or lock held. */
bool record_is_silent(const struct machine *m);
/* An event is about to be delivered (vm/input.c). */
void record_input(struct machine *m, unsigned source, const uint8_t *data, size_t len);
/* Whether something outside may change the machine's memory, registers or media. */
bool record_allows_change(const struct machine *m, const char *what, struct error *err);
/* How a disk access has ended: notes it, or puts what it was into data and *error. source: the
 * drive's input source. */
void record_disk(struct machine *m, unsigned source, bool read, uint8_t *data, uint64_t len,
                 int *error);

/* ---- for vm/run.c ---- */

/* At the top of a turn: input, in place of input_deliver(). False: the machine has been asked to
 * stop. */
bool record_turn(struct machine *m);
/* A slice may be as long as `budget`: shorter if something is due earlier. */
uint64_t record_limit(const struct machine *m, uint64_t budget);
/* After timers: what is due now comes first, in the next turn. */
bool record_is_due(const struct machine *m);
/* Nothing can bring the machine to the next event: a CPU would run although that is due after this
 * very instruction, or (halted) none will ever run. Then this is not what was recorded, the machine
 * is asked to stop, and the value is true. */
bool record_is_stuck(struct machine *m, bool halted);
/* All CPUs are halted and the next timer is at `deadline`: the time to go to, which is earlier if
 * input ended the halt. */
uint64_t record_wake_time(const struct machine *m, uint64_t deadline);
/* The guest ends the machine, or shuts it down: where the recording ends, too, and a debugger wants
 * to go back from, the machine is to pause instead, with STOP_RECORD_END. */
bool record_keeps_end(const struct machine *m);
/* The machine ends. */
void record_machine_ended(struct machine *m);

/* ---- time travel ---- */

struct record_place {
    uint64_t insns, ns;
};
struct record_span {
    struct record_place first, now, last;
    bool of_file; /* a replay of a file; else the past of a live machine */
    unsigned checkpoints;
    uint64_t bytes;
};
/* False: no past is kept. */
bool record_span(struct machine *m, struct record_span *span);
/* NULL: no past is kept. Newest first: the one before the present place is `newest`. */
struct checkpoints *record_checkpoints(struct machine *m);
/* What came from outside at the positions `low` to `high` and could have put these bytes into
 * memory: the one that has them in it, else the last. False: nothing that is known. */
bool record_name_event(struct machine *m, uint64_t low, uint64_t high, const uint8_t *bytes,
                       size_t len, char *text, size_t size);
/* Makes the machine what it was at c (and forgets newer checkpoints, which are taken again on the
 * way back). What comes then is replayed from the log until its end: there a live machine goes on,
 * and a replay of a file stops. */
bool record_travel(struct machine *m, struct checkpoint *c, struct error *err);

#endif
