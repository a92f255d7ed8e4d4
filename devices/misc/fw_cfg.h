/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_MISC_FW_CFG_H
#define CALQUE_DEVICES_MISC_FW_CFG_H

#include <stddef.h>

#include "vm/device.h"
#include "vm/memory.h"

/* Selectors of fixed items (QEMU docs/specs/fw_cfg.rst). */
enum fw_cfg_key {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_KERNEL_ADDR = 0x07,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_ADDR = 0x0a,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_BOOT_MENU = 0x0e,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_SETUP_ADDR = 0x16,
    FW_CFG_SETUP_SIZE = 0x17,
    FW_CFG_SETUP_DATA = 0x18,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    /* Of the architecture (bit 15). */
    FW_CFG_IRQ0_OVERRIDE = 0x8002,
    FW_CFG_ARCH_LAST = 0x8002,
};

#define FW_CFG_MAX_FILES 32
#define FW_CFG_NUM_KEYS  (FW_CFG_FILE_FIRST + FW_CFG_MAX_FILES)
#define FW_CFG_NUM_ARCH  (FW_CFG_ARCH_LAST - 0x8000 + 1)
#define FW_CFG_NAME_MAX  56 /* with the terminating zero */

struct fw_cfg_item {
    uint8_t *data; /* owned */
    uint32_t size;
    /* Brings the bytes up to date when the guest selects the item; NULL: they never change. */
    void (*refresh)(void *opaque);
    void *opaque;
};

struct fw_cfg {
    struct device dev;
    uint16_t selector;
    uint32_t offset;      /* in the selected item */
    uint64_t dma_address; /* as far as written */
    struct fw_cfg_item items[FW_CFG_NUM_KEYS];
    struct fw_cfg_item arch_items[FW_CFG_NUM_ARCH];
    char names[FW_CFG_MAX_FILES][FW_CFG_NAME_MAX];
    unsigned nfiles;
    struct region port, dma;
};

/* Ports base (selector), base + 1 (data), base + 4 (DMA address). */
void fw_cfg_init(struct fw_cfg *s, struct machine *m, const char *id, uint16_t base);
void fw_cfg_destroy(struct fw_cfg *s);
/* Items are added before the machine runs; data is copied. False when memory is short, the table
 * is full or the name is too long or taken. */
bool fw_cfg_add(struct fw_cfg *s, uint16_t key, const void *data, uint32_t size);
bool fw_cfg_add_u16(struct fw_cfg *s, uint16_t key, uint16_t value);
bool fw_cfg_add_u32(struct fw_cfg *s, uint16_t key, uint32_t value);
bool fw_cfg_add_u64(struct fw_cfg *s, uint16_t key, uint64_t value);
bool fw_cfg_add_file(struct fw_cfg *s, const char *name, const void *data, uint32_t size);
/* Calls refresh(opaque) whenever the guest selects the file, which is there. */
void fw_cfg_on_select(struct fw_cfg *s, const char *name, void (*refresh)(void *opaque),
                      void *opaque);
/* New bytes for a file that is there, as many as it has. */
void fw_cfg_set_file(struct fw_cfg *s, const char *name, const void *data);

#endif
