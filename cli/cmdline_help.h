/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_CMDLINE_HELP_H
#define CALQUE_CLI_CMDLINE_HELP_H

#include <stdbool.h>

struct error;

/* --help: a screen of the usual options; --help=TOPIC. On standard output. False with *err: there
 * is no such topic. */
bool cmdline_print_help(const char *topic, struct error *err);
/* Options (enum option_id) whose value `help` lists what there is; -cpu help and -d help need more
 * and are main's. False: this one has no list. */
bool cmdline_print_values(int id);

#endif
