/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The watchdog as Linux's driver uses it: two stages, the sequence before each write, the lock,
 * what stays through a reset. */
#include <stdlib.h>

#include "devices/misc/i6300esb.h"
#include "tests/devices/rig.h"

#define DEVFN PCI_DEVFN(3, 0)
#define BASE  0xe0000000u
#define MS    (32768ull * 30) /* a step of the preloads, ns */
#define US    (32ull * 30)

struct box {
    struct rig r;
    struct pci_bus bus;
    struct i6300esb esb;
    unsigned expired;
};

static void expired(void *opaque)
{
    ((struct box *)opaque)->expired++;
}

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    rig_init(&b->r);
    pci_bus_init(&b->bus, &b->r.m, "pci");
    i6300esb_init(&b->esb, &b->r.m, "esb", &b->bus, DEVFN, rig_line(&b->r, 0), expired, b);
    pci_config_write(&b->bus, DEVFN, PCI_BASE_ADDRESS_0, BASE, 4);
    pci_config_write(&b->bus, DEVFN, PCI_COMMAND, 2, 2);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;

    rig_end(&b->r);
    free(b);
    return 0;
}

static void put(struct box *b, unsigned offset, uint32_t value)
{
    address_space_write(&b->r.m.mem, BASE + 0xc, 0x80, 2);
    address_space_write(&b->r.m.mem, BASE + 0xc, 0x86, 2);
    address_space_write(&b->r.m.mem, BASE + offset, value, offset < 8 ? 4 : 2);
}

static unsigned get(struct box *b, unsigned offset)
{
    return (unsigned)address_space_read(&b->r.m.mem, BASE + offset, 2);
}

/* config: 3 is no interrupt of the first stage. */
static void begin(struct box *b, uint16_t config, uint32_t first, uint32_t second, uint8_t lock)
{
    pci_config_write(&b->bus, DEVFN, 0x60, config, 2);
    put(b, 0, first);
    put(b, 4, second);
    pci_config_write(&b->bus, DEVFN, 0x68, lock, 1);
}

static void identity(void **state)
{
    struct box *b = *state;

    assert_int_equal(pci_config_read(&b->bus, DEVFN, 0, 4), 0x25ab8086);
    assert_int_equal(pci_config_read(&b->bus, DEVFN, PCI_CLASS_DEVICE, 2), 0x0880);
    assert_int_equal(get(b, 0xc), 0);
}

static void stages(void **state)
{
    struct box *b = *state;

    begin(b, 3, 999, 499, 2);
    rig_pass(&b->r, 1000 * MS - 1);
    put(b, 0xc, 0x100); /* in time */
    rig_pass(&b->r, 1000 * MS);
    rig_round_trip(&b->r, &b->esb.pci.dev);
    rig_pass(&b->r, 500 * MS - 1);
    assert_int_equal(b->expired, 0);
    rig_pass(&b->r, 1);
    assert_int_equal(b->expired, 1);
    assert_int_equal(get(b, 0xc), 0x200);
    rig_pass(&b->r, 10000 * MS);
    assert_int_equal(b->expired, 1);
    assert_int_equal(b->r.rises[0], 0);
    devices_reset(&b->r.m); /* the next boot sees why */
    pci_config_write(&b->bus, DEVFN, PCI_BASE_ADDRESS_0, BASE, 4);
    pci_config_write(&b->bus, DEVFN, PCI_COMMAND, 2, 2);
    assert_int_equal(get(b, 0xc), 0x200);
    put(b, 0xc, 0x200);
    assert_int_equal(get(b, 0xc), 0);
}

/* Without the sequence before it nothing is written. */
static void sequence(void **state)
{
    struct box *b = *state;

    begin(b, 3, 9, 9, 2);
    rig_pass(&b->r, 15 * MS);
    address_space_write(&b->r.m.mem, BASE + 0xc, 0x100, 2);
    address_space_write(&b->r.m.mem, BASE + 0xc, 0x86, 2);
    address_space_write(&b->r.m.mem, BASE + 0xc, 0x100, 2);
    address_space_write(&b->r.m.mem, BASE + 0xc, 0x80, 2);
    address_space_write(&b->r.m.mem, BASE + 0xc, 0x100, 2);
    rig_pass(&b->r, 5 * MS);
    assert_int_equal(b->expired, 1);
}

static void lock(void **state)
{
    struct box *b = *state;

    begin(b, 3, 9, 9, 3);
    pci_config_write(&b->bus, DEVFN, 0x68, 0, 1);
    assert_int_equal(pci_config_read(&b->bus, DEVFN, 0x68, 1), 3);
    rig_pass(&b->r, 20 * MS);
    assert_int_equal(b->expired, 1);
    devices_reset(&b->r.m);
    assert_int_equal(pci_config_read(&b->bus, DEVFN, 0x68, 1), 0);
}

static void disabled(void **state)
{
    struct box *b = *state;

    begin(b, 3, 9, 9, 2);
    rig_pass(&b->r, 15 * MS);
    pci_config_write(&b->bus, DEVFN, 0x68, 0, 1);
    rig_pass(&b->r, 1000 * MS);
    assert_int_equal(b->expired, 0);
    begin(b, 0x23, 9, 9, 2); /* no output: only the flag */
    rig_pass(&b->r, 20 * MS);
    assert_int_equal(b->expired, 0);
    assert_int_equal(get(b, 0xc), 0x200);
}

static void clocks_and_interrupts(void **state)
{
    struct box *b = *state;

    begin(b, 6, 9, 9, 2); /* 1 MHz, SMI */
    rig_pass(&b->r, 10 * US);
    assert_int_equal(b->r.rises[0], 1);
    rig_pass(&b->r, 10 * US);
    assert_int_equal(b->expired, 1);
    pci_config_write(&b->bus, DEVFN, 0x68, 0, 1);
    begin(b, 4, 9, 9, 6); /* free running: the second stage only */
    rig_pass(&b->r, 10 * US);
    assert_int_equal(b->expired, 2);
    assert_int_equal(get(b, 8), 0);
    pci_config_write(&b->bus, DEVFN, 0x68, 0, 1);
    begin(b, 4, 9, 9, 2); /* IRQ: the status */
    rig_pass(&b->r, 10 * US);
    assert_int_equal(get(b, 8), 1);
    put(b, 8, 1);
    assert_int_equal(get(b, 8), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(identity, setup, teardown),
        cmocka_unit_test_setup_teardown(stages, setup, teardown),
        cmocka_unit_test_setup_teardown(sequence, setup, teardown),
        cmocka_unit_test_setup_teardown(lock, setup, teardown),
        cmocka_unit_test_setup_teardown(disabled, setup, teardown),
        cmocka_unit_test_setup_teardown(clocks_and_interrupts, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
