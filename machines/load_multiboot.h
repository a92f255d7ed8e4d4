/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_LOAD_MULTIBOOT_H
#define CALQUE_MACHINES_LOAD_MULTIBOOT_H

#include "machines/boot.h"

#define MULTIBOOT_MAX_MODULES 32

struct multiboot_module {
    const struct boot_image *image;
    const char *args; /* the module's string: by custom its name and arguments */
};

struct multiboot_request {
    const struct boot_image *kernel;
    const char *cmdline; /* NULL: empty */
    const struct multiboot_module *modules;
    unsigned nmodules;
};

/* True if the first 8 KiB hold a Multiboot 1 header with a correct checksum. */
bool multiboot_probe(const struct boot_image *image);
bool multiboot_load(const struct multiboot_request *rq, const struct boot_memory *bm,
                    struct boot_state *state, struct error *err);

#endif
