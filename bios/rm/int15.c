/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INT 15h: memory, A20, waiting, configuration. */
#include "rm.h"

u32 mouse15(struct regs *r);
u32 apm15(struct regs *r);

static void unsupported(struct regs *r)
{
    r->ah = 0x86;
    set_cf(r, true);
}

static void done(struct regs *r, u8 ah)
{
    r->ah = ah;
    set_cf(r, ah != 0);
}

/* ---- A20 ---- */

/* It passes while port 92h or the keyboard controller asks for it (82371 datasheets, A20M#). The
 * byte at 0040:00F0 is 1 MiB below that at FFFF:0500. */
static bool a20_is_on(void)
{
    u8 low = bda->user[0], high = peek8(0xffff, 0x500);
    bool on;

    bda->user[0] = 0x55;
    poke8(0xffff, 0x500, 0xaa);
    on = bda->user[0] == 0x55;
    poke8(0xffff, 0x500, high);
    bda->user[0] = low;
    return on;
}

static void a20(struct regs *r)
{
    u8 v = inb(0x92);

    switch (r->al) {
    case 0:
        outb(0x92, v & ~3);
        if (a20_is_on())
            kbc_output(0xdd);
        break;
    case 1:
        outb(0x92, (u8)((v & ~1) | 2));
        break;
    case 2:
        r->al = a20_is_on();
        break;
    case 3:
        r->bx = 3;
        break; /* by the keyboard controller, by port 92h */
    default:
        return unsupported(r);
    }
    done(r, 0);
}

/* ---- 87h: move to and from extended memory ---- */

static u32 descriptor_base(u16 seg, u16 at)
{
    return (peek32(seg, at + 2u) & 0xffffff) | (u32)peek8(seg, at + 7u) << 24;
}

static void move_block(struct regs *r)
{
    static struct copy_request q;

    q.from = descriptor_base(r->es, (u16)(r->si + 0x10));
    q.to = descriptor_base(r->es, (u16)(r->si + 0x18));
    q.bytes = r->cx * 2u;
    /* In virtual-8086 mode the address line would not be ours to switch: 3. */
    done(r, call32(CALL32_COPY, PHYS(&q)) == 0xffffffff ? 3 : 0);
}

/* ---- 88h, E801h, E820h ---- */

static u32 above_1m_kib(void)
{
    return (shared.ram_below_4g - 0x100000) >> 10;
}

static void size_88(struct regs *r)
{
    r->ax = (u16)MIN(above_1m_kib(), 0xfc00);
    set_cf(r, false);
}

static void size_e801(struct regs *r)
{
    u32 kib = above_1m_kib();

    r->ax = r->cx = (u16)MIN(kib, 15 * 1024);
    r->bx = r->dx = (u16)(kib > 15 * 1024 ? MIN((kib - 15 * 1024) / 64, 0xffff) : 0);
    set_cf(r, false);
}

static void size_e881(struct regs *r)
{
    u32 kib = above_1m_kib();

    r->eax = r->ecx = MIN(kib, 15 * 1024);
    r->ebx = r->edx = kib > 15 * 1024 ? (kib - 15 * 1024) / 64 : 0;
    set_cf(r, false);
}

static void map_e820(struct regs *r)
{
    u32 i = r->ebx;

    if (r->edx != 0x534d4150 || r->ecx < 20 || i >= shared.ne820)
        return unsupported(r);
    copy_to_far(r->es, r->di, &shared.e820[i], sizeof(shared.e820[i]));
    r->eax = 0x534d4150;
    r->ecx = 20;
    r->ebx = i + 1 < shared.ne820 ? i + 1 : 0;
    set_cf(r, false);
}

/* 8Ah (Phoenix) and DA88h (AMI): extended memory in KiB, in DX:AX or CL:BX. */
static void size_8a(struct regs *r)
{
    u32 kib = above_1m_kib();

    r->ax = (u16)kib;
    r->dx = (u16)(kib >> 16);
    set_cf(r, false);
}

static void size_da88(struct regs *r)
{
    u32 kib = above_1m_kib();

    if (r->al != 0x88)
        return unsupported(r);
    r->bx = (u16)kib;
    r->cl = (u8)(kib >> 16);
    done(r, 0);
}

static void size_services(struct regs *r)
{
    switch (r->al) {
    case 0x01:
        size_e801(r);
        break;
    case 0x20:
        map_e820(r);
        break;
    case 0x81:
        size_e881(r);
        break;
    default:
        unsupported(r);
    }
}

/* ---- waiting ---- */

/* 83h: sets bit 7 of the byte at ES:BX in CX:DX microseconds, with the RTC's periodic interrupt. */
static void event_wait(struct regs *r)
{
    if (r->al == 1) {
        bda->wait_active &= ~1;
        cmos_write(0x0b, cmos_read(0x0b) & ~0x40);
        return done(r, 0);
    }
    if (r->al != 0)
        return unsupported(r);
    if (bda->wait_active & 1)
        return set_cf(r, true);
    bda->wait_active = 1;
    bda->wait_flag_ptr = FARPTR(r->es, r->bx);
    bda->wait_count = (u32)r->cx << 16 | r->dx;
    outb(0xa1, inb(0xa1) & ~1);
    outb(0x21, inb(0x21) & ~4);
    cmos_write(0x0b, cmos_read(0x0b) | 0x40);
    set_cf(r, false);
}

/* Interrupts come in all the time, and what they take is part of the wait. */
static void wait_ticks(u32 left)
{
    for (u32 last = timer_now();;) {
        u32 now, gone;

        yield();
        now = timer_now();
        gone = (now - last) & 0xffffff;
        if (gone >= left)
            return;
        left -= gone;
        last = now;
    }
}

static void wait(struct regs *r)
{
    u32 us = (u32)r->cx << 16 | r->dx;

    for (; us > 1000000; us -= 1000000)
        wait_ticks(3579545);
    wait_ticks(us * 358 / 100 + 1);
    done(r, 0);
}

/* ---- C0h, C1h, joystick ---- */

/* Model FCh/00h; DMA 3 not used, second PIC, RTC, keyboard intercept; EBDA; 8042 has been checked.
 */
static const u8 config_table[] = {8, 0, 0xfc, 0, 1, 0x74, 0x40, 0, 0, 0};

static void configuration(struct regs *r)
{
    r->es = SEG_BIOS;
    r->bx = (u16)(u32)config_table;
    done(r, 0);
}

static void ebda(struct regs *r)
{
    r->es = bda->ebda_seg;
    set_cf(r, false);
}

static void joystick(struct regs *r)
{
    if (r->dx == 0) {
        r->al = inb(0x201) & 0xf0;
        return set_cf(r, false);
    }
    if (r->dx != 1)
        return unsupported(r);
    r->ax = r->bx = r->cx = r->dx = 0; /* none is there */
    set_cf(r, false);
}

/* ---- 89h: to protected mode ---- */

/* ICW1 to ICW4 with new vectors, and everything masked: the caller's part from now on. */
static void set_vectors(u16 port, u8 vector, u8 cascade)
{
    outb(port, 0x11);
    outb((u16)(port + 1), vector);
    outb((u16)(port + 1), cascade);
    outb((u16)(port + 1), 0x01);
    outb((u16)(port + 1), 0xff);
}

/* ES:SI are the caller's descriptors, of which 38h is for the BIOS's code; BH and BL the vectors of
 * IRQ 0 and 8. The rest is done on the caller's stack (entry.S). Not from virtual-8086 mode. */
static u32 protected_mode(struct regs *r)
{
    u32 msw;

    asm volatile("smsw %0" : "=r"(msw));
    if (msw & 1) {
        unsupported(r);
        return ACTION_NONE;
    }
    outb(0x92, (u8)((inb(0x92) & ~1) | 2));
    if (!a20_is_on()) {
        done(r, 0xff);
        return ACTION_NONE;
    }
    poke32(r->es, r->si + 0x38u, 0x0000ffff); /* F0000h, 64 KiB, code */
    poke32(r->es, r->si + 0x3cu, 0x00009b0f);
    set_vectors(0x20, r->bh, 0x04);
    set_vectors(0xa0, r->bl, 0x02);
    return ACTION_PROTECT;
}

u32 int15(struct regs *r)
{
    switch (r->ah) {
    case 0x24:
        a20(r);
        break;
    case 0x4f:
        set_cf(r, true);
        break; /* the key is as it was */
    case 0x52: /* a medium will be ejected: nobody minds */
        done(r, 0);
        break;
    case 0x53:
        return apm15(r);
    case 0x80:
    case 0x81:
    case 0x82:
    case 0x85:
        done(r, 0);
        break;
    case 0x83:
        event_wait(r);
        break;
    case 0x84:
        joystick(r);
        break;
    case 0x86:
        wait(r);
        break;
    case 0x87:
        move_block(r);
        break;
    case 0x88:
        size_88(r);
        break;
    case 0x89:
        return protected_mode(r);
    case 0x8a:
        size_8a(r);
        break;
    case 0x90:
    case 0x91:
        done(r, 0);
        break;
    case 0xc0:
        configuration(r);
        break;
    case 0xc1:
        ebda(r);
        break;
    case 0xc2:
        return mouse15(r);
    case 0xda:
        size_da88(r);
        break;
    case 0xe8:
        size_services(r);
        break;
    default:
        unsupported(r);
    }
    return ACTION_NONE;
}
