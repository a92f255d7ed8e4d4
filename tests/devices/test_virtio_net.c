/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio network card over PCI as drivers use it: both interfaces, offloads, mergeable buffers,
 * back pressure both ways, filters, several queues, the link. */
#include <string.h>

#include "base/bits.h"
#include "devices/net/virtio_net.h"
#include "tests/devices/fakenet.h"
#include "tests/devices/rig_pci.h"

#define LEGACY 0xc000u
#define MSIX   0xe0000000u
#define MODERN 0xe0004000u
#define DEVFN  PCI_DEVFN(3, 0)
/* Queue n: descriptors, rings and 8 buffers of its own. */
#define QUEUE(n)     (0x10000u + 0x8000u * (n))
#define AVAIL(n)     (QUEUE(n) + 0x1000)
#define USED(n)      (QUEUE(n) + 0x2000)
#define BUFFER(n, i) (QUEUE(n) + 0x3000 + 0x800 * (i))
#define RING         8u

#define CSUM       (1ull << 0)
#define GUEST_CSUM (1ull << 1)
#define CTRL_OFF   (1ull << 2)
#define GUEST_TSO4 (1ull << 7)
#define HOST_TSO4  (1ull << 11)
#define MRG        (1ull << 15)
#define STATUS     (1ull << 16)
#define CTRL_VQ    (1ull << 17)
#define CTRL_RX    (1ull << 18)
#define CTRL_VLAN  (1ull << 19)
#define MQ         (1ull << 22)
#define CTRL_MAC   (1ull << 23)

static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

struct box {
    struct rig r;
    struct region ram;
    struct pci_bus bus;
    struct virtio_net nic;
    struct netdev net;
    unsigned messages[8];
    uint16_t avail[8];
};

static void message(void *owner, uint64_t address, uint32_t data)
{
    (void)address;
    ((struct box *)owner)->messages[data & 7]++;
}

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof(*b));
    struct virtio_net_config config = {.pairs = 2, .pci = {.class = 0x0200, .msi = {message, b}}};

    memcpy(config.nic.mac, mac, 6);
    config.nic.netdev = &b->net;
    rig_init(&b->r);
    rig_add_memory(&b->r, &b->ram);
    rig_add_pci(&b->r, &b->bus);
    virtio_net_init(&b->nic, &b->r.m, "nic", &b->bus, DEVFN, &config);
    pci_config_write(&b->bus, DEVFN, PCI_BASE_ADDRESS_0, LEGACY, 4);
    pci_config_write(&b->bus, DEVFN, PCI_BASE_ADDRESS_0 + 4, MSIX, 4);
    pci_config_write(&b->bus, DEVFN, PCI_BASE_ADDRESS_0 + 16, MODERN, 4);
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

static uint64_t get(struct box *b, uint64_t at, unsigned size)
{
    return address_space_read(&b->r.m.mem, at, size);
}

static void put(struct box *b, uint64_t at, uint64_t value, unsigned size)
{
    address_space_write(&b->r.m.mem, at, value, size);
}

static uint8_t *ram(struct box *b, uint64_t at)
{
    return b->r.m.arena.host + at;
}

static void start_msix(struct box *b)
{
    pci_config_write(&b->bus, DEVFN, 0x42, 0x8000, 2);
    for (unsigned n = 0; n < 6; n++) {
        put(b, MSIX + 16 * n, 0xfee00000, 4);
        put(b, MSIX + 16 * n + 8, n, 4);
        put(b, MSIX + 16 * n + 12, 0, 4);
    }
}

/* Reset, features, five queues, go (3.1.1). Vector n + 1 is queue n's. */
static void start(struct box *b, uint64_t features)
{
    features |= VIRTIO_F_VERSION_1;
    start_msix(b);
    put(b, MODERN + 0x14, 0, 1);
    put(b, MODERN + 0x14, 3, 1);
    for (unsigned i = 0; i < 2; i++) {
        put(b, MODERN + 0x08, i, 4);
        put(b, MODERN + 0x0c, features >> 32 * i, 4);
    }
    put(b, MODERN + 0x14, 11, 1);
    assert_int_equal(get(b, MODERN + 0x14, 1), 11);
    put(b, MODERN + 0x10, 0, 2);
    for (unsigned n = 0; n < 5; n++) {
        put(b, MODERN + 0x16, n, 2);
        put(b, MODERN + 0x18, RING, 2);
        put(b, MODERN + 0x1a, n + 1, 2);
        put(b, MODERN + 0x20, QUEUE(n), 4);
        put(b, MODERN + 0x28, AVAIL(n), 4);
        put(b, MODERN + 0x30, USED(n), 4);
        put(b, MODERN + 0x1c, 1, 2);
        put(b, AVAIL(n), 0, 4);
        put(b, USED(n), 0, 4);
        b->avail[n] = 0;
    }
    put(b, MODERN + 0x14, 15, 1);
}

/* Makes buffer i of the queue available, of `len` bytes. */
static void give(struct box *b, unsigned n, unsigned i, uint32_t len, bool in)
{
    uint64_t d = QUEUE(n) + 16 * i;

    put(b, d, BUFFER(n, i), 8);
    put(b, d + 8, len, 4);
    put(b, d + 12, in ? 2 : 0, 4);
    put(b, AVAIL(n) + 4 + 2 * (b->avail[n] % RING), i, 2);
    put(b, AVAIL(n) + 2, ++b->avail[n], 2);
}

static void kick(struct box *b, unsigned n)
{
    put(b, MODERN + 0x3000 + 4 * n, n, 2);
}

static unsigned used(struct box *b, unsigned n)
{
    return (unsigned)get(b, USED(n) + 2, 2);
}

/* A frame for us, with bytes that tell where they are. */
static void make_frame(uint8_t *f, size_t len)
{
    for (size_t i = 0; i < len; i++)
        f[i] = (uint8_t)(i * 7 + i / 256);
    memcpy(f, mac, 6);
    f[6] = 2;
    f[12] = 0x12;
    f[13] = 0x34;
}

/* Sends `len` bytes with a header from buffer 0 of queue n. */
static void send(struct box *b, unsigned n, const uint8_t header[12], size_t len)
{
    memcpy(ram(b, BUFFER(n, 0)), header, 12);
    make_frame(ram(b, BUFFER(n, 0) + 12), len);
    give(b, n, 0, (uint32_t)(12 + len), false);
    kick(b, n);
}

/* Class, command and data; the answer. */
static unsigned command(struct box *b, unsigned queue, uint8_t class, uint8_t cmd, const void *data,
                        size_t len)
{
    uint8_t *out = ram(b, BUFFER(queue, 0));

    out[0] = class;
    out[1] = cmd;
    memcpy(out + 2, data, len);
    put(b, QUEUE(queue), BUFFER(queue, 0), 8);
    put(b, QUEUE(queue) + 8, 2 + len, 4);
    put(b, QUEUE(queue) + 12, 1 | 1 << 16, 4); /* and then 1: */
    put(b, QUEUE(queue) + 16, BUFFER(queue, 1), 8);
    put(b, QUEUE(queue) + 24, 1, 4);
    put(b, QUEUE(queue) + 28, 2, 4);
    put(b, BUFFER(queue, 1), 0xee, 1);
    put(b, AVAIL(queue) + 4 + 2 * (b->avail[queue] % RING), 0, 2);
    put(b, AVAIL(queue) + 2, ++b->avail[queue], 2);
    kick(b, queue);
    return (unsigned)get(b, BUFFER(queue, 1), 1);
}

static bool offered(struct box *b, uint8_t first_byte_of_destination)
{
    uint8_t f[60];
    unsigned before = used(b, 0);

    make_frame(f, sizeof(f));
    f[0] = first_byte_of_destination;
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    return used(b, 0) != before;
}

static void identity(void **state)
{
    struct box *b = *state;

    assert_int_equal(pci_config_read(&b->bus, DEVFN, 0, 4), 0x10001af4);
    assert_int_equal(pci_config_read(&b->bus, DEVFN, PCI_SUBSYSTEM_ID, 2), VIRTIO_ID_NET);
    assert_int_equal(pci_config_read(&b->bus, DEVFN, PCI_CLASS_DEVICE, 2), 0x0200);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(get(b, MODERN + 0x2000 + i, 1), mac[i]);
    assert_int_equal(get(b, MODERN + 0x2006, 2), 1); /* link up */
    assert_int_equal(get(b, MODERN + 0x2008, 2), 2); /* pairs */
    assert_int_equal(get(b, MODERN + 0x12, 2), 5);   /* queues */
}

static void sends(void **state)
{
    static const uint8_t plain[12] = {0};
    struct box *b = *state;
    uint8_t want[100];

    start(b, 0);
    send(b, 1, plain, 100);
    assert_int_equal(b->net.nsent, 1);
    assert_int_equal(b->net.sent[0]->len, 100);
    make_frame(want, sizeof(want));
    assert_memory_equal(b->net.sent[0]->data, want, 100);
    assert_int_equal(used(b, 1), 1);
    assert_int_equal(b->messages[2], 1);
}

/* What was not negotiated is not passed on; what was, is. */
static void send_offloads(void **state)
{
    static const uint8_t gso[12] = {1, 1, 54, 0, 0x80, 2, 34, 0, 16, 0};
    struct box *b = *state;
    const struct net_header *h;

    start(b, 0);
    send(b, 1, gso, 200);
    h = &b->net.sent[0]->header;
    assert_true(h->flags == 0 && h->gso_type == 0);
    start(b, CSUM | HOST_TSO4);
    send(b, 1, gso, 200);
    h = &b->net.sent[1]->header;
    assert_int_equal(h->flags, NET_HEADER_NEEDS_CSUM);
    assert_int_equal(h->gso_type, NET_GSO_TCPV4);
    assert_int_equal(h->gso_size, 0x280);
    assert_int_equal(h->csum_start, 34);
    assert_int_equal(h->csum_offset, 16);
}

/* Without room frames stay in the ring until there is some. */
static void send_waits(void **state)
{
    static const uint8_t plain[12] = {0};
    struct box *b = *state;

    start(b, 0);
    fakenet_set_room(&b->net, 1);
    send(b, 1, plain, 60);
    send(b, 1, plain, 61);
    send(b, 1, plain, 62);
    assert_int_equal(b->net.nsent, 1);
    assert_int_equal(used(b, 1), 1);
    rig_round_trip(&b->r, &b->nic.bus.pci.dev);
    fakenet_set_room(&b->net, 5);
    assert_int_equal(b->net.nsent, 3);
    assert_int_equal(used(b, 1), 3);
}

static void receives(void **state)
{
    struct box *b = *state;
    uint8_t f[700];

    start(b, 0);
    make_frame(f, sizeof(f));
    assert_false(fakenet_offer(&b->net, f, sizeof(f))); /* no buffer yet */
    give(b, 0, 3, 0x800, true);
    kick(b, 0);
    assert_int_not_equal(b->net.readies, 0);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(used(b, 0), 1);
    assert_int_equal(get(b, USED(0) + 4, 4), 3);
    assert_int_equal(get(b, USED(0) + 8, 4), 12 + sizeof(f));
    assert_int_equal(get(b, BUFFER(0, 3) + 10, 2), 1); /* num_buffers */
    assert_memory_equal(ram(b, BUFFER(0, 3) + 12), f, sizeof(f));
    assert_int_equal(b->messages[1], 1);
    give(b, 0, 3, 100, true); /* too small: the frame is lost, the buffer is not */
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(used(b, 0), 1);
    assert_true(fakenet_offer(&b->net, f, 60));
    assert_int_equal(used(b, 0), 2);
}

static void merges(void **state)
{
    const struct net_header header = {.flags = 1,
                                      .gso_type = 1,
                                      .gso_size = 1000,
                                      .hdr_len = 54,
                                      .csum_start = 34,
                                      .csum_offset = 16};
    struct box *b = *state;
    uint8_t f[2500];

    start(b, MRG | GUEST_CSUM | GUEST_TSO4);
    assert_int_equal(b->net.offloads, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4);
    make_frame(f, sizeof(f));
    give(b, 0, 0, 1024, true);
    give(b, 0, 1, 1024, true);
    assert_false(fakenet_offer_header(&b->net, &header, f, sizeof(f)));
    assert_int_equal(used(b, 0), 0);
    give(b, 0, 2, 1024, true);
    assert_true(fakenet_offer_header(&b->net, &header, f, sizeof(f)));
    assert_int_equal(used(b, 0), 3);
    assert_int_equal(get(b, BUFFER(0, 0), 8), 0x002203e800360101);
    assert_int_equal(get(b, BUFFER(0, 0) + 8, 4), 3 << 16 | 16);
    assert_memory_equal(ram(b, BUFFER(0, 0) + 12), f, 1012);
    assert_memory_equal(ram(b, BUFFER(0, 1)), f + 1012, 1024);
    assert_memory_equal(ram(b, BUFFER(0, 2)), f + 2036, 464);
    assert_int_equal(get(b, USED(0) + 4 + 20, 4), 464);
    assert_int_equal(b->messages[1], 1); /* once for all */
}

static void filters(void **state)
{
    static const uint8_t one[1] = {1}, none[1] = {0};
    static const uint8_t table[14] = {0, 0, 0, 0, 1, 0, 0, 0, 0x53, 0x54, 0, 0x12, 0x34, 0x56};
    struct box *b = *state;

    start(b, CTRL_VQ | CTRL_RX);
    for (unsigned i = 0; i < RING; i++)
        give(b, 0, i, 0x800, true);
    assert_true(offered(b, 0x56)); /* until it is told the card takes all */
    assert_int_equal(command(b, 2, 0, 0, none, 1), 0);
    assert_false(offered(b, 0x56));
    assert_true(offered(b, 0x52));
    assert_false(offered(b, 0x53)); /* a group */
    assert_int_equal(command(b, 2, 1, 0, table, sizeof(table)), 0);
    assert_true(offered(b, 0x53));
    assert_false(offered(b, 0x55));
    assert_int_equal(command(b, 2, 0, 1, one, 1), 0); /* all groups */
    assert_true(offered(b, 0x55));
    rig_round_trip(&b->r, &b->nic.bus.pci.dev);
    assert_int_equal(command(b, 2, 0, 4, one, 1), 1);    /* RX_EXTRA was not negotiated */
    assert_int_equal(command(b, 2, 1, 0, table, 12), 1); /* cut off */
    assert_int_equal(command(b, 2, 99, 0, one, 1), 1);
    assert_int_equal(command(b, 2, 0, 0, one, 0), 1); /* without its byte */
}

static void vlans(void **state)
{
    static const uint8_t id[2] = {0x23, 0x01}, none[1] = {0}, beyond[2] = {0, 0x10};
    uint8_t f[60];
    struct box *b = *state;

    start(b, CTRL_VQ | CTRL_RX | CTRL_VLAN);
    for (unsigned i = 0; i < 4; i++)
        give(b, 0, i, 0x800, true);
    command(b, 2, 0, 0, none, 1);
    make_frame(f, sizeof(f));
    memcpy(f + 12, "\x81\x00\x61\x23", 4);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(used(b, 0), 0);
    assert_int_equal(command(b, 2, 2, 0, id, 2), 0);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(used(b, 0), 1);
    assert_int_equal(command(b, 2, 2, 1, id, 2), 0);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(used(b, 0), 1);
    assert_int_equal(command(b, 2, 2, 0, beyond, 2), 1);
}

static void addresses(void **state)
{
    static const uint8_t other[6] = {2, 3, 4, 5, 6, 7};
    struct box *b = *state;

    start(b, CTRL_VQ | CTRL_MAC);
    assert_int_equal(command(b, 2, 1, 1, other, 6), 0);
    assert_memory_equal(b->net.mac, other, 6);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(get(b, MODERN + 0x2000 + i, 1), other[i]);
    put(b, MODERN + 0x2000, 0xaa, 1); /* not this way (5.1.4) */
    assert_int_equal(get(b, MODERN + 0x2000, 1), 2);
    put(b, MODERN + 0x14, 0, 1);
    assert_memory_equal(b->net.mac, mac, 6);
}

/* A flow comes back where it was last sent. */
static void pairs(void **state)
{
    static const uint8_t two[2] = {2, 0}, three[2] = {3, 0};
    static const uint8_t ip[8] = {0x08, 0, 0x45};
    struct box *b = *state;
    uint8_t f[100];

    start(b, CTRL_VQ | MQ);
    assert_int_equal(command(b, 4, 4, 0, three, 2), 1);
    assert_int_equal(command(b, 4, 4, 0, two, 2), 0);
    give(b, 0, 0, 0x800, true);
    give(b, 2, 0, 0x800, true);
    make_frame(f, sizeof(f));
    memcpy(f + 12, ip, 3);
    f[14 + 9] = 6;
    memset(ram(b, BUFFER(3, 0)), 0, 12);
    memcpy(ram(b, BUFFER(3, 0) + 12), f, sizeof(f));
    give(b, 3, 0, 112, false);
    kick(b, 3);
    assert_int_equal(b->net.nsent, 1);
    memcpy(f + 26, (uint8_t[]){f[30], f[31], f[32], f[33], f[26], f[27], f[28], f[29]}, 8);
    memcpy(f + 34, (uint8_t[]){f[36], f[37], f[34], f[35]}, 4);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(used(b, 2), 1);
    f[34]++; /* another flow */
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(used(b, 0), 1);
    rig_round_trip(&b->r, &b->nic.bus.pci.dev);
}

static void offload_command(void **state)
{
    static const uint8_t none[8] = {0}, tso6[8] = {0, 1};
    struct box *b = *state;

    start(b, CTRL_VQ | CTRL_OFF | GUEST_CSUM | GUEST_TSO4);
    assert_int_equal(command(b, 2, 5, 0, none, 8), 0);
    assert_int_equal(b->net.offloads, 0);
    assert_int_equal(command(b, 2, 5, 0, tso6, 8), 1); /* not negotiated */
    start(b, GUEST_TSO4);                              /* needs GUEST_CSUM */
    assert_int_equal(b->net.offloads, 0);
}

static void link(void **state)
{
    static const uint8_t plain[12] = {0};
    struct box *b = *state;

    start(b, STATUS);
    fakenet_set_link(&b->net, false);
    assert_int_equal(get(b, MODERN + 0x2006, 2), 0);
    assert_int_equal(b->messages[0], 1);
    send(b, 1, plain, 60); /* goes nowhere, and does not stay */
    assert_int_equal(b->net.nsent, 0);
    assert_int_equal(used(b, 1), 1);
    fakenet_set_link(&b->net, true);
    assert_int_equal(get(b, MODERN + 0x2006, 2), 1);
}

/* The register file of 4.1.4.10: header of 10 bytes, INTx. */
static void legacy(void **state)
{
    struct box *b = *state;
    struct address_space *io = &b->r.m.io;
    uint64_t avail = 0x40000 + 16 * 256, used_ring = 0x40000 + 0x2000;
    uint8_t f[80];

    address_space_write(io, LEGACY + 18, 3, 1);
    address_space_write(io, LEGACY + 4, 0, 4);
    address_space_write(io, LEGACY + 14, 0, 2);
    address_space_write(io, LEGACY + 8, 0x40000 / 4096, 4);
    address_space_write(io, LEGACY + 18, 7, 1);
    assert_int_equal(address_space_read(io, LEGACY + 20, 1), 0x52);
    address_space_write(io, LEGACY + 25, 0x99, 1); /* the address may be written here */
    assert_int_equal(b->net.mac[5], 0x99);
    put(b, 0x40000, 0x50000, 8);
    put(b, 0x40008, 0x600, 4);
    put(b, 0x4000c, 2, 4);
    put(b, avail + 4, 0, 2);
    put(b, avail + 2, 1, 2);
    make_frame(f, sizeof(f));
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_int_equal(get(b, used_ring + 8, 4), 90);
    assert_memory_equal(ram(b, 0x5000a), f, sizeof(f));
    assert_true(b->r.level[pci_pirq_of(DEVFN, 1)]);
}

/* A card that is off hears nothing, and refuses nothing that it would never take. */
static void off(void **state)
{
    struct box *b = *state;
    uint8_t f[60];

    make_frame(f, sizeof(f));
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    start(b, 0);
    put(b, MODERN + 0x14, 0, 1);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
}

static void broken(void **state)
{
    struct box *b = *state;
    uint8_t f[60];

    make_frame(f, sizeof(f));
    start(b, 0);
    give(b, 1, 0, 11, false); /* half a header */
    kick(b, 1);
    assert_true(get(b, MODERN + 0x14, 1) & VIRTIO_NEEDS_RESET);
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    start(b, MRG);
    give(b, 0, 0, 12, true); /* no room for data */
    assert_true(fakenet_offer(&b->net, f, sizeof(f)));
    assert_true(get(b, MODERN + 0x14, 1) & VIRTIO_NEEDS_RESET);
    start(b, CTRL_VQ);
    give(b, 2, 0, 4, false); /* no room for the answer */
    kick(b, 2);
    assert_true(get(b, MODERN + 0x14, 1) & VIRTIO_NEEDS_RESET);
    start(b, 0);
    give(b, 1, 0, 0x80000000, false); /* longer than any frame */
    kick(b, 1);
    assert_int_equal(b->net.nsent, 0);
    assert_int_equal(used(b, 1), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(identity), TEST(sends),   TEST(send_offloads),   TEST(send_waits), TEST(receives),
        TEST(merges),   TEST(filters), TEST(vlans),           TEST(addresses),  TEST(pairs),
        TEST(link),     TEST(legacy),  TEST(offload_command), TEST(off),        TEST(broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
