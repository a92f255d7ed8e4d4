/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Characters: cursor, scrolling, teletype. In graphics modes the cells are drawn by graphics.c. */
#include "vga.h"

/* ---- cursor ---- */

void cursor_to(u8 page, u16 position)
{
    u16 at;

    if (page > 7)
        return;
    bda->cursor[page] = position;
    if (page != bda->video_page)
        return;
    at = (u16)(bda->video_page_start / 2 + (position >> 8) * bda->video_cols + (position & 0xff));
    set_reg(bda->crtc, 0x0e, (u8)(at >> 8));
    set_reg(bda->crtc, 0x0f, (u8)at);
}

/* Shapes are said in rows of the CGA's 8-row cell; with emulation on (0040:0087 bit 0 clear) they
 * are moved to the bottom of taller cells. */
static u8 scale_row(u8 row, u8 height)
{
    if (row >= 6)
        return (u8)(height - (8 - row) - (height > 8 ? 1 : 0));
    return row < 4 ? row : (u8)(row * height / 8);
}

void set_cursor_shape(u8 start, u8 end)
{
    u8 height = bda->char_height;

    bda->cursor_start = start;
    bda->cursor_end = end;
    if (!(bda->video_ctl & 1) && height > 8 && !(start & 0x20) && end < 8 && start <= end) {
        start = scale_row(start, height);
        end = scale_row(end, height);
    }
    set_reg(bda->crtc, 0x0a, start & 0x3f);
    set_reg(bda->crtc, 0x0b, end & 0x1f);
}

void int10_cursor_shape(struct regs *r)
{
    set_cursor_shape(r->ch & 0x7f, r->cl & 0x1f);
}

void int10_set_cursor(struct regs *r)
{
    cursor_to(r->bh, r->dx);
}

void int10_get_cursor(struct regs *r)
{
    r->dx = r->bh < 8 ? bda->cursor[r->bh] : 0;
    r->ch = bda->cursor_start;
    r->cl = bda->cursor_end;
}

/* ---- cells ---- */

static u16 cell(u8 page, u16 position)
{
    return (u16)(page * bda->video_page_size +
                 ((position >> 8) * bda->video_cols + (position & 0xff)) * 2);
}

void put_char(u8 c, u8 attr, u8 page, u16 position, bool with_attr)
{
    const ROM struct mode *m = current_mode();

    if (!m)
        return;
    if (m->kind != TEXT)
        gfx_put_char(c, attr, page, position);
    else if (with_attr)
        poke16(m->segment, cell(page, position), (u16)(c | attr << 8));
    else
        poke8(m->segment, cell(page, position), c);
}

void int10_read_char(struct regs *r)
{
    const ROM struct mode *m = current_mode();
    u16 position = bda->cursor[r->bh & 7];

    if (!m)
        return;
    if (m->kind == TEXT) {
        r->ax = peek16(m->segment, cell(r->bh & 7, position));
    } else {
        r->al = gfx_read_char(position, r->bh & 7);
        r->ah = 0;
    }
}

/* The position of the next cell: on to the next line, but not below the last. */
static u16 next_cell(u16 position)
{
    if ((position & 0xff) + 1u < bda->video_cols)
        return (u16)(position + 1);
    return (u16)((position & 0xff00) + 0x100);
}

/* AH=09h with attribute, 0Ah without (in graphics modes BL is the color all the same). */
void int10_write_char(struct regs *r)
{
    u8 page = r->bh & 7;
    u16 position = bda->cursor[page];
    const ROM struct mode *m = current_mode();

    if (m && m->kind == LINEAR)
        page = 0;
    for (u16 n = r->cx; n && position >> 8 <= bda->video_rows; n--) {
        put_char(r->al, r->bl, page, position, r->ah == 9);
        position = next_cell(position);
    }
}

/* ---- scrolling ---- */

static void text_scroll(u16 segment, u8 lines, u8 attr, const struct window *w, bool down, u8 page)
{
    u16 width = (u16)(w->right - w->left + 1), rows = (u16)(w->bottom - w->top + 1);

    if (lines == 0 || lines > rows)
        lines = (u8)rows;
    for (u16 i = 0; i < rows; i++) {
        u16 row = down ? (u16)(w->bottom - i) : (u16)(w->top + i);
        u16 to = cell(page, (u16)(row << 8 | w->left));
        u16 from = (u16)(down ? row - lines : row + lines);

        if (i + lines < rows)
            far_copy(segment, to, segment, cell(page, (u16)(from << 8 | w->left)),
                     (u16)(width * 2));
        else
            far_fill16(segment, to, (u16)(' ' | attr << 8), width);
    }
}

void scroll(u8 lines, u8 attr, const struct window *w, bool down, u8 page)
{
    const ROM struct mode *m = current_mode();
    struct window in = *w;

    if (in.right >= bda->video_cols)
        in.right = (u8)(bda->video_cols - 1);
    if (in.bottom > bda->video_rows)
        in.bottom = bda->video_rows;
    if (!m || in.left > in.right || in.top > in.bottom)
        return;
    if (m->kind == TEXT)
        text_scroll(m->segment, lines, attr, &in, down, page);
    else
        gfx_scroll(lines, attr, &in, down);
}

void int10_scroll(struct regs *r)
{
    struct window w = {r->ch, r->cl, r->dh, r->dl};

    scroll(r->al, r->bh, &w, r->ah == 7, bda->video_page);
}

/* ---- teletype ---- */

/* About 1 kHz for a quarter of a second would stop the guest; the bell is a short click of it. */
static void beep(void)
{
    u8 port61 = inb(0x61);

    outb(0x43, 0xb6);
    outb(0x42, 0xa9);
    outb(0x42, 0x04);
    outb(0x61, port61 | 3);
    for (u16 i = 0; i < 20000; i++)
        inb(0x61);
    outb(0x61, port61);
}

/* The new line's attribute is that of the last character in text modes, 0 in graphics. */
static void line_feed(u8 page, u16 *position)
{
    struct window all = {0, 0, bda->video_rows, (u8)(bda->video_cols - 1)};
    const ROM struct mode *m = current_mode();
    u8 attr = 0;

    if (*position >> 8 < bda->video_rows) {
        *position += 0x100;
        return;
    }
    if (m && m->kind == TEXT)
        attr = peek8(m->segment, (u16)(cell(page, *position) + 1));
    scroll(1, attr, &all, false, page);
}

void teletype(u8 c, u8 attr, u8 page, bool with_attr)
{
    u16 position = bda->cursor[page];

    switch (c) {
    case 7:
        beep();
        return;
    case 8:
        if (position & 0xff)
            position--;
        break;
    case 10:
        line_feed(page, &position);
        break;
    case 13:
        position &= 0xff00;
        break;
    default:
        put_char(c, attr, page, position, with_attr);
        position++;
        if ((position & 0xff) >= bda->video_cols) {
            position = (u16)((position & 0xff00) + bda->video_cols - 1);
            line_feed(page, &position);
            position &= 0xff00;
        }
    }
    cursor_to(page, position);
}

/* To the active page: PC BIOSes since 1982 take no notice of BH in text modes; we do as the list
 * says, unless BH is no page. */
void int10_teletype(struct regs *r)
{
    teletype(r->al, r->bl, r->bh < 8 && r->bh ? r->bh : bda->video_page, false);
}

/* AH=13h. AL bit 0: the cursor moves; bit 1: characters and attributes alternate. */
void int10_string(struct regs *r)
{
    u8 page = r->bh & 7, attr = r->bl;
    u16 saved = bda->cursor[page], at = r->bp;

    cursor_to(page, r->dx);
    for (u16 n = r->cx; n; n--) {
        u8 c = peek8(r->es, at++);

        if (r->al & 2)
            attr = peek8(r->es, at++);
        teletype(c, attr, page, true);
    }
    if (!(r->al & 1))
        cursor_to(page, saved);
}
