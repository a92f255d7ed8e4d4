/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/misc/pci_testdev.h"

#include <stdio.h>
#include <string.h>

#include "vm/machine.h" /* struct machine */

/* QEMU's docs/specs/pci-testdev: a header of little-endian registers (test, width, offset, data,
 * count, name). A write to `test` starts that test; the guest then writes `data` in `width` bytes
 * at `offset`, and `count` says how often that was seen. Test numbers that do not exist stop: the
 * header reads as zeros, and width 0 tells the guest so.
 *
 * The tests bear the names of what QEMU has behind each (event file descriptors of KVM); here they
 * differ in what they accept: any data, or only the data they name. Not offered: BAR 2 (membar=).
 */

enum {
    HDR_TEST = 0,
    HDR_WIDTH = 1,
    HDR_OFFSET = 4,
    HDR_DATA = 8,
    HDR_COUNT = 12,
    HDR_NAME = 16,
    HDR_SIZE = 64,
    WIDTH = 1,
    MEM_HEADER = 2048, /* the tests' bytes begin behind it */
    IO_HEADER = 128,
};

struct test {
    const char *name;
    uint8_t data;
    bool match_data;
};

static const struct test tests[PCI_TESTDEV_TESTS] = {
    {"no-eventfd", 0xce, false},
    {"wildcard-eventfd", 0xce, false},
    {"datamatch-eventfd", 0xfa, true},
};

static uint32_t offset_of(const struct pci_testdev_bar *b)
{
    return b->header_size + b->test * WIDTH;
}

static void put32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* The header of the running test. */
static void build_header(const struct pci_testdev_bar *b, uint8_t h[HDR_SIZE])
{
    memset(h, 0, HDR_SIZE);
    if (b->test >= PCI_TESTDEV_TESTS)
        return;
    h[HDR_TEST] = b->test;
    h[HDR_WIDTH] = WIDTH;
    put32(h + HDR_OFFSET, offset_of(b));
    put32(h + HDR_DATA, tests[b->test].data);
    put32(h + HDR_COUNT, b->count);
    snprintf((char *)h + HDR_NAME, HDR_SIZE - HDR_NAME, "%s-%s", b->io ? "portio" : "mmio",
             tests[b->test].name);
}

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned size)
{
    uint8_t h[HDR_SIZE];
    uint64_t value = 0;

    build_header(opaque, h);
    for (unsigned i = 0; i < size && offset + i < HDR_SIZE; i++)
        value |= (uint64_t)h[offset + i] << 8 * i;
    return value;
}

static void bar_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct pci_testdev_bar *b = opaque;

    if (offset == HDR_TEST) {
        b->test = (uint8_t)(value < PCI_TESTDEV_TESTS ? value : PCI_TESTDEV_TESTS);
        b->count = 0;
        return;
    }
    if (b->test >= PCI_TESTDEV_TESTS || offset != offset_of(b) || size != WIDTH)
        return;
    if (!tests[b->test].match_data || value == tests[b->test].data)
        b->count++;
}

static void reset(struct device *dev)
{
    struct pci_testdev *t = (struct pci_testdev *)dev;

    pci_device_reset(&t->pci);
    for (unsigned i = 0; i < 2; i++) {
        t->bars[i].test = PCI_TESTDEV_TESTS;
        t->bars[i].count = 0;
    }
}

static bool post_load(struct device *dev, struct error *err)
{
    (void)err;
    pci_device_post_load((struct pci_device *)dev);
    return true;
}

static const struct state_field bar_fields[] = {
    STATE_U8_MAX(struct pci_testdev_bar, test, PCI_TESTDEV_TESTS),
    STATE_U32(struct pci_testdev_bar, count),
    STATE_FIELDS_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct pci_testdev, pci, 1, struct pci_device, pci_device_fields),
    STATE_STRUCTS(struct pci_testdev, bars, 2, struct pci_testdev_bar, bar_fields),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "pci-testdev", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

void pci_testdev_init(struct pci_testdev *t, struct machine *m, const char *id, struct pci_bus *bus,
                      uint8_t devfn, uint64_t membar)
{
    static const struct pci_ids ids = {.vendor = 0x1b36, .device = 0x0005, .class = 0x00ff};
    static const struct region_ops ops = {
        .read = bar_read, .write = bar_write, .min_size = 1, .max_size = 4};

    static const struct region_ops nothing = {.min_size = 1, .max_size = 8};

    memset(t, 0, sizeof(*t));
    t->bars[0] = (struct pci_testdev_bar){.header_size = MEM_HEADER};
    t->bars[1] = (struct pci_testdev_bar){.header_size = IO_HEADER, .io = true};
    pci_device_init(&t->pci, m, &class, id, bus, devfn, &ids);
    for (unsigned i = 0; i < 2; i++) {
        struct pci_testdev_bar *b = &t->bars[i];

        region_init_device(&b->region, "pci-testdev", 2 * b->header_size, &ops, b);
        pci_device_add_bar(&t->pci, i, b->io ? PCI_BAR_IO : PCI_BAR_MEM32, &b->region);
    }
    if (membar) {
        region_init_device(&t->membar, "pci-testdev-membar", membar, &nothing, t);
        pci_device_add_bar(&t->pci, 2, PCI_BAR_MEM64_PREF, &t->membar);
    }
    reset(&t->pci.dev);
}
