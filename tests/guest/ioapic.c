/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The I/O APIC (82093AA datasheet; ICH, I/O APIC EOIR): redirection entries, edges and levels,
 * Remote IRR and EOI, masks, destinations, delivery modes. The line is the keyboard controller's: a
 * byte put into its output buffer (8042, command D2H) holds IRQ 1 until it is read. */
#include "lib/ap.h"
#include "lib/line.h"

static volatile uint32_t *const ioapic = (uint32_t *)0xfec00000;
enum { REDTBL = 0x10, LEVEL_TRIGGER = 1 << 15, LOW_ACTIVE = 1 << 13, MASKED = 1 << 16 };
enum { LOGICAL_MODE = 1 << 11, LOWEST_PRIORITY = 1 << 8, AS_NMI = 4 << 8, REMOTE_IRR = 1 << 14 };
enum { PIN = 1, VECTOR = 0x45, OTHER_VECTOR = 0x65 };

static volatile unsigned hits[256];
static volatile unsigned lower_at; /* the interrupt whose handler reads the byte */

static uint32_t io_get(unsigned reg)
{
    ioapic[0] = reg;
    return ioapic[4];
}

static void io_set(unsigned reg, uint32_t v)
{
    ioapic[0] = reg;
    ioapic[4] = v;
}

static void route(uint32_t low, unsigned dest)
{
    io_set(REDTBL + 2 * PIN, MASKED);
    io_set(REDTBL + 2 * PIN + 1, dest << 24);
    io_set(REDTBL + 2 * PIN, low);
}

static uint32_t entry(void)
{
    return io_get(REDTBL + 2 * PIN);
}

static void on_interrupt(struct frame *f)
{
    hits[f->vector]++;
    if (hits[f->vector] == lower_at)
        line_down();
    if (f->vector >= 0x20)
        set(EOI, 0);
}

static void breathe(void)
{
    for (unsigned n = 0; n < 4; n++)
        __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
}

static bool bit_of(unsigned base, unsigned vector)
{
    return get(base + vector / 32) >> vector % 32 & 1;
}

/* A pulse of the line; how many interrupts it makes. */
static unsigned pulse(uint32_t low, unsigned dest)
{
    unsigned before = hits[low & 0xff];

    route(low, dest);
    line_up();
    line_down();
    breathe();
    return hits[low & 0xff] - before;
}

/* ---- checks ---- */

static void registers(void)
{
    unsigned open = 0, wrong = 0;

    check("24 inputs", io_get(1) >> 16 & 0xff, 23);
    io_set(1, 0);
    check("the version is read-only", io_get(1) >> 16 & 0xff, 23);
    io_set(0, 0xffffffff);
    check("the ID has 4 bits", io_get(0), 0x0f000000);
    check("the arbitration ID follows it", io_get(2), 0x0f000000);
    io_set(0, 0);
    for (unsigned n = 0; n < 24; n++)
        open += !(io_get(REDTBL + 2 * n) & MASKED);
    check("every input is masked after reset", open, 0);
    for (unsigned n = 0; n < 24; n++) {
        io_set(REDTBL + 2 * n + 1, 0xffffffff);
        io_set(REDTBL + 2 * n, 0xffffffff);
        wrong += io_get(REDTBL + 2 * n) != 0x1afff || io_get(REDTBL + 2 * n + 1) != 0xff000000;
        io_set(REDTBL + 2 * n, MASKED);
        io_set(REDTBL + 2 * n + 1, n << 24);
    }
    check("entries: status and Remote IRR are read-only, reserved bits 0", wrong, 0);
    for (unsigned n = 0; n < 24; n++)
        wrong += io_get(REDTBL + 2 * n) != MASKED || io_get(REDTBL + 2 * n + 1) != n << 24;
    check("entries are apart", wrong, 0);
    ioapic[0] = 0x12;
    check("the index reads back", ioapic[0] & 0xff, 0x12);
}

static void edges(void)
{
    unsigned me = self();

    route(VECTOR, me);
    line_up();
    report(bit_of(IRR, VECTOR), "edge: requested");
    report(!(entry() & REMOTE_IRR), "edge: no Remote IRR");
    breathe();
    check("edge: one interrupt", hits[VECTOR], 1);
    report(!bit_of(0x18, VECTOR), "edge: TMR is clear");
    breathe();
    check("edge: none while the line stays up", hits[VECTOR], 1);
    line_down();
    breathe();
    check("edge: none when it goes down", hits[VECTOR], 1);
    line_up();
    line_down();
    line_up();
    line_down();
    breathe();
    check("edge: two that wait are one", hits[VECTOR], 2);
    route(MASKED | VECTOR, me);
    line_up();
    io_set(REDTBL + 2 * PIN, VECTOR);
    line_down();
    breathe();
    check("edge: lost while masked", hits[VECTOR], 2);
}

static void levels(void)
{
    unsigned me = self();

    hits[VECTOR] = 0;
    route(LEVEL_TRIGGER | VECTOR, me);
    line_up();
    report(entry() & REMOTE_IRR, "level: Remote IRR is set when it is sent");
    lower_at = 3;
    breathe();
    check("level: again after each EOI while the line is up", hits[VECTOR], 3);
    lower_at = 0;
    report(bit_of(0x18, VECTOR), "level: TMR is set");
    report(!(entry() & REMOTE_IRR), "level: EOI clears Remote IRR");
    io_set(REDTBL + 2 * PIN, MASKED | LEVEL_TRIGGER | VECTOR);
    line_up();
    breathe();
    check("level: none while masked", hits[VECTOR], 3);
    lower_at = 4;
    io_set(REDTBL + 2 * PIN, LEVEL_TRIGGER | VECTOR);
    breathe();
    lower_at = 0;
    check("level: waits behind the mask", hits[VECTOR], 4);
    io_set(REDTBL + 2 * PIN, MASKED | LEVEL_TRIGGER | VECTOR);
    line_up();
    line_down();
    io_set(REDTBL + 2 * PIN, LEVEL_TRIGGER | VECTOR);
    breathe();
    check("level: gone with the line", hits[VECTOR], 4);
}

static void ends(void)
{
    unsigned me = self();

    hits[VECTOR] = 0;
    route(LEVEL_TRIGGER | VECTOR, me);
    line_up();
    line_down();
    report(entry() & REMOTE_IRR, "Remote IRR stays when the line goes down");
    ioapic[0x40 / 4] = OTHER_VECTOR;
    report(entry() & REMOTE_IRR, "an EOI of another vector leaves it");
    ioapic[0x40 / 4] = VECTOR;
    report(!(entry() & REMOTE_IRR), "one of its own clears it");
    breathe();
    check("the interrupt that was sent arrives", hits[VECTOR], 1);
    line_up();
    line_down();
    io_set(REDTBL + 2 * PIN, MASKED | VECTOR);
    io_set(REDTBL + 2 * PIN, MASKED | LEVEL_TRIGGER | VECTOR);
    report(!(entry() & REMOTE_IRR), "an entry that was edge has none");
    breathe();
}

static void destinations(void)
{
    unsigned me = self();

    check("physical: to this processor", pulse(VECTOR, me), 1);
    check("physical: to one that is not there", pulse(VECTOR, me + 5), 0);
    check("physical: to all", pulse(VECTOR, 0xff), 1);
    set(DFR, 0xffffffff);
    set(LDR, 0x04000000);
    check("logical, flat", pulse(LOGICAL_MODE | VECTOR, 0x0c), 1);
    check("logical, flat: to others", pulse(LOGICAL_MODE | VECTOR, 0xfb), 0);
    check("logical, flat: lowest priority", pulse(LOWEST_PRIORITY | LOGICAL_MODE | VECTOR, 0x04),
          1);
    set(DFR, 0x0fffffff);
    set(LDR, 0x32000000);
    check("logical, cluster", pulse(LOGICAL_MODE | VECTOR, 0x33), 1);
    check("logical, cluster: another member", pulse(LOGICAL_MODE | VECTOR, 0x31), 0);
    check("logical, cluster: another cluster", pulse(LOGICAL_MODE | VECTOR, 0x22), 0);
    check("logical, cluster: to all", pulse(LOGICAL_MODE | VECTOR, 0xff), 1);
    set(DFR, 0xffffffff);
}

static void modes(void)
{
    unsigned me = self(), nmis = hits[NMI];

    hits[VECTOR] = 0;
    route(AS_NMI | VECTOR, me);
    line_up();
    __asm__ volatile("nop\n\tnop");
    check("NMI: with IF clear", hits[NMI], nmis + 1);
    line_down();
    breathe();
    check("NMI: its vector is ignored", hits[VECTOR], 0);
    route(MASKED | AS_NMI, me);
    line_up();
    line_down();
    breathe();
    check("NMI: masked", hits[NMI], nmis + 1);
    set(ESR, 0);
    set(ESR, 0);
    pulse(5, me);
    set(ESR, 0);
    report(get(ESR) & 1 << 6, "a vector below 16: ESR, an illegal vector is received");
    set(ESR, 0);
    check("a polarity that is stored", (route(MASKED | LOW_ACTIVE | VECTOR, me), entry() & 0x1ffff),
          MASKED | LOW_ACTIVE | VECTOR);
    set(SVR, 0xff);
    check("an APIC that is off takes none", pulse(VECTOR, me), 0);
    set(SVR, 0x1ff);
    breathe();
    check("nor keeps it", hits[VECTOR], 0);
}

void guest_main(void)
{
    handlers[VECTOR] = handlers[NMI] = on_interrupt;
    set(SVR, 0x1ff);
    set(TPR, 0);
    prepare_controller();
    registers();
    edges();
    levels();
    ends();
    destinations();
    modes();
}

void ap_main(void)
{
}
