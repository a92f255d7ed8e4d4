/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/ui/banner.h"

#include <stdlib.h>
#include <string.h>

#define CELL_WIDTH  8u
#define CELL_HEIGHT 16u
#define PAPER       0xc0202020u
#define INK         0xffffffffu

uint32_t *banner_draw(const uint8_t *font, const char *text, unsigned *width, unsigned *height)
{
    size_t n = strlen(text);
    uint32_t *pixels;

    *width = (unsigned)n * CELL_WIDTH + 2 * BANNER_MARGIN;
    *height = CELL_HEIGHT + 2 * BANNER_MARGIN;
    pixels = malloc((size_t)*width * *height * sizeof(*pixels));
    if (!pixels)
        return NULL;
    for (size_t i = 0; i < (size_t)*width * *height; i++)
        pixels[i] = PAPER;
    for (size_t i = 0; i < n; i++)
        for (unsigned y = 0; y < CELL_HEIGHT; y++)
            for (unsigned x = 0; x < CELL_WIDTH; x++)
                if (font[(uint8_t)text[i] * CELL_HEIGHT + y] & 0x80 >> x)
                    pixels[(y + BANNER_MARGIN) * *width + BANNER_MARGIN + i * CELL_WIDTH + x] = INK;
    return pixels;
}
