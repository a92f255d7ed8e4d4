/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Booting a kernel without firmware: the machine is brought into the state in which a BIOS would
 * hand it over. Chips are programmed through their registers, with the writes a BIOS makes, so that
 * nothing here knows their insides. */
#include "machines/pc_boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "machines/acpi.h"
#include "machines/load_linux.h"
#include "machines/mptable.h"

#define IMAGE_MAX ((size_t)2 << 30)

static const uint8_t pirq_irq[4] = {10, 10, 11, 11};

/* ---- memory map ---- */

static void add_e820(struct e820_map *map, uint64_t base, uint64_t end, uint32_t type)
{
    if (end > base && map->count < E820_MAX)
        map->entry[map->count++] = (struct e820_entry){base, end - base, type};
}

void pc_e820(const struct pc *pc, struct e820_map *map)
{
    map->count = 0;
    add_e820(map, 0, PC_EBDA, E820_RAM);
    add_e820(map, PC_EBDA, 0xa0000, E820_RESERVED);
    add_e820(map, 0xe0000, 0x100000, E820_RESERVED);
    add_e820(map, 0x100000, pc->low_ram, E820_RAM);
    add_e820(map, 1ull << 32, (1ull << 32) + pc->high_ram, E820_RAM);
}

/* ---- files ---- */

/* "file args,file args": a comma ends a module, the file's name ends at its first space. */
static bool read_modules(struct pc *pc, struct error *err)
{
    char *next = pc->module_names = strdup(pc->config->initrd);

    if (!next)
        return error_set(err, "-initrd: out of memory");
    while (next && *next) {
        char *text = next, *comma = strchr(text, ','), *space;
        struct boot_image *image = &pc->modules[pc->nmodules];

        next = comma ? comma + 1 : NULL;
        if (comma)
            *comma = 0;
        if (pc->nmodules == MULTIBOOT_MAX_MODULES)
            return error_set(err, "-initrd: expected at most %d modules", MULTIBOOT_MAX_MODULES);
        space = strchr(text, ' ');
        if (space)
            *space = 0;
        if (!boot_image_read(image, text, IMAGE_MAX, err))
            return false;
        if (space)
            *space = ' ';
        pc->module_args[pc->nmodules++] = text;
    }
    return true;
}

/* By custom the kernel's name comes first. */
static bool make_multiboot_cmdline(struct pc *pc, struct error *err)
{
    const char *append = pc->config->append ? pc->config->append : "";
    size_t size = strlen(pc->config->kernel) + strlen(append) + 2;

    pc->multiboot_cmdline = malloc(size);
    if (!pc->multiboot_cmdline)
        return error_set(err, "-append: out of memory");
    snprintf(pc->multiboot_cmdline, size, "%s%s%s", pc->config->kernel, *append ? " " : "", append);
    return true;
}

bool pc_read_images(struct pc *pc, struct error *err)
{
    const struct pc_config *config = pc->config;

    if (!boot_image_read(&pc->kernel, config->kernel, IMAGE_MAX, err))
        return false;
    if (linux_probe(&pc->kernel))
        return !config->initrd || boot_image_read(&pc->initrd, config->initrd, IMAGE_MAX, err);
    if (!multiboot_probe(&pc->kernel))
        return error_set(err, "%s: neither a Linux bzImage nor a Multiboot kernel", config->kernel);
    return make_multiboot_cmdline(pc, err) && (!config->initrd || read_modules(pc, err));
}

void pc_free_images(struct pc *pc)
{
    boot_image_free(&pc->kernel);
    boot_image_free(&pc->initrd);
    for (unsigned i = 0; i < MULTIBOOT_MAX_MODULES; i++)
        boot_image_free(&pc->modules[i]);
    free(pc->module_names);
    free(pc->multiboot_cmdline);
    pc->module_names = pc->multiboot_cmdline = NULL;
    pc->nmodules = 0;
}

/* ---- chips ---- */

/* PIC, PIT and keyboard controller as a BIOS leaves them: vectors 08h and 70h, everything masked
 * but the cascade; PIRQs and SCI level triggered; the tick at 18.2 Hz, refresh. */
static void program_isa(struct pc *pc)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } writes[] = {
        {0x20, 0x11},  {0x21, 0x08},  {0x21, 0x04}, {0x21, 0x01}, /* ICW1-4, master */
        {0xa0, 0x11},  {0xa1, 0x70},  {0xa1, 0x02}, {0xa1, 0x01}, /* ICW1-4, slave */
        {0x21, 0xfb},  {0xa1, 0xff},                              /* OCW1 */
        {0x4d0, 0x00}, {0x4d1, 0x0e},                             /* ELCR: 9, 10, 11 */
        {0x43, 0x34},  {0x40, 0x00},  {0x40, 0x00},               /* counter 0, mode 2 */
        {0x43, 0x54},  {0x41, 0x12},                              /* counter 1, refresh */
        {0xd6, 0xc0},  {0xd4, 0x00},                              /* DMA: channel 4 cascades */
    };

    for (unsigned i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        address_space_write(&pc->m.io, writes[i].port, writes[i].value, 1);
}

/* 0xc0000-0xfffff is RAM, read and write: there is no ROM to shadow, and the tables go there. */
static void open_shadow_ram(struct pc *pc)
{
    uint8_t host = PCI_DEVFN(0, 0);

    pci_config_write(&pc->pci, host, I440FX_PAM0, 0x30, 1);
    for (unsigned i = 1; i < 7; i++)
        pci_config_write(&pc->pci, host, I440FX_PAM0 + i, 0x33, 1);
}

static bool program_pci(struct pc *pc, struct error *err)
{
    const struct pci_windows windows = {.io_base = 0xc000,
                                        .io_limit = 0xffff,
                                        .mem_base = PC_LOW_RAM_MAX,
                                        .mem_limit = PC_PCI_MEM_LAST};
    uint8_t pm = PCI_DEVFN(1, 3);

    open_shadow_ram(pc);
    for (unsigned i = 0; i < 4; i++)
        pci_config_write(&pc->pci, PCI_DEVFN(1, 0), PIIX3_PIRQRC + i, pirq_irq[i], 1);
    if (!pci_assign_resources(&pc->pci, &windows, pirq_irq, err))
        return false;
    pci_config_write(&pc->pci, pm, PIIX4_PMBA, PC_PM_BASE | 1, 4);
    pci_config_write(&pc->pci, pm, PIIX4_PMREGMISC, 1, 1);
    pci_config_write(&pc->pci, pm, PCI_INTERRUPT_LINE, 9, 1);
    return true;
}

/* ---- tables ---- */

/* BIOS data area: what kernels look up there. */
static void write_bda(struct pc *pc)
{
    static const uint16_t com[PC_NUM_SERIAL] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
    struct address_space *mem = &pc->m.mem;
    uint64_t at = 0x400;

    for (unsigned i = 0; i < PC_NUM_SERIAL; i++)
        if (pc->config->serial_present[i]) {
            address_space_write(mem, at, com[i], 2);
            at += 2;
        }
    at = 0x408;
    for (unsigned i = 0; i < PC_NUM_PARALLEL; i++)
        if (pc->config->parallel[i].port) {
            address_space_write(mem, at, pc->config->parallel[i].port, 2);
            at += 2;
        }
    address_space_write(mem, 0x40e, PC_EBDA >> 4, 2);  /* segment of the EBDA */
    address_space_write(mem, 0x413, PC_EBDA >> 10, 2); /* KiB of conventional memory */
    address_space_write(mem, PC_EBDA, 1, 1);           /* the EBDA's size in KiB */
}

/* Who is who on the APIC bus. */
struct apic_ids {
    uint32_t cpu[PC_MAX_CPUS];
    uint8_t ioapic;
};

static bool is_cpu(const struct pc *pc, const struct apic_ids *ids, uint32_t id)
{
    for (unsigned i = 0; i < pc->config->ncpus; i++)
        if (ids->cpu[i] == id)
            return true;
    return false;
}

/* IDs of processors and IOAPICs are one space (MP specification 3.6.6), in which an IOAPIC has 4
 * bits; if all of those are taken it shares 0. */
static void give_apic_ids(struct pc *pc, struct apic_ids *ids)
{
    for (unsigned i = 0; i < pc->config->ncpus; i++)
        ids->cpu[i] = pc->cpu.apic_id ? pc->cpu.apic_id(pc->cpu.cpus, i) : i;
    ids->ioapic = 1;
    while (ids->ioapic && is_cpu(pc, ids, ids->ioapic))
        ids->ioapic = (ids->ioapic + 1) & 15;
    address_space_write(&pc->m.mem, IOAPIC_BASE, 0, 4); /* IOREGSEL: IOAPICID */
    address_space_write(&pc->m.mem, IOAPIC_BASE + 0x10, (uint32_t)ids->ioapic << 24, 4);
}

static bool write_mptable(struct pc *pc, const struct apic_ids *ids, struct error *err)
{
    struct mptable_config config = {
        .ncpus = pc->config->ncpus,
        .apic_ids = ids->cpu,
        .cpu_signature = pc->cpu.cpu_signature,
        .cpu_features = pc->cpu.cpu_features,
        .ioapic_base = IOAPIC_BASE,
        .ioapic_id = ids->ioapic,
        .ioapic_version = IOAPIC_VERSION,
        .sci_irq = 9,
    };
    uint8_t tables[MPTABLE_MAX];

    memcpy(config.pirq_irq, pirq_irq, sizeof(pirq_irq));
    size_t size = mptable_build(&config, PC_MP_BASE, tables, sizeof(tables));
    if (!size)
        return error_set(err, "MP tables exceed %d bytes", MPTABLE_MAX);
    address_space_write_block(&pc->m.mem, PC_MP_BASE, tables, size);
    return true;
}

static bool write_acpi(struct pc *pc, const struct apic_ids *ids, struct error *err)
{
    struct acpi_config config = {
        .ncpus = pc->config->ncpus,
        .apic_ids = ids->cpu,
        .ioapic_id = ids->ioapic,
        .ioapic_base = IOAPIC_BASE,
        .pci_hole_first = PC_LOW_RAM_MAX,
        .pci_hole_last = PC_PCI_MEM_LAST,
        .pm_base = PC_PM_BASE,
        .fw_cfg_base = PC_FW_CFG_BASE,
        .serial = {pc->config->serial_present[0], pc->config->serial_present[1]},
        .vga = pc->config->vga,
        .i8042 = true,
        .hpet_base = pc->config->no_hpet ? 0 : HPET_BASE,
    };
    uint8_t tables[ACPI_TABLES_MAX];
    size_t size;

    for (unsigned i = 0; i < PC_NUM_PARALLEL; i++) {
        config.parallel[i].port = pc->config->parallel[i].port;
        config.parallel[i].irq = pc->config->parallel[i].irq;
    }
    size = acpi_build(&config, PC_ACPI_BASE, tables, sizeof(tables));

    if (!size)
        return error_set(err, "ACPI tables for %u processors exceed %d bytes", config.ncpus,
                         ACPI_TABLES_MAX);
    address_space_write_block(&pc->m.mem, PC_ACPI_BASE, tables, size);
    return true;
}

/* ---- the kernel ---- */

static bool load_kernel(struct pc *pc, struct boot_state *state, struct error *err)
{
    struct boot_memory bm = {.mem = &pc->m.mem, .low_ram = pc->low_ram, .rsdp = PC_ACPI_BASE};
    struct multiboot_module modules[MULTIBOOT_MAX_MODULES];
    struct linux_request linux_rq = {.kernel = &pc->kernel,
                                     .initrd = pc->initrd.data ? &pc->initrd : NULL,
                                     .cmdline = pc->config->append,
                                     .vga_text = pc->config->vga,
                                     .force_32bit = pc->config->boot_32bit};
    struct multiboot_request mb_rq = {.kernel = &pc->kernel,
                                      .cmdline = pc->multiboot_cmdline,
                                      .modules = modules,
                                      .nmodules = pc->nmodules};

    pc_e820(pc, &bm.e820);
    if (linux_probe(&pc->kernel))
        return linux_load(&linux_rq, &bm, state, err);
    for (unsigned i = 0; i < pc->nmodules; i++)
        modules[i] = (struct multiboot_module){&pc->modules[i], pc->module_args[i]};
    return multiboot_load(&mb_rq, &bm, state, err);
}

bool pc_direct_boot(struct pc *pc, struct boot_state *state, struct error *err)
{
    struct apic_ids ids;

    program_isa(pc);
    if (!program_pci(pc, err))
        return false;
    write_bda(pc);
    give_apic_ids(pc, &ids);
    return write_acpi(pc, &ids, err) && write_mptable(pc, &ids, err) && load_kernel(pc, state, err);
}
