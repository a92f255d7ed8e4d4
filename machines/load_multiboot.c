/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiboot 1 (Multiboot Specification version 0.6.96).
 *
 * The kernel is an ELF32 executable or any file whose header gives its load addresses (flag 16).
 * It goes where it wants to, in RAM; modules follow it, page by page, then one block with the
 * information structure, the tables it points to and a GDT. So nothing that is passed can overlap
 * what is loaded, and all that need be checked is the end of RAM.
 *
 * Not here: setting a video mode (flag 2), the symbol tables of ELF kernels. */
#include "machines/load_multiboot.h"

#include <string.h>

#include "base/error.h"
#include "vm/memory.h"

#define MB_SEARCH      8192
#define MB_MAGIC       0x1badb002u
#define MB_BOOT_MAGIC  0x2badb002u
#define MB_HEADER_SIZE 12
#define MB_KLUDGE_SIZE 32

#define MB_PAGE_ALIGN  0x00000001u
#define MB_MEMORY_INFO 0x00000002u
#define MB_VIDEO_MODE  0x00000004u
#define MB_AOUT_KLUDGE 0x00010000u
#define MB_REQUIRED    0x0000ffffu /* a loader must refuse those of these that it does not know */

#define MBI_MEMORY      0x001u
#define MBI_CMDLINE     0x004u
#define MBI_MODS        0x008u
#define MBI_MMAP        0x040u
#define MBI_LOADER      0x200u
#define MB_MAX_SEGMENTS 64 /* bounds the work a hostile file can ask for */
#define MBI_SIZE        88
#define MBI_STRINGS     8192 /* for all strings together */

#define PAGE      0x1000u
#define LOW_END   0x9f000u /* conventional memory below the EBDA */
#define HIGH_BASE 0x100000u

struct loaded {
    uint32_t entry;
    uint64_t end; /* above everything loaded, at least HIGH_BASE */
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

/* ---- loading the kernel ---- */

/* [base, base + size) must be RAM that belongs to nobody. */
static bool place(const struct boot_image *image, const struct boot_memory *bm, uint64_t base,
                  uint64_t size, struct loaded *l, struct error *err)
{
    uint64_t end = base + size; /* both below 2^33: no overflow */

    if (end > LOW_END && (base < HIGH_BASE || end > bm->low_ram))
        return error_set(err, "%s: wants to be loaded at 0x%llx-0x%llx, where there is no RAM",
                         image->name, (unsigned long long)base, (unsigned long long)end);
    if (end > l->end)
        l->end = end;
    return true;
}

/* Copies file_size bytes of the image and clears up to memory_size. */
static bool load_piece(const struct boot_image *image, const struct boot_memory *bm,
                       uint64_t file_at, uint64_t file_size, uint64_t base, uint64_t memory_size,
                       struct loaded *l, struct error *err)
{
    static const uint8_t zeros[PAGE];

    if (file_at > image->size || file_size > image->size - file_at || file_size > memory_size)
        return error_set(err, "%s: truncated: a piece of %llu bytes at offset %llu is not in it",
                         image->name, (unsigned long long)file_size, (unsigned long long)file_at);
    if (!place(image, bm, base, memory_size, l, err))
        return false;
    address_space_write_block(bm->mem, base, image->data + file_at, file_size);
    for (uint64_t at = file_size, n; at < memory_size; at += n) {
        n = memory_size - at < PAGE ? memory_size - at : PAGE;
        address_space_write_block(bm->mem, base + at, zeros, n);
    }
    return true;
}

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
    return load_piece(image, bm, file_at, size, load, bss_end > load + size ? bss_end - load : size,
                      l, err);
}

/* Elf32_Ehdr and Elf32_Phdr (System V ABI, chapter 5) by offset. */
static bool check_elf(const struct boot_image *image, struct error *err)
{
    static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 1, 1, 1}; /* 32-bit, little endian */
    const uint8_t *e = image->data;

    if (image->size < 52 || memcmp(e, ident, sizeof(ident)) != 0)
        return error_set(err, "%s: Multiboot kernel without load addresses that is not ELF32",
                         image->name);
    if (get_le16(e + 18) != 3)
        return error_set(err, "%s: ELF machine %u, expected 3 (i386)", image->name,
                         get_le16(e + 18));
    if (get_le16(e + 42) < 32)
        return error_set(err, "%s: ELF program headers of %u bytes, expected 32", image->name,
                         get_le16(e + 42));
    return true;
}

/* e_entry is virtual; the kernel starts with paging off, at the segment's physical address. */
static void find_entry(const uint8_t *ph, uint32_t e_entry, struct loaded *l)
{
    uint32_t vaddr = get_le32(ph + 8), paddr = get_le32(ph + 12), memsz = get_le32(ph + 20);

    if (e_entry >= vaddr && e_entry - vaddr < memsz)
        l->entry = e_entry - vaddr + paddr;
}

static bool load_elf(const struct boot_image *image, const struct boot_memory *bm, struct loaded *l,
                     struct error *err)
{
    const uint8_t *e = image->data;
    uint64_t phoff, phentsize;
    unsigned loads = 0;

    if (!check_elf(image, err))
        return false;
    phoff = get_le32(e + 28);
    phentsize = get_le16(e + 42);
    l->entry = get_le32(e + 24);
    for (unsigned i = 0; i < get_le16(e + 44); i++) {
        const uint8_t *ph = e + phoff + i * phentsize;

        if (phoff + i * phentsize + 32 > image->size)
            return error_set(err, "%s: truncated: ELF program header %u is not in it", image->name,
                             i);
        if (get_le32(ph) != 1 || get_le32(ph + 20) == 0) /* PT_LOAD */
            continue;
        if (++loads > MB_MAX_SEGMENTS)
            return error_set(err, "%s: more than %d ELF segments to load", image->name,
                             MB_MAX_SEGMENTS);
        if (!load_piece(image, bm, get_le32(ph + 4), get_le32(ph + 16), get_le32(ph + 12),
                        get_le32(ph + 20), l, err))
            return false;
        find_entry(ph, get_le32(e + 24), l);
    }
    return loads ? true : error_set(err, "%s: ELF file without anything to load", image->name);
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

/* One block, built here and written at `base`. */
struct info {
    uint32_t base;
    uint32_t used;
    uint8_t data[512 + MULTIBOOT_MAX_MODULES * 16 + E820_MAX * 24 + MBI_STRINGS];
};

/* Room for size bytes, 8-aligned; NULL when full. */
static uint8_t *reserve(struct info *info, size_t size, uint32_t *address)
{
    uint32_t at = (info->used + 7) & ~7u;

    if (at > sizeof(info->data) || size > sizeof(info->data) - at)
        return NULL;
    info->used = at + (uint32_t)size;
    *address = info->base + at;
    return info->data + at;
}

static bool add_string(struct info *info, const char *text, uint8_t *pointer, struct error *err)
{
    uint32_t address = 0;
    uint8_t *p = reserve(info, strlen(text) + 1, &address);

    if (!p)
        return error_set(err, "-append: command lines of kernel and modules exceed %d bytes",
                         MBI_STRINGS);
    memcpy(p, text, strlen(text) + 1);
    put_le32(pointer, address);
    return true;
}

static bool load_modules(const struct multiboot_request *rq, const struct boot_memory *bm,
                         struct loaded *l, uint32_t starts[], struct error *err)
{
    for (unsigned i = 0; i < rq->nmodules; i++) {
        const struct boot_image *module = rq->modules[i].image;
        uint64_t at = (l->end + PAGE - 1) & ~(uint64_t)(PAGE - 1);

        if (at > bm->low_ram || module->size > bm->low_ram - at)
            return error_set(err, "%s: no room for %zu bytes above 0x%llx; try a larger -m",
                             module->name, module->size, (unsigned long long)at);
        address_space_write_block(bm->mem, at, module->data, module->size);
        starts[i] = (uint32_t)at;
        l->end = at + module->size;
    }
    return true;
}

static bool add_modules(struct info *info, const struct multiboot_request *rq,
                        const uint32_t starts[], uint8_t *mbi, struct error *err)
{
    uint32_t address = 0;
    uint8_t *list = reserve(info, 16 * (size_t)rq->nmodules, &address);

    put_le32(mbi + 20, rq->nmodules);
    put_le32(mbi + 24, address);
    for (unsigned i = 0; i < rq->nmodules; i++) {
        const struct multiboot_module *module = &rq->modules[i];

        put_le32(list + 16 * i, starts[i]);
        put_le32(list + 16 * i + 4, starts[i] + (uint32_t)module->image->size);
        if (!add_string(info, module->args ? module->args : "", list + 16 * i + 8, err))
            return false;
    }
    return true;
}

static void add_mmap(struct info *info, const struct e820_map *map, uint8_t *mbi)
{
    uint32_t address = 0;
    uint8_t *p = reserve(info, 24 * (size_t)map->count, &address);

    put_le32(mbi + 44, 24 * map->count);
    put_le32(mbi + 48, address);
    for (unsigned i = 0; i < map->count; i++, p += 24) {
        put_le32(p, 20); /* size of the entry without this field */
        put_le64(p + 4, map->entry[i].base);
        put_le64(p + 12, map->entry[i].size);
        put_le32(p + 20, map->entry[i].type);
    }
}

/* Section 3.2 leaves GDTR undefined; a flat one costs nothing and saves kernels that reload a
 * segment register first. */
static uint32_t add_gdt(struct info *info)
{
    uint32_t address = 0;
    uint8_t *gdt = reserve(info, 32, &address);

    put_le64(gdt + 0x10, 0x00cf9b000000ffff);
    put_le64(gdt + 0x18, 0x00cf93000000ffff);
    return address;
}

/* Tables of bounded size come first: reserve() has room for them whatever the strings are. */
static bool build_info(struct info *info, const struct multiboot_request *rq,
                       const struct boot_memory *bm, const uint32_t starts[],
                       struct boot_state *state, struct error *err)
{
    uint32_t address = 0;
    uint8_t *mbi = reserve(info, MBI_SIZE, &address);

    state->rbx = address;
    state->gdt_base = add_gdt(info);

    put_le32(mbi, MBI_MEMORY | MBI_CMDLINE | MBI_MODS | MBI_MMAP | MBI_LOADER);
    put_le32(mbi + 4, 639); /* KiB below the EBDA */
    put_le32(mbi + 8, (uint32_t)((bm->low_ram - HIGH_BASE) >> 10));
    add_mmap(info, &bm->e820, mbi);
    return add_modules(info, rq, starts, mbi, err) &&
           add_string(info, rq->cmdline ? rq->cmdline : "", mbi + 16, err) &&
           add_string(info, "calque", mbi + 64, err);
}

bool multiboot_load(const struct multiboot_request *rq, const struct boot_memory *bm,
                    struct boot_state *state, struct error *err)
{
    struct loaded l = {.end = HIGH_BASE};
    uint32_t starts[MULTIBOOT_MAX_MODULES] = {0};
    struct info info = {0};

    if (rq->nmodules > MULTIBOOT_MAX_MODULES)
        return error_set(err, "-initrd: %u modules, expected at most %d", rq->nmodules,
                         MULTIBOOT_MAX_MODULES);
    if (!load_kernel(rq->kernel, bm, &l, err) || !load_modules(rq, bm, &l, starts, err))
        return false;
    l.end = (l.end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    if (l.end > bm->low_ram || bm->low_ram - l.end < sizeof(info.data))
        return error_set(err, "%s: no room for boot information; try a larger -m",
                         rq->kernel->name);
    info.base = (uint32_t)l.end;
    *state = (struct boot_state){.mode = BOOT_PROT32,
                                 .rip = l.entry,
                                 .gdt_limit = 31,
                                 .cs = 0x10,
                                 .ds = 0x18,
                                 .rax = MB_BOOT_MAGIC};
    if (!build_info(&info, rq, bm, starts, state, err))
        return false;
    address_space_write_block(bm->mem, info.base, info.data, info.used);
    return true;
}
