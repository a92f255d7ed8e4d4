/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_TICKS_H
#define CALQUE_VM_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/clock.h"
#include "vm/state.h"

/* Systems that count the interrupts of a periodic timer to know the time must get all of them, even
 * if the host was away for a while (QEMU: -rtc driftfix=slew, PIT lost_tick_policy=delay). A timer
 * chip keeps one of these: periods that brought no interrupt of their own, because the host was
 * late or the one before was still waiting, are owed and given later, when the one before has been
 * taken and a part of a period has passed: the rate has a bound.
 *
 * Only a guest that takes the interrupts is owed any: nothing is counted before the first one is
 * taken, and all is forgotten when the timer is programmed or its input opened, or when nobody took
 * an interrupt for a second. Times are virtual, in ns. */

#define TICKS_FASTER      8              /* owed ones come at most at this multiple of the rate */
#define TICKS_GIVE_UP_NS  1000000000ull  /* unanswered for that long: the guest does not listen */
#define TICKS_MAX_OWED_NS 30000000000ull /* a longer absence is not made up for */

struct lost_ticks {
    bool wanted;         /* the guest has taken one since the last ticks_forget() */
    bool waiting;        /* the last one given has not been taken yet */
    uint32_t unanswered; /* ticks given in a row while that was so */
    uint64_t owed;
    uint64_t last; /* when the last one was given */
};

extern const struct state_field lost_ticks_fields[];

void ticks_forget(struct lost_ticks *t);
/* n >= 1 periods have ended since the last call; one interrupt is given for them now. */
void ticks_elapsed(struct lost_ticks *t, uint64_t n, uint64_t period, uint64_t now);
/* The guest took an interrupt. When one that is owed may follow; VM_TIME_NEVER if none is. */
uint64_t ticks_taken(struct lost_ticks *t, uint64_t period, uint64_t now);
/* That time has come. False: another is waiting; it follows when that is taken. */
bool ticks_repay(struct lost_ticks *t, uint64_t now);

#endif
