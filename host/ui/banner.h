/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_BANNER_H
#define CALQUE_HOST_UI_BANNER_H

#include <stdint.h>

/* A line of text as a picture, for screens that have no title. */

#define BANNER_MARGIN 4u /* pixels around the text */

/* ASCII in a font of 256 characters, 8 wide and 16 high, a byte for a row, bit 7 on the left: white
 * on dark, pixels 0xaarrggbb, rows without gaps. The caller frees it; NULL: out of memory. */
uint32_t *banner_draw(const uint8_t *font, const char *text, unsigned *width, unsigned *height);

#endif
