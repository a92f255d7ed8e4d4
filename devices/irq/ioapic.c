/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/irq/ioapic.h"

#include "vm/machine.h" /* struct machine */

/* 82093AA I/O APIC with the EOI register of version 0x20 (ICH, "I/O APIC EOIR"). Interrupts leave
 * as messages: the redirection entry's fields put where SDM vol. 3A 11.11 wants them, as chipsets
 * have done since the APIC bus went away.
 *
 * An edge on a masked input is lost, a level waits (82093AA datasheet 3.2.4, Interrupt Mask).
 * Delivery Status always reads idle, since messages are delivered at once. */

enum {
    IOREGSEL = 0x00,
    IOWIN = 0x10,
    IOEOI = 0x40,
    /* indirect registers */
    IOAPICID = 0x00,
    IOAPICVER = 0x01,
    IOAPICARB = 0x02,
    IOREDTBL = 0x10,
};

#define VERSION            (IOAPIC_VERSION | (IOAPIC_INPUTS - 1) << 16)
#define RTE_DELIVERY(e)    ((unsigned)((e) >> 8) & 7)
#define RTE_LOGICAL(e)     ((unsigned)((e) >> 11) & 1)
#define RTE_REMOTE_IRR     (1ull << 14)
#define RTE_LEVEL          (1ull << 15)
#define RTE_MASKED         (1ull << 16)
#define RTE_DESTINATION(e) ((uint32_t)((e) >> 56))
#define RTE_WRITABLE       0xff0000000001afffull
#define DELIVERY_LOWEST    1

#define MSI_BASE   0xfee00000u
#define MSI_ASSERT (1u << 14)
#define MSI_LEVEL  (1u << 15)

static void send(struct ioapic *a, uint64_t e)
{
    uint64_t address = MSI_BASE | RTE_DESTINATION(e) << 12 | RTE_LOGICAL(e) << 2;
    uint32_t data = (e & 0xff) | RTE_DELIVERY(e) << 8;

    if (e & RTE_LEVEL)
        data |= MSI_LEVEL | MSI_ASSERT;
    if (a->bus.send)
        a->bus.send(a->bus.owner, address, data);
}

/* Sends a level input that is asserted, open and not in service. Only fixed and lowest priority
 * interrupts are ended by an EOI and so have a Remote IRR. */
static void update_level(struct ioapic *a, unsigned n)
{
    uint64_t e = a->ioredtbl[n];

    if (!(e & RTE_LEVEL) || (e & (RTE_MASKED | RTE_REMOTE_IRR)) || !(a->lines >> n & 1))
        return;
    if (RTE_DELIVERY(e) <= DELIVERY_LOWEST)
        a->ioredtbl[n] |= RTE_REMOTE_IRR;
    send(a, e);
}

static void set_line(void *owner, unsigned n, bool level)
{
    struct ioapic *a = owner;
    uint32_t bit = 1u << n;
    bool rose = level && !(a->lines & bit);

    a->lines = level ? a->lines | bit : a->lines & ~bit;
    if (!rose)
        return;
    if (a->ioredtbl[n] & RTE_LEVEL)
        update_level(a, n);
    else if (!(a->ioredtbl[n] & RTE_MASKED))
        send(a, a->ioredtbl[n]);
}

void ioapic_eoi(struct ioapic *a, uint8_t vector)
{
    for (unsigned n = 0; n < IOAPIC_INPUTS; n++) {
        uint64_t e = a->ioredtbl[n];
        if ((e & 0xff) != vector || !(e & RTE_REMOTE_IRR))
            continue;
        a->ioredtbl[n] &= ~RTE_REMOTE_IRR;
        update_level(a, n);
    }
}

static uint32_t register_read(struct ioapic *a)
{
    unsigned n = ((unsigned)a->ioregsel - IOREDTBL) / 2;

    switch (a->ioregsel) {
    case IOAPICID:
    case IOAPICARB: /* loaded with the ID whenever that is written */
        return (uint32_t)a->ioapicid << 24;
    case IOAPICVER:
        return VERSION;
    default:
        if (a->ioregsel >= IOREDTBL && n < IOAPIC_INPUTS)
            return a->ioredtbl[n] >> (a->ioregsel & 1 ? 32 : 0);
        log_line(&a->dev.m->log, LOG_GUEST_ERRORS, "%s: read of register %#x", a->dev.id,
                 a->ioregsel);
        return 0;
    }
}

/* Remote IRR is read only, but an edge entry has none: operating systems switch an entry to edge
 * and back to get rid of a stuck one. */
static void write_entry(struct ioapic *a, unsigned n, bool high, uint32_t value)
{
    uint64_t mask = (high ? 0xffffffff00000000ull : 0xffffffffull) & RTE_WRITABLE;
    uint64_t v = high ? (uint64_t)value << 32 : value;
    bool was_masked = a->ioredtbl[n] & RTE_MASKED;

    a->ioredtbl[n] = (a->ioredtbl[n] & ~mask) | (v & mask);
    if (!(a->ioredtbl[n] & RTE_LEVEL))
        a->ioredtbl[n] &= ~RTE_REMOTE_IRR;
    if (n == a->watched && was_masked && !(a->ioredtbl[n] & RTE_MASKED))
        irq_watch_tell(a->watch, IRQ_OPENED);
    update_level(a, n);
}

static void register_write(struct ioapic *a, uint32_t value)
{
    unsigned n = ((unsigned)a->ioregsel - IOREDTBL) / 2;

    if (a->ioregsel == IOAPICID)
        a->ioapicid = value >> 24 & 0x0f;
    else if (a->ioregsel >= IOREDTBL && n < IOAPIC_INPUTS)
        write_entry(a, n, a->ioregsel & 1, value);
    else
        log_line(&a->dev.m->log, LOG_GUEST_ERRORS, "%s: write of %#x to register %#x", a->dev.id,
                 value, a->ioregsel);
}

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    struct ioapic *a = opaque;

    (void)size;
    switch (offset) {
    case IOREGSEL:
        return a->ioregsel;
    case IOWIN:
        return register_read(a);
    default:
        return 0;
    }
}

static void mmio_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct ioapic *a = opaque;

    (void)size;
    switch (offset) {
    case IOREGSEL:
        a->ioregsel = value;
        break;
    case IOWIN:
        register_write(a, value);
        break;
    case IOEOI:
        ioapic_eoi(a, value);
        break;
    default:
        log_line(&a->dev.m->log, LOG_GUEST_ERRORS, "%s: write to offset %#x", a->dev.id,
                 (unsigned)offset);
        break;
    }
}

static const struct region_ops mmio_ops = {
    .read = mmio_read, .write = mmio_write, .min_size = 4, .max_size = 4};

static void reset(struct device *d)
{
    struct ioapic *a = (struct ioapic *)d;

    a->ioregsel = 0;
    a->ioapicid = 0;
    for (unsigned n = 0; n < IOAPIC_INPUTS; n++)
        a->ioredtbl[n] = RTE_MASKED;
}

static bool post_load(struct device *d, struct error *err)
{
    struct ioapic *a = (struct ioapic *)d;

    (void)err;
    a->lines &= (1u << IOAPIC_INPUTS) - 1;
    for (unsigned n = 0; n < IOAPIC_INPUTS; n++)
        a->ioredtbl[n] &= RTE_WRITABLE | RTE_REMOTE_IRR;
    return true;
}

static const struct state_field fields[] = {
    STATE_U8(struct ioapic, ioregsel),
    STATE_U8_MAX(struct ioapic, ioapicid, 15),
    STATE_U32(struct ioapic, lines),
    STATE_ARRAY(STATE_U64, struct ioapic, ioredtbl, IOAPIC_INPUTS),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "ioapic", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

void ioapic_init(struct ioapic *a, struct machine *m, const char *id, uint64_t base,
                 struct msi_sink bus)
{
    *a = (struct ioapic){.bus = bus};
    device_init(&a->dev, m, &class, id);
    region_init_device(&a->mmio, "ioapic", VM_PAGE_SIZE, &mmio_ops, a);
    region_add(&m->mem, &a->mmio, base, 0);
    reset(&a->dev);
}

struct irq_line ioapic_line(struct ioapic *a, unsigned input)
{
    if (input >= IOAPIC_INPUTS)
        return (struct irq_line){0};
    return (struct irq_line){.set = set_line, .owner = a, .n = input};
}

static void eoi(void *owner, uint8_t vector)
{
    ioapic_eoi(owner, vector);
}

static void taken(void *owner, uint8_t vector)
{
    struct ioapic *a = owner;
    uint64_t e = a->ioredtbl[a->watched];

    if ((e & 0xff) == vector && !(e & RTE_MASKED))
        irq_watch_tell(a->watch, IRQ_TAKEN);
}

struct eoi_sink ioapic_eoi_sink(struct ioapic *a)
{
    return (struct eoi_sink){.eoi = eoi, .taken = taken, .owner = a};
}

void ioapic_watch(struct ioapic *a, unsigned input, struct irq_watch watch)
{
    a->watched = input % IOAPIC_INPUTS;
    a->watch = watch;
}
