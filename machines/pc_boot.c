/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Booting a kernel without firmware: the machine is brought into the state in which a BIOS would
 * hand it over. Chips are programmed through their registers, with the writes a BIOS makes, so that
 * nothing here knows their insides. */
#include "machines/pc_boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "machines/gunzip.h"
#include "machines/load_elf.h"
#include "machines/load_linux.h"
#include "machines/load_multiboot.h"
#include "machines/pc_tables.h"

#define IMAGE_MAX ((size_t)2 << 30)

const uint8_t pc_pirq_irq[4] = {10, 10, 11, 11};

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
        if (pc->nmodules == BOOT_MAX_MODULES)
            return error_set(err, "-initrd: expected at most %d modules", BOOT_MAX_MODULES);
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

static enum pc_kernel kind_of(const struct boot_image *kernel)
{
    if (linux_probe(kernel))
        return PC_KERNEL_LINUX;
    if (multiboot_probe(kernel))
        return PC_KERNEL_MULTIBOOT;
    return elf_probe(kernel) ? PC_KERNEL_ELF : PC_KERNEL_NONE;
}

/* Multiboot 2 kernels are ELF files, too, but none that could run without what they ask for. */
static bool find_kind(struct pc *pc, struct error *err)
{
    const char *name = pc->config->kernel;

    if (gzip_probe(&pc->kernel) && !gunzip(&pc->kernel, pc->m.ram_size, err))
        return false;
    pc->kernel_kind = kind_of(&pc->kernel);
    if (pc->kernel_kind != PC_KERNEL_LINUX && pc->kernel_kind != PC_KERNEL_MULTIBOOT &&
        multiboot2_probe(&pc->kernel))
        return error_set(err,
                         "%s: a Multiboot 2 kernel, which is not in this version; expected "
                         "Multiboot 1",
                         name);
    if (pc->kernel_kind == PC_KERNEL_NONE)
        return error_set(err, "%s: expected a Linux bzImage, a Multiboot kernel or an ELF program",
                         name);
    return true;
}

bool pc_read_images(struct pc *pc, struct error *err)
{
    const struct pc_config *config = pc->config;

    if (!boot_image_read(&pc->kernel, config->kernel, IMAGE_MAX, err))
        return false;
    if (pc_has_firmware(config))
        pc->kernel_kind = PC_KERNEL_FIRMWARE;
    else if (!find_kind(pc, err))
        return false;
    if (pc->kernel_kind == PC_KERNEL_LINUX || pc->kernel_kind == PC_KERNEL_FIRMWARE)
        return !config->initrd || boot_image_read(&pc->initrd, config->initrd, IMAGE_MAX, err);
    return make_multiboot_cmdline(pc, err) && (!config->initrd || read_modules(pc, err));
}

void pc_free_images(struct pc *pc)
{
    boot_image_free(&pc->kernel);
    boot_image_free(&pc->initrd);
    for (unsigned i = 0; i < BOOT_MAX_MODULES; i++)
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
        pci_config_write(&pc->pci, PCI_DEVFN(1, 0), PIIX3_PIRQRC + i, pc_pirq_irq[i], 1);
    if (!pci_assign_resources(&pc->pci, &windows, pc_pirq_irq, err))
        return false;
    for (unsigned i = 0; i < 2; i++)
        pci_config_write(&pc->pci, PIIX_IDE_DEVFN, PIIX_IDETIM + 2 * i + 1, PIIX_IDE_ON, 1);
    pci_config_write(&pc->pci, pm, PIIX4_PMBA, PC_PM_BASE | 1, 4);
    pci_config_write(&pc->pci, pm, PIIX4_PMREGMISC, 1, 1);
    pci_config_write(&pc->pci, pm, PCI_INTERRUPT_LINE, 9, 1);
    return true;
}

/* ---- what a BIOS leaves in low memory ---- */

/* Kernels that go back to real mode to ask the BIOS (Xen does) get from every interrupt the answer
 * that there is no such function: carry set, AH = 86h. */
static void write_vectors(struct pc *pc)
{
    static const uint8_t no_function[] = {
        0x55,                   /* push %bp */
        0x89, 0xe5,             /* mov %sp, %bp */
        0x83, 0x4e, 0x06, 0x01, /* orw $1, 6(%bp): CF of the flags that iret restores */
        0x5d,                   /* pop %bp */
        0xb4, 0x86,             /* mov $0x86, %ah */
        0xcf,                   /* iret */
    };
    uint32_t vector = (PC_NO_BIOS & 0xf0000) << 12 | (PC_NO_BIOS & 0xffff);

    address_space_write_block(&pc->m.mem, PC_NO_BIOS, no_function, sizeof(no_function));
    for (unsigned i = 0; i < 256; i++)
        address_space_write(&pc->m.mem, 4 * i, vector, 4);
}

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

/* The adapter in mode 3, with what the BIOS data area says of it. */
static void start_display(struct pc *pc)
{
    static const uint8_t none[256 * 16];
    static const struct {
        uint16_t at, value;
    } words[] = {{0x44a, 80}, {0x44c, 4096}, {0x460, 0x0d0e}, {0x463, 0x3d4}, {0x485, 16}};
    struct address_space *mem = &pc->m.mem;

    if (!pc->config->vga)
        return;
    vga_set_text_mode(&pc->vga.vga, pc->config->vga_font ? pc->config->vga_font : none);
    address_space_write(mem, 0x449, 3, 1);
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        address_space_write(mem, words[i].at, words[i].value, 2);
    address_space_write(mem, 0x484, 24, 1); /* rows - 1 */
}

/* ---- the kernel ---- */

static bool load_linux(struct pc *pc, const struct boot_memory *bm, struct boot_state *state,
                       struct error *err)
{
    uint8_t seed[LINUX_SEED_SIZE];
    const struct linux_request rq = {.kernel = &pc->kernel,
                                     .initrd = pc->initrd.data ? &pc->initrd : NULL,
                                     .cmdline = pc->config->append,
                                     .vga_text = pc->config->vga,
                                     .force_32bit = pc->config->boot_32bit || !pc->cpu.long_mode,
                                     .rng_seed = seed};

    input_random(&pc->m, seed, sizeof(seed));
    return linux_load(&rq, bm, state, err);
}

static bool load_kernel(struct pc *pc, struct boot_state *state, struct error *err)
{
    struct boot_memory bm = {.mem = &pc->m.mem, .low_ram = pc->low_ram, .rsdp = PC_ACPI_BASE};
    struct boot_module modules[BOOT_MAX_MODULES];
    const struct multiboot_request mb_rq = {.kernel = &pc->kernel,
                                            .cmdline = pc->multiboot_cmdline,
                                            .modules = modules,
                                            .nmodules = pc->nmodules};
    const struct elf_request elf_rq = {.kernel = &pc->kernel,
                                       .cmdline = pc->config->append,
                                       .modules = modules,
                                       .nmodules = pc->nmodules};

    pc_e820(pc, &bm.e820);
    if (pc->kernel_kind == PC_KERNEL_LINUX)
        return load_linux(pc, &bm, state, err);
    for (unsigned i = 0; i < pc->nmodules; i++)
        modules[i] = (struct boot_module){&pc->modules[i], pc->module_args[i]};
    return pc->kernel_kind == PC_KERNEL_MULTIBOOT ? multiboot_load(&mb_rq, &bm, state, err)
                                                  : elf_load(&elf_rq, &bm, state, err);
}

bool pc_direct_boot(struct pc *pc, struct boot_state *state, struct error *err)
{
    program_isa(pc);
    if (!program_pci(pc, err))
        return false;
    write_vectors(pc);
    write_bda(pc);
    start_display(pc);
    return pc_write_tables(pc, err) && load_kernel(pc, state, err);
}
