/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What debuggers ask of the engines. */
#include "cpu/x86/probe.h"

#include "cpu/x86/mem.h"
#include "vm/machine.h"

/* ---- the set ---- */

static void set_ranges(struct cpu *cpu, const struct probes *p)
{
    bool watched = cpu->probes && cpu->probes->nranges;

    cpu->probes = p;
    if (watched || (p && p->nranges))
        tlb_flush_all(cpu);
    cpu->probe.mode = cpu_probe_mode(cpu);
    cpu->probe.nhits = cpu->probe.nevents = 0;
}

/* The places of all points but the first `from`. */
static void add_places(uint64_t places[64], const struct probes *p, unsigned from)
{
    for (unsigned n = from; p && p->points && n < p->npoints; n++) {
        uint64_t start = p->points[n].start, size = p->points[n].last - start;

        for (uint64_t at = start; at - start <= size && at - start < VM_PAGE_SIZE; at++)
            places[at / 64 % 64] |= 1ull << at % 64;
    }
}

static bool is_same(const struct probe_point *a, const struct probe_point *b)
{
    return a->start == b->start && a->last == b->last && a->physical == b->physical &&
           a->when.n == b->when.n && !memcmp(a->when.insns, b->when.insns, sizeof(a->when.insns));
}

/* The places of points that only one of them has. */
static void changed_points(const struct probes *a, const struct probes *b, uint64_t places[64])
{
    unsigned same = 0;

    memset(places, (a && !a->points) != (b && !b->points) ? 0xff : 0, 64 * sizeof(*places));
    if (a && b && a->points && b->points)
        while (same < a->npoints && same < b->npoints &&
               is_same(&a->points[same], &b->points[same]))
            same++;
    add_places(places, a, same);
    add_places(places, b, same);
}

void probes_set(struct machine *m, const struct probes *p)
{
    uint64_t changed[64], any = 0, *marked;

    if (!m->ncpus)
        return;
    marked = cpu_of(m->cpus[0])->probe_marks;
    changed_points(cpu_of(m->cpus[0])->probes, p, changed);
    for (unsigned n = 0; n < ARRAY_SIZE(changed); n++) {
        uint64_t now = p ? p->offsets[n] : 0;

        changed[n] = (changed[n] & (marked[n] | now)) | (marked[n] ^ now);
        any |= changed[n];
        marked[n] = now;
    }
    if (!p != !cpu_of(m->cpus[0])->probes)
        machine_take_turns(m, p);
    machine_exclusive_begin(m);
    for (unsigned n = 0; n < m->ncpus; n++)
        set_ranges(cpu_of(m->cpus[n]), p);
    for (unsigned n = 0; any && n < (m->run.threads ? m->ncpus : 1); n++)
        block_cache_remark(cpu_of(m->cpus[n]), changed);
    machine_exclusive_end(m);
}

static uint64_t linear_rip(const struct cpu *cpu)
{
    uint64_t rip = cpu->r[R_RIP];

    return cpu->code_mode == CODE64 ? rip : (uint32_t)(cpu->seg[SEG_CS].base + rip);
}

void probe_go_on(struct cpu *cpu)
{
    uint64_t lin = linear_rip(cpu);

    cpu->probe.pass = cpu->exc_pending;
    cpu->probe.skip = cpu->probes && probes_mark(cpu->probes, lin);
    cpu->probe.skip_lin = lin;
}

bool probe_skips(const struct cpu *cpu)
{
    return cpu->probe.skip && cpu->probe.skip_lin == linear_rip(cpu);
}

/* ---- modes ---- */

enum probe_mode cpu_probe_mode(const struct cpu *cpu)
{
    if (cpu->smm)
        return PROBE_SMM;
    if (!cpu_protected(cpu))
        return PROBE_REAL;
    if (cpu_v86(cpu))
        return PROBE_V86;
    if (!cpu->long_mode)
        return cpu->code_mode == CODE16 ? PROBE_PROTECTED16 : PROBE_PROTECTED32;
    return cpu->code_mode == CODE64   ? PROBE_LONG64
           : cpu->code_mode == CODE32 ? PROBE_COMPATIBILITY32
                                      : PROBE_COMPATIBILITY16;
}

const char *probe_mode_name(enum probe_mode mode)
{
    static const char *const names[PROBE_NUM_MODES] = {
        [PROBE_REAL] = "real mode",
        [PROBE_V86] = "virtual-8086 mode",
        [PROBE_PROTECTED16] = "16-bit protected mode",
        [PROBE_PROTECTED32] = "32-bit protected mode",
        [PROBE_COMPATIBILITY16] = "16-bit compatibility mode",
        [PROBE_COMPATIBILITY32] = "32-bit compatibility mode",
        [PROBE_LONG64] = "64-bit mode",
        [PROBE_SMM] = "system management mode",
    };

    return (unsigned)mode < PROBE_NUM_MODES ? names[mode] : "?";
}

/* ---- marked instructions ---- */

/* All points that mean the instruction have programs, which say no. */
static bool points_pass(const struct probes *p, struct cpu *cpu, uint64_t lin)
{
    for (unsigned n = 0; n < p->npoints; n++) {
        const struct probe_point *at = &p->points[n];
        uint64_t addr = at->physical ? mmu_debug_translate(cpu, lin) : lin, value;

        if (addr >= at->start && addr <= at->last &&
            (!at->when.n || !probe_program_run(&at->when, cpu, &value) || value))
            return false;
    }
    return true;
}

bool probe_passes(struct cpu *cpu)
{
    const struct probes *p = cpu->probes;
    uint64_t lin = linear_rip(cpu);

    if (!p || (cpu->probe.skip && cpu->probe.skip_lin == lin) ||
        !((p->points && points_pass(p, cpu, lin)) || (p->passes && p->passes(p->opaque, cpu, lin))))
        return false;
    cpu->probe.asked_lin = lin;
    return true;
}

/* The debugger says. */
static bool asked_stops(struct cpu *cpu)
{
    uint64_t lin = linear_rip(cpu);

    cpu->probe.asked_lin = lin;
    if (cpu->probe.skip && cpu->probe.skip_lin == lin)
        cpu->probe.skip = false;
    else
        cpu->probe.stop = cpu->probes && cpu->probes->execute(cpu->probes->opaque, cpu, lin);
    return cpu->probe.stop;
}

bool probe_stops_before(struct cpu *cpu)
{
    uint64_t block_rip = cpu->r[R_RIP], at = insn_rip(cpu, cpu->insn);
    bool stops = false;

    cpu->r[R_RIP] = at;
    if (!probe_passes(cpu)) {
        cpu->r[R_RIP] = block_rip;
        cpu_settle(cpu);
        cpu->r[R_RIP] = at;
        stops = asked_stops(cpu);
    }
    cpu->r[R_RIP] = block_rip;
    return stops;
}

/* ---- accesses and events ---- */

/* What was seen is asked about right behind the running instruction. */
static void end_run(struct cpu *cpu)
{
    atomic_store(&cpu->v.exit_req, 1);
    if (cpu->insn)
        cpu_leave_block(cpu);
}

void probe_access(struct cpu *cpu, uint64_t lin, uint64_t phys, unsigned size, uint8_t access)
{
    const struct probes *p = cpu->probes;

    for (unsigned n = 0; n < p->nranges; n++) {
        if (!(p->ranges[n].access & access) || !probe_touches(&p->ranges[n], lin, phys, size))
            continue;
        if (cpu->probe.nhits < PROBE_SEEN_MAX)
            cpu->probe.hits[cpu->probe.nhits++] = (struct probe_hit){
                .lin = lin, .phys = phys, .size = (uint8_t)size, .access = access};
        end_run(cpu);
        return;
    }
}

void probe_note(struct cpu *cpu, enum probe_event event, uint64_t arg, uint64_t value)
{
    struct cpu_probe *seen = &cpu->probe;

    seen->interrupts += event == PROBE_INTERRUPT && value;
    if (!(cpu->probes->events >> event & 1) || seen->nevents == PROBE_SEEN_MAX)
        return;
    seen->events[seen->nevents].event = event;
    seen->events[seen->nevents].arg = arg;
    seen->events[seen->nevents++].value = value;
    end_run(cpu);
}

static void note_mode(struct cpu *cpu)
{
    enum probe_mode before = cpu->probe.mode, now = cpu_probe_mode(cpu);

    cpu->probe.mode = now;
    if (now != before)
        probe_note(cpu, PROBE_MODE, now, before);
}

bool probe_boundary(struct cpu *cpu)
{
    const struct probes *p = cpu->probes;
    struct cpu_probe *seen = &cpu->probe;
    bool stop;

    note_mode(cpu);
    stop = seen->stop;
    if (seen->nhits && p->accessed(p->opaque, cpu, seen->hits, seen->nhits))
        stop = true;
    for (unsigned n = 0; n < seen->nevents; n++)
        if (p->event(p->opaque, cpu, seen->events[n].event, seen->events[n].arg,
                     seen->events[n].value))
            stop = true;
    seen->stop = false;
    seen->nhits = seen->nevents = 0;
    return stop;
}

bool probe_unfinished(struct cpu *cpu, int r)
{
    struct cpu_probe *p = &cpu->probe;
    bool stop = p->stop;

    if (r != OP_FAULT && r != OP_AGAIN)
        return false;
    if (linear_rip(cpu) == p->asked_lin) {
        p->skip = true;
        p->skip_lin = p->asked_lin;
    }
    if (r == OP_AGAIN)
        return false;
    p->stop = false;
    p->nhits = 0;
    return stop;
}

bool probe_exception(struct cpu *cpu)
{
    const struct probes *p = cpu->probes;
    bool pass = cpu->probe.pass;

    cpu->probe.pass = false;
    return !pass && !cpu->exc.shutdown && p->events >> PROBE_EXCEPTION & 1 &&
           p->event(p->opaque, cpu, PROBE_EXCEPTION, cpu->exc.vector, cpu->exc.error);
}
