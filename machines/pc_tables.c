/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables that describe the PC: for a direct boot written to memory here, for firmware handed
 * over by pc_fw_cfg.c. */
#include "machines/pc_tables.h"

#include <string.h>

#include "base/error.h"
#include "machines/mptable.h"
#include "machines/pc_boot.h"

/* ---- the APIC bus ---- */

void pc_apic_ids(const struct pc *pc, struct pc_apic_ids *ids)
{
    for (unsigned i = 0; i < pc->config->ncpus; i++)
        ids->cpu[i] = pc->cpu.apic_id ? pc->cpu.apic_id(pc->cpu.cpus, i) : i;
    ids->ioapic = 0;
}

static bool is_cpu(const struct pc *pc, const struct pc_apic_ids *ids, uint32_t id)
{
    for (unsigned i = 0; i < pc->config->ncpus; i++)
        if (ids->cpu[i] == id)
            return true;
    return false;
}

/* IDs of processors and IOAPICs are one space (MP specification 3.6.6), in which an IOAPIC has 4
 * bits; if all of those are taken it shares 0. */
static void give_ioapic_id(struct pc *pc, struct pc_apic_ids *ids)
{
    ids->ioapic = 1;
    while (ids->ioapic && is_cpu(pc, ids, ids->ioapic))
        ids->ioapic = (ids->ioapic + 1) & 15;
    address_space_write(&pc->m.mem, IOAPIC_BASE, 0, 4); /* IOREGSEL: IOAPICID */
    address_space_write(&pc->m.mem, IOAPIC_BASE + 0x10, (uint32_t)ids->ioapic << 24, 4);
}

/* ---- each kind of table ---- */

static bool write_mptable(struct pc *pc, const struct pc_apic_ids *ids, struct error *err)
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

    memcpy(config.pirq_irq, pc_pirq_irq, sizeof(pc_pirq_irq));
    size_t size = mptable_build(&config, PC_MP_BASE, tables, sizeof(tables));
    if (!size)
        return error_set(err, "MP tables exceed %d bytes", MPTABLE_MAX);
    address_space_write_block(&pc->m.mem, PC_MP_BASE, tables, size);
    return true;
}

void pc_acpi_config(const struct pc *pc, const struct pc_apic_ids *ids, struct acpi_config *config)
{
    const struct pci_device *pm = &pc->pm.pci;
    bool decoded = pm->config[PIIX4_PMREGMISC] & 1;

    *config = (struct acpi_config){
        .ncpus = pc->config->ncpus,
        .apic_ids = ids->cpu,
        .ioapic_id = ids->ioapic,
        .ioapic_base = IOAPIC_BASE,
        .pci_hole_first = (uint32_t)pc->low_ram,
        .pci_hole_last = PC_PCI_MEM_LAST,
        .pm_base = decoded ? pci_get16(pm, PIIX4_PMBA) & 0xffc0 : PC_PM_BASE,
        .fw_cfg_base = PC_FW_CFG_BASE,
        .pvpanic_port = pc->config->services.pvpanic_port,
        .serial = {pc->config->serial_present[0], pc->config->serial_present[1]},
        .vga = pc->config->vga,
        .i8042 = true,
        .hpet_base = pc->config->no_hpet ? 0 : HPET_BASE,
    };
    for (unsigned i = 0; i < PC_NUM_PARALLEL; i++) {
        config->parallel[i].port = pc->config->parallel[i].port;
        config->parallel[i].irq = pc->config->parallel[i].irq;
    }
}

static bool write_acpi(struct pc *pc, const struct pc_apic_ids *ids, struct error *err)
{
    struct acpi_config config;
    uint8_t tables[ACPI_TABLES_MAX];
    size_t size;

    pc_acpi_config(pc, ids, &config);
    size = acpi_build(&config, PC_ACPI_BASE, tables, sizeof(tables));
    if (!size)
        return error_set(err, "ACPI tables for %u processors exceed %d bytes", config.ncpus,
                         ACPI_TABLES_MAX);
    address_space_write_block(&pc->m.mem, PC_ACPI_BASE, tables, size);
    return true;
}

bool pc_build_smbios(const struct pc *pc, struct smbios_tables *t, struct error *err)
{
    const struct smbios_config config = {
        .settings = pc->config->smbios,
        .low_ram = pc->low_ram,
        .high_ram = pc->high_ram,
        .sockets = pc->cpu.sockets ? pc->cpu.sockets : 1,
        .cores = pc->cpu.sockets ? pc->cpu.cores : pc->config->ncpus,
        .threads = pc->cpu.sockets ? pc->cpu.threads : 1,
        .cpuid_signature = pc->cpu.cpu_signature,
        .cpuid_features = pc->cpu.cpu_features,
        .long_mode = pc->cpu.long_mode,
        .firmware = pc_has_firmware(pc->config),
    };

    return smbios_build(&config, t, err);
}

/* Both entry points on 16-byte boundaries of the F segment, then the tables. */
static bool write_smbios(struct pc *pc, struct error *err)
{
    struct smbios_tables t;
    uint8_t entries[0x40] = {0};
    uint32_t at = PC_SMBIOS_BASE + sizeof(entries);

    if (!pc_build_smbios(pc, &t, err))
        return false;
    smbios_entry(&t, at, entries);
    smbios_entry3(&t, at, entries + 0x20);
    address_space_write_block(&pc->m.mem, PC_SMBIOS_BASE, entries, sizeof(entries));
    address_space_write_block(&pc->m.mem, at, t.data, t.used);
    return true;
}

bool pc_write_tables(struct pc *pc, struct error *err)
{
    struct pc_apic_ids ids;

    pc_apic_ids(pc, &ids);
    give_ioapic_id(pc, &ids);
    return write_acpi(pc, &ids, err) && write_mptable(pc, &ids, err) && write_smbios(pc, err);
}
