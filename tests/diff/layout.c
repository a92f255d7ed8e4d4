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

/* ---- places ---- */

const char *place_name(enum place place)
{
    static const char *const names[NUM_PLACES] = {
        [PLACE_NONE] = "no operand in memory",
        [PLACE_WITHIN] = "within a page",
        [PLACE_END] = "across a page's end",
        [PLACE_READONLY] = "read-only",
        [PLACE_END_READONLY] = "across, then read-only",
        [PLACE_MISSING] = "not mapped",
        [PLACE_END_MISSING] = "across, then not mapped",
        [PLACE_START_MISSING] = "not mapped, then across",
        [PLACE_CODE] = "pages of the code",
        [PLACE_ELSEWHERE] = "elsewhere",
    };
    return names[place];
}

/* The linear address of i's operand; i is not part of a block yet. */
static uint64_t operand_at(const struct cpu *cpu, const struct insn *i)
{
    struct insn at = *i;
    if (i->base == R_RIP)
        at.disp += i->len;
    return cut_address(cpu, insn_ea(cpu, &at) + (i->seg < SEG_NONE ? cpu->ea_base[i->seg] : 0));
}

static enum place place_of_bytes(uint64_t lin, unsigned size)
{
    const uint64_t ro = DIFF_DATA + DIFF_RW, end = ro + DIFF_RO;
    uint64_t last = lin + size - 1;
    if (lin - DIFF_CODE < DIFF_CODE_SIZE)
        return PLACE_CODE;
    if (lin + VM_PAGE_SIZE < DIFF_DATA || lin >= end + VM_PAGE_SIZE)
        return PLACE_ELSEWHERE;
    if (lin < DIFF_DATA)
        return last < DIFF_DATA ? PLACE_MISSING : PLACE_START_MISSING;
    if (lin >= end)
        return PLACE_MISSING;
    if (last >= end)
        return PLACE_END_MISSING;
    if (last >= ro)
        return lin >= ro ? PLACE_READONLY : PLACE_END_READONLY;
    return lin / VM_PAGE_SIZE == last / VM_PAGE_SIZE ? PLACE_WITHIN : PLACE_END;
}

enum place place_of(const struct guest *g, const struct diff_case *c)
{
    const struct cpu *cpu = g->cpu;
    uint64_t at = c->slot + c->code_off - DIFF_CODE;
    struct insn i;
    if (at >= DIFF_CODE_SIZE || decode(g->m.arena.host + PHYS_CODE + at, DIFF_CODE_SIZE - at,
                                       (enum code_mode)cpu->code_mode, &i) != DECODE_OK)
        return PLACE_NONE;
    return i.flags & INSN_MEM ? place_of_bytes(operand_at(cpu, &i), insn_osize(&i)) : PLACE_NONE;
}
