/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clocks against each other: PIT, RTC and TSC must run, forwards, and agree roughly. Bounds are
 * wide: a loaded host may hold the guest up, but all clocks with it. */
#include "lib/rt.h"

static unsigned pit_count(void)
{
    outb(0x43, 0); /* latch channel 0 */
    unsigned lo = inb(0x40);
    return lo | (unsigned)inb(0x40) << 8;
}

static volatile unsigned rtc_hits;
static void rtc_irq(struct frame *f)
{
    (void)f;
    rtc(0x0c);
    rtc_hits++;
    pic_eoi(8);
}

/* PIT ticks and TSC cycles while `n` periodic RTC interrupts of 1024 Hz pass. */
static void measure(unsigned n, uint64_t *pit, uint64_t *tsc)
{
    unsigned last = pit_count();
    uint64_t start = rdtsc();
    *pit = 0;
    for (unsigned end = rtc_hits + n; rtc_hits < end;) {
        __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
        unsigned now = pit_count();
        *pit += (last - now) & 0xffff;
        last = now;
    }
    *tsc = rdtsc() - start;
}

/* Within a quarter. */
static bool near(uint64_t a, uint64_t b)
{
    return a > b * 3 / 4 && a < b * 5 / 4;
}

/* PIT ticks in one second of the RTC. */
static uint64_t rtc_second(void)
{
    uint8_t second = rtc(0);
    while (rtc(0) == second)
        ;
    uint64_t ticks = 0;
    unsigned last = pit_count();
    second = rtc(0);
    while (rtc(0) == second) {
        unsigned now = pit_count();
        ticks += (last - now) & 0xffff;
        last = now;
    }
    return ticks;
}

void guest_main(void)
{
    outb(0x43, 0x34); /* channel 0, mode 2, count 65536 */
    outb(0x40, 0);
    outb(0x40, 0);
    unsigned a = pit_count();
    uint64_t t = rdtsc();
    unsigned b;
    do
        b = pit_count();
    while (a == b);
    report(((a - b) & 0xffff) < 0x8000, "PIT counts down");
    report(rdtsc() > t, "TSC counts up");
    bool monotonic = true;
    for (int i = 0; i < 1000; i++) {
        uint64_t n = rdtsc();
        monotonic &= n >= t;
        t = n;
    }
    report(monotonic, "TSC never goes back");
    outb(0x43, 0xe2); /* read-back: status of channel 0 */
    check("PIT status: mode 2, both bytes", inb(0x40) & 0x3f, 0x34);
    outb(0x61, (inb(0x61) & ~2) | 1);
    outb(0x43, 0xb0); /* channel 2, mode 0 */
    outb(0x42, 0);
    outb(0x42, 4);
    check("PIT channel 2 output is low while counting", inb(0x61) & 0x20, 0);
    while (!(inb(0x61) & 0x20))
        ;
    report(true, "PIT channel 2 output rises at the end");

    check("RTC status D: valid", rtc(0x0d) & 0x80, 0x80);
    check("RTC divider runs at 32768 Hz", rtc(0x0a) & 0x70, 0x20);
    rtc_set(0x40, 0x5a);
    check("CMOS keeps a byte", rtc(0x40), 0x5a);
    uint8_t second = rtc(0);
    report((second & 15) < 10 && second < 0x60, "RTC seconds in range");
    handlers[0x28] = rtc_irq;
    rtc_set(0x0a, 0x26); /* 1024 Hz */
    rtc_set(0x0b, (uint8_t)(rtc(0x0b) | 0x40));
    rtc(0x0c);
    pic_mask(0xfefb);
    /* A host that stops the guest for a while makes it lose interrupts: try again then. */
    uint64_t pit1, pit2, tsc1, tsc2;
    bool pit_ok = false, tsc_ok = false;
    measure(1, &pit1, &tsc1);
    for (int i = 0; i < 10 && !(pit_ok && tsc_ok); i++) {
        measure(128, &pit1, &tsc1);
        measure(256, &pit2, &tsc2);
        pit_ok = near(pit1, 149148) && near(pit2, 298295); /* 128 and 256 / 1024 s */
        tsc_ok = near(tsc2 * pit1 >> 16, tsc1 * pit2 >> 16);
    }
    report(pit_ok, "PIT agrees with the RTC");
    report(tsc_ok, "TSC agrees with the PIT");
    rtc_set(0x0b, (uint8_t)(rtc(0x0b) & ~0x40));
    pic_mask(0xffff);
    bool second_ok = false;
    for (int i = 0; i < 4 && !second_ok; i++)
        second_ok = near(rtc_second(), 1193182);
    report(second_ok, "an RTC second is 1193182 PIT ticks");
}
