/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checksums and TCP segmentation in software, for receivers without them.
 *
 * Segmentation is that of RFC 9293 as cards do it: every segment has the headers of the whole, its
 * own sequence number and lengths; IPv4 identification counts up; FIN and PSH are the last one's,
 * CWR the first one's (RFC 3168, 6.1.2). */
#include "host/net/offload.h"

#include <string.h>

#include "base/bits.h"

#define ETHERNET       14u
#define VLAN_TAG       4u
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define PROTOCOL_TCP   6
#define IPV6_HEADER    40u
#define TCP_HEADER     20u
#define TCP_CHECKSUM   16u /* offset in the header */
#define LEAST_SEGMENT                                                                              \
    48u /* bytes of data: below what any TCP makes, so that few frames stay few                    \
         */

enum { TCP_FIN = 1, TCP_PSH = 8, TCP_CWR = 0x80 };

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* ---- sums ---- */

uint16_t net_sum(const uint8_t *data, size_t len, uint32_t sum)
{
    uint64_t total = sum;

    for (; len >= 4; data += 4, len -= 4)
        total += (uint32_t)be16(data) << 16 | be16(data + 2);
    if (len >= 2)
        total += be16(data);
    if (len & 1)
        total += (uint32_t)data[len - 1] << 8;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)total;
}

void net_finish_checksum(struct net_header *h, uint8_t *frame, size_t len)
{
    uint16_t sum;

    if (!(h->flags & NET_HEADER_NEEDS_CSUM))
        return;
    /* The place has the pseudo header's sum, which is counted with the rest. 0 would mean that
     * there is none (RFC 768); for TCP both zeros are the same. */
    sum = (uint16_t)~net_sum(frame + h->csum_start, len - h->csum_start, 0);
    put16(frame + h->csum_start + h->csum_offset, sum ? sum : 0xffff);
    h->flags &= (uint8_t)~NET_HEADER_NEEDS_CSUM;
    h->csum_start = h->csum_offset = 0;
}

/* ---- headers ---- */

struct layout {
    unsigned ip, tcp, data; /* offsets */
    bool ipv6;
};

/* Where the headers of a TCP frame are. Extension headers of IPv6 are not looked for: GSO frames
 * with them are refused. */
static bool find_headers(struct layout *l, const uint8_t *frame, size_t len)
{
    unsigned type, protocol;

    l->ip = ETHERNET;
    if (len < ETHERNET + VLAN_TAG)
        return false;
    type = be16(frame + 12);
    if (type == ETHERTYPE_VLAN) {
        type = be16(frame + 16);
        l->ip += VLAN_TAG;
    }
    if (type != ETHERTYPE_IPV4 && type != ETHERTYPE_IPV6)
        return false;
    l->ipv6 = type == ETHERTYPE_IPV6;
    if (len < l->ip + (l->ipv6 ? IPV6_HEADER : 20u))
        return false;
    protocol = l->ipv6 ? frame[l->ip + 6] : frame[l->ip + 9];
    l->tcp = l->ip + (l->ipv6 ? IPV6_HEADER : 4u * (frame[l->ip] & 15));
    if (protocol != PROTOCOL_TCP || l->tcp < l->ip + 20 || len < l->tcp + TCP_HEADER)
        return false;
    l->data = l->tcp + 4u * (frame[l->tcp + 12] >> 4);
    return l->data >= l->tcp + TCP_HEADER && l->data <= len;
}

bool net_header_check(struct net_header *h, const uint8_t *frame, size_t len)
{
    unsigned gso = h->gso_type & ~(unsigned)NET_GSO_ECN;
    struct layout l;

    if ((h->flags & NET_HEADER_NEEDS_CSUM) &&
        (h->csum_start < ETHERNET || (size_t)h->csum_start + h->csum_offset + 2 > len))
        return false;
    if (h->gso_type == NET_GSO_NONE)
        return true;
    if ((gso != NET_GSO_TCPV4 && gso != NET_GSO_TCPV6) || h->gso_size < LEAST_SEGMENT ||
        !(h->flags & NET_HEADER_NEEDS_CSUM) || !find_headers(&l, frame, len) ||
        l.ipv6 != (gso == NET_GSO_TCPV6) || h->csum_start != l.tcp ||
        h->csum_offset != TCP_CHECKSUM)
        return false;
    h->hdr_len = (uint16_t)l.data;
    return true;
}

/* ---- segmentation ---- */

unsigned net_gso_offloads(const struct net_header *h)
{
    unsigned need =
        (h->gso_type & ~NET_GSO_ECN) == NET_GSO_TCPV4 ? NET_OFFLOAD_TSO4 : NET_OFFLOAD_TSO6;

    return NET_OFFLOAD_CSUM | need | (h->gso_type & NET_GSO_ECN ? NET_OFFLOAD_ECN : 0);
}

static void set_ip_length(uint8_t *frame, const struct layout *l, size_t len, unsigned index)
{
    uint8_t *ip = frame + l->ip;

    if (l->ipv6) {
        put16(ip + 4, (unsigned)(len - l->tcp));
        return;
    }
    put16(ip + 2, (unsigned)(len - l->ip));
    put16(ip + 4, be16(ip + 4) + index);
    put16(ip + 10, 0);
    put16(ip + 10, (uint16_t)~net_sum(ip, l->tcp - l->ip, 0));
}

/* Over the pseudo header (RFC 9293, 3.1; RFC 8200, 8.1), header and data. */
static void set_tcp_checksum(uint8_t *frame, const struct layout *l, size_t len)
{
    unsigned addresses = l->ipv6 ? 32 : 8;
    uint32_t sum = PROTOCOL_TCP + (uint32_t)(len - l->tcp);

    put16(frame + l->tcp + TCP_CHECKSUM, 0);
    sum = net_sum(frame + l->ip + (l->ipv6 ? 8 : 12), addresses, sum);
    put16(frame + l->tcp + TCP_CHECKSUM, (uint16_t)~net_sum(frame + l->tcp, len - l->tcp, sum));
}

/* `at`: of its data in the whole. */
static void make_segment(uint8_t *out, const uint8_t *frame, const struct layout *l, size_t at,
                         size_t size, bool last, unsigned index)
{
    uint8_t *tcp = out + l->tcp;
    uint32_t sequence;

    memcpy(out, frame, l->data);
    memcpy(out + l->data, frame + l->data + at, size);
    sequence = ((uint32_t)be16(tcp + 4) << 16 | be16(tcp + 6)) + (uint32_t)at;
    put16(tcp + 4, sequence >> 16);
    put16(tcp + 6, sequence);
    if (!last)
        tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (index)
        tcp[13] &= (uint8_t)~TCP_CWR;
    set_ip_length(out, l, l->data + size, index);
    set_tcp_checksum(out, l, l->data + size);
}

void net_make_giant(struct net_header *h, uint8_t *frame, size_t len)
{
    struct layout l;

    if (!find_headers(&l, frame, len))
        return;
    set_ip_length(frame, &l, len, 0);
    set_tcp_checksum(frame, &l, len);
    *h = (struct net_header){0};
}

void net_segment(const struct net_header *header, uint8_t *frame, size_t len, unsigned offloads,
                 void (*emit)(void *opaque, const struct net_header *h, uint8_t *frame, size_t len),
                 void *opaque)
{
    static const struct net_header plain;
    struct net_header h = *header;
    uint8_t out[NET_FRAME_MAX];
    struct layout l;
    size_t at = 0;
    unsigned index = 0;

    if (h.gso_type == NET_GSO_NONE) {
        if (!(offloads & NET_OFFLOAD_CSUM)) {
            net_finish_checksum(&h, frame, len);
            h.flags = 0;
        }
        emit(opaque, &h, frame, len);
        return;
    }
    if (!(net_gso_offloads(&h) & ~offloads)) {
        emit(opaque, &h, frame, len);
        return;
    }
    if (len > sizeof(out) || !find_headers(&l, frame, len))
        return; /* nothing that net_header_check() lets pass */
    do {
        size_t left = len - l.data - at, size = left < h.gso_size ? left : h.gso_size;

        make_segment(out, frame, &l, at, size, size == left, index++);
        emit(opaque, &plain, out, l.data + size);
        at += size;
    } while (at < len - l.data);
}
