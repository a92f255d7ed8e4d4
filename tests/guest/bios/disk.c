/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INT 13h on the drive booted from: CHS (interrupt list), and for hard disks EDD 3.0 (T13 D1386).
 */
#include "suite.h"

static u8 one[512] __attribute__((aligned(16))), two[512] __attribute__((aligned(16)));

static struct regs disk(u8 drive, u32 ax, u32 cx, u8 dh, u8 *to)
{
    struct regs r = {
        .ds = SEG, .es = SEG, .eax = ax, .ebx = (u32)to, .ecx = cx, .edx = (u32)(dh << 8 | drive)};

    intr(0x13, &r);
    return r;
}

static bool same(void)
{
    for (u32 i = 0; i < 512; i++)
        if (one[i] != two[i])
            return 0;
    return 1;
}

static u8 spt, heads;

static void copy(u8 *to, u32 from)
{
    for (u32 i = 0; i < 512; i++)
        to[i] = peek8(SEG, from + i);
}

static void chs(u8 drive)
{
    struct regs r = disk(drive, 0x0800, 0, 0, 0);

    spt = r.cl & 0x3f;
    heads = (u8)(r.dh + 1);
    check(!(r.flags & CF) && r.ah == 0 && spt && heads && r.dl >= 1, "disk: 08h, geometry");
    r = disk(drive, 0x0201, 1, 0, one);
    check(!(r.flags & CF) && r.ah == 0 && r.al == 1, "disk: 02h, the first sector");
    if (one[0x18]) { /* the medium's geometry */
        spt = one[0x18];
        heads = one[0x1a];
    }
    check(one[510] == 0x55 && one[511] == 0xaa, "disk: it is a boot sector");
    r = disk(drive, 0x0100, 0, 0, 0);
    check(r.ah == 0, "disk: 01h, the last status");
    r = disk(drive, 0x0201, 0, 0, two);
    check(r.flags & CF && r.ah != 0, "disk: there is no sector 0");
    r = disk(drive, 0x0401, 2, 0, 0);
    check(!(r.flags & CF), "disk: 04h verifies");
    r = disk(drive, 0x0000, 0, 0, 0);
    check(!(r.flags & CF) && r.ah == 0, "disk: 00h resets");
    r = disk(drive, 0x1500, 0, 0, 0);
    check(!(r.flags & CF) && (drive & 0x80 ? r.ah == 3 : r.ah == 1 || r.ah == 2),
          "disk: 15h, its type");
    r = disk(drive & 0x80 ? 0xd5 : 0x55, 0x0201, 1, 0, two);
    check(r.flags & CF && r.ah != 0, "disk: a drive that is not there fails");
}

/* A sector behind the suite is changed and read back. */
static void writing(u8 drive)
{
    u32 lba = drive & 0x80 ? 2000 : 300, sector = lba % spt + 1, head = lba / spt % heads,
        cylinder = lba / spt / heads;
    u32 cx = cylinder << 8 | sector;
    struct regs r;

    for (u32 i = 0; i < 512; i++)
        one[i] = (u8)(i ^ 0x5a);
    r = disk(drive, 0x0301, cx, (u8)head, one);
    check(!(r.flags & CF) && r.ah == 0, "disk: 03h writes");
    r = disk(drive, 0x0201, cx, (u8)head, two);
    check(!(r.flags & CF) && same(), "disk: what was written is read");
}

static struct regs packet_call(u8 drive, u8 ah, u8 *to, u64 lba, u16 n)
{
    static u8 packet[16];
    struct regs r = {.ds = SEG, .es = SEG, .eax = (u32)(ah << 8), .edx = drive, .esi = (u32)packet};

    packet[0] = 16;
    *(u16 *)(packet + 2) = n;
    *(u32 *)(packet + 4) = (u32)SEG << 16 | (u32)to;
    *(u64 *)(packet + 8) = lba;
    intr(0x13, &r);
    return r;
}

/* A packet of 24 bytes with a flat address (3.0, table 3); where CX bit 3 says so. */
static void flat(u8 drive)
{
    static struct {
        u8 size, zero;
        u16 count;
        u32 buffer;
        u64 lba, address;
    } __attribute__((packed)) packet = {24, 0, 1, 0xffffffff, 2000, 0};
    struct regs r = {.ds = SEG, .es = SEG, .eax = 0x4100, .ebx = 0x55aa, .edx = drive};

    intr(0x13, &r);
    if (!(r.cx & 8))
        return;
    for (u32 i = 0; i < 512; i++)
        two[i] = 0;
    packet.address = SEG * 16 + (u32)two;
    r.eax = 0x4200;
    r.esi = (u32)&packet;
    intr(0x13, &r);
    check(!(r.flags & CF) && same(), "EDD: 42h with a flat address");
    r.eax = 0x4500;
    intr(0x13, &r);
    check(r.flags & CF && r.ah == 0xb2, "EDD: a fixed disk cannot be locked");
}

/* CHS by translation reaches the first 8 GB of any disk (1024 cylinders, 255 heads, 63 sectors),
 * and 42h the last sector. */
static void translation(u8 drive, u64 sectors)
{
    struct regs r = disk(drive, 0x0800, 0, 0, 0);
    u32 cylinders = (u32)(r.ch | (r.cl & 0xc0) << 2) + 1, reached = cylinders * heads * spt;
    u32 least = sectors > 16450560 ? 16450560 - 16065 * 2 : (u32)sectors - (u32)sectors / 8 - 1008;

    check(reached <= sectors && reached >= least, "disk: 08h reaches what CHS can");
    r = disk(drive, 0x0201, (r.ch << 8) | (r.cl & 0xc0) | spt, (u8)(heads - 1), two);
    check(!(r.flags & CF), "disk: the last of these sectors");
    r = disk(drive, 0x1500, 0, 0, 0);
    check(r.ah == 3 && ((u32)r.cx << 16 | r.dx) <= reached, "disk: 15h, their number");
    r = packet_call(drive, 0x42, two, sectors - 1, 1);
    check(!(r.flags & CF), "EDD: the disk's last sector");
}

static void edd(u8 drive)
{
    static u8 info[80];
    struct regs r = {.ds = SEG, .es = SEG, .eax = 0x4100, .ebx = 0x55aa, .edx = drive};

    intr(0x13, &r);
    check(!(r.flags & CF) && r.bx == 0xaa55 && r.ah >= 0x21 && r.cx & 1,
          "EDD: 41h, extensions are there");
    r = packet_call(drive, 0x42, two, 2000, 1);
    check(!(r.flags & CF) && same(), "EDD: 42h reads what CHS wrote");
    r = packet_call(drive, 0x42, two, 0xffffffffff00, 1);
    check(r.flags & CF && r.ah != 0, "EDD: a block beyond the end fails");
    flat(drive);
    r = packet_call(drive, 0x44, two, 0, 1);
    check(!(r.flags & CF), "EDD: 44h verifies");
    *(u16 *)info = 66;
    r = (struct regs){.ds = SEG, .es = SEG, .eax = 0x4800, .edx = drive, .esi = (u32)info};
    intr(0x13, &r);
    check(!(r.flags & CF) && *(u16 *)info >= 26 && *(u16 *)(info + 24) == 512 &&
              *(u32 *)(info + 16) >= 2880,
          "EDD: 48h, the drive's parameters");
    translation(drive, *(u64 *)(info + 16));
    u8 sum = 0;
    for (u32 i = 30; i < 66; i++)
        sum = (u8)(sum + info[i]);
    check(*(u16 *)info < 66 || (*(u16 *)(info + 30) == 0xbedd && sum == 0 && info[36] == 'P'),
          "EDD: the device path, on PCI, and its checksum");
    *(u16 *)info = 10;
    r = (struct regs){.ds = SEG, .es = SEG, .eax = 0x4800, .edx = drive, .esi = (u32)info};
    intr(0x13, &r);
    check(r.flags & CF, "EDD: a buffer too small is refused");
}

static bool is_emulated(u8 drive)
{
    static u8 packet[19];
    struct regs r = {.ds = SEG, .es = SEG, .eax = 0x4b01, .edx = drive, .esi = (u32)packet};

    intr(0x13, &r);
    return !(r.flags & CF) && packet[1] & 15;
}

/* As DOS does: INT 1Eh's table says how many sectors the tracks have. */
static u8 table[11];

static void set_table(u32 to)
{
    for (u32 i = 0; i < 4; i++)
        poke8(0, 0x1e * 4 + i, (u8)(to >> i * 8));
}

static void next_head(u8 drive)
{
    u32 saved = peek32(0, 0x1e * 4);
    struct regs r;

    for (u32 i = 0; i < sizeof(table); i++)
        table[i] = peek8((u16)(saved >> 16), (saved & 0xffff) + i);
    table[4] = spt;
    set_table((u32)SEG << 16 | (u32)table);
    r = disk(drive, 0x0202, spt, 0, (u8 *)TRACK);
    disk(drive, 0x0201, 1, 1, two);
    copy(one, TRACK + 512);
    check(!(r.flags & CF) && same(), "disk: from the last sector on to the next head");
    if (!(drive & 0x80) && !is_emulated(drive)) {
        table[4] = (u8)(spt + 9);
        r = disk(drive, 0x0200 | (spt + 1), 1, 0, (u8 *)TRACK);
        check(r.flags & CF, "disk: but not where tracks are thought to be longer");
    }
    set_table(saved);
}

/* Whole tracks, the next head's among them; and with A20 off, which what moves data must mind. */
static void tracks(u8 drive)
{
    struct regs r;
    u8 n = spt > 18 ? 18 : spt;

    r = disk(drive, 0x0200 | n, 1, 0, (u8 *)TRACK);
    check(!(r.flags & CF) && r.al == n && peek16(SEG, TRACK + 510) == 0xaa55,
          "disk: a whole track is read");
    if (heads > 1)
        next_head(drive);
    call(0x15, 0x2400, 0, 0, 0);
    r = disk(drive, 0x0201, 1, 0, one);
    check(!(r.flags & CF) && one[510] == 0x55 && one[511] == 0xaa, "disk: with A20 off");
    call(0x15, 0x2401, 0, 0, 0);
}

/* 08h's table and 18h's; a track formatted: all its bytes are the table's filler. */
static void floppy_only(u8 drive)
{
    static u8 ids[36 * 4];
    struct regs r = disk(drive, 0x0800, 0, 0, 0);
    u32 given, saved = peek32(0, 0x1e * 4);
    u8 last = r.ch;

    check(peek8(r.es, r.edi + 4) == (r.cl & 0x3f) && peek8(r.es, r.edi + 3) == 2,
          "floppy: 08h, the drive's parameter table");
    if (peek8(r.es, r.edi + 4) != spt)
        return;
    r = disk(drive, 0x1800, (u32)last << 8 | spt, 0, 0);
    check(!(r.flags & CF) && peek8(r.es, r.edi + 4) == spt, "floppy: 18h, a medium to format");
    given = (u32)r.es << 16 | (r.edi & 0xffff);
    set_table(given);
    for (u8 i = 0; i < spt && i < 36; i++) {
        ids[i * 4] = 30;
        ids[i * 4 + 1] = 0;
        ids[i * 4 + 2] = (u8)(i + 1);
        ids[i * 4 + 3] = 2;
    }
    r = disk(drive, 0x0500 | spt, 30 << 8 | 1, 0, ids);
    set_table(saved);
    check(!(r.flags & CF) && r.ah == 0, "floppy: 05h formats a track");
    r = disk(drive, 0x0201, 30 << 8 | spt, 0, two);
    check(!(r.flags & CF) && two[0] == 0xf6 && two[511] == 0xf6,
          "floppy: its last sector is blank");
    r = disk(drive, 0x1600, 0, 0, 0);
    check(!(r.flags & CF) && r.ah == 0, "floppy: 16h, not changed");
}

static void emulated_edd(u8 drive)
{
    static u8 info[26] = {26};
    struct regs r = {.ds = SEG, .es = SEG, .eax = 0x4100, .ebx = 0x55aa, .edx = drive};

    intr(0x13, &r);
    check(!(r.flags & CF) && r.bx == 0xaa55 && r.cx & 1, "El Torito: 41h of an emulated disk");
    r = packet_call(drive, 0x42, two, 0, 1);
    check(!(r.flags & CF) && same(), "El Torito: 42h reads as 02h");
    r = packet_call(drive, 0x42, two, 2880, 1);
    check(r.flags & CF, "El Torito: 42h, nothing behind the image");
    r = (struct regs){.ds = SEG, .es = SEG, .eax = 0x4800, .edx = drive, .esi = (u32)info};
    intr(0x13, &r);
    check(!(r.flags & CF) && *(u32 *)(info + 16) == 2880, "El Torito: 48h, its sectors");
    check(peek8(0x40, 0x75) == disk(drive, 0x0800, 0, 0, 0).dl, "El Torito: it is counted");
}

static struct regs packet_function(u16 ax, u8 drive, u8 *packet)
{
    struct regs r = {.ds = SEG, .es = SEG, .eax = ax, .edx = drive, .esi = (u32)packet};

    intr(0x13, &r);
    return r;
}

/* hooks.S: INT 13h/AH=4Ch, which a boot sector of ours comes back from by the mark that it finds at
 * 0050:0000. Returns AX and, in bit 16, CF if it did come back from the call; the drive in bits 24
 * to 31 otherwise. */
u32 boot_again(const u8 *packet);

/* The image with which emulation has ended, started again: 4Ah, 4Ch (figure 4's packet). */
static void again(u8 drive, u8 *packet)
{
    struct regs r;
    u32 booted;

    r = packet_function(0x4a00, 0x7f, packet);
    check(!(r.flags & CF) && r.ah == 0, "El Torito: 4A00h emulates it again");
    r = disk(drive, 0x0201, 1, 0, two);
    check(!(r.flags & CF) && two[510] == 0x55 && two[511] == 0xaa, "El Torito: it can be read");
    r = packet_function(0x4b01, 0x7f, one);
    check(!(r.flags & CF) && one[1] == packet[1] && one[2] == drive && one[17] == packet[17] &&
              *(u32 *)(one + 4) == *(u32 *)(packet + 4),
          "El Torito: 4B01h tells so");
    packet[3] ^= 8;
    r = packet_function(0x4a00, 0x7f, packet);
    check(r.flags & CF && r.ah, "El Torito: 4A00h, a controller that is not there");
    packet[3] ^= 8;
    packet_function(0x4b00, 0x7f, one);
    packet[17] = 0; /* the geometry is the medium's */
    booted = boot_again(packet);
    check(booted == ((u32)drive << 24), "El Torito: 4C00h boots it");
    packet_function(0x4b00, 0x7f, packet);
    check(packet[17] == 18 && packet[18] == 1, "El Torito: with its geometry");
}

/* An emulated floppy or disk (El Torito 1.0, chapter 5): read-only; 4B01h tells about it. */
static void emulation(u8 drive)
{
    static u8 packet[19];
    struct regs r = {.ds = SEG, .es = SEG, .eax = 0x4b01, .edx = drive, .esi = (u32)packet};

    intr(0x13, &r);
    check(!(r.flags & CF) && packet[0] == 0x13 && packet[1] == (drive ? 4 : 2) &&
              packet[2] == drive,
          "El Torito: 4B01h, drive 0 is a 1.44 MB floppy, or 80h a disk");
    check(packet[17] == 18 && packet[18] == 1, "El Torito: its geometry");
    if (drive)
        emulated_edd(drive);
    else
        check(call(0x11, 0, 0, 0, 0).ax & 1, "El Torito: INT 11h, there is a floppy drive");
    packet[0] = 8;
    packet[1] = 1;
    *(u32 *)(packet + 2) = (u32)SEG << 16 | TRACK;
    *(u16 *)(packet + 6) = 0;
    r.eax = 0x4d00;
    r.edx = drive;
    r.esi = (u32)packet;
    intr(0x13, &r);
    check(!(r.flags & CF) && peek8(SEG, TRACK) == 1 && peek16(SEG, TRACK + 30) == 0xaa55,
          "El Torito: 4D00h, the boot catalog");
    r = disk(drive, 0x0301, 2, 0, one);
    check(r.flags & CF && r.ah == 3, "El Torito: it is write-protected");
    r = disk(drive, 0x0212, 0x0101, 1, (u8 *)TRACK);
    check(!(r.flags & CF) && r.ah == 0, "El Torito: a whole track");
    r.eax = 0x4b00;
    r.esi = (u32)packet;
    r.edx = drive;
    intr(0x13, &r);
    r = disk(drive, 0x0201, 1, 0, two);
    check(r.flags & CF || peek8(0x40, 0x75), "El Torito: after 4B00h it is gone");
    again(drive, packet);
}

void test_disk(u8 drive)
{
    chs(drive);
    if (drive & 0x80)
        check(drive == 0x80, "disk: the one that is booted is 80h");
    if (is_emulated(drive)) {
        emulation(drive);
        return;
    }
    tracks(drive);
    writing(drive);
    if (drive & 0x80)
        edd(drive);
    else
        floppy_only(drive);
}
