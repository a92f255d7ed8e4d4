/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VDI images. */
#include "tests/fuzz/disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct disk_bases bases = {
        .format = "vdi", .size = 3 << 20, .options = {"", "static=on"}};

    fuzz_disk(&bases, data, size, false);
    return 0;
}
