/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's jobs (qapi/job.json, and snapshot-* of qapi/migration.json). A client starts one under a
 * name, hears JOB_STATUS_CHANGE, asks query-jobs how it ended, and dismisses it. Snapshots are of
 * all disks that are written, the first of which has the machine's state: clients have to say so.
 */
#include "monitor/qmp_jobs.h"

#include "config.h"

#if CONFIG_JANSSON
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/qmp_internal.h"

#define JOBS_MAX 64 /* that were not dismissed */

struct qmp_job {
    struct qmp_job *next;
    char *id;
    const char *type, *status;
    uint64_t done, total; /* when it is over */
    char error[512];
};

static void set_status(struct control *ctl, struct qmp_job *j, const char *status)
{
    j->status = status;
    qmp_event(ctl, "JOB_STATUS_CHANGE", "{s:s, s:s}", "id", j->id, "status", status);
}

/* err NULL: it went well. */
static void conclude(struct control *ctl, struct qmp_job *j, const struct error *err)
{
    if (err)
        snprintf(j->error, sizeof(j->error), "%s", err->text);
    j->total = j->total ? j->total : 1;
    j->done = err ? j->done : j->total;
    if (err) {
        set_status(ctl, j, "aborting");
    } else {
        set_status(ctl, j, "waiting");
        set_status(ctl, j, "pending");
    }
    set_status(ctl, j, "concluded");
}

void qmp_jobs_changed(struct control *ctl, enum migrate_status status)
{
    struct qmp_job *j = ctl->job;
    struct migrate_info info;
    struct error err;

    if (!j ||
        (status != MIGRATE_COMPLETED && status != MIGRATE_FAILED && status != MIGRATE_CANCELLED))
        return;
    ctl->job = NULL;
    migrate_get_info(ctl->migrate, &info);
    j->total = info.total;
    j->done = info.total - (info.remaining < info.total ? info.remaining : info.total);
    error_set(&err, "%s", status == MIGRATE_CANCELLED ? "cancelled" : info.error);
    conclude(ctl, j, status == MIGRATE_COMPLETED ? NULL : &err);
}

void qmp_jobs_free(struct control *ctl)
{
    struct qmp_job *next;

    for (struct qmp_job *j = ctl->jobs; j; j = next) {
        next = j->next;
        free(j->id);
        free(j);
    }
    ctl->jobs = NULL;
}

/* ---- beginning ---- */

static struct qmp_job *find(struct control *ctl, const char *id)
{
    struct qmp_job *j = ctl->jobs;

    while (j && strcmp(j->id, id) != 0)
        j = j->next;
    return j;
}

static struct qmp_job *new_job(struct control *ctl, const char *id, const char *type,
                               struct error *err)
{
    struct qmp_job *j, **end = &ctl->jobs;
    unsigned n = 0;

    for (; *end; end = &(*end)->next)
        n++;
    if (!*id)
        error_set(err, "Invalid job ID ''");
    else if (find(ctl, id))
        error_set(err, "Job ID '%.100s' already in use", id);
    else if (n >= JOBS_MAX)
        error_set(err, "%u jobs are there; job-dismiss is expected", n);
    else if (!(j = calloc(1, sizeof(*j))) || !(j->id = strdup(id))) {
        free(j);
        error_set(err, "out of memory");
    } else {
        j->type = type;
        *end = j;
        set_status(ctl, j, "created");
        set_status(ctl, j, "running");
        return j;
    }
    return NULL;
}

static bool is_listed(void *opaque, const char *id)
{
    const json_t *v;
    size_t n;

    json_array_foreach((json_t *)opaque, n, v)
    {
        if (!strcmp(json_string_value(v), id))
            return true;
    }
    return false;
}

/* The devices of the command are the machine's. */
static bool is_of_all(struct control *ctl, struct migrate *g, json_t *args, struct error *err)
{
    json_t *devices = json_object_get(args, "devices"), *v;
    size_t n;

    json_array_foreach(devices, n, v)
    {
        if (!control_drive(ctl, json_string_value(v), err))
            return false;
    }
    return snapshot_covers(g, qmp_arg(args, "vmstate"), is_listed, devices, err);
}

typedef bool snapshot_fn(struct migrate *g, const char *name, struct error *err);

/* What is wrong with its disks or snapshots is told by the job. */
static json_t *begin(struct qmp_call *call, json_t *args, const char *type, snapshot_fn *fn,
                     struct error *err)
{
    struct migrate *g = control_migrate(call->ctl, err);
    struct qmp_job *j = g ? new_job(call->ctl, qmp_arg(args, "job-id"), type, err) : NULL;
    struct error why = {""};
    bool ok;

    if (!j)
        return NULL;
    ok = is_of_all(call->ctl, g, args, &why) && fn(g, qmp_arg(args, "tag"), &why);
    if (ok && fn == snapshot_save)
        call->ctl->job = j;
    else
        conclude(call->ctl, j, ok ? NULL : &why);
    return json_object();
}

json_t *qmp_snapshot_save(struct qmp_call *call, json_t *args, struct error *err)
{
    return begin(call, args, "snapshot-save", snapshot_save, err);
}

json_t *qmp_snapshot_load(struct qmp_call *call, json_t *args, struct error *err)
{
    return begin(call, args, "snapshot-load", snapshot_load, err);
}

json_t *qmp_snapshot_delete(struct qmp_call *call, json_t *args, struct error *err)
{
    return begin(call, args, "snapshot-delete", snapshot_delete, err);
}

/* ---- looking after them ---- */

json_t *qmp_query_jobs(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *list = json_array();
    struct migrate_info info;

    (void)args, (void)err;
    for (const struct qmp_job *j = call->ctl->jobs; j; j = j->next) {
        uint64_t done = j->done, total = j->total;
        json_t *o;

        if (j == call->ctl->job) {
            migrate_get_info(call->ctl->migrate, &info);
            total = info.total;
            done = info.pages || info.zero_pages ? total - info.remaining : 0;
        }
        o = json_pack("{s:s, s:s, s:s, s:I, s:I}", "id", j->id, "type", j->type, "status",
                      j->status, "current-progress", (json_int_t)done, "total-progress",
                      (json_int_t)total);
        if (j->error[0])
            json_object_set_new(o, "error", qmp_string(j->error));
        json_array_append_new(list, o);
    }
    return list;
}

static struct qmp_job *job_for(struct qmp_call *call, json_t *args, const char *verb, bool running,
                               struct error *err)
{
    struct qmp_job *j = find(call->ctl, qmp_arg(args, "id"));

    if (!j) {
        error_set(err, "Job not found");
    } else if (running != (j == call->ctl->job)) {
        error_set(err, "Job '%.100s' in state '%s' cannot accept command verb '%s'", j->id,
                  j->status, verb);
        j = NULL;
    }
    return j;
}

json_t *qmp_job_cancel(struct qmp_call *call, json_t *args, struct error *err)
{
    if (!job_for(call, args, "cancel", true, err))
        return NULL;
    migrate_cancel(call->ctl->migrate);
    return json_object();
}

json_t *qmp_job_dismiss(struct qmp_call *call, json_t *args, struct error *err)
{
    struct qmp_job *j = job_for(call, args, "dismiss", false, err);
    struct qmp_job **at = &call->ctl->jobs;

    if (!j)
        return NULL;
    set_status(call->ctl, j, "null");
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    free(j->id);
    free(j);
    return json_object();
}
#else
void qmp_jobs_changed(struct control *ctl, enum migrate_status status)
{
    (void)ctl, (void)status;
}

void qmp_jobs_free(struct control *ctl)
{
    (void)ctl;
}
#endif
