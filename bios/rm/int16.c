/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyboard: scan codes of set 1 (INT 09h) to the buffer at 0040:001E, and INT 16h. */
#include "rm.h"

enum {
    KF_RSHIFT = 0x01,
    KF_LSHIFT = 0x02,
    KF_CTRL = 0x04,
    KF_ALT = 0x08,
    KF_SCROLL = 0x10,
    KF_NUM = 0x20,
    KF_CAPS = 0x40,
    KF_INSERT = 0x80,
    KF2_LCTRL = 0x0100, /* 0040:0018 */
    KF2_LALT = 0x0200,
    KF2_SYSREQ = 0x0400,
    KF2_PAUSE = 0x0800,
    KM_E1 = 0x01, /* 0040:0096 */
    KM_E0 = 0x02,
    KM_RCTRL = 0x04,
    KM_RALT = 0x08,
    KM_ENHANCED = 0x10,
};

/* 0040:0018 has for each lock key, at the same bit, whether it is held. */
#define HELD(locks) ((locks) << 8)

/* What a key gives: normal, with Shift, Ctrl, Alt; scan code in the high byte, 0: nothing. */
struct key {
    u16 normal, shift, ctrl, alt;
};

#define K(scan, n, s, c, a)                                                                        \
    {                                                                                              \
        (scan) << 8 | (n), (scan) << 8 | (s), c, a                                                 \
    }
#define LETTER(scan, l)   K(scan, l, (l)-32, (scan) << 8 | ((l)-96), (scan) << 8)
#define DIGIT(scan, n, s) K(scan, n, s, 0, ((scan) + 0x76) << 8)
#define SIGN(scan, n, s)  K(scan, n, s, 0, (scan) << 8)
#define FKEY(n)                                                                                    \
    {                                                                                              \
        (0x3a + (n)) << 8, (0x53 + (n)) << 8, (0x5d + (n)) << 8, (0x67 + (n)) << 8                 \
    }
#define PAD(scan, digit, ctrl)                                                                     \
    {                                                                                              \
        (scan) << 8, (scan) << 8 | (digit), (ctrl) << 8, 0                                         \
    }

static const struct key keys[] = {
    {0, 0, 0, 0},
    {0x011b, 0x011b, 0x011b, 0x0100},
    DIGIT(0x02, '1', '!'),
    {0x0332, 0x0340, 0x0300, 0x7900},
    DIGIT(0x04, '3', '#'),
    DIGIT(0x05, '4', '$'),
    DIGIT(0x06, '5', '%'),
    {0x0736, 0x075e, 0x071e, 0x7d00},
    DIGIT(0x08, '7', '&'),
    DIGIT(0x09, '8', '*'),
    DIGIT(0x0a, '9', '('),
    DIGIT(0x0b, '0', ')'),
    {0x0c2d, 0x0c5f, 0x0c1f, 0x8200},
    {0x0d3d, 0x0d2b, 0, 0x8300},
    {0x0e08, 0x0e08, 0x0e7f, 0x0e00},
    {0x0f09, 0x0f00, 0x9400, 0xa500},
    LETTER(0x10, 'q'),
    LETTER(0x11, 'w'),
    LETTER(0x12, 'e'),
    LETTER(0x13, 'r'),
    LETTER(0x14, 't'),
    LETTER(0x15, 'y'),
    LETTER(0x16, 'u'),
    LETTER(0x17, 'i'),
    LETTER(0x18, 'o'),
    LETTER(0x19, 'p'),
    {0x1a5b, 0x1a7b, 0x1a1b, 0x1a00},
    {0x1b5d, 0x1b7d, 0x1b1d, 0x1b00},
    {0x1c0d, 0x1c0d, 0x1c0a, 0x1c00},
    {0, 0, 0, 0}, /* Ctrl */
    LETTER(0x1e, 'a'),
    LETTER(0x1f, 's'),
    LETTER(0x20, 'd'),
    LETTER(0x21, 'f'),
    LETTER(0x22, 'g'),
    LETTER(0x23, 'h'),
    LETTER(0x24, 'j'),
    LETTER(0x25, 'k'),
    LETTER(0x26, 'l'),
    SIGN(0x27, ';', ':'),
    SIGN(0x28, '\'', '"'),
    SIGN(0x29, '`', '~'),
    {0, 0, 0, 0}, /* left Shift */
    {0x2b5c, 0x2b7c, 0x2b1c, 0x2b00},
    LETTER(0x2c, 'z'),
    LETTER(0x2d, 'x'),
    LETTER(0x2e, 'c'),
    LETTER(0x2f, 'v'),
    LETTER(0x30, 'b'),
    LETTER(0x31, 'n'),
    LETTER(0x32, 'm'),
    SIGN(0x33, ',', '<'),
    SIGN(0x34, '.', '>'),
    SIGN(0x35, '/', '?'),
    {0, 0, 0, 0}, /* right Shift */
    {0x372a, 0x372a, 0x9600, 0x3700},
    {0, 0, 0, 0}, /* Alt */
    {0x3920, 0x3920, 0x3920, 0x3920},
    {0, 0, 0, 0}, /* Caps Lock */
    FKEY(1),
    FKEY(2),
    FKEY(3),
    FKEY(4),
    FKEY(5),
    FKEY(6),
    FKEY(7),
    FKEY(8),
    FKEY(9),
    FKEY(10),
    {0, 0, 0, 0}, /* Num Lock */
    {0, 0, 0, 0}, /* Scroll Lock */
    PAD(0x47, '7', 0x77),
    PAD(0x48, '8', 0x8d),
    PAD(0x49, '9', 0x84),
    {0x4a2d, 0x4a2d, 0x8e00, 0x4a00},
    PAD(0x4b, '4', 0x73),
    PAD(0x4c, '5', 0x8f),
    PAD(0x4d, '6', 0x74),
    {0x4e2b, 0x4e2b, 0x9000, 0x4e00},
    PAD(0x4f, '1', 0x75),
    PAD(0x50, '2', 0x91),
    PAD(0x51, '3', 0x76),
    PAD(0x52, '0', 0x92),
    PAD(0x53, '.', 0x93),
    {0, 0, 0, 0}, /* 54: SysReq */
    {0, 0, 0, 0},
    {0x565c, 0x567c, 0, 0}, /* the key left of Z of 102-key keyboards */
    {0x8500, 0x8700, 0x8900, 0x8b00},
    {0x8600, 0x8800, 0x8a00, 0x8c00},
};

/* ---- the buffer ---- */

static u16 after(u16 at)
{
    return at + 2 >= bda->kbd_end ? bda->kbd_start : (u16)(at + 2);
}

void kbd_insert(u16 key)
{
    u16 next = after(bda->kbd_tail);

    if (next == bda->kbd_head)
        return; /* full */
    poke16(0x40, bda->kbd_tail, key);
    bda->kbd_tail = next;
}

/* ---- scan codes ---- */

/* Modifier and lock keys: bits in kbd_flags while held. */
static u16 modifier_bit(u8 scan, bool e0)
{
    switch (scan) {
    case 0x1d:
        return e0 ? KF_CTRL : KF_CTRL | KF2_LCTRL;
    case 0x38:
        return e0 ? KF_ALT : KF_ALT | KF2_LALT;
    case 0x2a:
        return e0 ? 0 : KF_LSHIFT;
    case 0x36:
        return e0 ? 0 : KF_RSHIFT;
    case 0x3a:
        return HELD(KF_CAPS);
    case 0x45:
        return HELD(KF_NUM);
    case 0x46:
        return HELD(KF_SCROLL);
    default:
        return 0;
    }
}

static bool is_modifier(u8 scan, bool e0)
{
    /* E0 46 is Break, E0 2A and E0 36 surround other keys. */
    return modifier_bit(scan, e0) || (e0 && (scan == 0x2a || scan == 0x36));
}

static void set_modifier(u8 scan, bool e0, bool down)
{
    u16 bits = modifier_bit(scan, e0), flags = bda->kbd_flags;
    u8 right = scan == 0x1d ? KM_RCTRL : scan == 0x38 ? KM_RALT : 0;

    if (e0 && right) {
        bda->kbd_mode = down ? bda->kbd_mode | right : bda->kbd_mode & ~right;
    }
    if (down && bits & HELD(KF_CAPS | KF_NUM | KF_SCROLL) && !(flags & bits))
        flags ^= (u16)(bits >> 8); /* the lock itself, once a press */
    flags = down ? flags | bits : flags & ~bits;
    /* One Ctrl or Alt may be let go while the other is held. */
    if (!down && scan == 0x1d && (bda->kbd_mode & KM_RCTRL || flags & KF2_LCTRL))
        flags |= KF_CTRL;
    if (!down && scan == 0x38 && (bda->kbd_mode & KM_RALT || flags & KF2_LALT))
        flags |= KF_ALT;
    bda->kbd_flags = flags;
}

static void alt_digit(u8 scan)
{
    static const u8 digit[] = {7, 8, 9, 0, 4, 5, 6, 0, 1, 2, 3, 0};

    bda->alt_keypad = (u8)(bda->alt_keypad * 10 + digit[scan - 0x47]);
}

static u16 with_ctrl(u8 scan, bool e0, const struct key *k)
{
    if (!e0)
        return k->ctrl;
    switch (scan) {
    case 0x35:
        return 0x9500;
    case 0x1c:
        return 0xe00a;
    default:
        return k->ctrl ? k->ctrl | 0xe0 : 0;
    }
}

static u16 with_alt(u8 scan, bool e0, const struct key *k)
{
    if (!e0)
        return k->alt;
    switch (scan) {
    case 0x35:
        return 0xa400;
    case 0x1c:
        return 0xa600;
    default:
        return scan >= 0x47 && scan <= 0x53 ? (u16)((scan + 0x50) << 8) : 0; /* 97h: Home... */
    }
}

/* Caps Lock turns letters round, Num Lock the keypad. */
static bool shifted(u8 scan, const struct key *k, u16 flags)
{
    bool shift = flags & (KF_LSHIFT | KF_RSHIFT);
    u8 c = (u8)k->normal;

    if (c >= 'a' && c <= 'z' && flags & KF_CAPS)
        return !shift;
    if (scan >= 0x47 && scan <= 0x53 && scan != 0x4a && scan != 0x4e && flags & KF_NUM)
        return !shift;
    return shift;
}

static u16 translate(u8 scan, bool e0)
{
    u16 flags = bda->kbd_flags;
    const struct key *k = &keys[scan];

    if (flags & KF_ALT)
        return with_alt(scan, e0, k);
    if (flags & KF_CTRL)
        return with_ctrl(scan, e0, k);
    if (!e0)
        return shifted(scan, k, flags) ? k->shift : k->normal;
    if (scan == 0x1c)
        return 0xe00d;
    if (scan == 0x35)
        return 0xe02f;
    return scan >= 0x47 ? k->normal | 0xe0 : 0;
}

static u32 press(u8 scan, bool e0)
{
    u16 flags = bda->kbd_flags, key;

    if (scan == 0x53 && (flags & (KF_CTRL | KF_ALT)) == (KF_CTRL | KF_ALT)) {
        bda->reset_flag = 0x1234;
        reboot();
    }
    if ((e0 && scan == 0x46) || (!e0 && scan == 0x46 && flags & KF_CTRL)) { /* Ctrl-Break */
        bda->brk = 0x80;
        bda->kbd_head = bda->kbd_tail = bda->kbd_start;
        kbd_insert(0);
        return ACTION_BREAK;
    }
    if (e0 && scan == 0x37 && !(flags & (KF_CTRL | KF_ALT)))
        return ACTION_PRINT;
    if (scan == 0x54)
        return ACTION_SYSREQ;
    if (scan >= ARRAY_SIZE(keys))
        return ACTION_NONE;
    if (!e0 && flags & KF_ALT && scan >= 0x47 && scan <= 0x52 && scan != 0x4a && scan != 0x4e) {
        alt_digit(scan);
        return ACTION_NONE;
    }
    if (scan == 0x52 && !(flags & (KF_CTRL | KF_ALT)) && (e0 || !shifted(scan, &keys[scan], flags)))
        bda->kbd_flags = flags ^ KF_INSERT;
    key = translate(scan, e0);
    if (key)
        kbd_insert(key);
    return ACTION_NONE;
}

static u32 release(u8 scan, bool e0)
{
    if (scan == 0x54)
        return ACTION_SYSREQ_UP;
    if (scan == 0x38 && !e0 && bda->alt_keypad) {
        kbd_insert(bda->alt_keypad);
        bda->alt_keypad = 0;
    }
    return ACTION_NONE;
}

/* Pause is E1 1D 45 E1 9D C5, and Ctrl and Num Lock of the PC's keyboard. */
static u32 pause(void)
{
    bda->kbd_flags |= KF2_PAUSE;
    return ACTION_PAUSE;
}

static u32 in_e1(u8 scan)
{
    if (scan == 0x45 || scan == 0xc5)
        bda->kbd_mode &= ~KM_E1;
    return scan == 0x45 ? pause() : ACTION_NONE;
}

/* Locks with Ctrl are Break and Pause. */
static bool acts_as_modifier(u8 scan, bool e0)
{
    if (scan == 0x46 && (e0 || bda->kbd_flags & KF_CTRL))
        return false;
    return is_modifier(scan, e0) && !(scan == 0x45 && bda->kbd_flags & KF_CTRL);
}

u32 kbd_scancode(struct regs *r)
{
    u8 scan = r->al, key = scan & 0x7f;
    bool e0 = bda->kbd_mode & KM_E0, down = !(scan & 0x80);

    if (scan == 0xe0 || scan == 0xe1) {
        bda->kbd_mode |= scan == 0xe0 ? KM_E0 : KM_E1;
        return ACTION_NONE;
    }
    if (scan == 0xfa || scan == 0xfe) {
        bda->kbd_leds |= scan == 0xfa ? 0x10 : 0x20;
        return ACTION_NONE;
    }
    if (bda->kbd_mode & KM_E1)
        return in_e1(scan);
    bda->kbd_mode &= ~KM_E0;
    if (acts_as_modifier(key, e0)) {
        set_modifier(key, e0, down);
        return down ? ACTION_NONE : release(key, e0);
    }
    if (!down)
        return release(key, e0);
    if (key == 0x45)
        return pause();
    if (bda->kbd_flags & KF2_PAUSE) { /* the key that ends it is for nobody */
        bda->kbd_flags &= ~KF2_PAUSE;
        return ACTION_NONE;
    }
    return press(key, e0);
}

/* ---- INT 16h ---- */

static u32 full(void)
{
    if (shared.serial_console)
        sercon_poll();
    return bda->kbd_head != bda->kbd_tail;
}

/* For programs of before 1986: keys they do not know are left out, E0h in the low byte becomes 0.
 */
static bool old_key(u16 *key)
{
    u8 scan = (u8)(*key >> 8), c = (u8)*key;

    if (scan == 0xe0) { /* keypad Enter and / */
        *key = (u16)(c == '/' ? 0x3500 | c : 0x1c00 | c);
        return true;
    }
    if (c == 0xe0 && scan) {
        *key &= 0xff00;
        return scan < 0x85;
    }
    return scan < 0x85;
}

/* The next key, or false. */
static bool peek_key(bool enhanced, u16 *key)
{
    while (full()) {
        *key = peek16(0x40, bda->kbd_head);
        if (enhanced) {
            if ((*key & 0xff) == 0xf0 && *key >> 8)
                *key &= 0xff00;
            return true;
        }
        if (old_key(key))
            return true;
        bda->kbd_head = after(bda->kbd_head);
    }
    return false;
}

/* The lights follow the locks when somebody asks. */
static void update_leds(void)
{
    u8 leds = bda->kbd_flags >> 4 & 7;

    if ((bda->kbd_leds & 7) == leds)
        return;
    bda->kbd_leds = (bda->kbd_leds & ~7) | leds;
    if (kbd_command(0xed))
        kbd_command(leds);
}

static u32 read_key(struct regs *r, bool enhanced)
{
    u16 key;

    update_leds();
    if (!peek_key(enhanced, &key))
        return ACTION_WAIT;
    bda->kbd_head = after(bda->kbd_head);
    r->ax = key;
    return ACTION_NONE;
}

static void check_key(struct regs *r, bool enhanced)
{
    u16 key;
    bool there = peek_key(enhanced, &key);

    update_leds();
    set_zf(r, !there);
    if (there)
        r->ax = key;
}

static void set_rate(struct regs *r)
{
    if (r->al == 5 && kbd_command(0xf3))
        kbd_command((u8)((r->bh & 3) << 5 | (r->bl & 0x1f)));
}

static void store_key(struct regs *r)
{
    u16 next = after(bda->kbd_tail);

    r->al = next == bda->kbd_head;
    if (!r->al)
        kbd_insert(r->cx);
}

static void extended_flags(struct regs *r)
{
    u16 flags = bda->kbd_flags;
    u8 high = (u8)(flags >> 8 & 0x73);

    r->al = (u8)flags;
    r->ah = (u8)(high | (bda->kbd_mode & (KM_RCTRL | KM_RALT)) | (flags & KF2_SYSREQ ? 0x80 : 0));
}

u32 int16(struct regs *r)
{
    switch (r->ah) {
    case 0x00:
        return read_key(r, false);
    case 0x01:
        check_key(r, false);
        break;
    case 0x02:
        r->al = (u8)bda->kbd_flags;
        break;
    case 0x03:
        set_rate(r);
        break;
    case 0x05:
        store_key(r);
        break;
    case 0x09:
        r->al = 0x24;
        break; /* 0Ah, and 10h to 12h are there; rates can be set, not read */
    case 0x0a:
        r->bx = 0x41ab;
        break; /* the keyboard's ID, MF2 */
    case 0x10:
        return read_key(r, true);
    case 0x11:
        check_key(r, true);
        break;
    case 0x12:
        extended_flags(r);
        break;
    case 0x92:
        r->ah = 0x80;
        break; /* "are 10h to 12h there?" */
    default:
        break;
    }
    return ACTION_NONE;
}
