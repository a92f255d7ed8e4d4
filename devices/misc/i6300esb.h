/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_MISC_I6300ESB_H
#define CALQUE_DEVICES_MISC_I6300ESB_H

#include "devices/bus/pci.h"
#include "vm/clock.h"

/* The watchdog timer of Intel's 6300ESB I/O controller hub, as a PCI function. */
struct i6300esb {
    struct pci_device pci;
    uint32_t preload[2]; /* of both stages, 20 bits */
    uint8_t unlock;      /* how much of the sequence before a write has been seen */
    uint8_t stage;       /* that the timer is in: 1 or 2; 0: it stands */
    bool enabled, locked, free_run;
    bool interrupt; /* status of the first stage's */
    bool timed_out; /* stays through a reset */
    struct vm_timer timer;
    /* Wiring. */
    struct region registers;
    struct irq_line smi;
    void (*expired)(void *opaque); /* WDT_TOUT# is asserted */
    void *opaque;
};

/* smi: SMI#, may lead nowhere. expired: lock held; may be NULL. */
void i6300esb_init(struct i6300esb *s, struct machine *m, const char *id, struct pci_bus *bus,
                   uint8_t devfn, struct irq_line smi, void (*expired)(void *opaque), void *opaque);

#endif
