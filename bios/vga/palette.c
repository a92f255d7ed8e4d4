/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The attribute controller's palette, the DAC, and INT 10h functions 0Bh and 10h. */
#include "vga.h"

void set_dac(u8 index, u8 red, u8 green, u8 blue)
{
    outb(DAC_WRITE_INDEX, index);
    outb(DAC_DATA, red);
    outb(DAC_DATA, green);
    outb(DAC_DATA, blue);
}

/* ---- default colors ---- */

/* EGA: six bits rgbRGB, of which the capital ones are 2/3 of full, the others 1/3. */
static u8 ega_gun(u8 color, u8 high, u8 low)
{
    return (u8)((color & high ? 42 : 0) + (color & low ? 21 : 0));
}

static void ega_color(u8 i)
{
    set_dac(i, ega_gun(i, 4, 32), ega_gun(i, 2, 16), ega_gun(i, 1, 8));
}

/* CGA: RGB and intensity in bit 4; dark yellow is shown as brown. */
static void cga_color(u8 i, u8 color, bool bright)
{
    u8 add = bright ? 21 : 0;

    if ((color & 7) == 6 && !bright)
        set_dac(i, 42, 21, 0);
    else
        set_dac(i, (u8)(ega_gun(color, 4, 0) + add), (u8)(ega_gun(color, 2, 0) + add),
                (u8)(ega_gun(color, 1, 0) + add));
}

static void mono_color(u8 i)
{
    u8 level = (u8)((i & 8 ? 42 : 0) + (i & 16 ? 21 : 0));

    set_dac(i, level, level, level);
}

/* Mode 13h: 16 grays, then 24 hues in three saturations and three intensities. Each row: what a gun
 * goes through from off to full. */
static const ROM u8 grays[16] SECTION_CONST = {0,  5,  8,  11, 14, 17, 20, 24,
                                               28, 32, 36, 40, 45, 50, 56, 63};
static const ROM u8 ramps[9][5] SECTION_CONST = {
    {0, 16, 31, 47, 63}, {31, 39, 47, 55, 63}, {45, 49, 54, 58, 63},
    {0, 7, 14, 21, 28},  {14, 17, 21, 24, 28}, {20, 22, 24, 26, 28},
    {0, 4, 8, 12, 16},   {8, 10, 12, 14, 16},  {11, 12, 13, 15, 16},
};

/* The level (0 to 4) of a gun at a hue of 24, beginning at the first step in which it is full: full
 * for 9 steps, falling, off for 9, rising. */
static u8 level_at(u8 hue)
{
    if (hue <= 8)
        return 4;
    if (hue < 12)
        return (u8)(12 - hue);
    return hue <= 20 ? 0 : (u8)(hue - 20);
}

static void hues(u8 index)
{
    for (u8 row = 0; row < 9; row++)
        for (u8 hue = 0; hue < 24; hue++) {
            /* Blue first; to red by magenta, to green by yellow. */
            u8 red = level_at((u8)((hue + 20) % 24)), green = level_at((u8)((hue + 12) % 24));
            u8 blue = level_at((u8)((hue + 4) % 24));

            set_dac(index++, ramps[row][red], ramps[row][green], ramps[row][blue]);
        }
}

static void load_256(void)
{
    for (u8 i = 0; i < 16; i++)
        cga_color(i, i & 7, i & 8);
    for (u8 i = 0; i < 16; i++)
        set_dac((u8)(i + 16), grays[i], grays[i], grays[i]);
    hues(32);
    for (u16 i = 248; i < 256; i++)
        set_dac((u8)i, 0, 0, 0);
}

void load_dac(u8 kind)
{
    if (kind == DAC_256) {
        load_256();
        return;
    }
    for (u8 i = 0; i < 64; i++) {
        if (kind == DAC_MONO)
            mono_color(i);
        else if (kind == DAC_CGA)
            cga_color(i, i & 7, i & 16);
        else
            ega_color(i);
    }
}

/* ---- gray scale ---- */

/* 30% red, 59% green, 11% blue. */
void sum_gray(u16 first, u16 n)
{
    for (; n; n--, first++) {
        u8 red, green, blue, gray;

        outb(DAC_READ_INDEX, (u8)first);
        red = inb(DAC_DATA);
        green = inb(DAC_DATA);
        blue = inb(DAC_DATA);
        gray = (u8)((red * 77 + green * 151 + blue * 28 + 128) >> 8);
        set_dac((u8)first, gray, gray, gray);
    }
}

/* ---- AH=0Bh ---- */

/* BH=0: border, in CGA graphics background; BH=1: which of the CGA's palettes. */
void int10_color(struct regs *r)
{
    const ROM struct mode *m = current_mode();
    u8 pal = bda->video_pal, color = r->bl;

    if (r->bh == 0) {
        pal = (u8)((pal & 0x20) | (color & 0x1f));
        color = (u8)((color & 7) | (color & 8 ? 0x10 : 0));
        set_attr(0x11, color);
        if (m && m->kind == CGA_4)
            set_attr(0x00, color);
    } else {
        pal = (u8)((pal & ~0x20) | (color & 1 ? 0x20 : 0));
    }
    bda->video_pal = pal;
    if (!m || m->kind != CGA_4)
        return;
    /* Green, red, brown; or cyan, magenta, white; bit 4 makes them bright. */
    for (u8 i = 1; i < 4; i++)
        set_attr(i, (u8)(i * 2 | (pal & 0x20 ? 1 : 0) | (pal & 0x10)));
}

/* ---- AH=10h ---- */

static void write_all(struct regs *r)
{
    for (u8 i = 0; i < 16; i++)
        set_attr(i, peek8(r->es, (u16)(r->dx + i)));
    set_attr(0x11, peek8(r->es, (u16)(r->dx + 16)));
}

static void read_all(struct regs *r)
{
    for (u8 i = 0; i < 16; i++)
        poke8(r->es, (u16)(r->dx + i), get_attr(i));
    poke8(r->es, (u16)(r->dx + 16), get_attr(0x11));
}

static void blink(u8 on)
{
    u8 mode = get_attr(0x10);

    set_attr(0x10, on ? mode | 8 : mode & ~8);
    bda->video_msr = on ? bda->video_msr | 0x20 : bda->video_msr & ~0x20;
}

static void write_dac_block(struct regs *r)
{
    outb(DAC_WRITE_INDEX, r->bl);
    for (u16 i = 0; i < (u16)(r->cx * 3); i++)
        outb(DAC_DATA, peek8(r->es, (u16)(r->dx + i)));
}

static void read_dac_block(struct regs *r)
{
    outb(DAC_READ_INDEX, r->bl);
    for (u16 i = 0; i < (u16)(r->cx * 3); i++)
        poke8(r->es, (u16)(r->dx + i), inb(DAC_DATA));
}

static void read_dac(struct regs *r)
{
    outb(DAC_READ_INDEX, r->bl);
    r->dh = inb(DAC_DATA);
    r->ch = inb(DAC_DATA);
    r->cl = inb(DAC_DATA);
}

/* AL=13h: 4 pages of 64 (BL=0, BH=0) or 16 of 16 (BH=1) DAC registers; BL=1 selects one. */
static void dac_page(struct regs *r)
{
    u8 mode = get_attr(0x10);

    if (r->bl == 0)
        set_attr(0x10, r->bh & 1 ? mode | 0x80 : mode & 0x7f);
    else if (r->bl == 1)
        set_attr(0x14, mode & 0x80 ? r->bh & 15 : (r->bh & 3) << 2);
}

static void get_dac_page(struct regs *r)
{
    u8 page = get_attr(0x14) & 15;

    r->bl = get_attr(0x10) >> 7;
    r->bh = r->bl ? page : page >> 2;
}

void int10_palette(struct regs *r)
{
    switch (r->al) {
    case 0x00:
        set_attr(r->bl & 0x1f, r->bh);
        break;
    case 0x01:
        set_attr(0x11, r->bh);
        break;
    case 0x02:
        write_all(r);
        break;
    case 0x03:
        blink(r->bl & 1);
        break;
    case 0x07:
        r->bh = get_attr(r->bl);
        break;
    case 0x08:
        r->bh = get_attr(0x11);
        break;
    case 0x09:
        read_all(r);
        break;
    case 0x10:
        set_dac(r->bl, r->dh, r->ch, r->cl);
        break;
    case 0x12:
        write_dac_block(r);
        break;
    case 0x13:
        dac_page(r);
        break;
    case 0x15:
        read_dac(r);
        break;
    case 0x17:
        read_dac_block(r);
        break;
    case 0x18:
        outb(DAC_MASK, r->bl);
        break;
    case 0x19:
        r->bl = inb(DAC_MASK);
        break;
    case 0x1a:
        get_dac_page(r);
        break;
    case 0x1b:
        sum_gray(r->bx, r->cx);
        break;
    default:
        break;
    }
}
