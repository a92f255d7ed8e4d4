/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Run control. All CPUs take turns on one thread, the CPU thread: machine_start_threads() makes
 * it, or machine_run_inline() is it for a while. Or each has a thread, and the first one's does
 * what is asked for once the others have ended their slices.
 *
 * A turn: honour requests, deliver input, run timers that are due (icount), give one CPU a slice.
 * The lock is held but for the slice itself. Everybody else only sets a request and kicks; state
 * leaves RUN_RUNNING on the CPU thread alone, at the top of a turn, so that a state that is not
 * RUN_RUNNING means that the CPUs stand still.
 *
 * Instruction counting repeats to the bit because a slice ends at the next deadline at the latest,
 * and because a kick may cut a slice short but does not end a CPU's turn: turns change when the
 * quantum is used up, the CPU halts or pauses, and soon after it interrupted another one. */
#include "vm/run.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vm/machine.h"
#include "vm/record.h"
#include "vm/vm_internal.h"

#define QUANTUM_ALONE  200000 /* host time, one CPU: bounds how late a request is seen */
#define QUANTUM_SHARED 20000
#define QUANTUM_MIN    100  /* --seed: turns take from this to about 13000; as many short as long */
#define TURN_AFTER_IPI 1000 /* how long a CPU goes on that gave another one work */
#define LOOP_RESETS    3    /* a boot loop: so many in a row, each so soon after the one before */
#define LOOP_NS        (10 * NS_PER_SEC)
#define DIGEST_EVERY   1000000

/* An inline run on host time waits for timers in pieces, as nobody may be there to wake it. */
#define INLINE_WAIT_NS (10 * 1000 * 1000)
#define LOOK_AGAIN_NS  (1000 * 1000)
#define BRAKE_MAX_NS   (50ull * 1000 * 1000)

/* A halt that sleeps on the host looks up at least so often. */
#define SLEEP_MAX_NS (3600 * NS_PER_SEC)

static bool is_icount(const struct machine *m)
{
    return m->clock.mode == VM_CLOCK_ICOUNT;
}

/* Who runs CPUs, if anybody does. */
static bool cpu_thread_exists(const struct machine *m)
{
    return m->run.thread_live || m->run.inline_live;
}

/* The CPU that this thread runs where each has one. */
static struct vcpu *own_cpu(const struct machine *m)
{
    for (unsigned n = 0; n < m->ncpus && m->run.threads; n++)
        if (m->cpus[n]->own_thread_live && pthread_equal(pthread_self(), m->cpus[n]->own_thread))
            return m->cpus[n];
    return NULL;
}

static bool on_cpu_thread(const struct machine *m)
{
    return cpu_thread_exists(m) && (pthread_equal(pthread_self(), m->run.thread) || own_cpu(m));
}

/* The CPU that makes the access this thread is busy with; NULL: none. */
static struct vcpu *current_cpu(const struct machine *m)
{
    if (m->run.parallel)
        return own_cpu(m);
    return on_cpu_thread(m) ? m->run.current : NULL;
}

static void notify_main(struct machine *m)
{
    if (m->run.notify)
        m->run.notify(m->run.notify_opaque);
}

/* The running CPU stops after `left` more instructions, if that is earlier. At least 1: the one
 * that is making the access will retire in any case. */
static void shorten_slice(struct vcpu *v, uint64_t left)
{
    left = left ? left : 1;
    if (v->budget <= 1 || left >= (uint64_t)v->budget)
        return;
    v->slice -= (uint64_t)v->budget - left;
    v->budget = (int64_t)left;
    atomic_store(&v->exit_req, 1);
}

/* A timer is now the earliest. On host time the main loop must wake earlier; with instruction
 * counting the running slice must end earlier. */
static void timer_rearmed(void *opaque)
{
    struct machine *m = opaque;
    struct vcpu *v = m->run.current;

    if (!is_icount(m)) {
        notify_main(m);
        return;
    }
    if (!v || !on_cpu_thread(m)) {
        machine_kick(m);
        return;
    }
    if (v->budget > 1)
        shorten_slice(v, vm_clock_insns_to_deadline(&m->clock, (uint64_t)v->budget));
}

void run_init(struct machine *m)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->run.wake, &attr);
    pthread_cond_init(&m->run.changed, &attr);
    pthread_condattr_destroy(&attr);
    m->run.state = RUN_PAUSED;
    m->run.clean = true;
    m->run.stop_count = m->run.stop_time = UINT64_MAX;
    m->clock.rearmed = timer_rearmed;
    m->clock.rearmed_opaque = m;
}

void run_destroy(struct machine *m)
{
    if (m->run.thread_live) {
        machine_lock(m);
        machine_request_end(m, STOP_QUIT, 0);
        machine_unlock(m);
        machine_join(m);
    }
    pthread_cond_destroy(&m->run.wake);
    pthread_cond_destroy(&m->run.changed);
}

/* ---- changes of state ---- */

static void tell(struct machine *m, enum run_event event)
{
    if (m->run.event)
        m->run.event(m->run.event_opaque, event);
}

void machine_announce(struct machine *m, enum run_event event, const char *action)
{
    if (record_is_silent(m))
        return;
    m->run.action = action;
    tell(m, event);
    m->run.action = NULL;
}

static void forget_limits(struct run_control *r)
{
    r->step_cpu = NULL;
    r->stop_count = r->stop_time = UINT64_MAX;
}

static void cpus_stopped(struct machine *m)
{
    for (unsigned i = 0; i < m->ncpus; i++)
        if (m->cpus[i]->ops->stopped)
            m->cpus[i]->ops->stopped(m->cpus[i]);
}

static bool runs_parallel(const struct run_control *r)
{
    return r->threads && r->thread_live && !r->in_turns && !r->step_cpu &&
           r->stop_count == UINT64_MAX && r->stop_time == UINT64_MAX;
}

void machine_take_turns(struct machine *m, bool yes)
{
    struct run_control *r = &m->run;

    r->in_turns += yes ? 1 : -1u;
    if (r->state != RUN_RUNNING)
        return;
    r->parallel = runs_parallel(r);
    machine_kick(m);
}

static void enter_state(struct machine *m, enum run_state state, enum stop_reason why)
{
    struct run_control *r = &m->run;
    enum run_state before = r->state;

    if (state != RUN_RUNNING)
        r->parallel = false;
    else if (before != RUN_RUNNING)
        r->parallel = runs_parallel(r);

    if (state == RUN_RUNNING) {
        vm_clock_start(&m->clock);
    } else {
        vm_clock_stop(&m->clock);
        cpus_stopped(m);
    }
    if (state != RUN_RUNNING && why != STOP_USER) /* or it may only be held for a moment */
        forget_limits(r);
    r->changes++;
    r->state = state;
    r->reason = why;
    r->stop_wanted = false;
    if (state == RUN_ENDED)
        r->end_wanted = r->reset_wanted = false;
    if (state == RUN_ENDED && m->record)
        record_machine_ended(m);
    if (state == RUN_ENDED)
        tell(m, RUN_EVENT_SHUTDOWN);
    else if (state != before)
        tell(m, state == RUN_RUNNING ? RUN_EVENT_RESUME : RUN_EVENT_STOP);
    pthread_cond_broadcast(&r->changed);
    pthread_cond_broadcast(&r->wake);
    notify_main(m);
}

/* The end of a recording is entered as any other place. */
static void keep_end(struct machine *m)
{
    struct run_control *r = &m->run;

    enter_state(m, RUN_PAUSED, machine_retired(m) >= r->stop_count ? STOP_COUNT : STOP_RECORD_END);
}

/* The end, unless that is the guest's wish and -no-shutdown keeps the machine. */
static void enter_end(struct machine *m)
{
    struct run_control *r = &m->run;

    if ((r->end_why == STOP_POWEROFF || r->end_why == STOP_DEBUG_EXIT ||
         r->end_why == STOP_TRIPLE_FAULT) &&
        record_keeps_end(m)) {
        r->end_wanted = false;
        keep_end(m);
        return;
    }
    if (!r->no_shutdown || r->end_why != STOP_POWEROFF) {
        enter_state(m, RUN_ENDED, r->end_why);
        return;
    }
    r->end_wanted = false;
    r->reason = STOP_POWEROFF;
    tell(m, RUN_EVENT_SHUTDOWN);
    enter_state(m, RUN_PAUSED, STOP_POWEROFF);
}

/* The guest resets the machine: by a triple fault, or a device of which it asks that. A loop is
 * told once, and stops where there is a debugger. */
static void note_reset(struct machine *m, const struct vcpu *v, const char *how)
{
    struct run_control *r = &m->run;
    struct reset_loop *l = &r->loop;
    uint64_t now = vm_clock_now(&m->clock), place = v->ops->place(v);
    bool again = l->count && place == l->place && now - l->at < LOOP_NS;

    if (r->no_reboot || record_is_silent(m))
        return;
    *l = (struct reset_loop){
        .place = place, .at = now, .count = again ? l->count + 1 : 1, .told = l->told};
    if (l->count < LOOP_RESETS || l->told)
        return;
    l->told = true;
    fprintf(stderr,
            "calque: a boot loop: %s on CPU %u resets the machine at %llx, %u times by now; "
            "%s\n",
            how, v->index, (unsigned long long)place, l->count,
            r->triple_fault_pauses ? "it stops here" : "--debug or -no-reboot shows why");
    if (r->triple_fault_pauses)
        machine_request_stop(m, STOP_BOOT_LOOP);
}

static void reset_machine(struct machine *m)
{
    struct run_control *r = &m->run;

    r->reset_wanted = false;
    if (r->no_reboot) {
        if (record_keeps_end(m))
            keep_end(m);
        else
            enter_state(m, RUN_ENDED, STOP_RESET);
        return;
    }
    if (r->before_reset)
        r->before_reset(r->reset_opaque);
    devices_reset(m);
    for (unsigned i = 0; i < m->ncpus; i++)
        m->cpus[i]->ops->reset(m->cpus[i]);
    r->next_cpu = 0;
    r->quantum_left = 0;
    if (r->after_reset)
        r->after_reset(r->reset_opaque);
    r->resets++;
    if (r->state == RUN_PAUSED && (r->reason == STOP_POWEROFF || r->reason == STOP_GUEST_PANIC))
        r->reason = STOP_USER; /* it may run again */
    tell(m, RUN_EVENT_RESET);
    if (r->reset_pauses)
        machine_request_stop(m, STOP_RESET);
    notify_main(m);
}

static bool requests_pending(const struct machine *m)
{
    return m->run.end_wanted || m->run.reset_wanted || m->run.stop_wanted;
}

/* Does what was requested; true if that was anything. */
static bool honour_requests(struct machine *m)
{
    struct run_control *r = &m->run;

    if (!requests_pending(m))
        return false;
    if (r->end_wanted)
        enter_end(m);
    if (r->reset_wanted)
        reset_machine(m);
    if (r->stop_wanted)
        enter_state(m, RUN_PAUSED, r->stop_why);
    pthread_cond_broadcast(&r->wake); /* others wait for it */
    return true;
}

void machine_cont(struct machine *m)
{
    if (m->run.state == RUN_ENDED || m->run.frozen)
        return;
    if (m->run.state == RUN_PAUSED)
        enter_state(m, RUN_RUNNING, STOP_NONE);
    else if (!m->run.stop_wanted)
        return; /* or it was about to stop, and does not */
    m->run.stop_wanted = false;
    for (struct run_resumed *r = m->run.resumed; r; r = r->next)
        r->fn(r->opaque);
}

void machine_step(struct machine *m, struct vcpu *v, uint64_t insns, bool others)
{
    if (m->run.state != RUN_PAUSED || !insns)
        return;
    forget_limits(&m->run);
    m->run.step_cpu = v;
    m->run.step_left = insns;
    m->run.step_others = others || m->record; /* who runs when is not to change then */
    machine_cont(m);
}

void machine_run_until(struct machine *m, uint64_t count)
{
    if (m->run.state == RUN_ENDED)
        return;
    forget_limits(&m->run);
    m->run.stop_count = count;
    machine_cont(m);
}

void machine_run_until_time(struct machine *m, uint64_t ns)
{
    if (m->run.state == RUN_ENDED)
        return;
    forget_limits(&m->run);
    m->run.stop_time = ns;
    machine_cont(m);
}

void machine_on_resume(struct machine *m, struct run_resumed *r)
{
    r->next = m->run.resumed;
    m->run.resumed = r;
}

void machine_request_stop(struct machine *m, enum stop_reason why)
{
    struct run_control *r = &m->run;

    if (r->state != RUN_RUNNING)
        return;
    if (!cpu_thread_exists(m)) {
        enter_state(m, RUN_PAUSED, why);
        return;
    }
    if (!r->stop_wanted || r->stop_why == STOP_USER)
        r->stop_why = why;
    r->stop_wanted = true;
    machine_kick(m);
}

void machine_stop(struct machine *m, enum stop_reason why)
{
    struct run_control *r = &m->run;

    machine_request_stop(m, why);
    if (on_cpu_thread(m))
        return;
    while (r->state == RUN_RUNNING && r->stop_wanted)
        pthread_cond_wait(&r->changed, &m->lock);
}

void machine_request_reset(struct machine *m)
{
    if (m->run.state == RUN_ENDED)
        return;
    if (m->record && !on_cpu_thread(m)) {
        input_push(m, &m->reset_source, NULL, 0);
        return;
    }
    if (current_cpu(m) && !m->run.reset_wanted)
        note_reset(m, current_cpu(m), "a device");
    m->run.reset_wanted = true;
    machine_kick(m);
}

void machine_request_end(struct machine *m, enum stop_reason why, uint32_t exit_value)
{
    struct run_control *r = &m->run;

    if (r->state == RUN_ENDED)
        return;
    if (!r->end_wanted) { /* the first request is the one that is told */
        r->end_wanted = true;
        r->end_why = why;
        r->exit_value = exit_value;
    }
    if (!cpu_thread_exists(m)) {
        enter_end(m);
        return;
    }
    machine_kick(m);
    if (on_cpu_thread(m))
        return;
    while (r->state != RUN_ENDED && r->end_wanted)
        pthread_cond_wait(&r->changed, &m->lock);
}

void machine_kick(struct machine *m)
{
    for (unsigned i = 0; i < m->ncpus; i++) {
        struct vcpu *v = m->cpus[i];

        atomic_store(&v->exit_req, 1);
        if (v->ops->kick)
            v->ops->kick(v);
    }
    pthread_cond_broadcast(&m->run.wake);
}

const char *stop_reason_name(enum stop_reason r)
{
    static const char *const names[] = {
        [STOP_NONE] = "none",
        [STOP_USER] = "user",
        [STOP_POWEROFF] = "poweroff",
        [STOP_RESET] = "reset",
        [STOP_TRIPLE_FAULT] = "triple-fault",
        [STOP_DEBUG_EXIT] = "debug-exit",
        [STOP_TIMEOUT] = "timeout",
        [STOP_UNTIL] = "until",
        [STOP_QUIT] = "quit",
        [STOP_BREAKPOINT] = "breakpoint",
        [STOP_STEP] = "step",
        [STOP_COUNT] = "count",
        [STOP_IO_ERROR] = "io-error",
        [STOP_DIFFERENCE] = "difference",
        [STOP_RECORD_END] = "end-of-recording",
        [STOP_ENGINE] = "engine",
        [STOP_DOUBLE_FAULT] = "double-fault",
        [STOP_BOOT_LOOP] = "boot-loop",
        [STOP_WATCHDOG] = "watchdog",
        [STOP_GUEST_PANIC] = "guest-panic",
    };

    return (unsigned)r < sizeof(names) / sizeof(names[0]) ? names[r] : "unknown";
}

/* ---- turns ---- */

void machine_end_turn_soon(struct machine *m)
{
    struct vcpu *v = m->run.current;
    uint64_t last;

    if (!v || !on_cpu_thread(m))
        return; /* nobody waits for a turn */
    last = v->slice - (uint64_t)v->budget + TURN_AFTER_IPI;
    if (m->run.quantum_left > last)
        m->run.quantum_left = last;
    shorten_slice(v, TURN_AFTER_IPI);
}

static uint64_t quantum_max(const struct machine *m)
{
    return m->ncpus == 1 && !is_icount(m) ? QUANTUM_ALONE : QUANTUM_SHARED;
}

static uint64_t quantum(struct machine *m)
{
    uint64_t *x = &m->run.turn_random;

    if (!*x || !is_icount(m))
        return quantum_max(m);
    /* xorshift64 (Marsaglia) */
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return QUANTUM_MIN + ((*x >> 40) % QUANTUM_MIN << (*x >> 32) % 8);
}

static void start_turn(struct machine *m, unsigned cpu)
{
    m->run.next_cpu = cpu;
    m->run.quantum_left = quantum(m);
}

static bool runnable(const struct vcpu *v)
{
    const struct run_control *r = &v->m->run;

    if (r->step_cpu && r->step_cpu != v && !r->step_others)
        return false;
    return !v->halted || v->ops->has_work(v);
}

/* The CPU whose turn it is, or the next one that can run; NULL if all are halted. */
static struct vcpu *pick_cpu(struct machine *m)
{
    struct run_control *r = &m->run;

    /* Both may come from a saved state. */
    if (r->next_cpu >= m->ncpus || !r->quantum_left || r->quantum_left > quantum_max(m))
        start_turn(m, r->next_cpu < m->ncpus ? r->next_cpu : 0);
    for (unsigned i = 0; i < m->ncpus; i++) {
        unsigned n = (r->next_cpu + i) % m->ncpus;

        if (!runnable(m->cpus[n]))
            continue;
        if (i)
            start_turn(m, n);
        return m->cpus[n];
    }
    return NULL;
}

static void reset_by_fault(struct machine *m, const struct vcpu *v)
{
    note_reset(m, v, "a triple fault");
    m->run.reset_wanted = true;
    machine_kick(m);
}

static void end_by_fault(struct machine *m, struct vcpu *v)
{
    m->run.shut_down = NULL;
    if (m->run.triple_fault_ends)
        machine_request_end(m, STOP_TRIPLE_FAULT, 0);
    else
        reset_by_fault(m, v);
}

/* A triple fault. A debugger is shown it, but not where it goes through the past. */
static void shut_down(struct machine *m, struct vcpu *v)
{
    if (!m->run.triple_fault_pauses || record_is_silent(m)) {
        end_by_fault(m, v);
        return;
    }
    if (m->record)
        m->run.shut_down = v;
    if (machine_retired(m) < m->run.stop_count)
        machine_request_stop(m, STOP_TRIPLE_FAULT);
}

static void handle_exit(struct machine *m, struct vcpu *v, enum vcpu_exit why)
{
    switch (why) {
    case VCPU_EXIT_HALT:
        v->halted = true;
        break;
    case VCPU_EXIT_YIELD:
        start_turn(m, (v->index + 1) % m->ncpus);
        break;
    case VCPU_EXIT_SHUTDOWN:
        shut_down(m, v);
        break;
    case VCPU_EXIT_DOUBLE_FAULT:
        m->run.double_fault_cpu = v->index;
        if (!record_is_silent(m) && machine_retired(m) < m->run.stop_count)
            machine_stop(m, STOP_DOUBLE_FAULT);
        break;
    case VCPU_EXIT_DEBUG:
        machine_stop(m, STOP_BREAKPOINT);
        break;
    case VCPU_EXIT_SLICE:
    case VCPU_EXIT_REQUEST:
        break;
    }
}

static bool wants_digests(const struct machine *m)
{
    return log_on(&m->log, LOG_DIGEST) && is_icount(m) && !m->record; /* which logs its own */
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
    if (is_icount(m))
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

/* Unlocked. A guest that changes memory faster than it can be sent runs a part of its time only. */
static void hold_back(const struct machine *m, uint64_t spent)
{
    unsigned brake = m->run.brake < 99 ? m->run.brake : 99;
    uint64_t ns = spent * brake / (100 - brake);
    struct timespec pause = {.tv_nsec = (long)(ns < BRAKE_MAX_NS ? ns : BRAKE_MAX_NS)};

    nanosleep(&pause, NULL);
}

static enum vcpu_exit run_guest(struct vcpu *v)
{
    struct machine *m = v->m;
    bool brake = m->run.brake && !is_icount(m);
    uint64_t begun = brake ? vm_clock_now(&m->clock) : 0;
    enum vcpu_exit why;

    machine_unlock(m);
    vcpu_enter_guest(v);
    why = v->ops->run(v, v->slice);
    vcpu_leave_guest(v);
    if (brake)
        hold_back(m, vm_clock_now(&m->clock) - begun);
    machine_lock(m);
    return why;
}

static void run_slice(struct machine *m, struct vcpu *v, uint64_t limit)
{
    struct run_control *r = &m->run;
    enum vcpu_exit why;
    uint64_t used, budget;

    /* Requests come with a kick; one whose kick is cleared here is seen right after. */
    atomic_store(&v->exit_req, 0);
    if (requests_pending(m) || (!m->record && input_pending(m)))
        return;
    budget = slice_budget(m);
    limit = slice_limit(m, v, limit);
    vcpu_begin_slice(v, budget < limit ? budget : limit);
    budget = budget <= limit ? UINT64_MAX : limit; /* the length of one that was cut */
    r->current = v;
    why = run_guest(v);
    r->current = NULL;
    used = v->slice - (uint64_t)v->budget;
    r->clean = ended_by_itself(v, why, used, budget);
    if (used >= r->quantum_left)
        start_turn(m, (v->index + 1) % m->ncpus);
    else
        r->quantum_left -= used;
    handle_exit(m, v, why);
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

    if (!is_icount(m) || deadline == VM_TIME_NEVER)
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

/* One turn of at most `limit` instructions. False: nothing to do until somebody kicks. */
static bool take_turn(struct machine *m, uint64_t limit)
{
    struct vcpu *v;

    if (honour_requests(m))
        return true;
    if (machine_retired(m) >= m->run.stop_count ||
        (m->run.stop_time != UINT64_MAX && vm_clock_now(&m->clock) >= m->run.stop_time)) {
        enter_state(m, RUN_PAUSED, STOP_COUNT);
        return true;
    }
    if (m->run.shut_down) {
        end_by_fault(m, m->run.shut_down);
        return true;
    }
    if (!m->record)
        input_deliver(m);
    else if (!record_turn(m))
        return true;
    m->run.clean = false;
    vm_clock_sync(&m->clock);
    if (is_icount(m) || m->run.inline_live || m->run.devices_wait)
        vm_clock_run_timers(&m->clock);
    if (wants_digests(m))
        log_digest(m);
    if (requests_pending(m) || (m->record && record_is_due(m)))
        return true;
    v = pick_cpu(m);
    if (m->record && v && record_is_stuck(m, false))
        return true;
    if (!v) {
        m->run.clean = true;
        return skip_halt(m) || (m->record && record_is_stuck(m, true)) || input_pending(m) ||
               requests_pending(m);
    }
    run_slice(m, v, limit);
    return true;
}

/* A slice of CPU v beside those of the others. False: nothing to do until somebody kicks. Requests
 * are the first CPU's, when all have ended their slices. */
static bool run_beside(struct vcpu *v)
{
    struct machine *m = v->m;
    struct run_control *r = &m->run;
    enum vcpu_exit why;

    if (requests_pending(m))
        return v == m->cpus[0] && !r->slices && honour_requests(m);
    if (r->current || !runnable(v)) /* one is still in the slice of its turn */
        return false;
    vm_clock_sync(&m->clock);
    atomic_store(&v->exit_req, 0);
    vcpu_begin_slice(v, QUANTUM_ALONE);
    r->slices++;
    why = run_guest(v);
    r->slices--;
    handle_exit(m, v, why);
    if (!r->slices && (requests_pending(m) || !r->parallel))
        pthread_cond_broadcast(&r->wake);
    return true;
}

/* What thread of CPU v does, if it is its own; the first one's does the rest. */
static bool go_on(struct machine *m, struct vcpu *v)
{
    struct run_control *r = &m->run;

    if (r->state == RUN_RUNNING && r->parallel)
        return run_beside(v);
    if ((v && v != m->cpus[0]) || r->slices)
        return false;
    return r->state == RUN_RUNNING ? take_turn(m, UINT64_MAX) : honour_requests(m);
}

static void run_thread(struct machine *m, struct vcpu *v)
{
    machine_lock(m);
    for (unsigned n = 0; n < m->ncpus; n++)
        if (!v || v == m->cpus[n])
            m->cpus[n]->thread_id = gettid();
    while (m->run.state != RUN_ENDED)
        if (!go_on(m, v))
            pthread_cond_wait(&m->run.wake, &m->lock);
    machine_unlock(m);
}

/* The one of all CPUs. */
static void *cpu_thread(void *opaque)
{
    run_thread(opaque, NULL);
    return NULL;
}

static void *own_cpu_thread(void *opaque)
{
    struct vcpu *v = opaque;

    run_thread(v->m, v);
    return NULL;
}

/* Lock held: none of them runs yet. */
static bool start_own_threads(struct machine *m)
{
    for (unsigned n = 0; n < m->ncpus; n++) {
        struct vcpu *v = m->cpus[n];

        v->own_thread_live = pthread_create(&v->own_thread, NULL, own_cpu_thread, v) == 0;
        if (!v->own_thread_live)
            return false;
        m->run.thread = m->cpus[0]->own_thread;
        m->run.thread_live = true;
    }
    return true;
}

bool machine_start_threads(struct machine *m)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t all, old;
    bool ok;

    /* Signals are the main loop's, except those that a fault of our own raises: blocked, they
     * would end the process without the handlers that put the terminal back. */
    sigfillset(&all);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&all, faults[i]);
    machine_lock(m);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (m->run.threads)
        ok = start_own_threads(m);
    else
        ok = m->run.thread_live = pthread_create(&m->run.thread, NULL, cpu_thread, m) == 0;
    if (!ok && m->run.thread_live)
        enter_state(m, RUN_ENDED, STOP_QUIT);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    machine_unlock(m);
    return ok;
}

void machine_join(struct machine *m)
{
    if (!m->run.thread_live)
        return;
    if (!m->run.threads)
        pthread_join(m->run.thread, NULL);
    for (unsigned n = 0; n < m->ncpus; n++) {
        if (m->cpus[n]->own_thread_live)
            pthread_join(m->cpus[n]->own_thread, NULL);
        m->cpus[n]->own_thread_live = false;
    }
    machine_lock(m);
    m->run.thread_live = false;
    machine_unlock(m);
}

/* ---- the main loop's share ---- */

/* Host time. What is due is left to the CPU thread, whose slice ends. */
static int64_t leave_to_cpu_thread(struct machine *m)
{
    int64_t wait = vm_clock_host_wait(&m->clock);

    if (wait != 0 && !input_pending(m))
        return wait;
    machine_kick(m);
    return LOOK_AGAIN_NS; /* for the timers that come next */
}

int64_t machine_poll(struct machine *m)
{
    int64_t wait = -1;

    machine_lock(m);
    if (m->run.state == RUN_ENDED || m->run.frozen) {
        /* nothing more */
    } else if (is_icount(m)) {
        /* Both belong to the CPU thread, which may have missed the kick of input_push(). */
        if (input_pending(m))
            machine_kick(m);
    } else if (m->run.devices_wait && m->run.current) {
        wait = leave_to_cpu_thread(m);
    } else {
        input_deliver(m);
        if (m->run.state == RUN_RUNNING) {
            vm_clock_run_timers(&m->clock);
            wait = vm_clock_host_wait(&m->clock);
        }
    }
    machine_unlock(m);
    return wait;
}

/* ---- without threads ---- */

/* Waits for the next timer on host time; false if there is none. */
static bool inline_wait(struct machine *m)
{
    int64_t ns = vm_clock_host_wait(&m->clock);
    struct timespec pause;

    if (is_icount(m) || ns < 0)
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
        if (!take_turn(m, insns) && !inline_wait(m))
            break;
        now = machine_retired(m);
        /* A turn without an instruction counts as one: a guest that is halted for good while a
         * timer ticks comes to an end, too. */
        insns -= now != last ? now - last : 1;
        last = now;
    }
    honour_requests(m); /* of the last instruction */
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
            enter_state(m, RUN_PAUSED, STOP_NONE);
        m->run.inline_live = false;
    }
    why = m->run.reason;
    machine_unlock(m);
    return why;
}
