/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The floppy controller with its DMA controller: two drives with disks of different kinds. */
#include "devices/storage/fdc82078.h"

#include "tests/devices/fakedisk.h"
#include "tests/fuzz/fuzz.h"

static struct i8237 dma;
static struct fdc82078 fdc;
static struct blockdev a, b;

static void add(struct rig *r)
{
    struct blockdev *const disks[FDC_NUM_DRIVES] = {&a, &b};

    dma = (struct i8237){.dev = {0}};
    fake_init(&a, 1440 << 10);
    fake_init(&b, 360 << 10);
    i8237_init(&dma, &r->m, "dma");
    fdc82078_init(&fdc, &r->m, "fdc", 0x3f0, rig_line(r, 6), &dma, disks);
}

static void remove_drives(struct rig *r)
{
    (void)r;
    fake_free(&a);
    fake_free(&b);
}

static void out(struct rig *r, uint16_t port, uint8_t value)
{
    address_space_write(&r->m.io, port, value, 1);
}

/* The controller is on, DMA is set up, and a command with its parameters is sent. */
static void send_command(struct rig *r, struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in), n = fuzz_u8(in) % 10;

    if (how & 1) {
        out(r, 0x3f2, 0x3c | (how >> 7));
        out(r, 0x3f7, how >> 5 & 3);
    }
    if (how & 2) {
        out(r, 0xd6, 0xc0);
        out(r, 0xd4, 0);
        out(r, 0x0b, how & 4 ? 0x46 : 0x4a);
        out(r, 0x05, fuzz_u8(in));
        out(r, 0x05, how & 8 ? 1 : 0);
        out(r, 0x0a, 2);
    }
    if (how & 0x10) { /* of a sector that is there */
        const uint8_t command[] = {0x40 | fuzz_u8(in), 0, 0, 0, 1 + fuzz_u8(in) % 18, 2, 18, 0x1b,
                                   fuzz_u8(in)};

        for (unsigned i = 0; i < sizeof(command); i++)
            out(r, 0x3f5, command[i]);
    }
    while (n--)
        out(r, 0x3f5, fuzz_u8(in));
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what & 7) {
    case 0:
        fake_break(&a, fuzz_u32(in), what >> 4);
        break;
    case 1:
        b.events.medium_changed(b.events.opaque);
        break;
    case 2:
        a.read_only = what & 8;
        break;
    case 3:
        for (unsigned i = 0; i < 12; i++)
            address_space_read(&r->m.io, 0x3f5, 1);
        break;
    default:
        send_command(r, in);
        break;
    }
}

static const struct fuzz_chip chip = {
    .windows =
        {{true, 0x3f0, 8}, {true, 0x3f5, 1}, {true, 0, 16}, {true, 0x81, 4}, {true, 0xd0, 16}},
    .add = add,
    .remove = remove_drives,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
