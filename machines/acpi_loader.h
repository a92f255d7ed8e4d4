/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_ACPI_LOADER_H
#define CALQUE_MACHINES_ACPI_LOADER_H

#include "machines/acpi.h"

/* Names of the fw_cfg files. */
#define ACPI_LOADER_FILE "etc/table-loader"
#define ACPI_TABLES_FILE "etc/acpi/tables"
#define ACPI_RSDP_FILE   "etc/acpi/rsdp"

#define ACPI_LOADER_ENTRY 128 /* bytes a command takes */
/* Two files; pointers and sums of the tables; two of each in the RSDP. */
#define ACPI_LOADER_MAX ((2 + ACPI_MAX_POINTERS + ACPI_MAX_SUMS + 4) * ACPI_LOADER_ENTRY)

/* Writes the commands by which firmware allocates both files, links them and sums them up. Returns
 * the bytes used. */
size_t acpi_loader_build(const struct acpi_fixups *fixups, uint8_t out[ACPI_LOADER_MAX]);

#endif
