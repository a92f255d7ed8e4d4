/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_INPUT_I8042_H
#define CALQUE_DEVICES_INPUT_I8042_H

#include "devices/input/ps2.h"
#include "vm/clock.h"
#include "vm/device.h"
#include "vm/irq.h"
#include "vm/memory.h"

struct i8042 {
    struct device dev;
    uint8_t status;      /* OBF, SYS, A2, AUX_OBF, TIMEOUT; the others are derived */
    uint8_t ram[32];     /* ram[0]: the command byte */
    uint8_t data;        /* output buffer */
    uint8_t outport_a20; /* bit 1 of the output port */
    uint8_t command;     /* command that waits for its parameter, 0 for none */
    bool reply_waiting;  /* the controller's own reply, until the output buffer is free */
    uint8_t reply, reply_status;
    bool break_seen;          /* translation: 0xf0 was received */
    struct vm_timer transfer; /* a byte from a device is on the cable */
    struct ps2_port *kbd, *aux;
    struct irq_line kbd_irq, aux_irq, a20;
    struct region data_port, command_port;
};

/* data_port 0x60, command_port 0x64; kbd_irq IRQ1, aux_irq IRQ12. kbd and aux may be NULL: nothing
 * is plugged in. a20: high to let address bit 20 pass. A pulse of the reset line becomes a reset
 * request of the machine. */
void i8042_init(struct i8042 *c, struct machine *m, const char *id, uint16_t data_port,
                uint16_t command_port, struct irq_line kbd_irq, struct irq_line aux_irq,
                struct irq_line a20, struct ps2_port *kbd, struct ps2_port *aux);

#endif
