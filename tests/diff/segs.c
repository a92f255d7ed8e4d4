/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The descriptors that cases have in their LDT and GDT. What modify_ldt() allows decides: DPL 3,
 * accessed, no system segments, conforming code only if it is not present. */
#include "tests/diff/diff.h"

#define DATA ((uint32_t)DIFF_DATA)
#define CODE ((uint32_t)DIFF_CODE)

const struct diff_seg diff_ldt[DIFF_LDT_ENTRIES] = {
    /* data: flat; the data pages in the middle of 20 KiB; exactly them; an odd base */
    [0] = {.limit = 0xfffff, .rw = true, .big = true, .pages = true},
    [1] = {.base = DATA - 0x1000, .limit = 0x4fff, .rw = true},
    [2] = {.base = DATA, .limit = 0x1fff, .rw = true},
    [3] = {.base = DATA + 0x123, .limit = 0xfff, .rw = true, .big = true},
    /* expand-down: the second page is 0xf000-0xffff; all above the first page; read-only */
    [4] = {.base = DATA - 0xe000, .limit = 0xefff, .rw = true, .down = true},
    [5] = {.limit = DATA >> 12, .rw = true, .down = true, .big = true, .pages = true},
    [6] = {.base = DATA - 0x8000, .limit = 0x87ff, .down = true},
    /* read-only; not present; up to the read-only page; one byte; wrapping at 4 GiB */
    [7] = {.base = DATA, .limit = 0x2fff, .big = true},
    [8] = {.base = DATA, .limit = 0x1fff, .rw = true, .absent = true},
    [9] = {.base = DATA + 0x1800, .limit = 0xfff, .rw = true},
    [10] = {.base = DATA + 0x10, .rw = true, .big = true},
    [11] = {.base = 0xf0000000, .limit = 0xfffff, .rw = true, .big = true, .pages = true},
    /* the whole 64 KiB, the data pages at both sides of SP = 0 */
    [12] = {.base = DATA - 0xf000, .limit = 0xffff, .rw = true},
    /* code: 16-bit; execute-only; 32-bit flat; 32-bit */
    [13] = {.base = CODE, .limit = 0xffff, .code = true, .rw = true},
    [14] = {.base = CODE - 0x100, .limit = 0x4fff, .code = true},
    [15] = {.limit = 0xfffff, .code = true, .rw = true, .big = true, .pages = true},
    [16] = {.base = CODE, .limit = 0x2fff, .code = true, .rw = true, .big = true},
    /* limits within the code pages; not present, conforming */
    [17] = {.base = CODE, .limit = 0x17f, .code = true, .rw = true},
    [18] = {.base = CODE, .limit = 0x1180, .code = true, .rw = true, .big = true},
    [19] = {.base = CODE, .limit = 0xffff, .code = true, .rw = true, .absent = true},
    [20] = {.base = CODE, .limit = 0xffff, .code = true, .down = true, .absent = true},
    [21] = {.base = CODE + 0x800, .limit = 0x27ff, .code = true, .big = true},
    /* code that is data too; a stack of 32 bits with an odd base */
    [22] = {.base = DATA - 0x1000, .limit = 0x3fff, .code = true, .rw = true, .big = true},
    [23] = {.base = DATA + 0x3f8, .limit = 0x1bff, .rw = true, .big = true},
};

const uint64_t diff_gdt[DIFF_GDT_ENTRIES] = {
    [1] = 0x00cf9b000000ffff,                             /* kernel code, 32 bits */
    [2] = 0x00af9b000000ffff,                             /* kernel code */
    [3] = 0x00cf93000000ffff,                             /* kernel data */
    [4] = 0x00cffb000000ffff,                             /* DIFF_CS32 */
    [5] = 0x00cff3000000ffff,                             /* DIFF_SS */
    [6] = 0x00affb000000ffff,                             /* DIFF_CS */
    [8] = 0x00008b0000000067,                             /* TSS, its upper half behind it */
    [10] = 0x0000820000000fff, [15] = 0x0040f50000000000, /* its limit is the processor's number */
};

uint64_t diff_ldt_descriptor(unsigned n)
{
    const struct diff_seg *s = &diff_ldt[n];
    unsigned type = 1u | (unsigned)s->rw << 1 | (unsigned)s->down << 2 | (unsigned)s->code << 3;
    uint64_t access = 0x70 | type | (s->absent ? 0 : 0x80);
    return (s->limit & 0xffff) | (uint64_t)(s->base & 0xffffff) << 16 | access << 40 |
           (uint64_t)(s->limit >> 16) << 48 | (uint64_t)s->big << 54 | (uint64_t)s->pages << 55 |
           (uint64_t)(s->base >> 24) << 56;
}

uint64_t diff_descriptor(uint16_t sel)
{
    unsigned n = sel >> 3;
    if (sel & 4)
        return n < DIFF_LDT_ENTRIES ? diff_ldt_descriptor(n) : 0;
    return n < DIFF_GDT_ENTRIES ? diff_gdt[n] : 0;
}

bool diff_is_big(uint16_t sel)
{
    return diff_descriptor(sel) >> 54 & 1;
}
