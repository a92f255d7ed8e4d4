/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections to the outside: which device of the guest, which monitor, and which debugger is at
 * each. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/app.h"
#include "debugger/prompt.h"
#include "host/char/backend.h"
#include "monitor/qmp.h"

/* The machine comes later: app_start_monitors() makes it listen. */
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

bool app_open_terminals(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;

    app->chardevs = chardevs_new(&app->poller, (struct escape_actions){app_request_quit, app});
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
    if (s->gdb && !gdbserver_open(&app->gdb, app->chardevs, s->gdb, err)) {
        error_prefix(err, "-gdb");
        return false;
    }
    return open_monitors(app, err);
}

bool app_share_terminal(struct app *app, struct error *err)
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

bool app_start_prompt(struct app *app, struct error *err)
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
                                                     .quit = app_request_quit,
                                                     .opaque = app},
                             err);
    return app->prompt;
}
