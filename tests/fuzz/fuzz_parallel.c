/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parallel port. */
#include "devices/char/parallel.h"
#include "tests/fuzz/fuzz.h"

static struct parallel parallel;

static void add(struct rig *r)
{
    parallel = (struct parallel){.dev = {0}};
    parallel_init(&parallel, &r->m, "parallel0", 0x378, rig_line(r, 7), NULL);
}

static const struct fuzz_chip chip = {
    .windows = {{true, 0x378, 8}},
    .add = add,
};

FUZZ_CHIP_TARGET(chip)
