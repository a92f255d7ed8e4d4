/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MONITOR_MONITOR_INTERNAL_H
#define CALQUE_MONITOR_MONITOR_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "monitor/control.h"
#include "monitor/monitor.h"

#define MONITOR_LINE_MAX 512
#define MONITOR_ARGS_MAX 8
#define MONITOR_WORDS    64
#define MONITOR_HISTORY  32

struct monitor {
    struct control *ctl;
    struct machine *m; /* ctl's */
    struct chardev *chr;
    struct monitor_capture *capture; /* instead of chr */
    monitor_output_fn *output;       /* or this */
    void *output_opaque;
    bool failed;           /* the last command has said that something is wrong */
    uint64_t next_address; /* where x and xp go on */
    unsigned cpu;          /* which one commands are about */
    char line[MONITOR_LINE_MAX];
    size_t len;
    uint8_t escape; /* inside a terminal's key sequence, which is ignored */
    bool last_was_cr;
    char history[MONITOR_HISTORY][MONITOR_LINE_MAX]; /* a ring */
    unsigned history_len;                            /* lines ever */
    struct screen_wait *wait; /* `screen wait` is at work: what is typed is kept for later */
    bool job;                 /* the same for a save or migration */
    unsigned progress;        /* percent of it, as it was last shown; 0: it was not */
    uint8_t *typed;
    size_t typed_len;
};

#define MONITOR_TYPED_MAX 65536

/* A growing text. */
struct monitor_capture {
    char *text;
    size_t len, size;
    bool failed;
};

/* One row per command. `args` is its schema: one letter per argument,
 *   s  a word    i  a number or expression    ?  what follows may be missing
 *   r  the rest of the line as it was typed
 *   =  first: the machine stands still while the command runs
 *   /  first, or behind =: the command takes a format, as in x/4xw
 * and what a person reads in help is `usage`. The last number of a command may have blanks in it.
 *
 * A name may have others, "step|s|stepi"; the first is the one that is shown. */
struct monitor_args {
    unsigned n;
    const char *text[MONITOR_ARGS_MAX];
    uint64_t number[MONITOR_ARGS_MAX];
    const char *format; /* "10i" of "x/10i"; "" if there is none */
};

struct monitor_command {
    const char *name;
    const char *args;
    const char *usage;
    const char *help;
    void (*run)(struct monitor *mon, const struct monitor_args *args);
    const struct monitor_command *sub; /* the first argument is a command of this table */
};

extern const struct monitor_command monitor_commands[];
extern const struct monitor_command monitor_info_commands[];
extern const struct monitor_command monitor_screen_commands[];

/* Calls for each of a command's names; false from fn ends it, and is returned. */
bool monitor_each_name(const struct monitor_command *c, bool (*fn)(void *opaque, const char *name),
                       void *opaque);
/* The tables that a command is looked for in, the first one first: ours and what extends it. table:
 * monitor_commands or monitor_info_commands; others stand alone. tables[1] may be NULL. */
void monitor_tables(const struct control *ctl, const struct monitor_command *table,
                    const struct monitor_command *tables[2]);

/* expression.c: "4096 + 8 * $rcx". Where it names registers, the machine should stand still. */
bool expression_value(const char *text, const struct machine *m, unsigned cpu, uint64_t *value,
                      struct error *err);

typedef void monitor_fn(struct monitor *mon, const struct monitor_args *args);
/* examine.c */
monitor_fn cmd_x, cmd_xp, cmd_print, cmd_sum, cmd_port_in, cmd_port_out, cmd_memsave, cmd_pmemsave,
    cmd_gpa2hva, cmd_cpu, cmd_log;
/* paging.c */
monitor_fn info_mem, info_tlb;
/* info_board.c */
monitor_fn info_name, info_uuid, info_cpus, info_chardev, info_history, info_pic, info_irq,
    info_pci, info_qtree, info_block, info_blockstats, cmd_eject, cmd_change;

/* info_chips.c */
monitor_fn info_apic, info_ioapic, info_pit;
/* net.c */
monitor_fn info_network, info_usernet, cmd_set_link, cmd_hostfwd_add, cmd_hostfwd_remove,
    cmd_netdev_add, cmd_netdev_del;

/* migrate.c */
monitor_fn cmd_migrate, cmd_migrate_cancel, cmd_migrate_incoming, cmd_migrate_set_parameter,
    info_migrate, info_migrate_parameters, cmd_savevm, cmd_loadvm, cmd_delvm, info_snapshots,
    info_digest;

/* screen.c */
void cmd_screendump(struct monitor *mon, const struct monitor_args *args);
void cmd_sendkey(struct monitor *mon, const struct monitor_args *args);
void cmd_mouse_move(struct monitor *mon, const struct monitor_args *args);
void cmd_mouse_button(struct monitor *mon, const struct monitor_args *args);
void cmd_set_password(struct monitor *mon, const struct monitor_args *args);
void cmd_expire_password(struct monitor *mon, const struct monitor_args *args);
void info_vnc(struct monitor *mon, const struct monitor_args *args);
void info_mice(struct monitor *mon, const struct monitor_args *args);
void cmd_screen(struct monitor *mon, const struct monitor_args *args);
/* Waits for the job under way, as the command that began it does: at once, or, where the main loop
 * goes on meanwhile, with mon->job. */
void monitor_wait_job(struct monitor *mon);
/* True while that goes on, which a person at a terminal sees; else its result has been told. */
bool monitor_job_waits(struct monitor *mon);
/* True while `screen wait` goes on; *again: ns until it should look again. */
bool screen_waits(struct monitor *mon, int64_t *again);
void screen_end_wait(struct monitor *mon);

__attribute__((format(printf, 2, 3))) void monitor_printf(struct monitor *mon, const char *fmt,
                                                          ...);
/* The same for what went wrong. */
__attribute__((format(printf, 2, 3))) void monitor_error(struct monitor *mon, const char *fmt, ...);
/* A monitor_line_fn whose opaque is the monitor. */
void monitor_print_line(void *mon, const char *text);
/* Finds a command by name or unambiguous beginning; says what is wrong otherwise. */
const struct monitor_command *monitor_find(struct monitor *mon, const struct monitor_command *table,
                                           const char *name);
void monitor_print_row(struct monitor *mon, const struct monitor_command *c, const char *prefix);
void monitor_print_table(struct monitor *mon, const struct monitor_command *table,
                         const char *prefix);

#endif
