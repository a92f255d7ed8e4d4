/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_CMDLINE_OPEN_H
#define CALQUE_CLI_CMDLINE_OPEN_H

#include <stdbool.h>

struct error;
struct settings;

/* `calque FILE`: what a file is, by its content, and what to do with it. */

/* Puts the file where it belongs (-kernel, -hda, -cdrom) and says in one line on standard error
 * what was decided and how that is spelled. */
const char *open_by_content(struct settings *s, const char *path, struct error *err);
/* `calque` alone: examples, and what could be opened in this folder. On standard error. */
void print_examples(void);

#endif
