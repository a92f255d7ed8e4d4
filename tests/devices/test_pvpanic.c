/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that panics, at a port and through PCI. */
#include "devices/misc/pvpanic.h"
#include "tests/devices/rig.h"

#define DEVFN PCI_DEVFN(3, 0)
#define BASE  0xe0000000u

static void told(void *opaque, unsigned events)
{
    unsigned *seen = opaque;

    *seen = *seen << 4 | events;
}

static void isa(void **state)
{
    struct rig r;
    struct pvpanic_isa p;
    unsigned seen = 0;

    (void)state;
    rig_init(&r);
    pvpanic_isa_init(&p, &r.m, "pvpanic", 0x505, (struct pvpanic_sink){told, &seen});
    assert_int_equal(rig_in(&r, 0x505), 3);
    rig_out(&r, 0x505, 2);
    rig_out(&r, 0x505, 1);
    rig_out(&r, 0x505, 0);
    rig_out(&r, 0x505, 0xf0); /* nothing that is known */
    rig_out(&r, 0x505, 0xf3);
    assert_int_equal(seen, 0x213);
    rig_round_trip(&r, &p.dev);
    rig_end(&r);
}

static void pci(void **state)
{
    struct rig r;
    struct pci_bus bus = {.confadd = 0};
    struct pvpanic_pci p;
    unsigned seen = 0;

    (void)state;
    rig_init(&r);
    pci_bus_init(&bus, &r.m, "pci");
    pvpanic_pci_init(&p, &r.m, "pvpanic", &bus, DEVFN, (struct pvpanic_sink){told, &seen});
    pci_config_write(&bus, DEVFN, PCI_BASE_ADDRESS_0, BASE, 4);
    pci_config_write(&bus, DEVFN, PCI_COMMAND, 2, 2);
    assert_int_equal(pci_config_read(&bus, DEVFN, 0, 4), 0x00111b36);
    assert_int_equal(address_space_read(&r.m.mem, BASE, 1), 3);
    assert_int_equal(address_space_read(&r.m.mem, BASE + 1, 1), 0);
    address_space_write(&r.m.mem, BASE + 1, 1, 1);
    assert_int_equal(seen, 0);
    address_space_write(&r.m.mem, BASE, 1, 1);
    assert_int_equal(seen, 1);
    rig_round_trip(&r, &p.pci.dev);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(isa), cmocka_unit_test(pci)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
