/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person sees and does at the machine: the screen, keys and the pointer, made for scripts.
 * Handlers run with the machine lock held. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "host/ui/display.h"
#include "host/ui/hid.h"
#include "host/ui/keys.h"
#include "host/ui/ui.h"
#include "monitor/monitor_internal.h"
#include "vm/host_time.h"
#include "vm/machine.h"

#define WAIT_STEP_NS    (50 * 1000 * 1000)
#define WAIT_SECONDS    60
#define WAIT_MAX        1000000
#define HOLD_MS         100
#define HOLD_MS_MAX     60000
#define PATH_IN_MESSAGE 400

struct screen_wait {
    char *text;
    uint64_t deadline; /* host time */
    uint64_t seconds;
};

static bool has_display(struct monitor *mon)
{
    struct error err;

    if (!control_display(mon->ctl, &err))
        monitor_printf(mon, "%s\n", err.text);
    return mon->ctl->hooks.display;
}

static bool has_hid(struct monitor *mon)
{
    struct error err;

    if (!control_hid(mon->ctl, &err))
        monitor_printf(mon, "%s\n", err.text);
    return mon->ctl->hooks.hid;
}

void cmd_screendump(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    if (has_display(mon) && !display_screendump(mon->ctl->hooks.display, args->text[0], &err))
        monitor_printf(mon, "screendump: %.*s\n", PATH_IN_MESSAGE, err.text);
}

void cmd_set_password(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    if (!control_set_password(mon->ctl, args->text[0], args->text[1], &err))
        monitor_printf(mon, "set_password: %s\n", err.text);
}

void cmd_expire_password(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    if (!control_expire_password(mon->ctl, args->text[0], args->text[1], &err))
        monitor_printf(mon, "expire_password: %s\n", err.text);
}

void info_vnc(struct monitor *mon, const struct monitor_args *args)
{
    struct vnc_info info;

    (void)args;
    control_vnc(mon->ctl, &info);
    if (!info.enabled)
        monitor_printf(mon, "there is no VNC server\n");
    else
        monitor_printf(mon, "%s%s%s (%s), %s, %u connected\n", info.server.host,
                       *info.server.host ? ":" : "", info.server.service, info.server.family,
                       info.password ? "with a password" : "no password", info.viewers);
}

void info_mice(struct monitor *mon, const struct monitor_args *args)
{
    bool absolute = mon->ctl->hooks.hid && atomic_load(&mon->ctl->hooks.hid->absolute);

    (void)args;
    if (!has_hid(mon))
        return;
    monitor_printf(mon, "%c Mouse #0: PS/2 mouse\n", absolute ? ' ' : '*');
    if (absolute)
        monitor_printf(mon, "* Mouse #1: tablet (absolute)\n");
}

/* ---- keys and pointer ---- */

void cmd_sendkey(struct monitor *mon, const struct monitor_args *args)
{
    unsigned codes[KEYS_TOGETHER_MAX], n;
    uint64_t hold = args->n > 1 ? args->number[1] : HOLD_MS;
    struct error err;

    if (!has_hid(mon))
        return;
    n = keys_parse(args->text[0], codes, &err);
    if (!n)
        monitor_printf(mon, "sendkey: %s\n", err.text);
    else if (hold > HOLD_MS_MAX)
        monitor_printf(mon, "sendkey: at most %d ms are expected\n", HOLD_MS_MAX);
    else
        hid_press(mon->ctl->hooks.hid, codes, n, (unsigned)hold);
}

static bool get_int(struct monitor *mon, const struct monitor_args *args, unsigned n, int *value)
{
    char *end;
    long v;

    *value = 0;
    if (n >= args->n)
        return true;
    v = strtol(args->text[n], &end, 10);
    if (end == args->text[n] || *end || v < -4096 || v > 4096) {
        monitor_printf(mon, "%s: a number from -4096 to 4096 is expected\n", args->text[n]);
        return false;
    }
    *value = (int)v;
    return true;
}

void cmd_mouse_move(struct monitor *mon, const struct monitor_args *args)
{
    int dx, dy, dz;

    if (has_hid(mon) && get_int(mon, args, 0, &dx) && get_int(mon, args, 1, &dy) &&
        get_int(mon, args, 2, &dz))
        hid_move(mon->ctl->hooks.hid, dx, dy, dz);
}

/* QEMU's numbers: 1 left, 2 middle, 4 right; here also 8 and 16, those at the side. */
void cmd_mouse_button(struct monitor *mon, const struct monitor_args *args)
{
    unsigned state = (unsigned)args->number[0];

    if (has_hid(mon))
        hid_buttons(mon->ctl->hooks.hid, (state & ~6u) | (state & 4) >> 1 | (state & 2) << 1,
                    HID_BUTTONS_ALL);
}

/* ---- text ---- */

void cmd_screen(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    monitor_print_table(mon, monitor_screen_commands, "screen ");
}

static void screen_text(struct monitor *mon, const struct monitor_args *args)
{
    char *text, *line, *end;
    struct error err;

    (void)args;
    if (!has_display(mon))
        return;
    text = display_text(mon->ctl->hooks.display, &err);
    if (!text) {
        monitor_printf(mon, "%s\n", err.text);
        return;
    }
    for (line = text; *line; line = end + 1) {
        end = strchr(line, '\n');
        *end = '\0';
        monitor_print_line(mon, line);
    }
    free(text);
}

static bool text_is_there(struct monitor *mon, const char *wanted)
{
    struct error err;
    char *text = display_text(mon->ctl->hooks.display, &err);
    bool found = text && strstr(text, wanted);

    free(text);
    return found;
}

static void screen_wait(struct monitor *mon, const struct monitor_args *args)
{
    uint64_t seconds = args->n > 1 ? args->number[1] : WAIT_SECONDS;
    struct screen_wait *w;

    if (!has_display(mon) || text_is_there(mon, args->text[0]))
        return;
    if (!mon->chr || seconds > WAIT_MAX) {
        monitor_printf(mon, "screen wait: %s\n",
                       mon->chr ? "so long cannot be waited" : "this monitor cannot wait");
        return;
    }
    w = calloc(1, sizeof(*w));
    if (w && (w->text = strdup(args->text[0]))) {
        w->seconds = seconds;
        w->deadline = host_now() + seconds * NS_PER_SEC;
        mon->wait = w;
        return;
    }
    free(w);
    monitor_printf(mon, "screen wait: out of memory\n");
}

void screen_end_wait(struct monitor *mon)
{
    if (mon->wait)
        free(mon->wait->text);
    free(mon->wait);
    mon->wait = NULL;
}

bool screen_waits(struct monitor *mon, int64_t *again)
{
    struct screen_wait *w = mon->wait;
    bool found;

    *again = -1;
    if (!w)
        return false;
    machine_lock(mon->m);
    found = text_is_there(mon, w->text);
    machine_unlock(mon->m);
    if (!found && host_now() < w->deadline) {
        *again = WAIT_STEP_NS;
        return true;
    }
    if (!found)
        monitor_printf(mon, "screen wait: \"%s\" was not seen in %llu s\n", w->text,
                       (unsigned long long)w->seconds);
    screen_end_wait(mon);
    return false;
}

const struct monitor_command monitor_screen_commands[] = {
    {"text", "", "", "the characters of a text mode", screen_text, NULL},
    {"wait", "s?i", "TEXT [SECONDS]", "waits until TEXT is on the screen", screen_wait, NULL},
    {0},
};
