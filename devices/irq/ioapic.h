/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_IRQ_IOAPIC_H
#define CALQUE_DEVICES_IRQ_IOAPIC_H

#include "vm/device.h"
#include "vm/irq.h"
#include "vm/memory.h"

#define IOAPIC_BASE    0xfec00000u
#define IOAPIC_INPUTS  24
#define IOAPIC_VERSION 0x20u

struct ioapic {
    struct device dev;
    uint8_t ioregsel;
    uint8_t ioapicid;                 /* bits 27:24 of IOAPICID */
    uint32_t lines;                   /* asserted inputs */
    uint64_t ioredtbl[IOAPIC_INPUTS]; /* redirection table entries */
    struct msi_sink bus;
    struct irq_watch watch; /* of input watched */
    unsigned watched;
    struct region mmio;
};

void ioapic_init(struct ioapic *a, struct machine *m, const char *id, uint64_t base,
                 struct msi_sink bus);
/* Input 0-23. A line carries "asserted"; the polarity bit of an entry is stored only. */
struct irq_line ioapic_line(struct ioapic *a, unsigned input);
/* End of interrupt, broadcast by a local APIC. */
void ioapic_eoi(struct ioapic *a, uint8_t vector);
struct eoi_sink ioapic_eoi_sink(struct ioapic *a);
/* Tells what becomes of the edges of one input. */
void ioapic_watch(struct ioapic *a, unsigned input, struct irq_watch watch);

#endif
