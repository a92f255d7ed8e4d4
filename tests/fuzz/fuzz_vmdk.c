/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMDK: sparse extents, and descriptors, which name files: those are only read. */
#include <string.h>

#include "tests/fuzz/disk.h"

static const char descriptor[] = "# Disk DescriptorFile\n"
                                 "CID=12345678\n"
                                 "parentCID=ffffffff\n"
                                 "createType=\"twoGbMaxExtentSparse\"\n"
                                 "RW 2048 FLAT \"/dev/null\" 0\n"
                                 "RW 128 SPARSE \"/nowhere\"\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct disk_bases sparse = {.format = "vmdk", .size = 40 << 20, .options = {""}};
    static struct disk_bases text = {.format = "vmdk", .options = {"", ""}};

    if (!text.made[0].data)
        for (unsigned n = 0; n < 2; n++)
            text.made[n] = (struct disk_base){(uint8_t *)(uintptr_t)descriptor, sizeof(descriptor)};
    if (size && data[0] % 4 == 0)
        fuzz_disk(&text, data + 1, size - 1, true);
    else
        fuzz_disk(&sparse, data, size, false);
    return 0;
}
