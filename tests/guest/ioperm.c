/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The I/O permission map in ring 3 (SDM vol. 1 19.5.2). */
#include "lib/rt.h"

#define MAP_AT 0x70
static uint8_t big_tss[MAP_AT + 0x40] __attribute__((aligned(128)));
static uint16_t port;
static unsigned size;

static void access(void)
{
    if (size == 1)
        TRY("inb %%dx, %%al", ::"d"(port) : "eax", "memory");
    else if (size == 2)
        TRY("inw %%dx, %%ax", ::"d"(port) : "eax", "memory");
    else
        TRY("inl %%dx, %%eax", ::"d"(port) : "eax", "memory");
}

static void expect(const char *name, unsigned p, unsigned s, int vector)
{
    port = (uint16_t)p;
    size = s;
    run_user(access);
    check_fault(name, vector, 0);
}

static void load_tss(unsigned limit, unsigned type)
{
    gdt[SEL_TSS / 8] = descriptor((uint32_t)(word)big_tss, limit, type, 0);
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
}

void guest_main(void)
{
    memcpy(big_tss, tss, 0x66);
    *(uint16_t *)(big_tss + 0x66) = MAP_AT;
    load_tss(MAP_AT + 0x20, 0x89); /* ports 0-FFh, and the byte behind */
    big_tss[MAP_AT + 0x20] = 0xff;
    expect("allowed byte", 0x80, 1, NONE);
    expect("allowed word", 0x80, 2, NONE);
    expect("allowed doubleword", 0x84, 4, NONE);
    big_tss[MAP_AT + 0x10] = 1 << 4;
    expect("#GP: the port's bit", 0x84, 1, GP);
    expect("#GP: a word's second port", 0x83, 2, GP);
    expect("#GP: a doubleword's last port", 0x81, 4, GP);
    expect("the port before", 0x83, 1, NONE);
    expect("the port behind", 0x85, 1, NONE);
    big_tss[MAP_AT + 0x10] = 0;
    big_tss[MAP_AT + 0x11] = 1;
    expect("#GP: a word that crosses a byte of the map", 0x87, 2, GP);
    expect("the port before the crossing", 0x87, 1, NONE);
    expect("the last port of the map", 0xff, 1, NONE);
    expect("#GP: a word beyond the map", 0xff, 2, GP);
    expect("#GP: a port beyond the limit", 0x108, 1, GP);
    load_tss(MAP_AT + 0x1f, 0x89);
    expect("#GP: two bytes of the map are read", 0xf8, 1, GP);
    expect("within the shorter limit", 0xf0, 1, NONE);
    *(uint16_t *)(big_tss + 0x66) = 0xffff;
    expect("#GP: map base beyond the limit", 0, 1, GP);
}
