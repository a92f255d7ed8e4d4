/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Structures that programs look for between F0000h and FFFFFh. */
#include "post.h"

/* The offsets of these are those in the F segment (from rm.sym, F0000h more). */
extern u8 bios32_entry[], pmm_entry[], pnp_entry[];

/* BIOS32 service directory (0.4). */
static void bios32(void)
{
    u8 *p = alloc_fseg(16);

    if (!p)
        return;
    memcpy(p, "_32_", 4);
    *(u32 *)(p + 4) = (u32)bios32_entry;
    p[8] = 0;
    p[9] = 1;
    p[10] = (u8)-sum8(p, 16);
}

/* PMM header (1.01). */
static void pmm(void)
{
    u8 *p = alloc_fseg(16);

    if (!p)
        return;
    memcpy(p, "$PMM", 4);
    p[4] = 1;
    p[5] = 16;
    *(u32 *)(p + 7) = FARPTR(SEG_BIOS, (u32)pmm_entry);
    p[6] = (u8)-sum8(p, 16);
}

/* Plug and Play installation structure (1.0A, 4.4): no events. */
u32 pnp_structure;

static void pnp(void)
{
    u8 *p = alloc_fseg(0x21);

    if (!p)
        return;
    memcpy(p, "$PnP", 4);
    p[4] = 0x10;
    p[5] = 0x21;
    *(u16 *)(p + 0x0d) = (u16)(u32)pnp_entry;
    *(u16 *)(p + 0x0f) = SEG_BIOS;
    *(u16 *)(p + 0x11) = (u16)(u32)pnp_entry;
    *(u32 *)(p + 0x13) = 0xf0000;
    *(u16 *)(p + 0x1b) = SEG_BIOS;
    *(u32 *)(p + 0x1d) = 0xf0000;
    p[8] = (u8)-sum8(p, 0x21);
    pnp_structure = (u32)p;
}

/* $PIR (Microsoft, PCI IRQ routing table 1.0): the PIIX's links are its registers 60h to 63h. */
static u16 isa_bridge;

static void find_isa(u16 device, void *opaque)
{
    (void)opaque;
    if (pci_read32(device, 0) == 0x70008086)
        isa_bridge = device;
}

#define PIR_SLOTS 6

static void pir(void)
{
    u8 *p;

    pci_each(find_isa, NULL);
    if (!isa_bridge)
        return;
    p = alloc_fseg(32 + PIR_SLOTS * 16);
    if (!p)
        return;
    memcpy(p, "$PIR", 4);
    p[5] = 1;
    *(u16 *)(p + 6) = 32 + PIR_SLOTS * 16;
    p[8] = (u8)(isa_bridge >> 8);
    p[9] = (u8)isa_bridge;
    *(u32 *)(p + 12) = 0x70008086;
    for (u8 slot = 1; slot <= PIR_SLOTS; slot++) {
        u8 *e = p + 32 + (slot - 1) * 16;

        e[1] = (u8)(slot << 3);
        for (u8 pin = 0; pin < 4; pin++) {
            e[2 + pin * 3] = (u8)(0x60 + ((slot - 1 + pin) & 3));
            *(u16 *)(e + 3 + pin * 3) = 0xdef8;
        }
        e[14] = slot;
    }
    p[31] = (u8)-sum8(p, 32 + PIR_SLOTS * 16);
    shared.pirq = (u32)p;
}

/* SMBIOS (DMTF DSP0134): the anchor and the tables are files; addresses and sums are ours. */
static void smbios(void)
{
    u32 anchor_size, tables_size;
    u32 anchor_key = fwcfg_find("etc/smbios/smbios-anchor", &anchor_size);
    u32 tables_key = fwcfg_find("etc/smbios/smbios-tables", &tables_size);
    u8 *anchor, *tables;

    if (!anchor_key || !tables_key || anchor_size > 64)
        return;
    anchor = alloc_fseg(anchor_size);
    tables = alloc_high(tables_size, 16);
    if (!anchor || !tables)
        return;
    fwcfg_read_key((u16)anchor_key, anchor, anchor_size);
    fwcfg_read_key((u16)tables_key, tables, tables_size);
    if (memcmp(anchor, "_SM_", 4) == 0 && anchor_size >= 31) {
        *(u32 *)(anchor + 0x18) = (u32)tables;
        anchor[0x15] = 0;
        anchor[0x15] = (u8)-sum8(anchor + 0x10, 15);
        anchor[4] = 0;
        anchor[4] = (u8)-sum8(anchor, anchor[5]);
    } else if (memcmp(anchor, "_SM3_", 5) == 0 && anchor_size >= 24) {
        *(u64 *)(anchor + 0x10) = (u32)tables;
        anchor[5] = 0;
        anchor[5] = (u8)-sum8(anchor, anchor[6]);
    }
}

void tables_init(void)
{
    bios32();
    pmm();
    pnp();
    pir();
    smbios();
    mp_table();
}
