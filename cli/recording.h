/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_RECORDING_H
#define CALQUE_CLI_RECORDING_H

#include <stdbool.h>

struct error;
struct machine;
struct settings;

/* --record, --replay, --history: from here on the machine's time is kept, or comes from the file.
 * After power-on, before the machine runs. Without these options nothing is kept. */
bool recording_begin(struct machine *m, const struct settings *s, struct error *err);

#endif
