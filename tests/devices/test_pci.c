/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI bus, i440FX and PIIX3: configuration mechanism #1, BARs, interrupt routing, PAM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/error.h"
#include "devices/bus/i440fx.h"
#include "devices/bus/piix3.h"
#include "vm/machine.h"

struct card {
    struct pci_device pci;
    struct region mmio, ports;
};

struct board {
    struct machine m;
    struct pci_bus bus;
    struct i440fx host;
    struct piix3 piix3;
    struct card card; /* 00:04.0, INTA# */
    struct region ram;
    bool irq[16];
};

static uint64_t card_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque;
    (void)size;
    return 0xc0 + offset;
}

static void card_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)opaque;
    (void)offset;
    (void)value;
    (void)size;
}

static void card_reset(struct device *dev)
{
    pci_device_reset((struct pci_device *)dev);
}

static const struct region_ops card_ops = {
    .read = card_read, .write = card_write, .min_size = 1, .max_size = 4};
static const struct state_field card_fields[] = {
    STATE_STRUCTS(struct card, pci, 1, struct pci_device, pci_device_fields),
    STATE_FIELDS_END,
};
static const struct device_class card_class = {
    .type = "card", .version = 1, .fields = card_fields, .reset = card_reset};

static void set_irq(void *owner, unsigned n, bool level)
{
    ((struct board *)owner)->irq[n] = level;
}

static int setup(void **state)
{
    static const struct pci_ids ids = {
        .vendor = 0x1234, .device = 0x5678, .class = 0x0200, .interrupt_pin = 1};
    struct board *b = calloc(1, sizeof(*b));
    struct irq_line isa[16];

    assert_true(machine_init(&b->m, 2 << 20, 1 << 20, NULL));
    region_init_memory(&b->ram, "ram", 0xa0000, 0, 0);
    region_add(&b->m.mem, &b->ram, 0, PCI_BAR_PRIORITY - 1);
    for (unsigned n = 0; n < 16; n++)
        isa[n] = (struct irq_line){.set = set_irq, .owner = b, .n = n};
    pci_bus_init(&b->bus, &b->m, "pci");
    i440fx_init(&b->host, &b->m, "host", &b->bus, arena_alloc(&b->m.arena, 0x20000));
    piix3_init(&b->piix3, &b->m, "piix3", &b->bus, isa);
    pci_device_init(&b->card.pci, &b->m, &card_class, "card", &b->bus, PCI_DEVFN(4, 0), &ids);
    region_init_device(&b->card.mmio, "card-mmio", 0x1000, &card_ops, &b->card);
    region_init_device(&b->card.ports, "card-ports", 0x20, &card_ops, &b->card);
    pci_device_add_bar(&b->card.pci, 0, PCI_BAR_MEM32, &b->card.mmio);
    pci_device_add_bar(&b->card.pci, 1, PCI_BAR_IO, &b->card.ports);
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

static void out(struct board *b, uint16_t port, uint32_t value, unsigned size)
{
    address_space_write(&b->m.io, port, value, size);
}

static uint32_t in(struct board *b, uint16_t port, unsigned size)
{
    return (uint32_t)address_space_read(&b->m.io, port, size);
}

static void select_card(struct board *b, unsigned reg)
{
    out(b, 0xcf8, 0x80000000u | PCI_DEVFN(4, 0) << 8 | reg, 4);
}

static void test_confadd(void **state)
{
    struct board *b = *state;

    out(b, 0xcf8, 0xffffffff, 4);
    assert_int_equal(in(b, 0xcf8, 4), 0x80fffffc);
    out(b, 0xcf8, 0x12, 1); /* not a dword: not this register */
    assert_int_equal(in(b, 0xcf8, 4), 0x80fffffc);
    out(b, 0xcf8, 0x80000000, 4);
    assert_int_equal(in(b, 0xcfc, 4), 0x12378086);
    assert_int_equal(in(b, 0xcfe, 2), 0x1237);
    assert_int_equal(in(b, 0xcfd, 1), 0x80);
    out(b, 0xcf8, 0, 4); /* disabled */
    assert_int_equal(in(b, 0xcfc, 4), 0xffffffff);
    out(b, 0xcf8, 0x80010000, 4); /* bus 1 */
    assert_int_equal(in(b, 0xcfc, 4), 0xffffffff);
    out(b, 0xcf8, 0x80002800, 4); /* no device */
    assert_int_equal(in(b, 0xcfc, 2), 0xffff);
}

static void test_read_only(void **state)
{
    struct board *b = *state;

    select_card(b, 0);
    out(b, 0xcfc, 0xffffffff, 4);
    assert_int_equal(in(b, 0xcfc, 4), 0x56781234);
    pci_config_write(&b->bus, 255, 0, 0, 4);
    assert_int_equal(pci_config_read(&b->bus, PCI_DEVFN(4, 0), 254, 4) >> 16, 0xffff);
}

static void test_bars(void **state)
{
    struct board *b = *state;

    select_card(b, 0x10);
    out(b, 0xcfc, 0xffffffff, 4);
    assert_int_equal(in(b, 0xcfc, 4), 0xfffff000);
    out(b, 0xcfc, 0xe0000000, 4);
    assert_int_equal(address_space_read(&b->m.mem, 0xe0000004, 1), 0xff); /* not enabled */
    select_card(b, 0x04);
    out(b, 0xcfc, PCI_COMMAND_MEMORY, 2);
    assert_int_equal(address_space_read(&b->m.mem, 0xe0000004, 1), 0xc4);
    select_card(b, 0x10);
    out(b, 0xcfe, 0xe010, 2); /* moves while enabled */
    assert_int_equal(address_space_read(&b->m.mem, 0xe0000004, 1), 0xff);
    assert_int_equal(address_space_read(&b->m.mem, 0xe0100004, 1), 0xc4);
    out(b, 0xcfc, 0xffffffff, 4); /* sizing while enabled maps nothing */
    assert_false(b->card.pci.bars[0].mapped);

    select_card(b, 0x14);
    out(b, 0xcfc, 0xffffffff, 4);
    assert_int_equal(in(b, 0xcfc, 4), 0xffffffe1);
    out(b, 0xcfc, 0xc000, 4);
    select_card(b, 0x04);
    out(b, 0xcfc, PCI_COMMAND_IO, 2);
    assert_int_equal(in(b, 0xc003, 1), 0xc3);
    devices_reset(&b->m);
    assert_int_equal(in(b, 0xc003, 1), 0xff);
    assert_int_equal(pci_config_read(&b->bus, PCI_DEVFN(4, 0), 0x14, 4), 1);
}

static void test_assign(void **state)
{
    struct board *b = *state;
    const struct pci_windows w = {0xc000, 0xffff, 0xc0000000, 0xfebfffff};
    const struct pci_windows none = {0xc000, 0xc001, 0xc0000000, 0xc00000ff};
    const uint8_t irqs[4] = {10, 10, 11, 11};
    struct error err;

    assert_true(pci_assign_resources(&b->bus, &w, irqs, &err));
    assert_int_equal(pci_config_read(&b->bus, PCI_DEVFN(4, 0), 0x10, 4), 0xc0000000);
    assert_int_equal(pci_config_read(&b->bus, PCI_DEVFN(4, 0), 0x14, 4), 0xc001);
    assert_int_equal(pci_config_read(&b->bus, PCI_DEVFN(4, 0), 0x3c, 1), 11); /* PIRQD */
    assert_int_equal(in(b, 0xc001, 1), 0xc1);
    assert_false(pci_assign_resources(&b->bus, &none, irqs, &err));
}

static void test_intx(void **state)
{
    struct board *b = *state;

    pci_set_intx(&b->card.pci, true); /* slot 4 INTA#: PIRQD#, not routed yet */
    assert_false(b->irq[11]);
    pci_config_write(&b->bus, PCI_DEVFN(1, 0), 0x63, 11, 1);
    assert_true(b->irq[11]);
    assert_true(pci_config_read(&b->bus, PCI_DEVFN(4, 0), PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    pci_config_write(&b->bus, PCI_DEVFN(1, 0), 0x63, 10, 1);
    assert_false(b->irq[11]);
    assert_true(b->irq[10]);
    pci_config_write(&b->bus, PCI_DEVFN(4, 0), PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
    assert_false(b->irq[10]);
    pci_config_write(&b->bus, PCI_DEVFN(4, 0), PCI_COMMAND, 0, 2);
    assert_true(b->irq[10]);
    pci_config_write(&b->bus, PCI_DEVFN(1, 0), 0x63, 8, 1); /* reserved */
    assert_false(b->irq[10] || b->irq[8]);
    pci_set_intx(&b->card.pci, false);
}

static void test_pam(void **state)
{
    struct board *b = *state;
    struct address_space *mem = &b->m.mem;
    uint8_t rom = 0x5a;

    b->m.arena.host[b->host.pam_rom[12]] = rom;
    assert_int_equal(address_space_read(mem, 0xf0000, 1), rom);
    assert_int_equal(address_space_read(mem, 0xc8000, 1), 0xff);
    pci_config_write(&b->bus, 0, I440FX_PAM0, 0x20, 1); /* read ROM, write RAM */
    address_space_write(mem, 0xf0000, 0x77, 1);
    assert_int_equal(address_space_read(mem, 0xf0000, 1), rom);
    pci_config_write(&b->bus, 0, I440FX_PAM0, 0x10, 1); /* read RAM, not writable */
    assert_int_equal(address_space_read(mem, 0xf0000, 1), 0x77);
    address_space_write(mem, 0xf0000, 0x11, 1);
    assert_int_equal(address_space_read(mem, 0xf0000, 1), 0x77);
    pci_config_write(&b->bus, 0, I440FX_PAM0 + 3, 0x30, 1); /* PAM3 high: 0xd4000 */
    address_space_write(mem, 0xd4000, 0x42, 1);
    assert_int_equal(address_space_read(mem, 0xd4000, 1), 0x42);
    assert_int_equal(address_space_read(mem, 0xd0000, 1), 0xff);
}

static void test_smram(void **state)
{
    struct board *b = *state;
    struct address_space *mem = &b->m.mem;

    assert_int_equal(address_space_read(mem, 0xa0000, 1), 0xff);
    pci_config_write(&b->bus, 0, I440FX_SMRAM, 0x48, 1);
    address_space_write(mem, 0xa0000, 0x12, 1);
    assert_int_equal(address_space_read(mem, 0xa0000, 1), 0x12);
    pci_config_write(&b->bus, 0, I440FX_SMRAM, 0x40, 1); /* nothing without G_SMRAME */
    assert_int_equal(address_space_read(mem, 0xa0000, 1), 0xff);
    assert_true(address_space_hidden_page(mem, 0xa0000, true).read_at == ARENA_NONE);
    pci_config_write(&b->bus, 0, I440FX_SMRAM, 0x08, 1);
    assert_true(address_space_page(mem, 0xa0000).read_at == ARENA_NONE);
    assert_int_equal(address_space_hidden_page(mem, 0xa0000, false).read_at, 0xa0000);
    assert_int_equal(address_space_hidden_page(mem, 0xbf123, true).write_at, 0xbf000);
    assert_true(address_space_hidden_page(mem, 0xc0000, true).write_at == ARENA_NONE);
    pci_config_write(&b->bus, 0, I440FX_SMRAM, 0x28, 1); /* D_CLS: fetches only */
    assert_true(address_space_hidden_page(mem, 0xa0000, false).read_at == ARENA_NONE);
    assert_int_equal(address_space_hidden_page(mem, 0xa0000, true).read_at, 0xa0000);
    pci_config_write(&b->bus, 0, I440FX_SMRAM, 0x18, 1); /* lock */
    pci_config_write(&b->bus, 0, I440FX_SMRAM, 0x48, 1);
    assert_int_equal(pci_config_read(&b->bus, 0, I440FX_SMRAM, 1), 0x1a);
    assert_int_equal(address_space_read(mem, 0xa0000, 1), 0xff);
    devices_reset(&b->m);
    assert_int_equal(pci_config_read(&b->bus, 0, I440FX_SMRAM, 1), 0x02);
}

static void test_reset_control(void **state)
{
    struct board *b = *state;

    out(b, 0xcf9, 0x02, 1);
    assert_false(b->m.run.reset_wanted);
    assert_int_equal(in(b, 0xcf9, 1), 0x02);
    out(b, 0xcf9, 0x06, 1);
    assert_true(b->m.run.reset_wanted);
}

static void test_state(void **state)
{
    struct board *b = *state;
    struct state_stream s = {0};
    struct error err;

    pci_config_write(&b->bus, PCI_DEVFN(4, 0), 0x14, 0xc000, 4);
    pci_config_write(&b->bus, 0, I440FX_PAM0 + 3, 0x30, 1);
    pci_set_intx(&b->card.pci, true);
    assert_true(devices_save(&b->m, &s));
    devices_reset(&b->m);
    s.pos = 0;
    assert_true(devices_load(&b->m, &s, &err));
    assert_int_equal(pci_config_read(&b->bus, PCI_DEVFN(4, 0), 0x14, 4), 0xc001);
    assert_true(b->card.pci.intx);
    assert_int_equal(b->host.pam[5].write_at, 0xd4000);
    state_stream_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_confadd, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_assign, setup, teardown),
        cmocka_unit_test_setup_teardown(test_intx, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pam, setup, teardown),
        cmocka_unit_test_setup_teardown(test_smram, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_control, setup, teardown),
        cmocka_unit_test_setup_teardown(test_state, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
