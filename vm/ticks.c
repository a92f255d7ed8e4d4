/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/ticks.h"

const struct state_field lost_ticks_fields[] = {
    STATE_BOOL(struct lost_ticks, wanted), STATE_BOOL(struct lost_ticks, waiting),
    STATE_BOOL(struct lost_ticks, repaid), STATE_U32(struct lost_ticks, unanswered),
    STATE_U64(struct lost_ticks, owed),    STATE_FIELDS_END,
};

void ticks_forget(struct lost_ticks *t)
{
    *t = (struct lost_ticks){0};
}

void ticks_elapsed(struct lost_ticks *t, uint64_t n, uint64_t period_ns)
{
    uint64_t most = TICKS_MAX_OWED_NS / (period_ns ? period_ns : 1);

    if (!t->wanted)
        return;
    if (t->waiting)
        t->unanswered++;
    if (t->unanswered > TICKS_GIVE_UP_NS / (period_ns ? period_ns : 1)) {
        ticks_forget(t);
        return;
    }
    t->owed += n - 1 + t->waiting;
    if (t->owed > most)
        t->owed = most;
    t->waiting = true;
    t->repaid = false;
}

bool ticks_taken(struct lost_ticks *t)
{
    t->wanted = true;
    t->waiting = false;
    t->unanswered = 0;
    return t->owed > 0 && !t->repaid;
}

bool ticks_repay(struct lost_ticks *t)
{
    if (t->waiting || !t->owed)
        return false;
    t->owed--;
    t->waiting = t->repaid = true;
    return true;
}
