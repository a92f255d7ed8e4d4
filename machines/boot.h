/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_BOOT_H
#define CALQUE_MACHINES_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a loader hands to the boot processor. Memory (code, page tables, descriptor table) is
 * already written; this is the register contents to start with. Everything not named here has its
 * reset value. */
enum boot_mode {
    BOOT_RESET,  /* everything has its reset value: firmware starts (SDM vol. 3A 10.1.4) */
    BOOT_REAL,   /* CR0.PE = 0 */
    BOOT_PROT32, /* CR0.PE = 1, paging off, flat 32-bit segments */
    BOOT_LONG64, /* CR0.PE|PG, CR4.PAE, EFER.LME|LMA = 1, 64-bit code segment, cr3 as below */
};

struct boot_state {
    enum boot_mode mode;
    uint64_t rip, rsp;
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
    uint64_t cr3; /* BOOT_LONG64 */
    /* GDTR; the selectors below refer to it except in BOOT_REAL. Load the descriptor caches from
     * these fixed values, without reading the table: protected modes have base 0, limit 0xffffffff,
     * code readable (L set in BOOT_LONG64, D otherwise), data writable. */
    uint64_t gdt_base;
    uint16_t gdt_limit;
    uint16_t cs, ds;  /* ds is for DS, ES, FS, GS and SS alike */
    uint32_t cs_base; /* BOOT_REAL: base of CS, which at the reset vector is not cs << 4 */
    /* eflags is 2: interrupts off. */
};

/* Types of address ranges, ACPI 6.5 table 15.4. */
enum e820_type { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3, E820_NVS = 4 };

struct e820_entry {
    uint64_t base, size;
    uint32_t type;
};

#define E820_MAX 16

struct e820_map {
    struct e820_entry entry[E820_MAX];
    unsigned count;
};

/* A file in memory, with the name that errors show. */
struct boot_image {
    const char *name;
    uint8_t *data;
    size_t size;
};

struct address_space;
struct error;

/* What loaders need to know of the machine. */
struct boot_memory {
    struct address_space *mem;
    uint64_t low_ram; /* RAM from 0 to here, but for the hole 0xa0000-0xfffff */
    struct e820_map e820;
    uint64_t rsdp; /* address of the ACPI root pointer, 0 if none */
};

/* Reads a whole file of at most max bytes. The data is freed by boot_image_free(). */
bool boot_image_read(struct boot_image *image, const char *path, size_t max, struct error *err);
void boot_image_free(struct boot_image *image);

/* Little-endian fields at an offset of a buffer that is known to hold them. */
static inline uint32_t get_le16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}
static inline uint32_t get_le32(const uint8_t *p)
{
    return get_le16(p) | get_le16(p + 2) << 16;
}
static inline uint64_t get_le64(const uint8_t *p)
{
    return get_le32(p) | (uint64_t)get_le32(p + 4) << 32;
}
static inline void put_le16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}
static inline void put_le32(uint8_t *p, uint32_t value)
{
    put_le16(p, value);
    put_le16(p + 2, value >> 16);
}
static inline void put_le64(uint8_t *p, uint64_t value)
{
    put_le32(p, (uint32_t)value);
    put_le32(p + 4, (uint32_t)(value >> 32));
}

#endif
