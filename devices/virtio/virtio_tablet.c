/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio input device, an absolute pointer (OASIS virtio 1.2, 5.8; the numbers of events are those
 * of Linux's input-event-codes.h, which the specification refers to).
 *
 * Queue 0 takes events to the guest, queue 1 brings its answers, which a pointer has no use for.
 * Events wait until the guest has buffers; a report that finds no room to wait is lost whole. */
#include "devices/virtio/virtio_tablet.h"

#include <string.h>

#include "vm/machine.h"

#define VIRTIO_ID_INPUT 18
#define AXIS_MAX        0x7fff

enum { EVENT_QUEUE, STATUS_QUEUE, NUM_QUEUES };

/* Configuration space, 5.8.4. */
enum {
    C_SELECT = 0,
    C_SUBSEL = 1,
    C_SIZE = 2,
    C_DATA = 8,
    C_END = C_DATA + 128,
};
enum {
    CFG_ID_NAME = 0x01,
    CFG_ID_DEVIDS = 0x03,
    CFG_EV_BITS = 0x11,
    CFG_ABS_INFO = 0x12,
};

enum {
    EV_SYN = 0,
    EV_KEY = 1,
    EV_REL = 2,
    EV_ABS = 3,
    ABS_X = 0,
    ABS_Y = 1,
    REL_WHEEL = 8,
    BTN_LEFT = 0x110, /* and right, middle, side, extra */
    NUM_BUTTONS = 5,
    BUS_VIRTUAL = 6,
};

static struct virtio_tablet *tablet_of(struct virtio_device *v)
{
    return v->owner;
}

/* ---- configuration ---- */

static void set_bit(uint8_t *bits, unsigned n)
{
    bits[n / 8] |= (uint8_t)(1 << n % 8);
}

static unsigned fill_bits(uint8_t *data, unsigned type)
{
    switch (type) {
    case EV_KEY:
        for (unsigned n = 0; n < NUM_BUTTONS; n++)
            set_bit(data, BTN_LEFT + n);
        return BTN_LEFT / 8 + 1;
    case EV_REL:
        set_bit(data, REL_WHEEL);
        return REL_WHEEL / 8 + 1;
    case EV_ABS:
        set_bit(data, ABS_X);
        set_bit(data, ABS_Y);
        return 1;
    default:
        return 0;
    }
}

/* Returns how many bytes of data there are to what is selected. */
static unsigned fill(uint8_t *data, unsigned select, unsigned subsel)
{
    static const char name[] = "Calque Virtio Tablet";
    static const uint8_t ids[8] = {BUS_VIRTUAL, 0, 0, 0, 0, 0, 1, 0};
    static const uint8_t axis[20] = {0, 0, 0, 0, AXIS_MAX & 0xff, AXIS_MAX >> 8};

    switch (select) {
    case CFG_ID_NAME:
        memcpy(data, name, sizeof(name) - 1);
        return subsel ? 0 : sizeof(name) - 1;
    case CFG_ID_DEVIDS:
        memcpy(data, ids, sizeof(ids));
        return subsel ? 0 : sizeof(ids);
    case CFG_EV_BITS:
        return fill_bits(data, subsel);
    case CFG_ABS_INFO:
        memcpy(data, axis, sizeof(axis));
        return subsel <= ABS_Y ? sizeof(axis) : 0;
    default:
        return 0;
    }
}

static void config_written(struct virtio_device *v)
{
    uint8_t *c = v->config;
    unsigned size;

    memset(c + C_SIZE, 0, C_END - C_SIZE);
    size = fill(c + C_DATA, c[C_SELECT], c[C_SUBSEL]);
    if (!size)
        memset(c + C_DATA, 0, C_END - C_DATA);
    c[C_SIZE] = (uint8_t)size;
}

/* ---- events ---- */

static void flush(struct virtio_tablet *s)
{
    struct virtio_device *v = &s->bus.virtio;
    struct virtqueue *q = &v->queue[EVENT_QUEUE];
    struct virtq_element e;
    bool any = false;

    while (s->count && virtq_pop(v, q, &e)) {
        const struct virtio_tablet_event *p = &s->pending[s->head % VIRTIO_TABLET_PENDING];
        const uint8_t bytes[8] = {(uint8_t)p->type,          (uint8_t)(p->type >> 8),
                                  (uint8_t)p->code,          (uint8_t)(p->code >> 8),
                                  (uint8_t)p->value,         (uint8_t)(p->value >> 8),
                                  (uint8_t)(p->value >> 16), (uint8_t)(p->value >> 24)};

        virtq_push(v, q, e.head, (uint32_t)virtq_write(v, &e, 0, bytes, sizeof(bytes)));
        s->head = (uint16_t)((s->head + 1) % VIRTIO_TABLET_PENDING);
        s->count--;
        any = true;
    }
    if (any)
        virtq_interrupt(v, q);
}

static void add(struct virtio_tablet *s, uint16_t type, uint16_t code, uint32_t value)
{
    s->pending[(s->head + s->count) % VIRTIO_TABLET_PENDING] =
        (struct virtio_tablet_event){type, code, value};
    s->count++;
}

#define REPORT_MAX (NUM_BUTTONS + 4)

/* The wheel's direction is the other way round there. */
static bool place(void *opaque, unsigned x, unsigned y, int dz, unsigned buttons)
{
    struct virtio_tablet *s = opaque;

    if (!(s->bus.virtio.status & VIRTIO_DRIVER_OK))
        return false;
    if (s->count + REPORT_MAX > VIRTIO_TABLET_PENDING)
        return true;
    for (unsigned n = 0; n < NUM_BUTTONS; n++)
        if ((buttons ^ s->buttons) >> n & 1)
            add(s, EV_KEY, (uint16_t)(BTN_LEFT + n), buttons >> n & 1);
    s->buttons = buttons & ((1u << NUM_BUTTONS) - 1);
    add(s, EV_ABS, ABS_X, x >> 1);
    add(s, EV_ABS, ABS_Y, y >> 1);
    if (dz)
        add(s, EV_REL, REL_WHEEL, (uint32_t)-dz);
    add(s, EV_SYN, 0, 0);
    flush(s);
    return true;
}

static void notify(struct virtio_device *v, unsigned queue)
{
    struct virtio_tablet *s = tablet_of(v);
    struct virtq_element e;

    if (queue == EVENT_QUEUE) {
        hid_port_set_absolute(s->hid, s->index, true);
        flush(s);
        return;
    }
    while (virtq_pop(v, &v->queue[queue], &e))
        virtq_push(v, &v->queue[queue], e.head, 0);
    virtq_interrupt(v, &v->queue[queue]);
}

/* ---- life ---- */

static void virtio_was_reset(struct virtio_device *v)
{
    struct virtio_tablet *s = tablet_of(v);

    s->head = s->count = 0;
    s->buttons = 0;
    memset(v->config, 0, sizeof(v->config));
    hid_port_set_absolute(s->hid, s->index, false);
}

static void reset(struct device *dev)
{
    virtio_pci_reset(&((struct virtio_tablet *)dev)->bus);
}

static bool post_load(struct device *dev, struct error *err)
{
    struct virtio_tablet *s = (struct virtio_tablet *)dev;

    (void)err;
    virtio_pci_post_load(&s->bus);
    hid_port_set_absolute(s->hid, s->index, s->bus.virtio.status & VIRTIO_DRIVER_OK);
    return true;
}

static const struct state_field event_fields[] = {
    STATE_U16(struct virtio_tablet_event, type),
    STATE_U16(struct virtio_tablet_event, code),
    STATE_U32(struct virtio_tablet_event, value),
    STATE_FIELDS_END,
};

static const struct state_field fields[] = {
    VIRTIO_PCI_FIELDS(struct virtio_tablet, bus),
    STATE_STRUCTS(struct virtio_tablet, pending, VIRTIO_TABLET_PENDING, struct virtio_tablet_event,
                  event_fields),
    STATE_U16_MAX(struct virtio_tablet, head, VIRTIO_TABLET_PENDING - 1),
    STATE_U16_MAX(struct virtio_tablet, count, VIRTIO_TABLET_PENDING),
    STATE_U8_MAX(struct virtio_tablet, buttons, 7),
    STATE_FIELDS_END,
};

static const struct device_class class = {.type = "virtio-tablet-pci",
                                          .version = 1,
                                          .fields = fields,
                                          .reset = reset,
                                          .post_load = post_load};

void virtio_tablet_init(struct virtio_tablet *s, struct machine *m, const char *id,
                        struct pci_bus *bus, uint8_t devfn, struct msi_sink msi,
                        struct hid_port *hid)
{
    static const struct virtio_ops ops = {notify, NULL, config_written, virtio_was_reset};
    const struct virtio_pci_config config = {.class = 0x0980, .modern_only = true, .msi = msi};
    struct virtio_device *v = &s->bus.virtio;

    memset(s, 0, sizeof(*s));
    s->hid = hid;
    s->index = hid_port_add_tablet(hid, (struct hid_tablet){place, s});
    virtio_init(v, VIRTIO_ID_INPUT, NUM_QUEUES, C_END, 0, &ops, s);
    v->config_writable[C_SELECT] = v->config_writable[C_SUBSEL] = 0xff;
    virtio_pci_init(&s->bus, m, &class, id, bus, devfn, &config);
    reset(&s->bus.pci.dev);
}
