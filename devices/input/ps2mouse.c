/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/input/ps2mouse.h"

#include <string.h>

#include "vm/machine.h" /* struct machine */

/* PS/2 mouse (IBM PS/2 Hardware Interface Technical Reference, Mouse) with the IntelliMouse wheel,
 * which answers as ID 3 after the sample rates 200, 100, 80, and the five buttons of the
 * IntelliMouse Explorer, ID 4 after 200, 200, 80.
 *
 * Not modelled: the sample rate as such (reports leave when something moves and the queue has
 * room, movement adds up meanwhile); 2:1 scaling of the counts. */

enum {
    CMD_SCALING_1TO1 = 0xe6,
    CMD_SCALING_2TO1 = 0xe7,
    CMD_RESOLUTION = 0xe8,
    CMD_STATUS = 0xe9,
    CMD_STREAM = 0xea,
    CMD_READ_DATA = 0xeb,
    CMD_RESET_WRAP = 0xec,
    CMD_WRAP = 0xee,
    CMD_REMOTE = 0xf0,
    CMD_IDENTIFY = 0xf2,
    CMD_SAMPLE_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
    TYPE_WHEEL = 3,
    TYPE_FIVE_BUTTONS = 4,
    BUTTONS = 0x1f,
    FIRST_BUTTONS = 0x07, /* those of the first byte */
};

static int clamp(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

/* Builds a report from what has added up; the rest stays for the next one. */
static size_t report(const struct ps2mouse *p, uint8_t out[4])
{
    int dx = clamp((int32_t)p->dx, -255, 255);
    int dy = clamp((int32_t)p->dy, -255, 255);

    out[0] = (p->buttons & FIRST_BUTTONS) | 0x08 | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0);
    out[1] = dx;
    out[2] = dy;
    out[3] = clamp((int32_t)p->dz, -8, 7);
    if (p->type == TYPE_FIVE_BUTTONS) /* its wheel has 4 bits; the buttons follow in 5:4 */
        out[3] = (out[3] & 0x0f) | (p->buttons & ~FIRST_BUTTONS) << 1;
    return p->type ? 4 : 3;
}

static void reported(struct ps2mouse *p)
{
    p->dx -= clamp((int32_t)p->dx, -255, 255);
    p->dy -= clamp((int32_t)p->dy, -255, 255);
    p->dz -= clamp((int32_t)p->dz, -8, 7);
}

void ps2mouse_move(struct ps2mouse *p, int dx, int dy, int dz, unsigned buttons)
{
    uint8_t bytes[4];

    if (!p->reporting && !p->remote)
        return;
    p->dx = clamp((int32_t)p->dx + clamp(dx, -4096, 4096), -4096, 4096);
    p->dy = clamp((int32_t)p->dy + clamp(dy, -4096, 4096), -4096, 4096);
    p->dz = p->type ? clamp((int32_t)p->dz + clamp(dz, -64, 64), -64, 64) : 0;
    if (p->type != TYPE_FIVE_BUTTONS)
        buttons &= FIRST_BUTTONS;
    bool pressed = p->buttons != (buttons & BUTTONS);
    p->buttons = buttons & BUTTONS;
    if (p->remote || p->wrap)
        return;
    while (pressed || p->dx || p->dy || p->dz) {
        if (!ps2_event(&p->port, bytes, report(p, bytes)))
            return;
        reported(p);
        pressed = false;
    }
}

void ps2mouse_nudge(struct ps2mouse *p)
{
    uint8_t bytes[4];

    if (p->reporting && !p->remote && !p->wrap && ps2_event(&p->port, bytes, report(p, bytes)))
        reported(p);
}

static void set_defaults(struct ps2mouse *p)
{
    p->reporting = false;
    p->remote = false;
    p->wrap = false;
    p->scaling_2to1 = false;
    p->resolution = 2; /* 4 counts per mm */
    p->sample_rate = 100;
    p->dx = 0;
    p->dy = 0;
    p->dz = 0;
    p->command = 0;
}

static void send_status(struct ps2mouse *p)
{
    uint8_t buttons = (p->buttons & 1) << 2 | (p->buttons & 2) >> 1 | (p->buttons & 4) >> 1;

    ps2_reply(&p->port, buttons | p->scaling_2to1 << 4 | p->reporting << 5 | p->remote << 6);
    ps2_reply(&p->port, p->resolution);
    ps2_reply(&p->port, p->sample_rate);
}

static void read_data(struct ps2mouse *p)
{
    uint8_t bytes[4];
    size_t len = report(p, bytes);

    for (size_t i = 0; i < len; i++)
        ps2_reply(&p->port, bytes[i]);
    reported(p);
}

/* Drivers that know of wheels and buttons ask for them by three sample rates in a row. */
static void set_sample_rate(struct ps2mouse *p, uint8_t v)
{
    p->sample_rate = v;
    if (v == 80 && p->rates[0] == 200 && p->rates[1] == 100)
        p->type = TYPE_WHEEL;
    else if (v == 80 && p->rates[0] == 200 && p->rates[1] == 200)
        p->type = TYPE_FIVE_BUTTONS;
    p->rates[0] = p->rates[1];
    p->rates[1] = v;
}

static void parameter(struct ps2mouse *p, uint8_t v)
{
    if (p->command == CMD_SAMPLE_RATE)
        set_sample_rate(p, v);
    else
        p->resolution = v & 3;
    p->command = 0;
    ps2_reply(&p->port, PS2_ACK);
}

static void start_command(struct ps2mouse *p, uint8_t v)
{
    if (v == CMD_RESEND) {
        ps2_reply(&p->port, p->port.last);
        return;
    }
    if (v < CMD_SCALING_1TO1 || v == 0xed || v == 0xef || v == 0xf1 ||
        (v > CMD_DEFAULTS && v < CMD_RESEND)) {
        ps2_reply(&p->port, PS2_RESEND);
        return;
    }
    ps2_flush(&p->port);
    ps2_reply(&p->port, PS2_ACK);
    switch (v) {
    case CMD_SCALING_1TO1:
    case CMD_SCALING_2TO1:
        p->scaling_2to1 = v == CMD_SCALING_2TO1;
        break;
    case CMD_RESOLUTION:
    case CMD_SAMPLE_RATE:
        p->command = v;
        break;
    case CMD_STATUS:
        send_status(p);
        break;
    case CMD_STREAM:
    case CMD_REMOTE:
        p->remote = v == CMD_REMOTE;
        break;
    case CMD_READ_DATA:
        read_data(p);
        break;
    case CMD_WRAP:
        p->wrap = true;
        break;
    case CMD_IDENTIFY:
        ps2_reply(&p->port, p->type);
        break;
    case CMD_ENABLE:
    case CMD_DISABLE:
        p->reporting = v == CMD_ENABLE;
        break;
    case CMD_DEFAULTS:
        set_defaults(p);
        break;
    case CMD_RESET:
        set_defaults(p);
        p->type = 0;
        memset(p->rates, 0, sizeof(p->rates));
        ps2_reply(&p->port, PS2_BAT_OK);
        ps2_reply(&p->port, p->type);
        break;
    default:
        break;
    }
}

static void receive(void *owner, uint8_t v)
{
    struct ps2mouse *p = owner;

    if (p->wrap && v != CMD_RESET && v != CMD_RESET_WRAP) {
        ps2_reply(&p->port, v);
        return;
    }
    p->wrap = false;
    if (p->command)
        parameter(p, v);
    else
        start_command(p, v);
}

static void reset(struct device *d)
{
    struct ps2mouse *p = (struct ps2mouse *)d;

    ps2_flush(&p->port);
    set_defaults(p);
    p->type = 0;
    memset(p->rates, 0, sizeof(p->rates));
    p->buttons = 0;
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct ps2mouse, port, 1, struct ps2_port, ps2_port_fields),
    STATE_BOOL(struct ps2mouse, reporting),
    STATE_BOOL(struct ps2mouse, remote),
    STATE_BOOL(struct ps2mouse, wrap),
    STATE_BOOL(struct ps2mouse, scaling_2to1),
    STATE_U8_MAX(struct ps2mouse, resolution, 3),
    STATE_U8(struct ps2mouse, sample_rate),
    STATE_U8_MAX(struct ps2mouse, type, TYPE_FIVE_BUTTONS),
    STATE_BYTES(struct ps2mouse, rates),
    STATE_U8(struct ps2mouse, command),
    STATE_U8_MAX(struct ps2mouse, buttons, BUTTONS),
    STATE_U32(struct ps2mouse, dx),
    STATE_U32(struct ps2mouse, dy),
    STATE_U32(struct ps2mouse, dz),
    STATE_FIELDS_END,
};

/* Movement is signed: bound it both ways. */
static bool post_load(struct device *d, struct error *err)
{
    struct ps2mouse *p = (struct ps2mouse *)d;

    (void)err;
    p->dx = clamp((int32_t)p->dx, -4096, 4096);
    p->dy = clamp((int32_t)p->dy, -4096, 4096);
    p->dz = clamp((int32_t)p->dz, -64, 64);
    return true;
}

static const struct device_class class = {
    .type = "ps2mouse", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

void ps2mouse_init(struct ps2mouse *p, struct machine *m, const char *id)
{
    *p = (struct ps2mouse){.port = {.receive = receive, .owner = p}};
    device_init(&p->dev, m, &class, id);
    reset(&p->dev);
}
