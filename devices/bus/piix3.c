/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 82371SB PIIX3, function 0 (datasheet order number 290550): the PCI to ISA bridge.
 *
 * Two things live here: the steering of PIRQA#-PIRQD# to ISA interrupts (PIRQRC), and the reset
 * control register at 0xcf9. The bridge's PIC, PIT and other ISA-side parts are chips of their own
 * on this machine; ELCR belongs to the PIC.
 *
 * Not here: decode enables of XBCS, ISA I/O recovery, DMA and APIC chip select (storage only). */
#include "devices/bus/piix3.h"

#include <string.h>

#include "vm/machine.h"

#define PIRQRC_DISABLE 0x80 /* not routed */

#define RCR_SRST 0x02 /* hard reset when RCPU rises, otherwise CPU only */
#define RCR_RCPU 0x04 /* 0 to 1: reset */

/* Interrupts a PIRQ can be routed to (datasheet, PIRQRC: 0-2, 8 and 13 are reserved). */
#define PIRQ_ROUTABLE 0xdef8u

static int pirq_route(const struct piix3 *s, unsigned pirq)
{
    uint8_t route = s->pci.config[PIIX3_PIRQRC + (pirq & 3)];
    unsigned irq = route & 15;

    return (route & PIRQRC_DISABLE) || !(PIRQ_ROUTABLE >> irq & 1) ? -1 : (int)irq;
}

/* Drives every ISA line from the PIRQs routed to it. */
static void update(struct piix3 *s)
{
    uint16_t level = 0;

    for (unsigned pirq = 0; pirq < 4; pirq++) {
        int irq = pirq_route(s, pirq);

        if (irq >= 0 && s->pirq_level[pirq])
            level |= (uint16_t)(1u << irq);
    }
    for (unsigned irq = 0; irq < 16; irq++)
        irq_set(s->isa[irq], level >> irq & 1);
}

static void set_pirq(void *owner, unsigned n, bool level)
{
    struct piix3 *s = owner;

    if (s->pirq_level[n & 3] == level)
        return;
    s->pirq_level[n & 3] = level;
    update(s);
}

static void config_written(struct pci_device *d, unsigned offset, unsigned size)
{
    if (offset < PIIX3_PIRQRC + 4 && PIIX3_PIRQRC < offset + size)
        update((struct piix3 *)d);
}

/* ---- 0xcf9 ---- */

static uint8_t rcr_read(void *opaque)
{
    return ((struct piix3 *)opaque)->rcr;
}

/* Both kinds of reset reset the machine: INIT alone through this register is used by nothing. */
static void rcr_write(void *opaque, uint8_t value)
{
    struct piix3 *s = opaque;
    bool rise = (value & RCR_RCPU) && !(s->rcr & RCR_RCPU);

    s->rcr = value & (RCR_SRST | RCR_RCPU);
    if (rise)
        machine_request_reset(s->pci.dev.m);
}

/* ---- life ---- */

/* Reset values of the datasheet's register summary (chapter 2.2). */
static void piix3_reset(struct device *dev)
{
    struct piix3 *s = (struct piix3 *)dev;
    uint8_t *config = s->pci.config;

    pci_device_reset(&s->pci);
    pci_set16(&s->pci, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    memset(config + 0x40, 0, 256 - 0x40);
    config[0x4c] = 0x4d; /* IORT: ISA I/O recovery timer */
    config[0x4e] = 0x03; /* XBCS */
    memset(config + PIIX3_PIRQRC, PIRQRC_DISABLE, 4);
    config[0x69] = 0x02; /* TOM: top of memory */
    config[0x70] = 0x80; /* MBIRQ0 */
    config[0x76] = 0x0c; /* MBDMA0 */
    config[0x77] = 0x0c; /* MBDMA1 */
    config[0x78] = 0x02; /* PCSC */
    config[0xa0] = 0x08; /* SMICNTL */
    config[0xa8] = 0x0f; /* FTMR */
    s->rcr = 0;
    update(s);
}

static bool piix3_post_load(struct device *dev, struct error *err)
{
    struct piix3 *s = (struct piix3 *)dev;

    (void)err;
    pci_device_post_load(&s->pci);
    update(s);
    return true;
}

static const struct state_field piix3_fields[] = {
    STATE_STRUCTS(struct piix3, pci, 1, struct pci_device, pci_device_fields),
    STATE_U8(struct piix3, rcr),
    STATE_ARRAY(STATE_BOOL, struct piix3, pirq_level, 4),
    STATE_FIELDS_END,
};

static const struct device_class piix3_class = {
    .type = "piix3",
    .version = 1,
    .fields = piix3_fields,
    .reset = piix3_reset,
    .post_load = piix3_post_load,
};

void piix3_init(struct piix3 *s, struct machine *m, const char *id, struct pci_bus *bus,
                const struct irq_line isa[16])
{
    static const struct pci_ids ids = {.vendor = 0x8086, .device = 0x7000, .class = 0x0601};

    memset(s, 0, sizeof(*s));
    memcpy(s->isa, isa, sizeof(s->isa));
    pci_device_init(&s->pci, m, &piix3_class, id, bus, PCI_DEVFN(1, 0), &ids);
    s->pci.config_written = config_written;
    s->pci.config[PCI_HEADER_TYPE] = PCI_HEADER_MULTIFUNCTION;
    s->pci.wmask[PCI_COMMAND] = 0; /* hard-wired: always decodes */
    memset(s->pci.wmask + 0x40, 0xff, 256 - 0x40);
    memset(s->pci.wmask + PIIX3_PIRQRC, PIRQRC_DISABLE | 0x0f, 4);
    for (unsigned n = 0; n < 4; n++)
        bus->pirq[n] = (struct irq_line){.set = set_pirq, .owner = s, .n = n};
    bus->reset_control =
        (struct pci_reset_control){.read = rcr_read, .write = rcr_write, .opaque = s};
    piix3_reset(&s->pci.dev);
}
