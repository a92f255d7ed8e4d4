/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An 8254x: registers, descriptors in memory that are what they should be or anything else, also in
 * the registers themselves, frames that arrive, room to send that comes and goes, the cable. */
#include "devices/net/e1000.h"

#include "tests/fuzz/nic_chip.h"

#define BAR     0xe0000000u
#define IO      0xc000u
#define TX_RING 0x4000u
#define RX_RING 0x5000u
#define BUFFER  0x10000u
#define ENTRIES 32u

static struct e1000 nic;
static struct nic_chip net;

static void put(struct rig *r, unsigned reg, uint32_t v)
{
    address_space_write(&r->m.mem, BAR + reg, v, 4);
}

static void start(struct rig *r)
{
    nic_chip_bar(&net, 0, BAR);
    nic_chip_bar(&net, 2, IO);
    put(r, 0x3800, TX_RING);
    put(r, 0x3808, 16 * ENTRIES);
    put(r, 0x2800, RX_RING);
    put(r, 0x2808, 16 * ENTRIES);
    for (unsigned i = 0; i < ENTRIES; i++)
        address_space_write(&r->m.mem, RX_RING + 16 * i, BUFFER + 0x400 * i, 8);
    put(r, 0x2818, ENTRIES - 1);
    put(r, 0x0400, 2 | 8);
    put(r, 0x0100, 2 | 0x18 | 1 << 15);
    put(r, 0x5000, 0x300);
    put(r, 0x00d0, UINT32_MAX);
}

static void add(struct rig *r)
{
    const struct nic_config config = nic_chip_begin(&net, r);

    e1000_init(&nic, &r->m, "nic", &net.bus, NIC_DEVFN, E1000_82540EM, &config);
    start(r);
}

static void forget(struct rig *r)
{
    (void)r;
    fakenet_clear(&net.net);
}

/* Context or not, then a descriptor or two over bytes of the input. */
static void submit(struct rig *r, struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in), command = fuzz_u8(in);
    unsigned tail = (unsigned)address_space_read(&r->m.mem, BAR + 0x3818, 4) % ENTRIES;
    size_t size;
    uint8_t *bytes = fuzz_bytes(in, 300, &size);
    unsigned n = 1 + (how & 1);

    address_space_write_block(&r->m.mem, BUFFER, bytes, size);
    free(bytes);
    if (how & 2) {
        address_space_write(&r->m.mem, TX_RING + 16 * tail, fuzz_u64(in), 8);
        address_space_write(&r->m.mem, TX_RING + 16 * tail + 8, fuzz_u64(in), 8);
        tail = (tail + 1) % ENTRIES;
    }
    for (unsigned i = 0; i < n; i++) {
        uint64_t at = how & 4 ? BAR + (fuzz_u16(in) & 0x3ffcu) : BUFFER;
        uint32_t len = how & 8 ? fuzz_u32(in) & 0xfffff : (uint32_t)size;

        len |= how & 0x10 ? 1u << 20 : 0;
        address_space_write(&r->m.mem, TX_RING + 16 * tail, at, 8);
        address_space_write(&r->m.mem, TX_RING + 16 * tail + 8,
                            len | (uint64_t)command << 24 | (uint64_t)fuzz_u32(in) << 32, 8);
        tail = (tail + 1) % ENTRIES;
    }
    put(r, 0x3818, tail);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what & 7) {
    case 2:
        start(r);
        break;
    case 6:
    case 7:
        submit(r, in);
        break;
    default:
        nic_chip_event(&net, in, what, 16384);
        break;
    }
}

static const struct fuzz_chip chip = {
    .windows = {{true, IO, 0x40},
                {false, BAR, 0x400},
                {false, BAR + 0x2800, 0x30},
                {false, BAR + 0x3800, 0x34},
                {false, BAR + 0x4000, 0x100},
                {false, BAR + 0x5000, 0x800},
                {false, BAR, 0x20000},
                {false, TX_RING, 0x200},
                {false, RX_RING, 0x200}},
    .add = add,
    .remove = forget,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
