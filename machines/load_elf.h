/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_LOAD_ELF_H
#define CALQUE_MACHINES_LOAD_ELF_H

#include "machines/boot_block.h"

#define ELF_MAX_SEGMENTS 64 /* bounds the work a hostile file can ask for */

/* An x86 ELF file (System V ABI, chapters 4 and 5), its numbers checked against the file's size. */
struct elf_file {
    bool is_64;
    uint64_t entry; /* physical */
    bool has_pvh;   /* it has a note XEN_ELFNOTE_PHYS32_ENTRY: */
    uint32_t pvh_entry;
    unsigned nsegments; /* to load, at least one; none overlaps another */
    struct elf_segment {
        uint64_t file_at, file_size, vaddr, paddr, memory_size;
    } segments[ELF_MAX_SEGMENTS];
};

bool elf_probe(const struct boot_image *image);
bool elf_read(const struct boot_image *image, struct elf_file *elf, struct error *err);
/* Copies the segments; *end rises to the end of the highest. */
bool elf_place(const struct boot_image *image, const struct elf_file *elf,
               const struct boot_memory *bm, uint64_t *end, struct error *err);

struct elf_request {
    const struct boot_image *kernel;
    const char *cmdline; /* NULL: none was given */
    const struct boot_module *modules;
    unsigned nmodules;
};

/* Enters a kernel with a PVH note as Xen's PVH boot protocol says, with command line, modules and
 * memory map. Any other program is entered at its entry point, in 32-bit protected mode with flat
 * segments, paging and interrupts off, also if it is an ELF64; nothing is passed to it, so a
 * command line or modules are refused. */
bool elf_load(const struct elf_request *rq, const struct boot_memory *bm, struct boot_state *state,
              struct error *err);

#endif
