/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Console device (OASIS virtio 1.2, 5.3). Port n has a queue to the guest and one to the host; of a
 * pair more, control messages say which ports there are and who is at their ends. Without
 * MULTIPORT, port 0 is all there is.
 *
 * Control messages to the guest are bits of the port they are about, so that a guest that does not
 * take them makes no queue of them grow. */
#include "devices/virtio/virtio_console.h"

#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/log.h"
#include "vm/machine.h"
#include "vm/record.h"

#define F_MULTIPORT   (1ull << 1)
#define F_EMERG_WRITE (1ull << 2)

/* Offsets in the configuration (5.3.4). */
enum { C_MAX_PORTS = 4, C_EMERG_WRITE = 8, C_SIZE = 12 };

enum { CONTROL_IN = 2, CONTROL_OUT = 3 };
enum control {
    DEVICE_READY = 0,
    DEVICE_ADD = 1,
    PORT_READY = 3,
    CONSOLE_PORT = 4,
    PORT_OPEN = 6,
    PORT_NAME = 7,
};
#define CONTROL_SIZE 8u

#define BATCH        256u       /* bytes that may be under way when the back end is told to wait */
#define PIECE        4096u      /* of what is written */
#define WRITE_MAX    (1u << 20) /* bytes of one buffer of the guest's that are written */
#define NAME_MAX_LEN 64u

static struct virtio_console *console_of(struct virtio_device *v)
{
    return v->owner;
}

static bool multiport(const struct virtio_console *s)
{
    return virtio_has(&s->bus.virtio, F_MULTIPORT);
}

static unsigned rx_queue(unsigned port)
{
    return port ? 2 * port + 2 : 0;
}

static unsigned port_of(unsigned queue)
{
    return queue < 2 ? 0 : queue / 2 - 1;
}

/* ---- control messages to the guest ---- */

static size_t make_message(struct virtio_console_port *p, enum control event,
                           uint8_t out[CONTROL_SIZE + NAME_MAX_LEN])
{
    size_t name = 0;

    st_le32(out, p->n);
    st_le16(out + 4, (uint16_t)event);
    st_le16(out + 6, event == PORT_OPEN ? p->host_open : 1);
    if (event == PORT_NAME) {
        name = strnlen(p->config->name, NAME_MAX_LEN);
        memcpy(out + CONTROL_SIZE, p->config->name, name);
    }
    return CONTROL_SIZE + name;
}

/* The port's messages in the order in which a guest must see them. False: no buffer is left. */
static bool send_of_port(struct virtio_console_port *p, bool *any)
{
    static const enum control order[] = {DEVICE_ADD, CONSOLE_PORT, PORT_NAME, PORT_OPEN};
    struct virtio_device *v = &p->s->bus.virtio;
    struct virtqueue *q = &v->queue[CONTROL_IN];
    uint8_t message[CONTROL_SIZE + NAME_MAX_LEN];
    struct virtq_element e;

    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        if (!(p->pending >> order[i] & 1))
            continue;
        if (!virtq_pop(v, q, &e))
            return false;
        size_t len = make_message(p, order[i], message);

        p->pending &= (uint8_t) ~(1u << order[i]);
        virtq_push(v, q, e.head, (uint32_t)virtq_write(v, &e, 0, message, len));
        *any = true;
    }
    return true;
}

static void send_control(struct virtio_console *s)
{
    struct virtio_device *v = &s->bus.virtio;
    bool any = false;

    for (unsigned n = 0; multiport(s) && n < s->config.nports; n++)
        if (s->ports[n].pending && !send_of_port(&s->ports[n], &any))
            break;
    if (any)
        virtq_interrupt(v, &v->queue[CONTROL_IN]);
}

/* ---- bytes for the guest ---- */

static bool guest_listens(const struct virtio_console_port *p)
{
    return multiport(p->s) ? p->guest_open : p->n == 0;
}

static void receive(struct virtio_console_port *p)
{
    struct virtio_device *v = &p->s->bus.virtio;
    struct virtqueue *q = &v->queue[rx_queue(p->n)];
    struct virtq_element e;
    bool any = false;

    if (!guest_listens(p))
        return;
    while (p->rx_count && virtq_pop(v, q, &e)) {
        size_t n = virtq_write(v, &e, 0, p->rx, p->rx_count);

        memmove(p->rx, p->rx + n, p->rx_count - n);
        p->rx_count = (uint16_t)(p->rx_count - n);
        virtq_push(v, q, e.head, (uint32_t)n);
        any = true;
    }
    if (any)
        virtq_interrupt(v, q);
    if (p->rx_count <= VIRTIO_CONSOLE_RX - BATCH)
        chardev_allow(p->config->chr, VIRTIO_CONSOLE_RX - BATCH - p->rx_count);
}

/* Bytes of the host; none are a break, which has no meaning here. */
static void deliver(void *opaque, const uint8_t *data, size_t len)
{
    struct virtio_console_port *p = opaque;
    size_t room = VIRTIO_CONSOLE_RX - p->rx_count, n = len < room ? len : room;

    memcpy(p->rx + p->rx_count, data, n);
    p->rx_count = (uint16_t)(p->rx_count + n);
    receive(p);
}

static void deliver_opened(void *opaque, const uint8_t *data, size_t len)
{
    struct virtio_console_port *p = opaque;

    if (!len || p->host_open == !!*data)
        return;
    p->host_open = *data;
    if (p->known)
        p->pending |= 1u << PORT_OPEN;
    send_control(p->s);
}

void virtio_console_opened(void *port, bool open)
{
    struct virtio_console_port *p = port;
    const uint8_t value = open;

    atomic_store(&p->host_open_now, open);
    input_push(p->s->bus.pci.dev.m, &p->opened, &value, 1);
}

/* ---- from the guest ---- */

static void write_bytes(struct virtio_console_port *p, const void *data, size_t n)
{
    if (p->config && !record_is_silent(p->s->bus.pci.dev.m))
        chardev_write(p->config->chr, data, n);
}

static void write_chain(struct virtio_console_port *p, const struct virtq_element *e)
{
    struct virtio_device *v = &p->s->bus.virtio;
    uint8_t piece[PIECE];
    uint64_t done = 0;
    size_t n;

    while (done < WRITE_MAX && (n = virtq_read(v, e, done, piece, sizeof(piece)))) {
        write_bytes(p, piece, n);
        done += n;
    }
    if (done < e->out_bytes)
        log_line(v->log, LOG_GUEST_ERRORS, "virtio console: %llu bytes in a buffer: cut off at %u",
                 (unsigned long long)e->out_bytes, WRITE_MAX);
}

static void transmit(struct virtio_console_port *p, struct virtqueue *q)
{
    struct virtio_device *v = &p->s->bus.virtio;
    struct virtq_element e;
    bool any = false;

    for (; virtq_pop(v, q, &e); any = true) {
        write_chain(p, &e);
        virtq_push(v, q, e.head, 0);
    }
    if (any)
        virtq_interrupt(v, q);
}

static void guest_is_ready(struct virtio_console *s)
{
    for (unsigned n = 0; n < s->config.nports; n++)
        if (s->ports[n].config)
            s->ports[n].pending |= 1u << DEVICE_ADD;
}

static void port_is_ready(struct virtio_console_port *p)
{
    p->known = true;
    p->pending |= (uint8_t)(p->config->console << CONSOLE_PORT |
                            (p->config->name != NULL) << PORT_NAME | p->host_open << PORT_OPEN);
}

static void control(struct virtio_console *s, const uint8_t message[CONTROL_SIZE])
{
    uint32_t id = ld_le32(message);
    uint16_t event = ld_le16(message + 4), value = ld_le16(message + 6);
    struct virtio_console_port *p = id < s->config.nports ? &s->ports[id] : NULL;

    if (event == DEVICE_READY) {
        if (value)
            guest_is_ready(s);
        return;
    }
    if (!p || !p->config) {
        log_line(s->bus.virtio.log, LOG_GUEST_ERRORS, "virtio console: there is no port %u", id);
        return;
    }
    if (event == PORT_READY && value)
        port_is_ready(p);
    if (event != PORT_OPEN)
        return;
    p->guest_open = value;
    if (p->guest_open)
        receive(p);
    else
        chardev_allow(p->config->chr, 0);
}

static void take_control(struct virtio_console *s)
{
    struct virtio_device *v = &s->bus.virtio;
    struct virtqueue *q = &v->queue[CONTROL_OUT];
    uint8_t message[CONTROL_SIZE];
    struct virtq_element e;
    bool any = false;

    for (; virtq_pop(v, q, &e); any = true) {
        if (virtq_read(v, &e, 0, message, CONTROL_SIZE) == CONTROL_SIZE)
            control(s, message);
        virtq_push(v, q, e.head, 0);
    }
    if (any)
        virtq_interrupt(v, q);
    send_control(s);
}

static void notify(struct virtio_device *v, unsigned queue)
{
    struct virtio_console *s = console_of(v);
    struct virtio_console_port *p = &s->ports[port_of(queue)];

    if (queue == CONTROL_OUT)
        take_control(s);
    else if (queue == CONTROL_IN)
        send_control(s);
    else if (queue & 1)
        transmit(p, &v->queue[queue]);
    else if (p->config)
        receive(p);
}

/* A character without any queue (5.3.6.3): for port 0, as early as the guest likes. */
static void config_written(struct virtio_device *v)
{
    struct virtio_console *s = console_of(v);

    write_bytes(&s->ports[0], &v->config[C_EMERG_WRITE], 1);
}

/* ---- life ---- */

static void virtio_was_reset(struct virtio_device *v)
{
    struct virtio_console *s = console_of(v);

    for (unsigned n = 0; n < s->config.nports; n++) {
        struct virtio_console_port *p = &s->ports[n];

        p->pending = 0;
        p->known = p->guest_open = false;
        p->rx_count = 0;
        if (p->config)
            chardev_allow(p->config->chr, 0);
    }
    memset(v->config, 0, sizeof(v->config));
    st_le32(v->config + C_MAX_PORTS, s->config.nports);
}

static void reset(struct device *dev)
{
    virtio_pci_reset(&((struct virtio_console *)dev)->bus);
}

/* Who is there now may be somebody else; but a history repeats itself. */
static bool post_load(struct device *dev, struct error *err)
{
    struct virtio_console *s = (struct virtio_console *)dev;

    (void)err;
    virtio_pci_post_load(&s->bus);
    for (unsigned n = 0; n < s->config.nports; n++) {
        struct virtio_console_port *p = &s->ports[n];

        if (!p->config || !p->config->name)
            p->pending &= (uint8_t) ~(1u << PORT_NAME);
        if (!p->config)
            continue;
        if (!dev->m->record && p->host_open != p->host_open_now)
            virtio_console_opened(p, p->host_open_now);
        if (guest_listens(p) && p->rx_count <= VIRTIO_CONSOLE_RX - BATCH)
            chardev_allow(p->config->chr, VIRTIO_CONSOLE_RX - BATCH - p->rx_count);
    }
    return true;
}

static const struct state_field port_fields[] = {
    STATE_U8(struct virtio_console_port, pending),
    STATE_BOOL(struct virtio_console_port, known),
    STATE_BOOL(struct virtio_console_port, guest_open),
    STATE_BOOL(struct virtio_console_port, host_open),
    STATE_U16_MAX(struct virtio_console_port, rx_count, VIRTIO_CONSOLE_RX),
    STATE_BYTES(struct virtio_console_port, rx),
    STATE_FIELDS_END,
};

static const struct state_field fields[] = {
    VIRTIO_PCI_FIELDS(struct virtio_console, bus),
    STATE_STRUCTS(struct virtio_console, ports, VIRTIO_CONSOLE_MAX_PORTS,
                  struct virtio_console_port, port_fields),
    STATE_FIELDS_END,
};

static const struct device_class class = {.type = "virtio-serial-pci",
                                          .version = 1,
                                          .fields = fields,
                                          .reset = reset,
                                          .post_load = post_load};

static void init_port(struct virtio_console *s, struct machine *m, const char *id, unsigned n)
{
    struct virtio_console_port *p = &s->ports[n];

    p->s = s;
    p->n = n;
    if (!s->config.ports[n].present)
        return;
    p->config = &s->config.ports[n];
    snprintf(p->bytes_name, sizeof(p->bytes_name), "%.12s.%u", id, n);
    snprintf(p->opened_name, sizeof(p->opened_name), "%.12s.%u-open", id, n);
    input_register(m, &p->bytes, p->bytes_name, deliver, p);
    input_register(m, &p->opened, p->opened_name, deliver_opened, p);
    if (p->config->chr)
        chardev_connect(p->config->chr, m, &p->bytes);
}

void virtio_console_init(struct virtio_console *s, struct machine *m, const char *id,
                         struct pci_bus *bus, uint8_t devfn,
                         const struct virtio_console_config *config)
{
    static const struct virtio_ops ops = {
        .notify = notify, .config_written = config_written, .reset = virtio_was_reset};
    struct virtio_device *v = &s->bus.virtio;

    memset(s, 0, sizeof(*s));
    s->config = *config;
    virtio_init(v, VIRTIO_ID_CONSOLE, 2 * config->nports + 2, C_SIZE, F_MULTIPORT | F_EMERG_WRITE,
                &ops, s);
    v->config_writable[C_EMERG_WRITE] = 0xff;
    virtio_pci_init(&s->bus, m, &class, id, bus, devfn, &config->pci);
    for (unsigned n = 0; n < VIRTIO_CONSOLE_MAX_PORTS; n++)
        init_port(s, m, id, n);
    reset(&s->bus.pci.dev);
}
