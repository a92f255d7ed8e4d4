/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flash with the Intel command set (28F160 datasheet, order number 290667; JESD68). Bits are
 * cleared by programming and set by erasing a block. Operations take no time, so that nothing can
 * be suspended; blocks are not locked, a write-protected chip refuses all.
 *
 * The contents are saved with the machine's memory. */
#include "devices/storage/cfi01.h"

#include <string.h>

#include "base/error.h"
#include "vm/machine.h"

enum {
    STATUS_READY = 0x80,
    STATUS_ERASE_ERROR = 0x20,
    STATUS_PROGRAM_ERROR = 0x10,
    STATUS_PROTECTED = 0x02,
};

#define MANUFACTURER 0x89
#define DEVICE_CODE  0x18

static uint8_t *contents(const struct cfi01 *f)
{
    return f->dev.m->arena.host + f->arena_at;
}

/* ---- the image ---- */

static void write_back(struct cfi01 *f);

static void written(struct block_request *r, int error)
{
    struct cfi01 *f = r->opaque;

    f->writing = false;
    if (error) /* the back end has told the user */
        f->status |= STATUS_PROGRAM_ERROR;
    write_back(f);
}

/* What has changed since the last write began, a piece at a time. */
static void write_back(struct cfi01 *f)
{
    uint32_t n = f->dirty_to - f->dirty_from;

    if (f->writing || !n)
        return;
    n = n < CFI01_WRITEBACK ? n : CFI01_WRITEBACK;
    memcpy(f->writeback, contents(f) + f->dirty_from, n);
    f->request = (struct block_request){.op = BLOCK_WRITE,
                                        .offset = f->dirty_from,
                                        .length = n,
                                        .data = f->writeback,
                                        .done = written,
                                        .opaque = f};
    f->dirty_from += n;
    if (f->dirty_from == f->dirty_to)
        f->dirty_from = f->dirty_to = 0;
    f->writing = true;
    blockdev_submit(f->disk, &f->request);
}

static void changed(struct cfi01 *f, uint32_t at, uint32_t n)
{
    uint32_t from = at / BLOCK_SECTOR * BLOCK_SECTOR;
    uint32_t to = (at + n + BLOCK_SECTOR - 1) / BLOCK_SECTOR * BLOCK_SECTOR;

    arena_store_notify(&f->dev.m->arena, f->arena_at + at, n);
    if (f->dirty_from == f->dirty_to)
        f->dirty_from = from, f->dirty_to = to;
    f->dirty_from = from < f->dirty_from ? from : f->dirty_from;
    f->dirty_to = to > f->dirty_to ? to : f->dirty_to;
    write_back(f);
}

/* ---- operations ---- */

/* The map shows the contents, or asks for registers. */
static void set_mode(struct cfi01 *f, enum cfi01_mode mode)
{
    f->mode = (uint8_t)mode;
    region_set_memory(&f->region, mode == CFI01_ARRAY ? f->arena_at : ARENA_NONE, ARENA_NONE);
}

static bool is_protected(struct cfi01 *f, uint8_t error)
{
    f->status |= STATUS_READY;
    if (!blockdev_read_only(f->disk))
        return false;
    f->status |= error | STATUS_PROTECTED;
    return true;
}

static void program(struct cfi01 *f, uint32_t at, uint8_t value)
{
    if (is_protected(f, STATUS_PROGRAM_ERROR))
        return;
    arena_before_store(&f->dev.m->arena, f->arena_at + at, 1);
    contents(f)[at] &= value;
    changed(f, at, 1);
}

static void erase(struct cfi01 *f, uint32_t at)
{
    at = at / CFI01_BLOCK * CFI01_BLOCK;
    if (is_protected(f, STATUS_ERASE_ERROR))
        return;
    arena_before_store(&f->dev.m->arena, f->arena_at + at, CFI01_BLOCK);
    memset(contents(f) + at, 0xff, CFI01_BLOCK);
    changed(f, at, CFI01_BLOCK);
}

/* ---- commands ---- */

static void command(struct cfi01 *f, uint8_t value)
{
    switch (value) {
    case 0x10:
    case 0x40:
        set_mode(f, CFI01_PROGRAM);
        break;
    case 0x20:
        set_mode(f, CFI01_ERASE);
        break;
    case 0x50: /* Clear status. The ready bit goes, too, until something is done: UEFI firmware
                * takes a status of 0 for the sign that this is flash (OVMF, QemuFlashDetected). */
        f->status = 0;
        set_mode(f, CFI01_ARRAY);
        break;
    case 0x60:
        set_mode(f, CFI01_LOCK);
        break;
    case 0x70:
        set_mode(f, CFI01_STATUS);
        break;
    case 0x90:
        set_mode(f, CFI01_ID);
        break;
    case 0x98:
        set_mode(f, CFI01_QUERY);
        break;
    case 0xe8:
        f->status |= STATUS_READY; /* the buffer is free */
        set_mode(f, CFI01_BUF_COUNT);
        break;
    case 0x00:
    case 0xf0:
    case 0xff:
        set_mode(f, CFI01_ARRAY);
        break;
    default:
        log_line(&f->dev.m->log, LOG_UNIMP, "%s: flash command %02xh", f->dev.id, value);
        set_mode(f, CFI01_ARRAY);
        break;
    }
}

static void buffered_byte(struct cfi01 *f, uint32_t at, uint8_t value)
{
    f->buf_at[f->buf_used] = at;
    f->buf[f->buf_used++] = value;
    if (f->buf_used == f->buf_count)
        set_mode(f, CFI01_BUF_CONFIRM);
}

static void begin_buffer(struct cfi01 *f, uint8_t value)
{
    f->buf_count = (uint16_t)(value + 1u);
    f->buf_used = 0;
    set_mode(f, CFI01_BUF_DATA);
}

/* The second write of a sequence: the wrong one makes it an error in sequence (SR.5 and SR.4). */
static void confirm(struct cfi01 *f, uint32_t at, uint8_t value)
{
    bool buffer = f->mode == CFI01_BUF_CONFIRM;

    if (value != 0xd0)
        f->status |= STATUS_READY | STATUS_ERASE_ERROR | STATUS_PROGRAM_ERROR;
    else if (!buffer)
        erase(f, at);
    for (unsigned i = 0; value == 0xd0 && buffer && i < f->buf_used; i++)
        program(f, f->buf_at[i], f->buf[i]);
    set_mode(f, CFI01_STATUS);
}

static void flash_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct cfi01 *f = opaque;
    uint32_t at = (uint32_t)offset;

    (void)size;
    switch (f->mode) {
    case CFI01_PROGRAM:
        program(f, at, (uint8_t)value);
        set_mode(f, CFI01_STATUS);
        break;
    case CFI01_ERASE:
    case CFI01_BUF_CONFIRM:
        confirm(f, at, (uint8_t)value);
        break;
    case CFI01_LOCK:
        f->status |= STATUS_READY;
        set_mode(f, CFI01_STATUS);
        break;
    case CFI01_BUF_COUNT:
        begin_buffer(f, (uint8_t)value);
        break;
    case CFI01_BUF_DATA:
        buffered_byte(f, at, (uint8_t)value);
        break;
    default:
        command(f, (uint8_t)value);
        break;
    }
}

/* ---- reading ---- */

static unsigned log2_of(uint32_t n)
{
    return n ? 31u - (unsigned)__builtin_clz(n) : 0;
}

/* JESD68 4.3: identification, voltages and times, geometry. */
static uint8_t query(const struct cfi01 *f, uint32_t at)
{
    static const uint8_t table[0x27 - 0x10] = {
        'Q',  'R', 'Y', 0x01, 0x00, 0x31, 0x00, 0,    0,    0,    0, 0x45,
        0x55, 0,   0,   0x07, 0x07, 0x0a, 0,    0x04, 0x04, 0x04, 0,
    };
    uint32_t blocks = f->size / CFI01_BLOCK;
    const uint8_t geometry[10] = {(uint8_t)log2_of(f->size),
                                  0, /* x8 */
                                  0,
                                  8, /* log2 of the buffer's size */
                                  0,
                                  1, /* one kind of blocks */
                                  (uint8_t)(blocks - 1),
                                  (uint8_t)((blocks - 1) >> 8),
                                  (uint8_t)(CFI01_BLOCK / 256),
                                  (uint8_t)(CFI01_BLOCK / 256 >> 8)};

    if (at >= 0x10 && at < 0x27)
        return table[at - 0x10];
    return at >= 0x27 && at < 0x31 ? geometry[at - 0x27] : 0;
}

static uint8_t identify(uint32_t at)
{
    switch (at & 0xff) {
    case 0:
        return MANUFACTURER;
    case 1:
        return DEVICE_CODE;
    default: /* 2: not locked */
        return 0;
    }
}

static uint64_t flash_read(void *opaque, uint64_t offset, unsigned size)
{
    struct cfi01 *f = opaque;

    (void)size;
    if (f->mode == CFI01_ID)
        return identify((uint32_t)offset);
    if (f->mode == CFI01_QUERY)
        return query(f, (uint32_t)offset & 0xff);
    return f->status;
}

/* ---- life ---- */

static void reset(struct device *dev)
{
    struct cfi01 *f = (struct cfi01 *)dev;

    f->status = 0;
    f->buf_count = f->buf_used = 0;
    memset(f->buf_at, 0, sizeof(f->buf_at));
    memset(f->buf, 0, sizeof(f->buf));
    set_mode(f, CFI01_ARRAY);
}

static void pre_save(struct device *dev)
{
    blockdev_drain(((struct cfi01 *)dev)->disk);
}

static bool post_load(struct device *dev, struct error *err)
{
    struct cfi01 *f = (struct cfi01 *)dev;

    (void)err;
    for (unsigned i = 0; i < CFI01_BUFFER; i++)
        f->buf_at[i] %= f->size;
    if (f->mode == CFI01_BUF_DATA && f->buf_used >= f->buf_count)
        f->mode = CFI01_STATUS;
    set_mode(f, f->mode);
    return true;
}

static const struct state_field fields[] = {
    STATE_U8_MAX(struct cfi01, mode, CFI01_BUF_CONFIRM),
    STATE_U8(struct cfi01, status),
    STATE_U16_MAX(struct cfi01, buf_count, CFI01_BUFFER),
    STATE_U16_MAX(struct cfi01, buf_used, CFI01_BUFFER),
    STATE_ARRAY(STATE_U32, struct cfi01, buf_at, CFI01_BUFFER),
    STATE_BYTES(struct cfi01, buf),
    STATE_FIELDS_END,
};

static const struct device_class class = {.type = "cfi.pflash01",
                                          .version = 1,
                                          .fields = fields,
                                          .reset = reset,
                                          .pre_save = pre_save,
                                          .post_load = post_load};

static void was_read(struct block_request *r, int error)
{
    *(int *)r->opaque = error;
}

static bool read_image(struct cfi01 *f, struct error *err)
{
    int error = 0;

    f->request = (struct block_request){.op = BLOCK_READ,
                                        .length = f->size,
                                        .data = contents(f),
                                        .done = was_read,
                                        .opaque = &error};
    blockdev_submit(f->disk, &f->request);
    blockdev_drain(f->disk);
    return !error || error_set(err, "%s: the image cannot be read: %s", f->dev.id, strerror(error));
}

bool cfi01_init(struct cfi01 *f, struct machine *m, const char *id, uint64_t end,
                struct blockdev *disk, struct error *err)
{
    static const struct region_ops ops = {
        .read = flash_read, .write = flash_write, .min_size = 1, .max_size = 1};
    const struct blockdev_events events = {.opaque = f};
    uint64_t size = blockdev_geometry(disk).size;

    memset(f, 0, sizeof(*f));
    device_init(&f->dev, m, &class, id);
    f->disk = disk;
    f->size = (uint32_t)size;
    f->arena_at = arena_alloc(&m->arena, size);
    if (f->arena_at == ARENA_NONE)
        return error_set(err, "%s: no memory for %llu bytes of flash", id,
                         (unsigned long long)size);
    blockdev_connect(disk, m, &events);
    arena_before_store(&m->arena, f->arena_at, size);
    if (!read_image(f, err))
        return false;
    arena_store_notify(&m->arena, f->arena_at, size);
    region_init_flash(&f->region, id, size, f->arena_at, &ops, f);
    region_add(&m->mem, &f->region, end - size, 3);
    reset(&f->dev);
    return true;
}
