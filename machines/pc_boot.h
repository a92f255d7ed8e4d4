/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_PC_BOOT_H
#define CALQUE_MACHINES_PC_BOOT_H

#include "machines/acpi.h"
#include "machines/pc.h"

#define PC_PM_BASE      0x600u
#define PC_FW_CFG_BASE  0x510u
#define PC_EBDA         0x9fc00u
#define PC_ACPI_BASE    0xe0000u /* tables of a direct boot, in the BIOS area that is searched */
#define PC_SMBIOS_BASE  0xf4000u /* entry points and tables of a direct boot, likewise */
#define PC_NO_BIOS      0xff000u /* where the interrupt vectors of a direct boot point */
#define PC_PCI_MEM_LAST 0xfebfffffu

/* Address ranges as a BIOS would report them (INT 15h, E820h). */
void pc_e820(const struct pc *pc, struct e820_map *map);
/* What the tables say of the machine, with the ports that are decoded now. */
void pc_acpi_config(const struct pc *pc, struct acpi_config *config);
bool pc_build_smbios(const struct pc *pc, struct smbios_tables *t, struct error *err);
/* Reads the files that a direct boot needs. */
bool pc_read_images(struct pc *pc, struct error *err);
void pc_free_images(struct pc *pc);
/* Direct boot: programs the chips as firmware would, writes tables, loads the kernel. */
bool pc_direct_boot(struct pc *pc, struct boot_state *state, struct error *err);

#endif
