/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_FUZZ_IMAGE_H
#define CALQUE_TESTS_FUZZ_IMAGE_H

#include "machines/boot_block.h"
#include "tests/fuzz/fuzz.h"

/* What the loaders are given: memory, a file, modules. */

struct image_bench {
    struct machine m;
    struct region ram;
    struct boot_memory bm;
    struct boot_image kernel; /* its bytes are as many as it says, so that overreads are seen */
    struct boot_image modules[3];
    struct boot_module module[3];
    unsigned nmodules;
    char *cmdline; /* NULL: none */
    char *args;
};

/* RAM of 1 to 16 MiB, command line and modules by a few bytes of the input; then the file: a part
 * that is given, over which the rest of the input is written in pieces (offset, length, bytes), or
 * the rest of the input itself. Machine locked. */
void image_bench_init(struct image_bench *b, struct fuzz_input *in, const uint8_t *file,
                      size_t size);
void image_bench_end(struct image_bench *b);

#endif
