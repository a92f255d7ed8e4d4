/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "suite.h"

static u32 count, failed;

static void send(char c)
{
    while (!(inb(0x3fd) & 0x20))
        ;
    outb(0x3f8, (u8)c);
}

static void text(const char *s)
{
    while (*s)
        send(*s++);
}

static void number(u32 n)
{
    if (n >= 10)
        number(n / 10);
    send((char)('0' + n % 10));
}

void check(bool ok, const char *name)
{
    text(ok ? "ok " : "not ok ");
    number(++count);
    text(" - ");
    text(name);
    send('\n');
    failed += !ok;
}

void note(const char *what, u32 value)
{
    text("# ");
    text(what);
    send(' ');
    for (int i = 28; i >= 0; i -= 4)
        send("0123456789abcdef"[value >> i & 15]);
    send('\n');
}

struct regs call(u8 n, u32 ax, u32 bx, u32 cx, u32 dx)
{
    struct regs r = {.ds = SEG, .es = SEG, .eax = ax, .ebx = bx, .ecx = cx, .edx = dx};

    intr(n, &r);
    return r;
}

void suite(u32 drive);
void suite(u32 drive)
{
    test_system();
    test_video();
    test_vbe();
    test_adapter();
    test_keyboard();
    test_mouse();
    test_clock();
    test_ports();
    test_old(test_tables());
    test_disk((u8)drive);
    text("1..");
    number(count);
    send('\n');
    while (!(inb(0x3fd) & 0x40))
        ;
    outb(0xf4, failed ? 1 : 0); /* isa-debug-exit: status 1 or 3 */
}
