/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What monitors, the debugger and gdb ask of the program, and their start. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/app.h"
#include "cli/cmdline_devices.h"
#include "cpu/x86/kvm/kvm.h"
#include "cpu/x86/report.h"
#include "debugger/commands.h"
#include "debugger/debugger.h"
#include "debugger/symbols.h"
#include "monitor/monitor.h"
#include "monitor/qmp.h"

static void print_registers(void *opaque, unsigned cpu, monitor_line_fn *line, void *line_opaque)
{
    struct app *app = opaque;

    cpu_print_registers(cpu_of(app->pc.m.cpus[cpu]), line, line_opaque);
}

static void print_translator(void *opaque, monitor_line_fn *line, void *line_opaque)
{
    struct app *app = opaque;

    if (!app->engines.ntranslators)
        line(line_opaque, "nothing is translated: -accel interp");
    for (unsigned n = 0; n < app->engines.ntranslators; n++) {
        char cpu[32];

        snprintf(cpu, sizeof(cpu), "CPU %u:", n);
        if (app->engines.ntranslators > 1)
            line(line_opaque, cpu);
        translator_describe(app->engines.translators[n], line, line_opaque);
    }
}

static void print_kvm(void *opaque, monitor_line_fn *line, void *line_opaque)
{
    struct app *app = opaque;

    if (app->engines.kvm)
        kvm_engine_describe(app->engines.kvm, line, line_opaque);
}

/* The monitor's. */
static bool switch_engine(void *opaque, const char *name, struct error *err)
{
    struct app *app = opaque;
    enum engine_kind kind;

    return engine_parse(name, &kind) ? engine_switch(&app->engines, kind, err)
                                     : error_set(err, "kvm, jit or interp is expected");
}

static const char *current_engine(void *opaque)
{
    return engine_name(((struct app *)opaque)->engines.current);
}

static bool set_vnc_password(void *opaque, const char *password, struct error *err)
{
    struct app *app = opaque;

    if (!app->ui)
        return error_set(err, "there is no VNC server");
    return ui_set_vnc_password(app->ui, password, err);
}

static bool expire_vnc_password(void *opaque, const char *when, struct error *err)
{
    struct app *app = opaque;

    if (!app->ui)
        return error_set(err, "there is no VNC server");
    return ui_expire_vnc_password(app->ui, when, err);
}

static void describe_vnc(void *opaque, struct vnc_info *info)
{
    ui_describe_vnc(((struct app *)opaque)->ui, info);
}

/* The monitor's gdbserver. */
static bool set_gdbserver(void *opaque, const char *where, struct error *err)
{
    struct app *app = opaque;

    return gdbserver_move(&app->gdb, app->chardevs, app->debugger, where, err);
}

static void each_option(void *opaque, void (*fn)(void *, const char *), void *fn_opaque)
{
    cmdline_each_option(opaque, fn, fn_opaque);
}

struct type_call {
    monitor_type_fn *fn;
    void *opaque;
};

static void one_device_type(void *opaque, const char *name,
                            const struct device_property *properties, unsigned n)
{
    struct type_call *call = opaque;
    struct monitor_property list[24];

    n = n < 24 ? n : 24;
    for (unsigned i = 0; i < n; i++)
        list[i] = (struct monitor_property){properties[i].name, "str", properties[i].help};
    call->fn(call->opaque, name, "device", list, n);
}

static void each_device_type(void *opaque, monitor_type_fn *fn, void *fn_opaque)
{
    struct type_call call = {fn, fn_opaque};

    (void)opaque;
    device_each(&call, one_device_type);
}

static void each_device(void *opaque,
                        void (*fn)(void *, const char *type, const char *id, const char *value),
                        void *fn_opaque)
{
    const struct settings *s = &((struct app *)opaque)->settings;

    for (unsigned i = 0; i < s->ndevices; i++)
        fn(fn_opaque, s->devices[i].type, s->devices[i].id, s->devices[i].value);
}

static bool create_control(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;
    const struct monitor_about about = {
        .name = s->name,
        .uuid = s->uuid,
        .machine = s->machine_none ? "none" : "pc",
        .pc = s->machine_none ? NULL : &app->pc,
        .cpu = &app->cpus.model,
        .maxcpus = (unsigned)s->smp.maxcpus,
        .sockets = (unsigned)s->smp.sockets,
        .cores = (unsigned)s->smp.cores,
        .threads = (unsigned)s->smp.threads,
        .chardevs = app->chardevs,
        .drives = s->drives,
        .nets = app->nets,
        .start_paused = s->start_paused || s->debug,
    };
    const struct monitor_hooks hooks = {
        .registers = print_registers,
        .jit = print_translator,
        .kvm = print_kvm,
        .accel = s->machine_none ? NULL : switch_engine,
        .engine = current_engine,
        .powerdown = s->machine_none ? NULL : app_press_power_button,
        .quit = app_request_quit,
        .device_types = each_device_type,
        .options = each_option,
        .devices = each_device,
        .opaque = app,
        .display = app->config.vga ? &app->display : NULL,
        .hid = s->machine_none ? NULL : &app->pc.hid,
        .vnc_password = set_vnc_password,
        .vnc_expire = expire_vnc_password,
        .vnc_describe = describe_vnc,
        .gdbserver = set_gdbserver,
    };

    app->control = control_new(&app->pc.m, &about, &hooks);
    if (!app->control)
        return error_set(err, "out of memory");
    for (unsigned i = 0; i < s->nobjects; i++)
        if (!control_add_object(app->control, s->objects[i].type, s->objects[i].id,
                                s->objects[i].size, err))
            return error_prefix(err, "-object %s", s->objects[i].type);
    return true;
}

static void wake_main(void *opaque)
{
    struct app *app = opaque;

    poller_wake(&app->poller);
}

static void incoming_broken(void *opaque, const char *text)
{
    struct app *app = opaque;

    fprintf(stderr, "calque: %s\n", text);
    atomic_store(&app->broken, true);
    poller_wake(&app->poller);
}

bool app_start_monitors(struct app *app, struct error *err)
{
    if (!create_control(app, err))
        return false;
    if (!app->settings.machine_none &&
        !control_add_migration(app->control, app->settings.cpu, wake_main, incoming_broken, app))
        return error_set(err, "out of memory");
    app->debugger = debugger_new(app->control, err);
    app->commands = app->debugger ? commands_new(app->debugger, err) : NULL;
    if (!app->commands || !gdbserver_start(&app->gdb, app->debugger, err))
        return false;
    if (app->settings.kernel)
        symbols_note_kernel(debugger_symbols(app->debugger), app->settings.kernel);
    if (app->settings.bios) /* ours has a map beside it; others have none */
        symbols_note_firmware(debugger_symbols(app->debugger), app->settings.bios);
    for (unsigned i = 0; i < app->nmonitors; i++) {
        struct terminal_monitor *t = &app->monitors[i];

        if (t->qmp)
            t->session = qmp_new(app->control, t->chr, t->pretty);
        else
            t->monitor = monitor_new(app->control, t->chr);
        if (!t->session && !t->monitor)
            return error_set(err, "out of memory");
    }
    return true;
}
