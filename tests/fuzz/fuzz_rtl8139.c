/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An RTL8139C+: registers, both ways of sending and receiving, descriptors in memory that are what
 * they should be or anything else, also in the registers themselves, frames, room to send, the
 * cable. */
#include "devices/net/rtl8139.h"

#include "tests/fuzz/nic_chip.h"

#define BAR     0xe0000000u
#define IO      0xc000u
#define TX_RING 0x4000u
#define RX_RING 0x5000u
#define BUFFER  0x10000u

static struct rtl8139 nic;
static struct nic_chip net;

static void put(struct rig *r, unsigned reg, uint32_t v, unsigned size)
{
    address_space_write(&r->m.mem, BAR + reg, v, size);
}

static void start(struct rig *r, uint8_t how)
{
    nic_chip_bar(&net, 0, IO);
    nic_chip_bar(&net, 1, BAR);
    put(r, 0x37, 0x10, 1);
    put(r, 0xe0, how & 0x63, 2);
    put(r, 0x20, TX_RING, 4);
    put(r, 0x28, TX_RING + 0x400, 4);
    put(r, 0x30, BUFFER, 4);
    put(r, 0xe4, RX_RING, 4);
    for (unsigned i = 0; i < 8; i++) {
        address_space_write(&r->m.mem, RX_RING + 16 * i, 0x80000200u | (i == 7 ? 1u << 30 : 0), 4);
        address_space_write(&r->m.mem, RX_RING + 16 * i + 8, BUFFER + 0x400 * i, 8);
    }
    put(r, 0x37, 0x0c, 1);
    put(r, 0x44, how & 4 ? 0x8f : 0x180f, 4);
    put(r, 0x3c, 0xffff, 2);
}

static void add(struct rig *r)
{
    const struct nic_config config = nic_chip_begin(&net, r);

    rtl8139_init(&nic, &r->m, "nic", &net.bus, NIC_DEVFN, &config);
    start(r, 0);
}

static void forget(struct rig *r)
{
    (void)r;
    fakenet_clear(&net.net);
}

/* A buffer or up to three descriptors over bytes of the input. */
static void submit(struct rig *r, struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in), n = how & 3;
    size_t size;
    uint8_t *bytes = fuzz_bytes(in, 300, &size);

    address_space_write_block(&r->m.mem, BUFFER, bytes, size);
    free(bytes);
    if (!n) {
        put(r, 0x20 + (how >> 6) * 4u, how & 4 ? BAR : BUFFER, 4);
        put(r, 0x10 + (how >> 6) * 4u, how & 8 ? fuzz_u16(in) : (uint32_t)size, 4);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        uint32_t len = how & 8 ? fuzz_u16(in) : (uint32_t)size;

        address_space_write(&r->m.mem, TX_RING + 16 * i, fuzz_u32(in) << 16 | 1u << 31 | len, 4);
        address_space_write(&r->m.mem, TX_RING + 16 * i + 4, fuzz_u32(in), 4);
        address_space_write(&r->m.mem, TX_RING + 16 * i + 8, how & 4 ? BAR : BUFFER, 8);
    }
    put(r, 0x20, TX_RING, 4);
    put(r, 0xd9, 0x40, 1);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what & 7) {
    case 2:
        start(r, what >> 1);
        break;
    case 6:
    case 7:
        submit(r, in);
        break;
    default:
        nic_chip_event(&net, in, what, 1518);
        break;
    }
}

static const struct fuzz_chip chip = {
    .windows = {{true, IO, 0x100},
                {false, BAR, 0x100},
                {false, BAR + 0x30, 0x30},
                {false, TX_RING, 0x80},
                {false, RX_RING, 0x80}},
    .add = add,
    .remove = forget,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
