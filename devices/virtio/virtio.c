/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio devices and split virtqueues (OASIS virtio 1.2, chapter 2). Rings are in the guest's
 * memory and read anew each time; a processor may change them meanwhile. */
#include "devices/virtio/virtio.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/log.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
#define DESC_SIZE          16u
#define AVAIL_NO_INTERRUPT 1

/* ---- rings ---- */

static uint16_t read16(const struct virtio_device *v, uint64_t address)
{
    return (uint16_t)address_space_read(v->mem, address, 2);
}

static uint16_t avail_index(const struct virtio_device *v, const struct virtqueue *q)
{
    return read16(v, q->avail + 2);
}

/* Behind each ring is an index at which the other side wants to hear of it (2.7.7.1, 2.7.10). */
static uint16_t used_event(const struct virtio_device *v, const struct virtqueue *q)
{
    return read16(v, q->avail + 4 + 2ull * q->size);
}

static void set_avail_event(struct virtio_device *v, struct virtqueue *q)
{
    address_space_write(v->mem, q->used + 4 + 8ull * q->size, q->last_avail, 2);
}

void virtio_broken(struct virtio_device *v, const char *why, ...)
{
    char text[120];
    va_list ap;

    va_start(ap, why);
    vsnprintf(text, sizeof(text), why, ap);
    va_end(ap);
    log_line(v->log, LOG_GUEST_ERRORS, "virtio device %u: %s: needs reset", v->id, text);
    v->status |= VIRTIO_NEEDS_RESET;
    if ((v->status & VIRTIO_DRIVER_OK) && virtio_has(v, VIRTIO_F_VERSION_1))
        v->transport.interrupt(v->transport.owner, v->config_vector, true);
}

/* Whether a chain is there; if not, the guest is asked to tell of the next one. */
static bool is_available(struct virtio_device *v, struct virtqueue *q, uint16_t *index)
{
    *index = avail_index(v, q);
    if (*index != q->last_avail)
        return true;
    if (!virtio_has(v, VIRTIO_F_EVENT_IDX))
        return false;
    set_avail_event(v, q);
    atomic_thread_fence(memory_order_seq_cst); /* the event before the last look */
    *index = avail_index(v, q);
    return *index != q->last_avail;
}

/* ---- chains ---- */

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

static struct descriptor read_descriptor(const struct virtio_device *v, uint64_t table, uint32_t n)
{
    uint8_t d[DESC_SIZE];

    address_space_read_block(v->mem, table + (uint64_t)n * DESC_SIZE, d, sizeof(d));
    return (struct descriptor){ld_le64(d), ld_le32(d + 8), ld_le16(d + 12), ld_le16(d + 14)};
}

static bool add_segment(struct virtio_device *v, struct virtq_element *e,
                        const struct descriptor *d)
{
    unsigned n = e->nout + e->nin;

    if (n == VIRTQ_MAX_SEGMENTS || (e->nin && !(d->flags & DESC_WRITE))) {
        virtio_broken(v, n == VIRTQ_MAX_SEGMENTS ? "more than %d descriptors" : "out after in",
                      VIRTQ_MAX_SEGMENTS);
        return false;
    }
    e->seg[n] = (struct virtq_segment){d->address, d->length};
    if (d->flags & DESC_WRITE) {
        e->nin++;
        e->in_bytes += d->length;
    } else {
        e->nout++;
        e->out_bytes += d->length;
    }
    return true;
}

/* Follows a chain in a table of `size` descriptors. direct: of the queue itself, whose first
 * descriptor may lead to another table (2.7.5.3). */
static bool walk(struct virtio_device *v, struct virtq_element *e, uint64_t table, uint32_t size,
                 uint32_t first, bool direct)
{
    uint32_t n = first;

    for (uint32_t seen = 0; seen <= size; seen++) {
        struct descriptor d;

        if (n >= size)
            break;
        d = read_descriptor(v, table, n);
        if (d.flags & DESC_INDIRECT) {
            if (!direct || seen || (d.flags & DESC_NEXT) || !d.length || d.length % DESC_SIZE)
                break;
            return walk(v, e, d.address, d.length / DESC_SIZE, 0, false);
        }
        if (!add_segment(v, e, &d))
            return false;
        if (!(d.flags & DESC_NEXT))
            return true;
        n = d.next;
    }
    virtio_broken(v, "descriptor chain from %u is malformed", first);
    return false;
}

static bool is_ready(const struct virtio_device *v, const struct virtqueue *q)
{
    return q->enabled && q->size && (v->status & VIRTIO_DRIVER_OK) &&
           !(v->status & VIRTIO_NEEDS_RESET);
}

bool virtq_pop(struct virtio_device *v, struct virtqueue *q, struct virtq_element *e)
{
    uint16_t index;

    if (!is_ready(v, q) || !is_available(v, q, &index))
        return false;
    if ((uint16_t)(index - q->last_avail) > q->size) {
        virtio_broken(v, "available index went from %u to %u", q->last_avail, index);
        return false;
    }
    atomic_thread_fence(memory_order_acquire);
    e->head = read16(v, q->avail + 4 + 2ull * (q->last_avail % q->size));
    q->last_avail++;
    if (virtio_has(v, VIRTIO_F_EVENT_IDX))
        set_avail_event(v, q);
    e->nout = e->nin = 0;
    e->out_bytes = e->in_bytes = 0;
    return walk(v, e, q->desc, q->size, e->head, true);
}

/* ---- data ---- */

static size_t copy(const struct virtio_device *v, const struct virtq_segment *s, unsigned n,
                   uint64_t offset, uint8_t *data, size_t len, bool to_guest)
{
    size_t done = 0;

    for (unsigned i = 0; i < n && done < len; i++) {
        size_t part = len - done;

        if (offset >= s[i].length) {
            offset -= s[i].length;
            continue;
        }
        if (part > s[i].length - offset)
            part = (size_t)(s[i].length - offset);
        if (to_guest)
            address_space_write_block(v->mem, s[i].address + offset, data + done, part);
        else
            address_space_read_block(v->mem, s[i].address + offset, data + done, part);
        done += part;
        offset = 0;
    }
    return done;
}

size_t virtq_read(const struct virtio_device *v, const struct virtq_element *e, uint64_t offset,
                  void *to, size_t len)
{
    return copy(v, e->seg, e->nout, offset, to, len, false);
}

size_t virtq_write(const struct virtio_device *v, const struct virtq_element *e, uint64_t offset,
                   const void *from, size_t len)
{
    /* Only read: one function for both directions. */
    return copy(v, e->seg + e->nout, e->nin, offset, (uint8_t *)(uintptr_t)from, len, true);
}

/* ---- giving back ---- */

void virtq_fill(struct virtio_device *v, struct virtqueue *q, uint16_t head, uint32_t written)
{
    uint64_t slot = q->used + 4;

    if (!is_ready(v, q))
        return;
    slot += 8ull * (q->used_index % q->size);
    address_space_write(v->mem, slot, head, 4);
    address_space_write(v->mem, slot + 4, written, 4);
    q->used_index++;
}

void virtq_publish(struct virtio_device *v, struct virtqueue *q)
{
    if (!is_ready(v, q))
        return;
    atomic_thread_fence(memory_order_release); /* the elements before the index */
    address_space_write(v->mem, q->used + 2, q->used_index, 2);
}

void virtq_push(struct virtio_device *v, struct virtqueue *q, uint16_t head, uint32_t written)
{
    virtq_fill(v, q, head, written);
    virtq_publish(v, q);
}

void virtq_rewind(struct virtqueue *q, unsigned n)
{
    q->last_avail = (uint16_t)(q->last_avail - n);
}

static bool wants_interrupt(struct virtio_device *v, struct virtqueue *q)
{
    uint16_t old = q->signalled, event;
    bool first = !q->was_signalled;

    if (!virtio_has(v, VIRTIO_F_EVENT_IDX))
        return !(read16(v, q->avail) & AVAIL_NO_INTERRUPT);
    q->signalled = q->used_index;
    q->was_signalled = true;
    event = used_event(v, q);
    return first || (uint16_t)(q->used_index - event - 1) < (uint16_t)(q->used_index - old);
}

void virtq_interrupt(struct virtio_device *v, struct virtqueue *q)
{
    if (!is_ready(v, q))
        return;
    atomic_thread_fence(memory_order_seq_cst); /* the index before the look at the guest's wish */
    if (wants_interrupt(v, q))
        v->transport.interrupt(v->transport.owner, q->vector, false);
}

void virtio_config_changed(struct virtio_device *v)
{
    if (v->status & VIRTIO_DRIVER_OK)
        v->transport.interrupt(v->transport.owner, v->config_vector, true);
}

/* ---- registers ---- */

void virtio_set_features(struct virtio_device *v, uint64_t features)
{
    if (v->status & VIRTIO_FEATURES_OK)
        return; /* agreed upon already */
    v->features = features;
}

/* FEATURES_OK is taken if the device can do all that was accepted (3.1.1). A guest without that
 * step, of the legacy interface, has what it has accepted when it says DRIVER_OK. */
void virtio_set_status(struct virtio_device *v, uint8_t status)
{
    uint8_t set = status & (uint8_t)~v->status;
    bool legacy = (set & VIRTIO_DRIVER_OK) && !(status & VIRTIO_FEATURES_OK);

    if (!status) {
        virtio_reset(v);
        return;
    }
    if ((set & VIRTIO_FEATURES_OK) && (v->features & ~v->offered)) {
        status &= (uint8_t)~VIRTIO_FEATURES_OK;
        set &= (uint8_t)~VIRTIO_FEATURES_OK;
    }
    if (legacy)
        v->features &= v->offered & ~VIRTIO_F_VERSION_1;
    v->status = status | (v->status & VIRTIO_NEEDS_RESET);
    if ((legacy || (set & VIRTIO_FEATURES_OK)) && v->ops->features_set)
        v->ops->features_set(v);
    /* What was made available before the device was on. */
    for (unsigned n = 0; (set & VIRTIO_DRIVER_OK) && n < v->nqueues; n++)
        virtio_notify(v, n);
}

void virtio_notify(struct virtio_device *v, unsigned queue)
{
    if (queue < v->nqueues && is_ready(v, &v->queue[queue]))
        v->ops->notify(v, queue);
}

uint8_t virtio_config_read(const struct virtio_device *v, unsigned offset)
{
    return offset < v->config_size ? v->config[offset] : 0;
}

void virtio_config_write(struct virtio_device *v, unsigned offset, uint64_t value, unsigned size)
{
    uint8_t masks = 0;

    for (; size-- && offset < v->config_size; offset++, value >>= 8) {
        uint8_t mask = v->config_writable[offset];

        v->config[offset] = (uint8_t)((v->config[offset] & ~mask) | (value & mask));
        masks |= mask;
    }
    if (masks && v->ops->config_written)
        v->ops->config_written(v);
}

/* ---- life ---- */

void virtq_reset(struct virtqueue *q)
{
    *q = (struct virtqueue){.size = VIRTQ_MAX_SIZE, .vector = VIRTIO_NO_VECTOR};
}

void virtio_reset(struct virtio_device *v)
{
    if (v->ops->reset)
        v->ops->reset(v);
    v->status = 0;
    v->features = 0;
    v->config_vector = VIRTIO_NO_VECTOR;
    for (unsigned n = 0; n < VIRTIO_MAX_QUEUES; n++)
        virtq_reset(&v->queue[n]);
}

/* Sizes are the one thing that other code divides by. */
void virtio_post_load(struct virtio_device *v)
{
    for (unsigned n = 0; n < VIRTIO_MAX_QUEUES; n++) {
        struct virtqueue *q = &v->queue[n];

        if (!q->size || (q->size & (q->size - 1)))
            virtq_reset(q);
    }
}

void virtio_init(struct virtio_device *v, uint16_t id, unsigned nqueues, unsigned config_size,
                 uint64_t offered, const struct virtio_ops *ops, void *owner)
{
    v->id = id;
    v->nqueues = nqueues;
    v->config_size = config_size;
    v->offered = offered | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1;
    v->ops = ops;
    v->owner = owner;
}

static const struct state_field queue_fields[] = {
    STATE_U16_MAX(struct virtqueue, size, VIRTQ_MAX_SIZE),
    STATE_BOOL(struct virtqueue, enabled),
    STATE_U16(struct virtqueue, vector),
    STATE_U64(struct virtqueue, desc),
    STATE_U64(struct virtqueue, avail),
    STATE_U64(struct virtqueue, used),
    STATE_U16(struct virtqueue, last_avail),
    STATE_U16(struct virtqueue, used_index),
    STATE_U16(struct virtqueue, signalled),
    STATE_BOOL(struct virtqueue, was_signalled),
    STATE_FIELDS_END,
};

const struct state_field virtio_fields[] = {
    STATE_U8(struct virtio_device, status),
    STATE_U64(struct virtio_device, features),
    STATE_U16(struct virtio_device, config_vector),
    STATE_STRUCTS(struct virtio_device, queue, VIRTIO_MAX_QUEUES, struct virtqueue, queue_fields),
    STATE_BYTES(struct virtio_device, config),
    STATE_FIELDS_END,
};
