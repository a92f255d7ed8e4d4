/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/timer/mc146818.h"

#include "base/error.h" /* error_set */
#include "vm/machine.h" /* struct machine */

/* MC146818 real-time clock and 128 bytes of CMOS RAM.
 *
 * The time is computed from the virtual clock. While updates are inhibited (SET, or the divider
 * held in reset) the time registers are plain bytes in `ram`; leaving that state turns them back
 * into a base. An update is one instant here, the end of the chip's update cycle: there the new
 * time appears, UF is set and UIP falls, so a guest that waits as the datasheet says sees what it
 * should.
 *
 * The flags PF, AF and UF are brought up to date when register C is read or the timer fires; the
 * timer runs only while an enabled interrupt is not yet flagged. Periodic interrupts that came
 * while one was still waiting, or while the host was late, follow later if the guest counts them,
 * which it shows by reading register C (vm/ticks.h).
 *
 * Not modelled: daylight saving (DSE), the square wave pin, other time bases than 32768 Hz. */

enum {
    SECONDS,
    SECONDS_ALARM,
    MINUTES,
    MINUTES_ALARM,
    HOURS,
    HOURS_ALARM,
    DAY_OF_WEEK,
    DATE,
    MONTH,
    YEAR,
    REG_A,
    REG_B,
    REG_C,
    REG_D,
};

enum {
    A_UIP = 0x80,
    A_DV = 0x70,
    A_DV_RESET = 0x60, /* 11x */
    A_RS = 0x0f,
    B_SET = 0x80,
    B_PIE = 0x40,
    B_AIE = 0x20,
    B_UIE = 0x10,
    B_SQWE = 0x08,
    B_DM = 0x04,
    B_24H = 0x02,
    C_IRQF = 0x80,
    C_PF = 0x40,
    C_AF = 0x20,
    C_UF = 0x10,
    D_VRT = 0x80,
    HOURS_PM = 0x80,
    ALARM_ANY = 0xc0, /* both bits set: matches always */
    DAY = 86400,
};

/* UIP is high for t_BUC (244 us) and the update cycle t_UC (1984 us) of the 32 kHz time base. */
#define UIP_NS (244000u + 1984000u)

struct rtc_time {
    int64_t year;
    unsigned month, day, weekday, hour, minute, second;
};

/* Days since 1970 of a proleptic Gregorian date, and back. Years are counted from March, so that
 * the leap day is last; 400 of them have 146097 days. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_from_days(int64_t days, struct rtc_time *t)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    t->day = doy - (153 * mp + 2) / 5 + 1;
    t->month = mp < 10 ? mp + 3 : mp - 9;
    t->year = yoe + era * 400 + (t->month <= 2);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static struct rtc_time time_from_seconds(const struct mc146818 *rtc, int64_t s)
{
    int64_t days = floor_div(s, DAY);
    unsigned sod = s - days * DAY;
    struct rtc_time t = {.hour = sod / 3600, .minute = sod / 60 % 60, .second = sod % 60};

    date_from_days(days, &t);
    /* 1 January 1970 was a Thursday; Sunday is 1. */
    t.weekday = (unsigned)((days % 7 + 7 + 4 + rtc->weekday_base) % 7) + 1;
    return t;
}

static uint64_t now_ns(const struct mc146818 *rtc)
{
    return vm_clock_now(&rtc->dev.m->clock);
}

static int64_t seconds_at(const struct mc146818 *rtc, uint64_t now)
{
    return rtc->seconds_base + (int64_t)((now + rtc->phase) / NS_PER_SEC);
}

static bool divider_held(const struct mc146818 *rtc)
{
    return (rtc->ram[REG_A] & A_DV_RESET) == A_DV_RESET;
}

static bool updating(const struct mc146818 *rtc)
{
    return !(rtc->ram[REG_B] & B_SET) && !divider_held(rtc);
}

static uint8_t encode(const struct mc146818 *rtc, unsigned v)
{
    return rtc->ram[REG_B] & B_DM ? v : v / 10 << 4 | v % 10;
}

static unsigned decode(const struct mc146818 *rtc, uint8_t v)
{
    return rtc->ram[REG_B] & B_DM ? v : (v >> 4) * 10u + (v & 15);
}

static uint8_t encode_hour(const struct mc146818 *rtc, unsigned h)
{
    if (rtc->ram[REG_B] & B_24H)
        return encode(rtc, h);
    return encode(rtc, h % 12 ? h % 12 : 12) | (h >= 12 ? HOURS_PM : 0);
}

static unsigned decode_hour(const struct mc146818 *rtc, uint8_t v)
{
    if (rtc->ram[REG_B] & B_24H)
        return decode(rtc, v);
    return decode(rtc, v & 0x7f) % 12 + (v & HOURS_PM ? 12 : 0);
}

/* Brings the time registers in ram up to date. */
static void refresh_registers(struct mc146818 *rtc, uint64_t now)
{
    if (!updating(rtc))
        return;
    struct rtc_time t = time_from_seconds(rtc, seconds_at(rtc, now));
    rtc->ram[SECONDS] = encode(rtc, t.second);
    rtc->ram[MINUTES] = encode(rtc, t.minute);
    rtc->ram[HOURS] = encode_hour(rtc, t.hour);
    rtc->ram[DAY_OF_WEEK] = encode(rtc, t.weekday);
    rtc->ram[DATE] = encode(rtc, t.day);
    rtc->ram[MONTH] = encode(rtc, t.month);
    rtc->ram[YEAR] = encode(rtc, (unsigned)(t.year % 100 + 100) % 100);
    rtc->ram[MC146818_CENTURY] = encode(rtc, (unsigned)(floor_div(t.year, 100) % 100 + 100) % 100);
}

/* The other way: the registers become the time from now on; the phase of the second stays. */
static void adopt_registers(struct mc146818 *rtc, uint64_t now)
{
    const uint8_t *r = rtc->ram;
    int64_t year = decode(rtc, r[MC146818_CENTURY]) % 100 * 100 + decode(rtc, r[YEAR]) % 100;
    unsigned month = decode(rtc, r[MONTH]);
    /* Nonsense must not index anything; the chip would count on from it in its own way. */
    month = month < 1 || month > 12 ? 1 : month;
    int64_t days = days_from_date(year, month, decode(rtc, r[DATE]));
    int64_t s = days * DAY + decode_hour(rtc, r[HOURS]) * 3600 + decode(rtc, r[MINUTES]) * 60 +
                decode(rtc, r[SECONDS]);
    int64_t true_weekday = ((floor_div(s, DAY) + 4) % 7 + 7) % 7;

    rtc->seconds_base += s - seconds_at(rtc, now);
    rtc->weekday_base = (decode(rtc, r[DAY_OF_WEEK]) + 6 + 7 - true_weekday) % 7;
}

/* ---- flags and interrupts ---- */

/* Periodic rate in cycles of 32768 Hz; 0 for none (datasheet, table 5). */
static unsigned period(const struct mc146818 *rtc)
{
    unsigned rs = rtc->ram[REG_A] & A_RS;

    if (rs == 0 || divider_held(rtc))
        return 0;
    return rs <= 2 ? 128u << (rs - 1) : 1u << (rs - 1);
}

static uint64_t period_ns(const struct mc146818 *rtc)
{
    return muldiv64(period(rtc), NS_PER_SEC, 32768);
}

static uint64_t cycles_at(const struct mc146818 *rtc, uint64_t now)
{
    return muldiv64(now + rtc->phase, 32768, NS_PER_SEC);
}

static bool alarm_field_matches(uint8_t reg, uint8_t now)
{
    return (reg & ALARM_ANY) == ALARM_ANY || reg == now;
}

/* Seconds from second of day `sod` (exclusive) to the next match of the alarm, -1 for never. Skips
 * whole hours and minutes that do not match. */
static int alarm_distance(const struct mc146818 *rtc, unsigned sod)
{
    const uint8_t *r = rtc->ram;
    unsigned s = sod + 1;

    while (s <= sod + DAY) {
        unsigned of_day = s % DAY;
        if (!alarm_field_matches(r[HOURS_ALARM], encode_hour(rtc, of_day / 3600)))
            s += 3600 - of_day % 3600;
        else if (!alarm_field_matches(r[MINUTES_ALARM], encode(rtc, of_day / 60 % 60)))
            s += 60 - of_day % 60;
        else if (!alarm_field_matches(r[SECONDS_ALARM], encode(rtc, of_day % 60)))
            s++;
        else
            return s - sod;
    }
    return -1;
}

static int alarm_distance_at(const struct mc146818 *rtc, uint64_t now)
{
    int64_t s = seconds_at(rtc, now);

    return alarm_distance(rtc, s - floor_div(s, DAY) * DAY);
}

/* Sets the flags of what happened since last time. */
static void account(struct mc146818 *rtc, uint64_t now)
{
    uint8_t *c = &rtc->ram[REG_C];
    unsigned p = period(rtc);

    uint64_t periods = p ? cycles_at(rtc, now) / p - cycles_at(rtc, rtc->seen) / p : 0;

    if (periods && rtc->ram[REG_B] & B_PIE) {
        vm_timer_cancel(&rtc->owed_timer); /* it shall not follow at once */
        ticks_elapsed(&rtc->lost, periods, period_ns(rtc), now);
    }
    if (periods)
        *c |= C_PF;
    int64_t passed = seconds_at(rtc, now) - seconds_at(rtc, rtc->seen);
    if (updating(rtc) && passed > 0) {
        *c |= C_UF;
        if (!(*c & C_AF)) {
            int distance = alarm_distance_at(rtc, rtc->seen);
            if (distance > 0 && distance <= passed)
                *c |= C_AF;
        }
    }
    rtc->seen = now;
}

/* Virtual time of the second that begins n seconds after this one. */
static uint64_t second_start(const struct mc146818 *rtc, uint64_t now, uint64_t n)
{
    return ((now + rtc->phase) / NS_PER_SEC + n) * NS_PER_SEC - rtc->phase;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When the next enabled interrupt happens that is not flagged already. */
static uint64_t next_event(const struct mc146818 *rtc, uint64_t now)
{
    uint8_t wanted = rtc->ram[REG_B] & ~rtc->ram[REG_C];
    bool counted = rtc->lost.wanted && rtc->ram[REG_B] & B_PIE;
    unsigned p = period(rtc);
    uint64_t at = VM_TIME_NEVER;

    if ((wanted & B_PIE || counted) && p) {
        uint64_t cycle = (cycles_at(rtc, now) / p + 1) * p;
        at = muldiv64(cycle, NS_PER_SEC, 32768) + 1 - rtc->phase;
    }
    if ((wanted & B_UIE) && updating(rtc))
        at = earlier(at, second_start(rtc, now, 1));
    if ((wanted & B_AIE) && updating(rtc)) {
        int distance = alarm_distance_at(rtc, now);
        if (distance > 0)
            at = earlier(at, second_start(rtc, now, distance));
    }
    return at;
}

/* The enable bits of B and the flags of C have the same positions. */
static void update(struct mc146818 *rtc, uint64_t now)
{
    bool irqf = rtc->ram[REG_B] & rtc->ram[REG_C] & (C_PF | C_AF | C_UF);
    uint64_t at = irqf && !rtc->lost.wanted ? VM_TIME_NEVER : next_event(rtc, now);

    rtc->ram[REG_C] = (rtc->ram[REG_C] & ~C_IRQF) | (irqf ? C_IRQF : 0);
    irq_set(rtc->irq, irqf);
    if (at == VM_TIME_NEVER)
        vm_timer_cancel(&rtc->timer);
    else
        vm_timer_arm(&rtc->timer, at);
}

static void timer_event(void *opaque)
{
    struct mc146818 *rtc = opaque;
    uint64_t now = now_ns(rtc);

    account(rtc, now);
    update(rtc, now);
}

static void give_owed(struct mc146818 *rtc, uint64_t now)
{
    if (ticks_repay(&rtc->lost, now))
        rtc->ram[REG_C] |= C_PF;
    update(rtc, now);
}

static void owed_event(void *opaque)
{
    struct mc146818 *rtc = opaque;
    uint64_t now = now_ns(rtc);

    account(rtc, now);
    give_owed(rtc, now);
}

static void forget_owed(struct mc146818 *rtc)
{
    ticks_forget(&rtc->lost);
    vm_timer_cancel(&rtc->owed_timer);
}

/* The guest has seen a periodic interrupt, whose line is low again; the next may come at once. */
static void periodic_taken(struct mc146818 *rtc, uint64_t now)
{
    uint64_t at = ticks_taken(&rtc->lost, period_ns(rtc), now);

    vm_timer_cancel(&rtc->owed_timer);
    if (at == VM_TIME_NEVER)
        return;
    if (at > now)
        vm_timer_arm(&rtc->owed_timer, at);
    else
        give_owed(rtc, now);
}

/* ---- registers ---- */

static bool is_time(unsigned index)
{
    return index == SECONDS || index == MINUTES ||
           (index >= HOURS && index != HOURS_ALARM && index <= YEAR) || index == MC146818_CENTURY;
}

/* UIP does not appear while SET; with the divider held there is no update to come. */
static uint8_t read_a(const struct mc146818 *rtc, uint64_t now)
{
    uint64_t left = NS_PER_SEC - (now + rtc->phase) % NS_PER_SEC;

    return rtc->ram[REG_A] | (updating(rtc) && left <= UIP_NS ? A_UIP : 0);
}

/* Reading clears the flags. */
static uint8_t read_c(struct mc146818 *rtc, uint64_t now)
{
    account(rtc, now);
    update(rtc, now);
    uint8_t v = rtc->ram[REG_C];
    rtc->ram[REG_C] = 0;
    update(rtc, now);
    if (v & C_PF && rtc->ram[REG_B] & B_PIE && period(rtc))
        periodic_taken(rtc, now);
    return v;
}

static uint8_t read_register(struct mc146818 *rtc, unsigned index)
{
    uint64_t now = now_ns(rtc);

    if (index == REG_A)
        return read_a(rtc, now);
    if (index == REG_C)
        return read_c(rtc, now);
    if (is_time(index))
        refresh_registers(rtc, now);
    return rtc->ram[index];
}

/* Writes A or B. Entering the inhibited state freezes the registers, leaving it adopts them. When
 * the divider is released the first update comes 500 ms later (datasheet, "Divider control"). */
static void write_control(struct mc146818 *rtc, unsigned index, uint8_t v, uint64_t now)
{
    bool was_updating = updating(rtc), was_held = divider_held(rtc);

    refresh_registers(rtc, now);
    if (index == REG_B && (v & B_SET))
        v &= ~B_UIE;
    if (index == REG_A ? (v ^ rtc->ram[REG_A]) & (A_RS | A_DV) : !(v & B_PIE))
        forget_owed(rtc);
    rtc->ram[index] = index == REG_A ? v & ~A_UIP : v;
    if (was_held && !divider_held(rtc))
        rtc->phase = (NS_PER_SEC + NS_PER_SEC / 2 - now % NS_PER_SEC) % NS_PER_SEC;
    if (!was_updating && updating(rtc))
        adopt_registers(rtc, now);
    rtc->seen = now;
}

static void write_register(struct mc146818 *rtc, unsigned index, uint8_t v)
{
    uint64_t now = now_ns(rtc);

    account(rtc, now);
    if (index == REG_A || index == REG_B) {
        write_control(rtc, index, v, now);
    } else if (is_time(index)) {
        refresh_registers(rtc, now);
        rtc->ram[index] = v;
        if (updating(rtc))
            adopt_registers(rtc, now);
    } else if (index != REG_C && index != REG_D) {
        rtc->ram[index] = v;
    }
    update(rtc, now);
}

/* Port 0x70 is write only (PIIX3 datasheet 2.5.7). */
static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    struct mc146818 *rtc = opaque;

    (void)size;
    return offset ? read_register(rtc, rtc->index & 0x7f) : 0xff;
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct mc146818 *rtc = opaque;

    (void)size;
    if (offset) {
        write_register(rtc, rtc->index & 0x7f, value);
        return;
    }
    rtc->index = value & 0x7f;
    rtc->nmi_disabled = value & 0x80;
}

static const struct region_ops port_ops = {
    .read = port_read, .write = port_write, .min_size = 1, .max_size = 1};

/* RESET clears the enables and flags; time and RAM are on the battery (datasheet, "RESET"). */
static void reset(struct device *d)
{
    struct mc146818 *rtc = (struct mc146818 *)d;

    rtc->index = 0;
    rtc->nmi_disabled = false;
    rtc->ram[REG_B] &= ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    rtc->ram[REG_C] = 0;
    forget_owed(rtc);
    rtc->seen = now_ns(rtc);
    update(rtc, rtc->seen);
}

static bool post_load(struct device *d, struct error *err)
{
    struct mc146818 *rtc = (struct mc146818 *)d;

    if (rtc->phase >= NS_PER_SEC || rtc->seconds_base > 1ll << 40 ||
        rtc->seconds_base < -(1ll << 40))
        return error_set(err, "%s: time out of range", d->id);
    return true;
}

static const struct state_field fields[] = {
    STATE_U8_MAX(struct mc146818, index, 127),
    STATE_BOOL(struct mc146818, nmi_disabled),
    STATE_BYTES(struct mc146818, ram),
    STATE_U64(struct mc146818, phase),
    STATE_U64(struct mc146818, seconds_base),
    STATE_U8_MAX(struct mc146818, weekday_base, 6),
    STATE_U64(struct mc146818, seen),
    STATE_TIMER(struct mc146818, timer),
    STATE_TIMER(struct mc146818, owed_timer),
    STATE_STRUCTS(struct mc146818, lost, 1, struct lost_ticks, lost_ticks_fields),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "mc146818", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

void mc146818_init(struct mc146818 *rtc, struct machine *m, const char *id, uint16_t port,
                   struct irq_line irq)
{
    *rtc = (struct mc146818){.irq = irq};
    device_init(&rtc->dev, m, &class, id);
    vm_timer_init(&rtc->timer, &m->clock, timer_event, rtc);
    vm_timer_init(&rtc->owed_timer, &m->clock, owed_event, rtc);
    region_init_device(&rtc->ports, "mc146818", 2, &port_ops, rtc);
    region_add(&m->io, &rtc->ports, port, 0);
    rtc->ram[REG_A] = 0x26; /* 32768 Hz, 1024 Hz periodic rate: what PC firmware leaves */
    rtc->ram[REG_B] = B_24H;
    rtc->ram[REG_D] = D_VRT;
    uint64_t wall = input_wall_clock(m);
    uint64_t now = now_ns(rtc);
    rtc->phase = (wall % NS_PER_SEC + NS_PER_SEC - now % NS_PER_SEC) % NS_PER_SEC;
    reset(&rtc->dev);
    mc146818_set_time(rtc, wall / NS_PER_SEC);
}

void mc146818_set_time(struct mc146818 *rtc, int64_t seconds)
{
    uint64_t now = now_ns(rtc);

    account(rtc, now);
    rtc->seconds_base += seconds - seconds_at(rtc, now);
    rtc->weekday_base = 0;
    update(rtc, now);
}

void mc146818_set(struct mc146818 *rtc, uint8_t index, uint8_t value)
{
    rtc->ram[index & 0x7f] = value;
}

uint8_t mc146818_get(struct mc146818 *rtc, uint8_t index)
{
    if (is_time(index & 0x7f))
        refresh_registers(rtc, now_ns(rtc));
    return rtc->ram[index & 0x7f];
}
