/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What POST (32-bit, E segment) and the interrupt services (16-bit, F segment) share. The F segment
 * stays writable RAM after POST: it holds the services' variables and their stack. */
#ifndef BIOS_SHARED_H
#define BIOS_SHARED_H

#include "types.h"

#define SEG_BIOS   0xf000
#define EBDA_SEG   0x9fc0
#define POST_BASE  0xe0000u
#define MAX_DISKS  8
#define MAX_CDS    4
#define MAX_FLOPPY 2
#define MAX_BOOT   16
#define FSEG_HEAP  0x600 /* RSDP, SMBIOS anchor, MP floating pointer, $PIR */

enum drive_type {
    DRIVE_NONE,
    DRIVE_FLOPPY,
    DRIVE_ATA,
    DRIVE_ATAPI,
    DRIVE_AHCI,
    DRIVE_AHCI_ATAPI,
    DRIVE_VIRTIO,
};

/* A disk, CD drive or floppy drive. */
struct drive {
    u8 type;
    u8 slave; /* ATA: device select; AHCI: port; floppy: unit */
    u8 removable;
    u8 lba48;
    u16 port;    /* ATA: command block */
    u16 control; /* ATA: device control */
    u16 sector_size;
    u16 pci; /* bus, device and function of the controller */
    u8 irq;
    u8 channel; /* ATA: 0 or 1 */
    u8 floppy;  /* CMOS type */
    u64 sectors;
    u16 pcyls, pheads, pspt; /* as the drive says */
    u16 cyls, heads, spt;    /* as INT 13h/AH=08h says */
    u32 driver;              /* AHCI, virtio: physical address of the driver's state */
    char name[48];
};

/* El Torito emulation (specification 1.0, figure 7): a drive whose sectors are on a CD. */
struct emulation {
    u8 active, media;
    u8 drive; /* the emulated BIOS number: 00h or 80h; no emulation: the CD's own */
    u8 cd;    /* index of the CD drive */
    u32 lba;  /* of the image, in CD sectors */
    u32 catalog;
    u16 load_segment, sector_count;
    u16 cyls;
    u8 heads, spt;
};

/* Where to boot from, in this order. */
enum boot_kind { BOOT_FLOPPY, BOOT_DISK, BOOT_CD, BOOT_ROM };
struct boot_entry {
    u8 kind, index;
    u16 segment, offset; /* BOOT_ROM: bootstrap entry vector */
    u16 device;          /* the PCI function it is of; 0: none */
    char name[56];
};

/* What 16-bit code asks 32-bit code to do: call32(function, physical address of arguments). */
enum call32_function {
    CALL32_DISK, /* struct disk_request */
    CALL32_BOOT, /* INT 19h: from the first entry; does not return */
    CALL32_NEXT, /* INT 18h: from the next entry; does not return */
    CALL32_PMM,  /* struct pmm_request */
    CALL32_COPY, /* struct copy_request */
};

enum disk_command { DISK_READ, DISK_WRITE, DISK_VERIFY };
struct disk_request {
    u32 drive; /* physical address of struct drive */
    u32 command;
    u64 lba;
    u32 count;
    u32 buffer; /* physical */
};

struct pmm_request {
    u16 function;
    u32 args[3];
};

struct copy_request {
    u32 to, from, bytes;
};

struct e820 {
    u64 base, size;
    u32 type;
} PACKED;
#define E820_RAM      1
#define E820_RESERVED 2
#define MAX_E820      32

/* Registers and target of call16: INT n, or a far call. */
struct call16 {
    struct regs r;
    u32 target; /* below 100h: INT, else segment and offset */
};

struct shared {
    struct drive disks[MAX_DISKS], cds[MAX_CDS], floppies[MAX_FLOPPY];
    u8 ndisks, ncds, nfloppies;
    u8 serial_console; /* no display adapter: COM1 is screen and keyboard */
    u8 boot_next;      /* index of the entry being booted */
    u8 nboot;
    u8 has_pm_timer;
    u16 pm_base;
    u8 last_bus; /* of PCI */
    u8 reserved;
    struct emulation emu;
    struct boot_entry boot[MAX_BOOT];
    struct e820 e820[MAX_E820];
    u32 ne820;
    u32 ram_below_4g; /* the end of what INT 15h reports; firmware's tables are above */
    u64 ram_above_4g;
    u32 pirq; /* physical address of $PIR, 0: none */
};

/* In the F segment. */
extern struct shared shared;
extern struct call16 call16_block;
extern u32 stack32; /* where call32 goes on with its stack */
extern u8 fseg_heap[FSEG_HEAP], font_8x8[1024], dpt[11];
extern u32 posted; /* POST has run; not so in the ROM, and so after a reset */

#ifndef CODE32
/* Physical address of something in the F segment. */
#define PHYS(p) (0xf0000u + (u32)(p))
u32 call32(u32 function, u32 argument); /* -1: not possible in virtual-8086 mode */
#endif

#endif
