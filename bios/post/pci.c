/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI (local bus specification 2.3, PCI-to-PCI bridge 1.2): numbering of buses, addresses,
 * interrupts; and what the PIIX wants to be told. */
#include "post.h"

#define PM_BASE 0x600

u32 pci_read32(u16 device, u8 reg)
{
    outl(0xcf8, 0x80000000u | (u32)device << 8 | (reg & 0xfc));
    return inl(0xcfc);
}

u16 pci_read16(u16 device, u8 reg)
{
    outl(0xcf8, 0x80000000u | (u32)device << 8 | (reg & 0xfc));
    return inw((u16)(0xcfc + (reg & 2)));
}

u8 pci_read8(u16 device, u8 reg)
{
    outl(0xcf8, 0x80000000u | (u32)device << 8 | (reg & 0xfc));
    return inb((u16)(0xcfc + (reg & 3)));
}

void pci_write32(u16 device, u8 reg, u32 v)
{
    outl(0xcf8, 0x80000000u | (u32)device << 8 | (reg & 0xfc));
    outl(0xcfc, v);
}

void pci_write16(u16 device, u8 reg, u16 v)
{
    outl(0xcf8, 0x80000000u | (u32)device << 8 | (reg & 0xfc));
    outw((u16)(0xcfc + (reg & 2)), v);
}

void pci_write8(u16 device, u8 reg, u8 v)
{
    outl(0xcf8, 0x80000000u | (u32)device << 8 | (reg & 0xfc));
    outb((u16)(0xcfc + (reg & 3)), v);
}

static bool exists(u16 device)
{
    u16 vendor = pci_read16(device, 0);

    return vendor != 0xffff && vendor != 0;
}

static bool is_bridge(u16 device)
{
    return (pci_read8(device, 0x0e) & 0x7f) == 1;
}

static void each_on_bus(u8 bus, void (*visit)(u16 device, void *opaque), void *opaque)
{
    for (u32 devfn = 0; devfn < 256; devfn++) {
        u16 device = (u16)(bus << 8 | devfn);

        if (devfn & 7 && !(pci_read8(device & ~7, 0x0e) & 0x80))
            continue;
        if (exists(device))
            visit(device, opaque);
    }
}

void pci_each(void (*visit)(u16 device, void *opaque), void *opaque)
{
    for (u32 bus = 0; bus <= shared.last_bus; bus++)
        each_on_bus((u8)bus, visit, opaque);
}

u8 pci_capability(u16 device, u8 id, u8 after)
{
    u8 at;

    if (!(pci_read16(device, 0x06) & 0x10))
        return 0;
    at = after ? pci_read8(device, (u8)(after + 1)) : pci_read8(device, 0x34);
    for (u32 i = 0; i < 48 && at >= 0x40; i++, at = pci_read8(device, (u8)(at + 1)))
        if (pci_read8(device, at) == id)
            return at;
    return 0;
}

u32 pci_bar(u16 device, u8 reg)
{
    u32 v = pci_read32(device, reg);

    if (v & 1)
        return v & ~3u;
    if ((v & 6) == 4 && pci_read32(device, (u8)(reg + 4)))
        return 0;
    return v & ~15u;
}

void pci_enable(u16 device)
{
    pci_write16(device, 4, pci_read16(device, 4) | 7);
}

/* ---- bus numbers ---- */

static void number_bridge(u16 device, void *opaque)
{
    u8 bus;

    (void)opaque;
    if (!is_bridge(device) || shared.last_bus == 255)
        return;
    bus = ++shared.last_bus;
    pci_write8(device, 0x18, (u8)(device >> 8));
    pci_write8(device, 0x19, bus);
    pci_write8(device, 0x1a, 0xff);
    each_on_bus(bus, number_bridge, NULL);
    pci_write8(device, 0x1a, shared.last_bus);
}

/* ---- addresses ---- */

/* Something on a bus that wants addresses: a BAR, or a bridge's window for all behind it. */
struct want {
    u16 device;
    u8 reg; /* 10h to 24h, 30h; 0: the window of a bridge */
    u8 io, wide;
    u32 size, align;
};
#define MAX_WANTS 160
static struct want wants[MAX_WANTS];
static u32 nwants;

static void want(u16 device, u8 reg, bool io, bool wide, u32 size, u32 align)
{
    if (nwants < MAX_WANTS && size)
        wants[nwants++] = (struct want){device, reg, io, wide, size, align};
}

/* Size by writing ones (2.3, 6.2.5.1). Decoding is off meanwhile. Returns whether it is 64 bits. */
static bool size_bar(u16 device, u8 reg)
{
    u32 old = pci_read32(device, reg), v;
    bool io = reg != 0x30 && old & 1, wide = !io && reg != 0x30 && (old & 6) == 4;
    u32 mask = io ? ~3u : reg == 0x30 ? ~0x7ffu : ~15u;

    pci_write32(device, reg, reg == 0x30 ? 0xfffff800u : 0xffffffffu);
    v = pci_read32(device, reg) & mask;
    pci_write32(device, reg, old);
    if (!v)
        return wide;
    if (io)
        v |= 0xffff0000u;
    want(device, reg, io, wide, ~v + 1, ~v + 1);
    return wide;
}

static void place(u32 first, u32 *io, u32 *mem);

/* What is behind a bridge is placed from 0 first, to know how much it is. */
static void measure(u8 bus, u32 *io, u32 *mem, u32 *mem_align);

static void collect(u16 device, void *opaque)
{
    u8 bars = is_bridge(device) ? 2 : 6;

    (void)opaque;
    if ((pci_read8(device, 0x0e) & 0x7f) > 1)
        return;
    pci_write16(device, 4, pci_read16(device, 4) & ~3);
    for (u8 i = 0; i < bars; i++)
        if (size_bar(device, (u8)(0x10 + i * 4)))
            i++;
    size_bar(device, bars == 2 ? 0x38 : 0x30);
    if (bars == 2) {
        u32 io, mem, align;

        measure(pci_read8(device, 0x19), &io, &mem, &align);
        want(device, 0, true, false, (io + 0xfff) & ~0xfffu, 0x1000);
        want(device, 0, false, false, (mem + 0xfffff) & ~0xfffffu, MAX(align, 0x100000));
    }
}

/* The largest first, so that nothing is lost to alignment. */
static void sort(u32 first)
{
    for (u32 i = first + 1; i < nwants; i++)
        for (u32 j = i; j > first && wants[j].align > wants[j - 1].align; j--) {
            struct want t = wants[j];

            wants[j] = wants[j - 1];
            wants[j - 1] = t;
        }
}

static void measure(u8 bus, u32 *io, u32 *mem, u32 *mem_align)
{
    u32 first = nwants;

    *io = *mem = *mem_align = 0;
    each_on_bus(bus, collect, NULL);
    sort(first);
    for (u32 i = first; i < nwants; i++) {
        u32 *at = wants[i].io ? io : mem;

        *at = ((*at + wants[i].align - 1) & ~(wants[i].align - 1)) + wants[i].size;
        if (!wants[i].io && wants[i].align > *mem_align)
            *mem_align = wants[i].align;
    }
    nwants = first;
}

static void place_behind(u8 bus, u32 io, u32 mem)
{
    u32 first = nwants;

    each_on_bus(bus, collect, NULL);
    sort(first);
    place(first, &io, &mem);
    nwants = first;
}

static void set_window(const struct want *w, u32 base)
{
    u32 last = base + w->size - 1;

    if (w->io) {
        pci_write8(w->device, 0x1c, (u8)(base >> 8 & 0xf0));
        pci_write8(w->device, 0x1d, (u8)(last >> 8 & 0xf0));
        pci_write32(w->device, 0x30, 0);
    } else {
        pci_write16(w->device, 0x20, (u16)(base >> 16 & 0xfff0));
        pci_write16(w->device, 0x22, (u16)(last >> 16 & 0xfff0));
    }
}

/* A bridge's windows, closed until they are set: base above limit. */
static void close_windows(u16 device)
{
    pci_write8(device, 0x1c, 0xf0);
    pci_write8(device, 0x1d, 0x00);
    pci_write16(device, 0x20, 0xfff0);
    pci_write16(device, 0x22, 0x0000);
    pci_write16(device, 0x24, 0xfff0);
    pci_write16(device, 0x26, 0x0000);
}

static void place(u32 first, u32 *io, u32 *mem)
{
    for (u32 i = first; i < nwants; i++) {
        struct want *w = &wants[i];
        u32 *at = w->io ? io : mem;

        *at = (*at + w->align - 1) & ~(w->align - 1);
        if (w->reg) {
            pci_write32(w->device, w->reg, *at);
            if (w->wide)
                pci_write32(w->device, (u8)(w->reg + 4), 0);
        } else {
            set_window(w, *at);
        }
        *at += w->size;
    }
}

static void fill_bridge(u16 device, void *opaque)
{
    (void)opaque;
    if (!is_bridge(device))
        return;
    u32 io = (u32)(pci_read8(device, 0x1c) & 0xf0) << 8, mem = (u32)pci_read16(device, 0x20) << 16;

    place_behind(pci_read8(device, 0x19), io, mem);
    each_on_bus(pci_read8(device, 0x19), fill_bridge, NULL);
    pci_write16(device, 0x3e, pci_read16(device, 0x3e) | 0x02); /* SERR# forwarding */
}

static void close_bridge(u16 device, void *opaque)
{
    (void)opaque;
    if (is_bridge(device))
        close_windows(device);
}

/* ---- interrupts ---- */

static const u8 pirq_irq[4] = {10, 10, 11, 11};

u16 pci_bridge_of(u16 device)
{
    u16 bus = device >> 8;

    for (u32 d = 0; bus && d < (u32)bus << 8; d++)
        if (exists((u16)d) && is_bridge((u16)d) && pci_read8((u16)d, 0x19) == bus)
            return (u16)d;
    return 0;
}

/* The PIIX3's PIRQ of a pin: on bus 0 device n's INTA# is PIRQ (n - 1) mod 4, behind bridges the
 * lines are rotated by the device number (bridge specification, 9.1). */
static u8 pirq_of(u16 device, u8 pin)
{
    u32 slot = device >> 3 & 31, line = pin - 1u;
    u16 bridge;

    while ((bridge = pci_bridge_of(device)) != 0) { /* its bus has a smaller number */
        line = (line + slot) & 3;
        device = bridge;
        slot = device >> 3 & 31;
    }
    return (u8)((line + slot - 1) & 3);
}

static void set_interrupt(u16 device, void *opaque)
{
    u8 pin = pci_read8(device, 0x3d);

    (void)opaque;
    if (pin >= 1 && pin <= 4)
        pci_write8(device, 0x3c, pirq_irq[pirq_of(device, pin)]);
}

/* ---- particular chips ---- */

static void piix_isa(u16 device)
{
    u8 elcr[2] = {0, 0};

    for (u8 i = 0; i < 4; i++) {
        pci_write8(device, (u8)(0x60 + i), pirq_irq[i]);
        elcr[pirq_irq[i] >> 3] |= (u8)(1 << (pirq_irq[i] & 7));
    }
    outb(0x4d0, elcr[0]);
    outb(0x4d1, elcr[1]);
}

/* Power management at 600h, SMBus at 700h; SCI is IRQ 9. */
static void piix_pm(u16 device)
{
    pci_write8(device, 0x3c, 9);
    pci_write32(device, 0x40, PM_BASE | 1);
    pci_write8(device, 0x80, 1);
    pci_write32(device, 0x90, 0x700 | 1);
    pci_write8(device, 0xd2, 0x09);
    shared.pm_base = PM_BASE;
    shared.has_pm_timer = 1;
}

/* Both channels decoded at the PC/AT's addresses. */
static void piix_ide(u16 device)
{
    pci_write16(device, 0x40, 0x8000);
    pci_write16(device, 0x42, 0x8000);
}

/* ICH9: PM base at 40h, ACPI enable at 44h. */
static void ich_lpc(u16 device)
{
    for (u8 i = 0; i < 4; i++) {
        pci_write8(device, (u8)(0x60 + i), pirq_irq[i]);
        pci_write8(device, (u8)(0x68 + i), pirq_irq[i]);
    }
    outb(0x4d0, 0);
    outb(0x4d1, 0x0c);
    pci_write32(device, 0x40, PM_BASE | 1);
    pci_write8(device, 0x44, 0x80);
    shared.pm_base = PM_BASE;
    shared.has_pm_timer = 1;
}

static void quirk(u16 device, void *opaque)
{
    (void)opaque;
    switch (pci_read32(device, 0)) {
    case 0x70008086:
        piix_isa(device);
        break;
    case 0x70108086:
        piix_ide(device);
        break;
    case 0x71138086:
        piix_pm(device);
        break;
    case 0x29188086:
        ich_lpc(device);
        break;
    default:
        break;
    }
}

/* Decoding on, but for what only an option ROM or a driver should start. */
static void enable(u16 device, void *opaque)
{
    u16 command = pci_read16(device, 4) | 3;

    (void)opaque;
    if (is_bridge(device))
        command |= 4;
    pci_write16(device, 4, command);
}

static void early(u16 device, void *opaque)
{
    u32 id = pci_read32(device, 0);

    (void)opaque;
    if (id == 0x71138086 || id == 0x29188086)
        quirk(device, NULL);
}

/* RAM ends at or below C0000000h or, when there is less than 3.5 GiB, E0000000h. */
void pci_init(void)
{
    u32 io = 0xc000, mem = MAX(0xc0000000u, (shared.ram_below_4g + 0x0fffffff) & 0xf0000000u);

    each_on_bus(0, early, NULL);
    each_on_bus(0, number_bridge, NULL);
    pci_each(close_bridge, NULL);
    each_on_bus(0, collect, NULL);
    sort(0);
    place(0, &io, &mem);
    if (mem > 0xfec00000u || mem < 0xc0000000u || io > 0x10000)
        debug("PCI: devices want more than there is: memory %x, I/O %x\n", mem, io);
    nwants = 0;
    each_on_bus(0, fill_bridge, NULL);
    pci_each(set_interrupt, NULL);
    pci_each(quirk, NULL);
    pci_each(enable, NULL);
}
