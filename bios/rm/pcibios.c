/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI BIOS 2.1 (PCI SIG, August 1994). Compiled for 16 and, for the 32-bit entry, which may be at
 * any address, for 32 bits: it has no data and calls nothing outside. */
#ifdef PCI32
#include "types.h"
#define NAME pcibios32
#else
#include "rm.h"
#define NAME pcibios16
u32 pcibios16(struct regs *r);
#endif

enum {
    PCI_OK = 0,
    PCI_NOT_SUPPORTED = 0x81,
    PCI_BAD_VENDOR = 0x83,
    PCI_NOT_FOUND = 0x86,
    PCI_BAD_REGISTER = 0x87,
    PCI_BUFFER_SMALL = 0x89,
};

static inline void pci_select(u16 device, u32 reg)
{
    outl(0xcf8, 0x80000000u | (u32)device << 8 | (reg & 0xfc));
}

static u32 config32(u16 device, u32 reg)
{
    pci_select(device, reg);
    return inl(0xcfc);
}

/* The nth function for which (value at reg & mask) == wanted; all 256 buses. */
static u8 find(struct regs *r, u32 reg, u32 shift, u32 wanted)
{
    u32 nth = r->si, multi = 0;

    for (u32 device = 0; device < 0x10000; device++) {
        if (device & 7 && !multi)
            continue;
        u32 id = config32((u16)device, 0);
        if (!(device & 7))
            multi = (id & 0xffff) != 0xffff && config32((u16)device, 0x0c) & 0x800000;
        if ((id & 0xffff) == 0xffff)
            continue;
        if (config32((u16)device, reg) >> shift != wanted || nth--)
            continue;
        r->bx = (u16)device;
        return PCI_OK;
    }
    return PCI_NOT_FOUND;
}

static u8 find_device(struct regs *r)
{
    if (r->dx == 0xffff)
        return PCI_BAD_VENDOR;
    return find(r, 0, 0, (u32)r->cx << 16 | r->dx);
}

static u8 read_config(struct regs *r)
{
    u32 size = r->al - 8u; /* 0: byte, 1: word, 2: dword */
    u16 port = (u16)(0xcfc + (r->di & 3));

    if (r->di > 255 || r->di & ((1u << size) - 1))
        return PCI_BAD_REGISTER;
    pci_select(r->bx, r->di);
    if (size == 0)
        r->cl = inb(port);
    else if (size == 1)
        r->cx = inw(port);
    else
        r->ecx = inl(port);
    return PCI_OK;
}

static u8 write_config(struct regs *r)
{
    u32 size = r->al - 0x0bu;
    u16 port = (u16)(0xcfc + (r->di & 3));

    if (r->di > 255 || r->di & ((1u << size) - 1))
        return PCI_BAD_REGISTER;
    pci_select(r->bx, r->di);
    if (size == 0)
        outb(port, r->cl);
    else if (size == 1)
        outw(port, r->cx);
    else
        outl(port, r->ecx);
    return PCI_OK;
}

static u8 present(struct regs *r)
{
    u32 last = 0;

    for (u32 bus = 0; bus < 256; bus++)
        for (u32 slot = 0; slot < 32; slot++)
            if ((config32((u16)(bus << 8 | slot << 3), 0) & 0xffff) != 0xffff)
                last = bus;
    r->edx = 0x20494350; /* "PCI " */
    r->al = 1;           /* configuration mechanism 1 */
    r->bx = 0x0210;
    r->cl = (u8)last;
    return PCI_OK;
}

#ifndef PCI32
/* 0Eh: the $PIR table's entries. ES:DI: size, far pointer; BX: the interrupts that are PCI's. */
static u8 routing_options(struct regs *r)
{
    u32 pir = shared.pirq;
    u16 size, room, seg, off;

    if (!pir)
        return PCI_NOT_SUPPORTED;
    size = (u16)(peek16(SEG_BIOS, (u16)pir + 6) - 32);
    room = peek16(r->es, r->di);
    off = peek16(r->es, (u16)(r->di + 2));
    seg = peek16(r->es, (u16)(r->di + 4));
    poke16(r->es, r->di, size);
    r->bx = 1 << 10 | 1 << 11;
    if (room < size)
        return PCI_BUFFER_SMALL;
    copy_to_far(seg, off, (const u8 *)(u32)(u16)pir + 32, size);
    return PCI_OK;
}
#endif

u32 NAME(struct regs *r)
{
    u8 result = PCI_NOT_SUPPORTED;
    u8 al = r->al & 0x7f; /* with bit 7: the 32-bit entry's */

    if (al == 0x01)
        result = present(r);
    else if (al == 0x02)
        result = find_device(r);
    else if (al == 0x03)
        result = find(r, 8, 8, r->ecx & 0xffffff);
    else if (al >= 0x08 && al <= 0x0a)
        result = read_config(r);
    else if (al >= 0x0b && al <= 0x0d)
        result = write_config(r);
#ifndef PCI32
    else if (al == 0x0e)
        result = routing_options(r);
#endif
    r->ah = result;
    r->flags = result ? r->flags | FLAG_CF : r->flags & ~FLAG_CF;
    return 0;
}
