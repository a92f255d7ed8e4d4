/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How programs of the 1980s and 1990s use the machine: interrupts hooked, chips programmed, A20 in
 * all its ways, a real mode with a limit of 4 GiB, and the BIOS's protected-mode entries. */
#include "suite.h"

/* hooks.S */
void hook_int09(void);
void hook_tick(void);
void hook_int08(void);
void hook_int4a(void);
void unreal(void);
u8 flat_read(u32 address);
void flat_write(u32 address, u8 v);
void protected_call(struct regs *r);
extern u32 old_int09, pm_target[2];
extern u16 pm_data, pm_stack;
extern volatile u16 hooked_ticks, hooked_timer, type_at;
extern volatile u8 hooked_code, hooked_alarms, typed, pm_32;

/* ---- vectors ---- */

static u32 get_vector(u8 n)
{
    return peek32(0, n * 4u);
}

static void set_vector(u8 n, u32 to)
{
    __asm__ volatile("cli");
    for (u32 i = 0; i < 4; i++)
        poke8(0, n * 4u + i, (u8)(to >> i * 8));
    __asm__ volatile("sti");
}

static u32 ours(void (*f)(void))
{
    return (u32)SEG << 16 | (u32)f;
}

static void drain(void)
{
    while (!(call(0x16, 0x1100, 0, 0, 0).flags & ZF))
        call(0x16, 0x1000, 0, 0, 0);
}

static u16 next_key(void)
{
    struct regs r = call(0x16, 0x1100, 0, 0, 0);

    return r.flags & ZF ? 0 : call(0x16, 0x1000, 0, 0, 0).ax;
}

/* ---- the keyboard ---- */

/* Resident programs read port 60h and go on to the INT 09h before them, which reads it again. */
static void chained_keyboard(void)
{
    drain();
    old_int09 = get_vector(9);
    set_vector(9, ours(hook_int09));
    keyboard_says(0x1e);
    keyboard_says(0x9e);
    set_vector(9, old_int09);
    check(hooked_code == 0x9e, "old: a program's INT 09h sees the scan codes");
    check(next_key() == 0x1e61, "old: and the BIOS's, to which it chains, too");
    check(next_key() == 0, "old: once");
}

/* Pause stops everything but interrupts until another key, which nobody gets. */
static void pause_key(void)
{
    static const u8 codes[] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5};
    u32 tick = get_vector(0x1c);

    hooked_ticks = 0;
    typed = 0x39;
    type_at = 6;
    set_vector(0x1c, ours(hook_tick));
    for (u32 i = 0; i < sizeof(codes); i++)
        keyboard_says(codes[i]);
    check(hooked_ticks >= 6, "old: Pause holds the program until a key");
    keyboard_says(0xb9);
    set_vector(0x1c, tick);
    check(next_key() == 0, "old: which it does not get");
    check(!(peek8(0x40, 0x18) & 8), "old: 0040:0018 bit 3 is clear again");
}

static void key_sequences(void)
{
    static const u8 f12[] = {0x58, 0xd8}, gray[] = {0xe0, 0x48, 0xe0, 0xc8};
    static const u8 alt65[] = {0x38, 0x4d, 0xcd, 0x4c, 0xcc, 0xb8},
                    ctrl_c[] = {0x1d, 0x2e, 0xae, 0x9d};
    static const u8 caps[] = {0x3a, 0xba, 0x1e, 0x9e, 0x3a, 0xba};

    keyboard_types(f12, sizeof(f12));
    check(next_key() == 0x8600, "old: F12");
    keyboard_types(gray, sizeof(gray));
    check(next_key() == 0x48e0, "old: the gray arrow");
    keyboard_types(alt65, sizeof(alt65));
    check((next_key() & 0xff) == 65, "old: Alt and 65 on the keypad");
    keyboard_types(ctrl_c, sizeof(ctrl_c));
    check(next_key() == 0x2e03, "old: Ctrl-C");
    keyboard_types(caps, sizeof(caps));
    check(next_key() == 0x1e41 && !(peek8(0x40, 0x17) & 0x40), "old: Caps Lock, on and off");
    keyboard_types(gray, 2);
    check(call(0x16, 0, 0, 0, 0).ax == 0x4800, "old: INT 16h/00h gives it as the keypad's");
    keyboard_types(gray + 2, 2);
    /* A program that empties the buffer by its pointers. */
    keyboard_types(f12, 2);
    poke8(0x40, 0x1a, peek8(0x40, 0x1c));
    check(next_key() == 0, "old: the buffer emptied through 0040:001A");
}

/* ---- A20 ---- */

/* Whether FFFF:0510 is another byte than 0000:0500. */
static bool a20_is_on(void)
{
    u8 low = peek8(0, 0x500), high = peek8(0xffff, 0x510);
    bool on;

    poke8(0, 0x500, 0x12);
    poke8(0xffff, 0x510, 0x34);
    on = peek8(0, 0x500) == 0x12;
    poke8(0xffff, 0x510, high);
    poke8(0, 0x500, low);
    return on;
}

static void output_port(u8 v)
{
    kbc_idle();
    outb(0x64, 0xd1);
    kbc_idle();
    outb(0x60, v);
    kbc_idle();
    outb(0x64, 0xff); /* as HIMEM does: a command that does nothing */
    kbc_idle();
}

static void a20_ways(void)
{
    call(0x15, 0x2400, 0, 0, 0);
    check(!a20_is_on(), "old: A20 off by 2400h: memory wraps at 1 MiB");
    call(0x15, 0x2401, 0, 0, 0);
    check(a20_is_on(), "old: on by 2401h");
    outb(0x92, inb(0x92) & 0xfc);
    output_port(0xdd);
    check(!a20_is_on(), "old: off by port 92h and the keyboard controller");
    output_port(0xdf);
    check(a20_is_on(), "old: on by the keyboard controller");
    output_port(0xdd);
    outb(0x92, (u8)((inb(0x92) & 0xfe) | 2));
    check(a20_is_on(), "old: on by port 92h");
}

/* ---- real mode with a limit of 4 GiB ---- */

static void unreal_mode(void)
{
    unreal();
    flat_write(0x300000, 0xa5);
    check(flat_read(0x300000) == 0xa5, "old: 3 MiB in real mode");
    call(0x10, 0x0e00 | '\r', 7, 0, 0);
    call(0x13, 0x0800, 0, 0, 0x80);
    call(0x15, 0x8800, 0, 0, 0);
    call(0x15, 0x2402, 0, 0, 0);
    call(0x16, 0x0100, 0, 0, 0);
    call(0x1a, 0, 0, 0, 0);
    flat_write(0x300001, 0x5a);
    check(flat_read(0x300000) == 0xa5 && flat_read(0x300001) == 0x5a,
          "old: the limit outlives BIOS calls");
}

/* ---- timers ---- */

static u16 counter0(void)
{
    u8 low;

    outb(0x43, 0); /* latch */
    low = inb(0x40);
    return (u16)(low | inb(0x40) << 8);
}

static void fast_timer(void)
{
    u32 old = get_vector(8);
    u16 n;

    hooked_timer = 0;
    outb(0x43, 0x34);
    outb(0x40, 0x00);
    outb(0x40, 0x10); /* 291 Hz */
    set_vector(8, ours(hook_int08));
    call(0x15, 0x8600, 0, 1, 0x86a0); /* 100 ms */
    n = hooked_timer;
    set_vector(8, old);
    outb(0x43, 0x36);
    outb(0x40, 0);
    outb(0x40, 0);
    check(n >= 25 && n <= 60, "old: INT 08h at 291 Hz while 86h waits");
    u16 a = counter0();
    for (n = 0; n < 1000 && counter0() == a; n++)
        ;
    check(counter0() != a, "old: the timer's counter runs");
}

/* The speaker's timer as a stopwatch: one shot of 10 ms, its output at port 61h bit 5. */
static void stopwatch(void)
{
    u32 loops = 0, before, after;

    outb(0x61, (inb(0x61) & ~2) | 1);
    outb(0x43, 0xb0);
    outb(0x42, 0x9c);
    outb(0x42, 0x2e);
    before = inb(0x61) & 0x20;
    while (!(inb(0x61) & 0x20) && loops < 10000000)
        loops++;
    after = inb(0x61) & 0x20;
    outb(0x61, inb(0x61) & ~1);
    check(!before && after && loops > 10, "old: a delay by timer 2 and port 61h");
    before = 0;
    for (u32 i = 0, last = inb(0x61) & 0x10; i < 100000 && before < 20; i++)
        if ((inb(0x61) & 0x10) != last) {
            last ^= 0x10;
            before++;
        }
    check(before == 20, "old: the refresh bit of port 61h toggles");
}

static volatile u8 event;

static void event_wait(void)
{
    struct regs r;

    event = 0;
    r = call(0x15, 0x8300, (u32)&event, 0, 20000);
    check(!(r.flags & CF), "old: 83h, a flag in 20 ms");
    r = call(0x15, 0x8300, (u32)&event, 0, 20000);
    check(r.flags & CF, "old: there is only one at a time");
    call(0x15, 0x8600, 0, 0, 30000);
    for (u32 i = 0; i < 1000000 && !(event & 0x80); i++)
        inb(0x61);
    check(event & 0x80, "old: the flag is set");
}

static u8 bcd_after(u8 v, u8 n)
{
    u8 s = (u8)((v >> 4) * 10 + (v & 15) + n);

    return (u8)(s / 10 << 4 | s % 10);
}

static void alarm(void)
{
    u32 old = get_vector(0x4a);
    struct regs r;

    hooked_alarms = 0;
    set_vector(0x4a, ours(hook_int4a));
    call(0x1a, 0x0300, 0, 0x1234, 0x5600);
    r = call(0x1a, 0x0600, 0, 0x1234, (u32)bcd_after(0x56, 2) << 8);
    check(!(r.flags & CF), "old: INT 1Ah/06h sets an alarm");
    r = call(0x1a, 0x0600, 0, 0x1234, 0x5900);
    check(r.flags & CF, "old: there is only one");
    for (u32 i = 0; i < 50 && !hooked_alarms; i++)
        call(0x15, 0x8600, 0, 1, 0x86a0);
    check(hooked_alarms == 1, "old: it calls INT 4Ah");
    call(0x1a, 0x0700, 0, 0, 0);
    r = call(0x1a, 0x0600, 0, 0x2359, 0x5900);
    check(!(r.flags & CF), "old: after 07h it can be set anew");
    call(0x1a, 0x0700, 0, 0, 0);
    set_vector(0x4a, old);
}

/* ---- power management, and the protected-mode entries ---- */

static struct regs apm(u32 ax, u32 bx, u32 cx)
{
    return call(0x15, ax, bx, cx, 0);
}

static void apm_real_mode(void)
{
    struct regs r = apm(0x5300, 0, 0);

    check(r.ax == 0x0102 && (r.cx & 3) == 3, "APM: 1.2, with both protected-mode interfaces");
    apm(0x5304, 0, 0);
    r = apm(0x530a, 1, 0);
    check(r.flags & CF && r.ah == 3, "APM: not without being connected");
    r = apm(0x5301, 0, 0);
    check(!(r.flags & CF), "APM: real mode is connected");
    r = apm(0x5303, 0, 0);
    check(r.flags & CF && r.ah == 2, "APM: and nothing else besides");
    r = apm(0x530e, 0, 0x0102);
    check(!(r.flags & CF) && r.ax == 0x0102, "APM: the driver's version");
    r = apm(0x530a, 1, 0);
    check(!(r.flags & CF) && r.bh == 1, "APM: on line");
    u32 before = peek32(0x40, 0x6c);
    for (u32 i = 0; i < 3; i++)
        apm(0x5305, 0, 0);
    check(peek32(0x40, 0x6c) != before, "APM: idle waits for an interrupt");
    r = apm(0x530b, 0, 0);
    check(r.flags & CF && r.ah == 0x80, "APM: there is no event");
    r = apm(0x5307, 1, 7);
    check(r.flags & CF && r.ah == 0x0a, "APM: there is no state 7");
    r = apm(0x5304, 0, 0);
    check(!(r.flags & CF), "APM: disconnected");
}

static void apm_16(void)
{
    struct regs r = apm(0x5302, 0, 0);

    check(!(r.flags & CF) && r.ax == 0xf000 && r.cx == 0xf000, "APM: 16-bit interface");
    pm_target[0] = r.bx | 0x20u << 16;
    pm_32 = 0;
    pm_data = 0x38;
    pm_stack = 0x38;
    r = (struct regs){.eax = 0x530a, .ebx = 1};
    protected_call(&r);
    check(!(r.flags & CF) && r.bh == 1, "APM: called in 16-bit protected mode");
    r = (struct regs){.eax = 0x5304};
    protected_call(&r);
    check(!(r.flags & CF), "APM: and disconnected from there");
}

static void apm_32(void)
{
    struct regs r = apm(0x5303, 0, 0);

    check(!(r.flags & CF) && r.ax == 0xf000 && r.dx == 0xf000, "APM: 32-bit interface");
    pm_target[0] = r.ebx;
    pm_target[1] = 0x18;
    pm_32 = 1;
    pm_data = 0x38;
    pm_stack = 0x40;
    r = (struct regs){.eax = 0x530a, .ebx = 1};
    protected_call(&r);
    check(!(r.flags & CF) && r.bh == 1, "APM: called in 32-bit protected mode");
    r = (struct regs){.eax = 0x530b};
    protected_call(&r);
    check(r.flags & CF && r.ah == 0x80, "APM: no event, there either");
    apm(0x5304, 0, 0);
}

/* BIOS32 service directory (0.4), then PCI BIOS 2.1 in 32 bits, with flat segments. */
static void bios32(u32 directory)
{
    struct regs r = {.eax = 0x49435024};

    pm_target[0] = directory;
    pm_target[1] = 0x08;
    pm_32 = 1;
    pm_data = 0x10;
    pm_stack = 0x10;
    protected_call(&r);
    check(r.al == 0 && r.ecx && r.edx < r.ecx, "BIOS32: $PCI is there");
    pm_target[0] = r.ebx + r.edx;
    r = (struct regs){.eax = 0xb101};
    protected_call(&r);
    check(!(r.flags & CF) && r.ah == 0 && r.edx == 0x20494350, "BIOS32: PCI BIOS in 32 bits");
    r = (struct regs){.eax = 0xb10a};
    protected_call(&r);
    check(!(r.flags & CF) && (r.ecx & 0xffff) == 0x8086, "BIOS32: the host bridge's vendor");
    pm_target[0] = directory;
    r = (struct regs){.eax = 0x12345678};
    protected_call(&r);
    check(r.al == 0x80, "BIOS32: another service is not there");
}

/* ---- memory sizes of other makers: refused or right ---- */

static void other_sizes(void)
{
    struct regs r = call(0x15, 0xe801, 0, 0, 0), s = call(0x15, 0x8a00, 0, 0, 0);
    u32 kib = r.cx + r.dx * 64u;

    check(s.flags & CF || ((u32)s.dx << 16 | s.ax) - kib < 64, "old: INT 15h/8Ah");
    s = call(0x15, 0xda88, 0, 0, 0);
    check(s.flags & CF || ((u32)s.cl << 16 | s.bx) - kib < 64, "old: INT 15h/DA88h");
}

void test_old(u32 directory)
{
    chained_keyboard();
    key_sequences();
    pause_key();
    a20_ways();
    unreal_mode();
    fast_timer();
    stopwatch();
    event_wait();
    alarm();
    other_sizes();
    apm_real_mode();
    apm_16();
    apm_32();
    bios32(directory);
}
