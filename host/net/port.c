/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A NIC's port: frames cross between the machine's threads and the main loop's in two queues.
 *
 * To the host: net_port_send() appends to tx under the machine lock; net_link_prepare(), on the
 * main loop, sends them on and gives credits back, many at once.
 *
 * To the guest: what a back end sends is kept in rx; net_link_prepare() makes one input event of
 * many frames, and no other is under way until it was delivered. What the NIC refuses then goes
 * back to rx and waits until the NIC is ready: no frame waits inside the machine. */
#include "host/net/port.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/log.h"
#include "host/net/backend_internal.h"
#include "vm/machine.h"
#include "vm/record.h"

#define RX_FRAMES    1024 /* that may wait for the guest */
#define RX_BYTES     (4u << 20)
#define RX_LOW       (RX_FRAMES / 2)
#define BATCH_BYTES  (128u << 10) /* of an event, unless its first frame alone is longer */
#define CREDITS_BACK (NET_CREDITS / 2)
#define SEND_FRAMES  64 /* in a row: others on the main loop have their turn, too */

/* Events: a byte that says which, then for frames length, header and bytes of each. */
enum { EVENT_FRAMES = 'F', EVENT_CREDITS = 'C', EVENT_LINK = 'L' };
#define PACKED_HEADER 10u
#define FRAME_HEAD    (4u + PACKED_HEADER)

/* ---- frames and queues ---- */

struct net_frame *net_frame_new(size_t len)
{
    struct net_frame *f = malloc(sizeof(*f) + len);

    if (!f)
        return NULL;
    f->next = NULL;
    f->header = (struct net_header){0};
    f->len = (uint32_t)len;
    return f;
}

void net_frame_free(struct net_frame *f)
{
    free(f);
}

static void queue_init(struct net_queue *q)
{
    *q = (struct net_queue){.tail = &q->first};
}

static void queue_add(struct net_queue *q, struct net_frame *f)
{
    f->next = NULL;
    *q->tail = f;
    q->tail = &f->next;
    q->frames++;
    q->bytes += f->len;
}

static struct net_frame *queue_take(struct net_queue *q)
{
    struct net_frame *f = q->first;

    if (!f)
        return NULL;
    q->first = f->next;
    if (!q->first)
        q->tail = &q->first;
    q->frames--;
    q->bytes -= f->len;
    return f;
}

static void queue_move(struct net_queue *to, struct net_queue *from)
{
    if (!from->first)
        return;
    *to->tail = from->first;
    to->tail = from->tail;
    to->frames += from->frames;
    to->bytes += from->bytes;
    queue_init(from);
}

static void queue_clear(struct net_queue *q)
{
    for (struct net_frame *f; (f = queue_take(q));)
        net_frame_free(f);
}

/* ---- to the host: the NIC's side ---- */

bool net_port_can_send(struct net_port *p)
{
    p->wants_to_send = !p->credits;
    return p->credits;
}

void net_port_send_frame(struct net_port *p, struct net_frame *f)
{
    struct net_link *l = p->link;
    bool first;

    if (!l || !p->link_up || !p->credits || f->len < 14 || f->len > NET_FRAME_MAX) {
        p->statistics.tx_no_link += l && !p->link_up;
        net_frame_free(f);
        return;
    }
    p->credits--;
    p->statistics.tx_frames++;
    p->statistics.tx_bytes += f->len;
    if (record_replays(p->m)) { /* it went out when this was the present */
        net_frame_free(f);
        return;
    }
    pthread_mutex_lock(&l->lock);
    first = !l->tx.first;
    queue_add(&l->tx, f);
    pthread_mutex_unlock(&l->lock);
    if (first)
        poller_wake(l->set->poller);
}

void net_port_send(struct net_port *p, const struct net_header *h, const uint8_t *frame, size_t len)
{
    struct net_frame *f = len <= NET_FRAME_MAX ? net_frame_new(len) : NULL;

    if (!f)
        return;
    memcpy(f->data, frame, len);
    if (h)
        f->header = *h;
    net_port_send_frame(p, f);
}

/* ---- events, at the NIC's side ---- */

static void pack_head(uint8_t *to, const struct net_frame *f)
{
    const struct net_header *h = &f->header;

    st_le32(to, f->len);
    to += 4;
    to[0] = h->flags;
    to[1] = h->gso_type;
    st_le16(to + 2, h->hdr_len);
    st_le16(to + 4, h->gso_size);
    st_le16(to + 6, h->csum_start);
    st_le16(to + 8, h->csum_offset);
}

static struct net_header unpack_header(const uint8_t *from)
{
    return (struct net_header){.flags = from[0],
                               .gso_type = from[1],
                               .hdr_len = ld_le16(from + 2),
                               .gso_size = ld_le16(from + 4),
                               .csum_start = ld_le16(from + 6),
                               .csum_offset = ld_le16(from + 8)};
}

/* The NIC may have been reset since the frame was made for it: then it is lost. */
static bool nic_understands(const struct net_port *p, const struct net_header *h)
{
    unsigned need = h->flags & NET_HEADER_NEEDS_CSUM ? NET_OFFLOAD_CSUM : 0;

    if (h->gso_type != NET_GSO_NONE)
        need |= net_gso_offloads(h);
    return !(need & ~p->offloads);
}

/* False: the NIC has no room. */
static bool offer(struct net_port *p, const struct net_header *h, const uint8_t *frame, size_t len)
{
    if (!p->link_up || !nic_understands(p, h))
        return true;
    if (!p->ops->receive(p->nic, h, frame, len)) {
        p->statistics.rx_refused++;
        return false;
    }
    p->statistics.rx_frames++;
    p->statistics.rx_bytes += len;
    return true;
}

static void put_in_front(struct net_link *l, struct net_queue *q)
{
    pthread_mutex_lock(&l->lock);
    queue_move(q, &l->rx);
    queue_move(&l->rx, q);
    pthread_mutex_unlock(&l->lock);
}

/* What was refused, and all behind it, goes back, in order. */
static void take_back(struct net_link *l, const uint8_t *data, size_t len)
{
    struct net_queue back;

    queue_init(&back);
    for (size_t at = 0; len - at > FRAME_HEAD;) {
        uint32_t size = ld_le32(data + at);
        struct net_frame *f = net_frame_new(size);

        if (!f)
            break;
        f->header = unpack_header(data + at + 4);
        memcpy(f->data, data + at + FRAME_HEAD, size);
        queue_add(&back, f);
        at += FRAME_HEAD + size;
    }
    put_in_front(l, &back);
}

static void deliver_frames(struct net_port *p, const uint8_t *data, size_t len)
{
    bool running = p->m->run.state == RUN_RUNNING;
    size_t at = 0;

    while (len - at > FRAME_HEAD) {
        uint32_t size = ld_le32(data + at);
        struct net_header h = unpack_header(data + at + 4);

        if (size > len - at - FRAME_HEAD)
            return; /* no event of ours */
        if (!running || !offer(p, &h, data + at + FRAME_HEAD, size)) {
            p->refused = true;
            break;
        }
        at += FRAME_HEAD + size;
    }
    if (!p->link)
        return;
    if (p->refused)
        take_back(p->link, data + at, len - at);
    pthread_mutex_lock(&p->link->lock);
    p->link->in_flight = false;
    p->link->ready = !p->refused;
    pthread_mutex_unlock(&p->link->lock);
    poller_wake(p->link->set->poller);
}

static void give_credits(struct net_port *p, unsigned n)
{
    n += p->credits;
    p->credits = (uint16_t)(n < NET_CREDITS ? n : NET_CREDITS);
    if (!p->wants_to_send || !p->credits)
        return;
    p->wants_to_send = false;
    if (p->ops->can_send)
        p->ops->can_send(p->nic);
}

static void set_link_up(struct net_port *p, bool up)
{
    if (p->link_up == up)
        return;
    p->link_up = up;
    if (p->ops->link_changed)
        p->ops->link_changed(p->nic);
}

static void deliver(void *opaque, const uint8_t *data, size_t len)
{
    struct net_port *p = opaque;

    if (len < 2)
        return;
    if (data[0] == EVENT_FRAMES)
        deliver_frames(p, data + 1, len - 1);
    else if (data[0] == EVENT_CREDITS && len >= 3)
        give_credits(p, ld_le16(data + 1));
    else if (data[0] == EVENT_LINK)
        set_link_up(p, data[1]);
}

/* ---- the NIC's side: life ---- */

static void offer_again(struct net_port *p)
{
    p->refused = false;
    if (!p->link)
        return;
    pthread_mutex_lock(&p->link->lock);
    p->link->ready = true;
    pthread_mutex_unlock(&p->link->lock);
    poller_wake(p->link->set->poller);
}

void net_port_ready(struct net_port *p)
{
    if (p->refused)
        offer_again(p);
}

static void resumed(void *opaque)
{
    net_port_ready(opaque);
}

void net_port_set_offloads(struct net_port *p, unsigned offloads)
{
    p->offloads = offloads;
    if (!p->link)
        return;
    pthread_mutex_lock(&p->link->lock);
    p->link->rx_offloads = offloads;
    pthread_mutex_unlock(&p->link->lock);
}

void net_port_set_mac(struct net_port *p, const uint8_t mac[NET_MAC_SIZE])
{
    if (!p->link)
        return;
    pthread_mutex_lock(&p->link->lock);
    memcpy(p->link->mac, mac, NET_MAC_SIZE);
    pthread_mutex_unlock(&p->link->lock);
}

const struct state_field net_port_fields[] = {
    STATE_BOOL(struct net_port, link_up),
    STATE_U16_MAX(struct net_port, credits, NET_CREDITS),
    STATE_BOOL(struct net_port, wants_to_send),
    STATE_FIELDS_END,
};

void net_port_init(struct net_port *p, struct machine *m, const char *id, const char *model,
                   const struct nic_config *config, const struct net_port_ops *ops, void *nic)
{
    memset(p, 0, sizeof(*p));
    p->ops = ops;
    p->nic = nic;
    p->m = m;
    p->credits = NET_CREDITS;
    snprintf(p->source_name, sizeof(p->source_name), "net:%s", id);
    input_register(m, &p->source, p->source_name, deliver, p);
    p->resumed = (struct run_resumed){.fn = resumed, .opaque = p};
    machine_on_resume(m, &p->resumed);
    if (!config->netdev)
        return;
    p->link = net_link_new(config->netdev, p, id, model, config->mac);
    p->link_up = p->link && p->link->told_up;
}

/* What was under way when the state was saved is nobody's any more: its credits come back as if it
 * had just been sent. What was refused is offered to the NIC as it is now. */
void net_port_post_load(struct net_port *p)
{
    uint8_t all[3] = {EVENT_CREDITS}, link[2] = {EVENT_LINK};

    offer_again(p);
    if (!p->link)
        return;
    st_le16(all + 1, NET_CREDITS);
    input_push(p->m, &p->source, all, sizeof(all));
    link[1] = p->link->told_up;
    input_push(p->m, &p->source, link, sizeof(link));
}

/* ---- the host's side ---- */

static bool link_room(struct net_end *e)
{
    struct net_link *l = e->owner;
    bool room;

    pthread_mutex_lock(&l->lock);
    room = l->rx.frames < RX_FRAMES && l->rx.bytes < RX_BYTES;
    pthread_mutex_unlock(&l->lock);
    return room;
}

static void link_receive(struct net_end *e, const struct net_header *h, uint8_t *frame, size_t len)
{
    struct net_link *l = e->owner;
    size_t padded = len < NET_FRAME_MIN ? NET_FRAME_MIN : len;
    struct net_frame *f = link_room(e) ? net_frame_new(padded) : NULL;

    if (!f)
        return;
    f->header = *h;
    memcpy(f->data, frame, len);
    memset(f->data + len, 0, padded - len);
    pthread_mutex_lock(&l->lock);
    queue_add(&l->rx, f);
    pthread_mutex_unlock(&l->lock);
}

/* As many frames as fit go into one event. Lock held. Returns its length; 0: nothing to send. */
static size_t fill_batch(struct net_link *l)
{
    size_t at = 1;

    if (!l->ready || l->in_flight || !l->rx.first)
        return 0;
    l->batch[0] = EVENT_FRAMES;
    while (l->rx.first && (at == 1 || at + FRAME_HEAD + l->rx.first->len <= BATCH_BYTES)) {
        struct net_frame *f = queue_take(&l->rx);

        pack_head(l->batch + at, f);
        memcpy(l->batch + at + FRAME_HEAD, f->data, f->len);
        at += FRAME_HEAD + f->len;
        net_frame_free(f);
    }
    l->in_flight = true;
    l->batch_len = at;
    return at;
}

static void send_to_guest(struct net_link *l)
{
    size_t len;
    bool low;

    pthread_mutex_lock(&l->lock);
    l->end.offloads = l->rx_offloads;
    len = fill_batch(l);
    low = l->rx.frames < RX_LOW && l->rx.bytes < RX_BYTES / 2;
    queue_move(&l->out, &l->tx);
    pthread_mutex_unlock(&l->lock);
    if (len && !input_push(l->set->m, &l->port->source, l->batch, len)) {
        pthread_mutex_lock(&l->lock); /* no memory: the frames are lost */
        l->in_flight = false;
        pthread_mutex_unlock(&l->lock);
    }
    if (low)
        net_end_ready(&l->end);
}

/* True if more waits that could go now. */
static bool send_to_network(struct net_link *l)
{
    uint8_t event[3] = {EVENT_CREDITS};
    bool room = true;

    for (unsigned n = 0; n < SEND_FRAMES && l->out.first; n++) {
        struct net_frame *f;

        room = net_end_room(&l->end);
        if (!room)
            break;
        f = queue_take(&l->out);
        if (net_header_check(&f->header, f->data, f->len))
            net_end_send(&l->end, &f->header, f->data, f->len);
        net_frame_free(f);
        l->done++;
    }
    if (l->done >= CREDITS_BACK) {
        st_le16(event + 1, (uint16_t)l->done);
        if (input_push(l->set->m, &l->port->source, event, sizeof(event)))
            l->done = 0;
    }
    return room && l->out.first;
}

/* The past is over. What was on its way when it began was discarded, and its credits: they come
 * back as after loading. */
static void begin_again(struct net_link *l)
{
    uint8_t all[3] = {EVENT_CREDITS};

    pthread_mutex_lock(&l->lock);
    l->in_flight = false;
    l->ready = true;
    pthread_mutex_unlock(&l->lock);
    st_le16(all + 1, NET_CREDITS);
    l->in_past = !input_push(l->set->m, &l->port->source, all, sizeof(all));
}

bool net_link_prepare(struct net_link *l)
{
    if (record_replays(l->port->m)) { /* input comes from the log; the network waits */
        l->in_past = true;
        return false;
    }
    if (l->in_past)
        begin_again(l);
    send_to_guest(l);
    return send_to_network(l);
}

void net_link_changed(struct net_link *l)
{
    uint8_t event[2] = {EVENT_LINK};
    bool up = !l->end.link_down && l->end.peer && !l->end.peer->link_down;

    if (up == l->told_up)
        return;
    l->told_up = up;
    event[1] = up;
    if (l->set->m)
        input_push(l->set->m, &l->port->source, event, sizeof(event));
}

void net_link_get_mac(struct net_link *l, uint8_t mac[NET_MAC_SIZE])
{
    pthread_mutex_lock(&l->lock);
    memcpy(mac, l->mac, NET_MAC_SIZE);
    pthread_mutex_unlock(&l->lock);
}

/* ---- the machine goes to another process, or comes from one ---- */

void net_link_pack_waiting(struct net_link *l, FILE *to)
{
    uint8_t head[FRAME_HEAD];

    pthread_mutex_lock(&l->lock);
    if (l->in_flight)
        fwrite(l->batch + 1, 1, l->batch_len - 1, to);
    for (const struct net_frame *f = l->rx.first; f; f = f->next) {
        pack_head(head, f);
        fwrite(head, sizeof(head), 1, to);
        fwrite(f->data, 1, f->len, to);
    }
    pthread_mutex_unlock(&l->lock);
}

void net_link_drop_waiting(struct net_link *l)
{
    pthread_mutex_lock(&l->lock);
    queue_clear(&l->rx);
    pthread_mutex_unlock(&l->lock);
}

/* NULL: what is there is no frame. */
static struct net_frame *unpack_frame(const uint8_t *data, size_t len)
{
    uint32_t size = len < FRAME_HEAD ? 0 : ld_le32(data);
    struct net_frame *f;

    if (size < NET_FRAME_MIN || size > NET_FRAME_MAX || size > len - FRAME_HEAD)
        return NULL;
    f = net_frame_new(size);
    if (!f)
        return NULL;
    f->header = unpack_header(data + 4);
    memcpy(f->data, data + FRAME_HEAD, size);
    if (net_header_check(&f->header, f->data, size))
        return f;
    net_frame_free(f);
    return NULL;
}

bool net_link_unpack_waiting(struct net_link *l, const uint8_t *data, size_t len)
{
    struct net_queue came;
    struct net_frame *f;

    queue_init(&came);
    while (len && (f = unpack_frame(data, len))) {
        data += FRAME_HEAD + f->len;
        len -= FRAME_HEAD + f->len;
        queue_add(&came, f);
    }
    if (!len)
        put_in_front(l, &came);
    queue_clear(&came);
    return !len;
}

bool net_link_rx_filter(struct net_link *l, struct net_rx_filter *f)
{
    memset(f, 0, sizeof(*f));
    if (!l->port->ops->rx_filter)
        return false;
    l->port->ops->rx_filter(l->port->nic, f);
    return true;
}

static const struct net_end_ops link_ops = {.receive = link_receive, .room = link_room};

struct net_link *net_link_new(struct netdev *n, struct net_port *p, const char *id,
                              const char *model, const uint8_t mac[NET_MAC_SIZE])
{
    struct net_link *l = calloc(1, sizeof(*l)), **tail = &n->set->links;

    if (!l)
        return NULL;
    l->end.ops = &link_ops;
    l->end.owner = l;
    l->set = n->set;
    l->id = strdup(id);
    l->model = strdup(model);
    l->batch = malloc(INPUT_EVENT_MAX);
    l->port = p;
    l->ready = true;
    memcpy(l->mac, mac, NET_MAC_SIZE);
    queue_init(&l->tx);
    queue_init(&l->rx);
    queue_init(&l->out);
    pthread_mutex_init(&l->lock, NULL);
    while (*tail)
        tail = &(*tail)->next;
    *tail = l;
    if (!l->id || !l->model || !l->batch)
        return l; /* never joined: no link */
    net_end_join(&l->end, &n->end);
    l->told_up = !n->end.link_down;
    return l;
}

void net_link_free(struct net_link *l)
{
    queue_clear(&l->tx);
    queue_clear(&l->rx);
    queue_clear(&l->out);
    pthread_mutex_destroy(&l->lock);
    free(l->batch);
    free(l->id);
    free(l->model);
    free(l);
}
