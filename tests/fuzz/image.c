/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/image.h"

#include <stdlib.h>
#include <string.h>

#include "tests/common/loading.h"

#define FILE_MAX 0x6000u

static void init_memory(struct image_bench *b, struct fuzz_input *in)
{
    static const uint32_t sizes[4] = {16 << 20, 2 << 20, 0x110000, 1 << 20};
    uint32_t size = sizes[fuzz_u8(in) & 3];

    fuzz_check(loading_memory(&b->m, &b->ram, &b->bm, size));
    machine_lock(&b->m);
}

static void init_modules(struct image_bench *b, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    b->cmdline = what & 4 ? fuzz_string(in, 64) : NULL;
    b->args = what & 8 ? fuzz_string(in, 64) : NULL;
    for (b->nmodules = 0; b->nmodules < (what & 3); b->nmodules++) {
        struct boot_image *image = &b->modules[b->nmodules];

        image->name = "module";
        image->size = what & 0x80 ? (size_t)fuzz_u16(in) << 8 : fuzz_u8(in);
        image->data = calloc(1, image->size ? image->size : 1);
        fuzz_check(image->data);
        b->module[b->nmodules] = (struct boot_module){image, b->args};
    }
}

static void patch(uint8_t *file, size_t size, struct fuzz_input *in)
{
    while (in->left && size) {
        size_t at = fuzz_u16(in) % size;
        unsigned n = 1 + (fuzz_u8(in) & 7);

        while (n-- && at < size)
            file[at++] = fuzz_u8(in);
    }
}

void image_bench_init(struct image_bench *b, struct fuzz_input *in, const uint8_t *file,
                      size_t size)
{
    uint8_t how;

    memset(b, 0, sizeof(*b));
    init_memory(b, in);
    init_modules(b, in);
    how = fuzz_u8(in);
    if (how & 1) {
        size -= how & 2 ? fuzz_u16(in) % size : 0;
    } else {
        file = in->data;
        size = in->left < FILE_MAX ? in->left : FILE_MAX;
    }
    b->kernel =
        (struct boot_image){.name = "kernel", .data = malloc(size ? size : 1), .size = size};
    fuzz_check(b->kernel.data);
    memcpy(b->kernel.data, file, size);
    if (how & 1)
        patch(b->kernel.data, size, in);
}

void image_bench_end(struct image_bench *b)
{
    machine_unlock(&b->m);
    machine_destroy(&b->m);
    free(b->kernel.data);
    for (unsigned n = 0; n < b->nmodules; n++)
        free(b->modules[n].data);
    free(b->cmdline);
    free(b->args);
}
