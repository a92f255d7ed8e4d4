/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real-time clock. */
#include "devices/timer/mc146818.h"
#include "tests/fuzz/fuzz.h"

static struct mc146818 rtc;

static void add(struct rig *r)
{
    rtc = (struct mc146818){.dev = {0}};
    mc146818_init(&rtc, &r->m, "rtc", 0x70, rig_line(r, 0));
}

/* Registers by index and data at once, and the date that the machine begins at. */
static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    if (what == 0xff) {
        mc146818_set_time(&rtc, (int32_t)fuzz_u32(in));
        return;
    }
    address_space_write(&r->m.io, 0x70, what & 0x7f, 1);
    if (what & 0x80)
        address_space_write(&r->m.io, 0x71, fuzz_u8(in), 1);
    else
        address_space_read(&r->m.io, 0x71, 1);
}

static const struct fuzz_chip chip = {
    .windows = {{true, 0x70, 2}},
    .add = add,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
