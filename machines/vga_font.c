/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machines/vga_font.h"

#include <stddef.h>

/* The VGA BIOS's own font, without its header, which is for 16-bit code. */
#if __has_include("bios/vga/font.c")
#define VGA_H
#define ROM
#define SECTION_CONST
typedef uint8_t u8;
#include "bios/vga/font.c"

const uint8_t *vga_font_8x16(void)
{
    return font16;
}
#else
const uint8_t *vga_font_8x16(void)
{
    return NULL;
}
#endif
