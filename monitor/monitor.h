/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MONITOR_MONITOR_H
#define CALQUE_MONITOR_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Two ways to steer a machine from outside, over one set of actions (control.h): the human monitor,
 * a line of text in and text out, and QMP (qmp.h), JSON for programs. Both sit on character back
 * ends, run on the main loop's thread and take the machine lock around each command. */

struct machine;
struct pc;
struct cpu_model;
struct chardev;
struct chardevs;
struct control;
struct error;
struct display;
struct drives;
struct nets;
struct hid;
struct monitor;

typedef void monitor_line_fn(void *opaque, const char *text);

/* Something that can be created by name, and what can be said of it. */
struct monitor_property {
    const char *name, *type, *help;
};
typedef void monitor_type_fn(void *opaque, const char *name, const char *parent,
                             const struct monitor_property *properties, unsigned n);

/* What the machine is, as the command line made it. The pointers must outlive the control. */
struct monitor_about {
    const char *name, *uuid; /* NULL: none was given */
    const char *machine;     /* "pc", "none" */
    struct pc *pc;           /* NULL: -machine none */
    const struct cpu_model *cpu;
    unsigned maxcpus, sockets, cores, threads;
    struct chardevs *chardevs; /* may be NULL */
    struct drives *drives;     /* may be NULL */
    struct nets *nets;         /* may be NULL */
    bool start_paused;         /* -S */
};

struct vnc_info;

/* What the monitor cannot do alone: supplied by whoever built the machine. NULL: not available. */
struct monitor_hooks {
    void (*registers)(void *opaque, unsigned cpu, monitor_line_fn *line, void *line_opaque);
    void (*jit)(void *opaque, monitor_line_fn *line, void *line_opaque);
    /* Another engine from here on; lock held, the machine stands still. And its name. */
    bool (*accel)(void *opaque, const char *name, struct error *err);
    const char *(*engine)(void *opaque);
    void (*powerdown)(void *opaque);
    void (*quit)(void *opaque);
    /* Every device of -device, and every option. */
    void (*device_types)(void *opaque, monitor_type_fn *fn, void *fn_opaque);
    void (*options)(void *opaque, void (*fn)(void *fn_opaque, const char *name), void *fn_opaque);
    /* What -device has made: type, id (NULL: none) and the option's value. */
    void (*devices)(void *opaque,
                    void (*fn)(void *fn_opaque, const char *type, const char *id,
                               const char *value),
                    void *fn_opaque);
    void *opaque;
    struct display *display; /* what is on the screen */
    struct hid *hid;         /* keys and pointer */
    bool (*vnc_password)(void *opaque, const char *password, struct error *err);
    bool (*vnc_expire)(void *opaque, const char *when, struct error *err);
    void (*vnc_describe)(void *opaque, struct vnc_info *info);
    /* Listens for gdb there; "none": nowhere. Lock held. */
    bool (*gdbserver)(void *opaque, const char *where, struct error *err);
};

/* Of one machine, for all its monitors; hears of its events. */
struct control *control_new(struct machine *m, const struct monitor_about *about,
                            const struct monitor_hooks *hooks);
void control_free(struct control *ctl); /* after its monitors; ctl may be NULL */

/* A human monitor; c may be NULL: what it says is lost. */
struct monitor *monitor_new(struct control *ctl, struct chardev *c);
void monitor_free(struct monitor *mon); /* mon may be NULL */
/* One whose output goes to a function. */
typedef void monitor_output_fn(void *opaque, const char *text, size_t len);
struct monitor *monitor_new_output(struct control *ctl, monitor_output_fn *output, void *opaque);
/* Whether the last command failed; which CPU its commands are about. */
bool monitor_failed(const struct monitor *mon);
unsigned monitor_cpu(const struct monitor *mon);
void monitor_set_cpu(struct monitor *mon, unsigned cpu);
/* Goes on with a command that waits for something. Main loop, before each wait; returns how many ns
 * that may last at most, -1 for any time. */
int64_t monitor_poll(struct monitor *mon); /* mon may be NULL: -1 */
/* Runs one command line; its output goes to the monitor's back end. */
void monitor_execute(struct monitor *mon, const char *text);
/* The same for a caller without a monitor: its output, to be freed; NULL: out of memory. */
char *monitor_execute_text(struct control *ctl, const char *text, unsigned cpu);

#endif
