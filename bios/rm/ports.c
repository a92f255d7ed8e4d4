/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Serial (INT 14h) and parallel (INT 17h) ports. */
#include "rm.h"

/* Waits for `bits` of a status register; the time-out byte counts in units of about 55 ms. */
static bool wait_for(u16 port, u8 bits, u8 units)
{
    for (u32 i = 0; i < (units ? units : 1); i++)
        for (u32 start = timer_now(); !timer_past(start, 55);)
            if ((inb(port) & bits) == bits)
                return true;
    return false;
}

/* ---- INT 14h ---- */

static const u16 divisors[8] = {1047, 768, 384, 192, 96, 48, 24, 12}; /* 110 to 9600 */

static void set_line(u16 port, u16 divisor, u8 line)
{
    outb((u16)(port + 3), line | 0x80);
    outb(port, (u8)divisor);
    outb((u16)(port + 1), (u8)(divisor >> 8));
    outb((u16)(port + 3), line);
    outb((u16)(port + 1), 0);
}

static void status14(struct regs *r, u16 port)
{
    r->ah = inb((u16)(port + 5));
    r->al = inb((u16)(port + 6));
}

static void send14(struct regs *r, u16 port, u8 timeout)
{
    outb((u16)(port + 4), 3); /* DTR, RTS */
    if (!wait_for((u16)(port + 6), 0x30, timeout) || !wait_for((u16)(port + 5), 0x20, timeout)) {
        r->ah = inb((u16)(port + 5)) | 0x80;
        return;
    }
    outb(port, r->al);
    r->ah = inb((u16)(port + 5)) & 0x7f;
}

static void receive14(struct regs *r, u16 port, u8 timeout)
{
    outb((u16)(port + 4), 1);
    if (!wait_for((u16)(port + 6), 0x20, timeout) || !wait_for((u16)(port + 5), 0x01, timeout)) {
        r->ah = inb((u16)(port + 5)) | 0x80;
        return;
    }
    r->ah = inb((u16)(port + 5)) & 0x1e;
    r->al = inb(port);
}

/* 04h: BH parity, BL stop bits, CH word length, CL rate, as numbers. */
static void extended14(struct regs *r, u16 port)
{
    static const u8 parity[5] = {0x00, 0x08, 0x18, 0x28, 0x38};
    static const u16 rates[9] = {1047, 768, 384, 192, 96, 48, 24, 12, 6};

    if (r->bh < 5 && r->cl < 9)
        set_line(port, rates[r->cl], parity[r->bh] | (r->bl ? 4 : 0) | (r->ch & 3));
    status14(r, port);
}

static void modem14(struct regs *r, u16 port)
{
    if (r->al == 1)
        outb((u16)(port + 4), r->bl);
    r->bl = inb((u16)(port + 4));
    status14(r, port);
}

u32 int14(struct regs *r)
{
    u16 port = r->dx < 4 ? bda->com[r->dx] : 0;
    u8 timeout = r->dx < 4 ? bda->com_timeout[r->dx] : 0;

    if (!port) {
        r->ah = 0x80; /* time-out */
        return ACTION_NONE;
    }
    switch (r->ah) {
    case 0x00:
        set_line(port, divisors[r->al >> 5], r->al & 0x1f);
        status14(r, port);
        break;
    case 0x01:
        send14(r, port, timeout);
        break;
    case 0x02:
        receive14(r, port, timeout);
        break;
    case 0x03:
        status14(r, port);
        break;
    case 0x04:
        extended14(r, port);
        break;
    case 0x05:
        modem14(r, port);
        break;
    default:
        break;
    }
    return ACTION_NONE;
}

/* ---- INT 17h ---- */

/* Acknowledge and error are inverted; 1 and 2 are not the printer's. */
static u8 status17(u16 port)
{
    return (inb((u16)(port + 1)) ^ 0x48) & 0xf8;
}

static void print17(struct regs *r, u16 port, u8 timeout)
{
    if (!wait_for((u16)(port + 1), 0x80, timeout)) {
        r->ah = status17(port) | 1;
        return;
    }
    outb(port, r->al);
    outb((u16)(port + 2), 0x0d);
    delay_us(1);
    outb((u16)(port + 2), 0x0c);
    r->ah = status17(port);
}

u32 int17(struct regs *r)
{
    u16 port = r->dx < 3 ? bda->lpt[r->dx] : 0;

    if (!port) {
        r->ah = 1;
        return ACTION_NONE;
    }
    switch (r->ah) {
    case 0x00:
        print17(r, port, bda->lpt_timeout[r->dx]);
        break;
    case 0x01:
        outb((u16)(port + 2), 0x08);
        delay_us(2000);
        outb((u16)(port + 2), 0x0c);
        r->ah = status17(port);
        break;
    case 0x02:
        r->ah = status17(port);
        break;
    default:
        break;
    }
    return ACTION_NONE;
}
