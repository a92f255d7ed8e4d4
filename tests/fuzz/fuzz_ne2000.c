/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An NE2000: its registers, rings of all shapes, frames that arrive, room to send that comes and
 * goes. */
#include "devices/net/ne2000.h"

#include "tests/devices/fakenet.h"
#include "tests/fuzz/fuzz.h"

#define IO 0x300u

static struct ne2000_isa nic;
static struct netdev net;

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
    const struct nic_config config = {{2, 0, 0, 0, 0, 1}, &net};

    net = (struct netdev){.port = NULL};
    ne2000_isa_init(&nic, &r->m, "nic", IO, rig_line(r, 3), &config);
    start(r, 0x46, 0x80);
}

static void forget(struct rig *r)
{
    (void)r;
    fakenet_clear(&net);
}

static void arrive(struct fuzz_input *in, bool large)
{
    size_t size;
    uint8_t *bytes = fuzz_bytes(in, 200, &size);
    uint8_t *frame = calloc(1, NET_FRAME_MAX);

    fuzz_check(frame);
    memcpy(frame, bytes, size);
    fakenet_offer(&net, frame, large ? 1514 : size);
    free(bytes);
    free(frame);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what & 3) {
    case 0:
        fakenet_set_room(&net, what >> 4);
        break;
    case 1:
        start(r, fuzz_u8(in), fuzz_u8(in));
        break;
    default:
        arrive(in, what & 0x80);
        break;
    }
}

static const struct fuzz_chip chip = {
    .windows = {{true, IO, 0x20}, {true, IO, 0x14}},
    .add = add,
    .remove = forget,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
