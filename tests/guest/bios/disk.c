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

static void chs(u8 drive)
{
    struct regs r = disk(drive, 0x0800, 0, 0, 0);

    spt = r.cl & 0x3f;
    heads = (u8)(r.dh + 1);
    check(!(r.flags & CF) && r.ah == 0 && spt && heads && r.dl >= 1, "disk: 08h, geometry");
    r = disk(drive, 0x0201, 1, 0, one);
    check(!(r.flags & CF) && r.ah == 0 && r.al == 1, "disk: 02h, the first sector");
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

/* A sector is changed, read back, and put right again; the last of the suite's megabyte. */
static void writing(u8 drive)
{
    u32 lba = 2000, sector = lba % spt + 1, head = lba / spt % heads, cylinder = lba / spt / heads;
    u32 cx = cylinder << 8 | sector;
    struct regs r;

    for (u32 i = 0; i < 512; i++)
        one[i] = (u8)(i ^ 0x5a);
    r = disk(drive, 0x0301, cx, (u8)head, one);
    check(!(r.flags & CF) && r.ah == 0, "disk: 03h writes");
    r = disk(drive, 0x0201, cx, (u8)head, two);
    check(!(r.flags & CF) && same(), "disk: what was written is read");
}

static struct regs packet_call(u8 drive, u8 ah, u8 *to, u32 lba, u16 n)
{
    static u8 packet[16];
    struct regs r = {.ds = SEG, .es = SEG, .eax = (u32)(ah << 8), .edx = drive, .esi = (u32)packet};

    packet[0] = 16;
    *(u16 *)(packet + 2) = n;
    *(u32 *)(packet + 4) = (u32)SEG << 16 | (u32)to;
    *(u32 *)(packet + 8) = lba;
    *(u32 *)(packet + 12) = 0;
    intr(0x13, &r);
    return r;
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
    r = packet_call(drive, 0x42, two, 0xffffff00, 1);
    check(r.flags & CF && r.ah != 0, "EDD: a block beyond the end fails");
    r = packet_call(drive, 0x44, two, 0, 1);
    check(!(r.flags & CF), "EDD: 44h verifies");
    *(u16 *)info = 66;
    r = (struct regs){.ds = SEG, .es = SEG, .eax = 0x4800, .edx = drive, .esi = (u32)info};
    intr(0x13, &r);
    check(!(r.flags & CF) && *(u16 *)info >= 26 && *(u16 *)(info + 24) == 512 &&
              *(u32 *)(info + 16) >= 2880,
          "EDD: 48h, the drive's parameters");
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

/* An emulated floppy (El Torito 1.0, chapter 5): read-only; 4B01h tells about it. */
static void emulation(u8 drive)
{
    static u8 packet[19];
    struct regs r = {.ds = SEG, .es = SEG, .eax = 0x4b01, .edx = drive, .esi = (u32)packet};

    intr(0x13, &r);
    check(!(r.flags & CF) && packet[0] == 0x13 && packet[1] == 2 && packet[2] == 0,
          "El Torito: 4B01h, drive 0 is a 1.44 MB floppy");
    check(packet[17] == 18 && packet[18] == 1, "El Torito: its geometry");
    r = disk(drive, 0x0301, 2, 0, one);
    check(r.flags & CF && r.ah == 3, "El Torito: it is write-protected");
    r = disk(drive, 0x0212, 0x0101, 1, (u8 *)0x8000);
    check(!(r.flags & CF) && r.ah == 0, "El Torito: a whole track");
    r.eax = 0x4b00;
    r.esi = (u32)packet;
    r.edx = drive;
    intr(0x13, &r);
    r = disk(drive, 0x0201, 1, 0, two);
    check(r.flags & CF, "El Torito: after 4B00h it is gone");
}

static bool is_emulated(u8 drive)
{
    static u8 packet[19];
    struct regs r = {.ds = SEG, .es = SEG, .eax = 0x4b01, .edx = drive, .esi = (u32)packet};

    intr(0x13, &r);
    return !(r.flags & CF) && packet[1] & 15;
}

void test_disk(u8 drive)
{
    chs(drive);
    if (is_emulated(drive)) {
        emulation(drive);
        return;
    }
    writing(drive);
    if (drive & 0x80)
        edd(drive);
}
