/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_PROBE_H
#define CALQUE_CPU_X86_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/x86/probe_program.h"

/* What a debugger asks of the engines: to be asked itself before certain instructions and after
 * those that made certain accesses or brought certain events. Nothing is written into guest memory
 * and nothing that the guest could see changes, not even the count of its instructions.
 *
 * Instructions are marked by their place in the page (any page) when blocks are formed, and both
 * engines ask before they run them. Pages with watched bytes get no TLB entry, so that every access
 * to them is seen in C; where they are is kept beside the TLB, for the accesses to other bytes. All
 * else is seen where it is done. What was seen ends the block, and is asked about before the next
 * instruction.
 *
 * One set for all CPUs of a machine, cpu->probes; NULL: nothing is asked. It belongs to the
 * debugger. Its functions are called on the CPU thread, without the machine lock, at an
 * architectural boundary (cpu_eflags() has the flags); they must not run the machine. */

struct cpu;
struct machine;
struct tlb_entry;

enum probe_access { PROBE_READ = 1, PROBE_WRITE = 2, PROBE_EXECUTE = 4 };

/* Bytes that are watched. */
struct probe_range {
    uint64_t start, last; /* inclusive */
    bool physical;        /* else linear */
    uint8_t access;       /* PROBE_READ | PROBE_WRITE */
};

enum probe_event {
    PROBE_PORT_IN,   /* arg: port, value: bytes, and what was read << 8 */
    PROBE_PORT_OUT,  /* the same of what was written */
    PROBE_RDMSR,     /* arg: number, value: what was read */
    PROBE_WRMSR,     /* arg: number, value: what was written */
    PROBE_CR_WRITE,  /* arg: number, value. MOV CR, LMSW, CLTS; not task switches */
    PROBE_EXCEPTION, /* arg: vector, value: error code; before delivery, RIP at the instruction */
    PROBE_INTERRUPT, /* arg: vector, value: 1 from outside, 0 INT n; RIP at the handler */
    PROBE_MODE,      /* arg: enum probe_mode now, value: before */
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
    PROBE_SMM,
    PROBE_NUM_MODES
};
enum probe_mode cpu_probe_mode(const struct cpu *cpu);
const char *probe_mode_name(enum probe_mode mode);

/* An access that touched a watched range. phys: of its first byte within the page. */
struct probe_hit {
    uint64_t lin, phys;
    uint8_t size, access;
};

/* Why instructions are marked: those whose first byte is in the range, unless the program's value
 * is 0. Compared by its bytes: padding is 0. */
struct probe_point {
    uint64_t start, last; /* inclusive */
    bool physical;        /* else linear */
    struct probe_program when;
};

struct probes {
    /* Places in a page (address & 0xfff) at which instructions are marked. */
    uint64_t offsets[4096 / 64];
    /* If not NULL: only because of these, so engines need not ask about others, nor where all that
     * are meant have a program whose value is 0. */
    const struct probe_point *points;
    unsigned npoints;
    const struct probe_range *ranges;
    unsigned nranges;
    uint32_t events; /* bit per enum probe_event */
    /* An instruction at a marked place is about to run; lin: its linear address. True: stop. */
    bool (*execute)(void *opaque, struct cpu *cpu, uint64_t lin);
    /* The same, asked in haste: only general registers, RIP and memory are up to date. True:
     * `execute` need not be asked. NULL: it always must. */
    bool (*passes)(void *opaque, struct cpu *cpu, uint64_t lin);
    /* The instruction that made these accesses is complete (or an iteration of it). True: stop. */
    bool (*accessed)(void *opaque, struct cpu *cpu, const struct probe_hit *hits, unsigned n);
    /* True: stop. */
    bool (*event)(void *opaque, struct cpu *cpu, enum probe_event event, uint64_t arg,
                  uint64_t value);
    void *opaque;
};

#define PROBE_SEEN_MAX 8
#define PROBE_PAGES    8u

/* Each CPU's part; none of it is state of the machine. */
struct cpu_probe {
    bool stop;                    /* at the next boundary the run ends with VCPU_EXIT_DEBUG */
    bool skip;                    /* do not ask about the instruction at skip_lin once more */
    bool pass;                    /* nor about the exception that is pending */
    uint64_t skip_lin, asked_lin; /* asked_lin: the last that was asked about */
    unsigned nhits, nevents;      /* seen and not asked about yet; more than fit are lost */
    struct probe_hit hits[PROBE_SEEN_MAX];
    struct {
        uint64_t arg, value;
        enum probe_event event;
    } events[PROBE_SEEN_MAX];
    enum probe_mode mode;
    uint64_t interrupts; /* from outside, delivered so far */
    /* Pages with watched bytes that were accessed since the TLB was emptied last, by page number:
     * they would have been entered into the table otherwise. */
    bool pages_known;
    struct probe_page {
        const struct tlb_entry *table; /* NULL: empty */
        uint64_t page, phys;
        uint8_t *host;
    } pages[2][PROBE_PAGES]; /* [1]: for stores */
    bool reads_known;        /* some of them are not empty */
    struct probe_read {
        uint64_t page;
        const uint8_t *host;
    } reads[PROBE_READS];
};

/* ---- for the debugger: the CPUs stand still, machine lock held ---- */

/* Begins to ask, or goes on with another set: blocks with instructions at places that are marked
 * now and were not, or the other way round, or for other points, are decoded anew, TLBs emptied
 * where ranges are or were watched. p must stay as it is until the next call. NULL: nothing is
 * asked any more. */
void probes_set(struct machine *m, const struct probes *p);
/* The CPU may go on from the instruction or exception that it stopped at. */
void probe_go_on(struct cpu *cpu);

/* ---- for the engines ---- */

static inline bool probes_mark(const struct probes *p, uint64_t at)
{
    return p->offsets[at / 64 % (4096 / 64)] >> at % 64 & 1;
}
static inline bool probe_touches(const struct probe_range *r, uint64_t lin, uint64_t phys,
                                 uint64_t size)
{
    uint64_t first = r->physical ? phys : lin;

    return first <= r->last && first + size - 1 >= r->start;
}
/* Whether the page has bytes of which the debugger is to be told: it gets no TLB entry. For loads
 * only those count whose reads are watched; an entry for stores serves loads, too. */
static inline bool probes_watch_page(const struct probes *p, bool store, uint64_t lin,
                                     uint64_t phys)
{
    for (unsigned n = 0; n < p->nranges; n++)
        if ((store || p->ranges[n].access & PROBE_READ) &&
            probe_touches(&p->ranges[n], lin & ~0xfffull, phys & ~0xfffull, 4096))
            return true;
    return false;
}
/* The host address of bytes in a page with watched ones, if none of them is: for an access as of
 * the table. NULL: not known, or they are. */
static inline uint8_t *probe_unwatched(const struct probes *p, const struct cpu_probe *known,
                                       const struct tlb_entry *table, bool store, uint64_t lin,
                                       unsigned size)
{
    const struct probe_page *e = &known->pages[store][lin >> 12 & (PROBE_PAGES - 1)];
    uint64_t off = lin - e->page;

    if (!known->pages_known || e->table != table || off > 4096 - size)
        return NULL;
    for (unsigned n = 0; n < p->nranges; n++)
        if (probe_touches(&p->ranges[n], lin, e->phys + off, size))
            return NULL;
    return e->host + off;
}
/* Bytes of one page are being accessed. */
void probe_access(struct cpu *cpu, uint64_t lin, uint64_t phys, unsigned size, uint8_t access);
/* Something happened. */
void probe_note(struct cpu *cpu, enum probe_event event, uint64_t arg, uint64_t value);
/* Between two instructions, if cpu->probes: asks about what was seen. True: stop. */
bool probe_boundary(struct cpu *cpu);
/* cpu->insn, which is marked, is about to run. True: it must not; as if it had faulted. */
bool probe_stops_before(struct cpu *cpu);
/* The same of a marked instruction that RIP is at, with nothing settled but general registers.
 * False: probe_stops_before() must be asked. */
bool probe_passes(struct cpu *cpu);
/* An instruction or a block returned r, enum op_result: after a fault what it seemed to access, it
 * did not; what is to be continued, or tried again, is not asked about again. True: it was no fault
 * but a stop. */
bool probe_unfinished(struct cpu *cpu, int r);
/* The instruction that RIP is at is not asked about: the CPU goes on from there. */
bool probe_skips(const struct cpu *cpu);
/* cpu->exc is about to be delivered, if cpu->probes. True: stop before. */
bool probe_exception(struct cpu *cpu);

#endif
