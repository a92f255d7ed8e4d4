/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_FUZZ_DISK_H
#define CALQUE_TESTS_FUZZ_DISK_H

#include "tests/fuzz/fuzz.h"

/* Disk images: one that is made by us, with changes that the input says, or the input itself;
 * opened, read, written, checked, repaired. */

#define DISK_BASES 4

struct disk_bases {
    const char *format;
    uint64_t size;                   /* virtual */
    const char *options[DISK_BASES]; /* of create; as many as there are */
    struct disk_base {
        uint8_t *data;
        size_t size;
    } made[DISK_BASES];
};

/* read_only: an image that could name other files of the host is not written. */
void fuzz_disk(struct disk_bases *b, const uint8_t *data, size_t size, bool read_only);

#endif
