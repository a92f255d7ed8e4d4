/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_cfg: selector and data ports, directory, DMA. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "devices/misc/fw_cfg.h"
#include "vm/machine.h"

struct board {
    struct machine m;
    struct fw_cfg f;
    struct region ram;
};

static int setup(void **state)
{
    struct board *b = calloc(1, sizeof(*b));

    assert_true(machine_init(&b->m, 1 << 20, 0, NULL));
    region_init_memory(&b->ram, "ram", 1 << 20, 0, 0);
    region_add(&b->m.mem, &b->ram, 0, 0);
    fw_cfg_init(&b->f, &b->m, "fw-cfg", 0x510);
    assert_true(fw_cfg_add_file(&b->f, "etc/one", "first", 5));
    assert_true(fw_cfg_add_file(&b->f, "etc/two", "second", 6));
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct board *b = *state;

    fw_cfg_destroy(&b->f);
    machine_destroy(&b->m);
    free(b);
    return 0;
}

static void read_item(struct board *b, uint16_t key, void *to, size_t n)
{
    uint8_t *p = to;

    address_space_write(&b->m.io, 0x510, key, 2);
    while (n--)
        *p++ = (uint8_t)address_space_read(&b->m.io, 0x511, 1);
}

static void test_items(void **state)
{
    struct board *b = *state;
    uint8_t buf[8];

    read_item(b, FW_CFG_SIGNATURE, buf, 6);
    assert_memory_equal(buf, "QEMU\0\0", 6); /* zeros after the end */
    read_item(b, FW_CFG_ID, buf, 4);
    assert_memory_equal(buf, "\3\0\0\0", 4);
    read_item(b, 0xffff, buf, 2); /* no such item */
    assert_memory_equal(buf, "\0\0", 2);
}

static void test_directory(void **state)
{
    struct board *b = *state;
    uint8_t dir[4 + 2 * 64], data[6];

    read_item(b, FW_CFG_FILE_DIR, dir, sizeof(dir));
    assert_memory_equal(dir, "\0\0\0\2\0\0\0\5\0\x20\0\0etc/one", 20);
    assert_memory_equal(dir + 68, "\0\0\0\6\0\x21\0\0etc/two", 16);
    read_item(b, 0x21, data, 6);
    assert_memory_equal(data, "second", 6);
    assert_false(fw_cfg_add_file(&b->f, "etc/two", "", 0));
    assert_false(fw_cfg_add_file(
        &b->f, "a-name-that-is-just-too-long-for-the-directory-of-files-of", "", 0));
}

/* Writes a command at 0x1000 and starts it; returns the control word that comes back. */
static uint32_t dma(struct board *b, uint32_t control, uint32_t length, uint64_t address)
{
    uint8_t *p = b->m.arena.host + 0x1000;
    uint32_t words[4] = {__builtin_bswap32(control), __builtin_bswap32(length),
                         __builtin_bswap32((uint32_t)(address >> 32)),
                         __builtin_bswap32((uint32_t)address)};

    memcpy(p, words, sizeof(words));
    address_space_write(&b->m.io, 0x514, 0, 4);
    address_space_write(&b->m.io, 0x518, __builtin_bswap32(0x1000), 4);
    memcpy(words, p, 4);
    return __builtin_bswap32(words[0]);
}

static void test_dma(void **state)
{
    struct board *b = *state;
    uint8_t *ram = b->m.arena.host;

    assert_int_equal(address_space_read(&b->m.io, 0x514, 4), 0x554d4551);
    assert_int_equal(address_space_read(&b->m.io, 0x518, 4), 0x47464320);
    memset(ram + 0x2000, 0xee, 16);
    assert_int_equal(dma(b, 0x21 << 16 | 0x08 | 0x02, 8, 0x2000), 0);
    assert_memory_equal(ram + 0x2000, "second\0\0\xee", 9);
    assert_int_equal(dma(b, 0x21 << 16 | 0x08 | 0x04, 2, 0), 0); /* select, skip 2 */
    assert_int_equal(dma(b, 0x02, 4, 0x3000), 0);
    assert_memory_equal(ram + 0x3000, "cond", 4);
    assert_int_equal(dma(b, 0x10, 4, 0x3000), 1);          /* write: refused */
    assert_int_equal(dma(b, 0x02, UINT32_MAX, 0x3000), 1); /* more than there is memory */
    assert_int_equal(dma(b, 0x02, 4096, UINT64_MAX - 1), 0);
}

/* Keys with bit 15 are items of their own; those beyond them are empty. */
static void test_arch_items(void **state)
{
    struct board *b = *state;
    uint8_t buf[2];

    assert_true(fw_cfg_add(&b->f, FW_CFG_IRQ0_OVERRIDE, "\x5a", 1));
    read_item(b, FW_CFG_IRQ0_OVERRIDE, buf, 2);
    assert_memory_equal(buf, "\x5a\0", 2);
    for (unsigned key = FW_CFG_NUM_KEYS; key < 0x10000; key += 1) {
        if (key == FW_CFG_IRQ0_OVERRIDE)
            continue;
        read_item(b, (uint16_t)key, buf, 1);
        assert_int_equal(buf[0], 0);
    }
}

static void refresh(void *opaque)
{
    fw_cfg_set_file(opaque, "etc/one", "FIRST");
}

static void test_refresh(void **state)
{
    struct board *b = *state;
    uint8_t buf[5];

    fw_cfg_on_select(&b->f, "etc/one", refresh, &b->f);
    read_item(b, FW_CFG_FILE_FIRST + 1, buf, 5);
    assert_memory_equal(b->f.items[FW_CFG_FILE_FIRST].data, "first", 5);
    read_item(b, FW_CFG_FILE_FIRST, buf, 5);
    assert_memory_equal(buf, "FIRST", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_items, setup, teardown),
        cmocka_unit_test_setup_teardown(test_directory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dma, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arch_items, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refresh, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
