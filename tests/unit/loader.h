/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a test of a loader starts from: RAM, a file, and where the loader puts what it found. */
#ifndef CALQUE_TESTS_UNIT_LOADER_H
#define CALQUE_TESTS_UNIT_LOADER_H

#include "base/error.h"
#include "tests/common/loading.h"

#define LOADER_FILE_MAX 0x3000u

struct loader_bench {
    struct machine m;
    struct region ram;
    struct boot_memory bm;
    uint8_t file[LOADER_FILE_MAX];
    struct boot_image image; /* the file's first file_size bytes */
    struct boot_state state;
    struct error err;
};

/* cmocka's state becomes a bench with so much RAM. */
int loader_setup(void **state, uint32_t ram, uint32_t file_size);
int loader_teardown(void **state);

/* The image becomes the file's first bytes, in a buffer of just that size so that a sanitizer sees
 * overreads; free() its data. */
void loader_cut(struct loader_bench *b, size_t size);

#endif
