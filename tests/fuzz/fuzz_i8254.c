/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interval timer and port 61h. */
#include "devices/timer/i8254.h"
#include "tests/fuzz/fuzz.h"

static struct i8254 pit;

static void add(struct rig *r)
{
    pit = (struct i8254){.dev = {0}};
    i8254_init(&pit, &r->m, "pit", 0x40, 0x61, rig_line(r, 0));
}

/* What the interrupt controller says, and what the outputs are. */
static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    (void)r;
    if (what & 0x80)
        irq_watch_tell(i8254_watch(&pit), what & 1 ? IRQ_TAKEN : IRQ_OPENED);
    else
        i8254_out(&pit, what % 3);
}

static const struct fuzz_chip chip = {
    .windows = {{true, 0x40, 4}, {true, 0x61, 1}},
    .add = add,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
