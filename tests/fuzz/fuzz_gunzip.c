/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels that are gzip'ed. */
#include "machines/gunzip.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t magic[] = {0x1f, 0x8b, 8};
    struct fuzz_input in = {data, size};
    uint8_t how = fuzz_u8(&in);
    size_t n = in.left + sizeof(magic), max = how & 1 ? 100 : 1 << 20;
    struct boot_image image = {.name = "kernel", .data = malloc(n), .size = n};
    struct error err = {""};

    fuzz_check(image.data);
    memcpy(image.data, magic, sizeof(magic));
    memcpy(image.data + sizeof(magic), in.data, in.left);
    if (gzip_probe(&image) && gunzip(&image, max, &err))
        fuzz_check(image.size <= max);
    else
        fuzz_check(!strchr(err.text, '\n'));
    free(image.data);
    return 0;
}
