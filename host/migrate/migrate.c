/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/block/drive.h"
#include "host/migrate/migrate_internal.h"
#include "vm/record.h"

#define WAIT_NS     2000000 /* migrate_wait(): how long timers may wait at most */
#define DOWNTIME_MS 300
#define LONGEST_NAP 100000000ull

const char *migrate_status_name(enum migrate_status s)
{
    static const char *const names[] = {
        [MIGRATE_NONE] = "none",           [MIGRATE_SETUP] = "setup",
        [MIGRATE_ACTIVE] = "active",       [MIGRATE_DEVICE] = "device",
        [MIGRATE_COMPLETED] = "completed", [MIGRATE_FAILED] = "failed",
        [MIGRATE_CANCELLED] = "cancelled"};

    return names[s];
}

struct migrate *migrate_new(struct machine *m, struct drives *drives, const char *cpu,
                            const struct migrate_hooks *hooks)
{
    struct migrate *g = calloc(1, sizeof(*g));

    if (!g)
        return NULL;
    g->m = m;
    g->drives = drives;
    g->cpu = strdup(cpu);
    g->hooks = *hooks;
    g->parameters.downtime_limit = DOWNTIME_MS;
    g->mapped_fd = g->channel.fd = -1;
    if (!g->cpu) {
        free(g);
        return NULL;
    }
    pthread_mutex_init(&g->mutex, NULL);
    pthread_cond_init(&g->changed, NULL);
    return g;
}

/* ---- between the job and the main loop ---- */

void migrate_set_status(struct migrate *g, enum migrate_status s)
{
    pthread_mutex_lock(&g->mutex);
    g->status_changed |= g->info.status != s;
    g->info.status = s;
    pthread_mutex_unlock(&g->mutex);
    g->hooks.wake(g->hooks.opaque);
}

bool migrate_on_main(struct migrate *g, migrate_fn *fn, struct error *err)
{
    bool ok;

    pthread_mutex_lock(&g->mutex);
    g->call = fn;
    g->call_done = false;
    g->call_error.text[0] = 0;
    pthread_mutex_unlock(&g->mutex);
    g->hooks.wake(g->hooks.opaque);
    pthread_mutex_lock(&g->mutex);
    while (!g->call_done)
        pthread_cond_wait(&g->changed, &g->mutex);
    ok = g->call_ok;
    if (!ok)
        *err = g->call_error;
    pthread_mutex_unlock(&g->mutex);
    return ok;
}

void migrate_poll(struct migrate *g)
{
    enum migrate_status status;
    migrate_fn *fn;
    bool ok, changed;

    if (!g)
        return;
    pthread_mutex_lock(&g->mutex);
    fn = g->call;
    g->call = NULL;
    changed = g->status_changed;
    g->status_changed = false;
    status = g->info.status;
    pthread_mutex_unlock(&g->mutex);
    if (!fn && !changed)
        return;
    machine_lock(g->m);
    if (changed)
        g->hooks.changed(g->hooks.opaque, status);
    ok = fn && fn(g, &g->call_error);
    machine_unlock(g->m);
    if (!fn)
        return;
    pthread_mutex_lock(&g->mutex);
    g->call_ok = ok;
    g->call_done = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->mutex);
}

bool migrate_is_busy(struct migrate *g)
{
    pthread_mutex_lock(&g->mutex);
    bool busy = g->busy;
    pthread_mutex_unlock(&g->mutex);
    return busy;
}

bool migrate_begin_job(struct migrate *g, void *(*fn)(void *), struct error *err)
{
    sigset_t all, old;
    bool ok;

    atomic_store(&g->cancelled, false);
    g->begun = host_now();
    pthread_mutex_lock(&g->mutex);
    g->busy = true;
    pthread_mutex_unlock(&g->mutex);
    if (g->drives)
        drives_pin(g->drives, true);
    migrate_set_status(g, MIGRATE_SETUP);
    sigfillset(&all); /* signals are the main loop's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    ok = pthread_create(&g->thread, NULL, fn, g) == 0;
    if (ok)
        pthread_detach(g->thread);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (ok)
        return true;
    g->busy = false;
    if (g->drives)
        drives_pin(g->drives, false);
    migrate_set_status(g, MIGRATE_FAILED);
    return error_set(err, "a thread cannot be started");
}

/* The job's last word: nothing of g is touched afterwards. */
void migrate_job_done(struct migrate *g, bool ok, const struct error *err)
{
    bool cancelled = atomic_load(&g->cancelled) && !ok;

    state_stream_free(&g->state);
    free(g->about);
    g->about = NULL;
    free(g->dirty);
    g->dirty = NULL;
    save_free(&g->writer);
    if (g->drives)
        drives_pin(g->drives, false);
    pthread_mutex_lock(&g->mutex);
    g->info.total_ms = (host_now() - g->begun) / 1000000;
    g->info.brake = 0;
    if (!ok && !cancelled)
        snprintf(g->info.error, sizeof(g->info.error), "%s", err->text);
    g->info.status = ok ? MIGRATE_COMPLETED : cancelled ? MIGRATE_CANCELLED : MIGRATE_FAILED;
    g->status_changed = true;
    g->hooks.wake(g->hooks.opaque);
    g->busy = false;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->mutex);
}

bool migrate_wait(struct migrate *g, struct error *err)
{
    struct timespec until;
    bool ok;

    machine_unlock(g->m);
    while (migrate_is_busy(g)) {
        migrate_poll(g);
        machine_poll(g->m);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += WAIT_NS;
        if (until.tv_nsec >= (long)NS_PER_SEC) {
            until.tv_nsec -= (long)NS_PER_SEC;
            until.tv_sec++;
        }
        pthread_mutex_lock(&g->mutex);
        if (g->busy && !g->call)
            pthread_cond_timedwait(&g->changed, &g->mutex, &until);
        pthread_mutex_unlock(&g->mutex);
    }
    migrate_poll(g);
    machine_lock(g->m);
    ok = g->info.status == MIGRATE_COMPLETED;
    return ok ||
           error_set(err, "%s", g->info.status == MIGRATE_CANCELLED ? "cancelled" : g->info.error);
}

void migrate_cancel(struct migrate *g)
{
    if (migrate_is_busy(g))
        atomic_store(&g->cancelled, true);
}

void migrate_free(struct migrate *g)
{
    struct error ignored;

    if (!g)
        return;
    machine_lock(g->m);
    migrate_cancel(g);
    if (migrate_is_busy(g))
        migrate_wait(g, &ignored);
    machine_unlock(g->m);
    incoming_free(g);
    pthread_mutex_destroy(&g->mutex);
    pthread_cond_destroy(&g->changed);
    free(g->where);
    free(g->cpu);
    free(g);
}

/* ---- what is known ---- */

struct migrate_parameters *migrate_parameters(struct migrate *g)
{
    return &g->parameters;
}

void migrate_get_info(struct migrate *g, struct migrate_info *info)
{
    pthread_mutex_lock(&g->mutex);
    *info = g->info;
    if (g->busy)
        info->total_ms = (host_now() - g->begun) / 1000000;
    pthread_mutex_unlock(&g->mutex);
}

const char *migrate_run_state(const struct migrate *g)
{
    if (g->expecting)
        return "inmigrate";
    if (g->away)
        return "postmigrate";
    return g->stopped ? "finish-migrate" : NULL;
}

bool migrate_is_elsewhere(const struct migrate *g)
{
    return g->expecting || g->away;
}

bool migrate_expects(const struct migrate *g)
{
    return g->expecting;
}

bool migrate_may_save(struct migrate *g, struct error *err)
{
    if (g->expecting)
        return error_set(err, "the machine has not come in yet");
    if (migrate_is_busy(g))
        return error_set(err, "a migration or snapshot is under way; info migrate tells");
    if (g->m->run.state == RUN_ENDED)
        return error_set(err, "the machine has ended");
    if (g->m->record)
        return error_set(err, "not while a recording or history is kept (--record, --replay, "
                              "--history)");
    if (g->away)
        return error_set(err, "the machine has gone to another process already");
    return true;
}

bool migrate_may_run(struct migrate *g, struct error *err)
{
    if (g->expecting)
        return error_set(err, "the machine has not come in yet (-incoming)");
    if (g->stopped && !g->away)
        return error_set(err, "the machine is on its way to another process; migrate_cancel "
                              "holds it back");
    if (g->disks_away && !drives_take(g->drives, err))
        return error_prefix(err, "the machine has gone to another process");
    g->away = g->stopped = g->disks_away = g->m->run.frozen = false;
    return true;
}

char *migrate_about(struct migrate *g, bool ran, const char *notes)
{
    char *text = savefile_describe(g->m, g->cpu), *all = NULL;

    if (text && asprintf(&all, "#running %d\n%s%s", ran, notes, text) < 0)
        all = NULL;
    free(text);
    return all;
}

void migrate_account(struct migrate *g, uint64_t bytes)
{
    uint64_t limit = g->parameters.max_bandwidth, now = host_now(), due = 0, spent;
    struct timespec nap = {0};

    pthread_mutex_lock(&g->mutex);
    g->info.transferred += bytes;
    if (limit)
        due = (uint64_t)((double)g->info.transferred / (double)limit * 1e9);
    pthread_mutex_unlock(&g->mutex);
    spent = now - g->begun;
    if (due <= spent || g->stopped || atomic_load(&g->cancelled))
        return;
    nap.tv_nsec = (long)(due - spent < LONGEST_NAP ? due - spent : LONGEST_NAP);
    nanosleep(&nap, NULL);
}

bool migrate_channel_write(void *opaque, const void *data, size_t len, struct error *err)
{
    struct migrate *g = opaque;

    if (!channel_write(&g->channel, data, len, err))
        return false;
    migrate_account(g, len);
    return true;
}

/* ---- the beginning of what goes out ---- */

bool migrate_start(struct migrate *g, const char *where, struct error *err)
{
    bool file = strncmp(where, "file:", 5) == 0;
    char *copy;

    if (!channel_check(where, err) || !migrate_may_save(g, err))
        return false;
    if (g->drives && !drives_may_leave(g->drives, err))
        return false;
    copy = strdup(where);
    if (!copy)
        return error_set(err, "out of memory");
    free(g->where);
    g->where = copy;
    pthread_mutex_lock(&g->mutex);
    g->info = (struct migrate_info){.file = file, .total = g->m->arena.size};
    pthread_mutex_unlock(&g->mutex);
    return migrate_begin_job(g, file ? save_job : precopy_job, err);
}
