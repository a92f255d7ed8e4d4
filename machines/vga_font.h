/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_VGA_FONT_H
#define CALQUE_MACHINES_VGA_FONT_H

#include <stdint.h>

/* Code page 437, 256 characters of 16 bytes: what a direct boot puts into the display adapter. NULL
 * if there is none. */
const uint8_t *vga_font_8x16(void);

#endif
