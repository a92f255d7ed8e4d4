/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/loader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

int loader_setup(void **state, uint32_t ram, uint32_t file_size)
{
    struct loader_bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    assert_true(loading_memory(&b->m, &b->ram, &b->bm, ram));
    b->image = (struct boot_image){.name = "kernel", .data = b->file, .size = file_size};
    *state = b;
    return 0;
}

int loader_teardown(void **state)
{
    struct loader_bench *b = *state;

    machine_destroy(&b->m);
    free(b);
    return 0;
}

void loader_cut(struct loader_bench *b, size_t size)
{
    b->image.size = size;
    b->image.data = malloc(size ? size : 1);
    assert_non_null(b->image.data);
    memcpy(b->image.data, b->file, size);
}
