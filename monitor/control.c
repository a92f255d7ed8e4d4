/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/control.h"
#include "host/ui/ui.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/suggest.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/mem.h"
#include "host/migrate/migrate.h"
#include "host/net/backend.h"
#include "machines/pc.h"
#include "monitor/qmp.h"
#include "monitor/qmp_jobs.h"
#include "vm/machine.h"
#include "vm/record.h"

/* ---- state ---- */

const char *control_status(const struct control *ctl)
{
    const struct run_control *r = &ctl->m->run;
    const char *state = ctl->migrate ? migrate_run_state(ctl->migrate) : NULL;

    if (r->state == RUN_RUNNING)
        return "running";
    if (state && r->state != RUN_ENDED)
        return state;
    if (r->state == RUN_ENDED || r->reason == STOP_POWEROFF)
        return "shutdown";
    if (r->reason == STOP_BREAKPOINT)
        return "debug";
    if (r->reason == STOP_IO_ERROR)
        return "io-error";
    if (r->reason == STOP_WATCHDOG)
        return "watchdog";
    if (r->reason == STOP_GUEST_PANIC)
        return "guest-panicked";
    return ctl->ran ? "paused" : "prelaunch";
}

const char *control_shutdown_cause(const struct control *ctl)
{
    switch (ctl->m->run.reason) {
    case STOP_POWEROFF:
    case STOP_DEBUG_EXIT:
        return "guest-shutdown";
    case STOP_RESET:
        return "guest-reset";
    case STOP_TRIPLE_FAULT:
    case STOP_GUEST_PANIC:
        return "guest-panic";
    case STOP_QUIT:
        return ctl->quit_asked ? "host-qmp-quit" : "host-signal";
    case STOP_DIFFERENCE:
        return "host-error";
    default:
        return "host-ui";
    }
}

static bool by_guest(const char *cause)
{
    return !strncmp(cause, "guest-", 6);
}

static void on_event(void *opaque, enum run_event event)
{
    struct control *ctl = opaque;
    const char *cause;

    if (ctl->holding && (event == RUN_EVENT_STOP || event == RUN_EVENT_RESUME))
        return;
    switch (event) {
    case RUN_EVENT_STOP:
        qmp_event(ctl, "STOP", NULL);
        break;
    case RUN_EVENT_RESUME:
        ctl->ran = true;
        qmp_event(ctl, "RESUME", NULL);
        break;
    case RUN_EVENT_RESET:
        cause = ctl->reset_asked ? "host-qmp-system-reset" : "guest-reset";
        ctl->reset_asked = false;
        qmp_event(ctl, "RESET", "{s:b, s:s}", "guest", by_guest(cause), "reason", cause);
        break;
    case RUN_EVENT_SHUTDOWN:
        cause = control_shutdown_cause(ctl);
        qmp_event(ctl, "SHUTDOWN", "{s:b, s:s}", "guest", by_guest(cause), "reason", cause);
        break;
    case RUN_EVENT_WATCHDOG:
        qmp_event(ctl, "WATCHDOG", "{s:s}", "action", ctl->m->run.action);
        break;
    case RUN_EVENT_PANICKED:
        qmp_event(ctl, "GUEST_PANICKED", "{s:s}", "action", ctl->m->run.action);
        break;
    case RUN_EVENT_BALLOON:
        qmp_event(ctl, "BALLOON_CHANGE", "{s:I}", "actual",
                  (long long)virtio_balloon_actual(control_find_balloon(ctl)));
        break;
    case RUN_EVENT_CRASH_LOADED:
        qmp_event(ctl, "GUEST_CRASHLOADED", "{s:s}", "action", ctl->m->run.action);
        break;
    }
}

static void on_io_error(void *opaque, const struct blockdev *b, enum block_op op, int error,
                        enum drive_error_action action)
{
    static const char *const names[] = {
        [DRIVE_REPORT] = "report", [DRIVE_IGNORE] = "ignore", [DRIVE_STOP] = "stop"};
    const struct drive_config *c = drive_config(b);

    qmp_event(opaque, "BLOCK_IO_ERROR", "{s:s, s:s, s:s, s:s, s:b, s:s}", "device", c->device,
              "node-name", c->id, "operation", op == BLOCK_READ ? "read" : "write", "action",
              names[action], "nospace", error == ENOSPC, "reason", strerror(error));
}

static void on_tray_moved(void *opaque, const struct blockdev *b, bool open)
{
    const struct drive_config *c = drive_config(b);

    qmp_event(opaque, "DEVICE_TRAY_MOVED", "{s:s, s:s, s:b}", "device", c->device, "id",
              c->qdev ? c->qdev : c->id, "tray-open", open);
}

/* ---- actions ---- */

bool control_stop(struct control *ctl, struct error *err)
{
    (void)err;
    machine_stop(ctl->m, STOP_USER);
    return true;
}

bool control_may_run(struct control *ctl, struct error *err)
{
    return !ctl->migrate || ctl->m->run.state != RUN_PAUSED || migrate_may_run(ctl->migrate, err);
}

bool control_cont(struct control *ctl, struct error *err)
{
    const struct run_control *r = &ctl->m->run;

    if (r->state == RUN_ENDED)
        return error_set(err, "the machine has ended");
    if (r->state == RUN_PAUSED && (r->reason == STOP_POWEROFF || r->reason == STOP_GUEST_PANIC))
        return error_set(err, "Resetting the Virtual Machine is required");
    if (!control_may_run(ctl, err))
        return false;
    machine_run_until(ctl->m, UINT64_MAX);
    return true;
}

bool control_reset(struct control *ctl, struct error *err)
{
    if (ctl->m->run.state == RUN_ENDED)
        return error_set(err, "the machine has ended");
    if (ctl->m->run.frozen)
        return error_set(err, "the machine is on its way to another process");
    ctl->reset_asked = true;
    machine_request_reset(ctl->m);
    return true;
}

bool control_powerdown(struct control *ctl, struct error *err)
{
    if (!ctl->hooks.powerdown)
        return error_set(err, "this machine has no power button");
    qmp_event(ctl, "POWERDOWN", NULL);
    ctl->hooks.powerdown(ctl->hooks.opaque);
    return true;
}

bool control_quit(struct control *ctl, struct error *err)
{
    if (!ctl->hooks.quit)
        return error_set(err, "this machine is not the monitor's to end");
    ctl->quit_asked = true;
    ctl->hooks.quit(ctl->hooks.opaque);
    return true;
}

/* What an NMI button does: the NMI# of every processor (SDM vol. 3A 6.7). */
bool control_nmi(struct control *ctl, struct error *err)
{
    if (!ctl->m->ncpus)
        return error_set(err, "machine does not provide NMIs");
    bool was_running = control_hold(ctl);
    for (unsigned i = 0; i < ctl->m->ncpus; i++)
        cpu_of(ctl->m->cpus[i])->nmi_pending = true;
    machine_kick(ctl->m);
    control_release(ctl, was_running);
    return true;
}

struct blockdev *control_drive(struct control *ctl, const char *id, struct error *err)
{
    if (ctl->about.drives)
        return drive_find(ctl->about.drives, id, err);
    error_set(err, "Device '%.100s' not found: the machine has no drives", id);
    return NULL;
}

static bool no_network(struct error *err)
{
    return error_set(err, "this machine has no networks");
}

bool control_set_link(struct control *ctl, const char *name, bool up, struct error *err)
{
    return ctl->about.nets ? nets_set_link(ctl->about.nets, name, up, err) : no_network(err);
}

bool control_netdev_add(struct control *ctl, const char *spec, struct error *err)
{
    return ctl->about.nets ? netdev_define(ctl->about.nets, spec, err) : no_network(err);
}

bool control_netdev_del(struct control *ctl, const char *id, struct error *err)
{
    return ctl->about.nets ? netdev_delete(ctl->about.nets, id, err) : no_network(err);
}

struct virtio_balloon *control_find_balloon(struct control *ctl)
{
    struct pc *pc = ctl->about.pc;

    return pc && pc->config && pc->config->services.balloon ? &pc->services.balloon : NULL;
}

static bool no_balloon(struct error *err)
{
    return error_set(err, "No balloon device has been activated");
}

bool control_balloon(struct control *ctl, uint64_t *actual, struct error *err)
{
    struct virtio_balloon *b = control_find_balloon(ctl);

    if (!b)
        return no_balloon(err);
    *actual = virtio_balloon_actual(b);
    return true;
}

bool control_set_balloon_interval(struct control *ctl, uint64_t seconds, struct error *err)
{
    struct virtio_balloon *b = control_find_balloon(ctl);

    if (!b)
        return no_balloon(err);
    if (record_replays(ctl->m))
        return error_set(err, "a replay is what was recorded: the balloon cannot be changed");
    if (seconds > UINT32_MAX)
        return error_set(err, "timer value is too big");
    virtio_balloon_set_stats_every(b, seconds * NS_PER_SEC);
    return true;
}

bool control_set_balloon(struct control *ctl, uint64_t bytes, struct error *err)
{
    struct virtio_balloon *b = control_find_balloon(ctl);

    if (!b)
        return no_balloon(err);
    if (record_replays(ctl->m))
        return error_set(err, "a replay is what was recorded: the balloon cannot be changed");
    if (!bytes)
        return error_set(err, "Parameter 'target' expects a size");
    virtio_balloon_set_target(b, bytes);
    return true;
}

struct display *control_display(struct control *ctl, struct error *err)
{
    if (!ctl->hooks.display)
        error_set(err, "this machine has no screen");
    return ctl->hooks.display;
}

struct hid *control_hid(struct control *ctl, struct error *err)
{
    if (!ctl->hooks.hid)
        error_set(err, "this machine has no keyboard and no mouse");
    return ctl->hooks.hid;
}

static bool is_vnc(struct control *ctl, const char *protocol, struct error *err)
{
    if (strcmp(protocol, "vnc") != 0)
        return error_set(err, "%s: vnc is expected", protocol);
    return ctl->hooks.vnc_password || error_set(err, "there is no VNC server");
}

bool control_set_password(struct control *ctl, const char *protocol, const char *password,
                          struct error *err)
{
    return is_vnc(ctl, protocol, err) && ctl->hooks.vnc_password(ctl->hooks.opaque, password, err);
}

bool control_expire_password(struct control *ctl, const char *protocol, const char *when,
                             struct error *err)
{
    return is_vnc(ctl, protocol, err) && ctl->hooks.vnc_expire(ctl->hooks.opaque, when, err);
}

bool control_gdbserver(struct control *ctl, const char *where, struct error *err)
{
    if (!ctl->hooks.gdbserver)
        return error_set(err, "this machine has no gdb server");
    return ctl->hooks.gdbserver(ctl->hooks.opaque, where, err);
}

void control_vnc_event(struct control *ctl, enum vnc_event event, const struct vnc_peer *server,
                       const struct vnc_peer *viewer, bool password)
{
    static const char *const names[] = {[VNC_EVENT_CONNECTED] = "VNC_CONNECTED",
                                        [VNC_EVENT_INITIALIZED] = "VNC_INITIALIZED",
                                        [VNC_EVENT_DISCONNECTED] = "VNC_DISCONNECTED"};

    qmp_event(ctl, names[event], "{s:{s:s, s:s, s:s, s:b, s:s}, s:{s:s, s:s, s:s, s:b}}", "server",
              "host", server->host, "service", server->service, "family", server->family,
              "websocket", server->websocket, "auth", password ? "vnc" : "none", "client", "host",
              viewer->host, "service", viewer->service, "family", viewer->family, "websocket",
              viewer->websocket);
}

void control_vnc(struct control *ctl, struct vnc_info *info)
{
    *info = (struct vnc_info){.enabled = false};
    if (ctl->hooks.vnc_describe)
        ctl->hooks.vnc_describe(ctl->hooks.opaque, info);
}

bool control_hold(struct control *ctl)
{
    bool was_running = ctl->m->run.state == RUN_RUNNING;

    if (was_running) {
        ctl->holding = true; /* nobody asked for this pause: no event */
        machine_stop(ctl->m, STOP_USER);
    }
    return was_running;
}

/* It may have stopped or ended on its own account while it was asked to hold. */
void control_release(struct control *ctl, bool was_running)
{
    const struct run_control *r = &ctl->m->run;

    if (was_running && r->state == RUN_PAUSED && r->reason == STOP_USER)
        machine_cont(ctl->m);
    else if (was_running && r->state == RUN_PAUSED)
        qmp_event(ctl, "STOP", NULL);
    ctl->holding = false;
}

/* ---- memory ---- */

/* The part of [addr, addr + len) that is memory and begins at addr. */
static size_t read_physical(struct machine *m, uint64_t addr, uint8_t *buf, size_t len)
{
    const struct mem_range *r = addr <= m->mem.last ? address_space_find(&m->mem, addr) : NULL;

    if (!r || r->region->kind != REGION_MEMORY || r->region->read_at == ARENA_NONE)
        return 0;
    if (len - 1 > r->last - addr)
        len = (size_t)(r->last - addr) + 1;
    memcpy(buf, m->arena.host + r->region->read_at + r->offset + (addr - r->start), len);
    return len;
}

static size_t read_piece(struct control *ctl, int cpu, uint64_t addr, uint8_t *buf, size_t len)
{
    size_t page = VM_PAGE_SIZE - (addr & (VM_PAGE_SIZE - 1));

    len = len < page ? len : page;
    if (cpu >= 0)
        addr = mmu_debug_translate(cpu_of(ctl->m->cpus[cpu]), addr);
    return addr == UINT64_MAX ? 0 : read_physical(ctl->m, addr, buf, len);
}

size_t control_read_memory(struct control *ctl, int cpu, uint64_t addr, uint8_t *buf, size_t len)
{
    size_t done = 0, n;

    if (cpu >= (int)ctl->m->ncpus)
        return 0;
    for (; done < len; done += n) {
        n = read_piece(ctl, cpu, addr + done, buf + done, len - done);
        if (!n)
            break;
    }
    return done;
}

/* ---- objects ---- */

const char *const control_object_types[] = {"memory-backend-ram", "memory-backend-memfd", "secret",
                                            NULL};

static struct control_object *find_object(struct control *ctl, const char *id)
{
    for (unsigned i = 0; i < ctl->nobjects; i++)
        if (!strcmp(ctl->objects[i].id, id))
            return &ctl->objects[i];
    return NULL;
}

static bool known_type(const char *type, struct error *err)
{
    for (unsigned i = 0; control_object_types[i]; i++)
        if (!strcmp(type, control_object_types[i]))
            return true;
    return error_set(err, "object type '%s': not in this version; did you mean %s?", type,
                     suggest(type, control_object_types));
}

bool control_add_object(struct control *ctl, const char *type, const char *id, uint64_t size,
                        struct error *err)
{
    struct control_object *o = &ctl->objects[ctl->nobjects];

    if (!known_type(type, err))
        return false;
    if (find_object(ctl, id))
        return error_set(err, "attempt to add duplicate property '%s' to object (type 'container')",
                         id);
    if (ctl->nobjects == CONTROL_MAX_OBJECTS)
        return error_set(err, "more than %d objects", CONTROL_MAX_OBJECTS);
    *o = (struct control_object){.id = strdup(id), .type = strdup(type), .size = size};
    if (!o->id || !o->type) {
        free(o->id);
        free(o->type);
        return error_set(err, "out of memory");
    }
    ctl->nobjects++;
    return true;
}

bool control_del_object(struct control *ctl, const char *id, struct error *err)
{
    struct control_object *o = find_object(ctl, id);

    if (!o)
        return error_set(err, "object '%s' not found", id);
    if (strcmp(o->type, "secret") != 0)
        return error_set(err, "object '%s' is in use, can not be deleted", id);
    free(o->id);
    free(o->type);
    *o = ctl->objects[--ctl->nobjects];
    return true;
}

/* ---- life ---- */

struct control *control_new(struct machine *m, const struct monitor_about *about,
                            const struct monitor_hooks *hooks)
{
    struct control *ctl = calloc(1, sizeof(*ctl));

    if (!ctl)
        return NULL;
    ctl->m = m;
    ctl->about = *about;
    ctl->hooks = *hooks;
    m->run.event = on_event;
    m->run.event_opaque = ctl;
    ctl->watch = (struct drive_watch){on_io_error, on_tray_moved, ctl, NULL};
    if (about->drives) {
        machine_lock(m);
        drives_watch(about->drives, &ctl->watch);
        machine_unlock(m);
    }
    return ctl;
}

void control_free(struct control *ctl)
{
    if (!ctl)
        return;
    for (unsigned i = 0; i < ctl->nobjects; i++) {
        free(ctl->objects[i].id);
        free(ctl->objects[i].type);
    }
    ctl->m->run.event = NULL;
    for (unsigned i = 0; i < ctl->nfds; i++) {
        close(ctl->fds[i].fd);
        free(ctl->fds[i].name);
    }
    qmp_jobs_free(ctl);
    free(ctl);
}
