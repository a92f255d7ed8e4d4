/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INT 10h without a display adapter: COM1 is a terminal (ANSI X3.64 sequences), screen and
 * keyboard. With an adapter its BIOS takes the vector over and nothing here runs. */
#include "rm.h"

#define COLS 80
#define ROWS 25

static struct {
    u8 attr; /* what the terminal was told last */
    u16 at;  /* where its cursor is */
    u8 esc[6], nesc;
    bool known;
} term;

/* ---- output ---- */

static void send(u8 c)
{
    u16 port = bda->com[0];

    if (!port)
        return;
    for (u32 start = timer_now(); !(inb((u16)(port + 5)) & 0x20);)
        if (timer_past(start, 50))
            return;
    outb(port, c);
}

static void send_text(const char *s)
{
    while (*s)
        send((u8)*s++);
}

static void send_number(u32 n)
{
    if (n >= 10)
        send_number(n / 10);
    send((u8)('0' + n % 10));
}

static void move_to(u16 position)
{
    if (term.known && term.at == position)
        return;
    send_text("\033[");
    send_number((position >> 8) + 1u);
    send(';');
    send_number((position & 0xff) + 1u);
    send('H');
    term.at = position;
    term.known = true;
}

/* PC colors have blue where ANSI has red. */
static void set_attr(u8 attr)
{
    static const u8 ansi[8] = {0, 4, 2, 6, 1, 5, 3, 7};

    if (attr == term.attr)
        return;
    term.attr = attr;
    send_text("\033[0");
    if (attr & 8)
        send_text(";1");
    send_text(";3");
    send((u8)('0' + ansi[attr & 7]));
    send_text(";4");
    send((u8)('0' + ansi[attr >> 4 & 7]));
    send('m');
}

/* Line drawing and other characters of code page 437 that have a likeness in ASCII. */
static u8 plain(u8 c)
{
    if (c >= 0xb3 && c <= 0xda)
        return c == 0xb3 || c == 0xba ? '|' : c == 0xc4 || c == 0xcd ? '-' : '+';
    if (c >= 0xdb && c <= 0xdf)
        return '#';
    if (c >= 0xb0 && c <= 0xb2)
        return ' ';
    return c < 32 || c > 126 ? (c == 0x18 ? '^' : c == 0x19 ? 'v' : c == 0 ? ' ' : '?') : c;
}

static void cursor_to(u16 position)
{
    bda->cursor[0] = position;
}

static void show(u8 c)
{
    move_to(bda->cursor[0]);
    send(plain(c));
    if ((term.at & 0xff) >= COLS - 1)
        term.known = false; /* terminals differ in when they wrap */
    else
        term.at++;
}

static void line_feed(u16 *position)
{
    if (*position >> 8 < ROWS - 1) {
        *position += 0x100;
        return;
    }
    move_to((ROWS - 1) << 8);
    send('\n');
}

static void teletype(u8 c)
{
    u16 position = bda->cursor[0];

    switch (c) {
    case 7:
        send(7);
        return;
    case 8:
        if (position & 0xff)
            position--;
        break;
    case 10:
        line_feed(&position);
        break;
    case 13:
        position &= 0xff00;
        break;
    default:
        show(c);
        position++;
        if ((position & 0xff) >= COLS) {
            position &= 0xff00;
            line_feed(&position);
        }
    }
    cursor_to(position);
    if (c == 10 || c == 13)
        move_to(position); /* a person sees lines come */
}

static void clear(u8 attr)
{
    set_attr(attr);
    send_text("\033[2J");
    term.known = false;
}

static void scroll(struct regs *r)
{
    bool whole = r->ch == 0 && r->cl == 0 && r->dh >= ROWS - 1 && r->dl >= COLS - 1;

    if (r->al == 0 && whole)
        return clear(r->bh);
    set_attr(r->bh);
    send_text("\033[");
    send_number(r->ch + 1u);
    send(';');
    send_number(MIN(r->dh + 1u, ROWS));
    send('r');
    for (u32 i = r->al ? r->al : r->dh - r->ch + 1u; i && i <= ROWS; i--) {
        term.known = false;
        if (r->ah == 6) {
            move_to((u16)(MIN(r->dh, ROWS - 1) << 8));
            send('\n');
        } else {
            move_to((u16)(r->ch << 8));
            send_text("\033M");
        }
    }
    send_text("\033[r");
    term.known = false;
}

/* ---- functions ---- */

static void set_mode(struct regs *r)
{
    bda->video_mode = r->al & 0x7f;
    bda->video_cols = COLS;
    bda->video_rows = ROWS - 1;
    bda->char_height = 16;
    bda->video_page_size = 0x1000;
    bda->crtc = 0x3d4;
    bda->cursor[0] = 0;
    if (!(r->al & 0x80))
        clear(7);
    r->al = 0x30;
}

static void write_chars(struct regs *r)
{
    u16 saved = bda->cursor[0];

    if (r->ah == 9)
        set_attr(r->bl);
    for (u32 i = 0; i < r->cx && i < COLS * ROWS; i++) {
        u16 p = bda->cursor[0];

        if (p >> 8 >= ROWS)
            break;
        show(r->al);
        cursor_to((p & 0xff) == COLS - 1 ? (u16)((p & 0xff00) + 0x100) : (u16)(p + 1));
    }
    cursor_to(saved);
}

static void write_string(struct regs *r)
{
    u16 saved = bda->cursor[0], at = r->bp;

    cursor_to(r->dx);
    set_attr(r->bl);
    for (u32 i = 0; i < r->cx; i++) {
        u8 c = peek8(r->es, at++);

        if (r->al & 2)
            set_attr(peek8(r->es, at++));
        teletype(c);
    }
    if (!(r->al & 1))
        cursor_to(saved);
}

u32 int10(struct regs *r)
{
    switch (r->ah) {
    case 0x00:
        set_mode(r);
        break;
    case 0x02:
        cursor_to(r->dx);
        break;
    case 0x03:
        r->dx = bda->cursor[0];
        r->cx = 0x0607;
        break;
    case 0x06:
    case 0x07:
        scroll(r);
        break;
    case 0x08:
        r->ax = 0x0720;
        break; /* nobody remembers what is there */
    case 0x09:
    case 0x0a:
        write_chars(r);
        break;
    case 0x0e:
        teletype(r->al);
        break;
    case 0x0f:
        r->al = bda->video_mode;
        r->ah = COLS;
        r->bh = 0;
        break;
    case 0x13:
        write_string(r);
        break;
    default:
        break;
    }
    return ACTION_NONE;
}

/* ---- input ---- */

/* ESC [ A and the like, and ESC [ 3 ~, as keys. */
static u16 sequence_key(void)
{
    static const struct {
        u8 last, digit;
        u16 key;
    } table[] = {
        {'A', 0, 0x48e0},  {'B', 0, 0x50e0},  {'C', 0, 0x4de0},  {'D', 0, 0x4be0},
        {'H', 0, 0x47e0},  {'F', 0, 0x4fe0},  {'P', 0, 0x3b00},  {'Q', 0, 0x3c00},
        {'R', 0, 0x3d00},  {'S', 0, 0x3e00},  {'~', 1, 0x47e0},  {'~', 2, 0x52e0},
        {'~', 3, 0x53e0},  {'~', 4, 0x4fe0},  {'~', 5, 0x49e0},  {'~', 6, 0x51e0},
        {'~', 11, 0x3b00}, {'~', 12, 0x3c00}, {'~', 13, 0x3d00}, {'~', 14, 0x3e00},
        {'~', 15, 0x3f00}, {'~', 17, 0x4000}, {'~', 18, 0x4100}, {'~', 19, 0x4200},
        {'~', 20, 0x4300}, {'~', 21, 0x4400}, {'~', 23, 0x8500}, {'~', 24, 0x8600},
    };
    u8 last = term.esc[term.nesc - 1], digit = 0;

    for (u32 i = 2; i + 1 < term.nesc; i++)
        digit = (u8)(digit * 10 + (term.esc[i] - '0'));
    for (u32 i = 0; i < ARRAY_SIZE(table); i++)
        if (table[i].last == last && table[i].digit == digit)
            return table[i].key;
    return 0;
}

/* A scan code for what is typed: programs that look at it want those of Enter, Esc, Backspace, Tab.
 */
static u16 char_key(u8 c)
{
    switch (c) {
    case '\r':
    case '\n':
        return 0x1c0d;
    case 0x1b:
        return 0x011b;
    case 0x7f:
    case 8:
        return 0x0e08;
    case 9:
        return 0x0f09;
    case ' ':
        return 0x3920;
    default:
        return (u16)(0x1e00 | c);
    }
}

static void take(u8 c)
{
    if (term.nesc == 0 && c != 0x1b) {
        kbd_insert(char_key(c));
        return;
    }
    term.esc[term.nesc++] = c;
    if (term.nesc == 2 && c != '[' && c != 'O') {
        kbd_insert(0x011b);
        kbd_insert(char_key(c));
        term.nesc = 0;
    } else if (term.nesc > 2 && (c < '0' || c > '9')) {
        u16 key = sequence_key();

        if (key)
            kbd_insert(key);
        term.nesc = 0;
    } else if (term.nesc == sizeof(term.esc)) {
        term.nesc = 0;
    }
}

void sercon_poll(void)
{
    u16 port = bda->com[0];
    bool got = false;

    if (!port)
        return;
    while (inb((u16)(port + 5)) & 1) {
        take(inb(port));
        got = true;
    }
    if (!got && term.nesc == 1) { /* nothing followed: the Esc key */
        kbd_insert(0x011b);
        term.nesc = 0;
    }
}
