/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A shared folder: a chain has a request of 9P in its out bytes and room for the reply in its in
 * bytes. Each is answered before the next is looked at, so that nothing is ever under way. */
#include "devices/virtio/virtio_9p.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/log.h"
#include "vm/machine.h"

#define F_MOUNT_TAG (1ull << 0)

/* Configuration: the tag's length in 16 bits, and the tag. */
#define C_TAG 2u

static size_t smaller(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

static void notify(struct virtio_device *v, unsigned queue)
{
    struct virtio_9p *s = v->owner;
    struct virtqueue *q = &v->queue[queue];
    struct virtq_element e;
    bool any = false;

    while (virtq_pop(v, q, &e)) {
        size_t len = virtq_read(v, &e, 0, s->request, smaller(e.out_bytes, P9_MSIZE_MAX));
        size_t n = p9_server_answer(&s->server, s->request, len, s->reply,
                                    smaller(e.in_bytes, P9_MSIZE_MAX));

        if (!n) {
            virtio_broken(v, "a request without room for a reply");
            return;
        }
        virtq_push(v, q, e.head, (uint32_t)virtq_write(v, &e, 0, s->reply, n));
        any = true;
    }
    if (any)
        virtq_interrupt(v, q);
}

/* ---- life ---- */

static void virtio_was_reset(struct virtio_device *v)
{
    p9_server_reset(&((struct virtio_9p *)v->owner)->server);
}

static void reset(struct device *dev)
{
    virtio_pci_reset(&((struct virtio_9p *)dev)->bus);
}

static void pre_save(struct device *dev)
{
    struct virtio_9p *s = (struct virtio_9p *)dev;

    if (!p9_server_save(&s->server, &s->fids))
        log_line(&dev->m->log, LOG_UNIMP, "%s: out of memory: its state is not up to date",
                 dev->id);
}

static bool post_load(struct device *dev, struct error *err)
{
    struct virtio_9p *s = (struct virtio_9p *)dev;

    virtio_pci_post_load(&s->bus);
    return p9_server_load(&s->server, &s->fids, err) || error_prefix(err, "%s", dev->id);
}

static const struct state_field fields[] = {
    VIRTIO_PCI_FIELDS(struct virtio_9p, bus),
    STATE_BLOB(struct virtio_9p, fids, P9_STATE_MAX),
    STATE_FIELDS_END,
};

static const struct device_class class = {.type = "virtio-9p-pci",
                                          .version = 1,
                                          .fields = fields,
                                          .reset = reset,
                                          .pre_save = pre_save,
                                          .post_load = post_load};

bool virtio_9p_init(struct virtio_9p *s, struct machine *m, const char *id, struct pci_bus *bus,
                    uint8_t devfn, const struct virtio_9p_config *config)
{
    static const struct virtio_ops ops = {.notify = notify, .reset = virtio_was_reset};
    size_t tag = strnlen(config->tag, VIRTIO_9P_TAG_MAX);
    struct virtio_device *v = &s->bus.virtio;

    memset(s, 0, sizeof(*s));
    s->request = malloc(P9_MSIZE_MAX);
    s->reply = malloc(P9_MSIZE_MAX);
    if (!s->request || !s->reply) {
        virtio_9p_destroy(s);
        return false;
    }
    p9_server_init(&s->server, config->tree);
    virtio_init(v, VIRTIO_ID_9P, 1, C_TAG + (unsigned)tag, F_MOUNT_TAG, &ops, s);
    st_le16(v->config, (uint16_t)tag);
    memcpy(v->config + C_TAG, config->tag, tag);
    virtio_pci_init(&s->bus, m, &class, id, bus, devfn, &config->pci);
    reset(&s->bus.pci.dev);
    return true;
}

void virtio_9p_destroy(struct virtio_9p *s)
{
    p9_server_reset(&s->server);
    free(s->request);
    free(s->reply);
    free(s->fids.data);
    s->request = s->reply = NULL;
    s->fids = (struct state_blob){NULL, 0};
}
