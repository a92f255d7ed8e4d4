/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_TIMER_MC146818_H
#define CALQUE_DEVICES_TIMER_MC146818_H

#include "vm/clock.h"
#include "vm/device.h"
#include "vm/irq.h"
#include "vm/memory.h"
#include "vm/ticks.h"

#define MC146818_CENTURY 0x32 /* century byte: where PC firmware and ACPI's FADT expect it */

struct mc146818 {
    struct device dev;
    uint8_t index;        /* port 0x70 bits 6:0 */
    bool nmi_disabled;    /* port 0x70 bit 7 */
    uint8_t ram[128];     /* registers 0-13 too; time registers are valid while not updating */
    uint64_t phase;       /* ns < 1 s: (virtual time + phase) crosses a second at an update */
    int64_t seconds_base; /* RTC seconds since 1970 at the second 0 of (virtual time + phase) */
    uint8_t weekday_base; /* added to the true day of the week */
    uint64_t seen;        /* virtual time up to which PF, AF and UF are accounted for */
    struct vm_timer timer;
    struct vm_timer owed_timer; /* the next periodic interrupt that is owed */
    struct lost_ticks lost;
    struct irq_line irq;
    struct region ports;
};

/* Starts at the host's wall clock (input_wall_clock), UTC, BCD, 24-hour mode. */
void mc146818_init(struct mc146818 *rtc, struct machine *m, const char *id, uint16_t port,
                   struct irq_line irq);
/* Sets the time: seconds since 1970, as the guest shall see it (shift it for local time). */
void mc146818_set_time(struct mc146818 *rtc, int64_t seconds);
/* CMOS bytes that are not clock registers, for the machine: memory size, disk types, ... */
void mc146818_set(struct mc146818 *rtc, uint8_t index, uint8_t value);
uint8_t mc146818_get(struct mc146818 *rtc, uint8_t index);

#endif
