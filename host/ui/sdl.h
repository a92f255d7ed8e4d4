/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_SDL_H
#define CALQUE_HOST_UI_SDL_H

#include "host/ui/ui.h"

struct sdl;

/* A window, in a thread of its own. */
bool sdl_open(const struct ui_config *config, struct display *display, struct hid *hid,
              const struct keymap *keymap, struct sdl **out, struct error *err);
/* Opens the window, or says why there can be none. */
bool sdl_start(struct sdl *s, struct error *err);
void sdl_close(struct sdl *s); /* s may be NULL */

#endif
