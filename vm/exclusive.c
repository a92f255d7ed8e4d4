/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/exclusive.h"

#include "vm/machine.h"

void exclusive_init(struct exclusive *x)
{
    pthread_mutex_init(&x->mutex, NULL);
    pthread_cond_init(&x->changed, NULL);
    x->inside = x->depth = 0;
    x->returns = NULL;
}

void exclusive_destroy(struct exclusive *x)
{
    pthread_mutex_destroy(&x->mutex);
    pthread_cond_destroy(&x->changed);
}

static bool is_mine(const struct exclusive *x)
{
    return x->depth && pthread_equal(x->owner, pthread_self());
}

/* Mutex held. */
static void wait_for_end(struct exclusive *x)
{
    while (x->depth)
        pthread_cond_wait(&x->changed, &x->mutex);
}

static void go_inside(struct exclusive *x, struct vcpu *v)
{
    x->inside++;
    v->inside = true;
}

static void go_outside(struct exclusive *x, struct vcpu *v)
{
    x->inside--;
    v->inside = false;
    if (x->depth && !x->inside)
        pthread_cond_broadcast(&x->changed);
}

void vcpu_enter_guest(struct vcpu *v)
{
    struct exclusive *x = &v->m->exclusive;

    pthread_mutex_lock(&x->mutex);
    wait_for_end(x);
    v->thread = pthread_self();
    go_inside(x, v);
    pthread_mutex_unlock(&x->mutex);
}

void vcpu_leave_guest(struct vcpu *v)
{
    struct exclusive *x = &v->m->exclusive;

    pthread_mutex_lock(&x->mutex);
    go_outside(x, v);
    pthread_mutex_unlock(&x->mutex);
}

/* The CPU that this thread runs and that is in guest code; NULL: none. Mutex held. */
static struct vcpu *cpu_inside(const struct machine *m)
{
    for (unsigned n = 0; n < m->ncpus; n++)
        if (m->cpus[n]->inside && pthread_equal(m->cpus[n]->thread, pthread_self()))
            return m->cpus[n];
    return NULL;
}

static void call_out(struct machine *m)
{
    for (unsigned n = 0; n < m->ncpus; n++) {
        struct vcpu *v = m->cpus[n];

        if (!v->inside)
            continue;
        atomic_store(&v->exit_req, 1);
        if (v->ops->kick)
            v->ops->kick(v);
    }
}

void machine_exclusive_begin(struct machine *m)
{
    struct exclusive *x = &m->exclusive;
    struct vcpu *v;

    pthread_mutex_lock(&x->mutex);
    if (!is_mine(x)) {
        v = cpu_inside(m);
        if (v)
            go_outside(x, v); /* for the section of another that there may be */
        wait_for_end(x);
        x->owner = pthread_self();
        x->returns = v;
        x->depth = 1;
        call_out(m);
        while (x->inside)
            pthread_cond_wait(&x->changed, &x->mutex);
    } else {
        x->depth++;
    }
    pthread_mutex_unlock(&x->mutex);
}

void machine_exclusive_end(struct machine *m)
{
    struct exclusive *x = &m->exclusive;

    pthread_mutex_lock(&x->mutex);
    if (!--x->depth) {
        if (x->returns)
            go_inside(x, x->returns);
        pthread_cond_broadcast(&x->changed);
    }
    pthread_mutex_unlock(&x->mutex);
}

bool machine_is_exclusive(struct machine *m)
{
    bool mine;

    pthread_mutex_lock(&m->exclusive.mutex);
    mine = is_mine(&m->exclusive);
    pthread_mutex_unlock(&m->exclusive.mutex);
    return mine || !m->run.parallel;
}

void vcpu_lock_machine(struct vcpu *v)
{
    if (!v->inside) {
        machine_lock(v->m);
    } else if (pthread_mutex_trylock(&v->m->lock)) {
        vcpu_leave_guest(v);
        machine_lock(v->m);
        vcpu_enter_guest(v);
    } else {
        machine_settle(v->m);
    }
}

void vcpu_unlock_machine(struct vcpu *v)
{
    machine_unlock(v->m);
}
