/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the VGA's video memory and registers look like on the screen: dots and scan lines as they
 * leave the chip, so that mode 13h is 640x400 (each pixel two dots on two lines) and 40 columns
 * are as wide as 80.
 *
 * A picture is drawn anew, line by line, when a page of video memory, a register that matters or a
 * blinking phase has changed; the surface finds out which tiles differ. Modes of the DISPI draw
 * only the lines whose memory has changed. */
#include <endian.h>
#include <string.h>

#include "devices/display/vga.h"
#include "vm/machine.h"

enum {
    SEQ1_8_DOTS = 0x01,
    SEQ1_HALF_CLOCK = 0x08,
    SEQ1_OFF = 0x20,
    GFX5_INTERLEAVED = 0x20,
    GFX5_256 = 0x40,
    GFX6_GRAPHICS = 0x01,
    CRTC14_DWORD = 0x40,
    CRTC17_NO_CGA = 0x01,
    CRTC17_NO_HERCULES = 0x02,
    CRTC17_DOUBLE_LINES = 0x04,
    CRTC17_WRAP_15 = 0x20,
    CRTC17_BYTE = 0x40,
    ATTR10_LINE_GRAPHICS = 0x04,
    ATTR10_BLINK = 0x08,
    ATTR10_PAN_TOP_ONLY = 0x20,
    ATTR10_256 = 0x40,
    ATTR10_P54 = 0x80,
    CURSOR_OFF = 0x20,
    UNDERLINE = 1, /* the low three bits of the attribute */
    FRAMES_PER_CURSOR_BLINK = 8,
    FRAMES_PER_BLINK = 16,
};

/* A frame's drawing in progress. */
struct frame {
    const struct vga *v;
    const struct vga_regs *r;
    struct surface *s;
    uint32_t colours[256]; /* of the DAC */
    uint32_t attr_colours[16];
    bool cursor_on, blink_on;
    unsigned width, height, chars;
    uint32_t line[SURFACE_MAX + 64]; /* with room for panning */
};

/* Where the CRTC is. */
struct beam {
    unsigned address; /* of the line's first character, as the counter counts */
    unsigned row;     /* scan line in the character */
    unsigned pan;     /* dots */
};

static unsigned crtc_word(const struct vga_regs *r, unsigned high)
{
    return (unsigned)r->crtc[high] << 8 | r->crtc[high + 1];
}

static uint8_t expand_6bit(uint8_t v)
{
    return (uint8_t)((v & 0x3f) << 2 | (v & 0x3f) >> 4);
}

static void load_colours(struct frame *f)
{
    const struct vga_regs *r = f->r;
    bool eight = r->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC;

    for (unsigned i = 0; i < 256; i++) {
        const uint8_t *c = r->dac + 3 * (i & r->dac_mask);
        uint32_t rgb = 0;

        for (unsigned n = 0; n < 3; n++)
            rgb = rgb << 8 | (eight ? c[n] : expand_6bit(c[n]));
        f->colours[i] = rgb;
    }
    for (unsigned i = 0; i < 16; i++) {
        uint8_t colour = r->attr[i & r->attr[0x12]] & 0x3f;

        if (r->attr[0x10] & ATTR10_P54)
            colour = (uint8_t)((colour & 0x0f) | (r->attr[0x14] & 3) << 4);
        f->attr_colours[i] = f->colours[colour | (r->attr[0x14] >> 2 & 3) << 6];
    }
}

/* The four planes at what the CRTC's counter says; row: the scan line in the character. */
static uint32_t fetch(const struct frame *f, unsigned counter, unsigned row)
{
    const uint8_t *crtc = f->r->crtc;
    unsigned a = counter & 0xffff;

    if (crtc[0x14] & CRTC14_DWORD)
        a = a << 2 | (a >> 12 & 3);
    else if (!(crtc[0x17] & CRTC17_BYTE))
        a = a << 1 | (a >> (crtc[0x17] & CRTC17_WRAP_15 ? 15 : 13) & 1);
    if (!(crtc[0x17] & CRTC17_NO_CGA))
        a = (a & ~0x2000u) | (row & 1) << 13;
    if (!(crtc[0x17] & CRTC17_NO_HERCULES))
        a = (a & ~0x4000u) | (row >> 1 & 1) << 14;
    const uint8_t *p = f->v->m->arena.host + f->v->vram_at + vga_plane_index(f->v, a & 0xffff);

    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* ---- text ---- */

/* Character maps are 8 KiB of plane 2; their numbers are 0, 2, 4, 6, 1, 3, 5, 7. */
static unsigned font_base(unsigned map)
{
    return (map & 3) << 14 | (map & 4) << 11;
}

static uint8_t glyph_row(const struct frame *f, uint8_t character, uint8_t attribute, unsigned row)
{
    uint8_t s = f->r->seq[3];
    unsigned map = attribute & 8 ? (s >> 2 & 3) | (s >> 3 & 4) : (s & 3) | (s >> 2 & 4);
    unsigned a = font_base(map) + character * 32u + row;

    return f->v->m->arena.host[f->v->vram_at + vga_plane_index(f->v, a & 0xffff) + 2];
}

static bool cursor_here(const struct frame *f, unsigned counter, unsigned row)
{
    const uint8_t *crtc = f->r->crtc;

    return f->cursor_on && (counter & 0xffff) == crtc_word(f->r, 0xe) && row >= (crtc[0xa] & 31u) &&
           row <= (crtc[0xb] & 31u);
}

/* One scan line of a character: 8 or 9 dots from bit 8 of the result down. */
static unsigned text_dots(const struct frame *f, unsigned counter, unsigned row, uint8_t character,
                          uint8_t attribute)
{
    bool hidden = (f->r->attr[0x10] & ATTR10_BLINK) && (attribute & 0x80) && !f->blink_on;
    unsigned dots = glyph_row(f, character, attribute, row);

    dots = dots << 1;
    if ((f->r->attr[0x10] & ATTR10_LINE_GRAPHICS) && character >= 0xc0 && character <= 0xdf)
        dots |= dots >> 1 & 1;
    if (hidden)
        dots = 0;
    if (row == (f->r->crtc[0x14] & 31u) && (attribute & 7) == UNDERLINE)
        dots = 0x1ff;
    return cursor_here(f, counter, row) ? 0x1ff : dots;
}

static unsigned char_width(const struct vga_regs *r)
{
    return !(r->gfx[6] & GFX6_GRAPHICS) && !(r->seq[1] & SEQ1_8_DOTS) ? 9 : 8;
}

static void draw_text_line(struct frame *f, const struct beam *b)
{
    unsigned width = char_width(f->r);
    uint32_t *to = f->line;

    for (unsigned i = 0; i <= f->chars; i++) {
        uint32_t planes = fetch(f, b->address + i, b->row);
        uint8_t attribute = (uint8_t)(planes >> 8);
        bool blinks = f->r->attr[0x10] & ATTR10_BLINK;
        unsigned dots = text_dots(f, b->address + i, b->row, (uint8_t)planes, attribute);
        uint32_t fore = f->attr_colours[attribute & 0xf];
        uint32_t back = f->attr_colours[attribute >> 4 & (blinks ? 7 : 15)];

        for (unsigned n = 0; n < width; n++)
            *to++ = dots >> (8 - n) & 1 ? fore : back;
    }
}

/* ---- graphics ---- */

/* Bit 7 - n of each plane is dot n. */
static void draw_planar(const struct frame *f, uint32_t planes, uint32_t *to)
{
    for (unsigned n = 0; n < 8; n++) {
        uint32_t bits = planes >> (7 - n) & 0x01010101;

        to[n] = f->attr_colours[(bits | bits >> 7 | bits >> 14 | bits >> 21) & 0xf];
    }
}

/* Pairs of bits, the CGA's way: the first four dots are in planes 0 and 2, the others in 1 and 3.
 */
static void draw_interleaved(const struct frame *f, uint32_t planes, uint32_t *to)
{
    for (unsigned n = 0; n < 8; n++) {
        unsigned shift = (n < 4 ? 0 : 8) + 6 - 2 * (n & 3);

        to[n] = f->attr_colours[(planes >> shift & 3) | (planes >> (shift + 16) & 3) << 2];
    }
}

/* A plane a pixel, which takes two dots; without ATTR10_256 each dot is four bits of it. */
static void draw_256(const struct frame *f, uint32_t planes, uint32_t *to)
{
    for (unsigned n = 0; n < 4; n++) {
        uint8_t pixel = (uint8_t)(planes >> 8 * n);

        if (f->r->attr[0x10] & ATTR10_256) {
            to[2 * n] = to[2 * n + 1] = f->colours[pixel];
        } else {
            to[2 * n] = f->attr_colours[pixel >> 4];
            to[2 * n + 1] = f->attr_colours[pixel & 15];
        }
    }
}

static void draw_graphics_line(struct frame *f, const struct beam *b)
{
    uint32_t *to = f->line;

    for (unsigned i = 0; i <= f->chars; i++, to += 8) {
        uint32_t planes = fetch(f, b->address + i, b->row);

        if (f->r->gfx[5] & GFX5_256)
            draw_256(f, planes, to);
        else if (f->r->gfx[5] & GFX5_INTERLEAVED)
            draw_interleaved(f, planes, to);
        else
            draw_planar(f, planes, to);
    }
}

/* ---- the frame ---- */

/* Dots by which the line is shifted to the left. */
static unsigned panning(const struct vga_regs *r)
{
    unsigned pan = r->attr[0x13] & 15;

    if (char_width(r) == 9)
        return pan >= 8 ? 0 : pan + 1;
    return pan & 7;
}

/* Two dots for each: the dot clock is halved. From the end, for it is done in place. */
static void widen(uint32_t *line, unsigned width)
{
    for (unsigned x = width; x-- > 0;)
        line[x] = line[x / 2];
}

static void put_line(struct frame *f, const struct beam *b, unsigned y)
{
    unsigned repeat = f->r->crtc[0x17] & CRTC17_DOUBLE_LINES ? 2 : 1;

    if (f->r->gfx[6] & GFX6_GRAPHICS)
        draw_graphics_line(f, b);
    else
        draw_text_line(f, b);
    if (b->pan)
        memmove(f->line, f->line + b->pan, f->width * sizeof(f->line[0]));
    if (f->r->seq[1] & SEQ1_HALF_CLOCK)
        widen(f->line, f->width);
    for (unsigned n = 0; n < repeat && y * repeat + n < f->height; n++)
        surface_put_row(f->s, y * repeat + n, f->line);
}

static unsigned line_compare(const struct vga_regs *r)
{
    return r->crtc[0x18] | (r->crtc[7] & 0x10) << 4 | (r->crtc[9] & 0x40) << 3;
}

/* From one scan line to the next (CRTC, Maximum Scan Line and Offset). */
static void next_line(const struct vga_regs *r, struct beam *b, unsigned *half)
{
    if ((r->crtc[9] & 0x80) && !(*half)++)
        return;
    *half = 0;
    if (b->row != (r->crtc[9] & 31u)) {
        b->row = (b->row + 1) & 31;
        return;
    }
    b->row = 0;
    b->address += r->crtc[0x13] * 2u;
}

static void draw_lines(struct frame *f)
{
    const struct vga_regs *r = f->r;
    unsigned split = line_compare(r), half = 0;
    unsigned lines = r->crtc[0x17] & CRTC17_DOUBLE_LINES ? (f->height + 1) / 2 : f->height;
    struct beam b = {.address = crtc_word(r, 0xc) + (r->crtc[8] >> 5 & 3),
                     .row = r->crtc[8] & 31,
                     .pan = panning(r)};

    for (unsigned y = 0; y < lines; y++) {
        put_line(f, &b, y);
        next_line(r, &b, &half);
        if (y != split)
            continue;
        b.address = b.row = half = 0;
        if (r->attr[0x10] & ATTR10_PAN_TOP_ONLY)
            b.pan = 0;
    }
}

/* ---- modes of the DISPI ---- */

static void convert_8(const struct frame *f, const uint8_t *from, uint32_t *to, unsigned n)
{
    while (n--)
        *to++ = f->colours[*from++];
}

static uint32_t expand_5bit(unsigned v)
{
    return (v & 31) << 3 | (v & 31) >> 2;
}

static void convert_16(const uint8_t *from, uint32_t *to, unsigned n, bool five)
{
    for (; n--; from += 2) {
        unsigned p = from[0] | (unsigned)from[1] << 8;
        unsigned green = five ? expand_5bit(p >> 5) : (p >> 5 & 63) << 2 | (p >> 9 & 3);

        *to++ = expand_5bit(p >> (five ? 10 : 11)) << 16 | green << 8 | expand_5bit(p);
    }
}

static void convert_24(const uint8_t *from, uint32_t *to, unsigned n)
{
    for (; n--; from += 3)
        *to++ = from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16;
}

/* Whole pixels at a time: of all modes this one has the most bytes. */
static void convert_32(const uint8_t *from, uint32_t *to, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t pixel;

        memcpy(&pixel, from + 4 * (size_t)i, 4);
        to[i] = le32toh(pixel) & 0xffffff;
    }
}

static void convert_4(struct frame *f, uint32_t address, unsigned n)
{
    for (unsigned i = 0; i * 8 < n; i++) {
        const uint8_t *p = f->v->m->arena.host + f->v->vram_at + vga_plane_index(f->v, address + i);

        draw_planar(f, p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24,
                    f->line + 8 * (size_t)i);
    }
}

/* vga.c keeps the picture inside of video memory. */
static void convert(struct frame *f, uint32_t at, unsigned n)
{
    const uint8_t *from = f->v->m->arena.host + f->v->vram_at + at;

    switch (f->r->dispi[DISPI_BPP]) {
    case 4:
        convert_4(f, at / 4, n);
        break;
    case 8:
        convert_8(f, from, f->line, n);
        break;
    case 15:
        convert_16(from, f->line, n, true);
        break;
    case 16:
        convert_16(from, f->line, n, false);
        break;
    case 24:
        convert_24(from, f->line, n);
        break;
    default:
        convert_32(from, f->line, n);
    }
}

static bool pages_dirty(const struct vga_drawing *d, uint64_t at, uint64_t len)
{
    for (uint64_t i = at >> VM_PAGE_SHIFT; i <= (at + len - 1) >> VM_PAGE_SHIFT; i++)
        if ((d->dirty[i / 64] | d->dirty_before[i / 64]) >> i % 64 & 1)
            return true;
    return false;
}

static void draw_linear(struct frame *f, bool all)
{
    const uint16_t *d = f->r->dispi;
    uint32_t pitch = vga_dispi_pitch(f->r), first = d[DISPI_X_OFFSET], length;

    /* In bytes of video memory; a plane address is four of them and 8 pixels. */
    if (d[DISPI_BPP] == 4) {
        pitch *= 4;
        first = first / 8 * 4;
        length = (f->width + 7) / 8 * 4;
    } else {
        first *= (d[DISPI_BPP] + 7u) / 8;
        length = f->width * ((d[DISPI_BPP] + 7u) / 8);
    }
    for (unsigned y = 0; y < f->height; y++) {
        uint32_t at = (d[DISPI_Y_OFFSET] + y) * pitch + first;

        if (!all && !pages_dirty(&f->v->drawing, at, length))
            continue;
        convert(f, at, f->width);
        surface_put_row(f->s, y, f->line);
    }
}

/* ---- when to draw ---- */

/* The DISPI has no use for the sequencer: drivers set neither its clock nor its reset. */
static bool blank(const struct vga_regs *r)
{
    bool off = (r->seq[1] & SEQ1_OFF) || (r->seq[0] & 3) != 3;

    return !r->palette_on || (off && !vga_dispi_on(r));
}

static void draw_blank(struct frame *f)
{
    memset(f->line, 0, f->width * sizeof(f->line[0]));
    for (unsigned y = 0; y < f->height; y++)
        surface_put_row(f->s, y, f->line);
}

static unsigned at_most(unsigned v, unsigned max)
{
    return v < max ? v : max;
}

static void measure(struct frame *f)
{
    struct vga_timing t;
    const struct vga_regs *r = f->r;

    if (vga_dispi_on(r)) {
        f->width = r->dispi[DISPI_XRES];
        f->height = r->dispi[DISPI_YRES];
        return;
    }
    vga_get_timing(f->v, &t);
    f->chars = t.displayed_chars;
    f->width = at_most(t.displayed_chars * char_width(r) * (r->seq[1] & SEQ1_HALF_CLOCK ? 2 : 1),
                       SURFACE_MAX);
    f->height = t.displayed_lines * (r->crtc[0x17] & CRTC17_DOUBLE_LINES ? 2 : 1);
}

/* Everything that matters, and nothing that changes all the time: what a program does with the
 * graphics controller while it draws. */
static struct vga_regs visible_regs(const struct vga *v)
{
    struct vga_regs r = v->r;

    r.seq[2] = r.seq[4] = 0;
    r.gfx[0] = r.gfx[1] = r.gfx[2] = r.gfx[3] = r.gfx[4] = r.gfx[7] = r.gfx[8] = 0;
    r.gfx[5] &= GFX5_256 | GFX5_INTERLEAVED;
    r.dispi[DISPI_BANK] = 0;
    return r;
}

static bool same_regs(const struct vga_regs *a, const struct vga_regs *b)
{
    return !memcmp(a, b, offsetof(struct vga_regs, dac) + sizeof(a->dac));
}

static void set_blink(struct frame *f, struct vga_drawing *d, bool *all)
{
    struct vga_timing t;
    uint64_t frames;
    unsigned blink;

    vga_get_timing(f->v, &t);
    frames = vm_clock_now(&f->v->m->clock) / t.frame_ns;
    f->cursor_on = !(f->r->crtc[0xa] & CURSOR_OFF) && frames / FRAMES_PER_CURSOR_BLINK % 2 == 0;
    f->blink_on = frames / FRAMES_PER_BLINK % 2 == 0;
    blink = (unsigned)f->cursor_on << 1 | f->blink_on;
    if (!(f->r->gfx[6] & GFX6_GRAPHICS) && blink != d->blink)
        *all = true;
    d->blink = blink;
}

/* Takes the dirty pages; those of the time before are in dirty_before. */
static bool take_dirty(struct vga *v)
{
    struct vga_drawing *d = &v->drawing;
    uint64_t *swap = d->dirty_before;
    bool any = false;

    d->dirty_before = d->dirty;
    d->dirty = swap;
    memset(d->dirty, 0, d->dirty_words * sizeof(*d->dirty));
    for (size_t i = 0; i < d->dirty_words; i++)
        any |= d->dirty_before[i] != 0;
    return arena_take_dirty(&v->m->arena, v->vram_at, v->vram_size, PAGE_DIRTY_DISPLAY, d->dirty) ||
           any;
}

void vga_draw(void *vga, struct surface *s)
{
    struct vga *v = vga;
    struct vga_drawing *d = &v->drawing;
    struct frame f = {.v = v, .s = s};
    struct vga_regs visible = visible_regs(v);
    bool all = !d->valid || !same_regs(&visible, &d->drawn);

    f.r = &v->r;
    measure(&f);
    if (!surface_resize(s, f.width, f.height))
        return;
    all |= s->sizes != d->sizes;
    set_blink(&f, d, &all);
    if (!take_dirty(v) && !all)
        return;
    d->drawn = visible;
    d->sizes = s->sizes;
    d->valid = true;
    load_colours(&f);
    if (blank(f.r))
        draw_blank(&f);
    else if (vga_dispi_on(f.r))
        draw_linear(&f, all);
    else
        draw_lines(&f);
}

bool vga_text(void *vga, struct text_screen *t)
{
    const struct vga *v = vga;
    const struct vga_regs *r = &v->r;
    struct frame f = {.v = v, .r = r};
    unsigned height = (r->crtc[9] & 31u) + 1, start = crtc_word(r, 0xc);
    unsigned cursor = crtc_word(r, 0xe), offset;

    if (vga_dispi_on(r) || (r->gfx[6] & GFX6_GRAPHICS) || blank(r))
        return false;
    measure(&f);
    if (r->crtc[9] & 0x80)
        height *= 2;
    t->columns = at_most(f.chars, TEXT_MAX_COLUMNS);
    t->rows = at_most(f.height / height, TEXT_MAX_ROWS);
    t->cursor = false;
    for (unsigned y = 0; y < t->rows; y++) {
        offset = start + y * r->crtc[0x13] * 2u;
        for (unsigned x = 0; x < t->columns; x++) {
            uint32_t planes = fetch(&f, offset + x, 0);

            t->cells[y][x] = (struct text_cell){(uint8_t)planes, (uint8_t)(planes >> 8)};
            if (((offset + x) & 0xffff) == cursor && !(r->crtc[0xa] & CURSOR_OFF)) {
                t->cursor = true;
                t->cursor_column = x;
                t->cursor_row = y;
            }
        }
    }
    return true;
}
