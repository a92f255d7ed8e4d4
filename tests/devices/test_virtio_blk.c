/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio disk over PCI as drivers use it: through the modern and the legacy interface, with MSI-X
 * and INTx; chains that break the rules. */
#include <string.h>

#include "base/bits.h"
#include "devices/virtio/virtio_blk.h"
#include "tests/devices/fakedisk.h"
#include "tests/devices/rig_pci.h"

#define LEGACY 0xc000u
#define MSIX   0xe0000000u
#define MODERN 0xe0004000u
#define DEVFN  PCI_DEVFN(3, 0)
#define DESC   0x4000u
#define AVAIL  0x5000u
#define USED   0x6000u
#define HEADER 0x10000u
#define STATUS 0x10100u
#define DATA   0x11000u
#define SIZE   (1u << 20)

struct box {
    struct rig r;
    struct region ram;
    struct pci_bus bus;
    struct virtio_blk blk;
    struct blockdev disk;
    unsigned messages[4];
    uint16_t avail, seen;
};

static void message(void *owner, uint64_t address, uint32_t data)
{
    struct box *b = owner;

    assert_int_equal(address, 0xfee00000);
    b->messages[data & 3]++;
}

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof(*b));
    const struct virtio_blk_config config = {
        .disk = &b->disk, .queues = 2, .pci = {.class = 0x0100, .msi = {message, b}}};

    rig_init(&b->r);
    rig_add_memory(&b->r, &b->ram);
    fake_init(&b->disk, SIZE);
    rig_add_pci(&b->r, &b->bus);
    virtio_blk_init(&b->blk, &b->r.m, "blk", &b->bus, DEVFN, &config);
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

    rig_end(&b->r);
    fake_free(&b->disk);
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

/* As 3.1.1 has it: reset, features, queues, go. */
static void start_modern(struct box *b, uint64_t features, bool msix)
{
    if (msix) {
        pci_config_write(&b->bus, DEVFN, 0x42, 0x8000, 2);
        for (unsigned n = 0; n < 3; n++) {
            put(b, MSIX + 16 * n, 0xfee00000, 4);
            put(b, MSIX + 16 * n + 8, n, 4);
            put(b, MSIX + 16 * n + 12, 0, 4);
        }
    }
    put(b, MODERN + 0x14, 0, 1);
    put(b, AVAIL + 2, 0, 2);
    put(b, USED + 2, 0, 2);
    put(b, MODERN + 0x14, 3, 1);
    for (unsigned i = 0; i < 2; i++) {
        put(b, MODERN + 0x08, i, 4);
        put(b, MODERN + 0x0c, features >> 32 * i, 4);
    }
    put(b, MODERN + 0x14, 11, 1);
    assert_int_equal(get(b, MODERN + 0x14, 1), 11);
    put(b, MODERN + 0x10, 0, 2);
    put(b, MODERN + 0x16, 0, 2);
    put(b, MODERN + 0x18, 8, 2);
    put(b, MODERN + 0x1a, 1, 2);
    put(b, MODERN + 0x20, DESC, 4);
    put(b, MODERN + 0x28, AVAIL, 4);
    put(b, MODERN + 0x30, USED, 4);
    put(b, MODERN + 0x1c, 1, 2);
    put(b, MODERN + 0x14, 15, 1);
    b->avail = b->seen = 0;
}

static void descriptor(struct box *b, unsigned n, uint64_t at, uint32_t length, uint16_t flags,
                       uint16_t next)
{
    put(b, DESC + 16 * n, at, 8);
    put(b, DESC + 16 * n + 8, length, 4);
    put(b, DESC + 16 * n + 12, flags, 2);
    put(b, DESC + 16 * n + 14, next, 2);
}

static void notify(struct box *b, uint16_t head)
{
    put(b, AVAIL + 4 + 2 * (b->avail % 8), head, 2);
    put(b, AVAIL + 2, ++b->avail, 2);
    put(b, MODERN + 0x3000, 0, 2);
}

static void header(struct box *b, uint32_t type, uint64_t sector)
{
    put(b, HEADER, type, 8);
    put(b, HEADER + 8, sector, 8);
    put(b, STATUS, 0xee, 1);
}

/* Header, data of `length` bytes at DATA, status. Returns the status, after the device is done. */
static uint8_t request(struct box *b, uint32_t type, uint64_t sector, uint32_t length, bool write)
{
    header(b, type, sector);
    descriptor(b, 0, HEADER, 16, 1, length ? 1 : 2);
    descriptor(b, 1, DATA, length, write ? 1 : 3, 2);
    descriptor(b, 2, STATUS, 1, 2, 0);
    notify(b, 0);
    rig_pass(&b->r, 1000000);
    assert_int_equal(get(b, USED + 2, 2), (uint16_t)(b->seen + 1));
    assert_int_equal(get(b, USED + 4 + 8 * (b->seen % 8), 4), 0);
    b->seen++;
    return get(b, STATUS, 1);
}

static void identity(void **state)
{
    struct box *b = *state;
    unsigned cap = pci_config_read(&b->bus, DEVFN, PCI_CAPABILITY_LIST, 1), seen = 0;

    assert_int_equal(pci_config_read(&b->bus, DEVFN, 0, 4), 0x10011af4);
    assert_int_equal(pci_config_read(&b->bus, DEVFN, PCI_SUBSYSTEM_ID, 2), VIRTIO_ID_BLOCK);
    for (unsigned i = 0; cap && i < 10; i++) {
        if (pci_config_read(&b->bus, DEVFN, cap, 1) == 9)
            seen |= 1u << pci_config_read(&b->bus, DEVFN, cap + 3, 1);
        cap = pci_config_read(&b->bus, DEVFN, cap + 1, 1);
    }
    assert_int_equal(seen, 0x3e); /* all five kinds */
    assert_int_equal(get(b, MODERN + 0x2000, 4), SIZE / 512);
    assert_int_equal(get(b, MODERN + 0x12, 2), 2); /* queues */
}

static void modern(void **state)
{
    struct box *b = *state;

    start_modern(b, VIRTIO_F_VERSION_1 | 1 << 9, true);
    assert_int_equal(request(b, 0, 3, 2048, false), 0);
    assert_memory_equal(b->r.m.arena.host + DATA, b->disk.data + 3 * 512, 2048);
    assert_int_equal(get(b, USED + 8, 4), 2049);
    assert_int_equal(b->messages[1], 1);
    memset(b->r.m.arena.host + DATA, 0x5a, 1024);
    assert_int_equal(request(b, 1, 100, 1024, true), 0);
    assert_memory_equal(b->r.m.arena.host + DATA, b->disk.data + 100 * 512, 1024);
    assert_int_equal(b->disk.fuas, 0);
    assert_int_equal(request(b, 4, 0, 0, false), 0);
    assert_int_equal(b->disk.flushes, 1);
    assert_false(b->r.level[2] || b->r.level[1] || b->r.level[0] || b->r.level[3]);
    rig_round_trip(&b->r, &b->blk.bus.pci.dev);
    assert_int_equal(request(b, 0, 3, 512, false), 0);
}

static void other_requests(void **state)
{
    struct box *b = *state;
    uint64_t range[2] = {64, 8};

    b->disk.serial = "SERIAL-1";
    start_modern(b, VIRTIO_F_VERSION_1 | 1 << 13 | 1 << 14, false);
    assert_int_equal(request(b, 8, 0, 20, false), 0);
    assert_memory_equal(b->r.m.arena.host + DATA, "SERIAL-1\0\0", 10);
    memcpy(b->r.m.arena.host + DATA, range, 16);
    assert_int_equal(request(b, 11, 0, 16, true), 0);
    assert_int_equal(b->disk.discards, 1);
    assert_int_equal(request(b, 13, 0, 16, true), 0);
    assert_int_equal(b->disk.zeroes, 1);
    range[1] = SIZE;
    memcpy(b->r.m.arena.host + DATA, range, 16);
    assert_int_equal(request(b, 11, 0, 16, true), 1);
    assert_int_equal(request(b, 99, 0, 16, true), 2); /* no such request */
    assert_int_equal(request(b, 0, SIZE / 512, 512, false), 1);
    assert_int_equal(request(b, 0, 0, 100, false), 1); /* not sectors */
    b->disk.bad_length = 1;
    assert_int_equal(request(b, 0, 0, 512, false), 1);
    assert_int_equal(request(b, 1, 9, 512, true), 0);
    assert_int_equal(b->disk.fuas, 1); /* no flush was agreed upon: writes are safe when done */
}

/* The register file of 4.1.4.10, INTx. */
static void legacy(void **state)
{
    struct box *b = *state;
    struct address_space *io = &b->r.m.io;
    uint64_t avail = DESC + 16 * 256, used = DESC + 0x2000;

    assert_int_equal(address_space_read(io, LEGACY + 12, 2), 256);
    address_space_write(io, LEGACY + 18, 3, 1);
    address_space_write(io, LEGACY + 4, 0, 4);
    address_space_write(io, LEGACY + 8, DESC / 4096, 4);
    address_space_write(io, LEGACY + 18, 7, 1);
    assert_int_equal(address_space_read(io, LEGACY + 20, 4), SIZE / 512);
    header(b, 0, 1);
    descriptor(b, 0, HEADER, 16, 1, 1);
    descriptor(b, 1, DATA, 512, 3, 2);
    descriptor(b, 2, STATUS, 1, 2, 0);
    put(b, avail + 4, 0, 2);
    put(b, avail + 2, 1, 2);
    address_space_write(io, LEGACY + 16, 0, 2);
    rig_pass(&b->r, 1000000);
    assert_int_equal(get(b, used + 2, 2), 1);
    assert_int_equal(get(b, STATUS, 1), 0);
    assert_memory_equal(b->r.m.arena.host + DATA, b->disk.data + 512, 512);
    assert_true(b->r.level[pci_pirq_of(DEVFN, 1)]);
    assert_int_equal(address_space_read(io, LEGACY + 19, 1), 1);
    assert_false(b->r.level[pci_pirq_of(DEVFN, 1)]);
    assert_int_equal(address_space_read(io, LEGACY + 19, 1), 0);
}

/* What an engine that keeps the notifications is told of them. */
static void kicks(void **state)
{
    struct box *b = *state;
    const struct region *modern = &b->blk.bus.modern, *old = &b->blk.bus.legacy;

    assert_int_equal(modern->nkicks, 2);
    assert_int_equal(old->nkicks, 2);
    for (unsigned n = 0; n < 2; n++) {
        assert_int_equal(modern->kicks[n].offset, 0x3000 + 4 * n);
        assert_int_equal(modern->kicks[n].size, 2);
        assert_true(modern->kicks[n].any_value);
        assert_int_equal(old->kicks[n].offset, 16);
        assert_int_equal(old->kicks[n].size, 2);
        assert_int_equal(old->kicks[n].value, n);
        assert_false(old->kicks[n].any_value);
    }
    start_modern(b, VIRTIO_F_VERSION_1, false);
    header(b, 0, 7);
    descriptor(b, 0, HEADER, 16, 1, 1);
    descriptor(b, 1, DATA, 512, 3, 2);
    descriptor(b, 2, STATUS, 1, 2, 0);
    put(b, AVAIL + 4, 0, 2);
    put(b, AVAIL + 2, 1, 2);
    for (unsigned n = 0; n < 2; n++) { /* one too many */
        modern->ops->write(modern->opaque, modern->kicks[0].offset, modern->kicks[0].value,
                           modern->kicks[0].size);
        rig_pass(&b->r, 1000000);
        assert_int_equal(get(b, USED + 2, 2), 1);
    }
    assert_int_equal(get(b, STATUS, 1), 0);
    assert_memory_equal(b->r.m.arena.host + DATA, b->disk.data + 7 * 512, 512);
}

static void indirect(void **state)
{
    struct box *b = *state;

    start_modern(b, VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC, false);
    header(b, 0, 7);
    descriptor(b, 4, HEADER, 16, 1, 1); /* a table of three at descriptor 4 */
    descriptor(b, 5, DATA, 512, 3, 2);
    descriptor(b, 6, STATUS, 1, 2, 0);
    descriptor(b, 0, DESC + 64, 48, 4, 0);
    notify(b, 0);
    rig_pass(&b->r, 1000000);
    assert_int_equal(get(b, STATUS, 1), 0);
    assert_memory_equal(b->r.m.arena.host + DATA, b->disk.data + 7 * 512, 512);
}

/* The guest says at which index it wants to hear of the ring (2.7.7.2). */
static void event_index(void **state)
{
    struct box *b = *state;

    start_modern(b, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX, true);
    put(b, AVAIL + 4 + 2 * 8, 2, 2);
    request(b, 0, 0, 512, false);
    unsigned first = b->messages[1];
    request(b, 0, 0, 512, false);
    assert_int_equal(b->messages[1], first);
    request(b, 0, 0, 512, false);
    assert_int_equal(b->messages[1], first + 1);
    assert_int_equal(get(b, USED + 4 + 8 * 8, 2), 3); /* avail_event */
}

static void masked_vector(void **state)
{
    struct box *b = *state;

    start_modern(b, VIRTIO_F_VERSION_1, true);
    put(b, MSIX + 16 + 12, 1, 4);
    request(b, 0, 0, 512, false);
    assert_int_equal(b->messages[1], 0);
    assert_int_equal(get(b, MSIX + 0x800, 4), 2);
    rig_round_trip(&b->r, &b->blk.bus.pci.dev);
    put(b, MSIX + 16 + 12, 0, 4);
    assert_int_equal(b->messages[1], 1);
    assert_int_equal(get(b, MSIX + 0x800, 4), 0);
    b->disk.events.medium_changed(b->disk.events.opaque);
    assert_int_equal(b->messages[0], 1);
}

static void expect_broken(struct box *b)
{
    rig_pass(&b->r, 1000000);
    assert_int_equal(get(b, MODERN + 0x14, 1) & VIRTIO_NEEDS_RESET, VIRTIO_NEEDS_RESET);
}

static void broken_chains(void **state)
{
    struct box *b = *state;

    start_modern(b, VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC, false);
    descriptor(b, 0, HEADER, 16, 1, 0); /* a loop */
    notify(b, 0);
    expect_broken(b);
    notify(b, 0); /* nothing more is taken */
    assert_int_equal(get(b, USED + 2, 2), 0);
    start_modern(b, VIRTIO_F_VERSION_1, false);
    notify(b, 8); /* no such descriptor */
    expect_broken(b);
    start_modern(b, VIRTIO_F_VERSION_1, false);
    descriptor(b, 0, STATUS, 1, 3, 1);
    descriptor(b, 1, HEADER, 16, 0, 0); /* out after in */
    notify(b, 0);
    expect_broken(b);
    start_modern(b, VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC, false);
    descriptor(b, 0, DESC, 16, 4, 0); /* indirect in indirect */
    notify(b, 0);
    expect_broken(b);
    start_modern(b, VIRTIO_F_VERSION_1, false);
    put(b, AVAIL + 2, 100, 2); /* more than there is room for */
    put(b, MODERN + 0x3000, 0, 2);
    expect_broken(b);
    start_modern(b, VIRTIO_F_VERSION_1, false);
    descriptor(b, 0, HEADER, 8, 0, 0); /* half a header */
    notify(b, 0);
    expect_broken(b);
    start_modern(b, VIRTIO_F_VERSION_1, false);
    assert_int_equal(request(b, 0, 0, 512, false), 0);
}

static void refused_features(void **state)
{
    struct box *b = *state;

    put(b, MODERN + 0x14, 3, 1);
    put(b, MODERN + 0x08, 1, 4);
    put(b, MODERN + 0x0c, 1 << 5, 4); /* bit 37, which is not offered */
    put(b, MODERN + 0x14, 11, 1);
    assert_int_equal(get(b, MODERN + 0x14, 1), 3);
}

/* The window of configuration space reads and writes what the BAR has. */
static void window(void **state)
{
    struct box *b = *state;

    pci_config_write(&b->bus, DEVFN, 0x98 + 4, 4, 1);
    pci_config_write(&b->bus, DEVFN, 0x98 + 8, 0x2000, 4);
    pci_config_write(&b->bus, DEVFN, 0x98 + 12, 4, 4);
    assert_int_equal(pci_config_read(&b->bus, DEVFN, 0x98 + 16, 4), SIZE / 512);
    pci_config_write(&b->bus, DEVFN, 0x98 + 8, 0x14, 4);
    pci_config_write(&b->bus, DEVFN, 0x98 + 12, 1, 4);
    pci_config_write(&b->bus, DEVFN, 0x98 + 16, 1, 1);
    assert_int_equal(get(b, MODERN + 0x14, 1), 1);
    pci_config_write(&b->bus, DEVFN, 0x98 + 8, 0xffffffff, 4);
    pci_config_read(&b->bus, DEVFN, 0x98 + 16, 4);
}

static void reset_under_way(void **state)
{
    struct box *b = *state;

    start_modern(b, VIRTIO_F_VERSION_1, false);
    header(b, 0, 7);
    descriptor(b, 0, HEADER, 16, 1, 1);
    descriptor(b, 1, DATA, 512, 3, 2);
    descriptor(b, 2, STATUS, 1, 2, 0);
    notify(b, 0);
    assert_int_equal(b->disk.in_flight, 1);
    put(b, MODERN + 0x14, 0, 1);
    assert_int_equal(b->disk.in_flight, 0);
    assert_int_equal(get(b, MODERN + 0x14, 1), 0);
    assert_int_equal(get(b, MODERN + 0x1c, 2), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(identity),         TEST(modern),      TEST(other_requests),  TEST(legacy),
        TEST(indirect),         TEST(event_index), TEST(masked_vector),   TEST(broken_chains),
        TEST(refused_features), TEST(window),      TEST(reset_under_way), TEST(kicks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
