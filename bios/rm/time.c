/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tick (INT 08h), the clock (INT 1Ah), alarms (INT 70h), and waiting. */
#include "rm.h"

#define TICKS_PER_DAY 0x1800b0u
#define PM_TIMER_KHZ  3580u

u32 pcibios16(struct regs *r);

/* ---- waiting: the PM timer counts 24 bits at 3.579545 MHz; without one, port 80h takes 1 us ----
 */

static u32 fake_time;

u32 timer_now(void)
{
    if (shared.has_pm_timer)
        return inl((u16)(shared.pm_base + 8)) & 0xffffff;
    outb(0x80, 0);
    fake_time += 4;
    return fake_time & 0xffffff;
}

/* At most 4.6 s, after which the counter has gone round. */
bool timer_past(u32 start, u32 ms)
{
    return ((timer_now() - start) & 0xffffff) >= ms * PM_TIMER_KHZ;
}

void delay_us(u32 us)
{
    while (us > 1000000) {
        delay_us(1000000);
        us -= 1000000;
    }
    for (u32 start = timer_now(); ((timer_now() - start) & 0xffffff) < us * 58 / 16 + 1;)
        ;
}

/* ---- INT 08h ---- */

u32 int08(struct regs *r)
{
    (void)r;
    if (++bda->ticks >= TICKS_PER_DAY) {
        bda->ticks = 0;
        bda->midnight = 1;
    }
    if (bda->floppy_timeout && --bda->floppy_timeout == 0) {
        bda->floppy_motor &= 0xf0;
        outb(0x3f2, 0x0c); /* motors off; not reset, interrupts and DMA on */
    }
    return ACTION_TICK;
}

/* ---- the RTC ---- */

static bool updating(void)
{
    for (u32 start = timer_now(); cmos_read(0x0a) & 0x80;)
        if (timer_past(start, 5))
            return true;
    return false;
}

static u8 to_bcd(u32 v)
{
    return (u8)(v / 10 << 4 | v % 10);
}

static void get_time(struct regs *r)
{
    if (updating())
        return set_cf(r, true);
    r->dh = cmos_read(0x00);
    r->cl = cmos_read(0x02);
    r->ch = cmos_read(0x04);
    r->dl = cmos_read(0x0b) & 1;
    r->ah = 0;
    r->al = r->ch;
    set_cf(r, false);
}

/* Registers change while SET (bit 7 of B) is on. */
static void set_time(struct regs *r)
{
    u8 b = (u8)((cmos_read(0x0b) & 0x7e) | (r->dl & 1) | 0x80);

    cmos_write(0x0b, b);
    cmos_write(0x00, r->dh);
    cmos_write(0x02, r->cl);
    cmos_write(0x04, r->ch);
    cmos_write(0x0b, b & 0x7f);
    r->ah = 0;
    set_cf(r, false);
}

static void get_date(struct regs *r)
{
    if (updating())
        return set_cf(r, true);
    r->dl = cmos_read(0x07);
    r->dh = cmos_read(0x08);
    r->cl = cmos_read(0x09);
    r->ch = cmos_read(0x32);
    if (r->ch != 0x19 && r->ch != 0x20 && r->ch != 0x21)
        r->ch = to_bcd(r->cl >= 0x80 ? 19 : 20);
    r->ah = 0;
    set_cf(r, false);
}

static void set_date(struct regs *r)
{
    u8 b = cmos_read(0x0b) & 0x7f;

    cmos_write(0x0b, b | 0x80);
    cmos_write(0x07, r->dl);
    cmos_write(0x08, r->dh);
    cmos_write(0x09, r->cl);
    cmos_write(0x32, r->ch);
    cmos_write(0x0b, b);
    r->ah = 0;
    set_cf(r, false);
}

static void unmask_rtc(void)
{
    outb(0xa1, inb(0xa1) & ~1);
    outb(0x21, inb(0x21) & ~4);
}

static void set_alarm(struct regs *r)
{
    u8 b = cmos_read(0x0b) & 0x7f;

    if (b & 0x20)
        return set_cf(r, true); /* already set */
    cmos_write(0x01, r->dh);
    cmos_write(0x03, r->cl);
    cmos_write(0x05, r->ch);
    unmask_rtc();
    cmos_write(0x0b, b | 0x20);
    r->ah = 0;
    set_cf(r, false);
}

/* ---- INT 70h: periodic (INT 15h/AH=83h) and alarm (INT 4Ah) ---- */

/* Each periodic interrupt is 976 us of the count at 0040:009C. */
static void count_down(void)
{
    if (!(bda->wait_active & 1))
        return;
    if (bda->wait_count >= 977) {
        bda->wait_count -= 977;
        return;
    }
    bda->wait_count = 0;
    bda->wait_active = 0;
    cmos_write(0x0b, cmos_read(0x0b) & ~0x40);
    u32 flag = bda->wait_flag_ptr;
    poke8((u16)(flag >> 16), (u16)flag, peek8((u16)(flag >> 16), (u16)flag) | 0x80);
}

u32 int70(struct regs *r)
{
    u8 why = cmos_read(0x0c) & cmos_read(0x0b);

    (void)r;
    if (why & 0x40)
        count_down();
    outb(0xa0, 0x20);
    outb(0x20, 0x20);
    outb(0x70, 0x0d); /* NMI as it was: on */
    return why & 0x20 ? ACTION_ALARM : ACTION_NONE;
}

/* ---- INT 1Ah ---- */

static void get_ticks(struct regs *r)
{
    r->cx = (u16)(bda->ticks >> 16);
    r->dx = (u16)bda->ticks;
    r->al = bda->midnight;
    bda->midnight = 0;
    r->ah = 0;
    set_cf(r, false);
}

static void set_ticks(struct regs *r)
{
    bda->ticks = (u32)r->cx << 16 | r->dx;
    bda->midnight = 0;
    r->ah = 0;
    set_cf(r, false);
}

u32 int1a(struct regs *r)
{
    switch (r->ah) {
    case 0x00:
        get_ticks(r);
        break;
    case 0x01:
        set_ticks(r);
        break;
    case 0x02:
        get_time(r);
        break;
    case 0x03:
        set_time(r);
        break;
    case 0x04:
        get_date(r);
        break;
    case 0x05:
        set_date(r);
        break;
    case 0x06:
        set_alarm(r);
        break;
    case 0x07:
        cmos_write(0x0b, cmos_read(0x0b) & ~0x20);
        set_cf(r, false);
        break;
    case 0xb1:
        return pcibios16(r);
    default:
        set_cf(r, true);
    }
    return ACTION_NONE;
}
