/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/common/loading.h"

#include <string.h>

#include "base/error.h"

bool loading_memory(struct machine *m, struct region *ram, struct boot_memory *bm, uint32_t size)
{
    struct error err;

    if (!machine_init(m, size, 0, &err))
        return false;
    region_init_memory(ram, "ram", size, 0, 0);
    region_add(&m->mem, ram, 0, 0);
    *bm = (struct boot_memory){.mem = &m->mem, .low_ram = size, .rsdp = 0xe0000};
    bm->e820 = (struct e820_map){.entry = {{0, size, E820_RAM}}, .count = 1};
    return true;
}

void make_bzimage(uint8_t *file, uint32_t size, uint64_t address)
{
    file[0x1f1] = 4;
    put_le32(file + 0x1f4, (size - BZIMAGE_PAYLOAD) / 16);
    put_le16(file + 0x1fe, 0xaa55);
    file[0x200] = 0xeb;
    file[0x201] = 0x66;
    memcpy(file + 0x202, "HdrS", 4);
    put_le16(file + 0x206, 0x20f);
    file[0x211] = 1;
    put_le32(file + 0x22c, 0x7fffffff);
    put_le32(file + 0x230, 0x200000);
    file[0x234] = 1;
    put_le16(file + 0x236, 1);
    put_le32(file + 0x238, 2047);
    put_le64(file + 0x258, address);
    put_le32(file + 0x260, 0x100000);
}

static bool is_wide(const uint8_t *file)
{
    return file[4] == 2;
}

void make_elf(uint8_t *file, bool wide, uint64_t entry, unsigned nsegments)
{
    const uint8_t ident[] = {0x7f, 'E', 'L', 'F', wide ? 2 : 1, 1, 1};

    memcpy(file, ident, sizeof(ident));
    put_le16(file + 16, 2);
    put_le16(file + 18, wide ? 62 : 3);
    if (wide)
        put_le64(file + 24, entry);
    else
        put_le32(file + 24, (uint32_t)entry);
    put_le32(file + (wide ? 32 : 28), wide ? 64 : 52);
    put_le16(file + (wide ? 54 : 42), wide ? 56 : 32);
    put_le16(file + (wide ? 56 : 44), nsegments);
}

uint8_t *elf_segment_header(uint8_t *file, unsigned n)
{
    return is_wide(file) ? file + 64 + 56 * n : file + 52 + 32 * n;
}

void put_elf_segment(uint8_t *file, unsigned n, const struct test_segment *s)
{
    const uint64_t values[] = {s->at, s->vaddr, s->paddr, s->size, s->memory};
    uint8_t *ph = elf_segment_header(file, n);

    put_le32(ph, s->type);
    for (unsigned k = 0; k < 5; k++) {
        if (is_wide(file))
            put_le64(ph + 8 + 8 * k, values[k]);
        else
            put_le32(ph + 4 + 4 * k, (uint32_t)values[k]);
    }
}

void put_multiboot_header(uint8_t *p, uint32_t flags)
{
    put_le32(p, 0x1badb002);
    put_le32(p + 4, flags);
    put_le32(p + 8, 0u - 0x1badb002u - flags);
}
