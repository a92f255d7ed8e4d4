/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_IRQ_H
#define CALQUE_VM_IRQ_H

#include <stdbool.h>
#include <stdint.h>

/* An interrupt line is a small value: whom to tell, and which of its inputs this is. A chip that
 * drives one cannot tell whether a PIC, an IOAPIC, several of them or a test is at the other end.
 * An empty line ({0}) goes nowhere. Called with the machine lock held. */
struct irq_line {
    void (*set)(void *owner, unsigned n, bool level);
    void *owner;
    unsigned n;
};

static inline void irq_set(struct irq_line line, bool level)
{
    if (line.set)
        line.set(line.owner, line.n, level);
}

static inline void irq_pulse(struct irq_line line)
{
    irq_set(line, true);
    irq_set(line, false);
}

/* Where message-signalled interrupts go (a write of data to address, SDM vol. 3A 11.11). */
struct msi_sink {
    void (*send)(void *owner, uint64_t address, uint32_t data);
    void *owner;
};

/* Who is told of an end of interrupt for a vector (local APIC to IOAPICs, SDM vol. 3A 11.8.5). */
struct eoi_sink {
    void (*eoi)(void *owner, uint8_t vector);
    void *owner;
};

/* Interrupt acknowledge: the CPU asks the PIC for a vector (8259A datasheet, INTA sequence). */
struct intack_source {
    uint8_t (*ack)(void *owner);
    void *owner;
};

#endif
