/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyboard controller with a keyboard and a mouse, and what a person does to them. */
#include "devices/input/hid_port.h"
#include "devices/input/i8042.h"
#include "devices/input/ps2kbd.h"
#include "devices/input/ps2mouse.h"
#include "tests/fuzz/fuzz.h"

static struct i8042 i8042;
static struct ps2kbd kbd;
static struct ps2mouse mouse;
static struct hid_port port;
static struct hid hid;

static void add(struct rig *r)
{
    i8042 = (struct i8042){.dev = {0}};
    kbd = (struct ps2kbd){.dev = {0}};
    mouse = (struct ps2mouse){.dev = {0}};
    ps2kbd_init(&kbd, &r->m, "kbd");
    ps2mouse_init(&mouse, &r->m, "mouse");
    i8042_init(&i8042, &r->m, "i8042", 0x60, 0x64, rig_line(r, 1), rig_line(r, 12), rig_line(r, 20),
               &kbd.port, &mouse.port);
    hid_port_init(&port, &r->m, "hid", &kbd, &mouse, &hid);
}

/* A byte for the mouse (through the controller), keys, movement. */
static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what & 3) {
    case 0:
        address_space_write(&r->m.io, 0x64, 0xd4, 1);
        address_space_write(&r->m.io, 0x60, fuzz_u8(in), 1);
        break;
    case 2: {
        uint8_t bytes[HID_EVENT_SIZE];

        for (unsigned i = 0; i < HID_EVENT_SIZE; i++)
            bytes[i] = fuzz_u8(in);
        port.source.deliver(&port, bytes, what & 0x80 ? what >> 4 : HID_EVENT_SIZE);
        break;
    }
    case 1:
        ps2kbd_key(&kbd, what & 0x80 ? fuzz_u16(in) : fuzz_u8(in), what & 4);
        break;
    default:
        ps2mouse_move(&mouse, (int32_t)fuzz_number(in), (int32_t)fuzz_number(in),
                      (int32_t)fuzz_u32(in), what >> 2);
    }
}

static const struct fuzz_chip chip = {
    .windows = {{true, 0x60, 1}, {true, 0x64, 1}},
    .add = add,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
