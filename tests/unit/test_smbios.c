/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMBIOS: structures and their strings, entry points, -smbios. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "machines/boot.h"
#include "machines/smbios.h"

struct bench {
    struct smbios_settings settings;
    struct smbios_config config;
    struct smbios_tables t;
    struct error err;
};

static int setup(void **state)
{
    static struct bench bench; /* of this test program, not of a machine */

    memset(&bench, 0, sizeof(bench));
    bench.config = (struct smbios_config){.settings = &bench.settings,
                                          .low_ram = 256 << 20,
                                          .sockets = 1,
                                          .cores = 2,
                                          .threads = 1,
                                          .cpuid_signature = 0x306a9,
                                          .cpuid_features = 0x78bfbff};
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    smbios_settings_free(&((struct bench *)*state)->settings);
    return 0;
}

static uint8_t sum(const uint8_t *p, size_t n)
{
    uint8_t s = 0;

    while (n--)
        s = (uint8_t)(s + *p++);
    return s;
}

static const uint8_t *next_structure(const uint8_t *p)
{
    p += p[1];
    while (p[0] || p[1])
        p++;
    return p + 2;
}

/* The nth structure of a type, NULL if there is none. */
static const uint8_t *find(const struct smbios_tables *t, uint8_t type, unsigned n)
{
    const uint8_t *p = t->data;

    for (unsigned i = 0; i < t->count; i++, p = next_structure(p))
        if (p[0] == type && n-- == 0)
            return p;
    return NULL;
}

/* The string that byte `at` of a structure refers to. */
static const char *string(const uint8_t *structure, unsigned at)
{
    const char *s = (const char *)structure + structure[1];

    if (!structure[at])
        return "";
    for (unsigned i = 1; i < structure[at]; i++)
        s += strlen(s) + 1;
    return s;
}

static void build(struct bench *b)
{
    assert_true(smbios_build(&b->config, &b->t, &b->err));
}

/* Structures follow each other to the last byte, every handle is used once, and the largest is
 * what the entry point says. */
static void check_walk(const struct smbios_tables *t)
{
    const uint8_t *p = t->data, *next;
    size_t largest = 0;

    for (unsigned i = 0; i < t->count; i++, p = next) {
        next = next_structure(p);
        if ((size_t)(next - p) > largest)
            largest = (size_t)(next - p);
        assert_true(p[1] >= 4);
        assert_int_equal(p[3], p[0]);
        for (const uint8_t *q = t->data; q < p; q = next_structure(q))
            assert_int_not_equal(get_le16(q + 2), get_le16(p + 2));
        assert_int_equal(p[0] == 127, i == t->count - 1u);
    }
    assert_ptr_equal(p, t->data + t->used);
    assert_int_equal(largest, t->largest);
}

static void test_standard(void **state)
{
    struct bench *b = *state;
    const uint8_t *p;

    build(b);
    check_walk(&b->t);
    assert_string_equal(string(find(&b->t, 0, 0), 4), "Calque");
    p = find(&b->t, 1, 0);
    assert_int_equal(p[1], 0x1b);
    assert_string_equal(string(p, 4), "Calque");
    assert_string_equal(string(p, 7), "");
    assert_null(find(&b->t, 2, 0));
    assert_non_null(find(&b->t, 3, 0));
    p = find(&b->t, 4, 0);
    assert_string_equal(string(p, 4), "CPU 0");
    assert_int_equal(get_le64(p + 8), 0x078bfbff000306a9);
    assert_int_equal(p[0x23], 2);
    assert_int_equal(p[0x25], 2);
    assert_int_equal(get_le16(p + 0x26), 0x08); /* several cores, not 64 bits */
    p = find(&b->t, 16, 0);
    assert_int_equal(get_le32(p + 7), 256 << 10);
    assert_int_equal(get_le16(p + 13), 1);
    p = find(&b->t, 17, 0);
    assert_int_equal(get_le16(p + 4), get_le16(find(&b->t, 16, 0) + 2));
    assert_int_equal(get_le16(p + 12), 256);
    assert_string_equal(string(p, 0x10), "DIMM 0");
    p = find(&b->t, 19, 0);
    assert_int_equal(get_le32(p + 4), 0);
    assert_int_equal(get_le32(p + 8), (256 << 10) - 1);
    assert_null(find(&b->t, 19, 1));
    assert_non_null(find(&b->t, 32, 0));
}

static void test_big_machine(void **state)
{
    struct bench *b = *state;
    const uint8_t *p;

    b->config.low_ram = 3ull << 30;
    b->config.high_ram = 37ull << 30;
    b->config.sockets = 2;
    b->config.cores = 300;
    b->config.threads = 2;
    b->config.long_mode = true;
    build(b);
    check_walk(&b->t);
    p = find(&b->t, 4, 1);
    assert_string_equal(string(p, 4), "CPU 1");
    assert_int_equal(p[0x23], 0xff);
    assert_int_equal(get_le16(p + 0x26), 0x1c);
    assert_int_equal(get_le16(p + 0x2a), 300);
    assert_int_equal(get_le16(p + 0x2e), 600);
    p = find(&b->t, 16, 0);
    assert_int_equal(get_le32(p + 7), 40u << 20);
    assert_int_equal(get_le16(p + 13), 3);
    p = find(&b->t, 17, 0);
    assert_int_equal(get_le16(p + 12), 16384);
    assert_int_equal(get_le16(find(&b->t, 17, 2) + 12), 8192);
    p = find(&b->t, 19, 1);
    assert_int_equal(get_le32(p + 4), 4 << 20);
    assert_int_equal(get_le32(p + 8), (41 << 20) - 1);
}

static void test_entry_points(void **state)
{
    struct bench *b = *state;
    uint8_t e[SMBIOS_ENTRY_SIZE], e3[SMBIOS_ENTRY3_SIZE];

    build(b);
    smbios_entry(&b->t, 0xf4040, e);
    assert_memory_equal(e, "_SM_", 4);
    assert_int_equal(sum(e, sizeof(e)), 0);
    assert_memory_equal(e + 16, "_DMI_", 5);
    assert_int_equal(sum(e + 16, 15), 0);
    assert_int_equal(get_le16(e + 6), 0x0802); /* 2.8 */
    assert_int_equal(get_le16(e + 22), b->t.used);
    assert_int_equal(get_le32(e + 24), 0xf4040);
    assert_int_equal(get_le16(e + 28), b->t.count);
    smbios_entry3(&b->t, 0xf4040, e3);
    assert_memory_equal(e3, "_SM3_", 5);
    assert_int_equal(sum(e3, sizeof(e3)), 0);
    assert_int_equal(e3[7], 3);
    assert_int_equal(get_le32(e3 + 12), b->t.used);
    assert_int_equal(get_le64(e3 + 16), 0xf4040);
}

static void set(struct bench *b, const char *text)
{
    b->err.text[0] = 0;
    if (!smbios_parse(&b->settings, text, &b->err))
        fail_msg("%s", b->err.text);
}

static void test_settings(void **state)
{
    static const uint8_t uuid[] = {0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
                                   0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    struct bench *b = *state;
    const uint8_t *p;

    set(b, "type=0,vendor=ACME,,Inc,release=1.23,uefi=on");
    set(b, "type=1,serial=5,uuid=00112233-4455-6677-8899-aabbccddeeff");
    set(b, "type=1,serial=6"); /* the last one counts, the uuid stays */
    set(b, "type=2,location=here");
    set(b, "type=4,sock_pfx=P,processor-id=0x1122334455667788,max-speed=3000");
    set(b, "type=11,value=one,value=two");
    set(b, "type=17,speed=1600,part=x");
    build(b);
    check_walk(&b->t);
    p = find(&b->t, 0, 0);
    assert_string_equal(string(p, 4), "ACME,Inc");
    assert_int_equal(p[0x14], 1);
    assert_int_equal(p[0x15], 23);
    assert_int_equal(p[0x13] & 0x08, 0x08);
    p = find(&b->t, 1, 0);
    assert_string_equal(string(p, 7), "6");
    assert_memory_equal(p + 8, uuid, 16);
    assert_string_equal(string(find(&b->t, 2, 0), 10), "here");
    p = find(&b->t, 4, 0);
    assert_string_equal(string(p, 4), "P 0");
    assert_int_equal(get_le64(p + 8), 0x1122334455667788);
    assert_int_equal(get_le16(p + 0x14), 3000);
    p = find(&b->t, 11, 0);
    assert_int_equal(p[4], 2);
    assert_string_equal((const char *)p + 5, "one");
    assert_string_equal((const char *)p + 9, "two");
    p = find(&b->t, 17, 0);
    assert_int_equal(get_le16(p + 0x15), 1600);
    assert_string_equal(string(p, 0x1a), "x");
}

/* Firmware adds its own type 0, unless it is told what to say. */
static void test_firmware_type0(void **state)
{
    struct bench *b = *state;

    b->config.firmware = true;
    build(b);
    assert_null(find(&b->t, 0, 0));
    set(b, "type=0");
    build(b);
    assert_non_null(find(&b->t, 0, 0));
}

static void refused(struct bench *b, const char *text, const char *why)
{
    b->err.text[0] = 0;
    assert_false(smbios_parse(&b->settings, text, &b->err));
    if (!strstr(b->err.text, why) || strncmp(b->err.text, "-smbios", 7) != 0)
        fail_msg("\"%s\": \"%s\" was expected", b->err.text, why);
}

static void test_refused(void **state)
{
    struct bench *b = *state;
    char text[SMBIOS_TABLES_MAX];

    refused(b, "", "key=value");
    refused(b, "serial=5", "type=N");
    refused(b, "type=x", "type");
    refused(b, "type=9", "0 1 2 3 4 11 17");
    refused(b, "type=1,srial=5", "did you mean serial?");
    refused(b, "type=1,uuid=12", "uuid=12");
    refused(b, "type=1,uuid=00112233-4455-6677-8899-aabbccddeef-", "hexadecimal");
    refused(b, "type=1,uuid=00112233-4455-6677-8899-aabbccddeeff0", "hexadecimal");
    refused(b, "type=0,release=1", "MAJOR.MINOR");
    refused(b, "type=0,release=1.256", "MAJOR.MINOR");
    refused(b, "type=0,uefi=maybe", "on or off");
    refused(b, "type=4,max-speed=65536", "max-speed");
    refused(b, "type=11,vlaue=x", "did you mean value?");
    refused(b, "file=x", "file=");
    snprintf(text, sizeof(text), "type=1,serial=%0*d", (int)sizeof(text) - 16, 0);
    set(b, text);
    assert_false(smbios_build(&b->config, &b->t, &b->err));
    assert_non_null(strstr(b->err.text, "-smbios"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_standard, setup, teardown),
        cmocka_unit_test_setup_teardown(test_big_machine, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entry_points, setup, teardown),
        cmocka_unit_test_setup_teardown(test_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_firmware_type0, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
