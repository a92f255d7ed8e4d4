/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_PROBE_H
#define CALQUE_CPU_X86_PROBE_H

#include <stdbool.h>
#include <stdint.h>

/* What a debugger asks of the engines: to be asked itself before certain instructions, after
 * certain accesses and at certain events. Nothing is written into guest memory and nothing that the
 * guest could see changes, not even the count of its instructions.
 *
 * Instructions are marked by their place in the page (any page): block formation puts them into
 * blocks of their own, whose one operation asks first, interpreted or translated alike. Pages with
 * watched bytes get no TLB entry; an access to the bytes themselves is not made: the instruction is
 * run again alone, and asked about when it is done. All else is asked about where it is done in C.
 *
 * One set for all CPUs of a machine, cpu->probes; NULL: nothing is asked. It belongs to the
 * debugger and changes only while the CPUs stand still, with probes_changed() afterwards. The
 * functions are called on the CPU thread, without the machine lock, with an architectural CPU (but
 * for RIP and flags, which cpu_eflags() and the arguments give); they must not run the machine. */

struct cpu;

enum probe_access { PROBE_READ = 1, PROBE_WRITE = 2, PROBE_EXECUTE = 4 };

/* Bytes that are watched. */
struct probe_range {
    uint64_t start, last; /* inclusive */
    bool physical;        /* else linear */
    uint8_t access;       /* PROBE_READ | PROBE_WRITE */
};

enum probe_event {
    PROBE_PORT_IN,   /* arg: port, value: size; before the access */
    PROBE_PORT_OUT,  /* the same */
    PROBE_RDMSR,     /* arg: number; before */
    PROBE_WRMSR,     /* arg: number, value: what is written; before */
    PROBE_CR_WRITE,  /* arg: number, value; before. MOV CR, LMSW, CLTS; not task switches */
    PROBE_EXCEPTION, /* arg: vector, value: error code; before delivery, RIP at the instruction */
    PROBE_INTERRUPT, /* arg: vector; delivered, RIP at the handler. Also NMI (2) and INT n */
    PROBE_MODE,      /* arg: enum probe_mode now, value: before; the switch is complete */
    PROBE_NUM_EVENTS
};

/* Modes as a debugger tells them apart. */
enum probe_mode {
    PROBE_REAL,
    PROBE_V86,
    PROBE_PROTECTED16,
    PROBE_PROTECTED32,
    PROBE_COMPATIBILITY16,
    PROBE_COMPATIBILITY32,
    PROBE_LONG64,
    PROBE_SMM
};
enum probe_mode cpu_probe_mode(const struct cpu *cpu);
const char *probe_mode_name(enum probe_mode mode);

/* What one access of a watched range was. */
struct probe_hit {
    uint64_t lin, phys;
    uint8_t size, access;
};

struct probes {
    /* Places in a page (address & 0xfff) at which instructions are marked. */
    uint64_t offsets[4096 / 64];
    const struct probe_range *ranges;
    unsigned nranges;
    uint32_t events; /* bit per enum probe_event */
    /* An instruction at a marked place is about to run. True: stop before it. */
    bool (*execute)(void *opaque, struct cpu *cpu, uint64_t lin, uint64_t rip);
    /* The instruction that made these accesses is complete (or an iteration of it). True: stop. */
    bool (*accessed)(void *opaque, struct cpu *cpu, const struct probe_hit *hits, unsigned n);
    /* True: stop, before or after as the event says. */
    bool (*event)(void *opaque, struct cpu *cpu, enum probe_event event, uint64_t arg,
                  uint64_t value);
    void *opaque;
};

#define PROBE_HITS_MAX 16

/* Each CPU's part. */
struct cpu_probe {
    bool stop;  /* the run ends with VCPU_EXIT_DEBUG at the next boundary */
    bool retry; /* the fault being handled is none: the instruction touched what is watched */
    bool alone; /* run the next instruction alone, noting what it touches */
    bool skip;  /* do not ask about the marked instruction at skip_lin again before it has run */
    bool pass;  /* nor about the event that stopped the machine */
    uint64_t skip_lin;
    unsigned nhits;
    struct probe_hit hits[PROBE_HITS_MAX];
    uint64_t interrupts; /* interrupts from outside delivered so far */
};

/* Begins or ends asking, or the set has changed: blocks with instructions at places that are marked
 * now and were not, or the other way round, are decoded anew, TLBs emptied if ranges changed.
 * p NULL: nothing is asked any more. All CPUs of the machine stand still, lock held. */
struct machine;
void probes_set(struct machine *m, const struct probes *p);
/* The debugger lets the CPU go on from where a marked instruction or an event stopped it. */
void probe_go_on(struct cpu *cpu);

#endif
