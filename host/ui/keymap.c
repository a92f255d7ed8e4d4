/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/ui/keymap.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/suggest.h"
#include "host/ui/keys.h"

/* What the keys of the four rows type, as UTF-8, from the key left of 1 to the one left of the
 * right Shift: alone, with Shift, with AltGr (or a space). Rows are those of the keyboards that the
 * languages' standards draw. Dead keys stand as the accent alone. */
struct keymap {
    const char *name, *help;
    const char *plain, *shifted, *altgr;
};

/* Keys in the order of the strings. 0x2b is left of Enter, 0x56 right of the left Shift. */
static const uint8_t positions[] = {
    0x29, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x10, 0x11, 0x12,
    0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24,
    0x25, 0x26, 0x27, 0x28, 0x2b, 0x56, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35};

static const struct keymap keymaps[] = {
    {"en-us", "English, United States",
     "`1234567890-="
     "qwertyuiop[]"
     "asdfghjkl;'\\"
     " zxcvbnm,./",
     "~!@#$%^&*()_+"
     "QWERTYUIOP{}"
     "ASDFGHJKL:\"|"
     " ZXCVBNM<>?",
     ""},
    {"en-gb", "English, United Kingdom",
     "`1234567890-="
     "qwertyuiop[]"
     "asdfghjkl;'#"
     "\\zxcvbnm,./",
     "¬!\"£$%^&*()_+"
     "QWERTYUIOP{}"
     "ASDFGHJKL:@~"
     "|ZXCVBNM<>?",
     "¦   €        "
     "  é   úíó   "
     "á           "
     "           "},
    {"de", "German",
     "^1234567890ß´"
     "qwertzuiopü+"
     "asdfghjklöä#"
     "<yxcvbnm,.-",
     "°!\"§$%&/()=?`"
     "QWERTZUIOPÜ*"
     "ASDFGHJKLÖÄ'"
     ">YXCVBNM;:_",
     "  ²³   {[]}\\ "
     "@ €        ~"
     "            "
     "|      µ   "},
    {"de-ch", "German, Switzerland",
     "§1234567890'^"
     "qwertzuiopü¨"
     "asdfghjklöä$"
     "<yxcvbnm,.-",
     "°+\"*ç%&/()=?`"
     "QWERTZUIOPè!"
     "ASDFGHJKLéà£"
     ">YXCVBNM;:_",
     " ¦@#  ¬|¢  ´~"
     "  €       []"
     "          {}"
     "\\          "},
    {"fr", "French",
     "²&é\"'(-è_çà)="
     "azertyuiop^$"
     "qsdfghjklmù*"
     "<wxcvbn,;:!",
     "~1234567890°+"
     "AZERTYUIOP¨£"
     "QSDFGHJKLM%µ"
     ">WXCVBN?./§",
     "  ~#{[|`\\^@]}"
     "  €        ¤"
     "            "
     "           "},
    {"es", "Spanish",
     "º1234567890'¡"
     "qwertyuiop`+"
     "asdfghjklñ´ç"
     "<zxcvbnm,.-",
     "ª!\"·$%&/()=?¿"
     "QWERTYUIOP^*"
     "ASDFGHJKLÑ¨Ç"
     ">ZXCVBNM;:_",
     "\\|@#~€¬      "
     "          []"
     "          {}"
     "           "},
    {"it", "Italian",
     "\\1234567890'ì"
     "qwertyuiopè+"
     "asdfghjklòàù"
     "<zxcvbnm,.-",
     "|!\"£$%&/()=?^"
     "QWERTYUIOPé*"
     "ASDFGHJKLç°§"
     ">ZXCVBNM;:_",
     "     €       "
     "          []"
     "         @# "
     "           "},
    {"sv", "Swedish",
     "§1234567890+´"
     "qwertyuiopå¨"
     "asdfghjklöä'"
     "<zxcvbnm,.-",
     "½!\"#¤%&/()=?`"
     "QWERTYUIOPÅ^"
     "ASDFGHJKLÖÄ*"
     ">ZXCVBNM;:_",
     "  @£$€ {[]}\\ "
     "           ~"
     "            "
     "|      µ   "},
    {"pt-br", "Portuguese, Brazil (ABNT2)",
     "'1234567890-="
     "qwertyuiop´["
     "asdfghjklç~]"
     "\\zxcvbnm,.;",
     "\"!@#$%¨&*()_+"
     "QWERTYUIOP`{"
     "ASDFGHJKLÇ^}"
     "|ZXCVBNM<>:",
     " ¹²³£¢¬     §"
     "/?         ª"
     "           º"
     "           "},
};

#define NUM_KEYMAPS (sizeof(keymaps) / sizeof(keymaps[0]))

/* Dead keys' keysyms, and the accent as a character. */
static const struct {
    uint16_t keysym, c;
} dead_keys[] = {
    {0xfe50, '`'},  {0xfe51, 0xb4}, {0xfe52, '^'},  {0xfe53, '~'},
    {0xfe57, 0xa8}, {0xfe58, 0xb0}, {0xfe5b, 0xb8},
};

const struct keymap *keymap_find(const char *name, struct error *err)
{
    struct suggestion near;

    suggest_begin(&near, name);
    for (unsigned i = 0; i < NUM_KEYMAPS; i++) {
        if (!strcmp(keymaps[i].name, name))
            return &keymaps[i];
        suggest_offer(&near, keymaps[i].name);
    }
    error_set(err, "-k %s: no such keyboard; did you mean %s?", name, near.best);
    return NULL;
}

void keymap_list(void (*line)(void *opaque, const char *text), void *opaque)
{
    char text[80];

    for (unsigned i = 0; i < NUM_KEYMAPS; i++) {
        snprintf(text, sizeof(text), "  %-15s %s", keymaps[i].name, keymaps[i].help);
        line(opaque, text);
    }
}

/* The next character of a string of ours; it is at most three bytes long. */
static uint32_t next_char(const char **s)
{
    const uint8_t *p = (const uint8_t *)*s;
    unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : 3;

    *s += n;
    if (n == 1)
        return p[0];
    return n == 2 ? (p[0] & 0x1fu) << 6 | (p[1] & 0x3f)
                  : (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3f);
}

static unsigned search(const char *row, uint32_t c)
{
    for (unsigned i = 0; *row && i < sizeof(positions); i++)
        if (next_char(&row) == c)
            return positions[i];
    return 0;
}

static unsigned control_key(uint32_t c)
{
    switch (c) {
    case '\b':
        return SCAN_BACKSPACE;
    case '\t':
        return SCAN_TAB;
    case '\n':
    case '\r':
        return SCAN_RETURN;
    case 0x1b:
        return SCAN_ESCAPE;
    case ' ':
        return SCAN_SPACE;
    default:
        return 0;
    }
}

struct keymap_key keymap_char(const struct keymap *map, uint32_t c)
{
    struct keymap_key k = {.code = control_key(c)};

    if (k.code || c <= ' ')
        return k;
    k.modifiers = true;
    if ((k.code = search(map->plain, c)))
        return k;
    k.shift = true;
    if ((k.code = search(map->shifted, c)))
        return k;
    k.shift = false;
    k.altgr = true;
    k.code = search(map->altgr, c);
    return k;
}

/* Latin-1 keysyms are their characters; others of Unicode have bit 24 set; the Euro's is older. */
static uint32_t char_of_keysym(uint32_t keysym)
{
    if (keysym >= 0x20 && keysym <= 0xff)
        return keysym;
    if (keysym >> 24 == 1)
        return keysym & 0xffffff;
    if (keysym == 0x20ac)
        return keysym;
    for (unsigned i = 0; i < sizeof(dead_keys) / sizeof(dead_keys[0]); i++)
        if (dead_keys[i].keysym == keysym)
            return dead_keys[i].c;
    return 0;
}

struct keymap_key keymap_keysym(const struct keymap *map, uint32_t keysym)
{
    uint32_t c = char_of_keysym(keysym);

    if (c)
        return keymap_char(map, c);
    return (struct keymap_key){.code = key_of_keysym(keysym)};
}
