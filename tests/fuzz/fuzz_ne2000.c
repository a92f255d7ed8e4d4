/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An NE2000: its registers, rings of all shapes, frames that arrive, room to send that comes and
 * goes. */
#include "devices/net/ne2000.h"

#include "tests/fuzz/nic_chip.h"

#define IO 0x300u

static struct ne2000_isa nic;
static struct nic_chip net;

static void out(struct rig *r, unsigned reg, uint8_t v)
{
    address_space_write(&r->m.io, IO + reg, v, 1);
}

static void start(struct rig *r, uint8_t first, uint8_t last)
{
    out(r, 0, 0x21);
    out(r, 14, 0x49);
    out(r, 1, first);
    out(r, 2, last);
    out(r, 3, first);
    out(r, 0, 0x61);
    out(r, 7, (uint8_t)(first + 1));
    out(r, 0, 0x22);
    out(r, 12, 0x1c);
    out(r, 15, 0x7f);
}

static void add(struct rig *r)
{
    const struct nic_config config = nic_chip_begin(&net, r);

    ne2000_isa_init(&nic, &r->m, "nic", IO, rig_line(r, 3), &config);
    start(r, 0x46, 0x80);
}

static void forget(struct rig *r)
{
    (void)r;
    fakenet_clear(&net.net);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    if ((what & 3) == 1)
        start(r, fuzz_u8(in), fuzz_u8(in));
    else
        nic_chip_event(&net, in, (what & 3) ? what | 7 : what & 0xf0, 1514);
}

static const struct fuzz_chip chip = {
    .windows = {{true, IO, 0x20}, {true, IO, 0x14}},
    .add = add,
    .remove = forget,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
