/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entropy device (OASIS virtio 1.2, 5.4): one queue of buffers to be filled with random bytes, as
 * many as the device likes but at least one.
 *
 * Bytes of the machine's own generator are there at once. Those of the host are asked for and come
 * as input events; what the guest has no buffer for then is dropped, as nobody misses it. */
#include "devices/virtio/virtio_rng.h"

#include <string.h>

#include "vm/machine.h"
#include "vm/record.h"

#define PORTION 4096u /* bytes of a buffer that are filled at most */

static struct virtio_rng *rng_of(struct virtio_device *v)
{
    return v->owner;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Something was taken: a period begins, unless one has. */
static void take(struct virtio_rng *s, size_t n)
{
    if (s->config.max_bytes == UINT64_MAX)
        return;
    s->quota -= n;
    if (!vm_timer_armed(&s->timer))
        vm_timer_arm(&s->timer, vm_clock_now(&s->bus.pci.dev.m->clock) + s->config.period);
}

static void give(struct virtio_rng *s, const struct virtq_element *e, const uint8_t *bytes,
                 size_t n)
{
    struct virtio_device *v = &s->bus.virtio;
    size_t written = virtq_write(v, e, 0, bytes, n);

    virtq_push(v, &v->queue[0], e->head, (uint32_t)written);
    take(s, written);
}

/* The next buffer and how much of it may be filled. False: none, or none may. */
static bool next_buffer(struct virtio_rng *s, struct virtq_element *e, size_t *room)
{
    struct virtio_device *v = &s->bus.virtio;

    if (!s->quota || !virtq_pop(v, &v->queue[0], e))
        return false;
    *room = (size_t)smaller(smaller(e->in_bytes, s->quota), PORTION);
    if (*room)
        return true;
    virtio_broken(v, "a buffer without room");
    return false;
}

/* From the machine's generator. */
static void fill_all(struct virtio_rng *s)
{
    uint8_t bytes[PORTION];
    struct virtq_element e;
    size_t room;
    bool any = false;

    while (next_buffer(s, &e, &room)) {
        input_random(s->bus.pci.dev.m, bytes, room);
        give(s, &e, bytes, room);
        any = true;
    }
    if (any)
        virtq_interrupt(&s->bus.virtio, &s->bus.virtio.queue[0]);
}

/* Asks the host for the next buffer's bytes. */
static void ask(struct virtio_rng *s)
{
    struct virtq_element e;
    size_t room = 0;

    if (next_buffer(s, &e, &room))
        virtq_rewind(&s->bus.virtio.queue[0], 1);
    if (!record_replays(s->bus.pci.dev.m))
        entropy_want(s->config.source, room);
}

static void work(struct virtio_rng *s)
{
    if (s->config.source)
        ask(s);
    else
        fill_all(s);
}

/* Bytes of the host. */
static void deliver(void *opaque, const uint8_t *data, size_t len)
{
    struct virtio_rng *s = opaque;
    struct virtq_element e;
    size_t done = 0, room;

    while (done < len && next_buffer(s, &e, &room)) {
        room = (size_t)smaller(room, len - done);
        give(s, &e, data + done, room);
        done += room;
    }
    if (done)
        virtq_interrupt(&s->bus.virtio, &s->bus.virtio.queue[0]);
    ask(s);
}

static void notify(struct virtio_device *v, unsigned queue)
{
    (void)queue;
    work(rng_of(v));
}

/* A new period. */
static void period_ended(void *opaque)
{
    struct virtio_rng *s = opaque;

    s->quota = s->config.max_bytes;
    work(s);
}

/* ---- life ---- */

static void reset(struct device *dev)
{
    struct virtio_rng *s = (struct virtio_rng *)dev;

    virtio_pci_reset(&s->bus);
    vm_timer_cancel(&s->timer);
    s->quota = s->config.max_bytes;
}

static bool post_load(struct device *dev, struct error *err)
{
    struct virtio_rng *s = (struct virtio_rng *)dev;

    (void)err;
    virtio_pci_post_load(&s->bus);
    s->quota = smaller(s->quota, s->config.max_bytes);
    /* Rings are looked at when the bytes come: memory may not be what it is to be yet. */
    if (s->config.source && !record_replays(dev->m))
        entropy_want(s->config.source, (size_t)smaller(s->quota, PORTION));
    return true;
}

static const struct state_field fields[] = {
    VIRTIO_PCI_FIELDS(struct virtio_rng, bus),
    STATE_U64(struct virtio_rng, quota),
    STATE_TIMER(struct virtio_rng, timer),
    STATE_FIELDS_END,
};

static const struct device_class class = {.type = "virtio-rng-pci",
                                          .version = 1,
                                          .fields = fields,
                                          .reset = reset,
                                          .post_load = post_load};

void virtio_rng_init(struct virtio_rng *s, struct machine *m, const char *id, struct pci_bus *bus,
                     uint8_t devfn, const struct virtio_rng_config *config)
{
    static const struct virtio_ops ops = {.notify = notify};

    memset(s, 0, sizeof(*s));
    s->config = *config;
    virtio_init(&s->bus.virtio, VIRTIO_ID_RNG, 1, 0, 0, &ops, s);
    virtio_pci_init(&s->bus, m, &class, id, bus, devfn, &config->pci);
    vm_timer_init(&s->timer, &m->clock, period_ended, s);
    if (config->source) {
        input_register(m, &s->input, id, deliver, s);
        entropy_connect(config->source, m, &s->input);
    }
    reset(&s->bus.pci.dev);
}
