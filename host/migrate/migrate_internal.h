/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_MIGRATE_INTERNAL_H
#define CALQUE_HOST_MIGRATE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "host/migrate/channel.h"
#include "host/migrate/migrate.h"
#include "vm/capture.h"
#include "vm/host_time.h"
#include "vm/machine.h"
#include "vm/restore.h"

/* migrate.c: jobs and who waits for them; save.c: to files and into disk images; precopy.c: to
 * another process; incoming.c; snapshots.c: disk images. */

#define QUEUED_MAX   (64u << 20) /* bytes of memory copied ahead of a writer */
#define ANCESTORS    64
#define SNAPSHOT_UID 16 /* hexadecimal digits */

typedef bool migrate_fn(struct migrate *g, struct error *err);

struct image;
struct image_snapshot;

/* Snapshots of all disks that are being made. */
struct snapshot_job {
    char name[128];
    char uid[SNAPSHOT_UID + 1];
    struct image_snapshot **parts; /* of the disks that are written; the first has the state */
    unsigned nparts;
    uint64_t vm_clock; /* ns */
    int64_t seconds;
    uint32_t ns;
    /* The begin's handshake: the job locks the disks while the machine stands still. */
    bool standing, locked;
};

struct migrate {
    struct machine *m;
    struct drives *drives;
    char *cpu;
    struct migrate_hooks hooks;
    struct migrate_parameters parameters;
    /* `mutex` guards what follows up to the line; it is taken under the machine lock, too. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct migrate_info info;
    migrate_fn *call; /* to be done on the main loop's thread */
    bool call_ok, call_done;
    struct error call_error;
    bool busy; /* a job's thread is there */
    bool status_changed;
    /* ---- the job's, and the main loop's by turns */
    pthread_t thread;
    atomic_bool cancelled;
    uint64_t begun, held_at; /* host ns */
    char *where;
    struct channel channel;
    char *frames; /* what waits for network cards, between the sides */
    size_t frames_len;
    bool channel_open;
    struct save_writer writer;
    struct capture *capture;
    struct state_stream state;
    char *about;
    bool ran; /* before it was held or stopped */
    /* pre-copy */
    bool follows; /* of the memory's dirty flags */
    uint64_t *dirty, ndirty;
    uint64_t limit; /* bytes that may be left */
    bool stopped;   /* for good, unless it fails */
    bool away;      /* the other side has it, or a file */
    bool disks_away;
    /* incoming */
    bool expecting, run_then;
    struct restore restore;
    int mapped_fd; /* a file that is memory: checked in the background; -1: none */
    bool checking;
    pthread_t checker;
    atomic_bool check_stop;
    /* snapshots */
    struct snapshot_job snapshot;
    char lineage[ANCESTORS][SNAPSHOT_UID + 1]; /* of the running machine, nearest first */
    unsigned nlineage;
};

void migrate_set_status(struct migrate *g, enum migrate_status s);
/* From the job's thread: does fn on the main loop's thread, lock held. */
bool migrate_on_main(struct migrate *g, migrate_fn *fn, struct error *err);
/* Starts a job; its function ends with migrate_job_done(). */
bool migrate_begin_job(struct migrate *g, void *(*fn)(void *), struct error *err);
void migrate_job_done(struct migrate *g, bool ok, const struct error *err);
/* Refuses what cannot be saved now. */
bool migrate_may_save(struct migrate *g, struct error *err);
/* MACH, with what only a reader of notes wants to know; NULL: no memory. */
char *migrate_about(struct migrate *g, bool ran, const char *notes);
/* Counts and keeps to max-bandwidth. */
void migrate_account(struct migrate *g, uint64_t bytes);
bool migrate_channel_write(void *channel, const void *data, size_t len, struct error *err);

/* save.c */
void *save_job(void *opaque);
/* The moment that is saved; and the end of copying on write. migrate_fn's. */
bool save_take(struct migrate *g, struct error *err);
bool save_let_go(struct migrate *g, struct error *err);
/* All memory of the capture as PAGE sections. */
bool save_write_pages(struct migrate *g, struct error *err);
/* precopy.c */
void *precopy_job(void *opaque);
/* incoming.c */
/* The snapshots that the restored machine descends from. */
void incoming_take_lineage(struct migrate *g);
void incoming_free(struct migrate *g);
void incoming_check(struct migrate *g); /* begins to check what was mapped */

#endif
