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

/* Who is told of an end of interrupt for a vector (local APIC to IOAPICs, SDM vol. 3A 11.8.5), and
 * that a processor took one, which no real IOAPIC learns: for struct irq_watch. */
struct eoi_sink {
    void (*eoi)(void *owner, uint8_t vector);
    void (*taken)(void *owner, uint8_t vector); /* may be NULL */
    void *owner;
};

/* What becomes of an edge, for a timer that makes up for lost ones (vm/ticks.h): the interrupt
 * controller says that the processor took it, or that its input was opened (unmasked). */
enum irq_event { IRQ_TAKEN, IRQ_OPENED };
struct irq_watch {
    void (*fn)(void *owner, enum irq_event event);
    void *owner;
};

static inline void irq_watch_tell(struct irq_watch w, enum irq_event event)
{
    if (w.fn)
        w.fn(w.owner, event);
}

/* Interrupt acknowledge: the CPU asks the PIC for a vector (8259A datasheet, INTA sequence). */
struct intack_source {
    uint8_t (*ack)(void *owner);
    void *owner;
};

#endif
