/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHD images, dynamic and fixed. */
#include "tests/fuzz/disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct disk_bases bases = {
        .format = "vpc", .size = 4 << 20, .options = {"", "subformat=fixed"}};

    fuzz_disk(&bases, data, size, false);
    return 0;
}
