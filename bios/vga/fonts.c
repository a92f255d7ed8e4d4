/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Character generators: INT 10h/AH=11h. In text modes glyphs are in plane 2, 32 bytes each, in one
 * of eight blocks; in graphics modes wherever INT 43h (and 1Fh for the upper half) points. */
#include "vga.h"

void set_vector(u8 vector, u32 farptr)
{
    poke16(0, (u16)(vector * 4), (u16)farptr);
    poke16(0, (u16)(vector * 4 + 2), (u16)(farptr >> 16));
}

static u32 get_vector(u8 vector)
{
    return FARPTR(peek16(0, (u16)(vector * 4 + 2)), peek16(0, (u16)(vector * 4)));
}

/* ---- plane 2 ---- */

static void open_plane2(void)
{
    set_reg(SEQ, 0, 1);
    set_reg(SEQ, 2, 4);
    set_reg(SEQ, 4, 7); /* no odd/even */
    set_reg(SEQ, 0, 3);
    set_reg(GFX, 4, 2);
    set_reg(GFX, 5, 0);
    set_reg(GFX, 6, 4); /* 64 KiB at A0000h */
}

static void close_plane2(void)
{
    set_reg(SEQ, 0, 1);
    set_reg(SEQ, 2, 3);
    set_reg(SEQ, 4, 3 & ~1);
    set_reg(SEQ, 0, 3);
    set_reg(GFX, 4, 0);
    set_reg(GFX, 5, 0x10);
    set_reg(GFX, 6, bda->crtc == CRTC_MONO ? 0x0a : 0x0e);
}

/* Blocks 0 to 3 are at multiples of 16 KiB, 4 to 7 8 KiB above. */
void load_font(u16 seg, u16 off, u16 first, u16 n, u8 height, u8 block)
{
    u16 base = (u16)((block & 3) << 14 | (block & 4) << 11);

    if (height > 32)
        height = 32;
    open_plane2();
    for (u16 i = 0; i < n && first + i < 256; i++)
        far_copy(0xa000, (u16)(base + (first + i) * 32), seg, (u16)(off + i * height), height);
    close_plane2();
}

static const ROM u8 *rom_font(u8 height)
{
    return height == 8 ? font8 : height == 14 ? font14 : font16;
}

void load_rom_font(u8 height, u8 block)
{
    load_font(0xc000, (u16)(u32)rom_font(height), 0, 256, height, block);
}

/* ---- what follows from a cell's height ---- */

static bool doubled(void)
{
    return get_reg(bda->crtc, 9) & 0x80;
}

/* Of the display, with the part of a row that end_display() took away. */
static u16 scan_lines(void)
{
    static const ROM u16 usual[] SECTION_CONST = {200, 350, 400, 480};
    u8 overflow = get_reg(bda->crtc, 7);
    u16 end = (u16)(get_reg(bda->crtc, 0x12) | (overflow & 2) << 7 | (overflow & 0x40) << 3);
    u16 lines = (u16)(doubled() ? (end + 1) / 2 : end + 1);

    for (u8 i = 0; i < ARRAY_SIZE(usual); i++)
        if (lines <= usual[i] && lines + 16 > usual[i])
            return usual[i];
    return lines;
}

/* The display ends with the last whole row. Bits 8 and 9 stay as they are: less than a row is lost,
 * and no mode's lines are just above 256 or 512. */
static void end_display(u16 lines)
{
    set_reg(bda->crtc, 0x12, (u8)((doubled() ? lines * 2 : lines) - 1));
}

void set_text_height(u8 height)
{
    u16 crtc = bda->crtc, rows = scan_lines() / height;

    set_reg(crtc, 9, (u8)((get_reg(crtc, 9) & 0xe0) | (height - 1)));
    end_display((u16)(rows * height));
    bda->char_height = height;
    bda->video_rows = (u8)(rows - 1);
    bda->video_page_size = (u16)((rows * bda->video_cols * 2 + 0xff) & ~0xff);
    if (crtc == CRTC_MONO)
        set_reg(crtc, 0x14, (u8)(height - 1)); /* underline */
    set_cursor_shape((u8)(height - (height > 8 ? 3 : 2)), (u8)(height - (height > 8 ? 2 : 1)));
}

/* ---- AH=11h ---- */

static u8 height_of(u8 al)
{
    return (al & 15) == 1 || (al & 15) == 2 ? ((al & 15) == 1 ? 14 : 8) : 16;
}

/* AL=20h to 24h: graphics fonts. BL: 1 14 rows, 2 25, 3 43; 0 what DL says. */
static void graphics_font(struct regs *r)
{
    u8 height;

    if (r->al == 0x20) {
        set_vector(0x1f, FARPTR(r->es, r->bp));
        return;
    }
    if (r->al == 0x21) {
        height = (u8)r->cx;
        set_vector(0x43, FARPTR(r->es, r->bp));
    } else {
        height = r->al == 0x22 ? 14 : r->al == 0x23 ? 8 : 16;
        set_vector(0x43, FARPTR(0xc000, (u32)rom_font(height)));
    }
    bda->char_height = height;
    bda->video_rows = (u8)((r->bl == 0 ? r->dl : r->bl == 1 ? 14 : r->bl == 2 ? 25 : 43) - 1);
}

/* AL=30h: where the fonts are. */
static void font_info(struct regs *r)
{
    u32 p = 0;

    switch (r->bh) {
    case 0:
        p = get_vector(0x1f);
        break;
    case 1:
        p = get_vector(0x43);
        break;
    case 2:
        p = FARPTR(0xc000, (u32)font14);
        break;
    case 3:
        p = FARPTR(0xc000, (u32)font8);
        break;
    case 4:
        p = FARPTR(0xc000, (u32)&font8[128 * 8]);
        break;
    case 6:
        p = FARPTR(0xc000, (u32)font16);
        break;
    case 5:
    case 7: /* what differs in cells of 9 dots: nothing; font16's first byte, 0, ends such a list */
        p = FARPTR(0xc000, (u32)font16);
        break;
    default:
        return;
    }
    r->es = (u16)(p >> 16);
    r->bp = (u16)p;
    r->cx = bda->char_height;
    r->dl = bda->video_rows;
}

void int10_font(struct regs *r)
{
    u8 height;

    switch (r->al) {
    case 0x00:
    case 0x10:
        load_font(r->es, r->bp, r->dx, r->cx, r->bh, r->bl);
        if (r->al == 0x10 && r->bh && r->bh <= 32)
            set_text_height(r->bh);
        break;
    case 0x01:
    case 0x02:
    case 0x04:
    case 0x11:
    case 0x12:
    case 0x14:
        height = height_of(r->al);
        load_rom_font(height, r->bl);
        if (r->al & 0x10)
            set_text_height(height);
        break;
    case 0x03:
        set_reg(SEQ, 3, r->bl);
        break;
    case 0x20:
    case 0x21:
    case 0x22:
    case 0x23:
    case 0x24:
        graphics_font(r);
        break;
    case 0x30:
        font_info(r);
        break;
    default:
        break;
    }
}
