/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/input/ps2kbd.h"

#include <string.h>

#include "vm/machine.h" /* struct machine */

/* Enhanced (MF2) PS/2 keyboard: IBM PS/2 Hardware Interface Technical Reference, Keyboards.
 *
 * Keys arrive as set 1 codes, the numbering every host library can produce, and leave in set 2
 * (power-on), 1, or 3, where each key has one byte and a type: whether it repeats, and whether its
 * going up is told. */

enum {
    CMD_LEDS = 0xed,
    CMD_ECHO = 0xee,
    CMD_SCAN_SET = 0xf0,
    CMD_IDENTIFY = 0xf2,
    CMD_TYPEMATIC = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_ALL_TYPEMATIC = 0xf7,
    CMD_ALL_BREAK = 0xf8,
    CMD_ALL_MAKE = 0xf9,
    CMD_ALL_TYPEMATIC_BREAK = 0xfa,
    CMD_KEY_TYPEMATIC = 0xfb,
    CMD_KEY_BREAK = 0xfc,
    CMD_KEY_MAKE = 0xfd,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
    TYPEMATIC_DEFAULT = 0x2b, /* 10.9 characters a second after 500 ms */
    BREAK_SET2 = 0xf0,
    BREAK_SET1 = 0x80,
};

/* Set 2 make code of each set 1 code; 0 where no key has it. */
static const uint8_t set2_of_set1[128] = {
    0x00, 0x76, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d,
    0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x14, 0x1c, 0x1b,
    0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5d, 0x1a, 0x22, 0x21, 0x2a,
    0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7c, 0x11, 0x29, 0x58, 0x05, 0x06, 0x04, 0x0c, 0x03,
    0x0b, 0x83, 0x0a, 0x01, 0x09, 0x77, 0x7e, 0x6c, 0x75, 0x7d, 0x7b, 0x6b, 0x73, 0x74, 0x79, 0x69,
    0x72, 0x7a, 0x70, 0x71, 0x84, 0x60, 0x61, 0x78, 0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f,
    0x47, 0x4f, 0x56, 0x5e, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x40, 0x48, 0x50, 0x57, 0x6f,
    0x13, 0x19, 0x39, 0x51, 0x53, 0x5c, 0x5f, 0x62, 0x63, 0x64, 0x65, 0x67, 0x68, 0x6a, 0x6d, 0x6e,
};

/* ---- set 3 ---- */

enum { TYPE_TYPEMATIC = 1, TYPE_BREAK = 2 };

/* Codes that differ from those of set 2, and all of the extended keys, by set 1's. */
static const struct {
    uint16_t set1;
    uint8_t set3;
} set3_others[] = {
    {0x01, 0x08},   {0x1d, 0x11},   {0x2b, 0x5c},   {0x37, 0x7e},   {0x38, 0x19},   {0x3a, 0x14},
    {0x3b, 0x07},   {0x3c, 0x0f},   {0x3d, 0x17},   {0x3e, 0x1f},   {0x3f, 0x27},   {0x40, 0x2f},
    {0x41, 0x37},   {0x42, 0x3f},   {0x43, 0x47},   {0x44, 0x4f},   {0x45, 0x76},   {0x46, 0x5f},
    {0x4a, 0x84},   {0x4e, 0x7c},   {0x54, 0x57},   {0x56, 0x13},   {0x57, 0x56},   {0x58, 0x5e},
    {0x70, 0x87},   {0x73, 0x51},   {0x79, 0x86},   {0x7b, 0x85},   {0x7d, 0x5d},   {0x7e, 0x7b},
    {0xe01c, 0x79}, {0xe01d, 0x58}, {0xe035, 0x77}, {0xe037, 0x57}, {0xe038, 0x39}, {0xe047, 0x6e},
    {0xe048, 0x63}, {0xe049, 0x6f}, {0xe04b, 0x61}, {0xe04d, 0x6a}, {0xe04f, 0x65}, {0xe050, 0x60},
    {0xe051, 0x6d}, {0xe052, 0x67}, {0xe053, 0x64}, {0xe05b, 0x8b}, {0xe05c, 0x8c}, {0xe05d, 0x8d},
    {0xe11d, 0x62},
};

/* 0: set 3 has no such key. */
static uint8_t set3_of_set1(unsigned code)
{
    for (unsigned i = 0; i < sizeof(set3_others) / sizeof(set3_others[0]); i++)
        if (set3_others[i].set1 == code)
            return set3_others[i].set3;
    return code >= 0x54 ? 0 : set2_of_set1[code];
}

/* The manual's table of set 3: function keys, most of the keypad and the like only tell that they
 * went down, shift keys also that they went up, the others repeat. */
static void default_types(struct ps2kbd *k)
{
    static const uint8_t make[] = {0x08, 0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x47, 0x4f,
                                   0x56, 0x5e, 0x57, 0x5f, 0x62, 0x67, 0x6e, 0x6f, 0x65, 0x6d, 0x76,
                                   0x77, 0x7e, 0x84, 0x6c, 0x75, 0x7d, 0x6b, 0x73, 0x74, 0x69, 0x72,
                                   0x7a, 0x79, 0x70, 0x71, 0x39, 0x58, 0x8b, 0x8c, 0x8d};
    static const uint8_t shifts[] = {0x11, 0x12, 0x14, 0x19, 0x59};

    memset(k->types, TYPE_TYPEMATIC, sizeof(k->types));
    for (unsigned i = 0; i < sizeof(make); i++)
        k->types[make[i]] = 0;
    for (unsigned i = 0; i < sizeof(shifts); i++)
        k->types[shifts[i]] = TYPE_BREAK;
}

static bool repeats(const struct ps2kbd *k, unsigned code)
{
    return k->scan_set != 3 || k->types[set3_of_set1(code)] & TYPE_TYPEMATIC;
}

static size_t encode_set3(const struct ps2kbd *k, unsigned code, bool down, uint8_t out[3])
{
    uint8_t make = set3_of_set1(code);
    size_t n = 0;

    if (!make || (!down && !(k->types[make] & TYPE_BREAK)))
        return 0;
    if (!down)
        out[n++] = BREAK_SET2;
    out[n++] = make;
    return n;
}

static size_t encode_key(const struct ps2kbd *k, unsigned code, bool down, uint8_t out[3])
{
    uint8_t make = code & 0x7f;
    size_t n = 0;

    if (k->scan_set == 3)
        return encode_set3(k, code, down, out);
    if (code >> 8 == 0xe0)
        out[n++] = 0xe0;
    if (k->scan_set == 1) {
        out[n++] = down ? make : make | BREAK_SET1;
        return n;
    }
    if (!down)
        out[n++] = BREAK_SET2;
    out[n++] = set2_of_set1[make];
    return n;
}

static void send_pause(struct ps2kbd *k)
{
    static const uint8_t set1[] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5};
    static const uint8_t set2[] = {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77};

    uint8_t set3 = set3_of_set1(PS2KBD_PAUSE);

    if (k->scan_set == 1)
        ps2_event(&k->port, set1, sizeof(set1));
    else if (k->scan_set == 3)
        ps2_event(&k->port, &set3, 1);
    else
        ps2_event(&k->port, set2, sizeof(set2));
}

static void send_key(struct ps2kbd *k, unsigned code, bool down)
{
    uint8_t bytes[3];
    size_t n = encode_key(k, code, down, bytes);

    /* Without room the key is lost; the overrun code of real keyboards only makes guests beep. */
    if (n)
        ps2_event(&k->port, bytes, n);
}

/* Typematic rate and delay, Set Typematic Rate/Delay: 250 ms to 1 s, then (8 + A) * 2^B / 240 s. */
static uint64_t repeat_delay(const struct ps2kbd *k)
{
    return ((k->typematic >> 5 & 3) + 1) * (NS_PER_SEC / 4);
}

static uint64_t repeat_period(const struct ps2kbd *k)
{
    return ((8 + (k->typematic & 7u)) << (k->typematic >> 3 & 3)) * (NS_PER_SEC / 240);
}

static void hold(struct ps2kbd *k, uint16_t code)
{
    k->held = code;
    if (code && repeats(k, code))
        vm_timer_arm(&k->repeat, vm_clock_now(&k->dev.m->clock) + repeat_delay(k));
    else
        vm_timer_cancel(&k->repeat);
}

/* A guest that does not look finds one repetition, not many. */
static void repeat(void *opaque)
{
    struct ps2kbd *k = opaque;

    if (!k->held || !k->scanning)
        return;
    if (!k->port.count)
        send_key(k, k->held, true);
    vm_timer_arm(&k->repeat, vm_clock_now(&k->dev.m->clock) + repeat_period(k));
}

void ps2kbd_key(struct ps2kbd *k, unsigned code, bool down)
{
    if (!k->scanning || !(code & 0x7f) || (down && code == k->held))
        return;
    if (code == PS2KBD_PAUSE) {
        if (down)
            send_pause(k);
        return;
    }
    if (down)
        hold(k, (uint16_t)code);
    else if (code == k->held)
        hold(k, 0);
    send_key(k, code, down);
}

static void set_defaults(struct ps2kbd *k)
{
    hold(k, 0);
    k->scan_set = 2;
    k->typematic = TYPEMATIC_DEFAULT;
    default_types(k);
    k->command = 0;
}

static uint8_t type_of(uint8_t command)
{
    switch (command) {
    case CMD_ALL_TYPEMATIC:
    case CMD_KEY_TYPEMATIC:
        return TYPE_TYPEMATIC;
    case CMD_ALL_BREAK:
    case CMD_KEY_BREAK:
        return TYPE_BREAK;
    case CMD_ALL_TYPEMATIC_BREAK:
        return TYPE_TYPEMATIC | TYPE_BREAK;
    default:
        return 0;
    }
}

/* A key by its code of set 3; more may follow, until the next command. */
static void set_key_type(struct ps2kbd *k, uint8_t code)
{
    if (code < PS2KBD_SET3_CODES)
        k->types[code] = type_of(k->command);
    ps2_reply(&k->port, code < PS2KBD_SET3_CODES ? PS2_ACK : PS2_RESEND);
}

static void parameter(struct ps2kbd *k, uint8_t v)
{
    uint8_t command = k->command;

    if (command >= CMD_KEY_TYPEMATIC) {
        set_key_type(k, v);
        return;
    }
    k->command = 0;
    if (command == CMD_SCAN_SET && v > 3) {
        ps2_reply(&k->port, PS2_RESEND);
        return;
    }
    ps2_reply(&k->port, PS2_ACK);
    if (command == CMD_LEDS)
        k->leds = v & 7;
    else if (command == CMD_TYPEMATIC)
        k->typematic = v & 0x7f;
    else if (v == 0)
        ps2_reply(&k->port, k->scan_set);
    else
        k->scan_set = v;
}

static void start_command(struct ps2kbd *k, uint8_t v)
{
    switch (v) {
    case CMD_ECHO:
        ps2_reply(&k->port, CMD_ECHO);
        return;
    case CMD_RESEND:
        ps2_reply(&k->port, k->port.last);
        return;
    case CMD_LEDS:
    case CMD_SCAN_SET:
    case CMD_TYPEMATIC:
    case CMD_KEY_TYPEMATIC:
    case CMD_KEY_BREAK:
    case CMD_KEY_MAKE:
        k->command = v;
        break;
    case CMD_IDENTIFY:
        ps2_reply(&k->port, PS2_ACK);
        ps2_reply(&k->port, 0xab);
        ps2_reply(&k->port, 0x83);
        return;
    case CMD_ENABLE:
        ps2_flush(&k->port);
        hold(k, 0);
        k->scanning = true;
        break;
    case CMD_DISABLE:
    case CMD_DEFAULTS:
        ps2_flush(&k->port);
        set_defaults(k);
        k->scanning = v == CMD_DEFAULTS;
        break;
    case CMD_RESET:
        ps2_flush(&k->port);
        set_defaults(k);
        k->scanning = true;
        k->leds = 0;
        ps2_reply(&k->port, PS2_ACK);
        ps2_reply(&k->port, PS2_BAT_OK);
        return;
    case CMD_ALL_TYPEMATIC: /* these are for set 3, and have no effect in the others */
    case CMD_ALL_BREAK:
    case CMD_ALL_MAKE:
    case CMD_ALL_TYPEMATIC_BREAK:
        memset(k->types, type_of(v), sizeof(k->types));
        break;
    default:
        ps2_reply(&k->port, PS2_RESEND);
        return;
    }
    ps2_reply(&k->port, PS2_ACK);
}

/* A byte above 0xec in place of a parameter is a new command. */
static void receive(void *owner, uint8_t v)
{
    struct ps2kbd *k = owner;

    if (k->command && v < CMD_LEDS) {
        parameter(k, v);
    } else {
        k->command = 0;
        start_command(k, v);
    }
}

static void reset(struct device *d)
{
    struct ps2kbd *k = (struct ps2kbd *)d;

    ps2_flush(&k->port);
    set_defaults(k);
    k->scanning = true;
    k->leds = 0;
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct ps2kbd, port, 1, struct ps2_port, ps2_port_fields),
    STATE_BOOL(struct ps2kbd, scanning),
    STATE_U8_MAX(struct ps2kbd, scan_set, 3),
    STATE_U8_MAX(struct ps2kbd, leds, 7),
    STATE_U8(struct ps2kbd, typematic),
    STATE_U8(struct ps2kbd, command),
    STATE_U16(struct ps2kbd, held),
    STATE_BYTES(struct ps2kbd, types),
    STATE_TIMER(struct ps2kbd, repeat),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "ps2kbd", .version = 1, .fields = fields, .reset = reset};

void ps2kbd_init(struct ps2kbd *k, struct machine *m, const char *id)
{
    *k = (struct ps2kbd){.port = {.receive = receive, .owner = k}};
    device_init(&k->dev, m, &class, id);
    vm_timer_init(&k->repeat, &m->clock, repeat, k);
    reset(&k->dev);
}
