/* SPDX-License-Identifier: GPL-2.0-or-later */
/* POST and what of it stays: 32-bit flat code in the E segment. */
#ifndef POST_H
#define POST_H

#include "bda.h"
#include "fixed.h"
#include "shared.h"

/* ---- lib.c ---- */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int v, size_t n);
int memcmp(const void *a, const void *b, size_t n);
int strcmp(const char *a, const char *b);
size_t strlen(const char *s);
bool starts_with(const char *s, const char *prefix);
/* %s %c %u %x, and a width for the numbers: %04x. Output is cut at size - 1. */
void format(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* screen */
void debug(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* port 402h */
u8 sum8(const void *p, size_t n);
u64 divu64(u64 n, u32 by);
u32 timer_now(void);                /* 24 bits at 3.579545 MHz */
bool timer_past(u32 start, u32 ms); /* ms below 4000 */
void delay_ms(u32 ms);
u8 cmos_read(u8 index);
void cmos_write(u8 index, u8 v);
/* Registers in and out in call16_block.r. */
void call16_int(u8 vector);
void call16_far(u16 segment, u16 offset);
void *alloc_high(u32 size, u32 align); /* reserved RAM below 4 GiB, zeroed; NULL: none left */
void *alloc_fseg(u32 size);            /* in the F segment, 16-aligned; NULL: none left */

static inline u32 mmio_read32(u32 address)
{
    return *(volatile u32 *)address;
}
static inline void mmio_write32(u32 address, u32 v)
{
    *(volatile u32 *)address = v;
}
#define BARRIER() asm volatile("" ::: "memory")

/* ---- chipset.c ---- */
void chipset_init(void);
void cpu_init(void);
void bda_init(void);
void interrupts_on(void); /* timer and keyboard */

/* ---- pci.c ---- */
u32 pci_read32(u16 device, u8 reg);
u16 pci_read16(u16 device, u8 reg);
u8 pci_read8(u16 device, u8 reg);
void pci_write32(u16 device, u8 reg, u32 v);
void pci_write16(u16 device, u8 reg, u16 v);
void pci_write8(u16 device, u8 reg, u8 v);
void pci_init(void);
/* Calls visit for each function there is, in order of bus and device. */
void pci_each(void (*visit)(u16 device, void *opaque), void *opaque);
u8 pci_capability(u16 device, u8 id, u8 after); /* offset, 0: no more */
u32 pci_bar(u16 device, u8 reg);                /* address; 0: none, or above 4 GiB */
u16 pci_bridge_of(u16 device);                  /* whose bus it is on; 0: none */
void pci_enable(u16 device);                    /* I/O, memory, master */

/* ---- fwcfg.c ---- */
void fwcfg_init(void);
bool fwcfg_present(void);
void fwcfg_read_key(u16 key, void *to, u32 size);
u32 fwcfg_find(const char *name, u32 *size); /* the file's key; 0: none */
/* Calls visit for the files whose names begin so. */
void fwcfg_each(const char *prefix, void (*visit)(const char *name, u32 key, u32 size));
bool fwcfg_write(u16 key, u32 offset, const void *from, u32 size);
void loader_run(void); /* ACPI tables: QEMU's table loader */

/* ---- memory.c ---- */
void memory_init(void);   /* sizes, zones */
void memory_finish(void); /* e820 as programs see it */
u32 pmm_call(const struct pmm_request *q);

/* ---- tables.c ---- */
void tables_init(void);
extern u32 pnp_structure; /* address; 0: none */

/* ---- smp.c ---- */
void mtrr_init(void);
void smp_init(void);
u32 cpu_count(void);
void mp_table(void);
bool has_apic(void);

/* ---- rom.c ---- */
void rom_vga(void);
void rom_others(void);
void rom_lock(void);

/* ---- drivers: each finds its drives ---- */
void ide_init(void);
void ahci_init(void);
void virtio_init(void);
void floppy_init(void);
u32 ahci_request(struct disk_request *q);
u32 virtio_request(struct disk_request *q);
u32 disk_request(struct disk_request *q); /* by the drive's kind; a status of INT 13h */
struct drive *new_disk(void);
struct drive *new_cd(void);
void set_geometry(struct drive *d);
void disk_tables(void); /* INT 41h, 46h */
void ata_identity(struct drive *d, const u16 *id);

/* ---- boot.c, menu.c ---- */
void boot_collect(void);
void boot_number_disks(void);
void boot_menu(void);
void boot_start(void); /* INT 19h */
void boot_loop(u32 first) __attribute__((noreturn));
void setup_screen(void);
u32 get_key(void); /* waits */
bool key_within(u32 ms, u16 *key);

#endif
