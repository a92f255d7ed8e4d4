/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/timer/i8254.h"

#include "base/error.h" /* error_set */
#include "vm/machine.h" /* struct machine */

/* 82C54 programmable interval timer and the PC/AT's system control port B.
 *
 * Nothing ticks: a channel stores when its counting element was loaded and with what, and count and
 * OUT are computed from the number of CLK pulses since. One timer is armed, for the next rising
 * edge of OUT0. The falling edge before it is delivered together with the rising one, which halves
 * the events of a periodic interrupt; no interrupt controller input can tell.
 *
 * Edges that pass while the host is late are delivered as one; the others, and those that came
 * while one was still waiting, follow later if the guest counts them (vm/ticks.h). Not modelled:
 * the undefined counts between a control word and the first count. */

enum {
    CONTROL = 3,
    READ_BACK = 3,
    RB_NOT_COUNT = 0x20,
    RB_NOT_STATUS = 0x10,
    STATUS_OUT = 0x80,
    STATUS_NULL = 0x40,
    RW_LSB = 1,
    RW_MSB = 2,
    RW_BOTH = 3,
    PORTB_GATE2 = 0x01,
    PORTB_WRITABLE = 0x0f,
    PORTB_REFRESH = 0x10,
    PORTB_OUT2 = 0x20,
    REFRESH_NS = 15085,
    MODE_SQUARE = 3,
};

static int64_t ticks_now(const struct i8254 *pit)
{
    return muldiv64(vm_clock_now(&pit->dev.m->clock), I8254_HZ, NS_PER_SEC);
}

/* The first nanosecond at which `tick` pulses have passed. */
static uint64_t tick_to_ns(int64_t tick)
{
    if (tick <= 0)
        return 0;
    return muldiv64(tick, NS_PER_SEC, I8254_HZ) + 1;
}

static bool periodic(const struct i8254_channel *ch)
{
    return ch->mode == 2 || ch->mode == MODE_SQUARE;
}

/* CLK pulses since the counting element was loaded. Negative before its load pulse. */
static int64_t elapsed(const struct i8254_channel *ch, int64_t now)
{
    return ch->counting ? now - ch->start : ch->start;
}

/* Mode 3: pulses of the high half; odd counts spend the extra pulse there. */
static int64_t high_half(uint32_t count)
{
    return (count + 1) / 2;
}

/* A period ended: the next begins, with the new count if there is one (82C54 datasheet, modes 2
 * and 3: "the new count will be loaded at the end of the current counting cycle", for mode 3 half
 * cycle). */
static void sync(struct i8254_channel *ch, int64_t now)
{
    if (!periodic(ch) || !ch->counting)
        return;
    if (ch->reload_valid && now >= ch->reload_at) {
        bool half = ch->mode == MODE_SQUARE && ch->reload_at == ch->start + high_half(ch->count);

        ch->start = ch->reload_at - (half ? high_half(ch->reload) : 0);
        ch->count = ch->reload;
        ch->reload_valid = false;
    }
    int64_t e = now - ch->start;
    if (e >= ch->count)
        ch->start += e / ch->count * ch->count;
}

/* A new count was written in the middle of a period, whose start is known: sync(). */
static void reload_later(struct i8254_channel *ch, int64_t now)
{
    int64_t half = ch->start + high_half(ch->count);

    ch->reload_valid = true;
    ch->reload_at = ch->mode == MODE_SQUARE && now < half ? half : ch->start + ch->count;
}

static bool out_level(const struct i8254_channel *ch, int64_t now)
{
    int64_t e = elapsed(ch, now);

    if (!ch->loaded)
        return ch->mode != 0;
    switch (ch->mode) {
    case 0:
        return e >= ch->count;
    case 1:
        return !ch->counting || e < 0 || e >= ch->count;
    case 2:
        return !ch->counting || e != (int64_t)ch->count - 1;
    case MODE_SQUARE:
        return !ch->counting || e < high_half(ch->count);
    default: /* 4, 5 */
        return e != ch->count;
    }
}

static uint16_t to_bcd(uint32_t v)
{
    return v % 10 | (v / 10 % 10) << 4 | (v / 100 % 10) << 8 | (v / 1000 % 10) << 12;
}

static uint32_t from_bcd(uint16_t v)
{
    return (v & 15) + (v >> 4 & 15) * 10 + (v >> 8 & 15) * 100 + (v >> 12) * 1000;
}

/* The counting element as it would be read. */
static uint16_t current_count(const struct i8254_channel *ch, int64_t now)
{
    int64_t modulus = ch->bcd ? 10000 : 65536;
    int64_t e = elapsed(ch, now), v;

    if (e < 0 || !ch->loaded)
        e = 0;
    if (ch->mode == 2) {
        v = ch->count - e % ch->count;
    } else if (ch->mode == MODE_SQUARE) { /* counts by two, from an even number */
        int64_t half = high_half(ch->count);
        e %= ch->count;
        v = (ch->count & ~1) - 2 * (e < half ? e : e - half);
    } else {
        v = (ch->count - e % modulus + modulus) % modulus;
    }
    v %= modulus;
    return ch->bcd ? to_bcd(v) : v;
}

static uint8_t status(const struct i8254_channel *ch, int64_t now)
{
    bool null = !ch->loaded || ch->reload_valid || elapsed(ch, now) < 0;

    return (out_level(ch, now) ? STATUS_OUT : 0) | (null ? STATUS_NULL : 0) | ch->rw << 4 |
           ch->mode << 1 | ch->bcd;
}

/* Pulses after which OUT rises, counted from the load. */
static int64_t rise_after(const struct i8254_channel *ch)
{
    return ch->mode >= 4 ? (int64_t)ch->count + 1 : ch->count;
}

static void arm(struct i8254 *pit, int64_t now)
{
    struct i8254_channel *ch = &pit->ch[0];
    int64_t rise = ch->start + rise_after(ch);

    sync(ch, now);
    if (periodic(ch)) {
        rise = ch->start + rise_after(ch);
        /* A new mode 3 count may take over half way. */
        if (ch->reload_valid && ch->mode == MODE_SQUARE &&
            ch->reload_at == ch->start + high_half(ch->count))
            rise = ch->start + high_half(ch->count) + ch->reload / 2;
    }
    if (ch->loaded && ch->counting && rise > now)
        vm_timer_arm(&pit->irq_timer, tick_to_ns(rise));
    else
        vm_timer_cancel(&pit->irq_timer);
}

static void give_edge(struct i8254 *pit)
{
    irq_set(pit->irq0, false);
    irq_set(pit->irq0, true);
}

static uint64_t period_ns(const struct i8254_channel *ch)
{
    return muldiv64(ch->count, NS_PER_SEC, I8254_HZ);
}

static void irq_edge(void *opaque)
{
    struct i8254 *pit = opaque;
    const struct i8254_channel *ch = &pit->ch[0];
    int64_t now = ticks_now(pit);

    if (periodic(ch) && !ch->reload_valid && now - ch->start >= ch->count)
        ticks_elapsed(&pit->lost, (uint64_t)(now - ch->start) / ch->count, period_ns(ch),
                      vm_clock_now(&pit->dev.m->clock));
    vm_timer_cancel(&pit->owed_timer); /* it shall not follow at once */
    give_edge(pit);
    arm(pit, now);
}

/* ---- edges that are owed ---- */

static void owed_edge(void *opaque)
{
    struct i8254 *pit = opaque;

    if (ticks_repay(&pit->lost, vm_clock_now(&pit->dev.m->clock)))
        give_edge(pit);
}

static void forget_owed(struct i8254 *pit)
{
    ticks_forget(&pit->lost);
    vm_timer_cancel(&pit->owed_timer);
}

/* Given at once if it is time: the thread that runs timers may be late, too. */
static void edge_taken(struct i8254 *pit)
{
    uint64_t now = vm_clock_now(&pit->dev.m->clock);
    uint64_t at = ticks_taken(&pit->lost, period_ns(&pit->ch[0]), now);

    vm_timer_cancel(&pit->owed_timer);
    if (at == VM_TIME_NEVER || !periodic(&pit->ch[0]))
        return;
    if (at <= now)
        owed_edge(pit);
    else
        vm_timer_arm(&pit->owed_timer, at);
}

static void edge_event(void *owner, enum irq_event event)
{
    if (event == IRQ_OPENED)
        forget_owed(owner);
    else
        edge_taken(owner);
}

struct irq_watch i8254_watch(struct i8254 *pit)
{
    return (struct irq_watch){.fn = edge_event, .owner = pit};
}

/* ---- the speaker ---- */

/* The first pulse after `now` at which OUT may change; sync() was called. */
static int64_t next_change(const struct i8254_channel *ch, int64_t now)
{
    int64_t count = ch->count;
    int64_t first = ch->mode == MODE_SQUARE ? high_half(ch->count)
                    : ch->mode == 2         ? count - 1
                                            : count;

    if (!ch->loaded || !ch->counting)
        return INT64_MAX;
    if (ch->start > now)
        return ch->start;
    if (ch->start + first > now)
        return ch->start + first;
    if (periodic(ch))
        return ch->start + count > now ? ch->start + count : now + 1;
    return ch->mode >= 4 && ch->start + count + 1 > now ? ch->start + count + 1 : INT64_MAX;
}

int64_t i8254_speaker_pulses(const struct i8254 *pit, int64_t from, int64_t to)
{
    struct i8254_channel ch = pit->ch[2];
    int64_t pulses = 0;

    while (pit->port61 & I8254_SPEAKER && from < to) {
        sync(&ch, from);
        int64_t next = next_change(&ch, from);
        next = next < to ? next : to;
        if (out_level(&ch, from))
            pulses += next - from;
        from = next;
    }
    return pulses;
}

static void speaker_changes(struct i8254 *pit)
{
    if (pit->speaker.changes)
        pit->speaker.changes(pit->speaker.owner);
}

/* ---- registers ---- */

/* After a register write: OUT0 may have been forced. */
static void update(struct i8254 *pit, int64_t now)
{
    irq_set(pit->irq0, out_level(&pit->ch[0], now));
    arm(pit, now);
}

/* Loads the counting element at the next CLK pulse. */
static void load(struct i8254_channel *ch, int64_t now)
{
    ch->count = ch->reload;
    ch->reload_valid = false;
    ch->counting = true;
    ch->start = now + 1;
}

static void set_gate(struct i8254_channel *ch, bool gate, int64_t now)
{
    bool rose = gate && !ch->gate;
    bool fell = !gate && ch->gate;

    sync(ch, now);
    ch->gate = gate;
    if (!ch->loaded)
        return;
    switch (ch->mode) {
    case 0: /* GATE holds the count */
    case 4:
        if (fell && ch->counting) {
            ch->start = now - ch->start;
            ch->counting = false;
        } else if (rose && !ch->counting) {
            ch->start = now - ch->start;
            ch->counting = true;
        }
        break;
    case 2: /* low: OUT high, no counting; rising: from the start */
    case 3:
        if (fell) {
            ch->start = now - ch->start;
            ch->counting = false;
        }
        if (rose)
            load(ch, now);
        break;
    default: /* 1 and 5: trigger */
        if (rose)
            load(ch, now);
        break;
    }
}

/* A complete count was written. */
static void write_count(struct i8254_channel *ch, uint16_t v, int64_t now)
{
    bool first = !ch->loaded;

    ch->reload = ch->bcd ? from_bcd(v) : v;
    if (ch->reload == 0)
        ch->reload = ch->bcd ? 10000 : 65536;
    ch->loaded = true;
    switch (ch->mode) {
    case 0:
    case 4:
        load(ch, now);
        if (!ch->gate) {
            ch->counting = false;
            ch->start = 0;
        }
        break;
    case 2:
    case 3:
        /* A count of 1 is illegal; 2 is what a period can be at least. */
        if (ch->reload == 1)
            ch->reload = 2;
        if (ch->counting) {
            reload_later(ch, now);
        } else if (ch->gate) {
            load(ch, now);
        } else {
            ch->count = ch->reload;
            ch->start = 0;
        }
        break;
    default: /* 1 and 5 wait for the trigger */
        ch->reload_valid = true;
        if (first) {
            ch->count = ch->reload;
            ch->start = INT32_MAX; /* expired long ago */
        }
        break;
    }
}

static void write_counter(struct i8254_channel *ch, uint8_t v, int64_t now)
{
    sync(ch, now);
    if (ch->rw == RW_LSB) {
        write_count(ch, v, now);
    } else if (ch->rw == RW_MSB) {
        write_count(ch, v << 8, now);
    } else if (ch->msb_next_write) {
        ch->msb_next_write = false;
        write_count(ch, ch->write_lsb | v << 8, now);
    } else {
        ch->msb_next_write = true;
        ch->write_lsb = v;
        /* Mode 0: the first byte stops the count and OUT goes low. */
        if (ch->mode == 0) {
            ch->counting = false;
            ch->loaded = false;
        }
    }
}

static void latch_count(struct i8254_channel *ch, int64_t now)
{
    if (ch->latched)
        return;
    sync(ch, now);
    ch->latched_count = current_count(ch, now);
    ch->latched = ch->rw;
}

static void latch_status(struct i8254_channel *ch, int64_t now)
{
    if (ch->status_latched)
        return;
    sync(ch, now);
    ch->status = status(ch, now);
    ch->status_latched = true;
}

static void read_back(struct i8254 *pit, uint8_t v, int64_t now)
{
    for (unsigned n = 0; n < 3; n++) {
        if (!(v & (2u << n)))
            continue;
        if (!(v & RB_NOT_COUNT))
            latch_count(&pit->ch[n], now);
        if (!(v & RB_NOT_STATUS))
            latch_status(&pit->ch[n], now);
    }
}

static void set_mode(struct i8254_channel *ch, uint8_t v)
{
    unsigned mode = v >> 1 & 7;

    ch->mode = mode > 5 ? mode - 4 : mode; /* bit 2 is a don't care for modes 2 and 3 */
    ch->rw = v >> 4 & 3;
    ch->bcd = v & 1;
    ch->loaded = false;
    ch->counting = false;
    ch->reload_valid = false;
    ch->start = 0;
    ch->latched = 0;
    ch->status_latched = false;
    ch->msb_next_read = false;
    ch->msb_next_write = false;
}

static void write_control(struct i8254 *pit, uint8_t v, int64_t now)
{
    if (v >> 6 == READ_BACK)
        read_back(pit, v, now);
    else if ((v >> 4 & 3) == 0)
        latch_count(&pit->ch[v >> 6], now);
    else
        set_mode(&pit->ch[v >> 6], v);
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct i8254 *pit = opaque;
    int64_t now = ticks_now(pit);

    (void)size;
    if (offset == 2 || (offset == CONTROL && value >> 6 == 2))
        speaker_changes(pit);
    if (offset == CONTROL) {
        write_control(pit, value, now);
        if (value >> 6 != 0 || (value >> 4 & 3) == 0)
            return;
    } else {
        write_counter(&pit->ch[offset], value, now);
        if (offset != 0)
            return;
    }
    forget_owed(pit); /* another rate, or none */
    update(pit, now);
}

static uint8_t read_latch(struct i8254_channel *ch)
{
    if (ch->latched & RW_LSB) {
        ch->latched &= ~RW_LSB;
        return ch->latched_count;
    }
    ch->latched = 0;
    return ch->latched_count >> 8;
}

static uint8_t read_counter(struct i8254_channel *ch, int64_t now)
{
    if (ch->status_latched) {
        ch->status_latched = false;
        return ch->status;
    }
    if (ch->latched)
        return read_latch(ch);
    sync(ch, now);
    uint16_t v = current_count(ch, now);
    if (ch->rw == RW_BOTH) {
        ch->msb_next_read = !ch->msb_next_read;
        return ch->msb_next_read ? v : v >> 8;
    }
    return ch->rw == RW_MSB ? v >> 8 : v;
}

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    struct i8254 *pit = opaque;

    (void)size;
    if (offset == CONTROL)
        return 0xff; /* "no operation": the bus floats */
    return read_counter(&pit->ch[offset], ticks_now(pit));
}

bool i8254_out(struct i8254 *pit, unsigned channel)
{
    struct i8254_channel *ch = &pit->ch[channel % 3];
    int64_t now = ticks_now(pit);

    sync(ch, now);
    return out_level(ch, now);
}

/* Bit 4 toggles with each memory refresh request; delay loops of DOS programs count it. */
static uint64_t port_b_read(void *opaque, uint64_t offset, unsigned size)
{
    struct i8254 *pit = opaque;
    uint64_t now = vm_clock_now(&pit->dev.m->clock);

    (void)offset, (void)size;
    return pit->port61 | (now / REFRESH_NS % 2 ? PORTB_REFRESH : 0) |
           (i8254_out(pit, 2) ? PORTB_OUT2 : 0);
}

static void port_b_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct i8254 *pit = opaque;

    (void)offset, (void)size;
    speaker_changes(pit);
    pit->port61 = value & PORTB_WRITABLE;
    set_gate(&pit->ch[2], value & PORTB_GATE2, ticks_now(pit));
}

static const struct region_ops port_ops = {
    .read = port_read, .write = port_write, .min_size = 1, .max_size = 1};
static const struct region_ops port_b_ops = {
    .read = port_b_read, .write = port_b_write, .min_size = 1, .max_size = 1};

/* The chip has no reset pin; this is as if a control word for mode 0 had been written. */
static void reset(struct device *d)
{
    struct i8254 *pit = (struct i8254 *)d;

    speaker_changes(pit);
    for (unsigned n = 0; n < 3; n++)
        pit->ch[n] =
            (struct i8254_channel){.rw = RW_BOTH, .gate = n != 2, .count = 65536, .reload = 65536};
    pit->port61 = 0;
    forget_owed(pit);
    update(pit, ticks_now(pit));
}

static bool channel_valid(const struct i8254_channel *ch)
{
    return ch->count && ch->reload && ch->start > -(1ll << 62) && ch->start < 1ll << 62 &&
           ch->reload_at > -(1ll << 62) && ch->reload_at < 1ll << 62;
}

static bool post_load(struct device *d, struct error *err)
{
    struct i8254 *pit = (struct i8254 *)d;

    for (unsigned n = 0; n < 3; n++) {
        if (!channel_valid(&pit->ch[n]))
            return error_set(err, "%s: channel %u: count or start out of range", d->id, n);
    }
    return true;
}

/* `start` and `reload_at` are saved as the 64 bits they are. */
static const struct state_field channel_fields[] = {
    STATE_U8_MAX(struct i8254_channel, mode, 5),
    STATE_U8_MAX(struct i8254_channel, rw, 3),
    STATE_BOOL(struct i8254_channel, bcd),
    STATE_BOOL(struct i8254_channel, gate),
    STATE_BOOL(struct i8254_channel, loaded),
    STATE_BOOL(struct i8254_channel, counting),
    STATE_BOOL(struct i8254_channel, reload_valid),
    STATE_U32_MAX(struct i8254_channel, count, 65536),
    STATE_U32_MAX(struct i8254_channel, reload, 65536),
    STATE_U64(struct i8254_channel, start),
    STATE_U64(struct i8254_channel, reload_at),
    STATE_BOOL(struct i8254_channel, msb_next_read),
    STATE_BOOL(struct i8254_channel, msb_next_write),
    STATE_U8(struct i8254_channel, write_lsb),
    STATE_U8_MAX(struct i8254_channel, latched, 3),
    STATE_U16(struct i8254_channel, latched_count),
    STATE_BOOL(struct i8254_channel, status_latched),
    STATE_U8(struct i8254_channel, status),
    STATE_FIELDS_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct i8254, ch, 3, struct i8254_channel, channel_fields),
    STATE_U8_MAX(struct i8254, port61, PORTB_WRITABLE),
    STATE_TIMER(struct i8254, irq_timer),
    STATE_TIMER(struct i8254, owed_timer),
    STATE_STRUCTS(struct i8254, lost, 1, struct lost_ticks, lost_ticks_fields),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "i8254", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

void i8254_init(struct i8254 *pit, struct machine *m, const char *id, uint16_t port,
                uint16_t port_b, struct irq_line irq0)
{
    *pit = (struct i8254){.irq0 = irq0};
    device_init(&pit->dev, m, &class, id);
    vm_timer_init(&pit->irq_timer, &m->clock, irq_edge, pit);
    vm_timer_init(&pit->owed_timer, &m->clock, owed_edge, pit);
    region_init_device(&pit->ports, "i8254", 4, &port_ops, pit);
    region_init_device(&pit->port_b, "port61", 1, &port_b_ops, pit);
    region_add(&m->io, &pit->ports, port, 0);
    region_add(&m->io, &pit->port_b, port_b, 0);
    reset(&pit->dev);
}
