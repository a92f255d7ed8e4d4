/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/irq/i8259.h"

#include "vm/machine.h" /* struct machine */

/* The pair of 8259A interrupt controllers of a PC/AT, as integrated in the PIIX3: level or edge is
 * chosen per input by ELCR1/2 and the LTIM bit of ICW1 has no effect (PIIX3 datasheet 2.5.5).
 *
 * The IRR is not stored. An edge input requests while its latch is set, and the latch goes with the
 * line: 8259A datasheet, "Edge and Level Triggered Modes": the input must stay high until the
 * acknowledge, or a default IR7 is delivered. A level input requests while it is high.
 *
 * Not modelled: MCS-80/85 mode (ICW4 uPM=0 is logged and treated as 8086 mode), buffered mode. */

enum {
    ICW1_IC4 = 0x01,
    ICW1_SNGL = 0x02,
    ICW1_SELECT = 0x10,
    ICW4_UPM = 0x01,
    ICW4_AEOI = 0x02,
    ICW4_SFNM = 0x10,
    OCW3_SELECT = 0x08,
    OCW3_RIS = 0x01,
    OCW3_RR = 0x02,
    OCW3_P = 0x04,
    OCW3_SMM = 0x20,
    OCW3_ESMM = 0x40,
    CASCADE = 2, /* master IR of the slave */
    NONE = 8,
};

/* IRQ 0, 1, 2, 8 and 13 are always edge triggered (PIIX3 datasheet 2.5.11). */
static const uint8_t elcr_writable[2] = {0xf8, 0xde};

static uint8_t irr(const struct i8259_chip *c)
{
    return (c->latched & ~c->elcr) | (c->lines & c->elcr);
}

/* Steps from the highest priority to the first set bit; NONE if there is none. */
static unsigned rank(const struct i8259_chip *c, uint8_t bits)
{
    for (unsigned i = 0; i < 8; i++) {
        if (bits & (1u << ((c->lowest + 1 + i) & 7)))
            return i;
    }
    return NONE;
}

static unsigned ranked_ir(const struct i8259_chip *c, unsigned r)
{
    return (c->lowest + 1 + r) & 7;
}

/* The input to be served now, or NONE. */
static unsigned request(const struct i8259_chip *c, bool master)
{
    uint8_t blocking = c->isr;

    /* Special mask mode: a masked level in service holds nobody up. */
    if (c->special_mask)
        blocking &= ~c->imr;
    /* Special fully nested: the slave may interrupt its own service. */
    if (master && (c->icw4 & ICW4_SFNM))
        blocking &= ~(1u << CASCADE);
    unsigned r = rank(c, irr(c) & ~c->imr);
    unsigned limit = rank(c, blocking);
    return r < limit ? ranked_ir(c, r) : NONE;
}

static void set_input(struct i8259_chip *c, unsigned ir, bool level)
{
    uint8_t bit = 1u << ir;

    if (!level)
        c->latched &= ~bit;
    else if (!(c->lines & bit))
        c->latched |= bit;
    c->lines = level ? c->lines | bit : c->lines & ~bit;
}

static void update(struct i8259 *pic)
{
    set_input(&pic->chip[0], CASCADE, request(&pic->chip[1], false) != NONE);
    bool level = request(&pic->chip[0], true) != NONE;
    if (level != pic->intr_level) {
        pic->intr_level = level;
        irq_set(pic->intr, level);
    }
}

static void set_line(void *owner, unsigned n, bool level)
{
    struct i8259 *pic = owner;

    set_input(&pic->chip[n >> 3 & 1], n & 7, level);
    update(pic);
}

static bool is_watched(const struct i8259 *pic, const struct i8259_chip *c, unsigned ir)
{
    return c == &pic->chip[pic->watched >> 3] && ir == (pic->watched & 7);
}

/* The chip's part of an INTA sequence: in service, or done with at once when AEOI. */
static void acknowledge(struct i8259 *pic, struct i8259_chip *c, unsigned ir)
{
    c->latched &= ~(1u << ir);
    if (!(c->icw4 & ICW4_AEOI))
        c->isr |= 1u << ir;
    else if (c->rotate_in_aeoi)
        c->lowest = ir;
    if (is_watched(pic, c, ir))
        irq_watch_tell(pic->watch, IRQ_TAKEN); /* may raise it again */
}

/* Acknowledges the slave. Its INT output falls in between, so that the master sees an edge if
 * there is another request. */
static unsigned acknowledge_slave(struct i8259 *pic)
{
    unsigned ir = request(&pic->chip[1], false);

    set_input(&pic->chip[0], CASCADE, false);
    if (ir != NONE)
        acknowledge(pic, &pic->chip[1], ir);
    return ir;
}

/* A request that went away before the acknowledge gives IR7 without a bit in service. */
static uint8_t intack(void *owner)
{
    struct i8259 *pic = owner;
    struct i8259_chip *c = &pic->chip[0];
    unsigned ir = request(c, true);

    if (ir != NONE)
        acknowledge(pic, c, ir);
    if (ir == CASCADE) {
        c = &pic->chip[1];
        ir = acknowledge_slave(pic);
    }
    uint8_t vector = c->base | (ir == NONE ? 7 : ir);
    update(pic);
    return vector;
}

static uint8_t poll_read(struct i8259 *pic, unsigned n)
{
    struct i8259_chip *c = &pic->chip[n];
    unsigned ir;

    c->poll = false;
    if (n == 1) {
        ir = acknowledge_slave(pic);
    } else {
        ir = request(c, true);
        if (ir != NONE)
            acknowledge(pic, c, ir);
    }
    update(pic);
    return ir == NONE ? 0 : 0x80 | ir;
}

static uint64_t chip_read(struct i8259 *pic, unsigned n, uint64_t a0)
{
    const struct i8259_chip *c = &pic->chip[n];

    if (c->poll)
        return poll_read(pic, n);
    if (a0)
        return c->imr;
    return c->read_isr ? c->isr : irr(c);
}

/* 8259A datasheet, "ICW1": what is reset when the sequence starts. */
static void write_icw1(struct i8259_chip *c, uint8_t v)
{
    c->icw1 = v;
    c->icw_next = 2;
    c->latched = 0;
    c->imr = 0;
    c->isr = 0;
    c->lowest = 7;
    c->special_mask = false;
    c->read_isr = false;
    c->poll = false;
    c->rotate_in_aeoi = false;
    if (!(v & ICW1_IC4))
        c->icw4 = 0;
}

/* Bits in service that a non-specific EOI may end. */
static uint8_t eoi_candidates(const struct i8259_chip *c)
{
    return c->special_mask ? c->isr & ~c->imr : c->isr;
}

static void write_ocw2(struct i8259_chip *c, uint8_t v)
{
    unsigned ir = v & 7;
    bool rotate = v & 0x80;

    switch (v >> 5) {
    case 0: /* rotate in automatic EOI: clear, set */
    case 4:
        c->rotate_in_aeoi = rotate;
        break;
    case 1: /* non-specific EOI, and with rotation */
    case 5: {
        unsigned r = rank(c, eoi_candidates(c));
        if (r == NONE)
            break;
        ir = ranked_ir(c, r);
        c->isr &= ~(1u << ir);
        if (rotate)
            c->lowest = ir;
        break;
    }
    case 3: /* specific EOI, and with rotation */
    case 7:
        c->isr &= ~(1u << ir);
        if (rotate)
            c->lowest = ir;
        break;
    case 6: /* set priority */
        c->lowest = ir;
        break;
    default: /* 2: no operation */
        break;
    }
}

static void write_ocw3(struct i8259_chip *c, uint8_t v)
{
    if (v & OCW3_P)
        c->poll = true;
    else if (v & OCW3_RR)
        c->read_isr = v & OCW3_RIS;
    if (v & OCW3_ESMM)
        c->special_mask = v & OCW3_SMM;
}

/* OCW1 */
static void write_mask(struct i8259 *pic, struct i8259_chip *c, uint8_t v)
{
    uint8_t opened = c->imr & ~v;

    c->imr = v;
    if (is_watched(pic, c, pic->watched & 7) && opened >> (pic->watched & 7) & 1)
        irq_watch_tell(pic->watch, IRQ_OPENED);
}

/* A0=1: the next ICW of a sequence, or OCW1. */
static void write_data(struct i8259 *pic, struct i8259_chip *c, uint8_t v)
{
    switch (c->icw_next) {
    case 2:
        c->base = v & 0xf8;
        c->icw_next = !(c->icw1 & ICW1_SNGL) ? 3 : c->icw1 & ICW1_IC4 ? 4 : 0;
        break;
    case 3: /* the wiring of the pair is fixed */
        c->icw_next = c->icw1 & ICW1_IC4 ? 4 : 0;
        break;
    case 4:
        if (!(v & ICW4_UPM))
            log_line(&pic->dev.m->log, LOG_GUEST_ERRORS, "%s: ICW4 %#x: MCS-80 mode", pic->dev.id,
                     v);
        c->icw4 = v;
        c->icw_next = 0;
        break;
    default:
        write_mask(pic, c, v);
        break;
    }
}

static void chip_write(struct i8259 *pic, unsigned n, uint64_t a0, uint8_t v)
{
    struct i8259_chip *c = &pic->chip[n];

    if (a0)
        write_data(pic, c, v);
    else if (v & ICW1_SELECT)
        write_icw1(c, v);
    else if (v & OCW3_SELECT)
        write_ocw3(c, v);
    else
        write_ocw2(c, v);
    update(pic);
}

static uint64_t master_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)size;
    return chip_read(opaque, 0, offset);
}

static void master_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)size;
    chip_write(opaque, 0, offset, value);
}

static uint64_t slave_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)size;
    return chip_read(opaque, 1, offset);
}

static void slave_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)size;
    chip_write(opaque, 1, offset, value);
}

static uint64_t elcr_read(void *opaque, uint64_t offset, unsigned size)
{
    struct i8259 *pic = opaque;

    (void)size;
    return pic->chip[offset & 1].elcr;
}

static void elcr_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct i8259 *pic = opaque;

    (void)size;
    pic->chip[offset & 1].elcr = value & elcr_writable[offset & 1];
    update(pic);
}

static const struct region_ops port_ops[2] = {
    {.read = master_read, .write = master_write, .min_size = 1, .max_size = 1},
    {.read = slave_read, .write = slave_write, .min_size = 1, .max_size = 1},
};
static const struct region_ops elcr_ops = {
    .read = elcr_read, .write = elcr_write, .min_size = 1, .max_size = 1};

/* The levels of the inputs belong to whoever drives them and stay. */
static void reset(struct device *d)
{
    struct i8259 *pic = (struct i8259 *)d;

    for (unsigned n = 0; n < 2; n++) {
        uint8_t lines = pic->chip[n].lines;
        pic->chip[n] = (struct i8259_chip){.lines = lines, .lowest = 7};
    }
    update(pic);
}

static bool post_load(struct device *d, struct error *err)
{
    struct i8259 *pic = (struct i8259 *)d;

    (void)err;
    for (unsigned n = 0; n < 2; n++)
        pic->chip[n].elcr &= elcr_writable[n];
    pic->intr_level = request(&pic->chip[0], true) != NONE;
    irq_set(pic->intr, pic->intr_level);
    return true;
}

static const struct state_field chip_fields[] = {
    STATE_U8(struct i8259_chip, lines),
    STATE_U8(struct i8259_chip, latched),
    STATE_U8(struct i8259_chip, isr),
    STATE_U8(struct i8259_chip, imr),
    STATE_U8(struct i8259_chip, elcr),
    STATE_U8_MAX(struct i8259_chip, lowest, 7),
    STATE_U8(struct i8259_chip, base),
    STATE_U8_MAX(struct i8259_chip, icw_next, 4),
    STATE_U8(struct i8259_chip, icw1),
    STATE_U8(struct i8259_chip, icw4),
    STATE_BOOL(struct i8259_chip, read_isr),
    STATE_BOOL(struct i8259_chip, poll),
    STATE_BOOL(struct i8259_chip, special_mask),
    STATE_BOOL(struct i8259_chip, rotate_in_aeoi),
    STATE_FIELDS_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct i8259, chip, 2, struct i8259_chip, chip_fields),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "i8259", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

void i8259_init(struct i8259 *pic, struct machine *m, const char *id, uint16_t master,
                uint16_t slave, uint16_t elcr, struct irq_line intr)
{
    *pic = (struct i8259){.intr = intr};
    device_init(&pic->dev, m, &class, id);
    region_init_device(&pic->ports[0], "i8259-master", 2, &port_ops[0], pic);
    region_init_device(&pic->ports[1], "i8259-slave", 2, &port_ops[1], pic);
    region_init_device(&pic->elcr_ports, "i8259-elcr", 2, &elcr_ops, pic);
    region_add(&m->io, &pic->ports[0], master, 0);
    region_add(&m->io, &pic->ports[1], slave, 0);
    region_add(&m->io, &pic->elcr_ports, elcr, 0);
    reset(&pic->dev);
}

struct irq_line i8259_line(struct i8259 *pic, unsigned irq)
{
    if (irq == CASCADE)
        return (struct irq_line){0};
    return (struct irq_line){.set = set_line, .owner = pic, .n = irq & 15};
}

struct intack_source i8259_intack(struct i8259 *pic)
{
    return (struct intack_source){.ack = intack, .owner = pic};
}

void i8259_watch(struct i8259 *pic, unsigned irq, struct irq_watch watch)
{
    pic->watched = irq & 15;
    pic->watch = watch;
}
