/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Run control: the machine's state, and what is asked of it. CPUs take turns on one thread
 * (run_turns.c), or each has a thread (run_threads.c).
 *
 * Everybody else only sets a request and kicks; state leaves RUN_RUNNING on a CPU thread alone,
 * between slices, so that a state that is not RUN_RUNNING means that the CPUs stand still. */
#include "vm/run.h"

#include <stdio.h>
#include <time.h>

#include "vm/machine.h"
#include "vm/record.h"
#include "vm/run_internal.h"
#include "vm/vm_internal.h"

#define LOOP_RESETS   3 /* a boot loop: so many in a row, each so soon after the one before */
#define LOOP_NS       (10 * NS_PER_SEC)
#define LOOK_AGAIN_NS (1000 * 1000)
#define BRAKE_MAX_NS  (50ull * 1000 * 1000)

bool run_is_icount(const struct machine *m)
{
    return m->clock.mode == VM_CLOCK_ICOUNT;
}

/* Who runs CPUs, if anybody does. */
static bool cpu_thread_exists(const struct machine *m)
{
    return m->run.thread_live || m->run.inline_live;
}

bool run_is_cpu_thread(const struct machine *m)
{
    return cpu_thread_exists(m) && (pthread_equal(pthread_self(), m->run.thread) || run_own_cpu(m));
}

/* The CPU that makes the access this thread is busy with; NULL: none. */
static struct vcpu *current_cpu(const struct machine *m)
{
    if (m->run.parallel)
        return run_own_cpu(m);
    return run_is_cpu_thread(m) ? m->run.current : NULL;
}

static void notify_main(struct machine *m)
{
    if (m->run.notify)
        m->run.notify(m->run.notify_opaque);
}

/* The running CPU stops after `left` more instructions, if that is earlier. At least 1: the one
 * that is making the access will retire in any case. */
void run_shorten_slice(struct vcpu *v, uint64_t left)
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

    if (!run_is_icount(m)) {
        notify_main(m);
        return;
    }
    if (!v || !run_is_cpu_thread(m)) {
        machine_kick(m);
        return;
    }
    if (v->budget > 1)
        run_shorten_slice(v, vm_clock_insns_to_deadline(&m->clock, (uint64_t)v->budget));
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

void run_enter_state(struct machine *m, enum run_state state, enum stop_reason why)
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

    run_enter_state(m, RUN_PAUSED,
                    machine_retired(m) >= r->stop_count ? STOP_COUNT : STOP_RECORD_END);
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
        run_enter_state(m, RUN_ENDED, r->end_why);
        return;
    }
    r->end_wanted = false;
    r->reason = STOP_POWEROFF;
    tell(m, RUN_EVENT_SHUTDOWN);
    run_enter_state(m, RUN_PAUSED, STOP_POWEROFF);
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
            run_enter_state(m, RUN_ENDED, STOP_RESET);
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

bool run_requests_pending(const struct machine *m)
{
    return m->run.end_wanted || m->run.reset_wanted || m->run.stop_wanted;
}

bool run_honour_requests(struct machine *m)
{
    struct run_control *r = &m->run;

    if (!run_requests_pending(m))
        return false;
    if (r->end_wanted)
        enter_end(m);
    if (r->reset_wanted)
        reset_machine(m);
    if (r->stop_wanted)
        run_enter_state(m, RUN_PAUSED, r->stop_why);
    pthread_cond_broadcast(&r->wake); /* others wait for it */
    return true;
}

void machine_cont(struct machine *m)
{
    if (m->run.state == RUN_ENDED || m->run.frozen)
        return;
    if (m->run.state == RUN_PAUSED)
        run_enter_state(m, RUN_RUNNING, STOP_NONE);
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
        run_enter_state(m, RUN_PAUSED, why);
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
    if (run_is_cpu_thread(m))
        return;
    while (r->state == RUN_RUNNING && r->stop_wanted)
        pthread_cond_wait(&r->changed, &m->lock);
}

void machine_request_reset(struct machine *m)
{
    if (m->run.state == RUN_ENDED)
        return;
    if (m->record && !run_is_cpu_thread(m)) {
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
    if (run_is_cpu_thread(m))
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

/* ---- a slice ---- */

bool run_runnable(const struct vcpu *v)
{
    const struct run_control *r = &v->m->run;

    if (r->step_cpu && r->step_cpu != v && !r->step_others)
        return false;
    return !v->halted || v->ops->has_work(v);
}

static void reset_by_fault(struct machine *m, const struct vcpu *v)
{
    note_reset(m, v, "a triple fault");
    m->run.reset_wanted = true;
    machine_kick(m);
}

void run_end_by_fault(struct machine *m, struct vcpu *v)
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
        run_end_by_fault(m, v);
        return;
    }
    if (m->record)
        m->run.shut_down = v;
    if (machine_retired(m) < m->run.stop_count)
        machine_request_stop(m, STOP_TRIPLE_FAULT);
}

void run_handle_exit(struct machine *m, struct vcpu *v, enum vcpu_exit why)
{
    switch (why) {
    case VCPU_EXIT_HALT:
        v->halted = true;
        break;
    case VCPU_EXIT_YIELD:
        run_start_turn(m, (v->index + 1) % m->ncpus);
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

/* Unlocked. A guest that changes memory faster than it can be sent runs a part of its time only. */
static void hold_back(const struct machine *m, uint64_t spent)
{
    unsigned brake = m->run.brake < 99 ? m->run.brake : 99;
    uint64_t ns = spent * brake / (100 - brake);
    struct timespec pause = {.tv_nsec = (long)(ns < BRAKE_MAX_NS ? ns : BRAKE_MAX_NS)};

    nanosleep(&pause, NULL);
}

enum vcpu_exit run_guest_code(struct vcpu *v)
{
    struct machine *m = v->m;
    bool brake = m->run.brake && !run_is_icount(m);
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
    } else if (run_is_icount(m)) {
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
