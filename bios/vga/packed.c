/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Characters and pixels of VBE's packed-pixel and direct-color modes, through the window at A0000h,
 * whose position is put back; where it can be, lines are moved in the linear frame buffer. Colors
 * of direct-color modes are the 16 of text. */
#include "vga.h"

struct surface {
    u32 size; /* bytes of display memory */
    u16 pitch;
    u8 bpp, bytes;    /* of a pixel */
    u16 bank, before; /* the window's position */
    u32 linear;       /* 0: by banks only */
};

static void open(struct surface *s)
{
    s->bpp = (u8)vbe_register(VBE_BPP);
    s->bytes = (u8)((s->bpp + 7) / 8);
    s->pitch = (u16)(vbe_register(VBE_VIRT_WIDTH) * s->bytes);
    s->size = (u32)vbe_memory() << 16;
    s->bank = s->before = vbe_register(VBE_BANK);
    s->linear = 0;
}

/* The offset in the window, which is moved there. */
static u16 reach(struct surface *s, u32 at)
{
    if (at >> 16 != s->bank)
        vbe_set_register(VBE_BANK, s->bank = (u16)(at >> 16));
    return (u16)at;
}

static void close(struct surface *s)
{
    reach(s, (u32)s->before << 16);
}

static u32 pixel_at(const struct surface *s, u16 x, u16 y)
{
    return (u32)y * s->pitch + (u32)x * s->bytes;
}

static u32 pixel_of(const struct surface *s, u8 color)
{
    u8 add = color & 8 ? 0x55 : 0, r = (u8)((color & 4 ? 0xaa : 0) + add),
       g = (u8)((color & 2 ? 0xaa : 0) + add), b = (u8)((color & 1 ? 0xaa : 0) + add);

    if (s->bpp == 8)
        return color;
    if ((color & 15) == 6)
        g = 0x55; /* brown */
    if (s->bpp == 15)
        return (u32)(r >> 3 << 10 | g >> 3 << 5 | b >> 3);
    if (s->bpp == 16)
        return (u32)(r >> 3 << 11 | g >> 2 << 5 | b >> 3);
    return (u32)r << 16 | (u32)g << 8 | b;
}

static void put(struct surface *s, u32 at, u32 pixel)
{
    for (u8 i = 0; i < s->bytes && at < s->size; i++, at++, pixel >>= 8)
        poke8(0xa000, reach(s, at), (u8)pixel);
}

void packed_write(u16 x, u16 y, u8 color)
{
    struct surface s;

    open(&s);
    put(&s, pixel_at(&s, x, y), pixel_of(&s, color));
    close(&s);
}

/* Of direct color only whether it is black. */
u8 packed_read(u16 x, u16 y)
{
    struct surface s;
    u8 v = 0;

    open(&s);
    u32 at = pixel_at(&s, x, y);
    for (u8 i = 0; i < s.bytes && at < s.size; i++, at++)
        v |= peek8(0xa000, reach(&s, at));
    close(&s);
    return v;
}

void packed_char(u16 seg, u16 off, u8 attr, u16 position)
{
    struct surface s;
    u16 x = (u16)((position & 0xff) * 8), y = (u16)((position >> 8) * bda->char_height);
    u32 on;

    open(&s);
    on = pixel_of(&s, attr);
    for (u8 row = 0; row < bda->char_height; row++, off++) {
        u8 bits = peek8(seg, off);
        u32 at = pixel_at(&s, x, (u16)(y + row));

        for (u8 mask = 0x80; mask; mask >>= 1, at += s.bytes)
            put(&s, at, bits & mask ? on : 0);
    }
    close(&s);
}

/* Whole cells. Within a bank at once, between two by pieces. */
static void copy(struct surface *s, u32 to, u32 from, u16 n)
{
    u8 piece[64];
    u16 ss;

    asm("movw %%ss, %0" : "=r"(ss));
    if (s->linear) {
        phys_copy(s->linear + to, s->linear + from, n / 4);
        return;
    }
    while (n) {
        u32 most = MIN(0x10000 - (from & 0xffff), 0x10000 - (to & 0xffff));
        u16 part = (u16)MIN(n, most);

        if (to >> 16 == from >> 16) {
            far_copy(0xa000, reach(s, to), 0xa000, (u16)from, part);
        } else {
            part = MIN(part, sizeof(piece));
            far_copy(ss, (u16)(u32)piece, 0xa000, reach(s, from), part);
            far_copy(0xa000, reach(s, to), ss, (u16)(u32)piece, part);
        }
        to += part;
        from += part;
        n = (u16)(n - part);
    }
}

/* As gfx_scroll: the lines of `w`, `by` of them at once. */
void packed_scroll(u16 by, u8 attr, const struct window *w, bool down)
{
    struct surface s;
    u8 height = bda->char_height;
    u16 rows = (u16)((w->bottom - w->top + 1) * height), top = (u16)(w->top * height);
    u16 width = (u16)((w->right - w->left + 1) * 8);

    open(&s);
    s.linear = vbe_linear();
    for (u16 i = 0; i < rows; i++) {
        u16 y = (u16)(down ? top + rows - 1 - i : top + i);
        u32 at = pixel_at(&s, (u16)(w->left * 8), y), step = (u32)by * s.pitch;

        if (at + (u32)width * s.bytes > s.size)
            continue;
        if (i + by < rows)
            copy(&s, at, down ? at - step : at + step, (u16)(width * s.bytes));
        else
            for (u16 x = 0; x < width; x++, at += s.bytes)
                put(&s, at, pixel_of(&s, attr));
    }
    close(&s);
}
