/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyboard controller with a keyboard and a mouse, and what a person does to them. */
#include "devices/input/hid_port.h"
#include "devices/input/i8042.h"
#include "devices/input/ps2kbd.h"
#include "devices/input/ps2mouse.h"
#include "devices/input/vmmouse.h"
#include "tests/fuzz/fuzz.h"

static struct i8042 i8042;
static struct ps2kbd kbd;
static struct ps2mouse mouse;
static struct hid_port port;
static struct hid hid;
static struct vmmouse vmmouse;
static uint32_t registers[VMPORT_REGISTERS];

static bool get_registers(void *owner, uint32_t r[VMPORT_REGISTERS])
{
    (void)owner;
    for (unsigned i = 0; i < VMPORT_REGISTERS; i++)
        r[i] = registers[i];
    return true;
}

static void set_registers(void *owner, const uint32_t r[VMPORT_REGISTERS])
{
    (void)owner, (void)r;
}

/* A command of the port, of those there are in the first place. */
static void backdoor(struct rig *r, struct fuzz_input *in)
{
    static const uint32_t magic[8] = {0x45414552, 0x53424152, 0x4c455252, 0xf5, 1, 4};
    static const uint8_t commands[8] = {10, 39, 40, 41, 41, 41, 39, 0};
    uint8_t what = fuzz_u8(in);

    registers[VMPORT_EAX] = 0x564d5868;
    registers[VMPORT_EBX] = what & 0x80 ? fuzz_u32(in) : magic[what >> 3 & 7];
    registers[VMPORT_ECX] = commands[what & 7];
    address_space_read(&r->m.io, VMMOUSE_PORT, 4);
}

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
    vmmouse_init(&vmmouse, &r->m, "vmmouse", &port, &mouse,
                 (struct vmport_registers){get_registers, set_registers, NULL});
}

/* A byte for the mouse (through the controller), keys, movement. */
static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what & 3) {
    case 0:
        if (what & 0x80) {
            backdoor(r, in);
            break;
        }
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
