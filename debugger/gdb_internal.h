/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_GDB_INTERNAL_H
#define CALQUE_DEBUGGER_GDB_INTERNAL_H

#include <pthread.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "debugger/debugger.h"
#include "debugger/gdb.h"
#include "debugger/gdb_target.h"
#include "debugger/gdb_wire.h"

/* The gdb server's parts:
 *   gdb.c         connection, which packet means what, questions about the server
 *   gdb_run.c     running, stepping, and the replies that tell of stops
 *   gdb_data.c    registers and memory
 *   gdb_break.c   break- and watchpoints
 *   gdb_monitor.c `monitor` commands
 *   gdb_wire.c, gdb_target.c, gdb_agent.c: see there
 *
 * Handlers of packets: lock held; g->reply is empty and is sent afterwards. */

#define GDB_PRINT_MAX 16384

struct gdb {
    struct debugger *d;
    struct chardev *chr;
    void (*output)(void *opaque, const void *bytes, size_t n);
    void *output_opaque;
    struct debug_face face;
    bool is_face; /* while a client is there: the core behaves otherwise when it is looked at */
    bool making;  /* gdb_new() is at work, with the lock */
    struct gdb_wire wire;
    struct gdb_target target;
    struct gdb_reply *reply;
    const char *end; /* of the packet */
    bool silent;     /* no reply, or not yet */
    bool busy;
    uint8_t *bytes; /* GDB_PACKET_MAX of memory on its way */
    /* What the client said it can do, and asked for. */
    bool error_texts, swbreak, hwbreak, extended, physical;
    bool told_slide; /* it knows where the kernel is (qOffsets): its addresses are the kernel's */
    enum debug_step step; /* what `s` means */
    unsigned cpu;         /* registers and memory */
    unsigned run_cpu;     /* old `c` and `s`; bs */
    /* It waits for a stop reply: because of `?` or `run`, and with Ctrl-C. */
    bool waiting, attaching, interrupted;
    /* bc is at work: it met a watched access, and goes to before it, where gdb looks for the value
     * that was there; then that is told. */
    enum { BACK_NOT, BACK_RUNS, BACK_DUE, BACK_STEPS } back;
    int watch_type;
    uint64_t watch_at;
    /* What commands of breakpoints printed on CPU threads. */
    pthread_mutex_t print_lock;
    char printed[GDB_PRINT_MAX];
    size_t printed_len;
};

/* ---- gdb.c ---- */
/* The reply is an error: a text if the client takes those everywhere, else a number. */
void gdb_fail(struct gdb *g, const char *text);
/* The same for packets whose errors always may have a text. */
void gdb_refuse(struct gdb *g, const char *text);
void gdb_ok(struct gdb *g);
/* An O packet: text on gdb's terminal. While it waits for a stop or a command. */
void gdb_say(struct gdb *g, const char *text);
/* What breakpoints have printed. */
void gdb_say_printed(struct gdb *g);
/* Takes a thread's id at *p: *cpu; -1, all of them or any: *any. False: there is none such. */
bool gdb_take_thread(struct gdb *g, const char **p, unsigned *cpu, bool *any);

typedef void gdb_packet(struct gdb *g, const char *args);
/* ---- gdb_run.c ---- */
gdb_packet gdb_why, gdb_vcont, gdb_vcont_kinds, gdb_continue, gdb_continue_signal, gdb_step,
    gdb_step_signal, gdb_restart, gdb_run, gdb_detach, gdb_kill, gdb_vkill, gdb_attach, gdb_back;
void gdb_interrupt(struct gdb *g);
/* Takes the step that is due. Lock held. */
void gdb_step_back(struct gdb *g);
void gdb_face(struct gdb *g, bool there);
void gdb_tell_end(struct gdb *g);
/* ---- gdb_data.c ---- */
gdb_packet gdb_get_all, gdb_set_all, gdb_get_one, gdb_set_one, gdb_read_hex, gdb_write_hex,
    gdb_read_binary, gdb_write_binary, gdb_search, gdb_crc;
/* ---- gdb_break.c ---- */
gdb_packet gdb_insert, gdb_remove;
void gdb_remove_all(struct gdb *g);
/* 'Z' type of a breakpoint of ours; -1: not ours. GDB_MOVED: one of type 0 or 1 where the kernel
 * has moved to, which gdb does not know of. */
#define GDB_MOVED 5
int gdb_break_type(const struct gdb *g, const struct breakpoint *b);
/* ---- gdb_monitor.c ---- */
/* No lock. */
void gdb_monitor(struct gdb *g, const char *args);

#endif
