/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_ACPI_H
#define CALQUE_MACHINES_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACPI_TABLES_MAX 0x8000 /* bytes all tables together may take */
#define ACPI_MAX_CPUS   255
#define ACPI_RSDP_SIZE  36

#define ACPI_MAX_POINTERS 32
#define ACPI_MAX_SUMS     16

/* What the tables say of the machine. */
struct acpi_config {
    unsigned ncpus;
    const uint32_t *apic_ids; /* of each */
    uint32_t ioapic_base;
    uint8_t ioapic_id;
    uint32_t pci_hole_first, pci_hole_last; /* 32-bit memory window of the PCI bus, inclusive */
    uint16_t pm_base;                       /* PIIX4 power management ports */
    uint16_t fw_cfg_base;
    uint16_t pvpanic_port; /* 0: none */
    bool serial[2];        /* COM1, COM2 are there */
    bool vga;
    bool i8042;
    uint32_t hpet_base; /* 0: none */
    struct {
        uint16_t port; /* 0: none */
        uint8_t irq;
    } parallel[2];
};

/* What must be changed when tables move: pointers, which hold addresses, and checksums. */
struct acpi_fixups {
    struct acpi_pointer {
        uint32_t at;  /* offset of the pointer in the tables */
        uint8_t size; /* 4 or 8 bytes */
    } pointers[ACPI_MAX_POINTERS];
    unsigned npointers;
    struct acpi_sum {
        uint32_t at, length; /* of the table; its checksum is byte 9 of it */
    } sums[ACPI_MAX_SUMS];
    unsigned nsums;
};

/* Builds the tables for the address `base` (16-byte aligned, below 4 GiB) into out. The RSDP is
 * first. Returns the bytes used, or 0 if they do not fit into size. */
size_t acpi_build(const struct acpi_config *config, uint32_t base, uint8_t *out, size_t size);
/* Builds them for firmware that places them: pointers are offsets into out, whose start is to be
 * 64-byte aligned; the RSDP is apart, its pointers (32 bits at 16, 64 bits at 24) and both
 * checksums likewise. Returns the bytes of out used, or 0. */
size_t acpi_build_movable(const struct acpi_config *config, uint8_t *out, size_t size,
                          uint8_t rsdp[ACPI_RSDP_SIZE], struct acpi_fixups *fixups);

#endif
