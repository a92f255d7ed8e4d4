/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/char/uart16550.h"

#include <string.h> /* memmove */

#include "vm/machine.h" /* struct machine */
#include "vm/record.h"

/* NS16550A (PC16550D datasheet).
 *
 * A transmitted character leaves at once, so THRE and TEMT are always set; the THRE interrupt goes
 * away and comes back with each write. Received characters arrive as fast as the guest takes them:
 * the back end is allowed a FIFO's worth when all is read, and what it sent beyond the FIFO's room
 * waits as if still on the wire. Only the character timeout follows the baud rate.
 *
 * Not modelled: breaks, parity and framing errors (the back end has none); DMA mode. */

enum {
    RBR_THR,
    IER,
    IIR_FCR,
    LCR,
    MCR,
    LSR,
    MSR,
    SCR,
};

enum {
    IER_ERBFI = 0x01,
    IER_ETBEI = 0x02,
    IER_ELSI = 0x04,
    IER_EDSSI = 0x08,
    IIR_NONE = 0x01,
    IIR_MODEM = 0x00,
    IIR_THRE = 0x02,
    IIR_DATA = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0,
    FCR_ENABLE = 0x01,
    FCR_RX_RESET = 0x02,
    FCR_STORED = 0xc9, /* trigger, DMA mode, enable: the resets clear themselves */
    LCR_WLS = 0x03,
    LCR_STB = 0x04,
    LCR_PEN = 0x08,
    LCR_DLAB = 0x80,
    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_WRITABLE = 0x1f,
    LSR_DR = 0x01,
    LSR_OE = 0x02,
    LSR_ERRORS = 0x1e,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    MSR_DELTAS = 0x0f,
    MSR_TERI = 0x04,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
};

#define CLOCK_HZ 1843200u

static bool fifo_on(const struct uart16550 *u)
{
    return u->fcr & FCR_ENABLE;
}

static unsigned rx_capacity(const struct uart16550 *u)
{
    return fifo_on(u) ? UART16550_FIFO : 1;
}

static unsigned trigger(const struct uart16550 *u)
{
    static const uint8_t level[4] = {1, 4, 8, 14};

    return fifo_on(u) ? level[u->fcr >> 6] : 1;
}

/* Four character times. */
static uint64_t timeout_ns(const struct uart16550 *u)
{
    unsigned divisor = u->dll | u->dlm << 8;
    unsigned bits = 1 + 5 + (u->lcr & LCR_WLS) + !!(u->lcr & LCR_PEN) + 1 + !!(u->lcr & LCR_STB);

    return 4ull * bits * 16 * (divisor ? divisor : 65536) * NS_PER_SEC / CLOCK_HZ;
}

/* The pending interrupt of the highest priority (datasheet, table III). */
static uint8_t iir(const struct uart16550 *u)
{
    if ((u->ier & IER_ELSI) && (u->lsr & LSR_ERRORS))
        return IIR_LINE;
    if ((u->ier & IER_ERBFI) && u->rx_count >= trigger(u))
        return IIR_DATA;
    if ((u->ier & IER_ERBFI) && u->timeout_pending)
        return IIR_TIMEOUT;
    if ((u->ier & IER_ETBEI) && u->thre_pending)
        return IIR_THRE;
    if ((u->ier & IER_EDSSI) && (u->msr & MSR_DELTAS))
        return IIR_MODEM;
    return IIR_NONE;
}

/* On a PC, OUT2 opens the buffer between INTR and the bus; in loopback the pin is inactive. */
static void update(struct uart16550 *u)
{
    bool gate = (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

    irq_set(u->irq, gate && iir(u) != IIR_NONE);
}

/* The timeout counts from the last character that came or went. */
static void restart_timeout(struct uart16550 *u)
{
    u->timeout_pending = false;
    if (fifo_on(u) && u->rx_count && u->rx_count < trigger(u))
        vm_timer_arm(&u->timeout, vm_clock_now(&u->dev.m->clock) + timeout_ns(u));
    else if (vm_timer_armed(&u->timeout))
        vm_timer_cancel(&u->timeout);
}

static void timed_out(void *opaque)
{
    struct uart16550 *u = opaque;

    u->timeout_pending = fifo_on(u) && u->rx_count;
    update(u);
}

/* Overrun: a FIFO keeps what it has, without FIFO the newer character wins. */
static void receive(struct uart16550 *u, uint8_t byte)
{
    if (u->rx_count < rx_capacity(u)) {
        u->rx[u->rx_count++] = byte;
    } else {
        u->lsr |= LSR_OE;
        if (!fifo_on(u))
            u->rx[0] = byte;
    }
    u->lsr |= LSR_DR;
}

static void fill_from_waiting(struct uart16550 *u)
{
    if (u->mcr & MCR_LOOP) /* SIN is disconnected: keep what the host sent for later */
        return;
    while (u->waiting_count && u->rx_count < rx_capacity(u)) {
        receive(u, u->waiting[u->waiting_head % UART16550_WAITING]);
        u->waiting_head = (u->waiting_head + 1) % UART16550_WAITING;
        u->waiting_count--;
    }
}

static void allow(struct uart16550 *u)
{
    if (u->chr && !u->rx_count && !u->waiting_count)
        chardev_allow(u->chr, rx_capacity(u));
}

/* Input events. More than there is room for is lost, as on a wire. */
static void deliver(void *opaque, const uint8_t *data, size_t len)
{
    struct uart16550 *u = opaque;

    for (size_t i = 0; i < len; i++) {
        if (u->waiting_count == UART16550_WAITING) {
            u->lsr |= LSR_OE;
            break;
        }
        unsigned at = (u->waiting_head + u->waiting_count) % UART16550_WAITING;
        u->waiting[at] = data[i];
        u->waiting_count++;
    }
    fill_from_waiting(u);
    restart_timeout(u);
    update(u);
}

static uint8_t read_rbr(struct uart16550 *u)
{
    uint8_t v = u->rx[0];

    if (u->rx_count) {
        u->rx_count--;
        memmove(u->rx, u->rx + 1, u->rx_count);
        fill_from_waiting(u);
        if (!u->rx_count) {
            u->lsr &= ~LSR_DR;
            allow(u);
        }
    }
    restart_timeout(u);
    update(u);
    return v;
}

static void write_thr(struct uart16550 *u, uint8_t v)
{
    u->thre_pending = false;
    update(u);
    if (u->mcr & MCR_LOOP) {
        receive(u, v);
        restart_timeout(u);
    } else {
        if (!record_is_silent(u->dev.m))
            chardev_write(u->chr, &v, 1);
    }
    u->thre_pending = true;
    update(u);
}

/* Enabling the THRE interrupt while THR is empty raises it at once. */
static void write_ier(struct uart16550 *u, uint8_t v)
{
    if ((v & IER_ETBEI) && !(u->ier & IER_ETBEI))
        u->thre_pending = true;
    u->ier = v & 0x0f;
    update(u);
}

static uint8_t read_iir(struct uart16550 *u)
{
    uint8_t v = iir(u);

    if (v == IIR_THRE) {
        u->thre_pending = false;
        update(u);
    }
    return v | (fifo_on(u) ? IIR_FIFOS : 0);
}

static void clear_rx(struct uart16550 *u)
{
    u->rx_count = 0;
    u->lsr &= ~(LSR_DR | LSR_OE);
}

/* The other bits take effect only together with the enable bit; changing that clears the FIFOs. */
static void write_fcr(struct uart16550 *u, uint8_t v)
{
    bool changed = (v ^ u->fcr) & FCR_ENABLE;

    u->fcr = v & FCR_ENABLE ? v & FCR_STORED : 0;
    if (changed || (v & (FCR_ENABLE | FCR_RX_RESET)) == (FCR_ENABLE | FCR_RX_RESET)) {
        clear_rx(u);
        fill_from_waiting(u);
        allow(u);
    }
    restart_timeout(u);
    update(u);
}

/* Levels of the modem inputs: a connected peer, or our own outputs in loopback. */
static uint8_t modem_inputs(const struct uart16550 *u)
{
    if (!(u->mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    return (u->mcr & MCR_DTR ? MSR_DSR : 0) | (u->mcr & MCR_RTS ? MSR_CTS : 0) |
           (u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

/* Delta bits sit four below their levels; for RI only the trailing edge counts. */
static void update_msr(struct uart16550 *u)
{
    uint8_t levels = modem_inputs(u);
    uint8_t deltas = (levels ^ u->msr) >> 4;

    if (levels & MSR_RI)
        deltas &= ~MSR_TERI;
    u->msr = levels | (u->msr & MSR_DELTAS) | deltas;
}

static void write_mcr(struct uart16550 *u, uint8_t v)
{
    bool loop_ended = (u->mcr & MCR_LOOP) && !(v & MCR_LOOP);

    u->mcr = v & MCR_WRITABLE;
    update_msr(u);
    if (loop_ended) {
        fill_from_waiting(u);
        restart_timeout(u);
    }
    update(u);
}

static uint8_t read_lsr(struct uart16550 *u)
{
    uint8_t v = u->lsr | LSR_THRE | LSR_TEMT;

    if (u->lsr & LSR_ERRORS) {
        u->lsr &= ~LSR_ERRORS;
        update(u);
    }
    return v;
}

static uint8_t read_msr(struct uart16550 *u)
{
    uint8_t v = u->msr;

    if (v & MSR_DELTAS) {
        u->msr &= ~MSR_DELTAS;
        update(u);
    }
    return v;
}

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    struct uart16550 *u = opaque;
    bool dlab = u->lcr & LCR_DLAB;

    (void)size;
    switch (offset) {
    case RBR_THR:
        return dlab ? u->dll : read_rbr(u);
    case IER:
        return dlab ? u->dlm : u->ier;
    case IIR_FCR:
        return read_iir(u);
    case LCR:
        return u->lcr;
    case MCR:
        return u->mcr;
    case LSR:
        return read_lsr(u);
    case MSR:
        return read_msr(u);
    default:
        return u->scr;
    }
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct uart16550 *u = opaque;
    uint8_t v = value;

    (void)size;
    switch (offset) {
    case RBR_THR:
        if (u->lcr & LCR_DLAB)
            u->dll = v;
        else
            write_thr(u, v);
        break;
    case IER:
        if (u->lcr & LCR_DLAB)
            u->dlm = v;
        else
            write_ier(u, v);
        break;
    case IIR_FCR:
        write_fcr(u, v);
        break;
    case LCR:
        u->lcr = v;
        break;
    case MCR:
        write_mcr(u, v);
        break;
    case SCR:
        u->scr = v;
        break;
    default: /* LSR and MSR are for factory tests only */
        log_line(&u->dev.m->log, LOG_GUEST_ERRORS, "%s: write of %#x to %s", u->dev.id, v,
                 offset == LSR ? "LSR" : "MSR");
        break;
    }
}

static const struct region_ops port_ops = {
    .read = port_read, .write = port_write, .min_size = 1, .max_size = 1};

/* Datasheet table I. SCR, the divisor and the receiver buffer keep their values. */
static void reset(struct device *d)
{
    struct uart16550 *u = (struct uart16550 *)d;

    u->ier = 0;
    u->fcr = 0;
    u->lcr = 0;
    u->mcr = 0;
    u->lsr = 0;
    u->rx_count = 0;
    u->thre_pending = false;
    u->msr = modem_inputs(u);
    fill_from_waiting(u);
    restart_timeout(u);
    allow(u);
    update(u);
}

static bool post_load(struct device *d, struct error *err)
{
    struct uart16550 *u = (struct uart16550 *)d;

    (void)err;
    allow(u);
    return true;
}

static const struct state_field fields[] = {
    STATE_U8(struct uart16550, ier),
    STATE_U8(struct uart16550, fcr),
    STATE_U8(struct uart16550, lcr),
    STATE_U8(struct uart16550, mcr),
    STATE_U8(struct uart16550, lsr),
    STATE_U8(struct uart16550, msr),
    STATE_U8(struct uart16550, scr),
    STATE_U8(struct uart16550, dll),
    STATE_U8(struct uart16550, dlm),
    STATE_BYTES(struct uart16550, rx),
    STATE_U8_MAX(struct uart16550, rx_count, UART16550_FIFO),
    STATE_BOOL(struct uart16550, thre_pending),
    STATE_BOOL(struct uart16550, timeout_pending),
    STATE_BYTES(struct uart16550, waiting),
    STATE_U16_MAX(struct uart16550, waiting_head, UART16550_WAITING - 1),
    STATE_U16_MAX(struct uart16550, waiting_count, UART16550_WAITING),
    STATE_TIMER(struct uart16550, timeout),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "uart16550", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

void uart16550_init(struct uart16550 *u, struct machine *m, const char *id, uint16_t port,
                    struct irq_line irq, struct chardev *chr)
{
    *u = (struct uart16550){.irq = irq, .chr = chr, .dll = 12}; /* 9600 baud */
    device_init(&u->dev, m, &class, id);
    vm_timer_init(&u->timeout, &m->clock, timed_out, u);
    region_init_device(&u->ports, "uart16550", 8, &port_ops, u);
    region_add(&m->io, &u->ports, port, 0);
    input_register(m, &u->input, id, deliver, u);
    if (chr)
        chardev_connect(chr, m, &u->input);
    reset(&u->dev);
}
