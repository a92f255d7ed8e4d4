/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_APP_H
#define CALQUE_CLI_APP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "cli/cmdline.h"
#include "cli/engine.h"
#include "cli/gdbserver.h"
#include "host/char/match.h"
#include "host/daemon.h"
#include "host/poll.h"
#include "host/signals.h"
#include "host/ui/display.h"
#include "host/ui/ui.h"
#include "machines/pc.h"
#include "machines/pc_cpus.h"
#include "monitor/control.h"

/* The program: what the command line became. Each step of building it is undone by its counterpart
 * in main.c's app_close(), whatever part of it was reached. */

struct chardev;
struct chardevs;
struct commands;
struct debugger;
struct error;
struct monitor;
struct nets;
struct prompt;
struct qmp;

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
    struct gdbserver gdb;
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
    struct poll_watch kicks; /* that the engine keeps */
};

/* Steps of building, in this order; false with *err. */

/* Connections that options name, and what will be at them. */
bool app_open_terminals(struct app *app, struct error *err);
/* The debugger's prompt listens on this process's terminal, which it shares with the guest's serial
 * port if that is there, too. */
bool app_share_terminal(struct app *app, struct error *err);
/* The machine, powered on, with its engine and its monitors; it does not run yet. */
bool app_build_machine(struct app *app, struct error *err);
/* Monitors, the debugger and gdb listen; a part of app_build_machine(). */
bool app_start_monitors(struct app *app, struct error *err);
bool app_open_ui(struct app *app, struct error *err);
bool app_start_prompt(struct app *app, struct error *err);

/* Ends the main loop, from its own thread. */
void app_request_quit(void *app);
/* Lock held. */
void app_press_power_button(void *app);

#endif
