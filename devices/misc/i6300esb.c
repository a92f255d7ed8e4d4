/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watchdog timer (Intel 6300ESB I/O Controller Hub datasheet, chapter "Watchdog Timer").
 *
 * Two stages count down on the 33 MHz PCI clock. The end of the first may interrupt and starts the
 * second, whose end asserts WDT_TOUT#. The guest writes to the reload register before either ends.
 * In free-running mode there is only the second stage.
 *
 * The first stage's interrupt can be an SMI. As IRQ it would be input 10 of the hub's second
 * IOAPIC, which this board does not have: the status bit is set, and that is logged. */
#include "devices/misc/i6300esb.h"

#include <string.h>

#include "base/log.h"
#include "vm/machine.h"

/* Configuration space. */
enum {
    CONFIG = 0x60,
    CONFIG_INTERRUPT = 0x03, /* 0: IRQ, 2: SMI, 3: none */
    CONFIG_1MHZ = 0x04,      /* the counter's low end: 32 clocks, not 32768 */
    CONFIG_NO_OUTPUT = 0x20,
    CONFIG_WRITABLE = 0x27,
    LOCK = 0x68,
    LOCK_LOCK = 0x01,
    LOCK_ENABLE = 0x02,
    LOCK_FREE_RUN = 0x04,
    LOCK_WRITABLE = 0x07,
};
enum { INTERRUPT_IRQ = 0, INTERRUPT_SMI = 2 };

/* Memory. */
enum { PRELOAD_1 = 0x0, PRELOAD_2 = 0x4, INTERRUPT_STATUS = 0x8, RELOAD = 0xc, REGISTERS = 0x10 };
enum { RELOAD_RELOAD = 0x100, RELOAD_TIMEOUT = 0x200 };
#define PRELOAD_MAX 0xfffffu

/* Both must be written to the reload register before another register takes a value. */
enum { UNLOCK_FIRST = 0x80, UNLOCK_SECOND = 0x86 };

#define CLOCK_NS 30u

/* ---- the counter ---- */

static void start(struct i6300esb *s, unsigned stage)
{
    unsigned shift = s->pci.config[CONFIG] & CONFIG_1MHZ ? 5 : 15;
    uint64_t clocks = ((uint64_t)s->preload[stage - 1] + 1) << shift;

    s->stage = (uint8_t)stage;
    vm_timer_arm(&s->timer, vm_clock_now(&s->pci.dev.m->clock) + clocks * CLOCK_NS);
}

static void restart(struct i6300esb *s)
{
    start(s, s->free_run ? 2 : 1);
}

static void stop(struct i6300esb *s)
{
    s->stage = 0;
    vm_timer_cancel(&s->timer);
}

static void interrupt(struct i6300esb *s)
{
    switch (s->pci.config[CONFIG] & CONFIG_INTERRUPT) {
    case INTERRUPT_IRQ:
        s->interrupt = true;
        log_line(&s->pci.dev.m->log, LOG_UNIMP,
                 "i6300esb: there is no second IOAPIC: no interrupt");
        break;
    case INTERRUPT_SMI:
        irq_set(s->smi, true);
        irq_set(s->smi, false);
        break;
    default:
        break;
    }
}

static void stage_ended(void *opaque)
{
    struct i6300esb *s = opaque;

    if (s->stage == 1) {
        interrupt(s);
        start(s, 2);
        return;
    }
    stop(s);
    s->timed_out = true;
    if (!(s->pci.config[CONFIG] & CONFIG_NO_OUTPUT) && s->expired)
        s->expired(s->opaque);
}

/* ---- registers ---- */

static uint64_t read_register(void *opaque, uint64_t offset, unsigned size)
{
    const struct i6300esb *s = opaque;

    (void)size;
    switch (offset) {
    case INTERRUPT_STATUS:
        return s->interrupt;
    case RELOAD:
        return s->timed_out ? RELOAD_TIMEOUT : 0;
    default: /* preloads are for writing only */
        return 0;
    }
}

static void write_unlocked(struct i6300esb *s, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case PRELOAD_1:
    case PRELOAD_2:
        s->preload[offset / 4] = value & PRELOAD_MAX;
        break;
    case INTERRUPT_STATUS:
        s->interrupt &= !(value & 1);
        break;
    case RELOAD:
        s->timed_out &= !(value & RELOAD_TIMEOUT);
        if ((value & RELOAD_RELOAD) && s->stage)
            restart(s);
        break;
    default:
        break;
    }
}

static void write_register(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct i6300esb *s = opaque;

    (void)size;
    if (offset == RELOAD && value == UNLOCK_FIRST) {
        s->unlock = 1;
    } else if (offset == RELOAD && value == UNLOCK_SECOND && s->unlock == 1) {
        s->unlock = 2;
    } else {
        if (s->unlock == 2)
            write_unlocked(s, offset, (uint32_t)value);
        s->unlock = 0;
    }
}

static void lock_written(struct i6300esb *s)
{
    uint8_t *lock = &s->pci.config[LOCK];
    bool was_enabled = s->enabled;

    if (s->locked) {
        *lock = (uint8_t)(LOCK_LOCK | (s->enabled ? LOCK_ENABLE : 0) |
                          (s->free_run ? LOCK_FREE_RUN : 0));
        return;
    }
    s->locked = *lock & LOCK_LOCK;
    s->enabled = *lock & LOCK_ENABLE;
    s->free_run = *lock & LOCK_FREE_RUN;
    if (s->enabled && !was_enabled)
        restart(s);
    else if (!s->enabled)
        stop(s);
}

static void config_written(struct pci_device *d, unsigned offset, unsigned size)
{
    if (offset <= LOCK && LOCK < offset + size)
        lock_written((struct i6300esb *)d);
}

/* ---- life ---- */

static void reset(struct device *dev)
{
    struct i6300esb *s = (struct i6300esb *)dev;

    pci_device_reset(&s->pci);
    s->pci.config[CONFIG] = 0;
    s->pci.config[LOCK] = 0;
    s->preload[0] = s->preload[1] = PRELOAD_MAX;
    s->unlock = 0;
    s->enabled = s->locked = s->free_run = s->interrupt = false;
    stop(s);
}

static bool post_load(struct device *dev, struct error *err)
{
    (void)err;
    pci_device_post_load((struct pci_device *)dev);
    return true;
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct i6300esb, pci, 1, struct pci_device, pci_device_fields),
    STATE_ARRAY(STATE_U32, struct i6300esb, preload, 2),
    STATE_U8_MAX(struct i6300esb, unlock, 2),
    STATE_U8_MAX(struct i6300esb, stage, 2),
    STATE_BOOL(struct i6300esb, enabled),
    STATE_BOOL(struct i6300esb, locked),
    STATE_BOOL(struct i6300esb, free_run),
    STATE_BOOL(struct i6300esb, interrupt),
    STATE_BOOL(struct i6300esb, timed_out),
    STATE_TIMER(struct i6300esb, timer),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "i6300esb", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

void i6300esb_init(struct i6300esb *s, struct machine *m, const char *id, struct pci_bus *bus,
                   uint8_t devfn, struct irq_line smi, void (*expired)(void *opaque), void *opaque)
{
    static const struct pci_ids ids = {.vendor = 0x8086,
                                       .device = 0x25ab,
                                       .class = 0x0880,
                                       .subsystem_vendor = 0x1af4,
                                       .subsystem = 0x1100};
    static const struct region_ops ops = {
        .read = read_register, .write = write_register, .min_size = 2, .max_size = 4};

    memset(s, 0, sizeof(*s));
    s->smi = smi;
    s->expired = expired;
    s->opaque = opaque;
    pci_device_init(&s->pci, m, &class, id, bus, devfn, &ids);
    s->pci.wmask[CONFIG] = CONFIG_WRITABLE;
    s->pci.wmask[LOCK] = LOCK_WRITABLE;
    s->pci.config_written = config_written;
    vm_timer_init(&s->timer, &m->clock, stage_ended, s);
    region_init_device(&s->registers, "i6300esb", REGISTERS, &ops, s);
    pci_device_add_bar(&s->pci, 0, PCI_BAR_MEM32, &s->registers);
    reset(&s->pci.dev);
}
