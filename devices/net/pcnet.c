/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AMD Am79C970A, PCnet-PCI II (datasheet 19436). A DMA takes no time. Without the ILACC software
 * style, big-endian data (BSWP) and look-ahead packet processing (LAPPEN); magic packets and the
 * EEPROM's own pins. */
#include "devices/net/pcnet.h"

#include <stddef.h>

#include "base/bits.h"
#include "base/log.h"
#include "devices/net/ethernet.h"
#include "vm/machine.h"

enum { /* CSRs: the second of a pair is the upper half */
       STATUS = 0,
       IADR = 1,
       MASKS = 3,
       FEATURES = 4,
       EXTENDED = 5,
       LENGTHS = 6,
       LADRF = 8,
       PADR = 12,
       MODE = 15,
       IADR2 = 16,
       BADR = 24, /* receive ring */
       BADX = 30, /* transmit ring */
       POLLINT = 47,
       SWS = 58,
       RCVRC = 72,
       XMTRC = 74,
       RCVRL = 76,
       XMTRL = 78,
       FIFO = 80,
       CHIP_ID = 88,
       MERRTO = 100,
       MISSED = 112,
};

enum { BCR_MC = 2, BCR_LED0 = 4, BCR_BSBC = 18, BCR_EECAS = 19, BCR_SWS = 20, BCR_LATENCY = 22 };

#define S_INIT 0x0001
#define S_STRT 0x0002
#define S_STOP 0x0004
#define S_TDMD 0x0008
#define S_TXON 0x0010
#define S_RXON 0x0020
#define S_IENA 0x0040
#define S_INTR 0x0080
#define S_IDON 0x0100
#define S_TINT 0x0200
#define S_RINT 0x0400
#define S_MERR 0x0800
#define S_MISS 0x1000
#define S_CERR 0x2000
#define S_BABL 0x4000
#define S_ERR  0x8000
#define S_W1C  0x7f00

#define M_DXSUFLO 0x0040
#define M_LAPPEN  0x0020
#define M_BSWP    0x0004

#define F_DPOLL  0x1000
#define F_APAD   0x0800
#define F_ASTRP  0x0400
#define F_UINTCM 0x0080
#define F_UINT   0x0040
#define F_TXSTRT 0x0008
#define F_W1C    0x022a
#define F_MFCO   0x0200

#define E_TOKINTD 0x8000
#define E_LTINTEN 0x4000
#define E_SPND    0x0001
#define E_W1C     0x0a90

#define MODE_PROM    0x8000
#define MODE_DRCVBC  0x4000
#define MODE_DRCVPA  0x2000
#define MODE_DXMTFCS 0x0008
#define MODE_LOOP    0x0004
#define MODE_DTX     0x0002
#define MODE_DRX     0x0001

#define FIFO_ONES  0xc000 /* of CSR80: reserved, read as ones */
#define SSIZE32    0x0100
#define CSRPCNET   0x0200
#define BCR_LNKSTE 0x0040
#define BCR_LEDOUT 0x8000

/* Descriptors: the upper byte of RMD1 and TMD1, and in 32-bit styles how an address matched. */
#define D_OWN    0x80
#define D_ERR    0x40
#define D_ADDFCS 0x20
#define D_LTINT  0x10
#define D_STP    0x02
#define D_ENP    0x01
#define D_PAM    0x40
#define D_LAFM   0x20
#define D_BAM    0x10
#define T_BUFF   0x8000 /* upper half of TMD2, or TMD3 of the 16-bit style */
#define T_UFLO   0x4000

#define PCI_CLOCK 33000000u
#define AT_ONCE   512u /* descriptors in a row: the machine goes on in between */

static struct address_space *memory(struct pcnet *s)
{
    return &s->pci.dev.m->mem;
}

static bool is_master(const struct pcnet *s)
{
    return pci_get16(&s->pci, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static uint32_t pair(const struct pcnet *s, unsigned n)
{
    return s->csr[n] | (uint32_t)s->csr[n + 1] << 16;
}

static void set_pair(struct pcnet *s, unsigned n, uint32_t v)
{
    s->csr[n] = (uint16_t)v;
    s->csr[n + 1] = (uint16_t)(v >> 16);
}

static unsigned style(const struct pcnet *s)
{
    return s->bcr[BCR_SWS] & 0xff;
}

static void refuse(struct pcnet *s, const char *what)
{
    log_line(&s->pci.dev.m->log, LOG_GUEST_ERRORS, "pcnet: %s is not there", what);
}

/* ---- interrupts ---- */

/* Causes whose masks are clear, or whose enables are set: CSR3, CSR4 and CSR5 have them next to or
 * at the place of the flags. CERR has none. */
static bool interrupts(const struct pcnet *s)
{
    unsigned flags = s->csr[FEATURES], more = s->csr[EXTENDED];

    return (s->csr[STATUS] & 0x5f00 & ~s->csr[MASKS]) || (flags & ~(flags << 1) & F_W1C) ||
           (flags & F_UINT) || (more & (more << 1) & E_W1C);
}

static void update_interrupt(struct pcnet *s)
{
    uint16_t v = s->csr[STATUS] & (uint16_t) ~(S_INTR | S_ERR);

    if (interrupts(s))
        v |= S_INTR;
    if (v & (S_BABL | S_CERR | S_MISS | S_MERR))
        v |= S_ERR;
    s->csr[STATUS] = v;
    pci_set_intx(&s->pci, (v & S_INTR) && (v & S_IENA));
}

static void raise_causes(struct pcnet *s, unsigned causes)
{
    s->csr[STATUS] |= (uint16_t)causes;
    update_interrupt(s);
}

/* ---- descriptors ---- */

struct descriptor {
    uint32_t at, buffer;
    unsigned len;
    uint8_t flags;
};

/* Ring lengths are two's complements, and so are the counters that run through them. */
static unsigned ring_length(const struct pcnet *s, unsigned csr)
{
    return s->csr[csr] ? 0x10000u - s->csr[csr] : 0x10000u;
}

static unsigned ring_index(const struct pcnet *s, unsigned counter)
{
    unsigned length = ring_length(s, counter + (RCVRL - RCVRC));

    return (length - s->csr[counter] % length) % length;
}

static void next(struct pcnet *s, unsigned counter)
{
    unsigned length = ring_length(s, counter + (RCVRL - RCVRC));

    s->csr[counter] = (uint16_t)(s->csr[counter] == 1 ? length : s->csr[counter] - 1u);
}

/* 16-bit structures are in the 16 MiB that IADR's upper byte says. */
static struct descriptor fetch(struct pcnet *s, unsigned base, unsigned index)
{
    uint32_t high = (uint32_t)(s->csr[IADR + 1] & 0xff00) << 16;
    unsigned size = style(s) ? 16 : 8, swapped = style(s) == 3 ? 8 : 0;
    struct descriptor d = {.at = pair(s, base) + size * index};
    uint8_t raw[16] = {0};

    if (!style(s))
        d.at = high | (d.at & 0xffffff);
    address_space_read_block(memory(s), d.at, raw, size);
    d.flags = raw[style(s) ? 7 : 3];
    d.buffer = style(s) ? ld_le32(raw + swapped) : high | (ld_le32(raw) & 0xffffff);
    d.len = 0x1000u - (ld_le16(raw + 4) & 0xfffu);
    return d;
}

/* How it ended, if `status` is there; then the flags, with OWN among them. */
static void give_back(struct pcnet *s, const struct descriptor *d, uint8_t flags,
                      const uint32_t *status)
{
    unsigned status_at[4] = {6, 8, 8, 0};

    if (status)
        address_space_write(memory(s), d->at + status_at[style(s) & 3],
                            style(s) ? *status : *status & 0xffff, style(s) ? 4 : 2);
    address_space_write(memory(s), d->at + (style(s) ? 7 : 3), flags, 1);
}

/* ---- the initialization block ---- */

static void load_ring(struct pcnet *s, unsigned length, unsigned base, unsigned log2,
                      uint32_t address)
{
    unsigned n = 1u << (log2 < 9 ? log2 : 9);

    s->csr[length] = (uint16_t)-n;
    s->csr[length - (RCVRL - RCVRC)] = (uint16_t)n;
    set_pair(s, base, address);
}

static void told_address(struct pcnet *s)
{
    uint8_t mac[NET_MAC_SIZE];

    for (unsigned i = 0; i < 3; i++)
        st_le16(mac + 2 * i, s->csr[PADR + i]);
    net_port_set_mac(&s->port, mac);
}

static void read_block(struct pcnet *s)
{
    bool wide = s->bcr[BCR_SWS] & SSIZE32;
    uint32_t at = pair(s, IADR);
    uint8_t b[28] = {0};
    const uint8_t *names = b + (wide ? 4 : 2), *rings = b + (wide ? 20 : 16);

    address_space_read_block(memory(s), at & ~(wide ? 3u : 1u), b, wide ? 28 : 24);
    s->csr[MODE] = ld_le16(b);
    for (unsigned i = 0; i < 3; i++)
        s->csr[PADR + i] = ld_le16(names + 2 * i);
    for (unsigned i = 0; i < 4; i++)
        s->csr[LADRF + i] = ld_le16(names + (wide ? 8 : 6) + 2 * i);
    if (wide) {
        s->csr[LENGTHS] = (uint16_t)((b[3] & 0xf0) << 8 | (b[2] & 0xf0) << 4);
        load_ring(s, RCVRL, BADR, b[2] >> 4, ld_le32(rings) & ~15u);
        load_ring(s, XMTRL, BADX, b[3] >> 4, ld_le32(rings + 4) & ~15u);
    } else {
        s->csr[LENGTHS] = (uint16_t)((rings[7] & 0xe0) << 7 | (rings[3] & 0xe0) << 3);
        load_ring(s, RCVRL, BADR, rings[3] >> 5, (at & 0xff000000) | (ld_le32(rings) & 0xfffff8));
        load_ring(s, XMTRL, BADX, rings[7] >> 5,
                  (at & 0xff000000) | (ld_le32(rings + 4) & 0xfffff8));
    }
    told_address(s);
}

/* ---- receiving ---- */

/* 0: it is not for us; otherwise how it matched, with D_OWN where nothing says so. */
static uint8_t address_match(const struct pcnet *s, const uint8_t *frame)
{
    unsigned mode = s->csr[MODE], hash;
    uint8_t padr[ETHERNET_ADDRESS], all = mode & MODE_PROM ? D_OWN : 0;

    if (ethernet_is_broadcast(frame))
        return mode & MODE_DRCVBC ? all : D_BAM;
    if (ethernet_is_multicast(frame)) {
        hash = ~ethernet_fcs(frame, ETHERNET_ADDRESS) >> 26;
        return s->csr[LADRF + hash / 16] >> hash % 16 & 1 ? D_LAFM : all;
    }
    for (unsigned i = 0; i < 3; i++)
        st_le16(padr + 2 * i, s->csr[PADR + i]);
    return !(mode & MODE_DRCVPA) && !memcmp(frame, padr, sizeof(padr)) ? D_PAM : all;
}

/* Whether descriptors of the ring hold so many bytes. *never: nor will they. */
static bool enough_descriptors(struct pcnet *s, uint32_t need, bool *never)
{
    unsigned length = ring_length(s, RCVRL), index = ring_index(s, RCVRC);
    uint32_t room = 0;

    *never = false;
    for (unsigned n = 0; n < length && n < AT_ONCE && room < need; n++) {
        struct descriptor d = fetch(s, BADR, (index + n) % length);

        if (!(d.flags & D_OWN))
            return false;
        room += d.len;
    }
    *never = room < need;
    return !*never;
}

static void put_in_ring(struct pcnet *s, const uint8_t *data, uint32_t len, uint8_t match)
{
    for (uint32_t done = 0, n = 0; done < len && n < AT_ONCE; n++) {
        struct descriptor d = fetch(s, BADR, ring_index(s, RCVRC));
        uint32_t part = len - done < d.len ? len - done : d.len;
        uint8_t flags = done ? 0 : D_STP;

        address_space_write_block(memory(s), d.buffer, data + done, part);
        done += part;
        if (done == len) {
            flags |= D_ENP;
            if (style(s))
                address_space_write(memory(s), d.at + 6, 0x0f | (match & 0x70), 1);
        }
        give_back(s, &d, flags, done == len ? &len : NULL);
        next(s, RCVRC);
    }
}

/* 802.3's length field says where the padding begins (ASTRP_RCV). */
static uint32_t stripped(const struct pcnet *s, const uint8_t *frame, uint32_t len)
{
    uint32_t said = (uint32_t)(frame[12] << 8 | frame[13]);

    if (!(s->csr[FEATURES] & F_ASTRP) || said >= 46 || len < ETHERNET_HEADER + said)
        return len + ETHERNET_FCS;
    return ETHERNET_HEADER + said;
}

static void miss(struct pcnet *s)
{
    if (!++s->csr[MISSED])
        s->csr[FEATURES] |= F_MFCO;
    raise_causes(s, S_MISS);
}

static bool deliver(struct pcnet *s, const uint8_t *frame, uint32_t len)
{
    uint8_t match = address_match(s, frame), data[NET_FRAME_STD + ETHERNET_FCS];
    uint32_t kept = stripped(s, frame, len);
    bool never;

    if (!match || len > NET_FRAME_STD)
        return true;
    if (!enough_descriptors(s, kept, &never)) {
        if (never)
            miss(s);
        return never;
    }
    memcpy(data, frame, len);
    st_le32(data + len, ethernet_fcs(frame, len));
    put_in_ring(s, data, kept, match);
    raise_causes(s, S_RINT);
    return true;
}

static void arm_poll(struct pcnet *s);

static bool receive(void *nic, const struct net_header *h, const uint8_t *frame, size_t len)
{
    struct pcnet *s = nic;
    bool taken;

    (void)h;
    if (!(s->csr[STATUS] & S_RXON) || (s->csr[MODE] & MODE_LOOP) || len > NET_FRAME_STD ||
        !is_master(s))
        return true;
    if ((s->csr[EXTENDED] & E_SPND) || s->busy)
        return false;
    s->busy = true;
    taken = deliver(s, frame, (uint32_t)len);
    s->busy = false;
    if (!taken) {
        s->refused = true;
        arm_poll(s);
    }
    return taken;
}

static void offer_again(struct pcnet *s)
{
    s->refused = false;
    net_port_ready(&s->port);
}

/* ---- transmitting ---- */

/* The chip appends the FCS unless it is told that the data has one. */
static void emit(struct pcnet *s, struct net_frame *f, uint8_t flags)
{
    bool has_fcs = (s->csr[MODE] & MODE_DXMTFCS) && !(flags & D_ADDFCS);
    bool pads = (s->csr[FEATURES] & F_APAD) && f->len < NET_FRAME_MIN;

    if (f->len > NET_FRAME_STD + (has_fcs ? ETHERNET_FCS : 0)) {
        raise_causes(s, S_BABL);
        net_frame_free(f);
        return;
    }
    if (pads) {
        memset(f->data + f->len, 0, NET_FRAME_MIN - f->len);
        f->len = NET_FRAME_MIN;
    } else if (has_fcs && f->len >= ETHERNET_FCS) {
        f->len -= ETHERNET_FCS;
    }
    if (!(s->csr[MODE] & MODE_LOOP)) {
        net_port_send_frame(&s->port, f);
        return;
    }
    if (f->len >= ETHERNET_HEADER && (s->csr[STATUS] & S_RXON) && !deliver(s, f->data, f->len))
        miss(s);
    net_frame_free(f);
}

/* A frame's buffers. 0: they end before it does; otherwise its last descriptor's flags. Longer ones
 * than a frame may be keep their length, not their bytes. */
static uint8_t gather(struct pcnet *s, struct descriptor *d, struct net_frame *f)
{
    const uint32_t most = NET_FRAME_STD + ETHERNET_FCS;

    for (unsigned n = 0; n < AT_ONCE; n++) {
        struct descriptor ahead;

        if (f->len <= most)
            address_space_read_block(memory(s), d->buffer, f->data + f->len,
                                     d->len < most + 1 - f->len ? d->len : most + 1 - f->len);
        f->len = f->len + d->len < most + 1 ? f->len + d->len : most + 1;
        next(s, XMTRC);
        if (d->flags & D_ENP)
            return d->flags;
        ahead = fetch(s, BADX, ring_index(s, XMTRC));
        if (!(ahead.flags & D_OWN) || ahead.at == d->at)
            return 0;
        give_back(s, d, d->flags & (uint8_t)~D_OWN, NULL);
        *d = ahead;
    }
    return 0;
}

static void sent(struct pcnet *s, uint8_t flags)
{
    bool quiet =
        (s->csr[EXTENDED] & E_TOKINTD) || ((s->csr[EXTENDED] & E_LTINTEN) && !(flags & D_LTINT));

    s->csr[FEATURES] |= F_TXSTRT;
    raise_causes(s, quiet ? 0 : S_TINT);
}

/* False: nothing more to send, or no room. */
static bool send_next(struct pcnet *s)
{
    struct descriptor d = fetch(s, BADX, ring_index(s, XMTRC));
    uint32_t none = 0, underflow = (uint32_t)(T_BUFF | T_UFLO) << (style(s) ? 16 : 0);
    struct net_frame *f;
    uint8_t first = d.flags, last;

    if (!(first & D_OWN)) {
        s->csr[STATUS] &= (uint16_t)~S_TDMD;
        return false;
    }
    if (!(first & D_STP)) {
        give_back(s, &d, first & (uint8_t)~D_OWN, NULL);
        next(s, XMTRC);
        return true;
    }
    if (!(s->csr[MODE] & MODE_LOOP) && !net_port_can_send(&s->port))
        return false;
    f = net_frame_new(NET_FRAME_STD + ETHERNET_FCS + 1);
    if (!f)
        return false;
    f->len = 0;
    last = gather(s, &d, f);
    if (last) {
        emit(s, f, first);
        give_back(s, &d, last & 0x3f, &none);
    } else {
        net_frame_free(f);
        give_back(s, &d, (d.flags & 0x3f) | D_ERR, &underflow);
        if (!(s->csr[MASKS] & M_DXSUFLO))
            s->csr[STATUS] &= (uint16_t)~S_TXON;
    }
    sent(s, last);
    return s->csr[STATUS] & S_TXON;
}

static void transmit(struct pcnet *s)
{
    if (s->busy || !(s->csr[STATUS] & S_TXON) || (s->csr[EXTENDED] & E_SPND) || !is_master(s))
        return;
    s->busy = true;
    for (unsigned n = 0; n < AT_ONCE && send_next(s); n++)
        ;
    s->busy = false;
    arm_poll(s);
}

static void can_send(void *nic)
{
    transmit(nic);
}

/* The chip looks at its rings by itself, too (CSR47: bus clocks, two's complement). */
static void arm_poll(struct pcnet *s)
{
    unsigned status = s->csr[STATUS];
    bool sends = (status & S_TXON) && (!(s->csr[FEATURES] & F_DPOLL) || (status & S_TDMD));
    uint32_t clocks = 0x10000u - s->csr[POLLINT];

    if (vm_timer_armed(&s->poll) || !(sends || s->refused))
        return;
    if (clocks < 0x1000) /* the machine goes on in between */
        clocks = 0x1000;
    vm_timer_arm(&s->poll,
                 vm_clock_now(&s->pci.dev.m->clock) + muldiv64(clocks, NS_PER_SEC, PCI_CLOCK));
}

static void poll(void *opaque)
{
    struct pcnet *s = opaque;

    if (s->refused)
        offer_again(s);
    transmit(s);
}

/* ---- starting and stopping ---- */

static void initialize(struct pcnet *s)
{
    if (s->initialized || !(s->csr[STATUS] & S_INIT) || !is_master(s))
        return;
    s->initialized = true;
    read_block(s);
    raise_causes(s, S_IDON);
}

static void switch_on(struct pcnet *s)
{
    if (s->csr[MASKS] & M_LAPPEN)
        refuse(s, "look-ahead packet processing");
    if (s->csr[MASKS] & M_BSWP)
        refuse(s, "big-endian data");
    if (!(s->csr[MODE] & MODE_DTX))
        s->csr[STATUS] |= S_TXON;
    if (!(s->csr[MODE] & MODE_DRX))
        s->csr[STATUS] |= S_RXON;
}

/* What was asked for, as soon as the bus is ours. */
static void go_on(struct pcnet *s)
{
    if (s->busy)
        return;
    s->busy = true;
    initialize(s);
    if ((s->csr[STATUS] & (S_STRT | S_TXON | S_RXON)) == S_STRT &&
        (s->initialized || !(s->csr[STATUS] & S_INIT)))
        switch_on(s);
    s->busy = false;
    transmit(s);
    offer_again(s);
}

static void stop(struct pcnet *s)
{
    s->csr[STATUS] = S_STOP;
    s->csr[FEATURES] &= (uint16_t) ~(F_W1C | F_UINT);
    s->csr[EXTENDED] &= (uint16_t) ~(E_W1C | E_SPND);
    s->initialized = false;
    vm_timer_cancel(&s->poll);
    update_interrupt(s);
    offer_again(s);
}

/* S_RESET; BCRs stay as they are. */
static void soft_reset(struct pcnet *s)
{
    s->rap = 0;
    s->csr[MASKS] = 0;
    s->csr[FEATURES] = 0x0115;
    s->csr[EXTENDED] = 0;
    s->csr[POLLINT] = 0;
    s->csr[FIFO] = 0x1410;
    s->csr[MERRTO] = 0x0200;
    s->csr[CHIP_ID] = 0x1003;
    s->csr[CHIP_ID + 1] = 0x0262;
    stop(s);
}

/* ---- registers ---- */

static void write_status(struct pcnet *s, uint16_t v)
{
    bool stopped = s->csr[STATUS] & S_STOP;

    if (v & S_STOP) {
        stop(s);
        return;
    }
    s->csr[STATUS] &= (uint16_t) ~((v & S_W1C) | S_IENA);
    s->csr[STATUS] |= v & (S_IENA | S_INIT | S_STRT | S_TDMD);
    if (stopped && (v & (S_INIT | S_STRT)))
        s->csr[STATUS] &= (uint16_t)~S_STOP;
    if (s->csr[STATUS] & S_STOP)
        s->csr[STATUS] &= (uint16_t)~S_TDMD;
    update_interrupt(s);
    if (v & (S_INIT | S_STRT))
        go_on(s);
    else if (v & S_TDMD)
        transmit(s);
}

static void write_features(struct pcnet *s, uint16_t v)
{
    uint16_t flags = s->csr[FEATURES] & (F_W1C | F_UINT) & (uint16_t)~v;

    s->csr[FEATURES] = (v & 0xfd15) | flags;
    if (v & F_UINTCM)
        s->csr[FEATURES] |= F_UINT;
    update_interrupt(s);
    arm_poll(s);
}

static void write_extended(struct pcnet *s, uint16_t v)
{
    uint16_t flags = s->csr[EXTENDED] & E_W1C & (uint16_t)~v;

    s->csr[EXTENDED] = (v & 0xc56f) | flags;
    if (s->csr[STATUS] & S_STOP)
        s->csr[EXTENDED] &= (uint16_t)~E_SPND;
    update_interrupt(s);
    transmit(s);
    offer_again(s);
}

static void write_style(struct pcnet *s, uint16_t v)
{
    unsigned style = v & 0xff;

    if (style == 1 || style > 3)
        refuse(s, style == 1 ? "software style 1 (ILACC)" : "a software style above 3");
    else
        s->bcr[BCR_SWS] = (uint16_t)((v & 0x04ff) | CSRPCNET | (style ? SSIZE32 : 0));
}

/* Writable only while the chip stands still. */
static bool is_setting(unsigned n)
{
    static const struct {
        uint8_t first, last;
    } ranges[] = {{1, 2},   {8, 31},  {36, 39}, {46, 47}, {60, 69},   {72, 72},
                  {74, 74}, {76, 76}, {78, 78}, {80, 86}, {100, 100}, {112, 114}};

    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++)
        if (n >= ranges[i].first && n <= ranges[i].last)
            return true;
    return false;
}

static void write_csr(struct pcnet *s, unsigned n, uint16_t v)
{
    bool still = (s->csr[STATUS] & S_STOP) || (s->csr[EXTENDED] & E_SPND);

    if (n == STATUS) {
        write_status(s, v);
    } else if (n == MASKS) {
        s->csr[MASKS] = v & 0x5f7c;
        update_interrupt(s);
    } else if (n == FEATURES) {
        write_features(s, v);
    } else if (n == EXTENDED) {
        write_extended(s, v);
    } else if (n == SWS && still) {
        write_style(s, v);
    } else if (is_setting(n) && still) {
        s->csr[n == IADR2 || n == IADR2 + 1 ? n - IADR2 + IADR : n] = v;
        if (n >= PADR && n < PADR + 3)
            told_address(s);
    }
}

static uint16_t read_csr(const struct pcnet *s, unsigned n)
{
    if (n == IADR2 || n == IADR2 + 1)
        return s->csr[n - IADR2 + IADR];
    if (n == SWS)
        return s->bcr[BCR_SWS];
    if (n == FIFO)
        return s->csr[FIFO] | FIFO_ONES;
    return n < PCNET_CSRS ? s->csr[n] : 0;
}

static void write_bcr(struct pcnet *s, unsigned n, uint16_t v)
{
    bool still = (s->csr[STATUS] & S_STOP) || (s->csr[EXTENDED] & E_SPND);

    if (n == BCR_SWS && still)
        write_style(s, v);
    else if (n == BCR_MC || n == 9 || n == BCR_BSBC || n == BCR_LATENCY)
        s->bcr[n] = v;
    else if (n >= BCR_LED0 && n < BCR_LED0 + 4)
        s->bcr[n] = v & (uint16_t)~BCR_LEDOUT;
}

static uint16_t read_bcr(const struct pcnet *s, unsigned n)
{
    uint16_t v = n < PCNET_BCRS ? s->bcr[n] : 0;

    if (n >= BCR_LED0 && n < BCR_LED0 + 4 && (v & BCR_LNKSTE) && s->port.link_up)
        v |= BCR_LEDOUT;
    if (n == BCR_BSBC)
        v = (uint16_t)((v & ~0x80) | (s->dwio ? 0x80 : 0));
    return v;
}

enum { RDP, RAP, RESET, BDP };

static uint64_t io_read(void *opaque, uint64_t offset, unsigned size)
{
    struct pcnet *s = opaque;
    uint64_t v = 0;

    if (offset + size <= PCNET_APROM) {
        for (unsigned i = 0; i < size; i++)
            v |= (uint64_t)s->aprom[offset + i] << 8 * i;
        return v;
    }
    if (offset < PCNET_APROM || size != (s->dwio ? 4 : 2) || offset % size)
        return UINT64_MAX;
    switch ((offset - PCNET_APROM) / size) {
    case RDP:
        return read_csr(s, s->rap);
    case RAP:
        return s->rap;
    case RESET:
        soft_reset(s);
        return 0;
    case BDP:
        return read_bcr(s, s->rap);
    default:
        return UINT64_MAX;
    }
}

static void io_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct pcnet *s = opaque;

    if (offset == PCNET_APROM && size == 4)
        s->dwio = true; /* until the next H_RESET */
    if (offset < PCNET_APROM || size != (s->dwio ? 4 : 2) || offset % size)
        return;
    switch ((offset - PCNET_APROM) / size) {
    case RDP:
        write_csr(s, s->rap, (uint16_t)value);
        break;
    case RAP:
        s->rap = (uint8_t)value;
        break;
    case BDP:
        write_bcr(s, s->rap, (uint16_t)value);
        break;
    default:
        break;
    }
}

/* ---- life ---- */

static void rx_filter(void *nic, struct net_rx_filter *f)
{
    const struct pcnet *s = nic;
    unsigned mode = s->csr[MODE];
    bool all = mode & MODE_PROM, some = false;

    for (unsigned i = 0; i < 4; i++)
        some |= s->csr[LADRF + i];
    f->promiscuous = all;
    f->broadcast = !(mode & MODE_DRCVBC);
    f->unicast = all ? NET_RX_ALL : mode & MODE_DRCVPA ? NET_RX_NONE : NET_RX_NORMAL;
    f->multicast = all ? NET_RX_ALL : some ? NET_RX_NORMAL : NET_RX_NONE;
    f->vlan = NET_RX_ALL;
    for (unsigned i = 0; i < 3; i++)
        st_le16(f->mac + 2 * i, s->csr[PADR + i]);
}

/* H_RESET. */
static void reset(struct device *dev)
{
    struct pcnet *s = (struct pcnet *)dev;
    static const uint16_t bcrs[PCNET_BCRS] = {
        [0] = 0x0005,         [1] = 0x0005,       [BCR_MC] = 0x0002,     [BCR_LED0] = 0x00c0,
        [5] = 0x0084,         [6] = 0x0088,       [7] = 0x0090,          [BCR_BSBC] = 0x9001,
        [BCR_EECAS] = 0x0002, [BCR_SWS] = 0x0200, [BCR_LATENCY] = 0xff06};

    pci_device_reset(&s->pci);
    memset(s->csr, 0, sizeof(s->csr));
    memcpy(s->bcr, bcrs, sizeof(bcrs));
    s->dwio = false;
    for (unsigned i = 0; i < 3; i++)
        s->csr[PADR + i] = ld_le16(s->aprom + 2 * i);
    told_address(s);
    soft_reset(s);
}

static bool post_load(struct device *dev, struct error *err)
{
    struct pcnet *s = (struct pcnet *)dev;

    (void)err;
    pci_device_post_load(&s->pci);
    net_port_post_load(&s->port);
    told_address(s);
    return true;
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct pcnet, pci, 1, struct pci_device, pci_device_fields),
    NET_PORT_FIELDS(struct pcnet, port),
    STATE_ARRAY(STATE_U16, struct pcnet, csr, PCNET_CSRS),
    STATE_ARRAY(STATE_U16, struct pcnet, bcr, PCNET_BCRS),
    STATE_U8(struct pcnet, rap),
    STATE_BOOL(struct pcnet, dwio),
    STATE_BOOL(struct pcnet, initialized),
    STATE_BOOL(struct pcnet, refused),
    STATE_TIMER(struct pcnet, poll),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "pcnet", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

static const struct net_port_ops port_ops = {
    .receive = receive, .can_send = can_send, .rx_filter = rx_filter};

static void config_written(struct pci_device *d, unsigned offset, unsigned size)
{
    if (offset <= PCI_COMMAND && offset + size > PCI_COMMAND)
        go_on((struct pcnet *)d);
}

/* The address, 11h for a PCnet, the sum of the bytes and "WW", as Novell's drivers ask for. */
static void fill_aprom(struct pcnet *s, const uint8_t *mac)
{
    unsigned sum = 0;

    memcpy(s->aprom, mac, NET_MAC_SIZE);
    s->aprom[9] = 0x11;
    s->aprom[14] = s->aprom[15] = 0x57;
    for (unsigned i = 0; i < PCNET_APROM; i++)
        sum += s->aprom[i];
    st_le16(s->aprom + 12, (uint16_t)sum);
}

void pcnet_init(struct pcnet *s, struct machine *m, const char *id, struct pci_bus *bus,
                uint8_t devfn, const struct nic_config *config)
{
    static const struct region_ops ops = {io_read, io_write, 1, 4};
    static const struct pci_ids ids = {
        .vendor = 0x1022, .device = 0x2000, .revision = 0x16, .class = 0x0200, .interrupt_pin = 1};

    memset(s, 0, sizeof(*s));
    fill_aprom(s, config->mac);
    vm_timer_init(&s->poll, &m->clock, poll, s);
    pci_device_init(&s->pci, m, &class, id, bus, devfn, &ids);
    s->pci.config_written = config_written;
    region_init_device(&s->io, "pcnet-io", PCNET_SIZE, &ops, s);
    pci_device_add_bar(&s->pci, 0, PCI_BAR_IO, &s->io);
    region_init_device(&s->mmio, "pcnet", PCNET_SIZE, &ops, s);
    pci_device_add_bar(&s->pci, 1, PCI_BAR_MEM32, &s->mmio);
    net_port_init(&s->port, m, id, "pcnet", config, &port_ops, s);
    reset(&s->pci.dev);
}
