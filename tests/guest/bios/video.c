/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INT 10h (interrupt list D-10xx; IBM VGA BIOS interface reference). */
#include "suite.h"

static void text_mode(void)
{
    struct regs r;

    call(0x10, 0x0003, 0, 0, 0);
    r = call(0x10, 0x0f00, 0, 0, 0);
    check(r.al == 3 && r.ah == 80 && r.bh == 0, "video: mode 3 is set, 80 columns, page 0");
    check(peek8(0x40, 0x49) == 3 && peek16(0x40, 0x4a) == 80 && peek8(0x40, 0x84) == 24 &&
              peek16(0x40, 0x85) == 16 && peek16(0x40, 0x63) == 0x3d4,
          "video: the BIOS data area of mode 3");
    check(peek16(0xb800, 0) == 0x0720, "video: setting a mode clears the screen");
    r = call(0x10, 0x0300, 0, 0, 0);
    check(r.dx == 0 && r.cx == 0x0607, "video: cursor at 0,0, shape 6 to 7");
}

static void cursor(void)
{
    struct regs r;

    call(0x10, 0x0200, 0x0000, 0, 0x0a14);
    r = call(0x10, 0x0300, 0, 0, 0);
    check(r.dx == 0x0a14, "video: cursor position read back");
    outb(0x3d4, 0x0f);
    u8 low = inb(0x3d5);
    outb(0x3d4, 0x0e);
    u8 high = inb(0x3d5);
    check((high << 8 | low) == 10 * 80 + 20, "video: the CRTC's cursor location");
    call(0x10, 0x0100, 0, 0x2000, 0);
    outb(0x3d4, 0x0a);
    check(inb(0x3d5) & 0x20, "video: shape 2000h hides the cursor");
    call(0x10, 0x0100, 0, 0x0607, 0);
}

static void characters(void)
{
    struct regs r;

    call(0x10, 0x0200, 0, 0, 0x0500);
    call(0x10, 0x0941, 0x001e, 3, 0);
    check(peek16(0xb800, 5 * 160) == 0x1e41 && peek16(0xb800, 5 * 160 + 4) == 0x1e41 &&
              peek16(0xb800, 5 * 160 + 6) == 0x0720,
          "video: 09h writes characters with attribute");
    call(0x10, 0x0a42, 0x0000, 1, 0);
    r = call(0x10, 0x0800, 0, 0, 0);
    check(r.ax == 0x1e42, "video: 0Ah keeps the attribute; 08h reads both");
    r = call(0x10, 0x0300, 0, 0, 0);
    check(r.dx == 0x0500, "video: 09h and 0Ah leave the cursor");
}

static void teletype(void)
{
    struct regs r;

    call(0x10, 0x0200, 0, 0, 0x074f);
    call(0x10, 0x0e58, 7, 0, 0);
    r = call(0x10, 0x0300, 0, 0, 0);
    check(peek8(0xb800, 7 * 160 + 158) == 'X' && r.dx == 0x0800,
          "video: teletype goes to the next line");
    call(0x10, 0x0200, 0, 0, 0x0805);
    call(0x10, 0x0e0d, 7, 0, 0);
    call(0x10, 0x0e0a, 7, 0, 0);
    call(0x10, 0x0e08, 7, 0, 0);
    r = call(0x10, 0x0300, 0, 0, 0);
    check(r.dx == 0x0900, "video: teletype CR, LF, and BS at the left edge");
    poke8(0xb800, 24 * 160, 'Q');
    call(0x10, 0x0200, 0, 0, 0x1800);
    call(0x10, 0x0e0a, 7, 0, 0);
    check(peek8(0xb800, 23 * 160) == 'Q' && peek8(0xb800, 24 * 160) == ' ',
          "video: LF on the last line scrolls");
}

static void scrolling(void)
{
    for (u32 i = 0; i < 25; i++)
        poke8(0xb800, i * 160 + 20, (u8)('a' + i));
    call(0x10, 0x0602, 0x4f00, 0x050a, 0x0a14);
    check(peek8(0xb800, 5 * 160 + 20) == 'h' && peek8(0xb800, 8 * 160 + 20) == 'k' &&
              peek16(0xb800, 9 * 160 + 20) == 0x4f20 && peek8(0xb800, 4 * 160 + 20) == 'e' &&
              peek8(0xb800, 11 * 160 + 20) == 'l',
          "video: 06h scrolls a window up");
    call(0x10, 0x0701, 0x1700, 0x0000, 0x184f);
    check(peek8(0xb800, 160 + 20) == 'a' && peek16(0xb800, 20) == 0x1720,
          "video: 07h scrolls down");
    call(0x10, 0x0600, 0x0700, 0x0000, 0x184f);
    check(peek16(0xb800, 0) == 0x0720 && peek16(0xb800, 24 * 160 + 158) == 0x0720,
          "video: 06h with 0 lines clears");
}

static void pages(void)
{
    struct regs r;

    call(0x10, 0x0501, 0, 0, 0);
    r = call(0x10, 0x0f00, 0, 0, 0);
    check(r.bh == 1 && peek16(0x40, 0x4e) == 0x1000, "video: page 1 is shown");
    call(0x10, 0x0200, 0x0100, 0, 0x0203);
    call(0x10, 0x0943, 0x0107, 1, 0);
    check(peek8(0xb800, 0x1000 + 2 * 160 + 6) == 'C', "video: a character on page 1");
    call(0x10, 0x0500, 0, 0, 0);
}

static void string(void)
{
    static const char s[] = "Hi!";
    struct regs r = {.ds = SEG, .es = SEG, .eax = 0x1301, .ebx = 0x002a, .ecx = 3, .edx = 0x0c05};

    r.ebp = (u32)s;
    intr(0x10, &r);
    check(peek16(0xb800, 12 * 160 + 10) == 0x2a48 && peek16(0xb800, 12 * 160 + 14) == 0x2a21,
          "video: 13h writes a string");
    r = call(0x10, 0x0300, 0, 0, 0);
    check(r.dx == 0x0c08, "video: 13h moves the cursor");
}

static void graphics(void)
{
    struct regs r;

    call(0x10, 0x0013, 0, 0, 0);
    call(0x10, 0x0c5a, 0, 100, 50);
    r = call(0x10, 0x0d00, 0, 100, 50);
    check(r.al == 0x5a && peek8(0xa000, 50 * 320 + 100) == 0x5a, "video: mode 13h, a pixel");
    call(0x10, 0x0200, 0, 0, 0);
    call(0x10, 0x09db, 0x000f, 1, 0);
    check(peek8(0xa000, 0) == 15 && peek8(0xa000, 7 * 320 + 7) == 15 && peek8(0xa000, 8) == 0,
          "video: mode 13h, a full block is 8 by 8 pixels");
    call(0x10, 0x0012, 0, 0, 0);
    call(0x10, 0x0c0b, 0, 639, 479);
    r = call(0x10, 0x0d00, 0, 639, 479);
    check(r.al == 0x0b && peek8(0x40, 0x84) == 29, "video: mode 12h, a pixel; 30 rows");
    call(0x10, 0x0c86, 0, 639, 479);
    r = call(0x10, 0x0d00, 0, 639, 479);
    check(r.al == 0x0d, "video: bit 7 of the color is exclusive or");
    call(0x10, 0x0004, 0, 0, 0);
    call(0x10, 0x0c02, 0, 5, 3);
    check(peek8(0xb800, 0x2000 + 80 + 1) == 0x20, "video: mode 4, odd lines are 2000h up");
    call(0x10, 0x0006, 0, 0, 0);
    call(0x10, 0x0c01, 0, 9, 2);
    r = call(0x10, 0x0d00, 0, 9, 2);
    check(peek8(0xb800, 80 + 1) == 0x40 && r.al == 1, "video: mode 6");
    call(0x10, 0x000d, 0, 0, 0);
    call(0x10, 0x0200, 0, 0, 0x0102);
    call(0x10, 0x0941, 0x000c, 1, 0);
    r = call(0x10, 0x0800, 0, 0, 0);
    check(r.al == 'A', "video: mode 0Dh, a character is read from its pixels");
}

static void palette(void)
{
    struct regs r;

    call(0x10, 0x0003, 0, 0, 0);
    call(0x10, 0x1010, 200, 0x1122, 0x3300);
    r = call(0x10, 0x1015, 200, 0, 0);
    check(r.cx == 0x1122 && r.dh == 0x33, "video: a DAC register");
    r = call(0x10, 0x1007, 0x0006, 0, 0);
    check(r.bh == 0x14, "video: palette register 6 of mode 3 is brown");
    r = call(0x10, 0x1015, 0x14, 0, 0);
    check(r.dh == 42 && r.ch == 21 && r.cl == 0, "video: brown's DAC register");
    call(0x10, 0x0013, 0, 0, 0);
    r = call(0x10, 0x1015, 32, 0, 0);
    check(r.dh == 0 && r.ch == 0 && r.cl == 63, "video: color 32 of mode 13h is blue");
    r = call(0x10, 0x1015, 40, 0, 0);
    check(r.dh == 63 && r.ch == 0 && r.cl == 0, "video: color 40 is red");
    r = call(0x10, 0x1015, 31, 0, 0);
    check(r.dh == 63 && r.ch == 63 && r.cl == 63, "video: color 31 is white");
}

static void fonts(void)
{
    struct regs r = {.ds = SEG, .es = SEG, .eax = 0x1130, .ebx = 0x0600};

    call(0x10, 0x0003, 0, 0, 0);
    intr(0x10, &r);
    check(r.cx == 16 && r.dl == 24, "video: 1130h, 16 rows a character, 25 lines");
    u32 ink = 0;
    for (u32 i = 0; i < 16; i++)
        ink |= peek8(r.es, (r.ebp & 0xffff) + 'A' * 16 + i);
    check(ink != 0, "video: the 8x16 font has an A");
    call(0x10, 0x1112, 0, 0, 0);
    check(peek8(0x40, 0x84) == 49 && peek8(0x40, 0x85) == 8, "video: 1112h, 50 lines");
    r = call(0x10, 0x1a00, 0, 0, 0);
    check(r.al == 0x1a && r.bl == 8, "video: 1A00h, a VGA with color display");
    r = call(0x10, 0x1200, 0x10, 0, 0);
    check(r.bh == 0 && r.bl == 3, "video: 12h/10h, color, 256 KiB");
    call(0x10, 0x0003, 0, 0, 0);
}

void test_video(void)
{
    text_mode();
    cursor();
    characters();
    teletype();
    scrolling();
    pages();
    string();
    graphics();
    palette();
    fonts();
}

/* ---- VBE (core functions standard 3.0) ---- */

static u8 buffer[512];

static struct regs vbe(u32 ax, u32 bx, u32 cx, u32 dx)
{
    struct regs r = {
        .ds = SEG, .es = SEG, .eax = ax, .ebx = bx, .ecx = cx, .edx = dx, .edi = (u32)buffer};

    intr(0x10, &r);
    return r;
}

static void vbe_modes(void)
{
    u16 *list = (u16 *)(buffer + 14), seg = list[1], off = list[0];
    u32 n = 0;
    bool all = 1;

    check(list[1] != 0, "VBE: there is a mode list");
    static u16 modes[128];
    while (n < 127 && peek16(seg, off + n * 2) != 0xffff) {
        modes[n] = peek16(seg, off + n * 2);
        n++;
    }
    check(n > 10 && n < 127, "VBE: the list ends");
    for (u32 i = 0; i < n; i++) {
        struct regs r = vbe(0x4f01, 0, modes[i], 0);

        if (r.ax != 0x004f || !(buffer[0] & 1) || !*(u16 *)(buffer + 0x12))
            all = 0;
    }
    check(all, "VBE: every mode of the list has its information");
}

static void vbe_set(void)
{
    struct regs r = vbe(0x4f02, 0x0101, 0, 0);

    check(r.ax == 0x004f, "VBE: mode 101h is set");
    r = vbe(0x4f03, 0, 0, 0);
    check(r.ax == 0x004f && (r.bx & 0x1ff) == 0x101, "VBE: and is the current one");
    poke8(0xa000, 5, 0xaa);
    vbe(0x4f05, 0, 0, 1);
    poke8(0xa000, 5, 0x55);
    r = vbe(0x4f05, 0x0100, 0, 0);
    check(r.ax == 0x004f && r.dx == 1, "VBE: the window's position");
    vbe(0x4f05, 0, 0, 0);
    check(peek8(0xa000, 5) == 0xaa, "VBE: bank 0 and bank 1 are different memory");
    r = vbe(0x4f06, 0x0000, 1024, 0);
    check(r.ax == 0x004f && r.bx == 1024 && r.cx == 1024, "VBE: a logical line of 1024 pixels");
    vbe(0x4f07, 0, 64, 32);
    r = vbe(0x4f07, 1, 0, 0);
    check(r.ax == 0x004f && r.cx == 64 && r.dx == 32, "VBE: display start");
    r = vbe(0x4f08, 0x0800, 0, 0);
    check(r.ax == 0x004f && r.bh == 8, "VBE: 8-bit DAC");
    r = vbe(0x4f02, 0x01fe, 0, 0);
    check(r.ax != 0x004f, "VBE: an unknown mode is refused");
    call(0x10, 0x0003, 0, 0, 0);
    r = vbe(0x4f03, 0, 0, 0);
    check(r.ax == 0x004f && r.bx == 3, "VBE: back to text");
}

/* ---- INT 10h in VBE modes ---- */

/* Whether a character at the end of the screen is drawn, read, and scrolled with its line; and a
 * pixel is read as it was written. */
static bool drawn(u16 mode, u8 columns, u8 rows)
{
    u8 last = (u8)(rows - 1);
    bool good = vbe(0x4f01, 0, mode, 0).ax == 0x004f && buffer[0] & 4;

    vbe(0x4f02, mode, 0, 0);
    vbe(0x4f05, 0, 0, 1);
    good = good && peek8(0x40, 0x4a) == columns && peek8(0x40, 0x84) == last;
    call(0x10, 0x0200, 0, 0, (u32)(last << 8 | (columns - 2)));
    call(0x10, 0x0941, 0x0f, 1, 0);
    good = good && call(0x10, 0x0800, 0, 0, 0).al == 'A';
    call(0x10, 0x0e42, 0x07, 0, 0);
    call(0x10, 0x0e43, 0x07, 0, 0); /* at the end of the last line: all scrolls */
    call(0x10, 0x0200, 0, 0, (u32)((last - 1) << 8 | (columns - 2)));
    good = good && call(0x10, 0x0800, 0, 0, 0).al == 'B';
    call(0x10, 0x0701, 0, 0, (u32)(last << 8 | (columns - 1)));
    good = good && (call(0x10, 0x0800, 0, 0, 0).al & ~0x20) == 0;
    call(0x10, 0x0200, 0, 0, (u32)(last << 8 | (columns - 1)));
    good = good && call(0x10, 0x0800, 0, 0, 0).al == 'C';
    call(0x10, 0x0c0c, 0, 33, 100);
    good = good && call(0x10, 0x0d00, 0, 33, 100).al && !call(0x10, 0x0d00, 0, 34, 100).al;
    return good && vbe(0x4f05, 0x0100, 0, 0).dx == 1;
}

static void vbe_characters(void)
{
    check(drawn(0x101, 80, 30), "VBE: INT 10h's characters in mode 101h");
    check(drawn(0x114, 100, 37), "VBE: INT 10h's characters in mode 114h");
    check(drawn(0x112, 80, 30), "VBE: INT 10h's characters in mode 112h");
    call(0x15, 0x2400, 0, 0, 0); /* some of the frame buffer's addresses cannot be had now */
    check(drawn(0x115, 100, 37), "VBE: INT 10h's characters with A20 off");
    call(0x15, 0x2401, 0, 0, 0);
    call(0x10, 0x0003, 0, 0, 0);
}

/* ---- 4F0Ah ---- */

/* hooks.S */
extern u32 pm_target[2], pm_near;
extern u16 pm_data, pm_stack;
extern volatile u8 pm_32;
void pm_far_to_near(void);
void protected_call(struct regs *r);

static struct regs vbe_protected(u32 function, u32 bx, u32 cx, u32 dx, u32 edi)
{
    struct regs r = {.ebx = bx, .ecx = cx, .edx = dx, .edi = edi};

    pm_target[0] = 0x10000 + (u32)pm_far_to_near;
    pm_target[1] = 0x08;
    pm_32 = 1;
    pm_data = 0x10;
    pm_stack = 0x10;
    pm_near = function;
    protected_call(&r);
    return r;
}

#define COPY 0x30000u /* the program's copy of the code */

/* The code of VBE 3.0's function 0Ah does what the functions of INT 10h do. */
static void vbe_protected_mode(void)
{
    struct regs r = vbe(0x4f0a, 0, 0, 0);
    u16 at = (u16)r.edi, length = r.cx, table[4];
    static u8 colors[8] = {1, 2, 3, 0, 4, 5, 6, 0};
    bool good = r.ax == 0x004f;

    for (u32 i = 0; i < 4; i++) {
        table[i] = good ? peek16(r.es, at + i * 2) : 0;
        good = good && table[i] && table[i] < length;
    }
    check(good, "VBE: 4F0Ah, the protected-mode interface");
    if (!good)
        return;
    for (u32 i = 0; i < length; i++)
        poke8((u16)(COPY >> 4), i, peek8(r.es, at + i));
    vbe(0x4f02, 0x0101, 0, 0);
    r = vbe_protected(COPY + table[0], 0, 0, 3, 0);
    check(vbe(0x4f05, 0x0100, 0, 0).dx == 3, "VBE: the window's position, in protected mode");
    vbe_protected(COPY + table[1], 0, (20 * 640 + 64) / 4, 0, 0);
    r = vbe(0x4f07, 1, 0, 0);
    check(r.cx == 64 && r.dx == 20, "VBE: display start, in protected mode");
    vbe_protected(COPY + table[1], 0x80, (200 * 640 / 4) & 0xffff, (200 * 640 / 4) >> 16, 0);
    r = vbe(0x4f07, 1, 0, 0);
    check(r.cx == 0 && r.dx == 200, "VBE: and in a retrace");
    vbe_protected(COPY + table[2], 0, 2, 0x40, SEG * 16 + (u32)colors);
    outb(0x3c7, 0x41);
    good = inb(0x3c9) == 6 && inb(0x3c9) == 5 && inb(0x3c9) == 4;
    check(good, "VBE: the palette, in protected mode");
    vbe(0x4f02, 0x0115, 0, 0);
    vbe_protected(COPY + table[1], 0, (800 * 3 * 2 + 12) / 4, 0, 0);
    r = vbe(0x4f07, 1, 0, 0);
    check(r.cx == 4 && r.dx == 2, "VBE: display start with 24 bits");
    vbe(0x4f02, 0x0102, 0, 0);
    vbe_protected(COPY + table[1], 0, 100 * 2 + 1, 0, 0);
    r = vbe(0x4f07, 1, 0, 0);
    check(r.cx == 8 && r.dx == 2, "VBE: display start with 4 bits");
    call(0x10, 0x0003, 0, 0, 0);
}

void test_vbe(void)
{
    struct regs r;

    buffer[0] = 'V';
    buffer[1] = 'B';
    buffer[2] = 'E';
    buffer[3] = '2';
    r = vbe(0x4f00, 0, 0, 0);
    check(r.ax == 0x004f && buffer[0] == 'V' && buffer[1] == 'E' && buffer[2] == 'S' &&
              buffer[3] == 'A' && buffer[5] >= 2,
          "VBE: controller information");
    vbe_modes();
    r = vbe(0x4f01, 0, 0x0118, 0);
    check(r.ax == 0x004f && *(u16 *)(buffer + 0x12) == 1024 && *(u16 *)(buffer + 0x14) == 768 &&
              buffer[0x19] == 24 && buffer[0x1b] == 6,
          "VBE: 118h is 1024 by 768, 24 bits, direct color");
    check(*(u32 *)(buffer + 0x28) >= 0xc0000000, "VBE: the linear frame buffer is in the PCI hole");
    vbe_set();
    vbe_characters();
    vbe_protected_mode();
}
