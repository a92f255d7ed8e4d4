/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line becomes a machine; then the main loop: host file descriptors, host time, signals
 * and the end. Each step of building is undone by its counterpart in app_close(), whatever part
 * of it was reached. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "cmdline.h"
#include "cmdline_devices.h"
#include "cmdline_drives.h"
#include "cmdline_net.h"
#include "cmdline_record.h"
#include "cmdline_services.h"
#include "cpu/x86/kvm/kvm.h"
#include "cpu/x86/report.h"
#include "debugger/commands.h"
#include "debugger/debugger.h"
#include "debugger/gdb.h"
#include "debugger/prompt.h"
#include "debugger/symbols.h"
#include "doctor.h"
#include "engine.h"
#include "host/block/drive.h"
#include "host/char/backend.h"
#include "host/char/match.h"
#include "host/daemon.h"
#include "host/migrate/migrate.h"
#include "host/net/backend.h"
#include "host/poll.h"
#include "host/signals.h"
#include "host/ui/display.h"
#include "host/ui/ui.h"
#include "machines/pc.h"
#include "machines/pc_cpus.h"
#include "machines/vga_font.h"
#include "monitor/control.h"
#include "monitor/monitor.h"
#include "monitor/qmp.h"
#include "vm/record.h"

struct app {
    struct settings settings;
    struct log log; /* of -d and -D, until the machine has it */
    struct poller poller;
    struct chardevs *chardevs;
    struct nets *nets;
    struct terminal_monitor { /* on a connection: what will listen there */
        struct chardev *chr;
        bool qmp, pretty;
        struct monitor *monitor;
        struct qmp *session;
    } monitors[MAX_MONITORS + MAX_SERIAL];
    unsigned nmonitors;
    struct control *control;
    struct debugger *debugger;
    struct commands *commands; /* the debugger's */
    struct prompt *prompt;
    struct chardev *gdb_chr; /* -gdb, gdbserver */
    struct gdb *gdb;
    struct daemon daemon;
    uint8_t uuid[16];
    struct until {
        struct app *app;
        struct matcher matcher;
    } until[MAX_SERIAL];
    atomic_bool until_seen;
    struct signals signals;
    unsigned power_presses;
    bool signalled, quit;
    atomic_bool ui_quit; /* a front end wants to end */
    atomic_bool broken;  /* what -incoming brought is no good */
    struct pc_config config;
    struct smbios_settings smbios;
    struct pc_cpus cpus;
    struct pc pc;
    bool pc_built;
    struct display display; /* of pc.vga, if there is one */
    struct ui *ui;
    char vga_rom[4096], own_bios[4096];
    struct engines engines;
};

static uint64_t host_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static void request_quit(void *opaque)
{
    struct app *app = opaque;

    app->quit = true;
    poller_wake(&app->poller);
}

static void press_power_button(void *opaque)
{
    struct app *app = opaque;

    piix4_pm_press_power_button(&app->pc.pm);
}

static void notify(void *opaque)
{
    poller_wake(opaque);
}

/* ---- signals ---- */

/* The first SIGINT or SIGTERM asks the guest to shut down; the second does not ask. */
static void on_signal(void *opaque, bool hangup)
{
    struct app *app = opaque;

    if (!hangup && prompt_interrupt(app->prompt))
        return;
    if (hangup || app->power_presses++ > 0) {
        app->signalled = app->quit = true;
        return;
    }
    if (app->settings.machine_none) {
        app->signalled = app->quit = true;
        return;
    }
    fputs("calque: power button pressed; once more ends at once\n", stderr);
    press_power_button(app);
}

/* ---- the terminal side ---- */

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

/* The machine comes later: start_monitors() makes it listen. */
static bool add_monitor(struct app *app, struct chardev *c, bool qmp, bool pretty,
                        struct error *err)
{
    if (!c)
        return true;
    if (qmp && !qmp_available())
        return error_set(err, "QMP is not in this build (jansson)");
    app->monitors[app->nmonitors++] = (struct terminal_monitor){c, qmp, pretty, NULL, NULL};
    return true;
}

/* ---- gdb ---- */

static void close_gdb(struct app *app)
{
    gdb_free(app->gdb);
    if (app->gdb_chr) /* options may have been refused before there were any */
        chardev_remove(app->chardevs, app->gdb_chr);
    app->gdb = NULL;
    app->gdb_chr = NULL;
}

static bool open_gdb_connection(struct app *app, const char *where, struct error *err)
{
    char *spec = gdb_connection(where);
    bool ok = spec && chardev_open(app->chardevs, spec, "gdb", &app->gdb_chr, NULL, err);

    free(spec);
    return ok || (!spec && error_set(err, "out of memory"));
}

static bool start_gdb(struct app *app, struct error *err)
{
    if (app->gdb_chr)
        app->gdb = gdb_new(app->debugger, app->gdb_chr, err);
    return !app->gdb_chr || app->gdb;
}

/* The monitor's gdbserver. */
static bool set_gdbserver(void *opaque, const char *where, struct error *err)
{
    struct app *app = opaque;

    if (app->gdb && gdb_is_busy(app->gdb))
        return error_set(err, "gdb itself cannot have that changed");
    close_gdb(app);
    if (open_gdb_connection(app, where, err) && start_gdb(app, err))
        return true;
    close_gdb(app);
    return false;
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
        .powerdown = s->machine_none ? NULL : press_power_button,
        .quit = request_quit,
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

static bool runs_at_once(const struct settings *s)
{
    return !s->start_paused && !s->debug;
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

/* What -incoming or -loadvm asks for. After the machine has been powered on. */
static bool restore(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;
    bool ok = true;

    machine_lock(&app->pc.m);
    if (s->incoming)
        ok = migrate_incoming(app->control->migrate, s->incoming, runs_at_once(s), err) ||
             error_prefix(err, "-incoming");
    else if (s->loadvm)
        ok = snapshot_load(app->control->migrate, s->loadvm, err) || error_prefix(err, "-loadvm");
    machine_unlock(&app->pc.m);
    return ok;
}

static bool start_monitors(struct app *app, struct error *err)
{
    if (!create_control(app, err))
        return false;
    if (!app->settings.machine_none &&
        !control_add_migration(app->control, app->settings.cpu, wake_main, incoming_broken, app))
        return error_set(err, "out of memory");
    app->debugger = debugger_new(app->control, err);
    app->commands = app->debugger ? commands_new(app->debugger, err) : NULL;
    if (!app->commands || !start_gdb(app, err))
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

/* Runs in whatever thread the guest's output comes from. */
static void until_feed(void *opaque, const void *data, size_t len)
{
    struct until *u = opaque;

    if (u->matcher.found || !matcher_feed(&u->matcher, data, len))
        return;
    atomic_store(&u->app->until_seen, true);
    poller_wake(&u->app->poller);
}

static bool watch_until(struct app *app, unsigned n, struct chardev *c, struct error *err)
{
    struct until *u = &app->until[n];

    if (!app->settings.until || !c)
        return true;
    if (!matcher_init(&u->matcher, app->settings.until))
        return error_set(err, "out of memory");
    u->app = app;
    chardev_tap(c, until_feed, u);
    return true;
}

static bool open_serial(struct app *app, unsigned n, struct error *err)
{
    char label[24];
    bool monitor;
    struct chardev **c = &app->config.serial[n];

    snprintf(label, sizeof(label), "serial%u", n);
    if (!chardev_open(app->chardevs, app->settings.serial[n], label, c, &monitor, err)) {
        error_prefix(err, "-serial");
        return false;
    }
    app->config.serial_present[n] = strcmp(app->settings.serial[n], "none") != 0;
    return watch_until(app, n, *c, err) && (!monitor || add_monitor(app, *c, false, false, err));
}

static bool open_monitors(struct app *app, struct error *err)
{
    for (unsigned i = 0; i < app->settings.nmonitors; i++) {
        const struct monitor_setting *s = &app->settings.monitors[i];
        struct chardev *c;
        char label[24];

        snprintf(label, sizeof(label), "compat_monitor%u", i);
        if (!chardev_open(app->chardevs, s->spec, label, &c, NULL, err) ||
            !add_monitor(app, c, s->qmp, s->pretty, err))
            return error_prefix(err, s->qmp ? "-qmp" : "-monitor");
    }
    return true;
}

static bool open_debugcon(struct app *app, unsigned n, struct error *err)
{
    const struct debugcon_setting *d = &app->settings.debugcon[n];
    char spec[80], label[24];

    snprintf(spec, sizeof(spec), "chardev:%s", d->chardev);
    snprintf(label, sizeof(label), "debugcon%u", n);
    app->config.debugcon[n].port = (uint16_t)d->iobase;
    if (chardev_open(app->chardevs, d->spec ? d->spec : spec, label, &app->config.debugcon[n].chr,
                     NULL, err))
        return true;
    error_prefix(err, "debug console");
    return false;
}

static bool open_parallel(struct app *app, unsigned n, struct error *err)
{
    const struct parallel_setting *p = &app->settings.parallel[n];
    char spec[80], label[24];

    snprintf(spec, sizeof(spec), "chardev:%s", p->chardev);
    snprintf(label, sizeof(label), "parallel%u", n);
    app->config.parallel[n].port = (uint16_t)p->iobase;
    app->config.parallel[n].irq = (uint8_t)p->irq;
    if (chardev_open(app->chardevs, p->spec ? p->spec : spec, label, &app->config.parallel[n].chr,
                     NULL, err))
        return true;
    error_prefix(err, "parallel port");
    return false;
}

static bool open_terminals(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;

    app->chardevs = chardevs_new(&app->poller, (struct escape_actions){request_quit, app});
    if (!app->chardevs)
        return error_set(err, "out of memory");
    for (unsigned i = 0; i < s->nchardev; i++) {
        if (!chardev_define(app->chardevs, s->chardev[i], err)) {
            error_prefix(err, "-chardev %s", s->chardev[i]);
            return false;
        }
    }
    for (unsigned i = 0; i < s->nserial; i++)
        if (!open_serial(app, i, err))
            return false;
    for (unsigned i = 0; i < s->ndebugcon; i++)
        if (!open_debugcon(app, i, err))
            return false;
    for (unsigned i = 0; i < s->nparallel; i++)
        if (!open_parallel(app, i, err))
            return false;
    if (s->gdb && !open_gdb_connection(app, s->gdb, err)) {
        error_prefix(err, "-gdb");
        return false;
    }
    return open_monitors(app, err);
}

/* ---- the machine ---- */

/* What a triple fault's report will show: all, if that was asked for by name. */
static bool keep_histories(struct app *app)
{
    struct machine *m = &app->pc.m;
    bool whole = app->settings.triple_fault == TRIPLE_FAULT_REPORT;

    for (unsigned i = 0; i < m->ncpus && app->config.triple_fault_ends; i++)
        if (!report_keep_history(cpu_of(m->cpus[i]), whole))
            return false;
    return true;
}

/* What KVM cannot run, -cpu max does without; of another model it is an error. */
static bool fit_model(const struct settings *s, struct cpu_model *model, struct error *err)
{
    if (s->icount)
        return error_set(err, "-icount: KVM does not count instructions");
    if (s->record || s->replay || s->history)
        return error_set(err, "what KVM runs cannot be recorded");
    return kvm_fit_model(model, !strcmp(model->name, "max"), err);
}

/* What nobody wants under KVM, without saying so: each instruction is to be seen or counted. */
static bool wants_software(const struct settings *s)
{
    return s->icount || s->record || s->replay || s->history || s->log_categories || s->debug ||
           s->gdb || s->triple_fault == TRIPLE_FAULT_REPORT;
}

/* A person is told what runs the machine, and why not the better one; a script is not
 * interested. */
static void tell_engine(const struct settings *s, const struct error *why)
{
    if (!isatty(STDERR_FILENO))
        return;
    if (s->kvm)
        fprintf(stderr, "calque: -accel kvm\n");
    else
        fprintf(stderr, "calque: -accel jit, not kvm: %s\n", why->text);
}

/* -accel, or the best that works here: kvm, else jit. Under KVM the processor is what the host's
 * can be. */
static bool choose_engine(struct app *app, struct error *err)
{
    struct settings *s = &app->settings;
    struct cpu_model fit = app->cpus.model;
    struct error why;

    if (s->kvm)
        return fit_model(s, &app->cpus.model, err) || error_prefix(err, "-accel kvm");
    if (s->engine_given || s->machine_none || wants_software(s))
        return true;
    s->kvm = kvm_probe(&why) && fit_model(s, &fit, &why);
    if (s->kvm)
        app->cpus.model = fit;
    tell_engine(s, &why);
    return true;
}

/* Without a translator the interpreter runs the machine: it is slower, and the same. KVM must do
 * if it was asked for by name. */
static bool start_engine(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;
    struct error why = {0};

    app->engines = (struct engines){.m = &app->pc.m, .config = s->translator, .irqchip = s->irqchip};
    engines_follow_debugger(&app->engines);
    if (s->kvm && engine_switch(&app->engines, ENGINE_KVM, &why))
        return true;
    if (s->kvm && s->engine_given)
        return error_set(err, "-accel kvm: %s", why.text);
    if (s->kvm)
        fprintf(stderr, "calque: -accel jit, not kvm: %s\n", why.text);
    if (s->jit && !engine_switch(&app->engines, ENGINE_JIT, &why) && s->engine_given)
        fprintf(stderr, "calque: -accel jit: %s; the interpreter runs instead\n", why.text);
    return true;
}

/* There is something that a BIOS could boot. */
static bool has_disk(const struct settings *s)
{
    for (struct blockdev *b = s->drives ? drive_next(s->drives, NULL) : NULL; b;
         b = drive_next(s->drives, b))
        if (blockdev_has_medium(b))
            return true;
    return s->ndisks != 0;
}

/* Our own BIOS, where make install or make puts it; NULL: in neither place. */
static const char *find_own_bios(struct app *app)
{
    static const char *const places[] = {"../share/calque/bios.bin", "../../roms/bios.bin"};
    char program[2048];
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

    if (n < 0)
        return NULL;
    program[n] = 0;
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(app->own_bios, sizeof(app->own_bios), "%.*s%s",
                 (int)(strrchr(program, '/') + 1 - program), program, places[i]);
        if (access(app->own_bios, R_OK) == 0)
            return app->own_bios;
    }
    return NULL;
}

/* The BIOS of the display adapter is that of romfile=, or the one next to -bios. */
static const char *find_vga_rom(struct app *app)
{
    const struct settings *s = &app->settings;
    const char *slash = s->bios ? strrchr(s->bios, '/') : NULL;

    if (s->vga_rom_given)
        return *s->vga_rom ? s->vga_rom : NULL;
    if (!s->bios)
        return NULL;
    for (unsigned i = 0; i < 2; i++) {
        snprintf(app->vga_rom, sizeof(app->vga_rom), "%.*s%s",
                 slash ? (int)(slash - s->bios + 1) : 0, s->bios,
                 i ? "vgabios.bin" : "vgabios-stdvga.bin"); /* ours, SeaBIOS's */
        if (access(app->vga_rom, R_OK) == 0)
            return app->vga_rom;
    }
    return NULL;
}

static void configure_vga(struct app *app)
{
    const struct settings *s = &app->settings;
    struct pc_config *c = &app->config;

    c->vga = settings_have_vga(s);
    c->vga_place = s->vga_place;
    c->vga_place.type = "VGA";
    c->vga_place.order = 0; /* slot 2, if it is free */
    c->vga_memory = s->vga_memory;
    c->vga_xres = (uint16_t)s->vga_xres;
    c->vga_yres = (uint16_t)s->vga_yres;
    c->vga_rom = c->vga ? find_vga_rom(app) : NULL;
    c->vga_font = vga_font_8x16();
}

static void open_display(struct app *app)
{
    struct display_source source = stdvga_source(&app->pc.vga);

    if (app->config.vga)
        display_init(&app->display, &app->pc.m, &source);
}

/* ---- front ends: they call from threads of their own ---- */

static void ui_quit(void *opaque)
{
    struct app *app = opaque;

    atomic_store(&app->ui_quit, true);
    poller_wake(&app->poller);
}

static void ui_powerdown(void *opaque)
{
    struct app *app = opaque;

    machine_lock(&app->pc.m);
    press_power_button(app);
    machine_unlock(&app->pc.m);
}

static void ui_status(void *opaque, char *text, size_t size)
{
    static const char *const states[] = {"paused", "running", "ended"};
    struct app *app = opaque;

    machine_lock(&app->pc.m);
    snprintf(text, size, "%s, %s", states[app->pc.m.run.state], engine_name(app->engines.current));
    machine_unlock(&app->pc.m);
}

static void ui_vnc_event(void *opaque, enum vnc_event event, const struct vnc_peer *server,
                         const struct vnc_peer *viewer, bool password)
{
    struct app *app = opaque;

    machine_lock(&app->pc.m);
    control_vnc_event(app->control, event, server, viewer, password);
    machine_unlock(&app->pc.m);
}

static bool open_ui(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;
    const struct ui_config config = {
        .kind = s->display,
        .options = s->display_options,
        .vnc = s->vnc,
        .keymap = s->keymap,
        .full_screen = s->full_screen,
        .name = s->name,
        .font = vga_font_8x16(),
        .hooks = {ui_quit, ui_powerdown, ui_status, ui_vnc_event, app}};

    if (s->machine_none)
        return true;
    return ui_open(&config, app->config.vga ? &app->display : NULL, &app->pc.hid, &app->ui, err);
}

/* -machine memory-backend=ID: guest memory is one memfd, as a back end of that size would be. */
static bool check_memory_backend(const struct settings *s, struct error *err)
{
    if (!s->memory_backend)
        return true;
    for (unsigned i = 0; i < s->nobjects; i++) {
        const struct object_setting *o = &s->objects[i];

        if (strcmp(o->id, s->memory_backend) != 0)
            continue;
        return (o->size && o->size == s->ram_size) ||
               error_set(err, "-machine memory-backend=%s: its size is not that of -m", o->id);
    }
    return error_set(err, "-machine memory-backend=%s: no -object has this id", s->memory_backend);
}

static void parse_uuid_bytes(const char *text, uint8_t out[16])
{
    unsigned n = 0;

    for (; *text && n < 32; text++)
        if (*text != '-') {
            unsigned digit =
                *text <= '9' ? (unsigned)*text - '0' : ((unsigned)*text | 32) - 'a' + 10;

            out[n / 2] = (uint8_t)(n % 2 ? out[n / 2] | digit : digit << 4);
            n++;
        }
}

/* -uuid comes first: -smbios type=1,uuid= has the last word. */
static bool set_identity(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;
    char text[80];

    if (s->uuid) {
        snprintf(text, sizeof(text), "type=1,uuid=%s", s->uuid);
        if (!smbios_parse(&app->smbios, text, err))
            return false;
        parse_uuid_bytes(s->uuid, app->uuid);
        app->config.uuid = app->uuid;
    }
    for (unsigned i = 0; i < s->nsmbios; i++)
        if (!smbios_parse(&app->smbios, s->smbios[i], err))
            return false;
    app->config.smbios = &app->smbios;
    return true;
}

static void set_boot(struct app *app)
{
    const struct settings *s = &app->settings;
    struct pc_config *c = &app->config;

    c->boot.order = s->boot.order;
    c->boot.once = s->boot.once;
    c->boot.menu = s->boot.menu;
    c->boot.strict = s->boot.strict;
    c->boot.has_splash_time = s->boot.has_splash_time;
    c->boot.splash_time = (uint16_t)s->boot.splash_time;
    c->boot.has_reboot_timeout = s->boot.has_reboot_timeout;
    c->boot.reboot_timeout = (uint16_t)s->boot.reboot_timeout;
    c->rtc_base = (struct pc_clock){
        .localtime = s->rtc.localtime, .has_date = s->rtc.has_date, .date = s->rtc.date};
    c->kernel = s->kernel;
    c->initrd = s->initrd;
    c->append = s->append;
    c->bios = s->bios;
}

static void set_devices(struct app *app)
{
    const struct settings *s = &app->settings;
    struct pc_config *c = &app->config;

    c->debug_exit_port = s->debug_exit ? (uint16_t)s->debug_exit_iobase : 0;
    c->debug_exit_size = (unsigned)s->debug_exit_iosize;
    c->pc_testdev = s->pc_testdev;
    c->pci_testdev = s->pci_testdev;
    c->pci_testdev_membar = s->pci_testdev_membar;
    c->no_hpet = s->no_hpet;
    c->tablet = s->tablet;
    c->tablet_place = s->tablet_place;
    memcpy(c->bridges, s->bridges, sizeof(c->bridges));
    c->nbridges = s->nbridges;
    c->pci_testdev_place = s->pci_testdev_place;
    /* What a device does to registers, lockstep does not see. */
    c->no_vmport = s->no_vmport || s->translator.lockstep;
}

/* The -audiodev that the speaker is heard at: that of -machine, or the first. */
static const struct audio_config *speaker_audio(const struct settings *s)
{
    for (unsigned i = 0; i < s->naudiodevs; i++)
        if (!s->pcspk_audiodev || !strcmp(s->audiodevs[i].id, s->pcspk_audiodev))
            return &s->audiodevs[i].config;
    return NULL;
}

/* A window has sound where there is some, and does without otherwise. */
static bool open_audio(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;
    const struct audio_config *config = speaker_audio(s), window = {AUDIO_SDL, NULL};
    struct error none;

    if (s->replay && config && !s->recorded_speaker)
        return error_set(err, "-audiodev: the machine of the recording had no sound");
    app->config.unheard = s->replay && s->recorded_speaker;
    if (s->pcspk_audiodev && !config)
        return error_set(err, "-machine pcspk-audiodev=%s: no -audiodev has this id",
                         s->pcspk_audiodev);
    if (config && !audio_open(config, &app->config.audio, err)) {
        error_prefix(err, "-audiodev");
        return false;
    }
    if (!config && s->display == UI_SDL && audio_have_sound() &&
        (!s->replay || s->recorded_speaker))
        audio_open(&window, &app->config.audio, &none);
    return !app->config.audio || record_remember_speaker(&app->settings, err);
}

/* A network card that may be booted from. */
static bool has_rom(const struct pc_net_config *c)
{
    bool any = false;

    for (unsigned n = 0; n < c->nnics; n++)
        any |= c->nics[n].rom != NULL;
    return any;
}

/* CPUs run at the same time unless what is asked for needs them one after the other. Instructions
 * that one CPU executes show to another in the order of x86; so only on hosts that keep it. */
static bool has_cpu_threads(const struct settings *s)
{
#if defined(__x86_64__)
    return !s->cpus_in_turns && !s->icount && !s->translator.lockstep;
#else
    (void)s;
    return false;
#endif
}

static bool build_pc(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;
    struct pc_config *c = &app->config;

    if (!drives_resolve(&app->settings, &c->storage, err) ||
        !net_resolve(&app->settings, app->nets, &c->net, err) ||
        !services_resolve(&app->settings, &app->poller, app->chardevs, &c->services, err))
        return false;
    if (!s->kernel && !s->bios && !c->storage.flash[0] && (has_disk(s) || has_rom(&c->net)))
        app->settings.bios = find_own_bios(app);
    if (!s->kernel && !s->bios && !c->storage.flash[0])
        return error_set(err, "nothing to boot: -kernel FILE or -bios FILE is expected; "
                              "see calque --help");
    c->ram_size = s->ram_size;
    c->ncpus = (unsigned)s->smp.cpus;
    app->cpus.model.topology = (struct cpu_topology){.sockets = (uint16_t)s->smp.sockets,
                                                     .cores = (uint16_t)s->smp.cores,
                                                     .threads = (uint16_t)s->smp.threads};
    set_boot(app);
    set_devices(app);
    configure_vga(app);
    if (!open_audio(app, err) || !set_identity(app, err) || !check_memory_backend(s, err))
        return false;
    c->no_reboot = s->no_reboot;
    c->triple_fault_ends = settings_report_triple_fault(s);
    c->icount = s->icount;
    c->icount_shift = (unsigned)s->icount_shift;
    c->icount_auto = s->icount_auto;
    c->create_cpus = pc_cpus_create;
    c->create_cpus_opaque = &app->cpus;
    app->cpus.threads = has_cpu_threads(s);
    if (s->cpu_threads && !app->cpus.threads)
        return error_set(err, "-accel thread=multi: CPUs take turns with -icount, a recording, "
                              "lockstep or KVM, and on hosts that are not x86-64");
    if (!pc_init(&app->pc, c, err))
        return false;
    app->pc_built = true;
    if (s->has_seed)
        machine_seed(&app->pc.m, s->seed);
    nets_start(app->nets, &app->pc.m);
    services_start(&app->pc);
    open_display(app);
    return keep_histories(app) || error_set(err, "out of memory");
}

/* -machine none: only what there is to be asked about. */
static bool build_none(struct app *app, struct error *err)
{
    if (app->settings.kernel || app->settings.bios)
        return error_set(err, "-machine none: there is nothing that could boot");
    app->pc_built = machine_init(&app->pc.m, 0, 0, err);
    return app->pc_built;
}

/* Which drives there are, in the order of the options. */
static bool list_drives(struct app *app, struct record_header *h)
{
    struct drives *ds = app->settings.drives;
    unsigned n = 0;

    for (struct blockdev *b = drive_next(ds, NULL); b; b = drive_next(ds, b))
        n++;
    h->drives = calloc(n ? n : 1, sizeof(*h->drives));
    if (!h->drives)
        return false;
    for (struct blockdev *b = drive_next(ds, NULL); b; b = drive_next(ds, b))
        h->drives[h->ndrives++] = (struct record_drive){.id = (char *)drive_config(b)->id,
                                                        .size = blockdev_geometry(b).size,
                                                        .medium = blockdev_has_medium(b),
                                                        .read_only = blockdev_read_only(b)};
    return true;
}

static bool begin_recording(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;
    struct record_header h = {.args = s->words};
    struct record_setup setup = {.path = s->record, .header = &h, .history = s->history};
    bool ok = list_drives(app, &h) ? record_begin(&app->pc.m, &setup, err)
                                   : error_set(err, "out of memory");

    free(h.drives);
    return ok || error_prefix(err, s->record ? "--record" : "--history");
}

/* Somebody outside answers the guest over a network, in the host's time. */
static bool has_peers(const struct settings *s)
{
    for (unsigned n = 0; n < s->nnetdevs; n++)
        if (strncmp(s->netdevs[n], "hubport", strlen("hubport")))
            return true;
    for (unsigned n = 0; n < s->nnics; n++)
        if (s->nics[n].backend)
            return true;
    return false;
}

/* --record, --history, --replay. Where a person or a network waits for the guest, an idle guest
 * waits as long as it thinks it does. */
static bool begin_time(struct app *app, struct error *err)
{
    struct settings *s = &app->settings;
    struct run_control *r = &app->pc.m.run;
    bool waited_for = isatty(STDIN_FILENO) || s->display != UI_NONE || has_peers(s);

    r->sleeps = s->icount_sleep == SLEEP_ON ||
                (s->icount_sleep == SLEEP_DEFAULT && (s->record || s->history) && waited_for);
    if (s->replay)
        return record_replay(&app->pc.m, s->replay, s->history ? s->history : UINT64_MAX, err) ||
               error_prefix(err, "--replay");
    return (!s->record && !s->history) || begin_recording(app, err);
}

static bool build_machine(struct app *app, struct error *err)
{
    struct machine *m = &app->pc.m;

    if (!(app->settings.machine_none ? build_none(app, err) : build_pc(app, err)))
        return false;
    m->log = app->log; /* moved: the machine closes it */
    log_init(&app->log);
    m->run.notify = notify;
    m->run.notify_opaque = &app->poller;
    m->run.no_shutdown = app->settings.no_shutdown;
    if (!app->settings.dump_guest_core)
        madvise(m->arena.host, m->arena.capacity, MADV_DONTDUMP);
    return start_monitors(app, err) &&
           (app->settings.machine_none ||
            (start_engine(app, err) && pc_power_on(&app->pc, err) && begin_time(app, err)));
}

static bool open_log(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;

    log_init(&app->log);
    app->log.timestamps = s->timestamps;
    if (s->log_file && !log_open_file(&app->log, s->log_file, err))
        return false;
    return !s->log_categories || log_parse_mask(&app->log, s->log_categories, err);
}

/* Signals are ours by now: none can end the process and leave the terminal raw. */
static bool start_terminal(struct app *app)
{
    chardevs_start(app->chardevs);
    return true;
}

/* The debugger's prompt listens on this process's terminal, which it shares with the guest's serial
 * port if that is there, too. */
static bool share_terminal(struct app *app, struct error *err)
{
    struct chardev *c = chardev_stdio(app->chardevs);

    if (!app->settings.debug)
        return true;
    if (!c)
        return chardev_open(app->chardevs, "stdio", "debugger", &c, NULL, err);
    for (unsigned i = 0; i < app->nmonitors; i++)
        if (app->monitors[i].chr == c && !chardev_shared(c))
            return error_set(err,
                             "--debug: this terminal is a monitor's; -serial mon:stdio shares it");
    chardev_share(c);
    return true;
}

static bool start_prompt(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;
    struct chardev *c = chardev_stdio(app->chardevs);
    struct prompt_script scripts[MAX_SCRIPTS];

    if (!c || !chardev_shared(c)) /* the prompt could not be reached */
        c = s->debug ? c : NULL;
    if (!c)
        return true;
    for (unsigned i = 0; i < s->nscripts; i++)
        scripts[i] = (struct prompt_script){s->scripts[i].is_file, s->scripts[i].text};
    app->prompt = prompt_new(&(struct prompt_config){.debugger = app->debugger,
                                                     .commands = app->commands,
                                                     .chr = c,
                                                     .begin = s->debug,
                                                     .scripts = scripts,
                                                     .nscripts = s->nscripts,
                                                     .quit = request_quit,
                                                     .opaque = app},
                             err);
    return app->prompt;
}

/* What ps and top show. */
static bool name_process(const struct settings *s)
{
    if (s->process_name)
        prctl(PR_SET_NAME, s->process_name);
    return true;
}

static bool name_threads(struct app *app)
{
    const struct machine *m = &app->pc.m;
    char name[16];

    if (!app->settings.debug_threads)
        return true;
    pthread_setname_np(m->run.thread, "CPU");
    for (unsigned n = 0; n < m->ncpus && m->run.threads; n++) {
        snprintf(name, sizeof(name), "CPU %u", n);
        pthread_setname_np(m->cpus[n]->own_thread, name);
    }
    return true;
}

static bool app_open(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;

    return (!s->daemonize || daemon_begin(&app->daemon, err)) && name_process(s) &&
           daemon_pidfile(&app->daemon, s->pidfile, err) && open_log(app, err) &&
           cpu_model_parse(&app->cpus.model, app->settings.cpu, err) && choose_engine(app, err) &&
           poller_init(&app->poller, err) &&
           ((app->nets = nets_new(&app->poller)) || error_set(err, "out of memory")) &&
           open_terminals(app, err) && share_terminal(app, err) && build_machine(app, err) &&
           open_ui(app, err) && signals_init(&app->signals, &app->poller, on_signal, app, err) &&
           start_terminal(app) &&
           (machine_start_threads(&app->pc.m) || error_set(err, "a thread cannot be started")) &&
           restore(app, err) && start_prompt(app, err) && (!app->ui || ui_start(app->ui, err)) &&
           name_threads(app) && daemon_ready(&app->daemon, err);
}

/* What is under way ends, and devices free what it took. */
static void close_drives(struct app *app)
{
    struct drives *ds = app->settings.drives;

    if (app->pc_built)
        machine_lock(&app->pc.m);
    for (struct blockdev *b = ds && app->pc_built ? drive_next(ds, NULL) : NULL; b;
         b = drive_next(ds, b))
        blockdev_drain(b);
    drives_free(ds);
    if (app->pc_built)
        machine_unlock(&app->pc.m);
}

static void app_close(struct app *app)
{
    prompt_free(app->prompt);
    for (unsigned i = 0; i < app->nmonitors; i++) {
        monitor_free(app->monitors[i].monitor);
        qmp_free(app->monitors[i].session);
    }
    ui_close(app->ui);
    if (app->control) /* a job under way uses drives */
        migrate_free(app->control->migrate);
    if (app->control)
        app->control->migrate = NULL;
    close_drives(app);
    nets_free(app->nets);
    display_destroy(&app->display);
    if (app->pc_built)
        machine_lock(&app->pc.m);
    close_gdb(app);
    commands_free(app->commands);
    debugger_free(app->debugger);
    if (app->pc_built)
        machine_unlock(&app->pc.m);
    control_free(app->control);
    if (app->pc_built)
        pc_destroy(&app->pc);
    services_close(&app->config.services);
    audio_close(app->config.audio);
    engines_destroy(&app->engines);
    smbios_settings_free(&app->smbios);
    chardevs_free(app->chardevs);
    for (unsigned i = 0; i < MAX_SERIAL; i++)
        matcher_destroy(&app->until[i].matcher);
    signals_destroy(&app->signals);
    poller_destroy(&app->poller);
    daemon_end(&app->daemon);
    log_close(&app->log);
}

/* ---- the main loop ---- */

/* Ends the machine if somebody outside of it wants that. */
static void check_outside(struct app *app, uint64_t deadline)
{
    enum stop_reason why = STOP_NONE;

    if (atomic_load(&app->until_seen))
        why = STOP_UNTIL;
    else if (app->quit || atomic_load(&app->ui_quit) || atomic_load(&app->broken))
        why = STOP_QUIT;
    else if (deadline && host_now() >= deadline)
        why = STOP_TIMEOUT;
    if (why == STOP_NONE)
        return;
    machine_lock(&app->pc.m);
    machine_request_end(&app->pc.m, why, 0);
    machine_unlock(&app->pc.m);
}

static bool ended(struct machine *m)
{
    machine_lock(m);
    bool yes = m->run.state == RUN_ENDED;
    machine_unlock(m);
    return yes;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

static void main_loop(struct app *app)
{
    struct machine *m = &app->pc.m;
    uint64_t deadline = app->settings.timeout_ns ? host_now() + app->settings.timeout_ns : 0;

    if (runs_at_once(&app->settings) && !app->settings.incoming) {
        machine_lock(m);
        machine_cont(m);
        machine_unlock(m);
    }
    while (true) {
        check_outside(app, deadline);
        if (ended(m)) {
            debugger_poll(app->debugger); /* which tells its faces */
            break;
        }
        int64_t wait = sooner(chardevs_prepare(app->chardevs), nets_prepare(app->nets));

        if (app->control->migrate)
            migrate_poll(app->control->migrate);
        wait = sooner(wait, machine_poll(m));
        for (unsigned i = 0; i < app->nmonitors; i++)
            wait = sooner(wait, monitor_poll(app->monitors[i].monitor));
        wait = sooner(wait, debugger_poll(app->debugger));
        wait = sooner(wait, prompt_poll(app->prompt));
        gdb_poll(app->gdb);
        if (deadline) {
            int64_t left = (int64_t)(deadline - host_now());

            wait = sooner(wait, left > 0 ? left : 0);
        }
        poller_run(&app->poller, wait);
    }
    machine_join(m);
}

static void report_line(void *opaque, const char *text)
{
    (void)opaque;
    fprintf(stderr, "%s\n", text);
}

static void report_triple_fault(const struct app *app)
{
    const struct machine *m = &app->pc.m;

    fputs("calque: triple fault\n", stderr);
    for (unsigned i = 0; i < m->ncpus; i++)
        report_shutdown(cpu_of(m->cpus[i]), report_line, NULL);
}

/* The exit status, and a line for the ends that a person did not ask for. */
static int exit_status(const struct app *app)
{
    const struct run_control *run = &app->pc.m.run;

    switch (run->reason) {
    case STOP_DEBUG_EXIT:
        return (int)((run->exit_value << 1 | 1) & 0xff);
    case STOP_TIMEOUT:
        fputs("calque: --timeout: time is up\n", stderr);
        return EXIT_TIMEOUT;
    case STOP_TRIPLE_FAULT:
        report_triple_fault(app);
        return EXIT_TRIPLE_FAULT;
    case STOP_DIFFERENCE:
        return EXIT_DIFFERENCE;
    case STOP_GUEST_PANIC:
        fputs("calque: the guest has panicked\n", stderr);
        if (app->settings.services.panic_action == PANIC_EXIT_FAILURE)
            return EXIT_ERROR;
        break;
    case STOP_ENGINE:
        return EXIT_ERROR;
    case STOP_UNTIL:
        return EXIT_OK;
    default:
        break;
    }
    if (app->signalled)
        return EXIT_SIGNALLED;
    if (atomic_load(&app->broken))
        return EXIT_ERROR;
    if (prompt_failed(app->prompt))
        return EXIT_ERROR;
    /* Output that came with the power-off still counts. */
    if (app->settings.until && !atomic_load(&app->until_seen) && run->reason != STOP_QUIT) {
        fprintf(stderr, "calque: the machine ended (%s) before \"%s\" was seen\n",
                stop_reason_name(run->reason), app->settings.until);
        return EXIT_UNTIL_MISSED;
    }
    return EXIT_OK;
}

static void print_line(void *opaque, const char *text)
{
    (void)opaque;
    puts(text);
}

static int run(struct app *app)
{
    struct error err = {""};
    int status = EXIT_ERROR;

    if (app_open(app, &err)) {
        main_loop(app);
        if (app->engines.translators) /* one: CPUs take turns in lockstep */
            translator_report(app->engines.translators[0], report_line, NULL);
        status = exit_status(app);
    } else if (!err.text[0]) {
        status = EXIT_OK; /* -d help */
    }
    app_close(app);
    if (err.text[0])
        fprintf(stderr, "calque: %s\n", err.text);
    return status;
}

int main(int argc, char **argv)
{
    struct app *app = calloc(1, sizeof(*app));
    struct error err = {""};
    int status = EXIT_ERROR;

    if (argc == 2 && !strcmp(argv[1], "doctor")) {
        free(app);
        return doctor_run();
    }
    if (!app) {
        fputs("calque: out of memory\n", stderr);
        return EXIT_ERROR;
    }
    app->poller.wake_fd = -1;
    switch (cmdline_parse(&app->settings, argv, &err)) {
    case CMDLINE_BAD:
        if (err.text[0]) /* else it has been said */
            fprintf(stderr, "calque: %s\n", err.text);
        drives_free(app->settings.drives);
        break;
    case CMDLINE_DONE:
        drives_free(app->settings.drives);
        status = EXIT_OK;
        break;
    case CMDLINE_RUN:
        if (!strcmp(app->settings.cpu, "help")) {
            cpu_model_list(print_line, NULL);
            drives_free(app->settings.drives);
            status = EXIT_OK;
        } else {
            status = run(app);
        }
    }
    settings_free(&app->settings);
    free(app);
    return status;
}
