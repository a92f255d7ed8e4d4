/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/error.h"
#include "vm/memory.h"

/* A chip that is 64 bytes of storage and remembers its last access. */
struct chip {
    uint8_t reg[64];
    uint64_t offset;
    unsigned size, reads, writes;
};

static uint64_t chip_read(void *opaque, uint64_t offset, unsigned size)
{
    struct chip *c = opaque;
    uint64_t v = 0;

    c->offset = offset;
    c->size = size;
    c->reads++;
    memcpy(&v, c->reg + (offset & 31), size);
    return v;
}

static void chip_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct chip *c = opaque;

    c->offset = offset;
    c->size = size;
    c->writes++;
    memcpy(c->reg + (offset & 31), &value, size);
}

static const struct region_ops any_ops = {chip_read, chip_write, 0, 0};
static const struct region_ops byte_ops = {chip_read, chip_write, 1, 1};
static const struct region_ops dword_ops = {chip_read, chip_write, 4, 4};
static const struct region_ops qword_ops = {chip_read, chip_write, 1, 8};

struct bench {
    struct arena arena;
    struct address_space as;
    struct region ram, rom, dev;
    struct chip chip;
    unsigned changes;
};

static void count_change(void *opaque)
{
    ((struct bench *)opaque)->changes++;
}

static int setup(void **state)
{
    static struct bench b;

    memset(&b, 0, sizeof(b));
    assert_true(arena_init(&b.arena, 1 << 20, NULL));
    assert_int_equal(arena_alloc(&b.arena, 0x10000), 0);
    assert_int_equal(arena_alloc(&b.arena, 0x1001), 0x10000);
    assert_int_equal(b.arena.size, 0x12000);
    assert_true(arena_alloc(&b.arena, 1 << 20) == ARENA_NONE);
    address_space_init(&b.as, "memory", UINT64_MAX, &b.arena, NULL);
    for (unsigned i = 0; i < sizeof(b.chip.reg); i++)
        b.chip.reg[i] = (uint8_t)(0x80 + i);
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    address_space_destroy(&b->as);
    arena_destroy(&b->arena);
    return 0;
}

static void add_device(struct bench *b, const struct region_ops *ops, uint64_t base, uint64_t size)
{
    region_init_device(&b->dev, "chip", size, ops, &b->chip);
    region_add(&b->as, &b->dev, base, 0);
}

static void test_overlap(void **state)
{
    struct bench *b = *state;
    struct address_space_listener l = {.changed = count_change, .opaque = b};
    struct region low, high, equal;

    address_space_listen(&b->as, &l);
    region_init_memory(&low, "low", 0x8000, 0, 0);
    region_init_device(&high, "high", 0x1000, &any_ops, &b->chip);
    region_init_device(&equal, "equal", 0x1000, &any_ops, &b->chip);
    address_space_begin(&b->as);
    region_add(&b->as, &high, 0x2000, 1);
    region_add(&b->as, &low, 0x1000, 0);
    region_add(&b->as, &equal, 0x2800, 1);
    assert_int_equal(b->changes, 0);
    address_space_commit(&b->as);
    assert_int_equal(b->changes, 1);

    assert_null(address_space_find(&b->as, 0xfff));
    assert_ptr_equal(address_space_find(&b->as, 0x1fff)->region, &low);
    assert_ptr_equal(address_space_find(&b->as, 0x27ff)->region, &high);
    assert_ptr_equal(address_space_find(&b->as, 0x2800)->region, &equal);
    assert_ptr_equal(address_space_find(&b->as, 0x37ff)->region, &equal);
    assert_ptr_equal(address_space_find(&b->as, 0x3800)->region, &low);
    assert_int_equal(address_space_find(&b->as, 0x3800)->offset, 0x2800);
    assert_ptr_equal(address_space_find(&b->as, 0x8fff)->region, &low);
    assert_null(address_space_find(&b->as, 0x9000));

    region_enable(&equal, false);
    assert_ptr_equal(address_space_find(&b->as, 0x2800)->region, &high);
    assert_ptr_equal(address_space_find(&b->as, 0x3000)->region, &low);
    region_move(&high, 0x8800);
    assert_ptr_equal(address_space_find(&b->as, 0x97ff)->region, &high);
    assert_int_equal(b->as.nflat, 2);
    region_remove(&high);
    assert_int_equal(b->as.nflat, 1);
    assert_int_equal(b->as.generation, b->changes);
    region_move(&low, UINT64_MAX - 0xfff); /* cut at the top of the space */
    assert_true(address_space_find(&b->as, UINT64_MAX)->last == UINT64_MAX);
}

/* Against the definition, address by address, for random maps. */
static void test_random_maps(void **state)
{
    struct bench *b = *state;
    struct region r[12];
    uint32_t seed = 1;

    for (unsigned round = 0; round < 30; round++) {
        address_space_begin(&b->as);
        for (unsigned i = 0; i < 12; i++) {
            seed = seed * 1664525 + 1013904223;
            if (round)
                region_remove(&r[i]);
            region_init_device(&r[i], "r", 1 + (seed >> 8) % 40, &any_ops, &b->chip);
            region_add(&b->as, &r[i], (seed >> 16) % 100, (int)(seed >> 28) % 4);
            region_enable(&r[i], (seed >> 24) & 7);
        }
        address_space_commit(&b->as);
        for (uint64_t a = 0; a < 160; a++) {
            const struct mem_range *m = address_space_find(&b->as, a);
            const struct region *best = NULL;

            for (unsigned i = 0; i < 12; i++)
                if (r[i].enabled && a >= r[i].base && a - r[i].base < r[i].size &&
                    (!best || r[i].priority >= best->priority))
                    best = &r[i];
            assert_ptr_equal(m ? m->region : NULL, best);
            if (m)
                assert_int_equal(m->offset + a - m->start, a - best->base);
        }
    }
    for (unsigned i = 0; i < 12; i++)
        region_remove(&r[i]);
}

/* Programmable attributes: reads ROM, writes the RAM below it. */
static void test_pam(void **state)
{
    struct bench *b = *state;
    struct page_view v;

    region_init_memory(&b->ram, "ram", 0x10000, 0, 0);
    region_init_memory(&b->rom, "rom", 0x1000, 0x10000, ARENA_NONE);
    region_add(&b->as, &b->ram, 0, 0);
    region_add(&b->as, &b->rom, 0xf000, 1);
    address_space_write_rom(&b->as, 0xf000, "\x11\x22\x33\x44", 4);
    assert_int_equal(address_space_read(&b->as, 0xf000, 4), 0x44332211);
    address_space_write(&b->as, 0xf000, 0, 4); /* ROM: dropped */
    assert_int_equal(address_space_read(&b->as, 0xf000, 4), 0x44332211);

    region_set_memory(&b->rom, 0x10000, 0xf000);
    address_space_write(&b->as, 0xf000, 0xaabbccdd, 4);
    assert_int_equal(address_space_read(&b->as, 0xf000, 4), 0x44332211);
    v = address_space_page(&b->as, 0xf123);
    assert_int_equal(v.read_at, 0x10000);
    assert_int_equal(v.write_at, 0xf000);

    region_set_memory(&b->rom, 0xf000, ARENA_NONE);
    assert_int_equal(address_space_read(&b->as, 0xf000, 4), 0xaabbccdd);
    assert_true(address_space_page(&b->as, 0xf000).write_at == ARENA_NONE);
    region_set_memory(&b->rom, ARENA_NONE, 0xf000);
    assert_int_equal(address_space_read(&b->as, 0xf000, 2), 0xffff);
}

static void test_partial_page(void **state)
{
    struct bench *b = *state;

    region_init_memory(&b->ram, "ram", 0x3000, 0, 0);
    region_add(&b->as, &b->ram, 0, 0);
    add_device(b, &any_ops, 0x1800, 16);
    b->dev.priority = 0;
    assert_int_equal(address_space_page(&b->as, 0x2fff).write_at, 0x2000);
    assert_true(address_space_page(&b->as, 0x1000).read_at == ARENA_NONE);
    assert_true(address_space_page(&b->as, 0x3000).read_at == ARENA_NONE);
    /* Shown at an odd place: no page of the arena is a page here. */
    region_move(&b->ram, 0x10010);
    assert_true(address_space_page(&b->as, 0x11000).read_at == ARENA_NONE);
    assert_int_equal(address_space_page(&b->as, 0x11000).read_at, ARENA_NONE);
}

static void test_split_and_widen(void **state)
{
    struct bench *b = *state;

    add_device(b, &byte_ops, 0x1003, 32);
    assert_int_equal(address_space_read(&b->as, 0x1003, 4), 0x83828180);
    assert_int_equal(b->chip.reads, 4);
    address_space_write(&b->as, 0x1005, 0x1234, 2);
    assert_int_equal(b->chip.reg[2], 0x34);
    assert_int_equal(b->chip.reg[3], 0x12);

    b->dev.ops = &dword_ops;
    b->chip.reads = b->chip.writes = 0;
    assert_int_equal(address_space_read(&b->as, 0x1003 + 5, 1), 0x85);
    assert_int_equal(b->chip.size, 4);
    assert_int_equal(b->chip.offset, 4);
    assert_int_equal(address_space_read(&b->as, 0x1003 + 6, 4), 0x89888786);
    assert_int_equal(b->chip.reads, 3);
    address_space_write(&b->as, 0x1003 + 9, 0x5a, 1); /* widened: zeros elsewhere */
    assert_memory_equal(b->chip.reg + 8, "\0\x5a\0\0", 4);
    assert_int_equal(address_space_read(&b->as, 0x1003 + 16, 8), 0x9796959493929190);

    b->dev.ops = &qword_ops;
    b->chip.reads = 0;
    assert_int_equal(address_space_read(&b->as, 0x1003 + 17, 8), 0x9897969594939291);
    assert_int_equal(b->chip.reads, 1);
}

/* Every size at every offset of a chip of every granularity at every alignment of its base. */
static void test_all_alignments(void **state)
{
    static const uint8_t units[][2] = {{1, 1}, {1, 4}, {2, 2}, {2, 4}, {4, 4}, {4, 8}, {8, 8}};
    struct bench *b = *state;

    for (unsigned u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        struct region_ops ops = {chip_read, chip_write, units[u][0], units[u][1]};

        for (uint64_t base = 0x100; base < 0x109; base++) {
            add_device(b, &ops, base, 24);
            for (unsigned size = 1; size <= 8; size *= 2)
                for (unsigned at = 0; at + size <= 24; at++) {
                    uint64_t want = 0;

                    memcpy(&want, b->chip.reg + at, size);
                    assert_int_equal(address_space_read(&b->as, base + at, size), want);
                }
            region_remove(&b->dev);
        }
    }
}

static void test_cross_range(void **state)
{
    struct bench *b = *state;
    uint8_t buf[12];

    region_init_memory(&b->ram, "ram", 0x1000, 0, 0);
    region_add(&b->as, &b->ram, 0, 0);
    add_device(b, &any_ops, 0x1000, 6);
    address_space_write(&b->as, 0xffe, 0x44332211, 4);
    assert_memory_equal(b->arena.host + 0xffe, "\x11\x22", 2);
    assert_memory_equal(b->chip.reg, "\x33\x44", 2);
    assert_int_equal(address_space_read(&b->as, 0xffe, 4), 0x44332211);
    assert_int_equal(address_space_read(&b->as, 0x1004, 4), 0xffff8584);
    assert_int_equal(b->as.unmapped_accesses, 2);
    assert_int_equal(address_space_read(&b->as, 0x5001, 8), UINT64_MAX);
    address_space_write(&b->as, 0x5000, 0, 2);
    assert_int_equal(b->as.unmapped_accesses, 4);
    /* Around the top of 64 bits to address 0. */
    b->arena.host[0] = 0x77;
    assert_int_equal(address_space_read(&b->as, UINT64_MAX, 2), 0x77ff);

    b->chip.reads = 0;
    address_space_read_block(&b->as, 0xffe, buf, sizeof(buf));
    assert_memory_equal(buf, "\x11\x22\x33\x44\x82\x83\x84\x85\xff\xff\xff\xff", 12);
    assert_int_equal(b->chip.reads, 3); /* 4 + 1 + 1 */
    address_space_write_block(&b->as, 0xffe, "abcdefghijkl", 12);
    assert_memory_equal(b->arena.host + 0xffe, "ab", 2);
    assert_memory_equal(b->chip.reg, "cdefgh\x86", 7);
}

/* A chip that moves away while it is being accessed. */
static void move_away(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)offset;
    (void)size;
    region_move(opaque, value);
}

static void test_map_change_in_callback(void **state)
{
    static const struct region_ops ops = {NULL, move_away, 1, 1};
    struct bench *b = *state;
    struct region r;

    region_init_device(&r, "mover", 16, &ops, &r);
    region_add(&b->as, &r, 0x100, 0);
    address_space_write_block(&b->as, 0x100, "\x40\x50\x60\x70", 4);
    assert_int_equal(r.base, 0x70); /* one unit reached it, split into bytes */
    assert_int_equal(address_space_read(&b->as, 0x70, 1), 0xff);
    region_remove(&r);
}

struct heard {
    struct code_listener l;
    unsigned written, dropped;
    uint64_t offset, len, page;
    unsigned sections;
};

static void on_written(void *opaque, uint64_t offset, uint64_t len)
{
    struct heard *h = opaque;

    h->written++;
    h->offset = offset;
    h->len = len;
}

static void on_drop(void *opaque, uint64_t page)
{
    struct heard *h = opaque;

    h->dropped++;
    h->page = page;
}

static void on_exclusive(void *opaque, bool begin)
{
    struct heard *h = opaque;

    h->sections += begin;
}

static void test_code_pages(void **state)
{
    struct bench *b = *state;
    struct heard h = {.l = {on_written, on_drop, &h, NULL}};
    struct arena *a = &b->arena;

    a->listeners = &h.l;
    assert_int_equal(a->page_flags[2], 0);
    assert_true(arena_page_storable(a, 0x2000));
    assert_int_equal(a->page_flags[2], PAGE_DIRTY_ALL);
    arena_mark_code(a, 0x2fc0 - 1, 2); /* granules 62 and 63 */
    assert_int_equal(h.dropped, 1);
    assert_int_equal(h.page, 0x2000);
    assert_false(arena_page_storable(a, 0x2000));
    assert_false(arena_store_notify(a, 0x2000, 0xf80));
    assert_true(arena_store_notify(a, 0x2f00, 0x81));
    assert_int_equal(h.offset, 0x2f00);
    assert_int_equal(h.len, 0x81);
    assert_true(arena_store_notify(a, 0x1ff0, 0x1011));
    assert_int_equal(h.written, 2);
    arena_mark_code(a, 0x2000, 64);
    assert_int_equal(h.dropped, 1);
    assert_ptr_equal(arena_code_page(a, 0x2000, false), &a->code_map[2]);
    assert_int_equal(a->code_map[2], 3ull << 62 | 1);
    assert_null(arena_code_page(a, 0x3000, false));
    arena_clear_code(a, 0x2000);
    assert_false(arena_store_notify(a, 0x2fff, 1));
    assert_ptr_equal(arena_code_page(a, 0x2000, false), &a->code_map[2]); /* nobody has asked yet */
    arena_mark_code(a, 0x2000, 1);
    assert_int_equal(h.dropped, 1); /* no store entries since */
    arena_clear_code(a, 0x2000);
    assert_true(arena_page_storable(a, 0x2000));
    assert_null(arena_code_page(a, 0x2000, false));
    a->exclusive = on_exclusive;
    a->exclusive_opaque = &h;
    arena_mark_code(a, 0x2000, 1);
    assert_int_equal(h.dropped, 2);
    arena_mark_code(a, 0x2040, 1);
    assert_int_equal(h.sections, 1);
    assert_ptr_equal(arena_code_page(a, 0x2000, true), &a->code_map[2]);
    arena_mark_code(a, 0x2000, 1);
    assert_int_equal(h.sections, 1); /* who stores there sees that already */
    arena_mark_code(a, 0x2080, 1);
    assert_int_equal(h.sections, 2); /* but not this: a store may be under way */
    arena_clear_code(a, 0x2000);
    assert_true(arena_page_storable(a, 0x2000));
    arena_mark_code(a, 0x2000, 1);
    assert_int_equal(h.dropped, 3);
    arena_mark_code(a, 0x2040, 1);
    assert_int_equal(h.sections, 3);
    arena_clear_code(a, 0x2000);
    assert_true(arena_page_storable(a, 0x2000));
    a->exclusive = NULL;
    a->page_flags[2] |= PAGE_WATCH;
    assert_false(arena_page_storable(a, 0x2000));
    arena_clear_dirty(a, PAGE_DIRTY_DISPLAY);
    assert_true(h.page == ARENA_NONE);
    assert_int_equal(a->page_flags[2], PAGE_WATCH | (PAGE_DIRTY_ALL & ~PAGE_DIRTY_DISPLAY));
    assert_false(arena_store_notify(a, UINT64_MAX - 3, 8));
    a->listeners = NULL;
}

static void test_error(void **state)
{
    struct error e;

    (void)state;
    assert_false(error_set(&e, "%d", 5));
    assert_false(error_prefix(&e, "a%c", 'b'));
    assert_string_equal(e.text, "ab: 5");
    assert_false(error_set(NULL, "x"));
    error_set(&e, "%600d", 1);
    error_prefix(&e, "%600d", 1);
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

#define BENCH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(test_overlap),
        BENCH(test_random_maps),
        BENCH(test_pam),
        BENCH(test_partial_page),
        BENCH(test_split_and_widen),
        BENCH(test_all_alignments),
        BENCH(test_cross_range),
        BENCH(test_map_change_in_callback),
        BENCH(test_code_pages),
        cmocka_unit_test(test_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
