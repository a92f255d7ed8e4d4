/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_LOAD_LINUX_H
#define CALQUE_MACHINES_LOAD_LINUX_H

#include "machines/boot.h"

/* Where the loader puts what it builds; all below the EBDA at 0x9fc00. */
#define LINUX_PAGE_TABLES 0x80000u /* 6 pages: the first 4 GiB, identity mapped */
#define LINUX_GDT         0x8e000u
#define LINUX_STACK_TOP   0x8f000u
#define LINUX_SETUP_DATA  0x8f000u
#define LINUX_BOOT_PARAMS 0x90000u
#define LINUX_CMDLINE     0x91000u
#define LINUX_CMDLINE_END 0x9f000u

struct linux_request {
    const struct boot_image *kernel;
    const struct boot_image *initrd; /* NULL: none */
    const char *cmdline;             /* NULL: empty */
    bool vga_text;                   /* the display is in text mode 3 */
    bool force_32bit;                /* use the 32-bit entry even if there is a 64-bit one */
    const uint8_t *rng_seed;         /* LINUX_SEED_SIZE random bytes; NULL: none */
};

#define LINUX_SEED_SIZE 32

/* A file with the setup header's magic, whatever its version. */
bool linux_probe(const struct boot_image *image);
/* Loads a bzImage of boot protocol 2.00 or newer. */
bool linux_load(const struct linux_request *rq, const struct boot_memory *bm,
                struct boot_state *state, struct error *err);

#endif
