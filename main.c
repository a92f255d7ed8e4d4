/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line becomes a machine; then the main loop: host file descriptors, host time, signals
 * and the end. Each step of building is undone by its counterpart in app_close(), whatever part
 * of it was reached. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "cmdline.h"
#include "cmdline_drives.h"
#include "cpu/x86/report.h"
#include "host/block/drive.h"
#include "host/char/backend.h"
#include "host/char/match.h"
#include "host/poll.h"
#include "host/signals.h"
#include "machines/pc.h"
#include "machines/pc_cpus.h"
#include "monitor/monitor.h"

struct app {
    struct settings settings;
    struct log log; /* of -d and -D, until the machine has it */
    struct poller poller;
    struct chardevs *chardevs;
    struct monitor *monitors[2]; /* -monitor, and on the shared terminal */
    unsigned nmonitors;
    struct until {
        struct app *app;
        struct matcher matcher;
    } until[MAX_SERIAL];
    atomic_bool until_seen;
    struct signals signals;
    unsigned power_presses;
    bool signalled, quit;
    struct pc_config config;
    struct smbios_settings smbios;
    struct pc_cpus cpus;
    struct pc pc;
    bool pc_built;
    struct translator *translator;
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

    if (hangup || app->power_presses++ > 0) {
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

    if (app->translator)
        translator_describe(app->translator, line, line_opaque);
    else
        line(line_opaque, "nothing is translated: -accel interp");
}

static bool add_monitor(struct app *app, struct chardev *c, struct error *err)
{
    struct monitor_hooks hooks = {print_registers, print_translator, press_power_button,
                                  request_quit, app};

    if (!c)
        return true;
    struct monitor *mon = monitor_new(&app->pc.m, c, hooks);
    if (!mon)
        return error_set(err, "out of memory");
    app->monitors[app->nmonitors++] = mon;
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
    return watch_until(app, n, *c, err) && (!monitor || add_monitor(app, *c, err));
}

static bool open_monitor(struct app *app, struct error *err)
{
    struct chardev *c;

    if (!app->settings.monitor)
        return true;
    if (!chardev_open(app->chardevs, app->settings.monitor, "monitor", &c, NULL, err)) {
        error_prefix(err, "-monitor");
        return false;
    }
    return add_monitor(app, c, err);
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
    return open_monitor(app, err);
}

/* ---- the machine ---- */

/* What a triple fault's report will show. */
static bool keep_histories(struct app *app)
{
    struct machine *m = &app->pc.m;

    for (unsigned i = 0; i < m->ncpus && app->config.triple_fault_ends; i++)
        if (!report_keep_history(cpu_of(m->cpus[i])))
            return false;
    return true;
}

/* Without a translator the interpreter runs the machine: it is slower, and the same. */
static bool start_engine(struct app *app, struct error *err)
{
    struct machine *m = &app->pc.m;
    struct error why = {0};

    if (!app->settings.jit)
        return true;
    if (!translator_create(m, &app->settings.translator, &app->translator, &why)) {
        fprintf(stderr, "calque: -accel jit: %s; the interpreter runs instead\n", why.text);
        return true;
    }
    for (unsigned i = 0; i < m->ncpus; i++)
        if (!translator_attach(app->translator, cpu_of(m->cpus[i]), err))
            return false;
    return true;
}

static bool build_machine(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;
    struct pc_config *c = &app->config;

    if (!s->kernel && !s->bios)
        return error_set(err, "nothing to boot: -kernel FILE or -bios FILE is expected; "
                              "see calque --help");
    c->ram_size = s->ram_size;
    c->ncpus = (unsigned)s->smp.cpus;
    app->cpus.model.topology = (struct cpu_topology){.sockets = (uint16_t)s->smp.sockets,
                                                     .cores = (uint16_t)s->smp.cores,
                                                     .threads = (uint16_t)s->smp.threads};
    c->kernel = s->kernel;
    c->initrd = s->initrd;
    c->append = s->append;
    c->bios = s->bios;
    for (unsigned i = 0; i < s->nsmbios; i++)
        if (!smbios_parse(&app->smbios, s->smbios[i], err))
            return false;
    c->smbios = &app->smbios;
    c->no_reboot = s->no_reboot;
    c->triple_fault_ends = settings_report_triple_fault(s);
    c->icount = s->icount;
    c->icount_shift = (unsigned)s->icount_shift;
    c->icount_auto = s->icount_auto;
    c->debug_exit_port = s->debug_exit ? (uint16_t)s->debug_exit_iobase : 0;
    c->debug_exit_size = (unsigned)s->debug_exit_iosize;
    c->pc_testdev = s->pc_testdev;
    c->pci_testdev = s->pci_testdev;
    c->pci_testdev_membar = s->pci_testdev_membar;
    c->no_hpet = s->no_hpet;
    c->create_cpus = pc_cpus_create;
    c->create_cpus_opaque = &app->cpus;
    if (!drives_resolve(&app->settings, &c->storage, err) || !pc_init(&app->pc, c, err))
        return false;
    app->pc_built = true;
    if (!keep_histories(app))
        return error_set(err, "out of memory");
    app->pc.m.log = app->log; /* moved: the machine closes it */
    log_init(&app->log);
    app->pc.m.run.notify = notify;
    app->pc.m.run.notify_opaque = &app->poller;
    return start_engine(app, err) && pc_power_on(&app->pc, err);
}

static bool open_log(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;

    log_init(&app->log);
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

static bool app_open(struct app *app, struct error *err)
{
    return open_log(app, err) && cpu_model_parse(&app->cpus.model, app->settings.cpu, err) &&
           poller_init(&app->poller, err) && open_terminals(app, err) && build_machine(app, err) &&
           signals_init(&app->signals, &app->poller, on_signal, app, err) && start_terminal(app) &&
           (machine_start_threads(&app->pc.m) || error_set(err, "a thread cannot be started"));
}

static void app_close(struct app *app)
{
    for (unsigned i = 0; i < app->nmonitors; i++)
        monitor_free(app->monitors[i]);
    drives_free(app->settings.drives);
    if (app->pc_built)
        pc_destroy(&app->pc);
    translator_destroy(app->translator);
    smbios_settings_free(&app->smbios);
    chardevs_free(app->chardevs);
    for (unsigned i = 0; i < MAX_SERIAL; i++)
        matcher_destroy(&app->until[i].matcher);
    signals_destroy(&app->signals);
    poller_destroy(&app->poller);
    log_close(&app->log);
}

/* ---- the main loop ---- */

/* Ends the machine if somebody outside of it wants that. */
static void check_outside(struct app *app, uint64_t deadline)
{
    enum stop_reason why = STOP_NONE;

    if (atomic_load(&app->until_seen))
        why = STOP_UNTIL;
    else if (app->quit)
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

    if (!app->settings.start_paused) {
        machine_lock(m);
        machine_cont(m);
        machine_unlock(m);
    }
    while (true) {
        check_outside(app, deadline);
        if (ended(m))
            break;
        int64_t wait = sooner(chardevs_prepare(app->chardevs), machine_poll(m));
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
    case STOP_UNTIL:
        return EXIT_OK;
    default:
        break;
    }
    if (app->signalled)
        return EXIT_SIGNALLED;
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
        if (app->translator)
            translator_report(app->translator, report_line, NULL);
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

    (void)argc;
    if (!app) {
        fputs("calque: out of memory\n", stderr);
        return EXIT_ERROR;
    }
    app->poller.wake_fd = -1;
    switch (cmdline_parse(&app->settings, argv, &err)) {
    case CMDLINE_BAD:
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
    free(app);
    return status;
}
