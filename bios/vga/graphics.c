/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Characters and pixels in graphics modes. Glyphs come from INT 43h's font; in the CGA's modes
 * those from 80h on from INT 1Fh's. */
#include "vga.h"

/* ---- glyphs ---- */

struct glyph {
    u16 seg, off;
};

static struct glyph find_glyph(const ROM struct mode *m, u8 c)
{
    bool cga = m->kind == CGA_4 || m->kind == CGA_2;
    u16 vector = cga && c >= 128 ? 0x1f * 4 : 0x43 * 4;
    struct glyph g = {peek16(0, (u16)(vector + 2)), peek16(0, vector)};

    if (cga && c >= 128)
        c &= 0x7f;
    g.off = (u16)(g.off + c * bda->char_height);
    return g;
}

/* ---- pixels ---- */

static u16 cga_row(u16 y)
{
    return (u16)((y & 1) * 0x2000 + (y >> 1) * 80);
}

static void cga_pixel(const ROM struct mode *m, u16 x, u16 y, u8 color)
{
    u8 bits = m->kind == CGA_4 ? 2 : 1, per_byte = 8 / bits, mask = (u8)((1 << bits) - 1);
    u16 off = (u16)(cga_row(y) + x / per_byte);
    u8 shift = (u8)((per_byte - 1 - x % per_byte) * bits), v = peek8(m->segment, off);
    u8 bit = (u8)((color & mask) << shift);

    v = color & 0x80 ? v ^ bit : (u8)((v & ~(mask << shift)) | bit);
    poke8(m->segment, off, v);
}

static u16 planar_at(u16 x, u16 y, u8 page)
{
    return (u16)(page * bda->video_page_size + y * bda->video_cols + x / 8);
}

/* Write mode 2: the byte written is the color, of the bits that the bit mask selects. */
static void planar_pixel(u16 x, u16 y, u8 page, u8 color)
{
    u16 off = planar_at(x, y, page);

    set_reg(GFX, 8, (u8)(0x80 >> (x & 7)));
    set_reg(GFX, 5, 2);
    set_reg(GFX, 3, color & 0x80 ? 0x18 : 0);
    peek8(0xa000, off);
    poke8(0xa000, off, color & 15);
    set_reg(GFX, 8, 0xff);
    set_reg(GFX, 5, 0);
    set_reg(GFX, 3, 0);
}

void int10_write_pixel(struct regs *r)
{
    const ROM struct mode *m = current_mode();

    if (!m || m->kind == TEXT)
        return;
    if (m->kind == PLANAR)
        planar_pixel(r->cx, r->dx, r->bh, r->al);
    else if (m->kind == PACKED_PIXEL)
        packed_write(r->cx, r->dx, r->al);
    else if (m->kind == LINEAR)
        poke8(0xa000, (u16)(r->dx * 320 + r->cx), r->al);
    else
        cga_pixel(m, r->cx, r->dx, r->al);
}

static u8 read_planar(u16 x, u16 y, u8 page)
{
    u8 color = 0;

    for (u8 plane = 0; plane < 4; plane++) {
        set_reg(GFX, 4, plane);
        if (peek8(0xa000, planar_at(x, y, page)) & (0x80 >> (x & 7)))
            color |= (u8)(1 << plane);
    }
    set_reg(GFX, 4, 0);
    return color;
}

void int10_read_pixel(struct regs *r)
{
    const ROM struct mode *m = current_mode();
    u16 x = r->cx, y = r->dx;

    if (!m || m->kind == TEXT)
        return;
    if (m->kind == PLANAR)
        r->al = read_planar(x, y, r->bh);
    else if (m->kind == PACKED_PIXEL)
        r->al = packed_read(x, y);
    else if (m->kind == LINEAR)
        r->al = peek8(0xa000, (u16)(y * 320 + x));
    else if (m->kind == CGA_4)
        r->al = peek8(m->segment, (u16)(cga_row(y) + x / 4)) >> (3 - x % 4) * 2 & 3;
    else
        r->al = peek8(m->segment, (u16)(cga_row(y) + x / 8)) >> (7 - x % 8) & 1;
}

/* ---- characters ---- */

static void planar_char(struct glyph g, u8 attr, u8 page, u16 position)
{
    u8 height = bda->char_height;
    u16 off = planar_at((u16)((position & 0xff) * 8), (u16)((position >> 8) * height), page);

    set_reg(GFX, 3, attr & 0x80 ? 0x18 : 0);
    set_reg(GFX, 5, 2);
    for (u8 y = 0; y < height; y++, off = (u16)(off + bda->video_cols)) {
        u8 bits = peek8(g.seg, (u16)(g.off + y));

        set_reg(GFX, 8, bits);
        peek8(0xa000, off);
        poke8(0xa000, off, attr & 15);
        if (attr & 0x80)
            continue; /* XOR leaves the background alone */
        set_reg(GFX, 8, (u8)~bits);
        peek8(0xa000, off);
        poke8(0xa000, off, 0);
    }
    set_reg(GFX, 8, 0xff);
    set_reg(GFX, 5, 0);
    set_reg(GFX, 3, 0);
}

static void pixel_char(const ROM struct mode *m, struct glyph g, u8 attr, u16 position)
{
    u8 height = bda->char_height;
    u16 x0 = (u16)((position & 0xff) * 8), y0 = (u16)((position >> 8) * height);

    for (u8 y = 0; y < height; y++) {
        u8 bits = peek8(g.seg, (u16)(g.off + y));

        for (u8 x = 0; x < 8; x++) {
            bool on = bits & (0x80 >> x);

            if (m->kind == LINEAR)
                poke8(0xa000, (u16)((y0 + y) * 320 + x0 + x), on ? attr : 0);
            else if (on || !(attr & 0x80))
                cga_pixel(m, (u16)(x0 + x), (u16)(y0 + y), on ? attr : 0);
        }
    }
}

void gfx_put_char(u8 c, u8 attr, u8 page, u16 position)
{
    const ROM struct mode *m = current_mode();
    struct glyph g = find_glyph(m, c);

    if (m->kind == PLANAR)
        planar_char(g, attr, page, position);
    else if (m->kind == PACKED_PIXEL)
        packed_char(g.seg, g.off, attr, position);
    else
        pixel_char(m, g, attr, position);
}

/* What of one row of a cell differs from the background, color 0. */
static u8 row_bits(const ROM struct mode *m, u16 x, u16 y, u8 page)
{
    struct regs r = {.cx = x, .dx = y, .bh = page};
    u8 bits = 0;

    for (u8 i = 0; i < 8; i++, r.cx++) {
        int10_read_pixel(&r);
        bits = (u8)(bits << 1 | (r.al != 0));
    }
    (void)m;
    return bits;
}

/* The character whose glyph is on the screen; 0 if there is none. */
u8 gfx_read_char(u16 position, u8 page)
{
    const ROM struct mode *m = current_mode();
    u8 height = bda->char_height, rows[32];
    u16 x = (u16)((position & 0xff) * 8), y0 = (u16)((position >> 8) * height);

    for (u8 y = 0; y < height && y < 32; y++)
        rows[y] = row_bits(m, x, (u16)(y0 + y), page);
    for (u16 c = 0; c < 256; c++) {
        struct glyph g = find_glyph(m, (u8)c);
        u8 y = 0;

        while (y < height && y < 32 && peek8(g.seg, (u16)(g.off + y)) == rows[y])
            y++;
        if (y == height)
            return (u8)c;
    }
    return 0;
}

/* ---- scrolling ---- */

struct area {
    u16 segment, left, width; /* bytes */
    u16 pitch;
    u8 fill;
};

static u16 row_at(const ROM struct mode *m, const struct area *a, u16 y)
{
    if (m->kind == CGA_4 || m->kind == CGA_2)
        return (u16)(cga_row(y) + a->left);
    return (u16)(bda->video_page_start + y * a->pitch + a->left);
}

static void fill_row(const struct area *a, u16 at)
{
    for (u16 i = 0; i < a->width; i++)
        poke8(a->segment, (u16)(at + i), a->fill);
}

/* Scan lines `by` apart are moved within top..bottom, the rest is filled. */
static void move_rows(const ROM struct mode *m, const struct area *a, u16 top, u16 bottom, u16 by,
                      bool down)
{
    u16 rows = (u16)(bottom - top + 1);

    for (u16 i = 0; i < rows; i++) {
        u16 y = down ? (u16)(bottom - i) : (u16)(top + i);

        if (i + by < rows) {
            set_reg(GFX, 5,
                    m->kind == PLANAR   ? 1
                    : m->kind == LINEAR ? 0x40
                    : m->kind == CGA_4  ? 0x30
                                        : 0);
            far_copy(a->segment, row_at(m, a, y), a->segment, row_at(m, a, down ? y - by : y + by),
                     a->width);
        } else {
            set_reg(GFX, 5,
                    m->kind == PLANAR   ? 2
                    : m->kind == LINEAR ? 0x40
                    : m->kind == CGA_4  ? 0x30
                                        : 0);
            fill_row(a, row_at(m, a, y));
        }
    }
    set_reg(GFX, 5, m->kind == LINEAR ? 0x40 : m->kind == CGA_4 ? 0x30 : 0);
}

void gfx_scroll(u8 lines, u8 attr, const struct window *w, bool down)
{
    const ROM struct mode *m = current_mode();
    u8 height = bda->char_height;
    u16 columns = (u16)(w->right - w->left + 1), top = (u16)(w->top * height);
    u16 bottom = (u16)(w->bottom * height + height - 1), by = (u16)(lines * height);
    u8 bytes = m->kind == LINEAR ? 8 : m->kind == CGA_4 ? 2 : 1; /* to a cell's row */
    struct area a = {m->segment, (u16)(w->left * bytes), (u16)(columns * bytes),
                     m->kind == LINEAR ? 320 : bda->video_cols, attr};

    if (m->kind == CGA_4)
        a.fill = (u8)((attr & 3) * 0x55);
    else if (m->kind == CGA_2)
        a.fill = attr & 1 ? 0xff : 0;
    else if (m->kind == PLANAR)
        a.fill = attr & 15;
    if (lines == 0 || by > bottom - top + 1)
        by = (u16)(bottom - top + 1);
    if (m->kind == PACKED_PIXEL)
        packed_scroll(by, attr, w, down);
    else
        move_rows(m, &a, top, bottom, by, down);
}
