/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_CMDLINE_RECORD_H
#define CALQUE_CLI_CMDLINE_RECORD_H

#include <stdbool.h>

struct error;
struct settings;

/* --record, --replay, --history and --seed, and which options a recording has to remember. */

bool parse_history(struct settings *s, const char *value, struct error *err);
bool parse_seed(struct settings *s, const char *value, struct error *err);
/* --replay: reads the file; the options in it are the caller's to apply. */
bool parse_replay(struct settings *s, const char *value, struct error *err);
/* When the options of the recording are in s, and no others: what they open on the host is given up
 * where the recording has what came from there (networks, sockets, pseudo-terminals). What the
 * guest prints still goes to stdio and files. */
bool record_leave_host(struct settings *s, struct error *err);
/* An option that makes the machine what it is. */
bool record_remember(struct settings *s, const char *option, const char *value, struct error *err);
/* The speaker is heard, wherever: that makes it a device of the machine. */
bool record_remember_speaker(struct settings *s, struct error *err);
/* When all options are known: what they mean together. */
bool record_check_settings(struct settings *s, struct error *err);
void record_free_settings(struct settings *s);

#endif
