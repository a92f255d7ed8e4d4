/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_CMDLINE_SYSTEM_H
#define CALQUE_CLI_CMDLINE_SYSTEM_H

#include <stdbool.h>

struct error;
struct settings;

/* Options about the machine as a whole and the process it lives in. Each takes the option's value
 * into the settings. */

bool parse_boot(struct settings *s, const char *value, struct error *err);
bool parse_rtc(struct settings *s, const char *value, struct error *err);
bool parse_name_option(struct settings *s, const char *value, struct error *err);
bool parse_uuid(struct settings *s, const char *value, struct error *err);
bool parse_object(struct settings *s, const char *value, struct error *err);
bool parse_global(const char *value, struct error *err);
bool parse_overcommit(const char *value, struct error *err);
bool parse_sandbox(const char *value, struct error *err);
bool parse_msg(struct settings *s, const char *value, struct error *err);
bool parse_audiodev(struct settings *s, const char *value, struct error *err);
/* -monitor, -qmp, -qmp-pretty: a connection; -mon: a -chardev by id. */
bool add_monitor_option(struct settings *s, const char *where, bool qmp, bool pretty,
                        struct error *err);
bool parse_mon(struct settings *s, const char *value, struct error *err);

/* Makes text the settings' own, which settings_free() frees; NULL (and *err) if text is NULL. */
const char *settings_keep(struct settings *s, char *text, struct error *err);

/* Values that start with '{' are JSON: they become "key=value,..." (nested keys with dots), which
 * the settings keep; others are returned as they are. NULL with *err if it is not JSON. */
const char *option_text(struct settings *s, const char *value, struct error *err);

/* -readconfig: calls apply for each section, as if its option had been typed. */
bool read_config(struct settings *s, const char *path,
                 bool (*apply)(struct settings *s, const char *option, const char *value,
                               struct error *err),
                 struct error *err);

#endif
