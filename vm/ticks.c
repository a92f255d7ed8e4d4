/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/ticks.h"

const struct state_field lost_ticks_fields[] = {
    STATE_BOOL(struct lost_ticks, wanted),
    STATE_BOOL(struct lost_ticks, waiting),
    STATE_U64(struct lost_ticks, owed),
    STATE_FIELDS_END,
};

void ticks_forget(struct lost_ticks *t)
{
    *t = (struct lost_ticks){0};
}

void ticks_elapsed(struct lost_ticks *t, uint64_t n, uint64_t period, uint64_t now)
{
    uint64_t most = TICKS_MAX_OWED_NS / (period ? period : 1);

    if (!t->wanted)
        return;
    if (t->waiting)
        t->unanswered++;
    if (t->unanswered > TICKS_GIVE_UP_NS / (period ? period : 1)) {
        ticks_forget(t);
        return;
    }
    t->owed += n - 1 + t->waiting;
    if (t->owed > most)
        t->owed = most;
    t->waiting = true;
    t->last = now;
}

uint64_t ticks_taken(struct lost_ticks *t, uint64_t period, uint64_t now)
{
    uint64_t at = t->last + period / TICKS_FASTER;

    t->wanted = true;
    t->waiting = false;
    t->unanswered = 0;
    if (!t->owed)
        return VM_TIME_NEVER;
    return at > now ? at : now;
}

bool ticks_repay(struct lost_ticks *t, uint64_t now)
{
    if (t->waiting || !t->owed)
        return false;
    t->owed--;
    t->waiting = true;
    t->last = now;
    return true;
}
