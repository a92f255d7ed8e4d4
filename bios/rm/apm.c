/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Advanced Power Management 1.2 (Intel/Microsoft, February 1996), real-mode interface: idle, and
 * off by ACPI's PM1 control register. Protected-mode interfaces are not offered (installation
 * check). */
#include "rm.h"

enum {
    APM_OK = 0,
    APM_DISABLED = 0x01,
    APM_CONNECTED = 0x02,
    APM_NOT_CONNECTED = 0x03,
    APM_NO_DEVICE = 0x09,
    APM_BAD_VALUE = 0x0a,
    APM_NO_EVENT = 0x80,
    APM_NOT_SUPPORTED = 0x86,
};

#ifdef APM32
extern u8 apm_connected;
u32 apm32(struct regs *r);
#else
u8 apm_connected;
struct regs apm_regs;
void apm32_entry(void);
#endif
#define connected apm_connected

static u8 installed(struct regs *r)
{
    if (r->bx != 0)
        return APM_NO_DEVICE;
    r->bx = 0x504d; /* "PM" */
    r->cx = 2;      /* 32-bit protected mode; idle does not slow the clock */
    r->ax = 0x0102;
    return APM_OK;
}

/* PM1a_CNT at +4: SLP_TYP of S5 is 0 for the PIIX4 (QEMU, Calque), SLP_EN bit 13. */
static u8 set_state(struct regs *r)
{
    if (r->cx > 3)
        return APM_BAD_VALUE;
    if (r->bx != 1)
        return r->bx ? APM_NO_DEVICE : APM_BAD_VALUE;
    if (r->cx == 3 && shared.pm_base)
        outw((u16)(shared.pm_base + 4), 0x2000);
    return APM_OK;
}

static u8 power_status(struct regs *r)
{
    if (r->bx != 1)
        return APM_NO_DEVICE;
    r->bx = 0x01ff; /* on line; battery status unknown */
    r->cx = 0x80ff; /* no battery, percentage unknown */
    r->dx = 0xffff;
    return APM_OK;
}

static u8 driver_version(struct regs *r)
{
    if (r->bx != 0)
        return APM_NO_DEVICE;
    r->ax = r->cx >= 0x0102 ? 0x0102 : r->cx;
    return APM_OK;
}

#ifndef APM32
static u8 connect(struct regs *r)
{
    if (r->bx != 0)
        return APM_NO_DEVICE;
    if (connected)
        return APM_CONNECTED;
    connected = 1;
    return APM_OK;
}
#endif

static u8 disconnect(struct regs *r)
{
    if (r->bx != 0)
        return APM_NO_DEVICE;
    if (!connected)
        return APM_NOT_CONNECTED;
    connected = 0;
    return APM_OK;
}

#ifndef APM32
/* 03h: segments for 32- and 16-bit code and for data, the entry, and their lengths. */
static u8 connect32(struct regs *r)
{
    u8 result = connect(r);

    if (result != APM_OK)
        return result;
    r->ax = r->cx = r->dx = SEG_BIOS;
    r->ebx = (u32)&apm32_entry;
    r->esi = 0xffffffff;
    r->di = 0xffff;
    return APM_OK;
}
#endif

#ifdef APM32
u32 apm32(struct regs *r)
#else
u32 apm15(struct regs *r)
#endif
{
    u8 al = r->al, result;

    switch (al) {
    case 0x00:
        result = installed(r);
        break;
#ifndef APM32
    case 0x01:
        result = connect(r);
        break;
    case 0x03:
        result = connect32(r);
        break;
#endif
    case 0x04:
        result = disconnect(r);
        break;
    case 0x05:
        set_cf(r, false);
        return ACTION_NONE; /* idle: the program's own HLT is better */
    case 0x06:
        result = APM_OK;
        break;
    case 0x07:
        result = connected ? set_state(r) : APM_NOT_CONNECTED;
        break;
    case 0x08:
        result = r->bx == 1 || r->bx == 0xffff ? APM_OK : APM_NO_DEVICE;
        break;
    case 0x0a:
        result = power_status(r);
        break;
    case 0x0b:
        result = APM_NO_EVENT;
        break;
    case 0x0e:
        result = driver_version(r);
        break;
    case 0x0f:
        result = r->bx == 1 ? APM_OK : APM_NO_DEVICE;
        break;
    default:
        result = APM_NOT_SUPPORTED;
    }
    if (result != APM_OK)
        r->ah = result;
    set_cf(r, result != APM_OK);
    return ACTION_NONE;
}
