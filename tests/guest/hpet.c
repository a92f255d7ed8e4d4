/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HPET at its usual place (IA-PC HPET specification 1.0a): counter, comparators, and legacy
 * replacement, which takes IRQ 0 from the PIT and IRQ 8 from the RTC. Waits have no bound: a host
 * that stops the guest stops all its clocks. */
#include "lib/rt.h"

static volatile uint32_t *const hpet = (uint32_t *)0xfed00000;

enum { ID = 0, PERIOD = 1, CONFIG = 4, STATUS = 8, COUNTER = 0x3c };
#define TN_CONFIG(n) (0x40 + 8 * (n))
#define TN_CMP(n)    (0x42 + 8 * (n))
enum { TN_ENABLE = 4, TN_PERIODIC = 8, TN_SET = 0x40, TN_32BIT = 0x100 };

static volatile unsigned hits[2];

static void irq0(struct frame *f)
{
    (void)f;
    hits[0]++;
    pic_eoi(0);
}

static void irq8(struct frame *f)
{
    (void)f;
    hits[1]++;
    rtc(0x0c);
    pic_eoi(8);
}

static void wait_for(unsigned n, unsigned count)
{
    while (hits[n] < count)
        __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
}

static unsigned pit_count(void)
{
    outb(0x43, 0);
    unsigned lo = inb(0x40);
    return lo | (unsigned)inb(0x40) << 8;
}

/* HPET ticks in `ticks` of the PIT. */
static uint32_t measure(uint32_t ticks)
{
    unsigned last = pit_count();
    uint32_t start = hpet[COUNTER];

    for (uint32_t passed = 0; passed < ticks;) {
        unsigned now = pit_count();
        passed += (last - now) & 0xffff;
        last = now;
    }
    return hpet[COUNTER] - start;
}

static void counter(uint32_t hz)
{
    bool near = false;

    hpet[CONFIG] = 0;
    hpet[COUNTER] = 1234;
    hpet[COUNTER + 1] = 0;
    check("a halted counter keeps its value", hpet[COUNTER], 1234);
    hpet[CONFIG] = 1;
    while (hpet[COUNTER] == 1234)
        ;
    report(hpet[COUNTER] - 1234 < 0x80000000, "the counter counts up");
    outb(0x43, 0x34);
    outb(0x40, 0);
    outb(0x40, 0);
    for (int i = 0; i < 10 && !near; i++) {
        uint32_t got = measure(59659); /* a twentieth of a second */
        near = got > hz / 20 * 3 / 4 && got < hz / 20 * 5 / 4;
    }
    report(near, "the HPET agrees with the PIT");
}

static void legacy_replacement(uint32_t hz)
{
    pic_mask(0xfefa);
    hpet[CONFIG] = 0;
    hpet[TN_CONFIG(0)] = TN_ENABLE | TN_PERIODIC | TN_SET | TN_32BIT;
    hpet[TN_CMP(0)] = hpet[COUNTER] + hz / 1000;
    hpet[TN_CMP(0)] = hz / 1000;
    check("VAL_SET clears itself", hpet[TN_CONFIG(0)] & TN_SET, 0); /* at the latest now */
    hits[0] = 0;
    hpet[CONFIG] = 3;
    wait_for(0, 5);
    report(true, "timer 0, periodic, interrupts through IRQ 0");
    hpet[TN_CONFIG(0)] = 0;
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");

    hits[0] = 0;
    outb(0x43, 0x34); /* the PIT at 18.2 Hz is cut off */
    outb(0x40, 0);
    outb(0x40, 0);
    hpet[TN_CONFIG(1)] = TN_ENABLE | TN_32BIT;
    hpet[TN_CMP(1)] = hpet[COUNTER] + hz / 8;
    wait_for(1, 1);
    report(true, "timer 1, one-shot, interrupts through IRQ 8");
    check("the PIT does not meanwhile", hits[0], 0);
    check("an edge leaves no status", hpet[STATUS], 0);
    hpet[TN_CONFIG(1)] = 0;
    hpet[CONFIG] = 1;
    wait_for(0, 1);
    report(true, "without replacement the PIT interrupts again");
    pic_mask(0xffff);
}

void guest_main(void)
{
    uint32_t hz;

    handlers[0x20] = irq0;
    handlers[0x28] = irq8;
    check("revision 1 or later", (hpet[ID] & 0xff) != 0, 1);
    report((hpet[ID] >> 8 & 31) >= 2, "three timers");
    check("64-bit counter, legacy replacement", hpet[ID] & 0xa000, 0xa000);
    report(hpet[PERIOD] && hpet[PERIOD] <= 100000000, "at least 10 MHz");
    if (!hpet[PERIOD])
        quit(1);
    hz = 1000000000u / (hpet[PERIOD] / 1000) * 1000;
    counter(hz);
    legacy_replacement(hz);
}
