/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the unit tests and the fuzz targets of the kernel loaders share: the headers of good files,
 * and memory to load them into. */
#ifndef CALQUE_TESTS_COMMON_LOADING_H
#define CALQUE_TESTS_COMMON_LOADING_H

#include "machines/boot_block.h"
#include "vm/machine.h"

/* A machine that has size bytes of RAM from 0 and says so; false: no memory for it. The machine is
 * not locked; machine_destroy() frees it. */
bool loading_memory(struct machine *m, struct region *ram, struct boot_memory *bm, uint32_t size);

#define BZIMAGE_PAYLOAD 0xa00u /* four setup sectors and the boot sector */

/* The header of a bzImage of so many bytes, protocol 2.15, with a 64-bit entry, that wants to be at
 * address (Documentation/arch/x86/boot.rst). File zero before. */
void make_bzimage(uint8_t *file, uint32_t size, uint64_t address);

/* The header of an ELF program for x86, ELF64 if wide, whose program headers follow it. File zero
 * before. */
void make_elf(uint8_t *file, bool wide, uint64_t entry, unsigned nsegments);

struct test_segment {
    uint32_t type;
    uint64_t at, vaddr, paddr, size, memory;
};

/* Where program header n of such a file is. */
uint8_t *elf_segment_header(uint8_t *file, unsigned n);
void put_elf_segment(uint8_t *file, unsigned n, const struct test_segment *s);

/* A Multiboot 1 header with its sum. */
void put_multiboot_header(uint8_t *p, uint32_t flags);

#endif
