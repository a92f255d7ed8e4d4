/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_CMDLINE_SERVICES_H
#define CALQUE_CLI_CMDLINE_SERVICES_H

#include <stdbool.h>

struct chardevs;
struct error;
struct option_list;
struct pc;
struct pc_services_config;
struct poller;
struct settings;

/* Options about what the host does for a guest that has drivers for it: entropy, consoles, ... */

/* -device, after its place was found out. */
bool service_add_rng(struct settings *s, const struct option_list *l, struct error *err);
bool service_add_console(struct settings *s, const struct option_list *l, struct error *err);
bool service_add_port(struct settings *s, const struct option_list *l, struct error *err);
bool service_add_balloon(struct settings *s, const struct option_list *l, struct error *err);
bool service_add_watchdog(struct settings *s, const struct option_list *l, struct error *err);
bool service_add_pvpanic(struct settings *s, const struct option_list *l, struct error *err);
bool service_add_pvpanic_pci(struct settings *s, const struct option_list *l, struct error *err);
/* -watchdog-action, -action watchdog= and panic= */
bool service_set_watchdog(struct settings *s, const char *action, struct error *err);
bool service_set_panic(struct settings *s, const char *action, struct error *err);
bool service_add_folder(struct settings *s, const struct option_list *l, struct error *err);
/* -fsdev, -virtfs */
bool service_add_fsdev(struct settings *s, const char *value, struct error *err);
bool service_add_virtfs(struct settings *s, const char *value, struct error *err);
/* -object rng-random, rng-builtin */
bool service_add_rng_object(struct settings *s, const struct option_list *l, struct error *err);
/* What settings say by names becomes *c, opened. */
bool services_resolve(struct settings *s, struct poller *p, struct chardevs *chardevs,
                      struct pc_services_config *c, struct error *err);
/* The devices are there: they hear who comes to the host's ends of their channels. */
void services_start(struct pc *pc);
/* Closes what is open there, after the machine is gone. */
void services_close(struct pc_services_config *c);

#endif
