/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_RUN_INTERNAL_H
#define CALQUE_VM_RUN_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/run.h"
#include "vm/vcpu.h"

/* What the files of run control need of each other. Machine lock held, unless noted. */

struct machine;
struct vcpu;

/* Of a slice on host time where one CPU runs on its thread: bounds how late a request is seen. */
#define RUN_QUANTUM_ALONE 200000

/* ---- run.c ---- */

bool run_is_icount(const struct machine *m);
/* Whether this is a thread that runs CPUs. Any thread. */
bool run_is_cpu_thread(const struct machine *m);
/* The CPU in its slice stops after `left` more instructions, if that is earlier. */
void run_shorten_slice(struct vcpu *v, uint64_t left);
/* Changes state and tells everybody; no CPU is in a slice if it leaves RUN_RUNNING. */
void run_enter_state(struct machine *m, enum run_state state, enum stop_reason why);
bool run_requests_pending(const struct machine *m);
/* Does what was requested; true if that was anything. No CPU is in a slice. */
bool run_honour_requests(struct machine *m);
/* Neither halted nor held by machine_step(). */
bool run_runnable(const struct vcpu *v);
/* Runs v's slice, the lock given up meanwhile. */
enum vcpu_exit run_guest_code(struct vcpu *v);
/* What comes of the way a slice ended. */
void run_handle_exit(struct machine *m, struct vcpu *v, enum vcpu_exit why);
/* A triple fault resets or ends the machine. */
void run_end_by_fault(struct machine *m, struct vcpu *v);

/* ---- run_turns.c ---- */

/* The turn is now that CPU's, for a whole quantum. */
void run_start_turn(struct machine *m, unsigned cpu);
/* One turn of at most `limit` instructions. False: nothing to do until somebody kicks. */
bool run_take_turn(struct machine *m, uint64_t limit);

/* ---- run_threads.c ---- */

/* The CPU that this thread runs where each has one; NULL: none. Any thread. */
struct vcpu *run_own_cpu(const struct machine *m);

#endif
