/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The linker/loader script of QEMU's fw_cfg interface (docs/specs, "etc/table-loader"; the same
 * commands that SeaBIOS and OVMF execute): ACPI tables get addresses from the firmware, which owns
 * memory by then. A command is 128 bytes: le32 number, then fields; file names have 56 bytes. */
#include "machines/acpi_loader.h"

#include <string.h>

#include "machines/boot.h"

enum command { ALLOCATE = 1, ADD_POINTER = 2, ADD_CHECKSUM = 3 };
enum zone { ZONE_HIGH = 1, ZONE_FSEG = 2 };

#define NAME_SIZE 56

struct script {
    uint8_t *out;
    size_t used;
};

static uint8_t *add(struct script *s, enum command command, const char *file)
{
    uint8_t *p = s->out + s->used;

    memset(p, 0, ACPI_LOADER_ENTRY);
    put_le32(p, command);
    memcpy(p + 4, file, strlen(file));
    s->used += ACPI_LOADER_ENTRY;
    return p + 4 + NAME_SIZE;
}

static void add_allocate(struct script *s, const char *file, uint32_t align, enum zone zone)
{
    uint8_t *p = add(s, ALLOCATE, file);

    put_le32(p, align);
    p[4] = zone;
}

/* Adds the address of the tables to the pointer at `offset` of a file. */
static void add_pointer(struct script *s, const char *file, uint32_t offset, uint8_t size)
{
    uint8_t *p = add(s, ADD_POINTER, file);

    memcpy(p, ACPI_TABLES_FILE, sizeof(ACPI_TABLES_FILE));
    put_le32(p + NAME_SIZE, offset);
    p[NAME_SIZE + 4] = size;
}

static void add_checksum(struct script *s, const char *file, uint32_t at, uint32_t start,
                         uint32_t length)
{
    uint8_t *p = add(s, ADD_CHECKSUM, file);

    put_le32(p, at);
    put_le32(p + 4, start);
    put_le32(p + 8, length);
}

size_t acpi_loader_build(const struct acpi_fixups *fixups, uint8_t out[ACPI_LOADER_MAX])
{
    struct script s = {.out = out};

    add_allocate(&s, ACPI_RSDP_FILE, 16, ZONE_FSEG);
    add_allocate(&s, ACPI_TABLES_FILE, 64, ZONE_HIGH); /* the FACS is first: ACPI 6.5, 5.2.10 */
    for (unsigned i = 0; i < fixups->npointers; i++)
        add_pointer(&s, ACPI_TABLES_FILE, fixups->pointers[i].at, fixups->pointers[i].size);
    for (unsigned i = 0; i < fixups->nsums; i++)
        add_checksum(&s, ACPI_TABLES_FILE, fixups->sums[i].at + 9, fixups->sums[i].at,
                     fixups->sums[i].length);
    add_pointer(&s, ACPI_RSDP_FILE, 16, 4);
    add_pointer(&s, ACPI_RSDP_FILE, 24, 8);
    add_checksum(&s, ACPI_RSDP_FILE, 8, 0, 20);
    add_checksum(&s, ACPI_RSDP_FILE, 32, 0, ACPI_RSDP_SIZE);
    return s.used;
}
