/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What firmware asks of the machine: CMOS and fw_cfg. File names and formats are those of QEMU
 * (docs/specs/fw_cfg.rst), which SeaBIOS and OVMF know.
 *
 * Where the power management ports are is the firmware's choice (SeaBIOS: 0x600, OVMF: 0xb000), so
 * the ACPI tables are made anew when it selects them. */
#include "machines/pc_fw_cfg.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "machines/acpi_loader.h"
#include "machines/pc_boot.h"
#include "machines/pc_tables.h"

#define SMBIOS_ANCHOR_FILE "etc/smbios/smbios-anchor"
#define SMBIOS_TABLES_FILE "etc/smbios/smbios-tables"

/* ---- CMOS ---- */

/* 38h: the third, and bit 0: a floppy needs no signature; 3Dh: the second and the first. */
void pc_set_boot_order(struct pc *pc, const char *order)
{
    static const char letters[] = "acdn"; /* 1 to 4 */
    unsigned codes[3] = {0}, n = 0;

    for (order = order && *order ? order : "cad"; *order && n < 3; order++) {
        const char *p = strchr(letters, *order);

        if (p)
            codes[n++] = (unsigned)(p - letters) + 1;
    }
    mc146818_set(&pc->rtc, 0x38, (uint8_t)(codes[2] << 4 | 1));
    mc146818_set(&pc->rtc, 0x3d, (uint8_t)(codes[1] << 4 | codes[0]));
}

static const char *first_boot_order(const struct pc_boot_order *b)
{
    return b->once && *b->once ? b->once : b->order;
}

/* Bytes as SeaBIOS and older firmware read them. */
void pc_fill_cmos(struct pc *pc)
{
    uint64_t kib = (pc->low_ram - 0x100000) >> 10;
    uint64_t above_16m = pc->low_ram > 0x1000000 ? (pc->low_ram - 0x1000000) >> 16 : 0;
    uint64_t above_4g = pc->high_ram >> 16;
    uint8_t floppies = fdc82078_cmos_types(&pc->storage.fdc);
    uint8_t equipment =
        0x06 | (floppies ? 0x01 : 0) | (floppies & 0x0f ? 0x40 : 0); /* FPU, mouse */
    const struct {
        uint8_t index;
        uint64_t value;
        unsigned bytes;
    } fields[] = {
        {0x10, floppies, 1},
        {0x12, 0, 1}, /* no disks of a type known by number */
        {0x14, equipment, 1},
        {0x15, 640, 2},
        {0x17, kib < 0xffff ? kib : 0xffff, 2},
        {0x30, kib < 0xffff ? kib : 0xffff, 2},
        {0x34, above_16m < 0xffff ? above_16m : 0xffff, 2},
        {0x5b, above_4g, 3},
        {0x5f, pc->config->ncpus - 1, 1},
    };

    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        for (unsigned j = 0; j < fields[i].bytes; j++)
            mc146818_set(&pc->rtc, (uint8_t)(fields[i].index + j),
                         (uint8_t)(fields[i].value >> 8 * j));
    pc_set_boot_order(pc, first_boot_order(&pc->config->boot));
}

/* ---- ACPI ---- */

struct acpi_files {
    uint8_t tables[ACPI_TABLES_MAX], rsdp[ACPI_RSDP_SIZE], loader[ACPI_LOADER_MAX];
    size_t tables_size, loader_size;
};

static bool build_acpi(const struct pc *pc, struct acpi_files *f)
{
    struct acpi_config config;
    struct acpi_fixups fixups;
    struct pc_apic_ids ids;

    pc_apic_ids(pc, &ids);
    pc_acpi_config(pc, &ids, &config);
    f->tables_size = acpi_build_movable(&config, f->tables, sizeof(f->tables), f->rsdp, &fixups);
    if (!f->tables_size)
        return false;
    f->loader_size = acpi_loader_build(&fixups, f->loader);
    return true;
}

/* Sizes do not change: what depends on the firmware are numbers of fixed length. */
static void refresh_acpi(void *opaque)
{
    struct pc *pc = opaque;
    struct acpi_files f;

    if (build_acpi(pc, &f) && f.tables_size == pc->acpi_size)
        fw_cfg_set_file(&pc->fw_cfg, ACPI_TABLES_FILE, f.tables);
}

static bool add_acpi(struct pc *pc, struct error *err)
{
    struct fw_cfg *fw = &pc->fw_cfg;
    struct acpi_files f;

    if (!build_acpi(pc, &f))
        return error_set(err, "ACPI tables for %u processors exceed %d bytes", pc->config->ncpus,
                         ACPI_TABLES_MAX);
    pc->acpi_size = f.tables_size;
    if (!fw_cfg_add_file(fw, ACPI_TABLES_FILE, f.tables, (uint32_t)f.tables_size) ||
        !fw_cfg_add_file(fw, ACPI_RSDP_FILE, f.rsdp, sizeof(f.rsdp)) ||
        !fw_cfg_add_file(fw, ACPI_LOADER_FILE, f.loader, (uint32_t)f.loader_size))
        return error_set(err, "fw_cfg: out of memory");
    fw_cfg_on_select(fw, ACPI_TABLES_FILE, refresh_acpi, pc);
    return true;
}

/* ---- other files ---- */

static bool add_smbios(struct pc *pc, struct error *err)
{
    struct smbios_tables t;
    uint8_t anchor[SMBIOS_ENTRY_SIZE];

    if (!pc_build_smbios(pc, &t, err))
        return false;
    smbios_entry(&t, 0, anchor); /* the firmware puts its address in */
    if (!fw_cfg_add_file(&pc->fw_cfg, SMBIOS_ANCHOR_FILE, anchor, sizeof(anchor)) ||
        !fw_cfg_add_file(&pc->fw_cfg, SMBIOS_TABLES_FILE, t.data, t.used))
        return error_set(err, "fw_cfg: out of memory");
    return true;
}

/* "etc/e820": packed { le64 base; le64 size; le32 type; }, RAM only. */
static bool add_e820(struct pc *pc)
{
    uint8_t file[2 * 20];
    unsigned n = pc->high_ram ? 2 : 1;

    put_le64(file, 0);
    put_le64(file + 8, pc->low_ram);
    put_le32(file + 16, E820_RAM);
    put_le64(file + 20, 1ull << 32);
    put_le64(file + 28, pc->high_ram);
    put_le32(file + 36, E820_RAM);
    return fw_cfg_add_file(&pc->fw_cfg, "etc/e820", file, 20 * n);
}

/* Byte n is sleep state Sn: bit 7 it is there, the rest its SLP_TYP. Soft-off is; nothing sleeps.
 */
static bool add_system_states(struct pc *pc)
{
    static const uint8_t states[6] = {0x80, 0, 0, 1, 2, 0x80};

    return fw_cfg_add_file(&pc->fw_cfg, "etc/system-states", states, sizeof(states));
}

/* Firmware that loads kernels itself (OVMF does) takes them from here. The image is one piece: its
 * real-mode part is not cut off, but counted as the kernel's. */
static bool add_kernel(struct pc *pc)
{
    struct fw_cfg *fw = &pc->fw_cfg;
    const char *cmdline = pc->config->append ? pc->config->append : "";
    uint32_t length = (uint32_t)strlen(cmdline) + 1, initrd = (uint32_t)pc->initrd.size;

    return fw_cfg_add_u32(fw, FW_CFG_KERNEL_SIZE, (uint32_t)pc->kernel.size) &&
           fw_cfg_add(fw, FW_CFG_KERNEL_DATA, pc->kernel.data, (uint32_t)pc->kernel.size) &&
           fw_cfg_add_u32(fw, FW_CFG_SETUP_SIZE, 0) &&
           fw_cfg_add_u32(fw, FW_CFG_INITRD_SIZE, initrd) &&
           fw_cfg_add(fw, FW_CFG_INITRD_DATA, pc->initrd.data, initrd) &&
           fw_cfg_add_u32(fw, FW_CFG_CMDLINE_SIZE, length) &&
           fw_cfg_add(fw, FW_CFG_CMDLINE_DATA, cmdline, length);
}

/* "bootorder": a path to a line, the last line ends with a zero; HALT: nothing else is tried. */
static bool add_boot_devices(struct pc *pc)
{
    static const char halt[] = "\nHALT";
    char list[PC_BOOT_LIST_SIZE + sizeof(halt)];

    if (!pc_boot_list(pc, list))
        return true;
    if (pc->config->boot.strict)
        memcpy(list + strlen(list), halt, sizeof(halt));
    return fw_cfg_add_file(&pc->fw_cfg, "bootorder", list, (uint32_t)strlen(list) + 1);
}

static bool add_boot(struct pc *pc)
{
    const struct pc_boot_order *b = &pc->config->boot;
    uint8_t wait[4];

    if (pc->config->uuid && !fw_cfg_add(&pc->fw_cfg, FW_CFG_UUID, pc->config->uuid, 16))
        return false;
    put_le16(wait, b->splash_time);
    if (b->has_splash_time && !fw_cfg_add_file(&pc->fw_cfg, "etc/boot-menu-wait", wait, 2))
        return false;
    put_le32(wait, b->reboot_timeout);
    if (b->has_reboot_timeout && !fw_cfg_add_file(&pc->fw_cfg, "etc/boot-fail-wait", wait, 4))
        return false;
    return add_boot_devices(pc);
}

/* ---- the chip ---- */

/* IDs are dealt out in ascending order. */
static uint16_t apic_id_limit(const struct pc *pc)
{
    unsigned last = pc->config->ncpus - 1;

    return (uint16_t)((pc->cpu.apic_id ? pc->cpu.apic_id(pc->cpu.cpus, last) : last) + 1);
}

static bool add_items(struct pc *pc)
{
    struct fw_cfg *f = &pc->fw_cfg;
    uint16_t ncpus = (uint16_t)pc->config->ncpus;
    bool serial_console = !pc->config->vga && pc->config->serial_present[0];
    static const uint8_t irq0_override = 1; /* the timer is at pin 2 of the IOAPIC */

    return fw_cfg_add_u64(f, FW_CFG_RAM_SIZE, pc->m.ram_size) &&
           fw_cfg_add_u16(f, FW_CFG_NB_CPUS, ncpus) &&
           fw_cfg_add_u16(f, FW_CFG_MAX_CPUS, apic_id_limit(pc)) &&
           fw_cfg_add_u16(f, FW_CFG_NOGRAPHIC, serial_console) &&
           fw_cfg_add_u16(f, FW_CFG_BOOT_MENU, pc->config->boot.menu) && add_boot(pc) &&
           fw_cfg_add(f, FW_CFG_IRQ0_OVERRIDE, &irq0_override, 1) && add_e820(pc);
}

bool pc_add_fw_cfg(struct pc *pc, struct error *err)
{
    fw_cfg_init(&pc->fw_cfg, &pc->m, "fw-cfg", PC_FW_CFG_BASE);
    if (!add_items(pc))
        return error_set(err, "fw_cfg: out of memory");
    if (!pc_has_firmware(pc->config))
        return true;
    if (!add_acpi(pc, err) || !add_smbios(pc, err))
        return false;
    if (!add_system_states(pc) || (pc->kernel.data && !add_kernel(pc)))
        return error_set(err, "fw_cfg: out of memory");
    return true;
}
