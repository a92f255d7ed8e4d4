/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/irq/ioapic.h"
#include "tests/devices/rig.h"

struct apic_rig {
    struct rig r;
    struct ioapic a;
    unsigned sent;
    uint64_t address;
    uint32_t data;
};

static void sent(void *owner, uint64_t address, uint32_t data)
{
    struct apic_rig *t = owner;

    t->sent++;
    t->address = address;
    t->data = data;
}

static void start(struct apic_rig *t)
{
    t->sent = 0;
    rig_init(&t->r);
    ioapic_init(&t->a, &t->r.m, "ioapic", IOAPIC_BASE, (struct msi_sink){.send = sent, .owner = t});
}

static void put(struct apic_rig *t, uint8_t reg, uint32_t v)
{
    address_space_write(&t->r.m.mem, IOAPIC_BASE, reg, 4);
    address_space_write(&t->r.m.mem, IOAPIC_BASE + 0x10, v, 4);
}

static uint32_t get(struct apic_rig *t, uint8_t reg)
{
    address_space_write(&t->r.m.mem, IOAPIC_BASE, reg, 4);
    return address_space_read(&t->r.m.mem, IOAPIC_BASE + 0x10, 4);
}

static void registers(void **state)
{
    struct apic_rig t;

    (void)state;
    start(&t);
    assert_int_equal(get(&t, 1), 0x170020);
    put(&t, 0, 0xffffffff);
    assert_int_equal(get(&t, 0), 0x0f000000);
    assert_int_equal(get(&t, 0x10), 0x10000);
    put(&t, 0x3f, 0xffffffff);
    assert_int_equal(get(&t, 0x3f), 0xff000000);
    rig_end(&t.r);
}

static void edge(void **state)
{
    struct apic_rig t;

    (void)state;
    start(&t);
    irq_set(ioapic_line(&t.a, 4), true); /* masked: lost */
    put(&t, 0x19, 0x03000000);
    put(&t, 0x18, 0x0930); /* logical, lowest priority, vector 0x30 */
    assert_int_equal(t.sent, 0);
    irq_pulse(ioapic_line(&t.a, 4));
    assert_int_equal(t.sent, 0);
    irq_pulse(ioapic_line(&t.a, 4));
    assert_int_equal(t.sent, 1);
    assert_int_equal(t.address, 0xfee03004);
    assert_int_equal(t.data, 0x130);
    rig_end(&t.r);
}

static void level(void **state)
{
    struct apic_rig t;
    struct eoi_sink eoi;

    (void)state;
    start(&t);
    eoi = ioapic_eoi_sink(&t.a);
    irq_set(ioapic_line(&t.a, 10), true);
    put(&t, 0x24, 0xa041); /* unmasking sends what waits */
    assert_int_equal(t.sent, 1);
    assert_int_equal(t.data, 0xc041);
    assert_int_equal(get(&t, 0x24), 0xe041);
    eoi.eoi(eoi.owner, 0x40);
    assert_int_equal(t.sent, 1);
    eoi.eoi(eoi.owner, 0x41);
    assert_int_equal(t.sent, 2);
    irq_set(ioapic_line(&t.a, 10), false);
    address_space_write(&t.r.m.mem, IOAPIC_BASE + 0x40, 0x41, 4);
    assert_int_equal(get(&t, 0x24), 0xa041);
    irq_set(ioapic_line(&t.a, 10), true);
    assert_int_equal(t.sent, 3);
    put(&t, 0x24, 0x12041); /* masked edge clears Remote IRR */
    put(&t, 0x24, 0x1a041);
    assert_int_equal(get(&t, 0x24), 0x1a041);
    rig_round_trip(&t.r, &t.a.dev);
    rig_end(&t.r);
}

static void count_event(void *owner, enum irq_event event)
{
    ((unsigned *)owner)[event]++;
}

static void watched(void **state)
{
    struct apic_rig t;
    unsigned events[2] = {0};

    (void)state;
    start(&t);
    ioapic_watch(&t.a, 2, (struct irq_watch){.fn = count_event, .owner = events});
    struct eoi_sink sink = ioapic_eoi_sink(&t.a);
    sink.taken(sink.owner, 0x30);
    put(&t, 0x14, 0x30);
    assert_int_equal(events[IRQ_OPENED], 1);
    put(&t, 0x16, 0x31); /* another input */
    put(&t, 0x14, 0x30);
    assert_int_equal(events[IRQ_OPENED], 1);
    sink.taken(sink.owner, 0x31);
    assert_int_equal(events[IRQ_TAKEN], 0);
    sink.taken(sink.owner, 0x30);
    assert_int_equal(events[IRQ_TAKEN], 1);
    rig_end(&t.r);
}

static void fuzz(void **state)
{
    struct apic_rig t;
    uint32_t seed = 1;

    (void)state;
    start(&t);
    for (unsigned i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        put(&t, seed >> 24, seed << 3);
        get(&t, seed >> 16);
        irq_set(ioapic_line(&t.a, seed >> 8 & 31), seed >> 30 & 1);
        ioapic_eoi(&t.a, seed);
    }
    rig_round_trip(&t.r, &t.a.dev);
    rig_end(&t.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers), cmocka_unit_test(edge), cmocka_unit_test(level),
        cmocka_unit_test(watched),   cmocka_unit_test(fuzz),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
