/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory balloon (OASIS virtio 1.2, 5.5): the guest puts pages it does without into the balloon;
 * they go back to the host at once. What it takes out again reads as zeros.
 *
 * A guest whose statistics are wanted leaves a buffer in the queue, which is looked at and, when
 * the timer says so, given back to be filled anew. */
#include "devices/virtio/virtio_balloon.h"

#include <string.h>

#include "base/bits.h"
#include "base/log.h"
#include "vm/machine.h"
#include "vm/record.h"

#define F_STATS_VQ       (1ull << 1)
#define F_DEFLATE_ON_OOM (1ull << 2)
#define F_REPORTING      (1ull << 5)

/* Offsets in the configuration (5.5.4). */
enum { C_NUM_PAGES = 0, C_ACTUAL = 4, C_SIZE = 8 };

/* Queues that were not agreed upon have no number: reporting comes behind those that were. */
enum { INFLATE, DEFLATE, FIRST_OPTIONAL, NUM_QUEUES = 4 };

#define PAGE_BITS 12u
#define MAX_PAGES 1024u /* of an inflation; Linux tells of 256 at a time */
#define STAT_SIZE 10u   /* a tag of 16 bits, a value of 64 */
#define MAX_STATS 32u   /* that are looked at */

const char *const virtio_balloon_stat_names[VIRTIO_BALLOON_STATS] = {
    "stat-swap-in",      "stat-swap-out",     "stat-major-faults",     "stat-minor-faults",
    "stat-free-memory",  "stat-total-memory", "stat-available-memory", "stat-disk-caches",
    "stat-htlb-pgalloc", "stat-htlb-pgfail"};

static struct virtio_balloon *balloon_of(struct virtio_device *v)
{
    return v->owner;
}

static uint64_t ram_size(const struct virtio_balloon *s)
{
    return s->bus.pci.dev.m->ram_size;
}

/* ---- pages ---- */

static void discard(struct virtio_balloon *s, uint64_t address, uint64_t len)
{
    address_space_discard(s->bus.virtio.mem, address, len, ram_size(s));
}

/* Page numbers; those in a row go together. */
static void inflate(struct virtio_balloon *s, const struct virtq_element *e)
{
    struct virtio_device *v = &s->bus.virtio;
    uint8_t bytes[4 * MAX_PAGES];
    size_t n = virtq_read(v, e, 0, bytes, sizeof(bytes)) / 4;
    uint64_t first = 0, count = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t page = ld_le32(bytes + 4 * i);

        if (count && page == first + count) {
            count++;
            continue;
        }
        discard(s, first << PAGE_BITS, count << PAGE_BITS);
        first = page;
        count = 1;
    }
    discard(s, first << PAGE_BITS, count << PAGE_BITS);
    if (e->out_bytes > sizeof(bytes))
        log_line(v->log, LOG_GUEST_ERRORS,
                 "virtio balloon: more than %u pages at a time: the rest stays", MAX_PAGES);
}

/* Ranges that are free for the moment (5.5.6.6). */
static void take_reported(struct virtio_balloon *s, const struct virtq_element *e)
{
    uint64_t left = ram_size(s);

    for (unsigned i = 0; i < e->nin && left; i++) {
        const struct virtq_segment *seg = &e->seg[e->nout + i];
        uint64_t len = seg->length < left ? seg->length : left;

        discard(s, seg->address, len);
        left -= len;
    }
}

static void take_pages(struct virtio_balloon *s, unsigned queue)
{
    struct virtio_device *v = &s->bus.virtio;
    struct virtqueue *q = &v->queue[queue];
    struct virtq_element e;
    bool any = false;

    for (; virtq_pop(v, q, &e); any = true) {
        if (queue == INFLATE)
            inflate(s, &e);
        else if (queue != DEFLATE)
            take_reported(s, &e);
        virtq_push(v, q, e.head, 0);
    }
    if (any)
        virtq_interrupt(v, q);
}

/* ---- statistics ---- */

static void forget_stats(struct virtio_balloon *s)
{
    for (unsigned i = 0; i < VIRTIO_BALLOON_STATS; i++)
        s->stats[i] = UINT64_MAX;
    s->stats_at = 0;
}

static void read_stats(struct virtio_balloon *s)
{
    struct virtio_device *v = &s->bus.virtio;
    struct virtqueue *q = &v->queue[FIRST_OPTIONAL];
    uint8_t stats[STAT_SIZE * MAX_STATS];
    struct virtq_element e;

    if (!virtq_pop(v, q, &e))
        return;
    virtq_rewind(q, 1);
    forget_stats(s);
    for (size_t n = virtq_read(v, &e, 0, stats, sizeof(stats)) / STAT_SIZE; n--;) {
        uint16_t tag = ld_le16(stats + STAT_SIZE * n);

        if (tag < VIRTIO_BALLOON_STATS)
            s->stats[tag] = ld_le64(stats + STAT_SIZE * n + 2);
    }
    s->stats_at = vm_clock_now(&s->bus.pci.dev.m->clock);
    if (s->stats_every && !vm_timer_armed(&s->timer))
        vm_timer_arm(&s->timer, s->stats_at + s->stats_every);
}

/* The guest fills the buffer again. */
static void ask_for_stats(void *opaque)
{
    struct virtio_balloon *s = opaque;
    struct virtio_device *v = &s->bus.virtio;
    struct virtqueue *q = &v->queue[FIRST_OPTIONAL];
    struct virtq_element e;

    if (!virtio_has(v, F_STATS_VQ) || !virtq_pop(v, q, &e))
        return;
    virtq_push(v, q, e.head, 0);
    virtq_interrupt(v, q);
}

static void notify(struct virtio_device *v, unsigned queue)
{
    struct virtio_balloon *s = balloon_of(v);

    if (queue == FIRST_OPTIONAL && virtio_has(v, F_STATS_VQ))
        read_stats(s);
    else if (queue < FIRST_OPTIONAL || virtio_has(v, F_REPORTING))
        take_pages(s, queue);
}

/* ---- the size ---- */

uint64_t virtio_balloon_actual(const struct virtio_balloon *s)
{
    uint64_t pages = ld_le32(s->bus.virtio.config + C_ACTUAL), all = ram_size(s) >> PAGE_BITS;

    return (all - (pages < all ? pages : all)) << PAGE_BITS;
}

static void config_written(struct virtio_device *v)
{
    machine_announce(balloon_of(v)->bus.pci.dev.m, RUN_EVENT_BALLOON, NULL);
}

void virtio_balloon_set_target(struct virtio_balloon *s, uint64_t bytes)
{
    uint64_t all = ram_size(s);
    uint8_t pages[4];

    st_le32(pages, (uint32_t)((all - (bytes < all ? bytes : all)) >> PAGE_BITS));
    input_push(s->bus.pci.dev.m, &s->input, pages, sizeof(pages));
}

void virtio_balloon_set_stats_every(struct virtio_balloon *s, uint64_t ns)
{
    uint8_t bytes[8];

    st_le64(bytes, ns);
    input_push(s->bus.pci.dev.m, &s->input, bytes, sizeof(bytes));
}

/* Before the first statistics nothing is asked for: they come by themselves. */
static void take_interval(struct virtio_balloon *s, uint64_t ns)
{
    s->stats_every = ns;
    vm_timer_cancel(&s->timer);
    if (ns && s->stats_at)
        vm_timer_arm(&s->timer, vm_clock_now(&s->bus.pci.dev.m->clock) + ns);
}

/* Pages of the target, or an interval. */
static void deliver(void *opaque, const uint8_t *data, size_t len)
{
    struct virtio_balloon *s = opaque;

    if (len == 4) {
        memcpy(s->bus.virtio.config + C_NUM_PAGES, data, 4);
        virtio_config_changed(&s->bus.virtio);
    } else if (len == 8) {
        take_interval(s, ld_le64(data));
    }
}

/* ---- life ---- */

/* What was asked for holds for the next driver, too; a new system has all its memory. */
static void virtio_was_reset(struct virtio_device *v)
{
    struct virtio_balloon *s = balloon_of(v);

    st_le32(v->config + C_ACTUAL, 0);
    forget_stats(s);
    vm_timer_cancel(&s->timer);
}

static void reset(struct device *dev)
{
    virtio_pci_reset(&((struct virtio_balloon *)dev)->bus);
}

static bool post_load(struct device *dev, struct error *err)
{
    (void)err;
    virtio_pci_post_load(&((struct virtio_balloon *)dev)->bus);
    return true;
}

static const struct state_field fields[] = {
    VIRTIO_PCI_FIELDS(struct virtio_balloon, bus),
    STATE_ARRAY(STATE_U64, struct virtio_balloon, stats, VIRTIO_BALLOON_STATS),
    STATE_U64(struct virtio_balloon, stats_at),
    STATE_U64(struct virtio_balloon, stats_every),
    STATE_TIMER(struct virtio_balloon, timer),
    STATE_FIELDS_END,
};

static const struct device_class class = {.type = "virtio-balloon-pci",
                                          .version = 2,
                                          .fields = fields,
                                          .reset = reset,
                                          .post_load = post_load};

void virtio_balloon_init(struct virtio_balloon *s, struct machine *m, const char *id,
                         struct pci_bus *bus, uint8_t devfn,
                         const struct virtio_balloon_config *config)
{
    static const struct virtio_ops ops = {
        .notify = notify, .config_written = config_written, .reset = virtio_was_reset};
    struct virtio_device *v = &s->bus.virtio;

    memset(s, 0, sizeof(*s));
    s->config = *config;
    s->stats_every = config->stats_every;
    virtio_init(v, VIRTIO_ID_BALLOON, NUM_QUEUES, C_SIZE,
                F_STATS_VQ | (config->deflate_on_oom ? F_DEFLATE_ON_OOM : 0) |
                    (config->free_page_reporting ? F_REPORTING : 0),
                &ops, s);
    memset(v->config_writable + C_ACTUAL, 0xff, 4);
    virtio_pci_init(&s->bus, m, &class, id, bus, devfn, &config->pci);
    vm_timer_init(&s->timer, &m->clock, ask_for_stats, s);
    input_register(m, &s->input, id, deliver, s);
    reset(&s->bus.pci.dev);
}
