/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/input/i8042.h"

#include "vm/machine.h" /* struct machine */
#include "vm/run.h"     /* machine_request_reset */

/* PS/2 keyboard and auxiliary device controller, an 8042 with IBM's program (IBM PS/2 Hardware
 * Interface Technical Reference, Keyboard and Auxiliary Device Controller).
 *
 * Commands are carried out at once, so IBF is never seen. A byte from a device takes TRANSFER_NS
 * after the previous one was read: DOS interrupt handlers read port 0x60 and then chain to one that
 * reads the same byte again, so it must not be replaced right away. The data port keeps its value
 * when it is empty. */

#define TRANSFER_NS 500000u

enum {
    STATUS_OBF = 0x01,
    STATUS_SYS = 0x04,
    STATUS_A2 = 0x08,
    STATUS_UNLOCKED = 0x10,
    STATUS_AUX_OBF = 0x20,
    STATUS_TIMEOUT = 0x40,
    /* command byte */
    CTR_KBD_INT = 0x01,
    CTR_AUX_INT = 0x02,
    CTR_SYS = 0x04,
    CTR_KBD_DISABLE = 0x10,
    CTR_AUX_DISABLE = 0x20,
    CTR_XLATE = 0x40,
    CTR_WRITABLE = 0x77,
    /* output port */
    OUT_NOT_RESET = 0x01,
    OUT_A20 = 0x02,
    OUT_AUX_IDLE = 0x04,
    OUT_KBD_INT = 0x10,
    OUT_AUX_INT = 0x20,
    OUT_KBD_IDLE = 0xc0,
    /* commands with a parameter */
    CMD_WRITE_OUTPORT = 0xd1,
    CMD_WRITE_KBD_BUFFER = 0xd2,
    CMD_WRITE_AUX_BUFFER = 0xd3,
    CMD_WRITE_AUX = 0xd4,
};

/* What the controller makes of set 2 codes; 0x83 and 0x84 are the only ones above 0x7f. */
static const uint8_t set1_of_set2[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};

static uint8_t translate(uint8_t v)
{
    return v < 0x80 ? set1_of_set2[v] : v == 0x83 ? 0x41 : v == 0x84 ? 0x54 : v;
}

static bool port_has_byte(const struct ps2_port *p)
{
    return p && p->count;
}

/* The next device byte may come: which port has one and is enabled. */
static struct ps2_port *sender(const struct i8042 *c)
{
    if (port_has_byte(c->kbd) && !(c->ram[0] & CTR_KBD_DISABLE))
        return c->kbd;
    if (port_has_byte(c->aux) && !(c->ram[0] & CTR_AUX_DISABLE))
        return c->aux;
    return NULL;
}

static void put(struct i8042 *c, uint8_t v, uint8_t status)
{
    c->data = v;
    c->status = (c->status & ~(STATUS_AUX_OBF | STATUS_TIMEOUT)) | STATUS_OBF | status;
}

static bool interrupts(const struct i8042 *c, bool aux)
{
    return (c->status & STATUS_OBF) && !(c->status & STATUS_AUX_OBF) == !aux &&
           (c->ram[0] & (aux ? CTR_AUX_INT : CTR_KBD_INT));
}

static void update(struct i8042 *c)
{
    if (c->reply_waiting && !(c->status & STATUS_OBF)) {
        c->reply_waiting = false;
        put(c, c->reply, c->reply_status);
    }
    irq_set(c->kbd_irq, interrupts(c, false));
    irq_set(c->aux_irq, interrupts(c, true));
    irq_set(c->a20, c->outport_a20);
    if (!(c->status & STATUS_OBF) && sender(c) && !vm_timer_armed(&c->transfer))
        vm_timer_arm(&c->transfer, vm_clock_now(&c->dev.m->clock) + TRANSFER_NS);
}

/* Takes one byte; false when translation swallowed it (0xf0 becomes bit 7 of the next one). */
static bool take_byte(struct i8042 *c, struct ps2_port *p)
{
    uint8_t v = ps2_take(p);

    if (p == c->aux) {
        put(c, v, STATUS_AUX_OBF);
        return true;
    }
    if (!(c->ram[0] & CTR_XLATE)) {
        c->break_seen = false;
        put(c, v, 0);
        return true;
    }
    if (v == 0xf0) {
        c->break_seen = true;
        return false;
    }
    put(c, translate(v) | (c->break_seen ? 0x80 : 0), 0);
    c->break_seen = false;
    return true;
}

static void transfer_done(void *opaque)
{
    struct i8042 *c = opaque;
    struct ps2_port *p;

    if (!(c->status & STATUS_OBF)) {
        while ((p = sender(c)) && !take_byte(c, p))
            ;
    }
    update(c);
}

/* The controller's own reply. It waits while a device's byte is in the buffer. */
static void reply(struct i8042 *c, uint8_t v, uint8_t status)
{
    c->reply = v;
    c->reply_status = status;
    c->reply_waiting = true;
}

static void set_outport(struct i8042 *c, uint8_t v)
{
    c->outport_a20 = v & OUT_A20;
    if (!(v & OUT_NOT_RESET))
        machine_request_reset(c->dev.m);
}

static uint8_t outport(const struct i8042 *c)
{
    return OUT_NOT_RESET | c->outport_a20 | OUT_AUX_IDLE | OUT_KBD_IDLE |
           (interrupts(c, false) ? OUT_KBD_INT : 0) | (interrupts(c, true) ? OUT_AUX_INT : 0);
}

static void set_command_byte(struct i8042 *c, uint8_t v)
{
    c->ram[0] = v & CTR_WRITABLE;
    c->status = (c->status & ~STATUS_SYS) | (v & CTR_SYS ? STATUS_SYS : 0);
}

/* Nobody at the end of the cable: the controller reports 0xfe and a timeout. */
static void send_to(struct i8042 *c, struct ps2_port *p, uint8_t v, uint8_t status)
{
    if (p)
        p->receive(p->owner, v);
    else
        reply(c, PS2_RESEND, status | STATUS_TIMEOUT);
}

static void write_parameter(struct i8042 *c, uint8_t v)
{
    uint8_t command = c->command;

    c->command = 0;
    switch (command) {
    case 0: /* for the keyboard; that enables it */
        c->ram[0] &= ~CTR_KBD_DISABLE;
        send_to(c, c->kbd, v, 0);
        break;
    case 0x60:
        set_command_byte(c, v);
        break;
    case CMD_WRITE_OUTPORT:
        set_outport(c, v);
        break;
    case CMD_WRITE_KBD_BUFFER:
        reply(c, v, 0);
        break;
    case CMD_WRITE_AUX_BUFFER:
        reply(c, v, STATUS_AUX_OBF);
        break;
    case CMD_WRITE_AUX:
        c->ram[0] &= ~CTR_AUX_DISABLE;
        send_to(c, c->aux, v, STATUS_AUX_OBF);
        break;
    default: /* 0x61-0x7f */
        c->ram[command & 31] = v;
        break;
    }
}

static void start_command(struct i8042 *c, uint8_t v)
{
    switch (v) {
    case 0x20 ... 0x3f:
        reply(c, c->ram[v & 31], 0);
        break;
    case 0x60 ... 0x7f:
    case CMD_WRITE_OUTPORT ... CMD_WRITE_AUX:
        c->command = v;
        break;
    case 0xa4: /* is a password installed: no */
        reply(c, 0xf1, 0);
        break;
    case 0xa7:
        c->ram[0] |= CTR_AUX_DISABLE;
        break;
    case 0xa8:
        c->ram[0] &= ~CTR_AUX_DISABLE;
        break;
    case 0xa9: /* tests of the two interfaces: no fault of clock or data line */
    case 0xab:
        reply(c, 0x00, 0);
        break;
    case 0xaa: /* self test */
        c->status |= STATUS_SYS;
        c->ram[0] |= CTR_SYS;
        reply(c, 0x55, 0);
        break;
    case 0xad:
        c->ram[0] |= CTR_KBD_DISABLE;
        break;
    case 0xae:
        c->ram[0] &= ~CTR_KBD_DISABLE;
        break;
    case 0xc0: /* input port: keyboard not locked, no manufacturing jumper */
        reply(c, 0xa0, 0);
        break;
    case 0xd0:
        reply(c, outport(c), 0);
        break;
    case 0xdd: /* A20 in one write, of AMI's and later controllers: off, on */
        c->outport_a20 = 0;
        break;
    case 0xdf:
        c->outport_a20 = OUT_A20;
        break;
    case 0xe0: /* test inputs: both clock lines idle */
        reply(c, 0x03, 0);
        break;
    case 0xf0 ... 0xff: /* pulse those output port bits low whose command bit is 0 */
        if (!(v & OUT_NOT_RESET))
            machine_request_reset(c->dev.m);
        break;
    default:
        log_line(&c->dev.m->log, LOG_GUEST_ERRORS, "%s: unknown command %#x", c->dev.id, v);
        break;
    }
}

/* Both interrupt lines fall before another byte can raise them: the PIC needs the edge. */
static uint64_t data_read(void *opaque, uint64_t offset, unsigned size)
{
    struct i8042 *c = opaque;
    uint8_t v = c->data;

    (void)offset, (void)size;
    c->status &= ~(STATUS_OBF | STATUS_AUX_OBF | STATUS_TIMEOUT);
    irq_set(c->kbd_irq, false);
    irq_set(c->aux_irq, false);
    update(c);
    return v;
}

static void data_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct i8042 *c = opaque;

    (void)offset, (void)size;
    c->status &= ~STATUS_A2;
    write_parameter(c, value);
    update(c);
}

static uint64_t status_read(void *opaque, uint64_t offset, unsigned size)
{
    struct i8042 *c = opaque;

    (void)offset, (void)size;
    return c->status | STATUS_UNLOCKED;
}

static void command_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct i8042 *c = opaque;

    (void)offset, (void)size;
    c->status |= STATUS_A2;
    c->command = 0;
    start_command(c, value);
    update(c);
}

static const struct region_ops data_ops = {
    .read = data_read, .write = data_write, .min_size = 1, .max_size = 1};
static const struct region_ops command_ops = {
    .read = status_read, .write = command_write, .min_size = 1, .max_size = 1};

/* A device has (or has no longer) bytes to send. */
static void port_ready(void *owner, unsigned n, bool level)
{
    struct i8042 *c = owner;

    (void)n;
    if (level)
        update(c);
}

/* The output port's pins come up high, so A20 is open. */
static void reset(struct device *d)
{
    struct i8042 *c = (struct i8042 *)d;

    c->status = 0;
    c->ram[0] = CTR_KBD_DISABLE | CTR_AUX_DISABLE | CTR_XLATE;
    c->outport_a20 = OUT_A20;
    c->command = 0;
    c->reply_waiting = false;
    c->break_seen = false;
    vm_timer_cancel(&c->transfer);
    update(c);
}

static bool post_load(struct device *d, struct error *err)
{
    struct i8042 *c = (struct i8042 *)d;

    (void)err;
    c->outport_a20 &= OUT_A20;
    c->status &= STATUS_OBF | STATUS_SYS | STATUS_A2 | STATUS_AUX_OBF | STATUS_TIMEOUT;
    return true;
}

static const struct state_field fields[] = {
    STATE_U8(struct i8042, status),
    STATE_BYTES(struct i8042, ram),
    STATE_U8(struct i8042, data),
    STATE_U8(struct i8042, outport_a20),
    STATE_U8(struct i8042, command),
    STATE_BOOL(struct i8042, reply_waiting),
    STATE_U8(struct i8042, reply),
    STATE_U8(struct i8042, reply_status),
    STATE_BOOL(struct i8042, break_seen),
    STATE_TIMER(struct i8042, transfer),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "i8042", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

static void plug(struct i8042 *c, struct ps2_port *p, unsigned n)
{
    if (p)
        p->ready = (struct irq_line){.set = port_ready, .owner = c, .n = n};
}

void i8042_init(struct i8042 *c, struct machine *m, const char *id, uint16_t data_port,
                uint16_t command_port, struct irq_line kbd_irq, struct irq_line aux_irq,
                struct irq_line a20, struct ps2_port *kbd, struct ps2_port *aux)
{
    *c = (struct i8042){.kbd_irq = kbd_irq, .aux_irq = aux_irq, .a20 = a20, .kbd = kbd, .aux = aux};
    device_init(&c->dev, m, &class, id);
    vm_timer_init(&c->transfer, &m->clock, transfer_done, c);
    plug(c, kbd, 0);
    plug(c, aux, 1);
    region_init_device(&c->data_port, "i8042-data", 1, &data_ops, c);
    region_init_device(&c->command_port, "i8042-command", 1, &command_ops, c);
    region_add(&m->io, &c->data_port, data_port, 0);
    region_add(&m->io, &c->command_port, command_port, 0);
    reset(&c->dev);
}
