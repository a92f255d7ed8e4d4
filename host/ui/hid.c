/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/ui/hid.h"

#include "host/ui/keymap.h"
#include "host/ui/keys.h"
#include "vm/input.h"

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

void hid_encode(const struct hid_event *e, uint8_t bytes[HID_EVENT_SIZE])
{
    bytes[0] = (uint8_t)e->kind;
    put16(bytes + 1, e->code);
    put16(bytes + 3, e->delay_ms);
    bytes[5] = e->down;
    bytes[6] = e->buttons;
    bytes[7] = e->mask;
    put16(bytes + 8, (uint16_t)e->x);
    put16(bytes + 10, (uint16_t)e->y);
    put16(bytes + 12, (uint16_t)e->z);
    put16(bytes + 14, e->w);
    put16(bytes + 16, e->h);
}

bool hid_decode(const uint8_t *bytes, size_t len, struct hid_event *e)
{
    if (len != HID_EVENT_SIZE || bytes[0] < HID_KEY || bytes[0] > HID_BUTTONS)
        return false;
    *e = (struct hid_event){.kind = bytes[0],
                            .code = get16(bytes + 1),
                            .delay_ms = get16(bytes + 3),
                            .down = bytes[5] & 1,
                            .buttons = bytes[6] & HID_BUTTONS_ALL,
                            .mask = bytes[7] & HID_BUTTONS_ALL,
                            .x = (int16_t)get16(bytes + 8),
                            .y = (int16_t)get16(bytes + 10),
                            .z = (int16_t)get16(bytes + 12),
                            .w = get16(bytes + 14),
                            .h = get16(bytes + 16)};
    return true;
}

static void push(struct hid *h, const struct hid_event *e)
{
    uint8_t bytes[HID_EVENT_SIZE];

    if (!h->source)
        return;
    hid_encode(e, bytes);
    input_push(h->m, h->source, bytes, sizeof(bytes));
}

void hid_key(struct hid *h, unsigned code, bool down, unsigned delay_ms)
{
    struct hid_event e = {.kind = HID_KEY,
                          .code = (uint16_t)code,
                          .down = down,
                          .delay_ms = (uint16_t)(delay_ms < UINT16_MAX ? delay_ms : UINT16_MAX)};

    push(h, &e);
}

static int16_t clamp(int v)
{
    return (int16_t)(v < -4096 ? -4096 : v > 4096 ? 4096 : v);
}

void hid_move(struct hid *h, int dx, int dy, int dz)
{
    struct hid_event e = {.kind = HID_MOVE, .x = clamp(dx), .y = clamp(dy), .z = clamp(dz)};

    push(h, &e);
}

void hid_place(struct hid *h, unsigned x, unsigned y, unsigned width, unsigned height)
{
    struct hid_event e = {.kind = HID_PLACE, .w = (uint16_t)width, .h = (uint16_t)height};

    if (!width || !height || width > HID_PLACE_MAX || height > HID_PLACE_MAX)
        return;
    e.x = (int16_t)(x < width ? x : width - 1);
    e.y = (int16_t)(y < height ? y : height - 1);
    push(h, &e);
}

void hid_buttons(struct hid *h, unsigned buttons, unsigned mask)
{
    struct hid_event e = {.kind = HID_BUTTONS,
                          .buttons = (uint8_t)(buttons & HID_BUTTONS_ALL),
                          .mask = (uint8_t)(mask & HID_BUTTONS_ALL)};

    push(h, &e);
}

void hid_press(struct hid *h, const unsigned *codes, unsigned n, unsigned hold_ms)
{
    for (unsigned i = 0; i < n; i++)
        hid_key(h, codes[i], true, 0);
    for (unsigned i = n; i-- > 0;)
        hid_key(h, codes[i], false, i == n - 1 ? hold_ms : 0);
}

#define TYPING_MS 10 /* between a key's going down and up, and up and the next one's down */

/* The next character, and 0 at the end; what is no UTF-8 is taken byte by byte. */
static uint32_t next_char(const char **s)
{
    const uint8_t *p = (const uint8_t *)*s;
    unsigned more = p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : p[0] >= 0xc0 ? 1 : 0;
    uint32_t c = more ? p[0] & (0x3fu >> more) : p[0];

    for (unsigned i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            *s += 1;
            return p[0];
        }
        c = c << 6 | (p[i] & 0x3f);
    }
    *s += 1 + more;
    return c;
}

static void type_key(struct hid *h, struct keymap_key k)
{
    if (!k.code)
        return;
    if (k.shift || k.altgr)
        hid_key(h, k.shift ? SCAN_SHIFT : SCAN_ALTGR, true, TYPING_MS);
    hid_key(h, k.code, true, TYPING_MS);
    hid_key(h, k.code, false, TYPING_MS);
    if (k.shift || k.altgr)
        hid_key(h, k.shift ? SCAN_SHIFT : SCAN_ALTGR, false, 0);
}

void hid_type(struct hid *h, const struct keymap *map, const char *utf8)
{
    while (*utf8)
        type_key(h, keymap_char(map, next_char(&utf8)));
}

#define TYPE_AHEAD 64 /* keys in the queue, at which it has no room for more */

const char *hid_type_some(struct hid *h, const struct keymap *map, const char *utf8)
{
    if (input_pending(h->m) || atomic_load(&h->queued) >= TYPE_AHEAD)
        return utf8;
    for (unsigned i = 0; i < TYPE_AHEAD / 4 && *utf8; i++)
        type_key(h, keymap_char(map, next_char(&utf8)));
    return utf8;
}
