/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The RTL8139C+ as drivers use it: EEPROM, four buffers and the ring, descriptors of C+ mode with
 * sums, segments and tags, filters, the timer, what a hostile driver may do. */
#include <string.h>

#include "base/bits.h"
#include "devices/net/ethernet.h"
#include "devices/net/rtl8139.h"
#include "tests/devices/fakenet.h"
#include "tests/devices/rig_pci.h"

#define BAR   0xe0000000u
#define IO    0xc000u
#define DEVFN PCI_DEVFN(3, 0)
#define RING  0x10000u /* of received frames, or their descriptors */
#define SENT  0x8000u  /* descriptors */
#define DATA  0x40000u

enum {
    IDR = 0x00,
    MAR = 0x08,
    TSD = 0x10,
    TSAD = 0x20,
    RBSTART = 0x30,
    CR = 0x37,
    CAPR = 0x38,
    CBR = 0x3a,
    IMR = 0x3c,
    ISR = 0x3e,
    TCR = 0x40,
    RCR = 0x44,
    TCTR = 0x48,
    EE = 0x50,
    CONFIG1 = 0x52,
    TIMERINT = 0x54,
    MSR = 0x58,
    BMSR = 0x64,
    POLL = 0xd9,
    CPCR = 0xe0,
    RDSAR = 0xe4
};

static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

struct box {
    struct rig r;
    struct region ram;
    struct pci_bus bus;
    struct rtl8139 nic;
    struct netdev net;
};

static uint32_t get(struct box *b, unsigned reg, unsigned size)
{
    return (uint32_t)address_space_read(&b->r.m.mem, BAR + reg, size);
}

static void put(struct box *b, unsigned reg, uint32_t v, unsigned size)
{
    address_space_write(&b->r.m.mem, BAR + reg, v, size);
}

static uint8_t *ram(struct box *b, uint64_t at)
{
    return b->r.m.arena.host + at;
}

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof(*b));
    struct nic_config config = {.netdev = &b->net};

    memcpy(config.mac, mac, 6);
    rig_init(&b->r);
    rig_add_memory(&b->r, &b->ram);
    rig_add_pci(&b->r, &b->bus);
    rtl8139_init(&b->nic, &b->r.m, "nic", &b->bus, DEVFN, &config);
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

/* As the RTL8139 has it: a ring of 8 KiB. */
static void start_old(struct box *b, uint32_t rcr)
{
    put(b, CR, 0x10, 1);
    assert_int_equal(get(b, CR, 1), 1);
    put(b, RBSTART, RING, 4);
    put(b, CR, 0x0c, 1);
    put(b, RCR, rcr, 4);
    put(b, IMR, 0xe07f, 2);
}

static void put_descriptor(struct box *b, uint32_t ring, unsigned n, uint32_t command,
                           uint32_t vlan, uint32_t at)
{
    st_le32(ram(b, ring + 16 * n), command);
    st_le32(ram(b, ring + 16 * n + 4), vlan);
    st_le64(ram(b, ring + 16 * n + 8), at);
}

static uint32_t command(struct box *b, uint32_t ring, unsigned n)
{
    return ld_le32(ram(b, ring + 16 * n));
}

static void start_new(struct box *b)
{
    put(b, CR, 0x10, 1);
    put(b, CPCR, 0x63, 2);
    put(b, TSAD, SENT, 4);
    put(b, TSAD + 4, 0, 4);
    put(b, RDSAR, RING, 4);
    put(b, RDSAR + 4, 0, 4);
    put(b, CR, 0x0c, 1);
    put(b, RCR, 0x0a, 4);
    for (unsigned n = 0; n < 4; n++)
        put_descriptor(b, RING, n, 1u << 31 | (n == 3 ? 1u << 30 : 0) | 1000, 0,
                       RING + 0x1000 + 1000 * n);
}

static void make_frame(uint8_t *f, size_t len, unsigned type)
{
    for (size_t i = 0; i < len; i++)
        f[i] = (uint8_t)(i * 7 + i / 256);
    memcpy(f, mac, 6);
    f[6] = 2;
    f[12] = (uint8_t)(type >> 8);
    f[13] = (uint8_t)type;
}

static void make_tcp(uint8_t *f, size_t data)
{
    make_frame(f, 54 + data, 0x0800);
    memset(f + 14, 0, 12);
    f[14] = 0x45;
    f[16] = (uint8_t)((40 + data) >> 8);
    f[17] = (uint8_t)(40 + data);
    f[23] = 6;
    f[46] = 0x50;
    f[50] = f[51] = 0;
}

static bool offered(struct box *b, const uint8_t destination[6])
{
    uint32_t before = get(b, CBR, 2);
    uint8_t f[60];

    make_frame(f, sizeof(f), 0x1234);
    memcpy(f, destination, 6);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    put(b, CAPR, get(b, CBR, 2) - 16, 2);
    return get(b, CBR, 2) != before;
}

/* ---- tests ---- */

static void identity(void **state)
{
    struct box *b = *state;

    assert_int_equal(pci_config_read(&b->bus, DEVFN, 0, 4), 0x813910ec);
    assert_int_equal(pci_config_read(&b->bus, DEVFN, PCI_REVISION_ID, 1), 0x20);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(get(b, IDR + i, 1), mac[i]);
    assert_int_equal(address_space_read(&b->r.m.io, IO, 4), 0x12005452);
    assert_int_equal(get(b, TCR, 4) & 0x7cc00000, 0x74800000);
    assert_int_equal(get(b, BMSR, 2) & 4, 4);
    assert_int_equal(get(b, MSR, 1) & 4, 0);
    put(b, CONFIG1, 0x20, 1); /* locked */
    assert_int_equal(get(b, CONFIG1, 1), 0x0c);
    put(b, EE, 0xc0, 1);
    put(b, CONFIG1, 0x2c, 1);
    assert_int_equal(get(b, CONFIG1, 1), 0x2c);
}

static void eeprom(void **state)
{
    struct box *b = *state;
    uint16_t word = 0;

    put(b, EE, 0x80, 1);
    for (unsigned i = 9; i--;) {
        uint8_t bit = (6 << 6 | 7) >> i & 1 ? 2 : 0; /* READ 7 */

        put(b, EE, 0x88 | bit, 1);
        put(b, EE, 0x8c | bit, 1);
    }
    for (unsigned i = 0; i < 16; i++) {
        put(b, EE, 0x88, 1);
        put(b, EE, 0x8c, 1);
        word = (uint16_t)(word << 1 | (get(b, EE, 1) & 1));
    }
    assert_int_equal(word, 0x5452);
    put(b, EE, 0, 1);
    put(b, IDR, 0, 4);
    assert_int_equal(get(b, IDR, 4), 0);
    put(b, EE, 0x40, 1); /* loads it again */
    assert_int_equal(get(b, IDR, 4), 0x12005452);
}

static void sends_old(void **state)
{
    struct box *b = *state;

    start_old(b, 0);
    make_frame(ram(b, DATA), 200, 0x1234);
    for (unsigned n = 0; n < 6; n++) {
        put(b, TSAD + 4 * (n % 4), DATA, 4);
        put(b, TSD + 4 * (n % 4), 100 + n, 4);
        assert_int_equal(get(b, TSD + 4 * (n % 4), 4) & 0xffff, 0xa000 | (100 + n));
        assert_true(interrupts(b));
        put(b, ISR, 4, 2);
        assert_false(interrupts(b));
        assert_int_equal(b->net.nsent, n + 1);
        assert_int_equal(b->net.sent[n]->len, 100 + n);
        assert_memory_equal(b->net.sent[n]->data, ram(b, DATA), 100);
    }
    fakenet_set_room(&b->net, 0);
    put(b, TSD + 8, 100, 4);
    assert_int_equal(get(b, TSD + 8, 4), 100);
    rig_round_trip(&b->r, &b->nic.pci.dev);
    fakenet_set_room(&b->net, 1);
    assert_int_equal(get(b, TSD + 8, 4), 0xa000 | 100);
    assert_int_equal(b->net.nsent, 7);
}

/* A frame's header, the frame, its FCS; at the end of the ring it wraps, or goes on behind it. */
static void receives_old(void **state)
{
    struct box *b = *state;
    uint8_t f[1514], fcs[4];
    unsigned at = 0, n = 0;

    make_frame(f, sizeof(f), 0x1234);
    st_le32(fcs, ethernet_fcs(f, sizeof(f)));
    start_old(b, 0x8a); /* APM, AB, WRAP */
    while (fakenet_offer(&b->net, f, sizeof(f)))
        n++;
    assert_int_equal(n, 5); /* of 1524 bytes in 8192 */
    assert_int_equal(ld_le32(ram(b, RING)), (1518 << 16) | 0x4001);
    assert_memory_equal(ram(b, RING + 4), f, sizeof(f));
    assert_memory_equal(ram(b, RING + 4 + 1514), fcs, 4);
    assert_int_equal(get(b, CBR, 2), 5 * 1524);
    assert_int_equal(get(b, CR, 1) & 1, 0);
    assert_true(interrupts(b));
    at = b->net.readies;
    put(b, CAPR, 5 * 1524 - 16, 2);
    assert_true(b->net.readies > at);
    assert_int_equal(get(b, CR, 1) & 1, 1); /* empty */
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_memory_equal(ram(b, RING + 5 * 1524 + 4), f, sizeof(f)); /* in one piece */
    assert_int_equal(get(b, CBR, 2), 6 * 1524 - 8192);
    start_old(b, 0x0a);
    put(b, CAPR, 0xfff0, 2);
    for (n = 0; n < 5; n++)
        assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    put(b, CAPR, 5 * 1524 - 16, 2);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    n = 8192 - 5 * 1524 - 4;
    assert_memory_equal(ram(b, RING + 5 * 1524 + 4), f, n);
    assert_memory_equal(ram(b, RING), f + n, sizeof(f) - n);
}

static void filters(void **state)
{
    static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
    static const uint8_t other[6] = {2, 0, 0, 0, 0, 9};
    static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};
    struct box *b = *state;
    unsigned hash = ethernet_hash(group) >> 26;

    start_old(b, 0x02);
    assert_true(offered(b, mac));
    assert_false(offered(b, all));
    assert_false(offered(b, other));
    put(b, RCR, 0x0e, 4);
    assert_true(offered(b, all));
    assert_false(offered(b, group));
    put(b, MAR + hash / 32 * 4, 1u << hash % 32, 4);
    assert_true(offered(b, group));
    put(b, RCR, 0x01, 4);
    assert_true(offered(b, other));
    put(b, CR, 0x04, 1);
    assert_false(offered(b, mac));
}

static void sends_new(void **state)
{
    struct box *b = *state;
    const uint8_t *f;

    start_new(b);
    make_tcp(ram(b, DATA), 100);
    put_descriptor(b, SENT, 0, 0xa0050000 | 60, 0, DATA);
    put_descriptor(b, SENT, 1, 0xd0050000 | 94, 0x22361, DATA + 60); /* LS, EOR; tag */
    put(b, POLL, 0x40, 1);
    assert_int_equal(b->net.nsent, 1);
    assert_int_equal(b->net.sent[0]->len, 158);
    f = b->net.sent[0]->data;
    assert_int_equal(ld_le32(f + 12), 0x23610081);
    assert_memory_equal(f + 16 + 10, ram(b, DATA) + 22, 2);
    assert_int_equal(ethernet_ip_sum(f + 18, 20, 0), 0xffff);
    assert_int_equal(b->net.sent[0]->header.flags, NET_HEADER_NEEDS_CSUM);
    assert_int_equal(b->net.sent[0]->header.csum_start, 38);
    assert_int_equal(b->net.sent[0]->header.csum_offset, 16);
    assert_int_equal(f[54] << 8 | f[55], ethernet_ip_sum(f + 30, 8, 6 + 120));
    assert_int_equal(command(b, SENT, 0) >> 31, 0);
    assert_int_equal(command(b, SENT, 1) >> 30, 1);
    assert_int_equal(get(b, ISR, 2) & 0x84, 0x84);
    make_tcp(ram(b, DATA), 3000);
    put_descriptor(b, SENT, 0, 0xf8000000 | 1000 << 16 | 3054, 0, DATA); /* LGSEN */
    put(b, POLL, 0x40, 1);
    assert_int_equal(b->net.nsent, 2);
    assert_int_equal(b->net.sent[1]->header.gso_type, NET_GSO_TCPV4);
    assert_int_equal(b->net.sent[1]->header.gso_size, 1000);
    assert_int_equal(b->net.sent[1]->header.hdr_len, 54);
    put_descriptor(b, SENT, 0, 0xe0000000 | 60, 0, DATA); /* never ends: not taken */
    put(b, POLL, 0x40, 1);
    assert_int_equal(b->net.nsent, 2);
}

static void receives_new(void **state)
{
    struct box *b = *state;
    uint8_t f[1514];
    uint32_t pseudo;

    start_new(b);
    make_frame(f, sizeof(f), 0x1234);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(command(b, RING, 0), 0x20000000 | 1000);
    assert_int_equal(command(b, RING, 1), 0x12000000 | 1518);
    assert_memory_equal(ram(b, RING + 0x1000), f, sizeof(f));
    assert_int_equal(ld_le32(ram(b, RING + 0x1000 + 1514)), ethernet_fcs(f, sizeof(f)));
    make_tcp(f, 100);
    pseudo = ethernet_ip_sum(f + 14, 20, 0) ^ 0xffffu;
    f[24] = (uint8_t)(pseudo >> 8);
    f[25] = (uint8_t)pseudo;
    assert_true(fakenet_offer(&b->net, f, 154)); /* TCP's is wrong */
    assert_int_equal(command(b, RING, 2), 0x32000000 | 1u << 16 | 1u << 13 | 158);
    make_frame(f, 100, 0x8100);
    assert_true(fakenet_offer(&b->net, f, 100));
    assert_int_equal(command(b, RING, 3), 0x72000000 | 100);
    assert_int_equal(ld_le32(ram(b, RING + 3 * 16 + 4)), 0x10000u | ld_le16(f + 14));
    assert_false(fakenet_offer(&b->net, f, 100));
    put_descriptor(b, RING, 0, 0x80000000 | 1000, 0, RING + 0x1000);
    b->net.readies = 0;
    rig_pass(&b->r, NS_PER_SEC / 100); /* it looks again by itself */
    assert_true(b->net.readies > 0);
    assert_true(fakenet_offer(&b->net, f, 100));
}

static void tally(void **state)
{
    struct box *b = *state;

    start_new(b);
    put_descriptor(b, SENT, 0, 0xf0000000 | 60, 0, DATA);
    put(b, POLL, 0x40, 1);
    put(b, TSD + 4, 0, 4);
    put(b, TSD, 0x9000 | 8, 4);
    assert_int_equal(get(b, TSD, 4) & 8, 0);
    assert_int_equal(ld_le64(ram(b, 0x9000)), 1);
}

static void timer(void **state)
{
    struct box *b = *state;

    put(b, IMR, 0x4000, 2);
    put(b, TIMERINT, 33000, 4); /* a millisecond */
    put(b, TCTR, 0, 4);
    rig_pass(&b->r, 999000);
    assert_false(interrupts(b));
    rig_pass(&b->r, 2000);
    assert_true(interrupts(b));
    assert_in_range(get(b, TCTR, 4), 33000, 33066);
}

static void link(void **state)
{
    struct box *b = *state;

    put(b, IMR, 0x20, 2);
    fakenet_set_link(&b->net, false);
    assert_true(interrupts(b));
    assert_int_equal(get(b, MSR, 1) & 4, 4);
    assert_int_equal(get(b, BMSR, 2) & 4, 0);
    fakenet_set_link(&b->net, true);
    assert_int_equal(get(b, BMSR, 2) & 4, 4);
}

/* Rings and buffers on our own registers, a ring full of frames, one frame that is a ring. */
static void hostile(void **state)
{
    struct box *b = *state;
    uint8_t f[1514];

    start_new(b);
    put(b, TSAD, BAR, 4);
    put(b, RDSAR, BAR, 4);
    put(b, POLL, 0xc0, 1);
    make_frame(f, sizeof(f), 0x1234);
    fakenet_offer(&b->net, f, sizeof(f));
    start_new(b);
    for (unsigned n = 0; n < 64; n++)
        put_descriptor(b, SENT, n, 0xb000ffff, 0, 0);
    put(b, POLL, 0x40, 1);
    rig_pass(&b->r, NS_PER_SEC / 10);
    assert_int_equal(b->net.nsent, 64); /* each once */
    for (unsigned n = 0; n < 64; n++)
        put_descriptor(b, SENT, n, 0xa000ffff, 0, 0);
    put(b, POLL, 0x40, 1);
    assert_int_equal(command(b, SENT, 0) >> 31, 1);
    start_old(b, 0x1f9f);
    put(b, RBSTART, BAR, 4);
    fakenet_offer(&b->net, f, sizeof(f));
    put(b, CAPR, 0x1234, 2);
    rig_fuzz(&b->r, IO, 256, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(identity),     T(eeprom), T(sends_old), T(receives_old), T(filters), T(sends_new),
        T(receives_new), T(tally),  T(timer),     T(link),         T(hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
