/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_DOCTOR_H
#define CALQUE_CLI_DOCTOR_H

/* `calque doctor`: prints what this host and this build can do, a line each: "ok", "no" with the
 * reason, "--" for what is only told. Returns the exit status: EXIT_OK, or EXIT_ERROR if there was
 * a "no". */
int doctor_run(void);

#endif
