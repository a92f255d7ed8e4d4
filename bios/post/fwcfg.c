/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firmware configuration device (QEMU docs/specs/fw_cfg.rst) and its table loader (the commands
 * of "etc/table-loader", described with QEMU's bios-linker-loader). */
#include "post.h"

#define SELECT   0x510
#define DATA     0x511
#define DMA_HIGH 0x514
#define DMA_LOW  0x518

#define KEY_SIGNATURE 0x00
#define KEY_ID        0x01
#define KEY_DIR       0x19

static bool present, dma;

static u32 be32(u32 v)
{
    return __builtin_bswap32(v);
}

static void select_key(u16 key)
{
    outw(SELECT, key);
}

static void read_data(void *to, u32 n)
{
    asm volatile("rep insb" : "+D"(to), "+c"(n) : "d"(DATA) : "memory");
}

void fwcfg_init(void)
{
    char signature[4];
    u32 id = 0;

    select_key(KEY_SIGNATURE);
    read_data(signature, 4);
    present = memcmp(signature, "QEMU", 4) == 0;
    if (!present)
        return;
    select_key(KEY_ID);
    read_data(&id, 4);
    dma = id & 2;
}

bool fwcfg_present(void)
{
    return present;
}

/* ---- DMA ---- */

struct dma_access {
    u32 control, length; /* big endian, as the address */
    u32 address_high, address;
};
#define DMA_ERROR  1
#define DMA_READ   2
#define DMA_SKIP   4
#define DMA_SELECT 8
#define DMA_WRITE  16

static bool do_dma(u32 control, void *at, u32 n)
{
    static volatile struct dma_access a __attribute__((aligned(16)));

    a.control = be32(control);
    a.length = be32(n);
    a.address_high = 0;
    a.address = be32((u32)at);
    BARRIER();
    outl(DMA_HIGH, 0);
    outl(DMA_LOW, be32((u32)&a));
    while (be32(a.control) & ~(u32)DMA_ERROR)
        BARRIER();
    return !(be32(a.control) & DMA_ERROR);
}

/* ---- items and files ---- */

void fwcfg_read_key(u16 key, void *to, u32 size)
{
    if (!present) {
        memset(to, 0, size);
        return;
    }
    if (dma && size >= 64) {
        do_dma((u32)key << 16 | DMA_SELECT | DMA_READ, to, size);
        return;
    }
    select_key(key);
    read_data(to, size);
}

bool fwcfg_write(u16 key, u32 offset, const void *from, u32 size)
{
    return dma && do_dma((u32)key << 16 | DMA_SELECT | DMA_SKIP, NULL, offset) &&
           do_dma(DMA_WRITE, (void *)from, size);
}

struct file {
    u32 size;
    u16 key, reserved;
    char name[56];
};

/* File number i of the directory, which is read from its beginning each time. */
static bool get_file(u32 i, struct file *f)
{
    u32 n;

    select_key(KEY_DIR);
    read_data(&n, 4);
    if (i >= be32(n) || i >= 1024)
        return false;
    for (u32 j = 0; j <= i; j++)
        read_data(f, sizeof(*f));
    f->size = be32(f->size);
    f->key = (u16)(f->key >> 8 | f->key << 8);
    f->name[55] = 0;
    return true;
}

u32 fwcfg_find(const char *name, u32 *size)
{
    struct file f;

    if (!present)
        return 0;
    for (u32 i = 0; get_file(i, &f); i++)
        if (strcmp(f.name, name) == 0) {
            *size = f.size;
            return f.key;
        }
    return 0;
}

void fwcfg_each(const char *prefix, void (*visit)(const char *name, u32 key, u32 size))
{
    struct file f;

    if (!present)
        return;
    for (u32 i = 0; get_file(i, &f); i++)
        if (starts_with(f.name, prefix))
            visit(f.name, f.key, f.size);
}

/* ---- the table loader ---- */

enum { CMD_ALLOCATE = 1, CMD_ADD_POINTER = 2, CMD_ADD_CHECKSUM = 3, CMD_WRITE_POINTER = 4 };
#define ZONE_FSEG 2

struct command {
    u32 command;
    union {
        struct {
            char file[56];
            u32 align;
            u8 zone;
        } PACKED allocate;
        struct {
            char dest[56], src[56];
            u32 offset;
            u8 size;
        } PACKED pointer;
        struct {
            char file[56];
            u32 offset, start, length;
        } PACKED checksum;
        struct {
            char dest[56], src[56];
            u32 dest_offset, src_offset;
            u8 size;
        } PACKED write;
        u8 pad[124];
    };
} PACKED;
_Static_assert(sizeof(struct command) == 128, "table loader");

#define MAX_BLOBS 16
static struct blob {
    char name[56];
    u8 *data;
    u32 size;
} blobs[MAX_BLOBS];
static u32 nblobs;

static struct blob *find_blob(const char *name)
{
    for (u32 i = 0; i < nblobs; i++)
        if (strcmp(blobs[i].name, name) == 0)
            return &blobs[i];
    return NULL;
}

static bool allocate(const struct command *c)
{
    struct blob *b = &blobs[nblobs];
    u32 key = fwcfg_find(c->allocate.file, &b->size), align = MAX(c->allocate.align, 16);

    if (!key || nblobs == MAX_BLOBS || align & (align - 1))
        return false;
    b->data = c->allocate.zone == ZONE_FSEG ? alloc_fseg(b->size) : alloc_high(b->size, align);
    if (!b->data)
        return false;
    memcpy(b->name, c->allocate.file, sizeof(b->name));
    fwcfg_read_key((u16)key, b->data, b->size);
    nblobs++;
    return true;
}

static bool add_pointer(const struct command *c)
{
    struct blob *dest = find_blob(c->pointer.dest), *src = find_blob(c->pointer.src);
    u32 offset = c->pointer.offset, size = c->pointer.size;
    u64 v = 0;

    if (!dest || !src || size > 8 || offset > dest->size || size > dest->size - offset)
        return false;
    memcpy(&v, dest->data + offset, size);
    v += (u32)src->data;
    memcpy(dest->data + offset, &v, size);
    return true;
}

static bool add_checksum(const struct command *c)
{
    struct blob *b = find_blob(c->checksum.file);
    u32 start = c->checksum.start, length = c->checksum.length;

    if (!b || c->checksum.offset >= b->size || start > b->size || length > b->size - start)
        return false;
    b->data[c->checksum.offset] = (u8)(b->data[c->checksum.offset] - sum8(b->data + start, length));
    return true;
}

static bool write_pointer(const struct command *c)
{
    struct blob *src = find_blob(c->write.src);
    u32 size, key = fwcfg_find(c->write.dest, &size);
    u64 v;

    if (!src || !key || c->write.size > 8 || c->write.src_offset > src->size)
        return false;
    v = (u32)src->data + c->write.src_offset;
    return fwcfg_write((u16)key, c->write.dest_offset, &v, c->write.size);
}

static bool run_command(const struct command *c)
{
    switch (c->command) {
    case CMD_ALLOCATE:
        return allocate(c);
    case CMD_ADD_POINTER:
        return add_pointer(c);
    case CMD_ADD_CHECKSUM:
        return add_checksum(c);
    case CMD_WRITE_POINTER:
        return write_pointer(c);
    default:
        return true; /* a later command: to be left out, says its author */
    }
}

void loader_run(void)
{
    u32 size, key = fwcfg_find("etc/table-loader", &size);
    struct command c;

    if (!key)
        return;
    for (u32 at = 0; at + sizeof(c) <= size; at += sizeof(c)) {
        /* The selector goes back to the beginning with every file: skip to the command. */
        select_key((u16)key);
        for (u32 i = 0; i < at; i += sizeof(c))
            read_data(&c, sizeof(c));
        read_data(&c, sizeof(c));
        if (!run_command(&c)) {
            debug("ACPI: table loader command %u at %u failed\n", c.command, at);
            return;
        }
    }
}
