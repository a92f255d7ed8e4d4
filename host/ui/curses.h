/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_CURSES_H
#define CALQUE_HOST_UI_CURSES_H

#include "host/ui/ui.h"

struct curses;

/* Text modes in the terminal of this process, in a thread of its own. */
bool curses_open(const struct ui_config *config, struct display *display, struct hid *hid,
                 const struct keymap *keymap, struct curses **out, struct error *err);
bool curses_start(struct curses *c, struct error *err);
/* Leaves the terminal as it was. c may be NULL. */
void curses_close(struct curses *c);

#endif
