/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_PROMPT_H
#define CALQUE_DEBUGGER_PROMPT_H

#include <stdbool.h>
#include <stdint.h>

/* The debugger's face for a person: a line of commands, in this terminal or from a script. On a
 * terminal it shares with the guest (Ctrl-A d), lines are edited, and Ctrl-C stops the guest. Where
 * standard input is no terminal, its lines are the script, and its end is the end. */

struct chardev;
struct commands;
struct debugger;
struct error;
struct prompt;

struct prompt_script {
    bool is_file; /* text names one; else it is a command */
    const char *text;
};

struct prompt_config {
    struct debugger *debugger;
    struct commands *commands;
    struct chardev *chr;                 /* standard input's and output's; NULL: scripts only */
    bool begin;                          /* --debug: at once; else when Ctrl-A d is typed */
    const struct prompt_script *scripts; /* run in order, before anything that is typed */
    unsigned nscripts;
    void (*quit)(void *opaque); /* ends Calque */
    void *opaque;
};

/* Main loop's thread, machine not locked; so are the others. */
struct prompt *prompt_new(const struct prompt_config *config, struct error *err);
void prompt_free(struct prompt *p); /* p may be NULL */
/* Before each wait of the main loop: runs lines that are due. ns until it wants to be called, -1
 * for any time. */
int64_t prompt_poll(struct prompt *p);
/* SIGINT came: true if that stops the guest, or a script, and no more is to be done. */
bool prompt_interrupt(struct prompt *p);
/* A command failed, and nobody was there to see it. */
bool prompt_failed(const struct prompt *p);

#endif
