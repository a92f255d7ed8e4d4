/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A PCnet-PCI II: registers in words and double words, initialization blocks and descriptors of the
 * three styles that are what they should be or anything else, also in the registers themselves,
 * frames, loopback, room to send, the cable. */
#include "devices/net/pcnet.h"

#include "base/bits.h"
#include "tests/fuzz/nic_chip.h"

#define BAR    0xe0000000u
#define IO     0xc000u
#define BLOCK  0x3000u
#define TX     0x4000u
#define RX     0x5000u
#define BUFFER 0x10000u

static struct pcnet nic;
static struct nic_chip net;

/* Whatever width the registers have by now. */
static void put(struct rig *r, unsigned n, uint32_t v)
{
    unsigned size = nic.dwio ? 4 : 2;

    address_space_write(&r->m.mem, BAR + 0x10 + size, n, size);
    address_space_write(&r->m.mem, BAR + 0x10, v, size);
}

static void put_descriptor(struct rig *r, uint32_t ring, unsigned n, uint32_t at, uint32_t len,
                           uint8_t flags)
{
    unsigned style = nic.bcr[20] & 3, size = style ? 16 : 8;
    uint8_t d[16] = {0};

    st_le32(d + (style == 3 ? 8 : 0), at);
    st_le16(d + 4, (uint16_t)-len);
    d[style ? 7 : 3] = flags;
    address_space_write_block(&r->m.mem, ring + size * n, d, size);
}

static void start(struct rig *r, uint8_t how)
{
    static const uint8_t styles[4] = {0, 2, 3, 1};
    bool wide = (how & 3) == 1 || (how & 3) == 2;
    uint8_t b[28] = {0};

    nic_chip_bar(&net, 0, IO);
    nic_chip_bar(&net, 1, BAR);
    put(r, 0, 4);
    put(r, 58, styles[how & 3]);
    b[0] = how & 4; /* loopback */
    b[1] = how & 0x80;
    b[wide ? 4 : 2] = 2;
    b[wide ? 9 : 7] = 1;
    b[2] |= wide ? 0x30 : 0;
    b[3] |= wide ? how << 1 & 0xf0 : 0;
    st_le32(b + (wide ? 20 : 16), RX | (wide ? 0 : 3u << 29));
    st_le32(b + (wide ? 24 : 20), TX | (wide ? 0 : (uint32_t)how << 26));
    address_space_write_block(&r->m.mem, BLOCK, b, sizeof(b));
    for (unsigned i = 0; i < 8; i++)
        put_descriptor(r, RX, i, BUFFER + 0x400 * i, 0x200, 0x80);
    put(r, 1, BLOCK);
    put(r, 2, 0);
    put(r, 0, 0x43);
}

static void add(struct rig *r)
{
    const struct nic_config config = nic_chip_begin(&net, r);

    pcnet_init(&nic, &r->m, "nic", &net.bus, NIC_DEVFN, &config);
    start(r, 1);
}

static void forget(struct rig *r)
{
    (void)r;
    fakenet_clear(&net.net);
}

/* Up to four descriptors from the next on, over bytes of the input. */
static void submit(struct rig *r, struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in), n = how & 3;
    size_t size;
    uint8_t *bytes = fuzz_bytes(in, 300, &size);

    address_space_write_block(&r->m.mem, BUFFER, bytes, size);
    free(bytes);
    for (unsigned i = 0; i <= n; i++)
        put_descriptor(r, TX, (how >> 5) + i, how & 4 ? BAR : BUFFER,
                       how & 8 ? fuzz_u16(in) : (uint32_t)size,
                       (uint8_t)(fuzz_u8(in) | 0x80 | (i ? 0 : 2) | (i == n ? 1 : 0)));
    put(r, 0, 0x48);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what & 7) {
    case 2:
        start(r, fuzz_u8(in));
        break;
    case 4:
        put(r, fuzz_u8(in), fuzz_u16(in));
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
    .windows = {{true, IO, 0x20},
                {false, BAR, 0x20},
                {false, BLOCK, 0x20},
                {false, TX, 0x80},
                {false, RX, 0x80}},
    .add = add,
    .remove = forget,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
