/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC/AT's chips as programs expect them, vectors and the BIOS data area. */
#include "post.h"

/* ---- chips ---- */

/* Vectors 08h and 70h; all masked but the cascade. */
static void pic_init(void)
{
    outb(0x20, 0x11);
    outb(0xa0, 0x11);
    outb(0x21, 0x08);
    outb(0xa1, 0x70);
    outb(0x21, 0x04);
    outb(0xa1, 0x02);
    outb(0x21, 0x01);
    outb(0xa1, 0x01);
    outb(0x21, 0xfb);
    outb(0xa1, 0xff);
}

/* Channel 0: 18.2 Hz, mode 3; 1: refresh, every 15 us; 2: 1 kHz for the speaker. */
static void pit_init(void)
{
    outb(0x43, 0x36);
    outb(0x40, 0);
    outb(0x40, 0);
    outb(0x43, 0x54);
    outb(0x41, 18);
}

static void dma_init(void)
{
    outb(0x0d, 0); /* master clear */
    outb(0xda, 0);
    outb(0xd6, 0xc0); /* cascade */
    outb(0xd4, 0x00);
}

/* 32768 Hz, 1024 Hz periodic; 24 hours, BCD, no interrupts. */
static void rtc_init(void)
{
    cmos_write(0x0a, 0x26);
    cmos_write(0x0b, 0x02);
    cmos_read(0x0c);
    cmos_read(0x0d);
}

void chipset_init(void)
{
    pic_init();
    pit_init();
    dma_init();
    rtc_init();
    outb(0xf0, 0);
}

/* ---- the keyboard controller ---- */

static bool wait_input(void)
{
    for (u32 start = timer_now(); inb(0x64) & 2;)
        if (timer_past(start, 200))
            return false;
    return true;
}

static s32 read_output(u32 ms)
{
    for (u32 start = timer_now(); !(inb(0x64) & 1);)
        if (timer_past(start, ms))
            return -1;
    return inb(0x60);
}

static void kbc_command(u8 command)
{
    wait_input();
    outb(0x64, command);
}

/* Self test, then the keyboard is reset; interrupts on, translation to set 1, the mouse off. */
static void keyboard_init(void)
{
    while (inb(0x64) & 1)
        inb(0x60);
    kbc_command(0xaa);
    if (read_output(500) != 0x55) {
        debug("no keyboard controller\n");
        return;
    }
    kbc_command(0x60);
    wait_input();
    outb(0x60, 0x30); /* both off, no interrupts */
    kbc_command(0xae);
    wait_input();
    outb(0x60, 0xff);
    if (read_output(500) == 0xfa)
        read_output(1000); /* AAh */
    wait_input();
    outb(0x60, 0xf4);
    read_output(200);
    kbc_command(0x60);
    wait_input();
    outb(0x60, 0x61);
}

/* A20 on by the keyboard controller alone, as after its reset: a program may then switch it off
 * there, or by INT 15h/AH=24h. Without a controller port 92h keeps it. */
static void a20_init(void)
{
    volatile u32 *low = (u32 *)0x4f0, *high = (u32 *)0x1004f0;

    kbc_command(0xd1);
    wait_input();
    outb(0x60, 0xdf);
    wait_input();
    outb(0x92, inb(0x92) & ~3);
    *low = 0x12345678;
    *high = 0;
    if (*low == 0)
        outb(0x92, inb(0x92) | 2);
    *low = 0;
}

void interrupts_on(void)
{
    keyboard_init();
    a20_init();
    outb(0x21, inb(0x21) & ~0x43); /* timer, keyboard, floppy */
    outb(0xa1, inb(0xa1) & ~0xc0); /* disks: only a flag is set */
}

/* ---- vectors ---- */

static void set_vector(u8 vector, u16 offset)
{
    ((volatile u32 *)0)[vector] = FARPTR(SEG_BIOS, offset);
}

static void vectors_init(void)
{
    static const struct {
        u8 vector;
        u16 offset;
    } table[] = {
        {0x02, F_NMI},   {0x05, F_INT05}, {0x08, F_INT08}, {0x09, F_INT09}, {0x0e, F_INT0E},
        {0x10, F_INT10}, {0x11, F_INT11}, {0x12, F_INT12}, {0x13, F_INT13}, {0x14, F_INT14},
        {0x15, F_INT15}, {0x16, F_INT16}, {0x17, F_INT17}, {0x18, F_INT18}, {0x19, F_INT19},
        {0x1a, F_INT1A}, {0x1c, F_IRET},  {0x1e, F_DPT},   {0x40, F_INT40}, {0x70, F_INT70},
        {0x74, F_INT74}, {0x75, F_INT75}, {0x76, F_INT76}, {0x77, F_INT76},
    };

    for (u32 i = 0; i < 0x78; i++)
        set_vector((u8)i, F_IRET);
    for (u32 i = 0x08; i < 0x10; i++)
        set_vector((u8)i, F_IRQ_M);
    for (u32 i = 0x70; i < 0x78; i++)
        set_vector((u8)i, F_IRQ_S);
    for (u32 i = 0x60; i < 0x68; i++)
        ((volatile u32 *)0)[i] = 0; /* for programs */
    for (u32 i = 0x78; i < 0x100; i++)
        ((volatile u32 *)0)[i] = 0;
    for (u32 i = 0; i < ARRAY_SIZE(table); i++)
        set_vector(table[i].vector, table[i].offset);
    ((volatile u32 *)0)[0x1d] = 0;
    ((volatile u32 *)0)[0x1f] = 0;
    ((volatile u32 *)0)[0x41] = 0; /* disk parameter tables: drive.c */
    ((volatile u32 *)0)[0x46] = 0;
}

/* ---- the BIOS data area ---- */

/* A 16450 and later: the scratch register keeps what is written. */
static bool is_uart(u16 port)
{
    outb((u16)(port + 7), 0x5a);
    if (inb((u16)(port + 7)) != 0x5a)
        return false;
    return !(inb((u16)(port + 2)) & 0x30);
}

static void set_rate(u16 port)
{
    outb((u16)(port + 3), 0x83);
    outb(port, 1); /* 115200 */
    outb((u16)(port + 1), 0);
    outb((u16)(port + 3), 0x03);
    outb((u16)(port + 2), 0x07);
    outb((u16)(port + 4), 0x03);
}

static void ports_init(void)
{
    static const u16 uarts[4] = {0x3f8, 0x2f8, 0x3e8, 0x2e8}, printers[3] = {0x378, 0x278, 0x3bc};
    u32 n = 0, m = 0;

    for (u32 i = 0; i < 4; i++)
        if (is_uart(uarts[i])) {
            bda->com[n] = uarts[i];
            bda->com_timeout[n++] = 1;
        }
    for (u32 i = 0; i < 3; i++) {
        outb(printers[i], 0xaa);
        if (inb(printers[i]) == 0xaa) {
            bda->lpt[m] = printers[i];
            bda->lpt_timeout[m++] = 0x14;
        }
    }
    bda->equipment = (u16)((bda->equipment & ~0xce00) | n << 9 | m << 14);
    if (n)
        set_rate(bda->com[0]);
}

/* Ticks since midnight from the RTC. */
static void ticks_init(void)
{
    u8 s = cmos_read(0), m = cmos_read(2), h = cmos_read(4);
    u32 seconds = (u32)((h >> 4) * 10 + (h & 15)) * 3600 + (u32)((m >> 4) * 10 + (m & 15)) * 60 +
                  (u32)((s >> 4) * 10 + (s & 15));

    bda->ticks = (u32)divu64((u64)seconds * 0x1800b0, 86400);
}

void bda_init(void)
{
    memset((void *)bda, 0, 0x100);
    vectors_init();
    memset((void *)(EBDA_SEG << 4), 0, 1024);
    *(volatile u8 *)(EBDA_SEG << 4) = 1; /* KiB */
    bda->ebda_seg = EBDA_SEG;
    bda->memory_kib = 639;
    bda->equipment = 0x0026; /* FPU, mouse, 80x25 color */
    bda->kbd_start = bda->kbd_head = bda->kbd_tail = 0x1e;
    bda->kbd_end = 0x3e;
    bda->kbd_mode = 0x10; /* 101 or 102 keys */
    bda->crtc = 0x3d4;
    bda->video_cols = 80;
    bda->video_rows = 24;
    ports_init();
    ticks_init();
}
