/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiboot 1 (Multiboot Specification version 0.6.96).
 *
 * The kernel is an ELF executable or any file whose header gives its load addresses (flag 16). An
 * ELF64 is loaded too, as GRUB does (GNU Mach for x86-64 is one); its entry is 32-bit code all the
 * same (section 3.2).
 *
 * Not here: setting a video mode (flag 2), the symbol tables of ELF kernels. */
#include "machines/load_multiboot.h"

#include <string.h>

#include "base/error.h"
#include "machines/load_elf.h"

#define MB_SEARCH      8192
#define MB_MAGIC       0x1badb002u
#define MB_BOOT_MAGIC  0x2badb002u
#define MB_HEADER_SIZE 12
#define MB_KLUDGE_SIZE 32

#define MB2_SEARCH      32768 /* Multiboot2 Specification 2.0, 3.1.1 */
#define MB2_MAGIC       0xe85250d6u
#define MB2_HEADER_SIZE 16

#define MB_PAGE_ALIGN  0x00000001u
#define MB_MEMORY_INFO 0x00000002u
#define MB_VIDEO_MODE  0x00000004u
#define MB_AOUT_KLUDGE 0x00010000u
#define MB_REQUIRED    0x0000ffffu /* a loader must refuse those of these that it does not know */

#define MBI_MEMORY  0x001u
#define MBI_CMDLINE 0x004u
#define MBI_MODS    0x008u
#define MBI_MMAP    0x040u
#define MBI_LOADER  0x200u
#define MBI_SIZE    88

struct loaded {
    uint32_t entry;
    uint64_t end; /* above everything loaded, at least BOOT_HIGH */
};

/* ---- the header ---- */

static const uint8_t *find_header(const struct boot_image *image)
{
    size_t limit = image->size < MB_SEARCH ? image->size : MB_SEARCH;

    for (size_t at = 0; at + MB_HEADER_SIZE <= limit; at += 4) {
        const uint8_t *p = image->data + at;

        if (get_le32(p) == MB_MAGIC && get_le32(p) + get_le32(p + 4) + get_le32(p + 8) == 0)
            return p;
    }
    return NULL;
}

bool multiboot_probe(const struct boot_image *image)
{
    return find_header(image) != NULL;
}

bool multiboot2_probe(const struct boot_image *image)
{
    size_t limit = image->size < MB2_SEARCH ? image->size : MB2_SEARCH;

    for (size_t at = 0; at + MB2_HEADER_SIZE <= limit; at += 8) {
        const uint8_t *p = image->data + at;

        if (get_le32(p) == MB2_MAGIC &&
            get_le32(p) + get_le32(p + 4) + get_le32(p + 8) + get_le32(p + 12) == 0)
            return true;
    }
    return false;
}

/* ---- loading the kernel ---- */

/* The header's own addresses: section 3.1.3. Zero load_end_addr means the whole file, zero
 * bss_end_addr no bss. */
static bool load_kludge(const struct boot_image *image, const struct boot_memory *bm,
                        const uint8_t *header, struct loaded *l, struct error *err)
{
    uint64_t at = (uint64_t)(header - image->data);
    uint32_t header_addr, load, load_end, bss_end;
    uint64_t file_at, size;

    if (at + MB_KLUDGE_SIZE > image->size)
        return error_set(err, "%s: truncated inside its Multiboot header", image->name);
    header_addr = get_le32(header + 12);
    load = get_le32(header + 16);
    load_end = get_le32(header + 20);
    bss_end = get_le32(header + 24);
    if (load > header_addr || header_addr - load > at)
        return error_set(err, "%s: Multiboot load_addr 0x%x does not fit header_addr 0x%x",
                         image->name, load, header_addr);
    file_at = at - (header_addr - load);
    if (load_end && load_end < load)
        return error_set(err, "%s: Multiboot load_end_addr 0x%x is below load_addr 0x%x",
                         image->name, load_end, load);
    size = load_end ? load_end - load : image->size - file_at;
    l->entry = get_le32(header + 28);
    return boot_load_piece(image, bm, file_at, size, load,
                           bss_end > load + size ? bss_end - load : size, &l->end, err);
}

static bool load_elf(const struct boot_image *image, const struct boot_memory *bm, struct loaded *l,
                     struct error *err)
{
    struct elf_file elf;

    if (!elf_probe(image))
        return error_set(err, "%s: Multiboot kernel without load addresses that is not ELF",
                         image->name);
    if (!elf_read(image, &elf, err))
        return false;
    if (elf.entry > UINT32_MAX)
        return error_set(err, "%s: Multiboot entry 0x%llx is above 4 GiB", image->name,
                         (unsigned long long)elf.entry);
    l->entry = (uint32_t)elf.entry;
    return elf_place(image, &elf, bm, &l->end, err);
}

static bool load_kernel(const struct boot_image *image, const struct boot_memory *bm,
                        struct loaded *l, struct error *err)
{
    const uint8_t *header = find_header(image);
    uint32_t flags;

    if (!header)
        return error_set(err, "%s: no Multiboot header in its first %d bytes", image->name,
                         MB_SEARCH);
    flags = get_le32(header + 4);
    if (flags & MB_REQUIRED & ~(MB_PAGE_ALIGN | MB_MEMORY_INFO | MB_VIDEO_MODE))
        return error_set(err, "%s: Multiboot flags 0x%x ask for something unknown", image->name,
                         flags);
    return flags & MB_AOUT_KLUDGE ? load_kludge(image, bm, header, l, err)
                                  : load_elf(image, bm, l, err);
}

/* ---- what is passed ---- */

static bool add_modules(struct boot_block *info, const struct multiboot_request *rq,
                        const uint32_t starts[], uint8_t *mbi, struct error *err)
{
    uint32_t address = 0;
    uint8_t *list = boot_block_reserve(info, 16 * (size_t)rq->nmodules, &address);

    put_le32(mbi + 20, rq->nmodules);
    put_le32(mbi + 24, address);
    for (unsigned i = 0; i < rq->nmodules; i++) {
        const struct boot_module *module = &rq->modules[i];

        put_le32(list + 16 * i, starts[i]);
        put_le32(list + 16 * i + 4, starts[i] + (uint32_t)module->image->size);
        if (!boot_block_string(info, module->args, &address, err))
            return false;
        put_le32(list + 16 * i + 8, address);
    }
    return true;
}

static void add_mmap(struct boot_block *info, const struct e820_map *map, uint8_t *mbi)
{
    uint32_t address = 0;
    uint8_t *p = boot_block_reserve(info, 24 * (size_t)map->count, &address);

    put_le32(mbi + 44, 24 * map->count);
    put_le32(mbi + 48, address);
    for (unsigned i = 0; i < map->count; i++, p += 24) {
        put_le32(p, 20); /* size of the entry without this field */
        put_le64(p + 4, map->entry[i].base);
        put_le64(p + 12, map->entry[i].size);
        put_le32(p + 20, map->entry[i].type);
    }
}

/* Section 3.2 leaves GDTR undefined. */
static bool build_info(struct boot_block *info, const struct multiboot_request *rq,
                       const struct boot_memory *bm, const uint32_t starts[],
                       struct boot_state *state, struct error *err)
{
    uint32_t address = 0;
    uint8_t *mbi = boot_block_reserve(info, MBI_SIZE, &address);

    state->rbx = address;
    state->gdt_base = boot_block_gdt(info);
    put_le32(mbi, MBI_MEMORY | MBI_CMDLINE | MBI_MODS | MBI_MMAP | MBI_LOADER);
    put_le32(mbi + 4, 639); /* KiB below the EBDA */
    put_le32(mbi + 8, (uint32_t)((bm->low_ram - BOOT_HIGH) >> 10));
    add_mmap(info, &bm->e820, mbi);
    if (!add_modules(info, rq, starts, mbi, err) ||
        !boot_block_string(info, rq->cmdline, &address, err))
        return false;
    put_le32(mbi + 16, address);
    if (!boot_block_string(info, "calque", &address, err))
        return false;
    put_le32(mbi + 64, address);
    return true;
}

bool multiboot_load(const struct multiboot_request *rq, const struct boot_memory *bm,
                    struct boot_state *state, struct error *err)
{
    struct loaded l = {.end = BOOT_HIGH};
    uint32_t starts[BOOT_MAX_MODULES] = {0};
    struct boot_block info;

    if (!load_kernel(rq->kernel, bm, &l, err) ||
        !boot_load_modules(rq->modules, rq->nmodules, bm, &l.end, starts, err) ||
        !boot_block_init(&info, rq->kernel->name, bm, l.end, err))
        return false;
    *state = (struct boot_state){.mode = BOOT_PROT32,
                                 .rip = l.entry,
                                 .gdt_limit = BOOT_GDT_LIMIT,
                                 .cs = BOOT_CS,
                                 .ds = BOOT_DS,
                                 .rax = MB_BOOT_MAGIC};
    if (!build_info(&info, rq, bm, starts, state, err))
        return false;
    boot_block_write(&info, bm);
    return true;
}
