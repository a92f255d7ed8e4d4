/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Setting modes 0 to 13h. Register values are IBM's (PS/2 Hardware Interface Technical Reference,
 * video subsystem); they are kept in the video parameter table, in its documented order, which
 * programs find through the save pointers at 0040:00A8. */
#include "vga.h"

/* ---- the video parameter table ---- */

#define CRTC_H40(h5)     0x2d, 0x27, 0x28, 0x90, 0x2b, h5
#define CRTC_H80(h4, h5) 0x5f, 0x4f, 0x50, 0x82, h4, h5
/* Vertical timing: total and overflow; row scan and cursor; retrace, display end, pitch, underline,
 * blanking. */
#define CRTC_V(v6, v7, scan, cursor, retrace, retrace_end, end, pitch, underline, blank,           \
               blank_end, mode)                                                                    \
    v6, v7, 0, scan, (cursor) >> 8, (cursor)&0xff, 0, 0, 0, 0, retrace, retrace_end, end, pitch,   \
        underline, blank, blank_end, mode, 0xff
#define V400(scan, cursor, pitch, underline, mode)                                                 \
    CRTC_V(0xbf, 0x1f, scan, cursor, 0x9c, 0x8e, 0x8f, pitch, underline, 0x96, 0xb9, mode)
#define V350(scan, cursor, pitch, underline, mode)                                                 \
    CRTC_V(0xbf, 0x1f, scan, cursor, 0x83, 0x85, 0x5d, pitch, underline, 0x63, 0xba, mode)
#define V480(scan, mode) CRTC_V(0x0b, 0x3e, scan, 0, 0xea, 0x8c, 0xdf, 0x28, 0, 0xe7, 0x04, mode)

#define EGA_COLORS                                                                                 \
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f
#define CGA_COLORS                                                                                 \
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17
#define CGA4_COLORS                                                                                \
    0x00, 0x13, 0x15, 0x17, 0x02, 0x04, 0x06, 0x07, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17
#define ONE_COLOR(c) 0x00, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c
#define MONO_COLORS                                                                                \
    0x00, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x10, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18
#define MONO_GRAPHICS                                                                              \
    0x00, 0x08, 0x00, 0x00, 0x18, 0x18, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00
#define LINEAR_COLORS                                                                              \
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f

#define GFX(mode, misc)                                                                            \
    {                                                                                              \
        0, 0, 0, 0, 0, mode, misc, 0x0f, 0xff                                                      \
    }
#define GFX_TEXT   GFX(0x10, 0x0e)
#define GFX_MONO   GFX(0x10, 0x0a)
#define GFX_CGA4   GFX(0x30, 0x0f)
#define GFX_CGA2   GFX(0x00, 0x0d)
#define GFX_PLANAR GFX(0x00, 0x05)
#define GFX_LINEAR GFX(0x40, 0x05)

/* Text modes: 200 scan lines (doubled), 350, 400. */
#define TEXT40_200                                                                                 \
    {                                                                                              \
        40, 24, 8, 0x800, {9, 3, 0, 2}, 0x63,                                                      \
            {CRTC_H40(0xa0), V400(0xc7, 0x0607, 0x14, 0x1f, 0xa3)},                                \
            {CGA_COLORS, 0x08, 0, 0x0f, 0}, GFX_TEXT                                               \
    }
#define TEXT80_200                                                                                 \
    {                                                                                              \
        80, 24, 8, 0x1000, {1, 3, 0, 2}, 0x63,                                                     \
            {CRTC_H80(0x55, 0x81), V400(0xc7, 0x0607, 0x28, 0x1f, 0xa3)},                          \
            {CGA_COLORS, 0x08, 0, 0x0f, 0}, GFX_TEXT                                               \
    }
#define TEXT40_350                                                                                 \
    {                                                                                              \
        40, 24, 14, 0x800, {9, 3, 0, 2}, 0xa3,                                                     \
            {CRTC_H40(0xa0), V350(0x4d, 0x0b0c, 0x14, 0x1f, 0xa3)},                                \
            {EGA_COLORS, 0x08, 0, 0x0f, 0}, GFX_TEXT                                               \
    }
#define TEXT80_350                                                                                 \
    {                                                                                              \
        80, 24, 14, 0x1000, {1, 3, 0, 2}, 0xa3,                                                    \
            {CRTC_H80(0x55, 0x81), V350(0x4d, 0x0b0c, 0x28, 0x1f, 0xa3)},                          \
            {EGA_COLORS, 0x08, 0, 0x0f, 0}, GFX_TEXT                                               \
    }
#define TEXT40_400                                                                                 \
    {                                                                                              \
        40, 24, 16, 0x800, {8, 3, 0, 2}, 0x67,                                                     \
            {CRTC_H40(0xa0), V400(0x4f, 0x0d0e, 0x14, 0x1f, 0xa3)},                                \
            {EGA_COLORS, 0x0c, 0, 0x0f, 8}, GFX_TEXT                                               \
    }
#define TEXT80_400                                                                                 \
    {                                                                                              \
        80, 24, 16, 0x1000, {0, 3, 0, 2}, 0x67,                                                    \
            {CRTC_H80(0x55, 0x81), V400(0x4f, 0x0d0e, 0x28, 0x1f, 0xa3)},                          \
            {EGA_COLORS, 0x0c, 0, 0x0f, 8}, GFX_TEXT                                               \
    }
#define MONO_350                                                                                   \
    {                                                                                              \
        80, 24, 14, 0x1000, {0, 3, 0, 3}, 0xa6,                                                    \
            {CRTC_H80(0x55, 0x81), V350(0x4d, 0x0b0c, 0x28, 0x0d, 0xa3)},                          \
            {MONO_COLORS, 0x0e, 0, 0x0f, 8}, GFX_MONO                                              \
    }
#define MONO_400                                                                                   \
    {                                                                                              \
        80, 24, 16, 0x1000, {0, 3, 0, 2}, 0x66,                                                    \
            {CRTC_H80(0x55, 0x81), V400(0x4f, 0x0d0e, 0x28, 0x0f, 0xa3)},                          \
            {MONO_COLORS, 0x0e, 0, 0x0f, 8}, GFX_MONO                                              \
    }
#define CGA320                                                                                     \
    {                                                                                              \
        40, 24, 8, 0x4000, {9, 3, 0, 2}, 0x63, {CRTC_H40(0x80), V400(0xc1, 0, 0x14, 0, 0xa2)},     \
            {CGA4_COLORS, 0x01, 0, 0x03, 0}, GFX_CGA4                                              \
    }
#define CGA640                                                                                     \
    {                                                                                              \
        80, 24, 8, 0x4000, {1, 1, 0, 6}, 0x63,                                                     \
            {CRTC_H80(0x54, 0x80), V400(0xc1, 0, 0x28, 0, 0xc2)},                                  \
            {ONE_COLOR(0x17), 0x01, 0, 0x01, 0}, GFX_CGA2                                          \
    }
#define EGA320                                                                                     \
    {                                                                                              \
        40, 24, 8, 0x2000, {9, 15, 0, 6}, 0x63, {CRTC_H40(0x80), V400(0xc0, 0, 0x14, 0, 0xe3)},    \
            {CGA_COLORS, 0x01, 0, 0x0f, 0}, GFX_PLANAR                                             \
    }
#define EGA640                                                                                     \
    {                                                                                              \
        80, 24, 8, 0x4000, {1, 15, 0, 6}, 0x63,                                                    \
            {CRTC_H80(0x54, 0x80), V400(0xc0, 0, 0x28, 0, 0xe3)}, {CGA_COLORS, 0x01, 0, 0x0f, 0},  \
            GFX_PLANAR                                                                             \
    }
#define MONO640                                                                                    \
    {                                                                                              \
        80, 24, 14, 0x8000, {1, 15, 0, 6}, 0xa2,                                                   \
            {CRTC_H80(0x54, 0x80), V350(0x40, 0, 0x28, 0x0f, 0xe3)},                               \
            {MONO_GRAPHICS, 0x0b, 0, 0x05, 0}, GFX_PLANAR                                          \
    }
#define EGA640_350                                                                                 \
    {                                                                                              \
        80, 24, 14, 0x8000, {1, 15, 0, 6}, 0xa3,                                                   \
            {CRTC_H80(0x54, 0x80), V350(0x40, 0, 0x28, 0x0f, 0xe3)},                               \
            {EGA_COLORS, 0x01, 0, 0x0f, 0}, GFX_PLANAR                                             \
    }
#define VGA640(colors, mode)                                                                       \
    {                                                                                              \
        80, 29, 16, 0xa000, {1, 15, 0, 6}, 0xe3, {CRTC_H80(0x54, 0x80), V480(0x40, mode)},         \
            {colors, 0x01, 0, 0x0f, 0}, GFX_PLANAR                                                 \
    }
#define VGA320_256                                                                                 \
    {                                                                                              \
        40, 24, 8, 0, {1, 15, 0, 14}, 0x63,                                                        \
            {CRTC_H80(0x54, 0x80), V400(0x41, 0, 0x28, 0x40, 0xa3)},                               \
            {LINEAR_COLORS, 0x41, 0, 0x0f, 0}, GFX_LINEAR                                          \
    }
#define UNUSED                                                                                     \
    {                                                                                              \
        0                                                                                          \
    }

const ROM struct video_params video_params[29] SECTION_CONST = {
    TEXT40_200,
    TEXT40_200,
    TEXT80_200,
    TEXT80_200,
    CGA320,
    CGA320, /* 00 */
    CGA640,
    MONO_350,
    UNUSED,
    UNUSED,
    UNUSED,
    UNUSED, /* 06 */
    UNUSED,
    EGA320,
    EGA640,
    MONO640,
    EGA640_350,
    MONO640, /* 0c */
    EGA640_350,
    TEXT40_350,
    TEXT40_350,
    TEXT80_350,
    TEXT80_350,
    TEXT40_400, /* 12 */
    TEXT80_400,
    MONO_400,
    VGA640(ONE_COLOR(0x3f), 0xc3),
    VGA640(EGA_COLORS, 0xe3), /* 18 */
    VGA320_256,               /* 1c */
};

static const ROM struct mode modes[] SECTION_CONST = {
    {0x00, TEXT, DAC_EGA, 0x17, 0xb800},    {0x01, TEXT, DAC_EGA, 0x17, 0xb800},
    {0x02, TEXT, DAC_EGA, 0x18, 0xb800},    {0x03, TEXT, DAC_EGA, 0x18, 0xb800},
    {0x04, CGA_4, DAC_CGA, 0x04, 0xb800},   {0x05, CGA_4, DAC_CGA, 0x05, 0xb800},
    {0x06, CGA_2, DAC_CGA, 0x06, 0xb800},   {0x07, TEXT, DAC_MONO, 0x19, 0xb000},
    {0x0d, PLANAR, DAC_CGA, 0x0d, 0xa000},  {0x0e, PLANAR, DAC_CGA, 0x0e, 0xa000},
    {0x0f, PLANAR, DAC_MONO, 0x11, 0xa000}, {0x10, PLANAR, DAC_EGA, 0x12, 0xa000},
    {0x11, PLANAR, DAC_EGA, 0x1a, 0xa000},  {0x12, PLANAR, DAC_EGA, 0x1b, 0xa000},
    {0x13, LINEAR, DAC_256, 0x1c, 0xa000},
};

const ROM struct mode *find_mode(u8 number)
{
    for (u32 i = 0; i < ARRAY_SIZE(modes); i++)
        if (modes[i].number == number)
            return &modes[i];
    return NULL;
}

/* What INT 10h draws to; NULL: a mode of VBE with which only programs draw. */
const ROM struct mode *current_mode(void)
{
    static const ROM struct mode planar SECTION_CONST = {VBE_PLANAR, PLANAR, DAC_EGA, 0, 0xa000};

    static const ROM struct mode packed SECTION_CONST = {0x7f, PACKED_PIXEL, DAC_256, 0, 0xa000};

    if (vbe_packed())
        return &packed;
    if (vbe_active())
        return bda->video_mode == VBE_PLANAR ? &planar : NULL;
    return find_mode(bda->video_mode & 0x7f);
}

/* ---- registers ---- */

/* Reading input status 1 makes the next write to 3C0h an index. */
static void attr_to_index(void)
{
    inb((u16)(bda->crtc + 6));
}

void set_attr(u8 index, u8 value)
{
    attr_to_index();
    outb(ATTR, index);
    outb(ATTR, value);
    outb(ATTR, 0x20);
}

u8 get_attr(u8 index)
{
    u8 v;

    attr_to_index();
    outb(ATTR, index & 0x1f);
    v = inb(ATTR_READ);
    attr_to_index();
    outb(ATTR, 0x20);
    return v;
}

static void set_crtc(const ROM struct video_params *p)
{
    u16 crtc = bda->crtc;

    set_reg(crtc, 0x11, p->crtc[0x11] & 0x7f); /* CR0-CR7 are protected by bit 7 */
    for (u8 i = 0; i < 25; i++)
        set_reg(crtc, i, p->crtc[i]);
}

static void set_registers(const ROM struct video_params *p)
{
    outb(DAC_MASK, 0xff);
    set_reg(SEQ, 0, 1); /* synchronous reset */
    set_reg(SEQ, 1, p->seq[0] | 0x20);
    for (u8 i = 1; i < 4; i++)
        set_reg(SEQ, (u8)(i + 1), p->seq[i]);
    outb(MISC_OUT, p->misc);
    set_reg(SEQ, 0, 3);
    set_crtc(p);
    for (u8 i = 0; i < 9; i++)
        set_reg(GFX, i, p->gfx[i]);
    attr_to_index();
    for (u8 i = 0; i < 20; i++) {
        outb(ATTR, i);
        outb(ATTR, p->attr[i]);
    }
    outb(ATTR, 0x14);
    outb(ATTR, 0);
}

/* ---- a mode ---- */

static void set_bda(const ROM struct mode *m, const ROM struct video_params *p, u8 number)
{
    bda->video_mode = m->number;
    bda->video_cols = p->cols;
    bda->video_page_size = p->page_size;
    bda->video_page_start = 0;
    bda->video_page = 0;
    bda->video_rows = p->rows_less_one;
    bda->char_height = p->char_height;
    bda->video_ctl = (bda->video_ctl & 0x7f) | (number & 0x80);
    for (u8 i = 0; i < 8; i++)
        bda->cursor[i] = 0;
    /* The shape is kept as that of a cell of 8 rows (set_cursor_shape), but for monochrome. */
    bda->cursor_start = m->kind == TEXT && m->number != 7 ? 6 : p->crtc[10];
    bda->cursor_end = m->kind == TEXT && m->number != 7 ? 7 : p->crtc[11];
    /* What the CGA's and MDA's mode registers would hold. */
    bda->video_msr = m->number == 6    ? 0x1e
                     : m->number == 4  ? 0x2a
                     : m->number == 5  ? 0x2e
                     : m->kind != TEXT ? 0x29
                     : m->number == 7  ? 0x29
                                       : (m->number & 2 ? 0x29 : 0x28) | (m->number & 1 ? 0 : 4);
    bda->video_pal = m->number == 6 ? 0x3f : 0x30;
    if (m->number == 4 || m->number == 3 || m->number == 5)
        bda->video_pal = 0x30;
}

static void clear_memory(const ROM struct mode *m)
{
    if (m->kind == TEXT)
        far_fill16(m->segment, 0, 0x0720, 0x4000);
    else if (m->kind == CGA_4 || m->kind == CGA_2)
        far_fill16(m->segment, 0, 0, 0x4000);
    else
        far_fill16(m->segment, 0, 0, 0x8000);
    if (m->kind == PLANAR || m->kind == LINEAR)
        poke16(m->segment, 0xfffe, 0);
}

/* 0040:0089 says how many scan lines text modes shall have: bits 7 and 4 (INT 10h/AH=12h/BL=30h).
 */
static u8 params_of(const ROM struct mode *m)
{
    bool mono = m->number == 7, wide = m->number >= 2;
    u8 lines = bda->modeset_ctl & 0x90;

    if (m->kind != TEXT || lines == 0x10)
        return m->params;
    if (lines == 0x80 && !mono)
        return wide ? 2 : 0;
    return mono ? 7 : wide ? 0x15 : 0x13;
}

static void set_crtc_base(const ROM struct video_params *p)
{
    bool color = p->misc & 1;

    bda->crtc = color ? CRTC_COLOR : CRTC_MONO;
    bda->equipment = (bda->equipment & ~0x30) | (color ? 0x20 : 0x30);
}

void set_mode(u8 number)
{
    const ROM struct mode *m = find_mode(number & 0x7f);
    const ROM struct video_params *p;

    if (!m)
        return;
    vbe_off();
    p = &video_params[params_of(m)];
    set_crtc_base(p);
    set_registers(p);
    if (!(bda->modeset_ctl & 8))
        load_dac(m->kind == TEXT && p->char_height == 8 ? DAC_CGA : m->dac);
    if (bda->modeset_ctl & 2)
        sum_gray(0, 256);
    set_bda(m, p, number);
    if (!(number & 0x80))
        clear_memory(m);
    if (m->kind == TEXT)
        load_rom_font(p->char_height, 0);
    set_vector(0x1f, FARPTR(0xc000, (u32)&font8[128 * 8]));
    set_vector(0x43, FARPTR(0xc000, p->char_height == 8    ? (u32)font8
                                    : p->char_height == 14 ? (u32)font14
                                                           : (u32)font16));
    set_reg(SEQ, 1, p->seq[0]);
    attr_to_index();
    outb(ATTR, 0x20);
}

/* AH=00h. AL comes back as documented by later BIOSes: 30h text, 3Fh mode 6, 20h above 7. */
void int10_set_mode(struct regs *r)
{
    u8 m = r->al & 0x7f;

    if (m == VBE_PLANAR)
        vbe_planar(r->al & 0x80);
    else
        set_mode(r->al);
    r->al = m > 7 ? 0x20 : m == 6 ? 0x3f : 0x30;
}

/* ---- pages ---- */

void set_page(u8 page)
{
    const ROM struct mode *m = current_mode();
    u16 start, address;

    if (!m || page > 7)
        return;
    start = (u16)(page * bda->video_page_size);
    address = m->kind == TEXT ? start / 2 : start;
    bda->video_page = page;
    bda->video_page_start = start;
    set_reg(bda->crtc, 0x0c, (u8)(address >> 8));
    set_reg(bda->crtc, 0x0d, (u8)address);
    cursor_to(page, bda->cursor[page]);
}

void int10_page(struct regs *r)
{
    set_page(r->al);
}

/* ---- start-up and dispatch ---- */

void vga_init(void)
{
    set_vector(0x42, FARPTR(peek16(0, 0x42), peek16(0, 0x40))); /* the BIOS's, as EGAs kept it */
    set_vector(0x10, FARPTR(0xc000, (u32)(size_t)&int10));
    set_vector(0x6d, FARPTR(0xc000, (u32)(size_t)&int10));
    bda->video_ctl = 0x60;      /* 256 KiB and more */
    bda->video_switches = 0xf9; /* EGA-like: color, enhanced */
    bda->modeset_ctl = 0x51;    /* 400 lines, VGA active */
    bda->dcc_index = 8;
    bda->video_save = FARPTR(0xc000, (u32)save_pointers);
    outb(0x3c3, 1); /* subsystem on */
    outb(MISC_OUT, 0x67);
    set_mode(3);
}

static void int10_get_mode(struct regs *r)
{
    r->al = bda->video_mode | (bda->video_ctl & 0x80);
    r->ah = (u8)bda->video_cols;
    r->bh = bda->video_page;
}

static void int10_light_pen(struct regs *r)
{
    r->ah = 0; /* a VGA has none */
}

void int10_main(struct regs *r)
{
    switch (r->ah) {
    case 0x00:
        int10_set_mode(r);
        break;
    case 0x01:
        int10_cursor_shape(r);
        break;
    case 0x02:
        int10_set_cursor(r);
        break;
    case 0x03:
        int10_get_cursor(r);
        break;
    case 0x04:
        int10_light_pen(r);
        break;
    case 0x05:
        int10_page(r);
        break;
    case 0x06:
    case 0x07:
        int10_scroll(r);
        break;
    case 0x08:
        int10_read_char(r);
        break;
    case 0x09:
    case 0x0a:
        int10_write_char(r);
        break;
    case 0x0b:
        int10_color(r);
        break;
    case 0x0c:
        int10_write_pixel(r);
        break;
    case 0x0d:
        int10_read_pixel(r);
        break;
    case 0x0e:
        int10_teletype(r);
        break;
    case 0x0f:
        int10_get_mode(r);
        break;
    case 0x10:
        int10_palette(r);
        break;
    case 0x11:
        int10_font(r);
        break;
    case 0x12:
        int10_alternate(r);
        break;
    case 0x13:
        int10_string(r);
        break;
    case 0x1a:
        int10_dcc(r);
        break;
    case 0x1b:
        int10_state_info(r);
        break;
    case 0x1c:
        int10_save_state(r);
        break;
    case 0x4f:
        int10_vbe(r);
        break;
    default:
        break;
    }
}
