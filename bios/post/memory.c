/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much memory there is, what of it is the firmware's, and the POST memory manager
 * (Phoenix/Intel, PMM 1.01). */
#include "post.h"

static u32 high_bottom, high_limit; /* tables grow down from the end of RAM */
static u32 fseg_used;
static u32 temp_bottom, conventional;

/* ---- allocation ---- */

void *alloc_high(u32 size, u32 align)
{
    u32 at = high_bottom;

    if (size > at)
        return NULL;
    at = (at - size) & ~(align - 1);
    if (at < high_limit)
        return NULL;
    high_bottom = at;
    memset((void *)at, 0, size);
    return (void *)at;
}

void *alloc_fseg(u32 size)
{
    u32 at = (fseg_used + 15) & ~15u;

    if (size > FSEG_HEAP || at > FSEG_HEAP - size)
        return NULL;
    fseg_used = at + size;
    return fseg_heap + at;
}

/* ---- sizes ---- */

static void from_cmos(void)
{
    u32 kib = cmos_read(0x30) | (u32)cmos_read(0x31) << 8;
    u32 above_16m = cmos_read(0x34) | (u32)cmos_read(0x35) << 8;

    shared.ram_below_4g = above_16m ? 0x1000000 + (above_16m << 16) : 0x100000 + (kib << 10);
    shared.ram_above_4g =
        (u64)(cmos_read(0x5b) | (u32)cmos_read(0x5c) << 8 | (u32)cmos_read(0x5d) << 16) << 16;
}

/* "etc/e820": what is RAM; and reservations, which are kept. */
static struct e820 extra[8];
static u32 nextra;

static bool from_fwcfg(void)
{
    struct e820 e[16];
    u32 size, key = fwcfg_find("etc/e820", &size), n = MIN(size / sizeof(e[0]), 16);

    if (!key || !n)
        return false;
    fwcfg_read_key((u16)key, e, n * sizeof(e[0]));
    shared.ram_below_4g = 0;
    for (u32 i = 0; i < n; i++) {
        u64 end = e[i].base + e[i].size;

        if (e[i].type != E820_RAM && nextra < ARRAY_SIZE(extra))
            extra[nextra++] = e[i];
        else if (e[i].type == E820_RAM && end > 0x100000000ull)
            shared.ram_above_4g = end - 0x100000000ull;
        else if (e[i].type == E820_RAM && end > shared.ram_below_4g)
            shared.ram_below_4g = (u32)end;
    }
    return shared.ram_below_4g >= 0x100000;
}

void memory_init(void)
{
    u32 zone;

    if (!from_fwcfg())
        from_cmos();
    if (shared.ram_below_4g < 0x200000)
        shared.ram_below_4g = 0x200000;
    zone = shared.ram_below_4g >= 0x1000000 ? 0x400000 : 0x80000;
    high_bottom = shared.ram_below_4g;
    high_limit = high_bottom - zone;
    temp_bottom = high_limit;
    conventional = 0x20000;
}

/* ---- e820 ---- */

static void add(u64 base, u64 end, u32 type)
{
    if (end > base && shared.ne820 < MAX_E820)
        shared.e820[shared.ne820++] = (struct e820){base, end - base, type};
}

static void sort_map(void)
{
    for (u32 i = 1; i < shared.ne820; i++)
        for (u32 j = i; j && shared.e820[j].base < shared.e820[j - 1].base; j--) {
            struct e820 t = shared.e820[j];

            shared.e820[j] = shared.e820[j - 1];
            shared.e820[j - 1] = t;
        }
}

void memory_finish(void)
{
    u32 end = shared.ram_below_4g, low = (u32)bda->memory_kib << 10;

    high_bottom &= ~0xfffu;
    shared.ram_below_4g = high_bottom;
    shared.ne820 = 0;
    add(0, low, E820_RAM);
    add(low, 0xa0000, E820_RESERVED);
    add(0xe0000, 0x100000, E820_RESERVED);
    add(0x100000, high_bottom, E820_RAM);
    add(high_bottom, end, E820_RESERVED);
    for (u32 i = 0; i < nextra; i++)
        add(extra[i].base, extra[i].base + extra[i].size, extra[i].type);
    add(0xfffc0000, 0x100000000ull, E820_RESERVED);
    add(0x100000000ull, 0x100000000ull + shared.ram_above_4g, E820_RAM);
    sort_map();
}

/* ---- PMM ---- */

struct pmm_block {
    u32 handle, address, size;
};
static struct pmm_block blocks[32];
static u32 nblocks;

#define PMM_ANONYMOUS 0xffffffffu

static u32 largest(u32 flags)
{
    u32 low = 0x80000 - conventional, high = temp_bottom > 0x400000 ? temp_bottom - 0x400000 : 0;

    return (flags & 3) == 1 ? low : (flags & 3) == 2 ? high : MAX(low, high);
}

/* Length in paragraphs, 0: how much is there? Extended memory that stays is taken from the tables'
 * zone, what does not from below it. */
static u32 pmm_allocate(u32 paragraphs, u32 handle, u32 flags)
{
    u32 size = paragraphs << 4, at = 0, align = 16;

    if (!paragraphs)
        return largest(flags);
    if (paragraphs > 0x4000000 || nblocks == ARRAY_SIZE(blocks))
        return 0;
    if (flags & 4) /* aligned to the lowest bit of the length */
        align = MAX(size & -size, 16);
    if (flags & 2) {
        at = (u32)alloc_high(size, align);
        if (!at && size < temp_bottom - 0x400000) {
            at = (temp_bottom - size) & ~(align - 1);
            temp_bottom = at;
        }
    }
    if (!at && flags & 1) {
        u32 base = (conventional + align - 1) & ~(align - 1);

        if (size <= 0x80000 && base + size <= 0x80000) {
            at = base;
            conventional = base + size;
        }
    }
    if (at)
        blocks[nblocks++] = (struct pmm_block){handle, at, size};
    return at;
}

static u32 pmm_find(u32 handle)
{
    for (u32 i = 0; i < nblocks && handle != PMM_ANONYMOUS; i++)
        if (blocks[i].handle == handle && blocks[i].address)
            return blocks[i].address;
    return 0;
}

/* Only forgotten: POST ends soon. */
static u32 pmm_free(u32 address)
{
    for (u32 i = 0; i < nblocks; i++)
        if (blocks[i].address == address && address) {
            blocks[i].address = 0;
            return 0;
        }
    return 1;
}

u32 pmm_call(const struct pmm_request *q)
{
    switch (q->function) {
    case 0:
        return pmm_allocate(q->args[0], q->args[1], q->args[2]);
    case 1:
        return pmm_find(q->args[0]);
    case 2:
        return pmm_free(q->args[0]);
    default:
        return 0xffffffff; /* not supported */
    }
}
