/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/timer/hpet.h"

#include <string.h> /* memcpy */

#include "base/error.h" /* error_set */
#include "vm/machine.h" /* struct machine */

/* IA-PC HPET specification 1.0a; section numbers are its.
 *
 * Nothing ticks: the main counter is computed from the virtual clock, and matches are accounted for
 * when a register is accessed or the one vm_timer fires, which is armed for the first match that
 * would raise an interrupt. Matches that pass while the host is late are delivered as one; the
 * comparator of a periodic timer goes on from where it would be.
 *
 * An edge triggered output stays high until the next match or write to the configuration.
 * Not offered (capability bits are 0): delivery by messages (FSB). */

enum {
    REG_CAPABILITIES = 0x00,
    REG_CONFIG = 0x10,
    REG_STATUS = 0x20,
    REG_COUNTER = 0xf0,
    REG_TIMERS = 0x100,
    TIMER_STRIDE = 0x20,
    TIMER_CONFIG = 0x00,
    TIMER_CMP = 0x08,
};

enum {
    ENABLE_CNF = 0x01,
    LEG_RT_CNF = 0x02,
};

/* Timer N Configuration and Capabilities (2.3.8) */
enum {
    TN_INT_TYPE = 0x0002, /* level */
    TN_INT_ENB = 0x0004,
    TN_TYPE = 0x0008, /* periodic */
    TN_PER_INT_CAP = 0x0010,
    TN_SIZE_CAP = 0x0020,
    TN_VAL_SET = 0x0040,
    TN_32MODE = 0x0100,
    TN_ROUTE = 0x3e00,
    TN_ROUTE_SHIFT = 9,
    TN_WRITABLE = TN_INT_TYPE | TN_INT_ENB | TN_TYPE | TN_VAL_SET | TN_32MODE | TN_ROUTE,
};

#define FS_PER_NS 1000000u

static uint64_t mask_of(const struct hpet_timer *t)
{
    return t->config & TN_32MODE ? UINT32_MAX : UINT64_MAX;
}

static uint64_t count_now(const struct hpet *h)
{
    uint64_t now = vm_clock_now(&h->dev.m->clock);

    return h->config & ENABLE_CNF ? h->counter + (now - h->since) / HPET_TICK_NS : h->counter;
}

/* Ticks after `from` that pass before the one at which the comparator matches. A match at `from`
 * itself is over: the next is a whole round away. */
static uint64_t ticks_before_match(const struct hpet_timer *t, uint64_t from)
{
    return (t->cmp - from - 1) & mask_of(t);
}

/* ---- interrupts ---- */

static bool legacy_replacement(const struct hpet *h)
{
    return (h->config & (ENABLE_CNF | LEG_RT_CNF)) == (ENABLE_CNF | LEG_RT_CNF);
}

static bool output(const struct hpet *h, unsigned n)
{
    const struct hpet_timer *t = &h->timers[n];

    if (!(h->config & ENABLE_CNF) || !(t->config & TN_INT_ENB))
        return false;
    return t->config & TN_INT_TYPE ? h->status >> n & 1 : t->edge;
}

/* Several timers may share a route, if they are level triggered. */
static void drive_lines(struct hpet *h)
{
    bool legacy = legacy_replacement(h);
    uint32_t high = 0;

    for (unsigned n = 0; n < HPET_TIMERS; n++)
        if (output(h, n) && !(legacy && n < 2))
            high |= 1u << ((h->timers[n].config & TN_ROUTE) >> TN_ROUTE_SHIFT);
    for (unsigned i = 0; i < 32; i++)
        irq_set(h->lines[i], high >> i & 1);
    for (unsigned n = 0; n < 2; n++)
        irq_set(h->legacy[n], legacy ? output(h, n) : h->legacy_in[n]);
}

static void raise(struct hpet *h, unsigned n)
{
    struct hpet_timer *t = &h->timers[n];

    if (t->config & TN_INT_TYPE) {
        h->status |= (uint8_t)(1u << n);
    } else if (t->config & TN_INT_ENB) {
        t->edge = false;
        drive_lines(h);
        t->edge = true;
    }
    drive_lines(h);
}

/* ---- time ---- */

/* The comparator matched, `late` ticks ago (2.3.9.2). */
static void match(struct hpet *h, unsigned n, uint64_t late)
{
    struct hpet_timer *t = &h->timers[n];
    uint64_t period = t->period & mask_of(t);

    if ((t->config & TN_TYPE) && period)
        t->cmp = (t->cmp + (late / period + 1) * period) & mask_of(t);
    raise(h, n);
}

/* Lets happen what happened since last time. */
static void account(struct hpet *h)
{
    uint64_t count = count_now(h);
    uint64_t passed = count - h->seen;

    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        uint64_t before = ticks_before_match(&h->timers[n], h->seen);

        if (passed > before)
            match(h, n, passed - before - 1);
    }
    h->seen = count;
}

/* Virtual time of the tick that is `ticks` after `seen`. */
static uint64_t time_of_tick(const struct hpet *h, uint64_t ticks)
{
    unsigned __int128 total = (unsigned __int128)(h->seen - h->counter) + ticks;
    unsigned __int128 ns = total * HPET_TICK_NS + h->since;

    return ns < VM_TIME_NEVER ? (uint64_t)ns : VM_TIME_NEVER;
}

/* A level that is asserted already needs no event. */
static void arm(struct hpet *h)
{
    uint64_t at = VM_TIME_NEVER;

    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        const struct hpet_timer *t = &h->timers[n];
        bool asserted = (t->config & TN_INT_TYPE) && (h->status >> n & 1);

        if (!(h->config & ENABLE_CNF) || !(t->config & TN_INT_ENB) || asserted)
            continue;
        uint64_t before = ticks_before_match(t, h->seen);
        uint64_t due = time_of_tick(h, before < UINT64_MAX ? before + 1 : before);
        at = due < at ? due : at;
    }
    if (at == VM_TIME_NEVER)
        vm_timer_cancel(&h->next_match);
    else
        vm_timer_arm(&h->next_match, at);
}

static void match_due(void *opaque)
{
    struct hpet *h = opaque;

    account(h);
    arm(h);
}

static void set_counter(struct hpet *h, uint64_t value)
{
    h->counter = h->seen = value;
    h->since = vm_clock_now(&h->dev.m->clock);
}

/* ---- registers, each of 64 bits ---- */

static uint32_t route_cap(const struct hpet *h)
{
    uint32_t cap = 0;

    for (unsigned i = 0; i < 32; i++)
        cap |= h->lines[i].set ? 1u << i : 0;
    return cap;
}

static uint64_t read_timer(const struct hpet *h, const struct hpet_timer *t, unsigned reg)
{
    if (reg == TIMER_CONFIG) /* Tn_VAL_SET_CNF reads as 0 */
        return (uint64_t)route_cap(h) << 32 | TN_PER_INT_CAP | TN_SIZE_CAP |
               (t->config & ~(uint32_t)TN_VAL_SET);
    return reg == TIMER_CMP ? t->cmp : 0;
}

static uint64_t read_register(const struct hpet *h, unsigned reg)
{
    unsigned n = (reg - REG_TIMERS) / TIMER_STRIDE;

    switch (reg) {
    case REG_CAPABILITIES:
        return (uint64_t)(HPET_TICK_NS * FS_PER_NS) << 32 | HPET_ID;
    case REG_CONFIG:
        return h->config;
    case REG_STATUS:
        return h->status;
    case REG_COUNTER:
        return count_now(h);
    default:
        if (reg >= REG_TIMERS && n < HPET_TIMERS)
            return read_timer(h, &h->timers[n], reg % TIMER_STRIDE);
        return 0;
    }
}

static void write_config(struct hpet *h, uint64_t value)
{
    uint64_t count = count_now(h);

    h->config = value & (ENABLE_CNF | LEG_RT_CNF);
    set_counter(h, count);
    if (h->config & ENABLE_CNF)
        return;
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        h->timers[n].edge = false;
}

/* A route that is not offered is not taken: "the value read back will not match" (2.3.8). */
static void write_timer_config(struct hpet *h, unsigned n, uint32_t value)
{
    struct hpet_timer *t = &h->timers[n];
    uint32_t route = (value & TN_ROUTE) >> TN_ROUTE_SHIFT;

    if (!(route_cap(h) >> route & 1))
        value = (value & ~(uint32_t)TN_ROUTE) | (t->config & TN_ROUTE);
    t->config = value & TN_WRITABLE;
    if (!(t->config & TN_TYPE))
        t->config &= ~(uint32_t)TN_VAL_SET;
    t->edge = false;
    if (!(t->config & TN_INT_TYPE))
        h->status &= (uint8_t) ~(1u << n);
    t->cmp &= mask_of(t);
}

/* The value written last is what a match adds. The comparator itself (the accumulator) takes a
 * value in one-shot mode, or right after Tn_VAL_SET_CNF was written, which clears that (2.3.8). */
static void write_cmp(struct hpet *h, unsigned n, uint64_t value, uint64_t lanes)
{
    struct hpet_timer *t = &h->timers[n];

    t->period = (t->period & ~lanes) | (value & lanes);
    if ((t->config & TN_TYPE) && !(t->config & TN_VAL_SET))
        return;
    t->cmp = ((t->cmp & ~lanes) | (value & lanes)) & mask_of(t);
    t->config &= ~(uint32_t)TN_VAL_SET;
    if ((h->config & ENABLE_CNF) && !((t->cmp ^ h->seen) & mask_of(t)))
        match(h, n, 0);
}

static void write_timer(struct hpet *h, unsigned n, unsigned reg, uint64_t value, uint64_t lanes)
{
    uint64_t old = h->timers[n].config;

    if (reg == TIMER_CONFIG)
        write_timer_config(h, n, (uint32_t)((old & ~lanes) | (value & lanes)));
    else if (reg == TIMER_CMP)
        write_cmp(h, n, value, lanes);
}

/* lanes: the bits that the access carries. */
static void write_register(struct hpet *h, unsigned reg, uint64_t value, uint64_t lanes)
{
    unsigned n = (reg - REG_TIMERS) / TIMER_STRIDE;

    switch (reg) {
    case REG_CONFIG:
        write_config(h, (h->config & ~lanes) | (value & lanes));
        break;
    case REG_STATUS:
        h->status &= (uint8_t) ~(value & lanes);
        break;
    case REG_COUNTER:
        if (h->config & ENABLE_CNF)
            log_line(&h->dev.m->log, LOG_GUEST_ERRORS, "hpet: the running counter is written");
        set_counter(h, (count_now(h) & ~lanes) | (value & lanes));
        break;
    default:
        if (reg >= REG_TIMERS && n < HPET_TIMERS)
            write_timer(h, n, reg % TIMER_STRIDE, value, lanes);
        break;
    }
}

/* Software "must not" make accesses that are not aligned (2.3): they find nothing. */
static bool aligned(const struct hpet *h, uint64_t offset, unsigned size)
{
    if (offset % size == 0)
        return true;
    log_line(&h->dev.m->log, LOG_GUEST_ERRORS, "hpet: access to %#x is not aligned",
             (unsigned)offset);
    return false;
}

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    struct hpet *h = opaque;

    if (!aligned(h, offset, size))
        return 0;
    if (offset < REG_COUNTER || offset >= REG_TIMERS) { /* the counter is read often */
        account(h);
        arm(h);
    }
    return read_register(h, (unsigned)offset & ~7u) >> 8 * (offset & 7);
}

static void mmio_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct hpet *h = opaque;
    unsigned shift = 8 * (offset & 7);

    if (!aligned(h, offset, size))
        return;
    account(h);
    write_register(h, (unsigned)offset & ~7u, value << shift,
                   (size == 8 ? UINT64_MAX : UINT32_MAX) << shift);
    drive_lines(h);
    arm(h);
}

static const struct region_ops mmio_ops = {
    .read = mmio_read, .write = mmio_write, .min_size = 4, .max_size = 8};

static void set_legacy_in(void *owner, unsigned n, bool level)
{
    struct hpet *h = owner;

    h->legacy_in[n & 1] = level;
    if (!legacy_replacement(h))
        irq_set(h->legacy[n & 1], level);
}

struct irq_line hpet_legacy_in(struct hpet *h, unsigned n)
{
    return (struct irq_line){.set = set_legacy_in, .owner = h, .n = n & 1};
}

/* ---- life ---- */

/* legacy_in belongs to those who drive it. */
static void reset(struct device *dev)
{
    struct hpet *h = (struct hpet *)dev;

    h->config = h->status = 0;
    set_counter(h, 0);
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        h->timers[n] = (struct hpet_timer){.cmp = UINT64_MAX};
    drive_lines(h);
    arm(h);
}

static bool post_load(struct device *dev, struct error *err)
{
    struct hpet *h = (struct hpet *)dev;

    if (h->since > vm_clock_now(&h->dev.m->clock))
        return error_set(err, "%s: started in the future", dev->id);
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        if (h->timers[n].config & ~(uint32_t)TN_WRITABLE)
            return error_set(err, "%s: timer %u: reserved bits", dev->id, n);
    }
    drive_lines(h);
    return true;
}

static const struct state_field timer_fields[] = {
    STATE_U32(struct hpet_timer, config),
    STATE_U64(struct hpet_timer, cmp),
    STATE_U64(struct hpet_timer, period),
    STATE_BOOL(struct hpet_timer, edge),
    STATE_FIELDS_END,
};

static const struct state_field fields[] = {
    STATE_U8_MAX(struct hpet, config, ENABLE_CNF | LEG_RT_CNF),
    STATE_U8_MAX(struct hpet, status, (1u << HPET_TIMERS) - 1),
    STATE_U64(struct hpet, counter),
    STATE_U64(struct hpet, since),
    STATE_U64(struct hpet, seen),
    STATE_STRUCTS(struct hpet, timers, HPET_TIMERS, struct hpet_timer, timer_fields),
    STATE_ARRAY(STATE_BOOL, struct hpet, legacy_in, 2),
    STATE_TIMER(struct hpet, next_match),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "hpet", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

void hpet_init(struct hpet *h, struct machine *m, const char *id, uint64_t base,
               const struct irq_line lines[32], const struct irq_line legacy[2])
{
    *h = (struct hpet){.config = 0};
    memcpy(h->lines, lines, sizeof(h->lines));
    memcpy(h->legacy, legacy, sizeof(h->legacy));
    device_init(&h->dev, m, &class, id);
    vm_timer_init(&h->next_match, &m->clock, match_due, h);
    region_init_device(&h->region, "hpet", HPET_SIZE, &mmio_ops, h);
    region_add(&m->mem, &h->region, base, 0);
    reset(&h->dev);
}
