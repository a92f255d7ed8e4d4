/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2 images. */
#include "tests/fuzz/disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct disk_bases bases = {.format = "qcow2",
                                      .size = 1 << 20,
                                      .options = {"cluster_size=512", "cluster_size=4K,compat=0.10",
                                                  "cluster_size=2K,refcount_bits=1",
                                                  "cluster_size=64K"}};

    fuzz_disk(&bases, data, size, false);
    return 0;
}
