/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NE2000 as drivers use it: PROM, remote DMA, sending, the ring, filters; on ISA and on PCI. */
#include <string.h>

#include "base/bits.h"
#include "devices/net/ethernet.h"
#include "devices/net/ne2000.h"
#include "tests/devices/fakenet.h"
#include "tests/devices/rig_pci.h"

#define IO    0x300u
#define PCIIO 0xc000u
#define DEVFN PCI_DEVFN(3, 0)

enum {
    CR,
    PSTART,
    PSTOP,
    BNRY,
    TPSR,
    TBCR,
    ISR = 7,
    RSAR,
    RBCR = 10,
    RCR = 12,
    TCR,
    DCR,
    IMR,
    DATA
};

static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

struct box {
    struct rig r;
    struct ne2000_isa nic;
    struct pci_bus bus;
    struct ne2000_pci pci;
    struct netdev net, other;
};

static void out(struct box *b, unsigned reg, uint32_t v, unsigned size)
{
    address_space_write(&b->r.m.io, IO + reg, v, size);
}

static uint32_t in(struct box *b, unsigned reg, unsigned size)
{
    return (uint32_t)address_space_read(&b->r.m.io, IO + reg, size);
}

static void out16(struct box *b, unsigned reg, unsigned v)
{
    out(b, reg, v & 0xff, 1);
    out(b, reg + 1, v >> 8, 1);
}

static unsigned curr(struct box *b)
{
    unsigned v;

    out(b, CR, 0x62, 1);
    v = in(b, 7, 1);
    out(b, CR, 0x22, 1);
    return v;
}

/* 40h to 45h to send, 46h to 80h to receive. */
static void start(struct box *b, unsigned rcr)
{
    in(b, 0x1f, 1);
    out(b, CR, 0x21, 1);
    out(b, DCR, 0x49, 1);
    out(b, PSTART, 0x46, 1);
    out(b, PSTOP, 0x80, 1);
    out(b, BNRY, 0x46, 1);
    out(b, CR, 0x61, 1);
    out(b, 7, 0x47, 1);
    out(b, CR, 0x22, 1);
    out(b, RCR, rcr, 1);
    out(b, IMR, 0x7f, 1);
    out(b, ISR, 0xff, 1);
}

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof(*b));
    struct nic_config config = {.netdev = &b->net}, other = {.netdev = &b->other};

    memcpy(config.mac, mac, 6);
    memcpy(other.mac, mac, 6);
    rig_init(&b->r);
    rig_add_pci(&b->r, &b->bus);
    ne2000_isa_init(&b->nic, &b->r.m, "nic", IO, rig_line(&b->r, 3), &config);
    ne2000_pci_init(&b->pci, &b->r.m, "other", &b->bus, DEVFN, &other);
    pci_config_write(&b->bus, DEVFN, PCI_BASE_ADDRESS_0, PCIIO, 4);
    pci_config_write(&b->bus, DEVFN, PCI_COMMAND, 7, 2);
    start(b, 0x04);
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

static void remote(struct box *b, unsigned at, unsigned count, unsigned command)
{
    out16(b, RBCR, count);
    out16(b, RSAR, at);
    out(b, CR, command, 1);
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

    remote(b, 0, 32, 0x0a);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(in(b, DATA, 1), mac[i]); /* in word mode a byte moves two */
    remote(b, 28, 4, 0x0a);
    assert_int_equal(in(b, DATA, 2), 0x5757);
    assert_int_equal(in(b, DATA, 2), 0x5757);
    assert_int_equal(in(b, ISR, 1) & 0x40, 0x40);
    assert_int_equal(pci_config_read(&b->bus, DEVFN, 0, 4), 0x802910ec);
    assert_int_equal(address_space_read(&b->r.m.io, PCIIO + 10, 2), 0x4350);
    out(b, CR, 0xa2, 1);
    assert_int_equal(in(b, PSTART, 1), 0x46);
    assert_int_equal(in(b, DCR, 1), 0x49);
}

static void remote_dma(void **state)
{
    struct box *b = *state;

    remote(b, 0x7ffe, 6, 0x12); /* wraps from PSTOP to PSTART */
    out(b, DATA, 0x44332211, 4);
    assert_false(b->r.level[3]);
    out(b, DATA, 0x6655, 2);
    assert_true(b->r.level[3]);
    out(b, DATA, 0x9999, 2); /* too many */
    out(b, ISR, 0x40, 1);
    assert_false(b->r.level[3]);
    remote(b, 0x4600, 4, 0x0a);
    assert_int_equal(in(b, DATA, 4), 0x66554433);
    out(b, DCR, 0x48, 1);
    remote(b, 0x7fff, 2, 0x0a);
    assert_int_equal(in(b, DATA, 1), 0x22);
    assert_int_equal(in(b, DATA, 1), 0x33);
}

static void send(struct box *b, unsigned len)
{
    uint8_t f[1514];

    make_frame(f, sizeof(f));
    remote(b, 0x4000, len, 0x12);
    for (unsigned i = 0; i < len; i += 2)
        out(b, DATA, ld_le16(f + i), 2);
    out(b, ISR, 0x40, 1);
    out(b, TPSR, 0x40, 1);
    out16(b, TBCR, len);
    out(b, CR, 0x26, 1);
}

static void sends(void **state)
{
    struct box *b = *state;
    uint8_t f[1514];

    make_frame(f, sizeof(f));
    send(b, 1514);
    assert_int_equal(b->net.nsent, 1);
    assert_int_equal(b->net.sent[0]->len, 1514);
    assert_memory_equal(b->net.sent[0]->data, f, 1514);
    assert_int_equal(in(b, ISR, 1), 2);
    assert_int_equal(in(b, TPSR, 1), 1);
    assert_int_equal(in(b, CR, 1), 0x22);
    fakenet_set_room(&b->net, 0);
    send(b, 100);
    assert_int_equal(in(b, CR, 1), 0x26);
    rig_round_trip(&b->r, &b->nic.dev);
    fakenet_set_room(&b->net, 1);
    assert_int_equal(in(b, CR, 1), 0x22);
    assert_int_equal(b->net.nsent, 2);
    out(b, TCR, 2, 1); /* loopback */
    send(b, 100);
    assert_int_equal(b->net.nsent, 2);
}

static void receives(void **state)
{
    struct box *b = *state;
    uint8_t f[1514], got[1522];
    unsigned n = 0, readies;

    make_frame(f, sizeof(f));
    while (fakenet_offer(&b->net, f, sizeof(f)))
        n++;
    assert_int_equal(n, 8); /* of 6 pages in 58; one is kept free, and a frame's place */
    assert_true(b->r.level[3]);
    assert_int_equal(curr(b), 0x47 + 48);
    readies = b->net.readies;
    out(b, ISR, 1, 1); /* it has not seen them all, and must hear of them */
    assert_true(b->net.readies > readies);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(in(b, ISR, 1), 1);
    assert_false(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(in(b, ISR, 1), 1);
    out(b, ISR, 1, 1);
    assert_false(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(in(b, ISR, 1), 0x10); /* overwritten */
    assert_true(b->r.level[3]);
    out(b, ISR, 0x10, 1);
    assert_int_equal(curr(b), 0x47 + 54);
    remote(b, 0x4700, sizeof(got), 0x0a);
    for (unsigned i = 0; i < sizeof(got); i += 2)
        st_le16(got + i, (uint16_t)in(b, DATA, 2));
    assert_int_equal(ld_le32(got), 1518 << 16 | 0x4d01);
    assert_memory_equal(got + 4, f, 1514);
    assert_int_equal(ld_le32(got + 1518), ethernet_fcs(f, 1514));
    readies = b->net.readies;
    out(b, BNRY, 0x4c, 1);
    assert_true(b->net.readies > readies);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(curr(b), 0x49); /* 0x7d + 6, around */
    remote(b, 0x7d00, sizeof(got), 0x0a);
    for (unsigned i = 0; i < sizeof(got); i += 2)
        st_le16(got + i, (uint16_t)in(b, DATA, 2));
    assert_memory_equal(got + 4, f, 1514);
}

static bool offered(struct box *b, const uint8_t destination[6])
{
    unsigned before = curr(b);
    uint8_t f[60];

    make_frame(f, sizeof(f));
    memcpy(f, destination, 6);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    out(b, BNRY, curr(b) == 0x46 ? 0x7f : curr(b) - 1, 1);
    return curr(b) != before;
}

static void filters(void **state)
{
    static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
    static const uint8_t other[6] = {2, 0, 0, 0, 0, 9};
    static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};
    struct box *b = *state;
    unsigned hash = ethernet_hash(group) >> 26;

    assert_true(offered(b, mac));
    assert_true(offered(b, all));
    assert_false(offered(b, other));
    assert_false(offered(b, group));
    out(b, CR, 0x62, 1);
    out(b, 8 + hash / 8, 1u << hash % 8, 1);
    out(b, CR, 0x22, 1);
    assert_false(offered(b, group));
    out(b, RCR, 0x08, 1);
    assert_true(offered(b, group));
    assert_false(offered(b, all));
    out(b, RCR, 0x10, 1);
    assert_true(offered(b, other));
    out(b, RCR, 0x30, 1); /* monitor */
    assert_false(offered(b, mac));
    assert_int_equal(in(b, 15, 1), 1);
    assert_int_equal(in(b, 15, 1), 0);
}

/* Page 1 stays selected: each write says what it says of STP and STA only. */
static bool taken_after(struct box *b, unsigned command)
{
    uint8_t f[60];
    unsigned before;

    make_frame(f, sizeof(f));
    out(b, CR, 0x60 | command, 1);
    before = in(b, 7, 1);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    return in(b, 7, 1) != before;
}

/* iPXE selects pages without STA, and frames arrive meanwhile. */
static void starts_and_stops(void **state)
{
    struct box *b = *state;

    assert_true(taken_after(b, 0));
    assert_int_equal(in(b, CR, 1), 0x62);
    assert_false(taken_after(b, 1));
    assert_false(taken_after(b, 0));
    assert_false(taken_after(b, 3));
    assert_true(taken_after(b, 2));
}

static void pci_interrupt(void **state)
{
    struct box *b = *state;

    address_space_write(&b->r.m.io, PCIIO + CR, 0x22, 1);
    address_space_write(&b->r.m.io, PCIIO + IMR, 0x40, 1);
    address_space_write(&b->r.m.io, PCIIO + CR, 0x0a, 1); /* of no bytes: done */
    assert_true(b->r.level[pci_pirq_of(DEVFN, 1)]);
    address_space_write(&b->r.m.io, PCIIO + ISR, 0x40, 1);
    assert_false(b->r.level[pci_pirq_of(DEVFN, 1)]);
}

/* Rings that are none, and anything. */
static void hostile(void **state)
{
    struct box *b = *state;
    uint8_t f[1514];

    make_frame(f, sizeof(f));
    for (unsigned i = 0; i < 4096; i++) {
        out(b, CR, 0x22, 1);
        out(b, PSTART, i & 15, 1);
        out(b, PSTOP, i >> 8 & 15, 1);
        out(b, BNRY, i >> 4 & 15, 1);
        out(b, CR, 0x62, 1);
        out(b, 7, i * 7 & 15, 1);
        out(b, CR, 0x22, 1);
        fakenet_offer(&b->net, f, sizeof(f));
    }
    rig_fuzz(&b->r, IO, 32, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(identity), T(remote_dma),       T(sends),         T(receives),
        T(filters),  T(starts_and_stops), T(pci_interrupt), T(hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
