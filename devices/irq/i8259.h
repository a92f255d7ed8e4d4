/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_IRQ_I8259_H
#define CALQUE_DEVICES_IRQ_I8259_H

#include "vm/device.h"
#include "vm/irq.h"
#include "vm/memory.h"

/* One 8259A. */
struct i8259_chip {
    uint8_t lines;   /* levels of IR0-7 */
    uint8_t latched; /* edge sense latches; the IRR is derived from these, lines and elcr */
    uint8_t isr, imr;
    uint8_t elcr;     /* 1: level triggered */
    uint8_t lowest;   /* IR with the lowest priority: 7 unless rotated */
    uint8_t base;     /* ICW2: vector of IR0 */
    uint8_t icw_next; /* ICW expected next at A0=1: 2, 3, 4; 0 when initialized */
    uint8_t icw1, icw4;
    bool read_isr;       /* OCW3 RIS */
    bool poll;           /* OCW3 P: the next read is an acknowledge */
    bool special_mask;   /* OCW3 SMM */
    bool rotate_in_aeoi; /* OCW2 */
};

/* The PC/AT's pair: chip[0] the master, chip[1] the slave on IR2. */
struct i8259 {
    struct device dev;
    struct i8259_chip chip[2];
    bool intr_level; /* derived: what was last put on intr */
    struct irq_line intr;
    struct irq_watch watch; /* of input watched */
    unsigned watched;
    struct region ports[2], elcr_ports;
};

/* master, slave: port of A0=0 (0x20, 0xa0); elcr: first of the two trigger registers (0x4d0). */
void i8259_init(struct i8259 *pic, struct machine *m, const char *id, uint16_t master,
                uint16_t slave, uint16_t elcr, struct irq_line intr);
/* Input 0-15. Number 2 is the cascade and goes nowhere. A request must stay up until it is
 * acknowledged, as the datasheet says: a pulse is lost. */
struct irq_line i8259_line(struct i8259 *pic, unsigned irq);
struct intack_source i8259_intack(struct i8259 *pic);
/* Tells what becomes of the edges of one input. */
void i8259_watch(struct i8259 *pic, unsigned irq, struct irq_watch watch);

#endif
