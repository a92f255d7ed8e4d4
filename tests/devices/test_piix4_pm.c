/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PIIX4 power management: PM timer, SCI, power button, soft-off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "devices/misc/piix4_pm.h"
#include "vm/machine.h"

#define PM 0x600

struct board {
    struct machine m;
    struct pci_bus bus;
    struct piix4_pm pm;
    bool sci;
    unsigned smis;
};

static void set_sci(void *owner, unsigned n, bool level)
{
    (void)n;
    ((struct board *)owner)->sci = level;
}

static void set_smi(void *owner, unsigned n, bool level)
{
    (void)n;
    ((struct board *)owner)->smis += level;
}

static int setup(void **state)
{
    struct board *b = calloc(1, sizeof(*b));

    assert_true(machine_init(&b->m, 2 << 20, 0, NULL));
    pci_bus_init(&b->bus, &b->m, "pci");
    piix4_pm_init(&b->pm, &b->m, "pm", &b->bus, (struct irq_line){.set = set_sci, .owner = b},
                  (struct irq_line){.set = set_smi, .owner = b});
    pci_config_write(&b->bus, PCI_DEVFN(1, 3), PIIX4_PMBA, PM | 1, 4);
    pci_config_write(&b->bus, PCI_DEVFN(1, 3), PIIX4_PMREGMISC, 1, 1);
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

/* The clock stands still in this test; time is what it is set to. */
static void set_time(struct board *b, uint64_t ns)
{
    b->m.clock.stopped_at = ns;
    vm_clock_run_timers(&b->m.clock);
}

static void test_mapping(void **state)
{
    struct board *b = *state;

    assert_int_equal(in(b, PM + PIIX4_PMSTS, 2), 0);
    pci_config_write(&b->bus, PCI_DEVFN(1, 3), PIIX4_PMREGMISC, 0, 1);
    assert_int_equal(in(b, PM + PIIX4_PMSTS, 2), 0xffff);
    pci_config_write(&b->bus, PCI_DEVFN(1, 3), PIIX4_PMBA, 0xb001, 4);
    pci_config_write(&b->bus, PCI_DEVFN(1, 3), PIIX4_PMREGMISC, 1, 1);
    assert_int_equal(in(b, 0xb000, 2), 0);
    assert_int_equal(pci_config_read(&b->bus, PCI_DEVFN(1, 3), PIIX4_PMBA, 4), 0xb001);
}

static void test_timer(void **state)
{
    struct board *b = *state;

    set_time(b, NS_PER_SEC);
    assert_int_equal(in(b, PM + PIIX4_PMTMR, 4), PM_TIMER_HZ);
    set_time(b, 10 * NS_PER_SEC);
    assert_int_equal(in(b, PM + PIIX4_PMTMR, 4), 10 * PM_TIMER_HZ & 0xffffff);
    assert_int_equal(in(b, PM + PIIX4_PMTMR + 1, 1), (10 * PM_TIMER_HZ >> 8) & 0xff);
}

static void test_overflow(void **state)
{
    struct board *b = *state;
    uint64_t edge = 0x800000ull * NS_PER_SEC / PM_TIMER_HZ + 1;

    out(b, PIIX4_SMI_CMD, PIIX4_ACPI_ENABLE, 1);
    assert_int_equal(in(b, PM + PIIX4_PMCNTRL, 2), 1);
    out(b, PM + PIIX4_PMEN, 1, 2);
    set_time(b, edge - 1);
    assert_false(b->sci);
    set_time(b, edge);
    assert_true(b->sci);
    assert_int_equal(in(b, PM + PIIX4_PMSTS, 2), 1);
    out(b, PM + PIIX4_PMSTS, 1, 2);
    assert_false(b->sci);
    set_time(b, 2 * edge);
    assert_true(b->sci);
    out(b, PIIX4_SMI_CMD, PIIX4_ACPI_DISABLE, 1);
    assert_false(b->sci);
}

static void test_power_button(void **state)
{
    struct board *b = *state;

    out(b, PIIX4_SMI_CMD, PIIX4_ACPI_ENABLE, 1);
    out(b, PM + PIIX4_PMEN + 1, 0x01, 1); /* byte access: PWRBTN_EN */
    assert_int_equal(in(b, PM + PIIX4_PMEN, 2), 0x100);
    piix4_pm_press_power_button(&b->pm);
    assert_false(b->sci);
    input_deliver(&b->m);
    assert_true(b->sci);
    assert_int_equal(in(b, PM + PIIX4_PMSTS, 4), 0x01000100);
    out(b, PM + PIIX4_PMSTS, 0x100, 2);
    assert_false(b->sci);
}

/* APMC_EN and SMI_EN together let a write of the APM control port through. */
static void test_apm_smi(void **state)
{
    struct board *b = *state;

    out(b, PIIX4_SMI_CMD, 0x12, 1);
    out(b, PM + PIIX4_GLBCTL, 1, 4);
    out(b, PIIX4_SMI_CMD, 0x12, 1);
    assert_int_equal(in(b, PM + PIIX4_GLBSTS, 2), 0);
    pci_config_write(&b->bus, PCI_DEVFN(1, 3), PIIX4_DEVACTB, 0xffffffff, 4);
    assert_int_equal(pci_config_read(&b->bus, PCI_DEVFN(1, 3), PIIX4_DEVACTB, 4), 0x02000000);
    assert_int_equal(b->smis, 0);
    out(b, PIIX4_SMI_CMD, 0x12, 1);
    out(b, PIIX4_SMI_CMD + 1, 0x34, 1); /* status: not a command */
    assert_int_equal(b->smis, 1);
    assert_int_equal(in(b, PIIX4_SMI_CMD, 1), 0x12);
    assert_int_equal(in(b, PM + PIIX4_GLBSTS, 2), 0x20);
    out(b, PM + PIIX4_GLBSTS, 0x20, 2);
    out(b, PM + PIIX4_GLBCTL, 0, 4);
    out(b, PIIX4_SMI_CMD, 0x12, 1);
    assert_int_equal(b->smis, 1);
    assert_int_equal(in(b, PM + PIIX4_GLBSTS, 2), 0x20);
    devices_reset(&b->m);
    assert_int_equal(pci_config_read(&b->bus, PCI_DEVFN(1, 3), PIIX4_DEVACTB, 4), 0);
}

static void test_soft_off(void **state)
{
    struct board *b = *state;

    out(b, PM + PIIX4_PMCNTRL, 1 << 10, 2);
    assert_int_equal(b->m.run.state, RUN_PAUSED);
    out(b, PM + PIIX4_PMCNTRL, 1 << 13 | 1 << 10, 2); /* S3: not there */
    assert_int_equal(b->m.run.state, RUN_PAUSED);
    out(b, PM + PIIX4_PMCNTRL, 1 << 13, 2);
    assert_int_equal(b->m.run.state, RUN_ENDED);
    assert_int_equal(b->m.run.reason, STOP_POWEROFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mapping, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_power_button, setup, teardown),
        cmocka_unit_test_setup_teardown(test_apm_smi, setup, teardown),
        cmocka_unit_test_setup_teardown(test_soft_off, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
