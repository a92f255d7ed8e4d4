/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_MIGRATE_MIGRATE_H
#define CALQUE_HOST_MIGRATE_MIGRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/savefile.h"

/* A machine that is saved, sent to another process, or comes from one. A job at a time runs on a
 * thread of its own, while the guest runs; what needs the machine to stand still for a moment it
 * has done on the main loop's thread, by migrate_poll().
 *
 * All functions: main loop's thread, machine lock held, unless noted. */

struct drives;
struct error;
struct machine;
struct migrate;

enum migrate_status {
    MIGRATE_NONE,
    MIGRATE_SETUP,
    MIGRATE_ACTIVE,
    MIGRATE_DEVICE, /* the machine stands still: the rest goes over */
    MIGRATE_COMPLETED,
    MIGRATE_FAILED,
    MIGRATE_CANCELLED,
};

struct migrate_parameters {
    uint64_t max_bandwidth;  /* bytes a second; 0: as fast as it goes */
    uint64_t downtime_limit; /* ms */
    enum compression compression;
};

/* The last job, or the one under way. */
struct migrate_info {
    enum migrate_status status;
    bool incoming, snapshot; /* snapshot: savevm */
    bool file;               /* to a file: the guest goes on */
    char error[512];
    uint64_t transferred, total, remaining; /* bytes */
    uint64_t rounds;                        /* over what has changed */
    uint64_t pages, zero_pages;             /* sent */
    uint64_t total_ms, setup_ms;
    uint64_t downtime_us; /* for which the guest stood still; expected, while it runs */
    uint64_t bandwidth;   /* bytes a second */
    unsigned brake;       /* percent of its time that the guest is held back */
};

struct migrate_hooks {
    /* The machine stands still between these; hold returns whether it ran. stay: it stays so, and
     * onlookers are told. */
    bool (*hold)(void *opaque);
    void (*release)(void *opaque, bool ran);
    void (*stay)(void *opaque, bool ran);
    /* The status is another one. */
    void (*changed)(void *opaque, enum migrate_status status);
    /* Ends a wait of the main loop. Any thread, no lock. */
    void (*wake)(void *opaque);
    /* The network's part, main loop's thread: what waits for the guest (malloc'ed), which goes with
     * it; the same at the other end; and that the machine is here now: cards are announced, and
     * what came before it is dropped. */
    bool (*pack_frames)(void *opaque, char **data, size_t *len);
    bool (*unpack_frames)(void *opaque, const uint8_t *data, size_t len, struct error *err);
    void (*announce)(void *opaque, bool arrived);
    /* What came in is no good, nor is this process. No lock. */
    void (*broken)(void *opaque, const char *text);
    void *opaque;
};

/* drives may be NULL; cpu: what the processors are (savefile_describe()). */
struct migrate *migrate_new(struct machine *m, struct drives *drives, const char *cpu,
                            const struct migrate_hooks *hooks);
/* Gives up a job under way. Takes the lock itself; g may be NULL. */
void migrate_free(struct migrate *g);
/* The main loop's share. Takes the lock itself; g may be NULL. */
void migrate_poll(struct migrate *g);

struct migrate_parameters *migrate_parameters(struct migrate *g);
void migrate_get_info(struct migrate *g, struct migrate_info *info);
/* "none", "active", ...: QEMU's names. */
const char *migrate_status_name(enum migrate_status s);
/* The machine's own state, for "info status": "inmigrate", "postmigrate", ...; NULL: nothing
 * special. */
const char *migrate_run_state(const struct migrate *g);
/* The machine has gone to the other side, or is awaited. Machine lock held. */
bool migrate_is_elsewhere(const struct migrate *g);

/* Begins to save or send. The result is told by `changed` and migrate_get_info(). */
bool migrate_start(struct migrate *g, const char *where, struct error *err);
/* A job is under way. No lock needed. */
bool migrate_is_busy(struct migrate *g);
/* Waits until none is; timers go on, and nothing else of the main loop. False: the last one failed.
 */
bool migrate_wait(struct migrate *g, struct error *err);
void migrate_cancel(struct migrate *g);
/* Before the machine goes on by hand: takes back disks that were given away. */
bool migrate_may_run(struct migrate *g, struct error *err);

/* -incoming: a file is there when this returns; from elsewhere the machine comes later. `run`: it
 * then goes on if it ran. "defer": migrate_incoming() again tells from where. Before it runs. */
bool migrate_incoming(struct migrate *g, const char *where, bool run, struct error *err);
/* The same for the monitor: only after "defer". */
bool migrate_incoming_deferred(struct migrate *g, const char *where, bool run, struct error *err);
/* It has not come yet. */
bool migrate_expects(const struct migrate *g);

/* ---- snapshots in disk images ---- */

/* Begins; name NULL: it gets one. */
bool snapshot_save(struct migrate *g, const char *name, struct error *err);
bool snapshot_load(struct migrate *g, const char *name, struct error *err);
bool snapshot_delete(struct migrate *g, const char *name, struct error *err);
/* Whether the disks that snapshots are of are all listed, and `vmstate`, unless NULL, is the one
 * that has the machine's state: the first of them. */
bool snapshot_covers(struct migrate *g, const char *vmstate,
                     bool (*listed)(void *opaque, const char *drive), void *opaque,
                     struct error *err);
/* Those that all disks have, as a tree. */
bool snapshot_list(struct migrate *g, void (*line)(void *opaque, const char *text), void *opaque,
                   struct error *err);

#endif
