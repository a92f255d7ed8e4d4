/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "vm/machine.h"

#define RAM (8u << 20)

/* The digest of a second machine that gets the same bytes at once. */
static uint64_t fresh_digest(const struct machine *m)
{
    static struct machine n;
    uint64_t d;

    assert_true(machine_init(&n, RAM, 0, NULL));
    for (uint64_t page = 0; page < RAM; page += VM_PAGE_SIZE) {
        if (!m->arena.page_flags[page >> VM_PAGE_SHIFT])
            continue; /* never stored to */
        memcpy(n.arena.host + page, m->arena.host + page, VM_PAGE_SIZE);
        arena_store_notify(&n.arena, page, VM_PAGE_SIZE);
    }
    d = machine_digest(&n).memory;
    machine_destroy(&n);
    return d;
}

static unsigned nowhere_dropped;

static void on_drop(void *opaque, uint64_t page)
{
    (void)opaque;
    assert_true(page == ARENA_NONE);
    nowhere_dropped++;
}

static void store_somehow(struct machine *m, uint32_t r, unsigned way)
{
    uint64_t addr = r % (RAM - 64), page = addr & ~(uint64_t)(VM_PAGE_SIZE - 1);

    switch (way) {
    case 0:
        address_space_write(&m->mem, addr, r * 77ull, 8);
        break;
    case 1:
        address_space_write_block(&m->mem, addr, &r, sizeof(r));
        break;
    case 2:
        address_space_write_rom(&m->mem, addr, &r, sizeof(r));
        break;
    default: /* a CPU's direct store */
        assert_true(arena_page_storable(&m->arena, page));
        m->arena.host[addr] ^= 1;
    }
}

static void test_incremental(void **state)
{
    struct code_listener l = {NULL, on_drop, NULL, NULL};
    struct machine m;
    struct region ram;
    uint32_t r = 1;
    uint64_t before = 0;

    (void)state;
    assert_true(machine_init(&m, RAM, 0, NULL));
    region_init_memory(&ram, "ram", RAM, 0, 0);
    region_add(&m.mem, &ram, 0, 0);
    m.arena.listeners = &l;
    before = machine_digest(&m).memory;
    assert_int_equal(nowhere_dropped, 0);
    for (unsigned round = 0; round < 20; round++) {
        uint64_t now;

        for (unsigned i = 0; i < round + 1; i++) {
            r = r * 1664525 + 1013904223;
            store_somehow(&m, r >> 4, (r >> 28) & 3);
        }
        now = machine_digest(&m).memory;
        assert_true(now != before);
        assert_true(now == machine_digest(&m).memory);
        assert_true(now == fresh_digest(&m));
        before = now;
    }
    assert_int_equal(nowhere_dropped, 20);
    m.arena.listeners = NULL;
    machine_destroy(&m);
}

/* A page of zeros is as good as one never touched, and such a page is not looked at: the
 * digest of 4 GiB does not allocate them. */
static void test_untouched(void **state)
{
    struct machine m;
    uint64_t zero;

    (void)state;
    assert_true(machine_init(&m, 1ull << 32, 0, NULL));
    zero = machine_digest(&m).memory;
    arena_store_notify(&m.arena, 0x5000, 1);
    assert_true(machine_digest(&m).memory == zero);
    m.arena.host[0xffff0123] = 1;
    arena_store_notify(&m.arena, 0xffff0123, 1);
    assert_true(machine_digest(&m).memory != zero);
    machine_destroy(&m);
}

static void test_bytes(void **state)
{
    uint8_t buf[64] = {0};

    (void)state;
    for (unsigned n = 0; n < 64; n++) {
        uint64_t h = digest_bytes(buf, n, 0);

        assert_true(h != digest_bytes(buf, n + 1, 0));
        assert_true(h != digest_bytes(buf, n, 1));
        for (unsigned i = 0; i < n; i++) {
            buf[i] = 0x80;
            assert_true(h != digest_bytes(buf, n, 0));
            buf[i] = 0;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_incremental),
        cmocka_unit_test(test_untouched),
        cmocka_unit_test(test_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
