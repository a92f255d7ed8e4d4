/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The less usual functions of INT 10h, each with what the adapter's registers say afterwards
 * (interrupt list D-1005 to D-101C; IBM VGA BIOS interface reference; VBE 3.0). */
#include "suite.h"

static u8 buffer[2048];

static struct regs video(u32 ax, u32 bx, u32 cx, u32 dx)
{
    struct regs r = {.ds = SEG, .es = SEG, .eax = ax, .ebx = bx, .ecx = cx, .edx = dx};

    r.edi = r.ebp = (u32)buffer;
    intr(0x10, &r);
    return r;
}

static u8 reg(u16 port, u8 index)
{
    outb(port, index);
    return inb((u16)(port + 1));
}

static u8 attribute(u8 index)
{
    return video(0x1007, index, 0, 0).bh;
}

/* ---- 0Bh, 10h ---- */

static void cga_palettes(void)
{
    video(0x0004, 0, 0, 0);
    check((attribute(1) & 7) == 3 && (attribute(2) & 7) == 5 && (attribute(3) & 7) == 7,
          "adapter: mode 4 is cyan, magenta, white");
    video(0x0b00, 0x0100, 0, 0);
    check((attribute(1) & 7) == 2 && (attribute(2) & 7) == 4 && (attribute(3) & 7) == 6,
          "adapter: 0Bh, green, red, brown");
    video(0x0b00, 0x0001, 0, 0);
    check((attribute(0) & 7) == 1, "adapter: 0Bh, a blue background");
    video(0x0b00, 0x0101, 0, 0);
    check((attribute(1) & 7) == 3 && (attribute(0) & 7) == 1, "adapter: 0Bh, the other again");
}

static void palette_registers(void)
{
    video(0x0003, 0, 0, 0);
    video(0x1000, 0x2a03, 0, 0);
    check(attribute(3) == 0x2a, "adapter: 1000h, a palette register");
    video(0x1001, 0x0500, 0, 0);
    check(video(0x1008, 0, 0, 0).bh == 5, "adapter: 1001h, the border");
    for (u8 i = 0; i < 17; i++)
        buffer[i] = (u8)(i * 3 & 0x3f);
    video(0x1002, 0, 0, (u32)buffer);
    for (u8 i = 0; i < 17; i++)
        buffer[i] = 0;
    video(0x1009, 0, 0, (u32)buffer);
    check(buffer[1] == 3 && buffer[15] == 45 && buffer[16] == 48, "adapter: 1002h and 1009h, all");
    video(0x1003, 0, 0, 0);
    check(!(attribute(0x10) & 8), "adapter: 1003h, bright backgrounds");
    video(0x1003, 1, 0, 0);
    check(attribute(0x10) & 8, "adapter: 1003h, blinking");
}

static void dac(void)
{
    struct regs r;

    for (u8 i = 0; i < 30; i++)
        buffer[i] = i;
    video(0x1012, 100, 10, (u32)buffer);
    for (u8 i = 0; i < 30; i++)
        buffer[i] = 0;
    video(0x1017, 101, 2, (u32)buffer);
    check(buffer[0] == 3 && buffer[5] == 8, "adapter: 1012h and 1017h, DAC registers");
    r = video(0x1013, 0x0100, 0, 0);
    video(0x1013, 0x0501, 0, 0);
    r = video(0x101a, 0, 0, 0);
    check(r.bl == 1 && r.bh == 5, "adapter: 1013h, 16 pages of 16 colors");
    video(0x1013, 0x0001, 0, 0);
    video(0x1013, 0x0000, 0, 0);
    r = video(0x101a, 0, 0, 0);
    check(r.bl == 0 && r.bh == 0, "adapter: 1013h, 4 pages of 64");
    video(0x1018, 0x3f, 0, 0);
    check(inb(0x3c6) == 0x3f && video(0x1019, 0, 0, 0).bl == 0x3f, "adapter: 1018h, the mask");
    video(0x1018, 0xff, 0, 0);
    video(0x1010, 70, 63, 0);
    video(0x101b, 70, 1, 0);
    r = video(0x1015, 70, 0, 0);
    check(r.dh == r.ch && r.ch == r.cl && r.cl >= 6 && r.cl <= 8, "adapter: 101Bh, blue's gray");
}

/* ---- 11h, 12h ---- */

static u8 glyph_row(u8 c, u8 row)
{
    u8 v;

    outb(0x3c4, 4);
    outb(0x3c5, 7);
    outb(0x3ce, 4);
    outb(0x3cf, 2);
    outb(0x3ce, 5);
    outb(0x3cf, 0);
    outb(0x3ce, 6);
    outb(0x3cf, 4);
    v = peek8(0xa000, c * 32u + row);
    outb(0x3c4, 4);
    outb(0x3c5, 2);
    outb(0x3ce, 4);
    outb(0x3cf, 0);
    outb(0x3ce, 5);
    outb(0x3cf, 0x10);
    outb(0x3ce, 6);
    outb(0x3cf, 0x0e);
    return v;
}

static void fonts(void)
{
    struct regs r;

    video(0x0003, 0, 0, 0);
    for (u8 i = 0; i < 16; i++)
        buffer[i] = (u8)(0x81 + i);
    video(0x1100, 0x1000, 1, 0xfe);
    check(glyph_row(0xfe, 0) == 0x81 && glyph_row(0xfe, 15) == 0x90, "adapter: 1100h, a character");
    check(peek8(0x40, 0x84) == 24, "adapter: which leaves the rows");
    video(0x1111, 0, 0, 0);
    check(peek8(0x40, 0x84) == 27 && peek8(0x40, 0x85) == 14 && (reg(0x3d4, 9) & 31) == 13,
          "adapter: 1111h, 28 rows");
    video(0x1114, 0, 0, 0);
    check(peek8(0x40, 0x84) == 24 && peek8(0x40, 0x85) == 16 && reg(0x3d4, 0x12) == 0x8f,
          "adapter: 1114h, 25 again, in 400 lines");
    video(0x1103, 4, 0, 0);
    check(reg(0x3c4, 3) == 4, "adapter: 1103h, another font for attribute bit 3");
    video(0x0003, 0, 0, 0);
    r = video(0x1130, 0x0200, 0, 0);
    check(peek8(r.es, (r.ebp & 0xffff) + 'H' * 14 + 6), "adapter: 1130h, 8 by 14");
    r = video(0x1130, 0x0300, 0, 0);
    check(peek8(r.es, (r.ebp & 0xffff) + 'H' * 8 + 3) && peek8(0xf000, 0xfa6e + 'H' * 8 + 3),
          "adapter: 1130h, 8 by 8, and at F000:FA6E");
}

static void scan_lines(void)
{
    video(0x1201, 0x30, 0, 0);
    video(0x0003, 0, 0, 0);
    check(peek8(0x40, 0x85) == 14 && peek8(0x40, 0x84) == 24, "adapter: 350 lines");
    video(0x1112, 0, 0, 0);
    check(peek8(0x40, 0x84) == 42, "adapter: 43 rows");
    video(0x1200, 0x30, 0, 0);
    video(0x0003, 0, 0, 0);
    check(peek8(0x40, 0x85) == 8 && peek8(0x40, 0x84) == 24, "adapter: 200 lines");
    video(0x1202, 0x30, 0, 0);
    video(0x0003, 0, 0, 0);
    check(peek8(0x40, 0x85) == 16, "adapter: 400 lines");
}

static void alternate(void)
{
    struct regs r = video(0x1201, 0x36, 0, 0);

    check(r.al == 0x12 && reg(0x3c4, 1) & 0x20, "adapter: 12h/36h, the screen off");
    video(0x1200, 0x36, 0, 0);
    check(!(reg(0x3c4, 1) & 0x20), "adapter: and on");
    video(0x1010, 1, 0x0102, 0x0300);
    video(0x1201, 0x31, 0, 0);
    video(0x0003, 0, 0, 0);
    r = video(0x1015, 1, 0, 0);
    check(r.dh == 3 && r.ch == 1 && r.cl == 2, "adapter: 12h/31h, a mode set leaves the palette");
    video(0x1200, 0x31, 0, 0);
    video(0x0003, 0, 0, 0);
    check(video(0x1015, 1, 0, 0).dh == 0, "adapter: and sets it again");
    r = video(0x1a00, 0, 0, 0);
    check(r.al == 0x1a && r.bl == 8, "adapter: 1A00h, VGA, color");
}

/* ---- 05h in graphics, 13h with attributes ---- */

static void pages(void)
{
    static const u8 cells[] = {'a', 0x1f, 'b', 0x2e};
    struct regs r = {.ds = SEG, .es = SEG, .eax = 0x1302, .ecx = 2, .edx = 0x0300};

    video(0x000d, 0, 0, 0);
    video(0x0c09, 0x0100, 17, 5);
    check(video(0x0d00, 0x0100, 17, 5).al == 9 && video(0x0d00, 0, 17, 5).al == 0,
          "adapter: mode 0Dh, a pixel of page 1");
    video(0x0501, 0, 0, 0);
    check(reg(0x3d4, 0x0c) == 0x20 && reg(0x3d4, 0x0d) == 0, "adapter: page 1 is shown");
    video(0x0003, 0, 0, 0);
    r.ebp = (u32)cells;
    intr(0x10, &r);
    check(peek16(0xb800, 3 * 160) == 0x1f61 && peek16(0xb800, 3 * 160 + 2) == 0x2e62,
          "adapter: 13h with attributes");
    check(video(0x0300, 0, 0, 0).dx == 0, "adapter: and the cursor where it was");
    video(0x0083, 0, 0, 0);
    check(peek16(0xb800, 3 * 160) == 0x1f61, "adapter: mode 83h does not clear");
}

/* ---- 1Bh, 1Ch ---- */

static void state(void)
{
    struct regs r;

    video(0x0003, 0, 0, 0);
    r = video(0x1b00, 0, 0, 0);
    check(r.al == 0x1b && buffer[4] == 3 && buffer[5] == 80 && buffer[0x22] == 25 &&
              buffer[0x23] == 16 && buffer[0x25] == 8 && *(u16 *)(buffer + 0x27) == 16 &&
              buffer[0x29] == 8 && buffer[0x2a] == 2,
          "adapter: 1Bh, the state of mode 3");
    check(peek8(*(u16 *)(buffer + 2), *(u16 *)buffer + 2u) == 0x0f,
          "adapter: 1Bh, modes 10h to 13h");
    r = video(0x1c00, 0, 7, 0);
    check(r.al == 0x1c && r.bx && r.bx * 64u <= sizeof(buffer),
          "adapter: 1C00h, room for the state");
    video(0x1010, 5, 0x0a0b, 0x0c00);
    video(0x0200, 0, 0, 0x0511);
    r = video(0x1c01, (u32)buffer, 7, 0);
    video(0x0013, 0, 0, 0);
    r = video(0x1c02, (u32)buffer, 7, 0);
    check(r.al == 0x1c && video(0x0f00, 0, 0, 0).al == 3 && video(0x0300, 0, 0, 0).dx == 0x0511,
          "adapter: 1C02h, mode 3 and its cursor are back");
    r = video(0x1015, 5, 0, 0);
    check(r.dh == 0x0c && r.ch == 0x0a && r.cl == 0x0b, "adapter: and the palette");
    check((reg(0x3ce, 6) & 0x0f) == 0x0e && reg(0x3d4, 1) == 0x4f, "adapter: and the registers");
    video(0x0003, 0, 0, 0);
}

/* ---- VBE ---- */

static void vbe_start(void)
{
    struct regs r;

    video(0x4f02, 0x0101, 0, 0);
    video(0x4f06, 0, 1024, 0);
    r = video(0x4f07, 0x02, 10 * 1024 + 64, 0);
    check(r.ax != 0x004f || (video(0x4f07, 1, 0, 0).cx == 64 && video(0x4f07, 1, 0, 0).dx == 10),
          "VBE: 4F07h/02h, a start in bytes");
    r = video(0x4f06, 1, 0, 0);
    check(r.ax == 0x004f && r.cx == 1024 && r.dx >= 480, "VBE: 4F06h/01h, lines there are");
    r = video(0x4f06, 0, 320, 0);
    check(r.ax != 0x004f || r.cx >= 640, "VBE: no line shorter than the screen's");
    check((video(0x0f00, 0, 0, 0).al & 0x7f) > 0x13, "VBE: 0Fh gives no mode of the VGA's");
}

static void vbe_palette(void)
{
    struct regs r;

    for (u8 i = 0; i < 8; i++)
        buffer[i] = (u8)(i + 1);
    r = video(0x4f09, 0, 2, 20);
    check(r.ax == 0x004f, "VBE: 4F09h sets a palette");
    r = video(0x1015, 21, 0, 0);
    check(r.dh == 7 && r.ch == 6 && r.cl == 5, "VBE: blue, green, red");
    buffer[0] = 0;
    r = video(0x4f09, 1, 1, 20);
    check(r.ax == 0x004f && buffer[0] == 1 && buffer[2] == 3, "VBE: and reads it");
}

static void vbe_state(void)
{
    struct regs r = video(0x4f04, 0x0000, 15, 0);

    check(r.ax == 0x004f && r.bx && r.bx * 64u <= sizeof(buffer), "VBE: 4F04h, room for the state");
    r = video(0x4f04, (u32)buffer, 15, 1);
    video(0x0003, 0, 0, 0);
    r = video(0x4f04, (u32)buffer, 15, 2);
    check(r.ax == 0x004f && (video(0x4f03, 0, 0, 0).bx & 0x1ff) == 0x101,
          "VBE: 4F04h, mode 101h is back");
    video(0x0003, 0, 0, 0);
}

static void vbe_display(void)
{
    struct regs r = video(0x4f15, 0, 0, 0);
    u8 sum = 0;

    if (r.ax == 0x004f) {
        r = video(0x4f15, 1, 0, 0);
        for (u32 i = 0; i < 128; i++)
            sum = (u8)(sum + buffer[i]);
        check(r.ax == 0x004f && sum == 0 && *(u32 *)buffer == 0xffffff00 && buffer[0x12] == 1,
              "VBE: 4F15h, the display's EDID");
        check(video(0x4f15, 1, 0, 9).ax != 0x004f, "VBE: which has no block 9");
    }
    r = video(0x4f10, 0, 0, 0);
    if (r.ax == 0x004f && r.bh & 4) {
        video(0x4f10, 0x0401, 0, 0);
        r = video(0x4f10, 2, 0, 0);
        check(r.bh == 4 && reg(0x3c4, 1) & 0x20, "VBE: 4F10h, the display off");
        video(0x4f10, 0x0001, 0, 0);
        check(video(0x4f10, 2, 0, 0).bh == 0, "VBE: and on");
    }
}

/* VESA's mode 6Ah, 102h: 800 by 600, 16 colors; drawn to as to mode 12h, where the BIOS does. */
static void vbe_planar(void)
{
    struct regs r = video(0x4f01, 0, 0x102, 0);

    if (r.ax != 0x004f || !(buffer[0] & 4))
        return;
    video(0x006a, 0, 0, 0);
    check((video(0x4f03, 0, 0, 0).bx & 0x1ff) == 0x102, "VBE: mode 6Ah is 102h");
    video(0x0c0d, 0, 799, 599);
    check(video(0x0d00, 0, 799, 599).al == 0x0d, "VBE: a pixel at 799,599");
    video(0x0200, 0, 0, 0x2463);
    video(0x0e41, 0x000b, 0, 0);
    video(0x0200, 0, 0, 0x2363);
    r = video(0x0800, 0, 0, 0);
    check(r.al == 'A', "VBE: teletype in its last column scrolls");
    video(0x0003, 0, 0, 0);
}

void test_adapter(void)
{
    cga_palettes();
    palette_registers();
    dac();
    fonts();
    scan_lines();
    alternate();
    pages();
    state();
    vbe_start();
    vbe_palette();
    vbe_state();
    vbe_display();
    vbe_planar();
}
