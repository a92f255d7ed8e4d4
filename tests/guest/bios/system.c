/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INT 11h, 12h, 15h, 16h, 1Ah, 14h, 17h and the tables in the F segment. */
#include "suite.h"

static u8 buffer[512];

/* ---- INT 11h, 12h, 15h ---- */

struct map {
    u32 n, below_1m, above_1m;
    bool ordered, reserved_f;
};

static struct map read_map(void)
{
    struct map m = {0};
    struct regs r = {.ds = SEG, .es = SEG};
    u64 last = 0;

    m.ordered = 1;
    do {
        r.eax = 0xe820;
        r.edx = 0x534d4150;
        r.ecx = 20;
        r.edi = (u32)buffer;
        r.es = SEG;
        intr(0x15, &r);
        if (r.flags & CF || r.eax != 0x534d4150)
            break;
        u64 base = *(u64 *)buffer, size = *(u64 *)(buffer + 8);
        u32 type = *(u32 *)(buffer + 16);
        if (base < last)
            m.ordered = 0;
        last = base;
        if (type == 1 && base == 0)
            m.below_1m = (u32)size;
        if (type == 1 && base == 0x100000)
            m.above_1m = (u32)size;
        if (type != 1 && base <= 0xf0000 && base + size >= 0x100000)
            m.reserved_f = 1;
        m.n++;
    } while (r.ebx && m.n < 64);
    return m;
}

static void memory(void)
{
    struct map m = read_map();
    struct regs r = call(0x12, 0, 0, 0, 0);

    check(r.ax >= 600 && r.ax <= 640 && r.ax == peek16(0x40, 0x13), "memory: INT 12h");
    check(m.n >= 3 && m.n < 64, "memory: E820h's list ends");
    check(m.below_1m == (u32)r.ax << 10, "memory: E820h agrees with INT 12h");
    check(m.reserved_f, "memory: E820h reserves the F segment");
    check(m.ordered, "memory: E820h's list is in order");
    r = call(0x15, 0xe801, 0, 0, 0);
    check(!(r.flags & CF) && (r.ax ? r.ax : r.cx) <= 15 * 1024, "memory: E801h");
    check(((u32)r.cx << 10) + ((u32)r.dx << 16) <= m.above_1m &&
              ((u32)r.cx << 10) + ((u32)r.dx << 16) + 0x10000 > m.above_1m,
          "memory: E801h agrees with E820h");
    r = call(0x15, 0x8800, 0, 0, 0);
    check(!(r.flags & CF) && r.ax >= 15 * 1024, "memory: 88h");
}

/* 87h: a block to extended memory and back, by the GDT it wants. */
static void block_move(void)
{
    static u8 gdt[48];
    static u8 from[64], to[64];
    struct regs r = {.ds = SEG, .es = SEG};

    for (u32 i = 0; i < 64; i++)
        from[i] = (u8)(i * 7 + 1);
    for (u32 pass = 0; pass < 2; pass++) {
        u32 src = pass ? 0x200000 : SEG * 16 + (u32)from,
            dst = pass ? SEG * 16 + (u32)to : 0x200000;
        *(u16 *)(gdt + 0x10) = 0xffff;
        *(u32 *)(gdt + 0x12) = src | 0x93000000;
        *(u16 *)(gdt + 0x18) = 0xffff;
        *(u32 *)(gdt + 0x1a) = dst | 0x93000000;
        r.es = SEG;
        r.eax = 0x8700;
        r.ecx = 32;
        r.esi = (u32)gdt;
        intr(0x15, &r);
        check(!(r.flags & CF) && r.ah == 0,
              pass ? "system: 87h from extended memory" : "system: 87h to it");
    }
    bool same = 1;
    for (u32 i = 0; i < 64; i++)
        same &= to[i] == from[i];
    check(same, "system: what 87h moved is what was there");
}

static void a20(void)
{
    struct regs r = call(0x15, 0x2403, 0, 0, 0);

    check(!(r.flags & CF) && r.ah == 0, "system: 2403h, A20 can be switched");
    call(0x15, 0x2400, 0, 0, 0);
    r = call(0x15, 0x2402, 0, 0, 0);
    check(r.al == 0, "system: A20 off");
    call(0x15, 0x2401, 0, 0, 0);
    r = call(0x15, 0x2402, 0, 0, 0);
    check(r.al == 1, "system: A20 on");
}

u32 to_protected(void); /* hooks.S */

static void others(void)
{
    struct regs r = call(0x15, 0xc000, 0, 0, 0);

    check(!(r.flags & CF) && r.ah == 0 && peek16(r.es, r.bx) >= 8 && peek8(r.es, r.bx + 2u) == 0xfc,
          "system: C0h, an AT");
    r = call(0x15, 0x5300, 0, 0, 0);
    check(!(r.flags & CF) && r.bx == 0x504d && r.ah == 1, "system: 5300h, APM 1.x");
    check(to_protected() == 0, "system: 89h, to protected mode");
    r = call(0x15, 0xee12, 0, 0, 0);
    check(r.flags & CF && r.ah == 0x86, "system: an unknown function gives 86h");
    r = call(0x15, 0x4f1e, 0, 0, 0);
    check(r.al == 0x1e, "system: 4Fh leaves the scan code");
    u32 before = peek32(0x40, 0x6c);
    call(0x15, 0x8600, 0, 2, 0x49f0); /* 150 ms */
    check(peek32(0x40, 0x6c) - before >= 2, "system: 86h waits");
    r = call(0x11, 0, 0, 0, 0);
    check(r.ax == peek16(0x40, 0x10) && (r.ax & 0x30) == 0x20,
          "system: INT 11h, 80 column color display");
    r = call(0x15, 0xc100, 0, 0, 0);
    check(r.es == peek16(0x40, 0x0e), "system: C1h is the EBDA");
}

void test_system(void)
{
    memory();
    block_move();
    a20();
    others();
}

/* ---- INT 16h ---- */

void kbc_idle(void)
{
    while (inb(0x64) & 2)
        ;
}

/* Into the output buffer with its interrupt: D2h as if from the keyboard, D3h from the mouse. */
static void kbc_says(u8 command, u8 byte)
{
    kbc_idle();
    outb(0x64, command);
    kbc_idle();
    outb(0x60, byte);
    for (u32 i = 0; i < 10000; i++)
        inb(0x61);
}

void keyboard_says(u8 code)
{
    kbc_says(0xd2, code);
}

void keyboard_types(const u8 *codes, u32 n)
{
    for (u32 i = 0; i < n; i++)
        keyboard_says(codes[i]);
}

void test_keyboard(void)
{
    struct regs r;

    while (!(call(0x16, 0x1100, 0, 0, 0).flags & ZF))
        call(0x16, 0x1000, 0, 0, 0);
    r = call(0x16, 0x0500, 0, 0x1e61, 0);
    check(r.al == 0, "keyboard: 05h stores a key");
    r = call(0x16, 0x0100, 0, 0, 0);
    check(!(r.flags & ZF) && r.ax == 0x1e61, "keyboard: 01h shows it");
    r = call(0x16, 0x0000, 0, 0, 0);
    check(r.ax == 0x1e61, "keyboard: 00h takes it");
    r = call(0x16, 0x0100, 0, 0, 0);
    check(r.flags & ZF, "keyboard: then there is none");
    call(0x16, 0x0500, 0, 0x48e0, 0);
    r = call(0x16, 0x1000, 0, 0, 0);
    check(r.ax == 0x48e0, "keyboard: 10h, a gray key");
    call(0x16, 0x0500, 0, 0x48e0, 0);
    r = call(0x16, 0x0000, 0, 0, 0);
    check(r.ax == 0x4800, "keyboard: 00h gives it as the old one");
    u32 n = 0;
    while (n < 20 && call(0x16, 0x0500, 0, 0x3920, 0).al == 0)
        n++;
    check(n == 15, "keyboard: the buffer has room for 15");
    while (n--)
        call(0x16, 0x0000, 0, 0, 0);
    r = call(0x16, 0x0200, 0, 0, 0);
    check(r.al == peek8(0x40, 0x17), "keyboard: 02h is 0040:0017");
    /* A with Shift held (scan code set 1). */
    static const u8 codes[] = {0x2a, 0x1e, 0x9e, 0xaa};
    keyboard_types(codes, sizeof(codes));
    r = call(0x16, 0x0100, 0, 0, 0);
    check(!(r.flags & ZF) && r.ax == 0x1e41, "keyboard: INT 09h, Shift and A");
    if (!(r.flags & ZF))
        call(0x16, 0x0000, 0, 0, 0);
}

/* ---- INT 15h/AH=C2h: the PS/2 mouse ---- */

u16 mouse_seen[4]; /* boot.S: status, X, Y, Z of the last packet */
u8 mouse_calls;
void mouse_handler(void);

static void mouse_says(u8 byte)
{
    kbc_says(0xd3, byte);
}

void test_mouse(void)
{
    struct regs r = call(0x15, 0xc205, 0x0300, 0, 0);

    check(!(r.flags & CF) && r.ah == 0, "mouse: C205h, packets of three bytes");
    r = call(0x15, 0xc203, 0x0300, 0, 0);
    check(!(r.flags & CF), "mouse: C203h, resolution");
    r = call(0x15, 0xc204, 0, 0, 0);
    check(!(r.flags & CF) && (r.bh == 0 || r.bh == 3), "mouse: C204h, identifier");
    r = call(0x15, 0xc202, 0x0900, 0, 0);
    check(r.flags & CF && r.ah == 2, "mouse: C202h refuses a rate that there is not");
    r = call(0x15, 0xc205, 0x0900, 0, 0);
    check(r.flags & CF && r.ah == 2, "mouse: C205h refuses packets of 9 bytes");
    r = call(0x15, 0xc201, 0, 0, 0);
    check(!(r.flags & CF) && r.bl == 0xaa && r.bh == 0, "mouse: C201h resets");
    call(0x15, 0xc203, 0x0200, 0, 0);
    call(0x15, 0xc202, 0x0300, 0, 0);
    r = call(0x15, 0xc206, 0, 0, 0);
    check(!(r.flags & CF) && !(r.bl & 0x20) && r.cl == 2 && r.dl == 60,
          "mouse: C206h, off, 4 counts per mm, 60 samples");
    check(!(call(0x15, 0xc206, 0x0200, 0, 0).flags & CF) && call(0x15, 0xc206, 0, 0, 0).bl & 0x10,
          "mouse: C206h sets scaling 2:1");
    call(0x15, 0xc206, 0x0100, 0, 0);
    r = call(0x15, 0xc207, (u32)mouse_handler, 0, 0);
    check(!(r.flags & CF), "mouse: C207h, a handler");
    r = call(0x15, 0xc200, 0x0100, 0, 0);
    check(!(r.flags & CF) && r.ah == 0, "mouse: C200h, on");
    mouse_says(0x29);
    mouse_says(0x05);
    check(mouse_calls == 0, "mouse: two bytes are no packet");
    mouse_says(0xfb);
    check(mouse_calls == 1 && mouse_seen[0] == 0x29 && mouse_seen[1] == 5 &&
              mouse_seen[2] == 0xfb && mouse_seen[3] == 0,
          "mouse: the handler gets status, X and Y");
    r = call(0x15, 0xc200, 0x0000, 0, 0);
    check(!(r.flags & CF), "mouse: off");
    call(0x16, 0x0500, 0, 0x1e61, 0);
    r = call(0x16, 0x0000, 0, 0, 0);
    check(r.ax == 0x1e61, "mouse: the keyboard still works");
}

/* ---- INT 1Ah ---- */

static bool bcd(u8 v, u8 most)
{
    return (v & 15) < 10 && (v >> 4) < 10 && (v >> 4) * 10 + (v & 15) <= most;
}

void test_clock(void)
{
    struct regs r = call(0x1a, 0, 0, 0, 0);
    u32 before = (u32)r.cx << 16 | r.dx;

    for (u32 i = 0; i < 100000000 && peek32(0x40, 0x6c) == before; i++)
        ;
    r = call(0x1a, 0, 0, 0, 0);
    check(((u32)r.cx << 16 | r.dx) > before, "clock: ticks");
    call(0x1a, 0x0100, 0, 0x0012, 0x3456);
    r = call(0x1a, 0, 0, 0, 0);
    check(r.cx == 0x12 && r.dx - 0x3456 < 4, "clock: 01h sets them");
    r = call(0x1a, 0x0200, 0, 0, 0);
    check(!(r.flags & CF) && bcd(r.ch, 23) && bcd(r.cl, 59) && bcd(r.dh, 59),
          "clock: 02h, time of day");
    r = call(0x1a, 0x0400, 0, 0, 0);
    check(!(r.flags & CF) && r.ch >= 0x20 && bcd(r.cl, 99) && bcd(r.dh, 12) && bcd(r.dl, 31),
          "clock: 04h, date");
    call(0x1a, 0x0300, 0, 0x1234, 0x5600);
    r = call(0x1a, 0x0200, 0, 0, 0);
    check(r.cx == 0x1234 && r.dh >= 0x56, "clock: 03h sets the time");
}

/* ---- INT 14h, 17h ---- */

void test_ports(void)
{
    struct regs r = call(0x14, 0x0300, 0, 0, 0);

    check(r.ah & 0x20 && !(r.ah & 0x80), "ports: INT 14h/03h, COM1 can send");
    check(peek16(0x40, 0) == 0x3f8, "ports: COM1 is at 3F8h");
    r = call(0x14, 0x0141, 0, 0, 3);
    check(peek16(0x40, 6) != 0 || r.ah & 0x80,
          "ports: INT 14h, a port that is not there times out");
    r = call(0x17, 0x0200, 0, 0, 2);
    check(peek16(0x40, 12) != 0 || r.ah & 1,
          "ports: INT 17h, a printer that is not there times out");
}

/* ---- PCI BIOS 2.1 and what is in the F segment ---- */

static void pci(void)
{
    struct regs r = call(0x1a, 0xb101, 0, 0, 0);

    check(!(r.flags & CF) && r.ah == 0 && r.edx == 0x20494350 && r.bh == 2 && r.bl >= 0x10,
          "PCI: BIOS 2.1 is there");
    r = (struct regs){.ds = SEG, .es = SEG, .eax = 0xb103, .ecx = 0x060000};
    intr(0x1a, &r);
    check(!(r.flags & CF) && r.bx == 0, "PCI: the host bridge is 00:00.0");
    r.eax = 0xb10a;
    r.edi = 0;
    intr(0x1a, &r);
    u32 id = r.ecx;
    check(!(r.flags & CF) && (id & 0xffff) == 0x8086, "PCI: its vendor is Intel");
    r = (struct regs){.ds = SEG, .es = SEG, .eax = 0xb102, .ecx = id >> 16, .edx = id & 0xffff};
    intr(0x1a, &r);
    check(!(r.flags & CF) && r.bx == 0, "PCI: and it is found by its numbers");
    r.esi = 1;
    r.eax = 0xb102;
    r.ecx = id >> 16;
    r.edx = id & 0xffff;
    intr(0x1a, &r);
    check(r.flags & CF && r.ah == 0x86, "PCI: there is no second");
    r = (struct regs){.ds = SEG, .es = SEG, .eax = 0xb10a, .edi = 2};
    intr(0x1a, &r);
    check(r.flags & CF && r.ah == 0x87, "PCI: a dword at an odd place is refused");
}

/* The offset of a structure on a 16-byte boundary of the F segment, its bytes adding up to 0. */
static u32 find(const char *signature, u32 n, u32 length_at, u32 unit)
{
    for (u32 at = 0; at < 0x10000; at += 16) {
        u32 i = 0;
        u8 sum = 0;

        while (i < n && peek8(0xf000, at + i) == (u8)signature[i])
            i++;
        if (i < n)
            continue;
        u32 length = length_at ? peek8(0xf000, at + length_at) * unit : unit;
        for (i = 0; i < length && at + i < 0x10000; i++)
            sum = (u8)(sum + peek8(0xf000, at + i));
        if (sum == 0)
            return at;
    }
    return 0xffffffff;
}

u32 test_tables(void)
{
    u32 at = find("_32_", 4, 9, 16);

    pci();
    check(at < 0x10000 && peek32(0xf000, at + 4) >= 0xe0000, "tables: BIOS32 service directory");
    u32 directory = peek32(0xf000, at + 4);
    at = find("$PIR", 4, 6, 1);
    check(at < 0x10000, "tables: PCI interrupt routing");
    check(find("_MP_", 4, 8, 16) < 0x10000, "tables: MP floating pointer");
    check(find("RSD PTR ", 8, 0, 20) < 0x10000, "tables: ACPI's root pointer");
    check(find("_SM_", 4, 5, 1) < 0x10000 || find("_SM3_", 5, 6, 1) < 0x10000, "tables: SMBIOS");
    check(peek8(0xf000, 0xfff0) == 0xea && peek8(0xf000, 0xfffe) == 0xfc,
          "tables: reset vector, model");
    return directory;
}
