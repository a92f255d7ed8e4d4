/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_DEVICES_FAKEDISK_H
#define CALQUE_TESTS_DEVICES_FAKEDISK_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/block/blockdev.h"
#include "vm/machine.h"

/* A drive for tests of storage devices, in place of host/block: bytes in memory, requests that take
 * a fixed virtual time, and errors where the test wants them. It keeps the rules of blockdev.h, and
 * ends the process if the device breaks them. Included by one file of a program. */

#define FAKE_DELAY 50000 /* ns */

struct blockdev {
    uint8_t *data; /* NULL: no medium */
    uint64_t size;
    uint32_t logical, physical;
    bool read_only, write_cache, tray_open;
    const char *serial;
    uint64_t bad; /* byte that cannot be read nor written, if bad_length is not 0 */
    uint64_t bad_length;
    unsigned reads, writes, flushes, discards, zeroes, fuas, most; /* most: at a time */
    unsigned in_flight;
    struct machine *m;
    struct blockdev_events events;
    struct block_request *first, **tail;
    struct vm_timer timer;
};

static inline void fake_require(bool ok)
{
    if (!ok)
        abort();
}

static inline void fake_init(struct blockdev *b, uint64_t size)
{
    uint8_t bytes[512 + 256];

    *b = (struct blockdev){.size = size, .logical = 512, .physical = 512, .write_cache = true};
    b->data = size ? calloc(1, size) : NULL;
    b->tail = &b->first;
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    for (uint64_t i = 0; i + 512 <= size; i += 512) /* sectors differ from their neighbours */
        memcpy(b->data + i, bytes + (i / 512 * 7 & 255), 512);
}

static inline void fake_free(struct blockdev *b)
{
    free(b->data);
    b->data = NULL;
}

/* From now on `length` bytes from `at` on cannot be read nor written. */
static inline void fake_break(struct blockdev *b, uint64_t at, uint64_t length)
{
    b->bad = at % b->size;
    b->bad_length = length;
}

static inline bool fake_is_bad(const struct blockdev *b, const struct block_request *r)
{
    return b->bad_length && r->offset < b->bad + b->bad_length && b->bad < r->offset + r->length;
}

static inline int fake_do(struct blockdev *b, const struct block_request *r)
{
    if (!b->data)
        return ENOMEDIUM;
    if (r->op == BLOCK_FLUSH)
        return b->flushes++, 0;
    if (r->offset % 512 || r->length % 512 || r->offset > b->size ||
        r->length > b->size - r->offset)
        return EINVAL;
    if (fake_is_bad(b, r))
        return EIO;
    if (r->op == BLOCK_READ) {
        b->reads++;
        memcpy(r->data, b->data + r->offset, r->length);
        return 0;
    }
    if (b->read_only)
        return EROFS;
    b->fuas += r->fua;
    b->writes += r->op == BLOCK_WRITE;
    b->discards += r->op == BLOCK_DISCARD;
    b->zeroes += r->op == BLOCK_ZERO;
    if (r->op == BLOCK_WRITE)
        memcpy(b->data + r->offset, r->data, r->length);
    else
        memset(b->data + r->offset, 0, r->length);
    return 0;
}

static inline void fake_finish_first(struct blockdev *b)
{
    struct block_request *r = b->first;

    b->first = r->next;
    if (!b->first)
        b->tail = &b->first;
    b->in_flight--;
    r->done(r, fake_do(b, r));
}

static inline void fake_timer(void *opaque)
{
    struct blockdev *b = opaque;
    struct block_request *last = b->first;

    while (last && last->next)
        last = last->next;
    while (b->first) {
        bool end = b->first == last;

        fake_finish_first(b);
        if (end)
            break;
    }
    if (b->first)
        vm_timer_arm(&b->timer, vm_clock_now(&b->m->clock) + FAKE_DELAY);
}

void blockdev_connect(struct blockdev *b, struct machine *m, const struct blockdev_events *events)
{
    b->m = m;
    b->events = *events;
    vm_timer_init(&b->timer, &m->clock, fake_timer, b);
}

struct blockdev_geometry blockdev_geometry(const struct blockdev *b)
{
    return (struct blockdev_geometry){
        .size = b->data ? b->size : 0, .logical = b->logical, .physical = b->physical};
}

bool blockdev_has_medium(const struct blockdev *b)
{
    return b->data;
}

bool blockdev_read_only(const struct blockdev *b)
{
    return b->read_only;
}

bool blockdev_write_cache(const struct blockdev *b)
{
    return b->write_cache;
}

void blockdev_set_write_cache(struct blockdev *b, bool on)
{
    b->write_cache = on;
}

const char *blockdev_serial(const struct blockdev *b)
{
    return b->serial;
}

void blockdev_submit(struct blockdev *b, struct block_request *r)
{
    for (const struct block_request *q = b->first; q; q = q->next)
        fake_require(q != r);
    fake_require(r->done && (r->op > BLOCK_WRITE || (r->data && r->length)));
    r->next = NULL;
    *b->tail = r;
    b->tail = &r->next;
    if (++b->in_flight > b->most)
        b->most = b->in_flight;
    if (!vm_timer_armed(&b->timer))
        vm_timer_arm(&b->timer, vm_clock_now(&b->m->clock) + FAKE_DELAY);
}

void blockdev_drain(struct blockdev *b)
{
    while (b->first)
        fake_finish_first(b);
    vm_timer_cancel(&b->timer);
}

void blockdev_tray_moved(struct blockdev *b, bool open)
{
    b->tray_open = open;
}

#endif
