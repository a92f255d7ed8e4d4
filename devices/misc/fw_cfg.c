/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_cfg: how the machine tells firmware and guests what it consists of (QEMU
 * docs/specs/fw_cfg.rst). An item is selected by number at the selector port and read byte by byte
 * at the data port, or copied by DMA. Items from 0x20 on are files, listed in item 0x19.
 *
 * Items are read-only: a DMA write is answered with the error bit. */
#include "devices/misc/fw_cfg.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "vm/machine.h"

#define FW_CFG_ID_TRADITIONAL 0x1
#define FW_CFG_ID_DMA         0x2
#define FW_CFG_DMA_SIGNATURE  0x51454d5520434647ull /* "QEMU CFG" */

/* Control word of struct FWCfgDmaAccess. */
#define DMA_CTL_ERROR  0x01
#define DMA_CTL_READ   0x02
#define DMA_CTL_SKIP   0x04
#define DMA_CTL_SELECT 0x08
#define DMA_CTL_WRITE  0x10

#define FW_CFG_ARCH 0x8000 /* the first key of the architecture's items */

/* Numbers inside items are little endian, those of the directory and of DMA big endian. */
static void put_be32(uint8_t *p, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint64_t get_be(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value = value << 8 | p[i];
    return value;
}

/* ---- reading ---- */

/* The item of a key; bit 14 (write) and unknown keys select nothing: NULL. */
static struct fw_cfg_item *item_of(struct fw_cfg *s, uint16_t key)
{
    if (key < FW_CFG_NUM_KEYS)
        return &s->items[key];
    if (key >= FW_CFG_ARCH && key <= FW_CFG_ARCH_LAST)
        return &s->arch_items[key - FW_CFG_ARCH];
    return NULL;
}

static void refresh(struct fw_cfg *s)
{
    struct fw_cfg_item *item = item_of(s, s->selector);

    if (item && item->refresh)
        item->refresh(item->opaque);
}

static void select_item(struct fw_cfg *s, uint16_t key)
{
    s->selector = key;
    s->offset = 0;
    refresh(s);
}

/* What is left of the item. */
static uint32_t remaining(struct fw_cfg *s)
{
    const struct fw_cfg_item *item = item_of(s, s->selector);

    return item && s->offset < item->size ? item->size - s->offset : 0;
}

static uint8_t read_data(struct fw_cfg *s)
{
    return remaining(s) ? item_of(s, s->selector)->data[s->offset++] : 0;
}

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    struct fw_cfg *s = opaque;

    return offset == 1 && size == 1 ? read_data(s) : 0;
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (offset == 0 && size == 2)
        select_item(opaque, (uint16_t)value);
}

/* ---- DMA ---- */

/* Past its end an item reads as zeros. The guest chooses the length, so the copy stops at what the
 * machine has of memory: more than that overwrites itself. */
static bool dma_read(struct fw_cfg *s, uint64_t address, uint32_t length)
{
    struct address_space *mem = &s->dev.m->mem;
    uint32_t n = remaining(s) < length ? remaining(s) : length;
    static const uint8_t zeros[4096];

    if (length > s->dev.m->ram_size)
        return false;
    if (n)
        address_space_write_block(mem, address, item_of(s, s->selector)->data + s->offset, n);
    s->offset += n;
    for (uint32_t done = n, piece; done < length; done += piece) {
        piece = length - done < sizeof(zeros) ? length - done : (uint32_t)sizeof(zeros);
        address_space_write_block(mem, address + done, zeros, piece);
    }
    return true;
}

static bool dma_command(struct fw_cfg *s, uint32_t control, uint32_t length, uint64_t address)
{
    if (control & DMA_CTL_SELECT)
        select_item(s, (uint16_t)(control >> 16));
    if (control & DMA_CTL_READ)
        return dma_read(s, address, length);
    if (control & DMA_CTL_WRITE)
        return false;
    if (control & DMA_CTL_SKIP)
        s->offset += remaining(s) < length ? remaining(s) : length;
    return true;
}

/* struct FWCfgDmaAccess { be32 control; be32 length; be64 address; }; control is written back as
 * zero, or with the error bit. */
static void dma_run(struct fw_cfg *s)
{
    struct address_space *mem = &s->dev.m->mem;
    uint64_t at = s->dma_address;
    uint8_t access[16], result[4];
    bool ok;

    s->dma_address = 0;
    address_space_read_block(mem, at, access, sizeof(access));
    ok = dma_command(s, (uint32_t)get_be(access, 4), (uint32_t)get_be(access + 4, 4),
                     get_be(access + 8, 8));
    put_be32(result, ok ? 0 : DMA_CTL_ERROR);
    address_space_write_block(mem, at, result, sizeof(result));
}

static uint64_t dma_reg_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    (void)opaque;
    for (unsigned i = 0; i < size; i++)
        value |= (FW_CFG_DMA_SIGNATURE >> (56 - 8 * ((offset + i) & 7)) & 0xff) << 8 * i;
    return value;
}

/* The register is big endian: the high half at offset 0; writing the low half starts. */
static void dma_reg_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct fw_cfg *s = opaque;
    uint32_t half = __builtin_bswap32((uint32_t)value);

    if (size != 4)
        return;
    if (offset == 0) {
        s->dma_address = (uint64_t)half << 32;
    } else if (offset == 4) {
        s->dma_address |= half;
        dma_run(s);
    }
}

/* ---- items ---- */

bool fw_cfg_add(struct fw_cfg *s, uint16_t key, const void *data, uint32_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    struct fw_cfg_item *item = item_of(s, key);

    assert(item);
    if (!copy)
        return false;
    if (size)
        memcpy(copy, data, size);
    free(item->data);
    *item = (struct fw_cfg_item){.data = copy, .size = size};
    return true;
}

static bool add_le(struct fw_cfg *s, uint16_t key, uint64_t value, unsigned size)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    return fw_cfg_add(s, key, bytes, size);
}

bool fw_cfg_add_u16(struct fw_cfg *s, uint16_t key, uint16_t value)
{
    return add_le(s, key, value, 2);
}

bool fw_cfg_add_u32(struct fw_cfg *s, uint16_t key, uint32_t value)
{
    return add_le(s, key, value, 4);
}

bool fw_cfg_add_u64(struct fw_cfg *s, uint16_t key, uint64_t value)
{
    return add_le(s, key, value, 8);
}

/* Item 0x19: be32 count, then { be32 size; be16 select; be16 reserved; char name[56]; } each. */
static bool rebuild_directory(struct fw_cfg *s)
{
    uint8_t dir[4 + 64 * FW_CFG_MAX_FILES] = {0};

    put_be32(dir, s->nfiles);
    for (unsigned i = 0; i < s->nfiles; i++) {
        uint8_t *entry = dir + 4 + 64 * i;

        put_be32(entry, s->items[FW_CFG_FILE_FIRST + i].size);
        entry[5] = (uint8_t)(FW_CFG_FILE_FIRST + i);
        memcpy(entry + 8, s->names[i], FW_CFG_NAME_MAX);
    }
    return fw_cfg_add(s, FW_CFG_FILE_DIR, dir, 4 + 64 * s->nfiles);
}

static struct fw_cfg_item *file_named(struct fw_cfg *s, const char *name)
{
    for (unsigned i = 0; i < s->nfiles; i++)
        if (strcmp(s->names[i], name) == 0)
            return &s->items[FW_CFG_FILE_FIRST + i];
    return NULL;
}

bool fw_cfg_add_file(struct fw_cfg *s, const char *name, const void *data, uint32_t size)
{
    if (s->nfiles == FW_CFG_MAX_FILES || strlen(name) >= FW_CFG_NAME_MAX)
        return false;
    if (file_named(s, name) ||
        !fw_cfg_add(s, (uint16_t)(FW_CFG_FILE_FIRST + s->nfiles), data, size))
        return false;
    memcpy(s->names[s->nfiles++], name, strlen(name) + 1);
    return rebuild_directory(s);
}

void fw_cfg_on_select(struct fw_cfg *s, const char *name, void (*fn)(void *opaque), void *opaque)
{
    struct fw_cfg_item *item = file_named(s, name);

    assert(item);
    item->refresh = fn;
    item->opaque = opaque;
}

void fw_cfg_set_file(struct fw_cfg *s, const char *name, const void *data)
{
    struct fw_cfg_item *item = file_named(s, name);

    assert(item);
    memcpy(item->data, data, item->size);
}

/* ---- life ---- */

static void fw_cfg_reset(struct device *dev)
{
    struct fw_cfg *s = (struct fw_cfg *)dev;

    select_item(s, FW_CFG_SIGNATURE);
    s->dma_address = 0;
}

/* What the items are made of was loaded with the other devices. */
static bool fw_cfg_post_load(struct device *dev, struct error *err)
{
    (void)err;
    refresh((struct fw_cfg *)dev);
    return true;
}

static const struct state_field fw_cfg_fields[] = {
    STATE_U16(struct fw_cfg, selector),
    STATE_U32(struct fw_cfg, offset),
    STATE_U64(struct fw_cfg, dma_address),
    STATE_FIELDS_END,
};

static const struct device_class fw_cfg_class = {
    .type = "fw-cfg",
    .version = 1,
    .fields = fw_cfg_fields,
    .reset = fw_cfg_reset,
    .post_load = fw_cfg_post_load,
};

void fw_cfg_init(struct fw_cfg *s, struct machine *m, const char *id, uint16_t base)
{
    static const struct region_ops port_ops = {
        .read = port_read, .write = port_write, .min_size = 1, .max_size = 2};
    static const struct region_ops dma_ops = {
        .read = dma_reg_read, .write = dma_reg_write, .min_size = 1, .max_size = 4};

    memset(s, 0, sizeof(*s));
    device_init(&s->dev, m, &fw_cfg_class, id);
    region_init_device(&s->port, "fw-cfg", 2, &port_ops, s);
    region_init_device(&s->dma, "fw-cfg-dma", 8, &dma_ops, s);
    region_add(&m->io, &s->port, base, 0);
    region_add(&m->io, &s->dma, base + 4u, 0);
    fw_cfg_add(s, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_add_u32(s, FW_CFG_ID, FW_CFG_ID_TRADITIONAL | FW_CFG_ID_DMA);
    rebuild_directory(s);
    fw_cfg_reset(&s->dev);
}

static void free_items(struct fw_cfg_item *items, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        free(items[i].data);
        items[i] = (struct fw_cfg_item){0};
    }
}

void fw_cfg_destroy(struct fw_cfg *s)
{
    free_items(s->items, FW_CFG_NUM_KEYS);
    free_items(s->arch_items, FW_CFG_NUM_ARCH);
}
