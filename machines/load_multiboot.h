/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_LOAD_MULTIBOOT_H
#define CALQUE_MACHINES_LOAD_MULTIBOOT_H

#include "machines/boot_block.h"

struct multiboot_request {
    const struct boot_image *kernel;
    const char *cmdline; /* NULL: empty */
    const struct boot_module *modules;
    unsigned nmodules;
};

/* True if the first 8 KiB hold a Multiboot 1 header with a correct checksum. */
bool multiboot_probe(const struct boot_image *image);
/* True if the first 32 KiB hold a Multiboot 2 header, which multiboot_load() does not take. */
bool multiboot2_probe(const struct boot_image *image);
bool multiboot_load(const struct multiboot_request *rq, const struct boot_memory *bm,
                    struct boot_state *state, struct error *err);

#endif
