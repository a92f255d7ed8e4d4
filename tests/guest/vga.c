/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The display adapter as a processor meets it: windows that are memory one moment and a device the
 * next, code in video memory, latches, and time. Run with -vga std. */
#include "lib/rt.h"

static volatile uint8_t *const window = (uint8_t *)0xa0000;
static volatile uint16_t *const text = (uint16_t *)0xb8000;
static volatile uint8_t *frame; /* the linear framebuffer */

static void set(uint16_t port, uint8_t index, uint8_t v)
{
    outb(port, index);
    outb(port + 1, v);
}

static uint8_t get(uint16_t port, uint8_t index)
{
    outb(port, index);
    return inb(port + 1);
}

static uint32_t config(unsigned reg)
{
    uint32_t v;

    outl(0xcf8, 0x80001000 + reg); /* 00:02.0 */
    __asm__ volatile("inl %1,%0" : "=a"(v) : "Nd"((uint16_t)0xcfc));
    return v;
}

static void dispi(uint16_t index, uint16_t v)
{
    __asm__ volatile("outw %0,%1" ::"a"(index), "d"((uint16_t)0x1ce));
    __asm__ volatile("outw %0,%1" ::"a"(v), "d"((uint16_t)0x1cf));
}

static void copy_bytes(volatile uint8_t *to, volatile uint8_t *from, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
}

static void text_mode(void)
{
    check("misc output", inb(0x3cc), 0x67);
    check("80 columns", get(0x3d4, 1), 0x4f);
    text[0] = 0x1f41;
    text[1999] = 0x2e42;
    check("a character", text[0], 0x1f41);
    check("the last one", text[1999], 0x2e42);
    check("32 KiB of them: they repeat no earlier", text[0x2000] == 0x1f41, 0);
}

/* 640x480x16 far enough for the memory to behave: the map at A0000, all planes, no odd/even. */
static void planes(void)
{
    set(0x3c4, 2, 0x0f);
    set(0x3c4, 4, 0x06);
    set(0x3ce, 5, 0x00);
    set(0x3ce, 6, 0x05);
    for (unsigned n = 0; n < 4; n++) {
        set(0x3c4, 2, 1 << n);
        for (unsigned i = 0; i < 64; i++)
            window[i] = i * (n + 3);
    }
    set(0x3c4, 2, 0x0f);
    set(0x3ce, 5, 1); /* write mode 1: REP MOVSB copies four planes by way of the latches */
    copy_bytes(window + 0x100, window, 64);
    set(0x3ce, 5, 0);
    for (unsigned n = 0; n < 4; n++) {
        bool same = true;

        set(0x3ce, 4, n);
        for (unsigned i = 0; i < 64; i++)
            same &= window[0x100 + i] == (uint8_t)(i * (n + 3));
        report(same, "a plane copied by the latches");
    }
    set(0x3ce, 4, 0);
    set(0x3ce, 8, 0x0f); /* read-modify-write under a bit mask, in one instruction */
    window[0] = 0;
    set(0x3ce, 8, 0xf0);
    __asm__ volatile("orb $0xff,%0" : "+m"(window[0]));
    set(0x3ce, 8, 0xff);
    check("an OR under a bit mask", window[0], 0xf0);
}

/* Chained the window is memory; one register more and it is a device again. */
static void chain4(void)
{
    set(0x3c4, 2, 0x0f);
    set(0x3c4, 4, 0x0e);
    set(0x3ce, 8, 0xff);
    for (unsigned i = 0; i < 0x10000; i++)
        window[i] = i ^ i >> 8;
    bool same = true;
    for (unsigned i = 0; i < 0x10000; i++)
        same &= window[i] == (uint8_t)(i ^ i >> 8);
    report(same, "64 KiB of chained memory");
    set(0x3c4, 2, 0x01); /* the same instruction meets a device */
    for (unsigned i = 0; i < 8; i++)
        window[i] = 0x99;
    set(0x3c4, 2, 0x0f);
    check("a chained plane mask: its byte", window[4], 0x99);
    check("a chained plane mask: another", window[5], 5);
    set(0x3c4, 4, 0x06);
    set(0x3ce, 4, 3);
    check("unchained: plane 3", window[4], 7);
}

/* The same bytes at two addresses, one of them executed. */
static void code(void)
{
    static const uint8_t function[] = {0xb8, 1, 0, 0, 0, 0xc3}; /* mov $1,%eax; ret */
    unsigned (*run)(void);

    dispi(4, 0);
    dispi(1, 640);
    dispi(2, 400);
    dispi(3, 8);
    dispi(4, 0x41);
    frame = (uint8_t *)(word)(config(0x10) & ~15u);
    for (unsigned i = 0; i < sizeof(function); i++)
        frame[0x10000 + i] = function[i];
    run = (unsigned (*)(void))(word)(frame + 0x10000);
    check("code in video memory", run(), 1);
    frame[0x10001] = 2;
    check("changed there", run(), 2);
    dispi(5, 1);
    window[1] = 3;
    check("changed through the window", run(), 3);
    dispi(5, 0);
    window[1] = 4;
    check("another bank is another place", run(), 3);
    check("which is this one", frame[1], 4);
    dispi(4, 0);
}

/* Retrace comes and goes; the display is off meanwhile. */
static void retrace(void)
{
    bool consistent = true;

    for (unsigned n = 0; n < 3; n++) {
        uint8_t status;

        while (inb(0x3da) & 8)
            ;
        while (!((status = inb(0x3da)) & 8))
            ;
        consistent &= status & 1;
    }
    report(consistent, "three retraces");
}

/* VMware's port answers in registers; where it is not there it reads as ones. */
static void backdoor(void)
{
    uint32_t a = 0x564d5868, b = 0, c = 10, d = 0x5658;
    word si = 0x1234, di = 0x5678;

    __asm__ volatile("inl %%dx,%%eax" : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di));
    if (a == 0xffffffff) {
        check("no port: EBX stays", b, 0);
        return;
    }
    check("the port's version", a, 6);
    check("EBX has the magic number", b, 0x564d5868);
    check("EDX is as it was", d, 0x5658);
    check("ESI is as it was", si, 0x1234);
    check("EDI is as it was", di, 0x5678);
}

void guest_main(void)
{
    check("the adapter", config(0), 0x11111234);
    text_mode();
    planes();
    chain4();
    code();
    retrace();
    backdoor();
}
