/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Block device (OASIS virtio 1.2, 5.2): read, write, flush, get ID, discard, write zeroes.
 *
 * A request's data goes through a buffer of its own. What the buffers take together is bounded: a
 * guest that asks for more waits. */
#include "devices/virtio/virtio_blk.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "vm/machine.h"

#define F_SEG_MAX      (1ull << 2)
#define F_GEOMETRY     (1ull << 4)
#define F_RO           (1ull << 5)
#define F_BLK_SIZE     (1ull << 6)
#define F_FLUSH        (1ull << 9)
#define F_TOPOLOGY     (1ull << 10)
#define F_CONFIG_WCE   (1ull << 11)
#define F_MQ           (1ull << 12)
#define F_DISCARD      (1ull << 13)
#define F_WRITE_ZEROES (1ull << 14)

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };

/* Offsets in the configuration (5.2.4). */
enum {
    C_CAPACITY = 0,
    C_SEG_MAX = 12,
    C_CYLINDERS = 16,
    C_HEADS = 18,
    C_SECTORS = 19,
    C_BLK_SIZE = 20,
    C_PHYSICAL_EXP = 24,
    C_WRITEBACK = 32,
    C_NUM_QUEUES = 34,
    C_DISCARD_SECTORS = 36,
    C_DISCARD_SEG = 40,
    C_DISCARD_ALIGNMENT = 44,
    C_ZEROES_SECTORS = 48,
    C_ZEROES_SEG = 52,
    C_ZEROES_UNMAP = 56,
    C_SIZE = 60,
};

#define HEADER_SIZE   16u
#define RANGE_SIZE    16u /* of discard and write zeroes: one range a request */
#define ID_SIZE       20u
#define MAX_DATA      (32u << 20) /* bytes of a request */
#define MAX_IN_FLIGHT (64u << 20)
#define MAX_RANGE     (1u << 22) /* sectors */

struct request {
    struct virtq_element e;
    struct block_request block;
    struct virtio_blk *s;
    struct virtqueue *q;
    uint32_t type;
    uint64_t sector;
    uint8_t *data;
    uint32_t length; /* of data */
};

static struct virtio_blk *blk_of(struct virtio_device *v)
{
    return v->owner;
}

/* ---- answers ---- */

/* The status is the last of the bytes that the device writes. */
static void answer(struct request *r, uint8_t status, uint32_t written)
{
    struct virtio_device *v = &r->s->bus.virtio;

    virtq_write(v, &r->e, r->e.in_bytes - 1, &status, 1);
    virtq_push(v, r->q, r->e.head, written + 1);
    virtq_interrupt(v, r->q);
    r->s->bytes -= r->data ? r->length : 0;
    free(r->data);
    free(r);
}

static void take_requests(struct virtio_blk *s, struct virtqueue *q);

static void done(struct block_request *b, int error)
{
    struct request *r = b->opaque;
    struct virtio_blk *s = r->s;
    bool was_full = s->bytes >= MAX_IN_FLIGHT;
    uint32_t written = 0;

    if (!error && r->type == T_IN)
        written = (uint32_t)virtq_write(&s->bus.virtio, &r->e, 0, r->data, r->length);
    answer(r, error ? S_IOERR : S_OK, written);
    for (unsigned n = 0; was_full && !s->resetting && n < s->bus.virtio.nqueues; n++)
        take_requests(s, &s->bus.virtio.queue[n]);
}

/* ---- requests ---- */

static void submit(struct request *r, enum block_op op, uint64_t length)
{
    struct virtio_device *v = &r->s->bus.virtio;
    bool cached = virtio_has(v, F_FLUSH) || virtio_has(v, F_CONFIG_WCE);

    r->block = (struct block_request){.op = op,
                                      .offset = r->sector * BLOCK_SECTOR,
                                      .length = length,
                                      .data = r->data,
                                      .fua = op == BLOCK_WRITE && !cached,
                                      .done = done,
                                      .opaque = r};
    if (op == BLOCK_FLUSH)
        r->block.offset = 0;
    blockdev_submit(r->s->disk, &r->block);
}

static bool in_range(const struct virtio_blk *s, uint64_t sector, uint64_t count)
{
    uint64_t size = blockdev_geometry(s->disk).size / BLOCK_SECTOR;

    return sector <= size && count <= size - sector;
}

static void read_write(struct request *r)
{
    struct virtio_blk *s = r->s;
    bool write = r->type == T_OUT;
    uint64_t length = write ? r->e.out_bytes - HEADER_SIZE : r->e.in_bytes - 1;

    if (length % BLOCK_SECTOR || length > MAX_DATA ||
        !in_range(s, r->sector, length / BLOCK_SECTOR) || (write && blockdev_read_only(s->disk))) {
        answer(r, S_IOERR, 0);
        return;
    }
    if (!length) {
        answer(r, S_OK, 0);
        return;
    }
    r->data = malloc(length);
    if (!r->data) {
        answer(r, S_IOERR, 0);
        return;
    }
    r->length = (uint32_t)length;
    s->bytes += length;
    if (write)
        virtq_read(&s->bus.virtio, &r->e, HEADER_SIZE, r->data, length);
    submit(r, write ? BLOCK_WRITE : BLOCK_READ, length);
}

/* One range: sector, number of sectors, flags (bit 0 of write zeroes: may unmap). */
static void discard_or_zero(struct request *r)
{
    uint8_t range[RANGE_SIZE];
    uint32_t count, flags;
    bool zero = r->type == T_WRITE_ZEROES;

    if (r->e.out_bytes != HEADER_SIZE + RANGE_SIZE) {
        answer(r, S_UNSUPP, 0);
        return;
    }
    virtq_read(&r->s->bus.virtio, &r->e, HEADER_SIZE, range, RANGE_SIZE);
    r->sector = ld_le64(range);
    count = ld_le32(range + 8);
    flags = ld_le32(range + 12);
    if (flags & ~(zero ? 1u : 0u))
        answer(r, S_UNSUPP, 0);
    else if (count > MAX_RANGE || !in_range(r->s, r->sector, count) ||
             blockdev_read_only(r->s->disk))
        answer(r, S_IOERR, 0);
    else if (!count)
        answer(r, S_OK, 0);
    else
        submit(r, zero ? BLOCK_ZERO : BLOCK_DISCARD, (uint64_t)count * BLOCK_SECTOR);
}

/* The serial number: not terminated if it has all 20 bytes. */
static void get_id(struct request *r)
{
    const char *serial = blockdev_serial(r->s->disk);
    uint8_t id[ID_SIZE] = {0};
    size_t n = serial ? strnlen(serial, ID_SIZE) : 0;

    if (r->e.in_bytes < ID_SIZE + 1) {
        answer(r, S_IOERR, 0);
        return;
    }
    memcpy(id, serial ? serial : "", n);
    virtq_write(&r->s->bus.virtio, &r->e, 0, id, ID_SIZE);
    answer(r, S_OK, ID_SIZE);
}

static void start(struct request *r)
{
    switch (r->type) {
    case T_IN:
    case T_OUT:
        read_write(r);
        break;
    case T_FLUSH:
        submit(r, BLOCK_FLUSH, 0);
        break;
    case T_GET_ID:
        get_id(r);
        break;
    case T_DISCARD:
    case T_WRITE_ZEROES:
        discard_or_zero(r);
        break;
    default:
        answer(r, S_UNSUPP, 0);
        break;
    }
}

/* A header to read, room for a status: without them there is no request. */
static bool read_header(struct request *r)
{
    struct virtio_device *v = &r->s->bus.virtio;
    uint8_t header[HEADER_SIZE];

    if (!r->e.in_bytes || virtq_read(v, &r->e, 0, header, HEADER_SIZE) != HEADER_SIZE) {
        virtio_broken(v, "a request without header or status");
        return false;
    }
    r->type = ld_le32(header);
    r->sector = ld_le64(header + 8);
    return true;
}

/* Stops when memory for a request cannot be had: the guest's next notification tries again. */
static void take_requests(struct virtio_blk *s, struct virtqueue *q)
{
    while (s->bytes < MAX_IN_FLIGHT) {
        struct request *r = malloc(sizeof(*r));

        if (!r)
            return;
        r->s = s;
        r->q = q;
        r->data = NULL;
        r->length = 0;
        if (!virtq_pop(&s->bus.virtio, q, &r->e) || !read_header(r)) {
            free(r);
            return;
        }
        start(r);
    }
}

static void notify(struct virtio_device *v, unsigned queue)
{
    take_requests(blk_of(v), &v->queue[queue]);
}

/* ---- configuration ---- */

static void features_set(struct virtio_device *v)
{
    struct virtio_blk *s = blk_of(v);

    blockdev_set_write_cache(s->disk, virtio_has(v, F_FLUSH) || virtio_has(v, F_CONFIG_WCE));
    v->config[C_WRITEBACK] = blockdev_write_cache(s->disk);
}

static void config_written(struct virtio_device *v)
{
    if (virtio_has(v, F_CONFIG_WCE))
        blockdev_set_write_cache(blk_of(v)->disk, v->config[C_WRITEBACK] & 1);
}

static void put_geometry(uint8_t *c, const struct blockdev_geometry *g)
{
    uint64_t sectors = g->size / BLOCK_SECTOR, cylinders = sectors / (16 * 63);

    if (cylinders > 16383)
        cylinders = 16383;
    st_le64(c + C_CAPACITY, sectors);
    st_le16(c + C_CYLINDERS, (uint16_t)(g->cylinders ? g->cylinders : cylinders));
    c[C_HEADS] = (uint8_t)(g->heads ? g->heads : 16);
    c[C_SECTORS] = (uint8_t)(g->sectors ? g->sectors : 63);
    st_le32(c + C_BLK_SIZE, g->logical);
    for (uint32_t n = g->logical; n && n < g->physical; n *= 2)
        c[C_PHYSICAL_EXP]++;
}

static void fill_config(struct virtio_blk *s)
{
    struct blockdev_geometry g = blockdev_geometry(s->disk);
    uint8_t *c = s->bus.virtio.config;

    memset(c, 0, VIRTIO_CONFIG_SIZE);
    put_geometry(c, &g);
    st_le32(c + C_SEG_MAX, VIRTQ_MAX_SEGMENTS - 2);
    c[C_WRITEBACK] = blockdev_write_cache(s->disk);
    st_le16(c + C_NUM_QUEUES, (uint16_t)s->bus.virtio.nqueues);
    st_le32(c + C_DISCARD_SECTORS, MAX_RANGE);
    st_le32(c + C_DISCARD_SEG, 1);
    st_le32(c + C_DISCARD_ALIGNMENT, g.logical / BLOCK_SECTOR ? g.logical / BLOCK_SECTOR : 1);
    st_le32(c + C_ZEROES_SECTORS, MAX_RANGE);
    st_le32(c + C_ZEROES_SEG, 1);
    c[C_ZEROES_UNMAP] = 1;
}

static void medium_changed(void *opaque)
{
    struct virtio_blk *s = opaque;

    fill_config(s);
    virtio_config_changed(&s->bus.virtio);
}

/* ---- life ---- */

static void drain(struct virtio_blk *s)
{
    s->resetting = true;
    blockdev_drain(s->disk);
    s->resetting = false;
}

static void virtio_reset_disk(struct virtio_device *v)
{
    struct virtio_blk *s = blk_of(v);

    drain(s);
    blockdev_set_write_cache(s->disk, true);
    fill_config(s);
}

static void reset(struct device *dev)
{
    virtio_pci_reset(&((struct virtio_blk *)dev)->bus);
}

static void pre_save(struct device *dev)
{
    blockdev_drain(((struct virtio_blk *)dev)->disk);
}

static bool post_load(struct device *dev, struct error *err)
{
    struct virtio_blk *s = (struct virtio_blk *)dev;

    (void)err;
    virtio_pci_post_load(&s->bus);
    return true;
}

static const struct state_field fields[] = {
    VIRTIO_PCI_FIELDS(struct virtio_blk, bus),
    STATE_FIELDS_END,
};

static const struct device_class class = {.type = "virtio-blk-pci",
                                          .version = 1,
                                          .fields = fields,
                                          .reset = reset,
                                          .pre_save = pre_save,
                                          .post_load = post_load};

void virtio_blk_init(struct virtio_blk *s, struct machine *m, const char *id, struct pci_bus *bus,
                     uint8_t devfn, const struct virtio_blk_config *config)
{
    static const struct virtio_ops ops = {notify, features_set, config_written, virtio_reset_disk};
    const struct blockdev_events events = {.medium_changed = medium_changed, .opaque = s};
    uint64_t offered = F_SEG_MAX | F_GEOMETRY | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY | F_CONFIG_WCE;
    struct virtio_device *v = &s->bus.virtio;

    memset(s, 0, sizeof(*s));
    s->disk = config->disk;
    offered |= blockdev_read_only(s->disk) ? F_RO : F_DISCARD | F_WRITE_ZEROES;
    offered |= config->queues > 1 ? F_MQ : 0;
    virtio_init(v, VIRTIO_ID_BLOCK, config->queues, C_SIZE, offered, &ops, s);
    v->config_writable[C_WRITEBACK] = 1;
    virtio_pci_init(&s->bus, m, &class, id, bus, devfn, &config->pci);
    blockdev_connect(s->disk, m, &events);
    reset(&s->bus.pci.dev);
}
