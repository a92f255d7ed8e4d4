/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 8042 and INT 15h/AH=C2h: a mouse at its second port (PS/2 Hardware Interface Technical
 * Reference, pointing device). Packets of three bytes, four with a wheel, go to the program's
 * handler as status, X, Y and 0. */
#include "rm.h"

u16 mouse_status, mouse_x, mouse_y; /* for entry.S */
u32 mouse_handler;

static struct {
    u8 enabled, packet[4], have, size;
} mouse = {.size = 3};

/* ---- the controller ---- */

static bool wait_writable(void)
{
    for (u32 start = timer_now(); inb(0x64) & 2;)
        if (timer_past(start, 100))
            return false;
    return true;
}

/* The next byte of the keyboard (aux: of the mouse), -1 after `ms`. Others' bytes are lost. */
static s32 read_byte(bool aux, u32 ms)
{
    for (u32 start = timer_now(); !timer_past(start, ms);) {
        u8 status = inb(0x64);

        if (status & 1) {
            u8 v = inb(0x60);

            if (!(status & 0x20) == !aux)
                return v;
        }
    }
    return -1;
}

static u8 controller_byte(void)
{
    wait_writable();
    outb(0x64, 0x20);
    s32 v = read_byte(false, 100);
    return v < 0 ? 0x45 : (u8)v;
}

static void set_controller_byte(u8 v)
{
    wait_writable();
    outb(0x64, 0x60);
    wait_writable();
    outb(0x60, v);
}

void kbc_output(u8 v)
{
    wait_writable();
    outb(0x64, 0xd1);
    wait_writable();
    outb(0x60, v);
    wait_writable();
}

/* Whether IRQ 1 is still to come for a byte that was polled: an 8259 may have latched it. INT 09h
 * (entry.S) leaves it out then. */
u8 kbd_stale;

static void polled(void)
{
    outb(0x20, 0x0a); /* the request register */
    kbd_stale = inb(0x20) & 2 && !(inb(0x64) & 1);
}

/* A command or argument to the keyboard; true when it is acknowledged. */
u8 kbd_command(u8 command)
{
    s32 v;

    outb(0x64, 0xad); /* nothing comes in between */
    wait_writable();
    outb(0x60, command);
    v = read_byte(false, 100);
    wait_writable();
    outb(0x64, 0xae);
    polled();
    return v == 0xfa;
}

static bool send(u8 command)
{
    wait_writable();
    outb(0x64, 0xd4);
    wait_writable();
    outb(0x60, command);
    return read_byte(true, 100) == 0xfa;
}

/* Interrupts of the mouse are off while we talk to it, the keyboard too. */
static u8 begin(void)
{
    u8 byte = controller_byte();

    set_controller_byte((u8)((byte & ~0x03) | 0x10) & ~0x20);
    return byte;
}

static void end(u8 byte)
{
    set_controller_byte(byte);
    polled();
}

/* ---- INT 15h/AH=C2h ---- */

enum { MOUSE_OK = 0, BAD_FUNCTION = 1, BAD_INPUT = 2, INTERFACE_ERROR = 3, NO_HANDLER = 5 };

static u8 enable(struct regs *r)
{
    bool ok;

    if (r->bh > 1)
        return BAD_INPUT;
    if (r->bh == 1 && !mouse_handler)
        return NO_HANDLER;
    u8 byte = begin();
    ok = send(r->bh ? 0xf4 : 0xf5);
    mouse.enabled = r->bh;
    mouse.have = 0;
    if (r->bh) {
        outb(0xa1, inb(0xa1) & ~0x10);
        outb(0x21, inb(0x21) & ~4);
    }
    end((u8)(r->bh ? (byte | 2) & ~0x20 : (byte & ~2) | 0x20));
    return ok ? MOUSE_OK : INTERFACE_ERROR;
}

static u8 reset_mouse(struct regs *r)
{
    u8 byte = begin();
    bool ok = send(0xff);
    s32 self_test = ok ? read_byte(true, 1000) : -1,
        id = self_test == 0xaa ? read_byte(true, 100) : -1;

    end((u8)((byte & ~2) | 0x20));
    mouse.enabled = 0;
    mouse.have = 0;
    if (id < 0)
        return INTERFACE_ERROR;
    r->bl = 0xaa;
    r->bh = (u8)id;
    return MOUSE_OK;
}

static u8 command_with(u8 command, u8 argument)
{
    u8 byte = begin();
    bool ok = send(command) && send(argument);

    end(byte);
    return ok ? MOUSE_OK : INTERFACE_ERROR;
}

static u8 sample_rate(struct regs *r)
{
    static const u8 rates[] = {10, 20, 40, 60, 80, 100, 200};

    return r->bh < ARRAY_SIZE(rates) ? command_with(0xf3, rates[r->bh]) : BAD_INPUT;
}

static u8 device_id(struct regs *r)
{
    u8 byte = begin();
    s32 id = send(0xf2) ? read_byte(true, 100) : -1;

    end(byte);
    if (id < 0)
        return INTERFACE_ERROR;
    r->bh = (u8)id;
    return MOUSE_OK;
}

/* 05h: packets of BH bytes, then as after a reset. */
static u8 initialize(struct regs *r)
{
    if (r->bh < 1 || r->bh > 8)
        return BAD_INPUT;
    mouse.size = MIN(r->bh, 4);
    return reset_mouse(r);
}

static u8 extended(struct regs *r)
{
    u8 byte, result = MOUSE_OK;

    if (r->bh > 2)
        return BAD_FUNCTION;
    byte = begin();
    if (r->bh) {
        result = send(r->bh == 1 ? 0xe6 : 0xe7) ? MOUSE_OK : INTERFACE_ERROR;
    } else if (send(0xe9)) {
        r->bl = (u8)read_byte(true, 100);
        r->cl = (u8)read_byte(true, 100);
        r->dl = (u8)read_byte(true, 100);
    } else {
        result = INTERFACE_ERROR;
    }
    end(byte);
    return result;
}

u32 mouse15(struct regs *r)
{
    u8 result = BAD_FUNCTION;

    switch (r->al) {
    case 0:
        result = enable(r);
        break;
    case 1:
        result = reset_mouse(r);
        break;
    case 2:
        result = sample_rate(r);
        break;
    case 3:
        result = r->bh < 4 ? command_with(0xe8, r->bh) : BAD_INPUT;
        break;
    case 4:
        result = device_id(r);
        break;
    case 5:
        result = initialize(r);
        break;
    case 6:
        result = extended(r);
        break;
    case 7:
        mouse_handler = FARPTR(r->es, r->bx);
        result = MOUSE_OK;
        break;
    default:
        break;
    }
    r->ah = result;
    set_cf(r, result != MOUSE_OK);
    return ACTION_NONE;
}

/* ---- IRQ 12 ---- */

u32 int74(struct regs *r)
{
    u8 status = inb(0x64);
    bool whole = false;

    (void)r;
    if ((status & 0x21) == 0x21) {
        u8 v = inb(0x60);

        /* Bit 3 of a packet's first byte is 1: one that is not begins no packet. */
        if (mouse.have || v & 8) {
            mouse.packet[mouse.have++] = v;
            whole = mouse.have >= mouse.size;
        }
    }
    outb(0xa0, 0x20);
    outb(0x20, 0x20);
    if (!whole)
        return ACTION_NONE;
    mouse.have = 0;
    if (!mouse.enabled || !mouse_handler)
        return ACTION_NONE;
    mouse_status = (u16)(mouse.packet[0] | (mouse.size == 4 ? mouse.packet[3] << 8 : 0));
    mouse_x = mouse.packet[1];
    mouse_y = mouse.packet[2];
    return ACTION_MOUSE;
}
