/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Option ROMs: of PCI devices (PCI firmware specification 3.0, 5.2), from fw_cfg, and what boot
 * entry vectors they have (BIOS boot specification 1.01; Plug and Play BIOS 1.0A). */
#include "post.h"

#define ROM_START 0xc0000u
#define ROM_END   0xe0000u

static u32 next_rom = ROM_START;

struct rom_header {
    u16 signature;
    u8 blocks;
    u8 entry[0x15];
    u16 pci;
    u16 pnp;
} PACKED;

struct pci_data {
    u32 signature;
    u16 vendor, device, reserved, length;
    u8 revision, class[3];
    u16 blocks, code_revision;
    u8 type, last;
} PACKED;

/* ---- running ---- */

/* $PnP expansion header: a boot connection or bootstrap vector makes it something to boot from. */
static void look_for_bootstrap(u32 at, u16 device)
{
    const struct rom_header *h = (const struct rom_header *)at;
    u32 offset = h->pnp, name = 0;

    for (u32 i = 0; i < 8 && offset && offset + 0x20 <= h->blocks * 512u; i++) {
        const u8 *p = (const u8 *)(at + offset);
        u16 bev = *(const u16 *)(p + 0x1a), product = *(const u16 *)(p + 0x10);

        if (memcmp(p, "$PnP", 4) || sum8(p, p[5] * 16u))
            return;
        name = product ? at + product : 0;
        if (bev && shared.nboot < MAX_BOOT) {
            struct boot_entry *b = &shared.boot[shared.nboot++];

            b->kind = BOOT_ROM;
            b->segment = (u16)(at >> 4);
            b->offset = bev;
            b->device = device;
            format(b->name, sizeof(b->name), "%s", name ? (const char *)name : "Option ROM");
        }
        offset = *(const u16 *)(p + 6);
    }
}

/* The image at next_rom. After its initialization it may be smaller. */
static bool run(u16 device, bool pci)
{
    struct rom_header *h = (struct rom_header *)next_rom;
    u32 at = next_rom;

    if (h->signature != 0xaa55 || !h->blocks || at + h->blocks * 512u > ROM_END)
        return false;
    memset(&call16_block.r, 0, sizeof(call16_block.r));
    call16_block.r.eax = pci ? device : 0;
    call16_block.r.ebx = 0xffff;
    call16_block.r.edx = 0xffff;
    call16_block.r.es = SEG_BIOS;
    call16_block.r.edi = (u16)pnp_structure;
    debug("option ROM at %x, %u bytes\n", at, h->blocks * 512u);
    call16_far((u16)(at >> 4), 3);
    if (h->blocks)
        next_rom += (h->blocks * 512u + 2047) & ~2047u;
    look_for_bootstrap(at, pci ? device : 0);
    return true;
}

/* ---- PCI ---- */

/* The x86 image among those of a device's ROM; NULL: none. */
static const u8 *find_image(const u8 *rom, u32 size)
{
    for (u32 at = 0; at + sizeof(struct rom_header) < size;) {
        const struct rom_header *h = (const struct rom_header *)(rom + at);
        const struct pci_data *p = (const struct pci_data *)(rom + at + h->pci);

        if (h->signature != 0xaa55 || h->pci < 0x18 || at + h->pci + sizeof(*p) > size ||
            p->signature != 0x52494350)
            return NULL;
        if (p->type == 0)
            return rom + at;
        if (p->last & 0x80 || !p->blocks)
            return NULL;
        at += p->blocks * 512u;
    }
    return NULL;
}

static u32 rom_size(u16 device)
{
    u32 old = pci_read32(device, 0x30), v;

    pci_write32(device, 0x30, 0xfffff800u);
    v = pci_read32(device, 0x30) & 0xfffff800u;
    pci_write32(device, 0x30, old);
    return v ? ~v + 1 : 0;
}

/* True when there was one, copied and run. */
static bool pci_rom(u16 device)
{
    u32 base = pci_read32(device, 0x30) & 0xfffff800u, size = rom_size(device);
    const u8 *image;
    bool there = false;

    if (!base || !size)
        return false;
    pci_write32(device, 0x30, base | 1);
    image = find_image((const u8 *)base, size);
    if (image && next_rom + image[2] * 512u <= ROM_END) {
        memcpy((void *)next_rom, image, image[2] * 512u);
        there = true;
    }
    pci_write32(device, 0x30, base);
    return there && run(device, true);
}

static bool vga_done;

static void vga_rom(u16 device, void *opaque)
{
    u16 class = pci_read16(device, 0x0a);

    (void)opaque;
    if (vga_done || (class != 0x0300 && class != 0x0001))
        return;
    pci_enable(device);
    vga_done = pci_rom(device);
}

static void other_rom(u16 device, void *opaque)
{
    u16 class = pci_read16(device, 0x0a);

    (void)opaque;
    if (class != 0x0300 && class != 0x0001 && class >> 8 != 0x06)
        pci_rom(device);
}

/* ---- fw_cfg ---- */

static void fwcfg_rom(const char *name, u32 key, u32 size)
{
    (void)name;
    if (size > ROM_END - next_rom)
        return;
    fwcfg_read_key((u16)key, (void *)next_rom, size);
    run(0, false);
}

/* ---- in order ---- */

void rom_vga(void)
{

    memset((void *)ROM_START, 0xff, ROM_END - ROM_START);
    pci_each(vga_rom, NULL);
    if (!vga_done)
        fwcfg_each("vgaroms/", fwcfg_rom);
    shared.serial_console = ((volatile u32 *)0x40)[0] == FARPTR(SEG_BIOS, F_INT10);
    memset(&call16_block.r, 0, sizeof(call16_block.r));
    if (shared.serial_console) {
        call16_block.r.eax = 3;
        call16_int(0x10);
        return;
    }
    /* The first half of the 8x8 font is at a place of the BIOS, too. */
    call16_block.r.eax = 0x1130;
    call16_block.r.ebx = 0x0300;
    call16_int(0x10);
    memcpy(font_8x8, (const void *)(((u32)call16_block.r.es << 4) + call16_block.r.bp), 1024);
}

void rom_others(void)
{
    pci_each(other_rom, NULL);
    fwcfg_each("genroms/", fwcfg_rom);
}

/* Option ROMs become read-only: PAM of the 82441FX. The F segment stays RAM. */
void rom_lock(void)
{
    if (pci_read32(0, 0) != 0x12378086)
        return;
    for (u8 reg = 0x5a; reg <= 0x5d; reg++)
        pci_write8(0, reg, 0x11);
}
