/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network card (OASIS virtio 1.2, 5.1): checksum and TCP segmentation both ways, mergeable buffers,
 * control queue, several pairs of queues.
 *
 * Queue 2n receives, 2n + 1 sends; the control queue is behind the last pair that was negotiated
 * (5.1.2). A flow is received where it was last sent (5.1.6.5.6.2). */
#include "devices/net/virtio_net.h"

#include <string.h>

#include "base/bits.h"
#include "base/log.h"
#include "devices/net/ethernet.h"
#include "vm/machine.h"

#define F_CSUM                (1ull << 0)
#define F_GUEST_CSUM          (1ull << 1)
#define F_CTRL_GUEST_OFFLOADS (1ull << 2)
#define F_MAC                 (1ull << 5)
#define F_GUEST_TSO4          (1ull << 7)
#define F_GUEST_TSO6          (1ull << 8)
#define F_GUEST_ECN           (1ull << 9)
#define F_HOST_TSO4           (1ull << 11)
#define F_HOST_TSO6           (1ull << 12)
#define F_HOST_ECN            (1ull << 13)
#define F_MRG_RXBUF           (1ull << 15)
#define F_STATUS              (1ull << 16)
#define F_CTRL_VQ             (1ull << 17)
#define F_CTRL_RX             (1ull << 18)
#define F_CTRL_VLAN           (1ull << 19)
#define F_CTRL_RX_EXTRA       (1ull << 20)
#define F_MQ                  (1ull << 22)
#define F_CTRL_MAC_ADDR       (1ull << 23)

#define OFFERED                                                                                    \
    (F_CSUM | F_GUEST_CSUM | F_CTRL_GUEST_OFFLOADS | F_MAC | F_GUEST_TSO4 | F_GUEST_TSO6 |         \
     F_GUEST_ECN | F_HOST_TSO4 | F_HOST_TSO6 | F_HOST_ECN | F_MRG_RXBUF | F_STATUS | F_CTRL_VQ |   \
     F_CTRL_RX | F_CTRL_VLAN | F_CTRL_RX_EXTRA | F_CTRL_MAC_ADDR)
#define GUEST_OFFLOADS (F_GUEST_CSUM | F_GUEST_TSO4 | F_GUEST_TSO6 | F_GUEST_ECN)

/* Offsets in the configuration (5.1.4). */
enum { C_MAC = 0, C_STATUS = 6, C_MAX_PAIRS = 8, C_SIZE = 10 };
#define S_LINK_UP 1

/* Commands (5.1.6.5). */
enum { CTRL_RX = 0, CTRL_MAC = 1, CTRL_VLAN = 2, CTRL_MQ = 4, CTRL_GUEST_OFFLOADS = 5 };
enum rx_command { PROMISC, ALLMULTI, ALLUNI, NOMULTI, NOUNI, NOBCAST };
enum { MAC_TABLE_SET = 0, MAC_ADDR_SET = 1 };
enum { VLAN_ADD = 0, VLAN_DEL = 1 };
enum { ACK_OK = 0, ACK_ERR = 1 };

#define HEADER_LEGACY 10u /* without num_buffers (5.1.6.1) */
#define HEADER_SIZE   12u
#define MAX_CHAINS    VIRTQ_MAX_SIZE

static struct virtio_net *net_of(struct virtio_device *v)
{
    return v->owner;
}

static unsigned header_size(const struct virtio_device *v)
{
    return virtio_has(v, VIRTIO_F_VERSION_1 | F_MRG_RXBUF) ? HEADER_SIZE : HEADER_LEGACY;
}

static unsigned control_queue(const struct virtio_net *s)
{
    return virtio_has(&s->bus.virtio, F_MQ) ? 2 * s->max_pairs : 2;
}

/* ---- flows ---- */

/* The same for both directions of a TCP or UDP flow; 0 for anything else. */
static unsigned flow_of(const uint8_t *frame, size_t len)
{
    const uint8_t *ip = frame + ETHERNET_HEADER, *ports;
    unsigned type = (unsigned)(frame[12] << 8 | frame[13]), hash = 0, addresses, protocol;

    if (len < ETHERNET_HEADER + 44)
        return 0;
    addresses = type == 0x0800 ? 8 : type == 0x86dd ? 32 : 0;
    protocol = type == 0x0800 ? ip[9] : ip[6];
    if (!addresses || (protocol != 6 && protocol != 17))
        return 0;
    ports = type == 0x0800 ? ip + 4 * (ip[0] & 15) : ip + 40;
    if (ports + 4 > frame + len)
        return 0;
    for (unsigned i = 0; i < addresses; i++)
        hash ^= ip[(type == 0x0800 ? 12 : 8) + i];
    return (hash ^ ports[0] ^ ports[1] ^ ports[2] ^ ports[3]) % VIRTIO_NET_FLOWS;
}

/* ---- sending ---- */

/* What the guest has not negotiated it cannot ask for. */
static struct net_header read_header(const struct virtio_device *v, const uint8_t *h)
{
    unsigned gso = h[1] & ~NET_GSO_ECN;
    struct net_header out = {.hdr_len = ld_le16(h + 2)};

    if ((h[0] & NET_HEADER_NEEDS_CSUM) && virtio_has(v, F_CSUM)) {
        out.flags = NET_HEADER_NEEDS_CSUM;
        out.csum_start = ld_le16(h + 6);
        out.csum_offset = ld_le16(h + 8);
    }
    if ((gso == NET_GSO_TCPV4 && virtio_has(v, F_HOST_TSO4)) ||
        (gso == NET_GSO_TCPV6 && virtio_has(v, F_HOST_TSO6))) {
        out.gso_type = h[1];
        out.gso_size = ld_le16(h + 4);
    }
    return out;
}

/* False: the guest broke the rules, and its device. */
static bool send_chain(struct virtio_net *s, const struct virtq_element *e, unsigned pair)
{
    struct virtio_device *v = &s->bus.virtio;
    uint8_t header[HEADER_SIZE];
    unsigned head = header_size(v);
    struct net_frame *f;

    if (virtq_read(v, e, 0, header, head) != head) {
        virtio_broken(v, "a frame without a header");
        return false;
    }
    f = e->out_bytes - head <= NET_FRAME_MAX ? net_frame_new(e->out_bytes - head) : NULL;
    if (!f)
        return true;
    virtq_read(v, e, head, f->data, f->len);
    f->header = read_header(v, header);
    if (s->current_pairs > 1)
        s->flow_pair[flow_of(f->data, f->len)] = (uint8_t)pair;
    net_port_send_frame(&s->port, f);
    return true;
}

static void send_queue(struct virtio_net *s, unsigned pair)
{
    struct virtio_device *v = &s->bus.virtio;
    struct virtqueue *q = &v->queue[2 * pair + 1];
    struct virtq_element e;
    bool any = false;

    while (net_port_can_send(&s->port) && virtq_pop(v, q, &e)) {
        if (!send_chain(s, &e, pair))
            return;
        virtq_push(v, q, e.head, 0);
        any = true;
    }
    if (any)
        virtq_interrupt(v, q);
}

static void can_send(void *nic)
{
    struct virtio_net *s = nic;

    for (unsigned n = 0; n < s->current_pairs; n++)
        send_queue(s, n);
}

/* ---- receiving: who is meant (5.1.6.5.1 to 5.1.6.5.3) ---- */

static bool in_table(const uint8_t table[][NET_MAC_SIZE], unsigned n, const uint8_t *address)
{
    for (unsigned i = 0; i < n && i < NET_RX_FILTER_MACS; i++)
        if (!memcmp(table[i], address, NET_MAC_SIZE))
            return true;
    return false;
}

static bool vlan_wanted(const struct virtio_net *s, const uint8_t *frame)
{
    unsigned id = (unsigned)(frame[14] << 8 | frame[15]) & 0xfff;

    if (!virtio_has(&s->bus.virtio, F_CTRL_VLAN) || frame[12] != 0x81 || frame[13] != 0x00)
        return true;
    return s->vlans[id / 8] >> id % 8 & 1;
}

static bool is_wanted(const struct virtio_net *s, const uint8_t *frame)
{
    if (s->mode[PROMISC])
        return true;
    if (!vlan_wanted(s, frame))
        return false;
    if (ethernet_is_broadcast(frame))
        return !s->mode[NOBCAST];
    if (ethernet_is_multicast(frame))
        return !s->mode[NOMULTI] && (s->mode[ALLMULTI] || s->multicast_overflow ||
                                     in_table(s->multicast, s->nmulticast, frame));
    return !s->mode[NOUNI] &&
           (s->mode[ALLUNI] || s->unicast_overflow || !memcmp(s->mac, frame, NET_MAC_SIZE) ||
            in_table(s->unicast, s->nunicast, frame));
}

/* ---- receiving: into the guest's buffers ---- */

static void pack_header(uint8_t out[HEADER_SIZE], const struct net_header *h)
{
    out[0] = h->flags;
    out[1] = h->gso_type;
    st_le16(out + 2, h->hdr_len);
    st_le16(out + 4, h->gso_size);
    st_le16(out + 6, h->csum_start);
    st_le16(out + 8, h->csum_offset);
    st_le16(out + 10, 1); /* num_buffers */
}

/* Without mergeable buffers a frame has one chain, or no place. */
static bool fill_one(struct virtio_net *s, struct virtqueue *q, const uint8_t *header,
                     const uint8_t *frame, size_t len)
{
    struct virtio_device *v = &s->bus.virtio;
    unsigned head = header_size(v);
    struct virtq_element e;

    if (!virtq_pop(v, q, &e))
        return false;
    if (e.in_bytes < head + len) {
        log_line(v->log, LOG_GUEST_ERRORS, "virtio-net: a buffer of %llu bytes for a frame of %zu",
                 (unsigned long long)e.in_bytes, len);
        virtq_rewind(q, 1);
        return true; /* lost */
    }
    virtq_write(v, &e, 0, header, head);
    virtq_write(v, &e, head, frame, len);
    virtq_push(v, q, e.head, (uint32_t)(head + len));
    virtq_interrupt(v, q);
    return true;
}

struct merged {
    struct virtq_element first;
    unsigned n;
    struct {
        uint16_t head;
        uint32_t written;
    } chain[MAX_CHAINS];
};

/* False: there are not enough chains; none was taken. */
static bool take_chains(struct virtio_net *s, struct virtqueue *q, struct merged *m,
                        const uint8_t *frame, size_t len)
{
    struct virtio_device *v = &s->bus.virtio;
    size_t done = 0;

    for (m->n = 0; m->n < MAX_CHAINS && (done < len || !m->n); m->n++) {
        unsigned head = m->n ? 0 : HEADER_SIZE;
        struct virtq_element other, *e = m->n ? &other : &m->first;
        size_t written;

        if (!virtq_pop(v, q, e))
            break;
        if (e->in_bytes <= head) {
            virtio_broken(v, "a buffer without room");
            return true;
        }
        written = virtq_write(v, e, head, frame + done, len - done);
        done += written;
        m->chain[m->n].head = e->head;
        m->chain[m->n].written = (uint32_t)(head + written);
    }
    if (done == len)
        return true;
    virtq_rewind(q, m->n);
    return false;
}

static bool fill_merged(struct virtio_net *s, struct virtqueue *q, uint8_t *header,
                        const uint8_t *frame, size_t len)
{
    struct virtio_device *v = &s->bus.virtio;
    struct merged m;

    if (!take_chains(s, q, &m, frame, len))
        return false;
    if (v->status & VIRTIO_NEEDS_RESET)
        return true;
    st_le16(header + 10, (uint16_t)m.n);
    virtq_write(v, &m.first, 0, header, HEADER_SIZE);
    for (unsigned i = 0; i < m.n; i++)
        virtq_fill(v, q, m.chain[i].head, m.chain[i].written);
    virtq_publish(v, q);
    virtq_interrupt(v, q);
    return true;
}

static bool receive(void *nic, const struct net_header *h, const uint8_t *frame, size_t len)
{
    struct virtio_net *s = nic;
    struct virtio_device *v = &s->bus.virtio;
    unsigned pair = s->current_pairs > 1 ? s->flow_pair[flow_of(frame, len)] : 0;
    struct virtqueue *q = &v->queue[2 * (pair < s->current_pairs ? pair : 0)];
    uint8_t header[HEADER_SIZE];

    if (!(v->status & VIRTIO_DRIVER_OK) || (v->status & VIRTIO_NEEDS_RESET) || !q->enabled ||
        !is_wanted(s, frame))
        return true; /* a card that is not on hears nothing */
    pack_header(header, h);
    return virtio_has(v, F_MRG_RXBUF) ? fill_merged(s, q, header, frame, len)
                                      : fill_one(s, q, header, frame, len);
}

/* ---- the control queue (5.1.6.5) ---- */

struct command {
    struct virtio_net *s;
    const struct virtq_element *e;
    uint64_t at; /* next of the out bytes */
};

static bool take(struct command *c, void *to, size_t len)
{
    size_t got = virtq_read(&c->s->bus.virtio, c->e, c->at, to, len);

    c->at += got;
    return got == len;
}

static bool set_rx_mode(struct command *c, uint8_t command)
{
    uint64_t need = command >= ALLUNI ? F_CTRL_RX_EXTRA : F_CTRL_RX;
    uint8_t on;

    if (command > NOBCAST || !virtio_has(&c->s->bus.virtio, need) || !take(c, &on, 1))
        return false;
    c->s->mode[command] = on != 0;
    return true;
}

/* More than there is room for: then all pass. */
static bool take_table(struct command *c, uint8_t table[][NET_MAC_SIZE], uint8_t *n, bool *overflow)
{
    uint8_t count[4];
    uint32_t entries;

    if (!take(c, count, sizeof(count)))
        return false;
    entries = ld_le32(count);
    if (entries > (c->e->out_bytes - c->at) / NET_MAC_SIZE)
        return false;
    *overflow = entries > NET_RX_FILTER_MACS;
    *n = (uint8_t)(*overflow ? 0 : entries);
    if (*overflow) {
        c->at += (uint64_t)entries * NET_MAC_SIZE;
        return true;
    }
    return take(c, table, (size_t)entries * NET_MAC_SIZE);
}

static void tell_mac(struct virtio_net *s)
{
    memcpy(s->bus.virtio.config + C_MAC, s->mac, NET_MAC_SIZE);
    net_port_set_mac(&s->port, s->mac);
}

static bool set_mac(struct command *c, uint8_t command)
{
    struct virtio_net *s = c->s;

    if (command == MAC_ADDR_SET) {
        if (!virtio_has(&s->bus.virtio, F_CTRL_MAC_ADDR) || !take(c, s->mac, NET_MAC_SIZE))
            return false;
        tell_mac(s);
        return true;
    }
    return command == MAC_TABLE_SET && virtio_has(&s->bus.virtio, F_CTRL_RX) &&
           take_table(c, s->unicast, &s->nunicast, &s->unicast_overflow) &&
           take_table(c, s->multicast, &s->nmulticast, &s->multicast_overflow);
}

static bool set_vlan(struct command *c, uint8_t command)
{
    struct virtio_net *s = c->s;
    uint8_t bytes[2];
    unsigned id;

    if (command > VLAN_DEL || !virtio_has(&s->bus.virtio, F_CTRL_VLAN) || !take(c, bytes, 2))
        return false;
    id = ld_le16(bytes);
    if (id >= 4096)
        return false;
    s->vlans[id / 8] &= (uint8_t) ~(1u << id % 8);
    s->vlans[id / 8] |= (uint8_t)((command == VLAN_ADD) << id % 8);
    return true;
}

static bool set_pairs(struct command *c, uint8_t command)
{
    uint8_t bytes[2];
    unsigned pairs;

    if (command || !virtio_has(&c->s->bus.virtio, F_MQ) || !take(c, bytes, 2))
        return false;
    pairs = ld_le16(bytes);
    if (!pairs || pairs > c->s->max_pairs)
        return false;
    c->s->current_pairs = (uint16_t)pairs;
    return true;
}

static void apply_offloads(struct virtio_net *s)
{
    uint64_t o = s->guest_offloads;

    net_port_set_offloads(&s->port, (o & F_GUEST_CSUM ? NET_OFFLOAD_CSUM : 0) |
                                        (o & F_GUEST_TSO4 ? NET_OFFLOAD_TSO4 : 0) |
                                        (o & F_GUEST_TSO6 ? NET_OFFLOAD_TSO6 : 0) |
                                        (o & F_GUEST_ECN ? NET_OFFLOAD_ECN : 0));
}

static bool set_offloads(struct command *c, uint8_t command)
{
    struct virtio_device *v = &c->s->bus.virtio;
    uint8_t bytes[8];

    if (command || !virtio_has(v, F_CTRL_GUEST_OFFLOADS) || !take(c, bytes, 8) ||
        (ld_le64(bytes) & ~(v->features & GUEST_OFFLOADS)))
        return false;
    c->s->guest_offloads = ld_le64(bytes);
    apply_offloads(c->s);
    return true;
}

static bool do_command(struct command *c)
{
    uint8_t head[2]; /* class, command */

    if (!take(c, head, sizeof(head)))
        return false;
    switch (head[0]) {
    case CTRL_RX:
        return set_rx_mode(c, head[1]);
    case CTRL_MAC:
        return set_mac(c, head[1]);
    case CTRL_VLAN:
        return set_vlan(c, head[1]);
    case CTRL_MQ:
        return set_pairs(c, head[1]);
    case CTRL_GUEST_OFFLOADS:
        return set_offloads(c, head[1]);
    default:
        return false;
    }
}

static void run_commands(struct virtio_net *s)
{
    struct virtio_device *v = &s->bus.virtio;
    struct virtqueue *q = &v->queue[control_queue(s)];
    struct virtq_element e;

    while (virtq_pop(v, q, &e)) {
        struct command c = {.s = s, .e = &e};
        uint8_t ack;

        if (!e.in_bytes) {
            virtio_broken(v, "a command without room for its answer");
            return;
        }
        ack = do_command(&c) ? ACK_OK : ACK_ERR;
        virtq_write(v, &e, 0, &ack, 1);
        virtq_push(v, q, e.head, 1);
        virtq_interrupt(v, q);
    }
}

static void notify(struct virtio_device *v, unsigned queue)
{
    struct virtio_net *s = net_of(v);

    if (queue == control_queue(s) && virtio_has(v, F_CTRL_VQ))
        run_commands(s);
    else if (queue >= 2 * s->max_pairs)
        return;
    else if (queue % 2)
        send_queue(s, queue / 2);
    else
        net_port_ready(&s->port);
}

/* ---- configuration ---- */

static void link_changed(void *nic)
{
    struct virtio_net *s = nic;

    st_le16(s->bus.virtio.config + C_STATUS, s->port.link_up ? S_LINK_UP : 0);
    virtio_config_changed(&s->bus.virtio);
}

static void features_set(struct virtio_device *v)
{
    struct virtio_net *s = net_of(v);

    s->guest_offloads = v->features & GUEST_OFFLOADS;
    if (!(s->guest_offloads & F_GUEST_CSUM)) /* the others need it (5.1.3.1) */
        s->guest_offloads = 0;
    apply_offloads(s);
}

/* Only the legacy interface writes the address here. */
static void config_written(struct virtio_device *v)
{
    struct virtio_net *s = net_of(v);

    if (!virtio_has(v, VIRTIO_F_VERSION_1))
        memcpy(s->mac, v->config + C_MAC, NET_MAC_SIZE);
    tell_mac(s);
}

static enum net_rx_mode mode_of(bool none, bool all)
{
    return none ? NET_RX_NONE : all ? NET_RX_ALL : NET_RX_NORMAL;
}

static void rx_filter(void *nic, struct net_rx_filter *f)
{
    const struct virtio_net *s = nic;

    f->promiscuous = s->mode[PROMISC];
    f->broadcast = !s->mode[NOBCAST];
    f->unicast = mode_of(s->mode[NOUNI], s->mode[ALLUNI]);
    f->multicast = mode_of(s->mode[NOMULTI], s->mode[ALLMULTI]);
    f->unicast_overflow = s->unicast_overflow;
    f->multicast_overflow = s->multicast_overflow;
    f->nunicast = s->nunicast;
    f->nmulticast = s->nmulticast;
    memcpy(f->mac, s->mac, NET_MAC_SIZE);
    memcpy(f->unicast_table, s->unicast, sizeof(s->unicast));
    memcpy(f->multicast_table, s->multicast, sizeof(s->multicast));
    f->vlan = virtio_has(&s->bus.virtio, F_CTRL_VLAN) ? NET_RX_NORMAL : NET_RX_ALL;
    for (unsigned id = 0; id < 4096 && f->nvlans < NET_RX_FILTER_MACS; id++)
        if (s->vlans[id / 8] >> id % 8 & 1)
            f->vlans[f->nvlans++] = (uint16_t)id;
}

/* ---- life ---- */

static void virtio_was_reset(struct virtio_device *v)
{
    struct virtio_net *s = net_of(v);

    memcpy(s->mac, s->own_mac, NET_MAC_SIZE);
    memset(s->mode, 0, sizeof(s->mode));
    s->mode[PROMISC] = 1; /* until the guest says otherwise */
    s->current_pairs = 1;
    s->guest_offloads = 0;
    s->nunicast = s->nmulticast = 0;
    s->unicast_overflow = s->multicast_overflow = false;
    memset(s->unicast, 0, sizeof(s->unicast));
    memset(s->multicast, 0, sizeof(s->multicast));
    memset(s->vlans, 0, sizeof(s->vlans));
    memset(s->flow_pair, 0, sizeof(s->flow_pair));
    apply_offloads(s);
    memset(v->config, 0, sizeof(v->config));
    st_le16(v->config + C_STATUS, s->port.link_up ? S_LINK_UP : 0);
    st_le16(v->config + C_MAX_PAIRS, (uint16_t)s->max_pairs);
    tell_mac(s);
    net_port_ready(&s->port); /* what waits is lost now */
}

static void reset(struct device *dev)
{
    virtio_pci_reset(&((struct virtio_net *)dev)->bus);
}

static bool post_load(struct device *dev, struct error *err)
{
    struct virtio_net *s = (struct virtio_net *)dev;

    (void)err;
    if (!s->current_pairs || s->current_pairs > s->max_pairs)
        s->current_pairs = 1;
    virtio_pci_post_load(&s->bus);
    apply_offloads(s);
    net_port_set_mac(&s->port, s->mac);
    net_port_post_load(&s->port);
    return true;
}

static const struct state_field fields[] = {
    VIRTIO_PCI_FIELDS(struct virtio_net, bus),
    NET_PORT_FIELDS(struct virtio_net, port),
    STATE_BYTES(struct virtio_net, mac),
    STATE_U16_MAX(struct virtio_net, current_pairs, VIRTIO_NET_MAX_PAIRS),
    STATE_BYTES(struct virtio_net, mode),
    STATE_U64(struct virtio_net, guest_offloads),
    STATE_U8_MAX(struct virtio_net, nunicast, NET_RX_FILTER_MACS),
    STATE_U8_MAX(struct virtio_net, nmulticast, NET_RX_FILTER_MACS),
    STATE_BOOL(struct virtio_net, unicast_overflow),
    STATE_BOOL(struct virtio_net, multicast_overflow),
    STATE_BYTES(struct virtio_net, unicast),
    STATE_BYTES(struct virtio_net, multicast),
    STATE_BYTES(struct virtio_net, vlans),
    STATE_BYTES(struct virtio_net, flow_pair),
    STATE_FIELDS_END,
};

static const struct device_class class = {.type = "virtio-net-pci",
                                          .version = 1,
                                          .fields = fields,
                                          .reset = reset,
                                          .post_load = post_load};

static const struct net_port_ops port_ops = {
    .receive = receive, .can_send = can_send, .link_changed = link_changed, .rx_filter = rx_filter};

void virtio_net_init(struct virtio_net *s, struct machine *m, const char *id, struct pci_bus *bus,
                     uint8_t devfn, const struct virtio_net_config *config)
{
    static const struct virtio_ops ops = {notify, features_set, config_written, virtio_was_reset};
    struct virtio_device *v = &s->bus.virtio;

    memset(s, 0, sizeof(*s));
    memcpy(s->own_mac, config->nic.mac, NET_MAC_SIZE);
    s->max_pairs = config->pairs;
    virtio_init(v, VIRTIO_ID_NET, 2 * s->max_pairs + 1, C_SIZE,
                OFFERED | (s->max_pairs > 1 ? F_MQ : 0), &ops, s);
    memset(v->config_writable + C_MAC, 0xff, NET_MAC_SIZE);
    virtio_pci_init(&s->bus, m, &class, id, bus, devfn, &config->pci);
    net_port_init(&s->port, m, id, "virtio-net-pci", &config->nic, &port_ops, s);
    reset(&s->bus.pci.dev);
}
