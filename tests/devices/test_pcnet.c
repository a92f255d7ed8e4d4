/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PCnet-PCI II as drivers use it: APROM, words and double words, the initialization block and
 * descriptors of the three software styles, chains, loopback, filters, interrupts, suspending,
 * polling, what a hostile driver may do. */
#include <string.h>

#include "base/bits.h"
#include "devices/net/ethernet.h"
#include "devices/net/pcnet.h"
#include "tests/devices/fakenet.h"
#include "tests/devices/rig_pci.h"

#define BAR   0xe0000000u
#define IO    0xc000u
#define DEVFN PCI_DEVFN(3, 0)
#define BLOCK 0x1000u
#define RX    0x2000u /* four descriptors */
#define TX    0x3000u /* four */
#define DATA  0x40000u

static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

struct box {
    struct rig r;
    struct region ram;
    struct pci_bus bus;
    struct pcnet nic;
    struct netdev net;
};

static uint8_t *ram(struct box *b, uint64_t at)
{
    return b->r.m.arena.host + at;
}

static uint32_t in(struct box *b, unsigned at, unsigned size)
{
    return (uint32_t)address_space_read(&b->r.m.io, IO + at, size);
}

static void out(struct box *b, unsigned at, uint32_t v, unsigned size)
{
    address_space_write(&b->r.m.io, IO + at, v, size);
}

/* Words, through memory. */
static void put_csr(struct box *b, unsigned n, unsigned v)
{
    address_space_write(&b->r.m.mem, BAR + 0x12, n, 2);
    address_space_write(&b->r.m.mem, BAR + 0x10, v, 2);
}

static unsigned csr(struct box *b, unsigned n)
{
    address_space_write(&b->r.m.mem, BAR + 0x12, n, 2);
    return (unsigned)address_space_read(&b->r.m.mem, BAR + 0x10, 2);
}

static void put_bcr(struct box *b, unsigned n, unsigned v)
{
    out(b, 0x12, n, 2);
    out(b, 0x16, v, 2);
}

static unsigned bcr(struct box *b, unsigned n)
{
    out(b, 0x12, n, 2);
    return in(b, 0x16, 2);
}

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof(*b));
    struct nic_config config = {.netdev = &b->net};

    memcpy(config.mac, mac, 6);
    rig_init(&b->r);
    rig_add_memory(&b->r, &b->ram);
    rig_add_pci(&b->r, &b->bus);
    pcnet_init(&b->nic, &b->r.m, "nic", &b->bus, DEVFN, &config);
    pci_config_write(&b->bus, DEVFN, PCI_BASE_ADDRESS_0, IO, 4);
    pci_config_write(&b->bus, DEVFN, PCI_BASE_ADDRESS_0 + 4, BAR, 4);
    pci_config_write(&b->bus, DEVFN, PCI_COMMAND, 7, 2);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;

    fakenet_clear(&b->net);
    rig_end(&b->r);
    free(b);
    return 0;
}

static bool interrupts(struct box *b)
{
    return b->r.level[pci_pirq_of(DEVFN, 1)];
}

static unsigned size_of(unsigned style)
{
    return style ? 16 : 8;
}

/* Flags of a descriptor, and the word or double word of its status. */
static uint8_t *flags(struct box *b, unsigned style, uint32_t ring, unsigned n)
{
    return ram(b, ring + size_of(style) * n + (style ? 7 : 3));
}

static uint32_t status(struct box *b, unsigned style, uint32_t ring, unsigned n)
{
    uint8_t *d = ram(b, ring + size_of(style) * n);

    return style == 0 ? ld_le16(d + 6) : ld_le32(d + (style == 2 ? 8 : 0));
}

static void put_descriptor(struct box *b, unsigned style, uint32_t ring, unsigned n, uint32_t at,
                           unsigned len, uint8_t how)
{
    uint8_t *d = ram(b, ring + size_of(style) * n);

    memset(d, 0xee, size_of(style));
    st_le32(d + (style == 3 ? 8 : 0), at);
    st_le16(d + 4, (uint16_t)-len);
    *flags(b, style, ring, n) = how;
}

static void make_block(struct box *b, unsigned style, unsigned mode)
{
    uint8_t *p = ram(b, BLOCK);

    memset(p, 0, 28);
    st_le16(p, (uint16_t)mode);
    memcpy(p + (style ? 4 : 2), mac, 6);
    p[(style ? 12 : 8) + 1] = 0x80; /* of the filter: hash 15 */
    if (style) {
        p[2] = p[3] = 2 << 4;
        st_le32(p + 20, RX);
        st_le32(p + 24, TX);
    } else {
        st_le32(p + 16, RX | 2u << 29);
        st_le32(p + 20, TX | 2u << 29);
    }
}

/* Four descriptors each; those for frames have 1000 bytes each. */
static void start(struct box *b, unsigned style, unsigned mode)
{
    put_csr(b, 0, 4);
    put_bcr(b, 20, style);
    make_block(b, style, mode);
    for (unsigned n = 0; n < 4; n++) {
        put_descriptor(b, style, RX, n, DATA + 0x1000 * n, 1000, 0x80);
        put_descriptor(b, style, TX, n, 0, 0, 0);
    }
    put_csr(b, 1, BLOCK);
    put_csr(b, 2, 0);
    put_csr(b, 4, 0x1115); /* no polling */
    put_csr(b, 0, 0x41);
    assert_int_equal(csr(b, 0), 0x01c1);
    assert_true(interrupts(b));
    put_csr(b, 0, 0x0142);
    assert_false(interrupts(b));
    assert_int_equal(csr(b, 0), mode & 3 ? 0x43 | (mode & 1 ? 0x10 : 0x20) : 0x73);
}

static void make_frame(uint8_t *f, size_t len)
{
    for (size_t i = 0; i < len; i++)
        f[i] = (uint8_t)(i * 7 + i / 256);
    memcpy(f, mac, 6);
    f[6] = 2;
}

static void identity(void **state)
{
    struct box *b = *state;

    assert_int_equal(pci_config_read(&b->bus, DEVFN, 0, 4), 0x20001022);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(in(b, i, 1), mac[i]);
    assert_int_equal(in(b, 14, 2), 0x5757);
    assert_int_equal(in(b, 12, 2), 0x52 + 0x54 + 0x12 + 0x34 + 0x56 + 0x11 + 2 * 0x57);
    assert_int_equal(csr(b, 88), 0x1003);
    assert_int_equal(csr(b, 89), 0x0262);
    assert_int_equal(csr(b, 0), 4);
    assert_int_equal(csr(b, 12), 0x5452);
    assert_int_equal(bcr(b, 4), 0x80c0); /* the link */
    fakenet_set_link(&b->net, false);
    assert_int_equal(bcr(b, 4), 0x00c0);
    assert_int_equal(in(b, 0x10, 1), 0xff);
    put_bcr(b, 20, 1);
    assert_int_equal(bcr(b, 20), 0x0200); /* ILACC: refused */
    put_bcr(b, 20, 2);
    assert_int_equal(bcr(b, 20), 0x0302);
    assert_int_equal(csr(b, 58), 0x0302);
}

/* The tables of registers with their values after H_RESET; S_RESET, by a read of RESET, leaves
 * BCRs, rings and filters as they are. */
static void reset_values(void **state)
{
    static const struct {
        unsigned n, value;
        bool soft;
    } csrs[] = {{0, 0x0004, true},   {3, 0, true},        {4, 0x0115, true},  {5, 0, true},
                {8, 0, false},       {9, 0, false},       {10, 0, false},     {11, 0, false},
                {47, 0, true},       {58, 0x0200, false}, {80, 0xd410, true}, {88, 0x1003, false},
                {89, 0x0262, false}, {100, 0x0200, true}};
    static const uint16_t bcrs[23] = {
        [0] = 0x0005, [1] = 0x0005,  [2] = 0x0002,  [4] = 0x80c0,  [5] = 0x0084, [6] = 0x0088,
        [7] = 0x0090, [18] = 0x9001, [19] = 0x0002, [20] = 0x0200, [22] = 0xff06};
    struct box *b = *state;
    uint16_t before[23];

    for (size_t i = 0; i < ARRAY_SIZE(csrs); i++)
        assert_int_equal(csr(b, csrs[i].n), csrs[i].value);
    for (unsigned n = 0; n < ARRAY_SIZE(bcrs); n++)
        assert_int_equal(bcr(b, n), bcrs[n]);
    for (unsigned n = 3; n < 128; n++)
        put_csr(b, n, 0x5a5a);
    for (unsigned n = 0; n < 23; n++)
        put_bcr(b, n, n == 20 ? 3 : 0x4141);
    for (unsigned n = 0; n < 23; n++)
        before[n] = (uint16_t)bcr(b, n);
    assert_int_equal(csr(b, 80), 0xda5a);
    assert_int_equal(csr(b, 76), 0x5a5a);
    in(b, 0x14, 2);
    assert_int_equal(in(b, 0x12, 2), 0);
    for (size_t i = 0; i < ARRAY_SIZE(csrs); i++)
        if (csrs[i].soft)
            assert_int_equal(csr(b, csrs[i].n), csrs[i].value);
    assert_int_equal(csr(b, 8), 0x5a5a);
    assert_int_equal(csr(b, 76), 0x5a5a);
    for (unsigned n = 0; n < 23; n++)
        assert_int_equal(bcr(b, n), before[n]);
}

static void double_words(void **state)
{
    struct box *b = *state;

    assert_int_equal(bcr(b, 18), 0x9001);
    out(b, 0x10, 0, 4);
    assert_int_equal(in(b, 0x10, 2), 0xffff);
    out(b, 0x14, 88, 4);
    assert_int_equal(in(b, 0x14, 4), 88);
    assert_int_equal(in(b, 0x10, 4), 0x1003);
    out(b, 0x14, 18, 4);
    assert_int_equal(in(b, 0x1c, 4), 0x9081);
    in(b, 0x18, 4); /* S_RESET: still double words */
    assert_int_equal(in(b, 0x14, 4), 0);
    assert_int_equal(in(b, 0x10, 4), 4);
    devices_reset(&b->r.m);
    pci_config_write(&b->bus, DEVFN, PCI_BASE_ADDRESS_0, IO, 4);
    pci_config_write(&b->bus, DEVFN, PCI_COMMAND, 7, 2);
    assert_int_equal(in(b, 0x10, 2), 4);
}

static void sends_in(struct box *b, unsigned style)
{
    uint8_t f[1514];
    unsigned before = b->net.nsent;

    make_frame(f, sizeof(f));
    memcpy(ram(b, DATA), f, sizeof(f));
    start(b, style, 0);
    put_descriptor(b, style, TX, 0, DATA, 60, 0x83);
    put_descriptor(b, style, TX, 1, DATA, 14, 0x82);
    put_descriptor(b, style, TX, 2, DATA + 14, 1000, 0x80);
    put_descriptor(b, style, TX, 3, DATA + 1014, 500, 0x81);
    put_csr(b, 0, 0x48);
    assert_int_equal(b->net.nsent, before + 2);
    assert_int_equal(b->net.sent[before]->len, 60);
    assert_int_equal(b->net.sent[before + 1]->len, 1514);
    assert_memory_equal(b->net.sent[before + 1]->data, f, 1514);
    assert_int_equal(csr(b, 0), 0x02f3);
    assert_true(interrupts(b));
    put_csr(b, 0, 0x0240);
    assert_false(interrupts(b));
    assert_int_equal(*flags(b, style, TX, 0), 3);
    assert_int_equal(*flags(b, style, TX, 2), 0);
    assert_int_equal(*flags(b, style, TX, 3), 1);
    assert_int_equal(status(b, style, TX, 3), 0);
    assert_int_equal(csr(b, 74), 4);                 /* around */
    put_descriptor(b, style, TX, 0, DATA, 60, 0x82); /* its end is missing */
    put_csr(b, 0, 0x48);
    assert_int_equal(b->net.nsent, before + 2);
    assert_int_equal(*flags(b, style, TX, 0), 0x42);
    assert_int_equal(status(b, style, TX, 0), style ? 0xc0000000 : 0xc000);
    assert_int_equal(csr(b, 0) & 0x230, 0x220); /* the transmitter is off */
}

static void sends(void **state)
{
    struct box *b = *state;

    sends_in(b, 0);
    sends_in(b, 2);
    sends_in(b, 3);
}

static void sends_in_turn(void **state)
{
    struct box *b = *state;
    uint8_t f[64];

    make_frame(f, sizeof(f));
    memcpy(ram(b, DATA), f, sizeof(f));
    start(b, 2, 0);
    fakenet_set_room(&b->net, 0);
    put_descriptor(b, 2, TX, 0, DATA, 20, 0x83);
    put_csr(b, 4, 0x1915); /* and it pads */
    put_csr(b, 0, 0x48);
    assert_int_equal(*flags(b, 2, TX, 0), 0x83);
    rig_round_trip(&b->r, &b->nic.pci.dev);
    fakenet_set_room(&b->net, 3);
    assert_int_equal(*flags(b, 2, TX, 0), 3);
    assert_int_equal(b->net.sent[0]->len, 60);
    put_descriptor(b, 2, TX, 1, DATA, 64, 0x80); /* no start: passed over */
    put_descriptor(b, 2, TX, 2, DATA, 64, 0x83);
    put_csr(b, 4, 0x0115); /* it polls */
    rig_pass(&b->r, 2000000);
    assert_int_equal(*flags(b, 2, TX, 1), 0);
    assert_int_equal(b->net.sent[1]->len, 64);
    put_csr(b, 5, 0x4000); /* LTINTEN */
    put_csr(b, 0, 0x0240);
    put_descriptor(b, 2, TX, 3, DATA, 64, 0x83);
    put_csr(b, 0, 0x48);
    assert_false(interrupts(b));
    put_descriptor(b, 2, TX, 0, DATA, 64, 0x93);
    fakenet_set_room(&b->net, 3);
    put_csr(b, 0, 0x48);
    assert_true(interrupts(b));
}

static void receives_in(struct box *b, unsigned style)
{
    uint8_t f[1514];
    unsigned readies;

    make_frame(f, sizeof(f));
    start(b, style, 0);
    assert_true(fakenet_offer(&b->net, f, 60));
    assert_true(fakenet_offer(&b->net, f, 1514));
    assert_int_equal(csr(b, 0), 0x04f3);
    assert_int_equal(*flags(b, style, RX, 0), 3);
    assert_int_equal(status(b, style, RX, 0), 64);
    assert_int_equal(*flags(b, style, RX, 1), 2);
    assert_int_equal(*flags(b, style, RX, 2), 1);
    assert_int_equal(status(b, style, RX, 2), 1518);
    if (style)
        assert_int_equal(*ram(b, RX + 32 + 6) & 0x70, 0x40); /* PAM */
    assert_memory_equal(ram(b, DATA + 0x1000), f, 1000);
    assert_memory_equal(ram(b, DATA + 0x2000), f + 1000, 514);
    assert_int_equal(ld_le32(ram(b, DATA + 0x2000 + 514)), ethernet_fcs(f, 1514));
    assert_false(fakenet_offer(&b->net, f, 1514));
    assert_int_equal(*flags(b, style, RX, 3), 0x80);
    readies = b->net.readies;
    put_descriptor(b, style, RX, 0, DATA, 1000, 0x80);
    rig_pass(&b->r, 2000000);
    assert_int_equal(b->net.readies, readies + 1);
    assert_true(fakenet_offer(&b->net, f, 1514));
    assert_int_equal(*flags(b, style, RX, 0), 1);
}

static void receives(void **state)
{
    struct box *b = *state;

    receives_in(b, 0);
    receives_in(b, 2);
    receives_in(b, 3);
    for (unsigned n = 0; n < 4; n++) /* a ring that is too small */
        put_descriptor(b, 3, RX, n, DATA, 100, 0x80);
    assert_true(fakenet_offer(&b->net, ram(b, DATA), 1514));
    assert_int_equal(csr(b, 0) & 0x9000, 0);
    memcpy(ram(b, 0x8000), mac, 6);
    assert_true(fakenet_offer(&b->net, ram(b, 0x8000), 1514));
    assert_int_equal(csr(b, 0) & 0x9000, 0x9000);
    assert_int_equal(csr(b, 112), 1);
}

static void strips(void **state)
{
    struct box *b = *state;
    uint8_t f[60];

    make_frame(f, sizeof(f));
    start(b, 2, 0);
    put_csr(b, 4, 0x1515);
    f[12] = 0;
    f[13] = 10;
    assert_true(fakenet_offer(&b->net, f, 60));
    assert_int_equal(status(b, 2, RX, 0), 24);
    f[13] = 46;
    assert_true(fakenet_offer(&b->net, f, 60));
    assert_int_equal(status(b, 2, RX, 1), 64);
}

static bool offered(struct box *b, const uint8_t destination[6])
{
    uint8_t f[60];
    bool taken;

    make_frame(f, sizeof(f));
    memcpy(f, destination, 6);
    put_csr(b, 0, 0x0440);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    taken = csr(b, 0) & 0x0400;
    for (unsigned n = 0; n < 4; n++)
        put_descriptor(b, 2, RX, n, DATA, 1000, 0x80);
    return taken;
}

static void filters(void **state)
{
    static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
    static const uint8_t other[6] = {2, 0, 0, 0, 0, 9};
    struct box *b = *state;
    uint8_t group[6] = {1, 0, 0x5e, 0, 0, 0}, foreign[6];

    while (~ethernet_fcs(group, 6) >> 26 != 15)
        group[5]++;
    memcpy(foreign, group, 6);
    while (~ethernet_fcs(foreign, 6) >> 26 == 15)
        foreign[5]++;
    start(b, 2, 0);
    assert_true(offered(b, mac));
    assert_true(offered(b, all));
    assert_true(offered(b, group));
    assert_false(offered(b, foreign));
    assert_false(offered(b, other));
    start(b, 2, 0x8000);
    assert_true(offered(b, foreign));
    assert_true(offered(b, other));
    start(b, 2, 0x6000);
    assert_false(offered(b, mac));
    assert_false(offered(b, all));
    start(b, 2, 1); /* DRX */
    assert_false(offered(b, mac));
    put_csr(b, 0, 4);
    assert_false(offered(b, mac));
}

static void loopback(void **state)
{
    struct box *b = *state;
    uint8_t f[100];

    make_frame(f, sizeof(f));
    start(b, 3, 4);
    memcpy(ram(b, 0x8000), f, sizeof(f));
    put_descriptor(b, 3, TX, 0, 0x8000, 100, 0x83);
    put_csr(b, 0, 0x48);
    assert_int_equal(b->net.nsent, 0);
    assert_int_equal(csr(b, 0) & 0x0600, 0x0600);
    assert_memory_equal(ram(b, DATA), f, 100);
    assert_int_equal(status(b, 3, RX, 0), 104);
    assert_true(fakenet_offer(&b->net, f, 100)); /* the wire is not heard */
    assert_int_equal(*flags(b, 3, RX, 1), 0x80);
}

static void masks(void **state)
{
    struct box *b = *state;
    uint8_t f[60];

    make_frame(f, sizeof(f));
    start(b, 2, 0);
    put_csr(b, 3, 0x0400);
    assert_true(fakenet_offer(&b->net, f, 60));
    assert_false(interrupts(b));
    assert_int_equal(csr(b, 0), 0x0473);
    put_csr(b, 3, 0);
    assert_true(interrupts(b));
    put_csr(b, 0, 0);
    assert_false(interrupts(b));
    assert_int_equal(csr(b, 0), 0x04b3); /* INTR without IENA */
    put_csr(b, 0, 0x0440);
    put_csr(b, 4, 0x1195); /* UINTCMD */
    assert_true(interrupts(b));
    put_csr(b, 4, 0x1155);
    assert_false(interrupts(b));
    put_descriptor(b, 2, TX, 0, DATA, 60, 0x83);
    put_csr(b, 4, 0x1111); /* TXSTRT may interrupt */
    put_csr(b, 3, 0x0200);
    put_csr(b, 0, 0x48);
    assert_true(interrupts(b));
    put_csr(b, 4, 0x1119);
    assert_false(interrupts(b));
}

static void suspends(void **state)
{
    struct box *b = *state;
    uint8_t f[60];

    make_frame(f, sizeof(f));
    start(b, 2, 0);
    put_csr(b, 15, 0x8000);
    assert_int_equal(csr(b, 15), 0); /* it runs */
    put_csr(b, 5, 1);
    assert_int_equal(csr(b, 5), 1);
    put_csr(b, 15, 0x8000);
    assert_int_equal(csr(b, 15), 0x8000);
    put_descriptor(b, 2, TX, 0, DATA, 60, 0x83);
    put_csr(b, 0, 0x48);
    assert_int_equal(b->net.nsent, 0);
    assert_false(fakenet_offer(&b->net, f, 60));
    put_csr(b, 5, 0);
    assert_int_equal(b->net.nsent, 1);
    assert_true(fakenet_offer(&b->net, f, 60));
    assert_int_equal(*flags(b, 2, RX, 0), 3);
}

static void without_bus(void **state)
{
    struct box *b = *state;

    make_block(b, 0, 0);
    pci_config_write(&b->bus, DEVFN, PCI_COMMAND, 3, 2);
    put_csr(b, 1, BLOCK);
    put_csr(b, 0, 0x43);
    assert_int_equal(csr(b, 0), 0x43);
    pci_config_write(&b->bus, DEVFN, PCI_COMMAND, 7, 2);
    assert_int_equal(csr(b, 0), 0x01f3);
    assert_int_equal(csr(b, 76), 0xfffc);
}

/* Rings and buffers in the registers themselves, and anything. */
static void hostile(void **state)
{
    struct box *b = *state;
    uint8_t f[1514];

    make_frame(f, sizeof(f));
    for (unsigned i = 0; i < 256; i++) {
        static const unsigned styles[4] = {0, 2, 3, 2};

        start(b, styles[i & 3], i & 4);
        put_descriptor(b, styles[i & 3], TX, 0, BAR, 1514, 0x82);
        put_descriptor(b, styles[i & 3], TX, 1, BAR + 0x10, 4096, 0x80);
        put_descriptor(b, styles[i & 3], TX, 2, 0xfffffff0, 4096, 0x81);
        put_descriptor(b, styles[i & 3], RX, 0, BAR + (i & 31), 1514, 0x80);
        put_csr(b, 0, 0x48);
        fakenet_offer(&b->net, f, sizeof(f));
        put_csr(b, 5, 1);
        put_csr(b, 24 + (i & 7), i * 0x1234);
        put_csr(b, 72 + (i & 6), i * 0x4321);
        put_csr(b, 5, 0);
        put_csr(b, 0, 0x48);
        fakenet_offer(&b->net, f, sizeof(f));
    }
    rig_fuzz(&b->r, IO, 32, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(identity), T(reset_values), T(double_words), T(sends),    T(sends_in_turn),
        T(receives), T(strips),       T(filters),      T(loopback), T(masks),
        T(suspends), T(without_bus),  T(hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
