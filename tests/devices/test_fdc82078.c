/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The floppy controller with its DMA channel, as BIOSes and drivers use it. */
#include <string.h>

#include "devices/storage/fdc82078.h"
#include "tests/devices/fakedisk.h"
#include "tests/devices/rig.h"

#define BUFFER 0x20000u

struct box {
    struct rig r;
    struct region ram;
    struct i8237 dma;
    struct fdc82078 fdc;
    struct blockdev a, b;
};

static void out(struct box *b, uint16_t port, uint8_t value)
{
    rig_out(&b->r, port, value);
}

static uint8_t in(struct box *b, uint16_t port)
{
    return rig_in(&b->r, port);
}

static void command(struct box *b, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(in(b, 0x3f4) & 0xc0, 0x80);
        out(b, 0x3f5, bytes[i]);
    }
    rig_pass(&b->r, 50000000);
}
#define COMMAND(b, ...) command(b, (const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

static void result(struct box *b, uint8_t *to, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(in(b, 0x3f4) & 0xd0, 0xd0);
        to[i] = in(b, 0x3f5);
    }
    assert_int_equal(in(b, 0x3f4) & 0xd0, 0x80);
}

static void expect_result(struct box *b, uint8_t st0, uint8_t st1, uint8_t st2, uint8_t c,
                          uint8_t h, uint8_t r)
{
    const uint8_t want[7] = {st0, st1, st2, c, h, r, 2};
    uint8_t got[7];

    assert_true(b->r.level[0]);
    result(b, got, 7);
    assert_false(b->r.level[0]);
    assert_memory_equal(got, want, 7);
}

static void expect_seek(struct box *b, uint8_t st0, uint8_t track)
{
    uint8_t got[2];

    assert_true(b->r.level[0]);
    COMMAND(b, 0x08);
    result(b, got, 2);
    assert_int_equal(got[0], st0);
    assert_int_equal(got[1], track);
    assert_false(b->r.level[0]);
}

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof(*b));
    struct blockdev *const disks[2] = {&b->a, &b->b};

    rig_init(&b->r);
    rig_add_memory(&b->r, &b->ram);
    fake_init(&b->a, 1440 << 10);
    fake_init(&b->b, 360 << 10);
    i8237_init(&b->dma, &b->r.m, "dma");
    fdc82078_init(&b->fdc, &b->r.m, "fdc", 0x3f0, rig_line(&b->r, 0), &b->dma, disks);
    out(b, 0xd6, 0xc0);
    out(b, 0xd4, 0);
    out(b, 0x3f2, 0x3c); /* out of reset, motors on */
    for (unsigned n = 0; n < 4; n++) {
        uint8_t got[2];

        COMMAND(b, 0x08);
        result(b, got, 2);
        assert_int_equal(got[0], 0xc0 | n);
    }
    out(b, 0x3f7, 0); /* 500 kb/s */
    COMMAND(b, 0x03, 0xaf, 0x02);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;

    rig_end(&b->r);
    fake_free(&b->a);
    fake_free(&b->b);
    free(b);
    return 0;
}

/* mode 46h: to memory, 4Ah: from it, 42h: verify */
static void set_dma(struct box *b, uint8_t mode, unsigned bytes)
{
    out(b, 0x0a, 6);
    out(b, 0x0b, mode);
    out(b, 0x0c, 0);
    out(b, 0x04, 0);
    out(b, 0x04, 0);
    out(b, 0x81, BUFFER >> 16);
    out(b, 0x05, bytes - 1);
    out(b, 0x05, (bytes - 1) >> 8);
    out(b, 0x0a, 2);
}

static const uint8_t *sector(const struct blockdev *d, unsigned c, unsigned h, unsigned r,
                             unsigned spt)
{
    return d->data + ((c * 2 + h) * spt + r - 1) * 512;
}

static void identity(void **state)
{
    struct box *b = *state;
    uint8_t got[10];

    COMMAND(b, 0x10);
    result(b, got, 1);
    assert_int_equal(got[0], 0x90);
    COMMAND(b, 0x13, 0, 0x57, 7);
    COMMAND(b, 0x94);
    result(b, got, 1);
    assert_int_equal(got[0], 0x10);
    out(b, 0x3f4, 0x80); /* a software reset leaves what is locked */
    for (unsigned n = 0; n < 2; n++)
        COMMAND(b, 0x0e), result(b, got, 10);
    assert_int_equal(got[8], 0x57);
    assert_int_equal(got[9], 7);
    assert_int_equal(got[7], 0x80);
    COMMAND(b, 0x1f); /* invalid */
    result(b, got, 1);
    assert_int_equal(got[0], 0x80);
    COMMAND(b, 0x08); /* nothing to tell of: invalid, too */
    result(b, got, 1);
    assert_int_equal(got[0], 0x80);
    assert_int_equal(fdc82078_cmos_types(&b->fdc), 0x41);
}

static void seeking(void **state)
{
    struct box *b = *state;
    uint8_t got[1];

    assert_int_equal(in(b, 0x3f7), 0x80); /* the disk is new */
    COMMAND(b, 0x07, 0);
    expect_seek(b, 0x20, 0);
    assert_int_equal(in(b, 0x3f7), 0);
    COMMAND(b, 0x0f, 0, 40);
    expect_seek(b, 0x20, 40);
    COMMAND(b, 0xcf, 0, 5); /* relative, up */
    expect_seek(b, 0x20, 45);
    COMMAND(b, 0x04, 4);
    result(b, got, 1);
    assert_int_equal(got[0], 0x2c);
    b->a.events.medium_changed(b->a.events.opaque);
    assert_int_equal(in(b, 0x3f7), 0x80);
    COMMAND(b, 0x07, 2); /* no such drive: no track 0 */
    expect_seek(b, 0x72, 0);
}

static void reading(void **state)
{
    struct box *b = *state;

    COMMAND(b, 0x0f, 0, 3);
    expect_seek(b, 0x20, 3);
    set_dma(b, 0x46, 1024);
    COMMAND(b, 0xe6, 0x04, 3, 1, 5, 2, 18, 0x1b, 0xff);
    rig_pass(&b->r, 1000000);
    expect_result(b, 0x04, 0, 0, 3, 1, 7);
    assert_memory_equal(b->r.m.arena.host + BUFFER, sector(&b->a, 3, 1, 5, 18), 1024);
    /* Both sides: from the last sector of one to the first of the other. */
    set_dma(b, 0x46, 1024);
    COMMAND(b, 0xe6, 0x00, 3, 0, 18, 2, 18, 0x1b, 0xff);
    expect_result(b, 0x04, 0, 0, 3, 1, 2);
    assert_memory_equal(b->r.m.arena.host + BUFFER + 512, sector(&b->a, 3, 1, 1, 18), 512);
    /* EOT before TC. */
    set_dma(b, 0x46, 4096);
    COMMAND(b, 0x46, 0x00, 3, 0, 18, 2, 18, 0x1b, 0xff);
    expect_result(b, 0x40, 0x80, 0, 4, 0, 1);
}

static void writing(void **state)
{
    struct box *b = *state;

    memset(b->r.m.arena.host + BUFFER, 0x5a, 512);
    set_dma(b, 0x4a, 512);
    COMMAND(b, 0xc5, 0x00, 0, 0, 9, 2, 18, 0x1b, 0xff);
    expect_result(b, 0, 0, 0, 0, 0, 10);
    assert_int_equal(sector(&b->a, 0, 0, 9, 18)[511], 0x5a);
    assert_int_equal(b->a.writes, 1);
    b->a.read_only = true;
    COMMAND(b, 0xc5, 0x00, 0, 0, 9, 2, 18, 0x1b, 0xff);
    expect_result(b, 0x40, 0x02, 0, 0, 0, 9);
}

/* Sectors of a fake disk differ by a number that is added to all their bytes. */
static void scanning(void **state)
{
    struct box *b = *state;
    uint8_t *host = b->r.m.arena.host + BUFFER;

    for (unsigned n = 0; n < 18; n++)
        memcpy(host + 512 * n, sector(&b->a, 0, 0, 4, 18), 512);
    set_dma(b, 0x4a, 18 * 512);
    COMMAND(b, 0x51, 0x00, 0, 0, 1, 2, 18, 0x1b, 1); /* equal */
    expect_result(b, 0, 0, 0x08, 0, 0, 4);
    set_dma(b, 0x4a, 18 * 512);
    COMMAND(b, 0x51, 0x00, 0, 0, 1, 2, 17, 0x1b, 2); /* 4 is passed over */
    expect_result(b, 0, 0, 0x04, 1, 0, 1);
    set_dma(b, 0x4a, 1024);
    COMMAND(b, 0x51, 0x00, 0, 0, 1, 2, 18, 0x1b, 1); /* TC comes first */
    expect_result(b, 0, 0, 0x04, 0, 0, 3);
    memset(host, 0xff, 512); /* fits all */
    set_dma(b, 0x4a, 512);
    COMMAND(b, 0x51, 0x00, 0, 0, 9, 2, 18, 0x1b, 1);
    expect_result(b, 0, 0, 0x08, 0, 0, 9);
    for (unsigned r = 1; r <= 3; r++)
        memset((uint8_t *)(uintptr_t)sector(&b->a, 0, 0, r, 18), (int)(0x10 * r), 512);
    memset(host, 0x20, 3 * 512);
    set_dma(b, 0x4a, 3 * 512);
    COMMAND(b, 0x5d, 0x00, 0, 0, 1, 2, 3, 0x1b, 1); /* high or equal: the second is equal */
    expect_result(b, 0, 0, 0x08, 0, 0, 2);
    memset(host, 0x28, 3 * 512);
    set_dma(b, 0x4a, 3 * 512);
    COMMAND(b, 0x5d, 0x00, 0, 0, 1, 2, 3, 0x1b, 1); /* the third is higher */
    expect_result(b, 0, 0, 0, 0, 0, 3);
    set_dma(b, 0x4a, 3 * 512);
    COMMAND(b, 0x59, 0x00, 0, 0, 3, 2, 3, 0x1b, 1); /* and not lower */
    expect_result(b, 0, 0, 0x04, 1, 0, 1);
    set_dma(b, 0x4a, 3 * 512);
    COMMAND(b, 0x59, 0x00, 0, 0, 2, 2, 3, 0x1b, 1); /* the second is */
    expect_result(b, 0, 0, 0, 0, 0, 2);
    assert_int_equal(b->a.writes, 0);
}

/* What is not where it is looked for. */
static void not_found(void **state)
{
    struct box *b = *state;
    uint8_t got[7];

    COMMAND(b, 0x46, 0x00, 0, 0, 19, 2, 19, 0x1b, 0xff);
    expect_result(b, 0x40, 0x04, 0, 0, 0, 19);
    COMMAND(b, 0x46, 0x00, 5, 0, 1, 2, 18, 0x1b, 0xff); /* the head is elsewhere */
    expect_result(b, 0x40, 0x04, 0x10, 5, 0, 1);
    out(b, 0x3f7, 2); /* 250 kb/s: another kind of disk */
    COMMAND(b, 0x4a, 0x00);
    result(b, got, 7);
    assert_int_equal(got[0], 0x40);
    assert_int_equal(got[1], 0x01);
    out(b, 0x3f7, 0);
    COMMAND(b, 0x4a, 0x04);
    result(b, got, 7);
    assert_int_equal(got[0], 0x04);
    assert_int_equal(got[4], 1);
    assert_in_range(got[5], 1, 18);
    b->a.bad_length = 1;
    set_dma(b, 0x46, 512);
    COMMAND(b, 0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    expect_result(b, 0x40, 0x20, 0x20, 0, 0, 1);
    fake_free(&b->a);
    COMMAND(b, 0x4a, 0x00);
    result(b, got, 7);
    assert_int_equal(got[0], 0x40);
    assert_int_equal(in(b, 0x3f7), 0x80);
}

static void formatting(void **state)
{
    struct box *b = *state;

    COMMAND(b, 0x0f, 0, 2);
    expect_seek(b, 0x20, 2);
    for (unsigned i = 0; i < 18; i++) {
        uint8_t *id = b->r.m.arena.host + BUFFER + 4 * i;

        id[0] = 2, id[1] = 1, id[2] = i + 1, id[3] = 2;
    }
    set_dma(b, 0x4a, 18 * 4);
    COMMAND(b, 0x4d, 0x04, 2, 18, 0x6c, 0xf6);
    assert_true(b->r.level[0]);
    for (unsigned i = 0; i < 18 * 512; i++)
        assert_int_equal(sector(&b->a, 2, 1, 1, 18)[i], 0xf6);
    assert_int_not_equal(sector(&b->a, 3, 0, 1, 18)[1], 0xf6);
    uint8_t got[7];
    result(b, got, 7);
    assert_int_equal(got[0], 0x04);
    COMMAND(b, 0x4d, 0x04, 2, 21, 0x6c, 0xf6); /* not this image's format */
    result(b, got, 7);
    assert_int_equal(got[0], 0x44);
}

/* Byte by byte, with an interrupt while there are some. */
static void without_dma(void **state)
{
    struct box *b = *state;
    uint8_t data[512];

    COMMAND(b, 0x03, 0xaf, 0x03);
    COMMAND(b, 0x46, 0x00, 0, 0, 4, 2, 4, 0x1b, 0xff);
    assert_true(b->r.level[0]);
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(in(b, 0x3f4) & 0xf0, 0xf0);
        data[i] = in(b, 0x3f5);
        if (i == 100)
            rig_round_trip(&b->r, &b->fdc.dev);
    }
    assert_memory_equal(data, sector(&b->a, 0, 0, 4, 18), 512);
    expect_result(b, 0x40, 0x80, 0, 1, 0, 1);
}

static void verifying(void **state)
{
    struct box *b = *state;

    COMMAND(b, 0x56, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    rig_pass(&b->r, 10000000);
    expect_result(b, 0, 0, 0, 1, 0, 1);
    assert_int_equal(b->a.reads, 18);
}

/* 360 KB in the drive for it; implied seeks. */
static void other_drive(void **state)
{
    struct box *b = *state;

    out(b, 0x3f2, 0x3d);
    out(b, 0x3f7, 2);
    COMMAND(b, 0x13, 0, 0x57, 0);
    set_dma(b, 0x46, 512);
    COMMAND(b, 0x46, 0x01, 39, 0, 9, 2, 9, 0x2a, 0xff);
    expect_result(b, 0x01, 0, 0, 40, 0, 1);
    assert_memory_equal(b->r.m.arena.host + BUFFER, sector(&b->b, 39, 0, 9, 9), 512);
}

static void reset_under_way(void **state)
{
    struct box *b = *state;

    const uint8_t read[9] = {0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff};

    set_dma(b, 0x46, 512);
    for (unsigned i = 0; i < 9; i++)
        out(b, 0x3f5, read[i]);
    assert_int_equal(b->a.in_flight, 1);
    out(b, 0x3f2, 0);
    assert_int_equal(b->a.in_flight, 0);
    assert_int_equal(in(b, 0x3f4), 0);
    out(b, 0x3f2, 0x0c);
    assert_true(b->r.level[0]);
    rig_fuzz(&b->r, 0x3f0, 8, 3);
    rig_round_trip(&b->r, &b->fdc.dev);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(identity),  TEST(seeking),     TEST(reading),         TEST(writing),
        TEST(scanning),  TEST(not_found),   TEST(formatting),      TEST(without_dma),
        TEST(verifying), TEST(other_drive), TEST(reset_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
