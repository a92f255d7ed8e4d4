/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MONITOR_CONTROL_H
#define CALQUE_MONITOR_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "host/block/drive.h"
#include "host/ui/ui.h"
#include "monitor/monitor.h"
#include "vm/run.h"

/* What monitors do with a machine: the actions behind the commands of both faces. Unless noted, the
 * machine lock is held, and false means that *err says why not. */

#define CONTROL_MAX_OBJECTS 16

/* An object of -object or object-add. */
struct control_object {
    char *id, *type;
    uint64_t size; /* memory back ends */
};

/* A descriptor that a client has passed under a name. */
#define CONTROL_MAX_FDS 16
struct control_fd {
    char *name;
    int fd;
};

struct qmp;
struct qmp_job;
struct monitor_command;

/* What a room above, the debugger, adds to every monitor. */
struct control_extension {
    const struct monitor_command *commands, *info; /* more rows of the tables, which go first */
    /* What an expression is worth that the monitor's own rules do not know: symbols. NULL: none. */
    bool (*value)(void *opaque, unsigned cpu, const char *text, uint64_t *value, struct error *err);
    /* What it is worth in the frame of the stack that was chosen, where registers have other
     * values: asked first. False: none was, or it is worth nothing there. */
    bool (*in_frame)(void *opaque, unsigned cpu, const char *text, uint64_t *value);
    /* The symbol that an address belongs to, as text; false if there is none. */
    bool (*symbol)(void *opaque, uint64_t address, char *text, size_t size);
    void *opaque;
    bool att_syntax; /* of instructions */
};

struct control {
    struct machine *m;
    struct monitor_about about;
    struct monitor_hooks hooks;
    struct qmp *sessions; /* events go to all of them */
    bool ran;             /* has been running: no more "prelaunch" */
    bool reset_asked, quit_asked;
    bool holding;             /* see control_hold() */
    struct drive_watch watch; /* of about.drives */
    struct control_object objects[CONTROL_MAX_OBJECTS];
    unsigned nobjects;
    struct control_fd fds[CONTROL_MAX_FDS];
    unsigned nfds;
    struct migrate *migrate; /* control_add_migration(); may be NULL */
    bool no_migration_events;
    struct qmp_job *jobs, *job; /* qmp_jobs.h; the one under way, or NULL */
    void (*migrate_wake)(void *opaque);
    void (*migrate_broken)(void *opaque, const char *text);
    void *migrate_opaque;
    struct control_extension extension; /* all NULL: none */
};

/* The RunState of QMP's schema. */
const char *control_status(const struct control *ctl);
/* ShutdownCause: why the machine ended or was reset. */
const char *control_shutdown_cause(const struct control *ctl);
bool control_stop(struct control *ctl, struct error *err);
bool control_cont(struct control *ctl, struct error *err);
/* For who lets it run otherwise: it is not on its way to or from another process. */
bool control_may_run(struct control *ctl, struct error *err);
bool control_reset(struct control *ctl, struct error *err);
bool control_powerdown(struct control *ctl, struct error *err);
bool control_quit(struct control *ctl, struct error *err);
bool control_nmi(struct control *ctl, struct error *err);
/* The drive of that id; NULL with the nearest named. */
struct blockdev *control_drive(struct control *ctl, const char *id, struct error *err);
/* set_link, netdev_add ("TYPE,id=ID,..."), netdev_del; without networks they fail. */
bool control_set_link(struct control *ctl, const char *name, bool up, struct error *err);
bool control_netdev_add(struct control *ctl, const char *spec, struct error *err);
bool control_netdev_del(struct control *ctl, const char *id, struct error *err);
/* Memory that the guest has, in bytes; asks it to have so much. */
bool control_balloon(struct control *ctl, uint64_t *actual, struct error *err);
/* Seconds between looks at its statistics, 0: none. */
bool control_set_balloon_interval(struct control *ctl, uint64_t seconds, struct error *err);
bool control_set_balloon(struct control *ctl, uint64_t bytes, struct error *err);
/* NULL: there is none. */
struct virtio_balloon *control_find_balloon(struct control *ctl);
/* NULL with *err if the machine has none. */
struct display *control_display(struct control *ctl, struct error *err);
struct hid *control_hid(struct control *ctl, struct error *err);
/* protocol must be vnc. */
bool control_set_password(struct control *ctl, const char *protocol, const char *password,
                          struct error *err);
bool control_expire_password(struct control *ctl, const char *protocol, const char *when,
                             struct error *err);
bool control_gdbserver(struct control *ctl, const char *where, struct error *err);
void control_vnc(struct control *ctl, struct vnc_info *info);
/* A viewer has come or gone; see ui.h. */
void control_vnc_event(struct control *ctl, enum vnc_event event, const struct vnc_peer *server,
                       const struct vnc_peer *viewer, bool password);

/* Registers of a running CPU are in the engine's hands: the machine stands still between these.
 * hold returns whether it was running, which release is told. */
bool control_hold(struct control *ctl);
void control_release(struct control *ctl, bool was_running);

/* Reads guest memory: cpu < 0, physical addresses; else linear ones as that CPU translates them.
 * How many bytes could be read; device registers are not touched. The machine stands still. */
size_t control_read_memory(struct control *ctl, int cpu, uint64_t addr, uint8_t *buf, size_t len);
/* The same into a file. Takes the lock itself, by pieces: the machine may run. */
bool control_save_memory(struct control *ctl, int cpu, uint64_t addr, uint64_t size,
                         const char *path, struct error *err);

/* Saving, snapshots and migration (host/migrate/migrate.h). cpu: what the processors are. wake ends
 * a wait of the main loop; broken: what came in is no good. Both from any thread, without lock. */
bool control_add_migration(struct control *ctl, const char *cpu, void (*wake)(void *opaque),
                           void (*broken)(void *opaque, const char *text), void *opaque);
/* "max-bandwidth" (a number counts MiB), "downtime-limit" (ms), "compression". */
bool control_set_migrate_parameter(struct control *ctl, const char *name, const char *value,
                                   struct error *err);
/* getfd, which takes the descriptor over in any case; closefd. */
bool control_keep_fd(struct control *ctl, const char *name, int fd, struct error *err);
bool control_close_fd(struct control *ctl, const char *name, struct error *err);
/* migrate, -d; migrate_incoming. A place "fd:NAME" is a descriptor of getfd, which is used up. */
bool control_migrate_to(struct control *ctl, const char *where, struct error *err);
bool control_migrate_from(struct control *ctl, const char *where, struct error *err);
/* NULL with *err: there is none. */
struct migrate *control_migrate(struct control *ctl, struct error *err);

/* -object: "secret", "memory-backend-ram", "memory-backend-memfd"; others are refused by name. No
 * lock: before the machine runs, or on the main loop's thread. */
bool control_add_object(struct control *ctl, const char *type, const char *id, uint64_t size,
                        struct error *err);
bool control_del_object(struct control *ctl, const char *id, struct error *err);
extern const char *const control_object_types[]; /* ends with NULL */

#endif
