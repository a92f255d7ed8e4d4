/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/char/parallel.h"

#include "vm/machine.h" /* struct machine */
#include "vm/record.h"

/* IBM PC/AT Technical Reference, Parallel Printer Adapter; IEEE 1284-1994, compatibility mode.
 *
 * The printer takes a character at the leading edge of nStrobe, is busy for as long as a fast one
 * would be and acknowledges it with nACK, whose trailing edge interrupts. The interrupt line then
 * stays high until the next character or until interrupts are disabled.
 *
 * Not offered: the bidirectional (PS/2) port, EPP, ECP. Software finds that out: the direction bit
 * of the control register cannot be set, and there are no more than three ports. */

enum {
    DATA,
    STATUS,
    CONTROL,
};

enum {
    STATUS_UNUSED = 0x07,
    STATUS_NERROR = 0x08,
    STATUS_SELECT = 0x10,
    STATUS_PAPER_END = 0x20,
    STATUS_NACK = 0x40,
    STATUS_NBUSY = 0x80,
    CONTROL_STROBE = 0x01,
    CONTROL_NINIT = 0x04,
    CONTROL_IRQ = 0x10,
    CONTROL_WRITABLE = 0x1f,
    CONTROL_UNUSED = 0xe0,
};

#define CHARACTER_NS 10000u

static void update_irq(struct parallel *p)
{
    irq_set(p->irq, (p->control & CONTROL_IRQ) && p->acknowledged);
}

static void acknowledge(void *opaque)
{
    struct parallel *p = opaque;

    p->busy = false;
    p->acknowledged = true;
    update_irq(p);
}

/* Inputs without a printer float high, and BUSY is inverted. */
static uint8_t status(const struct parallel *p)
{
    uint8_t v = STATUS_UNUSED | STATUS_NERROR | STATUS_SELECT | STATUS_NACK;

    if (!p->chr)
        return v | STATUS_PAPER_END;
    return p->busy ? v : v | STATUS_NBUSY;
}

/* A strobe at a busy printer, or at one that is held in reset, is not seen. */
static void strobe(struct parallel *p)
{
    if (!p->chr || p->busy || !(p->control & CONTROL_NINIT)) {
        log_line(&p->dev.m->log, LOG_GUEST_ERRORS, "%s: the printer is not ready: %#x is lost",
                 p->dev.id, p->data);
        return;
    }
    if (!record_is_silent(p->dev.m))
        chardev_write(p->chr, &p->data, 1);
    p->busy = true;
    p->acknowledged = false;
    vm_timer_arm(&p->ack, vm_clock_now(&p->dev.m->clock) + CHARACTER_NS);
}

static void write_control(struct parallel *p, uint8_t value)
{
    bool leading = (value & CONTROL_STROBE) && !(p->control & CONTROL_STROBE);

    p->control = value & CONTROL_WRITABLE;
    if (!(p->control & CONTROL_NINIT)) {
        p->busy = false;
        vm_timer_cancel(&p->ack);
    }
    if (!(p->control & CONTROL_IRQ))
        p->acknowledged = false;
    if (leading)
        strobe(p);
    update_irq(p);
}

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    struct parallel *p = opaque;

    (void)size;
    switch (offset) {
    case DATA:
        return p->data;
    case STATUS:
        return status(p);
    default:
        return p->control | CONTROL_UNUSED;
    }
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct parallel *p = opaque;

    (void)size;
    if (offset == DATA)
        p->data = (uint8_t)value;
    else if (offset == CONTROL)
        write_control(p, (uint8_t)value);
}

static const struct region_ops port_ops = {
    .read = port_read, .write = port_write, .min_size = 1, .max_size = 1};

/* The adapter's reset clears the control register, which resets the printer (nInit is low). */
static void reset(struct device *dev)
{
    struct parallel *p = (struct parallel *)dev;

    p->data = 0;
    write_control(p, 0);
}

static const struct state_field fields[] = {
    STATE_U8(struct parallel, data),   STATE_U8_MAX(struct parallel, control, CONTROL_WRITABLE),
    STATE_BOOL(struct parallel, busy), STATE_BOOL(struct parallel, acknowledged),
    STATE_TIMER(struct parallel, ack), STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "parallel", .version = 1, .fields = fields, .reset = reset};

void parallel_init(struct parallel *p, struct machine *m, const char *id, uint16_t port,
                   struct irq_line irq, struct chardev *chr)
{
    *p = (struct parallel){.irq = irq, .chr = chr};
    device_init(&p->dev, m, &class, id);
    vm_timer_init(&p->ack, &m->clock, acknowledge, p);
    region_init_device(&p->ports, "parallel", 3, &port_ops, p);
    region_add(&m->io, &p->ports, port, 0);
    reset(&p->dev);
}
