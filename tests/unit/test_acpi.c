/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACPI tables: every table's length and checksum, the chain from the RSDP, AML package lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "machines/acpi.h"
#include "machines/aml.h"
#include "machines/boot.h"

#define BASE 0xe0000u

static uint8_t tables[ACPI_TABLES_MAX]; /* of this test program, not of a machine */

static size_t build(unsigned ncpus, size_t room)
{
    static uint32_t ids[ACPI_MAX_CPUS];

    for (unsigned i = 0; i < ncpus; i++)
        ids[i] = i;
    const struct acpi_config c = {.ncpus = ncpus,
                                  .apic_ids = ids,
                                  .ioapic_base = 0xfec00000,
                                  .pci_hole_first = 0xc0000000,
                                  .pci_hole_last = 0xfebfffff,
                                  .pm_base = 0x600,
                                  .fw_cfg_base = 0x510,
                                  .serial = {true, true},
                                  .i8042 = true,
                                  .hpet_base = 0xfed00000,
                                  .parallel = {{0x378, 7}, {0, 0}}};

    return acpi_build(&c, BASE, tables, room);
}

static uint8_t sum(const uint8_t *p, size_t n)
{
    uint8_t s = 0;

    while (n--)
        s = (uint8_t)(s + *p++);
    return s;
}

/* The table at an address; checks its signature, bounds and checksum. */
static const uint8_t *table(uint64_t address, const char *signature, size_t used)
{
    const uint8_t *p = tables + (address - BASE);

    assert_in_range(address, BASE, BASE + used - 36);
    assert_memory_equal(p, signature, 4);
    assert_true(get_le32(p + 4) <= BASE + used - address);
    if (strcmp(signature, "FACS") != 0)
        assert_int_equal(sum(p, get_le32(p + 4)), 0);
    return p;
}

static void check_chain(unsigned ncpus)
{
    size_t used = build(ncpus, sizeof(tables));
    const uint8_t *rsdt, *xsdt, *fadt, *madt, *hpet;

    assert_true(used > 0);
    assert_memory_equal(tables, "RSD PTR ", 8);
    assert_int_equal(sum(tables, 20), 0);
    assert_int_equal(sum(tables, 36), 0);
    rsdt = table(get_le32(tables + 16), "RSDT", used);
    xsdt = table(get_le64(tables + 24), "XSDT", used);
    assert_int_equal(get_le32(rsdt + 36), get_le64(xsdt + 36));
    assert_int_equal(get_le32(rsdt + 40), get_le64(xsdt + 44));
    fadt = table(get_le32(rsdt + 36), "FACP", used);
    assert_int_equal(get_le32(fadt + 4), 244);
    assert_int_equal(get_le32(fadt + 76), 0x608);
    table(get_le32(fadt + 40), "DSDT", used);
    assert_int_equal(get_le32(fadt + 36) % 64, 0);
    table(get_le32(fadt + 36), "FACS", used);
    madt = table(get_le32(rsdt + 40), "APIC", used);
    assert_int_equal(get_le32(madt + 4), 44 + 8 * ncpus + 12 + 5 * 10 + 6);
    assert_int_equal(get_le32(rsdt + 4), 36 + 3 * 4);
    assert_int_equal(get_le32(rsdt + 44), get_le64(xsdt + 52));
    hpet = table(get_le32(rsdt + 44), "HPET", used);
    assert_int_equal(get_le32(hpet + 4), 56);
    assert_int_equal(get_le32(hpet + 36), 0x8086a201);
    assert_int_equal(hpet[40], 0); /* memory */
    assert_int_equal(get_le64(hpet + 44), 0xfed00000);
}

static void test_chain(void **state)
{
    (void)state;
    check_chain(1);
    check_chain(4);
    check_chain(ACPI_MAX_CPUS);
}

/* Without an HPET there is no table of it. */
static void test_no_hpet(void **state)
{
    static const uint32_t id;
    const struct acpi_config c = {.ncpus = 1, .apic_ids = &id};
    size_t used = acpi_build(&c, BASE, tables, sizeof(tables));
    const uint8_t *rsdt = table(get_le32(tables + 16), "RSDT", used);

    (void)state;
    assert_int_equal(get_le32(rsdt + 4), 36 + 2 * 4);
}

static void test_no_room(void **state)
{
    size_t used = build(1, sizeof(tables));

    (void)state;
    for (size_t room = 0; room < used; room += 61)
        assert_int_equal(build(1, room), 0);
    assert_int_equal(build(1, used), used);
}

/* A package whose body has n bytes, as far as its length is concerned. */
static size_t package_of(size_t n, uint8_t *out)
{
    static uint8_t buf[0x20000];
    struct aml a;

    aml_init(&a, buf, sizeof(buf));
    aml_package(&a, 0); /* one byte of the body */
    for (size_t i = 1; i < n; i++)
        aml_byte(&a, 0);
    aml_close(&a);
    memcpy(out, buf, 5);
    return a.used;
}

static void test_pkg_length(void **state)
{
    uint8_t p[5];

    (void)state;
    package_of(62, p); /* 63 with its own byte */
    assert_int_equal(p[1], 0x3f);
    package_of(63, p);
    assert_memory_equal(p + 1, "\x41\x04", 2); /* 65 */
    package_of(4093, p);
    assert_memory_equal(p + 1, "\x4f\xff", 2); /* 4095 */
    package_of(4094, p);
    assert_memory_equal(p + 1, "\x81\x00\x01", 3); /* 4097 */
    assert_int_equal(package_of(0x10000, p), 1 + 3 + 0x10000);
}

static void test_terms(void **state)
{
    uint8_t buf[64];
    struct aml a;

    (void)state;
    aml_init(&a, buf, sizeof(buf));
    aml_eisaid(&a, "PNP0A03");
    aml_path(&a, "\\_SB.PCI0.ISA");
    aml_integer(&a, 0x1234);
    assert_memory_equal(buf, "\x0c\x41\xd0\x0a\x03\\\x2f\x03_SB_PCI0ISA_\x0b\x34\x12", 23);
    assert_int_equal(a.used, 23);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),   cmocka_unit_test(test_no_hpet),
        cmocka_unit_test(test_no_room), cmocka_unit_test(test_pkg_length),
        cmocka_unit_test(test_terms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
