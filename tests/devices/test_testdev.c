/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pc-testdev and pci-testdev, as the x86 tests of kvm-unit-tests use them. */
#include <string.h>

#include "devices/misc/pc_testdev.h"
#include "devices/misc/pci_testdev.h"
#include "tests/devices/rig.h"

#define IOMEM 0xff000000u

struct pc_rig {
    struct rig r;
    struct pc_testdev t;
    struct region ram;
    struct code_listener listener;
    uint64_t heard, heard_len;
};

static void start_pc(struct pc_rig *p)
{
    struct irq_line irq[PC_TESTDEV_IRQS] = {{0}};

    rig_init(&p->r);
    for (unsigned i = 0; i < 4; i++)
        irq[i * 5] = rig_line(&p->r, i);
    pc_testdev_init(&p->t, &p->r.m, "testdev", irq);
}

static uint64_t in(struct pc_rig *p, uint16_t port, unsigned size)
{
    return address_space_read(&p->r.m.io, port, size);
}

static void out(struct pc_rig *p, uint16_t port, uint64_t value, unsigned size)
{
    address_space_write(&p->r.m.io, port, value, size);
}

static void pc_ports(void **state)
{
    struct pc_rig p;

    (void)state;
    start_pc(&p);
    out(&p, 0xe0, 0x12345678, 4);
    assert_int_equal(in(&p, 0xe0, 4), 0x12345678);
    assert_int_equal(in(&p, 0xe1, 2), 0x3456);
    assert_int_equal(in(&p, 0xe4, 4), 0x12345678);
    out(&p, 0xe5, 0xabcd, 2);
    assert_int_equal(in(&p, 0xe0, 4), 0x12abcd78);
    for (unsigned i = 0; i < 4; i++) {
        out(&p, 0x2000 + i * 5, 1, 1);
        assert_true(p.r.level[i]);
        out(&p, 0x2000 + i * 5, 0, 1);
        assert_false(p.r.level[i]);
    }
    out(&p, 0x200f, 0x80, 1);
    devices_reset(&p.r.m);
    assert_false(p.r.level[3]);
    assert_int_equal(in(&p, 0xe0, 4), 0);
    rig_end(&p.r);
}

static void pc_iomem(void **state)
{
    struct address_space *mem;
    struct pc_rig p;

    (void)state;
    start_pc(&p);
    mem = &p.r.m.mem;
    address_space_write(mem, IOMEM + 0xfff8, 0x1122334455667788, 8);
    assert_int_equal(address_space_read(mem, IOMEM + 0xfff8, 8), 0x1122334455667788);
    assert_int_equal(address_space_read(mem, IOMEM + 0xfffb, 2), 0x4455);
    assert_int_equal(address_space_read(mem, IOMEM + 0xfffc, 8), 0xffffffff11223344);
    rig_round_trip(&p.r, &p.t.dev);
    assert_int_equal(address_space_read(mem, IOMEM + 0xffff, 1), 0x11);
    rig_end(&p.r);
}

static void code_written(void *opaque, uint64_t at, uint64_t len)
{
    struct pc_rig *p = opaque;

    p->heard = at;
    p->heard_len = len;
}

static void drop_store_entries(void *opaque, uint64_t page)
{
    (void)opaque, (void)page;
}

static void pc_flush(void **state)
{
    struct pc_rig p = {.heard = 0};

    (void)state;
    start_pc(&p);
    region_init_memory(&p.ram, "ram", 0x10000, 0x20000, 0x20000);
    region_add(&p.r.m.mem, &p.ram, 0, 0);
    p.listener = (struct code_listener){code_written, drop_store_entries, &p, NULL};
    p.r.m.arena.listeners = &p.listener;
    arena_mark_code(&p.r.m.arena, 0x23010, 16);
    out(&p, 0xe8, 0x7000, 4); /* another page */
    out(&p, 0xe8, 0x80000000, 4);
    assert_int_equal(p.heard_len, 0);
    out(&p, 0xe8, 0x3123, 4);
    assert_int_equal(p.heard, 0x23000);
    assert_int_equal(p.heard_len, VM_PAGE_SIZE);
    p.r.m.arena.listeners = NULL;
    rig_end(&p.r);
}

static void pc_fuzz(void **state)
{
    struct pc_rig p;

    (void)state;
    start_pc(&p);
    rig_fuzz(&p.r, 0xe0, 12, 1);
    rig_fuzz(&p.r, 0x2000, 16, 2);
    rig_round_trip(&p.r, &p.t.dev);
    rig_end(&p.r);
}

/* ---- pci-testdev ---- */

struct pci_rig {
    struct rig r;
    struct pci_bus bus;
    struct pci_testdev t;
};

static void start_pci(struct pci_rig *p)
{
    static const struct pci_windows windows = {0xc000, 0xffff, 0xe0000000, 0xe0ffffff};
    static const uint8_t irqs[4] = {10, 10, 11, 11};
    struct error err;

    rig_init(&p->r);
    pci_bus_init(&p->bus, &p->r.m, "pci");
    pci_testdev_init(&p->t, &p->r.m, "pci-testdev", &p->bus, PCI_DEVFN(3, 0), 1 << 20);
    assert_true(pci_assign_resources(&p->bus, &windows, irqs, &err));
}

static uint32_t bar(struct pci_rig *p, unsigned n)
{
    return pci_config_read(&p->bus, PCI_DEVFN(3, 0), PCI_BASE_ADDRESS_0 + 4 * n, 4) & ~15u;
}

/* What a guest does with each BAR: finds the tests, runs each, looks at the count. */
static void guest_runs(struct address_space *as, uint64_t base, const char *prefix)
{
    unsigned n;

    for (n = 0;; n++) {
        address_space_write(as, base, n, 1);
        unsigned width = address_space_read(as, base + 1, 1);
        if (!width)
            break;
        uint64_t at = base + address_space_read(as, base + 4, 4);
        uint64_t data = address_space_read(as, base + 8, 4);
        for (unsigned i = 0; prefix[i]; i++)
            assert_int_equal(address_space_read(as, base + 16 + i, 1), prefix[i]);
        assert_int_equal(address_space_read(as, base + 12, 4), 0);
        for (unsigned i = 0; i < 10; i++)
            address_space_write(as, at, data, width);
        assert_int_equal(address_space_read(as, base + 12, 4), 10);
        address_space_write(as, at, data ^ 1, width); /* only the last test looks at it */
        address_space_write(as, at + 8, data, width);
        assert_int_equal(address_space_read(as, base + 12, 4), n == 2 ? 10 : 11);
    }
    assert_int_equal(n, PCI_TESTDEV_TESTS);
    assert_int_equal(address_space_read(as, base + 12, 4), 0);
}

static void pci_tests(void **state)
{
    struct pci_rig p;

    (void)state;
    start_pci(&p);
    assert_int_equal(pci_config_read(&p.bus, PCI_DEVFN(3, 0), 0, 4), 0x00051b36);
    assert_true(bar(&p, 0) >= 0xe0000000);
    guest_runs(&p.r.m.mem, bar(&p, 0), "mmio-");
    guest_runs(&p.r.m.io, bar(&p, 1), "portio-");
    assert_int_equal(pci_config_read(&p.bus, PCI_DEVFN(3, 0), PCI_BASE_ADDRESS_0 + 8, 1), 0x0c);
    address_space_write(&p.r.m.mem, bar(&p, 2) + 0x80000, 1, 8);
    assert_int_equal(address_space_read(&p.r.m.mem, bar(&p, 2) + 0x80000, 8), UINT64_MAX);
    assert_int_equal(p.r.m.mem.unmapped_accesses, 0);
    address_space_write(&p.r.m.mem, bar(&p, 0), 1, 1);
    rig_round_trip(&p.r, &p.t.pci.dev);
    assert_int_equal(address_space_read(&p.r.m.mem, bar(&p, 0) + 1, 1), 1);
    rig_end(&p.r);
}

static void pci_fuzz(void **state)
{
    struct pci_rig p;

    (void)state;
    start_pci(&p);
    uint16_t port = bar(&p, 1);
    for (unsigned i = 0; i < 4; i++) {
        for (uint32_t seed = i, k = 0; k < 4000; k++) {
            seed = seed * 1664525 + 1013904223;
            uint16_t at = port + (seed >> 8) % 256;
            if (seed >> 31)
                address_space_write(&p.r.m.io, at, seed >> 24 & 3, 1u << (seed >> 20) % 3);
            else
                address_space_read(&p.r.m.io, at, 1u << (seed >> 20) % 3);
        }
        rig_round_trip(&p.r, &p.t.pci.dev);
    }
    rig_end(&p.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pc_ports), cmocka_unit_test(pc_iomem),  cmocka_unit_test(pc_flush),
        cmocka_unit_test(pc_fuzz),  cmocka_unit_test(pci_tests), cmocka_unit_test(pci_fuzz),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
