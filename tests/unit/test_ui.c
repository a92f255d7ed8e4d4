/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Surfaces, viewers, keyboards and what becomes of keys on their way to the machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "host/ui/display.h"
#include "host/ui/hid.h"
#include "host/ui/keymap.h"
#include "host/ui/keys.h"
#include "vm/machine.h"

/* ---- surfaces ---- */

static void fill(struct surface *s, unsigned y, uint32_t colour)
{
    uint32_t row[SURFACE_MAX];

    for (unsigned x = 0; x < s->width; x++)
        row[x] = colour;
    surface_put_row(s, y, row);
}

struct seen {
    unsigned n;
    struct rect last;
    uint64_t area;
};

static void count(void *opaque, const struct rect *r)
{
    struct seen *s = opaque;

    s->n++;
    s->last = *r;
    s->area += (uint64_t)r->width * r->height;
}

static void dirty_tiles(void **state)
{
    struct surface a = {0}, b = {0};
    struct seen seen = {0};
    uint32_t row[100] = {0};

    (void)state;
    assert_true(surface_resize(&a, 100, 70));
    assert_true(surface_resize(&b, 100, 70));
    assert_true(surface_copy_dirty(&b, &a, count, &seen)); /* all of it at first */
    assert_int_equal(seen.area, 100 * 70);
    surface_clear_dirty(&a);
    fill(&a, 10, 0); /* what it was */
    surface_merge_dirty(&b, &a);
    assert_false(surface_copy_dirty(&b, &a, NULL, NULL));
    row[33] = row[99] = 7; /* tiles 1 and 3 of the last row of them, which are smaller */
    surface_put_row(&a, 69, row);
    surface_merge_dirty(&b, &a);
    seen = (struct seen){0};
    assert_true(surface_copy_dirty(&b, &a, count, &seen));
    assert_int_equal(seen.n, 2);
    assert_int_equal(seen.last.x, 96);
    assert_int_equal(seen.last.width, 4);
    assert_int_equal(seen.last.y, 64);
    assert_int_equal(seen.last.height, 6);
    assert_int_equal(surface_row(&b, 69)[33], 7);
    assert_int_equal(surface_row(&b, 69)[99], 7);
    assert_int_equal(a.sizes, 1);
    assert_true(surface_resize(&a, 4096, 1));
    assert_int_equal(a.sizes, 2);
    surface_free(&a);
    surface_free(&b);
}

/* ---- viewers ---- */

struct source {
    unsigned width, height;
    uint32_t colour;
};

static void draw(void *opaque, struct surface *s)
{
    struct source *src = opaque;

    assert_true(surface_resize(s, src->width, src->height));
    for (unsigned y = 0; y < s->height; y++)
        fill(s, y, src->colour);
}

static bool two_rows(void *opaque, struct text_screen *t)
{
    (void)opaque;
    t->columns = 6;
    t->rows = 3;
    memcpy(t->cells[0], (struct text_cell[6]){{'A', 7}, {0xc9, 7}, {0x81, 7}, {0, 7}, {' ', 7}},
           sizeof(struct text_cell[6]));
    t->cells[2][2].character = 0xe1;
    return true;
}

static void viewers(void **state)
{
    struct source src = {64, 64, 1};
    const struct display_source source = {draw, two_rows, &src};
    struct viewer a, b;
    struct display d;
    struct machine m;
    struct error err;

    (void)state;
    assert_true(machine_init(&m, 1 << 20, 0, &err));
    display_init(&d, &m, &source);
    display_attach(&d, &a);
    display_attach(&d, &b);
    assert_false(display_sync(&d, &a, NULL)); /* nobody has asked the adapter yet */
    display_refresh(&d);
    assert_true(display_sync(&d, &a, NULL));
    assert_false(display_sync(&d, &a, NULL));
    src.colour = 2;
    machine_lock(&m);
    display_refresh_locked(&d);
    assert_true(display_sync(&d, &b, NULL)); /* comes late: two changes at once */
    assert_int_equal(surface_row(&b.copy, 63)[63], 2);
    assert_int_equal(surface_row(&a.copy, 63)[63], 1);
    src.width = 100;
    display_refresh_locked(&d);
    assert_true(display_sync(&d, &a, NULL));
    assert_int_equal(a.copy.width, 100);
    display_detach(&d, &a);
    char *text = display_text(&d, &err);
    assert_string_equal(text, "A╔ü\n\n  ß\n");
    free(text);
    machine_unlock(&m);
    display_detach(&d, &b);
    display_destroy(&d);
    machine_destroy(&m);
}

/* ---- keyboards ---- */

static void keyboards(void **state)
{
    /* What each cannot type but with a dead key, or AltGr and Shift together. */
    static const struct {
        const char *name, *missing;
    } maps[] = {{"en-us", ""}, {"en-gb", ""},  {"de", ""}, {"de-ch", ""}, {"fr", ""},
                {"es", ""},    {"it", "`{}~"}, {"sv", ""}, {"pt-br", ""}};
    struct error err;

    (void)state;
    for (unsigned i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        const struct keymap *map = keymap_find(maps[i].name, &err);
        char missing[100] = "";
        unsigned n = 0;

        assert_non_null(map);
        for (uint32_t c = ' '; c < 0x7f; c++) {
            struct keymap_key k = keymap_char(map, c);

            assert_true(k.code < 0x60);
            if (!k.code)
                missing[n++] = (char)c;
        }
        missing[n] = 0;
        assert_string_equal(missing, maps[i].missing);
    }
    const struct keymap *de = keymap_find("de", &err);
    assert_int_equal(keymap_char(de, 'z').code, 0x15);
    assert_int_equal(keymap_char(de, '-').code, 0x35);
    assert_true(keymap_char(de, '/').shift);
    assert_int_equal(keymap_char(de, '/').code, 0x08);
    assert_true(keymap_char(de, '@').altgr);
    assert_int_equal(keymap_char(de, '@').code, 0x10);
    assert_int_equal(keymap_char(de, 0xdc).code, 0x1a);
    assert_int_equal(keymap_keysym(de, 0x20ac).code, 0x12);    /* EuroSign */
    assert_int_equal(keymap_keysym(de, 0x10020ac).code, 0x12); /* in Unicode */
    assert_int_equal(keymap_keysym(de, 0xfe52).code, 0x29);    /* dead_circumflex */
    assert_int_equal(keymap_keysym(de, 0xff52).code, 0xe048);  /* Up */
    assert_int_equal(keymap_keysym(de, 0xff97).code, 0x48);    /* KP_Up */
    assert_int_equal(keymap_keysym(de, 0xfe03).code, 0xe038);  /* ISO_Level3_Shift */
    assert_int_equal(keymap_keysym(de, 0x1234567).code, 0);
    assert_null(keymap_find("dee", &err));
    assert_non_null(strstr(err.text, "did you mean de?"));
}

/* All of QEMU's names (qapi/ui.json, QKeyCode), "unmapped" and those that end in "altgr_r" left
 * out: each is a key of its own, but for other names of the same. */
static void all_key_names(void **state)
{
    static const char names[] =
        "shift shift_r alt alt_r ctrl ctrl_r menu esc 1 2 3 4 5 6 7 8 9 0 minus equal backspace "
        "tab q "
        "w e r t y u i o p bracket_left bracket_right ret a s d f g h j k l semicolon apostrophe "
        "grave_accent backslash z x c v b n m comma dot slash asterisk spc caps_lock f1 f2 f3 f4 "
        "f5 "
        "f6 f7 f8 f9 f10 num_lock scroll_lock kp_divide kp_subtract kp_add kp_enter kp_decimal "
        "sysrq "
        "kp_0 kp_1 kp_2 kp_3 kp_4 kp_5 kp_6 kp_7 kp_8 kp_9 less f11 f12 print home pgup pgdn end "
        "left "
        "up down right insert delete stop again props undo front copy open paste find cut lf help "
        "meta_l meta_r pause ro hiragana henkan yen muhenkan kp_comma kp_equals power sleep wake "
        "audionext audioprev audiostop audioplay audiomute volumeup volumedown mediaselect mail "
        "calculator computer ac_home ac_back ac_forward ac_refresh ac_bookmarks lang1 lang2 f13 "
        "f14 "
        "f15 f16 f17 f18 f19 f20 f21 f22 f23 f24";
    static const char *const same[][2] = {{"kp_multiply", "asterisk"},
                                          {"compose", "menu"},
                                          {"katakanahiragana", "hiragana"},
                                          {"altgr", "alt_r"}};
    unsigned codes[200], n = 0;
    struct error err;
    char name[32];

    (void)state;
    for (const char *p = names; *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");

        snprintf(name, sizeof(name), "%.*s", (int)len, p);
        codes[n] = key_by_name(name, &err);
        if (!codes[n])
            fail_msg("%s", name);
        for (unsigned i = 0; i < n; i++)
            if (codes[i] == codes[n])
                fail_msg("%s has the code of another", name);
        n++;
        p += len;
    }
    assert_int_equal(n, 158);
    for (unsigned i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        assert_int_equal(key_by_name(same[i][0], &err), key_by_name(same[i][1], &err));
}

static void key_names(void **state)
{
    unsigned codes[KEYS_TOGETHER_MAX];
    struct error err;

    (void)state;
    assert_int_equal(keys_parse("ctrl-alt-f1", codes, &err), 3);
    assert_int_equal(codes[0], 0x1d);
    assert_int_equal(codes[1], 0x38);
    assert_int_equal(codes[2], 0x3b);
    assert_int_equal(keys_parse("0xe01d-pause", codes, &err), 2);
    assert_int_equal(codes[0], 0xe01d);
    assert_int_equal(codes[1], 0xe11d);
    assert_int_equal(keys_parse("", codes, &err), 0);
    assert_int_equal(keys_parse("a-", codes, &err), 0);
    assert_int_equal(keys_parse("a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q", codes, &err), 0);
    assert_int_equal(keys_parse("a-thisisnotthenameofanykeyatallatall", codes, &err), 0);
    assert_int_equal(keys_parse("0x10000", codes, &err), 0);
}

/* ---- events ---- */

struct typing {
    struct machine m;
    struct hid hid;
    struct input_source source;
    unsigned n;
    struct hid_event events[64];
};

static void deliver(void *opaque, const uint8_t *data, size_t len)
{
    struct typing *t = opaque;

    assert_true(t->n < 64);
    assert_true(hid_decode(data, len, &t->events[t->n++]));
}

static void typing(void **state)
{
    static const struct {
        unsigned code;
        bool down;
    } want[] = {
        {SCAN_SHIFT, true},  {0x15, true},         {0x15, false}, {SCAN_SHIFT, false},
        {SCAN_ALTGR, true},  {0x10, true},         {0x10, false}, {SCAN_ALTGR, false},
        {SCAN_RETURN, true}, {SCAN_RETURN, false},
    };
    struct hid_event e;
    struct typing t = {.n = 0};
    struct error err;

    (void)state;
    hid_key(&t.hid, 1, true, 0); /* nobody listens */
    assert_true(machine_init(&t.m, 1 << 20, 0, &err));
    input_register(&t.m, &t.source, "hid", deliver, &t);
    t.hid.m = &t.m;
    t.hid.source = &t.source;
    hid_type(&t.hid, keymap_find("de", &err), "Z@\xff\n"); /* one byte that is no UTF-8 */
    hid_move(&t.hid, -100000, 5, -1);
    hid_place(&t.hid, 1000, 5, 640, 480);
    hid_place(&t.hid, 1, 1, 0, 0);             /* no screen: no place */
    hid_place(&t.hid, 32767, 1, 32768, 32768); /* QMP's screen */
    hid_buttons(&t.hid, 0xff, 0x92);
    machine_lock(&t.m);
    input_deliver(&t.m);
    machine_unlock(&t.m);
    assert_int_equal(t.n, 14);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(t.events[i].kind, HID_KEY);
        assert_int_equal(t.events[i].code, want[i].code);
        assert_int_equal(t.events[i].down, want[i].down);
    }
    assert_int_equal(t.events[10].x, -4096);
    assert_int_equal(t.events[10].z, -1);
    assert_int_equal(t.events[11].x, 639);
    assert_int_equal(t.events[11].h, 480);
    assert_int_equal(t.events[12].x, 32767);
    assert_int_equal(t.events[12].w, 32768);
    assert_int_equal(t.events[13].buttons, 0x1f);
    assert_int_equal(t.events[13].mask, 0x12);
    assert_false(hid_decode((const uint8_t[HID_EVENT_SIZE]){9}, HID_EVENT_SIZE, &e));
    assert_false(hid_decode((const uint8_t[HID_EVENT_SIZE]){1}, 3, &e));
    machine_destroy(&t.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dirty_tiles), cmocka_unit_test(viewers),       cmocka_unit_test(keyboards),
        cmocka_unit_test(key_names),   cmocka_unit_test(all_key_names), cmocka_unit_test(typing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
