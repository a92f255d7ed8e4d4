/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_CHAR_TERMINAL_H
#define CALQUE_HOST_CHAR_TERMINAL_H

#include <stdbool.h>

/* The controlling terminal in raw mode. Whatever ends the process, SIGKILL excepted, puts it back:
 * return from main, exit(), a crash, a signal; and stopping it (SIGTSTP) lends it back meanwhile.
 */

/* Raw mode on fd if it is a terminal (otherwise nothing happens). keys_are_signals: Ctrl-C and
 * Ctrl-Z still make signals. */
void terminal_raw(int fd, bool keys_are_signals);
/* Raw mode again, if terminal_raw() has set it: somebody else may have changed it. */
void terminal_raw_again(void);
/* The settings found by terminal_raw(). May be called at any time, also in a signal handler. */
void terminal_restore(void);

#endif
