/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text modes in the terminal, by ncurses. What a terminal sends are characters, which are typed on
 * the guest's keyboard; Ctrl-A x ends Calque, Ctrl-A p presses the power button, Ctrl-A Ctrl-A is
 * Ctrl-A. */
#include "host/ui/curses.h"

#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "config.h"
#include "host/ui/display.h"
#include "host/ui/hid.h"
#include "host/ui/keymap.h"
#include "host/ui/keys.h"
#include "vm/machine.h"

#if CONFIG_CURSES

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <sys/ioctl.h>

#define FRAME_MS 33
#define CTRL_A   1
#define HOLD_MS  20

struct curses {
    struct ui_config config;
    struct display *display;
    struct hid *hid;
    const struct keymap *keymap;
    pthread_t thread;
    bool running, escape;
    bool all_colours; /* 16 in front of 16; otherwise 8 and bold */
    atomic_bool quit;
    SCREEN *screen;
    struct text_screen text, shown;
    bool is_text, drawn;
};

/* ---- the picture ---- */

/* IBM's bits are blue, green, red; the terminal's red, green, blue. */
static short colour(unsigned ibm)
{
    return (short)((ibm & 8) | (ibm & 4) >> 2 | (ibm & 2) | (ibm & 1) << 2);
}

static void init_colours(struct curses *c)
{
    start_color();
    c->all_colours = COLORS >= 16 && COLOR_PAIRS > 256;
    if (c->all_colours) {
        for (unsigned a = 0; a < 256; a++)
            init_extended_pair((int)a + 1, colour(a & 15), colour(a >> 4));
        return;
    }
    for (unsigned a = 0; a < 64; a++)
        init_pair((short)(a + 1), colour(a & 7), colour(a >> 3));
}

static void put_cell(const struct curses *c, unsigned x, unsigned y)
{
    struct text_cell cell = c->text.cells[y][x];
    uint16_t glyph = cell.character == 0 ? ' ' : text_unicode(cell.character);
    wchar_t text[2] = {glyph, 0};
    attr_t attr = !c->all_colours && (cell.attribute & 8) ? WA_BOLD : WA_NORMAL;
    int pair = c->all_colours ? cell.attribute + 1
                              : (cell.attribute & 7) + (cell.attribute >> 4 & 7) * 8 + 1;
    cchar_t out;

    setcchar(&out, text, attr, 0, &pair);
    mvadd_wch((int)y, (int)x, &out);
}

static void show_text(struct curses *c)
{
    struct text_screen *t = &c->text;

    if (!c->drawn || t->columns != c->shown.columns || t->rows != c->shown.rows) {
        erase();
        c->drawn = false;
    }
    for (unsigned y = 0; y < t->rows && (int)y < LINES; y++)
        for (unsigned x = 0; x < t->columns && (int)x < COLS; x++)
            if (!c->drawn || memcmp(&t->cells[y][x], &c->shown.cells[y][x], sizeof(t->cells[0][0])))
                put_cell(c, x, y);
    curs_set(t->cursor);
    if (t->cursor)
        move((int)t->cursor_row, (int)t->cursor_column);
    c->shown = *t;
}

static void show_graphics(struct curses *c)
{
    char line[64];

    snprintf(line, sizeof(line), "%u x %u, a graphics mode", c->display->surface.width,
             c->display->surface.height);
    erase();
    mvaddstr(LINES / 2, COLS > (int)strlen(line) ? (COLS - (int)strlen(line)) / 2 : 0, line);
}

static void draw(struct curses *c)
{
    bool was_text = c->is_text;

    machine_lock(c->display->m);
    c->is_text = c->display->source.text(c->display->source.opaque, &c->text);
    if (!c->is_text)
        display_refresh_locked(c->display);
    machine_unlock(c->display->m);
    if (was_text != c->is_text)
        c->drawn = false;
    if (c->is_text)
        show_text(c);
    else if (!c->drawn)
        show_graphics(c);
    c->drawn = true;
    refresh();
}

static void follow_size(struct curses *c)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
        return;
    if (size.ws_row == LINES && size.ws_col == COLS)
        return;
    resizeterm(size.ws_row, size.ws_col);
    c->drawn = false;
}

/* ---- keys ---- */

static unsigned function_key(int key)
{
    static const struct {
        int curses;
        unsigned code;
    } keys[] = {
        {KEY_UP, 0xe048},   {KEY_DOWN, 0xe050}, {KEY_LEFT, 0xe04b},   {KEY_RIGHT, 0xe04d},
        {KEY_HOME, 0xe047}, {KEY_END, 0xe04f},  {KEY_PPAGE, 0xe049},  {KEY_NPAGE, 0xe051},
        {KEY_IC, 0xe052},   {KEY_DC, 0xe053},   {KEY_BTAB, SCAN_TAB}, {KEY_ENTER, SCAN_RETURN},
        {KEY_F(11), 0x57},  {KEY_F(12), 0x58},
    };

    if (key == KEY_BACKSPACE)
        return SCAN_BACKSPACE;
    if (key >= KEY_F(1) && key <= KEY_F(10))
        return 0x3b + (unsigned)(key - KEY_F(1));
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (keys[i].curses == key)
            return keys[i].code;
    return 0;
}

/* With whatever must be held: Shift, AltGr, or Ctrl for a control character. */
static void type(struct curses *c, unsigned modifier, unsigned code)
{
    unsigned keys[2] = {modifier, code};

    if (modifier)
        hid_press(c->hid, keys, 2, HOLD_MS);
    else
        hid_press(c->hid, keys + 1, 1, HOLD_MS);
}

static void typed(struct curses *c, wint_t ch)
{
    struct keymap_key k;

    if (ch == 0x7f) {
        type(c, 0, SCAN_BACKSPACE);
        return;
    }
    if (ch < 0x20 && ch != '\r' && ch != '\t' && ch != 0x1b) {
        k = keymap_char(c->keymap, ch + (ch && ch <= 26 ? 0x60 : 0x40));
        type(c, SCAN_CTRL, k.code);
        return;
    }
    k = keymap_char(c->keymap, (uint32_t)ch);
    if (k.code)
        type(c, k.shift ? SCAN_SHIFT : k.altgr ? SCAN_ALTGR : 0, k.code);
}

static void after_escape(struct curses *c, wint_t ch)
{
    if (ch == 'x')
        c->config.hooks.quit(c->config.hooks.opaque);
    else if (ch == 'p')
        c->config.hooks.powerdown(c->config.hooks.opaque);
    else if (ch == CTRL_A)
        typed(c, CTRL_A);
}

static void read_key(struct curses *c)
{
    wint_t ch;
    int kind = get_wch(&ch);
    unsigned code;

    if (kind == KEY_CODE_YES) {
        code = function_key((int)ch);
        if (code)
            type(c, ch == KEY_BTAB ? SCAN_SHIFT : 0, code);
    } else if (kind == OK && c->escape) {
        c->escape = false;
        after_escape(c, ch);
    } else if (kind == OK && ch == CTRL_A) {
        c->escape = true;
    } else if (kind == OK) {
        typed(c, ch);
    }
}

/* ---- life ---- */

static void *serve(void *opaque)
{
    struct curses *c = opaque;

    while (!atomic_load(&c->quit)) {
        follow_size(c);
        draw(c);
        read_key(c); /* waits for a frame's time */
    }
    return NULL;
}

bool curses_open(const struct ui_config *config, struct display *display, struct hid *hid,
                 const struct keymap *keymap, struct curses **out, struct error *err)
{
    struct curses *c;

    if (config->options)
        return error_set(err, "-display curses,%s: it has no options", config->options);
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return error_set(err, "-display curses: a terminal is expected");
    c = calloc(1, sizeof(*c));
    if (!c)
        return error_set(err, "out of memory");
    c->config = *config;
    c->display = display;
    c->hid = hid;
    c->keymap = keymap;
    *out = c;
    return true;
}

bool curses_start(struct curses *c, struct error *err)
{
    const char *term = getenv("TERM");

    setlocale(LC_CTYPE, ""); /* how the terminal wants its characters; before other threads are */
    c->screen = newterm(NULL, stdout, stdin);
    if (!c->screen)
        return error_set(err, "-display curses: the terminal %s is not known", term ? term : "");
    raw();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    set_escdelay(25);
    timeout(FRAME_MS);
    if (has_colors())
        init_colours(c);
    c->running = !pthread_create(&c->thread, NULL, serve, c);
    return c->running || error_set(err, "-display curses: a thread cannot be started");
}

void curses_close(struct curses *c)
{
    if (!c)
        return;
    atomic_store(&c->quit, true);
    if (c->running)
        pthread_join(c->thread, NULL);
    if (c->screen) {
        endwin();
        delscreen(c->screen);
    }
    free(c);
}

#else

bool curses_open(const struct ui_config *config, struct display *display, struct hid *hid,
                 const struct keymap *keymap, struct curses **out, struct error *err)
{
    (void)config, (void)display, (void)hid, (void)keymap, (void)out;
    return error_set(err, "-display curses: built without ncurses");
}

bool curses_start(struct curses *c, struct error *err)
{
    (void)c;
    return error_set(err, "-display curses: built without ncurses");
}

void curses_close(struct curses *c)
{
    (void)c;
}

#endif
