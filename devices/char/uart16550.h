/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_CHAR_UART16550_H
#define CALQUE_DEVICES_CHAR_UART16550_H

#include "host/char/chardev.h"
#include "vm/clock.h"
#include "vm/device.h"
#include "vm/input.h"
#include "vm/irq.h"
#include "vm/memory.h"

#define UART16550_FIFO    16
#define UART16550_WAITING 256 /* bytes received while the FIFO is full */

struct uart16550 {
    struct device dev;
    uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
    uint8_t dll, dlm;
    uint8_t rx[UART16550_FIFO]; /* rx[0] is read next */
    uint8_t rx_count;
    bool thre_pending;                  /* THRE interrupt: cleared by reading IIR or writing THR */
    bool timeout_pending;               /* character timeout */
    uint8_t waiting[UART16550_WAITING]; /* ring: sent by the host, not yet on the wire */
    uint16_t waiting_head, waiting_count;
    struct vm_timer timeout;
    struct irq_line irq;
    struct chardev *chr;
    struct input_source input;
    struct region ports;
};

/* id also names the input source. chr may be NULL: nothing is connected. */
void uart16550_init(struct uart16550 *u, struct machine *m, const char *id, uint16_t port,
                    struct irq_line irq, struct chardev *chr);

#endif
