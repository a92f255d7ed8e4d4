/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line becomes a machine; then the main loop: host file descriptors, host time, signals
 * and the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/error.h"
#include "cli/app.h"
#include "cli/cmdline_services.h"
#include "cli/doctor.h"
#include "cli/engine_choice.h"
#include "cpu/x86/report.h"
#include "debugger/commands.h"
#include "debugger/debugger.h"
#include "debugger/gdb.h"
#include "debugger/prompt.h"
#include "host/block/drive.h"
#include "host/char/backend.h"
#include "host/migrate/migrate.h"
#include "host/net/backend.h"
#include "monitor/monitor.h"
#include "monitor/qmp.h"
#include "vm/host_time.h"

/* No guest here hears the power button: there is none, it has gone elsewhere or has not come. */
static bool no_guest(struct app *app)
{
    bool none = app->settings.machine_none;

    if (!none && app->control->migrate) {
        machine_lock(&app->pc.m);
        none = app->pc.m.run.state != RUN_RUNNING && migrate_is_elsewhere(app->control->migrate);
        machine_unlock(&app->pc.m);
    }
    return none;
}

/* The first SIGINT or SIGTERM asks the guest to shut down; the second does not ask. */
static void on_signal(void *opaque, bool hangup)
{
    struct app *app = opaque;

    if (!hangup && prompt_interrupt(app->prompt))
        return;
    if (hangup || app->power_presses++ > 0 || no_guest(app)) {
        app->signalled = app->quit = true;
        return;
    }
    fputs("calque: power button pressed; once more ends at once\n", stderr);
    app_press_power_button(app);
}

static bool runs_at_once(const struct settings *s)
{
    return !s->start_paused && !s->debug;
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

static bool open_log(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;

    log_init(&app->log);
    app->log.timestamps = s->timestamps;
    if (s->log_file && !log_open_file(&app->log, s->log_file, err))
        return false;
    return !s->log_categories || log_parse_mask(&app->log, s->log_categories, err);
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

/* Signals are ours by now: none can end the process and leave the terminal raw. */
static bool start_terminals(struct app *app)
{
    chardevs_start(app->chardevs);
    return true;
}

static bool app_open(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;

    return (!s->daemonize || daemon_begin(&app->daemon, err)) && name_process(s) &&
           daemon_pidfile(&app->daemon, s->pidfile, err) && open_log(app, err) &&
           cpu_model_parse(&app->cpus.model, app->settings.cpu, err) &&
           engine_choose(&app->settings, &app->cpus.model, err) && poller_init(&app->poller, err) &&
           ((app->nets = nets_new(&app->poller)) || error_set(err, "out of memory")) &&
           app_open_terminals(app, err) && app_share_terminal(app, err) &&
           app_build_machine(app, err) && app_open_ui(app, err) &&
           signals_init(&app->signals, &app->poller, on_signal, app, err) && start_terminals(app) &&
           (machine_start_threads(&app->pc.m) || error_set(err, "a thread cannot be started")) &&
           restore(app, err) && app_start_prompt(app, err) &&
           (!app->ui || ui_start(app->ui, err)) && name_threads(app) &&
           daemon_ready(&app->daemon, err);
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
    gdbserver_close(&app->gdb);
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
        gdb_poll(app->gdb.gdb);
        if (deadline) {
            int64_t left = (int64_t)(deadline - host_now());

            wait = sooner(wait, left > 0 ? left : 0);
        }
        app->kicks.fd = atomic_load(&m->kept.fd); /* as the engine has it now */
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

    signals_ignore();
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
