/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 82441FX PMC (datasheet order number 290549): the host bridge of the i440FX.
 *
 * What matters to software on an emulated machine are its two windows in the first megabyte:
 * - PAM0..PAM6 decide for each segment of 0xc0000-0xfffff separately whether reads and writes go to
 *   RAM or to PCI. Each segment is one memory region; its two sides move independently.
 * - SMRAM decides what is at 0xa0000-0xbffff: the display (on PCI), or RAM. With G_SMRAME set a
 *   processor in SMM sees the RAM (only its fetches while D_CLS is set), and everybody does while
 *   D_OPEN is set.
 *
 * Not here: DRAM timing and sizing (DRB0-7 are storage: firmware learns the memory size from CMOS
 * or fw_cfg), AGP, error reporting. */
#include "devices/bus/i440fx.h"

#include <string.h>

#include "vm/machine.h"

#define PAM_RE 0x1 /* reads go to RAM */
#define PAM_WE 0x2 /* writes go to RAM */

#define SMRAM_D_OPEN     0x40
#define SMRAM_D_CLS      0x20
#define SMRAM_D_LCK      0x10
#define SMRAM_G_SMRAME   0x08
#define SMRAM_C_BASE_SEG 0x02

static uint32_t pam_base(unsigned segment)
{
    return 0xc0000 + segment * 0x4000;
}

/* The two enable bits of a segment: PAM0 has 0xf0000 in its high nibble, PAM1..PAM6 have two
 * segments each, the lower in the low nibble. */
static uint8_t pam_bits(const struct i440fx *s, unsigned segment)
{
    if (segment == 12)
        return s->pci.config[I440FX_PAM0] >> 4;
    return (uint8_t)(s->pci.config[I440FX_PAM0 + 1 + segment / 2] >> (segment & 1 ? 4 : 0));
}

static void update_pam(struct i440fx *s)
{
    for (unsigned i = 0; i < I440FX_NUM_PAM_SEGMENTS; i++) {
        uint64_t ram = pam_base(i);
        uint64_t read_at = pam_bits(s, i) & PAM_RE ? ram : s->pam_rom[i];
        uint64_t write_at = pam_bits(s, i) & PAM_WE ? ram : ARENA_NONE;

        if (s->pam[i].read_at != read_at || s->pam[i].write_at != write_at)
            region_set_memory(&s->pam[i], read_at, write_at);
    }
}

static void update_smram(struct i440fx *s)
{
    uint8_t smram = s->pci.config[I440FX_SMRAM];
    bool on = smram & SMRAM_G_SMRAME, closed = smram & SMRAM_D_CLS;
    bool open = on && (smram & SMRAM_D_OPEN) && !closed;
    struct hidden_memory smm = {
        .start = 0xa0000, .last = 0xbffff, .at = 0xa0000, .data = on && !closed, .code = on};

    if (s->smram.enabled != open)
        region_enable(&s->smram, open);
    address_space_set_hidden(s->pci.bus->mem, &smm);
}

static void update(struct i440fx *s)
{
    address_space_begin(s->pci.bus->mem);
    update_pam(s);
    update_smram(s);
    address_space_commit(s->pci.bus->mem);
}

/* D_LCK closes SMRAM and makes the register read-only until reset (datasheet 3.2.20). */
static void lock_smram(struct i440fx *s)
{
    s->pci.config[I440FX_SMRAM] &= (uint8_t)~SMRAM_D_OPEN;
    s->pci.wmask[I440FX_SMRAM] = 0;
}

static void apply_smram_lock(struct i440fx *s)
{
    s->pci.wmask[I440FX_SMRAM] = SMRAM_D_OPEN | SMRAM_D_CLS | SMRAM_D_LCK | SMRAM_G_SMRAME;
    if (s->pci.config[I440FX_SMRAM] & SMRAM_D_LCK)
        lock_smram(s);
}

static void config_written(struct pci_device *d, unsigned offset, unsigned size)
{
    struct i440fx *s = (struct i440fx *)d;

    if (offset + size <= I440FX_PAM0 || offset > I440FX_SMRAM)
        return;
    apply_smram_lock(s);
    update(s);
}

static void i440fx_reset(struct device *dev)
{
    struct i440fx *s = (struct i440fx *)dev;

    for (unsigned i = 0; i < 7; i++)
        s->pci.config[I440FX_PAM0 + i] = 0;
    s->pci.config[I440FX_SMRAM] = SMRAM_C_BASE_SEG;
    apply_smram_lock(s);
    pci_device_reset(&s->pci);
    pci_set16(&s->pci, PCI_COMMAND, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY); /* hard-wired */
    update(s);
}

static bool i440fx_post_load(struct device *dev, struct error *err)
{
    struct i440fx *s = (struct i440fx *)dev;

    (void)err;
    apply_smram_lock(s);
    pci_device_post_load(&s->pci);
    update(s);
    return true;
}

static const struct state_field i440fx_fields[] = {
    STATE_STRUCTS(struct i440fx, pci, 1, struct pci_device, pci_device_fields),
    STATE_FIELDS_END,
};

static const struct device_class i440fx_class = {
    .type = "i440fx",
    .version = 1,
    .fields = i440fx_fields,
    .reset = i440fx_reset,
    .post_load = i440fx_post_load,
};

static void init_config(struct i440fx *s)
{
    /* COMMAND's memory and master bits are hard-wired to one; only SERR# enable is writable. */
    s->pci.wmask[PCI_COMMAND] = 0;
    s->pci.wmask[PCI_COMMAND + 1] = PCI_COMMAND_SERR >> 8;
    for (unsigned i = 0x50; i < 0x72; i++)
        s->pci.wmask[i] = 0xff; /* PMCCFG, DRB and timing registers: storage */
    s->pci.wmask[I440FX_PAM0] = 0x30;
    for (unsigned i = 1; i < 7; i++)
        s->pci.wmask[I440FX_PAM0 + i] = 0x33;
}

static void init_regions(struct i440fx *s, uint64_t rom_at)
{
    struct address_space *mem = s->pci.bus->mem;

    address_space_begin(mem);
    for (unsigned i = 0; i < I440FX_NUM_PAM_SEGMENTS; i++) {
        bool bios = rom_at != ARENA_NONE && pam_base(i) >= 0xe0000;

        s->pam_rom[i] = bios ? rom_at + pam_base(i) - 0xe0000 : ARENA_NONE;
        region_init_memory(&s->pam[i], "pam", i == 12 ? 0x10000 : 0x4000, s->pam_rom[i],
                           ARENA_NONE);
        region_add(mem, &s->pam[i], pam_base(i), 2);
    }
    region_init_memory(&s->smram, "smram", 0x20000, 0xa0000, 0xa0000);
    region_add(mem, &s->smram, 0xa0000, 4); /* above the display's window */
    region_enable(&s->smram, false);
    address_space_commit(mem);
}

void i440fx_init(struct i440fx *s, struct machine *m, const char *id, struct pci_bus *bus,
                 uint64_t rom_at)
{
    /* The subsystem by which firmware tells that the board has fw_cfg. */
    static const struct pci_ids ids = {.vendor = 0x8086,
                                       .device = 0x1237,
                                       .revision = 2,
                                       .class = 0x0600,
                                       .subsystem_vendor = 0x1af4,
                                       .subsystem = 0x1100};

    memset(s, 0, sizeof(*s));
    pci_device_init(&s->pci, m, &i440fx_class, id, bus, PCI_DEVFN(0, 0), &ids);
    s->pci.config_written = config_written;
    init_config(s);
    init_regions(s, rom_at);
    i440fx_reset(&s->pci.dev);
}

void i440fx_map_rom(struct i440fx *s, uint32_t base, uint32_t size, uint64_t rom_at)
{
    for (unsigned i = 0; i < 12; i++)
        if (pam_base(i) >= base && pam_base(i) + 0x4000 <= base + size)
            s->pam_rom[i] = rom_at + pam_base(i) - base;
    update(s);
}
