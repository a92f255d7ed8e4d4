/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flash: command sequences, also broken ones, the contents, errors of the back end. */
#include "devices/storage/cfi01.h"

#include "base/error.h"

#include "tests/devices/fakedisk.h"
#include "tests/fuzz/fuzz.h"

#define SIZE (4 * CFI01_BLOCK)

static struct cfi01 flash;
static struct blockdev disk;

/* The rig's arena is RAM alone: its upper half is the chip's. */
static void add(struct rig *r)
{
    struct error err;

    fake_init(&disk, SIZE);
    arena_destroy(&r->m.arena);
    fuzz_check(arena_init(&r->m.arena, RIG_RAM + SIZE, &err));
    fuzz_check(arena_alloc(&r->m.arena, RIG_RAM) == 0);
    fuzz_check(cfi01_init(&flash, &r->m, "flash", 0x1000000, &disk, &err));
}

static void remove_drive(struct rig *r)
{
    (void)r;
    fake_free(&disk);
}

/* What was programmed is in the image when all is written back. */
static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    if (what & 1) {
        fake_break(&disk, fuzz_u32(in), what >> 4);
    } else if (what & 2) {
        disk.read_only = what & 4;
    } else if (!disk.bad_length) {
        blockdev_drain(&disk);
        fuzz_check(!memcmp(disk.data, r->m.arena.host + flash.arena_at, SIZE) || disk.read_only ||
                   (flash.status & 0x10));
    }
}

static const struct fuzz_chip chip = {
    .windows = {{false, 0x1000000 - SIZE, 0x40},
                {false, 0x1000000 - SIZE, SIZE},
                {false, 0x1000000 - 0x80, 0x100}},
    .add = add,
    .remove = remove_drive,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
