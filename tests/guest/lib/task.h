/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another task for the tests of hardware task switches: 32-bit TSS (SDM vol. 3A figure 7-2). */
#ifndef CALQUE_TESTS_GUEST_TASK_H
#define CALQUE_TESTS_GUEST_TASK_H

#include "lib/rt.h"

enum { OTHER = GDT_FREE * 8 }; /* its descriptor; the program's own are behind */
uint8_t other[0x68] __attribute__((aligned(128)));

static inline uint32_t *field(unsigned offset)
{
    return (uint32_t *)(other + offset);
}

/* A new TSS: flat segments, entered at entry with stack_end as ESP. */
static inline void new_task(void *entry, void *stack_end)
{
    memset(other, 0, sizeof other);
    *field(0x20) = (uint32_t)entry;
    *field(0x24) = 2;
    *field(0x38) = (uint32_t)stack_end;
    *field(0x48) = SEL_DATA, *field(0x4c) = SEL_CODE, *field(0x50) = SEL_DATA;
    *field(0x54) = SEL_DATA;
    *field(0x64) = 0x680000;
    gdt[OTHER / 8] = descriptor((uint32_t)other, 0x67, 0x89, 0);
}

static inline unsigned type_of(unsigned sel)
{
    return (unsigned)(gdt[sel / 8] >> 40) & 0xff;
}

#endif
