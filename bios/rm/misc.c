/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small services, and what the compiler needs. */
#include "rm.h"

struct shared shared;
struct call16 call16_block;
u32 stack32;
u8 fseg_heap[FSEG_HEAP] __attribute__((aligned(16)));

void *memcpy(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((u8 *)to)[i] = ((const u8 *)from)[i];
    return to;
}

void *memset(void *to, int v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((u8 *)to)[i] = (u8)v;
    return to;
}

u32 div64(u64 n, u32 by, u32 *rest)
{
    u32 quotient, high = (u32)(n >> 32);

    if (by == 0 || high >= by) {
        *rest = 0;
        return 0xffffffff;
    }
    asm("divl %4" : "=a"(quotient), "=d"(*rest) : "0"((u32)n), "1"(high), "rm"(by) : "cc");
    return quotient;
}

u32 int11(struct regs *r)
{
    r->ax = bda->equipment;
    return ACTION_NONE;
}

u32 int12(struct regs *r)
{
    r->ax = bda->memory_kib;
    return ACTION_NONE;
}

/* Boot failed, or is wanted: POST goes on with the next, or the first, entry. */
u32 int18(struct regs *r)
{
    (void)r;
    if (call32(CALL32_NEXT, 0) == 0xffffffff)
        reboot();
    return ACTION_NONE;
}

u32 int19(struct regs *r)
{
    (void)r;
    if (call32(CALL32_BOOT, 0) == 0xffffffff)
        reboot();
    return ACTION_NONE;
}

/* POST memory manager (PMM specification 1.01): function and arguments on the caller's stack. */
u32 pmm(struct regs *r)
{
    const struct frame *f = (const struct frame *)r;
    static struct pmm_request q;
    u32 at = (u16)(f->user_esp + 16 + 4),
        result; /* behind the stub's frame and the return address */

    q.function = peek16(f->user_ss, at);
    for (u32 i = 0; i < 2; i++)
        q.args[i] = peek32(f->user_ss, at + 2 + i * 4);
    q.args[2] = peek16(f->user_ss, at + 10);
    result = call32(CALL32_PMM, PHYS(&q));
    r->ax = (u16)result;
    r->dx = (u16)(result >> 16);
    return ACTION_NONE;
}

/* ---- interrupts nobody serves ---- */

u32 irq_unused_master(struct regs *r)
{
    (void)r;
    outb(0x20, 0x0b); /* in service? a spurious one is not */
    if (inb(0x20))
        outb(0x20, 0x20);
    bda->last_irq = 0xff;
    return ACTION_NONE;
}

u32 irq_unused_slave(struct regs *r)
{
    (void)r;
    outb(0xa0, 0x0b);
    if (inb(0xa0))
        outb(0xa0, 0x20);
    outb(0x20, 0x20);
    bda->last_irq = 0xff;
    return ACTION_NONE;
}

/* ---- INT 05h: the text screen to the printer ---- */

static bool print_char(u8 c)
{
    u16 port = bda->lpt[0];

    outb(port, c);
    for (u32 i = 0; !(inb((u16)(port + 1)) & 0x80); i++)
        if (i > 100000)
            return false;
    outb((u16)(port + 2), 0x0d); /* strobe */
    outb((u16)(port + 2), 0x0c);
    return true;
}

u32 int05(struct regs *r)
{
    u16 seg = bda->video_mode == 7 ? 0xb000 : 0xb800;
    u32 at = bda->video_page_start;
    u8 status = 0;

    (void)r;
    if (peek8(0x50, 0) == 1)
        return ACTION_NONE; /* one is under way */
    poke8(0x50, 0, 1);
    if (!bda->lpt[0] || (bda->video_mode > 3 && bda->video_mode != 7))
        status = 0xff;
    for (u32 row = 0; row <= bda->video_rows && !status; row++) {
        for (u32 col = 0; col < bda->video_cols && !status; col++, at += 2)
            status = print_char(peek8(seg, at)) ? 0 : 0xff;
        if (!status && (!print_char('\r') || !print_char('\n')))
            status = 0xff;
    }
    poke8(0x50, 0, status);
    return ACTION_NONE;
}
