/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Realtek RTL8139C+ (datasheets of the RTL8139C(L) 1.2 and RTL8139C+ 1.6). Without wake-up, power
 * management and pause frames. A DMA takes no time. */
#include "devices/net/rtl8139.h"

#include <stddef.h>

#include "base/bits.h"
#include "base/log.h"
#include "devices/net/ethernet.h"
#include "vm/machine.h"

enum {
    IDR0 = 0x00,
    MAR0 = 0x08,
    TSD0 = 0x10,
    DTCCR = 0x10, /* C+ */
    TSAD0 = 0x20,
    TNPDS = 0x20, /* C+ */
    THPDS = 0x28, /* C+ */
    RBSTART = 0x30,
    CR = 0x37,
    CAPR = 0x38,
    CBR = 0x3a,
    IMR = 0x3c,
    ISR = 0x3e,
    TCR = 0x40,
    RCR = 0x44,
    TCTR = 0x48,
    CR9346 = 0x50,
    CONFIG0 = 0x51,
    TIMERINT = 0x54,
    MSR = 0x58,
    CONFIG3 = 0x59,
    RERID = 0x5e,
    TSAD = 0x60,
    BMCR = 0x62,
    BMSR = 0x64,
    ANAR = 0x66,
    ANLPAR = 0x68,
    ANER = 0x6a,
    CONFIG5 = 0xd8,
    TPPOLL = 0xd9,
    CPCR = 0xe0,
    RDSAR = 0xe4,
};

#define CR_BUFE 0x01
#define CR_TE   0x04
#define CR_RE   0x08
#define CR_RST  0x10

#define INT_ROK     0x0001
#define INT_TOK     0x0004
#define INT_LINK    0x0020
#define INT_TDU     0x0080
#define INT_SW      0x0100
#define INT_TIMEOUT 0x4000

#define TSD_SIZE 0x1fffu
#define TSD_OWN  0x2000u
#define TSD_TOK  0x8000u
#define TCR_LBK  0x00060000u
#define TCR_CRC  0x00010000u
#define TCR_ID   0x74800000u /* RTL8139C+ */

#define RCR_AAP  0x01
#define RCR_APM  0x02
#define RCR_AM   0x04
#define RCR_AB   0x08
#define RCR_WRAP 0x80

#define RX_ROK 0x0001
#define RX_BAR 0x2000
#define RX_PAM 0x4000
#define RX_MAR 0x8000

#define EE_PROGRAM 0x80 /* of 9346CR's upper two bits */
#define EE_CONFIG  0xc0
#define EE_LOAD    0x40

#define CPCR_TX     0x01
#define CPCR_RX     0x02
#define CPCR_RXSUM  0x20
#define CPCR_RXVLAN 0x40

/* Descriptors of C+ mode. */
#define D_OWN   0x80000000u
#define D_EOR   0x40000000u
#define D_FS    0x20000000u
#define D_LS    0x10000000u
#define D_LGSEN 0x08000000u
#define D_IPCS  0x00040000u
#define D_UDPCS 0x00020000u
#define D_TCPCS 0x00010000u
#define D_TAG   0x00020000u /* sent: second dword */
#define D_TAVA  0x00010000u /* received: second dword */
#define RING    64u         /* descriptors at most */

#define PCI_CLOCK  33000000u
#define RETRY      (NS_PER_SEC / 1000)
#define LARGEST_RX 1518u /* with a tag, without the FCS */

static uint16_t get16(const struct rtl8139 *s, unsigned at)
{
    return ld_le16(s->reg + at);
}

static uint32_t get32(const struct rtl8139 *s, unsigned at)
{
    return ld_le32(s->reg + at);
}

static struct address_space *memory(struct rtl8139 *s)
{
    return &s->pci.dev.m->mem;
}

static bool is_master(const struct rtl8139 *s)
{
    return pci_get16(&s->pci, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static unsigned be16(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

static void put_be16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void update_interrupt(struct rtl8139 *s)
{
    pci_set_intx(&s->pci, get16(s, ISR) & get16(s, IMR));
}

static void raise_causes(struct rtl8139 *s, unsigned causes)
{
    st_le16(s->reg + ISR, (uint16_t)(get16(s, ISR) | causes));
    update_interrupt(s);
}

/* ---- the timer: counts PCI clocks ---- */

static uint32_t timer_count(const struct rtl8139 *s)
{
    return (uint32_t)muldiv64(vm_clock_now(&s->pci.dev.m->clock) - s->timer_base, PCI_CLOCK,
                              NS_PER_SEC);
}

static void set_timer(struct rtl8139 *s)
{
    uint32_t left = get32(s, TIMERINT) - timer_count(s);

    if (!get32(s, TIMERINT)) {
        vm_timer_cancel(&s->timer);
        return;
    }
    vm_timer_arm(&s->timer, vm_clock_now(&s->pci.dev.m->clock) +
                                muldiv64(left ? left : 1ull << 32, NS_PER_SEC, PCI_CLOCK) + 1);
}

static void timer_ends(void *opaque)
{
    struct rtl8139 *s = opaque;

    set_timer(s);
    raise_causes(s, INT_TIMEOUT);
}

/* ---- transmitting ---- */

static bool receive(void *nic, const struct net_header *h, const uint8_t *frame, size_t len);

static void emit(struct rtl8139 *s, struct net_frame *f)
{
    static const struct net_header none;

    s->tally.tx_ok++;
    if ((get32(s, TCR) & TCR_LBK) == TCR_LBK) {
        receive(s, &none, f->data, f->len);
        net_frame_free(f);
        return;
    }
    net_port_send_frame(&s->port, f);
}

/* The buffers are sent in turn. */
static void send_buffers(struct rtl8139 *s)
{
    for (unsigned n = 0; n < 4; n++) {
        uint8_t *tsd = s->reg + TSD0 + 4 * s->tx_next;
        uint32_t status = ld_le32(tsd), len = status & TSD_SIZE;
        struct net_frame *f;

        if ((status & TSD_OWN) || !net_port_can_send(&s->port))
            return;
        if ((get32(s, TCR) & TCR_CRC) && len > ETHERNET_FCS) /* there is one in the data */
            len -= ETHERNET_FCS;
        f = net_frame_new(len);
        if (f) {
            address_space_read_block(memory(s), get32(s, TSAD0 + 4 * s->tx_next), f->data, len);
            emit(s, f);
        }
        st_le32(tsd, status | TSD_OWN | TSD_TOK);
        s->tx_next = (s->tx_next + 1) & 3;
        raise_causes(s, INT_TOK);
    }
}

/* ---- transmitting in C+ mode ---- */

struct descriptor {
    uint64_t at, buffer;
    uint32_t command, vlan;
};

/* Descriptor *index of the ring; *index becomes the next one's. */
static struct descriptor fetch(struct rtl8139 *s, uint64_t ring, uint8_t *index)
{
    struct descriptor d = {.at = ring + 16ull * (*index % RING)};
    uint8_t bytes[16];

    address_space_read_block(memory(s), d.at, bytes, sizeof(bytes));
    d.command = ld_le32(bytes);
    d.vlan = ld_le32(bytes + 4);
    d.buffer = ld_le64(bytes + 8);
    *index = d.command & D_EOR ? 0 : (uint8_t)((*index + 1) % RING);
    return d;
}

/* The chip finds the headers itself: IPv4, and TCP or UDP in it. */
static void offload(uint8_t *frame, size_t len, uint32_t command, struct net_header *h)
{
    size_t at = ETHERNET_HEADER + (be16(frame + 12) == 0x8100 ? 4 : 0), header, total;
    uint8_t *ip = frame + at, *segment;
    bool tcp, large = command & D_LGSEN;
    uint32_t pseudo;

    if (len < at + 20 || be16(ip - 2) != 0x0800 || ip[0] >> 4 != 4)
        return;
    header = 4 * (ip[0] & 15u);
    total = be16(ip + 2);
    if (header < 20 || total < header || total > len - at)
        return;
    if (large || (command & D_IPCS)) {
        put_be16(ip + 10, 0);
        put_be16(ip + 10, ethernet_ip_sum(ip, header, 0) ^ 0xffffu);
    }
    tcp = ip[9] == 6 && (large || (command & D_TCPCS));
    if ((!tcp && !(ip[9] == 17 && !large && (command & D_UDPCS))) ||
        total < header + (tcp ? 20 : 8))
        return;
    segment = ip + header;
    pseudo = ip[9] + (uint32_t)(total - header) + ethernet_ip_sum(ip + 12, 8, 0);
    put_be16(segment + (tcp ? 16 : 6), ethernet_ip_sum(NULL, 0, pseudo));
    *h = (struct net_header){.flags = NET_HEADER_NEEDS_CSUM,
                             .csum_start = (uint16_t)(at + header),
                             .csum_offset = tcp ? 16 : 6};
    if (large && (command >> 16 & 0x7ff)) {
        h->gso_type = NET_GSO_TCPV4;
        h->gso_size = command >> 16 & 0x7ff;
        h->hdr_len = (uint16_t)(at + header + 4u * (segment[12] >> 4));
    }
}

/* Bytes of the frame that begins at `index`, if all of it is there; 0: not yet. */
static uint32_t frame_length(struct rtl8139 *s, uint64_t ring, uint8_t index)
{
    uint32_t len = 0;

    for (unsigned n = 0; n < RING; n++) {
        struct descriptor d = fetch(s, ring, &index);

        if (!(d.command & D_OWN))
            return 0;
        len += d.command & 0xffff;
        if (d.command & D_LS)
            return len ? len : 1;
    }
    return 0;
}

/* Takes the descriptors; the frame is sent if it can be one. */
static void send_descriptors(struct rtl8139 *s, uint64_t ring, uint8_t *index, uint32_t len)
{
    struct net_frame *f =
        len >= ETHERNET_HEADER && len <= NET_FRAME_MAX - 4 ? net_frame_new(len + 4) : NULL;
    uint32_t done = 0, first = 0;
    struct descriptor d;

    for (unsigned n = 0; n < RING; n++) {
        uint32_t size;

        d = fetch(s, ring, index);
        size = d.command & 0xffff;
        if (!n)
            first = d.command;
        if (f && done + size <= len)
            address_space_read_block(memory(s), d.buffer, f->data + done, size);
        done += size;
        address_space_write(memory(s), d.at, d.command & ~D_OWN, 4);
        if (d.command & D_LS)
            break;
    }
    if (!f || done != len) { /* the last: our own writes changed the ring */
        net_frame_free(f);
        return;
    }
    f->len = len;
    if (d.vlan & D_TAG) { /* of the last descriptor; its bytes are swapped */
        memmove(f->data + 16, f->data + 12, len - 12);
        put_be16(f->data + 12, 0x8100);
        st_le16(f->data + 14, (uint16_t)d.vlan);
        f->len += 4;
    }
    offload(f->data, f->len, first, &f->header);
    emit(s, f);
}

static void send_ring(struct rtl8139 *s, unsigned high)
{
    uint64_t ring = ld_le64(s->reg + (high ? THPDS : TNPDS)) & ~255ull;

    for (unsigned n = 0; n < RING; n++) {
        uint32_t len = frame_length(s, ring, s->cp_tx[high]);

        if (!len) {
            s->reg[TPPOLL] &= high ? 0x7f : 0xbf;
            raise_causes(s, INT_TDU);
            return;
        }
        if (!net_port_can_send(&s->port))
            return;
        send_descriptors(s, ring, &s->cp_tx[high], len);
        raise_causes(s, INT_TOK);
    }
    if (!vm_timer_armed(&s->retry)) /* let the machine go on */
        vm_timer_arm(&s->retry, vm_clock_now(&s->pci.dev.m->clock) + RETRY / 10);
}

static void transmit(struct rtl8139 *s)
{
    if (s->sending || !(s->reg[CR] & CR_TE) || !is_master(s))
        return;
    s->sending = true;
    if (!(s->reg[CPCR] & CPCR_TX)) {
        send_buffers(s);
    } else {
        if (s->reg[TPPOLL] & 0x80)
            send_ring(s, 1);
        if (s->reg[TPPOLL] & 0x40)
            send_ring(s, 0);
    }
    s->sending = false;
}

static void can_send(void *nic)
{
    transmit(nic);
}

/* A driver gives receive descriptors back without telling. */
static void try_again(void *opaque)
{
    struct rtl8139 *s = opaque;

    net_port_ready(&s->port);
    transmit(s);
}

/* ---- receiving ---- */

/* 0: it is not for us; otherwise the status bits that say how it was meant. */
static unsigned address_match(const struct rtl8139 *s, const uint8_t *frame)
{
    unsigned mode = s->reg[RCR], hash;

    if (ethernet_is_broadcast(frame))
        return mode & (RCR_AB | RCR_AAP) ? RX_BAR : 0;
    if (ethernet_is_multicast(frame)) {
        hash = ethernet_hash(frame) >> 26;
        if ((mode & RCR_AM) && (s->reg[MAR0 + hash / 8] >> hash % 8 & 1))
            return RX_MAR;
        return mode & RCR_AAP ? RX_MAR : 0;
    }
    if (!memcmp(frame, s->reg + IDR0, NET_MAC_SIZE))
        return mode & (RCR_APM | RCR_AAP) ? RX_PAM : 0;
    return mode & RCR_AAP ? RX_ROK : 0;
}

static uint32_t ring_size(const struct rtl8139 *s)
{
    return 8192u << (s->reg[RCR + 1] >> 3 & 3);
}

static uint32_t read_pointer(const struct rtl8139 *s)
{
    return (get16(s, CAPR) + 16u) % ring_size(s);
}

/* Bytes at the write pointer, which wraps unless RCR.WRAP has the end of a frame behind the ring.
 */
static void put_in_ring(struct rtl8139 *s, uint32_t offset, const uint8_t *data, uint32_t len)
{
    uint32_t size = ring_size(s), base = get32(s, RBSTART);
    uint32_t at = (s->write_at % size) + offset, part;

    if (!(s->reg[RCR] & RCR_WRAP) || size == 65536)
        at %= size;
    part = at < size && at + len > size && (!(s->reg[RCR] & RCR_WRAP) || size == 65536) ? size - at
                                                                                        : len;
    address_space_write_block(memory(s), base + at, data, part);
    if (part < len)
        address_space_write_block(memory(s), base, data + part, len - part);
}

static bool receive_in_ring(struct rtl8139 *s, const uint8_t *frame, uint32_t len, unsigned match)
{
    uint32_t size = ring_size(s), need = (4 + len + ETHERNET_FCS + 3) & ~3u;
    uint32_t room = (read_pointer(s) + size - s->write_at % size) % size;
    uint8_t head[4], fcs[4];

    if (room && need >= room)
        return false;
    st_le16(head, (uint16_t)(match | RX_ROK));
    st_le16(head + 2, (uint16_t)(len + ETHERNET_FCS));
    st_le32(fcs, ethernet_fcs(frame, len));
    put_in_ring(s, 0, head, sizeof(head));
    put_in_ring(s, 4, frame, len);
    put_in_ring(s, 4 + len, fcs, sizeof(fcs));
    s->write_at = (s->write_at + need) % size;
    return true;
}

/* C+: protocol and what is wrong with the sums; only unfragmented IPv4. */
static uint32_t sum_status(const uint8_t *frame, size_t len)
{
    size_t at = ETHERNET_HEADER + (be16(frame + 12) == 0x8100 ? 4 : 0), header, total;
    const uint8_t *ip = frame + at;
    uint32_t status = 3u << 16, pseudo;

    if (len < at + 20 || be16(ip - 2) != 0x0800 || ip[0] >> 4 != 4)
        return 0;
    header = 4 * (ip[0] & 15u);
    total = be16(ip + 2);
    if (header < 20 || total < header || total > len - at)
        return 0;
    if (ethernet_ip_sum(ip, header, 0) != 0xffff)
        status |= 1u << 15;
    if ((ip[9] != 6 && ip[9] != 17) || (be16(ip + 6) & 0x3fff) ||
        total < header + (ip[9] == 6 ? 20 : 8))
        return status;
    status &= ~(3u << 16);
    status |= ip[9] == 6 ? 1u << 16 : 2u << 16;
    pseudo = ip[9] + (uint32_t)(total - header) + ethernet_ip_sum(ip + 12, 8, 0);
    if (ip[9] == 17 && !be16(ip + header + 6))
        return status;
    if (ethernet_ip_sum(ip + header, total - header, pseudo) != 0xffff)
        status |= ip[9] == 6 ? 1u << 13 : 1u << 14;
    return status;
}

/* Over as many descriptors as it takes; false: they are not there. */
static bool enough_descriptors(struct rtl8139 *s, uint64_t ring, uint32_t len)
{
    uint8_t index = s->cp_rx;
    uint32_t room = 0;

    for (unsigned n = 0; n < RING && room < len; n++) {
        struct descriptor d = fetch(s, ring, &index);

        if (!(d.command & D_OWN))
            return false;
        room += d.command & 0x1fff;
    }
    return room >= len;
}

static bool receive_descriptors(struct rtl8139 *s, const uint8_t *frame, uint32_t len,
                                unsigned match)
{
    uint64_t ring = ld_le64(s->reg + RDSAR) & ~255ull;
    bool strip = (s->reg[CPCR] & CPCR_RXVLAN) && be16(frame + 12) == 0x8100;
    uint32_t sums = s->reg[CPCR] & CPCR_RXSUM ? sum_status(frame, len) : 0;
    uint32_t kept = len - (strip ? 4 : 0) + ETHERNET_FCS;
    uint8_t data[LARGEST_RX + ETHERNET_FCS];

    if (!enough_descriptors(s, ring, kept))
        return false;
    memcpy(data, frame, 12);
    memcpy(data + 12, frame + (strip ? 16 : 12), len - (strip ? 16 : 12));
    st_le32(data + kept - ETHERNET_FCS, ethernet_fcs(frame, len));
    for (uint32_t done = 0, n = 0; done < kept && n < RING; n++) {
        struct descriptor d = fetch(s, ring, &s->cp_rx);
        uint32_t size = d.command & 0x1fff, part = kept - done < size ? kept - done : size;
        uint32_t status = (d.command & D_EOR) | (done ? 0 : D_FS);

        address_space_write_block(memory(s), d.buffer, data + done, part);
        done += part;
        if (done == kept)
            status |= D_LS | sums | kept | (match & RX_BAR ? 1u << 24 : 0) |
                      (match & RX_PAM ? 1u << 25 : 0) | (match & RX_MAR ? 1u << 26 : 0);
        else
            status |= part;
        address_space_write(memory(s), d.at + 4, strip ? D_TAVA | ld_le16(frame + 14) : 0, 4);
        address_space_write(memory(s), d.at, status, 4);
    }
    return true;
}

static void count_received(struct rtl8139 *s, unsigned match)
{
    s->tally.rx_ok++;
    s->tally.rx_broadcast += match == RX_BAR;
    s->tally.rx_multicast += match == RX_MAR;
    raise_causes(s, INT_ROK);
}

static bool receive(void *nic, const struct net_header *h, const uint8_t *frame, size_t len)
{
    struct rtl8139 *s = nic;
    unsigned match = len >= NET_FRAME_MIN ? address_match(s, frame) : 0;
    bool taken;

    (void)h;
    if (!(s->reg[CR] & CR_RE) || !is_master(s) || len > LARGEST_RX || !match)
        return true;
    match &= ~(unsigned)RX_ROK;
    taken = s->reg[CPCR] & CPCR_RX ? receive_descriptors(s, frame, (uint32_t)len, match)
                                   : receive_in_ring(s, frame, (uint32_t)len, match);
    if (taken)
        count_received(s, match);
    else if (!vm_timer_armed(&s->retry))
        vm_timer_arm(&s->retry, vm_clock_now(&s->pci.dev.m->clock) + RETRY);
    return taken;
}

static void rx_filter(void *nic, struct net_rx_filter *f)
{
    const struct rtl8139 *s = nic;
    unsigned mode = s->reg[RCR];
    bool all = mode & RCR_AAP;

    f->promiscuous = all;
    f->broadcast = mode & RCR_AB;
    f->unicast = all ? NET_RX_ALL : mode & RCR_APM ? NET_RX_NORMAL : NET_RX_NONE;
    f->multicast = all ? NET_RX_ALL : mode & RCR_AM ? NET_RX_NORMAL : NET_RX_NONE;
    f->vlan = NET_RX_ALL;
    memcpy(f->mac, s->reg + IDR0, NET_MAC_SIZE);
}

/* ---- registers ---- */

/* The tally counters, 64 bytes, to where DTCCR says. */
static void dump_tally(struct rtl8139 *s)
{
    uint8_t out[64] = {0};

    st_le64(out, s->tally.tx_ok);
    st_le64(out + 8, s->tally.rx_ok);
    st_le64(out + 40, s->tally.rx_ok - s->tally.rx_broadcast - s->tally.rx_multicast);
    st_le64(out + 48, s->tally.rx_broadcast);
    st_le32(out + 56, s->tally.rx_multicast);
    if (is_master(s))
        address_space_write_block(memory(s), ld_le64(s->reg + DTCCR) & ~63ull, out, sizeof(out));
    s->reg[DTCCR] &= (uint8_t)~8u;
}

static void load_eeprom(struct rtl8139 *s)
{
    for (unsigned i = 0; i < 3; i++)
        st_le16(s->reg + IDR0 + 2 * i, s->eeprom.words[7 + i]);
    net_port_set_mac(&s->port, s->reg + IDR0);
}

static void set_link(struct rtl8139 *s)
{
    bool up = s->port.link_up;

    s->reg[MSR] = up ? 0x00 : 0x04; /* LINKB; 100 Mb/s */
    st_le16(s->reg + BMSR, up ? 0x782d : 0x7809);
    st_le16(s->reg + ANLPAR, up ? 0x41e1 : 0);
    st_le16(s->reg + ANER, up ? 1 : 0);
}

static void link_changed(void *nic)
{
    set_link(nic);
    raise_causes(nic, INT_LINK);
}

/* CR.RST: not the address, the filter, the PHY, nor the configuration. */
static void soft_reset(struct rtl8139 *s)
{
    static const uint8_t kept[] = {BMCR, BMCR + 1, ANAR, ANAR + 1};
    uint8_t old[RTL8139_SIZE];

    memcpy(old, s->reg, sizeof(old));
    memset(s->reg, 0, sizeof(s->reg));
    memcpy(s->reg, old, TSD0);
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
        s->reg[kept[i]] = old[kept[i]];
    for (unsigned n = 0; n < 4; n++)
        st_le32(s->reg + TSD0 + 4 * n, TSD_OWN);
    st_le16(s->reg + CAPR, 0xfff0);
    st_le32(s->reg + TCR, TCR_ID);
    s->reg[CONFIG0 + 1] = 0x0c; /* IOMAP, MEMMAP */
    s->write_at = 0;
    s->tx_next = s->cp_tx[0] = s->cp_tx[1] = s->cp_rx = 0;
    set_link(s);
    set_timer(s);
    vm_timer_cancel(&s->retry);
    update_interrupt(s);
    net_port_ready(&s->port);
}

static void write_9346(struct rtl8139 *s)
{
    uint8_t v = s->reg[CR9346];

    if ((v & 0xc0) == EE_PROGRAM)
        at93c46_set(&s->eeprom, v & 8, v & 4, v & 2);
    else if ((v & 0xc0) == EE_LOAD) {
        load_eeprom(s);
        s->reg[CR9346] = 0;
    }
}

/* Bits of a byte that the guest may write. TSD's and ISR's have their own rules. */
static uint8_t writable(const struct rtl8139 *s, unsigned at)
{
    static const struct {
        uint8_t first, last, mask;
    } ranges[] = {
        {IDR0, 5, 0xff},
        {MAR0, 0x0f, 0xff},
        {TSAD0, 0x2f, 0xff},
        {RBSTART, 0x33, 0xff},
        {CR, CR, 0x0c},
        {CAPR, 0x39, 0xff},
        {IMR, IMR, 0xff},
        {IMR + 1, IMR + 1, 0xe1},
        {TCR, TCR + 1, 0xff},
        {TCR + 2, TCR + 2, 0x07},
        {TCR + 3, TCR + 3, 0x03},
        {RCR, RCR + 3, 0xff},
        {CR9346, CR9346, 0xce},
        {TIMERINT, TIMERINT + 3, 0xff},
        {0x5c, 0x5d, 0xff},
        {BMCR, BMCR, 0x00},
        {BMCR + 1, BMCR + 1, 0x39},
        {ANAR, ANAR + 1, 0xff},
        {0x70, 0x83, 0xff},
        {TPPOLL, TPPOLL, 0xc1},
        {CPCR, CPCR + 1, 0xff},
        {RDSAR, RDSAR + 8, 0xff},
    };
    static const struct {
        uint8_t first, last, mask;
    } locked[] = {
        {CONFIG0, CONFIG0 + 1, 0xff}, {CONFIG3, CONFIG3 + 1, 0xff}, {CONFIG5, CONFIG5, 0xff}};

    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++)
        if (at >= ranges[i].first && at <= ranges[i].last)
            return ranges[i].mask;
    for (unsigned i = 0; i < ARRAY_SIZE(locked); i++)
        if (at >= locked[i].first && at <= locked[i].last)
            return (s->reg[CR9346] & 0xc0) == EE_CONFIG ? locked[i].mask : 0;
    return 0;
}

/* TSD0 to TSD3: a write gives the buffer to the chip. In C+ mode two of them are DTCCR. */
static void write_tsd(struct rtl8139 *s, unsigned at, uint32_t v, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        s->reg[at + i] = (uint8_t)(v >> 8 * i);
    if ((s->reg[CPCR] & CPCR_TX) && at < TSD0 + 8) {
        if (s->reg[DTCCR] & 8)
            dump_tally(s);
        return;
    }
    at &= ~3u;
    st_le32(s->reg + at, get32(s, at) & (TSD_SIZE | TSD_OWN | 0x003f0000));
    transmit(s);
}

static bool touches(unsigned at, unsigned size, unsigned reg, unsigned bytes)
{
    return at < reg + bytes && at + size > reg;
}

/* What follows when these registers have been written. */
static void wrote(struct rtl8139 *s, unsigned at, unsigned size, uint8_t command)
{
    if (touches(at, size, IDR0, 6))
        net_port_set_mac(&s->port, s->reg + IDR0);
    if (touches(at, size, CR, 1)) {
        if (command & CR_RST)
            soft_reset(s);
        if (!(s->reg[CR] & CR_RE))
            s->write_at = 0;
        transmit(s);
    }
    if (touches(at, size, CR, 3) || touches(at, size, IMR, 12))
        net_port_ready(&s->port);
    if (touches(at, size, CR9346, 1))
        write_9346(s);
    if (touches(at, size, TCTR, 4))
        s->timer_base = vm_clock_now(&s->pci.dev.m->clock);
    if (touches(at, size, TCTR, 4) || touches(at, size, TIMERINT, 4))
        set_timer(s);
    if (touches(at, size, TNPDS, 8))
        s->cp_tx[0] = 0;
    if (touches(at, size, THPDS, 8))
        s->cp_tx[1] = 0;
    if (touches(at, size, RDSAR, 8))
        s->cp_rx = 0;
    if (touches(at, size, TPPOLL, 1)) {
        if (s->reg[TPPOLL] & 1)
            raise_causes(s, INT_SW);
        s->reg[TPPOLL] &= 0xc0;
        transmit(s);
    }
    update_interrupt(s);
}

static void write_register(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct rtl8139 *s = opaque;
    unsigned at = (unsigned)offset & 0xff;
    uint8_t command = 0;

    if (at >= TSD0 && at < TSD0 + 16) {
        write_tsd(s, at, (uint32_t)value, size);
        return;
    }
    for (unsigned i = 0; i < size && at + i < RTL8139_SIZE; i++) {
        uint8_t v = (uint8_t)(value >> 8 * i), mask = writable(s, at + i);

        if (at + i == CR)
            command = v;
        if (at + i == ISR || at + i == ISR + 1)
            s->reg[at + i] &= (uint8_t)~v;
        else
            s->reg[at + i] = (uint8_t)((s->reg[at + i] & ~mask) | (v & mask));
    }
    wrote(s, at, size, command);
}

/* What is not kept in reg[]. */
static void refresh(struct rtl8139 *s)
{
    uint16_t all = 0;

    for (unsigned n = 0; n < 4; n++) {
        uint32_t tsd = get32(s, TSD0 + 4 * n);

        all |= (uint16_t)((tsd & TSD_OWN ? 1u : 0) << n | (tsd & TSD_TOK ? 0x1000u : 0) << n);
    }
    st_le16(s->reg + TSAD, all);
    st_le16(s->reg + CBR, (uint16_t)s->write_at);
    st_le32(s->reg + TCTR, timer_count(s));
    s->reg[CR] = (uint8_t)((s->reg[CR] & (CR_TE | CR_RE)) |
                           (s->write_at % ring_size(s) == read_pointer(s) ? CR_BUFE : 0));
    s->reg[CR9346] = (uint8_t)((s->reg[CR9346] & 0xce) | s->eeprom.out);
}

static uint64_t read_register(void *opaque, uint64_t offset, unsigned size)
{
    struct rtl8139 *s = opaque;
    unsigned at = (unsigned)offset & 0xff;
    uint64_t v = 0;

    refresh(s);
    for (unsigned i = 0; i < size && at + i < RTL8139_SIZE; i++)
        v |= (uint64_t)s->reg[at + i] << 8 * i;
    return v;
}

/* ---- life ---- */

static void reset(struct device *dev)
{
    struct rtl8139 *s = (struct rtl8139 *)dev;

    pci_device_reset(&s->pci);
    memset(s->reg, 0, sizeof(s->reg));
    st_le16(s->reg + BMCR, 0x3100);
    st_le16(s->reg + ANAR, 0x01e1);
    s->timer_base = vm_clock_now(&dev->m->clock);
    s->tally = (struct rtl8139_tally){0};
    at93c46_set(&s->eeprom, false, false, false);
    soft_reset(s);
    load_eeprom(s);
}

static bool post_load(struct device *dev, struct error *err)
{
    struct rtl8139 *s = (struct rtl8139 *)dev;

    (void)err;
    pci_device_post_load(&s->pci);
    net_port_post_load(&s->port);
    net_port_set_mac(&s->port, s->reg + IDR0);
    return true;
}

static const struct state_field tally_fields[] = {
    STATE_U64(struct rtl8139_tally, tx_ok),
    STATE_U64(struct rtl8139_tally, rx_ok),
    STATE_U64(struct rtl8139_tally, rx_broadcast),
    STATE_U32(struct rtl8139_tally, rx_multicast),
    STATE_FIELDS_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct rtl8139, pci, 1, struct pci_device, pci_device_fields),
    NET_PORT_FIELDS(struct rtl8139, port),
    STATE_STRUCTS(struct rtl8139, eeprom, 1, struct at93c46, at93c46_fields),
    STATE_BYTES(struct rtl8139, reg),
    STATE_U32_MAX(struct rtl8139, write_at, 65535),
    STATE_U8_MAX(struct rtl8139, tx_next, 3),
    STATE_BYTES(struct rtl8139, cp_tx),
    STATE_U8(struct rtl8139, cp_rx),
    STATE_U64(struct rtl8139, timer_base),
    STATE_STRUCTS(struct rtl8139, tally, 1, struct rtl8139_tally, tally_fields),
    STATE_TIMER(struct rtl8139, timer),
    STATE_TIMER(struct rtl8139, retry),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "rtl8139", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

static const struct net_port_ops port_ops = {
    .receive = receive, .can_send = can_send, .link_changed = link_changed, .rx_filter = rx_filter};

static void config_written(struct pci_device *d, unsigned offset, unsigned size)
{
    if (offset <= PCI_COMMAND && offset + size > PCI_COMMAND)
        transmit((struct rtl8139 *)d);
}

static void fill_eeprom(struct rtl8139 *s, const uint8_t *mac)
{
    memset(s->eeprom.words, 0xff, sizeof(s->eeprom.words));
    s->eeprom.words[0] = 0x8129;
    s->eeprom.words[1] = s->eeprom.words[3] = 0x10ec;
    s->eeprom.words[2] = s->eeprom.words[4] = 0x8139;
    for (unsigned i = 0; i < 3; i++)
        s->eeprom.words[7 + i] = ld_le16(mac + 2 * i);
}

void rtl8139_init(struct rtl8139 *s, struct machine *m, const char *id, struct pci_bus *bus,
                  uint8_t devfn, const struct nic_config *config)
{
    static const struct region_ops ops = {read_register, write_register, 1, 4};
    static const struct pci_ids ids = {.vendor = 0x10ec,
                                       .device = 0x8139,
                                       .revision = 0x20, /* C+ */
                                       .class = 0x0200,
                                       .subsystem_vendor = 0x10ec,
                                       .subsystem = 0x8139,
                                       .interrupt_pin = 1};

    memset(s, 0, sizeof(*s));
    fill_eeprom(s, config->mac);
    vm_timer_init(&s->timer, &m->clock, timer_ends, s);
    vm_timer_init(&s->retry, &m->clock, try_again, s);
    pci_device_init(&s->pci, m, &class, id, bus, devfn, &ids);
    s->pci.config_written = config_written;
    region_init_device(&s->io, "rtl8139-io", RTL8139_SIZE, &ops, s);
    pci_device_add_bar(&s->pci, 0, PCI_BAR_IO, &s->io);
    region_init_device(&s->mmio, "rtl8139", RTL8139_SIZE, &ops, s);
    pci_device_add_bar(&s->pci, 1, PCI_BAR_MEM32, &s->mmio);
    net_port_init(&s->port, m, id, "rtl8139", config, &port_ops, s);
    reset(&s->pci.dev);
}
