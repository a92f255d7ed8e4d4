/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saving, snapshots and migration: what they need of the control, and the human monitor's commands.
 * Handlers run with the machine lock held. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "host/char/backend.h"
#include "host/migrate/migrate.h"
#include "host/net/backend.h"
#include "monitor/monitor_internal.h"
#include "monitor/qmp.h"
#include "vm/machine.h"

/* ---- hooks ---- */

static bool hold(void *opaque)
{
    return control_hold(opaque);
}

static void release(void *opaque, bool ran)
{
    control_release(opaque, ran);
}

static void stay(void *opaque, bool ran)
{
    struct control *ctl = opaque;

    ctl->holding = false;
    if (ran)
        qmp_event(ctl, "STOP", NULL);
}

static void changed(void *opaque, enum migrate_status status)
{
    const struct control *ctl = opaque;

    if (!ctl->no_migration_events)
        qmp_event(opaque, "MIGRATION", "{s:s}", "status", migrate_status_name(status));
}

static void wake(void *opaque)
{
    struct control *ctl = opaque;

    ctl->migrate_wake(ctl->migrate_opaque);
}

static void broken(void *opaque, const char *text)
{
    struct control *ctl = opaque;

    ctl->migrate_broken(ctl->migrate_opaque, text);
}

static bool pack_frames(void *opaque, char **data, size_t *len)
{
    struct control *ctl = opaque;

    *data = NULL;
    *len = 0;
    return !ctl->about.nets || nets_pack_waiting(ctl->about.nets, data, len);
}

static bool unpack_frames(void *opaque, const uint8_t *data, size_t len, struct error *err)
{
    struct control *ctl = opaque;

    return ctl->about.nets ? nets_unpack_waiting(ctl->about.nets, data, len, err)
                           : error_set(err, "frames have come, and there is no network");
}

static void announce(void *opaque, bool arrived)
{
    struct control *ctl = opaque;

    if (!ctl->about.nets)
        return;
    if (arrived)
        nets_drop_waiting(ctl->about.nets);
    nets_announce(ctl->about.nets);
}

bool control_add_migration(struct control *ctl, const char *cpu, void (*wake_main)(void *opaque),
                           void (*broken_in)(void *opaque, const char *text), void *opaque)
{
    const struct migrate_hooks hooks = {hold,        release,       stay,     changed, wake,
                                        pack_frames, unpack_frames, announce, broken,  ctl};

    ctl->migrate_wake = wake_main;
    ctl->migrate_broken = broken_in;
    ctl->migrate_opaque = opaque;
    ctl->migrate = migrate_new(ctl->m, ctl->about.drives, cpu, &hooks);
    return ctl->migrate;
}

struct migrate *control_migrate(struct control *ctl, struct error *err)
{
    if (!ctl->migrate)
        error_set(err, "this machine cannot be saved");
    return ctl->migrate;
}

/* ---- commands ---- */

static void say_error(struct monitor *mon, bool ok, const struct error *err)
{
    if (!ok)
        monitor_error(mon, "Error: %s\n", err->text);
}

void monitor_wait_job(struct monitor *mon)
{
    struct error err;

    mon->job = mon->chr && !mon->capture && !mon->output;
    if (!mon->job)
        say_error(mon, migrate_wait(mon->ctl->migrate, &err), &err);
}

static void show_progress(struct monitor *mon)
{
    struct migrate_info i;
    unsigned percent;

    migrate_get_info(mon->ctl->migrate, &i);
    if (!i.total || i.remaining > i.total || (!i.pages && !i.zero_pages))
        return;
    percent = (unsigned)((i.total - i.remaining) * 100 / i.total);
    if (percent == mon->progress)
        return;
    mon->progress = percent;
    monitor_printf(mon, "\r%3u%%", percent);
}

bool monitor_job_waits(struct monitor *mon)
{
    struct error err = {""};
    bool ok;

    if (mon->job && migrate_is_busy(mon->ctl->migrate)) {
        if (chardev_interactive(mon->chr))
            show_progress(mon);
        return true;
    }
    if (!mon->job)
        return false;
    if (mon->progress)
        monitor_printf(mon, "\r     \r");
    mon->progress = 0;
    mon->job = false;
    machine_lock(mon->m);
    ok = migrate_wait(mon->ctl->migrate, &err);
    say_error(mon, ok, &err);
    machine_unlock(mon->m);
    return false;
}

/* migrate [-d] WHERE */
void cmd_migrate(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;
    struct migrate *g = control_migrate(mon->ctl, &err);
    const char *where = args->text[0];
    bool detached = strncmp(where, "-d", 2) == 0 && (where[2] == ' ' || !where[2]);

    if (detached)
        where += 2 + strspn(where + 2, " \t");
    if (!*where)
        monitor_error(mon, "usage: migrate [-d] WHERE\n");
    else if (!g || !migrate_start(g, where, &err))
        say_error(mon, false, &err);
    else if (!detached)
        monitor_wait_job(mon);
}

void cmd_migrate_cancel(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    if (mon->ctl->migrate)
        migrate_cancel(mon->ctl->migrate);
}

void cmd_migrate_incoming(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;
    struct migrate *g = control_migrate(mon->ctl, &err);

    say_error(mon,
              g && migrate_incoming_deferred(g, args->text[0], !mon->ctl->about.start_paused, &err),
              &err);
}

bool control_set_migrate_parameter(struct control *ctl, const char *name, const char *value,
                                   struct error *err)
{
    struct migrate *g = control_migrate(ctl, err);
    struct migrate_parameters *p;
    uint64_t n;

    if (!g)
        return false;
    p = migrate_parameters(g);
    if (!strcmp(name, "compression"))
        return compression_parse(value, &p->compression, err);
    if (!strcmp(name, "max-bandwidth"))
        return size_parse(value, 1 << 20, &p->max_bandwidth, err); /* as QEMU: MiB */
    if (strcmp(name, "downtime-limit") != 0)
        return error_set(err, "%s: max-bandwidth, downtime-limit or compression is expected", name);
    if (!number_parse(value, 0, 2000000, &n, err))
        return error_prefix(err, "downtime-limit");
    p->downtime_limit = n;
    return true;
}

void cmd_migrate_set_parameter(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    say_error(mon, control_set_migrate_parameter(mon->ctl, args->text[0], args->text[1], &err),
              &err);
}

void info_migrate_parameters(struct monitor *mon, const struct monitor_args *args)
{
    const struct migrate_parameters *p =
        mon->ctl->migrate ? migrate_parameters(mon->ctl->migrate) : NULL;

    (void)args;
    if (p)
        monitor_printf(mon,
                       "max-bandwidth: %" PRIu64 " bytes/second%s\ndowntime-limit: %" PRIu64
                       " ms\ncompression: %s\n",
                       p->max_bandwidth, p->max_bandwidth ? "" : " (no limit)", p->downtime_limit,
                       compression_name(p->compression));
}

static void print_numbers(struct monitor *mon, const struct migrate_info *i)
{
    monitor_printf(mon, "total time: %" PRIu64 " ms\n", i->total_ms);
    monitor_printf(mon, "%sdowntime: %.1f ms\n", i->status == MIGRATE_ACTIVE ? "expected " : "",
                   (double)i->downtime_us / 1e3);
    monitor_printf(mon,
                   "transferred ram: %" PRIu64 " kbytes\nremaining ram: %" PRIu64
                   " kbytes\ntotal ram: %" PRIu64 " kbytes\n",
                   i->transferred >> 10, i->remaining >> 10, i->total >> 10);
    monitor_printf(mon, "normal: %" PRIu64 " pages\nzero: %" PRIu64 " pages\n", i->pages,
                   i->zero_pages);
    if (i->rounds)
        monitor_printf(mon, "dirty sync count: %" PRIu64 "\nthroughput: %.1f MiB/s\n", i->rounds,
                       (double)i->bandwidth / 1048576);
    if (i->brake)
        monitor_printf(mon, "cpu throttle percentage: %u\n", i->brake);
    if (i->status == MIGRATE_ACTIVE && i->total)
        monitor_printf(mon, "progress: %u%%\n",
                       (unsigned)((i->total - (i->remaining < i->total ? i->remaining : i->total)) *
                                  100 / i->total));
}

void info_migrate(struct monitor *mon, const struct monitor_args *args)
{
    struct migrate_info i;

    (void)args;
    if (!mon->ctl->migrate)
        return;
    migrate_get_info(mon->ctl->migrate, &i);
    monitor_printf(mon, "Migration status: %s%s%s%s\n", migrate_status_name(i.status),
                   i.error[0] ? " (" : "", i.error, i.error[0] ? ")" : "");
    if (i.status != MIGRATE_NONE)
        print_numbers(mon, &i);
}

/* ---- snapshots ---- */

void cmd_savevm(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;
    struct migrate *g = control_migrate(mon->ctl, &err);

    if (g && snapshot_save(g, args->n ? args->text[0] : NULL, &err))
        monitor_wait_job(mon);
    else
        say_error(mon, false, &err);
}

void cmd_loadvm(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;
    struct migrate *g = control_migrate(mon->ctl, &err);

    say_error(mon, g && snapshot_load(g, args->text[0], &err), &err);
}

void cmd_delvm(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;
    struct migrate *g = control_migrate(mon->ctl, &err);

    say_error(mon, g && snapshot_delete(g, args->text[0], &err), &err);
}

void info_snapshots(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;
    struct migrate *g = control_migrate(mon->ctl, &err);

    (void)args;
    say_error(mon, g && snapshot_list(g, monitor_print_line, mon, &err), &err);
}

/* Two machines that are alike in every bit have the same. */
void info_digest(struct monitor *mon, const struct monitor_args *args)
{
    struct machine_digest d = machine_digest(mon->m);

    (void)args;
    monitor_printf(mon, "cpus %016" PRIx64 " devices %016" PRIx64 " memory %016" PRIx64 "\n",
                   d.cpus, d.devices, d.memory);
}
