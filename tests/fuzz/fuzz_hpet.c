/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HPET, with the lines of the chips whose interrupts it takes over. */
#include "devices/timer/hpet.h"
#include "tests/fuzz/fuzz.h"

static struct hpet hpet;

static void add(struct rig *r)
{
    struct irq_line lines[32] = {{0}}, legacy[2] = {rig_line(r, 0), rig_line(r, 8)};

    for (unsigned n = 16; n < 24; n++)
        lines[n] = rig_line(r, n);
    hpet = (struct hpet){.dev = {0}};
    hpet_init(&hpet, &r->m, "hpet", HPET_BASE, lines, legacy);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    (void)r;
    irq_set(hpet_legacy_in(&hpet, what & 1), what & 2);
}

static const struct fuzz_chip chip = {
    .windows = {{false, HPET_BASE, 0x100},
                {false, HPET_BASE + 0x100, 0x60},
                {false, HPET_BASE, HPET_SIZE}},
    .add = add,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
