/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI-to-PCI bridges: two, one behind the other, and a card behind each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/error.h"
#include "devices/bus/pci_bridge.h"
#include "devices/bus/pci_msi.h"
#include "vm/machine.h"

#define CONTROL PCI_BRIDGE_CONTROL

struct card {
    struct pci_device pci;
    struct region mmio, ports;
    struct pci_msi msi;
    unsigned resets;
};

struct board {
    struct machine m;
    struct pci_bus bus;
    struct pci_bridge outer, inner; /* 00:05.0, and 03.0 behind it */
    struct card near, far;          /* 02.0 behind the outer, 01.0 behind the inner */
    bool pirq[4];
    unsigned messages;
};

static uint64_t card_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)size;
    return ((struct card *)opaque)->pci.devfn + offset;
}

static void card_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)opaque, (void)offset, (void)value, (void)size;
}

static void card_reset(struct device *dev)
{
    ((struct card *)dev)->resets++;
    pci_device_reset((struct pci_device *)dev);
}

static bool card_post_load(struct device *dev, struct error *err)
{
    (void)err;
    pci_device_post_load((struct pci_device *)dev);
    return true;
}

static const struct state_field card_fields[] = {
    STATE_STRUCTS(struct card, pci, 1, struct pci_device, pci_device_fields),
    STATE_FIELDS_END,
};
static const struct device_class card_class = {.type = "card",
                                               .version = 1,
                                               .fields = card_fields,
                                               .reset = card_reset,
                                               .post_load = card_post_load};

static void set_pirq(void *owner, unsigned n, bool level)
{
    ((struct board *)owner)->pirq[n] = level;
}

static void count_message(void *owner, uint64_t address, uint32_t data)
{
    (void)address, (void)data;
    ((struct board *)owner)->messages++;
}

static void add_card(struct board *b, struct card *c, const char *id, struct pci_bus *bus,
                     uint8_t devfn, uint8_t pin)
{
    static const struct region_ops ops = {
        .read = card_read, .write = card_write, .min_size = 1, .max_size = 4};
    const struct pci_ids ids = {
        .vendor = 0x1234, .device = 0x5678, .class = 0x0200, .interrupt_pin = pin};

    pci_device_init(&c->pci, &b->m, &card_class, id, bus, devfn, &ids);
    region_init_device(&c->mmio, "mmio", 0x1000, &ops, c);
    region_init_device(&c->ports, "ports", 0x20, &ops, c);
    pci_device_add_bar(&c->pci, 0, PCI_BAR_MEM32, &c->mmio);
    pci_device_add_bar(&c->pci, 1, PCI_BAR_IO, &c->ports);
    pci_msi_init(&c->msi, &c->pci, 0x60, (struct msi_sink){.send = count_message, .owner = b});
}

static int setup(void **state)
{
    struct board *b = calloc(1, sizeof(*b));

    assert_true(machine_init(&b->m, 2 << 20, 1 << 20, NULL));
    pci_bus_init(&b->bus, &b->m, "pci");
    for (unsigned n = 0; n < 4; n++)
        b->bus.pirq[n] = (struct irq_line){.set = set_pirq, .owner = b, .n = n};
    pci_bridge_init(&b->outer, &b->m, "outer", &b->bus, PCI_DEVFN(5, 0), 1);
    pci_bridge_init(&b->inner, &b->m, "inner", &b->outer.bus, PCI_DEVFN(3, 0), 2);
    add_card(b, &b->near, "near", &b->outer.bus, PCI_DEVFN(2, 0), 1);
    add_card(b, &b->far, "far", &b->inner.bus, PCI_DEVFN(1, 0), 2);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct board *b = *state;

    machine_destroy(&b->m);
    free(b);
    return 0;
}

static void put(struct board *b, unsigned bus, unsigned slot, unsigned reg, uint32_t v, unsigned n)
{
    address_space_write(&b->m.io, 0xcf8, 0x80000000u | bus << 16 | slot << 11 | (reg & 0xfc), 4);
    address_space_write(&b->m.io, 0xcfc + (reg & 3), v, n);
}

static uint32_t get(struct board *b, unsigned bus, unsigned slot, unsigned reg, unsigned n)
{
    address_space_write(&b->m.io, 0xcf8, 0x80000000u | bus << 16 | slot << 11 | (reg & 0xfc), 4);
    return (uint32_t)address_space_read(&b->m.io, 0xcfc + (reg & 3), n);
}

/* Bus 4 behind the outer bridge, 7 behind the inner; all windows of both are as given. */
static void number(struct board *b)
{
    put(b, 0, 5, 0x18, 0x070400, 4);
    put(b, 4, 3, 0x18, 0x070704, 4);
}

static void test_header(void **state)
{
    struct board *b = *state;

    assert_int_equal(get(b, 0, 5, 0, 4), 0x00011b36);
    assert_int_equal(get(b, 0, 5, 8, 4) >> 16, 0x0604);
    assert_int_equal(get(b, 0, 5, PCI_HEADER_TYPE, 1), 1);
    for (unsigned reg = 0x10; reg < 0x40; reg += 4)
        if (reg != 0x34 && reg != 0x3c)
            put(b, 0, 5, reg, 0xffffffff, 4);
    put(b, 0, 5, CONTROL, 0xffbf, 2);
    assert_int_equal(get(b, 0, 5, 0x10, 4), 0);
    assert_int_equal(get(b, 0, 5, 0x18, 4), 0xffffffff);
    assert_int_equal(get(b, 0, 5, 0x1c, 4), 0x0000f0f0);
    assert_int_equal(get(b, 0, 5, 0x20, 4), 0xfff0fff0);
    assert_int_equal(get(b, 0, 5, 0x24, 4), 0xfff1fff1);
    assert_int_equal(get(b, 0, 5, 0x28, 4), 0xffffffff);
    assert_int_equal(get(b, 0, 5, 0x2c, 4), 0xffffffff);
    assert_int_equal(get(b, 0, 5, 0x30, 4), 0);
    assert_int_equal(get(b, 0, 5, 0x38, 4), 0);
    assert_int_equal(get(b, 0, 5, CONTROL, 2), 0x0b27);
    assert_int_equal(get(b, 0, 5, get(b, 0, 5, 0x34, 1), 4), 0x01200004); /* slot numbering */
    devices_reset(&b->m);
    assert_int_equal(get(b, 0, 5, 0x18, 4), 0);
    assert_int_equal(get(b, 0, 5, 0x24, 4), 0x00010001);
    assert_int_equal(get(b, 0, 5, 0x28, 4) | get(b, 0, 5, 0x2c, 4), 0);
    assert_int_equal(get(b, 0, 5, CONTROL, 2), 0);
}

static void test_numbering(void **state)
{
    struct board *b = *state;

    for (unsigned bus = 1; bus < 8; bus++)
        assert_int_equal(get(b, bus, 2, 0, 4), 0xffffffff);
    number(b);
    assert_int_equal(get(b, 4, 2, 0, 4), 0x56781234);
    assert_int_equal(get(b, 4, 3, 0, 4), 0x00011b36);
    assert_int_equal(get(b, 7, 1, 0, 4), 0x56781234);
    assert_int_equal(get(b, 5, 1, 0, 4), 0xffffffff);
    assert_int_equal(get(b, 8, 1, 0, 4), 0xffffffff);
    assert_int_equal(pci_bus_number(&b->inner.bus), 7);
    put(b, 0, 5, PCI_SUBORDINATE_BUS, 6, 1); /* 7 is not behind the outer one any more */
    assert_int_equal(get(b, 7, 1, 0, 4), 0xffffffff);
    assert_int_equal(get(b, 4, 2, 0, 4), 0x56781234);
}

static unsigned at(struct board *b, uint64_t address)
{
    return (unsigned)address_space_read(&b->m.mem, address, 1);
}

static void test_windows(void **state)
{
    struct board *b = *state;

    number(b);
    put(b, 7, 1, 0x10, 0xe0200000, 4);
    put(b, 7, 1, PCI_COMMAND, 3, 2);
    put(b, 4, 3, 0x20, 0xe020e020, 4);
    put(b, 4, 3, PCI_COMMAND, 3, 2);
    put(b, 0, 5, 0x20, 0xe020e010, 4);
    assert_int_equal(at(b, 0xe0200001), 0xff); /* the outer one does not decode */
    put(b, 0, 5, PCI_COMMAND, 3, 2);
    assert_int_equal(at(b, 0xe0200001), 9);
    put(b, 0, 5, 0x20, 0xe010e010, 4);
    assert_int_equal(at(b, 0xe0200001), 0xff);
    put(b, 0, 5, 0x24, 0xe020e020, 4); /* prefetchable: a BAR need not be */
    assert_int_equal(at(b, 0xe0200001), 9);
    put(b, 0, 5, 0x28, 1, 4);
    assert_int_equal(at(b, 0xe0200001), 0xff);
    put(b, 0, 5, 0x28, 0, 4);
    put(b, 0, 5, 0x2c, 1, 4); /* to 1_e02f_ffff */
    assert_int_equal(at(b, 0xe0200001), 9);
    put(b, 0, 5, PCI_COMMAND, 1, 2);
    assert_int_equal(at(b, 0xe0200001), 0xff);
}

static unsigned in(struct board *b, uint16_t port)
{
    return (unsigned)address_space_read(&b->m.io, port, 1);
}

static void test_ports(void **state)
{
    struct board *b = *state;

    number(b);
    put(b, 4, 2, 0x14, 0xd100, 4);
    put(b, 4, 2, PCI_COMMAND, 1, 2);
    put(b, 0, 5, 0x1c, 0xd0d0, 2);
    put(b, 0, 5, PCI_COMMAND, 1, 2);
    assert_int_equal(in(b, 0xd102), 0x12);
    put(b, 0, 5, CONTROL, 4, 2); /* ISA enable */
    assert_int_equal(in(b, 0xd102), 0xff);
    put(b, 4, 2, 0x14, 0xd4e0, 4);
    assert_int_equal(in(b, 0xd4e2), 0x12);
    put(b, 0, 5, 0x1c, 0xd0e0, 2); /* limit below base: closed */
    assert_int_equal(in(b, 0xd4e2), 0xff);
}

static void test_interrupts(void **state)
{
    struct board *b = *state;

    /* INTA# of slot 2 is the outer bridge's INTC#, and that, in slot 5, PIRQC#. */
    pci_set_intx(&b->near.pci, true);
    assert_true(b->pirq[(5 - 1 + 2) & 3]);
    /* INTB# of slot 1: INTC# of the inner; slot 3: INTB# of the outer. */
    pci_set_intx(&b->far.pci, true);
    assert_true(b->pirq[(5 - 1 + 1) & 3]);
    assert_false(b->pirq[0] || b->pirq[3]);
    pci_set_intx(&b->near.pci, false);
    assert_false(b->pirq[2]);
    assert_true(b->pirq[1]);
    devices_reset(&b->m);
    assert_false(b->pirq[1]);
}

/* Messages get through, though SeaBIOS does not make the bridges bus masters. */
static void test_messages(void **state)
{
    struct board *b = *state;

    number(b);
    put(b, 7, 1, 0x62, 1, 2);
    pci_msi_notify(&b->far.msi);
    assert_int_equal(b->messages, 0);
    put(b, 7, 1, PCI_COMMAND, 4, 2);
    pci_msi_notify(&b->far.msi);
    assert_int_equal(b->messages, 1);
}

static void test_bus_reset(void **state)
{
    struct board *b = *state;

    number(b);
    put(b, 4, 2, 0x14, 0xd100, 4);
    b->near.resets = b->far.resets = 0;
    put(b, 0, 5, CONTROL, PCI_BRIDGE_CONTROL_RESET, 2);
    assert_true(b->near.resets && b->far.resets);
    assert_int_equal(get(b, 4, 2, 0, 4), 0xffffffff);
    put(b, 0, 5, CONTROL, 0, 2);
    assert_int_equal(get(b, 4, 2, 0x14, 4), 1);
    assert_int_equal(get(b, 4, 3, 0x18, 4), 0); /* the inner one's numbers are gone */
    assert_int_equal(get(b, 0, 5, 0x18, 4), 0x070400);
}

static void test_assign(void **state)
{
    struct board *b = *state;
    const struct pci_windows w = {0xc000, 0xffff, 0xc0000000, 0xfebfffff};
    const struct pci_windows none = {0xf800, 0xffff, 0xc0000000, 0xfebfffff};
    const uint8_t irqs[4] = {3, 4, 5, 6};
    struct error err;

    assert_true(pci_assign_resources(&b->bus, &w, irqs, &err));
    assert_int_equal(get(b, 0, 5, 0x18, 4), 0x020100);
    assert_int_equal(get(b, 1, 3, 0x18, 4), 0x020201);
    assert_int_equal(get(b, 2, 1, PCI_INTERRUPT_LINE, 1), 4);
    assert_int_equal(at(b, (get(b, 2, 1, 0x10, 4) & ~15u) + 1), 9);
    assert_int_equal(in(b, (uint16_t)((get(b, 1, 2, 0x14, 4) & ~3u) + 1)), 0x11);
    assert_int_equal(in(b, (uint16_t)((get(b, 2, 1, 0x14, 4) & ~3u) + 1)), 9);
    assert_false(pci_assign_resources(&b->bus, &none, irqs, &err));
}

static void test_state(void **state)
{
    struct board *b = *state;
    struct state_stream s = {0};
    struct error err;

    number(b);
    put(b, 4, 2, 0x14, 0xd100, 4);
    put(b, 4, 2, PCI_COMMAND, 1, 2);
    put(b, 0, 5, 0x1c, 0xd0d0, 2);
    put(b, 0, 5, PCI_COMMAND, 1, 2);
    pci_set_intx(&b->far.pci, true);
    assert_true(devices_save(&b->m, &s));
    devices_reset(&b->m);
    assert_int_equal(in(b, 0xd102), 0xff);
    s.pos = 0;
    assert_true(devices_load(&b->m, &s, &err));
    assert_int_equal(in(b, 0xd102), 0x12);
    assert_true(b->pirq[1]);
    assert_int_equal(get(b, 7, 1, 0, 4), 0x56781234);
    state_stream_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbering, setup, teardown),
        cmocka_unit_test_setup_teardown(test_windows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ports, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interrupts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bus_reset, setup, teardown),
        cmocka_unit_test_setup_teardown(test_assign, setup, teardown),
        cmocka_unit_test_setup_teardown(test_state, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
