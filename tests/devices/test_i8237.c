/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "devices/misc/i8237.h"
#include "tests/devices/rig.h"

/* A client that counts upwards, or remembers what it was given. */
struct client {
    struct i8237 *dma;
    unsigned channel;
    size_t has; /* bytes it can move before it drops DREQ */
    uint8_t next;
    uint8_t got[4096];
    size_t ngot, calls, largest, lasts;
    enum i8237_direction dir;
};

struct dma_rig {
    struct rig r;
    struct i8237 dma;
    struct client c;
    struct region ram;
};

static size_t transfer(void *opaque, enum i8237_direction dir, uint8_t *buf, size_t len, bool last)
{
    struct client *c = opaque;
    size_t n = len < c->has ? len : c->has;

    c->calls++;
    c->largest = len > c->largest ? len : c->largest;
    c->lasts += last && n == len;
    c->dir = dir;
    for (size_t i = 0; i < n && dir == I8237_TO_MEMORY; i++)
        buf[i] = c->next++;
    if (dir == I8237_FROM_MEMORY)
        for (size_t i = 0; i < n && c->ngot < sizeof(c->got); i++)
            c->got[c->ngot++] = buf[i];
    c->has -= n;
    if (!c->has)
        i8237_request(c->dma, c->channel, false);
    return n;
}

static void start(struct dma_rig *t, unsigned channel)
{
    rig_init(&t->r);
    region_init_memory(&t->ram, "ram", 1 << 20, 0, 0);
    region_add(&t->r.m.mem, &t->ram, 0, 0);
    i8237_init(&t->dma, &t->r.m, "dma");
    t->c = (struct client){.dma = &t->dma, .channel = channel};
    i8237_attach(&t->dma, channel, (struct i8237_client){transfer, &t->c});
    rig_out(&t->r, 0xd6, 0xc0); /* channel 4 cascades */
    rig_out(&t->r, 0xd4, 0x00);
}

/* Channel, address and count in units, page; then the mode, and open. */
static void program(struct dma_rig *t, uint8_t mode, uint16_t address, uint16_t count, uint8_t page)
{
    static const uint16_t pages[8] = {0x87, 0x83, 0x81, 0x82, 0x8f, 0x8b, 0x89, 0x8a};
    unsigned n = t->c.channel & 3, high = t->c.channel >> 2;
    uint16_t base = high ? 0xc0 : 0, step = high ? 2 : 1;

    rig_out(&t->r, base + 12 * step, 0);
    rig_out(&t->r, base + 2 * n * step, address);
    rig_out(&t->r, base + 2 * n * step, address >> 8);
    rig_out(&t->r, base + (2 * n + 1) * step, count);
    rig_out(&t->r, base + (2 * n + 1) * step, count >> 8);
    rig_out(&t->r, pages[t->c.channel], page);
    rig_out(&t->r, base + 11 * step, mode | n);
    rig_out(&t->r, base + 10 * step, n);
}

static uint8_t *ram(struct dma_rig *t, unsigned at)
{
    return t->r.m.arena.host + at;
}

static void request(struct dma_rig *t, size_t bytes)
{
    t->c.has = bytes;
    i8237_request(&t->dma, t->c.channel, true);
}

static uint16_t word(struct dma_rig *t, uint16_t port)
{
    rig_out(&t->r, 0x0c, 0);
    uint8_t low = rig_in(&t->r, port);
    return low | rig_in(&t->r, port) << 8;
}

static void single_to_memory(void **state)
{
    struct dma_rig t;

    (void)state;
    start(&t, 2);
    program(&t, 0x44, 0x2000, 999, 1);
    request(&t, 10);
    assert_int_equal(ram(&t, 0x12009)[0], 9);
    assert_int_equal(ram(&t, 0x1200a)[0], 0);
    assert_int_equal(word(&t, 4), 0x200a);
    assert_int_equal(word(&t, 5), 989);
    assert_int_equal(rig_in(&t.r, 8), 0);
    rig_round_trip(&t.r, &t.dma.dev);
    request(&t, 5000);
    assert_int_equal(ram(&t, 0x12000 + 999)[0], 999 & 0xff);
    assert_int_equal(ram(&t, 0x12000 + 1000)[0], 0);
    assert_int_equal(t.c.lasts, 1);
    assert_in_range(t.c.largest, 1, I8237_CHUNK);
    assert_int_equal(word(&t, 5), 0xffff);
    assert_int_equal(rig_in(&t.r, 0x0f), 0x0f); /* masked */
    assert_int_equal(rig_in(&t.r, 8), 0x44);    /* terminal count, DREQ still there */
    assert_int_equal(rig_in(&t.r, 8), 0x40);
    rig_end(&t.r);
}

static void mask_and_disable_hold_requests(void **state)
{
    struct dma_rig t;

    (void)state;
    start(&t, 1);
    program(&t, 0x44, 0, 3, 0);
    rig_out(&t.r, 0x0a, 5);
    request(&t, 4);
    assert_int_equal(t.c.calls, 0);
    rig_out(&t.r, 0x08, 4);
    rig_out(&t.r, 0x0e, 0); /* unmasked, but the controller is disabled */
    assert_int_equal(t.c.calls, 0);
    rig_out(&t.r, 0xd4, 4); /* now the cascade is masked */
    rig_out(&t.r, 0x08, 0);
    assert_int_equal(t.c.calls, 0);
    rig_out(&t.r, 0xd4, 0);
    assert_int_equal(t.c.calls, 1);
    assert_int_equal(ram(&t, 3)[0], 3);
    rig_end(&t.r);
}

static void from_memory_decrementing(void **state)
{
    struct dma_rig t;

    (void)state;
    start(&t, 3);
    for (unsigned i = 0; i < 0x10000; i++)
        ram(&t, i)[0] = i;
    program(&t, 0x28, 0x0001, 3, 0); /* demand; the address wraps within the page */
    request(&t, 100);
    assert_int_equal(t.c.ngot, 4);
    assert_memory_equal(t.c.got, "\x01\x00\xff\xfe", 4);
    assert_int_equal(word(&t, 6), 0xfffd);
    rig_end(&t.r);
}

static void sixteen_bit(void **state)
{
    struct dma_rig t;

    (void)state;
    start(&t, 5);
    program(&t, 0x44, 0x8000, 1, 0x03); /* bit 0 of the page is not there */
    request(&t, 100);
    assert_memory_equal(ram(&t, 0x30000), "\0\1\2\3\0", 5);
    program(&t, 0x64, 0x8000, 1, 0x03);
    request(&t, 100);
    assert_memory_equal(ram(&t, 0x2fffe), "\6\7\4\5\2\3", 6);
    assert_int_equal(rig_in(&t.r, 0xd0), 0x22);
    rig_end(&t.r);
}

/* A client that is always ready: a buffer's worth at a time, as the bus would. */
static void auto_initialize(void **state)
{
    struct dma_rig t;

    (void)state;
    start(&t, 1);
    program(&t, 0x54, 0x100, 1023, 0);
    request(&t, 1 << 30);
    assert_int_equal(t.c.lasts, 1);
    assert_int_equal(word(&t, 2), 0x100);
    assert_int_equal(word(&t, 3), 1023);
    rig_round_trip(&t.r, &t.dma.dev);
    rig_pass(&t.r, 10 * 1024 * 1000);
    assert_in_range(t.c.lasts, 9, 11);
    i8237_request(&t.dma, 1, false);
    unsigned lasts = t.c.lasts;
    rig_pass(&t.r, NS_PER_SEC);
    assert_int_equal(t.c.lasts, lasts);
    rig_end(&t.r);
}

static void block_and_software_request(void **state)
{
    struct dma_rig t;

    (void)state;
    start(&t, 1);
    program(&t, 0x84, 0x100, 7, 0);
    request(&t, 3); /* block: to the end, whatever DREQ does */
    assert_memory_equal(ram(&t, 0x100), "\0\1\2\xff\xff\xff\xff\xff\0", 9);
    assert_int_equal(rig_in(&t.r, 8), 0x02);
    program(&t, 0x84, 0x200, 1, 0);
    rig_out(&t.r, 0x0a, 5); /* software requests are not masked */
    rig_out(&t.r, 0x09, 5);
    assert_memory_equal(ram(&t, 0x200), "\xff\xff\0", 3);
    assert_int_equal(rig_in(&t.r, 8), 0x02);
    program(&t, 0x44, 0x300, 1, 0); /* they need block mode */
    rig_out(&t.r, 0x09, 5);
    assert_int_equal(ram(&t, 0x300)[0], 0);
    assert_int_equal(rig_in(&t.r, 8), 0x20);
    rig_end(&t.r);
}

static void verify_moves_no_data(void **state)
{
    struct dma_rig t;

    (void)state;
    start(&t, 2);
    program(&t, 0x40, 0x100, 3, 0);
    request(&t, 4);
    assert_int_equal(t.c.dir, I8237_VERIFY);
    assert_memory_equal(ram(&t, 0x100), "\0\0\0\0", 4);
    assert_int_equal(word(&t, 4), 0x104);
    rig_end(&t.r);
}

static void memory_to_memory(void **state)
{
    struct dma_rig t;

    (void)state;
    start(&t, 0);
    memcpy(ram(&t, 0x10100), "sixteen bytes...", 16);
    program(&t, 0x88, 0x100, 0, 1);
    t.c.channel = 1;
    program(&t, 0x84, 0x800, 15, 2);
    rig_out(&t.r, 0x08, 1);
    rig_out(&t.r, 0x09, 4);
    assert_memory_equal(ram(&t, 0x20800), "sixteen bytes...\0", 17);
    assert_int_equal(rig_in(&t.r, 0x0d), '.');
    assert_int_equal(rig_in(&t.r, 8), 0x02);
    t.c.channel = 0;
    program(&t, 0x88, 0x100, 0, 1);
    t.c.channel = 1;
    program(&t, 0x84, 0x800, 3, 2);
    rig_out(&t.r, 0x08, 3); /* channel 0 holds its address: a fill */
    rig_out(&t.r, 0x09, 4);
    assert_memory_equal(ram(&t, 0x20800), "sssseen", 7);
    rig_end(&t.r);
}

/* Channels in the order they are served when all are opened at once. */
struct order {
    struct i8237 *dma;
    unsigned n, who[8];
};

static struct order *order_of; /* of the test that runs */

static size_t note(void *opaque, enum i8237_direction dir, uint8_t *buf, size_t len, bool last)
{
    (void)dir, (void)buf, (void)last;
    order_of->who[order_of->n++ & 7] = (unsigned)(uintptr_t)opaque;
    i8237_request(order_of->dma, (unsigned)(uintptr_t)opaque, false);
    return len;
}

static void priorities(void **state)
{
    struct dma_rig t;
    struct order order = {.dma = &t.dma};

    (void)state;
    start(&t, 0);
    order_of = &order;
    for (unsigned n = 0; n < 4; n++) {
        t.c.channel = n;
        program(&t, 0x40, 0, 0, 0);
        i8237_attach(&t.dma, n, (struct i8237_client){note, (void *)(uintptr_t)n});
    }
    for (unsigned round = 0; round < 2; round++) {
        order.n = 0;
        rig_out(&t.r, 0x0f, 0x0f);
        for (unsigned n = 0; n < 4; n++)
            i8237_request(&t.dma, n, true);
        rig_out(&t.r, 0x0e, 0);
        assert_int_equal(order.n, 4);
        assert_int_equal(order.who[0], round ? 3 : 0);
        assert_int_equal(order.who[3], round ? 2 : 3);
        rig_out(&t.r, 0x08, 0x10); /* rotating; then channel 2 is served and becomes the last */
        i8237_request(&t.dma, 2, true);
        rig_out(&t.r, 0x0a, 2);
    }
    rig_end(&t.r);
}

static void pages_and_master_clear(void **state)
{
    struct dma_rig t;

    (void)state;
    start(&t, 2);
    for (uint16_t port = 0x81; port < 0x90; port++)
        rig_out(&t.r, port, port);
    for (uint16_t port = 0x81; port < 0x90; port++)
        assert_int_equal(rig_in(&t.r, port), port);
    rig_out(&t.r, 0, 1); /* the flip-flop is at the high byte... */
    rig_out(&t.r, 0x0e, 0);
    rig_out(&t.r, 0x0d, 0); /* ... and cleared by master clear, which masks */
    assert_int_equal(rig_in(&t.r, 0x0f), 0x0f);
    assert_int_equal(rig_in(&t.r, 0), 1);
    rig_end(&t.r);
}

static void fuzz(void **state)
{
    struct dma_rig t;

    (void)state;
    start(&t, 1);
    for (uint32_t i = 1; i <= 20; i++) {
        request(&t, i * 300);
        for (uint32_t seed = i, k = 0; k < 500; k++) {
            static const uint16_t bases[4] = {0, 0, 0x81, 0xc0};
            seed = seed * 1664525 + 1013904223;
            uint16_t port = bases[seed >> 30] + (seed >> 8) % 15;
            if (seed >> 29 & 1)
                rig_out(&t.r, port, seed >> 20);
            else
                rig_in(&t.r, port);
            t.r.now += seed >> 12 & 0xfff;
            vm_clock_run_timers(&t.r.m.clock);
        }
        rig_round_trip(&t.r, &t.dma.dev);
        devices_reset(&t.r.m);
    }
    rig_end(&t.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_to_memory),
        cmocka_unit_test(mask_and_disable_hold_requests),
        cmocka_unit_test(from_memory_decrementing),
        cmocka_unit_test(sixteen_bit),
        cmocka_unit_test(auto_initialize),
        cmocka_unit_test(block_and_software_request),
        cmocka_unit_test(verify_moves_no_data),
        cmocka_unit_test(memory_to_memory),
        cmocka_unit_test(priorities),
        cmocka_unit_test(pages_and_master_clear),
        cmocka_unit_test(fuzz),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
