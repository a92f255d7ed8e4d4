/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_RUN_H
#define CALQUE_VM_RUN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Run control: starts, stops and ends a machine; knows why it stopped. Devices and the CPU only
 * *request* (reset, power-off, exit); the run loop honours requests between slices.
 *
 * Threads: host-time mode has a thread for each vCPU (or one for all, which then take turns) and
 * the caller's main loop, which runs timers and host file descriptors. In instruction-count mode
 * the vCPU thread runs timers itself, at exact counts, and several vCPUs take turns in fixed
 * quanta. They also do while somebody wants to know who did what: a debugger, machine_step(). */

struct machine;
struct vcpu;

enum run_state { RUN_PAUSED, RUN_RUNNING, RUN_ENDED };

enum stop_reason {
    STOP_NONE,
    STOP_USER,         /* monitor `stop`, -S */
    STOP_POWEROFF,     /* guest powered off (S5) */
    STOP_RESET,        /* guest reset while -no-reboot */
    STOP_TRIPLE_FAULT, /* while run.triple_fault_ends */
    STOP_DEBUG_EXIT,   /* isa-debug-exit: run.exit_value is the value written */
    STOP_TIMEOUT,      /* --timeout */
    STOP_UNTIL,        /* --until text seen */
    STOP_QUIT,         /* monitor `quit`, second SIGINT */
    STOP_BREAKPOINT,
    STOP_STEP,         /* machine_step(): its instructions are done */
    STOP_COUNT,        /* machine_run_until(): the count is reached */
    STOP_IO_ERROR,     /* a disk's request failed, and werror= or rerror= says stop */
    STOP_DIFFERENCE,   /* lockstep: translated code did something else than the interpreter; replay:
                        * the machine something else than was recorded */
    STOP_RECORD_END,   /* replay: the recording ends here */
    STOP_DOUBLE_FAULT, /* while run.triple_fault_pauses: its handler is about to run */
    STOP_BOOT_LOOP,    /* the same: the guest resets the machine again and again */
    STOP_WATCHDOG,     /* a watchdog's time is up */
    STOP_GUEST_PANIC,  /* the guest has told of its panic */
    STOP_ENGINE,       /* the host's KVM cannot go on; it has been said why */
};

/* What onlookers are told of. */
enum run_event {
    RUN_EVENT_STOP,     /* running no more: paused */
    RUN_EVENT_RESUME,   /* running */
    RUN_EVENT_RESET,    /* has been reset */
    RUN_EVENT_SHUTDOWN, /* the end (or, with no_shutdown, what would be); run.reason says why */
    /* machine_announce(): what devices tell; run.action is what is done about it */
    RUN_EVENT_WATCHDOG,     /* the guest has not reset its watchdog in time */
    RUN_EVENT_PANICKED,     /* the guest panics */
    RUN_EVENT_CRASH_LOADED, /* the guest panics, and its crash kernel takes over */
    RUN_EVENT_BALLOON,      /* the guest has given up or taken memory */
};

/* Wants to know when the machine goes on after a pause: work that was put off is taken up again.
 * Lock held, before the CPUs run. */
struct run_resumed {
    void (*fn)(void *opaque);
    void *opaque;
    struct run_resumed *next; /* machine_on_resume()'s */
};

/* Resets by the guest in a row, soon one after the other and at the same place. */
struct reset_loop {
    uint64_t place, at; /* linear address of the CPU that did it, ns */
    unsigned count;
    bool told;
};

struct run_control {
    enum run_state state;
    enum stop_reason reason; /* why paused or ended */
    uint32_t exit_value;
    bool no_reboot, triple_fault_ends;
    bool no_shutdown; /* a guest that powers off pauses the machine instead of ending it */
    bool triple_fault_pauses, reset_pauses; /* a debugger wants to see those */
    /* Paused so while there is a log, which repeats what comes of it: the machine ends or is reset
     * when it goes on. */
    struct vcpu *shut_down;
    bool reset_wanted;
    bool stop_wanted; /* pause at the next boundary */
    bool end_wanted;
    enum stop_reason stop_why, end_why; /* of the requests above */
    pthread_t thread;                   /* of the first CPU; that of all while they take turns */
    bool thread_live;
    /* Before the threads start: each CPU gets its own. */
    bool threads;
    unsigned in_turns;  /* reasons why they take turns nevertheless: machine_take_turns() */
    bool parallel;      /* they do not: all that are not halted run; while state is RUN_RUNNING */
    atomic_uint slices; /* CPUs that are in theirs, then; lock held, or read at a guess */
    bool inline_live;   /* machine_run_inline() is running, on `thread` */
    /* Timers and input of the main loop's share wait until no CPU is in its slice, and the CPU
     * thread takes its part in them: for lockstep, which runs a block twice from the same memory.
     */
    bool devices_wait;
    bool frozen;          /* paused, and input waits, too: the machine is being sent elsewhere */
    unsigned brake;       /* percent of its time that the guest is held back; host time only */
    struct vcpu *current; /* in its slice */
    uint32_t next_cpu;    /* whose turn it is, and for how many instructions more */
    uint64_t quantum_left;
    uint64_t turn_random;  /* 0: all turns are equally long; else of the generator of lengths */
    bool clean;            /* the last slice ended by itself; record.h */
    bool sleeps;           /* icount: a halt takes its time on the host, too */
    struct vcpu *step_cpu; /* machine_step(): whose, how many more, whether the others run too */
    uint64_t step_left;
    bool step_others;
    uint64_t stop_count;    /* machine_run_until(); UINT64_MAX: nowhere */
    uint64_t stop_time;     /* machine_run_until_time(); the same */
    uint64_t next_digest;   /* -d digest: the count of instructions at which one is due */
    pthread_cond_t wake;    /* the vCPU thread waits here when paused or halted */
    pthread_cond_t changed; /* signalled when state changes */
    /* State changed, a timer moved or input arrived: wake the main loop. Lock held, except that
     * input_push() calls it from any thread: it must be thread safe and must not take the lock. */
    void (*notify)(void *opaque);
    void *notify_opaque;
    /* Told of every event, lock held, by the thread that makes it. Must not change run state. */
    void (*event)(void *opaque, enum run_event event);
    void *event_opaque;
    const char *action; /* of the event that is told: "reset", as QMP names it; NULL: none */
    struct run_resumed *resumed;
    void (*before_reset)(void *opaque); /* the machine's own reset work (reload a kernel) */
    void (*after_reset)(void *opaque);
    void *reset_opaque;
    unsigned double_fault_cpu; /* of STOP_DOUBLE_FAULT */
    uint64_t resets;
    struct reset_loop loop;
    uint64_t changes; /* of state, so far */
};

/* All of these: machine lock held, unless noted. */
bool machine_start_threads(struct machine *m); /* takes the lock itself; starts paused */
void machine_join(struct machine *m);          /* takes the lock itself; after RUN_ENDED */
void machine_cont(struct machine *m);
void machine_stop(struct machine *m, enum stop_reason why); /* returns when the CPUs stand still */
void machine_on_resume(struct machine *m, struct run_resumed *r);
/* As machine_cont(), until CPU v has taken `insns` more steps (an instruction, or the delivery of
 * an exception or interrupt): STOP_STEP. The others stand still meanwhile, unless `others`. */
void machine_step(struct machine *m, struct vcpu *v, uint64_t insns, bool others);
/* As machine_cont(), until all CPUs together have retired `count` instructions: STOP_COUNT. With
 * instruction counting only. Any stop but STOP_USER takes back the wish, and machine_step()'s;
 * UINT64_MAX takes back both and just goes on. */
void machine_run_until(struct machine *m, uint64_t count);
/* The same for virtual time: stops at the first instruction at or after it. */
void machine_run_until_time(struct machine *m, uint64_t ns);
/* Requests, from devices, CPU, monitor; take effect at the next instruction boundary. */
void machine_request_stop(struct machine *m, enum stop_reason why);
void machine_request_reset(struct machine *m);
void machine_request_end(struct machine *m, enum stop_reason why, uint32_t exit_value);
/* Tells onlookers of what has happened in a device. */
void machine_announce(struct machine *m, enum run_event event, const char *action);
/* Wakes vCPUs that are halted (an interrupt line rose) and makes running ones look up. */
void machine_kick(struct machine *m);
/* One pass of the main loop's share: timers (host mode) and input. Returns host ns until it is
 * wanted again, -1 for ever. Takes the lock itself. */
int64_t machine_poll(struct machine *m);
/* One more (or less) reason to let CPUs take turns: from their next slices on. */
void machine_take_turns(struct machine *m, bool yes);
/* The running CPU has interrupted another one, which shall have its turn soon. */
void machine_end_turn_soon(struct machine *m);
const char *stop_reason_name(enum stop_reason r);
/* Deterministic stepping without threads, for tests and oracles: runs the CPUs in turn on the
 * caller's thread until `insns` instructions retired, the machine stopped or ended, or all CPUs are
 * halted with no timer armed. A reset and a jump over a halt count as an instruction each. */
enum stop_reason machine_run_inline(struct machine *m, uint64_t insns);

#endif
