/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ELF programs, and kernels with the PVH entry (Xen, docs/misc/pvh.pandoc and
 * public/arch-x86/hvm/start_info.h).
 *
 * e_entry is a virtual address; with paging off a program starts at the physical address of the
 * segment that holds it. */
#include "machines/load_elf.h"

#include <string.h>

#include "base/error.h"
#include "vm/memory.h"

#define ADDRESS_END (1ull << 40) /* beyond it nothing can be loaded; sums below do not overflow */

#define ET_EXEC   2
#define ET_DYN    3
#define EM_386    3
#define EM_X86_64 62
#define PT_LOAD   1
#define PT_NOTE   4

#define NOTE_PHYS32_ENTRY 18

/* struct hvm_start_info and what it points to */
#define PVH_MAGIC       0x336ec578u
#define PVH_VERSION     1
#define PVH_SIZE        56
#define PVH_MODULE_SIZE 32
#define PVH_MEMMAP_SIZE 24

/* Offsets that differ between the classes. */
struct layout {
    uint8_t header_size, phoff, phentsize, phnum, ph_size;
    uint8_t p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, word;
};

static const struct layout layouts[2] = {
    {52, 28, 42, 44, 32, 4, 8, 12, 16, 20, 4},
    {64, 32, 54, 56, 56, 8, 16, 24, 32, 40, 8},
};

static uint64_t word(const struct layout *l, const uint8_t *p)
{
    return l->word == 8 ? get_le64(p) : get_le32(p);
}

bool elf_probe(const struct boot_image *image)
{
    return image->size >= 16 && memcmp(image->data, "\177ELF", 4) == 0;
}

/* ---- headers ---- */

static bool check_header(const struct boot_image *image, struct error *err)
{
    const uint8_t *e = image->data;
    unsigned machine;

    if (!elf_probe(image) || e[4] < 1 || e[4] > 2 || e[5] != 1)
        return error_set(err, "%s: expected a little-endian ELF file", image->name);
    if (image->size < layouts[e[4] - 1].header_size)
        return error_set(err, "%s: truncated inside its ELF header", image->name);
    machine = e[4] == 1 ? EM_386 : EM_X86_64;
    if (get_le16(e + 18) != machine)
        return error_set(err, "%s: ELF machine %u, expected %u (x86)", image->name,
                         get_le16(e + 18), machine);
    if (get_le16(e + 16) != ET_EXEC && get_le16(e + 16) != ET_DYN)
        return error_set(err, "%s: ELF type %u, expected %d (an executable)", image->name,
                         get_le16(e + 16), ET_EXEC);
    if (get_le16(e + layouts[e[4] - 1].phentsize) < layouts[e[4] - 1].ph_size)
        return error_set(err, "%s: ELF program headers of %u bytes, expected %u", image->name,
                         get_le16(e + layouts[e[4] - 1].phentsize), layouts[e[4] - 1].ph_size);
    return true;
}

static bool in_file(const struct boot_image *image, uint64_t at, uint64_t size)
{
    return at <= image->size && size <= image->size - at;
}

static bool overlaps(const struct elf_segment *a, const struct elf_segment *b)
{
    return a->paddr < b->paddr + b->memory_size && b->paddr < a->paddr + a->memory_size;
}

static bool add_segment(const struct boot_image *image, const struct layout *l, const uint8_t *ph,
                        struct elf_file *elf, struct error *err)
{
    struct elf_segment s = {.file_at = word(l, ph + l->p_offset),
                            .file_size = word(l, ph + l->p_filesz),
                            .vaddr = word(l, ph + l->p_vaddr),
                            .paddr = word(l, ph + l->p_paddr),
                            .memory_size = word(l, ph + l->p_memsz)};

    if (s.memory_size == 0)
        return true;
    if (!in_file(image, s.file_at, s.file_size))
        return error_set(
            err, "%s: truncated: an ELF segment of 0x%llx bytes at 0x%llx is not in it",
            image->name, (unsigned long long)s.file_size, (unsigned long long)s.file_at);
    if (s.file_size > s.memory_size || s.paddr >= ADDRESS_END || s.memory_size >= ADDRESS_END)
        return error_set(err, "%s: an ELF segment of 0x%llx bytes at address 0x%llx is no use",
                         image->name, (unsigned long long)s.memory_size,
                         (unsigned long long)s.paddr);
    if (elf->nsegments == ELF_MAX_SEGMENTS)
        return error_set(err, "%s: more than %d ELF segments to load", image->name,
                         ELF_MAX_SEGMENTS);
    for (unsigned i = 0; i < elf->nsegments; i++)
        if (overlaps(&elf->segments[i], &s))
            return error_set(err, "%s: ELF segments overlap at address 0x%llx", image->name,
                             (unsigned long long)s.paddr);
    elf->segments[elf->nsegments++] = s;
    return true;
}

/* Name and contents of each note are padded to 4 bytes. A broken list of notes just ends: they are
 * nobody's business but that of who looks for one. */
static void scan_notes(const struct boot_image *image, uint64_t at, uint64_t size,
                       struct elf_file *elf)
{
    const uint8_t *p = image->data + at;

    if (!in_file(image, at, size))
        return;
    while (size >= 12) {
        uint64_t name = ((uint64_t)get_le32(p) + 3) & ~3ull;
        uint64_t desc = ((uint64_t)get_le32(p + 4) + 3) & ~3ull;

        if (name + desc > size - 12)
            return;
        if (get_le32(p) == 4 && get_le32(p + 8) == NOTE_PHYS32_ENTRY && get_le32(p + 4) >= 4 &&
            memcmp(p + 12, "Xen", 4) == 0) {
            elf->has_pvh = true;
            elf->pvh_entry = get_le32(p + 12 + name);
        }
        p += 12 + name + desc;
        size -= 12 + name + desc;
    }
}

static bool read_segments(const struct boot_image *image, const struct layout *l,
                          struct elf_file *elf, struct error *err)
{
    const uint8_t *e = image->data;
    uint64_t phoff = word(l, e + l->phoff), phentsize = get_le16(e + l->phentsize);

    for (unsigned i = 0; i < get_le16(e + l->phnum); i++) {
        const uint8_t *ph = e + phoff + i * phentsize;

        if (phoff > image->size || !in_file(image, phoff + i * phentsize, l->ph_size))
            return error_set(err, "%s: truncated: ELF program header %u is not in it", image->name,
                             i);
        if (get_le32(ph) == PT_LOAD && !add_segment(image, l, ph, elf, err))
            return false;
        if (get_le32(ph) == PT_NOTE)
            scan_notes(image, word(l, ph + l->p_offset), word(l, ph + l->p_filesz), elf);
    }
    return elf->nsegments || error_set(err, "%s: ELF file without anything to load", image->name);
}

static bool is_loaded(const struct elf_file *elf, uint64_t address)
{
    for (unsigned i = 0; i < elf->nsegments; i++)
        if (address >= elf->segments[i].paddr &&
            address - elf->segments[i].paddr < elf->segments[i].memory_size)
            return true;
    return false;
}

/* Some kernels have a physical address there already. */
static void find_entry(struct elf_file *elf, uint64_t entry)
{
    elf->entry = entry;
    for (unsigned i = 0; i < elf->nsegments; i++) {
        const struct elf_segment *s = &elf->segments[i];

        if (entry >= s->vaddr && entry - s->vaddr < s->memory_size) {
            elf->entry = entry - s->vaddr + s->paddr;
            return;
        }
    }
}

bool elf_read(const struct boot_image *image, struct elf_file *elf, struct error *err)
{
    const struct layout *l;

    memset(elf, 0, sizeof(*elf));
    if (!check_header(image, err))
        return false;
    elf->is_64 = image->data[4] == 2;
    l = &layouts[elf->is_64];
    if (!read_segments(image, l, elf, err))
        return false;
    find_entry(elf, word(l, image->data + 24));
    return true;
}

bool elf_place(const struct boot_image *image, const struct elf_file *elf,
               const struct boot_memory *bm, uint64_t *end, struct error *err)
{
    for (unsigned i = 0; i < elf->nsegments; i++) {
        const struct elf_segment *s = &elf->segments[i];

        if (!boot_load_piece(image, bm, s->file_at, s->file_size, s->paddr, s->memory_size, end,
                             err))
            return false;
    }
    return true;
}

/* ---- PVH ---- */

static bool add_modules(struct boot_block *b, const struct elf_request *rq, const uint32_t starts[],
                        uint8_t *info, struct error *err)
{
    uint32_t address = 0;
    uint8_t *list = boot_block_reserve(b, PVH_MODULE_SIZE * (size_t)rq->nmodules, &address);

    put_le32(info + 12, rq->nmodules);
    if (rq->nmodules)
        put_le64(info + 16, address);
    for (unsigned i = 0; i < rq->nmodules; i++) {
        uint8_t *p = list + PVH_MODULE_SIZE * i;

        put_le64(p, starts[i]);
        put_le64(p + 8, rq->modules[i].image->size);
        if (!boot_block_string(b, rq->modules[i].args, &address, err))
            return false;
        put_le64(p + 16, address);
    }
    return true;
}

static void add_memmap(struct boot_block *b, const struct e820_map *map, uint8_t *info)
{
    uint32_t address = 0;
    uint8_t *p = boot_block_reserve(b, PVH_MEMMAP_SIZE * (size_t)map->count, &address);

    put_le64(info + 40, address);
    put_le32(info + 48, map->count);
    for (unsigned i = 0; i < map->count; i++, p += PVH_MEMMAP_SIZE) {
        put_le64(p, map->entry[i].base);
        put_le64(p + 8, map->entry[i].size);
        put_le32(p + 16, map->entry[i].type);
    }
}

/* struct hvm_start_info; its address goes to EBX. */
static bool add_start_info(struct boot_block *b, const struct elf_request *rq,
                           const struct boot_memory *bm, const uint32_t starts[],
                           struct boot_state *state, struct error *err)
{
    uint32_t address = 0;
    uint8_t *info = boot_block_reserve(b, PVH_SIZE, &address);

    state->rbx = address;
    put_le32(info, PVH_MAGIC);
    put_le32(info + 4, PVH_VERSION);
    put_le64(info + 32, bm->rsdp);
    add_memmap(b, &bm->e820, info);
    if (!add_modules(b, rq, starts, info, err) || !boot_block_string(b, rq->cmdline, &address, err))
        return false;
    put_le64(info + 24, address);
    return true;
}

/* ---- entry ---- */

static bool check_request(const struct elf_request *rq, const struct elf_file *elf,
                          struct error *err)
{
    if (elf->has_pvh && !is_loaded(elf, elf->pvh_entry))
        return error_set(err, "%s: its PVH entry 0x%x is not in what it loads", rq->kernel->name,
                         elf->pvh_entry);
    if (!elf->has_pvh && !is_loaded(elf, elf->entry))
        return error_set(err, "%s: its entry point 0x%llx is not in what it loads",
                         rq->kernel->name, (unsigned long long)elf->entry);
    if (elf->has_pvh || (!rq->cmdline && !rq->nmodules))
        return true;
    return error_set(err,
                     "%s: %s: expected a kernel with a Linux, Multiboot or PVH header; a plain "
                     "ELF program takes none",
                     rq->cmdline ? "-append" : "-initrd", rq->kernel->name);
}

bool elf_load(const struct elf_request *rq, const struct boot_memory *bm, struct boot_state *state,
              struct error *err)
{
    uint32_t starts[BOOT_MAX_MODULES] = {0};
    uint64_t end = BOOT_HIGH;
    struct elf_file elf;
    struct boot_block block;

    if (!elf_read(rq->kernel, &elf, err) || !check_request(rq, &elf, err) ||
        !elf_place(rq->kernel, &elf, bm, &end, err) ||
        !boot_load_modules(rq->modules, rq->nmodules, bm, &end, starts, err) ||
        !boot_block_init(&block, rq->kernel->name, bm, end, err))
        return false;
    *state = (struct boot_state){.mode = BOOT_PROT32,
                                 .rip = elf.has_pvh ? elf.pvh_entry : elf.entry,
                                 .gdt_limit = BOOT_GDT_LIMIT,
                                 .cs = BOOT_CS,
                                 .ds = BOOT_DS};
    state->gdt_base = boot_block_gdt(&block);
    if (elf.has_pvh && !add_start_info(&block, rq, bm, starts, state, err))
        return false;
    boot_block_write(&block, bm);
    return true;
}
