/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 8254x as drivers use it: EEPROM, PHY, link, descriptors of all kinds, checksums,
 * segmentation, tags, filters, interrupts and their delays, statistics, what a hostile driver may
 * do. */
#include <string.h>

#include "base/bits.h"
#include "devices/net/e1000.h"
#include "devices/net/ethernet.h"
#include "tests/devices/fakenet.h"
#include "tests/devices/rig_pci.h"

#define BAR     0xe0000000u
#define IO      0xc000u
#define DEVFN   PCI_DEVFN(3, 0)
#define TX_RING 0x10000u
#define RX_RING 0x11000u
#define DATA    0x20000u
#define BUFFERS 0x40000u
#define ENTRIES 16u

/* Registers. */
enum {
    CTRL = 0x0000,
    STATUS = 0x0008,
    EECD = 0x0010,
    EERD = 0x0014,
    MDIC = 0x0020,
    VET = 0x0038,
    ICR = 0x00c0,
    ITR = 0x00c4,
    ICS = 0x00c8,
    IMS = 0x00d0,
    IMC = 0x00d8,
    RCTL = 0x0100,
    TCTL = 0x0400,
    RDBAL = 0x2800,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    RDTR = 0x2820,
    RADV = 0x282c,
    TDBAL = 0x3800,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    TIDV = 0x3820,
    GPRC = 0x4074,
    GPTC = 0x4080,
    GOTCL = 0x4090,
    GOTCH = 0x4094,
    PTC64 = 0x40d8,
    PTC127 = 0x40dc,
    PTC1023 = 0x40e8,
    PTC1522 = 0x40ec,
    TSCTC = 0x40f8,
    RXCSUM = 0x5000,
    MTA = 0x5200,
    RAL = 0x5400,
    VFTA = 0x5600
};
#define TXDW   0x01u
#define LSC    0x04u
#define RXDMT0 0x10u
#define RXT0   0x80u

static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

struct box {
    struct rig r;
    struct region ram;
    struct pci_bus bus;
    struct e1000 nic;
    struct netdev net;
    unsigned tail;
};

static uint32_t get(struct box *b, unsigned reg)
{
    return (uint32_t)address_space_read(&b->r.m.mem, BAR + reg, 4);
}

static void put(struct box *b, unsigned reg, uint32_t v)
{
    address_space_write(&b->r.m.mem, BAR + reg, v, 4);
}

static uint8_t *ram(struct box *b, uint64_t at)
{
    return b->r.m.arena.host + at;
}

static void start(struct box *b)
{
    put(b, CTRL, 1u << 26);
    put(b, TDBAL, TX_RING);
    put(b, TDLEN, 16 * ENTRIES);
    put(b, RDBAL, RX_RING);
    put(b, RDLEN, 16 * ENTRIES);
    for (unsigned i = 0; i < ENTRIES; i++) {
        memset(ram(b, RX_RING + 16 * i), 0, 16);
        st_le64(ram(b, RX_RING + 16 * i), BUFFERS + 0x800 * i);
    }
    put(b, RDT, ENTRIES - 1);
    put(b, TCTL, 2 | 8);
    put(b, RCTL, 2 | 1 << 15 | 1 << 26); /* EN, BAM, SECRC */
    b->tail = 0;
}

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof(*b));
    struct nic_config config = {.netdev = &b->net};

    memcpy(config.mac, mac, 6);
    rig_init(&b->r);
    rig_add_memory(&b->r, &b->ram);
    rig_add_pci(&b->r, &b->bus);
    e1000_init(&b->nic, &b->r.m, "nic", &b->bus, DEVFN, E1000_82540EM, &config);
    pci_config_write(&b->bus, DEVFN, PCI_BASE_ADDRESS_0, BAR, 4);
    pci_config_write(&b->bus, DEVFN, PCI_BASE_ADDRESS_0 + 8, IO, 4);
    pci_config_write(&b->bus, DEVFN, PCI_COMMAND, 7, 2);
    rig_pass(&b->r, NS_PER_SEC); /* negotiation */
    start(b);
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

static void put_descriptor(struct box *b, uint64_t low, uint64_t high)
{
    st_le64(ram(b, TX_RING + 16 * b->tail), low);
    st_le64(ram(b, TX_RING + 16 * b->tail + 8), high);
    b->tail = (b->tail + 1) % ENTRIES;
}

/* Legacy: length, checksum offset, command, checksum start. */
static void put_legacy(struct box *b, uint32_t at, unsigned len, unsigned cso, unsigned command,
                       unsigned css, unsigned special)
{
    put_descriptor(b, at,
                   len | (uint64_t)cso << 16 | (uint64_t)command << 24 | (uint64_t)css << 40 |
                       (uint64_t)special << 48);
}

static void put_data(struct box *b, uint32_t at, uint32_t len, unsigned command, unsigned popts)
{
    put_descriptor(b, at,
                   len | 1u << 20 | (uint64_t)(command | 0x20) << 24 | (uint64_t)popts << 40);
}

static void go(struct box *b)
{
    put(b, TDT, b->tail);
}

static void fill(uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(i * 7 + i / 256);
}

/* From somebody to us. */
static void make_frame(uint8_t *f, size_t len, unsigned type)
{
    fill(f, len);
    memcpy(f, mac, 6);
    f[6] = 2;
    f[12] = (uint8_t)(type >> 8);
    f[13] = (uint8_t)type;
}

/* An IPv4 or IPv6 TCP frame whose sums are right, or 0 where `sums` is false. */
static size_t make_tcp(uint8_t *f, bool v6, size_t data, bool sums)
{
    size_t ip = v6 ? 40 : 20, len = 14 + ip + 20 + data;
    uint8_t *h = f + 14, *tcp = f + 14 + ip;
    uint32_t pseudo = 6 + (uint32_t)(20 + data);

    make_frame(f, len, v6 ? 0x86dd : 0x0800);
    h[0] = v6 ? 0x60 : 0x45;
    if (v6) {
        h[4] = (uint8_t)((20 + data) >> 8);
        h[5] = (uint8_t)(20 + data);
        h[6] = 6;
        pseudo += ethernet_ip_sum(h + 8, 32, 0);
    } else {
        h[2] = (uint8_t)((40 + data) >> 8);
        h[3] = (uint8_t)(40 + data);
        h[4] = h[5] = h[6] = h[7] = h[10] = h[11] = 0;
        h[9] = 6;
        pseudo += ethernet_ip_sum(h + 12, 8, 0);
    }
    tcp[12] = 0x50;
    tcp[13] = 0x19; /* ACK, PSH, FIN */
    tcp[16] = tcp[17] = tcp[18] = tcp[19] = 0;
    if (sums) {
        uint16_t sum = v6 ? 0 : (uint16_t)~ethernet_ip_sum(h, 20, 0);

        if (!v6) {
            h[10] = (uint8_t)(sum >> 8);
            h[11] = (uint8_t)sum;
        }
        sum = (uint16_t)~ethernet_ip_sum(tcp, 20 + data, pseudo);
        tcp[16] = (uint8_t)(sum >> 8);
        tcp[17] = (uint8_t)sum;
    }
    return len;
}

static const uint8_t *rx_descriptor(struct box *b, unsigned n)
{
    return ram(b, RX_RING + 16 * n);
}

static bool offered(struct box *b, const uint8_t destination[6])
{
    uint32_t before = get(b, RDH);
    uint8_t f[60];

    make_frame(f, sizeof(f), 0x1234);
    memcpy(f, destination, 6);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    put(b, RDT, (get(b, RDH) + ENTRIES - 1) % ENTRIES);
    return get(b, RDH) != before;
}

/* ---- tests ---- */

static void identity(void **state)
{
    struct box *b = *state;

    assert_int_equal(pci_config_read(&b->bus, DEVFN, 0, 4), 0x100e8086);
    assert_int_equal(pci_config_read(&b->bus, DEVFN, PCI_CLASS_DEVICE, 2), 0x0200);
    assert_int_equal(get(b, RAL), 0x12005452);
    assert_int_equal(get(b, RAL + 4), 0x80005634);
    assert_int_equal(get(b, STATUS) & 3, 3); /* full duplex, up */
    assert_int_equal(get(b, 0x5ffc), 0);
    assert_int_equal(get(b, 0x1fffc), 0);
}

/* 13.2.2 */
static void io_space(void **state)
{
    struct box *b = *state;

    address_space_write(&b->r.m.io, IO, VET, 4);
    assert_int_equal(address_space_read(&b->r.m.io, IO + 4, 4), 0x8100);
    address_space_write(&b->r.m.io, IO + 4, 0x88a8, 4);
    assert_int_equal(get(b, VET), 0x88a8);
}

static uint16_t eerd(struct box *b, unsigned word)
{
    put(b, EERD, word << 8 | 1);
    assert_true(get(b, EERD) & 0x10);
    return (uint16_t)(get(b, EERD) >> 16);
}

static void wire_bits(struct box *b, uint32_t v, unsigned n)
{
    while (n--) {
        uint32_t di = v >> n & 1 ? 4 : 0;

        put(b, EECD, 2 | di);
        put(b, EECD, 2 | di | 1);
        put(b, EECD, 2 | di);
    }
}

static uint16_t wire_word(struct box *b)
{
    uint16_t v = 0;

    for (unsigned i = 0; i < 16; i++) {
        put(b, EECD, 2 | 1);
        v = (uint16_t)(v << 1 | (get(b, EECD) >> 3 & 1));
        put(b, EECD, 2);
    }
    return v;
}

static void eeprom(void **state)
{
    struct box *b = *state;
    uint16_t sum = 0;

    for (unsigned i = 0; i < 64; i++)
        sum = (uint16_t)(sum + eerd(b, i));
    assert_int_equal(sum, 0xbaba);
    assert_int_equal(eerd(b, 0), 0x5452);
    put(b, EECD, 0x40);
    assert_true(get(b, EECD) & 0x80); /* granted */
    put(b, EECD, 2);
    wire_bits(b, 6 << 6 | 1, 9); /* READ 1, and on */
    assert_int_equal(get(b, EECD) & 8, 0);
    assert_int_equal(wire_word(b), 0x1200);
    assert_int_equal(wire_word(b), 0x5634);
    put(b, EECD, 0);
    put(b, EECD, 2);
    wire_bits(b, (5u << 6 | 0x20) << 16 | 0xabcd, 25); /* WRITE, not enabled */
    assert_int_equal(eerd(b, 0x20), 0xffff);
    put(b, EECD, 0);
    put(b, EECD, 2);
    wire_bits(b, 4 << 6 | 0x30, 9); /* EWEN */
    put(b, EECD, 0);
    put(b, EECD, 2);
    wire_bits(b, (5u << 6 | 0x20) << 16 | 0xabcd, 25);
    assert_int_equal(eerd(b, 0x20), 0xabcd);
    put(b, EECD, 0);
    put(b, EECD, 2);
    wire_bits(b, 7 << 6 | 0x20, 9); /* ERASE */
    assert_int_equal(eerd(b, 0x20), 0xffff);
}

static uint32_t phy(struct box *b, unsigned reg)
{
    put(b, MDIC, 2u << 26 | 1 << 21 | reg << 16);
    assert_true(get(b, MDIC) >> 28 & 1);
    return get(b, MDIC) & 0xffff;
}

static void phy_and_link(void **state)
{
    struct box *b = *state;

    assert_int_equal(phy(b, 2) << 16 | (phy(b, 3) & 0xfff0), 0x01410c20);
    assert_int_equal(phy(b, 1) & 0x24, 0x20); /* it was down after the reset: latched */
    assert_int_equal(phy(b, 1) & 0x24, 0x24);
    put(b, MDIC, 2u << 26 | 2 << 21);
    assert_true(get(b, MDIC) >> 30 & 1); /* nobody there */
    put(b, IMS, LSC);
    get(b, ICR);
    fakenet_set_link(&b->net, false);
    assert_true(interrupts(b));
    assert_int_equal(get(b, ICR), LSC);
    assert_int_equal(get(b, STATUS) & 2, 0);
    fakenet_set_link(&b->net, true);
    assert_int_equal(get(b, STATUS) & 2, 0);
    rig_pass(&b->r, NS_PER_SEC);
    assert_int_equal(get(b, STATUS) & 2, 2);
    assert_int_equal(get(b, ICR), LSC);
    put(b, MDIC, 1u << 26 | 1 << 21 | 0x1340); /* restart */
    assert_int_equal(get(b, STATUS) & 2, 0);
    rig_pass(&b->r, NS_PER_SEC);
    assert_int_equal(phy(b, 17) & 0xac00, 0xac00);
}

static void sends_legacy(void **state)
{
    struct box *b = *state;

    make_frame(ram(b, DATA), 100, 0x1234);
    put(b, IMS, TXDW);
    get(b, ICR);
    put_legacy(b, DATA, 60, 0, 2, 0, 0);
    put_legacy(b, DATA + 60, 40, 0, 1 | 2 | 8, 0, 0);
    go(b);
    assert_int_equal(b->net.nsent, 1);
    assert_int_equal(b->net.sent[0]->len, 100);
    assert_memory_equal(b->net.sent[0]->data, ram(b, DATA), 100);
    assert_int_equal(ram(b, TX_RING + 12)[0], 0); /* RS was not set */
    assert_int_equal(ram(b, TX_RING + 28)[0], 1);
    assert_int_equal(get(b, TDH), 2);
    assert_true(interrupts(b));
    assert_int_equal(get(b, ICR) & TXDW, TXDW);
    assert_false(interrupts(b));
    put_legacy(b, DATA, 20, 0, 1 | 2, 0, 0); /* padded */
    put_legacy(b, DATA, 70, 0, 1, 0, 0);     /* brings its FCS */
    go(b);
    assert_int_equal(b->net.sent[1]->len, 60);
    assert_int_equal(b->net.sent[1]->data[20], 0);
    assert_int_equal(b->net.sent[2]->len, 66);
    assert_int_equal(get(b, GPTC), 3);
    assert_int_equal(get(b, GPTC), 0);
    assert_int_equal(get(b, PTC64), 1);
    assert_int_equal(get(b, PTC127), 2);
    assert_int_equal(get(b, GOTCL), 104 + 64 + 70);
    assert_int_equal(get(b, GOTCH), 0);
    assert_int_equal(get(b, GOTCL), 0);
}

static void tags_and_legacy_sum(void **state)
{
    struct box *b = *state;
    const uint8_t *f;

    make_frame(ram(b, DATA), 64, 0x0800);
    put(b, CTRL, get(b, CTRL) | 1u << 30);
    put_legacy(b, DATA, 64, 40, 1 | 2 | 4 | 0x40, 20, 0x6123);
    go(b);
    f = b->net.sent[0]->data;
    assert_int_equal(b->net.sent[0]->len, 68);
    assert_int_equal(ld_le32(f + 12), 0x23610081);
    assert_int_equal(f[16] << 8 | f[17], 0x0800);
    assert_int_equal(f[44] << 8 | f[45], (uint16_t)~ethernet_ip_sum(ram(b, DATA) + 20, 44, 0));
}

static void put_context(struct box *b, bool v6, unsigned command, unsigned header, unsigned mss,
                        uint32_t payload)
{
    unsigned ip = v6 ? 40 : 20;
    uint64_t low = 14 | 24 << 8 | (uint64_t)(13 + ip) << 16 | (uint64_t)(14 + ip) << 32 |
                   (uint64_t)(14 + ip + 16) << 40;

    put_descriptor(b, low,
                   payload | (uint64_t)(command | 0x20) << 24 | (uint64_t)header << 40 |
                       (uint64_t)mss << 48);
}

/* What comes out is what a stack without offloads would have sent. */
static void inserts_sums(void **state)
{
    struct box *b = *state;
    uint8_t want[200];
    size_t len = make_tcp(want, false, 100, true);
    uint16_t pseudo;

    make_tcp(ram(b, DATA), false, 100, false);
    pseudo = ethernet_ip_sum(want + 26, 8, 6 + 120);
    ram(b, DATA)[50] = (uint8_t)(pseudo >> 8);
    ram(b, DATA)[51] = (uint8_t)pseudo;
    put_context(b, false, 3, 0, 0, 0);
    put_data(b, DATA, (uint32_t)len, 1 | 2 | 8, 3);
    go(b);
    assert_int_equal(b->net.nsent, 1);
    assert_int_equal(b->net.sent[0]->len, len);
    assert_memory_equal(b->net.sent[0]->data, want, len);
}

static bool sums_are_right(const uint8_t *f, bool v6)
{
    const uint8_t *ip = f + 14;
    unsigned header = v6 ? 40 : 20;
    unsigned len = v6 ? (unsigned)(ip[4] << 8 | ip[5]) : (unsigned)(ip[2] << 8 | ip[3]) - 20;
    uint32_t pseudo = 6 + len + ethernet_ip_sum(v6 ? ip + 8 : ip + 12, v6 ? 32 : 8, 0);

    return (v6 || ethernet_ip_sum(ip, 20, 0) == 0xffff) &&
           ethernet_ip_sum(ip + header, len, pseudo) == 0xffff;
}

static void segment(struct box *b, bool v6)
{
    unsigned header = v6 ? 74 : 54, data = 2500, mss = 1000, at = 0;
    uint8_t *f = ram(b, DATA);
    uint32_t sequence;
    uint16_t pseudo;

    make_tcp(f, v6, data, false);
    if (!v6)
        f[16] = f[17] = 0;
    sequence = __builtin_bswap32(ld_le32(f + header - 16));
    pseudo = v6 ? ethernet_ip_sum(f + 22, 32, 6) : ethernet_ip_sum(f + 26, 8, 6);
    f[header - 4] = (uint8_t)(pseudo >> 8);
    f[header - 3] = (uint8_t)pseudo;
    put_context(b, v6, v6 ? 5 : 7, header, mss, data);
    put_data(b, DATA, header, 4, v6 ? 2 : 3);
    put_data(b, DATA + header, 1700, 4, 0);
    put_data(b, DATA + header + 1700, 800, 1 | 2 | 4 | 8, 0);
    go(b);
    for (unsigned i = 0; i < 3; i++, at += mss) {
        struct net_frame *s = b->net.sent[i];
        unsigned n = i < 2 ? mss : 500;

        assert_int_equal(s->len, header + n);
        assert_memory_equal(s->data + header, f + header + at, n);
        assert_true(sums_are_right(s->data, v6));
        assert_int_equal(__builtin_bswap32(ld_le32(s->data + header - 16)), sequence + at);
        assert_int_equal(s->data[header - 7], i < 2 ? 0x10 : 0x19);
        if (!v6)
            assert_int_equal(s->data[19], i);
    }
}

static void segments(void **state)
{
    struct box *b = *state;

    segment(b, false);
    assert_int_equal(b->net.nsent, 3);
    assert_int_equal(get(b, TSCTC), 1);
    assert_int_equal(get(b, PTC1522), 2);
    assert_int_equal(get(b, PTC1023), 1);
    fakenet_clear(&b->net);
    segment(b, true);
    assert_int_equal(b->net.nsent, 3);
}

/* Without room the ring waits, in the middle of a frame, too, and over a save. */
static void waits_for_room(void **state)
{
    struct box *b = *state;

    fakenet_set_room(&b->net, 1);
    make_tcp(ram(b, DATA), false, 2500, false);
    put_context(b, false, 7, 54, 1000, 2500);
    put_data(b, DATA, 2554, 1 | 2 | 4 | 8, 3);
    go(b);
    assert_int_equal(b->net.nsent, 1);
    assert_int_equal(get(b, TDH), 1);
    rig_round_trip(&b->r, &b->nic.pci.dev);
    fakenet_set_room(&b->net, 1);
    assert_int_equal(b->net.nsent, 2);
    fakenet_set_room(&b->net, 1);
    assert_int_equal(b->net.nsent, 3);
    assert_int_equal(b->net.sent[2]->len, 554);
    assert_int_equal(get(b, TDH), 2);
    assert_int_equal(ram(b, TX_RING + 28)[0] & 1, 1);
}

static void receives(void **state)
{
    struct box *b = *state;
    uint8_t f[1514];
    const uint8_t *d = rx_descriptor(b, 0);

    make_frame(f, sizeof(f), 0x1234);
    put(b, IMS, RXT0);
    get(b, ICR);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_true(interrupts(b));
    assert_memory_equal(ram(b, BUFFERS), f, sizeof(f));
    assert_int_equal(ld_le16(d + 8), 1514);
    assert_int_equal(d[12], 1 | 2 | 4);
    assert_int_equal(d[13], 0);
    assert_int_equal(ld_le16(d + 10), ethernet_ip_sum(f, sizeof(f), 0));
    assert_int_equal(get(b, ICR), RXT0);
    assert_int_equal(get(b, GPRC), 1);
    put(b, RCTL, 2 | 1 << 15 | 3 << 16); /* buffers of 256 bytes, and the FCS */
    assert_true(fakenet_offer(&b->net, f, 600));
    assert_int_equal(ld_le16(rx_descriptor(b, 1) + 8), 256);
    assert_int_equal(rx_descriptor(b, 1)[12], 1);
    assert_int_equal(ld_le16(rx_descriptor(b, 3) + 8), 604 - 512);
    assert_int_equal(rx_descriptor(b, 3)[12] & 3, 3);
    assert_int_equal(ld_le32(ram(b, BUFFERS + 3 * 0x800 + 600 - 512)), ethernet_fcs(f, 600));
}

static void no_room(void **state)
{
    struct box *b = *state;
    uint8_t f[60];
    unsigned readies;

    make_frame(f, sizeof(f), 0x1234);
    put(b, RDT, 2);
    get(b, ICR);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(get(b, ICR), RXT0);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_false(fakenet_offer(&b->net, f, sizeof(f)));
    readies = b->net.readies;
    put(b, RDT, 12);
    assert_true(b->net.readies > readies);
    get(b, ICR);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(get(b, ICR) & RXDMT0, 0); /* 9 are left */
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(get(b, ICR) & RXDMT0, RXDMT0); /* half of 16 */
    put(b, RDLEN, 0);
    assert_true(fakenet_offer(&b->net, f, sizeof(f))); /* will never fit: lost */
}

static void filters(void **state)
{
    static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
    static const uint8_t other[6] = {2, 0, 0, 0, 0, 9};
    static const uint8_t group[6] = {1, 0, 0x5e, 0, 0x12, 0x34};
    struct box *b = *state;

    assert_true(offered(b, mac));
    assert_true(offered(b, all));
    assert_false(offered(b, other));
    assert_false(offered(b, group));
    put(b, MTA + 4 * (0x341 >> 5), 1u << (0x341 & 31)); /* bits 47:36 are 341 */
    assert_true(offered(b, group));
    put(b, RCTL, get(b, RCTL) | 3 << 12); /* bits 43:32: 412 */
    assert_false(offered(b, group));
    put(b, MTA + 4 * (0x412 >> 5), 1u << (0x412 & 31));
    assert_true(offered(b, group));
    put(b, RCTL, 2 | 8); /* promiscuous, no broadcasts */
    assert_true(offered(b, other));
    assert_false(offered(b, all));
    put(b, RCTL, 2 | 0x10);
    assert_true(offered(b, group));
    assert_false(offered(b, other));
    put(b, RAL + 8, ld_le32(other));
    put(b, RAL + 12, 0x80000000 | ld_le16(other + 4));
    assert_true(offered(b, other));
    put(b, RCTL, 0);
    assert_false(offered(b, mac));
}

static void long_frames(void **state)
{
    struct box *b = *state;
    uint8_t f[9000];

    make_frame(f, sizeof(f), 0x1234);
    assert_true(fakenet_offer(&b->net, f, 1519));
    assert_int_equal(get(b, RDH), 0);
    assert_int_equal(get(b, 0x40ac), 1);
    put(b, RCTL, 2 | 1 << 5 | 1 << 26);
    assert_true(fakenet_offer(&b->net, f, 9000));
    assert_int_equal(get(b, RDH), 5);
    assert_memory_equal(ram(b, BUFFERS), f, 9000); /* the buffers are one behind the other */
}

static void vlan(void **state)
{
    struct box *b = *state;
    uint8_t f[100];

    make_frame(f, sizeof(f), 0x8100);
    f[14] = 0x61;
    f[15] = 0x23;
    put(b, RCTL, get(b, RCTL) | 1 << 18);
    put(b, CTRL, get(b, CTRL) | 1u << 30);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(get(b, RDH), 0);
    put(b, VFTA + 4 * (0x123 >> 5), 1u << (0x123 & 31));
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(get(b, RDH), 1);
    assert_int_equal(ld_le16(rx_descriptor(b, 0) + 8), 96);
    assert_int_equal(rx_descriptor(b, 0)[12] & 8, 8);
    assert_int_equal(ld_le16(rx_descriptor(b, 0) + 14), 0x6123);
    assert_memory_equal(ram(b, BUFFERS + 12), f + 16, 84);
}

static void checks_sums(void **state)
{
    struct box *b = *state;
    uint8_t f[200];

    put(b, RXCSUM, 0x300);
    for (unsigned i = 0; i < 4; i++) {
        size_t len = make_tcp(f, i & 1, 100, true);

        f[len - 1] ^= i & 2 ? 1 : 0;
        assert_true(fakenet_offer(&b->net, f, len));
        assert_int_equal(rx_descriptor(b, i)[12], 3 | 0x20 | (i & 1 ? 0 : 0x40));
        assert_int_equal(rx_descriptor(b, i)[13], i & 2 ? 0x20 : 0);
    }
    make_tcp(f, false, 100, true);
    f[15] ^= 1;
    assert_true(fakenet_offer(&b->net, f, 154));
    assert_int_equal(rx_descriptor(b, 4)[13], 0x40);
    put(b, RXCSUM, 0);
    assert_true(fakenet_offer(&b->net, f, 154));
    assert_int_equal(rx_descriptor(b, 5)[12], 7);
}

static void delays(void **state)
{
    struct box *b = *state;
    uint8_t f[60];

    make_frame(f, sizeof(f), 0x1234);
    put(b, RDTR, 100);
    put(b, RADV, 150);
    get(b, ICR);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    rig_pass(&b->r, 99 * 1024);
    assert_int_equal(get(b, ICR), 0);
    assert_true(fakenet_offer(&b->net, f, sizeof(f))); /* another 100, but 150 at most */
    rig_pass(&b->r, 50 * 1024);
    assert_int_equal(get(b, ICR), 0);
    rig_pass(&b->r, 2 * 1024);
    assert_int_equal(get(b, ICR), RXT0);
    rig_pass(&b->r, NS_PER_SEC);
    assert_int_equal(get(b, ICR), 0);
    put(b, TIDV, 10);
    put_legacy(b, DATA, 60, 0, 1 | 2 | 8 | 0x80, 0, 0);
    go(b);
    assert_int_equal(get(b, ICR) & TXDW, 0);
    rig_pass(&b->r, 11 * 1024);
    assert_int_equal(get(b, ICR) & TXDW, TXDW);
}

static void throttle(void **state)
{
    struct box *b = *state;

    put(b, ITR, 1000);
    put(b, IMS, RXT0);
    put(b, ICS, RXT0);
    assert_true(interrupts(b));
    get(b, ICR);
    put(b, ICS, RXT0);
    assert_false(interrupts(b));
    rig_pass(&b->r, 255999);
    assert_false(interrupts(b));
    rig_pass(&b->r, 1);
    assert_true(interrupts(b));
    put(b, IMC, RXT0);
    assert_false(interrupts(b));
    assert_int_equal(get(b, IMS), 0);
}

static void loopback(void **state)
{
    struct box *b = *state;

    make_frame(ram(b, DATA), 200, 0x1234);
    put(b, MDIC, 1u << 26 | 1 << 21 | 0x4140);
    put_legacy(b, DATA, 200, 0, 1 | 2, 0, 0);
    go(b);
    assert_int_equal(b->net.nsent, 0);
    assert_int_equal(get(b, RDH), 1);
    assert_memory_equal(ram(b, BUFFERS), ram(b, DATA), 200);
}

/* Rings outside themselves, on our own registers, without length; frames without an end. */
static void hostile(void **state)
{
    struct box *b = *state;

    put(b, TDT, 5000);
    assert_int_equal(get(b, TDH), 0);
    put(b, TDLEN, 0);
    put(b, TDT, 1);
    put(b, TDLEN, 0xfffff);
    put(b, TDBAL, BAR + TDBAL);
    put(b, TDT, 0xfffe);
    rig_pass(&b->r, NS_PER_SEC / 100);
    start(b);
    put_context(b, false, 7, 200, 0, 0xfffff); /* segments of nothing */
    put_data(b, 0, 0xfffff, 1 | 4, 3);
    put_data(b, 0, 0xfffff, 0, 0); /* too long */
    put_data(b, 0, 0xfffff, 1, 3);
    put_context(b, false, 7, 255, 0xffff, 0); /* larger than a frame */
    put_data(b, 0, 0xfffff, 1 | 4, 3);
    put_descriptor(b, 0, 0x20f00000); /* no such type */
    go(b);
    assert_int_equal(b->net.nsent, 0);
    assert_int_equal(get(b, TDH), b->tail);
    put_context(b, false, 7, 54, 1, 0xfffff); /* many: not all at once */
    put_data(b, 0, 0xfffff, 1 | 4, 0);
    go(b);
    assert_true(b->net.nsent > 1000 && b->net.nsent < 50000);
    rig_round_trip(&b->r, &b->nic.pci.dev);
    rig_pass(&b->r, NS_PER_SEC);
    assert_int_equal(b->net.nsent, 0xfffff - 54);
}

/* Without bus mastering nothing moves. */
static void not_master(void **state)
{
    struct box *b = *state;

    make_frame(ram(b, DATA), 100, 0x1234);
    pci_config_write(&b->bus, DEVFN, PCI_COMMAND, 3, 2);
    put_legacy(b, DATA, 60, 0, 3, 0, 0);
    go(b);
    assert_int_equal(b->net.nsent, 0);
    assert_false(offered(b, mac));
    pci_config_write(&b->bus, DEVFN, PCI_COMMAND, 7, 2);
    assert_int_equal(b->net.nsent, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(identity),     T(io_space),     T(eeprom),
        T(phy_and_link), T(sends_legacy), T(tags_and_legacy_sum),
        T(inserts_sums), T(segments),     T(waits_for_room),
        T(receives),     T(no_room),      T(filters),
        T(long_frames),  T(vlan),         T(checks_sums),
        T(delays),       T(throttle),     T(loopback),
        T(hostile),      T(not_master),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
