/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_CMDLINE_MACHINE_H
#define CALQUE_CLI_CMDLINE_MACHINE_H

#include <stdbool.h>

struct error;
struct settings;
struct smp_setting;

/* Options about the board: its kind, memory and processors, and what executes their instructions.
 * Each takes the option's value into the settings. */

/* -m */
bool parse_memory(struct settings *s, const char *value, struct error *err);
bool parse_smp(struct smp_setting *t, const char *value, struct error *err);
bool parse_accel(struct settings *s, const char *value, struct error *err);
bool parse_machine(struct settings *s, const char *value, struct error *err);
bool parse_vga(struct settings *s, const char *value, struct error *err);
bool parse_icount(struct settings *s, const char *value, struct error *err);

/* What these take, for the value `help`, on standard output. */
void machine_print_help(void);
void accel_print_help(void);
void vga_print_help(void);

#endif
