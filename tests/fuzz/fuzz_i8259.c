/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interrupt controllers: registers, lines, acknowledges. */
#include "devices/irq/i8259.h"
#include "tests/fuzz/fuzz.h"

static struct i8259 pic;

static void add(struct rig *r)
{
    pic = (struct i8259){0};
    i8259_init(&pic, &r->m, "pic", 0x20, 0xa0, 0x4d0, rig_line(r, 0));
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);
    struct intack_source intack = i8259_intack(&pic);

    (void)r;
    if (what & 0x80)
        intack.ack(intack.owner);
    else
        irq_set(i8259_line(&pic, what & 15), what & 16);
}

static const struct fuzz_chip chip = {
    .windows = {{true, 0x20, 2}, {true, 0xa0, 2}, {true, 0x4d0, 2}},
    .add = add,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
