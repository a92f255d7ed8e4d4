/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about migration (qapi/migration.json). */
#include "config.h"

#if CONFIG_JANSSON
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/migrate/migrate.h"
#include "monitor/qmp_internal.h"
#include "vm/memory.h"

/* It always goes on in the background. */
json_t *qmp_migrate(struct qmp_call *call, json_t *args, struct error *err)
{
    return qmp_done(control_migrate_to(call->ctl, qmp_arg(args, "uri"), err));
}

json_t *qmp_migrate_cancel(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)args, (void)err;
    if (call->ctl->migrate)
        migrate_cancel(call->ctl->migrate);
    return json_object();
}

json_t *qmp_migrate_incoming(struct qmp_call *call, json_t *args, struct error *err)
{
    return qmp_done(control_migrate_from(call->ctl, qmp_arg(args, "uri"), err));
}

json_t *qmp_getfd(struct qmp_call *call, json_t *args, struct error *err)
{
    return qmp_done(
        control_keep_fd(call->ctl, qmp_arg(args, "fdname"), qmp_take_fd(call->session), err));
}

json_t *qmp_closefd(struct qmp_call *call, json_t *args, struct error *err)
{
    return qmp_done(control_close_fd(call->ctl, qmp_arg(args, "fdname"), err));
}

static json_t *stats(const struct migrate_info *i)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:i, s:I, s:I, s:f, s:I, s:i}", "transferred",
                     (json_int_t)i->transferred, "remaining", (json_int_t)i->remaining, "total",
                     (json_int_t)i->total, "duplicate", (json_int_t)i->zero_pages, "skipped", 0,
                     "normal", (json_int_t)i->pages, "normal-bytes",
                     (json_int_t)(i->pages * VM_PAGE_SIZE), "mbps", (double)i->bandwidth * 8 / 1e6,
                     "dirty-sync-count", (json_int_t)i->rounds, "page-size", (int)VM_PAGE_SIZE);
}

json_t *qmp_query_migrate(struct qmp_call *call, json_t *args, struct error *err)
{
    struct migrate_info i;
    json_t *info;
    bool under_way;

    (void)args, (void)err;
    if (!call->ctl->migrate)
        return json_object();
    migrate_get_info(call->ctl->migrate, &i);
    if (i.status == MIGRATE_NONE)
        return json_object();
    info = json_pack("{s:s}", "status", migrate_status_name(i.status));
    if (i.error[0])
        json_object_set_new(info, "error-desc", qmp_string(i.error));
    if (i.incoming)
        return info;
    under_way = i.status == MIGRATE_ACTIVE || i.status == MIGRATE_DEVICE;
    json_object_set_new(info, "ram", stats(&i));
    json_object_set_new(info, "total-time", json_integer((json_int_t)i.total_ms));
    json_object_set_new(info, "setup-time", json_integer((json_int_t)i.setup_ms));
    json_object_set_new(info, under_way ? "expected-downtime" : "downtime",
                        json_integer((json_int_t)((i.downtime_us + 999) / 1000)));
    if (i.brake)
        json_object_set_new(info, "cpu-throttle-percentage", json_integer(i.brake));
    return info;
}

json_t *qmp_migrate_set_parameters(struct qmp_call *call, json_t *args, struct error *err)
{
    const char *name;
    json_t *v;

    json_object_foreach(args, name, v)
    {
        char number[32];

        if (json_is_integer(v) && json_integer_value(v) < 0) {
            error_set(err, "Parameter '%s' expects a number that is not negative", name);
            return NULL;
        }
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT "%s", json_integer_value(v),
                 strcmp(name, "max-bandwidth") ? "" : "b");
        if (!control_set_migrate_parameter(call->ctl, name,
                                           json_is_string(v) ? json_string_value(v) : number, err))
            return NULL;
    }
    return json_object();
}

json_t *qmp_query_migrate_parameters(struct qmp_call *call, json_t *args, struct error *err)
{
    const struct migrate_parameters *p;

    (void)args, (void)err;
    if (!call->ctl->migrate)
        return json_object();
    p = migrate_parameters(call->ctl->migrate);
    return json_pack("{s:I, s:I, s:s}", "max-bandwidth", (json_int_t)p->max_bandwidth,
                     "downtime-limit", (json_int_t)p->downtime_limit, "compression",
                     compression_name(p->compression));
}

json_t *qmp_query_migrate_capabilities(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)args, (void)err;
    return json_pack("[{s:s, s:b}]", "capability", "events", "state",
                     !call->ctl->no_migration_events);
}

json_t *qmp_migrate_set_capabilities(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *v;
    size_t n;

    (void)err;
    json_array_foreach(json_object_get(args, "capabilities"), n, v)
    {
        call->ctl->no_migration_events = !json_is_true(json_object_get(v, "state"));
    }
    return json_object();
}
#endif
