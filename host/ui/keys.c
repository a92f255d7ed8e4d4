/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/ui/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/suggest.h"

struct key {
    uint16_t code;
    const char *name;
    uint32_t keysym; /* X11's, of keys that type no character; 0: none */
};

/* F13 and up, and the keys for browsers, are where Microsoft's Keyboard Scan Code Specification has
 * them; those that only workstations had, where Linux's drivers expect them. */
static const struct key keys[] = {
    {0x01, "esc", 0xff1b},
    {0x02, "1", 0},
    {0x03, "2", 0},
    {0x04, "3", 0},
    {0x05, "4", 0},
    {0x06, "5", 0},
    {0x07, "6", 0},
    {0x08, "7", 0},
    {0x09, "8", 0},
    {0x0a, "9", 0},
    {0x0b, "0", 0},
    {0x0c, "minus", 0},
    {0x0d, "equal", 0},
    {0x0e, "backspace", 0xff08},
    {0x0f, "tab", 0xff09},
    {0x10, "q", 0},
    {0x11, "w", 0},
    {0x12, "e", 0},
    {0x13, "r", 0},
    {0x14, "t", 0},
    {0x15, "y", 0},
    {0x16, "u", 0},
    {0x17, "i", 0},
    {0x18, "o", 0},
    {0x19, "p", 0},
    {0x1a, "bracket_left", 0},
    {0x1b, "bracket_right", 0},
    {0x1c, "ret", 0xff0d},
    {0x1d, "ctrl", 0xffe3},
    {0x1e, "a", 0},
    {0x1f, "s", 0},
    {0x20, "d", 0},
    {0x21, "f", 0},
    {0x22, "g", 0},
    {0x23, "h", 0},
    {0x24, "j", 0},
    {0x25, "k", 0},
    {0x26, "l", 0},
    {0x27, "semicolon", 0},
    {0x28, "apostrophe", 0},
    {0x29, "grave_accent", 0},
    {0x2a, "shift", 0xffe1},
    {0x2b, "backslash", 0},
    {0x2c, "z", 0},
    {0x2d, "x", 0},
    {0x2e, "c", 0},
    {0x2f, "v", 0},
    {0x30, "b", 0},
    {0x31, "n", 0},
    {0x32, "m", 0},
    {0x33, "comma", 0},
    {0x34, "dot", 0},
    {0x35, "slash", 0},
    {0x36, "shift_r", 0xffe2},
    {0x37, "kp_multiply", 0xffaa},
    {0x37, "asterisk", 0},
    {0x38, "alt", 0xffe9},
    {0x39, "spc", 0},
    {0x3a, "caps_lock", 0xffe5},
    {0x3b, "f1", 0xffbe},
    {0x3c, "f2", 0xffbf},
    {0x3d, "f3", 0xffc0},
    {0x3e, "f4", 0xffc1},
    {0x3f, "f5", 0xffc2},
    {0x40, "f6", 0xffc3},
    {0x41, "f7", 0xffc4},
    {0x42, "f8", 0xffc5},
    {0x43, "f9", 0xffc6},
    {0x44, "f10", 0xffc7},
    {0x45, "num_lock", 0xff7f},
    {0x46, "scroll_lock", 0xff14},
    {0x47, "kp_7", 0xffb7},
    {0x48, "kp_8", 0xffb8},
    {0x49, "kp_9", 0xffb9},
    {0x4a, "kp_subtract", 0xffad},
    {0x4b, "kp_4", 0xffb4},
    {0x4c, "kp_5", 0xffb5},
    {0x4d, "kp_6", 0xffb6},
    {0x4e, "kp_add", 0xffab},
    {0x4f, "kp_1", 0xffb1},
    {0x50, "kp_2", 0xffb2},
    {0x51, "kp_3", 0xffb3},
    {0x52, "kp_0", 0xffb0},
    {0x53, "kp_decimal", 0xffae},
    {0x54, "sysrq", 0xff15},
    {0x56, "less", 0},
    {0x57, "f11", 0xffc8},
    {0x58, "f12", 0xffc9},
    {0x59, "kp_equals", 0xffbd},
    {0x5b, "lf", 0xff0a},
    {0x64, "f13", 0xffca},
    {0x65, "f14", 0xffcb},
    {0x66, "f15", 0xffcc},
    {0x67, "f16", 0xffcd},
    {0x68, "f17", 0xffce},
    {0x69, "f18", 0xffcf},
    {0x6a, "f19", 0xffd0},
    {0x6b, "f20", 0xffd1},
    {0x6c, "f21", 0xffd2},
    {0x6d, "f22", 0xffd3},
    {0x6e, "f23", 0xffd4},
    {0x76, "f24", 0xffd5},
    {0x70, "hiragana", 0xff25},
    {0x70, "katakanahiragana", 0xff27},
    {0x71, "lang2", 0xff34},
    {0x72, "lang1", 0xff31},
    {0x73, "ro", 0},
    {0x79, "henkan", 0xff23},
    {0x7b, "muhenkan", 0xff22},
    {0x7d, "yen", 0},
    {0x7e, "kp_comma", 0xffac},
    {0xe005, "again", 0xff66},
    {0xe006, "props", 0},
    {0xe007, "undo", 0xff65},
    {0xe00a, "paste", 0x1008ff6d},
    {0xe00c, "front", 0},
    {0xe010, "audioprev", 0x1008ff16},
    {0xe019, "audionext", 0x1008ff17},
    {0xe01c, "kp_enter", 0xff8d},
    {0xe01d, "ctrl_r", 0xffe4},
    {0xe020, "audiomute", 0x1008ff12},
    {0xe021, "calculator", 0x1008ff1d},
    {0xe022, "audioplay", 0x1008ff14},
    {0xe024, "audiostop", 0x1008ff15},
    {0xe02e, "volumedown", 0x1008ff11},
    {0xe030, "volumeup", 0x1008ff13},
    {0xe032, "ac_home", 0x1008ff18},
    {0xe035, "kp_divide", 0xffaf},
    {0xe037, "print", 0xff61},
    {0xe038, "alt_r", 0xffea},
    {0xe038, "altgr", 0},
    {0xe03c, "cut", 0x1008ff58},
    {0xe03f, "open", 0x1008ff6b},
    {0xe041, "find", 0xff68},
    {0xe047, "home", 0xff50},
    {0xe048, "up", 0xff52},
    {0xe049, "pgup", 0xff55},
    {0xe04b, "left", 0xff51},
    {0xe04d, "right", 0xff53},
    {0xe04f, "end", 0xff57},
    {0xe050, "down", 0xff54},
    {0xe051, "pgdn", 0xff56},
    {0xe052, "insert", 0xff63},
    {0xe053, "delete", 0xffff},
    {0xe05b, "meta_l", 0xffeb},
    {0xe05c, "meta_r", 0xffec},
    {0xe05d, "menu", 0xff67},
    {0xe05d, "compose", 0},
    {0xe05e, "power", 0x1008ff2a},
    {0xe05f, "sleep", 0x1008ff2f},
    {0xe063, "wake", 0x1008ff2b},
    {0xe066, "ac_bookmarks", 0x1008ff30},
    {0xe067, "ac_refresh", 0x1008ff29},
    {0xe068, "stop", 0x1008ff28},
    {0xe069, "ac_forward", 0x1008ff27},
    {0xe06a, "ac_back", 0x1008ff26},
    {0xe06b, "computer", 0x1008ff33},
    {0xe06c, "mail", 0x1008ff19},
    {0xe06d, "mediaselect", 0x1008ff32},
    {0xe075, "help", 0xff6a},
    {0xe078, "copy", 0x1008ff57},
    {0xe11d, "pause", 0xff13},
};

#define NUM_KEYS (sizeof(keys) / sizeof(keys[0]))

/* Further keysyms of the same keys. */
static const struct {
    uint32_t keysym;
    uint16_t code;
} more_keysyms[] = {
    {0xfe03, SCAN_ALTGR},                   /* ISO_Level3_Shift */
    {0xff7e, SCAN_ALTGR},                   /* Mode_switch */
    {0xfe20, SCAN_TAB},                     /* ISO_Left_Tab */
    {0xffe7, 0xe05b},     {0xffe8, 0xe05c}, /* Meta */
    {0xffed, 0xe05b},     {0xffee, 0xe05c}, /* Hyper */
    {0xff95, 0x47},       {0xff97, 0x48},   {0xff9a, 0x49},   {0xff96, 0x4b},
    {0xff9d, 0x4c}, /* keypad */
    {0xff98, 0x4d},       {0xff9c, 0x4f},   {0xff99, 0x50},   {0xff9b, 0x51},
    {0xff9e, 0x52},       {0xff9f, 0x53},   {0xff6b, 0xe11d}, /* Break */
};

static unsigned numbered(const char *name)
{
    char *end;
    unsigned long code;

    if (strncmp(name, "0x", 2) != 0)
        return 0;
    code = strtoul(name, &end, 16);
    return *end || code > 0xffff ? 0 : (unsigned)code;
}

unsigned key_by_name(const char *name, struct error *err)
{
    struct suggestion near;
    unsigned code = numbered(name);

    if (code)
        return code;
    suggest_begin(&near, name);
    for (unsigned i = 0; i < NUM_KEYS; i++) {
        if (!strcmp(keys[i].name, name))
            return keys[i].code;
        suggest_offer(&near, keys[i].name);
    }
    error_set(err, "%s: no such key; did you mean %s?", name, near.best);
    return 0;
}

unsigned keys_parse(const char *text, unsigned codes[KEYS_TOGETHER_MAX], struct error *err)
{
    unsigned n = 0;

    while (true) {
        size_t len = strcspn(text, "-");
        char name[32];

        if (n == KEYS_TOGETHER_MAX || len >= sizeof(name)) {
            error_set(err, "up to %d names of keys with - between are expected", KEYS_TOGETHER_MAX);
            return 0;
        }
        snprintf(name, sizeof(name), "%.*s", (int)len, text);
        codes[n] = key_by_name(name, err);
        if (!codes[n++])
            return 0;
        if (!text[len])
            return n;
        text += len + 1;
    }
}

unsigned key_of_keysym(uint32_t keysym)
{
    for (unsigned i = 0; i < NUM_KEYS; i++)
        if (keys[i].keysym && keys[i].keysym == keysym)
            return keys[i].code;
    for (unsigned i = 0; i < sizeof(more_keysyms) / sizeof(more_keysyms[0]); i++)
        if (more_keysyms[i].keysym == keysym)
            return more_keysyms[i].code;
    return 0;
}
