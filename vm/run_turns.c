/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All CPUs take turns on one thread, the CPU thread: machine_start_threads() makes it, or
 * machine_run_inline() is it for a while.
 *
 * A turn: honour requests, deliver input, run timers that are due (icount), give one CPU a slice.
 * The lock is held but for the slice itself.
 *
 * Instruction counting repeats to the bit because a slice ends at the next deadline at the latest,
 * and because a kick may cut a slice short but does not end a CPU's turn: turns change when the
 * quantum is used up, the CPU halts or pauses, and soon after it interrupted another one. */
#include <sched.h>
#include <time.h>

#include "vm/machine.h"
#include "vm/record.h"
#include "vm/run_internal.h"

#define QUANTUM_SHARED 20000
#define QUANTUM_MIN    100  /* --seed: turns take from this to about 13000; as many short as long */
#define TURN_AFTER_IPI 1000 /* how long a CPU goes on that gave another one work */
#define DIGEST_EVERY   1000000

/* An inline run on host time waits for timers in pieces, as nobody may be there to wake it. */
#define INLINE_WAIT_NS (10 * 1000 * 1000)

/* A halt that sleeps on the host looks up at least so often. */
#define SLEEP_MAX_NS (3600 * NS_PER_SEC)

void machine_end_turn_soon(struct machine *m)
{
    struct vcpu *v = m->run.current;
    uint64_t last;

    if (!v || !run_is_cpu_thread(m))
        return; /* nobody waits for a turn */
    last = v->slice - (uint64_t)v->budget + TURN_AFTER_IPI;
    if (m->run.quantum_left > last)
        m->run.quantum_left = last;
    run_shorten_slice(v, TURN_AFTER_IPI);
}

static uint64_t quantum_max(const struct machine *m)
{
    return m->ncpus == 1 && !run_is_icount(m) ? RUN_QUANTUM_ALONE : QUANTUM_SHARED;
}

static uint64_t quantum(struct machine *m)
{
    uint64_t *x = &m->run.turn_random;

    if (!*x || !run_is_icount(m))
        return quantum_max(m);
    /* xorshift64 (Marsaglia) */
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return QUANTUM_MIN + ((*x >> 40) % QUANTUM_MIN << (*x >> 32) % 8);
}

void run_start_turn(struct machine *m, unsigned cpu)
{
    m->run.next_cpu = cpu;
    m->run.quantum_left = quantum(m);
}

/* The CPU whose turn it is, or the next one that can run; NULL if all are halted. */
static struct vcpu *pick_cpu(struct machine *m)
{
    struct run_control *r = &m->run;

    /* Both may come from a saved state. */
    if (r->next_cpu >= m->ncpus || !r->quantum_left || r->quantum_left > quantum_max(m))
        run_start_turn(m, r->next_cpu < m->ncpus ? r->next_cpu : 0);
    for (unsigned i = 0; i < m->ncpus; i++) {
        unsigned n = (r->next_cpu + i) % m->ncpus;

        if (!run_runnable(m->cpus[n]))
            continue;
        if (i)
            run_start_turn(m, n);
        return m->cpus[n];
    }
    return NULL;
}

static bool wants_digests(const struct machine *m)
{
    return log_on(&m->log, LOG_DIGEST) && run_is_icount(m) && !m->record; /* which logs its own */
}

/* Logs the digest that is due; slices end when one is. */
static void log_digest(struct machine *m)
{
    uint64_t now = machine_retired(m);
    struct machine_digest d;

    if (now < m->run.next_digest)
        return;
    m->run.next_digest = now - now % DIGEST_EVERY + DIGEST_EVERY;
    d = machine_digest(m);
    log_line(&m->log, LOG_DIGEST, "digest at %llu: cpus %016llx devices %016llx memory %016llx",
             (unsigned long long)now, (unsigned long long)d.cpus, (unsigned long long)d.devices,
             (unsigned long long)d.memory);
}

/* Until something is due; what asks for less does not show in the guest. */
static uint64_t slice_budget(const struct machine *m)
{
    uint64_t budget = m->run.quantum_left;

    if (wants_digests(m) && m->run.next_digest - machine_retired(m) < budget)
        budget = m->run.next_digest - machine_retired(m);
    if (run_is_icount(m))
        budget = vm_clock_insns_to_deadline(&m->clock, budget);
    /* A timer that keeps arming itself in the past must not keep the guest from running. */
    return budget ? budget : 1;
}

/* What somebody outside wants of the slice. */
static uint64_t slice_limit(const struct machine *m, const struct vcpu *v, uint64_t limit)
{
    const struct run_control *r = &m->run;

    if (r->step_cpu == v && r->step_left < limit)
        limit = r->step_left;
    if (r->stop_count != UINT64_MAX && r->stop_count - machine_retired(m) < limit)
        limit = r->stop_count - machine_retired(m);
    if (r->stop_time != UINT64_MAX) {
        uint64_t insns = (r->stop_time - vm_clock_now(&m->clock)) >> m->clock.icount_shift;

        limit = insns < limit ? insns : limit;
    }
    if (m->record)
        limit = record_limit(m, limit);
    return limit ? limit : 1;
}

/* Whether the end of a slice is one that every run of the machine has. */
static bool ended_by_itself(const struct vcpu *v, enum vcpu_exit why, uint64_t used,
                            uint64_t budget)
{
    if (why == VCPU_EXIT_HALT || why == VCPU_EXIT_YIELD || why == VCPU_EXIT_SHUTDOWN)
        return true;
    return why == VCPU_EXIT_SLICE && v->budget <= 0 && used < budget;
}

static void run_slice(struct machine *m, struct vcpu *v, uint64_t limit)
{
    struct run_control *r = &m->run;
    enum vcpu_exit why;
    uint64_t used, budget;

    /* Requests come with a kick; one whose kick is cleared here is seen right after. */
    atomic_store(&v->exit_req, 0);
    if (run_requests_pending(m) || (!m->record && input_pending(m)))
        return;
    budget = slice_budget(m);
    limit = slice_limit(m, v, limit);
    vcpu_begin_slice(v, budget < limit ? budget : limit);
    budget = budget <= limit ? UINT64_MAX : limit; /* the length of one that was cut */
    r->current = v;
    why = run_guest_code(v);
    r->current = NULL;
    used = v->slice - (uint64_t)v->budget;
    r->clean = ended_by_itself(v, why, used, budget);
    if (used >= r->quantum_left)
        run_start_turn(m, (v->index + 1) % m->ncpus);
    else
        r->quantum_left -= used;
    run_handle_exit(m, v, why);
    if (r->parallel)
        pthread_cond_broadcast(&r->wake);
    if (r->step_cpu == v) {
        r->step_left -= used < r->step_left ? used : r->step_left;
        if (!r->step_left)
            machine_request_stop(m, STOP_STEP);
    }
}

/* Waits on the host for as long as the guest waits; for how much of it, ns. What wakes a CPU ends
 * it early. */
static uint64_t sleep_halt(struct machine *m, uint64_t ns)
{
    struct timespec until, now;
    uint64_t begin, slept;

    clock_gettime(CLOCK_MONOTONIC, &now);
    begin = (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
    ns = ns < SLEEP_MAX_NS ? ns : SLEEP_MAX_NS;
    until.tv_sec = (time_t)((begin + ns) / NS_PER_SEC);
    until.tv_nsec = (long)((begin + ns) % NS_PER_SEC);
    pthread_cond_timedwait(&m->run.wake, &m->lock, &until);
    clock_gettime(CLOCK_MONOTONIC, &now);
    slept = (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec - begin;
    return slept < ns ? slept : ns;
}

/* All CPUs are halted. With instruction counting time jumps to the next timer. */
static bool skip_halt(struct machine *m)
{
    uint64_t deadline = vm_clock_deadline(&m->clock), now;

    if (!run_is_icount(m) || deadline == VM_TIME_NEVER)
        return false;
    now = vm_clock_now(&m->clock);
    if (m->record)
        deadline = record_wake_time(m, deadline);
    if (m->run.sleeps && !m->run.inline_live && deadline > now && !record_is_silent(m) &&
        !input_pending(m)) {
        vm_clock_skip_to(&m->clock, now + sleep_halt(m, deadline - now));
        return true;
    }
    vm_clock_skip_to(&m->clock, deadline);
    if (m->run.inline_live)
        return true;
    /* An idle guest takes many such turns in a row: let others at the lock. */
    machine_unlock(m);
    sched_yield();
    machine_lock(m);
    return true;
}

bool run_take_turn(struct machine *m, uint64_t limit)
{
    struct vcpu *v;

    if (run_honour_requests(m))
        return true;
    if (machine_retired(m) >= m->run.stop_count ||
        (m->run.stop_time != UINT64_MAX && vm_clock_now(&m->clock) >= m->run.stop_time)) {
        run_enter_state(m, RUN_PAUSED, STOP_COUNT);
        return true;
    }
    if (m->run.shut_down) {
        run_end_by_fault(m, m->run.shut_down);
        return true;
    }
    if (!m->record)
        input_deliver(m);
    else if (!record_turn(m))
        return true;
    m->run.clean = false;
    vm_clock_sync(&m->clock);
    if (run_is_icount(m) || m->run.inline_live || m->run.devices_wait)
        vm_clock_run_timers(&m->clock);
    if (wants_digests(m))
        log_digest(m);
    if (run_requests_pending(m) || (m->record && record_is_due(m)))
        return true;
    v = pick_cpu(m);
    if (m->record && v && record_is_stuck(m, false))
        return true;
    if (!v) {
        m->run.clean = true;
        return skip_halt(m) || (m->record && record_is_stuck(m, true)) || input_pending(m) ||
               run_requests_pending(m);
    }
    run_slice(m, v, limit);
    return true;
}

/* ---- without threads ---- */

/* Waits for the next timer on host time; false if there is none. */
static bool inline_wait(struct machine *m)
{
    int64_t ns = vm_clock_host_wait(&m->clock);
    struct timespec pause;

    if (run_is_icount(m) || ns < 0)
        return false;
    pause = (struct timespec){.tv_nsec = ns < INLINE_WAIT_NS ? (long)ns : INLINE_WAIT_NS};
    machine_unlock(m);
    nanosleep(&pause, NULL);
    machine_lock(m);
    return true;
}

static void run_inline(struct machine *m, uint64_t insns)
{
    uint64_t last = machine_retired(m), now;

    while (m->run.state == RUN_RUNNING && insns) {
        if (!run_take_turn(m, insns) && !inline_wait(m))
            break;
        now = machine_retired(m);
        /* A turn without an instruction counts as one: a guest that is halted for good while a
         * timer ticks comes to an end, too. */
        insns -= now != last ? now - last : 1;
        last = now;
    }
    run_honour_requests(m); /* of the last instruction */
}

enum stop_reason machine_run_inline(struct machine *m, uint64_t insns)
{
    enum stop_reason why;

    machine_lock(m);
    if (m->run.state != RUN_ENDED && !m->run.thread_live) {
        m->run.thread = pthread_self();
        m->run.inline_live = true;
        machine_cont(m);
        run_inline(m, insns);
        if (m->run.state == RUN_RUNNING)
            run_enter_state(m, RUN_PAUSED, STOP_NONE);
        m->run.inline_live = false;
    }
    why = m->run.reason;
    machine_unlock(m);
    return why;
}
