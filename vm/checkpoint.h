/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_CHECKPOINT_H
#define CALQUE_VM_CHECKPOINT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/memory.h"
#include "vm/state.h"

/* Checkpoints of a whole machine in memory, copy on write. Each has the state of clock, CPUs and
 * devices (machine_save()) and, of memory, the old content of the pages that were stored to between
 * it and the next one. Going back to one undoes from the newest down to it; so taking one costs
 * what was changed since the one before, and going back what was changed since.
 *
 * All functions: machine lock held, CPUs at an instruction boundary. */

struct error;
struct machine;

struct checkpoint_page {
    uint64_t page; /* arena offset >> VM_PAGE_SHIFT */
    uint8_t *data; /* VM_PAGE_SIZE bytes as they were at the checkpoint; NULL: zeros */
};

struct checkpoint {
    uint64_t insns, ns; /* where: retired by all CPUs; virtual time */
    /* The taker's: where in its log the machine was. */
    uint64_t cursor[2];
    struct state_stream state;
    struct checkpoint_page *pages; /* sorted by page, except the newest checkpoint's */
    size_t npages, capacity;
    struct checkpoint *older, *newer;
};

struct checkpoints {
    struct machine *m;
    struct checkpoint *oldest, *newest;
    unsigned count;
    uint64_t bytes;        /* that all of them keep */
    bool failed;           /* out of memory while a page was to be kept: the newest is no good */
    pthread_mutex_t mutex; /* pages may be stored to by several threads */
    struct store_keeper keeper;
};

/* Begins to watch the machine's memory. NULL: no memory. One per machine at a time. */
struct checkpoints *checkpoints_new(struct machine *m);
void checkpoints_free(struct checkpoints *cs); /* cs may be NULL */

/* Takes one here. As all saving it ends disk accesses under way. NULL if memory is short (or was,
 * since the last one: then there are none any more, and the next may be taken). */
struct checkpoint *checkpoint_take(struct checkpoints *cs);
/* Makes the machine what it was at c, which stays; newer ones are gone. Nothing that the guest
 * has said is taken back. False: the machine's state was refused, by whom *err says. */
bool checkpoint_restore(struct checkpoints *cs, struct checkpoint *c, struct error *err);

/* Forgets c; the one before takes over its pages. Forgets all that are older than c. */
void checkpoint_remove(struct checkpoints *cs, struct checkpoint *c);
void checkpoint_forget_older(struct checkpoints *cs, struct checkpoint *c);
/* Removes one after the other until at most `bytes` are kept and at most `count` are left: where
 * they are closest, for their age. So the past is known in less detail the longer ago it is. The
 * oldest stays as long as there are others, and so does the newest. */
void checkpoints_thin(struct checkpoints *cs, uint64_t bytes, unsigned count);

/* The newest that is not after the position; NULL if there is none. */
struct checkpoint *checkpoint_before(const struct checkpoints *cs, uint64_t insns);
/* Whether bytes of [arena, arena + len) may have changed between c and the next one (or now). */
bool checkpoint_changed(struct checkpoints *cs, const struct checkpoint *c, uint64_t arena,
                        uint64_t len);

#endif
