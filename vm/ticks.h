/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_TICKS_H
#define CALQUE_VM_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/state.h"

/* Systems that count the interrupts of a periodic timer to know the time must get all of them, even
 * if the host was away for a while (QEMU: -rtc driftfix=slew, PIT lost_tick_policy=delay). A timer
 * chip keeps one of these: periods that brought no interrupt of their own, because the host was
 * late or the one before was still waiting, are owed and given later, one between two regular ones,
 * so that the rate is at most doubled.
 *
 * Only a guest that takes the interrupts is owed any: nothing is counted before the first one is
 * taken, and all is forgotten when the timer is programmed or its input opened, or when nobody took
 * an interrupt for a second. */

#define TICKS_GIVE_UP_NS  1000000000ull  /* unanswered for that long: the guest does not listen */
#define TICKS_MAX_OWED_NS 30000000000ull /* a longer absence is not made up for */

struct lost_ticks {
    bool wanted;         /* the guest has taken one since the last ticks_forget() */
    bool waiting;        /* the last one given has not been taken yet */
    bool repaid;         /* it was one of those that are owed */
    uint32_t unanswered; /* ticks given in a row while that was so */
    uint64_t owed;
};

extern const struct state_field lost_ticks_fields[];

void ticks_forget(struct lost_ticks *t);
/* n >= 1 periods have ended since the last call; one interrupt is given for them now. */
void ticks_elapsed(struct lost_ticks *t, uint64_t n, uint64_t period_ns);
/* The guest took an interrupt. True, after a regular one: half a period from now one that is owed
 * may follow. */
bool ticks_taken(struct lost_ticks *t);
/* The time of one that is owed has come. False: another is waiting; it follows when that is taken.
 */
bool ticks_repay(struct lost_ticks *t);

#endif
