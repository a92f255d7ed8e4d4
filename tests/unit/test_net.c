/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks without a guest: checksums and segmentation against frames made by hand, the port's two
 * queues, back ends joined to each other, captures, and what their options refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "config.h"
#include "host/net/backend.h"
#include "host/net/offload.h"
#include "vm/checkpoint.h"
#include "vm/machine.h"
#include "vm/record.h"

/* ---- sums and segments ---- */

static unsigned be16(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

/* RFC 1071, the slow way. */
static unsigned sum_of(const uint8_t *p, size_t len, unsigned sum)
{
    for (size_t i = 0; i < len; i++) {
        sum += (unsigned)(i & 1 ? p[i] : p[i] << 8);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static void sums(void **state)
{
    /* A header whose checksum is known: b861 at offset 10. */
    static const uint8_t ip[20] = {0x45, 0, 0,    0x73, 0, 0, 0x40, 0,    0x40, 0x11,
                                   0,    0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,    0xc7};
    uint8_t bytes[4099];

    (void)state;
    assert_int_equal((uint16_t)~net_sum(ip, sizeof(ip), 0), 0xb861);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(0xff - i % 3);
    for (size_t len = 0; len < 20; len++)
        assert_int_equal(net_sum(bytes, len, 7), sum_of(bytes, len, 7));
    assert_int_equal(net_sum(bytes, sizeof(bytes), 0xffff), sum_of(bytes, sizeof(bytes), 0xffff));
}

#define PAYLOAD 2500u

/* Ethernet, IPv4 (with 4 bytes of options) or IPv6, TCP with 12 bytes of options. Returns where the
 * data is. */
static size_t make_tcp(uint8_t *f, bool ipv6, bool vlan, struct net_header *h)
{
    size_t ip = vlan ? 18 : 14, tcp = ip + (ipv6 ? 40 : 24), data = tcp + 32;

    memset(f, 0, data);
    memcpy(f, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
    if (vlan)
        memcpy(f + 12, "\x81\x00\x00\x05", 4);
    memcpy(f + ip - 2, ipv6 ? "\x86\xdd" : "\x08\x00", 2);
    if (ipv6) {
        f[ip] = 0x60;
        f[ip + 6] = 6;
        f[ip + 7] = 64;
        memset(f + ip + 8, 0xfe, 32);
    } else {
        memcpy(f + ip, "\x46\x00\xff\xff\x12\xff\x40\x00\x40\x06", 10);
        memcpy(f + ip + 12, "\x0a\x00\x02\x0f\x0a\x00\x02\x02\x01\x01\x01\x00", 12);
    }
    memcpy(f + tcp, "\xc0\x01\x00\x50\xff\xff\xfe\x00\x00\x00\x00\x07\x80\x99\x10\x00", 16);
    for (size_t i = 0; i < PAYLOAD; i++)
        f[data + i] = (uint8_t)(i % 251);
    *h = (struct net_header){.flags = NET_HEADER_NEEDS_CSUM,
                             .gso_type = (ipv6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4) | NET_GSO_ECN,
                             .gso_size = 1000,
                             .csum_start = (uint16_t)tcp,
                             .csum_offset = 16};
    return data;
}

struct caught {
    unsigned n;
    uint8_t frame[4][NET_FRAME_MAX];
    size_t len[4];
    struct net_header header[4];
};

static void catch (void *opaque, const struct net_header *h, uint8_t *frame, size_t len)
{
    struct caught *c = opaque;

    assert_true(c->n < 4);
    memcpy(c->frame[c->n], frame, len);
    c->len[c->n] = len;
    c->header[c->n++] = *h;
}

static void check_segment(const struct caught *c, unsigned n, bool ipv6, size_t ip, size_t data)
{
    static const unsigned sizes[] = {1000, 1000, 500}, flags[] = {0x90, 0x10, 0x19};
    const uint8_t *f = c->frame[n];
    size_t tcp = data - 32, tcp_len = 32 + sizes[n];
    uint32_t sequence = 0xfffffe00u + n * 1000;

    assert_int_equal(c->len[n], data + sizes[n]);
    assert_memory_equal(&c->header[n], &(struct net_header){0}, sizeof(struct net_header));
    assert_int_equal(be16(f + tcp + 4) << 16 | be16(f + tcp + 6), sequence);
    assert_int_equal(f[tcp + 13], flags[n]); /* CWR first, FIN and PSH last */
    for (unsigned i = 0; i < sizes[n]; i++)
        assert_int_equal(f[data + i], (n * 1000 + i) % 251);
    if (ipv6) {
        assert_int_equal(be16(f + ip + 4), tcp_len);
        assert_int_equal(sum_of(f + tcp, tcp_len, sum_of(f + ip + 8, 32, 6 + (unsigned)tcp_len)),
                         0xffff);
        return;
    }
    assert_int_equal(be16(f + ip + 2), 24 + tcp_len);
    assert_int_equal(be16(f + ip + 4), 0x12ff + n);
    assert_int_equal(sum_of(f + ip, 24, 0), 0xffff);
    assert_int_equal(sum_of(f + tcp, tcp_len, sum_of(f + ip + 12, 8, 6 + (unsigned)tcp_len)),
                     0xffff);
}

static void segments(void **state)
{
    struct caught *c = malloc(sizeof(*c));
    uint8_t f[PAYLOAD + 200];
    struct net_header h;

    (void)state;
    for (unsigned way = 0; way < 4; way++) {
        bool ipv6 = way & 1, vlan = way & 2;
        size_t data = make_tcp(f, ipv6, vlan, &h);

        c->n = 0;
        assert_true(net_header_check(&h, f, data + PAYLOAD));
        assert_int_equal(h.hdr_len, data);
        net_segment(&h, f, data + PAYLOAD, NET_OFFLOAD_CSUM, catch, c);
        assert_int_equal(c->n, 3);
        for (unsigned n = 0; n < 3; n++)
            check_segment(c, n, ipv6, vlan ? 18 : 14, data);
    }
    free(c);
}

/* Who takes a frame as it is gets it so. */
static void passes_whole(void **state)
{
    struct caught *c = calloc(1, sizeof(*c));
    uint8_t f[PAYLOAD + 200];
    struct net_header h;
    size_t data = make_tcp(f, false, false, &h);

    (void)state;
    net_segment(&h, f, data + PAYLOAD, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_ECN, catch,
                c);
    assert_int_equal(c->n, 1);
    assert_memory_equal(&c->header[0], &h, sizeof(h));
    net_segment(&h, f, data + PAYLOAD, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN, catch,
                c);
    assert_int_equal(c->n, 4);
    net_make_giant(&h, f, data + PAYLOAD);
    assert_int_equal(h.gso_type, NET_GSO_NONE);
    assert_int_equal(be16(f + 16), 24 + 32 + PAYLOAD);
    assert_int_equal(sum_of(f + 14, 24, 0), 0xffff);
    assert_int_equal(sum_of(f + data - 32, 32 + PAYLOAD, sum_of(f + 26, 8, 6 + 32 + PAYLOAD)),
                     0xffff);
    free(c);
}

static void checksums(void **state)
{
    /* UDP: the place has the pseudo header's sum. */
    struct net_header h = {.flags = NET_HEADER_NEEDS_CSUM, .csum_start = 14, .csum_offset = 6};
    uint8_t f[14 + 11] = {[14] = 0x12, 0x34, 0x56, 0x78, 0, 11, 0x01, 0x02, 'a', 'b', 'c'};
    uint8_t zero[24] = {[20] = 0xff, [21] = 0xff}; /* sums up to what would be written as 0 */

    (void)state;
    assert_true(net_header_check(&h, f, sizeof(f)));
    net_finish_checksum(&h, f, sizeof(f));
    assert_int_equal(h.flags, 0);
    /* 1234 + 5678 + 000b + 0102 + 6162 + 6300 = 12e1b, with the carry 2e1c; its complement: */
    assert_int_equal(be16(f + 20), 0xd1e3);
    h = (struct net_header){.flags = NET_HEADER_NEEDS_CSUM, .csum_start = 14, .csum_offset = 6};
    net_finish_checksum(&h, zero, sizeof(zero));
    assert_int_equal(be16(zero + 20), 0xffff);
}

static void bad_headers(void **state)
{
    uint8_t f[PAYLOAD + 200];
    struct net_header good, h;
    size_t data = make_tcp(f, false, false, &good), len = data + PAYLOAD;

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        h = good;                                                                                  \
        change;                                                                                    \
        assert_false(net_header_check(&h, f, len));                                                \
    } while (0)
    (void)state;
    REFUSED(h.csum_start = (uint16_t)len);
    REFUSED(h.csum_offset = 0xffff);
    REFUSED(h.csum_start = 13);
    REFUSED(h.gso_type = 3); /* UFO */
    REFUSED(h.gso_type = NET_GSO_TCPV6);
    REFUSED(h.gso_size = 0);
    REFUSED(h.gso_size = 47);
    REFUSED(h.flags = 0);
    REFUSED(len = data - 1);
    len = data + PAYLOAD;
    REFUSED(f[14] = 0x44); /* header length 16 */
    f[14] = 0x46;
    REFUSED(f[23] = 17); /* UDP */
    f[23] = 6;
    REFUSED(f[data - 32 + 12] = 0x40);
    REFUSED(f[data - 32 + 12] = 0xf0; len = data);
}

/* ---- ports and back ends ---- */

struct nic {
    struct net_port port;
    struct nic_config config;
    unsigned received, told, links;
    uint8_t last[2000];
    size_t last_len;
    bool refuse;
};

struct box {
    struct machine m;
    struct poller p;
    struct nets *nets;
    struct nic nic[2];
};

static bool nic_receive(void *opaque, const struct net_header *h, const uint8_t *frame, size_t len)
{
    struct nic *n = opaque;

    assert_true(len >= NET_FRAME_MIN && h->gso_type == NET_GSO_NONE && !h->flags);
    if (n->refuse)
        return false;
    n->received++;
    n->last_len = len;
    memcpy(n->last, frame, len < sizeof(n->last) ? len : sizeof(n->last));
    return true;
}

static void nic_can_send(void *opaque)
{
    ((struct nic *)opaque)->told++;
}

static void nic_link(void *opaque)
{
    ((struct nic *)opaque)->links++;
}

static const struct net_port_ops ops = {
    .receive = nic_receive, .can_send = nic_can_send, .link_changed = nic_link};

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof(*b));
    struct error err;

    assert_true(machine_init(&b->m, 1 << 20, 0, &err));
    assert_true(poller_init(&b->p, &err));
    b->nets = nets_new(&b->p);
    b->m.run.state = RUN_RUNNING;
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;

    nets_free(b->nets);
    machine_destroy(&b->m);
    poller_destroy(&b->p);
    free(b);
    return 0;
}

static struct netdev *define(struct box *b, const char *spec)
{
    struct netdev *n = NULL;
    struct error err = {""};

    if (!netdev_define_unnamed(b->nets, spec, &n, &err))
        fail_msg("%s: %s", spec, err.text);
    return n;
}

static void plug(struct box *b, unsigned i, struct netdev *n)
{
    static const char *const ids[] = {"nic0", "nic1"};
    struct error err;

    assert_true(netdev_take(n, &err));
    b->nic[i].config = (struct nic_config){{2, 0, 0, 0, 0, (uint8_t)i}, n};
    net_port_init(&b->nic[i].port, &b->m, ids[i], "test", &b->nic[i].config, &ops, &b->nic[i]);
    nets_start(b->nets, &b->m);
}

/* The main loop, until nothing happens at once any more. */
static void turn(struct box *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        nets_prepare(b->nets);
        machine_lock(&b->m);
        input_deliver(&b->m);
        machine_unlock(&b->m);
        poller_run(&b->p, 0);
    }
}

/* Turns, with waits, until the NIC has got that many. */
static void until(struct box *b, const struct nic *n, unsigned received)
{
    for (unsigned i = 0; n->received < received && i < 5000; i++) {
        turn(b, 1);
        poller_run(&b->p, 1000000);
    }
    assert_int_equal(n->received, received);
}

static void send(struct nic *n, uint8_t tag, size_t len)
{
    uint8_t f[2000] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x12, 0x34};

    f[14] = tag;
    f[len - 1] = (uint8_t)(tag + 1);
    net_port_send(&n->port, NULL, f, len);
}

static void two_on_a_hub(struct box *b)
{
    plug(b, 0, define(b, "hubport,hubid=3"));
    plug(b, 1, define(b, "hubport,hubid=3"));
    define(b, "hubport,hubid=4");
}

static void hub(void **state)
{
    struct box *b = *state;

    two_on_a_hub(b);
    send(&b->nic[0], 5, 40);
    turn(b, 3);
    assert_int_equal(b->nic[1].received, 1);
    assert_int_equal(b->nic[0].received, 0);
    assert_int_equal(b->nic[1].last_len, NET_FRAME_MIN);
    assert_int_equal(b->nic[1].last[39], 6);
    assert_int_equal(b->nic[1].last[40], 0);                  /* padded */
    net_port_send(&b->nic[0].port, NULL, b->nic[1].last, 13); /* no header */
    turn(b, 3);
    assert_int_equal(b->nic[1].received, 1);
    assert_int_equal(b->nic[0].port.statistics.tx_frames, 1);
    assert_int_equal(b->nic[1].port.statistics.rx_bytes, NET_FRAME_MIN);
}

/* A large segment is cut for who cannot take it. */
static void segments_for_a_plain_nic(void **state)
{
    struct box *b = *state;
    uint8_t f[PAYLOAD + 200];
    struct net_header h;
    size_t data;

    two_on_a_hub(b);
    data = make_tcp(f, false, false, &h);
    net_port_send(&b->nic[0].port, &h, f, data + PAYLOAD);
    h.csum_start = 9999; /* does not fit: goes nowhere */
    net_port_send(&b->nic[0].port, &h, f, data + PAYLOAD);
    turn(b, 3);
    assert_int_equal(b->nic[1].received, 3);
    assert_int_equal(b->nic[1].last_len, data + 500);
}

/* What is refused comes again, in order, when the NIC is ready. */
static void refusals(void **state)
{
    struct box *b = *state;

    two_on_a_hub(b);
    b->nic[1].refuse = true;
    for (unsigned i = 0; i < 5; i++)
        send(&b->nic[0], (uint8_t)(10 + i), 100);
    turn(b, 5);
    assert_int_equal(b->nic[1].port.statistics.rx_refused, 1); /* asked once only */
    send(&b->nic[0], 15, 100);
    b->nic[1].refuse = false;
    turn(b, 5);
    assert_int_equal(b->nic[1].received, 0);
    net_port_ready(&b->nic[1].port);
    turn(b, 5);
    assert_int_equal(b->nic[1].received, 6);
    assert_int_equal(b->nic[1].last[14], 15);
    b->m.run.state = RUN_PAUSED; /* nothing arrives meanwhile */
    send(&b->nic[0], 16, 100);
    turn(b, 5);
    assert_int_equal(b->nic[1].received, 6);
    b->m.run.state = RUN_RUNNING;
    net_port_ready(&b->nic[1].port);
    turn(b, 5);
    assert_int_equal(b->nic[1].received, 7);
}

/* ---- a machine that moves ---- */

static uint8_t *pack(struct box *b, size_t *len)
{
    char *data;

    assert_true(nets_pack_waiting(b->nets, &data, len));
    return (uint8_t *)data;
}

/* What had come for it comes before what comes at the new place, whose earlier frames are dropped;
 * nothing but whole frames of cards that there are is taken. */
static void travels(void **state)
{
    struct box *b = *state;
    struct error err = {""};
    uint8_t *data;
    size_t len;

    two_on_a_hub(b);
    b->m.run.state = RUN_PAUSED;
    send(&b->nic[0], 1, 60);
    send(&b->nic[0], 2, 1000);
    turn(b, 5);
    data = pack(b, &len);
    assert_int_equal(len, 4 + 4 + 4 + 14 + 60 + 14 + 1000);
    nets_drop_waiting(b->nets);
    send(&b->nic[0], 3, 60);
    turn(b, 5);
    for (size_t n = 1; n < len; n++)
        assert_false(nets_unpack_waiting(b->nets, data, n, &err));
    data[4 + 3] ^= 8; /* the card's id */
    assert_false(nets_unpack_waiting(b->nets, data, len, &err));
    data[4 + 3] ^= 8;
    data[12] ^= 1; /* the first frame's length */
    assert_false(nets_unpack_waiting(b->nets, data, len, &err));
    data[12] ^= 1;
    assert_true(nets_unpack_waiting(b->nets, data, len, &err));
    free(data);
    b->m.run.state = RUN_RUNNING;
    net_port_ready(&b->nic[1].port);
    nets_prepare(b->nets);
    data = pack(b, &len); /* an event with all three is under way */
    assert_int_equal(len, 4 + 4 + 4 + 3 * 14 + 60 + 1000 + 60);
    assert_int_equal(data[4 + 4 + 4 + 14 + 14], 1);
    free(data);
    turn(b, 5);
    assert_int_equal(b->nic[1].received, 3);
    assert_int_equal(b->nic[1].last[14], 3);
    data = pack(b, &len);
    assert_int_equal(len, 0);
    free(data);
}

/* RFC 903, from every card, with the address that the guest gave it; and again later. */
static void announces(void **state)
{
    static const uint8_t frame[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1, 2, 3, 4, 5, 0x80, 0x35, 0, 1, 8, 0, 6, 4, 0,
        3,    2,    1,    2,    3,    4,    5, 0, 0, 0, 0, 2, 1,    2,    3, 4, 5, 0, 0, 0, 0};
    struct box *b = *state;

    two_on_a_hub(b);
    net_port_set_mac(&b->nic[0].port, frame + 6);
    nets_announce(b->nets);
    turn(b, 3);
    assert_memory_equal(b->nic[1].last, frame, sizeof(frame));
    assert_memory_equal(b->nic[0].last + 6, b->nic[1].config.mac, NET_MAC_SIZE);
    until(b, &b->nic[1], 5);
    assert_int_equal(nets_prepare(b->nets), -1);
}

/* Room to send runs out, and comes back by an event. */
static void credits(void **state)
{
    struct box *b = *state;

    two_on_a_hub(b);
    for (unsigned i = 0; i < NET_CREDITS; i++) {
        assert_true(net_port_can_send(&b->nic[0].port));
        send(&b->nic[0], 1, 60);
    }
    assert_false(net_port_can_send(&b->nic[0].port));
    send(&b->nic[0], 1, 60); /* against the rules: lost */
    assert_int_equal(b->nic[0].told, 0);
    turn(b, 10);
    assert_int_equal(b->nic[1].received, NET_CREDITS);
    assert_int_equal(b->nic[0].told, 1);
    assert_true(net_port_can_send(&b->nic[0].port));
    b->nic[0].port.credits = 0; /* as loaded from a state that was saved meanwhile */
    machine_lock(&b->m);
    net_port_post_load(&b->nic[0].port);
    machine_unlock(&b->m);
    turn(b, 2);
    assert_int_equal(b->nic[0].port.credits, NET_CREDITS);
}

/* A machine in its past sends nothing and hears nothing but its log; then all goes on. */
static void past(void **state)
{
    static const struct record_header header = {0};
    const struct record_setup with = {.header = &header, .history = UINT64_MAX};
    struct box *b = *state;
    struct error err = {""};

    machine_use_icount(&b->m, 3, false);
    two_on_a_hub(b);
    machine_lock(&b->m);
    if (!record_begin(&b->m, &with, &err) ||
        !record_travel(&b->m, record_checkpoints(&b->m)->newest, &err))
        fail_msg("%s", err.text);
    machine_unlock(&b->m);
    b->m.run.state = RUN_RUNNING;
    assert_true(record_replays(&b->m));
    for (unsigned i = 0; i < 100; i++)
        send(&b->nic[0], 1, 60);
    for (unsigned i = 0; i < 5; i++) {
        nets_prepare(b->nets);
        assert_false(input_pending(&b->m));
    }
    assert_int_equal(b->nic[1].received, 0);
    assert_int_equal(b->nic[0].port.credits, NET_CREDITS - 100);
    machine_lock(&b->m);
    assert_true(record_turn(&b->m)); /* there is no more in the log */
    assert_false(record_replays(&b->m));
    machine_unlock(&b->m);
    turn(b, 2);
    assert_int_equal(b->nic[0].port.credits, NET_CREDITS);
    send(&b->nic[0], 2, 60);
    turn(b, 5);
    assert_int_equal(b->nic[1].received, 1);
    assert_int_equal(b->nic[1].last[14], 2);
    machine_lock(&b->m);
    record_end(&b->m);
    machine_unlock(&b->m);
}

static void cables(void **state)
{
    struct box *b = *state;
    struct error err;

    two_on_a_hub(b);
    assert_true(b->nic[0].port.link_up);
    assert_true(nets_set_link(b->nets, "nic1", false, &err));
    turn(b, 2);
    assert_int_equal(b->nic[1].links, 1);
    assert_false(b->nic[1].port.link_up);
    send(&b->nic[0], 1, 60);
    send(&b->nic[1], 1, 60);
    turn(b, 3);
    assert_int_equal(b->nic[0].received + b->nic[1].received, 0);
    assert_int_equal(b->nic[1].port.statistics.tx_no_link, 1);
    assert_true(nets_set_link(b->nets, "nic1", true, &err));
    assert_true(nets_set_link(b->nets, "#net0", false, &err)); /* the other end of nic0's */
    turn(b, 2);
    assert_true(b->nic[1].port.link_up);
    assert_false(b->nic[0].port.link_up);
    assert_false(nets_set_link(b->nets, "nic7", true, &err));
    assert_non_null(strstr(err.text, "did you mean nic"));
}

/* ---- sockets: two sets in one process would do as well ---- */

static void over(struct box *b, const char *first, const char *second)
{
    plug(b, 0, define(b, first));
    plug(b, 1, define(b, second));
    for (unsigned i = 0; i < 20; i++)
        turn(b, 1);
    for (unsigned i = 0; i < 40; i++)
        send(&b->nic[0], (uint8_t)i, 60 + i * 30);
    until(b, &b->nic[1], 40);
    assert_int_equal(b->nic[1].last_len, 60 + 39 * 30);
    assert_int_equal(b->nic[1].last[14], 39);
    send(&b->nic[1], 77, 333);
    until(b, &b->nic[0], 1);
    assert_int_equal(b->nic[0].last[332], 78);
}

static void streams(void **state)
{
    char listen[200], connect[200], path[64];

    snprintf(path, sizeof(path), "/tmp/calque-test-net-%d", (int)getpid());
    snprintf(listen, sizeof(listen), "stream,server=on,addr.type=unix,addr.path=%s", path);
    snprintf(connect, sizeof(connect), "stream,addr.type=unix,addr.path=%s", path);
    over(*state, listen, connect);
    nets_free(((struct box *)*state)->nets);
    ((struct box *)*state)->nets = NULL;
    assert_int_not_equal(access(path, F_OK), 0);
}

static void datagrams(void **state)
{
    char spec[2][300];

    for (int i = 0; i < 2; i++)
        snprintf(spec[i], sizeof(spec[i]),
                 "dgram,local.type=unix,local.path=/tmp/calque-test-net-%d-%d,remote.type=unix,"
                 "remote.path=/tmp/calque-test-net-%d-%d",
                 (int)getpid(), i, (int)getpid(), !i);
    over(*state, spec[0], spec[1]);
}

/* A client that comes before the server tries again. */
static void reconnects(void **state)
{
    struct box *b = *state;
    char text[200];

    snprintf(text, sizeof(text),
             "stream,addr.type=unix,addr.path=/tmp/calque-test-net-%d,reconnect-ms=1",
             (int)getpid());
    plug(b, 0, define(b, text));
    send(&b->nic[0], 1, 60); /* nobody is there */
    turn(b, 3);
    snprintf(text, sizeof(text),
             "stream,server=on,addr.type=unix,addr.path=/tmp/calque-test-net-%d", (int)getpid());
    plug(b, 1, define(b, text));
    for (unsigned i = 0; !b->nic[1].received && i < 5000; i++) {
        send(&b->nic[0], 2, 60);
        turn(b, 1);
        poller_run(&b->p, 1000000);
        b->nic[0].port.credits = NET_CREDITS;
    }
    assert_int_equal(b->nic[1].last[14], 2);
}

/* ---- captures ---- */

static void captures(void **state)
{
    struct box *b = *state;
    char path[64];
    uint32_t words[10];
    struct error err;
    FILE *f;

    snprintf(path, sizeof(path), "/tmp/calque-test-net-%d.pcap", (int)getpid());
    two_on_a_hub(b);
    assert_true(nets_add_dump(b->nets, "#net0", path, 70, &err));
    send(&b->nic[0], 1, 60);
    send(&b->nic[1], 1, 100);
    turn(b, 4);
    f = fopen(path, "rb");
    unlink(path);
    assert_non_null(f);
    assert_int_equal(fread(words, 4, 10, f), 10);
    assert_int_equal(words[0], 0xa1b2c3d4);
    assert_int_equal(words[1], 4 << 16 | 2);
    assert_int_equal(words[5], 1);  /* Ethernet */
    assert_int_equal(words[8], 60); /* of the first frame */
    fseek(f, 24 + 16 + 60, SEEK_SET);
    assert_int_equal(fread(words, 4, 4, f), 4);
    assert_int_equal(words[2], 70);
    assert_int_equal(words[3], 100);
    fseek(f, 0, SEEK_END);
    assert_int_equal(ftell(f), 24 + 16 + 60 + 16 + 70);
    fclose(f);
    assert_false(nets_add_dump(b->nets, "#net9", path, 70, &err));
    assert_false(nets_add_dump(b->nets, "#net0", "/nowhere/at/all", 70, &err));
    assert_non_null(strstr(err.text, "No such file"));
}

/* ---- options ---- */

static void bad_options(void **state)
{
    static const struct {
        const char *spec, *says;
    } bad[] = {
        {"sockt", "did you mean socket?"},
        {"hubport", "hubid=N is expected"},
        {"hubport,hubid=0,netdev=x", "no -netdev"},
        {"socket", "one of listen="},
        {"socket,listen=:1,connect=:2", "one of listen="},
        {"socket,connect=here", "HOST:PORT is expected"},
        {"socket,connect=127.0.0.1:1", "refused"},
        {"socket,udp=127.0.0.1:9", "localaddr=HOST:PORT is expected"},
        {"socket,mcast=10.0.0.1:9", "a multicast address is expected"},
        {"socket,fd=12345", "an open stream socket is expected"},
        {"socket,listen=:0,localaddr=:9", "only with mcast= or udp="},
        {"stream", "is expected"},
        {"stream,addr.type=pipe", "inet, unix or fd is expected"},
        {"stream,addr.type=unix,addr.path=", "1 to 107 bytes"},
        {"stream,server=on,addr.type=inet,addr.port=0,reconnect=1", "only for who connects"},
        {"dgram,remote.type=inet,remote.host=127.0.0.1,remote.port=9", "local.type=inet"},
        {"dgram,local.type=inet,local.host=127.0.0.1,local.port=0", "remote.type="},
        {"tap,fd=0", "an open tap device is expected"},
        {"tap,vhost=on", "off is expected"},
        {"tap,ifname=0123456789abcdef", "at most 15 letters"},
        {"tap,helper=x", "helper"},
#if CONFIG_SLIRP
        {"user,net=10.0.2.0/31", "1 to 29"},
        {"user,net=ten", "ADDRESS/BITS is expected"},
        {"user,net=10.0.0.0/255.0.255.0", "a mask of ones before zeros"},
        {"user,host=10.0.3.2", "not in the network"},
        {"user,dns=10.0.2.2", "two addresses are expected"},
        {"user,dhcpstart=10.0.2.255", "not in the network"},
        {"user,ipv4=off,ipv6=off", "nothing is left"},
        {"user,ipv6-host=x", "an IPv6 address is expected"},
        {"user,hostfwd=tcp::1", "is expected"},
        {"user,hostfwd=icmp::1-:2", "is expected"},
        {"user,hostfwd=tcp::65536-:2", "is expected"},
        {"user,hostfwd=tcp::1-:0", "the guest's port is 1 to 65535"},
        {"user,hostfwd=tcp:[::1]:1-:2", "both addresses are IPv4"},
        {"user,hostfwd=tcp:192.0.2.1:0-:2", "Cannot assign"},
        {"user,guestfwd=tcp::1-cmd:x", "ADDRESS:PORT-cmd:COMMAND"},
        {"user,guestfwd=tcp:10.0.2.100:1-tcp:127.0.0.1:1", "cmd:COMMAND or unix:PATH"},
        {"user,guestfwd=tcp:10.0.9.100:1-cmd:x", "an address of this network"},
        {"user,hostname=012345678901234567890123456789012", "at most 32 letters"},
        {"user,smb=/tmp", "smb"},
#else
        {"user", "not in this build"},
#endif
    };
    struct box *b = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct netdev *n;
        struct error err = {""};

        if (netdev_define_unnamed(b->nets, bad[i].spec, &n, &err))
            fail_msg("%s: opened", bad[i].spec);
        if (!strstr(err.text, bad[i].says))
            fail_msg("%s: %s", bad[i].spec, err.text);
    }
}

static void ids(void **state)
{
    struct box *b = *state;
    struct error err;

    assert_false(netdev_define(b->nets, "hubport,hubid=0", &err));
    assert_true(netdev_define(b->nets, "hubport,hubid=0,id=a", &err));
    assert_false(netdev_define(b->nets, "hubport,hubid=0,id=a", &err));
    assert_false(netdev_define(b->nets, "hubport,hubid=1,id=b,netdev=a", &err)); /* hub to hub */
    plug(b, 0, netdev_find(b->nets, "a", &err));
    assert_false(netdev_take(netdev_find(b->nets, "a", &err), &err));
    assert_false(netdev_delete(b->nets, "a", &err));
    assert_true(netdev_define(b->nets, "hubport,hubid=0,id=b", &err));
    assert_true(netdev_delete(b->nets, "b", &err));
    assert_null(netdev_find(b->nets, "b", &err));
}

/* ---- the user network ---- */

#if CONFIG_SLIRP
/* It answers for its gateway, to which an ARP request is all that is needed (RFC 826). */
static void user(void **state)
{
    static const uint8_t arp[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0x12, 0x34,
                                    0x56, 8,    6,    0,    1,    8,    0,    6,    4, 0,    1,
                                    0x52, 0x54, 0,    0x12, 0x34, 0x56, 10,   9,    8, 40,   0,
                                    0,    0,    0,    0,    0,    10,   9,    8,    1};
    struct box *b = *state;
    struct error err;

    plug(b, 0,
         define(b, "user,net=10.9.8.0/24,host=10.9.8.1,dns=10.9.8.2,hostfwd=tcp:127.0.0.1:0-:22"));
    net_port_send(&b->nic[0].port, NULL, arp, sizeof(arp));
    until(b, &b->nic[0], 1);
    assert_int_equal(b->nic[0].last[21], 2); /* a reply */
    assert_memory_equal(b->nic[0].last + 28, "\x0a\x09\x08\x01", 4);
    assert_true(nets_hostfwd_add(b->nets, NULL, "udp:127.0.0.1:0-10.9.8.40:53", &err));
    assert_false(nets_hostfwd_remove(b->nets, NULL, "tcp:127.0.0.1:1", &err));
    assert_false(nets_hostfwd_add(b->nets, "other", "tcp::0-:1", &err));
    define(b, "user");
    assert_false(nets_hostfwd_add(b->nets, NULL, "tcp::0-:1", &err));
    assert_non_null(strstr(err.text, "more than one"));
}
#endif

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),
        cmocka_unit_test(segments),
        cmocka_unit_test(passes_whole),
        cmocka_unit_test(checksums),
        cmocka_unit_test(bad_headers),
        TEST(hub),
        TEST(segments_for_a_plain_nic),
        TEST(refusals),
        TEST(travels),
        TEST(announces),
        TEST(past),
        TEST(credits),
        TEST(cables),
        TEST(streams),
        TEST(datagrams),
        TEST(reconnects),
        TEST(captures),
        TEST(bad_options),
        TEST(ids),
#if CONFIG_SLIRP
        TEST(user),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
