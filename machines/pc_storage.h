/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_PC_STORAGE_H
#define CALQUE_MACHINES_PC_STORAGE_H

#include "devices/storage/ahci.h"
#include "devices/storage/cfi01.h"
#include "devices/storage/fdc82078.h"
#include "devices/storage/piix_ide.h"
#include "devices/virtio/virtio_blk.h"
#include "machines/pc_pci.h"

#define PC_NUM_IDE        4
#define PC_MAX_VIRTIO_BLK 16
#define PC_MAX_AHCI       2
#define PC_NUM_FLASH      2
#define PC_FLASH_MAX      0x800000u /* bytes of all flash */

/* What the PC's storage controllers have at their connectors: drives, which must stay. */
struct pc_storage_config {
    struct ide_drive_config ide[PC_NUM_IDE]; /* primary master and slave, secondary likewise */
    struct pc_virtio_blk {
        struct blockdev *disk;
        unsigned queues;
        bool modern_only;
        struct pc_pci_place place;
    } virtio_blk[PC_MAX_VIRTIO_BLK];
    unsigned nvirtio_blk;
    struct ide_drive_config ahci[PC_MAX_AHCI][AHCI_NUM_PORTS];
    struct pc_pci_place ahci_place[PC_MAX_AHCI];
    unsigned nahci;
    struct blockdev *floppy[FDC_NUM_DRIVES]; /* NULL: no drive */
    /* The first one's end is that of the first 4 GiB, and it is started; the second is below. */
    struct blockdev *flash[PC_NUM_FLASH];
};

struct pc_storage {
    struct piix_ide ide; /* 00:01.1 */
    struct virtio_blk virtio_blk[PC_MAX_VIRTIO_BLK];
    struct fdc82078 fdc;
    struct cfi01 flash[PC_NUM_FLASH];
    struct ahci ahci[PC_MAX_AHCI];
    char virtio_blk_id[PC_MAX_VIRTIO_BLK][16];
};

struct error;
struct pc;

/* Before the host bridge: the flash chips, which firmware is in. */
bool pc_add_flash(struct pc *pc, struct error *err);
/* After the PCI bus and what is always on it. */
void pc_wire_storage(struct pc *pc);
/* Drives and network cards that have a place in the boot order, first to last: a line with an Open
 * Firmware path for each, as fw_cfg's "bootorder" has them; PC_BOOT_LIST_SIZE is enough. Returns
 * how many. */
#define PC_BOOT_LIST_SIZE 7680
unsigned pc_boot_list(const struct pc *pc, char list[PC_BOOT_LIST_SIZE]);

#endif
