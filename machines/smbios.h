/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_SMBIOS_H
#define CALQUE_MACHINES_SMBIOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* System Management BIOS tables (DMTF DSP0134; versions 2.8 and, by their second entry point,
 * 3.0): what dmidecode shows of the machine. */

#define SMBIOS_ENTRY_SIZE  0x1f /* _SM_, 32 bits */
#define SMBIOS_ENTRY3_SIZE 0x18 /* _SM3_, 64 bits */
#define SMBIOS_TABLES_MAX  0x3f00
#define SMBIOS_MAX_FIELDS  48
#define SMBIOS_MAX_OEM     16 /* strings of type 11 */

struct error;

/* What -smbios said; all zero: nothing. */
struct smbios_settings {
    char *values[SMBIOS_MAX_FIELDS]; /* by row of the table of fields; NULL: the standard value */
    char *oem[SMBIOS_MAX_OEM];
    unsigned noem;
    uint32_t types; /* bit n: type n was named */
};

/* "type=1,manufacturer=ACME,serial=5": adds to *s. A field or type that there is none of suggests
 * the nearest. smbios_settings_free() is due whatever the result. */
bool smbios_parse(struct smbios_settings *s, const char *text, struct error *err);
void smbios_settings_free(struct smbios_settings *s);

/* What the tables say of the machine. */
struct smbios_config {
    const struct smbios_settings *settings;   /* NULL: none */
    uint64_t low_ram, high_ram;               /* bytes from 0 and from 4 GiB */
    unsigned sockets, cores, threads;         /* cores per socket, threads per core */
    uint32_t cpuid_signature, cpuid_features; /* EAX and EDX of CPUID leaf 1 */
    bool long_mode;
    bool firmware; /* firmware will add its own type 0: ours is left out unless settings name it */
};

struct smbios_tables {
    uint8_t data[SMBIOS_TABLES_MAX];
    uint32_t used;
    uint16_t count;   /* structures */
    uint16_t largest; /* bytes of the largest */
};

/* Builds the structures; false if they exceed SMBIOS_TABLES_MAX. */
bool smbios_build(const struct smbios_config *config, struct smbios_tables *out, struct error *err);
/* The entry points of tables at an address. */
void smbios_entry(const struct smbios_tables *t, uint32_t address, uint8_t out[SMBIOS_ENTRY_SIZE]);
void smbios_entry3(const struct smbios_tables *t, uint64_t address,
                   uint8_t out[SMBIOS_ENTRY3_SIZE]);

#endif
