/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machines/boot_block.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "vm/memory.h"

#define PAGE 0x1000u

static uint64_t page_up(uint64_t n)
{
    return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

/* [base, base + size) must be RAM that belongs to nobody. */
static bool check_place(const struct boot_image *image, const struct boot_memory *bm, uint64_t base,
                        uint64_t size, struct error *err)
{
    bool low = base < BOOT_LOW_END && size <= BOOT_LOW_END - base;
    bool high = base >= BOOT_HIGH && base <= bm->low_ram && size <= bm->low_ram - base;

    if (low || high)
        return true;
    return error_set(err,
                     "%s: wants 0x%llx bytes at 0x%llx, where there is no RAM; try a larger -m",
                     image->name, (unsigned long long)size, (unsigned long long)base);
}

bool boot_load_piece(const struct boot_image *image, const struct boot_memory *bm, uint64_t file_at,
                     uint64_t file_size, uint64_t base, uint64_t memory_size, uint64_t *end,
                     struct error *err)
{
    static const uint8_t zeros[PAGE];

    if (file_at > image->size || file_size > image->size - file_at || file_size > memory_size)
        return error_set(err, "%s: truncated: a piece of %llu bytes at offset %llu is not in it",
                         image->name, (unsigned long long)file_size, (unsigned long long)file_at);
    if (!check_place(image, bm, base, memory_size, err))
        return false;
    if (base + memory_size > *end)
        *end = base + memory_size;
    address_space_write_block(bm->mem, base, image->data + file_at, file_size);
    for (uint64_t at = file_size, n; at < memory_size; at += n) {
        n = memory_size - at < PAGE ? memory_size - at : PAGE;
        address_space_write_block(bm->mem, base + at, zeros, n);
    }
    return true;
}

bool boot_load_modules(const struct boot_module *modules, unsigned n, const struct boot_memory *bm,
                       uint64_t *end, uint32_t starts[], struct error *err)
{
    for (unsigned i = 0; i < n; i++) {
        const struct boot_image *image = modules[i].image;
        uint64_t at = page_up(*end);

        if (at > bm->low_ram || image->size > bm->low_ram - at)
            return error_set(err, "%s: no room for %zu bytes above 0x%llx; try a larger -m",
                             image->name, image->size, (unsigned long long)at);
        address_space_write_block(bm->mem, at, image->data, image->size);
        starts[i] = (uint32_t)at;
        *end = at + image->size;
    }
    return true;
}

bool boot_block_init(struct boot_block *b, const char *name, const struct boot_memory *bm,
                     uint64_t end, struct error *err)
{
    end = page_up(end);
    memset(b, 0, sizeof(*b));
    if (end > bm->low_ram || bm->low_ram - end < sizeof(b->data))
        return error_set(err, "%s: no room for boot information; try a larger -m", name);
    b->base = (uint32_t)end;
    return true;
}

/* NULL when full. */
static uint8_t *take(struct boot_block *b, size_t size, uint32_t *address)
{
    uint32_t at = (b->used + 7) & ~7u;

    if (at > sizeof(b->data) || size > sizeof(b->data) - at)
        return NULL;
    b->used = at + (uint32_t)size;
    *address = b->base + at;
    return b->data + at;
}

uint8_t *boot_block_reserve(struct boot_block *b, size_t size, uint32_t *address)
{
    uint8_t *p = take(b, size, address);

    assert(p && "tables are bounded");
    return p;
}

bool boot_block_string(struct boot_block *b, const char *text, uint32_t *address, struct error *err)
{
    size_t size = text ? strlen(text) + 1 : 1;
    uint8_t *p = take(b, size, address);

    if (!p)
        return error_set(err, "-append: command lines of kernel and modules exceed %d bytes",
                         BOOT_STRINGS);
    memcpy(p, text ? text : "", size);
    return true;
}

/* A flat one saves kernels that reload a segment register before they have their own. */
uint32_t boot_block_gdt(struct boot_block *b)
{
    uint32_t address = 0;
    uint8_t *gdt = boot_block_reserve(b, BOOT_GDT_LIMIT + 1, &address);

    put_le64(gdt + BOOT_CS, 0x00cf9b000000ffff);
    put_le64(gdt + BOOT_DS, 0x00cf93000000ffff);
    return address;
}

void boot_block_write(const struct boot_block *b, const struct boot_memory *bm)
{
    address_space_write_block(bm->mem, b->base, b->data, b->used);
}
