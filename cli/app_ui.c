/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Front ends: a window or a VNC server, which call from threads of their own. */
#include <stdio.h>

#include "cli/app.h"
#include "machines/vga_font.h"

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
    app_press_power_button(app);
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

bool app_open_ui(struct app *app, struct error *err)
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
