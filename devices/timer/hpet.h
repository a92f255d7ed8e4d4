/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_TIMER_HPET_H
#define CALQUE_DEVICES_TIMER_HPET_H

#include "vm/clock.h"
#include "vm/device.h"
#include "vm/irq.h"
#include "vm/memory.h"

#define HPET_BASE    0xfed00000u
#define HPET_SIZE    0x400u
#define HPET_TIMERS  3
#define HPET_TICK_NS 10u /* the main counter runs at 100 MHz */

/* Low half of the General Capabilities register; the ACPI table repeats it (Event Timer Block ID):
 * Intel's vendor ID, legacy replacement, 64-bit counter, three timers, revision 1. */
#define HPET_ID (0x8086u << 16 | 1u << 15 | 1u << 13 | (HPET_TIMERS - 1) << 8 | 1)

struct hpet_timer {
    uint32_t config; /* writable bits of the low half of the configuration register */
    uint64_t cmp;    /* the comparator, 32 bits of it in 32-bit mode */
    uint64_t period; /* periodic mode: what a match adds to it, the value written last */
    bool edge;       /* edge triggered: the output is high since the last match */
};

/* High Precision Event Timer (IA-PC HPET specification 1.0a). */
struct hpet {
    struct device dev;
    uint8_t config;   /* ENABLE_CNF, LEG_RT_CNF */
    uint8_t status;   /* Tn_INT_STS of level triggered timers */
    uint64_t counter; /* main counter: now if it is halted, otherwise at `since` */
    uint64_t since;   /* virtual time */
    uint64_t seen;    /* main counter up to which matches are accounted for */
    struct hpet_timer timers[HPET_TIMERS];
    bool legacy_in[2]; /* levels of the PIT's and the RTC's interrupt */
    struct vm_timer next_match;
    struct irq_line lines[32]; /* wiring: by interrupt route; no line, no such route */
    struct irq_line legacy[2];
    struct region region;
};

/* lines: inputs of the IOAPIC that timers may be routed to, by number (empty: not offered).
 * legacy: IRQ 0 and IRQ 8, which timers 0 and 1 take over with legacy replacement; otherwise they
 * carry what is driven into hpet_legacy_in(). */
void hpet_init(struct hpet *h, struct machine *m, const char *id, uint64_t base,
               const struct irq_line lines[32], const struct irq_line legacy[2]);
/* Where the PIT's (n = 0) and the RTC's (n = 1) interrupt is connected instead of IRQ 0 and 8. */
struct irq_line hpet_legacy_in(struct hpet *h, unsigned n);

#endif
