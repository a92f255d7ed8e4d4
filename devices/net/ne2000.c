/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Novell NE2000 (National Semiconductor DP8390D datasheet) on ISA, and Realtek RTL8029AS, the same
 * on PCI. Frames are sent and received at once; a loopback ends in the FIFO, which nobody reads. */
#include "devices/net/ne2000.h"

#include <stddef.h>

#include "base/bits.h"
#include "devices/net/ethernet.h"
#include "vm/machine.h"

#define RAM_START 0x4000u
#define PAGE      256u
#define LONGEST   6u /* pages of the longest frame */

#define CR_STP 0x01
#define CR_STA 0x02
#define CR_TXP 0x04
#define CR_RD  0x38 /* 08 read, 10 write, 20 and more: none */

#define ISR_PRX 0x01
#define ISR_PTX 0x02
#define ISR_OVW 0x10
#define ISR_RDC 0x40
#define ISR_RST 0x80

#define RCR_AB  0x04
#define RCR_AM  0x08
#define RCR_PRO 0x10
#define RCR_MON 0x20

#define RSR_PRX 0x01
#define RSR_PHY 0x20
#define TSR_PTX 0x01
#define TCR_CRC 0x01
#define TCR_LB  0x06
#define DCR_WTS 0x01

static void update_interrupt(struct ne2000_chip *s)
{
    irq_set(s->irq, s->isr & s->imr & 0x7f);
}

static void raise_causes(struct ne2000_chip *s, uint8_t causes)
{
    s->isr |= causes;
    update_interrupt(s);
}

/* ---- the chip's memory ---- */

static uint8_t load(const struct ne2000_chip *s, uint16_t at)
{
    if (at < sizeof(s->prom))
        return s->prom[at];
    return at >= RAM_START && at < RAM_START + NE2000_RAM ? s->ram[at - RAM_START] : 0xff;
}

static void store(struct ne2000_chip *s, uint16_t at, uint8_t v)
{
    if (at >= RAM_START && at < RAM_START + NE2000_RAM)
        s->ram[at - RAM_START] = v;
}

/* Remote DMA: behind the ring's last page comes its first. */
static void next_remote(struct ne2000_chip *s)
{
    s->rsar++;
    if (s->rsar == (uint16_t)(s->pstop * PAGE))
        s->rsar = (uint16_t)(s->pstart * PAGE);
    if (s->rbcr && !--s->rbcr)
        raise_causes(s, ISR_RDC);
}

/* In word mode a byte's access moves a word, too. */
static unsigned width(const struct ne2000_chip *s, unsigned size)
{
    return (s->dcr & DCR_WTS) && size < 2 ? 2 : size;
}

static uint32_t read_data(struct ne2000_chip *s, unsigned size)
{
    uint32_t v = 0;

    if ((s->cr & CR_RD) != 0x08)
        return UINT32_MAX;
    for (unsigned i = 0; i < width(s, size); i++) {
        v |= (uint32_t)(s->rbcr ? load(s, s->rsar) : 0xff) << 8 * i;
        if (s->rbcr)
            next_remote(s);
    }
    return v;
}

static void write_data(struct ne2000_chip *s, uint32_t v, unsigned size)
{
    if ((s->cr & CR_RD) != 0x10)
        return;
    for (unsigned i = 0; i < width(s, size) && s->rbcr; i++) {
        store(s, s->rsar, (uint8_t)(v >> 8 * i));
        next_remote(s);
    }
}

/* ---- transmitting ---- */

/* TXP stays until there is room. */
static void transmit(struct ne2000_chip *s)
{
    struct net_frame *f;
    uint32_t len = s->tbcr;

    if (!(s->cr & CR_TXP) || (s->cr & CR_STP))
        return;
    if ((s->tcr & TCR_CRC) && len > ETHERNET_FCS) /* there is one in the data */
        len -= ETHERNET_FCS;
    if (!(s->tcr & TCR_LB)) {
        if (!net_port_can_send(&s->port))
            return;
        f = net_frame_new(len < NET_FRAME_MAX ? len : 0);
        if (f) {
            for (uint32_t i = 0; i < f->len; i++)
                f->data[i] = load(s, (uint16_t)(s->tpsr * PAGE + i));
            net_port_send_frame(&s->port, f);
        }
    }
    s->cr &= (uint8_t)~CR_TXP;
    s->tsr = TSR_PTX;
    raise_causes(s, ISR_PTX);
}

static void can_send(void *nic)
{
    transmit(nic);
}

/* ---- receiving ---- */

static bool is_wanted(const struct ne2000_chip *s, const uint8_t *frame)
{
    unsigned hash;

    if (s->rcr & RCR_PRO)
        return true;
    if (ethernet_is_broadcast(frame))
        return s->rcr & RCR_AB;
    if (!ethernet_is_multicast(frame))
        return !memcmp(frame, s->par, sizeof(s->par));
    hash = ethernet_hash(frame) >> 26;
    return (s->rcr & RCR_AM) && (s->mar[hash / 8] >> hash % 8 & 1);
}

/* Header, frame and FCS from page CURR on. */
static void put_in_ring(struct ne2000_chip *s, const uint8_t *frame, uint32_t len, uint8_t next)
{
    uint16_t at = (uint16_t)(s->curr * PAGE), end = (uint16_t)(s->pstop * PAGE);
    uint32_t fcs = ethernet_fcs(frame, len), total = len + ETHERNET_FCS;
    const uint8_t head[4] = {s->rsr, next, (uint8_t)total, (uint8_t)(total >> 8)};

    for (uint32_t i = 0; i < total + sizeof(head); i++) {
        uint32_t n = i - (uint32_t)sizeof(head);

        store(s, at,
              i < sizeof(head) ? head[i]
              : n < len        ? frame[n]
                               : (uint8_t)(fcs >> 8 * (n - len)));
        if (++at == end)
            at = (uint16_t)(s->pstart * PAGE);
    }
}

static bool is_listening(const struct ne2000_chip *s)
{
    return (s->cr & (CR_STP | CR_STA)) == CR_STA && !(s->tcr & TCR_LB) && s->pstop > s->pstart &&
           s->curr >= s->pstart && s->curr < s->pstop;
}

/* The page before BNRY stays free: CURR there would mean that the ring is empty.
 *
 * Drivers acknowledge PRX after they have seen the last frame; one that came in between is then
 * announced by the next only. So that there is a next, the longest frame's room is kept behind
 * unread frames that are announced: the wire is that slow. */
static bool has_room(const struct ne2000_chip *s, unsigned pages)
{
    unsigned ring = (unsigned)(s->pstop - s->pstart);
    unsigned room = s->curr < s->bnry ? (unsigned)(s->bnry - s->curr)
                                      : ring - (unsigned)(s->curr - s->bnry) % ring;
    bool unread = room + 1 < ring;

    return pages < ring && pages + (unread && (s->isr & ISR_PRX) ? LONGEST : 0) < room;
}

static bool receive(void *nic, const struct net_header *h, const uint8_t *frame, size_t len)
{
    struct ne2000_chip *s = nic;
    unsigned pages = ((unsigned)len + ETHERNET_FCS + 4 + PAGE - 1) / PAGE, next;

    (void)h;
    if (len > NET_FRAME_STD || !is_listening(s) || !is_wanted(s, frame))
        return true;
    if (s->rcr & RCR_MON) {
        s->cntr[2] = (uint8_t)(s->cntr[2] + (s->cntr[2] < 192));
        return true;
    }
    if (!has_room(s, pages)) {
        if (!(s->isr & ISR_PRX))
            raise_causes(s, ISR_OVW);
        return pages >= (unsigned)(s->pstop - s->pstart); /* it will never fit: lost */
    }
    next = s->curr + pages;
    if (next >= s->pstop)
        next -= (unsigned)(s->pstop - s->pstart);
    s->rsr = (uint8_t)(RSR_PRX | (ethernet_is_multicast(frame) ? RSR_PHY : 0));
    put_in_ring(s, frame, (uint32_t)len, (uint8_t)next);
    s->curr = (uint8_t)next;
    raise_causes(s, ISR_PRX);
    return true;
}

static void rx_filter(void *nic, struct net_rx_filter *f)
{
    const struct ne2000_chip *s = nic;

    f->promiscuous = s->rcr & RCR_PRO;
    f->broadcast = s->rcr & RCR_AB;
    f->unicast = f->promiscuous ? NET_RX_ALL : NET_RX_NORMAL;
    f->multicast = f->promiscuous ? NET_RX_ALL : s->rcr & RCR_AM ? NET_RX_NORMAL : NET_RX_NONE;
    f->vlan = NET_RX_ALL;
    memcpy(f->mac, s->par, sizeof(s->par));
}

/* ---- registers ---- */

static void chip_reset(struct ne2000_chip *s)
{
    s->cr = CR_STP | 0x20;
    s->isr = ISR_RST;
    s->imr = 0;
    s->tcr = s->dcr = 0;
    s->rbcr = 0;
    update_interrupt(s);
    net_port_ready(&s->port);
}

/* STA activates the chip, and only STP or a reset stops it: a page is selected without STA, too. */
static void write_command(struct ne2000_chip *s, uint8_t v)
{
    s->cr = (uint8_t)(v | (s->cr & (CR_TXP | CR_STA)));
    if (v & CR_STP) {
        s->cr &= (uint8_t) ~(CR_TXP | CR_STA);
        s->isr |= ISR_RST;
        return;
    }
    s->isr &= (uint8_t)~ISR_RST;
    if ((v & 0x18) && !(v & 0x20) && !s->rbcr)
        raise_causes(s, ISR_RDC);
    transmit(s);
    net_port_ready(&s->port);
}

static uint8_t read_page0(const struct ne2000_chip *s, unsigned reg)
{
    const uint8_t v[16] = {0,    0,      s->curr,    s->bnry,          s->tsr,
                           0,    0,      s->isr,     (uint8_t)s->rsar, (uint8_t)(s->rsar >> 8),
                           0x50, /* RTL8029 */
                           0x43, s->rsr, s->cntr[0], s->cntr[1],       s->cntr[2]};

    return v[reg];
}

static uint8_t read_page2(const struct ne2000_chip *s, unsigned reg)
{
    const uint8_t v[16] = {[1] = s->pstart, [2] = s->pstop, [4] = s->tpsr, [12] = s->rcr,
                           [13] = s->tcr,   [14] = s->dcr,  [15] = s->imr};

    return v[reg];
}

static uint8_t read_register(struct ne2000_chip *s, unsigned reg)
{
    unsigned page = s->cr >> 6;
    uint8_t v;

    if (reg == 0)
        return s->cr;
    if (page == 1)
        return reg <= 6 ? s->par[reg - 1] : reg == 7 ? s->curr : s->mar[reg - 8];
    v = page == 0 ? read_page0(s, reg) : page == 2 ? read_page2(s, reg) : 0;
    if (page == 0 && reg >= 13) /* counters */
        s->cntr[reg - 13] = 0;
    return v;
}

static void write_page0(struct ne2000_chip *s, unsigned reg, uint8_t v)
{
    switch (reg) {
    case 1:
        s->pstart = v;
        break;
    case 2:
        s->pstop = v;
        break;
    case 3:
        s->bnry = v;
        net_port_ready(&s->port);
        break;
    case 4:
        s->tpsr = v;
        break;
    case 5:
        s->tbcr = (uint16_t)((s->tbcr & 0xff00) | v);
        break;
    case 6:
        s->tbcr = (uint16_t)((s->tbcr & 0xff) | v << 8);
        break;
    case 7:
        s->isr &= (uint8_t) ~(v & 0x7f);
        net_port_ready(&s->port);
        break;
    case 8:
        s->rsar = (uint16_t)((s->rsar & 0xff00) | v);
        break;
    case 9:
        s->rsar = (uint16_t)((s->rsar & 0xff) | v << 8);
        break;
    case 10:
        s->rbcr = (uint16_t)((s->rbcr & 0xff00) | v);
        break;
    case 11:
        s->rbcr = (uint16_t)((s->rbcr & 0xff) | v << 8);
        break;
    case 12:
        s->rcr = v & 0x3f;
        break;
    case 13:
        s->tcr = v & 0x1f;
        break;
    case 14:
        s->dcr = v & 0x7f;
        break;
    default:
        s->imr = v & 0x7f;
        break;
    }
    update_interrupt(s);
}

static void write_register(struct ne2000_chip *s, unsigned reg, uint8_t v)
{
    unsigned page = s->cr >> 6;

    if (reg == 0) {
        write_command(s, v);
        update_interrupt(s);
    } else if (page == 0) {
        write_page0(s, reg, v);
    } else if (page == 1 && reg <= 6) {
        s->par[reg - 1] = v;
        net_port_set_mac(&s->port, s->par);
    } else if (page == 1 && reg == 7) {
        s->curr = v;
    } else if (page == 1) {
        s->mar[reg - 8] = v;
    }
}

/* 0 to F: the chip's registers; 10: the data port; 18 to 1F: reset. */
static uint64_t io_read(void *opaque, uint64_t offset, unsigned size)
{
    struct ne2000_chip *s = opaque;
    uint64_t v = 0;

    if (offset >= 0x10 && offset < 0x18)
        return read_data(s, size);
    if (offset >= 0x18) {
        chip_reset(s);
        return 0xff;
    }
    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)read_register(s, (unsigned)(offset + i) & 15) << 8 * i;
    return v;
}

static void io_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct ne2000_chip *s = opaque;

    if (offset >= 0x10 && offset < 0x18)
        write_data(s, (uint32_t)value, size);
    for (unsigned i = 0; i < size && offset < 0x10; i++)
        write_register(s, (unsigned)(offset + i) & 15, (uint8_t)(value >> 8 * i));
}

/* ---- life ---- */

static void power_on(struct ne2000_chip *s)
{
    memset(&s->cr, 0, offsetof(struct ne2000_chip, prom) - offsetof(struct ne2000_chip, cr));
    for (unsigned i = 0; i < 6; i++)
        s->par[i] = s->prom[2 * i];
    net_port_set_mac(&s->port, s->par);
    chip_reset(s);
}

static const struct net_port_ops port_ops = {
    .receive = receive, .can_send = can_send, .rx_filter = rx_filter};

/* The PROM has every byte twice, and at its end that it is 16 bits wide. */
static void chip_init(struct ne2000_chip *s, struct machine *m, const char *id, const char *model,
                      const struct nic_config *config)
{
    static const struct region_ops ops = {io_read, io_write, 1, 4};

    for (unsigned i = 0; i < 6; i++)
        s->prom[2 * i] = s->prom[2 * i + 1] = config->mac[i];
    memset(s->prom + 28, 0x57, 4);
    region_init_device(&s->io, "ne2000", NE2000_PORTS, &ops, s);
    net_port_init(&s->port, m, id, model, config, &port_ops, s);
}

#define U8(f) STATE_U8(struct ne2000_chip, f)
static const struct state_field chip_fields[] = {
    NET_PORT_FIELDS(struct ne2000_chip, port),
    U8(cr),
    U8(pstart),
    U8(pstop),
    U8(bnry),
    U8(tpsr),
    U8(tsr),
    U8(isr),
    U8(rcr),
    U8(tcr),
    U8(dcr),
    U8(imr),
    U8(rsr),
    U8(curr),
    STATE_U16(struct ne2000_chip, tbcr),
    STATE_U16(struct ne2000_chip, rsar),
    STATE_U16(struct ne2000_chip, rbcr),
    STATE_BYTES(struct ne2000_chip, par),
    STATE_BYTES(struct ne2000_chip, mar),
    STATE_BYTES(struct ne2000_chip, cntr),
    STATE_BYTES(struct ne2000_chip, ram),
    STATE_FIELDS_END,
};

static void chip_post_load(struct ne2000_chip *s)
{
    net_port_post_load(&s->port);
    net_port_set_mac(&s->port, s->par);
    update_interrupt(s);
}

static void pci_reset(struct device *dev)
{
    struct ne2000_pci *s = (struct ne2000_pci *)dev;

    pci_device_reset(&s->pci);
    power_on(&s->chip);
}

static bool pci_post_load(struct device *dev, struct error *err)
{
    struct ne2000_pci *s = (struct ne2000_pci *)dev;

    (void)err;
    pci_device_post_load(&s->pci);
    chip_post_load(&s->chip);
    return true;
}

static const struct state_field pci_fields[] = {
    STATE_STRUCTS(struct ne2000_pci, pci, 1, struct pci_device, pci_device_fields),
    STATE_STRUCTS(struct ne2000_pci, chip, 1, struct ne2000_chip, chip_fields),
    STATE_FIELDS_END,
};

static const struct device_class pci_class = {.type = "ne2k_pci",
                                              .version = 1,
                                              .fields = pci_fields,
                                              .reset = pci_reset,
                                              .post_load = pci_post_load};

static void set_intx(void *owner, unsigned n, bool level)
{
    (void)n;
    pci_set_intx(owner, level);
}

void ne2000_pci_init(struct ne2000_pci *s, struct machine *m, const char *id, struct pci_bus *bus,
                     uint8_t devfn, const struct nic_config *config)
{
    static const struct pci_ids ids = {.vendor = 0x10ec,
                                       .device = 0x8029,
                                       .class = 0x0200,
                                       .subsystem_vendor = 0x10ec,
                                       .subsystem = 0x8029,
                                       .interrupt_pin = 1};

    memset(s, 0, sizeof(*s));
    pci_device_init(&s->pci, m, &pci_class, id, bus, devfn, &ids);
    s->chip.irq = (struct irq_line){.set = set_intx, .owner = &s->pci};
    chip_init(&s->chip, m, id, "ne2k_pci", config);
    pci_device_add_bar(&s->pci, 0, PCI_BAR_IO, &s->chip.io);
    pci_reset(&s->pci.dev);
}

static void isa_reset(struct device *dev)
{
    power_on(&((struct ne2000_isa *)dev)->chip);
}

static bool isa_post_load(struct device *dev, struct error *err)
{
    (void)err;
    chip_post_load(&((struct ne2000_isa *)dev)->chip);
    return true;
}

static const struct state_field isa_fields[] = {
    STATE_STRUCTS(struct ne2000_isa, chip, 1, struct ne2000_chip, chip_fields),
    STATE_FIELDS_END,
};

static const struct device_class isa_class = {.type = "ne2k_isa",
                                              .version = 1,
                                              .fields = isa_fields,
                                              .reset = isa_reset,
                                              .post_load = isa_post_load};

void ne2000_isa_init(struct ne2000_isa *s, struct machine *m, const char *id, uint16_t base,
                     struct irq_line irq, const struct nic_config *config)
{
    memset(s, 0, sizeof(*s));
    device_init(&s->dev, m, &isa_class, id);
    s->chip.irq = irq;
    chip_init(&s->chip, m, id, "ne2k_isa", config);
    region_add(&m->io, &s->chip.io, base, 0);
    isa_reset(&s->dev);
}
