/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Advanced Power Management 1.2 (Intel/Microsoft, February 1996): idle, and off by ACPI's PM1
 * control register. There is no standby, suspend or battery. The protected-mode entries (entry.S)
 * come here too: from 16 bits to the real-mode code, from 32 bits to this compiled with APM32. */
#include "rm.h"

/* Return codes (appendix A). */
enum {
    APM_OK = 0,
    APM_REAL_CONNECTED = 0x02,
    APM_NOT_CONNECTED = 0x03,
    APM_16_CONNECTED = 0x05,
    APM_32_CONNECTED = 0x07,
    APM_NO_DEVICE = 0x09,
    APM_BAD_VALUE = 0x0a,
    APM_NOT_SUPPORTED = 0x0c,
    APM_CANNOT_ENTER = 0x60,
    APM_NO_EVENT = 0x80,
    APM_NOT_PRESENT = 0x86,
};

#ifdef APM32
extern u8 apm_connected;
u32 apm32(struct regs *r);
#else
u8 apm_connected; /* how: the code that says so */
struct regs apm_regs;
void apm16_entry(void);
void apm32_entry(void);
#endif
#define connected apm_connected

enum { BIOS_ITSELF = 0, ALL_DEVICES = 1, ALL_OF_1_0 = 0xffff };

static u8 only_for(struct regs *r, u16 device)
{
    return r->bx == device ? APM_OK : APM_NO_DEVICE;
}

static u8 installed(struct regs *r)
{
    if (r->bx != BIOS_ITSELF)
        return APM_NO_DEVICE;
    r->bx = 0x504d; /* "PM" */
    r->cx = 3;      /* 16- and 32-bit protected mode; idle does not slow the clock */
    r->ax = 0x0102;
    return APM_OK;
}

/* PM1a_CNT at +4: SLP_TYP of S5 is 0 for the PIIX4 (QEMU, Calque), SLP_EN bit 13. */
static u8 set_state(struct regs *r)
{
    if (r->bx != ALL_DEVICES)
        return r->bx ? APM_NO_DEVICE : APM_BAD_VALUE;
    if (r->cx == 0 || r->cx > 3)
        return r->cx ? APM_BAD_VALUE : APM_OK; /* 0: on, as it is */
    if (r->cx != 3 || !shared.pm_base)
        return APM_CANNOT_ENTER;
    outw((u16)(shared.pm_base + 4), 0x2000);
    return APM_OK;
}

static u8 power_status(struct regs *r)
{
    if (r->bx != ALL_DEVICES)
        return APM_NO_DEVICE;
    r->bx = 0x01ff; /* on line; battery status unknown */
    r->cx = 0x80ff; /* no battery, percentage unknown */
    r->dx = 0xffff;
    return APM_OK;
}

static u8 get_state(struct regs *r)
{
    if (r->bx != ALL_DEVICES)
        return APM_NO_DEVICE;
    r->cx = 0;
    return APM_OK;
}

static u8 driver_version(struct regs *r)
{
    if (r->bx != BIOS_ITSELF)
        return APM_NO_DEVICE;
    r->ax = r->cx >= 0x0102 ? 0x0102 : r->cx;
    return APM_OK;
}

static u8 capabilities(struct regs *r)
{
    if (r->bx != BIOS_ITSELF)
        return APM_NO_DEVICE;
    r->bl = 0; /* batteries */
    r->cx = 0;
    return APM_OK;
}

static u8 disconnect(struct regs *r)
{
    if (r->bx != BIOS_ITSELF)
        return APM_NO_DEVICE;
    connected = 0;
    return APM_OK;
}

#ifndef APM32
/* 01h, 02h, 03h: for protected mode segments of code (32- and 16-bit) and data, the entry, and
 * their lengths. */
static u8 connect(struct regs *r)
{
    static const u8 codes[] = {APM_REAL_CONNECTED, APM_16_CONNECTED, APM_32_CONNECTED};
    u8 how = r->al;

    if (r->bx != BIOS_ITSELF)
        return APM_NO_DEVICE;
    if (connected)
        return connected;
    connected = codes[how - 1];
    if (how == 1)
        return APM_OK;
    r->ax = r->cx = SEG_BIOS;
    r->di = 0xffff;
    if (how == 2) {
        r->bx = (u16)(u32)&apm16_entry;
        r->si = 0xffff;
    } else {
        r->dx = SEG_BIOS;
        r->ebx = (u32)&apm32_entry;
        r->esi = 0xffffffff;
    }
    return APM_OK;
}
#endif

/* What needs a connection. */
static u8 function(struct regs *r)
{
    switch (r->al) {
    case 0x04:
        return disconnect(r);
    case 0x05:
    case 0x06:
        return APM_OK; /* idle: the caller of this function waits; busy */
    case 0x07:
        return set_state(r);
    case 0x08:
    case 0x0d:
    case 0x0f: /* power management is on, whatever is asked for */
        return r->bx == ALL_DEVICES || r->bx == ALL_OF_1_0 ? APM_OK : APM_NO_DEVICE;
    case 0x09:
        return r->bx == ALL_OF_1_0 ? APM_OK : only_for(r, ALL_DEVICES);
    case 0x0a:
        return power_status(r);
    case 0x0b:
        return APM_NO_EVENT;
    case 0x0c:
        return get_state(r);
    case 0x0e:
        return driver_version(r);
    case 0x10:
        return capabilities(r);
    default:
        return r->al <= 0x14 ? APM_NOT_SUPPORTED : APM_NOT_PRESENT;
    }
}

#ifdef APM32
u32 apm32(struct regs *r)
#else
u32 apm15(struct regs *r)
#endif
{
    u8 al = r->al, result;

    if (al == 0x00)
        result = installed(r);
#ifndef APM32
    else if (al <= 0x03)
        result = connect(r);
#endif
    else if (!connected && al <= 0x14)
        result = APM_NOT_CONNECTED;
    else
        result = function(r);
    if (result != APM_OK)
        r->ah = result;
    r->flags = result ? r->flags | FLAG_CF : r->flags & ~FLAG_CF;
    return al == 0x05 && !result ? ACTION_IDLE : ACTION_NONE;
}
