/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_PC_TABLES_H
#define CALQUE_MACHINES_PC_TABLES_H

#include "machines/acpi.h"
#include "machines/pc.h"

/* Where the tables of a direct boot are, all in the BIOS area, which systems search for them. */
#define PC_ACPI_BASE   0xe0000u
#define PC_SMBIOS_BASE 0xf4000u /* both entry points, then the structures */
#define PC_MP_BASE     0xf8000u

#define PC_PCI_MEM_LAST 0xfebfffffu

/* Who is who on the APIC bus. */
struct pc_apic_ids {
    uint32_t cpu[PC_MAX_CPUS];
    uint8_t ioapic;
};

/* IDs as they are at reset: the IOAPIC's is 0. */
void pc_apic_ids(const struct pc *pc, struct pc_apic_ids *ids);
/* What the ACPI tables say of the machine, with the power management ports that are decoded now.
 * ids must outlive config. */
void pc_acpi_config(const struct pc *pc, const struct pc_apic_ids *ids, struct acpi_config *config);
bool pc_build_smbios(const struct pc *pc, struct smbios_tables *t, struct error *err);
/* Direct boot: gives the IOAPIC its ID and writes ACPI, MP and SMBIOS tables. */
bool pc_write_tables(struct pc *pc, struct error *err);

#endif
