/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/ui/ui.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/suggest.h"
#include "config.h"
#include "host/ui/curses.h"
#include "host/ui/keymap.h"
#include "host/ui/sdl.h"
#include "host/ui/vnc.h"

struct ui {
    struct ui_hooks hooks;
    struct vnc *vnc;
    struct sdl *sdl;
    struct curses *curses;
};

static const struct {
    const char *name, *help;
    enum ui_kind kind;
} kinds[] = {
    {"none", "no screen on this host; screendump and screen text work", UI_NONE},
    {"sdl", "a window; sdl,full-screen=on,scale=smooth", UI_SDL},
    {"curses", "text modes in this terminal", UI_CURSES},
    {"vnc", "vnc=:1 is -vnc :1", UI_NONE},
};

#define NUM_KINDS (sizeof(kinds) / sizeof(kinds[0]))

void ui_print_help(void)
{
    puts("Displays:");
    for (unsigned i = 0; i < NUM_KINDS; i++)
        printf("  %-15s %s\n", kinds[i].name, kinds[i].help);
}

bool ui_parse(const char *value, enum ui_kind *kind, const char **options, const char **vnc,
              struct error *err)
{
    size_t len = strcspn(value, ",=");
    struct suggestion near;
    char name[32];

    snprintf(name, sizeof(name), "%.*s", (int)(len < 31 ? len : 31), value);
    suggest_begin(&near, name);
    for (unsigned i = 0; i < NUM_KINDS; i++) {
        suggest_offer(&near, kinds[i].name);
        if (strcmp(kinds[i].name, name) != 0)
            continue;
        *kind = kinds[i].kind;
        *options = value[len] == ',' ? value + len + 1 : NULL;
        if (!strcmp(name, "vnc"))
            *vnc = value[len] == '=' ? value + len + 1 : ":0";
        else if (value[len] == '=')
            break;
        return true;
    }
    return error_set(err, "-display %s: there is none of this name; did you mean %s?", value,
                     near.best);
}

enum ui_kind ui_default(void)
{
    return CONFIG_SDL2 && (getenv("DISPLAY") || getenv("WAYLAND_DISPLAY")) ? UI_SDL : UI_NONE;
}

static bool open_all(struct ui *ui, const struct ui_config *c, struct display *display,
                     struct hid *hid, struct error *err)
{
    const struct keymap *map = keymap_find(c->keymap ? c->keymap : "en-us", err);
    const struct vnc_config vnc = {c->vnc,    c->name ? c->name : "Calque", display, hid, map,
                                   &ui->hooks};

    if (!map)
        return false;
    if (!display && (c->vnc || c->kind == UI_SDL || c->kind == UI_CURSES))
        return error_set(err, "%s: the machine has no display adapter; -vga std adds one",
                         c->vnc ? "-vnc" : "-display");
    if (c->vnc && !vnc_open(&vnc, &ui->vnc, err))
        return false;
    if (c->kind == UI_SDL)
        return sdl_open(c, display, hid, map, &ui->sdl, err);
    return c->kind != UI_CURSES || curses_open(c, display, hid, map, &ui->curses, err);
}

bool ui_open(const struct ui_config *config, struct display *display, struct hid *hid,
             struct ui **out, struct error *err)
{
    struct ui *ui = calloc(1, sizeof(*ui));

    if (!ui)
        return error_set(err, "out of memory");
    ui->hooks = config->hooks;
    if (open_all(ui, config, display, hid, err)) {
        *out = ui;
        return true;
    }
    ui_close(ui);
    return false;
}

bool ui_start(struct ui *ui, struct error *err)
{
    return (!ui->vnc || vnc_start(ui->vnc, err)) && (!ui->sdl || sdl_start(ui->sdl, err)) &&
           (!ui->curses || curses_start(ui->curses, err));
}

void ui_close(struct ui *ui)
{
    if (!ui)
        return;
    curses_close(ui->curses);
    sdl_close(ui->sdl);
    vnc_close(ui->vnc);
    free(ui);
}

bool ui_set_vnc_password(struct ui *ui, const char *password, struct error *err)
{
    return ui->vnc ? vnc_set_password(ui->vnc, password, err)
                   : error_set(err, "there is no VNC server");
}

bool ui_expire_vnc_password(struct ui *ui, const char *when, struct error *err)
{
    return ui->vnc ? vnc_expire_password(ui->vnc, when, err)
                   : error_set(err, "there is no VNC server");
}

void ui_describe_vnc(const struct ui *ui, struct vnc_info *info)
{
    *info = (struct vnc_info){.enabled = ui && ui->vnc};
    if (ui && ui->vnc)
        vnc_describe(ui->vnc, info);
}
