/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_BOOT_BLOCK_H
#define CALQUE_MACHINES_BOOT_BLOCK_H

#include "machines/boot.h"

/* What loaders of programs share: pieces of the file go where the program wants them, in RAM;
 * modules follow, page by page; then one block with all that is passed. So nothing that is passed
 * can overlap what is loaded, and all that need be checked is the end of RAM. */

#define BOOT_LOW_END     0x9f000u /* conventional memory below the EBDA */
#define BOOT_HIGH        0x100000u
#define BOOT_MAX_MODULES 32
#define BOOT_STRINGS     8192 /* bytes for all strings together */
#define BOOT_BLOCK_SIZE  (512 + BOOT_MAX_MODULES * 32 + E820_MAX * 24 + BOOT_STRINGS)

#define BOOT_CS        0x10 /* selectors of the block's GDT: flat, 32 bits */
#define BOOT_DS        0x18
#define BOOT_GDT_LIMIT 31

struct boot_module {
    const struct boot_image *image;
    const char *args; /* the module's string: by custom its name and arguments; NULL: empty */
};

/* Copies file_size bytes at file_at of the image to `base` and clears up to memory_size, all of
 * which must be RAM. *end rises to the end if that is above it. */
bool boot_load_piece(const struct boot_image *image, const struct boot_memory *bm, uint64_t file_at,
                     uint64_t file_size, uint64_t base, uint64_t memory_size, uint64_t *end,
                     struct error *err);
/* Puts the modules on the pages above *end, which rises. */
bool boot_load_modules(const struct boot_module *modules, unsigned n, const struct boot_memory *bm,
                       uint64_t *end, uint32_t starts[], struct error *err);

struct boot_block {
    uint32_t base;
    uint32_t used;
    uint8_t data[BOOT_BLOCK_SIZE];
};

/* An empty block on the page above `end`. `name` is the kernel's, for the error. */
bool boot_block_init(struct boot_block *b, const char *name, const struct boot_memory *bm,
                     uint64_t end, struct error *err);
/* Room for size bytes, 8-aligned. Tables of bounded size come before strings: there is room. */
uint8_t *boot_block_reserve(struct boot_block *b, size_t size, uint32_t *address);
bool boot_block_string(struct boot_block *b, const char *text, uint32_t *address,
                       struct error *err);
uint32_t boot_block_gdt(struct boot_block *b);
void boot_block_write(const struct boot_block *b, const struct boot_memory *bm);

#endif
