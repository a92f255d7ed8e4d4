/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flash: what UEFI firmware does with it, command by command, and that it reaches the image. */
#include <string.h>

#include "devices/storage/cfi01.h"
#include "tests/devices/fakedisk.h"
#include "tests/devices/rig.h"

#define SIZE 0x10000u
#define BASE (0x100000000ull - SIZE)

struct box {
    struct rig r;
    struct cfi01 flash;
    struct blockdev disk;
};

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof(*b));
    struct error err = {{0}};

    rig_init(&b->r);
    arena_destroy(&b->r.m.arena);
    assert_true(arena_init(&b->r.m.arena, (1 << 20) + SIZE, &err));
    assert_int_equal(arena_alloc(&b->r.m.arena, 1 << 20), 0);
    fake_init(&b->disk, SIZE);
    assert_true(cfi01_init(&b->flash, &b->r.m, "flash", 1ull << 32, &b->disk, &err));
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;

    rig_end(&b->r);
    fake_free(&b->disk);
    free(b);
    return 0;
}

static uint8_t get(struct box *b, uint32_t at)
{
    return address_space_read(&b->r.m.mem, BASE + at, 1);
}

static void put(struct box *b, uint32_t at, uint8_t value)
{
    address_space_write(&b->r.m.mem, BASE + at, value, 1);
}

static void contents(void **state)
{
    struct box *b = *state;
    uint8_t data[64];

    address_space_read_block(&b->r.m.mem, BASE + 1000, data, 64);
    assert_memory_equal(data, b->disk.data + 1000, 64);
    /* Code runs from it: the page is memory, without writes. */
    assert_int_equal(address_space_page(&b->r.m.mem, BASE + 0x1000).read_at,
                     b->flash.arena_at + 0x1000);
    assert_int_equal(address_space_page(&b->r.m.mem, BASE + 0x1000).write_at, ARENA_NONE);
}

/* OVMF's probe: what reads 0 after these two commands is flash. */
static void probe(void **state)
{
    struct box *b = *state;
    uint8_t was = get(b, 5);

    put(b, 5, 0x50);
    assert_int_equal(get(b, 5), was);
    put(b, 5, 0x70);
    assert_int_equal(get(b, 5), 0);
    put(b, 5, 0xff);
    assert_int_equal(get(b, 5), was);
}

static void program_and_erase(void **state)
{
    struct box *b = *state;

    put(b, 0x2345, 0x20);
    put(b, 0x2345, 0xd0);
    assert_int_equal(get(b, 0), 0x80);
    put(b, 0, 0xff);
    assert_int_equal(get(b, 0x2000), 0xff);
    assert_int_equal(get(b, 0x2fff), 0xff);
    assert_int_equal(get(b, 0x3001), b->disk.data[0x3001]);
    put(b, 0x2100, 0x10);
    put(b, 0x2100, 0x5a);
    put(b, 0x2100, 0x40);
    put(b, 0x2100, 0xf3); /* bits are only cleared */
    assert_int_equal(get(b, 0x2100), 0x80);
    put(b, 0, 0xff);
    assert_int_equal(get(b, 0x2100), 0x52);
    rig_pass(&b->r, 1000000);
    assert_int_equal(b->disk.data[0x2100], 0x52);
    assert_int_equal(b->disk.data[0x2000], 0xff);
}

static void buffered(void **state)
{
    struct box *b = *state;

    put(b, 0x3000, 0x20);
    put(b, 0x3000, 0xd0);
    put(b, 0x3000, 0xe8);
    assert_int_equal(get(b, 0x3000), 0x80);
    put(b, 0x3000, 3);
    for (unsigned i = 0; i < 4; i++) {
        put(b, 0x3000 + i, 0x10 + i);
        if (i == 1)
            rig_round_trip(&b->r, &b->flash.dev);
    }
    put(b, 0x3000, 0xd0);
    assert_int_equal(get(b, 0x3000), 0x80);
    put(b, 0, 0xff);
    assert_int_equal(get(b, 0x3003), 0x13);
    put(b, 0, 0x20);
    put(b, 0, 0x11); /* not the confirmation */
    assert_int_equal(get(b, 0), 0xb0);
}

static void identify(void **state)
{
    struct box *b = *state;

    put(b, 0, 0x90);
    assert_int_equal(get(b, 0), 0x89);
    put(b, 0x55, 0x98);
    assert_int_equal(get(b, 0x10), 'Q');
    assert_int_equal(get(b, 0x12), 'Y');
    assert_int_equal(get(b, 0x13), 1);
    assert_int_equal(get(b, 0x27), 16); /* 64 KiB */
    assert_int_equal(get(b, 0x2d), SIZE / CFI01_BLOCK - 1);
    devices_reset(&b->r.m);
    assert_int_equal(get(b, 0x10), b->disk.data[0x10]);
}

static void protected_chip(void **state)
{
    struct box *b = *state;
    uint8_t was = get(b, 7);

    b->disk.read_only = true;
    put(b, 7, 0x10);
    put(b, 7, 0);
    assert_int_equal(get(b, 7), 0x92);
    put(b, 7, 0x20);
    put(b, 7, 0xd0);
    assert_int_equal(get(b, 7), 0xb2);
    put(b, 7, 0xff);
    assert_int_equal(get(b, 7), was);
    assert_int_equal(b->disk.writes, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(contents), TEST(probe),    TEST(program_and_erase),
        TEST(buffered), TEST(identify), TEST(protected_chip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
