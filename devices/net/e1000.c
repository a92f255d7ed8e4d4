/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intel 82540EM and 82545EM (317453, "SDM" below, and the Alaska M88E1011 PHY behind MDIC).
 *
 * The EEPROM says: no flash, no power management capability, 32-bit BARs, no flow control. A DMA
 * takes no time; negotiation does. Not there: big packet buffer access (PBM), the 82542's register
 * aliases, pause frames, wake-up, TBI: the registers of what is only configured can be read back.
 */
#include "devices/net/e1000.h"

#include <stddef.h>

#include "base/bits.h"
#include "base/log.h"
#include "devices/net/ethernet.h"
#include "vm/machine.h"

#define CTRL_FD      (1u << 0)
#define CTRL_SLU     (1u << 6)
#define CTRL_SPEED   (2u << 8) /* 1000 Mb/s */
#define CTRL_RST     (1u << 26)
#define CTRL_VME     (1u << 30)
#define CTRL_PHY_RST (1u << 31)

#define STATUS_FD   (1u << 0)
#define STATUS_LU   (1u << 1)
#define STATUS_1000 (2u << 6 | 2u << 8) /* SPEED and ASDV */

#define EECD_SK     (1u << 0)
#define EECD_CS     (1u << 1)
#define EECD_DI     (1u << 2)
#define EECD_DO     (1u << 3)
#define EECD_REQ    (1u << 6)
#define EECD_GNT    (1u << 7)
#define EECD_PRES   (1u << 8)
#define EERD_START  (1u << 0)
#define EERD_DONE   (1u << 4)
#define EEPROM_SUM  0xbabau
#define EEPROM_LAST (AT93C46_WORDS - 1)

#define MDIC_WRITE (1u << 26)
#define MDIC_READ  (2u << 26)
#define MDIC_READY (1u << 28)
#define MDIC_INT   (1u << 29)
#define MDIC_ERROR (1u << 30)

#define ICR_TXDW    (1u << 0)
#define ICR_TXQE    (1u << 1)
#define ICR_LSC     (1u << 2)
#define ICR_RXDMT0  (1u << 4)
#define ICR_RXT0    (1u << 7)
#define ICR_MDAC    (1u << 9)
#define ICR_TXD_LOW (1u << 15)
#define ICR_SRPD    (1u << 16)
#define ICR_ALL     0x1f6dfu

#define RCTL_EN     (1u << 1)
#define RCTL_UPE    (1u << 3)
#define RCTL_MPE    (1u << 4)
#define RCTL_LPE    (1u << 5)
#define RCTL_LBM    (3u << 6)
#define RCTL_BAM    (1u << 15)
#define RCTL_VFE    (1u << 18)
#define RCTL_CFIEN  (1u << 19)
#define RCTL_CFI    (1u << 20)
#define RCTL_BSEX   (1u << 25)
#define RCTL_SECRC  (1u << 26)
#define RXCSUM_IPOF (1u << 8)
#define RXCSUM_TUOF (1u << 9)
#define RAH_AV      (1u << 31)

#define TCTL_EN  (1u << 1)
#define TCTL_PSP (1u << 3)

/* Statistics: offsets (13.7). */
enum {
    ROC = 0x40ac,
    PRC64 = 0x405c,
    GPRC = 0x4074,
    BPRC = 0x4078,
    MPRC = 0x407c,
    GPTC = 0x4080,
    GORC = 0x4088,
    GOTC = 0x4090,
    TOR = 0x40c0,
    TOT = 0x40c8,
    TPR = 0x40d0,
    TPT = 0x40d4,
    PTC64 = 0x40d8,
    MPTC = 0x40f0,
    BPTC = 0x40f4,
    TSCTC = 0x40f8
};

/* Descriptors (3.2.3, 3.3.3 to 3.3.7). */
#define RXD_DD    0x01
#define RXD_EOP   0x02
#define RXD_IXSM  0x04
#define RXD_VP    0x08
#define RXD_TCPCS 0x20
#define RXD_IPCS  0x40
#define RXD_PIF   0x80
#define RXE_TCPE  0x20
#define RXE_IPE   0x40
#define TXC_EOP   0x01
#define TXC_IFCS  0x02
#define TXC_IC    0x04 /* legacy: insert checksum */
#define TXC_TSE   0x04 /* extended */
#define TXC_RS    0x08
#define TXC_DEXT  0x20
#define TXC_VLE   0x40
#define TXC_IDE   0x80
#define TUCMD_TCP 0x01
#define TUCMD_IP  0x02 /* version 4 */
#define POPTS_IP  0x01
#define POPTS_TU  0x02

#define TICK              1024u /* ns of the delay timers (13.4.30) */
#define NEGOTIATION       (100 * NS_PER_SEC / 1000)
#define BUDGET            (2 << 20) /* bytes sent before the machine goes on */
#define BUDGET_PAUSE      20000     /* ns */
#define COST              256       /* of a descriptor or a segment, in bytes */
#define STANDARD_WITH_FCS 1522u

static struct address_space *memory(struct e1000 *s)
{
    return &s->pci.dev.m->mem;
}

static bool is_master(const struct e1000 *s)
{
    return pci_get16(&s->pci, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static uint64_t now(const struct e1000 *s)
{
    return vm_clock_now(&s->pci.dev.m->clock);
}

static unsigned be16(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

/* ---- interrupts (3.2.7, 13.4.17 to 13.4.22) ---- */

/* The next one is ITR * 256 ns after the last one at the earliest. */
static void update_interrupt(struct e1000 *s)
{
    if (!(s->icr & s->ims)) {
        pci_set_intx(&s->pci, false);
        return;
    }
    if (s->pci.intx || vm_timer_armed(&s->throttle))
        return;
    if (s->itr & 0xffff)
        vm_timer_arm(&s->throttle, now(s) + 256ull * (s->itr & 0xffff));
    pci_set_intx(&s->pci, true);
}

static void raise_causes(struct e1000 *s, uint32_t causes)
{
    s->icr |= causes;
    update_interrupt(s);
}

static void throttle_ends(void *opaque)
{
    update_interrupt(opaque);
}

/* Both timers of a direction end together. */
static void rx_delayed(void *opaque)
{
    struct e1000 *s = opaque;

    vm_timer_cancel(&s->rx_delay);
    vm_timer_cancel(&s->rx_absolute);
    raise_causes(s, ICR_RXT0);
}

static void tx_delayed(void *opaque)
{
    struct e1000 *s = opaque;

    vm_timer_cancel(&s->tx_delay);
    vm_timer_cancel(&s->tx_absolute);
    raise_causes(s, ICR_TXDW);
}

static void delay(struct e1000 *s, struct vm_timer *relative, uint32_t ticks,
                  struct vm_timer *absolute, uint32_t absolute_ticks)
{
    vm_timer_arm(relative, now(s) + (uint64_t)TICK * ticks);
    if (absolute_ticks && !vm_timer_armed(absolute))
        vm_timer_arm(absolute, now(s) + (uint64_t)TICK * absolute_ticks);
}

static uint32_t read_icr(struct e1000 *s)
{
    uint32_t v = s->icr;

    s->icr = 0;
    update_interrupt(s);
    return v;
}

static void write_icr(struct e1000 *s, uint32_t v)
{
    s->icr &= ~v;
    update_interrupt(s);
}

static void write_ics(struct e1000 *s, uint32_t v)
{
    raise_causes(s, v & ICR_ALL);
}

static void write_ims(struct e1000 *s, uint32_t v)
{
    s->ims |= v & ICR_ALL;
    update_interrupt(s);
}

static void write_imc(struct e1000 *s, uint32_t v)
{
    s->ims &= ~v;
    update_interrupt(s);
}

/* ---- statistics: they stop at their greatest value ---- */

static void count(struct e1000 *s, unsigned reg)
{
    uint32_t *v = &s->stats[(reg & 0xff) / 4];

    *v += *v != UINT32_MAX;
}

static void count_bytes(struct e1000 *s, unsigned reg, uint32_t n)
{
    uint32_t *v = &s->stats[(reg & 0xff) / 4];
    uint64_t sum = ((uint64_t)v[1] << 32 | v[0]) + n;

    if (sum < n)
        sum = UINT64_MAX;
    v[0] = (uint32_t)sum;
    v[1] = (uint32_t)(sum >> 32);
}

/* 64, 65-127, 128-255, 256-511, 512-1023, 1024 and more bytes. */
static void count_size(struct e1000 *s, unsigned first, uint32_t len)
{
    unsigned n = len <= 64 ? 0 : 26 - (unsigned)__builtin_clz(len);

    count(s, first + 4 * (n < 5 ? n : 5));
}

/* 64-bit counters are cleared when their upper half is read, others when they are (13.7). */
static uint32_t read_statistic(struct e1000 *s, unsigned offset)
{
    uint32_t *v = &s->stats[(offset & 0xff) / 4], value = *v;

    if (offset == GORC || offset == GOTC || offset == TOR || offset == TOT)
        return value;
    v[0] = 0;
    if (offset == GORC + 4 || offset == GOTC + 4 || offset == TOR + 4 || offset == TOT + 4)
        v[-1] = 0;
    return value;
}

/* ---- the PHY (SDM chapter 8 and 13.4.7; IEEE 802.3 clauses 22, 28 and 40) ---- */

enum {
    PHY_CONTROL = 0,
    PHY_STATUS = 1,
    PHY_ID1 = 2,
    PHY_ID2 = 3,
    PHY_ADVERTISED = 4,
    PHY_PARTNER = 5,
    PHY_EXPANSION = 6,
    PHY_1000_CONTROL = 9,
    PHY_1000_STATUS = 10,
    PHY_EXTENDED = 15,
    PHY_SPECIFIC_CONTROL = 16,
    PHY_SPECIFIC_STATUS = 17,
};
#define BMCR_RESET    0x8000
#define BMCR_LOOPBACK 0x4000
#define BMCR_ANE      0x1000
#define BMCR_DOWN     0x0800
#define BMCR_ISOLATE  0x0400
#define BMCR_RESTART  0x0200
#define BMSR_LINK     0x0004
#define BMSR_ANC      0x0020

static void set_link(struct e1000 *s, bool link)
{
    if (s->link == link)
        return;
    s->link = link;
    s->link_lost |= !link;
    raise_causes(s, ICR_LSC);
}

/* The link goes, and comes again if there is one, when the partners have agreed. */
static void negotiate(struct e1000 *s)
{
    vm_timer_cancel(&s->negotiation);
    set_link(s, false);
    if (s->port.link_up && !(s->phy[PHY_CONTROL] & (BMCR_DOWN | BMCR_ISOLATE)))
        vm_timer_arm(&s->negotiation, now(s) + NEGOTIATION);
}

static void negotiated(void *opaque)
{
    set_link(opaque, true);
}

static void link_changed(void *nic)
{
    negotiate(nic);
}

static void reset_phy(struct e1000 *s)
{
    memset(s->phy, 0, sizeof(s->phy));
    s->phy[PHY_CONTROL] = 0x1140; /* negotiation, full duplex, 1000 Mb/s */
    s->phy[PHY_ID1] = 0x0141;     /* M88E1011 */
    s->phy[PHY_ID2] = 0x0c20;
    s->phy[PHY_ADVERTISED] = 0x01e1;
    s->phy[PHY_1000_CONTROL] = 0x0f00;
    s->phy[PHY_EXTENDED] = 0x3000;
    s->phy[PHY_SPECIFIC_CONTROL] = 0x0068;
    negotiate(s);
}

static uint16_t read_phy(struct e1000 *s, unsigned reg)
{
    uint16_t v = s->phy[reg];

    switch (reg) {
    case PHY_STATUS: /* its link bit latches low */
        v = 0x7949 | (s->link ? BMSR_ANC : 0) | (s->link && !s->link_lost ? BMSR_LINK : 0);
        s->link_lost = !s->link;
        return v;
    case PHY_PARTNER:
        return s->link ? 0x41e1 : 0;
    case PHY_EXPANSION:
        return s->link ? 0x0003 : 0;
    case PHY_1000_STATUS:
        return s->link ? 0x3c00 : 0;
    case PHY_SPECIFIC_STATUS: /* 1000 Mb/s, full duplex, resolved, up */
        return s->link ? 0xac00 : 0;
    default:
        return v;
    }
}

static void write_phy(struct e1000 *s, unsigned reg, uint16_t v)
{
    static const uint32_t read_only =
        1u << PHY_STATUS | 1u << PHY_ID1 | 1u << PHY_ID2 | 1u << PHY_PARTNER | 1u << PHY_EXPANSION |
        1u << PHY_1000_STATUS | 1u << PHY_EXTENDED | 1u << PHY_SPECIFIC_STATUS;
    uint16_t old = s->phy[reg];

    if (read_only >> reg & 1)
        return;
    if (reg != PHY_CONTROL) {
        s->phy[reg] = v;
        return;
    }
    if (v & BMCR_RESET) {
        reset_phy(s);
        return;
    }
    s->phy[reg] = v & (uint16_t)~BMCR_RESTART;
    if ((v & BMCR_RESTART) || ((v ^ old) & (BMCR_DOWN | BMCR_ISOLATE)))
        negotiate(s);
}

/* The PHY has address 1; at the others nobody pulls the line down. */
static void write_mdic(struct e1000 *s, uint32_t v)
{
    unsigned reg = v >> 16 & 31, address = v >> 21 & 31;

    s->mdic = (v & ~MDIC_ERROR) | MDIC_READY;
    if ((v & MDIC_READ) && address == 1)
        s->mdic = (s->mdic & ~0xffffu) | read_phy(s, reg);
    else if (v & MDIC_READ)
        s->mdic |= 0xffff | MDIC_ERROR;
    else if ((v & MDIC_WRITE) && address == 1)
        write_phy(s, reg, (uint16_t)v);
    if (v & MDIC_INT)
        raise_causes(s, ICR_MDAC);
}

/* ---- EEPROM (5.6 and 13.4.3; a 93C46) ---- */

static void fill_eeprom(struct e1000 *s, uint16_t device, const uint8_t *mac)
{
    uint16_t sum = 0;

    memset(s->eeprom.words, 0xff, sizeof(s->eeprom.words));
    for (unsigned i = 0; i < 3; i++)
        s->eeprom.words[i] = (uint16_t)(mac[2 * i] | mac[2 * i + 1] << 8);
    s->eeprom.words[0x03] = 0x0000;
    s->eeprom.words[0x0a] = 0x4403; /* valid; IDs come from here */
    s->eeprom.words[0x0b] = device; /* subsystem */
    s->eeprom.words[0x0c] = 0x8086;
    s->eeprom.words[0x0d] = device;
    s->eeprom.words[0x0e] = 0x8086;
    s->eeprom.words[0x0f] = 0x0000; /* no pause frames */
    for (unsigned i = 0; i < EEPROM_LAST; i++)
        sum = (uint16_t)(sum + s->eeprom.words[i]);
    s->eeprom.words[EEPROM_LAST] = (uint16_t)(EEPROM_SUM - sum);
}

static void write_eecd(struct e1000 *s, uint32_t v)
{
    s->eecd = v & (EECD_SK | EECD_CS | EECD_DI | 3u << 4 | EECD_REQ);
    at93c46_set(&s->eeprom, v & EECD_CS, v & EECD_SK, v & EECD_DI);
}

static uint32_t read_eecd(struct e1000 *s)
{
    return s->eecd | (s->eeprom.out ? EECD_DO : 0) | (s->eecd & EECD_REQ ? EECD_GNT : 0) |
           EECD_PRES;
}

static void write_eerd(struct e1000 *s, uint32_t v)
{
    s->eerd = v & 0xff00;
    if (v & EERD_START)
        s->eerd |= (uint32_t)s->eeprom.words[(v >> 8 & 0xff) % AT93C46_WORDS] << 16 | EERD_DONE;
}

/* ---- transmitting: checksums and headers (3.5, 3.6) ---- */

static void put16(uint8_t *frame, uint32_t len, uint32_t at, uint32_t v)
{
    if (at + 2 > len)
        return;
    frame[at] = (uint8_t)(v >> 8);
    frame[at + 1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *frame, uint32_t len, uint32_t at)
{
    return at + 2 <= len ? be16(frame + at) : 0;
}

/* From `start` to `end`, both included; 0: to the last byte. */
static void insert_sum(uint8_t *frame, uint32_t len, uint32_t start, uint32_t at, uint32_t end)
{
    if (!end || end >= len)
        end = len - 1;
    if (start <= end && start < len)
        put16(frame, len, at, ~(uint32_t)ethernet_ip_sum(frame + start, end + 1 - start, 0));
}

/* The fields in which a segment's header differs from the first one's. */
static void fix_header(struct e1000 *s, uint8_t *frame, uint32_t len, bool last)
{
    const struct e1000_transmit *t = &s->tx;
    const uint8_t *c = t->context[1];
    uint32_t ip = c[0], tu = c[4], mss = ld_le16(c + 14), n = t->segments;

    if (c[11] & TUCMD_IP) {
        put16(frame, len, ip + 2, len - ip);
        put16(frame, len, ip + 4, get16(frame, len, ip + 4) + n);
    } else {
        put16(frame, len, ip + 4, len - ip - 40);
    }
    if (c[11] & TUCMD_TCP) {
        uint32_t sequence = (get16(frame, len, tu + 4) << 16 | get16(frame, len, tu + 6)) + n * mss;

        put16(frame, len, tu + 4, sequence >> 16);
        put16(frame, len, tu + 6, sequence);
        if (!last && tu + 13 < len)
            frame[tu + 13] &= (uint8_t)~9u; /* FIN, PSH */
    } else {
        put16(frame, len, tu + 4, len - tu);
    }
    /* The driver has summed up the pseudo header but for the length. */
    if (t->popts & POPTS_TU) {
        uint8_t length[2] = {(uint8_t)((len - tu) >> 8), (uint8_t)(len - tu)};

        put16(frame, len, c[5], ethernet_ip_sum(length, 2, get16(frame, len, c[5])));
    }
}

static void count_sent(struct e1000 *s, const uint8_t *frame, uint32_t len)
{
    len = (len < NET_FRAME_MIN ? NET_FRAME_MIN : len) + ETHERNET_FCS;
    count(s, TPT);
    count(s, GPTC);
    count_bytes(s, TOT, len);
    count_bytes(s, GOTC, len);
    count_size(s, PTC64, len);
    if (ethernet_is_broadcast(frame))
        count(s, BPTC);
    else if (ethernet_is_multicast(frame))
        count(s, MPTC);
}

static bool receive(void *nic, const struct net_header *h, const uint8_t *frame, size_t len);

/* Out, or to ourselves if a loop is closed in the MAC or the PHY. */
static void emit(struct e1000 *s, struct net_frame *f)
{
    static const struct net_header none;

    count_sent(s, f->data, f->len);
    if ((s->rctl & RCTL_LBM) || (s->phy[PHY_CONTROL] & BMCR_LOOPBACK)) {
        receive(s, &none, f->data, f->len);
        net_frame_free(f);
        return;
    }
    if (s->link)
        net_port_send_frame(&s->port, f);
    else
        net_frame_free(f);
}

/* What is in tx.frame, with what the last descriptor's command wants. */
static void send_frame(struct e1000 *s, uint8_t command, uint16_t special, bool last)
{
    struct e1000_transmit *t = &s->tx;
    const uint8_t *c = t->context[t->tse ? 1 : t->legacy ? 2 : 0];
    bool tag = (command & TXC_VLE) && (s->ctrl & CTRL_VME);
    uint32_t len = t->len, pad = 0;
    struct net_frame *f;

    if (!(command & TXC_IFCS) && len > ETHERNET_FCS) /* there is one in the data */
        len -= ETHERNET_FCS;
    if (len < ETHERNET_HEADER)
        return;
    if (t->tse)
        fix_header(s, t->frame, len, last);
    if (t->popts & POPTS_IP)
        insert_sum(t->frame, len, c[0], c[1], ld_le16(c + 2));
    if (t->popts & POPTS_TU)
        insert_sum(t->frame, len, c[4], c[5], ld_le16(c + 6));
    if ((s->tctl & TCTL_PSP) && len < NET_FRAME_MIN)
        pad = NET_FRAME_MIN - len;
    f = net_frame_new(len + pad + (tag ? 4 : 0));
    if (!f)
        return;
    memset(f->data, 0, f->len);
    memcpy(f->data, t->frame, 12);
    if (tag) {
        put16(f->data, f->len, 12, s->vet);
        put16(f->data, f->len, 14, special);
    }
    memcpy(f->data + 12 + (tag ? 4 : 0), t->frame + 12, len - 12);
    emit(s, f);
}

/* ---- transmitting: descriptors ---- */

/* There is room outside, and it is not time to let the machine go on. */
static bool may_go_on(struct e1000 *s)
{
    if (s->budget > 0)
        return net_port_can_send(&s->port);
    if (!vm_timer_armed(&s->tx_more))
        vm_timer_arm(&s->tx_more, now(s) + BUDGET_PAUSE);
    return false;
}

static void end_frame(struct e1000 *s)
{
    struct e1000_transmit *t = &s->tx;

    if (t->in_frame && t->tse && t->segments)
        count(s, TSCTC);
    t->in_frame = t->drop = t->tse = t->legacy = false;
    t->popts = 0;
    t->payload = t->segments = t->len = 0;
}

/* Sends a full segment, and begins the next with the header. */
static void send_segment(struct e1000 *s, uint8_t command, uint16_t special, bool last)
{
    struct e1000_transmit *t = &s->tx;
    uint32_t header = t->context[1][13];

    if (!t->segments)
        memcpy(t->header, t->frame, header);
    send_frame(s, command | TXC_IFCS, special, last);
    s->budget -= COST + t->len;
    memcpy(t->frame, t->header, header);
    t->payload += t->len - header;
    t->len = header;
    t->segments++;
}

/* The descriptor's bytes from tx.done on. False: not all, there is no room to send. */
static bool take_data(struct e1000 *s, uint64_t at, uint32_t length, uint8_t command,
                      uint16_t special)
{
    struct e1000_transmit *t = &s->tx;
    uint32_t header = t->context[1][13], payload = ld_le32(t->context[1] + 8) & 0xfffff;
    uint32_t limit = t->tse ? header + ld_le16(t->context[1] + 14) : E1000_FRAME_MAX;

    if (limit > E1000_FRAME_MAX || (t->tse && limit == header))
        t->drop = true;
    while (t->done < length && !t->drop) {
        uint32_t n = length - t->done < limit - t->len ? length - t->done : limit - t->len;

        if (t->len >= limit) { /* more than a frame can be */
            t->drop = true;
            break;
        }
        if (t->tse && t->len + n == limit && !may_go_on(s))
            return false;
        address_space_read_block(memory(s), at + t->done, t->frame + t->len, n);
        t->done += n;
        t->len += n;
        if (t->tse && t->len == limit)
            send_segment(s, command, special, t->payload + (limit - header) >= payload);
    }
    t->done = length;
    if (!(command & TXC_EOP))
        return true;
    if (!may_go_on(s))
        return false;
    if (!t->drop && t->tse && t->len > header)
        send_segment(s, command, special, true);
    else if (!t->drop && !t->tse)
        send_frame(s, command, special, true);
    end_frame(s);
    return true;
}

/* Offsets of a legacy descriptor: CSO at 10, CSS at 13. */
static bool do_legacy(struct e1000 *s, const uint8_t *d)
{
    struct e1000_transmit *t = &s->tx;

    if ((d[11] & (TXC_EOP | TXC_IC)) == (TXC_EOP | TXC_IC)) {
        t->context[2][4] = d[13];
        t->context[2][5] = d[10];
        t->popts = POPTS_TU;
        t->legacy = true;
    }
    t->in_frame = true;
    return take_data(s, ld_le64(d), ld_le16(d + 8), d[11], ld_le16(d + 14));
}

static bool do_data(struct e1000 *s, const uint8_t *d)
{
    struct e1000_transmit *t = &s->tx;

    if (!t->in_frame) { /* the first descriptor says what is to be done */
        t->in_frame = true;
        t->tse = d[11] & TXC_TSE;
        t->popts = d[13] & (POPTS_IP | POPTS_TU);
    }
    return take_data(s, ld_le64(d), ld_le32(d + 8) & 0xfffff, d[11], ld_le16(d + 14));
}

static bool do_descriptor(struct e1000 *s, const uint8_t *d)
{
    unsigned type = ld_le32(d + 8) >> 20 & 15;

    if (!(d[11] & TXC_DEXT))
        return do_legacy(s, d);
    if (type == 1)
        return do_data(s, d);
    if (type == 0)
        memcpy(s->tx.context[d[11] & TXC_TSE ? 1 : 0], d, 16);
    else
        log_line(&s->pci.dev.m->log, LOG_GUEST_ERRORS, "e1000: a descriptor of type %u", type);
    return true;
}

/* Status is written back if it was asked for; the interrupt comes now or later. */
static void descriptor_done(struct e1000 *s, uint64_t at, const uint8_t *d)
{
    if (!(d[11] & TXC_RS))
        return;
    address_space_write(memory(s), at + 12, d[12] | RXD_DD, 1);
    if ((d[11] & TXC_IDE) && (s->tidv & 0xffff))
        delay(s, &s->tx_delay, s->tidv & 0xffff, &s->tx_absolute, s->tadv & 0xffff);
    else
        tx_delayed(s);
}

static uint32_t tx_descriptors(const struct e1000 *s)
{
    return s->tdlen / 16;
}

static void send_ring(struct e1000 *s)
{
    uint32_t entries = tx_descriptors(s), threshold = (s->txdctl >> 25) * 8;

    while (s->tdh != s->tdt) {
        uint64_t at = ((uint64_t)s->tdbah << 32 | s->tdbal) + 16ull * s->tdh;
        uint8_t d[16];

        if (!may_go_on(s))
            return;
        address_space_read_block(memory(s), at, d, sizeof(d));
        s->budget -= COST + ld_le16(d + 8);
        if (!do_descriptor(s, d))
            return;
        s->tx.done = 0;
        descriptor_done(s, at, d);
        s->tdh = s->tdh + 1 < entries ? s->tdh + 1 : 0;
        if (threshold && (s->tdt + entries - s->tdh) % entries == threshold)
            raise_causes(s, ICR_TXD_LOW);
    }
    raise_causes(s, ICR_TXQE);
}

static void transmit(struct e1000 *s)
{
    uint32_t entries = tx_descriptors(s);

    if (s->sending || !(s->tctl & TCTL_EN) || !is_master(s) || s->tdh == s->tdt)
        return;
    if (s->tdh >= entries || s->tdt >= entries) {
        log_line(&s->pci.dev.m->log, LOG_GUEST_ERRORS,
                 "e1000: TDH %u and TDT %u are not both in a ring of %u", s->tdh, s->tdt, entries);
        return;
    }
    s->sending = true;
    s->budget = BUDGET;
    send_ring(s);
    s->sending = false;
}

static void can_send(void *nic)
{
    transmit(nic);
}

static void send_more(void *opaque)
{
    transmit(opaque);
}

/* ---- receiving: who is meant (3.2.1) ---- */

static bool in_multicast_table(const struct e1000 *s, const uint8_t *address)
{
    unsigned shift = 4 - (s->rctl >> 12 & 3); /* MO: bits 47:36, 46:35, 45:34, 43:32 */
    unsigned hash;

    if (shift == 1)
        shift = 0;
    hash = (unsigned)(address[4] | address[5] << 8) >> shift & 0xfff;
    return s->mta[hash >> 5] >> (hash & 31) & 1;
}

/* RAH's bits 17:16: compared with the destination, or the source. */
static bool in_address_table(const struct e1000 *s, const uint8_t *frame)
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t low = s->ra[2 * i], high = s->ra[2 * i + 1];
        const uint8_t *a = frame + (high >> 16 & 3 ? 6 : 0);

        if ((high & RAH_AV) && ld_le32(a) == low && ld_le16(a + 4) == (high & 0xffff))
            return true;
    }
    return false;
}

static bool vlan_passes(const struct e1000 *s, const uint8_t *frame)
{
    unsigned tag = be16(frame + 14);

    if (!(s->rctl & RCTL_VFE) || be16(frame + 12) != (s->vet & 0xffff))
        return true;
    if ((s->rctl & RCTL_CFIEN) && (tag >> 12 & 1) != (s->rctl & RCTL_CFI ? 1 : 0))
        return false;
    return s->vfta[tag >> 5 & 127] >> (tag & 31) & 1;
}

/* Sets RXD_PIF in *status when only the hash says so. */
static bool is_wanted(const struct e1000 *s, const uint8_t *frame, uint8_t *status)
{
    if (!vlan_passes(s, frame))
        return false;
    if (in_address_table(s, frame))
        return true;
    if (ethernet_is_broadcast(frame))
        return s->rctl & (RCTL_BAM | RCTL_MPE);
    if (!ethernet_is_multicast(frame))
        return s->rctl & RCTL_UPE;
    if (s->rctl & RCTL_MPE)
        return true;
    *status |= RXD_PIF;
    return in_multicast_table(s, frame);
}

/* ---- receiving: what is said of a frame (3.2.9) ---- */

/* Of TCP and UDP: the sum over the pseudo header and the segment. */
static void check_transport(const uint8_t *ip, size_t header, size_t length, uint8_t protocol,
                            uint8_t *status, uint8_t *errors)
{
    bool v4 = ip[0] >> 4 == 4;
    const uint8_t *segment = ip + header;
    uint32_t sum = protocol + (uint32_t)(length - header);

    if ((protocol != 6 && protocol != 17) || length < header + (protocol == 6 ? 20 : 8))
        return;
    if (protocol == 17 && !be16(segment + 6) && v4) /* has none */
        return;
    sum += ethernet_ip_sum(v4 ? ip + 12 : ip + 8, v4 ? 8 : 32, 0);
    *status |= RXD_TCPCS;
    if (ethernet_ip_sum(segment, length - header, sum) != 0xffff)
        *errors |= RXE_TCPE;
}

static void check_sums(const struct e1000 *s, const uint8_t *frame, size_t len, uint8_t *status,
                       uint8_t *errors)
{
    size_t at = be16(frame + 12) == 0x8100 ? 16 : 12, header, length;
    unsigned type = be16(frame + at);
    const uint8_t *ip = frame + at + 2;

    len -= at + 2;
    if (type == 0x0800 && len >= 20 && ip[0] >> 4 == 4) {
        header = 4 * (ip[0] & 15u);
        length = be16(ip + 2);
        if (header < 20 || length < header || length > len)
            return;
        if (s->rxcsum & RXCSUM_IPOF) {
            *status |= RXD_IPCS;
            if (ethernet_ip_sum(ip, header, 0) != 0xffff)
                *errors |= RXE_IPE;
        }
        if ((s->rxcsum & RXCSUM_TUOF) && !(be16(ip + 6) & 0x3fff)) /* not a fragment */
            check_transport(ip, header, length, ip[9], status, errors);
    } else if (type == 0x86dd && len >= 40 && ip[0] >> 4 == 6) {
        length = 40u + be16(ip + 4);
        if ((s->rxcsum & RXCSUM_TUOF) && length <= len)
            check_transport(ip, 40, length, ip[6], status, errors);
    }
    if (*status & (RXD_IPCS | RXD_TCPCS))
        *status &= (uint8_t)~RXD_IXSM;
}

/* ---- receiving: into the ring ---- */

static uint32_t rx_buffer_size(const struct e1000 *s)
{
    unsigned n = s->rctl >> 16 & 3;

    if ((s->rctl & RCTL_BSEX) && n) /* 16384, 8192, 4096 */
        return 32768u >> n;
    return 2048u >> n;
}

static uint32_t rx_free(const struct e1000 *s)
{
    uint32_t entries = s->rdlen / 16;

    if (s->rdh >= entries || s->rdt >= entries)
        return 0;
    return (s->rdt + entries - s->rdh) % entries;
}

struct arrival {
    uint8_t data[E1000_FRAME_MAX + 4];
    uint32_t len; /* as the guest gets it */
    uint8_t status, errors;
    uint16_t special, sum;
};

static void put_in_ring(struct e1000 *s, const struct arrival *a)
{
    uint32_t entries = s->rdlen / 16, size = rx_buffer_size(s);

    for (uint32_t done = 0; done < a->len && s->rdh < entries;) {
        uint64_t at = ((uint64_t)s->rdbah << 32 | s->rdbal) + 16ull * s->rdh;
        uint32_t n = a->len - done < size ? a->len - done : size;
        uint64_t buffer = address_space_read(memory(s), at, 8);
        uint8_t d[8] = {0};

        address_space_write_block(memory(s), buffer, a->data + done, n);
        done += n;
        st_le16(d, (uint16_t)n);
        d[4] = RXD_DD | (a->status & RXD_VP);
        if (done == a->len) {
            st_le16(d + 2, a->sum);
            d[4] = a->status | RXD_DD | RXD_EOP;
            d[5] = a->errors;
        }
        st_le16(d + 6, a->special);
        address_space_write_block(memory(s), at + 8, d, sizeof(d));
        s->rdh = s->rdh + 1 < entries ? s->rdh + 1 : 0;
    }
}

static void count_received(struct e1000 *s, const uint8_t *frame, uint32_t len)
{
    count(s, GPRC);
    count_bytes(s, GORC, len);
    count_size(s, PRC64, len);
    if (ethernet_is_broadcast(frame))
        count(s, BPRC);
    else if (ethernet_is_multicast(frame))
        count(s, MPRC);
}

/* The tag goes to the descriptor if CTRL.VME says so; the FCS stays unless RCTL.SECRC. */
static void prepare(struct e1000 *s, struct arrival *a, const uint8_t *frame, uint32_t len)
{
    bool strip = (s->ctrl & CTRL_VME) && be16(frame + 12) == (s->vet & 0xffff);
    uint32_t start = s->rxcsum & 0xff;

    a->status |= RXD_IXSM;
    a->errors = 0;
    a->special = strip ? (uint16_t)be16(frame + 14) : 0;
    check_sums(s, frame, len, &a->status, &a->errors);
    memcpy(a->data, frame, 12);
    memcpy(a->data + 12, frame + (strip ? 16 : 12), len - (strip ? 16 : 12));
    a->len = len - (strip ? 4 : 0);
    if (strip)
        a->status |= RXD_VP;
    a->sum = start < a->len ? ethernet_ip_sum(a->data + start, a->len - start, 0) : 0;
    if (!(s->rctl & RCTL_SECRC)) {
        uint32_t fcs = ethernet_fcs(frame, len);

        st_le32(a->data + a->len, fcs);
        a->len += ETHERNET_FCS;
    }
}

static void tell_received(struct e1000 *s, uint32_t before, uint32_t len)
{
    uint32_t threshold = (s->rdlen / 16) >> (1 + (s->rctl >> 8 & 3)), causes = 0;

    if (before > threshold && rx_free(s) <= threshold)
        causes |= ICR_RXDMT0;
    if (len <= (s->rsrpd & 0xfff))
        causes |= ICR_SRPD;
    if (s->rdtr & 0xffff)
        delay(s, &s->rx_delay, s->rdtr & 0xffff, &s->rx_absolute, s->radv & 0xffff);
    else
        rx_delayed(s);
    if (causes)
        raise_causes(s, causes);
}

static bool receive(void *nic, const struct net_header *h, const uint8_t *frame, size_t len)
{
    struct e1000 *s = nic;
    uint32_t with_fcs = (uint32_t)len + ETHERNET_FCS, room, before = rx_free(s);
    struct arrival a;

    (void)h;
    if (!(s->rctl & RCTL_EN) || !is_master(s) || len < NET_FRAME_MIN)
        return true; /* the last: a runt, only from a loopback */
    if (with_fcs > (s->rctl & RCTL_LPE ? E1000_FRAME_MAX : STANDARD_WITH_FCS)) {
        count(s, ROC);
        return true;
    }
    a.status = 0;
    if (!is_wanted(s, frame, &a.status))
        return true;
    room = rx_buffer_size(s);
    if ((with_fcs + room - 1) / room > before)
        return (with_fcs + room - 1) / room >= s->rdlen / 16; /* it will never fit */
    count(s, TPR);
    count_bytes(s, TOR, with_fcs);
    count_received(s, frame, with_fcs);
    prepare(s, &a, frame, (uint32_t)len);
    put_in_ring(s, &a);
    tell_received(s, before, with_fcs);
    return true;
}

static void rx_filter(void *nic, struct net_rx_filter *f)
{
    const struct e1000 *s = nic;

    f->promiscuous = s->rctl & RCTL_UPE;
    f->broadcast = s->rctl & RCTL_BAM;
    f->unicast = f->promiscuous ? NET_RX_ALL : NET_RX_NORMAL;
    f->multicast = s->rctl & RCTL_MPE ? NET_RX_ALL : NET_RX_NORMAL;
    for (unsigned i = 0; i < 16; i++) {
        uint8_t a[8];

        st_le32(a, s->ra[2 * i]);
        st_le32(a + 4, s->ra[2 * i + 1]);
        if (!i)
            memcpy(f->mac, a, NET_MAC_SIZE);
        else if ((s->ra[2 * i + 1] & RAH_AV) && ethernet_is_multicast(a))
            memcpy(f->multicast_table[f->nmulticast++], a, NET_MAC_SIZE);
        else if (s->ra[2 * i + 1] & RAH_AV)
            memcpy(f->unicast_table[f->nunicast++], a, NET_MAC_SIZE);
    }
    f->vlan = s->rctl & RCTL_VFE ? NET_RX_NORMAL : NET_RX_ALL;
    for (unsigned id = 0; id < 4096 && f->nvlans < NET_RX_FILTER_MACS; id++)
        if (s->vfta[id / 32] >> id % 32 & 1)
            f->vlans[f->nvlans++] = (uint16_t)id;
}

/* ---- registers (13.2) ---- */

static void tell_mac(struct e1000 *s)
{
    uint8_t mac[8];

    st_le32(mac, s->ra[0]);
    st_le32(mac + 4, s->ra[1]);
    net_port_set_mac(&s->port, mac);
}

static void reset_registers(struct e1000 *s);

static void write_ctrl(struct e1000 *s, uint32_t v)
{
    if (v & CTRL_RST)
        reset_registers(s);
    else
        s->ctrl = v & ~CTRL_PHY_RST;
    if (v & CTRL_PHY_RST)
        reset_phy(s);
}

static uint32_t read_status(struct e1000 *s)
{
    return STATUS_1000 | (s->ctrl & CTRL_FD ? STATUS_FD : 0) |
           (s->link && (s->ctrl & CTRL_SLU) ? STATUS_LU : 0);
}

static void write_rctl(struct e1000 *s, uint32_t v)
{
    s->rctl = v & 0x07dffffe;
    net_port_ready(&s->port);
}

static void write_rdt(struct e1000 *s, uint32_t v)
{
    s->rdt = v & 0xffff;
    net_port_ready(&s->port);
}

/* FPD: what is delayed is due now. */
static void write_rdtr(struct e1000 *s, uint32_t v)
{
    s->rdtr = v & 0xffff;
    if ((v >> 31) && vm_timer_armed(&s->rx_delay))
        rx_delayed(s);
}

static void write_tidv(struct e1000 *s, uint32_t v)
{
    s->tidv = v & 0xffff;
    if ((v >> 31) && vm_timer_armed(&s->tx_delay))
        tx_delayed(s);
}

static void write_tctl(struct e1000 *s, uint32_t v)
{
    s->tctl = v;
    transmit(s);
}

static void write_tdt(struct e1000 *s, uint32_t v)
{
    s->tdt = v & 0xffff;
    transmit(s);
}

static void nothing(struct e1000 *s, uint32_t v)
{
    (void)s;
    (void)v;
}

#define REG(at, f, bits)                                                                           \
    {                                                                                              \
        at, 1, offsetof(struct e1000, f), bits, NULL, NULL                                         \
    }
#define REGS(at, n, f)                                                                             \
    {                                                                                              \
        at, n, offsetof(struct e1000, f), UINT32_MAX, NULL, NULL                                   \
    }
#define SPECIAL(at, f, in, out)                                                                    \
    {                                                                                              \
        at, 1, offsetof(struct e1000, f), 0, in, out                                               \
    }
static const struct row {
    uint16_t offset, n;
    size_t field;
    uint32_t writable;
    uint32_t (*read)(struct e1000 *s); /* NULL: the field */
    void (*write)(struct e1000 *s, uint32_t v);
} rows[] = {
    SPECIAL(0x0000, ctrl, NULL, write_ctrl),
    SPECIAL(0x0004, ctrl, NULL, write_ctrl), /* the same again (13.4.1) */
    SPECIAL(0x0008, ctrl, read_status, nothing),
    SPECIAL(0x0010, eecd, read_eecd, write_eecd),
    SPECIAL(0x0014, eerd, NULL, write_eerd),
    REG(0x0018, ctrl_ext, UINT32_MAX),
    REG(0x001c, fla, 0),
    SPECIAL(0x0020, mdic, NULL, write_mdic),
    REG(0x0028, fcal, UINT32_MAX),
    REG(0x002c, fcah, 0xffff),
    REG(0x0030, fct, 0xffff),
    REG(0x0038, vet, 0xffff),
    SPECIAL(0x00c0, icr, read_icr, write_icr),
    REG(0x00c4, itr, 0xffff),
    SPECIAL(0x00c8, icr, NULL, write_ics),
    SPECIAL(0x00d0, ims, NULL, write_ims),
    SPECIAL(0x00d8, ims, NULL, write_imc),
    SPECIAL(0x0100, rctl, NULL, write_rctl),
    REG(0x0170, fcttv, 0xffff),
    SPECIAL(0x0400, tctl, NULL, write_tctl),
    REG(0x0410, tipg, 0x3fffffff),
    REG(0x0458, aifs, 0xffff),
    REG(0x0e00, ledctl, UINT32_MAX),
    REG(0x1000, pba, 0xffff),
    REG(0x2160, fcrtl, 0x8000fff8),
    REG(0x2168, fcrth, 0x0000fff8),
    REG(0x2800, rdbal, 0xfffffff0),
    REG(0x2804, rdbah, UINT32_MAX),
    REG(0x2808, rdlen, 0x000fff80),
    REG(0x2810, rdh, 0xffff),
    SPECIAL(0x2818, rdt, NULL, write_rdt),
    SPECIAL(0x2820, rdtr, NULL, write_rdtr),
    REG(0x2828, rxdctl, 0x013f3f3f),
    REG(0x282c, radv, 0xffff),
    REG(0x2c00, rsrpd, 0x0fff),
    REG(0x3800, tdbal, 0xfffffff0),
    REG(0x3804, tdbah, UINT32_MAX),
    REG(0x3808, tdlen, 0x000fff80),
    REG(0x3810, tdh, 0xffff),
    SPECIAL(0x3818, tdt, NULL, write_tdt),
    SPECIAL(0x3820, tidv, NULL, write_tidv),
    REG(0x3828, txdctl, 0xff3f3f3f),
    REG(0x382c, tadv, 0xffff),
    REG(0x3830, tspmt, UINT32_MAX),
    {0x4000, 64, offsetof(struct e1000, stats), 0, NULL, NULL},
    REG(0x5000, rxcsum, 0x07ff),
    REGS(0x5200, 128, mta),
    REGS(0x5400, 32, ra),
    REGS(0x5600, 128, vfta),
    REG(0x5800, wuc, 0x0f),
    REG(0x5808, wufc, 0x000f00ff),
    REG(0x5810, wus, 0),
    REG(0x5820, manc, UINT32_MAX),
    REG(0x5838, ipav, UINT32_MAX),
};

static const struct row *row_at(const struct e1000 *s, uint64_t offset)
{
    unsigned n = offset < E1000_REGISTERS ? s->row_of[offset / 4] : 0;

    return n ? &rows[n - 1] : NULL;
}

static uint32_t *field_of(struct e1000 *s, const struct row *row, uint64_t offset)
{
    return (uint32_t *)((char *)s + row->field) + (offset - row->offset) / 4;
}

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    struct e1000 *s = opaque;
    const struct row *row = row_at(s, offset);

    (void)size;
    if (!row)
        return 0;
    if (row->offset == 0x4000)
        return read_statistic(s, (unsigned)offset);
    return row->read ? row->read(s) : *field_of(s, row, offset);
}

static void mmio_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct e1000 *s = opaque;
    const struct row *row = row_at(s, offset);
    uint32_t v = (uint32_t)value, *field;

    (void)size;
    if (!row)
        return;
    if (row->write) {
        row->write(s, v);
        return;
    }
    field = field_of(s, row, offset);
    *field = (*field & ~row->writable) | (v & row->writable);
    if (row->offset == 0x5400 && offset < 0x5408)
        tell_mac(s);
}

/* IOADDR and IODATA (13.2.2): the same registers. */
static uint64_t io_read(void *opaque, uint64_t offset, unsigned size)
{
    struct e1000 *s = opaque;

    return offset == 0 ? s->ioaddr : offset == 4 ? mmio_read(s, s->ioaddr, size) : 0;
}

static void io_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct e1000 *s = opaque;

    if (offset == 0)
        s->ioaddr = (uint32_t)value & (E1000_MMIO_SIZE - 4);
    else if (offset == 4)
        mmio_write(s, s->ioaddr, value, size);
}

/* ---- life ---- */

static void cancel_timers(struct e1000 *s)
{
    vm_timer_cancel(&s->throttle);
    vm_timer_cancel(&s->rx_delay);
    vm_timer_cancel(&s->rx_absolute);
    vm_timer_cancel(&s->tx_delay);
    vm_timer_cancel(&s->tx_absolute);
    vm_timer_cancel(&s->tx_more);
}

/* CTRL.RST: all but the PHY, and tables whose contents a reset leaves alone (14.8). */
static void reset_registers(struct e1000 *s)
{
    cancel_timers(s);
    memset(&s->ctrl, 0, offsetof(struct e1000, ra) - offsetof(struct e1000, ctrl));
    memset(&s->tctl, 0, offsetof(struct e1000, phy) - offsetof(struct e1000, tctl));
    at93c46_set(&s->eeprom, false, false, false);
    memset(&s->tx, 0, sizeof(s->tx));
    s->ctrl = CTRL_FD | CTRL_SLU | CTRL_SPEED;
    s->vet = 0x8100;
    s->pba = 0x00100030; /* KiB to receive and to send */
    s->ledctl = 0x07068302;
    s->ra[0] = s->eeprom.words[0] | (uint32_t)s->eeprom.words[1] << 16;
    s->ra[1] = s->eeprom.words[2] | RAH_AV;
    for (unsigned i = 3; i < 32; i += 2)
        s->ra[i] &= ~RAH_AV;
    update_interrupt(s);
    tell_mac(s);
    net_port_ready(&s->port);
}

static void reset(struct device *dev)
{
    struct e1000 *s = (struct e1000 *)dev;

    pci_device_reset(&s->pci);
    memset(s->ra, 0, sizeof(s->ra));
    memset(s->mta, 0, sizeof(s->mta));
    memset(s->vfta, 0, sizeof(s->vfta));
    reset_registers(s);
    s->link = false;
    reset_phy(s);
    s->link_lost = true;
    s->icr = 0;
}

static bool post_load(struct device *dev, struct error *err)
{
    struct e1000 *s = (struct e1000 *)dev;

    (void)err;
    pci_device_post_load(&s->pci);
    net_port_post_load(&s->port);
    tell_mac(s);
    return true;
}

static const struct state_field transmit_fields[] = {
    STATE_BYTES(struct e1000_transmit, context),
    STATE_BOOL(struct e1000_transmit, in_frame),
    STATE_BOOL(struct e1000_transmit, drop),
    STATE_BOOL(struct e1000_transmit, tse),
    STATE_BOOL(struct e1000_transmit, legacy),
    STATE_U8(struct e1000_transmit, popts),
    STATE_U32_MAX(struct e1000_transmit, done, 0xfffff),
    STATE_U32(struct e1000_transmit, payload),
    STATE_U32(struct e1000_transmit, segments),
    STATE_U32_MAX(struct e1000_transmit, len, E1000_FRAME_MAX),
    STATE_BYTES(struct e1000_transmit, header),
    STATE_BYTES(struct e1000_transmit, frame),
    STATE_FIELDS_END,
};

#define U32(f) STATE_U32(struct e1000, f)
static const struct state_field fields[] = {
    STATE_STRUCTS(struct e1000, pci, 1, struct pci_device, pci_device_fields),
    NET_PORT_FIELDS(struct e1000, port),
    U32(ctrl),
    U32(ctrl_ext),
    U32(eecd),
    U32(eerd),
    U32(fla),
    U32(mdic),
    U32(fcal),
    U32(fcah),
    U32(fct),
    U32(fcttv),
    U32(vet),
    U32(ledctl),
    U32(pba),
    U32(icr),
    U32(itr),
    U32(ims),
    STATE_U32_MAX(struct e1000, ioaddr, E1000_MMIO_SIZE - 4),
    U32(rctl),
    U32(rdbal),
    U32(rdbah),
    STATE_U32_MAX(struct e1000, rdlen, 0xfffff),
    U32(rdh),
    U32(rdt),
    U32(rdtr),
    U32(radv),
    U32(rxdctl),
    U32(rsrpd),
    U32(fcrtl),
    U32(fcrth),
    U32(rxcsum),
    STATE_ARRAY(STATE_U32, struct e1000, ra, 32),
    STATE_ARRAY(STATE_U32, struct e1000, mta, 128),
    STATE_ARRAY(STATE_U32, struct e1000, vfta, 128),
    U32(tctl),
    U32(tipg),
    U32(aifs),
    U32(tdbal),
    U32(tdbah),
    STATE_U32_MAX(struct e1000, tdlen, 0xfffff),
    U32(tdh),
    U32(tdt),
    U32(tidv),
    U32(tadv),
    U32(txdctl),
    U32(tspmt),
    U32(wuc),
    U32(wufc),
    U32(wus),
    U32(manc),
    U32(ipav),
    STATE_ARRAY(STATE_U32, struct e1000, stats, 64),
    STATE_ARRAY(STATE_U16, struct e1000, phy, 32),
    STATE_BOOL(struct e1000, link),
    STATE_BOOL(struct e1000, link_lost),
    STATE_STRUCTS(struct e1000, eeprom, 1, struct at93c46, at93c46_fields),
    STATE_STRUCTS(struct e1000, tx, 1, struct e1000_transmit, transmit_fields),
    STATE_TIMER(struct e1000, throttle),
    STATE_TIMER(struct e1000, rx_delay),
    STATE_TIMER(struct e1000, rx_absolute),
    STATE_TIMER(struct e1000, tx_delay),
    STATE_TIMER(struct e1000, tx_absolute),
    STATE_TIMER(struct e1000, negotiation),
    STATE_TIMER(struct e1000, tx_more),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "e1000", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

static const struct net_port_ops port_ops = {
    .receive = receive, .can_send = can_send, .link_changed = link_changed, .rx_filter = rx_filter};

static void config_written(struct pci_device *d, unsigned offset, unsigned size)
{
    (void)size;
    if (offset <= PCI_COMMAND && offset + size > PCI_COMMAND)
        transmit((struct e1000 *)d);
}

static void init_timers(struct e1000 *s, struct vm_clock *c)
{
    vm_timer_init(&s->throttle, c, throttle_ends, s);
    vm_timer_init(&s->rx_delay, c, rx_delayed, s);
    vm_timer_init(&s->rx_absolute, c, rx_delayed, s);
    vm_timer_init(&s->tx_delay, c, tx_delayed, s);
    vm_timer_init(&s->tx_absolute, c, tx_delayed, s);
    vm_timer_init(&s->negotiation, c, negotiated, s);
    vm_timer_init(&s->tx_more, c, send_more, s);
}

void e1000_init(struct e1000 *s, struct machine *m, const char *id, struct pci_bus *bus,
                uint8_t devfn, enum e1000_model model, const struct nic_config *config)
{
    static const struct region_ops mmio_ops = {mmio_read, mmio_write, 4, 4};
    static const struct region_ops io_ops = {io_read, io_write, 4, 4};
    uint16_t device = model == E1000_82540EM ? 0x100e : 0x100f;
    const struct pci_ids ids = {.vendor = 0x8086,
                                .device = device,
                                .revision = model == E1000_82540EM ? 2 : 1,
                                .class = 0x0200,
                                .subsystem_vendor = 0x8086,
                                .subsystem = device,
                                .interrupt_pin = 1};

    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        memset(s->row_of + rows[i].offset / 4, (int)i + 1, rows[i].n);
    fill_eeprom(s, device, config->mac);
    init_timers(s, &m->clock);
    pci_device_init(&s->pci, m, &class, id, bus, devfn, &ids);
    s->pci.config_written = config_written;
    region_init_device(&s->mmio, "e1000", E1000_MMIO_SIZE, &mmio_ops, s);
    pci_device_add_bar(&s->pci, 0, PCI_BAR_MEM32, &s->mmio);
    region_init_device(&s->io, "e1000-io", E1000_IO_SIZE, &io_ops, s);
    pci_device_add_bar(&s->pci, 2, PCI_BAR_IO, &s->io);
    net_port_init(&s->port, m, id, model == E1000_82540EM ? "e1000" : "e1000-82545em", config,
                  &port_ops, s);
    reset(&s->pci.dev);
}
