/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INT 10h functions 12h (alternate select), 1Ah, 1Bh (what there is) and 1Ch (save and restore). */
#include "vga.h"

/* ---- AH=12h ---- */

static void set_bit(volatile u8 __seg_fs *field, u8 bit, bool on)
{
    *field = on ? *field | bit : *field & ~bit;
}

static void configuration(struct regs *r)
{
    r->bh = bda->crtc == CRTC_MONO;
    r->bl = 3; /* 256 KiB */
    r->ch = bda->video_switches >> 4;
    r->cl = bda->video_switches & 15;
}

static void select_lines(struct regs *r)
{
    u8 bits = r->al == 0 ? 0x80 : r->al == 1 ? 0 : 0x10;

    if (r->al > 2)
        return;
    bda->modeset_ctl = (u8)((bda->modeset_ctl & ~0x90) | bits);
    /* The switches a text mode of so many lines is set with: CGA-like 8, else 9. */
    bda->video_switches = (u8)((bda->video_switches & 0xf0) | (r->al == 0 ? 8 : 9));
    r->al = 0x12;
}

void int10_alternate(struct regs *r)
{
    switch (r->bl) {
    case 0x10:
        configuration(r);
        return;
    case 0x20: /* print screen for more than 25 lines: the BIOS's prints all rows anyway */
        return;
    case 0x30:
        select_lines(r);
        return;
    case 0x31:
        set_bit(&bda->modeset_ctl, 8, r->al & 1);
        break;
    case 0x32:
        outb(MISC_OUT, (u8)((inb(MISC_READ) & ~2) | (r->al & 1 ? 0 : 2)));
        break;
    case 0x33:
        set_bit(&bda->modeset_ctl, 2, !(r->al & 1));
        break;
    case 0x34:
        set_bit(&bda->video_ctl, 1, r->al & 1);
        break;
    case 0x36:
        set_reg(SEQ, 1, (u8)((get_reg(SEQ, 1) & ~0x20) | (r->al & 1 ? 0x20 : 0)));
        break;
    default:
        return;
    }
    r->al = 0x12;
}

/* ---- AH=1Ah, 1Bh ---- */

void int10_dcc(struct regs *r)
{
    if (r->al == 0) {
        r->bl = bda->crtc == CRTC_MONO ? 7 : bda->dcc_index; /* VGA with mono or color display */
        r->bh = 0;
    } else if (r->al == 1) {
        bda->dcc_index = r->bl;
    } else {
        return;
    }
    r->al = 0x1a;
}

/* Static functionality: modes 0-7, D-F, 10-13; 200, 350 and 400 lines; 8 font blocks of which 2 at
 * a time; all functions but light pen and DCC switching; saves all states. */
static const ROM u8 static_functions[16] SECTION_CONST = {0xff, 0xe0, 0x0f, 0,    0, 0, 0, 7,
                                                          2,    8,    0xff, 0x0e, 0, 0, 7, 0};

static u16 color_count(const ROM struct mode *m)
{
    if (!m)
        return 256;
    switch (m->number) {
    case 4:
    case 5:
        return 4;
    case 6:
    case 0x11:
        return 2;
    case 7:
    case 0x0f:
        return 0;
    case 0x13:
        return 256;
    default:
        return 16;
    }
}

static u8 page_count(const ROM struct mode *m)
{
    if (!m || m->kind == LINEAR || m->kind == PACKED_PIXEL || m->kind == CGA_4 || m->kind == CGA_2)
        return 1;
    if (m->kind == TEXT)
        return 8;
    return m->number == 0x0d ? 8 : m->number == 0x0e ? 4 : m->number <= 0x10 ? 2 : 1;
}

static u8 line_code(const ROM struct mode *m)
{
    u16 lines = (u16)((bda->video_rows + 1) * bda->char_height);

    if (m && m->kind != TEXT && m->number < 0x0f)
        return 0;
    return lines <= 200 ? 0 : lines <= 350 ? 1 : lines <= 400 ? 2 : 3;
}

void int10_state_info(struct regs *r)
{
    const ROM struct mode *m = current_mode();
    u16 seg = r->es, at = r->di;

    if (r->bx != 0)
        return;
    far_fill16(seg, at, 0, 32);
    poke16(seg, at, (u16)(u32)static_functions);
    poke16(seg, (u16)(at + 2), 0xc000);
    far_copy(seg, (u16)(at + 4), 0x40, 0x49, 30);
    far_copy(seg, (u16)(at + 0x22), 0x40, 0x84, 3);
    poke8(seg, (u16)(at + 0x22), (u8)(bda->video_rows + 1));
    poke8(seg, (u16)(at + 0x25), bda->crtc == CRTC_MONO ? 7 : bda->dcc_index);
    poke16(seg, (u16)(at + 0x27), color_count(m));
    poke8(seg, (u16)(at + 0x29), page_count(m));
    poke8(seg, (u16)(at + 0x2a), line_code(m));
    poke8(seg, (u16)(at + 0x2d),
          (u8)(1 | (bda->modeset_ctl & 2) | (get_attr(0x10) & 8 ? 0x20 : 0) |
               (bda->video_ctl & 1 ? 0 : 0x10) | (bda->modeset_ctl & 8)));
    poke8(seg, (u16)(at + 0x31), 3); /* 256 KiB */
    r->al = 0x1b;
}

/* ---- AH=1Ch ---- */

/* Sequencer 5, CRTC 25, attribute 21, graphics 9, misc, feature, indices; BDA 49h-66h, 84h-8Ah, A8h
 * and vectors 1Fh, 43h; DAC mask and 768. */
#define HW_SIZE  64
#define BDA_SIZE 64
#define DAC_SIZE 832

u16 save_state_size(u16 what)
{
    return (u16)((what & 1 ? HW_SIZE : 0) + (what & 2 ? BDA_SIZE : 0) + (what & 4 ? DAC_SIZE : 0));
}

static void save_registers(u16 seg, u16 at)
{
    poke16(seg, at, bda->crtc);
    poke8(seg, (u16)(at + 2), inb(MISC_READ));
    for (u8 i = 0; i < 5; i++)
        poke8(seg, (u16)(at + 3 + i), get_reg(SEQ, i));
    for (u8 i = 0; i < 25; i++)
        poke8(seg, (u16)(at + 8 + i), get_reg(bda->crtc, i));
    for (u8 i = 0; i < 21; i++)
        poke8(seg, (u16)(at + 33 + i), get_attr(i));
    for (u8 i = 0; i < 9; i++)
        poke8(seg, (u16)(at + 54 + i), get_reg(GFX, i));
}

static void restore_registers(u16 seg, u16 at)
{
    u16 crtc = peek16(seg, at);

    outb(MISC_OUT, peek8(seg, (u16)(at + 2)));
    bda->crtc = crtc;
    set_reg(SEQ, 0, 1);
    for (u8 i = 1; i < 5; i++)
        set_reg(SEQ, i, peek8(seg, (u16)(at + 3 + i)));
    set_reg(SEQ, 0, 3);
    set_reg(crtc, 0x11, 0);
    for (u8 i = 0; i < 25; i++)
        set_reg(crtc, i, peek8(seg, (u16)(at + 8 + i)));
    for (u8 i = 0; i < 21; i++)
        set_attr(i, peek8(seg, (u16)(at + 33 + i)));
    for (u8 i = 0; i < 9; i++)
        set_reg(GFX, i, peek8(seg, (u16)(at + 54 + i)));
}

static void save_bda(u16 seg, u16 at)
{
    far_copy(seg, at, 0x40, 0x49, 30);
    far_copy(seg, (u16)(at + 30), 0x40, 0x84, 7);
    far_copy(seg, (u16)(at + 38), 0x40, 0xa8, 4);
    far_copy(seg, (u16)(at + 42), 0, 0x1f * 4, 4);
    far_copy(seg, (u16)(at + 46), 0, 0x43 * 4, 4);
    poke16(seg, (u16)(at + 50), bda->equipment & 0x30);
}

static void restore_bda(u16 seg, u16 at)
{
    far_copy(0x40, 0x49, seg, at, 30);
    far_copy(0x40, 0x84, seg, (u16)(at + 30), 7);
    far_copy(0x40, 0xa8, seg, (u16)(at + 38), 4);
    far_copy(0, 0x1f * 4, seg, (u16)(at + 42), 4);
    far_copy(0, 0x43 * 4, seg, (u16)(at + 46), 4);
    bda->equipment = (u16)((bda->equipment & ~0x30) | (peek16(seg, (u16)(at + 50)) & 0x30));
}

static void save_dac(u16 seg, u16 at)
{
    poke8(seg, at++, inb(DAC_MASK));
    outb(DAC_READ_INDEX, 0);
    for (u16 i = 0; i < 768; i++)
        poke8(seg, at++, inb(DAC_DATA));
}

static void restore_dac(u16 seg, u16 at)
{
    outb(DAC_MASK, peek8(seg, at++));
    outb(DAC_WRITE_INDEX, 0);
    for (u16 i = 0; i < 768; i++)
        outb(DAC_DATA, peek8(seg, at++));
}

void save_state(u16 what, u16 seg, u16 off)
{
    if (what & 1) {
        save_registers(seg, off);
        off += HW_SIZE;
    }
    if (what & 2) {
        save_bda(seg, off);
        off += BDA_SIZE;
    }
    if (what & 4)
        save_dac(seg, off);
}

void restore_state(u16 what, u16 seg, u16 off)
{
    if (what & 1) {
        restore_registers(seg, off);
        off += HW_SIZE;
    }
    if (what & 2) {
        restore_bda(seg, off);
        off += BDA_SIZE;
    }
    if (what & 4)
        restore_dac(seg, off);
}

void int10_save_state(struct regs *r)
{
    if (!(r->cx & 7) || r->al > 2)
        return;
    if (r->al == 0)
        r->bx = save_state_size(r->cx) / 64;
    else if (r->al == 1)
        save_state(r->cx, r->es, r->bx);
    else
        restore_state(r->cx, r->es, r->bx);
    r->al = 0x1c;
}
