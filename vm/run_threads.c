/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The threads that run CPUs: one of all, or one of each. In the second case the first CPU's does
 * what is asked for once the others have ended their slices, and is the one of all while they take
 * turns nevertheless. */
#include <signal.h>
#include <unistd.h>

#include "vm/machine.h"
#include "vm/run_internal.h"

struct vcpu *run_own_cpu(const struct machine *m)
{
    for (unsigned n = 0; n < m->ncpus && m->run.threads; n++)
        if (m->cpus[n]->own_thread_live && pthread_equal(pthread_self(), m->cpus[n]->own_thread))
            return m->cpus[n];
    return NULL;
}

/* A slice of CPU v beside those of the others. False: nothing to do until somebody kicks. Requests
 * are the first CPU's, when all have ended their slices. */
static bool run_beside(struct vcpu *v)
{
    struct machine *m = v->m;
    struct run_control *r = &m->run;
    enum vcpu_exit why;

    if (run_requests_pending(m))
        return v == m->cpus[0] && !r->slices && run_honour_requests(m);
    if (r->current || !run_runnable(v)) /* one is still in the slice of its turn */
        return false;
    vm_clock_sync(&m->clock);
    atomic_store(&v->exit_req, 0);
    vcpu_begin_slice(v, RUN_QUANTUM_ALONE);
    r->slices++;
    why = run_guest_code(v);
    r->slices--;
    run_handle_exit(m, v, why);
    if (!r->slices && (run_requests_pending(m) || !r->parallel))
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
    return r->state == RUN_RUNNING ? run_take_turn(m, UINT64_MAX) : run_honour_requests(m);
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
        run_enter_state(m, RUN_ENDED, STOP_QUIT);
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
