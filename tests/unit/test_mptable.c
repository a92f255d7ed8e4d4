/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MP tables: checksums, lengths, and as many entries as the header says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "machines/boot.h"
#include "machines/mptable.h"

#define BASE 0xf8000u

static uint8_t out[MPTABLE_MAX]; /* of this test program, not of a machine */
static unsigned found[5];        /* entries of each type */

static size_t build(unsigned ncpus, uint32_t first_id, size_t room)
{
    uint32_t ids[255];

    for (unsigned i = 0; i < ncpus; i++)
        ids[i] = first_id + i;
    const struct mptable_config c = {.ncpus = ncpus,
                                     .apic_ids = ids,
                                     .cpu_signature = 0x306a9,
                                     .cpu_features = 0x201,
                                     .ioapic_base = 0xfec00000,
                                     .ioapic_id = 9,
                                     .ioapic_version = 0x20,
                                     .pirq_irq = {10, 10, 11, 11},
                                     .sci_irq = 9};

    return mptable_build(&c, BASE, out, room);
}

static uint8_t sum(const uint8_t *p, size_t n)
{
    uint8_t s = 0;

    while (n--)
        s = (uint8_t)(s + *p++);
    return s;
}

/* Steps over the entries; they end where the table does. */
static void walk(const uint8_t *header)
{
    unsigned length = get_le16(header + 4), at = 44;

    memset(found, 0, sizeof(found));
    for (unsigned n = get_le16(header + 34); n; n--) {
        assert_true(at < length && header[at] < 5);
        found[header[at]]++;
        at += header[at] == 0 ? 20 : 8;
    }
    assert_int_equal(at, length);
}

static void test_tables(void **state)
{
    const uint8_t *header = out + 16;
    size_t used = build(4, 0, sizeof(out));

    (void)state;
    assert_true(used > 0);
    assert_memory_equal(out, "_MP_", 4);
    assert_int_equal(get_le32(out + 4), BASE + 16);
    assert_int_equal(sum(out, 16), 0);
    assert_memory_equal(header, "PCMP", 4);
    assert_int_equal(get_le16(header + 4), used - 16);
    assert_int_equal(sum(header, used - 16), 0);
    walk(header);
    assert_int_equal(found[0], 4);
    assert_int_equal(found[1], 2);
    assert_int_equal(found[2], 1);
    assert_int_equal(found[3], 13 + 31 * 4); /* ISA but 2, 10, 11; four pins of 31 slots */
    assert_int_equal(found[4], 2);
    assert_int_equal(header[44 + 3], 3); /* the first is enabled and boots, the next only enabled */
    assert_int_equal(header[44 + 20 + 1], 1);
    assert_int_equal(header[44 + 20 + 3], 1);
}

/* An ID above 254 cannot be said. */
static void test_limits(void **state)
{
    size_t used = build(255, 0, sizeof(out));

    (void)state;
    assert_true(used > 0);
    walk(out + 16);
    assert_int_equal(found[0], 255);
    build(2, 254, sizeof(out));
    walk(out + 16);
    assert_int_equal(found[0], 1);
    used = build(1, 0, sizeof(out));
    assert_int_equal(build(1, 0, used), used);
    assert_int_equal(build(1, 0, used - 1), 0);
    assert_int_equal(build(1, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
