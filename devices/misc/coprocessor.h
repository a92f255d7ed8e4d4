/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_MISC_COPROCESSOR_H
#define CALQUE_DEVICES_MISC_COPROCESSOR_H

#include "vm/device.h"
#include "vm/irq.h"
#include "vm/memory.h"

/* The coprocessor error logic of the PC/AT (PIIX3 datasheet, coprocessor error register): FERR# of
 * the processor becomes IRQ 13; a write to port F0h takes the interrupt back and lets the processor
 * go on, by IGNNE#, for as long as the error lasts (SDM vol. 1 appendix D). The enable bit of
 * PIIX3's XBCS register is not modelled: the logic is always on. */
struct coprocessor {
    struct device dev;
    bool ferr, irq, ignne; /* levels, as if active high */
    struct irq_line irq_out, ignne_out;
    struct region port;
};

void coprocessor_init(struct coprocessor *d, struct machine *m, const char *id, uint16_t port,
                      struct irq_line irq, struct irq_line ignne);
/* Where the processor's FERR# goes. */
struct irq_line coprocessor_ferr(struct coprocessor *d);

#endif
