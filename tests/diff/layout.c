/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/diff/layout.h"

#include <string.h>

#include "cpu/x86/mem.h"

#define PHYS_DEVICE 0x10000000u

const char *layout_name(enum layout layout)
{
    static const char *const names[NUM_LAYOUTS] = {
        [LAYOUT_PLAIN] = "memory",
        [LAYOUT_DEVICE_LOW] = "first data page a device",
        [LAYOUT_DEVICE_HIGH] = "second data page a device",
        [LAYOUT_CODE] = "data pages with decoded code",
        [LAYOUT_FRESH] = "page table entries not accessed",
        [LAYOUT_ALIAS] = "first data page the code's",
    };
    return names[layout];
}

static void note(struct layout_device *d, uint64_t what, uint64_t value)
{
    uint64_t when = (uint64_t)d->cpu->v.budget;
    d->digest = (d->digest ^ what ^ value * 0x9e3779b97f4a7c15ull ^ when << 40) * 0x100000001b3ull;
    d->accesses++;
}

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    struct layout_device *d = opaque;
    uint64_t v = 0;
    memcpy(&v, d->bytes + offset, size);
    note(d, offset << 8 | size, v);
    return v;
}

static void device_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct layout_device *d = opaque;
    memcpy(d->bytes + offset, &value, size);
    note(d, offset << 8 | size | 0x80, value);
}

void layout_init(struct layout_device *d, struct guest *g)
{
    static const struct region_ops ops = {
        .read = device_read, .write = device_write, .min_size = 1, .max_size = 8};
    d->cpu = g->cpu;
    machine_lock(&g->m);
    region_init_device(&d->region, "device", DIFF_RW, &ops, d);
    region_add(&g->m.mem, &d->region, PHYS_DEVICE, 0);
    machine_unlock(&g->m);
}

void layout_apply(struct guest *g, enum layout layout, uint64_t slot)
{
    const uint64_t half = DIFF_RW / 2;
    uint64_t low = PHYS_DATA, high = PHYS_DATA + half;
    uint64_t accessed = layout == LAYOUT_FRESH ? 0 : PTE_AD;
    for (unsigned at = 0; at < DIFF_RW; at += VM_PAGE_SIZE)
        arena_clear_code(&g->m.arena, PHYS_DATA + at);
    if (layout == LAYOUT_DEVICE_LOW)
        low = PHYS_DEVICE;
    if (layout == LAYOUT_DEVICE_HIGH)
        high = PHYS_DEVICE + half;
    if (layout == LAYOUT_ALIAS)
        low = PHYS_CODE + ((slot - DIFF_CODE) & ~(half - 1));
    guest_map(g, DIFF_CODE, PHYS_CODE, DIFF_CODE_RX, accessed);
    guest_map(g, DIFF_CODE + DIFF_CODE_RX, PHYS_CODE + DIFF_CODE_RX, DIFF_CODE_SIZE - DIFF_CODE_RX,
              PTE_W | accessed);
    guest_map(g, DIFF_DATA, low, half, PTE_W | PTE_NX | accessed);
    guest_map(g, DIFF_DATA + half, high, half, PTE_W | PTE_NX | accessed);
    guest_map(g, DIFF_DATA + DIFF_RW, PHYS_DATA + DIFF_RW, DIFF_RO, PTE_NX | accessed);
    tlb_flush_all(g->cpu);
}

void layout_loaded(struct layout_device *d, struct guest *g, enum layout layout)
{
    d->digest = d->accesses = 0;
    if (layout == LAYOUT_DEVICE_LOW || layout == LAYOUT_DEVICE_HIGH)
        memcpy(d->bytes, g->m.arena.host + PHYS_DATA, DIFF_RW);
    if (layout == LAYOUT_CODE)
        for (unsigned at = 0; at < DIFF_RW; at += 128) /* every other granule */
            arena_mark_code(&g->m.arena, PHYS_DATA + at, 64);
}
